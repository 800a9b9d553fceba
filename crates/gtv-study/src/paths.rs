//! The learned prediction along sampling paths, in any dimension: its variance between members and in theory, and its correlation
//! between times, which is what makes the noise of the effective dynamics coloured.

use crate::error::Result;
use crate::maps::normalised;
use crate::probes::Probes;
use crate::record::Arrays;
use crate::study::Study;
use crate::theory::Theory;
use gtv_models::external::Ensemble;
use gtv_theory::dynamics::PfOde;
use gtv_theory::rng::Purpose;
use rand_distr::{Distribution, StandardNormal};

/// Paths, all of the exact score.
const PATHS: usize = 4;
/// Most times of each.
const MOST_TIMES: usize = 24;
/// Points of all paths at most.
pub(crate) const MOST_POINTS: usize = PATHS * MOST_TIMES;

/// Paths from T to ε.
struct Paths {
    /// K × T × D.
    x: Vec<f64>,
    /// T.
    t: Vec<f64>,
    dim: usize,
}

impl Paths {
    /// The paths of a study's own integrator.
    fn of(study: &Study) -> Result<Self> {
        let problem = study.problem();
        let (dim, schedule, field) = (problem.dim(), problem.schedule(), problem.exact().as_ref());
        let flow = PfOde::new(field, &study.sampling.integration)?;
        let steps = flow.times().len();
        let count = steps.min(MOST_TIMES);
        // The last is at ε.
        let kept: Vec<usize> = (0..count).map(|i| i * (steps - 1) / (count - 1).max(1)).collect();
        let (streams, std) = (problem.streams().named("paths"), schedule.noise_std(schedule.t_max()));
        let mut x = Vec::with_capacity(PATHS * count * dim);
        for path in 0..PATHS as u64 {
            let noise = StandardNormal.sample_iter(streams.stream(Purpose::Initial, path, 0));
            let start: Vec<f64> = noise.take(dim).map(|n: f64| std * n).collect();
            let states = flow.path(&start);
            x.extend(kept.iter().flat_map(|k| &states[k * dim..(k + 1) * dim]));
        }
        Ok(Self { x, t: kept.iter().map(|k| flow.times()[*k]).collect(), dim })
    }

    /// x (Q × D) and t (Q), path after path.
    fn points(&self) -> (Vec<f64>, Vec<f64>) {
        (self.x.clone(), self.t.repeat(PATHS))
    }

    /// Whether none was given up or diverged.
    fn arrived(&self) -> bool {
        self.x.iter().all(|x| x.is_finite())
    }

    /// Each path's states.
    fn each(&self) -> impl Iterator<Item = &[f64]> {
        self.x.chunks_exact(self.t.len() * self.dim)
    }
}

/// The points along paths, x (Q × D) and t (Q); none where a path did not arrive.
///
/// # Errors
/// Settings of sampling that do not fit the schedule.
pub fn points(study: &Study) -> Result<(Vec<f64>, Vec<f64>)> {
    let paths = Paths::of(study)?;
    Ok(if paths.arrived() { paths.points() } else { (Vec::new(), Vec::new()) })
}

/// Saves variance and correlation along paths, of the ensemble where it is known there, and of every closure; nothing where a path
/// did not arrive, or features are not known along it.
///
/// # Errors
/// As [`points`]; predictions that are not finite.
pub fn save(theory: &Theory<'_>, ensemble: &Ensemble, arrays: &mut Arrays) -> Result<()> {
    let paths = Paths::of(theory.study)?;
    if !paths.arrived() {
        return Ok(());
    }
    let (times, (x, t)) = (paths.t.len(), paths.points());
    if !theory.study.knows(&x, &t) {
        return Ok(());
    }
    let name = |closure: &str| format!("theory_{closure}_path_corr");
    for solved in &theory.laws {
        let variance = theory.moments(solved.law.as_ref(), &x, &t).variance;
        arrays.insert_shaped(format!("theory_{}_var_path", solved.name()), &[PATHS, times], variance)?;
    }
    for solved in theory.covariances() {
        let correlation = |x| normalised(&solved.law.cov_traces(x, &paths.t), times);
        let values: Vec<f64> = paths.each().flat_map(correlation).collect();
        arrays.insert_shaped(name(solved.name()), &[PATHS, times, times], values)?;
    }
    // The covariance of some closures is another one's.
    for solved in &theory.laws {
        let known = solved.closure.card().covariance_of.and_then(|of| arrays.get(&name(of)));
        if let Some(known) = known.map(|a| a.iter().copied().collect()) {
            arrays.insert_shaped(name(solved.name()), &[PATHS, times, times], known)?;
        }
    }
    if let Some(probes) = Probes::known(x, t, ensemble) {
        let variance = probes.ensemble()?.moments().variance;
        arrays.insert_shaped("ensemble_var_path", &[PATHS, times], variance)?;
        let along = |x: &[f64]| {
            let probes = Probes::known(x.to_vec(), paths.t.clone(), ensemble)?;
            Some(normalised(&probes.covariance(), times))
        };
        if let Some(values) = paths.each().map(along).collect::<Option<Vec<_>>>() {
            arrays.insert_shaped("ensemble_path_corr", &[PATHS, times, times], values.concat())?;
        }
    }
    arrays.insert("path_t", paths.t);
    arrays.insert_shaped("path_x", &[PATHS, times, paths.dim], paths.x)
}
