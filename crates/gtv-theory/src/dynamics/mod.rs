//! Integrators of the reverse process: from x_T ~ N(0, σ_T² I) down to t = ε.
//!
//! [`PfOde`] and [`ReverseSde`] sample any [`ScoreField`](crate::score::ScoreField), [`PathWise`] the effective dynamics of any
//! [`Law`](crate::law::Law); all share one settings struct, [`Sampling`], and one parallel driver, [`run_paths`].

mod adaptive;
mod conditioning;
mod driver;
mod effective;
mod flow;
mod fokker_planck;
mod ito;
mod likelihood;
mod lookup;
mod path_wise;
mod pf_ode;
mod reverse_sde;
mod sampling;
mod semiclassics;
mod small_noise;
mod steppers;
#[cfg(test)]
mod tests;

pub use adaptive::{Adaptive, AdaptiveRun, Stop};
pub use driver::{CHUNK, Progress, Samples, Tally, run_paths, unobserved};
pub use effective::{NaiveNoise, NaivePaths, NaiveSde};
pub use fokker_planck::{Density1d, FokkerPlanck};
pub use ito::{
    DiagonalNoise, EulerMaruyama, ItoSde, ItoStepper, ItoWorkspace, Milstein, WeakOrderTwo, draw_increments,
};
pub use likelihood::{Divergence, Likelihood, LogLikelihood, MOST_EXACT, bits_per_dimension, log_mean_exp};
pub use lookup::{Lookup, LookupGrid};
pub use path_wise::PathWise;
pub use pf_ode::{PfOde, PfWorkspace};
pub use reverse_sde::ReverseSde;
pub use sampling::{Form, Integrator, Sampling};
pub use semiclassics::SmallNoise1d;
pub use small_noise::{LinearNoise, NoisePath};
pub use steppers::{DOPRI5, EULER, HEUN, Ode, RK4, Stages, Tableau};
