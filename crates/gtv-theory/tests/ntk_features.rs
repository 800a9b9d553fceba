//! Nyström features of infinitely wide networks: exact where the kernel has finite rank, converging elsewhere, their report
//! of what they miss honest.

use gtv_theory::features::FeatureMap;
use gtv_theory::ntk::{
    Activation, Embedding, MlpSpec, NetworkFeatures, NetworkKernel, NetworkModel, NystromSpec, TimeEmbedding,
};
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::training::{DsmSampler, Triples};
use gtv_theory::{BuiltIn, Error, Objective, PointCloud, Preconditioning, Schedule};

const STREAMS: u64 = 5;

fn cloud() -> PointCloud {
    BuiltIn::ThreePoints {}.build(&Streams::new(STREAMS)).unwrap()
}

fn model(depth: usize, activation: Activation) -> NetworkModel {
    let schedule = Schedule::paper(0.01).unwrap();
    let preconditioning = Preconditioning::Edm { data_std: 0.8 };
    let embedding =
        Embedding::new(1, schedule, preconditioning, TimeEmbedding::LogSnr, 2, 1.0, Streams::new(STREAMS))
            .unwrap();
    let arch = MlpSpec { depth, activation, ..MlpSpec::default() };
    NetworkModel::new(&arch, embedding, &Objective::default()).unwrap()
}

fn features(model: &NetworkModel, kernel: NetworkKernel, spec: &NystromSpec) -> NetworkFeatures {
    NetworkFeatures::new(model, kernel, &cloud(), spec, Streams::new(STREAMS)).unwrap()
}

fn places(count: usize) -> Triples {
    let sampler = DsmSampler::new(cloud(), Schedule::paper(0.01).unwrap());
    sampler.draw_from(&mut Streams::new(11).stream(Purpose::Probe, 0, 0), count)
}

/// out Θ out' at two points.
fn exact(model: &NetworkModel, kernel: NetworkKernel, a: (f64, f64), b: (f64, f64)) -> f64 {
    let inputs = |(x, t): (f64, f64)| model.inputs(&[x], &[t]);
    let out = |(_, t): (f64, f64)| model.output_coefficients(t).1;
    out(a) * out(b) * model.kernel(kernel, &inputs(a), &inputs(b))[0]
}

#[test]
fn identities_a_kernel_of_finite_rank_is_exact() {
    // Without hidden layers K = out out' i·i'/d: two features, and a third landmark has nothing to add.
    let model = model(0, Activation::Relu);
    let features = features(&model, NetworkKernel::Ntk, &NystromSpec::default());
    let truncation = features.truncation();
    assert_eq!((truncation.rank, truncation.landmarks), (2, 2));
    assert!(truncation.missed.abs() < 1e-12, "{truncation:?}");
    let places = places(20);
    let mut phi = vec![0.0; 40];
    features.fill(&places.x, &places.t, &mut phi);
    for a in 0..20 {
        for b in 0..20 {
            let want =
                exact(&model, NetworkKernel::Ntk, (places.x[a], places.t[a]), (places.x[b], places.t[b]));
            let got = phi[2 * a] * phi[2 * b] + phi[2 * a + 1] * phi[2 * b + 1];
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
    }
}

#[test]
fn convergence_in_the_landmarks() {
    for (activation, kernel) in [
        (Activation::Relu, NetworkKernel::Ntk),
        (Activation::Relu, NetworkKernel::Nngp),
        (Activation::Erf, NetworkKernel::Ntk),
    ] {
        let model = model(1, activation);
        let mut before = 1.0;
        for landmarks in [20, 80, 320] {
            let spec = NystromSpec { landmarks, most: landmarks, ..NystromSpec::default() };
            let features = features(&model, kernel, &spec);
            let missed = features.truncation().missed;
            println!("{activation:?} {kernel:?}: {:?}", features.truncation());
            // Smooth kernels are exhausted long before.
            assert!(missed < 0.5 * before || missed < 1e-7, "{landmarks}: {missed} after {before}");
            before = missed.max(f64::MIN_POSITIVE);
            // Never more than the kernel, up to rounding; and what is missed at other points is what is reported, within the noise of
            // 500 points.
            let places = places(500);
            let mut phi = vec![0.0; 500 * features.len()];
            features.fill(&places.x, &places.t, &mut phi);
            let (mut lost, mut all) = (0.0, 0.0);
            for (k, row) in phi.chunks_exact(features.len()).enumerate() {
                let at = (places.x[k], places.t[k]);
                let (weight, want) = (model.target_weight(at.1), exact(&model, kernel, at, at));
                let got: f64 = row.iter().map(|v| v * v).sum();
                assert!(got <= want * (1.0 + 1e-6), "{got} {want}");
                lost += weight * (want - got);
                all += weight * want;
            }
            let own = lost / all;
            assert!(missed < 1e-7 || (own / missed).ln().abs() < 1.0, "{own} against {missed}");
        }
    }
}

#[test]
fn identities_cut_features_are_the_leading_ones() {
    // Half the features hold nearly all of the trace, and more than half of any other choice; the same seed gives the same numbers.
    let model = model(1, Activation::Relu);
    let full = NystromSpec { landmarks: 128, most: 128, ..NystromSpec::default() };
    let cut = NystromSpec { most: 32, ..full };
    let (a, b) = (features(&model, NetworkKernel::Ntk, &full), features(&model, NetworkKernel::Ntk, &cut));
    let places = places(300);
    let (mut all, mut few) = (vec![0.0; 300 * 128], vec![0.0; 300 * 32]);
    a.fill(&places.x, &places.t, &mut all);
    b.fill(&places.x, &places.t, &mut few);
    for (all, few) in all.chunks_exact(128).zip(few.chunks_exact(32)) {
        for (x, y) in all.iter().zip(few) {
            assert!((x - y).abs() < 1e-9, "{x} {y}");
        }
    }
    let again = features(&model, NetworkKernel::Ntk, &cut);
    let mut second = vec![0.0; few.len()];
    again.fill(&places.x, &places.t, &mut second);
    assert_eq!(few, second);
    assert!(b.truncation().missed < 0.05 && a.truncation().missed < b.truncation().missed);
}

#[test]
fn limits_bad_settings_are_refused() {
    let model = model(1, Activation::Relu);
    let good = NystromSpec::default();
    for bad in [
        NystromSpec { landmarks: 0, ..good },
        NystromSpec { landmarks: 1 << 20, ..good },
        NystromSpec { threshold: 1.0, ..good },
        NystromSpec { threshold: f64::NAN, ..good },
        NystromSpec { most: 0, ..good },
    ] {
        let made = NetworkFeatures::new(&model, NetworkKernel::Ntk, &cloud(), &bad, Streams::new(0));
        assert!(matches!(made, Err(Error::OutOfRange { .. })), "{bad:?}");
    }
    let plane = PointCloud::new(vec![0.0, 1.0, 2.0, 3.0], 2).unwrap();
    assert!(NetworkFeatures::new(&model, NetworkKernel::Ntk, &plane, &good, Streams::new(0)).is_err());
}
