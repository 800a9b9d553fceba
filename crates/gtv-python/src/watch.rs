//! Long work beside Python's thread: the work runs on a thread of its own without the interpreter's lock, while the thread that
//! called hears Ctrl-C and moves progress bars.

use gtv_study::{Stage, Watch};
use pyo3::exceptions::{PyRuntimeError, PyUserWarning};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two looks at signals and progress.
const LOOK: Duration = Duration::from_millis(50);

/// What happened since the last look.
enum Event {
    Begin { stage: usize, label: String, units: u64 },
    Advance { stage: usize, units: u64 },
    End { stage: usize },
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    stages: usize,
    warnings: Vec<String>,
    finished: bool,
}

/// Who looks on from Python.
#[derive(Default)]
pub struct Watcher {
    state: Mutex<State>,
    changed: Condvar,
    stopped: AtomicBool,
}

impl Watcher {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the work to stop at its next safe point.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// The warnings so far, in order.
    pub fn said(&self) -> Vec<String> {
        self.state().warnings.clone()
    }

    /// Waits until the work is done, or for a while; whether it is done.
    fn wait(&self) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state(), LOOK, |state| !state.finished)
            .unwrap_or_else(PoisonError::into_inner);
        state.finished
    }
}

impl Watch for Watcher {
    fn stage(&self, label: &str, units: u64) -> Box<dyn Stage + '_> {
        let mut state = self.state();
        let stage = state.stages;
        state.stages += 1;
        state.events.push(Event::Begin { stage, label: label.to_owned(), units });
        Box::new(Seen { watcher: self, stage })
    }

    fn interrupted(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn note(&self, _text: &str) {}

    fn warn(&self, warning: &dyn Display) {
        self.state().warnings.push(warning.to_string());
    }

    fn memory_limit(&self) -> Option<u64> {
        gtv_cli::memory::Budget::new(None).limit()
    }
}

/// A stage as Python's thread will hear of it.
struct Seen<'a> {
    watcher: &'a Watcher,
    stage: usize,
}

impl Stage for Seen<'_> {
    fn advance(&self, units: u64) {
        let mut state = self.watcher.state();
        // Many small steps between two looks are one.
        match state.events.last_mut() {
            Some(Event::Advance { stage, units: before }) if *stage == self.stage => *before += units,
            _ => state.events.push(Event::Advance { stage: self.stage, units }),
        }
    }

    fn message(&self, _text: &dyn Fn() -> String) {}
}

impl Drop for Seen<'_> {
    fn drop(&mut self) {
        self.watcher.state().events.push(Event::End { stage: self.stage });
    }
}

/// Progress bars in the manner of tqdm: `progress(total=, desc=)` opens one, which has `update(n)` and `close()`.
struct Bars<'py> {
    open: Option<Bound<'py, PyAny>>,
    bars: BTreeMap<usize, Bound<'py, PyAny>>,
}

impl<'py> Bars<'py> {
    fn show(&mut self, py: Python<'py>, events: Vec<Event>) -> PyResult<()> {
        let Some(open) = &self.open else { return Ok(()) };
        for event in events {
            match event {
                Event::Begin { stage, label, units } => {
                    let named: Bound<'py, PyDict> = [("total", units)].into_py_dict(py)?;
                    named.set_item("desc", label)?;
                    self.bars.insert(stage, open.call((), Some(&named))?);
                }
                Event::Advance { stage, units } => {
                    if let Some(bar) = self.bars.get(&stage) {
                        bar.call_method1("update", (units,))?;
                    }
                }
                Event::End { stage } => {
                    if let Some(bar) = self.bars.remove(&stage) {
                        bar.call_method0("close")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// What the work made, and what it warned of.
pub struct Watched<T> {
    /// The result.
    pub result: T,
    /// Warnings, in order.
    pub warnings: Vec<String>,
}

impl<T> Watched<T> {
    /// The result, with each warning as a `UserWarning`.
    ///
    /// # Errors
    /// A warning that the user's filters turn into an exception.
    pub fn warned(self, py: Python<'_>) -> PyResult<T> {
        let category = py.get_type::<PyUserWarning>();
        for text in self.warnings {
            PyErr::warn(py, &category, &CString::new(text).unwrap_or_default(), 2)?;
        }
        Ok(self.result)
    }
}

/// Runs `work` on a thread of its own until it ends; it must look at [`Watch::interrupted`] between its steps.
///
/// # Errors
/// KeyboardInterrupt after Ctrl-C, whatever `progress` raises, and a fault of this package.
pub fn watched<'py, T: Send>(
    py: Python<'py>,
    progress: Option<Bound<'py, PyAny>>,
    work: impl FnOnce(&Arc<Watcher>) -> T + Send,
) -> PyResult<Watched<T>> {
    let watcher = Arc::new(Watcher::default());
    let mut bars = Bars { open: progress, bars: BTreeMap::new() };
    let mut raised = None;
    let outcome = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let outcome = catch_unwind(AssertUnwindSafe(|| work(&watcher)));
            watcher.state().finished = true;
            watcher.changed.notify_all();
            outcome
        });
        loop {
            let finished = py.detach(|| watcher.wait());
            let events = std::mem::take(&mut watcher.state().events);
            if let Err(error) = bars.show(py, events).and_then(|()| py.check_signals()) {
                watcher.stop();
                raised.get_or_insert(error);
            }
            if finished {
                break;
            }
        }
        thread.join()
    });
    if let Some(error) = raised {
        return Err(error);
    }
    match outcome {
        Ok(Ok(result)) => Ok(Watched { result, warnings: std::mem::take(&mut watcher.state().warnings) }),
        Ok(Err(_)) | Err(_) => Err(PyRuntimeError::new_err(
            "this is a fault in gtv, not in your input; please report it with the call that caused it",
        )),
    }
}
