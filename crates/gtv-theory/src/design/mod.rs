//! Features on quadrature nodes: the four sums from which every statistic of a linear model is made.
//!
//! gram(v) = Σ_q v_q φ_q φ_qᵀ, project(v) = Σ_q φ_q v_qᵀ, apply(W)_q = Wᵀφ_q, quadratic(M)_q = φ_qᵀ M φ_q.

mod blocked;
mod dense;
mod streamed;
mod sums;
mod tensor;

pub(crate) use blocked::{BLOCK, RowBlocks, blocks, sum_in_blocks};
pub(crate) use dense::DenseDesign;
use streamed::StreamedDesign;
pub(crate) use sums::Design;
use tensor::TensorDesign;

use crate::error::Result;
use crate::features::Features;
use crate::quadrature::Nodes;
use std::sync::Arc;

/// The most memory that stored features may take before they are evaluated anew for every sum.
const STORED: usize = 512 << 20;

/// Whether features of so many nodes are evaluated anew for every sum.
pub(crate) fn is_streamed(nodes: usize, features: usize) -> bool {
    nodes.saturating_mul(features).saturating_mul(8) > STORED
}

/// The design that exploits what structure there is: sum factorisation where both the features and the nodes are
/// products, dense blocks otherwise, stored where they are few.
///
/// # Errors
/// None for features that fit the nodes.
pub(crate) fn design(features: &Arc<Features>, nodes: &Arc<Nodes>) -> Result<Arc<dyn Design>> {
    match features.as_ref() {
        Features::Separable(separable) if !nodes.blocks().is_empty() => {
            Ok(Arc::new(TensorDesign::new(separable, nodes)))
        }
        _ if is_streamed(nodes.len(), features.len()) => {
            Ok(Arc::new(StreamedDesign::new(features.clone(), nodes.clone())))
        }
        _ => Ok(Arc::new(DenseDesign::new(features, nodes)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PointCloud;
    use crate::features::{AxisBasis, RandomFourier, Separable};
    use crate::quadrature::QuadratureSpec;
    use crate::rng::Streams;
    use crate::schedule::Schedule;

    fn wave(len: usize, rate: f64) -> Vec<f64> {
        (0..len).map(|i| 0.3 + (i as f64 * rate).sin()).collect()
    }

    /// Every operation by plain loops over φ(x_q, t_q).
    fn oracle(features: &Features, nodes: &Nodes, fast: &dyn Design) {
        let (q_len, f_len) = (nodes.len(), features.len());
        let mut phi = vec![0.0; q_len * f_len];
        features.fill(&nodes.x(0..q_len), &nodes.t, &mut phi);
        let phi = |q: usize, f: usize| phi[q * f_len + f];
        let close = |fast: &[f64], slow: &[f64]| {
            let scale = slow.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            for (a, b) in fast.iter().zip(slow) {
                assert!((a - b).abs() <= 1e-12 * scale, "{a} {b} at scale {scale}");
            }
            assert_eq!(fast.len(), slow.len());
        };
        let values = wave(q_len, 0.37);
        let mut gram = vec![0.0; f_len * f_len];
        for (q, value) in values.iter().enumerate() {
            for i in 0..f_len {
                for j in 0..f_len {
                    gram[i * f_len + j] += value * phi(q, i) * phi(q, j);
                }
            }
        }
        close(&fast.gram(&values), &gram);

        let pairs = wave(2 * q_len, 0.21);
        let mut projected = vec![0.0; f_len * 2];
        for q in 0..q_len {
            for i in 0..f_len {
                for k in 0..2 {
                    projected[i * 2 + k] += phi(q, i) * pairs[q * 2 + k];
                }
            }
        }
        close(&fast.project(&pairs, 2), &projected);

        let weights = wave(2 * f_len, 0.77);
        let applied: Vec<f64> = (0..q_len)
            .flat_map(|q| (0..2).map(move |k| (q, k)))
            .map(|(q, k)| (0..f_len).map(|f| phi(q, f) * weights[f * 2 + k]).sum())
            .collect();
        close(&fast.apply(&weights, 2), &applied);

        let quadratic: Vec<f64> = (0..q_len)
            .map(|q| {
                let mut sum = 0.0;
                for i in 0..f_len {
                    for j in 0..f_len {
                        sum += phi(q, i) * gram[i * f_len + j] * phi(q, j);
                    }
                }
                sum
            })
            .collect();
        close(&fast.quadratic(&gram), &quadratic);
    }

    #[test]
    fn oracle_tensor_and_dense_designs() {
        let schedule = Schedule::paper(0.05).unwrap();
        let spec = QuadratureSpec {
            times: 3,
            noise_spacing: 0.5,
            noise_range: 3.0,
            quasi_nodes: 150,
            ..Default::default()
        };
        let time = AxisBasis::Fourier { lo: 0.0, hi: 1.0, len: 3 };
        let space = AxisBasis::Gaussian { lo: -1.5, hi: 1.5, len: 4 };
        for dim in [1, 2] {
            let cloud = PointCloud::new((0..3 * dim).map(|i| (i as f64).cos()).collect(), dim).unwrap();
            let nodes = Arc::new(Nodes::new(&cloud, &schedule, &spec, Streams::new(1)).unwrap());
            let features = Arc::new(Features::Separable(Separable::uniform(dim, space, time).unwrap()));
            oracle(&features, &nodes, design(&features, &nodes).unwrap().as_ref());
            oracle(&features, &nodes, &DenseDesign::new(&features, &nodes).unwrap());
        }
        let cloud = PointCloud::new((0..12).map(|i| (i as f64).cos()).collect(), 4).unwrap();
        let spec = QuadratureSpec { quasi_nodes: BLOCK + 150, ..spec };
        let nodes = Arc::new(Nodes::new(&cloud, &schedule, &spec, Streams::new(1)).unwrap());
        let fourier = RandomFourier::new(4, 24, 1.0, 3.0, Some(schedule), Streams::new(2)).unwrap();
        let features = Arc::new(Features::RandomFourier(fourier));
        oracle(&features, &nodes, design(&features, &nodes).unwrap().as_ref());
        oracle(&features, &nodes, &StreamedDesign::new(features.clone(), nodes.clone()));
    }
}
