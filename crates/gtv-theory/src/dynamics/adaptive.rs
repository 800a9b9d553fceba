//! Step-size control of one path: h ← h · 0.9 · e^{−0.17} e_prev^{0.04}, e = rms((z − ẑ)/(atol + rtol |z|)).
//!
//! Dormand–Prince 5(4) with Hairer's PI controller. A path is controlled by its own error alone, so that what a path
//! does never depends on which others are sampled with it. Source: Hairer, Wanner, "Solving Ordinary
//! Differential Equations II", section IV.2.

use super::steppers::{DOPRI5, Ode, Stages};

/// Tolerances of an adaptive integration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adaptive {
    /// Relative tolerance of a step's error.
    pub rtol: f64,
    /// Absolute tolerance of a step's error, in units of x.
    pub atol: f64,
    /// Steps tried, accepted or not, before a path is given up.
    pub max_steps: usize,
}

/// How an adaptive integration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The end was reached.
    Done,
    /// The state or its slope is no longer finite.
    Diverged,
    /// `max_steps` were used up, or the step shrank to rounding.
    Exhausted,
}

/// What an adaptive integration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdaptiveRun {
    /// Why it ended.
    pub stop: Stop,
    /// Steps whose error was within tolerance.
    pub accepted: usize,
    /// Steps that were tried again with a smaller size.
    pub rejected: usize,
}

const SAFETY: f64 = 0.9;
const PREVIOUS_EXPONENT: f64 = 0.04;
const EXPONENT: f64 = 0.2 - 0.75 * PREVIOUS_EXPONENT;
const SHRINK: f64 = 0.2;
const GROW: f64 = 10.0;

impl Adaptive {
    /// Integrates one path from `start` to `end` in place, with a first step of size |`first`|.
    ///
    /// `work` must have been made for [`DOPRI5`] and at least `z.len()` values.
    pub fn integrate<O: Ode + ?Sized>(
        &self,
        ode: &mut O,
        start: f64,
        end: f64,
        first: f64,
        z: &mut [f64],
        work: &mut Stages,
    ) -> AdaptiveRun {
        let mut run = AdaptiveRun { stop: Stop::Done, accepted: 0, rejected: 0 };
        let (n, direction, last) = (z.len(), (end - start).signum(), DOPRI5.nodes.len() - 1);
        let (mut s, mut h, mut previous, mut growth) = (start, direction * first.abs(), 1e-4f64, GROW);
        let mut overflowed = false;
        ode.rhs(s, z, &mut work.slopes[0][..n]);
        if work.slopes[0][..n].iter().chain(z.iter()).any(|v| !v.is_finite()) {
            run.stop = Stop::Diverged;
            return run;
        }
        while (end - s) * direction > 0.0 {
            if run.accepted + run.rejected == self.max_steps || s + h == s {
                run.stop = if overflowed { Stop::Diverged } else { Stop::Exhausted };
                return run;
            }
            // A last step a little longer than planned avoids a sliver of a step after it.
            let lands = (s + 1.01 * h - end) * direction >= 0.0;
            if lands {
                h = end - s;
            }
            DOPRI5.slopes(ode, s, h, z, work, 1);
            // The last stage is evaluated at the new state itself, which `work.state` therefore holds.
            let error = self.error(ode.unit(s + h), h, z, work);
            overflowed = !error.is_finite();
            if error <= 1.0 {
                run.accepted += 1;
                s = if lands { end } else { s + h };
                z.copy_from_slice(&work.state[..n]);
                work.slopes.swap(0, last);
                let factor = SAFETY * error.max(1e-10).powf(-EXPONENT) * previous.powf(PREVIOUS_EXPONENT);
                h *= factor.clamp(SHRINK, growth);
                (previous, growth) = (error.max(1e-4), GROW);
            } else {
                // Also the branch of a NaN: an overflow inside the step may be the step's fault alone.
                run.rejected += 1;
                let factor = SAFETY * error.powf(-EXPONENT);
                h *= if factor.is_finite() { factor.clamp(SHRINK, 1.0) } else { SHRINK };
                growth = 1.0;
            }
        }
        run
    }

    /// rms over coordinates of the embedded error against its tolerance; NaN when the step overflowed.
    fn error(&self, unit: f64, h: f64, z: &[f64], work: &Stages) -> f64 {
        let n = z.len();
        let sum: f64 = (0..n)
            .map(|i| {
                let e: f64 = DOPRI5.error.iter().zip(&work.slopes).map(|(c, k)| c * k[i]).sum();
                let size = z[i].abs().max(work.state[i].abs());
                let ratio = unit * h * e / (self.atol + self.rtol * unit * size);
                ratio * ratio
            })
            .sum();
        (sum / n as f64).sqrt()
    }
}
