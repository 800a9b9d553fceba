//! What a report says of an ensemble that was trained elsewhere: what there is of it, and what is missing.

use super::number::{count, significant};
use super::table::{Table, TableRow};
use crate::record::Record;

/// The table; without rows for an ensemble that gtv trained.
pub fn outside(record: &Record) -> Table {
    let Some(found) = &record.outside else { return Table::default() };
    let points =
        if found.anywhere { "everywhere".to_owned() } else { format!("at {} points", count(found.points)) };
    let there = [
        ("members", count(found.members)),
        ("samples of each", count(found.samples)),
        ("predictions", points),
    ];
    let features = found.features.map(|own| {
        let missed = if own.missed > 0.0 {
            format!(", all but {} of their kernel", significant(own.missed, 2))
        } else {
            String::new()
        };
        ("features", format!("{} at {} points{missed}", count(own.features), count(own.points)))
    });
    let there =
        there.into_iter().chain(features).map(|(what, number)| TableRow::new(what.to_owned(), [number]));
    let missing = found.missing.iter();
    let missing =
        missing.map(|(part, needs)| TableRow::new(format!("missing: {part}"), [format!("needs {needs}")]));
    Table {
        caption: "The ensemble was trained elsewhere".to_owned(),
        head: ["", "what there is"].map(str::to_owned).to_vec(),
        rows: there.chain(missing).collect(),
        ..Table::default()
    }
}
