//! The running ledger: what it records, what it refuses, what it finds when it opens.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::sync::Arc;

use countersign_ledger::append::{Ledger, LedgerState, OpenError, OpenOptions, SubmitError};
use countersign_ledger::id::TreeSize;
use countersign_ledger::refusal::RefusalCode as Code;
use serde_json::json;
use support::{World, case_body, dispatch_body, draft, genesis, grant, parts};

const CASE: Option<&str> = Some("us-dsca.x1");

fn dispatch(subject: &str) -> support::Draft {
    draft("transfer.dispatched", subject, CASE, "us-dsca", dispatch_body())
}

#[test]
fn records_and_proves() {
    let world = World::with_case();
    let recorded = world.say(dispatch("consignment/2026-0001"), &["us-dsca/0"]).unwrap();
    assert_eq!(recorded.seq.0, 5);
    recorded.receipt.verify_inclusion().unwrap();
    recorded.receipt.proof().checkpoint().verify(&world.ledger.log_vkey()).unwrap();
    let line: serde_json::Value = serde_json::from_str(recorded.receipt.entry()).unwrap();
    assert_eq!((&line["governance"], &line["case"], &line["stream"]), (&json!(3), &json!(4), &json!(null)));
}

#[test]
fn repeating_gives_the_first_receipt_and_another_payload_a_conflict() {
    let world = World::with_case();
    let payload = world.payload(&dispatch("consignment/a"));
    let first = world.say_payload(&payload, &["us-dsca/0"]).unwrap();
    let again = world.say_payload(&payload, &["us-dsca/0"]).unwrap();
    assert!(again.repeated && again.seq == first.seq);
    assert_eq!(again.receipt.entry(), first.receipt.entry());
    again.receipt.verify_inclusion().unwrap();
    let mut other = payload.clone();
    other["body"]["document_number"] = json!("W1A2B360000002");
    match world.say_payload(&other, &["us-dsca/0"]) {
        Err(SubmitError::Refused(refusal)) => {
            assert_eq!((refusal.code, refusal.existing), (Code::IdConflict, Some(first.seq)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn streams_are_chained_by_their_parties() {
    let world = World::with_case();
    let first = world.say(dispatch("consignment/a"), &["us-dsca/0"]).unwrap();
    world.say(dispatch("consignment/a"), &["us-dsca/0"]).unwrap();
    // An earlier event than the head is accepted here, another stream's is not, nor null again.
    world.say(dispatch("consignment/a").with(json!({ "after": first.event })), &["us-dsca/0"]).unwrap();
    let other = dispatch("consignment/b").with(json!({ "after": first.event }));
    assert_eq!(world.refused(other, &["us-dsca/0"]), Code::UnknownAfter);
    let null = dispatch("consignment/a").with(json!({ "after": null }));
    assert_eq!(world.refused(null, &["us-dsca/0"]), Code::StaleAfter);
    // On a case stream only the head will do.
    let opened = world.head("case/us-dsca.x1", CASE).unwrap();
    let close = || draft("case.amended", "case/us-dsca.x1", CASE, "us-dsca", json!({ "title": "T", "reason": "r" }));
    world.say(close(), &["us-dsca/0", "xa-mod/0"]).unwrap();
    let stale = close().with(json!({ "after": opened }));
    assert_eq!(world.refused(stale, &["us-dsca/0", "xa-mod/0"]), Code::StaleAfter);
}

#[test]
fn who_may_say_what() {
    let world = World::with_case();
    assert_eq!(world.refused(dispatch("consignment/a"), &["xa-mod/0"]), Code::AuthorUnsigned);
    assert_eq!(world.refused(dispatch("consignment/a"), &["stranger"]), Code::UnknownKey);
    assert_eq!(world.refused(dispatch("consignment/a"), &["us-dsca/0", "gov0"]), Code::QuorumShort);
    let by_recipient = draft("transfer.dispatched", "consignment/a", CASE, "xa-mod", dispatch_body());
    assert_eq!(world.refused(by_recipient, &["xa-mod/0"]), Code::PolicyNotSatisfied);
    world.enroll("outsider", &["donor"]);
    assert_eq!(world.refused(dispatch("consignment/a"), &["us-dsca/0", "outsider/0"]), Code::NotInCase);
    let elsewhere = draft("transfer.dispatched", "consignment/a", Some("nowhere"), "us-dsca", dispatch_body());
    assert_eq!(world.refused(elsewhere, &["us-dsca/0"]), Code::UnknownCase);
    let squat = draft(
        "diversion.reported",
        "incident/eu-obs.1",
        None,
        "xa-mod",
        json!({ "claim": "one was offered", "source_grade": "documented" }),
    );
    assert_eq!(world.refused(squat, &["xa-mod/0"]), Code::SubjectNotOwn);
}

#[test]
fn one_officer_does_not_become_two() {
    let world = World::with_case();
    let add = |name: &str| {
        draft("key.added", "party/us-dsca", None, "us-dsca", json!({ "party": "us-dsca", "key": grant(name) }))
    };
    world.say(add("us-dsca/1"), &["us-dsca/0", "us-dsca/1"]).unwrap();
    world.say(add("us-dsca/2"), &["us-dsca/0", "us-dsca/1", "us-dsca/2"]).unwrap();
    world.say(add("us-dsca/3"), &["gov0", "gov1", "us-dsca/0", "us-dsca/3"]).unwrap();
    let strength = |name: &str| {
        world.ledger.with_authority(|authority| {
            match &authority.key(&support::key(name).public().id()).unwrap().purpose {
                countersign_ledger::authority::KeyUse::Party(key) => key.introduction.strength(),
                _ => 0,
            }
        })
    };
    assert_eq!(strength("us-dsca/1"), 1);
    assert_eq!(strength("us-dsca/2"), 1, "two keys of one officer do not vouch for a second");
    assert_eq!(strength("us-dsca/3"), u8::MAX);
}

#[test]
fn keys_end() {
    let world = World::with_case();
    let keyid = support::key("us-dsca/0").public().id();
    let retire = json!({ "party": "us-dsca", "keyid": keyid, "reason": "left office" });
    world.say(draft("key.retired", "party/us-dsca", None, "us-dsca", retire.clone()), &["us-dsca/0"]).unwrap();
    assert_eq!(world.refused(dispatch("consignment/a"), &["us-dsca/0"]), Code::KeyDoesNotCount);
    let mut revoke = retire;
    revoke["suspect_from"] = json!("2020-01-01T00:00:00Z");
    let revoked = || draft("key.revoked", "party/us-dsca", None, "governance", revoke.clone());
    world.say(revoked(), &["gov0", "gov1"]).unwrap();
    assert_eq!(world.refused(revoked(), &["gov0", "gov1"]), Code::WrongKey);
}

#[test]
fn a_successor_does_not_act_on_the_keys_of_the_party_before_it() {
    let world = World::with_case();
    world.enroll("us-new", &["donor", "recipient"]);
    let succeeded = json!({ "party": "us-dsca", "successor": "us-new", "reason": "merged" });
    let succeeded = draft("party.succeeded", "party/us-dsca", None, "governance", succeeded);
    world.say(succeeded, &["gov0", "gov1", "us-new/0"]).unwrap();
    let keyid = support::key("us-dsca/0").public().id();
    let mut body = json!({ "party": "us-dsca", "keyid": keyid, "reason": "lost", "suspect_from": null });
    let revoke = || draft("key.revoked", "party/us-dsca", None, "us-new", body.clone());
    assert_eq!(world.refused(revoke(), &["us-new/0"]), Code::PartyUnsigned);
    let added = json!({ "party": "us-dsca", "key": grant("us-dsca/1") });
    let added = draft("key.added", "party/us-dsca", None, "us-new", added);
    assert_eq!(world.refused(added, &["us-new/0", "us-dsca/1"]), Code::PartyUnsigned);
    world.say(revoke(), &["gov0", "gov1", "us-new/0"]).unwrap();
    body["party"] = json!("us-new");
    let elsewhere = draft("key.revoked", "party/us-new", None, "us-new", body);
    assert_eq!(world.refused(elsewhere, &["us-new/0"]), Code::WrongKey);
}

#[test]
fn cases_bind_only_those_who_agree() {
    let world = World::with_case();
    let case = |roles: serde_json::Value| draft("case.opened", "case/c2", Some("c2"), "us-dsca", case_body(&roles));
    let both = json!({ "donor": ["us-dsca"], "recipient": ["xa-mod"] });
    assert_eq!(world.refused(case(both), &["us-dsca/0"]), Code::PartyUnsigned);
    let wrong = json!({ "donor": ["us-dsca"], "recipient": ["eu-obs"] });
    assert_eq!(world.refused(case(wrong), &["us-dsca/0", "eu-obs/0"]), Code::WrongParty);
    world.enroll("xb-mod", &["recipient"]);
    let roles = json!({ "donor": ["us-dsca"], "recipient": ["xb-mod"] });
    let amend = || {
        let body = json!({ "roles": roles, "reason": "another recipient" });
        draft("case.amended", "case/us-dsca.x1", CASE, "us-dsca", body)
    };
    assert_eq!(world.refused(amend(), &["us-dsca/0", "xa-mod/0"]), Code::PartyUnsigned);
    world.say(amend(), &["us-dsca/0", "xa-mod/0", "xb-mod/0"]).unwrap();
}

#[test]
fn corrections_are_signed_by_those_who_signed() {
    let world = World::with_case();
    let original = world.say(dispatch("consignment/a"), &["us-dsca/0"]).unwrap();
    let correct = |corrects| {
        let mut body = dispatch_body();
        body["document_number"] = json!("W1A2B360000009");
        let body = json!({ "reason": "incorrect_data", "replacement": body });
        draft("statement.corrected", "consignment/a", CASE, "us-dsca", body).with(json!({ "corrects": corrects }))
    };
    let by_other = correct(original.event);
    assert_eq!(world.refused(support::Draft { author: "xa-mod", ..by_other }, &["xa-mod/0"]), Code::PolicyNotSatisfied);
    let correction = world.say(correct(original.event), &["us-dsca/0"]).unwrap();
    assert_eq!(world.refused(correct(correction.event), &["us-dsca/0"]), Code::WrongCorrection);
    let mut wrong = correct(original.event);
    wrong.body["replacement"]["lines"] = json!([]);
    assert_eq!(world.refused(wrong, &["us-dsca/0"]), Code::BodyMalformed);
}

#[test]
fn times() {
    let world = World::with_case();
    let future = dispatch("consignment/a").with(json!({ "occurred": { "at": "2026-09-23T14:00:00.001Z" } }));
    assert_eq!(world.refused(future, &["us-dsca/0"]), Code::OccurredInFuture);
    let late = dispatch("consignment/a").with(json!({ "until": "2026-09-21T13:59:59Z" }));
    assert_eq!(world.refused(late, &["us-dsca/0"]), Code::Expired);
    let before = world.say(dispatch("consignment/a"), &["us-dsca/0"]).unwrap().time;
    world.clock.forward(-3_600_000);
    let after = world.say(dispatch("consignment/a"), &["us-dsca/0"]).unwrap().time;
    assert_eq!(before, after, "a clock that goes back does not take the ledger with it");
}

#[test]
fn a_closed_ledger_takes_nothing_more() {
    let world = World::with_case();
    let close = draft("ledger.closed", "ledger/self", None, "governance", json!({ "reason": "done" }));
    world.say(close, &["gov0", "gov1"]).unwrap();
    assert_eq!(world.ledger.state(), LedgerState::Closed);
    assert_eq!(world.refused(dispatch("consignment/a"), &["us-dsca/0"]), Code::LedgerClosed);
}

#[test]
fn a_new_log_key_signs_the_checkpoint_that_covers_it() {
    let world = World::with_case();
    let vkey = |name: &str| {
        let origin = support::ORIGIN.parse().unwrap();
        countersign_ledger::note::Vkey::new(
            origin,
            countersign_ledger::note::VkeyType::Ed25519,
            support::key(name).public(),
        )
    };
    let rotate = |name: &str| {
        let body = json!({ "log_key": vkey(name).to_string(), "reason": "yearly" });
        draft("log_key.rotated", "ledger/self", None, "governance", body)
    };
    assert_eq!(world.refused(rotate("log2"), &["gov0", "gov1"]), Code::LogKeyUnavailable);
    world.ledger.shutdown();
    let mut parts = parts(Arc::clone(&world.store), world.clock.clone());
    parts.log_keys.push(support::key("log2").into());
    let world = World { ledger: Ledger::open(parts, OpenOptions::default()).unwrap(), ..world };
    world.say(rotate("log2"), &["gov0", "gov1"]).unwrap();
    let checkpoint = world.ledger.checkpoint();
    checkpoint.verify(&vkey("log")).unwrap();
    checkpoint.verify(&vkey("log2")).unwrap();
}

#[test]
fn opens_again_where_it_stopped() {
    let world = World::with_case();
    for n in 0..600 {
        world.say(dispatch(&format!("consignment/c{n}")), &["us-dsca/0"]).unwrap();
    }
    let head = world.ledger.head();
    world.ledger.shutdown();
    let again = |options| Ledger::open(parts(Arc::clone(&world.store), world.clock.clone()), options);
    let ledger = again(OpenOptions::default()).unwrap();
    assert_eq!(ledger.head(), head);
    drop(ledger);
    world.clock.forward(86_400_001);
    assert!(matches!(again(OpenOptions::default()), Err(OpenError::ClockJump { .. })));
    let world = World { ledger: again(OpenOptions { accept_clock_jump: true }).unwrap(), ..world };
    let recorded = world.say(dispatch("consignment/more"), &["us-dsca/0"]).unwrap();
    assert_eq!(TreeSize(recorded.seq.0 + 1), world.ledger.head().size);
    recorded.receipt.verify_inclusion().unwrap();
}

#[test]
fn a_second_genesis_is_refused() {
    let world = World::new();
    let again = Ledger::create(parts(Arc::clone(&world.store), world.clock.clone()), genesis());
    assert!(matches!(again, Err(OpenError::NotEmpty { .. })));
}
