//! Settings of sampling: which method, how many steps, on which grid, in which coordinates.

use super::steppers::{DOPRI5, EULER, HEUN, RK4, Tableau};
use crate::error::{Error, Result, check_finite, check_len};
use crate::schedule::{Schedule, TimeGrid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The integration method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Integrator {
    /// Order 1, one score evaluation a step (the paper's).
    #[default]
    Euler,
    /// Order 2, two evaluations a step.
    Heun,
    /// Order 4, four evaluations a step.
    Rk4,
    /// Order 5 with steps chosen by `rtol` and `atol`, path by path.
    Dopri5,
}

impl Integrator {
    /// The method's coefficients.
    pub fn tableau(self) -> &'static Tableau {
        match self {
            Self::Euler => &EULER,
            Self::Heun => &HEUN,
            Self::Rk4 => &RK4,
            Self::Dopri5 => &DOPRI5,
        }
    }
}

/// The coordinates in which the reverse process is stepped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// x against t: dx/dt = −βx − D s (the paper's). Steps must resolve the score's growth as t → 0.
    #[default]
    Time,
    /// y = x/σ against θ = α/σ: dy/dθ = m(x, t), exact whenever m is constant; Euler's method is DDIM.
    /// Well-conditioned down to t → 0 and from α = 0.
    Denoiser,
}

/// How paths are integrated from T down to ε.
///
/// ```
/// use gtv_theory::dynamics::{Form, Integrator, Sampling};
/// let accurate = Sampling { integrator: Integrator::Dopri5, form: Form::Denoiser, ..Sampling::default() };
/// assert_eq!(accurate.steps, 30);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sampling {
    /// The integration method.
    pub integrator: Integrator,
    /// Number of steps; with `dopri5` only the size of the first step follows from it.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// How step times are spread between T and ε.
    #[serde(flatten)]
    pub grid: TimeGrid,
    /// The coordinates that are stepped.
    pub form: Form,
    /// Relative tolerance of a step.
    #[schemars(extend("when" = {"integrator": ["dopri5"]}, "exclusiveMinimum" = 0.0))]
    pub rtol: f64,
    /// Absolute tolerance of a step, in units of x.
    #[schemars(extend("when" = {"integrator": ["dopri5"]}, "exclusiveMinimum" = 0.0, "unit" = "x"))]
    pub atol: f64,
    /// Steps after which a path is given up.
    #[schemars(range(min = 1), extend("when" = {"integrator": ["dopri5"]}))]
    pub max_steps: usize,
}

impl Default for Sampling {
    /// The paper's: 30 Euler steps, uniform in t.
    fn default() -> Self {
        Self {
            integrator: Integrator::Euler,
            steps: 30,
            grid: TimeGrid::Uniform,
            form: Form::Time,
            rtol: 1e-6,
            atol: 1e-8,
            max_steps: 10_000,
        }
    }
}

impl Sampling {
    /// The rate above which a drift counts as infinite: cos(π/2) rounds to 6e-17, not 0.
    const LARGEST_RATE: f64 = 1e12;

    /// Checks the settings against a schedule and returns the step times, from T down to ε.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a tolerance or a cap that is not positive; [`Error::Unsupported`] when the time form
    /// would start where β is infinite; the errors of [`Schedule::grid`].
    pub fn times(&self, schedule: &Schedule) -> Result<Vec<f64>> {
        for (name, value) in [("rtol", self.rtol), ("atol", self.atol)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::OutOfRange { name, value, expected: "a finite number above 0" });
            }
        }
        if self.max_steps == 0 {
            return Err(Error::OutOfRange { name: "max_steps", value: 0.0, expected: "at least 1" });
        }
        let rate = schedule.drift_rate(schedule.t_max());
        if self.form == Form::Time && rate >= Self::LARGEST_RATE {
            return Err(Error::Unsupported {
                what: "the time form of sampling from a time with no signal left",
                reason: "its drift is infinite at t_max",
                advice: "use form = \"denoiser\" or a smaller t_max",
            });
        }
        schedule.grid(self.grid, self.steps)
    }

    /// [`Sampling::times`] for a stochastic equation, whose noise only Euler's steps are made for.
    ///
    /// # Errors
    /// As [`Sampling::times`]; [`Error::Unsupported`] for an integrator other than Euler's.
    pub fn euler_times(&self, schedule: &Schedule) -> Result<Vec<f64>> {
        if self.integrator != Integrator::Euler {
            return Err(Error::Unsupported {
                what: "an ODE integrator for a stochastic equation",
                reason: "its noise limits it to Euler-Maruyama steps",
                advice: "use integrator = \"euler\"",
            });
        }
        self.times(schedule)
    }
}

/// α_T times the mean around which paths start.
pub(super) fn start_centre(schedule: &Schedule, dim: usize, mean: &[f64]) -> Result<Vec<f64>> {
    check_len("the starting mean", dim, mean.len())?;
    check_finite("the starting mean", mean, dim)?;
    let signal = schedule.signal(schedule.t_max());
    Ok(mean.iter().map(|m| signal * m).collect())
}
