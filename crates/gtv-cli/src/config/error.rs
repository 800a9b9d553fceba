//! What can be wrong with a config: always the place, the key, what was found, what was expected.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the config file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// On the command line, e.g. `--set model.samples=64`.
    Argument(String),
    /// Nowhere: the default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Argument(text) => f.write_str(text),
            Self::Default => f.write_str("config"),
        }
    }
}

/// What can be wrong with a config.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// Where.
        place: Place,
        /// The parser's message.
        message: String,
    },
    /// A `--set` that is not KEY=VALUE, or runs into a key that is no table.
    #[error("--set {text}: {reason}")]
    Set {
        /// The argument.
        text: String,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// A key that does not exist.
    #[error("{place}: unknown key `{key}`; {choices}")]
    UnknownKey {
        /// Where.
        place: Place,
        /// The key, dotted.
        key: String,
        /// The keys that exist there.
        choices: Box<Choices>,
    },
    /// A key that goes with other settings than the config's.
    #[error("{place}: `{key}` belongs to {belongs}; this config has {here}: remove it, or set that")]
    OtherKind {
        /// Where.
        place: Place,
        /// The key, dotted.
        key: String,
        /// The settings that it goes with.
        belongs: String,
        /// What the config has instead.
        here: String,
    },
    /// A name that is not one of the choices.
    #[error("{place}: `{key}` is {value:?}; {choices}")]
    UnknownName {
        /// Where.
        place: Place,
        /// The key, dotted.
        key: String,
        /// The name found.
        value: String,
        /// The names that exist.
        choices: Box<Choices>,
    },
    /// A value of the wrong type.
    #[error("{place}: `{key}` is {found}, expected {expected}")]
    WrongType {
        /// Where.
        place: Place,
        /// The key, dotted.
        key: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A value or combination that makes no sense, with the reason in words.
    #[error("{place}: `{key}` {reason}")]
    Value {
        /// Where.
        place: Place,
        /// The key, dotted.
        key: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A value that gtv-theory refuses.
    #[error("{place}: `{key}`: {cause}")]
    Theory {
        /// Where.
        place: Place,
        /// The key or section, dotted.
        key: String,
        /// The reason.
        cause: gtv_theory::Error,
    },
}

/// The names that could have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// The nearest one, when it is near.
    pub nearest: Option<String>,
    /// All of them.
    pub known: Vec<String>,
}

impl Choices {
    /// Names that exist, and the one nearest to what was written.
    pub fn near(written: &str, known: Vec<String>) -> Self {
        let scored = known.iter().map(|k| (strsim::damerau_levenshtein(written, k), k));
        let nearest =
            scored.min().filter(|(distance, k)| *distance <= 1 + k.len() / 3).map(|(_, k)| k.clone());
        Self { nearest, known }
    }
}

impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.join(", ");
        match &self.nearest {
            Some(name) => write!(f, "did you mean `{name}`? (possible: {known})"),
            None => write!(f, "possible: {known}"),
        }
    }
}
