//! Built-in data sets and Gaussian mixtures: shapes, refusals, config round trips.

use gtv_theory::data::{BuiltIn, ComponentCov, GaussianMixture, MixtureComponent, Placement};
use gtv_theory::error::Error;
use gtv_theory::rng::{Purpose, Streams};

fn build(set: &BuiltIn) -> Vec<f64> {
    set.build(&Streams::new(1)).unwrap().points().to_vec()
}

#[test]
fn identities_of_the_fixed_sets() {
    assert_eq!(build(&BuiltIn::ThreePoints {}), [-1.0, 0.0, 1.0]);
    let square = build(&BuiltIn::Square { angle: std::f64::consts::FRAC_PI_4 });
    for (i, p) in square.chunks(2).enumerate() {
        let phi = (i as f64 + 0.5) * std::f64::consts::FRAC_PI_2;
        assert!((p[0] - phi.cos()).abs() < 1e-15 && (p[1] - phi.sin()).abs() < 1e-15);
    }
    let grid = build(&BuiltIn::Grid { dim: 3, count: 2, range: [-1.0, 2.0] });
    assert_eq!(grid.len(), 24);
    assert_eq!(&grid[..6], [-1.0, -1.0, -1.0, -1.0, -1.0, 2.0]);
}

#[test]
fn identities_circles_and_planes_are_flat_and_centred() {
    for dim in [2, 3, 7] {
        let offset: Vec<f64> = (0..dim).map(|d| d as f64).collect();
        let circle = build(&BuiltIn::Circle { dim, count: 9, radius: 0.5, offset: offset.clone() });
        for p in circle.chunks(dim) {
            let r2: f64 = p.iter().zip(&offset).map(|(a, b)| (a - b).powi(2)).sum();
            assert!((r2 - 0.25).abs() < 1e-13);
        }
        for placement in [Placement::Random, Placement::Grid] {
            let plane =
                build(&BuiltIn::Plane { dim, count: 16, radius: 2.0, offset: offset.clone(), placement });
            // In the plane, coordinates of equal parity differ from the centre by the same amount.
            for p in plane.chunks(dim) {
                for d in 2..dim {
                    let (a, b) = (p[d] - offset[d], p[d - 2] - offset[d - 2]);
                    assert!((a - b).abs() < 1e-13);
                }
            }
        }
    }
    let segment = build(&BuiltIn::Segment { dim: 2, count: 3, start: vec![0.0, 1.0], end: vec![2.0, 5.0] });
    assert_eq!(segment, [0.0, 1.0, 1.0, 3.0, 2.0, 5.0]);
}

#[test]
fn bad_settings_are_refused_by_name() {
    let refused = |set: BuiltIn| set.build(&Streams::new(0)).unwrap_err().to_string();
    let plane = |dim, count, placement| BuiltIn::Plane { dim, count, radius: 1.0, offset: vec![], placement };
    assert!(refused(plane(1, 4, Placement::Grid)).contains("dim"));
    assert!(refused(plane(2, 5, Placement::Grid)).contains("square number"));
    assert!(refused(plane(2, 0, Placement::Random)).contains("count"));
    assert!(refused(BuiltIn::Grid { dim: 100, count: 100, range: [0.0, 1.0] }).contains("limit"));
    assert!(refused(BuiltIn::Square { angle: f64::NAN }).contains("angle"));
    let offset = vec![0.0; 3];
    assert!(refused(BuiltIn::Circle { dim: 2, count: 4, radius: 1.0, offset }).contains("offset"));
}

fn component(mean: &[f64], cov: ComponentCov, weight: f64) -> MixtureComponent {
    MixtureComponent { mean: mean.to_vec(), cov, weight }
}

#[test]
fn bad_mixtures_are_refused() {
    let full = |rows: [[f64; 2]; 2]| ComponentCov::Full(rows.iter().map(|r| r.to_vec()).collect());
    let new = |c: MixtureComponent| GaussianMixture::new(&[c]);
    assert!(matches!(GaussianMixture::new(&[]), Err(Error::Empty { .. })));
    let indefinite = new(component(&[0.0; 2], full([[1.0, 2.0], [2.0, 1.0]]), 1.0));
    assert!(matches!(indefinite, Err(Error::NotPositiveDefinite { .. })));
    let asymmetric = new(component(&[0.0; 2], full([[1.0, 0.5], [0.0, 1.0]]), 1.0));
    assert!(matches!(asymmetric, Err(Error::NotPositiveDefinite { .. })));
    assert!(new(component(&[0.0; 2], ComponentCov::Isotropic(-1.0), 1.0)).is_err());
    assert!(matches!(new(component(&[0.0], ComponentCov::Isotropic(1.0), -1.0)), Err(Error::Weights { .. })));
    assert!(new(component(&[0.0; 2], full([[1.0, 1.0], [1.0, 1.0]]), 1.0)).is_ok(), "singular is fine");
}

#[test]
fn monte_carlo_mixture_samples_have_the_mixture_moments() {
    let cov = [[2.0, 0.6], [0.6, 0.5]];
    let mixture = GaussianMixture::new(&[
        component(&[1.0, -2.0], ComponentCov::Full(cov.iter().map(|r| r.to_vec()).collect()), 3.0),
        component(&[-3.0, 2.0], ComponentCov::Isotropic(0.25), 1.0),
    ])
    .unwrap();
    let n = 40_000;
    let mut x = vec![0.0; 2 * n];
    mixture.sample_into(&mut Streams::new(5).stream(Purpose::Data, 0, 0), &mut x);
    let (mut first, mut count) = ([0.0; 5], 0.0);
    for p in x.chunks(2).filter(|p| p[0] - p[1] > -0.5) {
        count += 1.0;
        let (a, b) = (p[0] - 1.0, p[1] + 2.0);
        for (acc, v) in first.iter_mut().zip([a, b, a * a, a * b, b * b]) {
            *acc += v;
        }
    }
    // The cut is more than 3σ from either component, so it separates them up to a share below 0.002; 4 standard
    // errors of each moment (var of a product of Gaussians: σ_a²σ_b² + cov²) plus that share.
    assert!((count / n as f64 - 0.75).abs() < 4.0 * (0.1875 / n as f64).sqrt() + 0.002);
    let expected = [0.0, 0.0, 2.0, 0.6, 0.5];
    let variance = [2.0, 0.5, 8.0, 1.36, 0.5];
    for ((sum, e), v) in first.iter().zip(expected).zip(variance) {
        let v: f64 = v;
        assert!((sum / count - e).abs() < 4.0 * (v / count).sqrt() + 0.02, "{} {e}", sum / count);
    }
}
