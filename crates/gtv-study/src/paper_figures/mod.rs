//! The paper's figures as computations: the published procedure to the letter, and a corrected one.
//!
//! `published` follows the paper's code: 30 uniform Euler steps whose denoiser is looked up on a 200-point grid.
//! `corrected` integrates the probability-flow ODE accurately, with the denoiser evaluated where it is needed.

mod fig2;
mod fig3;
mod pull_back;
mod table;

pub use fig2::{Fig2, Fig2Panel, Fig2Spec};
pub use fig3::{Basis, Fig3, Fig3Panel, Fig3Spec};
pub use pull_back::pull_back;
pub use table::GridTable;

use gtv_models::LinearTrainer;
use gtv_models::Result;
use gtv_theory::compare::Axis;
use gtv_theory::error::Error as TheoryError;
use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::rng::Streams;
use gtv_theory::{Features, Objective, PointCloud, Schedule, TrainingProblem};
use serde::{Deserialize, Serialize};

/// How faithful a figure is to the paper's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The paper's own procedure, slips included.
    #[default]
    Published,
    /// Accurate integration, plain densities.
    Corrected,
}

/// Ends of the window [−1.5, 1.5] that features, tables and histograms of the paper share.
const WINDOW: (f64, f64) = (-1.5, 1.5);

/// The paper's linear model, a denoiser with λ = σ² and γ = 0.1; the streams are given with each member.
fn paper_trainer(
    features: Separable,
    cloud: PointCloud,
    schedule: Schedule,
    samples: usize,
) -> Result<LinearTrainer> {
    let problem = TrainingProblem::new(cloud, schedule, Objective::default(), samples, Streams::new(0))?;
    LinearTrainer::new(problem, Features::Separable(features), 0.1)
}

/// `len` Gaussian features over [lo, hi].
fn gaussian((lo, hi): (f64, f64), len: usize) -> AxisBasis {
    AxisBasis::Gaussian { lo, hi, len }
}

/// Adds the number of states in each cell, row-major; what is outside or NaN is not counted.
fn count_line(axis: &Axis, x: &[f64], counts: &mut [u64]) {
    for &x in x {
        if let Some(cell) = axis.index(x) {
            counts[cell] += 1;
        }
    }
}

/// [`count_line`] in two dimensions, the same axis on both, the second coordinate fastest.
fn count_plane(axis: &Axis, x: &[f64], counts: &mut [u64]) {
    for [x, y] in x.as_chunks::<2>().0 {
        if let (Some(i), Some(j)) = (axis.index(*x), axis.index(*y)) {
            counts[i * axis.len() + j] += 1;
        }
    }
}

/// Refuses a count of 0.
fn at_least_one(name: &'static str, value: usize) -> Result<()> {
    if value == 0 {
        return Err(TheoryError::OutOfRange { name, value: 0.0, expected: "at least 1" }.into());
    }
    Ok(())
}
