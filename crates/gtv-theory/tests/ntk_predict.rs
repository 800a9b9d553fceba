//! Gradient flow of lazy networks in closed form: limits, restart, small-step training, degenerate training sets.

use gtv_theory::error::Error;
use gtv_theory::linalg::{gemm_nn, symmetric_eigen, symmetric_eigen_parallel};
use gtv_theory::ntk::{
    Activation, GradientFlow, InfiniteNetwork, InitialLaw, KrylovFlow, KrylovSpec, MlpSpec,
};
use gtv_theory::rng::{Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};

fn normals(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = Streams::new(seed).stream(Purpose::Probe, 0, 0);
    (0..count).map(|_| StandardNormal.sample(&mut rng)).collect()
}

fn network() -> InfiniteNetwork {
    InfiniteNetwork::new(&MlpSpec { depth: 2, ..MlpSpec::default() }, 2).unwrap()
}

const P: usize = 24;

struct Setting {
    kernel: Vec<f64>,
    weights: Vec<f64>,
    /// P × 2.
    labels: Vec<f64>,
    flow: GradientFlow,
}

fn setting() -> Setting {
    let kernel = network().symmetric(&normals(2 * P, 1)).unwrap().ntk;
    let weights: Vec<f64> = normals(P, 2).iter().map(|v| v.exp()).collect();
    let flow = GradientFlow::new(kernel.clone(), Some(&weights)).unwrap();
    Setting { kernel, weights, labels: normals(2 * P, 3), flow }
}

fn product(rows: usize, inner: usize, columns: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; rows * columns];
    gemm_nn(rows, columns, inner, a, b, &mut out);
    out
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |m, v| m.max(v.abs()))
}

#[test]
fn limits_no_time_and_all_time() {
    let Setting { kernel, labels, flow, .. } = setting();
    assert!(flow.coefficients(&labels, 0.0).unwrap().iter().all(|a| *a == 0.0));
    assert_eq!(flow.effective(0.0).unwrap(), 0.0);
    let values = flow.eigenvalues();
    let condition = values[P - 1] / values[0];
    // At the end of training every label is met; what rounding leaves is amplified by the condition.
    let fitted = product(P, P, 2, &kernel, &flow.coefficients(&labels, f64::INFINITY).unwrap());
    let error = largest(fitted.iter().zip(&labels).map(|(f, y)| f - y));
    assert!(error < 100.0 * f64::EPSILON * condition, "{error:e}, condition {condition:e}");
    assert!((flow.effective(f64::INFINITY).unwrap() - P as f64).abs() < 1e-12);
    // A long finite time is the same to e^{−λτ/P}.
    let long = flow.coefficients(&labels, 50.0 * P as f64 / values[0]).unwrap();
    let end = flow.coefficients(&labels, f64::INFINITY).unwrap();
    let scale = largest(end.iter().copied());
    assert!(largest(long.iter().zip(&end).map(|(a, b)| a - b)) < 1e-14 * scale);
    // A short time is one step of gradient descent, a = τ w y/P, to λτ/2P.
    let (time, weights) = (1e-9, setting().weights);
    let short = flow.coefficients(&labels, time).unwrap();
    for (k, a) in short.iter().enumerate() {
        let step = time * weights[k / 2] * labels[k] / P as f64;
        assert!(
            (a - step).abs() < time * values[P - 1] / P as f64 * largest(short.iter().copied()) * P as f64
        );
    }
    let modes: Vec<f64> = [0.1, 1.0, 10.0, 100.0].iter().map(|t| flow.effective(*t).unwrap()).collect();
    assert!(modes.windows(2).all(|m| 0.0 < m[0] && m[0] < m[1] && m[1] < P as f64), "{modes:?}");
}

#[test]
fn oracle_what_is_left_of_the_labels() {
    let Setting { kernel, labels, flow, .. } = setting();
    for time in [0.0, 0.7, 30.0, 1e4] {
        let fitted = product(P, P, 2, &kernel, &flow.coefficients(&labels, time).unwrap());
        let rms = |v: &[f64]| (v.iter().map(|r| r * r).sum::<f64>() / v.len() as f64).sqrt();
        let scale = rms(&labels);
        let left: Vec<f64> = labels.iter().zip(&fitted).map(|(y, f)| (y - f).abs() / scale).collect();
        let found = flow.unfitted(&labels, time).unwrap();
        assert!((found.rms - rms(&left)).abs() < 1e-10, "τ = {time}: {found:?}");
        assert!((found.most - largest(left.iter().copied())).abs() < 1e-10, "τ = {time}: {found:?}");
        let off = left.iter().filter(|r| **r > 0.1).count() as f64 / left.len() as f64;
        assert!((found.off - off).abs() < 1e-12, "τ = {time}: {found:?}, off {off}");
    }
}

#[test]
fn limits_smooth_activations_leave_labels_that_a_smaller_cutoff_fits() {
    // Points on an arc: a smooth kernel's eigenvalues fall exponentially, so that many are below P ε λ_max.
    let points = 64;
    let angle = |i: usize| 2.0 * i as f64 / points as f64;
    let x: Vec<f64> = (0..points).flat_map(|i| [angle(i).cos(), angle(i).sin()]).collect();
    let labels: Vec<f64> = (0..points).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let kernel = |activation| {
        let spec = MlpSpec { depth: 1, activation, ..MlpSpec::default() };
        InfiniteNetwork::new(&spec, 2).unwrap().symmetric(&x).unwrap().ntk
    };
    let left = |kernel: Vec<f64>, cutoff: f64| {
        let flow = GradientFlow::with_cutoff(kernel, None, cutoff).unwrap();
        flow.unfitted(&labels, f64::INFINITY).unwrap()
    };
    let rounding = points as f64 * f64::EPSILON;
    let rough = left(kernel(Activation::Relu), rounding);
    assert!(rough.rms < 1e-6 && rough.off == 0.0, "relu: {rough:?}");
    let smooth: Vec<_> = [1e-6, 1e-10, rounding].iter().map(|c| left(kernel(Activation::Erf), *c)).collect();
    assert!(smooth.windows(2).all(|c| c[1].rms < c[0].rms), "{smooth:?}");
    assert!(smooth[2].off > 0.1 && smooth[2].most > 0.1, "{smooth:?}");
    for bad in [-1.0, 1.0, f64::NAN] {
        assert!(GradientFlow::with_cutoff(vec![1.0], None, bad).is_err());
    }
}

#[test]
fn identities_training_can_be_resumed() {
    let Setting { kernel, labels, flow, .. } = setting();
    for (first, second) in [(0.3, 2.0), (5.0, 40.0), (1.0, f64::INFINITY)] {
        let one = flow.coefficients(&labels, first).unwrap();
        let reached = product(P, P, 2, &kernel, &one);
        let left: Vec<f64> = labels.iter().zip(&reached).map(|(y, f)| y - f).collect();
        let two = flow.coefficients(&left, second).unwrap();
        let whole = flow.coefficients(&labels, first + second).unwrap();
        let sum: Vec<f64> = one.iter().zip(&two).map(|(a, b)| a + b).collect();
        // The predictions, which is what is learned; coefficients of small modes are worse conditioned.
        let (sum, whole) = (product(P, P, 2, &kernel, &sum), product(P, P, 2, &kernel, &whole));
        let error = largest(sum.iter().zip(&whole).map(|(a, b)| a - b));
        assert!(error < 1e-11 * largest(whole.iter().copied()), "{first} + {second}: {error:e}");
    }
}

#[test]
fn convergence_small_steps_of_weighted_gradient_descent() {
    let Setting { kernel, weights, labels, flow } = setting();
    let initial = normals(2 * P, 4);
    let time = 3.0;
    let residual: Vec<f64> = labels.iter().zip(&initial).map(|(y, f)| y - f).collect();
    let moved = product(P, P, 2, &kernel, &flow.coefficients(&residual, time).unwrap());
    // f ← f − (η/P) K w (f − y), η = τ/steps: an error of first order in η.
    let error = |steps: usize| {
        let mut f = initial.clone();
        for _ in 0..steps {
            let pull: Vec<f64> = (0..2 * P)
                .map(|k| time / steps as f64 / P as f64 * weights[k / 2] * (labels[k] - f[k]))
                .collect();
            let step = product(P, P, 2, &kernel, &pull);
            f.iter_mut().zip(step).for_each(|(f, s)| *f += s);
        }
        largest(f.iter().zip(&initial).zip(&moved).map(|((f, start), m)| f - start - m))
    };
    let (coarse, fine) = (error(4_000), error(16_000));
    let order = (coarse / fine).ln() / 4f64.ln();
    assert!((order - 1.0).abs() < 0.02, "order {order}: {coarse:e} {fine:e}");
    assert!(fine < 1e-3);
}

#[test]
fn limits_a_point_without_weight_is_as_if_absent() {
    let x = normals(2 * P, 5);
    let mut weights = vec![1.5; P];
    (weights[3], weights[P - 1]) = (0.0, 0.0);
    let flow = GradientFlow::new(network().symmetric(&x).unwrap().ntk, Some(&weights)).unwrap();
    let labels = normals(P, 6);
    let keep: Vec<usize> = (0..P).filter(|k| weights[*k] > 0.0).collect();
    let fewer: Vec<f64> = keep.iter().flat_map(|k| x[2 * k..2 * k + 2].to_vec()).collect();
    let fewer = GradientFlow::new(network().symmetric(&fewer).unwrap().ntk, Some(&[1.5; P - 2])).unwrap();
    let some: Vec<f64> = keep.iter().map(|k| labels[*k]).collect();
    for time in [2.0, 30.0] {
        let all = flow.coefficients(&labels, time).unwrap();
        assert_eq!((all[3], all[P - 1]), (0.0, 0.0));
        // The loss divides by P: the same time per point.
        let part = fewer.coefficients(&some, time * (P as f64 - 2.0) / P as f64).unwrap();
        let scale = largest(part.iter().copied());
        assert!(largest(keep.iter().zip(&part).map(|(k, a)| all[*k] - a)) < 1e-11 * scale);
    }
}

#[test]
fn limits_identical_points_learn_the_mean_of_their_labels() {
    let x = [0.4, -1.0, 0.4, -1.0, 1.3, 0.2];
    let kernel = network().symmetric(&x).unwrap().ntk;
    let labels = [1.0, 2.0, -0.5];
    for (weights, mean) in [([1.0, 1.0, 1.0], 1.5), ([3.0, 1.0, 1.0], 1.25)] {
        let flow = GradientFlow::new(kernel.clone(), Some(&weights)).unwrap();
        assert_eq!(flow.eigenvalues()[0], 0.0);
        assert!((flow.effective(f64::INFINITY).unwrap() - 2.0).abs() < 1e-13);
        let fitted = product(3, 3, 1, &kernel, &flow.coefficients(&labels, f64::INFINITY).unwrap());
        for (f, y) in fitted.iter().zip([mean, mean, -0.5]) {
            assert!((f - y).abs() < 1e-12, "{f} {y}");
        }
        // A time at which λτ/P of the mode that is 0 would be rounding times 1e9.
        let late = product(3, 3, 1, &kernel, &flow.coefficients(&labels, 1e9).unwrap());
        assert!(largest(late.iter().zip(&fitted).map(|(a, b)| a - b)) < 1e-12);
    }
}

#[test]
fn limits_moments_of_trained_functions() {
    let (x, z) = (normals(2 * P, 7), normals(10, 8));
    let (train, test) = (network().symmetric(&x).unwrap(), network().symmetric(&z).unwrap());
    let cross = network().kernels(&z, &x).unwrap();
    let flow = GradientFlow::new(train.ntk.clone(), None).unwrap();
    let labels = normals(P, 9);
    let law =
        InitialLaw { ntk: &cross.ntk, nngp: &cross.nngp, nngp_test: &test.nngp, nngp_train: &train.nngp };
    // Untrained: the initial law itself.
    let start = flow.moments(&labels, law, 0.0).unwrap();
    assert!(start.mean.iter().all(|m| *m == 0.0));
    assert_eq!(start.cov, test.nngp);
    // Trained for ever, at the training points: the labels, and no variance.
    let own =
        InitialLaw { ntk: &train.ntk, nngp: &train.nngp, nngp_test: &train.nngp, nngp_train: &train.nngp };
    let end = flow.moments(&labels, own, f64::INFINITY).unwrap();
    let condition = flow.eigenvalues()[P - 1] / flow.eigenvalues()[0];
    let rounding = 100.0 * f64::EPSILON * condition;
    assert!(largest(end.mean.iter().zip(&labels).map(|(m, y)| m - y)) < rounding);
    assert!(largest(end.cov.iter().copied()) < rounding);
    // The mean is the prediction from a function that starts at 0.
    let middle = flow.moments(&labels, law, 7.0).unwrap();
    let direct = product(5, P, 1, &cross.ntk, &flow.coefficients(&labels, 7.0).unwrap());
    assert!(largest(middle.mean.iter().zip(&direct).map(|(a, b)| a - b)) < 1e-13);
    let (values, _) = symmetric_eigen("the covariance", &middle.cov, 5).unwrap();
    assert!(values[0] > 0.0);
}

#[test]
fn limits_bad_training_sets_are_refused() {
    let one = |kernel: Vec<f64>, weights: Option<&[f64]>| GradientFlow::new(kernel, weights).unwrap_err();
    let error = one(vec![1.0, 2.0, 2.0, 1.0], None);
    let Error::NotSemidefinite { eigenvalue, bound, .. } = error else { panic!("{error}") };
    assert!((eigenvalue + 1.0).abs() < 1e-14 && bound < 1e-13);
    assert!(error.to_string().contains("-1.000e0"), "{error}");
    // Rounding's own negative eigenvalues pass.
    assert!(GradientFlow::new(vec![1.0, 1.0 + 1e-15, 1.0 + 1e-15, 1.0], None).is_ok());
    assert!(matches!(one(Vec::new(), None), Error::Empty { .. }));
    assert!(matches!(one(vec![1.0; 3], None), Error::Shape { .. }));
    assert!(matches!(one(vec![1.0; 4], Some(&[1.0; 3])), Error::Shape { .. }));
    assert!(matches!(
        one(vec![1.0, f64::NAN, f64::NAN, 1.0], None),
        Error::NotFinite { row: 0, column: 1, .. }
    ));
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(one(vec![1.0; 4], Some(&[1.0, weight])), Error::OutOfRange { .. }));
    }
    // Zeroed memory is not touched before the refusal.
    assert!(matches!(one(vec![0.0; 8193 * 8193], None), Error::TooLarge { .. }));
    let flow = GradientFlow::new(vec![1.0], None).unwrap();
    for time in [-1.0, f64::NAN] {
        assert!(matches!(flow.coefficients(&[1.0], time), Err(Error::OutOfRange { .. })));
        assert!(flow.effective(time).is_err());
    }
    let two = GradientFlow::new(vec![1.0, 0.0, 0.0, 1.0], None).unwrap();
    assert!(matches!(two.coefficients(&[1.0; 3], 1.0), Err(Error::Shape { .. })));
    assert!(two.coefficients(&[], 1.0).unwrap().is_empty());
    let nothing = GradientFlow::new(vec![0.0; 4], None).unwrap();
    assert_eq!(nothing.coefficients(&[1.0; 2], f64::INFINITY).unwrap(), [0.0; 2]);
}

#[test]
fn identities_parallel_decomposition() {
    let n = 1_050;
    let kernel = network().symmetric(&normals(2 * n, 10)).unwrap().ntk;
    let threads = |count: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
        pool.install(|| symmetric_eigen_parallel("a kernel", &kernel, n).unwrap())
    };
    let (values, vectors) = threads(2);
    assert_eq!((&values, &vectors), (&threads(1).0, &threads(1).1));
    let (plain, _) = symmetric_eigen("a kernel", &kernel, n).unwrap();
    let scale = values[n - 1];
    assert!(largest(values.iter().zip(&plain).map(|(a, b)| a - b)) < 1e-13 * scale);
    let image = product(n, n, n, &kernel, &vectors);
    let residual = image.iter().zip(&vectors).enumerate().map(|(k, (i, v))| i - values[k % n] * v);
    assert!(largest(residual) < 1e-13 * scale);
}

/// A training set of two dimensions with labels in so many outputs: (kernel, weights, labels).
fn large(samples: usize, outputs: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let kernel = network().symmetric(&normals(2 * samples, 11)).unwrap().ntk;
    let weights = normals(samples, 12).iter().map(|v| v.exp()).collect();
    (kernel, weights, normals(samples * outputs, 13))
}

/// √w K a, what [`KrylovSpec::tolerance`] is about, and its size for each output: columns of rows of `outputs`.
fn learned(kernel: &[f64], weights: &[f64], a: &[f64], outputs: usize) -> Vec<f64> {
    let mut f = product(weights.len(), weights.len(), outputs, kernel, a);
    f.iter_mut().enumerate().for_each(|(k, f)| *f *= weights[k / outputs].sqrt());
    f
}

fn column_sizes(values: &[f64], outputs: usize) -> Vec<f64> {
    (0..outputs).map(|d| values[d..].iter().step_by(outputs).map(|v| v * v).sum::<f64>().sqrt()).collect()
}

#[test]
fn oracle_iterated_gradient_flow_is_the_decomposed_one_within_its_bound() {
    let samples = 300;
    // More outputs than share products.
    for outputs in [1, 2, 11] {
        let (kernel, weights, labels) = large(samples, outputs);
        let flow = GradientFlow::new(kernel.clone(), Some(&weights)).unwrap();
        let scaled: Vec<f64> =
            labels.iter().enumerate().map(|(k, y)| y * weights[k / outputs].sqrt()).collect();
        let sizes = column_sizes(&scaled, outputs);
        let times = [0.0, 0.01, 1.0, 100.0, 1e4];
        let mut before = 0;
        for tolerance in [1e-2, 1e-5, 1e-9] {
            let spec = KrylovSpec { tolerance, ..KrylovSpec::default() };
            let mut asked = 0;
            let iterated = KrylovFlow::new(samples, Some(&weights), spec)
                .unwrap()
                .coefficients(&labels, &times, |x: &[f64], out: &mut [f64]| -> Result<(), Error> {
                    asked += 1;
                    gemm_nn(samples, x.len() / samples, samples, &kernel, x, out);
                    Ok(())
                })
                .unwrap();
            assert_eq!(asked, iterated.products);
            assert!(iterated.bound <= tolerance && asked > before, "{iterated:?}");
            before = asked;
            for (time, a) in times.iter().zip(&iterated.coefficients) {
                let want = learned(&kernel, &weights, &flow.coefficients(&labels, *time).unwrap(), outputs);
                let got = learned(&kernel, &weights, a, outputs);
                let apart: Vec<f64> = got.iter().zip(&want).map(|(a, b)| a - b).collect();
                for (error, size) in column_sizes(&apart, outputs).iter().zip(&sizes) {
                    // The bound is of exact arithmetic. |x| is at most |c| τ/P, and products with M round relative to λ_max |x|.
                    let rate = flow.eigenvalues()[samples - 1] * time / samples as f64;
                    let rounding = 10.0 * f64::EPSILON * (1.0 + rate);
                    assert!(
                        error / size <= iterated.bound + rounding,
                        "τ = {time}: {} {}",
                        error / size,
                        iterated.bound
                    );
                }
            }
        }
    }
}

#[test]
fn limits_iterated_gradient_flow() {
    let (kernel, weights, labels) = large(60, 2);
    let unwanted = |_: &[f64], _: &mut [f64]| -> Result<(), Error> { panic!("not needed") };
    let with =
        |most| KrylovFlow::new(60, Some(&weights), KrylovSpec { most, ..KrylovSpec::default() }).unwrap();
    let by = |x: &[f64], out: &mut [f64]| -> Result<(), Error> {
        gemm_nn(60, x.len() / 60, 60, &kernel, x, out);
        Ok(())
    };
    // To the end of training: as many steps as points, and the labels are met.
    let end = with(1_000).coefficients(&labels, &[f64::INFINITY], by).unwrap();
    assert!(end.products <= 60);
    let fitted = product(60, 60, 2, &kernel, &end.coefficients[0]);
    let error = largest(fitted.iter().zip(&labels).map(|(f, y)| f - y));
    assert!(error < 1e-5, "{error:e}");
    // Cut short, it says how far it came.
    match with(9).coefficients(&labels, &[f64::INFINITY], by) {
        Err(Error::NotConverged { iterations: 9, residual, .. }) => assert!(residual > 1e-8),
        other => panic!("{other:?}"),
    }
    // Labels of 0 need nothing, and a point without weight has no coefficient.
    let none = with(9).coefficients(&[0.0; 120], &[2.0], by).unwrap();
    assert!(none.coefficients[0].iter().all(|a| *a == 0.0));
    let nothing = with(9).coefficients(&labels, &[], unwanted).unwrap();
    assert!(nothing.coefficients.is_empty());
    let mut absent = weights.clone();
    absent[7] = 0.0;
    let flow = KrylovFlow::new(60, Some(&absent), KrylovSpec::default()).unwrap();
    let a = flow.coefficients(&labels, &[3.0], by).unwrap().coefficients.swap_remove(0);
    assert_eq!((a[14], a[15]), (0.0, 0.0));
    // Identical points: labels that differ are not learned, whatever the time.
    let twice = [2.0, 2.0, 2.0, 2.0];
    let flow = KrylovFlow::new(2, None, KrylovSpec::default()).unwrap();
    let pair = |x: &[f64], out: &mut [f64]| -> Result<(), Error> {
        gemm_nn(2, x.len() / 2, 2, &twice, x, out);
        Ok(())
    };
    let a = flow.coefficients(&[1.0, 3.0], &[f64::INFINITY], pair).unwrap().coefficients.swap_remove(0);
    assert!((2.0 * (a[0] + a[1]) - 2.0).abs() < 1e-14, "{a:?}");
    // Modes far below one another, where what is left of a direction is rounding long before all are found.
    for ratio in [10f64.powf(-0.3), 0.1] {
        let n = 40;
        let values: Vec<f64> = (0..n).map(|i| n as f64 * ratio.powi(i as i32)).collect();
        let diagonal = |x: &[f64], out: &mut [f64]| -> Result<(), Error> {
            out.iter_mut().zip(x.iter().zip(&values)).for_each(|(o, (x, v))| *o = v * x);
            Ok(())
        };
        let labels = normals(n, 14);
        let size = labels.iter().map(|y| y * y).sum::<f64>().sqrt();
        for time in [1e4, f64::INFINITY] {
            let flow = KrylovFlow::new(n, None, KrylovSpec::default()).unwrap();
            let found = flow.coefficients(&labels, &[time], diagonal).unwrap();
            let scaled = time / n as f64;
            let missed: f64 = found.coefficients[0]
                .iter()
                .zip(&values)
                .zip(&labels)
                // What is within rounding of 0 counts as 0 or not: near the cutoff the last bits decide.
                .filter(|((_, v), _)| **v > 1e3 * n as f64 * f64::EPSILON * values[0])
                .map(|((a, v), y)| (v * a + (-v * scaled).exp_m1() * y).powi(2))
                .sum();
            let error = missed.sqrt() / size;
            // Ritz values are off by up to P ε λ_max, a thousandth of the smallest mode that is looked at, or with the rate of a
            // finite time what that does in it.
            let rounding = f64::min(1e-3, n as f64 * f64::EPSILON * values[0] * scaled);
            assert!(error < 1e-8 + rounding, "ratio {ratio}, τ = {time}: {error:e}, bound {:e}", found.bound);
        }
    }
    // The operator's own error passes through, and what is no kernel is refused.
    let failing =
        |_: &[f64], _: &mut [f64]| -> Result<(), Error> { Err(Error::Empty { name: "of the test" }) };
    assert!(matches!(with(9).coefficients(&labels, &[1.0], failing), Err(Error::Empty { .. })));
    let negative = |x: &[f64], out: &mut [f64]| -> Result<(), Error> {
        out.iter_mut().zip(x).enumerate().for_each(|(k, (o, x))| *o = if k < 60 { -x } else { 2.0 * x });
        Ok(())
    };
    assert!(matches!(with(60).coefficients(&labels, &[1.0], negative), Err(Error::NotSemidefinite { .. })));
    let nan = |_: &[f64], out: &mut [f64]| -> Result<(), Error> {
        out.fill(f64::NAN);
        Ok(())
    };
    assert!(matches!(with(9).coefficients(&labels, &[1.0], nan), Err(Error::NotFinite { .. })));
    assert!(with(9).coefficients(&labels, &[-1.0], by).is_err());
    assert!(with(9).coefficients(&labels[1..], &[1.0], by).is_err());
    assert!(KrylovFlow::new(0, None, KrylovSpec::default()).is_err());
    assert!(KrylovFlow::new(2, Some(&[1.0, -1.0]), KrylovSpec::default()).is_err());
    assert!(KrylovFlow::new(2, None, KrylovSpec { tolerance: 0.0, ..KrylovSpec::default() }).is_err());
}
