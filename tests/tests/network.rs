//! `train --model mlp`: results that survive any interruption, and training that cannot go on.

use gtv_models::device::{Availability, Backend};
use gtv_tests::Bench;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn bench() -> Bench {
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"));
    bench.file("a.toml", SMALL);
    bench
}

/// Three members, one after another (wider than those that are trained together), in two seconds or so.
const SMALL: &str = "[data]\nkind = \"square\"\n[model]\nkind = \"mlp\"\nsamples = 64\n[model.mlp]\nwidth = 520\ndepth = 1\n\
                     [training]\nsteps = 300\nbatch = 32\ncheckpoint = 10\nlog_every = 50\naverage = 0.9\n[ensemble]\nmembers = 3\n\
                     [sampling]\npaths = 100\nsteps = 10\n";

/// Every file of the members, in order.
fn members(bench: &Bench, run: &str) -> Vec<Vec<u8>> {
    let file = |i: usize| bench.path(&format!("{run}/members/member-{i:05}.safetensors"));
    (0..).map(file).map_while(|path| std::fs::read(path).ok()).collect()
}

/// The lines of log.csv but for their last column, the time.
fn log(bench: &Bench, run: &str) -> Vec<String> {
    let text = std::fs::read_to_string(bench.path(&format!("{run}/log.csv"))).unwrap();
    text.lines().map(|l| l.rsplit_once(',').unwrap().0.to_owned()).collect()
}

fn start(bench: &Bench, arguments: &str) -> Child {
    bench
        .attended(bench.program())
        .args(arguments.split(' '))
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    let mut found: Vec<PathBuf> = entries
        .filter(|p| p.extension().is_some_and(|e| e == "part") && p.to_string_lossy().contains("-step-"))
        .collect();
    found.sort();
    found
}

#[test]
fn a_run_killed_twenty_times_ends_with_the_same_bytes() {
    let bench = bench();
    let started = Instant::now();
    bench.line("train a.toml --out whole --quiet").done();
    let whole = started.elapsed();
    // Fractions of the golden ratio: spread evenly, aligned with nothing.
    let mut moment = 0.0f64;
    for kill in 0..20 {
        moment = (moment + 0.618_034).fract();
        let known = bench.path("run/config.toml").exists();
        let resume =
            if known && kill % 2 == 0 { "train --resume --out run" } else { "train a.toml --out run" };
        let mut child = start(&bench, resume);
        // Less than the whole run in all: every kill finds it unfinished.
        std::thread::sleep(whole.mul_f64(0.08 * moment));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("error:") && !stderr.contains("warning:"), "kill {kill}: {stderr}");
    }
    bench.line("train --resume --out run").done();
    let (expected, found) = (members(&bench, "whole"), members(&bench, "run"));
    assert_eq!(expected.len(), 3);
    assert!(expected == found, "the trained weights differ");
    assert_eq!(log(&bench, "whole"), log(&bench, "run"));
    assert!(!bench.path("run/parts").exists());
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_a_checkpoint_and_a_damaged_one_is_passed_over() {
    let bench = bench();
    bench.line("train a.toml --out whole --quiet").done();
    let child = start(&bench, "train a.toml --out run");
    let parts = bench.path("run/parts");
    let limit = Instant::now() + Duration::from_secs(60);
    while checkpoints(&parts).len() < 2 {
        assert!(Instant::now() < limit, "no checkpoint was saved");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error: interrupted; the same command again goes on"), "{stderr}");
    let kept = checkpoints(&parts);
    assert_eq!(kept.len(), 2, "{kept:?}");
    let newest = kept.last().unwrap();
    let mut bytes = std::fs::read(newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(newest, bytes).unwrap();
    let resumed = bench.line("train --resume --out run");
    resumed.done();
    let name = newest.file_name().unwrap().to_string_lossy().into_owned();
    let warnings: Vec<&str> = resumed.stderr.lines().filter(|l| l.starts_with("warning: ")).collect();
    assert_eq!(warnings.len(), 1, "{}", resumed.stderr);
    for part in [name.as_str(), "damaged", "the checkpoint before it is used"] {
        assert!(warnings[0].contains(part), "{warnings:?}");
    }
    assert!(members(&bench, "whole") == members(&bench, "run"));
    assert_eq!(log(&bench, "whole"), log(&bench, "run"));
    // A finished run has nothing left to resume.
    let again = bench.line("train --resume --out run");
    again.done();
    assert!(again.stdout.contains("this run is finished"), "{}", again.stdout);
}

#[test]
fn the_run_says_how_long_it_takes_and_what_came_of_it() {
    let bench = bench();
    let run = bench.line("train a.toml --out run --members 2 --samples 4096 --set training.checkpoint=1000");
    run.done();
    // What is run, and, once the first steps are done, what they say about the time.
    let said: Vec<&str> = run.stderr.lines().collect();
    assert!(said.len() == 2 && said[0].starts_with("data: "), "{}", run.stderr);
    assert!(said[1].starts_with("2 members, 300 steps each on flex: about "), "{}", run.stderr);
    assert!(said[1].ends_with("a step)"), "{}", run.stderr);
    for part in ["2 networks of ", "J0 = 0.", "J1 = ", "memorized 0.", "run/members"] {
        assert!(run.stdout.contains(part), "{}", run.stdout);
    }
    let text = std::fs::read_to_string(bench.path("run/training.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((record["model"].as_str(), record["device"].as_str()), (Some("mlp"), Some("flex")));
    let losses: Vec<f64> = log(&bench, "run")[1..]
        .iter()
        .filter(|l| l.starts_with("0,") || l.starts_with("300,"))
        .map(|l| l.split(',').nth(5).unwrap().parse().unwrap())
        .collect();
    assert_eq!(losses.len(), 4);
    // With few triples J0 would rise: the networks would learn their noise.
    assert!(losses[1] < losses[0] && losses[3] < losses[2], "J0 falls: {losses:?}");
    let quiet = bench.line("train a.toml --out quiet --quiet --steps 20 --members 1");
    quiet.done();
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty());
}

#[test]
fn samples_come_from_the_members() {
    let bench = bench();
    for (width, run) in [(520, "wide"), (16, "narrow")] {
        bench.line(&format!("train a.toml --out {run} --steps 30 --width {width} --quiet")).done();
        bench.line(&format!("sample {run} --count 10 --out all.npy")).done();
        bench.line(&format!("sample {run} --count 4 --member 0 --out one.npy")).done();
        let values = |name: &str| -> Vec<f64> {
            let file = std::fs::File::open(bench.path(name)).unwrap();
            let array: ndarray::ArrayD<f64> = ndarray_npy::ReadNpyExt::read_npy(file).unwrap();
            array.iter().copied().collect()
        };
        let (all, one) = (values("all.npy"), values("one.npy"));
        // Ten samples of three members: four, three and three.
        assert_eq!((all.len(), one.len()), (20, 8));
        assert_eq!(all[..8], one[..]);
        assert!(all.iter().all(|x| x.abs() < 5.0) && all[8..14] != all[..6], "{all:?}");
    }
    bench.line("sample wide --count 5 --member 3 --out x.npy").refused(2, &["--member 3", "3 members"]);
    bench.line("sample wide --count 5 --theory paper --out x.npy").refused(2, &["--theory for networks"]);
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_with_its_last_good_checkpoint() {
    let bench = bench();
    let rates = "--set training.rate=3000 --set training.warmup=0 --set model.mlp.parameterisation=ntk";
    let sgd = "[training]\noptimizer = \"sgd\"\nsteps = 500\nbatch = 32\ncheckpoint = 1\nmomentum = 0.99\n";
    let text = SMALL.split("[training]").next().unwrap().to_owned() + sgd;
    bench.file("sgd.toml", text);
    let run = bench.line(&format!("train sgd.toml --out run --members 2 {rates}"));
    run.refused(
        1,
        &[
            "member 0",
            "the loss is ",
            "at step ",
            "lower training.rate",
            "last good checkpoint is run/parts/",
        ],
    );
    assert_eq!(checkpoints(&bench.path("run/parts")).len(), 2);
    assert!(!bench.path("run/members").exists() && !bench.path("run/training.json").exists());
    assert!(log(&bench, "run").len() >= 2);
}

#[test]
fn devices_are_listed_and_wrong_ones_refused() {
    let bench = bench();
    let list = bench.line("devices");
    list.done();
    let lines: Vec<&str> = list.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", list.stdout);
    for (line, backend) in lines[1..].iter().zip(Backend::ALL) {
        assert!(line.starts_with(backend.name()), "{line}");
        let word = if backend.compiled() { " yes " } else { "--features" };
        assert!(line.contains(word), "{line}");
    }
    let unknown = bench.line("train a.toml --out run --device tpu");
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("possible values: flex, ndarray, wgpu, cuda"), "{}", unknown.stderr);
    for backend in Backend::ALL {
        let run = || bench.line(&format!("train a.toml --out run --device {}", backend.name()));
        match backend.availability() {
            Availability::NotCompiled => {
                run().refused(2, &["--device ", &format!("--features {}", backend.name())]);
            }
            Availability::NoDevice(_) => run().refused(1, &[&format!("device {}: ", backend.name())]),
            Availability::Ready(_) => {}
        }
    }
    assert!(!bench.path("run").exists());
}

#[test]
fn settings_that_cannot_be_trained_are_refused_before_work() {
    let bench = bench();
    let line = |more: &str| bench.line(&format!("train a.toml --out run {more}"));
    line("--width 1000000 --depth 2").refused(2, &["of memory", "model.mlp.width"]);
    line("--width 0").refused(2, &["--width 0", "model.mlp.width"]);
    line("--steps 0").refused(2, &["--steps 0", "training.steps"]);
    line("--model linear")
        .refused(2, &["a.toml:", "belongs to model.kind = \"mlp\"", "has model.kind = \"linear\""]);
    bench.line("train --width 64 --out run").refused(2, &["--width 64", "model.mlp.width", "\"linear\""]);
    bench
        .line("train --device flex --out run")
        .refused(2, &["--device flex", "training.device", "\"linear\""]);
    assert!(!bench.path("run").exists());
}

/// Error bars of one network: a report and the spread of its retrainings from its run alone; what is missing is named.
#[test]
fn bands_of_one_network_need_no_ensemble() {
    let bench = bench();
    let small = "[model]\nkind = \"mlp\"\nsamples = 128\n[model.mlp]\nwidth = 16\ndepth = 1\n[training]\nsteps = 120\nbatch = 32\n\
                 [ensemble]\nmembers = 2\n[sampling]\nsteps = 20\npaths = 400\nlookup = \"grid\"\ngrid_points = 100\n[theory]\nmodels = 20\n\
                 paths = 400\n[compare]\nbootstrap = 20\n";
    bench.file("b.toml", small);
    bench.line("train b.toml --out run --quiet").done();
    bench.line("bands run --member 1").done();
    let summary = std::fs::read(bench.path("run/bands-00001/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    let spread = &summary["levels"]["theory_one-run"]["spread"];
    assert!(spread["from_average"].as_f64().unwrap() > 0.0, "{spread}");
    assert!(
        spread["mass_near"].as_array().unwrap().iter().all(|m| (0.0..0.5).contains(&m.as_f64().unwrap()))
    );
    let one_run = &summary["one_run"];
    let share = |name: &str| one_run[name].as_f64().unwrap();
    assert!(share("data") > 0.0 && share("batches") >= 0.0 && share("initial") > 0.0, "{one_run}");
    assert_eq!(one_run["least_certain"].as_array().unwrap().len(), 8);
    let report = std::fs::read_to_string(bench.path("run/bands-00001/report.html")).unwrap();
    assert!(report.contains("Error bars from one run") && report.contains("id=\"retraining\""));
    // The same command again, and `report`, end with the same numbers.
    bench.line("bands run --member 1 --quiet").done();
    // What the run's config says of other closures is no obstacle.
    let config = std::fs::read_to_string(bench.path("run/config.toml")).unwrap();
    let other = "[theory]\nbase = \"leading\"\ncorrelation_time = 0.2";
    bench.file("run/config.toml", config.replace("[theory]", other));
    bench.line("bands run --member 1 --quiet").done();
    // Directions that are too few, and batches of more than all triples, are told with their numbers.
    let few = bench.line("bands run --member 1 --out few --quiet --set theory.directions=3");
    few.done();
    let share = |folder: &str, name: &str| {
        let summary = std::fs::read(bench.path(&format!("{folder}/summary.json"))).unwrap();
        let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
        summary["one_run"][name].as_f64().unwrap()
    };
    let missed = format!("miss {:.1} % of", 100.0 * share("few", "missed"));
    assert!(few.stderr.contains("the 3 directions") && few.stderr.contains(&missed), "{}", few.stderr);
    // Training does not mind how many networks a comparison would ask for.
    let steps = "--set training.batch=200 --set training.optimizer=sgd --set training.rate=0.02";
    let many = "--set theory.kernel=trained --set theory.anchors=2";
    bench.line(&format!("train b.toml --out whole --members 1 --quiet {steps} {many}")).done();
    let whole = bench.line("bands whole --quiet");
    whole.done();
    let said = "training.batch = 200 is more than model.samples = 128";
    assert!(whole.stderr.contains(said), "{}", whole.stderr);
    let [batches, data] = ["batches", "data"].map(|name| share("whole/bands-00000", name));
    // Zero but for the rounding of two equal sums.
    assert!(batches.abs() < 1e-12 * data, "{batches} {data}");
    // A network that has diverged: its numbers are none, or it is where its own steps would not have left it.
    let network = bench.path("run/members/member-00000.safetensors");
    let sound = std::fs::read(&network).unwrap();
    let start = 8 + u64::from_le_bytes(sound[..8].try_into().unwrap()) as usize;
    for (factor, parts) in
        [(f32::NAN, &["member 0", "holds NaN", "train again"][..]), (1e6, &["too long", "training.rate"])]
    {
        let mut bytes = sound.clone();
        for value in bytes[start..].chunks_exact_mut(4) {
            let other = factor * f32::from_le_bytes((&*value).try_into().unwrap());
            value.copy_from_slice(&other.to_le_bytes());
        }
        std::fs::write(&network, bytes).unwrap();
        bench.line("bands run --quiet").refused(2, parts);
    }
    std::fs::write(&network, sound).unwrap();
    bench.line("bands run --member 5").refused(2, &["--member", "2 members"]);
    bench.line("bands nowhere").refused(2, &["nowhere", "no trained members"]);
    let compare = "compare b.toml --out c --quiet --set theory.kernel=trained";
    bench.line(&format!("{compare} --set training.clip=1")).refused(2, &["training.clip", "filter"]);
    bench.line(&format!("{compare} --set theory.closures=[\"leading\"]")).refused(2, &["leading", "one-run"]);
    bench.line(&format!("{compare} --set theory.anchors=3")).refused(2, &["theory.anchors", "2"]);
    std::fs::remove_file(bench.path("run/members/optimizer-00000.safetensors")).unwrap();
    bench.line("bands run").refused(2, &["optimizer-*.safetensors", "train again"]);
}
