//! `gtv-cli ntk`: golden values, and everything that is refused.

use gtv_tests::Bench;
use ndarray::ArrayD;
use ndarray_npy::NpzReader;
use std::fs::File;
use std::path::{Path, PathBuf};

fn bench() -> Bench {
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"));
    let mut golden = golden();
    for name in ["a", "b"] {
        let values = array(&mut golden, name);
        bench.npy(&format!("{name}.npy"), values.shape(), values.as_slice().unwrap());
    }
    bench
}

fn golden() -> NpzReader<File> {
    open(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/ntk.npz"))
}

fn open(path: &Path) -> NpzReader<File> {
    NpzReader::new(File::open(path).unwrap()).unwrap()
}

fn array(npz: &mut NpzReader<File>, name: &str) -> ArrayD<f64> {
    npz.by_name(name).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A command line for `a.npy`.
fn line(more: &str) -> String {
    format!("ntk --a a.npy --activation relu --depth 1 --weight-var 2 --bias-var 0.01 --out k.npz {more}")
}

#[test]
fn golden_ntk_npz() {
    // neural-tangents in float64 (golden/README.md).
    let (bench, mut golden) = (bench(), golden());
    for case in ["relu_1_2_0.01", "relu_2_2_0.01", "relu_3_2_0.01", "erf_1_2.25_0.01", "erf_2_2.25_0.01"] {
        let [activation, depth, weight_var, bias_var] = case.split('_').collect::<Vec<_>>()[..] else {
            unreachable!("four parts")
        };
        bench
            .line(&format!(
                "ntk --a a.npy --b b.npy --activation {activation} --depth {depth} --weight-var {weight_var} \
                 --bias-var {bias_var} --out k.npz"
            ))
            .done();
        let mut found = open(&bench.path("k.npz"));
        let mut names = found.names().unwrap();
        names.sort();
        assert_eq!(names, ["nngp", "ntk"]);
        for name in names {
            let key = format!("{activation}_depth{depth}_w{weight_var}_b{bias_var}/{name}");
            let (want, got) = (array(&mut golden, &key), array(&mut found, &name));
            assert_eq!(got.shape(), want.shape(), "{key}");
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() <= 1e-6 * want.abs(), "{key}: {got} {want}");
            }
        }
    }
}

#[test]
fn identities_one_set_alone_is_the_symmetric_kernel() {
    let bench = bench();
    bench.line(&line("")).done();
    let mut one = open(&bench.path("k.npz"));
    bench.line(&line("--b a.npy")).done();
    let mut two = open(&bench.path("k.npz"));
    for name in ["nngp", "ntk"] {
        let (one, two) = (array(&mut one, name), array(&mut two, name));
        assert_eq!(one.shape(), [12, 12]);
        assert!((0..12).all(|i| (0..12).all(|j| one[[i, j]] == one[[j, i]])), "{name}");
        assert!(one.iter().zip(&two).all(|(a, b)| (a - b).abs() <= 1e-13 * b.abs()), "{name}");
    }
    // No hidden layer: the inputs' own product over their number.
    bench.line("ntk --a a.npy --activation erf --depth 0 --weight-var 2 --bias-var 0 --out k.npz").done();
    let (kernel, a) = (array(&mut open(&bench.path("k.npz")), "ntk"), array(&mut golden(), "a"));
    let product: f64 = (0..3).map(|d| a[[0, d]] * a[[1, d]]).sum::<f64>() / 3.0;
    assert!((kernel[[0, 1]] - product).abs() < 1e-15);
}

#[test]
fn bad_input_is_refused_by_name() {
    let bench = bench();
    let with = |from: &str, to: &str| line("").replace(from, to);
    bench.line(&with("--weight-var 2", "--weight-var -2")).refused(2, &["--weight-var", "-2", "above 0"]);
    bench.line(&with("--bias-var 0.01", "--bias-var nan")).refused(2, &["--bias-var"]);
    bench.line(&with("--depth 1", "--depth 65")).refused(2, &["--depth", "65"]);
    bench.line(&with("relu", "rleu")).refused(2, &["rleu"]);
    bench.line(&with("k.npz", "k.npy")).refused(2, &["k.npy", ".npz"]);
    bench.line(&with("a.npy", "none.npy")).refused(2, &["none.npy"]);
    bench.npy("c.npy", &[4, 2], &[1.0; 8]);
    bench.line(&line("--b c.npy")).refused(2, &["c.npy", "(points, 3)"]);
    bench.file("d.csv", "1,2,nan\n");
    bench.line(&line("--b d.csv")).refused(2, &["d.csv"]);
    assert!(!bench.path("k.npz").exists());
}
