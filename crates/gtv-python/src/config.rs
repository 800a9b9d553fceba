//! Configs from Python: a file, and settings by dotted key, through the same reader and with the same errors as the command line.

use crate::errors::raise;
use gtv_cli::config::{Change, Config, Loaded};
use gtv_cli::context::Context;
use gtv_theory::Schedule;
use pyo3::prelude::*;
use std::path::Path;

/// Settings as the Python half hands them over: dotted keys with their values, as JSON.
fn changes(settings: &str) -> anyhow::Result<Vec<Change>> {
    let settings: Vec<(String, toml::Value)> = serde_json::from_str(settings)?;
    let change = |(key, value): (String, toml::Value)| {
        let argument = format!("{key} = {value}");
        Change::argument(&key, value, argument)
    };
    Ok(settings.into_iter().map(change).collect())
}

/// The config of a file, or the defaults, with settings changed.
pub fn loaded(path: Option<&Path>, settings: &str, ctx: &Context) -> anyhow::Result<Loaded> {
    Loaded::read(path, &changes(settings)?, ctx)
}

/// The main job with settings changed.
pub fn main_job(settings: &str, ctx: &Context) -> anyhow::Result<Loaded> {
    Loaded::main_job(&changes(settings)?, ctx)
}

/// The defaults with settings changed.
pub fn settings(settings: &str) -> PyResult<Config> {
    Ok(loaded(None, settings, &Context::silent()).map_err(raise)?.config)
}

/// A schedule of `[schedule]`.
pub fn schedule(settings: &str) -> PyResult<Schedule> {
    let ctx = Context::silent();
    loaded(None, settings, &ctx).and_then(|loaded| loaded.schedule(&ctx)).map_err(raise)
}
