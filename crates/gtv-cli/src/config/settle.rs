//! Keys that belong to some kinds only: filled in where they are used, refused where they are not.

/// A key that was given though the kind chosen has no use for it, or that breaks a rule of the config itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The key, dotted.
    pub key: String,
    /// What is wrong and what to do.
    pub reason: String,
}

/// The keys of one section under the kind chosen.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    pub name: &'static str,
    /// `kind = "square"`, for messages.
    pub choice: &'a str,
}

impl Section<'_> {
    /// With a default, the key is used: fills it in when absent. Without, the key is refused when present.
    pub fn settle<T>(&self, key: &str, value: &mut Option<T>, default: Option<T>) -> Result<(), Misfit> {
        match default {
            Some(default) => {
                value.get_or_insert(default);
                Ok(())
            }
            None => self.allow(key, value, false),
        }
    }

    /// A key without a default: refused when present and not used.
    pub fn allow<T>(&self, key: &str, value: &Option<T>, used: bool) -> Result<(), Misfit> {
        if used || value.is_none() {
            return Ok(());
        }
        Err(self.misfit(key, format!("is not used with {}; remove it", self.choice)))
    }

    /// An error about one of the section's keys.
    pub fn misfit(&self, key: &str, reason: impl Into<String>) -> Misfit {
        Misfit { key: format!("{}.{key}", self.name), reason: reason.into() }
    }
}
