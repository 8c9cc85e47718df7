//! Rows written as JSON objects, one a line.
//!
//! A member of an object within the object is the column `outer.inner`. Numbers keep the digits that they are written
//! with. An array is no value of a column: it keeps its text.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::read::OWN_COLUMNS;

/// How deep objects may lie within one another.
const MAX_DEPTH: usize = 8;

/// The member under which a quarantine file keeps a line that was no JSON object.
pub(crate) const LINE_MEMBER: &str = "_line";

/// Reads a row: the line without this program's members, and its values or why there are none.
pub(crate) fn read(line: &[u8]) -> (Vec<u8>, Result<BTreeMap<String, String>, String>) {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => {
            return (line.to_vec(), Err(format!("expected UTF-8, found another byte at {}", error.valid_up_to() + 1)));
        }
    };
    let members = match serde_json::from_str::<Members<'_>>(text) {
        Ok(members) => members.0,
        Err(error) => return (line.to_vec(), Err(format!("expected a JSON object: {error}"))),
    };
    if let Some((_, kept)) = members.iter().find(|(name, _)| name == LINE_MEMBER) {
        return match serde_json::from_str::<String>(kept.get()) {
            Ok(kept) if !kept.contains(LINE_MEMBER) => read(kept.as_bytes()),
            _ => (line.to_vec(), Err(format!("expected a line as text in {LINE_MEMBER}"))),
        };
    }
    let ours = |name: &str| OWN_COLUMNS.contains(&name);
    let kept = if members.iter().any(|(name, _)| ours(name)) { without_own(&members) } else { text.to_owned() };
    let mut columns = BTreeMap::new();
    let flat = flatten("", &members, 0, &mut columns);
    OWN_COLUMNS.iter().for_each(|name| drop(columns.remove(*name)));
    (kept.into_bytes(), flat.map(|()| columns))
}

fn without_own(members: &[(String, &RawValue)]) -> String {
    let mut text = String::from("{");
    for (name, value) in members.iter().filter(|(name, _)| !OWN_COLUMNS.contains(&name.as_str())) {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::Value::from(name.as_str()).to_string());
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    text
}

fn flatten(
    prefix: &str,
    members: &[(String, &RawValue)],
    depth: usize,
    columns: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("expected at most {MAX_DEPTH} objects within one another, found more"));
    }
    for (name, value) in members {
        let column = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let text = value.get();
        let cell = match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map_err(|e| format!("{column}: {e}"))?,
            Some(b'{') => {
                let inner: Members<'_> = serde_json::from_str(text).map_err(|e| format!("{column}: {e}"))?;
                flatten(&column, &inner.0, depth + 1, columns)?;
                continue;
            }
            _ if text == "null" => continue,
            _ => text.to_owned(),
        };
        columns.insert(column, cell);
    }
    Ok(())
}

/// The members of an object as they are written, no name twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(de::Error::custom(format_args!("the member {name:?} stands twice")));
                    }
                    members.push((name, map.next_value()?));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(MembersVisitor).map(Self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_keep_their_digits() {
        let (_, columns) = read(br#"{"a":103.82000000000001,"b":{"c":"x"},"d":[1],"e":null,"_row":4}"#);
        let columns = columns.unwrap();
        let pairs: Vec<(&str, &str)> = columns.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("a", "103.82000000000001"), ("b.c", "x"), ("d", "[1]")]);
    }

    #[test]
    fn quarantined_lines_come_back() {
        assert_eq!(read(br#"{"_row":1,"_reason":"r","_field":"","a": 1}"#).0, br#"{"a":1}"#);
        assert_eq!(read(br#"{"_row":1,"_line":"{\"a\":2}"}"#).1.unwrap()["a"], "2");
        assert!(read(br#"{"_line":"{\"_line\":\"\"}"}"#).1.is_err());
        assert!(read(br#"[1]"#).1.unwrap_err().starts_with("expected a JSON object"));
        assert!(read(br#"{"a":1,"a":2}"#).1.unwrap_err().contains("stands twice"));
    }
}
