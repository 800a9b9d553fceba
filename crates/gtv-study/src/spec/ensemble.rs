//! How many models, and what differs between them.

use gtv_models::Member;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What differs between the members of an ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Vary {
    /// The draw of training triples, and of all else that training draws.
    Data,
    /// The initialisation (networks; a linear model has none).
    Init,
}

/// `[ensemble]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EnsembleSpec {
    /// N, number of models.
    #[schemars(range(min = 1), extend("when" = {"kind": ["trained"]}))]
    pub members: usize,
    /// What differs between them.
    #[schemars(length(min = 1), extend("when" = {"kind": ["trained"]}))]
    pub vary: Vec<Vary>,
    /// B initialisations crossed with N/B draws of data, each pair once; without it every member has its own of both.
    #[schemars(range(min = 1), extend("when" = {"model.kind": ["lazy", "mlp"]}))]
    pub initialisations: Option<usize>,
    /// Trains every member again on the true score (and on the same data points noised anew, where triples share them), to
    /// measure where the variance between members comes from.
    #[schemars(extend("when" = {"kind": ["trained"]}))]
    pub sources: bool,
}

impl Default for EnsembleSpec {
    fn default() -> Self {
        Self { members: 100, vary: vec![Vary::Data, Vary::Init], initialisations: None, sources: false }
    }
}

impl EnsembleSpec {
    /// Whether members differ in this.
    pub fn varies(&self, what: Vary) -> bool {
        self.vary.contains(&what)
    }

    /// The draws of every member of an ensemble of networks.
    pub fn draws(&self) -> Vec<Member> {
        let of = |index: u64| {
            let (data, init) = match self.initialisations {
                Some(b) => (index / b as u64, index % b as u64),
                None => (index, index),
            };
            let own = |what, draw| if self.varies(what) { draw } else { 0 };
            Member { index, data: own(Vary::Data, data), init: own(Vary::Init, init) }
        };
        (0..self.members as u64).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(vary: &[Vary], initialisations: Option<usize>) -> Vec<(u64, u64)> {
        let config = EnsembleSpec { members: 6, vary: vary.to_vec(), initialisations, sources: false };
        config.draws().iter().map(|m| (m.data, m.init)).collect()
    }

    #[test]
    fn identities_designs_of_an_ensemble() {
        let both = [Vary::Data, Vary::Init];
        assert_eq!(pairs(&both, None), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        assert_eq!(pairs(&both, Some(2)), [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]);
        assert_eq!(pairs(&[Vary::Data], None)[4], (4, 0));
        assert_eq!(pairs(&[Vary::Init], None)[4], (0, 4));
    }
}
