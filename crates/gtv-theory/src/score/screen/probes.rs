//! A block of queries in the coordinates of an [`Index`]: bounds on v of all points of a tile, and first guesses at the
//! nearest points.

use super::scan::Best;
use super::{Index, LARGEST, NORM_SLACK, TILE, group_norms};
use crate::linalg::{gemm_nt, settle_vector_state};
use crate::score::direct::Noise;
use crate::score::source::Source;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Unit roundoff of f32.
const ROUNDOFF: f64 = 0.5 * f32::EPSILON as f64;
/// Tiles a task of the first guess.
const TILES: usize = 16;

/// What turns logits into v and back at one time.
#[derive(Debug, Clone, Copy)]
pub(in crate::score) struct Frame {
    pub(in crate::score) noise: Noise,
    /// κ = αs²/σ².
    pub(in crate::score) kappa: f64,
}

/// A block of n queries.
#[derive(Debug, Clone)]
pub(in crate::score) struct Probes {
    pub(in crate::score) frame: Frame,
    pub(in crate::score) len: usize,
    /// y on the axes, n × K.
    coordinates: Vec<f32>,
    /// |y_g| of each group, then |y|: n × (levels + 1).
    pub(in crate::score) norms: Vec<f64>,
    /// |y|²/2α.
    pub(in crate::score) half: Vec<f64>,
}

impl Frame {
    /// None where f32 cannot hold v.
    pub(in crate::score) fn new(index: &Index, noise: Noise) -> Option<Self> {
        let kappa = 2.0 * noise.half_precision * noise.signal * index.scale * index.scale;
        (kappa > LARGEST.recip() && kappa < LARGEST * LARGEST && noise.signal > LARGEST.recip())
            .then_some(Self { noise, kappa })
    }
}

impl Probes {
    /// None when a query is too far for f32 or not finite.
    ///
    /// # Shapes
    /// `x`: n × D.
    pub(in crate::score) fn new(index: &Index, frame: Frame, x: &[f64]) -> Option<Self> {
        let (dim, k, signal) = (index.dim, index.axes_count(), frame.noise.signal);
        let len = x.len() / dim;
        let mut y = Vec::with_capacity(x.len());
        for x in x.chunks_exact(dim) {
            y.extend(x.iter().zip(&index.centre).map(|(x, c)| (x - signal * c) / index.scale));
        }
        let mut found = vec![0.0; len * k];
        gemm_nt(len, k, dim, &y, &index.axes, &mut found);
        let mut norms = Vec::with_capacity(len * (index.levels.len() + 1));
        for (y, row) in y.chunks_exact(dim).zip(found.chunks_exact(k)) {
            norms.extend(group_norms(&index.levels, y, row));
        }
        let whole = norms.chunks_exact(index.levels.len() + 1).map(|n| n[index.levels.len()]);
        if !whole.clone().all(|n| n < LARGEST) {
            return None;
        }
        let half =
            y.chunks_exact(dim).map(|y| y.iter().map(|v| v * v).sum::<f64>() / (2.0 * signal)).collect();
        let coordinates = found.iter().map(|v| *v as f32).collect();
        Some(Self { frame, len, coordinates, norms, half })
    }

    /// y of queries `first..first + count` on the first axes times ν of a tile of points.
    ///
    /// # Shapes
    /// `out`: `count` × `points`.
    pub(in crate::score) fn products(
        &self,
        index: &Index,
        axes: usize,
        (first, count): (usize, usize),
        (start, points): (usize, usize),
        out: &mut [f32],
    ) {
        let k = index.axes_count();
        let rows = &self.coordinates[first * k..(first + count) * k];
        let y = MatRef::from_row_major_slice(rows, count, k).subcols(0, axes);
        let nu = MatRef::from_row_major_slice(index.coordinates(start, points), points, k).subcols(0, axes);
        let out = MatMut::from_row_major_slice_mut(out, count, points);
        matmul(out, Accum::Replace, y, nu.transpose(), 1.0, Par::Seq);
        settle_vector_state();
    }

    /// y·ν of one point on the first axes.
    #[inline(always)]
    pub(in crate::score) fn first(&self, index: &Index, axes: usize, q: usize, m: usize) -> f32 {
        let k = index.axes_count();
        dot(&self.coordinates[q * k..][..axes], &index.coordinates(m, 1)[..axes])
    }

    /// y·ν of one point on the axes from `axes` on.
    #[inline(always)]
    pub(in crate::score) fn further(&self, index: &Index, axes: usize, q: usize, m: usize) -> f32 {
        let k = index.axes_count();
        dot(&self.coordinates[q * k..(q + 1) * k][axes..], &index.coordinates(m, 1)[axes..])
    }

    /// Coefficients of a point's norms in the bound at a level: |y_g| for what the level leaves, η|y| for rounding.
    pub(in crate::score) fn coefficients(&self, index: &Index, level: usize, q: usize) -> Vec<f32> {
        let count = index.levels.len();
        let norms = &self.norms[q * (count + 1)..(q + 1) * (count + 1)];
        let eta = (index.levels[level] as f64 + 24.0) * ROUNDOFF;
        norms[level..count].iter().map(|n| *n as f32).chain([(eta * norms[count]) as f32]).collect()
    }

    /// Coefficient of |ν| for the rounding of a bound that goes on from `axes` to all of them.
    pub(in crate::score) fn rounding(&self, index: &Index, axes: usize, q: usize) -> f32 {
        let count = index.levels.len();
        let terms = (index.axes_count() - axes) as f64 + 48.0;
        (terms * ROUNDOFF * self.norms[q * (count + 1) + count]) as f32
    }

    /// log π/κ − α|ν|²/2, rounded up, of a tile of points.
    pub(in crate::score) fn bias(&self, index: &Index, log_weights: &[f64], start: usize, out: &mut [f32]) {
        let norms = index.norms(index.levels.len(), start, out.len());
        let Frame { noise, kappa } = self.frame;
        for ((b, n), l) in out.iter_mut().zip(norms).zip(&log_weights[start..]) {
            // The norm is kept rounded up, so it is brought below its true value before its square is taken away.
            let n = f64::from(*n) * (1.0 - 2.0 * NORM_SLACK);
            let (square, prior) = (0.5 * noise.signal * n * n, l / kappa);
            let slack = 16.0 * ROUNDOFF * (square + if prior.is_finite() { prior.abs() } else { 0.0 });
            *b = (prior - square + slack) as f32;
        }
    }

    /// v below which a point of this query cannot have more than e^−cutoff of the weight that `logit` is part of.
    pub(in crate::score) fn threshold(&self, index: &Index, q: usize, logit: f64, cutoff: f64) -> f32 {
        let Frame { kappa, .. } = self.frame;
        let (v, half) = (logit / kappa, self.half[q]);
        let slack = 4.0 * (index.dim as f64 + 8.0) * f64::EPSILON * (v.abs() + half);
        ((v + half - cutoff / kappa - slack) as f32).next_down()
    }

    /// The logit that belongs to v.
    pub(in crate::score) fn logit(&self, q: usize, v: f32) -> f64 {
        self.frame.kappa * (f64::from(v) - self.half[q])
    }

    /// For each query the point with the largest estimate of v on the first level, exactly evaluated: a lower bound of
    /// the largest logit. −∞ where all points have weight 0.
    pub(in crate::score) fn guess(
        &self,
        index: &Index,
        source: Source,
        log_weights: &[f64],
        level: usize,
        x: &[f64],
    ) -> Vec<f64> {
        let tiles = index.len.div_ceil(TILE);
        let found: Vec<Vec<(f32, usize)>> = (0..tiles.div_ceil(TILES))
            .into_par_iter()
            .map(|task| {
                let mut best = vec![(f32::NEG_INFINITY, usize::MAX); self.len];
                let mut products = vec![0.0; self.len * TILE];
                let mut bias = [0.0; TILE];
                for tile in task * TILES..((task + 1) * TILES).min(tiles) {
                    let start = tile * TILE;
                    let points = TILE.min(index.len - start);
                    let (products, bias) = (&mut products[..self.len * points], &mut bias[..points]);
                    self.products(index, index.levels[level], (0, self.len), (start, points), products);
                    self.bias(index, log_weights, start, bias);
                    pulp::Arch::new().dispatch(Best { products, bias, start, best: &mut best });
                }
                best
            })
            .collect();
        (0..self.len)
            .map(|q| {
                let best = found
                    .iter()
                    .map(|f| f[q])
                    .fold((f32::NEG_INFINITY, usize::MAX), |a, b| if b.0 > a.0 { b } else { a });
                match best.1 {
                    usize::MAX => f64::NEG_INFINITY,
                    m => {
                        let x = &x[q * index.dim..(q + 1) * index.dim];
                        self.frame.exact(source, log_weights, m, x)
                    }
                }
            })
            .collect()
    }
}

impl Frame {
    /// log π − |x − αμ|²/2σ², by differences.
    #[inline(always)]
    pub(in crate::score) fn exact(self, source: Source, log_weights: &[f64], m: usize, x: &[f64]) -> f64 {
        log_weights[m] - self.noise.half_precision * source.distance2(m, x, self.noise.signal)
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const WIDTH: usize = 16;
    let (a, b) = (a.as_chunks::<WIDTH>(), b.as_chunks::<WIDTH>());
    let mut lanes = [0.0f32; WIDTH];
    for (a, b) in a.0.iter().zip(b.0) {
        for j in 0..WIDTH {
            lanes[j] += a[j] * b[j];
        }
    }
    let tail: f32 = a.1.iter().zip(b.1).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + tail
}
