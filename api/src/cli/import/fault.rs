//! What is said of a row: why it is quarantined, and what was changed in it on the way.

use std::fmt;

use crate::escape::quoted;

/// How much of a value a reason quotes, in characters.
const QUOTED: usize = 60;

/// Why a row cannot be recorded as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The column or columns to mend; empty when it is none of them alone.
    pub(crate) field: String,
    /// What was expected and what was found.
    pub(crate) reason: String,
}

impl Fault {
    /// Makes a fault of a sentence.
    pub(crate) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// Makes a fault of what was expected and the text that was found.
    pub(crate) fn expected(field: impl Into<String>, expected: &str, found: &str) -> Self {
        Self::new(field, format!("expected {expected}, found {}", quote(found)))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() { f.write_str(&self.reason) } else { write!(f, "{}: {}", self.field, self.reason) }
    }
}

/// What was changed, or is odd, in a row that is recorded all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    /// Its sort, for the summary.
    pub(crate) sort: &'static str,
    /// The column or the member of the body.
    pub(crate) field: String,
    /// What was done.
    pub(crate) text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.text)
    }
}

/// Quotes a value, shortened, with what does not print escaped.
pub(crate) fn quote(text: &str) -> String {
    let mut cut: String = text.chars().take(QUOTED).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    quoted(&cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_values_are_short_and_print() {
        assert_eq!(quote("a\"b"), r#""a\"b""#);
        assert_eq!(quote("a\u{202e}b\n"), "\"a\\u{202e}b\\u{a}\"");
        assert_eq!(quote("Кириллица"), "\"Кириллица\"");
        assert_eq!(quote(&"x".repeat(100)).chars().count(), 63);
    }
}
