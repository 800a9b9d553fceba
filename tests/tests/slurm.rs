//! `sweep --slurm` on a real Slurm: a task that is killed and put back, and one that runs out of time, end with the bytes of an
//! undisturbed sweep.
//!
//! `tests/slurm/single-node.sh start` makes a Slurm on this machine and says how it is found; without one the test is left out,
//! with `GTV_REQUIRE_SLURM=1` that is a failure.

use gtv_tests::Bench;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const CONFIG: &str = "[model]\nsamples = 100\n[model.features]\nx = 6\nt = 6\n[ensemble]\nmembers = 3\n\
                      [sampling]\npaths = 60\n[theory]\nclosures = [\"leading\"]\nmodels = 3\npaths = 60\ntimes = 24\n\
                      noise_spacing = 0.2\n[compare]\nbins = 40\nbootstrap = 20\nmetrics = [\"w1\"]\n\
                      [sweep]\n\"model.samples\" = [100, 150, 200]\nseed = [0, 1]\n";

/// How long to wait for Slurm, which looks at its queue and its time limits every so often.
const PATIENCE: Duration = Duration::from_secs(240);

/// What a command says; none where it fails.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[track_caller]
fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        let queue = || said("squeue", &["-a", "-t", "all", "-o", "%i %T %r"]).unwrap_or_default();
        assert!(started.elapsed() < PATIENCE, "no {what}\n{}", queue());
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// The state of a task of a job array, or of a job.
fn state(id: &str) -> String {
    said("squeue", &["-h", "-a", "-t", "all", "-j", id, "-o", "%T"]).unwrap_or_default()
}

fn restarts(id: &str) -> u32 {
    let shown = said("scontrol", &["show", "job", id]).unwrap_or_default();
    shown.split_whitespace().find_map(|w| w.strip_prefix("Restarts=")?.parse().ok()).unwrap_or(0)
}

/// Holds a cell's folder, so that its task waits there.
fn hold(cell: &Path) -> File {
    std::fs::create_dir_all(cell).expect("a folder");
    let lock = File::create(cell.join(".gtv-lock")).expect("a lock file");
    lock.lock().expect("locked");
    lock
}

#[test]
fn killed_and_late_tasks_go_on_where_they_were() {
    if said("sinfo", &["-h"]).is_none() {
        assert!(std::env::var_os("GTV_REQUIRE_SLURM").is_none(), "no Slurm answers");
        return eprintln!("left out: no Slurm answers; tests/slurm/single-node.sh makes one");
    }
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"));
    bench.file("tiny.toml", CONFIG);
    bench.line("sweep tiny.toml --out whole --quiet").done();
    let cells = |part: usize| -> Vec<String> {
        let dry = bench.line(&format!("sweep tiny.toml --dry-run --shard {part}/2 --pack"));
        dry.stdout
            .lines()
            .filter(|l| l.contains("-seed="))
            .map(|l| l.split(' ').next().unwrap_or("").to_owned())
            .collect()
    };
    let run = bench.path("run/cells");
    let (first, second) = (cells(1), cells(2));
    assert_eq!((first.len(), second.len()), (3, 3));
    let held = [&first[1], &second[1]].map(|cell| hold(&run.join(cell)));
    // The folder of a run is known by its config.
    bench.line("sweep tiny.toml --out scripts --slurm --tasks 2 --cpus 1 --time 1").done();
    std::fs::copy(bench.path("scripts/config.toml"), bench.path("run/config.toml")).expect("copied");
    let submitted = bench.line("sweep tiny.toml --out run --slurm --submit --tasks 2 --cpus 1 --time 1");
    submitted.done();
    let id = |word: &str| -> String {
        let rest = submitted.stdout.split_once(word).expect("an id").1;
        rest.chars().take_while(char::is_ascii_digit).collect()
    };
    let (array, merge) = (id("tasks: job "), id("summary: job "));
    let [one, two] = [1, 2].map(|task| format!("{array}_{task}"));
    let is_there = |cell: &str| run.join(cell).join("SHA256SUMS").is_file();
    wait_for("first cell of each task", || is_there(&first[0]) && is_there(&second[0]));
    let before = std::fs::metadata(run.join(&first[0]).join("summary.json")).expect("it").modified().ok();

    // Killed without warning, and put back.
    said("scancel", &["--signal=KILL", &one]).expect("killed");
    wait_for("end of the killed task", || state(&one) == "CANCELLED");
    let [lock_one, lock_two] = held;
    drop(lock_one);
    said("scontrol", &["requeue", &one]).expect("requeued");
    // Slurm lets up to two minutes pass before a requeued task starts, unless it is told not to; a node refuses it in the second in which it
    // was told to end it.
    let next_second = || std::thread::sleep(Duration::from_secs(2));
    let completes = |task: &str| {
        let _ = said("scontrol", &["update", &format!("JobId={task}"), "StartTime=now"]);
        state(task) == "COMPLETED"
    };
    next_second();
    wait_for("end of the requeued task", || completes(&one));
    assert!(first.iter().all(|cell| is_there(cell)));
    let after = std::fs::metadata(run.join(&first[0]).join("summary.json")).expect("it").modified().ok();
    assert_eq!(before, after, "a finished cell was run again");

    // Out of time: it stops by itself, before Slurm would end it, and queues again.
    wait_for("requeue of the late task", || restarts(&two) > 0);
    let log = std::fs::read_to_string(bench.path("run/slurm/task-2.log")).expect("its log");
    assert!(log.contains("1 of 3 cells are finished"), "{log}");
    assert!(!log.contains("TIME LIMIT"), "{log}");
    drop(lock_two);
    next_second();
    wait_for("end of the late task", || completes(&two));
    wait_for("summary", || state(&merge) == "COMPLETED");
    for name in ["sweep.csv", "sweep.json", "config.toml", "report.html"] {
        let [whole, run] = ["whole", "run"].map(|f| std::fs::read(bench.path(f).join(name)).expect("a file"));
        assert!(whole == run, "{name} differs");
    }
    assert!(bench.line("status run").stdout.contains("6 cells: 6 finished, 0 running"));
}

#[test]
fn a_cluster_without_slurm_is_told_so_and_bad_limits_are_refused() {
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"));
    bench.file("tiny.toml", CONFIG);
    bench.line("sweep tiny.toml --out run --slurm --time 1h").refused(2, &["--time 1h", "HH:MM:SS"]);
    bench.line("sweep tiny.toml --out run --slurm --sbatch=-A").refused(2, &["--sbatch -A", "--account"]);
    let written =
        bench.line("sweep tiny.toml --out run --slurm --tasks 9 --partition long --sbatch=--account=me");
    written.done();
    assert!(
        written.stdout.contains("6 cells in 6 tasks of 2 cores"),
        "no more tasks than cells: {}",
        written.stdout
    );
    let script = std::fs::read_to_string(bench.path("run/slurm/array.sh")).expect("a script");
    for line in [
        "--array=1-6",
        "--partition=long",
        "--account=me",
        "--cpus-per-task=2",
        "--requeue",
        "--signal=B:USR1@120",
    ] {
        assert!(script.contains(&format!("#SBATCH {line}\n")), "no {line} in {script}");
    }
    for name in ["array.sh", "merge.sh", "submit.sh"] {
        let checked = Command::new("bash").arg("-n").arg(bench.path("run/slurm").join(name)).status();
        assert!(checked.expect("bash").success(), "{name}");
    }
    // The same where there is a shell and nothing else.
    let bin = bench.path("bin");
    std::fs::create_dir(&bin).expect("a folder");
    std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).expect("linked");
    let submitted = Command::new(bench.program())
        .args(["sweep", "tiny.toml", "--out", "run", "--slurm", "--submit"])
        .current_dir(bench.folder())
        .env("PATH", &bin)
        .output()
        .expect("it runs");
    let stderr = String::from_utf8_lossy(&submitted.stderr).into_owned();
    assert_eq!(submitted.status.code(), Some(1), "{stderr}");
    for part in ["the job was not submitted", "sbatch", "submit.sh"] {
        assert!(stderr.contains(part), "{stderr}");
    }
}
