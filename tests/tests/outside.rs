//! Ensembles that were trained elsewhere, as a user brings them: `probes`, `evaluate`, `compare --ensemble`, `distance`.

use gtv_tests::Bench;
use ndarray::{Array1, Array2, Array3, Axis};
use ndarray_npy::{NpzReader, NpzWriter};
use std::fs::File;

const MEMBERS: usize = 6;

fn bench() -> Bench {
    Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test")).with_small()
}

/// x, t and the denoisers of an npz.
fn points(bench: &Bench, name: &str) -> (Array2<f64>, Array1<f64>, Array3<f64>) {
    let mut file = NpzReader::new(File::open(bench.path(name)).unwrap()).unwrap();
    (file.by_name("x").unwrap(), file.by_name("t").unwrap(), file.by_name("denoiser").unwrap())
}

#[test]
fn a_run_taken_out_and_brought_back_has_its_own_kernel_numbers() {
    let bench = bench();
    bench.line("compare small.toml --out own").done();
    bench.line("train small.toml --out run").done();
    bench.line("probes small.toml --out p.npz").done();
    bench.line("evaluate run --at p.npz --out e.npz").done();
    bench.line("compare small.toml --ensemble e.npz --out again").done();
    let [own, again] = ["own", "again"].map(|run| bench.summary(run));
    for number in ["mean_error", "variance_ratio", "correlation", "variance_ratio_se"] {
        let [a, b] = [&own, &again].map(|s| s["kernel"]["leading"][number].as_f64().unwrap());
        assert!((a / b - 1.0).abs() < 1e-9, "{number}: {a} {b}");
    }
    assert_eq!(again["outside"]["members"], MEMBERS);
    assert!(again["outside"]["missing"].as_object().unwrap().len() == 2, "{}", again["outside"]);
    let page = std::fs::read_to_string(bench.path("again").join("report.html")).unwrap();
    assert!(page.contains("samples (N, n, D)"), "the report says what is missing");
    // Samples drawn anew: one file a member, and all in one.
    bench.line("sample run --count 1200 --out s.npy").done();
    let drawn: Array2<f64> = ndarray_npy::read_npy(bench.path("s.npy")).unwrap();
    std::fs::create_dir(bench.path("members")).unwrap();
    for (i, member) in drawn.axis_chunks_iter(Axis(0), 200).enumerate() {
        bench.npy(&format!("members/{i}.npy"), &[200, 1], &member.iter().copied().collect::<Vec<_>>());
    }
    bench.npy("all.npy", &[MEMBERS, 200, 1], drawn.as_slice().unwrap());
    bench.line("compare small.toml --ensemble members/*.npy --out each").done();
    bench.line("compare small.toml --ensemble all.npy --out all").done();
    let [each, all] = ["each", "all"].map(|run| bench.summary(run));
    assert_eq!(each["distances"], all["distances"]);
    // The members are the same, their paths are not: intervals overlap.
    let ends = |s: &serde_json::Value| {
        let w1 = &s["distances"]["pf_ode"]["ensemble"]["w1"];
        ["lo", "hi"].map(|end| w1[end].as_f64().unwrap())
    };
    let ([lo, hi], [other_lo, other_hi]) = (ends(&own), ends(&all));
    assert!(lo < other_hi && other_lo < hi, "[{lo}, {hi}] and [{other_lo}, {other_hi}]");
}

/// Normal densities on a grid of eight positions and eight times, as the config has them by default.
fn features(x: &Array2<f64>, t: &Array1<f64>) -> Array3<f64> {
    let normal = |value: f64, [lo, hi]: [f64; 2], i: usize| {
        let spacing = (hi - lo) / 7.0;
        let (width, centre) = (0.5 * spacing, lo + spacing * i as f64);
        (-0.5 * ((value - centre) / width).powi(2)).exp() / ((2.0 * std::f64::consts::PI).sqrt() * width)
    };
    Array3::from_shape_fn((1, t.len(), 64), |(_, q, f)| {
        normal(x[[q, 0]], [-1.5, 1.5], f / 8) * normal(t[q], [0.01, 1.0], f % 8)
    })
}

#[test]
fn features_in_a_file_predict_what_those_of_the_config_do() {
    let bench = bench();
    let nodes = "--set theory.times=16 --set theory.noise_spacing=0.3";
    bench.line(&format!("compare small.toml {nodes} --out own")).done();
    bench.line(&format!("train small.toml {nodes} --out run")).done();
    bench.line(&format!("probes small.toml {nodes} --features --out p.npz")).done();
    bench.line("evaluate run --at p.npz --out e.npz").done();
    let (x, t, y) = points(&bench, "e.npz");
    let write = |name: &str, t: &Array1<f64>, features: &Array3<f64>| {
        let mut file = NpzWriter::new(File::create(bench.path(name)).unwrap());
        file.add_array("x", &x).unwrap();
        file.add_array("t", t).unwrap();
        file.add_array("denoiser", &y).unwrap();
        file.add_array("features", features).unwrap();
        file.finish().unwrap();
    };
    write("f.npz", &t, &features(&x, &t));
    bench.line(&format!("compare small.toml {nodes} --ensemble f.npz --out again")).done();
    let [own, again] = ["own", "again"].map(|run| bench.summary(run));
    for number in ["mean_error", "variance_ratio", "correlation"] {
        let [a, b] = [&own, &again].map(|s| s["kernel"]["leading"][number].as_f64().unwrap());
        assert!((a / b - 1.0).abs() < 1e-9, "{number}: {a} {b}");
    }
    assert_eq!(again["outside"]["features"]["features"], 64);
    let page = std::fs::read_to_string(bench.path("again").join("report.html")).unwrap();
    assert!(page.contains("features=callable"), "the report says what is missing");
    // Other nodes than those of the file.
    let other = bench.line("compare small.toml --ensemble f.npz --out other");
    other.refused(2, &["f.npz", "nodes of the training distribution", "probes CONFIG --features"]);
    bench.file("lazy.toml", "[model]\nkind = \"lazy\"\n");
    let lazy = bench.line("compare lazy.toml --ensemble f.npz --out lazy");
    lazy.refused(2, &["model.kind", "linear"]);
    write("short.npz", &t, &features(&x, &t).slice_move(ndarray::s![.., 1.., ..]));
    let short = bench.line(&format!("compare small.toml {nodes} --ensemble short.npz --out short"));
    short.refused(2, &["short.npz", "`features`", "a row for each point"]);
}

#[test]
fn evaluate_gives_members_closures_and_the_exact_score() {
    let bench = bench();
    bench.line("train small.toml --out run").done();
    let (x, t) = (vec![-1.2, 0.3, 0.3, 0.9], vec![0.05, 0.4, 0.4, 1.0]);
    let mut file = NpzWriter::new(File::create(bench.path("at.npz")).unwrap());
    file.add_array("x", &Array1::from(x.clone())).unwrap();
    file.add_array("t", &Array1::from(t.clone())).unwrap();
    file.finish().unwrap();
    bench.line("evaluate run --at at.npz --out members.npz").done();
    let (_, times, denoiser) = points(&bench, "members.npz");
    assert_eq!((denoiser.shape(), times.to_vec()), (&[MEMBERS, 4, 1][..], t.clone()));
    // Equal points have equal answers, whatever stands between them.
    assert!(denoiser.axis_iter(Axis(0)).all(|m| m[[1, 0]] == m[[2, 0]]));
    bench.line("evaluate small.toml --theory leading --at at.npz --out law.npz").done();
    let mut law = NpzReader::new(File::open(bench.path("law.npz")).unwrap()).unwrap();
    let (mean, cov): (Array2<f64>, Array3<f64>) =
        (law.by_name("score").unwrap(), law.by_name("score_cov").unwrap());
    assert!(mean.iter().chain(&cov).all(|v| v.is_finite()) && cov.iter().all(|v| *v > 0.0));
    bench.line("evaluate small.toml --at at.npz --out exact.npz").done();
    let mut exact = NpzReader::new(File::open(bench.path("exact.npz")).unwrap()).unwrap();
    let (score, noise): (Array2<f64>, Array2<f64>) =
        (exact.by_name("score").unwrap(), exact.by_name("noise").unwrap());
    for (q, (x, t)) in x.iter().zip(&t).enumerate() {
        let alpha = (-(0.1 * t + 9.95 * t * t)).exp();
        let var = 1.0 - alpha * alpha;
        let weights = [-1.0, 0.0, 1.0].map(|mu| (-0.5 * (x - alpha * mu) * (x - alpha * mu) / var).exp());
        let mean = (weights[2] - weights[0]) / weights.iter().sum::<f64>();
        let want = (alpha * mean - x) / var;
        assert!((score[[q, 0]] - want).abs() < 1e-9 * (1.0 + want.abs()), "{q}: {} {want}", score[[q, 0]]);
        assert!((noise[[q, 0]] + var.sqrt() * want).abs() < 1e-9 * (1.0 + want.abs()));
    }
    bench.npy("late.npy", &[1], &[0.0]);
    bench.line("evaluate run --at late.npy --out o.npz").refused(2, &["late.npy"]);
    bench.line("evaluate small.toml --at missing.npz --out o.npz").refused(2, &["missing.npz"]);
}

#[test]
fn bad_ensembles_are_refused_by_array() {
    let bench = bench();
    let write = |name: &str, shape: &[usize], t: f64, value: f64| {
        let mut file = NpzWriter::new(File::create(bench.path(name)).unwrap());
        let count: usize = shape.iter().product();
        let mut y = vec![0.1; count];
        y[count - 1] = value;
        let y = ndarray::ArrayD::from_shape_vec(shape.to_vec(), y).unwrap();
        file.add_array("x", &Array2::from_shape_vec((2, 1), vec![0.1, 0.2]).unwrap()).unwrap();
        file.add_array("t", &Array1::from(vec![0.5, t])).unwrap();
        file.add_array("noise", &y).unwrap();
        file.finish().unwrap();
    };
    let refused = |name: &str, parts: &[&str]| {
        let run = bench.line(&format!("compare small.toml --ensemble {name} --out run"));
        run.refused(2, parts);
        assert!(!bench.path("run").exists(), "nothing is begun");
    };
    write("nan.npz", &[3, 2, 1], 0.6, f64::NAN);
    refused("nan.npz", &["nan.npz", "`noise`", "NaN", "[2, 1, 0]"]);
    write("shape.npz", &[3, 3, 1], 0.6, 0.0);
    refused("shape.npz", &["`noise`", "[3, 3, 1]", "(members, 2, 1)"]);
    write("late.npz", &[3, 2, 1], 999.0, 0.0);
    refused("late.npz", &["`t`", "999", "schedule.t_min", "table"]);
    bench.npy("flat.npy", &[3, 2, 5], &[0.0; 30]);
    refused("flat.npy", &["`samples`", "[3, 2, 5]", "dimension of the data"]);
    refused("none/*.npy", &["none/*.npy", "no file"]);
    bench.file("broken.npz", "no archive");
    refused("broken.npz", &["broken.npz", "numpy.savez"]);
    write("ok.npz", &[3, 2, 1], 0.6, 0.0);
    let key = bench.line("compare small.toml --ensemble ok.npz --set ensemble.members=3 --out run");
    key.refused(2, &["ensemble.members", "trained"]);
    bench
        .line("train small.toml --set ensemble.kind=file --set ensemble.path=ok.npz")
        .refused(2, &["ensemble.kind"]);
    let network = "[data]\nkind = \"square\"\n[model]\nkind = \"mlp\"\n";
    bench.file("network.toml", network);
    bench.npy("plane.npy", &[3, 4, 2], &[0.1; 24]);
    let run = bench.line("compare network.toml --ensemble plane.npy --out run");
    run.refused(2, &["ensemble.kind", "theory.kernel"]);
}

#[test]
fn distances_between_files_have_intervals_and_floors() {
    let bench = bench();
    let wave = |shift: f64| -> Vec<f64> { (0..400).map(|i| (0.37 * f64::from(i)).sin() + shift).collect() };
    bench.npy("a.npy", &[8, 50, 1], &wave(0.0));
    bench.npy("b.npy", &[400], &wave(0.5));
    let run = bench.line("distance a.npy b.npy --out d.json --set compare.bootstrap=50");
    run.done();
    assert!(run.stdout.contains("8 models") && run.stdout.contains("400 samples"), "{}", run.stdout);
    let text = std::fs::read_to_string(bench.path("d.json")).unwrap();
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let w1 = &found["distances"]["w1"];
    // A shift of 0.5 is at that distance, in one dimension exactly.
    assert!((w1["value"].as_f64().unwrap() - 0.5).abs() < 1e-12, "{w1}");
    assert!(
        w1["lo"].as_f64().unwrap() <= 0.5
            && w1["hi"].as_f64().unwrap() >= 0.5
            && w1["floor"].as_f64().unwrap() > 0.0
    );
    for metric in ["kl", "js", "energy"] {
        assert!(found["distances"][metric]["value"].as_f64().unwrap() > 0.0, "{metric}");
    }
    bench.npy("plane.npy", &[10, 2], &[0.0; 20]);
    bench.line("distance a.npy plane.npy").refused(2, &["plane.npy", "2 dimensions", "1"]);
    bench.npy("deep.npy", &[1, 1, 1, 2], &[0.0; 2]);
    bench.line("distance deep.npy a.npy").refused(2, &["deep.npy", "(models, samples, dimension)"]);
}
