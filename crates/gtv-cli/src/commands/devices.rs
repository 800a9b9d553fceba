//! `gtv-cli devices`: the backends, whether this program has them, and what they find on this machine.

use crate::context::Context;
use anyhow::Result;
use gtv_models::device::{Availability, Backend};

/// Runs the command.
///
/// # Errors
/// A stdout that cannot be written.
pub fn run(ctx: &Context) -> Result<()> {
    let row = |backend: Backend| {
        let found = match backend.availability() {
            Availability::Ready(names) => names.join(", "),
            Availability::NoDevice(reason) => reason,
            Availability::NotCompiled => format!("build with --features {}", backend.name()),
        };
        // A driver's own words can have several lines.
        let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{:<9} {:<9} {found}", backend.name(), if backend.compiled() { "yes" } else { "no" })
    };
    let rows: Vec<String> = Backend::ALL.into_iter().map(row).collect();
    ctx.say(&format!("{:<9} {:<9} device\n{}", "name", "compiled", rows.join("\n")))
}
