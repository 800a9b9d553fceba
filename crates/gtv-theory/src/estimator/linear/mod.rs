//! Linear-in-features models (Prop. 5.1): the law of the ridge estimate's score over its training draws.

mod dense;
mod design;
mod field;
mod spec;
mod tensor;

pub use field::LinearField;
pub use spec::LinearSpec;
