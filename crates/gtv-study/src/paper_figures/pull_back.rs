//! The density that a one-dimensional score field generates, without sampling.
//!
//! In one dimension the probability flow F: x_T → x_ε is monotone, so a bin's mass is a difference of the initial
//! distribution function: P(a < x_ε < b) = Φ(F⁻¹(b)/σ_T) − Φ(F⁻¹(a)/σ_T). F⁻¹ is the same flow integrated from ε
//! up to T, here dy/dθ = m(x, t) with y = x/σ, θ = α/σ, by RK4 on a grid uniform in log-SNR.

use gtv_theory::dynamics::{Ode, RK4, Stages};
use gtv_theory::error::{Error, Result, check_finite};
use gtv_theory::{Schedule, ScoreField, TimeGrid};

/// The share of paths that end in each bin between consecutive `edges`, from x_T ~ N(0, σ_T²).
///
/// `steps` are steps of order 4. Learned scores can be stiff: at 300 the paper's models are converged to 1e-3 of the
/// mass in the worst case, at 100 some are not at all.
///
/// # Errors
/// A field that is not one-dimensional, edges that are not finite and ascending, `steps` = 0, or a schedule without
/// a log-SNR grid (α_T = 0).
pub fn pull_back<F: ScoreField + ?Sized>(field: &F, edges: &[f64], steps: usize) -> Result<Vec<f64>> {
    if field.dim() != 1 {
        return Err(Error::Unsupported {
            what: "pulling back bins in more than one dimension",
            reason: "only in one dimension is the flow monotone",
            advice: "sample instead",
        });
    }
    check_finite("the bin edges", edges, 1)?;
    if let Some(pair) = edges.windows(2).find(|pair| pair[1] <= pair[0]) {
        return Err(Error::OutOfRange {
            name: "a bin edge",
            value: pair[1],
            expected: "a value above the edge before it",
        });
    }
    let schedule = field.schedule();
    let times = schedule.grid(TimeGrid::LogSnr, steps)?;
    let theta = |t: f64| schedule.signal(t) / schedule.noise_std(t);
    let start = schedule.noise_std(schedule.t_min());
    let mut y: Vec<f64> = edges.iter().map(|x| x / start).collect();
    let mut flow = EdgeFlow { field, schedule, x: vec![0.0; y.len()] };
    let mut stages = Stages::new(&RK4, y.len());
    for pair in times.windows(2).rev() {
        let (from, to) = (theta(pair[1]), theta(pair[0]));
        RK4.step(&mut flow, from, to - from, &mut y, &mut stages);
    }
    // y at T is x_T/σ_T. In the upper half the difference is taken between complements, which keeps its digits.
    let upper = |y: f64| 0.5 * libm::erfc(y / std::f64::consts::SQRT_2);
    let mass = |a: f64, b: f64| if a > 0.0 { upper(a) - upper(b) } else { upper(-b) - upper(-a) };
    Ok(y.windows(2).map(|pair| mass(pair[0], pair[1]).max(0.0)).collect())
}

struct EdgeFlow<'a, F: ScoreField + ?Sized> {
    field: &'a F,
    schedule: &'a Schedule,
    x: Vec<f64>,
}

impl<F: ScoreField + ?Sized> Ode for EdgeFlow<'_, F> {
    fn rhs(&mut self, theta: f64, y: &[f64], dy: &mut [f64]) {
        // Stages at the ends may leave [ε, T] by rounding, where no field need be defined.
        let (t_min, t_max) = (self.schedule.t_min(), self.schedule.t_max());
        let t = self.schedule.time_at_log_snr(2.0 * theta.ln()).clamp(t_min, t_max);
        let sigma = self.schedule.noise_std(t);
        self.x.iter_mut().zip(y).for_each(|(x, y)| *x = sigma * y);
        self.field.denoiser_into(&self.x, t, dy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gtv_theory::PointCloud;
    use gtv_theory::dynamics::{Form, Integrator, PfOde, Sampling, unobserved};
    use gtv_theory::rng::Streams;
    use gtv_theory::score::ExactScore;

    fn three_points(t_min: f64) -> ExactScore {
        ExactScore::new(PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap(), Schedule::paper(t_min).unwrap())
    }

    #[test]
    fn limits_exact_score_gives_the_noised_data_back() {
        // The true score's flow maps p(x|T) onto p(x|ε); starting from N(0, σ_T²) is off by α_T ~ 4e-5.
        let field = three_points(0.01);
        let edges: Vec<f64> = (0..=60).map(|i| -1.5 + 0.05 * f64::from(i)).collect();
        let mass = pull_back(&field, &edges, 200).unwrap();
        let (alpha, sigma) = (field.schedule().signal(0.01), field.schedule().noise_std(0.01));
        let cdf = |x: f64| -> f64 {
            [-1.0, 0.0, 1.0]
                .iter()
                .map(|mu| 0.5 * libm::erfc((alpha * mu - x) / sigma / std::f64::consts::SQRT_2) / 3.0)
                .sum()
        };
        for (pair, m) in edges.windows(2).zip(&mass) {
            let want = cdf(pair[1]) - cdf(pair[0]);
            assert!((m - want).abs() < 1e-4, "{pair:?}: {m} {want}");
        }
    }

    #[test]
    fn monte_carlo_sampled_paths_fall_into_the_bins() {
        let field = three_points(0.05);
        let edges = [-2.0, -1.1, -0.8, -0.3, 0.1, 0.6, 0.95, 2.0];
        let mass = pull_back(&field, &edges, 100).unwrap();
        let settings = Sampling { integrator: Integrator::Rk4, form: Form::Denoiser, ..Sampling::default() };
        let settings = Sampling { grid: TimeGrid::LogSnr, steps: 60, ..settings };
        let paths = 20_000;
        let x = PfOde::new(&field, &settings).unwrap().sample(paths, Streams::new(3), 0, &unobserved).x;
        for (pair, m) in edges.windows(2).zip(&mass) {
            let share = x.iter().filter(|x| (pair[0]..pair[1]).contains(x)).count() as f64 / paths as f64;
            let error = (m * (1.0 - m) / paths as f64).sqrt();
            assert!((share - m).abs() < 4.0 * error, "{pair:?}: {share} {m}");
        }
    }

    #[test]
    fn bad_input_is_refused() {
        let field = three_points(0.05);
        assert!(pull_back(&field, &[0.0, f64::NAN], 10).is_err());
        assert!(pull_back(&field, &[0.0, 1.0, 0.5], 10).is_err());
        assert!(pull_back(&field, &[0.0, 1.0], 0).is_err());
        let plane = PointCloud::new(vec![0.0, 1.0], 2).unwrap();
        assert!(pull_back(&ExactScore::new(plane, *field.schedule()), &[0.0, 1.0], 10).is_err());
    }
}
