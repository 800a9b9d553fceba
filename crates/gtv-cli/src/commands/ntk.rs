//! `gtv-cli ntk`: the kernels of infinitely wide networks between two sets of inputs.

use super::{check_archive, opening, read_argument};
use crate::args::NtkArgs;
use crate::context::Context;
use crate::failure::UsageError;
use crate::io::{Compression, Named, write_npz};
use anyhow::Result;
use gtv_theory::Error;
use gtv_theory::ntk::{InfiniteNetwork, Kernels, MlpSpec};

/// Values computed between two looks at Ctrl-C; every look ends the work of all threads for a moment.
const BATCH: usize = 1 << 22;

/// Runs the command.
///
/// # Errors
/// Bad arguments or arrays, too little memory, an output that cannot be written.
pub fn run(args: NtkArgs, ctx: &Context) -> Result<()> {
    let spec = MlpSpec {
        depth: args.depth,
        activation: args.activation,
        weight_var: args.weight_var,
        bias_var: args.bias_var,
        ..MlpSpec::default()
    };
    spec.validate().map_err(refused)?;
    let a = read_argument(&args.a, ctx)?;
    let b = args.b.as_deref().map(|b| read_argument(b, ctx)).transpose()?;
    let (n, dim) = a.rows()?;
    let (m, other) = b.as_ref().unwrap_or(&a).rows()?;
    if let Some(b) = b.as_ref().filter(|_| other != dim) {
        let expected = format!("(points, {dim}), as many columns as {} has", a.path().display());
        return Err(b.wrong_shape(&expected).into());
    }
    ctx.memory.check(
        "the kernels",
        // Both matrices, and a batch of rows of either.
        16.0 * (n as f64 * m as f64 + (BATCH.max(m) as f64).min(n as f64 * m as f64)),
        "16 bytes x n x m, and a batch of rows",
        "ask for fewer rows at a time",
    )?;
    check_archive(&args.out)?;

    opening::warn_of_slow(spec.activation, ctx);
    let network = InfiniteNetwork::new(&spec, dim).map_err(refused)?;
    let kernels = match &b {
        Some(b) => between(&network, &a.values, &b.values, (n, m), ctx)?,
        None => network.symmetric(&a.values)?,
    };
    // Also when it came too late to save any work: what was announced is what happens.
    ctx.interrupt.check_for_nothing()?;
    if kernels.nngp.iter().chain(&kernels.ntk).any(|v| !v.is_finite()) {
        let value = args.a.display().to_string();
        let reason = "a kernel is too large for a 64-bit float; rescale the inputs".to_owned();
        return Err(UsageError::Argument { argument: "--a", value, reason }.into());
    }
    let shape = [n, m];
    let arrays = [
        Named { name: "nngp", shape: &shape, values: &kernels.nngp },
        Named { name: "ntk", shape: &shape, values: &kernels.ntk },
    ];
    write_npz(&args.out, &arrays, Compression::Stored)?;
    ctx.say(&format!("{}: nngp, ntk between {n} and {m} inputs of {dim} numbers", args.out.display()))
}

/// A batch of rows at a time.
fn between(
    network: &InfiniteNetwork,
    a: &[f64],
    b: &[f64],
    (n, m): (usize, usize),
    ctx: &Context,
) -> Result<Kernels> {
    let rows = (BATCH / m).max(1);
    let bar = ctx.progress("ntk", n as u64);
    let mut all = Kernels { nngp: Vec::with_capacity(n * m), ntk: Vec::with_capacity(n * m) };
    for rows in a.chunks(rows * network.inputs()) {
        // This command keeps nothing to go on from.
        ctx.interrupt.check_for_nothing()?;
        let part = network.kernels(rows, b)?;
        all.nngp.extend(part.nngp);
        all.ntk.extend(part.ntk);
        bar.advance((rows.len() / network.inputs()) as u64);
    }
    Ok(all)
}

/// Which argument a number of the architecture came from.
fn refused(cause: Error) -> anyhow::Error {
    let Error::OutOfRange { name, value, expected } = cause else { return cause.into() };
    let argument = match name {
        "depth" => "--depth",
        "weight_var" => "--weight-var",
        "bias_var" => "--bias-var",
        _ => return Error::OutOfRange { name, value, expected }.into(),
    };
    UsageError::Argument { argument, value: value.to_string(), reason: format!("expected {expected}") }.into()
}
