//! What single training runs say of all others: the tables of the report, and of the terminal.

use super::levels::{ENSEMBLE, MEAN_SCORE, label};
use super::number::{plain, with_error};
use super::sections::{head, near_radius};
use super::table::{Table, TableRow};
use super::view::one_run_level;
use crate::record::{Fidelity, LeastCertain, OneRunNumbers, Record, SpreadRecord};

/// Data whose masses are listed one by one.
const LISTED: usize = 8;

/// What the run of one network says of its retrainings, where there is no ensemble.
pub fn answer(record: &Record) -> Option<String> {
    let spread = record.levels.get(&one_run_level(record)?)?.spread.as_ref()?;
    let metric = if record.dimension == 1 { "W₁" } else { "sliced W₂" };
    let largest = spread.mass_near.iter().copied().fold(0.0, f64::max);
    let masses = if spread.mass_near.is_empty() {
        String::new()
    } else {
        format!("; the mass near a datum has a standard deviation of up to {}", plain(largest))
    };
    let gaps =
        spread.gap_mass.map_or(String::new(), |gap| format!(", the mass in gaps one of {}", plain(gap)));
    Some(format!(
        "Trained again on other data, this network would be {metric} = {} from the average of all its retrainings{masses}{gaps}. So its \
         own run says, to first order and without another training; the average is the network less its own deviation.",
        plain(spread.from_average)
    ))
}

/// The tables, each only where there is something in it.
pub fn tables(record: &Record) -> Vec<Table> {
    match &record.one_run {
        None => Vec::new(),
        Some(numbers) => vec![spreads(record), shares(numbers), fidelity(numbers), least_certain(numbers)],
    }
}

/// How much retrainings differ: predicted from single runs, and measured where there is an ensemble.
fn spreads(record: &Record) -> Table {
    let level = one_run_level(record).unwrap_or_default();
    let levels = [(level.as_str(), "predicted"), (ENSEMBLE, "measured")];
    let found: Vec<(&str, &SpreadRecord)> = levels
        .into_iter()
        .filter_map(|(level, said)| Some((said, record.levels.get(level)?.spread.as_ref()?)))
        .collect();
    let of = |number: &dyn Fn(&SpreadRecord) -> Option<f64>| -> Vec<Option<String>> {
        found.iter().map(|(_, spread)| number(spread).map(plain)).collect()
    };
    let data = found.iter().map(|(_, s)| s.mass_near.len()).max().unwrap_or(0);
    let own = |m: usize| {
        let own = record.levels.get(MEAN_SCORE).and_then(|l| l.mass_near.get(m));
        own.map_or(String::new(), |e| format!(" ({} of this network's samples)", plain(e.value)))
    };
    let mut rows: Vec<TableRow> = (0..data.min(LISTED))
        .map(|m| {
            let name = format!("mass near datum {}{}", m + 1, own(m));
            TableRow::new(name, of(&|s| s.mass_near.get(m).copied()))
        })
        .collect();
    if found.iter().any(|(_, s)| s.gap_mass.is_some()) {
        rows.push(TableRow::new("mass in gaps".to_owned(), of(&|s| s.gap_mass)));
    }
    if !found.is_empty() {
        let name = "distance of one network from the average of all".to_owned();
        rows.push(TableRow::new(name, of(&|s| Some(s.from_average))));
    }
    let within = near_radius(record).map_or(String::new(), |r| format!(" Near: within {r}."));
    let columns: Vec<&str> = found.iter().map(|(said, _)| *said).collect();
    Table {
        caption: "How much retrainings on other data differ".into(),
        head: head(&[&["Standard deviation between networks"], &columns[..]].concat()),
        rows,
        note: format!(
            "What so many samples of each network show by themselves is taken out of the masses.{within} Distance: W₁ on a line, \
             sliced W₂ in more dimensions, its mean over networks."
        ),
        ..Table::default()
    }
}

/// Where the predicted variance comes from.
fn shares(numbers: &OneRunNumbers) -> Table {
    let shares = &numbers.run.shares;
    let total = shares.data + shares.batches + shares.initial;
    let row = |name: &str, value: f64| {
        let percent = if total > 0.0 { format!("{:.1} %", 100.0 * value / total) } else { "–".to_owned() };
        TableRow::new(name.to_owned(), [plain(value), percent])
    };
    let gap = numbers.gap.map_or(String::new(), |gap| {
        format!(
            " The generalisation gap, {}, asks for {} in all ({} to {} within its error), by ridge regression.",
            with_error(gap.gap, Some(gap.gap_se)),
            plain(gap.variance),
            plain(gap.variance_range.0),
            plain(gap.variance_range.1)
        )
    });
    Table {
        caption: "Where the variance between retrainings comes from, E w tr Var y".into(),
        head: head(&["Source", "Variance", "Share"]),
        rows: vec![
            row("which data are drawn", shares.data),
            row("which batches", shares.batches),
            row("what is left of the initialisation", shares.initial),
        ],
        note: format!(
            "From {} directions of the parameters of {} network{}; they miss {} % of the curvature's trace. Training has learned {} \
             modes.{gap}",
            numbers.run.directions,
            numbers.run.anchors,
            if numbers.run.anchors == 1 { "" } else { "s" },
            plain(100.0 * shares.missed),
            plain(shares.effective_features)
        ),
        ..Table::default()
    }
}

/// Predictions beside the measured covariance.
fn fidelity(numbers: &OneRunNumbers) -> Table {
    let Some(found) = &numbers.fidelity else { return Table::default() };
    let row = |name: String, f: &Fidelity| {
        TableRow::new(name, [f.variance_ratio, f.log_correlation, f.cosine].map(plain))
    };
    let mut rows: Vec<TableRow> =
        found.single.iter().enumerate().map(|(i, f)| row(format!("network {i} alone"), f)).collect();
    if rows.len() > 1 {
        rows.push(row(format!("{} networks averaged", rows.len()), &found.averaged));
    }
    rows.extend(found.gap.iter().map(|f| row("the ridge of their generalisation gap".to_owned(), f)));
    rows.push(row("one half of the ensemble for the other".to_owned(), &found.halves));
    rows.push(row("an F that varies alike everywhere".to_owned(), &found.constant));
    Table {
        caption: "Predicted and measured covariance of the networks' own part F, y = skip x + out F".into(),
        head: head(&["From", "Variance ratio", "Correlation of ln Var F", "Cosine of Cov F"]),
        rows,
        note: format!(
            "At {} places with t in the first 0.3 of [ε, T]. Variance ratio: E tr Var y, predicted over measured, and known to {} %, as \
             members differ. The last row has the measured total, and shows what is owed to out alone.",
            found.places,
            plain(100.0 * found.error)
        ),
        ..Table::default()
    }
}

/// The worst places.
fn least_certain(numbers: &OneRunNumbers) -> Table {
    let row = |place: &LeastCertain| {
        let x: Vec<String> = place.x.iter().take(LISTED).map(|v| plain(*v)).collect();
        TableRow::new(x.join(", "), [plain(place.t), plain(place.noise_std)])
    };
    Table {
        caption: "Places of the training distribution where the score is least certain".into(),
        head: head(&["x", "t", "Standard deviation of σ ŝ"]),
        rows: numbers.least_certain.iter().map(row).collect(),
        folded: true,
        ..Table::default()
    }
}

/// The table that ends `gtv-cli bands`.
pub fn bands_table(record: &Record) -> String {
    let table = spreads(record);
    let rows = table.rows.iter().map(|row| {
        let cells: Vec<&str> = row.cells.iter().map(|cell| cell.text.as_str()).collect();
        format!("{:<68} {}", row.name.text, cells.join("  "))
    });
    let first = label(MEAN_SCORE);
    let head = format!("{} and its retrainings: standard deviation between networks", first);
    std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n")
}
