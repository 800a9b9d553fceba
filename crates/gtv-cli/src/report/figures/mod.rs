//! Which figures a record gives, built from its arrays and numbers.

mod maps;

use std::path::Path;

use anyhow::{Context, Result};

use super::answer::{chain, main_theory};
use super::number::plain;
use super::tables::metrics;
use crate::plot::style::{closure, level_label, metric_label, ranked};
use crate::plot::{
    ColorScale, Curve, Densities, DensityPanel, DistancePlot, Figure, HeatPanel, Heatmaps, ImageGrid,
    ImageRow, MetricPanel, Row, Scatter, ScatterPanel,
};
use crate::record::{Arrays, Record, Saved};

/// A figure that has been drawn.
pub struct Drawn {
    /// File stem, and its key in the report.
    pub name: &'static str,
    /// What it shows and how to read it.
    pub caption: String,
    /// The text of the SVG.
    pub svg: String,
}

/// Draws every figure the record has the numbers for; each is `<folder>/<name>.svg` and `.png`.
///
/// # Errors
/// If a figure cannot be drawn or written.
pub fn draw_all(saved: &Saved, folder: &Path) -> Result<Vec<Drawn>> {
    let mut drawn = Vec::new();
    let mut add = |name: &'static str, caption: String, figure: &dyn Drawable| -> Result<()> {
        let svg = figure.save(&folder.join(name)).with_context(|| format!("figure {name}"))?;
        drawn.push(Drawn { name, caption, svg });
        Ok(())
    };
    let (record, arrays) = (&saved.record, &saved.arrays);
    if let Some((figure, caption)) = densities(record, arrays) {
        add("density", caption, &figure)?;
    }
    if let Some((figure, caption)) = closures(arrays) {
        add("closures", caption, &figure)?;
    }
    if let Some((figure, caption)) = planes(arrays) {
        add("density", caption, &figure)?;
    }
    if let Some((figure, caption)) = distances(record) {
        add("distances", caption, &figure)?;
    }
    if let Some((figure, caption)) = attribution(record) {
        add("attribution", caption, &figure)?;
    }
    if let Some((figure, caption)) = variances(arrays) {
        add("variance_scatter", caption, &figure)?;
    }
    if let Some((figure, caption)) = maps::boundary(arrays).or_else(|| maps::boundary_planes(arrays)) {
        add("variance_maps", caption, &figure)?;
    }
    if let Some((figure, caption)) = maps::correlation(arrays) {
        add("time_correlation", caption, &figure)?;
    }
    if let Some((figure, caption)) = maps::shape(record, arrays) {
        add("gaussianity_maps", caption, &figure)?;
    }
    if let Some((figure, caption)) = images(record, arrays) {
        add("images", caption, &figure)?;
    }
    Ok(drawn)
}

/// A figure behind a pointer.
trait Drawable {
    fn save(&self, stem: &Path) -> Result<String>;
}

impl<F: Figure> Drawable for F {
    fn save(&self, stem: &Path) -> Result<String> {
        self.draw(stem)?;
        self.svg()
    }
}

type Made<F> = Option<(F, String)>;

/// Levels that have an array `<level><suffix>`, in reading order.
fn levels_with<'a>(arrays: &'a Arrays, suffix: &str) -> Vec<&'a str> {
    ranked(arrays.names().filter_map(|n| n.strip_suffix(suffix)))
}

fn centres(edges: &[f64]) -> Vec<f64> {
    edges.windows(2).map(|e| 0.5 * (e[0] + e[1])).collect()
}

fn curve(arrays: &Arrays, level: &str, bins: usize, band: bool) -> Option<Curve> {
    let density = arrays.vector(&format!("{level}_density")).filter(|d| d.len() == bins)?;
    let quartile = |q: &str| arrays.vector(&format!("{level}_{q}")).filter(|d| d.len() == bins);
    let band = if band { quartile("q25").zip(quartile("q75")) } else { None };
    Some(Curve { level: level.to_owned(), density, band })
}

fn data_points(arrays: &Arrays) -> Vec<Vec<f64>> {
    let rows = arrays.matrix("data").map(|m| m.rows().into_iter().map(|r| r.to_vec()).collect::<Vec<_>>());
    rows.or_else(|| arrays.vector("data").map(|v| v.into_iter().map(|x| vec![x]).collect()))
        .unwrap_or_default()
}

fn densities(record: &Record, arrays: &Arrays) -> Made<Densities> {
    let x = centres(&arrays.vector("x_edges")?);
    let levels = levels_with(arrays, "_density");
    let main = main_theory(record);
    let shown = |l: &&str| match *l {
        "points" | "gaussian_empirical" => false,
        l => !l.starts_with("theory_") || main.as_deref().is_none_or(|m| m == l),
    };
    // The theory is drawn last: it is the thinner line of the two that should coincide.
    let mut order: Vec<&str> = levels.into_iter().filter(shown).collect();
    order.sort_by_key(|l| l.starts_with("theory_"));
    let curves: Vec<Curve> =
        order.into_iter().filter_map(|l| curve(arrays, l, x.len(), l == "ensemble")).collect();
    if curves.is_empty() {
        return None;
    }
    let data = data_points(arrays).into_iter().map(|p| p[0]).collect();
    let caption = "Average density of x₀ at each level. Triangles on the axis mark the data; the band holds the middle \
                   half of the trained models at each x₀. Peaks of the data or the PF-ODE that would flatten the rest \
                   are cut, with their height written above."
        .into();
    let alt =
        "Densities of the data, the exact PF-ODE, the mean score, the theory and the trained ensemble".into();
    Some((
        Densities { panels: vec![DensityPanel { title: String::new(), x, curves, data }], columns: 1, alt },
        caption,
    ))
}

fn closures(arrays: &Arrays) -> Made<Densities> {
    let x = centres(&arrays.vector("x_edges")?);
    let ensemble = curve(arrays, "ensemble", x.len(), true)?;
    let data: Vec<f64> = data_points(arrays).into_iter().map(|p| p[0]).collect();
    let levels = levels_with(arrays, "_density");
    let predictions = levels.into_iter().filter(|l| l.starts_with("theory_") || *l == "gaussian_empirical");
    let panels: Vec<DensityPanel> = predictions
        .filter_map(|level| {
            let curves = vec![ensemble.clone(), curve(arrays, level, x.len(), true)?];
            Some(DensityPanel { title: level_label(level), x: x.clone(), curves, data: data.clone() })
        })
        .collect();
    if panels.is_empty() {
        return None;
    }
    let widths: Vec<String> = panels
        .iter()
        .filter_map(|p| Some(format!("{} {}", p.title.trim_start_matches("theory: "), plain(band_ratio(p)?))))
        .collect();
    let widths = if widths.is_empty() {
        String::new()
    } else {
        format!(
            " Mean width of the predicted band over that of the measured one, both weighted by the ensemble's density: {}.",
            widths.join(", ")
        )
    };
    let caption = format!(
        "Each closure against the trained ensemble. Bands: quartiles between models, predicted and measured. The \
         Gaussian with the ensemble's own moments shows what a Gaussian closure gives when mean and covariance are right.{widths}"
    );
    let columns = panels.len().min(2);
    Some((
        Densities { panels, columns, alt: "Densities of each closure and of the ensemble".into() },
        caption,
    ))
}

/// Σ ρ (q75 − q25) of the prediction over that of the ensemble, ρ the ensemble's density; the ensemble's curve is first.
fn band_ratio(panel: &DensityPanel) -> Option<f64> {
    let [ensemble, predicted] = &panel.curves[..] else { return None };
    let width = |curve: &Curve| -> Option<f64> {
        let (lo, hi) = curve.band.as_ref()?;
        Some(lo.iter().zip(hi).zip(&ensemble.density).map(|((lo, hi), rho)| rho * (hi - lo)).sum())
    };
    let ratio = width(predicted)? / width(ensemble)?;
    ratio.is_finite().then_some(ratio)
}

fn planes(arrays: &Arrays) -> Made<Heatmaps> {
    let (xe, ye) = (arrays.vector("x_edges")?, arrays.vector("y_edges")?);
    let range = |e: &[f64]| Some((*e.first()?, *e.last()?));
    let (x, y) = (range(&xe)?, range(&ye)?);
    let (nx, ny) = (xe.len() - 1, ye.len() - 1);
    let points: Vec<[f64; 2]> =
        data_points(arrays).iter().filter(|p| p.len() == 2).map(|p| [p[0], p[1]]).collect();
    let panel = |level: &str| {
        let density = arrays.matrix(&format!("{level}_density")).filter(|m| m.dim() == (nx, ny))?;
        let values = density.iter().copied().collect();
        Some(HeatPanel {
            title: level_label(level),
            values,
            nx,
            ny,
            x,
            y,
            points: points.clone(),
            ..HeatPanel::default()
        })
    };
    let levels: Vec<&str> = levels_with(arrays, "_density").into_iter().filter(|l| *l != "points").collect();
    let panels: Vec<HeatPanel> = levels.iter().filter_map(|l| panel(l)).collect();
    let peak = |spiky: bool| {
        let of = levels.iter().zip(&panels).filter(|(l, _)| matches!(**l, "data" | "pf_ode") == spiky);
        of.flat_map(|(_, p)| &p.values).copied().filter(|v| v.is_finite()).fold(0.0, f64::max)
    };
    let top = if peak(false) > 0.0 { peak(false) } else { peak(true) };
    let cut = if peak(true) > top {
        " The data and the PF-ODE exceed the scale, which the others set."
    } else {
        ""
    };
    if panels.is_empty() {
        return None;
    }
    let maps = Heatmaps {
        panels,
        columns: 3,
        x_label: "first coordinate of x₀".into(),
        y_label: "second coordinate of x₀".into(),
        scales: vec![ColorScale::new(
            "density (1/units of x²)",
            Some((0.0, if top > 0.0 { top } else { 1.0 })),
        )],
        square: true,
        alt: "Heatmaps of the density of each level on one colour scale".into(),
    };
    Some((maps, format!("Average density of x₀ at each level, on one colour scale; dots: the data.{cut}")))
}

/// A row of a distance plot: the two levels and their label.
type Pair = (String, String, String);

fn distance_plot(record: &Record, pairs: Vec<Pair>, alt: &str) -> Option<DistancePlot> {
    let metrics = metrics(record);
    let any = |(a, b, _): &Pair| metrics.iter().any(|m| record.distance(a, b, m).is_some());
    let pairs: Vec<Pair> = pairs.into_iter().filter(any).collect();
    let panel = |metric: &String| MetricPanel {
        label: metric_label(metric),
        estimates: pairs.iter().map(|(a, b, _)| record.distance(a, b, metric).copied()).collect(),
    };
    let row = |(a, b, label): &Pair| {
        let level = if b == "ensemble" { a.clone() } else { b.clone() };
        Row { label: label.clone(), level }
    };
    (!pairs.is_empty()).then(|| DistancePlot {
        rows: pairs.iter().map(row).collect(),
        panels: metrics.iter().map(panel).collect(),
        confidence: record.confidence,
        alt: alt.into(),
    })
}

fn distances(record: &Record) -> Made<DistancePlot> {
    let all =
        record.distances.iter().flat_map(|(a, to)| std::iter::once(a).chain(to.keys())).map(String::as_str);
    let levels = ranked(all).into_iter().filter(|l| *l != "ensemble");
    let pairs = levels.map(|l| (l.to_owned(), "ensemble".to_owned(), level_label(l))).collect();
    let caption = "Distance of each level to the trained ensemble. A level whose interval reaches its floor cannot be told \
                   from the ensemble with this many models."
        .into();
    let alt = "Distances of each level to the trained ensemble, with intervals and floors";
    Some((distance_plot(record, pairs, alt)?, caption))
}

fn attribution(record: &Record) -> Made<DistancePlot> {
    let levels = chain(record);
    let step = |w: &[String]| (w[0].clone(), w[1].clone(), format!("{} → {}", short(&w[0]), short(&w[1])));
    let pairs = levels.windows(2).map(step).collect();
    let caption = "The same distances between neighbours on the way from the data to the ensemble: each step adds one effect. \
                   Steps do not add up; distances obey only the triangle inequality."
        .into();
    Some((distance_plot(record, pairs, "Distances between neighbouring levels")?, caption))
}

fn short(level: &str) -> String {
    match level {
        "points" => "points".into(),
        "data" => "smoothed".into(),
        "pf_ode" => "PF-ODE".into(),
        "mean_score" => "mean score".into(),
        "ensemble" => "ensemble".into(),
        other => level_label(other),
    }
}

/// Theory levels with an array `<level><suffix>`, those with the same numbers together, with their joint title.
fn distinct_theories<'a>(arrays: &'a Arrays, suffix: &str) -> Vec<(&'a str, String)> {
    let mut groups: Vec<Vec<&str>> = Vec::new();
    let array = |level: &str| arrays.get(&format!("{level}{suffix}"));
    for level in levels_with(arrays, suffix).into_iter().filter(|l| l.starts_with("theory_")) {
        match groups.iter_mut().find(|g| array(g[0]) == array(level)) {
            Some(group) => group.push(level),
            None => groups.push(vec![level]),
        }
    }
    let title = |group: &Vec<&str>| {
        let closures: Vec<&str> = group.iter().filter_map(|l| closure(l)).collect();
        format!("theory: {}", closures.join(", "))
    };
    groups.iter().map(|g| (g[0], title(g))).collect()
}

fn variances(arrays: &Arrays) -> Made<Scatter> {
    let ensemble = arrays.get("ensemble_var")?;
    let panel = |(level, title): (&str, String)| {
        let theory = arrays.get(&format!("{level}_var")).filter(|a| a.len() == ensemble.len())?;
        let pairs = ensemble.iter().copied().zip(theory.iter().copied()).collect();
        Some(ScatterPanel { level: level.to_owned(), title, pairs })
    };
    let scatter = Scatter {
        panels: distinct_theories(arrays, "_var").into_iter().filter_map(panel).collect(),
        x_label: "ensemble: tr Var y".into(),
        y_label: "theory: tr Var y".into(),
        alt: "Predicted against measured variance of the learned prediction".into(),
    };
    let caption = "Variance between models of the learned prediction y(x, t) at probe points: predicted against measured. A \
                   theory that is right lies on the dashed line, up to the scatter of a variance over N models, √(2/N)."
        .into();
    (!scatter.panels.is_empty()).then_some((scatter, caption))
}

fn images(record: &Record, arrays: &Arrays) -> Made<ImageGrid> {
    let shape = record.image_shape?;
    let levels = ranked(arrays.names().filter_map(|n| n.strip_prefix("samples_")));
    let flat = |name: String| arrays.get(&name).map(|a| a.iter().copied().collect::<Vec<f64>>());
    let row = |level: &str| {
        Some(ImageRow {
            level: level.to_owned(),
            samples: flat(format!("samples_{level}"))?,
            nearest: flat(format!("nearest_{level}")).unwrap_or_default(),
        })
    };
    let rows: Vec<ImageRow> = levels.into_iter().filter_map(row).collect();
    let caption = "Samples of each level, in no selected order, and below each the datum nearest to it. A copy of its nearest \
                   datum is memorized; a different image is not."
        .into();
    let alt = "Images sampled at each level with their nearest data".into();
    (!rows.is_empty()).then_some((ImageGrid { rows, shape, alt }, caption))
}
