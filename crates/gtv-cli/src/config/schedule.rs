//! `[schedule]`: the forward process and the times between which it is used.

use super::settle::{Misfit, Section};
use clap::ValueEnum;
use gtv_theory::{Result, Schedule, ScheduleKind};
use serde::{Deserialize, Serialize};

/// The schedules by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleName {
    /// The paper's: β = D = beta_min + beta_d t (parameters beta_min 0.1, beta_d 19.9)
    #[default]
    VpLinear,
    /// Song et al.'s: half of that β in the drift (beta_min 0.1, beta_d 19.9)
    VpSong,
    /// Nichol and Dhariwal's cosine (offset 0.008)
    VpCosine,
    /// Variance exploding (sigma_min 0.01, sigma_max 50)
    Ve,
    /// Karras et al.: σ = t
    Edm,
    /// α = √(1 − t), σ² = t
    Sqrt,
    /// Flow matching: α = 1 − t, σ = t
    Flow,
}

/// `[schedule]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// The family.
    pub kind: ScheduleName,
    /// β at t = 0 (vp-linear, vp-song).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta_min: Option<f64>,
    /// Slope of β (vp-linear, vp-song).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta_d: Option<f64>,
    /// The cosine's offset (vp-cosine).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    /// Smallest noise scale (ve).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma_min: Option<f64>,
    /// Largest noise scale (ve).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma_max: Option<f64>,
    /// ε, where sampling stops and below which no model is trained.
    pub t_min: f64,
    /// T, where sampling starts.
    pub t_max: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            kind: ScheduleName::default(),
            beta_min: None,
            beta_d: None,
            offset: None,
            sigma_min: None,
            sigma_max: None,
            t_min: 0.01,
            t_max: 1.0,
        }
    }
}

impl ScheduleConfig {
    /// Names of the parameters, all kinds together.
    pub const PARAMETERS: [&'static str; 5] = ["beta_min", "beta_d", "offset", "sigma_min", "sigma_max"];

    /// A parameter by its name.
    pub fn parameter(&mut self, name: &str) -> Option<&mut Option<f64>> {
        match name {
            "beta_min" => Some(&mut self.beta_min),
            "beta_d" => Some(&mut self.beta_d),
            "offset" => Some(&mut self.offset),
            "sigma_min" => Some(&mut self.sigma_min),
            "sigma_max" => Some(&mut self.sigma_max),
            _ => None,
        }
    }

    pub(super) fn settle(&mut self) -> std::result::Result<(), Misfit> {
        use ScheduleName as Name;
        let choice = format!(
            "kind = \"{}\"",
            self.kind.to_possible_value().map_or(String::new(), |v| v.get_name().into())
        );
        let section = Section { name: "schedule", choice: &choice };
        let given = |used: bool, default: f64| used.then_some(default);
        let vp = matches!(self.kind, Name::VpLinear | Name::VpSong);
        section.settle("beta_min", &mut self.beta_min, given(vp, 0.1))?;
        section.settle("beta_d", &mut self.beta_d, given(vp, 19.9))?;
        section.settle("offset", &mut self.offset, given(self.kind == Name::VpCosine, 0.008))?;
        section.settle("sigma_min", &mut self.sigma_min, given(self.kind == Name::Ve, 0.01))?;
        section.settle("sigma_max", &mut self.sigma_max, given(self.kind == Name::Ve, 50.0))
    }

    /// The family with its parameters, defaults where none are given.
    ///
    /// # Errors
    /// The name of a parameter that the family does not have, with the message.
    pub fn family(&self) -> std::result::Result<ScheduleKind, (String, String)> {
        let mut settled = self.clone();
        settled.settle().map_err(|m| (m.key, m.reason))?;
        let value = |parameter: Option<f64>| parameter.unwrap_or(f64::NAN);
        let (beta_min, beta_d) = (value(settled.beta_min), value(settled.beta_d));
        let (sigma_min, sigma_max) = (value(settled.sigma_min), value(settled.sigma_max));
        Ok(match settled.kind {
            ScheduleName::VpLinear => ScheduleKind::VpLinear { beta_min, beta_d },
            ScheduleName::VpSong => ScheduleKind::VpSong { beta_min, beta_d },
            ScheduleName::VpCosine => ScheduleKind::VpCosine { offset: value(settled.offset) },
            ScheduleName::Ve => ScheduleKind::Ve { sigma_min, sigma_max },
            ScheduleName::Edm => ScheduleKind::Edm,
            ScheduleName::Sqrt => ScheduleKind::Sqrt,
            ScheduleName::Flow => ScheduleKind::Flow,
        })
    }

    pub(super) fn build(&self, family: ScheduleKind) -> Result<Schedule> {
        Schedule::new(family, self.t_min, self.t_max)
    }
}
