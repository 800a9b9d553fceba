//! Gradient flow's training problem on quadrature nodes: Mercer's modes e_i on the nodes of ρ, with weights and labels there.

use super::spectrum::{self, FlowSpectrum};
use crate::data::PointCloud;
use crate::error::Result;
use crate::estimator::linear::dense::DenseDesign;
use crate::estimator::linear::statistics::nodes;
use crate::estimator::{LinearSpec, LinearStatistics};
use crate::features::{FeatureMap, Features};
use crate::quadrature::QuadratureSpec;
use crate::rng::Streams;
use crate::schedule::Schedule;
use std::ops::Range;
use std::sync::Arc;

/// What every closure of gradient flow starts from; queried at any time by [`LazyStatistics::law`].
#[derive(Clone)]
pub struct LazyStatistics {
    pub(super) spectrum: Arc<FlowSpectrum>,
    /// e_i on the nodes, Q × K.
    pub(super) modes: Arc<DenseDesign>,
    /// The same problem with the features e_i.
    pub(super) on_modes: LinearStatistics,
}

impl LazyStatistics {
    /// Evaluates the features of `spec` on the nodes of ρ and finds their modes. The spec's ridge must be 0.
    ///
    /// # Errors
    /// Settings out of range; a model and data of different dimensions; more memory than is sensible; features that are not
    /// finite.
    pub fn new(
        spec: &LinearSpec,
        schedule: &Schedule,
        cloud: &PointCloud,
        quadrature: &QuadratureSpec,
        streams: Streams,
    ) -> Result<Self> {
        spectrum::check_ridge(spec)?;
        let nodes = nodes(spec, schedule, cloud, quadrature, streams)?;
        let phi = DenseDesign::new(&spec.features, &nodes)?;
        let rows = |range: Range<usize>, out: &mut [f64]| out.copy_from_slice(phi.rows(range));
        let spectrum = FlowSpectrum::from_rows(spec, schedule, cloud, &nodes, &rows)?;
        let modes = Arc::new(phi.rotated(spectrum.rotation()));
        let map = spectrum.scaled_modes(spectrum.values().len(), |_| 1.0);
        let on_modes = LinearSpec { features: Features::Mapped(map), ..spec.clone() };
        let on_modes = LinearStatistics::on_nodes(&on_modes, schedule, cloud, Arc::new(nodes), modes.clone());
        Ok(Self { spectrum: Arc::new(spectrum), modes, on_modes })
    }

    /// The modes.
    pub fn spectrum(&self) -> &FlowSpectrum {
        &self.spectrum
    }

    /// The same problem with another way to the leading modes ([`FlowSpectrum::with_modes`]).
    ///
    /// # Errors
    /// As there.
    pub fn with_modes(&self, leading: Arc<dyn FeatureMap>) -> Result<Self> {
        let spectrum = Arc::new(FlowSpectrum::clone(&self.spectrum).with_modes(leading)?);
        Ok(Self { spectrum, ..self.clone() })
    }

    /// Q, the number of quadrature nodes.
    pub fn nodes(&self) -> usize {
        self.on_modes.nodes()
    }

    /// D.
    pub fn dim(&self) -> usize {
        self.on_modes.dim()
    }

    /// The same training problem with another η, the mix of the noisy target with its conditional mean: 1 removes the label
    /// noise (J0).
    ///
    /// # Errors
    /// [`crate::Error::OutOfRange`] for η outside [0, 1].
    pub fn with_target_mix(&self, target_mix: f64) -> Result<Self> {
        Ok(Self { on_modes: self.on_modes.with_target_mix(target_mix)?, ..self.clone() })
    }

    /// The same training problem with another number of triples P.
    ///
    /// # Errors
    /// [`crate::Error::OutOfRange`] for none, or a number that the draws do not divide.
    pub fn with_samples(&self, samples: usize) -> Result<Self> {
        let mut on_modes = self.on_modes.clone();
        on_modes.spec.samples = samples;
        on_modes.spec.validate()?;
        Ok(Self { on_modes, ..self.clone() })
    }

    /// Ridge regression that stands for gradient flow for a time ([`FlowSpectrum::features`]), from which the closures
    /// `finite-p` and `shot-noise` are made.
    ///
    /// # Errors
    /// As [`FlowSpectrum::features`].
    pub fn stand_in(&self, time: f64) -> Result<LinearStatistics> {
        let features = self.spectrum.features(time)?;
        let scale: Vec<f64> = self.spectrum.values()[..self.spectrum.in_stand_in(time)]
            .iter()
            .map(|v| spectrum::stand_in_scale(*v, time))
            .collect();
        let spec =
            LinearSpec { features: Features::Mapped(features), ridge: 1.0, ..self.on_modes.spec.clone() };
        let design = Arc::new(self.modes.leading_columns(&scale));
        let of = &self.on_modes;
        Ok(LinearStatistics::on_nodes(&spec, &of.schedule, &of.cloud, of.nodes.clone(), design))
    }
}
