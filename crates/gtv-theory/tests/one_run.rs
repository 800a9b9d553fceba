//! One run: the unrolled filter against real optimisers, and the law's limits on models that are linear in their parameters.

use gtv_theory::Law;
use gtv_theory::closure::{Closure, Leading, OneRun as OneRunClosure};
use gtv_theory::features::{AxisBasis, Features, Separable};
use gtv_theory::law::LinearLaw;
use gtv_theory::learner::{
    Anchor, Course, Curvature, Filter, Flow, Learner, LinearModel, OneRun, OneRunSpec, Order, Passes,
    Residuals, Ridge, TrainedModel, Unrolled, UpdateRule,
};
use gtv_theory::problem::TrainingProblem;
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::Streams;
use gtv_theory::{BuiltIn, Objective, Schedule};
use std::f64::consts::PI;
use std::sync::Arc;

/// Steps with a warm-up and a cosine.
fn rates(peak: f64, steps: usize) -> Vec<f64> {
    let warmup = steps / 10;
    let rate = |k: usize| {
        let share = (k.saturating_sub(warmup)) as f64 / (steps - warmup) as f64;
        if k < warmup { (k + 1) as f64 / warmup as f64 } else { 0.5 * (1.0 + (PI * share).cos()) }
    };
    (0..steps).map(|k| peak * rate(k)).collect()
}

/// ω_k of a running average that is short at first.
fn average(steps: usize) -> Vec<f64> {
    (0..steps).map(|k| 0.95f64.min((k + 1) as f64 / (k + 10) as f64)).collect()
}

/// A quadratic loss ½ θᵀAθ − b_k·θ in three parameters, trained as a program would write it: no modes, no metric.
struct Quadratic {
    rule: UpdateRule,
    rates: Vec<f64>,
    average: Option<Vec<f64>>,
    /// v̂ and the layers' factors q of each parameter.
    second: [f64; 3],
    factor: [f64; 3],
    decay: f64,
    penalty: f64,
}

const LOSS: [[f64; 3]; 3] = [[2.0, 0.3, -0.4], [0.3, 1.1, 0.2], [-0.4, 0.2, 0.7]];
const EPSILON: f64 = 1e-3;

impl Quadratic {
    fn train(&self, start: [f64; 3], pull: impl Fn(usize) -> [f64; 3]) -> [f64; 3] {
        let (mut theta, mut mean, mut averaged) = (start, [0.0; 3], start);
        for (k, rate) in self.rates.iter().enumerate() {
            let gradient: [f64; 3] = std::array::from_fn(|i| {
                (0..3).map(|j| LOSS[i][j] * theta[j]).sum::<f64>() + self.penalty * theta[i] - pull(k)[i]
            });
            for i in 0..3 {
                let step = match self.rule {
                    UpdateRule::Descent => gradient[i],
                    UpdateRule::Momentum { share } => {
                        mean[i] = share * mean[i] + gradient[i];
                        mean[i]
                    }
                    UpdateRule::Adam { decay } => {
                        mean[i] = decay * mean[i] + (1.0 - decay) * gradient[i];
                        let unbiased = mean[i] / (1.0 - decay.powi(k as i32 + 1));
                        unbiased / (self.second[i].sqrt() + EPSILON)
                    }
                };
                let rate = rate * self.factor[i];
                theta[i] = theta[i] - rate * self.decay * theta[i] - rate * step;
            }
            if let Some(past) = &self.average {
                averaged = std::array::from_fn(|i| past[k] * averaged[i] + (1.0 - past[k]) * theta[i]);
            }
        }
        if self.average.is_some() { averaged } else { theta }
    }

    /// √M of each parameter.
    fn root(&self) -> [f64; 3] {
        std::array::from_fn(|i| match self.rule {
            UpdateRule::Adam { .. } => (self.factor[i] / (self.second[i].sqrt() + EPSILON)).sqrt(),
            UpdateRule::Descent | UpdateRule::Momentum { .. } => self.factor[i].sqrt(),
        })
    }

    /// The end from the modes of M^½ (A + γ) M^½ and their filters.
    fn unrolled(&self, start: [f64; 3], pull: impl Fn(usize) -> [f64; 3]) -> [f64; 3] {
        let root = self.root();
        let entry = |e: usize| {
            let (i, j) = (e / 3, e % 3);
            root[i] * (LOSS[i][j] + if i == j { self.penalty } else { 0.0 }) * root[j]
        };
        let matrix: Vec<f64> = (0..9).map(entry).collect();
        let (values, modes) = gtv_theory::linalg::symmetric_eigen("a test", &matrix, 3).unwrap();
        let course = Course::new(self.rule, self.rates.clone()).unwrap();
        let course = match &self.average {
            Some(past) => course.averaged(past.clone()).unwrap(),
            None => course,
        };
        let mut end = [0.0; 3];
        for (m, loss) in values.iter().enumerate() {
            let mode: [f64; 3] = std::array::from_fn(|i| modes[i * 3 + m]);
            let decay = (0..3).map(|i| mode[i].powi(2) * self.decay * self.factor[i]).sum();
            let Unrolled { kicks, start: left, .. } =
                course.unroll(Curvature { loss: *loss, decay }).unwrap();
            let along = |v: [f64; 3], power: i32| -> f64 {
                (0..3).map(|i| mode[i] * root[i].powi(power) * v[i]).sum()
            };
            let pulled: f64 = kicks.iter().enumerate().map(|(k, c)| c * along(pull(k), 1)).sum();
            let amount = pulled + left * along(start, -1);
            (0..3).for_each(|i| end[i] += root[i] * mode[i] * amount);
        }
        end
    }
}

/// φ, c_k and ι against the optimiser itself, for every optimiser, schedule and average, from a start and under pulls that change.
#[test]
fn oracle_the_filter_is_the_optimiser_on_a_quadratic() {
    let rules = [
        UpdateRule::Descent,
        UpdateRule::Momentum { share: 0.9 },
        UpdateRule::Adam { decay: 0.9 },
        UpdateRule::Adam { decay: 0.0 },
    ];
    let pull = |k: usize| [0.3, -0.2 + (k as f64 * 0.7).sin(), 0.5];
    for rule in rules {
        for (decay, penalty) in [(0.0, 0.0), (0.2, 0.0), (0.0, 0.3), (0.1, 0.2)] {
            for averaged in [false, true] {
                // Where weight decay differs between parameters of one mode, modes mix: one factor for all.
                let factor = if decay > 0.0 { [0.5; 3] } else { [1.0, 0.25, 0.5] };
                let steps = 120;
                let peak = if matches!(rule, UpdateRule::Adam { .. }) { 0.02 } else { 0.1 };
                let quadratic = Quadratic {
                    rule,
                    rates: rates(peak, steps),
                    average: averaged.then(|| average(steps)),
                    second: [0.04, 0.5, 0.01],
                    factor,
                    decay,
                    penalty,
                };
                let (real, filter) =
                    (quadratic.train([1.0, -2.0, 0.5], pull), quadratic.unrolled([1.0, -2.0, 0.5], pull));
                for (a, b) in real.iter().zip(filter) {
                    assert!(
                        (a - b).abs() < 1e-10,
                        "{rule:?} {decay} {penalty} {averaged}: {real:?} {filter:?}"
                    );
                }
            }
        }
    }
}

/// (1 − ηλ)^K → e^{−λτ}: the filter of gradient descent nears that of gradient flow at first order in the step.
#[test]
fn convergence_descent_becomes_gradient_flow() {
    let (time, loss) = (3.0, 1.7f64);
    let flow = (1.0 - (-loss * time).exp()) / loss;
    let error = |steps: usize| {
        let course = Course::new(UpdateRule::Descent, vec![time / steps as f64; steps]).unwrap();
        (course.unroll(Curvature { loss, decay: 0.0 }).unwrap().end - flow).abs()
    };
    for steps in [50, 100, 200, 400] {
        let ratio = error(steps) / error(2 * steps);
        // 2 to the next order, which is of the size of the step.
        assert!((ratio - 2.0).abs() < 6.0 * time / steps as f64, "{steps}: {ratio}");
    }
}

/// Batches that are the whole set add nothing; with several passes, what each pass sums to is held.
#[test]
fn identities_of_the_batches() {
    let course = Course::new(UpdateRule::Adam { decay: 0.9 }, rates(0.05, 60)).unwrap();
    let modes: Vec<Unrolled> = [0.1, 1.0, 4.0]
        .iter()
        .map(|loss| course.unroll(Curvature { loss: *loss, decay: 0.0 }).unwrap())
        .collect();
    let whole = Passes { batch: 40, samples: 40 }.noise(&modes);
    let scale: f64 = modes[0].kicks.iter().map(|c| c * c).sum::<f64>() / 40.0;
    assert!(whole.iter().all(|v| v.abs() < 1e-14 * scale), "{whole:?}");
    // By sampling: a pass of 4 batches of 2 out of 8 unit-variance pulls that sum to 0.
    let passes = Passes { batch: 2, samples: 8 };
    let noise = passes.noise(&modes);
    let mut rng = Streams::new(3).stream(gtv_theory::rng::Purpose::Batches, 0, 0);
    let pulls: Vec<f64> = (0..8).map(|i| (i as f64 - 3.5) / (63.0f64 / 12.0).sqrt()).collect();
    let (draws, mut moment, mut fourth) = (4000, [0.0; 9], [0.0; 9]);
    for _ in 0..draws {
        let mut ends = [0.0; 3];
        for pass in 0..15 {
            let mut order: Vec<usize> = (0..8).collect();
            rand::seq::SliceRandom::shuffle(&mut order[..], &mut rng);
            for step in 0..4 {
                let k = 4 * pass + step;
                let pull = (pulls[order[2 * step]] + pulls[order[2 * step + 1]]) / 2.0;
                ends.iter_mut().zip(&modes).for_each(|(e, m)| *e += m.kicks[k] * pull);
            }
        }
        for e in 0..9 {
            let product = ends[e / 3] * ends[e % 3];
            moment[e] += product / draws as f64;
            fourth[e] += product * product / draws as f64;
        }
    }
    for e in 0..9 {
        // Σ(x − x̄)²/P = 1 has the sample covariance P/(P − 1) S where the formula has S: 8/7 here.
        let (expected, error) = (8.0 / 7.0 * noise[e], (fourth[e] / draws as f64).sqrt());
        assert!((moment[e] - expected).abs() < 5.0 * error, "{e}: {} {expected} ± {error}", moment[e]);
    }
}

fn problem(samples: usize) -> TrainingProblem {
    let (streams, schedule) = (Streams::new(4), Schedule::paper(0.05).unwrap());
    let cloud = BuiltIn::ThreePoints {}.build(&streams).unwrap();
    TrainingProblem::new(cloud, schedule, Objective::default(), samples, streams).unwrap()
}

fn features() -> Features {
    let axis = |lo, hi| AxisBasis::Gaussian { lo, hi, len: 5 };
    Features::Separable(Separable::uniform(1, axis(-1.5, 1.5), axis(0.05, 1.0)).unwrap())
}

fn quadrature() -> QuadratureSpec {
    QuadratureSpec { times: 40, noise_spacing: 0.1, ..QuadratureSpec::default() }
}

/// E w Var y of a law over places of the training distribution.
fn weighted(problem: &TrainingProblem, law: &dyn gtv_theory::Law) -> f64 {
    let places = problem.probes(9, 600);
    let moments = law.prediction_moments(problem.objective().prediction, &places.x, &places.t);
    moments.variance.iter().zip(&places.t).map(|(v, t)| v * problem.weight(*t)).sum::<f64>() / 600.0
}

/// A linear model: with the filter of ridge regression it is `leading`, within the error of its triples.
#[test]
fn limits_a_linear_model_is_leading_with_ridge() {
    let problem = problem(200);
    let ridge = Ridge::new(&problem, features(), 0.1, &quadrature()).unwrap();
    let leading: LinearLaw = ridge.expansion(Order::First).unwrap();
    let model: Arc<dyn TrainedModel> =
        Arc::new(LinearModel::new(&problem, features(), leading.mean_weights().to_vec()).unwrap());
    let one = |fresh| {
        let anchor = Anchor { model: model.clone(), triples: None };
        let spec = OneRunSpec { residuals: Residuals::Fresh, fresh };
        OneRun::new(&problem, vec![anchor], Filter::Ridge(0.1), spec).unwrap()
    };
    let expected = weighted(&problem, &leading);
    let ratio = |fresh| weighted(&problem, OneRunClosure.law(&one(fresh)).unwrap().as_ref()) / expected;
    let (coarse, fine) = (ratio(10_000), ratio(40_000));
    // The triples' error: the first set is a quarter of the second, so that they differ by √3 times the error of the second.
    assert!((fine - 1.0).abs() < 0.03 && (coarse - 1.0).abs() < 0.06, "{coarse} {fine}");
    // The mean is the model's own, and closures of linear models are refused with the reason.
    let learner = one(2_000);
    let refused = Leading.law(&learner).err().unwrap().to_string();
    assert!(refused.contains("one-run"), "{refused}");
    assert!(learner.load() > 0.0 && learner.load() < ridge.load());
}

/// What ridge regression has learned from a draw, by the normal equations.
fn fitted(problem: &TrainingProblem, ridge: f64, draw: u64) -> LinearModel {
    let triples = problem.draw(draw);
    let (features, labels, count) = (features(), problem.labels(&triples), triples.t.len());
    let f = features.len();
    let mut phi = vec![0.0; count * f];
    features.fill(&triples.x, &triples.t, &mut phi);
    let (mut gram, mut pull) = (vec![0.0; f * f], vec![0.0; f]);
    for ((row, label), t) in phi.chunks_exact(f).zip(labels).zip(&triples.t) {
        let weight = problem.weight(*t) / count as f64;
        for i in 0..f {
            pull[i] += weight * row[i] * label;
            (0..f).for_each(|j| gram[i * f + j] += weight * row[i] * row[j]);
        }
    }
    (0..f).for_each(|i| gram[i * (f + 1)] += ridge);
    gtv_theory::linalg::solve_spd("a test", "", &gram, f, &mut pull).unwrap();
    LinearModel::new(problem, features, pull).unwrap()
}

/// A model that knows its own triples is rid of its own deviation from the mean of all: for ridge regression exactly, so that models of
/// any draws are the same one then.
#[test]
fn identities_a_models_own_deviation_is_undone() {
    const DRAWS: u64 = 8;
    let (samples, gamma) = (1_000, 0.05);
    let problem = problem(samples);
    let places = problem.probes(9, 600);
    // E w |y − y'|² of two fields, from their scores.
    let apart = |a: &dyn gtv_theory::ScoreField, b: &dyn gtv_theory::ScoreField| -> f64 {
        let score = |field: &dyn gtv_theory::ScoreField, x: f64, t: f64| {
            let mut out = [0.0];
            field.score_into(&[x], t, &mut out);
            out[0]
        };
        let square = |(x, t): (&f64, &f64)| {
            problem.schedule().noise_var(*t) * (score(a, *x, *t) - score(b, *x, *t)).powi(2)
        };
        places.x.iter().zip(&places.t).map(square).sum::<f64>() / 600.0
    };
    let (mut fields, mut undone, mut variance, mut load) = (Vec::new(), Vec::new(), 0.0, 0.0);
    for draw in 0..DRAWS {
        let model: Arc<dyn TrainedModel> = Arc::new(fitted(&problem, gamma, draw));
        fields.push(model.field());
        let spec = OneRunSpec { residuals: Residuals::Fresh, fresh: 20_000 };
        let anchor = Anchor { model, triples: Some(Arc::new(problem.draw(draw))) };
        let one = OneRun::new(&problem, vec![anchor], Filter::Ridge(gamma), spec).unwrap();
        let law = one.one_run().unwrap();
        undone.push(law.mean_score());
        variance += weighted(&problem, law.as_ref()) / DRAWS as f64;
        load = one.load();
    }
    let (mut own, mut left) = (0.0, 0.0f64);
    for a in 0..DRAWS as usize {
        for b in 0..a {
            own += apart(fields[a].as_ref(), fields[b].as_ref()) / (DRAWS * (DRAWS - 1)) as f64;
            left = left.max(apart(undone[a].as_ref(), undone[b].as_ref()));
        }
    }
    // Squares of rounding, amplified by the curvature's condition.
    assert!(left < 1e-12 * own, "{left} of {own}");
    // Half of the mean square between two models is the variance that single runs predict: of as many terms as training has learned modes
    // in each of the draws but one; to first order, so within the load.
    let error = (2.0 / ((DRAWS - 1) as f64 * load * samples as f64)).sqrt();
    assert!((own / variance - 1.0).abs() < 4.0 * error + load, "{own} {variance} ± {error}");
    // Where it is not known on what the model was trained, residuals on its own triples and its gap are refused.
    let unknown = |residuals| {
        let anchor = Anchor { model: Arc::new(fitted(&problem, gamma, 0)), triples: None };
        OneRun::new(&problem, vec![anchor], Filter::Ridge(gamma), OneRunSpec { residuals, fresh: 2_000 })
    };
    assert!(unknown(Residuals::Training).err().unwrap().to_string().contains("fresh"));
    assert!(unknown(Residuals::Fresh).unwrap().matched_to_gap().is_err());
}

/// Gradient flow for long: the residual no longer moves, and one run's law is gradient flow's leading order.
#[test]
fn limits_a_linear_model_is_leading_with_gradient_flow() {
    let problem = problem(200);
    let time = 400.0;
    let flow = Flow::new(&problem, features(), time, &quadrature()).unwrap();
    let leading = flow.expansion(Order::First).unwrap();
    // The same function in the features themselves, by regression on the flow's own mean.
    let trained = FlowModel {
        inner: LinearModel::new(&problem, features(), vec![0.0; 25]).unwrap(),
        mean: flow.expansion(Order::Limit).unwrap().mean_score(),
    };
    let anchor = Anchor { model: Arc::new(trained), triples: None };
    let spec = OneRunSpec { residuals: Residuals::Fresh, fresh: 40_000 };
    let steps = 4_000;
    let course = Course::new(UpdateRule::Descent, vec![time / steps as f64; steps]).unwrap();
    let filters = [Filter::Flow(time), Filter::Steps(course, Passes { batch: 200, samples: 200 })];
    let ratios = filters.map(|filter| {
        let one = OneRun::new(&problem, vec![anchor.clone()], filter, spec).unwrap();
        weighted(&problem, one.one_run().unwrap().as_ref()) / weighted(&problem, &leading)
    });
    assert!((ratios[1] / ratios[0] - 1.0).abs() < 0.01, "{ratios:?}");
    assert!((ratios[0] - 1.0).abs() < 0.1, "{ratios:?}");
}

/// A model's directions with another field as its mean.
struct FlowModel {
    inner: LinearModel,
    mean: Arc<dyn gtv_theory::ScoreField>,
}

impl TrainedModel for FlowModel {
    fn field(&self) -> Arc<dyn gtv_theory::ScoreField> {
        self.mean.clone()
    }

    fn directions(&self) -> usize {
        self.inner.directions()
    }

    fn derivatives(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        self.inner.derivatives(x, t)
    }

    fn change(&self, c: &[f64]) -> gtv_theory::learner::Change {
        self.inner.change(c)
    }
}

/// Labels that the model predicts exactly leave nothing to vary.
#[test]
fn limits_without_residuals_there_is_no_variance() {
    let cloud = gtv_theory::PointCloud::new(vec![0.4], 1).unwrap();
    let problem = TrainingProblem::new(
        cloud,
        Schedule::paper(0.05).unwrap(),
        Objective::default(),
        100,
        Streams::new(1),
    )
    .unwrap();
    // The exact score of one datum: every label is the datum.
    let exact = FlowModel {
        inner: LinearModel::new(&problem, features(), vec![0.0; 25]).unwrap(),
        mean: problem.exact().clone(),
    };
    let course = Course::new(UpdateRule::Adam { decay: 0.9 }, rates(0.01, 100)).unwrap();
    for residuals in [Residuals::Fresh, Residuals::Training] {
        let anchor = Anchor {
            model: Arc::new(FlowModel { inner: exact.inner.clone(), mean: exact.mean.clone() }),
            triples: Some(Arc::new(problem.draw(0))),
        };
        let filter = Filter::Steps(course.clone(), Passes { batch: 10, samples: 100 });
        let one = OneRun::new(&problem, vec![anchor], filter, OneRunSpec { residuals, fresh: 500 }).unwrap();
        assert!(weighted(&problem, one.one_run().unwrap().as_ref()) < 1e-20, "{residuals:?}");
    }
}

/// Draws of whole fields have the law's covariance, also of several anchors.
#[test]
fn monte_carlo_draws_have_the_covariance() {
    let problem = problem(100);
    let anchor = |shift: f64| {
        let weights = (0..25).map(|i| shift * (i as f64).sin()).collect();
        Anchor { model: Arc::new(LinearModel::new(&problem, features(), weights).unwrap()), triples: None }
    };
    let spec = OneRunSpec { residuals: Residuals::Fresh, fresh: 2_000 };
    let one = OneRun::new(&problem, vec![anchor(0.1), anchor(0.8)], Filter::Ridge(0.2), spec).unwrap();
    let law = one.one_run().unwrap();
    let (a, b) = (gtv_theory::At { x: &[0.3], t: 0.4 }, gtv_theory::At { x: &[-0.5], t: 0.2 });
    let expected = law.cov(a, b)[0];
    let mut rng = Streams::new(8).stream(gtv_theory::rng::Purpose::TheoryModel, 0, 0);
    let draws = 4_000;
    let mean = law.mean_score();
    let at = |field: &dyn gtv_theory::ScoreField, at: gtv_theory::At<'_>| {
        let mut s = [0.0];
        field.score_into(at.x, at.t, &mut s);
        s[0]
    };
    let products: Vec<f64> = (0..draws)
        .map(|_| {
            let field = law.draw(&mut rng).unwrap();
            (at(field.as_ref(), a) - at(mean.as_ref(), a)) * (at(field.as_ref(), b) - at(mean.as_ref(), b))
        })
        .collect();
    let moment = products.iter().sum::<f64>() / f64::from(draws);
    let square = products.iter().map(|p| p * p).sum::<f64>() / f64::from(draws);
    let error = ((square - moment * moment) / f64::from(draws)).sqrt();
    assert!((moment - expected).abs() < 4.0 * error, "{moment} {expected} ± {error}");
}

/// Steps that the curvature does not bear are refused with the reason.
#[test]
fn limits_unstable_steps_are_refused() {
    let course = Course::new(UpdateRule::Descent, vec![1.0; 5000]).unwrap();
    let refused = course.unroll(Curvature { loss: 3.0, decay: 0.0 }).unwrap_err().to_string();
    assert!(refused.contains("too long") && refused.contains("training.rate"), "{refused}");
    assert!(Course::new(UpdateRule::Descent, Vec::new()).is_err());
    assert!(Course::new(UpdateRule::Momentum { share: 1.0 }, vec![0.1]).is_err());
    assert!(Course::new(UpdateRule::Descent, vec![0.1]).unwrap().averaged(vec![0.1, 0.2]).is_err());
}

/// Steps that are too long are told with the model whose curvature they are too long for.
#[test]
fn limits_an_unstable_model_is_named() {
    let problem = problem(100);
    let anchor = |weight: f64| {
        let model = LinearModel::new(&problem, features(), vec![weight; 25]).unwrap();
        Anchor { model: Arc::new(model), triples: None }
    };
    let course = Course::new(UpdateRule::Descent, vec![1e3; 50]).unwrap();
    let filter = Filter::Steps(course, Passes { batch: 10, samples: 100 });
    let spec = OneRunSpec { residuals: Residuals::Fresh, fresh: 500 };
    let refused = OneRun::new(&problem, vec![anchor(0.1)], filter, spec).err().unwrap();
    assert!(refused.to_string().starts_with("member 0: the optimiser's steps are too long"), "{refused}");
}
