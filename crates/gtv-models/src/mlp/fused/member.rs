//! One member's parameters and optimizer state, in Burn's flex tensors, and one step of it.

use super::backward::{Backward, ROWS};
use super::tiles::Tiles;
use super::update::{Arrays, Sums, Update};
use crate::mlp::engine::Parameters;
use crate::mlp::kernels::{LayerRef, block_size, hidden, readout, stride, view, view_mut};
use crate::mlp::optimizer::StepRule;
use crate::mlp::weights::{Layer, Weights};
use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;
use gtv_theory::ntk::{Activation, LayerScaling};

/// One array of parameters with what the optimizer keeps of it.
pub(super) struct Array {
    /// Factors on the learning rate under gradient descent and under Adam.
    rates: (f64, f64),
    pub(super) value: FlexTensor,
    pub(super) initial: Option<FlexTensor>,
    pub(super) first: Option<FlexTensor>,
    pub(super) second: Option<FlexTensor>,
    pub(super) average: Option<FlexTensor>,
    /// Held while a clipped step needs it.
    gradient: Vec<f32>,
}

/// A tensor of rows × columns.
pub(super) fn tensor(values: Vec<f32>, shape: [usize; 2]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// Its values.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}

fn values_mut(tensor: &mut Option<FlexTensor>) -> &mut [f32] {
    tensor.as_mut().map_or(&mut [], FlexTensor::storage_mut)
}

/// What a member keeps beside its parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) initial: bool,
    pub(super) first: bool,
    pub(super) second: bool,
    pub(super) average: bool,
}

impl Array {
    fn new(values: &[f32], shape: [usize; 2], rates: (f64, f64), kept: Kept) -> Self {
        let value = tensor(values.to_vec(), shape);
        let zeros = |wanted: bool| wanted.then(|| tensor(vec![0.0; values.len()], shape));
        Self {
            rates,
            initial: kept.initial.then(|| value.clone()),
            first: zeros(kept.first),
            second: zeros(kept.second),
            average: kept.average.then(|| value.clone()),
            value,
            gradient: Vec::new(),
        }
    }

    /// The parameters asked for, if they are kept.
    pub(super) fn pick(&self, which: Parameters) -> Option<&[f32]> {
        match which {
            Parameters::Current => Some(&self.value),
            Parameters::Initial => self.initial.as_ref(),
            Parameters::Average => self.average.as_ref(),
        }
        .map(values)
    }

    fn views(&mut self) -> Arrays<'_> {
        Arrays {
            value: self.value.storage_mut(),
            first: values_mut(&mut self.first),
            second: values_mut(&mut self.second),
            average: values_mut(&mut self.average),
            gradient: &mut self.gradient,
        }
    }

    /// Memory for what the rule needs.
    fn prepare(&mut self, rule: &StepRule) {
        let len = values(&self.value).len();
        self.gradient.resize(if rule.clip.is_some() { len } else { 0 }, 0.0);
    }
}

/// Weight and bias of one layer.
pub(super) struct MemberLayer {
    pub(super) weight: Array,
    pub(super) bias: Option<Array>,
}

impl MemberLayer {
    /// An array by its names in a snapshot, if there is one.
    pub(super) fn kept(&mut self, kind: &str, part: &str) -> Option<&mut FlexTensor> {
        let array = if kind == "weight" { &mut self.weight } else { self.bias.as_mut()? };
        match part {
            "value" => Some(&mut array.value),
            "first" => array.first.as_mut(),
            "second" => array.second.as_mut(),
            _ => array.average.as_mut(),
        }
    }
}

/// One member.
pub(super) struct Member {
    pub(super) layers: Vec<MemberLayer>,
}

/// One member's examples, and the architecture.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) layers: &'a [LayerScaling],
    pub(super) activation: Activation,
    pub(super) rule: &'a StepRule,
    pub(super) inputs: &'a [f32],
    pub(super) scale: &'a [f32],
    pub(super) labels: &'a [f32],
    pub(super) tiles: &'a Tiles,
    pub(super) parallel: bool,
}

/// Values and slopes of the hidden layers for one batch, and the outputs.
#[derive(Default)]
pub(super) struct Workspace {
    values: Vec<Vec<f32>>,
    /// ρ', then ∂L/∂u in its place.
    slopes: Vec<Vec<f32>>,
    output: Vec<f32>,
    readout: Vec<f32>,
}

impl Member {
    pub(super) fn new(layers: &[LayerScaling], initial: &Weights, kept: Kept) -> Self {
        let make = |(scaling, layer): (&LayerScaling, &Layer)| {
            let (k, n) = (scaling.fan_in, scaling.fan_out);
            let rates = (scaling.sgd_rate, scaling.adam_rate);
            let bias_rates = (scaling.bias_sgd_rate, 1.0);
            MemberLayer {
                weight: Array::new(&layer.weight, [k, n], rates, kept),
                bias: scaling.bias.map(|_| Array::new(&layer.bias, [1, n], bias_rates, kept)),
            }
        };
        Self { layers: layers.iter().zip(&initial.layers).map(make).collect() }
    }

    /// Layer l with the parameters asked for, of which those that are not kept are empty.
    pub(super) fn layer<'a>(
        &'a self,
        scaling: &'a LayerScaling,
        l: usize,
        which: Parameters,
    ) -> LayerRef<'a> {
        let layer = &self.layers[l];
        LayerRef {
            scaling,
            weight: layer.weight.pick(which).unwrap_or_default(),
            bias: layer.bias.as_ref().and_then(|b| b.pick(which)).unwrap_or_default(),
        }
    }

    /// One step: the loss and the gradient's length before the update.
    pub(super) fn step(&mut self, job: Job<'_>, work: &mut Workspace) -> (f64, f64) {
        self.arrays().for_each(|array| array.prepare(job.rule));
        self.forward(job, work);
        let mut loss = residual(job, &mut work.output);
        let sums = self.backward(job, work);
        if job.rule.ridge > 0.0 {
            loss += 0.5 * job.rule.ridge * sums.value;
        }
        let norm = sums.gradient.sqrt();
        if job.rule.clip.is_some() {
            let factor = job.rule.clip_factor(norm) as f32;
            for array in self.arrays() {
                let update = Update::new(job.rule, array.rates);
                update.apply_stored(array.views(), factor, job.parallel);
            }
        }
        (loss, norm)
    }

    fn arrays(&mut self) -> impl Iterator<Item = &mut Array> {
        self.layers.iter_mut().flat_map(|l| std::iter::once(&mut l.weight).chain(&mut l.bias))
    }

    fn forward(&self, job: Job<'_>, work: &mut Workspace) {
        let (rows, last) = (job.scale.len(), job.layers.len() - 1);
        work.values.resize_with(last, Vec::new);
        work.slopes.resize_with(last, Vec::new);
        let first = job.layers[0].fan_in;
        let mut x = view(job.inputs, rows, first, first);
        let buffers = work.values.iter_mut().zip(&mut work.slopes);
        for ((l, scaling), (h, slope)) in job.layers[..last].iter().enumerate().zip(buffers) {
            let (n, step) = (scaling.fan_out, stride(scaling.fan_out));
            h.resize(rows * step, 0.0);
            slope.resize(rows * step, 0.0);
            let layer = self.layer(scaling, l, Parameters::Current);
            let (h_view, slope) = (view_mut(h, rows, n, step), view_mut(slope, rows, n, step));
            hidden(layer, job.activation, x, h_view, Some(slope), job.parallel);
            x = view(h, rows, n, step);
        }
        work.output.resize(rows * job.layers[last].fan_out, 0.0);
        let layer = self.layer(&job.layers[last], last, Parameters::Current);
        readout(layer, x, &mut work.output, &mut work.readout, job.parallel);
    }

    fn backward(&mut self, job: Job<'_>, work: &mut Workspace) -> Sums {
        let (rows, last) = (job.scale.len(), job.layers.len() - 1);
        let mut sums = Sums::default();
        for (l, layer) in self.layers.iter_mut().enumerate().rev() {
            let LayerScaling { fan_in, fan_out, weight_scale, bias, .. } = job.layers[l];
            let (below, above) = work.slopes.split_at_mut(l);
            let delta = match above.first() {
                Some(slope) if l < last => view(slope, rows, fan_out, stride(fan_out)),
                _ => view(&work.output, rows, fan_out, fan_out),
            };
            let (x, below) = match (l.checked_sub(1), below.last_mut()) {
                (Some(l), Some(below)) => {
                    let step = stride(fan_in);
                    (view(&work.values[l], rows, fan_in, step), Some(view_mut(below, rows, fan_in, step)))
                }
                _ => (view(job.inputs, rows, fan_in, fan_in), None),
            };
            let part = |update: Update| Backward {
                scale: weight_scale as f32,
                delta,
                update,
                tiles: job.tiles,
                block: block_size(fan_in, ROWS),
                parallel: job.parallel,
            };
            if let (Some((scale, _)), Some(array)) = (bias, &mut layer.bias) {
                let update = Update::new(job.rule, array.rates);
                sums = sums + part(update).bias(delta, scale as f32, array.views());
            }
            let update = Update::new(job.rule, layer.weight.rates);
            sums = sums + part(update).weight(x, layer.weight.views(), below);
        }
        sums
    }
}

/// The loss (1/2B) Σ |uF − v|²; F is replaced by ∂L/∂F = u (uF − v)/B.
fn residual(job: Job<'_>, output: &mut [f32]) -> f64 {
    let rows = job.scale.len();
    let dim = output.len() / rows;
    let mut sum = 0.0f64;
    let examples = output.chunks_exact_mut(dim).zip(job.labels.chunks_exact(dim)).zip(job.scale);
    for ((f, v), u) in examples {
        for (f, v) in f.iter_mut().zip(v) {
            let e = *f * u - v;
            sum += f64::from(e) * f64::from(e);
            *f = e * (u / rows as f32);
        }
    }
    0.5 * sum / rows as f64
}
