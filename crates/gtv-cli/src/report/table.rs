//! A table as texts, for the page and for the terminal.

use serde::Serialize;

use super::number::{bracket, plain};
use crate::record::Estimate;

/// A cell: a text, and smaller ones below it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// What it says below.
    pub below: Vec<String>,
    /// Whether it is a number with an interval, which is set apart.
    pub strong: bool,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        text.unwrap_or_else(|| "–".to_owned()).into()
    }
}

impl From<Option<&Estimate>> for Cell {
    fn from(estimate: Option<&Estimate>) -> Self {
        let Some(e) = estimate else { return None::<String>.into() };
        let floor = e.floor.map(|f| format!("floor {}", plain(f)));
        let below = e.ends().map(|ends| bracket(Some(ends))).into_iter().chain(floor).collect();
        Self { text: plain(e.value), below, strong: true }
    }
}

/// A row: what it is about, and its cells.
#[derive(Debug, Clone, Serialize)]
pub struct TableRow {
    /// What the row is about.
    pub name: Cell,
    /// Its cells.
    pub cells: Vec<Cell>,
}

impl TableRow {
    /// A row of a name and cells.
    pub fn new<C: Into<Cell>>(name: impl Into<Cell>, cells: impl IntoIterator<Item = C>) -> Self {
        Self { name: name.into(), cells: cells.into_iter().map(Into::into).collect() }
    }
}

/// A table with its heads.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Table {
    /// Above it; empty for none.
    pub caption: String,
    /// The head of the first column, then those of the others.
    pub head: Vec<String>,
    /// Rows.
    pub rows: Vec<TableRow>,
    /// How to read it, as HTML; empty for none.
    pub note: String,
    /// Whether it is shown only on demand, under its caption.
    pub folded: bool,
}

/// Columns padded to equal width.
pub fn aligned<R: AsRef<[String]>>(rows: &[R]) -> String {
    let cells = |row: &R, c: usize| row.as_ref().get(c).map_or(0, |text| text.chars().count());
    let columns = rows.iter().map(|r| r.as_ref().len()).max().unwrap_or(0);
    let widths: Vec<usize> =
        (0..columns).map(|c| rows.iter().map(|r| cells(r, c)).max().unwrap_or(0)).collect();
    let line = |row: &R| {
        let padded = row.as_ref().iter().zip(&widths);
        let padded = padded.map(|(text, w)| format!("{text}{}", " ".repeat(w - text.chars().count())));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
