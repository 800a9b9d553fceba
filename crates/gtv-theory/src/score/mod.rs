//! Score fields: s(x, t) = ∇ log p(x | t), exact, learned, averaged or sampled.

mod anisotropic;
mod blocked;
mod blocked_cov;
mod bounded;
mod closed_form;
mod columns;
mod direct;
mod evaluation;
mod exact;
mod exact32;
mod fold;
mod mixture;
mod narrow;
mod objective;
mod queries;
mod real;
mod screen;
mod source;

pub use anisotropic::AnisotropicScore;
pub use closed_form::ClosedForm;
pub use evaluation::{CovKind, Evaluation};
pub use exact::{ExactScore, IndexCost, Method};
pub use exact32::ExactScore32;
pub use mixture::MixtureScore;
pub use objective::{MeanEstimate, Objectives, objectives};

pub(crate) use screen::{NEAREST_BLOCK, nearest_two, principal_axes};
pub(crate) use source::Source;

use crate::derivative::central;
use crate::schedule::Schedule;

/// What a field remembers of rows that move on from call to call: the point that was nearest to each. It may stand for other rows too,
/// which costs time and nothing else.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    nearest: Vec<u32>,
}

impl Trail {
    /// Where no point is known.
    const NONE: u32 = u32::MAX;

    /// The points of so many rows.
    fn of(&mut self, rows: usize) -> &mut [u32] {
        self.nearest.resize(rows, Self::NONE);
        &mut self.nearest
    }
}

/// A score over (x, t), the one thing that dynamics integrate.
///
/// A field answers in either of two equivalent forms, related by s = (α m − x)/σ²: the score itself and the
/// denoiser m(x, t), which stays well-conditioned as t → 0. Implement whichever is native and derive the other.
pub trait ScoreField: Send + Sync {
    /// D.
    fn dim(&self) -> usize;

    /// The forward process this is the score of.
    fn schedule(&self) -> &Schedule;

    /// s(x, t) for a batch of states at one time.
    ///
    /// # Shapes
    /// `x`, `out`: n × D, row-major.
    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]);

    /// s(x, t) at points that each have their own time, for fields whose calls cost more than their work.
    ///
    /// The default asks [`ScoreField::score_into`] for each run of points of one time.
    ///
    /// # Shapes
    /// `x`, `out`: n × D, row-major; `t`: n.
    fn scores_into(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let (dim, mut first) = (self.dim(), 0);
        for same in t.chunk_by(|a, b| a == b) {
            let rows = first * dim..(first + same.len()) * dim;
            self.score_into(&x[rows.clone()], same[0], &mut out[rows]);
            first += same.len();
        }
    }

    /// As [`ScoreField::score_into`] for rows that move on from call to call, at times near each other. What a field found for them the last
    /// time may shorten its search; results differ by no more than what the field leaves out.
    fn score_along(&self, x: &[f64], t: f64, out: &mut [f64], trail: &mut Trail) {
        let _ = trail;
        self.score_into(x, t, out);
    }

    /// As [`ScoreField::denoiser_into`], along the way of [`ScoreField::score_along`].
    fn denoiser_along(&self, x: &[f64], t: f64, out: &mut [f64], trail: &mut Trail) {
        let _ = trail;
        self.denoiser_into(x, t, out);
    }

    /// m(x, t) = (x + σ² s)/α for a batch of states at one time.
    ///
    /// # Shapes
    /// `x`, `out`: n × D, row-major.
    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.score_into(x, t, out);
        let (signal, var) = (self.schedule().signal(t), self.schedule().noise_var(t));
        for (o, x) in out.iter_mut().zip(x) {
            *o = (x + var * *o) / signal;
        }
    }

    /// Chunks of [`CHUNK`](crate::dynamics::CHUNK) paths that one call of an integrator brings: more than one for a field whose
    /// calls cost more than their work, such as a function of another language. No result depends on it.
    fn chunks_a_call(&self) -> usize {
        1
    }

    /// (∂m/∂x) v, the denoiser's derivative along a direction of each state's own.
    ///
    /// The default takes central differences over 10⁻⁵ σ²/(σ + α), well below the width on which a posterior changes: good to about
    /// 10⁻⁷ of the denoiser's own scale for fields in 64 bits.
    ///
    /// # Shapes
    /// `x`, `directions`, `out`: n × D, row-major.
    fn denoiser_derivative_into(&self, x: &[f64], t: f64, directions: &[f64], out: &mut [f64]) {
        const STEP: f64 = 1e-5;
        let (signal, std) = (self.schedule().signal(t), self.schedule().noise_std(t));
        let step = STEP * std * std / (std + signal);
        central(|x, out| self.denoiser_into(x, t, out), x, directions, step, out);
    }

    /// div m = Σ_i ∂m_i/∂x_i of each state.
    ///
    /// The default asks [`ScoreField::denoiser_derivative_into`] along every axis.
    ///
    /// # Shapes
    /// `x`: n × D; `out`: n.
    fn denoiser_divergence_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let dim = self.dim();
        let (mut axis, mut image) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        out.fill(0.0);
        for i in 0..dim {
            axis.iter_mut().enumerate().for_each(|(k, v)| *v = if k % dim == i { 1.0 } else { 0.0 });
            self.denoiser_derivative_into(x, t, &axis, &mut image);
            out.iter_mut().zip(image.chunks_exact(dim)).for_each(|(o, row)| *o += row[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PointCloud;
    use crate::rng::{Purpose, Streams};
    use crate::schedule::ScheduleKind;
    use rand::RngExt;
    use rand_distr::StandardNormal;

    /// A trail holds the nearest points where few have weight, and whatever it held, results are the same to the tolerance.
    #[test]
    fn oracle_a_trail_shortens_the_search_and_changes_no_result() {
        const DIM: usize = 48;
        const POINTS: usize = 2000;
        let mut rng = Streams::new(23).stream(Purpose::Probe, 0, 0);
        let mut normal = |scale: f64| scale * rng.sample::<f64, _>(StandardNormal);
        let points: Vec<f64> = (0..POINTS * DIM).map(|i| normal(1.0 / (1 + i % DIM) as f64)).collect();
        let start: Vec<f64> = (0..40 * DIM).map(|_| normal(1.0)).collect();
        let nearest = |x: &[f64]| {
            let to = |m: &usize| Source::F64(&points).distance2(*m, x, 1.0);
            (0..POINTS).min_by(|a, b| to(a).total_cmp(&to(b))).unwrap() as u32
        };
        let cloud = PointCloud::new(points.clone(), DIM).unwrap();
        let schedule = Schedule::new(ScheduleKind::Edm {}, 1e-6, 80.0).unwrap();
        let fields: [(&dyn ScoreField, f64); 2] =
            [(&ExactScore::new(cloud.clone(), schedule), 1e-12), (&ExactScore32::new(cloud, schedule), 1e-7)];
        for (field, tolerance) in fields {
            let (mut trail, mut alike) = (Trail::default(), 0);
            for t in [3.0, 1.0, 0.3, 0.1, 0.05, 0.02, 0.01] {
                let x: Vec<f64> =
                    (0..start.len()).map(|i| points[7 * i / DIM * DIM + i % DIM] + t * start[i]).collect();
                let mut expected = vec![0.0; x.len()];
                field.denoiser_into(&x, t, &mut expected);
                let wrong = (0..40).map(|q| (q * 31 % POINTS) as u32).collect();
                let beyond = vec![POINTS as u32; 40];
                for trail in [&mut trail, &mut Trail { nearest: wrong }, &mut Trail { nearest: beyond }] {
                    let mut found = vec![0.0; x.len()];
                    field.denoiser_along(&x, t, &mut found, trail);
                    for (q, (a, b)) in found.chunks(DIM).zip(expected.chunks(DIM)).enumerate() {
                        // Points are at most 10 from each other; logits from products are good to 1e-11 and 3e-4.
                        let rounding = if tolerance < 1e-10 { 1e-9 } else { 3e-4 };
                        let off = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                        assert!(off <= 2.0 * 10.0 * (tolerance + rounding), "t={t} q={q}: {off:e}");
                    }
                    let held = trail.nearest.iter().zip(x.chunks(DIM));
                    alike += held.filter(|(m, x)| **m == nearest(x)).count();
                }
            }
            // At one time at least bounds are the cheapest plan.
            assert!(alike >= 3 * 40, "{alike} nearest points were found");
        }
    }
}
