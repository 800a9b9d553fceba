//! Phase diagrams: maps over two swept settings, with the line beyond which a number exceeds its floor, and a sentence that
//! answers. In every map a cell exceeds its floor where its `excess` is above zero.

use super::symbols::symbol;
use super::view::View;
use super::{Drawn, SweepFigure};
use crate::plot::{ColorScale, HeatPanel, Heatmaps, Numbers, zero_lines};
use crate::record::{Estimate, SweepKey};
use crate::report::levels::{ENSEMBLE, TRUE_SCORE, closure, completeness, label, of_closure, ranked};
use crate::report::metrics;
use crate::report::number::{plain, significant};

/// Fewest values of a setting that make a map.
const FEWEST: usize = 3;
/// Share of the values that a diverging scale reaches; the largest would pale the rest.
const SHOWN: f64 = 0.95;

/// One direction of the maps.
struct Side {
    /// Place of the key among the view's.
    place: usize,
    /// Its symbol.
    label: String,
    /// The numbers shown, increasing, with the places of their values in the key's list.
    points: Vec<(f64, usize)>,
}

/// A sweep over two settings.
pub struct Phase<'a> {
    view: &'a View<'a>,
    x: Side,
    y: Side,
}

/// A number in every cell, x first.
struct Map {
    /// The closure that it is about; empty where it is the ensemble.
    name: String,
    numbers: Vec<Option<Estimate>>,
    /// Above zero where the number exceeds its floor; NaN where that is not known.
    excess: Vec<f64>,
}

impl<'a> Phase<'a> {
    /// The phase diagram of a sweep over two numeric settings with several values each (seeds aside); none of another.
    pub fn of(view: &'a View<'a>) -> Option<Self> {
        let several = |place: &usize| view.key(*place).values.len() > 1 && !view.follows(*place);
        let places: Vec<usize> = (0..view.keys.len()).filter(several).collect();
        let [x, y] = places[..] else { return None };
        Some(Self { x: Side::of(view, x)?, y: Side::of(view, y)?, view })
    }

    /// A number of every cell with its excess.
    fn map(&self, name: &str, number: impl Fn(&super::view::Group<'_>) -> Option<(Estimate, f64)>) -> Map {
        let find = |i: usize, j: usize| {
            let value = |side: &Side, k: usize| &self.view.key(side.place).values[side.points[k].1];
            let (x, y) = (value(&self.x, i), value(&self.y, j));
            let here =
                |g: &&super::view::Group<'_>| g.values[self.x.place] == x && g.values[self.y.place] == y;
            self.view.groups.iter().find(here).and_then(&number)
        };
        let (nx, ny) = (self.x.points.len(), self.y.points.len());
        let found: Vec<_> =
            (0..nx).flat_map(|i| (0..ny).map(move |j| (i, j))).map(|(i, j)| find(i, j)).collect();
        Map {
            name: name.to_owned(),
            numbers: found.iter().map(|f| f.map(|(e, _)| e)).collect(),
            excess: found.iter().map(|f| f.map_or(f64::NAN, |(_, excess)| excess)).collect(),
        }
    }

    fn distance(&self, name: &str, level: &str) -> Map {
        self.map(name, |g| {
            let e = self.view.distance(g, level)?;
            let floor = e.floor.filter(|f| *f > 0.0);
            Some((e, floor.map_or(f64::NAN, |floor| (e.value / floor).ln())))
        })
    }

    /// A number of the ensemble; it exceeds its floor where its interval leaves out what the true score gives.
    fn of_ensemble(&self, quantity: &str) -> Map {
        self.map("", |g| {
            let e = g.number(&format!("levels.{ENSEMBLE}.{quantity}"))?;
            let reference = g.number(&format!("levels.{TRUE_SCORE}.{quantity}")).map(|e| e.value);
            let outside = reference.zip(e.ends()).map(|(v, (lo, hi))| (lo - v).max(v - hi));
            Some((Estimate { floor: reference, ..e }, outside.unwrap_or(f64::NAN)))
        })
    }

    /// Closures that predict trained models and have a number in the cells, in the order of levels.
    fn closures(&self) -> Vec<String> {
        let levels = self.view.levels();
        let named = ranked(levels.iter().map(String::as_str)).into_iter().filter_map(closure);
        named.filter(|c| completeness(c).is_some()).map(str::to_owned).collect()
    }

    fn ratios(&self) -> Vec<Map> {
        let ratio = |c: &String| {
            self.map(c, |g| {
                let e = g.number(&format!("kernel.{c}.variance_ratio"))?;
                let outside = e.ends().map(|(lo, hi)| (lo - 1.0).max(1.0 - hi));
                Some((Estimate { floor: Some(1.0), ..e }, outside.unwrap_or(f64::NAN)))
            })
        };
        self.closures().iter().map(ratio).filter(Map::has_numbers).collect()
    }

    fn errors(&self) -> Vec<Map> {
        let error = |c: &String| self.distance(c, &of_closure(c));
        self.closures().iter().map(error).filter(Map::has_numbers).collect()
    }

    /// The maps as figures, each with its table.
    pub fn figures(&self) -> Vec<SweepFigure> {
        let Some(metric) = &self.view.metric else { return Vec::new() };
        let values = |maps: &[Map]| maps.iter().flat_map(Map::values).collect::<Vec<f64>>();
        let power = |label: &str, maps: &[Map]| ColorScale::power(label, values(maps).into_iter());
        let (x, y) = (&self.x.label, &self.y.label);
        let line = "Rings, and the line around them: it exceeds";
        let mut figures = Vec::new();
        let mut add = |id, what: String, scale: ColorScale, maps: Vec<Map>, shown: fn(f64) -> f64, alt| {
            if maps.iter().any(Map::has_numbers) {
                let caption = format!("{what} Over {x} and {y}; grey: no number.");
                let drawn = Drawn::Maps(self.heatmaps(&maps, scale, shown));
                figures.push(SweepFigure { id, caption, alt, drawn, table: Some(self.table(&maps)) });
            }
        };
        let maps = vec![self.distance("", TRUE_SCORE)];
        let what = format!(
            "{} of the ensemble to the PF-ODE with the true score. {line} the resampling floor.",
            metrics::name(metric)
        );
        let scale = power(&metrics::labelled(metric, " to the true score"), &maps);
        add("phase_distance", what, scale, maps, |v| v, "Map of the ensemble's distance to the true score");
        for (id, quantity, name, alt) in [
            ("phase_gap_mass", "gap_mass", "mass in gaps", "Map of the ensemble's mass in gaps"),
            (
                "phase_memorized",
                "memorized_fraction",
                "memorized fraction",
                "Map of the ensemble's memorized fraction",
            ),
        ] {
            let maps = vec![self.of_ensemble(quantity)];
            let what = format!(
                "Ensemble: {name}. Rings, and the line around them: its interval leaves out what the true score gives."
            );
            add(id, what, power(name, &maps), maps, |v| v, alt);
        }
        let maps = self.errors();
        let what = format!(
            "Error of each closure: {} to the ensemble. {line} the resampling floor.",
            metrics::name(metric)
        );
        let scale = power(&metrics::labelled(metric, " to the ensemble"), &maps);
        add(
            "phase_closure_error",
            what,
            scale,
            maps,
            |v| v,
            "Maps of each closure's distance to the ensemble",
        );
        let maps = self.ratios();
        let what = "Variance of y, predicted over measured, by closure. Rings, and the line around them: its interval leaves out 1.".to_owned();
        let mut sizes: Vec<f64> =
            values(&maps).iter().map(|v| v.log2().abs()).filter(|v| v.is_finite()).collect();
        sizes.sort_by(f64::total_cmp);
        let reach = sizes.get((SHOWN * sizes.len() as f64) as usize).or(sizes.last()).copied().unwrap_or(1.0);
        let scale = ColorScale::diverging("log₂ (predicted / measured variance)", reach.max(0.1));
        add("phase_variance_ratio", what, scale, maps, f64::log2, "Maps of each closure's variance ratio");
        figures
    }

    fn heatmaps(&self, maps: &[Map], scale: ColorScale, shown: fn(f64) -> f64) -> Heatmaps {
        let (nx, ny) = (self.x.points.len(), self.y.points.len());
        let panel = |map: &Map| HeatPanel {
            title: if map.name.is_empty() { String::new() } else { label(&of_closure(&map.name)) },
            values: map.values().map(shown).collect(),
            nx,
            ny,
            x: (-0.5, nx as f64 - 0.5),
            y: (-0.5, ny as f64 - 0.5),
            points: (0..nx * ny)
                .filter(|cell| map.excess[*cell] > 0.0)
                .map(|cell| [(cell / ny) as f64, (cell % ny) as f64])
                .collect(),
            contours: zero_lines(&map.excess, nx, ny),
            ..HeatPanel::default()
        };
        Heatmaps {
            panels: maps.iter().map(panel).collect(),
            columns: if maps.len() == 4 { 2 } else { maps.len().min(3) },
            x_label: self.x.label.clone(),
            y_label: self.y.label.clone(),
            x_ticks: self.x.ticks(),
            y_ticks: self.y.ticks(),
            scales: vec![scale],
            square: false,
        }
    }

    /// The numbers of maps by the values of the two settings.
    fn table(&self, maps: &[Map]) -> Numbers {
        let (x, y) = (self.x.label.as_str(), self.y.label.as_str());
        let mut table = Numbers::new(&["closure", "exceeds", x, y, "value", "lo", "hi", "floor"]);
        let ny = self.y.points.len();
        for map in maps {
            for (cell, (number, excess)) in map.numbers.iter().zip(&map.excess).enumerate() {
                let Some(e) = number else { continue };
                let exceeds = match excess {
                    v if v.is_nan() => "",
                    v if *v > 0.0 => "yes",
                    _ => "no",
                };
                let (x, y) = (self.x.points[cell / ny].0, self.y.points[cell % ny].0);
                table.push(&[&map.name, exceeds], [Some(x), Some(y), Some(e.value), e.lo, e.hi, e.floor]);
            }
        }
        table
    }

    /// What the maps say.
    pub fn answer(&self) -> Option<String> {
        let metric = self.view.metric.as_deref()?;
        let count = |map: &Map, test: fn(f64) -> bool| map.excess.iter().filter(|v| test(**v)).count();
        let far = self.distance("", TRUE_SCORE);
        let known = count(&far, |v| !v.is_nan());
        let span = |side: &Side| {
            let end = |p: Option<&(f64, usize)>| p.map_or(String::new(), |p| plain(p.0));
            format!("{} from {} to {}", side.label, end(side.points.first()), end(side.points.last()))
        };
        let mut parts = vec![format!(
            "In {} of {known} combinations of {} and {} the ensemble is farther from the true score than its resampling floor ({})",
            count(&far, |v| v > 0.0),
            span(&self.x),
            span(&self.y),
            metrics::name(metric),
        )];
        let ratios = self.ratios();
        for map in self.errors().iter().rev() {
            let (within, all) = (count(map, |v| v <= 0.0), count(map, |v| !v.is_nan()));
            let mut part = format!("{} cannot be told from the ensemble in {within} of {all}", map.name);
            if within < all {
                part += &match self.held_up_to(map) {
                    Some(y) => format!(", at every {} up to {} = {}", self.x.label, self.y.label, plain(y)),
                    None => format!(", at no {} for every {}", self.y.label, self.x.label),
                };
            }
            if let Some(ratio) = ratios.iter().find(|r| r.name == map.name) {
                part += &format!(" (its variance in {})", count(ratio, |v| v <= 0.0));
            }
            parts.push(part);
        }
        Some(parts.join("; ") + ".")
    }

    /// The largest y up to which a map is within its floor at every x.
    fn held_up_to(&self, map: &Map) -> Option<f64> {
        let ny = self.y.points.len();
        let within = |j: usize| map.excess.iter().skip(j).step_by(ny).all(|v| *v <= 0.0);
        let held = (0..ny).take_while(|j| within(*j)).last()?;
        Some(self.y.points[held].0)
    }
}

impl Side {
    fn of(view: &View<'_>, place: usize) -> Option<Self> {
        let SweepKey { key, values } = view.key(place);
        let numbers: Vec<f64> = values.iter().map(serde_json::Value::as_f64).collect::<Option<_>>()?;
        if numbers.len() < FEWEST {
            return None;
        }
        let loads = if key == SAMPLES { view.loads(place) } else { None };
        let label = if loads.is_some() { "F/P".to_owned() } else { symbol(key) };
        let mut points: Vec<(f64, usize)> = loads.unwrap_or(numbers).into_iter().zip(0..).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Some(Self { place, label, points })
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        self.points.iter().enumerate().map(|(i, (v, _))| (i as f64, significant(*v, 2))).collect()
    }
}

/// The key of P, which is shown as the load F/P where the features are the same in all cells.
const SAMPLES: &str = "model.samples";

impl Map {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.numbers.iter().map(|e| e.map_or(f64::NAN, |e| e.value))
    }

    fn has_numbers(&self) -> bool {
        self.numbers.iter().any(Option::is_some)
    }
}
