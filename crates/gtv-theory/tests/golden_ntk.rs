//! Kernels and gradient descent of infinitely wide networks against neural-tangents. Provenance: tests/golden/README.md at the workspace root.

use gtv_theory::ntk::{Activation, GradientFlow, InfiniteNetwork, InitialLaw, MlpSpec};
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

#[test]
fn golden_kernels_to_rounding() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/ntk_precise.csv");
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut worst = [0.0f64; 2];
    for line in text.lines().skip(1) {
        let mut fields = line.split(',');
        let activation = if fields.next() == Some("relu") { Activation::Relu } else { Activation::Erf };
        let numbers: Vec<f64> = fields.map(|f| f.parse().unwrap()).collect();
        let [depth, weight_var, bias_var, ..] = numbers[..] else { panic!("{line}") };
        let (a, b, expected) = (&numbers[3..6], &numbers[6..9], &numbers[9..11]);
        let spec = MlpSpec { depth: depth as usize, activation, weight_var, bias_var, ..MlpSpec::default() };
        let network = InfiniteNetwork::new(&spec, 3).unwrap();
        let found = network.kernels(a, b).unwrap();
        let scale = network.diagonal(&[a, b].concat()).unwrap();
        for (which, (found, scale)) in
            [(found.nngp[0], scale.nngp), (found.ntk[0], scale.ntk)].iter().enumerate()
        {
            let error = (found - expected[which]).abs() / (scale[0] * scale[1]).sqrt();
            // About ten roundings a layer, some 1e-15; a cosine that is rounded before its arccosine would leave up to 1e-8.
            // Kernels of erf change over angles of 1/√(1 + 2q), so that rounding the inputs, even, is felt √(1 + 2q) times.
            let q = weight_var * a.iter().map(|v| v * v).sum::<f64>() / 3.0;
            let sharp = if activation == Activation::Erf { (1.0 + 2.0 * q).sqrt() } else { 0.0 };
            assert!(error < 1e-14 + 4.0 * f64::EPSILON * sharp, "{line}: {found:e}, error {error:e}");
            worst[which] = worst[which].max(error);
        }
    }
    println!("nngp {:.1e}, ntk {:.1e}", worst[0], worst[1]);
}

#[test]
fn golden_gradient_descent() {
    let mut npz = golden();
    let name = "relu_depth2_w2_b0.01";
    let (train, test) = (values(&mut npz, "gd/x_train"), values(&mut npz, "gd/x_test"));
    let labels = values(&mut npz, "gd/y_train");
    let network = network(name, 3);
    let (kernel, cross) = (network.symmetric(&train).unwrap(), network.kernels(&test, &train).unwrap());
    let inner = network.symmetric(&test).unwrap();
    let flow = GradientFlow::new(kernel.ntk, None).unwrap();
    let condition = flow.eigenvalues()[29] / flow.eigenvalues()[0];
    let law =
        InitialLaw { ntk: &cross.ntk, nngp: &cross.nngp, nngp_test: &inner.nngp, nngp_train: &kernel.nngp };
    // neural-tangents' own error: the arccosine of a rounded cosine is off by up to √ε = 1.5e-8 where training points meet
    // themselves, which the solution amplifies by at most K's condition (690), in all but lucky entries far less.
    let reference_error = 1.5e-8 * condition;
    for (key, time, precise) in [
        (
            "t1",
            1.0,
            [
                -0.0443157945151235,
                -0.5228474597561298,
                -0.33493627044077035,
                -0.13667186035576082,
                -0.5538182705304607,
                0.09510979030435565,
                -0.051635028234462164,
            ],
        ),
        (
            "t30",
            30.0,
            [
                -0.3456210306337392,
                -1.7369244374436725,
                -1.1766924605531222,
                -0.033684558743386765,
                -1.9487927471482156,
                -0.09060199844350356,
                -0.08221826925604735,
            ],
        ),
        (
            "t1000",
            1000.0,
            [
                -0.47882312756307144,
                -1.8345814205646969,
                -1.427302987687223,
                0.5858428516024905,
                -2.273575973285969,
                -0.2442328345829348,
                0.15816938579031117,
            ],
        ),
        (
            "tinf",
            f64::INFINITY,
            [
                -0.47093466039544724,
                -1.8312929810679244,
                -1.4322004428647284,
                0.5791315511959096,
                -2.2804373224880465,
                -0.24196069368844367,
                0.15957301543826458,
            ],
        ),
    ] {
        let found = flow.moments(&labels, law, time).unwrap();
        for (found, quantity) in [(&found.mean, "mean"), (&found.cov, "cov")] {
            let error = worst(found, &values(&mut npz, &format!("gd/{name}/{key}/{quantity}")));
            println!("{key} {quantity}: {error:.1e}");
            assert!(error < f64::min(1e-6, reference_error), "{key} {quantity}: {error:e}");
        }
        // The same mean in 40 digits (mpmath, eigendecomposition of the kernel in 40 digits).
        let error = worst(&found.mean, &precise);
        println!("{key} mean, 40 digits: {error:.1e}");
        assert!(error < 30.0 * f64::EPSILON * condition, "{key}: {error:e}");
    }
}
