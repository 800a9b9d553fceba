//! The training of a group of members: steps, what can be watched along the way, and its state.

use super::batch::{Batch, BatchSource};
use super::engine::{Engine, Parameters, Snapshot, StepReport};
use super::field::{MlpField, NetworkForm};
use super::optimizer::StepRule;
use super::spec::NoiseDraws;
use super::task::{Examples, Task};
use super::weights::{Initial, Layer, Weights};
use crate::device::Backend;
use crate::error::{Error, Result};
use crate::family::Member;
use gtv_theory::compare::memorized_fraction;
use gtv_theory::dynamics::{PfOde, Sampling};
use gtv_theory::ntk::LayerScaling;
use gtv_theory::rng::{Purpose, Streams};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Losses of a group on probe points, each member's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Losses {
    /// J0 = E[λ_t/2 |ŝ − s|²]: against the true score.
    pub true_score: Vec<f64>,
    /// J1 = E[λ_t/2 |ŝ − s̃|²]: against the proxy score.
    pub proxy: Vec<f64>,
}

/// Points on which losses are measured along training: the same for all members, of none's training set.
pub struct ProbeSet {
    inputs: Vec<f32>,
    scale: Vec<f32>,
    true_score: Vec<f32>,
    proxy: Vec<f32>,
}

impl ProbeSet {
    /// `count` points of the training distribution.
    ///
    /// # Errors
    /// None for a valid task.
    pub fn new(task: &Task, streams: Streams, count: usize) -> Result<Self> {
        let triples = task.sampler().draw_from(&mut streams.stream(Purpose::Probe, 2, 0), count);
        let on = |mix: f64| -> Result<Examples> {
            Ok(task.on(task.problem().with_target_mix(mix)?).examples(&triples))
        };
        let Examples { inputs, scale, labels } = on(0.0)?;
        Ok(Self { inputs, scale, proxy: labels, true_score: on(1.0)?.labels })
    }
}

/// A group of members in training on a device.
pub struct Trainer<'a> {
    task: &'a Task,
    streams: Streams,
    members: Vec<Member>,
    engine: Box<dyn Engine>,
    source: BatchSource<'a>,
    batch: Batch,
    done: u64,
}

impl<'a> Trainer<'a> {
    /// Draws the members' training sets and initial parameters, and puts them on a device.
    ///
    /// # Errors
    /// [`Error::Device`], or an empty group.
    pub fn new(task: &'a Task, streams: Streams, members: &[Member], backend: Backend) -> Result<Self> {
        let weights = Self::initial_weights(task, streams, members);
        let engine = backend.engine(task, &weights)?;
        Self::with_engine(task, streams, members, engine)
    }

    /// The same with a given engine, which holds the members' initial parameters.
    ///
    /// # Errors
    /// As the engine's forward pass.
    pub fn with_engine(
        task: &'a Task,
        streams: Streams,
        members: &[Member],
        mut engine: Box<dyn Engine>,
    ) -> Result<Self> {
        let data: Vec<u64> = members.iter().map(|m| m.data).collect();
        let mut source = BatchSource::new(task, streams, &data)?;
        if task.training().centred && task.training().noise == NoiseDraws::Fixed {
            let inputs = source.all_inputs();
            let start = engine.forward(Parameters::Initial, &inputs, task.problem().samples())?;
            source.add_to_labels(&start);
        }
        let members = members.to_vec();
        Ok(Self { task, streams, members, engine, source, batch: Batch::default(), done: 0 })
    }

    /// The members' parameters at initialisation.
    pub fn initial_weights(task: &Task, streams: Streams, members: &[Member]) -> Vec<Weights> {
        let layers = task.layers();
        members.iter().map(|m| Weights::draw(&layers, Initial { streams, member: m.init })).collect()
    }

    /// The group.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Steps taken.
    pub fn steps_done(&self) -> u64 {
        self.done
    }

    /// Takes one step.
    ///
    /// # Errors
    /// [`Error::Diverged`] for a loss that is not finite, or, at the last step, beyond what an untrained network could have;
    /// the parameters are then those after the step.
    pub fn step(&mut self) -> Result<StepReport> {
        let spec = self.task.training();
        self.source.fill(self.done, &mut self.batch);
        if spec.centred && spec.noise == NoiseDraws::Fresh {
            let start = self.engine.forward(Parameters::Initial, &self.batch.inputs, self.batch.size)?;
            self.batch.add_to_labels(&start);
        }
        let report = self.engine.step(&self.batch, &spec.rule(self.done))?;
        self.done += 1;
        let labels = self.batch.labels.chunks_exact(self.batch.size * self.task.dim());
        let nothing = labels.map(|v| half_mean_square(v, self.batch.size));
        self.check(report.loss.iter().copied(), nothing)?;
        Ok(report)
    }

    /// Refuses losses that are not finite, and at the end of training those far above the loss of predicting nothing: members
    /// may recover from a spike, but not after the last step.
    fn check(&self, losses: impl Iterator<Item = f64>, nothing: impl Iterator<Item = f64>) -> Result<()> {
        let most = if self.done < self.task.training().steps { f64::INFINITY } else { DIVERGED };
        for ((member, loss), nothing) in self.members.iter().zip(losses).zip(nothing) {
            if !loss.is_finite() || loss > most * nothing {
                return Err(Error::Diverged { member: member.index, step: self.done, loss });
            }
        }
        Ok(())
    }

    /// The learning rate of the next step.
    pub fn rate(&self) -> f64 {
        self.task.training().rule(self.done).rate
    }

    /// Which parameters samples are drawn with.
    fn learned(&self) -> Parameters {
        if self.task.training().average.is_some() { Parameters::Average } else { Parameters::Current }
    }

    /// J0 and J1 of every member.
    ///
    /// # Errors
    /// A device that fails; as [`Trainer::step`].
    pub fn losses(&mut self, probes: &ProbeSet) -> Result<Losses> {
        let (n, rows, dim) = (self.members.len(), probes.scale.len(), self.task.dim());
        let inputs = probes.inputs.repeat(n);
        let mut outputs = self.engine.forward(self.learned(), &inputs, rows)?;
        if self.task.training().centred {
            let start = self.engine.forward(Parameters::Initial, &inputs, rows)?;
            outputs.iter_mut().zip(start).for_each(|(o, s)| *o -= s);
        }
        let loss = |labels: &[f32]| -> Vec<f64> {
            let of = |member: &[f32]| {
                let rows = member.chunks_exact(dim).zip(labels.chunks_exact(dim)).zip(&probes.scale);
                let square = |((f, v), u): ((&[f32], &[f32]), &f32)| {
                    f.iter().zip(v).map(|(f, v)| f64::from(u * f - v).powi(2)).sum::<f64>()
                };
                rows.map(square).sum::<f64>() / (2 * probes.scale.len()) as f64
            };
            outputs.chunks_exact(rows * dim).map(of).collect()
        };
        let losses = Losses { true_score: loss(&probes.true_score), proxy: loss(&probes.proxy) };
        let nothing = half_mean_square(&probes.proxy, rows);
        self.check(losses.true_score.iter().copied(), std::iter::repeat(nothing))?;
        Ok(losses)
    }

    /// Memorized fraction of `paths` samples from each of the group's first `members` members, in one.
    ///
    /// # Errors
    /// A device that fails; `None` when no path arrives.
    pub fn memorized(&mut self, sampling: &Sampling, members: usize, paths: usize) -> Result<Option<f64>> {
        let mut samples = Vec::new();
        for (member, field) in self.members.clone().iter().zip(self.fields()?).take(members) {
            samples.extend(
                PfOde::new(&field, sampling)?.sample(paths, self.streams, WATCH + member.index, &|_| true).x,
            );
        }
        if samples.is_empty() {
            return Ok(None);
        }
        let sampler = self.task.sampler();
        Ok(Some(memorized_fraction(&samples, &sampler.cloud().distinct_at(sampler.schedule())?)?))
    }

    /// The members as they are now, as score fields.
    ///
    /// # Errors
    /// A device that fails.
    pub fn fields(&mut self) -> Result<Vec<MlpField>> {
        let form = Arc::new(NetworkForm::of(self.task));
        let layers = self.task.layers();
        let weights = self.engine.weights(self.learned())?;
        let initial: Vec<Option<Arc<Weights>>> = if self.task.training().centred {
            let drawn = Self::initial_weights(self.task, self.streams, &self.members);
            drawn.into_iter().map(|w| Some(Arc::new(w.effective(&layers)))).collect()
        } else {
            vec![None; weights.len()]
        };
        let made = weights.into_iter().zip(initial);
        let fields =
            made.map(|(w, start)| MlpField::new(form.clone(), Arc::new(w.effective(&layers)), start));
        Ok(match self.second_moments()? {
            None => fields.collect(),
            Some(moments) => fields.zip(moments).map(|(f, m)| f.with_second_moments(Arc::new(m))).collect(),
        })
    }

    /// v̂ = v/(1 − β₂^k) of every member's parameters, multipliers outside; `None` before the first step and for optimizers without.
    fn second_moments(&mut self) -> Result<Option<Vec<Weights>>> {
        if self.done == 0 || !StepRule::has_second(self.task.training().optimizer) {
            return Ok(None);
        }
        let correction = self.task.training().rule(self.done - 1).bias_corrections().1;
        let arrays: BTreeMap<String, Vec<f32>> = self.engine.snapshot()?.arrays.into_iter().collect();
        let of = |l: usize, kind: &str, member: usize, len: usize| -> Vec<f32> {
            let all = arrays.get(&format!("{l}.{kind}.second")).map_or(&[][..], Vec::as_slice);
            let own = all.get(member * len..(member + 1) * len).unwrap_or_default();
            own.iter().map(|v| (f64::from(*v) / correction) as f32).collect()
        };
        let layers = self.task.layers();
        let member = |member: usize| {
            let layer = |(l, s): (usize, &LayerScaling)| Layer {
                weight: of(l, "weight", member, s.fan_in * s.fan_out),
                bias: of(l, "bias", member, s.bias.map_or(0, |_| s.fan_out)),
            };
            Weights { layers: layers.iter().enumerate().map(layer).collect() }
        };
        Ok(Some((0..self.members.len()).map(member).collect()))
    }

    /// What the members have learned, with the architecture's multipliers outside.
    ///
    /// # Errors
    /// A device that fails.
    pub fn learned_weights(&mut self) -> Result<Vec<Weights>> {
        self.engine.weights(self.learned())
    }

    /// Everything that going on from here needs.
    ///
    /// # Errors
    /// A device that fails.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        self.engine.snapshot()
    }

    /// Goes on from a snapshot taken after `done` steps of the same run.
    ///
    /// # Errors
    /// [`Error::Snapshot`] for one of another run.
    pub fn restore(&mut self, done: u64, snapshot: &Snapshot) -> Result<()> {
        self.engine.restore(snapshot)?;
        self.done = done;
        Ok(())
    }
}

/// A loss so many times that of predicting nothing is no result of training. Networks at initialisation have a few times it.
const DIVERGED: f64 = 1e3;

/// The loss of predicting nothing, (1/2B) Σ |v|².
fn half_mean_square(labels: &[f32], rows: usize) -> f64 {
    labels.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / (2 * rows) as f64
}

/// Keeps the sampling streams of watched members apart from those of finished ones.
const WATCH: u64 = 96 << 40;
