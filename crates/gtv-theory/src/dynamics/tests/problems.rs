//! Test problems that carry their exact answers.

use crate::data::PointCloud;
use crate::schedule::{Schedule, ScheduleKind};
use crate::score::{ExactScore, ScoreField};

/// Data N(μ, c² I): p(x|t) = N(αμ, v I), v = α²c² + σ², s = −(x − αμ)/v, m = μ + (αc²/v)(x − αμ).
///
/// The probability flow carries x_T to α μ + √(v/v_T) (x_T − α_T μ), because it keeps a Gaussian's quantiles.
pub struct Gaussian {
    pub schedule: Schedule,
    pub mean: Vec<f64>,
    pub std: f64,
}

impl Gaussian {
    pub fn new(schedule: Schedule) -> Self {
        Self { schedule, mean: vec![0.8, -0.3], std: 0.5 }
    }

    pub fn var(&self, t: f64) -> f64 {
        (self.schedule.signal(t) * self.std).powi(2) + self.schedule.noise_var(t)
    }

    pub fn exact_flow(&self, start: &[f64]) -> Vec<f64> {
        let (t0, t1) = (self.schedule.t_max(), self.schedule.t_min());
        let ratio = (self.var(t1) / self.var(t0)).sqrt();
        let (a0, a1) = (self.schedule.signal(t0), self.schedule.signal(t1));
        let means = self.mean.iter().cycle();
        start.iter().zip(means).map(|(x, m)| a1 * m + ratio * (x - a0 * m)).collect()
    }
}

impl ScoreField for Gaussian {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let (signal, var) = (self.schedule.signal(t), self.var(t));
        for ((o, x), m) in out.iter_mut().zip(x).zip(self.mean.iter().cycle()) {
            *o = -(x - signal * m) / var;
        }
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let signal = self.schedule.signal(t);
        let gain = signal * self.std * self.std / self.var(t);
        for ((o, x), m) in out.iter_mut().zip(x).zip(self.mean.iter().cycle()) {
            *o = m + gain * (x - signal * m);
        }
    }
}

/// The exact score of equally likely points on a line.
pub fn points(schedule: Schedule, points: &[f64]) -> ExactScore {
    ExactScore::new(PointCloud::new(points.to_vec(), 1).unwrap(), schedule)
}

/// Every kind of schedule over a range where all of them are regular.
pub fn all_schedules(t_min: f64, t_max: f64) -> Vec<Schedule> {
    [
        ScheduleKind::PAPER,
        ScheduleKind::VpCosine { offset: 0.008 },
        ScheduleKind::Ve { sigma_min: 0.05, sigma_max: 5.0 },
        ScheduleKind::Edm,
        ScheduleKind::Sqrt,
        ScheduleKind::Flow,
    ]
    .into_iter()
    .map(|kind| Schedule::new(kind, t_min, t_max).unwrap())
    .collect()
}

/// Least-squares slope of ln(error) against ln(step).
pub fn fitted_order(steps: &[usize], errors: &[f64]) -> f64 {
    let n = steps.len() as f64;
    let points: Vec<(f64, f64)> =
        steps.iter().zip(errors).map(|(k, e)| (-(*k as f64).ln(), e.ln())).collect();
    let (mx, my) = points.iter().fold((0.0, 0.0), |a, p| (a.0 + p.0 / n, a.1 + p.1 / n));
    let (sxy, sxx) =
        points.iter().fold((0.0, 0.0), |a, p| (a.0 + (p.0 - mx) * (p.1 - my), a.1 + (p.0 - mx).powi(2)));
    sxy / sxx
}

/// Largest absolute difference.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
