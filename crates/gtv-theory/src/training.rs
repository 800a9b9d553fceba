//! Training triples of denoising score matching: t ~ U(ε, T), x0 ~ p_data, x = α_t x0 + σ_t n, n ~ N(0, I).

use crate::data::{Picker, PointCloud};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Streams};
use crate::schedule::Schedule;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

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

/// Checks the numbers of a training set: P triples, m to a data point, a share η of the true score in the labels.
///
/// # Errors
/// [`Error::OutOfRange`] naming the first that is out of range.
pub fn check_training_set(samples: usize, draws: usize, target_mix: f64) -> Result<()> {
    let check = |ok: bool, name, value, expected| {
        if ok { Ok(()) } else { Err(Error::OutOfRange { name, value, expected }) }
    };
    check(samples > 0, "samples", samples as f64, "at least 1")?;
    let expected = "at least 1, and a divisor of the number of samples";
    check(draws > 0 && samples.is_multiple_of(draws), "draws", draws as f64, expected)?;
    let expected = "between 0 (proxy) and 1 (true score)";
    check((0.0..=1.0).contains(&target_mix), "target", target_mix, expected)
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
