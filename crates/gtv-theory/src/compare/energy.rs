//! Energy distance E(a, b) = 2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖ (Székely and Rizzo; not its square root).
//!
//! In one dimension it equals 2 ∫ (F_a − F_b)² dx, which sorted samples give in O(n + m).

use super::wasserstein::{check_samples, dot};
use crate::error::Result;
use crate::linalg::gemm_nt;
use rayon::prelude::*;

/// Columns of one block of distances.
const BLOCK: usize = 512;
/// Up to this dimension distances are summed directly; above, ‖x‖² + ‖y‖² − 2 x·y by matrix products is faster.
const DIRECT_DIM: usize = 4;

/// Energy distance between two non-empty sets of samples that are sorted upwards, exactly.
///
/// ```
/// use gtv_theory::compare::energy_1d_sorted;
/// assert_eq!(energy_1d_sorted(&[0.0], &[1.0]), 2.0);
/// ```
pub fn energy_1d_sorted(a: &[f64], b: &[f64]) -> f64 {
    let (n, m) = (a.len(), b.len());
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    let mut last = a[0].min(b[0]);
    while i < n || j < m {
        let from_a = j == m || (i < n && a[i] <= b[j]);
        let x = if from_a { a[i] } else { b[j] };
        let gap = i as f64 / n as f64 - j as f64 / m as f64;
        sum += gap * gap * (x - last);
        last = x;
        if from_a { i += 1 } else { j += 1 }
    }
    2.0 * sum
}

/// Energy distance between two sets of samples, exactly, by all O((n + m)²) distances; in one dimension by sorting.
///
/// # Shapes
/// `a`: n × `dim`; `b`: m × `dim`, row-major.
///
/// # Errors
/// [`crate::Error::Empty`], [`crate::Error::Shape`], [`crate::Error::NotFinite`].
///
/// ```
/// use gtv_theory::compare::energy_distance;
/// // 2E‖X − Y‖ of two points that are 5 apart.
/// assert_eq!(energy_distance(&[0.0, 0.0], &[3.0, 4.0], 2)?, 10.0);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn energy_distance(a: &[f64], b: &[f64], dim: usize) -> Result<f64> {
    check_samples("samples a", a, dim)?;
    check_samples("samples b", b, dim)?;
    if dim == 1 {
        let sort = |x: &[f64]| {
            let mut x = x.to_vec();
            x.par_sort_unstable_by(f64::total_cmp);
            x
        };
        return Ok(energy_1d_sorted(&sort(a), &sort(b)));
    }
    let mean = |x: &[f64], y: &[f64]| {
        block_sums(&[x], &[y], dim, false)[0] / ((x.len() / dim) * (y.len() / dim)) as f64
    };
    Ok(2.0 * mean(a, b) - mean(a, a) - mean(b, b))
}

/// Mean distances E_ij = mean of ‖x − y‖ over x in group i of `a` and y in group j of `b`.
///
/// With `b` absent the groups are compared with one another, and a sample is not paired with itself, so that
/// E_ii estimates E‖X − X'‖ of group i without bias (0 for a group of one sample).
///
/// # Shapes
/// Groups are row-major n × `dim`, none empty; returns N_a × N_b, row-major.
///
/// # Errors
/// [`crate::Error::Empty`], [`crate::Error::Shape`], [`crate::Error::NotFinite`].
///
/// ```
/// use gtv_theory::compare::mean_distances;
/// let between = mean_distances(&[&[0.0, 1.0]], Some(&[&[3.0], &[5.0]]), 1)?;
/// assert_eq!(between, [2.5, 4.5]);
/// assert_eq!(mean_distances(&[&[0.0, 1.0]], None, 1)?, [1.0]);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub fn mean_distances(a: &[&[f64]], b: Option<&[&[f64]]>, dim: usize) -> Result<Vec<f64>> {
    for group in a.iter().chain(b.unwrap_or_default()) {
        check_samples("a group of samples", group, dim)?;
    }
    let itself = b.is_none();
    let b = b.unwrap_or(a);
    let mut means = block_sums(a, b, dim, itself);
    for (i, row) in means.chunks_exact_mut(b.len()).enumerate() {
        for (j, mean) in row.iter_mut().enumerate() {
            let (n, m) = (a[i].len() / dim, b[j].len() / dim);
            let pairs = if itself && i == j { n * (n - 1) } else { n * m };
            *mean /= pairs.max(1) as f64;
        }
    }
    Ok(means)
}

/// Sums of distances between groups; `itself` skips the pairs of a sample with itself.
fn block_sums(a: &[&[f64]], b: &[&[f64]], dim: usize, itself: bool) -> Vec<f64> {
    // Distances do not change when the origin moves, but their rounding error grows with the distance from it.
    let origin = origin(a, b, dim);
    let flat = Flat::new(b, dim, &origin);
    let rows: Vec<Vec<f64>> = a
        .par_iter()
        .enumerate()
        .map(|(g, group)| {
            let x: Vec<f64> = centred(group, &origin).collect();
            let norms: Vec<f64> = x.chunks_exact(dim).map(|r| dot(r, r)).collect();
            let mut sums = vec![0.0; b.len()];
            let mut products = vec![0.0; norms.len().min(64) * BLOCK];
            for (block, (x, norms)) in x.chunks(64 * dim).zip(norms.chunks(64)).enumerate() {
                let first = itself.then(|| flat.starts[g] + block * 64);
                flat.add_distances(x, norms, first, &mut products, &mut sums);
            }
            sums
        })
        .collect();
    rows.concat()
}

fn centred<'a>(group: &'a [f64], origin: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
    group.iter().zip(origin.iter().cycle()).map(|(v, o)| v - o)
}

fn origin(a: &[&[f64]], b: &[&[f64]], dim: usize) -> Vec<f64> {
    let mut sum = vec![0.0; dim];
    let mut rows = 0;
    for row in a.iter().chain(b).flat_map(|g| g.chunks_exact(dim)) {
        sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
        rows += 1;
    }
    sum.iter_mut().for_each(|s| *s /= f64::from(rows));
    sum
}

/// All groups of one side, one after the other.
struct Flat {
    dim: usize,
    points: Vec<f64>,
    norms: Vec<f64>,
    /// Group of each point.
    group: Vec<u32>,
    /// First point of each group.
    starts: Vec<usize>,
}

impl Flat {
    fn new(groups: &[&[f64]], dim: usize, origin: &[f64]) -> Self {
        let points: Vec<f64> = groups.iter().flat_map(|g| centred(g, origin)).collect();
        let norms = points.chunks_exact(dim).map(|r| dot(r, r)).collect();
        let (mut group, mut starts) = (Vec::new(), Vec::new());
        for (i, g) in groups.iter().enumerate() {
            starts.push(group.len());
            group.resize(group.len() + g.len() / dim, i as u32);
        }
        Self { dim, points, norms, group, starts }
    }

    /// Adds the distances from a block of rows to every point, by the point's group. `first` is the place of the
    /// first row among the points when the rows are points themselves.
    fn add_distances(
        &self,
        x: &[f64],
        norms: &[f64],
        first: Option<usize>,
        products: &mut [f64],
        sums: &mut [f64],
    ) {
        let dim = self.dim;
        for (b, y) in self.points.chunks(BLOCK * dim).enumerate() {
            let (start, width) = (b * BLOCK, y.len() / dim);
            if dim > DIRECT_DIM {
                gemm_nt(norms.len(), width, dim, x, y, &mut products[..norms.len() * width]);
            }
            for (i, (row, norm)) in x.chunks_exact(dim).zip(norms).enumerate() {
                let out = &mut products[i * width..(i + 1) * width];
                if dim > DIRECT_DIM {
                    for (p, n) in out.iter_mut().zip(&self.norms[start..]) {
                        *p = (norm + n - 2.0 * *p).max(0.0).sqrt();
                    }
                } else {
                    for (p, y) in out.iter_mut().zip(y.chunks_exact(dim)) {
                        *p = row.iter().zip(y).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
                    }
                }
                if let Some(own) = first.map(|f| f + i).filter(|o| (start..start + width).contains(o)) {
                    out[own - start] = 0.0;
                }
                for (p, &g) in out.iter().zip(&self.group[start..]) {
                    sums[g as usize] += p;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(a: &[f64], b: &[f64], dim: usize) -> f64 {
        let mean = |x: &[f64], y: &[f64]| {
            let mut sum = 0.0;
            for p in x.chunks(dim) {
                for q in y.chunks(dim) {
                    sum += p.iter().zip(q).map(|(u, v)| (u - v).powi(2)).sum::<f64>().sqrt();
                }
            }
            sum / ((x.len() / dim) * (y.len() / dim)) as f64
        };
        2.0 * mean(a, b) - mean(a, a) - mean(b, b)
    }

    #[test]
    fn identities_point_masses() {
        // δ_p against δ_q: 2‖p − q‖. Half of the mass moved: 2·½d·… = d/2 for (½δ_0 + ½δ_d) against δ_0.
        assert!((energy_distance(&[0.0, 0.0], &[3.0, 4.0], 2).unwrap() - 10.0).abs() < 1e-14);
        assert!((energy_distance(&[0.0, 1.0], &[0.0], 1).unwrap() - 0.5).abs() < 1e-15);
        assert_eq!(energy_distance(&[1.0, 2.0, 2.0], &[2.0, 1.0, 2.0], 1).unwrap(), 0.0);
    }

    #[test]
    fn identities_groups_add_up_to_the_pooled_distance() {
        let x: Vec<f64> = (0..60).map(|i| (i as f64 * 0.7).sin() * 2.0).collect();
        let groups: Vec<&[f64]> = vec![&x[..10], &x[10..30], &x[30..60]];
        let means = mean_distances(&groups, None, 2).unwrap();
        let sizes = [5.0, 10.0, 15.0];
        let mut total = 0.0;
        for i in 0..3 {
            for j in 0..3 {
                assert!((means[3 * i + j] - means[3 * j + i]).abs() < 1e-14);
                let pairs = if i == j { sizes[i] * (sizes[i] - 1.0) } else { sizes[i] * sizes[j] };
                total += means[3 * i + j] * pairs;
            }
        }
        let pooled = mean_distances(&[&x], None, 2).unwrap()[0];
        assert!((total / (30.0 * 29.0) - pooled).abs() < 1e-13);
    }

    #[test]
    fn bad_input_is_refused() {
        assert!(
            energy_distance(&[], &[1.0], 1).is_err() && energy_distance(&[1.0; 3], &[1.0; 2], 2).is_err()
        );
        assert!(energy_distance(&[f64::NAN], &[1.0], 1).is_err());
        assert!(mean_distances(&[&[1.0], &[]], None, 1).is_err());
    }

    proptest! {
        #[test]
        fn oracle_all_pairs(
            dim in prop::sample::select(vec![1usize, 2, 4, 5, 9]),
            a in prop::collection::vec(-3.0..3.0f64, 1..900), b in prop::collection::vec(-2.0..4.0f64, 1..400),
        ) {
            let cut = |v: &Vec<f64>| v[..(v.len() / dim).max(1).min(v.len() / dim.min(v.len())) * dim.min(v.len())].to_vec();
            let (a, b) = (cut(&a), cut(&b));
            prop_assume!(a.len() % dim == 0 && b.len() % dim == 0);
            let (fast, slow) = (energy_distance(&a, &b, dim).unwrap(), plain(&a, &b, dim));
            // ‖x‖² + ‖y‖² − 2x·y loses 1e-15 of ~50; its root is off by up to 3e-7 when two points coincide.
            let tolerance = if dim > DIRECT_DIM { 1e-6 } else { 1e-12 };
            prop_assert!((fast - slow).abs() < tolerance, "{fast} {slow}");
            prop_assert!(fast >= -tolerance);
        }
    }
}
