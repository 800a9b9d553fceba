//! What an optimiser makes of a quadratic loss, mode by mode: its unrolled filter.
//!
//! Along a mode of curvature λ the deviation θ of one training from another obeys, for step k with the gradient
//! g = (λ + γ) θ − u_k, u_k what pulls at it,
//!
//! m ← p m + q g,  θ ← (1 − η_k d) θ − η_k s_k m,  a ← ω_k a + (1 − ω_k) θ,
//!
//! gradient descent: p = 0, q = s = 1; momentum: p = μ, q = s = 1; Adam with frozen second moments, in their metric: p = β₁,
//! q = 1 − β₁, s_k = 1/(1 − β₁^{k+1}); d is decoupled weight decay, γ a penalty, a the running average that is kept in place of θ where
//! there is one. All of it is linear: the end is Σ_k c_k u_k + ι θ₀, and φ = Σ_k c_k is the end under a steady unit pull. One pass
//! backwards through the steps has every c_k.

use crate::error::{Error, Result};

/// The update rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum UpdateRule {
    /// θ ← θ − η g.
    Descent,
    /// b ← μ b + g, θ ← θ − η b.
    Momentum {
        /// μ.
        share: f64,
    },
    /// m ← β₁ m + (1 − β₁) g, θ ← θ − η m/(1 − β₁^k), in the metric of the second moments.
    Adam {
        /// β₁.
        decay: f64,
    },
}

/// More of a deviation than it started with, by this factor, is left by no training that ended.
const GROWN: f64 = 10.0;

/// The steps of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    rule: UpdateRule,
    /// η_k.
    rates: Vec<f64>,
    /// ω_k, where an average is kept.
    average: Option<Vec<f64>>,
}

/// A mode of the loss, in the optimiser's metric.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Curvature {
    /// λ + γ, of the loss with its penalty.
    pub loss: f64,
    /// d, of decoupled weight decay.
    pub decay: f64,
}

/// What becomes of a mode.
#[derive(Debug, Clone, PartialEq)]
pub struct Unrolled {
    /// φ, the end under a steady unit pull.
    pub end: f64,
    /// c_k, the end after a unit pull at step k alone.
    pub kicks: Vec<f64>,
    /// ι, what is left of a unit deviation at the start.
    pub start: f64,
}

impl Course {
    /// Steps of given rates η_k by a rule.
    ///
    /// # Errors
    /// No steps; a rate that is negative or not finite; μ or β₁ outside [0, 1).
    pub fn new(rule: UpdateRule, rates: Vec<f64>) -> Result<Self> {
        if rates.is_empty() {
            return Err(Error::Empty { name: "the steps of a training" });
        }
        if let Some(&value) = rates.iter().find(|r| !(r.is_finite() && **r >= 0.0)) {
            return Err(Error::OutOfRange { name: "rate", value, expected: "a finite number, 0 or above" });
        }
        let share = match rule {
            UpdateRule::Descent => 0.0,
            UpdateRule::Momentum { share } => share,
            UpdateRule::Adam { decay } => decay,
        };
        if !(0.0..1.0).contains(&share) {
            let expected = "at least 0 and below 1";
            return Err(Error::OutOfRange { name: "momentum", value: share, expected });
        }
        Ok(Self { rule, rates, average: None })
    }

    /// The same steps, of which a running average with the weights ω_k of the past is kept.
    ///
    /// # Errors
    /// Another number of weights than of steps; a weight outside [0, 1].
    pub fn averaged(self, past: Vec<f64>) -> Result<Self> {
        crate::error::check_len("the weights of a running average", self.rates.len(), past.len())?;
        if let Some(&value) = past.iter().find(|w| !(0.0..=1.0).contains(*w)) {
            return Err(Error::OutOfRange { name: "average", value, expected: "between 0 and 1" });
        }
        Ok(Self { average: Some(past), ..self })
    }

    /// K, the number of steps.
    pub fn steps(&self) -> usize {
        self.rates.len()
    }

    /// (p, q, s_k) of the recursion.
    fn step(&self, k: usize) -> (f64, f64, f64) {
        match self.rule {
            UpdateRule::Descent => (0.0, 1.0, 1.0),
            UpdateRule::Momentum { share } => (share, 1.0, 1.0),
            UpdateRule::Adam { decay } => (decay, 1.0 - decay, 1.0 / (1.0 - decay.powf(k as f64 + 1.0))),
        }
    }

    /// What becomes of a mode.
    ///
    /// # Errors
    /// [`Error::Unstable`] where the steps are too long for the curvature: the optimiser could not have ended there.
    ///
    /// ```
    /// use gtv_theory::learner::{Course, Curvature, UpdateRule};
    /// let course = Course::new(UpdateRule::Descent, vec![0.1; 30])?;
    /// let mode = course.unroll(Curvature { loss: 2.0, decay: 0.0 })?;
    /// // Gradient descent leaves (1 − ηλ)^K of the start, and has learned the rest.
    /// assert!((mode.start - 0.8f64.powi(30)).abs() < 1e-15);
    /// assert!((2.0 * mode.end - (1.0 - mode.start)).abs() < 1e-14);
    /// # Ok::<(), gtv_theory::Error>(())
    /// ```
    pub fn unroll(&self, mode: Curvature) -> Result<Unrolled> {
        let mut kicks = vec![0.0; self.steps()];
        // How the end depends on θ, m and a after the step in hand.
        let (mut on_value, mut on_mean, mut on_average) =
            if self.average.is_some() { (0.0, 0.0, 1.0) } else { (1.0, 0.0, 0.0) };
        for k in (0..self.steps()).rev() {
            let ((p, q, s), rate) = (self.step(k), self.rates[k]);
            let past = self.average.as_ref().map_or(1.0, |past| past[k]);
            let through = on_value + on_average * (1.0 - past);
            let gradient = on_mean - rate * s * through;
            kicks[k] = -gradient * q;
            on_value = (1.0 - rate * mode.decay) * through + gradient * q * mode.loss;
            on_mean = p * gradient;
            on_average *= past;
        }
        let (end, start) = (kicks.iter().sum::<f64>(), on_value + on_average);
        if !(end.is_finite() && start.abs() <= GROWN) {
            return Err(Error::Unstable { curvature: mode.loss });
        }
        Ok(Unrolled { end, kicks, start })
    }
}

/// How the triples of a step are picked: B of P, each once in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passes {
    /// B.
    pub batch: usize,
    /// P.
    pub samples: usize,
}

impl Passes {
    /// Cov of the ends over the choice of batches, for a unit covariance of single triples' pulls, n × n:
    /// Σ_k c_k c_kᵀ/B − Σ_e C_e C_eᵀ/P with C_e = Σ_{k in pass e} c_k, because what a pass has drawn it does not draw again.
    pub fn noise(self, modes: &[Unrolled]) -> Vec<f64> {
        let (n, steps) = (modes.len(), modes.first().map_or(0, |m| m.kicks.len()));
        let each = (self.samples / self.batch).max(1);
        let passes = steps.div_ceil(each);
        let kicks: Vec<f64> = modes.iter().flat_map(|m| m.kicks.iter().copied()).collect();
        let sums: Vec<f64> =
            modes.iter().flat_map(|m| m.kicks.chunks(each).map(|c| c.iter().sum::<f64>())).collect();
        let (mut noise, mut held) = (vec![0.0; n * n], vec![0.0; n * n]);
        crate::linalg::gemm_nt(n, n, steps, &kicks, &kicks, &mut noise);
        crate::linalg::gemm_nt(n, n, passes, &sums, &sums, &mut held);
        let (batch, samples) = (self.batch as f64, self.samples as f64);
        noise.iter_mut().zip(held).for_each(|(a, b)| *a = *a / batch - b / samples);
        noise
    }
}
