//! The forward process and the times between which it is used.

use gtv_theory::{Result, Schedule, ScheduleKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[schedule]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ScheduleConfig {
    /// The family, with its parameters.
    #[serde(flatten)]
    pub kind: ScheduleKind,
    /// ε, where sampling stops and below which no model is trained.
    #[schemars(extend("unit" = "t"))]
    pub t_min: f64,
    /// T, where sampling starts.
    #[schemars(extend("unit" = "t"))]
    pub t_max: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { kind: ScheduleKind::default(), t_min: 0.01, t_max: 1.0 }
    }
}

impl ScheduleConfig {
    /// The schedule.
    ///
    /// # Errors
    /// As [`Schedule::new`].
    pub fn build(&self) -> Result<Schedule> {
        Schedule::new(self.kind, self.t_min, self.t_max)
    }
}
