//! One small family of each kind, on three points of a line.

use gtv_models::device::Backend;
use gtv_models::lazy::InitialFunctions;
use gtv_models::mlp::{KernelName, OneRunSettings, Task, TrainingSpec};
use gtv_models::{Family, LazyFamily, LazyTrainer, LinearFamily, LinearTrainer, Member, MlpFamily};
use gtv_theory::dynamics::Sampling;
use gtv_theory::features::{AxisBasis, Features, Separable};
use gtv_theory::ntk::{Activation, Embedding, MlpSpec, NystromSpec, TimeEmbedding};
use gtv_theory::problem::{Objective, Preconditioning, TrainingProblem};
use gtv_theory::rng::Streams;
use gtv_theory::{PointCloud, Schedule};

fn problem(cloud: PointCloud, preconditioning: Preconditioning) -> TrainingProblem {
    let objective = Objective { preconditioning, ..Objective::default() };
    TrainingProblem::new(cloud, Schedule::paper(0.02).unwrap(), objective, 48, Streams::new(3)).unwrap()
}

fn three_points(preconditioning: Preconditioning) -> TrainingProblem {
    problem(PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap(), preconditioning)
}

const EDM: Preconditioning = Preconditioning::Edm { data_std: 0.8 };

fn embedding(problem: &TrainingProblem, time: TimeEmbedding) -> Embedding {
    let schedule = *problem.schedule();
    Embedding::new(problem.dim(), schedule, EDM, time, 8, 1.0, problem.streams()).unwrap()
}

pub fn linear() -> LinearFamily {
    let axis = |lo, hi| AxisBasis::Gaussian { lo, hi, len: 5 };
    let features = Separable::uniform(1, axis(-1.5, 1.5), axis(0.02, 1.0)).unwrap();
    let problem = three_points(Preconditioning::None);
    LinearFamily::new(LinearTrainer::new(problem, Features::Separable(features), 0.1).unwrap())
}

/// From random initial functions.
pub fn lazy() -> LazyFamily {
    let problem = three_points(EDM);
    let nystrom = NystromSpec { landmarks: 60, most: 40, ..NystromSpec::default() };
    let initial = InitialFunctions::Drawn(nystrom, problem.streams());
    let embedding = embedding(&problem, TimeEmbedding::LogSnr);
    LazyFamily::new(LazyTrainer::new(&MlpSpec::default(), embedding, problem, 20.0, initial).unwrap())
}

/// Networks of two layers of tanh on given data.
pub fn networks(cloud: PointCloud, width: usize, time: TimeEmbedding, centred: bool) -> MlpFamily {
    let problem = problem(cloud, EDM);
    let arch = MlpSpec { width, activation: Activation::Tanh, ..MlpSpec::default() };
    let training =
        TrainingSpec { centred, steps: 40, batch: 16, average: Some(0.9), ..TrainingSpec::default() };
    let task = Task::new(arch, embedding(&problem, time), training, problem).unwrap();
    MlpFamily {
        task,
        device: Backend::Flex,
        kernel: KernelName::Initial,
        one_run: OneRunSettings::default(),
        own_start: true,
        log_every: 10,
        checkpoint: Some(7),
        sampling: Sampling::default(),
    }
}

pub fn mlp() -> MlpFamily {
    networks(PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap(), 8, TimeEmbedding::LogSnr, true)
}

/// One of each.
pub fn all() -> [Box<dyn Family>; 3] {
    [Box::new(linear()), Box::new(lazy()), Box::new(mlp())]
}

/// Members of independent draws.
pub fn members(count: u64) -> Vec<Member> {
    (0..count).map(|i| Member { index: i, data: i, init: i }).collect()
}
