//! Histograms on uniform grids: density_c = count_c / (n · volume of a cell).

use crate::error::{Error, Result, check_finite};
use rayon::prelude::*;

/// Samples one task counts; fixed, so that the split does not depend on the number of threads.
const CHUNK: usize = 1 << 16;

/// Uniform cells [e_i, e_{i+1}) on one axis, e_i = lo + i·(hi − lo)/len; the last cell includes `hi`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    lo: f64,
    hi: f64,
    len: usize,
    width: f64,
    inverse: f64,
}

impl Axis {
    /// `len` cells that cover [lo, hi].
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for ends that are not finite and increasing, or no cell.
    pub fn new(lo: f64, hi: f64, len: usize) -> Result<Self> {
        if !(lo.is_finite() && hi.is_finite() && hi > lo) {
            return Err(Error::OutOfRange {
                name: "range",
                value: hi,
                expected: "finite ends, the second above the first",
            });
        }
        if len == 0 {
            return Err(Error::OutOfRange { name: "bins", value: 0.0, expected: "at least 1" });
        }
        let width = (hi - lo) / len as f64;
        Ok(Self { lo, hi, len, width, inverse: 1.0 / width })
    }

    /// Cells centred on `len` uniform grid points `first … last`, as the published figures bin.
    ///
    /// # Errors
    /// As [`Axis::new`]; at least two points are needed, since their spacing is the cells' width.
    pub fn centred_on(first: f64, last: f64, len: usize) -> Result<Self> {
        if len < 2 {
            return Err(Error::OutOfRange {
                name: "bins",
                value: len as f64,
                expected: "at least 2 grid points, whose spacing is the width of a bin",
            });
        }
        let half = 0.5 * (last - first) / (len - 1) as f64;
        Self::new(first - half, last + half, len)
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Always false: an axis has at least one cell.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The range [lo, hi].
    pub fn range(&self) -> (f64, f64) {
        (self.lo, self.hi)
    }

    /// Width of a cell.
    pub fn width(&self) -> f64 {
        self.width
    }

    /// The edge e_i.
    #[inline]
    fn edge(&self, i: usize) -> f64 {
        if i == self.len { self.hi } else { self.lo + i as f64 * self.width }
    }

    /// All len + 1 edges.
    pub fn edges(&self) -> Vec<f64> {
        (0..=self.len).map(|i| self.edge(i)).collect()
    }

    /// Centres of the cells.
    pub fn centres(&self) -> Vec<f64> {
        (0..self.len).map(|i| self.lo + (i as f64 + 0.5) * self.width).collect()
    }

    /// The cell of x, computed rather than searched; `None` outside the range and for NaN.
    #[inline]
    pub fn index(&self, x: f64) -> Option<usize> {
        if !(x >= self.lo && x <= self.hi) {
            return None;
        }
        let i = (((x - self.lo) * self.inverse) as usize).min(self.len - 1);
        // The quotient may round across an edge: settle it against the edges themselves.
        if x < self.edge(i) {
            Some(i - 1)
        } else if i + 1 < self.len && x >= self.edge(i + 1) {
            Some(i + 1)
        } else {
            Some(i)
        }
    }
}

/// What a density is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normalisation {
    /// All samples: the density integrates to the share that falls inside.
    #[default]
    All,
    /// The samples inside the range: the density integrates to one, as in the published figures.
    Inside,
}

/// Counts of samples in one or two dimensions.
///
/// ```
/// use gtv_theory::compare::{Axis, Histogram};
/// let found = Histogram::count(&[Axis::new(0.0, 1.0, 2)?], &[0.1, 0.2, 0.9, 7.0])?;
/// assert_eq!(found.counts(), [2, 1]);
/// assert_eq!(found.shares(), [0.5, 0.25, 0.25]);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    axes: Vec<Axis>,
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Counts samples, in parallel; the result does not depend on the number of threads.
    ///
    /// # Shapes
    /// `axes`: D, one or two; `samples`: n × D row-major. Cells are row-major, the last axis fastest.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for more than two axes, [`Error::Shape`], and [`Error::NotFinite`].
    pub fn count(axes: &[Axis], samples: &[f64]) -> Result<Self> {
        let mut histogram = Self::zero(axes)?;
        let dim = axes.len();
        if !samples.len().is_multiple_of(dim) {
            let expected = samples.len().div_ceil(dim) * dim;
            return Err(Error::Shape { name: "samples", expected, found: samples.len() });
        }
        check_finite("samples", samples, dim)?;
        let cells = histogram.counts.len();
        // At most 64 partial tables: a table for each 65,536 samples of a large set would cost more than counting.
        let rows = samples.len() / dim;
        let chunk = CHUNK.max(rows.div_ceil(64)) * dim;
        let partial: Vec<Vec<u64>> = samples
            .par_chunks(chunk)
            .map(|chunk| {
                let mut counts = vec![0u64; cells];
                count_into(axes, chunk, |cell| counts[cell] += 1);
                counts
            })
            .collect();
        for counts in partial {
            histogram.counts.iter_mut().zip(counts).for_each(|(sum, c)| *sum += c);
        }
        histogram.total = rows as u64;
        Ok(histogram)
    }

    /// A histogram of no samples.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless there are one or two axes.
    pub fn zero(axes: &[Axis]) -> Result<Self> {
        if !matches!(axes.len(), 1 | 2) {
            return Err(Error::Unsupported {
                what: "a histogram in more than two dimensions",
                reason: "almost all cells would be empty",
                advice: "project the samples first",
            });
        }
        let cells = axes.iter().map(Axis::len).product();
        Ok(Self { axes: axes.to_vec(), counts: vec![0; cells], total: 0 })
    }

    /// Adds the counts of another histogram on the same grid.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the grids differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.axes != other.axes {
            return Err(Error::Unsupported {
                what: "merging histograms on different grids",
                reason: "their cells do not correspond",
                advice: "build both on one grid",
            });
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
        self.total += other.total;
        Ok(())
    }

    /// The axes.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Samples in each cell.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Samples counted, inside or not.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Share of the samples that fell inside the range (NaN when there are no samples).
    pub fn inside_share(&self) -> f64 {
        self.counts.iter().sum::<u64>() as f64 / self.total as f64
    }

    /// Densities in 1/volume; all zero when there is nothing to divide by.
    pub fn density(&self, normalisation: Normalisation) -> Vec<f64> {
        let samples = match normalisation {
            Normalisation::All => self.total,
            Normalisation::Inside => self.counts.iter().sum(),
        };
        let volume: f64 = self.axes.iter().map(Axis::width).product();
        let scale = if samples == 0 { 0.0 } else { 1.0 / (samples as f64 * volume) };
        self.counts.iter().map(|&c| c as f64 * scale).collect()
    }

    /// Share of all samples in each cell, with one more cell at the end that holds everything outside, so that
    /// the shares of any non-empty histogram sum to one.
    pub fn shares(&self) -> Vec<f64> {
        let inside: u64 = self.counts.iter().sum();
        let scale = if self.total == 0 { 0.0 } else { 1.0 / self.total as f64 };
        self.counts.iter().chain([&(self.total - inside)]).map(|&c| c as f64 * scale).collect()
    }
}

/// Calls `hit` with the cell of each sample inside the range.
#[inline]
pub(super) fn count_into(axes: &[Axis], samples: &[f64], mut hit: impl FnMut(usize)) {
    match axes {
        [axis] => samples.iter().filter_map(|&x| axis.index(x)).for_each(hit),
        [first, second] => {
            for row in samples.chunks_exact(2) {
                if let (Some(i), Some(j)) = (first.index(row[0]), second.index(row[1])) {
                    hit(i * second.len() + j);
                }
            }
        }
        _ => unreachable!("histograms are built with one or two axes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn oracle_computed_index_is_the_searched_one(
            lo in -3.0..3.0f64, width in 0.01..5.0f64, len in 1usize..300, u in -0.2..1.2f64, on_edge in 0usize..300,
        ) {
            let axis = Axis::new(lo, lo + width, len).unwrap();
            let edges = axis.edges();
            for x in [lo + u * width, edges[on_edge % (len + 1)]] {
                let searched = if x < lo || x > edges[len] {
                    None
                } else {
                    Some((edges.partition_point(|e| *e <= x) - 1).min(len - 1))
                };
                prop_assert_eq!(axis.index(x), searched);
            }
        }
    }

    #[test]
    fn identities_mass_is_conserved_and_merging_is_counting_together() {
        let axis = Axis::new(-1.0, 1.0, 7).unwrap();
        let samples: Vec<f64> = (0..1000).map(|i| (i as f64 * 0.377).sin() * 1.4).collect();
        let all = Histogram::count(&[axis], &samples).unwrap();
        let mut merged = Histogram::count(&[axis], &samples[..301]).unwrap();
        merged.merge(&Histogram::count(&[axis], &samples[301..]).unwrap()).unwrap();
        assert_eq!(all, merged);
        let inside = samples.iter().filter(|x| x.abs() <= 1.0).count() as f64 / 1000.0;
        assert_eq!(all.inside_share(), inside);
        let mass = |n| all.density(n).iter().sum::<f64>() * axis.width();
        assert!((mass(Normalisation::All) - inside).abs() < 1e-14);
        assert!((mass(Normalisation::Inside) - 1.0).abs() < 1e-14);
        assert!((all.shares().iter().sum::<f64>() - 1.0).abs() < 1e-14);
    }

    #[test]
    fn identities_bins_of_the_published_figures_are_centred_on_their_grid() {
        let axis = Axis::centred_on(-1.5, 1.5, 200).unwrap();
        let centres = axis.centres();
        assert!((centres[0] + 1.5).abs() < 1e-14 && (centres[199] - 1.5).abs() < 1e-14);
        let step = 3.0 / 199.0;
        assert_eq!(axis.index(-1.5 + 17.4 * step), Some(17));
        assert_eq!(axis.index(-1.5 + 17.6 * step), Some(18));
    }

    #[test]
    fn identities_two_dimensional_cells_are_row_major() {
        let (a, b) = (Axis::new(0.0, 1.0, 2).unwrap(), Axis::new(0.0, 1.0, 3).unwrap());
        let h = Histogram::count(&[a, b], &[0.9, 0.1, 0.1, 0.9, 0.1, 0.9, 5.0, 0.5]).unwrap();
        assert_eq!(h.counts(), &[0, 0, 2, 1, 0, 0]);
        assert_eq!(h.total(), 4);
    }

    #[test]
    fn bad_input_is_refused() {
        let axis = Axis::new(0.0, 1.0, 4).unwrap();
        assert!(Axis::new(1.0, 1.0, 4).is_err() && Axis::new(0.0, f64::NAN, 4).is_err());
        assert!(Axis::new(0.0, 1.0, 0).is_err() && Axis::centred_on(0.0, 1.0, 1).is_err());
        assert!(Histogram::count(&[axis; 3], &[0.0; 3]).is_err());
        assert!(Histogram::count(&[axis; 2], &[0.0; 3]).is_err());
        assert!(matches!(Histogram::count(&[axis], &[0.0, f64::NAN]), Err(Error::NotFinite { row: 1, .. })));
        let other = Histogram::zero(&[Axis::new(0.0, 1.0, 5).unwrap()]).unwrap();
        assert!(Histogram::zero(&[axis]).unwrap().merge(&other).is_err());
    }
}
