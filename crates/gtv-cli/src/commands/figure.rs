//! `gtv-cli figure`: the paper's figures, numbers (npz) and plots (SVG, PNG).

use crate::args::{FigureArg, FigureArgs, ModeArg};
use crate::context::Context;
use crate::interrupt::Interrupted;
use crate::io::{Compression, Named, WriteError, check_writable, write_npz};
use crate::plot::{ColorScale, Curve, Densities, DensityPanel, Figure, HeatPanel, Heatmaps};
use crate::report::levels::{ENSEMBLE, TRUE_SCORE, key};
use anyhow::Result;
use gtv_study::paper_figures::{Basis, Fig2, Fig2Spec, Fig3, Fig3Spec, Mode};
use gtv_theory::data::BuiltIn;
use gtv_theory::rng::Streams;
use gtv_theory::score::{CovKind, ExactScore};
use gtv_theory::{Schedule, ScheduleKind};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

/// Runs the command.
///
/// # Errors
/// A folder that cannot be written, or an interrupt.
pub fn run(args: FigureArgs, ctx: &Context) -> Result<()> {
    let out = &args.out;
    std::fs::create_dir_all(out).map_err(|e| WriteError::new(out, "create the folder", e))?;
    let mode = match args.mode {
        ModeArg::Published => Mode::Published,
        ModeArg::Corrected => Mode::Corrected,
    };
    let streams = Streams::new(ctx.seed.unwrap_or(0));
    let wanted = |figure: FigureArg| args.figure == FigureArg::All || args.figure == figure;
    if wanted(FigureArg::Fig1) {
        fig1(out, ctx)?;
    }
    if wanted(FigureArg::Fig2) {
        fig2(out, mode, streams, ctx)?;
    }
    if wanted(FigureArg::Fig3) {
        fig3(out, mode, streams, ctx)?;
    }
    Ok(())
}

/// The data sets, the times and the grid of Figure 1.
const FIG1_SETS: [(&str, BuiltIn); 4] = [
    ("polygon", BuiltIn::Polygon {}),
    ("line", BuiltIn::Line {}),
    ("blend", BuiltIn::Blend {}),
    ("random", BuiltIn::Random {}),
];
const FIG1_TIMES: [f64; 5] = [0.05, 0.1, 0.2, 0.5, 0.75];
const FIG1_GRID: usize = 100;
const FIG1_RANGE: (f64, f64) = (-2.0, 2.0);

/// tr C/(tr C + |s|²) over the plane. Closed form in both modes: there is no sampling to correct.
fn fig1(out: &Path, ctx: &Context) -> Result<()> {
    let started = Instant::now();
    let file = out.join("fig1.npz");
    check_writable(&file)?;
    let schedule = Schedule::new(ScheduleKind::Sqrt, FIG1_TIMES[0], FIG1_TIMES[4])?;
    let (lo, hi) = FIG1_RANGE;
    let axis: Vec<f64> = (0..FIG1_GRID).map(|i| lo + (hi - lo) * i as f64 / (FIG1_GRID - 1) as f64).collect();
    let queries: Vec<f64> = axis.iter().flat_map(|&x| axis.iter().flat_map(move |&y| [x, y])).collect();
    let mut arrays =
        vec![("x".to_owned(), vec![FIG1_GRID], axis), ("t".to_owned(), vec![5], FIG1_TIMES.to_vec())];
    let mut panels = Vec::new();
    for (name, set) in FIG1_SETS {
        let cloud = set.build(&Streams::new(0))?;
        let exact = ExactScore::new(cloud.clone(), schedule);
        let points: Vec<[f64; 2]> = cloud.points().as_chunks::<2>().0.to_vec();
        let mut ratios = Vec::with_capacity(FIG1_TIMES.len() * queries.len() / 2);
        for t in FIG1_TIMES {
            ctx.interrupt.check()?;
            let ratio = exact.evaluate(&queries, t, CovKind::Trace)?.uncertainty_ratio();
            panels.push(HeatPanel {
                title: format!("{name}, t = {t}"),
                values: ratio.clone(),
                nx: FIG1_GRID,
                ny: FIG1_GRID,
                x: FIG1_RANGE,
                y: FIG1_RANGE,
                points: points.clone(),
                ..HeatPanel::default()
            });
            ratios.extend(ratio);
        }
        arrays.push((format!("{name}/points"), vec![cloud.len(), 2], cloud.points().to_vec()));
        arrays.push((format!("{name}/ratio"), vec![FIG1_TIMES.len(), FIG1_GRID, FIG1_GRID], ratios));
    }
    write(&file, &arrays)?;
    let figure = Heatmaps {
        panels,
        columns: FIG1_TIMES.len(),
        x_label: "x₁".to_owned(),
        y_label: "x₂".to_owned(),
        scales: vec![ColorScale::new("tr C / (tr C + |s|²)", Some((0.0, 1.0)))],
        square: true,
        ..Heatmaps::default()
    };
    let alt = "Share of the proxy score's mean square that is variance, for four data sets at five times";
    figure.draw(&out.join("fig1"), ctx.sheet, alt)?;
    done("fig1", out, started, ctx)
}

fn fig2(out: &Path, mode: Mode, streams: Streams, ctx: &Context) -> Result<()> {
    let started = Instant::now();
    let file = out.join("fig2.npz");
    check_writable(&file)?;
    let spec = Fig2Spec { mode, ..Fig2Spec::default() };
    let bar = ctx.progress("fig2", 1);
    let computed = Fig2::compute(&spec, streams, &|done, total| {
        bar.of(done as u64, total as u64);
        flow(ctx)
    });
    drop(bar);
    ctx.interrupt.check()?;
    let found = computed?;
    let mut arrays = vec![("x".to_owned(), vec![found.x.len()], found.x.clone())];
    for panel in &found.panels {
        let curves = [
            ("avg", &panel.average),
            ("q25", &panel.q25),
            ("q75", &panel.q75),
            ("std", &panel.std),
            ("pfode", &panel.pf_ode),
        ];
        for (name, values) in curves {
            arrays.push((format!("{}/{name}", panel.key()), vec![values.len()], values.clone()));
        }
        arrays.push((format!("{}/inside", panel.key()), vec![1], vec![panel.inside]));
    }
    write(&file, &arrays)?;
    // Rows of panels are values of P, columns are values of ε, as printed.
    let (rows, columns) = (spec.samples.len(), spec.t_min.len());
    let panels = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| column * rows + row))
        .map(|i| &found.panels[i])
        .map(|panel| DensityPanel {
            title: format!("ε = {}, P = {}", panel.t_min, panel.samples),
            x: found.x.clone(),
            curves: vec![
                Curve { key: key(TRUE_SCORE), density: panel.pf_ode.clone(), band: None },
                Curve {
                    key: key(ENSEMBLE),
                    density: panel.average.clone(),
                    band: Some((panel.q25.clone(), panel.q75.clone())),
                },
            ],
            data: vec![-1.0, 0.0, 1.0],
        })
        .collect();
    let alt = "Average learned distributions with quartiles between models, and the exact PF-ODE";
    Densities { panels, columns }.draw(&out.join("fig2"), ctx.sheet, alt)?;
    done("fig2", out, started, ctx)
}

fn fig3(out: &Path, mode: Mode, streams: Streams, ctx: &Context) -> Result<()> {
    let started = Instant::now();
    let file = out.join("fig3.npz");
    check_writable(&file)?;
    let bar = ctx.progress("fig3", 1);
    let computed = Fig3::compute(&Fig3Spec::new(mode), streams, &|done, total| {
        bar.of(done as u64, total as u64);
        flow(ctx)
    });
    drop(bar);
    ctx.interrupt.check()?;
    let found = computed?;
    let bins = found.edges.len() - 1;
    let mut arrays = vec![("edges".to_owned(), vec![bins + 1], found.edges.clone())];
    let mut panels = Vec::new();
    for panel in &found.panels {
        arrays.push((format!("{}/density", panel.key()), vec![bins, bins], panel.density.clone()));
        arrays.push((format!("{}/std", panel.key()), vec![bins, bins], panel.std.clone()));
        arrays.push((format!("{}/inside", panel.key()), vec![1], vec![panel.inside]));
        let angle = match panel.angle {
            "pi8" => "π/8",
            "pi4" => "π/4",
            other => other,
        };
        let range = (found.edges[0], found.edges[bins]);
        panels.push(HeatPanel {
            title: match panel.basis {
                Basis::Gaussian => format!("Gaussian features, turned by {angle}"),
                Basis::Fourier => format!("Fourier features, turned by {angle}"),
            },
            values: panel.drawn(mode),
            nx: bins,
            ny: bins,
            x: range,
            y: range,
            points: panel.points.as_chunks::<2>().0.to_vec(),
            ..HeatPanel::default()
        });
    }
    write(&file, &arrays)?;
    let value = match mode {
        Mode::Published => "density over x₂, each column by itself (1/units of x)",
        Mode::Corrected => "density (1/units of x²)",
    };
    let all: Vec<f64> = panels.iter().flat_map(|panel| &panel.values).copied().collect();
    let figure = Heatmaps {
        panels,
        columns: 3,
        x_label: "x₁".to_owned(),
        y_label: "x₂".to_owned(),
        scales: vec![ColorScale::power(value, all.into_iter())],
        square: true,
        ..Heatmaps::default()
    };
    let alt = "Average learned distributions of a rotated square, by feature family and angle";
    figure.draw(&out.join("fig3"), ctx.sheet, alt)?;
    done("fig3", out, started, ctx)
}

fn flow(ctx: &Context) -> ControlFlow<()> {
    if ctx.interrupt.raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn write(file: &Path, arrays: &[(String, Vec<usize>, Vec<f64>)]) -> Result<()> {
    let named: Vec<Named<'_>> =
        arrays.iter().map(|(name, shape, values)| Named { name, shape, values }).collect();
    Ok(write_npz(file, &named, Compression::Deflate)?)
}

fn done(name: &str, out: &Path, started: Instant, ctx: &Context) -> Result<()> {
    if ctx.interrupt.raised() {
        return Err(Interrupted.into());
    }
    let path = out.join(name);
    ctx.say(&format!("{}.npz, .svg, .png, .pdf ({:.1} s)", path.display(), started.elapsed().as_secs_f64()))
}
