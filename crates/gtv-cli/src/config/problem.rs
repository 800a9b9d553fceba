//! A config made into the objects that work is done with.

use super::{Chosen, Config};
use crate::run_dir::Fingerprint;
use gtv_models::family::Need;
use gtv_study::Study;

/// A config made into validated objects.
pub struct Problem {
    /// The resolved config.
    pub config: Config,
    /// What was chosen to fit the data.
    pub chosen: Vec<Chosen>,
    /// The resolved settings, as a file has them.
    pub settings: toml::Table,
    /// The resolved config as TOML.
    pub resolved: String,
    /// What is compared with what.
    pub study: Study,
    /// What partial results must agree with.
    pub fingerprint: Fingerprint,
    /// The same part by part.
    pub needs: Vec<Need>,
    /// Estimated memory of a comparison in bytes: what all its parts hold, at once.
    pub bytes: f64,
}
