//! Round trip: an ensemble that gtv trains, taken out as arrays or as functions, is compared again with the same numbers.

use gtv_models::external::{Arrays, CalledMembers, Ensemble, FeatureTable, Given, Tabulated};
use gtv_models::{LinearFamily, LinearTrainer, Members};
use gtv_study::levels::Sampler;
use gtv_study::record::{Estimate, Record};
use gtv_study::spec::{EnsembleSpec, SamplingSpec, TheoryName, TheorySpec};
use gtv_study::{Origin, Outcome, Places, Probes, Study, Unwatched};
use gtv_theory::closure::{FiniteP, Leading};
use gtv_theory::compare::{CompareSettings, Level};
use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::Streams;
use gtv_theory::{Features, Objective, PointCloud, Prediction, Schedule, TrainingProblem};
use std::sync::Arc;

const MEMBERS: usize = 12;
/// Agreement of numbers that come from the same samples and predictions.
const ROUNDING: f64 = 1e-9;

const RIDGE: f64 = 0.1;

fn features() -> Features {
    let axis = |lo, hi| AxisBasis::Gaussian { lo, hi, len: 6 };
    Features::Separable(Separable::uniform(1, axis(-1.5, 1.5), axis(0.02, 1.0)).unwrap())
}

/// Linear models of three points.
fn study(origin: Origin) -> Study {
    let cloud = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
    let (schedule, streams) = (Schedule::paper(0.02).unwrap(), Streams::new(4));
    let problem = TrainingProblem::new(cloud, schedule, Objective::default(), 512, streams).unwrap();
    let trainer = LinearTrainer::new(problem, features(), RIDGE).unwrap();
    let ensemble = EnsembleSpec { members: MEMBERS, ..EnsembleSpec::default() };
    let closures = vec![TheoryName::Closure(&Leading), TheoryName::Closure(&FiniteP)];
    let quadrature = QuadratureSpec { times: 24, noise_spacing: 0.25, ..QuadratureSpec::default() };
    Study {
        family: Box::new(LinearFamily::new(trainer)),
        members: ensemble.draws(),
        origin,
        ensemble,
        test: Vec::new(),
        sampling: SamplingSpec { paths: 200, ..SamplingSpec::default() },
        theory: TheorySpec { closures, models: 10, paths: 100, quadrature, ..TheorySpec::default() },
        compare: CompareSettings { bootstrap: 30, ..CompareSettings::default() },
    }
}

fn run(origin: Origin) -> Outcome {
    study(origin).run(Unwatched.session()).unwrap()
}

fn trained(study: &Study) -> Box<dyn Members> {
    study.train(Unwatched.session()).unwrap()
}

/// What `probes`, `evaluate` and `sample` write of it.
fn arrays(study: &Study) -> Vec<Given> {
    arrays_at(study, Probes::everywhere(study).unwrap())
}

fn arrays_at(study: &Study, Places { x, t }: Places) -> Vec<Given> {
    let members = trained(study);
    let sampler = Sampler { study, session: Unwatched.session() };
    let field = |member: usize, _: &mut _| Ok(members.field(member));
    let drawn = sampler.models(Level::Ensemble, MEMBERS, study.sampling.paths, field).unwrap();
    let predictions = members.predictions(&x, &t);
    let (count, paths) = (t.len(), study.sampling.paths);
    vec![
        Given::new("samples", [MEMBERS, paths, 1], drawn.samples.groups().concat()),
        Given::new("x", [count, 1], x),
        Given::new("t", [count], t),
        Given::new("denoiser", [MEMBERS, count, 1], predictions),
    ]
}

fn brought(given: Vec<Given>) -> Origin {
    let table = Tabulated::new(study(Origin::Trained).problem(), Arrays::by_name(given).0).unwrap();
    Origin::Outside(Arc::new(Ensemble::Tabulated(table)))
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= ROUNDING * a.abs().max(b.abs())
}

/// Equal values; ends of intervals and floors come from resamples on cells that all levels share, and one level is missing: equal to a
/// thousandth of the interval.
fn same(a: &Estimate, b: &Estimate) -> bool {
    let ends = |e: &Estimate| [e.lo, e.hi, e.floor];
    let width = a.ends().map_or(0.0, |(lo, hi)| hi - lo);
    close(a.value, b.value)
        && ends(a).iter().zip(ends(b)).all(|(a, b)| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-3 * width,
            (a, b) => *a == b,
        })
}

/// Asserts that two records agree in every distance and level but those named.
fn assert_levels_agree(a: &Record, b: &Record, without: &str) {
    let mut compared = 0;
    for (from, rest) in a.distances.iter().filter(|(level, _)| *level != without) {
        for (to, metrics) in rest.iter().filter(|(level, _)| *level != without) {
            for (metric, distance) in metrics {
                let other = b.distance(from, to, metric).unwrap_or_else(|| panic!("{from} {to} {metric}"));
                assert!(same(distance, other), "{from} {to} {metric}: {distance:?} {other:?}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 40, "{compared} distances");
    for (level, summary) in a.levels.iter().filter(|(level, _)| *level != without) {
        let other = &b.levels[level];
        assert!(same(&summary.memorized_fraction.unwrap(), &other.memorized_fraction.unwrap()), "{level}");
        assert!(same(&summary.gap_mass.unwrap(), &other.gap_mass.unwrap()), "{level}");
        assert!(summary.covariance.iter().zip(&other.covariance).all(|(a, b)| close(*a, *b)), "{level}");
    }
}

fn assert_kernels_agree(a: &Record, b: &Record) {
    assert_eq!(a.kernel.len(), 2);
    for (closure, numbers) in &a.kernel {
        let other = b.kernel[closure];
        assert!(close(numbers.mean_error, other.mean_error), "{closure}: {numbers:?} {other:?}");
        assert!(close(numbers.variance_ratio, other.variance_ratio), "{closure}: {numbers:?} {other:?}");
        assert!(close(numbers.correlation, other.correlation), "{closure}: {numbers:?} {other:?}");
        assert!(close(numbers.variance_ratio_se.unwrap(), other.variance_ratio_se.unwrap()), "{closure}");
    }
    let (a, b) = (a.gaussianity.unwrap(), b.gaussianity.unwrap());
    assert!(close(a.skewness.mean, b.skewness.mean) && close(a.excess_kurtosis.mean, b.excess_kurtosis.mean));
}

#[test]
fn identities_an_ensemble_from_arrays_has_the_numbers_of_the_trained_one() {
    let (own, again) = (run(Origin::Trained), run(brought(arrays(&study(Origin::Trained)))));
    assert_levels_agree(&own.record, &again.record, "gaussian_empirical");
    assert_kernels_agree(&own.record, &again.record);
    for name in [
        "ensemble_mean",
        "ensemble_var",
        "ensemble_var_map",
        "skewness_map",
        "ensemble_time_corr",
        "ensemble_q25",
    ] {
        let [a, b] = [&own, &again].map(|outcome| outcome.arrays.get(name).expect(name).clone());
        let equal = |(a, b): (&f64, &f64)| close(*a, *b) || (a.is_nan() && b.is_nan());
        assert!(a.iter().zip(&b).all(equal), "{name}");
    }
    assert!(own.record.outside.is_none());
    let outside = again.record.outside.expect("what there is of it");
    assert_eq!((outside.members, outside.samples, outside.anywhere), (MEMBERS, 200, false));
    assert_eq!(outside.missing.keys().collect::<Vec<_>>(), ["level gaussian_empirical"]);
    assert!(again.record.warnings.is_empty());
}

#[test]
fn identities_features_at_listed_points_predict_what_they_do_everywhere() {
    let (own, plain) = (run(Origin::Trained), study(Origin::Trained));
    let places = Probes::with_nodes(&plain).unwrap();
    let features = self::features();
    let mut phi = vec![0.0; places.t.len() * features.len()];
    features.fill(&places.x, &places.t, &mut phi);
    let shape = [1, places.t.len(), features.len()];
    let mut given = arrays_at(&plain, places);
    given.push(Given::new("features", shape, phi));
    let (arrays, unknown) = Arrays::by_name(given);
    assert!(unknown.is_empty());
    let table = FeatureTable::of(plain.problem(), &arrays).unwrap().expect("features were given");
    let (problem, quadrature) = (plain.problem().clone(), plain.theory.quadrature);
    let family = LinearFamily::of_table(problem, table, RIDGE, &quadrature).unwrap();
    let outside = Ensemble::Tabulated(Tabulated::new(plain.problem(), arrays).unwrap());
    let again = Study { family: Box::new(family), origin: Origin::Outside(Arc::new(outside)), ..plain };
    let again = again.run(Unwatched.session()).unwrap();
    assert_kernels_agree(&own.record, &again.record);
    for (quantity, error) in &own.record.quadrature {
        // A difference of two resolutions has lost as many digits as it is small.
        assert!((error - again.record.quadrature[quantity]).abs() < ROUNDING, "{quantity}");
    }
    for name in
        ["theory_finite-p_mean", "theory_finite-p_var_map", "theory_leading_path_corr", "ensemble_var"]
    {
        let [a, b] = [&own, &again].map(|outcome| outcome.arrays.get(name).expect(name).clone());
        let scale = a.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= ROUNDING * scale), "{name}");
    }
    let distance = |outcome: &Outcome| outcome.record.distance("pf_ode", "ensemble", "w1").unwrap().value;
    assert!(close(distance(&own), distance(&again)));
    assert!(again.record.distance("theory_finite-p", "ensemble", "w1").is_none());
    let outside = again.record.outside.expect("what there is of it");
    assert_eq!(outside.features.unwrap().features, features.len());
    assert!(
        outside.missing["levels mean_score and theory_…, their distances and likelihoods"]
            .contains("callable")
    );
}

#[test]
fn identities_called_members_have_the_numbers_of_the_trained_ones() {
    let own = study(Origin::Trained);
    let members = trained(&own);
    let call = move |member: usize, x: &[f64], t: &[f64]| {
        let all = members.predictions(x, t);
        Ok(all[member * x.len()..(member + 1) * x.len()].to_vec())
    };
    let called = CalledMembers::new(MEMBERS, own.problem(), Prediction::Denoiser, call).unwrap();
    let again = run(Origin::Outside(Arc::new(Ensemble::Fields(Box::new(called)))));
    let own = run(Origin::Trained);
    // Their own moments are drawn from the fields, not from the weights.
    assert_levels_agree(&own.record, &again.record, "gaussian_empirical");
    assert_kernels_agree(&own.record, &again.record);
    assert!(again.record.levels.contains_key("gaussian_empirical"));
    let outside = again.record.outside.expect("what there is of it");
    assert!(outside.anywhere && outside.missing.is_empty(), "{:?}", outside.missing);
}

#[test]
fn each_part_switches_on_what_it_allows_and_the_rest_is_said() {
    let all = arrays(&study(Origin::Trained));
    let (samples, predictions) = (vec![all[0].clone()], all[1..].to_vec());
    let drawn = run(brought(samples));
    assert!(drawn.record.distance("theory_finite-p", "ensemble", "w1").is_some());
    assert!(drawn.record.kernel.is_empty() && drawn.record.gaussianity.is_none());
    let missing = drawn.record.outside.unwrap().missing;
    assert!(missing["kernel numbers, Gaussianity, maps"].contains("x, t and one of"), "{missing:?}");
    let answered = run(brought(predictions));
    assert!(answered.record.distance("theory_finite-p", "ensemble", "w1").is_none());
    assert_eq!(answered.record.kernel.len(), 2);
    let missing = answered.record.outside.unwrap().missing;
    assert!(missing["ensemble level, distances, memorization, bands"].contains("samples"), "{missing:?}");
    // Predictions at a user's own points: averages are over those.
    let own = |array: &Given, rows: &[usize]| -> Given {
        let (n, count) = (array.shape.clone(), all[2].values.len());
        let values = array.values.chunks_exact(count).flat_map(|v| rows.iter().map(|r| v[*r])).collect();
        let shape = n.iter().map(|axis| if *axis == count { rows.len() } else { *axis }).collect::<Vec<_>>();
        Given::new(array.name.clone(), shape, values)
    };
    let rows: Vec<usize> = (0..500).collect();
    let few = run(brought(all[1..].iter().map(|array| own(array, &rows)).collect()));
    assert!(few.record.kernel["leading"].variance_ratio > 0.0);
    assert!(
        few.arrays.get("ensemble_var_map").is_none() && few.arrays.get("theory_leading_var_map").is_some()
    );
    let outside = few.record.outside.unwrap();
    assert_eq!(outside.points, 500);
    let key = "averages over the training distribution, maps";
    assert!(outside.missing[key].contains("gtv-cli probes"), "{:?}", outside.missing);
}
