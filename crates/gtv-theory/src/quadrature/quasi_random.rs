//! Scrambled Sobol points over (t, x0, n): independent replicates, each node made from its number alone.

use super::normal_quantile;
use crate::data::{Picker, PointCloud};
use crate::rng::{Purpose, Streams};
use crate::schedule::Schedule;
use rand::Rng;

/// Points of one scrambled Sobol replicate.
pub(super) const REPLICATE: usize = 2048;
/// Dimensions that the Sobol generator has; the rest of the noise is plain pseudo-random.
const SOBOL_DIMENSIONS: usize = 256;

/// The rule.
#[derive(Debug)]
pub(super) struct QuasiRandom {
    cloud: PointCloud,
    schedule: Schedule,
    picker: Picker,
    streams: Streams,
}

/// A node without its place x.
pub(super) struct Node {
    /// In proportion to ρ_q.
    pub mass: f64,
    pub t: f64,
    pub point: usize,
}

impl QuasiRandom {
    pub fn new(cloud: PointCloud, schedule: Schedule, streams: Streams) -> Self {
        Self { picker: cloud.picker(), cloud, schedule, streams }
    }

    /// Coordinates of node q in the unit cube, to be asked for in their order.
    fn coordinates(&self, q: usize) -> impl FnMut(usize) -> f64 {
        let (replicate, index) = (q / REPLICATE, q % REPLICATE);
        let mut rng = self.streams.stream(Purpose::Quadrature, replicate as u64, index as u64);
        let scramble = self.streams.stream(Purpose::Quadrature, replicate as u64, u64::MAX).next_u32();
        move |d: usize| -> f64 {
            // The generator's single-precision point, moved within its cell so that no quantile is infinite.
            let jitter = (rng.next_u64() >> 11) as f64 * (0.5f64).powi(53);
            if d < SOBOL_DIMENSIONS {
                let u = sobol_burley::sample(index as u32, d as u32, scramble);
                (f64::from(u) + jitter * (0.5f64).powi(24)).clamp(1e-12, 1.0 - 1e-12)
            } else {
                jitter.clamp(1e-12, 1.0 - 1e-12)
            }
        }
    }

    fn begin(&self, mut coordinate: impl FnMut(usize) -> f64) -> Node {
        let (lo, hi) = (self.schedule.t_min(), self.schedule.t_max());
        // As in the tensor rule, t = ε + (T − ε)s²: half the nodes lie in the first quarter of the times.
        let s = coordinate(0);
        Node { mass: s, t: lo + (hi - lo) * s * s, point: self.picker.pick(coordinate(1)) }
    }

    /// Mass, time and data point of node q.
    pub fn node(&self, q: usize) -> Node {
        self.begin(self.coordinates(q))
    }

    /// x_q, D values.
    pub fn fill(&self, q: usize, x: &mut [f64]) {
        let mut coordinate = self.coordinates(q);
        let Node { t, point, .. } = self.begin(&mut coordinate);
        let (alpha, sigma) = (self.schedule.signal(t), self.schedule.noise_std(t));
        for (d, (x, mu)) in x.iter_mut().zip(self.cloud.point(point)).enumerate() {
            *x = alpha * mu + sigma * normal_quantile(coordinate(d + 2));
        }
    }
}
