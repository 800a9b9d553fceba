//! The naive estimator (Prop. 4.1): ŝ = s + √(κ/Δ) (s̃ − s), a proxy score drawn afresh at every step and state.
//!
//! s_avg = s and Cov[ŝ(z), ŝ(z')] = (κ/Δ) C(x, t) for z = z', 0 otherwise, with C = (α/σ²)² Γ and Δ the length of the step
//! from t: noise that is white in time and in state, of strength V = κ D C D per unit reversed time.

use super::{At, Law, PathCov, Response};
use crate::data::PointCloud;
use crate::error::{Error, Result};
use crate::schedule::Schedule;
use crate::score::{CovKind, ExactScore, ScoreField};
use std::sync::Arc;

/// Δ of the step that starts at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct StepLength(Steps);

#[derive(Debug, Clone, PartialEq)]
enum Steps {
    Fixed(f64),
    /// Times at which steps start, descending, with their lengths.
    Grid(Vec<(f64, f64)>),
}

impl StepLength {
    /// The same Δ everywhere.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless Δ is finite and above 0.
    pub fn fixed(step: f64) -> Result<Self> {
        if step.is_finite() && step > 0.0 {
            return Ok(Self(Steps::Fixed(step)));
        }
        Err(Error::OutOfRange { name: "step", value: step, expected: "a finite length above 0" })
    }

    /// Δ_k = t_k − t_{k+1} of a grid of step times from T down to ε, as [`Schedule::grid`] makes them; a time
    /// belongs to the nearest t_k.
    ///
    /// # Errors
    /// [`Error::Empty`] for fewer than two times; [`Error::OutOfRange`] for times that do not descend.
    pub fn on_grid(times: &[f64]) -> Result<Self> {
        if times.len() < 2 {
            return Err(Error::Empty { name: "the list of step times" });
        }
        let steps: Vec<(f64, f64)> = times.windows(2).map(|t| (t[0], t[0] - t[1])).collect();
        match steps.iter().find(|(_, step)| !(step.is_finite() && *step > 0.0)) {
            None => Ok(Self(Steps::Grid(steps))),
            Some((time, _)) => Err(Error::OutOfRange {
                name: "step times",
                value: *time,
                expected: "finite times in descending order",
            }),
        }
    }

    /// Δ at time t.
    pub fn at(&self, t: f64) -> f64 {
        match &self.0 {
            Steps::Fixed(step) => *step,
            Steps::Grid(steps) => {
                let after = steps.partition_point(|(time, _)| *time > t).min(steps.len() - 1);
                let before = after.saturating_sub(1);
                let nearer = if steps[before].0 - t < t - steps[after].0 { before } else { after };
                steps[nearer].1
            }
        }
    }
}

/// The naive estimator of a point cloud's score, for [`PathWise`](crate::dynamics::PathWise) sampling and for comparing
/// its V with others'; [`NaivePaths`](crate::dynamics::NaivePaths) samples its dynamics faster.
///
/// ```
/// use gtv_theory::law::{Naive, StepLength};
/// use gtv_theory::{At, Law, PointCloud, Schedule};
/// let (cloud, schedule) = (PointCloud::new(vec![-1.0, 1.0], 1)?, Schedule::paper(0.05)?);
/// let law = Naive::new(cloud, schedule, 0.1, StepLength::fixed(0.02)?)?;
/// let (z, nearby) = (At { x: &[0.0], t: 0.4 }, At { x: &[0.01], t: 0.4 });
/// // At x = 0 both data are as likely: Γ = 1, and Cov = (κ/Δ) (α/σ²)².
/// let want = 0.1 / 0.02 * (schedule.signal(0.4) / schedule.noise_var(0.4)).powi(2);
/// assert!((law.cov(z, z)[0] / want - 1.0).abs() < 1e-12);
/// assert_eq!(law.cov(z, nearby), [0.0]);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Naive {
    exact: Arc<ExactScore>,
    load: f64,
    step: StepLength,
}

impl Naive {
    /// The estimator with noise strength κ = `load` (units of time) in steps of the given length.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a κ that is negative or not finite.
    pub fn new(cloud: PointCloud, schedule: Schedule, load: f64, step: StepLength) -> Result<Self> {
        if !(load.is_finite() && load >= 0.0) {
            let expected = "a finite number, 0 or above";
            return Err(Error::OutOfRange { name: "load", value: load, expected });
        }
        Ok(Self { exact: Arc::new(ExactScore::new(cloud, schedule)), load, step })
    }

    /// (κ/Δ) C of each state, or (κ/Δ) Γ for the denoiser; NaN for a state that is not finite.
    fn equal_time(&self, response: Response, x: &[f64], t: f64, out: &mut [f64]) {
        let dim = self.exact.dim();
        // A diverged path must not spoil the others' evaluation.
        let finite: Vec<f64> = x.iter().map(|x| if x.is_finite() { *x } else { 0.0 }).collect();
        let strength = self.load / self.step.at(t);
        match self.exact.evaluate(&finite, t, CovKind::Full) {
            Ok(at) => {
                let cov = match response {
                    Response::Score => at.proxy_score_cov,
                    Response::Denoiser => at.posterior_cov,
                };
                out.iter_mut().zip(cov).for_each(|(o, c)| *o = strength * c);
            }
            Err(_) => out.fill(f64::NAN),
        }
        for (x, cov) in x.chunks_exact(dim).zip(out.chunks_exact_mut(dim * dim)) {
            if x.iter().any(|x| !x.is_finite()) {
                cov.fill(f64::NAN);
            }
        }
    }
}

impl Law for Naive {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        self.exact.clone()
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        let dim = self.exact.dim();
        let mut cov = vec![0.0; dim * dim];
        if z == other {
            self.equal_time(Response::Score, z.x, z.t, &mut cov);
        }
        cov
    }

    fn path_cov(&self, response: Response, _paths: usize, _points: usize) -> Box<dyn PathCov + '_> {
        Box::new(NaivePathCov { estimator: self, response })
    }
}

struct NaivePathCov<'a> {
    estimator: &'a Naive,
    response: Response,
}

impl PathCov for NaivePathCov<'_> {
    fn restart(&mut self) {}

    fn advance(&mut self, x: &[f64], t: f64, out: &mut [f64]) {
        self.estimator.equal_time(self.response, x, t, out);
    }

    fn is_white(&self) -> bool {
        true
    }
}
