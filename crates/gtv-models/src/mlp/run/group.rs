//! One group of networks: trained from where it was left, with a line in the log now and then, and checkpoints.

use super::Run;
use super::log::LogLine;
use super::pace::{PATHS, WATCHED, Who};
use super::state::State;
use crate::error::{Error, Result};
use crate::family::Member;
use crate::mlp::{Layer, MlpField, NetworkForm, Snapshot, StepReport, StepRule, Trainer, Weights};
use crate::watch::Warning;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time between checkpoints where the config does not count steps.
const MINUTE: Duration = Duration::from_secs(60);
/// Checkpoints that are kept: the newest, and the one before it.
const KEPT: usize = 2;

/// Sums since the last line of the log, in the order in which a checkpoint holds them.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    loss: f64,
    grad_norm: f64,
    steps: f64,
    /// Of the group's whole training.
    seconds: f64,
}

impl Sums {
    fn add(&mut self, report: &StepReport) {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        self.loss += mean(&report.loss);
        self.grad_norm += mean(&report.grad_norm);
        self.steps += 1.0;
    }
}

/// A group in training.
struct Running<'a> {
    trainer: Trainer<'a>,
    sums: Sums,
    /// When `sums.seconds` was last brought up to date.
    clock: Instant,
    saved: Instant,
}

impl<'a> Run<'a> {
    /// The members of a group, from the store where they are done. `after`: groups still to come.
    pub(super) fn group(&mut self, members: &[Member], after: usize) -> Result<Vec<MlpField>> {
        let family = self.family;
        if let Some(fields) = self.finished(members) {
            self.stage.advance(family.task.training().steps);
            return Ok(fields);
        }
        let trainer = Trainer::new(&family.task, family.task.problem().streams(), members, family.device)?;
        let now = Instant::now();
        let mut running = Running { trainer, sums: Sums::default(), clock: now, saved: now };
        self.resume(&mut running)?;
        self.stage.advance(running.trainer.steps_done());
        let outcome = self.steps(&mut running, after);
        if outcome.is_err() {
            // What stopped the training is told, whatever becomes of the log.
            let _ = self.show_log();
        }
        outcome?;
        self.finish(&mut running)
    }

    fn steps(&mut self, running: &mut Running<'a>, after: usize) -> Result<()> {
        let steps = self.family.task.training().steps;
        let log_every = self.family.log_every;
        if running.trainer.steps_done() == 0 {
            self.line(running)?;
        }
        while running.trainer.steps_done() < steps {
            if self.session.watch.interrupted() {
                self.checkpoint(running)?;
                return Err(Error::Interrupted);
            }
            let start = Instant::now();
            let report = running.trainer.step().map_err(|e| self.stopped(running, e))?;
            running.sums.add(&report);
            let done = running.trainer.steps_done();
            let who = Who {
                members: self.count,
                group: running.trainer.members().len(),
                device: self.family.device.name(),
            };
            self.pace.step(start, &who, done, after, self.session.watch);
            self.stage.advance(1);
            self.tell(running, &report);
            if done.is_multiple_of(log_every) || done == steps {
                self.line(running)?;
            }
            let due = match self.family.checkpoint {
                Some(every) => done.is_multiple_of(every),
                None => running.saved.elapsed() >= MINUTE,
            };
            if due && done < steps {
                self.checkpoint(running)?;
            }
        }
        Ok(())
    }

    /// The live numbers beside the bar.
    fn tell(&self, running: &Running<'a>, report: &StepReport) {
        let members = running.trainer.members();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        self.stage.message(&|| {
            format!(
                "member {} of {}, loss {:.4}, gradient {:.3}",
                members.last().map_or(0, |m| m.index + 1),
                self.count,
                mean(&report.loss),
                mean(&report.grad_norm)
            )
        });
    }

    /// Measures the group and adds a line to the log.
    fn line(&mut self, running: &mut Running<'a>) -> Result<()> {
        let training = self.family.task.training();
        let (step, members) = (running.trainer.steps_done(), running.trainer.members());
        let (first, members) = (members.first().map_or(0, |m| m.index), members.len());
        let losses = running.trainer.losses(&self.probes)?;
        let last = step == training.steps;
        let line = step / self.family.log_every;
        let watched = self.costs.watch_every.is_some_and(|n| last || (step > 0 && line.is_multiple_of(n)));
        let memorized = if watched {
            running.trainer.memorized(&self.family.sampling, WATCHED.min(members), PATHS)?
        } else {
            None
        };
        running.tick();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let sums = running.sums;
        let due = self.log.push(&LogLine {
            step,
            first,
            members,
            rate: training.rule(step.saturating_sub(1)).rate,
            // 0/0, no number, before the first step.
            loss: sums.loss / sums.steps,
            true_score: mean(&losses.true_score),
            proxy: mean(&losses.proxy),
            grad_norm: sums.grad_norm / sums.steps,
            memorized: memorized.unwrap_or(f64::NAN),
            seconds: sums.seconds,
        });
        if due {
            self.show_log()?;
        }
        running.sums = Sums { seconds: sums.seconds, ..Sums::default() };
        Ok(())
    }

    /// The error of a step, with what is left of the run.
    fn stopped(&self, running: &Running<'a>, error: Error) -> Error {
        let kept = self.session.store.keys(&self.prefix(running.trainer.members())).unwrap_or_default();
        match (kept.last(), error) {
            (Some(key), cause @ Error::Diverged { .. }) => {
                Error::Stopped { checkpoint: self.session.store.place(key), cause: Box::new(cause) }
            }
            (_, error) => error,
        }
    }

    fn key(&self, members: &[Member]) -> String {
        format!("{}-{:05}", self.kind, members.first().map_or(0, |m| m.index))
    }

    /// What the names of a group's checkpoints begin with; steps follow.
    fn prefix(&self, members: &[Member]) -> String {
        format!("{}-step-", self.key(members))
    }

    /// Saves the state, unless it has just diverged, and drops checkpoints before the last two.
    fn checkpoint(&self, running: &mut Running<'a>) -> Result<()> {
        running.tick();
        let Sums { loss, grad_norm, steps, seconds } = running.sums;
        let step = running.trainer.steps_done();
        let state = State {
            step,
            sums: [loss, grad_norm, steps, seconds],
            log: self.log.current().to_vec(),
            arrays: running.trainer.snapshot()?.arrays,
        };
        if step == 0 || !state.is_finite() {
            return Ok(());
        }
        let prefix = self.prefix(running.trainer.members());
        self.save(&format!("{prefix}{step:010}"), &state)?;
        let keys = self.session.store.keys(&prefix)?;
        for old in &keys[..keys.len().saturating_sub(KEPT)] {
            self.session.store.remove(old)?;
        }
        running.saved = Instant::now();
        Ok(())
    }

    fn save(&self, key: &str, state: &State) -> Result<()> {
        self.session.store.save(key, state.len(), &mut |sink| state.encode(sink))
    }

    fn load(&self, key: &str) -> std::result::Result<Option<State>, String> {
        let Some(bytes) = self.session.store.load(key)? else { return Ok(None) };
        let state = State::decode(&bytes);
        state.map(Some).ok_or_else(|| "the part is not one of this version".to_owned())
    }

    /// Goes on from the newest checkpoint that is whole.
    fn resume(&mut self, running: &mut Running<'a>) -> Result<()> {
        for key in self.session.store.keys(&self.prefix(running.trainer.members()))?.into_iter().rev() {
            let reason = match self.load(&key) {
                Ok(None) => continue,
                Err(reason) => reason,
                Ok(Some(State { step, sums: [loss, grad_norm, steps, seconds], log, arrays })) => {
                    match running.trainer.restore(step, &Snapshot { arrays }) {
                        Ok(()) => {
                            running.sums = Sums { loss, grad_norm, steps, seconds };
                            self.log.begin(log);
                            return Ok(());
                        }
                        Err(e @ Error::Snapshot { .. }) => e.to_string(),
                        Err(e) => return Err(e),
                    }
                }
            };
            let place = self.session.store.place(&key);
            // It would count as one of the two that are kept.
            self.session.store.remove(&key)?;
            self.session.watch.warn(&Warning::CheckpointSkipped { place, reason });
        }
        self.log.begin(Vec::new());
        Ok(())
    }

    /// Saves what the group has learned, in place of its checkpoints.
    fn finish(&mut self, running: &mut Running<'a>) -> Result<Vec<MlpField>> {
        let members = running.trainer.members().to_vec();
        let fields = running.trainer.fields()?;
        let names = |w: &Weights| -> Vec<(String, Vec<f32>)> {
            let layers = w.layers.iter().enumerate();
            layers
                .flat_map(|(l, layer)| {
                    [(format!("{l}.weight"), layer.weight.clone()), (format!("{l}.bias"), layer.bias.clone())]
                })
                .collect()
        };
        let mut arrays: Vec<_> = fields.iter().flat_map(|f| names(f.weights())).collect();
        let step = running.trainer.steps_done();
        let each = arrays.len() / fields.len().max(1);
        let broken = arrays.iter().position(|(_, values)| values.iter().any(|v| !v.is_finite()));
        if let Some(array) = broken {
            let member = members[array / each.max(1)].index;
            return Err(self.stopped(running, Error::Diverged { member, step, loss: f64::NAN }));
        }
        let moments = fields.iter().filter_map(MlpField::second_moments);
        arrays.extend(moments.flat_map(names));
        let state = State { step, sums: [0.0; 4], log: self.log.current().to_vec(), arrays };
        self.save(&self.key(&members), &state)?;
        for key in self.session.store.keys(&self.prefix(&members))? {
            self.session.store.remove(&key)?;
        }
        self.show_log()?;
        Ok(fields)
    }

    /// A finished group, if the store has it.
    fn finished(&mut self, members: &[Member]) -> Option<Vec<MlpField>> {
        let key = self.key(members);
        let reason = match self.load(&key) {
            Ok(None) => return None,
            Ok(Some(state)) => match self.fields(members, state.arrays) {
                Some(fields) => {
                    self.log.begin(state.log);
                    return Some(fields);
                }
                None => "it is of another architecture".to_owned(),
            },
            Err(reason) => reason,
        };
        self.session.watch.warn(&Warning::PartSkipped { place: self.session.store.place(&key), reason });
        None
    }

    fn fields(&self, members: &[Member], arrays: Vec<(String, Vec<f32>)>) -> Option<Vec<MlpField>> {
        let task = &self.family.task;
        let form = Arc::new(NetworkForm::of(task));
        let mut initial = match task.training().centred {
            true => Trainer::initial_weights(task, self.family.task.problem().streams(), members),
            false => Vec::new(),
        }
        .into_iter();
        let mut arrays = arrays.into_iter();
        let mut take = |name: String, len: usize| {
            arrays
                .next()
                .filter(|(found, values)| *found == name && values.len() == len)
                .map(|(_, values)| values)
        };
        let mut network = || {
            let layer = |(l, layer): (usize, &gtv_theory::ntk::LayerScaling)| {
                let weight = take(format!("{l}.weight"), layer.fan_in * layer.fan_out)?;
                let bias = take(format!("{l}.bias"), layer.bias.map_or(0, |_| layer.fan_out))?;
                Some(Layer { weight, bias })
            };
            let layers = form.layers().iter().enumerate().map(layer).collect::<Option<_>>()?;
            Some(Arc::new(Weights { layers }))
        };
        let trained = members.iter().map(|_| network()).collect::<Option<Vec<_>>>()?;
        let made = trained.into_iter().map(|weights| {
            let start = initial.next().map(|w| Arc::new(w.effective(&task.layers())));
            MlpField::new(form.clone(), weights, start)
        });
        let made = made.collect::<Vec<_>>();
        if !StepRule::has_second(task.training().optimizer) {
            return arrays.next().is_none().then_some(made);
        }
        let made = made.into_iter().map(|field| Some(field.with_second_moments(network()?)));
        let made = made.collect::<Option<_>>()?;
        arrays.next().is_none().then_some(made)
    }
}

impl Running<'_> {
    fn tick(&mut self) {
        self.sums.seconds += self.clock.elapsed().as_secs_f64();
        self.clock = Instant::now();
    }
}
