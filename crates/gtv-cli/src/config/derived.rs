//! Keys whose default follows from other keys: their fields say so in words (`derived`), this says how.

use super::check::Settings;
use gtv_models::mlp::TrainingSpec;
use gtv_study::spec::{TheoryName, TheorySpec};
use std::cmp::Reverse;
use toml::Value;

/// Steps of a warm-up, as a share of all.
const WARM_UP: i64 = 20;
/// η of (stochastic) gradient descent.
const DESCENT: f64 = 0.02;
/// Lines of log.csv for each group of members.
const LOG_LINES: i64 = 40;
/// P where neither it nor the data points are given.
const SAMPLES: i64 = 1024;

/// The value of a key that is not given, once the others are filled in.
pub(super) fn value(key: &str, all: &Settings) -> Option<Value> {
    let whole = |key: &str| all.whole(key);
    match key {
        "model.samples" => {
            let points = whole("model.points").zip(whole("model.draws"));
            Some(points.map_or(SAMPLES, |(n, m)| n.saturating_mul(m)).into())
        }
        "training.rate" => match all.get("training.optimizer")?.as_str()? {
            "adam" => Some(Value::Float(TrainingSpec::default().rate)),
            _ => Some(Value::Float(DESCENT)),
        },
        "training.warmup" => Some((whole("training.steps")? / WARM_UP).into()),
        // Rounded up, without running over.
        "training.log_every" => Some(((whole("training.steps")? - 1).max(0) / LOG_LINES + 1).into()),
        "theory.closures" => {
            let kernel = all.get("theory.kernel").cloned().and_then(|name| name.try_into().ok());
            let names = TheorySpec::closures_of(kernel.unwrap_or_default()).into_iter();
            Some(Value::Array(names.map(|name| name.name().into()).collect()))
        }
        "theory.base" => {
            let closures = all.get("theory.closures")?.as_array()?;
            let named = |base: &TheoryName| closures.iter().any(|c| c.as_str() == Some(base.name()));
            let mut bases: Vec<TheoryName> = TheoryName::all().filter(|name| name.is_a_base()).collect();
            bases.sort_by_key(|base| Reverse(base.card().completeness));
            let chosen = bases.iter().find(|base| named(base)).or(bases.first())?;
            Some(chosen.name().into())
        }
        _ => None,
    }
}
