//! The predictions by name: closures, and levels derived from another law. Each list names its own; nothing is said twice.

use crate::levels::{DERIVED, DerivedLevel};
use gtv_theory::closure::{CLOSURES, Card, Closure};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;

/// A prediction of the average learned distribution.
#[derive(Clone, Copy)]
pub enum TheoryName {
    /// A closure of the learned score's law.
    Closure(&'static dyn Closure),
    /// A level derived from another law, or from the naive estimator.
    Derived(&'static dyn DerivedLevel),
}

impl TheoryName {
    /// Every prediction.
    pub fn all() -> impl Iterator<Item = Self> {
        CLOSURES.into_iter().map(Self::Closure).chain(DERIVED.into_iter().map(Self::Derived))
    }

    /// The prediction of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|found| found.name() == name)
    }

    /// What is said of it.
    pub fn card(self) -> &'static Card {
        match self {
            Self::Closure(closure) => closure.card(),
            Self::Derived(level) => &level.card().card,
        }
    }

    /// The name used in configs and files.
    pub fn name(self) -> &'static str {
        self.card().name
    }

    /// Whether derived levels can start from it: a closure with a covariance of its own, or the naive estimator.
    pub fn is_a_base(self) -> bool {
        match self {
            Self::Closure(closure) => closure.card().covariance_of.is_none(),
            Self::Derived(level) => level.card().is_a_base,
        }
    }

    /// The closure, where it is one.
    pub fn closure(self) -> Option<&'static dyn Closure> {
        match self {
            Self::Closure(closure) => Some(closure),
            Self::Derived(_) => None,
        }
    }

    /// The derived level, where it is one.
    pub fn derived(self) -> Option<&'static dyn DerivedLevel> {
        match self {
            Self::Closure(_) => None,
            Self::Derived(level) => Some(level),
        }
    }
}

impl PartialEq for TheoryName {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for TheoryName {}

impl fmt::Debug for TheoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for TheoryName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for TheoryName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| {
            let known: Vec<String> = Self::all().map(|n| format!("`{}`", n.name())).collect();
            de::Error::custom(format!("unknown variant `{name}`, expected one of {}", known.join(", ")))
        })
    }
}

impl JsonSchema for TheoryName {
    fn schema_name() -> Cow<'static, str> {
        "TheoryName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let variant =
            |name: Self| schemars::json_schema!({ "const": name.name(), "description": name.card().meaning });
        schemars::json_schema!({ "oneOf": Self::all().map(variant).collect::<Vec<_>>() })
    }
}
