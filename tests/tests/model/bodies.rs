//! Statements as payloads.

use countersign_ledger::time::Time;
use countersign_tests::harness::draft::draft;
use countersign_tests::harness::people::{case_body, dispatch_body, key, receipt_body};
use countersign_tests::harness::world::{START, World};
use serde_json::{Value, json};

use crate::model::{Act, After, Model, NewKey, Roles, Statement};

fn time(millis: i64) -> Value {
    json!(START.parse::<Time>().unwrap().plus_millis(millis))
}

fn grant(new: &NewKey) -> Value {
    let until = new.until.map_or(Value::Null, time);
    json!({ "public_key": key(&new.name).public(), "holder": "the office", "uses": new.uses, "not_after": until })
}

fn roles_of(roles: &Roles) -> Value {
    json!(roles)
}

fn body(statement: &Statement) -> Value {
    let keyid = |name: &str| json!(key(name).public().id());
    match &statement.act {
        Act::Enrol { party, capacities, keys } => json!({
            "party": party, "name": party, "country": null, "capacities": capacities,
            "keys": keys.iter().map(grant).collect::<Vec<_>>(),
        }),
        Act::Amend { party, capacities } => {
            json!({ "party": party, "capacities": capacities, "reason": "reorganised" })
        }
        Act::Succeed { party, successor } => json!({ "party": party, "successor": successor, "reason": "merged" }),
        Act::AddKey { party, key } => json!({ "party": party, "key": grant(key) }),
        Act::Retire { party, key } => json!({ "party": party, "keyid": keyid(key), "reason": "left" }),
        Act::Revoke { party, key, since } => json!({
            "party": party, "keyid": keyid(key), "reason": "lost", "suspect_from": since.map_or(Value::Null, time),
        }),
        Act::Govern { keys, threshold } => {
            let keys: Vec<Value> = keys.iter().map(|name| json!(key(name).public())).collect();
            json!({ "governance": { "threshold": threshold, "keys": keys }, "reason": "elections" })
        }
        Act::Open { roles } => case_body(&roles_of(roles)),
        Act::Rebind { roles } => json!({ "roles": roles_of(roles), "reason": "agreed" }),
        Act::Inspectors { parties } => json!({ "inspector": parties, "reason": "agreed" }),
        Act::Correct { .. } => json!({ "reason": "did_not_occur" }),
        Act::Nothing => plain(statement.kind),
    }
}

fn plain(kind: &str) -> Value {
    let line = || json!({ "line": "1", "nomenclature": "NIGHT VISION DEVICE", "quantity": "2", "unit": "EA" });
    match kind {
        "transfer.authorized" => json!({ "lines": [line()], "end_user": "Land forces" }),
        "transfer.dispatched" => dispatch_body(),
        "transfer.received" => receipt_body(),
        "check.recorded" => json!({ "type": "routine", "access": "refused" }),
        "diversion.reported" => json!({ "claim": "one was offered", "source_grade": "self_declared" }),
        "statement.disputed" => json!({ "about": "0".repeat(64), "grounds": "it was not so" }),
        _ => panic!("no body for {kind}"),
    }
}

/// The payload of a statement.
pub fn payload(statement: &Statement, model: &Model, world: &World) -> Value {
    let hash = |i: usize| json!(model.said[i].hash);
    let stream = model.stream(statement.case.as_ref(), &statement.subject);
    let after = match statement.after {
        After::Null => Value::Null,
        After::Head => stream.last().map_or(Value::Null, |i| hash(*i)),
        After::Said(i) => hash(i),
    };
    let mut more = json!({ "after": after });
    if let Act::Correct { of } = statement.act {
        more["corrects"] = hash(of);
    }
    if let Some(declared) = &statement.declared {
        more["signers"] = json!(declared);
    }
    let case = statement.case.as_deref();
    world.payload(&draft(statement.kind, &statement.subject, case, &statement.author, body(statement)).with(more))
}
