//! What a study knows of the terminal and the disk: progress bars, Ctrl-C, warnings, the parts of a run folder.

use crate::context::Context;
use crate::io::{WriteError, write_atomic};
use crate::progress::Progress;
use crate::run_dir::{PartStore, RunDir};
use gtv_models::watch::Encode;
use gtv_models::{Error, Session, Store, Watch};
use gtv_study::Stage;
use std::fmt::Display;

impl Watch for Context {
    fn stage(&self, label: &str, units: u64) -> Box<dyn Stage + '_> {
        Box::new(self.progress(label, units))
    }

    fn interrupted(&self) -> bool {
        self.interrupt.raised()
    }

    fn note(&self, text: &str) {
        Self::note(self, text);
    }

    fn warn(&self, warning: &dyn Display) {
        Self::warn(self, warning);
    }

    fn memory_limit(&self) -> Option<u64> {
        self.memory.limit()
    }
}

impl Stage for Progress {
    fn advance(&self, units: u64) {
        Self::advance(self, units);
    }

    fn message(&self, text: &dyn Fn() -> String) {
        Self::message(self, text);
    }
}

/// The unfinished work of a run folder.
pub struct Kept<'a> {
    run: &'a RunDir,
    parts: PartStore,
}

impl<'a> Kept<'a> {
    /// The parts of a run.
    pub fn new(run: &'a RunDir, parts: PartStore) -> Self {
        Self { run, parts }
    }

    /// A session that is watched by a command.
    pub fn session<'s>(&'s self, ctx: &'s Context) -> Session<'s> {
        Session { watch: ctx, store: self }
    }

    /// Removes the parts once the results are written.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn finish(self) -> Result<(), WriteError> {
        self.parts.finish()
    }
}

/// What could not be written.
fn failed(error: WriteError) -> Error {
    Error::Store { reason: error.to_string() }
}

impl Store for Kept<'_> {
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.parts.load_bytes(key)
    }

    fn save(&self, key: &str, len: usize, encode: Encode<'_>) -> gtv_models::Result<()> {
        self.parts.save_with(key, len, |sink| encode(sink)).map_err(failed)
    }

    fn keys(&self, prefix: &str) -> gtv_models::Result<Vec<String>> {
        self.parts.keys(prefix).map_err(failed)
    }

    fn remove(&self, key: &str) -> gtv_models::Result<()> {
        self.parts.remove(key).map_err(failed)
    }

    fn place(&self, key: &str) -> String {
        self.parts.path(key).display().to_string()
    }

    fn table(&self, name: &str, columns: &[&str], rows: &[&[f64]]) -> gtv_models::Result<()> {
        let written = write_atomic(&self.run.file(format!("{name}.csv")), |sink| {
            let mut writer = csv::Writer::from_writer(sink);
            writer.write_record(columns)?;
            for row in rows {
                writer.write_record(
                    row.iter().map(|v| if v.is_nan() { String::new() } else { v.to_string() }),
                )?;
            }
            writer.flush()
        });
        written.map_err(failed)
    }
}
