//! Integrators of the reverse process.
