//! Effective dynamics (Prop. 3.1) for any two-point V: dx/dt = −βx − D s_avg + ξ, the noise drawn along each path.
//!
//! At step k the Gaussian ξ(x_k, t_k) is drawn given the path's earlier ones. Then x advances by the Euler step of the probability
//! flow with ŝ = s_avg + ξ_s (m̂ = m_avg + ξ_m in the denoiser form). Paths have exactly the law that a whole field, drawn
//! anew for every path, would give them. Only Cov[ŝ(z), ŝ(z')] at the path's own points is needed, so V may have any rank.

use super::conditioning::Sequence;
use super::driver::{Progress, Samples, Tally, count_diverged, run_paths};
use super::flow::FlowOde;
use super::sampling::{Form, Sampling, start_centre};
use super::steppers::{EULER, Stages};
use crate::error::Result;
use crate::law::{Law, PathCov, Response};
use crate::rng::{ChaCha8Rng, Purpose, Streams};
use crate::score::{ScoreField, Trail};
use std::sync::Arc;

/// Paths that advance together, small enough that their factors and features stay in cache. It is part of every
/// saved result, since it orders the noise.
const BLOCK: usize = 32;

/// A sampler of a law's effective dynamics, in which each path has its own draw of the noise.
///
/// ```
/// use gtv_theory::dynamics::{PathWise, Sampling, unobserved};
/// use gtv_theory::law::{Naive, StepLength};
/// use gtv_theory::rng::Streams;
/// use gtv_theory::{PointCloud, Schedule};
/// let (cloud, schedule) = (PointCloud::new(vec![-1.0, 1.0], 1)?, Schedule::paper(0.01)?);
/// let settings = Sampling::default();
/// let step = StepLength::on_grid(&settings.times(&schedule)?)?;
/// let naive = Naive::new(cloud, schedule, 0.1, step)?;
/// let samples = PathWise::new(&naive, &settings)?.sample(100, Streams::new(1), 0, &unobserved);
/// assert_eq!(samples.len(), 100);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub struct PathWise<'a, E: Law + ?Sized> {
    estimator: &'a E,
    mean: Arc<dyn ScoreField>,
    form: Form,
    times: Vec<f64>,
    centre: Vec<f64>,
}

/// One thread's scratch.
struct Work<'a> {
    cov: Box<dyn PathCov + 'a>,
    blocks: Vec<f64>,
    sequences: Vec<Sequence>,
    stages: Stages,
    state: Vec<f64>,
}

impl<'a, E: Law + ?Sized> PathWise<'a, E> {
    /// A sampler that starts from N(0, σ_T² I).
    ///
    /// # Errors
    /// As [`Sampling::euler_times`].
    pub fn new(estimator: &'a E, settings: &Sampling) -> Result<Self> {
        let mean = estimator.mean_score();
        let times = settings.euler_times(mean.schedule())?;
        let centre = vec![0.0; mean.dim()];
        Ok(Self { estimator, mean, form: settings.form, times, centre })
    }

    /// Starts from N(α_T `mean`, σ_T² I) instead.
    ///
    /// # Errors
    /// A `mean` that does not have D finite values.
    pub fn starting_around(mut self, mean: &[f64]) -> Result<Self> {
        self.centre = start_centre(self.mean.schedule(), self.mean.dim(), mean)?;
        Ok(self)
    }

    /// The step times, from T down to ε.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// Samples `paths` paths in parallel; chunk c's noise comes from the stream (`PathNoise`, `member`, c).
    pub fn sample(&self, paths: usize, streams: Streams, member: u64, progress: Progress) -> Samples {
        let dim = self.mean.dim();
        let schedule = self.mean.schedule();
        let scale = schedule.noise_std(schedule.t_max());
        let workspace = || self.workspace();
        run_paths(paths, &self.centre, scale, (streams, member), progress, workspace, |work, chunk, x| {
            let mut rng = streams.stream(Purpose::PathNoise, member, chunk);
            for rows in x.chunks_mut(BLOCK * dim) {
                self.transport(rows, &mut rng, work);
            }
            Tally { diverged: count_diverged(x, dim), exhausted: 0 }
        })
    }

    fn workspace(&self) -> Work<'_> {
        let (dim, steps) = (self.mean.dim(), self.times.len() - 1);
        let response = match self.form {
            Form::Time => Response::Score,
            Form::Denoiser => Response::Denoiser,
        };
        let cov = self.estimator.path_cov(response, BLOCK, steps);
        let points = if cov.is_white() { 1 } else { steps };
        Work {
            cov,
            blocks: vec![0.0; BLOCK * points * dim * dim],
            sequences: vec![Sequence::with_capacity(points * dim); BLOCK],
            stages: Stages::new(&EULER, BLOCK * dim),
            state: vec![0.0; BLOCK * dim],
        }
    }

    /// Carries the rows from T to ε.
    fn transport(&self, rows: &mut [f64], rng: &mut ChaCha8Rng, work: &mut Work) {
        let dim = self.mean.dim();
        let paths = rows.len() / dim;
        work.cov.restart();
        work.sequences.iter_mut().for_each(Sequence::restart);
        let mut points = 0;
        let mut trail = Trail::default();
        let answer = |x: &[f64], t: f64, out: &mut [f64]| {
            self.form.answer(self.mean.as_ref(), x, t, out, &mut trail);
            points += 1;
            if work.cov.is_white() {
                points = 1;
                work.sequences.iter_mut().for_each(Sequence::restart);
            }
            let row = points * dim * dim;
            let blocks = &mut work.blocks[..paths * row];
            work.cov.advance(x, t, blocks);
            let paths = out.chunks_exact_mut(dim).zip(blocks.chunks_exact(row));
            for ((out, cov), sequence) in paths.zip(&mut work.sequences) {
                sequence.add_next(cov, rng, out);
            }
        };
        let schedule = self.mean.schedule();
        let mut system = FlowOde { answer, schedule, form: self.form, x: &mut work.state };
        system.enter(rows);
        for times in self.times.windows(2) {
            let (s, end) = (system.coordinate(times[0]), system.coordinate(times[1]));
            EULER.step(&mut system, s, end - s, rows, &mut work.stages);
        }
        system.leave(rows);
    }
}
