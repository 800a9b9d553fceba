//! The points as they were given, in either precision: what distances are taken from.

use super::real::Real;
use crate::lanes::LANES;
use rayon::prelude::*;

/// μ_m, M × D row-major.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    F64(&'a [f64]),
    F32(&'a [f32]),
}

impl Source<'_> {
    /// |x − a μ_m|², in f64.
    #[inline(always)]
    pub(crate) fn distance2(self, m: usize, x: &[f64], a: f64) -> f64 {
        let range = m * x.len()..(m + 1) * x.len();
        match self {
            Self::F64(points) => distance2(x, a, &points[range]),
            Self::F32(points) => distance2(x, a, &points[range]),
        }
    }

    /// f(d, μ_m,d) for each coordinate of one point.
    #[inline(always)]
    pub(super) fn each(self, m: usize, dim: usize, mut f: impl FnMut(usize, f64)) {
        let range = m * dim..(m + 1) * dim;
        match self {
            Self::F64(points) => points[range].iter().enumerate().for_each(|(d, p)| f(d, *p)),
            Self::F32(points) => points[range].iter().enumerate().for_each(|(d, p)| f(d, f64::from(*p))),
        }
    }

    /// out_d += w (μ_m,d − shift_d).
    #[inline(always)]
    pub(super) fn add_to(self, m: usize, w: f64, shift: &[f64], out: &mut [f64]) {
        let dim = out.len();
        let (out, shift) = (&mut out[..dim], &shift[..dim]);
        let range = m * dim..(m + 1) * dim;
        match self {
            Self::F64(points) => {
                let points = &points[range][..dim];
                for d in 0..dim {
                    out[d] += w * (points[d] - shift[d]);
                }
            }
            Self::F32(points) => {
                let points = &points[range][..dim];
                for d in 0..dim {
                    out[d] += w * (f64::from(points[d]) - shift[d]);
                }
            }
        }
    }

    /// A centre that a few far points do not move: the mean of all points within eight times the median distance
    /// from the median of a sample, coordinate by coordinate.
    pub(crate) fn centre(self, dim: usize, len: usize) -> Vec<f64> {
        const SAMPLE: usize = 255;
        const REACH: f64 = 8.0;
        let count = len.min(SAMPLE);
        let mut sample = vec![0.0; count * dim];
        for (i, row) in sample.chunks_exact_mut(dim).enumerate() {
            self.each(i * len / count, dim, |d, p| row[d] = p);
        }
        let mut column = vec![0.0; count];
        let median: Vec<f64> = (0..dim)
            .map(|d| {
                column.iter_mut().zip(sample.chunks_exact(dim)).for_each(|(c, row)| *c = row[d]);
                *column.select_nth_unstable_by(count / 2, f64::total_cmp).1
            })
            .collect();
        let distances: Vec<f64> = (0..len).into_par_iter().map(|m| self.distance2(m, &median, 1.0)).collect();
        let mut sorted = distances.clone();
        let typical = *sorted.select_nth_unstable_by(len / 2, f64::total_cmp).1;
        // Where more than half the points coincide, their distance says nothing about the others'.
        let reach = if typical > 0.0 { REACH * REACH * typical } else { f64::INFINITY };
        let mut mean = vec![0.0; dim];
        let mut near = 0.0;
        for m in (0..len).filter(|m| distances[*m] <= reach) {
            near += 1.0;
            self.each(m, dim, |d, p| mean[d] += p - median[d]);
        }
        mean.iter_mut().zip(&median).for_each(|(v, c)| *v = c + *v / near);
        if mean.iter().all(|v| v.is_finite()) { mean } else { median }
    }
}

/// |x − a μ|², in f64.
#[inline(always)]
pub(super) fn distance2<T: Real>(x: &[f64], a: f64, point: &[T]) -> f64 {
    // Two sums of AVX-512 registers that do not wait for each other. In this form the compiler keeps them in registers.
    const WIDTH: usize = 2 * LANES;
    let mut lanes = [0.0; WIDTH];
    let ((xs, rest), (points, others)) = (x.as_chunks::<WIDTH>(), point.as_chunks::<WIDTH>());
    for (x, p) in xs.iter().zip(points) {
        let p: [f64; WIDTH] = std::array::from_fn(|j| p[j].to_f64());
        let difference: [f64; WIDTH] = std::array::from_fn(|j| x[j] - a * p[j]);
        for j in 0..WIDTH {
            lanes[j] += difference[j] * difference[j];
        }
    }
    let tail: f64 = rest.iter().zip(others).map(|(x, p)| (x - a * p.to_f64()).powi(2)).sum();
    lanes.iter().sum::<f64>() + tail
}
