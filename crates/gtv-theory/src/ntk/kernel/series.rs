//! Any smooth activation, by Mehler's formula: with β_j(q) = E[ρ̇(√q x) h_j(x)], h_j the orthonormal Hermite polynomials,
//! c the correlation of the pre-activations and ρ₀(q) = E[ρ(√q x)],
//!   E[ρ̇ρ̇'] = Σ_j β_j(q) β_j(q') c^j,   E[ρρ'] = ρ₀(q) ρ₀(q') + √(qq') Σ_j β_j(q) β_j(q') c^{j+1}/(j + 1).
//!
//! Quadrature is one-dimensional, for each input; a pair costs one sum over j. What degree J leaves out of E[ρ̇ρ̇'] is at most
//! |c|^J √(τ(q) τ(q')), τ = Σ_{j≥J} β_j² (Cauchy–Schwarz); for ρ̇(√q x) analytic in |Im x| < s it falls as e^{−2s√J}, so that
//! J grows with q: s = π/(2√q) for tanh, π/√q for silu. J is taken for the largest input so that τ ≤ 1e-15 Σβ², at most
//! 4,096: enough up to q ≈ 30 for tanh, 120 for silu. [`Series::truncation`] tells what is left beyond.

use super::Pair;
use super::hermite::Hermite;
use super::math::{LANES, Lanes, lanes};
use super::rows::{FirstLayer, chords};
use crate::ntk::{Activation, MlpSpec};
use std::sync::Arc;

/// Most terms of the series.
const MOST: usize = 4096;
/// Share of Σβ² that may be left out.
const NEGLIGIBLE: f64 = 1e-15;

#[derive(Debug, Clone)]
pub(super) struct Series {
    first: FirstLayer,
    depth: usize,
    weight_var: f64,
    bias_var: f64,
    activation: Activation,
    rule: Arc<Hermite>,
}

/// ρ(u) and ρ̇(u).
fn activate(activation: Activation, u: f64) -> (f64, f64) {
    match activation {
        Activation::Relu if u > 0.0 => (u, 1.0),
        // The mean of both sides at the kink, as the trapezoidal rule wants it.
        Activation::Relu => (0.0, if u == 0.0 { 0.5 } else { 0.0 }),
        Activation::Silu => {
            let sigmoid = 1.0 / (1.0 + (-u).exp());
            (u * sigmoid, sigmoid * (1.0 + u * (1.0 - sigmoid)))
        }
        // 1 − tanh² loses the tail to rounding.
        Activation::Tanh => (u.tanh(), u.cosh().powi(-2)),
        Activation::Erf => (libm::erf(u), std::f64::consts::FRAC_2_SQRT_PI * (-u * u).exp()),
    }
}

impl Series {
    pub(super) fn new(spec: &MlpSpec, inputs: usize) -> Self {
        Self {
            first: FirstLayer::new(spec, inputs),
            depth: spec.depth,
            weight_var: spec.weight_var,
            bias_var: spec.bias_var,
            activation: spec.activation,
            rule: Arc::new(Hermite::new(MOST)),
        }
    }

    /// ρ and ρ̇ at the nodes, from √q.
    fn sample(&self, root: f64) -> Vec<[(f64, f64); 2]> {
        self.rule.sample(|x| activate(self.activation, root * x))
    }

    /// The largest √q₁ of a set of inputs.
    fn largest(&self, x: &[f64], inputs: usize) -> f64 {
        let mut units = vec![0.0; self.first.units()];
        x.chunks_exact(inputs).map(|x| self.first.fill(x, &mut units)).fold(0.0, f64::max)
    }

    /// The series with as many terms as these inputs need.
    pub(super) fn fit(&self, a: &[f64], b: &[f64], inputs: usize) -> Fitted<'_> {
        let mut fitted = Fitted { series: self, terms: Vec::new(), left_out: 0.0 };
        let mut root = self.largest(a, inputs).max(self.largest(b, inputs));
        let mut row = vec![0.0; self.rule.degree()];
        for _ in 0..self.depth {
            let nodes = self.sample(root);
            self.rule.coefficients(&nodes, |v| v.1, &mut row);
            let total: f64 = row.iter().map(|v| v * v).sum();
            let mut tail = 0.0;
            let mut terms = row.len();
            while terms > 8 && tail + row[terms - 1].powi(2) <= NEGLIGIBLE * total {
                terms -= 1;
                tail += row[terms].powi(2);
            }
            let all = self.rule.mean(&nodes, |v| v.1 * v.1);
            // The difference is what the table does not reach, and rounding.
            fitted.left_out = f64::max(fitted.left_out, (tail + (all - total).abs()) / all);
            fitted.terms.push(terms);
            root = (self.weight_var * self.rule.mean(&nodes, |v| v.0 * v.0) + self.bias_var).sqrt();
        }
        fitted
    }

    /// The largest share Σ_{j≥J} β_j²/Σ β_j² that a layer's series leaves out for these inputs: a bound on the relative error
    /// of E[ρ̇ρ̇'] on the diagonal.
    pub(super) fn truncation(&self, x: &[f64], inputs: usize) -> f64 {
        self.fit(x, &[], inputs).left_out
    }
}

/// A series with its numbers of terms, one for each layer.
pub(super) struct Fitted<'a> {
    series: &'a Series,
    terms: Vec<usize>,
    left_out: f64,
}

/// Numbers of a layer before its β: √q, 1/√q (0 for 1/0) and ρ₀.
const HEAD: usize = 3;

impl Pair for Fitted<'_> {
    fn width(&self) -> usize {
        self.series.first.units() + self.terms.iter().map(|t| HEAD + t).sum::<usize>()
    }

    fn profile(&self, x: &[f64], out: &mut [f64]) -> (f64, f64) {
        let s = self.series;
        let (units, mut rest) = out.split_at_mut(s.first.units());
        let mut root = s.first.fill(x, units);
        let (mut value, mut tangent) = (0.0, root * root);
        for (l, &terms) in self.terms.iter().enumerate() {
            if l > 0 {
                root = (s.weight_var * value + s.bias_var).sqrt();
                tangent = s.weight_var * tangent + s.bias_var;
            }
            let (layer, tail) = rest.split_at_mut(HEAD + terms);
            layer[0] = root;
            layer[1] = if root > 0.0 { 1.0 / root } else { 0.0 };
            let nodes = s.sample(root);
            layer[2] = s.rule.mean(&nodes, |v| v.0);
            s.rule.coefficients(&nodes, |v| v.1, &mut layer[HEAD..]);
            value = s.rule.mean(&nodes, |v| v.0 * v.0);
            tangent = value + s.rule.mean(&nodes, |v| v.1 * v.1) * tangent;
            rest = tail;
        }
        (value, tangent)
    }

    #[inline(always)]
    fn lanes(&self, a: &[f64], b: &[Lanes]) -> (Lanes, Lanes) {
        let units = self.series.first.units();
        let (weight_var, bias_var) = (self.series.weight_var, self.series.bias_var);
        let (near, far) = chords(&a[..units], &b[..units]);
        let mut cosine = lanes(|j| 0.25 * (far[j] - near[j]));
        let mut tangent = lanes(|j| a[units] * b[units][j] * cosine[j]);
        let mut value = [0.0; LANES];
        let (mut a, mut b) = (&a[units..], &b[units..]);
        for (l, &terms) in self.terms.iter().enumerate() {
            if l > 0 {
                for j in 0..LANES {
                    tangent[j] = weight_var.mul_add(tangent[j], bias_var);
                    let c = weight_var.mul_add(value[j], bias_var) * (a[1] * b[1][j]);
                    let c = if c > 1.0 { 1.0 } else { c };
                    cosine[j] = if c < -1.0 { -1.0 } else { c };
                }
            }
            let (mut sum, mut slope): (Lanes, Lanes) = ([0.0; LANES], [0.0; LANES]);
            for k in (0..terms).rev() {
                let share = 1.0 / (k + 1) as f64;
                let (a, b) = (a[HEAD + k], &b[HEAD + k]);
                for j in 0..LANES {
                    let product = a * b[j];
                    slope[j] = slope[j].mul_add(cosine[j], product);
                    sum[j] = sum[j].mul_add(cosine[j], share * product);
                }
            }
            for j in 0..LANES {
                let scale = a[0] * b[0][j] * cosine[j];
                value[j] = scale.mul_add(sum[j], a[2] * b[2][j]);
                tangent[j] = slope[j].mul_add(tangent[j], value[j]);
            }
            (a, b) = (&a[HEAD + terms..], &b[HEAD + terms..]);
        }
        (value, tangent)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Erf, Relu, matrix};
    use super::*;

    const INPUTS: [f64; 12] = [0.9, -1.3, 0.4, 0.8, -0.9, 1.3, 0.5, -1.1, -0.7, 1.0, 0.1, 0.2];

    /// NNGP and NTK of all inputs with each other.
    fn both(pair: &impl Pair) -> [Vec<f64>; 2] {
        let (mut nngp, mut ntk) = (vec![0.0; 36], vec![0.0; 36]);
        matrix::fill(pair, 2, &INPUTS, None, Some(&mut nngp), &mut ntk);
        [nngp, ntk]
    }

    fn spec(activation: Activation, depth: usize, bias_var: f64) -> MlpSpec {
        MlpSpec { depth, activation, weight_var: 1.8, bias_var, ..MlpSpec::default() }
    }

    #[test]
    fn oracle_erf_through_its_series() {
        for (depth, bias_var) in [(1, 0.0), (3, 0.2)] {
            let spec = spec(Activation::Erf, depth, bias_var);
            let series = Series::new(&spec, 2);
            let (found, closed) = (both(&series.fit(&INPUTS, &[], 2)), both(&Erf::new(&spec, 2)));
            for (found, closed) in found.iter().zip(&closed) {
                for k in 0..36 {
                    let scale = (closed[k / 6 * 7] * closed[k % 6 * 7]).sqrt();
                    assert!(
                        (found[k] - closed[k]).abs() < 1e-14 * scale,
                        "{depth}: {} {}",
                        found[k],
                        closed[k]
                    );
                }
            }
        }
    }

    #[test]
    fn convergence_relu_through_its_series() {
        // A step is the worst that a series can meet: β_j² ~ 0.13 j^{−3/2} for odd j leaves |c|^J 0.13/√J out of 1/2: at |c| = 1
        // 0.4 %, with J = 4,096, and nothing below 0.99. Quadrature across the kink is off by some h²/12 = 8e-5 a term.
        for bias_var in [0.0, 0.2] {
            let spec = spec(Activation::Relu, 1, bias_var);
            let series = Series::new(&spec, 2);
            let (found, closed) = (both(&series.fit(&INPUTS, &[], 2)), both(&Relu::new(&spec, 2)));
            for (found, closed) in found.iter().zip(&closed) {
                for k in 0..36 {
                    let scale = (closed[k / 6 * 7] * closed[k % 6 * 7]).sqrt();
                    let first = |i: usize, j: usize| {
                        let (a, b) = (&INPUTS[2 * i..2 * i + 2], &INPUTS[2 * j..2 * j + 2]);
                        0.9 * (a[0] * b[0] + a[1] * b[1]) + bias_var
                    };
                    let (i, j) = (k / 6, k % 6);
                    let c = first(i, j) / (first(i, i) * first(j, j)).sqrt();
                    let allowed = if c.abs() < 0.99 { 1e-3 } else { 5e-3 };
                    assert!(
                        (found[k] - closed[k]).abs() < allowed * scale,
                        "{k}: {} {}",
                        found[k],
                        closed[k]
                    );
                }
            }
        }
    }
}
