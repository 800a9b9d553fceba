//! The loop over panels of points and groups of queries: bounds on v from the first axes, kept in registers and compared
//! with a threshold of each query.

#![expect(clippy::needless_range_loop, reason = "loops of fixed length over arrays stay in registers")]

use super::{Index, Probes};
use pulp::Simd;

/// Points a panel: two AVX2 registers.
pub(in crate::score) const PANEL: usize = 16;
/// Queries that share a panel: with two registers each, twelve of the sixteen hold sums.
pub(in crate::score) const GROUP: usize = 6;
/// Most norms in a bound: of groups of axes, of what is beyond them, and the whole.
pub(in crate::score) const NORMS: usize = 4;

/// One number for each query of a group.
pub(in crate::score) type Six = [f32; GROUP];

/// What a bound adds to the products of a panel's points: a constant and norms, which are multiplied by coefficients of
/// the query.
#[derive(Debug, Clone, Copy)]
pub(in crate::score) struct Terms {
    pub(in crate::score) bias: [f32; PANEL],
    pub(in crate::score) norms: [[f32; PANEL]; NORMS],
}

/// What is done with points whose bound reaches the threshold.
pub(in crate::score) trait Visit {
    /// Called before a panel is used.
    fn enter(&mut self, panel: usize) -> Terms;
    /// Coefficients of the norms, for each group of queries.
    fn coefficients(&self, group: usize) -> &[Six];
    /// The bound below which a point is passed over.
    fn thresholds(&self, group: usize) -> &Six;
    /// No point of the panel reaches its threshold for any query of a group: the largest difference.
    fn passed(&mut self, group: usize, difference: f32);
    /// Some points of the panel do for query `q`: y·ν of them all, and their bounds.
    fn reached(&mut self, q: usize, products: &[f32; PANEL], bounds: &[f32; PANEL]);
    /// Called after a panel was used.
    fn leave<S: Simd>(&mut self, simd: S);
}

/// Visits all pairs of a query and a panel of `panels`, panel by panel, with products on the first `axes` axes.
pub(in crate::score) fn sweep<V: Visit>(
    index: &Index,
    probes: &Probes,
    axes: usize,
    panels: std::ops::Range<usize>,
    visit: &mut V,
) {
    pulp::Arch::new().dispatch(Sweep { index, probes, axes, panels, visit });
}

struct Sweep<'a, V> {
    index: &'a Index,
    probes: &'a Probes,
    axes: usize,
    panels: std::ops::Range<usize>,
    visit: &'a mut V,
}

impl<V: Visit> pulp::WithSimd for Sweep<'_, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Registers a panel, for every width that there is.
        match S::F32_LANES {
            16 => self.run::<S, 1>(simd),
            8 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            _ => self.run::<S, PANEL>(simd),
        }
    }
}

impl<V: Visit> Sweep<'_, V> {
    #[inline(always)]
    fn run<S: Simd, const N: usize>(self, simd: S) {
        let Self { index, probes, axes, panels, visit } = self;
        for panel in panels {
            let points = index.panel(panel, 0, axes);
            let terms = visit.enter(panel);
            let bias = registers::<S, N>(simd, &terms.bias);
            for (group, y) in probes.groups().enumerate() {
                let zero = simd.splat_f32s(0.0);
                let mut sums = [[zero; N]; GROUP];
                for (nu, y) in points.iter().zip(y) {
                    let nu = registers::<S, N>(simd, nu);
                    for g in 0..GROUP {
                        let y = simd.splat_f32s(y[g]);
                        for n in 0..N {
                            sums[g][n] = simd.mul_add_e_f32s(y, nu[n], sums[g][n]);
                        }
                    }
                }
                let thresholds = *visit.thresholds(group);
                let mut bounds = sums;
                for g in 0..GROUP {
                    for n in 0..N {
                        bounds[g][n] = simd.add_f32s(bounds[g][n], bias[n]);
                    }
                }
                for (c, norms) in visit.coefficients(group).iter().zip(&terms.norms) {
                    let norms = registers::<S, N>(simd, norms);
                    for g in 0..GROUP {
                        let c = simd.splat_f32s(c[g]);
                        for n in 0..N {
                            bounds[g][n] = simd.mul_add_e_f32s(c, norms[n], bounds[g][n]);
                        }
                    }
                }
                let mut over = [simd.splat_f32s(f32::NEG_INFINITY); GROUP];
                for g in 0..GROUP {
                    let threshold = simd.splat_f32s(thresholds[g]);
                    for n in 0..N {
                        over[g] = simd.max_f32s(over[g], simd.sub_f32s(bounds[g][n], threshold));
                    }
                }
                let largest = over.iter().copied().reduce(|a, b| simd.max_f32s(a, b)).unwrap_or(over[0]);
                let largest = simd.reduce_max_f32s(largest);
                if largest < 0.0 {
                    visit.passed(group, largest);
                    continue;
                }
                for g in 0..GROUP {
                    let largest = simd.reduce_max_f32s(over[g]);
                    if largest < 0.0 {
                        visit.passed(group, largest);
                    } else {
                        let bounds = values::<S, N>(&bounds[g]);
                        visit.reached(group * GROUP + g, &values::<S, N>(&sums[g]), &bounds);
                    }
                }
            }
            visit.leave(simd);
        }
    }
}

/// Adds y·ν of one query and a panel's points on the axes `from..to` to `products`, for the query's place in its group.
#[inline(always)]
pub(in crate::score) fn further<S: Simd>(
    simd: S,
    points: &[[f32; PANEL]],
    y: &[Six],
    place: usize,
    products: &mut [f32; PANEL],
) {
    match S::F32_LANES {
        16 => further_by::<S, 1>(simd, points, y, place, products),
        8 => further_by::<S, 2>(simd, points, y, place, products),
        4 => further_by::<S, 4>(simd, points, y, place, products),
        _ => further_by::<S, PANEL>(simd, points, y, place, products),
    }
}

#[inline(always)]
fn further_by<S: Simd, const N: usize>(
    simd: S,
    points: &[[f32; PANEL]],
    y: &[Six],
    place: usize,
    products: &mut [f32; PANEL],
) {
    // Sums that do not wait for each other.
    const WAYS: usize = 4;
    let zero = simd.splat_f32s(0.0);
    let mut sums = [[zero; N]; WAYS];
    sums[0] = registers::<S, N>(simd, products);
    // Levels are multiples of eight.
    for (nu, y) in points.as_chunks::<WAYS>().0.iter().zip(y.as_chunks::<WAYS>().0) {
        for w in 0..WAYS {
            let nu = registers::<S, N>(simd, &nu[w]);
            let y = simd.splat_f32s(y[w][place]);
            for n in 0..N {
                sums[w][n] = simd.mul_add_e_f32s(y, nu[n], sums[w][n]);
            }
        }
    }
    for n in 0..N {
        let (a, b) = (simd.add_f32s(sums[0][n], sums[1][n]), simd.add_f32s(sums[2][n], sums[3][n]));
        sums[0][n] = simd.add_f32s(a, b);
    }
    *products = values::<S, N>(&sums[0]);
}

/// The largest of a panel's numbers.
#[inline(always)]
pub(in crate::score) fn largest(mut row: [f32; PANEL]) -> f32 {
    // By halves, which the compiler does in registers; one after the other it would not.
    for half in [8, 4, 2, 1] {
        for j in 0..half {
            row[j] = if row[j] > row[j + half] { row[j] } else { row[j + half] };
        }
    }
    row[0]
}

/// The sixteen numbers of a row in registers.
#[inline(always)]
pub(super) fn registers<S: Simd, const N: usize>(_: S, row: &[f32; PANEL]) -> [S::f32s; N] {
    let (registers, _) = S::as_simd_f32s(row);
    std::array::from_fn(|n| registers[n])
}

#[inline(always)]
pub(super) fn values<S: Simd, const N: usize>(registers: &[S::f32s; N]) -> [f32; PANEL] {
    let mut out = [0.0; PANEL];
    let (rows, _) = S::as_mut_simd_f32s(&mut out);
    rows.copy_from_slice(registers);
    out
}
