//! Gradient flow in the linear theory of a task: the modes of any feature map over the task's training distribution.

use super::features::linear_spec;
use crate::error::Result;
use crate::mlp::Task;
use gtv_theory::estimator::FlowSpectrum;
use gtv_theory::features::FeatureMap;
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::Streams;
use std::sync::Arc;

/// The modes of `features` over the task's training distribution, with the shares of the task's target in them.
///
/// # Errors
/// A quadrature that is too large; features that are not finite.
pub fn flow_spectrum(
    task: &Task,
    features: Arc<dyn FeatureMap>,
    quadrature: &QuadratureSpec,
    streams: Streams,
) -> Result<FlowSpectrum> {
    let (spec, cloud) = (linear_spec(task, features, 0.0), task.sampler().cloud());
    Ok(FlowSpectrum::new(&spec, task.schedule(), cloud, quadrature, streams)?)
}
