//! Claims about the integrators, tested on problems with known answers.

mod flow;
mod problems;
mod reverse;
mod steps;
