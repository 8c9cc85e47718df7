//! The ledger with one gap at a time, and the verifier that rejects what comes through.
//!
//! Two programs read SPEC.md. Were a sentence missing in both, every test of a good ledger would pass. So each
//! [`Fault`] opens one gap in the real committer; the event that comes through is recorded, exported and must fail
//! exactly the check that SPEC §13 says. Without the fault the same event is refused, or recorded as it should be.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use countersign_ledger::fault::{self, Fault};
use countersign_ledger::refusal::RefusalCode as Code;
use countersign_ledger::replay::Replay;
use countersign_ledger::store::Store as _;
use countersign_ledger::store::memory::MemoryStore;
use countersign_ledger::submission::Submission;
use countersign_tests::harness::draft::{fresh_id, sign};
use countersign_tests::harness::people::{dispatch_body, grant, key, party_body};
use countersign_tests::harness::world::{QUORUM, vkey};
use countersign_tests::harness::{Draft, World, draft, verify};
use serde_json::{Value, json};

const CASE: &str = "us-dsca.x1";
const DONOR: &str = "us-dsca/0";
const RECIPIENT: &str = "xa-mod/0";
const INSPECTOR: &str = "eu-obs/0";

/// What becomes of the last event when the ledger has no fault.
enum Sound {
    Refused(Code),
    /// It is the writer that errs with the fault, not the submitter.
    Recorded,
}

/// An event that finds a gap, behind entries that are all good.
struct Story {
    fault: Fault,
    /// Makes the entries before, and the event.
    tell: fn() -> (World, Submission),
    sound: Sound,
    /// What the verifier must say failed, all of it: at which entry, `None` where the check is of the whole.
    failed: (&'static str, Option<u64>),
}

fn stories() -> Vec<Story> {
    let refused = |fault, tell, code, failed, seq| Story {
        fault,
        tell,
        sound: Sound::Refused(code),
        failed: (failed, Some(seq)),
    };
    let erring = |fault, tell, failed, seq| Story { fault, tell, sound: Sound::Recorded, failed: (failed, seq) };
    vec![
        refused(Fault::SkipsPolicy, dispatch_by_the_recipient, Code::PolicyNotSatisfied, "POLICY", 5),
        refused(Fault::CountsPartiesTwice, one_party_for_two, Code::PolicyNotSatisfied, "POLICY", 5),
        refused(Fault::CountsVouchedKeys, one_officer_for_two, Code::PolicyNotSatisfied, "POLICY", 6),
        refused(Fault::LetsOutsidersIn, outsider_in_a_case, Code::NotInCase, "POLICY", 6),
        refused(Fault::TakesShortQuorum, one_governor_for_two, Code::QuorumShort, "POLICY", 5),
        refused(Fault::ForgetsAuthor, author_who_did_not_sign, Code::AuthorUnsigned, "POLICY", 5),
        refused(Fault::ForgetsSigners, signature_stripped, Code::SignersDiffer, "POLICY", 5),
        refused(Fault::BindsUnasked, recipient_unasked, Code::PartyUnsigned, "POLICY", 6),
        refused(Fault::AddsStrongerKeys, key_stronger_than_its_adder, Code::KeyExceedsAdder, "POLICY", 6),
        refused(Fault::GoesOnAfterClose, dispatch_after_the_end, Code::LedgerClosed, "POLICY", 6),
        refused(Fault::TakesSquatters, squatted_subject, Code::SubjectNotOwn, "POLICY", 5),
        refused(Fault::CountsEndedKeys, key_retired, Code::KeyDoesNotCount, "KEY", 7),
        refused(Fault::CountsEndedKeys, key_revoked, Code::KeyDoesNotCount, "KEY", 7),
        refused(Fault::CountsExpiredKeys, key_expired, Code::KeyDoesNotCount, "KEY", 6),
        refused(Fault::IgnoresUses, key_for_something_else, Code::KeyDoesNotCount, "KEY", 6),
        refused(Fault::TakesUnsignedKeys, key_that_did_not_sign, Code::IntroducedKeyUnsigned, "KEY", 5),
        refused(Fault::TakesOldKeys, key_that_was_there, Code::KeyNotNew, "KEY", 7),
        refused(Fault::SkipsSignatures, signature_of_something_else, Code::BadSignature, "SIGNATURE", 5),
        refused(Fault::TakesForeignEvents, event_of_another_ledger, Code::WrongLedger, "LEDGER", 5),
        refused(Fault::TakesStaleAfter, stale_amendment, Code::StaleAfter, "STREAM", 6),
        refused(Fault::TakesUsedIds, id_used_twice, Code::IdConflict, "STREAM", 6),
        refused(Fault::TakesAnyTime, offer_gone_stale, Code::Expired, "TIME", 5),
        refused(Fault::TakesAnyTime, news_from_the_future, Code::OccurredInFuture, "TIME", 5),
        refused(Fault::TakesSurplusDisclosures, disclosure_of_nothing, Code::DisclosureRefused, "DISCLOSURE", 5),
        erring(Fault::TurnsBackTime, clock_turned_back, "TIME", Some(5)),
        erring(Fault::ForgetsGovernance, plain_dispatch, "POINTERS", Some(5)),
        erring(Fault::ForgetsCase, plain_dispatch, "POINTERS", Some(5)),
        erring(Fault::ForgetsStream, second_dispatch, "POINTERS", Some(6)),
        erring(Fault::BreaksChain, plain_dispatch, "CHAIN", Some(5)),
        erring(Fault::SignsAnotherRoot, plain_dispatch, "TREE", None),
        erring(Fault::SignsWithOldKey, log_key_rotated, "CHECKPOINT", None),
    ]
}

#[test]
fn the_verifier_rejects_what_each_fault_lets_through() {
    for Story { fault, tell, sound, failed: (code, seq) } in stories() {
        // Sound: refused, or recorded as it should be; and what was there before is good either way.
        let (world, submission) = tell();
        match (sound, world.ledger.submit(submission)) {
            (Sound::Recorded, Ok(_)) => {}
            (Sound::Refused(code), Err(countersign_ledger::append::SubmitError::Refused(refusal))) => {
                assert_eq!(refusal.code, code, "{fault:?}: {refusal}");
            }
            (_, other) => panic!("{fault:?}, not injected: {other:?}"),
        }
        verify(&world.bundle(), &world.ledger.id().to_string()).assert_verified();

        // With the fault: recorded, and found.
        let (world, submission) = tell();
        let size = world.ledger.head().size;
        let injected = fault::inject(fault);
        let recorded = world.ledger.submit(submission).unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        drop(injected);
        assert_eq!(recorded.seq.0, size.0);
        let report = verify(&world.bundle(), &world.ledger.id().to_string());
        assert_eq!((report.verdict(), report.status), ("failed", Some(1)), "{fault:?}: {:#}", report.json);
        let failed = report.failed();
        assert_eq!(failed.keys().collect::<Vec<_>>(), [code], "{fault:?}: {:#}", report.json);
        assert!(seq.is_none() || failed[code] == seq, "{fault:?}: expected {code} at {seq:?}, found {failed:?}");

        // Nor does a copy take it.
        let store = Arc::new(MemoryStore::new());
        let mut replay = Replay::open(Arc::clone(&store) as _, world.ledger.id()).unwrap();
        let refused = replay.of_bundle(&world.bundle()[..], |_, _| {}).unwrap_err();
        assert_eq!(refused.check(), Some(code), "{fault:?}: {refused}");
        assert_eq!(store.head().unwrap(), None);
    }
}

#[test]
fn every_fault_has_its_story() {
    let told: Vec<Fault> = stories().into_iter().map(|story| story.fault).collect();
    let untold: Vec<&Fault> = Fault::ALL.iter().filter(|fault| !told.contains(fault)).collect();
    assert!(untold.is_empty(), "{untold:?}");
}

#[test]
fn a_fault_ends_and_stays_in_its_thread() {
    let world = World::with_case();
    let injected = fault::inject(Fault::SkipsPolicy);
    std::thread::spawn(|| {
        let world = World::with_case();
        assert_eq!(world.refused(&dispatch().by("xa-mod"), &[RECIPIENT]), Code::PolicyNotSatisfied);
    })
    .join()
    .unwrap();
    world.say(&dispatch().by("xa-mod"), &[RECIPIENT]);
    drop(injected);
    assert_eq!(world.refused(&dispatch().by("xa-mod"), &[RECIPIENT]), Code::PolicyNotSatisfied);
}

/// A last event, signed as it is to be when the ledger has come that far.
fn told(world: World, last: &Draft, keys: &[&str]) -> (World, Submission) {
    let submission = world.submission(last, keys);
    (world, submission)
}

fn dispatch() -> Draft {
    draft("transfer.dispatched", "consignment/2026-0001", Some(CASE), "us-dsca", dispatch_body())
}

/// A ledger with a case, in which the rule of dispatches is another one.
fn with_rule(rule: &Value) -> World {
    let world = World::with_policy(&json!({ "transfer.dispatched": { "case": "required", "rule": rule } }));
    world.found();
    world
}

/// Has the donor add the key `us-dsca/1`, with changes.
fn add_key(changes: &Value) -> Draft {
    let mut key = grant("us-dsca/1");
    for (name, value) in changes.as_object().unwrap() {
        key[name] = value.clone();
    }
    draft("key.added", "party/us-dsca", None, "us-dsca", json!({ "party": "us-dsca", "key": key }))
}

fn end_key(kind: &str, name: &str) -> Draft {
    let mut body = json!({ "party": "us-dsca", "keyid": key(name).public().id(), "reason": "left office" });
    if kind == "key.revoked" {
        body["suspect_from"] = Value::Null;
    }
    draft(kind, "party/us-dsca", None, "us-dsca", body)
}

fn report(subject: &str) -> Draft {
    let body = json!({ "claim": "one was offered on the market", "source_grade": "photographed" });
    draft("diversion.reported", subject, None, "xa-mod", body)
}

fn amendment(roles: Option<Value>) -> Draft {
    let mut body = json!({ "title": "Night vision devices, second lot", "reason": "agreed" });
    if let Some(roles) = roles {
        body["roles"] = roles;
    }
    draft("case.amended", "case/us-dsca.x1", Some(CASE), "us-dsca", body)
}

fn plain_dispatch() -> (World, Submission) {
    told(World::with_case(), &dispatch(), &[DONOR])
}

fn dispatch_by_the_recipient() -> (World, Submission) {
    told(World::with_case(), &dispatch().by("xa-mod"), &[RECIPIENT])
}

fn one_party_for_two() -> (World, Submission) {
    let rule = json!({ "all": [{ "role": "donor" }, { "any": [{ "capacity": "donor" }, { "role": "implementer" }] }] });
    told(with_rule(&rule), &dispatch(), &[DONOR])
}

fn one_officer_for_two() -> (World, Submission) {
    let world = with_rule(&json!({ "role": "donor", "keys": 2 }));
    world.say(&add_key(&json!({})), &[DONOR, "us-dsca/1"]);
    told(world, &dispatch(), &[DONOR, "us-dsca/1"])
}

fn outsider_in_a_case() -> (World, Submission) {
    let world = World::with_case();
    world.enroll("outsider", &["donor"]);
    told(world, &dispatch(), &[DONOR, "outsider/0"])
}

fn one_governor_for_two() -> (World, Submission) {
    let body = json!({ "party": "us-dsca", "name": "Another name", "reason": "renamed" });
    let amended = draft("party.amended", "party/us-dsca", None, "governance", body);
    told(World::with_case(), &amended, &["gov0"])
}

fn author_who_did_not_sign() -> (World, Submission) {
    told(World::with_case(), &report("incident/xa-mod.1"), &[INSPECTOR])
}

fn signature_stripped() -> (World, Submission) {
    let both = dispatch().with(json!({ "signers": ["us-dsca", "xa-mod"] }));
    told(World::with_case(), &both, &[DONOR])
}

fn recipient_unasked() -> (World, Submission) {
    let world = World::with_case();
    world.enroll("xb-mod", &["recipient"]);
    let roles = json!({ "donor": ["us-dsca"], "recipient": ["xa-mod", "xb-mod"], "inspector": ["eu-obs"] });
    told(world, &amendment(Some(roles)), &[DONOR, RECIPIENT])
}

fn key_stronger_than_its_adder() -> (World, Submission) {
    let world = World::with_case();
    let mut body = party_body("xb-mod", &["recipient"], &["xb-mod/0"]);
    body["keys"][0]["uses"] = json!(["key.added", "transfer.received"]);
    let enrolled = draft("party.enrolled", "party/xb-mod", None, "governance", body);
    world.say(&enrolled, &["gov0", "gov1", "xb-mod/0"]);
    let body = json!({ "party": "xb-mod", "key": grant("xb-mod/1") });
    let added = draft("key.added", "party/xb-mod", None, "xb-mod", body);
    told(world, &added, &["xb-mod/0", "xb-mod/1"])
}

fn dispatch_after_the_end() -> (World, Submission) {
    let world = World::with_case();
    world.say(&draft("ledger.closed", "ledger/self", None, "governance", json!({ "reason": "moved" })), &QUORUM);
    told(world, &dispatch(), &[DONOR])
}

fn squatted_subject() -> (World, Submission) {
    told(World::with_case(), &report("incident/eu-obs.1"), &[RECIPIENT])
}

/// The other key of the donor signs too, so that the rule holds without the one that has ended.
fn key_ended(kind: &str) -> (World, Submission) {
    let world = World::with_case();
    world.say(&add_key(&json!({})), &[DONOR, "us-dsca/1"]);
    world.say(&end_key(kind, DONOR), &["us-dsca/1"]);
    told(world, &dispatch(), &[DONOR, "us-dsca/1"])
}

fn key_retired() -> (World, Submission) {
    key_ended("key.retired")
}

fn key_revoked() -> (World, Submission) {
    key_ended("key.revoked")
}

fn key_expired() -> (World, Submission) {
    let world = World::with_case();
    world.say(&add_key(&json!({ "not_after": "2026-09-21T15:00:00Z" })), &[DONOR, "us-dsca/1"]);
    world.clock.forward(3_600_001);
    told(world, &dispatch(), &[DONOR, "us-dsca/1"])
}

fn key_for_something_else() -> (World, Submission) {
    let world = World::with_case();
    world.say(&add_key(&json!({ "uses": ["transfer.received", "check.*"] })), &[DONOR, "us-dsca/1"]);
    told(world, &dispatch(), &[DONOR, "us-dsca/1"])
}

fn key_that_did_not_sign() -> (World, Submission) {
    told(World::with_case(), &add_key(&json!({})), &[DONOR])
}

fn key_that_was_there() -> (World, Submission) {
    let world = World::with_case();
    world.say(&add_key(&json!({})), &[DONOR, "us-dsca/1"]);
    world.say(&end_key("key.retired", "us-dsca/1"), &[DONOR]);
    told(world, &add_key(&json!({})), &[DONOR, "us-dsca/1"])
}

fn signature_of_something_else() -> (World, Submission) {
    let world = World::with_case();
    let payload = world.payload(&dispatch());
    let mut other = payload.clone();
    other["body"]["document_number"] = json!("W1A2B360000002");
    let json_of = |payload| -> Value { serde_json::from_str(&sign(payload, &[DONOR]).canonical()).unwrap() };
    let mut envelope = json_of(&payload);
    envelope["signatures"] = json_of(&other)["signatures"].clone();
    (world, Submission::parse(envelope.to_string().as_bytes()).unwrap())
}

fn event_of_another_ledger() -> (World, Submission) {
    let elsewhere = dispatch().with(json!({ "ledger": "0".repeat(64) }));
    told(World::with_case(), &elsewhere, &[DONOR])
}

fn stale_amendment() -> (World, Submission) {
    let world = World::with_case();
    let opened = world.head("case/us-dsca.x1", Some(CASE));
    world.say(&amendment(None), &[DONOR, RECIPIENT]);
    told(world, &amendment(None).with(json!({ "after": opened })), &[DONOR, RECIPIENT])
}

fn id_used_twice() -> (World, Submission) {
    let world = World::with_case();
    let same = dispatch().with(json!({ "id": fresh_id() }));
    world.say(&same, &[DONOR]);
    told(world, &same, &[DONOR])
}

fn offer_gone_stale() -> (World, Submission) {
    let offer = dispatch().with(json!({ "until": "2026-09-21T13:59:59.999Z" }));
    told(World::with_case(), &offer, &[DONOR])
}

fn news_from_the_future() -> (World, Submission) {
    let news = dispatch().with(json!({ "occurred": { "at": "2026-09-23T14:00:00.001Z" } }));
    told(World::with_case(), &news, &[DONOR])
}

fn disclosure_of_nothing() -> (World, Submission) {
    // ["AAAAAAAAAAAAAAAAAAAAAA","remarks","by night"]
    let disclosure = "WyJBQUFBQUFBQUFBQUFBQUFBQUFBQUFBIiwicmVtYXJrcyIsImJ5IG5pZ2h0Il0";
    told(World::with_case(), &dispatch().disclosing(&[disclosure]), &[DONOR])
}

fn clock_turned_back() -> (World, Submission) {
    let world = World::with_case();
    world.clock.forward(-1);
    told(world, &dispatch(), &[DONOR])
}

fn second_dispatch() -> (World, Submission) {
    let world = World::with_case();
    world.say(&dispatch(), &[DONOR]);
    told(world, &dispatch(), &[DONOR])
}

fn log_key_rotated() -> (World, Submission) {
    let body = json!({ "log_key": vkey("log2"), "reason": "yearly" });
    told(World::with_case(), &draft("log_key.rotated", "ledger/self", None, "governance", body), &QUORUM)
}
