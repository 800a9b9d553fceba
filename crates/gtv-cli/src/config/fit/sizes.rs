//! How large an experiment two minutes of two cores allow.
//!
//! Seconds below are of one core of 2023: 1.2e-10 for a datum's coordinate in an exact score, 5e-11 for a multiplication in a matrix
//! product, 3e-9 for a cosine.

use super::{Facts, PRODUCTS, Said};

/// Seconds that each of the parts below may take: exact scores on the theory's nodes, those of the paths of the true score, and
/// the paths of all models.
const PART: f64 = 25.0;
/// Most features of a product on all coordinates.
const MOST_PRODUCTS: f64 = 512.0;
/// Training triples for each feature: F/P = 1/8, where first order in 1/P is accurate.
const TRIPLES: usize = 8;

/// The numbers of an experiment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    /// Functions of each coordinate, for products.
    pub on_axis: usize,
    /// Functions of time, for products.
    pub in_time: usize,
    /// F.
    pub features: usize,
    /// P.
    pub samples: usize,
    /// N.
    pub members: usize,
    /// Steps of a path.
    pub steps: usize,
    /// Paths of each model.
    pub paths: usize,
    /// Nodes of the quasi-random quadrature.
    pub nodes: usize,
}

impl Sizes {
    /// For a data set; what a config says of features, triples, members and steps counts.
    pub fn of(facts: &Facts, said: &Said<'_>) -> Self {
        let products = facts.dim <= PRODUCTS && !said.is("model.features.kind", "random-fourier");
        let (on_axis, in_time) = match facts.dim {
            1 => (16, 16),
            2 => (8, 8),
            dim => (((MOST_PRODUCTS / 4.0).powf(1.0 / dim as f64) as usize).max(2), 4),
        };
        let on_axis = said.whole("model.features.x", on_axis);
        let in_time = said.whole("model.features.t", in_time);
        let features = if products {
            on_axis.saturating_pow(facts.dim as u32).saturating_mul(in_time)
        } else {
            said.whole("model.features.count", if facts.dim <= 32 { 512 } else { 1024 })
        };
        let samples = said.whole("model.samples", features.saturating_mul(TRIPLES));
        let members = said.whole("ensemble.members", if facts.dim <= PRODUCTS { 50 } else { 20 });
        let steps = said.whole("sampling.steps", 30);
        let (points, dim) = (facts.points as f64, facts.dim as f64);
        let exact = 1.2e-10 * points * dim + 1e-7;
        let learned = features as f64 * if products { 2e-10 * dim } else { 3e-9 + 1e-10 * dim };
        // Two evaluations a step; theory, ensemble, and the Gaussian with its moments.
        let of_a_model = 2.0 * (steps * members) as f64 * (3.0 * learned + exact);
        let paths = (PART / of_a_model).clamp(16.0, 2000.0) as usize;
        let most = if facts.dim <= PRODUCTS { 262_144.0 } else { 65_536.0 };
        // Half as many again tell the quadrature's error; a node of many coordinates is large.
        let nodes = (PART / (1.5 * exact)).min(most).min(4e7 / dim);
        let nodes = 2048 * (nodes / 2048.0).max(2.0) as usize;
        Self { on_axis, in_time, features, samples, members, steps, paths, nodes }
    }
}
