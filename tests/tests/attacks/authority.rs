//! Attacks on who may say what: each is recorded by an operator that lets it through, and judged by the verifier.
//! (That an honest ledger refuses them is in `faults.rs` and in the ledger's own tests.)

use countersign_tests::forge::bodies::received;
use countersign_tests::forge::world::{
    CASE, any_party, base_with, cancel, case_amended, case_opened, donor, donor2, enrol, enrol_imp, full_policy, gov,
    imp, insp, k_with, key, key_added, key_retired, key_revoked, party, policy_changed, quorum, recip, row,
};
use countersign_tests::forge::{Event, Script, sd};
use countersign_tests::harness::verify;
use countersign_tests::j;
use serde_json::Value;

use super::story::{fails, story};

/// Records these events after the story, with innocent ones after them, and has the verifier name what is false.
fn found(events: impl IntoIterator<Item = Event>, codes: &[&str]) -> Value {
    let ledger = story().then(events).then([cancel("after")]).build();
    let report = verify(&ledger.bundle, &ledger.id);
    fails(&report, codes);
    report.json
}

#[test]
pub(crate) fn take_over_a_case() {
    let roles = || j!({"donor": ["donor-a"], "recipient": ["impl-d"]});
    // The same case once more, with another recipient.
    let again = case_opened("again", CASE, "donor-a", roles()).signed([&donor(), &imp()]);
    let enrolled = || enrol("impl-d", &["recipient", "implementer"], &[imp()]);
    let report = found([enrolled(), again], &["POLICY"]);
    assert!(report.to_string().contains("case"), "{report:#}");
    // An amendment by somebody outside, and by the donor alone.
    let by = |keys: &[countersign_tests::forge::Key]| {
        let mut amended = case_amended("amend", "roles", roles());
        amended.signatures.clear();
        amended.signed(keys)
    };
    found([enrolled(), by(&[donor(), imp()])], &["POLICY"]);
    found([by(&[donor()])], &["POLICY"]);
    // And an outsider that speaks inside it.
    let mut said = received("r9", "c9", "1", &["SYN-0001"], &[], 1, true);
    said.signatures.clear();
    "impl-d".clone_into(&mut said.author);
    found([enrolled(), said.signed([&imp()])], &["POLICY"]);
}

#[test]
pub(crate) fn start_somebodys_stream() {
    let mut squat = Event::new(
        "x",
        "statement.disputed",
        "statement/donor-a.7",
        "insp-c",
        j!({"about": (j!(null)), "grounds": "mine"}),
    );
    squat.body.set("about", countersign_tests::forge::Json::event_of("a1"));
    found([squat.signed([&insp()])], &["POLICY"]);
}

#[test]
pub(crate) fn add_a_key_to_somebodys_party() {
    let new = key("a thief's");
    // Signed by the thief alone; by another party; by one governor of two.
    found([key_added("x", "donor-a", &insp(), &new)], &["POLICY"]);
    let mut alone = key_added("x", "donor-a", &new, &new);
    alone.signatures.pop();
    found([alone], &["POLICY"]);
    let mut one = key_added("x", "donor-a", &gov(0), &new);
    "governance".clone_into(&mut one.author);
    found([one], &["POLICY"]);
    // And a key that gives itself more than the one that adds it had.
    let narrow = key("donor-a/narrow");
    let body = j!({"party": "donor-a", "key": (k_with(&narrow, &["key.*", "transfer.*"], None))});
    let add = Event::new("narrow", "key.added", "party/donor-a", "donor-a", body).signed([&donor(), &narrow]);
    let wide = key_added("x", "donor-a", &narrow, &new);
    found([add, wide], &["POLICY"]);
}

#[test]
pub(crate) fn revoke_somebodys_key() {
    found([key_revoked("x", "recip-b", &insp(), &recip())], &["POLICY"]);
    found([key_revoked("x", "donor-a", &donor(), &recip())], &["KEY"]);
    found([key_retired("x", "recip-b", &donor(), &recip())], &["POLICY"]);
}

#[test]
pub(crate) fn use_a_key_that_does_not_count() {
    let by = |label: &str, key: &countersign_tests::forge::Key| {
        let mut said = cancel(label);
        said.signatures.clear();
        said.signed([key])
    };
    // Revoked in the story; retired; expired; for other kinds.
    found([by("x", &donor2())], &["KEY", "POLICY"]);
    found(
        [key_retired("retire", "donor-a", &donor(), &key("donor-a/2")), by("x", &key("donor-a/2"))],
        &["KEY", "POLICY"],
    );
    let limited = |uses: &[&str], until| {
        let key = key("donor-a/limited");
        let body = j!({"party": "donor-a", "key": (k_with(&key, uses, until))});
        Event::new("limited", "key.added", "party/donor-a", "donor-a", body).signed([&donor(), &key])
    };
    let limited_key = key("donor-a/limited");
    found([limited(&["*"], Some("2026-01-05T08:13:30.000Z")), by("x", &limited_key)], &["KEY", "POLICY"]);
    found([limited(&["title.*"], None), by("x", &limited_key)], &["KEY", "POLICY"]);
}

#[test]
pub(crate) fn disown_the_past() {
    let revoked = |from: &str, keys: &[countersign_tests::forge::Key]| {
        let body = j!({"party": "donor-a", "keyid": (donor().id()), "reason": "never ours", "suspect_from": from});
        Event::new("disown", "key.revoked", "party/donor-a", "donor-a", body).signed(keys)
    };
    // More than 30 days back needs the quorum.
    let ledger = story().then([revoked("2025-11-01T00:00:00.000Z", &[donor()])]).build();
    fails(&verify(&ledger.bundle, &ledger.id), &["POLICY"]);
    // What a party may say of its own key makes nothing invalid: its entries are reported as suspect, and by whom.
    let ledger = story().then([revoked("2026-01-05T08:05:00.000Z", &[donor()])]).build();
    let report = verify(&ledger.bundle, &ledger.id);
    report.assert_verified();
    let suspect = report.json["suspect"].as_array().unwrap();
    assert!(suspect.iter().any(|s| s["seq"] == ledger.seq("d1")), "{suspect:?}");
    assert!(suspect.iter().all(|s| s["revoked_by"] == "party" && s["revocation"] == ledger.seq("disown")));
}

#[test]
pub(crate) fn hide_a_member_that_a_rule_reads() {
    // The rule asks for the party that `to` names; concealed, it names nobody.
    let table = || full_policy().with("transfer.cancelled", row("required", party("/body/to")));
    let said = || {
        let mut said = cancel("x").signed([&recip()]);
        said.body.set("to", "recip-b");
        said
    };
    let shown = base_with(table()).then([said()]).build();
    verify(&shown.bundle, &shown.id).assert_verified();
    let mut hiding = said();
    let disclosures = sd::conceal(&mut hiding.body, &["to"], "hidden");
    let hidden = base_with(table()).then([hiding.disclosing(disclosures)]).build();
    fails(&verify(&hidden.bundle, &hidden.id), &["POLICY"]);
}

#[test]
pub(crate) fn act_twice() {
    // One party for two leaves of a rule, with two keys.
    let twice = j!({"at_least": {"n": 2, "of": [(any_party()), (any_party())]}});
    let said = cancel("x").signed([&donor2()]);
    let ledger = base_with(full_policy().with("transfer.cancelled", row("required", twice))).then([said]).build();
    fails(&verify(&ledger.bundle, &ledger.id), &["POLICY"]);
}

#[test]
pub(crate) fn rewrite_the_policy() {
    // One governor cannot; nor can a party.
    let alone = |signer: &countersign_tests::forge::Key| {
        let mut changed = policy_changed("change", full_policy());
        changed.signatures.clear();
        changed.signed([signer])
    };
    found([alone(&gov(0))], &["POLICY"]);
    found([alone(&donor())], &["POLICY"]);
    // The quorum can, for what comes later, in the open; what was recorded before is judged by the rule of its time.
    let anybody = full_policy().with("transfer.received", row("required", any_party()));
    let mut unasked = received("r9", "c9", "1", &["SYN-0009"], &[], 1, true);
    unasked.signatures.clear();
    "donor-a".clone_into(&mut unasked.author);
    let unasked = unasked.signed([&donor()]);
    let before = story().then([unasked.clone(), policy_changed("change", anybody.clone())]).build();
    fails(&verify(&before.bundle, &before.id), &["POLICY"]);
    let after = story().then([policy_changed("change", anybody), unasked]).build();
    verify(&after.bundle, &after.id).assert_verified();
}

#[test]
pub(crate) fn enrol_unasked() {
    // A party is enrolled with a key of somebody who does not hold it: the key did not sign.
    let mut enrolled = enrol_imp();
    enrolled.signatures.pop();
    found([enrolled], &["KEY"]);
    let script: Script = story();
    assert!(script.events.iter().all(|event| event.label != "enrol impl-d"));
    assert_eq!(quorum().len(), 2);
}
