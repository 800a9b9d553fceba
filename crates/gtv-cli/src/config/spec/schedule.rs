//! The forward process and the times between which it is used.

use crate::context::Context;
use crate::io::{ReadError, read_array};
use gtv_theory::schedule::ScheduleTable;
use gtv_theory::{Result, Schedule, ScheduleKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What the forward process is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ScheduleForm {
    /// A user's own α_t and σ_t from a file, monotone cubics between its times.
    Table(TableFile),
    /// The families of gtv-theory, with their parameters.
    #[serde(untagged)]
    BuiltIn(ScheduleKind),
}

impl Default for ScheduleForm {
    fn default() -> Self {
        Self::BuiltIn(ScheduleKind::default())
    }
}

/// `[schedule]` with `kind = "table"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TableFile {
    /// An .npz with `t`, `alpha` and `sigma` (K): times that increase, in the user's own unit, with x = α x0 + σ n at each; relative to
    /// the config. t_min and t_max must be within them.
    #[schemars(extend("format" = "path"))]
    pub path: PathBuf,
}

impl TableFile {
    fn read(&self, ctx: &Context) -> std::result::Result<ScheduleTable, ReadError> {
        let array = |name| read_array(&self.path, Some(name), &ctx.memory);
        let (t, alpha, sigma) = (array("t")?, array("alpha")?, array("sigma")?);
        let count = t.values.len();
        let times = t.list("the times of the table", count)?.to_vec();
        let alpha = alpha.list("alpha at each time of the table", count)?;
        let sigma = sigma.list("sigma at each time of the table", count)?;
        let at_fault = |cause| ReadError::Values { path: self.path.clone(), cause };
        ScheduleTable::new(times, alpha, sigma).map_err(at_fault)
    }
}

/// `[schedule]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ScheduleConfig {
    /// The family, with its parameters.
    #[serde(flatten)]
    pub kind: ScheduleForm,
    /// ε, where sampling stops and below which no model is trained.
    #[schemars(extend("unit" = "t"))]
    pub t_min: f64,
    /// T, where sampling starts.
    #[schemars(extend("unit" = "t"))]
    pub t_max: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { kind: ScheduleForm::default(), t_min: 0.01, t_max: 1.0 }
    }
}

impl ScheduleConfig {
    /// The family, read from its file where it has one.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn family(&self, ctx: &Context) -> std::result::Result<ScheduleKind, ReadError> {
        match &self.kind {
            ScheduleForm::Table(file) => Ok(ScheduleKind::Table(file.read(ctx)?)),
            ScheduleForm::BuiltIn(kind) => Ok(*kind),
        }
    }

    /// The schedule of a family.
    ///
    /// # Errors
    /// As [`Schedule::new`].
    pub fn of(&self, family: ScheduleKind) -> Result<Schedule> {
        Schedule::new(family, self.t_min, self.t_max)
    }
}
