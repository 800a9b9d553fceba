//! `compare`, `train`, `sample`, `figure` and `report` as a user runs them, at sizes that take seconds.

use gtv_cli::record::{ARRAYS, Described, KEYS, SAMPLES};
use gtv_tests::Bench;
use ndarray::{Array1, Array2, Array3};
use ndarray_npy::NpzReader;
use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

const SMALL: &str = "[model]\nsamples = 300\n[model.features]\nx = 8\nt = 8\n[ensemble]\nmembers = 12\n\
                     [sampling]\npaths = 400\n[theory]\nmodels = 12\npaths = 400\n[compare]\nbootstrap = 40\n";

fn bench() -> Bench {
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"));
    bench.file("small.toml", SMALL);
    bench
}

/// Everything of a summary but what a clock or a path decides.
fn numbers(bench: &Bench, run: &str) -> serde_json::Value {
    let mut value = bench.summary(run);
    for key in ["timing", "command", "finished"] {
        value.as_object_mut().expect("an object").remove(key);
    }
    value
}

fn vector(bench: &Bench, run: &str, name: &str) -> Vec<f64> {
    let file = File::open(bench.path(run).join("arrays.npz")).expect("arrays.npz is there");
    let array: Array1<f64> = NpzReader::new(file).expect("an npz").by_name(name).expect("the array");
    array.to_vec()
}

#[test]
fn compare_writes_what_the_contract_names() {
    let bench = bench();
    let run = bench.line("compare small.toml --out run --seed 3 --save-samples");
    run.done();
    assert!(run.stdout.contains("theory_finite-p") && run.stdout.contains("report.html"), "{}", run.stdout);
    let record = bench.summary("run");
    let levels = [
        "data",
        "pf_ode",
        "mean_score",
        "theory_paper",
        "theory_leading",
        "theory_finite-p",
        "theory_shot-noise",
        "gaussian_empirical",
        "ensemble",
    ];
    for (i, a) in levels.iter().enumerate() {
        for b in &levels[i + 1..] {
            for metric in ["w1", "kl", "js", "energy"] {
                for field in ["value", "lo", "hi", "floor"] {
                    let number = record["distances"][a][b][metric][field].as_f64();
                    assert!(number.is_some_and(|v| v >= 0.0), "distances.{a}.{b}.{metric}.{field}");
                }
            }
        }
        let density = vector(&bench, "run", &format!("{a}_density"));
        let mass: f64 = density.iter().sum::<f64>() * 3.0 / density.len() as f64;
        assert!(mass > 0.5 && mass <= 1.0 + 1e-12, "{a}: {mass} of the mass is in the window");
    }
    for closure in ["paper", "leading", "finite-p", "shot-noise"] {
        for number in ["mean_error", "variance_ratio", "correlation"] {
            assert!(record["kernel"][closure][number].is_f64(), "kernel.{closure}.{number}");
        }
    }
    assert_eq!((record["schema"].as_u64(), record["seed"].as_u64()), (Some(1), Some(3)));
    assert!(record["timing"].is_object() && record["gaussianity"].is_object());
    assert_eq!(vector(&bench, "run", "ensemble_q25").len() + 1, vector(&bench, "run", "x_edges").len());
    let page = std::fs::read_to_string(bench.path("run").join("report.html")).expect("report.html is there");
    assert!(page.contains("<svg") && !page.contains("src=\"http"), "the report is self-contained");
    assert!(!bench.path("run").join("parts").exists(), "partial results are removed");

    // W₁ of equally many equal weights is the mean distance of the sorted samples.
    let file = File::open(bench.path("run").join("samples.npz")).expect("samples.npz is there");
    let mut samples = NpzReader::new(file).expect("an npz");
    let mut sorted = |level: &str| {
        let array: Array3<f64> = samples.by_name(level).expect("the level's samples");
        let mut values: Vec<f64> = array.iter().copied().collect();
        values.sort_by(f64::total_cmp);
        (array.dim(), values)
    };
    let ((shape, ensemble), (single, exact)) = (sorted("ensemble"), sorted("pf_ode"));
    assert_eq!((shape, single), ((12, 400, 1), (1, 4800, 1)));
    let w1 = ensemble.iter().zip(&exact).map(|(a, b)| (a - b).abs()).sum::<f64>() / ensemble.len() as f64;
    let saved = record["distances"]["pf_ode"]["ensemble"]["w1"]["value"].as_f64().expect("a number");
    assert!((w1 - saved).abs() < 1e-12, "{w1} from the samples, {saved} in the summary");
    assert_eq!(sorted("theory_finite-p").0, (12, 400, 1));

    // The report again, from the saved numbers alone.
    std::fs::remove_file(bench.path("run").join("report.html")).expect("removed");
    bench.line("report run").done();
    let again = std::fs::read_to_string(bench.path("run").join("report.html")).expect("rendered again");
    assert_eq!(page, again);
}

/// Paths of the leaves of a JSON value; the config has a page of its own.
fn leaves(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    let under = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        _ if path == "config" => found.push(path.to_owned()),
        serde_json::Value::Object(map) => map.iter().for_each(|(k, v)| leaves(v, &under(k), found)),
        serde_json::Value::Array(list) => list.iter().for_each(|v| leaves(v, &format!("{path}[]"), found)),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => found.push(path.to_owned()),
    }
}

#[test]
fn every_name_that_runs_write_is_described() {
    let bench = bench();
    let points: Vec<f64> = (0..30).map(|i| (f64::from(i) * 0.7).sin()).collect();
    bench.npy("ten.npy", &[10, 3], &points);
    let tiny = "--quiet --save-samples --set ensemble.members=9 --set theory.models=9 --set sampling.paths=60 \
                --set theory.paths=60 --set theory.closures=[\"leading\"]";
    // Few nodes, without the structure of a product.
    let nodes = "--set theory.tensor_points=1 --set theory.quasi_nodes=8192";
    for (run, data) in [
        ("line", String::new()),
        (
            "plane",
            format!("--set data.kind=square {nodes} --set model.features.x=4 --set model.features.t=4"),
        ),
        (
            "space",
            format!(
                "--set data.kind=file --set data.path=ten.npy {nodes} --set model.features.kind=gaussian --set model.features.x=4 --set model.features.t=4"
            ),
        ),
    ] {
        bench.line(&format!("compare small.toml --out {run} {tiny} {data}")).done();
        let described = |table: &[Described], name: &str| {
            assert!(table.iter().any(|d| d.covers(name)), "{run}: {name} is not in docs/files.md");
        };
        let names = |file: &str| {
            let file = File::open(bench.path(run).join(file)).expect("the file is there");
            NpzReader::new(file).expect("an npz").names().expect("names")
        };
        names("arrays.npz").iter().for_each(|name| described(ARRAYS, name));
        names("samples.npz").iter().for_each(|name| described(SAMPLES, name));
        let mut keys = Vec::new();
        leaves(&bench.summary(run), "", &mut keys);
        assert!(keys.len() > 100, "{keys:?}");
        keys.iter().for_each(|key| described(KEYS, key));
        let has = |name: &str| names("arrays.npz").iter().any(|n| n == name);
        assert_eq!((has("history_t"), has("ensemble_history")), (run != "space", run != "space"));
        assert_eq!((has("ensemble_pair_corr"), has("projected_ensemble")), (run == "line", run == "space"));
    }
    // Along the reverse process all mass stays on the axes, which reach 3.2 standard deviations at T (0.14 % beyond, each path
    // a Bernoulli trial: 540 paths, 5 standard errors), and the data's density integrates to 1 where bins resolve it.
    let edges = vector(&bench, "line", "history_x");
    let file = File::open(bench.path("line").join("arrays.npz")).expect("arrays.npz is there");
    let mut arrays = NpzReader::new(file).expect("an npz");
    for level in ["data", "pf_ode", "ensemble"] {
        let history: Array2<f64> = arrays.by_name(&format!("{level}_history")).expect("the history");
        let masses: Vec<f64> = history.rows().into_iter().map(|r| r.sum() * (edges[1] - edges[0])).collect();
        assert!(masses.iter().all(|m| (m - 1.0).abs() < 0.01), "{level}: {masses:?}");
    }
}

#[test]
fn results_depend_on_the_seed_but_not_on_the_threads() {
    let bench = bench();
    bench.line("compare small.toml --out one --threads 1 --quiet").done();
    bench.line("compare small.toml --out two --threads 2 --quiet").done();
    bench.line("compare small.toml --out other --seed 1 --quiet").done();
    assert_eq!(numbers(&bench, "one"), numbers(&bench, "two"));
    assert_ne!(numbers(&bench, "one")["distances"], numbers(&bench, "other")["distances"]);
}

#[cfg(unix)]
#[test]
fn a_killed_comparison_resumes_to_the_same_numbers() {
    let bench = bench();
    let line = "compare small.toml --set sampling.paths=20000 --quiet --out";
    let start = |out: &str| {
        let mut command = Command::new(bench.program());
        command.args(line.split_whitespace()).arg(out).current_dir(bench.folder()).spawn().expect("it starts")
    };
    let mut undisturbed = start("whole");
    assert!(undisturbed.wait().expect("it ends").success());

    // Killed as soon as some member is saved, then once more, then left alone.
    let parts = bench.path("killed").join("parts");
    let saved = || std::fs::read_dir(&parts).map_or(0, Iterator::count);
    for target in [3, 20] {
        let mut child = start("killed");
        let limit = Instant::now() + Duration::from_secs(120);
        while saved() < target && child.try_wait().expect("its state").is_none() {
            assert!(Instant::now() < limit, "no part was saved");
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    // A part that a failing disk has damaged is named and computed again.
    if let Some(part) = std::fs::read_dir(&parts).ok().and_then(|mut d| d.next()) {
        let path = part.expect("an entry").path();
        let mut bytes = std::fs::read(&path).expect("read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).expect("written");
    }
    assert!(start("killed").wait().expect("it ends").success());
    let mut resumed = numbers(&bench, "killed");
    // The damaged part is told of; nothing else differs.
    resumed["warnings"] = numbers(&bench, "whole")["warnings"].clone();
    assert_eq!(numbers(&bench, "whole"), resumed);
    let bytes = |run: &str| std::fs::read(bench.path(run).join("arrays.npz")).expect("arrays.npz");
    assert_eq!(bytes("whole"), bytes("killed"));
}

#[test]
fn trained_members_are_saved_and_sampled() {
    let bench = bench();
    bench.line("train small.toml --model linear --members 3 --samples 200 --out run").done();
    for member in 0..3 {
        assert!(bench.path(&format!("run/members/member-{member:05}.safetensors")).is_file());
    }
    bench.line("sample run --count 100 --out all.npy").done();
    bench.line("sample run --count 100 --member 1 --out one.npy").done();
    bench.line("sample run --count 100 --theory leading --out theory.npy").done();
    bench.line("sample small.toml --count 7 --theory shot-noise --out shot.npy").done();
    for (name, count) in [("all.npy", 100), ("one.npy", 100), ("theory.npy", 100), ("shot.npy", 7)] {
        let x: Array2<f64> = ndarray_npy::read_npy(bench.path(name)).expect("an npy file");
        assert_eq!(x.shape(), [count, 1]);
        assert!(x.iter().all(|v| v.is_finite()));
    }
    bench.line("train --resume --out run").done();
}

#[test]
fn bad_requests_are_refused() {
    let bench = bench();
    bench.line("train small.toml --members 2 --out run --quiet").done();
    bench.line("sample run --count 5 --member 2 --out x.npy").refused(2, &["--member", "2 members"]);
    bench.line("sample run --count 0 --out x.npy").refused(2, &["--count"]);
    bench.line("sample small.toml --count 5 --out x.npy").refused(2, &["small.toml", "--theory"]);
    bench.file("run/members/member-00001.safetensors", b"not safetensors");
    bench.line("sample run --count 5 --out x.npy").refused(2, &["member-00001", "train again"]);
    bench.line("train small.toml --width 64 --out w").refused(2, &["--width", "linear"]);
    bench.line("compare small.toml --set ensemble.members=0 --out z").refused(2, &["ensemble.members"]);
    bench.line("compare missing.toml --out z").refused(2, &["missing.toml"]);
    bench.line("report run").refused(2, &["run"]);
    assert!(!bench.path("z").exists() && !bench.path("x.npy").exists());
}

#[test]
fn figure_one_is_written() {
    let bench = bench();
    bench.line("figure fig1 --out figures").done();
    for suffix in ["npz", "svg", "png"] {
        assert!(bench.path(&format!("figures/fig1.{suffix}")).is_file());
    }
}

#[test]
fn compare_splits_the_variance_and_maps_the_score() {
    let bench = bench();
    bench.line("compare small.toml --out run --set ensemble.sources=true --set model.points=75 --set model.draws=4").done();
    let record = bench.summary("run");
    let source = |name: &str| record["variance_sources"][name].clone();
    let measured = |name: &str| source(name)["measured"]["value"].as_f64().unwrap_or(f64::NAN);
    for name in ["total", "label-noise", "placement", "points"] {
        assert!(measured(name).is_finite(), "{name}: {}", source(name));
        assert!(source(name)["predicted"]["finite-p"].is_f64(), "{name}: {}", source(name));
    }
    let parts = measured("label-noise") + measured("placement");
    assert!((parts - measured("total")).abs() < 1e-12, "{parts}");
    assert!(record["distances"]["points"]["data"]["w1"]["value"].as_f64().is_some_and(|w| w > 0.0));
    assert!(record["distances"]["points"]["data"]["kl"].is_null(), "data points have no density");
    let file = File::open(bench.path("run").join("arrays.npz")).expect("arrays.npz is there");
    let names = NpzReader::new(file).expect("an npz").names().expect("names");
    for name in
        ["proxy_cov_map", "ensemble_var_map", "skewness_map", "kurtosis_map", "ensemble_time_corr", "corr_t"]
    {
        assert!(names.iter().any(|n| n.trim_end_matches(".npy") == name), "{name} in {names:?}");
    }
    // Trained on the true score there is no label noise left to remove.
    bench.line("compare small.toml --out clean --target true-score --set ensemble.sources=true").done();
    let clean = bench.summary("clean");
    assert_eq!(clean["config"]["model"]["target"], "true-score");
    let noise = clean["variance_sources"]["label-noise"]["measured"]["value"].as_f64();
    assert!(noise.is_some_and(|v| v.abs() < 1e-12), "{noise:?}");
}

#[test]
fn compare_takes_every_prediction_by_name() {
    let bench = bench();
    let all = "[\"finite-p\",\"naive\",\"fokker-planck\",\"white\",\"matched-white\",\"damped\",\"linear-noise\",\"semiclassical\"]";
    let closures = format!("theory.closures={all}");
    let run =
        bench.run(["compare", "small.toml", "--out", "run", "--set", &closures, "--set", "theory.kappa=0.5"]);
    run.done();
    let record = bench.summary("run");
    let gap = |level: &str| record["levels"][level]["gap_mass"]["value"].as_f64().unwrap_or(f64::NAN);
    for level in ["white", "matched-white", "damped", "linear-noise", "semiclassical", "fokker-planck"] {
        assert!(gap(&format!("theory_{level}")).is_finite(), "{level}");
    }
    assert!(gap("theory_naive") < gap("pf_ode") && gap("theory_fokker-planck") < gap("pf_ode"));
    assert_eq!(record["config"]["theory"]["base"], "finite-p");
}

/// The answer of a report, without its markup.
fn answer(bench: &Bench, run: &str) -> String {
    std::fs::read_to_string(bench.path(run).join("report.html")).expect("report.html is there")
}

#[test]
fn the_main_job_shows_its_claim() {
    let bench = bench();
    // The job itself with half its models.
    let half = [
        "compare",
        "--set",
        "ensemble.members=150",
        "--set",
        "theory.models=150",
        "--set",
        "sampling.paths=500",
    ];
    bench.run(half.into_iter().chain(["--set", "theory.paths=500"])).done();
    let record = bench.summary("runs/main");
    let to_ensemble = |level: &str, of: &str| {
        record["distances"][level]["ensemble"]["sliced_w2"][of].as_f64().unwrap_or(f64::NAN)
    };
    let theory = to_ensemble("theory_finite-p", "value");
    let without = to_ensemble("data", "value").min(to_ensemble("pf_ode", "value"));
    assert!(theory <= 0.25 * without, "{theory} against {without}");
    for baseline in ["data", "pf_ode", "mean_score"] {
        let (hi, lo) = (to_ensemble("theory_finite-p", "hi"), to_ensemble(baseline, "lo"));
        assert!(hi < lo, "{baseline}: the theory's interval ends at {hi}, its own starts at {lo}");
    }
    assert!(answer(&bench, "runs/main").contains("the theory (finite-p) explains"));
    assert!(bench.path("runs/main/figures/overview.png").is_file());
}

#[test]
fn three_points_and_few_models_show_nothing() {
    let bench = bench();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/three-points.toml");
    let few =
        "ensemble.members=100 ensemble.sources=false sampling.paths=2000 theory.models=100 theory.paths=2000";
    let sets = few.split(' ').flat_map(|set| ["--set", set]);
    bench.run(["compare", config, "--out", "run"].into_iter().chain(sets)).done();
    let said = answer(&bench, "run");
    assert!(said.contains("is not shown to explain what the models learn"), "it says otherwise");
}
