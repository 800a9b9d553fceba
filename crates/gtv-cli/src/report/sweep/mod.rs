//! The summary of a sweep: `report.html` with links to the cells' own reports, figures, and the table on stdout.
//!
//! Where `seed` is swept, cells that differ in it alone are one group, shown as mean ± standard error over seeds; fewer than
//! `FEWEST_SEEDS` have no standard error worth its name, and are shown as mean and range.

mod lines;
mod phase;
mod symbols;
mod view;

use std::path::Path;

use anyhow::{Context as _, Result};
use minijinja::context;
use minijinja::value::Serde;

use super::html::{environment, figure};
use super::metrics;
use super::number::plain;
use super::table::aligned;
use crate::io::write_bytes;
use crate::plot::{Figure, Heatmaps, Lines, Numbers, Sheet};
use crate::record::{Record, SweepRecord, shown};
use phase::Phase;
use view::View;

/// Draws the figures and writes `report.html`; `config` is the sweep's `config.toml`.
///
/// # Errors
/// If a figure cannot be drawn or a file cannot be written.
pub fn render(record: &SweepRecord, config: &str, dir: &Path, sheet: Sheet) -> Result<()> {
    let view = View::new(record);
    let folder = dir.join("figures");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut drawn = Vec::new();
    let phase = Phase::of(&view);
    let maps = phase.as_ref().map(Phase::figures).unwrap_or_default();
    for SweepFigure { id, caption, alt, drawn: what, table } in maps.into_iter().chain(view.figures()) {
        let picture: &dyn Figure = match &what {
            Drawn::Lines(lines) => lines,
            Drawn::Maps(maps) => maps,
        };
        drawn.push(figure(id, &caption, &picture.draw(&folder.join(id), sheet, alt)?));
        table.unwrap_or_else(|| picture.numbers()).write(&folder.join(format!("{id}.csv")))?;
    }
    let environment =
        environment("sweep.html", concat!(include_str!("../macros.html"), include_str!("../sweep.html")))?;
    let cells: Vec<_> = record
        .cells
        .iter()
        .map(|c| {
            let values: Vec<String> = c.values.iter().map(shown).collect();
            let (folder, failure) = (c.folder.as_str(), c.failure.as_deref());
            context! { folder, finished => c.finished, failure, values, index => c.index }
        })
        .collect();
    let page = context! {
        version => record.version.as_str(),
        title => record.config.get("title").and_then(|t| t.as_str()).unwrap_or(""),
        keys => record.keys.iter().map(|k| k.key.clone()).collect::<Vec<_>>(),
        total => record.cells.len(),
        missing => record.missing().count(),
        answer => phase.as_ref().and_then(Phase::answer),
        spread => view.spread(),
        metric => view.metric.as_deref().map(metrics::label),
        numbers => Serde(view.table()),
        figures => drawn,
        cells,
        config,
    };
    Ok(write_bytes(
        &dir.join("report.html"),
        environment.get_template("sweep.html")?.render(page)?.as_bytes(),
    )?)
}

/// The short table of a sweep: a row for each combination of settings, a column for each theory level.
pub fn terminal_table(record: &SweepRecord) -> String {
    let view = View::new(record);
    let Some(metric) = &view.metric else {
        return "no finished cell has a distance to a trained ensemble\n".into();
    };
    let (head, rows) = view.texts();
    let rows: Vec<&[String]> = std::iter::once(&head[..]).chain(rows.iter().map(Vec::as_slice)).collect();
    let spread = view.spread().map_or_else(String::new, |s| format!(", {s}"));
    let answer =
        Phase::of(&view).and_then(|phase| phase.answer()).map_or_else(String::new, |a| format!("\n{a}\n"));
    format!("{} to the trained ensemble{spread}\n{}{answer}", metrics::name(metric), aligned(&rows))
}

/// A cell in one line: the distance of each closure to the trained ensemble.
pub fn line(record: &Record) -> String {
    let Some(view) = super::view::View::new(record) else { return String::new() };
    let closures: Vec<_> = view.closures();
    let numbers: Vec<String> =
        closures.iter().map(|(name, e)| format!("{name} {}", plain(e.value))).collect();
    let floor = closures.iter().filter_map(|(_, e)| e.floor).fold(f64::NAN, f64::max);
    format!("{}: {}; floor {}", metrics::name(&view.metric), numbers.join(", "), plain(floor))
}

/// A figure of a sweep.
struct SweepFigure {
    id: &'static str,
    caption: String,
    alt: &'static str,
    drawn: Drawn,
    /// The table beside it, where its own numbers do not say what they are of.
    table: Option<Numbers>,
}

/// What a figure shows.
enum Drawn {
    Lines(Lines),
    Maps(Heatmaps),
}

#[cfg(test)]
mod tests {
    use super::lines::is_logarithmic;
    use super::view::distance;
    use super::*;
    use crate::record::{SweepCell, SweepKey};

    #[test]
    fn identities_spacing_follows_the_values() {
        assert!(is_logarithmic(&[64.0, 128.0, 256.0]) && is_logarithmic(&[4096.0, 256.0, 1024.0]));
        assert!(is_logarithmic(&[1e-4, 1e-2]) && !is_logarithmic(&[1.0, 2.0]));
        assert!(
            !is_logarithmic(&[1.0, 2.0, 3.0])
                && !is_logarithmic(&[0.0, 1.0, 10.0])
                && !is_logarithmic(&[5.0])
        );
    }

    #[test]
    fn identities_a_standard_error_needs_five_seeds() {
        let cell = |seed: usize| SweepCell {
            index: seed,
            folder: String::new(),
            finished: true,
            failure: None,
            values: vec![seed.into()],
            quantities: [("distances.theory_paper.ensemble.w1".to_owned(), (0.1 * seed as f64).into())]
                .into(),
        };
        let table = |seeds: usize| {
            let keys = vec![SweepKey { key: "seed".into(), values: (1..=seeds).map(Into::into).collect() }];
            let cells = (1..=seeds).map(cell).collect();
            terminal_table(&SweepRecord {
                schema: 1,
                version: String::new(),
                config: serde_json::Value::Null,
                keys,
                zip: Vec::new(),
                cells,
            })
        };
        assert!(table(2).contains("0.150 [0.100, 0.200]") && !table(2).contains('±'), "{}", table(2));
        // The standard error of 0.1, …, 0.5: √(0.025/5).
        assert!(table(5).contains("0.300 ± 0.071"), "{}", table(5));
    }

    #[test]
    fn identities_distances_are_found_in_either_order() {
        assert_eq!(distance("distances.pf_ode.ensemble.w1"), Some(("pf_ode", "w1")));
        assert_eq!(distance("distances.ensemble.theory_white.js"), Some(("theory_white", "js")));
        assert_eq!(distance("distances.data.pf_ode.w1"), None);
        assert_eq!(distance("levels.ensemble.gap_mass"), None);
    }
}
