//! A layer with few outputs backwards, without a matrix multiplication: dW = a Σ_b x_b δ_bᵀ, δ_below = ρ' ∘ a δ Wᵀ.

use super::backward::Backward;
use super::tiles::Tile;
use super::update::{Arrays, Sums};
use crate::mlp::kernels::{row, row_mut, transpose};
use faer::{MatMut, MatRef};

/// One block of rows of W, as [`Backward::weight`] asks for it.
pub(super) fn weight_block(
    of: &Backward<'_>,
    tile: &mut Tile,
    x: MatRef<'_, f32>,
    arrays: Arrays<'_>,
    below: Option<MatMut<'_, f32>>,
) -> Sums {
    let (k, n) = (x.ncols(), of.delta.ncols());
    let [sums, weight, gradient] = tile.buffers([k * n, k * n, k * n]);
    transpose(arrays.value, k, n, weight);
    pulp::Arch::new().dispatch(Sweep { delta: of.delta, scale: of.scale, x, weight, sums, below });
    transpose(sums, n, k, gradient);
    of.update.take(arrays, gradient)
}

/// Row by row of the batch: `sums` (N × K) += a δ_b x_bᵀ, and below_b ∘= a δ_b Wᵀ.
struct Sweep<'a> {
    delta: MatRef<'a, f32>,
    scale: f32,
    x: MatRef<'a, f32>,
    /// Wᵀ, N × K.
    weight: &'a [f32],
    sums: &'a mut [f32],
    below: Option<MatMut<'a, f32>>,
}

impl pulp::NullaryFnOnce for Sweep<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { delta, scale, x, weight, sums, mut below } = self;
        let k = x.ncols();
        sums.fill(0.0);
        for i in 0..x.nrows() {
            let (x, delta) = (row(&x, i), row(&delta, i));
            for (sums, d) in sums.chunks_exact_mut(k).zip(delta) {
                let d = scale * d;
                sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += d * x);
            }
            if let Some(below) = &mut below {
                add_up(row_mut(below, i), weight, delta, scale);
            }
        }
    }
}

/// slope ∘= a Σ_o δ_o Wᵀ_o.
#[inline(always)]
fn add_up(slope: &mut [f32], weight: &[f32], delta: &[f32], scale: f32) {
    const LANES: usize = 32;
    let k = slope.len();
    for (j, slope) in slope.chunks_mut(LANES).enumerate() {
        let mut sums = [0.0f32; LANES];
        for (o, d) in delta.iter().enumerate() {
            let (d, weight) = (scale * d, &weight[o * k + j * LANES..][..slope.len()]);
            sums.iter_mut().zip(weight).for_each(|(sum, w)| *sum += d * w);
        }
        slope.iter_mut().zip(&sums).for_each(|(s, sum)| *s *= sum);
    }
}
