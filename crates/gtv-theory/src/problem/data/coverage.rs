//! Whether a box of x holds the training distribution: features and tables know nothing of what lies outside theirs.
//!
//! Pr(x outside | t) = 1 − Σ_m π_m Π_d [Φ((hi_d − α_t μ_md)/σ_t) − Φ((lo_d − α_t μ_md)/σ_t)].

use super::PointCloud;
use crate::error::{Error, Result, check_len};
use crate::schedule::Schedule;
use rayon::prelude::*;

/// Times over which the share in training is averaged.
const TIMES: usize = 32;

/// The share of p(x|t) outside a box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outside {
    /// Of the data as they are learned, p(x|ε).
    pub data: f64,
    /// Of the training distribution, t uniform between ε and T: most of it is noise, which wide boxes alone hold.
    pub training: f64,
}

impl Outside {
    /// The share of p(x|ε) from which on results suffer visibly.
    pub const NOTABLE: f64 = 0.01;
    /// The share from which on too little of p(x|ε) is left, and from which on that of the training distribution is notable.
    pub const MOST: f64 = 0.5;

    /// The share outside Π_d [lo_d, hi_d]; ends may be infinite.
    ///
    /// # Shapes
    /// `ranges`: D.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of ranges.
    pub fn of(cloud: &PointCloud, schedule: &Schedule, ranges: &[(f64, f64)]) -> Result<Self> {
        check_len("the ranges of x", cloud.dim(), ranges.len())?;
        let (start, end) = (schedule.t_min(), schedule.t_max());
        let step = (end - start) / TIMES as f64;
        let at = |t: f64| outside(cloud, ranges, schedule.signal(t), schedule.noise_std(t));
        let training = (0..TIMES).map(|i| at(start + (i as f64 + 0.5) * step)).sum::<f64>() / TIMES as f64;
        Ok(Self { data: at(start), training })
    }

    /// Whether enough lies outside to say so: more than 1 % of the data, or half of all that is trained on.
    pub fn is_notable(&self) -> bool {
        self.data > Self::NOTABLE || self.training >= Self::MOST
    }

    /// Refuses a box that half of the data lies outside of.
    ///
    /// # Errors
    /// [`Error::Uncovered`] with the share; `name` is the box.
    pub fn check(&self, name: &'static str) -> Result<()> {
        if self.data < Self::MOST { Ok(()) } else { Err(Error::Uncovered { name, outside: self.data }) }
    }
}

fn outside(cloud: &PointCloud, ranges: &[(f64, f64)], signal: f64, std: f64) -> f64 {
    let below = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let shares: Vec<f64> = cloud
        .points()
        .par_chunks_exact(cloud.dim())
        .with_min_len(256)
        .map(|point| {
            let inside = point.iter().zip(ranges).map(|(mu, (lo, hi))| {
                let z = |end: f64| (end - signal * mu) / std;
                below(z(*hi)) - below(z(*lo))
            });
            1.0 - inside.product::<f64>()
        })
        .collect();
    let sum: f64 = shares.iter().zip(cloud.weights()).map(|(s, w)| s * w).sum();
    sum.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Streams};
    use rand::RngExt;
    use rand_distr::StandardNormal;

    #[test]
    fn monte_carlo_the_share_is_that_of_samples() {
        let cloud = PointCloud::new(vec![0.0, 0.5, 1.2, -0.4, -1.0, 1.6], 2).unwrap();
        let schedule = Schedule::paper(0.01).unwrap();
        let ranges = [(-1.1, 1.0), (-0.5, f64::INFINITY)];
        let found = Outside::of(&cloud, &schedule, &ranges).unwrap();
        let n = 40_000;
        let mut rng = Streams::new(1).stream(Purpose::Probe, 0, 0);
        let picker = cloud.picker();
        let mut share = |time: &dyn Fn(f64) -> f64| {
            let mut out = 0;
            for _ in 0..n {
                let t = time(rng.random());
                let point = cloud.point(picker.pick(rng.random()));
                let mut inside = true;
                for (mu, (lo, hi)) in point.iter().zip(&ranges) {
                    let noise: f64 = rng.sample(StandardNormal);
                    let x = schedule.signal(t) * mu + schedule.noise_std(t) * noise;
                    inside &= (*lo..=*hi).contains(&x);
                }
                out += usize::from(!inside);
            }
            out as f64 / f64::from(n)
        };
        let early = share(&|_| schedule.t_min());
        let all = share(&|u| schedule.t_min() + u * (schedule.t_max() - schedule.t_min()));
        // A binomial share's standard error; k = 4. The midpoint rule over 32 times adds less than 1e-3.
        let error = |p: f64| 4.0 * (p * (1.0 - p) / f64::from(n)).sqrt();
        assert!((found.data - early).abs() < error(early), "{found:?} {early}");
        assert!((found.training - all).abs() < error(all) + 1e-3, "{found:?} {all}");
    }

    #[test]
    fn identities_what_is_notable_and_what_is_refused() {
        let schedule = Schedule::paper(0.01).unwrap();
        let of = |points: Vec<f64>, half: f64| {
            Outside::of(&PointCloud::new(points, 1).unwrap(), &schedule, &[(-half, half)]).unwrap()
        };
        // The default data and features: noise leaves the range at late times, the data do not.
        let usual = of(vec![-1.0, 0.0, 1.0], 1.5);
        assert!(usual.data < 1e-12 && !usual.is_notable() && usual.check("range").is_ok());
        let wide = of(vec![-0.5, 0.3, 0.9, 2.08], 1.5);
        assert!((wide.data - 0.25).abs() < 1e-3 && wide.is_notable() && wide.check("range").is_ok());
        let elsewhere = of(vec![2.0, 3.0, 0.0], 1.5);
        assert!(elsewhere.is_notable() && elsewhere.check("range").is_err());
        // Noise far wider than the box: at late times only, and at all times.
        let late = of(vec![0.0, 0.001], 0.12);
        assert!(late.training > 0.5 && late.is_notable() && late.check("range").is_ok(), "{late:?}");
        assert!(of(vec![0.0, 0.001], 0.01).check("range").is_err());
        assert!(Outside::of(&PointCloud::new(vec![0.0; 2], 2).unwrap(), &schedule, &[(0.0, 1.0)]).is_err());
    }
}
