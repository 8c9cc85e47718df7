//! The people, keys, policy and usual events of the vectors.
//!
//! One small world is enough for nearly all of them: a governance of three with threshold two; `donor-a` with two keys;
//! `recip-b`, also custodian; `insp-c`, also oversight; a case between them. Others join where a vector needs them.

use super::event::Edit;
use super::script::{Script, Seal};
use super::{Event, Json, Key, note, time};
use crate::j;

/// The case of the base script.
pub const CASE: &str = "donor-a.k1";
/// The log's origin.
pub const ORIGIN: &str = "vectors.example/log";

/// The key of this name.
#[must_use]
pub fn key(name: &str) -> Key {
    Key::new(format!("countersign vectors/{name}"))
}

/// A governance key: `gov0`, `gov1`, `gov2`.
#[must_use]
pub fn gov(i: usize) -> Key {
    key(&format!("gov{i}"))
}

/// Two of the three governance keys: the quorum.
#[must_use]
pub fn quorum() -> [Key; 2] {
    [gov(0), gov(1)]
}

/// The log's first key.
#[must_use]
pub fn log_key() -> Key {
    key("log")
}

/// The verifier key of a log key.
#[must_use]
pub fn log_vkey(key: &Key) -> Json {
    note::vkey(ORIGIN, 1, &key.public()).into()
}

/// The donor's first key.
#[must_use]
pub fn donor() -> Key {
    key("donor-a/0")
}

/// The donor's second key.
#[must_use]
pub fn donor2() -> Key {
    key("donor-a/1")
}

/// The recipient's key.
#[must_use]
pub fn recip() -> Key {
    key("recip-b/0")
}

/// The inspector's key.
#[must_use]
pub fn insp() -> Key {
    key("insp-c/0")
}

/// The implementer's key, where `impl-d` is enrolled.
#[must_use]
pub fn imp() -> Key {
    key("impl-d/0")
}

/// K of SPEC §8 with the given uses and `not_after`.
#[must_use]
pub fn k_with(key: &Key, uses: &[&str], not_after: Option<&str>) -> Json {
    j!({
        "public_key": (key.base64()),
        "holder": "duty officer",
        "uses": (uses.to_vec()),
        "not_after": (not_after.map_or(Json::Null, Json::from)),
    })
}

/// K for all kinds and all time.
#[must_use]
pub fn k(key: &Key) -> Json {
    k_with(key, &["*"], None)
}

/// `{"governance":true}`
#[must_use]
pub fn governance() -> Json {
    j!({"governance": true})
}

/// `{"role":r}`
#[must_use]
pub fn role(r: &str) -> Json {
    j!({"role": r})
}

/// `{"capacity":c}`
#[must_use]
pub fn capacity(c: &str) -> Json {
    j!({"capacity": c})
}

/// `{"party":pointer}`
#[must_use]
pub fn party(pointer: &str) -> Json {
    j!({"party": pointer})
}

/// `{"any_party":true}`
#[must_use]
pub fn any_party() -> Json {
    j!({"any_party": true})
}

/// `{"all":[…]}`
#[must_use]
pub fn all(rules: Vec<Json>) -> Json {
    j!({"all": (Json::Arr(rules))})
}

/// `{"any":[…]}`
#[must_use]
pub fn any(rules: Vec<Json>) -> Json {
    j!({"any": (Json::Arr(rules))})
}

/// `{"at_least":{"n":n,"of":[…]}}`
#[must_use]
pub fn at_least(n: i64, rules: Vec<Json>) -> Json {
    j!({"at_least": {"n": n, "of": (Json::Arr(rules))}})
}

/// A row of a policy table.
#[must_use]
pub fn row(case: &str, rule: Json) -> Json {
    j!({"case": case, "rule": rule})
}

/// The rows that every table has.
#[must_use]
pub fn authority_policy() -> Json {
    let quorum = || row("forbidden", governance());
    let both = || all(vec![role("donor"), role("recipient")]);
    Json::object([
        ("ledger.created", quorum()),
        ("ledger.closed", quorum()),
        ("policy.changed", quorum()),
        ("governance.changed", quorum()),
        ("log_key.rotated", quorum()),
        ("party.enrolled", quorum()),
        ("party.amended", quorum()),
        ("party.succeeded", row("forbidden", all(vec![governance(), party("/body/successor")]))),
        ("key.added", row("forbidden", any(vec![party("/body/party"), governance()]))),
        ("key.retired", row("forbidden", party("/body/party"))),
        ("key.revoked", row("forbidden", any(vec![party("/body/party"), governance()]))),
        ("case.opened", row("required", both())),
        ("case.amended", row("required", both())),
        ("case.inspectors", row("required", any(vec![both(), all(vec![role("donor"), capacity("oversight")])]))),
        ("case.closed", row("required", role("donor"))),
    ])
}

/// The table of the base script: §8 and the shortest statements.
#[must_use]
pub fn policy() -> Json {
    authority_policy()
        .with("transfer.cancelled", row("required", role("donor")))
        .with("statement.disputed", row("forbidden", any_party()))
        .with("statement.corrected", row("any", j!({"corrected": true})))
}

/// The table of the stories: also the kinds of equipment.
#[must_use]
pub fn full_policy() -> Json {
    let required = |rule| row("required", rule);
    let holder = || any(vec![role("recipient"), role("custodian")]);
    policy()
        .with("transfer.authorized", required(role("donor")))
        .with("transfer.dispatched", required(any(vec![role("donor"), role("implementer")])))
        .with("transfer.received", required(role("recipient")))
        .with("receipt.attested", required(any(vec![role("implementer"), role("donor")])))
        .with("holding.declared", required(any(vec![role("recipient"), role("donor")])))
        .with("check.recorded", required(all(vec![role("inspector"), holder()])))
        .with("check.unilateral", required(role("inspector")))
        .with("self_report.recorded", required(holder()))
        .with("diversion.reported", row("forbidden", any_party()))
}

/// `governance` of three keys, two to act.
#[must_use]
pub fn governance_of(threshold: i64, keys: &[Key]) -> Json {
    let keys: Vec<Json> = keys.iter().map(|k| k.base64().into()).collect();
    j!({"threshold": threshold, "keys": (Json::Arr(keys))})
}

/// The body of `ledger.created`.
#[must_use]
pub fn created_body() -> Json {
    j!({
        "origin": ORIGIN,
        "log_key": (log_vkey(&log_key())),
        "governance": (governance_of(2, &[gov(0), gov(1), gov(2)])),
        "policy": (policy()),
    })
}

/// Enrols a party with keys for all kinds; signed by the quorum and the keys.
#[must_use]
pub fn enrol(id: &str, capacities: &[&str], keys: &[Key]) -> Event {
    let body = j!({
        "party": id,
        "name": (format!("Party {id}")),
        "country": "XA",
        "capacities": (capacities.to_vec()),
        "keys": (Json::Arr(keys.iter().map(k).collect())),
    });
    Event::new(&format!("enrol {id}"), "party.enrolled", &format!("party/{id}"), "governance", body)
        .signed(&quorum())
        .signed(keys)
}

/// An event by the quorum on `ledger/self`.
#[must_use]
pub fn by_quorum(label: &str, kind: &str, body: Json) -> Event {
    Event::new(label, kind, "ledger/self", "governance", body).signed(&quorum())
}

/// An event by the quorum on a party's stream.
#[must_use]
pub fn on_party(label: &str, kind: &str, party: &str, body: Json) -> Event {
    Event::new(label, kind, &format!("party/{party}"), "governance", body).signed(&quorum())
}

/// `policy.changed`
#[must_use]
pub fn policy_changed(label: &str, policy: Json) -> Event {
    by_quorum(label, "policy.changed", j!({"policy": policy, "reason": "review"}))
}

/// `party.amended`, with one member changed.
#[must_use]
pub fn amended(label: &str, party: &str, member: &str, value: Json) -> Event {
    let body = j!({"party": party, "reason": "review"}).with(member, value);
    on_party(label, "party.amended", party, body)
}

/// `party.succeeded`, signed by the quorum and the successor's key.
#[must_use]
pub fn succeeded(label: &str, party: &str, successor: &str, key: &Key) -> Event {
    let body = j!({"party": party, "successor": successor, "reason": "reorganised"});
    on_party(label, "party.succeeded", party, body).signed([key])
}

/// `key.added` by the party itself with one of its keys; the new key signs too.
#[must_use]
pub fn key_added(label: &str, party: &str, by: &Key, new: &Key) -> Event {
    let body = j!({"party": party, "key": (k(new))});
    Event::new(label, "key.added", &format!("party/{party}"), party, body).signed([by, new])
}

/// `key.retired` by the party itself.
#[must_use]
pub fn key_retired(label: &str, party: &str, by: &Key, old: &Key) -> Event {
    let body = j!({"party": party, "keyid": (old.id()), "reason": "rotation"});
    Event::new(label, "key.retired", &format!("party/{party}"), party, body).signed([by])
}

/// `key.revoked` by the party itself, from now on.
#[must_use]
pub fn key_revoked(label: &str, party: &str, by: &Key, old: &Key) -> Event {
    let body = j!({"party": party, "keyid": (old.id()), "reason": "lost", "suspect_from": null});
    Event::new(label, "key.revoked", &format!("party/{party}"), party, body).signed([by])
}

/// The body of `case.opened` with these roles.
#[must_use]
pub fn case_body(roles: Json) -> Json {
    j!({
        "title": "Night vision devices",
        "legal_basis": ["Framework agreement 7"],
        "roles": roles,
        "terms": {"receipt_within": 30},
        "monitoring": "routine",
        "permitted_end_use": "border guard",
        "permitted_end_users": ["Border Service"],
        "retransfer": "prohibited",
    })
}

/// The roles of the base script.
#[must_use]
pub fn roles() -> Json {
    j!({"donor": ["donor-a"], "recipient": ["recip-b"], "inspector": ["insp-c"]})
}

/// `case.opened`, not signed yet.
#[must_use]
pub fn case_opened(label: &str, case: &str, author: &str, roles: Json) -> Event {
    Event::new(label, "case.opened", &format!("case/{case}"), author, case_body(roles)).case(case)
}

/// `case.amended` of the base case by donor and recipient, with one member changed.
#[must_use]
pub fn case_amended(label: &str, member: &str, value: Json) -> Event {
    let body = j!({"reason": "review"}).with(member, value);
    Event::new(label, "case.amended", &format!("case/{CASE}"), "donor-a", body).case(CASE).signed([&donor(), &recip()])
}

/// `case.inspectors` of the base case by donor and recipient.
#[must_use]
pub fn case_inspectors(label: &str, inspectors: &[&str]) -> Event {
    let body = j!({"inspector": (inspectors.to_vec()), "reason": "rotation"});
    Event::new(label, "case.inspectors", &format!("case/{CASE}"), "donor-a", body)
        .case(CASE)
        .signed([&donor(), &recip()])
}

/// `case.closed` of the base case by the donor.
#[must_use]
pub fn case_closed(label: &str) -> Event {
    Event::new(label, "case.closed", &format!("case/{CASE}"), "donor-a", j!({"reason": "all delivered"}))
        .case(CASE)
        .signed([&donor()])
}

/// The shortest statement inside a case: the donor cancels an authorization.
#[must_use]
pub fn cancel(label: &str) -> Event {
    Event::new(
        label,
        "transfer.cancelled",
        &format!("authorization/{}", label.replace(' ', "-")),
        "donor-a",
        j!({"reason": "superseded"}),
    )
    .case(CASE)
    .signed([&donor()])
}

/// The shortest statement outside a case: the inspector disputes an entry.
#[must_use]
pub fn dispute(label: &str, about: &str) -> Event {
    let body = j!({"about": (Json::event_of(about)), "grounds": "not as seen"});
    Event::new(label, "statement.disputed", &format!("statement/insp-c.{}", label.replace(' ', "-")), "insp-c", body)
        .signed([&insp()])
}

/// The table with seals by anybody.
#[must_use]
pub fn with_seals() -> Json {
    policy().with("streams.sealed", row("forbidden", any_party()))
}

/// A statement of the donor in a case, on a stream.
#[must_use]
pub fn says(label: &str, case: &str, subject: &str) -> Event {
    Event::new(label, "transfer.cancelled", subject, "donor-a", j!({"reason": "superseded"}))
        .case(case)
        .signed([&donor()])
}

/// A seal of all streams so far, by the inspector.
#[must_use]
pub fn streams_sealed(label: &str) -> Event {
    let subject = format!("seal/insp-c.{}", label.replace(' ', "-"));
    Event::new(label, "streams.sealed", &subject, "insp-c", Json::Null)
        .signed([&insp()])
        .with(|e| e.seal = Some(Edit::default()))
}

/// The seal of a script by the log's first key.
#[must_use]
pub fn seal() -> Seal {
    Seal {
        origin: ORIGIN.to_owned(),
        size: None,
        root: None,
        signers: vec![(ORIGIN.to_owned(), log_key())],
        witnesses: Vec::new(),
        edit_text: Edit::default(),
        edit_note: Edit::default(),
    }
}

/// A script of `ledger.created` alone.
#[must_use]
pub fn created() -> Script {
    let event = Event::new("created", "ledger.created", "ledger/self", "governance", created_body()).signed(&[
        gov(0),
        gov(1),
        gov(2),
    ]);
    Script {
        events: vec![event],
        start: time::at(2026, 1, 5, 8, 0, 0),
        seal: seal(),
        edit_header: Edit::default(),
        edit_lines: Edit::default(),
        edit_file: Edit::default(),
    }
}

/// The ledger with its three parties.
#[must_use]
pub fn enrolled() -> Script {
    created().then([
        enrol("donor-a", &["donor"], &[donor(), donor2()]),
        enrol("recip-b", &["recipient", "custodian"], &[recip()]),
        enrol("insp-c", &["inspector", "oversight"], &[insp()]),
    ])
}

/// The ledger with its parties and the case: entries 0 to 4.
#[must_use]
pub fn base() -> Script {
    enrolled().then([case_opened("case", CASE, "donor-a", roles()).signed([&donor(), &recip()])])
}

/// The base with another policy table.
#[must_use]
pub fn base_with(policy: Json) -> Script {
    base().change("created", |e| {
        e.body.set("policy", policy);
    })
}

/// The base with the rule of `transfer.cancelled` replaced.
#[must_use]
pub fn base_with_rule(rule: Json) -> Script {
    base_with(policy().with("transfer.cancelled", row("required", rule)))
}

/// The base with an event `x`, and an innocent one after it.
#[must_use]
pub fn around(x: Event) -> Script {
    base().then([x, cancel("after")])
}

/// Enrols the implementer, also carrier.
#[must_use]
pub fn enrol_imp() -> Event {
    enrol("impl-d", &["implementer", "carrier"], &[imp()])
}
