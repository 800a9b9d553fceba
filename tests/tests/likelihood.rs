//! `evaluate --likelihood`, held-out data in a report, and schedules from tables, as a user runs them.

use gtv_tests::Bench;
use ndarray::{Array1, Array2};
use ndarray_npy::{NpzReader, NpzWriter};
use std::fs::File;

const SMALL: &str = "[model]\nsamples = 300\n[model.features]\nx = 6\nt = 6\n[ensemble]\nmembers = 3\n[sampling]\npaths = 50\n\
                     [theory]\nclosures = [\"leading\"]\nmodels = 3\npaths = 50\n[compare]\nbootstrap = 10\n";

fn bench() -> Bench {
    let bench = Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"));
    bench.file("small.toml", SMALL);
    bench
}

fn open(bench: &Bench, name: &str) -> NpzReader<File> {
    NpzReader::new(File::open(bench.path(name)).expect("the file is there")).expect("an npz")
}

/// α and σ² of the paper's schedule.
fn paper(t: f64) -> (f64, f64) {
    let alpha = (-(0.1 * t + 9.95 * t * t)).exp();
    (alpha, 1.0 - alpha * alpha)
}

/// A table of α and σ at times.
fn table(bench: &Bench, name: &str, t: &[f64]) {
    let mut file = NpzWriter::new(File::create(bench.path(name)).unwrap());
    let of = |value: fn(f64) -> f64| Array1::from_iter(t.iter().map(|t| value(*t)));
    file.add_array("t", &of(|t| t)).unwrap();
    file.add_array("alpha", &of(|t| paper(t).0)).unwrap();
    file.add_array("sigma", &of(|t| paper(t).1.sqrt())).unwrap();
    file.finish().unwrap();
}

#[test]
fn likelihood_of_points_under_exact_score_members_and_closure() {
    let bench = bench();
    let x = [-1.05, -0.6, 0.02, 0.4, 1.1];
    bench.npy("x.npy", &[5, 1], &x);
    bench.line("evaluate small.toml --at x.npy --likelihood --out exact.npz").done();
    let mut exact = open(&bench, "exact.npz");
    let nats: Array1<f64> = exact.by_name("log_likelihood").unwrap();
    let bits: Array1<f64> = exact.by_name("bits_per_dimension").unwrap();
    let (alpha, var) = paper(0.01);
    for ((x, nats), bits) in x.iter().zip(&nats).zip(&bits) {
        let kernel = |mu: f64| (-0.5 * (x - alpha * mu) * (x - alpha * mu) / var).exp();
        let density =
            [-1.0, 0.0, 1.0].map(kernel).iter().sum::<f64>() / 3.0 / (std::f64::consts::TAU * var).sqrt();
        // The start from pure noise is off by α_T = 4e-5 in each mode's logarithm, times the slope 1/σ of what lies far out.
        assert!(
            (nats - density.ln()).abs() < 1e-2 + 1e-4 * density.ln().abs(),
            "{x}: {nats} {}",
            density.ln()
        );
        assert!((bits + nats / std::f64::consts::LN_2).abs() < 1e-12 * (1.0 + bits.abs()));
    }
    bench.line("train small.toml --out run").done();
    bench.line("evaluate run --at x.npy --likelihood --out members.npz").done();
    let mut members = open(&bench, "members.npz");
    let each: Array2<f64> = members.by_name("log_likelihood").unwrap();
    let average: Array1<f64> = members.by_name("log_likelihood_average").unwrap();
    assert_eq!(each.shape(), [3, 5]);
    for (q, average) in average.iter().enumerate() {
        let mean = each.column(q).iter().map(|l| l.exp()).sum::<f64>() / 3.0;
        assert!((average - mean.ln()).abs() < 1e-9 * (1.0 + average.abs()), "{q}: {average} {}", mean.ln());
    }
    bench.line("evaluate small.toml --theory leading --at x.npy --likelihood --out law.npz").done();
    let mut law = open(&bench, "law.npz");
    for name in
        ["log_likelihood", "log_likelihood_average", "log_likelihood_average_error", "bits_per_dimension"]
    {
        let values: Array1<f64> = law.by_name(name).unwrap();
        assert!(values.len() == 5 && values.iter().all(|v| v.is_finite()), "{name}: {values}");
    }
    bench.line("evaluate small.toml --at x.npy --out o.npz").refused(2, &["x.npy", ".npz with x"]);
}

#[test]
fn held_out_data_have_a_likelihood_in_the_report() {
    let bench = bench();
    bench.npy("data.npy", &[4], &[-1.0, -0.2, 0.4, 1.0]);
    bench.npy("held-out.npy", &[6], &[-0.9, -0.3, 0.1, 0.5, 0.8, 1.1]);
    bench.file(
        "own.toml",
        format!("[data]\nkind = \"file\"\npath = \"data.npy\"\ntest = \"held-out.npy\"\n{SMALL}"),
    );
    bench.line("compare own.toml --out run").done();
    let text = std::fs::read_to_string(bench.path("run/summary.json")).unwrap();
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    for level in ["pf_ode", "mean_score", "theory_leading", "member", "ensemble"] {
        let record = &found["likelihood"][level];
        assert_eq!(record["points"], 6, "{level}: {record}");
        let (nats, bits) = (&record["nats"], &record["bits_per_dimension"]);
        let value = nats["value"].as_f64().unwrap();
        assert!(
            nats["lo"].as_f64().unwrap() < value && value < nats["hi"].as_f64().unwrap(),
            "{level}: {nats}"
        );
        let want = -value / std::f64::consts::LN_2;
        assert!((bits["value"].as_f64().unwrap() - want).abs() < 1e-9 * want.abs(), "{level}: {bits}");
    }
    // The average of laws is at least as likely as its members are on average (Jensen).
    let of = |level: &str| found["likelihood"][level]["nats"]["value"].as_f64().unwrap();
    assert!(of("ensemble") >= of("member") - 1e-9, "{} {}", of("ensemble"), of("member"));
    let page = std::fs::read_to_string(bench.path("run/report.html")).unwrap();
    assert!(page.contains("Log-likelihood of 6 held-out points") && page.contains("bits per dimension"));
    bench.npy("plane.npy", &[2, 2], &[0.0; 4]);
    bench
        .line("compare own.toml --set data.test=plane.npy --out other")
        .refused(2, &["plane.npy", "(points, 1)"]);
}

#[test]
fn a_schedule_from_a_table_is_the_one_it_is_of() {
    let bench = bench();
    let times: Vec<f64> = (1..=100).map(|k| 0.01 * f64::from(k)).collect();
    table(&bench, "table.npz", &times);
    let mut at = NpzWriter::new(File::create(bench.path("at.npz")).unwrap());
    at.add_array("x", &Array2::from_shape_vec((3, 1), vec![0.3, -0.7, 1.0]).unwrap()).unwrap();
    at.add_array("t", &Array1::from(vec![0.01, 0.25, 0.9])).unwrap();
    at.finish().unwrap();
    let set = "--set schedule.kind=table --set schedule.path=table.npz";
    bench.line("evaluate small.toml --at at.npz --out own.npz").done();
    bench.line(&format!("evaluate small.toml {set} --at at.npz --out again.npz")).done();
    let [own, again]: [Array2<f64>; 2] =
        ["own.npz", "again.npz"].map(|name| open(&bench, name).by_name("score").unwrap());
    // At knots both have the same α and σ to rounding; 1/σ² is 500 at the first.
    for (a, b) in own.iter().zip(&again) {
        assert!((a - b).abs() < 1e-9 * (1.0 + a.abs()), "{a} {b}");
    }
    bench.line(&format!("compare small.toml {set} --out run")).done();
    bench
        .line(&format!("compare small.toml {set} --set schedule.t_min=0.001 --out o"))
        .refused(2, &["schedule.t_min", "first time"]);
    bench
        .line(&format!("compare small.toml {set} --set schedule.t_max=2 --out o"))
        .refused(2, &["schedule.t_max", "last of a table"]);
    bench
        .line("compare small.toml --set schedule.kind=table --out o")
        .refused(2, &["schedule.path", "missing"]);
    let rising: Vec<f64> = times.iter().rev().copied().collect();
    table(&bench, "rising.npz", &rising);
    let rising = set.replace("table.npz", "rising.npz");
    bench.line(&format!("compare small.toml {rising} --out o")).refused(2, &["rising.npz", "increase"]);
}
