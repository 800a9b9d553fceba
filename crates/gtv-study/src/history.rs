//! The reverse process in time: the density of each level at some times between T and ε, for one and two dimensions.
//!
//! The paths are the first ones of the levels themselves, of the same models and from the same starts; only a table of
//! `sampling.lookup` is not used.

use crate::error::{Error, Result};
use crate::record::Arrays;
use crate::spec::TheoryName;
use crate::study::Study;
use crate::theory::Theory;
use gtv_models::external::Ensemble;
use gtv_models::watch::Session;
use gtv_theory::compare::{Axis, Histogram, Level, Normalisation};
use gtv_theory::dynamics::PfOde;
use gtv_theory::rng::{ChaCha8Rng, Purpose};
use gtv_theory::score::CovKind;
use gtv_theory::{Law, ScoreField};
use rayon::prelude::*;

/// Times shown, T and ε among them.
const TIMES: usize = 16;
/// Bins on each axis, in one and in two dimensions.
const BINS: [usize; 2] = [120, 40];
/// Most paths of a level.
const PATHS: usize = 20_000;
/// Paths that are too few to show.
const FEWEST: usize = 2_000;
/// Seconds of one core that a level may take.
const SECONDS: f64 = 1.5;
/// Standard deviations of the noise at T that the axes reach.
const REACH: f64 = 3.2;

/// What is sampled, and where it is counted.
struct History<'a> {
    study: &'a Study,
    axes: Vec<Axis>,
    /// Step times at which paths are seen, by index.
    at: Vec<usize>,
    paths: usize,
}

/// Saves `history_t`, `history_x` (edges, the same for both coordinates) and `<level>_history` (times × bins, or times × bins ×
/// bins), where the dimension and the time that it takes allow it.
///
/// # Errors
/// An interrupt.
pub fn save(
    theory: &Theory<'_>,
    ensemble: &Ensemble,
    session: Session<'_>,
    arrays: &mut Arrays,
) -> Result<()> {
    let Some(history) = History::of(theory)? else { return Ok(()) };
    let (study, problem) = (history.study, history.study.problem());
    let mut shape = vec![history.at.len()];
    shape.extend(history.axes.iter().map(Axis::len));
    let mut keep = |level: Level, values: Vec<f64>| -> Result<()> {
        session.check()?;
        arrays.insert_shaped(format!("{level}_history"), &shape, values)
    };
    keep(Level::Data, history.exact(theory)?)?;
    keep(Level::PfOde, history.single(&Level::PfOde, problem.exact().as_ref())?)?;
    if let Some(solved) = theory.mean_law() {
        let field = solved.law.mean_score();
        keep(Level::MeanScore, history.single(&Level::MeanScore, field.as_ref())?)?;
    }
    for closure in theory.levels().filter_map(TheoryName::closure) {
        let law: &dyn Law = theory.law(closure)?;
        let level = Level::Theory(closure.card().name.to_owned());
        let drawn = history.models(&level, study.theory.models, |_, rng| {
            law.draw(rng).ok_or(Error::NoDraw { name: closure.card().name })
        })?;
        keep(level, drawn)?;
    }
    if let Some(members) = ensemble.fields() {
        let trained = history.models(&Level::Ensemble, members.len(), |i, _| Ok(members.field(i)))?;
        keep(Level::Ensemble, trained)?;
    }
    arrays.insert("history_t", history.at.iter().map(|k| theory.times[*k]).collect());
    if let Some(axis) = history.axes.first() {
        arrays.insert("history_x", axis.edges());
    }
    Ok(())
}

impl<'a> History<'a> {
    /// None above two dimensions, and where the paths would take too long.
    fn of(theory: &Theory<'a>) -> Result<Option<Self>> {
        let study = theory.study;
        let (problem, last) = (study.problem(), theory.times.len() - 1);
        let dim = problem.dim();
        let Some(bins) = BINS.get(dim - 1) else { return Ok(None) };
        let paths = PATHS.min((SECONDS / study.effort().paths(1)) as usize);
        if paths < FEWEST {
            return Ok(None);
        }
        let [lo, hi] = study.compare.range;
        let noise = problem.schedule().noise_std(problem.schedule().t_max());
        let reach = lo.abs().max(hi.abs()).max(REACH * noise);
        let axes = vec![Axis::new(-reach, reach, *bins)?; dim];
        let mut at: Vec<usize> = (0..TIMES).map(|i| i * last / (TIMES - 1)).collect();
        at.dedup();
        Ok(Some(Self { study, axes, at, paths }))
    }

    /// p(x | t) of the data, at the middles of the bins.
    fn exact(&self, theory: &Theory<'_>) -> Result<Vec<f64>> {
        let centres: Vec<Vec<f64>> = self.axes.iter().map(Axis::centres).collect();
        let queries: Vec<f64> = match &centres[..] {
            [x, y] => x.iter().flat_map(|x| y.iter().flat_map(move |y| [*x, *y])).collect(),
            lines => lines.concat(),
        };
        let mut values = Vec::with_capacity(self.at.len() * queries.len() / self.axes.len());
        for k in &self.at {
            let found = self.study.problem().exact().evaluate(&queries, theory.times[*k], CovKind::None)?;
            values.extend(found.log_density.iter().map(|l| l.exp()));
        }
        Ok(values)
    }

    /// A level of one field: chunks of paths, as the sampler draws them.
    fn single(&self, level: &Level, field: &dyn ScoreField) -> Result<Vec<f64>> {
        use gtv_theory::dynamics::CHUNK;
        let streams = self.study.problem().streams().named(&level.to_string());
        let sampler = PfOde::new(field, &self.study.sampling.integration)?;
        let chunks = self.paths.div_ceil(CHUNK) as u64;
        let seen = (0..chunks).into_par_iter().map(|c| sampler.record(CHUNK, c, (streams, 0), &self.at));
        self.counted(seen.collect())
    }

    /// A level of many fields: the first paths of each.
    fn models(
        &self,
        level: &Level,
        models: usize,
        draw: impl Fn(usize, &mut ChaCha8Rng) -> Result<Box<dyn ScoreField>> + Sync,
    ) -> Result<Vec<f64>> {
        let streams = self.study.problem().streams().named(&level.to_string());
        let paths = (self.paths / models).max(1);
        let seen = (0..models).into_par_iter().map(|model| {
            let field = draw(model, &mut streams.stream(Purpose::TheoryModel, model as u64, 0))?;
            let sampler = PfOde::new(field.as_ref(), &self.study.sampling.integration)?;
            Ok(sampler.record(paths, 0, (streams, model as u64), &self.at))
        });
        self.counted(seen.collect::<Result<_>>()?)
    }

    /// Densities at each time from the states of all models; paths that failed are left out.
    fn counted(&self, seen: Vec<Vec<Vec<f64>>>) -> Result<Vec<f64>> {
        let dim = self.axes.len();
        let mut values = Vec::new();
        for k in 0..self.at.len() {
            let states = seen.iter().flat_map(|model| model[k].chunks_exact(dim));
            let arrived: Vec<f64> =
                states.filter(|x| x.iter().all(|v| v.is_finite())).flatten().copied().collect();
            values.extend(Histogram::count(&self.axes, &arrived)?.density(Normalisation::All));
        }
        Ok(values)
    }
}
