//! Results that cannot be written: unwritable places, full disks, interrupts. Nothing is left half-written.

use gtv_tests::Bench;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn bench() -> Bench {
    Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test")).with_line()
}

fn score(out: &str) -> String {
    format!("score --data p.npy --at q.npy --schedule vp-linear --time 0.1 --out {out}")
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let bench = bench();
    bench.file("plain", "x");
    std::fs::create_dir(bench.path("folder.npz")).unwrap();
    let before = bench.listing();
    bench.line(&score("missing/o.npz")).refused(1, &["missing/o.npz", "no such file or folder"]);
    bench.line(&score("plain/o.npz")).refused(1, &["plain/o.npz", "a file, not a folder"]);
    bench.line(&score("folder.npz")).refused(1, &["folder.npz", "folder"]);
    if Path::new("/proc/self").exists() {
        bench.line(&score("/proc/o.npz")).refused(1, &["/proc/o.npz", "cannot create"]);
    }
    assert_eq!(bench.listing(), before);
}

#[test]
fn an_existing_result_is_replaced_whole_with_ordinary_permissions() {
    let bench = bench();
    bench.file("o.npz", "an older result");
    bench.line(&score("o.npz")).done();
    assert!(std::fs::read(bench.path("o.npz")).unwrap().starts_with(b"PK"));
    assert_eq!(bench.listing(), ["o.npz", "p.npy", "q.npy"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        bench.file("plain", "");
        let mode = |name: &str| std::fs::metadata(bench.path(name)).unwrap().permissions().mode();
        bench.line(&score("new.npz")).done();
        assert_eq!(mode("new.npz"), mode("plain"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_is_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let bench = bench();
    bench.line(&score("/dev/full")).refused(1, &["/dev/full", "the disk is full"]);
    bench.line(&score("/dev/null")).done();
    for device in ["/dev/full", "/dev/null"] {
        assert!(std::fs::metadata(device).unwrap().file_type().is_char_device());
    }
}

/// A file system of 64 KiB, where the user may mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// In the folder `disk`; `None`, and a word about it, where mounting is not allowed.
    fn mount(bench: &Bench) -> Option<Self> {
        let at = bench.path("disk");
        std::fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&at).stderr(Stdio::null());
        if !mount.status().is_ok_and(|s| s.success()) {
            eprintln!("skipped: mounting a small file system needs root");
            return None;
        }
        Some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_old_result_and_nothing_else() {
    let bench = bench();
    let Some(disk) = SmallDisk::mount(&bench) else { return };
    let folder = bench.path("disk");
    bench.line(&score("disk/o.npz")).done();
    let old = std::fs::read(folder.join("o.npz")).unwrap();
    let queries: Vec<f64> = (0..20_000).map(|i| f64::from(i) * 1e-4).collect();
    bench.npy("q.npy", &[20_000], &queries);
    bench.line(&score("disk/o.npz")).refused(1, &["disk/o.npz", "the disk is full", "free some space"]);
    assert!(std::fs::read(folder.join("o.npz")).unwrap() == old);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "a temporary file is left");
    drop(disk);
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_during_training_stops_it_with_its_reason() {
    let bench = bench();
    let Some(disk) = SmallDisk::mount(&bench) else { return };
    let folder = bench.path("disk");
    // A checkpoint of 3 arrays of 71,000 numbers has 850 kB.
    let train = "train --model mlp --members 1 --steps 40 --set training.checkpoint=2 --out disk/run";
    bench
        .line(train)
        .refused(1, &["disk/run/parts/training-00000-step-", "the disk is full", "free some space"]);
    assert!(!folder.join("run/members").exists());
    drop(disk);
    bench
        .line(&train.replace("disk/run", "/proc/run"))
        .refused(1, &["/proc/run", "cannot create the folder"]);
}

/// Sends a signal by name to a running child.
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A comparison that takes a while, and the folder of its partial results.
fn long_comparison(bench: &Bench) -> (Child, PathBuf) {
    bench.file(
        "a.toml",
        "[ensemble]\nmembers = 400\n[model.features]\nx = 8\nt = 8\n[theory]\nclosures = [\"leading\"]\n",
    );
    // What an earlier run left would let the signal come before the program listens.
    let _ = std::fs::remove_dir_all(bench.path("run"));
    let child = Command::new(bench.program())
        .args(["compare", "a.toml", "--out", "run"])
        .current_dir(bench.folder())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let parts = bench.path("run/parts");
    let limit = Instant::now() + Duration::from_secs(120);
    while std::fs::read_dir(&parts).map_or(0, Iterator::count) < 4 {
        assert!(Instant::now() < limit, "no part was saved");
        std::thread::sleep(Duration::from_millis(5));
    }
    (child, parts)
}

#[cfg(unix)]
#[test]
fn an_interrupted_comparison_says_how_to_go_on_and_keeps_its_parts() {
    let bench = bench();
    for name in ["-INT", "-TERM"] {
        let (child, parts) = long_comparison(&bench);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("error: interrupted; the same command again goes on"), "{stderr}");
        let kept: Vec<_> = std::fs::read_dir(parts).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(kept.len() >= 4);
        assert!(kept.iter().all(|p| p.extension().is_some_and(|e| e == "part")), "half-written: {kept:?}");
        assert!(!bench.path("run/summary.json").exists() && !bench.path("run/report.html").exists());
    }
}

#[cfg(unix)]
#[test]
fn the_second_interrupt_stops_at_once() {
    let bench = bench();
    // One batch of queries is one unit of work, and this one takes minutes.
    let (points, dim) = (30_000, 64);
    let wave = |n: usize, step: f64| (0..n * dim).map(|i| (i as f64 * step).sin()).collect::<Vec<f64>>();
    bench.npy("p.npy", &[points, dim], &wave(points, 0.618));
    bench.npy("q.npy", &[1024, dim], &wave(1024, 0.414));
    let mut child = Command::new(bench.program())
        .args(score("o.npz").split(' '))
        .args(["--cov", "full", "--threads", "1"])
        .current_dir(bench.folder())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(300));
    if child.try_wait().unwrap().is_none() {
        signal(&child, "-INT");
    }
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("stopped at once"), "{stderr}");
    assert_eq!(bench.listing(), ["p.npy", "q.npy"]);
}

#[cfg(unix)]
#[test]
fn the_first_interrupt_stops_between_units_of_work() {
    let bench = bench();
    let (points, queries, dim) = (20_000, 60_000, 32);
    let wave = |n: usize, step: f64| (0..n * dim).map(|i| (i as f64 * step).sin()).collect::<Vec<f64>>();
    bench.npy("p.npy", &[points, dim], &wave(points, 0.618));
    bench.npy("q.npy", &[queries, dim], &wave(queries, 0.414));
    let mut child = Command::new(bench.program())
        .args(score("o.npz").split(' '))
        .args(["--cov", "trace"])
        .current_dir(bench.folder())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(child.try_wait().unwrap().is_none(), "the work is long enough to be interrupted");
    let start = Instant::now();
    signal(&child, "-INT");
    child.wait().unwrap();
    let waited = start.elapsed();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("press Ctrl-C again") && stderr.contains("error: interrupted; nothing was written"),
        "{stderr}"
    );
    assert!(waited < Duration::from_secs(30), "stopped after {waited:?}");
    assert_eq!(bench.listing(), ["p.npy", "q.npy"]);
}
