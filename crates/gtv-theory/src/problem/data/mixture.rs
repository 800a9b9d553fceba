//! Gaussian mixture data: p_data = Σ_k π_k N(μ_k, Σ_k).

use crate::error::{Error, Result, check_finite, check_len};
use crate::linalg::symmetric_eigen;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A component's covariance Σ_k, in squared data units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentCov {
    /// Σ = v I; v = 0 is a point.
    Isotropic(f64),
    /// Any symmetric positive semidefinite matrix, as its rows.
    Full(Vec<Vec<f64>>),
}

/// One component π_k N(μ_k, Σ_k), as in a config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MixtureComponent {
    /// μ_k.
    pub mean: Vec<f64>,
    /// Σ_k: `{ isotropic = 0.01 }` or `{ full = [[…], …] }`.
    pub cov: ComponentCov,
    /// π_k up to a common factor.
    #[serde(default = "unit_weight")]
    pub weight: f64,
}

fn unit_weight() -> f64 {
    1.0
}

/// A validated Gaussian mixture in D dimensions, each covariance held as Σ_k = U diag(λ) Uᵀ.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture {
    dim: usize,
    means: Vec<f64>,
    weights: Vec<f64>,
    /// K × D eigenvalues, none negative.
    eigenvalues: Vec<f64>,
    /// Per component U (D × D, eigenvectors as columns), or none for an isotropic covariance.
    eigenvectors: Vec<Option<Vec<f64>>>,
}

impl GaussianMixture {
    /// A mixture of the given components; weights are divided by their sum.
    ///
    /// # Errors
    /// [`Error::Empty`] without components; [`Error::Shape`] where dimensions differ; [`Error::Weights`];
    /// [`Error::OutOfRange`] for a negative variance; [`Error::NotPositiveDefinite`] for a matrix that is not
    /// symmetric positive semidefinite.
    pub fn new(components: &[MixtureComponent]) -> Result<Self> {
        let dim = components.first().map_or(0, |c| c.mean.len());
        if dim == 0 {
            return Err(Error::Empty { name: "the mixture (components)" });
        }
        let total: f64 = components.iter().map(|c| c.weight).sum();
        let valid = components.iter().all(|c| c.weight >= 0.0) && total.is_finite() && total > 0.0;
        if !valid {
            return Err(Error::Weights {
                reason: format!(
                    "component weights must be finite, at least 0 and not all 0; they sum to {total}"
                ),
            });
        }
        let mut mixture =
            Self { dim, means: vec![], weights: vec![], eigenvalues: vec![], eigenvectors: vec![] };
        for component in components {
            check_len("component mean", dim, component.mean.len())?;
            check_finite("component mean", &component.mean, dim)?;
            mixture.means.extend(&component.mean);
            mixture.weights.push(component.weight / total);
            mixture.push_cov(&component.cov)?;
        }
        Ok(mixture)
    }

    fn push_cov(&mut self, cov: &ComponentCov) -> Result<()> {
        let dim = self.dim;
        match cov {
            ComponentCov::Isotropic(variance) => {
                if !(variance.is_finite() && *variance >= 0.0) {
                    return Err(Error::OutOfRange {
                        name: "isotropic",
                        value: *variance,
                        expected: "a finite variance, 0 or above",
                    });
                }
                self.eigenvalues.extend(std::iter::repeat_n(*variance, dim));
                self.eigenvectors.push(None);
            }
            ComponentCov::Full(rows) => {
                check_len("component covariance (rows)", dim, rows.len())?;
                for row in rows {
                    check_len("component covariance (row)", dim, row.len())?;
                }
                let matrix: Vec<f64> = rows.concat();
                check_finite("component covariance", &matrix, dim)?;
                let scale = matrix.iter().fold(0.0f64, |acc, v| acc.max(v.abs()));
                let asymmetric = |i: usize| {
                    (0..i).any(|j| (matrix[i * dim + j] - matrix[j * dim + i]).abs() > 1e-12 * scale)
                };
                let refuse = |pivot| Error::NotPositiveDefinite {
                    name: "a component covariance",
                    pivot,
                    size: dim,
                    advice: "it must be symmetric with no negative eigenvalue",
                };
                if let Some(row) = (0..dim).find(|&i| asymmetric(i)) {
                    return Err(refuse(row));
                }
                let (values, vectors) = symmetric_eigen("a component covariance", &matrix, dim)?;
                // Rounding makes a singular matrix' zero eigenvalues slightly negative.
                let floor = -1e-12 * scale * dim as f64;
                if let Some(pivot) = values.iter().position(|&v| v < floor) {
                    return Err(refuse(pivot));
                }
                self.eigenvalues.extend(values.iter().map(|v| v.max(0.0)));
                self.eigenvectors.push(Some(vectors));
            }
        }
        Ok(())
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// K, the number of components.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Always false: a mixture has at least one component.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// π_k, summing to one.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// μ_k.
    pub fn mean_of(&self, k: usize) -> &[f64] {
        &self.means[k * self.dim..(k + 1) * self.dim]
    }

    /// Eigenvalues of Σ_k.
    pub fn eigenvalues_of(&self, k: usize) -> &[f64] {
        &self.eigenvalues[k * self.dim..(k + 1) * self.dim]
    }

    /// Eigenvectors of Σ_k as the columns of a D × D row-major matrix; none for an isotropic covariance.
    pub fn eigenvectors_of(&self, k: usize) -> Option<&[f64]> {
        self.eigenvectors[k].as_deref()
    }

    /// Independent draws μ_k + U √λ z, k ~ π, z ~ N(0, I).
    ///
    /// # Shapes
    /// `out`: n × D, row-major.
    pub fn sample_into(&self, rng: &mut impl Rng, out: &mut [f64]) {
        let dim = self.dim;
        let mut z = vec![0.0; dim];
        for row in out.chunks_exact_mut(dim) {
            let mut u: f64 = rng.random();
            let mut k = 0;
            while k + 1 < self.len() && u >= self.weights[k] {
                u -= self.weights[k];
                k += 1;
            }
            for (z, lambda) in z.iter_mut().zip(self.eigenvalues_of(k)) {
                *z = lambda.sqrt() * rng.sample::<f64, _>(StandardNormal);
            }
            row.copy_from_slice(self.mean_of(k));
            match self.eigenvectors_of(k) {
                None => row.iter_mut().zip(&z).for_each(|(r, z)| *r += z),
                Some(vectors) => {
                    for (r, u_row) in row.iter_mut().zip(vectors.chunks_exact(dim)) {
                        *r += u_row.iter().zip(&z).map(|(u, z)| u * z).sum::<f64>();
                    }
                }
            }
        }
    }
}
