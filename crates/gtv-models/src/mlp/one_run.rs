//! Trained networks as the learner of the closure `one-run`: anchors from the ensemble, and the filter of the steps they were trained by.

use super::{MlpFamily, MlpMembers, NoiseDraws, Optimizer, Task};
use crate::error::Result;
use crate::family::{MULTIPLICATION, Members, Need, OneRunRecord};
use crate::linearize::{TrainedNetwork, TrainedSpec, room};
use crate::watch::{Session, Warning};
use gtv_theory::Error as TheoryError;
use gtv_theory::learner::{
    Anchor, Course, Filter, Learner, OneRun, OneRunSpec, Passes, Residuals, TrainedModel, UpdateRule,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a law from single runs is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneRunSettings {
    /// Members whose covariances are averaged.
    pub anchors: usize,
    /// Most directions of the parameters.
    pub directions: usize,
    /// The triples on which residuals are measured.
    pub residuals: Residuals,
}

impl Default for OneRunSettings {
    fn default() -> Self {
        Self { anchors: 1, directions: TrainedSpec::default().most, residuals: Residuals::Fresh }
    }
}

/// The largest number of directions that can be asked for.
const MOST_DIRECTIONS: usize = 2048;
/// Fresh triples at least.
const FEWEST: usize = 2_048;
/// Share of the curvature's trace outside of the directions from which on the user is told: what a hundred retrainings resolve of a
/// variance is a tenth.
const NOTABLE_MISS: f64 = 0.05;

/// What to do about directions that are too few.
fn more_directions(most: usize, room: usize) -> String {
    if most < room.min(MOST_DIRECTIONS) {
        "raise theory.directions".to_owned()
    } else if room > MOST_DIRECTIONS {
        format!("no more than {MOST_DIRECTIONS} can be kept")
    } else {
        format!("take a narrower network: 1 GiB holds {room} directions of so many parameters")
    }
}

/// Landmarks that so many directions are chosen from.
fn landmarks(most: usize) -> usize {
    TrainedSpec::default().landmarks.max(3 * most)
}

/// About how long one network takes: the dual matrix and its eigenvectors, the span of the directions, and derivatives along them at the
/// triples.
pub(super) fn seconds(most: usize, parameters: f64, task: &Task) -> f64 {
    let points = fresh(task.dim()) as f64 * along_seconds(most, parameters, task);
    let (landmarks, most) = (landmarks(most) as f64, most as f64);
    let products = parameters * (0.5 * landmarks.powi(2) + (landmarks + 2.0 * most) * most);
    points + MULTIPLICATION * (0.5 * products + 9.0 * landmarks.powi(3))
}

/// About how long the derivatives along all directions take at a point: one contraction for all outputs, and a product for each.
pub(super) fn along_seconds(most: usize, parameters: f64, task: &Task) -> f64 {
    let (width, outputs) = (task.arch().width as f64, task.dim() as f64);
    0.5 * MULTIPLICATION * parameters * most as f64 * (1.0 + outputs / width)
}

/// Triples on which curvature and pulls are measured: so many rows, one for each output of a triple, but the pulls' covariance needs some
/// thousand triples however many outputs there are.
fn fresh(dim: usize) -> usize {
    (OneRunSpec::default().fresh / dim).max(FEWEST)
}

/// The memory of the directions of all anchors, and of the matrix from which those of one are chosen with its eigenvectors.
pub(super) fn need(settings: &OneRunSettings, parameters: usize) -> Need {
    let directions = settings.directions.min(room(parameters));
    let kept = 4.0 * (settings.anchors * parameters * directions) as f64;
    Need {
        what: "directions of trained networks",
        bytes: kept + 16.0 * (landmarks(settings.directions) as f64).powi(2),
        formula: "4 bytes x anchors x parameters x directions, and 16 bytes x (3 x directions)^2",
        advice: "lower theory.directions or theory.anchors",
    }
}

/// The learner of the first members.
///
/// # Errors
/// No members; a training that has no linear filter; second moments that were not saved; an interrupt.
pub(super) fn learner(
    family: &MlpFamily,
    members: Option<&dyn Members>,
    session: Session<'_>,
) -> Result<(OneRun, OneRunRecord)> {
    let (task, problem) = (&family.task, family.task.problem());
    let filter = filter(task)?;
    let Some(members) = members.and_then(MlpMembers::of).filter(|members| !members.is_empty()) else {
        return Err(TheoryError::Unsupported {
            what: "the theory of trained networks without one",
            reason: "it is made about what was learned",
            advice: "train first",
        }
        .into());
    };
    let count = family.one_run.anchors.min(members.len());
    let stage = session.watch.stage("trained networks", count as u64);
    let most = family.one_run.directions;
    let landmarks = landmarks(most);
    let spec =
        TrainedSpec { landmarks, most, own_start: starts_differ(family, members), ..TrainedSpec::default() };
    let (batch, samples) = (task.training().batch, problem.samples());
    if task.training().optimizer != Optimizer::Gd && batch > samples {
        session.watch.warn(&Warning::WholeSteps { batch, samples });
    }
    let mut anchors = Vec::with_capacity(count);
    for (field, member) in members.fields().iter().zip(members.draws()).take(count) {
        session.check()?;
        stage.message(&|| format!("member {}", member.index));
        let network = TrainedNetwork::new(task, field, &spec, problem.streams())?;
        let (directions, missed) = (network.directions(), 100.0 * network.missed());
        if network.missed() > NOTABLE_MISS {
            let advice = more_directions(most, room(family.parameters()));
            session.watch.warn(&Warning::FewDirections { member: member.index, directions, missed, advice });
        }
        anchors.push(Anchor { model: Arc::new(network), triples: Some(Arc::new(problem.draw(member.data))) });
        stage.advance(1);
    }
    session.check()?;
    let directions = anchors.iter().map(|a| a.model.directions()).max().unwrap_or(0);
    let one_run = OneRunSpec { residuals: family.one_run.residuals, fresh: fresh(task.dim()) };
    let learner = OneRun::new(problem, anchors, filter, one_run).map_err(|error| match error {
        // Anchors are the first members.
        TheoryError::OfMember { member, error } => {
            let index = members.draws().get(member as usize).map_or(member, |m| m.index);
            TheoryError::OfMember { member: index, error }
        }
        error => error,
    })?;
    let record = OneRunRecord { anchors: count, directions, load: learner.load(), shares: learner.shares() };
    Ok((learner, record))
}

/// Whether other trainings start from other parameters, which the function keeps something of.
fn starts_differ(family: &MlpFamily, members: &MlpMembers) -> bool {
    let starts: BTreeSet<u64> = members.draws().iter().map(|m| m.init).collect();
    let several = members.len() > 1 && starts.len() > 1;
    (several || (members.len() == 1 && family.own_start)) && !family.task.training().centred
}

/// The steps of a training as a filter of modes.
fn filter(task: &Task) -> Result<Filter> {
    let training = task.training();
    let refuse = |what, reason, advice| Err(TheoryError::Unsupported { what, reason, advice }.into());
    if training.clip.is_some() {
        let what = "theory.kernel = \"trained\" with training.clip";
        return refuse(what, "shortened gradients have no linear filter", "train without it");
    }
    if training.noise == NoiseDraws::Fresh {
        let what = "theory.kernel = \"trained\" with training.noise = \"fresh\"";
        return refuse(what, "its triples are drawn anew at each step", "use noise = \"fixed\"");
    }
    let rule = match training.optimizer {
        Optimizer::Gd => UpdateRule::Descent,
        Optimizer::Sgd => UpdateRule::Momentum { share: training.momentum },
        Optimizer::Adam => UpdateRule::Adam { decay: training.beta1 },
    };
    let rules = || (0..training.steps).map(|k| training.rule(k));
    let course = Course::new(rule, rules().map(|r| r.rate).collect())?;
    let course = match rules().map(|r| r.average).collect::<Option<Vec<f64>>>() {
        Some(past) => course.averaged(past)?,
        None => course,
    };
    Ok(Filter::Steps(course, Passes { batch: task.batch_size(), samples: task.problem().samples() }))
}

#[cfg(test)]
mod tests {
    use super::{MOST_DIRECTIONS, more_directions};

    #[test]
    fn limits_advice_is_what_helps() {
        assert_eq!(more_directions(320, 2_000), "raise theory.directions");
        assert!(more_directions(320, 255).contains("1 GiB holds 255 directions"));
        assert_eq!(more_directions(MOST_DIRECTIONS, 2_700), "no more than 2048 can be kept");
    }
}
