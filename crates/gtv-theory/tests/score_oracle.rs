//! Every path of the closed-form score against direct summation in double-double arithmetic.

use gtv_theory::data::PointCloud;
use gtv_theory::rng::{ChaCha8Rng, Purpose, Streams};
use gtv_theory::schedule::Schedule;
use gtv_theory::score::{CovKind, Evaluation, ExactScore, ExactScore32, Method};
use rand::RngExt;
use rand_distr::StandardNormal;

/// a + b with |b| ≤ ulp(a)/2: about 32 digits.
#[derive(Clone, Copy)]
struct Twofold(f64, f64);

impl Twofold {
    fn new(a: f64, b: f64) -> Self {
        let s = a + b;
        let t = s - a;
        Self(s, (a - (s - t)) + (b - t))
    }
    fn product(a: f64, b: f64) -> Self {
        Self(a * b, a.mul_add(b, -(a * b)))
    }
    fn plus(self, other: Self) -> Self {
        let Self(s, e) = Self::new(self.0, other.0);
        Self::new(s, e + self.1 + other.1)
    }
    fn times(self, other: Self) -> Self {
        let Self(p, e) = Self::product(self.0, other.0);
        Self::new(p, e + self.0 * other.1 + self.1 * other.0)
    }
}

struct Oracle {
    log_density: f64,
    mean: Vec<f64>,
    cov: Vec<f64>,
    /// |x − αμ|(|x| + α|μ|)/σ² of the nearest point: its logit's error by direct differences, per roundoff.
    conditioning: f64,
    /// The same relative to the cloud's mean: what rounding the centred points changes, per roundoff.
    centred: f64,
}

fn norm(v: impl Iterator<Item = f64>) -> f64 {
    v.map(|v| v * v).sum::<f64>().sqrt()
}

fn oracle(cloud: &PointCloud, schedule: &Schedule, x: &[f64], t: f64) -> Oracle {
    let (signal, var, dim) = (schedule.signal(t), schedule.noise_var(t), cloud.dim());
    let distances: Vec<Twofold> = (0..cloud.len())
        .map(|m| {
            cloud.point(m).iter().zip(x).fold(Twofold(0.0, 0.0), |acc, (p, x)| {
                let difference = Twofold(*x, 0.0).plus(Twofold::product(-signal, *p));
                acc.plus(difference.times(difference))
            })
        })
        .collect();
    let weighted = (0..cloud.len()).filter(|m| cloud.weights()[*m] > 0.0);
    let nearest = weighted.min_by(|a, b| distances[*a].0.total_cmp(&distances[*b].0)).unwrap();
    let base = distances[nearest];
    let logits: Vec<f64> = distances
        .iter()
        .zip(cloud.weights())
        .map(|(d, w)| w.ln() - 0.5 * d.plus(Twofold(-base.0, -base.1)).0 / var)
        .collect();
    let max = logits.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    let sum: f64 = logits.iter().map(|l| (l - max).exp()).sum();
    let weights: Vec<f64> = logits.iter().map(|l| (l - max).exp() / sum).collect();
    let anchor = (0..cloud.len()).max_by(|a, b| weights[*a].total_cmp(&weights[*b])).unwrap();
    let mean: Vec<f64> = (0..dim)
        .map(|d| {
            let origin = cloud.point(anchor)[d];
            origin + (0..cloud.len()).map(|m| weights[m] * (cloud.point(m)[d] - origin)).sum::<f64>()
        })
        .collect();
    let mut cov = vec![0.0; dim * dim];
    for (m, w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
        for (d, row) in cov.chunks_mut(dim).enumerate() {
            let deviation = w * (cloud.point(m)[d] - mean[d]);
            for (e, c) in row.iter_mut().enumerate() {
                *c += deviation * (cloud.point(m)[e] - mean[e]);
            }
        }
    }
    let point = cloud.point(nearest);
    let (size, length) = (norm(x.iter().copied()), norm(point.iter().copied()));
    let centred_length = norm(point.iter().zip(cloud.mean()).map(|(p, c)| p - c));
    Oracle {
        log_density: max + sum.ln()
            - 0.5 * base.0 / var
            - 0.5 * dim as f64 * (std::f64::consts::TAU * var).ln(),
        mean,
        cov,
        conditioning: base.0.sqrt() * (size + signal * length) / var,
        centred: base.0.sqrt() * signal * centred_length / var,
    }
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// Gaussian points of standard deviation `spread` around `offset`, unequal weights (one of them 0), duplicates of the first point.
fn cloud(rng: &mut ChaCha8Rng, len: usize, dim: usize, offset: f64, spread: f64) -> PointCloud {
    let mut points: Vec<f64> = (0..len * dim).map(|_| offset + spread * normal(rng)).collect();
    for copy in (7..len).step_by(50) {
        points.copy_within(..dim, copy * dim);
    }
    let mut weights: Vec<f64> = (0..len).map(|_| rng.random::<f64>() + 0.1).collect();
    if len > 2 {
        weights[2] = 0.0;
    }
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    PointCloud::with_weights(points, dim, weights).unwrap()
}

/// Half the queries from the forward process, half between two data points, where the posterior is undecided.
fn queries(rng: &mut ChaCha8Rng, cloud: &PointCloud, schedule: &Schedule, t: f64, count: usize) -> Vec<f64> {
    let mut x = vec![];
    for q in 0..count {
        let (a, b) = (rng.random_range(0..cloud.len()), rng.random_range(0..cloud.len()));
        for (a, b) in cloud.point(a).iter().zip(cloud.point(b)) {
            let noise = schedule.noise_std(t) * normal(rng);
            let x0 = if q % 2 == 0 { *a } else { 0.5 * (a + b) };
            x.push(schedule.signal(t) * x0 + if q % 2 == 0 { noise } else { 0.1 * noise });
        }
    }
    x
}

/// What a path promises.
struct Precision {
    /// Relative error of the posterior weights.
    weights: f64,
    /// Share of weight that may be dropped.
    dropped: f64,
    /// Roundoff of the stored points and of the sums.
    roundoff: f64,
}

fn assert_matches(
    what: &str,
    cloud: &PointCloud,
    schedule: &Schedule,
    x: &[f64],
    t: f64,
    at: &Evaluation,
    p: &Precision,
) {
    let dim = cloud.dim();
    let scale = cloud.points().iter().fold(0.0f64, |a, v| a.max(v.abs())) * (dim as f64).sqrt();
    let factor = (schedule.signal(t) / schedule.noise_var(t)).powi(2);
    for (q, x) in x.chunks(dim).enumerate() {
        let o = oracle(cloud, schedule, x, t);
        let rel = p.weights + 16.0 * f64::EPSILON * o.conditioning + 2.0 * p.roundoff * o.centred;
        let trace: f64 = (0..dim).map(|d| o.cov[d * (dim + 1)]).sum();
        let log_error = (at.log_density[q] - o.log_density).abs();
        let log_tolerance = rel + 1e-13 * o.log_density.abs();
        assert!(log_error <= log_tolerance, "{what} q={q} log-density: {log_error:e} > {log_tolerance:e}");
        // Weights off by rel: |Δm| ≤ rel Σ w|μ − m| ≤ rel √tr Γ, |ΔΓ| ≤ 3 rel tr Γ, plus dropped weight and rounding.
        let mean_tolerance = 2.0 * rel * trace.sqrt() + 8.0 * p.roundoff * scale;
        let mean_error =
            norm(at.posterior_mean[q * dim..(q + 1) * dim].iter().zip(&o.mean).map(|(a, b)| a - b));
        assert!(mean_error <= mean_tolerance, "{what} q={q} mean: {mean_error:e} > {mean_tolerance:e}");
        let cov_tolerance = 3.0 * rel * trace
            + p.dropped * scale * scale
            + (8.0 * p.roundoff * scale).powi(2)
            + 1e-13 * trace;
        let cov = &at.posterior_cov[q * dim * dim..(q + 1) * dim * dim];
        for (i, (a, b)) in cov.iter().zip(&o.cov).enumerate() {
            assert!((a - b).abs() <= cov_tolerance, "{what} q={q} cov {i}: {a:e} {b:e} ({cov_tolerance:e})");
            let c = at.proxy_score_cov[q * dim * dim + i];
            assert!((c - factor * b).abs() <= factor * cov_tolerance * 1.01, "{what} q={q} C {i}: {c:e}");
        }
    }
}

#[test]
fn oracle_all_paths_equal_direct_summation() {
    let schedule = Schedule::paper(1e-6).unwrap();
    let mut rng = Streams::new(3).stream(Purpose::Probe, 0, 0);
    let cases = [(1, 1), (3, 1), (6, 2), (70, 3), (200, 17), (1, 40), (600, 24), (40, 100)];
    for (len, dim) in cases {
        for (offset, spread) in [(0.0, 1.0), (30.0, 1.0), (0.0, 30.0)] {
            let cloud = cloud(&mut rng, len, dim, offset, spread);
            let field = |method| ExactScore::with_method(cloud.clone(), schedule, method);
            let (direct, blocked) = (field(Method::Direct), field(Method::Blocked));
            let f32s = ExactScore32::new(cloud.clone(), schedule);
            for t in [1e-5, 1e-3, 0.03, 0.2, 1.0] {
                let x = queries(&mut rng, &cloud, &schedule, t, 6);
                let what =
                    |path: &str| format!("{path} M={len} D={dim} offset={offset} spread={spread} t={t}");
                let check = |path: &str, at: &Evaluation, precision: &Precision| {
                    assert_matches(&what(path), &cloud, &schedule, &x, t, at, precision);
                };
                let exact = Precision { weights: 1e-9, dropped: 0.0, roundoff: f64::EPSILON };
                check("direct", &direct.evaluate(&x, t, CovKind::Full).unwrap(), &exact);
                let dropping = Precision { dropped: 2e-22 * len as f64, ..exact };
                check("blocked", &blocked.evaluate(&x, t, CovKind::Full).unwrap(), &dropping);
                let single = Precision {
                    weights: 3e-4,
                    dropped: 2e-22 * len as f64,
                    roundoff: f64::from(f32::EPSILON),
                };
                check("f32", &f32s.evaluate(&x, t, CovKind::Full).unwrap(), &single);
            }
        }
    }
}
