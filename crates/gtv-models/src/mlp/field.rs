//! A trained network as a score field: ŝ = a_t y + b_t x with y = skip_t x + out_t F.

use super::derivative::along;
use super::forward::{Scratch, forward};
use super::task::Task;
use super::weights::Weights;
use gtv_theory::ntk::{Frame, LayerScaling, MlpSpec};
use gtv_theory::{Schedule, ScoreField};
use std::cell::RefCell;
use std::sync::Arc;

/// What the networks of a run share.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkForm {
    /// The architecture.
    pub arch: MlpSpec,
    /// What stands around it.
    pub frame: Frame,
    layers: Vec<LayerScaling>,
}

impl NetworkForm {
    /// The form of the networks that a task trains, with multipliers inside the weights ([`Weights::effective`]).
    pub fn of(task: &Task) -> Self {
        let plain = |layer: LayerScaling| LayerScaling {
            weight_scale: 1.0,
            bias: layer.bias.map(|(_, std)| (1.0, std)),
            ..layer
        };
        Self {
            arch: task.arch().clone(),
            frame: task.frame().clone(),
            layers: task.layers().into_iter().map(plain).collect(),
        }
    }

    /// The layers from the inputs to the outputs; their multipliers are 1.
    pub fn layers(&self) -> &[LayerScaling] {
        &self.layers
    }

    /// Numbers in the states.
    pub fn dim(&self) -> usize {
        self.frame.dim()
    }
}

/// One trained network.
#[derive(Debug, Clone)]
pub struct MlpField {
    form: Arc<NetworkForm>,
    weights: Arc<Weights>,
    /// The network at initialisation, where its function is subtracted.
    initial: Option<Arc<Weights>>,
    /// v̂ of each parameter, where the optimizer kept it.
    second_moments: Option<Arc<Weights>>,
}

/// Rows that a network sees at a time: bounds what a wide one needs, and keeps its activations in cache.
const ROWS: usize = 1024;

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

#[derive(Default)]
struct Buffers {
    scratch: Scratch,
    inputs: Vec<f64>,
    single: Vec<f32>,
    out: Vec<f32>,
    start: Vec<f32>,
}

impl MlpField {
    /// A network of a form, its weights with multipliers inside; `initial` is subtracted from it.
    pub fn new(form: Arc<NetworkForm>, weights: Arc<Weights>, initial: Option<Arc<Weights>>) -> Self {
        Self { form, weights, initial, second_moments: None }
    }

    /// The same network with v̂ = v/(1 − β₂^k) of its parameters (multipliers outside) at the end of training, from which Adam's last
    /// metric follows.
    #[must_use]
    pub fn with_second_moments(self, moments: Arc<Weights>) -> Self {
        Self { second_moments: Some(moments), ..self }
    }

    /// v̂ of the parameters at the end of training, where Adam trained the network and its run kept it.
    pub fn second_moments(&self) -> Option<&Weights> {
        self.second_moments.as_deref()
    }

    /// What the network shares with the others of its run.
    pub fn form(&self) -> &Arc<NetworkForm> {
        &self.form
    }

    /// The network's layers; their multipliers are 1.
    pub fn layers(&self) -> &[LayerScaling] {
        self.form.layers()
    }

    /// The network's parameters.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The network's parameters at initialisation, where its function there is subtracted.
    pub fn initial(&self) -> Option<&Weights> {
        self.initial.as_deref()
    }

    /// y(x_i, t_i), each point at its own time.
    ///
    /// # Shapes
    /// `x`, `out`: n × D; `t`: n.
    pub fn predict(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        let dim = self.form.dim();
        for ((x, t), out) in x.chunks(ROWS * dim).zip(t.chunks(ROWS)).zip(out.chunks_mut(ROWS * dim)) {
            self.network(t.len(), |inputs| self.form.frame.embedding().fill_points(x, t, inputs), out);
            for ((x, &t), y) in x.chunks_exact(dim).zip(t).zip(out.chunks_exact_mut(dim)) {
                self.finish(x, t, y);
            }
        }
    }

    /// F at the inputs that `fill` writes.
    fn network(&self, rows: usize, fill: impl FnOnce(&mut [f64]), out: &mut [f64]) {
        let form = &*self.form;
        BUFFERS.with_borrow_mut(|buffers| {
            let Buffers { scratch, inputs, single, out: values, start } = buffers;
            inputs.resize(rows * form.frame.embedding().inputs(), 0.0);
            fill(inputs);
            single.clear();
            single.extend(inputs.iter().map(|v| *v as f32));
            values.resize(out.len(), 0.0);
            // Callers share paths among threads already.
            forward(&form.layers, form.arch.activation, &self.weights, single, rows, false, scratch, values);
            if let Some(initial) = &self.initial {
                start.resize(out.len(), 0.0);
                forward(&form.layers, form.arch.activation, initial, single, rows, false, scratch, start);
                values.iter_mut().zip(&*start).for_each(|(v, s)| *v -= s);
            }
            out.iter_mut().zip(&*values).for_each(|(o, v)| *o = f64::from(*v));
        });
    }

    /// F → y in place, at points of one time.
    fn finish(&self, x: &[f64], t: f64, y: &mut [f64]) {
        let (skip, out) = self.form.frame.output_coefficients(t);
        for (y, x) in y.iter_mut().zip(x) {
            *y = skip * x + out * *y;
        }
    }

    /// y at points of one time.
    fn predict_at(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let dim = self.form.dim();
        for (x, out) in x.chunks(ROWS * dim).zip(out.chunks_mut(ROWS * dim)) {
            let fill = |inputs: &mut [f64]| self.form.frame.embedding().fill_batch(x, t, inputs);
            self.network(x.len() / dim, fill, out);
            self.finish(x, t, out);
        }
    }
}

impl ScoreField for MlpField {
    fn dim(&self) -> usize {
        self.form.dim()
    }

    fn schedule(&self) -> &Schedule {
        self.form.frame.schedule()
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.predict_at(x, t, out);
        self.form.frame.score_in_place(x, t, out);
    }

    fn scores_into(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        self.predict(x, t, out);
        let dim = self.dim();
        for ((x, &t), out) in x.chunks_exact(dim).zip(t).zip(out.chunks_exact_mut(dim)) {
            self.form.frame.score_in_place(x, t, out);
        }
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        self.predict_at(x, t, out);
        self.form.frame.denoiser_in_place(x, t, out);
    }

    fn denoiser_derivative_into(&self, x: &[f64], t: f64, directions: &[f64], out: &mut [f64]) {
        let (form, objective) = (&*self.form, self.form.frame.objective());
        let mut slope = along(form, &self.weights, x, t, directions);
        if let Some(initial) = &self.initial {
            let start = along(form, initial, x, t, directions);
            slope.iter_mut().zip(start).for_each(|(s, start)| *s -= start);
        }
        let (skip, scale) = form.frame.output_coefficients(t);
        // y = c m + d x.
        let (c, d) = objective.prediction.target_coefficients(self.schedule(), t);
        for ((o, s), v) in out.iter_mut().zip(slope).zip(directions) {
            *o = (scale * s + (skip - d) * v) / c;
        }
    }
}
