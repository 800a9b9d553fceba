//! `report.html`: one file, figures inline, nothing fetched.

use anyhow::Result;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};

use super::answer::{answer, no_interval};
use super::figures::{Picture, live};
use super::levels::{ENSEMBLE, card};
use super::number::{count, duration, plain};
use super::sections::{Place, section};
use super::table::{Table, TableRow};
use super::view::{all_levels, models};
use crate::record::{Record, Saved, shown};

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
        title => title(record),
        setting => Serde(setting(record)),
        answer => answer(record),
        intervals => intervals(record),
        sections,
        quadrature => Serde(quadrature),
        warnings => Serde(&record.warnings),
        timing => Serde(timing),
        finished => record.finished.as_str(),
        total,
        glossary => Serde(glossary(record)),
        command => command(record),
        bibtex => bibtex(record),
        commit => record.commit.as_str(),
        version => record.version.as_str(),
        schema => record.schema,
        seed => record.seed,
        device => record.device.as_str(),
        config => saved.config_toml.as_str(),
        live => live::numbers(saved)?.map(Value::from_safe_string),
    };
    Ok(environment.get_template("report.html")?.render(page)?)
}

/// The program as a reference names it.
fn bibtex(record: &Record) -> String {
    let Record { version, commit, .. } = record;
    let exact = if commit.is_empty() { version.clone() } else { format!("{version}, commit {commit}") };
    include_str!("cite.bib").replace("VERSION", &exact)
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
    environment.add_global("script", Value::from_safe_string(include_str!("script.js").to_owned()));
    let live = Value::from_safe_string(include_str!("live.js").to_owned());
    environment.add_global("live_script", live);
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

/// What was compared, from the config, with the data first.
fn setting(record: &Record) -> Vec<(&'static str, String)> {
    let at = |path: &str| record.config.pointer(path).filter(|v| !v.is_null()).map(shown);
    let known = |n: usize| (n > 0).then(|| count(n));
    let rows = [
        ("Data", Some(data(record)).filter(|d| !d.is_empty())),
        ("Points M", known(record.data_points)),
        ("Dimension D", known(record.dimension)),
        ("Model", at("/model/kind")),
        ("Prediction", at("/model/prediction")),
        ("Training samples P", at("/model/samples")),
        ("F/P", record.load.map(plain)),
        ("Trained models N", known(models(record, ENSEMBLE))),
        ("Schedule", at("/schedule/kind")),
        ("ε", at("/schedule/t_min")),
        ("Seed", Some(record.seed.to_string())),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The data's name: the file's, or the generator's.
fn data(record: &Record) -> String {
    let at = |path: &str| record.config.pointer(path).filter(|v| !v.is_null()).map(shown);
    let file = at("/data/path").map(|path| path.rsplit('/').next().unwrap_or_default().to_owned());
    file.or_else(|| at("/data/kind")).unwrap_or_default()
}

/// What the page is called: the config's title, or its data.
fn title(record: &Record) -> String {
    let own = record.config.get("title").and_then(|t| t.as_str()).filter(|t| !t.is_empty());
    let of = data(record);
    match own {
        Some(title) => title.to_owned(),
        None if of.is_empty() => "theory against a trained ensemble".to_owned(),
        None => format!("what models learn from {of}"),
    }
}

/// Terms that the report uses, and what they mean; levels of the record after them.
fn glossary(record: &Record) -> Vec<(String, &'static str)> {
    const TERMS: [(&str, &str); 9] = [
        ("t, ε", "time of the forward noise, from the least one, ε, to the largest, where all is noise"),
        ("x₀", "where a sample ends: at t = ε, as drawn by a model"),
        ("y(x, t)", "what a model predicts; the score follows from it linearly"),
        ("score", "∇ log p(x | t): the true one is that of the data with noise, a learned one a model's"),
        (
            "PF-ODE",
            "probability-flow ODE: the deterministic dynamics that turn noise into samples, given a score",
        ),
        (
            "C",
            "covariance of the label y given (x, t): large where it is uncertain from which datum a noisy state came",
        ),
        (
            "V",
            "V-kernel: covariance over models of the learned score at two points; C carried through the model's features",
        ),
        (
            "closure",
            "an assumption on the law of learned scores that makes their average distribution computable",
        ),
        (
            "floor",
            "what a distance shows between two ensembles of these sizes with one law: less cannot be resolved",
        ),
    ];
    let terms = TERMS.iter().map(|(term, meaning)| ((*term).to_owned(), *meaning));
    let levels = all_levels(record).into_iter().map(card).map(|c| (c.label, c.meaning));
    terms.chain(levels).collect()
}
