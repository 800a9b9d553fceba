//! The four sums over nodes from which every statistic of a linear model is made.

/// Features evaluated (or evaluable) on a set of nodes.
pub(crate) trait Design: Send + Sync {
    /// Σ_q v_q φ_q φ_qᵀ, F × F symmetric. `values`: Q.
    fn gram(&self, values: &[f64]) -> Vec<f64>;

    /// Σ_q φ_q v_qᵀ, F × K. `values`: Q × K.
    fn project(&self, values: &[f64], outputs: usize) -> Vec<f64>;

    /// Wᵀφ_q, Q × K. `weights`: F × K.
    fn apply(&self, weights: &[f64], outputs: usize) -> Vec<f64>;

    /// φ_qᵀ M φ_q, Q. `matrix`: F × F.
    fn quadratic(&self, matrix: &[f64]) -> Vec<f64>;

    /// [`gram`](Self::gram) by products in single precision where that is faster, summed in double.
    fn rough_gram(&self, values: &[f64]) -> Vec<f64> {
        self.gram(values)
    }

    /// |Wᵀφ_q|², Q, by products in single precision where that is faster. `weights`: F × K.
    fn rough_squares(&self, weights: &[f64], outputs: usize) -> Vec<f64> {
        let images = self.apply(weights, outputs);
        images.chunks_exact(outputs).map(|image| image.iter().map(|v| v * v).sum()).collect()
    }

    /// [`quadratic`](Self::quadratic) by products in single precision where that is faster.
    fn rough_quadratic(&self, matrix: &[f64]) -> Vec<f64> {
        self.quadratic(matrix)
    }
}
