//! Reading csv: one row a line, an optional header line, `#` comments.
//!
//! The first line is a header only when every cell of it is a name: it begins with a letter, and is no word for a
//! missing value. Whatever may be meant as a number is one, or an error with its place.

use super::array::Content;
use super::error::ReadError;
use super::source::Source;
use super::values::Values;
use crate::memory::Budget;
use csv::{ReaderBuilder, StringRecord, Trim};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::Path;

/// Longest line.
const LONGEST_LINE: u64 = 1 << 26;

pub(super) fn read_csv(path: &Path, memory: &Budget) -> Result<Content, ReadError> {
    match Source::open(path)? {
        Source::File(file, _) => parse(path, file, memory),
        Source::Pipe(pipe) => parse(path, pipe, memory),
    }
}

pub(super) fn parse(path: &Path, text: impl Read, memory: &Budget) -> Result<Content, ReadError> {
    let lines = Lines::default();
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .comment(Some(b'#'))
        .from_reader(Watched::new(text, &lines));
    let mut values = Values::new(path, memory);
    let (mut columns, mut header, mut rows) = (None, None, 0usize);
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|e| unreadable(path, e))? {
        let line = lines.of_record(reader.position().byte());
        let expected = *columns.get_or_insert(record.len());
        if record.len() != expected {
            return Err(ReadError::Ragged { path: path.to_owned(), line, expected, found: record.len() });
        }
        if rows == 0 && header.is_none() && record.iter().all(is_name) {
            header = Some(format!("line {line} ({})", shown(&record)));
            continue;
        }
        for (column, cell) in record.iter().enumerate() {
            let value: f64 = cell.parse().map_err(|_| ReadError::Cell {
                path: path.to_owned(),
                line,
                column: column + 1,
                found: cell.chars().take(LONGEST_SHOWN).collect(),
                advice: advice(cell, line),
            })?;
            if !value.is_finite() {
                let position = format!("line {line}, column {}", column + 1);
                return Err(ReadError::NotFinite { path: path.to_owned(), value, position });
            }
            values.push(value, None)?;
        }
        rows += 1;
    }
    Ok(Content { shape: vec![rows, columns.unwrap_or(0)], values: values.into_list(), header })
}

/// Longest cell in a message, in characters.
const LONGEST_SHOWN: usize = 40;

fn unreadable(path: &Path, error: csv::Error) -> ReadError {
    let line = error.position().map(csv::Position::line);
    match (error.into_kind(), line) {
        (csv::ErrorKind::Io(cause), _) => match cause.downcast::<NotText>() {
            Ok(reason) => ReadError::format(path, reason.to_string()),
            Err(cause) => ReadError::io(path, cause),
        },
        (_, Some(line)) => ReadError::format(path, format!("line {line}: not readable as csv text in UTF-8")),
        (_, None) => ReadError::format(path, "not readable as csv text in UTF-8".to_owned()),
    }
}

/// The cells of a header, for a message.
fn shown(record: &StringRecord) -> String {
    const MOST: usize = 4;
    let mut names: Vec<String> =
        record.iter().take(MOST).map(|cell| cell.chars().take(LONGEST_SHOWN).collect()).collect();
    if record.len() > MOST {
        names.push("...".to_owned());
    }
    names.join(", ")
}

/// Words for a value that is not there, in lower case.
const MISSING: [&str; 14] = [
    "na", "n/a", "n.a.", "nan", "<na>", "nat", "nil", "none", "null", "missing", "nd", "n.d.", "n.a", "void",
];

/// Whether a cell can be nothing but a name: its first letter or digit is a letter, and it is no word for a missing or
/// an infinite value.
fn is_name(cell: &str) -> bool {
    let first = cell.chars().find(|c| c.is_alphanumeric());
    first.is_some_and(|c| c.is_alphabetic()) && cell.parse::<f64>().is_err() && !is_missing(cell)
}

/// Whether a cell says that there is no value, or none that is finite.
fn is_missing(cell: &str) -> bool {
    let bare = cell.trim_matches(|c: char| c.is_whitespace() || "'\"+-\u{2212}".contains(c)).to_lowercase();
    // nan(ind) and the like, as C prints them.
    let word = bare.split(['(', '#']).next().unwrap_or("").trim();
    bare.is_empty()
        || MISSING.contains(&bare.as_str())
        || ["nan", "inf", "infinity"].contains(&word)
        || !cell.chars().any(char::is_alphanumeric)
}

/// What the writer of a cell may have meant.
fn advice(cell: &str, line: u64) -> &'static str {
    let number = |text: &str| text.trim().parse::<f64>().is_ok();
    let parts = |mark: char| cell.contains(mark) && cell.split(mark).all(number);
    if is_missing(cell) {
        return "; a missing value is not read: remove its row, or fill it in (a table's row names: write it without them)";
    }
    if cell.contains('#') {
        return "; a comment has a line of its own";
    }
    if parts(';') || parts(' ') || parts('\t') {
        return "; columns are separated by commas";
    }
    if cell.contains('\u{2212}') && number(&cell.replace('\u{2212}', "-")) {
        return "; write the minus sign as -";
    }
    if number(&cell.replace(['d', 'D'], "e")) {
        return "; write the exponent with e";
    }
    if number(&cell.replace(',', ".")) || number(&cell.replace(',', "")) {
        return "; write a point before decimals, and nothing between thousands";
    }
    if line == 1 { "; names in a header begin with a letter, in every column" } else { "" }
}

/// Why bytes are no csv text.
#[derive(Debug, thiserror::Error)]
enum NotText {
    #[error("no row ends within 64 MiB; expected one row of numbers a line, separated by commas")]
    Line,
    #[error(
        "line {0} holds zero bytes, and is no csv text in UTF-8; save it again as text (UTF-8, not UTF-16)"
    )]
    Zero(u64),
    #[error(
        "a line begins with {0}, the mark of a cell that a spreadsheet could not compute; mend or remove its row"
    )]
    Spreadsheet(&'static str),
}

/// What spreadsheets write in place of a number: not comments, though they begin like one.
const ERRORS: [&str; 9] =
    ["#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#NUM!", "#NAME?", "#NULL!", "#SPILL!", "#CALC!"];

/// Where lines end: the parser tells where it stands, but not what it skipped on the way.
#[derive(Default)]
struct Lines {
    /// Offsets behind the ends of lines that the parser has not passed.
    ends: RefCell<VecDeque<u64>>,
    /// Lines that it has passed.
    passed: Cell<u64>,
    /// Offset behind its last record.
    done: Cell<u64>,
}

impl Lines {
    /// A line ends before this offset; with `again`, by the second byte of its end.
    fn end_at(&self, offset: u64, again: bool) {
        let mut ends = self.ends.borrow_mut();
        if again {
            ends.pop_back();
        }
        ends.push_back(offset);
    }

    /// The line, from 1, that is read now.
    fn read(&self) -> u64 {
        self.passed.get() + self.ends.borrow().len() as u64 + 1
    }

    /// The line, from 1, of the record that ends at an offset.
    fn of_record(&self, end: u64) -> u64 {
        let mut ends = self.ends.borrow_mut();
        while ends.front().is_some_and(|offset| *offset < end) {
            ends.pop_front();
            self.passed.set(self.passed.get() + 1);
        }
        self.done.set(end);
        self.passed.get() + 1
    }
}

/// Looks at bytes on their way to the parser, which holds a line whole and skips comments unseen.
struct Watched<'a, R> {
    inner: R,
    lines: &'a Lines,
    /// Bytes so far, and whether the last one was a carriage return.
    read: u64,
    carriage: bool,
    /// The beginning of the line in hand.
    start: Vec<u8>,
    begun: bool,
}

impl<'a, R> Watched<'a, R> {
    /// As many bytes of a line as the longest of [`ERRORS`].
    const START: usize = 8;

    fn new(inner: R, lines: &'a Lines) -> Self {
        let start = Vec::with_capacity(Self::START);
        Self { inner, lines, read: 0, carriage: false, start, begun: false }
    }

    fn look(&mut self, bytes: &[u8]) -> Result<(), NotText> {
        if self.read + bytes.len() as u64 > self.lines.done.get() + LONGEST_LINE {
            return Err(NotText::Line);
        }
        for &byte in bytes {
            self.read += 1;
            let carriage = std::mem::replace(&mut self.carriage, byte == b'\r');
            match byte {
                0 => return Err(NotText::Zero(self.lines.read())),
                b'\n' | b'\r' => {
                    self.start.clear();
                    self.lines.end_at(self.read, carriage && byte == b'\n');
                }
                _ if self.start.len() < Self::START => {
                    self.start.push(byte);
                    if self.start[0] == b'#'
                        && let Some(error) = ERRORS.iter().find(|e| e.as_bytes() == self.start)
                    {
                        return Err(NotText::Spreadsheet(error));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        let mut read = self.inner.read(buffer)?;
        if !self.begun && read > 0 {
            self.begun = true;
            // Spreadsheets begin their exports with a byte-order mark.
            if buffer[..read].starts_with(MARK) {
                buffer.copy_within(MARK.len()..read, 0);
                read -= MARK.len();
                if read == 0 {
                    return self.read(buffer);
                }
            }
        }
        self.look(&buffer[..read]).map_err(io::Error::other)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
