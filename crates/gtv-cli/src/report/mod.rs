//! From a saved comparison to `report.html`, its figures, and the short table that ends `gtv-cli compare`.

mod answer;
mod figures;
mod findings;
mod html;
pub mod levels;
mod likelihood;
mod metrics;
pub mod number;
mod one_run;
mod outside;
mod sections;
pub mod sweep;
pub mod table;
mod terminal;
mod view;

use std::path::Path;

use anyhow::{Context, Result};

use crate::io::write_bytes;
use crate::plot::Sheet;
use crate::record::Saved;

pub use answer::answer;
pub use one_run::bands_table;
pub use table::aligned;
pub use terminal::terminal_table;

/// Draws every figure into `dir/figures` on the given sheet and writes `dir/report.html`, from the record alone.
///
/// # Errors
/// If a figure cannot be drawn or a file cannot be written.
pub fn render(saved: &Saved, dir: &Path, sheet: Sheet) -> Result<()> {
    let folder = dir.join("figures");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let figures = figures::draw_all(saved, &folder, sheet)?;
    Ok(write_bytes(&dir.join("report.html"), html::page(saved, &figures)?.as_bytes())?)
}
