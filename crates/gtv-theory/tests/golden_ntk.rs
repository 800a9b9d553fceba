//! Kernels of infinitely wide networks against neural-tangents. Provenance: tests/golden/README.md at the workspace root.

use gtv_theory::ntk::{Activation, InfiniteNetwork, MlpSpec};
use ndarray_npy::NpzReader;
use std::fs::File;

fn golden() -> NpzReader<File> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/ntk.npz");
    NpzReader::new(File::open(path).unwrap_or_else(|e| panic!("{path}: {e}"))).unwrap()
}

fn values(npz: &mut NpzReader<File>, key: &str) -> Vec<f64> {
    let array: ndarray::ArrayD<f64> = npz
        .by_name(&format!("{key}.npy"))
        .or_else(|_| npz.by_name(key))
        .unwrap_or_else(|e| panic!("{key}: {e}"));
    array.iter().copied().collect()
}

/// `relu_depth2_w2_b0.01` as a network.
fn network(name: &str, inputs: usize) -> InfiniteNetwork {
    let part = |prefix: &str| {
        let part = name.split('_').find_map(|p| p.strip_prefix(prefix)).unwrap();
        part.parse::<f64>().unwrap()
    };
    let spec = MlpSpec {
        depth: part("depth") as usize,
        activation: if name.starts_with("relu") { Activation::Relu } else { Activation::Erf },
        weight_var: part("w"),
        bias_var: part("b"),
        ..MlpSpec::default()
    };
    InfiniteNetwork::new(&spec, inputs).unwrap()
}

/// The largest |found − expected|/|expected|.
fn worst(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(f, e)| ((f - e) / e).abs()).fold(0.0, f64::max)
}

#[test]
fn golden_kernels() {
    let mut npz = golden();
    let (a, b) = (values(&mut npz, "a"), values(&mut npz, "b"));
    for name in [
        "relu_depth1_w2_b0.01",
        "relu_depth2_w2_b0.01",
        "relu_depth3_w2_b0.01",
        "erf_depth1_w2.25_b0.01",
        "erf_depth2_w2.25_b0.01",
    ] {
        let found = network(name, 3).kernels(&a, &b).unwrap();
        // Neither side's rounding (1e-15 of the scale √(K(a,a)K(b,b))) is amplified by more than 1000 in these entries.
        for (found, quantity) in [(&found.nngp, "nngp"), (&found.ntk, "ntk")] {
            let error = worst(found, &values(&mut npz, &format!("{name}/{quantity}")));
            println!("{name} {quantity}: {error:.1e}");
            assert!(error < 1e-12, "{name} {quantity}: {error:e}");
        }
    }
}
