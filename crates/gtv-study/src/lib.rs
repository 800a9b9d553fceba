//! A comparison of theory and trained ensembles as a library: the levels from the data to the ensemble, the learned score's moments at
//! probe points, where its variance comes from, distances with intervals and floors, and the record of it all.
//!
//! A [`Study`] knows a [`Family`](gtv_models::Family) of models, a [`Closure`](gtv_theory::Closure) and a
//! [`Law`](gtv_theory::Law) only by their traits. It has no arguments, no terminal and no files of its own: progress, interrupts and
//! kept work come in through one [`Session`].
//!
//! [`paper_figures`] are the paper's own figures as computations.

mod bands;
mod effort;
mod error;
mod forecast;
mod history;
pub mod levels;
mod likelihood;
mod maps;
mod one_run;
mod origin;
pub mod paper_figures;
mod paths;
mod pictures;
mod probes;
mod quadrature_check;
pub mod record;
mod sources;
pub mod spec;
mod spread;
mod study;
mod theory;
mod warning;

pub use effort::StudyEffort;
pub use error::{Error, Result};
pub use forecast::Stage as Forecast;
pub use gtv_models::watch::{Session, Stage, Store, Unwatched, Watch};
pub use origin::Origin;
pub use probes::{Places, Probes};
pub use record::{Arrays, Record};
pub use spread::between_models;
pub use study::{Growth, Outcome, Study};
pub use theory::Theory;
pub use warning::Warning;
