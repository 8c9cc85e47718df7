//! Random histories: who may sign what, by the ledger and by a simple model; and what is recorded verifies.
//!
//! Parties come, change and are succeeded; keys are added, retired, revoked and expire; governance changes; cases open and
//! bind others; people make statements, often signed by the wrong ones. For every event the ledger and the model
//! ([`model`]) must agree whether it may be recorded. In the end the verifier binary must find nothing wrong.
#![allow(clippy::unwrap_used)]

mod bodies;
mod dice;
mod model;
mod story;

use std::cell::RefCell;
use std::collections::BTreeMap;

use countersign_ledger::append::SubmitError;
use countersign_ledger::bundle::Scope;
use countersign_ledger::event::Event;
use countersign_ledger::id::{CaseId, TreeSize};
use countersign_ledger::submission::Submission;
use countersign_tests::harness::draft::sign;
use countersign_tests::harness::{World, verify};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use dice::Dice;
use model::Model;
use story::Teller;

/// How often each kind was recorded and refused.
type Tally = BTreeMap<&'static str, [usize; 2]>;

/// Two keys of the donor authorize, so that it matters which keys count as two.
fn world() -> World {
    let two = json!({ "case": "required", "rule": { "role": "donor", "keys": 2 } });
    World::with_policy(&json!({ "transfer.authorized": two }))
}

/// Tells one history, and compares ledger and model at each event.
fn tell(bytes: &[u8], tally: &RefCell<Tally>) -> Result<(), TestCaseError> {
    let world = world();
    let mut teller = Teller { model: Model::new(world.head("ledger/self", None).unwrap()), dice: Dice::new(bytes) };
    while let Some(statement) = teller.next(&world.clock) {
        let payload = bodies::payload(&statement, &teller.model, &world);
        let keys: Vec<&str> = statement.keys.iter().map(String::as_str).collect();
        let submission = Submission { envelope: sign(&payload, &keys), disclosures: Vec::new() };
        let expected = teller.model.admits(&statement);
        let row = world.ledger.submit(submission);
        let mut tally = tally.borrow_mut();
        let counts = tally.entry(statement.kind).or_default();
        match (expected, row) {
            (Ok(()), Ok(recorded)) => {
                counts[0] += 1;
                recorded.receipt.verify_inclusion().unwrap();
                teller.model.record(&statement, recorded.event);
            }
            (Err(_), Err(SubmitError::Refused(_))) => counts[1] += 1,
            (Ok(()), Err(error)) => {
                return Err(TestCaseError::fail(format!("the ledger refuses {statement:#?}: {error}")));
            }
            (Err(why), Ok(_)) => {
                return Err(TestCaseError::fail(format!("the ledger takes {statement:#?}; the model: {why}")));
            }
            (Err(why), Err(error)) => {
                return Err(TestCaseError::fail(format!("{statement:#?}: {error}; the model: {why}")));
            }
        }
    }
    let report = verify(&world.bundle(), &world.ledger.id().to_string());
    let failed: Vec<_> =
        report.json["checks"].as_array().into_iter().flatten().filter(|c| c["result"] == "failed").collect();
    prop_assert_eq!(report.verdict(), "verified", "{:?}", failed);
    prop_assert_eq!(report.json["size"].as_u64(), Some(world.ledger.head().size.0));
    extracts_verify(&world, bytes[0])
}

/// An extract of the ledger, whatever its scope: nothing is false, and it is not taken for the whole.
fn extracts_verify(world: &World, chance: u8) -> Result<(), TestCaseError> {
    let size = world.ledger.head().size;
    let mut scopes = vec![Scope::Since(TreeSize(u64::from(chance) % (size.0 + 1)))];
    for case in ["c0", "c1", "c2"].iter().filter(|case| world.head(&format!("case/{case}"), Some(case)).is_some()) {
        let case: CaseId = case.parse().unwrap();
        let seqs = world.store.case_seqs(Some(&case), None).unwrap();
        let some = world.ledger.entry(seqs[usize::from(chance) % seqs.len()]).unwrap().unwrap();
        let subject = Event::of_envelope(&some.envelope).unwrap().subject;
        scopes.extend([Scope::Stream(case.clone(), subject), Scope::Case(case)]);
    }
    for scope in scopes {
        let report = verify(&world.extract(&scope), &world.ledger.id().to_string());
        prop_assert_eq!(report.failed(), BTreeMap::new(), "{:?}", scope);
        prop_assert_eq!(report.verdict(), "partial", "{:?}", scope);
        let decided =
            |code| report.json["checks"].as_array().unwrap().iter().any(|c| c["code"] == code && c["result"] == "ok");
        prop_assert!(
            ["FORMAT", "LEDGER", "TREE", "CHECKPOINT", "SIGNATURE", "TIME"].into_iter().all(decided),
            "{:?}",
            scope
        );
    }
    Ok(())
}

#[test]
fn ledger_model_and_verifier_agree_on_any_history() {
    let tally = RefCell::default();
    // PROPTEST_CASES asks for more.
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { 100 };
    let config = Config { cases, max_shrink_iters: 400, failure_persistence: None, ..Config::default() };
    let histories = proptest::collection::vec(any::<u8>(), 1_000..3_000);
    if let Err(failure) = TestRunner::new(config).run(&histories, |bytes| tell(&bytes, &tally)) {
        panic!("{failure}");
    }
    // A model that is never asked proves nothing.
    let tally = tally.into_inner();
    if std::env::var_os("COUNTERSIGN_TALLY").is_some() {
        println!("{tally:?}");
    }
    for kind in story::KINDS {
        let [recorded, refused] = tally.get(kind).copied().unwrap_or_default();
        assert!(recorded >= 5 && refused >= 5, "{kind}: {recorded} recorded, {refused} refused; {tally:?}");
    }
}
