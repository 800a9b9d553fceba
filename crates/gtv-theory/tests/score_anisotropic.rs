//! Anisotropic noise S = s_t B Bᵀ against the formulas written with S itself, and data that such noise cannot reach.

use gtv_theory::data::PointCloud;
use gtv_theory::error::Error;
use gtv_theory::schedule::Schedule;
use gtv_theory::score::{AnisotropicScore, CovKind, ExactScore};

fn paper() -> Schedule {
    Schedule::paper(1e-6).unwrap()
}

const POINTS: [f64; 8] = [1.0, 0.2, -0.4, 0.9, -0.7, -1.1, 0.3, 0.1];
const QUERIES: [f64; 8] = [0.1, 0.2, -1.0, 0.5, 0.6, -0.3, 2.0, 2.0];

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    let scale = expected.iter().fold(1e-300f64, |acc, v| acc.max(v.abs()));
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance * scale, "{a} {b}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn oracle_full_rank_equals_the_matrix_formulas() {
    // B is 2 × 3, so B Bᵀ has a proper inverse, here by hand.
    let b = [0.8, -0.2, 0.5, 0.1, 0.6, 0.3];
    let row = |i: usize, j: usize| (0..3).map(|k| b[3 * i + k] * b[3 * j + k]).sum::<f64>();
    let (p, q, r) = (row(0, 0), row(0, 1), row(1, 1));
    let det = p * r - q * q;
    let weights = [0.1, 0.2, 0.3, 0.4];
    let cloud = PointCloud::with_weights(POINTS.to_vec(), 2, weights.to_vec()).unwrap();
    let field = AnisotropicScore::new(&cloud, paper(), &b).unwrap();
    assert_eq!(field.rank(), 2);
    for t in [0.02, 0.2, 0.7] {
        let (alpha, var) = (paper().signal(t), paper().noise_var(t));
        let inverse = [r / det / var, -q / det / var, p / det / var];
        let apply =
            |v: [f64; 2]| [inverse[0] * v[0] + inverse[1] * v[1], inverse[1] * v[0] + inverse[2] * v[1]];
        let at = field.evaluate(&QUERIES, t, CovKind::Full).unwrap();
        let trace = field.evaluate(&QUERIES, t, CovKind::Trace).unwrap();
        for (i, x) in QUERIES.chunks(2).enumerate() {
            let densities: Vec<f64> = POINTS
                .chunks(2)
                .zip(weights)
                .map(|(m, w)| {
                    let d = [x[0] - alpha * m[0], x[1] - alpha * m[1]];
                    let z = apply(d);
                    w * (-0.5 * (d[0] * z[0] + d[1] * z[1])).exp()
                })
                .collect();
            let total: f64 = densities.iter().sum();
            let (mut m, mut gamma) = ([0.0; 2], [0.0; 3]);
            for (d, p) in densities.iter().zip(POINTS.chunks(2)) {
                m[0] += d / total * p[0];
                m[1] += d / total * p[1];
            }
            for (d, p) in densities.iter().zip(POINTS.chunks(2)) {
                let v = [p[0] - m[0], p[1] - m[1]];
                gamma[0] += d / total * v[0] * v[0];
                gamma[1] += d / total * v[0] * v[1];
                gamma[2] += d / total * v[1] * v[1];
            }
            let score = apply([alpha * m[0] - x[0], alpha * m[1] - x[1]]);
            let (g0, g1) = (apply([gamma[0], gamma[1]]), apply([gamma[1], gamma[2]]));
            let (c0, c1) = (apply([g0[0], g1[0]]), apply([g0[1], g1[1]]));
            let c = [c0[0], c0[1], c1[0], c1[1]].map(|v| alpha * alpha * v);
            let log = total.ln() - (std::f64::consts::TAU * var).ln() - 0.5 * det.ln();
            close(&at.score[2 * i..2 * i + 2], &score, 1e-12);
            close(&at.posterior_mean[2 * i..2 * i + 2], &m, 1e-12);
            close(&at.log_density[i..i + 1], &[log], 1e-12);
            close(&at.posterior_cov[4 * i..4 * i + 4], &[gamma[0], gamma[1], gamma[1], gamma[2]], 1e-11);
            close(&at.proxy_score_cov[4 * i..4 * i + 4], &c, 1e-11);
            close(&trace.proxy_score_cov[i..i + 1], &[c[0] + c[3]], 1e-11);
        }
    }
}

#[test]
fn identities_a_multiple_of_the_identity_is_isotropic_noise() {
    let cloud = PointCloud::new(POINTS.to_vec(), 2).unwrap();
    let plain = ExactScore::new(cloud.clone(), paper()).evaluate(&QUERIES, 0.1, CovKind::Full).unwrap();
    let at = AnisotropicScore::new(&cloud, paper(), &[1.0, 0.0, 0.0, 1.0]).unwrap();
    let at = at.evaluate(&QUERIES, 0.1, CovKind::Full).unwrap();
    close(&at.score, &plain.score, 1e-14);
    close(&at.log_density, &plain.log_density, 1e-14);
    close(&at.proxy_score_cov, &plain.proxy_score_cov, 1e-13);
}

#[test]
fn identities_rank_deficient_noise_acts_within_the_data_line() {
    // Data on the line (0, 1) + u (3, 4)/5, noise of strength 2 along it: the same as u in one dimension.
    let (along, base) = ([0.6, 0.8], [0.8, -0.6]);
    let us = [-1.0, 0.0, 0.5];
    let place = |u: f64, a: f64| [0, 1].map(|d| a * base[d] + u * along[d]);
    let cloud = PointCloud::new(us.iter().flat_map(|&u| place(u, 1.0)).collect(), 2).unwrap();
    let factor = [2.0 * along[0], 2.0 * along[1]];
    let field = AnisotropicScore::new(&cloud, paper(), &factor).unwrap();
    assert_eq!(field.rank(), 1);
    let line = ExactScore::new(PointCloud::new(us.iter().map(|u| u / 2.0).collect(), 1).unwrap(), paper());
    let t = 0.1;
    let alpha = paper().signal(t);
    let queries = [-0.7, 0.1, 1.3];
    let x: Vec<f64> = queries.iter().flat_map(|&u| place(u, alpha)).collect();
    let at = field.evaluate(&x, t, CovKind::Full).unwrap();
    let halved: Vec<f64> = queries.iter().map(|u| u / 2.0).collect();
    let in_line = line.evaluate(&halved, t, CovKind::Full).unwrap();
    for (i, (s, m)) in in_line.score.iter().zip(&in_line.posterior_mean).enumerate() {
        close(&at.score[2 * i..2 * i + 2], &along.map(|a| 0.5 * s * a), 1e-12);
        close(&at.posterior_mean[2 * i..2 * i + 2], &place(2.0 * m, 1.0), 1e-12);
        close(&[at.log_density[i]], &[in_line.log_density[i] - 2f64.ln()], 1e-12);
        let c = 0.25 * in_line.proxy_score_cov[i];
        let expected = [c * 0.36, c * 0.48, c * 0.48, c * 0.64];
        close(&at.proxy_score_cov[4 * i..4 * i + 4], &expected, 1e-11);
    }
    // Whitened coordinates and back.
    close(&field.from_whitened(&field.to_whitened(&x), t), &x, 1e-14);
    let off = field.evaluate(&[0.0, 0.0], t, CovKind::None).unwrap_err();
    assert!(matches!(off, Error::OffSubspace { name: "query", row: 0, rank: 1, dim: 2, .. }));
}

#[test]
fn data_that_the_noise_cannot_connect_are_refused() {
    let cloud = PointCloud::new(vec![0.0, 0.0, 1.0, 1.0, 1.0, 2.0], 2).unwrap();
    let refused = AnisotropicScore::new(&cloud, paper(), &[1.0, 1.0]).unwrap_err();
    assert!(matches!(refused, Error::OffSubspace { name: "data point", row: 2, rank: 1, dim: 2, .. }));
    assert!(refused.to_string().contains("full rank"));
    assert!(matches!(AnisotropicScore::new(&cloud, paper(), &[0.0; 4]), Err(Error::Empty { .. })));
    assert!(matches!(AnisotropicScore::new(&cloud, paper(), &[1.0; 3]), Err(Error::Shape { .. })));
    assert!(matches!(AnisotropicScore::new(&cloud, paper(), &[]), Err(Error::Shape { .. })));
}
