//! Maps of the learned prediction y over (x, t): the label noise that drives it, its variance between members and in theory,
//! its skewness and kurtosis, and its correlation in time at a datum and in the gap next to it.

use crate::error::Result;
use crate::probes::Probes;
use crate::record::Arrays;
use crate::study::Study;
use crate::theory::Theory;
use gtv_models::external::Ensemble;
use gtv_theory::TrainingProblem;
use gtv_theory::score::CovKind;

/// Positions and times of the one-dimensional maps.
const LINE: (usize, usize) = (81, 60);
/// Positions on each axis of the two-dimensional maps.
const PLANE: usize = 31;
/// Their times, as shares of the way from ε to T: most of the label noise is early.
const PLANE_TIMES: [f64; 6] = [0.02, 0.05, 0.1, 0.2, 0.3, 0.6];
/// Positions and times between all pairs of which correlations are saved, in one dimension.
const PAIRS: (usize, usize) = (21, 12);
/// Times of the correlation maps.
const TIMES: usize = 40;

/// Saves the maps that the dimension and what is known of the ensemble and the features allow.
///
/// # Errors
/// Predictions that are not finite.
pub fn save(theory: &Theory<'_>, ensemble: &Ensemble, arrays: &mut Arrays) -> Result<()> {
    let (x, t) = points(theory.study);
    let Some(grid) = Grid::of(theory.study).filter(|_| theory.study.knows(&x, &t)) else { return Ok(()) };
    grid.save(theory, ensemble, arrays)?;
    pairs(theory, ensemble, arrays)?;
    correlations(theory, ensemble, arrays)
}

/// The points that maps ask members for: x (Q × D) and t (Q).
pub fn points(study: &Study) -> (Vec<f64>, Vec<f64>) {
    let Some(Grid { mut x, mut t, .. }) = Grid::of(study) else { return (Vec::new(), Vec::new()) };
    let times = correlated_times(study.problem());
    for position in datum_and_gap(study.problem()).chunks_exact(study.problem().dim()) {
        x.extend(position.repeat(TIMES));
        t.extend(&times);
    }
    if let Some((line, times)) = paired(study) {
        let (pair_x, pair_t) = crossed(&line, &times);
        x.extend(pair_x);
        t.extend(pair_t);
    }
    (x, t)
}

fn spread(lo: f64, hi: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| lo + (hi - lo) * i as f64 / (n - 1) as f64).collect()
}

/// Points of a map, time after time.
struct Grid {
    x: Vec<f64>,
    t: Vec<f64>,
    shape: Vec<usize>,
    /// `map` or `plane`, the end of the arrays' names.
    suffix: &'static str,
    /// Coordinates along the axes, by the names of their arrays.
    axes: Vec<(&'static str, Vec<f64>)>,
}

impl Grid {
    /// The grid of a study's maps, in one and two dimensions.
    fn of(study: &Study) -> Option<Self> {
        let problem = study.problem();
        let [lo, hi] = study.compare.range;
        let (start, end) = (problem.schedule().t_min(), problem.schedule().t_max());
        match problem.dim() {
            1 => {
                let (map_x, map_t) = (spread(lo, hi, LINE.0), spread(start, end, LINE.1));
                let x = map_t.iter().flat_map(|_| map_x.iter().copied()).collect();
                let t = map_t.iter().flat_map(|t| std::iter::repeat_n(*t, LINE.0)).collect();
                let axes = vec![("map_x", map_x), ("map_t", map_t)];
                Some(Self { x, t, shape: vec![LINE.1, LINE.0], suffix: "map", axes })
            }
            2 => {
                let axis = spread(lo, hi, PLANE);
                let plane_t: Vec<f64> = PLANE_TIMES.iter().map(|s| start + s * (end - start)).collect();
                let plane: Vec<f64> =
                    axis.iter().flat_map(|x| axis.iter().flat_map(move |y| [*x, *y])).collect();
                let x = plane_t.iter().flat_map(|_| plane.iter().copied()).collect();
                let t = plane_t.iter().flat_map(|t| std::iter::repeat_n(*t, PLANE * PLANE)).collect();
                let shape = vec![plane_t.len(), PLANE, PLANE];
                let axes = vec![("plane_x", axis.clone()), ("plane_y", axis), ("plane_t", plane_t)];
                Some(Self { x, t, shape, suffix: "plane", axes })
            }
            _ => None,
        }
    }

    fn save(self, theory: &Theory<'_>, ensemble: &Ensemble, arrays: &mut Arrays) -> Result<()> {
        let mut insert = |name: &str, values: Vec<f64>| {
            arrays.insert_shaped(format!("{name}_{}", self.suffix), &self.shape, values)
        };
        for solved in &theory.laws {
            let variance = theory.moments(solved.law.as_ref(), &self.x, &self.t).variance;
            insert(&format!("theory_{}_var", solved.name()), variance)?;
        }
        insert("proxy_cov", self.label_noise(theory.study.problem())?)?;
        if let Some(probes) = Probes::known(self.x, self.t, ensemble) {
            insert("ensemble_var", probes.ensemble()?.moments().variance)?;
            if let Some((skewness, kurtosis)) = probes.shape(theory.study)? {
                insert("skewness", skewness)?;
                insert("kurtosis", kurtosis)?;
            }
        }
        self.axes.into_iter().for_each(|(name, values)| arrays.insert(name, values));
        Ok(())
    }

    /// tr Cov[y | x, t] of the labels, c² (1 − η)² tr Γ(x, t) for y = c x0 + d x.
    fn label_noise(&self, problem: &TrainingProblem) -> Result<Vec<f64>> {
        let (dim, objective) = (problem.dim(), problem.objective());
        let mut noise = Vec::with_capacity(self.t.len());
        let mut x = &self.x[..];
        for times in self.t.chunk_by(|a, b| a == b) {
            let (here, rest) = x.split_at(times.len() * dim);
            let (on_x0, _) = objective.label_coefficients(problem.schedule(), times[0]);
            let factor = (on_x0 * (1.0 - objective.target_mix)).powi(2);
            let evaluated = problem.exact().evaluate(here, times[0], CovKind::Trace)?;
            noise.extend(evaluated.posterior_cov.iter().map(|gamma| factor * gamma));
            x = rest;
        }
        Ok(noise)
    }
}

/// Positions and times whose pairs are looked at, in one dimension.
fn paired(study: &Study) -> Option<(Vec<f64>, Vec<f64>)> {
    let (problem, [lo, hi]) = (study.problem(), study.compare.range);
    let (start, end) = (problem.schedule().t_min(), problem.schedule().t_max());
    (problem.dim() == 1).then(|| (spread(lo, hi, PAIRS.0), spread(start, end, PAIRS.1)))
}

/// All points of positions and times, time after time.
fn crossed(line: &[f64], times: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let x = times.iter().flat_map(|_| line.iter().copied()).collect();
    (x, times.iter().flat_map(|t| std::iter::repeat_n(*t, line.len())).collect())
}

/// Correlations of y between all pairs of points (x, t) of a grid, times × positions, in one dimension.
fn pairs(theory: &Theory<'_>, ensemble: &Ensemble, arrays: &mut Arrays) -> Result<()> {
    let Some((line, times)) = paired(theory.study) else { return Ok(()) };
    let (x, t) = crossed(&line, &times);
    let count = x.len();
    if let Some(probes) = Probes::known(x.clone(), t.clone(), ensemble) {
        let measured = normalised(&probes.covariance(), count);
        arrays.insert_shaped("ensemble_pair_corr", &[count, count], measured)?;
    }
    for solved in theory.covariances() {
        let predicted = normalised(&solved.law.cov_traces(&x, &t), count);
        arrays.insert_shaped(format!("theory_{}_pair_corr", solved.name()), &[count, count], predicted)?;
    }
    arrays.insert("pair_x", line);
    arrays.insert("pair_t", times);
    Ok(())
}

/// Correlations between all pairs of times at fixed x: a datum, and the middle between it and its nearest neighbour.
fn correlations(theory: &Theory<'_>, ensemble: &Ensemble, arrays: &mut Arrays) -> Result<()> {
    let problem = theory.study.problem();
    let dim = problem.dim();
    let positions = datum_and_gap(problem);
    let times = correlated_times(problem);
    let count = positions.len() / dim;
    let shape = [count, TIMES, TIMES];
    let measured = positions.chunks_exact(dim).map(|x| {
        let probes = Probes::known(x.repeat(TIMES), times.clone(), ensemble)?;
        Some(normalised(&probes.covariance(), TIMES))
    });
    if let Some(measured) = measured.collect::<Option<Vec<_>>>() {
        arrays.insert_shaped("ensemble_time_corr", &shape, measured.concat())?;
    }
    let name = |closure: &str| format!("theory_{closure}_time_corr");
    for solved in theory.covariances() {
        let of = |x: &[f64]| normalised(&solved.law.cov_traces(&x.repeat(TIMES), &times), TIMES);
        let values: Vec<f64> = positions.chunks_exact(dim).flat_map(of).collect();
        arrays.insert_shaped(name(solved.name()), &shape, values)?;
    }
    // The covariance of some closures is another one's.
    for solved in &theory.laws {
        let known = solved.closure.card().covariance_of.and_then(|of| arrays.get(&name(of)));
        if let Some(known) = known.map(|a| a.iter().copied().collect()) {
            arrays.insert_shaped(name(solved.name()), &shape, known)?;
        }
    }
    if dim == 1 {
        arrays.insert("corr_x", positions);
    } else {
        arrays.insert_shaped("corr_x", &[count, dim], positions)?;
    }
    arrays.insert("corr_t", times);
    Ok(())
}

fn correlated_times(problem: &TrainingProblem) -> Vec<f64> {
    spread(problem.schedule().t_min(), problem.schedule().t_max(), TIMES)
}

/// The datum nearest to the data's mean, then the middle between it and the datum nearest to it.
fn datum_and_gap(problem: &TrainingProblem) -> Vec<f64> {
    let cloud = problem.cloud();
    let square = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let nearest = |to: &[f64], other_than: Option<usize>| {
        let candidates = (0..cloud.len()).filter(|m| Some(*m) != other_than);
        candidates.min_by(|a, b| square(cloud.point(*a), to).total_cmp(&square(cloud.point(*b), to)))
    };
    let Some(datum) = nearest(&cloud.mean(), None) else { return Vec::new() };
    let mut positions = cloud.point(datum).to_vec();
    if let Some(next) = nearest(cloud.point(datum), Some(datum)) {
        positions.extend(cloud.point(datum).iter().zip(cloud.point(next)).map(|(a, b)| 0.5 * (a + b)));
    }
    positions
}

/// The correlations of a covariance matrix, n × n; NaN where a variance is 0.
pub(crate) fn normalised(covariance: &[f64], n: usize) -> Vec<f64> {
    let std: Vec<f64> = covariance.iter().step_by(n + 1).map(|v| v.sqrt()).collect();
    covariance.iter().enumerate().map(|(i, c)| c / (std[i / n] * std[i % n])).collect()
}
