//! Posterior moments of few points or few dimensions by direct differences:
//! l_m = log π_m − |x − αμ_m|²/2σ², w = softmax(l), m = Σ w μ, Γ = Σ w (μ − m)(μ − m)ᵀ.
//!
//! Points are stored by coordinate and padded to whole lanes with points of weight 0, so that the inner loops are
//! plain vector loops; they are streamed in blocks with a running maximum (online log-sum-exp), on the stack.

use super::evaluation::CovKind;
use crate::data::PointCloud;
use crate::lanes::{LANES, dot, exp_nonpositive, max_of, sum_of};
use crate::schedule::Schedule;

/// Points a block: two such f64 arrays are 1 KiB of stack.
const BLOCK: usize = 64;

/// A cloud stored by coordinate.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    dim: usize,
    padded: usize,
    /// D × padded.
    columns: Vec<f64>,
    /// log π_m; −∞ for weight 0 and for padding.
    log_weights: Vec<f64>,
}

/// α and 1/2σ² at one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    pub signal: f64,
    pub half_precision: f64,
}

impl Noise {
    pub(super) fn at(schedule: &Schedule, t: f64) -> Self {
        Self { signal: schedule.signal(t), half_precision: 0.5 / schedule.noise_var(t) }
    }
}

/// Unnormalised log-sum-exp of one query: log Σ e^l = max + ln(sum).
#[derive(Debug, Clone, Copy)]
struct Partition {
    max: f64,
    sum: f64,
}

impl Columns {
    pub(super) fn new(cloud: &PointCloud) -> Self {
        let (len, dim) = (cloud.len(), cloud.dim());
        let padded = len.next_multiple_of(LANES);
        let mut columns = vec![0.0; dim * padded];
        for (m, point) in cloud.points().chunks_exact(dim).enumerate() {
            for (d, v) in point.iter().enumerate() {
                columns[d * padded + m] = *v;
            }
        }
        let mut log_weights = vec![f64::NEG_INFINITY; padded];
        for (l, w) in log_weights.iter_mut().zip(cloud.weights()) {
            *l = w.ln();
        }
        Self { dim, padded, columns, log_weights }
    }

    /// m(x, t) of a batch, allocation-free.
    ///
    /// # Shapes
    /// `x`, `mean`: n × D.
    pub(super) fn means(&self, noise: Noise, x: &[f64], mean: &mut [f64]) {
        pulp::Arch::new().dispatch(Means { columns: self, noise, x, mean });
    }

    /// m, Σ e^l and, when asked, Γ of a batch.
    ///
    /// # Shapes
    /// `x`, `mean`: n × D; `log_sum`: n; `cov`: n × (0, 1 or D²).
    pub(super) fn moments(
        &self,
        noise: Noise,
        kind: CovKind,
        x: &[f64],
        mean: &mut [f64],
        log_sum: &mut [f64],
        cov: &mut [f64],
    ) {
        pulp::Arch::new().dispatch(Moments { columns: self, noise, kind, x, mean, log_sum, cov });
    }

    #[inline(always)]
    fn blocks(&self) -> impl Iterator<Item = (usize, usize)> {
        let padded = self.padded;
        (0..padded).step_by(BLOCK).map(move |start| (start, BLOCK.min(padded - start)))
    }

    #[inline(always)]
    fn column(&self, d: usize, start: usize, len: usize) -> &[f64] {
        &self.columns[d * self.padded + start..][..len]
    }

    /// l_m of one block.
    #[inline(always)]
    fn logits(&self, dim: usize, noise: Noise, x: &[f64], start: usize, logits: &mut [f64]) {
        let len = logits.len();
        logits.fill(0.0);
        for (d, x) in x.iter().enumerate().take(dim) {
            let column = self.column(d, start, len);
            for (l, c) in logits.iter_mut().zip(column) {
                let difference = x - noise.signal * c;
                *l += difference * difference;
            }
        }
        let log_weights = &self.log_weights[start..start + len];
        for (l, w) in logits.iter_mut().zip(log_weights) {
            *l = w - noise.half_precision * *l;
        }
    }

    #[inline(always)]
    fn mean(&self, dim: usize, noise: Noise, x: &[f64], mean: &mut [f64]) -> Partition {
        let mut logits = [0.0; BLOCK];
        let (mut max, mut sum) = (f64::NEG_INFINITY, 0.0);
        mean.fill(0.0);
        for (start, len) in self.blocks() {
            let logits = &mut logits[..len];
            self.logits(dim, noise, x, start, logits);
            let block_max = max_of(logits);
            if block_max > max {
                let rescale = exp_nonpositive(max - block_max);
                sum *= rescale;
                mean.iter_mut().for_each(|m| *m *= rescale);
                max = block_max;
            }
            if max == f64::NEG_INFINITY {
                // Nothing but padding or points of weight 0 so far: −∞ − (−∞) would be NaN.
                continue;
            }
            exponentials(max, logits);
            sum += sum_of(logits);
            for (d, m) in mean.iter_mut().enumerate().take(dim) {
                *m += dot(logits, self.column(d, start, len));
            }
        }
        mean.iter_mut().for_each(|m| *m /= sum);
        Partition { max, sum }
    }

    /// Replaces m by μ_a + Σ w (μ − μ_a), a the heaviest point: exact where all points with weight coincide, so
    /// that Γ is then 0 and not a square of rounding errors.
    #[inline(always)]
    fn recentre(&self, noise: Noise, x: &[f64], partition: Partition, mean: &mut [f64]) {
        let mut logits = [0.0; BLOCK];
        let mut anchor = 0;
        'search: for (start, len) in self.blocks() {
            let logits = &mut logits[..len];
            self.logits(self.dim, noise, x, start, logits);
            for (j, l) in logits.iter().enumerate() {
                if *l == partition.max {
                    anchor = start + j;
                    break 'search;
                }
            }
        }
        mean.fill(0.0);
        for (start, len) in self.blocks() {
            let logits = &mut logits[..len];
            self.logits(self.dim, noise, x, start, logits);
            exponentials(partition.max, logits);
            for (d, m) in mean.iter_mut().enumerate() {
                let origin = self.columns[d * self.padded + anchor];
                let column = self.column(d, start, len);
                *m += logits.iter().zip(column).map(|(w, c)| w * (c - origin)).sum::<f64>();
            }
        }
        for (d, m) in mean.iter_mut().enumerate() {
            *m = self.columns[d * self.padded + anchor] + *m / partition.sum;
        }
    }

    /// Γ (lower triangle, mirrored) or its trace.
    #[inline(always)]
    fn cov(
        &self,
        noise: Noise,
        x: &[f64],
        partition: Partition,
        mean: &[f64],
        deviations: &mut [f64],
        cov: &mut [f64],
    ) {
        let dim = self.dim;
        let full = cov.len() == dim * dim && dim > 1;
        let mut weights = [0.0; BLOCK];
        let mut weighted = [0.0; BLOCK];
        cov.fill(0.0);
        for (start, len) in self.blocks() {
            let weights = &mut weights[..len];
            self.logits(dim, noise, x, start, weights);
            exponentials(partition.max, weights);
            for (d, row) in deviations.chunks_exact_mut(BLOCK).enumerate() {
                for (v, c) in row.iter_mut().zip(self.column(d, start, len)) {
                    *v = c - mean[d];
                }
            }
            let weighted = &mut weighted[..len];
            for (d, row) in deviations.chunks_exact(BLOCK).enumerate() {
                for ((wv, w), v) in weighted.iter_mut().zip(&*weights).zip(row) {
                    *wv = w * v;
                }
                if full {
                    for e in 0..=d {
                        cov[d * dim + e] += dot(weighted, &deviations[e * BLOCK..][..len]);
                    }
                } else {
                    cov[0] += dot(weighted, &row[..len]);
                }
            }
        }
        cov.iter_mut().for_each(|c| *c /= partition.sum);
        if full {
            for d in 0..dim {
                for e in 0..d {
                    cov[e * dim + d] = cov[d * dim + e];
                }
            }
        }
    }
}

/// [`Columns::means`] as an operation that `pulp` compiles once for each instruction set. (A closure would not do:
/// the call through its `FnOnce` shim is not inlined, and then nothing is vectorised.)
struct Means<'a> {
    columns: &'a Columns,
    noise: Noise,
    x: &'a [f64],
    mean: &'a mut [f64],
}

impl Means<'_> {
    #[inline(always)]
    fn run(self, dim: usize) {
        for (x, mean) in self.x.chunks_exact(dim).zip(self.mean.chunks_exact_mut(dim)) {
            self.columns.mean(dim, self.noise, x, mean);
        }
    }
}

impl pulp::NullaryFnOnce for Means<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        // A literal dimension lets the compiler unroll the loops over coordinates.
        match self.columns.dim {
            1 => self.run(1),
            2 => self.run(2),
            dim => self.run(dim),
        }
    }
}

/// [`Columns::moments`], likewise.
struct Moments<'a> {
    columns: &'a Columns,
    noise: Noise,
    kind: CovKind,
    x: &'a [f64],
    mean: &'a mut [f64],
    log_sum: &'a mut [f64],
    cov: &'a mut [f64],
}

impl pulp::NullaryFnOnce for Moments<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { columns, noise, kind, x, mean, log_sum, cov } = self;
        let dim = columns.dim;
        let values = kind.values(dim);
        let mut deviations = vec![0.0; if kind == CovKind::None { 0 } else { dim * BLOCK }];
        for (i, (x, mean)) in x.chunks_exact(dim).zip(mean.chunks_exact_mut(dim)).enumerate() {
            let partition = columns.mean(dim, noise, x, mean);
            log_sum[i] = partition.max + partition.sum.ln();
            if kind != CovKind::None {
                columns.recentre(noise, x, partition, mean);
                let cov = &mut cov[i * values..(i + 1) * values];
                columns.cov(noise, x, partition, mean, &mut deviations, cov);
            }
        }
    }
}

/// l ↦ e^{l − max} in place.
#[inline(always)]
fn exponentials(max: f64, logits: &mut [f64]) {
    for l in logits {
        *l = exp_nonpositive(*l - max);
    }
}
