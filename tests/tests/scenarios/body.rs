//! Bodies of events: what a scenario says of them, with what `defaults.toml` adds.

use std::collections::BTreeMap;

use countersign_tests::harness::people::{grant, key};
use serde_json::{Map, Value, json};

use super::file::KindDefaults;

/// Members that are quantities: a number there is written as one.
const QUANTITIES: [&str; 6] = ["quantity", "received", "shipped", "amount", "hours", "gross_weight_kg"];

/// Adds what is not said, and turns names into what they stand for; `event` finds the hash of an event by its name.
pub(crate) fn complete(said: &Map<String, Value>, defaults: &KindDefaults, event: &dyn Fn(&str) -> String) -> Value {
    let mut body = defaults.body.clone();
    for (name, value) in said {
        body.insert(name.clone(), value.clone());
    }
    for (member, of_each) in &defaults.each {
        if let Some(Value::Array(elements)) = body.get_mut(member) {
            each(elements, of_each);
        }
    }
    let mut body = Value::Object(body);
    translate(&mut body, "", event);
    body
}

fn each(elements: &mut [Value], defaults: &Map<String, Value>) {
    for (i, element) in elements.iter_mut().enumerate() {
        let Some(element) = element.as_object_mut() else { continue };
        for (name, value) in defaults {
            if element.contains_key(name) {
                continue;
            }
            let value = match (name.as_str(), value.as_str()) {
                ("line", Some("auto")) => json!((i + 1).to_string()),
                (_, Some("auto")) => json!(count(element.get("serials")).to_string()),
                _ => value.clone(),
            };
            element.insert(name.clone(), value);
        }
    }
}

/// Counts serials, or those that a receipt found.
fn count(serials: Option<&Value>) -> usize {
    match serials {
        Some(Value::Array(serials)) => serials.len(),
        Some(Value::Object(results)) => {
            let found = results.iter().filter(|(result, _)| *result != "absent");
            found.map(|(_, serials)| count(Some(serials))).sum()
        }
        _ => 0,
    }
}

fn translate(value: &mut Value, member: &str, event: &dyn Fn(&str) -> String) {
    match value {
        Value::Object(members) => {
            if member == "items" || member.is_empty() {
                unit(members);
            }
            for (name, value) in members.iter_mut() {
                translate(value, name, event);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                if let (Value::Object(members), true) = (&mut *element, member == "items") {
                    unit(members);
                }
                translate(element, member, event);
            }
        }
        Value::Number(number) if QUANTITIES.contains(&member) => *value = Value::from(number.to_string()),
        Value::String(text) => {
            if let Some(name) = text.strip_prefix('@') {
                *value = Value::from(event(name));
            } else if matches!(member, "described_in" | "authorization") {
                *value = line(text);
            } else if matches!(member, "key" | "keys") && text.contains('/') {
                *value = grant(text);
            } else if member == "keyid" && text.contains('/') {
                *value = json!(key(text).public().id());
            }
        }
        _ => {}
    }
}

/// An item that is counted is counted in `EA` unless it says otherwise.
fn unit(item: &mut Map<String, Value>) {
    if item.contains_key("quantity") && !item.contains_key("unit") {
        item.insert("unit".to_owned(), json!("EA"));
    }
}

/// Reads `[case:]subject#line`.
pub(crate) fn line(text: &str) -> Value {
    let (place, line) = text.split_once('#').unwrap_or_else(|| panic!("{text}: a line is subject#line"));
    match place.split_once(':') {
        Some((case, subject)) => json!({ "case": case, "subject": subject, "line": line }),
        None => json!({ "subject": place, "line": line }),
    }
}

/// The defaults of a kind.
pub(crate) fn of_kind<'a>(kinds: &'a BTreeMap<String, KindDefaults>, kind: &str) -> &'a KindDefaults {
    kinds.get(kind).unwrap_or_else(|| panic!("defaults.toml says nothing of {kind}"))
}
