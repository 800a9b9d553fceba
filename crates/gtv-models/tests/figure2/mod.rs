//! The setting of the paper's Figure 2 at ε = 0.01: three points, 16 × 16 Gaussian features, the denoiser, ridge 0.1.

use gtv_models::LinearTrainer;
use gtv_theory::features::{AxisBasis, Features, Separable};
use gtv_theory::learner::Ridge;
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::Streams;
use gtv_theory::{Objective, PointCloud, Schedule, TrainingProblem};

/// The models of `samples` triples.
pub fn figure2(samples: usize, streams: Streams) -> LinearTrainer {
    let (cloud, schedule) =
        (PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap(), Schedule::paper(0.01).unwrap());
    let problem = TrainingProblem::new(cloud, schedule, Objective::default(), samples, streams).unwrap();
    let axis = |lo, hi| AxisBasis::Gaussian { lo, hi, len: 16 };
    let features = Separable::new(vec![axis(-1.5, 1.5)], axis(0.01, 1.0)).unwrap();
    LinearTrainer::new(problem, Features::Separable(features), 0.1).unwrap()
}

/// What stands for them in the theory.
pub fn learner(trainer: &LinearTrainer) -> Ridge {
    let features = Features::clone(trainer.features());
    Ridge::new(trainer.problem(), features, trainer.ridge(), &QuadratureSpec::default()).unwrap()
}
