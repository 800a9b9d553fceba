//! Expectations over a standard normal x of f(√q x) and of its product with Hermite polynomials, by the trapezoidal rule:
//! β_j(q) = E[f(√q x) h_j(x)], h_j = He_j/√(j!).
//!
//! The trapezoidal rule on ±13 with spacing h = 1/32 is off by e^{−2πs/h} for f(√q x) analytic in |Im x| < s (tanh: s = π/(2√q);
//! silu: π/√q), which needs fewer nodes than the Gauss–Hermite rule of the same accuracy, whose outer nodes carry no weight.
//! Even and odd parts of f are summed apart on the positive half. The table holds h_j √φ, which neither overflows nor
//! vanishes.

use std::f64::consts::PI;

/// Nodes a unit.
const PER_UNIT: usize = 32;
/// The rule ends at this many standard deviations: φ^½ is 4e-19 there, and h_j φ^½ is bounded.
const RANGE: usize = 13;
/// Nodes on the positive half with 0.
const NODES: usize = PER_UNIT * RANGE + 1;

/// The rule and the polynomials on it.
#[derive(Debug)]
pub(super) struct Hermite {
    degree: usize,
    /// h_j(x_i) √φ(x_i), node by node.
    table: Vec<f64>,
    /// √φ(x_i) times the spacing; half of it at 0.
    weights: Vec<f64>,
}

fn node(i: usize) -> f64 {
    i as f64 / PER_UNIT as f64
}

impl Hermite {
    /// The rule with polynomials of degree below `degree`.
    pub(super) fn new(degree: usize) -> Self {
        let mut table = vec![0.0; NODES * degree];
        let mut weights = vec![0.0; NODES];
        for (i, (row, weight)) in table.chunks_exact_mut(degree).zip(&mut weights).enumerate() {
            let x = node(i);
            let root = (-0.25 * x * x).exp() / (2.0 * PI).powf(0.25);
            *weight = root / PER_UNIT as f64 * if i == 0 { 0.5 } else { 1.0 };
            let (mut value, mut before) = (root, 0.0);
            for (j, r) in row.iter_mut().enumerate() {
                *r = value;
                let j = j as f64;
                (value, before) = ((x * value - j.sqrt() * before) / (j + 1.0).sqrt(), value);
            }
        }
        Self { degree, table, weights }
    }

    /// Highest degree, plus one.
    pub(super) fn degree(&self) -> usize {
        self.degree
    }

    /// E[f(x)].
    pub(super) fn mean(&self, f: impl Fn(f64) -> f64) -> f64 {
        let terms = self.weights.iter().zip(self.table.chunks_exact(self.degree)).enumerate();
        terms.map(|(i, (w, row))| w * row[0] * (f(node(i)) + f(-node(i)))).sum()
    }

    /// E[f(x) h_j(x)] for j < `out.len()` ≤ degree.
    pub(super) fn coefficients(&self, f: impl Fn(f64) -> f64, out: &mut [f64]) {
        out.fill(0.0);
        for (i, (w, row)) in self.weights.iter().zip(self.table.chunks_exact(self.degree)).enumerate() {
            let (plus, minus) = (f(node(i)), f(-node(i)));
            let (even, odd) = (w * (plus + minus), w * (plus - minus));
            let mut pairs = out.chunks_exact_mut(2).zip(row.chunks_exact(2));
            for (o, r) in &mut pairs {
                o[0] += even * r[0];
                o[1] += odd * r[1];
            }
            if let Some(last) = out.len().checked_sub(1).filter(|l| l % 2 == 0) {
                out[last] += even * row[last];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_polynomials_are_orthonormal() {
        let rule = Hermite::new(200);
        let mut row = vec![0.0; 200];
        // Low degrees: an activation grows linearly at most, while h_k h_j φ of large k and j reaches beyond the rule's end.
        for k in [0, 1, 3, 5] {
            // h_k itself, by its recurrence.
            let polynomial = |x: f64| {
                let (mut value, mut before) = (1.0, 0.0);
                for j in 0..k {
                    let j = f64::from(j);
                    (value, before) = ((x * value - j.sqrt() * before) / (j + 1.0).sqrt(), value);
                }
                value
            };
            rule.coefficients(polynomial, &mut row);
            for (j, v) in row.iter().enumerate() {
                let expected = if j == k as usize { 1.0 } else { 0.0 };
                assert!((v - expected).abs() < 1e-14, "{j} {k}: {v}");
            }
        }
    }

    #[test]
    fn identities_coefficients_of_an_exponential() {
        // E[e^{ax} h_j] = e^{a²/2} a^j/√(j!).
        let (rule, a) = (Hermite::new(65), 1.3f64);
        let mut row = vec![0.0; 33];
        rule.coefficients(|x| (a * x).exp(), &mut row);
        let mut expected = (0.5 * a * a).exp();
        assert!((rule.mean(|x| (a * x).exp()) / expected - 1.0).abs() < 1e-14);
        for (j, v) in row.iter().enumerate() {
            assert!((v - expected).abs() < 1e-14, "{j}: {v} {expected}");
            expected *= a / (j as f64 + 1.0).sqrt();
        }
    }
}
