//! The published schemas accept what is read, and refuse what they can tell.

use boon::{Compiler, Draft, Schemas};
use countersign_ledger::event::{kinds, schema};
use serde_json::{Value, json};

use crate::examples::{HASH, example, examples};
use crate::faults::{may_be_null, objects};

struct Checker {
    schemas: Schemas,
    index: boon::SchemaIndex,
}

impl Checker {
    fn of(kind: &str) -> Self {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        let mut schemas = Schemas::new();
        let location = "https://countersign.invalid/kind.json";
        compiler.add_resource(location, schema(kind).unwrap()).unwrap();
        let index = compiler.compile(location, &mut schemas).unwrap_or_else(|e| panic!("{kind}: {e:#}"));
        Self { schemas, index }
    }

    fn accepts(&self, event: &Value) -> Result<(), String> {
        self.schemas.validate(event, self.index).map_err(|e| format!("{e:#}"))
    }
}

/// An event of a kind around a body.
fn event(kind: &str, body: &Value) -> Value {
    let info = kinds().iter().find(|info| info.kind == kind).unwrap();
    let mut event = json!({
        "countersign": 1, "ledger": HASH, "id": "019a9f5e-8c00-7000-8000-000000000001", "kind": kind,
        "subject": format!("{}/a.1", info.subject_type.unwrap_or("consignment")), "after": null, "author": "us-dsca",
        "occurred": { "at": "2026-09-21T14:13:37.000Z" }, "body": body
    });
    if info.case == countersign_ledger::rule::CaseUse::Required {
        event["case"] = json!("us-dsca.xa-b-uaa");
    }
    if info.subject_type.is_none() {
        event["corrects"] = json!(HASH);
    }
    if kind == "ledger.created" {
        event.as_object_mut().unwrap().remove("ledger");
    }
    event
}

#[test]
fn schemas_accept_the_examples() {
    for example in examples() {
        let checker = Checker::of(example.kind);
        for body in [&example.minimal, &example.full] {
            if let Err(error) = checker.accepts(&event(example.kind, body)) {
                panic!("{}: {error}\n{body:#}", example.kind);
            }
        }
    }
}

#[test]
fn schemas_refuse_surplus_missing_and_null_members() {
    for example in examples() {
        let checker = Checker::of(example.kind);
        for (path, object) in objects(&example.full, "") {
            if path.starts_with("/policy") || path.starts_with("/replacement") {
                continue;
            }
            let mut body = example.full.clone();
            body.pointer_mut(&path).unwrap()["surplus"] = json!(1);
            assert!(checker.accepts(&event(example.kind, &body)).is_err(), "{} {path}/surplus", example.kind);
            for name in object.as_object().unwrap().keys() {
                if may_be_null(example.kind, name) {
                    continue;
                }
                let mut body = example.full.clone();
                body.pointer_mut(&path).unwrap()[name] = Value::Null;
                assert!(checker.accepts(&event(example.kind, &body)).is_err(), "{} {path}/{name} null", example.kind);
            }
        }
        for name in example.minimal.as_object().unwrap().keys() {
            let mut body = example.minimal.clone();
            body.as_object_mut().unwrap().remove(name);
            assert!(checker.accepts(&event(example.kind, &body)).is_err(), "{} without {name}", example.kind);
        }
    }
}

#[test]
fn schemas_know_the_rules_between_members() {
    let refused = |kind: &str, pointer: &str, value: Value| {
        let mut body = example(kind).full;
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[member] = value;
        assert!(Checker::of(kind).accepts(&event(kind, &body)).is_err(), "{kind} {pointer}");
    };
    refused(
        "transfer.authorized",
        "/lines",
        json!([{ "line": "1", "nomenclature": "A", "quantity": "1", "unit": "EA", "original_date": "2020-01-01" }]),
    );
    refused(
        "holding.declared",
        "/lines",
        json!([{ "line": "1", "nomenclature": "A", "quantity": "1", "unit": "EA", "authorization": { "subject": "authorization/a", "line": "1" } }]),
    );
    refused("transfer.dispatched", "/to", json!({ "lat": "1" }));
    refused("transfer.dispatched", "/to", json!({}));
    refused(
        "check.recorded",
        "/items",
        json!([{ "serials": ["A"], "quantity": "1", "unit": "EA", "grade": "sighted", "state": "lost" }]),
    );
    refused(
        "check.recorded",
        "/items",
        json!([{ "quantity": "1", "unit": "EA", "grade": "sighted", "state": "lost" }]),
    );
    refused("statement.corrected", "/reason", json!("did_not_occur"));
    refused("case.opened", "/roles/donor", json!([]));
    refused("case.opened", "/terms/receipt_within", json!(36_501));
}
