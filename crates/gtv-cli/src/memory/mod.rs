//! Work that cannot fit in memory is refused, with the estimate, before it starts.

mod available;

use std::fmt;

/// Bytes that the program may use, and where the number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    limit: Option<u64>,
    stated: bool,
}

/// An estimate above the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} needs about {} of memory ({formula}), but {}; {advice}",
    Bytes(*.needed),
    if *.stated { format!("--memory-limit is {}", Bytes(*.limit)) } else { format!("only {} is available", Bytes(*.limit)) }
)]
pub struct TooLarge {
    /// The computation.
    pub what: String,
    /// Estimated need in bytes.
    pub needed: u64,
    /// How the estimate is made.
    pub formula: String,
    /// The limit in bytes.
    pub limit: u64,
    /// Whether the user gave the limit.
    pub stated: bool,
    /// What the user can do.
    pub advice: String,
}

impl Budget {
    /// The user's `--memory-limit`, or else what the system says is available (no limit where it does not say).
    pub fn new(stated: Option<u64>) -> Self {
        Self { limit: stated.or_else(available::bytes), stated: stated.is_some() }
    }

    /// The limit in bytes, if there is one.
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Refuses work that is estimated to need more than the limit.
    ///
    /// `formula` says how `needed` (bytes) was estimated, `advice` which setting to lower.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn check(&self, what: &str, needed: f64, formula: &str, advice: &str) -> Result<(), TooLarge> {
        match self.limit {
            Some(limit) if needed > limit as f64 => Err(TooLarge {
                what: what.to_owned(),
                needed: needed as u64,
                formula: formula.to_owned(),
                limit,
                stated: self.stated,
                advice: advice.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// A number of bytes for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(
    /// The number of bytes.
    pub u64,
);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        if unit == 0 { write!(f, "{} B", self.0) } else { write!(f, "{value:.1} {}", UNITS[unit]) }
    }
}

/// Parses `512MiB`, `8G`, `8GB`, `1073741824`: K, M, G, T are powers of 1024 with or without `iB`, of 1000 with `B`.
///
/// # Errors
/// A message that says what was expected.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let expected = || format!("expected a size such as 8GiB or 500MB, found {text:?}");
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| expected())?;
    let unit = unit.trim().to_ascii_lowercase();
    let power = match unit.chars().next() {
        None | Some('b') => 0,
        Some(letter) => 1 + "kmgt".find(letter).ok_or_else(expected)? as i32,
    };
    let base: f64 = match unit.get(1..).unwrap_or("") {
        "" | "ib" => 1024.0,
        "b" if power > 0 => 1000.0,
        _ => return Err(expected()),
    };
    let bytes = number * base.powi(power);
    if (1.0..1e18).contains(&bytes) { Ok(bytes as u64) } else { Err(expected()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_parse_and_print() {
        for (text, bytes) in
            [("1024", 1024), ("2k", 2048), ("8GiB", 8 << 30), ("1.5MB", 1_500_000), ("7b", 7)]
        {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for bad in ["", "GiB", "-1", "1x", "1kibb", "0", "1e9", "1bb"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(Bytes(1536).to_string(), "1.5 KiB");
        assert_eq!(Bytes(u64::MAX).to_string(), "16.0 EiB");
    }

    #[test]
    fn the_refusal_names_need_limit_and_remedy() {
        let budget = Budget::new(Some(1 << 20));
        assert!(budget.check("a matrix", 1e6, "8 F^2", "lower F").is_ok());
        let refused =
            budget.check("a matrix", 2e9, "8 F^2", "lower model.features.x").unwrap_err().to_string();
        for part in ["a matrix", "1.9 GiB", "8 F^2", "1.0 MiB", "--memory-limit", "lower model.features.x"] {
            assert!(refused.contains(part), "{refused}");
        }
    }
}
