//! No hidden layer: the kernel of a linear map without bias, x·x'/d.

use super::Pair;
use super::math::Lanes;
use super::rows::dots;

#[derive(Debug, Clone)]
pub(super) struct Linear {
    pub(super) inputs: usize,
}

impl Pair for Linear {
    fn width(&self) -> usize {
        self.inputs
    }

    /// x/√d.
    fn profile(&self, x: &[f64], out: &mut [f64]) -> (f64, f64) {
        let gain = 1.0 / (self.inputs as f64).sqrt();
        out.iter_mut().zip(x).for_each(|(o, x)| *o = gain * x);
        let square = out.iter().map(|v| v * v).sum();
        (square, square)
    }

    #[inline(always)]
    fn lanes(&self, a: &[f64], b: &[Lanes]) -> (Lanes, Lanes) {
        let product = dots(a, b);
        (product, product)
    }
}
