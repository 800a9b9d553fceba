//! u → ρ(u), ρ'(u) over a panel, with u = a X W + c b: compiled once for each instruction set and activation.

use super::math::{Erf, Relu, Rho, Silu, Tanh};
use super::row_mut;
use faer::MatMut;
use gtv_theory::ntk::Activation;
use std::marker::PhantomData;

/// Replaces `h` = a X W by ρ(h + c b), and puts the slope there into `slope`. An empty `bias` adds nothing.
pub(crate) fn activate(
    activation: Activation,
    bias_scale: f32,
    bias: &[f32],
    h: MatMut<'_, f32>,
    slope: Option<MatMut<'_, f32>>,
) {
    fn run<R: Rho>(bias_scale: f32, bias: &[f32], h: MatMut<'_, f32>, slope: Option<MatMut<'_, f32>>) {
        pulp::Arch::new().dispatch(Pass::<R> { bias_scale, bias, h, slope, rho: PhantomData });
    }
    match activation {
        Activation::Relu => run::<Relu>(bias_scale, bias, h, slope),
        Activation::Silu => run::<Silu>(bias_scale, bias, h, slope),
        Activation::Tanh => run::<Tanh>(bias_scale, bias, h, slope),
        Activation::Erf => run::<Erf>(bias_scale, bias, h, slope),
    }
}

/// One panel. (A struct, for `pulp` does not inline closures.)
struct Pass<'a, R> {
    bias_scale: f32,
    bias: &'a [f32],
    h: MatMut<'a, f32>,
    slope: Option<MatMut<'a, f32>>,
    rho: PhantomData<R>,
}

impl<R: Rho> pulp::NullaryFnOnce for Pass<'_, R> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { bias_scale: c, bias, mut h, slope, .. } = self;
        match slope {
            Some(mut slope) => {
                for i in 0..h.nrows() {
                    let pairs = row_mut(&mut h, i).iter_mut().zip(row_mut(&mut slope, i));
                    if bias.is_empty() {
                        pairs.for_each(|(u, s)| (*u, *s) = R::with_slope(*u));
                    } else {
                        pairs.zip(bias).for_each(|((u, s), b)| (*u, *s) = R::with_slope(*u + c * b));
                    }
                }
            }
            None => {
                for i in 0..h.nrows() {
                    let values = row_mut(&mut h, i).iter_mut();
                    if bias.is_empty() {
                        values.for_each(|u| *u = R::with_slope(*u).0);
                    } else {
                        values.zip(bias).for_each(|(u, b)| *u = R::with_slope(*u + c * b).0);
                    }
                }
            }
        }
    }
}
