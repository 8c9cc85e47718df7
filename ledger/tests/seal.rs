//! Seals of a running ledger: they say what is so, and nothing else is recorded as one (SPEC §15).
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_ledger::append::{Ledger, OpenOptions, Recorded, SubmitError};
use countersign_ledger::bundle::{BundleChunks, BundleError, BundleLine, Compression, LastLeaf, Scope, read_bundle};
use countersign_ledger::entry::Entry;
use countersign_ledger::event::Event;
use countersign_ledger::hash::{EventHash, SealHash, SealKey, sha256};
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::refusal::RefusalCode as Code;
use countersign_ledger::seal::{Instead, Sealer, scan};
use countersign_ledger::store::memory::MemoryStore;
use countersign_ledger::store::testing::{Fault, FaultyStore};
use serde_json::{Value, json};
use support::{World, dispatch_body, draft, key, parts};

const CASE: Option<&str> = Some("us-dsca.x1");

fn dispatch(subject: &str) -> support::Draft {
    draft("transfer.dispatched", subject, CASE, "us-dsca", dispatch_body())
}

fn dispute(id: &str, about: EventHash) -> support::Draft {
    let body = json!({ "about": about, "grounds": "not so" });
    draft("statement.disputed", &format!("statement/xa-mod.{id}"), None, "xa-mod", body)
}

fn sealer() -> Sealer {
    Sealer { party: "ops".parse().unwrap(), key: Arc::new(key("ops/0")) }
}

fn world() -> World {
    let world = World::with_case();
    world.enroll("ops", &["operator"]);
    world
}

fn entries(world: &World) -> Vec<(Event, EventHash)> {
    let lines = world.store.lines(Seq(0), usize::MAX, usize::MAX).unwrap();
    let entries = lines.iter().map(|line| Entry::parse(line).unwrap());
    entries.map(|entry| (Event::of_envelope(&entry.envelope).unwrap(), entry.envelope.event_hash())).collect()
}

fn naive_tree(pairs: &[(SealKey, [u8; 32])], depth: usize) -> [u8; 32] {
    match pairs {
        [] => sha256(&[&[2]]),
        [(key, value)] => sha256(&[&[3], key.as_bytes(), value]),
        _ => {
            let (zero, one): (Vec<_>, Vec<_>) = pairs.iter().copied().partition(|(key, _)| !key.bit(depth));
            sha256(&[&[4], &naive_tree(&zero, depth + 1), &naive_tree(&one, depth + 1)])
        }
    }
}

/// What a seal in front of all these entries has to say, by the words of SPEC §15.
fn naive(entries: &[(Event, EventHash)]) -> Value {
    type Record = (u64, [u8; 32], u64, [u8; 32]);
    let mut cases: BTreeMap<String, BTreeMap<String, Record>> = BTreeMap::new();
    let place =
        |event: &Event| (event.case.as_ref().map_or(String::new(), ToString::to_string), event.subject.to_string());
    for (at, (event, hash)) in entries.iter().enumerate() {
        let (case, subject) = place(event);
        let record = cases.entry(case).or_default().entry(subject).or_insert((0, [0; 32], 0, [0; 32]));
        (record.0, record.1) = (record.0 + 1, *hash.as_bytes());
        let about = event.body().get("about").and_then(Value::as_str).filter(|_| event.subject.ty() == "statement");
        let earlier = about.and_then(|about| entries[..at].iter().find(|(_, hash)| hash.to_string() == about));
        if let (None, Some((earlier, _))) = (&event.case, earlier) {
            let (case, subject) = place(earlier);
            let record = cases.get_mut(&case).unwrap().get_mut(&subject).unwrap();
            (record.2, record.3) = (record.2 + 1, *hash.as_bytes());
        }
    }
    let count: usize = cases.values().map(BTreeMap::len).sum();
    let cases = cases.iter().map(|(case, streams)| {
        let records = streams.iter().map(|(subject, (events, head, spoken, last))| {
            let record = sha256(&[&[5], &events.to_be_bytes(), head, &spoken.to_be_bytes(), last]);
            (SealKey::of(subject), record)
        });
        (SealKey::of(case), naive_tree(&records.collect::<Vec<_>>(), 0))
    });
    let root = SealHash::from_bytes(naive_tree(&cases.collect::<Vec<_>>(), 0));
    json!({ "size": entries.len(), "streams": count, "root": root })
}

/// Checks a seal against all that stands before it.
fn assert_true(world: &World, sealed: &Recorded) {
    let entries = entries(world);
    let (before, rest) = entries.split_at(usize::try_from(sealed.seq.0).unwrap());
    let (event, hash) = &rest[0];
    assert_eq!(event.body(), &naive(before));
    assert_eq!((event.kind.as_str(), *hash), ("streams.sealed", sealed.event));
    assert_eq!(event.subject.to_string(), format!("seal/ops.{}", sealed.seq));
    sealed.receipt.verify_inclusion().unwrap();
}

#[test]
fn seals_say_what_is_recorded_and_statements_that_speak_of_it() {
    let world = world();
    let first = world.ledger.seal(&sealer()).unwrap();
    assert_true(&world, &first);
    assert_eq!(world.ledger.newest_seal(), Some(first.seq));
    let said = world.say(dispatch("consignment/c1"), &["us-dsca/0"]).unwrap();
    world.say(dispute("d1", said.event), &["xa-mod/0"]).unwrap();
    world.say(dispatch("consignment/c2"), &["us-dsca/0"]).unwrap();
    // of nothing that is recorded, and of what is recorded only later
    let later = world.payload(&dispatch("consignment/c3"));
    let later_hash = countersign_ledger::envelope::Envelope::sign(later.to_string().into_bytes(), &[&key("us-dsca/0")])
        .unwrap()
        .event_hash();
    world.say(dispute("d2", EventHash::from_bytes([9; 32])), &["xa-mod/0"]).unwrap();
    world.say(dispute("d3", later_hash), &["xa-mod/0"]).unwrap();
    let recorded = world.say_payload(&later, &["us-dsca/0"]).unwrap();
    assert_eq!(recorded.event, later_hash);
    let second = world.ledger.seal(&sealer()).unwrap();
    assert_true(&world, &second);
    let sealed = world.ledger.sealed().unwrap().unwrap();
    assert_eq!((sealed.seq, sealed.streams.size()), (second.seq, TreeSize(second.seq.0)));
    let stream = |subject: &str| countersign_ledger::id::StreamId {
        case: CASE.map(|case| case.parse().unwrap()),
        subject: subject.parse().unwrap(),
    };
    let spoken = |subject: &str| sealed.streams.record(&stream(subject)).unwrap().spoken.as_ref().map(|s| s.statements);
    assert_eq!((spoken("consignment/c1"), spoken("consignment/c2"), spoken("consignment/c3")), (Some(1), None, None));
}

#[test]
fn nothing_new_is_not_sealed_again() {
    let world = world();
    let first = world.ledger.seal(&sealer()).unwrap();
    assert!(!first.repeated);
    let again = world.ledger.seal(&sealer()).unwrap();
    assert_eq!((again.seq, again.event, again.repeated), (first.seq, first.event, true));
    assert_eq!(world.ledger.head().size, TreeSize(first.seq.0 + 1));
    world.say(dispatch("consignment/c1"), &["us-dsca/0"]).unwrap();
    let next = world.ledger.seal(&sealer()).unwrap();
    assert_eq!((next.seq, next.repeated), (Seq(first.seq.0 + 2), false));
}

#[test]
fn false_seals_are_refused_and_true_ones_by_hand_are_not() {
    let world = world();
    world.ledger.seal(&sealer()).unwrap();
    world.say(dispatch("consignment/c1"), &["us-dsca/0"]).unwrap();
    let truth = naive(&entries(&world));
    let seal = |body: Value| draft("streams.sealed", "seal/ops.by-hand", None, "ops", body);
    let with = |name: &str, value: Value| {
        let mut body = truth.clone();
        body[name] = value;
        body
    };
    let size = truth["size"].as_u64().unwrap();
    let root = SealHash::from_bytes([7; 32]);
    let wrong = [
        ("size", json!(size + 1)),
        ("size", json!(size - 1)),
        ("streams", json!(truth["streams"].as_u64().unwrap() - 1)),
        ("root", json!(root)),
    ];
    for (member, value) in wrong {
        match world.say(seal(with(member, value.clone())), &["ops/0"]) {
            Err(SubmitError::Refused(refusal)) => {
                assert_eq!((refusal.code, refusal.path), (Code::FalseSeal, Some(format!("/body/{member}"))));
                assert!(refusal.expected.contains(truth[member].to_string().trim_matches('"')), "{}", refusal.expected);
                assert_eq!(refusal.found, value.to_string().trim_matches('"'));
            }
            other => panic!("{member}: {other:?}"),
        }
    }
    assert_eq!(entries(&world).len() as u64, size, "a refusal writes nothing");
    assert_eq!(world.refused(seal(with("extra", json!(1))), &["ops/0"]), Code::BodyMalformed);
    let of = |author: &'static str| draft("streams.sealed", &format!("seal/{author}.x"), None, author, truth.clone());
    assert_eq!(world.refused(of("us-dsca"), &["us-dsca/0"]), Code::PolicyNotSatisfied);
    let in_case = draft("streams.sealed", "seal/ops.x", CASE, "ops", truth.clone());
    assert_eq!(world.refused(in_case, &["ops/0"]), Code::CaseUse);
    let other_subject = draft("streams.sealed", "statement/ops.x", None, "ops", truth.clone());
    assert_eq!(world.refused(other_subject, &["ops/0"]), Code::WrongSubject);
    let by_hand = world.say(seal(truth.clone()), &["ops/0"]).unwrap();
    assert_eq!(world.ledger.newest_seal(), Some(by_hand.seq));
    let more = json!({ "corrects": by_hand.event });
    let body = json!({ "reason": "did_not_occur" });
    let correction = draft("statement.corrected", "seal/ops.by-hand", None, "ops", body).with(more);
    assert_eq!(world.refused(correction, &["ops/0"]), Code::WrongCorrection);
}

#[test]
fn who_may_not_seal_is_told() {
    let world = world();
    let refused = |sealer: &Sealer| match world.ledger.seal(sealer) {
        Err(SubmitError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    };
    let donor = Sealer { party: "us-dsca".parse().unwrap(), key: Arc::new(key("us-dsca/0")) };
    assert_eq!(refused(&donor), Code::PolicyNotSatisfied);
    assert_eq!(refused(&Sealer { key: Arc::new(key("nobody")), ..sealer() }), Code::UnknownKey);
    let long = Sealer { party: "a".repeat(96).parse().unwrap(), key: Arc::new(key("ops/0")) };
    assert_eq!(refused(&long), Code::WrongSubject);
    assert_eq!(world.ledger.newest_seal(), None);
}

#[test]
fn seals_among_events_that_come_at_once_are_true() {
    let world = world();
    let mut seals = Vec::new();
    std::thread::scope(|scope| {
        let world = &world;
        for thread in 0..3 {
            scope.spawn(move || {
                for n in 0..60 {
                    let said = world.say(dispatch(&format!("consignment/t{thread}-{n}")), &["us-dsca/0"]).unwrap();
                    world.say(dispute(&format!("t{thread}-{n}"), said.event), &["xa-mod/0"]).unwrap();
                }
            });
        }
        for _ in 0..25 {
            seals.push(world.ledger.seal(&sealer()).unwrap());
        }
    });
    for sealed in &seals {
        assert_true(&world, sealed);
    }
    assert!(entries(&world).len() > 360);
}

#[test]
fn streams_are_counted_anew_after_a_restart_as_they_were_sealed() {
    let world = world();
    let said = world.say(dispatch("consignment/c1"), &["us-dsca/0"]).unwrap();
    world.say(dispute("d1", said.event), &["xa-mod/0"]).unwrap();
    let seal = world.ledger.seal(&sealer()).unwrap();
    let before = world.ledger.sealed().unwrap().unwrap();
    // the same streams go on, and new ones begin
    for n in 0..40 {
        let said = world.say(dispatch(&format!("consignment/c{}", n % 7)), &["us-dsca/0"]).unwrap();
        world.say(dispute(&format!("e{}", n % 5), said.event), &["xa-mod/0"]).unwrap();
    }
    world.ledger.shutdown();
    let ledger = Ledger::open(parts(Arc::clone(&world.store), world.clock.clone()), OpenOptions::default()).unwrap();
    assert_eq!(ledger.newest_seal(), Some(seal.seq));
    let after = ledger.sealed().unwrap().unwrap();
    assert_eq!((after.seq, after.streams.count()), (before.seq, before.streams.count()));
    assert_eq!(after.streams.root(), before.streams.root());
    let world = World { ledger, ..world };
    let next = world.ledger.seal(&sealer()).unwrap();
    assert_true(&world, &next);
    let counted = scan(&*world.store, TreeSize(next.seq.0)).unwrap();
    assert_eq!(counted.root(), world.ledger.sealed().unwrap().unwrap().streams.root());
}

/// What an extract shows, and what its `sealed` lines prove, by the words of SPEC §15.
struct Shown {
    seqs: Vec<u64>,
    /// The case or `-`, the subject or `-`, how many events.
    proved: Vec<(String, String, usize)>,
}

fn up(key: &SealKey, path: &[SealHash], end: [u8; 32]) -> [u8; 32] {
    path.iter().enumerate().rev().fold(end, |below, (depth, sibling)| {
        let (zero, one) = if key.bit(depth) { (sibling.as_bytes(), &below) } else { (&below, sibling.as_bytes()) };
        sha256(&[&[4], zero, one])
    })
}

/// Reads an extract, and checks each line with nothing but what is shown before the seal.
fn read_extract(bundle: &[u8]) -> Shown {
    let mut entries: Vec<(Event, EventHash)> = Vec::new();
    let (mut seqs, mut proved) = (Vec::new(), Vec::new());
    for line in read_bundle(bundle) {
        match line.unwrap() {
            BundleLine::Entry(entry) => {
                seqs.push(entry.seq.0);
                entries.push((Event::of_envelope(&entry.envelope).unwrap(), entry.envelope.event_hash()));
            }
            BundleLine::Sealed(line) => {
                let (seal, before) = entries.split_last().unwrap();
                let root: SealHash = serde_json::from_value(seal.0.body()["root"].clone()).unwrap();
                let (records, events) = shown_records(before, line.case.as_ref().map_or("", |case| case.as_str()));
                let wanted = line.subject.as_ref().map(ToString::to_string);
                let case_key = SealKey::of(line.case.as_ref().map_or("", |case| case.as_str()));
                let end = |key: &SealKey, value: Option<[u8; 32]>| match (value, line.instead) {
                    (Some(value), None) => sha256(&[&[3], key.as_bytes(), &value]),
                    (None, Some(Instead::Nothing)) => sha256(&[&[2]]),
                    (None, Some(Instead::Pair { key, value })) => sha256(&[&[3], key.as_bytes(), value.as_bytes()]),
                    other => panic!("{other:?}"),
                };
                let top = match (&wanted, &line.within) {
                    (Some(subject), Some(within)) => {
                        let key = SealKey::of(subject);
                        let tree = up(&key, within, end(&key, records.get(subject).copied()));
                        sha256(&[&[3], case_key.as_bytes(), &tree])
                    }
                    (Some(_), None) => end(&case_key, None),
                    (None, _) => {
                        let pairs: BTreeMap<SealKey, [u8; 32]> =
                            records.iter().map(|(subject, record)| (SealKey::of(subject), *record)).collect();
                        let pairs: Vec<_> = pairs.into_iter().collect();
                        end(&case_key, (!pairs.is_empty()).then(|| naive_tree(&pairs, 0)))
                    }
                };
                assert_eq!(up(&case_key, &line.path, top), *root.as_bytes(), "{}", line.line());
                let count =
                    events.iter().filter(|(subject, _)| wanted.as_ref().is_none_or(|wanted| wanted == *subject));
                let count = count.map(|(_, events)| events).sum();
                let case = line.case.as_ref().map_or("-".to_owned(), ToString::to_string);
                proved.push((case, wanted.unwrap_or("-".to_owned()), count));
            }
            _ => {}
        }
    }
    Shown { seqs, proved }
}

/// The records of the streams of a case, out of what is shown, and how many events each has.
fn shown_records(shown: &[(Event, EventHash)], case: &str) -> (BTreeMap<String, [u8; 32]>, BTreeMap<String, usize>) {
    let of_case = |event: &Event| event.case.as_ref().map_or("", |case| case.as_str()) == case;
    let (mut records, mut events) = (BTreeMap::new(), BTreeMap::new());
    for subject in shown.iter().filter(|(event, _)| of_case(event)).map(|(event, _)| event.subject.to_string()) {
        let mine = |event: &Event| of_case(event) && event.subject.to_string() == subject;
        let own: Vec<_> = shown.iter().filter(|(event, _)| mine(event)).map(|(_, hash)| hash).collect();
        let speaks = |event: &Event| {
            let about = event.body().get("about").and_then(Value::as_str);
            let of_statement = event.case.is_none() && event.subject.ty() == "statement";
            of_statement && about.is_some_and(|about| own.iter().any(|hash| hash.to_string() == about))
        };
        let spoken: Vec<_> =
            shown.iter().filter(|(event, _)| speaks(event)).map(|(_, hash)| *hash.as_bytes()).collect();
        let (e, a) = ((own.len() as u64).to_be_bytes(), (spoken.len() as u64).to_be_bytes());
        let (head, last) = (own[own.len() - 1].as_bytes(), spoken.last().copied().unwrap_or_default());
        records.insert(subject.clone(), sha256(&[&[5], &e, head, &a, &last]));
        events.insert(subject, own.len());
    }
    (records, events)
}

fn extract(world: &World, case: &str, subject: Option<&str>) -> Vec<u8> {
    let sealed = world.ledger.sealed().unwrap();
    let (id, head) = (world.ledger.id(), world.ledger.head());
    let case = case.parse().unwrap();
    let scope = match subject {
        Some(subject) => Scope::Stream(case, subject.parse().unwrap()),
        None => Scope::Case(case),
    };
    let last = LastLeaf::Shown;
    let chunks = BundleChunks::of_scope(&*world.store, id, &head, scope, last, sealed.as_ref(), Compression::None);
    chunks.unwrap().map(Result::unwrap).collect::<Vec<_>>().concat()
}

/// Two cases, disputes of events in them, disputes of disputes, and more of it after the seal.
fn spoken_of() -> World {
    let world = world();
    world.open_case("us-dsca.x2");
    let opened = world.head("case/us-dsca.x1", CASE).unwrap();
    world.say(dispute("case", opened), &["xa-mod/0"]).unwrap();
    for n in 0..9 {
        let said = world.say(dispatch(&format!("consignment/c{}", n % 4)), &["us-dsca/0"]).unwrap();
        let first = world.say(dispute(&format!("d{n}"), said.event), &["xa-mod/0"]).unwrap();
        let second = world.say(dispute(&format!("dd{n}"), first.event), &["xa-mod/0"]).unwrap();
        world.say(dispute(&format!("ddd{n}"), second.event), &["xa-mod/0"]).unwrap();
        let other = draft("transfer.dispatched", "consignment/c1", Some("us-dsca.x2"), "us-dsca", dispatch_body());
        let other = world.say(other, &["us-dsca/0"]).unwrap();
        world.say(dispute(&format!("e{n}"), other.event), &["xa-mod/0"]).unwrap();
    }
    world.ledger.seal(&sealer()).unwrap();
    let late = world.say(dispatch("consignment/c1"), &["us-dsca/0"]).unwrap();
    world.say(dispute("late", late.event), &["xa-mod/0"]).unwrap();
    world.say(dispute("late2", opened), &["xa-mod/0"]).unwrap();
    world.say(dispatch("consignment/late"), &["us-dsca/0"]).unwrap();
    world
}

#[test]
fn extracts_prove_that_they_show_all_up_to_the_seal() {
    let world = spoken_of();
    let text = |parts: (&str, &str, usize)| (parts.0.to_owned(), parts.1.to_owned(), parts.2);
    let case = read_extract(&extract(&world, "us-dsca.x1", None));
    assert_eq!(case.proved[0], text(("us-dsca.x1", "-", 10)));
    assert_eq!(case.proved.len(), 1 + 1 + 9 * 3, "and each statement about it, about that, and so on");
    assert!(
        case.proved[1..].iter().all(|(case, subject, n)| case == "-" && subject.starts_with("statement/") && *n == 1)
    );
    let mut one = read_extract(&extract(&world, "us-dsca.x1", Some("consignment/c1")));
    assert_eq!(one.proved.split_off(2).len(), 1 + 2 * 3);
    assert_eq!(one.proved, [text(("us-dsca.x1", "consignment/c1", 2)), text(("us-dsca.x1", "case/us-dsca.x1", 1)),]);
    assert!(one.seqs.len() < case.seqs.len());
    let of_case = read_extract(&extract(&world, "us-dsca.x1", Some("case/us-dsca.x1")));
    assert_eq!(of_case.proved[0], text(("us-dsca.x1", "case/us-dsca.x1", 1)));
    assert_eq!(of_case.proved.len(), 2);
    let late = read_extract(&extract(&world, "us-dsca.x1", Some("consignment/late")));
    assert_eq!(late.proved[0], text(("us-dsca.x1", "consignment/late", 0)), "none before the seal");
}

#[test]
fn what_is_not_there_is_shown_not_to_be() {
    let world = spoken_of();
    let sealed = world.ledger.sealed().unwrap().unwrap();
    let (id, head) = (world.ledger.id(), world.ledger.head());
    let absence = |case: &str, subject: Option<&str>| {
        let what = (case.parse().unwrap(), subject.map(|subject| subject.parse().unwrap()));
        let last = LastLeaf::Shown;
        BundleChunks::of_absence(&*world.store, id, &head, what, last, &sealed, Compression::None)
    };
    for (case, subject) in [
        ("us-dsca.nope", None),
        ("us-dsca.nope", Some("consignment/c1")),
        ("us-dsca.x1", Some("consignment/c9")),
        ("us-dsca.x2", Some("consignment/c2")),
    ] {
        let bundle = absence(case, subject).unwrap().map(Result::unwrap).collect::<Vec<_>>().concat();
        let shown = read_extract(&bundle);
        assert_eq!(shown.proved, [(case.to_owned(), subject.unwrap_or("-").to_owned(), 0)]);
        assert!(shown.seqs.len() < 12, "{:?}", shown.seqs);
    }
    for (case, subject) in
        [("us-dsca.x1", None), ("us-dsca.x1", Some("consignment/c1")), ("us-dsca.x1", Some("consignment/late"))]
    {
        assert!(matches!(absence(case, subject).err(), Some(BundleError::Present { .. })), "{case} {subject:?}");
    }
}

#[test]
fn lines_of_seals_are_read_where_they_belong_and_nowhere_else() {
    let world = spoken_of();
    let bundle = String::from_utf8(extract(&world, "us-dsca.x1", Some("consignment/c1"))).unwrap();
    let lines: Vec<&str> = bundle.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("{\"sealed\"")).unwrap();
    let fault = |lines: &[String]| {
        let bundle: String = lines.iter().map(|line| format!("{line}\n")).collect();
        read_bundle(bundle.as_bytes()).find_map(Result::err).map(|error| error.to_string())
    };
    let changed = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        change(&mut lines);
        fault(&lines)
    };
    assert_eq!(changed(&|_| ()), None);
    assert!(
        changed(&|lines| {
            let line = lines.remove(at);
            lines.insert(2, line)
        })
        .unwrap()
        .contains("no seal")
    );
    assert!(
        changed(&|lines| {
            let line = lines[at].clone();
            lines.push(line)
        })
        .unwrap()
        .contains("no seal")
    );
    assert!(changed(&|lines| lines.insert(at + 1, "{\"disclosure\":\"YQ\"}".to_owned())).is_some());
    let hash = "0".repeat(64);
    for (from, to) in [
        ("\"path\":[", "\"path\":[1,"),
        ("\"path\":", "\"paths\":"),
        ("\"case\":\"us-dsca.x1\"", "\"case\":7"),
        ("\"within\":", "\"instead\":{},\"within\":"),
        ("\"within\":", "\"x\":1,\"within\":"),
        ("\"subject\":\"consignment/c1\",", ""),
        ("\"path\":[", &format!("\"path\":[{}", format!("\"{hash}\",").repeat(256))),
    ] {
        assert!(
            changed(&|lines| {
                let line = lines[at].replacen(from, to, 1);
                assert_ne!(line, lines[at], "{from}");
                lines[at] = line;
            })
            .is_some(),
            "{to}"
        );
    }
}

#[test]
fn a_failed_write_leaves_the_seal_or_none() {
    for fault in [Fault::Before, Fault::After] {
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        let world = World::on(Arc::clone(&store) as _);
        world.enroll("ops", &["operator"]);
        world.ledger.seal(&sealer()).unwrap();
        world.enroll("us-dsca", &["donor"]);
        let size = world.ledger.head().size;
        store.fail_after(0, fault);
        assert!(matches!(world.ledger.seal(&sealer()), Err(SubmitError::Stopped { .. })));
        assert_eq!(world.ledger.newest_seal(), Some(Seq(size.0 - 2)), "readers see what is known to be durable");
        drop(world.ledger);
        store.restart();
        let ledger = Ledger::open(parts(Arc::clone(&store) as _, world.clock.clone()), OpenOptions::default()).unwrap();
        let newest = ledger.newest_seal();
        assert_eq!(newest, Some(if fault == Fault::After { Seq(size.0) } else { Seq(size.0 - 2) }));
        let world = World { ledger, ..world };
        let next = world.ledger.seal(&sealer()).unwrap();
        assert_eq!(next.repeated, fault == Fault::After);
        assert_true(&world, &next);
    }
}

/// The committer counts for a seal that somebody else made: whoever may seal must not keep it counting.
#[test]
fn false_seals_are_not_counted_from_the_start_each_time() {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let world = World::on(Arc::clone(&store) as _);
    world.enroll("ops", &["operator"]);
    let before = store.scans();
    for n in 0..3 {
        let size = world.ledger.head().size;
        let body = json!({ "size": size, "streams": 1, "root": SealHash::from_bytes([7; 32]) });
        let seal = draft("streams.sealed", &format!("seal/ops.{n}"), None, "ops", body);
        assert_eq!(world.refused(seal, &["ops/0"]), Code::FalseSeal);
        assert_eq!(store.scans() - before, 1, "false seal {n}");
    }
    // what was kept is true, also of what is recorded later
    world.enroll("us-dsca", &["donor"]);
    let sealed = world.ledger.seal(&sealer()).unwrap();
    assert_true(&world, &sealed);
    assert_eq!(store.scans() - before, 1);
}
