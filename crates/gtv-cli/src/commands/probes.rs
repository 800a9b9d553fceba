//! `gtv-cli probes`: the points at which a comparison asks members, for models that are trained elsewhere.

use super::check_archive;
use crate::args::ProbesArgs;
use crate::config::Loaded;
use crate::context::Context;
use crate::io::{Compression, Named, write_npz};
use anyhow::Result;
use gtv_study::{Places, Probes};

/// Runs the command.
///
/// # Errors
/// A config that cannot be, an output that cannot be written.
pub fn run(args: ProbesArgs, ctx: &Context) -> Result<()> {
    let problem =
        Loaded::read(Some(&args.config), &args.changes.changes()?, ctx)?.on_any_device().build(ctx)?;
    check_archive(&args.out)?;
    let Places { x, t } =
        if args.features { Probes::with_nodes(&problem.study)? } else { Probes::everywhere(&problem.study)? };
    let schedule = problem.study.problem().schedule();
    let alpha: Vec<f64> = t.iter().map(|t| schedule.signal(*t)).collect();
    let sigma: Vec<f64> = t.iter().map(|t| schedule.noise_std(*t)).collect();
    let (count, dim) = (t.len(), problem.study.problem().dim());
    let (rows, list) = ([count, dim], [count]);
    let arrays = [
        Named { name: "x", shape: &rows, values: &x },
        Named { name: "t", shape: &list, values: &t },
        Named { name: "alpha", shape: &list, values: &alpha },
        Named { name: "sigma", shape: &list, values: &sigma },
    ];
    write_npz(&args.out, &arrays, Compression::Stored)?;
    ctx.say(&format!("{}: {count} points in {dim} dimensions: x, t, alpha, sigma", args.out.display()))
}
