//! Closed-form scores that leave points out, against plain sums over all points: results within the stated tolerance, and
//! the stated bound on what was left out respected by every query.

use gtv_theory::dynamics::{Form, PfOde, ReverseSde, Sampling, unobserved};
use gtv_theory::rng::{ChaCha8Rng, Purpose, Streams};
use gtv_theory::score::{CovKind, Evaluation, ExactScore, ExactScore32, ScoreField};
use gtv_theory::{PointCloud, Schedule, ScheduleKind};
use proptest::prelude::*;
use rand::RngExt;
use rand_distr::StandardNormal;

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Standard normal in all directions: nothing to gain from axes.
    Normal,
    /// Thirty blobs of width 0.1.
    Blobs,
    /// Standard deviation 1/k along coordinate k, as images have along their principal axes.
    PowerLaw,
    /// Forty different points only.
    Duplicates,
    /// Eight intrinsic dimensions, and one point a thousand times as far as the others.
    FlatWithOutlier,
}

const KINDS: [Kind; 5] = [Kind::Normal, Kind::Blobs, Kind::PowerLaw, Kind::Duplicates, Kind::FlatWithOutlier];

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}

fn cloud(kind: Kind, len: usize, dim: usize, weighted: bool, rng: &mut ChaCha8Rng) -> PointCloud {
    let centres: Vec<f64> = (0..40 * dim).map(|_| normal(rng)).collect();
    let mut points = Vec::with_capacity(len * dim);
    for m in 0..len {
        let which = rng.random_range(0..40usize);
        let flat: [f64; 8] = std::array::from_fn(|_| normal(rng));
        for d in 0..dim {
            let n = normal(rng);
            points.push(match kind {
                Kind::Normal => n,
                Kind::Blobs => centres[which % 30 * dim + d] + 0.1 * n,
                Kind::PowerLaw => 3.0 + n / (1.0 + d as f64),
                Kind::Duplicates => centres[which * dim + d],
                Kind::FlatWithOutlier => {
                    let v: f64 = (0..8).map(|i| flat[i] * centres[i * dim + d]).sum();
                    if m == len / 2 { 1000.0 * v } else { v }
                }
            });
        }
    }
    if !weighted {
        return PointCloud::new(points, dim).unwrap();
    }
    // From 1 down to 1e-9, and some 0.
    let mut weights: Vec<f64> =
        (0..len).map(|m| if m % 17 == 3 { 0.0 } else { 10f64.powf(-9.0 * rng.random::<f64>()) }).collect();
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    PointCloud::with_weights(points, dim, weights).unwrap()
}

/// Most from the forward process, every eighth between two points, every ninth far from all.
fn queries(cloud: &PointCloud, schedule: &Schedule, t: f64, n: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let (signal, std) = (schedule.signal(t), schedule.noise_std(t));
    let mut x = vec![];
    for q in 0..n {
        let (a, b) = (rng.random_range(0..cloud.len()), rng.random_range(0..cloud.len()));
        for (a, b) in cloud.point(a).iter().zip(cloud.point(b)) {
            let noise = std * normal(rng);
            x.push(match (q % 8, q % 9) {
                (0, _) => signal * 0.5 * (a + b) + 0.1 * noise,
                (_, 0) => 30.0 * signal * a + noise,
                _ => signal * a + noise,
            });
        }
    }
    x
}

struct Plain {
    log_density: f64,
    mean: Vec<f64>,
    trace: f64,
    /// D ε times the size of the largest logit's square: rounding of a distance.
    rounding: f64,
}

fn plain(cloud: &PointCloud, schedule: &Schedule, x: &[f64], t: f64) -> Plain {
    let (signal, var, dim) = (schedule.signal(t), schedule.noise_var(t), cloud.dim());
    let logits: Vec<f64> = (0..cloud.len())
        .map(|m| {
            let d2: f64 = cloud.point(m).iter().zip(x).map(|(p, x)| (x - signal * p).powi(2)).sum();
            cloud.weights()[m].ln() - 0.5 * d2 / var
        })
        .collect();
    let max = logits.iter().fold(f64::NEG_INFINITY, |a, l| a.max(*l));
    let weights: Vec<f64> = logits.iter().map(|l| (l - max).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let mut mean = vec![0.0; dim];
    for (m, w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
        mean.iter_mut().zip(cloud.point(m)).for_each(|(a, p)| *a += w / sum * p);
    }
    let trace = weights
        .iter()
        .enumerate()
        .filter(|(_, w)| **w > 0.0)
        .map(|(m, w)| w / sum * distance(cloud.point(m), &mean).powi(2))
        .sum();
    let log_density = max + sum.ln() - 0.5 * dim as f64 * (std::f64::consts::TAU * var).ln();
    Plain { log_density, mean, trace, rounding: dim as f64 * f64::EPSILON * (max.abs() + log_density.abs()) }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// The largest distance between points that have any weight, at most twice that from the first.
fn diameter(cloud: &PointCloud) -> f64 {
    2.0 * (0..cloud.len()).map(|m| distance(cloud.point(m), cloud.point(0))).fold(0.0, f64::max)
}

/// Panics where a query's results differ from the plain sum by more than its own bound and `precision` (of a weight).
fn assert_within(
    what: &str,
    cloud: &PointCloud,
    schedule: &Schedule,
    t: f64,
    x: &[f64],
    at: &Evaluation,
    tolerance: f64,
    precision: f64,
) {
    let diameter = diameter(cloud);
    for (q, x) in x.chunks(cloud.dim()).enumerate() {
        let expected = plain(cloud, schedule, x, t);
        let left = at.left_out[q];
        // The share is bounded by e^{logit bound}, which rounds as logits do.
        assert!(
            left <= tolerance * (1.0 + 1e-9) + expected.rounding * tolerance,
            "{what} q={q}: left out {left:e}"
        );
        let weight = precision + 2.0 * expected.rounding;
        let low = expected.log_density - at.log_density[q];
        assert!(
            -weight <= low && low <= -(-left).ln_1p() + weight,
            "{what} q={q}: log-density low by {low:e}, {left:e}"
        );
        let mean = &at.posterior_mean[q * cloud.dim()..(q + 1) * cloud.dim()];
        let scale = expected.mean.iter().map(|v| v * v).sum::<f64>().sqrt() + diameter;
        let off = distance(mean, &expected.mean);
        let allowed =
            2.0 * weight * expected.trace.sqrt() + left * diameter + 1e-13 * scale + precision * 1e-2 * scale;
        assert!(off <= allowed, "{what} q={q}: mean off by {off:e} > {allowed:e}");
        // Σ w|μ − m'|² = tr Γ + |m − m'|².
        let off = (at.posterior_cov[q] - expected.trace).abs();
        let allowed = allowed.powi(2)
            + 8.0 * weight * expected.trace
            + left * diameter.powi(2)
            // Spreads leave out points below e^−50 of the mass.
            + cloud.len() as f64 * 2e-22 * diameter.powi(2)
            + precision * 1e-2 * scale * expected.trace.sqrt();
        assert!(off <= allowed, "{what} q={q}: trace off by {off:e} > {allowed:e}");
    }
}

/// More than 10,000 queries over all kinds, times from 1e-5 to the last, and tolerances.
#[test]
fn oracle_every_query_keeps_its_bound() {
    let mut rng = Streams::new(18).stream(Purpose::Probe, 0, 0);
    let mut count = 0;
    for (i, kind) in KINDS.into_iter().enumerate() {
        let (len, dim) = [(1100, 24), (1500, 50), (2000, 96), (1300, 32), (1024, 60)][i];
        for weighted in [false, true] {
            let cloud = cloud(kind, len, dim, weighted, &mut rng);
            for schedule in
                [Schedule::paper(1e-6).unwrap(), Schedule::new(ScheduleKind::Edm {}, 1e-6, 80.0).unwrap()]
            {
                for t in [1e-5, 1e-3, 0.03, 0.1, 0.3, 0.6, 1.0] {
                    for tolerance in [1e-12, 1e-3] {
                        let field =
                            ExactScore::new(cloud.clone(), schedule).with_tolerance(tolerance).unwrap();
                        let x = queries(&cloud, &schedule, t, 37, &mut rng);
                        let at = field.evaluate(&x, t, CovKind::Trace).unwrap();
                        let what =
                            format!("{kind:?} weighted={weighted} {:?} t={t} {tolerance:e}", schedule.kind());
                        assert_within(&what, &cloud, &schedule, t, &x, &at, tolerance, 1e-10);
                        count += 37;
                    }
                }
            }
        }
    }
    assert!(count > 10_000, "{count}");
}

/// Products in f32 promise 3e-4 nats at every noise: coordinates rounded to f32 before their difference is taken would
/// cost 2e-3 at σ = 1e-4 and 0.2 at 1e-6.
#[test]
fn oracle_f32_keeps_its_promise_at_every_noise() {
    let schedule = Schedule::new(ScheduleKind::Edm {}, 1e-9, 80.0).unwrap();
    let mut rng = Streams::new(19).stream(Purpose::Probe, 0, 0);
    for (len, dim) in [(200, 64), (1500, 48)] {
        let points: Vec<f64> = (0..len * dim).map(|_| normal(&mut rng)).collect();
        let mut far = points.clone();
        far[..dim].iter_mut().for_each(|v| *v += 1e5);
        let rounded: Vec<f64> = points.iter().map(|v| f64::from(*v as f32)).collect();
        for (name, points) in [("plain", points), ("one far", far), ("rounded", rounded)] {
            let cloud = PointCloud::new(points.clone(), dim).unwrap();
            let f32s: Vec<f32> = points.iter().map(|v| *v as f32).collect();
            let mut fields = vec![ExactScore32::new(cloud.clone(), schedule)];
            if name == "rounded" {
                fields.push(ExactScore32::from_f32(f32s, dim, None, schedule).unwrap());
            }
            for exponent in -8..=1 {
                let t = 10f64.powi(exponent);
                let x: Vec<f64> = points[dim..6 * dim].iter().map(|p| p + t * normal(&mut rng)).collect();
                for field in &fields {
                    let at = field.evaluate(&x, t, CovKind::None).unwrap();
                    for (q, x) in x.chunks(dim).enumerate() {
                        let expected = plain(&cloud, &schedule, x, t);
                        let off = (at.log_density[q] - expected.log_density).abs();
                        assert!(off < 3e-4, "{name} M={len} sigma={t:e} q={q}: {off:e}");
                    }
                }
            }
        }
    }
}

/// α and σ of every process, in both precisions.
#[test]
fn oracle_bounds_hold_for_every_schedule() {
    let kinds = [
        ScheduleKind::PAPER,
        ScheduleKind::VpSong { beta_min: 0.1, beta_d: 19.9 },
        ScheduleKind::VpCosine { offset: 0.008 },
        ScheduleKind::Ve { sigma_min: 0.01, sigma_max: 50.0 },
        ScheduleKind::Edm {},
        ScheduleKind::Sqrt,
        ScheduleKind::Flow,
    ];
    let mut rng = Streams::new(21).stream(Purpose::Probe, 0, 0);
    let cloud = cloud(Kind::PowerLaw, 1200, 32, true, &mut rng);
    for kind in kinds {
        let schedule = Schedule::new(kind, 1e-5, 0.9).unwrap();
        let double = ExactScore::new(cloud.clone(), schedule);
        let single = ExactScore32::new(cloud.clone(), schedule);
        for t in [1e-4, 1e-2, 0.1, 0.5, 0.9] {
            let x = queries(&cloud, &schedule, t, 13, &mut rng);
            let what = format!("{:?} t={t}", schedule.kind());
            let at = double.evaluate(&x, t, CovKind::Trace).unwrap();
            assert_within(&what, &cloud, &schedule, t, &x, &at, 1e-12, 1e-10);
            let at = single.evaluate(&x, t, CovKind::Trace).unwrap();
            assert_within(&what, &cloud, &schedule, t, &x, &at, 1e-7, 3e-4);
        }
        assert!(double.index_cost().is_some() && single.index_cost().is_some());
    }
}

/// Paths by both samplers, in both precisions, to the last bit.
#[test]
fn identities_paths_do_not_depend_on_threads() {
    fn paths(field: &impl ScoreField, threads: usize) -> [Vec<f64>; 2] {
        let settings = Sampling { form: Form::Denoiser, steps: 6, ..Sampling::default() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let streams = Streams::new(22);
            let ode = PfOde::new(field, &settings).unwrap().sample(1100, streams, 0, &unobserved);
            let sde = ReverseSde::new(field, &settings).unwrap().sample(1100, streams, 0, &unobserved);
            [ode.x, sde.x]
        })
    }
    let mut rng = Streams::new(22).stream(Purpose::Probe, 0, 0);
    let cloud = cloud(Kind::PowerLaw, 9000, 40, true, &mut rng);
    let schedule = Schedule::new(ScheduleKind::Edm {}, 1e-3, 3.0).unwrap();
    let (double, single) = (ExactScore::new(cloud.clone(), schedule), ExactScore32::new(cloud, schedule));
    assert!(paths(&double, 1) == paths(&double, 3));
    assert!(paths(&single, 1) == paths(&single, 3));
    assert!(double.index_cost().is_some() && single.index_cost().is_some());
}

#[test]
fn identities_bounds_do_not_depend_on_threads() {
    let mut rng = Streams::new(20).stream(Purpose::Probe, 0, 0);
    let cloud = cloud(Kind::PowerLaw, 9000, 40, true, &mut rng);
    let schedule = Schedule::new(ScheduleKind::Edm {}, 1e-6, 80.0).unwrap();
    let x = queries(&cloud, &schedule, 0.1, 1100, &mut rng);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            [1e-3, 0.1, 3.0].map(|t| {
                let field = ExactScore::new(cloud.clone(), schedule);
                let found = field.evaluate(&x, t, CovKind::Trace).unwrap();
                assert!(field.index_cost().is_some_and(|c| c.bytes > 0));
                found
            })
        })
    };
    assert!(run(1) == run(3));
}

#[test]
fn bad_tolerances_are_refused() {
    let field = || ExactScore::new(PointCloud::new(vec![0.0; 3], 3).unwrap(), Schedule::paper(1e-3).unwrap());
    for bad in [-1e-9, 0.1, f64::NAN, f64::INFINITY] {
        assert!(field().with_tolerance(bad).is_err());
    }
    assert!(field().with_tolerance(0.0).is_ok() && field().dim() == 3);
}

/// A cloud and its queries at one time, by a field of one precision.
#[derive(Debug)]
struct Case {
    kind: Kind,
    len: usize,
    dim: usize,
    weighted: bool,
    single: bool,
    log_t: f64,
    log_tolerance: f64,
    seed: u64,
}

fn check(case: &Case) {
    let mut rng = Streams::new(case.seed).stream(Purpose::Probe, 0, 0);
    let cloud = cloud(case.kind, case.len, case.dim, case.weighted, &mut rng);
    let schedule = Schedule::new(ScheduleKind::Edm {}, 1e-6, 80.0).unwrap();
    let (t, tolerance) = (10f64.powf(case.log_t), 10f64.powf(case.log_tolerance));
    let x = queries(&cloud, &schedule, t, 14, &mut rng);
    let what = format!("{case:?}");
    if case.single {
        let field = ExactScore32::new(cloud.clone(), schedule).with_tolerance(tolerance).unwrap();
        let at = field.evaluate(&x, t, CovKind::Trace).unwrap();
        assert_within(&what, &cloud, &schedule, t, &x, &at, tolerance, 3e-4);
    } else {
        let field = ExactScore::new(cloud.clone(), schedule).with_tolerance(tolerance).unwrap();
        let at = field.evaluate(&x, t, CovKind::Trace).unwrap();
        assert_within(&what, &cloud, &schedule, t, &x, &at, tolerance, 1e-10);
    }
}

/// Where a far query's products in f32 add up to just below what recomputing them was for: 7e-4 nats before √D roundings counted.
#[test]
fn oracle_far_queries_in_single_precision() {
    let kind = Kind::Normal;
    check(&Case {
        kind,
        len: 2118,
        dim: 52,
        weighted: false,
        single: true,
        log_t: -0.114_906_949_404_407_3,
        log_tolerance: -2.0,
        seed: 161_969,
    });
    for i in 0..40u32 {
        let (log_t, seed) = (-0.4 + 0.02 * f64::from(i), u64::from(i));
        let dim = 24 + i as usize;
        check(&Case {
            kind,
            len: 1100,
            dim,
            weighted: false,
            single: true,
            log_t,
            log_tolerance: -7.0,
            seed,
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn oracle_any_cloud_and_time(
        kind in prop::sample::select(KINDS.to_vec()), len in 1024usize..2600, dim in 24usize..80,
        weighted in any::<bool>(), single in any::<bool>(), log_t in -5.0f64..1.5, log_tolerance in -12.0f64..-2.0,
        seed in 0u64..1_000_000,
    ) {
        check(&Case { kind, len, dim, weighted, single, log_t, log_tolerance, seed });
    }
}
