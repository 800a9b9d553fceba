//! What results say of themselves: paths that did not arrive, intervals that few models do not give, data that features do
//! not reach, points that are there twice, training that failed.

use gtv_tests::Bench;
use serde_json::Value;

/// A comparison of a second: few paths, one closure.
const SMALL: &str = "[model]\nsamples = 64\n[model.features]\nx = 8\nt = 8\n[ensemble]\nmembers = 6\n[sampling]\npaths = 200\n\
                     [theory]\nclosures = [\"leading\"]\nmodels = 6\npaths = 100\ntimes = 16\n[compare]\nbootstrap = 20\n";

fn bench() -> Bench {
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"));
    bench.file("a.toml", SMALL);
    bench
}

#[test]
fn paths_without_steps_enough_are_given_up_not_diverged() {
    let bench = bench();
    let dopri5 = "--set sampling.integrator=\"dopri5\" --set sampling.rtol=1e-4";
    // With no path there is nothing to compare and nothing to save; the error names what helps.
    bench
        .line(&format!("compare a.toml --out none --quiet {dopri5} --set sampling.max_steps=2"))
        .refused(1, &["pf_ode", "given up", "sampling.max_steps", "sampling.rtol"]);
    bench.line(&format!("train a.toml --out run --quiet {dopri5} --set sampling.max_steps=2")).done();
    bench
        .line("sample run --count 20 --out s.npy --quiet")
        .refused(1, &["20 of 20 paths", "sampling.max_steps"]);
    assert!(!bench.path("s.npy").exists());
    // Some arrive: the others are counted apart from those that diverge.
    let mut seen = false;
    for most in [12, 16, 20, 26] {
        let out = format!("run-{most}");
        let run = bench.line(&format!("compare a.toml --out {out} {dopri5} --set sampling.max_steps={most}"));
        if run.code != Some(0) {
            continue;
        }
        let level = &bench.summary(&out)["levels"]["ensemble"];
        let (samples, given_up) = (level["samples"].as_u64().unwrap(), level["exhausted"].as_u64().unwrap());
        assert_eq!(samples + given_up + level["diverged"].as_u64().unwrap(), 1200);
        assert_eq!(level["diverged"], 0);
        if given_up > 0 {
            assert!(run.stderr.contains("were given up after sampling.max_steps steps"), "{}", run.stderr);
            seen = true;
        }
    }
    assert!(seen, "no number of steps is enough for some paths and not for others");
}

#[test]
fn few_models_have_numbers_and_no_intervals() {
    let bench = bench();
    for members in [2, 4, 5] {
        let out = format!("run-{members}");
        bench.line(&format!("compare a.toml --out {out} --quiet --set ensemble.members={members}")).done();
        let record = bench.summary(&out);
        let (distance, variance) = (
            &record["distances"]["pf_ode"]["ensemble"]["w1"],
            &record["levels"]["ensemble"]["total_variance"],
        );
        let known = members >= 5;
        for estimate in [distance, variance] {
            assert!(estimate["value"].as_f64().is_some_and(|v| v > 0.0));
            assert_eq!(
                (estimate["lo"].is_f64(), estimate["hi"].is_f64()),
                (known, known),
                "{members}: {estimate}"
            );
        }
        assert_eq!(record["kernel"]["leading"]["variance_ratio_se"].is_f64(), known);
        let page = std::fs::read_to_string(bench.path(&format!("{out}/report.html"))).unwrap();
        // Scripts may name what they guard against.
        let shown = |(i, part): (usize, &str)| match i {
            0 => part.to_owned(),
            _ => part.split_once("</script>").expect("scripts end").1.to_owned(),
        };
        let page: String = page.split("<script").enumerate().map(shown).collect();
        assert!(!page.contains("NaN") && !page.contains("± 0.0<"));
        let why = "fewer than 5 models, from which resampling gives no interval";
        assert_eq!(record["warnings"].to_string().contains(why), !known, "{}", record["warnings"]);
    }
}

#[test]
fn data_outside_the_features_are_told_of_or_refused() {
    let bench = bench();
    let data = |points: &[f64]| bench.npy("p.npy", &[points.len(), 1], points);
    let line = "compare a.toml --out run --set data.kind=\"file\" --set data.path=\"p.npy\" --set ensemble.members=2";
    data(&[-1.0, 0.2, 0.9, 2.08]);
    let narrow = format!("{line} --set model.features.range=[-1.5,1.5]");
    let told = bench.line(&narrow);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert!(told.stderr.contains("model.features.range = [-1.5, 1.5] leaves out 25.0 %"), "{}", told.stderr);
    let wider = bench.line(&format!("{line} --set model.features.range=[-2.5,2.5]"));
    assert!(!wider.stderr.contains("leaves out"), "{}", wider.stderr);
    // The same for the table that paths look scores up in.
    let table = "--set sampling.lookup=\"grid\" --set sampling.grid_range=[-1.5,1.5] --set model.features.range=[-2.5,2.5]";
    let told = bench.line(&format!("{line} {table}"));
    assert!(told.stderr.contains("sampling.grid_range = [-1.5, 1.5] leaves out 25.0 %"), "{}", told.stderr);
    data(&[-1.0, 3.0, 2.5, 2.08]);
    bench.line(&narrow).refused(2, &["model.features.range", "half of the data"]);
}

#[test]
fn a_point_that_is_there_again_rounded_is_one_datum() {
    let bench = bench();
    let exact = [0.1, -0.9, 0.7, 0.333_333_333];
    let rounded = exact.map(|v| f64::from(v as f32));
    bench.npy("once.npy", &[4, 1], &exact);
    bench.npy("twice.npy", &[8, 1], &[exact, rounded].concat());
    let run = |name: &str, more: &str| {
        bench.line(&format!(
            "compare a.toml --out {name} --set data.kind=\"file\" --set data.path=\"{name}.npy\" {more}"
        ))
    };
    run("once", "").done();
    let twice = run("twice", "");
    assert!(twice.stderr.contains("4 of 8 points lie closer"), "{}", twice.stderr);
    assert!(twice.stderr.contains("data.duplicates = \"merge\""), "{}", twice.stderr);
    let fraction =
        |run: &str| bench.summary(run)["levels"]["data"]["memorized_fraction"]["value"].as_f64().unwrap();
    // Samples of the data, smoothed at t_min, are copies: σ is 0.04, the points are 0.2 and more apart.
    assert!(
        fraction("once") > 0.8 && (fraction("once") - fraction("twice")).abs() < 0.1,
        "{}",
        fraction("twice")
    );
    let merged = run("twice", "--set data.duplicates=\"merge\"");
    assert!(merged.stderr.contains("4 of 8 points lay closer"), "{}", merged.stderr);
}

#[test]
fn shares_are_shares() {
    let bench = bench();
    for members in [3, 6] {
        bench.line(&format!("compare a.toml --out run --quiet --set ensemble.members={members}")).done();
        for (level, numbers) in bench.summary("run")["levels"].as_object().unwrap() {
            for share in ["memorized_fraction", "gap_mass"] {
                for end in ["value", "lo", "hi"] {
                    let number = numbers[share][end].as_f64().unwrap_or(0.0);
                    assert!((0.0..=1.0).contains(&number), "{level}.{share}.{end} = {number}");
                }
            }
        }
    }
}

#[test]
fn training_that_diverged_is_an_error_that_names_the_key() {
    let bench = bench();
    let line = "train --model mlp --members 2 --samples 64 --out run --quiet --set model.mlp.width=16 --set training.steps=30 \
                --set training.batch=32";
    for rate in ["1e6", "1e30"] {
        bench.line(&format!("{line} --set training.rate={rate}")).refused(1, &["diverged", "training.rate"]);
        assert!(!bench.path("run/training.json").exists());
    }
    bench.line(line).done();
}

#[test]
fn labels_that_the_end_of_training_leaves_are_counted() {
    let bench = bench();
    bench.file(
        "lazy.toml",
        "[model]\nkind = \"lazy\"\nsamples = 512\n[model.lazy]\ndepth = 1\n[training]\ntime = inf\n[ensemble]\nmembers = 1\n",
    );
    let left = |run: &str| -> Value {
        let text = std::fs::read(bench.path(&format!("{run}/training.json"))).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()["unfitted"].clone()
    };
    bench.line("train lazy.toml --out relu --quiet").done();
    assert!(left("relu")["off"] == 0.0 && left("relu")["rms"].as_f64().unwrap() < 1e-3, "{}", left("relu"));
    let erf = bench.line("train lazy.toml --out erf --set model.lazy.activation=\"erf\"");
    assert!(left("erf")["off"].as_f64().unwrap() > 0.01, "{}", left("erf"));
    assert!(
        erf.stderr.contains("training.cutoff") && erf.stdout.contains("off by more than a tenth"),
        "{}",
        erf.stderr
    );
    // The coarser the cut-off, the more is left.
    bench.line("train lazy.toml --out coarse --quiet --set training.cutoff=1e-4").done();
    assert!(left("coarse")["rms"].as_f64() > left("relu")["rms"].as_f64());
    bench
        .line("train lazy.toml --out bad --quiet --set training.cutoff=1.5")
        .refused(2, &["training.cutoff"]);
}
