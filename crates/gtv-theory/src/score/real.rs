//! The two precisions of the blocked path, and their row kernels: l ↦ l + b with its maximum, l ↦ e^{l − max} with
//! its sum.

#![expect(clippy::neg_cmp_op_on_partial_ord, reason = "what is not a number counts as reached")]

use super::source::Source;
use crate::lanes::{LANES, exp_nonpositive, exp_nonpositive_f32};
use faer::traits::ComplexField;
use pulp::Simd;

/// Some columns of a tile: a row a point, of which the first `skip` are left out.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub(super) values: &'a [T],
    pub(super) width: usize,
    pub(super) skip: usize,
}

impl<'a, T> Rows<'a, T> {
    #[inline(always)]
    fn row(self, j: u16) -> &'a [T] {
        &self.values[usize::from(j) * self.width..][self.skip..self.width]
    }
}

/// f32 or f64.
pub(super) trait Real: ComplexField + Copy + Default + Send + Sync + 'static {
    /// Unit roundoff.
    const ROUNDOFF: f64;
    /// Error of a logit (estimated from roundoff) above which logits are recomputed by direct differences in f64.
    const LOGIT_TOLERANCE: f64;

    /// Cycles of a term of a matrix product on AVX2.
    const TERM: f64;
    /// Whether first products in f32 cost less.
    const NARROWS: bool;

    /// The points themselves where they are held in this precision.
    fn own<'a>(source: Source<'a>) -> Option<&'a [Self]>;
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    /// The same numbers, without a copy where they are f64.
    fn into_f64s(values: Vec<Self>) -> Vec<f64>;
    /// row += bias; returns the maximum (−∞ if all are NaN).
    fn add_and_max(row: &mut [Self], bias: &[Self]) -> Self;
    /// Σ of the entries below `limit`.
    fn sum_below(row: &[Self], limit: Self) -> f64;
    /// out += Σ w · row j over entries (j, w), for as many leading columns as fit in registers; returns their number.
    fn add_rows<S: Simd>(simd: S, rows: Rows<Self>, entries: &[(u16, Self)], out: &mut [Self]) -> usize;
    /// sums += row j · x over as many leading columns as fit in registers, for each j; returns their number.
    fn add_dots<S: Simd>(simd: S, rows: Rows<Self>, which: &[u16], x: &[Self], sums: &mut [Self]) -> usize;
    /// Appends the places of the entries not below `limit`.
    fn list_not_below(row: &[Self], limit: Self, places: &mut Vec<u16>);
    /// row ← e^{row − max}; returns the sum, accumulated in f64 over lane sums of one row.
    fn exp_and_sum(row: &mut [Self], max: Self) -> f64;
}

macro_rules! impl_real {
    (
        $real:ty, $own:path, $into_f64s:expr, $exp:path, $width:expr, $tolerance:expr, $term:expr, $narrows:expr,
        $add_rows:ident, $add_dots:ident, $reduce:ident, $registers:ident, $as_simd:ident, $as_simd_mut:ident, $splat:ident, $mul_add:ident
    ) => {
        #[inline(always)]
        fn $add_rows<S: Simd, const N: usize>(
            simd: S,
            rows: Rows<$real>,
            entries: &[(u16, $real)],
            out: &mut [S::$registers],
        ) -> usize {
            let columns = N * size_of::<S::$registers>() / size_of::<$real>();
            let mut sums: [S::$registers; N] = std::array::from_fn(|n| out[n]);
            for (j, w) in entries {
                let (row, _) = S::$as_simd(&rows.row(*j)[..columns]);
                let w = simd.$splat(*w);
                for n in 0..N {
                    sums[n] = simd.$mul_add(w, row[n], sums[n]);
                }
            }
            out.copy_from_slice(&sums);
            columns
        }

        #[inline(always)]
        fn $add_dots<S: Simd, const N: usize>(
            simd: S,
            rows: Rows<$real>,
            which: &[u16],
            x: &[S::$registers],
            sums: &mut [$real],
        ) -> usize {
            let columns = N * size_of::<S::$registers>() / size_of::<$real>();
            let x: [S::$registers; N] = std::array::from_fn(|n| x[n]);
            for (j, sum) in which.iter().zip(sums) {
                let (row, _) = S::$as_simd(&rows.row(*j)[..columns]);
                let mut parts = [simd.$splat(0.0); 2];
                for n in 0..N {
                    parts[n % 2] = simd.$mul_add(x[n], row[n], parts[n % 2]);
                }
                *sum += simd.$reduce(parts[0]) + simd.$reduce(parts[1]);
            }
            columns
        }

        impl Real for $real {
            const ROUNDOFF: f64 = 0.5 * <$real>::EPSILON as f64;
            const LOGIT_TOLERANCE: f64 = $tolerance;
            const TERM: f64 = $term;
            const NARROWS: bool = $narrows;

            fn own<'a>(source: Source<'a>) -> Option<&'a [Self]> {
                if let $own(points) = source { Some(points) } else { None }
            }

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $real
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }

            fn into_f64s(values: Vec<Self>) -> Vec<f64> {
                $into_f64s(values)
            }

            #[inline(always)]
            fn add_and_max(row: &mut [Self], bias: &[Self]) -> Self {
                let mut lanes = [<$real>::NEG_INFINITY; $width];
                let mut chunks = row.chunks_exact_mut($width);
                let mut biases = bias.chunks_exact($width);
                for (chunk, bias) in (&mut chunks).zip(&mut biases) {
                    for j in 0..$width {
                        chunk[j] += bias[j];
                        lanes[j] = if chunk[j] > lanes[j] { chunk[j] } else { lanes[j] };
                    }
                }
                let mut max = lanes.iter().fold(<$real>::NEG_INFINITY, |a, v| if *v > a { *v } else { a });
                for (l, b) in chunks.into_remainder().iter_mut().zip(biases.remainder()) {
                    *l += b;
                    max = if *l > max { *l } else { max };
                }
                max
            }

            #[inline(always)]
            fn sum_below(row: &[Self], limit: Self) -> f64 {
                let mut lanes = [0.0; $width];
                let chunks = row.chunks_exact($width);
                let rest: f64 =
                    chunks.remainder().iter().filter(|v| **v < limit).map(|v| f64::from(*v)).sum();
                for chunk in chunks {
                    for j in 0..$width {
                        lanes[j] += if chunk[j] < limit { chunk[j] } else { 0.0 };
                    }
                }
                lanes.iter().map(|v| f64::from(*v)).sum::<f64>() + rest
            }

            #[inline(always)]
            fn add_rows<S: Simd>(
                simd: S,
                rows: Rows<Self>,
                entries: &[(u16, Self)],
                out: &mut [Self],
            ) -> usize {
                let (registers, _) = S::$as_simd_mut(out);
                match registers.len() {
                    12.. => $add_rows::<S, 12>(simd, rows, entries, &mut registers[..12]),
                    4..12 => $add_rows::<S, 4>(simd, rows, entries, &mut registers[..4]),
                    1..4 => $add_rows::<S, 1>(simd, rows, entries, &mut registers[..1]),
                    0 => {
                        let columns = out.len();
                        for (j, w) in entries {
                            let row = &rows.row(*j)[..columns];
                            out.iter_mut().zip(row).for_each(|(o, p)| *o += w * p);
                        }
                        columns
                    }
                }
            }

            #[inline(always)]
            fn add_dots<S: Simd>(
                simd: S,
                rows: Rows<Self>,
                which: &[u16],
                x: &[Self],
                sums: &mut [Self],
            ) -> usize {
                let (registers, _) = S::$as_simd(x);
                match registers.len() {
                    12.. => $add_dots::<S, 12>(simd, rows, which, registers, sums),
                    4..12 => $add_dots::<S, 4>(simd, rows, which, registers, sums),
                    1..4 => $add_dots::<S, 1>(simd, rows, which, registers, sums),
                    0 => {
                        for (j, sum) in which.iter().zip(sums) {
                            let row = &rows.row(*j)[..x.len()];
                            *sum += x.iter().zip(row).map(|(x, p)| x * p).sum::<$real>();
                        }
                        x.len()
                    }
                }
            }

            #[inline(always)]
            fn list_not_below(row: &[Self], limit: Self, places: &mut Vec<u16>) {
                // Without branches on single entries, which nothing could foresee.
                for (i, chunk) in row.chunks($width).enumerate() {
                    let (mut found, mut count) = ([0; $width], 0);
                    for (j, v) in chunk.iter().enumerate() {
                        found[count] = (i * $width + j) as u16;
                        count += usize::from(!(*v < limit));
                    }
                    places.extend_from_slice(&found[..count]);
                }
            }

            #[inline(always)]
            fn exp_and_sum(row: &mut [Self], max: Self) -> f64 {
                let mut lanes = [0.0; $width];
                let mut chunks = row.chunks_exact_mut($width);
                for chunk in &mut chunks {
                    for j in 0..$width {
                        chunk[j] = $exp(chunk[j] - max);
                        lanes[j] += chunk[j];
                    }
                }
                let mut sum: f64 = lanes.iter().map(|v| f64::from(*v)).sum();
                for l in chunks.into_remainder() {
                    *l = $exp(*l - max);
                    sum += f64::from(*l);
                }
                sum
            }
        }
    };
}

impl_real!(
    f64,
    Source::F64,
    std::convert::identity,
    exp_nonpositive,
    LANES,
    1e-11,
    0.13,
    true,
    add_rows_f64,
    add_dots_f64,
    reduce_sum_f64s,
    f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    mul_add_e_f64s
);
// Two AVX-512 registers: an f32 exponential is short, so more of them are kept in flight.
impl_real!(
    f32,
    Source::F32,
    |values: Vec<f32>| values.into_iter().map(f64::from).collect(),
    exp_nonpositive_f32,
    4 * LANES,
    3e-4,
    0.065,
    false,
    add_rows_f32,
    add_dots_f32,
    reduce_sum_f32s,
    f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    mul_add_e_f32s
);
