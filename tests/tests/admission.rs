//! The ledger on the events of every vector: what the verifier finds false, the ledger refuses; what verifies, it
//! admits, and records as the very lines that the forge made.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use countersign_ledger::append::{Ledger, OpenError, Parts, SubmitError};
use countersign_ledger::id::Seq;
use countersign_ledger::keys::{Signer, SigningKey};
use countersign_ledger::refusal::{Refusal, RefusalCode};
use countersign_ledger::store::memory::MemoryStore;
use countersign_ledger::submission::Submission;
use countersign_ledger::time::{Clock, Time};
use countersign_tests::forge::script::{Entry, Script};
use countersign_tests::forge::vector::Admission;
use countersign_tests::forge::{Key, Vector, vectors, world};

/// A clock that says what it is told.
#[derive(Default)]
struct Told(AtomicI64);

impl Clock for Told {
    fn now(&self) -> Time {
        Time::from_unix_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// The private keys of a log: those of the vector's checkpoint, and those to which the vectors rotate.
fn log_keys(vector: &Vector) -> Vec<std::sync::Arc<dyn Signer>> {
    let usual = ["log", "log2", "log3"].map(world::key);
    let mut keys: Vec<&Key> = vector.built.log_keys.iter().chain(&usual).filter(|k| k.is_plain()).collect();
    keys.sort_by_key(|k| k.seed());
    keys.dedup_by_key(|k| k.seed());
    keys.into_iter().map(|k| SigningKey::from_seed(&k.seed()).into()).collect()
}

fn submission(entry: &Entry) -> Result<Submission, Refusal> {
    let mut submission = Submission::parse(entry.envelope.as_bytes())?;
    submission.disclosures.clone_from(&entry.disclosures);
    Ok(submission)
}

/// Hands in one event: `None` when it is recorded.
fn hand_in(ledger: &Ledger, entry: &Entry) -> Option<Refusal> {
    let refused = |error| match error {
        SubmitError::Refused(refusal) => *refusal,
        other => panic!("{}: {other}", entry.label),
    };
    match submission(entry) {
        Err(refusal) => Some(refusal),
        Ok(submission) => ledger.submit(submission).map_err(refused).err(),
    }
}

/// Begins the ledger with entry 0, or says why not.
fn begin(vector: &Vector, clock: &Arc<Told>) -> Result<Ledger, Refusal> {
    let store = Arc::new(MemoryStore::new());
    let parts = Parts { store, high_water: None, log_keys: log_keys(vector), clock: clock.clone(), queue: 16 };
    let genesis = submission(&vector.built.entries[0])?;
    Ledger::create(parts, genesis).map_err(|error| match error {
        OpenError::Genesis(refusal) => *refusal,
        other => panic!("{}: {other}", vector.name),
    })
}

/// Whether a refusal is for what the check of SPEC §13 is about.
fn fits(check: &str, code: RefusalCode) -> bool {
    use RefusalCode::*;
    let codes: &[RefusalCode] = match check {
        "FORMAT" => &[
            MalformedJson,
            MalformedEnvelope,
            MalformedEvent,
            BodyMalformed,
            LimitExceeded,
            Unsigned,
            RepeatedKey,
            WrongSubject,
            AlreadyStarted,
            WrongKey,
        ],
        "LEDGER" => &[WrongLedger],
        "SIGNATURE" => &[BadSignature],
        "KEY" => &[UnknownKey, KeyDoesNotCount, IntroducedKeyUnsigned, KeyNotNew, WrongKey, BodyMalformed],
        "STREAM" => &[StaleAfter, UnknownAfter, IdConflict, AlreadyStarted, NotStarted],
        "SEAL" => &[FalseSeal, BodyMalformed, WrongSubject, CaseUse],
        "TIME" => &[OccurredInFuture, Expired, MalformedEvent],
        "DISCLOSURE" => &[DisclosureRefused, MalformedEvent, BodyMalformed, LimitExceeded],
        "POLICY" => &[
            UnknownKind,
            WrongSubject,
            CaseUse,
            UnknownCase,
            KeyExceedsAdder,
            QuorumShort,
            QuorumNeeded,
            AuthorUnsigned,
            SignersDiffer,
            NotInCase,
            PolicyNotSatisfied,
            PartyUnsigned,
            WrongParty,
            AlreadyStarted,
            NotStarted,
            SubjectNotOwn,
            WrongCorrection,
            LedgerClosed,
        ],
        _ => &[],
    };
    codes.contains(&code)
}

/// Plays a vector's events, and says what is not as it should be.
fn play(vector: &Vector) -> Result<(), String> {
    let entries = &vector.built.entries;
    let wrong = match vector.admission {
        Admission::Operator => return Ok(()),
        Admission::Admitted => None,
        Admission::Refused(seq) => Some(usize::try_from(seq).unwrap()),
    };
    let refused_well = |refusal: &Refusal| {
        // The keys of a ledger without ledger.created are known from nowhere.
        let first = wrong == Some(0) && refusal.code == RefusalCode::UnknownKey;
        let named = vector.failed.is_empty() || vector.failed.iter().any(|f| fits(&f.code, refusal.code));
        if named || first { Ok(()) } else { Err(format!("refused for another reason: {} {refusal}", refusal.code)) }
    };
    let clock = Arc::new(Told::default());
    clock.0.store(entries[0].time, Ordering::SeqCst);
    let ledger = match (begin(vector, &clock), wrong) {
        (Err(refusal), Some(0)) => return refused_well(&refusal),
        (Err(refusal), _) => return Err(format!("entry 0 is refused: {} {refusal}", refusal.code)),
        (Ok(_), Some(0)) => return Err("entry 0 is admitted".to_owned()),
        (Ok(ledger), _) => ledger,
    };
    for (seq, entry) in entries.iter().enumerate().skip(1) {
        clock.0.store(entry.time, Ordering::SeqCst);
        let refusal = hand_in(&ledger, entry);
        let size = usize::try_from(ledger.head().size.0).unwrap();
        match (refusal, wrong == Some(seq)) {
            (None, false) => {}
            (Some(refusal), true) if size == seq => return refused_well(&refusal),
            (Some(refusal), true) => return Err(format!("refused, and yet {size} entries: {refusal}")),
            (None, true) => return Err(format!("entry {seq} ({}) is admitted", entry.label)),
            (Some(refusal), false) => {
                return Err(format!("entry {seq} ({}) is refused: {} {refusal}", entry.label, refusal.code));
            }
        }
        let line = ledger.entry(Seq(u64::try_from(seq).unwrap())).unwrap().unwrap().line();
        if line.as_bytes() != entry.line {
            return Err(format!(
                "entry {seq} is recorded otherwise:\n{line}\n{}",
                String::from_utf8_lossy(&entry.line)
            ));
        }
    }
    let text = |note: &str| note.split_once("\n\n").unwrap().0.to_owned();
    let signed = ledger.head().checkpoint;
    if wrong.is_none() && vector.folder == "valid" && text(&signed) != text(&vector.built.checkpoint) {
        return Err(format!("another checkpoint:\n{signed}\n{}", vector.built.checkpoint));
    }
    ledger.shutdown();
    Ok(())
}

/// Envelopes may be handed in as DSSE lets them be written; they are recorded in one way (SPEC §4).
#[test]
fn envelopes_are_read_generously_and_recorded_canonically() {
    let script = world::base().then([world::cancel("x").signed([&world::donor2()])]);
    let built = script.build();
    let envelope: serde_json::Value = serde_json::from_str(&built.entries[5].envelope).unwrap();
    let url = |value: &serde_json::Value| value.as_str().unwrap().replace('+', "-").replace('/', "_");
    let edited = |f: &dyn Fn(&mut serde_json::Value)| {
        let mut envelope = envelope.clone();
        f(&mut envelope);
        envelope.to_string()
    };
    let good = [
        ("as it is", envelope.to_string()),
        ("white space", serde_json::to_string_pretty(&envelope).unwrap()),
        ("unknown member", edited(&|e| e["note"] = 1.into())),
        ("unknown member of a signature", edited(&|e| e["signatures"][0]["cert"] = "x".into())),
        ("base64url payload", edited(&|e| e["payload"] = url(&e["payload"]).into())),
        ("base64url signature", edited(&|e| e["signatures"][1]["sig"] = url(&e["signatures"][1]["sig"]).into())),
        ("signatures in another order", edited(&|e| e["signatures"].as_array_mut().unwrap().reverse())),
    ];
    for (what, text) in good {
        let line = record(&script, &text).unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
        assert_eq!(line.as_bytes(), built.entries[5].line, "{what}");
    }
    let mixed = |value: &serde_json::Value| {
        let text = value.as_str().unwrap();
        let at = text.find(['+', '/']).unwrap();
        let (head, tail) = text.split_at(at + 1);
        let tail = tail.replace('+', "-").replace('/', "_");
        assert!(tail.contains(['-', '_']), "this signature has too few such characters");
        format!("{head}{tail}")
    };
    let bad = [
        (
            "both alphabets in one string",
            edited(&|e| e["signatures"][0]["sig"] = mixed(&e["signatures"][0]["sig"]).into()),
        ),
        ("no keyid", edited(&|e| drop(e["signatures"][0].as_object_mut().unwrap().remove("keyid")))),
        ("one key twice", edited(&|e| e["signatures"][1] = e["signatures"][0].clone())),
        ("no signatures", edited(&|e| e["signatures"] = serde_json::json!([]))),
        ("duplicate member", built.entries[5].envelope.replacen('{', "{\"payloadType\":\"x\",", 1)),
        ("trailing bytes", format!("{envelope}x")),
    ];
    for (what, text) in bad {
        assert!(record(&script, &text).is_err(), "{what} is admitted");
    }
}

/// Plays all but the last event, and hands in a text for the last; its line if it is recorded.
fn record(script: &Script, text: &str) -> Result<String, Refusal> {
    let vector = Vector::new("generous", "§4", "", script);
    let (last, before) = vector.built.entries.split_last().unwrap();
    let clock = Arc::new(Told::default());
    clock.0.store(before[0].time, Ordering::SeqCst);
    let ledger = begin(&vector, &clock).unwrap();
    for entry in &before[1..] {
        clock.0.store(entry.time, Ordering::SeqCst);
        assert!(hand_in(&ledger, entry).is_none());
    }
    clock.0.store(last.time, Ordering::SeqCst);
    if let Some(refusal) = hand_in(&ledger, &Entry { envelope: text.to_owned(), ..last.clone() }) {
        assert_eq!(ledger.head().size.0, before.len() as u64, "refused, and yet recorded");
        return Err(refusal);
    }
    Ok(ledger.entry(Seq(before.len() as u64)).unwrap().unwrap().line())
}

#[test]
fn the_ledger_admits_what_verifies_and_refuses_the_rest() {
    let all = vectors::all();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut wrong = Vec::new();
        while let Some(vector) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(reason) = play(vector) {
                wrong.push(format!("{} ({})\n    {reason}", vector.name, vector.sentence));
            }
        }
        wrong
    };
    let mut wrong = std::thread::scope(|scope| {
        let threads = [scope.spawn(worker), scope.spawn(worker)];
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect::<Vec<String>>()
    });
    wrong.sort();
    let played = all.iter().filter(|v| v.admission != Admission::Operator).count();
    assert!(played > 1_000, "only {played} vectors are about admission");
    assert!(wrong.is_empty(), "{} of {played} vectors:\n{}", wrong.len(), wrong.join("\n"));
}
