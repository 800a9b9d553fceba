//! Figure 3 as published, against the paper's own code (tests/golden/fig3.npz: 100 models × 40,000 samples).

use gtv_study::paper_figures::{Fig3, Fig3Panel, Fig3Spec, Mode};
use gtv_theory::rng::Streams;
use ndarray::{Array0, Array2};
use ndarray_npy::NpzReader;
use std::fs::File;
use std::ops::ControlFlow;

fn compute(spec: &Fig3Spec) -> Fig3 {
    Fig3::compute(spec, Streams::new(3), &|_, _| ControlFlow::Continue(())).unwrap()
}

const BINS: usize = 60;

/// Variance between models in each bin, averaged over its neighbourhood of 5 × 5 bins and the four quarter turns
/// under which the data and either kind of features, so the law of a model, are symmetric.
///
/// Far from the data a bin's variance is carried by a few outlying models, of which 100 hold one or none.
fn pooled_variance(std: &[f64]) -> Vec<f64> {
    let mut out = Vec::with_capacity(BINS * BINS);
    for i in 0..BINS {
        for j in 0..BINS {
            let (mut sum, mut count) = (0.0, 0.0);
            for a in i.saturating_sub(2)..(i + 3).min(BINS) {
                for b in j.saturating_sub(2)..(j + 3).min(BINS) {
                    let (ra, rb) = (BINS - 1 - a, BINS - 1 - b);
                    for (x, y) in [(a, b), (rb, a), (ra, rb), (b, ra)] {
                        sum += std[x * BINS + y].powi(2);
                        count += 1.0;
                    }
                }
            }
            out.push(sum / count);
        }
    }
    out
}

fn check_panel(panel: &Fig3Panel, spec: &Fig3Spec, golden: &mut NpzReader<File>) {
    let key = panel.key();
    let density: Array2<f64> = golden.by_name(&format!("{key}/density")).unwrap();
    let inside: Array0<f64> = golden.by_name(&format!("{key}/inside")).unwrap();
    // Both sides have the same numbers of models and paths, so the same standard error std/√N, sampling included.
    let models = spec.members as f64;
    let variance = pooled_variance(&panel.std);
    let deviations: Vec<f64> = (density.iter().zip(&panel.density).zip(&variance))
        .map(
            |((theirs, ours), variance)| {
                if theirs == ours { 0.0 } else { (theirs - ours).abs() / (2.0 * variance / models).sqrt() }
            },
        )
        .collect();
    let within = deviations.iter().filter(|d| **d < 4.0).count() as f64 / deviations.len() as f64;
    // Weighted by density, so that the empty corners do not dilute it; √(2/π) = 0.80 for a right answer.
    let mass: f64 = panel.density.iter().sum();
    let pairs = deviations.iter().zip(&panel.density).filter(|(_, d)| **d > 0.0);
    let mean = pairs.map(|(z, d)| z * d).sum::<f64>() / mass;
    println!(
        "{key}: {:.1} % within 4 standard errors, weighted mean |z| {mean:.2}, inside {} {inside}",
        100.0 * within,
        panel.inside
    );
    assert!(within >= 0.95, "{key}: only {within} of the bins within 4 standard errors");
    assert!(mean < 1.5, "{key}: mean deviation {mean} standard errors");
    // Shares of models lie in [0, 1]; their spread is at most that of the share missing, as if whole models left.
    let missing = 1.0 - inside.sum();
    let error = (2.0 * missing.max(1e-4) / models).sqrt();
    assert!((panel.inside - inside.sum()).abs() < 4.0 * error, "{key}: inside {} {inside}", panel.inside);
}

#[test]
fn golden_published_figure_agrees_in_every_panel() {
    let spec = Fig3Spec::default();
    let figure = compute(&spec);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/fig3.npz");
    let mut golden = NpzReader::new(File::open(path).unwrap()).unwrap();
    assert_eq!(figure.panels.len(), 6);
    for panel in &figure.panels {
        check_panel(panel, &spec, &mut golden);
    }
}

#[test]
fn identities_densities_and_drawn_columns_are_normalised() {
    for mode in [Mode::Published, Mode::Corrected] {
        let figure = compute(&Fig3Spec { members: 3, paths: 500, ..Fig3Spec::new(mode) });
        for panel in &figure.panels {
            let cell = 0.05 * 0.05;
            assert!((panel.density.iter().sum::<f64>() * cell - panel.inside).abs() < 1e-9);
            assert_eq!(panel.drawn(Mode::Corrected), panel.density);
            for column in panel.drawn(Mode::Published).chunks_exact(60) {
                let mass = column.iter().sum::<f64>() * 0.05;
                assert!(mass == 0.0 || (mass - 1.0).abs() < 1e-9, "{mass}");
            }
        }
    }
}

#[test]
fn identities_results_do_not_depend_on_threads() {
    for mode in [Mode::Published, Mode::Corrected] {
        let spec = Fig3Spec { members: 2, paths: 1500, samples: 200, ..Fig3Spec::new(mode) };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| compute(&spec))
        };
        assert_eq!(run(1), run(3));
    }
}
