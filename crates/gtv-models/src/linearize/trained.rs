//! A trained network about its end, in the metric of its optimiser: the leading directions of the curvature E[w ∂y ∂yᵀ] in M^½, and the
//! network's derivative along them.
//!
//! Φ_Z, rows √w out ∂F_i of landmark triples in the metric: Φ_Z Φ_Zᵀ = V Λ Vᵀ, the dual form, and Q = Φ_Zᵀ V Λ^−½ are orthonormal
//! directions of the parameters. With many parameters the dual is the cheaper form, and never holds points × parameters at once. What Q
//! spans is what counts: curvature and pulls inside are measured anew on other triples.

use super::columns::Row;
use super::span::{orthonormal, weighted_gram};
use super::tangent::{Points, ROWS, Tangent, TangentMetric};
use crate::error::Result;
use crate::mlp::{Layer, MlpField, Optimizer, Task, Weights};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use gtv_theory::ScoreField;
use gtv_theory::error::Error as TheoryError;
use gtv_theory::learner::{Change, Pulls, TrainedModel};
use gtv_theory::linalg::{settle_vector_state, symmetric_eigen_parallel};
use gtv_theory::ntk::{Frame, LayerScaling};
use gtv_theory::rng::{Purpose, Streams};
use rayon::prelude::*;
use std::sync::Arc;

/// How finely a trained network is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainedSpec {
    /// Landmark triples.
    pub landmarks: usize,
    /// Most directions.
    pub most: usize,
    /// Share of the landmarks' trace that may be missed where fewer directions do.
    pub missed: f64,
    /// Whether the trainings that are predicted start anew.
    pub own_start: bool,
}

impl Default for TrainedSpec {
    fn default() -> Self {
        Self { landmarks: 1536, most: 320, missed: 1e-5, own_start: true }
    }
}

/// Eigenvalues below this multiple of the largest are rounding of single precision.
const ROUNDING: f64 = 1e-6;
/// Bytes that directions may take: fewer of a wide network.
const BASIS_BYTES: usize = 1 << 30;
/// Fresh points at which the missed trace is measured.
const FRESH: usize = 512;
/// Numbers of one layer's signals that are held at a time.
const SIGNALS: usize = 1 << 24;
/// Rows of the dual matrix that are made at a time.
const BAND: usize = 256;

/// How many directions of so many parameters memory is taken for.
pub(crate) fn room(parameters: usize) -> usize {
    (BASIS_BYTES / (4 * parameters)).max(1)
}

/// A trained network with directions of its parameters.
pub struct TrainedNetwork {
    tangent: Tangent,
    frame: Frame,
    field: Arc<MlpField>,
    /// M^½ Q, parameters × K.
    basis: Vec<f32>,
    directions: usize,
    missed: f64,
    pulls: Option<Pulls>,
    initial: Option<Vec<f64>>,
}

impl TrainedNetwork {
    /// A network of a task with what its optimizer kept.
    ///
    /// # Errors
    /// Adam's second moments that its run did not save; numbers that are not finite.
    pub fn new(task: &Task, field: &MlpField, spec: &TrainedSpec, streams: Streams) -> Result<Self> {
        let (layers, frame) = (task.layers(), task.frame().clone());
        let weights = field.weights().clone().from_effective(&layers);
        let tangent =
            Tangent::new(task.arch(), task.inputs(), task.dim(), weights, TangentMetric::GradientDescent)?;
        let root = roots(task, field.second_moments())?;
        let dim = task.dim();
        let drawn = task.sampler().draw_from(&mut streams.stream(Purpose::Features, 0, 3), spec.landmarks);
        let points = tangent.points::<f32>(&frame.inputs(&drawn.x, &drawn.t));
        // One output of each landmark, in turn, stands for all D.
        let share = (dim as f64).sqrt();
        let row = |(n, t): (usize, &f64)| (n % ROWS, n % dim, (share * frame.loss_scale(*t)) as f32);
        let rows: Vec<Row> = drawn.t.iter().enumerate().map(row).collect();
        let dual = tangent.dual(&points, &rows, &root);
        let count = rows.len();
        let (values, vectors) = symmetric_eigen_parallel("a trained network's dual curvature", &dual, count)?;
        let total: f64 = values.iter().filter(|v| **v > 0.0).sum();
        let largest = values.last().copied().unwrap_or(0.0);
        if !(total.is_finite() && largest > 0.0) {
            let (name, value) = ("the curvature of a trained network", largest);
            return Err(TheoryError::OutOfRange { name, value, expected: "a number above 0" }.into());
        }
        let mut left = total;
        let enough = |value: &&f64| {
            let more = **value > ROUNDING * largest && left > spec.missed * total;
            left -= **value;
            more
        };
        let most = spec.most.min(room(root.len()));
        let directions = values.iter().rev().take(most).take_while(enough).count();
        let chosen: Vec<f32> = (0..count * directions)
            .map(|e| {
                let column = count - 1 - e % directions;
                (vectors[e / directions * count + column] / values[column].sqrt()) as f32
            })
            .collect();
        let basis = orthonormal(tangent.span(&points, &rows, &root, &chosen, directions), directions)?;
        let form = |diagonal: &(dyn Fn(usize) -> f64 + Sync)| weighted_gram(&basis, directions, diagonal);
        let pulls = pulled_back(task, &root, form);
        // Cov c of parameters drawn anew: Qᵀ M^−½ diag(std²) M^−½ Q.
        let std = by_array(&layers, |layer, bias| match bias {
            true => layer.bias.map_or(0.0, |(_, std)| std),
            false => layer.weight_std,
        });
        let initial = spec.own_start.then(|| form(&|a| (std[a] / f64::from(root[a])).powi(2)));
        let mut made = Self {
            tangent,
            frame,
            field: Arc::new(field.clone()),
            basis: in_metric(basis, &root),
            directions,
            missed: 0.0,
            pulls,
            initial,
        };
        made.missed = made.missed_trace(task, &root, streams);
        Ok(made)
    }

    /// E w tr(∂y M ∂yᵀ) outside of Q, over all of it, at fresh points.
    fn missed_trace(&self, task: &Task, root: &[f32], streams: Streams) -> f64 {
        let drawn = task.sampler().draw_from(&mut streams.stream(Purpose::Features, 0, 4), FRESH);
        let dim = self.frame.dim();
        let points = self.tangent.points::<f32>(&self.frame.inputs(&drawn.x, &drawn.t));
        let blocks = self.tangent.blocks();
        let traces = points.traces.par_iter().zip(drawn.t.par_chunks(ROWS));
        let parts = traces.map(|(trace, t)| {
            let rows: Vec<Row> = (0..t.len() * dim).map(|e| (e / dim, e % dim, 1.0)).collect();
            let mut squares = vec![0.0; rows.len()];
            for block in &blocks {
                let mut values = vec![0.0; rows.len() * block.columns.len()];
                self.tangent.block_into(trace, block, &rows, root, &mut values);
                for (s, row) in squares.iter_mut().zip(values.chunks_exact(block.columns.len())) {
                    *s += row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
                }
            }
            let inside = self.tangent.along_all(trace, &self.basis, self.directions);
            let (mut all, mut kept) = (0.0, 0.0);
            for (e, (square, row)) in squares.iter().zip(inside.chunks_exact(self.directions)).enumerate() {
                let t = t[e / dim];
                let weight = self.frame.target_weight(t) * self.frame.output_coefficients(t).1.powi(2);
                all += weight * square;
                kept += weight * row.iter().map(|v| v * v).sum::<f64>();
            }
            (all, kept)
        });
        let parts: Vec<(f64, f64)> = parts.collect();
        let (all, kept) = parts.iter().fold((0.0, 0.0), |(a, k), p| (a + p.0, k + p.1));
        1.0 - kept / all
    }

    /// M^½ Q c, as a network's parameters.
    fn direction(&self, c: &[f64]) -> Weights {
        let mut flat = self
            .basis
            .chunks_exact(self.directions)
            .map(|row| row.iter().zip(c).map(|(q, c)| f64::from(*q) * c).sum::<f64>() as f32);
        let mut take = |len: usize| flat.by_ref().take(len).collect::<Vec<f32>>();
        let layer = |layer: &Layer| Layer { weight: take(layer.weight.len()), bias: take(layer.bias.len()) };
        Weights { layers: self.tangent.weights.layers.iter().map(layer).collect() }
    }
}

impl TrainedModel for TrainedNetwork {
    fn field(&self) -> Arc<dyn ScoreField> {
        self.field.clone()
    }

    fn directions(&self) -> usize {
        self.directions
    }

    fn derivatives(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let (dim, k) = (self.frame.dim(), self.directions);
        let points = self.tangent.points::<f32>(&self.frame.inputs(x, t));
        let bands = points.traces.par_iter().zip(t.par_chunks(ROWS)).map(|(trace, t)| {
            let mut rows = self.tangent.along_all(trace, &self.basis, k);
            for (rows, t) in rows.chunks_exact_mut(dim * k).zip(t) {
                let scale = self.frame.output_coefficients(*t).1;
                rows.iter_mut().for_each(|v| *v *= scale);
            }
            rows
        });
        bands.collect::<Vec<_>>().concat()
    }

    fn pullback(&self, x: &[f64], t: &[f64], residuals: &[f64]) -> Vec<f64> {
        let (dim, k) = (self.frame.dim(), self.directions);
        let widest = self.tangent.layers.iter().map(|layer| layer.fan_out).max().unwrap_or(1);
        let each = (SIGNALS / (dim * widest)).max(1);
        let mut gradient = vec![0.0; self.tangent.parameters()];
        let states = x.chunks(each * dim).zip(t.chunks(each));
        for ((x, t), residuals) in states.zip(residuals.chunks(each * dim)) {
            let points = self.tangent.points::<f32>(&self.frame.inputs(x, t));
            let scale = |e: usize| self.frame.output_coefficients(t[e / dim]).1;
            let scaled: Vec<f64> = residuals.iter().enumerate().map(|(e, r)| r * scale(e)).collect();
            let part = self.tangent.backwards(&points, &scaled);
            gradient.iter_mut().zip(part).for_each(|(g, p)| *g += p);
        }
        let parts =
            gradient.par_chunks(BAND).zip(self.basis.par_chunks(BAND * k)).map(|(gradient, basis)| {
                let mut part = vec![0.0; k];
                for (g, row) in gradient.iter().zip(basis.chunks_exact(k)) {
                    part.iter_mut().zip(row).for_each(|(p, q)| *p += g * f64::from(*q));
                }
                part
            });
        let mut sum = vec![0.0; k];
        for part in parts.collect::<Vec<_>>() {
            sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
        }
        sum
    }

    fn change(&self, c: &[f64]) -> Change {
        let (direction, tangent, frame) = (self.direction(c), self.tangent.clone(), self.frame.clone());
        Box::new(move |x, t, out| {
            tangent.along(&direction, &frame.inputs(x, t), out);
            for (out, t) in out.chunks_exact_mut(frame.dim()).zip(t) {
                let scale = frame.output_coefficients(*t).1;
                out.iter_mut().for_each(|o| *o *= scale);
            }
        })
    }

    fn missed(&self) -> f64 {
        self.missed
    }

    fn pulls(&self) -> Option<Pulls> {
        self.pulls.clone()
    }

    fn initial_covariance(&self) -> Option<Vec<f64>> {
        self.initial.clone()
    }
}

impl Tangent {
    /// (1/L) Φ_Z Φ_Zᵀ of the rows asked for, n × n; row n is of trace n / ROWS.
    fn dual(&self, points: &Points<f32>, rows: &[Row], root: &[f32]) -> Vec<f64> {
        let n = rows.len();
        let mut dual = vec![0.0; n * n];
        for block in self.blocks() {
            let values = self.stacked(points, &block, rows, root);
            let columns = block.columns.len();
            let all = MatRef::from_row_major_slice(&values, n, columns);
            dual.par_chunks_mut(BAND * n).enumerate().for_each(|(band, out)| {
                let (first, len) = (band * BAND, out.len() / n);
                let (left, right) = (all.subrows(first, len), all.subrows(0, first + len));
                let mut part = vec![0.0f32; len * (first + len)];
                let target = MatMut::from_row_major_slice_mut(&mut part, len, first + len);
                matmul(target, Accum::Replace, left, right.transpose(), 1.0 / n as f32, Par::Seq);
                settle_vector_state();
                for (out, part) in out.chunks_exact_mut(n).zip(part.chunks_exact(first + len)) {
                    out.iter_mut().zip(part).for_each(|(o, p)| *o += f64::from(*p));
                }
            });
        }
        dual
    }

    /// Φ_Zᵀ C/√L of the rows asked for and C (n × k), parameters × k.
    fn span(&self, points: &Points<f32>, rows: &[Row], root: &[f32], c: &[f32], k: usize) -> Vec<f32> {
        let mut span = vec![0.0; root.len() * k];
        let c = MatRef::from_row_major_slice(c, rows.len(), k);
        let scale = 1.0 / (rows.len() as f32).sqrt();
        for block in self.blocks() {
            let values = self.stacked(points, &block, rows, root);
            let columns = block.columns.len();
            let left = MatRef::from_row_major_slice(&values, rows.len(), columns);
            let out = &mut span[block.columns.start * k..block.columns.end * k];
            out.par_chunks_mut(BAND * k).enumerate().for_each(|(band, out)| {
                let len = out.len() / k;
                let target = MatMut::from_row_major_slice_mut(out, len, k);
                let left = left.subcols(band * BAND, len).transpose();
                matmul(target, Accum::Replace, left, c, scale, Par::Seq);
                settle_vector_state();
            });
        }
        span
    }

    /// One block of the rows of all traces.
    fn stacked(
        &self,
        points: &Points<f32>,
        block: &super::columns::Block,
        rows: &[Row],
        root: &[f32],
    ) -> Vec<f32> {
        let columns = block.columns.len();
        let mut values = vec![0.0; rows.len() * columns];
        let parts = values.par_chunks_mut(ROWS * columns).zip(rows.par_chunks(ROWS)).zip(&points.traces);
        parts.for_each(|((out, rows), trace)| self.block_into(trace, block, rows, root, out));
        values
    }
}

/// M^½ Q of Q, K columns.
fn in_metric(mut basis: Vec<f32>, root: &[f32]) -> Vec<f32> {
    let k = basis.len() / root.len();
    basis.par_chunks_mut(k).zip(root).for_each(|(row, root)| row.iter_mut().for_each(|v| *v *= root));
    basis
}

/// Weight decay and penalty in the directions, of which `form` makes Qᵀ diag(d) Q; none where training has neither.
fn pulled_back(
    task: &Task,
    root: &[f32],
    form: impl Fn(&(dyn Fn(usize) -> f64 + Sync)) -> Vec<f64>,
) -> Option<Pulls> {
    let training = task.training();
    if training.weight_decay == 0.0 && training.ridge == 0.0 {
        return None;
    }
    let adam = training.optimizer == Optimizer::Adam;
    let rate = by_array(&task.layers(), |layer, bias| match (adam, bias) {
        (true, false) => layer.adam_rate,
        (true, true) => 1.0,
        (false, false) => layer.sgd_rate,
        (false, true) => layer.bias_sgd_rate,
    });
    Some(Pulls {
        decay: form(&|a| training.weight_decay * rate[a]),
        penalty: form(&|a| training.ridge * f64::from(root[a]).powi(2)),
    })
}

/// √M: √(rate factor/(√v̂ + ε)) under Adam, the root of the factor else.
fn roots(task: &Task, moments: Option<&Weights>) -> Result<Vec<f32>> {
    let (layers, training) = (task.layers(), task.training());
    match training.optimizer {
        Optimizer::Gd | Optimizer::Sgd => {
            let factor =
                by_array(&layers, |layer, bias| if bias { layer.bias_sgd_rate } else { layer.sgd_rate });
            Ok(factor.into_iter().map(|f| f.sqrt() as f32).collect())
        }
        Optimizer::Adam => {
            let Some(moments) = moments else {
                return Err(TheoryError::Unsupported {
                    what: "theory.kernel = \"trained\" for members without the second moments of Adam",
                    reason: "their run saved no members/optimizer-*.safetensors",
                    advice: "train again with this version",
                }
                .into());
            };
            let factor = by_array(&layers, |layer, bias| if bias { 1.0 } else { layer.adam_rate });
            let moments = moments.layers.iter().flat_map(|l| l.weight.iter().chain(&l.bias));
            let root = |(q, v): (f64, &f32)| (q / (f64::from(*v).sqrt() + training.epsilon)).sqrt() as f32;
            Ok(factor.into_iter().zip(moments).map(root).collect())
        }
    }
}

/// A number for each parameter from its layer and whether it is a bias.
fn by_array(layers: &[LayerScaling], of: impl Fn(&LayerScaling, bool) -> f64) -> Vec<f64> {
    let arrays = layers.iter().flat_map(|layer| {
        let biases = layer.bias.map_or(0, |_| layer.fan_out);
        [(of(layer, false), layer.fan_in * layer.fan_out), (of(layer, true), biases)]
    });
    arrays.flat_map(|(value, len)| std::iter::repeat_n(value, len)).collect()
}
