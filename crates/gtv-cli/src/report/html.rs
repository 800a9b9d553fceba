//! `report.html`: one file, figures inline, nothing fetched, no scripts.

use anyhow::Result;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};

use super::answer::answer;
use super::figures::Drawn;
use super::number::{count, duration, plain};
use super::tables;
use crate::record::{Record, Saved};

/// The text of the page.
///
/// # Errors
/// If the template cannot be rendered.
pub fn page(saved: &Saved, figures: &[Drawn]) -> Result<String> {
    let record = &saved.record;
    let environment = environment("report.html", include_str!("report.html"))?;
    let figure = |name: &str| {
        let found = figures.iter().find(|f| f.name == name);
        found.map(|f| context! { svg => Value::from_safe_string(f.svg.clone()), caption => f.caption.as_str(), name => f.name })
    };
    let sentences = answer(record);
    let page = context! {
        setting => Serde(setting(record)),
        answer => sentences,
        confidence => format!("{}", (1000.0 * record.confidence).round() / 10.0),
        density => figure("density"),
        closures => figure("closures"),
        distance_figure => figure("distances"),
        attribution_figure => figure("attribution"),
        scatter => figure("variance_scatter"),
        maps => figure("variance_maps"),
        correlation => figure("time_correlation"),
        shape_maps => figure("gaussianity_maps"),
        images => figure("images"),
        levels => Serde(tables::levels(record)),
        metrics => Serde(tables::metric_labels(record)),
        to_ensemble => Serde(tables::to_ensemble(record)),
        other_distances => Serde(tables::other_distances(record)),
        attribution => Serde(tables::attribution(record)),
        kernel => Serde(tables::kernel(record)),
        sources => Serde(tables::sources(record)),
        source_closures => tables::source_closures(record),
        gaussianity => Serde(tables::gaussianity(record)),
        gaussian_models => record.gaussianity.as_ref().map(|g| count(g.models)),
        gaussian_probes => record.gaussianity.as_ref().map(|g| count(g.probes)),
        near_radius => record.levels.values().find_map(|l| l.near_radius).map(plain),
        masses => Serde(tables::masses(record)),
        listed_data => tables::listed_data(record),
        data_count => record.levels.values().map(|l| l.mass_near.len()).max().unwrap_or(0),
        moments => Serde(tables::moments(record)),
        quadrature => Serde(record.quadrature.iter().map(|(k, v)| (k.replace('_', " "), plain(*v))).collect::<Vec<_>>()),
        warnings => Serde(&record.warnings),
        timing => Serde(tables::timing(record)),
        total_time => duration(record.timing.values().sum()),
        command => command(record),
        version => record.version.as_str(),
        schema => record.schema,
        seed => record.seed,
        device => record.device.as_str(),
        config => saved.config_toml.as_str(),
    };
    Ok(environment.get_template("report.html")?.render(page)?)
}

/// A template with the style sheet that all pages share.
///
/// # Errors
/// If the template is not one.
pub fn environment(name: &'static str, template: &'static str) -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_global("style", Value::from_safe_string(include_str!("style.css").to_owned()));
    environment.add_template(name, template)?;
    Ok(environment)
}

/// The command line, quoted for a shell where it needs to be.
fn command(record: &Record) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let quoted = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    if record.command.is_empty() {
        return format!("gtv-cli compare config.toml --seed {}", record.seed);
    }
    record.command.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// What was compared, in one line, from the config.
fn setting(record: &Record) -> Vec<(String, String)> {
    let at = |path: &str| record.config.pointer(path).filter(|v| !v.is_null());
    let text = |v: &serde_json::Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: Option<String>| rows.extend(value.map(|v| (name.to_owned(), v)));
    let dimension = if record.dimension > 0 { format!(", D = {}", record.dimension) } else { String::new() };
    add("Data", at("/data/kind").map(|v| text(v) + &dimension));
    add("Model", at("/model/kind").map(text));
    add("Prediction", at("/model/prediction").map(text));
    add("Training samples P", at("/model/samples").map(text));
    add("F/P", record.load.map(plain));
    add("Trained models N", record.levels.get("ensemble").map(|l| count(l.models)));
    add("Schedule", at("/schedule/kind").map(text));
    add("ε", at("/schedule/t_min").map(text));
    add("Seed", Some(record.seed.to_string()));
    rows
}
