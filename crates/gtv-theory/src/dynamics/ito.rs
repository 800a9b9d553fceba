//! Steps of Itô stochastic differential equations dz = a(s, z) ds + B(s, z) dW.
//!
//! Itô, not Stratonovich: B is taken at the start of the step, and the difference is physical here, since the noise of a
//! learned score depends on the state. Steps may go down in s; dW then still has variance |ds|. A step is a
//! function of the state and of dW, which the caller draws, so that two methods can be driven by the same path.
//! Source: Kloeden, Platen, "Numerical Solution of Stochastic Differential Equations", chapters 10, 11 and 15.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// An Itô stochastic differential equation for a batch of rows.
pub trait ItoSde {
    /// a(s, z).
    ///
    /// # Shapes
    /// `z`, `out`: any number of rows, row-major.
    fn drift(&mut self, s: f64, z: &[f64], out: &mut [f64]);

    /// B(s, z) dw, row by row.
    ///
    /// # Shapes
    /// `z`, `dw`, `out`: any number of rows, row-major.
    fn apply_noise(&mut self, s: f64, z: &[f64], dw: &[f64], out: &mut [f64]);
}

/// Marks equations whose noise is diagonal, B = diag(b_i) with b_i a function of s and z_i alone; those in one dimension
/// all are. The methods of higher order need it, as they leave out the iterated integrals of different noises.
pub trait DiagonalNoise: ItoSde {}

/// Fills dw ~ N(0, |h| I).
pub fn draw_increments<R: Rng + ?Sized>(rng: &mut R, h: f64, dw: &mut [f64]) {
    let scale = h.abs().sqrt();
    for dw in dw {
        let normal: f64 = StandardNormal.sample(rng);
        *dw = scale * normal;
    }
}

/// A method that advances Itô equations of kind S.
pub trait ItoStepper<S: ItoSde + ?Sized> {
    /// One step of size h (of either sign) with the Brownian increment dw ~ N(0, |h| I), in place.
    ///
    /// # Shapes
    /// `z`, `dw`: equally many values, at most as many as `work` was made for.
    fn step(&self, sde: &mut S, s: f64, h: f64, dw: &[f64], z: &mut [f64], work: &mut ItoWorkspace);
}

/// Scratch arrays for steps on up to a fixed number of values.
#[derive(Debug, Clone)]
pub struct ItoWorkspace {
    slots: [Vec<f64>; 6],
}

impl ItoWorkspace {
    /// Room for `len` values.
    pub fn new(len: usize) -> Self {
        Self { slots: std::array::from_fn(|_| vec![0.0; len]) }
    }

    fn slices(&mut self, n: usize) -> [&mut [f64]; 6] {
        self.slots.each_mut().map(|slot| &mut slot[..n])
    }
}

/// z ← z + h a + B dW: strong order 1/2 (1 where B does not depend on z), weak order 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EulerMaruyama;

impl<S: ItoSde + ?Sized> ItoStepper<S> for EulerMaruyama {
    fn step(&self, sde: &mut S, s: f64, h: f64, dw: &[f64], z: &mut [f64], work: &mut ItoWorkspace) {
        let [a, b_dw, ..] = work.slices(z.len());
        sde.drift(s, z, a);
        sde.apply_noise(s, z, dw, b_dw);
        for i in 0..z.len() {
            z[i] += h * a[i] + b_dw[i];
        }
    }
}

/// z ← z + h a + b dW + (b(z + b√h) − b)(dW² − h)/(2√h): strong order 1 for diagonal noise, without derivatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Milstein;

impl<S: DiagonalNoise + ?Sized> ItoStepper<S> for Milstein {
    fn step(&self, sde: &mut S, s: f64, h: f64, dw: &[f64], z: &mut [f64], work: &mut ItoWorkspace) {
        let (h_abs, root) = (h.abs(), h.abs().sqrt());
        let [a, b, shifted, b_shifted, ones, _] = work.slices(z.len());
        ones.fill(1.0);
        sde.drift(s, z, a);
        sde.apply_noise(s, z, ones, b);
        for i in 0..z.len() {
            shifted[i] = z[i] + root * b[i];
        }
        sde.apply_noise(s, shifted, ones, b_shifted);
        for i in 0..z.len() {
            let correction = (b_shifted[i] - b[i]) * (dw[i] * dw[i] - h_abs) / (2.0 * root);
            z[i] += h * a[i] + b[i] * dw[i] + correction;
        }
    }
}

/// Platen's explicit scheme of weak order 2 for diagonal noise: with z̄ = z + h a + b dW and z± = z + h a ± b√h,
/// z ← z + h (a + ā)/2 + (b₊ + b₋ + 2b) dW/4 + (b₊ − b₋)(dW² − h)/(4√h), bars and signs at s + h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WeakOrderTwo;

impl<S: DiagonalNoise + ?Sized> ItoStepper<S> for WeakOrderTwo {
    fn step(&self, sde: &mut S, s: f64, h: f64, dw: &[f64], z: &mut [f64], work: &mut ItoWorkspace) {
        let (h_abs, root) = (h.abs(), h.abs().sqrt());
        let [a, b, support, first, second, ones] = work.slices(z.len());
        ones.fill(1.0);
        sde.drift(s, z, a);
        sde.apply_noise(s, z, ones, b);
        for (out, sign) in [(&mut *first, 1.0), (&mut *second, -1.0)] {
            for i in 0..z.len() {
                support[i] = z[i] + h * a[i] + sign * root * b[i];
            }
            sde.apply_noise(s + h, support, ones, out);
        }
        for i in 0..z.len() {
            support[i] = z[i] + h * a[i] + b[i] * dw[i];
            let (plus, minus) = (first[i], second[i]);
            let mixed = (plus - minus) * (dw[i] * dw[i] - h_abs) / (4.0 * root);
            z[i] += 0.5 * h * a[i] + 0.25 * (plus + minus + 2.0 * b[i]) * dw[i] + mixed;
        }
        sde.drift(s + h, support, a);
        for i in 0..z.len() {
            z[i] += 0.5 * h * a[i];
        }
    }
}
