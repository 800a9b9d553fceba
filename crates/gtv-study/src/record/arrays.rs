//! The arrays of a comparison.

use crate::error::Result;
use gtv_theory::Error as TheoryError;
use ndarray::{Array1, Array2, ArrayD, IxDyn};
use std::collections::BTreeMap;

/// Named arrays of a comparison: the contents of `arrays.npz`, float64 throughout.
///
/// [`ARRAYS`](super::ARRAYS) lists them; docs/files.md says the same. A source is `ensemble` or `theory_<closure>`.
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
