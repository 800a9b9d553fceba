//! Claims about reports: they say what the record says, no more, and need nothing but the run's folder.

use std::collections::BTreeMap;
use std::path::Path;

use gtv_cli::plot::Sheet;
use gtv_cli::record::{
    Cumulant, Estimate, GaussianityRecord, KernelNumbers, LevelRecord, Record, Saved, VarianceSource,
};
use gtv_cli::report::number::{duration, plain, significant};
use gtv_cli::report::{answer, render, terminal_table};

mod synthetic;

use synthetic::interval;

fn rendered(saved: &Saved) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    render(saved, dir.path(), Sheet::Screen).unwrap();
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
            [Some(e.value), e.lo, e.hi, e.floor].into_iter().flatten().for_each(has);
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
                [Some(i.value), i.lo, i.hi].into_iter().flatten().for_each(has);
            }
        }
        for s in record.variance_sources.values() {
            has(s.measured.unwrap().value);
            s.predicted.values().for_each(|v| has(*v));
        }
        assert!(html.contains("0.0132 [0.0128, 0.0136] (76 %)"), "the share of the label noise");
        record.quadrature.values().for_each(|q| has(*q));
        record.timing.values().for_each(|s| assert!(html.contains(&duration(*s))));
        assert!(html.contains("--seed 11") && html.contains("&#x27;configs&#x2f;three points.toml&#x27;"));
    }
}

#[test]
fn identities_the_report_stands_alone() {
    for saved in [synthetic::one_dimension(), synthetic::two_dimensions(), synthetic::images()] {
        let (_dir, html) = rendered(&saved);
        let outside =
            ["src=", "href=\"http", "url(", "<link", "@import", "fetch(", "XMLHttpRequest", "import("];
        outside.iter().for_each(|o| assert!(!html.contains(o), "{o}"));
        assert!(
            html.contains("<svg") && html.contains("diverged &amp; were left out"),
            "text is escaped, figures are not"
        );
        // Pixels are letters too, in which any word can be found.
        let pieces = html.split("data:image/png;base64,");
        let texts = pieces.enumerate().map(|(i, p)| if i == 0 { p } else { &p[p.find('"').unwrap()..] });
        let text: String = texts.collect();
        // Scripts, and numbers packed for them, are no text of the page either.
        let pieces = text.split("<script").enumerate();
        let text: String =
            pieces.map(|(i, p)| if i == 0 { p } else { p.split_once("</script>").unwrap().1 }).collect();
        assert!(!text.contains("NaN") && !text.contains("undefined"));
    }
}

#[test]
fn identities_each_kind_of_record_gives_its_figures() {
    let pairs = |names: &[&str]| -> Vec<String> {
        names.iter().flat_map(|n| ["csv", "pdf", "png", "svg"].map(|e| format!("{n}.{e}"))).collect()
    };
    let one = [
        "attribution",
        "closures",
        "density",
        "distances",
        "gaussianity_maps",
        "time_correlation",
        "variance_maps",
        "variance_scatter",
    ];
    for (saved, names) in [
        (synthetic::one_dimension(), &one[..]),
        (
            synthetic::two_dimensions(),
            &[
                "attribution",
                "closures",
                "density",
                "distances",
                "gaussianity_maps",
                "overview",
                "variance_maps",
            ],
        ),
        (synthetic::images(), &["attribution", "distances", "images"]),
    ] {
        let (dir, html) = rendered(&saved);
        assert_eq!(figures(dir.path()), pairs(names));
        // A figure that is drawn is shown, once, and no other is.
        let mut shown: Vec<&str> =
            html.split("<figure id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        shown.sort_unstable();
        assert_eq!(shown, names);
    }
}

#[test]
fn identities_numbers_in_the_page_unpack_to_those_of_the_record() {
    use base64::Engine;
    let mut saved = synthetic::one_dimension();
    let history: Vec<f64> = (0..240).map(|i| (f64::from(i) * 0.1).sin().powi(2) + 1e-4).collect();
    saved.arrays.insert("history_x", (0..=120).map(|i| -3.0 + 0.05 * f64::from(i)).collect());
    saved.arrays.insert("history_t", vec![1.0, 0.01]);
    saved.arrays.insert_shaped("ensemble_history", &[2, 120], history.clone()).unwrap();
    let (_dir, html) = rendered(&saved);
    let json = html.split("id=\"live-numbers\">").nth(1).unwrap().split("</script>").next().unwrap();
    let live: serde_json::Value = serde_json::from_str(json).unwrap();
    let levels = live["density"]["levels"].as_array().unwrap();
    let ensemble = levels.iter().find(|l| l["label"] == "trained ensemble").unwrap();
    let (packed, number) = (&ensemble["history"], |key: &str| ensemble["history"][key].as_f64().unwrap());
    let bytes =
        base64::engine::general_purpose::STANDARD_NO_PAD.decode(packed["q"].as_str().unwrap()).unwrap();
    let codes: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
    assert_eq!(codes.len(), history.len());
    for (code, value) in codes.iter().zip(&history) {
        let share = (f64::from(*code) / 65534.0).powf(1.0 / number("power"));
        let back = number("lo") + (number("hi") - number("lo")) * share;
        // Half a code in the root of the share: at most 2 × 0.5/65534 of the range.
        assert!((back - value).abs() <= number("hi") / 65534.0, "{back} {value}");
    }
}

#[test]
fn identities_the_head_says_what_was_compared_and_contents_lead_to_every_section() {
    let mut saved = synthetic::one_dimension();
    saved.record.data_points = 3;
    saved.record.config["title"] = "Three <points>".into();
    let (_dir, html) = rendered(&saved);
    assert!(html.contains("<title>Three &lt;points&gt; · gtv</title>") && html.contains("Points M <b>3</b>"));
    let targets: Vec<&str> =
        html.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(targets.len() >= 7, "{targets:?}");
    for target in &targets {
        assert_eq!(html.matches(&format!("id=\"{target}\"")).count(), 1, "{target}");
    }
    assert_eq!(html.matches("<h2 ").count(), targets.len());
    for level in synthetic::LEVELS {
        let text = html.split("<dl class=\"terms\">").nth(1).unwrap();
        assert!(
            text.contains(
                &gtv_cli::report::levels::card(level).meaning.replace('\'', "&#x27;").replace('/', "&#x2f;")
            ),
            "{level}"
        );
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
        let estimate = Estimate { value, lo: Some(lo), hi: Some(hi), floor: Some(floor) };
        let metrics = [("w1".to_owned(), estimate)].into();
        record.distances.entry(level.into()).or_default().insert("ensemble".into(), metrics);
    }
    record
}

#[test]
fn identities_the_answer_claims_only_what_intervals_allow() {
    let said = |record: &Record| answer(record).join(" ");
    let clear = with(&[("mean_score", 0.04, 0.035, 0.045), ("theory_finite-p", 0.01, 0.009, 0.012)], 0.002);
    let text = said(&clear);
    assert!(
        text.contains("(finite-p) explains 75 %") && text.contains("W₁ = 0.0400 [0.0350, 0.0450]"),
        "{text}"
    );
    assert!(
        text.contains(
            "the rest, 0.0100 [0.00900, 0.0120], exceeds the resampling floor (0.00200) by 0.00800"
        ),
        "{text}"
    );
    let noise = with(&[("theory_paper", 0.004, 0.001, 0.007)], 0.003);
    assert!(said(&noise).contains("not for certain") && !said(&noise).contains("within"), "{}", said(&noise));

    let gaussian = |own: (f64, f64, f64)| {
        let own = ("gaussian_empirical", own.0, own.1, own.2);
        said(&with(&[("theory_finite-p", 0.02, 0.018, 0.022), own], 0.002))
    };
    assert!(gaussian((0.021, 0.019, 0.023)).contains("dominated by what a Gaussian closure leaves out"));
    assert!(gaussian((0.005, 0.004, 0.006)).contains("dominated by the predicted mean and covariance"));

    // The closure is chosen before the numbers are seen; a closer one is named, but only a clearly closer one.
    let luck =
        with(&[("theory_shot-noise", 0.02, 0.015, 0.025), ("theory_paper", 0.018, 0.012, 0.024)], 0.002);
    assert!(said(&luck).contains("(shot-noise)") && !said(&luck).contains("Closer than"));
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
    // What is off by less than two standard errors, or by what the models' own scatter explains, is not called wrong.
    let few = KernelNumbers {
        mean_error: 0.15,
        variance_ratio: 1.21,
        correlation: 0.9,
        mean_error_floor: Some(0.13),
        variance_ratio_se: Some(0.13),
    };
    let mut judged = |numbers: KernelNumbers| {
        kernel.kernel.insert("finite-p".into(), numbers);
        said(&kernel)
    };
    let text = judged(few);
    assert!(text.contains("within what this many models resolve") && text.contains("1.21 ± 0.13"), "{text}");
    assert!(
        judged(KernelNumbers { variance_ratio_se: Some(0.05), ..few })
            .contains("are not predicted accurately")
    );
    assert!(judged(KernelNumbers { mean_error: 0.2, ..few }).contains("are not predicted accurately"));
    let exact = KernelNumbers { mean_error: 0.07, variance_ratio: 1.05, ..few };
    assert!(judged(exact).contains("are predicted accurately"));
    assert!(said(&Record::default()).contains("No distances were saved"));
}

/// A record of distances (level, value, lo, hi) with one floor, and what is said first of it.
fn headline(distances: &[(&str, f64, f64, f64)], floor: f64) -> String {
    answer(&with(distances, floor)).remove(0)
}

#[test]
fn identities_the_answer_is_against_the_best_baseline() {
    // The square with Fourier features: the mean score is the best baseline, and the theory explains most of the rest.
    let square = [
        ("data", 0.12, 0.115, 0.125),
        ("pf_ode", 0.115, 0.110, 0.120),
        ("mean_score", 0.034, 0.032, 0.036),
        ("theory_finite-p", 0.013, 0.012, 0.014),
    ];
    let text = headline(&square, 0.016);
    // 1 − 0.013/0.034 = 61.8 %; the logarithms' arms are ln(14/13) = 0.074, ln(34/32) = 0.061 and ln(13/12) = 0.080,
    // ln(36/34) = 0.057, so the ratio's ends are 0.382 e^0.096 = 0.421 and 0.382 e^−0.098 = 0.347.
    for part in [
        "Of the distance between the best baseline (the mean score, W₁ = 0.0340 [0.0320, 0.0360])",
        "the theory (finite-p) explains 62 % [58, 65]",
        "the rest, 0.0130 [0.0120, 0.0140], is within the resampling floor (0.0160)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let others = answer(&with(&square, 0.016)).remove(1);
    assert_eq!(
        others,
        "The other baselines: the true score 0.115 [0.110, 0.120], the data 0.120 [0.115, 0.125]."
    );

    // Three points with few models: the true score is as near as the theory, however far the mean score is.
    let points = [
        ("pf_ode", 0.026, 0.020, 0.032), // as near: its estimate lies in the theory's interval
        ("mean_score", 0.09, 0.08, 0.10),
        ("theory_finite-p", 0.025, 0.019, 0.031),
    ];
    let text = headline(&points, 0.02);
    assert!(text.contains("is not shown to explain what the models learn"), "{text}");
    assert!(text.contains("the true score, without any theory, is as near"), "{text}");
    assert!(!text.contains("explains") && !text.contains('%'), "{text}");

    let apart = [("mean_score", 0.0361, 0.0272, 0.0491), ("theory_finite-p", 0.0177, 0.0076, 0.0319)];
    let text = headline(&apart, 0.021);
    assert!(
        text.contains("than the best baseline, the mean score, without the predicted variance, is (0.0361"),
        "{text}"
    );
    assert!(text.contains("not for certain: their intervals overlap") && !text.contains("as near"), "{text}");

    // Further than a baseline.
    let worse = [("mean_score", 0.01, 0.009, 0.012), ("theory_finite-p", 0.04, 0.03, 0.05)];
    let text = headline(&worse, 0.002);
    assert!(
        text.contains("fails here")
            && text.contains("the mean score, without the predicted variance, is nearer"),
        "{text}"
    );
    assert!(headline(&[("theory_paper", 0.004, 0.001, 0.007)], 0.003).contains("No baseline was compared"));
}

#[test]
fn identities_within_the_floor_means_the_estimate() {
    let theory = |value: f64, lo: f64, hi: f64| {
        headline(&[("pf_ode", 0.3, 0.28, 0.32), ("theory_finite-p", value, lo, hi)], 0.0198)
    };
    let text = theory(0.0293, 0.015, 0.045);
    assert!(!text.contains("within") && text.contains("by 0.00950, not for certain"), "{text}");
    assert!(theory(0.0198, 0.015, 0.045).contains("is within the resampling floor (0.0198)"));
    assert!(
        theory(0.0293, 0.025, 0.035)
            .contains("exceeds the resampling floor (0.0198) by 0.00950 [0.00520, 0.0152]")
    );
    let mut unknown = with(&[("pf_ode", 0.3, 0.28, 0.32), ("theory_finite-p", 0.02, 0.01, 0.03)], 0.1);
    for to in unknown.distances.values_mut() {
        to.get_mut("ensemble").unwrap().get_mut("w1").unwrap().floor = None;
    }
    assert!(answer(&unknown)[0].contains("no known resampling floor"));
}

#[test]
fn identities_without_intervals_nothing_is_claimed() {
    let mut record = with(&[("pf_ode", 0.3, 0.3, 0.3), ("theory_finite-p", 0.02, 0.02, 0.02)], 0.03);
    for to in record.distances.values_mut() {
        let e = to.get_mut("ensemble").unwrap().get_mut("w1").unwrap();
        (e.lo, e.hi) = (None, None);
    }
    record.levels.insert("ensemble".into(), LevelRecord { models: 3, ..LevelRecord::default() });
    let text = answer(&record).join(" ");
    assert!(text.contains("no interval: 3 members are too few, so neither is said to be nearer"), "{text}");
    assert!(!text.contains("explains") && !text.contains('['), "{text}");
    assert!(terminal_table(&record).contains("no interval: 3 members are too few"));
    let (_dir, html) = rendered(&Saved { record, ..Saved::default() });
    assert!(html.contains("no interval: 3 members are too few") && html.contains("0.0200"));
}

#[test]
fn identities_a_learned_distribution_far_from_its_data_is_said_first() {
    let level = |variance: f64, nearest: f64, mean: f64| LevelRecord {
        samples: 100,
        models: 10,
        total_variance: Some(interval(variance, 0.05 * variance)),
        nearest_distance: Some(interval(nearest, 0.05 * nearest)),
        mean: vec![mean],
        ..LevelRecord::default()
    };
    let said = |learned: LevelRecord| {
        let mut record = with(&[("pf_ode", 0.3, 0.28, 0.32), ("theory_finite-p", 0.02, 0.01, 0.03)], 0.1);
        record.levels = [("data".to_owned(), level(3.2, 0.1, 0.0)), ("ensemble".to_owned(), learned)].into();
        answer(&record).remove(0)
    };
    let far = "The trained models are far from their data";
    let collapsed = said(level(0.096, 0.1, 0.0));
    assert!(collapsed.starts_with(far) && collapsed.contains("total variance is 0.0960"), "{collapsed}");
    assert!(said(level(7.0, 0.2, 0.0)).starts_with(far));
    assert!(said(level(3.2, 2.0, 0.0)).contains("from the nearest datum"));
    assert!(said(level(3.2, 0.3, 2.0)).contains("their mean is 2.00 away"));
    assert!(said(level(f64::NAN, 0.3, 0.0)).starts_with(far));
    // Within a factor of two, or not beyond it for certain: nothing.
    for fine in [level(2.0, 0.3, 0.5), level(6.3, 0.3, 0.0), level(6.6, 1.85, 0.0)] {
        assert!(said(fine.clone()).starts_with("Of the distance"), "{fine:?}");
    }
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

fn with_gaps(record: &mut Record, gaps: &[(&str, f64)]) {
    for (level, gap) in gaps {
        let mass_near = [0.34, 0.3, 0.33].map(|m| interval(m * (1.0 - gap), 0.01)).to_vec();
        let summary =
            LevelRecord { gap_mass: Some(interval(*gap, 0.002)), mass_near, ..LevelRecord::default() };
        record.levels.insert((*level).into(), summary);
    }
}

#[test]
fn identities_the_main_theory_is_no_illustration_where_there_is_a_closure() {
    let illustrations =
        ["naive", "white", "matched-white", "damped", "fokker-planck", "linear-noise", "semiclassical"];
    let far = |name: &str| (format!("theory_{name}"), 0.001);
    for closure in ["shot-noise", "finite-p", "leading", "paper", "a-new-one"] {
        let mut all: Vec<(String, f64)> = illustrations.iter().map(|i| far(i)).collect();
        all.push((format!("theory_{closure}"), 0.3));
        let rows: Vec<_> = all.iter().map(|(l, v)| (l.as_str(), *v, 0.9 * v, 1.1 * v)).collect();
        let text = answer(&with(&rows, 1e-4)).join(" ");
        assert!(text.contains(&format!("({closure})")) && !text.contains("Closer than"), "{text}");
    }
    let alone = answer(&with(&[("theory_naive", 0.1, 0.09, 0.11)], 1e-4)).join(" ");
    assert!(alone.contains("(naive)") && alone.contains("predicts no trained model"), "{alone}");
}

#[test]
fn identities_white_noise_is_said_to_empty_gaps_only_where_it_does() {
    let base = with(&[("theory_finite-p", 0.01, 0.009, 0.012)], 0.002);
    let said = |gaps: &[(&str, f64)]| {
        let mut record = base.clone();
        with_gaps(&mut record, gaps);
        answer(&record).join(" ")
    };
    let emptied = said(&[("theory_naive", 0.005), ("pf_ode", 0.039)]);
    assert!(emptied.contains("0.00500 [0.00300, 0.00700]") && emptied.contains("expelled"), "{emptied}");
    assert!(emptied.contains("mass near each datum: 0.338, 0.298, 0.328"), "{emptied}");
    assert!(said(&[("theory_naive", 0.039), ("pf_ode", 0.038)]).contains("no expulsion"));
    assert!(!said(&[("pf_ode", 0.039)]).contains("White noise"));
    let coloured = said(&[
        ("theory_white", 0.01),
        ("theory_damped", 0.05),
        ("theory_finite-p", 0.1),
        ("ensemble", 0.11),
    ]);
    for part in ["0.0100 [0.00800", "0.0500 [", "0.100 [", "0.110 [", "more mass into the gaps"] {
        assert!(coloured.contains(part), "{coloured}");
    }
    let neither = said(&[("theory_white", 0.099), ("theory_finite-p", 0.1)]);
    assert!(neither.contains("is not shown to matter"), "{neither}");
}

#[test]
fn identities_the_closure_is_doubted_where_load_or_levels_say_so() {
    let cumulant = |mean: f64| Cumulant {
        mean,
        median_abs: 0.5,
        max_abs: 9.0,
        standard_error: 0.11,
        share_beyond_two_se: 0.4,
    };
    let levels = [("theory_finite-p", 0.08, 0.07, 0.09), ("gaussian_empirical", 0.1, 0.09, 0.11)];
    let mut record = with(&levels, 0.002);
    let said = |record: &Record| answer(record).join(" ");
    assert!(!said(&record).contains("kurtosis"));
    record.gaussianity = Some(GaussianityRecord {
        models: 2000,
        probes: 96,
        skewness: cumulant(-0.043),
        excess_kurtosis: cumulant(13.2),
    });
    let text = said(&record);
    assert!(text.contains("still misses the ensemble") && text.contains("kurtosis 13.2 (0.110)"), "{text}");
    assert!(text.contains("not Gaussian, their tails are heavier"), "{text}");
    record.load = Some(1.0);
    assert!(said(&record).contains("With F/P = 1.00"));
    record.distances.remove("gaussian_empirical");
    record.load = Some(0.25);
    assert!(!said(&record).contains("kurtosis"));
}

#[test]
fn identities_shares_of_the_variance_are_measured_ones() {
    let mut record = with(&[("theory_finite-p", 0.01, 0.009, 0.012)], 0.002);
    for (source, measured, predicted) in
        [("label-noise", 0.6, 0.51), ("placement", 0.4, 0.3), ("total", 1.0, 0.8)]
    {
        let predicted = [("finite-p".to_owned(), predicted)].into();
        let measured = Some(interval(measured, 0.01));
        record.variance_sources.insert(source.into(), VarianceSource { measured, predicted });
    }
    let text = answer(&record).join(" ");
    assert!(text.contains("60 % comes from the noise of the labels"), "{text}");
    assert!(
        text.contains("(finite-p predicts 64 %)") && text.contains("40 % from where the inputs fall"),
        "{text}"
    );
    record.variance_sources.remove("total");
    assert!(!answer(&record).join(" ").contains("noise of the labels"));
}

#[test]
fn identities_the_chain_starts_at_the_points_where_they_are_compared() {
    let mut saved = synthetic::one_dimension();
    let smoothing = [("w1".to_owned(), interval(0.0117, 0.0005))].into();
    saved.record.distances.entry("points".into()).or_default().insert("data".into(), smoothing);
    let (_dir, html) = rendered(&saved);
    assert!(html.contains("smoothing of the data by the forward noise") && html.contains("0.0117"));
    assert!(html.contains("points → smoothed"), "the row of the figure");
}
