//! Cov[ŝ(z), ŝ(z')] of a linear model, a a' φ(z)ᵀ Cov[W_i, W_j] φ(z').
//!
//! [`ImagePathCov`] makes one image φ(z)ᵀ Cov[W_i, W_j] a point and then a product with each earlier φ(z').
//! [`GramPathCov`] has a root of the weights' covariance, Cov[W_i, W_j] = R_i R_jᵀ, and multiplies h_i(z) = φ(z)ᵀR_i with h_j(z'):
//! positive semidefinite to the rounding of the result, where the entries of Cov W are known only to the rounding of the
//! largest, which weights in directions that no training point reaches can make 1e6 times coarser.

use super::{At, PathCov, Response};
use crate::features::Features;
use crate::linalg::{gemm_nn, gemm_nt};
use crate::problem::Prediction;
use crate::schedule::Schedule;

/// A covariance of weights that can be applied to feature vectors.
pub(super) trait WeightCov: Sync {
    /// φ_nᵀ Cov[W_i, W_j] of each row φ_n.
    ///
    /// # Shapes
    /// `phi`, `out`: n × F.
    fn images(&self, phi: &[f64], i: usize, j: usize, out: &mut [f64]);
}

/// A linear model: what its prediction is made of.
pub(super) struct LinearModel<'a> {
    pub features: &'a Features,
    pub prediction: Prediction,
    pub schedule: &'a Schedule,
}

impl<'a> LinearModel<'a> {
    /// Cov[ŝ(z), ŝ(z')], D × D.
    pub fn cov(self, weights: &'a dyn WeightCov, z: At<'_>, other: At<'_>) -> Vec<f64> {
        two_points(&mut self.images(weights, Response::Score, 1, 2), z, other)
    }

    /// Path covariances by images.
    pub fn images(
        self,
        weights: &'a dyn WeightCov,
        response: Response,
        paths: usize,
        points: usize,
    ) -> ImagePathCov<'a> {
        let (dim, f_len) = (self.features.dim(), self.features.len());
        ImagePathCov {
            new: NewPoints::new(self, response, paths, points),
            weights,
            points,
            earlier: vec![0.0; paths * points * f_len],
            image: vec![0.0; paths * f_len],
            images: vec![0.0; paths * dim * dim * f_len],
        }
    }

    /// Path covariances by a root of the weights' covariance, `root` = (R_i), D × F × rank.
    pub fn gram(self, root: &'a [f64], response: Response, paths: usize, points: usize) -> GramPathCov<'a> {
        let dim = self.features.dim();
        let rank = root.len() / (dim * self.features.len());
        GramPathCov {
            new: NewPoints::new(self, response, paths, points),
            root,
            rank,
            points,
            earlier: vec![0.0; paths * points * dim * rank],
            image: vec![0.0; paths * rank],
        }
    }

    /// The factor of y in the response at t.
    fn coefficient(&self, response: Response, t: f64) -> f64 {
        match (response, self.prediction) {
            // Exactly 1, also where α = 0.
            (Response::Denoiser, Prediction::Denoiser) => 1.0,
            _ => {
                let (on_y, _) = self.prediction.score_coefficients(self.schedule, t);
                on_y * response.of_score(self.schedule, t)
            }
        }
    }
}

/// Cov[ŝ(z), ŝ(z')] as that of a path of two points.
pub(super) fn two_points(path: &mut dyn PathCov, z: At<'_>, other: At<'_>) -> Vec<f64> {
    let square = z.x.len() * z.x.len();
    let (mut first, mut both) = (vec![0.0; square], vec![0.0; 2 * square]);
    path.advance(other.x, other.t, &mut first);
    path.advance(z.x, z.t, &mut both);
    both.truncate(square);
    both
}

/// φ of the points that are new, and the coefficients of y at all times so far.
struct NewPoints<'a> {
    model: LinearModel<'a>,
    response: Response,
    on_y: Vec<f64>,
    /// Paths × F.
    phi: Vec<f64>,
    times: Vec<f64>,
}

impl<'a> NewPoints<'a> {
    fn new(model: LinearModel<'a>, response: Response, paths: usize, points: usize) -> Self {
        let phi = vec![0.0; paths * model.features.len()];
        Self { model, response, on_y: Vec::with_capacity(points), phi, times: vec![0.0; paths] }
    }

    /// The number of points before these, and these points' φ.
    fn advance(&mut self, x: &[f64], t: f64) -> (usize, &[f64]) {
        let n = x.len() / self.model.features.dim();
        self.on_y.push(self.model.coefficient(self.response, t));
        self.times[..n].fill(t);
        let phi = &mut self.phi[..n * self.model.features.len()];
        self.model.features.fill(x, &self.times[..n], phi);
        (self.on_y.len() - 1, phi)
    }

    /// Σ_l w_l c(t_l) φ(x, t_l), n × F, c the factor of y in the response.
    fn weighted(&mut self, x: &[f64], rule: &[(f64, f64)]) -> Vec<f64> {
        let (n, f_len) = (x.len() / self.model.features.dim(), self.model.features.len());
        let mut sum = vec![0.0; n * f_len];
        for (t, weight) in rule {
            self.times[..n].fill(*t);
            let phi = &mut self.phi[..n * f_len];
            self.model.features.fill(x, &self.times[..n], phi);
            let factor = weight * self.model.coefficient(self.response, *t);
            sum.iter_mut().zip(&*phi).for_each(|(s, p)| *s += factor * p);
        }
        sum
    }

    /// Cov y to the response's covariance, for one path's blocks.
    fn scale(on_y: &[f64], square: usize, row: &mut [f64]) {
        let new = on_y[on_y.len() - 1];
        for (block, on_y) in row.chunks_exact_mut(square).zip(on_y) {
            block.iter_mut().for_each(|c| *c *= new * on_y);
        }
    }
}

/// Path covariances by images; remembers φ of every earlier point.
pub(super) struct ImagePathCov<'a> {
    new: NewPoints<'a>,
    weights: &'a dyn WeightCov,
    points: usize,
    /// φ of the points so far, paths × points × F.
    earlier: Vec<f64>,
    image: Vec<f64>,
    /// φᵀ S_ij of the new points, paths × D × D × F.
    images: Vec<f64>,
}

impl PathCov for ImagePathCov<'_> {
    fn restart(&mut self) {
        self.new.on_y.clear();
    }

    fn advance(&mut self, x: &[f64], t: f64, out: &mut [f64]) {
        let (dim, f_len) = (self.new.model.features.dim(), self.new.model.features.len());
        let (square, stride) = (dim * dim, self.points * f_len);
        let (k, phi) = self.new.advance(x, t);
        for (phi, earlier) in phi.chunks_exact(f_len).zip(self.earlier.chunks_exact_mut(stride)) {
            earlier[k * f_len..(k + 1) * f_len].copy_from_slice(phi);
        }
        for block in 0..square {
            let image = &mut self.image[..phi.len()];
            self.weights.images(phi, block / dim, block % dim, image);
            for (image, all) in image.chunks_exact(f_len).zip(self.images.chunks_exact_mut(square * f_len)) {
                all[block * f_len..(block + 1) * f_len].copy_from_slice(image);
            }
        }
        let rows = out.chunks_exact_mut((k + 1) * square);
        let paths = self.earlier.chunks_exact(stride).zip(self.images.chunks_exact(square * f_len));
        for (row, (earlier, images)) in rows.zip(paths) {
            gemm_nt(k + 1, square, f_len, &earlier[..(k + 1) * f_len], images, row);
            NewPoints::scale(&self.new.on_y, square, row);
        }
    }

    fn sum_over_lags(&mut self, x: &[f64], t: f64, rule: &[(f64, f64)], out: &mut [f64]) {
        // Cov is linear in φ(z'): one product with Σ w c φ in the place of one for each lag.
        let (dim, f_len) = (self.new.model.features.dim(), self.new.model.features.len());
        let lags = self.new.weighted(x, rule);
        let here = self.new.weighted(x, &[(t, 1.0)]);
        out.fill(0.0);
        for i in 0..dim {
            let image = &mut self.image[..here.len()];
            self.weights.images(&here, i, i, image);
            for (out, (a, b)) in out.iter_mut().zip(image.chunks_exact(f_len).zip(lags.chunks_exact(f_len))) {
                *out += a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            }
        }
        self.restart();
    }
}

/// Path covariances by a root; remembers h of every earlier point.
pub(super) struct GramPathCov<'a> {
    new: NewPoints<'a>,
    /// R_i, D × F × rank.
    root: &'a [f64],
    rank: usize,
    points: usize,
    /// h_i of the points so far, paths × points × D × rank.
    earlier: Vec<f64>,
    image: Vec<f64>,
}

impl PathCov for GramPathCov<'_> {
    fn restart(&mut self) {
        self.new.on_y.clear();
    }

    fn advance(&mut self, x: &[f64], t: f64, out: &mut [f64]) {
        let (dim, f_len) = (self.new.model.features.dim(), self.new.model.features.len());
        let (rank, point) = (self.rank, dim * self.rank);
        let stride = self.points * point;
        let (k, phi) = self.new.advance(x, t);
        let n = phi.len() / f_len;
        for (i, root) in self.root.chunks_exact(f_len * rank).enumerate() {
            let image = &mut self.image[..n * rank];
            gemm_nn(n, rank, f_len, phi, root, image);
            let start = k * point + i * rank;
            for (image, earlier) in image.chunks_exact(rank).zip(self.earlier.chunks_exact_mut(stride)) {
                earlier[start..start + rank].copy_from_slice(image);
            }
        }
        let rows = out.chunks_exact_mut((k + 1) * dim * dim);
        for (row, earlier) in rows.zip(self.earlier.chunks_exact(stride)) {
            let points = &earlier[..(k + 1) * point];
            gemm_nt((k + 1) * dim, dim, rank, points, &points[k * point..], row);
            // The product has the new point's output as its column.
            for block in row.chunks_exact_mut(dim * dim) {
                for i in 0..dim {
                    (0..i).for_each(|j| block.swap(i * dim + j, j * dim + i));
                }
            }
            NewPoints::scale(&self.new.on_y, dim * dim, row);
        }
    }

    fn sum_over_lags(&mut self, x: &[f64], t: f64, rule: &[(f64, f64)], out: &mut [f64]) {
        // h is linear in φ: h of Σ w c φ in the place of one for each lag.
        let (f_len, rank) = (self.new.model.features.len(), self.rank);
        let lags = self.new.weighted(x, rule);
        let here = self.new.weighted(x, &[(t, 1.0)]);
        let n = out.len();
        let mut image = vec![0.0; n * rank];
        out.fill(0.0);
        for root in self.root.chunks_exact(f_len * rank) {
            gemm_nn(n, rank, f_len, &here, root, &mut self.image[..n * rank]);
            gemm_nn(n, rank, f_len, &lags, root, &mut image);
            let rows = self.image.chunks_exact(rank).zip(image.chunks_exact(rank));
            for (out, (a, b)) in out.iter_mut().zip(rows) {
                *out += a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            }
        }
        self.restart();
    }
}
