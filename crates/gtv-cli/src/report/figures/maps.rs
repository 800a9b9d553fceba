//! Maps over position and time: where the labels are uncertain and where the models differ, the shape of their
//! distribution, and how their errors persist in time.

use super::{Made, distinct_theories};
use crate::plot::style::{closure, level_label};
use crate::plot::{ColorScale, HeatPanel, Heatmaps};
use crate::record::{Arrays, Record};
use crate::report::number::{plain, significant};

/// Most times shown as rows of maps over the plane, and most positions of correlations in time.
const MOST_ROWS: usize = 6;

/// Axes of maps over (x, t).
struct Line {
    x: Vec<f64>,
    t: Vec<f64>,
}

impl Line {
    fn of(arrays: &Arrays) -> Option<Self> {
        let (x, t) = (arrays.vector("map_x")?, arrays.vector("map_t")?);
        (!x.is_empty() && !t.is_empty()).then_some(Self { x, t })
    }

    /// The map of this name (times × positions).
    fn panel(&self, arrays: &Arrays, name: &str, title: &str, value: fn(f64) -> f64) -> Option<HeatPanel> {
        let (nx, ny) = (self.x.len(), self.t.len());
        let map = arrays.matrix(name).filter(|m| m.dim() == (ny, nx))?;
        Some(HeatPanel {
            title: title.to_owned(),
            values: map.t().iter().map(|v| value(*v)).collect(),
            nx,
            ny,
            x: (self.x[0], self.x[nx - 1]),
            y: (self.t[0], self.t[ny - 1]),
            ..HeatPanel::default()
        })
    }
}

/// Axes of maps over the plane at some times.
struct Plane {
    x: Vec<f64>,
    y: Vec<f64>,
    t: Vec<f64>,
}

impl Plane {
    fn of(arrays: &Arrays) -> Option<Self> {
        let [x, y, t] = ["plane_x", "plane_y", "plane_t"].map(|n| arrays.vector(n).filter(|v| !v.is_empty()));
        Some(Self { x: x?, y: y?, t: t? })
    }

    /// Times shown: all, or as many as there is room for, evenly.
    fn rows(&self) -> Vec<usize> {
        evenly(self.t.len())
    }

    /// The map of this name (times × nx × ny) at a time.
    fn panel(
        &self,
        arrays: &Arrays,
        name: &str,
        k: usize,
        title: &str,
        value: fn(f64) -> f64,
    ) -> Option<HeatPanel> {
        let (nx, ny) = (self.x.len(), self.y.len());
        let map = arrays.get(name).filter(|a| a.shape() == [self.t.len(), nx, ny])?;
        Some(HeatPanel {
            title: format!("{title}, t = {}", significant(self.t[k], 2)),
            values: map.outer_iter().nth(k)?.iter().map(|v| value(*v)).collect(),
            nx,
            ny,
            x: (self.x[0], self.x[nx - 1]),
            y: (self.y[0], self.y[ny - 1]),
            ..HeatPanel::default()
        })
    }
}

/// At most [`MOST_ROWS`] of `count` places, the first and the last among them.
fn evenly(count: usize) -> Vec<usize> {
    let rows = count.min(MOST_ROWS);
    (0..rows).map(|i| if rows < 2 { 0 } else { (i * (count - 1)) / (rows - 1) }).collect()
}

fn root(v: f64) -> f64 {
    v.max(0.0).sqrt()
}

fn same(v: f64) -> f64 {
    v
}

fn largest<'a>(panels: impl IntoIterator<Item = &'a HeatPanel>) -> Option<f64> {
    let values = panels.into_iter().flat_map(|p| &p.values).copied();
    let top = values.filter(|v| v.is_finite()).fold(0.0, f64::max);
    (top > 0.0).then_some(top)
}

fn columns(panels: usize) -> usize {
    if panels == 4 { 2 } else { panels.clamp(1, 3) }
}

/// Labels' uncertainty and models' variance side by side.
pub fn boundary(arrays: &Arrays) -> Made<Heatmaps> {
    let line = Line::of(arrays)?;
    let labels = line.panel(arrays, "proxy_cov_map", "labels: √tr Var[y | x, t]", root);
    let labels = labels.map(|p| HeatPanel { scale: 1, ..p });
    let measured = line.panel(arrays, "ensemble_var_map", &level_label("ensemble"), root);
    let theories = distinct_theories(arrays, "_var_map").into_iter();
    let theories =
        theories.filter_map(|(l, title)| line.panel(arrays, &format!("{l}_var_map"), &title, root));
    let top = largest(&measured);
    let has_labels = labels.is_some();
    let panels: Vec<HeatPanel> = labels.into_iter().chain(measured).chain(theories).collect();
    if panels.is_empty() {
        return None;
    }
    let maps = Heatmaps {
        columns: columns(panels.len()),
        panels,
        x_label: "x".into(),
        y_label: "time t".into(),
        scales: spread_scales(top, has_labels),
        square: false,
        alt: "Maps over x and t of the labels' uncertainty and of the spread of the learned prediction"
            .into(),
    };
    Some((maps, boundary_caption(has_labels)))
}

/// The same over the plane: rows are times, columns sources.
pub fn boundary_planes(arrays: &Arrays) -> Made<Heatmaps> {
    let plane = Plane::of(arrays)?;
    let mut sources: Vec<(String, String, usize)> = vec![
        ("proxy_cov_plane".into(), "labels".into(), 1),
        ("ensemble_var_plane".into(), "ensemble".into(), 0),
    ];
    let theories = distinct_theories(arrays, "_var_plane").into_iter();
    sources.extend(theories.map(|(l, title)| (format!("{l}_var_plane"), short(&title), 0)));
    sources.retain(|(name, ..)| plane.panel(arrays, name, 0, "", same).is_some());
    let row = |k: usize| {
        let (plane, sources) = (&plane, &sources);
        sources.iter().filter_map(move |(name, title, scale)| {
            let panel = plane.panel(arrays, name, k, title, root)?;
            Some(HeatPanel { scale: *scale, ..panel })
        })
    };
    let panels: Vec<HeatPanel> = plane.rows().into_iter().flat_map(row).collect();
    if panels.is_empty() {
        return None;
    }
    let has_labels = sources.iter().any(|s| s.2 == 1);
    let measured = sources.iter().position(|s| s.0 == "ensemble_var_plane");
    let top = measured.and_then(|c| largest(panels.iter().skip(c).step_by(sources.len())));
    let maps = Heatmaps {
        panels,
        columns: sources.len(),
        x_label: "x₁".into(),
        y_label: "x₂".into(),
        scales: spread_scales(top, has_labels),
        square: true,
        alt: "Maps over the plane at some times of the labels' uncertainty and of the spread of the learned prediction"
            .into(),
    };
    Some((maps, boundary_caption(has_labels)))
}

/// Scale 0 is the models' spread, up to the measured one; scale 1 the labels'.
fn spread_scales(top: Option<f64>, labels: bool) -> Vec<ColorScale> {
    let models =
        ColorScale::new("standard deviation of y between models (units of y)", top.map(|top| (0.0, top)));
    let own = labels.then(|| ColorScale::new("standard deviation of the label y (units of y)", None));
    std::iter::once(models).chain(own).collect()
}

fn boundary_caption(labels: bool) -> String {
    let measured = "Standard deviation between models of the learned prediction y(x, t), measured and predicted, on the \
                    measured one's colour scale.";
    if labels {
        format!(
            "First, on its own scale: how uncertain the training label is at (x, t), √tr Var[y | x, t], the source of C. It \
             is large on the boundaries between data. Then what becomes of it: {}{}",
            measured[..1].to_lowercase(),
            &measured[1..]
        )
    } else {
        measured.into()
    }
}

/// A title without its first word, for narrow panels.
fn short(title: &str) -> String {
    title.trim_start_matches("theory: ").to_owned()
}

/// Share of the values that the diverging scale reaches; a few extremes would pale the rest.
const REACH: f64 = 0.98;

fn reach<'a>(panels: impl IntoIterator<Item = &'a HeatPanel>) -> f64 {
    let values = panels.into_iter().flat_map(|p| &p.values);
    let mut sizes: Vec<f64> = values.map(|v| v.abs()).filter(|v| v.is_finite()).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let at = (REACH * sizes.len() as f64) as usize;
    let reach = sizes.get(at.min(sizes.len().saturating_sub(1))).copied().unwrap_or(1.0);
    if reach > 0.0 { reach } else { 1.0 }
}

/// Skewness and excess kurtosis of the learned score over models.
pub fn shape(record: &Record, arrays: &Arrays) -> Made<Heatmaps> {
    let named = [("skewness", "skewness"), ("kurtosis", "excess kurtosis")];
    let numbered = |i: usize, p: HeatPanel| HeatPanel { scale: i, ..p };
    let mut panels: Vec<HeatPanel> = Vec::new();
    let plane = if let Some(line) = Line::of(arrays) {
        for (i, (name, title)) in named.into_iter().enumerate() {
            panels.extend(line.panel(arrays, &format!("{name}_map"), title, same).map(|p| numbered(i, p)));
        }
        false
    } else {
        let plane = Plane::of(arrays)?;
        for k in plane.rows() {
            for (i, (name, title)) in named.into_iter().enumerate() {
                let panel = plane.panel(arrays, &format!("{name}_plane"), k, title, same);
                panels.extend(panel.map(|p| numbered(i, p)));
            }
        }
        true
    };
    let both = [0, 1].iter().all(|i| panels.iter().any(|p| p.scale == *i));
    if !both {
        return None;
    }
    let scale = |i: usize| ColorScale::diverging(named[i].1, reach(panels.iter().filter(|p| p.scale == i)));
    let scales = vec![scale(0), scale(1)];
    let maps = Heatmaps {
        panels,
        columns: 2,
        x_label: if plane { "x₁" } else { "x" }.into(),
        y_label: if plane { "x₂" } else { "time t" }.into(),
        scales,
        square: plane,
        alt: "Maps of the skewness and the excess kurtosis of the learned score over models".into(),
    };
    let models = record.gaussianity.as_ref().map(|g| g.models);
    let models = models.or_else(|| record.levels.get("ensemble").map(|l| l.models)).unwrap_or(0);
    let error = |n: f64| if models > 0 { plain((n / models as f64).sqrt()) } else { "–".into() };
    let caption = format!(
        "Skewness and excess kurtosis over models of the learned score at (x, t); both are 0 for a Gaussian law, with \
         standard errors √(6/N) = {} and √(24/N) = {} at a point. Grey: too little variance to have a shape. The scales end at \
         the {} % quantile of the size.",
        error(6.0),
        error(24.0),
        100.0 * REACH
    );
    Some((maps, caption))
}

/// Correlation of the prediction between times at fixed positions, measured and predicted.
pub fn correlation(arrays: &Arrays) -> Made<Heatmaps> {
    let t = arrays.vector("corr_t").filter(|t| t.len() > 1)?;
    let x = arrays.get("corr_x")?;
    let (count, times) = (*x.shape().first()?, t.len());
    let mut sources: Vec<(String, String)> = vec![("ensemble".into(), "ensemble".into())];
    let theories = distinct_theories(arrays, "_time_corr").into_iter();
    sources.extend(theories.map(|(l, title)| (l.to_owned(), short(&title))));
    let map = |source: &str| {
        arrays.get(&format!("{source}_time_corr")).filter(|a| a.shape() == [count, times, times])
    };
    sources.retain(|(source, _)| map(source).is_some());
    let position = |k: usize| {
        let row = x.outer_iter().nth(k).map(|r| r.iter().map(|v| significant(*v, 2)).collect::<Vec<_>>());
        row.unwrap_or_default().join(", ")
    };
    let panel = |k: usize, (source, title): &(String, String)| {
        Some(HeatPanel {
            title: format!("{title}, x = {}", position(k)),
            values: map(source)?.outer_iter().nth(k)?.iter().copied().collect(),
            nx: times,
            ny: times,
            x: (t[0], t[times - 1]),
            y: (t[0], t[times - 1]),
            ..HeatPanel::default()
        })
    };
    let row = |k: usize| {
        let (sources, panel) = (&sources, &panel);
        sources.iter().filter_map(move |s| panel(k, s))
    };
    let panels: Vec<HeatPanel> = evenly(count).into_iter().flat_map(row).collect();
    if panels.is_empty() {
        return None;
    }
    let maps = Heatmaps {
        panels,
        columns: sources.len(),
        x_label: "time t".into(),
        y_label: "time t′".into(),
        scales: vec![ColorScale::diverging("correlation", 1.0)],
        square: true,
        alt: "Correlation between times of the learned prediction at fixed positions".into(),
    };
    let white = sources.iter().any(|(s, _)| closure(s) == Some("white"));
    let white = if white { " White noise would be coloured on the diagonal alone." } else { "" };
    let caption = format!(
        "Correlation over models between the prediction at (x, t) and at (x, t′): rows are positions. Where it stays near 1, a \
         model errs the same way all along a path, and the paths that share the model move together.{white}"
    );
    Some((maps, caption))
}
