//! One block of queries and one tile of points, as matrix products need them.

use super::blocked::Dense;
use super::direct::Noise;
use super::narrow::NarrowQueries;
use super::real::Real;
use super::source::{self, Source};
use crate::linalg::settle_vector_state;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use std::ops::Range;

/// Points a tile.
pub(super) const TILE: usize = 512;
/// Where e^x is still far from overflow.
const LARGEST_EXPONENT: f64 = 80.0;
/// Queries from which a copy of a tile without its constant coordinates pays.
const PACKED_QUERIES: usize = 64;

/// One block of queries.
pub(super) struct Queries<'a, T> {
    pub(super) len: usize,
    pub(super) noise: Noise,
    /// x, n × D.
    pub(super) x: &'a [f64],
    /// Whether tiles are copied: centred, without the coordinates in which points do not differ.
    pub(super) packed: bool,
    /// (α/σ²)(x − α shift), n × width.
    pub(super) scaled: Vec<T>,
    /// −|x − α shift|²/2σ².
    pub(super) offsets: Vec<f64>,
    /// Bound on a logit's error, each query.
    pub(super) bound: Vec<f64>,
    /// Whether logits must be recomputed.
    pub(super) sharp: bool,
    /// A lower bound of log Σ e^l + |x − α shift|²/2σ², a little below it, −∞ where none is known.
    pub(super) least: Vec<f64>,
    /// Whether so many points have weight that listing them is in vain.
    pub(super) many: bool,
    /// What finds the points with weight by products in f32, where that pays.
    pub(super) narrow: Option<NarrowQueries>,
}

/// A tile of points in the precision of products, `width` coordinates each.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, T> {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) width: usize,
    pub(super) points: &'a [T],
}

impl<T> Queries<'_, T> {
    /// Takes up a logit of each query.
    pub(super) fn expect(&mut self, logits: impl Iterator<Item = f64>) {
        // More than what a sum in f32 may be too low.
        const SLACK: f64 = 0.01;
        let known = logits.zip(&self.offsets).map(|(l, offset)| l - offset - SLACK);
        self.least.iter_mut().zip(known).for_each(|(least, known)| *least = known);
    }

    /// The least that Σ e^l of query `q` is, in units of e^{max}.
    #[inline(always)]
    pub(super) fn least_sum(&self, q: usize, max: f64) -> f64 {
        (self.least[q] - max).min(LARGEST_EXPONENT).exp()
    }
}

/// Coordinates, in runs of neighbours.
#[derive(Debug, Clone)]
pub(super) struct Runs {
    runs: Vec<Range<usize>>,
    len: usize,
}

impl Runs {
    /// Those that are marked.
    pub(super) fn of(marked: &[bool]) -> Self {
        let mut runs: Vec<Range<usize>> = vec![];
        for d in (0..marked.len()).filter(|d| marked[*d]) {
            match runs.last_mut() {
                Some(run) if run.end == d => run.end += 1,
                _ => runs.push(d..d + 1),
            }
        }
        Self { len: runs.iter().map(Range::len).sum(), runs }
    }

    /// How many coordinates.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Each of them.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.runs.iter().cloned().flatten()
    }
}

impl<T: Real> Dense<T> {
    pub(super) fn queries<'a>(&self, source: Source, noise: Noise, x: &'a [f64]) -> Queries<'a, T> {
        let dim = self.dim;
        let len = x.len() / dim;
        let packed =
            self.shifts || T::own(source).is_none() || (self.active.is_some() && len >= PACKED_QUERIES);
        let gain = 2.0 * noise.signal * noise.half_precision;
        let norms2: Vec<f64> =
            x.chunks_exact(dim).map(|x| source::distance2(x, noise.signal, &self.shift)).collect();
        let offsets = norms2.iter().map(|n| -noise.half_precision * n).collect();
        // One rounding of each product term; the norm's term is rounded once more.
        let unit: Vec<f64> = norms2
            .iter()
            .map(|n| T::ROUNDOFF * gain * self.longest * (n.sqrt() + noise.signal * self.longest))
            .collect();
        // Products with a query beyond all that noise reaches add up without cancelling: D roundings of growing partial sums, as a random walk
        // of standard deviation √D/3 of one. Few points carry weight there, so that recomputing them costs little.
        let reach = 2.0 * (noise.signal * self.longest + (0.5 * dim as f64 / noise.half_precision).sqrt());
        let error = |(n, u): (&f64, &f64)| if n.sqrt() > reach { u * (dim as f64).sqrt() } else { *u };
        let sharp = norms2.iter().zip(&unit).map(error).any(|e| e > T::LOGIT_TOLERANCE);
        // A sum of D products has at most D roundings a term, plus those of the scaled query, bias and offset.
        let bound = unit.iter().map(|u| (dim as f64 + 8.0) * u).collect();
        Queries {
            len,
            noise,
            x,
            packed,
            scaled: vec![],
            offsets,
            bound,
            sharp,
            least: vec![f64::NEG_INFINITY; len],
            many: false,
            narrow: None,
        }
    }

    /// Makes queries ready for products.
    pub(super) fn scale(&self, queries: &mut Queries<T>) {
        let noise = queries.noise;
        let gain = 2.0 * noise.signal * noise.half_precision;
        let scaled = &mut queries.scaled;
        scaled.reserve_exact(queries.x.len());
        for x in queries.x.chunks_exact(self.dim) {
            let value = |d: usize| T::from_f64(gain * (x[d] - noise.signal * self.shift[d]));
            match &self.active {
                None => scaled.extend((0..self.dim).map(value)),
                Some(active) if queries.packed => scaled.extend(active.places().map(value)),
                Some(active) => {
                    let row = scaled.len();
                    scaled.resize(row + self.dim, T::default());
                    active.places().for_each(|d| scaled[row + d] = value(d));
                }
            }
        }
    }

    /// The points from `start` on, at most [`TILE`] and none from `end` on; `buffer` is used where they are copied.
    pub(super) fn tile<'a>(
        &self,
        source: Source<'a>,
        packed: bool,
        start: usize,
        end: usize,
        buffer: &'a mut Vec<T>,
    ) -> Tile<'a, T> {
        let len = TILE.min(end - start);
        if let (false, Some(points)) = (packed, T::own(source)) {
            let points = &points[start * self.dim..(start + len) * self.dim];
            return Tile { start, len, width: self.dim, points };
        }
        let width = self.active.as_ref().map_or(self.dim, Runs::len);
        buffer.resize(TILE * width, T::default());
        let out = &mut buffer[..len * width];
        pulp::Arch::new().dispatch(Pack { dense: self, source, start, width, out: &mut *out });
        Tile { start, len, width, points: out }
    }

    /// α x·μ/σ² of a query block and a tile, and log π − α²|μ|²/2σ² of its points.
    pub(super) fn products(&self, tile: Tile<T>, queries: &Queries<T>, logits: &mut [T], bias: &mut [T]) {
        let points = MatRef::from_row_major_slice(tile.points, tile.len, tile.width);
        let scaled = MatRef::from_row_major_slice(&queries.scaled, queries.len, tile.width);
        let dst = MatMut::from_row_major_slice_mut(logits, queries.len, tile.len);
        matmul(dst, Accum::Replace, scaled, points.transpose(), T::from_f64(1.0), Par::Seq);
        settle_vector_state();
        self.biases(queries.noise, tile.start, bias);
    }

    /// log π − α²|μ|²/2σ² of the points from `start` on.
    pub(super) fn biases(&self, noise: Noise, start: usize, bias: &mut [T]) {
        let scale = 2.0 * noise.signal * noise.signal * noise.half_precision;
        for (b, (l, half)) in
            bias.iter_mut().zip(self.log_weights[start..].iter().zip(&self.half_norms[start..]))
        {
            *b = T::from_f64(l - scale * half);
        }
    }
}

/// Copies a tile; an operation for `pulp`.
struct Pack<'a, T> {
    dense: &'a Dense<T>,
    source: Source<'a>,
    start: usize,
    width: usize,
    out: &'a mut [T],
}

impl<T: Real> pulp::NullaryFnOnce for Pack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { dense, source, start, width, out } = self;
        let first = start * dense.dim;
        if let (false, Some(points)) = (dense.shifts, T::own(source)) {
            // Coordinates that vary are not shifted.
            pack(&points[first..], dense, width, out, |o, p, _| o.copy_from_slice(p));
            return;
        }
        match source {
            Source::F64(points) => pack(&points[first..], dense, width, out, shifted),
            Source::F32(points) => pack(&points[first..], dense, width, out, shifted),
        }
    }
}

#[inline(always)]
fn shifted<S: Real, T: Real>(out: &mut [T], point: &[S], shift: &[f64]) {
    out.iter_mut().zip(point).zip(shift).for_each(|((o, p), s)| *o = T::from_f64(p.to_f64() - s));
}

#[inline(always)]
fn pack<S: Real, T: Real>(
    points: &[S],
    dense: &Dense<T>,
    width: usize,
    out: &mut [T],
    copy: impl Fn(&mut [T], &[S], &[f64]),
) {
    for (out, point) in out.chunks_exact_mut(width).zip(points.chunks_exact(dense.dim)) {
        match &dense.active {
            None => copy(out, point, &dense.shift),
            Some(active) => {
                let mut rest = out;
                for run in &active.runs {
                    let (out, after) = rest.split_at_mut(run.len());
                    copy(out, &point[run.clone()], &dense.shift[run.clone()]);
                    rest = after;
                }
            }
        }
    }
}
