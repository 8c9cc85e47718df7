//! The values of templates, and the small conversions between them.

use std::borrow::Cow;

/// A value of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// There is none.
    Nothing,
    /// A text.
    Text(String),
    /// An integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// Several texts of one cell.
    List(Vec<String>),
}

/// Writes a value as text.
pub(crate) fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Nothing => Cow::Borrowed(""),
        Value::Text(text) => Cow::Borrowed(text),
        Value::Int(number) => Cow::Owned(number.to_string()),
        Value::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Value::List(texts) => Cow::Owned(texts.join(", ")),
    }
}

/// Makes a value of a text; nothing of an empty one.
pub(crate) fn text_or_nothing(text: &str) -> Value {
    if text.is_empty() { Value::Nothing } else { Value::Text(text.to_owned()) }
}

/// Makes an id of a number that people use: lower case, `-` for each run of what an id cannot hold.
pub(crate) fn id_of(text: &str) -> String {
    let mut id = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_') {
            id.push(c);
        } else if !id.ends_with('-') {
            id.push('-');
        }
    }
    id.trim_start_matches(['-', '.', '_']).trim_end_matches('-').to_owned()
}

/// Reads an integer of at most fifteen digits.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Reads yes or no.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "1" => Some(true),
        "false" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// Returns at most so many bytes, whole characters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_conversions() {
        assert_eq!(id_of("NK-0001/26 (a)"), "nk-0001-26-a");
        assert_eq!(id_of("НК"), "", "an id has no Cyrillic letters: a table must map it");
        assert_eq!(id_of("--a_b.c"), "a_b.c");
        assert_eq!(integer("-12"), Some(-12));
        assert_eq!([integer("1.0"), integer("+1"), integer(""), integer("1234567890123456")], [None; 4]);
        assert_eq!([boolean("Yes"), boolean("0"), boolean("maybe")], [Some(true), Some(false), None]);
        assert_eq!([cut("añb", 2), cut("añb", 3), cut("añb", 9)], ["a", "añ", "añb"]);
    }
}
