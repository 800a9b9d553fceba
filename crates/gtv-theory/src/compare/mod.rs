//! Distances between distributions, and what they are compared on.
