//! The numbers that a figure shows, as a table in long form: one row a number, with what it is the number of.

use std::path::Path;

use crate::io::{WriteError, write_atomic};
use crate::record::Estimate;

/// A table; empty cells for numbers that are not there or not finite.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Numbers {
    /// Names of the columns.
    pub head: Vec<String>,
    /// Rows as long as the head.
    pub rows: Vec<Vec<String>>,
}

impl Numbers {
    /// A table without rows.
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// A row: names first, then numbers.
    pub fn push<const N: usize>(&mut self, names: &[&str], values: [Option<f64>; N]) {
        let names = names.iter().map(|n| (*n).to_owned());
        self.rows.push(names.chain(values.map(number)).collect());
    }

    /// Several tables in one: every column of any, and empty cells where a table does not have one.
    pub fn joined(tables: &[Self]) -> Self {
        let mut head: Vec<String> = Vec::new();
        for column in tables.iter().flat_map(|table| &table.head) {
            if !head.contains(column) {
                head.push(column.clone());
            }
        }
        let mut rows = Vec::new();
        for table in tables {
            let place = |column: &String| table.head.iter().position(|own| own == column);
            let places: Vec<Option<usize>> = head.iter().map(place).collect();
            let cell =
                |row: &[String], place: &Option<usize>| place.map(|i| row[i].clone()).unwrap_or_default();
            rows.extend(table.rows.iter().map(|row| places.iter().map(|place| cell(row, place)).collect()));
        }
        Self { head, rows }
    }

    /// Writes the table as csv.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        write_atomic(path, |sink| {
            let mut writer = csv::Writer::from_writer(sink);
            writer.write_record(&self.head)?;
            self.rows.iter().try_for_each(|row| writer.write_record(row))?;
            writer.flush()
        })
    }
}

/// A number's shortest text that reads back as it.
fn number(value: Option<f64>) -> String {
    match value.filter(|v| v.is_finite()) {
        None => String::new(),
        Some(v) if v == 0.0 || (1e-4..1e15).contains(&v.abs()) => v.to_string(),
        Some(v) => format!("{v:e}"),
    }
}

/// Value, ends of the interval, floor.
pub fn parts(estimate: &Estimate) -> [Option<f64>; 4] {
    [Some(estimate.value), estimate.lo, estimate.hi, estimate.floor]
}
