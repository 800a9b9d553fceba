//! The training of one lazily trained model: its triples, its labels, gradient flow in closed form.

use super::{LazyField, LazyMember};
use crate::error::{Error, Result};
use crate::family::Member;
use crate::mlp::Task;
use gtv_theory::error::{Error as TheoryError, check_len};
use gtv_theory::features::FeatureMap;
use gtv_theory::linalg::gemm_nn;
use gtv_theory::ntk::{
    Embedding, GradientFlow, KrylovFlow, KrylovSpec, MlpSpec, NetworkFeatures, NetworkKernel, NetworkModel,
    NystromSpec, Unfitted,
};
use gtv_theory::problem::{TrainingProblem, Triples};
use gtv_theory::rng::{Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::sync::Arc;

/// The function that training starts from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InitialFunctions {
    /// None: the initial function is subtracted.
    Centred,
    /// A draw of the network's Gaussian process at initialisation, through so many features of its kernel; the features
    /// depend on the seed.
    Drawn(NystromSpec, Streams),
}

/// Whether training should end.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// How members are trained whose kernels are large: by [`KrylovFlow`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IterativeSpec {
    /// With so many samples or more, and only finite times, iteration is tried before decomposition.
    pub from: usize,
    /// With more samples than this, members are not decomposed at all.
    pub beyond: usize,
    /// When the iteration stops.
    pub krylov: KrylovSpec,
    /// Kernels of up to so many bytes (8 P²) are held; larger ones are made again for each product.
    pub held: u64,
}

impl Default for IterativeSpec {
    fn default() -> Self {
        Self { from: 1024, beyond: GradientFlow::MOST_SAMPLES, krylov: KrylovSpec::default(), held: 4 << 30 }
    }
}

/// Samples to a product that iteration may take before decomposition is turned to, which takes as long as P/6 products.
const WORTH_OF_TRYING: usize = 16;

/// Rows of a kernel that are multiplied at a time where it is not held.
const ROWS: usize = 256;

/// Trains the members of a lazy ensemble.
#[derive(Clone)]
pub struct LazyTrainer {
    model: Arc<NetworkModel>,
    problem: TrainingProblem,
    time: f64,
    cutoff: Option<f64>,
    initial: Option<Arc<NetworkFeatures>>,
    iterative: IterativeSpec,
}

impl LazyTrainer {
    /// Infinitely wide networks of an architecture (its width and parameterisation do not matter), trained by gradient flow on
    /// (1/P) Σ w/2 |y − label|² for a time τ; infinity is the end of training.
    ///
    /// # Errors
    /// A number outside its domain, dimensions that differ, or two preconditionings.
    pub fn new(
        arch: &MlpSpec,
        embedding: Embedding,
        problem: TrainingProblem,
        time: f64,
        initial: InitialFunctions,
    ) -> Result<Self> {
        check_time(time)?;
        if embedding.dim() != problem.dim() {
            let (value, expected) = (embedding.dim() as f64, "the dimension of the data");
            return Err(TheoryError::OutOfRange { name: "the embedding's dimension", value, expected }.into());
        }
        if embedding.preconditioning() != problem.objective().preconditioning {
            return Err(TheoryError::Unsupported {
                what: "an embedding with another preconditioning than the problem's",
                reason: "inputs and outputs of one network are scaled together",
                advice: "build both from one setting",
            }
            .into());
        }
        let model = NetworkModel::new(arch, embedding, problem.objective())?;
        let initial = match initial {
            InitialFunctions::Centred => None,
            InitialFunctions::Drawn(nystrom, streams) => {
                let (nngp, cloud) = (NetworkKernel::Nngp, problem.cloud());
                Some(Arc::new(NetworkFeatures::new(&model, nngp, cloud, &nystrom, streams)?))
            }
        };
        let (model, iterative) = (Arc::new(model), IterativeSpec::default());
        Ok(Self { model, problem, time, cutoff: None, initial, iterative })
    }

    /// The same trainer, whose members do not learn modes of their kernel below a share of the largest; the default is
    /// P · 2.2e-16, what rounding resolves.
    ///
    /// # Errors
    /// A share outside [0, 1); more samples than are decomposed.
    pub fn with_cutoff(self, cutoff: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&cutoff) {
            let expected = "0 or above, and below 1";
            return Err(TheoryError::OutOfRange { name: "cutoff", value: cutoff, expected }.into());
        }
        GradientFlow::check_samples(self.problem.samples())?;
        Ok(Self { cutoff: Some(cutoff), ..self })
    }

    /// The same trainer with other settings for large training sets.
    #[must_use]
    pub fn with_iterative(self, iterative: IterativeSpec) -> Self {
        Self { iterative, ..self }
    }

    /// Whether members are too large to be decomposed.
    pub fn is_iterative(&self) -> bool {
        self.problem.samples() > self.iterative.beyond
    }

    /// Members that are trained at a time: one for each thread, or one on the whole pool where they are too large to be decomposed.
    pub fn side_by_side(&self) -> usize {
        if self.is_iterative() { 1 } else { rayon::current_num_threads() }
    }

    /// The same networks on another problem of the same data, such as the true score.
    #[must_use]
    pub fn on(&self, problem: TrainingProblem) -> Self {
        Self { problem, ..self.clone() }
    }

    /// The infinite-width limit of a task's networks, trained by gradient flow for a time; `features` and `streams` are for the
    /// initial functions, where the task does not subtract them.
    ///
    /// # Errors
    /// As [`LazyTrainer::new`].
    pub fn of_task(task: &Task, time: f64, features: NystromSpec, streams: Streams) -> Result<Self> {
        let initial = if task.training().centred {
            InitialFunctions::Centred
        } else {
            InitialFunctions::Drawn(features, streams)
        };
        Self::new(task.arch(), task.embedding().clone(), task.problem().clone(), time, initial)
    }

    /// The network, its inputs and outputs.
    pub fn model(&self) -> &NetworkModel {
        &self.model
    }

    /// What is learned.
    pub fn problem(&self) -> &TrainingProblem {
        &self.problem
    }

    /// τ.
    pub fn time(&self) -> f64 {
        self.time
    }

    /// The features of the initial functions; none where they are subtracted.
    pub fn initial(&self) -> Option<&Arc<NetworkFeatures>> {
        self.initial.as_ref()
    }

    /// Bytes one member needs while it is trained (at so many times), and those it keeps afterwards.
    pub fn bytes(&self, times: usize) -> (u64, u64) {
        let (samples, dim) = (self.problem.samples() as u64, self.model.dim() as u64);
        let initial = self.initial.as_ref().map_or(0, |f| f.len() as u64);
        let kept = samples * (1 + dim + times as u64 * dim) + initial * dim;
        let held = if self.is_iterative() {
            let rows = (ROWS * rayon::current_num_threads()) as u64;
            let kernel = if self.is_held() { samples * samples } else { rows * samples };
            // The bases of the outputs that share products.
            kernel + self.iterative.krylov.most.min(self.problem.samples()) as u64 * samples * dim.min(8)
        } else {
            // The kernel, its eigenvectors twice, what the decomposition works on.
            5 * samples * samples
        };
        (8 * (held + samples * (initial + 4 * dim) + kept), 8 * kept)
    }

    /// Draws the training set and the initial function of a member and trains it for its time. Depends on the seed and
    /// the member's draws only; triples are those of a network with the same draw of data.
    ///
    /// # Errors
    /// An iteration that does not converge or is stopped.
    pub fn train(&self, streams: Streams, member: Member) -> Result<LazyMember> {
        let mut trained = self.train_for(streams, member, &[self.time])?;
        Ok(trained.swap_remove(0))
    }

    /// The same member at several times, from one decomposition or one iteration.
    ///
    /// # Errors
    /// As [`LazyTrainer::train`]; a time that is negative or NaN.
    pub fn train_for(&self, streams: Streams, member: Member, times: &[f64]) -> Result<Vec<LazyMember>> {
        self.train_until(streams, member, times, &|| false)
    }

    /// The same, ended early by `stop`, which is asked between the products of an iteration.
    ///
    /// # Errors
    /// As [`LazyTrainer::train_for`]; [`Error::Interrupted`].
    pub fn train_until(
        &self,
        streams: Streams,
        member: Member,
        times: &[f64],
        stop: Stop<'_>,
    ) -> Result<Vec<LazyMember>> {
        for time in times {
            check_time(*time)?;
        }
        let triples = self.problem.sampler().draw(streams, member.data, self.problem.samples())?;
        let initial: Vec<f64> = match &self.initial {
            None => Vec::new(),
            Some(features) => {
                let rng = &mut streams.stream(Purpose::Init, member.init, 0);
                StandardNormal.sample_iter(rng).take(features.len() * self.model.dim()).collect()
            }
        };
        self.fit_until(triples, initial, times, stop)
    }

    /// Gradient flow on given triples from an initial function of given weights (K₀ × D; empty for a centred one).
    ///
    /// # Errors
    /// Weights of another number; as [`LazyTrainer::train`].
    pub fn fit(&self, triples: Triples, initial: Vec<f64>, times: &[f64]) -> Result<Vec<LazyMember>> {
        self.fit_until(triples, initial, times, &|| false)
    }

    fn fit_until(
        &self,
        triples: Triples,
        initial: Vec<f64>,
        times: &[f64],
        stop: Stop<'_>,
    ) -> Result<Vec<LazyMember>> {
        let dim = self.model.dim();
        let expected = self.initial.as_ref().map_or(0, |f| f.len() * dim);
        check_len("the initial function's weights", expected, initial.len())?;
        let mut labels = self.problem.labels(&triples);
        if let Some(features) = &self.initial {
            let mut psi = vec![0.0; triples.len() * features.len()];
            features.fill(&triples.x, &triples.t, &mut psi);
            let mut start = vec![0.0; labels.len()];
            gemm_nn(triples.len(), dim, features.len(), &psi, &initial, &mut start);
            labels.iter_mut().zip(start).for_each(|(y, f)| *y -= f);
        }
        let coefficients = self.coefficients(&triples, &labels, times, stop)?;
        let (x, t, initial) = (Arc::new(triples.x), Arc::new(triples.t), Arc::new(initial));
        let at =
            |coefficients| LazyMember { x: x.clone(), t: t.clone(), coefficients, initial: initial.clone() };
        Ok(coefficients.into_iter().map(at).collect())
    }

    /// F_eff = Σ (1 − e^{−λτ/P}) of one member's own kernel.
    ///
    /// # Errors
    /// A time that is negative or NaN; more samples than can be decomposed.
    pub fn effective_features(&self, streams: Streams, member: Member, time: f64) -> Result<f64> {
        check_time(time)?;
        let triples = self.problem.sampler().draw(streams, member.data, self.problem.samples())?;
        Ok(self.flow(&triples)?.effective(time)?)
    }

    /// The shapes of a member's arrays in its file; the last is empty for a centred one.
    pub(super) fn file_shapes(&self) -> Vec<Vec<usize>> {
        let (samples, dim) = (self.problem.samples(), self.model.dim());
        let mut shapes = vec![vec![samples, dim], vec![samples], vec![samples, dim]];
        shapes.extend(self.initial.as_ref().map(|f| vec![f.len(), dim]));
        shapes
    }

    /// A member as a score field.
    ///
    /// # Errors
    /// Arrays that do not fit this trainer.
    pub fn field(&self, member: &LazyMember) -> Result<LazyField> {
        let (dim, samples) = (self.model.dim(), member.t.len());
        check_len("a member's training points", samples * dim, member.x.len())?;
        check_len("a member's coefficients", samples * dim, member.coefficients.len())?;
        let expected = self.initial.as_ref().map_or(0, |f| f.len() * dim);
        check_len("the initial function's weights", expected, member.initial.len())?;
        Ok(LazyField::new(self.model.clone(), self.initial.clone(), member))
    }

    /// a at each time, by whichever way is shorter.
    fn coefficients(
        &self,
        triples: &Triples,
        labels: &[f64],
        times: &[f64],
        stop: Stop<'_>,
    ) -> Result<Vec<Vec<f64>>> {
        let (samples, krylov) = (triples.len(), self.iterative.krylov);
        if self.is_iterative() {
            return self.iterate(triples, labels, times, krylov, stop);
        }
        let can_iterate = self.cutoff.is_none() && times.iter().all(|time| time.is_finite());
        if samples >= self.iterative.from && can_iterate {
            let most = krylov.most.min(samples / WORTH_OF_TRYING);
            match self.iterate(triples, labels, times, KrylovSpec { most, ..krylov }, stop) {
                Err(Error::Theory(TheoryError::NotConverged { .. })) => {}
                done => return done,
            }
        }
        let flow = self.flow(triples)?;
        times.iter().map(|time| Ok(flow.coefficients(labels, *time)?)).collect()
    }

    fn flow(&self, triples: &Triples) -> Result<GradientFlow> {
        GradientFlow::check_samples(triples.len())?;
        let model = &self.model;
        let mut kernel = vec![0.0; triples.len() * triples.len()];
        model.network().ntk_symmetric_into(&model.inputs(&triples.x, &triples.t), &mut kernel);
        let out = self.output_scales(triples);
        for (row, a) in kernel.chunks_exact_mut(out.len()).zip(&out) {
            row.iter_mut().zip(&out).for_each(|(k, b)| *k *= a * b);
        }
        let weights = self.target_weights(triples);
        Ok(match self.cutoff {
            None => GradientFlow::new(kernel, Some(&weights))?,
            Some(cutoff) => GradientFlow::with_cutoff(kernel, Some(&weights), cutoff)?,
        })
    }

    /// What training has left of a member's labels y.
    ///
    /// # Errors
    /// A member that is not of this trainer.
    pub fn unfitted(&self, member: Member, trained: &LazyMember) -> Result<Unfitted> {
        let triples = self.problem.draw(member.data);
        let mut labels = self.problem.labels(&triples);
        let dim = self.model.dim();
        for (k, (y, x)) in labels.iter_mut().zip(&triples.x).enumerate() {
            *y += self.model.output_coefficients(triples.t[k / dim]).0 * x;
        }
        let mut learned = vec![0.0; labels.len()];
        self.field(trained)?.predict(&triples.x, &triples.t, &mut learned);
        let residuals: Vec<f64> = labels.iter().zip(&learned).map(|(y, f)| y - f).collect();
        Ok(Unfitted::of(&residuals, &labels))
    }

    /// Coefficients at each time from products with the kernel.
    fn iterate(
        &self,
        triples: &Triples,
        labels: &[f64],
        times: &[f64],
        krylov: KrylovSpec,
        stop: Stop<'_>,
    ) -> Result<Vec<Vec<f64>>> {
        let (model, samples) = (&self.model, triples.len());
        let flow = KrylovFlow::new(samples, Some(&self.target_weights(triples)), krylov)?;
        let inputs = model.inputs(&triples.x, &triples.t);
        let mut held = Vec::new();
        if self.is_held() {
            held.resize(samples * samples, 0.0);
            model.network().ntk_symmetric_into(&inputs, &mut held);
        }
        let out = self.output_scales(triples);
        let each = model.embedding().inputs();
        let product = |x: &[f64], y: &mut [f64]| -> Result<()> {
            if stop() {
                return Err(Error::Interrupted);
            }
            let columns = x.len() / samples;
            let scaled: Vec<f64> = x.iter().enumerate().map(|(k, v)| v * out[k / columns]).collect();
            y.par_chunks_mut(ROWS * columns).enumerate().for_each(|(block, y)| {
                let (from, rows) = (block * ROWS, y.len() / columns);
                let made;
                let kernel = if held.is_empty() {
                    made = model.kernel(NetworkKernel::Ntk, &inputs[from * each..][..rows * each], &inputs);
                    &made
                } else {
                    &held[from * samples..][..rows * samples]
                };
                gemm_nn(rows, columns, samples, kernel, &scaled, y);
                for (row, a) in y.chunks_exact_mut(columns).zip(&out[from..]) {
                    row.iter_mut().for_each(|v| *v *= a);
                }
            });
            Ok(())
        };
        Ok(flow.coefficients(labels, times, product)?.coefficients)
    }

    /// Whether the kernel of a member in training by iteration is kept.
    fn is_held(&self) -> bool {
        8 * (self.problem.samples() as u64).pow(2) <= self.iterative.held
    }

    /// out_t of each triple.
    fn output_scales(&self, triples: &Triples) -> Vec<f64> {
        triples.t.iter().map(|t| self.model.output_coefficients(*t).1).collect()
    }

    /// w_t of each triple.
    fn target_weights(&self, triples: &Triples) -> Vec<f64> {
        triples.t.iter().map(|t| self.model.target_weight(*t)).collect()
    }
}

fn check_time(time: f64) -> Result<()> {
    if time >= 0.0 {
        return Ok(());
    }
    let expected = "0 or above; infinity is the end of training";
    Err(TheoryError::OutOfRange { name: "the time of gradient flow", value: time, expected }.into())
}
