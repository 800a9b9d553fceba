//! The Gaussian law with the mean and covariance of any trained score fields: ŝ = s̄ + Σ_n ξ_n (ŝ_n − s̄)/√(N − 1).
//!
//! A draw is a combination Σ_n c_n ŝ_n with Σ_n c_n = 1, so it needs nothing but the members themselves, at N times the cost
//! of one.

use super::{At, Law};
use crate::error::{Error, Result};
use crate::rng::ChaCha8Rng;
use crate::schedule::Schedule;
use crate::score::ScoreField;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// Moments of N trained fields, of rank N − 1.
///
/// ```
/// use gtv_theory::law::EmpiricalFields;
/// use gtv_theory::{At, ExactScore, Law, PointCloud, Schedule, ScoreField};
/// let schedule = Schedule::paper(0.05)?;
/// let exact = |point: f64| -> gtv_theory::Result<Box<dyn ScoreField>> {
///     Ok(Box::new(ExactScore::new(PointCloud::new(vec![point], 1)?, schedule)))
/// };
/// let law = EmpiricalFields::new(vec![exact(-1.0)?, exact(1.0)?])?;
/// // The scores of the data −1 and 1 are 2α/σ² apart.
/// let apart = 2.0 * schedule.signal(0.4) / schedule.noise_var(0.4);
/// let z = At { x: &[0.3], t: 0.4 };
/// assert!((law.cov(z, z)[0] / (0.5 * apart * apart) - 1.0).abs() < 1e-12);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
pub struct EmpiricalFields {
    members: Arc<Vec<Box<dyn ScoreField>>>,
}

/// Σ_n c_n ŝ_n with Σ_n c_n = 1.
struct Combination {
    members: Arc<Vec<Box<dyn ScoreField>>>,
    shares: Vec<f64>,
}

impl EmpiricalFields {
    /// The moments of trained fields.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for fewer than two.
    pub fn new(members: Vec<Box<dyn ScoreField>>) -> Result<Self> {
        if members.len() < 2 {
            return Err(Error::OutOfRange {
                name: "members",
                value: members.len() as f64,
                expected: "at least 2 to have a covariance",
            });
        }
        Ok(Self { members: Arc::new(members) })
    }

    /// Draws of M models side by side: a field of M·D coordinates, of which the m-th D follow the m-th draw, each as [`Law::draw`] has
    /// it. A step asks every member once, for the states of all models.
    pub fn draw_together(&self, streams: &mut [ChaCha8Rng]) -> Box<dyn ScoreField> {
        let shares = streams.iter_mut().map(|rng| self.shares(rng)).collect();
        Box::new(SideBySide { members: self.members.clone(), shares })
    }

    /// c_n of a draw.
    fn shares(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let count = self.members.len();
        let noise: Vec<f64> = StandardNormal.sample_iter(rng).take(count).collect();
        let mean = noise.iter().sum::<f64>() / count as f64;
        let scale = 1.0 / ((count - 1) as f64).sqrt();
        noise.iter().map(|xi| 1.0 / count as f64 + scale * (xi - mean)).collect()
    }

    fn combination(&self, shares: Vec<f64>) -> Combination {
        Combination { members: self.members.clone(), shares }
    }
}

impl Law for EmpiricalFields {
    fn mean_score(&self) -> Arc<dyn ScoreField> {
        let count = self.members.len();
        Arc::new(self.combination(vec![1.0 / count as f64; count]))
    }

    fn cov(&self, z: At<'_>, other: At<'_>) -> Vec<f64> {
        let (dim, count) = (z.x.len(), self.members.len());
        let deviations = |at: At<'_>| {
            let mut scores = vec![0.0; count * dim];
            for (member, s) in self.members.iter().zip(scores.chunks_exact_mut(dim)) {
                member.score_into(at.x, at.t, s);
            }
            let mean = |i: usize| scores.iter().skip(i).step_by(dim).sum::<f64>() / count as f64;
            let means: Vec<f64> = (0..dim).map(mean).collect();
            scores.iter_mut().enumerate().for_each(|(k, s)| *s -= means[k % dim]);
            scores
        };
        let (a, b) = (deviations(z), deviations(other));
        let mut cov = vec![0.0; dim * dim];
        for (a, b) in a.chunks_exact(dim).zip(b.chunks_exact(dim)) {
            for (row, a) in cov.chunks_exact_mut(dim).zip(a) {
                row.iter_mut().zip(b).for_each(|(c, b)| *c += a * b / (count - 1) as f64);
            }
        }
        cov
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Box<dyn ScoreField>> {
        Some(Box::new(self.combination(self.shares(rng))))
    }
}

/// Σ_n c_n of what each member answers; the k-th `width` numbers of `out` have the shares of the k-th model, in turn.
fn combine(
    members: &[Box<dyn ScoreField>],
    shares: &[Vec<f64>],
    width: usize,
    out: &mut [f64],
    each: impl Fn(&dyn ScoreField, &mut [f64]),
) {
    let mut one = vec![0.0; out.len()];
    out.fill(0.0);
    for (n, member) in members.iter().enumerate() {
        each(member.as_ref(), &mut one);
        let models = out.chunks_exact_mut(width).zip(one.chunks_exact(width));
        for ((out, one), shares) in models.zip(shares.iter().cycle()) {
            out.iter_mut().zip(one).for_each(|(o, v)| *o += shares[n] * v);
        }
    }
}

impl Combination {
    fn combine(&self, out: &mut [f64], each: impl Fn(&dyn ScoreField, &mut [f64])) {
        let width = out.len().max(1);
        combine(&self.members, std::slice::from_ref(&self.shares), width, out, each);
    }
}

impl ScoreField for Combination {
    fn dim(&self) -> usize {
        self.members[0].dim()
    }

    fn schedule(&self) -> &Schedule {
        self.members[0].schedule()
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.combine(out, |member, one| member.score_into(x, t, one));
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        // The denoiser is affine in the score and the shares sum to 1.
        self.combine(out, |member, one| member.denoiser_into(x, t, one));
    }

    fn denoiser_derivative_into(&self, x: &[f64], t: f64, directions: &[f64], out: &mut [f64]) {
        self.combine(out, |member, one| member.denoiser_derivative_into(x, t, directions, one));
    }

    fn denoiser_divergence_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.combine(out, |member, one| member.denoiser_divergence_into(x, t, one));
    }
}

/// Combinations of the same members, each for D coordinates of its own.
struct SideBySide {
    members: Arc<Vec<Box<dyn ScoreField>>>,
    /// c_n of every model.
    shares: Vec<Vec<f64>>,
}

impl SideBySide {
    /// Rows of M·D are M rows of D to a member.
    fn combine(&self, out: &mut [f64], each: impl Fn(&dyn ScoreField, &mut [f64])) {
        combine(&self.members, &self.shares, self.members[0].dim(), out, each);
    }
}

impl ScoreField for SideBySide {
    fn dim(&self) -> usize {
        self.shares.len() * self.members[0].dim()
    }

    fn schedule(&self) -> &Schedule {
        self.members[0].schedule()
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.combine(out, |member, one| member.score_into(x, t, one));
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.combine(out, |member, one| member.denoiser_into(x, t, one));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PointCloud;
    use crate::rng::{Purpose, Streams};
    use crate::score::ExactScore;

    /// Exact scores of different data, as members that differ.
    fn members() -> Vec<Box<dyn ScoreField>> {
        let schedule = Schedule::paper(0.01).unwrap();
        let field = |shift: f64| -> Box<dyn ScoreField> {
            let cloud = PointCloud::new(vec![-1.0 + shift, 0.0, 1.0, shift, 0.3, -shift], 2).unwrap();
            Box::new(ExactScore::new(cloud, schedule))
        };
        (0..5).map(|i| field(0.2 * i as f64)).collect()
    }

    #[test]
    fn monte_carlo_draws_have_the_members_moments() {
        let law = EmpiricalFields::new(members()).unwrap();
        let (x, t) = ([0.2, 0.4], 0.3);
        let at = At { x: &x, t };
        let mut mean = [0.0; 2];
        law.mean_score().score_into(&x, t, &mut mean);
        let cov = law.cov(at, at);
        let draws = 20_000;
        let (mut first, mut second) = ([0.0; 2], [0.0; 4]);
        let mut rng = Streams::new(5).stream(Purpose::TheoryModel, 0, 0);
        for _ in 0..draws {
            let mut s = [0.0; 2];
            law.draw(&mut rng).unwrap().score_into(&x, t, &mut s);
            for i in 0..2 {
                first[i] += s[i] / draws as f64;
                for j in 0..2 {
                    second[2 * i + j] += (s[i] - mean[i]) * (s[j] - mean[j]) / draws as f64;
                }
            }
        }
        for i in 0..2 {
            // 4 standard errors: √(C_ii/n), and √((C_ii C_jj + C_ij²)/n) for a normal covariance.
            let root = (draws as f64).sqrt();
            assert!((first[i] - mean[i]).abs() < 4.0 * cov[3 * i].sqrt() / root);
            for j in 0..2 {
                let c = cov[2 * i + j];
                let se = (cov[3 * i] * cov[3 * j] + c * c).sqrt() / root;
                assert!((second[2 * i + j] - c).abs() < 4.0 * se, "{i} {j}: {} {c}", second[2 * i + j]);
            }
        }
    }

    #[test]
    fn identities_models_side_by_side_are_the_models() {
        let law = EmpiricalFields::new(members()).unwrap();
        let mut streams: Vec<ChaCha8Rng> =
            (0..3).map(|model| Streams::new(1).stream(Purpose::TheoryModel, model, 0)).collect();
        let alone: Vec<_> = streams.clone().iter_mut().map(|rng| law.draw(rng).unwrap()).collect();
        let together = law.draw_together(&mut streams);
        // Two rows of three models' states in the plane.
        let x: Vec<f64> = (0..12).map(|i| (0.8 * i as f64).sin()).collect();
        let (mut scores, mut means) = (vec![0.0; 12], vec![0.0; 12]);
        together.score_into(&x, 0.2, &mut scores);
        together.denoiser_into(&x, 0.2, &mut means);
        for (k, x) in x.chunks_exact(2).enumerate() {
            let (mut score, mut mean) = ([0.0; 2], [0.0; 2]);
            alone[k % 3].score_into(x, 0.2, &mut score);
            alone[k % 3].denoiser_into(x, 0.2, &mut mean);
            let close =
                |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12 * (1.0 + b.abs()));
            assert!(close(&scores[2 * k..2 * k + 2], &score) && close(&means[2 * k..2 * k + 2], &mean));
        }
        assert_eq!(together.dim(), 6);
    }

    #[test]
    fn identities_score_and_denoiser_agree() {
        let law = EmpiricalFields::new(members()).unwrap();
        let field = law.draw(&mut Streams::new(1).stream(Purpose::TheoryModel, 0, 0)).unwrap();
        let (x, t) = ([0.2, 0.4], 0.05);
        let (mut s, mut m) = ([0.0; 2], [0.0; 2]);
        field.score_into(&x, t, &mut s);
        field.denoiser_into(&x, t, &mut m);
        let (alpha, var) = (field.schedule().signal(t), field.schedule().noise_var(t));
        for i in 0..2 {
            assert!((s[i] - (alpha * m[i] - x[i]) / var).abs() < 1e-9 * s[i].abs().max(1.0));
        }
        assert!(EmpiricalFields::new(members().drain(..1).collect()).is_err());
    }
}
