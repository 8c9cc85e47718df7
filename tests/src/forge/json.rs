//! Ordered JSON that can also be wrong.
//!
//! Members keep the order in which they were given and may repeat; [`Json::Raw`] puts any text
//! where a value belongs. [`Json::EventOf`] is filled in when a script is built,
//! so that a body can name the event hash of an entry that does not exist yet.

use std::collections::BTreeMap;

/// A JSON value, a piece of raw text in its place, or a name to be resolved later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A string, written with the escapes that JSON requires and no others.
    Str(String),
    /// An array.
    Arr(Vec<Json>),
    /// An object, members in the given order.
    Obj(Vec<(String, Json)>),
    /// Text that is written as it is: the way to malformed values.
    Raw(String),
    /// The event hash of the entry with this label.
    EventOf(String),
    /// The id of the ledger being built.
    LedgerId,
}

impl Json {
    /// An object from pairs.
    pub fn object<const N: usize>(members: [(&str, Json); N]) -> Self {
        Self::Obj(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    }

    /// Text to be written as it is.
    pub fn raw(text: impl Into<String>) -> Self {
        Self::Raw(text.into())
    }

    /// The event hash of the entry with this label.
    pub fn event_of(label: &str) -> Self {
        Self::EventOf(label.to_owned())
    }

    /// Sets a member of an object, replacing the first of that name.
    ///
    /// # Panics
    ///
    /// If the value is not an object.
    pub fn set(&mut self, name: &str, value: impl Into<Json>) -> &mut Self {
        let Self::Obj(members) = self else { panic!("not an object: {self:?}") };
        let value = value.into();
        match members.iter_mut().find(|(k, _)| k == name) {
            Some((_, old)) => *old = value,
            None => members.push((name.to_owned(), value)),
        }
        self
    }

    /// The same object with a member set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.set(name, value);
        self
    }

    /// The same object without a member.
    ///
    /// # Panics
    ///
    /// If the value is not an object that has this member.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        let Self::Obj(members) = &mut self else { panic!("not an object: {self:?}") };
        let before = members.len();
        members.retain(|(k, _)| k != name);
        assert_ne!(before, members.len(), "no member {name} to take away");
        self
    }

    /// The value at a path of member names and array indexes.
    ///
    /// # Panics
    ///
    /// If there is nothing at the path.
    pub fn at(&mut self, path: &[&str]) -> &mut Json {
        let mut here = self;
        for step in path {
            here = match here {
                Self::Obj(members) => {
                    &mut members.iter_mut().find(|(k, _)| k == step).unwrap_or_else(|| panic!("no member {step}")).1
                }
                Self::Arr(items) => &mut items[step.parse::<usize>().expect("an array index")],
                other => panic!("nothing at {step} in {other:?}"),
            };
        }
        here
    }

    /// The members of an object.
    ///
    /// # Panics
    ///
    /// If the value is not an object.
    pub fn members(&self) -> &[(String, Json)] {
        let Self::Obj(members) = self else { panic!("not an object: {self:?}") };
        members
    }

    /// Replaces [`Json::EventOf`] and [`Json::LedgerId`] by the hashes.
    ///
    /// # Panics
    ///
    /// If a label is unknown.
    pub fn resolve(&mut self, events: &BTreeMap<String, String>, ledger: &str) {
        match self {
            Self::Arr(items) => items.iter_mut().for_each(|v| v.resolve(events, ledger)),
            Self::Obj(members) => members.iter_mut().for_each(|(_, v)| v.resolve(events, ledger)),
            Self::EventOf(label) => {
                let hash = events.get(label).unwrap_or_else(|| panic!("no event labelled {label} yet"));
                *self = Self::Str(hash.clone());
            }
            Self::LedgerId => *self = Self::Str(ledger.to_owned()),
            _ => {}
        }
    }

    /// Collects the labels that the value names.
    pub fn labels<'a>(&'a self, into: &mut Vec<&'a str>) {
        match self {
            Self::Arr(items) => items.iter().for_each(|v| v.labels(into)),
            Self::Obj(members) => members.iter().for_each(|(_, v)| v.labels(into)),
            Self::EventOf(label) => into.push(label),
            _ => {}
        }
    }

    /// The text, without white space.
    ///
    /// # Panics
    ///
    /// If a label is not resolved.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Self::Int(n) => out.push_str(&n.to_string()),
            Self::Str(s) => write_string(s, out),
            Self::Raw(s) => out.push_str(s),
            Self::Arr(items) => {
                out.push('[');
                for (i, v) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    v.write(out);
                }
                out.push(']');
            }
            Self::Obj(members) => {
                out.push('{');
                for (i, (k, v)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_string(k, out);
                    out.push(':');
                    v.write(out);
                }
                out.push('}');
            }
            Self::EventOf(label) => panic!("event {label} was not resolved"),
            Self::LedgerId => panic!("the ledger id was not resolved"),
        }
    }
}

/// Writes a JSON string: `"`, `\` and controls escaped, all else as it is.
fn write_string(s: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(s).expect("a string is always JSON"));
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Number(n) => Self::Raw(n.to_string()),
            Value::String(s) => Self::Str(s.clone()),
            Value::Array(items) => Self::Arr(items.iter().map(Self::from).collect()),
            Value::Object(members) => Self::Obj(members.iter().map(|(k, v)| (k.clone(), v.into())).collect()),
        }
    }
}
impl From<&str> for Json {
    fn from(s: &str) -> Self {
        Self::Str(s.to_owned())
    }
}
impl From<String> for Json {
    fn from(s: String) -> Self {
        Self::Str(s)
    }
}
impl From<&String> for Json {
    fn from(s: &String) -> Self {
        Self::Str(s.clone())
    }
}
impl From<i64> for Json {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}
impl From<bool> for Json {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}
impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(v: Vec<T>) -> Self {
        Self::Arr(v.into_iter().map(Into::into).collect())
    }
}

/// Builds a [`Json`] from something that looks like it: `j!({"a": 1, "b": [x, "y"], "c": (some.expression())})`.
#[macro_export]
macro_rules! j {
    (null) => { $crate::forge::Json::Null };
    ([ $($e:tt),* $(,)? ]) => { $crate::forge::Json::Arr(vec![ $( $crate::j!($e) ),* ]) };
    ({ $($k:literal : $v:tt),* $(,)? }) => {
        $crate::forge::Json::Obj(vec![ $( (String::from($k), $crate::j!($v)) ),* ])
    };
    ($e:expr) => { $crate::forge::Json::from($e) };
}
