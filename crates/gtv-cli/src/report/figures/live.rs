//! The numbers behind the charts that answer (live.js): densities along the reverse process beside C and V, and correlations
//! between all pairs of points. Packed into two bytes a number, they stand in the page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Serialize;

use super::density::Bins;
use super::maps::around;
use super::{data_points, levels_with};
use crate::plot::style::viridis;
use crate::plot::{Role, Stroke};
use crate::record::{Arrays, Saved};
use crate::report::levels::{ENSEMBLE, TRUE_SCORE, card, closure, covariance_of, of_closure};
use crate::report::view::main_theory;

/// Numbers v as q = 65534 ((v − lo)/(hi − lo))^power in base64, two bytes each, the lower first; 65535 for none.
#[derive(Serialize)]
struct Packed {
    lo: f64,
    hi: f64,
    power: f64,
    q: String,
}

impl Packed {
    fn new(values: impl Iterator<Item = f64>, (lo, hi): (f64, f64), power: f64) -> Self {
        let code = |v: f64| match ((v - lo) / (hi - lo)).clamp(0.0, 1.0).powf(power) {
            share if share.is_finite() => (65_534.0 * share).round() as u16,
            _ => u16::MAX,
        };
        let bytes: Vec<u8> = values.flat_map(|v| code(v).to_le_bytes()).collect();
        Self { lo, hi, power, q: STANDARD_NO_PAD.encode(bytes) }
    }

    /// Numbers from 0, the small ones with more digits.
    fn positive(values: Vec<f64>) -> Self {
        let top = values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
        Self::new(values.into_iter(), (0.0, if top > 0.0 { top } else { 1.0 }), 0.5)
    }
}

/// Ends and number of the cells of an axis.
type Cells = (f64, f64, usize);

/// How something is drawn.
#[derive(Serialize)]
struct LiveLine {
    label: String,
    color: String,
    width: f64,
    dash: Option<(f64, f64)>,
}

impl LiveLine {
    fn new(label: String, Stroke { color, width, dash }: Stroke) -> Self {
        let color = format!("#{:02x}{:02x}{:02x}", color.0, color.1, color.2);
        Self { label, color, width: width.max(1.5), dash }
    }
}

#[derive(Serialize)]
struct Source {
    #[serde(flatten)]
    line: LiveLine,
    values: Packed,
}

#[derive(Serialize)]
struct LiveLevel {
    #[serde(flatten)]
    line: LiveLine,
    on: bool,
    spiky: bool,
    r#final: Packed,
    #[serde(skip_serializing_if = "Option::is_none")]
    q25: Option<Packed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    q75: Option<Packed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Packed>,
}

/// √C and √V at some times.
#[derive(Serialize)]
struct Spread {
    t: Vec<f64>,
    x: Cells,
    sources: Vec<Source>,
}

#[derive(Serialize)]
struct Density {
    dim: usize,
    levels: Vec<LiveLevel>,
    bins: Cells,
    t: Vec<f64>,
    past: Option<Cells>,
    points: serde_json::Value,
    spread: Option<Spread>,
}

#[derive(Serialize)]
struct Pairs {
    x: Cells,
    t: Cells,
    sources: Vec<Source>,
}

#[derive(Serialize)]
struct Live {
    viridis: Vec<[u8; 3]>,
    density: Option<Density>,
    pairs: Option<Pairs>,
}

/// The numbers as JSON that may stand in a page; none where the record has none of them.
///
/// # Errors
/// None for numbers.
pub fn numbers(saved: &Saved) -> serde_json::Result<Option<String>> {
    let colors = 33;
    let viridis = (0..colors).map(|i| viridis(f64::from(i) / f64::from(colors - 1))).collect();
    let live = Live { viridis, density: density(saved), pairs: pairs(saved) };
    if live.density.is_none() && live.pairs.is_none() {
        return Ok(None);
    }
    Ok(Some(serde_json::to_string(&live)?.replace('<', "\\u003c")))
}

fn flat(arrays: &Arrays, name: &str) -> Option<Vec<f64>> {
    arrays.get(name).map(|a| a.iter().copied().collect())
}

/// Ends and number of cells between edges.
fn between(edges: &[f64]) -> Option<Cells> {
    Some((*edges.first()?, *edges.last()?, edges.len().checked_sub(1)?))
}

/// Cells that have evenly spaced nodes as their middles.
fn on_nodes(nodes: &[f64]) -> Cells {
    let (lo, hi) = around(nodes);
    (lo, hi, nodes.len())
}

fn density(saved: &Saved) -> Option<Density> {
    let arrays = &saved.arrays;
    let edges = arrays.vector("x_edges")?;
    let dim = if arrays.get("y_edges").is_some() { 2 } else { 1 };
    let (bins, main) = (between(&edges)?, main_theory(&saved.record));
    let smooth = Bins::of(saved);
    let level = |name: &str| {
        let band = name == ENSEMBLE;
        let (values, quartiles) = match &smooth {
            Some(bins) => {
                let curve = bins.curve(arrays, name, band)?;
                (curve.density, curve.band)
            }
            None => (flat(arrays, &format!("{name}_density"))?, None),
        };
        let (q25, q75) = quartiles.map_or((None, None), |(lo, hi)| (Some(lo), Some(hi)));
        let card = card(name);
        Some(LiveLevel {
            line: LiveLine::new(card.label, card.role.stroke()),
            on: name == TRUE_SCORE || name == ENSEMBLE || main.as_deref() == Some(name),
            spiky: card.role.is_spiky(),
            r#final: Packed::positive(values),
            q25: q25.map(Packed::positive),
            q75: q75.map(Packed::positive),
            history: flat(arrays, &format!("{name}_history")).map(Packed::positive),
        })
    };
    let levels: Vec<LiveLevel> = levels_with(arrays, "_density").into_iter().filter_map(level).collect();
    let points = data_points(arrays);
    let points = if dim == 1 { points.concat().into() } else { serde_json::json!(points) };
    let past = arrays.vector("history_x").and_then(|edges| between(&edges));
    let t = arrays.vector("history_t").filter(|_| past.is_some()).unwrap_or_default();
    (!levels.is_empty()).then(|| Density {
        dim,
        levels,
        bins,
        t,
        past,
        points,
        spread: spread(saved, dim, main),
    })
}

/// Standard deviations of the label and of the prediction, measured and predicted.
fn spread(saved: &Saved, dim: usize, main: Option<String>) -> Option<Spread> {
    let arrays = &saved.arrays;
    let map = if dim == 1 { "map" } else { "plane" };
    let (x, t) = (arrays.vector(&format!("{map}_x"))?, arrays.vector(&format!("{map}_t"))?);
    let theory = main.unwrap_or_default();
    let source = |name: &str, label: String, role: Role| {
        let values = flat(arrays, &format!("{name}_{map}"))?;
        let values = Packed::positive(values.into_iter().map(|v| v.max(0.0).sqrt()).collect());
        Some(Source { line: LiveLine::new(label, role.stroke()), values })
    };
    let sources = [
        source("proxy_cov", "√C, label".to_owned(), Role::Data),
        source("ensemble_var", "√V, trained ensemble".to_owned(), Role::Ensemble),
        source(&format!("{theory}_var"), format!("√V, {}", card(&theory).label), card(&theory).role),
    ];
    Some(Spread { x: on_nodes(&x), t, sources: sources.into_iter().flatten().collect() })
}

/// Correlations between all pairs of points, measured and as the answer's closure has them.
fn pairs(saved: &Saved) -> Option<Pairs> {
    let arrays = &saved.arrays;
    let (x, t) = (arrays.vector("pair_x")?, arrays.vector("pair_t")?);
    let main = main_theory(&saved.record);
    let of_main = main.as_deref().and_then(closure).map(|c| of_closure(covariance_of(c)));
    let source = |name: &str| {
        let values = flat(arrays, &format!("{name}_pair_corr"))?;
        let card = card(name);
        let values = Packed::new(values.into_iter(), (-1.0, 1.0), 1.0);
        Some(Source { line: LiveLine::new(card.label, card.role.stroke()), values })
    };
    let predicted = of_main.as_deref().and_then(source).or_else(|| {
        let theories = levels_with(arrays, "_pair_corr");
        theories.into_iter().rev().find(|l| closure(l).is_some()).and_then(source)
    });
    let sources: Vec<Source> = source(ENSEMBLE).into_iter().chain(predicted).collect();
    (!sources.is_empty()).then(|| Pairs { x: on_nodes(&x), t: on_nodes(&t), sources })
}
