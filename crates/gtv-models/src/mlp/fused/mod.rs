//! Training steps on the CPU by hand: forward, backward and update in place on the storage of Burn's flex tensors.
//!
//! Of each array of parameters a step reads and writes every number once: the gradient of a block of rows is made and
//! applied while the block is in cache. Small and medium networks are stepped one on each thread; for large ones, and when
//! there are fewer members than threads, all threads share each member. Which of the two, how many threads there are, and
//! which members are in the group does not change a bit of the result.

mod backward;
mod member;
mod narrow;
mod tiles;
mod update;

use super::batch::Batch;
use super::engine::{Engine, Parameters, Snapshot, StepReport};
use super::forward::{Buffers, forward_layers};
use super::kernels::{ONE_THREAD, PerThread};
use super::optimizer::StepRule;
use super::task::Task;
use super::weights::{Layer, Weights};
use crate::error::{Error, Result};
use burn::backend::flex::FlexTensor;
use gtv_theory::ntk::{Activation, LayerScaling};
use member::{Job, Kept, Member, Workspace, tensor, values};
use rayon::prelude::*;
use tiles::Tiles;

/// A group of members on the CPU, in flex tensors.
pub struct FusedEngine {
    layers: Vec<LayerScaling>,
    activation: Activation,
    members: Vec<Member>,
    report: Vec<(f64, f64)>,
    /// Of the member that all threads share, and of each thread with a member of its own.
    shared: (Workspace, Buffers),
    own: PerThread<(Workspace, Buffers)>,
    tiles: Tiles,
}

impl FusedEngine {
    /// Takes members with the given initial weights.
    ///
    /// # Errors
    /// Weights of another architecture.
    pub fn new(task: &Task, initial: &[Weights]) -> Result<Self> {
        let (layers, training) = (task.layers(), task.training());
        let kept = Kept {
            initial: training.centred,
            first: StepRule::has_first(training.optimizer),
            second: StepRule::has_second(training.optimizer),
            average: training.average.is_some(),
        };
        for weights in initial {
            check(&layers, weights)?;
        }
        Ok(Self {
            activation: task.arch().activation,
            members: initial.iter().map(|w| Member::new(&layers, w, kept)).collect(),
            layers,
            report: Vec::new(),
            shared: Default::default(),
            own: PerThread::default(),
            tiles: Tiles::default(),
        })
    }

    /// Whether all threads share each member in turn.
    fn shares(&self) -> bool {
        let widest = self.layers.iter().map(|l| l.fan_out).max().unwrap_or(0);
        widest > ONE_THREAD || self.members.len() < rayon::current_num_threads()
    }
}

/// Whether weights are of this architecture.
fn check(layers: &[LayerScaling], weights: &Weights) -> Result<()> {
    let wrong = |l: usize, kind: &str| Err(Error::Snapshot { array: format!("{l}.{kind}") });
    for (l, scaling) in layers.iter().enumerate() {
        let Some(layer) = weights.layers.get(l) else { return wrong(l, "weight") };
        if layer.weight.len() != scaling.fan_in * scaling.fan_out {
            return wrong(l, "weight");
        }
        if layer.bias.len() != scaling.bias.map_or(0, |_| scaling.fan_out) {
            return wrong(l, "bias");
        }
    }
    if weights.layers.len() > layers.len() { wrong(layers.len(), "weight") } else { Ok(()) }
}

impl Engine for FusedEngine {
    fn members(&self) -> usize {
        self.members.len()
    }

    fn step(&mut self, batch: &Batch, rule: &StepRule) -> Result<StepReport> {
        let shares = self.shares();
        self.tiles.prepare();
        self.own.prepare();
        let (rows, n) = (batch.size, self.members.len());
        let (inputs, dim) = (batch.inputs.len() / (n * rows), batch.labels.len() / (n * rows));
        let (layers, activation, tiles, own) = (&self.layers, self.activation, &self.tiles, &self.own);
        let job = |i: usize| Job {
            layers,
            activation,
            rule,
            inputs: &batch.inputs[i * rows * inputs..][..rows * inputs],
            scale: &batch.scale[i * rows..][..rows],
            labels: &batch.labels[i * rows * dim..][..rows * dim],
            tiles,
            parallel: shares,
        };
        self.report.resize(n, (0.0, 0.0));
        let members = self.members.iter_mut().zip(&mut self.report).enumerate();
        if shares {
            let work = &mut self.shared.0;
            // From within the pool, parts are handed over without waking threads up for each.
            rayon::scope(|_| members.for_each(|(i, (member, report))| *report = member.step(job(i), work)));
        } else {
            let members = self.members.par_iter_mut().zip(&mut self.report).enumerate().with_max_len(1);
            members.for_each(|(i, (member, report))| {
                *report = own.with(|(work, _)| member.step(job(i), work));
            });
        }
        let (loss, grad_norm) = self.report.iter().copied().unzip();
        Ok(StepReport { loss, grad_norm })
    }

    fn forward(&mut self, which: Parameters, inputs: &[f32], rows: usize) -> Result<Vec<f32>> {
        self.held(which)?;
        let shares = self.shares();
        self.own.prepare();
        let (layers, rho) = (&self.layers, self.activation);
        let dim = layers.last().map_or(0, |l| l.fan_out);
        let mut out = vec![0.0; self.members.len() * rows * dim];
        let len = (inputs.len() / self.members.len().max(1)).max(1);
        let evaluate = |member: &Member, inputs: &[f32], out: &mut [f32], buffers: &mut Buffers| {
            let of = |l: usize| member.layer(&layers[l], l, which);
            forward_layers(layers.len(), of, rho, inputs, rows, shares, buffers, out);
        };
        if shares {
            let buffers = &mut self.shared.1;
            let jobs =
                self.members.iter().zip(inputs.chunks_exact(len)).zip(out.chunks_exact_mut(rows * dim));
            rayon::scope(|_| jobs.for_each(|((member, x), out)| evaluate(member, x, out, buffers)));
        } else {
            let own = &self.own;
            let jobs = self.members.par_iter().zip(inputs.par_chunks_exact(len));
            let jobs = jobs.zip(out.par_chunks_exact_mut(rows * dim)).with_max_len(1);
            jobs.for_each(|((member, x), out)| {
                own.with(|(_, buffers)| evaluate(member, x, out, buffers));
            });
        }
        Ok(out)
    }

    fn weights(&mut self, which: Parameters) -> Result<Vec<Weights>> {
        self.held(which)?;
        let layers = |member: &Member| {
            let layer = |l: usize| {
                let of = member.layer(&self.layers[l], l, which);
                Layer { weight: of.weight.to_vec(), bias: of.bias.to_vec() }
            };
            Weights { layers: (0..self.layers.len()).map(layer).collect() }
        };
        Ok(self.members.iter().map(layers).collect())
    }

    fn snapshot(&mut self) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        self.kept(|name, tensors| {
            snapshot.arrays.push((name, tensors.iter().flat_map(|t| values(t)).copied().collect()));
            Ok(())
        })?;
        Ok(snapshot)
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        let mut arrays = snapshot.arrays.iter();
        self.kept(|name, tensors| {
            let len: usize = tensors.iter().map(|t| values(t).len()).sum();
            match arrays.next() {
                Some((found, saved)) if *found == name && saved.len() == len => {
                    let mut saved = saved.as_slice();
                    for t in tensors {
                        let (own, rest) = saved.split_at(values(t).len());
                        **t = tensor(own.to_vec(), t.layout().shape().dims());
                        saved = rest;
                    }
                    Ok(())
                }
                _ => Err(Error::Snapshot { array: name }),
            }
        })?;
        match arrays.next() {
            Some((name, _)) => Err(Error::Snapshot { array: name.clone() }),
            None => Ok(()),
        }
    }
}

impl FusedEngine {
    /// Whether the parameters asked for are kept.
    fn held(&self, which: Parameters) -> Result<()> {
        let all = self.members.iter().flat_map(|m| &m.layers);
        let held = all.into_iter().all(|l| l.weight.pick(which).is_some());
        if held { Ok(()) } else { Err(Error::NotHeld { which }) }
    }

    /// Visits everything that training must not lose, in the order of a snapshot: an array's name and its tensors in all
    /// members.
    fn kept(&mut self, mut visit: impl FnMut(String, &mut [&mut FlexTensor]) -> Result<()>) -> Result<()> {
        for l in 0..self.layers.len() {
            for kind in ["weight", "bias"] {
                for part in ["value", "first", "second", "average"] {
                    let members = self.members.iter_mut();
                    let mut tensors: Vec<_> = members.filter_map(|m| m.layers[l].kept(kind, part)).collect();
                    if !tensors.is_empty() {
                        visit(format!("{l}.{kind}.{part}"), &mut tensors)?;
                    }
                }
            }
        }
        Ok(())
    }
}
