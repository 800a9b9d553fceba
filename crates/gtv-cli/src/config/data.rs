//! `[data]`: a built-in set, or points from a file.

use crate::context::Context;
use crate::io::{Array, ReadError, read_array};
use crate::warnings::Warning;
use gtv_theory::PointCloud;
use gtv_theory::data::BuiltIn;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// `[data]`.
#[derive(Debug, Clone, PartialEq)]
pub enum DataConfig {
    /// Named sets of gtv-theory, with their parameters.
    BuiltIn(BuiltIn),
    /// `kind = "file"`.
    File(FileData),
}

/// What to do with identical points in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// Stop with the first pair.
    #[default]
    Refuse,
    /// One point with the sum of the weights.
    Merge,
}

/// `[data]` with `kind = "file"`: x0 = scale · value + offset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileData {
    /// The points, shape (M, …): .npy, .npz or .csv; relative to the config.
    pub path: PathBuf,
    /// The array's name in an npz file that holds several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The weights π_m, shape (M); equal if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Factor on every value.
    #[serde(default = "one")]
    pub scale: f64,
    /// Added to every value after scaling.
    #[serde(default)]
    pub offset: f64,
    /// Use the first so many points only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Reads an array of three and more dimensions as one point for each entry of its first axis.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flatten: bool,
    /// What to do with identical points.
    #[serde(default)]
    pub duplicates: Duplicates,
}

fn one() -> f64 {
    1.0
}

impl Default for DataConfig {
    fn default() -> Self {
        Self::BuiltIn(BuiltIn::ThreePoints {})
    }
}

impl Serialize for DataConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::BuiltIn(set) => set.serialize(serializer),
            Self::File(file) => {
                let mut table = toml::Table::try_from(file).map_err(ser::Error::custom)?;
                table.insert("kind".to_owned(), "file".into());
                table.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for DataConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let kind = table.get("kind").and_then(|k| k.as_str()).unwrap_or("three-points").to_owned();
        if kind == "file" {
            table.remove("kind");
            return FileData::deserialize(table).map(Self::File).map_err(|e| de::Error::custom(e.message()));
        }
        table.entry("kind").or_insert_with(|| "three-points".into());
        BuiltIn::deserialize(table).map(Self::BuiltIn).map_err(|e| {
            // gtv-theory's list of kinds knows nothing of files.
            let message = e.message();
            let more = if message.starts_with("unknown variant") { ", `file`" } else { "" };
            de::Error::custom(format!("{message}{more}"))
        })
    }
}

impl FileData {
    /// Reads the points; `path` and `weights` are absolute by now. Points that are images of `image` (height, width) are
    /// flattened.
    ///
    /// # Errors
    /// [`ReadError`], with the file at fault.
    pub fn read(&self, image: Option<[usize; 2]>, ctx: &Context) -> Result<PointCloud, ReadError> {
        let mut points = read_array(&self.path, self.key.as_deref(), &ctx.memory)?;
        points.tell_of_header(ctx);
        let images = image.is_some_and(|image| {
            // One channel may have an axis of its own.
            let axes = points.shape.iter().skip(1).filter(|n| **n != 1);
            axes.eq(image.iter().filter(|n| **n != 1))
        });
        if self.flatten || images {
            points = points.flattened();
        }
        for value in &mut points.values {
            *value = self.scale * *value + self.offset;
        }
        let weights = self.weights.as_deref().map(|path| read_array(path, None, &ctx.memory)).transpose()?;
        file_cloud(points, weights.as_ref(), self.limit, self.duplicates, ctx)
    }
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
            let merged = merge(&cloud).map_err(at_fault(&path))?;
            ctx.warn(Warning::DuplicatesMerged { merged: count - merged.len(), total: count });
            Ok(merged)
        }
        (Err(pair), Duplicates::Refuse) => Err(at_fault(&path)(pair)),
    }
}

/// One point for each set of equal points, in the order of the first, with the sum of their weights.
fn merge(cloud: &PointCloud) -> gtv_theory::Result<PointCloud> {
    let mut index: HashMap<Vec<u64>, usize> = HashMap::with_capacity(cloud.len());
    let (mut points, mut weights) = (Vec::new(), Vec::<f64>::new());
    for (m, w) in cloud.weights().iter().enumerate() {
        let row = cloud.point(m);
        let key = row.iter().map(|v| (v + 0.0).to_bits()).collect();
        let at = *index.entry(key).or_insert_with(|| {
            points.extend_from_slice(row);
            weights.push(0.0);
            weights.len() - 1
        });
        weights[at] += w;
    }
    PointCloud::with_weights(points, cloud.dim(), weights)
}
