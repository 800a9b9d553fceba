//! Claims about reports: they say what the record says, no more, and need nothing but the run's folder.

use std::collections::BTreeMap;
use std::path::Path;

use gtv_cli::record::{Estimate, KernelNumbers, Record, Saved};
use gtv_cli::report::number::{duration, plain, significant};
use gtv_cli::report::{answer, render, terminal_table};

mod synthetic;

fn rendered(saved: &Saved) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    render(saved, dir.path()).unwrap();
    let html = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    (dir, html)
}

fn figures(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join("figures")).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn identities_the_report_holds_every_headline_number() {
    for saved in [synthetic::one_dimension(), synthetic::two_dimensions(), synthetic::images()] {
        let (_dir, html) = rendered(&saved);
        let has = |value: f64| assert!(html.contains(&plain(value)), "{value} is missing");
        let record = &saved.record;
        for e in record.distances.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values) {
            [e.value, e.lo, e.hi, e.floor].into_iter().for_each(has);
        }
        for k in record.kernel.values() {
            [k.mean_error, k.variance_ratio, k.correlation].into_iter().for_each(has);
        }
        let g = record.gaussianity.unwrap();
        for c in [g.skewness, g.excess_kurtosis] {
            [c.mean, c.median_abs, c.max_abs, c.standard_error].into_iter().for_each(has);
        }
        for l in record.levels.values() {
            for i in
                [l.memorized_fraction, l.nearest_distance, l.gap_mass, l.total_variance].into_iter().flatten()
            {
                [i.value, i.lo, i.hi].into_iter().for_each(has);
            }
        }
        record.quadrature.values().for_each(|q| has(*q));
        record.timing.values().for_each(|s| assert!(html.contains(&duration(*s))));
        assert!(html.contains("--seed 11") && html.contains("&#x27;configs&#x2f;three points.toml&#x27;"));
    }
}

#[test]
fn identities_the_report_stands_alone() {
    for saved in [synthetic::one_dimension(), synthetic::two_dimensions(), synthetic::images()] {
        let (_dir, html) = rendered(&saved);
        let outside = ["src=\"http", "href=\"http", "url(", "<script", "<link", "@import"];
        outside.iter().for_each(|o| assert!(!html.contains(o), "{o}"));
        assert!(
            html.contains("<svg") && html.contains("diverged &amp; were left out"),
            "text is escaped, figures are not"
        );
        assert!(!html.contains("NaN") && !html.contains("undefined"));
    }
}

#[test]
fn identities_each_kind_of_record_gives_its_figures() {
    let pairs = |names: &[&str]| -> Vec<String> {
        names.iter().flat_map(|n| [format!("{n}.png"), format!("{n}.svg")]).collect()
    };
    let one = ["attribution", "closures", "density", "distances", "variance_maps", "variance_scatter"];
    for (saved, names) in [
        (synthetic::one_dimension(), &one[..]),
        (synthetic::two_dimensions(), &["attribution", "density", "distances"]),
        (synthetic::images(), &["attribution", "distances", "images"]),
    ] {
        let (dir, _) = rendered(&saved);
        assert_eq!(figures(dir.path()), pairs(names));
    }
}

#[test]
fn identities_a_report_from_files_equals_the_first_one() {
    let saved = synthetic::one_dimension();
    let (dir, first) = rendered(&saved);
    saved.write(dir.path()).unwrap();
    std::fs::write(dir.path().join("config.toml"), &saved.config_toml).unwrap();
    let (_again, second) = rendered(&Saved::read(dir.path()).unwrap());
    assert_eq!(first, second);
}

#[test]
fn limits_sparse_records_give_a_report() {
    let mut sparse = vec![Saved::default(), synthetic::one_dimension(), synthetic::one_dimension()];
    sparse[1].arrays = Default::default();
    sparse[2].record.distances.clear();
    let mut single = Saved::default();
    single.record.levels.insert("ensemble".into(), Default::default());
    single.arrays.insert("x_edges", vec![0.0]);
    single.arrays.insert("ensemble_density", vec![]);
    let mut mismatched = synthetic::one_dimension();
    mismatched.arrays.insert("x_edges", vec![0.0, 1.0]);
    mismatched.arrays.insert("map_x", vec![]);
    sparse.extend([single, mismatched]);
    for saved in &sparse {
        let (_dir, html) = rendered(saved);
        assert!(html.contains("To reproduce"));
        assert!(!terminal_table(&saved.record).is_empty());
    }
}

fn with(distances: &[(&str, f64, f64, f64)], floor: f64) -> Record {
    let mut record = Record::default();
    for &(level, value, lo, hi) in distances {
        let metrics = [("w1".to_owned(), Estimate { value, lo, hi, floor })].into();
        record.distances.entry(level.into()).or_default().insert("ensemble".into(), metrics);
    }
    record
}

#[test]
fn identities_the_answer_claims_only_what_intervals_allow() {
    let said = |record: &Record| answer(record).join(" ");
    let clear = with(&[("mean_score", 0.04, 0.035, 0.045), ("theory_finite-p", 0.01, 0.009, 0.012)], 0.002);
    let text = said(&clear);
    assert!(text.contains("closure finite-p") && text.contains("W₁ = 0.0100 [0.00900, 0.0120]"), "{text}");
    assert!(
        text.contains("closes 75 %") && text.contains("exceeds the resampling floor (0.00200) by 0.00800"),
        "{text}"
    );

    let overlap = with(&[("mean_score", 0.04, 0.01, 0.07), ("theory_finite-p", 0.03, 0.02, 0.05)], 0.002);
    assert!(said(&overlap).contains("does not show that the predicted variance improves"));
    let worse = with(&[("mean_score", 0.01, 0.009, 0.012), ("theory_finite-p", 0.04, 0.03, 0.05)], 0.002);
    assert!(said(&worse).contains("the finite-p closure fails here"));
    let noise = with(&[("theory_paper", 0.004, 0.001, 0.007)], 0.003);
    assert!(said(&noise).contains("cannot be told apart"));

    let gaussian = |own: (f64, f64, f64)| {
        let own = ("gaussian_empirical", own.0, own.1, own.2);
        said(&with(&[("theory_finite-p", 0.02, 0.018, 0.022), own], 0.002))
    };
    assert!(gaussian((0.021, 0.019, 0.023)).contains("dominated by what a Gaussian closure leaves out"));
    assert!(gaussian((0.005, 0.004, 0.006)).contains("dominated by the predicted mean and covariance"));

    // The closure is chosen before the numbers are seen; a closer one is named, but only a clearly closer one.
    let luck =
        with(&[("theory_shot-noise", 0.02, 0.015, 0.025), ("theory_paper", 0.018, 0.012, 0.024)], 0.002);
    assert!(said(&luck).contains("closure shot-noise") && !said(&luck).contains("Closer than"));
    let closer =
        with(&[("theory_shot-noise", 0.02, 0.015, 0.025), ("theory_leading", 0.01, 0.008, 0.012)], 0.002);
    assert!(said(&closer).contains("Closer than shot-noise: leading at 0.0100"));

    let mut kernel = clear.clone();
    let numbers = KernelNumbers {
        mean_error: 0.01,
        variance_ratio: 0.52,
        correlation: 0.9,
        mean_error_floor: None,
        variance_ratio_se: None,
    };
    kernel.kernel.insert("finite-p".into(), numbers);
    assert!(said(&kernel).contains("are not predicted accurately") && said(&kernel).contains("0.520"));
    assert!(said(&Record::default()).contains("No distances were saved"));
}

#[test]
fn identities_the_terminal_table_is_aligned() {
    let table = terminal_table(&synthetic::record(1, &["w1", "kl"]));
    let lines: Vec<&str> = table.lines().collect();
    let column = lines[0].chars().position(|c| c == 'W').unwrap();
    for (line, level) in lines[1..9].iter().zip(synthetic::LEVELS) {
        assert!(line.starts_with(level));
        let cell: String = line.chars().skip(column).collect();
        assert!(cell.starts_with(|c: char| c.is_ascii_digit()) && line.chars().nth(column - 1) == Some(' '));
    }
    assert!(table.contains("0.0138 [0.0121, 0.0159]") && table.contains("0.969 ± 0.012"));
    assert!(lines.iter().all(|l| l.chars().count() <= 80 && !l.ends_with(' ')), "{table}");
}

#[test]
fn identities_numbers_keep_their_digits() {
    for (value, text) in [
        (0.0, "0"),
        (0.999_6, "1.00"),
        (-0.020_68, "−0.0207"),
        (1234.5, "1234"),
        (3.1e-7, "3.10·10⁻⁷"),
        (2.5e9, "2.50·10⁹"),
        (f64::NAN, "–"),
        (f64::INFINITY, "∞"),
    ] {
        assert_eq!(plain(value), text);
    }
    assert_eq!(significant(0.0123, 2), "0.012");
    assert_eq!(duration(0.412), "412 ms");
    assert_eq!(duration(128.4), "2 min 08 s");
}
