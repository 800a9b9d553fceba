//! `report.html`: one file, figures inline, nothing fetched.

use anyhow::Result;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};

use super::answer::{answer, no_interval};
use super::figures::Picture;
use super::levels::ENSEMBLE;
use super::number::{count, duration, plain};
use super::sections::{Place, section};
use super::table::{Table, TableRow};
use super::view::{all_levels, models};
use crate::record::{Record, Saved};

/// The text of the page.
///
/// # Errors
/// If the template cannot be rendered.
pub fn page(saved: &Saved, figures: &[(Picture, String)]) -> Result<String> {
    let record = &saved.record;
    let environment =
        environment("report.html", concat!(include_str!("macros.html"), include_str!("report.html")))?;
    let sections = Place::ALL.map(|place| {
        let here = figures.iter().filter(|(f, _)| f.place == place);
        let figures: Vec<_> = here.map(|(f, svg)| figure(f.id, &f.caption, svg)).collect();
        context! { figures, ..Value::from(Serde(section(record, place))) }
    });
    let stages = {
        let mut stages: Vec<_> = record.timing.iter().collect();
        stages.sort_by(|a, b| b.1.total_cmp(a.1));
        stages.into_iter().map(|(name, s)| TableRow::new(name.replace('_', " "), [duration(*s)])).collect()
    };
    let total = duration(record.timing.values().sum());
    let timing =
        Table { caption: format!("Wall-clock time, {total} in all"), rows: stages, ..Table::default() };
    let errors = record.quadrature.iter().map(|(k, v)| TableRow::new(k.replace('_', " "), [plain(*v)]));
    let quadrature = Table {
        caption: "Relative error of each quadrature, from a second resolution".into(),
        rows: errors.collect(),
        ..Table::default()
    };
    let page = context! {
        setting => Serde(setting(record)),
        answer => answer(record),
        intervals => intervals(record),
        sections,
        quadrature => Serde(quadrature),
        warnings => Serde(&record.warnings),
        timing => Serde(timing),
        command => command(record),
        version => record.version.as_str(),
        schema => record.schema,
        seed => record.seed,
        device => record.device.as_str(),
        config => saved.config_toml.as_str(),
    };
    Ok(environment.get_template("report.html")?.render(page)?)
}

/// A figure as a template shows it.
pub fn figure(id: &str, caption: &str, svg: &str) -> Value {
    context! { id, caption, svg => Value::from_safe_string(svg.to_owned()) }
}

/// What brackets and floors are.
fn intervals(record: &Record) -> String {
    let floor = "Floor: the same statistic between two ensembles of these sizes with equal law.";
    let metric = record.metrics();
    let mut distances = all_levels(record)
        .into_iter()
        .flat_map(|l| metric.iter().filter_map(move |m| record.distance(l, ENSEMBLE, m)));
    if models(record, ENSEMBLE) > 0 && distances.all(|e| e.ends().is_none()) {
        return format!("Numbers of the ensemble have {}. {floor}", no_interval(record));
    }
    let confidence = (1000.0 * record.confidence).round() / 10.0;
    format!("Brackets: {confidence} % bootstrap intervals over models. {floor}")
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
