//! The feature matrix evaluated anew for every sum, a block at a time: it takes the memory of a block.

use super::blocked::{BLOCK, RowBlocks};
use crate::features::Features;
use crate::quadrature::Nodes;
use std::ops::Range;
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

    /// The nodes of a block.
    fn range(&self, block: usize) -> Range<usize> {
        let first = block * BLOCK;
        first..self.nodes.len().min(first + BLOCK)
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
        let range = self.range(block);
        let mut rows = vec![0.0; range.len() * self.features.len()];
        self.features.fill(&self.nodes.x(range.clone()), &self.nodes.t[range], &mut rows);
        work(&rows)
    }

    fn with_rough_block<R>(&self, block: usize, work: impl FnOnce(&[f32]) -> R) -> R {
        let range = self.range(block);
        let mut rows = vec![0.0; range.len() * self.features.len()];
        self.features.fill_rough(&self.nodes.x(range.clone()), &self.nodes.t[range], &mut rows);
        work(&rows)
    }
}
