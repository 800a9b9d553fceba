//! `sweep`, `status` and `merge` when cells fail, are shared out, damaged, of another sweep, or there twice.

use gtv_tests::Bench;

const TINY: &str = "[model]\nsamples = 100\n[model.features]\nx = 6\nt = 6\n[ensemble]\nmembers = 3\n\
                    [sampling]\npaths = 60\n[theory]\nclosures = [\"leading\"]\nmodels = 3\npaths = 60\ntimes = 24\n\
                    noise_spacing = 0.2\n[compare]\nbins = 40\nbootstrap = 20\nmetrics = [\"w1\"]\n";

fn bench(sweep: &str) -> Bench {
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"));
    bench.file("tiny.toml", format!("{TINY}[sweep]\n{sweep}\n"));
    bench
}

fn text(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn cells(bench: &Bench, folder: &str) -> Vec<String> {
    let entries = bench.path(folder).join("cells").read_dir().into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|e| e.expect("a cell").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let bench = bench("\"model.samples\" = [100, 2000]\nseed = [0, 1]");
    let before = bench.listing();
    let dry = bench.line("sweep tiny.toml --dry-run --threads 1");
    dry.done();
    assert_eq!(bench.listing(), before);
    let rows: Vec<&str> = dry.stdout.lines().filter(|l| l.contains("-seed=")).collect();
    assert_eq!(rows.len(), 4, "{}", dry.stdout);
    assert!(rows.iter().all(|r| r.contains("about ") && r.contains("MiB")), "{}", dry.stdout);
    // The ends of both lists make all four cells here, in the order of their numbers.
    assert!(rows[3].starts_with("003-model.samples=2000-seed=1"), "{}", dry.stdout);
    assert!(dry.stdout.contains("4 cells: about") && dry.stdout.contains("4 to run"), "{}", dry.stdout);
    let half = bench.line("sweep tiny.toml --dry-run --shard 2/2");
    assert!(half.stdout.contains("2 cells: about") && !half.stdout.contains("seed=0"), "{}", half.stdout);
}

#[test]
fn zipped_lists_change_together() {
    let bench = bench(
        "\"model.samples\" = [100, 200, 300]\nseed = [0, 1]\n\"model.ridge\" = [0.3, 0.2, 0.1]\nzip = [[\"model.samples\", \"model.ridge\"]]",
    );
    bench.line("sweep tiny.toml --out run --quiet").done();
    let names = cells(&bench, "run");
    assert_eq!(names.len(), 6, "{names:?}");
    assert_eq!(names[3], "003-model.samples=200-seed=1-model.ridge=0.2");
    assert!(
        text(&bench, "run/cells/003-model.samples=200-seed=1-model.ridge=0.2/config.toml")
            .contains("ridge = 0.2")
    );
    // The folder's own config is the same sweep.
    let again = bench.line("sweep run/config.toml --out run --dry-run");
    assert!(again.stdout.contains("6 cells") && again.stdout.contains("0 to run"), "{}", again.stdout);
    bench.file("bad.toml", format!("{TINY}[sweep]\nseed = [0, 1]\n\"model.samples\" = [1, 2, 3]\nzip = [[\"seed\", \"model.samples\"]]\n"));
    bench.line("sweep bad.toml").refused(2, &["bad.toml:23", "sweep.zip", "one length", "seed has 2"]);
}

#[test]
fn a_coarse_picture_comes_first() {
    let bench = bench("\"model.samples\" = { linear = [100, 500, 5] }\n\"model.ridge\" = [0.1, 0.2, 0.3]");
    let dry = bench.line("sweep tiny.toml --dry-run").stdout;
    let order: Vec<usize> = dry.lines().filter_map(|l| l.get(..3)?.parse().ok()).collect();
    // Corners; then the middles of both lists; then the rest.
    assert_eq!(order, [0, 2, 12, 14, 1, 6, 7, 8, 13, 3, 4, 5, 9, 10, 11]);
}

#[test]
fn shards_by_number_and_by_cost_cover_all_cells_once() {
    let bench = bench("\"model.samples\" = [100, 100000, 200, 400]\nseed = [0, 1, 2]");
    let cells_of = |arguments: &str| -> Vec<usize> {
        let dry = bench.line(&format!("sweep tiny.toml --dry-run {arguments}"));
        dry.done();
        dry.stdout.lines().filter_map(|l| l.get(..3)?.parse().ok()).collect()
    };
    for (base, pack) in [(0, ""), (1, ""), (0, "--pack"), (1, "--pack")] {
        let mut all: Vec<usize> = (base..base + 5)
            .flat_map(|i| cells_of(&format!("--shard {i}/5 --shard-base {base} {pack}")))
            .collect();
        all.sort();
        assert_eq!(all, (0..12).collect::<Vec<_>>(), "base {base} {pack}");
    }
    // Three cells are a thousand times as expensive in samples as the others: packed, no two of them share a shard.
    for i in 1..=5 {
        let dear =
            cells_of(&format!("--shard {i}/5 --pack")).into_iter().filter(|c| (3..6).contains(c)).count();
        assert!(dear <= 1, "shard {i} has {dear}");
    }
    bench
        .line("sweep tiny.toml --dry-run --shard 0/5")
        .refused(2, &["--shard 0/5", "1 <= i <= n", "--shard-base 0"]);
    bench
        .line("sweep tiny.toml --dry-run --shard 5/5 --shard-base 0")
        .refused(2, &["--shard 5/5", "0 <= i < n"]);
    bench.line("sweep tiny.toml --dry-run --shard slurm/5").refused(2, &["SLURM_ARRAY_TASK_ID is not set"]);
}

/// No path arrives in one step, which only sampling finds out.
const FAILING: &str = "\"sampling.max_steps\" = [1, 500, 1000]\n\"sampling.integrator\" = [\"dopri5\"]";

#[test]
fn failed_cells_stop_a_sweep_or_are_listed_and_tried_again() {
    let bench = bench(FAILING);
    let first = bench.line("sweep tiny.toml --out run");
    first.refused(1, &["1 of 3 cells failed", "000-sampling.max_steps=1-", "tries again", "--keep-going"]);
    assert_eq!(cells(&bench, "run").len(), 1, "it stopped at the first");
    let going = bench.line("sweep tiny.toml --out run --keep-going");
    going.refused(1, &["1 of 3 cells failed", "000-sampling.max_steps=1-"]);
    assert!(going.stdout.contains("1 of 3 cells are missing"), "{}", going.stdout);
    assert_eq!(cells(&bench, "run").len(), 3);
    assert!(text(&bench, "run/report.html").contains("failed: "));
    let status = bench.line("status run");
    status.done();
    for part in ["3 cells: 2 finished, 0 running, 0 begun, 1 failed", "failed: 000-sampling.max_steps=1-"] {
        assert!(status.stdout.contains(part), "{}", status.stdout);
    }
    // Merging says so too.
    assert!(bench.line("merge run").stdout.contains("1 of 3 cells are missing"));
    bench.line("status nowhere").refused(2, &["nowhere", "no config.toml"]);
    let one = bench.line("status run/cells/001-sampling.max_steps=500-sampling.integrator=dopri5");
    assert_eq!(one.stdout.trim(), "finished");
}

#[test]
fn damaged_foreign_and_duplicate_cells_are_named_and_count_once() {
    let bench = bench("\"model.samples\" = [100, 200]\nseed = [0, 1]");
    bench.line("sweep tiny.toml --out whole --quiet").done();
    for part in 1..=2 {
        bench.line(&format!("sweep tiny.toml --out s{part} --shard {part}/2 --quiet")).done();
    }
    let damaged = "001-model.samples=100-seed=1";
    let copy = |from: &str, to: &str| {
        let status =
            std::process::Command::new("cp").arg("-r").arg(bench.path(from)).arg(bench.path(to)).status();
        assert!(status.expect("cp").success());
    };
    // A cell under another name, and one of another sweep.
    copy("s1/cells/000-model.samples=100-seed=0", "s1/cells/009-copy");
    bench.line("sweep tiny.toml --out other --set model.ridge=0.2 --quiet").done();
    copy("other/cells/001-model.samples=100-seed=1", "s1/cells/001-model.samples=100-seed=1");
    // One bit of one number.
    let arrays = bench.path(&format!("s2/cells/{damaged}/arrays.npz"));
    let whole = std::fs::read(&arrays).expect("arrays");
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&arrays, bytes).expect("written");
    let merged = bench.line("merge s1 s2 --out both");
    merged.refused(1, &["1 of 4 cells are damaged", damaged, "arrays.npz does not match its checksum"]);
    for part in [
        "s1/cells/009-copy: a copy of 000-model.samples=100-seed=0",
        "s1/cells/001-model.samples=100-seed=1: its config is not",
        "s2/cells/001-model.samples=100-seed=1: damaged: arrays.npz",
    ] {
        assert!(merged.stderr.contains(part), "{}", merged.stderr);
    }
    // What is left counts once each.
    let lines = |name: &str| text(&bench, name).matches(",levels.ensemble.gap_mass,").count();
    assert_eq!(lines("both/sweep.csv"), 3);
    let status = bench.line("status s2");
    assert!(status.stdout.contains(&format!("damaged: {damaged}: arrays.npz")), "{}", status.stdout);
    // A whole one elsewhere stands in for it, in whatever order, and folders named twice count once.
    copy(&format!("whole/cells/{damaged}"), "spare");
    std::fs::create_dir_all(bench.path("s3/cells")).expect("created");
    copy("s1/config.toml", "s3/config.toml");
    copy("spare", &format!("s3/cells/{damaged}"));
    bench.line("merge s1 s2 s3 s3 ./s1 --out both").done();
    assert_eq!(text(&bench, "both/sweep.csv"), text(&bench, "whole/sweep.csv"));
    // The sweep itself runs it again.
    let again = bench.line("sweep tiny.toml --out s2 --shard 2/2");
    again.done();
    assert!(again.stderr.contains("damaged") && again.stderr.contains("it is run again"), "{}", again.stderr);
    assert_eq!(std::fs::read(&arrays).expect("arrays"), whole);
    // All of them are in both.
    let twice = bench.line("merge whole s2 --out again");
    twice.done();
    assert!(twice.stderr.contains("2 cells of s2 are in whole too"), "{}", twice.stderr);
    assert_eq!(text(&bench, "again/sweep.csv"), text(&bench, "whole/sweep.csv"));
}

#[test]
fn shards_over_data_sets_merge_though_each_has_settings_of_its_own() {
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"));
    bench.npy("a.npy", &[3, 1], &[-1.0, 0.0, 1.0]);
    bench.npy("b.npy", &[4, 1], &[-3.0, -1.0, 2.0, 5.0]);
    let data = "[data]\nkind = \"file\"\npath = \"a.npy\"\n[sweep]\n\"data.path\" = [\"a.npy\", \"b.npy\"]\n";
    bench.file("tiny.toml", format!("{TINY}{data}"));
    bench.line("sweep tiny.toml --out whole --quiet").done();
    for part in 1..=2 {
        bench.line(&format!("sweep tiny.toml --out s{part} --shard {part}/2 --quiet")).done();
    }
    let merged = bench.line("merge s1 s2 --out both");
    merged.done();
    assert!(!merged.stderr.contains("left out"), "{}", merged.stderr);
    assert_eq!(text(&bench, "both/sweep.csv"), text(&bench, "whole/sweep.csv"));
    assert_eq!(text(&bench, "both/sweep.csv").matches(",levels.ensemble.gap_mass,").count(), 2);
}
