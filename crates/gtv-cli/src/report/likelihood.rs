//! How likely each level finds held-out data.

use super::levels::{label, ranked};
use super::number::count;
use super::table::{Cell, Table, TableRow};
use crate::record::Record;
use gtv_theory::compare::Level;

/// The table; without rows where no data were held out.
pub fn likelihood(record: &Record) -> Table {
    let found = &record.likelihood;
    let row = |level: &str| {
        let l = &found[level];
        let name = if Level::named(level).is_some() { label(level) } else { "one trained model".to_owned() };
        let cells =
            [Cell::from(Some(&l.nats)), Cell::from(Some(&l.bits_per_dimension)), count(l.models).into()];
        TableRow::new(name, cells)
    };
    let points = found.values().map(|l| l.points).max().unwrap_or(0);
    Table {
        caption: format!("Log-likelihood of {} held-out points", count(points)),
        head: ["level", "nats", "bits per dimension", "models"].map(str::to_owned).to_vec(),
        rows: ranked(found.keys().map(String::as_str)).into_iter().map(row).collect(),
        note: "Of the continuous density at t = ε, by the instantaneous change of variables; means over points, intervals over points. \
               A closure and the ensemble are the average law of the models."
            .to_owned(),
        ..Table::default()
    }
}
