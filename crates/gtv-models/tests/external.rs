//! Members from outside: what is refused, and that what is taken is what was brought.

use gtv_models::external::{Arrays, CalledMembers, Ensemble, Error, FeatureTable, Given, Tabulated};
use gtv_models::{Error as ModelError, LinearFamily, Members};
use gtv_theory::features::FeatureMap;
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::Streams;
use gtv_theory::{Objective, PointCloud, Prediction, Schedule, TrainingProblem};

const MEMBERS: usize = 3;
const POINTS: usize = 4;

/// Two data points in the plane; a denoiser is compared.
fn problem() -> TrainingProblem {
    let cloud = PointCloud::new(vec![-1.0, 0.0, 1.0, 0.5], 2).unwrap();
    let (schedule, streams) = (Schedule::paper(0.02).unwrap(), Streams::new(1));
    TrainingProblem::new(cloud, schedule, Objective::default(), 64, streams).unwrap()
}

fn wave(len: usize) -> Vec<f64> {
    (0..len).map(|i| (0.7 * i as f64 + 0.3).sin()).collect()
}

/// Every array, of sizes that agree.
fn given() -> Vec<Given> {
    let times = vec![0.1, 0.3, 0.5, 1.0];
    vec![
        Given::new("samples", [MEMBERS, 5, 2], wave(MEMBERS * 5 * 2)),
        Given::new("x", [POINTS, 2], wave(POINTS * 2)),
        Given::new("t", [POINTS], times),
        Given::new("denoiser", [MEMBERS, POINTS, 2], wave(MEMBERS * POINTS * 2)),
    ]
}

fn tabulated(given: Vec<Given>) -> Result<Tabulated, Error> {
    Tabulated::new(&problem(), Arrays::by_name(given).0)
}

/// The refusal of the arrays with one changed.
fn refusal(name: &str, change: impl Fn(&mut Given)) -> Error {
    let mut arrays = given();
    let of_name = |array: &&mut Given| array.name == name;
    arrays.iter_mut().find(of_name).map(change).expect("an array of this name");
    tabulated(arrays).expect_err("refused")
}

#[test]
fn bad_arrays_are_refused_by_name() {
    let shape = |error: Error, name: &str| match error {
        Error::Shape { array, expected, .. } => {
            assert_eq!(array, name);
            assert!(!expected.is_empty());
        }
        other => panic!("{other}"),
    };
    shape(refusal("x", |x| x.shape = vec![2, POINTS]), "x");
    shape(refusal("x", |x| x.shape = vec![POINTS, 3]), "x");
    shape(refusal("t", |t| *t = Given::new("t", [3], vec![0.1; 3])), "t");
    shape(refusal("samples", |s| s.shape = vec![MEMBERS * 5, 2]), "samples");
    shape(refusal("denoiser", |y| *y = Given::new("denoiser", [MEMBERS, 3, 2], wave(18))), "denoiser");
    let nan = refusal("denoiser", |y| y.values[11] = f64::NAN);
    assert!(
        matches!(&nan, Error::NotFinite { array, index, .. } if array == "denoiser" && *index == [1, 1, 1]),
        "{nan}"
    );
    let fewer = refusal("denoiser", |y| *y = Given::new("denoiser", [2, POINTS, 2], wave(16)));
    assert!(matches!(&fewer, Error::Members { found: 2, expected: 3, .. }), "{fewer}");
    for late in [1.5, 0.001, -0.1] {
        let time = refusal("t", |t| t.values[2] = late);
        assert!(matches!(time, Error::Time { index: 2, value, .. } if value == late), "{time}");
    }
    let none = tabulated(given().into_iter().filter(|array| array.name == "t").collect()).unwrap_err();
    assert!(matches!(&none, Error::Nothing { found } if found == "t"), "{none}");
    let pointless = given().into_iter().filter(|array| array.name != "x").collect();
    assert!(matches!(tabulated(pointless), Err(Error::Missing { array: "x", .. })));
    let empty = tabulated(vec![Given::new("samples", [0, 5, 2], vec![])]).unwrap_err();
    assert!(matches!(&empty, Error::NoMember { array, .. } if array == "samples"), "{empty}");
    assert_eq!(Arrays::by_name([Given::new("scores", [1], vec![0.0])]).1, ["scores"]);
}

#[test]
fn a_schedule_that_does_not_fit_is_refused() {
    let schedule = *problem().schedule();
    let std = |t: &f64| schedule.noise_std(*t);
    let times = [0.1, 0.3, 0.5, 1.0];
    let right: Vec<f64> = times.iter().map(|t| f64::from(std(t) as f32)).collect();
    let with = |sigma: Vec<f64>| {
        tabulated(given().into_iter().chain([Given::new("sigma", [POINTS], sigma)]).collect())
    };
    assert!(with(right.clone()).is_ok(), "32-bit numbers of the same schedule fit");
    let error = with(right.iter().map(|s| 1.02 * s).collect()).unwrap_err();
    assert!(matches!(error, Error::Schedule { array: "sigma", index: 0, .. }), "{error}");
    // Song's convention has half the rate.
    let song =
        Schedule::new(gtv_theory::ScheduleKind::VpSong { beta_min: 0.1, beta_d: 19.9 }, 0.02, 1.0).unwrap();
    assert!(with(times.iter().map(|t| song.noise_std(*t)).collect()).is_err());
}

#[test]
fn identities_what_is_known_is_found_to_32_bits_and_nothing_else() {
    let table = tabulated(given()).unwrap();
    let arrays = given();
    let (x, t, y) = (&arrays[1].values, &arrays[2].values, &arrays[3].values);
    assert_eq!(table.members(), MEMBERS);
    assert_eq!(table.samples().unwrap().concat(), arrays[0].values);
    // Points in another order, rounded to 32 bits.
    let order = [2, 0];
    let rows = |values: &[f64]| -> Vec<f64> {
        order.iter().flat_map(|q| values[2 * q..2 * q + 2].to_vec()).map(|v| f64::from(v as f32)).collect()
    };
    let found = table.predictions(&rows(x), &[t[2], t[0]]).unwrap();
    for (member, found) in y.chunks_exact(POINTS * 2).zip(found.chunks_exact(4)) {
        assert_eq!(found, [member[4], member[5], member[0], member[1]]);
    }
    assert!(table.predictions(&x[..2], &[t[1]]).is_none(), "a known x at another time");
    assert!(table.predictions(&[9.0, 9.0], &[t[0]]).is_none());
}

#[test]
fn identities_every_type_of_prediction_says_the_same() {
    let (problem, arrays) = (problem(), given());
    let (x, t) = (&arrays[1].values, &arrays[2].values);
    let want = tabulated(arrays.clone()).unwrap().predictions(x, t).unwrap();
    let kinds =
        [("score", Prediction::Score), ("noise", Prediction::Noise), ("velocity", Prediction::Velocity)];
    for (name, kind) in kinds {
        let mut y = arrays[3].values.clone();
        for (i, y) in y.iter_mut().enumerate() {
            let q = i / 2 % POINTS;
            let (a, b) = Prediction::Denoiser.score_coefficients(problem.schedule(), t[q]);
            let (c, d) = kind.score_coefficients(problem.schedule(), t[q]);
            *y = (a * *y + (b - d) * x[i % (2 * POINTS)]) / c;
        }
        let other = vec![arrays[1].clone(), arrays[2].clone(), Given::new(name, [MEMBERS, POINTS, 2], y)];
        let found = tabulated(other).unwrap().predictions(x, t).unwrap();
        // At t = 1 the signal is 4e-5, and dividing by it costs as many digits.
        for (i, (f, w)) in found.iter().zip(&want).enumerate() {
            let digits = problem.schedule().signal(t[i / 2 % POINTS]);
            assert!((f - w).abs() < 1e-13 / digits, "{name} {i}: {f} {w}");
        }
    }
    // Of several types the study's own is taken, bit by bit.
    let both = arrays.iter().cloned().chain([Given::new("score", [MEMBERS, POINTS, 2], wave(24))]);
    assert_eq!(tabulated(both.collect()).unwrap().predictions(x, t).unwrap(), want);
}

#[test]
fn identities_a_called_member_is_a_field() {
    let problem = problem();
    let call = |member: usize, x: &[f64], t: &[f64]| {
        Ok(x.iter().enumerate().map(|(i, x)| (member + 1) as f64 * x * t[i / 2]).collect())
    };
    let members = CalledMembers::new(2, &problem, Prediction::Denoiser, call).unwrap();
    let (x, t) = ([0.3, -0.2, 0.7, 0.1], [0.4, 0.4]);
    let both = members.predictions(&x, &t);
    let mut score = [0.0; 4];
    for member in 0..2 {
        let field = members.field(member);
        let mut denoiser = [0.0; 4];
        field.denoiser_into(&x, 0.4, &mut denoiser);
        assert_eq!(denoiser, both[4 * member..4 * member + 4]);
        field.score_into(&x, 0.4, &mut score);
        let (a, b) = Prediction::Denoiser.score_coefficients(problem.schedule(), 0.4);
        for ((s, m), x) in score.iter().zip(denoiser).zip(x) {
            assert!((s - (a * m + b * x)).abs() < 1e-12);
        }
    }
    assert!(members.fault().is_none());
    assert!(members.encode(0, &Default::default()).is_err());
    let ensemble = Ensemble::Fields(Box::new(members));
    assert_eq!(ensemble.predictions(&x, &t).unwrap(), both);
    assert!(ensemble.samples().is_none() && ensemble.points().is_none());
}

#[test]
fn a_call_that_fails_is_named_once_and_not_repeated() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let call = move |member: usize, x: &[f64], _: &[f64]| match member {
        0 => {
            counted.fetch_add(1, Ordering::Relaxed);
            Err("ValueError: no weights".to_owned())
        }
        _ => Ok(vec![0.0; x.len() - 1]),
    };
    let members = CalledMembers::new(1, &problem(), Prediction::Score, call.clone()).unwrap();
    assert!(members.fault().is_none());
    let field = members.field(0);
    let mut out = [0.0; 2];
    for _ in 0..3 {
        field.score_into(&[0.1, 0.2], 0.5, &mut out);
        assert!(out.iter().all(|v| v.is_nan()));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let failure = members.fault().expect("the failure");
    assert!(matches!(&failure, Error::Call { member: 0, reason } if reason == "ValueError: no weights"));
    let wrong = CalledMembers::new(2, &problem(), Prediction::Score, call).unwrap();
    wrong.field(1).score_into(&[0.1, 0.2], 0.5, &mut out);
    let text = wrong.fault().expect("the failure").to_string();
    assert!(text.contains("member 1") && text.contains("1 numbers") && text.contains("expected"), "{text}");
    let none = CalledMembers::new(0, &problem(), Prediction::Score, |_, _, _| Ok(Vec::new()));
    assert!(matches!(none, Err(ModelError::External(Error::NoMember { .. }))));
}

/// Features at the points of [`given`], or what else is brought of them.
fn table(of: Given) -> Result<FeatureTable, Error> {
    let points = given().into_iter().filter(|array| array.name == "x" || array.name == "t");
    FeatureTable::of(&problem(), &Arrays::by_name(points.chain([of])).0).map(|made| made.expect("a table"))
}

/// φ at the points of [`given`], row by row.
fn at_points(table: &FeatureTable) -> Vec<f64> {
    let (arrays, mut phi) = (given(), vec![0.0; POINTS * table.len()]);
    table.fill(&arrays[1].values, &arrays[2].values, &mut phi);
    phi
}

/// All products of rows of φ (Q × F).
fn products(phi: &[f64]) -> Vec<f64> {
    let rows = || phi.chunks_exact(phi.len() / POINTS);
    rows().flat_map(|a| rows().map(move |b| a.iter().zip(b).map(|(a, b)| a * b).sum())).collect()
}

#[test]
fn identities_features_and_their_gram_matrix_have_one_kernel() {
    let close =
        |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
    let narrow = wave(POINTS * 3);
    let own = table(Given::new("features", [POINTS, 3], narrow.clone())).unwrap();
    assert_eq!((at_points(&own), own.missed()), (narrow.clone(), 0.0));
    // Two networks: the mean of their kernels.
    let (one, other) = (wave(POINTS * 2), wave(POINTS * 2 + 1)[1..].to_vec());
    let both = [one.clone(), other.clone()].concat();
    let joined = table(Given::new("features", [2, POINTS, 2], both)).unwrap();
    let mean: Vec<f64> = products(&one).iter().zip(products(&other)).map(|(a, b)| 0.5 * (a + b)).collect();
    assert!(close(&products(&at_points(&joined)), &mean));
    // More features than points, and the matrix itself; sines of one frequency span two dimensions.
    let wide: Vec<f64> = (0..POINTS * 50).map(|i| (0.3 * i as f64).sin() + (i / 50) as f64 * 0.2).collect();
    let fewer = table(Given::new("features", [1, POINTS, 50], wide.clone())).unwrap();
    assert!(fewer.len() <= POINTS && close(&products(&at_points(&fewer)), &products(&wide)));
    let of_gram = table(Given::new("gram", [POINTS, POINTS], products(&narrow))).unwrap();
    assert!(of_gram.len() == 2 && close(&products(&at_points(&of_gram)), &products(&narrow)));
    assert!(of_gram.missed() < 1e-12);
    assert!(!of_gram.everywhere() && at_points(&of_gram).iter().all(|v| v.is_finite()));
    let mut elsewhere = [0.0; 2];
    of_gram.fill(&[9.0, 9.0], &[0.5], &mut elsewhere);
    assert!(elsewhere.iter().all(|v| v.is_nan()));
}

#[test]
fn bad_features_are_refused_by_name() {
    let refused = |of: Given| table(of).expect_err("refused").to_string();
    let text = refused(Given::new("features", [1, POINTS + 1, 2], wave(10)));
    assert!(text.contains("`features`") && text.contains("(networks, 4, features)"), "{text}");
    let text = refused(Given::new("features", [POINTS, 2], vec![0.0; 8]));
    assert!(text.contains("`features` holds zeros alone"), "{text}");
    let text = refused(Given::new("features", [POINTS, 1], vec![1.0, f64::NAN, 1.0, 1.0]));
    assert!(text.contains("`features` holds NaN at index [1, 0]"), "{text}");
    let text = refused(Given::new("gram", [POINTS, 2], wave(8)));
    assert!(text.contains("`gram`") && text.contains("(4, 4)"), "{text}");
    let text = refused(Given::new("gram", [POINTS, POINTS], wave(16)));
    assert!(text.contains("`gram`") && text.contains("symmetric"), "{text}");
    let pointless = Arrays::by_name([Given::new("gram", [1, 1], vec![1.0])]).0;
    let text = FeatureTable::of(&problem(), &pointless).expect_err("refused").to_string();
    assert!(text.contains("`x` is missing"), "{text}");
    let twice = [Given::new("gram", [1, 1], vec![1.0]), Given::new("features", [1, 1], vec![1.0])];
    let text = FeatureTable::of(&problem(), &Arrays::by_name(twice).0).expect_err("refused").to_string();
    assert!(text.contains("save one of them"), "{text}");
    assert!(FeatureTable::of(&problem(), &Arrays::by_name(given()).0).unwrap().is_none());
    // The nodes of the training distribution are not among four points.
    let own = table(Given::new("features", [POINTS, 3], wave(POINTS * 3))).unwrap();
    let spec = QuadratureSpec { times: 4, noise_spacing: 0.5, ..QuadratureSpec::default() };
    let Err(error) = LinearFamily::of_table(problem(), own, 0.1, &spec) else { panic!("refused") };
    let text = error.to_string();
    assert!(text.contains("nodes of the training distribution") && text.contains("--features"), "{text}");
}
