//! What a report shows of each level's samples: densities, projections, images.

use crate::error::Result;
use crate::levels::Sampled;
use crate::record::Arrays;
use crate::study::Study;
use crate::warning::Warning;
use gtv_models::watch::Session;
use gtv_theory::compare::{Axis, Histogram, Normalisation, between_model_bands, nearest_two};

/// Share of samples outside the histogram's range from which on the user is told.
const NOTABLE_OUTSIDE: f64 = 0.05;
/// Samples shown as images for each level.
const IMAGES: usize = 16;
/// Principal axes that samples are shown on, above two dimensions, and how many samples.
const PROJECTED: usize = 3;
const SHOWN: usize = 4_000;
/// Data sets up to this size are kept among the arrays.
const FEW_DATA: usize = 256;

impl Study {
    /// Histogram densities with their spread between models, in one and two dimensions.
    pub(crate) fn densities(
        &self,
        levels: &[Sampled],
        arrays: &mut Arrays,
        session: Session<'_>,
    ) -> Result<()> {
        let cloud = self.problem().cloud();
        let Some(axes) = self.compare.grid(cloud.dim())? else { return Ok(()) };
        let shape: Vec<usize> = axes.iter().map(Axis::len).collect();
        let cells = shape.iter().product();
        for (axis, key) in axes.iter().zip(["x_edges", "y_edges"]) {
            arrays.insert(key, axis.edges());
        }
        for level in levels.iter().filter(|l| l.samples.level().has_density()) {
            let count = level.samples.groups().len();
            let mut members = Vec::with_capacity(count * cells);
            let mut inside = 0.0;
            for group in level.samples.groups() {
                let histogram = Histogram::count(&axes, group)?;
                inside += histogram.inside_share();
                members.extend(histogram.density(Normalisation::All));
            }
            let (outside, label) = (1.0 - inside / count as f64, name(level));
            if outside > NOTABLE_OUTSIDE {
                let (level, share) = (label.clone(), 100.0 * outside);
                session.watch.warn(&Warning::OutsideRange { level, share });
            }
            let bands = between_model_bands(&members, cells)?;
            arrays.insert_shaped(format!("{label}_density"), &shape, bands.mean)?;
            if count > 1 {
                arrays.insert_shaped(format!("{label}_q25"), &shape, bands.q25)?;
                arrays.insert_shaped(format!("{label}_q75"), &shape, bands.q75)?;
            }
        }
        if cloud.len() <= FEW_DATA {
            arrays.insert_shaped("data", &[cloud.len(), cloud.dim()], cloud.points().to_vec())?;
        }
        Ok(())
    }

    /// Some samples of each level and the data on the data's first principal axes, above two dimensions.
    pub(crate) fn projections(&self, levels: &[Sampled], arrays: &mut Arrays) -> Result<()> {
        let (cloud, dim) = (self.problem().cloud(), self.problem().dim());
        if dim <= 2 {
            return Ok(());
        }
        let (axes, mean) = (cloud.principal_axes(PROJECTED), cloud.mean());
        let count = axes.len() / dim;
        let onto_axes = |x: &[f64]| -> Vec<f64> {
            let along = |axis: &[f64]| axis.iter().zip(x).zip(&mean).map(|((a, x), m)| a * (x - m)).sum();
            axes.chunks_exact(dim).map(along).collect()
        };
        let mut keep = |name: String, points: Vec<f64>| {
            arrays.insert_shaped(name, &[points.len() / count, count], points)
        };
        for level in levels.iter().filter(|l| l.samples.level().has_density()) {
            let groups = level.samples.groups();
            let each = SHOWN.div_ceil(groups.len());
            let picked = groups.iter().flat_map(|g| g.chunks_exact(dim).take(each)).take(SHOWN);
            keep(format!("projected_{}", name(level)), picked.flat_map(onto_axes).collect())?;
        }
        let step = cloud.len().div_ceil(SHOWN);
        let points = (0..cloud.len()).step_by(step).flat_map(|m| onto_axes(cloud.point(m)));
        keep("projected_points".to_owned(), points.collect())?;
        arrays.insert_shaped("principal_axes", &[count, dim], axes)
    }

    /// Some samples of each level with their nearest data, where a datum is an image.
    pub(crate) fn images(&self, levels: &[Sampled], arrays: &mut Arrays) -> Result<()> {
        if self.compare.image.is_none() {
            return Ok(());
        }
        let (cloud, dim) = (self.problem().cloud(), self.problem().dim());
        for level in levels.iter().filter(|l| l.samples.level().has_density()) {
            let groups = level.samples.groups();
            // One image from each of as many models as there are.
            let picked: Vec<f64> = (0..IMAGES)
                .filter_map(|i| groups[i % groups.len()].chunks_exact(dim).nth(i / groups.len()))
                .flatten()
                .copied()
                .collect();
            let nearest = nearest_two(&picked, cloud)?;
            let data: Vec<f64> = nearest.index.iter().flat_map(|&m| cloud.point(m)).copied().collect();
            let shape = [picked.len() / dim, dim];
            arrays.insert_shaped(format!("samples_{}", name(level)), &shape, picked)?;
            arrays.insert_shaped(format!("nearest_{}", name(level)), &shape, data)?;
        }
        Ok(())
    }
}

/// The level's name among arrays and in the record.
pub(crate) fn name(level: &Sampled) -> String {
    level.samples.level().to_string()
}
