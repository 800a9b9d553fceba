//! Predicted against measured variance of the learned prediction.

use super::{Picture, Place, ReportFigure, distinct_theories};
use crate::plot::{Key, Scatter, ScatterPanel};
use crate::record::Saved;
use crate::report::levels::card;

/// One panel a closure, one dot a probe point.
pub struct Variances;

impl ReportFigure for Variances {
    fn picture(&self, saved: &Saved) -> Option<Picture> {
        let arrays = &saved.arrays;
        let ensemble = arrays.get("ensemble_var")?;
        let panel = |(level, closures): (&str, String)| {
            let theory = arrays.get(&format!("{level}_var")).filter(|a| a.len() == ensemble.len())?;
            let pairs = ensemble.iter().copied().zip(theory.iter().copied()).collect();
            Some(ScatterPanel {
                key: Key { label: format!("theory: {closures}"), role: card(level).role },
                pairs,
            })
        };
        let scatter = Scatter {
            panels: distinct_theories(arrays, "_var").into_iter().filter_map(panel).collect(),
            x_label: "ensemble: tr Var y".into(),
            y_label: "theory: tr Var y".into(),
        };
        (!scatter.panels.is_empty()).then(|| {
            Picture::new(
                ("variance_scatter", Place::Prediction),
                scatter,
                "Variance between models of the learned prediction y(x, t) at probe points: predicted against measured. A theory \
                 that is right lies on the dashed line, up to the scatter of a variance over N models, √(2/N).",
                "Predicted against measured variance of the learned prediction",
            )
        })
    }
}
