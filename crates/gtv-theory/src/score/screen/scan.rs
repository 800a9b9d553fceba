//! The loops over a tile: which entries of a row of bounds reach a threshold.

/// Points a tile.
pub(in crate::score) const TILE: usize = 512;
/// Entries that are compared together.
const WIDTH: usize = 16;

/// Adds bias and norms to one query's products, in place, and lists the entries that reach the threshold; an operation
/// for `pulp`.
pub(in crate::score) struct Scan<'a> {
    pub(in crate::score) products: &'a mut [f32],
    pub(in crate::score) bias: &'a [f32],
    /// Norms of the points with the query's coefficient of each.
    pub(in crate::score) norms: &'a [(f32, &'a [f32])],
    pub(in crate::score) threshold: f32,
    /// Emptied, then filled with the entries not below the threshold (NaN is not below).
    pub(in crate::score) reached: &'a mut Vec<u16>,
}

impl pulp::NullaryFnOnce for Scan<'_> {
    /// The largest bound below the threshold.
    type Output = f32;

    #[inline(always)]
    fn call(self) -> f32 {
        let Self { products, bias, norms, threshold, reached } = self;
        reached.clear();
        let len = products.len();
        let whole = len / WIDTH * WIDTH;
        let mut left = [f32::NEG_INFINITY; WIDTH];
        for start in (0..whole).step_by(WIDTH) {
            let mut v = [0.0f32; WIDTH];
            let (p, b) = (&mut products[start..start + WIDTH], &bias[start..start + WIDTH]);
            for j in 0..WIDTH {
                v[j] = p[j] + b[j];
            }
            for (c, norms) in norms {
                let norms = &norms[start..start + WIDTH];
                for j in 0..WIDTH {
                    v[j] += c * norms[j];
                }
            }
            let mut below = 0;
            for j in 0..WIDTH {
                below += u32::from(v[j] < threshold);
                let lower = if v[j] < threshold { v[j] } else { f32::NEG_INFINITY };
                left[j] = if lower > left[j] { lower } else { left[j] };
            }
            if below < WIDTH as u32 {
                p.copy_from_slice(&v);
                for (j, v) in v.iter().enumerate() {
                    if !(*v < threshold) {
                        reached.push((start + j) as u16);
                    }
                }
            }
        }
        let mut left = left.iter().fold(f32::NEG_INFINITY, |a, v| if *v > a { *v } else { a });
        for j in whole..len {
            let v = norms.iter().fold(products[j] + bias[j], |v, (c, norms)| v + c * norms[j]);
            if v < threshold {
                left = left.max(v);
            } else {
                products[j] = v;
                reached.push(j as u16);
            }
        }
        left
    }
}

/// The largest product plus bias of each query so far, with its point.
pub(in crate::score) struct Best<'a> {
    pub(in crate::score) products: &'a mut [f32],
    pub(in crate::score) bias: &'a [f32],
    pub(in crate::score) start: usize,
    pub(in crate::score) best: &'a mut [(f32, usize)],
}

impl pulp::NullaryFnOnce for Best<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (row, best) in self.products.chunks_exact_mut(self.bias.len()).zip(self.best) {
            let max = super::super::real::Real::add_and_max(row, self.bias);
            if max > best.0 {
                let place = row.iter().position(|v| *v == max);
                *best = place.map_or(*best, |j| (max, self.start + j));
            }
        }
    }
}
