//! Reading csv: one row a line, an optional header line, `#` comments.

use super::error::ReadError;
use csv::{ReaderBuilder, StringRecord, Trim};
use std::path::Path;

pub(super) fn read_csv(path: &Path) -> Result<(Vec<usize>, Vec<f64>), ReadError> {
    let bytes = std::fs::read(path).map_err(|e| ReadError::io(path, e))?;
    // Spreadsheets begin their exports with a byte-order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .comment(Some(b'#'))
        .from_reader(bytes);
    let mut values = Vec::new();
    let mut columns = None;
    let mut rows = 0usize;
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|e| match e.position() {
            Some(p) => {
                ReadError::format(path, format!("line {}: not readable as csv text in UTF-8", p.line()))
            }
            None => ReadError::format(path, e.to_string()),
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let expected = *columns.get_or_insert(record.len());
        if record.len() != expected {
            return Err(ReadError::Ragged { path: path.to_owned(), line, expected, found: record.len() });
        }
        if index == 0 && is_header(&record) {
            continue;
        }
        for (column, cell) in record.iter().enumerate() {
            values.push(cell.parse::<f64>().map_err(|_| ReadError::Cell {
                path: path.to_owned(),
                line,
                column: column + 1,
                found: cell.to_owned(),
            })?);
        }
        rows += 1;
    }
    Ok((vec![rows, columns.unwrap_or(0)], values))
}

/// A header has names in every column; one cell that is no number among numbers is a mistake.
fn is_header(record: &StringRecord) -> bool {
    record.iter().all(|cell| !cell.is_empty() && cell.parse::<f64>().is_err())
}
