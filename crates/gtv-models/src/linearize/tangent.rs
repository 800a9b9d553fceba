//! A network at one point of its parameter space, and the points (x, t) at which its derivatives are known.

use super::number::Number;
use super::trace::Trace;
use crate::error::Result;
use crate::mlp::Weights;
use gtv_theory::error::check_len;
use gtv_theory::ntk::{Activation, LayerScaling, MlpSpec};
use rayon::prelude::*;

/// How much a direction of the parameters counts in Θ = Σ_a r_a ∂_aF ∂_aF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TangentMetric {
    /// r = 1: the inner product of gradients.
    Euclidean,
    /// r = the factor on each layer's learning rate: the kernel that gradient descent moves the function with. Adam has none.
    #[default]
    GradientDescent,
}

/// Points that are traced at a time; fixed, so that sums do not depend on the number of threads.
pub(super) const ROWS: usize = 256;

/// A network F(·; θ) with given parameters, ready to be differentiated.
#[derive(Debug, Clone, PartialEq)]
pub struct Tangent {
    pub(super) layers: Vec<LayerScaling>,
    pub(super) activation: Activation,
    pub(super) weights: Weights,
    pub(super) metric: TangentMetric,
}

/// Activations and signals at a set of inputs, from which Θ between any two points is two dot products a layer.
#[derive(Debug, Clone)]
pub struct Points<T> {
    pub(super) traces: Vec<Trace<T>>,
    rows: usize,
    outputs: usize,
}

impl<T: Number> Points<T> {
    /// n.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.outputs
    }

    /// F, n × D.
    pub fn outputs(&self) -> Vec<f64> {
        self.traces.iter().flat_map(|trace| trace.outputs.iter().map(|v| v.wide())).collect()
    }
}

impl Tangent {
    /// The network of an architecture with given parameters.
    ///
    /// # Errors
    /// A number outside its domain; weights of another architecture.
    pub fn new(
        arch: &MlpSpec,
        inputs: usize,
        outputs: usize,
        weights: Weights,
        metric: TangentMetric,
    ) -> Result<Self> {
        arch.validate()?;
        let layers = arch.layers(inputs, outputs);
        check_len("the network's layers", layers.len(), weights.layers.len())?;
        for (layer, found) in layers.iter().zip(&weights.layers) {
            check_len("a layer's weights", layer.fan_in * layer.fan_out, found.weight.len())?;
            let bias = if layer.bias.is_some() { layer.fan_out } else { 0 };
            check_len("a layer's biases", bias, found.bias.len())?;
        }
        Ok(Self { layers, activation: arch.activation, weights, metric })
    }

    /// θ.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// I.
    pub fn inputs(&self) -> usize {
        self.layers[0].fan_in
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.layers[self.layers.len() - 1].fan_out
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.weights.len()
    }

    /// (r of W, r of b) of a layer.
    pub(super) fn rates(&self, layer: &LayerScaling) -> (f64, f64) {
        match self.metric {
            TangentMetric::Euclidean => (1.0, 1.0),
            TangentMetric::GradientDescent => (layer.sgd_rate, layer.bias_sgd_rate),
        }
    }

    /// The points with the given inputs.
    ///
    /// # Shapes
    /// `inputs`: n × I.
    ///
    /// # Panics
    /// When the inputs are not whole rows: a programming error.
    pub fn points<T: Number>(&self, inputs: &[f64]) -> Points<T> {
        let width = self.inputs();
        assert!(inputs.len().is_multiple_of(width), "inputs must be n x {width}");
        let trace = |inputs: &[f64]| Trace::new(&self.layers, self.activation, &self.weights, inputs);
        let traces = inputs.par_chunks(ROWS * width).map(trace).collect();
        Points { traces, rows: inputs.len() / width, outputs: self.dim() }
    }
}
