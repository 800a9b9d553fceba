//! `gtv-cli score`: golden values, the forms of input, and everything that is refused.

use gtv_tests::Bench;
use ndarray::{ArrayD, Axis};
use ndarray_npy::{NpzReader, NpzWriter};
use std::fs::File;
use std::path::{Path, PathBuf};

fn bench() -> Bench {
    Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"))
}

fn golden() -> NpzReader<File> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/score.npz");
    NpzReader::new(File::open(path).unwrap()).unwrap()
}

fn array(npz: &mut NpzReader<File>, name: &str) -> ArrayD<f64> {
    npz.by_name(name).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn output(path: &Path) -> NpzReader<File> {
    NpzReader::new(File::open(path).unwrap()).unwrap()
}

/// A command line for `p.npy` and `q.npy`.
fn line(more: &str) -> String {
    format!("score --data p.npy --at q.npy --schedule vp-linear --time 0.1 --out o.npz {more}")
}

#[test]
fn golden_score_npz() {
    // Direct summation in 80-bit floats (golden/README.md).
    let mut golden = golden();
    for case in ["three", "poly6", "cloud5d"] {
        let bench = bench();
        for (name, key) in [("p.npy", "points"), ("q.npy", "queries")] {
            let values = array(&mut golden, &format!("{case}/{key}"));
            bench.npy(name, values.shape(), values.as_slice().unwrap());
        }
        for time in ["0.0001", "0.01", "0.1", "0.5", "1"] {
            let command = format!(
                "score --data p.npy --at q.npy --schedule vp-linear --param beta_min=0.1 --param beta_d=19.9 --time {time} --out o.npz"
            );
            bench.line(&command).done();
            let mut found = output(&bench.path("o.npz"));
            let mut names = found.names().unwrap();
            names.sort();
            assert_eq!(names, ["log_density", "posterior_mean", "proxy_score_cov", "score"]);
            let tolerance = if time == "0.0001" { 1e-8 } else { 1e-9 };
            for name in names {
                let want = array(&mut golden, &format!("{case}/t{time}/{name}"));
                let got = array(&mut found, &name);
                assert_eq!(got.shape(), want.shape(), "{case} {time} {name}");
                let scale = want.iter().fold(0.0f64, |a, v| a.max(v.abs()));
                for (got, want) in got.iter().zip(&want) {
                    // Relative to each value, or to rounding of the largest where terms cancel.
                    let allowed = (tolerance * want.abs()).max(1e-13 * scale);
                    assert!((got - want).abs() <= allowed, "{case} {time} {name}: {got} {want}");
                }
            }
        }
    }
}

#[test]
fn identities_trace_and_none_agree_with_full() {
    let bench = bench().with_line();
    bench.line(&line("")).done();
    let full = array(&mut output(&bench.path("o.npz")), "proxy_score_cov");
    bench.line(&line("--cov trace")).done();
    let mut traced = output(&bench.path("o.npz"));
    let trace = array(&mut traced, "proxy_score_cov_trace");
    // Two orders of summation of the same terms.
    let near = |a: &ArrayD<f64>, b: &ArrayD<f64>| {
        let scale = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-14 * scale), "{a} {b}");
    };
    near(&full.index_axis(Axis(2), 0).index_axis(Axis(1), 0).to_owned(), &trace);
    let score = array(&mut traced, "score");
    bench.line(&line("--cov none")).done();
    let mut bare = output(&bench.path("o.npz"));
    assert_eq!(bare.names().unwrap().len(), 3);
    near(&array(&mut bare, "score"), &score);
}

#[test]
fn identities_every_format_and_type_gives_the_same_bytes() {
    let bench = bench().with_line();
    bench.line(&line("")).done();
    let want = std::fs::read(bench.path("o.npz")).unwrap();
    bench.file("p.csv", "x\n-1\n0\n1\n");
    bench.file("q.csv", "# queries\n-1.2\n-0.5\n0\n0.3\n2\n");
    // The same points as bytes, in two dimensions, in Fortran order and big-endian.
    let header = |descr: &str, fortran: &str, shape: &str| {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
        let pad = 64 - (10 + text.len() + 1) % 64;
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(((text.len() + pad + 1) as u16).to_le_bytes());
        bytes.extend(text.bytes());
        bytes.extend(std::iter::repeat_n(b' ', pad));
        bytes.push(b'\n');
        bytes
    };
    let big: Vec<u8> = [-1.0f64, 0.0, 1.0].iter().flat_map(|v| v.to_be_bytes()).collect();
    bench.file("big.npy", [header(">f8", "True", "(3, 1)"), big].concat());
    bench.file("i1.npy", [header("|i1", "False", "(3,)"), vec![255, 0, 1]].concat());
    let wide: Vec<u8> = [-1i64, 0, 1].iter().flat_map(|v| v.to_le_bytes()).collect();
    bench.file("i8.npy", [header("<i8", "False", "(3,)"), wide].concat());
    let mut npz = NpzWriter::new_compressed(File::create(bench.path("many.npz")).unwrap());
    npz.add_array("a", &ndarray::arr1(&[-1.0f32, 0.0, 1.0])).unwrap();
    npz.add_array("b", &ndarray::arr1(&[9.0])).unwrap();
    npz.finish().unwrap();
    for data in ["p.csv", "big.npy", "i1.npy", "i8.npy", "many.npz:a"] {
        for at in ["q.npy", "q.csv"] {
            let command = format!(
                "score --data {data} --at {at} --schedule vp-linear --time 0.1 --out o.npz --threads 1"
            );
            bench.line(&command).done();
            assert!(std::fs::read(bench.path("o.npz")).unwrap() == want, "{data} {at}");
        }
    }
}

#[test]
fn oracle_f32_is_near_f64() {
    let bench = bench().with_line();
    bench.line(&line("--precision f64")).done();
    let mut exact = output(&bench.path("o.npz"));
    bench.line(&line("--precision f32")).done();
    let mut fast = output(&bench.path("o.npz"));
    // The library states 3e-4 nats.
    let (a, b) = (array(&mut exact, "log_density"), array(&mut fast, "log_density"));
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 3e-4), "{a} {b}");
    assert_eq!(array(&mut exact, "proxy_score_cov").shape(), array(&mut fast, "proxy_score_cov").shape());
}

#[test]
fn an_array_file_of_another_kind_is_not_written() {
    let bench = bench().with_line();
    for out in ["o.npy", "o.csv"] {
        bench
            .line(&format!("score --data p.npy --at q.npy --schedule edm --time 1 --out {out}"))
            .refused(2, &[out, ".npz"]);
    }
}

#[test]
fn weights_enter_as_multiplicities() {
    let bench = bench().with_line();
    bench.npy("w.npy", &[3], &[0.25, 0.25, 0.5]);
    bench.line(&line("--weights w.npy")).done();
    let mean = array(&mut output(&bench.path("o.npz")), "posterior_mean");
    // The heaviest point is +1; by the symmetry of the points the unweighted mean at x = 0 is 0.
    assert!(mean[[2, 0]] > 1e-3, "{mean}");
    bench.npy("even.npy", &[3, 1], &[1.0 / 3.0; 3]);
    bench.line(&line("--weights even.npy")).done();
    let even = array(&mut output(&bench.path("o.npz")), "posterior_mean");
    bench.line(&line("")).done();
    let plain = array(&mut output(&bench.path("o.npz")), "posterior_mean");
    assert_eq!(even, plain);
}

#[test]
fn files_that_are_missing_or_malformed_are_refused() {
    let bench = bench().with_line();
    let whole = std::fs::read(bench.path("p.npy")).unwrap();
    bench.file("empty.npy", b"");
    bench.file("short.npy", &whole[..whole.len() - 3]);
    bench.file("header.npy", &whole[..20]);
    bench.file("text.npy", "1,2,3\n");
    let huge = String::from_utf8_lossy(&whole[..128]).replace("(3,)", "(999999999999999999,)");
    let mut lying = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    lying.extend(b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999, 99999999999), }");
    lying.resize(127, b' ');
    lying.push(b'\n');
    bench.file("lying.npy", &lying);
    bench.file("overlong.npy", huge);
    let complex = String::from_utf8_lossy(&whole[10..128]).replace("<f8", "<c8");
    bench.file("complex.npy", [&whole[..10], complex.as_bytes(), &whole[128..]].concat());
    bench.npy("none.npy", &[0, 2], &[]);
    bench.npy("number.npy", &[], &[1.0]);
    bench.file("notzip.npz", "PK not a zip");
    bench.file("p.txt", "1\n2\n");
    bench.file("binary.csv", [0xff, 0xfe, 0x00, 0x01]);
    bench.file("word.csv", "x,y\n1,2\n3,four\n");
    bench.file("ragged.csv", "1,2\n3\n");
    bench.file("gap.csv", "1,2\n3,\n");
    bench.file("headeronly.csv", "x,y\n");
    bench.file("blank.csv", "");
    bench.file("half.csv", "1,b\n2,3\n");
    std::fs::create_dir(bench.path("folder.npy")).unwrap();
    for (data, parts) in [
        ("absent.npy", &["absent.npy", "no such file"][..]),
        ("folder.npy", &["folder.npy", "folder"]),
        ("empty.npy", &["empty.npy", "empty"]),
        ("short.npy", &["short.npy", "shape [3]", "21 bytes", "truncated"]),
        ("header.npy", &["header.npy", "npy"]),
        ("text.npy", &["text.npy", "npy", "numpy.save"]),
        ("lying.npy", &["lying.npy", "99999999999999", "truncated"]),
        ("overlong.npy", &["overlong.npy"]),
        ("complex.npy", &["complex.npy", "<c8", "astype"]),
        ("none.npy", &["none.npy", "empty", "[0, 2]"]),
        ("number.npy", &["number.npy", "shape []", "at least one axis"]),
        ("notzip.npz", &["notzip.npz", "npz"]),
        ("absent.npz:x", &["absent.npz", "no such file"]),
        ("p.txt", &["p.txt", ".npy, .npz or .csv"]),
        ("binary.csv", &["binary.csv", "zero bytes"]),
        ("word.csv", &["word.csv", "line 3, column 2", "\"four\""]),
        ("ragged.csv", &["ragged.csv", "line 2 has 1", "2"]),
        ("gap.csv", &["gap.csv", "line 2, column 2", "\"\""]),
        ("headeronly.csv", &["headeronly.csv", "empty"]),
        ("blank.csv", &["blank.csv", "empty"]),
        ("half.csv", &["half.csv", "line 1, column 2", "\"b\""]),
    ] {
        let before = bench.listing();
        let run =
            bench.line(&format!("score --data {data} --at q.npy --schedule edm --time 0.1 --out o.npz"));
        run.refused(2, parts);
        assert_eq!(bench.listing(), before, "{data} left something behind");
        // The same file as queries.
        bench
            .line(&format!("score --data p.npy --at {data} --schedule edm --time 0.1 --out o.npz"))
            .refused(2, &parts[..1]);
    }
}

#[test]
fn damaged_archives_are_refused() {
    let bench = bench().with_line();
    let mut npz = NpzWriter::new_compressed(File::create(bench.path("p.npz")).unwrap());
    let values: Vec<f64> = (0..2000).map(|i| (f64::from(i) * 0.7).sin()).collect();
    npz.add_array("a", &ndarray::Array1::from(values)).unwrap();
    npz.finish().unwrap();
    bench.line("score --data p.npz --at q.npy --schedule edm --time 0.1 --out o.npz").done();
    let whole = std::fs::read(bench.path("p.npz")).unwrap();
    for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
        bench.file("cut.npz", &whole[..cut]);
        bench
            .line("score --data cut.npz --at q.npy --schedule edm --time 0.1 --out o.npz")
            .refused(2, &["cut.npz"]);
    }
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x10;
    bench.file("bits.npz", &flipped);
    bench
        .line("score --data bits.npz --at q.npy --schedule edm --time 0.1 --out o.npz")
        .refused(2, &["bits.npz"]);
    bench
        .line("score --data p.npz:b --at q.npy --schedule edm --time 0.1 --out o.npz")
        .refused(2, &["p.npz", "\"b\"", "it holds a"]);
}

#[test]
fn values_that_make_no_data_set_are_refused() {
    let bench = bench().with_line();
    bench.npy("nan.npy", &[2, 2], &[0.0, 1.0, 2.0, f64::NAN]);
    bench.npy("inf.npy", &[2], &[f64::NEG_INFINITY, 0.0]);
    bench.file("nan.csv", "1\nnan\n");
    bench.npy("twice.npy", &[4], &[-1.0, 0.0, 1.0, 0.0]);
    bench.npy("plane.npy", &[3, 2], &[0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    for (data, parts) in [
        ("nan.npy", &["nan.npy", "NaN", "[1, 1]"][..]),
        ("inf.npy", &["inf.npy", "-inf", "[0]"]),
        ("nan.csv", &["nan.csv", "NaN"]),
        ("twice.npy", &["twice.npy", "points 1 and 3", "merge"]),
        ("plane.npy", &["q.npy", "shape [5]", "(queries, 2)", "plane.npy"]),
    ] {
        bench
            .line(&format!("score --data {data} --at q.npy --schedule edm --time 0.1 --out o.npz"))
            .refused(2, parts);
    }
    for (weights, parts) in [
        (&[0.5, 0.7, -0.2][..], &["w.npy", "weight 2 is -0.2", "at least 0"][..]),
        (&[0.5, 0.5, 0.5], &["w.npy", "sum to 1.5", "divide"]),
        (&[0.0, 0.0, 0.0], &["w.npy", "sum to 0"]),
        (&[0.5, 0.5], &["w.npy", "shape [2]", "(3)"]),
        (&[f64::NAN, 0.5, 0.5], &["w.npy", "NaN"]),
    ] {
        bench.npy("w.npy", &[weights.len()], weights);
        bench.line(&line("--weights w.npy")).refused(2, parts);
    }
    assert!(!bench.path("o.npz").exists());
}

#[test]
fn times_without_a_score_are_refused() {
    let bench = bench().with_line();
    for (schedule, time) in [
        ("vp-linear", "0"),
        ("vp-linear", "-0.5"),
        ("vp-linear", "1.01"),
        ("vp-linear", "nan"),
        ("vp-linear", "inf"),
        ("flow", "2"),
        ("sqrt", "1.5"),
        ("edm", "0"),
        ("edm", "inf"),
        ("edm", "1e-300"),
    ] {
        bench
            .line(&format!("score --data p.npy --at q.npy --schedule {schedule} --time {time} --out o.npz"))
            .refused(2, &["--time"]);
    }
    for (schedule, time) in
        [("vp-linear", "1"), ("edm", "80"), ("flow", "1"), ("vp-cosine", "0.3"), ("ve", "1")]
    {
        bench
            .line(&format!("score --data p.npy --at q.npy --schedule {schedule} --time {time} --out o.npz"))
            .done();
    }
}

#[test]
fn sizes_beyond_memory_are_refused_with_an_estimate() {
    let bench = bench();
    let wide: Vec<f64> = (0..2 * 1000).map(f64::from).collect();
    bench.npy("p.npy", &[2, 1000], &wide);
    bench.npy("q.npy", &[2, 1000], &wide);
    let estimate = &["of memory", "Q x (3 D", "--memory-limit is 10.0 MiB", "--cov trace"];
    bench.line(&line("--memory-limit 10MiB")).refused(2, estimate);
    bench.line(&line("--memory-limit 10MiB --cov trace")).done();
}
