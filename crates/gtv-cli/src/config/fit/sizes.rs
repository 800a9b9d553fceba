//! How large an experiment two minutes of two cores allow.
//!
//! Seconds below are of one core of 2023: 1.2e-10 for a datum's coordinate in an exact score, 5e-11 for a multiplication in a matrix
//! product, 3e-9 for a cosine or the weight of a datum.
//!
//! **Nodes and triples.** The mean on Q nodes has the error that a training set of Q triples without label noise leaves, a variance of at
//! most P/Q of a member's, and the mean of N members one of 1/N. So with Q ≥ 1.5 N·P the nodes' error is below the members' own: where many
//! data of many coordinates leave fewer nodes, there are fewer triples, and features in proportion.

use super::{Facts, PRODUCTS, Said};

/// Seconds that each of the parts below may take: the paths of the true score, and those of all models.
const PART: f64 = 25.0;
/// Seconds of the labels' averages on the theory's nodes, which two products with the data make.
const LABELS: f64 = 45.0;
/// Most features above the plane, and fewest.
const FEATURES: [usize; 2] = [512, 64];
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
        let members = said.whole("ensemble.members", if facts.dim <= PRODUCTS { 50 } else { 20 });
        let (points, dim) = (facts.points as f64, facts.dim as f64);
        let label = 1e-10 * points * dim + 3e-9 * points;
        let most = if facts.dim <= PRODUCTS { 262_144.0 } else { 131_072.0 };
        // A node of many coordinates is large.
        let nodes = 2048 * ((LABELS / label).min(most).min(4e7 / dim) / 2048.0).max(2.0) as usize;
        let features = if products {
            on_axis.saturating_pow(facts.dim as u32).saturating_mul(in_time)
        } else {
            let affordable = (2 * nodes / (3 * members.max(1) * TRIPLES)).max(1).ilog2();
            said.whole("model.features.count", (1 << affordable).clamp(FEATURES[1], FEATURES[0]))
        };
        let samples = said.whole("model.samples", features.saturating_mul(TRIPLES));
        let steps = said.whole("sampling.steps", 30);
        let exact = 1.2e-10 * points * dim + 1e-7;
        let learned = features as f64 * if products { 2e-10 * dim } else { 3e-9 + 1e-10 * dim };
        // Two evaluations a step; theory, ensemble, and the Gaussian with its moments.
        let of_a_model = 2.0 * (steps * members) as f64 * (3.0 * learned + exact);
        let paths = (PART / of_a_model).clamp(16.0, 2000.0) as usize;
        Self { on_axis, in_time, features, samples, members, steps, paths, nodes }
    }
}
