//! An array that a user brings, and the checks on it.

use super::error::Error;

/// A named array of 64-bit floats, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Its name, for messages.
    pub name: String,
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Vec<f64>,
}

impl Given {
    /// An array.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>, values: Vec<f64>) -> Self {
        Self { name: name.into(), shape: shape.into(), values }
    }

    /// The error that its shape is not the one expected.
    pub(super) fn wrong_shape(&self, expected: impl Into<String>) -> Error {
        Error::Shape { array: self.name.clone(), found: self.shape.clone(), expected: expected.into() }
    }

    /// Checks that there is a value for every place of the shape, and that all are finite.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NotFinite`].
    pub(super) fn check(&self) -> Result<(), Error> {
        let stated = self.shape.iter().try_fold(1usize, |n, axis| n.checked_mul(*axis));
        if stated != Some(self.values.len()) {
            return Err(self.wrong_shape(format!("one for its {} values", self.values.len())));
        }
        let Some(flat) = self.values.iter().position(|v| !v.is_finite()) else { return Ok(()) };
        let (array, value) = (self.name.clone(), self.values[flat]);
        Err(Error::NotFinite { array, index: self.index(flat), value })
    }

    /// The index of the value that comes after `flat` others.
    fn index(&self, mut flat: usize) -> Vec<usize> {
        let mut index = vec![0; self.shape.len()];
        for (place, axis) in index.iter_mut().zip(&self.shape).rev() {
            *place = flat % axis;
            flat /= axis;
        }
        index
    }

    /// Rows of an array (rows, D), or (rows) where D = 1.
    ///
    /// # Errors
    /// [`Error::Shape`]; `what` says what a row is.
    pub(super) fn rows(&self, dim: usize, what: &str) -> Result<usize, Error> {
        match *self.shape {
            [rows, columns] if columns == dim && rows > 0 => Ok(rows),
            [rows] if dim == 1 && rows > 0 => Ok(rows),
            _ => Err(self.wrong_shape(format!("({what}, {dim}), where {dim} is the dimension of the data"))),
        }
    }

    /// (N, rows) of an array (N, rows, D), or (N, rows) where D = 1.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NoMember`].
    pub(super) fn each_member(&self, dim: usize, what: &str) -> Result<(usize, usize), Error> {
        let (members, rows) = match *self.shape {
            [members, rows, columns] if columns == dim && rows > 0 => (members, rows),
            [members, rows] if dim == 1 && rows > 0 => (members, rows),
            _ => {
                let expected = format!("(members, {what}, {dim}), where {dim} is the dimension of the data");
                return Err(self.wrong_shape(expected));
            }
        };
        match members {
            0 => Err(Error::NoMember { array: self.name.clone(), found: 0 }),
            _ => Ok((members, rows)),
        }
    }
}
