//! Claims about the tabulated sampler.

use super::super::{Form, PfOde, Sampling, unobserved};
use super::*;
use crate::schedule::TimeGrid;

/// A smooth stand-in for a learned denoiser, one that mixes its coordinates.
struct Smooth {
    dim: usize,
    schedule: Schedule,
}

impl ScoreField for Smooth {
    fn dim(&self) -> usize {
        self.dim
    }
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }
    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.denoiser_into(x, t, out);
        let (signal, var) = (self.schedule.signal(t), self.schedule.noise_var(t));
        out.iter_mut().zip(x).for_each(|(o, x)| *o = (signal * *o - x) / var);
    }
    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        for (x, o) in x.chunks_exact(self.dim).zip(out.chunks_exact_mut(self.dim)) {
            for (k, o) in o.iter_mut().enumerate() {
                *o = (1.0 - t) * (1.3 * x[k]).tanh() + 0.2 * x[(k + 1) % x.len()].sin();
            }
        }
    }
}

fn smooth(dim: usize) -> Smooth {
    Smooth { dim, schedule: Schedule::paper(0.01).unwrap() }
}

fn starts(len: usize) -> Vec<f64> {
    (0..len).map(|i| 2.5 * (i as f64 * 0.7391).sin()).collect()
}

/// The published step, with the index searched.
fn plain(field: &Smooth, times: &[f64], grid: LookupGrid, x: &mut [f64]) {
    let points = grid.points();
    let nearest = |x: f64| points[points.iter().filter(|p| **p < x).count().min(grid.len - 1)];
    let s = field.schedule;
    for pair in times.windows(2) {
        let t = pair[0];
        for row in x.chunks_exact_mut(field.dim) {
            let at: Vec<f64> = row.iter().map(|x| nearest(*x)).collect();
            let mut m = vec![0.0; field.dim];
            field.denoiser_into(&at, t, &mut m);
            for (x, m) in row.iter_mut().zip(m) {
                let score = (s.signal(t) * m - *x) / s.noise_var(t);
                *x -= (pair[1] - t) * (s.drift_rate(t) * *x + s.diffusion(t) * score);
            }
        }
    }
}

#[test]
fn oracle_steps_are_the_published_ones() {
    for dim in [1, 2] {
        let field = smooth(dim);
        let times = field.schedule.grid(TimeGrid::Uniform, 30).unwrap();
        let grid = LookupGrid { len: 41, ..Default::default() };
        let lookup = Lookup::of_field(&field, &times, grid).unwrap();
        // 150 rows: whole groups of lanes and a rest.
        let mut fast = starts(150 * dim);
        let mut slow = fast.clone();
        lookup.transport(&mut fast);
        plain(&field, &times, grid, &mut slow);
        // A state within rounding of a grid point may fall on either side; none of these does.
        for (f, s) in fast.iter().zip(&slow) {
            assert!((f - s).abs() < 1e-11, "D = {dim}: {f} {s}");
        }
    }
}

#[test]
fn identities_every_instruction_set_gives_the_same_bits() {
    let field = smooth(1);
    let times = field.schedule.grid(TimeGrid::Uniform, 30).unwrap();
    let mut lookup = Lookup::of_field(&field, &times, LookupGrid::default()).unwrap();
    let mut best = starts(5000);
    best.extend([f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e300, -1e300, 0.0, -0.0]);
    let mut base = best.clone();
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        let mut middle = best.clone();
        lookup.isa = Isa::Avx2;
        lookup.transport(&mut middle);
        lookup.isa = Isa::detect();
        lookup.transport(&mut best);
        assert!(middle.iter().zip(&best).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
    lookup.isa = Isa::Baseline;
    lookup.transport(&mut base);
    #[cfg(target_arch = "x86_64")]
    assert!(base.iter().zip(&best).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert!(base[..5000].iter().all(|x| x.is_finite()));
}

#[test]
fn limits_a_fine_grid_is_the_exact_euler_sampler() {
    // The looked-up point is at most h away, so the paths differ by O(h): halving h twice must show slope 1.
    let field = smooth(1);
    let settings = Sampling { form: Form::Time, ..Sampling::default() };
    let exact = PfOde::new(&field, &settings).unwrap().sample(3000, Streams::new(4), 2, &unobserved);
    let times = settings.times(&field.schedule).unwrap();
    let error = |len: usize| {
        let grid = LookupGrid { lo: -6.0, hi: 6.0, len };
        let lookup = Lookup::of_field(&field, &times, grid).unwrap();
        let x = lookup.sample(3000, Streams::new(4), 2, &unobserved).x;
        assert_eq!(x.len(), exact.x.len());
        x.iter().zip(&exact.x).map(|(a, b)| (a - b).abs()).sum::<f64>() / x.len() as f64
    };
    let (coarse, fine) = (error(2001), error(8001));
    let slope = (coarse / fine).log2() / 2.0;
    assert!((slope - 1.0).abs() < 0.05, "slope {slope} from {coarse} and {fine}");
}

#[test]
fn identities_batches_and_samples_are_the_same_paths() {
    let field = smooth(2);
    let times = field.schedule.grid(TimeGrid::Uniform, 5).unwrap();
    let lookup = Lookup::of_field(&field, &times, LookupGrid { len: 30, ..Default::default() }).unwrap();
    // More than one batch, and no whole number of chunks.
    let paths = 35_000;
    let mut visited = Vec::new();
    lookup.for_each_batch(paths, Streams::new(7), 3, |x| visited.extend_from_slice(x));
    assert_eq!(visited, lookup.sample(paths, Streams::new(7), 3, &unobserved).x);
}

#[test]
fn bad_input_is_refused() {
    let s = Schedule::paper(0.01).unwrap();
    let grid = LookupGrid::default();
    assert!(Lookup::new(&s, &[1.0, 0.5], grid, 3).is_err());
    assert!(Lookup::new(&s, &[1.0], grid, 1).is_err());
    assert!(Lookup::new(&s, &[1.0, f64::NAN], grid, 1).is_err());
    assert!(Lookup::new(&s, &[1.0, 0.5], LookupGrid { hi: -2.0, ..grid }, 1).is_err());
    assert!(Lookup::new(&s, &[1.0, 0.5], LookupGrid { len: 1, ..grid }, 1).is_err());
    assert!(Lookup::new(&s, &[1.0, 0.5], LookupGrid { len: 20_000, ..grid }, 2).is_err());
}
