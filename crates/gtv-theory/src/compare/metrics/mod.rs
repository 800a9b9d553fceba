//! The distances between levels. A metric is one file here and one line in [`ALL`]. Configs, legends, tables, help and records
//! take its names and its meaning from its [`MetricCard`].

mod energy;
mod grid;
mod js;
mod kl;
mod line;
mod sliced_w2;
mod w1;

pub use energy::Energy;
pub(super) use grid::Grid;
pub use js::Js;
pub use kl::Kl;
pub(super) use line::Line;
pub use sliced_w2::SlicedW2;
pub use w1::W1;

use super::comparison::Comparison;
use super::estimate::{Noise, Resampled};
use crate::error::Result;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::{Deref, RangeInclusive};
use std::sync::LazyLock;

/// The metrics, in the order in which they lead a report and fill its columns.
pub const ALL: &[&dyn Metric] = &[&W1, &SlicedW2, &Energy, &Js, &Kl];

/// A distance between two levels, given by samples.
pub trait Metric: Sync {
    /// What it is.
    fn card(&self) -> &'static MetricCard;

    /// The distance of each pair of levels, of their resamples, and between resamples of either level alone.
    ///
    /// Called with a dimension that the card allows; one answer a pair, in the order of [`Comparison::pairs`].
    ///
    /// # Errors
    /// Settings that it cannot work with.
    fn measure(&self, comparison: &Comparison<'_>) -> Result<Vec<Resampled>>;
}

/// What a metric is.
#[derive(Debug, PartialEq)]
pub struct MetricCard {
    /// The name in configs and records.
    pub name: &'static str,
    /// The name in figures and tables.
    pub label: &'static str,
    /// The unit of its values.
    pub unit: &'static str,
    /// What it measures.
    pub meaning: &'static str,
    /// The dimensions D it is defined in.
    pub dimensions: RangeInclusive<usize>,
    /// What of a level it compares.
    pub compares: Compares,
    /// The largest value it can take; the least is 0.
    pub most: f64,
    /// How it depends on small noise, which decides how the floors of two levels are joined.
    pub noise: Noise,
}

/// What of a level a metric compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compares {
    /// Where mass lies: finite between any two laws, the data points themselves included.
    Mass,
    /// Densities: levels without one are left out.
    Densities,
}

/// A metric as configs and records name it.
#[derive(Clone, Copy)]
pub struct MetricName(&'static dyn Metric);

static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| ALL.iter().map(|m| m.card().name).collect());

impl MetricName {
    /// The name of a metric, which need not be in [`ALL`].
    pub fn of(metric: &'static dyn Metric) -> Self {
        Self(metric)
    }

    /// The metric of that name in [`ALL`].
    pub fn find(name: &str) -> Option<Self> {
        Self::all().find(|m| m.card().name == name)
    }

    /// Every metric of [`ALL`].
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|m| Self(*m))
    }
}

impl Deref for MetricName {
    type Target = dyn Metric;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl PartialEq for MetricName {
    fn eq(&self, other: &Self) -> bool {
        self.card().name == other.card().name
    }
}

impl Eq for MetricName {}

impl std::fmt::Debug for MetricName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.card().name)
    }
}

impl Serialize for MetricName {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.card().name)
    }
}

impl<'de> Deserialize<'de> for MetricName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::find(&name).ok_or_else(|| serde::de::Error::unknown_variant(&name, &NAMES))
    }
}

impl schemars::JsonSchema for MetricName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let described = ALL
            .iter()
            .map(|m| m.card())
            .map(|card| schemars::json_schema!({ "const": card.name, "description": card.meaning }));
        schemars::json_schema!({ "oneOf": described.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_names_are_different_and_find_their_metric() {
        for (i, metric) in ALL.iter().enumerate() {
            let card = metric.card();
            assert!(ALL[..i].iter().all(|m| m.card().name != card.name), "{} twice", card.name);
            assert_eq!(MetricName::find(card.name), Some(MetricName::of(*metric)));
            assert!(!card.dimensions.is_empty() && !card.meaning.is_empty());
        }
        assert_eq!(MetricName::find("W1"), None);
    }
}
