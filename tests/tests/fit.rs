//! Two lines of `[data]` as an experiment: what a config leaves out is chosen to fit the points of a file.

use gtv_tests::Bench;
use ndarray_npy::NpzWriter;
use std::fs::File;

fn bench() -> Bench {
    Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"))
}

/// A noisy ring of 60 points in the first two of `dim` coordinates.
fn ring(dim: usize, scale: f64, offset: f64) -> Vec<f64> {
    let value = |i: usize, d: usize| {
        let (angle, noise) = (i as f64 * 0.1047, 0.05 * (12.9898 * (i * dim + d) as f64).sin());
        let clean = [angle.cos(), angle.sin()].get(d).copied().unwrap_or(0.0);
        scale * (clean + noise) + offset
    };
    (0..60).flat_map(|i| (0..dim).map(move |d| value(i, d))).collect()
}

/// Trains two members, and returns what was said and the resolved config.
#[track_caller]
fn trained(bench: &Bench, path: &str, sets: &[&str]) -> (String, String) {
    bench.file("a.toml", format!("[data]\nkind = \"file\"\npath = \"{path}\"\n"));
    let out = format!("run-{}-{path}", sets.len());
    let sets = sets.iter().flat_map(|set| ["--set", *set]);
    let run = bench.run(["train", "a.toml", "--members", "2", "--out", &out].into_iter().chain(sets));
    run.done();
    let config = std::fs::read_to_string(bench.path(&out).join("config.toml")).expect("the resolved config");
    (run.stderr, config)
}

/// The value of a key, as it is written.
#[track_caller]
fn value(config: &str, section: &str, key: &str) -> String {
    let (_, body) = config.split_once(&format!("[{section}]\n")).expect("the section");
    let own = body.split("\n[").next().unwrap_or(body);
    let line = own.lines().find_map(|line| line.strip_prefix(&format!("{key} = "))).expect("the key");
    line.to_owned()
}

#[test]
fn data_are_brought_to_order_one_and_features_to_the_data() {
    let bench = bench();
    bench.npy("near.npy", &[60, 2], &ring(2, 1.0, 0.0));
    bench.npy("far.npy", &[60, 2], &ring(2, 1000.0, 500.0));
    let (said, near) = trained(&bench, "near.npy", &[]);
    assert!(said.contains("chosen to fit the data") && !said.contains("warning"), "{said}");
    assert_eq!((value(&near, "data", "scale"), value(&near, "data", "offset")), ("1.0".into(), "0.0".into()));
    let (said, far) = trained(&bench, "far.npy", &[]);
    assert!(said.contains("scale = ") && !said.contains("warning"), "{said}");
    // Half the range is 1050, to three digits.
    let number = |key: &str| value(&far, "data", key).parse::<f64>().expect("a number");
    let (lo, hi) = (number("scale") * -550.0 + number("offset"), number("scale") * 1550.0 + number("offset"));
    assert!((lo + 1.0).abs() < 0.05 && (hi - 1.0).abs() < 0.05, "[{lo}, {hi}]");
    assert_eq!(value(&far, "model.features", "range"), "[-1.5, 1.5]");
    // What is said is kept, and what follows from it follows.
    let (said, own) = trained(&bench, "far.npy", &["data.scale=0.002", "model.features.x=5"]);
    assert!(!said.contains("  [data]"), "{said}");
    assert_eq!(
        (value(&own, "data", "scale"), value(&own, "model.features", "x")),
        ("0.002".into(), "5".into())
    );
    assert_eq!(value(&own, "model", "samples"), (8 * 5 * 5 * 8).to_string());
}

#[test]
fn any_dimension_has_features_and_an_archive_its_points() {
    let bench = bench();
    for (dim, kind) in [(1, "gaussian"), (3, "random-fourier"), (40, "random-fourier")] {
        let name = format!("d{dim}.npz");
        let mut npz = NpzWriter::new(File::create(bench.path(&name)).expect("created"));
        let points = ndarray::Array2::from_shape_vec((60, dim), ring(dim, 1.0, 0.0)).expect("the shape fits");
        npz.add_array("labels", &ndarray::Array1::<i64>::zeros(60)).expect("written");
        npz.add_array("points", &points).expect("written");
        npz.finish().expect("finished");
        let (said, config) = trained(&bench, &name, &["model.samples=300"]);
        assert!(!said.contains("warning"), "{said}");
        assert_eq!(value(&config, "model.features", "kind"), format!("\"{kind}\""));
    }
    // A key that only one kind of features has says which kind is meant.
    for file in ["d3.npz", "d1.npz"] {
        let (_, config) = trained(&bench, file, &["model.samples=300", "model.features.count=24"]);
        assert_eq!(value(&config, "model.features", "kind"), "\"random-fourier\"");
        assert_eq!(value(&config, "model.features", "count"), "24");
    }
}

#[test]
fn a_dry_run_says_time_and_memory_and_writes_nothing() {
    let bench = bench();
    bench.npy("p.npy", &[60, 2], &ring(2, 1.0, 0.0));
    bench.file(
        "a.toml",
        "[data]\nkind = \"file\"\npath = \"p.npy\"\n[model]\nsamples = 400\n[model.features]\nx = 4\nt = 4\n",
    );
    let before = bench.listing();
    let run = bench.line("compare a.toml --dry-run --set theory.quasi_nodes=16384");
    run.done();
    for part in ["theory", "16384 nodes", "training", "50 members", "sampling", "paths", "in all", "memory, "]
    {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    assert_eq!(bench.listing(), before);
}
