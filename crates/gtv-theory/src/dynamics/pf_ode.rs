//! Probability-flow ODE: dx/dt = −β_t x − D_t s(x, t) from x_T ~ N(α_T c, σ_T² I) down to ε.
//!
//! With y = x/σ and θ = α/σ the same flow is dy/dθ = m(x, t), the denoiser: from dσ/dt = −βσ + D/σ,
//! d(x/σ)/dt = −D (s + x/σ²)/σ = −D α m/σ³, and dθ/dt = −D α/σ³. A constant m, which is what discrete data
//! have at early and at late times, then gives a straight line that every method follows exactly.

use super::adaptive::{Adaptive, Stop};
use super::driver::{CHUNK, Progress, Samples, Tally, count_diverged, draw_initial, run_together};
use super::flow::{Answer, FlowOde};
use super::sampling::{Integrator, Sampling, start_centre};
use super::steppers::{Ode, Stages};
use crate::error::Result;
use crate::rng::{Purpose, Streams};
use crate::score::{ScoreField, Trail};
use std::ops::Range;

/// A sampler of the probability-flow ODE of one score field.
///
/// ```
/// # use gtv_theory::{Schedule, ScoreField};
/// use gtv_theory::dynamics::{Form, PfOde, Sampling, unobserved};
/// use gtv_theory::rng::Streams;
/// # struct OnePoint(Schedule);
/// # impl ScoreField for OnePoint {
/// #     fn dim(&self) -> usize { 1 }
/// #     fn schedule(&self) -> &Schedule { &self.0 }
/// #     fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
/// #         for (o, x) in out.iter_mut().zip(x) { *o = (self.0.signal(t) * 2.0 - x) / self.0.noise_var(t); }
/// #     }
/// # }
/// // The score of a single datum at 2: everything lands within a few σ_ε = 0.015 of it.
/// let field = OnePoint(Schedule::paper(1e-3)?);
/// let settings = Sampling { form: Form::Denoiser, ..Sampling::default() };
/// let samples = PfOde::new(&field, &settings)?.sample(100, Streams::new(1), 0, &unobserved);
/// assert!(samples.x.iter().all(|x| (x - 2.0).abs() < 0.1));
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug)]
pub struct PfOde<'a, F: ScoreField + ?Sized> {
    field: &'a F,
    settings: Sampling,
    times: Vec<f64>,
    centre: Vec<f64>,
}

/// Scratch arrays of one thread's integration.
#[derive(Debug, Clone)]
pub struct PfWorkspace {
    stages: Stages,
    state: Vec<f64>,
}

impl<'a, F: ScoreField + ?Sized> PfOde<'a, F> {
    /// A sampler that starts from N(0, σ_T² I).
    ///
    /// # Errors
    /// As [`Sampling::times`].
    pub fn new(field: &'a F, settings: &Sampling) -> Result<Self> {
        let times = settings.times(field.schedule())?;
        Ok(Self { field, settings: *settings, times, centre: vec![0.0; field.dim()] })
    }

    /// Starts from N(α_T `mean`, σ_T² I) instead, which matters where α_T is not small.
    ///
    /// # Errors
    /// A `mean` that does not have D finite values.
    pub fn starting_around(mut self, mean: &[f64]) -> Result<Self> {
        self.centre = start_centre(self.field.schedule(), self.field.dim(), mean)?;
        Ok(self)
    }

    /// The step times, from T down to ε.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// Scratch arrays for [`PfOde::transport`], one per thread.
    pub fn workspace(&self) -> PfWorkspace {
        let len = self.batch() * self.field.dim();
        PfWorkspace { stages: Stages::new(self.settings.integrator.tableau(), len), state: vec![0.0; len] }
    }

    /// What the field answers along the way of some rows.
    fn answer(&self) -> impl Answer {
        let (form, mut trail) = (self.settings.form, Trail::default());
        move |x: &[f64], t: f64, out: &mut [f64]| form.answer(self.field, x, t, out, &mut trail)
    }

    /// Rows integrated together; each adaptive path has its own steps.
    fn batch(&self) -> usize {
        if self.settings.integrator == Integrator::Dopri5 { 1 } else { CHUNK * self.field.chunks_a_call() }
    }

    /// Carries given states from T to ε in place, on the calling thread: the map F(x_T). Rows that fail become NaN.
    ///
    /// # Shapes
    /// `x`: n × D.
    pub fn transport(&self, x: &mut [f64], work: &mut PfWorkspace) -> Tally {
        let mut tally = Tally::default();
        for rows in x.chunks_mut(self.batch() * self.field.dim()) {
            let form = self.settings.form;
            let mut system =
                FlowOde { answer: self.answer(), schedule: self.field.schedule(), form, x: &mut work.state };
            system.enter(rows);
            let stop = self.integrate(&mut system, 0..self.times.len() - 1, rows, &mut work.stages);
            system.leave(rows);
            if stop == Stop::Exhausted {
                rows.fill(f64::NAN);
                tally.exhausted += 1;
            } else {
                tally.diverged += count_diverged(rows, self.field.dim());
            }
        }
        tally
    }

    /// The states of one path at the step times, from T to ε; adaptive steps end at each.
    ///
    /// # Shapes
    /// `start`: D; the result: times × D.
    pub fn path(&self, start: &[f64]) -> Vec<f64> {
        let PfWorkspace { mut stages, mut state } = self.workspace();
        let form = self.settings.form;
        let mut system =
            FlowOde { answer: self.answer(), schedule: self.field.schedule(), form, x: &mut state };
        let (mut z, mut path) = (start.to_vec(), start.to_vec());
        system.enter(&mut z);
        for times in self.times.windows(2) {
            let (s, end) = (system.coordinate(times[0]), system.coordinate(times[1]));
            self.step(&mut system, (s, end), &mut z, &mut stages);
            let unit = system.unit(end);
            path.extend(z.iter().map(|z| unit * z));
        }
        path
    }

    /// From s to `end`, in one step or in as many as an adaptive method takes; NaN where it fails.
    fn step<A: Answer>(
        &self,
        system: &mut FlowOde<A>,
        (s, end): (f64, f64),
        z: &mut [f64],
        stages: &mut Stages,
    ) {
        let Sampling { integrator, rtol, atol, max_steps, .. } = self.settings;
        if integrator == Integrator::Dopri5 {
            let run = Adaptive { rtol, atol, max_steps }.integrate(system, s, end, end - s, z, stages);
            if run.stop != Stop::Done {
                z.fill(f64::NAN);
            }
        } else {
            integrator.tableau().step(system, s, end - s, z, stages);
        }
    }

    /// The states of the first paths of [`PfOde::sample`] at some of the step times, on the calling thread: a list of n × D
    /// for each of `at`, which holds increasing indices of [`PfOde::times`]. `chunk`: which [`CHUNK`] paths, of which the first
    /// `paths`. Paths that fail are not finite from then on.
    pub fn record(
        &self,
        paths: usize,
        chunk: u64,
        (streams, member): (Streams, u64),
        at: &[usize],
    ) -> Vec<Vec<f64>> {
        let schedule = self.field.schedule();
        let mut x = vec![0.0; paths.min(CHUNK) * self.field.dim()];
        let scale = schedule.noise_std(schedule.t_max());
        draw_initial(&mut streams.stream(Purpose::Initial, member, chunk), &self.centre, scale, &mut x);
        let (mut work, form) = (self.workspace(), self.settings.form);
        let mut seen: Vec<Vec<f64>> = at.iter().map(|_| Vec::with_capacity(x.len())).collect();
        for rows in x.chunks_mut(self.batch() * self.field.dim()) {
            let mut system = FlowOde { answer: self.answer(), schedule, form, x: &mut work.state };
            system.enter(rows);
            let mut from = 0;
            for (k, seen) in at.iter().zip(&mut seen) {
                self.integrate(&mut system, from..*k, rows, &mut work.stages);
                let first = seen.len();
                seen.extend_from_slice(rows);
                system.leave_at(self.times[*k], &mut seen[first..]);
                from = *k;
            }
        }
        seen
    }

    /// Integrates over a range of steps.
    fn integrate<A: Answer>(
        &self,
        system: &mut FlowOde<A>,
        steps: Range<usize>,
        z: &mut [f64],
        stages: &mut Stages,
    ) -> Stop {
        let coordinate = |k: usize| system.coordinate(self.times[k]);
        if steps.is_empty() {
            return Stop::Done;
        }
        if self.settings.integrator == Integrator::Dopri5 {
            let (start, end) = (coordinate(steps.start), coordinate(steps.end));
            let first = coordinate(steps.start + 1) - start;
            let Sampling { rtol, atol, max_steps, .. } = self.settings;
            let control = Adaptive { rtol, atol, max_steps };
            let run = control.integrate(system, start, end, first, z, stages);
            if run.stop == Stop::Diverged {
                z.fill(f64::NAN);
            }
            return run.stop;
        }
        for times in self.times[steps.start..=steps.end].windows(2) {
            let (s, end) = (system.coordinate(times[0]), system.coordinate(times[1]));
            self.settings.integrator.tableau().step(system, s, end - s, z, stages);
        }
        Stop::Done
    }

    /// Samples `paths` paths of model `member` in parallel.
    pub fn sample(&self, paths: usize, streams: Streams, member: u64, progress: Progress) -> Samples {
        let schedule = self.field.schedule();
        let scale = schedule.noise_std(schedule.t_max());
        let (workspace, transport) =
            (|| self.workspace(), |w: &mut _, _, x: &mut [f64]| self.transport(x, w));
        let (chunks, from) = (self.field.chunks_a_call(), (streams, member));
        run_together(chunks, paths, &self.centre, scale, from, progress, workspace, transport)
    }
}
