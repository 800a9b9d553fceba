//! Density of a one-dimensional Itô equation in reversed time r = T − t: ∂_r q = −∂_x(v q) + ½ ∂_x²(b q).
//!
//! Finite volumes with no flux through the ends. With a = b/2 the flux is J = (v − a') q − a q', discretised at a face
//! by exponential fitting (Scharfetter–Gummel): J = (a/h) [B(−P) q_i − B(P) q_{i+1}], P = (v − Δa/h) h/a,
//! B(z) = z/(eᶻ − 1), a the logarithmic mean of its neighbours. Without velocity that is exactly −Δ(a q)/h, the Itô
//! form; without noise it is the upwind flux. Backward Euler makes the matrix an M-matrix with unit column
//! sums: mass is conserved to rounding and q stays positive for any step. Order 1 in the step, 2 in the width where a
//! resolves the velocity (|P| < 1) and 1 where it does not. Source: Scharfetter and Gummel, IEEE Trans. Electron
//! Devices 16 (1969) 64.

use super::effective::NaiveSde;
use crate::data::PointCloud;
use crate::error::{Error, Result};
use crate::schedule::{Schedule, TimeGrid};
use serde::{Deserialize, Serialize};

/// Resolution of the solver.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FokkerPlanck {
    /// Interval of x, which should hold nearly all mass at all times.
    pub range: [f64; 2],
    /// Number of equal cells.
    pub cells: usize,
    /// Number of steps from T to ε.
    pub steps: usize,
    /// How they are spread.
    pub grid: TimeGrid,
}

impl Default for FokkerPlanck {
    fn default() -> Self {
        Self { range: [-5.0, 5.0], cells: 2000, steps: 1000, grid: TimeGrid::LogSnr }
    }
}

/// A probability density that is constant on equal cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Density1d {
    /// Interval of x.
    pub range: [f64; 2],
    /// Probability of each cell.
    pub mass: Vec<f64>,
}

impl Density1d {
    /// A normal density's cell probabilities, restricted to the range and normalised.
    ///
    /// # Errors
    /// As [`FokkerPlanck::validate`]; [`Error::OutOfRange`] for a standard deviation that is not positive.
    pub fn normal(solver: &FokkerPlanck, mean: f64, std: f64) -> Result<Self> {
        solver.validate()?;
        if !(std.is_finite() && std > 0.0) {
            return Err(Error::OutOfRange { name: "std", value: std, expected: "a finite number above 0" });
        }
        let width = solver.width();
        let mut mass: Vec<f64> = (0..solver.cells)
            .map(|i| {
                let z = (solver.centre(i) - mean) / std;
                // Simpson's rule over the cell: the density is smooth on its scale.
                let half = 0.5 * width / std;
                let g = |z: f64| (-0.5 * z * z).exp();
                (g(z - half) + 4.0 * g(z) + g(z + half)) / 6.0
            })
            .collect();
        let total: f64 = mass.iter().sum();
        mass.iter_mut().for_each(|m| *m /= total);
        Ok(Self { range: solver.range, mass })
    }

    /// Cell width.
    pub fn width(&self) -> f64 {
        (self.range[1] - self.range[0]) / self.mass.len() as f64
    }

    /// Probability of [a, b].
    pub fn mass_between(&self, a: f64, b: f64) -> f64 {
        let (width, lo) = (self.width(), self.range[0]);
        let share = |i: usize| {
            let (left, right) = (lo + i as f64 * width, lo + (i + 1) as f64 * width);
            (b.min(right) - a.max(left)).max(0.0) / width
        };
        self.mass.iter().enumerate().map(|(i, m)| m * share(i)).sum()
    }

    /// q at the cell centres.
    pub fn density(&self) -> Vec<f64> {
        let width = self.width();
        self.mass.iter().map(|m| m / width).collect()
    }
}

impl FokkerPlanck {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an empty range; [`Error::Empty`] for fewer than two cells or no steps.
    pub fn validate(&self) -> Result<()> {
        let [lo, hi] = self.range;
        if !(lo.is_finite() && hi.is_finite() && lo < hi) {
            return Err(Error::OutOfRange { name: "range", value: hi, expected: "finite ends with lo < hi" });
        }
        if self.cells < 2 || self.steps == 0 {
            return Err(Error::Empty { name: "the Fokker-Planck grid (cells, steps)" });
        }
        Ok(())
    }

    fn width(&self) -> f64 {
        (self.range[1] - self.range[0]) / self.cells as f64
    }

    fn centre(&self, i: usize) -> f64 {
        self.range[0] + (i as f64 + 0.5) * self.width()
    }

    /// The density of the naive estimator's effective dynamics at ε, from N(0, σ_T²) at T.
    ///
    /// # Errors
    /// As [`FokkerPlanck::validate`], [`NaiveSde::new`] and [`Schedule::grid`].
    pub fn naive(&self, cloud: &PointCloud, schedule: &Schedule, load: f64) -> Result<Density1d> {
        let mut sde = NaiveSde::new(cloud, schedule, load)?;
        let times = schedule.grid(self.grid, self.steps)?;
        let mut q = Density1d::normal(self, 0.0, schedule.noise_std(schedule.t_max()))?;
        self.evolve(&times, |t, x| sde.coefficients(t, x), &mut q)?;
        Ok(q)
    }

    /// Advances `q` over the steps between `times` (either direction; |Δ| counts), in place.
    ///
    /// `coefficients(t, x)` returns (v, b), both finite and b ≥ 0.
    ///
    /// # Errors
    /// As [`FokkerPlanck::validate`]; [`Error::Shape`] when `q` has another number of cells.
    pub fn evolve(
        &self,
        times: &[f64],
        mut coefficients: impl FnMut(f64, f64) -> (f64, f64),
        q: &mut Density1d,
    ) -> Result<()> {
        self.validate()?;
        crate::error::check_len("the density", self.cells, q.mass.len())?;
        let (n, width) = (self.cells, self.width());
        let mut half_spread = vec![0.0; n];
        // Rates of transfer through face i: right from cell i, left from cell i + 1.
        let (mut right, mut left) = (vec![0.0; n - 1], vec![0.0; n - 1]);
        let mut pivots = vec![0.0; n];
        for pair in times.windows(2) {
            let (t, h) = (pair[1], (pair[1] - pair[0]).abs());
            for (i, a) in half_spread.iter_mut().enumerate() {
                *a = 0.5 * coefficients(t, self.centre(i)).1;
            }
            for i in 0..n - 1 {
                let (velocity, _) = coefficients(t, self.centre(i) + 0.5 * width);
                (right[i], left[i]) = fitted_rates(velocity, half_spread[i], half_spread[i + 1], width);
            }
            solve_implicit(h, &right, &left, &mut q.mass, &mut pivots);
        }
        Ok(())
    }
}

/// (a/h²) B(−P) and (a/h²) B(P).
fn fitted_rates(velocity: f64, a_left: f64, a_right: f64, width: f64) -> (f64, f64) {
    let effective = velocity - (a_right - a_left) / width;
    // Beyond |P| = 40, B is its asymptote to rounding; this is also the branch of a = 0.
    if effective.abs() * width >= 40.0 * a_left.max(a_right) || a_left.min(a_right) <= 0.0 {
        return (effective.max(0.0) / width, (-effective).max(0.0) / width);
    }
    let a = log_mean(a_left, a_right);
    let peclet = effective * width / a;
    let rate = a / (width * width);
    (rate * bernoulli(-peclet), rate * bernoulli(peclet))
}

/// z/(eᶻ − 1).
fn bernoulli(z: f64) -> f64 {
    if z == 0.0 { 1.0 } else { z / z.exp_m1() }
}

/// (b − a)/ln(b/a) of positive numbers.
fn log_mean(a: f64, b: f64) -> f64 {
    let (lo, hi) = (a.min(b), a.max(b));
    if lo == hi {
        return lo;
    }
    let relative = (hi - lo) / hi;
    let log_ratio = if relative < 0.5 { -(-relative).ln_1p() } else { hi.ln() - lo.ln() };
    (hi - lo) / log_ratio
}

/// Solves (1 + R_i + L_{i−1}) q_i − R_{i−1} q_{i−1} − L_i q_{i+1} = q_i^old, R = h·right, L = h·left, by elimination.
///
/// The pivots d_i = e_i + R_i have e_i = 1 + L_{i−1} e_{i−1}/d_{i−1}: sums of positive terms, so that positivity and
/// mass survive steps with h·rate ≫ 1, where the textbook recursion would cancel.
fn solve_implicit(h: f64, right: &[f64], left: &[f64], q: &mut [f64], pivots: &mut [f64]) {
    let last = q.len() - 1;
    let mut kept = 1.0;
    for i in 0..last {
        pivots[i] = kept + h * right[i];
        q[i + 1] += h * right[i] / pivots[i] * q[i];
        kept = 1.0 + h * left[i] * kept / pivots[i];
    }
    q[last] /= kept;
    for i in (0..last).rev() {
        q[i] = (q[i] + h * left[i] * q[i + 1]) / pivots[i];
    }
}
