//! Sweeps that are killed with `kill -9` at random moments, again and again, end with the bytes of an undisturbed one.

use gtv_tests::Bench;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const TINY: &str = "[model]\nsamples = 100\n[model.features]\nx = 6\nt = 6\n[ensemble]\nmembers = 3\n\
                    [sampling]\npaths = 60\n[theory]\nclosures = [\"leading\"]\nmodels = 3\npaths = 60\ntimes = 24\n\
                    noise_spacing = 0.2\n[compare]\nbins = 40\nbootstrap = 20\nmetrics = [\"w1\"]\n";

/// Uniform on [0, 1), from one call to the next (Numerical Recipes' generator); moments need no better one.
fn uniform(state: &mut u32) -> f64 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    f64::from(*state >> 8) / f64::from(1u32 << 24)
}

fn bench(sweep: &str) -> Bench {
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"));
    bench.file("tiny.toml", format!("{TINY}[sweep]\n{sweep}\n"));
    let started = Instant::now();
    bench.line("sweep tiny.toml --out whole --quiet").done();
    println!("undisturbed: {:.1} s", started.elapsed().as_secs_f64());
    bench
}

fn start(bench: &Bench, run: &str, part: usize, shards: usize, threads: usize) -> Child {
    let line =
        format!("sweep tiny.toml --out {run}-{part} --shard {part}/{shards} --threads {threads} --quiet");
    let mut command = bench.attended(bench.program());
    command.args(line.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("it starts")
}

/// Kills all shards `kills` times, each time within `longest` of their start; then lets them end, and merges them.
fn survives(bench: &Bench, shards: usize, threads: usize, kills: usize, longest: Duration) {
    let run = format!("run-{shards}-{threads}");
    let mut state = (31 * shards + threads) as u32;
    for _ in 0..kills {
        let mut running: Vec<Child> =
            (1..=shards).map(|part| start(bench, &run, part, shards, threads)).collect();
        std::thread::sleep(longest.mul_f64(uniform(&mut state)));
        for child in &mut running {
            // One that has come to its end cannot be killed.
            let _ = child.kill();
        }
        for mut child in running {
            child.wait().expect("gone");
        }
    }
    let ends: Vec<Child> = (1..=shards).map(|part| start(bench, &run, part, shards, threads)).collect();
    for mut child in ends {
        assert!(child.wait().expect("it ends").success(), "{shards} shards, {threads} threads");
    }
    let dirs: Vec<String> = (1..=shards).map(|part| format!("{run}-{part}")).collect();
    bench.line(&format!("merge {} --out {run} --quiet", dirs.join(" "))).done();
    same(&bench.path("whole"), &bench.path(&run));
}

/// All that does not depend on the clock.
fn same(whole: &Path, merged: &Path) {
    let read = |path: &Path| std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut names: Vec<String> =
        ["sweep.csv", "sweep.json", "config.toml", "report.html"].map(str::to_owned).into();
    for cell in whole.join("cells").read_dir().expect("cells") {
        let cell = cell.expect("a cell").file_name().to_string_lossy().into_owned();
        names.extend(["arrays.npz", "config.toml"].map(|name| format!("cells/{cell}/{name}")));
    }
    for name in names {
        assert!(read(&whole.join(&name)) == read(&merged.join(&name)), "{name} differs");
    }
    let count = |folder: &Path| folder.join("cells").read_dir().expect("cells").count();
    assert_eq!(count(whole), count(merged));
}

#[test]
fn killed_shards_end_with_the_same_bytes() {
    let bench = bench("\"model.samples\" = [100, 150, 200]\nseed = [0, 1]");
    survives(&bench, 3, 2, 3, Duration::from_millis(800));
}

#[test]
#[ignore = "it takes minutes: 60 cells, 20 kills, for 1, 3 and 7 shards, with 1 and 2 threads"]
fn killed_twenty_times_with_any_number_of_shards_and_threads() {
    let ridges = "\"model.ridge\" = [0.1, 0.2]";
    let bench =
        bench(&format!("\"model.samples\" = {{ linear = [60, 150, 10] }}\n{ridges}\nseed = [0, 1, 2]"));
    for shards in [1, 3, 7] {
        for threads in [1, 2] {
            let started = Instant::now();
            survives(&bench, shards, threads, 20, Duration::from_millis(3000));
            println!("{shards} shards, {threads} threads: {:.1} s", started.elapsed().as_secs_f64());
        }
    }
}
