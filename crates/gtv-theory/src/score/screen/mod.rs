//! Which points can matter: bounds on all logits of a query from its first few principal coordinates.
//!
//! With y = (x − αc)/s and ν = (μ − c)/s (c a centre of the data, s their size) a logit is
//!     l = log π − |x − αμ|²/2σ² = κ(v − |y|²/2α),   v = y·ν − α|ν|²/2 + log π/κ,   κ = αs²/σ².
//! Once a data set, ν is rotated onto K principal axes, in f32. Of y·ν the first k terms are computed, and the rest
//! is bounded in groups g of axes (Cauchy–Schwarz), the last of which holds all axes beyond K:
//!     y·ν ≤ Σ_{i<k} y_i ν_i + Σ_g |y_g||ν_g| + η|y||ν|,   η = (k + 24) 2⁻²⁴,
//! where η covers the rounding of coordinates, products and sums in f32, in any order of summation. Levels k double.
//! Sixteen points share a panel, each with its neighbours ([`order`]): they tend to be excluded together.

mod axes;
mod nearest;
mod order;
mod plan;
mod probes;
mod sweep;

pub(crate) use nearest::{NEAREST_BLOCK, nearest_two};
pub(super) use plan::{Costs, Plan};
pub(super) use probes::{Coefficients, Frame, Probes, thresholds};
pub(super) use sweep::{GROUP, NORMS, PANEL, Six, Terms, Visit, largest, sweep};

use super::source::Source;
use crate::linalg::gemm_nt;
use axes::FOR_BOUNDS;
pub(crate) use axes::principal_axes;
use order::by_halves;
use rayon::prelude::*;

/// Fewest and most axes, and the smallest level.
const SMALLEST_LEVEL: usize = 8;
const MOST_AXES: usize = 256;
/// An axis costs a product in any case, so it must stand for a few coordinates.
const COORDINATES_PER_AXIS: usize = 3;
/// Below this many points there is little to skip.
const FEWEST_POINTS: usize = 1024;
/// Axes along which points are put in order.
const ORDER_AXES: usize = 32;
/// Points from which the axes are found.
const AXES_SAMPLE: usize = 1024;
/// Panels a task of building.
const CHUNK: usize = 16;
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
    /// The point in each place of the panels.
    order: Vec<u32>,
    /// Panels of 16 points, by row: ν on each axis, K × 16; for each level the norms |ν_g| from it to the next, after
    /// the last level of all that is beyond, then |ν|: (levels + 1) × 16. The last panel is filled up with zeros.
    panels: Vec<f32>,
    /// Time that building took.
    pub(super) seconds: f64,
}

impl Index {
    /// The index of M points, or none where there are too few points or dimensions to gain from one.
    pub(crate) fn build(source: Source, dim: usize, len: usize) -> Option<Self> {
        let levels = levels(dim);
        let count = *levels.last()?;
        if len < FEWEST_POINTS {
            return None;
        }
        let started = std::time::Instant::now();
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
        let axes = principal_axes(&sample, dim, count, FOR_BOUNDS);
        drop(sample);
        let mut out =
            Self { dim, len, centre, scale, axes, levels, order: vec![], panels: vec![], seconds: 0.0 };
        out.order = out.in_order(source);
        out.project(source);
        out.seconds = started.elapsed().as_secs_f64();
        out.panels.iter().all(|v| f64::from(v.abs()) < LARGEST).then_some(out)
    }

    /// The points, neighbours together.
    fn in_order(&self, source: Source) -> Vec<u32> {
        let (dim, axes) = (self.dim, self.axes_count().min(ORDER_AXES));
        let mut coordinates = vec![0.0; self.len * axes];
        coordinates.par_chunks_mut(CHUNK * PANEL * axes).enumerate().for_each(|(chunk, out)| {
            let points = self.scaled(source, chunk * CHUNK * PANEL..chunk * CHUNK * PANEL + out.len() / axes);
            let mut found = vec![0.0; out.len()];
            gemm_nt(out.len() / axes, axes, dim, &points, &self.axes[..axes * dim], &mut found);
            out.iter_mut().zip(found).for_each(|(o, v)| *o = v as f32);
        });
        by_halves(&coordinates, axes)
    }

    /// ν of some points.
    fn scaled(&self, source: Source, points: impl ExactSizeIterator<Item = usize>) -> Vec<f64> {
        let mut out = vec![0.0; points.len() * self.dim];
        for (m, row) in points.zip(out.chunks_exact_mut(self.dim)) {
            source.each(m, self.dim, |d, p| row[d] = (p - self.centre[d]) / self.scale);
        }
        out
    }

    /// Fills the panels.
    fn project(&mut self, source: Source) {
        let (dim, count, rows) = (self.dim, self.axes_count(), self.panel_rows());
        let mut panels = vec![0.0; self.len.div_ceil(PANEL) * rows * PANEL];
        let chunks = panels.par_chunks_mut(CHUNK * rows * PANEL).zip(self.order.par_chunks(CHUNK * PANEL));
        chunks.for_each(|(out, order)| {
            let points = self.scaled(source, order.iter().map(|m| *m as usize));
            let mut found = vec![0.0; order.len() * count];
            gemm_nt(order.len(), count, dim, &points, &self.axes, &mut found);
            for (i, (point, row)) in points.chunks_exact(dim).zip(found.chunks_exact(count)).enumerate() {
                let panel = &mut out[i / PANEL * rows * PANEL..][..rows * PANEL];
                let norms = group_norms(&self.levels, point, row);
                for (r, v) in row.iter().chain(&norms).enumerate() {
                    panel[r * PANEL + i % PANEL] = *v as f32;
                }
            }
        });
        self.panels = panels;
    }

    fn panel_rows(&self) -> usize {
        self.axes_count() + self.levels.len() + 1
    }

    /// Bytes that the index of M points in D dimensions takes, 0 where there is none.
    pub(super) fn bytes_for(len: usize, dim: usize) -> usize {
        let levels = levels(dim);
        match levels.last() {
            Some(most) if len >= FEWEST_POINTS => {
                4 * (len + len.next_multiple_of(PANEL) * (most + levels.len() + 1)) + 8 * (most + 1) * dim
            }
            _ => 0,
        }
    }

    /// K.
    pub(super) fn axes_count(&self) -> usize {
        self.levels[self.levels.len() - 1]
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        4 * (self.order.len() + self.panels.len()) + 8 * (self.axes.len() + self.centre.len())
    }

    /// The points of a panel: sixteen, or fewer in the last.
    #[inline(always)]
    pub(super) fn members(&self, panel: usize) -> &[u32] {
        &self.order[panel * PANEL..((panel + 1) * PANEL).min(self.len)]
    }

    /// ν of the points of a panel on the axes `from..to`, by axis.
    #[inline(always)]
    pub(super) fn panel(&self, panel: usize, from: usize, to: usize) -> &[[f32; PANEL]] {
        let start = panel * self.panel_rows();
        &self.panels.as_chunks::<PANEL>().0[start + from..start + to]
    }

    /// The norms of a panel's points: |ν_g| of each group, then |ν|.
    #[inline(always)]
    pub(super) fn norms(&self, panel: usize) -> &[[f32; PANEL]] {
        self.panel(panel, self.axes_count(), self.panel_rows())
    }
}

/// Numbers of axes of each level, none where there are too few dimensions.
fn levels(dim: usize) -> Vec<usize> {
    let most = (dim / COORDINATES_PER_AXIS).min(MOST_AXES);
    std::iter::successors(Some(SMALLEST_LEVEL), |k| Some(2 * k)).take_while(|k| *k <= most).collect()
}

/// The norms of the groups that follow each level, the last of all that is beyond the axes, and the whole norm, none
/// below its true value.
fn group_norms(levels: &[usize], whole: &[f64], on_axes: &[f64]) -> Vec<f64> {
    let square = |v: &[f64]| {
        let (chunks, rest) = v.as_chunks::<8>();
        let mut lanes = [0.0; 8];
        for chunk in chunks {
            for j in 0..8 {
                lanes[j] += chunk[j] * chunk[j];
            }
        }
        lanes.iter().sum::<f64>() + rest.iter().map(|v| v * v).sum::<f64>()
    };
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
