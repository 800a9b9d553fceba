//! The closed-form score against 80-bit direct summation, and Figure 1's maps against the paper's notebook.
//! Provenance: tests/golden/README.md at the workspace root.

use gtv_theory::data::{BuiltIn, PointCloud};
use gtv_theory::rng::Streams;
use gtv_theory::schedule::{Schedule, ScheduleKind};
use gtv_theory::score::{CovKind, ExactScore, ScoreField};
use ndarray::{ArrayD, Axis};
use ndarray_npy::NpzReader;
use std::fs::File;

fn golden(name: &str) -> NpzReader<File> {
    let path = format!("{}/../../tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    NpzReader::new(File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"))).unwrap()
}

fn array(npz: &mut NpzReader<File>, key: &str) -> ArrayD<f64> {
    npz.by_name(&format!("{key}.npy")).or_else(|_| npz.by_name(key)).unwrap_or_else(|e| panic!("{key}: {e}"))
}

fn values(npz: &mut NpzReader<File>, key: &str) -> Vec<f64> {
    array(npz, key).iter().copied().collect()
}

/// Asserts |a − b| ≤ rel·|b| + floor, row by row; the floor is 1e-13 of the row's largest entry, since an entry that
/// cancels (an off-diagonal covariance, a coordinate near 0) can only be as exact as its row's scale, plus 1e-300,
/// where subnormal weights lose digits.
fn assert_rows_close(what: &str, rel: f64, width: usize, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (row, (f, e)) in found.chunks(width).zip(expected.chunks(width)).enumerate() {
        let floor = 1e-300 + 1e-13 * e.iter().fold(0.0f64, |acc, v| acc.max(v.abs()));
        for (f, e) in f.iter().zip(e) {
            assert!((f - e).abs() <= rel * e.abs() + floor, "{what}, query {row}: {f:e}, expected {e:e}");
        }
    }
}

#[test]
fn golden_closed_form_score() {
    let mut npz = golden("score.npz");
    for case in ["three", "poly6", "cloud5d"] {
        let points = array(&mut npz, &format!("{case}/points"));
        let dim = points.len_of(Axis(1));
        let cloud = PointCloud::new(points.iter().copied().collect(), dim).unwrap();
        let queries = values(&mut npz, &format!("{case}/queries"));
        let field = ExactScore::new(cloud, Schedule::paper(1e-5).unwrap());
        for (t, rel) in [("0.0001", 1e-8), ("0.01", 1e-9), ("0.1", 1e-9), ("0.5", 1e-9), ("1", 1e-9)] {
            let time: f64 = t.parse().unwrap();
            let at = field.evaluate(&queries, time, CovKind::Full).unwrap();
            let traces = field.evaluate(&queries, time, CovKind::Trace).unwrap();
            let mut check = |name: &str, width, found: &[f64]| {
                let expected = values(&mut npz, &format!("{case}/t{t}/{name}"));
                assert_rows_close(&format!("{case} t={t} {name}"), rel, width, found, &expected);
            };
            check("score", dim, &at.score);
            check("posterior_mean", dim, &at.posterior_mean);
            check("log_density", 1, &at.log_density);
            check("proxy_score_cov", dim * dim, &at.proxy_score_cov);
            assert_rows_close("trace", 1e-12, 1, &traces.proxy_score_cov, &at.proxy_score_cov_trace());
            let mut score = vec![0.0; queries.len()];
            field.score_into(&queries, time, &mut score);
            check("score", dim, &score);
        }
    }
}

#[test]
fn golden_figure_1_data_sets() {
    let mut npz = golden("fig1.npz");
    for set in BuiltIn::figure1() {
        let cloud = set.build(&Streams::new(0)).unwrap();
        let expected = values(&mut npz, &format!("{}/points", set.name()));
        assert_eq!(cloud.points().len(), expected.len());
        for (a, b) in cloud.points().iter().zip(&expected) {
            assert!((a - b).abs() < 1e-12, "{}: {a} {b}", set.name());
        }
    }
}

#[test]
fn golden_figure_1_ratio_maps() {
    let mut npz = golden("fig1.npz");
    let (axis, times) = (values(&mut npz, "x"), values(&mut npz, "t"));
    let queries: Vec<f64> = axis.iter().flat_map(|x| axis.iter().flat_map(move |y| [*x, *y])).collect();
    for set in BuiltIn::figure1() {
        let maps = array(&mut npz, &format!("{}/ratio", set.name()));
        let cloud = set.build(&Streams::new(0)).unwrap();
        let largest = cloud.points().chunks(2).map(|p| p[0] * p[0] + p[1] * p[1]).fold(0.0, f64::max);
        let field = ExactScore::new(cloud, Schedule::new(ScheduleKind::Sqrt, 1e-3, 1.0).unwrap());
        for (k, &t) in times.iter().enumerate() {
            let at = field.evaluate(&queries, t, CovKind::Trace).unwrap();
            let expected = maps.index_axis(Axis(0), k);
            for (i, (found, expected)) in at.uncertainty_ratio().iter().zip(expected.iter()).enumerate() {
                assert!(
                    found.is_finite() && (0.0..=1.0).contains(found),
                    "{} t={t} {i}: {found}",
                    set.name()
                );
                if !expected.is_finite() {
                    continue;
                }
                // The notebook forms Γ as E[μμᵀ] − mmᵀ, so its tr C is off by rounding of (α/σ²)²|μ|² (measured
                // against 80-bit sums: up to 36 ε of it), which swamps tr C where the posterior is certain.
                let s2: f64 = at.score[2 * i..2 * i + 2].iter().map(|v| v * v).sum();
                let cancelled = (1.0 - t) / (t * t) * largest / (at.proxy_score_cov[i] + s2);
                let tolerance = 1e-9 * expected + 64.0 * f64::EPSILON * cancelled;
                let error = (found - expected).abs();
                assert!(error <= tolerance, "{} t={t} {i}: {found:e} {expected:e}", set.name());
            }
        }
    }
}
