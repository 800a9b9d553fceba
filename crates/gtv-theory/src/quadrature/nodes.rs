//! The nodes of a quadrature over ρ(x0, t, x), flat or with their tensor structure.

use super::gauss_legendre;
use super::quasi_random::QuasiRandom;
use crate::data::PointCloud;
use crate::error::Result;
use crate::rng::Streams;
use crate::schedule::Schedule;
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::QuadratureSpec;

/// One (time, data point) block of a tensor rule: a product grid in the coordinates of x.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorBlock {
    /// Index of the time among the rule's times.
    pub time_index: usize,
    /// Index m of the data point.
    pub point: usize,
    /// Grid values of each coordinate, ascending, the same number on each.
    pub axes: Vec<Vec<f64>>,
}

/// Quadrature nodes over the training distribution.
///
/// Node order of a tensor rule: time, then data point, then the product grid with the last coordinate fastest.
#[derive(Debug, Clone)]
pub struct Nodes {
    dim: usize,
    times: Vec<f64>,
    blocks: Vec<TensorBlock>,
    /// Q: the weight ρ_q of each node; they sum to 1.
    pub mass: Vec<f64>,
    /// Q: t_q.
    pub t: Vec<f64>,
    /// Q: the index of the data point x0 of each node.
    pub point: Vec<u32>,
    x: Places,
}

/// x_q, Q × D.
#[derive(Debug, Clone)]
enum Places {
    Stored(Vec<f64>),
    /// Made anew wherever they are asked for.
    Streamed {
        rule: Arc<QuasiRandom>,
        /// The place of the first node in the rule.
        first: usize,
    },
}

/// The most numbers of x that are stored.
const STORED: usize = 16 << 20;
/// Nodes whose x is made by one task.
const TASK: usize = 2048;

impl Nodes {
    /// The rule that suits the dimension and the number of points.
    ///
    /// # Errors
    /// Settings out of range, or [`crate::Error::TooLarge`] for a rule of more than 2^24 nodes.
    pub fn new(
        cloud: &PointCloud,
        schedule: &Schedule,
        spec: &QuadratureSpec,
        streams: Streams,
    ) -> Result<Self> {
        spec.validate()?;
        let count = spec.count(cloud)?;
        if spec.is_tensor(cloud) {
            Ok(Self::tensor(cloud, schedule, spec, count))
        } else {
            Ok(Self::quasi_random(cloud, schedule, spec, streams))
        }
    }

    fn tensor(cloud: &PointCloud, schedule: &Schedule, spec: &QuadratureSpec, count: usize) -> Self {
        let dim = cloud.dim();
        let half = spec.half_grid() as i64;
        let noise: Vec<f64> = (-half..=half).map(|i| i as f64 * spec.noise_spacing).collect();
        let density: Vec<f64> = noise.iter().map(|n| (-0.5 * n * n).exp()).collect();
        let total: f64 = density.iter().sum();
        let density: Vec<f64> = density.iter().map(|d| d / total).collect();
        let grid_len = noise.len().pow(dim as u32);
        let live: Vec<usize> = (0..cloud.len()).filter(|&m| cloud.weights()[m] > 0.0).collect();

        let (lo, hi) = (schedule.t_min(), schedule.t_max());
        let mut nodes = Self::with_capacity(dim, count);
        let mut x = Vec::with_capacity(count * dim);
        for (time_index, (u, w)) in gauss_legendre(spec.times).into_iter().enumerate() {
            // s in (0, 1), t = ε + (T − ε)s²; dt/(T − ε) = 2s ds, and ds = w/2.
            let s = 0.5 * (u + 1.0);
            let (t, time_mass) = (lo + (hi - lo) * s * s, s * w);
            let (alpha, sigma) = (schedule.signal(t), schedule.noise_std(t));
            nodes.times.push(t);
            for &m in &live {
                let axes: Vec<Vec<f64>> = cloud
                    .point(m)
                    .iter()
                    .map(|mu| noise.iter().map(|n| alpha * mu + sigma * n).collect())
                    .collect();
                let mass = time_mass * cloud.weights()[m];
                for flat in 0..grid_len {
                    let (mut rest, mut weight) = (flat, mass);
                    let mut index = [0usize; 2];
                    for i in index[..dim].iter_mut().rev() {
                        *i = rest % noise.len();
                        weight *= density[*i];
                        rest /= noise.len();
                    }
                    nodes.mass.push(weight);
                    nodes.t.push(t);
                    x.extend(axes.iter().zip(index).map(|(axis, i)| axis[i]));
                    nodes.point.push(m as u32);
                }
                nodes.blocks.push(TensorBlock { time_index, point: m, axes });
            }
        }
        nodes.x = Places::Stored(x);
        nodes
    }

    fn quasi_random(
        cloud: &PointCloud,
        schedule: &Schedule,
        spec: &QuadratureSpec,
        streams: Streams,
    ) -> Self {
        let (rule, count) = (QuasiRandom::new(cloud.clone(), *schedule, streams), spec.quasi_nodes);
        let nodes: Vec<_> = (0..count).into_par_iter().map(|q| rule.node(q)).collect();
        let total: f64 = nodes.iter().map(|node| node.mass).sum();
        let mut all = Self {
            dim: cloud.dim(),
            times: Vec::new(),
            blocks: Vec::new(),
            mass: nodes.iter().map(|node| node.mass / total).collect(),
            t: nodes.iter().map(|node| node.t).collect(),
            point: nodes.iter().map(|node| node.point as u32).collect(),
            x: Places::Streamed { rule: Arc::new(rule), first: 0 },
        };
        if count * cloud.dim() <= STORED {
            all.x = Places::Stored(all.x(0..count).into_owned());
        }
        all
    }

    fn with_capacity(dim: usize, len: usize) -> Self {
        Self {
            dim,
            times: Vec::new(),
            blocks: Vec::new(),
            mass: Vec::with_capacity(len),
            t: Vec::with_capacity(len),
            point: Vec::with_capacity(len),
            x: Places::Stored(Vec::new()),
        }
    }

    /// x_q of some nodes, n × D; made anew where there are too many numbers to keep.
    pub fn x(&self, range: Range<usize>) -> Cow<'_, [f64]> {
        match &self.x {
            Places::Stored(x) => Cow::Borrowed(&x[range.start * self.dim..range.end * self.dim]),
            Places::Streamed { rule, first } => {
                let mut x = vec![0.0; range.len() * self.dim];
                x.par_chunks_mut(TASK * self.dim).enumerate().for_each(|(task, x)| {
                    for (k, x) in x.chunks_exact_mut(self.dim).enumerate() {
                        rule.fill(first + range.start + task * TASK + k, x);
                    }
                });
                Cow::Owned(x)
            }
        }
    }

    /// Some of the nodes of a quasi-random rule, a coarser rule of the same distribution; all nodes of a tensor rule.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        if !self.blocks.is_empty() {
            return self.clone();
        }
        let total: f64 = self.mass[range.clone()].iter().sum();
        Self {
            dim: self.dim,
            times: Vec::new(),
            blocks: Vec::new(),
            mass: self.mass[range.clone()].iter().map(|mass| mass / total).collect(),
            t: self.t[range.clone()].to_vec(),
            point: self.point[range.clone()].to_vec(),
            x: match &self.x {
                Places::Stored(x) => Places::Stored(x[range.start * self.dim..range.end * self.dim].to_vec()),
                Places::Streamed { rule, first } => {
                    Places::Streamed { rule: rule.clone(), first: first + range.start }
                }
            },
        }
    }

    /// Q, the number of nodes.
    pub fn len(&self) -> usize {
        self.mass.len()
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        self.mass.is_empty()
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The distinct times of a tensor rule; empty for a quasi-random one.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The blocks of a tensor rule; empty for a quasi-random one.
    pub fn blocks(&self) -> &[TensorBlock] {
        &self.blocks
    }
}

#[cfg(test)]
mod tests {
    use super::super::quasi_random::REPLICATE;
    use super::*;

    fn moments(nodes: &Nodes, schedule: &Schedule) -> (f64, f64, f64) {
        let (mut sums, all) = ((0.0, 0.0, 0.0), nodes.x(0..nodes.len()));
        for q in 0..nodes.len() {
            let x = all[q * nodes.dim()];
            sums.0 += nodes.mass[q];
            sums.1 += nodes.mass[q] * x * x;
            sums.2 += nodes.mass[q] / schedule.noise_var(nodes.t[q]);
        }
        sums
    }

    /// E x² = E_t[α² E μ² + σ²] and E 1/σ², by a fine midpoint rule in √(t − ε).
    fn exact(schedule: &Schedule, second_moment: f64) -> (f64, f64) {
        let n = 400_000;
        let span = schedule.t_max() - schedule.t_min();
        (0..n).fold((0.0, 0.0), |acc, i| {
            let s = (i as f64 + 0.5) / n as f64;
            let t = schedule.t_min() + span * s * s;
            let w = 2.0 * s / n as f64;
            let var = schedule.noise_var(t);
            (acc.0 + w * (schedule.signal(t).powi(2) * second_moment + var), acc.1 + w / var)
        })
    }

    #[test]
    fn identities_tensor_rule_integrates_moments() {
        let cloud = PointCloud::with_weights(vec![-1.0, 0.0, 1.0], 1, vec![0.25, 0.0, 0.75]).unwrap();
        for t_min in [1e-4, 0.01] {
            let schedule = Schedule::paper(t_min).unwrap();
            let nodes = Nodes::new(&cloud, &schedule, &QuadratureSpec::default(), Streams::new(0)).unwrap();
            let (one, second, inverse) = moments(&nodes, &schedule);
            let want = exact(&schedule, 1.0);
            assert!((one - 1.0).abs() < 1e-12);
            // The noise is cut at 5.5σ: E n² misses 2·5.5·φ(5.5) = 1e-6.
            assert!((second - want.0).abs() < 2e-6, "{second} {}", want.0);
            assert!((inverse / want.1 - 1.0).abs() < 1e-8, "{inverse} {}", want.1);
        }
    }

    #[test]
    fn monte_carlo_quasi_random_rule_integrates_moments() {
        let points: Vec<f64> = (0..30).map(|i| (i as f64 * 0.9).sin()).collect();
        let second_moment = points.chunks(3).map(|p| p[0] * p[0]).sum::<f64>() / 10.0;
        let cloud = PointCloud::new(points, 3).unwrap();
        let schedule = Schedule::paper(0.01).unwrap();
        let nodes = Nodes::new(&cloud, &schedule, &QuadratureSpec::default(), Streams::new(3)).unwrap();
        assert!(nodes.blocks().is_empty());
        let (one, second, _) = moments(&nodes, &schedule);
        assert!((one - 1.0).abs() < 1e-9);
        // Scrambled replicates are independent: their spread is the standard error.
        let x = nodes.x(0..nodes.len());
        let terms: Vec<f64> = (0..nodes.len()).map(|q| nodes.mass[q] * x[3 * q].powi(2)).collect();
        let count = (nodes.len() / REPLICATE) as f64;
        let means: Vec<f64> = terms.chunks(REPLICATE).map(|c| count * c.iter().sum::<f64>()).collect();
        let variance = means.iter().map(|m| (m - second).powi(2)).sum::<f64>() / (count - 1.0);
        let standard_error = (variance / count).sqrt();
        assert!((second - exact(&schedule, second_moment).0).abs() < 4.0 * standard_error, "{second}");
        let n = terms.len() as f64;
        let plain = (terms.iter().map(|v| (n * v - second).powi(2)).sum::<f64>() / n / n).sqrt();
        assert!(standard_error < 0.2 * plain, "quasi-random {standard_error}, plain Monte Carlo {plain}");
    }

    #[test]
    fn identities_the_count_of_nodes_is_theirs() {
        let schedule = Schedule::paper(0.01).unwrap();
        for dim in [1, 2, 3] {
            let cloud = PointCloud::new((0..6 * dim).map(|i| (i as f64).sin()).collect(), dim).unwrap();
            for (times, noise_spacing) in [(4, 0.5), (7, 0.3)] {
                let spec = QuadratureSpec { times, noise_spacing, quasi_nodes: 100, ..Default::default() };
                let nodes = Nodes::new(&cloud, &schedule, &spec, Streams::new(0)).unwrap();
                assert_eq!(nodes.len(), spec.count(&cloud).unwrap());
            }
        }
    }

    #[test]
    fn oracle_streamed_nodes_are_the_stored_ones() {
        let cloud = PointCloud::new((0..1200).map(|i| (i as f64 * 0.7).sin()).collect(), 300).unwrap();
        let schedule = Schedule::paper(0.01).unwrap();
        let quasi_nodes = STORED / 300 + 1000;
        let spec = QuadratureSpec { quasi_nodes, ..Default::default() };
        let streamed = Nodes::new(&cloud, &schedule, &spec, Streams::new(3)).unwrap();
        let spec = QuadratureSpec { quasi_nodes: 5000, ..spec };
        let stored = Nodes::new(&cloud, &schedule, &spec, Streams::new(3)).unwrap();
        assert!(matches!(streamed.x, Places::Streamed { .. }) && matches!(stored.x, Places::Stored(_)));
        assert!(streamed.x(2040..4100) == stored.x(2040..4100));
        assert!(streamed.part(1000..5000).x(40..900) == stored.part(1000..5000).x(40..900));
        for (a, b) in streamed.part(0..5000).mass.iter().zip(&stored.mass) {
            assert!((a / b - 1.0).abs() < 1e-12);
        }
        assert!(streamed.t[..5000] == stored.t);
    }

    #[test]
    fn too_large_rules_are_refused() {
        use crate::error::Error;
        let cloud = PointCloud::new((0..128).map(f64::from).collect(), 2).unwrap();
        let spec = QuadratureSpec { noise_spacing: 0.01, ..Default::default() };
        let schedule = Schedule::paper(0.01).unwrap();
        assert!(matches!(Nodes::new(&cloud, &schedule, &spec, Streams::new(0)), Err(Error::TooLarge { .. })));
        // Also where the number of nodes is none that an integer holds; nothing is allocated on the way.
        for spacing in [1e-9, 1e-30, 1e-320, f64::MIN_POSITIVE] {
            let spec = QuadratureSpec { noise_spacing: spacing, ..spec };
            let refused = Nodes::new(&cloud, &schedule, &spec, Streams::new(0));
            assert!(matches!(refused, Err(Error::TooLarge { .. })), "{spacing}");
        }
        let quasi = QuadratureSpec { quasi_nodes: usize::MAX, tensor_points: 1, ..spec };
        assert!(matches!(
            Nodes::new(&cloud, &schedule, &quasi, Streams::new(0)),
            Err(Error::TooLarge { .. })
        ));
    }
}
