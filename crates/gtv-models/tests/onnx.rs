//! Networks in ONNX files: `onnx/mlp.onnx` and `onnx/mlp.npz` are made by `onnx/mlp.py`, with the package onnx and NumPy.
#![cfg(feature = "onnx")]

use gtv_models::external::onnx::{Error, OnnxNetwork};
use ndarray::{Array, Dimension};
use ndarray_npy::NpzReader;
use std::fs::File;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx")
}

fn network() -> Vec<u8> {
    std::fs::read(folder().join("mlp.onnx")).expect("the network")
}

fn read<D: Dimension>(name: &str) -> Vec<f64> {
    let mut file = NpzReader::new(File::open(folder().join("mlp.npz")).expect("the answers")).unwrap();
    let array: Array<f64, D> = file.by_name(name).unwrap();
    array.into_iter().collect()
}

#[test]
fn oracle_a_network_of_the_onnx_package_answers_as_numpy_does_at_any_number_of_points() {
    use ndarray::{Ix1, Ix2};
    let network = OnnxNetwork::new(&network(), &folder(), 2).unwrap();
    let [x, y, error] = ["x", "y", "error"].map(read::<Ix2>);
    let t = read::<Ix1>("t");
    // More than one block, the last one not full.
    for (from, to, times) in [(0, 1, 1), (5, 12, 1), (0, t.len(), 70)] {
        let repeated = |values: &[f64]| values.repeat(times);
        let found = network.call(&repeated(&x[2 * from..2 * to]), &repeated(&t[from..to])).unwrap();
        let expected = repeated(&y[2 * from..2 * to]).into_iter().zip(repeated(&error[2 * from..2 * to]));
        assert_eq!(found.len(), 2 * times * (to - from));
        for (found, (y, error)) in found.iter().zip(expected) {
            assert!((found - y).abs() <= error, "{found} and {y}, which float32 knows to {error:e}");
        }
    }
}

#[test]
fn data_of_another_dimension_and_damaged_files_are_refused() {
    let refused = |bytes: &[u8], dim| OnnxNetwork::new(bytes, &folder(), dim).err().expect("an error");
    let other = refused(&network(), 3);
    assert!(matches!(&other, Error::Input { name: "x", .. }), "{other}");
    assert!(other.to_string().contains("(n, 3)"), "{other}");
    assert!(matches!(refused(b"no model at all", 2), Error::NotOnnx { .. }));
    assert!(matches!(refused(&[], 2), Error::NotOnnx { .. }));
    // Whatever is left of a file that was cut short or hit is refused or runs; nothing panics.
    let whole = network();
    for k in 0..200 {
        let at = k * 7919 % whole.len();
        let _ = OnnxNetwork::new(&whole[..at], &folder(), 2);
        let mut hit = whole.clone();
        hit[at] ^= 1 << (k % 8);
        let _ = OnnxNetwork::new(&hit, &folder(), 2).map(|network| network.call(&[0.1, 0.2], &[0.5]));
    }
}
