//! The distribution that a diffusion model learns on average: data → training problem → learner → closure → fields → samples →
//! distances.
//!
//! Each closure draws 200 fields, which stand for 200 models trained on training sets of their own; the probability flow of each
//! gives 25 samples. All of them together are the average distribution. It is compared with the flow of the exact score, which
//! returns the data.
//!
//! Run with `cargo run --release -p gtv-theory --example average_distribution`.

use gtv_theory::closure::{CLOSURES, Needs};
use gtv_theory::compare::metrics::{Js, W1};
use gtv_theory::compare::{CompareSettings, Level, LevelSamples, MetricName, compare_levels};
use gtv_theory::compare::{mass_within, memorized_fraction};
use gtv_theory::dynamics::{PfOde, Sampling, unobserved};
use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::learner::Ridge;
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::{BuiltIn, Features, Objective, Result, Schedule, ScoreField, TrainingProblem};

const FIELDS: u64 = 200;
const PATHS: usize = 25;

/// Samples of the probability flow of one field.
fn flow(field: &dyn ScoreField, paths: usize, streams: Streams, member: u64) -> Result<Vec<f64>> {
    Ok(PfOde::new(field, &Sampling::default())?.sample(paths, streams, member, &unobserved).x)
}

/// Three points, the paper's forward process, a denoiser, 64 training triples.
pub fn problem() -> Result<TrainingProblem> {
    let (cloud, schedule) = (BuiltIn::ThreePoints {}.build(&Streams::new(0))?, Schedule::paper(0.02)?);
    TrainingProblem::new(cloud, schedule, Objective::default(), 64, Streams::new(1))
}

/// The level of the exact score, then one for each closure.
pub fn levels(problem: &TrainingProblem) -> Result<Vec<LevelSamples>> {
    let space = AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: 8 };
    let time = AxisBasis::Gaussian { lo: 0.02, hi: 1.0, len: 8 };
    let features = Features::Separable(Separable::uniform(1, space, time)?);
    let quadrature = QuadratureSpec { times: 40, noise_spacing: 0.2, ..QuadratureSpec::default() };
    let ridge = Ridge::new(problem, features, 0.1, &quadrature)?;
    let exact = flow(problem.exact().as_ref(), FIELDS as usize * PATHS, problem.streams(), 0)?;
    let mut levels = vec![LevelSamples::new(Level::PfOde, 1, vec![exact])?];
    for closure in CLOSURES.iter().filter(|closure| closure.card().needs != Needs::TrainedModels) {
        let law = closure.law(&ridge)?;
        let streams = problem.streams().named(closure.card().name);
        let fields = (0..FIELDS).map(|member| {
            let mut rng = streams.stream(Purpose::TheoryModel, member, 0);
            let field = law.draw(&mut rng).expect("a law of weights has draws");
            flow(field.as_ref(), PATHS, streams, member)
        });
        let level = Level::Theory(closure.card().name.to_owned());
        levels.push(LevelSamples::new(level, 1, fields.collect::<Result<_>>()?)?);
    }
    Ok(levels)
}

/// Prints W₁ and JS from the exact flow, the share of copies of data, and the mass in the gaps between them.
pub fn main() -> Result<()> {
    let problem = problem()?;
    let levels = levels(&problem)?;
    let pairs: Vec<(usize, usize)> = (1..levels.len()).map(|k| (k, 0)).collect();
    let borrowed: Vec<&LevelSamples> = levels.iter().collect();
    let settings = CompareSettings {
        metrics: vec![MetricName::of(&W1), MetricName::of(&Js)],
        ..CompareSettings::default()
    };
    let distances = compare_levels(&borrowed, &pairs, &settings, problem.streams())?;
    println!("{:<20}{:>8}{:>10}  distance from pf_ode [95 %], floor", "level", "copies", "in gaps");
    for (k, level) in levels.iter().enumerate() {
        let x = level.groups().concat();
        let copies = memorized_fraction(&x, problem.cloud())?;
        let gaps: f64 = mass_within(&x, &[-0.5, 0.5], 1, 0.2)?.iter().sum();
        print!("{:<20}{copies:>8.3}{gaps:>10.3}", level.level().to_string());
        for (metric, found) in distances.iter().filter(|pair| pair.a == k).flat_map(|pair| &pair.distances) {
            let (name, floor) = (metric.card().name, found.floor);
            print!("  {name} {:.3} [{:.3}, {:.3}], {floor:.3}", found.value, found.lo, found.hi);
        }
        println!();
    }
    Ok(())
}
