//! Arrays of an ensemble that was trained elsewhere: samples of every member, and their predictions at given points.

use super::called::convert;
use super::error::Error;
use super::given::Given;
use super::points::{Points, check_list};
use gtv_theory::problem::Prediction;
use gtv_theory::{Schedule, TrainingProblem};

/// Relative difference of a user's α or σ from the schedule's that still counts as the same: beyond the rounding of 32-bit tables.
const SAME_SCHEDULE: f64 = 1e-3;

/// What a user brings, array by array.
///
/// # Shapes
/// `samples`: one array (N, n, D), or one (n, D) a member; `x`: (Q, D); `t`, `alpha`, `sigma`: (Q); predictions: (N, Q, D); `features`: (N0, Q, F) or (Q, F);
/// `gram`: (Q, Q). Where D = 1 the last axis of samples, points and predictions may be left out.
#[derive(Debug, Clone, Default)]
pub struct Arrays {
    /// States at ε that each member drew.
    pub samples: Vec<Given>,
    /// Points.
    pub x: Option<Given>,
    /// Their times.
    pub t: Option<Given>,
    /// What each member predicts there, by type; one is enough.
    pub predictions: Vec<(Prediction, Given)>,
    /// α_t at the points, where the user wants it checked.
    pub alpha: Option<Given>,
    /// σ_t at the points.
    pub sigma: Option<Given>,
    /// Features of N0 networks at the points, from which the theory predicts.
    pub features: Option<Given>,
    /// Their products instead.
    pub gram: Option<Given>,
}

/// The arrays of predictions, by name.
const PREDICTIONS: [(&str, Prediction); 4] = [
    ("score", Prediction::Score),
    ("denoiser", Prediction::Denoiser),
    ("noise", Prediction::Noise),
    ("velocity", Prediction::Velocity),
];

impl Arrays {
    /// Every array in its place, by the names that [`Arrays`] gives them; the names that mean nothing are returned.
    pub fn by_name(given: impl IntoIterator<Item = Given>) -> (Self, Vec<String>) {
        let (mut arrays, mut unknown) = (Self::default(), Vec::new());
        for one in given {
            let Self { samples, x, t, predictions, alpha, sigma, features, gram } = &mut arrays;
            match one.name.as_str() {
                "samples" => samples.push(one),
                "x" => *x = Some(one),
                "t" => *t = Some(one),
                "alpha" => *alpha = Some(one),
                "sigma" => *sigma = Some(one),
                "features" => *features = Some(one),
                "gram" => *gram = Some(one),
                name => match PREDICTIONS.into_iter().find(|(known, _)| *known == name) {
                    Some((_, kind)) => predictions.push((kind, one)),
                    None => unknown.push(one.name),
                },
            }
        }
        (arrays, unknown)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Given> {
        let Self { samples, x, t, predictions, alpha, sigma, features, gram } = self;
        let points = [x, t, alpha, sigma, features, gram].into_iter().flatten();
        samples.iter().chain(points).chain(predictions.iter().map(|(_, y)| y))
    }
}

/// An ensemble that is known by arrays.
#[derive(Debug, Clone)]
pub struct Tabulated {
    members: usize,
    samples: Option<Vec<Vec<f64>>>,
    table: Option<Table>,
}

/// Predictions at points.
#[derive(Debug, Clone)]
struct Table {
    points: Points,
    /// y of the study's type, N × Q × D.
    y: Vec<f64>,
}

impl Tabulated {
    /// Checks the arrays against the problem that the members were trained on.
    ///
    /// # Errors
    /// [`Error`], naming the array.
    pub fn new(problem: &TrainingProblem, arrays: Arrays) -> Result<Self, Error> {
        arrays.all().try_for_each(Given::check)?;
        if arrays.samples.is_empty() && arrays.predictions.is_empty() {
            let names: Vec<&str> = arrays.all().map(|array| array.name.as_str()).collect();
            let found =
                if names.is_empty() { "no array of a known name".to_owned() } else { names.join(", ") };
            return Err(Error::Nothing { found });
        }
        let Arrays { samples, x, t, predictions, alpha, sigma, .. } = arrays;
        let mut members: Option<(usize, String)> = None;
        let samples = if samples.is_empty() {
            None
        } else {
            let (name, groups) = groups(samples, problem.dim())?;
            members = Some((groups.len(), name));
            Some(groups)
        };
        let table = if predictions.is_empty() {
            None
        } else {
            let schedule = [
                OfSchedule { name: "alpha", given: alpha, expected: Schedule::signal },
                OfSchedule { name: "sigma", given: sigma, expected: Schedule::noise_std },
            ];
            let (name, table) = Table::new(problem, (x, t), predictions, schedule)?;
            let count = table.y.len() / table.points.x.len();
            if let Some((expected, other)) = members.as_ref().filter(|(expected, _)| *expected != count) {
                let (expected, other) = (*expected, other.clone());
                return Err(Error::Members { array: name, found: count, other, expected });
            }
            members = Some((count, name));
            Some(table)
        };
        Ok(Self { members: members.map_or(0, |(count, _)| count), samples, table })
    }

    /// N.
    pub fn members(&self) -> usize {
        self.members
    }

    /// Samples, n × D a member.
    pub fn samples(&self) -> Option<&[Vec<f64>]> {
        self.samples.as_deref()
    }

    /// The points at which predictions are known, x (Q × D) and t (Q).
    pub fn points(&self) -> Option<(&[f64], &[f64])> {
        self.table.as_ref().map(|Table { points, .. }| (points.x.as_slice(), points.t.as_slice()))
    }

    /// y of every member at points, N × Q × D; `None` unless all of them are known, to the rounding of 32 bits.
    pub fn predictions(&self, x: &[f64], t: &[f64]) -> Option<Vec<f64>> {
        let table = self.table.as_ref()?;
        let rows: Option<Vec<usize>> = table.points.rows(x, t).collect();
        let (rows, dim) = (rows?, table.points.dim);
        let mut y = Vec::with_capacity(self.members * x.len());
        for member in table.y.chunks_exact(table.points.x.len()) {
            rows.iter().for_each(|row| y.extend_from_slice(&member[row * dim..(row + 1) * dim]));
        }
        Some(y)
    }
}

/// Samples of each member, with the name of the array that they are from.
fn groups(mut samples: Vec<Given>, dim: usize) -> Result<(String, Vec<Vec<f64>>), Error> {
    match samples.len() {
        1 => {
            let all = samples.remove(0);
            let (_, rows) = all.each_member(dim, "samples")?;
            Ok((all.name, all.values.chunks_exact(rows * dim).map(<[f64]>::to_vec).collect()))
        }
        _ => {
            let name = samples[0].name.clone();
            let one = |member: Given| member.rows(dim, "samples").map(|_| member.values);
            Ok((name, samples.into_iter().map(one).collect::<Result<_, _>>()?))
        }
    }
}

impl Table {
    /// The table with the name of the array that the predictions are from: that of the problem's own type, or the first.
    fn new(
        problem: &TrainingProblem,
        (x, t): (Option<Given>, Option<Given>),
        mut predictions: Vec<(Prediction, Given)>,
        schedule: [OfSchedule; 2],
    ) -> Result<(String, Self), Error> {
        const POINTS: &str =
            "predictions mean nothing without their points; save x (Q, D) and t (Q) beside them";
        let points = Points::new(problem, (x, t), POINTS)?;
        let (dim, wanted, count) = (problem.dim(), problem.objective().prediction, points.len());
        for own in &schedule {
            own.given.as_ref().map_or(Ok(()), |given| check_list(given, count))?;
            own.check(problem.schedule(), &points.t)?;
        }
        let chosen = predictions.iter().position(|(kind, _)| *kind == wanted).unwrap_or(0);
        let (kind, y) = predictions.swap_remove(chosen);
        let (_, rows) = y.each_member(dim, "points")?;
        if rows != count {
            let expected = format!("(members, {count}, {dim}), a prediction for each point of `x`");
            return Err(y.wrong_shape(expected));
        }
        let Given { name, values: mut y, .. } = y;
        for member in y.chunks_exact_mut(points.x.len()) {
            convert(problem.schedule(), (kind, wanted), &points.x, &points.t, member);
        }
        Ok((name, Self { points, y }))
    }
}

/// α or σ as a user has it, and as the schedule does.
struct OfSchedule {
    name: &'static str,
    given: Option<Given>,
    expected: fn(&Schedule, f64) -> f64,
}

impl OfSchedule {
    /// Refuses the values of another schedule.
    fn check(&self, schedule: &Schedule, times: &[f64]) -> Result<(), Error> {
        let values = self.given.iter().flat_map(|given| &given.values);
        for (index, (&found, &t)) in values.zip(times).enumerate() {
            let expected = (self.expected)(schedule, t);
            if (found - expected).abs() > SAME_SCHEDULE * schedule.signal(t).hypot(schedule.noise_std(t)) {
                return Err(Error::Schedule { array: self.name, index, t, found, expected });
            }
        }
        Ok(())
    }
}
