//! Replaying a ledger takes what the verifier takes, refuses what it refuses under the same check, and stores what the
//! ledger itself had stored.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::LedgerId;
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::replay::{RecordedEntry, Replay, ReplayError};
use countersign_ledger::store::Store;
use countersign_ledger::store::memory::MemoryStore;
use countersign_tests::harness::people::{dispatch_body, key, party_body};
use countersign_tests::harness::stores::assert_same_store;
use countersign_tests::harness::world::{QUORUM, vkey};
use countersign_tests::harness::{World, draft};
use serde_json::{Value, json};

fn vectors() -> Vec<Value> {
    let index = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/index.json");
    serde_json::from_slice(&std::fs::read(index).unwrap()).unwrap()
}

/// Replays a bundle's bytes into an empty store.
fn replay(bundle: &[u8], ledger: LedgerId) -> Result<Arc<MemoryStore>, (Option<&'static str>, String)> {
    let store = Arc::new(MemoryStore::new());
    let mut replay = Replay::open(Arc::clone(&store) as Arc<dyn Store>, ledger).unwrap();
    match replay.of_bundle(bundle, |_, _| {}) {
        Ok(_) => Ok(store),
        Err(refused) => {
            assert_eq!(store.head().unwrap(), None, "nothing is seen of what was refused: {refused}");
            Err((refused.check(), refused.to_string()))
        }
    }
}

/// Vectors that are refused under another check than the verifier's.
const ASKED_IN_ANOTHER_ORDER: [&str; 6] = [
    "s2-key-",
    "s3-occurred-from-after-to",
    "s4-newer-and-broken-chain",
    "s6-created-again",
    "s6-first-is-another-kind",
    "s6-rotated-to-another-name",
];

#[test]
fn vectors_are_taken_or_refused_as_the_verifier_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let (mut wrong, mut taken, mut refused) = (Vec::new(), 0, 0);
    for vector in vectors() {
        let given = ["trust", "previous", "bundle", "evidence"];
        if vector["command"] != "bundle" || given.iter().any(|name| !vector[*name].is_null()) {
            continue;
        }
        let Some(ledger) = vector["ledger"].as_str() else { continue };
        let (name, expect) = (vector["name"].as_str().unwrap(), &vector["expect"]);
        let bundle = std::fs::read(root.join(vector["file"].as_str().unwrap())).unwrap();
        let result = replay(&bundle, ledger.parse().unwrap());
        let codes = |member: &str| -> BTreeSet<String> {
            let listed = expect[member].as_array().into_iter().flatten();
            listed.filter_map(|of| of["code"].as_str().or(of.as_str()).map(str::to_owned)).collect()
        };
        let expected: BTreeSet<String> = codes("failed").union(&codes("may_fail")).cloned().collect();
        match (expect["verdict"].as_str().unwrap(), result) {
            ("verified", Ok(_)) => taken += 1,
            ("failed", Err((Some(check), _))) if expected.contains(check) => refused += 1,
            ("failed", Err(_)) if ASKED_IN_ANOTHER_ORDER.iter().any(|start| name.starts_with(start)) => refused += 1,
            ("not_checked", Err((None, text))) if text.contains("newer version") => refused += 1,
            (_, Err((None, text))) if text.contains("expected a full bundle") => {}
            (verdict, result) => wrong.push(format!("{name}: {verdict} {expected:?}, but {:?}", result.map(drop))),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), taken + refused + wrong.len(), wrong.join("\n"));
    assert!(taken > 300 && refused > 1_000, "{taken} taken, {refused} refused");
}

/// A ledger with keys, a log key and a policy that change, things that are concealed, corrected and repeated.
fn long_story() -> World {
    let world = World::with_case();
    let case = Some("us-dsca.x1");
    for n in 0..300 {
        let subject = format!("consignment/2026-{:04}", n % 40);
        world.clock.forward(if n % 7 == 0 { 61_000 } else { 0 });
        world.say(&draft("transfer.dispatched", &subject, case, "us-dsca", dispatch_body()), &["us-dsca/0"]);
        if n == 100 {
            let body = json!({ "log_key": vkey("log2"), "reason": "the year is over" });
            world.say(&draft("log_key.rotated", "ledger/self", None, "governance", body), &QUORUM);
        }
        if n % 90 == 7 {
            let (party, own) = (format!("party-{n}"), format!("party-{n}/0"));
            let body = party_body(&party, &["carrier"], &[&own]);
            let enrolled = draft("party.enrolled", &format!("party/{party}"), None, "governance", body);
            world.say(&enrolled, &["gov0", "gov1", &own]);
        }
    }
    world
}

/// What a source gives: every line with its disclosures.
fn recorded(world: &World) -> Vec<RecordedEntry> {
    let lines = world.store.lines(Seq(0), usize::MAX, usize::MAX).unwrap();
    let with = |(seq, line)| RecordedEntry { line, disclosures: world.store.disclosures(Seq(seq)).unwrap() };
    (0..).zip(lines).map(with).collect()
}

fn checkpoint(world: &World) -> SignedCheckpoint {
    world.ledger.checkpoint()
}

#[test]
fn a_replayed_store_is_the_same_however_it_came() {
    let world = long_story();
    let entries = recorded(&world);
    for steps in [1, 7, 600] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let mut replay = Replay::open(Arc::clone(&store), world.ledger.id()).unwrap();
        for (n, part) in entries.chunks(steps).enumerate() {
            replay.push(part.to_vec()).unwrap();
            assert_eq!(store.head().unwrap(), None, "nothing is seen before a checkpoint covers it");
            if n % 50 == 20 {
                // As if the process had died.
                replay = Replay::open(Arc::clone(&store), world.ledger.id()).unwrap();
            }
        }
        replay.accept(&checkpoint(&world)).unwrap();
        assert_same_store(&*store, &*world.store);
        let mut replay = Replay::open(store, world.ledger.id()).unwrap();
        replay.push(Vec::new()).unwrap();
        replay.accept(&checkpoint(&world)).unwrap();
    }
}

#[test]
fn a_copy_goes_on_from_checkpoint_to_checkpoint() {
    let world = long_story();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut replay = Replay::open(Arc::clone(&store), world.ledger.id()).unwrap();
    replay.push(recorded(&world)).unwrap();
    replay.accept(&checkpoint(&world)).unwrap();
    let before = world.ledger.head().size;
    let old = checkpoint(&world);
    world.say(
        &draft("transfer.dispatched", "consignment/last", Some("us-dsca.x1"), "us-dsca", dispatch_body()),
        &["us-dsca/0"],
    );
    replay.push(recorded(&world).split_off(usize::try_from(before.0).unwrap())).unwrap();
    assert_eq!(store.head().unwrap().unwrap().size, before);
    // The checkpoint before is of another size now, and changes nothing.
    let refused = replay.accept(&old).unwrap_err();
    assert!(matches!(refused, ReplayError::Size { .. }), "{refused}");
    assert_eq!(replay.root_at(before).unwrap(), Some(old.checkpoint().root));
    assert_eq!(replay.root_at(TreeSize(before.0 + 2)).unwrap(), None);
    replay.accept(&checkpoint(&world)).unwrap();
    assert_same_store(&*store, &*world.store);
}

#[test]
fn what_does_not_lead_to_the_checkpoint_is_taken_back() {
    let (world, other) = (long_story(), long_story());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut replay = Replay::open(Arc::clone(&store), world.ledger.id()).unwrap();
    let size = world.ledger.head().size;
    replay.push(recorded(&world)[..200].to_vec()).unwrap();
    // An entry of another ledger, and after that nothing.
    let foreign = recorded(&other)[200].clone();
    let refused = replay.push(vec![recorded(&world)[200].clone(), foreign]).unwrap_err();
    assert_eq!(refused.check(), Some("FORMAT"), "seq 200 again: {refused}");
    assert!(matches!(replay.push(Vec::new()), Err(ReplayError::Stopped)));
    assert!(matches!(replay.accept(&checkpoint(&world)), Err(ReplayError::Stopped)));
    replay.discard().unwrap();
    assert_eq!((replay.size(), store.size_ahead().unwrap()), (TreeSize(0), TreeSize(0)));
    // The same entries under a checkpoint of another tree, or signed by another key.
    replay.push(recorded(&world)).unwrap();
    let root = |origin: &str, log: &str, root| {
        use countersign_ledger::checkpoint::Checkpoint;
        use countersign_ledger::note::NoteSigner;
        let signer = NoteSigner::new(origin.parse().unwrap(), key(log));
        Checkpoint { origin: origin.parse().unwrap(), size, root }.sign(&[signer]).unwrap()
    };
    let origin = world.ledger.origin();
    let refused = replay.accept(&root(&origin, "log2", checkpoint(&other).checkpoint().root)).unwrap_err();
    assert_eq!(refused.check(), Some("TREE"), "{refused}");
    for (origin, log) in [(origin.as_str(), "log"), (origin.as_str(), "gov0"), ("ledger.example/other", "log2")] {
        let refused = replay.accept(&root(origin, log, checkpoint(&world).checkpoint().root)).unwrap_err();
        assert_eq!(refused.check(), Some("CHECKPOINT"), "{refused}");
    }
    assert_eq!(store.head().unwrap(), None);
    replay.accept(&root(&origin, "log2", checkpoint(&world).checkpoint().root)).unwrap();
    assert_eq!(store.head().unwrap().unwrap().size, size);
    // Another ledger's copy does not go on here.
    let refused = Replay::open(store, other.ledger.id()).unwrap_err();
    assert!(matches!(refused, ReplayError::Ledger { .. }), "{refused}");
}
