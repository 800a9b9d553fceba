//! A run among others: two in one folder, leftovers of killed ones, signals that were ignored before it started.
#![cfg(unix)]

use gtv_tests::Bench;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn bench() -> Bench {
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test")).with_line();
    bench.file("small.toml", format!("{SMALL}[ensemble]\nmembers = 4\n"));
    bench.file("long.toml", format!("{SMALL}[ensemble]\nmembers = 4000\n"));
    bench
        .file("sweep.toml", format!("{SMALL}[ensemble]\nmembers = 40\n[sweep]\nseed = [0, 1, 2, 3, 4, 5]\n"));
    bench
}

const SMALL: &str = "[model.features]\nx = 8\nt = 8\n[theory]\nclosures = [\"leading\"]\nmodels = 4\npaths = 50\ntimes = 16\n\
                     [sampling]\npaths = 200\n[compare]\nbootstrap = 20\n";

fn start(bench: &Bench, arguments: &str) -> Child {
    Command::new(bench.program())
        .args(arguments.split(' '))
        .current_dir(bench.folder())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[track_caller]
fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(120);
    while !reached() {
        assert!(Instant::now() < limit, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn parts(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("parts")).map_or(0, Iterator::count)
}

#[test]
fn the_second_process_is_told_who_holds_the_folder() {
    let bench = bench();
    let mut first = start(&bench, "compare long.toml --out run");
    until("a part", || parts(&bench.path("run")) > 2);
    let holder = format!("process {}", first.id());
    for command in ["compare small.toml", "train small.toml", "compare long.toml"] {
        let second = bench.line(&format!("{command} --out run"));
        second.refused(1, &["run: ", &holder, "compare long.toml", "--wait"]);
    }
    assert!(first.try_wait().unwrap().is_none());
    // One that waits starts when the first has gone, though it is killed.
    let waiting = start(&bench, "compare small.toml --out run --wait");
    std::thread::sleep(Duration::from_millis(1500));
    signal(&first, "-KILL");
    first.wait().unwrap();
    let waited = waiting.wait_with_output().unwrap();
    assert_eq!(waited.status.code(), Some(0), "{}", text(&waited));
    assert!(text(&waited).contains(&format!("waiting: {holder}")), "{}", text(&waited));
    assert!(bench.path("run/report.html").exists() && !bench.path("run/.gtv-lock").exists());
}

#[test]
fn leftovers_of_a_killed_process_are_removed_at_the_next_start() {
    let bench = bench();
    bench.line("compare small.toml --out run").done();
    for name in ["run/.gtv-abc.tmp", "run/figures/.gtv-def.tmp", ".gtv-ghi.tmp", "run/.gtv-lock"] {
        bench.file(name, "half of a fi");
    }
    bench.line("compare small.toml --out run").done();
    bench.line("score --data p.npy --at q.npy --schedule edm --time 1 --out o.npz").done();
    let hidden = |folder: &Path| -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with('.')).collect()
    };
    for folder in ["run", "run/figures", "."] {
        assert_eq!(hidden(&bench.path(folder)), [""; 0], "{folder}");
    }
}

#[test]
fn a_sweep_submitted_twice_runs_every_cell_once_and_ends_with_the_same_table() {
    let bench = bench();
    bench.line("sweep sweep.toml --out one").done();
    let want = std::fs::read(bench.path("one/sweep.csv")).unwrap();
    let lines = ["--shard 1/2", "--shard 2/2", "--shard 1/2", "--shard 2/2"];
    let all = lines.map(|shard| start(&bench, &format!("sweep sweep.toml {shard} --out two --threads 1")));
    for child in all {
        let output = child.wait_with_output().unwrap();
        let said = text(&output);
        let left = said.contains("left to another process") && said.contains("is writing to this folder");
        assert!(output.status.code() == Some(0) || (output.status.code() == Some(1) && left), "{said}");
        assert!(!said.contains("no such file"), "{said}");
    }
    let again = bench.line("sweep sweep.toml --out two");
    again.done();
    assert_eq!(std::fs::read(bench.path("two/sweep.csv")).unwrap(), want);
    // The four that raced had all the work done between them.
    assert!(std::fs::read_dir(bench.path("two/cells")).unwrap().count() == 6);
}

/// Starts the program with a signal ignored, as nohup and a shell's `&` do.
fn start_ignoring(bench: &Bench, signal: &str, arguments: &str) -> Child {
    Command::new("bash")
        .args(["-c", &format!("trap '' {signal}; exec \"$0\" {arguments}")])
        .arg(bench.program())
        .current_dir(bench.folder())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_signal_that_was_ignored_stays_ignored_and_others_are_heard() {
    let bench = bench();
    for (ignored, heard) in [("HUP", "INT"), ("INT", "TERM"), ("TERM", "HUP")] {
        let _ = std::fs::remove_dir_all(bench.path("run"));
        let mut child = start_ignoring(&bench, ignored, "compare long.toml --out run");
        until("a part", || parts(&bench.path("run")) > 2);
        signal(&child, &format!("-{ignored}"));
        std::thread::sleep(Duration::from_millis(300));
        let before = parts(&bench.path("run"));
        until("more work", || parts(&bench.path("run")) > before);
        assert!(child.try_wait().unwrap().is_none(), "{ignored} stopped it");
        signal(&child, &format!("-{heard}"));
        let output = child.wait_with_output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{ignored} {heard}: {said}");
        assert_eq!(said.matches("stopping after").count(), 1, "{ignored} was heard too: {said}");
    }
}

#[test]
fn kernels_that_are_interrupted_are_not_written() {
    let bench = bench();
    let rows = 6000;
    let wave: Vec<f64> = (0..rows * 4).map(|i| (f64::from(i) * 0.618).sin()).collect();
    bench.npy("a.npy", &[rows as usize, 4], &wave);
    let before = bench.listing();
    let child = start(
        &bench,
        "ntk --a a.npy --activation tanh --depth 3 --weight-var 1.5 --bias-var 0.1 --threads 1 --out k.npz",
    );
    std::thread::sleep(Duration::from_millis(700));
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stopping") && said.contains("error: interrupted; nothing was written"), "{said}");
    assert_eq!(bench.listing(), before);
}

#[test]
fn the_first_line_of_every_run_says_what_is_run() {
    let bench = bench();
    let first = |line: &str| {
        let outcome = bench.line(line);
        outcome.done();
        outcome.stderr.lines().next().unwrap_or_default().to_owned()
    };
    for (line, parts) in [
        (
            "compare small.toml --out a",
            &["three-points", "3 points in 1 dimension", "linear", "P = 1024", "4 members"][..],
        ),
        ("train small.toml --out b", &["three-points", "linear", "F = 64", "4 members"]),
        (
            "train --model mlp --members 2 --steps 3 --samples 32 --width 8 --out c",
            &["square", "4 points in 2 dimensions", "mlp", "P = 32", "2 members"],
        ),
        ("sweep sweep.toml --out d", &["6 runs", "three-points", "40 members"]),
    ] {
        let said = first(line);
        for part in parts.iter().chain(&["about"]) {
            assert!(said.contains(part), "{line}: {said:?} does not say {part:?}");
        }
        assert!(
            bench.line(&format!("{line} --quiet")).stderr.is_empty() || line.starts_with("compare"),
            "{line}"
        );
    }
}
