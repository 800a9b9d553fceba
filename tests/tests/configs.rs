//! Configs that cannot be run: each is refused with exit code 2 before anything is written.

use gtv_tests::Bench;
use ndarray_npy::NpzWriter;
use std::fs::File;

fn bench() -> Bench {
    Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"))
}

/// Runs `compare` on a config that must be refused, and checks that nothing was written.
#[track_caller]
fn refused(config: &str, sets: &[&str], parts: &[&str]) {
    let bench = bench();
    bench.file("a.toml", config);
    refused_in(&bench, sets, parts);
}

#[track_caller]
fn refused_in(bench: &Bench, sets: &[&str], parts: &[&str]) {
    let before = bench.listing();
    let sets = sets.iter().flat_map(|s| ["--set", s]);
    bench.run(["compare", "a.toml", "--out", "run"].into_iter().chain(sets)).refused(2, parts);
    assert_eq!(bench.listing(), before);
}

#[test]
fn the_file_itself() {
    let bench = bench();
    bench.line("compare none.toml").refused(2, &["none.toml", "no such file"]);
    bench.line("compare .").refused(2, &["folder"]);
    bench.file("bytes.toml", [0xff, 0xfe, 0x00]);
    bench.line("compare bytes.toml").refused(2, &["bytes.toml", "UTF-8"]);
    refused("[model\nsamples = 3", &[], &["a.toml:1", "TOML"]);
    refused("x = 1\n\n[model]\nsamples = = 3", &[], &["a.toml:4", "TOML"]);
}

#[test]
fn unknown_keys_come_with_a_suggestion() {
    refused("[model]\nsmaples = 64\n", &[], &["a.toml:2", "`model.smaples`", "did you mean `model.samples`"]);
    refused("[modell]\nsamples = 64\n", &[], &["a.toml:1", "`modell`", "did you mean `model`"]);
    refused("", &["ensemble.member=3"], &["--set ensemble.member=3", "did you mean `ensemble.members`"]);
    refused("[schedule]\nkind = \"vp-liner\"", &[], &["a.toml:2", "did you mean `vp-linear`"]);
}

#[test]
fn wrong_types_and_values() {
    refused("[model]\nsamples = \"64\"", &[], &["a.toml:2", "`model.samples`", "\"64\"", "whole number"]);
    refused("[schedule]\nt_min = 0.0", &[], &["a.toml:2", "schedule.t_min", "0 < t_min < t_max"]);
    refused("[schedule]\nt_min = 1.0", &[], &["a.toml:2", "schedule.t_min", "0 < t_min < t_max"]);
    refused("[schedule]\nt_min = 0.5", &["schedule.t_max=0.4"], &["schedule.t_min", "0 < t_min < t_max"]);
    refused("", &["schedule.t_min=2"], &["--set schedule.t_min=2", "0 < t_min < t_max"]);
    refused("[ensemble]\nmembers = 0", &[], &["a.toml:2", "ensemble.members", "is 0", "at least 1"]);
    refused("[ensemble]\nmembers = -1", &[], &["a.toml:2", "ensemble.members", "-1"]);
    refused("[model]\nsamples = 0", &[], &["a.toml:2", "model.samples", "at least 1"]);
    refused("[model]\nridge = -1e-3", &[], &["a.toml:2", "model.ridge", "0 or above"]);
    refused("[sampling]\nsteps = 0", &[], &["a.toml:2", "sampling.steps", "at least 1"]);
    refused(
        "[sampling]\ngrid = \"log-snr\"\nform = \"denoiser\"\n[schedule]\nkind = \"flow\"",
        &[],
        &["sampling", "log-SNR"],
    );
    refused("", &["model.samples"], &["--set model.samples", "KEY=VALUE"]);
}

#[test]
fn huge_sizes_are_refused_with_an_estimate() {
    refused("[ensemble]\nmembers = 1000000000000000", &[], &["of memory", "lower ensemble.members"]);
    refused("[model]\nsamples = 1000000000000000", &[], &["of memory", "lower model.samples"]);
    refused("[model.features]\nx = 1000000\nt = 1000000", &[], &["of memory", "lower model.features.x"]);
    refused("[sampling]\npaths = 1000000000000000", &[], &["of memory", "lower sampling.paths"]);
    refused("[data]\nkind = \"grid\"\ndim = 60\ncount = 10", &[], &["data", "count or dim"]);
    let bench = bench();
    bench.file("a.toml", "");
    bench
        .line("compare a.toml --out run --memory-limit 1MiB")
        .refused(2, &["of memory", "--memory-limit is 1.0 MiB"]);
}

#[test]
fn data_files_of_a_config() {
    let bench = bench();
    let config = |text: &str| bench.file("a.toml", format!("[data]\nkind = \"file\"\n{text}"));
    config("");
    refused_in(&bench, &[], &["a.toml", "data.path", "missing"]);
    config("path = \"none.npy\"");
    refused_in(&bench, &[], &["none.npy", "no such file"]);
    config("path = \"p.npy\"\nscael = 2.0");
    refused_in(&bench, &[], &["a.toml:4", "`data.scael`", "did you mean `data.scale`"]);
    bench.npy("p.npy", &[3, 2], &[0.0, 1.0, 2.0, 3.0, 0.0, 1.0]);
    config("path = \"p.npy\"");
    refused_in(&bench, &[], &["p.npy", "points 0 and 2", "merge"]);
    config("path = \"p.npy\"\nlimit = 2\nweights = \"w.npy\"");
    bench.npy("w.npy", &[3], &[0.5, 0.7, -0.2]);
    refused_in(&bench, &[], &["w.npy", "weight 2 is -0.2"]);
    bench.npy("w.npy", &[3], &[0.5, 0.7, 0.2]);
    refused_in(&bench, &[], &["w.npy", "sum to 1.4"]);
    bench.npy("p.npy", &[2], &[0.0, f64::INFINITY]);
    config("path = \"p.npy\"");
    refused_in(&bench, &[], &["p.npy", "inf", "[1]"]);
    bench.npy("p.npy", &[2], &[0.0, 1.0]);
    config("path = \"p.npy\"\nlimit = 0");
    refused_in(&bench, &[], &["a.toml:4", "data.limit", "at least 1"]);
    config("path = \"p.npy\"\nscale = 0.0");
    refused_in(&bench, &[], &["a.toml:4", "data.scale"]);
    config("path = \"p.npz\"");
    let mut npz = NpzWriter::new(File::create(bench.path("p.npz")).unwrap());
    npz.add_array("images", &ndarray::arr1(&[0u8, 16])).unwrap();
    npz.add_array("labels", &ndarray::arr1(&[0u8, 1])).unwrap();
    npz.finish().unwrap();
    refused_in(&bench, &[], &["p.npz", "key", "images, labels"]);
}

#[test]
fn keys_of_another_kind_name_the_kind_they_belong_to() {
    refused(
        "[model]\nkind = \"mlp\"\nridge = 0.1",
        &[],
        &[
            "a.toml:3",
            "`model.ridge` belongs to model.kind = \"linear\"",
            "this config has model.kind = \"mlp\"",
        ],
    );
    refused(
        "",
        &["sampling.rtol=1e-3"],
        &["--set sampling.rtol=1e-3", "belongs to sampling.integrator = \"dopri5\"", "\"euler\""],
    );
    refused(
        "[theory]\nkappa = 0.1",
        &[],
        &["a.toml:2", "`theory.kappa` belongs to", "theory.closures = \"naive\" or \"fokker-planck\""],
    );
}

#[test]
fn a_starting_config_is_written_once_and_read() {
    let bench = bench();
    for kind in ["linear", "lazy", "mlp"] {
        let file = format!("{kind}.toml");
        bench.line(&format!("init --kind {kind} --out {file}")).done();
        bench.line(&format!("init --kind {kind} --out {file}")).refused(2, &[&file, "there is such a file"]);
        let printed = bench.line(&format!("init --kind {kind}"));
        printed.done();
        assert_eq!(std::fs::read_to_string(bench.path(&file)).unwrap(), printed.stdout);
    }
    bench.line("train linear.toml --members 2 --samples 300 --out run").done();
}

#[test]
fn keys_are_explained() {
    let bench = bench();
    let said = |line: &str| {
        let outcome = bench.line(line);
        outcome.done();
        outcome.stdout
    };
    let width = said("explain model.mlp.width");
    for part in ["Units of each hidden layer", "256", "1 to 1048576", "model.kind = \"mlp\""] {
        assert!(width.contains(part), "{width}");
    }
    let kind = said("explain schedule.kind");
    assert!(kind.contains("vp-cosine") && kind.contains("Nichol"), "{kind}");
    assert!(said("explain model.features").contains("length_scale"));
    assert!(said("explain").contains("[sampling]"));
    bench.line("explain model.wdith").refused(2, &["model.wdith", "did you mean `model.mlp.width`"]);
    let schema: serde_json::Value = serde_json::from_str(&said("explain --format json-schema")).unwrap();
    assert_eq!(schema["properties"]["seed"]["type"], "integer");
}

#[test]
fn folders_that_are_not_ours_are_left_alone() {
    let bench = bench();
    bench.file("a.toml", "");
    bench.file("file", "x");
    bench.line("compare a.toml --out file").refused(2, &["--out file", "expected a folder"]);
    std::fs::create_dir(bench.path("thesis")).unwrap();
    bench.file("thesis/chapter.tex", "x");
    bench.line("compare a.toml --out thesis").refused(2, &["--out thesis", "not from a gtv run"]);
    bench.line("compare a.toml --out file/run").refused(1, &["file/run", "a file, not a folder"]);
    if std::path::Path::new("/proc/self").exists() {
        bench.line("compare a.toml --out /proc/run").refused(1, &["/proc/run", "cannot create"]);
    }
    assert_eq!(std::fs::read_dir(bench.path("thesis")).unwrap().count(), 1);
}
