//! The arrays of a comparison.

use crate::error::Result;
use gtv_theory::Error as TheoryError;
use ndarray::{Array1, Array2, ArrayD, IxDyn};
use std::collections::BTreeMap;

/// Named arrays of a comparison: the contents of `arrays.npz`, float64 throughout.
///
/// Names: `x_edges`, `y_edges`; `<level>_density` (bins, or bins × bins with x first); `<level>_q25`, `<level>_q75`;
/// `probe_x` (n × D), `probe_t` (n), `<source>_mean`, `<source>_var` at the probes; in one dimension `map_x`,
/// `map_t`, `<source>_var_map`, `proxy_cov_map`, `skewness_map` and `kurtosis_map` (times × positions); in two `plane_x`,
/// `plane_y`, `plane_t`, `<source>_var_plane`, `proxy_cov_plane`, `skewness_plane` and `kurtosis_plane` (times × nx × ny);
/// `corr_x` (K × D), `corr_t` (T) and `<source>_time_corr` (K × T × T); along sampling paths of the exact score, in any dimension,
/// `path_x` (K × T × D), `path_t` (T), `<source>_var_path` (K × T) and `<source>_path_corr` (K × T × T); for images `samples_<level>` and `nearest_<level>` (k × D); `data`
/// (M × D), where it is small. A source is `ensemble` or `theory_<closure>`; a
/// variance is the trace over outputs, `proxy_cov` that of the labels, tr Var[y | x, t], in units of y².
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Arrays(BTreeMap<String, ArrayD<f64>>);

impl Arrays {
    /// Adds a vector.
    pub fn insert(&mut self, name: impl Into<String>, values: Vec<f64>) {
        self.0.insert(name.into(), Array1::from(values).into_dyn());
    }

    /// Adds a row-major array of the stated shape.
    ///
    /// # Errors
    /// If the number of values is not the product of the shape.
    pub fn insert_shaped(
        &mut self,
        name: impl Into<String>,
        shape: &[usize],
        values: Vec<f64>,
    ) -> Result<()> {
        let (expected, found) = (shape.iter().product(), values.len());
        let array = ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|_| TheoryError::Shape {
            name: "an array of the record",
            expected,
            found,
        })?;
        self.0.insert(name.into(), array);
        Ok(())
    }

    /// The array of this name.
    pub fn get(&self, name: &str) -> Option<&ArrayD<f64>> {
        self.0.get(name)
    }

    /// The values of a vector, if there is one of this name.
    pub fn vector(&self, name: &str) -> Option<Vec<f64>> {
        let array = self.0.get(name)?;
        (array.ndim() == 1).then(|| array.iter().copied().collect())
    }

    /// The matrix of this name, if there is one.
    pub fn matrix(&self, name: &str) -> Option<Array2<f64>> {
        self.0.get(name)?.clone().into_dimensionality().ok()
    }

    /// Names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Names and arrays, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ArrayD<f64>)> {
        self.0.iter().map(|(name, array)| (name.as_str(), array))
    }
}

impl FromIterator<(String, ArrayD<f64>)> for Arrays {
    fn from_iter<I: IntoIterator<Item = (String, ArrayD<f64>)>>(arrays: I) -> Self {
        Self(arrays.into_iter().collect())
    }
}
