//! How numbers are written in reports: three significant digits, true minus signs, intervals in brackets.

use crate::plot::superscript;
use crate::record::Estimate;

/// A number with `digits` significant digits; powers of ten outside 1e-4 … 1e6.
pub fn significant(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "–".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".into() } else { "−∞".into() };
    }
    if value == 0.0 {
        return "0".into();
    }
    // Scientific notation rounds first, so that 0.9996 has the exponent of 1.00.
    let scientific = format!("{:.*e}", digits.saturating_sub(1), value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let text = if (-4..6).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{mantissa}·10{}", superscript(exponent))
    };
    text.replacen('-', "−", 1)
}

/// A value with its standard error, where there is one.
pub fn with_error(value: f64, se: Option<f64>) -> String {
    match se {
        Some(se) => format!("{} ± {}", plain(value), significant(se, 2)),
        None => plain(value),
    }
}

/// Three significant digits.
pub fn plain(value: f64) -> String {
    significant(value, 3)
}

/// The ends of an interval, as `[lo, hi]`; nothing where they are unknown.
pub fn bracket(ends: Option<(f64, f64)>) -> String {
    ends.map_or_else(String::new, |(lo, hi)| format!("[{}, {}]", plain(lo), plain(hi)))
}

/// `value [lo, hi]`.
pub fn estimate(e: &Estimate) -> String {
    format!("{} {}", plain(e.value), bracket(e.ends())).trim_end().to_owned()
}

/// Seconds, as a reader says them.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s.is_nan() => "–".into(),
        s if s < 0.9995 => format!("{:.0} ms", 1e3 * s),
        s if s < 99.5 => format!("{} s", plain(s)),
        s if s < 5400.0 => format!("{} min {:02} s", (s / 60.0) as u64, (s % 60.0) as u64),
        s => format!("{} h {:02} min", (s / 3600.0) as u64, (s % 3600.0 / 60.0) as u64),
    }
}

/// An integer with thin spaces between groups of three digits.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap_or("")).collect();
    groups.join("\u{202f}")
}
