//! The density of x₀ at each level, in one dimension.

use super::{Picture, Place, ReportFigure, data_points};
use crate::plot::{Curve, Densities, DensityPanel};
use crate::record::{Arrays, Saved};
use crate::report::levels::{DATA, ENSEMBLE, MEAN_SCORE, TRUE_SCORE, key};
use crate::report::number::plain;
use crate::report::view::{main_theory, models, of_level, one_run_level};

/// The trained ensemble beside what one has without the theory, and beside the theory.
pub struct Density;

impl ReportFigure for Density {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let bins = Bins::of(saved)?;
        let theory = main_theory(&saved.record).unwrap_or_default();
        // The line that should coincide with the ensemble's is drawn last, and is the thinner one.
        let panel = |title: &str, levels: &[&str], band: bool| {
            let curve = |l: &&str| bins.curve(&saved.arrays, l, band && *l == ENSEMBLE);
            let curves: Vec<Curve> = levels.iter().filter_map(curve).collect();
            let data = data_on_axis(&saved.arrays);
            (!curves.is_empty()).then(|| DensityPanel {
                title: title.into(),
                x: bins.x.clone(),
                curves,
                data,
            })
        };
        let panels = [
            panel("without the theory", &[DATA, ENSEMBLE, TRUE_SCORE], false),
            panel("with the theory", &[MEAN_SCORE, ENSEMBLE, &theory], true),
        ];
        let panels: Vec<DensityPanel> = panels.into_iter().flatten().collect();
        if panels.is_empty() {
            return None;
        }
        let caption = format!(
            "Average density of x₀ at each level{}. Triangles on the axis mark the data; the band holds the middle half of the \
             trained models at each x₀. Peaks of the data or the PF-ODE that would flatten the rest are cut, with their height \
             written above.",
            bins.said()
        );
        let alt =
            "Densities of the data, the exact PF-ODE, the mean score, the theory and the trained ensemble";
        Some(Picture::new(("density", Place::Answer), Densities { panels, columns: 2 }, caption, alt))
    }
}

/// The bins of densities in one dimension, and the width of the kernel that smooths them.
pub struct Bins {
    /// Their centres.
    pub x: Vec<f64>,
    /// Standard deviation of the kernel, 0 for none.
    width: f64,
}

impl Bins {
    /// Silverman's rule, 0.9 d N^(−1/5), with the mean distance d of the ensemble's samples from their nearest data as the
    /// scale and the number N of models, which are what is independent, as the sample size. None above one dimension.
    pub fn of(saved: &Saved) -> Option<Self> {
        let (record, arrays) = (&saved.record, &saved.arrays);
        if arrays.get("y_edges").is_some() {
            return None;
        }
        let edges = arrays.vector("x_edges")?;
        let x: Vec<f64> = edges.windows(2).map(|e| 0.5 * (e[0] + e[1])).collect();
        // Without an ensemble, the predicted retrainings of one network are the models.
        let predicted = one_run_level(record).filter(|_| models(record, ENSEMBLE) == 0);
        let level = predicted.as_deref().unwrap_or(ENSEMBLE);
        let scale = of_level(record, level, |l| l.nearest_distance).map_or(0.0, |d| d.value);
        let width = 0.9 * scale * (models(record, level).max(1) as f64).powf(-0.2);
        let bin = edges.get(1).zip(edges.first()).map_or(0.0, |(b, a)| b - a);
        Some(Self { x, width: if width > 0.5 * bin { width } else { 0.0 } })
    }

    /// The density of a level, with its quartiles between models if wanted.
    pub fn curve(&self, arrays: &Arrays, level: &str, band: bool) -> Option<Curve> {
        let of = |what: &str| {
            let values = arrays.vector(&format!("{level}_{what}")).filter(|d| d.len() == self.x.len())?;
            Some(self.smoothed(&values))
        };
        let band = if band { of("q25").zip(of("q75")) } else { None };
        Some(Curve { key: key(level), density: of("density")?, band })
    }

    /// The mean of values over a Gaussian kernel, cut at the ends of the range.
    fn smoothed(&self, values: &[f64]) -> Vec<f64> {
        if self.width == 0.0 {
            return values.to_vec();
        }
        let at = |centre: &f64| {
            let weigh = |x: &f64| (-0.5 * ((x - centre) / self.width).powi(2)).exp();
            let (mut sum, mut total) = (0.0, 0.0);
            for (x, value) in self.x.iter().zip(values) {
                let weight = weigh(x);
                (sum, total) = (sum + weight * value, total + weight);
            }
            sum / total
        };
        self.x.iter().map(at).collect()
    }

    /// The kernel, as a part of a caption.
    pub fn said(&self) -> String {
        if self.width == 0.0 {
            return String::new();
        }
        format!(
            ", all smoothed with a Gaussian kernel of width {} (0.9 d N^(−1/5) for N models at a mean distance d from their \
             nearest data)",
            plain(self.width)
        )
    }
}

/// Positions of the data.
pub fn data_on_axis(arrays: &Arrays) -> Vec<f64> {
    data_points(arrays).into_iter().filter_map(|p| p.first().copied()).collect()
}
