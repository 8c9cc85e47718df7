//! What the verifier says of the policy in force against the default, which it knows by a copy of its own.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use countersign_tests::forge::world::{all, base_with, cancel, policy_changed, role, row};
use countersign_tests::forge::{Json, Script};
use countersign_tests::harness::binaries;
use serde_json::{Value, json};

/// What `countersign init --print-policy` prints.
fn printed() -> Json {
    let output = Command::new(binaries::countersign()).args(["init", "--print-policy"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Json::from(&serde_json::from_slice::<Value>(&output.stdout).unwrap())
}

/// The report on a ledger, as text or as JSON.
fn verified(script: &Script, json: bool) -> String {
    let built = script.build();
    let mut command = Command::new(binaries::verifier());
    command.args(["bundle", "-", "--ledger", &built.id]).args(json.then_some("--json"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&built.bundle).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    text
}

fn differences(script: &Script) -> Value {
    serde_json::from_str::<Value>(&verified(script, true)).unwrap()["policy"].take()
}

#[test]
fn the_default_of_the_program_is_that_of_the_verifier() {
    let script = base_with(printed());
    assert_eq!(differences(&script), json!([]));
    assert!(!verified(&script, false).contains("against the default"));
}

#[test]
fn a_policy_that_differs_is_told_with_what_it_was_and_since_when() {
    let both = || all(vec![role("donor"), role("implementer")]);
    let other = printed()
        .with("transfer.dispatched", row("required", both()))
        .with("transfer.lent", row("required", role("donor")))
        .without("incident.reopened");
    let changed = policy_changed("narrower", other.clone());
    let script = base_with(printed()).then([cancel("a"), changed.clone(), cancel("b")]);
    let expected = json!([
        {
            "kind": "transfer.dispatched", "seq": 6, "difference": "changed",
            "before": "in a case: one of (the case's donor, the case's implementer)",
            "after": "in a case: all of (the case's donor, the case's implementer)",
        },
        {
            "kind": "transfer.lent", "seq": 6, "difference": "added",
            "before": null, "after": "in a case: the case's donor",
        },
        {
            "kind": "incident.reopened", "seq": 6, "difference": "removed",
            "before": "outside cases: one of (a party with capacity oversight, a party with capacity donor)",
            "after": null,
        },
    ]);
    assert_eq!(differences(&script), expected);
    let text = verified(&script, false);
    for line in [
        "policy in force against the default: kinds 1 changed, 1 added, 1 removed",
        "  transfer.dispatched changed since entry 6",
        "    default   in a case: one of (the case's donor, the case's implementer)",
        "    in force  nobody may record it",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // a later table that leaves a row as it is does not make it younger; one that brings the default back ends it
    let back = other.with("transfer.lent", row("required", role("recipient")));
    let back = back.with("transfer.dispatched", printed().at(&["transfer.dispatched"]).clone());
    let script = script.then([policy_changed("nearly back", back)]);
    let found = differences(&script);
    let since: Vec<(&str, &Value)> =
        found.as_array().unwrap().iter().map(|d| (d["kind"].as_str().unwrap(), &d["seq"])).collect();
    assert_eq!(since, [("transfer.lent", &json!(8)), ("incident.reopened", &json!(6))]);
    assert_eq!(differences(&script.then([policy_changed("back", printed())])), json!([]));
}

#[test]
fn the_order_in_which_a_rule_lists_its_parts_is_no_difference() {
    let mut table = printed();
    let Json::Arr(parts) = table.at(&["loss.reported", "rule", "any"]) else { panic!("a list") };
    parts.reverse();
    assert_eq!(differences(&base_with(table)), json!([]));
}
