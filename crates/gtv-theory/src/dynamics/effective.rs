//! Effective dynamics of the naive estimator (Prop. 4.1): x ← x + Δ(βx + D s) + √(κΔ) D (s̃ − s), s̃ − s = (α/σ²)(x0 − m).
//!
//! x0 ~ p(x0 | x, t) is drawn afresh at every step; its limit Δ → 0 is the Itô equation with noise covariance κ D C D per unit
//! reversed time, C = (α/σ²)² Γ. Both steps have the form x' = a x + g (m + √(κ/Δ) ξ) with E ξ = 0, Cov ξ = Γ: the
//! time form has a = 1 + Δ(β − D/σ²), g = ΔDα/σ²; the denoiser form a = σ'/σ, g = α' − α σ'/σ (DDIM).

use super::driver::{Progress, Samples, Tally, count_diverged, run_paths};
use super::ito::{DiagonalNoise, ItoSde};
use super::sampling::{Form, Sampling, start_centre};
use crate::data::PointCloud;
use crate::error::{Error, Result};
use crate::rng::{ChaCha8Rng, Purpose, Streams};
use crate::schedule::Schedule;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// The law of ξ in a step; both have mean 0 and covariance Γ, hence the same limit Δ → 0.
///
/// Euler–Maruyama has weak order 1. The posterior's third cumulant adds (κΔ)^{3/2} to each step of the interleaved scheme,
/// and so an error of order √Δ to averages. It is small for small κ; at κ = 1 and some hundred steps it is most of the error of E x².
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NaiveNoise {
    /// ξ = x0 − m with x0 drawn from the posterior: the interleaved scheme of Prop. 4.1.
    #[default]
    Posterior,
    /// ξ ~ N(0, Γ): Euler–Maruyama for the limiting Itô equation.
    Gaussian,
}

/// Posterior weights w_m(x, t) ∝ π_m exp(−‖x − αμ_m‖²/2σ²) and the mean they give, for one state.
struct Posterior<'a> {
    cloud: &'a PointCloud,
    log_prior: Vec<f64>,
    weights: Vec<f64>,
    mean: Vec<f64>,
}

impl<'a> Posterior<'a> {
    fn new(cloud: &'a PointCloud) -> Self {
        let log_prior = cloud.weights().iter().map(|w| w.ln()).collect();
        Self { cloud, log_prior, weights: vec![0.0; cloud.len()], mean: vec![0.0; cloud.dim()] }
    }

    fn update(&mut self, x: &[f64], signal: f64, var: f64) {
        let points = self.cloud.points().chunks_exact(self.cloud.dim());
        let mut largest = f64::NEG_INFINITY;
        for ((w, point), prior) in self.weights.iter_mut().zip(points.clone()).zip(&self.log_prior) {
            let square: f64 = x.iter().zip(point).map(|(x, p)| (x - signal * p).powi(2)).sum();
            *w = prior - square / (2.0 * var);
            largest = largest.max(*w);
        }
        let mut total = 0.0;
        for w in &mut self.weights {
            *w = (*w - largest).exp();
            total += *w;
        }
        self.mean.fill(0.0);
        for (w, point) in self.weights.iter_mut().zip(points) {
            *w /= total;
            for (m, p) in self.mean.iter_mut().zip(point) {
                *m += *w * p;
            }
        }
    }

    /// ξ ← x0 − m, x0 from the posterior.
    fn draw_point(&self, rng: &mut ChaCha8Rng, noise: &mut [f64]) {
        let (u, mut sum) = (rng.random::<f64>(), 0.0);
        let last = self.weights.len() - 1;
        let below = |w: &f64| {
            sum += w;
            u < sum
        };
        let point = self.cloud.point(self.weights.iter().position(below).unwrap_or(last));
        for ((o, p), m) in noise.iter_mut().zip(point).zip(&self.mean) {
            *o = p - m;
        }
    }

    /// ξ ~ N(0, Γ): in one dimension √Γ n, else Σ √w_m (μ_m − m) n_m, which needs no factor of Γ and stays exactly in the
    /// span of the data.
    fn draw_gaussian(&self, rng: &mut ChaCha8Rng, noise: &mut [f64]) {
        if let [single] = noise {
            let n: f64 = StandardNormal.sample(rng);
            *single = self.variance().sqrt() * n;
            return;
        }
        noise.fill(0.0);
        for (w, point) in self.weights.iter().zip(self.cloud.points().chunks_exact(self.cloud.dim())) {
            let n: f64 = StandardNormal.sample(rng);
            let scale = w.sqrt() * n;
            for ((o, p), m) in noise.iter_mut().zip(point).zip(&self.mean) {
                *o += scale * (p - m);
            }
        }
    }

    /// Γ in one dimension.
    fn variance(&self) -> f64 {
        let mean = self.mean[0];
        self.weights.iter().zip(self.cloud.points()).map(|(w, p)| w * (p - mean) * (p - mean)).sum()
    }
}

fn check_load(load: f64) -> Result<()> {
    if load.is_finite() && load >= 0.0 {
        return Ok(());
    }
    Err(Error::OutOfRange { name: "load", value: load, expected: "a finite number, 0 or above" })
}

/// A sampler of the naive estimator's effective dynamics on a point cloud, in any dimension.
#[derive(Debug)]
pub struct NaivePaths<'a> {
    cloud: &'a PointCloud,
    schedule: &'a Schedule,
    load: f64,
    noise: NaiveNoise,
    form: Form,
    times: Vec<f64>,
    centre: Vec<f64>,
}

impl<'a> NaivePaths<'a> {
    /// A sampler with noise strength κ = `load` (units of time), starting from N(0, σ_T² I).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a negative κ; as [`Sampling::euler_times`].
    pub fn new(
        cloud: &'a PointCloud,
        schedule: &'a Schedule,
        load: f64,
        noise: NaiveNoise,
        settings: &Sampling,
    ) -> Result<Self> {
        check_load(load)?;
        let times = settings.euler_times(schedule)?;
        Ok(Self { cloud, schedule, load, noise, form: settings.form, times, centre: vec![0.0; cloud.dim()] })
    }

    /// Starts from N(α_T `mean`, σ_T² I) instead.
    ///
    /// # Errors
    /// A `mean` that does not have D finite values.
    pub fn starting_around(mut self, mean: &[f64]) -> Result<Self> {
        self.centre = start_centre(self.schedule, self.cloud.dim(), mean)?;
        Ok(self)
    }

    /// Samples `paths` paths in parallel; chunk c's noise comes from the stream (`PathNoise`, `member`, c).
    pub fn sample(&self, paths: usize, streams: Streams, member: u64, progress: Progress) -> Samples {
        let dim = self.cloud.dim();
        let scale = self.schedule.noise_std(self.schedule.t_max());
        let workspace = || (Posterior::new(self.cloud), vec![0.0; dim]);
        run_paths(paths, &self.centre, scale, (streams, member), progress, workspace, |work, chunk, x| {
            let mut rng = streams.stream(Purpose::PathNoise, member, chunk);
            for times in self.times.windows(2) {
                self.step(times[0], times[1], x, &mut rng, work);
            }
            Tally { diverged: count_diverged(x, dim), exhausted: 0 }
        })
    }

    fn step(
        &self,
        from: f64,
        to: f64,
        x: &mut [f64],
        rng: &mut ChaCha8Rng,
        (posterior, noise): &mut (Posterior, Vec<f64>),
    ) {
        let (s, h) = (self.schedule, from - to);
        let (signal, var) = (s.signal(from), s.noise_var(from));
        let (keep, gain) = match self.form {
            Form::Time => {
                let rate = s.diffusion(from) / var;
                (1.0 + h * (s.drift_rate(from) - rate), h * rate * signal)
            }
            Form::Denoiser => {
                let ratio = s.noise_std(to) / var.sqrt();
                (ratio, s.signal(to) - signal * ratio)
            }
        };
        let strength = (self.load / h).sqrt();
        for row in x.chunks_exact_mut(self.cloud.dim()) {
            posterior.update(row, signal, var);
            match self.noise {
                NaiveNoise::Posterior => posterior.draw_point(rng, noise),
                NaiveNoise::Gaussian => posterior.draw_gaussian(rng, noise),
            }
            for ((x, m), xi) in row.iter_mut().zip(&posterior.mean).zip(&*noise) {
                *x = keep * *x + gain * (m + strength * xi);
            }
        }
    }
}

/// The limiting Itô equation in one dimension, dx = −(βx + D s) dt + √κ D √C dW with t decreasing, for
/// [`ItoStepper`](super::ItoStepper)s.
pub struct NaiveSde<'a> {
    posterior: Posterior<'a>,
    schedule: &'a Schedule,
    load: f64,
}

impl<'a> NaiveSde<'a> {
    /// The equation with noise strength κ = `load`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a negative κ; [`Error::Unsupported`] for data that are not one-dimensional.
    pub fn new(cloud: &'a PointCloud, schedule: &'a Schedule, load: f64) -> Result<Self> {
        check_load(load)?;
        if cloud.dim() != 1 {
            return Err(Error::Unsupported {
                what: "the naive estimator's equation for data in more than one dimension",
                reason: "its noise is not diagonal there",
                advice: "sample it with NaivePaths",
            });
        }
        Ok(Self { posterior: Posterior::new(cloud), schedule, load })
    }

    /// Velocity βx + D s and spread κ D² C of the reversed time, at one state.
    pub fn coefficients(&mut self, t: f64, x: f64) -> (f64, f64) {
        let s = self.schedule;
        let (signal, var, diffusion) = (s.signal(t), s.noise_var(t), s.diffusion(t));
        self.posterior.update(&[x], signal, var);
        let score = (signal * self.posterior.mean[0] - x) / var;
        let slope = diffusion * signal / var;
        (s.drift_rate(t) * x + diffusion * score, self.load * slope * slope * self.posterior.variance())
    }
}

impl ItoSde for NaiveSde<'_> {
    fn drift(&mut self, t: f64, x: &[f64], out: &mut [f64]) {
        for (o, x) in out.iter_mut().zip(x) {
            *o = -self.coefficients(t, *x).0;
        }
    }

    fn apply_noise(&mut self, t: f64, x: &[f64], dw: &[f64], out: &mut [f64]) {
        for ((o, x), dw) in out.iter_mut().zip(x).zip(dw) {
            *o = self.coefficients(t, *x).1.sqrt() * dw;
        }
    }
}

impl DiagonalNoise for NaiveSde<'_> {}
