//! The training distribution ρ: t ~ U(ε, T), x0 ~ p_data, x = α_t x0 + σ_t n.

use crate::data::PointCloud;
use crate::schedule::Schedule;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// A batch of training triples (x0, t, x); x0 is kept as the index of its data point.
#[derive(Debug, Clone, PartialEq)]
pub struct Triples {
    /// Indices of x0, n.
    pub point: Vec<u32>,
    /// t, n.
    pub t: Vec<f64>,
    /// x, n × D.
    pub x: Vec<f64>,
}

/// The law of one training triple.
#[derive(Debug, Clone)]
pub struct TrainingLaw {
    cloud: PointCloud,
    schedule: Schedule,
    cumulative: Vec<f64>,
}

impl TrainingLaw {
    /// ρ for a data set and a schedule.
    pub fn new(cloud: PointCloud, schedule: Schedule) -> Self {
        let cumulative = cloud
            .weights()
            .iter()
            .scan(0.0, |sum, w| {
                *sum += w;
                Some(*sum)
            })
            .collect();
        Self { cloud, schedule, cumulative }
    }

    /// The data.
    pub fn cloud(&self) -> &PointCloud {
        &self.cloud
    }

    /// n independent triples.
    pub fn draw(&self, n: usize, rng: &mut impl Rng) -> Triples {
        let dim = self.cloud.dim();
        let mut triples =
            Triples { point: Vec::with_capacity(n), t: Vec::with_capacity(n), x: Vec::with_capacity(n * dim) };
        for _ in 0..n {
            let t = self.schedule.t_min() + (self.schedule.t_max() - self.schedule.t_min()) * rng.random::<f64>();
            let u: f64 = rng.random();
            let m = self.cumulative.partition_point(|c| *c <= u).min(self.cloud.len() - 1);
            let (alpha, sigma) = (self.schedule.signal(t), self.schedule.noise_std(t));
            for mu in self.cloud.point(m) {
                let noise: f64 = StandardNormal.sample(rng);
                triples.x.push(alpha * mu + sigma * noise);
            }
            triples.point.push(m as u32);
            triples.t.push(t);
        }
        triples
    }
}
