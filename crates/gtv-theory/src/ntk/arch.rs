//! The multilayer perceptron: h⁰ = input, h^{l+1} = ρ(a_l W_l h^l + c_l b_l), output a_L W_L h^L.
//!
//! Parameterisations differ in the multipliers a, c, the standard deviations of W and b at initialisation, and the learning
//! rate of each layer. `ntk`: a = σ_w/√fan_in, c = σ_b, all parameters N(0, 1), one rate; its infinite-width limit has the
//! kernel of THEORY §6. `standard`: a = c = 1, W ~ N(0, σ_w²/fan_in). `mup`: Yang et al., Tensor Programs V, Table 3, with
//! the standard parameterisation at the base width.

use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// ρ, the activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(0, u).
    #[default]
    Relu,
    /// u / (1 + e^{−u}).
    Silu,
    /// tanh u.
    Tanh,
    /// erf u.
    Erf,
}

impl Activation {
    /// Every activation.
    pub const ALL: [Self; 4] = [Self::Relu, Self::Erf, Self::Silu, Self::Tanh];

    /// The name used in configs and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Silu => "silu",
            Self::Tanh => "tanh",
            Self::Erf => "erf",
        }
    }
}

/// How weights, multipliers and learning rates scale with width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Parameterisation {
    /// Neural tangent: scale in the multiplier.
    Ntk,
    /// Scale in the initial weights, as deep-learning libraries do.
    Standard,
    /// Maximal update: features are learned at every width, at the rate tuned at the base width.
    #[default]
    Mup,
}

/// A fully connected network, but for the numbers of its inputs and outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MlpSpec {
    /// Hidden layers; 0 is a linear map of the inputs.
    #[schemars(range(max = 64))]
    pub depth: usize,
    /// Units of each hidden layer.
    #[schemars(range(min = 1, max = 1048576))]
    pub width: usize,
    /// ρ, the activation.
    pub activation: Activation,
    /// How weights and learning rates scale with width.
    pub parameterisation: Parameterisation,
    /// σ_w², the variance of hidden layers' weights; the readout has 1.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub weight_var: f64,
    /// σ_b², the variance of hidden layers' biases; the readout has none.
    #[schemars(range(min = 0.0))]
    pub bias_var: f64,
    /// Width at which `mup` is the standard parameterisation.
    #[schemars(range(min = 1), extend("when" = {"parameterisation": ["mup"]}))]
    pub base_width: usize,
}

impl Default for MlpSpec {
    fn default() -> Self {
        Self {
            depth: 2,
            width: 256,
            activation: Activation::default(),
            parameterisation: Parameterisation::default(),
            weight_var: 2.0,
            bias_var: 0.1,
            base_width: 64,
        }
    }
}

/// One affine layer: u = a W h + c b with W ~ N(0, std²), b ~ N(0, bias_std²).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerScaling {
    /// Inputs.
    pub fan_in: usize,
    /// Outputs.
    pub fan_out: usize,
    /// a.
    pub weight_scale: f64,
    /// Standard deviation of W at initialisation.
    pub weight_std: f64,
    /// c and the standard deviation of b at initialisation; the readout has no bias.
    pub bias: Option<(f64, f64)>,
    /// Factor on the learning rate of W under (stochastic) gradient descent.
    pub sgd_rate: f64,
    /// Factor on the learning rate of W under Adam.
    pub adam_rate: f64,
    /// Factor on the learning rate of b under (stochastic) gradient descent; under Adam it is 1.
    pub bias_sgd_rate: f64,
}

impl MlpSpec {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] naming the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        let check = |ok: bool, name, value, expected| {
            if ok { Ok(()) } else { Err(Error::OutOfRange { name, value, expected }) }
        };
        check(self.depth <= 64, "depth", self.depth as f64, "at most 64 hidden layers")?;
        check((1..=1 << 20).contains(&self.width), "width", self.width as f64, "between 1 and 1048576")?;
        check(self.base_width > 0, "base_width", self.base_width as f64, "at least 1")?;
        let (w, b) = (self.weight_var, self.bias_var);
        check(w.is_finite() && w > 0.0, "weight_var", w, "a finite number above 0")?;
        check(b.is_finite() && b >= 0.0, "bias_var", b, "a finite number, 0 or above")?;
        // The variance of a layer's output is of the order of w^(layers) or b w^(layers).
        let scale = (self.depth as f64 + 1.0) * w.log10();
        let within = |power: f64| (-100.0..=100.0).contains(&power);
        check(
            within(scale),
            "weight_var",
            w,
            "a number whose power depth + 1 lies between 1e-100 and 1e100",
        )?;
        check(
            b <= 1e100 && scale + b.max(1.0).log10() <= 100.0,
            "bias_var",
            b,
            "at most 1e100, over all layers",
        )
    }

    /// The layers from the inputs to the outputs, `depth` + 1 of them.
    pub fn layers(&self, inputs: usize, outputs: usize) -> Vec<LayerScaling> {
        let width = |l: usize| if l == 0 { inputs } else { self.width };
        let hidden = (0..self.depth).map(|l| self.hidden(width(l), l == 0));
        hidden.chain([self.readout(width(self.depth), outputs)]).collect()
    }

    fn hidden(&self, fan_in: usize, first: bool) -> LayerScaling {
        let (std_w, std_b) = ((self.weight_var / fan_in as f64).sqrt(), self.bias_var.sqrt());
        let wider = self.width as f64 / self.base_width as f64;
        let standard = LayerScaling {
            fan_in,
            fan_out: self.width,
            weight_scale: 1.0,
            weight_std: std_w,
            bias: Some((1.0, std_b)),
            sgd_rate: 1.0,
            adam_rate: 1.0,
            bias_sgd_rate: 1.0,
        };
        match self.parameterisation {
            Parameterisation::Standard => standard,
            Parameterisation::Ntk => {
                LayerScaling { weight_scale: std_w, weight_std: 1.0, bias: Some((std_b, 1.0)), ..standard }
            }
            Parameterisation::Mup if first => {
                LayerScaling { sgd_rate: wider, bias_sgd_rate: wider, ..standard }
            }
            Parameterisation::Mup => {
                LayerScaling { adam_rate: 1.0 / wider, bias_sgd_rate: wider, ..standard }
            }
        }
    }

    fn readout(&self, fan_in: usize, fan_out: usize) -> LayerScaling {
        let std = 1.0 / (fan_in as f64).sqrt();
        // A map without hidden layers has nothing that grows with width.
        let wider = if self.depth == 0 { 1.0 } else { self.width as f64 / self.base_width as f64 };
        let standard = LayerScaling {
            fan_in,
            fan_out,
            weight_scale: 1.0,
            weight_std: std,
            bias: None,
            sgd_rate: 1.0,
            adam_rate: 1.0,
            bias_sgd_rate: 1.0,
        };
        match self.parameterisation {
            Parameterisation::Standard => standard,
            Parameterisation::Ntk => LayerScaling { weight_scale: std, weight_std: 1.0, ..standard },
            Parameterisation::Mup => LayerScaling {
                weight_std: std / wider.sqrt(),
                sgd_rate: 1.0 / wider,
                adam_rate: 1.0 / wider,
                ..standard
            },
        }
    }

    /// Number of parameters.
    pub fn parameters(&self, inputs: usize, outputs: usize) -> usize {
        let count = |l: &LayerScaling| l.fan_out * (l.fan_in + usize::from(l.bias.is_some()));
        self.layers(inputs, outputs).iter().map(count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_parameterisations_agree_at_initialisation() {
        // a·std, the scale of the function at initialisation, is the same for ntk and standard at every width, and for
        // mup at the base width.
        for (width, kinds) in
            [(64, vec![Parameterisation::Ntk, Parameterisation::Mup]), (512, vec![Parameterisation::Ntk])]
        {
            let standard =
                MlpSpec { width, parameterisation: Parameterisation::Standard, ..MlpSpec::default() };
            for parameterisation in kinds {
                let other = MlpSpec { parameterisation, ..standard.clone() };
                for (a, b) in standard.layers(3, 2).iter().zip(other.layers(3, 2)) {
                    let scale = |l: &LayerScaling| l.weight_scale * l.weight_std;
                    assert!((scale(a) / scale(&b) - 1.0).abs() < 1e-14);
                    let bias = |l: &LayerScaling| l.bias.map_or(0.0, |(c, std)| c * std);
                    assert!((bias(a) - bias(&b)).abs() < 1e-14);
                }
            }
        }
    }

    #[test]
    fn identities_mup_follows_its_table() {
        let spec = MlpSpec { width: 256, parameterisation: Parameterisation::Mup, ..MlpSpec::default() };
        let layers = spec.layers(4, 2);
        // Width 4 times the base: hidden Adam rate 1/4, readout rate 1/4 and variance 1/4 of 1/fan_in, input SGD rate 4.
        assert_eq!((layers[0].adam_rate, layers[0].sgd_rate), (1.0, 4.0));
        assert_eq!((layers[1].adam_rate, layers[1].sgd_rate), (0.25, 1.0));
        assert_eq!((layers[2].adam_rate, layers[2].sgd_rate), (0.25, 0.25));
        assert!((layers[2].weight_std.powi(2) - 1.0 / (256.0 * 4.0)).abs() < 1e-18);
        assert_eq!(spec.parameters(4, 2), 256 * 5 + 256 * 257 + 512);
        assert_eq!(MlpSpec { depth: 0, ..spec }.parameters(4, 2), 8);
    }

    #[test]
    fn limits_bad_numbers_are_refused() {
        let good = MlpSpec::default();
        for bad in [
            MlpSpec { width: 0, ..good.clone() },
            MlpSpec { weight_var: -1.0, ..good.clone() },
            MlpSpec { weight_var: f64::NAN, ..good.clone() },
            MlpSpec { bias_var: -0.1, ..good.clone() },
            MlpSpec { depth: 65, ..good.clone() },
            MlpSpec { base_width: 0, ..good.clone() },
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
        assert!(good.validate().is_ok());
    }
}
