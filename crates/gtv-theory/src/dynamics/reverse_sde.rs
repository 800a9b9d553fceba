//! Reverse SDE: dx = [−β_t x − 2 D_t s(x, t)] dt + √(2 D_t) dW̄ from x_T down to ε.
//!
//! It has the same marginals as the probability-flow ODE, by another route: fresh noise at every step. In the time form
//! it is stepped by Euler–Maruyama. In the denoiser form each step is exact for a constant m (ancestral sampling):
//! with a = α/α', b² = σ² − a² σ'², x' = (a σ'²/σ²) x + (α' b²/σ²) m + (b σ'/σ) n, primes at the step's end.

use super::driver::{CHUNK, Progress, Samples, Tally, count_diverged, run_paths};
use super::ito::{EulerMaruyama, ItoSde, ItoStepper, ItoWorkspace, draw_increments};
use super::sampling::{Form, Sampling, start_centre};
use crate::error::Result;
use crate::rng::{ChaCha8Rng, Purpose, Streams};
use crate::score::{ScoreField, Trail};
use rand_distr::{Distribution, StandardNormal};

/// A sampler of the reverse SDE of one score field.
#[derive(Debug)]
pub struct ReverseSde<'a, F: ScoreField + ?Sized> {
    field: &'a F,
    form: Form,
    times: Vec<f64>,
    centre: Vec<f64>,
}

impl<'a, F: ScoreField + ?Sized> ReverseSde<'a, F> {
    /// A sampler that starts from N(0, σ_T² I).
    ///
    /// # Errors
    /// As [`Sampling::euler_times`].
    pub fn new(field: &'a F, settings: &Sampling) -> Result<Self> {
        let times = settings.euler_times(field.schedule())?;
        Ok(Self { field, form: settings.form, times, centre: vec![0.0; field.dim()] })
    }

    /// Starts from N(α_T `mean`, σ_T² I) instead.
    ///
    /// # Errors
    /// A `mean` that does not have D finite values.
    pub fn starting_around(mut self, mean: &[f64]) -> Result<Self> {
        self.centre = start_centre(self.field.schedule(), self.field.dim(), mean)?;
        Ok(self)
    }

    /// Samples `paths` paths in parallel; chunk c's noise comes from the stream (`PathNoise`, `member`, c).
    pub fn sample(&self, paths: usize, streams: Streams, member: u64, progress: Progress) -> Samples {
        let schedule = self.field.schedule();
        let scale = schedule.noise_std(schedule.t_max());
        let dim = self.field.dim();
        let workspace = || (ItoWorkspace::new(CHUNK * dim), vec![0.0; CHUNK * dim]);
        run_paths(paths, &self.centre, scale, (streams, member), progress, workspace, |work, chunk, x| {
            let mut rng = streams.stream(Purpose::PathNoise, member, chunk);
            let mut trail = Trail::default();
            for times in self.times.windows(2) {
                match self.form {
                    Form::Time => {
                        let (h, dw) = (times[1] - times[0], &mut work.1[..x.len()]);
                        draw_increments(&mut rng, h, dw);
                        let mut reverse = Reverse(self.field, &mut trail);
                        EulerMaruyama.step(&mut reverse, times[0], h, dw, x, &mut work.0);
                    }
                    Form::Denoiser => {
                        let (from, to) = (times[0], times[1]);
                        self.field.denoiser_along(x, from, &mut work.1[..x.len()], &mut trail);
                        self.ancestral_step(from, to, x, &mut rng, &work.1);
                    }
                }
            }
            Tally { diverged: count_diverged(x, dim), exhausted: 0 }
        })
    }

    /// From the denoiser's `mean` at x.
    fn ancestral_step(&self, from: f64, to: f64, x: &mut [f64], rng: &mut ChaCha8Rng, mean: &[f64]) {
        let schedule = self.field.schedule();
        let (var, var_to) = (schedule.noise_var(from), schedule.noise_var(to));
        let signal_to = schedule.signal(to);
        let ratio = schedule.signal(from) / signal_to;
        let fresh = var - ratio * ratio * var_to;
        let (keep, pull) = (ratio * var_to / var, signal_to * fresh / var);
        let scale = (fresh * var_to / var).sqrt();
        for (x, m) in x.iter_mut().zip(mean) {
            let n: f64 = StandardNormal.sample(rng);
            *x = keep * *x + pull * m + scale * n;
        }
    }
}

struct Reverse<'a, F: ScoreField + ?Sized>(&'a F, &'a mut Trail);

impl<F: ScoreField + ?Sized> ItoSde for Reverse<'_, F> {
    fn drift(&mut self, t: f64, x: &[f64], out: &mut [f64]) {
        let schedule = self.0.schedule();
        let (rate, diffusion) = (schedule.drift_rate(t), schedule.diffusion(t));
        self.0.score_along(x, t, out, self.1);
        for (o, x) in out.iter_mut().zip(x) {
            *o = -(rate * x + 2.0 * diffusion * *o);
        }
    }

    fn apply_noise(&mut self, t: f64, _x: &[f64], dw: &[f64], out: &mut [f64]) {
        let scale = (2.0 * self.0.schedule().diffusion(t)).sqrt();
        for (o, dw) in out.iter_mut().zip(dw) {
            *o = scale * dw;
        }
    }
}
