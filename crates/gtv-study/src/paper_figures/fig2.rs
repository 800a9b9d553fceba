//! Figure 2: the average learned distribution on {−1, 0, 1} against ε and P, from linear ensembles.

use super::{GridTable, Mode, WINDOW, at_least_one, count_line, gaussian, paper_trainer, pull_back};

use gtv_models::LinearTrainer;
use gtv_models::linear::Progress;
use gtv_models::{Error, Result};
use gtv_theory::compare::{Axis, between_model_bands};
use gtv_theory::dynamics::{Lookup, LookupGrid, unobserved};
use gtv_theory::features::Separable;
use gtv_theory::rng::Streams;
use gtv_theory::score::ExactScore;
use gtv_theory::{PointCloud, Schedule, TimeGrid};
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is computed; the default is the figure as published.
#[derive(Debug, Clone, PartialEq)]
pub struct Fig2Spec {
    /// Published or corrected.
    pub mode: Mode,
    /// N, models per condition.
    pub members: usize,
    /// Paths of each model (`published` only: `corrected` needs no sampling).
    pub paths: usize,
    /// Paths of the PF-ODE curve (`published` only).
    pub pf_ode_paths: usize,
    /// The values of ε, one column of panels each.
    pub t_min: Vec<f64>,
    /// The values of P, one row of panels each.
    pub samples: Vec<usize>,
}

impl Default for Fig2Spec {
    fn default() -> Self {
        Self {
            mode: Mode::Published,
            members: 100,
            paths: 100_000,
            pf_ode_paths: 1_000_000,
            t_min: vec![1e-4, 1e-3, 1e-2],
            samples: vec![64, 128, 256, 512, 1024],
        }
    }
}

/// Euler steps of the published sampler.
const STEPS: usize = 30;
/// RK4 steps of the corrected integration: 1e-3 of a stiff model's mass is misplaced, 1e-4 of a usual one's (tested).
const FINE_STEPS: usize = 300;
/// Gaussian features on each axis.
const FEATURES: usize = 16;
/// Bits of a stream's member number that count members within a condition.
const MEMBER_BITS: u32 = 32;

/// One panel: densities on the grid of [`Fig2::x`], normalised over what falls into the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Fig2Panel {
    /// ε.
    pub t_min: f64,
    /// P.
    pub samples: usize,
    /// Each model's density, N × 200.
    pub members: Vec<f64>,
    /// Mean over models: the average learned distribution.
    pub average: Vec<f64>,
    /// Lower quartile over models.
    pub q25: Vec<f64>,
    /// Upper quartile over models.
    pub q75: Vec<f64>,
    /// Standard deviation between models.
    pub std: Vec<f64>,
    /// Density of the PF-ODE with the exact posterior mean.
    pub pf_ode: Vec<f64>,
    /// Mean share of a model's paths that end in the window.
    pub inside: f64,
    /// Standard deviation between models of that share.
    pub inside_std: f64,
}

impl Fig2Panel {
    /// The panel's name in files: `eps{ε}_P{P}`.
    pub fn key(&self) -> String {
        format!("eps{}_P{}", self.t_min, self.samples)
    }
}

/// The figure's numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Fig2 {
    /// The 200 grid points, which are also the bins' centres.
    pub x: Vec<f64>,
    /// One panel for each ε and P, ε slowest.
    pub panels: Vec<Fig2Panel>,
}

/// A model's normalised density on the bins, and its share inside.
struct Density {
    values: Vec<f64>,
    inside: f64,
}

impl Density {
    /// From the mass of each bin.
    fn new(mass: Vec<f64>, width: f64) -> Self {
        let inside: f64 = mass.iter().sum();
        // A model none of whose paths arrive has density 0 everywhere, not NaN.
        let scale = if inside > 0.0 { 1.0 / (inside * width) } else { 0.0 };
        Self { values: mass.into_iter().map(|m| m * scale).collect(), inside }
    }

    /// From the number of paths in each bin, out of `total`.
    fn of_counts(counts: &[u64], total: usize, width: f64) -> Self {
        Self::new(counts.iter().map(|&c| c as f64 / total as f64).collect(), width)
    }
}

/// What all members of one condition share.
struct Condition {
    trainer: LinearTrainer,
    lookup: Lookup,
    table: GridTable,
    /// Bins centred on the points of the lookup grid.
    bins: Axis,
}

impl Condition {
    fn new(t_min: f64, samples: usize) -> Result<Self> {
        let schedule = Schedule::paper(t_min)?;
        let features =
            Separable::uniform(1, gaussian(WINDOW, FEATURES), gaussian((t_min, schedule.t_max()), FEATURES))?;
        let grid = LookupGrid::default();
        let lookup = Lookup::new(&schedule, &schedule.grid(TimeGrid::Uniform, STEPS)?, grid, 1)?;
        let table = GridTable::new(&features, &grid);
        let trainer = paper_trainer(features, three_points()?, schedule, samples)?;
        Ok(Self { trainer, lookup, table, bins: Axis::centred_on(grid.lo, grid.hi, grid.len)? })
    }

    fn density(&self, spec: &Fig2Spec, streams: Streams, member: u64) -> Result<Density> {
        let weights = self.trainer.weights(streams, member)?;
        match spec.mode {
            Mode::Published => {
                let (mut lookup, mut table) = (self.lookup.clone(), self.table.clone());
                lookup.tabulate(|t, out| table.fill(&weights, t, out));
                let mut counts = vec![0; self.bins.len()];
                lookup
                    .for_each_batch(spec.paths, streams, member, |x| count_line(&self.bins, x, &mut counts));
                Ok(Density::of_counts(&counts, spec.paths, self.bins.width()))
            }
            Mode::Corrected => {
                let mass = pull_back(&self.trainer.field(weights), &self.bins.edges(), FINE_STEPS)?;
                Ok(Density::new(mass, self.bins.width()))
            }
        }
    }

    /// The curve that every model would give if it had learned the exact score.
    fn pf_ode(&self, spec: &Fig2Spec, streams: Streams, member: u64) -> Result<Density> {
        let sampler = self.trainer.problem();
        let (cloud, schedule) = (sampler.cloud(), sampler.schedule());
        match spec.mode {
            Mode::Published => {
                let mut lookup = self.lookup.clone();
                let points = self.lookup.points();
                lookup.tabulate(|t, out| published_posterior_mean(cloud, schedule, t, &points, out));
                let x = lookup.sample(spec.pf_ode_paths, streams, member, &unobserved).x;
                let mut counts = vec![0; self.bins.len()];
                count_line(&self.bins, &x, &mut counts);
                Ok(Density::of_counts(&counts, spec.pf_ode_paths, self.bins.width()))
            }
            Mode::Corrected => {
                let exact = ExactScore::new(cloud.clone(), *schedule);
                let mass = pull_back(&exact, &self.bins.edges(), FINE_STEPS)?;
                Ok(Density::new(mass, self.bins.width()))
            }
        }
    }
}

fn three_points() -> Result<PointCloud> {
    Ok(PointCloud::new(vec![-1.0, 0.0, 1.0], 1)?)
}

/// Σ μ_m p_m/(Σ p_m + 1e-8), p_m = N(x; α μ_m, σ²): the paper's posterior mean. Where all densities vanish it tends
/// to 0 instead of the nearest point.
fn published_posterior_mean(
    cloud: &PointCloud,
    schedule: &Schedule,
    t: f64,
    points: &[f64],
    out: &mut [f64],
) {
    let (signal, std) = (schedule.signal(t), schedule.noise_std(t));
    let norm = 1.0 / (std * std::f64::consts::TAU.sqrt());
    for (o, x) in out.iter_mut().zip(points) {
        let (mut total, mut sum) = (0.0, 0.0);
        for mu in cloud.points() {
            let density = norm * (-0.5 * ((x - signal * mu) / std).powi(2)).exp();
            total += density;
            sum += density * mu;
        }
        *o = sum / (total + 1e-8);
    }
}

impl Fig2 {
    /// Computes the figure. Conditions and members have their own random streams; the numbers do not depend on the
    /// number of threads.
    ///
    /// # Errors
    /// An ε, P or number of members or paths out of range; [`Error::Cancelled`] when `progress` breaks.
    pub fn compute(spec: &Fig2Spec, streams: Streams, progress: Progress<'_>) -> Result<Self> {
        at_least_one("members", spec.members)?;
        at_least_one("paths", spec.paths.min(spec.pf_ode_paths))?;
        let pairs: Vec<(f64, usize)> =
            spec.t_min.iter().flat_map(|&t| spec.samples.iter().map(move |&p| (t, p))).collect();
        let conditions =
            pairs.iter().map(|&(t, p)| Condition::new(t, p)).collect::<Result<Vec<Condition>>>()?;
        let (members, total) = (spec.members, spec.members * conditions.len());
        let done = AtomicUsize::new(0);
        let densities = (0..total)
            .into_par_iter()
            .map(|job| {
                let (condition, member) = (job / members, job % members);
                let id = ((condition as u64) << MEMBER_BITS) | member as u64;
                let density = conditions[condition].density(spec, streams, id)?;
                let done = 1 + done.fetch_add(1, Ordering::Relaxed);
                match progress(done, total) {
                    ControlFlow::Continue(()) => Ok(density),
                    ControlFlow::Break(()) => Err(Error::Cancelled { done, total }),
                }
            })
            .collect::<Result<Vec<Density>>>()?;
        let mut panels = Vec::with_capacity(pairs.len());
        let mut pf_ode = Vec::new();
        for (index, (group, &(t_min, samples))) in densities.chunks(members).zip(&pairs).enumerate() {
            // The exact curve depends on ε alone: its stream is the one after the column's first members.
            if index % spec.samples.len() == 0 {
                let id = ((index as u64) << MEMBER_BITS) | members as u64;
                pf_ode = conditions[index].pf_ode(spec, streams, id)?.values;
            }
            let flat: Vec<f64> = group.iter().flat_map(|d| d.values.iter().copied()).collect();
            let bands = between_model_bands(&flat, LookupGrid::default().len)?;
            let shares: Vec<f64> = group.iter().map(|d| d.inside).collect();
            let inside = between_model_bands(&shares, 1)?;
            panels.push(Fig2Panel {
                t_min,
                samples,
                members: flat,
                average: bands.mean,
                q25: bands.q25,
                q75: bands.q75,
                std: bands.std,
                pf_ode: pf_ode.clone(),
                inside: inside.mean[0],
                inside_std: inside.std[0],
            });
        }
        Ok(Self { x: LookupGrid::default().points(), panels })
    }
}
