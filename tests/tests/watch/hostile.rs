//! Servers that mean harm, and files that were damaged: told, bounded, and never taken for a proof.

use countersign_tests::forge::world::{ORIGIN, base, cancel, key, log_key};
use countersign_tests::forge::{Key, note};
use countersign_tests::harness::{LogServer, Mischief, Shown};

use super::{Watcher, build};

#[test]
fn what_does_not_fit_the_checkpoint_proves_nothing() {
    let (ledger, seen) = build(&base());
    let (_, longer) = build(&base().then([cancel("a"), cancel("b")]));
    for (mischief, told) in [
        (Mischief::Short, "not what it should be"),
        (Mischief::OtherBytes, "whose root is"),
        (Mischief::OtherTiles, "do not hash to the root"),
        (Mischief::Endless, "longer than"),
        (Mischief::Unavailable, "http status 503"),
    ] {
        let log = LogServer::start(seen.clone());
        let watcher = Watcher::new(&log.url, &ledger.id);
        watcher.assert_well();
        let kept = watcher.kept();
        log.show(Shown { mischief, ..longer.clone() });
        let ended = watcher.once();
        assert_eq!(ended.status, Some(4), "{mischief:?}: {ended:?}");
        assert!(ended.stderr.contains(told), "{mischief:?}: {ended:?}");
        assert_eq!((watcher.proofs().len(), watcher.kept()), (0, kept), "{mischief:?}");
        // and when the disturbance is over all is well
        log.show(longer.clone());
        let ended = watcher.assert_well();
        assert!(ended.stdout.contains("7 entries, 2 of them new"), "{ended:?}");
    }
}

#[test]
fn a_server_that_drips_is_left() {
    let (ledger, seen) = build(&base());
    let log = LogServer::start(Shown { mischief: Mischief::Dripping, ..seen });
    let watcher = Watcher::new(&log.url, &ledger.id);
    let ended = watcher.run(&["--once", "--timeout", "1"]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("timeout"), "{ended:?}");
}

/// A checkpoint of any size, signed by a key.
fn checkpoint(size: &str, by: &Key) -> String {
    let text = format!("{ORIGIN}\n{size}\n{}\n", countersign_tests::forge::b64(&[7; 32]));
    format!("{text}\n{}", note::log_line(ORIGIN, by, &text))
}

#[test]
fn sizes_and_signatures_that_cannot_be() {
    let (ledger, seen) = build(&base());
    let log = LogServer::start(seen.clone());
    let watcher = Watcher::new(&log.url, &ledger.id);
    let fresh = Watcher::new(&log.url, &ledger.id);
    watcher.assert_well();
    for (size, by) in [
        ("0", log_key()),
        ("4294967297", log_key()),
        ("9007199254740992", log_key()),
        ("9223372036854775808", log_key()),
        ("18446744073709551615", log_key()),
        ("18446744073709551616", log_key()),
        ("-1", log_key()),
        // nobody's: no larger, larger, of the same size
        ("4", key("thief")),
        ("5", key("thief")),
        ("6", key("thief")),
    ] {
        log.show(Shown { checkpoint: checkpoint(size, &by), ..seen.clone() });
        for watcher in [&watcher, &fresh] {
            let ended = watcher.once();
            assert!(matches!(ended.status, Some(1 | 4)), "{size}: {ended:?}");
            assert_eq!(watcher.proofs().len(), 0, "{size}");
        }
    }
    // the log's own word for as many entries as there are not: no tile shows them
    log.show(Shown { checkpoint: checkpoint("4294967296", &log_key()), ..seen.clone() });
    assert_eq!(watcher.once().status, Some(4));
    for bytes in [String::new(), "x".repeat(300_000), "\n\n— x AAAAAAA=\n".to_owned()] {
        log.show(Shown { checkpoint: bytes, ..seen.clone() });
        assert_eq!(watcher.once().status, Some(4));
    }
    log.show(seen);
    watcher.assert_well();
}

#[test]
fn another_ledger_is_not_taken_for_this_one() {
    let (_, seen) = build(&base());
    let log = LogServer::start(seen);
    let watcher = Watcher::new(&log.url, &"1".repeat(64));
    let ended = watcher.once();
    assert_eq!((ended.status, watcher.proofs().len()), (Some(4), 0), "{ended:?}");
    assert!(ended.stderr.contains("serves another ledger"), "{ended:?}");
}

#[test]
fn damaged_and_shared_state_is_refused() {
    let (ledger, seen) = build(&base());
    let log = LogServer::start(seen.clone());
    let watcher = Watcher::new(&log.url, &ledger.id);
    watcher.assert_well();
    let refused = |told: &str| {
        let ended = watcher.once();
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(told), "{told:?} in {ended:?}");
    };
    let entries = watcher.folder.path().join("state.entries");
    let whole = std::fs::read(&entries).unwrap();
    assert_eq!(whole.len(), 5 * 64);
    let mut changed = whole.clone();
    changed[64] ^= 1;
    std::fs::write(&entries, &changed).unwrap();
    refused("do not fit each other");
    std::fs::write(&entries, &whole[..300]).unwrap();
    refused("fewer than the 5 records");
    std::fs::write(&entries, &whole).unwrap();
    watcher.assert_well();
    let state = watcher.kept();
    std::fs::write(watcher.state(), &state[..state.len() / 2]).unwrap();
    refused("is no state of a watch");
    std::fs::write(watcher.state(), &state).unwrap();
    // of another ledger
    let other = Watcher::new(&log.url, &"1".repeat(64));
    std::fs::copy(watcher.state(), other.state()).unwrap();
    std::fs::copy(&entries, other.folder.path().join("state.entries")).unwrap();
    let ended = other.once();
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("is of ledger"), "{ended:?}");
    // one at a time
    log.show(Shown { mischief: Mischief::StallsAfter(0), ..seen });
    let mut first = watcher.command(&["--once"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    log.wait_for(4);
    refused("another watch uses it");
    first.kill().unwrap();
    first.wait().unwrap();
}
