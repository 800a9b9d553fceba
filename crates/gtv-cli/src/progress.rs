//! Progress bars on stderr, drawn only on a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// The place where bars are drawn; silent off a terminal and under `--quiet`.
#[derive(Debug, Clone)]
pub struct Bars {
    multi: MultiProgress,
}

/// One bar; cleared when dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Bars {
    /// Bars on stderr, or none at all when `quiet`.
    pub fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { multi: MultiProgress::with_draw_target(target) }
    }

    /// Starts a bar of `units` units of work.
    pub fn start(&self, label: &str, units: u64) -> Progress {
        let style =
            ProgressStyle::with_template("{prefix:>18} [{bar:32}] {pos}/{len} {elapsed} (eta {eta}) {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
        let bar = self.multi.add(ProgressBar::new(units)).with_style(style).with_prefix(label.to_owned());
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Progress { bar }
    }

    /// Prints to stderr with the bars out of the way.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.multi.suspend(print)
    }
}

impl Progress {
    /// Reports units of work as done; callable from any thread.
    pub fn advance(&self, units: u64) {
        self.bar.inc(units);
    }

    /// Shows live numbers beside the bar, made only where it is drawn.
    pub fn message(&self, text: &dyn Fn() -> String) {
        if !self.bar.is_hidden() {
            self.bar.set_message(text());
        }
    }

    /// Reports `done` of `total` units, for work that knows its size by itself.
    pub fn of(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
