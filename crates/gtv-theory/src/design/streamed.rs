//! The feature matrix evaluated anew for every sum, a block at a time: it takes the memory of a block.

use super::blocked::{BLOCK, RowBlocks};
use crate::features::Features;
use crate::quadrature::Nodes;
use std::sync::Arc;

/// Features on nodes, evaluated where they are needed.
pub(super) struct StreamedDesign {
    features: Arc<Features>,
    nodes: Arc<Nodes>,
}

impl StreamedDesign {
    pub(super) fn new(features: Arc<Features>, nodes: Arc<Nodes>) -> Self {
        Self { features, nodes }
    }
}

impl RowBlocks for StreamedDesign {
    fn row_count(&self) -> usize {
        self.nodes.len()
    }

    fn row_len(&self) -> usize {
        self.features.len()
    }

    fn with_block<R>(&self, block: usize, work: impl FnOnce(&[f64]) -> R) -> R {
        let first = block * BLOCK;
        let t = &self.nodes.t[first..self.nodes.len().min(first + BLOCK)];
        let x = &self.nodes.x(first..first + t.len());
        let mut rows = vec![0.0; t.len() * self.features.len()];
        self.features.fill(x, t, &mut rows);
        work(&rows)
    }
}
