//! Gauss–Legendre nodes and weights on [−1, 1], by Newton's method on the Legendre recurrence.

use std::f64::consts::PI;

/// The n-point rule: Σ w_i f(x_i) = ∫_{−1}^{1} f, exact for polynomials of degree 2n − 1. Nodes ascend.
pub fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let mut rule = vec![(0.0, 0.0); n];
    for i in 0..n.div_ceil(2) {
        // Tricomi's estimate is within Newton's basin for every n.
        let mut x = ((i as f64 + 0.75) / (n as f64 + 0.5) * PI).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut p, mut before) = (x, 1.0);
            for k in 2..=n {
                let k = k as f64;
                (p, before) = (((2.0 * k - 1.0) * x * p - (k - 1.0) * before) / k, p);
            }
            slope = n as f64 * (x * p - before) / (x * x - 1.0);
            let step = p / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        let weight = 2.0 / ((1.0 - x * x) * slope * slope);
        rule[i] = (-x, weight);
        rule[n - 1 - i] = (x, weight);
    }
    if n % 2 == 1 {
        rule[n / 2].0 = 0.0;
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_polynomials_are_exact() {
        for n in [1, 2, 5, 16, 128] {
            let rule = gauss_legendre(n);
            assert!(rule.windows(2).all(|w| w[0].0 < w[1].0));
            for degree in 0..(2 * n).min(40) {
                let got: f64 = rule.iter().map(|(x, w)| w * x.powi(degree as i32)).sum();
                let want = if degree % 2 == 0 { 2.0 / (degree as f64 + 1.0) } else { 0.0 };
                assert!((got - want).abs() < 1e-13, "n = {n}, degree {degree}: {got}");
            }
        }
    }
}
