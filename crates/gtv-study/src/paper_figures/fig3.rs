//! Figure 3: the average learned distribution on the corners of a turned square, for two kinds of features.

use super::{GridTable, Mode, WINDOW, at_least_one, count_plane, gaussian, paper_trainer};

use gtv_models::LinearTrainer;
use gtv_models::linear::Progress;
use gtv_models::{Error, Result};
use gtv_theory::compare::{Axis, between_model_bands};
use gtv_theory::data::BuiltIn;
use gtv_theory::dynamics::{Form, Integrator, Lookup, LookupGrid, PfOde, Sampling, unobserved};
use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::rng::Streams;
use gtv_theory::{Schedule, TimeGrid};
use rayon::prelude::*;
use std::f64::consts::{FRAC_PI_4, FRAC_PI_8};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The features of one row of panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Products of normal densities.
    Gaussian,
    /// Products of cosines and sines.
    Fourier,
}

impl Basis {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gauss",
            Self::Fourier => "fourier",
        }
    }

    fn axis(self, (lo, hi): (f64, f64)) -> AxisBasis {
        match self {
            Self::Gaussian => gaussian((lo, hi), FEATURES),
            Self::Fourier => AxisBasis::Fourier { lo, hi, len: FEATURES },
        }
    }
}

/// What is computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Fig3Spec {
    /// Published or corrected.
    pub mode: Mode,
    /// N, models per panel.
    pub members: usize,
    /// Paths of each model.
    pub paths: usize,
    /// P, training triples of each model.
    pub samples: usize,
    /// ε.
    pub t_min: f64,
}

impl Fig3Spec {
    /// The figure as published, or its corrected form with fewer but accurately integrated paths.
    pub fn new(mode: Mode) -> Self {
        let paths = match mode {
            Mode::Published => 40_000,
            Mode::Corrected => 4_000,
        };
        Self { mode, members: 100, paths, samples: 500, t_min: 0.01 }
    }
}

impl Default for Fig3Spec {
    fn default() -> Self {
        Self::new(Mode::Published)
    }
}

/// Features on each axis.
const FEATURES: usize = 10;
/// Euler steps of the published sampler.
const STEPS: usize = 30;
/// RK4 steps of the corrected integration, uniform in log-SNR.
const FINE_STEPS: usize = 40;
/// Bins on each axis.
const BINS: usize = 60;
/// Bits of a stream's member number that count members within a panel.
const MEMBER_BITS: u32 = 32;
/// The panels' angles and their names in files.
const ANGLES: [(&str, f64); 3] = [("0", 0.0), ("pi8", FRAC_PI_8), ("pi4", FRAC_PI_4)];

/// One panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Fig3Panel {
    /// The features.
    pub basis: Basis,
    /// The angle's name: 0, pi8 or pi4.
    pub angle: &'static str,
    /// The data, 4 × 2.
    pub points: Vec<f64>,
    /// Average density on 60 × 60 bins, first coordinate slowest, normalised over all paths (also those outside).
    pub density: Vec<f64>,
    /// Standard deviation between models of each bin's density.
    pub std: Vec<f64>,
    /// Share of paths that end in the window.
    pub inside: f64,
}

impl Fig3Panel {
    /// The panel's name in files: `{features}_{angle}`.
    pub fn key(&self) -> String {
        format!("{}_{}", self.basis.name(), self.angle)
    }

    /// What the figure shows: `corrected` the density; `published` each column (one value of the first coordinate)
    /// normalised by itself to a density over the second, as the paper's plot is.
    pub fn drawn(&self, mode: Mode) -> Vec<f64> {
        let width = (WINDOW.1 - WINDOW.0) / BINS as f64;
        let mut out = self.density.clone();
        if mode == Mode::Published {
            for column in out.chunks_exact_mut(BINS) {
                let mass: f64 = column.iter().sum::<f64>() * width;
                if mass > 0.0 {
                    column.iter_mut().for_each(|v| *v /= mass);
                }
            }
        }
        out
    }
}

/// The figure's numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Fig3 {
    /// The 61 bin edges of either axis.
    pub edges: Vec<f64>,
    /// The six panels, features slowest.
    pub panels: Vec<Fig3Panel>,
}

/// What all members of one panel share.
struct Condition {
    trainer: LinearTrainer,
    table: GridTable,
}

/// A worker's scratch: the table of one member, 19 MB, is rewritten rather than allocated.
#[derive(Clone)]
struct Workspace {
    lookup: Lookup,
    counts: Vec<u64>,
    axis: Axis,
}

impl Condition {
    fn new(spec: &Fig3Spec, basis: Basis, angle: f64) -> Result<Self> {
        let schedule = Schedule::paper(spec.t_min)?;
        let axis = basis.axis(WINDOW);
        let features = Separable::uniform(2, axis, basis.axis((spec.t_min, schedule.t_max())))?;
        let table = GridTable::new(&features, &LookupGrid::default());
        // Fixed points: this set draws nothing from its streams.
        let cloud = BuiltIn::Square { angle }.build(&Streams::new(0))?;
        let trainer = paper_trainer(features, cloud, schedule, spec.samples)?;
        Ok(Self { trainer, table })
    }

    /// Counts of one member's paths in the bins.
    fn counts(
        &self,
        spec: &Fig3Spec,
        streams: Streams,
        member: u64,
        work: &mut Workspace,
    ) -> Result<Vec<u64>> {
        let weights = self.trainer.weights(streams, member)?;
        work.counts.fill(0);
        match spec.mode {
            Mode::Published => {
                let mut table = self.table.clone();
                work.lookup.tabulate(|t, out| table.fill(&weights, t, out));
                let counts = &mut work.counts;
                work.lookup
                    .for_each_batch(spec.paths, streams, member, |x| count_plane(&work.axis, x, counts));
            }
            Mode::Corrected => {
                let settings = Sampling {
                    integrator: Integrator::Rk4,
                    form: Form::Denoiser,
                    grid: TimeGrid::LogSnr,
                    steps: FINE_STEPS,
                    ..Sampling::default()
                };
                let field = self.trainer.field(weights);
                let samples = PfOde::new(&field, &settings)?.sample(spec.paths, streams, member, &unobserved);
                count_plane(&work.axis, &samples.x, &mut work.counts);
            }
        }
        Ok(work.counts.clone())
    }
}

impl Fig3 {
    /// Computes the figure. Panels and members have their own random streams; the numbers do not depend on the
    /// number of threads.
    ///
    /// # Errors
    /// A setting out of range; [`Error::Cancelled`] when `progress` breaks.
    pub fn compute(spec: &Fig3Spec, streams: Streams, progress: Progress<'_>) -> Result<Self> {
        at_least_one("members", spec.members)?;
        at_least_one("paths", spec.paths)?;
        let names: Vec<(Basis, &'static str, f64)> = [Basis::Gaussian, Basis::Fourier]
            .into_iter()
            .flat_map(|basis| ANGLES.map(|(name, angle)| (basis, name, angle)))
            .collect();
        let conditions = names
            .iter()
            .map(|&(basis, _, angle)| Condition::new(spec, basis, angle))
            .collect::<Result<Vec<Condition>>>()?;
        let schedule = Schedule::paper(spec.t_min)?;
        let times = schedule.grid(TimeGrid::Uniform, STEPS)?;
        let lookup = Lookup::new(&schedule, &times, LookupGrid::default(), 2)?;
        let axis = Axis::new(WINDOW.0, WINDOW.1, BINS)?;
        let template = Workspace { lookup, counts: vec![0; BINS * BINS], axis };
        let (members, total) = (spec.members, spec.members * conditions.len());
        let done = AtomicUsize::new(0);
        let counts = (0..total)
            .into_par_iter()
            .map_init(
                || template.clone(),
                |work, job| {
                    let (condition, member) = (job / members, job % members);
                    let id = ((condition as u64) << MEMBER_BITS) | member as u64;
                    let counts = conditions[condition].counts(spec, streams, id, work)?;
                    let done = 1 + done.fetch_add(1, Ordering::Relaxed);
                    match progress(done, total) {
                        ControlFlow::Continue(()) => Ok(counts),
                        ControlFlow::Break(()) => Err(Error::Cancelled { done, total }),
                    }
                },
            )
            .collect::<Result<Vec<Vec<u64>>>>()?;
        let scale = 1.0 / (spec.paths as f64 * axis.width() * axis.width());
        let panels = counts.chunks(members).zip(&names).zip(&conditions).map(|((group, name), condition)| {
            let inside: u64 = group.iter().flatten().sum();
            let densities: Vec<f64> = group.iter().flatten().map(|&c| c as f64 * scale).collect();
            let bands = between_model_bands(&densities, BINS * BINS)?;
            Ok(Fig3Panel {
                basis: name.0,
                angle: name.1,
                points: condition.trainer.problem().cloud().points().to_vec(),
                density: bands.mean,
                std: bands.std,
                inside: inside as f64 / (members * spec.paths) as f64,
            })
        });
        Ok(Self { edges: axis.edges(), panels: panels.collect::<Result<_>>()? })
    }
}
