//! Reading a closed set of members from a JSON object (SPEC §1): each fault names the path, what was expected
//! there and what was found.

use std::borrow::Cow;
use std::fmt;

use crate::escape::quoted;
use crate::hash::Hash;
use crate::json::{MAX_INTEGER, Value};
use crate::time::Instant;

/// A place that does not have the stated form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// JSON pointer into the payload or line, or a word for the place.
    pub path: String,
    /// The form that was expected.
    pub expected: String,
    /// What stands there, cut and escaped for printing.
    pub found: String,
}

impl Malformed {
    /// A fault at a path.
    pub fn new(path: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Malformed {
        Malformed { path: path.into(), expected: expected.into(), found: found.into() }
    }

    /// The fault, moved under a parent path.
    pub fn under(mut self, parent: &str) -> Malformed {
        self.path.insert_str(0, parent);
        self
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.path, self.expected, self.found)
    }
}

impl std::error::Error for Malformed {}

/// Shows a value for a message: strings quoted, containers by their type.
pub fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Str(text) => quoted(text),
        Value::Int(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        other => other.type_name().to_owned(),
    }
}

/// The members of one object, taken one by one; [`Fields::finish`] refuses what is left.
pub struct Fields<'v, 'a> {
    path: Cow<'static, str>,
    members: &'v [(Cow<'a, str>, Value<'a>)],
    taken: Vec<bool>,
}

impl<'v, 'a> Fields<'v, 'a> {
    /// Starts on an object that stands at `path`.
    ///
    /// # Errors
    /// If the value is not an object.
    pub fn of(path: impl Into<Cow<'static, str>>, value: &'v Value<'a>) -> Result<Fields<'v, 'a>, Malformed> {
        let path = path.into();
        match value {
            Value::Object(members) => Ok(Fields { path, members, taken: vec![false; members.len()] }),
            other => Err(Malformed::new(path, "an object", shown(other))),
        }
    }

    /// The path of a member.
    pub fn path_of(&self, name: &str) -> String {
        format!("{}/{}", self.path, quoted_token(name))
    }

    /// A fault at a member.
    pub fn fault(&self, name: &str, expected: impl Into<String>, found: &Value<'_>) -> Malformed {
        Malformed::new(self.path_of(name), expected, shown(found))
    }

    /// Takes a member that may be absent.
    pub fn optional(&mut self, name: &str) -> Option<&'v Value<'a>> {
        let at = self.members.iter().position(|(n, _)| n == name)?;
        self.taken[at] = true;
        Some(&self.members[at].1)
    }

    /// Takes a member that must be there.
    ///
    /// # Errors
    /// If it is absent.
    pub fn required(&mut self, name: &str) -> Result<&'v Value<'a>, Malformed> {
        self.optional(name).ok_or_else(|| Malformed::new(self.path_of(name), "this member", "nothing"))
    }

    /// Refuses members that nobody took.
    ///
    /// # Errors
    /// Names the first unknown member.
    pub fn finish(self) -> Result<(), Malformed> {
        match self.taken.iter().position(|taken| !taken) {
            None => Ok(()),
            Some(at) => {
                let name = &self.members[at].0;
                Err(Malformed::new(
                    self.path_of(name),
                    "no member beside those of the format",
                    format!("member {}", quoted(name)),
                ))
            }
        }
    }

    /// Takes a string of a stated form.
    ///
    /// # Errors
    /// If it is absent, not a string, or not of the form.
    pub fn text(&mut self, name: &str, expected: &str, form: impl Fn(&str) -> bool) -> Result<&'v str, Malformed> {
        let value = self.required(name)?;
        match value {
            Value::Str(text) if form(text) => Ok(text),
            other => Err(self.fault(name, expected, other)),
        }
    }

    /// Takes a string member that may be absent.
    ///
    /// # Errors
    /// If it is there and not a string of the form.
    pub fn optional_text(
        &mut self,
        name: &str,
        expected: &str,
        form: impl Fn(&str) -> bool,
    ) -> Result<Option<&'v str>, Malformed> {
        match self.optional(name) {
            None => Ok(None),
            Some(Value::Str(text)) if form(text) => Ok(Some(text)),
            Some(other) => Err(self.fault(name, expected, other)),
        }
    }

    /// Takes a SHA-256 in hex.
    ///
    /// # Errors
    /// If it is absent or not 64 lower-case hex digits.
    pub fn hash(&mut self, name: &str) -> Result<Hash, Malformed> {
        let value = self.required(name)?;
        value
            .as_str()
            .and_then(|text| Hash::from_hex(text.as_bytes()))
            .ok_or_else(|| self.fault(name, "64 lower-case hex digits", value))
    }

    /// Takes a time T (SPEC §1).
    ///
    /// # Errors
    /// If it is absent or not of the form.
    pub fn time(&mut self, name: &str) -> Result<Instant, Malformed> {
        let value = self.required(name)?;
        value
            .as_str()
            .and_then(Instant::parse)
            .ok_or_else(|| self.fault(name, "a time YYYY-MM-DDThh:mm:ss[.sss]Z", value))
    }

    /// Takes an integer within inclusive bounds.
    ///
    /// # Errors
    /// If it is absent, not an integer or outside.
    pub fn integer(&mut self, name: &str, low: i64, high: i64) -> Result<i64, Malformed> {
        match self.required(name)? {
            Value::Int(n) if (low..=high).contains(n) => Ok(*n),
            other if high == MAX_INTEGER => Err(self.fault(name, format!("an integer from {low}"), other)),
            other => Err(self.fault(name, format!("an integer {low} to {high}"), other)),
        }
    }

    /// Takes an array.
    ///
    /// # Errors
    /// If it is absent or not an array.
    pub fn array(&mut self, name: &str) -> Result<&'v [Value<'a>], Malformed> {
        match self.required(name)? {
            Value::Array(items) => Ok(items),
            other => Err(self.fault(name, "an array", other)),
        }
    }
}

/// A member name as part of a printed path.
fn quoted_token(name: &str) -> String {
    let plain =
        !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if plain { name.to_owned() } else { quoted(name) }
}

/// Reads an array of distinct strings of a form.
///
/// # Errors
/// Names the first element that is not of the form or is there twice.
pub fn distinct_texts(
    path: &str,
    value: &Value<'_>,
    expected: &str,
    form: impl Fn(&str) -> bool,
) -> Result<Vec<String>, Malformed> {
    let texts = texts(path, value, expected, form)?;
    let mut seen = std::collections::HashSet::new();
    for (at, text) in texts.iter().enumerate() {
        if !seen.insert(text.as_str()) {
            return Err(Malformed::new(format!("{path}/{at}"), "distinct elements", format!("{} again", quoted(text))));
        }
    }
    Ok(texts)
}

/// Reads an array of strings of a form.
///
/// # Errors
/// Names the first element that is not of the form.
pub fn texts(
    path: &str,
    value: &Value<'_>,
    expected: &str,
    form: impl Fn(&str) -> bool,
) -> Result<Vec<String>, Malformed> {
    let Value::Array(items) = value else {
        return Err(Malformed::new(path, format!("an array of {expected}"), shown(value)));
    };
    items
        .iter()
        .enumerate()
        .map(|(at, item)| match item {
            Value::Str(text) if form(text) => Ok(text.to_string()),
            other => Err(Malformed::new(format!("{path}/{at}"), expected, shown(other))),
        })
        .collect()
}
