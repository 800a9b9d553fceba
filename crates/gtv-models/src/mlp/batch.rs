//! The examples of each step, for a group of members: a pass over a member's fixed set in an order of its own, or its data
//! points noised anew. Step k of a member depends on (seed, member, k) only, so training can stop and go on anywhere.

use super::spec::NoiseDraws;
use super::task::{Examples, Task};
use crate::error::Result;
use gtv_theory::rng::{Purpose, Streams};
use gtv_theory::training::Triples;
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// The examples of one step.
///
/// # Shapes
/// N members × B examples: `inputs` N × B × I, `scale` N × B, `labels` N × B × D.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// N.
    pub members: usize,
    /// B.
    pub size: usize,
    /// i.
    pub inputs: Vec<f32>,
    /// u.
    pub scale: Vec<f32>,
    /// v.
    pub labels: Vec<f32>,
}

/// One member's training data.
enum Source {
    /// Examples made once, and the order of the pass in hand.
    Fixed { examples: Examples, pass: u64, order: Vec<u32> },
    /// Clean points that every step noises anew.
    Fresh { points: Triples },
}

/// The training data of a group of members.
pub struct BatchSource<'a> {
    task: &'a Task,
    streams: Streams,
    members: Vec<(u64, Source)>,
}

impl<'a> BatchSource<'a> {
    /// Draws the training set of each member; `data` are the numbers of their data draws.
    ///
    /// # Errors
    /// None for a valid task.
    pub fn new(task: &'a Task, streams: Streams, data: &[u64]) -> Result<Self> {
        let spec = task.training();
        let make = |&member: &u64| -> Result<(u64, Source)> {
            let triples = task.sampler().draw(streams, member, task.problem().samples())?;
            let source = match spec.noise {
                NoiseDraws::Fixed => {
                    Source::Fixed { examples: task.examples(&triples), pass: u64::MAX, order: Vec::new() }
                }
                NoiseDraws::Fresh => Source::Fresh { points: triples },
            };
            Ok((member, source))
        };
        Ok(Self { task, streams, members: data.par_iter().map(make).collect::<Result<_>>()? })
    }

    /// Bytes that the training set of one member takes.
    pub fn bytes(task: &Task) -> u64 {
        let (dim, samples) = (task.dim() as u64, task.problem().samples() as u64);
        match task.training().noise {
            NoiseDraws::Fixed => 4 * samples * (task.inputs() as u64 + dim + 2),
            NoiseDraws::Fresh => 8 * samples * (2 * dim + 1),
        }
    }

    /// The inputs of every member's fixed set, N × P × I; empty for fresh noise.
    pub fn all_inputs(&self) -> Vec<f32> {
        let inputs = |source: &Source| match source {
            Source::Fixed { examples, .. } => examples.inputs.clone(),
            Source::Fresh { .. } => Vec::new(),
        };
        self.members.iter().flat_map(|(_, source)| inputs(source)).collect()
    }

    /// Adds u f to the labels v of the fixed sets, which f + F' then fits where F' fitted them before.
    ///
    /// # Shapes
    /// `f`: N × P × D.
    pub fn add_to_labels(&mut self, f: &[f32]) {
        let len = f.len() / self.members.len().max(1);
        for ((_, source), f) in self.members.iter_mut().zip(f.chunks_exact(len.max(1))) {
            if let Source::Fixed { examples, .. } = source {
                add_scaled(&mut examples.labels, &examples.scale, f);
            }
        }
    }

    /// The examples of step k, counted from 0.
    pub fn fill(&mut self, k: u64, batch: &mut Batch) {
        let (task, streams) = (self.task, self.streams);
        let (size, inputs, dim) = (task.batch_size(), task.inputs(), task.dim());
        let members = self.members.len();
        *batch = Batch {
            members,
            size,
            inputs: resized(std::mem::take(&mut batch.inputs), members * size * inputs),
            scale: resized(std::mem::take(&mut batch.scale), members * size),
            labels: resized(std::mem::take(&mut batch.labels), members * size * dim),
        };
        self.members
            .par_iter_mut()
            .zip(batch.inputs.par_chunks_exact_mut(size * inputs))
            .zip(batch.scale.par_chunks_exact_mut(size))
            .zip(batch.labels.par_chunks_exact_mut(size * dim))
            .for_each(|((((member, source), i), u), v)| source.fill(task, streams, *member, k, (i, u, v)));
    }
}

impl Batch {
    /// Adds u f to the labels v.
    ///
    /// # Shapes
    /// `f`: N × B × D.
    pub fn add_to_labels(&mut self, f: &[f32]) {
        add_scaled(&mut self.labels, &self.scale, f);
    }
}

fn add_scaled(labels: &mut [f32], scale: &[f32], f: &[f32]) {
    let dim = labels.len() / scale.len().max(1);
    let rows = labels.chunks_exact_mut(dim.max(1)).zip(f.chunks_exact(dim.max(1))).zip(scale);
    for ((v, f), u) in rows {
        v.iter_mut().zip(f).for_each(|(v, f)| *v += u * f);
    }
}

fn resized(mut values: Vec<f32>, len: usize) -> Vec<f32> {
    values.resize(len, 0.0);
    values
}

impl Source {
    fn fill(
        &mut self,
        task: &Task,
        streams: Streams,
        member: u64,
        k: u64,
        (inputs, scale, labels): (&mut [f32], &mut [f32], &mut [f32]),
    ) {
        let (width, dim, size) = (task.inputs(), task.dim(), scale.len());
        match self {
            Self::Fixed { examples, .. } if examples.scale.len() == size => {
                inputs.copy_from_slice(&examples.inputs);
                scale.copy_from_slice(&examples.scale);
                labels.copy_from_slice(&examples.labels);
            }
            Self::Fixed { examples, pass, order } => {
                // Examples left over at the end of a pass wait for another pass' order.
                let steps = (examples.scale.len() / size) as u64;
                if *pass != k / steps {
                    *pass = k / steps;
                    order.clear();
                    order.extend(0..examples.scale.len() as u32);
                    order.shuffle(&mut streams.stream(Purpose::Batches, member, *pass));
                }
                let first = (k % steps) as usize * size;
                for (b, &row) in order[first..first + size].iter().enumerate() {
                    let row = row as usize;
                    inputs[b * width..][..width].copy_from_slice(&examples.inputs[row * width..][..width]);
                    scale[b] = examples.scale[row];
                    labels[b * dim..][..dim].copy_from_slice(&examples.labels[row * dim..][..dim]);
                }
            }
            Self::Fresh { points } => {
                let mut rng = streams.stream(Purpose::Steps, member, k);
                let picked = if size == points.len() {
                    task.sampler().renoise(points, &mut rng)
                } else {
                    let rows: Vec<usize> =
                        (0..size).map(|_| rand::RngExt::random_range(&mut rng, 0..points.len())).collect();
                    let x0 = rows.iter().flat_map(|r| &points.x0[r * dim..][..dim]).copied().collect();
                    task.sampler().renoise(&Triples { x0, t: Vec::new(), x: Vec::new() }, &mut rng)
                };
                let made = task.examples(&picked);
                inputs.copy_from_slice(&made.inputs);
                scale.copy_from_slice(&made.scale);
                labels.copy_from_slice(&made.labels);
            }
        }
    }
}
