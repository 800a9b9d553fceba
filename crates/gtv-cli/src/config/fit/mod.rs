//! Defaults that fit the data of a file: what a config leaves out is chosen from the number of points, their dimension, where they
//! lie and how far apart, so that two lines of `[data]` are a whole experiment. What a config says is kept, and the rest follows it.
//!
//! Choices aim at two minutes on two cores. They are settings like any other: printed, and written into the resolved config.

mod facts;
mod sizes;

pub use facts::Facts;

use super::check::Settings;
use super::keys::{Type, keys};
use gtv_study::spec::TheoryName;
use sizes::Sizes;
use toml::{Table, Value};

/// Largest value of data that keep their own scale.
const LARGEST: f64 = 4.0;
/// Least and largest spread of them.
const SPREADS: [f64; 2] = [0.4, 2.0];
/// Where noise of variance 1 lies, most of it: features know something of it.
const NOISE: f64 = 1.5;
/// Margin of ranges on either side, as a share of the data's own.
const MARGIN: f64 = 0.25;
/// Up to this dimension features are products of functions of each coordinate.
const PRODUCTS: usize = 2;
/// Up to so many points in the plane the quadrature is a product of rules.
const FEW_IN_THE_PLANE: usize = 8;
/// Up to this dimension ε is 0.01; above, its noise would be seen.
const NOISY: usize = 16;
/// Keys in units of x: where one is given, the data keep their scale.
const IN_UNITS_OF_X: [&str; 7] = [
    "data.scale",
    "data.offset",
    "model.features.range",
    "model.features.length_scale",
    "sampling.grid_range",
    "compare.range",
    "compare.near_radius",
];

/// A setting that follows from the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The key, dotted.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
}

/// What a config says, key by key.
pub struct Said<'a> {
    /// Whether a key is given.
    pub given: &'a dyn Fn(&str) -> bool,
    /// All settings, with the defaults of those that are not.
    pub all: &'a Settings,
    /// Whether the schedule starts at a finite log-SNR, so that times can be spread in it.
    pub log_snr: bool,
}

impl Said<'_> {
    fn is(&self, key: &str, value: &str) -> bool {
        self.all.get(key).and_then(Value::as_str) == Some(value)
    }

    /// A whole number that is given, or `otherwise`.
    fn whole(&self, key: &str, otherwise: usize) -> usize {
        let given = (self.given)(key).then(|| self.all.whole(key)).flatten();
        given.and_then(|n| usize::try_from(n).ok()).unwrap_or(otherwise)
    }
}

/// Every choice for a data set, those that a config makes itself left out.
pub fn choices(raw: &Facts, said: &Said<'_>) -> Vec<Chosen> {
    let mut list = List { said, chosen: Vec::new() };
    let facts = list.scale(raw);
    list.add("compare.range", pair(range(&facts)));
    list.add("compare.metrics", metrics(facts.dim));
    if facts.dim > NOISY {
        list.add("schedule.t_min", Value::Float(0.001));
    }
    if said.is("model.kind", "linear") {
        let sizes = Sizes::of(&facts, said);
        list.features(&facts, &sizes);
        list.sampling(&sizes);
        list.theory(&facts, &sizes);
    }
    list.chosen
}

/// The key of the kind of features.
pub const FEATURES: &str = "model.features.kind";

/// The kind of features that is not said, beside a file of data: the only one that all that is said of them belongs to.
pub fn implied_features(said: &Table) -> Option<&'static str> {
    let is_file = said.get("data")?.get("kind")?.as_str() == Some("file");
    let model = said.get("model")?;
    let features = model.get("features")?.as_table()?;
    let is_linear = model.get("kind").is_none_or(|kind| kind.as_str() == Some("linear"));
    if !(is_file && is_linear) || features.is_empty() || features.contains_key("kind") {
        return None;
    }
    let kinds = keys().of(FEATURES).find_map(|key| match &key.kind {
        Type::Name(choices) => Some(choices),
        _ => None,
    })?;
    let has = |name: &str, kind: &str| {
        let of_kind =
            |(tag, values): &(String, Vec<String>)| tag == FEATURES && values.iter().any(|v| v == kind);
        let path = format!("model.features.{name}");
        keys().of(&path).any(|key| key.when.iter().flat_map(|condition| &condition.0).any(of_kind))
    };
    let mut fitting = kinds.iter().filter(|kind| features.keys().all(|name| has(name, &kind.name)));
    let kind = fitting.next()?;
    fitting.next().is_none().then_some(kind.name.as_str())
}

struct List<'a> {
    said: &'a Said<'a>,
    chosen: Vec<Chosen>,
}

impl List<'_> {
    fn add(&mut self, key: &'static str, value: Value) {
        if !(self.said.given)(key) {
            self.chosen.push(Chosen { key, value });
        }
    }

    fn count(&mut self, key: &'static str, n: usize) {
        self.add(key, Value::Integer(i64::try_from(n).unwrap_or(i64::MAX)));
    }

    /// Brings data that are not of order one to [−1, 1]; the facts in units of x.
    fn scale(&mut self, raw: &Facts) -> Facts {
        let own =
            |key: &str, otherwise: f64| self.said.all.get(key).and_then(Value::as_float).unwrap_or(otherwise);
        let given = raw.scaled(own("data.scale", 1.0), own("data.offset", 0.0));
        let largest = given.range[0].abs().max(given.range[1].abs());
        let of_order_one =
            largest <= LARGEST && (raw.spread == 0.0 || (SPREADS[0]..=SPREADS[1]).contains(&given.spread));
        if of_order_one || IN_UNITS_OF_X.iter().any(|key| (self.said.given)(key)) {
            return given;
        }
        if raw.spread == 0.0 {
            self.add("data.offset", Value::Float(-raw.mean));
            return raw.scaled(1.0, -raw.mean);
        }
        let [lo, hi] = raw.range;
        // Far outliers would leave nothing of the rest.
        let half = (0.5 * (hi - lo)).min(5.0 * raw.spread);
        let centre = (0.5 * (lo + hi)).clamp(raw.mean - half, raw.mean + half);
        let scale = rounded(1.0 / half);
        let offset = rounded(-scale * centre);
        self.add("data.scale", Value::Float(scale));
        self.add("data.offset", Value::Float(offset));
        raw.scaled(scale, offset)
    }

    fn features(&mut self, facts: &Facts, sizes: &Sizes) {
        let is_fourier = self.said.is(FEATURES, "random-fourier");
        if is_fourier || facts.dim > PRODUCTS && !(self.said.given)(FEATURES) {
            self.add(FEATURES, "random-fourier".into());
            self.count("model.features.count", sizes.features);
            // One point has no distance, and any length does.
            let length = if facts.distance > 0.0 { rounded(facts.distance) } else { 1.0 };
            self.add("model.features.length_scale", Value::Float(length));
        } else {
            self.count("model.features.x", sizes.on_axis);
            self.count("model.features.t", sizes.in_time);
            self.add("model.features.range", pair(range(facts)));
        }
        if !(self.said.given)("model.points") {
            self.count("model.samples", sizes.samples);
        }
        // A tenth of ε has ten times the largest weight α²/σ², which the ridge keeps its proportion to.
        let ridge = match facts.dim {
            ..=PRODUCTS => 0.1,
            dim if dim <= NOISY => 0.001,
            _ => 0.01,
        };
        self.add("model.ridge", Value::Float(ridge));
    }

    fn sampling(&mut self, sizes: &Sizes) {
        // Members from outside are as many as there are.
        if self.said.all.get("ensemble.members").is_some() {
            self.count("ensemble.members", sizes.members);
        }
        self.count("sampling.paths", sizes.paths);
        let step_by_step =
            self.said.all.get("theory.closures").and_then(Value::as_array).is_some_and(|all| {
                let named = |name: &Value| name.as_str().and_then(TheoryName::named);
                all.iter()
                    .filter_map(named)
                    .any(|name| name.derived().is_some_and(|level| level.card().path_wise))
            });
        if step_by_step || self.said.is("sampling.lookup", "grid") {
            return;
        }
        self.add("sampling.integrator", "heun".into());
        if self.said.log_snr && !["sampling.form", "sampling.grid"].iter().any(|key| (self.said.given)(key)) {
            self.add("sampling.form", "denoiser".into());
            self.add("sampling.grid", "log-snr".into());
        }
        self.count("sampling.steps", sizes.steps);
    }

    fn theory(&mut self, facts: &Facts, sizes: &Sizes) {
        // Blocks of many nodes take minutes; above the plane one matrix stands for all outputs, and far above it first order in 1/P is
        // far off.
        let few = facts.points <= if facts.dim == 1 { 64 } else { FEW_IN_THE_PLANE };
        let affordable: &[&str] = match facts.dim {
            ..=PRODUCTS if !few => &["leading"],
            ..=NOISY => &["leading", "finite-p"],
            _ => &["finite-p"],
        };
        self.add("theory.closures", names(affordable));
        self.count("theory.models", sizes.members);
        self.count("theory.paths", sizes.paths);
        self.count("theory.quasi_nodes", sizes.nodes);
        if facts.dim == PRODUCTS {
            self.count("theory.times", 48);
            self.add("theory.noise_spacing", Value::Float(0.2));
            self.count("theory.tensor_points", FEW_IN_THE_PLANE);
        }
        if facts.dim > PRODUCTS {
            self.count("compare.energy_samples", 1024);
        }
    }
}

fn metrics(dim: usize) -> Value {
    match dim {
        1 => names(&["w1", "js"]),
        2 => names(&["sliced_w2", "js"]),
        _ => names(&["sliced_w2", "energy"]),
    }
}

fn names(list: &[&str]) -> Value {
    Value::Array(list.iter().map(|name| Value::from(*name)).collect())
}

/// The data's range with a margin, and with most of the noise.
fn range(facts: &Facts) -> [f64; 2] {
    let [lo, hi] = facts.range;
    let margin = MARGIN * (hi - lo);
    [rounded((lo - margin).min(-NOISE)), rounded((hi + margin).max(NOISE))]
}

fn pair(range: [f64; 2]) -> Value {
    Value::Array(range.map(Value::Float).to_vec())
}

/// To three digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}
