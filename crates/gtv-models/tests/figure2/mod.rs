//! The setting of the paper's Figure 2 at ε = 0.01: three points, 16 × 16 Gaussian features, the denoiser, ridge 0.1.

use gtv_theory::estimator::LinearSpec;
use gtv_theory::features::{AxisBasis, Features, Separable};
use gtv_theory::{LossWeight, PointCloud, Preconditioning, Prediction, Schedule};

/// The models of `samples` triples, `draws` of them to a data point, trained on the given mix of targets.
pub fn figure2(samples: usize, draws: usize, target_mix: f64) -> (LinearSpec, Schedule, PointCloud) {
    let schedule = Schedule::paper(0.01).unwrap();
    let space = AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: 16 };
    let time = AxisBasis::Gaussian { lo: 0.01, hi: 1.0, len: 16 };
    let spec = LinearSpec {
        features: Features::Separable(Separable::new(vec![space], time).unwrap()),
        prediction: Prediction::Denoiser,
        weight: LossWeight::NoiseVar,
        ridge: 0.1,
        samples,
        draws,
        target_mix,
        preconditioning: Preconditioning::None,
    };
    (spec, schedule, PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap())
}
