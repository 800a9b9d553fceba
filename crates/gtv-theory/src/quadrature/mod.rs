//! Integrals over the training distribution of (x, t).
