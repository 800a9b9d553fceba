//! Statistics of a learned score over training randomness.
