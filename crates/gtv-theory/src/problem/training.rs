//! The training problem of denoising score matching: t ~ U(ε, T), x0 ~ p_data, x = α_t x0 + σ_t n, n ~ N(0, I), labels y and
//! weights w of an [`Objective`].

use super::objective::Objective;
use crate::data::{Picker, PointCloud};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Streams};
use crate::schedule::Schedule;
use crate::score::{ExactScore, ScoreField};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// P training triples (x0, t, x).
///
/// # Shapes
/// `x0`, `x`: P × D row-major; `t`: P.
#[derive(Debug, Clone, PartialEq)]
pub struct Triples {
    /// The clean points.
    pub x0: Vec<f64>,
    /// The times, in [ε, T].
    pub t: Vec<f64>,
    /// The noised points.
    pub x: Vec<f64>,
}

impl Triples {
    /// P.
    pub fn len(&self) -> usize {
        self.t.len()
    }

    /// Whether there is no triple.
    pub fn is_empty(&self) -> bool {
        self.t.is_empty()
    }
}

/// What is learned (data, forward process, objective), from how many triples P, under which seed. Labels, weights and the exact
/// score are made here and nowhere else.
///
/// P = n·m triples come from n independent draws of x0, each noised m times.
///
/// ```
/// use gtv_theory::rng::Streams;
/// use gtv_theory::{Objective, PointCloud, Schedule, TrainingProblem};
/// let (cloud, schedule) = (PointCloud::new(vec![-1.0, 1.0], 1)?, Schedule::paper(0.05)?);
/// let problem = TrainingProblem::new(cloud, schedule, Objective::default(), 100, Streams::new(1))?.with_draws(4)?;
/// let triples = problem.draw(0);
/// assert_eq!(triples.len(), 100);
/// // A denoiser is fitted to x0, of which four triples share each draw.
/// assert_eq!(problem.labels(&triples), triples.x0);
/// assert!(triples.x0.chunks(4).all(|x0| x0.iter().all(|x| *x == x0[0])));
/// # assert!(problem.with_samples(101).is_err());
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TrainingProblem {
    sampler: DsmSampler,
    objective: Objective,
    samples: usize,
    exact: Arc<ExactScore>,
    streams: Streams,
}

impl TrainingProblem {
    /// P = `samples` triples, each of a data point of its own, for an objective.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for no triples, or a number of the objective outside its domain.
    pub fn new(
        cloud: PointCloud,
        schedule: Schedule,
        objective: Objective,
        samples: usize,
        streams: Streams,
    ) -> Result<Self> {
        objective.validate()?;
        let exact = Arc::new(ExactScore::new(cloud.clone(), schedule));
        let sampler = DsmSampler::new(cloud, schedule);
        Self { sampler, objective, samples, exact, streams }.checked()
    }

    fn checked(self) -> Result<Self> {
        if self.samples == 0 {
            return Err(Error::OutOfRange { name: "samples", value: 0.0, expected: "at least 1" });
        }
        if !self.samples.is_multiple_of(self.draws()) {
            let expected = "at least 1, and a divisor of samples";
            return Err(Error::OutOfRange { name: "draws", value: self.draws() as f64, expected });
        }
        Ok(self)
    }

    /// The same problem with m = `draws` triples to a data point.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for 0, or a number that does not divide P.
    pub fn with_draws(mut self, draws: usize) -> Result<Self> {
        self.sampler = self.sampler.with_draws(draws)?;
        self.checked()
    }

    /// The same problem with another number of triples P.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for none, or a number that the draws do not divide.
    pub fn with_samples(self, samples: usize) -> Result<Self> {
        Self { samples, ..self }.checked()
    }

    /// The same problem with another η, the mix of the noisy target with its conditional mean. η = 1 trains on the true score (J0)
    /// and has no label noise, the source of generalization *through variance*.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for η outside [0, 1].
    pub fn with_target_mix(&self, target_mix: f64) -> Result<Self> {
        let objective = Objective { target_mix, ..self.objective };
        objective.validate()?;
        Ok(Self { objective, ..self.clone() })
    }

    /// The same problem with m draws a point, for laws only: P need not be a multiple of m, so no set can be drawn.
    pub(crate) fn extrapolated_to(&self, draws: usize) -> Self {
        Self { sampler: DsmSampler { draws, ..self.sampler.clone() }, ..self.clone() }
    }

    /// p_data.
    pub fn cloud(&self) -> &PointCloud {
        self.sampler.cloud()
    }

    /// The forward process.
    pub fn schedule(&self) -> &Schedule {
        self.sampler.schedule()
    }

    /// What is regressed on.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// P.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// m, triples that share one data point.
    pub fn draws(&self) -> usize {
        self.sampler.draws()
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.cloud().dim()
    }

    /// The exact score of the data.
    pub fn exact(&self) -> &Arc<ExactScore> {
        &self.exact
    }

    /// The random streams of the seed.
    pub fn streams(&self) -> Streams {
        self.streams
    }

    /// The sampler of training triples.
    pub fn sampler(&self) -> &DsmSampler {
        &self.sampler
    }

    /// The P training triples of a draw; depends on the seed and the draw only.
    pub fn draw(&self, draw: u64) -> Triples {
        self.sampler.draw_from(&mut self.streams.stream(Purpose::Training, draw, 0), self.samples)
    }

    /// The data points of a draw, noised anew.
    pub fn renoised(&self, draw: u64) -> Triples {
        self.sampler.renoise(&self.draw(draw), &mut self.streams.stream(Purpose::Training, draw, 1))
    }

    /// `count` independent points of the training distribution, of no member's training set; `lane` tells sets apart.
    pub fn probes(&self, lane: u64, count: usize) -> Triples {
        let mut rng = self.streams.stream(Purpose::Probe, lane, 0);
        DsmSampler { draws: 1, ..self.sampler.clone() }.draw_from(&mut rng, count)
    }

    /// w_t, the weight of y's squared error.
    pub fn weight(&self, t: f64) -> f64 {
        self.objective.target_weight(self.schedule(), t)
    }

    /// y − skip_t x of each triple, (1 − η) x0 + η m(x, t) in the place of x0 (y is affine in it), P × D.
    pub fn labels(&self, triples: &Triples) -> Vec<f64> {
        let (dim, mix) = (self.dim(), self.objective.target_mix);
        let mut labels = vec![0.0; triples.x.len()];
        let rows = labels.chunks_exact_mut(dim).zip(triples.x.chunks_exact(dim));
        for (((y, x), x0), &t) in rows.zip(triples.x0.chunks_exact(dim)).zip(&triples.t) {
            let (on_x0, on_x) = self.objective.label_coefficients(self.schedule(), t);
            if mix > 0.0 {
                self.exact.denoiser_into(x, t, y);
            }
            for ((y, x), x0) in y.iter_mut().zip(x).zip(x0) {
                let clean = if mix > 0.0 { (1.0 - mix) * x0 + mix * *y } else { *x0 };
                *y = on_x0 * clean + on_x * x;
            }
        }
        labels
    }
}

/// Draws the training triples of any member of an ensemble.
#[derive(Debug, Clone)]
pub struct DsmSampler {
    cloud: PointCloud,
    schedule: Schedule,
    picker: Picker,
    draws: usize,
}

impl DsmSampler {
    /// A sampler of p_data noised by the schedule.
    pub fn new(cloud: PointCloud, schedule: Schedule) -> Self {
        Self { picker: cloud.picker(), cloud, schedule, draws: 1 }
    }

    /// Noises each draw of x0 `draws` times, at its own independent (t, n); 1, the default, makes all triples
    /// independent, as THEORY §5 assumes.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for 0.
    pub fn with_draws(mut self, draws: usize) -> Result<Self> {
        if draws == 0 {
            return Err(Error::OutOfRange { name: "draws", value: 0.0, expected: "at least 1" });
        }
        self.draws = draws;
        Ok(self)
    }

    /// The same sampler with groups of `draws` triples that share a draw of x0.
    pub(crate) fn grouped(&self, draws: usize) -> Self {
        Self { draws: draws.max(1), ..self.clone() }
    }

    /// Triples that share one draw of x0.
    pub fn draws(&self) -> usize {
        self.draws
    }

    /// p_data.
    pub fn cloud(&self) -> &PointCloud {
        &self.cloud
    }

    /// The forward process.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The P = `count` training triples of one member.
    ///
    /// Depends on (seed, member) only, and a smaller training set is a prefix of a larger one.
    ///
    /// # Errors
    /// [`Error::Empty`] for an empty training set.
    pub fn draw(&self, streams: Streams, member: u64, count: usize) -> Result<Triples> {
        if count == 0 {
            return Err(Error::Empty { name: "the training set (samples)" });
        }
        Ok(self.draw_from(&mut streams.stream(Purpose::Training, member, 0), count))
    }

    /// `count` triples from a given generator.
    pub fn draw_from(&self, rng: &mut impl Rng, count: usize) -> Triples {
        let dim = self.cloud.dim();
        let mut out = Triples {
            x0: Vec::with_capacity(count * dim),
            t: Vec::with_capacity(count),
            x: Vec::with_capacity(count * dim),
        };
        for first in (0..count).step_by(self.draws) {
            let x0 = self.cloud.point(self.picker.pick(rng.random()));
            for _ in first..count.min(first + self.draws) {
                self.noise(x0, rng, &mut out);
            }
        }
        out
    }

    /// The same clean points with new times and noises: what a training set shares with another one of the same data.
    pub fn renoise(&self, triples: &Triples, rng: &mut impl Rng) -> Triples {
        let mut out = Triples { x0: Vec::new(), t: Vec::new(), x: Vec::new() };
        for x0 in triples.x0.chunks_exact(self.cloud.dim()) {
            self.noise(x0, rng, &mut out);
        }
        out
    }

    /// Appends one triple of the clean point x0.
    fn noise(&self, x0: &[f64], rng: &mut impl Rng, out: &mut Triples) {
        let length = self.schedule.t_max() - self.schedule.t_min();
        let t = self.schedule.t_min() + length * rng.random::<f64>();
        let (signal, std) = (self.schedule.signal(t), self.schedule.noise_std(t));
        out.t.push(t);
        out.x0.extend_from_slice(x0);
        out.x.extend(x0.iter().map(|v| {
            let n: f64 = StandardNormal.sample(rng);
            signal * v + std * n
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler() -> DsmSampler {
        let cloud = PointCloud::with_weights(
            vec![-1.0, 0.0, 0.5, 2.0, 9.0, 9.0, 1.0, -1.0, 7.0, 7.0],
            2,
            vec![0.2, 0.5, 0.0, 0.3, 0.0],
        );
        DsmSampler::new(cloud.unwrap(), Schedule::paper(0.01).unwrap())
    }

    #[test]
    fn monte_carlo_moments_of_the_draws() {
        let s = sampler();
        let p = 40_000;
        let draw = s.draw(Streams::new(3), 0, p).unwrap();
        let root = (p as f64).sqrt();
        // Share of each point, 4 standard errors √(π(1−π)/P); points without weight never.
        for (m, &w) in s.cloud().weights().iter().enumerate() {
            let share =
                draw.x0.chunks_exact(2).filter(|x| *x == s.cloud().point(m)).count() as f64 / p as f64;
            assert!((share - w).abs() <= 4.0 * (w * (1.0 - w)).sqrt() / root, "point {m}: {share}");
        }
        let mean_t = draw.t.iter().sum::<f64>() / p as f64;
        assert!((mean_t - 0.505).abs() < 4.0 * 0.99 / 12.0f64.sqrt() / root);
        assert!(draw.t.iter().all(|t| (0.01..=1.0).contains(t)));
        // Standardised noise: mean 0, variance 1 (standard error √(2/2P)).
        let noise: Vec<f64> = (0..2 * p)
            .map(|i| {
                let t = draw.t[i / 2];
                (draw.x[i] - s.schedule().signal(t) * draw.x0[i]) / s.schedule().noise_std(t)
            })
            .collect();
        let mean = noise.iter().sum::<f64>() / noise.len() as f64;
        let var = noise.iter().map(|n| n * n).sum::<f64>() / noise.len() as f64;
        assert!(mean.abs() < 4.0 / (2.0 * p as f64).sqrt(), "{mean}");
        assert!((var - 1.0).abs() < 4.0 / (p as f64).sqrt(), "{var}");
    }

    #[test]
    fn identities_members_differ_and_prefixes_agree() {
        let s = sampler();
        let long = s.draw(Streams::new(3), 1, 50).unwrap();
        let short = s.draw(Streams::new(3), 1, 20).unwrap();
        assert_eq!(short.x, long.x[..40]);
        assert_ne!(short, s.draw(Streams::new(3), 2, 20).unwrap());
        assert_ne!(short, s.draw(Streams::new(4), 1, 20).unwrap());
        assert!(s.draw(Streams::new(3), 1, 0).is_err());
    }

    #[test]
    fn identities_two_level_draws_repeat_their_point() {
        let draw = sampler().with_draws(4).unwrap().draw(Streams::new(3), 1, 40).unwrap();
        assert_eq!(draw.len(), 40);
        for block in 0..10 {
            let x0 = &draw.x0[block * 8..block * 8 + 8];
            assert!(x0.chunks_exact(2).all(|row| row == &x0[..2]));
            let t = &draw.t[block * 4..block * 4 + 4];
            assert!(t.windows(2).all(|w| w[0] != w[1]));
        }
    }
}
