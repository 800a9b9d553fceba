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

    /// A function's values at every node and at its mirror image.
    pub(super) fn sample<T>(&self, f: impl Fn(f64) -> T) -> Vec<[T; 2]> {
        (0..NODES).map(|i| [f(node(i)), f(-node(i))]).collect()
    }

    /// E[g(f(x))] from the sampled f.
    pub(super) fn mean<T>(&self, f: &[[T; 2]], g: impl Fn(&T) -> f64) -> f64 {
        let nodes = self.weights.iter().zip(self.table.chunks_exact(self.degree)).zip(f);
        nodes.map(|((w, row), [plus, minus])| w * row[0] * (g(plus) + g(minus))).sum()
    }

    /// E[g(f(x)) h_j(x)] for j < `out.len()` ≤ degree from the sampled f.
    pub(super) fn coefficients<T>(&self, f: &[[T; 2]], g: impl Fn(&T) -> f64, out: &mut [f64]) {
        let mut parts = [(0.0, 0.0); NODES];
        for ((part, w), [plus, minus]) in parts.iter_mut().zip(&self.weights).zip(f) {
            let (plus, minus) = (g(plus), g(minus));
            *part = (w * (plus + minus), w * (plus - minus));
        }
        pulp::Arch::new().dispatch(Sums { rule: self, parts: &parts, out });
    }
}

/// Σ_i w_i f_i h_j(x_i) of the even and the odd part of f, as an operation that `pulp` compiles once for each instruction set.
struct Sums<'a> {
    rule: &'a Hermite,
    parts: &'a [(f64, f64)],
    out: &'a mut [f64],
}

impl pulp::NullaryFnOnce for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { rule, parts, out } = self;
        out.fill(0.0);
        let len = out.len();
        for ((even, odd), row) in parts.iter().zip(rule.table.chunks_exact(rule.degree)) {
            let (pairs, last) = out.as_chunks_mut::<2>();
            for (o, r) in pairs.iter_mut().zip(row[..len].as_chunks::<2>().0) {
                o[0] += even * r[0];
                o[1] += odd * r[1];
            }
            last.iter_mut().for_each(|o| *o += even * row[len - 1]);
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
            rule.coefficients(&rule.sample(polynomial), |v| *v, &mut row);
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
        let nodes = rule.sample(|x| (a * x).exp());
        rule.coefficients(&nodes, |v| *v, &mut row);
        let mut expected = (0.5 * a * a).exp();
        assert!((rule.mean(&nodes, |v| *v) / expected - 1.0).abs() < 1e-14);
        for (j, v) in row.iter().enumerate() {
            assert!((v - expected).abs() < 1e-14, "{j}: {v} {expected}");
            expected *= a / (j as f64 + 1.0).sqrt();
        }
    }
}
