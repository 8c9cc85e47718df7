//! What every store must do, run against each.

use countersign_ledger::store::memory::MemoryStore;
use countersign_ledger::store::testing::{Fault, FaultyStore};
use countersign_ledger::store::{Store, StoreError};
use proptest::prelude::*;

use crate::fixture::{Fixture, Plan, check, check_look_ups};

/// A store of each sort, with its name. The folder goes with the guard.
fn stores() -> Vec<(&'static str, Box<dyn Store>, Option<tempfile::TempDir>)> {
    let mut stores: Vec<(&'static str, Box<dyn Store>, Option<tempfile::TempDir>)> =
        vec![("memory", Box::new(MemoryStore::new()), None)];
    #[cfg(feature = "rocks")]
    {
        use countersign_ledger::store::rocks::{RocksOptions, RocksStore};
        let folder = tempfile::tempdir().unwrap();
        let store = RocksStore::create(&folder.path().join("store"), &RocksOptions::default()).unwrap();
        stores.push(("rocks", Box::new(store), Some(folder)));
    }
    stores
}

#[test]
fn an_empty_store_answers() {
    for (_, store, _folder) in stores() {
        check(&*store, &Fixture::new());
    }
}

#[test]
fn every_look_up_agrees_with_the_entries() {
    for (_, store, _folder) in stores() {
        let mut fixture = Fixture::new();
        for count in [1, 1, 3, 250, 1, 0, 256, 400, 1, 1] {
            store.commit(&fixture.drawn(count)).unwrap();
            check(&*store, &fixture);
        }
    }
}

#[test]
fn a_tile_filled_one_by_one_is_whole() {
    for (_, store, _folder) in stores() {
        let mut fixture = Fixture::new();
        for _ in 0..520 {
            store.commit(&fixture.drawn(1)).unwrap();
        }
        check(&*store, &fixture);
    }
}

/// Commits as a copy does: without a head.
fn ahead(store: &dyn Store, fixture: &mut Fixture, count: u64) {
    let head = fixture.head.clone();
    let mut batch = fixture.drawn(count);
    batch.head = None;
    store.commit(&batch).unwrap();
    fixture.head = head;
}

#[test]
fn what_is_ahead_of_the_head_is_unseen_and_can_be_taken_back() {
    for (name, store, _folder) in stores() {
        for (seen, unseen) in [(0, [3, 1, 0]), (3, [1, 0, 1]), (250, [6, 300, 1]), (300, [1, 255, 700])] {
            let mut fixture = Fixture::new();
            let size = store.head().unwrap().map_or(0, |head| head.size.0);
            fixture.drawn(size);
            if size < seen {
                store.commit(&fixture.drawn(seen - size)).unwrap();
            }
            let mut before = Fixture::new();
            before.drawn(fixture.size());
            before.head = store.head().unwrap();
            fixture.head.clone_from(&before.head);
            for count in unseen {
                ahead(&*store, &mut fixture, count);
                check_look_ups(&*store, &before);
                check_look_ups(&*store.with_ahead(), &fixture);
                assert_eq!(store.size_ahead().unwrap().0, fixture.size(), "{name}");
            }
            store.discard_ahead().unwrap();
            check(&*store, &before);
            check(&*store.with_ahead(), &before);
            assert_eq!(store.size_ahead().unwrap().0, before.size(), "{name}");
        }
        // A head shows it, with a batch or without one.
        let mut fixture = Fixture::new();
        fixture.drawn(store.head().unwrap().unwrap().size.0);
        for last in [0, 5] {
            ahead(&*store, &mut fixture, 270);
            store.commit(&fixture.drawn(last)).unwrap();
            check(&*store, &fixture);
        }
    }
}

#[cfg(feature = "rocks")]
#[test]
fn what_is_ahead_stays_unseen_when_the_store_is_opened_again() {
    use crate::folder::{create, open};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = create(&path);
    let (mut before, mut fixture) = (Fixture::new(), Fixture::new());
    store.commit(&before.drawn(40)).unwrap();
    fixture.drawn(40);
    ahead(&store, &mut fixture, 600);
    drop(store);
    let store = open(&path, 40).unwrap();
    check_look_ups(&store, &before);
    check_look_ups(&*store.with_ahead(), &fixture);
    ahead(&store, &mut fixture, 1);
    check_look_ups(&store, &before);
    store.discard_ahead().unwrap();
    drop(store);
    let store = open(&path, 40).unwrap();
    check(&store, &before);
    store.commit(&before.drawn(700)).unwrap();
    check(&store, &before);
}

#[test]
fn a_batch_that_does_not_continue_is_refused_and_nothing_of_it_stays() {
    for (name, store, _folder) in stores() {
        let mut fixture = Fixture::new();
        store.commit(&fixture.drawn(5)).unwrap();
        let mut ahead = Fixture::new();
        ahead.drawn(5);
        let good = ahead.drawn(300);
        let mut gap = good.clone();
        gap.entries.remove(7);
        let mut head = good.clone();
        head.head.as_mut().unwrap().size.0 += 1;
        let mut tile = good.clone();
        tile.tiles[0].hashes.pop();
        let mut level = good.clone();
        level.tiles[0].level = 64;
        for bad in [gap, head, tile, level, Fixture::new().drawn(5), ahead.drawn(1)] {
            let refused = store.commit(&bad);
            assert!(matches!(refused, Err(StoreError::Discontinuous { .. })), "{name}: {refused:?}");
            check(&*store, &fixture);
        }
        // A refusal is not a failed write: the store goes on.
        store.commit(&fixture.drawn(300)).unwrap();
        check(&*store, &fixture);
    }
}

#[test]
fn a_new_checkpoint_for_the_same_size_replaces_the_old() {
    for (_, store, _folder) in stores() {
        let mut fixture = Fixture::new();
        store.commit(&fixture.drawn(3)).unwrap();
        let mut again = fixture.drawn(0);
        again.head.as_mut().unwrap().checkpoint.push_str("— witness.example/w1 AAAA\n");
        fixture.head = again.head.clone();
        store.commit(&again).unwrap();
        check(&*store, &fixture);
    }
}

#[test]
fn readers_beside_the_writer_see_whole_batches() {
    for (name, store, _folder) in stores() {
        let mut fixture = Fixture::new();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let Some(head) = store.head().unwrap() else { continue };
                    assert!(head.size.0 >= seen && head.size.0 % 7 == 0, "{name}: half a batch");
                    assert!(head.checkpoint.contains(&format!("\n{}\n", head.size)));
                    seen = head.size.0;
                    let last = countersign_ledger::id::Seq(seen - 1);
                    let line = store.lines(last, 1, 0).unwrap().remove(0);
                    let event = countersign_ledger::entry::Entry::parse(&line).unwrap().envelope.event_hash();
                    assert_eq!(store.seq_of_event(&event).unwrap(), Some(last));
                    let width = usize::try_from((seen - 1) % 256).unwrap();
                    assert!(store.tile(0, (seen - 1) / 256).unwrap().unwrap().len() > width);
                }
                seen
            });
            for _ in 0..60 {
                store.commit(&fixture.drawn(7)).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(reader.join().unwrap() > 0);
        });
        check(&*store, &fixture);
    }
}

#[test]
fn a_faulty_store_fails_when_told() {
    for fault in [Fault::Before, Fault::After] {
        let store = FaultyStore::new(MemoryStore::new());
        store.fail_after(2, fault);
        let mut fixture = Fixture::new();
        store.commit(&fixture.drawn(2)).unwrap();
        store.commit(&fixture.drawn(2)).unwrap();
        let before = store.head().unwrap();
        let lost = fixture.drawn(2);
        assert!(matches!(store.commit(&lost), Err(StoreError::Failed { .. })));
        assert!(matches!(store.commit(&lost), Err(StoreError::InDoubt)));
        match fault {
            Fault::Before => assert_eq!(store.head().unwrap(), before),
            Fault::After => check(&store, &fixture),
        }
        store.restart();
        if fault == Fault::Before {
            store.commit(&lost).unwrap();
        }
        store.commit(&fixture.drawn(1)).unwrap();
        check(&store, &fixture);
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    (0..4u8, 0..4u8, 0..12u16, any::<bool>(), 0..3u8, 0..5u8).prop_map(
        |(author, case, subject, authority, disclosures, lines)| Plan {
            author,
            case,
            subject,
            authority,
            disclosures,
            lines,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_batches_are_found_again(
        batches in prop::collection::vec(prop::collection::vec(plan(), 0..40), 1..8)
    ) {
        for (_, store, _folder) in stores() {
            let mut fixture = Fixture::new();
            for plans in &batches {
                store.commit(&fixture.batch(plans.iter().copied())).unwrap();
                check(&*store, &fixture);
            }
        }
    }
}
