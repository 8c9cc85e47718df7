//! JSON Schemas (2020-12) of events, written from the types that read them.
//!
//! A schema describes an event whose disclosures are put back. It says by `"concealable": true` which members, with all
//! that is below them, may be concealed (SPEC §10); [`concealable`] reads that very mark. What a schema cannot say (text
//! lengths in bytes, serials that are the same once normalised, line numbers that stand twice) only the reader checks:
//! every event that is read satisfies its schema, not the other way round.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::bodies::{KindInfo, kind_info, kinds};
use crate::json::pointer_token;
use crate::rule::{CaseUse, is_authority_kind};

/// Returns the JSON Schema of a kind's whole event: header and body. `None` for a kind that this version does not read.
#[must_use]
pub fn schema(kind: &str) -> Option<Value> {
    kind_info(kind).map(event_schema)
}

/// Returns the JSON Schema of a kind's body. `None` for a kind that this version does not read.
#[must_use]
pub fn body_schema(kind: &str) -> Option<&'static Value> {
    static BODIES: OnceLock<BTreeMap<&'static str, Value>> = OnceLock::new();
    let bodies = BODIES.get_or_init(|| kinds().iter().map(|info| (info.kind, write_body_schema(info))).collect());
    bodies.get(kind)
}

fn write_body_schema(info: &KindInfo) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut body = (info.schema)(&mut generator).to_value();
    let mut definitions = generator.take_definitions(true);
    definitions.values_mut().for_each(forbid_null);
    forbid_null(&mut body);
    if let Some(members) = body.as_object_mut().filter(|_| !definitions.is_empty()) {
        members.insert("$defs".to_owned(), Value::Object(definitions));
    }
    body
}

/// Takes `null` out of what `Option` fields allow: in an event an optional member is absent, never `null` (SPEC §3).
///
/// Members that may be `null` say so by `oneOf` with a `const`, which stays.
fn forbid_null(schema: &mut Value) {
    match schema {
        Value::Array(elements) => elements.iter_mut().for_each(forbid_null),
        Value::Object(members) => {
            members.values_mut().for_each(forbid_null);
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|ty| ty != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    members.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(codes)) = members.get_mut("enum") {
                codes.retain(|code| !code.is_null());
            }
            let null = json!({ "type": "null" });
            let rest = match members.get("anyOf") {
                Some(Value::Array(branches)) if branches.len() == 2 && branches.contains(&null) => {
                    branches.iter().find(|branch| **branch != null).and_then(Value::as_object).cloned()
                }
                _ => None,
            };
            if let Some(rest) = rest {
                members.remove("anyOf");
                for (name, value) in rest {
                    members.entry(name).or_insert(value);
                }
            }
        }
        _ => {}
    }
}

fn event_schema(info: &KindInfo) -> Value {
    let mut body = body_schema(info.kind).cloned().unwrap_or_else(|| json!({ "type": "object" }));
    let definitions = body.as_object_mut().and_then(|members| members.remove("$defs"));
    let genesis = info.kind == "ledger.created";
    let mut properties = header_properties(info);
    let mut required = vec!["countersign", "id", "kind", "subject", "after", "author", "occurred", "body"];
    if genesis {
        properties.remove("ledger");
    } else {
        required.push("ledger");
    }
    match info.case {
        CaseUse::Required => required.push("case"),
        CaseUse::Forbidden => {
            properties.remove("case");
        }
        CaseUse::Any => {}
    }
    if info.subject_type.is_none() {
        required.push("corrects");
    } else {
        properties.remove("corrects");
    }
    properties.insert("body".to_owned(), body);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": info.kind,
        "description": info.summary,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    if let Some(definitions) = definitions {
        schema["$defs"] = definitions;
    }
    schema
}

/// The members of every event (SPEC §3).
fn header_properties(info: &KindInfo) -> Map<String, Value> {
    let hash = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let id = "[a-z0-9][a-z0-9._-]{0,95}";
    let author = json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,95}$" });
    let time = json!({ "type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{3})?Z$" });
    let date = json!({ "type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$" });
    let text = json!({ "type": "string" });
    let closed = |members: &[(&str, &Value)]| {
        let properties: Map<String, Value> = members.iter().map(|(n, v)| ((*n).to_owned(), (*v).clone())).collect();
        let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
    };
    let file = closed(&[
        ("sha256", &hash),
        ("size", &json!({ "type": "integer", "minimum": 0 })),
        ("media_type", &text),
        ("name", &json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^/\\]+$" })),
    ]);
    let subject_type = info.subject_type.unwrap_or("[a-z_]+");
    let header = json!({
        "countersign": { "const": 1 },
        "ledger": hash,
        "id": { "type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$" },
        "kind": { "const": info.kind },
        "subject": { "type": "string", "pattern": format!("^{subject_type}/{id}$") },
        "case": { "type": "string", "pattern": format!("^{id}$") },
        "after": { "oneOf": [hash, { "const": null }] },
        "author": author,
        "signers": { "type": "array", "items": author, "minItems": 1, "uniqueItems": true },
        "until": time,
        "occurred": { "oneOf": [
            closed(&[("at", &time)]),
            closed(&[("from", &time), ("to", &time)]),
            closed(&[("date", &date)]),
            closed(&[("unknown", &text)]),
        ] },
        "evidence": { "type": "array", "items": file, "minItems": 1, "maxItems": 64 },
        "corrects": hash,
    });
    match header {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Tells whether what stands at a pointer from the payload's root, such as `/body/lines/0/serials`, may be concealed in
/// an event of a kind: a concealable member, an element of one, or anything below it (SPEC §10).
///
/// In a correction `corrected` is the kind of the corrected event, whose rules its `replacement` follows.
#[must_use]
pub fn concealable(kind: &str, corrected: Option<&str>, pointer: &str) -> bool {
    if let (Some(corrected), Some(rest)) = (corrected, pointer.strip_prefix("/body/replacement/")) {
        return concealable(corrected, None, &format!("/body/{rest}"));
    }
    let Some(root) = body_schema(kind).filter(|_| !is_authority_kind(kind)) else { return false };
    let Some(rest) = pointer.strip_prefix("/body/") else { return false };
    let mut schema = root;
    for token in rest.split('/') {
        let name = token.replace("~1", "/").replace("~0", "~");
        let index = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        let next = match schema.get("properties").and_then(|properties| properties.get(&name)) {
            Some(next) => Some(next),
            None if index => schema.get("items"),
            None => None,
        };
        let Some(next) = next else { return false };
        if is_marked(next) {
            return true;
        }
        schema = resolve(root, next);
    }
    false
}

fn is_marked(schema: &Value) -> bool {
    schema.get("concealable") == Some(&Value::Bool(true))
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix("#/$defs/"));
    name.and_then(|name| root.get("$defs")?.get(name)).unwrap_or(schema)
}

/// Returns the concealable members of a kind as patterns, `*` standing for every element of an array:
/// `/body/lines/*/serials`.
#[must_use]
pub fn concealable_members(kind: &str) -> Vec<String> {
    fn walk(root: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
        let schema = resolve(root, schema);
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = format!("{at}/{}", pointer_token(name));
            if is_marked(member) { found.push(path) } else { walk(root, member, &path, found) }
        }
        if let Some(items) = schema.get("items") {
            walk(root, items, &format!("{at}/*"), found);
        }
    }

    let mut found = Vec::new();
    if let Some(root) = body_schema(kind).filter(|_| !is_authority_kind(kind)) {
        walk(root, root, "/body", &mut found);
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_kind_has_a_schema_without_null() {
        fn nulls(value: &Value) -> usize {
            match value {
                Value::String(text) => usize::from(text == "null"),
                Value::Array(elements) => elements.iter().map(nulls).sum(),
                Value::Object(members) => members.values().map(nulls).sum(),
                _ => 0,
            }
        }
        for info in kinds() {
            let schema = schema(info.kind).unwrap();
            assert_eq!(nulls(&schema), 0, "{}: {schema:#}", info.kind);
            assert_eq!(schema["properties"]["body"]["additionalProperties"], false, "{}", info.kind);
            assert_eq!(schema["properties"]["kind"]["const"], info.kind);
        }
        assert!(schema("transfer.stolen").is_none());
    }

    #[test]
    fn references_lead_somewhere() {
        fn check(root: &Value, value: &Value) {
            match value {
                Value::Array(elements) => elements.iter().for_each(|v| check(root, v)),
                Value::Object(members) => {
                    if let Some(at) = members.get("$ref").and_then(Value::as_str) {
                        assert!(root.pointer(at.trim_start_matches('#')).is_some(), "{at}");
                    }
                    members.values().for_each(|v| check(root, v));
                }
                _ => {}
            }
        }
        for info in kinds() {
            let schema = schema(info.kind).unwrap();
            check(&schema, &schema);
        }
    }

    #[test]
    fn concealable_is_what_the_domain_says() {
        let dispatched = "transfer.dispatched";
        for pointer in [
            "/body/lines/0/serials",
            "/body/lines/12/serials/4999",
            "/body/lines/0/lot",
            "/body/to",
            "/body/to/site",
            "/body/seals",
            "/body/packages/0/mark",
            "/body/carrier",
            "/body/remarks",
        ] {
            assert!(concealable(dispatched, None, pointer), "{pointer}");
        }
        for pointer in [
            "",
            "/body",
            "/body/lines",
            "/body/lines/0",
            "/body/lines/x/serials",
            "/body/lines/0/quantity",
            "/body/document_number",
            "/body/part",
            "/body/nothing",
            "/author",
        ] {
            assert!(!concealable(dispatched, None, pointer), "{pointer}");
        }
        assert!(concealable("transfer.received", None, "/body/lines/0/serials/absent"));
        assert!(!concealable("case.opened", None, "/body/remarks"), "nothing in authority kinds");
        assert!(concealable("statement.corrected", Some(dispatched), "/body/replacement/lines/0/serials"));
        assert!(!concealable("statement.corrected", Some(dispatched), "/body/replacement/lines/0/quantity"));
        assert!(!concealable("statement.corrected", Some("case.opened"), "/body/replacement/remarks"));
        assert!(!concealable("statement.corrected", None, "/body/replacement/lines/0/serials"));
        assert!(concealable_members(dispatched).contains(&"/body/lines/*/serials".to_owned()));
    }
}
