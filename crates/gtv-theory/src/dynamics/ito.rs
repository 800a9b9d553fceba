//! Steps of Itô stochastic differential equations dz = a(s, z) ds + B(s, z) dW.
//!
//! Itô, not Stratonovich: B is taken at the start of the step, and the difference is physical here, since the noise of a
//! learned score depends on the state. Steps may go down in s; dW then still has variance |ds|.

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

/// A method that advances an Itô equation.
pub trait ItoStepper {
    /// One step of size h (of either sign), in place.
    ///
    /// # Shapes
    /// `z`: at most as many values as `work` was made for.
    fn step<S: ItoSde + ?Sized, R: Rng + ?Sized>(
        &self,
        sde: &mut S,
        s: f64,
        h: f64,
        z: &mut [f64],
        rng: &mut R,
        work: &mut ItoWorkspace,
    );
}

/// Scratch arrays for steps on up to a fixed number of values.
#[derive(Debug, Clone)]
pub struct ItoWorkspace {
    drift: Vec<f64>,
    noise: Vec<f64>,
    increment: Vec<f64>,
}

impl ItoWorkspace {
    /// Room for `len` values.
    pub fn new(len: usize) -> Self {
        Self { drift: vec![0.0; len], noise: vec![0.0; len], increment: vec![0.0; len] }
    }

    /// Fills dw ~ N(0, |h| I).
    fn draw<R: Rng + ?Sized>(&mut self, n: usize, h: f64, rng: &mut R) {
        let scale = h.abs().sqrt();
        for dw in &mut self.increment[..n] {
            let normal: f64 = StandardNormal.sample(rng);
            *dw = scale * normal;
        }
    }
}

/// z ← z + h a + B dW: strong order 1/2 (1 where B does not depend on z), weak order 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EulerMaruyama;

impl ItoStepper for EulerMaruyama {
    fn step<S: ItoSde + ?Sized, R: Rng + ?Sized>(
        &self,
        sde: &mut S,
        s: f64,
        h: f64,
        z: &mut [f64],
        rng: &mut R,
        work: &mut ItoWorkspace,
    ) {
        let n = z.len();
        work.draw(n, h, rng);
        let (drift, noise) = (&mut work.drift[..n], &mut work.noise[..n]);
        sde.drift(s, z, drift);
        sde.apply_noise(s, z, &work.increment[..n], noise);
        for ((z, a), b) in z.iter_mut().zip(&*drift).zip(&*noise) {
            *z += h * a + b;
        }
    }
}
