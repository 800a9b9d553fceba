//! How far a long computation is, for whoever called it: an iteration of a fixed point, a generation of a pool, nodes of a sum.
//!
//! ```
//! use gtv_theory::progress::{self, Step};
//! # use std::cell::RefCell;
//! # use gtv_theory::{Closure, closure::FiniteP};
#![doc = include_str!("../doc/ridge.rs")]
//! let said = RefCell::new(Vec::new());
//! progress::listening(&|step: &Step| said.borrow_mut().push(step.to_string()), || FiniteP.law(&ridge))?;
//! assert!(said.borrow()[0].starts_with("the finite-p leverage"));
//! # Ok::<(), gtv_theory::Error>(())
//! ```

use std::fmt;

/// A step of a long computation.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// An iteration towards something that settles.
    Iteration {
        /// What settles.
        name: &'static str,
        /// Iterations done.
        done: usize,
        /// Relative change in the last one.
        change: f64,
        /// Change at which it has settled.
        tolerance: f64,
    },
    /// A share of a sum over quadrature nodes.
    Nodes {
        /// Nodes that are summed.
        done: usize,
        /// All of them.
        total: usize,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iteration { name, done, change, tolerance } => {
                write!(f, "{name}, iteration {done}: change {change:.0e}, settled at {tolerance:.0e}")
            }
            Self::Nodes { done, total } => write!(f, "{done} of {total} nodes"),
        }
    }
}

scoped_tls_hkt::scoped_thread_local!(static LISTENER: for<'a> &'a dyn Fn(&Step));

/// Calls `work` with a listener for the steps of what it computes on this thread.
pub fn listening<R>(listener: &dyn Fn(&Step), work: impl FnOnce() -> R) -> R {
    LISTENER.set(listener, work)
}

/// Tells the listener of this thread, if there is one.
pub(crate) fn report(step: Step) {
    if LISTENER.is_set() {
        LISTENER.with(|listener| listener(&step));
    }
}
