//! How far training has left the linear model: the relative change of the tangent kernel, ‖Θ_t − Θ_0‖_F/‖Θ_0‖_F on probe points,
//! and of the parameters, |θ_t − θ_0|/|θ_0|. Both are O(1) when features are learned. In the NTK
//! parameterisation the kernel moves by O(1/width) for a smooth activation (measured: width^−0.9; relu, with its kinks, ^−0.7), and
//! the parameters by O(1/√width) with one hidden layer, O(1/width) with more.

use super::number::Number;
use super::tangent::Tangent;
use crate::mlp::Weights;

/// How lazily a network was trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Laziness {
    /// ‖Θ_t − Θ_0‖/‖Θ_0‖, all outputs' blocks.
    pub kernel: f64,
    /// |θ_t − θ_0|/|θ_0|.
    pub parameters: f64,
}

impl Laziness {
    /// From a network before and after training, the kernel in precision `T` at the given inputs (n × I).
    ///
    /// # Panics
    /// When the two are of different architectures: a programming error.
    pub fn between<T: Number>(before: &Tangent, after: &Tangent, inputs: &[f64]) -> Self {
        let kernel = |tangent: &Tangent| {
            let points = tangent.points::<T>(inputs);
            tangent.kernel(&points, &points)
        };
        let kernel = relative_change(kernel(before).into_iter(), kernel(after).into_iter());
        Self { kernel, parameters: parameter_movement(&before.weights, &after.weights) }
    }
}

/// |θ_t − θ_0|/|θ_0| over all parameters.
pub fn parameter_movement(before: &Weights, after: &Weights) -> f64 {
    relative_change(parameters(before), parameters(after))
}

fn parameters(weights: &Weights) -> impl Iterator<Item = f64> + '_ {
    weights.layers.iter().flat_map(|l| l.weight.iter().chain(&l.bias)).map(|v| f64::from(*v))
}

/// |b − a|/|a|.
fn relative_change(a: impl Iterator<Item = f64>, b: impl Iterator<Item = f64>) -> f64 {
    let (change, size) = a.zip(b).fold((0.0, 0.0), |(c, s), (a, b)| (c + (b - a) * (b - a), s + a * a));
    (change / size).sqrt()
}
