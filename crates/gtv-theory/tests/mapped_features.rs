//! Features given from outside, the part of a prediction that is not learned, and the ridge that stands for a mean.

use gtv_theory::closure::{CLOSURES, FiniteP, Leading, ShotNoise};
use gtv_theory::features::{AxisBasis, FeatureMap, Features, Separable};
use gtv_theory::law::{LinearField, LinearLaw};
use gtv_theory::learner::{Order, Ridge};
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::{ChaCha8Rng, Purpose, Streams};
use gtv_theory::training::DsmSampler;
use gtv_theory::{
    Closure, Learner, Objective, PointCloud, Preconditioning, Prediction, Result, Schedule, ScoreField,
    TrainingProblem,
};
use std::sync::Arc;

const EDM: Preconditioning = Preconditioning::Edm { data_std: 0.8 };

fn schedule() -> Schedule {
    Schedule::paper(0.05).unwrap()
}

fn cloud() -> PointCloud {
    PointCloud::new(vec![-1.0, 0.2, 1.0], 1).unwrap()
}

fn learner(
    features: Features,
    prediction: Prediction,
    preconditioning: Preconditioning,
    ridge: f64,
) -> Ridge {
    let objective = Objective { prediction, preconditioning, ..Objective::default() };
    let problem = TrainingProblem::new(cloud(), schedule(), objective, 400, Streams::new(1)).unwrap();
    let quadrature = QuadratureSpec { times: 40, noise_spacing: 0.2, ..Default::default() };
    Ridge::new(&problem, features, ridge, &quadrature).unwrap()
}

fn leading(ridge: &Ridge) -> Result<LinearLaw> {
    ridge.expansion(Order::First)
}

fn rng() -> ChaCha8Rng {
    Streams::new(9).stream(Purpose::TheoryModel, 0, 0)
}

/// One draw of the weights from each closure with draws of its own.
const SAMPLES: [fn(&Ridge) -> Vec<f64>; 3] = [
    |ridge| leading(ridge).unwrap().sample_weights(&mut rng()),
    |ridge| FiniteP::of_ridge(ridge).unwrap().sample_weights(&mut rng()),
    |ridge| ShotNoise::of_ridge(ridge).unwrap().sample_weights(&mut rng()),
];

fn probes() -> (Vec<f64>, Vec<f64>) {
    let mut rng = Streams::new(4).stream(Purpose::Probe, 0, 0);
    let triples = DsmSampler::new(cloud(), schedule()).draw_from(&mut rng, 40);
    (triples.x, triples.t)
}

fn gaussian() -> Separable {
    let axis = |lo, len| AxisBasis::Gaussian { lo, hi: 1.5, len };
    Separable::uniform(1, axis(-1.5, 6), axis(0.05, 4)).unwrap()
}

/// The same map behind the trait.
#[derive(Debug)]
struct Opaque(Separable);

impl FeatureMap for Opaque {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn dim(&self) -> usize {
        self.0.dim()
    }
    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        self.0.fill(x, t, out);
    }
}

/// skip_t x, then tanh(x − c) for a few c: a span that holds the part that preconditioning takes out.
#[derive(Debug)]
struct WithSkip(Prediction);

impl FeatureMap for WithSkip {
    fn len(&self) -> usize {
        5
    }
    fn dim(&self) -> usize {
        1
    }
    fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        for ((x, t), row) in x.iter().zip(t).zip(out.chunks_exact_mut(5)) {
            row[0] = EDM.output_coefficients(self.0, &schedule(), *t).0 * x;
            for (k, v) in row[1..].iter_mut().enumerate() {
                *v = (x - 0.5 * (k as f64 - 1.5)).tanh() * (1.0 + k as f64 * t);
            }
        }
    }
}

fn close(a: &[f64], b: &[f64], tolerance: f64, what: &str) {
    let scale = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tolerance * scale, "{what}: {a} {b} at scale {scale}");
    }
}

#[test]
fn identities_a_map_from_outside_is_the_same_model() {
    let mapped: Arc<dyn FeatureMap> = Arc::new(Opaque(gaussian()));
    let of = |features| learner(features, Prediction::Denoiser, Preconditioning::None, 1e-2);
    let (outside, inside) = (of(Features::Mapped(mapped.clone())), of(Features::Separable(gaussian())));
    assert_eq!(**outside.features(), Features::Mapped(mapped));
    let other: Arc<dyn FeatureMap> = Arc::new(Opaque(gaussian()));
    assert_ne!(**outside.features(), Features::Mapped(other));

    let (x, t) = probes();
    for closure in CLOSURES {
        let [got, want] = [&outside, &inside].map(|learner| {
            let law = closure.law(learner).unwrap();
            law.prediction_moments(Prediction::Denoiser, &x, &t)
        });
        // Sum factorisation against dense products: rounding, times the condition of A + γ (1e4) or of the kept part of A.
        let tolerance = if closure.card().name == "paper" { 1e-5 } else { 1e-9 };
        close(&got.mean, &want.mean, tolerance, "mean");
        close(&got.variance, &want.variance, tolerance, "variance");
    }
    let [a, b] = [&outside, &inside].map(|learner| FiniteP.law(learner).unwrap());
    let [mut got, mut want] = [vec![0.0; 700], vec![0.0; 700]];
    let line: Vec<f64> = (0..700).map(|i| -1.75 + 0.005 * i as f64).collect();
    a.mean_score().score_into(&line, 0.3, &mut got);
    b.mean_score().score_into(&line, 0.3, &mut want);
    close(&got, &want, 1e-9, "score over more than one block of rows");
}

#[test]
fn identities_without_ridge_a_skip_that_features_span_changes_nothing() {
    // argmin over W of E w|y − skip x − Wᵀφ|² is that of E w|y − Wᵀφ|² less the unit weight on the feature skip x: the
    // prediction's law is the same, whichever of the two carries skip x.
    let (x, t) = probes();
    for prediction in [Prediction::Denoiser, Prediction::Noise, Prediction::Velocity] {
        let learners = [EDM, Preconditioning::None].map(|preconditioning| {
            let features = Features::Mapped(Arc::new(WithSkip(prediction)));
            learner(features, prediction, preconditioning, 0.0)
        });
        for closure in [&Leading as &dyn Closure, &FiniteP, &ShotNoise] {
            let [with, without] = learners
                .each_ref()
                .map(|learner| closure.law(learner).unwrap().prediction_moments(prediction, &x, &t));
            // Rounding times the condition of A, below 1e6 here; the fixed points stop at 1e-10.
            close(&with.mean, &without.mean, 1e-8, "mean");
            close(&with.variance, &without.variance, 1e-8, "variance");
        }
        for of_ridge in [leading, FiniteP::of_ridge] {
            let [with, without] = learners.each_ref().map(|learner| of_ridge(learner).unwrap());
            let shift = without.mean_weights()[0] - with.mean_weights()[0];
            assert!((shift - 1.0).abs() < 1e-8, "{prediction:?}: {shift}");
        }
        for sample in SAMPLES {
            let [drawn, want] = learners.each_ref().map(|learner| {
                let objective = learner.problem().objective();
                let field =
                    LinearField::new(learner.features().clone(), objective, schedule(), sample(learner));
                let mut values = [vec![0.0; 40], vec![0.0; 40], vec![0.0; 40]];
                field.prediction_into(&x, 0.4, &mut values[0]);
                field.score_into(&x, 0.4, &mut values[1]);
                field.denoiser_into(&x, 0.4, &mut values[2]);
                values.concat()
            });
            // The draws share their noise, but their factors see A through rounding.
            close(&drawn, &want, 1e-6, "drawn field");
        }
    }
}

#[test]
fn identities_the_field_predicts_what_the_law_says() {
    let features = Features::Separable(gaussian());
    for prediction in [Prediction::Score, Prediction::Denoiser, Prediction::Noise, Prediction::Velocity] {
        let law = Leading.law(&learner(features.clone(), prediction, EDM, 1e-2)).unwrap();
        let (x, _) = probes();
        let t = 0.3;
        let mean = law.prediction_moments(prediction, &x, &vec![t; x.len()]).mean;
        let (mut score, mut clean) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        law.mean_score().score_into(&x, t, &mut score);
        law.mean_score().denoiser_into(&x, t, &mut clean);
        let (a, b) = prediction.score_coefficients(&schedule(), t);
        let want: Vec<f64> = mean.iter().zip(&x).map(|(y, x)| a * y + b * x).collect();
        close(&score, &want, 1e-12, "score");
        // Tweedie: m = (x + σ² s)/α.
        let (signal, var) = (schedule().signal(t), schedule().noise_var(t));
        let tweedie: Vec<f64> = want.iter().zip(&x).map(|(s, x)| (x + var * s) / signal).collect();
        close(&clean, &tweedie, 1e-12, "denoiser");
    }
}

#[test]
fn limits_far_from_the_features_the_skip_remains() {
    let law =
        FiniteP.law(&learner(Features::Separable(gaussian()), Prediction::Denoiser, EDM, 1e-2)).unwrap();
    let (far, t) = (50.0, 0.5);
    let skip = EDM.output_coefficients(Prediction::Denoiser, &schedule(), t).0;
    let mut clean = [0.0];
    law.mean_score().denoiser_into(&[far], t, &mut clean);
    assert!((clean[0] - skip * far).abs() < 1e-12 * far, "{} {}", clean[0], skip * far);
}
