//! Log-likelihood of a field's own distribution by the instantaneous change of variables.
//!
//! The flow of [`PfOde`](super::PfOde) in the coordinates y = x/σ, θ = α/σ is dy/dθ = m(σy, t), so that along a path
//! d ln q(y)/dθ = −div_y m = −σ div_x m. A state x at t is carried up to T, where q = N(0, σ_T² I), and
//!
//! ln q(x, t) = ln N(y_T; 0, I) − ∫_{θ_T}^{θ_t} σ div_x m dθ − D ln σ_t.
//!
//! Where the divergence is estimated (Hutchinson: vᵀ(∂m/∂x)v, v of random signs), each v gives a value of its own along the same
//! path; their mean is the estimate, and their spread its standard error. Source: Song et al. (2021), section 4.3.

use super::adaptive::{Adaptive, Stop};
use super::steppers::{DOPRI5, Ode, Stages};
use crate::error::{Error, Result, check_finite, check_len};
use crate::rng::{Purpose, Streams};
use crate::schedule::Schedule;
use crate::score::ScoreField;
use rand::RngExt;
use rayon::prelude::*;
use std::f64::consts::{LN_2, TAU};

/// How div m is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Divergence {
    /// By the field itself: in closed form, or from derivatives along every axis.
    Exact,
    /// From derivatives along so many directions of random signs, the same along a whole path.
    Hutchinson {
        /// Directions, at least 2.
        directions: usize,
        /// Where they come from.
        streams: Streams,
    },
}

/// The largest dimension in which every axis is asked.
pub const MOST_EXACT: usize = 64;
/// Directions of the estimate above it.
const DIRECTIONS: usize = 16;
/// Most points that are carried together, for a field whose calls cost more than their work.
const TOGETHER: usize = 1024;

impl Divergence {
    /// Exact up to D = 64, Hutchinson's estimate above.
    pub fn in_dimension(dim: usize, streams: Streams) -> Self {
        if dim <= MOST_EXACT { Self::Exact } else { Self::Hutchinson { directions: DIRECTIONS, streams } }
    }
}

/// The log-likelihood of one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogLikelihood {
    /// ln q(x, t), in nats; NaN where the path did not arrive.
    pub nats: f64,
    /// Standard error of an estimated divergence; 0 for an exact one.
    pub standard_error: f64,
}

/// Nats of a point as bits per dimension, −ln q/(D ln 2).
pub fn bits_per_dimension(nats: f64, dim: usize) -> f64 {
    -nats / (dim as f64 * LN_2)
}

/// ln (1/K) Σ_k e^{l_k}, the log-likelihood under the average of K laws, with its standard error over them; no error for K = 1.
pub fn log_mean_exp(logs: &[f64]) -> (f64, f64) {
    let (count, most) = (logs.len() as f64, logs.iter().fold(f64::NEG_INFINITY, |m, l| m.max(*l)));
    let shares: Vec<f64> = logs.iter().map(|l| (l - most).exp()).collect();
    let mean = shares.iter().sum::<f64>() / count;
    let variance = shares.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / (count - 1.0);
    let error = if logs.len() > 1 { (variance / count).sqrt() / mean } else { f64::NAN };
    (most + mean.ln(), error)
}

/// The distribution that a field's flow makes of N(0, σ_T² I).
///
/// ```
/// use gtv_theory::dynamics::{Divergence, Likelihood};
/// use gtv_theory::{ExactScore, PointCloud, Schedule};
/// // The exact score of one datum makes N(μ α_ε, σ_ε²), but for what is left of μ at T.
/// let schedule = Schedule::paper(0.1)?;
/// let field = ExactScore::new(PointCloud::new(vec![0.5], 1)?, schedule);
/// let found = Likelihood::new(&field, Divergence::Exact).at(&[0.6], &[0.1])?[0].nats;
/// let (mean, var) = (0.5 * schedule.signal(0.1), schedule.noise_var(0.1));
/// let exact = -0.5 * (0.6 - mean).powi(2) / var - 0.5 * (std::f64::consts::TAU * var).ln();
/// assert!((found - exact).abs() < 1e-4);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug)]
pub struct Likelihood<'a, F: ?Sized> {
    field: &'a F,
    divergence: Divergence,
    control: Adaptive,
}

impl<'a, F: ScoreField + ?Sized> Likelihood<'a, F> {
    /// The law of a field, integrated to about 1e-6 nats.
    pub fn new(field: &'a F, divergence: Divergence) -> Self {
        Self { field, divergence, control: Adaptive { rtol: 1e-7, atol: 1e-7, max_steps: 100_000 } }
    }

    /// The same with another tolerance of each step, relative and absolute (of y and of nats).
    pub fn with_tolerance(self, tolerance: f64) -> Self {
        Self { control: Adaptive { rtol: tolerance, atol: tolerance, ..self.control }, ..self }
    }

    /// ln q(x_i, t_i) of every point, in parallel; points of a field that asks for [several chunks](ScoreField::chunks_a_call) a call
    /// are carried together, so that their errors have the tolerance as a root mean square.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n, in [ε, T].
    ///
    /// # Errors
    /// Points that are not finite or not whole, times outside [ε, T], fewer than 2 directions.
    pub fn at(&self, x: &[f64], t: &[f64]) -> Result<Vec<LogLikelihood>> {
        let (dim, schedule) = (self.field.dim(), self.field.schedule());
        check_len("points of a likelihood (D values each)", t.len() * dim, x.len())?;
        check_finite("points of a likelihood", x, dim)?;
        let (t_min, t_max) = (schedule.t_min(), schedule.t_max());
        if let Some(&value) = t.iter().find(|t| !(t_min..=t_max).contains(*t)) {
            return Err(Error::OutOfRange { name: "t", value, expected: "a time from t_min to t_max" });
        }
        if let Divergence::Hutchinson { directions: 0 | 1, .. } = self.divergence {
            let expected = "at least 2, to have a standard error";
            return Err(Error::OutOfRange { name: "directions", value: 1.0, expected });
        }
        // Points that are carried together share the time that they start from.
        let mut order: Vec<usize> = (0..t.len()).collect();
        order.sort_by(|i, j| t[*i].total_cmp(&t[*j]));
        let most = if self.field.chunks_a_call() > 1 { TOGETHER } else { 1 };
        let batches: Vec<&[usize]> =
            order.chunk_by(|i, j| t[*i] == t[*j]).flat_map(|same| same.chunks(most)).collect();
        let carried: Vec<Vec<LogLikelihood>> =
            batches.par_iter().map(|batch| self.carry(batch, x, t[batch[0]])).collect();
        let mut found = vec![LogLikelihood { nats: f64::NAN, standard_error: f64::NAN }; t.len()];
        batches.iter().zip(carried).for_each(|(batch, values)| {
            batch.iter().zip(values).for_each(|(i, value)| found[*i] = value);
        });
        Ok(found)
    }

    /// ln q of the points of a batch at one time; where one of several does not arrive, of each half by itself.
    fn carry(&self, batch: &[usize], x: &[f64], t: f64) -> Vec<LogLikelihood> {
        match self.together(batch, x, t) {
            Some(found) => found,
            None if batch.len() == 1 => vec![LogLikelihood { nats: f64::NAN, standard_error: f64::NAN }],
            None => {
                let (first, second) = batch.split_at(batch.len() / 2);
                [self.carry(first, x, t), self.carry(second, x, t)].concat()
            }
        }
    }

    /// The same by one integration, whose error is the root mean square over the points; `None` where it does not arrive.
    fn together(&self, batch: &[usize], x: &[f64], t: f64) -> Option<Vec<LogLikelihood>> {
        let (dim, schedule) = (self.field.dim(), self.field.schedule());
        let directions: Vec<f64> = match self.divergence {
            Divergence::Exact => Vec::new(),
            Divergence::Hutchinson { directions, streams } => {
                let signs = |index: &usize| {
                    let mut rng = streams.named("likelihood").stream(Purpose::Probe, *index as u64, 0);
                    let sign = move |_| if rng.random::<bool>() { 1.0 } else { -1.0 };
                    (0..directions * dim).map(sign).collect::<Vec<f64>>()
                };
                batch.iter().flat_map(signs).collect()
            }
        };
        let states = batch.len() * dim;
        let values = (directions.len() / states).max(1);
        let std = schedule.noise_std(t);
        let starts = batch.iter().flat_map(|i| &x[i * dim..(i + 1) * dim]).map(|x| x / std);
        let mut z: Vec<f64> = starts.chain(std::iter::repeat_n(0.0, batch.len() * values)).collect();
        let mut flow =
            Carried { field: self.field, schedule, from: t, directions: &directions, x: vec![0.0; states] };
        let (start, end) = (theta(schedule, t), theta(schedule, schedule.t_max()));
        let mut work = Stages::new(&DOPRI5, z.len());
        const FIRST: f64 = 1e-3;
        let run = self.control.integrate(&mut flow, start, end, FIRST * (start - end), &mut z, &mut work);
        if run.stop != Stop::Done {
            return None;
        }
        let (y, sums) = z.split_at(states);
        let size = dim as f64;
        let of_one = |(y, sums): (&[f64], &[f64])| {
            // The sums ran downwards, so that each is minus the integral.
            let start = -0.5 * y.iter().map(|y| y * y).sum::<f64>() - 0.5 * size * TAU.ln() - size * std.ln();
            let count = sums.len() as f64;
            let mean = sums.iter().sum::<f64>() / count;
            let variance = sums.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / (count - 1.0).max(1.0);
            LogLikelihood { nats: start + mean, standard_error: (variance / count).sqrt() }
        };
        Some(y.chunks_exact(dim).zip(sums.chunks_exact(values)).map(of_one).collect())
    }
}

fn theta(schedule: &Schedule, t: f64) -> f64 {
    schedule.signal(t) / schedule.noise_std(t)
}

/// Paths with their sums of σ div m: z = (all y, all sums).
struct Carried<'a, F: ?Sized> {
    field: &'a F,
    schedule: &'a Schedule,
    /// Where the paths begin.
    from: f64,
    /// K × D for each path; none where the divergence is exact.
    directions: &'a [f64],
    /// n × D.
    x: Vec<f64>,
}

impl<F: ScoreField + ?Sized> Ode for Carried<'_, F> {
    fn rhs(&mut self, s: f64, z: &[f64], dz: &mut [f64]) {
        let dim = self.field.dim();
        // Both ends are exact: inverting would lose α = 0.
        let t = match s {
            s if s <= theta(self.schedule, self.schedule.t_max()) => self.schedule.t_max(),
            s if s >= theta(self.schedule, self.from) => self.from,
            s => self.schedule.time_at_log_snr(2.0 * s.ln()).clamp(self.from, self.schedule.t_max()),
        };
        let std = self.schedule.noise_std(t);
        self.x.iter_mut().zip(z).for_each(|(x, y)| *x = std * y);
        let (mean, sums) = dz.split_at_mut(self.x.len());
        self.field.denoiser_into(&self.x, t, mean);
        if self.directions.is_empty() {
            self.field.denoiser_divergence_into(&self.x, t, sums);
        } else {
            let values = self.directions.len() / self.x.len();
            let rows: Vec<f64> = self.x.chunks_exact(dim).flat_map(|x| x.repeat(values)).collect();
            let mut images = vec![0.0; self.directions.len()];
            self.field.denoiser_derivative_into(&rows, t, self.directions, &mut images);
            let pairs = self.directions.chunks_exact(dim).zip(images.chunks_exact(dim));
            for (sum, (v, image)) in sums.iter_mut().zip(pairs) {
                *sum = v.iter().zip(image).map(|(v, j)| v * j).sum();
            }
        }
        sums.iter_mut().for_each(|sum| *sum *= std);
    }
}
