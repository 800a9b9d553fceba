//! The V-kernel of a feature set: V(z, z') = D_t Cov[ŝ(z), ŝ(z')] D_t', z = (x, t), by closure.
//!
//! Ridge regression on 10 × 10 Gaussian features is trained on 256 noised copies of the points −1, 0 and 1. The first table is
//! V(x, t; x, t) at t = 0.2: label noise makes it large where a noised point may come from more than one datum. The second is the
//! correlation of the noise at two times, which white noise would not have.
//!
//! Run with `cargo run --release -p gtv-theory --example v_kernel`.

use gtv_theory::closure::{CLOSURES, Needs};
use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::learner::Ridge;
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::Streams;
use gtv_theory::{At, Features, Law, Objective, PointCloud, Result, Schedule, TrainingProblem};

/// V(z, z') of a law in one dimension.
pub fn v_kernel(law: &dyn Law, schedule: &Schedule, z: At<'_>, other: At<'_>) -> f64 {
    schedule.diffusion(z.t) * law.cov(z, other)[0] * schedule.diffusion(other.t)
}

/// A law with its closure's name.
type Named = (&'static str, Box<dyn Law>);

/// The law of each closure, and the forward process.
pub fn laws() -> Result<(Vec<Named>, Schedule)> {
    let schedule = Schedule::paper(0.02)?;
    let cloud = PointCloud::new(vec![-1.0, 0.0, 1.0], 1)?;
    let problem = TrainingProblem::new(cloud, schedule, Objective::default(), 256, Streams::new(1))?;
    let space = AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: 10 };
    let time = AxisBasis::Gaussian { lo: 0.02, hi: 1.0, len: 10 };
    let features = Features::Separable(Separable::uniform(1, space, time)?);
    let quadrature = QuadratureSpec { times: 40, noise_spacing: 0.2, ..QuadratureSpec::default() };
    let ridge = Ridge::new(&problem, features, 0.1, &quadrature)?;
    // Shot noise has the covariance of finite-p.
    let own = CLOSURES.iter().filter(|closure| {
        let card = closure.card();
        card.covariance_of.is_none() && card.needs != Needs::TrainedModels
    });
    let laws = own.map(|closure| Ok((closure.card().name, closure.law(&ridge)?))).collect::<Result<_>>()?;
    Ok((laws, schedule))
}

/// Prints both tables.
pub fn main() -> Result<()> {
    let (laws, schedule) = laws()?;
    let head = || laws.iter().for_each(|(label, _)| print!("{label:>15}"));
    print!("V(x, t; x, t) at t = 0.2\n{:>6}", "x");
    head();
    for k in -6..=6 {
        let x = [0.25 * f64::from(k)];
        let z = At { x: &x, t: 0.2 };
        print!("\n{:>6.2}", x[0]);
        laws.iter().for_each(|(_, law)| print!("{:>15.4}", v_kernel(law.as_ref(), &schedule, z, z)));
    }
    print!("\n\ncorrelation with t = 0.2 at x = 0.5\n{:>6}", "t");
    head();
    let here = At { x: &[0.5], t: 0.2 };
    for t in [0.05, 0.1, 0.2, 0.3, 0.5, 0.8] {
        let there = At { x: &[0.5], t };
        print!("\n{t:>6.2}");
        for (_, law) in &laws {
            let v = |z, other| v_kernel(law.as_ref(), &schedule, z, other);
            print!("{:>15.4}", v(here, there) / (v(here, here) * v(there, there)).sqrt());
        }
    }
    println!();
    Ok(())
}
