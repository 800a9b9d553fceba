//! What users bring: tables of other programs, arrays of other shapes, pipes, and numbers at the ends of their types.

use gtv_tests::{Bench, Outcome};
use ndarray::Array2;
use ndarray_npy::{NpzReader, NpzWriter};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

fn bench() -> Bench {
    Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test")).with_line()
}

fn score(data: &str) -> String {
    format!("score --data {data} --at q.npy --schedule edm --time 0.5 --out o.npz")
}

fn posterior_mean(path: &Path) -> Array2<f64> {
    NpzReader::new(File::open(path).unwrap()).unwrap().by_name("posterior_mean").unwrap()
}

#[test]
fn a_first_line_that_may_be_a_number_is_not_dropped() {
    let bench = bench();
    bench.file("right.csv", "-1\n0\n1\n");
    bench.line(&score("right.csv")).done();
    let right = posterior_mean(&bench.path("o.npz"));
    for cell in ["NA", "\u{2212}1", "1.0D+00", "-1 # note", "\"1,5\"", "-1;2", "#N/A"] {
        bench.file("p.csv", format!("{cell}\n0\n1\n"));
        bench.line(&score("p.csv")).refused(2, &["p.csv"]);
        bench.file("p.csv", format!("0\n{cell}\n1\n"));
        bench.line(&score("p.csv")).refused(2, &["p.csv"]);
    }
    bench.file("p.csv", "x [m]\n-1\n0\n1\n");
    let named = bench.line(&score("p.csv"));
    named.done();
    assert!(named.stderr.contains("p.csv: line 1 (x [m]) is taken for a header"), "{}", named.stderr);
    assert_eq!(posterior_mean(&bench.path("o.npz")), right);
}

#[test]
fn three_dimensions_are_points_only_when_a_config_says_so() {
    let bench = bench();
    let values: Vec<f64> = (0..4 * 6).map(|i| f64::from(i).sin()).collect();
    bench.npy("p.npy", &[4, 3, 2], &values);
    bench.line(&score("p.npy")).refused(2, &["p.npy", "shape [4, 3, 2]", "(points, dimension)", "reshape"]);
    bench.npy("q.npy", &[1, 6, 1], &values[..6]);
    bench.line(&score("p.npy")).refused(2, &["[4, 3, 2]"]);
    let config = "[data]\nkind = \"file\"\npath = \"p.npy\"\n[model]\nsamples = 16\n[model.features]\nkind = \"random-fourier\"\ncount = 8\n[ensemble]\nmembers = 2\n";
    bench.file("a.toml", config);
    bench.line("train a.toml --out run").refused(2, &["p.npy", "shape [4, 3, 2]", "data.flatten = true"]);
    let sizes = |arguments: &str| {
        let outcome = bench.line(&format!("train a.toml --out run {arguments}"));
        outcome.done();
        outcome.stderr
    };
    assert!(sizes("--set data.flatten=true").contains("4 points in 6 dimensions"));
    // An image says what the last two axes are.
    assert!(sizes("--set compare.image=[3,2]").contains("4 points in 6 dimensions"));
    bench.line("train a.toml --out run --set compare.image=[2,3]").refused(2, &["p.npy", "shape [4, 3, 2]"]);
}

#[test]
fn samples_of_which_none_arrived_are_no_file() {
    let bench = bench();
    bench
        .line("train --members 2 --samples 64 --set sampling.integrator=dopri5 --set sampling.max_steps=3 --out run")
        .done();
    let before = bench.listing();
    bench
        .line("sample run --count 10 --out s.npy")
        .refused(1, &["no path arrived", "10 of 10 paths", "raise sampling.max_steps"]);
    assert_eq!(bench.listing(), before);
}

#[test]
fn a_query_too_far_away_is_named_and_not_the_time() {
    let bench = bench();
    bench.npy("q.npy", &[3], &[0.0, 1e160, 1.0]);
    bench.line(&score("p.npy")).refused(2, &["--at q.npy", "query 1", "1e160"]);
    bench.npy("q.npy", &[1], &[0.0]);
    bench.npy("p.npy", &[2], &[2e170, -1e170]);
    bench.line(&score("p.npy")).refused(2, &["--data p.npy", "2e170"]);
    bench.npy("p.npy", &[2], &[0.0, 1.0]);
    bench
        .line(&score("p.npy").replace("--time 0.5", "--time 1e-200"))
        .refused(2, &["--time 1e-200", "larger time"]);
}

#[test]
fn numbers_are_checked_in_the_type_in_which_they_are_used() {
    let bench = bench();
    for (arguments, parts) in [
        ("--members 18446744073709551615", &["--members", "18446744073709551615", "9223372036854775807"][..]),
        ("--samples 9223372036854775808", &["--samples", "9223372036854775807"]),
        ("--model mlp --set training.epsilon=1e-50", &["training.epsilon", "32-bit"]),
        ("--model mlp --set training.rate=1e-60", &["training.rate", "32-bit"]),
        ("--model mlp --set training.clip=1e39", &["training.clip", "32-bit"]),
        ("--members 9223372036854775807", &["of memory", "ensemble.members"]),
    ] {
        bench.line(&format!("train --out run {arguments}")).refused(2, parts);
        assert!(!bench.path("run").exists(), "{arguments}");
    }
    let largest = usize::MAX.to_string();
    bench.line(&format!("train --width {largest} --model mlp --out run")).refused(2, &["--width", &largest]);
}

#[test]
fn numbers_that_overflow_on_the_way_are_refused_by_their_key() {
    let bench = bench();
    for (arguments, key) in [
        ("--model lazy --set model.lazy.bias_var=1e308", "model.lazy.bias_var"),
        ("--model lazy --set model.lazy.weight_var=1e-200", "model.lazy.weight_var"),
        ("--model mlp --set model.mlp.weight_var=1e200", "model.mlp.weight_var"),
        ("--model mlp --set training.epsilon=1e-50", "= 1e-50 is out of range"),
    ] {
        bench.line(&format!("train --out run {arguments}")).refused(2, &[key]);
    }
    bench.npy("far.npy", &[2], &[1e200, 1.0]);
    bench
        .line("ntk --a far.npy --activation relu --depth 1 --weight-var 1 --bias-var 0 --out k.npz")
        .refused(2, &["--a far.npy", "rescale"]);
    bench.file(
        "p.toml",
        "[model]\nridge = 0\n[model.features]\nkind = \"polynomial\"\nx = 60\nt = 6\n[ensemble]\nmembers = 2\n[theory]\nclosures = [\"leading\"]\ntimes = 32\n",
    );
    bench
        .line("compare p.toml --out run")
        .refused(1, &["not positive definite", "model.ridge", "model.features.x", "model.features.range"]);
}

#[test]
fn an_archive_that_unpacks_to_more_than_the_memory_is_refused_unread() {
    let bench = bench();
    let mut npz = NpzWriter::new_compressed(File::create(bench.path("p.npz")).unwrap());
    npz.add_array("x", &ndarray::Array1::<u8>::zeros(64 << 20)).unwrap();
    npz.finish().unwrap();
    assert!(std::fs::metadata(bench.path("p.npz")).unwrap().len() < 1 << 20);
    let command = format!("{} --memory-limit 100MiB", score("p.npz"));
    bench.line(&command).refused(2, &["p.npz", "1.0 GiB of memory", "--memory-limit is 100.0 MiB"]);
}

/// Runs a line of a shell in the bench's folder, `G` being the program.
#[cfg(unix)]
fn shell(bench: &Bench, line: &str) -> Outcome {
    let output = Command::new("bash")
        .args(["-c", line])
        .env("G", bench.program())
        .current_dir(bench.folder())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[cfg(unix)]
#[test]
fn pipes_are_read_to_their_end_and_named_ones_refused() {
    let bench = bench();
    bench.file("p.csv", "-1\n0\n1\n");
    bench.line(&score("p.csv")).done();
    let right = posterior_mean(&bench.path("o.npz"));
    for line in ["cat p.npy | \"$G\" LINE", "cat p.csv | \"$G\" LINE", "\"$G\" LINE < p.npy"] {
        shell(&bench, &line.replace("LINE", &score("-"))).done();
        assert_eq!(posterior_mean(&bench.path("o.npz")), right, "{line}");
    }
    for command in ["cat p.npy", "cat p.csv"] {
        shell(&bench, &format!("\"$G\" {}", score(&format!("<({command})")))).done();
        assert_eq!(posterior_mean(&bench.path("o.npz")), right, "{command}");
    }
    shell(&bench, &format!("cat p.csv | \"$G\" {}", score("/dev/stdin"))).done();
    let twice = score("-").replace("q.npy", "-");
    shell(&bench, &format!("cat p.csv | \"$G\" {twice}")).refused(2, &["-: nothing came through the pipe"]);
    shell(&bench, "mkfifo named.csv && mkfifo named.toml").done();
    for (line, name) in [
        (score("named.csv"), "named.csv"),
        (score("p.npy").replace("q.npy", "named.csv"), "named.csv"),
        ("compare named.toml".to_owned(), "named.toml"),
    ] {
        let outcome = shell(&bench, &format!("timeout 20 \"$G\" {line}"));
        outcome.refused(2, &[name, "a pipe", "standard input"]);
    }
    if Path::new("/dev/zero").exists() {
        bench.line(&score("/dev/zero")).refused(2, &["/dev/zero", "a device"]);
        shell(&bench, &format!("\"$G\" {} < /dev/zero", score("-"))).refused(2, &["zero bytes"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn sizes_that_a_small_file_states_are_not_taken_from_memory() {
    let bench = bench();
    let sparse = File::create(bench.path("sparse.csv")).unwrap();
    sparse.set_len(3 << 30).unwrap();
    // Under a limit of address space, as batch systems set it.
    shell(&bench, &format!("ulimit -v 2000000; \"$G\" {}", score("sparse.csv")))
        .refused(2, &["sparse.csv", "zero bytes"]);
    for (arguments, parts) in [
        ("compare.bins=100000000", &["compare.bins"][..]),
        ("theory.noise_spacing=1e-9", &["noise_spacing"]),
        ("theory.noise_spacing=1e-320", &["noise_spacing"]),
        ("model.features.x=2000000000", &["of memory", "model.features.x"]),
        ("sampling.grid_points=1000000000 --set sampling.lookup=grid", &["sampling.grid_points"]),
    ] {
        let line = format!("ulimit -v 4000000; \"$G\" compare small.toml --out run --set {arguments}");
        bench.file("small.toml", "[ensemble]\nmembers = 2\n[theory]\nmodels = 1\n");
        shell(&bench, &line).refused(2, parts);
        assert!(!bench.path("run").exists(), "{arguments}");
    }
}
