//! The same seed on every backend of this build: the same draws, and losses that agree to single precision.
//!
//! GPU backends are tested where the machine has a driver, a software one included; with `GTV_REQUIRE_GPU=1` a missing
//! driver fails the test instead of leaving it out.

use gtv_models::Member;
use gtv_models::device::{Availability, Backend};
use gtv_models::mlp::{Engine, Optimizer, RateSchedule, Task, TensorEngine, Trainer, TrainingSpec};
use gtv_theory::ntk::{Activation, Embedding, MlpSpec, TimeEmbedding};
use gtv_theory::rng::Streams;
use gtv_theory::{BuiltIn, Objective, Preconditioning, Schedule, TrainingProblem};

const MEMBERS: u64 = 3;

fn task(activation: Activation, optimizer: Optimizer) -> Task {
    let streams = Streams::new(4);
    let schedule = Schedule::paper(0.01).unwrap();
    let preconditioning = Preconditioning::Edm { data_std: 0.7 };
    let embedding =
        Embedding::new(2, schedule, preconditioning, TimeEmbedding::Sinusoidal, 4, 1.0, streams).unwrap();
    let arch = MlpSpec { depth: 2, width: 48, activation, ..MlpSpec::default() };
    let rate = if optimizer == Optimizer::Adam { 1e-3 } else { 0.05 };
    let training = TrainingSpec {
        optimizer,
        rate,
        rate_schedule: RateSchedule::Constant,
        warmup: 0,
        batch: 64,
        average: Some(0.9),
        clip: Some(0.5),
        centred: true,
        ..TrainingSpec::default()
    };
    let cloud = BuiltIn::Square { angle: 0.0 }.build(&streams).unwrap();
    let objective = Objective { preconditioning, ..Objective::default() };
    let problem = TrainingProblem::new(cloud, schedule, objective, 256, streams).unwrap();
    Task::new(arch, embedding, training, problem).unwrap()
}

fn members() -> Vec<Member> {
    (0..MEMBERS).map(|i| Member { index: i, data: i, init: i }).collect()
}

/// Losses of every member over some steps.
fn losses(task: &Task, engine: Box<dyn Engine>, steps: usize) -> Vec<f64> {
    let mut trainer = Trainer::with_engine(task, Streams::new(4), &members(), engine).unwrap();
    (0..steps).flat_map(|_| trainer.step().unwrap().loss).collect()
}

fn engine(task: &Task, backend: Backend) -> Box<dyn Engine> {
    let initial = Trainer::initial_weights(task, Streams::new(4), &members());
    Box::new(TensorEngine::new(task, &initial, &backend.open().unwrap()).unwrap())
}

/// The backends besides flex that this build has and this machine can run.
fn others() -> Vec<Backend> {
    let candidates = [Backend::Ndarray, Backend::Wgpu, Backend::Cuda].into_iter().filter(|b| b.compiled());
    let usable = |backend: &Backend| match backend.availability() {
        Availability::Ready(_) => true,
        Availability::NoDevice(reason) => {
            assert!(std::env::var_os("GTV_REQUIRE_GPU").is_none(), "{}: {reason}", backend.name());
            eprintln!("{} is left out: {reason}", backend.name());
            false
        }
        Availability::NotCompiled => false,
    };
    candidates.filter(usable).collect()
}

/// Largest relative difference of two lists of losses.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| ((a - b) / a).abs()).fold(0.0, f64::max)
}

#[test]
fn identities_backends_agree_to_single_precision() {
    // A loss is a sum of 128 squares of numbers behind two products of 48 terms. Roundings add up as √terms · 2⁻²⁴ in
    // each: some 1e-6 at the first step. Steps at a small rate do not enlarge it by more than their number.
    let steps = 8;
    let tolerance = 2e-6 * steps as f64;
    for activation in [Activation::Relu, Activation::Silu, Activation::Tanh, Activation::Erf] {
        let task = task(activation, Optimizer::Sgd);
        let flex = losses(&task, engine(&task, Backend::Flex), steps);
        let moved = (flex[0] - flex[flex.len() - MEMBERS as usize]).abs() / flex[0];
        assert!(moved > 10.0 * tolerance, "training moves the losses: {moved}");
        for backend in others() {
            let there = losses(&task, engine(&task, backend), steps);
            let apart = apart(&flex, &there);
            assert!(apart < tolerance, "{} {activation:?}: {apart:.1e}", backend.name());
        }
    }
}

#[test]
fn identities_adam_agrees_where_gradients_are_not_rounding() {
    // Adam divides by the gradient's size, which turns the rounding of a vanishing gradient into a step of the full rate:
    // a few of the parameters differ by 1e-3 · 2, the losses by their mean effect. The first step is free of that.
    let task = task(Activation::Silu, Optimizer::Adam);
    let flex = losses(&task, engine(&task, Backend::Flex), 4);
    for backend in others() {
        let there = losses(&task, engine(&task, backend), 4);
        let first = MEMBERS as usize;
        assert!(apart(&flex[..first], &there[..first]) < 2e-6, "{}", backend.name());
        assert!(apart(&flex, &there) < 1e-4, "{}", backend.name());
    }
}
