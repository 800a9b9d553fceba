//! Ridge regression in a trained model's directions whose strength is matched to the generalisation gap: a second, cheaper predictor that
//! knows nothing of the optimiser's steps.
//!
//! Training lowers the loss on its own triples by what it fits of their pulls, gap = E L_fresh − E L_training = tr(φS)/P with φ = 1/(λ + γ),
//! which γ follows from. The gap is measured triple by triple against the true score on the same triples, whose own gap is 0 on average:
//! a control variate, without which labels' noise would drown it.

use super::solved::{Solved, fresh};
use super::statistics::Pulled;
use super::{Filter, OneRun};
use crate::error::{Error, Result};
use crate::problem::Triples;
use serde::{Deserialize, Serialize};

/// A measured gap, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct GapMatch {
    /// Fresh less training loss, E w|label − y|²/2, mean over anchors.
    pub gap: f64,
    /// Its standard error over triples.
    pub gap_se: f64,
    /// γ.
    pub ridge: f64,
    /// E w tr Var y.
    pub variance: f64,
    /// The same for a gap one standard error lower, where that is above 0, and higher.
    pub variance_range: (f64, f64),
}

impl OneRun {
    /// The learner with the ridge that has the anchors' own generalisation gap.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a gap that is not above 0: too few triples to measure it, or a model that has fitted nothing.
    pub fn matched_to_gap(&self) -> Result<(Self, GapMatch)> {
        if let Some(matched) = self.matched.get() {
            return Ok(matched.clone());
        }
        let matched = self.match_gap()?;
        Ok(self.matched.get_or_init(|| matched).clone())
    }

    fn match_gap(&self) -> Result<(Self, GapMatch)> {
        let count = self.anchors.len() as f64;
        let (mut gap, mut square) = (0.0, 0.0);
        let new = fresh(&self.problem, self.spec.fresh);
        let exact = self.exact_residuals(&new);
        for anchor in &self.anchors {
            let own = anchor.known_triples()?.as_ref();
            let (fresh, fresh_se) = self.excess(anchor, &new, &exact);
            let (own, own_se) = self.excess(anchor, own, &self.exact_residuals(own));
            gap += (fresh - own) / count;
            square += (fresh_se * fresh_se + own_se * own_se) / (count * count);
        }
        let gap_se = square.sqrt();
        if gap.is_nan() || gap <= 0.0 {
            let expected =
                "a number above 0; the gap is lost in its own noise: use \"one-run\", or more theory.anchors";
            return Err(Error::OutOfRange { name: "the generalisation gap", value: gap, expected });
        }
        let ridge = self.ridge_of(gap);
        let low = if gap > gap_se { self.ridge_variance(self.ridge_of(gap - gap_se)) } else { 0.0 };
        let range = (low, self.ridge_variance(self.ridge_of(gap + gap_se)));
        let found =
            GapMatch { gap, gap_se, ridge, variance: self.ridge_variance(ridge), variance_range: range };
        let (anchors, measured) = (self.anchors.clone(), self.measured.clone());
        let learner = Self::solve(&self.problem, anchors, measured, Filter::Ridge(ridge), self.spec)?;
        Ok((learner, found))
    }

    /// ρ of the true score.
    fn exact_residuals(&self, triples: &Triples) -> Vec<f64> {
        Pulled::residuals_of(&self.problem, self.problem.exact().as_ref(), triples)
    }

    /// Mean and standard error of a model's loss on triples less that of the true score, of residuals `exact`.
    fn excess(&self, anchor: &super::Anchor, triples: &Triples, exact: &[f64]) -> (f64, f64) {
        let own = Pulled::residuals_of(&self.problem, anchor.model.field().as_ref(), triples);
        let dim = self.problem.dim();
        let half = |r: &[f64]| 0.5 * r.iter().map(|r| r * r).sum::<f64>();
        let pairs = own.chunks_exact(dim).zip(exact.chunks_exact(dim));
        let differences: Vec<f64> = pairs.map(|(a, b)| half(a) - half(b)).collect();
        let n = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, (variance / n).sqrt())
    }

    /// Mean over anchors of a sum over modes (λ, S_ii).
    fn over_modes(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        let sum = |solved: &Solved| solved.modes.iter().map(|(value, pull)| of(*value, *pull)).sum::<f64>();
        self.solved.iter().map(|s| sum(s)).sum::<f64>() / self.solved.len() as f64
    }

    /// γ with tr(φS)/P = gap.
    fn ridge_of(&self, gap: f64) -> f64 {
        let samples = self.problem.samples() as f64;
        let of = |log: f64| self.over_modes(|value, pull| pull / (value + log.exp())) / samples - gap;
        // Beyond these ends nothing is learned, or everything.
        let (mut low, mut high) = (-40.0f64, 40.0f64);
        while high - low > 1e-9 {
            let middle = 0.5 * (low + high);
            if of(middle) > 0.0 { low = middle } else { high = middle }
        }
        (0.5 * (low + high)).exp()
    }

    /// E w tr Var y = tr(Λ φSφ)/P of a ridge.
    fn ridge_variance(&self, ridge: f64) -> f64 {
        let samples = self.problem.samples() as f64;
        self.over_modes(|value, pull| value * pull / (value + ridge).powi(2)) / samples
    }
}
