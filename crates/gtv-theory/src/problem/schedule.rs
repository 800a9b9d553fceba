//! Noise schedules: dx = −β_t x dt + √(2 D_t) dW, so that p(x | x0, t) = N(α_t x0, σ_t² I).
//!
//! α_t = exp(−∫₀ᵗ β), dσ²/dt = −2 β σ² + 2 D, σ²_0 = 0. Every schedule also inverts its log-SNR
//! ln(α²/σ²), which all grids but the uniform one are built on.

mod edm;
mod flow;
mod grid;
mod sqrt;
mod table;
mod ve;
mod vp_cosine;
mod vp_linear;
mod vp_song;

pub use grid::TimeGrid;
pub use table::ScheduleTable;

use crate::error::{Error, Result};
use edm::Edm;
use flow::FlowMatching;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqrt::Sqrt;
use ve::Ve;
use vp_cosine::VpCosine;
use vp_linear::VpLinear;
use vp_song::VpSong;

/// The family of a schedule, with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Variance preserving as in the paper: β = D = β_min + β_d t, α = exp(−(β_min t + β_d t²/2)), σ² = 1 − α².
    VpLinear {
        /// β at t = 0, per unit time.
        #[serde(default = "defaults::beta_min")]
        #[schemars(extend("exclusiveMinimum" = 0.0, "unit" = "1/t"))]
        beta_min: f64,
        /// Slope of β, per unit time squared.
        #[serde(default = "defaults::beta_d")]
        #[schemars(range(min = 0.0), extend("unit" = "1/t²"))]
        beta_d: f64,
    },
    /// Song et al.'s variance-preserving convention, with β/2 in the drift: β = D = (β_min + β_d t)/2.
    VpSong {
        /// Song's β at t = 0 (twice the drift rate), per unit time.
        #[serde(default = "defaults::beta_min")]
        #[schemars(extend("exclusiveMinimum" = 0.0, "unit" = "1/t"))]
        beta_min: f64,
        /// Slope of Song's β, per unit time squared.
        #[serde(default = "defaults::beta_d")]
        #[schemars(range(min = 0.0), extend("unit" = "1/t²"))]
        beta_d: f64,
    },
    /// Nichol and Dhariwal's cosine schedule: α = cos θ_t / cos θ_0, θ_t = (π/2)(t + s)/(1 + s), σ² = 1 − α².
    VpCosine {
        /// The offset s (0.008 in the source).
        #[serde(default = "defaults::offset")]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        offset: f64,
    },
    /// Variance exploding: β = 0, σ² = σ_min²((σ_max/σ_min)^{2t} − 1).
    Ve {
        /// Noise scale at t → 0.
        #[serde(default = "defaults::sigma_min")]
        #[schemars(extend("exclusiveMinimum" = 0.0, "unit" = "x"))]
        sigma_min: f64,
        /// Noise scale at t = 1.
        #[serde(default = "defaults::sigma_max")]
        #[schemars(extend("exclusiveMinimum" = 0.0, "unit" = "x"))]
        sigma_max: f64,
    },
    /// Karras et al.: β = 0, D = t, σ = t.
    Edm,
    /// Figure 1 of the paper: α = √(1 − t), σ² = t.
    Sqrt,
    /// Flow matching's straight path: α = 1 − t, σ = t.
    Flow,
    /// A user's own α_t and σ_t.
    #[serde(skip)]
    Table(ScheduleTable),
}

/// Parameters where none are given: those of the papers that the schedules are from.
mod defaults {
    pub(super) const fn beta_min() -> f64 {
        0.1
    }
    pub(super) const fn beta_d() -> f64 {
        19.9
    }
    pub(super) fn offset() -> f64 {
        0.008
    }
    pub(super) fn sigma_min() -> f64 {
        0.01
    }
    pub(super) fn sigma_max() -> f64 {
        50.0
    }
}

impl Default for ScheduleKind {
    fn default() -> Self {
        Self::PAPER
    }
}

impl ScheduleKind {
    /// The paper's VP schedule: β_min = 0.1, β_d = 19.9.
    pub const PAPER: Self = Self::VpLinear { beta_min: defaults::beta_min(), beta_d: defaults::beta_d() };

    /// Hands its name in configs and its curves to a function.
    fn with<R>(&self, read: impl FnOnce(&'static str, &dyn Curves) -> R) -> R {
        match *self {
            Self::VpLinear { beta_min, beta_d } => read("vp-linear", &VpLinear { beta_min, beta_d }),
            Self::VpSong { beta_min, beta_d } => read("vp-song", &VpSong { beta_min, beta_d }),
            Self::VpCosine { offset } => read("vp-cosine", &VpCosine { offset }),
            Self::Ve { sigma_min, sigma_max } => read("ve", &Ve { sigma_min, sigma_max }),
            Self::Edm => read("edm", &Edm),
            Self::Sqrt => read("sqrt", &Sqrt),
            Self::Flow => read("flow", &FlowMatching),
            Self::Table(table) => read("table", &table),
        }
    }

    /// The name used in configs.
    pub fn name(&self) -> &'static str {
        self.with(|name, _| name)
    }
}

/// The functions of time that make a schedule.
trait Curves {
    /// Refuses parameters outside their domain.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Smallest admissible t_min.
    fn first_time(&self) -> f64 {
        0.0
    }

    /// Largest admissible t_max, and what is expected of it.
    fn last_time(&self) -> (f64, &'static str) {
        (f64::INFINITY, "a finite time above 0")
    }

    /// α_t.
    fn signal(&self, t: f64) -> f64;

    /// σ_t².
    fn noise_var(&self, t: f64) -> f64;

    /// β_t.
    fn drift_rate(&self, t: f64) -> f64;

    /// D_t; where α² + σ² = 1 it is β_t.
    fn diffusion(&self, t: f64) -> f64 {
        self.drift_rate(t)
    }

    /// The time with ln(α²/σ²) = `log_snr`.
    fn time_at_log_snr(&self, log_snr: f64) -> f64;
}

/// The last time of a schedule with α = 0 at t = 1.
const UNTIL_ONE: (f64, &str) = (1.0, "a time above 0 and at most 1, where no signal is left");

fn positive(name: &'static str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Error::OutOfRange { name, value, expected: "a finite number above 0" })
}

/// A validated schedule on [ε, T] = [`t_min`, `t_max`].
///
/// ```
/// use gtv_theory::schedule::Schedule;
/// let s = Schedule::paper(0.01).unwrap();
/// let (a, v) = (s.signal(0.5), s.noise_var(0.5));
/// assert!((v - (1.0 - a * a)).abs() < 1e-15);
/// ```
///
/// [`t_min`]: Schedule::t_min
/// [`t_max`]: Schedule::t_max
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    kind: ScheduleKind,
    t_min: f64,
    t_max: f64,
}

impl Schedule {
    /// A schedule between ε = `t_min` and T = `t_max`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 < ε < T < ∞ (T ≤ 1 for the bounded schedules) and every parameter is in its domain.
    pub fn new(kind: ScheduleKind, t_min: f64, t_max: f64) -> Result<Self> {
        let (first, (last, expected)) = kind.with(|_, curves| {
            curves.validate()?;
            Ok((curves.first_time(), curves.last_time()))
        })?;
        if !(t_max.is_finite() && t_max > 0.0 && t_max <= last) {
            return Err(Error::OutOfRange { name: "t_max", value: t_max, expected });
        }
        if !(t_min > 0.0 && t_min < t_max) {
            return Err(Error::OutOfRange {
                name: "t_min",
                value: t_min,
                expected: "0 < t_min < t_max: the score of discrete data is singular at t = 0",
            });
        }
        if t_min < first {
            let expected = "at least the first time of the schedule's table";
            return Err(Error::OutOfRange { name: "t_min", value: t_min, expected });
        }
        Ok(Self { kind, t_min, t_max })
    }

    /// The paper's schedule with T = 1 and the given ε.
    ///
    /// # Errors
    /// As [`Schedule::new`].
    pub fn paper(t_min: f64) -> Result<Self> {
        Self::new(ScheduleKind::PAPER, t_min, 1.0)
    }

    /// The family and its parameters.
    pub fn kind(&self) -> ScheduleKind {
        self.kind
    }

    /// ε, where sampling stops.
    pub fn t_min(&self) -> f64 {
        self.t_min
    }

    /// T, where sampling starts.
    pub fn t_max(&self) -> f64 {
        self.t_max
    }

    /// α_t.
    pub fn signal(&self, t: f64) -> f64 {
        self.kind.with(|_, curves| curves.signal(t))
    }

    /// σ_t², accurate to rounding also as t → 0.
    pub fn noise_var(&self, t: f64) -> f64 {
        self.kind.with(|_, curves| curves.noise_var(t))
    }

    /// σ_t.
    pub fn noise_std(&self, t: f64) -> f64 {
        self.noise_var(t).sqrt()
    }

    /// β_t, per unit time. Infinite at t = 1 for the bounded schedules.
    pub fn drift_rate(&self, t: f64) -> f64 {
        self.kind.with(|_, curves| curves.drift_rate(t))
    }

    /// D_t = G_t²/2, per unit time.
    pub fn diffusion(&self, t: f64) -> f64 {
        self.kind.with(|_, curves| curves.diffusion(t))
    }

    /// ln(α_t²/σ_t²); −∞ where α = 0.
    pub fn log_snr(&self, t: f64) -> f64 {
        let signal = self.signal(t);
        (signal * signal).ln() - self.noise_var(t).ln()
    }

    /// The time at which the log-SNR takes the given value: the inverse of [`Schedule::log_snr`].
    pub fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        self.kind.with(|_, curves| curves.time_at_log_snr(log_snr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of no other schedule; at the times where slopes are tested it has no knot, where its curvature jumps.
    fn table() -> ScheduleTable {
        let t: Vec<f64> =
            (0..=40).map(|k| 1e-5 + 0.0247 * f64::from(k) + 0.00005 * f64::from(k * k % 7)).collect();
        let alpha: Vec<f64> = t.iter().map(|t| 1.0 / (1.0 + 3.0 * t * t)).collect();
        let sigma: Vec<f64> = t.iter().map(|t| 0.02 + 0.9 * t).collect();
        let (mut t, mut alpha, mut sigma) = (t, alpha, sigma);
        t.push(1.1);
        alpha.push(0.2);
        sigma.push(1.2);
        ScheduleTable::new(t, &alpha, &sigma).unwrap()
    }

    fn all() -> Vec<Schedule> {
        [
            ScheduleKind::PAPER,
            ScheduleKind::VpSong { beta_min: 0.1, beta_d: 19.9 },
            ScheduleKind::VpCosine { offset: 0.008 },
            ScheduleKind::Ve { sigma_min: 0.01, sigma_max: 50.0 },
            ScheduleKind::Edm,
            ScheduleKind::Sqrt,
            ScheduleKind::Flow,
            ScheduleKind::Table(table()),
        ]
        .into_iter()
        .map(|kind| Schedule::new(kind, 1e-5, 0.99).unwrap())
        .collect()
    }

    #[test]
    fn identities_moments_solve_their_differential_equations() {
        // dα/dt = −βα and dσ²/dt = −2βσ² + 2D by central differences (error O(h²)).
        for s in all() {
            for t in [0.05, 0.3, 0.7] {
                let h = 1e-5;
                let slope = |f: &dyn Fn(f64) -> f64| (f(t + h) - f(t - h)) / (2.0 * h);
                let d_signal = slope(&|u| s.signal(u));
                let d_var = slope(&|u| s.noise_var(u));
                let (b, d) = (s.drift_rate(t), s.diffusion(t));
                let rhs = -2.0 * b * s.noise_var(t) + 2.0 * d;
                assert!((d_signal + b * s.signal(t)).abs() < 1e-7 * (1.0 + b), "{s:?} at {t}");
                assert!((d_var - rhs).abs() < 1e-7 * (1.0 + rhs.abs()), "{s:?} at {t}: {d_var} {rhs}");
            }
        }
    }

    #[test]
    fn identities_variance_preserving() {
        for s in all() {
            let vp = !matches!(
                s.kind(),
                ScheduleKind::Ve { .. } | ScheduleKind::Edm | ScheduleKind::Flow | ScheduleKind::Table(_)
            );
            for t in [1e-5, 0.2, 0.99] {
                let total = s.signal(t).powi(2) + s.noise_var(t);
                assert_eq!(vp, (total - 1.0).abs() < 1e-14, "{s:?} at {t}: {total}");
            }
        }
    }

    #[test]
    fn identities_log_snr_inverts() {
        for s in all() {
            for t in [1e-5, 1e-3, 0.1, 0.5, 0.9, 0.99] {
                let back = s.time_at_log_snr(s.log_snr(t));
                assert!((back / t - 1.0).abs() < 1e-10, "{s:?}: {t} came back as {back}");
            }
        }
    }

    #[test]
    fn limits_small_times_keep_full_precision() {
        // σ² ≈ 2 β_min t at t → 0, where 1 − α² would lose ten digits.
        let s = Schedule::paper(1e-12).unwrap();
        let t = 1e-10;
        assert!((s.noise_var(t) / (2.0 * 0.1 * t) - 1.0).abs() < 1e-7);
    }

    #[test]
    fn grids_hit_both_ends_and_descend() {
        for s in all() {
            for kind in [TimeGrid::Uniform, TimeGrid::EdmRho { rho: 7.0 }, TimeGrid::LogSnr] {
                let g = s.grid(kind, 17).unwrap();
                assert_eq!((g[0], g[17], g.len()), (s.t_max(), s.t_min(), 18));
                assert!(g.windows(2).all(|w| w[1] < w[0]), "{s:?} {kind:?}");
            }
        }
    }

    #[test]
    fn bad_input_is_refused() {
        let paper = ScheduleKind::PAPER;
        for (lo, hi) in [(0.0, 1.0), (-0.1, 1.0), (1.0, 1.0), (0.5, f64::NAN), (f64::NAN, 1.0)] {
            assert!(Schedule::new(paper, lo, hi).is_err(), "({lo}, {hi})");
        }
        assert!(Schedule::new(ScheduleKind::Flow, 0.1, 1.5).is_err());
        assert!(Schedule::new(ScheduleKind::Ve { sigma_min: 1.0, sigma_max: 0.5 }, 0.1, 1.0).is_err());
        assert!(Schedule::paper(0.1).unwrap().grid(TimeGrid::Uniform, 0).is_err());
        let flow = Schedule::new(ScheduleKind::Flow, 0.1, 1.0).unwrap();
        assert!(flow.grid(TimeGrid::LogSnr, 4).is_err());
    }
}
