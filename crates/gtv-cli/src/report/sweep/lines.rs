//! Lines of a sweep: numbers of each level against a swept setting.

use super::symbols::symbol;
use super::view::{Group, View};
use super::{Drawn, SweepFigure};
use crate::plot::{LinePanel, LineSeries, Lines, Spacing};
use crate::record::{Estimate, shown};
use crate::report::levels::{DATA, card, closure, key, of_closure, ranked};
use crate::report::metrics;
use crate::report::number::significant;

/// Most panels of a figure; further combinations are in the tables alone.
const MOST_PANELS: usize = 12;

impl View<'_> {
    /// The key on the horizontal axis: the first numeric one with several values, else the first.
    fn axis(&self) -> Option<usize> {
        let key = |k: &usize| &self.record.keys[self.keys[*k]];
        let several = |k: &usize| key(k).values.len() > 1;
        let numeric = |k: &usize| key(k).values.iter().all(serde_json::Value::is_number);
        let all = || 0..self.keys.len();
        all().find(|k| several(k) && numeric(k)).or_else(|| all().find(several)).or_else(|| all().next())
    }

    fn spacing(&self) -> Spacing {
        let Some(axis) = self.axis() else { return Spacing::Names(vec!["all seeds".into()]) };
        let values = &self.record.keys[self.keys[axis]].values;
        match values.iter().map(serde_json::Value::as_f64).collect::<Option<Vec<f64>>>() {
            Some(numbers) if is_logarithmic(&numbers) => Spacing::Log,
            Some(_) => Spacing::Linear,
            None => Spacing::Names(values.iter().map(shown).collect()),
        }
    }

    /// Where a group stands on the horizontal axis.
    fn position(&self, group: &Group<'_>) -> f64 {
        let Some(axis) = self.axis() else { return 0.0 };
        let values = &self.record.keys[self.keys[axis]].values;
        let names = values.iter().any(|v| !v.is_number());
        let place = values.iter().position(|v| v == group.values[axis]).unwrap_or(0);
        if names { place as f64 } else { group.values[axis].as_f64().unwrap_or(0.0) }
    }

    /// Lines of the levels, whose numbers `number` finds.
    fn lines(&self, levels: &[String], number: impl Fn(&Group<'_>, &str) -> Option<Estimate>) -> Lines {
        let axis = self.axis();
        let others = |g: &Group<'_>| {
            let named = (0..self.keys.len()).filter(|k| {
                axis.is_none_or(|a| a != *k && !self.go_together(a, *k)) && self.key(*k).values.len() > 1
            });
            let named = named.map(|k| format!("{} = {}", symbol(&self.key(k).key), value_text(g.values[k])));
            named.collect::<Vec<_>>().join(", ")
        };
        let mut titles: Vec<String> = Vec::new();
        for group in &self.groups {
            let title = others(group);
            if !titles.contains(&title) {
                titles.push(title);
            }
        }
        titles.truncate(MOST_PANELS);
        let panel = |title: &String| {
            let mut groups: Vec<&Group<'_>> = self.groups.iter().filter(|g| others(g) == *title).collect();
            groups.sort_by(|a, b| self.position(a).total_cmp(&self.position(b)));
            let series = levels.iter().map(|level| {
                let point = |g: &&Group<'_>| Some((self.position(g), number(g, level)?));
                LineSeries { key: key(level), points: groups.iter().filter_map(point).collect() }
            });
            let floor = groups.iter().filter_map(|g| {
                let floors = levels.iter().filter(|l| closure(l).is_some());
                let floor = floors.filter_map(|l| number(g, l)?.floor).fold(f64::NAN, f64::max);
                floor.is_finite().then(|| (self.position(g), floor))
            });
            LinePanel { title: title.clone(), series: series.collect(), floor: floor.collect() }
        };
        Lines {
            panels: titles.iter().map(panel).collect(),
            x_label: axis.map_or_else(String::new, |k| symbol(&self.key(k).key)),
            spacing: self.spacing(),
            ..Lines::default()
        }
    }

    /// The figures of every sweep.
    pub fn figures(&self) -> Vec<SweepFigure> {
        let bars = self.spread().unwrap_or("intervals as in the cells' reports");
        let mut figures = Vec::new();
        let learned = |levels: Vec<String>| -> Vec<String> {
            levels.into_iter().filter(|l| card(l).role > card(DATA).role).collect()
        };
        if let Some(metric) = &self.metric {
            let lines = self.lines(&learned(self.levels()), |g, l| self.distance(g, l));
            figures.push(SweepFigure {
                id: "sweep_distance",
                caption: format!(
                    "Distance of each level to the trained ensemble; {bars}. In the grey area a level cannot be told from the \
                     ensemble."
                ),
                alt: "Distance of each level to the trained ensemble against the swept setting",
                drawn: Drawn::Lines(Lines { y_label: metrics::labelled(metric, " to the ensemble"), ..lines }),
                table: None,
            });
        }
        let closures = self.parts(|n| n.strip_prefix("kernel.")?.strip_suffix(".variance_ratio"));
        if !closures.is_empty() {
            let theories: Vec<String> = closures.iter().map(|c| of_closure(c)).collect();
            let theories: Vec<String> =
                ranked(theories.iter().map(String::as_str)).into_iter().map(str::to_owned).collect();
            let name = |l: &str| format!("kernel.{}.variance_ratio", closure(l).unwrap_or(l));
            let lines = self.lines(&theories, |g, l| g.number(&name(l)));
            figures.push(SweepFigure {
                id: "sweep_variance_ratio",
                caption: format!(
                    "Variance of the learned prediction y over the training distribution, predicted over measured; {bars}. 1 is \
                     right."
                ),
                alt: "Ratio of predicted to measured total variance against the swept setting",
                drawn: Drawn::Lines(Lines {
                    y_label: "predicted / measured variance of y".into(),
                    reference: Some(1.0),
                    ..lines
                }),
                table: None,
            });
        }
        let levels = learned(self.parts(|n| n.strip_prefix("levels.")?.strip_suffix(".gap_mass")));
        if !levels.is_empty() {
            let lines = self.lines(&levels, |g, l| g.number(&format!("levels.{l}.gap_mass")));
            figures.push(SweepFigure {
                id: "sweep_gap_mass",
                caption: format!("Share of samples near no datum, by level; {bars}."),
                alt: "Share of samples near no datum, by level, against the swept setting",
                drawn: Drawn::Lines(Lines { y_label: "mass in gaps".into(), ..lines }),
                table: None,
            });
        }
        figures
    }
}

/// Whether values are spaced more evenly in their logarithm; two values are where they differ tenfold.
pub fn is_logarithmic(values: &[f64]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let [first, .., last] = sorted[..] else { return false };
    if first <= 0.0 {
        return false;
    }
    if sorted.len() == 2 {
        return last / first >= 10.0;
    }
    let unevenness = |f: fn(f64) -> f64| {
        let steps: Vec<f64> = sorted.windows(2).map(|w| f(w[1]) - f(w[0])).collect();
        let (least, most) = steps.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), s| (a.min(*s), b.max(*s)));
        most / least
    };
    unevenness(f64::ln) < unevenness(|v| v)
}

/// A swept value in a title.
fn value_text(value: &serde_json::Value) -> String {
    value.as_f64().filter(|_| value.is_f64()).map_or_else(|| shown(value), |v| significant(v, 3))
}
