//! Which points can matter: bounds on all logits of a query from its first few principal coordinates.
//!
//! With y = (x − αc)/s and ν = (μ − c)/s (c a centre of the data, s their size) a logit is
//!     l = log π − |x − αμ|²/2σ² = κ(v − |y|²/2α),   v = y·ν − α|ν|²/2 + log π/κ,   κ = αs²/σ².
//! Once a data set, ν is rotated onto K principal axes, in f32. Of y·ν the first k terms are computed, and the rest
//! is bounded in groups g of axes (Cauchy–Schwarz), the last of which holds all axes beyond K:
//!     y·ν ≤ Σ_{i<k} y_i ν_i + Σ_g |y_g||ν_g| + η|y||ν|,   η = (k + 24) 2⁻²⁴,
//! where η covers the rounding of coordinates, products and sums in f32, in any order of summation. Levels k double.

mod axes;
mod plan;
mod probes;
mod scan;

pub(super) use plan::{Costs, Plan};
pub(super) use probes::{Frame, Probes};
pub(super) use scan::{Scan, TILE};

use super::source::Source;
use crate::linalg::gemm_nt;
use axes::principal_axes;
use rayon::prelude::*;

/// Fewest and most axes, and the smallest level.
const SMALLEST_LEVEL: usize = 8;
const MOST_AXES: usize = 256;
/// An axis costs a product in any case, so it must stand for a few coordinates.
const COORDINATES_PER_AXIS: usize = 3;
/// Below this many points there is little to skip.
const FEWEST_POINTS: usize = 1024;
/// Points from which the axes are found.
const AXES_SAMPLE: usize = 1024;
/// Relative allowance for the rounding of norms in f64 and of their conversion to f32.
const NORM_SLACK: f64 = 1e-6;
/// |y|, |ν| and κ beyond this are left to other methods: f32 could overflow.
const LARGEST: f64 = 1e15;

/// What of a data set is kept to bound logits.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub(super) dim: usize,
    pub(super) len: usize,
    /// c.
    pub(super) centre: Vec<f64>,
    /// s.
    pub(super) scale: f64,
    /// K × D, orthonormal.
    axes: Vec<f64>,
    /// k of each level, ascending; the last is K.
    pub(super) levels: Vec<usize>,
    /// ν on the axes, M × K.
    coordinates: Vec<f32>,
    /// For each level the norms |ν_g| from it to the next, after the last level of all that is beyond; then |ν|.
    /// (levels + 1) × M.
    norms: Vec<f32>,
}

impl Index {
    /// The index of M points, or none where there are too few points or dimensions to gain from one.
    pub(crate) fn build(source: Source, dim: usize, len: usize) -> Option<Self> {
        let most = (dim / COORDINATES_PER_AXIS).min(MOST_AXES);
        if most < SMALLEST_LEVEL || len < FEWEST_POINTS {
            return None;
        }
        let levels: Vec<usize> =
            std::iter::successors(Some(SMALLEST_LEVEL), |k| Some(2 * k)).take_while(|k| *k <= most).collect();
        let count = levels[levels.len() - 1];
        let centre = source.centre(dim, len);
        let sampled = len.min(AXES_SAMPLE);
        let mut sample = vec![0.0; sampled * dim];
        for (i, row) in sample.chunks_exact_mut(dim).enumerate() {
            source.each(i * len / sampled, dim, |d, p| row[d] = p - centre[d]);
        }
        let mut squares: Vec<f64> =
            sample.chunks_exact(dim).map(|row| row.iter().map(|v| v * v).sum()).collect();
        let typical = *squares.select_nth_unstable_by(sampled / 2, f64::total_cmp).1;
        let scale = if typical > 0.0 { typical.sqrt() } else { 1.0 };
        if !scale.is_finite() || scale < f64::MIN_POSITIVE.sqrt() {
            return None;
        }
        // Far points must not take the axes from the others.
        let reach = 64.0 * scale;
        for row in sample.chunks_exact_mut(dim) {
            let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            let factor = if length > reach { reach / length } else { 1.0 };
            row.iter_mut().for_each(|v| *v *= factor / scale);
        }
        let axes = principal_axes(&sample, dim, count);
        drop(sample);
        let mut out = Self {
            dim,
            len,
            centre,
            scale,
            axes,
            levels,
            coordinates: vec![0.0; len * count],
            norms: vec![],
        };
        let norms = out.project(source);
        out.norms = norms;
        out.norms.iter().all(|v| f64::from(*v) < LARGEST).then_some(out)
    }

    /// Fills the coordinates and returns the norms.
    fn project(&mut self, source: Source) -> Vec<f32> {
        let (dim, count, len) = (self.dim, self.axes_count(), self.len);
        let columns = self.levels.len() + 1;
        let Self { centre, scale, axes, levels, coordinates, .. } = self;
        let rows: Vec<Vec<f32>> = coordinates
            .par_chunks_mut(TILE * count)
            .enumerate()
            .map(|(tile, out)| {
                let n = out.len() / count;
                let mut points = vec![0.0; n * dim];
                source.centred(tile * TILE, centre, &mut points);
                points.iter_mut().for_each(|v| *v /= *scale);
                let mut found = vec![0.0; n * count];
                gemm_nt(n, count, dim, &points, axes, &mut found);
                let mut norms = Vec::with_capacity(n * columns);
                for (point, row) in points.chunks_exact(dim).zip(found.chunks_exact(count)) {
                    norms.extend(group_norms(levels, point, row).iter().map(|v| *v as f32));
                }
                out.iter_mut().zip(&found).for_each(|(o, v)| *o = *v as f32);
                norms
            })
            .collect();
        let mut norms = vec![0.0; columns * len];
        for (m, row) in rows.iter().flat_map(|r| r.chunks_exact(columns)).enumerate() {
            row.iter().enumerate().for_each(|(g, v)| norms[g * len + m] = *v);
        }
        norms
    }

    /// K.
    pub(super) fn axes_count(&self) -> usize {
        self.levels[self.levels.len() - 1]
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        4 * (self.coordinates.len() + self.norms.len()) + 8 * (self.axes.len() + self.centre.len())
    }

    /// The coordinates of `count` points from `start` on, row-major with K columns.
    pub(super) fn coordinates(&self, start: usize, count: usize) -> &[f32] {
        let k = self.axes_count();
        &self.coordinates[start * k..(start + count) * k]
    }

    /// |ν_g| of group `g`, or |ν| after the last, for `count` points from `start` on.
    pub(super) fn norms(&self, g: usize, start: usize, count: usize) -> &[f32] {
        &self.norms[g * self.len + start..][..count]
    }
}

/// The norms of the groups that follow each level, the last of all that is beyond the axes, and the whole norm, none
/// below its true value.
fn group_norms(levels: &[usize], whole: &[f64], on_axes: &[f64]) -> Vec<f64> {
    let square = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>();
    let all = square(whole);
    let inside = square(on_axes);
    // The difference is off by the rounding of two sums of D squares and of the projection.
    let beyond = (all - inside).max(0.0) + 8.0 * whole.len() as f64 * f64::EPSILON * all;
    let mut out: Vec<f64> = levels.windows(2).map(|k| square(&on_axes[k[0]..k[1]]).sqrt()).collect();
    out.push(beyond.sqrt());
    out.push(all.sqrt());
    out.iter_mut().for_each(|v| *v *= 1.0 + NORM_SLACK);
    out
}
