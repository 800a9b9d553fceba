//! About how long a study takes, counted before anything is tried.

use crate::maps;
use crate::origin::Origin;
use crate::paths;
use crate::probes::PROBES;
use crate::study::Study;
use gtv_models::family::Effort;
use gtv_models::mlp::KernelName;
use gtv_theory::learner::triples_of_laws;
use std::collections::BTreeSet;

/// About how long the stages of a study take, in seconds of one core.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StudyEffort {
    /// Training all members.
    pub training: f64,
    /// Solving the closures.
    pub theory: f64,
    /// What networks, and single runs of them, are asked at probes, on maps and along paths.
    pub kernel: f64,
    /// The paths of all levels.
    pub sampling: f64,
    /// One path at the state itself, without a table.
    path: f64,
}

impl StudyEffort {
    /// So many paths.
    pub fn paths(&self, count: usize) -> f64 {
        count as f64 * self.path
    }
}

impl Study {
    /// How long the family's work takes for the initialisations of this ensemble.
    pub(crate) fn family_effort(&self) -> Effort {
        self.family.effort(self.members.iter().map(|member| member.init).collect::<BTreeSet<_>>().len())
    }

    /// About how long it takes; the family's numbers times how many of each there are.
    pub fn effort(&self) -> StudyEffort {
        let effort = self.family_effort();
        let cloud = self.problem().cloud();
        let nodes = self.theory.nodes(cloud).unwrap_or(0) as f64;
        let anchors =
            if self.theory.kernel == KernelName::Trained { self.theory.anchors as f64 } else { 0.0 };
        let members = self.members.len() as f64;
        /// Evaluations for one of a model that is drawn about a trained network: along a direction, a network costs three.
        const CHANGED: f64 = 3.0;
        let evaluations = if anchors > 0.0 { CHANGED } else { 1.0 };
        // Tables ask for the mean of the anchors, each changed, once for all models; paths ask at every step.
        let on_paths = evaluations + anchors * (1.0 + CHANGED);
        let models = (self.theory.models * (self.theory.closures.len() + 1)) as f64;
        let (steps, dim) = (self.sampling.integration.steps as f64, cloud.dim() as f64);
        let (trained, drawn) = (members * self.sampling.paths as f64, models * self.theory.paths as f64);
        let path =
            steps * self.sampling.integration.integrator.tableau().nodes.len() as f64 * effort.evaluation;
        let sampling = match self.sampling.lookup.grid() {
            None => (trained + on_paths * drawn) * path,
            Some(grid) => {
                /// Seconds of a step from a table.
                const STEP: f64 = 1e-8;
                let nodes = (grid.len as f64).powf(dim);
                let tables = (evaluations * models + members) * nodes;
                steps * (tables * effort.evaluation + (trained + drawn) * STEP)
            }
        };
        let training = match self.origin {
            Origin::Trained => members * effort.member,
            Origin::Outside(_) => 0.0,
        };
        /// Seconds of one coordinate of a datum in an exact score, of which every node and path of the true score asks one or more.
        const DATUM: f64 = 1.2e-10;
        let exact = DATUM * cloud.len() as f64 * dim;
        // Laws in many dimensions are made and drawn from fresh triples besides.
        let (node, triples) = if nodes == 0.0 || self.theory.quadrature.is_tensor(cloud) {
            (effort.product_node, 0.0)
        } else {
            (effort.node, triples_of_laws(cloud.dim(), self.problem().draws()) as f64)
        };
        /// Times that a closure asks for the features of a point.
        const PASSES: f64 = 3.0;
        let laws = self.theory.laws().len() as f64;
        let points = nodes + triples;
        let featured = self.theory.models as f64 * laws * triples * effort.features;
        let asked = (PROBES + maps::points(self).1.len() + paths::MOST_POINTS) as f64;
        StudyEffort {
            training,
            kernel: asked * (members * effort.evaluation + anchors * effort.along),
            theory: (0.5 + laws) * points * (PASSES * effort.features + node)
                + 1.5 * nodes * exact
                + anchors * effort.anchor,
            sampling: sampling + featured + trained * steps * exact,
            path,
        }
    }
}
