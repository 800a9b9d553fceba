//! One network's numbers on the host, and its initialisation.

use gtv_theory::ntk::LayerScaling;
use gtv_theory::rng::{Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};

/// The parameters of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// W, fan_in × fan_out row-major: u = a hᵀW + c b.
    pub weight: Vec<f32>,
    /// b, fan_out; empty for the readout.
    pub bias: Vec<f32>,
}

/// The parameters of one network.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// From the inputs to the outputs.
    pub layers: Vec<Layer>,
}

/// Which initialisation: draws depend on (seed, member) only.
#[derive(Debug, Clone, Copy)]
pub struct Initial {
    /// The random streams.
    pub streams: Streams,
    /// The number of the initialisation.
    pub member: u64,
}

impl Weights {
    /// Draws the parameters of a network at initialisation.
    pub fn draw(layers: &[LayerScaling], from: Initial) -> Self {
        let layers = layers.iter().enumerate().map(|(l, scaling)| {
            // One stream a layer: a wider network does not shift the draws of the next layer's.
            let mut rng = from.streams.stream(Purpose::Init, from.member, l as u64);
            let mut normal = |std: f64| -> f32 {
                let z: f64 = StandardNormal.sample(&mut rng);
                (std * z) as f32
            };
            let weight = (0..scaling.fan_in * scaling.fan_out).map(|_| normal(scaling.weight_std)).collect();
            let bias = match scaling.bias {
                Some((_, std)) => (0..scaling.fan_out).map(|_| normal(std)).collect(),
                None => Vec::new(),
            };
            Layer { weight, bias }
        });
        Self { layers: layers.collect() }
    }

    /// The same network with the multipliers inside the weights, a W and c b: what a library without multipliers needs.
    pub fn effective(mut self, layers: &[LayerScaling]) -> Self {
        for (layer, scaling) in self.layers.iter_mut().zip(layers) {
            let scale = |values: &mut [f32], by: f64| values.iter_mut().for_each(|v| *v *= by as f32);
            scale(&mut layer.weight, scaling.weight_scale);
            scale(&mut layer.bias, scaling.bias.map_or(1.0, |(c, _)| c));
        }
        self
    }

    /// The network whose [`Weights::effective`] these are.
    pub fn from_effective(mut self, layers: &[LayerScaling]) -> Self {
        for (layer, scaling) in self.layers.iter_mut().zip(layers) {
            let scale = |values: &mut [f32], by: f64| {
                values.iter_mut().for_each(|v| *v = (f64::from(*v) / by) as f32)
            };
            scale(&mut layer.weight, scaling.weight_scale);
            // A bias multiplier of 0 leaves nothing to recover.
            scale(&mut layer.bias, scaling.bias.map_or(1.0, |(c, _)| if c == 0.0 { 1.0 } else { c }));
        }
        self
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.layers.iter().map(|l| l.weight.len() + l.bias.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
