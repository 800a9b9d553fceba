//! Progress bars on stderr, drawn only on a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The place where bars are drawn; silent off a terminal and under `--quiet`.
#[derive(Debug, Clone)]
pub struct Bars {
    multi: MultiProgress,
    /// When the work of all bars began, and how long it is expected to take.
    whole: Arc<OnceLock<(Instant, Duration)>>,
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
        Self { multi: MultiProgress::with_draw_target(target), whole: Arc::default() }
    }

    /// Whether anything is drawn.
    pub fn are_drawn(&self) -> bool {
        !self.multi.is_hidden()
    }

    /// Says how long everything is expected to take from now on, in seconds; the first time counts.
    pub fn expect(&self, seconds: f64) {
        if let Ok(all) = Duration::try_from_secs_f64(seconds) {
            self.whole.get_or_init(|| (Instant::now(), all));
        }
    }

    /// Starts a bar of `units` units of work.
    pub fn start(&self, label: &str, units: u64) -> Progress {
        let whole = Arc::clone(&self.whole);
        let left = move |state: &ProgressState, out: &mut dyn Write| {
            let left = left(state.pos(), state.len().unwrap_or(0), state.elapsed());
            let _ = left.map_or(Ok(()), |left| write!(out, "(eta {})", Spell(left)));
            let rest = whole.get().and_then(|(began, all)| all.checked_sub(began.elapsed()));
            let _ = rest.map_or(Ok(()), |rest| write!(out, " (to the end about {})", Spell(rest)));
        };
        let style =
            ProgressStyle::with_template("{prefix:>18} [{bar:32}] {pos}/{len} {elapsed} {left} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .with_key("left", left)
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

/// Time that the rest of the units takes at the rate so far; none before the first is done, when there is no rate.
fn left(done: u64, units: u64, elapsed: Duration) -> Option<Duration> {
    if done == 0 || done > units {
        return None;
    }
    let seconds = elapsed.as_secs_f64() * (units - done) as f64 / done as f64;
    Duration::try_from_secs_f64(seconds).ok()
}

/// A time for people: two units at most, `3h 20m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spell(
    /// The time.
    pub Duration,
);

impl std::fmt::Display for Spell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const DAY: u64 = 86_400;
        let s = self.0.as_secs();
        match s {
            0..60 => write!(f, "{s}s"),
            60..3600 => write!(f, "{}m {}s", s / 60, s % 60),
            3600..DAY => write!(f, "{}h {}m", s / 3600, s % 3600 / 60),
            DAY.. => write!(f, "{}d {}h", s / DAY, s % DAY / 3600),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rate_is_shown_when_there_is_one() {
        let minute = Duration::from_secs(60);
        assert_eq!(left(0, 4, 5 * minute), None, "nothing is done after five minutes");
        assert_eq!(left(1, 4, minute), Some(3 * minute));
        assert_eq!(left(4, 4, minute), Some(Duration::ZERO));
        assert_eq!(left(0, 0, minute), None);
        assert_eq!(left(5, 4, minute), None, "more done than there is to do");
        for (seconds, text) in [(7, "7s"), (61, "1m 1s"), (7260, "2h 1m"), (90_000, "1d 1h")] {
            assert_eq!(Spell(Duration::from_secs(seconds)).to_string(), text);
        }
    }

    proptest! {
        /// Units done at an even rate: what is left is what was used, times the share left over the share done.
        #[test]
        fn identities_the_rest_takes_its_share(done in 1u64..1000, more in 0u64..1000, ms in 0u64..1_000_000) {
            let elapsed = Duration::from_millis(ms);
            let rest = left(done, done + more, elapsed).unwrap().as_secs_f64();
            let all = elapsed.as_secs_f64() * (done + more) as f64 / done as f64;
            // Durations are whole nanoseconds.
            prop_assert!((rest + elapsed.as_secs_f64() - all).abs() <= 1e-9 + 1e-12 * all);
        }
    }
}
