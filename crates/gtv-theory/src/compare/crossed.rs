//! Variance components of a crossed design: every data draw a trained from every initialisation b.
//!
//! y_ab = μ + α_a + β_b + (αβ)_ab with independent random effects (the law of total covariance, two-way). Unbiased
//! estimates from mean squares: interaction = MS_ab, data = (MS_a − MS_ab)/B, init = (MS_b − MS_ab)/A.

use crate::compare::{FEWEST_GROUPS, Interval};
use crate::error::{Error, Result, check_len};
use crate::quadrature::normal_quantile;

/// E_ρ tr Var y by source, with normal intervals from a two-way jackknife where both factors have 5 levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossedVariance {
    /// Var_a E_b: the training data.
    pub data: Interval,
    /// Var_b E_a: the initialisation.
    pub init: Interval,
    /// What neither explains alone.
    pub interaction: Interval,
    /// Their sum, the variance of a member with its own data and initialisation.
    pub total: Interval,
}

/// The components of predictions of A × B members, averaged over `probes` points; member i has data i / B, initialisation
/// i % B.
///
/// # Shapes
/// `predictions`: (A·B) × C row-major with C = probes × D.
///
/// # Errors
/// [`Error::OutOfRange`] for fewer than two data draws or initialisations; [`Error::Shape`].
pub fn crossed_variance(
    predictions: &[f64],
    (data, inits): (usize, usize),
    probes: usize,
    confidence: f64,
) -> Result<CrossedVariance> {
    for (name, value) in [("data draws", data), ("initialisations", inits)] {
        if value < 2 {
            let expected = "at least 2 of each, to have a variance";
            return Err(Error::OutOfRange { name, value: value as f64, expected });
        }
    }
    let columns = predictions.len() / (data * inits);
    check_len("predictions of the members", data * inits * columns, predictions.len())?;
    let scale = 1.0 / probes as f64;
    let all_rows: Vec<usize> = (0..data).collect();
    let all_columns: Vec<usize> = (0..inits).collect();
    let estimate = |rows: &[usize], cols: &[usize]| {
        components(predictions, inits, columns, rows, cols).map(|v| v * scale)
    };
    let full = estimate(&all_rows, &all_columns);
    let mut variance = [0.0; 4];
    // Leaving out one level of a factor at a time; a factor with too few levels to have an interval cannot spare one.
    for (levels, of_rows) in [(data, true), (inits, false)] {
        if levels < FEWEST_GROUPS {
            continue;
        }
        let left: Vec<[f64; 4]> = (0..levels)
            .map(|out| {
                let kept: Vec<usize> = (0..levels).filter(|l| *l != out).collect();
                if of_rows { estimate(&kept, &all_columns) } else { estimate(&all_rows, &kept) }
            })
            .collect();
        for (k, v) in variance.iter_mut().enumerate() {
            let mean = left.iter().map(|e| e[k]).sum::<f64>() / levels as f64;
            let spread = left.iter().map(|e| (e[k] - mean).powi(2)).sum::<f64>();
            *v += spread * (levels - 1) as f64 / levels as f64;
        }
    }
    let width = normal_quantile(0.5 + 0.5 * confidence);
    let interval = |k: usize| Interval::normal(full[k], width * variance[k].sqrt(), data.min(inits));
    Ok(CrossedVariance { data: interval(0), init: interval(1), interaction: interval(2), total: interval(3) })
}

/// [data, init, interaction, total], sums over columns.
fn components(y: &[f64], inits: usize, columns: usize, rows: &[usize], cols: &[usize]) -> [f64; 4] {
    let (a, b) = (rows.len() as f64, cols.len() as f64);
    let mut by_row = vec![0.0; rows.len() * columns];
    let mut by_col = vec![0.0; cols.len() * columns];
    let mut mean = vec![0.0; columns];
    let member = |i: usize, j: usize| &y[(rows[i] * inits + cols[j]) * columns..][..columns];
    for i in 0..rows.len() {
        for j in 0..cols.len() {
            for (c, v) in member(i, j).iter().enumerate() {
                by_row[i * columns + c] += v / b;
                by_col[j * columns + c] += v / a;
                mean[c] += v / (a * b);
            }
        }
    }
    let spread = |means: &[f64]| -> f64 {
        means.chunks_exact(columns).flat_map(|m| m.iter().zip(&mean)).map(|(m, g)| (m - g) * (m - g)).sum()
    };
    let (ms_row, ms_col) = (b * spread(&by_row) / (a - 1.0), a * spread(&by_col) / (b - 1.0));
    let mut rest = 0.0;
    for i in 0..rows.len() {
        for j in 0..cols.len() {
            let (row, col) = (&by_row[i * columns..][..columns], &by_col[j * columns..][..columns]);
            for (c, v) in member(i, j).iter().enumerate() {
                rest += (v - row[c] - col[c] + mean[c]).powi(2);
            }
        }
    }
    let interaction = rest / ((a - 1.0) * (b - 1.0));
    let (data, init) = ((ms_row - interaction) / b, (ms_col - interaction) / a);
    [data, init, interaction, data + init + interaction]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Streams};
    use rand_distr::{Distribution, StandardNormal};

    /// Members with effects of the given standard deviations, independent over columns.
    fn members(shape: (usize, usize), columns: usize, std: [f64; 3], seed: u64) -> Vec<f64> {
        let mut rng = Streams::new(seed).stream(Purpose::Data, 0, 0);
        let mut normal =
            |len: usize| -> Vec<f64> { StandardNormal.sample_iter(&mut rng).take(len).collect() };
        let (a, b) = shape;
        let (alpha, beta, both) = (normal(a * columns), normal(b * columns), normal(a * b * columns));
        let mut y = Vec::new();
        for i in 0..a {
            for j in 0..b {
                y.extend((0..columns).map(|c| {
                    7.0 + std[0] * alpha[i * columns + c]
                        + std[1] * beta[j * columns + c]
                        + std[2] * both[(i * b + j) * columns + c]
                }));
            }
        }
        y
    }

    #[test]
    fn monte_carlo_components_are_recovered() {
        // Columns are independent repetitions, so the estimates' own spread is known: with C columns, Var of a variance
        // estimate with d degrees of freedom is 2σ⁴/(dC); mean squares of the rows have expectation Bσ_a² + σ_ab².
        let (a, b, columns) = (12, 9, 400);
        let std = [0.8, 0.5, 0.3];
        let y = members((a, b), columns, std, 3);
        let found = crossed_variance(&y, (a, b), 1, 0.95).unwrap();
        let c = columns as f64;
        let [va, vb, vab] = std.map(|s| s * s * c);
        let ms = |value: f64, dof: f64| 2.0 * (value / c) * (value / c) * c / dof;
        let dofs = ((a - 1) as f64, (b - 1) as f64, ((a - 1) * (b - 1)) as f64);
        let se_ab = ms(vab, dofs.2).sqrt();
        let se_a = ((ms(b as f64 * va + vab, dofs.0) + se_ab * se_ab).sqrt()) / b as f64;
        let se_b = ((ms(a as f64 * vb + vab, dofs.1) + se_ab * se_ab).sqrt()) / a as f64;
        for (name, found, truth, se) in [
            ("data", found.data.value, va, se_a),
            ("init", found.init.value, vb, se_b),
            ("interaction", found.interaction.value, vab, se_ab),
        ] {
            assert!((found - truth).abs() < 4.0 * se, "{name}: {found} {truth} ± {se}");
        }
    }

    #[test]
    fn identities_pure_effects() {
        let only = |std: [f64; 3]| {
            let y = members((5, 6), 30, std, 1);
            crossed_variance(&y, (5, 6), 30, 0.9).unwrap()
        };
        let data = only([1.0, 0.0, 0.0]);
        assert!(data.data.value > 0.5 && data.init.value.abs() < 1e-12 && data.interaction.value < 1e-12);
        let init = only([0.0, 1.0, 0.0]);
        assert!(init.init.value > 0.5 && init.data.value.abs() < 1e-12);
        assert!(init.total.lo < init.total.value && init.total.value < init.total.hi);
        let few = crossed_variance(&members((9, 4), 30, [1.0, 0.5, 0.2], 2), (9, 4), 30, 0.9).unwrap();
        assert!(few.total.value > 0.0 && few.total.lo.is_nan() && few.init.hi.is_nan());
        assert!(crossed_variance(&[0.0; 8], (1, 4), 2, 0.9).is_err());
        assert!(crossed_variance(&[0.0; 7], (2, 2), 2, 0.9).is_err());
    }
}
