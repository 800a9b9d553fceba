//! What a model predicts: y = a regression target of which the score is an affine function, ŝ = a_t y + b_t x.

use crate::schedule::Schedule;
use serde::{Deserialize, Serialize};

/// The prediction type: the target y for a training triple (x0, t, x = α x0 + σ n).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::ScheduleKind;

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
