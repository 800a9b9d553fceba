//! Claims about closed-form training: against plain normal equations, between the two systems, about targets.

use gtv_models::{EnsembleOptions, Error, LinearEnsemble, LinearTrainer};
use gtv_theory::features::{AxisBasis, Features, Separable};
use gtv_theory::problem::{Objective, Prediction, TrainingProblem, Triples};
use gtv_theory::rng::Streams;
use gtv_theory::{PointCloud, Schedule, ScoreField};
use std::ops::ControlFlow;

/// The exact denoiser by the plainest possible sum, as an oracle.
struct PlainScore {
    cloud: PointCloud,
    schedule: Schedule,
}

impl ScoreField for PlainScore {
    fn dim(&self) -> usize {
        self.cloud.dim()
    }
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }
    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.denoiser_into(x, t, out);
        let (signal, var) = (self.schedule.signal(t), self.schedule.noise_var(t));
        for (o, x) in out.iter_mut().zip(x) {
            *o = (signal * *o - x) / var;
        }
    }
    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let (signal, var, dim) = (self.schedule.signal(t), self.schedule.noise_var(t), self.dim());
        for (x, o) in x.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
            let log_weight = |m: usize| -> f64 {
                let d2: f64 = self.cloud.point(m).iter().zip(x).map(|(p, x)| (signal * p - x).powi(2)).sum();
                self.cloud.weights()[m].ln() - d2 / (2.0 * var)
            };
            let top = (0..self.cloud.len()).map(log_weight).fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = (0..self.cloud.len()).map(|m| (log_weight(m) - top).exp()).sum();
            o.fill(0.0);
            for m in 0..self.cloud.len() {
                for (o, p) in o.iter_mut().zip(self.cloud.point(m)) {
                    *o += (log_weight(m) - top).exp() / total * p;
                }
            }
        }
    }
}

fn features(dim: usize, space: usize, time: usize, t_min: f64) -> Features {
    Features::Separable(
        Separable::uniform(
            dim,
            AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: space },
            AxisBasis::Gaussian { lo: t_min, hi: 1.0, len: time },
        )
        .unwrap(),
    )
}

/// The paper's training: denoiser, λ = σ², proxy target.
fn paper(cloud: PointCloud, schedule: Schedule, samples: usize) -> TrainingProblem {
    TrainingProblem::new(cloud, schedule, Objective::default(), samples, Streams::new(1)).unwrap()
}

fn three_points(samples: usize) -> TrainingProblem {
    paper(PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap(), Schedule::paper(0.01).unwrap(), samples)
}

fn plane(samples: usize) -> TrainingProblem {
    let cloud =
        PointCloud::with_weights(vec![1.0, 0.0, 0.0, 1.0, -1.0, -0.5], 2, vec![0.5, 0.3, 0.2]).unwrap();
    paper(cloud, Schedule::paper(0.02).unwrap(), samples)
}

/// γ = 0.1.
fn trainer(problem: TrainingProblem, features: Features) -> LinearTrainer {
    LinearTrainer::new(problem, features, 0.1).unwrap()
}

/// Ŵ by the normal equations, term by term, and Gaussian elimination with partial pivoting.
fn plain_fit(trainer: &LinearTrainer, triples: &Triples) -> Vec<f64> {
    let (features, problem) = (trainer.features(), trainer.problem());
    let (rows, dim, count) = (features.len(), features.dim(), triples.len() as f64);
    let (schedule, objective) = (problem.schedule(), problem.objective());
    let truth = PlainScore { cloud: problem.cloud().clone(), schedule: *schedule };
    let width = rows + dim;
    let mut system = vec![0.0; rows * width];
    for (p, &t) in triples.t.iter().enumerate() {
        let (x, x0) = (&triples.x[p * dim..(p + 1) * dim], &triples.x0[p * dim..(p + 1) * dim]);
        let mut phi = vec![1.0; rows];
        features.fill(x, &[t], &mut phi);
        let w = objective.weight.of_target(schedule, objective.prediction, t);
        // The label from the score it must give: s = a y + b x.
        let (a, b) = objective.prediction.score_coefficients(schedule, t);
        let mut exact = vec![0.0; dim];
        truth.score_into(x, t, &mut exact);
        for k in 0..dim {
            let proxy = (schedule.signal(t) * x0[k] - x[k]) / schedule.noise_var(t);
            let mix = objective.target_mix;
            let score = (1.0 - mix) * proxy + mix * exact[k];
            let y = (score - b * x[k]) / a;
            for i in 0..rows {
                system[i * width + rows + k] += w * phi[i] * y / count;
            }
        }
        for i in 0..rows {
            for j in 0..rows {
                system[i * width + j] += w * phi[i] * phi[j] / count;
            }
        }
    }
    for i in 0..rows {
        system[i * width + i] += trainer.ridge();
    }
    for c in 0..rows {
        let pivot = (c..rows)
            .max_by(|&i, &j| system[i * width + c].abs().total_cmp(&system[j * width + c].abs()))
            .unwrap();
        for k in 0..width {
            system.swap(c * width + k, pivot * width + k);
        }
        for i in 0..rows {
            if i != c {
                let f = system[i * width + c] / system[c * width + c];
                for k in c..width {
                    system[i * width + k] -= f * system[c * width + k];
                }
            }
        }
    }
    (0..rows * dim)
        .map(|i| system[i / dim * width + rows + i % dim] / system[i / dim * width + i / dim])
        .collect()
}

fn assert_close(got: &[f64], want: &[f64], relative: f64, what: &str) {
    let scale = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= relative * scale, "{what}: entry {i}: {g} against {w} (scale {scale})");
    }
}

#[test]
fn oracle_both_systems_are_the_plain_normal_equations() {
    // Condition numbers here are below 1e7, so 1e-8 leaves an order over κ·ε.
    for (of, dim) in [(three_points as fn(usize) -> TrainingProblem, 1), (plane, 2)] {
        for prediction in [Prediction::Denoiser, Prediction::Noise, Prediction::Score, Prediction::Velocity] {
            for (samples, target_mix) in [(15, 0.0), (300, 0.0), (70, 0.4)] {
                let objective = Objective { prediction, target_mix, ..Objective::default() };
                let plain = of(samples);
                let (cloud, schedule) = (plain.cloud().clone(), *plain.schedule());
                let problem =
                    TrainingProblem::new(cloud, schedule, objective, samples, plain.streams()).unwrap();
                let trainer = trainer(problem.clone(), features(dim, 5, 4, schedule.t_min()));
                let triples = problem.draw(0);
                let got = trainer.fit(&triples, 0).unwrap();
                let want = plain_fit(&trainer, &triples);
                assert_close(&got, &want, 1e-8, &format!("{prediction:?} P = {samples}"));
            }
        }
    }
}

#[test]
fn oracle_blocks_of_rows_add_up() {
    // More samples than one block of rows, and not a multiple of it.
    let trainer = trainer(three_points(2500), features(1, 4, 3, 0.01));
    let triples = trainer.problem().sampler().draw(Streams::new(2), 0, 2500).unwrap();
    let want = plain_fit(&trainer, &triples);
    assert_close(&trainer.fit(&triples, 0).unwrap(), &want, 1e-9, "blocks");
}

#[test]
fn identities_primal_equals_dual_across_the_switch() {
    // The same training set repeated twice leaves Â and b̂ unchanged, but moves P from below F to above it.
    let trainer = trainer(three_points(200), features(1, 16, 16, 0.01));
    let once = trainer.problem().sampler().draw(Streams::new(3), 0, 200).unwrap();
    let twice = Triples { x0: once.x0.repeat(2), t: once.t.repeat(2), x: once.x.repeat(2) };
    assert!(once.len() < 256 && twice.len() > 256);
    assert_close(&trainer.fit(&twice, 0).unwrap(), &trainer.fit(&once, 0).unwrap(), 1e-8, "primal, dual");
}

#[test]
fn limits_a_single_datum_is_learned_by_the_constant_feature() {
    // M = 1: the denoiser's target is the constant μ, which the constant polynomial represents exactly as γ → 0.
    let cloud = PointCloud::new(vec![0.7, -0.2], 2).unwrap();
    let problem = paper(cloud, Schedule::paper(0.05).unwrap(), 4000);
    let axis = AxisBasis::Legendre { lo: -1.5, hi: 1.5, len: 3 };
    let time = AxisBasis::Legendre { lo: 0.05, hi: 1.0, len: 2 };
    let features = Features::Separable(Separable::uniform(2, axis, time).unwrap());
    let field = LinearTrainer::new(problem, features, 1e-9).unwrap().train(Streams::new(1), 0).unwrap();
    let mut y = [0.0; 4];
    field.denoiser_into(&[0.3, 0.1, -2.0, 5.0], 0.4, &mut y);
    assert_close(&y, &[0.7, -0.2, 0.7, -0.2], 1e-6, "constant");
}

#[test]
fn identities_noiseless_predictions_agree_between_types() {
    // With M = 1 every type's target is an affine function of x at fixed t with smooth coefficients: polynomial
    // features in (x, t) near one time represent each (the coefficients' singularity at t = 0 lies at u = -4, so degree
    // 11 leaves 7.9^-12 ~ 2e-11 times constants), and all types must give the same score.
    let cloud = PointCloud::new(vec![0.5], 1).unwrap();
    let schedule = Schedule::new(gtv_theory::ScheduleKind::PAPER, 0.3, 0.5).unwrap();
    let features = Features::Separable(
        Separable::new(
            vec![AxisBasis::Legendre { lo: -2.0, hi: 2.0, len: 2 }],
            AxisBasis::Legendre { lo: 0.3, hi: 0.5, len: 12 },
        )
        .unwrap(),
    );
    let (x, t) = ([-1.0, 0.2, 1.4], 0.41);
    for prediction in [Prediction::Denoiser, Prediction::Noise, Prediction::Score, Prediction::Velocity] {
        let (objective, streams) = (Objective { prediction, ..Objective::default() }, Streams::new(8));
        let problem = TrainingProblem::new(cloud.clone(), schedule, objective, 400, streams).unwrap();
        let trainer = LinearTrainer::new(problem, features.clone(), 0.0).unwrap();
        let field = trainer.train(streams, 0).unwrap();
        let (mut score, mut clean) = ([0.0; 3], [0.0; 3]);
        field.score_into(&x, t, &mut score);
        field.denoiser_into(&x, t, &mut clean);
        for ((s, m), x) in score.iter().zip(clean).zip(x) {
            let want = (schedule.signal(t) * 0.5 - x) / schedule.noise_var(t);
            assert!((s - want).abs() < 1e-6 && (m - 0.5).abs() < 1e-6, "{prediction:?}: {s} {want} {m}");
        }
    }
}

#[test]
fn monte_carlo_true_score_targets_remove_label_noise() {
    // Same draws, only the label differs: without label noise the spread between members must drop clearly, and
    // both ensembles must agree on the mean (conditional mean of the label is the label's mean at fixed (x, t)).
    let (members, x, t) = (200, [0.5], 0.1);
    let outcome = |target_mix: f64| {
        let problem = three_points(512).with_target_mix(target_mix).unwrap();
        let trainer = trainer(problem, features(1, 8, 8, 0.01));
        let ensemble =
            LinearEnsemble::train(&trainer, Streams::new(5), members, EnsembleOptions::default()).unwrap();
        let y: Vec<f64> = (0..members)
            .map(|i| {
                let mut y = [0.0];
                ensemble.field(i).denoiser_into(&x, t, &mut y);
                y[0]
            })
            .collect();
        let mean = y.iter().sum::<f64>() / members as f64;
        (mean, y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / (members - 1) as f64)
    };
    let ((proxy, proxy_var), (exact, exact_var)) = (outcome(0.0), outcome(1.0));
    assert!(exact_var < 0.5 * proxy_var, "{exact_var} against {proxy_var}");
    let error = ((proxy_var + exact_var) / members as f64).sqrt();
    assert!((proxy - exact).abs() < 4.0 * error, "{proxy} {exact} +- {error}");
}

#[test]
fn identities_results_do_not_depend_on_threads_or_order() {
    let trainer = trainer(three_points(300), features(1, 8, 8, 0.01));
    let run = |threads: usize, members: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            LinearEnsemble::train(&trainer, Streams::new(9), members, EnsembleOptions::default()).unwrap()
        })
    };
    let (one, three) = (run(1, 12), run(3, 12));
    assert_eq!(one.weights(), three.weights());
    assert_eq!(one.members().nth(7).unwrap(), trainer.train(Streams::new(9), 7).unwrap().weights());
    assert_eq!(run(2, 5).weights(), &one.weights()[..one.weights().len() / 12 * 5]);
}

#[test]
fn bad_input_and_singular_systems_are_refused() {
    // What a training problem refuses is in its own tests.
    let problem = three_points(300);
    let build = |features, ridge| LinearTrainer::new(problem.clone(), features, ridge);
    for ridge in [-1.0, f64::NAN] {
        assert!(build(features(1, 16, 16, 0.01), ridge).is_err());
    }
    assert!(problem.clone().with_draws(7).is_err() && problem.clone().with_draws(0).is_err());
    assert!(problem.clone().with_samples(0).is_err() && problem.with_target_mix(1.5).is_err());
    assert!(build(features(2, 3, 3, 0.01), 0.1).is_err());
    // 256 localized features, some with no sample near them: singular without a ridge.
    let error = build(features(1, 16, 16, 0.01), 0.0).unwrap().weights(Streams::new(1), 4).unwrap_err();
    assert!(matches!(error, Error::Singular { member: 4, size: 256, .. }), "{error}");
}

#[test]
fn ensembles_stop_when_asked_and_refuse_what_does_not_fit() {
    let trainer = trainer(three_points(50), features(1, 4, 4, 0.01));
    let stop =
        |done: usize, _: usize| if done >= 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let options = EnsembleOptions { progress: &stop, ..Default::default() };
    let outcome = LinearEnsemble::train(&trainer, Streams::new(1), 50, options);
    assert!(matches!(outcome, Err(Error::Cancelled { done: 3.., total: 50 })));
    let options = EnsembleOptions { memory_limit: 1000, ..Default::default() };
    let outcome = LinearEnsemble::train(&trainer, Streams::new(1), 50, options);
    assert!(matches!(outcome, Err(Error::Theory(gtv_theory::Error::TooLarge { .. }))));
}
