//! What a model is regressed on: y, of which the score is an affine function, ŝ = a_t y + b_t x, with weight w_t.

use crate::error::{Error, Result};
use crate::schedule::Schedule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The objective of denoising score matching, (1/P) Σ_n w_n/2 |y_n − ŷ_n|² with w_t = λ_t a_t² and ŷ = skip_t x + out_t F.
///
/// ```
/// use gtv_theory::{Objective, Preconditioning, Schedule};
/// let (schedule, t) = (Schedule::paper(0.05)?, 0.4);
/// // A denoiser under the weight σ² of the score: w = α²/σ².
/// let want = schedule.signal(t).powi(2) / schedule.noise_var(t);
/// assert!((Objective::default().target_weight(&schedule, t) / want - 1.0).abs() < 1e-14);
/// let edm = Objective { preconditioning: Preconditioning::Edm { data_std: 0.8 }, ..Objective::default() };
/// assert!(edm.skip(&schedule, t) > 0.0 && Objective::default().skip(&schedule, t) == 0.0);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Objective {
    /// What y is.
    pub prediction: Prediction,
    /// λ_t.
    pub weight: LossWeight,
    /// η: the label is (1 − η)·(target of x0) + η·(its conditional mean): 0 is DSM (J1), 1 trains on the true score (J0).
    pub target_mix: f64,
    /// skip_t, out_t and c_in. A linear model has no out_t: it belongs in its features.
    pub preconditioning: Preconditioning,
}

impl Objective {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] naming the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.target_mix) {
            let expected = "between 0 (proxy) and 1 (true score)";
            return Err(Error::OutOfRange { name: "target", value: self.target_mix, expected });
        }
        self.preconditioning.validate()
    }

    /// (a_t, b_t) in ŝ = a_t y + b_t x.
    pub fn score_coefficients(&self, schedule: &Schedule, t: f64) -> (f64, f64) {
        self.prediction.score_coefficients(schedule, t)
    }

    /// (skip_t, out_t) in y = skip_t x + out_t F.
    pub fn output_coefficients(&self, schedule: &Schedule, t: f64) -> (f64, f64) {
        self.preconditioning.output_coefficients(self.prediction, schedule, t)
    }

    /// skip_t.
    pub fn skip(&self, schedule: &Schedule, t: f64) -> f64 {
        self.output_coefficients(schedule, t).0
    }

    /// (c_t, d_t − skip_t) in c_t x0 + (d_t − skip_t) x = y − skip_t x, what out_t F is fitted to.
    pub fn label_coefficients(&self, schedule: &Schedule, t: f64) -> (f64, f64) {
        let (on_x0, on_x) = self.prediction.target_coefficients(schedule, t);
        (on_x0, on_x - self.skip(schedule, t))
    }

    /// w_t, the weight of y's squared error.
    pub fn target_weight(&self, schedule: &Schedule, t: f64) -> f64 {
        self.weight.of_target(schedule, self.prediction, t)
    }
}

/// The prediction type: the target y for a training triple (x0, t, x = α x0 + σ n).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Prediction {
    /// y = s̃ = (α x0 − x)/σ², the proxy score itself.
    Score,
    /// y = x0.
    #[default]
    Denoiser,
    /// y = n = (x − α x0)/σ.
    Noise,
    /// y = α' x0 + σ' n = −βx − D s̃, the velocity of the probability flow (n − x0 for the flow schedule).
    Velocity,
}

impl Prediction {
    /// (a_t, b_t) in ŝ = a_t y + b_t x.
    pub fn score_coefficients(self, schedule: &Schedule, t: f64) -> (f64, f64) {
        match self {
            Self::Score => (1.0, 0.0),
            Self::Denoiser => {
                let var = schedule.noise_var(t);
                (schedule.signal(t) / var, -1.0 / var)
            }
            Self::Noise => (-1.0 / schedule.noise_std(t), 0.0),
            Self::Velocity => {
                let diffusion = schedule.diffusion(t);
                (-1.0 / diffusion, -schedule.drift_rate(t) / diffusion)
            }
        }
    }

    /// (c_t, d_t) in y = c_t x0 + d_t x, the target of a training triple.
    ///
    /// Being affine in x0, the target's conditional mean and covariance given (x, t) are c m + d x and c² Γ.
    pub fn target_coefficients(self, schedule: &Schedule, t: f64) -> (f64, f64) {
        // s̃ = (α/σ²) x0 − x/σ² = a y + b x.
        let (a, b) = self.score_coefficients(schedule, t);
        let var = schedule.noise_var(t);
        match self {
            Self::Denoiser => (1.0, 0.0),
            _ => (schedule.signal(t) / var / a, (-1.0 / var - b) / a),
        }
    }
}

/// λ_t, the weight of the score's squared error at time t; on y it becomes w_t = λ_t a_t².
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LossWeight {
    /// λ = σ² (the paper's; w = α²/σ² for a denoiser, 1 for a noise predictor).
    #[default]
    NoiseVar,
    /// λ = 1.
    Unit,
    /// λ = 2D = G², the maximum-likelihood weight.
    Likelihood,
}

impl LossWeight {
    /// λ_t.
    pub fn of_score(self, schedule: &Schedule, t: f64) -> f64 {
        match self {
            Self::NoiseVar => schedule.noise_var(t),
            Self::Unit => 1.0,
            Self::Likelihood => 2.0 * schedule.diffusion(t),
        }
    }

    /// w_t = λ_t a_t².
    pub fn of_target(self, schedule: &Schedule, prediction: Prediction, t: f64) -> f64 {
        let (a, _) = prediction.score_coefficients(schedule, t);
        self.of_score(schedule, t) * a * a
    }
}

/// How a network F is put around its target: y = skip_t x + out_t F(c_in x, t) (Karras et al. 2022, Table 1).
///
/// Keeps the inputs, the outputs and the effective targets of F of size one at every time. The label of F is
/// (y − skip x)/out, and its squared error has weight w out².
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Preconditioning {
    /// skip = 0, out = 1, c_in = 1.
    #[default]
    None,
    /// For data of standard deviation σ_d in each coordinate: with v = α² σ_d² + σ², c_in = 1/√v, and the denoiser has
    /// skip = α σ_d²/v, out = σ σ_d/√v; other predictions follow from y = c x0 + d x.
    Edm {
        /// σ_d.
        data_std: f64,
    },
}

impl Preconditioning {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a σ_d that is not positive.
    pub fn validate(self) -> Result<()> {
        match self {
            Self::Edm { data_std } if !(data_std.is_finite() && data_std > 0.0) => {
                let expected = "a finite number above 0";
                Err(Error::OutOfRange { name: "data_std", value: data_std, expected })
            }
            _ => Ok(()),
        }
    }

    /// c_in(t).
    pub fn input_scale(self, schedule: &Schedule, t: f64) -> f64 {
        match self {
            Self::None => 1.0,
            Self::Edm { data_std } => 1.0 / marginal_var(schedule, t, data_std).sqrt(),
        }
    }

    /// (skip_t, out_t) in y = skip_t x + out_t F.
    pub fn output_coefficients(self, prediction: Prediction, schedule: &Schedule, t: f64) -> (f64, f64) {
        match self {
            Self::None => (0.0, 1.0),
            Self::Edm { data_std } => {
                let (c, d) = prediction.target_coefficients(schedule, t);
                let var = marginal_var(schedule, t, data_std);
                let skip = schedule.signal(t) * data_std * data_std / var;
                (c * skip + d, c * schedule.noise_std(t) * data_std / var.sqrt())
            }
        }
    }
}

/// α² σ_d² + σ².
fn marginal_var(schedule: &Schedule, t: f64, data_std: f64) -> f64 {
    (schedule.signal(t) * data_std).powi(2) + schedule.noise_var(t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::ScheduleKind;

    #[test]
    fn identities_preconditioned_labels_have_unit_size() {
        // x0 ~ N(0, σ_d²): inputs and labels of F have variance 1 at every time, uncorrelated with each other.
        let s = Schedule::paper(0.01).unwrap();
        let data_std = 0.6;
        let pre = Preconditioning::Edm { data_std };
        for prediction in [Prediction::Score, Prediction::Denoiser, Prediction::Noise, Prediction::Velocity] {
            for t in [0.01, 0.2, 0.9] {
                let (alpha, sigma) = (s.signal(t), s.noise_std(t));
                let (skip, out) = pre.output_coefficients(prediction, &s, t);
                let (c, d) = prediction.target_coefficients(&s, t);
                // y − skip x = (c + (d − skip) α) x0 + (d − skip) σ n.
                let (on_x0, on_n) = ((c + (d - skip) * alpha) * data_std, (d - skip) * sigma);
                assert!(
                    ((on_x0 * on_x0 + on_n * on_n) / (out * out) - 1.0).abs() < 1e-9,
                    "{prediction:?} {t}"
                );
                let with_x = on_x0 * alpha * data_std + on_n * sigma;
                assert!(with_x.abs() < 1e-9 * out.abs(), "{prediction:?} {t}");
                let c_in = pre.input_scale(&s, t);
                assert!(
                    (c_in * c_in * (alpha * alpha * data_std * data_std + sigma * sigma) - 1.0).abs() < 1e-12
                );
            }
        }
        assert!(Preconditioning::Edm { data_std: 0.0 }.validate().is_err());
    }

    #[test]
    fn identities_every_target_gives_the_proxy_score() {
        for kind in [ScheduleKind::PAPER, ScheduleKind::Edm, ScheduleKind::Flow, ScheduleKind::Sqrt] {
            let s = Schedule::new(kind, 0.01, 0.9).unwrap();
            let (t, x0, n) = (0.4, 0.7, -1.3);
            let (alpha, sigma) = (s.signal(t), s.noise_std(t));
            let x = alpha * x0 + sigma * n;
            for p in [Prediction::Score, Prediction::Denoiser, Prediction::Noise, Prediction::Velocity] {
                let (a, b) = p.score_coefficients(&s, t);
                let (c, d) = p.target_coefficients(&s, t);
                assert!((a * (c * x0 + d * x) + b * x + n / sigma).abs() < 1e-11, "{kind:?} {p:?}");
            }
            let (c, d) = Prediction::Noise.target_coefficients(&s, t);
            assert!((c * x0 + d * x - n).abs() < 1e-12);
        }
        let flow = Schedule::new(ScheduleKind::Flow, 0.01, 0.9).unwrap();
        let (c, d) = Prediction::Velocity.target_coefficients(&flow, 0.4);
        assert!((c * 0.7 + d * (0.6 * 0.7 + 0.4 * -1.3) - (-1.3 - 0.7)).abs() < 1e-12, "n - x0");
    }

    #[test]
    fn paper_weight_is_the_snr() {
        let s = Schedule::paper(0.01).unwrap();
        let w = LossWeight::NoiseVar.of_target(&s, Prediction::Denoiser, 0.3);
        assert!((w * s.noise_var(0.3) / s.signal(0.3).powi(2) - 1.0).abs() < 1e-14);
    }
}
