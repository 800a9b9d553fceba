//! A data set read from a file.

use super::spec::{Duplicates, FileData};
use crate::context::Context;
use crate::io::{Array, ReadError, read_array};
use crate::warnings::Warning;
use gtv_theory::PointCloud;
use std::path::Path;

/// Reads the values of the points as they are in the file; the paths are absolute by now. Points that are images of `image`
/// (height, width) are flattened.
///
/// # Errors
/// [`ReadError`], with the file at fault.
pub fn read_points(file: &FileData, image: Option<[usize; 2]>, ctx: &Context) -> Result<Array, ReadError> {
    flat((&file.path, file.key.as_deref()), file, image, ctx)
}

/// Reads the held-out points of D dimensions, scaled as the data are; none where no file is named.
///
/// # Errors
/// [`ReadError`], with the file at fault.
pub fn read_test(
    file: &FileData,
    image: Option<[usize; 2]>,
    dim: usize,
    ctx: &Context,
) -> Result<Vec<f64>, ReadError> {
    let Some(path) = &file.test else { return Ok(Vec::new()) };
    let archive = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"));
    let key = file.key.as_deref().filter(|_| archive);
    let mut points = flat((path, key), file, image, ctx)?;
    if points.rows()?.1 != dim {
        return Err(points.wrong_shape(&format!("(points, {dim}), where {dim} is the dimension of the data")));
    }
    scale(&mut points, file);
    Ok(points.values)
}

/// x0 = scale · value + offset.
fn scale(points: &mut Array, file: &FileData) {
    for value in &mut points.values {
        *value = file.scale * *value + file.offset;
    }
}

/// An array of points, flattened where they are images.
fn flat(
    (path, key): (&Path, Option<&str>),
    file: &FileData,
    image: Option<[usize; 2]>,
    ctx: &Context,
) -> Result<Array, ReadError> {
    let points = read_array(path, key, &ctx.memory)?;
    points.tell_of_header(ctx);
    let images = image.is_some_and(|image| {
        // One channel may have an axis of its own.
        let axes = points.shape.iter().skip(1).filter(|n| **n != 1);
        axes.eq(image.iter().filter(|n| **n != 1))
    });
    Ok(if file.flatten || images { points.flattened() } else { points })
}

/// The data set of a file: its points scaled, with their weights.
///
/// # Errors
/// [`ReadError`], with the file at fault.
pub fn cloud_of(mut points: Array, file: &FileData, ctx: &Context) -> Result<PointCloud, ReadError> {
    scale(&mut points, file);
    let weights = file.weights.as_deref().map(|path| read_array(path, None, &ctx.memory)).transpose()?;
    file_cloud(points, weights.as_ref(), file.limit, file.duplicates, ctx)
}

/// The data set made of an array of points and one of weights, with every check on them.
///
/// # Errors
/// [`ReadError`]: a wrong shape, weights that are no probability vector, duplicates unless merged.
pub fn file_cloud(
    points: Array,
    weights: Option<&Array>,
    limit: Option<usize>,
    duplicates: Duplicates,
    ctx: &Context,
) -> Result<PointCloud, ReadError> {
    let (total, dim) = points.rows()?;
    let at_fault = |path: &Path| {
        let path = path.to_owned();
        move |cause| ReadError::Values { path, cause }
    };
    // Weights are checked whole, before a limit cuts them.
    let weights = match weights {
        None => None,
        Some(array) => {
            let list = array.list(
                &format!("one weight for each of the {total} points in {}", points.path().display()),
                total,
            )?;
            // Their check does not look at the points.
            PointCloud::with_weights(vec![0.0; total], 1, list.to_vec()).map_err(at_fault(array.path()))?;
            Some(list)
        }
    };
    let count = limit.unwrap_or(total).min(total);
    let path = points.path().to_owned();
    let mut rows = points.values;
    rows.truncate(count * dim);
    if count < total {
        rows.shrink_to_fit();
    }
    let cloud = match weights {
        None => PointCloud::new(rows, dim),
        Some(all) => {
            let kept: f64 = all[..count].iter().sum();
            let share = if count == total { 1.0 } else { kept };
            PointCloud::with_weights(rows, dim, all[..count].iter().map(|w| w / share).collect())
        }
    }
    .map_err(at_fault(&path))?;
    match (cloud.check_distinct(), duplicates) {
        (Ok(()), _) => Ok(cloud),
        (Err(_), Duplicates::Merge) => {
            let merged = cloud.merge_near(0.0).map_err(at_fault(&path))?;
            ctx.warn(&Warning::DuplicatesMerged { merged: count - merged.len(), total: count });
            Ok(merged)
        }
        (Err(pair), Duplicates::Refuse) => Err(at_fault(&path)(pair)),
    }
}
