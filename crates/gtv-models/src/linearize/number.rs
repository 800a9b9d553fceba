//! Single and double precision behind one name: f32 for wide networks, f64 where a derivative is to be exact.

use std::borrow::Cow;

/// f32 or f64.
pub trait Number:
    faer::traits::ComplexField + Copy + Send + Sync + std::fmt::Debug + private::Sealed
{
    /// The nearest number of this precision.
    fn of(value: f64) -> Self;
    /// Exactly.
    fn wide(self) -> f64;
    /// Parameters in this precision, copied only when they must be.
    fn parameters(values: &[f32]) -> Cow<'_, [Self]>;
}

impl Number for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
    fn parameters(values: &[f32]) -> Cow<'_, [Self]> {
        Cow::Borrowed(values)
    }
}

impl Number for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn wide(self) -> f64 {
        self
    }
    fn parameters(values: &[f32]) -> Cow<'_, [Self]> {
        Cow::Owned(values.iter().map(|v| f64::from(*v)).collect())
    }
}

mod private {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}
