//! The linear estimator's closures against really trained ensembles, in the setting of the paper's Figure 2.

use gtv_models::{DsmSampler, EnsembleOptions, LinearEnsemble, LinearTrainer};
use gtv_theory::estimator::{Closure, LinearSpec, LinearStatistics};
use gtv_theory::features::{AxisBasis, Features, Separable};
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::{LossWeight, PointCloud, Prediction, Schedule};

fn figure2(samples: usize) -> (LinearSpec, Schedule, PointCloud) {
    let schedule = Schedule::paper(0.01).unwrap();
    let space = AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: 16 };
    let time = AxisBasis::Gaussian { lo: 0.01, hi: 1.0, len: 16 };
    let spec = LinearSpec {
        features: Features::Separable(Separable::new(vec![space], time).unwrap()),
        prediction: Prediction::Denoiser,
        weight: LossWeight::NoiseVar,
        ridge: 0.1,
        samples,
        target_mix: 0.0,
    };
    (spec, schedule, PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap())
}

/// (variance ratio, relative error of the mean) of a closure's prediction over ρ.
fn against_ensemble(samples: usize, members: usize, closures: &[Closure]) -> Vec<(f64, f64)> {
    let (spec, schedule, cloud) = figure2(samples);
    let sampler = DsmSampler::new(cloud.clone(), schedule);
    let trainer = LinearTrainer::new(spec.clone(), sampler.clone(), None).unwrap();
    let streams = Streams::new(11);
    let ensemble = LinearEnsemble::train(&trainer, streams, members, EnsembleOptions::default()).unwrap();
    let probes = sampler.draw_from(&mut streams.stream(Purpose::Probe, 0, 0), 4000);
    let mut phi = vec![0.0; 4000 * spec.features.len()];
    spec.features.fill(&probes.x, &probes.t, &mut phi);
    let (mut sum, mut squares) = (vec![0.0; 4000], vec![0.0; 4000]);
    for weights in ensemble.members() {
        for (q, row) in phi.chunks_exact(weights.len()).enumerate() {
            let y: f64 = row.iter().zip(weights).map(|(p, w)| p * w).sum();
            sum[q] += y;
            squares[q] += y * y;
        }
    }
    let n = members as f64;
    let mean: Vec<f64> = sum.iter().map(|s| s / n).collect();
    let variance: Vec<f64> = squares.iter().zip(&mean).map(|(s, m)| (s - n * m * m) / (n - 1.0)).collect();
    let statistics =
        LinearStatistics::new(&spec, &schedule, &cloud, &QuadratureSpec::default(), streams).unwrap();
    closures
        .iter()
        .map(|&closure| {
            let moments = statistics.law(closure).unwrap().prediction_moments(&probes.x, &probes.t);
            let ratio = moments.variance.iter().sum::<f64>() / variance.iter().sum::<f64>();
            let error: f64 = moments.mean.iter().zip(&mean).map(|(a, b)| (a - b).powi(2)).sum();
            (ratio, (error / mean.iter().map(|m| m * m).sum::<f64>()).sqrt())
        })
        .collect()
}

#[test]
fn monte_carlo_closures_predict_the_ensembles_moments() {
    // Bounds of the specification: finite-p's variance within 2, 5, 8 %, its mean within 0.01, 0.03, 0.10;
    // leading is off by about 4, 20 and 50 %, and finite-p must beat it.
    for (samples, variance_bound, mean_bound) in [(4096, 0.02, 0.01), (1024, 0.05, 0.03), (256, 0.08, 0.10)] {
        let got = against_ensemble(samples, 2000, &[Closure::Leading, Closure::FiniteP]);
        println!("P = {samples}: leading {:?}, finite-p {:?}", got[0], got[1]);
        let [(leading, leading_mean), (finite, finite_mean)] = got[..] else { unreachable!() };
        assert!((finite - 1.0).abs() < variance_bound, "P = {samples}: variance ratio {finite}");
        assert!(finite_mean < mean_bound, "P = {samples}: mean error {finite_mean}");
        assert!(leading < finite && leading_mean > finite_mean);
    }
}

#[test]
fn monte_carlo_leading_predicts_the_weights_covariance_at_small_load() {
    // tr Cov Ŵ of 2,000 models at F/P = 1/64, within 5 %: leading order is off by about the load, and the total variance of
    // 2,000 draws by √(2/2000) = 3 % at most (less, since many directions share it).
    let (members, samples) = (2000, 16_384);
    let (spec, schedule, cloud) = figure2(samples);
    let trainer = LinearTrainer::new(spec.clone(), DsmSampler::new(cloud.clone(), schedule), None).unwrap();
    let streams = Streams::new(12);
    let ensemble = LinearEnsemble::train(&trainer, streams, members, EnsembleOptions::default()).unwrap();
    let len = spec.features.len();
    let (mut sum, mut squares) = (vec![0.0; len], vec![0.0; len]);
    for weights in ensemble.members() {
        for ((s, q), w) in sum.iter_mut().zip(&mut squares).zip(weights) {
            *s += w;
            *q += w * w;
        }
    }
    let n = members as f64;
    let total: f64 = sum.iter().zip(&squares).map(|(s, q)| (q - s * s / n) / (n - 1.0)).sum();
    let statistics =
        LinearStatistics::new(&spec, &schedule, &cloud, &QuadratureSpec::default(), streams).unwrap();
    let ratio = statistics.law(Closure::Leading).unwrap().total_weight_variance() / total;
    println!("P = {samples}: tr Cov W, leading over ensemble: {ratio}");
    assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
}
