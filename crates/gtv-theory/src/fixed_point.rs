//! Fixed points x = G(x) by damped Anderson acceleration.
//!
//! With f_k = G(x_k) − x_k and the differences ΔX, ΔF of the last few iterates, x_{k+1} = x_k + βf_k − (ΔX + βΔF)γ, γ the least-squares
//! solution of ΔF γ = f_k: for a linear G the method is GMRES, which needs a third of the plain iteration's steps here. Source:
//! Walker and Ni, SIAM J. Numer. Anal. 49 (2011) 1715.

use crate::error::{Error, Result};
use crate::linalg;
use crate::progress::{self, Step};
use std::collections::VecDeque;

/// Iterations after which it is given up.
const CAP: usize = 500;
/// Differences kept.
const DEPTH: usize = 5;

/// The slowest contraction that is told from none.
const SLOWEST: f64 = 0.99;

/// How a fixed point is approached, and what counts as reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Approach {
    /// To rounding, for maps of any kind: the relative change of an iteration is below 1e-10.
    Exact,
    /// For maps that contract: the bound on the relative error that is left, |G(x) − x| q/(1 − q), is below 1e-3, where q ≤ 0.99 is how much
    /// closer to each other the map has put the last two iterates, |G(x_k) − G(x_{k−1})|/|x_k − x_{k−1}|.
    Quick,
    /// The same below 2e-2.
    Guess,
}

impl Approach {
    /// What must be left at most.
    pub(crate) const fn tolerance(self) -> f64 {
        match self {
            Self::Exact => 1e-10,
            Self::Quick => 1e-3,
            Self::Guess => 2e-2,
        }
    }

    /// β, the share of G(x) − x that an iteration takes: 1 where G is known to contract.
    const fn damping(self) -> f64 {
        match self {
            Self::Exact => 0.6,
            Self::Quick | Self::Guess => 1.0,
        }
    }

    /// What is left after an iteration of a relative change, by a map that contracts by q.
    fn left(self, change: f64, contraction: f64) -> f64 {
        match self {
            Self::Exact => change,
            Self::Quick | Self::Guess => {
                let contraction = contraction.min(SLOWEST);
                change * contraction / (1.0 - contraction)
            }
        }
    }
}

/// What is solved for, and what helps where that fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought {
    pub(crate) name: &'static str,
    pub(crate) advice: &'static str,
}

impl Sought {
    /// The error of an iteration that has not come to its end.
    pub(crate) fn unsettled(self, iterations: usize, residual: f64, tolerance: f64) -> Error {
        let Self { name, advice } = self;
        Error::NotConverged { name, iterations, residual, tolerance, advice }
    }

    /// Tells whoever listens how far an iteration is.
    pub(crate) fn report(self, done: usize, change: f64, tolerance: f64) {
        progress::report(Step::Iteration { name: self.name, done, change, tolerance });
    }
}

/// G(x) of a fixed point's last iterate x, and what G made of it besides.
pub(crate) struct FixedPoint<T> {
    pub(crate) x: Vec<f64>,
    pub(crate) made: T,
}

/// Iterates from `x` until what is left is within the tolerance, in the norm Σ ρ |x| with the weights ρ = `mass`, relative to that of G(x).
///
/// Values that must not be negative (`positive`) fall back to the plain damped step where acceleration would make them so.
///
/// # Errors
/// Those of `map`; [`Error::NotConverged`] after 500 iterations.
pub(crate) fn solve<T>(
    sought: Sought,
    approach: Approach,
    mut x: Vec<f64>,
    mass: &[f64],
    positive: bool,
    mut map: impl FnMut(&[f64]) -> Result<(Vec<f64>, T)>,
) -> Result<FixedPoint<T>> {
    // The newest difference first: (x_k − x_{k−1}, f_k − f_{k−1}).
    let mut history: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::with_capacity(DEPTH);
    let mut last: Option<(Vec<f64>, Vec<f64>)> = None;
    let (mut left, mut contraction) = (f64::INFINITY, f64::INFINITY);
    for iteration in 0..CAP {
        let (next, made) = map(&x)?;
        if let Some((old_x, old_step)) = &last {
            let apart = |q: usize| x[q] - old_x[q];
            contraction = norm(mass, |q| apart(q) + next[q] - x[q] - old_step[q]) / norm(mass, apart);
        }
        let change = norm(mass, |q| next[q] - x[q]) / (f64::MIN_POSITIVE + norm(mass, |q| next[q]));
        left = approach.left(change, contraction);
        sought.report(iteration + 1, left, approach.tolerance());
        if left <= approach.tolerance() {
            return Ok(FixedPoint { x: next, made });
        }
        let step: Vec<f64> = next.iter().zip(&x).map(|(g, x)| g - x).collect();
        if let Some((old_x, old_step)) = last.take() {
            if history.len() == DEPTH {
                history.pop_back();
            }
            let difference = |a: &[f64], b: Vec<f64>| a.iter().zip(b).map(|(a, b)| a - b).collect();
            history.push_front((difference(&x, old_x), difference(&step, old_step)));
        }
        let mut ahead: Vec<f64> = x.iter().zip(&step).map(|(x, f)| x + approach.damping() * f).collect();
        if let Some(gamma) = least_squares(&history, &step, mass) {
            let mut moved = ahead.clone();
            for ((dx, df), gamma) in history.iter().zip(gamma) {
                for ((m, dx), df) in moved.iter_mut().zip(dx).zip(df) {
                    *m -= gamma * (dx + approach.damping() * df);
                }
            }
            if !positive || moved.iter().all(|m| *m >= 0.0) {
                ahead = moved;
            }
        }
        last = Some((std::mem::replace(&mut x, ahead), step));
    }
    Err(sought.unsettled(CAP, left, approach.tolerance()))
}

/// Σ ρ |value|, with the weights ρ = `mass`.
fn norm(mass: &[f64], value: impl Fn(usize) -> f64) -> f64 {
    mass.iter().enumerate().map(|(q, mass)| mass * value(q).abs()).sum()
}

/// γ that minimises |f − ΔF γ|² in the weights `mass`; none without history, or where its normal equations are singular.
fn least_squares(history: &VecDeque<(Vec<f64>, Vec<f64>)>, step: &[f64], mass: &[f64]) -> Option<Vec<f64>> {
    let n = history.len();
    if n == 0 {
        return None;
    }
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).zip(mass).map(|((a, b), m)| m * a * b).sum() };
    let mut normal = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            normal[i * n + j] = dot(&history[i].1, &history[j].1);
            normal[j * n + i] = normal[i * n + j];
        }
    }
    // Differences of a converging sequence are nearly parallel: a touch of ridge, relative to the smallest, keeps them apart.
    for i in 0..n {
        normal[i * n + i] *= 1.0 + 1e-12;
    }
    let mut gamma: Vec<f64> = history.iter().map(|(_, df)| dot(df, step)).collect();
    linalg::solve_spd("the normal equations of a fixed point", "", &normal, n, &mut gamma).ok()?;
    gamma.iter().all(|g| g.is_finite()).then_some(gamma)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: Sought = Sought { name: "a map", advice: "use a larger ridge" };

    #[test]
    fn limits_linear_and_nonlinear_maps() {
        // x = b + Lx with eigenvalues of L up to 0.95: the plain iteration needs 450 steps for ten digits.
        let rates = [0.95, 0.5, -0.4, 0.1];
        let mut calls = 0;
        let found = solve(TEST, Approach::Exact, vec![0.0; 4], &[0.25; 4], false, |x| {
            calls += 1;
            Ok((x.iter().zip(rates).map(|(x, r)| 1.0 + r * x).collect(), ()))
        });
        for (x, r) in found.unwrap().x.iter().zip(rates) {
            assert!((x * (1.0 - r) - 1.0).abs() < 1e-9, "{x} {r}");
        }
        assert!(calls < 20, "{calls}");
        // A decreasing map, whose undamped iteration oscillates for ever: x = 4/(0.1 + x).
        let root = -0.05 + (0.0025f64 + 4.0).sqrt();
        let found =
            solve(TEST, Approach::Exact, vec![0.0], &[1.0], true, |x| Ok((vec![4.0 / (0.1 + x[0])], ())))
                .unwrap();
        assert!((found.x[0] - root).abs() < 1e-9);
    }

    #[test]
    fn limits_the_error_that_is_left_is_bounded() {
        // Maps whose slowest direction contracts by q: a tolerance on the change alone would leave q/(1 − q) of it, 19 times at 0.95.
        for slowest in [0.2, 0.7, 0.95] {
            let rates = [slowest, 0.5 * slowest, 0.1 * slowest, 0.0];
            let found = solve(TEST, Approach::Quick, vec![0.0; 4], &[0.25; 4], true, |x| {
                Ok((x.iter().zip(rates).map(|(x, r)| 1.0 + r * x).collect(), ()))
            });
            let exact = rates.map(|r| 1.0 / (1.0 - r));
            let error: f64 = found.unwrap().x.iter().zip(exact).map(|(x, e)| (x - e).abs()).sum();
            assert!(error <= 1e-3 * exact.iter().sum::<f64>(), "{slowest}: {error}");
        }
        // A map that does not contract does not settle, however little it changes.
        let found = solve(TEST, Approach::Quick, vec![1.0], &[1.0], true, |x| Ok((vec![1.01 * x[0]], ())));
        assert!(matches!(found, Err(Error::NotConverged { iterations: CAP, .. })));
    }

    #[test]
    fn a_map_without_fixed_point_is_an_error() {
        let found = solve(TEST, Approach::Exact, vec![1.0], &[1.0], true, |x| Ok((vec![x[0] + 1.0], ())));
        let error = found.err().unwrap();
        assert!(matches!(error, Error::NotConverged { iterations: CAP, .. }));
        for said in ["a map", "500", "1.0e-10", "a larger ridge"] {
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
