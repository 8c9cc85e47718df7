//! Every vector, as a log would serve it: what is right is never accused, and no proof is written that does not prove.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_tests::forge::{Vector, vectors};
use countersign_tests::harness::LogServer;

use super::{Watcher, confirm, shown};

/// What a wrong entry can be shown by.
const SHOWN_BY: [&str; 8] = ["FORMAT", "LEDGER", "CHAIN", "SIGNATURE", "POLICY", "STREAM", "POINTERS", "TIME"];

/// Watches the ledger of a vector, and says how it ended and what is not as it should be.
fn watch(vector: &Vector) -> (Option<i32>, Vec<String>) {
    let log = LogServer::start(shown(&vector.built));
    let watcher = Watcher::new(&log.url, &vector.built.id);
    let ended = watcher.once();
    let proofs = watcher.proofs();
    let failed: Vec<&str> = vector.failed.iter().map(|failed| failed.code.as_str()).collect();
    let mut wrong = Vec::new();
    let mut say = |what: &str| wrong.push(format!("{}: {what}: {failed:?} {ended:?}", vector.name));
    if (ended.status == Some(5)) != (proofs.len() == 1) {
        say("status and proof do not agree");
    }
    for proof in &proofs {
        if vector.verdict == "verified" || !failed.iter().any(|code| SHOWN_BY.contains(code)) {
            say("nothing is wrong that it could be accused of");
        }
        let (status, said) = confirm(proof, &["--ledger", &vector.built.id]);
        if status != Some(0) {
            say(&format!("the verifier does not confirm: {said}"));
        }
    }
    if vector.verdict == "verified" && ended.status != Some(0) {
        say("it is right, and was not followed");
    }
    // after an entry of a newer format nothing is judged; what an extract withholds the log shows
    let extract = vector.file.windows(12).any(|bytes| bytes == b"{\"withheld\":");
    let judged = !extract && !vector.name.contains("newer");
    if judged && matches!(failed[..], ["CHAIN" | "SIGNATURE" | "POINTERS"]) && ended.status != Some(5) {
        say("it was not noticed");
    }
    (ended.status, wrong)
}

#[test]
fn what_is_right_is_not_accused_and_what_is_proven_is_wrong() {
    let all = vectors::all();
    let whole = |vector: &&Vector| vector.command == "bundle" && !vector.built.entries.is_empty();
    // two processes each: all that entries by themselves or in pairs could show, and every fifth of the others
    let near = |vector: &Vector| {
        let failed: Vec<&str> = vector.failed.iter().map(|failed| failed.code.as_str()).collect();
        failed.iter().any(|code| ["LEDGER", "CHAIN", "SIGNATURE", "STREAM", "POINTERS", "TIME"].contains(code))
    };
    let all = all.iter().filter(whole).enumerate().filter(|(at, vector)| at % 5 == 0 || near(vector));
    let all: Vec<&Vector> = all.map(|(_, vector)| vector).collect();
    let (next, wrong, counts) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(vector) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (status, faults) = watch(vector);
                    wrong.lock().unwrap().extend(faults);
                    *counts.lock().unwrap().entry(status).or_insert(0) += 1;
                }
            });
        }
    });
    let (wrong, counts) = (wrong.into_inner().unwrap(), counts.into_inner().unwrap());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert!(counts[&Some(0)] > 100 && counts[&Some(5)] > 50, "{counts:?}");
}
