//! Tables of a separable denoiser on a product grid: G W_t Gᵀ instead of φ at every grid point.

use gtv_theory::dynamics::LookupGrid;
use gtv_theory::features::Separable;
use gtv_theory::linalg::gemm_nn;

/// The one-dimensional factors G_{ia} = f_a(x_i) of separable features on a lookup grid, in one or two dimensions.
#[derive(Debug, Clone)]
pub struct GridTable {
    features: Separable,
    points: usize,
    /// One matrix for each coordinate, points × n_axis.
    factors: Vec<Vec<f64>>,
    /// W contracted with time, and the half-contracted table, in the order in which they are multiplied.
    spatial: Vec<f64>,
    turned: Vec<f64>,
    half: Vec<f64>,
}

impl GridTable {
    /// Evaluates the factors. `features` must have one or two coordinates, as [`gtv_theory::dynamics::Lookup`] does.
    pub fn new(features: &Separable, grid: &LookupGrid) -> Self {
        let axis = grid.points();
        let factors = features
            .space()
            .iter()
            .map(|basis| {
                let mut values = vec![0.0; axis.len() * basis.len()];
                for (row, &x) in values.chunks_exact_mut(basis.len()).zip(&axis) {
                    basis.fill(x, row);
                }
                values
            })
            .collect();
        let (spatial, first) = (features.space_len() * features.dim(), features.space()[0].len());
        let half = first * axis.len() * features.dim();
        Self {
            features: features.clone(),
            points: axis.len(),
            factors,
            spatial: vec![0.0; spatial],
            turned: vec![0.0; spatial.max(half)],
            half: vec![0.0; half],
        }
    }

    /// y(x_i, t) = Wᵀφ on the grid, first coordinate slowest.
    ///
    /// # Shapes
    /// `weights`: F × D; `out`: n^D × D.
    pub fn fill(&mut self, weights: &[f64], t: f64, out: &mut [f64]) {
        let (n, dim) = (self.points, self.features.dim());
        self.features.at_time(weights, dim, t, &mut self.spatial);
        let first = self.features.space()[0].len();
        if dim == 1 {
            gemm_nn(n, 1, first, &self.factors[0], &self.spatial, out);
            return;
        }
        // S[a, b, k] → S'[b, (a, k)] → H[j, (a, k)] = G S' → H'[a, (j, k)] → out[i, (j, k)] = G H'.
        let second = self.features.space()[1].len();
        swap_leading(first, second, dim, &self.spatial, &mut self.turned);
        gemm_nn(
            n,
            first * dim,
            second,
            &self.factors[1],
            &self.turned[..first * second * dim],
            &mut self.half,
        );
        swap_leading(n, first, dim, &self.half, &mut self.turned);
        gemm_nn(n, n * dim, first, &self.factors[0], &self.turned[..first * n * dim], out);
    }
}

/// out[j, i, k] = a[i, j, k] for a of rows × columns × depth.
fn swap_leading(rows: usize, columns: usize, depth: usize, a: &[f64], out: &mut [f64]) {
    for i in 0..rows {
        for j in 0..columns {
            let (from, to) = ((i * columns + j) * depth, (j * rows + i) * depth);
            out[to..to + depth].copy_from_slice(&a[from..from + depth]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gtv_theory::features::AxisBasis;

    #[test]
    fn oracle_tables_are_the_features_applied_point_by_point() {
        let grid = LookupGrid { lo: -1.2, hi: 1.0, len: 7 };
        let axes = [
            AxisBasis::Gaussian { lo: -1.0, hi: 1.0, len: 4 },
            AxisBasis::Fourier { lo: -2.0, hi: 2.0, len: 5 },
        ];
        let time = AxisBasis::Legendre { lo: 0.0, hi: 1.0, len: 3 };
        let axis = grid.points();
        let plane: Vec<f64> = axis.iter().flat_map(|&a| axis.iter().flat_map(move |&b| [a, b])).collect();
        for (dim, points) in [(1, axis.clone()), (2, plane)] {
            let features = Separable::new(axes[..dim].to_vec(), time).unwrap();
            let weights: Vec<f64> = (0..features.len() * dim).map(|i| (i as f64 * 0.7).sin()).collect();
            let (mut fast, mut slow) = (vec![0.0; points.len()], vec![0.0; points.len()]);
            let mut table = GridTable::new(&features, &grid);
            for t in [0.9, 0.2] {
                table.fill(&weights, t, &mut fast);
                features.apply(&weights, dim, &points, t, &mut slow);
                for (f, s) in fast.iter().zip(&slow) {
                    assert!((f - s).abs() < 1e-12, "D = {dim}: {f} {s}");
                }
            }
        }
    }
}
