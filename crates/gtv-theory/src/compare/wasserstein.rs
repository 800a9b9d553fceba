//! Wasserstein distances: W_p(a, b)^p = ∫₀¹ |F_a⁻¹(u) − F_b⁻¹(u)|^p du in one dimension, and the sliced
//! SW₂² = E_θ W₂²(θ·a, θ·b), θ uniform on the sphere, in more.

use crate::error::{Error, Result, check_finite, check_len};
use crate::rng::{Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

/// W₁ between two sets of samples of any sizes, exactly: ∫ |F_a − F_b| dx.
///
/// O(n log n): both are copied and sorted. Use [`w1_sorted`] when they are sorted already.
///
/// # Errors
/// [`Error::Empty`] and [`Error::NotFinite`].
///
/// ```
/// use gtv_theory::compare::w1;
/// assert_eq!(w1(&[0.0, 1.0], &[3.0, 2.0])?, 2.0);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn w1(a: &[f64], b: &[f64]) -> Result<f64> {
    Ok(w1_sorted(&sorted("samples a", a)?, &sorted("samples b", b)?))
}

/// W₁ between two non-empty sets of samples that are sorted upwards, in O(n + m).
///
/// ```
/// use gtv_theory::compare::w1_sorted;
/// assert_eq!(w1_sorted(&[0.0, 0.0, 1.0, 1.0], &[0.0, 1.0]), 0.0);
/// ```
pub fn w1_sorted(a: &[f64], b: &[f64]) -> f64 {
    transport_cost(a, b, f64::abs)
}

/// W₂² between two non-empty sets of samples that are sorted upwards, in O(n + m).
///
/// ```
/// use gtv_theory::compare::w2_squared_sorted;
/// assert_eq!(w2_squared_sorted(&[0.0, 1.0], &[2.0, 3.0]), 4.0);
/// ```
pub fn w2_squared_sorted(a: &[f64], b: &[f64]) -> f64 {
    transport_cost(a, b, |d| d * d)
}

/// W₁ between two weighted sets of samples.
///
/// # Shapes
/// `a`, `a_weights`: n; `b`, `b_weights`: m. Weights are at least 0 and are divided by their sum.
///
/// # Errors
/// [`Error::Empty`], [`Error::Shape`], [`Error::NotFinite`], [`Error::Weights`].
///
/// ```
/// use gtv_theory::compare::w1_weighted;
/// // A quarter of the mass moves by 1.
/// assert!((w1_weighted(&[0.0], &[1.0], &[0.0, 1.0], &[3.0, 1.0])? - 0.25).abs() < 1e-15);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn w1_weighted(a: &[f64], a_weights: &[f64], b: &[f64], b_weights: &[f64]) -> Result<f64> {
    let (a, b) = (sorted_weighted(a, a_weights)?, sorted_weighted(b, b_weights)?);
    Ok(weighted_cost(&a, &b, f64::abs))
}

/// W₂² between two weighted sets of samples; arguments as in [`w1_weighted`].
///
/// # Errors
/// As [`w1_weighted`].
///
/// ```
/// use gtv_theory::compare::w2_squared_weighted;
/// // A quarter of the mass moves by 2.
/// assert!((w2_squared_weighted(&[0.0], &[1.0], &[0.0, 2.0], &[3.0, 1.0])? - 1.0).abs() < 1e-15);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn w2_squared_weighted(a: &[f64], a_weights: &[f64], b: &[f64], b_weights: &[f64]) -> Result<f64> {
    let (a, b) = (sorted_weighted(a, a_weights)?, sorted_weighted(b, b_weights)?);
    Ok(weighted_cost(&a, &b, |d| d * d))
}

/// Sliced W₂ = (mean over directions of W₂²)^½ with `projections` random directions and exact W₂ on each.
///
/// # Shapes
/// `a`: n × `dim`; `b`: m × `dim`, row-major.
///
/// # Errors
/// [`Error::Empty`], [`Error::Shape`], [`Error::NotFinite`].
///
/// ```
/// use gtv_theory::{compare::sliced_w2, rng::Streams};
/// // One point moved by v: the mean of (θ·v)² is |v|²/D.
/// let found = sliced_w2(&[0.0, 0.0], &[3.0, 4.0], 2, 2000, Streams::new(1))?;
/// assert!((found / (25.0f64 / 2.0).sqrt() - 1.0).abs() < 0.05);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn sliced_w2(a: &[f64], b: &[f64], dim: usize, projections: usize, streams: Streams) -> Result<f64> {
    check_samples("samples a", a, dim)?;
    check_samples("samples b", b, dim)?;
    let directions = directions(dim, projections, streams)?;
    let costs: Vec<f64> = directions
        .par_chunks_exact(dim)
        .map(|direction| {
            let line = |x: &[f64]| {
                let mut line = project(x, direction);
                line.sort_unstable_by(f64::total_cmp);
                line
            };
            w2_squared_sorted(&line(a), &line(b))
        })
        .collect();
    Ok((costs.iter().sum::<f64>() / projections as f64).sqrt())
}

/// Unit vectors, uniform on the sphere, from the seed's projection stream.
///
/// # Shapes
/// Returns `count` × `dim`, row-major.
///
/// # Errors
/// [`Error::Empty`] when either is 0.
pub fn directions(dim: usize, count: usize, streams: Streams) -> Result<Vec<f64>> {
    if dim == 0 || count == 0 {
        return Err(Error::Empty { name: "the set of projections" });
    }
    let mut rng = streams.stream(Purpose::Projections, dim as u64, 0);
    let mut out = Vec::with_capacity(dim * count);
    while out.len() < dim * count {
        let start = out.len();
        out.extend((0..dim).map(|_| -> f64 { StandardNormal.sample(&mut rng) }));
        let norm = out[start..].iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm > 0.0 {
            out[start..].iter_mut().for_each(|v| *v /= norm);
        } else {
            out.truncate(start);
        }
    }
    Ok(out)
}

/// θ·x for each row.
///
/// # Shapes
/// `samples`: n × D row-major, D = the length of `direction`; returns n.
pub fn project(samples: &[f64], direction: &[f64]) -> Vec<f64> {
    samples.chunks_exact(direction.len()).map(|x| dot(x, direction)).collect()
}

/// Inner product with eight accumulators, which lets long rows vectorise.
#[inline]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane += x * y;
        }
    }
    if a.len() < 8 { rest } else { lanes.iter().sum::<f64>() + rest }
}

/// Checks a row-major set of samples.
pub(super) fn check_samples(name: &'static str, samples: &[f64], dim: usize) -> Result<()> {
    if samples.is_empty() || dim == 0 {
        return Err(Error::Empty { name });
    }
    check_len(name, samples.len().div_ceil(dim) * dim, samples.len())?;
    check_finite(name, samples, dim)
}

fn sorted(name: &'static str, samples: &[f64]) -> Result<Vec<f64>> {
    check_samples(name, samples, 1)?;
    let mut copy = samples.to_vec();
    copy.par_sort_unstable_by(f64::total_cmp);
    Ok(copy)
}

/// ∫ cost(F_a⁻¹ − F_b⁻¹) du for uniform weights. Mass is counted in units of 1/(n m), so nothing drifts.
fn transport_cost(a: &[f64], b: &[f64], cost: impl Fn(f64) -> f64) -> f64 {
    let (n, m) = (a.len(), b.len());
    if n == m {
        return a.iter().zip(b).map(|(x, y)| cost(x - y)).sum::<f64>() / n as f64;
    }
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    let (mut left_a, mut left_b) = (m as u64, n as u64);
    while i < n && j < m {
        let step = left_a.min(left_b);
        sum += step as f64 * cost(a[i] - b[j]);
        left_a -= step;
        left_b -= step;
        if left_a == 0 {
            i += 1;
            left_a = m as u64;
        }
        if left_b == 0 {
            j += 1;
            left_b = n as u64;
        }
    }
    sum / (n as f64 * m as f64)
}

/// (value, cumulative mass up to and including it), sorted by value, the last cumulative mass exactly 1.
fn sorted_weighted(values: &[f64], weights: &[f64]) -> Result<Vec<(f64, f64)>> {
    check_samples("samples", values, 1)?;
    check_len("weights", values.len(), weights.len())?;
    if let Some((i, w)) = weights.iter().enumerate().find(|(_, w)| !(**w >= 0.0 && w.is_finite())) {
        let reason = format!("weight {i} is {w}; weights must be finite and at least 0");
        return Err(Error::Weights { reason });
    }
    let total: f64 = weights.iter().sum();
    if !(total > 0.0 && total.is_finite()) {
        return Err(Error::Weights { reason: format!("they sum to {total}, expected a positive sum") });
    }
    let mut pairs: Vec<(f64, f64)> =
        values.iter().copied().zip(weights.iter().copied()).filter(|p| p.1 > 0.0).collect();
    pairs.par_sort_unstable_by(|p, q| p.0.total_cmp(&q.0).then(p.1.total_cmp(&q.1)));
    let mut mass = 0.0;
    for pair in &mut pairs {
        mass += pair.1;
        pair.1 = mass / total;
    }
    pairs.last_mut().expect("a positive sum has a positive term").1 = 1.0;
    Ok(pairs)
}

fn weighted_cost(a: &[(f64, f64)], b: &[(f64, f64)], cost: impl Fn(f64) -> f64) -> f64 {
    let (mut i, mut j, mut done, mut sum) = (0, 0, 0.0, 0.0);
    while i < a.len() && j < b.len() {
        let next = a[i].1.min(b[j].1);
        sum += (next - done) * cost(a[i].0 - b[j].0);
        done = next;
        i += usize::from(a[i].1 <= next);
        j += usize::from(b[j].1 <= next);
    }
    sum
}
