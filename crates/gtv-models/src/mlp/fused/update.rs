//! The update rules of [`Optimizer`] over a block of parameters while their gradient is in cache.
//!
//! Each rounding is that of the tensor engine's operations, in the same order, but for the gradient's own sums.

use crate::mlp::kernels::{cut, join};
use crate::mlp::optimizer::{Optimizer, StepRule};
use std::iter::Sum;
use std::ops::Add;

/// The storage of a block of parameters and of what the optimizer keeps of them; what it does not keep is empty.
#[derive(Default)]
pub(super) struct Arrays<'a> {
    pub(super) value: &'a mut [f32],
    pub(super) first: &'a mut [f32],
    pub(super) second: &'a mut [f32],
    pub(super) average: &'a mut [f32],
    /// Where the gradient waits for the length of the whole, if that is needed first.
    pub(super) gradient: &'a mut [f32],
}

fn halves(slice: &mut [f32], mid: usize) -> (&mut [f32], &mut [f32]) {
    slice.split_at_mut(mid.min(slice.len()))
}

impl<'a> Arrays<'a> {
    pub(super) fn split_at(self, mid: usize) -> (Self, Self) {
        let (value, value1) = halves(self.value, mid);
        let (first, first1) = halves(self.first, mid);
        let (second, second1) = halves(self.second, mid);
        let (average, average1) = halves(self.average, mid);
        let (gradient, gradient1) = halves(self.gradient, mid);
        (
            Self { value, first, second, average, gradient },
            Self { value: value1, first: first1, second: second1, average: average1, gradient: gradient1 },
        )
    }

    /// `len` parameters from `start` on.
    pub(super) fn range(&mut self, start: usize, len: usize) -> Arrays<'_> {
        fn part(slice: &mut [f32], start: usize, len: usize) -> &mut [f32] {
            if slice.is_empty() { slice } else { &mut slice[start..start + len] }
        }
        Arrays {
            value: part(self.value, start, len),
            first: part(self.first, start, len),
            second: part(self.second, start, len),
            average: part(self.average, start, len),
            gradient: part(self.gradient, start, len),
        }
    }
}

/// |g|² and |θ|² of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) gradient: f64,
    pub(super) value: f64,
}

impl Add for Sums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { gradient: self.gradient + other.gradient, value: self.value + other.value }
    }
}

impl Sum for Sums {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Add::add)
    }
}

/// The numbers of one step for one array.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update {
    optimizer: Optimizer,
    /// η, with the layer's factor.
    rate: f32,
    /// 1 − η λ.
    keep: f32,
    ridge: f32,
    momentum: f32,
    /// β and 1 − β of the two running means.
    first: (f32, f32),
    second: (f32, f32),
    /// 1/(1 − β^k) of the two.
    corrections: (f32, f32),
    epsilon: f32,
    average: Option<(f32, f32)>,
    /// Whether gradients are only stored, to be applied once the length of the whole is known.
    deferred: bool,
}

impl Update {
    /// `rates`: the array's factors on the learning rate under gradient descent and under Adam.
    pub(super) fn new(rule: &StepRule, rates: (f64, f64)) -> Self {
        let rate = rule.rate * if rule.optimizer == Optimizer::Adam { rates.1 } else { rates.0 };
        let share = |beta: f64| (beta as f32, (1.0 - beta) as f32);
        let (c1, c2) = rule.bias_corrections();
        Self {
            optimizer: rule.optimizer,
            rate: rate as f32,
            keep: (1.0 - rate * rule.weight_decay) as f32,
            ridge: rule.ridge as f32,
            momentum: rule.momentum as f32,
            first: share(rule.betas.0),
            second: share(rule.betas.1),
            corrections: ((1.0 / c1) as f32, (1.0 / c2) as f32),
            epsilon: rule.epsilon as f32,
            average: rule.average.map(share),
            deferred: rule.clip.is_some(),
        }
    }

    /// Takes in the gradient of the loss without its penalty, which is added to it here.
    pub(super) fn take(&self, arrays: Arrays<'_>, gradient: &mut [f32]) -> Sums {
        pulp::Arch::new().dispatch(Take { update: self, arrays, gradient })
    }

    /// Applies the stored gradient times `factor`.
    pub(super) fn apply_stored(&self, arrays: Arrays<'_>, factor: f32, parallel: bool) {
        let Some(mid) = cut(arrays.value.len(), STORED) else {
            return pulp::Arch::new().dispatch(ApplyStored { update: self, arrays, factor });
        };
        let (a, b) = arrays.split_at(mid);
        join(parallel, || self.apply_stored(a, factor, parallel), || self.apply_stored(b, factor, parallel));
    }

    #[inline(always)]
    fn apply(&self, arrays: &mut Arrays<'_>, gradient: &[f32]) {
        let Self { rate, keep, .. } = *self;
        match self.optimizer {
            Optimizer::Gd => {
                for (w, g) in arrays.value.iter_mut().zip(gradient) {
                    *w = *w * keep - g * rate;
                }
            }
            Optimizer::Sgd => {
                for ((w, m), g) in arrays.value.iter_mut().zip(&mut *arrays.first).zip(gradient) {
                    *m = *m * self.momentum + g;
                    *w = *w * keep - *m * rate;
                }
            }
            Optimizer::Adam => {
                let ((b1, d1), (b2, d2), (c1, c2)) = (self.first, self.second, self.corrections);
                let kept = arrays.first.iter_mut().zip(&mut *arrays.second);
                for ((w, (m, v)), g) in arrays.value.iter_mut().zip(kept).zip(gradient) {
                    *m = *m * b1 + g * d1;
                    *v = *v * b2 + g * g * d2;
                    let step = *m * c1 / ((*v * c2).sqrt() + self.epsilon);
                    *w = *w * keep - step * rate;
                }
            }
        }
        if let Some((past, now)) = self.average {
            for (a, w) in arrays.average.iter_mut().zip(&*arrays.value) {
                *a = *a * past + *w * now;
            }
        }
    }
}

/// Parameters of one piece of parallel work.
const STORED: usize = 1 << 18;

/// Parameters that go through all loops before the next ones: what the first cache level holds.
const RUN: usize = 1024;

struct Take<'a> {
    update: &'a Update,
    arrays: Arrays<'a>,
    gradient: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Take<'_> {
    type Output = Sums;

    #[inline(always)]
    fn call(self) -> Sums {
        let Self { update, mut arrays, gradient } = self;
        let mut sums = Sums::default();
        for (i, gradient) in gradient.chunks_mut(RUN).enumerate() {
            let mut arrays = arrays.range(i * RUN, gradient.len());
            if update.ridge > 0.0 {
                sums.value += square(arrays.value);
                for (g, w) in gradient.iter_mut().zip(&*arrays.value) {
                    *g += update.ridge * w;
                }
            }
            sums.gradient += square(gradient);
            if update.deferred {
                arrays.gradient.copy_from_slice(gradient);
            } else {
                update.apply(&mut arrays, gradient);
            }
        }
        sums
    }
}

struct ApplyStored<'a> {
    update: &'a Update,
    arrays: Arrays<'a>,
    factor: f32,
}

impl pulp::NullaryFnOnce for ApplyStored<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { update, mut arrays, factor } = self;
        let len = arrays.value.len();
        for start in (0..len).step_by(RUN) {
            let mut arrays = arrays.range(start, RUN.min(len - start));
            let gradient = std::mem::take(&mut arrays.gradient);
            gradient.iter_mut().for_each(|g| *g *= factor);
            update.apply(&mut arrays, gradient);
        }
    }
}

/// Σ v², in double precision and one order.
#[inline(always)]
fn square(values: &[f32]) -> f64 {
    const LANES: usize = 16;
    let chunks = values.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|v| f64::from(*v).powi(2)).sum();
    let mut lanes = [0.0f64; LANES];
    for chunk in chunks {
        for l in 0..LANES {
            let v = f64::from(chunk[l]);
            lanes[l] += v * v;
        }
    }
    lanes.iter().sum::<f64>() + rest
}
