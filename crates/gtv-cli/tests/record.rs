//! Claims about saved records: what is written is what is read, and damage is named.

use std::path::Path;

use gtv_cli::record::{Arrays, Estimate, LevelRecord, Record, Saved, VarianceSource};

fn saved() -> Saved {
    let mut record = Record { seed: 7, ..Record::default() };
    record.config = serde_json::json!({"model": {"samples": 256}});
    record.dimension = 1;
    let estimate = Estimate { value: 0.1 + 0.2, lo: Some(1e-300), hi: Some(f64::NAN), floor: Some(0.002) };
    let metrics = [("w1".to_owned(), estimate)].into();
    record.distances.insert("pf_ode".into(), [("ensemble".to_owned(), metrics)].into());
    let interval = Estimate { lo: Some(0.2), hi: Some(0.4), ..0.3.into() };
    record.levels.insert(
        "ensemble".into(),
        LevelRecord {
            memorized_fraction: Some(interval),
            gap_mass: Some(interval),
            mean: vec![0.5],
            ..LevelRecord::default()
        },
    );
    let mut arrays = Arrays::default();
    arrays.insert("x_edges", vec![-1.0, 0.0, 1.0 / 3.0]);
    arrays.insert_shaped("ensemble_density", &[2, 2], vec![1.0, f64::NAN, -0.0, f64::MIN_POSITIVE]).unwrap();
    Saved { record, arrays, config_toml: "seed = 7\n".into() }
}

fn message(error: anyhow::Error) -> String {
    format!("{error:#}")
}

#[test]
fn identities_a_saved_record_reads_back_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let before = saved();
    before.write(dir.path()).unwrap();
    std::fs::write(dir.path().join("config.toml"), &before.config_toml).unwrap();
    let after = Saved::read(dir.path()).unwrap();
    assert_eq!(after.config_toml, before.config_toml);
    let estimate = after.record.distance("ensemble", "pf_ode", "w1").unwrap();
    assert_eq!((estimate.value, estimate.lo, estimate.floor), (0.1 + 0.2, Some(1e-300), Some(0.002)));
    assert_eq!(estimate.hi, None, "an end that is no number is null in JSON and no end");
    assert_eq!(after.record.levels, before.record.levels);
    for name in before.arrays.names() {
        let (a, b) = (before.arrays.get(name).unwrap(), after.arrays.get(name).unwrap());
        assert_eq!(a.shape(), b.shape());
        assert!(a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()), "{name}");
    }
    assert_eq!(after.arrays.names().count(), before.arrays.names().count());
}

#[test]
fn identities_writing_twice_gives_the_same_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    saved().write(one.path()).unwrap();
    saved().write(two.path()).unwrap();
    for file in ["summary.json", "arrays.npz"] {
        assert_eq!(
            std::fs::read(one.path().join(file)).unwrap(),
            std::fs::read(two.path().join(file)).unwrap()
        );
    }
}

#[test]
fn identities_errors_name_the_file_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("nowhere")] {
        let error = message(Saved::read(&path).unwrap_err());
        assert!(error.contains("summary.json") && error.contains("gtv-cli compare CONFIG"), "{error}");
    }
    saved().write(dir.path()).unwrap();
    let error = message(Saved::read(dir.path()).unwrap_err());
    assert!(error.contains("config.toml: no such file"), "{error}");
    std::fs::write(dir.path().join("config.toml"), "").unwrap();
    std::fs::write(dir.path().join("arrays.npz"), b"not a zip").unwrap();
    let error = message(Saved::read(dir.path()).unwrap_err());
    assert!(error.contains("arrays.npz: not a readable npz"), "{error}");
    std::fs::remove_file(dir.path().join("arrays.npz")).unwrap();
    let error = message(Saved::read(dir.path()).unwrap_err());
    assert!(error.contains("arrays.npz: no such file"), "{error}");

    for (text, part) in [
        ("{", "not valid JSON"),
        ("{}", "no `schema`"),
        ("{\"schema\": 99}", "schema 99"),
        ("{\"schema\": 1, \"version\": \"0\"}", "seed"),
    ] {
        let error = gtv_cli::record::from_json(text, Path::new("summary.json")).unwrap_err().to_string();
        assert!(error.contains("summary.json") && error.contains(part), "{error}");
    }
}

#[test]
fn identities_numbers_that_are_not_finite_come_back_as_nan() {
    let mut record = Record::default();
    let nan = f64::NAN;
    record.levels.insert(
        "ensemble".into(),
        LevelRecord { mean: vec![1.0, nan], covariance: vec![nan, f64::INFINITY], ..LevelRecord::default() },
    );
    record.quadrature.insert("mean".into(), nan);
    record.timing.extend([("theory".to_owned(), nan), ("training".to_owned(), 2.5)]);
    let measured = Some(Estimate { lo: Some(nan), hi: None, ..nan.into() });
    let predicted = [("paper".to_owned(), nan), ("leading".to_owned(), 0.1)].into();
    record.variance_sources.insert("total".into(), VarianceSource { measured, predicted });
    let back =
        gtv_cli::record::from_json(&gtv_cli::record::to_json(&record).unwrap(), Path::new("summary.json"))
            .unwrap();
    let level = &back.levels["ensemble"];
    assert_eq!((level.mean[0], level.mean.len(), level.covariance.len()), (1.0, 2, 2));
    assert!(level.mean[1].is_nan() && level.covariance.iter().all(|v| v.is_nan()));
    assert!(back.quadrature["mean"].is_nan() && back.timing["theory"].is_nan());
    assert_eq!(back.timing["training"], 2.5);
    let total = &back.variance_sources["total"];
    assert!(total.measured.unwrap().value.is_nan() && total.predicted["paper"].is_nan());
    assert_eq!(total.predicted["leading"], 0.1);
    assert_eq!(gtv_cli::record::to_json(&back).unwrap(), gtv_cli::record::to_json(&record).unwrap());
}

/// docs/files.md.
fn page() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/files.md")
}

#[test]
fn identities_the_page_of_files_is_made_from_the_table() {
    assert!(
        std::fs::read_to_string(page()).unwrap_or_default() == gtv_cli::record::files_page(),
        "docs/files.md is stale; write it again: cargo test --release -p gtv-cli --test record -- --ignored write_the_page"
    );
}

#[test]
#[ignore = "it writes docs/files.md"]
fn write_the_page() {
    std::fs::write(page(), gtv_cli::record::files_page()).unwrap();
}
