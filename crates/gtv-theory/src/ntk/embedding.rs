//! The inputs of a network: (x, t) ↦ (c_in(t) x, e(t)).
//!
//! e(t) is built on a clock u: t itself for `raw`, the log-SNR ln(α²/σ²) for the others, each mapped affinely to [−1, 1]
//! over [ε, T] (the log-SNR is clipped at ±20).

use crate::error::{Error, Result};
use crate::problem::Preconditioning;
use crate::rng::{Purpose, Streams};
use crate::schedule::Schedule;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How time enters a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeEmbedding {
    /// One input: t on [−1, 1].
    Raw,
    /// One input: the log-SNR on [−1, 1].
    LogSnr,
    /// cos and sin of π 2^k u/2, u the log-SNR on [−1, 1], k = 0, 1, …
    #[default]
    Sinusoidal,
    /// cos and sin of π ν_k u, ν_k normal: random Fourier features of the log-SNR, the same for every network.
    Fourier,
}

/// Log-SNR where the clock stops: α/σ or σ/α below 5e-5.
const FARTHEST: f64 = 20.0;

/// The map from (x, t) to a network's inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    dim: usize,
    schedule: Schedule,
    preconditioning: Preconditioning,
    kind: TimeEmbedding,
    /// Angular frequencies on u; empty for one plain input.
    frequencies: Vec<f64>,
    /// The clock at ε and T.
    ends: (f64, f64),
}

impl Embedding {
    /// The inputs for states of `dim` numbers. `count` time inputs (even; sinusoidal and fourier), `scale` the standard
    /// deviation of the frequencies ν (fourier).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an odd count or a scale that is not positive; [`Error::Empty`] for no dimension.
    pub fn new(
        dim: usize,
        schedule: Schedule,
        preconditioning: Preconditioning,
        kind: TimeEmbedding,
        count: usize,
        scale: f64,
        streams: Streams,
    ) -> Result<Self> {
        if dim == 0 {
            return Err(Error::Empty { name: "the state of a network" });
        }
        let periodic = matches!(kind, TimeEmbedding::Sinusoidal | TimeEmbedding::Fourier);
        if periodic && (count == 0 || !count.is_multiple_of(2) || count > 4096) {
            let expected = "an even number from 2 to 4096, a cosine and a sine for each frequency";
            return Err(Error::OutOfRange { name: "time_features", value: count as f64, expected });
        }
        if !(scale.is_finite() && scale > 0.0) {
            let expected = "a finite number above 0";
            return Err(Error::OutOfRange { name: "time_scale", value: scale, expected });
        }
        let frequencies = match kind {
            TimeEmbedding::Raw | TimeEmbedding::LogSnr => Vec::new(),
            TimeEmbedding::Sinusoidal => (0..count / 2).map(|k| 0.5 * PI * 2f64.powi(k as i32)).collect(),
            TimeEmbedding::Fourier => {
                let mut rng = streams.stream(Purpose::Features, 0, 1);
                let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
                (0..count / 2).map(|_| PI * scale * normal()).collect()
            }
        };
        let mut made = Self { dim, schedule, preconditioning, kind, frequencies, ends: (0.0, 1.0) };
        made.ends = (made.clock(schedule.t_min()), made.clock(schedule.t_max()));
        Ok(made)
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of inputs of the network.
    pub fn inputs(&self) -> usize {
        self.dim + (2 * self.frequencies.len()).max(1)
    }

    /// The forward process.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// How inputs and outputs are scaled.
    pub fn preconditioning(&self) -> Preconditioning {
        self.preconditioning
    }

    /// How time enters.
    pub fn kind(&self) -> TimeEmbedding {
        self.kind
    }

    /// Angular frequencies on the clock mapped to [−1, 1]; empty where time is one plain input.
    pub fn frequencies(&self) -> &[f64] {
        &self.frequencies
    }

    /// The clock at ε and T, which become −1 and 1.
    pub fn clock_range(&self) -> [f64; 2] {
        [self.ends.0, self.ends.1]
    }

    fn clock(&self, t: f64) -> f64 {
        match self.kind {
            TimeEmbedding::Raw => t,
            _ => self.schedule.log_snr(t).clamp(-FARTHEST, FARTHEST),
        }
    }

    /// The inputs at one point.
    ///
    /// # Shapes
    /// `x`: D; `out`: [`Embedding::inputs`].
    pub fn fill(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let (space, time) = out.split_at_mut(self.dim);
        let c_in = self.preconditioning.input_scale(&self.schedule, t);
        for (o, x) in space.iter_mut().zip(x) {
            *o = c_in * x;
        }
        self.fill_time(t, time);
    }

    /// e(t).
    fn fill_time(&self, t: f64, out: &mut [f64]) {
        let u = 2.0 * (self.clock(t) - self.ends.0) / (self.ends.1 - self.ends.0) - 1.0;
        if self.frequencies.is_empty() {
            out[0] = u;
            return;
        }
        for (pair, frequency) in out.chunks_exact_mut(2).zip(&self.frequencies) {
            (pair[1], pair[0]) = (frequency * u).sin_cos();
        }
    }

    /// The inputs of points, each at its own time.
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n; `out`: n × inputs.
    pub fn fill_points(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let rows = out.chunks_exact_mut(self.inputs());
        for ((row, x), &t) in rows.zip(x.chunks_exact(self.dim)).zip(t) {
            self.fill(x, t, row);
        }
    }

    /// The inputs of a batch of states at one time.
    ///
    /// # Shapes
    /// `x`: n × D; `out`: n × inputs.
    pub fn fill_batch(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let inputs = self.inputs();
        let c_in = self.preconditioning.input_scale(&self.schedule, t);
        let mut time = vec![0.0; inputs - self.dim];
        self.fill_time(t, &mut time);
        for (o, x) in out.chunks_exact_mut(inputs).zip(x.chunks_exact(self.dim)) {
            let (space, rest) = o.split_at_mut(self.dim);
            for (o, x) in space.iter_mut().zip(x) {
                *o = c_in * x;
            }
            rest.copy_from_slice(&time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::ScheduleKind;

    fn embedding(kind: TimeEmbedding, schedule: Schedule) -> Result<Embedding> {
        let pre = Preconditioning::Edm { data_std: 0.7 };
        Embedding::new(2, schedule, pre, kind, 4, 1.5, Streams::new(3))
    }

    #[test]
    fn limits_the_clock_runs_from_minus_one_to_one() {
        let schedules =
            [Schedule::paper(0.01).unwrap(), Schedule::new(ScheduleKind::Flow, 1e-3, 1.0).unwrap()];
        for schedule in schedules {
            for kind in [TimeEmbedding::Raw, TimeEmbedding::LogSnr] {
                let e = embedding(kind, schedule).unwrap();
                let mut out = vec![0.0; 3];
                for (t, end) in [(schedule.t_min(), -1.0), (schedule.t_max(), 1.0)] {
                    e.fill(&[1.0, 2.0], t, &mut out);
                    assert!((out[2] - end).abs() < 1e-12, "{kind:?} {t}: {}", out[2]);
                }
            }
        }
    }

    #[test]
    fn identities_batches_equal_single_points() {
        for kind in
            [TimeEmbedding::Raw, TimeEmbedding::LogSnr, TimeEmbedding::Sinusoidal, TimeEmbedding::Fourier]
        {
            let e = embedding(kind, Schedule::paper(0.01).unwrap()).unwrap();
            let x = [0.3, -1.0, 2.0, 0.1];
            let (mut batch, mut one) = (vec![0.0; 2 * e.inputs()], vec![0.0; e.inputs()]);
            e.fill_batch(&x, 0.4, &mut batch);
            for (row, x) in batch.chunks_exact(e.inputs()).zip(x.chunks_exact(2)) {
                e.fill(x, 0.4, &mut one);
                assert_eq!(row, one);
            }
            if e.inputs() == 6 {
                assert!((one[2] * one[2] + one[3] * one[3] - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn limits_bad_settings_are_refused() {
        let schedule = Schedule::paper(0.01).unwrap();
        let make = |dim, count, scale| {
            let kind = TimeEmbedding::Fourier;
            Embedding::new(dim, schedule, Preconditioning::None, kind, count, scale, Streams::new(0))
        };
        assert!(make(1, 2, 1.0).is_ok());
        for (dim, count, scale) in [(0, 2, 1.0), (1, 3, 1.0), (1, 0, 1.0), (1, 2, 0.0), (1, 2, f64::NAN)] {
            assert!(make(dim, count, scale).is_err());
        }
    }
}
