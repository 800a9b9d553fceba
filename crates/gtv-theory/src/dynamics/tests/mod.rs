//! Claims about the integrators, tested on problems with known answers.

mod flow;
mod fokker_planck;
mod ito;
mod problems;
mod reverse;
mod small_noise;
mod steps;
mod white_noise;
