//! Figure 2 as published, against the paper's own code (tests/golden/fig2.npz: 500 models × 20,000 samples).

use gtv_models::LinearTrainer;
use gtv_study::paper_figures::{Fig2, Fig2Panel, Fig2Spec, Mode, pull_back};
use gtv_theory::compare::{Axis, Histogram, Normalisation};
use gtv_theory::dynamics::{Form, Integrator, PfOde, Sampling, unobserved};
use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::rng::Streams;
use gtv_theory::{Features, Objective, PointCloud, Schedule, TimeGrid, TrainingProblem};
use ndarray::Array1;
use ndarray_npy::NpzReader;
use std::fs::File;
use std::ops::ControlFlow;

/// Models on the reference's side, and on ours.
const MODELS: usize = 500;
/// Paths of the reference's PF-ODE curves, and of ours.
const PF_ODE_PATHS: usize = 1_000_000;

struct Golden(NpzReader<File>);

impl Golden {
    fn open() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/fig2.npz");
        Self(NpzReader::new(File::open(path).unwrap()).unwrap())
    }

    fn array(&mut self, key: &str) -> Vec<f64> {
        let array: Array1<f64> = self.0.by_name(key).unwrap();
        array.to_vec()
    }
}

fn compute(spec: &Fig2Spec) -> Fig2 {
    Fig2::compute(spec, Streams::new(5), &|_, _| ControlFlow::Continue(())).unwrap()
}

/// |a − b| in combined standard errors; 0 where both vanish.
fn deviation(a: f64, b: f64, error: f64) -> f64 {
    if a == b { 0.0 } else { (a - b).abs() / error }
}

fn check_panel(panel: &Fig2Panel, x: &[f64], golden: &mut Golden) {
    let key = panel.key();
    let mut read = |name: &str| golden.array(&format!("{key}/{name}"));
    // A model's density is a histogram of its paths, so the spread between models holds the sampling error too.
    let (average, std, inside) = (read("avg"), read("std"), read("inside")[0]);
    let deviations: Vec<f64> = (0..x.len())
        .map(|i| {
            let error = ((std[i].powi(2) + panel.std[i].powi(2)) / MODELS as f64).sqrt();
            deviation(panel.average[i], average[i], error)
        })
        .collect();
    let within = deviations.iter().filter(|d| **d < 4.0).count() as f64 / x.len() as f64;
    let mean = deviations.iter().sum::<f64>() / x.len() as f64;
    println!("{key}: {:.1} % within 4 standard errors, mean |z| {mean:.2}", 100.0 * within);
    assert!(within >= 0.95, "{key}: only {within} of the grid within 4 standard errors");
    // For a right answer E|z| = √(2/π) = 0.80. Neighbouring bins share models, which widens its scatter.
    assert!(mean < 1.5, "{key}: mean deviation {mean} standard errors");

    // Quartiles, without assumptions on their law: the level of a sample quantile has standard deviation
    // √(p(1−p)/N) on either side, so theirs must lie between ours at p ± 4 √2 √(p(1−p)/N) (which is ± 0.11).
    let spread = 4.0 * (2.0 * 0.25 * 0.75 / MODELS as f64).sqrt();
    let width = x[1] - x[0];
    for (name, p) in [("q25", 0.25), ("q75", 0.75)] {
        let theirs = read(name);
        let close = (0..x.len()).filter(|&i| {
            let mut column: Vec<f64> = panel.members.iter().skip(i).step_by(x.len()).copied().collect();
            column.sort_by(f64::total_cmp);
            let at = |level: f64| column[(level * MODELS as f64) as usize];
            // Densities are multiples of one path's weight, 1/(20,000 · width) over the share inside.
            let grain = 1.0 / (20_000.0 * width * inside);
            at(p - spread) - grain <= theirs[i] && theirs[i] <= at(p + spread) + grain
        });
        let close = close.count() as f64 / x.len() as f64;
        assert!(close >= 0.95, "{key}: {name} agrees on {close} of the grid only");
    }

    let error = (2.0 * panel.inside_std.powi(2) / MODELS as f64).sqrt();
    assert!((panel.inside - inside).abs() < 4.0 * error, "{key}: inside {} {inside}", panel.inside);

    // Counts: Poisson on both sides; one is added so that an empty bin next to a full one has an error at all.
    let pf_ode = read("pfode");
    let scale = PF_ODE_PATHS as f64 * width;
    for i in 0..x.len() {
        let (ours, theirs) = (panel.pf_ode[i] * scale, pf_ode[i] * scale);
        let error = (ours + theirs + 1.0).sqrt();
        assert!((ours - theirs).abs() < 5.0 * error, "{key}: pf-ode at {}: {ours} {theirs}", x[i]);
    }
}

#[test]
fn golden_published_figure_agrees_at_every_condition() {
    let spec = Fig2Spec {
        members: MODELS,
        paths: 20_000,
        pf_ode_paths: PF_ODE_PATHS,
        t_min: vec![0.001, 0.01],
        ..Fig2Spec::default()
    };
    let figure = compute(&spec);
    let mut golden = Golden::open();
    for (ours, theirs) in figure.x.iter().zip(golden.array("x")) {
        assert!((ours - theirs).abs() < 1e-14);
    }
    assert_eq!(figure.panels.len(), 10);
    for panel in &figure.panels {
        check_panel(panel, &figure.x, &mut golden);
    }
}

/// The figure's model at ε = 0.01, P = 256.
fn trainer() -> LinearTrainer {
    let axis = |lo, hi| AxisBasis::Gaussian { lo, hi, len: 16 };
    let features = Features::Separable(Separable::uniform(1, axis(-1.5, 1.5), axis(0.01, 1.0)).unwrap());
    let cloud = PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
    let (schedule, objective) = (Schedule::paper(0.01).unwrap(), Objective::default());
    let problem = TrainingProblem::new(cloud, schedule, objective, 256, Streams::new(5)).unwrap();
    LinearTrainer::new(problem, features, 0.1).unwrap()
}

#[test]
fn convergence_pulled_back_bins_of_trained_models() {
    // The step count of the corrected figure against four times as many, in total variation over the window's bins.
    // Member 2 is a stiff one, which 100 steps get wrong altogether.
    let edges = Axis::centred_on(-1.5, 1.5, 200).unwrap().edges();
    let trainer = trainer();
    for member in 0..3 {
        let field = trainer.train(Streams::new(5), member).unwrap();
        let (figure, reference) =
            (pull_back(&field, &edges, 300).unwrap(), pull_back(&field, &edges, 1200).unwrap());
        let distance: f64 = figure.iter().zip(&reference).map(|(a, b)| 0.5 * (a - b).abs()).sum();
        assert!(distance < 1e-3, "member {member}: {distance}");
    }
}

#[test]
fn monte_carlo_corrected_densities_are_those_of_accurately_integrated_paths() {
    let spec = Fig2Spec {
        mode: Mode::Corrected,
        members: 2,
        t_min: vec![0.01],
        samples: vec![256],
        ..Fig2Spec::default()
    };
    let figure = compute(&spec);
    let (panel, width) = (&figure.panels[0], figure.x[1] - figure.x[0]);
    for curve in [&panel.average, &panel.pf_ode] {
        assert!((curve.iter().sum::<f64>() * width - 1.0).abs() < 1e-12);
    }
    let settings = Sampling { integrator: Integrator::Rk4, form: Form::Denoiser, ..Sampling::default() };
    let settings = Sampling { grid: TimeGrid::LogSnr, steps: 300, ..settings };
    let (trainer, paths) = (trainer(), 4000);
    for (member, density) in panel.members.chunks_exact(200).enumerate() {
        let field = trainer.train(Streams::new(5), member as u64).unwrap();
        let samples = PfOde::new(&field, &settings).unwrap().sample(paths, Streams::new(6), 0, &unobserved);
        let histogram = Histogram::count(&[Axis::centred_on(-1.5, 1.5, 200).unwrap()], &samples.x).unwrap();
        assert!((panel.inside - 1.0).abs() < 1e-3 && histogram.inside_share() > 0.999);
        let kept = paths as f64 * histogram.inside_share();
        for (i, (a, b)) in density.iter().zip(histogram.density(Normalisation::Inside)).enumerate() {
            let expected = a * width * kept;
            let deviation = (b * width * kept - expected).abs();
            assert!(deviation < 5.0 * (expected + 1.0).sqrt(), "member {member}, bin {i}: {a} {b}");
        }
    }
}

#[test]
fn identities_results_do_not_depend_on_threads() {
    for mode in [Mode::Published, Mode::Corrected] {
        let spec = Fig2Spec {
            mode,
            members: 5,
            paths: 3000,
            pf_ode_paths: 5000,
            t_min: vec![0.01, 0.001],
            samples: vec![64, 256],
        };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| compute(&spec))
        };
        assert_eq!(run(1), run(3));
    }
}
