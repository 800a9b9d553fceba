//! Kernels of infinitely wide networks: identities, limits, integrals done plainly, and wide finite networks.

use gtv_theory::error::Error;
use gtv_theory::linalg::symmetric_eigen;
use gtv_theory::ntk::{Activation, InfiniteNetwork, MlpSpec};
use gtv_theory::rng::{ChaCha8Rng, Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};

const ALL: [Activation; 4] = [Activation::Relu, Activation::Silu, Activation::Tanh, Activation::Erf];

fn spec(activation: Activation, depth: usize, weight_var: f64, bias_var: f64) -> MlpSpec {
    MlpSpec { depth, activation, weight_var, bias_var, ..MlpSpec::default() }
}

fn network(spec: &MlpSpec, inputs: usize) -> InfiniteNetwork {
    InfiniteNetwork::new(spec, inputs).unwrap()
}

fn normals(rng: &mut ChaCha8Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| StandardNormal.sample(rng)).collect()
}

fn inputs(count: usize, seed: u64) -> Vec<f64> {
    normals(&mut Streams::new(seed).stream(Purpose::Probe, 0, 0), count)
}

/// ρ(u) and its slope.
fn rho(activation: Activation, u: f64) -> (f64, f64) {
    match activation {
        Activation::Relu => (u.max(0.0), if u > 0.0 { 1.0 } else { 0.0 }),
        Activation::Silu => {
            let s = 1.0 / (1.0 + (-u).exp());
            (u * s, s + u * s * (1.0 - s))
        }
        Activation::Tanh => (u.tanh(), 1.0 / u.cosh().powi(2)),
        Activation::Erf => (libm::erf(u), 2.0 / std::f64::consts::PI.sqrt() * (-u * u).exp()),
    }
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |m, v| m.max(v.abs()))
}

#[test]
fn identities_symmetric_in_one_and_two_sets_and_on_the_diagonal() {
    // 137 inputs: no multiple of the lanes, more than one block of rows.
    let (x, y) = (inputs(137 * 3, 1), inputs(21 * 3, 2));
    for activation in ALL {
        for (depth, bias_var) in [(0, 0.1), (1, 0.0), (3, 0.1)] {
            let network = network(&spec(activation, depth, 1.7, bias_var), 3);
            let (one, two) = (network.symmetric(&x).unwrap(), network.kernels(&x, &x).unwrap());
            assert!(one == two, "{activation:?}: the same entries from one set and from two");
            let mut ntk = vec![0.0; 137 * 137];
            network.ntk_symmetric_into(&x, &mut ntk);
            assert!(ntk == one.ntk);
            let diagonal = network.diagonal(&x).unwrap();
            for i in 0..137 {
                for j in 0..137 {
                    assert_eq!(one.ntk[i * 137 + j], one.ntk[j * 137 + i]);
                    assert_eq!(one.nngp[i * 137 + j], one.nngp[j * 137 + i]);
                }
                // Two formulas, each of some ten roundings a layer.
                assert!((one.nngp[i * 138] / diagonal.nngp[i] - 1.0).abs() < 1e-14, "{activation:?}");
                assert!((one.ntk[i * 138] / diagonal.ntk[i] - 1.0).abs() < 1e-14, "{activation:?}");
            }
            let (ab, ba) = (network.kernels(&x, &y).unwrap(), network.kernels(&y, &x).unwrap());
            let mut into = vec![0.0; 137 * 21];
            network.ntk_into(&x, &y, &mut into);
            assert!(into == ab.ntk);
            for k in 0..137 * 21 {
                let l = k % 21 * 137 + k / 21;
                assert_eq!((ab.ntk[k], ab.nngp[k]), (ba.ntk[l], ba.nngp[l]));
            }
        }
    }
}

#[test]
fn identities_positive_semidefinite() {
    let n = 60;
    let x = inputs(n * 2, 3);
    for activation in ALL {
        for bias_var in [0.0, 0.3] {
            let found = network(&spec(activation, 2, 2.0, bias_var), 2).symmetric(&x).unwrap();
            for matrix in [&found.nngp, &found.ntk] {
                let (values, _) = symmetric_eigen("a kernel", matrix, n).unwrap();
                let trace: f64 = matrix.iter().step_by(n + 1).sum();
                assert!(values[0] > -10.0 * f64::EPSILON * trace, "{activation:?}: {:e}", values[0]);
            }
        }
    }
}

#[test]
fn identities_relu_without_bias_is_homogeneous() {
    let (x, y) = (inputs(15, 4), inputs(15, 5));
    for depth in [1, 4] {
        let network = network(&spec(Activation::Relu, depth, 2.0, 0.0), 5);
        let plain = network.kernels(&x, &y).unwrap();
        for (s, t) in [(3.0, 0.2), (1e-140, 1e-150), (1e150, 1e-150), (1e150, 1e150)] {
            let scaled = |x: &[f64], s: f64| x.iter().map(|v| s * v).collect::<Vec<f64>>();
            let found = network.kernels(&scaled(&x, s), &scaled(&y, t)).unwrap();
            for (found, plain) in found.ntk.iter().zip(&plain.ntk).chain(found.nngp.iter().zip(&plain.nngp)) {
                // Rounding moves directions by ε, and NTKs through 0: absolute on the scale of 1.
                assert!((found / s / t - plain).abs() < 1e-14, "{s} {t}: {found:e} {plain}");
            }
        }
    }
}

#[test]
fn limits_coincident_and_opposite_inputs() {
    let x = [0.1, -0.7, 0.3];
    let minus: Vec<f64> = x.iter().map(|v| -v).collect();
    let q: f64 = x.iter().map(|v| v * v).sum::<f64>() * 2.0 / 3.0;
    let shallow = network(&spec(Activation::Relu, 1, 2.0, 0.0), 3);
    // NNGP = q/2, NTK = q; of opposite inputs both vanish.
    let same = shallow.kernels(&x, &x).unwrap();
    assert!((same.nngp[0] / (0.5 * q) - 1.0).abs() < 1e-15 && (same.ntk[0] / q - 1.0).abs() < 1e-15);
    let opposite = shallow.kernels(&x, &minus).unwrap();
    assert_eq!((opposite.nngp[0], opposite.ntk[0]), (0.0, 0.0));
    // Odd activations without bias: odd kernels.
    for activation in [Activation::Tanh, Activation::Erf] {
        let deep = network(&spec(activation, 3, 2.0, 0.0), 3);
        let (same, opposite) = (deep.kernels(&x, &x).unwrap(), deep.kernels(&x, &minus).unwrap());
        assert!((same.ntk[0] + opposite.ntk[0]).abs() < 1e-14 * same.ntk[0], "{activation:?}");
    }
    // With σ_w² = 2 the variance q = 1 passes through every layer, Θ^l = l, and the readout halves: NTK = (L + 1)/2.
    for depth in 1..=64 {
        let unit = [3f64.sqrt() / 2f64.sqrt(), 0.0, 0.0];
        let found = network(&spec(Activation::Relu, depth, 2.0, 0.0), 3).kernels(&unit, &unit).unwrap();
        assert!((found.ntk[0] - 0.5 * (depth as f64 + 1.0)).abs() < 1e-13 * depth as f64);
    }
}

#[test]
fn limits_inputs_of_norm_zero() {
    let x = [0.0, 0.0, 1.0, -2.0];
    for activation in ALL {
        for depth in [0, 1, 3] {
            for bias_var in [0.0, 0.4] {
                let found = network(&spec(activation, depth, 2.0, bias_var), 2).symmetric(&x).unwrap();
                assert!(found.ntk.iter().chain(&found.nngp).all(|v| v.is_finite()));
                if bias_var == 0.0 || depth == 0 {
                    // ρ(0) = 0: the function is 0 at the origin and stays so.
                    assert_eq!(found.ntk[..3], [0.0; 3], "{activation:?} {depth}");
                    assert_eq!(found.nngp[..3], [0.0; 3], "{activation:?} {depth}");
                    assert!(found.ntk[3] > 0.0);
                } else {
                    assert!(found.ntk[0] > 0.0, "{activation:?} {depth}");
                }
            }
        }
    }
}

#[test]
fn limits_no_hidden_layer_is_linear() {
    let (x, y) = (inputs(8, 6), inputs(8, 7));
    let found = network(&spec(Activation::Tanh, 0, 3.0, 0.5), 4).kernels(&x, &y).unwrap();
    assert_eq!(found.nngp, found.ntk);
    for i in 0..2 {
        for j in 0..2 {
            let dot: f64 = (0..4).map(|k| x[4 * i + k] * y[4 * j + k]).sum();
            assert!((found.ntk[2 * i + j] - dot / 4.0).abs() < 1e-15);
        }
    }
}

#[test]
fn limits_bad_input_is_refused() {
    for bad in [spec(Activation::Relu, 1, -2.0, 0.1), spec(Activation::Relu, 1, 2.0, -0.1)] {
        assert!(matches!(InfiniteNetwork::new(&bad, 2), Err(Error::OutOfRange { .. })));
    }
    let good = spec(Activation::Relu, 1, 2.0, 0.1);
    assert!(matches!(InfiniteNetwork::new(&good, 0), Err(Error::Empty { .. })));
    let network = network(&good, 2);
    let (fine, broken) = ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, f64::NAN, 4.0]);
    let error = network.kernels(&fine, &broken).unwrap_err();
    assert!(matches!(error, Error::NotFinite { row: 1, column: 0, .. }), "{error}");
    assert!(error.to_string().contains("row 1"), "{error}");
    assert!(network.symmetric(&[f64::INFINITY, 0.0]).is_err());
    assert!(matches!(network.diagonal(&fine[..3]), Err(Error::Shape { .. })));
    assert!(network.kernels(&[], &fine).unwrap().ntk.is_empty());
    assert!(network.kernels(&fine, &[]).unwrap().ntk.is_empty());
}

/// E[ρ(u)ρ(v)] and E[ρ̇(u)ρ̇(v)] by the trapezoidal rule on the plane: u = √q x, v = √q'(c x + √(1 − c²) y).
fn plane(activation: Activation, q: f64, p: f64, cross: f64) -> (f64, f64) {
    let c = (cross / (q * p).sqrt()).clamp(-1.0, 1.0);
    let (spacing, s) = (1.0 / 12.0, (1.0 - c * c).sqrt());
    let weight = |x: f64| (-0.5 * x * x).exp() * spacing / (2.0 * std::f64::consts::PI).sqrt();
    let mut sums = (0.0, 0.0);
    for i in -110..=110 {
        let x = f64::from(i) * spacing;
        let (value, slope) = rho(activation, q.sqrt() * x);
        // Row by row, so that rounding does not add up over all nodes.
        let mut row = (0.0, 0.0);
        for j in -110..=110 {
            let y = f64::from(j) * spacing;
            let (other, other_slope) = rho(activation, p.sqrt() * (c * x + s * y));
            row.0 += weight(y) * other;
            row.1 += weight(y) * other_slope;
        }
        sums.0 += weight(x) * value * row.0;
        sums.1 += weight(x) * slope * row.1;
    }
    sums
}

#[test]
fn oracle_recursion_with_integrals_over_the_plane() {
    let (x, y) = ([0.9, -1.3, 0.4, 0.8], [0.5, -1.1, -0.7, 1.0]);
    for activation in [Activation::Tanh, Activation::Silu, Activation::Erf] {
        let spec = spec(activation, 3, 1.8, 0.2);
        let found = network(&spec, 2).kernels(&x, &y).unwrap();
        for i in 0..2 {
            for j in 0..2 {
                let (a, b) = (&x[2 * i..2 * i + 2], &y[2 * j..2 * j + 2]);
                let first = |a: &[f64], b: &[f64]| 1.8 * (a[0] * b[0] + a[1] * b[1]) / 2.0 + 0.2;
                let (mut q, mut p, mut cross) = (first(a, a), first(b, b), first(a, b));
                let (mut tangent, mut value) = (cross, 0.0);
                for layer in 0..3 {
                    if layer > 0 {
                        (cross, tangent) = (1.8 * value + 0.2, 1.8 * tangent + 0.2);
                    }
                    let (both, slopes) = plane(activation, q, p, cross);
                    (value, tangent) = (both, both + slopes * tangent);
                    let next = |q: f64| 1.8 * plane(activation, q, q, q).0 + 0.2;
                    (q, p) = (next(q), next(p));
                }
                // tanh has poles at |Im u| = π/2: the rule above is off by e^{−2π·12·π/(2√q)}, q ≤ 2.5: below 1e-30.
                let scale = (q * p).sqrt();
                let errors = [found.nngp[2 * i + j] - value, found.ntk[2 * i + j] - tangent];
                assert!(largest(errors.iter().copied()) < 1e-13 * scale, "{activation:?}: {errors:?}");
            }
        }
    }
}

#[test]
fn convergence_truncation_bounds_the_error_at_large_inputs() {
    // tanh(√q x) tends to sign(x): its series converges slower the larger q, which `truncation` must tell.
    for (size, expected) in [(3.0, 1e-12), (30.0, 0.1)] {
        let x = [size, 0.4 * size, 0.9 * size, 0.5 * size];
        let network = network(&spec(Activation::Tanh, 1, 2.0, 0.0), 2);
        let (found, diagonal) = (network.kernels(&x, &x).unwrap(), network.diagonal(&x).unwrap());
        let bound = network.truncation(&x).unwrap();
        assert!(bound < expected, "{size}: {bound:e}");
        for (i, j) in [(0, 0), (1, 1)] {
            let error = (found.ntk[2 * i + j] / diagonal.ntk[i] - 1.0).abs();
            assert!(error <= bound + 1e-12, "{size}: {error:e}, bound {bound:e}");
        }
    }
    assert_eq!(network(&spec(Activation::Erf, 2, 2.0, 0.0), 2).truncation(&[1e3, 0.0]).unwrap(), 0.0);
}

/// A finite network in the ntk parameterisation, at two inputs: h·h'/n of the last hidden layer, the NNGP of its readout, and
/// the tangent kernel Σ_θ ∂f ∂f'.
fn finite(spec: &MlpSpec, x: [&[f64]; 2], rng: &mut ChaCha8Rng) -> (f64, f64) {
    let (n, depth) = (spec.width, spec.depth);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut hidden: Vec<[Vec<f64>; 2]> = vec![x.map(<[f64]>::to_vec)];
    let (mut slopes, mut weights) = (Vec::new(), Vec::new());
    for layer in 0..depth {
        let fan_in = hidden[layer][0].len();
        let (w, b) = (normals(rng, n * fan_in), normals(rng, n));
        let gain = (spec.weight_var / fan_in as f64).sqrt();
        let units = |h: &[f64]| -> (Vec<f64>, Vec<f64>) {
            let rows = w.chunks_exact(fan_in).zip(&b);
            rows.map(|(w, b)| rho(spec.activation, gain * dot(w, h) + spec.bias_var.sqrt() * b)).unzip()
        };
        let [(h0, s0), (h1, s1)] = [units(&hidden[layer][0]), units(&hidden[layer][1])];
        hidden.push([h0, h1]);
        slopes.push([s0, s1]);
        weights.push(w);
    }
    let readout = normals(rng, n);
    let scale = 1.0 / (n as f64).sqrt();
    let nngp = dot(&hidden[depth][0], &hidden[depth][1]) / n as f64;
    let mut tangent = nngp;
    let mut back: [Vec<f64>; 2] = [0, 1].map(|_| readout.iter().map(|v| v * scale).collect());
    for layer in (0..depth).rev() {
        for s in 0..2 {
            back[s].iter_mut().zip(&slopes[layer][s]).for_each(|(d, s)| *d *= s);
        }
        let fan_in = hidden[layer][0].len();
        let below =
            dot(&hidden[layer][0], &hidden[layer][1]) * spec.weight_var / fan_in as f64 + spec.bias_var;
        tangent += dot(&back[0], &back[1]) * below;
        let gain = (spec.weight_var / fan_in as f64).sqrt();
        back = [0, 1].map(|s| {
            let mut down = vec![0.0; fan_in];
            for (d, row) in back[s].iter().zip(weights[layer].chunks_exact(fan_in)) {
                down.iter_mut().zip(row).for_each(|(o, w)| *o += gain * d * w);
            }
            down
        });
    }
    (nngp, tangent)
}

#[test]
fn monte_carlo_wide_finite_networks() {
    // Width 512, 64 networks: the standard error is about 1 % of the kernel, the finite-width bias O(1/512) = 0.2 % of it.
    // 4.5 standard errors and that bias (with a factor of 2): 16 two-sided tests fail by chance in 1e-4 of seeds.
    const NETWORKS: u64 = 64;
    let (a, b) = ([0.8, -0.5, 1.1], [0.3, 0.9, 0.7]);
    for (k, activation) in ALL.into_iter().enumerate() {
        for depth in [1, 3] {
            let spec = MlpSpec { width: 512, ..spec(activation, depth, 1.6, 0.2) };
            let limit = network(&spec, 3).kernels(&a, &b).unwrap();
            let draws: Vec<(f64, f64)> = (0..NETWORKS)
                .map(|m| {
                    finite(
                        &spec,
                        [&a, &b],
                        &mut Streams::new(k as u64).stream(Purpose::Init, m, depth as u64),
                    )
                })
                .collect();
            let check = |name: &str, values: Vec<f64>, expected: f64| {
                let n = values.len() as f64;
                let mean = values.iter().sum::<f64>() / n;
                let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
                let allowed = 4.5 * (var / n).sqrt() + 2.0 / 512.0 * expected.abs();
                assert!(
                    (mean - expected).abs() < allowed,
                    "{activation:?} {depth} {name}: {mean} {expected}"
                );
                // The test must be able to see an error of 15 %.
                assert!(
                    allowed < 0.15 * expected.abs(),
                    "{activation:?} {depth} {name}: {allowed} {expected}"
                );
            };
            check("nngp", draws.iter().map(|d| d.0).collect(), limit.nngp[0]);
            check("ntk", draws.iter().map(|d| d.1).collect(), limit.ntk[0]);
        }
    }
}
