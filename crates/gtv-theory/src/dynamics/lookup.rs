//! The paper's tabulated sampler: the denoiser is looked up, not evaluated, so that a step is one gather.
//!
//! m is tabulated on a uniform grid x_i (one axis for every coordinate) at the step times t_k. An Euler step of the
//! probability-flow ODE, x ← x + Δt (−βx − D (αm − x)/σ²) with Δt = t_{k+1} − t_k, is then
//!
//! ```text
//! x ← a_k x + b_{k,i},   a_k = 1 − Δt (β − D/σ²),   b_{k,i} = −Δt D α/σ² m(x_i, t_k),
//! ```
//!
//! where i is the number of grid points strictly below x, at most the last: computed, not searched. The loops run in
//! units of the grid, u = (x − x_0)/h, where i = ⌈u⌉ clamped and the step keeps its form.

use super::driver::{CHUNK, Progress, Samples, Tally, draw_initial, run_paths};
use crate::error::{Error, Result, check_finite};
use crate::rng::{Purpose, Streams};
use crate::schedule::Schedule;
use crate::score::ScoreField;
use serde::{Deserialize, Serialize};

/// A uniform grid of `len` points from `lo` to `hi`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LookupGrid {
    /// First point.
    pub lo: f64,
    /// Last point.
    pub hi: f64,
    /// Number of points, at least 2.
    pub len: usize,
}

impl Default for LookupGrid {
    /// The paper's: 200 points over [−1.5, 1.5].
    fn default() -> Self {
        Self { lo: -1.5, hi: 1.5, len: 200 }
    }
}

impl LookupGrid {
    /// h, the distance between neighbours.
    pub fn spacing(&self) -> f64 {
        (self.hi - self.lo) / (self.len - 1) as f64
    }

    /// The points x_i.
    pub fn points(&self) -> Vec<f64> {
        (0..self.len).map(|i| self.lo + self.spacing() * i as f64).collect()
    }

    fn validate(&self) -> Result<()> {
        if !(self.lo.is_finite() && self.hi.is_finite() && self.hi > self.lo) {
            return Err(Error::OutOfRange {
                name: "the lookup grid's end",
                value: self.hi,
                expected: "finite ends, the second above the first",
            });
        }
        // The index is computed in 32 bits.
        if !(2..=1 << 20).contains(&self.len) {
            return Err(Error::OutOfRange {
                name: "the lookup grid's number of points",
                value: self.len as f64,
                expected: "2 to 1048576",
            });
        }
        Ok(())
    }
}

/// Paths carried through all steps together: eight vectors of eight, which hide the latency of the gathers.
const LANES: usize = 64;

/// Most bytes a table may take.
const TABLE_LIMIT: u64 = 2 << 30;

/// An Euler sampler whose denoiser is a table; in one or two dimensions.
#[derive(Debug, Clone)]
pub struct Lookup {
    grid: LookupGrid,
    dim: usize,
    /// t_0 … t_{K−1}; paths end at the last time of the grid, which needs no table.
    times: Vec<f64>,
    /// a_k.
    gain: Vec<f64>,
    /// −Δt D α/σ² at t_k.
    drive: Vec<f64>,
    /// b_{k,i} in units of the grid: K × n^D × D, the last coordinate's index faster than the first's.
    table: Vec<f64>,
    /// σ_T.
    scale: f64,
    isa: Isa,
}

/// The instructions that the one-dimensional loop is compiled for. All give the same bits: no operation is fused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isa {
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") {
                return Self::Avx2;
            }
        }
        Self::Baseline
    }
}

impl Lookup {
    /// A sampler whose table is still zero: fill it with [`Lookup::tabulate`].
    ///
    /// # Errors
    /// A grid that is empty or reversed, fewer than two times, or more than two dimensions.
    pub fn new(schedule: &Schedule, times: &[f64], grid: LookupGrid, dim: usize) -> Result<Self> {
        grid.validate()?;
        if !(1..=2).contains(&dim) {
            return Err(Error::Unsupported {
                what: "a lookup table in this many dimensions",
                reason: "tables grow as the grid's size to the power D",
                advice: "use lookup = \"exact\" above D = 2",
            });
        }
        if times.len() < 2 {
            return Err(Error::Empty { name: "the time grid (steps)" });
        }
        check_finite("the time grid", times, 1)?;
        let cells = (grid.len as u64).pow(dim as u32) * dim as u64;
        let needed_bytes = 8 * cells * (times.len() - 1) as u64;
        if needed_bytes > TABLE_LIMIT {
            return Err(Error::TooLarge {
                name: "the lookup table",
                needed_bytes,
                limit_bytes: TABLE_LIMIT,
                advice: "use fewer grid points or steps, or lookup = \"exact\"",
            });
        }
        let coefficients = times.windows(2).map(|pair| {
            let (t, dt) = (pair[0], pair[1] - pair[0]);
            let pull = schedule.diffusion(t) / schedule.noise_var(t);
            (1.0 - dt * (schedule.drift_rate(t) - pull), -dt * pull * schedule.signal(t))
        });
        let (gain, drive): (Vec<f64>, Vec<f64>) = coefficients.unzip();
        Ok(Self {
            grid,
            dim,
            times: times[..times.len() - 1].to_vec(),
            table: vec![0.0; cells as usize * gain.len()],
            gain,
            drive,
            scale: schedule.noise_std(times[0]),
            isa: Isa::detect(),
        })
    }

    /// A sampler of any score field, its denoiser evaluated on the grid.
    ///
    /// # Errors
    /// As [`Lookup::new`].
    pub fn of_field<F: ScoreField + ?Sized>(field: &F, times: &[f64], grid: LookupGrid) -> Result<Self> {
        let mut lookup = Self::new(field.schedule(), times, grid, field.dim())?;
        let points = lookup.points();
        lookup.tabulate(|t, out| field.denoiser_into(&points, t, out));
        Ok(lookup)
    }

    /// The points of the table, n^D × D, the first coordinate slowest.
    pub fn points(&self) -> Vec<f64> {
        let axis = self.grid.points();
        match self.dim {
            1 => axis,
            _ => axis.iter().flat_map(|&a| axis.iter().flat_map(move |&b| [a, b])).collect(),
        }
    }

    /// The times that are looked up.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// Replaces the table: `denoiser(t, out)` fills m on [`Lookup::points`], n^D × D.
    pub fn tabulate(&mut self, mut denoiser: impl FnMut(f64, &mut [f64])) {
        let (lo, spacing) = (self.grid.lo, self.grid.spacing());
        let rows = self.table.len() / self.times.len();
        for (k, row) in self.table.chunks_exact_mut(rows).enumerate() {
            denoiser(self.times[k], row);
            // x = lo + h u turns x' = a x + c m into u' = a u + ((a − 1) lo + c m)/h.
            let (shift, drive) = ((self.gain[k] - 1.0) * lo / spacing, self.drive[k] / spacing);
            row.iter_mut().for_each(|m| *m = shift + drive * *m);
        }
    }

    /// Carries states from T to ε in place, on the calling thread.
    ///
    /// # Shapes
    /// `x`: n × D.
    pub fn transport(&self, x: &mut [f64]) {
        let (lo, spacing) = (self.grid.lo, self.grid.spacing());
        let per_unit = 1.0 / spacing;
        x.iter_mut().for_each(|x| *x = (*x - lo) * per_unit);
        match self.dim {
            1 => self.transport_line(x),
            _ => self.transport_plane(x),
        }
        x.iter_mut().for_each(|u| *u = lo + spacing * *u);
    }

    /// `paths` paths of model `member` on the calling thread, handed to `visit` in batches of rows: the same paths
    /// as [`Lookup::sample`], never all in memory.
    pub fn for_each_batch(&self, paths: usize, streams: Streams, member: u64, mut visit: impl FnMut(&[f64])) {
        // A batch of the plane's is large enough to use what one time's table brings into the cache.
        let batch = CHUNK * if self.dim == 1 { 1 } else { 32 };
        let mut x = vec![0.0; batch.min(paths) * self.dim];
        for first in (0..paths).step_by(batch) {
            let rows = &mut x[..batch.min(paths - first) * self.dim];
            for (i, rows) in rows.chunks_mut(CHUNK * self.dim).enumerate() {
                let mut rng = streams.stream(Purpose::Initial, member, (first / CHUNK + i) as u64);
                draw_initial(&mut rng, &[0.0; 2][..self.dim], self.scale, rows);
            }
            self.transport(rows);
            visit(rows);
        }
    }

    /// Samples `paths` paths of model `member` in parallel, from N(0, σ_T² I): the same initial states as
    /// [`PfOde`](super::PfOde) draws.
    pub fn sample(&self, paths: usize, streams: Streams, member: u64, progress: Progress) -> Samples {
        let centre = &[0.0; 2][..self.dim];
        run_paths(
            paths,
            centre,
            self.scale,
            (streams, member),
            progress,
            || (),
            |_, _, x| {
                self.transport(x);
                Tally::default()
            },
        )
    }

    fn transport_line(&self, u: &mut [f64]) {
        let (table, n) = (&self.table, self.grid.len);
        debug_assert!(table.len() == n * self.gain.len());
        match self.isa {
            Isa::Baseline => line(u, &self.gain, table, n),
            // SAFETY: `Isa::detect` found these features on this processor.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { line_avx2(u, &self.gain, table, n) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { line_avx512(u, &self.gain, table, n) },
        }
    }

    /// Step by step over all the paths given, since one time's table already fills much of a cache.
    fn transport_plane(&self, u: &mut [f64]) {
        let n = self.grid.len;
        let last = (n - 1) as f64;
        for (gain, table) in self.gain.iter().zip(self.table.chunks_exact(2 * n * n)) {
            for pair in u.as_chunks_mut::<2>().0 {
                let cell = 2 * (cell(pair[0], last) * n + cell(pair[1], last));
                // SAFETY: both indices are at most n − 1, so cell + 1 < 2n².
                let offset = unsafe { [*table.get_unchecked(cell), *table.get_unchecked(cell + 1)] };
                *pair = [gain * pair[0] + offset[0], gain * pair[1] + offset[1]];
            }
        }
    }
}

/// ⌈u⌉ clamped to [0, last]: the number of grid points strictly below u, at most the last index. NaN gives 0.
///
/// `last` must be between 0 and 2^30. Comparisons and a truncation instead of `ceil`, which has no instruction in
/// the baseline set.
#[inline(always)]
fn cell(u: f64, last: f64) -> usize {
    let u = if u > 0.0 { u } else { 0.0 };
    let u = if u < last { u } else { last };
    // SAFETY: 0 ≤ u ≤ last ≤ 2^30, also when u was NaN or infinite.
    let below: i32 = unsafe { u.to_int_unchecked() };
    (below + i32::from(f64::from(below) < u)) as usize
}

/// All steps of all states: u ← a_k u + b_{k, cell(u)}. Whole groups of [`LANES`] stay in registers.
#[inline(always)]
fn line(u: &mut [f64], gain: &[f64], table: &[f64], n: usize) {
    let (groups, rest) = u.as_chunks_mut::<LANES>();
    for group in groups {
        let mut state = *group;
        steps(&mut state, gain, table, n);
        *group = state;
    }
    steps(rest, gain, table, n);
}

#[inline(always)]
fn steps(state: &mut [f64], gain: &[f64], table: &[f64], n: usize) {
    let last = (n - 1) as f64;
    for (gain, row) in gain.iter().zip(table.chunks_exact(n)) {
        for u in state.iter_mut() {
            // SAFETY: cell is at most n − 1 and the row has n values.
            *u = gain * *u + unsafe { *row.get_unchecked(cell(*u, last)) };
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn line_avx2(u: &mut [f64], gain: &[f64], table: &[f64], n: usize) {
    line(u, gain, table, n);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn line_avx512(u: &mut [f64], gain: &[f64], table: &[f64], n: usize) {
    line(u, gain, table, n);
}

#[cfg(test)]
mod tests;
