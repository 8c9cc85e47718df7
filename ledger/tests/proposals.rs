//! Proposals of a ledger in memory: whose signatures they await, what becomes of them, and what they may not do.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;

use countersign_ledger::envelope::{EVENT_TYPE, Envelope, pae};
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::Author;
use countersign_ledger::proposal::{
    Filter, Found, ProposalError, ProposalLimits, Proposals, Room, Signed, Standing, Withdrawal,
};
use countersign_ledger::refusal::{Refusal, RefusalCode};
use countersign_ledger::submission::Submission;
use serde_json::{Value, json};
use support::{Draft, World, case_body, dispatch_body, draft, grant, key};

const CASE: Option<&str> = Some("us-dsca.x1");

fn check(n: usize) -> Draft {
    let body = json!({ "type": "routine", "access": "refused" });
    draft("check.recorded", &format!("check/{n}"), CASE, "eu-obs", body)
}

fn submission(payload: &Value, keys: &[&str]) -> Submission {
    let keys: Vec<_> = keys.iter().map(|name| key(name)).collect();
    let envelope = Envelope::sign(payload.to_string().into_bytes(), &keys.iter().collect::<Vec<_>>()).unwrap();
    Submission { envelope, disclosures: vec![] }
}

fn signed(of: &Submission, name: &str) -> Signed {
    let key = key(name);
    let signature = key.sign(&pae(EVENT_TYPE, of.envelope.payload()));
    Signed { event: of.envelope.event_hash(), keyid: key.public().id(), signature }
}

struct Gathered {
    world: World,
    proposals: Proposals,
}

impl Gathered {
    fn new() -> Self {
        Self::with(ProposalLimits::default())
    }

    fn with(limits: ProposalLimits) -> Self {
        let world = World::with_case();
        Self { proposals: Proposals::new(world.ledger.clone(), limits), world }
    }

    fn propose(&self, draft: &Draft, keys: &[&str]) -> Submission {
        let submission = submission(&self.world.payload(draft), keys);
        self.proposals.propose(submission.clone()).unwrap();
        submission
    }

    fn refused(&self, draft: &Draft, keys: &[&str]) -> Refusal {
        refusal(self.proposals.propose(submission(&self.world.payload(draft), keys)))
    }

    fn sign(&self, of: &Submission, name: &str) -> Result<Found, ProposalError> {
        self.proposals.sign(&[signed(of, name)]).unwrap().pop().unwrap()
    }

    fn get(&self, of: &Submission) -> Found {
        self.proposals.get(&of.envelope.event_hash()).unwrap().unwrap()
    }

    fn size(&self) -> u64 {
        self.world.ledger.head().size.0
    }
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, ProposalError>) -> Refusal {
    match result {
        Err(ProposalError::Refused(refusal)) => *refusal,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[track_caller]
fn awaited(found: &Found) -> BTreeSet<String> {
    let Found::Kept { assessment, .. } = found else { panic!("recorded: {found:?}") };
    assert_eq!(assessment.standing, Standing::Open);
    assert!(!assessment.awaited.missing.is_empty());
    let mut names: BTreeSet<String> = assessment.awaited.parties.iter().map(ToString::to_string).collect();
    if assessment.awaited.governance > 0 {
        names.insert(format!("governance {}", assessment.awaited.governance));
    }
    names
}

#[track_caller]
fn blocked(found: &Found) -> Refusal {
    let Found::Kept { assessment, .. } = found else { panic!("recorded: {found:?}") };
    let Standing::Blocked(refusal) = &assessment.standing else { panic!("{assessment:?}") };
    assert!(refusal.hint.is_some(), "it says what to do: {refusal}");
    (**refusal).clone()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn an_event_is_recorded_with_its_last_signature() {
    let gathered = Gathered::new();
    let size = gathered.size();
    let proposed = gathered.propose(&check(1), &[]);
    // The author is awaited, and of the rule's other half whoever could be it.
    assert_eq!(awaited(&gathered.get(&proposed)), names(&["eu-obs", "xa-mod"]));
    assert_eq!(awaited(&gathered.sign(&proposed, "eu-obs/0").unwrap()), names(&["xa-mod"]));
    // Signing again changes nothing.
    assert_eq!(awaited(&gathered.sign(&proposed, "eu-obs/0").unwrap()), names(&["xa-mod"]));
    assert_eq!(refusal(gathered.sign(&proposed, "us-dsca/0")).code, RefusalCode::NotAwaited);
    let Found::Recorded { signing, receipt, .. } = gathered.sign(&proposed, "xa-mod/0").unwrap() else { panic!() };
    assert_eq!(signing.len(), 2);
    receipt.verify_inclusion().unwrap();
    assert_eq!(gathered.size(), size + 1);
    assert!(gathered.world.store.proposals(None, 10).unwrap().is_empty(), "the record is gone");
    // It is still there for whoever asks, and proposing it again gives the same entry.
    assert!(matches!(gathered.get(&proposed), Found::Recorded { .. }));
    assert!(matches!(gathered.proposals.propose(proposed), Ok((Found::Recorded { .. }, false))));
    assert_eq!(gathered.size(), size + 1);
}

#[test]
fn who_is_awaited_follows_the_rule_and_signers() {
    let gathered = Gathered::new();
    // Either of two may sign, and the author is one of them: nobody else is awaited.
    let lines = json!({ "lines": [{ "line": "1", "nomenclature": "RADIO", "quantity": "1", "unit": "EA" }],
        "grade": "documented", "source": "records" });
    let holding = |n: usize| draft("holding.declared", &format!("holding/{n}"), CASE, "xa-mod", lines.clone());
    assert_eq!(awaited(&gathered.get(&gathered.propose(&holding(1), &[]))), names(&["xa-mod"]));
    // Unless the event names more: then exactly these, whatever the rule would do with.
    let both = holding(2).with(json!({ "signers": ["us-dsca", "xa-mod"] }));
    let proposed = gathered.propose(&both, &["xa-mod/0"]);
    assert_eq!(awaited(&gathered.get(&proposed)), names(&["us-dsca"]));
    assert_eq!(refusal(gathered.sign(&proposed, "eu-obs/0")).code, RefusalCode::SignersDiffer);
    assert!(matches!(gathered.sign(&proposed, "us-dsca/0"), Ok(Found::Recorded { .. })));
    // Governance signs as a quorum, one after the other, and a new key for itself.
    let body = json!({ "party": "xb-mod", "name": "B", "country": null, "capacities": ["recipient"], "keys": [grant("xb-mod/0")] });
    let proposed = gathered.propose(&draft("party.enrolled", "party/xb-mod", None, "governance", body), &[]);
    assert_eq!(awaited(&gathered.get(&proposed)), names(&["governance 2"]));
    assert_eq!(awaited(&gathered.sign(&proposed, "gov2").unwrap()), names(&["governance 1"]));
    assert!(matches!(gathered.sign(&proposed, "xb-mod/0"), Ok(Found::Kept { .. })));
    assert!(matches!(gathered.sign(&proposed, "gov0"), Ok(Found::Recorded { .. })));
    // A case binds its donors and recipients, who all sign.
    let roles = json!({ "donor": ["us-dsca"], "recipient": ["xa-mod", "xb-mod"] });
    let opened = draft("case.opened", "case/us-dsca.x2", Some("us-dsca.x2"), "us-dsca", case_body(&roles));
    let proposed = gathered.propose(&opened, &["us-dsca/0"]);
    assert_eq!(awaited(&gathered.get(&proposed)), names(&["xa-mod", "xb-mod"]));
    assert_eq!(awaited(&gathered.sign(&proposed, "xb-mod/0").unwrap()), names(&["xa-mod"]));
    assert!(matches!(gathered.sign(&proposed, "xa-mod/0"), Ok(Found::Recorded { .. })));
    // A key that its party adds: the party or the quorum, and the key.
    let body = json!({ "party": "xa-mod", "key": grant("xa-mod/1") });
    let proposed = gathered.propose(&draft("key.added", "party/xa-mod", None, "xa-mod", body), &["xa-mod/0"]);
    let Found::Kept { assessment, .. } = gathered.get(&proposed) else { panic!() };
    assert_eq!(assessment.awaited.keys, [key("xa-mod/1").public().id()]);
    assert!(matches!(gathered.sign(&proposed, "xa-mod/1"), Ok(Found::Recorded { .. })));
}

#[test]
fn a_retired_keys_signature_drops_alone() {
    let gathered = Gathered::new();
    let body = json!({ "party": "eu-obs", "key": grant("eu-obs/1") });
    gathered.world.say(draft("key.added", "party/eu-obs", None, "eu-obs", body), &["eu-obs/0", "eu-obs/1"]).unwrap();
    let proposed = gathered.propose(&check(1), &["eu-obs/0"]);
    let body = json!({ "party": "eu-obs", "keyid": key("eu-obs/0").public().id(), "reason": "left" });
    gathered.world.say(draft("key.retired", "party/eu-obs", None, "eu-obs", body), &["eu-obs/1"]).unwrap();
    // It waits for the party again; nothing else of it is lost.
    let found = gathered.sign(&proposed, "xa-mod/0").unwrap();
    assert_eq!(awaited(&found), names(&["eu-obs"]));
    let Found::Kept { assessment, .. } = found else { panic!() };
    assert_eq!(assessment.dropped.len(), 1);
    assert_eq!(assessment.dropped[0].0, key("eu-obs/0").public().id());
    assert!(assessment.dropped[0].1.found.contains("retired by entry"), "{:?}", assessment.dropped);
    let Found::Recorded { signing, .. } = gathered.sign(&proposed, "eu-obs/1").unwrap() else { panic!() };
    assert!(signing.contains(&key("eu-obs/1").public().id()) && signing.contains(&key("xa-mod/0").public().id()));
    assert_eq!(signing.len(), 2, "the entry has the signatures that count, and no other");
}

#[test]
fn what_can_no_longer_be_recorded_says_why() {
    let gathered = Gathered::new();
    let amendment = |title: &str| {
        draft("case.amended", "case/us-dsca.x1", CASE, "us-dsca", json!({ "title": title, "reason": "agreed" }))
    };
    let stale = gathered.propose(&amendment("one"), &["us-dsca/0"]);
    let late = check(2).with(json!({ "until": "2026-09-21T15:00:00Z" }));
    let late = gathered.propose(&late, &["eu-obs/0"]);
    let taken = gathered.world.payload(&check(3));
    let mut other = taken.clone();
    other["subject"] = json!("check/4");
    let taken = submission(&taken, &["eu-obs/0"]);
    gathered.proposals.propose(taken.clone()).unwrap();

    gathered.world.say(amendment("two"), &["us-dsca/0", "xa-mod/0"]).unwrap();
    gathered.world.say_payload(&other, &["eu-obs/0", "xa-mod/0"]).unwrap();
    gathered.world.clock.forward(2 * 3_600_000);
    assert_eq!(blocked(&gathered.get(&stale)).code, RefusalCode::StaleAfter);
    assert!(blocked(&gathered.get(&stale)).head.is_some());
    assert_eq!(blocked(&gathered.get(&late)).code, RefusalCode::Expired);
    assert_eq!(blocked(&gathered.get(&taken)).code, RefusalCode::IdConflict);
    // No signature mends it, and none is kept.
    let size = gathered.size();
    assert_eq!(refusal(gathered.sign(&stale, "xa-mod/0")).code, RefusalCode::StaleAfter);
    assert_eq!(gathered.size(), size);

    // The author is succeeded: nobody can sign for it.
    let proposed = gathered.propose(&check(5), &[]);
    gathered.world.enroll("eu-new", &["inspector", "oversight"]);
    let body = json!({ "party": "eu-obs", "successor": "eu-new", "reason": "reorganised" });
    gathered
        .world
        .say(draft("party.succeeded", "party/eu-obs", None, "governance", body), &["gov0", "gov1", "eu-new/0"])
        .unwrap();
    let refusal = blocked(&gathered.get(&proposed));
    assert_eq!((refusal.code, refusal.path.as_deref()), (RefusalCode::WrongParty, Some("/author")));
    // And the ledger is closed.
    let open = gathered.propose(&check(6).with(json!({ "author": "eu-new" })), &[]);
    gathered
        .world
        .say(draft("ledger.closed", "ledger/self", None, "governance", json!({ "reason": "moved" })), &["gov0", "gov1"])
        .unwrap();
    assert_eq!(blocked(&gathered.get(&open)).code, RefusalCode::LedgerClosed);
    // All of them are readable until they expire, and then gone.
    gathered.world.clock.forward(40 * 86_400_000);
    for proposed in [&stale, &late, &open] {
        assert!(gathered.proposals.get(&proposed.envelope.event_hash()).unwrap().is_none());
    }
}

#[test]
fn what_could_never_be_recorded_is_not_kept() {
    let gathered = Gathered::new();
    let other_case = draft(
        "check.recorded",
        "check/1",
        Some("us-dsca.none"),
        "eu-obs",
        json!({ "type": "routine", "access": "refused" }),
    );
    assert_eq!(gathered.refused(&other_case, &["eu-obs/0"]).code, RefusalCode::UnknownCase);
    assert_eq!(gathered.refused(&check(1), &["stranger"]).code, RefusalCode::UnknownKey);
    gathered.world.enroll("xz-mod", &["recipient"]);
    assert_eq!(gathered.refused(&check(1), &["eu-obs/0", "xz-mod/0"]).code, RefusalCode::NotInCase);
    let nobody = check(1).with(json!({ "signers": ["eu-obs"] }));
    assert_eq!(gathered.refused(&nobody, &["eu-obs/0"]).code, RefusalCode::PolicyNotSatisfied);
    let mut bad = submission(&gathered.world.payload(&check(1)), &[]);
    let wrong = signed(&submission(&gathered.world.payload(&check(2)), &[]), "eu-obs/0");
    bad.envelope = Envelope::new(bad.envelope.payload().to_vec(), vec![(wrong.keyid, wrong.signature)]).unwrap();
    assert_eq!(refusal(gathered.proposals.propose(bad)).code, RefusalCode::BadSignature);
    let kept = gathered.propose(&check(3), &["eu-obs/0"]);
    let wrong = Signed { event: kept.envelope.event_hash(), keyid: key("xa-mod/0").public().id(), ..wrong };
    assert_eq!(refusal(gathered.proposals.sign(&[wrong]).unwrap().pop().unwrap()).code, RefusalCode::BadSignature);
    let unknown = Signed { event: EventHash::from_bytes([7; 32]), ..wrong };
    let unknown = gathered.proposals.sign(&[unknown]).unwrap().pop().unwrap();
    assert!(matches!(unknown, Err(ProposalError::Unknown { .. })));
    assert_eq!(gathered.world.store.proposals(None, 10).unwrap().len(), 1);
}

#[test]
fn only_the_author_or_the_quorum_withdraws() {
    let gathered = Gathered::new();
    let kept = gathered.propose(&check(1), &["eu-obs/0"]);
    let event = kept.envelope.event_hash();
    let Found::Kept { kept: record, .. } = gathered.get(&kept) else { panic!() };
    let ledger = gathered.world.ledger.id();
    let request = |names: &[&str]| {
        let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        Withdrawal::sign(ledger, event, record.proposed, &keys).unwrap()
    };
    let code = |request: &Withdrawal| refusal(gathered.proposals.withdraw(&event, request)).code;
    assert_eq!(code(&request(&["xa-mod/0"])), RefusalCode::NotWithdrawable);
    assert_eq!(code(&request(&["gov0"])), RefusalCode::NotWithdrawable);
    assert_eq!(code(&request(&[])), RefusalCode::NotWithdrawable);
    assert_eq!(code(&request(&["stranger"])), RefusalCode::UnknownKey);
    // Neither for another event, nor for a proposal of another time, nor with an event's signature.
    let elsewhere =
        Withdrawal::sign(ledger, EventHash::from_bytes([1; 32]), record.proposed, &[key("eu-obs/0")]).unwrap();
    assert_eq!(code(&elsewhere), RefusalCode::NotWithdrawable);
    let earlier = Withdrawal::sign(ledger, event, record.proposed.plus_millis(-1), &[key("eu-obs/0")]).unwrap();
    assert_eq!(code(&earlier), RefusalCode::NotWithdrawable);
    let parsed = Withdrawal::parse(request(&["eu-obs/0"]).to_json().as_bytes()).unwrap();
    let other_payload =
        Withdrawal::sign(ledger, event, record.proposed.plus_millis(1), &[key("eu-obs/0")]).unwrap().to_json();
    let mut forged: Value = serde_json::from_str(&request(&["eu-obs/0"]).to_json()).unwrap();
    forged["payload"] = serde_json::from_str::<Value>(&other_payload).unwrap()["payload"].clone();
    let forged = Withdrawal::parse(forged.to_string().as_bytes()).unwrap();
    assert_eq!(code(&forged), RefusalCode::NotWithdrawable, "it is of another time");
    assert!(Withdrawal::parse(kept.envelope.canonical().as_bytes()).is_err());
    gathered.proposals.withdraw(&event, &parsed).unwrap();
    assert!(gathered.proposals.get(&event).unwrap().is_none());
    // The same request does not reach a later proposal of the same event.
    gathered.world.clock.forward(1);
    gathered.proposals.propose(kept.clone()).unwrap();
    assert_eq!(code(&parsed), RefusalCode::NotWithdrawable);
    let Found::Kept { kept: record, .. } = gathered.get(&kept) else { panic!() };
    let quorum = Withdrawal::sign(ledger, event, record.proposed, &[key("gov0"), key("gov2")]).unwrap();
    gathered.proposals.withdraw(&event, &quorum).unwrap();
    assert!(gathered.proposals.get(&event).unwrap().is_none());
}

#[test]
fn nobody_fills_the_disk_nor_anothers_room() {
    let limits = ProposalLimits {
        party: Room { number: 3, bytes: 1 << 20 },
        unsigned: Room { number: 2, bytes: 1 << 20 },
        all: Room { number: 6, bytes: 1 << 20 },
        ..ProposalLimits::default()
    };
    let gathered = Gathered::with(limits);
    for n in 0..2 {
        gathered.propose(&check(n), &[]);
    }
    assert_eq!(gathered.refused(&check(9), &[]).code, RefusalCode::ProposalsFull);
    let own: Vec<_> = (2..5).map(|n| gathered.propose(&check(n), &["eu-obs/0"])).collect();
    assert_eq!(gathered.refused(&check(9), &["eu-obs/0"]).code, RefusalCode::ProposalsFull);
    // Another party still has room, until there is none in all.
    let dispatch = |n: usize| {
        let more = json!({ "signers": ["us-dsca", "xa-mod"] });
        draft("transfer.dispatched", &format!("consignment/{n}"), CASE, "us-dsca", dispatch_body()).with(more)
    };
    gathered.propose(&dispatch(1), &["us-dsca/0"]);
    let refusal = gathered.refused(&dispatch(2), &["us-dsca/0"]);
    assert_eq!((refusal.code, refusal.expected.as_str()), (RefusalCode::ProposalsFull, "at most 6 proposals in all"));
    // What is recorded makes room, and so does what expires.
    assert!(matches!(gathered.sign(&own[0], "xa-mod/0"), Ok(Found::Recorded { .. })));
    gathered.propose(&dispatch(2), &["us-dsca/0"]);
    gathered.world.clock.forward(8 * 86_400_000);
    gathered.propose(&check(9), &[]);
    gathered.proposals.upkeep().unwrap();
    assert_eq!(gathered.world.store.proposals(None, 10).unwrap().len(), 5, "two unsigned ones are gone");
}

#[test]
fn a_party_at_its_bound_completes_what_it_has_and_a_refusal_is_one_lines() {
    let with =
        |bytes: usize| Gathered::with(ProposalLimits { party: Room { number: 9, bytes }, ..ProposalLimits::default() });
    // All of these take the same room, whoever signed them.
    let one: usize = with(0).refused(&check(1), &["eu-obs/0"]).found.parse().unwrap();
    let gathered = with(2 * one);
    let (first, second) = (gathered.propose(&check(1), &["eu-obs/0"]), gathered.propose(&check(2), &["eu-obs/0"]));
    let third = gathered.propose(&check(3), &[]);
    assert_eq!(gathered.refused(&check(4), &["eu-obs/0"]).code, RefusalCode::ProposalsFull);
    let size = gathered.size();
    let lines = [signed(&third, "eu-obs/0"), signed(&first, "xa-mod/0"), signed(&second, "xa-mod/0")];
    let mut outcomes = gathered.proposals.sign(&lines).unwrap().into_iter();
    assert_eq!(refusal(outcomes.next().unwrap()).code, RefusalCode::ProposalsFull);
    assert!(outcomes.all(|outcome| matches!(outcome, Ok(Found::Recorded { .. }))));
    assert_eq!(gathered.size(), size + 2);
    assert!(matches!(gathered.sign(&third, "eu-obs/0"), Ok(Found::Kept { .. })), "there is room now");
}

#[test]
fn lists_are_paged_and_filtered_and_survive_a_restart() {
    let gathered = Gathered::new();
    for n in 0..7 {
        gathered.propose(&check(n), &["eu-obs/0"]);
        gathered.world.clock.forward(5);
    }
    let more = json!({ "signers": ["us-dsca", "xa-mod"] });
    let other = draft("transfer.dispatched", "consignment/1", CASE, "us-dsca", dispatch_body()).with(more);
    gathered.propose(&other, &["xa-mod/0"]);
    let again = Proposals::new(gathered.world.ledger.clone(), ProposalLimits::default());
    for proposals in [&gathered.proposals, &again] {
        let all = |awaiting: Option<&str>, limit: usize| {
            let awaiting = awaiting.map(|name| name.parse::<Author>().unwrap());
            let filter = Filter { awaiting, ..Filter::default() };
            let (mut after, mut subjects) = (None, Vec::new());
            loop {
                let page = proposals.list(&filter, after, limit, 1 << 20).unwrap();
                assert!(page.proposals.len() <= limit);
                subjects.extend(page.proposals.iter().map(|found| match found {
                    Found::Kept { prepared, .. } => prepared.event().subject.to_string(),
                    Found::Recorded { .. } => panic!("recorded"),
                }));
                after = page.next;
                if after.is_none() {
                    return subjects;
                }
            }
        };
        let checks: Vec<String> = (0..7).map(|n| format!("check/{n}")).collect();
        assert_eq!(all(Some("xa-mod"), 3), checks);
        assert_eq!(all(Some("us-dsca"), 3), ["consignment/1"]);
        assert_eq!(all(None, 100).len(), 8);
        assert!(all(Some("eu-obs"), 100).is_empty());
    }
}

/// What is submitted with all its signatures while it is proposed is recorded, and its proposal makes room.
#[test]
fn what_was_submitted_by_another_way_is_forgotten() {
    let gathered = Gathered::new();
    let payload = gathered.world.payload(&check(1));
    let proposed = submission(&payload, &["eu-obs/0"]);
    gathered.proposals.propose(proposed.clone()).unwrap();
    gathered.world.say_payload(&payload, &["eu-obs/0", "xa-mod/0"]).unwrap();
    assert!(matches!(gathered.get(&proposed), Found::Recorded { .. }));
    gathered.proposals.upkeep().unwrap();
    assert!(gathered.world.store.proposals(None, 10).unwrap().is_empty());
    assert!(matches!(gathered.get(&proposed), Found::Recorded { .. }));
}

/// A rule that asks for less than before completes what waits.
#[test]
fn what_a_new_policy_completes_is_recorded_at_the_next_upkeep() {
    let gathered = Gathered::new();
    let proposed = gathered.propose(&check(1), &["eu-obs/0"]);
    gathered.proposals.upkeep().unwrap();
    assert!(matches!(gathered.get(&proposed), Found::Kept { .. }));
    let mut policy = gathered.world.ledger.with_authority(|authority| authority.policy().to_value());
    policy["check.recorded"]["rule"] = json!({ "role": "inspector" });
    let body = json!({ "policy": policy, "reason": "simpler" });
    gathered.world.say(draft("policy.changed", "ledger/self", None, "governance", body), &["gov0", "gov1"]).unwrap();
    gathered.proposals.upkeep().unwrap();
    assert!(matches!(gathered.get(&proposed), Found::Recorded { .. }));
}
