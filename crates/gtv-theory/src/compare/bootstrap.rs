//! Bootstrap over models. The average learned distribution is a mixture of N members, [q] = (1/N) Σ q_m, and the
//! members are the independent draws, so a resample takes N members with replacement and keeps each one whole:
//!   [q]* = Σ_m c_m q_m / N,  c ~ Multinomial(N; 1/N, …).
//!
//! Everything that is linear in the members' laws (histograms, distribution functions, moments, pair distances) is
//! therefore one product of the (resamples × members) multiplicities with a (members × cells) table: [`Resamples::mix`].
//!
//! Intervals are percentile intervals of the resampled values, moved by the bootstrap's own estimate of bias,
//! b = mean(T*) − T, so that they lie about the value: [q_lo − b, q_hi − b]. For linear statistics b vanishes and
//! they are plain percentile intervals. A distance is not linear: noise can only make it larger, and resampling adds
//! noise a second time, which would push a percentile interval above the value itself. The recentred interval covers
//! what the distance is expected to be *for ensembles of this size*; how much of that is noise is told by the floor.
//!
//! N members have C(2N − 1, N) different resamples: 3, 10 and 35 for N = 2, 3 and 4. Tails of 2.5 % are not to be had from
//! so few, so that there is no interval below [`FEWEST_GROUPS`].

use crate::error::{Error, Result, check_len};
use crate::linalg::gemm_nn;
use crate::rng::{Purpose, Streams};
use faer::traits::ComplexField;
use rand::RngExt;
use rayon::prelude::*;

/// Groups (members, or chunks of a single field) from which on resampling gives an interval.
pub const FEWEST_GROUPS: usize = 5;

/// A value with its interval; ends that are NaN stand for no interval, where there are too few groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The statistic of the ensemble as it is.
    pub value: f64,
    /// Lower end of the interval.
    pub lo: f64,
    /// Upper end of the interval.
    pub hi: f64,
}

impl Interval {
    /// A value without an interval.
    pub fn alone(value: f64) -> Self {
        Self { value, lo: f64::NAN, hi: f64::NAN }
    }

    /// The normal interval value ± `half`, where there are groups enough to know its width.
    pub fn normal(value: f64, half: f64, groups: usize) -> Self {
        if groups < FEWEST_GROUPS {
            return Self::alone(value);
        }
        Self { value, lo: value - half, hi: value + half }
    }
}

/// The recentred percentile interval of a statistic. All three numbers are clipped to the values it can take, which
/// rounding may have left.
///
/// `draws` are resampled values (sorted on return), `confidence` the interval's level, `domain` the statistic's range.
/// Without draws there is no interval.
pub fn recentred_interval(value: f64, draws: &mut [f64], confidence: f64, domain: (f64, f64)) -> Interval {
    let value = value.clamp(domain.0, domain.1);
    if draws.is_empty() {
        return Interval::alone(value);
    }
    let bias = draws.iter().sum::<f64>() / draws.len() as f64 - value;
    draws.sort_unstable_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - confidence);
    let end = |p: f64| (quantile_sorted(draws, p) - bias).clamp(domain.0, domain.1);
    Interval { value, lo: end(tail).min(value), hi: end(1.0 - tail).max(value) }
}

/// The p-quantile of sorted values, linear between order statistics (NumPy's default).
pub(super) fn quantile_sorted(sorted: &[f64], p: f64) -> f64 {
    let at = p * (sorted.len() - 1) as f64;
    let i = (at as usize).min(sorted.len() - 1);
    let next = sorted[(i + 1).min(sorted.len() - 1)];
    sorted[i] + (at - i as f64) * (next - sorted[i])
}

pub(super) fn check_confidence(confidence: f64) -> Result<()> {
    if confidence > 0.0 && confidence < 1.0 {
        return Ok(());
    }
    Err(Error::OutOfRange { name: "confidence", value: confidence, expected: "a number between 0 and 1" })
}

/// How often each of `members` members appears in one resample. `key` separates ensembles, `resample` resamples.
fn multiplicities(members: usize, key: u64, resample: u64, streams: Streams) -> Vec<u32> {
    let mut rng = streams.stream(Purpose::Bootstrap, key, resample);
    let mut counts = vec![0; members];
    for _ in 0..members {
        counts[rng.random_range(0..members)] += 1;
    }
    counts
}

/// Weights of the members in the ensemble as it is (row 0) and in each resample (the other rows).
#[derive(Debug, Clone)]
pub struct Resamples {
    members: usize,
    /// rows × members.
    weights: Vec<f64>,
}

/// Rows of one product: fixed, so that results do not depend on the number of threads.
const ROWS: usize = 32;

impl Resamples {
    /// Draws `resamples` resamples of members with the given weights (the share of each in the mixture; they are
    /// divided by their sum). Ensembles with different `key` are resampled independently.
    ///
    /// # Errors
    /// [`Error::Empty`] without members; [`Error::Weights`] for a weight that is not positive.
    pub fn draw(member_weights: &[f64], resamples: usize, key: u64, streams: Streams) -> Result<Self> {
        let members = member_weights.len();
        if members == 0 {
            return Err(Error::Empty { name: "the ensemble" });
        }
        if let Some((i, w)) = member_weights.iter().enumerate().find(|(_, w)| !(**w > 0.0 && w.is_finite())) {
            return Err(Error::Weights {
                reason: format!("member {i} has weight {w}, expected a positive number"),
            });
        }
        let mut weights = vec![0.0; (resamples + 1) * members];
        weights.par_chunks_exact_mut(members).enumerate().for_each(|(row, out)| {
            out.copy_from_slice(member_weights);
            if row > 0 {
                let counts = multiplicities(members, key, row as u64 - 1, streams);
                out.iter_mut().zip(counts).for_each(|(w, c)| *w *= f64::from(c));
            }
            let total: f64 = out.iter().sum();
            out.iter_mut().for_each(|w| *w /= total);
        });
        Ok(Self { members, weights })
    }

    /// 1 + the number of resamples.
    pub fn rows(&self) -> usize {
        self.weights.len() / self.members
    }

    /// N.
    pub fn members(&self) -> usize {
        self.members
    }

    /// The weights, rows × N; row 0 is the ensemble as it is.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Σ_m weight_rm · feature_mc for every row r.
    ///
    /// # Shapes
    /// `features`: N × C, row-major; returns rows × C.
    ///
    /// # Errors
    /// [`Error::Shape`] when `features` is no multiple of N.
    pub fn mix(&self, features: &[f64]) -> Result<Vec<f64>> {
        self.mixed(&self.weights, features)
    }

    /// [`Self::mix`] in single precision, at half the cost.
    pub(super) fn mix_single(&self, features: &[f32]) -> Result<Vec<f32>> {
        let weights: Vec<f32> = self.weights.iter().map(|w| *w as f32).collect();
        self.mixed(&weights, features)
    }

    fn mixed<T: ComplexField + Copy + Send + Sync>(&self, weights: &[T], features: &[T]) -> Result<Vec<T>> {
        let columns = features.len() / self.members;
        check_len("features", columns * self.members, features.len())?;
        let mut out = vec![T::zero_impl(); self.rows() * columns];
        if columns > 0 {
            out.par_chunks_mut(ROWS * columns).zip(weights.par_chunks(ROWS * self.members)).for_each(
                |(out, weights)| {
                    gemm_nn(weights.len() / self.members, columns, self.members, weights, features, out);
                },
            );
        }
        Ok(out)
    }

    /// [`recentred_interval`] of a statistic of these resamples; without ends for fewer than [`FEWEST_GROUPS`] members.
    pub fn interval(&self, value: f64, draws: &mut [f64], confidence: f64, domain: (f64, f64)) -> Interval {
        let draws = if self.members < FEWEST_GROUPS { &mut [] } else { draws };
        recentred_interval(value, draws, confidence, domain)
    }

    /// A resample's variance is N/(N − 1) times too small: the factor that squared noise must be multiplied by.
    pub fn variance_factor(&self) -> f64 {
        if self.members > 1 { self.members as f64 / (self.members - 1) as f64 } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_rows_are_mixtures_of_whole_members() {
        let resamples = Resamples::draw(&[1.0; 8], 20, 3, Streams::new(1)).unwrap();
        assert_eq!((resamples.rows(), resamples.members()), (21, 8));
        assert!(resamples.weights()[..8].iter().all(|w| *w == 0.125));
        for row in resamples.weights().chunks(8) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            assert!(row.iter().all(|w| (w * 8.0).fract() == 0.0));
        }
        let features: Vec<f64> = (0..24).map(f64::from).collect();
        let mixed = resamples.mix(&features).unwrap();
        for (row, weights) in mixed.chunks(3).zip(resamples.weights().chunks(8)) {
            for c in 0..3 {
                let plain: f64 = (0..8).map(|m| weights[m] * features[3 * m + c]).sum();
                assert!((row[c] - plain).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn identities_quantiles_are_numpys() {
        // numpy.quantile([1, 2, 4, 8], [0, .1, .5, .9, 1]) = [1, 1.3, 3, 6.8, 8].
        let v = [1.0, 2.0, 4.0, 8.0];
        for (p, want) in [(0.0, 1.0), (0.1, 1.3), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile_sorted(&v, p) - want).abs() < 1e-14);
        }
    }

    #[test]
    fn identities_the_interval_holds_the_value_and_stays_in_the_domain() {
        let mut draws = vec![0.3, 0.5, 0.4, 0.9];
        let i = recentred_interval(0.1, &mut draws, 0.9, (0.0, 1.0));
        assert!(i.lo == 0.0 && i.value == 0.1 && i.hi > 0.1 && i.hi < 0.6);
        let above = recentred_interval(1.0 + f64::EPSILON, &mut [1.0, 1.0 + f64::EPSILON], 0.9, (0.0, 1.0));
        assert_eq!((above.value, above.hi), (1.0, 1.0));
    }

    #[test]
    fn limits_few_members_have_a_value_and_no_interval() {
        for members in 1..=6 {
            let resamples = Resamples::draw(&vec![1.0; members], 50, 0, Streams::new(4)).unwrap();
            let y: Vec<f64> = (0..members).map(|m| m as f64).collect();
            let mut mixed = resamples.mix(&y).unwrap();
            let i = resamples.interval(mixed[0], &mut mixed[1..].to_vec(), 0.9, (0.0, 10.0));
            assert_eq!(i.value, mixed.swap_remove(0));
            assert_eq!(i.lo.is_nan() && i.hi.is_nan(), members < FEWEST_GROUPS, "{members}");
            assert!(members < FEWEST_GROUPS || i.lo < i.value && i.value < i.hi);
        }
    }

    #[test]
    fn monte_carlo_coverage_of_a_mean() {
        use rand_distr::{Distribution, StandardNormal};
        // N = 40 normal members: a percentile interval is mean ± 1.96 s√((N−1)/N)/√N, which covers with
        // P(|t₃₉| < 1.960·√(39/40)) = 0.9398 (Student's t). 600 trials; k = 4 standard errors of a binomial share.
        let (members, trials, expected) = (40, 600u64, 0.9398f64);
        let covered = (0..trials)
            .into_par_iter()
            .filter(|&trial| {
                let mut rng = Streams::new(5).stream(Purpose::Probe, trial, 0);
                let y: Vec<f64> = (0..members).map(|_| StandardNormal.sample(&mut rng)).collect();
                let drawn = Resamples::draw(&[1.0; 40], 800, 0, Streams::new(1000 + trial)).unwrap();
                let mut means = drawn.mix(&y).unwrap();
                let any = (f64::NEG_INFINITY, f64::INFINITY);
                let i = drawn.interval(means[0], &mut means[1..], 0.95, any);
                i.lo <= 0.0 && 0.0 <= i.hi
            })
            .count() as f64
            / trials as f64;
        let error = (expected * (1.0 - expected) / trials as f64).sqrt();
        assert!(
            (covered - expected).abs() < 4.0 * error,
            "coverage {covered}, expected {expected} ± {error}"
        );
    }

    #[test]
    fn bad_input_is_refused() {
        let s = Streams::new(0);
        assert!(Resamples::draw(&[], 3, 0, s).is_err() && Resamples::draw(&[1.0, 0.0], 3, 0, s).is_err());
        assert!(Resamples::draw(&[1.0; 3], 3, 0, s).unwrap().mix(&[0.0; 4]).is_err());
    }
}
