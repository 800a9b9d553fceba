//! Records with every field filled, close to what comparisons in one, two and 64 dimensions give.

use gtv_cli::record::{
    Arrays, Cumulant, Estimate, GaussianityRecord, KernelNumbers, LevelRecord, Record, Saved, VarianceSource,
};
use serde_json::json;

pub const LEVELS: [&str; 9] = [
    "data",
    "pf_ode",
    "mean_score",
    "theory_paper",
    "theory_leading",
    "theory_finite-p",
    "theory_shot-noise",
    "gaussian_empirical",
    "ensemble",
];

/// W₁ to the ensemble, as measured at P = 1024 (THEORY.md, section 8) where it is known.
const TO_ENSEMBLE: [f64; 8] = [0.262, 0.241, 0.0368, 0.0412, 0.0229, 0.0138, 0.00715, 0.0207];

const CONFIG: &str = r#"seed = 11

[data]
kind = "three-points"

[schedule]
kind = "vp-linear"
t_min = 0.01

[model]
kind = "linear"
samples = 1024
"#;

fn estimate(value: f64, floor: f64) -> Estimate {
    Estimate { value, lo: Some(0.88 * value), hi: Some(1.15 * value), floor: Some(floor) }
}

/// A number with a symmetric interval.
pub fn interval(value: f64, half: f64) -> Estimate {
    Estimate { lo: Some(value - half), hi: Some(value + half), ..value.into() }
}

/// Numbers of a comparison in `dimension` dimensions.
pub fn record(dimension: usize, metrics: &[&str]) -> Record {
    let mut record = Record { seed: 11, dimension, ..Record::default() };
    record.command =
        ["gtv-cli", "compare", "configs/three points.toml", "--out", "runs/three", "--seed", "11"]
            .map(str::to_owned)
            .to_vec();
    record.config = json!({
        "data": {"kind": "three-points"}, "schedule": {"kind": "vp-linear", "t_min": 0.01},
        "model": {"kind": "linear", "samples": 1024, "prediction": "denoiser"},
    });
    let distance = |scale: f64, m: &str| {
        let factor = match m {
            "kl" => 4.1,
            "js" => 0.83,
            "energy" => 0.27,
            _ => 1.0,
        };
        estimate(scale * factor, 0.00213 * factor)
    };
    let all = |scale: f64| metrics.iter().map(|&m| (m.to_owned(), distance(scale, m))).collect();
    for (level, w) in LEVELS.iter().zip(TO_ENSEMBLE) {
        record.distances.entry((*level).into()).or_default().insert("ensemble".into(), all(w));
    }
    for (a, b, w) in [
        ("data", "pf_ode", 0.0291),
        ("pf_ode", "mean_score", 0.217),
        ("mean_score", "theory_finite-p", 0.0317),
        ("mean_score", "theory_shot-noise", 0.0347),
    ] {
        record.distances.entry(a.into()).or_default().insert(b.into(), all(w));
    }
    for (closure, mean_error, ratio, correlation) in [
        ("paper", 0.0871, 1.13, 0.942),
        ("leading", 0.0313, 0.801, 0.983),
        ("finite-p", 0.0172, 0.969, 0.996),
        ("shot-noise", 0.0169, 0.971, 0.995),
    ] {
        let numbers = KernelNumbers {
            mean_error,
            variance_ratio: ratio,
            correlation,
            mean_error_floor: Some(0.0081),
            variance_ratio_se: Some(0.0123),
        };
        record.kernel.insert(closure.into(), numbers);
    }
    let cumulant = |mean, max_abs, standard_error| Cumulant {
        mean,
        median_abs: 0.31 * max_abs,
        max_abs,
        standard_error,
        share_beyond_two_se: 0.376,
    };
    record.gaussianity = Some(GaussianityRecord {
        models: 2000,
        probes: 96,
        skewness: cumulant(-0.0432, 1.27, 0.0548),
        excess_kurtosis: cumulant(1.94, 7.13, 0.11),
    });
    for (source, measured, scale) in
        [("label-noise", 0.0132, 0.97), ("placement", 0.0041, 1.02), ("total", 0.0173, 0.98)]
    {
        let predicted =
            [("leading", 0.8), ("finite-p", 1.0)].map(|(c, f)| (c.to_owned(), f * scale * measured));
        let measured = Some(interval(measured, 0.0004));
        record
            .variance_sources
            .insert(source.into(), VarianceSource { measured, predicted: predicted.into_iter().collect() });
    }
    record.load = Some(0.25);
    for (i, level) in LEVELS.iter().enumerate() {
        let spread = i as f64 / 9.0;
        let summary = LevelRecord {
            samples: 200_000,
            models: if i < 3 { 1 } else { 2000 },
            diverged: if *level == "theory_paper" { 17 } else { 0 },
            exhausted: 0,
            memorized_fraction: Some(interval(1.0 - 0.38 * spread, 0.0043)),
            nearest_distance: Some(interval(0.031 + 0.08 * spread, 0.0012)),
            near_radius: Some(0.2),
            mass_near: vec![interval(0.31 - 0.05 * spread, 0.004); if dimension > 2 { 0 } else { 3 }],
            gap_mass: Some(interval(0.0023 + 0.2 * spread, 0.002)),
            spread: None,
            total_variance: Some(interval(0.667 + 0.03 * spread, 0.005)),
            mean: vec![0.00123; if dimension > 2 { 0 } else { dimension }],
            covariance: vec![0.671; if dimension > 2 { 0 } else { dimension * dimension }],
        };
        record.levels.insert((*level).into(), summary);
    }
    record.quadrature.insert("second_moment".into(), 3.1e-7);
    record.quadrature.insert("leverage".into(), 4.4e-5);
    for (stage, seconds) in
        [("ensemble_training", 41.3), ("ensemble_sampling", 128.4), ("theory", 9.72), ("metrics", 0.412)]
    {
        record.timing.insert(stage.into(), seconds);
    }
    record
        .warnings
        .push("17 paths of theory_paper diverged & were left out: its V has no ridge <γ → 0>".into());
    record
}

fn mixture(x: f64, width: f64, floor: f64) -> f64 {
    let peak = |m: f64| (-(x - m).powi(2) / (2.0 * width * width)).exp() / (width * 7.52);
    (1.0 - floor) * (peak(-1.0) + peak(0.0) + peak(1.0)) + floor / 3.0
}

/// A comparison in one dimension.
pub fn one_dimension() -> Saved {
    let mut arrays = Arrays::default();
    let edges: Vec<f64> = (0..=200).map(|i| -1.5 + 3.0 * f64::from(i) / 200.0).collect();
    let centres: Vec<f64> = edges.windows(2).map(|e| 0.5 * (e[0] + e[1])).collect();
    for (i, level) in LEVELS.iter().enumerate() {
        let (width, floor) = [
            (0.031, 0.0),
            (0.042, 0.002),
            (0.055, 0.06),
            (0.13, 0.3),
            (0.1, 0.24),
            (0.075, 0.2),
            (0.066, 0.21),
            (0.079, 0.19),
            (0.063, 0.2),
        ][i];
        let density: Vec<f64> = centres.iter().map(|&x| mixture(x, width, floor)).collect();
        if i > 2 {
            let wave = |x: f64, s: f64| 1.0 + s * (0.45 + 0.1 * (9.0 * x).sin());
            let band =
                |s: f64| centres.iter().zip(&density).map(|(&x, d)| d * wave(x, s)).collect::<Vec<_>>();
            arrays.insert(format!("{level}_q25"), band(-1.0));
            arrays.insert(format!("{level}_q75"), band(0.6));
        }
        arrays.insert(format!("{level}_density"), density);
    }
    arrays.insert("x_edges", edges);
    arrays.insert_shaped("data", &[3, 1], vec![-1.0, 0.0, 1.0]).unwrap();
    let n = 96;
    let ensemble: Vec<f64> = (0..n).map(|i| 10f64.powf(-4.0 + 3.4 * f64::from(i) / f64::from(n))).collect();
    for (level, scale) in [("theory_paper", 1.4), ("theory_leading", 0.8), ("theory_finite-p", 0.98)] {
        let noisy =
            ensemble.iter().enumerate().map(|(i, v)| v * scale * (1.0 + 0.2 * (i as f64 * 2.4).sin()));
        arrays.insert(format!("{level}_var"), noisy.collect());
    }
    arrays.insert("ensemble_var", ensemble);
    let (x, t): (Vec<f64>, Vec<f64>) = (
        (0..60).map(|i| -1.5 + 0.05 * f64::from(i)).collect(),
        (0..40).map(|i| 0.01 + 0.025 * f64::from(i)).collect(),
    );
    for (source, scale) in [("ensemble", 1.0), ("theory_finite-p", 0.97), ("theory_leading", 0.8)] {
        let value = |t: f64, x: f64| scale * 0.2 * (-(x * x - 0.25).powi(2) / (0.05 + t)).exp() * (1.0 - t);
        let map = t.iter().flat_map(|&t| x.iter().map(move |&x| value(t, x))).collect();
        arrays.insert_shaped(format!("{source}_var_map"), &[40, 60], map).unwrap();
    }
    let uncertain = |t: f64, x: f64| 0.25 * (-(x * x - 0.25).powi(2) / (0.002 + 0.3 * t)).exp();
    let over = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
        t.iter().flat_map(|&t| x.iter().map(move |&x| f(t, x))).collect()
    };
    let labels = over(&uncertain);
    let alive = |t: f64, x: f64| if uncertain(t, x) > 1e-6 { 1.0 } else { f64::NAN };
    let skewness = over(&|t, x| alive(t, x) * 1.3 * (4.0 * x).sin() * (1.0 - t));
    let kurtosis = over(&|t, x| alive(t, x) * (7.0 * (-9.0 * x * x).exp() - 0.4 + t));
    for (name, map) in [("proxy_cov_map", labels), ("skewness_map", skewness), ("kurtosis_map", kurtosis)] {
        arrays.insert_shaped(name, &[40, 60], map).unwrap();
    }
    arrays.insert("map_x", x);
    arrays.insert("map_t", t);
    correlations(&mut arrays);
    Saved { record: record(1, &["w1", "kl", "js", "energy"]), arrays, config_toml: CONFIG.into() }
}

/// Correlations in time at three positions.
fn correlations(arrays: &mut Arrays) {
    let times: Vec<f64> = (0..30).map(|i| 0.01 + 0.034 * f64::from(i)).collect();
    for (source, length) in
        [("ensemble", 0.3), ("theory_finite-p", 0.28), ("theory_white", 0.0), ("theory_damped", 0.1)]
    {
        let one = |a: f64, b: f64, k: f64| {
            if a == b {
                1.0
            } else {
                (-(a - b).abs() / (length + 1e-9)).exp() * (1.0 - 0.6 * k * (a - b).abs())
            }
        };
        let pairs = |k: f64| {
            let times = &times;
            times.iter().flat_map(move |&a| times.iter().map(move |&b| one(a, b, k))).collect::<Vec<_>>()
        };
        let map = [0.0, 1.0, 2.0].map(pairs).concat();
        arrays.insert_shaped(format!("{source}_time_corr"), &[3, 30, 30], map).unwrap();
    }
    arrays.insert_shaped("corr_x", &[3, 1], vec![-0.5, 0.0, 0.75]).unwrap();
    arrays.insert("corr_t", times);
}

/// A comparison in the plane.
pub fn two_dimensions() -> Saved {
    let mut arrays = Arrays::default();
    let edges: Vec<f64> = (0..=60).map(|i| -1.5 + 0.05 * f64::from(i)).collect();
    let data = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]];
    for (i, level) in LEVELS.iter().enumerate() {
        let width = 0.05 + 0.03 * i as f64;
        let at = |i: usize| 0.5 * (edges[i] + edges[i + 1]);
        let value = |x: f64, y: f64| {
            let peak =
                |p: &[f64; 2]| (-((x - p[0]).powi(2) + (y - p[1]).powi(2)) / (2.0 * width * width)).exp();
            data.iter().map(peak).sum::<f64>() / (8.0 * std::f64::consts::PI * width * width)
        };
        let values =
            (0..60).flat_map(|i| (0..60).map(move |j| (i, j))).map(|(i, j)| value(at(i), at(j))).collect();
        arrays.insert_shaped(format!("{level}_density"), &[60, 60], values).unwrap();
    }
    arrays.insert("x_edges", edges.clone());
    arrays.insert("y_edges", edges);
    arrays.insert_shaped("data", &[4, 2], data.concat()).unwrap();
    let (side, times) = (41, [0.05, 0.2, 0.6]);
    let axis: Vec<f64> = (0..side).map(|i| -1.5 + 0.075 * f64::from(i)).collect();
    let over = |f: &dyn Fn(f64, f64, f64) -> f64| -> Vec<f64> {
        let (axis, mut values) = (&axis, Vec::new());
        for t in times {
            values.extend(axis.iter().flat_map(|&x| axis.iter().map(move |&y| f(t, x, y))));
        }
        values
    };
    let boundary = |t: f64, x: f64, y: f64| (-((x * x - y * y) / (0.2 + t)).powi(2)).exp();
    let shape = |x: f64, y: f64| if x.hypot(y) < 1.4 { x - y } else { f64::NAN };
    for (name, values) in [
        ("proxy_cov_plane", over(&|t, x, y| 0.5 * boundary(t, x, y))),
        ("ensemble_var_plane", over(&|t, x, y| 0.04 * boundary(2.0 * t, x, y) * (1.0 + x * x))),
        ("theory_leading_var_plane", over(&|t, x, y| 0.03 * boundary(2.0 * t, x, y))),
        ("skewness_plane", over(&|_, x, y| shape(x, y))),
        ("kurtosis_plane", over(&|t, x, y| shape(x, y).powi(2) - t)),
    ] {
        arrays.insert_shaped(name, &[3, side as usize, side as usize], values).unwrap();
    }
    arrays.insert("plane_x", axis.clone());
    arrays.insert("plane_y", axis);
    arrays.insert("plane_t", times.to_vec());
    Saved { record: record(2, &["sliced_w2", "kl", "js", "energy"]), arrays, config_toml: CONFIG.into() }
}

/// A comparison on 8 × 8 images.
pub fn images() -> Saved {
    let mut record = record(64, &["sliced_w2", "energy"]);
    record.image_shape = Some([8, 8]);
    let mut arrays = Arrays::default();
    let ring = |r: f64, k: usize| {
        let (x, y) = ((k % 8) as f64 - 3.5, (k / 8) as f64 - 3.5);
        16.0 * (-(x.hypot(1.2 * y) - r).powi(2)).exp()
    };
    for (l, level) in ["pf_ode", "theory_finite-p", "ensemble"].iter().enumerate() {
        let pixel = |s: usize, k: usize| ring(0.5 + 0.25 * s as f64, k);
        let all = |noise: f64| -> Vec<f64> {
            let cells = (0..12).flat_map(|s| (0..64).map(move |k| (s, k)));
            cells.map(|(s, k)| pixel(s, k) + noise * ((s * 64 + k) as f64 * 12.9898).sin()).collect()
        };
        arrays.insert_shaped(format!("samples_{level}"), &[12, 64], all(1.5 * l as f64)).unwrap();
        arrays.insert_shaped(format!("nearest_{level}"), &[12, 64], all(0.0)).unwrap();
    }
    Saved { record, arrays, config_toml: CONFIG.into() }
}
