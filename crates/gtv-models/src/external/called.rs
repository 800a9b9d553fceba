//! Members that are functions from outside: y_i(x, t) = f(i, x, t) in batches, such as callables of another language.

use super::error::Error as Fault;
use crate::error::{Error, Result};
use crate::family::{Members, of_each};
use gtv_theory::dynamics::CHUNK;
use gtv_theory::problem::Prediction;
use gtv_theory::{Schedule, ScoreField, TrainingProblem};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// f(i, x, t): what member i answers at Q points, Q × D.
type Call = dyn Fn(usize, &[f64], &[f64]) -> std::result::Result<Vec<f64>, String> + Send + Sync;

/// Members that are called.
///
/// The first call that fails is kept ([`Members::fault`]): from then on nothing is called, and every answer is NaN, as of a
/// path that diverged. A comparison stops there.
pub struct CalledMembers {
    count: usize,
    called: Arc<Called>,
}

struct Called {
    call: Box<Call>,
    dim: usize,
    schedule: Schedule,
    /// What f answers.
    answers: Prediction,
    /// What the study compares.
    wanted: Prediction,
    failure: OnceLock<Fault>,
}

impl CalledMembers {
    /// `count` members of a problem, of which `call(member, x, t)` gives the score, denoiser, noise or velocity at Q points.
    ///
    /// # Shapes
    /// In a call, `x`: Q × D, row-major; `t`: Q, a time for each point; the answer: Q × D.
    ///
    /// # Errors
    /// No member.
    pub fn new(
        count: usize,
        problem: &TrainingProblem,
        answers: Prediction,
        call: impl Fn(usize, &[f64], &[f64]) -> std::result::Result<Vec<f64>, String> + Send + Sync + 'static,
    ) -> Result<Self> {
        if count == 0 {
            return Err(Fault::NoMember { array: "the ensemble".to_owned(), found: 0 }.into());
        }
        let called = Called {
            call: Box::new(call),
            dim: problem.dim(),
            schedule: *problem.schedule(),
            answers,
            wanted: problem.objective().prediction,
            failure: OnceLock::new(),
        };
        Ok(Self { count, called: Arc::new(called) })
    }
}

impl Called {
    /// f's own answer; NaN once a call has failed.
    fn answer(&self, member: usize, x: &[f64], t: &[f64], out: &mut [f64]) {
        let answer = match self.failure.get() {
            Some(_) => None,
            None => match (self.call)(member, x, t) {
                Ok(answer) if answer.len() == out.len() => Some(answer),
                Ok(answer) => {
                    let expected = format!("{} x {} = {}", t.len(), self.dim, out.len());
                    let reason = format!(
                        "it answered {} numbers at {} points; expected {expected}",
                        answer.len(),
                        t.len()
                    );
                    self.fail(member, reason)
                }
                Err(reason) => self.fail(member, reason),
            },
        };
        match answer {
            Some(answer) => out.copy_from_slice(&answer),
            None => out.fill(f64::NAN),
        }
    }

    fn fail(&self, member: usize, reason: String) -> Option<Vec<f64>> {
        // Of several threads the first is heard.
        let _ = self.failure.set(Fault::Call { member, reason });
        None
    }

    /// The answer as `wanted`: ŝ = a y + b x in either.
    fn as_prediction(&self, member: usize, wanted: Prediction, x: &[f64], t: &[f64], out: &mut [f64]) {
        self.answer(member, x, t, out);
        convert(&self.schedule, (self.answers, wanted), x, t, out);
    }
}

/// Turns predictions of one type into another, in place: both are affine in the score.
pub(super) fn convert(
    schedule: &Schedule,
    (from, to): (Prediction, Prediction),
    x: &[f64],
    t: &[f64],
    y: &mut [f64],
) {
    if from == to {
        return;
    }
    let dim = x.len() / t.len().max(1);
    let row = |q: usize| -> Range<usize> { q * dim..(q + 1) * dim };
    for (q, &t) in t.iter().enumerate() {
        let ((a, b), (c, d)) = (from.score_coefficients(schedule, t), to.score_coefficients(schedule, t));
        let (on_y, on_x) = (a / c, (b - d) / c);
        y[row(q)].iter_mut().zip(&x[row(q)]).for_each(|(y, x)| *y = on_y * *y + on_x * x);
    }
}

impl Members for CalledMembers {
    fn len(&self) -> usize {
        self.count
    }

    fn predictions(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let members: Vec<usize> = (0..self.count).collect();
        let wanted = self.called.wanted;
        of_each(&members, x.len(), |member, y| {
            self.called.as_prediction(*member, wanted, x, t, y);
            if let (Some(i), None) = (y.iter().position(|v| !v.is_finite()), self.called.failure.get()) {
                let (q, dim) = (i / self.called.dim, self.called.dim);
                let point = format!("x = {:?}, t = {}", &x[q * dim..][..dim], t[q]);
                self.called
                    .fail(*member, format!("it answered {} at {point}; expected finite numbers", y[i]));
            }
        })
    }

    fn field(&self, member: usize) -> Box<dyn ScoreField> {
        Box::new(CalledField { member, called: self.called.clone() })
    }

    fn fault(&self) -> Option<Fault> {
        self.called.failure.get().cloned()
    }

    fn encode(&self, member: usize, _about: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let reason =
            format!("member {member} is a function from outside, of which there are no weights to save");
        Err(Error::Member { reason })
    }
}

/// Most numbers in a call.
pub const LARGEST_CALL: usize = 1 << 22;
/// Most chunks of paths in it.
const MOST_CHUNKS: usize = 64;

/// Chunks of paths that one call of a function from outside brings: so many that the call costs little beside its work.
pub fn chunks_a_call(dim: usize) -> usize {
    (LARGEST_CALL / (CHUNK * dim.max(1))).clamp(1, MOST_CHUNKS)
}

/// One called member.
struct CalledField {
    member: usize,
    called: Arc<Called>,
}

impl ScoreField for CalledField {
    fn dim(&self) -> usize {
        self.called.dim
    }

    fn schedule(&self) -> &Schedule {
        &self.called.schedule
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let times = vec![t; x.len() / self.called.dim];
        self.scores_into(x, &times, out);
    }

    fn scores_into(&self, x: &[f64], t: &[f64], out: &mut [f64]) {
        self.called.as_prediction(self.member, Prediction::Score, x, t, out);
    }

    fn denoiser_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        let times = vec![t; x.len() / self.called.dim];
        self.called.as_prediction(self.member, Prediction::Denoiser, x, &times, out);
    }

    fn chunks_a_call(&self) -> usize {
        chunks_a_call(self.called.dim)
    }
}
