//! Training steps in Burn's tensor operations with automatic differentiation: any device that Burn has.
//!
//! The N members of a group are one batched computation: weights are N × fan_in × fan_out, and every matrix product is
//! batched over members. The loss is the sum of the members' losses, so each member's gradient is its own.

use super::batch::Batch;
use super::engine::{Engine, Parameters, Snapshot, StepReport};
use super::optimizer::{Optimizer, StepRule};
use super::task::Task;
use super::weights::{Layer, Weights};
use crate::error::{Error, Result};
use burn::tensor::activation::{relu, silu, tanh};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use gtv_theory::ntk::{Activation, LayerScaling};

/// One array of parameters of N members with what the optimizer keeps of it.
struct Parameter {
    name: String,
    /// Factors on the learning rate under gradient descent and under Adam.
    rates: (f64, f64),
    value: Tensor<3>,
    initial: Option<Tensor<3>>,
    first: Option<Tensor<3>>,
    second: Option<Tensor<3>>,
    average: Option<Tensor<3>>,
}

/// A group of members on a Burn device, differentiated by Burn.
pub struct TensorEngine {
    layers: Vec<LayerScaling>,
    activation: Activation,
    members: usize,
    device: Device,
    /// Weight and bias of each layer, in order.
    parameters: Vec<Parameter>,
}

impl TensorEngine {
    /// Puts members with the given initial weights on a device.
    ///
    /// # Errors
    /// Weights of another architecture.
    pub fn new(task: &Task, initial: &[Weights], device: &Device) -> Result<Self> {
        let device = device.clone().inner_or_self();
        let layers = task.layers();
        let training = task.training();
        let mut parameters = Vec::new();
        for (l, scaling) in layers.iter().enumerate() {
            let make = |kind: &str, shape: [usize; 3], rates, pick: fn(&Layer) -> &[f32]| {
                let data: Vec<f32> = initial.iter().flat_map(|w| pick(&w.layers[l])).copied().collect();
                let value = tensor(data, shape, &device);
                let zeros = |wanted: bool| wanted.then(|| value.zeros_like());
                Parameter {
                    name: format!("{l}.{kind}"),
                    rates,
                    initial: training.centred.then(|| value.clone()),
                    first: zeros(StepRule::has_first(training.optimizer)),
                    second: zeros(StepRule::has_second(training.optimizer)),
                    average: training.average.map(|_| value.clone()),
                    value,
                }
            };
            let shape = [initial.len(), scaling.fan_in, scaling.fan_out];
            parameters.push(make("weight", shape, (scaling.sgd_rate, scaling.adam_rate), |l| &l.weight));
            if scaling.bias.is_some() {
                let shape = [initial.len(), 1, scaling.fan_out];
                parameters.push(make("bias", shape, (scaling.bias_sgd_rate, 1.0), |l| &l.bias));
            }
        }
        let activation = task.arch().activation;
        Ok(Self { layers, activation, members: initial.len(), device, parameters })
    }

    /// F at `inputs` (N × B × I) with the given parameters, in the order of `self.parameters`.
    fn network(&self, parameters: &[Tensor<3>], inputs: Tensor<3>) -> Tensor<3> {
        let mut parameters = parameters.iter().cloned();
        let mut h = inputs;
        let last = self.layers.len() - 1;
        for (l, layer) in self.layers.iter().enumerate() {
            let Some(weight) = parameters.next() else { break };
            h = h.matmul(weight);
            if layer.weight_scale != 1.0 {
                h = h.mul_scalar(layer.weight_scale as f32);
            }
            if let Some((scale, _)) = layer.bias
                && let Some(bias) = parameters.next()
            {
                h = h + if scale == 1.0 { bias } else { bias.mul_scalar(scale as f32) };
            }
            if l < last {
                h = activate(self.activation, h);
            }
        }
        h
    }

    fn input(&self, inputs: &[f32], rows: usize, device: &Device) -> Tensor<3> {
        tensor(inputs.to_vec(), [self.members, rows, self.layers[0].fan_in], device)
    }

    fn gradients(&self, batch: &Batch, rule: &StepRule) -> (Vec<f64>, Vec<Tensor<3>>) {
        let tracked = self.device.clone().autodiff();
        let (n, b) = (self.members, batch.size);
        let parameters: Vec<Tensor<3>> =
            self.parameters.iter().map(|p| Tensor::from_inner(p.value.clone()).require_grad()).collect();
        let inputs = self.input(&batch.inputs, b, &tracked);
        let scale = tensor(batch.scale.clone(), [n, b, 1], &tracked);
        let outputs = batch.labels.len() / (n * b);
        let labels = tensor(batch.labels.clone(), [n, b, outputs], &tracked);
        let residual = self.network(&parameters, inputs) * scale - labels;
        let square = residual.clone() * residual;
        let mut loss = square.sum_dim(2).sum_dim(1).mul_scalar(0.5 / b as f32);
        if rule.ridge > 0.0 {
            for p in &parameters {
                let square = (p.clone() * p.clone()).sum_dim(2).sum_dim(1);
                loss = loss + square.mul_scalar(0.5 * rule.ridge as f32);
            }
        }
        let mut gradients: Gradients = loss.clone().sum().backward();
        let of =
            |p: &Tensor<3>| p.grad_remove(&mut gradients).unwrap_or_else(|| p.clone().inner().zeros_like());
        let gradients: Vec<Tensor<3>> = parameters.iter().map(of).collect();
        (host(loss.inner()).into_iter().map(f64::from).collect(), gradients)
    }
}

/// Adds the differentiation context of a device away.
trait InnerOrSelf {
    fn inner_or_self(self) -> Self;
}

impl InnerOrSelf for Device {
    fn inner_or_self(self) -> Self {
        if self.is_autodiff() { self.inner() } else { self }
    }
}

fn tensor(values: Vec<f32>, shape: [usize; 3], device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The values on the host.
fn host(tensor: Tensor<3>) -> Vec<f32> {
    let data = tensor.into_data();
    data.iter::<f32>().collect()
}

fn activate(activation: Activation, u: Tensor<3>) -> Tensor<3> {
    match activation {
        Activation::Relu => relu(u),
        Activation::Silu => silu(u),
        Activation::Tanh => tanh(u),
        Activation::Erf => u.erf(),
    }
}

impl Engine for TensorEngine {
    fn members(&self) -> usize {
        self.members
    }

    fn step(&mut self, batch: &Batch, rule: &StepRule) -> Result<StepReport> {
        let (loss, gradients) = self.gradients(batch, rule);
        let square = |g: &Tensor<3>| (g.clone() * g.clone()).sum_dim(2).sum_dim(1);
        let total = gradients.iter().map(square).reduce(|a, b| a + b);
        let grad_norm: Vec<f64> =
            total.map_or(Vec::new(), |t| host(t).into_iter().map(|v| f64::from(v).sqrt()).collect());
        let clip = rule.clip.map(|_| {
            let factors: Vec<f32> = grad_norm.iter().map(|n| rule.clip_factor(*n) as f32).collect();
            tensor(factors, [self.members, 1, 1], &self.device)
        });
        for (p, mut gradient) in self.parameters.iter_mut().zip(gradients) {
            if let Some(factor) = &clip {
                gradient = gradient * factor.clone();
            }
            p.update(gradient, rule);
        }
        Ok(StepReport { loss, grad_norm })
    }

    fn forward(&mut self, which: Parameters, inputs: &[f32], rows: usize) -> Result<Vec<f32>> {
        let parameters = self.pick(which)?;
        Ok(host(self.network(&parameters, self.input(inputs, rows, &self.device))))
    }

    fn weights(&mut self, which: Parameters) -> Result<Vec<Weights>> {
        let mut arrays = self.pick(which)?.into_iter().map(host);
        let mut members: Vec<Weights> = (0..self.members).map(|_| Weights { layers: Vec::new() }).collect();
        for layer in &self.layers {
            let weight = arrays.next().unwrap_or_default();
            let bias = layer.bias.and_then(|_| arrays.next()).unwrap_or_default();
            for (i, member) in members.iter_mut().enumerate() {
                let of = |all: &[f32]| {
                    let len = all.len() / self.members;
                    all[i * len..(i + 1) * len].to_vec()
                };
                member.layers.push(Layer { weight: of(&weight), bias: of(&bias) });
            }
        }
        Ok(members)
    }

    fn snapshot(&mut self) -> Result<Snapshot> {
        let mut arrays = Vec::new();
        for p in &self.parameters {
            arrays.push((format!("{}.value", p.name), host(p.value.clone())));
            for (kind, kept) in [("first", &p.first), ("second", &p.second), ("average", &p.average)] {
                if let Some(kept) = kept {
                    arrays.push((format!("{}.{kind}", p.name), host(kept.clone())));
                }
            }
        }
        Ok(Snapshot { arrays })
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        let device = self.device.clone();
        let mut arrays = snapshot.arrays.iter();
        for p in &mut self.parameters {
            let shape = p.value.dims();
            let mut take = |kind: &str| -> Result<Tensor<3>> {
                let name = format!("{}.{kind}", p.name);
                match arrays.next() {
                    Some((found, values))
                        if *found == name && values.len() == shape.iter().product::<usize>() =>
                    {
                        Ok(tensor(values.clone(), shape, &device))
                    }
                    _ => Err(Error::Snapshot { array: name }),
                }
            };
            p.value = take("value")?;
            for (kind, kept) in
                [("first", &mut p.first), ("second", &mut p.second), ("average", &mut p.average)]
            {
                if kept.is_some() {
                    *kept = Some(take(kind)?);
                }
            }
        }
        match arrays.next() {
            Some((name, _)) => Err(Error::Snapshot { array: name.clone() }),
            None => Ok(()),
        }
    }
}

impl TensorEngine {
    fn pick(&self, which: Parameters) -> Result<Vec<Tensor<3>>> {
        let of = |p: &Parameter| match which {
            Parameters::Current => Some(p.value.clone()),
            Parameters::Initial => p.initial.clone(),
            Parameters::Average => p.average.clone(),
        };
        self.parameters.iter().map(of).collect::<Option<_>>().ok_or(Error::NotHeld { which })
    }
}

impl Parameter {
    fn update(&mut self, gradient: Tensor<3>, rule: &StepRule) {
        let factor = if rule.optimizer == Optimizer::Adam { self.rates.1 } else { self.rates.0 };
        let rate = rule.rate * factor;
        let step = match rule.optimizer {
            Optimizer::Gd => gradient,
            Optimizer::Sgd => {
                let first = match self.first.take() {
                    Some(b) => b.mul_scalar(rule.momentum as f32) + gradient,
                    None => gradient,
                };
                self.first = Some(first.clone());
                first
            }
            Optimizer::Adam => {
                let (b1, b2) = rule.betas;
                let (c1, c2) = rule.bias_corrections();
                let square = gradient.clone() * gradient.clone();
                let running = |old: Option<Tensor<3>>, new: Tensor<3>, beta: f64| match old {
                    Some(old) => old.mul_scalar(beta as f32) + new.mul_scalar((1.0 - beta) as f32),
                    None => new,
                };
                let first = running(self.first.take(), gradient, b1);
                let second = running(self.second.take(), square, b2);
                self.first = Some(first.clone());
                self.second = Some(second.clone());
                let root = second.mul_scalar((1.0 / c2) as f32).sqrt().add_scalar(rule.epsilon as f32);
                first.mul_scalar((1.0 / c1) as f32) / root
            }
        };
        let mut value = self.value.clone();
        if rule.weight_decay > 0.0 {
            value = value.mul_scalar((1.0 - rate * rule.weight_decay) as f32);
        }
        self.value = value - step.mul_scalar(rate as f32);
        if let (Some(past), Some(decay)) = (self.average.take(), rule.average) {
            let now = self.value.clone().mul_scalar((1.0 - decay) as f32);
            self.average = Some(past.mul_scalar(decay as f32) + now);
        }
    }
}
