//! What the closed-form score must satisfy: Hessian form of C, one datum, flat data, far states, weights, bad input.

use gtv_theory::data::{BuiltIn, ComponentCov, GaussianMixture, MixtureComponent, Placement, PointCloud};
use gtv_theory::error::Error;
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::schedule::{Schedule, ScheduleKind};
use gtv_theory::score::{ClosedForm, CovKind, ExactScore, ExactScore32, Method, MixtureScore, ScoreField};
use rand::RngExt;

const METHODS: [Method; 2] = [Method::Direct, Method::Blocked];

fn uniform(member: u64, count: usize, half_width: f64) -> Vec<f64> {
    let mut rng = Streams::new(11).stream(Purpose::Probe, member, 0);
    (0..count).map(|_| half_width * (2.0 * rng.random::<f64>() - 1.0)).collect()
}

fn paper() -> Schedule {
    Schedule::paper(1e-6).unwrap()
}

fn mixture(var: f64) -> GaussianMixture {
    let part = |mean: [f64; 2], cov, weight| MixtureComponent { mean: mean.to_vec(), cov, weight };
    GaussianMixture::new(&[
        part([1.0, 0.0], ComponentCov::Full(vec![vec![var, 0.5 * var], vec![0.5 * var, 2.0 * var]]), 2.0),
        part([-0.5, 0.8], ComponentCov::Isotropic(var), 1.0),
        part([0.0, -1.0], ComponentCov::Isotropic(0.0), 1.0),
    ])
    .unwrap()
}

/// S⁻¹ + ∇s by central differences of fourth order.
fn hessian_form(field: &dyn ClosedForm, x: &[f64], t: f64) -> Vec<f64> {
    let dim = x.len();
    let var = field.schedule().noise_var(t);
    let h = 1e-3 * var.sqrt();
    let mut out = vec![0.0; dim * dim];
    for e in 0..dim {
        let mut slope = vec![0.0; dim];
        for (step, coefficient) in [(2.0, -1.0), (1.0, 8.0), (-1.0, -8.0), (-2.0, 1.0)] {
            let mut moved = x.to_vec();
            moved[e] += step * h;
            let mut s = vec![0.0; dim];
            field.score_into(&moved, t, &mut s);
            slope.iter_mut().zip(&s).for_each(|(d, s)| *d += coefficient * s / (12.0 * h));
        }
        for d in 0..dim {
            out[d * dim + e] = slope[d] + if d == e { 1.0 / var } else { 0.0 };
        }
    }
    out
}

#[test]
fn identities_proxy_score_cov_is_the_hessian_form() {
    let cloud = PointCloud::new(uniform(0, 90, 1.0), 3).unwrap();
    let mut fields: Vec<Box<dyn ClosedForm>> = vec![Box::new(MixtureScore::new(mixture(0.1), paper()))];
    for method in METHODS {
        fields.push(Box::new(ExactScore::with_method(cloud.clone(), paper(), method)));
    }
    for field in &fields {
        for t in [0.01, 0.1, 0.4] {
            let queries = uniform(1, 5 * field.dim(), 1.0);
            let at = field.evaluate(&queries, t, CovKind::Full).unwrap();
            for (q, x) in queries.chunks(field.dim()).enumerate() {
                let n = field.dim() * field.dim();
                // Where C is far below S⁻¹ the Hessian form cancels: 1e-5 of the larger of the two.
                let scale = 1e-5 * at.proxy_score_cov_trace()[q].max(1e-3 / field.schedule().noise_var(t));
                for (c, h) in at.proxy_score_cov[q * n..].iter().zip(hessian_form(&**field, x, t)) {
                    assert!((c - h).abs() < scale, "t={t} q={q}: {c} {h}");
                }
            }
        }
    }
}

#[test]
fn identities_score_is_the_gradient_of_the_log_density() {
    let fields: [Box<dyn ClosedForm>; 2] = [
        Box::new(MixtureScore::new(mixture(0.1), paper())),
        Box::new(ExactScore::new(BuiltIn::Blend {}.build(&Streams::new(0)).unwrap(), paper())),
    ];
    for (field, t) in fields.iter().zip([0.05, 0.3]) {
        let h = 1e-3 * field.schedule().noise_std(t);
        for x in uniform(2, 12, 1.0).chunks(2) {
            let s = field.evaluate(x, t, CovKind::None).unwrap().score;
            let log = |a: f64, b: f64| {
                field.evaluate(&[x[0] + a, x[1] + b], t, CovKind::None).unwrap().log_density[0]
            };
            let slope = |a: f64, b: f64| {
                (8.0 * (log(a, b) - log(-a, -b)) - (log(2.0 * a, 2.0 * b) - log(-2.0 * a, -2.0 * b)))
                    / (12.0 * h)
            };
            let scale = 1e-8 * (1.0 / field.schedule().noise_std(t) + s[0].abs() + s[1].abs());
            assert!((slope(h, 0.0) - s[0]).abs() < scale && (slope(0.0, h) - s[1]).abs() < scale);
        }
    }
}

#[test]
fn limits_one_datum_has_no_uncertainty() {
    for dim in [1, 3, 40] {
        let cloud = PointCloud::new(uniform(3, dim, 7.0), dim).unwrap();
        let queries = uniform(4, 4 * dim, 3.0);
        for t in [1e-5, 0.1, 1.0] {
            let mut all =
                vec![ExactScore32::new(cloud.clone(), paper()).evaluate(&queries, t, CovKind::Full).unwrap()];
            for method in METHODS {
                let field = ExactScore::with_method(cloud.clone(), paper(), method);
                let at = field.evaluate(&queries, t, CovKind::Full).unwrap();
                for (m, p) in at.posterior_mean.iter().zip(cloud.points().iter().cycle()) {
                    assert!((m - p).abs() <= 4.0 * f64::EPSILON * p.abs());
                }
                all.push(field.evaluate(&queries, t, CovKind::Trace).unwrap());
                all.push(at);
            }
            for at in &all {
                assert!(at.proxy_score_cov.iter().all(|c| *c == 0.0));
                assert!(at.uncertainty_ratio().iter().all(|r| *r == 0.0));
            }
        }
    }
}

#[test]
fn limits_ratio_is_zero_where_score_and_covariance_vanish() {
    let cloud = PointCloud::new(vec![0.0, 0.0], 2).unwrap();
    let at = ExactScore::new(cloud, paper()).evaluate(&[0.0, 0.0], 0.1, CovKind::Trace).unwrap();
    assert_eq!((at.score.as_slice(), at.uncertainty_ratio()[0]), (&[0.0, 0.0][..], 0.0));
}

#[test]
fn limits_flat_data_has_no_noise_off_its_plane() {
    let streams = Streams::new(4);
    for (dim, offset) in [(3, 0.0), (5, 2.0), (24, 1.0)] {
        let offset = vec![offset; dim];
        let plane = BuiltIn::Plane {
            dim,
            count: 300,
            radius: 1.0,
            offset: offset.clone(),
            placement: Placement::Random,
        };
        let line = BuiltIn::Segment { dim, count: 40, start: vec![], end: vec![] };
        for (set, flat_dims) in [(plane, 2), (line, 1)] {
            let cloud = set.build(&streams).unwrap();
            // Noise moves states off the plane too; C must not care.
            let queries = uniform(5, 6 * dim, 1.0);
            for method in METHODS {
                let field = ExactScore::with_method(cloud.clone(), paper(), method);
                let at = field.evaluate(&queries, 0.15, CovKind::Full).unwrap();
                for (c, trace) in at.proxy_score_cov.chunks(dim * dim).zip(at.proxy_score_cov_trace()) {
                    // Directions e_d − e_{d−p} are orthogonal to both shapes (p = 2 to the plane, 1 to the line).
                    for d in flat_dims..dim {
                        for e in 0..dim {
                            let off = c[d * dim + e] - c[(d - flat_dims) * dim + e];
                            assert!(off.abs() <= 1e-11 * trace, "{off:e} of {trace:e}");
                        }
                    }
                }
                assert!(at.proxy_score_cov_trace().iter().any(|c| *c > 0.1), "not vacuous");
            }
        }
    }
}

#[test]
fn limits_no_uncertainty_far_from_all_data() {
    let cloud = BuiltIn::Random {}.build(&Streams::new(0)).unwrap();
    let field = ExactScore::new(cloud, Schedule::new(ScheduleKind::Sqrt, 1e-3, 1.0).unwrap());
    let trace = |r: f64| field.evaluate(&[r * 0.8, r * 0.6], 0.3, CovKind::Trace).unwrap();
    let near = trace(1.0).proxy_score_cov[0];
    let far = [10.0, 20.0, 40.0].map(|r| trace(r).proxy_score_cov[0]);
    assert!(
        near > 0.1 && far[0] < 1e-3 * near && far[1] < 1e-3 * far[0] && far[2] < 1e-3 * far[1],
        "{near} {far:?}"
    );
    // On the line of equal distance from the two outermost points C stays, but the score outgrows it.
    let two = PointCloud::new(vec![-1.0, 0.0, 1.0, 0.0], 2).unwrap();
    let tied = ExactScore::new(two, *field.schedule());
    let ratio = |r: f64| tied.evaluate(&[0.0, r], 0.3, CovKind::Trace).unwrap().uncertainty_ratio()[0];
    assert!((ratio(200.0) / ratio(100.0) - 0.25).abs() < 1e-3, "falls as 1/r²");
}

#[test]
fn limits_finite_where_densities_underflow() {
    let cloud = BuiltIn::ThreePoints {}.build(&Streams::new(0)).unwrap();
    for method in METHODS {
        let field = ExactScore::with_method(cloud.clone(), paper(), method);
        let at = field.evaluate(&[-1e6, -40.0, 0.5, 300.0], 1e-5, CovKind::Full).unwrap();
        for values in [&at.score, &at.log_density, &at.posterior_mean, &at.proxy_score_cov] {
            assert!(values.iter().all(|v| v.is_finite()));
        }
        assert_eq!(at.posterior_mean[3], 1.0);
        assert!(at.log_density[0] < -1e16);
    }
}

#[test]
fn identities_a_weight_counts_like_copies_of_its_point() {
    let points = uniform(6, 4 * 20, 1.0);
    let copied: Vec<f64> =
        [0, 0, 0, 1, 2, 2].iter().flat_map(|&m| points[m * 20..(m + 1) * 20].to_vec()).collect();
    let weights = vec![0.5, 1.0 / 6.0, 1.0 / 3.0, 0.0];
    let queries = uniform(7, 5 * 20, 1.0);
    for method in METHODS {
        let weighted = PointCloud::with_weights(points.clone(), 20, weights.clone()).unwrap();
        let copies = PointCloud::new(copied.clone(), 20).unwrap();
        for t in [1e-3, 0.3] {
            let at = |cloud| {
                ExactScore::with_method(cloud, paper(), method).evaluate(&queries, t, CovKind::Full).unwrap()
            };
            let (a, b) = (at(weighted.clone()), at(copies.clone()));
            let close = |x: &[f64], y: &[f64]| {
                let scale = 1e-10 * y.iter().fold(1.0f64, |acc, v| acc.max(v.abs()));
                x.iter().zip(y).all(|(x, y)| (x - y).abs() <= scale)
            };
            assert!(close(&a.score, &b.score) && close(&a.log_density, &b.log_density));
            assert!(close(&a.proxy_score_cov, &b.proxy_score_cov));
        }
    }
}

#[test]
fn identities_leading_points_of_weight_zero_change_nothing() {
    // More of them than a block holds, so that whole blocks carry no weight.
    let (len, dim) = (1200, 20);
    let points = uniform(8, len * dim, 1.0);
    let mut weights = vec![0.0; len];
    weights[len - 4..].fill(0.25);
    let queries = uniform(9, 3 * dim, 1.0);
    let last = PointCloud::new(points[(len - 4) * dim..].to_vec(), dim).unwrap();
    let all = PointCloud::with_weights(points, dim, weights).unwrap();
    for t in [1e-5, 0.5] {
        let expected = ExactScore::new(last.clone(), paper()).evaluate(&queries, t, CovKind::Trace).unwrap();
        for method in METHODS {
            let at = ExactScore::with_method(all.clone(), paper(), method)
                .evaluate(&queries, t, CovKind::Trace)
                .unwrap();
            for (a, b) in at.posterior_mean.iter().zip(&expected.posterior_mean) {
                assert!((a - b).abs() < 1e-8, "{a} {b}");
            }
            for (a, b) in at.log_density.iter().zip(&expected.log_density) {
                assert!((a / b - 1.0).abs() < 1e-10, "{a} {b}");
            }
        }
    }
}

#[test]
fn limits_narrow_components_are_points() {
    let points =
        PointCloud::with_weights(vec![1.0, 0.0, -0.5, 0.8, 0.0, -1.0], 2, vec![0.5, 0.25, 0.25]).unwrap();
    let queries = uniform(10, 20, 1.0);
    let t = 0.1;
    let exact = ExactScore::new(points, paper()).evaluate(&queries, t, CovKind::Full).unwrap();
    let at = |var| MixtureScore::new(mixture(var), paper()).evaluate(&queries, t, CovKind::Full).unwrap();
    let gap = |var| {
        let at = at(var);
        let max = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        [
            max(&at.score, &exact.score),
            max(&at.log_density, &exact.log_density),
            max(&at.posterior_mean, &exact.posterior_mean),
            max(&at.proxy_score_cov, &exact.proxy_score_cov),
        ]
    };
    assert!(gap(0.0).iter().all(|g| *g < 1e-12), "{:?}", gap(0.0));
    // The difference is of first order in the variance.
    for (coarse, fine) in gap(1e-4).iter().zip(gap(1e-5)) {
        assert!(*coarse > 0.0 && (coarse / fine / 10.0 - 1.0).abs() < 0.01, "{coarse:e} {fine:e}");
    }
}

#[test]
fn identities_denoiser_and_score_agree_with_evaluate() {
    let set =
        BuiltIn::Plane { dim: 20, count: 900, radius: 1.0, offset: vec![], placement: Placement::Random };
    let cloud = set.build(&Streams::new(2)).unwrap();
    let fields: [Box<dyn ClosedForm>; 3] = [
        Box::new(ExactScore::with_method(cloud.clone(), paper(), Method::Direct)),
        Box::new(ExactScore::with_method(cloud, paper(), Method::Blocked)),
        Box::new(MixtureScore::new(mixture(0.2), paper())),
    ];
    for field in &fields {
        let x = uniform(12, 300 * field.dim(), 1.0);
        let at = field.evaluate(&x, 0.2, CovKind::None).unwrap();
        let mut out = vec![0.0; x.len()];
        field.denoiser_into(&x, 0.2, &mut out);
        let close =
            |out: &[f64], expected: &[f64]| out.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-11);
        assert!(close(&out, &at.posterior_mean));
        field.score_into(&x, 0.2, &mut out);
        assert!(close(&out, &at.score));
    }
}

#[test]
fn identities_results_do_not_depend_on_threads() {
    let cloud = PointCloud::new(uniform(13, 9000 * 18, 1.0), 18).unwrap();
    let x = uniform(14, 700 * 18, 1.0);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            METHODS.map(|m| {
                ExactScore::with_method(cloud.clone(), paper(), m).evaluate(&x, 0.1, CovKind::Trace).unwrap()
            })
        })
    };
    assert!(run(1) == run(5));
}

#[test]
fn a_state_that_is_not_finite_spoils_no_other() {
    for method in METHODS {
        let cloud = PointCloud::new(uniform(15, 60, 1.0), 3).unwrap();
        let field = ExactScore::with_method(cloud, paper(), method);
        let mut x = uniform(16, 9, 1.0);
        let (mut clean, mut spoilt) = (vec![0.0; 9], vec![0.0; 9]);
        field.denoiser_into(&x, 0.1, &mut clean);
        x[4] = f64::NAN;
        field.denoiser_into(&x, 0.1, &mut spoilt);
        assert!(spoilt[3..6].iter().all(|v| v.is_nan()));
        assert_eq!(spoilt[..3], clean[..3]);
        assert_eq!(spoilt[6..], clean[6..]);
    }
}

#[test]
fn bad_queries_are_refused() {
    let field = ExactScore::new(PointCloud::new(vec![0.0; 3], 3).unwrap(), paper());
    let refused = |x: &[f64], t| field.evaluate(x, t, CovKind::None).unwrap_err();
    assert!(matches!(refused(&[0.0; 4], 0.1), Error::Shape { name: "queries", .. }));
    assert!(matches!(refused(&[0.0; 3], 0.0), Error::OutOfRange { name: "t", .. }));
    assert!(matches!(refused(&[0.0; 3], f64::NAN), Error::OutOfRange { name: "t", .. }));
    assert!(matches!(refused(&[0.0, 0.0, f64::NAN], 0.1), Error::NotFinite { column: 2, .. }));
    assert!(field.evaluate(&[], 0.1, CovKind::Full).unwrap().is_empty());
    let f32s = |points: &[f32], weights| ExactScore32::from_f32(points.to_vec(), 2, weights, paper());
    assert!(matches!(f32s(&[], None), Err(Error::Empty { .. })));
    assert!(matches!(f32s(&[1.0; 3], None), Err(Error::Shape { .. })));
    assert!(matches!(f32s(&[1.0, f32::NAN], None), Err(Error::NotFinite { column: 1, .. })));
    assert!(matches!(f32s(&[1.0; 4], Some(&[0.4, 0.4])), Err(Error::Weights { .. })));
}
