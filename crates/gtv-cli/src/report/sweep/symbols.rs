//! What swept settings are called on axes: the symbols of the field, not the names of keys.

/// The symbol of a config's key; of one that has none, its name in words.
pub fn symbol(key: &str) -> String {
    let known = match key {
        "model.samples" => "P",
        "model.points" => "n",
        "model.draws" => "m",
        "model.ridge" => "γ",
        "model.target" => "target",
        "model.features.x" => "features in x",
        "model.features.t" => "features in t",
        "model.features.count" => "F",
        "model.mlp.width" => "width",
        "model.mlp.depth" | "model.lazy.depth" => "depth",
        "schedule.t_min" => "ε",
        "schedule.t_max" => "T",
        "schedule.beta_min" => "β_min",
        "schedule.beta_d" => "β_d",
        "training.time" => "τ",
        "training.steps" => "training steps",
        "training.rate" => "η",
        "training.batch" => "B",
        "ensemble.members" => "N",
        "sampling.steps" => "sampling steps",
        "sampling.paths" => "paths",
        "theory.kappa" => "κ",
        other => return other.rsplit('.').next().unwrap_or(other).replace('_', " "),
    };
    known.to_owned()
}
