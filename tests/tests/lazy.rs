//! `model.kind = "lazy"`: compared, trained, sampled from, resumed; and settings that make no sense.

use gtv_tests::Bench;
use ndarray::{Array1, Array2};
use ndarray_npy::read_npy;

const SMALL: &str = "[model]\nkind = \"lazy\"\nsamples = 48\n[model.lazy]\ntime = \"log-snr\"\n[training]\ntime = 30\n\
                     [ensemble]\nmembers = 6\n[sampling]\npaths = 200\nsteps = 10\n[theory]\nclosures = [\"paper\", \"leading\", \
                     \"finite-p\"]\nmodels = 6\npaths = 200\ntimes = 16\nnoise_spacing = 0.2\n[compare]\nbootstrap = 20\n";

fn bench() -> Bench {
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"));
    bench.file("a.toml", SMALL);
    bench
}

#[test]
fn a_comparison_has_every_level_and_its_kernel() {
    let bench = bench();
    bench.line("compare a.toml --out run --quiet").done();
    let record = bench.summary("run");
    for closure in ["paper", "leading", "finite-p"] {
        assert!(record["kernel"][closure]["variance_ratio"].as_f64().unwrap() > 0.0, "{closure}");
    }
    let learned = record["lazy"]["effective_features"].as_f64().unwrap();
    assert_eq!(record["lazy"]["time"], 30.0);
    assert!((record["load"].as_f64().unwrap() - learned / 48.0).abs() < 1e-12);
    assert!(record["lazy"]["truncation"].as_f64().unwrap() < 0.01);
    for level in ["pf_ode", "mean_score", "theory_leading", "gaussian_empirical"] {
        assert!(record["distances"][level]["ensemble"]["w1"]["value"].as_f64().unwrap() > 0.0, "{level}");
    }
    assert!(std::fs::read_to_string(bench.path("run/report.html")).unwrap().contains("tangent kernel"));
}

#[test]
fn time_zero_and_infinity_are_times() {
    let bench = bench();
    for time in ["0", "inf"] {
        let line = format!(
            "compare a.toml --out run-{time} --quiet --set training.time={time} --set theory.closures=[\"leading\"]"
        );
        bench.line(&line).done();
        assert!(bench.path(&format!("run-{time}/report.html")).is_file());
    }
    // Nothing learned: nothing differs between members. Everything learned: something does.
    let variance = |run: &str| bench.summary(run)["levels"]["ensemble"]["total_variance"]["value"].as_f64();
    assert!(variance("run-0").unwrap() > 0.0 && variance("run-inf").unwrap() > 0.0);
    assert_eq!(bench.summary("run-0")["load"], 0.0);
    assert!(bench.summary("run-inf")["lazy"]["time"].is_null());
}

#[test]
fn members_are_saved_resumed_and_sampled_from() {
    let bench = bench();
    bench.line("train a.toml --out run --quiet").done();
    let file =
        |i: usize| std::fs::read(bench.path(&format!("run/members/member-{i:05}.safetensors"))).unwrap();
    let before: Vec<Vec<u8>> = (0..6).map(file).collect();
    bench.line("train --resume --out run --quiet").done();
    assert!((0..6).map(file).eq(before.iter().cloned()));
    bench.line("train a.toml --out other --quiet --threads 1").done();
    let again = std::fs::read(bench.path("other/members/member-00003.safetensors")).unwrap();
    assert!(again == before[3], "the number of threads changed a member");
    // A member alone, and all of them; the same seed gives the same samples.
    bench.line("sample run --count 30 --member 2 --out x.npy --quiet").done();
    bench.line("sample run --count 60 --out y.npy --quiet").done();
    bench.line("sample run --count 60 --out z.npy --quiet --threads 1").done();
    let x: Array2<f64> = read_npy(bench.path("x.npy")).unwrap();
    assert_eq!(x.dim(), (30, 1));
    assert!(x.iter().all(|v| v.abs() < 10.0));
    assert!(std::fs::read(bench.path("y.npy")).unwrap() == std::fs::read(bench.path("z.npy")).unwrap());
    bench.line("sample run --theory leading --count 50 --out t.npy --quiet").done();
    let t: Array2<f64> = read_npy(bench.path("t.npy")).unwrap();
    let spread = Array1::from_iter(t.iter().copied()).std(0.0);
    assert!(spread > 0.2, "{spread}");
    std::fs::write(bench.path("run/members/member-00002.safetensors"), b"short").unwrap();
    bench
        .line("sample run --count 30 --member 2 --out x.npy")
        .refused(2, &["member-00002", "safetensors", "train again"]);
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let bench = bench();
    for (set, parts) in [
        ("training.time=-1", &["training.time", "-1"][..]),
        ("training.time=nan", &["training.time"]),
        ("model.lazy.weight_var=-2", &["model.lazy.weight_var"]),
        ("model.lazy.depth=65", &["model.lazy.depth"]),
        ("model.lazy.activation=\"rleu\"", &["activation", "rleu"]),
        ("model.lazy.time_features=8", &["model.lazy.time_features"]),
        ("model.mlp.width=64", &["model.mlp.width", "lazy"]),
        ("training.rate=0.1", &["training.rate", "lazy"]),
        ("model.ridge=0.1", &["model.ridge", "lazy"]),
        ("model.lazy.centred=false", &["theory.closures", "finite-p", "centred"]),
        ("ensemble.initialisations=4", &["ensemble.initialisations", "divisor"]),
    ] {
        bench.run(["compare", "a.toml", "--out", "run", "--set", set]).refused(2, parts);
        assert!(!bench.path("run").exists(), "{set}");
    }
}
