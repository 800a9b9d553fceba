//! Random Fourier features φ_j = √(2/F) cos(ω_j·x/ℓ + ν_j τ(t)/ℓ_t + b_j), which do not grow with D.

use crate::error::{Error, Result};
use crate::lanes::{cos_turns, cos_turns_f32};
use crate::linalg::{gemm_nt, single};
use crate::rng::{Purpose, Streams};
use crate::schedule::Schedule;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::TAU;

/// Rahimi and Recht's features of a Gaussian kernel in (x, τ(t)), τ = the noise level's log-SNR or t itself.
#[derive(Debug, Clone, PartialEq)]
pub struct RandomFourier {
    dim: usize,
    /// F × D, divided by the length scale.
    frequencies: Vec<f64>,
    /// F, divided by the time scale.
    time_frequencies: Vec<f64>,
    phases: Vec<f64>,
    /// `Some` when time enters as the log-SNR of this schedule.
    log_snr: Option<Schedule>,
}

impl RandomFourier {
    /// Draws `len` features from the seed's feature stream.
    ///
    /// `length_scale` is the kernel's length in units of x, `time_scale` in units of τ. With `log_snr` given,
    /// τ(t) is that schedule's log-SNR, else τ = t.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a scale that is not positive; [`Error::Empty`] for no features.
    pub fn new(
        dim: usize,
        len: usize,
        length_scale: f64,
        time_scale: f64,
        log_snr: Option<Schedule>,
        streams: Streams,
    ) -> Result<Self> {
        if len == 0 || dim == 0 {
            return Err(Error::Empty { name: "the set of random features" });
        }
        for (name, value) in [("length_scale", length_scale), ("time_scale", time_scale)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::OutOfRange { name, value, expected: "a finite number above 0" });
            }
        }
        let mut rng = streams.stream(Purpose::Features, 0, 0);
        let mut normal = |scale: f64| -> f64 {
            let z: f64 = StandardNormal.sample(&mut rng);
            z / scale
        };
        let frequencies = (0..len * dim).map(|_| normal(length_scale)).collect();
        let time_frequencies = (0..len).map(|_| normal(time_scale)).collect();
        let phases = (0..len).map(|_| rng.random::<f64>() * TAU).collect();
        Ok(Self { dim, frequencies, time_frequencies, phases, log_snr })
    }

    /// F.
    pub fn len(&self) -> usize {
        self.phases.len()
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.dim
    }

    fn clock(&self, t: f64) -> f64 {
        self.log_snr.map_or(t, |s| s.log_snr(t))
    }

    /// φ(x_i, t_i), n × F. See [`super::Features::fill`].
    pub fn fill(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let len = self.len();
        let (n, dim) = (t.len(), self.dim);
        // One GEMM for all the phases ω·x, then the cosines in place.
        gemm_nt(n, len, dim, x, &self.frequencies, out);
        pulp::Arch::new().dispatch(Cosines { features: self, t, out });
    }

    /// The same in single precision, with an error of some 1e-7 of the phase.
    pub(super) fn fill_rough(&self, x: &[f64], t: &[f64], out: &mut [f32]) {
        let (n, len, dim) = (t.len(), self.len(), self.dim);
        gemm_nt(n, len, dim, &single(x), &single(&self.frequencies), out);
        pulp::Arch::new().dispatch(RoughCosines { features: self, t, out });
    }

    /// ∂_v φ_j = −√(2/F) (ω_j·v/ℓ) sin(…), contracted with W. See [`super::Features::apply_derivative`].
    pub fn apply_derivative(
        &self,
        weights: &[f64],
        outputs: usize,
        (x, directions): (&[f64], &[f64]),
        t: f64,
        out: &mut [f64],
    ) {
        let (len, dim) = (self.len(), self.dim);
        let (scale, clock) = ((2.0 / len as f64).sqrt(), self.clock(t));
        let dot = |w: &[f64], x: &[f64]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        let rows = x.chunks_exact(dim).zip(directions.chunks_exact(dim));
        for ((x, v), out) in rows.zip(out.chunks_exact_mut(outputs)) {
            out.fill(0.0);
            for (j, frequency) in self.frequencies.chunks_exact(dim).enumerate() {
                let phase = dot(frequency, x) + self.time_frequencies[j] * clock + self.phases[j];
                let slope = -scale * dot(frequency, v) * phase.sin();
                let row = &weights[j * outputs..(j + 1) * outputs];
                out.iter_mut().zip(row).for_each(|(o, w)| *o += slope * w);
            }
        }
    }

    /// y = Wφ at one time. See [`super::Features::apply`].
    pub fn apply(&self, weights: &[f64], outputs: usize, x: &[f64], t: f64, out: &mut [f64]) {
        let fill = |x: &[f64], t: &[f64], out: &mut [f64]| self.fill(x, t, out);
        super::mapped::apply_rows(
            (super::mapped::ROWS, self.len(), self.dim),
            fill,
            weights,
            outputs,
            x,
            t,
            out,
        );
    }
}

/// √(2/F) cos(phase + ν τ(t) + b) in place of the phases ω·x, as an operation that `pulp` compiles once for each instruction set.
struct Cosines<'a> {
    features: &'a RandomFourier,
    /// One for each row of `out`.
    t: &'a [f64],
    out: &'a mut [f64],
}

impl pulp::NullaryFnOnce for Cosines<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { features, t, out } = self;
        let len = features.len();
        let scale = (2.0 / len as f64).sqrt();
        for (row, &t) in out.chunks_exact_mut(len).zip(t) {
            let clock = features.clock(t);
            for ((o, nu), b) in row.iter_mut().zip(&features.time_frequencies).zip(&features.phases) {
                *o = scale * cos_turns((*o + nu * clock + b) / TAU);
            }
        }
    }
}

/// [`Cosines`] in single precision.
struct RoughCosines<'a> {
    features: &'a RandomFourier,
    t: &'a [f64],
    out: &'a mut [f32],
}

impl pulp::NullaryFnOnce for RoughCosines<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { features, t, out } = self;
        let (len, turn) = (features.len(), TAU.recip());
        let scale = (2.0 / len as f64).sqrt() as f32;
        let (rates, phases) = (single(&features.time_frequencies), single(&features.phases));
        for (row, &t) in out.chunks_exact_mut(len).zip(t) {
            let clock = features.clock(t) as f32;
            for ((o, nu), b) in row.iter_mut().zip(&rates).zip(&phases) {
                *o = scale * cos_turns_f32((*o + nu * clock + b) * turn as f32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oracle_cosines_match_the_standard_library() {
        let f = RandomFourier::new(2, 301, 0.3, 0.2, None, Streams::new(6)).unwrap();
        let (x, t) = ([30.0, -20.0], 0.7);
        let (mut phi, mut rough) = (vec![0.0; f.len()], vec![0.0; f.len()]);
        f.fill(&x, &[t], &mut phi);
        f.fill_rough(&x, &[t], &mut rough);
        for (j, phi) in phi.iter().enumerate() {
            let phase = f.frequencies[2 * j] * x[0]
                + f.frequencies[2 * j + 1] * x[1]
                + f.time_frequencies[j] * t
                + f.phases[j];
            let want = (2.0 / 301.0f64).sqrt() * phase.cos();
            // The phase and its turns are each rounded once more.
            let error = 2.0 * f64::EPSILON * (1.0 + phase.abs());
            assert!((phi - want).abs() <= (2.0 / 301.0f64).sqrt() * error, "{phase}: {phi} {want}");
            // Each term of the phase, their sums and the turns are rounded to half a unit of its size.
            let terms = (f.frequencies[2 * j] * x[0]).abs()
                + (f.frequencies[2 * j + 1] * x[1]).abs()
                + (f.time_frequencies[j] * t).abs()
                + f.phases[j];
            let error = 3e-7 + 4.0 * f64::from(f32::EPSILON) * terms;
            assert!((f64::from(rough[j]) - want).abs() <= (2.0 / 301.0f64).sqrt() * error, "{phase}");
        }
    }

    #[test]
    fn monte_carlo_kernel_is_gaussian() {
        // E φ(z)·φ(z') = exp(−|x−x'|²/2ℓ² − (t−t')²/2ℓ_t²); each product has variance below 1/2·(2)²/F.
        let f = RandomFourier::new(3, 20_000, 0.8, 0.5, None, Streams::new(5)).unwrap();
        let x = [0.1, 0.2, -0.3, 0.4, 0.0, 0.1];
        let mut phi = vec![0.0; 2 * f.len()];
        f.fill(&x, &[0.2, 0.5], &mut phi);
        let (a, b) = phi.split_at(f.len());
        let got: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        let d2 = 0.3f64.powi(2) + 0.2f64.powi(2) + 0.4f64.powi(2);
        let want = (-d2 / (2.0 * 0.64) - 0.09 / (2.0 * 0.25)).exp();
        assert!((got - want).abs() < 4.0 * (2.0 / 20_000.0f64).sqrt(), "{got} {want}");
    }
}
