//! `sweep` and `merge` as a user runs them, on cells that take a fraction of a second.

use gtv_tests::Bench;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

const TINY: &str = "[model]\nsamples = 100\n[model.features]\nx = 6\nt = 6\n[ensemble]\nmembers = 3\n\
                    [sampling]\npaths = 60\n[theory]\nclosures = [\"paper\", \"leading\"]\nmodels = 3\npaths = 60\ntimes = 24\n\
                    noise_spacing = 0.2\n[compare]\nbins = 40\nbootstrap = 20\nmetrics = [\"w1\"]\n";
const KEYS: &str = "[sweep]\n\"model.samples\" = [100, 200]\nseed = [0, 1]\n";

fn bench() -> Bench {
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"));
    bench.file("tiny.toml", format!("{TINY}{KEYS}"));
    bench
}

fn bytes(bench: &Bench, name: &str) -> Vec<u8> {
    std::fs::read(bench.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn text(bench: &Bench, name: &str) -> String {
    String::from_utf8(bytes(bench, name)).expect("UTF-8")
}

fn changed(path: &Path) -> SystemTime {
    std::fs::metadata(path).and_then(|m| m.modified()).expect("its time")
}

#[test]
fn shards_put_together_equal_one_run() {
    let bench = bench();
    let whole = bench.line("sweep tiny.toml --out whole");
    whole.done();
    let head = whole.stdout.lines().nth(1).expect("a table");
    for word in ["model.samples", "seeds", "paper", "leading", "floor"] {
        assert!(head.contains(word), "{}", whole.stdout);
    }
    assert!(whole.stdout.contains("2 of 2") && whole.stdout.contains("[least, most]"), "{}", whole.stdout);
    assert!(!whole.stdout.contains('±'), "two seeds give no standard error: {}", whole.stdout);
    for part in 1..=2 {
        let run = bench.line(&format!("sweep tiny.toml --out s{part} --shard {part}/2"));
        run.done();
        assert!(run.stdout.contains("2 of 4 cells are missing"), "{}", run.stdout);
    }
    assert!(bench.path("s2/cells/001-model.samples=100-seed=1/report.html").is_file());
    assert!(!bench.path("s2/cells/000-model.samples=100-seed=0").exists());
    bench.line("merge s1 s2 --out both").done();
    for name in ["sweep.csv", "sweep.json", "config.toml", "report.html"] {
        assert_eq!(bytes(&bench, &format!("whole/{name}")), bytes(&bench, &format!("both/{name}")), "{name}");
    }
    for name in ["sweep_distance", "sweep_variance_ratio", "sweep_gap_mass"] {
        assert!(bench.path(&format!("both/figures/{name}.svg")).is_file(), "{name}");
        assert!(bench.path(&format!("both/figures/{name}.png")).is_file(), "{name}");
    }
    let csv = text(&bench, "both/sweep.csv");
    assert!(csv.starts_with("cell,model.samples,seed,quantity,value,lo,hi,floor\n0,100,0,distances."));
    for quantity in
        ["levels.ensemble.mass_near[1]", "kernel.leading.variance_ratio", "levels.ensemble.gap_mass"]
    {
        assert_eq!(csv.matches(&format!(",{quantity},")).count(), 4, "{quantity}");
    }
    let page = text(&bench, "both/report.html");
    assert!(page.contains("<svg") && !page.contains("src=\"http"), "the report is self-contained");
    let links: Vec<&str> =
        page.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(links.len(), 4, "one for each cell");
    for link in links.iter().map(|l| l.replace("&#x2f;", "/")) {
        assert!(bench.path("both").join(&link).is_file(), "{link}");
    }
    // In place: the first folder takes the others' cells.
    bench.line("merge s1 s2").done();
    assert_eq!(bytes(&bench, "whole/sweep.csv"), bytes(&bench, "s1/sweep.csv"));
}

#[test]
fn a_cell_is_the_comparison_with_its_settings() {
    let bench = bench();
    bench.line("sweep tiny.toml --out all --quiet").done();
    bench.line("compare tiny.toml --set model.samples=200 --set seed=1 --out one --quiet").done();
    let cell = "all/cells/003-model.samples=200-seed=1";
    for name in ["arrays.npz", "config.toml", "figures/density.svg"] {
        assert_eq!(bytes(&bench, &format!("{cell}/{name}")), bytes(&bench, &format!("one/{name}")), "{name}");
    }
    let page = text(&bench, &format!("{cell}/report.html"));
    assert!(
        page.contains("gtv-cli compare tiny.toml --set model.samples=200 --set seed=1"),
        "it says how it is made"
    );
}

#[test]
fn finished_cells_are_not_run_again() {
    let bench = bench();
    let mut child = Command::new(bench.program())
        .args(["sweep", "tiny.toml", "--out", "run", "--quiet"])
        .current_dir(bench.folder())
        .spawn()
        .expect("it starts");
    let first = bench.path("run/cells/000-model.samples=100-seed=0");
    let limit = Instant::now() + Duration::from_secs(120);
    while !first.join("report.html").is_file() || first.join("parts").exists() {
        assert!(Instant::now() < limit, "no cell was finished");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
    let before = changed(&first.join("summary.json"));
    bench.line("sweep tiny.toml --out run --resume").done();
    assert_eq!(before, changed(&first.join("summary.json")), "a finished cell was run again");
    bench.line("sweep tiny.toml --out whole --quiet").done();
    assert_eq!(bytes(&bench, "run/sweep.csv"), bytes(&bench, "whole/sweep.csv"));
    // A longer list shifts the places of cells; those that are finished move there.
    bench.line("sweep tiny.toml --out run --set sweep.seed=[0,1,2] --quiet").done();
    assert_eq!(before, changed(&first.join("summary.json")));
    let moved = bench.path("run/cells").read_dir().expect("cells").map(|e| e.expect("a cell").file_name());
    let mut names: Vec<String> = moved.map(|n| n.to_string_lossy().into_owned()).collect();
    names.sort();
    let expected = [(100, 0), (100, 1), (100, 2), (200, 0), (200, 1), (200, 2)].iter().enumerate();
    let expected = expected.map(|(i, (p, s))| format!("{i:03}-model.samples={p}-seed={s}"));
    assert_eq!(names, expected.collect::<Vec<_>>());
    bench.line("sweep tiny.toml --out run --quiet").done();
    assert_eq!(bytes(&bench, "run/sweep.csv"), bytes(&bench, "whole/sweep.csv"));
    // Another setting makes other cells of the same names.
    bench.line("sweep tiny.toml --out run --set model.ridge=0.2 --quiet").done();
    assert_ne!(before, changed(&first.join("summary.json")));
    assert_ne!(bytes(&bench, "run/sweep.csv"), bytes(&bench, "whole/sweep.csv"));
}

#[test]
fn bad_sweeps_are_refused_before_any_work() {
    let bench = bench();
    let refused = |sweep: &str, extra: &str, parts: &[&str]| {
        bench.file("bad.toml", format!("{TINY}{sweep}\n"));
        let before = bench.listing();
        bench.line(&format!("sweep bad.toml --out bad {extra}")).refused(2, parts);
        assert_eq!(bench.listing(), before);
    };
    refused("", "", &["bad.toml", "no [sweep]"]);
    refused("[sweep]", "", &["bad.toml", "no [sweep]"]);
    refused("[sweep]\n\"model.samples\" = []", "", &["bad.toml:21", "sweep.model.samples", "empty list"]);
    refused(
        "[sweep]\n\"model.smaples\" = [1, 2]",
        "",
        &["000-model.smaples=1", "did you mean `model.samples`"],
    );
    // The last of three cells: nothing was written before it was looked at.
    let last = ["002-model.samples=0", "[sweep] model.samples = 0", "at least 1"];
    refused("[sweep]\n\"model.samples\" = [5, 6, 0]", "", &last);
    refused("[sweep]\n\"model.samples\" = [5, \"x\"]", "", &["001-model.samples=x", "whole number"]);
    refused("[sweep]\n\"model.samples\" = 5", "", &["sweep.model.samples", "expected a list"]);
    refused("[sweep]\nseed = [0, 1]", "--seed 3", &["--seed 3", "varies seed"]);
    refused("[sweep]\nseed = [0, 1]", "--set seed=3", &["--set seed=3", "sweep.seed=[...]"]);
    refused("[sweep]\nseed = [0, 1]", "--set sweep.seed=[]", &["--set sweep.seed=[]", "empty list"]);
    let many =
        "[sweep]\n\"model.ridge\" = { log = [1e-3, 1, 200] }\n\"model.samples\" = { linear = [1, 200, 200] }";
    refused(many, "", &["more than 10000 combinations"]);
    let shard = bench.line("sweep tiny.toml --out bad --shard 3/2");
    assert_eq!(shard.code, Some(2));
    assert!(shard.stderr.contains("1 <= i <= n"), "{}", shard.stderr);
}

#[test]
fn shards_of_different_sweeps_do_not_merge() {
    let bench = bench();
    bench.line("sweep tiny.toml --out a --shard 1/4 --quiet").done();
    bench.line("sweep tiny.toml --out b --shard 2/4 --set model.ridge=0.2 --quiet").done();
    bench
        .line("merge a b --out c")
        .refused(2, &["b: not a shard", "a", "model.ridge is 0.2 here and 0.1 there"]);
    assert!(!bench.path("c").exists());
    bench.line("merge a nowhere").refused(2, &["nowhere", "no config.toml"]);
    bench.line("merge a --seed 1").refused(2, &["--seed"]);
    std::fs::create_dir(bench.path("thesis")).expect("created");
    bench.file("thesis/chapter.tex", "x");
    bench.line("merge a --out thesis").refused(2, &["--out thesis", "not from a gtv run"]);
}

#[test]
fn ranges_are_rounded_where_whole_numbers_are_wanted() {
    let bench = bench();
    bench.file(
        "range.toml",
        format!("{TINY}[sweep]\n\"model.samples\" = {{ log = [50, 200, 3] }}\n\"model.target\" = [\"proxy\", \"true-score\"]\n"),
    );
    bench.line("sweep range.toml --out run").done();
    let config = text(&bench, "run/config.toml");
    assert!(config.contains("\"model.samples\" = [50, 100, 200]"), "{config}");
    assert!(bench.path("run/cells/003-model.samples=100-model.target=true-score/summary.json").is_file());
    // The folder's own config is the same sweep.
    bench.line("sweep run/config.toml --out run").done();
    assert_eq!(text(&bench, "run/config.toml"), config);
}
