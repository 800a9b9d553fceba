//! Keys whose default follows from other keys: their fields say so in words (`derived`), this says how.

use super::check::Settings;
use gtv_models::mlp::TrainingSpec;
use toml::Value;

/// Steps of a warm-up, as a share of all.
const WARM_UP: i64 = 20;
/// η of (stochastic) gradient descent.
const DESCENT: f64 = 0.02;
/// Lines of log.csv for each group of members.
const LOG_LINES: i64 = 40;
/// P where neither it nor the data points are given.
const SAMPLES: i64 = 1024;
/// Laws that others can start from, the most complete first.
const BASES: [&str; 4] = ["finite-p", "leading", "paper", "naive"];

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
        "theory.base" => {
            let closures = all.get("theory.closures")?.as_array()?;
            let named = |name: &&&str| closures.iter().any(|c| c.as_str() == Some(name));
            Some(Value::from(*BASES.iter().find(named).unwrap_or(&BASES[0])))
        }
        _ => None,
    }
}
