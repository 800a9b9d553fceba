//! Lazily trained models: their limits in time, what they share with networks trained on the same draws, and their parts.

use gtv_models::lazy::{InitialFunctions, IterativeSpec};
use gtv_models::{EnsembleOptions, Error, LazyEnsemble, LazyTrainer, Member, Members};
use gtv_theory::ntk::{Embedding, MlpSpec, NystromSpec, TimeEmbedding};
use gtv_theory::problem::{Objective, Preconditioning, Prediction, TrainingProblem};
use gtv_theory::rng::Streams;
use gtv_theory::{ExactScore, PointCloud, Schedule, ScoreField};
use std::ops::ControlFlow;

const SAMPLES: usize = 40;

fn cloud() -> PointCloud {
    PointCloud::new(vec![-1.0, 0.2, 0.0, -0.6, 1.0, 0.5], 2).unwrap()
}

fn trainer(prediction: Prediction, time: f64, initial: bool) -> LazyTrainer {
    sized(SAMPLES, prediction, time, initial)
}

fn sized(samples: usize, prediction: Prediction, time: f64, initial: bool) -> LazyTrainer {
    let streams = Streams::new(7);
    let schedule = Schedule::paper(0.05).unwrap();
    let preconditioning = Preconditioning::Edm { data_std: 0.7 };
    let embedding =
        Embedding::new(2, schedule, preconditioning, TimeEmbedding::Sinusoidal, 4, 1.0, streams).unwrap();
    let objective = Objective { prediction, preconditioning, ..Objective::default() };
    let problem = TrainingProblem::new(cloud(), schedule, objective, samples, streams).unwrap();
    let initial = if initial {
        InitialFunctions::Drawn(NystromSpec { landmarks: 60, most: 60, ..NystromSpec::default() }, streams)
    } else {
        InitialFunctions::Centred
    };
    LazyTrainer::new(&MlpSpec::default(), embedding, problem, time, initial).unwrap()
}

fn member(index: u64) -> Member {
    Member { index, data: index, init: index }
}

const PLACES: ([f64; 6], [f64; 3]) = ([0.1, 0.4, -1.2, 0.3, 0.8, -0.5], [0.1, 0.4, 0.95]);

fn predictions(trainer: &LazyTrainer, streams: Streams, of: Member) -> Vec<f64> {
    let field = trainer.field(&trainer.train(streams, of).unwrap()).unwrap();
    let mut y = vec![0.0; 6];
    field.predict(&PLACES.0, &PLACES.1, &mut y);
    y
}

#[test]
fn limits_the_start_and_the_end_of_training() {
    let streams = Streams::new(7);
    for prediction in [Prediction::Denoiser, Prediction::Noise, Prediction::Velocity, Prediction::Score] {
        // τ = 0: skip x + f_0.
        for initial in [false, true] {
            let start = trainer(prediction, 0.0, initial);
            let y = predictions(&start, streams, member(3));
            for (k, y) in y.iter().enumerate() {
                let (skip, _) = start.model().output_coefficients(PLACES.1[k / 2]);
                let own = (y - skip * PLACES.0[k]).abs();
                assert!(if initial { own > 1e-6 } else { own < 1e-14 }, "{prediction:?} {initial}: {own}");
            }
            // The initial function is that of the member's own draw.
            assert_eq!(y == predictions(&start, streams, Member { init: 4, ..member(3) }), !initial);
        }
        // τ = ∞: the labels, from any initial function. The kernel's condition, some 1e8 here with its weights, is what is lost.
        for initial in [false, true] {
            let end = trainer(prediction, f64::INFINITY, initial);
            let triples = end.problem().sampler().draw(streams, 3, SAMPLES).unwrap();
            let field = end.field(&end.train(streams, member(3)).unwrap()).unwrap();
            let mut y = vec![0.0; 2 * SAMPLES];
            field.predict(&triples.x, &triples.t, &mut y);
            for (k, y) in y.iter().enumerate() {
                let t = triples.t[k / 2];
                let (c, d) = prediction.target_coefficients(end.model().schedule(), t);
                let label = c * triples.x0[k] + d * triples.x[k];
                assert!((y - label).abs() < 1e-6 * (1.0 + label.abs()), "{prediction:?}: {y} {label}");
            }
        }
    }
}

#[test]
fn oracle_the_flow_is_many_small_steps() {
    // f ← f − h (1/P) K w (f − y) on the training points and the places together: Euler's method, of order 1.
    let (streams, time) = (Streams::new(7), 2.0);
    let trainer = trainer(Prediction::Denoiser, time, true);
    let triples = trainer.problem().sampler().draw(streams, 3, SAMPLES).unwrap();
    let model = trainer.model();
    let x: Vec<f64> = triples.x.iter().chain(&PLACES.0).copied().collect();
    let t: Vec<f64> = triples.t.iter().chain(&PLACES.1).copied().collect();
    let inputs = model.inputs(&x, &t);
    let kernel = model.network().symmetric(&inputs).unwrap().ntk;
    let n = t.len();
    let out = |k: usize| model.output_coefficients(t[k]).1;
    // The start is the trained model at time 0.
    let mut start = vec![0.0; 2 * n];
    let at_start = trainer.train_for(streams, member(3), &[0.0]).unwrap().swap_remove(0);
    trainer.field(&at_start).unwrap().predict(&x, &t, &mut start);
    let want = predictions(&trainer, streams, member(3));
    let euler = |steps: usize| {
        let (mut f, h) = (start.clone(), time / steps as f64);
        for _ in 0..steps {
            let pull: Vec<f64> = (0..2 * SAMPLES)
                .map(|k| model.target_weight(t[k / 2]) * (f[k] - triples.x0[k]) * out(k / 2))
                .collect();
            for (k, f) in f.iter_mut().enumerate() {
                let row = &kernel[(k / 2) * n..][..SAMPLES];
                let sum: f64 = row.iter().enumerate().map(|(m, theta)| theta * pull[2 * m + k % 2]).sum();
                *f -= h * out(k / 2) * sum / SAMPLES as f64;
            }
        }
        let own = &f[2 * SAMPLES..];
        own.iter().zip(&want).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    let (coarse, fine) = (euler(4000), euler(8000));
    let order = (coarse / fine).log2();
    assert!((order - 1.0).abs() < 0.1, "order {order}: {coarse} {fine}");
}

#[test]
fn identities_members_are_their_draws() {
    let streams = Streams::new(7);
    let trainer = trainer(Prediction::Denoiser, 5.0, true);
    let made = trainer.train(streams, member(2)).unwrap();
    // The triples are those of any model of this seed and draw.
    let triples = trainer.problem().sampler().draw(streams, 2, SAMPLES).unwrap();
    assert_eq!((&*made.x, &*made.t), (&triples.x, &triples.t));
    let other_start = trainer.train(streams, Member { init: 9, ..member(2) }).unwrap();
    assert_eq!(other_start.x, made.x);
    assert_ne!(other_start.initial, made.initial);
    assert_eq!(trainer.train(streams, Member { index: 50, ..member(2) }).unwrap(), made);
    // A centred model does not care.
    let centred = self::trainer(Prediction::Denoiser, 5.0, false);
    let a = centred.train(streams, member(2)).unwrap();
    assert_eq!(a, centred.train(streams, Member { init: 9, ..member(2) }).unwrap());
    assert!(a.initial.is_empty());
}

#[test]
fn identities_ensembles_are_their_members() {
    let streams = Streams::new(7);
    let trainer = trainer(Prediction::Noise, 5.0, true);
    let members: Vec<Member> = (0..4).map(member).collect();
    let times = [0.5, 5.0];
    let both =
        LazyEnsemble::train_for(&trainer, streams, &members, &times, EnsembleOptions::default()).unwrap();
    let one = LazyEnsemble::train(&trainer, streams, &members, EnsembleOptions::default()).unwrap();
    assert_eq!(both[1].members(), one.members());
    let y = one.predictions(&PLACES.0, &PLACES.1);
    for (k, y) in y.chunks_exact(6).enumerate() {
        assert_eq!(y, predictions(&trainer, streams, member(k as u64)));
        assert_eq!(one.members()[k], trainer.train(streams, member(k as u64)).unwrap());
        // The score field is the prediction in another form.
        let field = one.field(k);
        let (mut score, mut denoiser) = ([0.0; 2], [0.0; 2]);
        field.score_into(&PLACES.0[..2], PLACES.1[0], &mut score);
        field.denoiser_into(&PLACES.0[..2], PLACES.1[0], &mut denoiser);
        let (alpha, var) = (field.schedule().signal(PLACES.1[0]), field.schedule().noise_var(PLACES.1[0]));
        for i in 0..2 {
            assert!((score[i] + y[i] / var.sqrt()).abs() < 1e-10 * (1.0 + score[i].abs()));
            assert!((score[i] - (alpha * denoiser[i] - PLACES.0[i]) / var).abs() < 1e-9);
        }
    }
    // Saved and loaded.
    let again = LazyEnsemble::from_members(&trainer, one.members().to_vec()).unwrap();
    assert_eq!(again.predictions(&PLACES.0, &PLACES.1), y);
    // One thread gives the same bits.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let alone = pool.install(|| {
        let alone = LazyEnsemble::train(&trainer, streams, &members, EnsembleOptions::default()).unwrap();
        alone.predictions(&PLACES.0, &PLACES.1)
    });
    assert_eq!(alone, y);
}

#[test]
fn limits_training_on_the_true_score_needs_no_labels() {
    // η = 1: the label is the posterior mean, which the end of training reproduces at the training points.
    let streams = Streams::new(7);
    let plain = trainer(Prediction::Denoiser, f64::INFINITY, false);
    let schedule = *plain.problem().schedule();
    let mixed = plain.on(plain.problem().with_target_mix(1.0).unwrap());
    let made = mixed.train(streams, member(1)).unwrap();
    let mut y = vec![0.0; 2 * SAMPLES];
    mixed.field(&made).unwrap().predict(&made.x, &made.t, &mut y);
    let exact = ExactScore::new(cloud(), schedule);
    for (k, (y, x)) in y.chunks_exact(2).zip(made.x.chunks_exact(2)).enumerate() {
        let mut mean = [0.0; 2];
        exact.denoiser_into(x, made.t[k], &mut mean);
        assert!((y[0] - mean[0]).abs() + (y[1] - mean[1]).abs() < 1e-6, "{y:?} {mean:?}");
    }
}

#[test]
fn limits_bad_input_is_refused() {
    let streams = Streams::new(7);
    let good = trainer(Prediction::Denoiser, 5.0, true);
    let members: Vec<Member> = (0..3).map(member).collect();
    let train = |members: &[Member], options| LazyEnsemble::train(&good, streams, members, options);
    assert!(train(&[], EnsembleOptions::default()).is_err());
    let small = EnsembleOptions { memory_limit: 1000, ..EnsembleOptions::default() };
    assert!(train(&members, small).is_err());
    let stop = EnsembleOptions { progress: &|_, _| ControlFlow::Break(()), ..EnsembleOptions::default() };
    assert!(matches!(train(&members, stop), Err(Error::Cancelled { .. })));
    for time in [-1.0, f64::NAN] {
        assert!(good.train_for(streams, member(0), &[time]).is_err());
    }
    let mut broken = good.train(streams, member(0)).unwrap();
    broken.coefficients.pop();
    assert!(LazyEnsemble::from_members(&good, vec![broken]).is_err());
    // What a training problem refuses is in its own tests.
    let problem = good.problem();
    assert!(problem.clone().with_samples(0).is_err() && problem.clone().with_draws(7).is_err());
    assert!(problem.with_target_mix(2.0).is_err());
    let build = |embedding: Embedding, problem: &TrainingProblem, time| {
        LazyTrainer::new(&MlpSpec::default(), embedding, problem.clone(), time, InitialFunctions::Centred)
    };
    let embedding = |dim, preconditioning| {
        let (schedule, kind) = (*problem.schedule(), TimeEmbedding::Sinusoidal);
        Embedding::new(dim, schedule, preconditioning, kind, 4, 1.0, streams).unwrap()
    };
    let edm = problem.objective().preconditioning;
    assert!(build(embedding(2, edm), problem, 5.0).is_ok());
    assert!(build(embedding(2, edm), problem, -1.0).is_err());
    assert!(build(embedding(1, edm), problem, 5.0).is_err());
    // Labels are of the problem's preconditioning, outputs of the embedding's.
    assert!(build(embedding(2, Preconditioning::None), problem, 5.0).is_err());
}

#[test]
fn identities_large_training_sets_are_trained_by_iteration() {
    let (streams, times) = (Streams::new(7), [0.0, 0.5, 50.0]);
    // More rows than are multiplied at a time, the last block not full.
    let samples = 600;
    let large = |spec| sized(samples, Prediction::Denoiser, 5.0, true).with_iterative(spec);
    let iterative = |held| large(IterativeSpec { beyond: 0, held, ..IterativeSpec::default() });
    let dense = large(IterativeSpec::default());
    assert!(iterative(0).is_iterative() && iterative(0).side_by_side() == 1 && !dense.is_iterative());
    let want = dense.train_for(streams, member(3), &times).unwrap();
    let held = iterative(1 << 30).train_for(streams, member(3), &times).unwrap();
    // Whether the kernel is kept or made again for each product does not matter.
    assert_eq!(held, iterative(0).train_for(streams, member(3), &times).unwrap());
    let triples = dense.problem().sampler().draw(streams, 3, samples).unwrap();
    let root = |k: usize| dense.model().target_weight(triples.t[k / 2]).sqrt();
    let predict = |member| {
        let mut y = vec![0.0; 2 * samples];
        dense.field(member).unwrap().predict(&triples.x, &triples.t, &mut y);
        y
    };
    let start = predict(&want[0]);
    for ((want, got), time) in want.iter().zip(&held).zip(times) {
        assert_eq!((&want.x, &want.initial), (&got.x, &got.initial));
        let (want, got) = (predict(want), predict(got));
        // √w y is right to 1e-8 of √w times what there is to learn, in each output.
        for d in 0..2 {
            let column = || (d..2 * samples).step_by(2);
            let apart: f64 = column().map(|k| (root(k) * (want[k] - got[k])).powi(2)).sum();
            let size: f64 = column().map(|k| (root(k) * (triples.x0[k] - start[k])).powi(2)).sum();
            assert!(apart.sqrt() < 1e-8 * size.sqrt(), "τ = {time}: {} of {}", apart.sqrt(), size.sqrt());
        }
    }
    let plain = trainer(Prediction::Denoiser, 5.0, true);
    let want = plain.train_for(streams, member(3), &times).unwrap();
    // Tried first and given up: one product to sixteen samples is two here, so the decomposition's own numbers come out.
    let tried = IterativeSpec { from: 0, ..IterativeSpec::default() };
    let tried = plain.clone().with_iterative(tried);
    assert!(!tried.is_iterative());
    assert_eq!(tried.train_for(streams, member(3), &times[1..]).unwrap(), want[1..]);
    let small = plain.with_iterative(IterativeSpec { beyond: 0, ..IterativeSpec::default() });
    let stopped = small.train_until(streams, member(0), &[5.0], &|| true);
    assert!(matches!(stopped, Err(Error::Interrupted)));
    let ensemble = LazyEnsemble::train(&small, streams, &[member(3), member(4)], EnsembleOptions::default());
    assert_eq!(ensemble.unwrap().len(), 2);
}
