//! The samples of every level on disk: `samples.npz`.

use std::path::Path;

use gtv_study::levels::Sampled;

use crate::io::{Compression, Named, WriteError, write_npz};

/// Writes one array a level, named as in `summary.json`. Paths that did not arrive are left out of their model, and NaN fills the
/// ends of models that have fewer than others.
///
/// # Shapes
/// Models × paths × D; a level whose field is not random has one model.
///
/// # Errors
/// If the file cannot be written.
pub fn write_samples(levels: &[Sampled], path: &Path) -> Result<(), WriteError> {
    let arrays: Vec<(String, [usize; 3], Vec<f64>)> = levels.iter().map(filled).collect();
    let named: Vec<Named<'_>> =
        arrays.iter().map(|(name, shape, values)| Named { name, shape, values }).collect();
    write_npz(path, &named, Compression::Stored)
}

/// A level as one array.
fn filled(level: &Sampled) -> (String, [usize; 3], Vec<f64>) {
    let (samples, dim) = (&level.samples, level.samples.dim());
    let groups = samples.groups();
    let longest = groups.iter().map(Vec::len).max().unwrap_or(0);
    let mut values = Vec::with_capacity(groups.len() * longest);
    for group in groups {
        values.extend_from_slice(group);
        values.extend(std::iter::repeat_n(f64::NAN, longest - group.len()));
    }
    (samples.level().to_string(), [groups.len(), longest / dim, dim], values)
}
