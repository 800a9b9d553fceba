//! Files and configs that nobody writes on purpose: no panic, no allocation beyond what the bytes that are there can need, no long
//! work before a refusal.
//!
//! Each reader is given mutations of whole files for as long as GTV_FUZZ_SECONDS says (2 s where it says nothing), with
//! the same cases every time. A case that fails is printed with its bytes by proptest.

use gtv_cli::config::{Change, Loaded};
use gtv_cli::context::Context;
use gtv_cli::io::{Compression, Named, read_array, write_npz};
use gtv_cli::memory::Budget;
use gtv_cli::record::{Arrays, Record, Saved};
use gtv_cli::run_dir::{Fingerprint, PartStore, RunDir};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One test at a time, or the peaks of all would be each one's.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes that a reader may take whatever the file: buffers, the parser's tables, messages.
const AT_LEAST: usize = 4 << 20;
/// Longest time of one case; a hundred times what the slowest takes.
const LONGEST: Duration = Duration::from_secs(10);

/// Runs cases until the time is up, and holds each to `per_byte` bytes of memory for each of its own.
fn hunt<S: Strategy>(
    strategy: &S,
    per_byte: usize,
    size: impl Fn(&S::Value) -> usize,
    case: impl Fn(&S::Value) -> Result<(), TestCaseError>,
) {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let seconds = std::env::var("GTV_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(2);
    let end = Instant::now() + Duration::from_secs(seconds);
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let mut runner =
        TestRunner::new_with_rng(config.clone(), TestRng::deterministic_rng(config.rng_algorithm));
    while Instant::now() < end {
        let outcome = runner.run(strategy, |value| {
            let allowed = AT_LEAST + per_byte * size(&value);
            MEMORY.reset_peak_usage();
            let before = MEMORY.current_usage();
            let started = Instant::now();
            case(&value)?;
            let (taken, spent) = (MEMORY.peak_usage().saturating_sub(before), started.elapsed());
            prop_assert!(taken <= allowed, "{taken} bytes were taken, {allowed} allowed");
            prop_assert!(spent <= LONGEST, "{spent:?}");
            Ok(())
        });
        outcome.unwrap_or_else(|e| panic!("{e}"));
    }
}

/// One change to a file.
#[derive(Debug, Clone)]
enum Blow {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Remove(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Double(prop::sample::Index, usize),
}

fn blows() -> impl Strategy<Value = Vec<Blow>> {
    let index = any::<prop::sample::Index>;
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..9),
        prop::sample::select(vec![
            &b"99999999999999999999"[..],
            b"1e308",
            b"-1",
            b"\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\n",
            b"\"",
            b"((((((((((((((((",
            b"[[[[[[[[[[[[[[[[",
            b"nan",
            b"#",
        ])
        .prop_map(<[u8]>::to_vec),
    ];
    let blow = prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, by)| Blow::Flip(at, by)),
        index().prop_map(Blow::Cut),
        (index(), 1usize..64).prop_map(|(at, n)| Blow::Remove(at, n)),
        (index(), bytes).prop_map(|(at, what)| Blow::Insert(at, what)),
        (index(), 1usize..200).prop_map(|(at, n)| Blow::Double(at, n)),
    ];
    prop::collection::vec(blow, 0..5)
}

fn struck(whole: &[u8], blows: &[Blow]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for blow in blows {
        if bytes.is_empty() {
            break;
        }
        let len = bytes.len();
        match blow {
            Blow::Flip(at, by) => bytes[at.index(len)] ^= by,
            Blow::Cut(at) => bytes.truncate(at.index(len)),
            Blow::Remove(at, n) => {
                let at = at.index(len);
                bytes.drain(at..(at + n).min(len));
            }
            Blow::Insert(at, what) => {
                let at = at.index(len);
                bytes.splice(at..at, what.iter().copied());
            }
            Blow::Double(at, n) => {
                let at = at.index(len);
                let piece = bytes[at..(at + n).min(len)].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// Mutations of one of several whole files.
fn struck_files(whole: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(whole), blows()).prop_map(|(whole, blows)| struck(&whole, &blows))
}

fn one_line(message: &str) -> Result<(), TestCaseError> {
    prop_assert!(!message.contains('\n'), "{message:?} has more than one line");
    prop_assert!(message.len() < 3000, "a message of {} bytes", message.len());
    Ok(())
}

/// Reads a file of these bytes as an array.
fn as_array(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    for key in [None, Some("x")] {
        // Half a gigabyte, so that an allocation that the file asks for is not stopped by the machine's limit.
        match read_array(&path, key, &Budget::new(Some(1 << 29))) {
            Ok(array) => {
                prop_assert!(!array.values.is_empty() && array.values.iter().all(|v| v.is_finite()));
                prop_assert_eq!(array.shape.iter().product::<usize>(), array.values.len());
            }
            Err(error) => one_line(&error.to_string())?,
        }
    }
    Ok(())
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), data].concat()
}

#[test]
fn npy_files() {
    let folder = tempfile::tempdir().unwrap();
    let files = vec![
        npy("'<f8'", "(5, 2)", &[1; 80]),
        npy("'>i2'", "(3,)", &[2; 6]),
        npy("'|u1'", "(2, 3, 4)", &[3; 24]),
        npy("[('x', '<f8')]", "(3,)", &[1; 24]),
    ];
    // A byte becomes 8, and once more as many while a list grows or is transposed.
    hunt(&struck_files(files), 24, Vec::len, |bytes| as_array(folder.path(), "a.npy", bytes));
}

#[test]
fn npz_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.npz");
    let values: Vec<f64> = (0..400).map(|i| f64::from(i % 7)).collect();
    let mut files = Vec::new();
    for compression in [Compression::Stored, Compression::Deflate] {
        for names in [&["x"][..], &["x", "a/b"]] {
            let named: Vec<Named> =
                names.iter().map(|name| Named { name, shape: &[200, 2], values: &values }).collect();
            write_npz(&path, &named, compression).unwrap();
            files.push(std::fs::read(&path).unwrap());
        }
    }
    // Deflate makes at most 1032 bytes of one.
    hunt(&struck_files(files), 24 * 1032, Vec::len, |bytes| as_array(folder.path(), "a.npz", bytes));
}

#[test]
fn csv_files() {
    let folder = tempfile::tempdir().unwrap();
    let files = vec![
        b"x,y\n1,2\n3,4.5e-3\n".to_vec(),
        b"# a comment\n-1\n\n0\n1\n".to_vec(),
        b"\"a \"\"b\"\"\",\"c\"\r\n\"1\",\"2\"\r\n".to_vec(),
        "1,2\n".repeat(200).into_bytes(),
    ];
    hunt(&struck_files(files), 64, Vec::len, |bytes| as_array(folder.path(), "a.csv", bytes));
}

#[test]
fn parts() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = Context::silent();
    let run = RunDir::create(folder.path(), "", &ctx).unwrap();
    let store = PartStore::open(&run, Fingerprint::new("", &[]), &ctx).unwrap();
    store.save_with("a", 3, |sink| sink.write_all(&[1, 2, 3])).unwrap();
    let whole = std::fs::read(store.path("a")).unwrap();
    hunt(&struck_files(vec![whole.clone()]), 16, Vec::len, |bytes| {
        std::fs::write(store.path("a"), bytes).unwrap();
        // The checksum covers every byte.
        prop_assert_eq!(store.load_bytes("a").is_ok(), *bytes == whole);
        Ok(())
    });
}

#[test]
fn records() {
    let folder = tempfile::tempdir().unwrap();
    let mut arrays = Arrays::default();
    arrays.insert("x_edges", (0..40).map(f64::from).collect());
    arrays.insert_shaped("ensemble_density", &[13, 3], vec![f64::NAN; 39]).unwrap();
    let saved = Saved { record: Record::default(), arrays, config_toml: "seed = 0\n".to_owned() };
    saved.write(folder.path()).unwrap();
    std::fs::write(folder.path().join("config.toml"), &saved.config_toml).unwrap();
    assert!(Saved::read(folder.path()).is_ok());
    let names = ["summary.json", "arrays.npz", "config.toml"];
    let whole: Vec<Vec<u8>> = names.iter().map(|n| std::fs::read(folder.path().join(n)).unwrap()).collect();
    let size = |(_, blows): &(usize, Vec<Blow>)| 10_000 + 300 * blows.len();
    hunt(&(0..names.len(), blows()), 24 * 1032, size, |(which, blows)| {
        std::fs::write(folder.path().join(names[*which]), struck(&whole[*which], blows)).unwrap();
        let read = Saved::read(folder.path());
        std::fs::write(folder.path().join(names[*which]), &whole[*which]).unwrap();
        match read {
            Ok(_) => {}
            Err(error) => one_line(&format!("{error:#}"))?,
        }
        Ok(())
    });
}

/// Configs of every family, each key spelled out.
fn whole_configs() -> Vec<String> {
    let small = "[ensemble]\nmembers = 2\n[model]\nsamples = 8\n[theory]\nmodels = 2\npaths = 4\n[sampling]\npaths = 4\n";
    let more = [
        "",
        "data.kind = \"square\"\nmodel.kind = \"lazy\"\nmodel.lazy.activation = \"erf\"\n",
        "model.kind = \"mlp\"\nmodel.mlp.width = 4\ntraining.steps = 2\n",
        "model.features.kind = \"polynomial\"\nschedule.kind = \"edm\"\nsampling.lookup = \"grid\"\n",
        "model.features.kind = \"random-fourier\"\nsampling.integrator = \"dopri5\"\ntheory.closures = [\"naive\"]\n",
    ];
    let resolved = |more: &str| {
        let changes: Vec<Change> = more.lines().map(|line| Change::set(line).unwrap()).collect();
        Loaded::parse(small, None, &changes).unwrap().to_toml()
    };
    more.map(resolved).to_vec()
}

/// Memory that a config may ask for, where it says nothing.
const BUDGET: u64 = 1 << 26;

/// Parses a config and builds everything that it describes.
fn as_config(text: &str, changes: &[Change]) -> Result<(), TestCaseError> {
    let mut ctx = Context::silent();
    ctx.memory = Budget::new(Some(BUDGET));
    match Loaded::parse(text, Some(Path::new("a.toml")), changes) {
        Ok(loaded) => {
            if let Err(error) = loaded.build(&ctx) {
                one_line(&format!("{error:#}"))?;
            }
        }
        Err(error) => one_line(&error.to_string())?,
    }
    Ok(())
}

#[test]
fn config_texts() {
    let files: Vec<Vec<u8>> = whole_configs().into_iter().map(String::into_bytes).collect();
    let files = struck_files(files).prop_filter_map("UTF-8", |bytes| String::from_utf8(bytes).ok());
    hunt(&files, 1, |_| 2 * BUDGET as usize, |text| as_config(text, &[]));
}

/// The keys of a config, dotted.
fn keys(table: &toml::Table, prefix: &str, all: &mut Vec<String>) {
    for (key, value) in table {
        let dotted = format!("{prefix}{key}");
        match value {
            toml::Value::Table(inner) => keys(inner, &format!("{dotted}."), all),
            _ => all.push(dotted),
        }
    }
}

#[test]
fn numbers_near_the_limits_of_their_types() {
    let mut settings = Vec::new();
    for text in whole_configs() {
        let mut all = Vec::new();
        keys(&text.parse().unwrap(), "", &mut all);
        settings.extend(all.into_iter().map(|key| (text.clone(), key)));
    }
    let numbers = [
        "0",
        "1",
        "2",
        "-1",
        "3",
        "10",
        "255",
        "1000",
        "65536",
        "100000000",
        "2147483647",
        "2147483648",
        "4294967295",
        "4294967296",
        "9007199254740993",
        "1000000000000000000",
        "9223372036854775807",
        "-9223372036854775808",
        "0.0",
        "-0.0",
        "5e-324",
        "1e-320",
        "2.2e-308",
        "1e-300",
        "1e-160",
        "1e-60",
        "1e-45",
        "1e-38",
        "1e-16",
        "1e-9",
        "1e-3",
        "0.5",
        "0.9999999999999999",
        "1.0000000000000002",
        "1e9",
        "1e16",
        "1e20",
        "1e38",
        "3.5e38",
        "1e150",
        "1e160",
        "1e308",
        "1.7976931348623157e308",
        "-1e308",
        "inf",
        "-inf",
        "nan",
    ];
    let value = prop_oneof![
        4 => prop::sample::select(numbers.to_vec()).prop_map(str::to_owned),
        1 => any::<f64>().prop_map(|v| format!("{v:?}")),
        1 => any::<i64>().prop_map(|v| v.to_string()),
        1 => prop::collection::vec(prop::sample::select(numbers.to_vec()), 2).prop_map(|v| format!("[{}]", v.join(", "))),
    ];
    let strategy = prop::collection::vec((any::<prop::sample::Index>(), value), 1..3);
    hunt(
        &strategy,
        1,
        |_| 2 * BUDGET as usize,
        |changes| {
            let (text, _) = changes[0].0.get(&settings);
            let changes: Vec<Change> = changes
                .iter()
                .map(|(key, value)| Change::set(&format!("{}={value}", key.get(&settings).1)).unwrap())
                .collect();
            as_config(text, &changes)
        },
    );
}
