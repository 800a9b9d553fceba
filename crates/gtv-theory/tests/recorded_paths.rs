//! Claims about paths that are seen on their way: they are those of the sampler.

use gtv_theory::dynamics::{Form, Integrator, PfOde, Sampling, unobserved};
use gtv_theory::rng::Streams;
use gtv_theory::{ExactScore, PointCloud, Schedule, ScoreField};

const PATHS: usize = 50;

fn exact() -> ExactScore {
    let cloud = PointCloud::new(vec![-1.0, 0.3, 0.0, 1.0, 1.0, -0.5], 2).unwrap();
    ExactScore::new(cloud, Schedule::paper(1e-2).unwrap())
}

#[test]
fn identities_a_recorded_path_starts_and_ends_as_a_sampled_one() {
    let (field, streams) = (exact(), Streams::new(3));
    for form in [Form::Time, Form::Denoiser] {
        for (integrator, tolerance) in [
            // The same steps: rounding of a factor σ that is divided by and multiplied with.
            (Integrator::Euler, 1e-14),
            (Integrator::Rk4, 1e-14),
            // Other steps, each to `rtol` = 1e-6 of states of size 1; errors of some tens of steps add up.
            (Integrator::Dopri5, 1e-4),
        ] {
            let settings = Sampling { integrator, form, ..Sampling::default() };
            let sampler = PfOde::new(&field, &settings).unwrap();
            let last = sampler.times().len() - 1;
            let seen = sampler.record(PATHS, 0, (streams, 7), &[0, 11, last]);
            let arrived = sampler.sample(PATHS, streams, 7, &unobserved);
            assert_eq!((seen.len(), seen[2].len()), (3, arrived.x.len()));
            for (a, b) in seen[2].iter().zip(&arrived.x) {
                assert!((a - b).abs() < tolerance, "{integrator:?} {form:?}: {a} recorded, {b} sampled");
            }
            // x_T ~ N(0, σ_T² I): the mean square of 2 × 50 numbers within 4 standard errors √(2/100).
            let scale = field.schedule().noise_std(field.schedule().t_max());
            let square = seen[0].iter().map(|x| (x / scale).powi(2)).sum::<f64>() / (2 * PATHS) as f64;
            assert!((square - 1.0).abs() < 4.0 * (2.0 / 100.0f64).sqrt(), "{square}");
        }
    }
}

#[test]
fn limits_the_density_on_the_way_is_that_of_the_forward_process() {
    // With the true score and accurate steps, x at t has the law p(x | t): its variance is that of the mixture.
    let field = exact();
    let settings = Sampling { integrator: Integrator::Dopri5, form: Form::Denoiser, ..Sampling::default() };
    let sampler = PfOde::new(&field, &settings).unwrap();
    let at = [15];
    let seen = sampler.record(1000, 0, (Streams::new(5), 0), &at);
    let (t, schedule) = (sampler.times()[at[0]], field.schedule());
    let (signal, noise) = (schedule.signal(t), schedule.noise_var(t));
    let points = [-1.0f64, 0.0, 1.0];
    let expected = signal * signal * points.iter().map(|p| p * p).sum::<f64>() / 3.0 + noise;
    let first: Vec<f64> = seen[0].iter().step_by(2).copied().collect();
    let found = first.iter().map(|x| x * x).sum::<f64>() / first.len() as f64;
    // The standard error of a mean square of 1,000 values of kurtosis at most 3, times 4; the start lacks α_T² of the data's variance.
    assert!(
        (found / expected - 1.0).abs() < 4.0 * (2.0 / 1000.0f64).sqrt() + schedule.signal(1.0).powi(2),
        "{found} {expected}"
    );
}
