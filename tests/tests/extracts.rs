//! Extracts (SPEC §11): what they show, that they verify, and that nothing that bears on them can be left out unseen.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_ledger::bundle::{BundleChunks, BundleError, BundleLine, Compression, LastLeaf, Scope, read_bundle};
use countersign_ledger::hash::{EventHash, sha256};
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::store::Store;
use countersign_ledger::store::memory::MemoryStore;
use countersign_ledger::store::rocks::{RocksOptions, RocksStore};
use countersign_tests::harness::people::{PARTIES, case_opened, dispatch_body, grant, key, receipt_body};
use countersign_tests::harness::{Report, World, draft, verify};
use serde_json::json;

const CASE: &str = "us-dsca.x1";
const OTHER: &str = "us-dsca.x2";

fn case(case: &str) -> Scope {
    Scope::Case(case.parse().unwrap())
}

fn subject(case: &str, subject: &str) -> Scope {
    Scope::Stream(case.parse().unwrap(), subject.parse().unwrap())
}

/// The entries that a bundle shows.
fn shown(bundle: &[u8]) -> BTreeSet<u64> {
    let lines = read_bundle(bundle).map(Result::unwrap);
    lines.filter_map(|line| if let BundleLine::Entry(entry) = line { Some(entry.seq.0) } else { None }).collect()
}

fn check(world: &World, bundle: &[u8]) -> Report {
    verify(bundle, &world.ledger.id().to_string())
}

fn result(report: &Report, code: &str) -> String {
    let checks = report.json["checks"].as_array().unwrap();
    checks.iter().find(|check| check["code"] == code).unwrap()["result"].as_str().unwrap().to_owned()
}

/// A line of the case, by its number.
fn authorization(world: &World, case: &'static str, id: &str) -> Seq {
    let line = json!({ "line": "1", "nomenclature": "NIGHT VISION DEVICE", "quantity": "2", "unit": "EA" });
    let body = json!({ "lines": [line], "end_user": "Land forces" });
    world
        .say(&draft("transfer.authorized", &format!("authorization/{id}"), Some(case), "us-dsca", body), &["us-dsca/0"])
        .seq
}

fn dispatch(world: &World, case: &'static str, id: &str, authorized: &str) -> (Seq, EventHash) {
    let mut body = dispatch_body();
    body["lines"][0]["authorization"] = json!({ "subject": format!("authorization/{authorized}"), "line": "1" });
    let sent = draft("transfer.dispatched", &format!("consignment/{id}"), Some(case), "us-dsca", body);
    let recorded = world.say(&sent, &["us-dsca/0"]);
    (recorded.seq, recorded.event)
}

fn receive(world: &World, case: &'static str, id: &str) -> Seq {
    let received = draft("transfer.received", &format!("consignment/{id}"), Some(case), "xa-mod", receipt_body());
    world.say(&received, &["xa-mod/0"]).seq
}

fn seqs(seqs: &[Seq]) -> BTreeSet<u64> {
    seqs.iter().map(|seq| seq.0).collect()
}

/// Two cases that alternate, with disputes of one, and a diversion report that names it.
struct Story {
    world: World,
    /// Entry 0 and those about parties.
    always: BTreeSet<u64>,
    case: BTreeSet<u64>,
    /// What bears on the case without being of it.
    apart: BTreeSet<u64>,
    first: BTreeSet<u64>,
    /// The amendment of the case.
    amended: u64,
}

fn story() -> Story {
    told_on(Arc::new(MemoryStore::new()))
}

fn told_on(store: Arc<dyn Store>) -> Story {
    let world = World::on(store, None, &json!({}));
    world.found();
    let mut always: BTreeSet<u64> = (0..=3).collect();
    let opened = Seq(4);
    world.open_case(OTHER);
    let a1 = authorization(&world, CASE, "a1");
    authorization(&world, OTHER, "b1");
    let (s1, sent) = dispatch(&world, CASE, "1", "a1");
    dispatch(&world, OTHER, "1", "b1");
    let a2 = authorization(&world, CASE, "a2");
    let (s2, _) = dispatch(&world, CASE, "2", "a2");
    let r1 = receive(&world, CASE, "1");
    receive(&world, OTHER, "1");
    let body = json!({ "about": sent, "grounds": "one was missing" });
    let disputed = world.say(&draft("statement.disputed", "statement/xa-mod.1", None, "xa-mod", body), &["xa-mod/0"]);
    let body = json!({ "about": disputed.event, "grounds": "it was not" });
    let answered =
        world.say(&draft("statement.disputed", "statement/us-dsca.1", None, "us-dsca", body), &["us-dsca/0"]);
    let body = json!({ "claim": "one was offered", "source_grade": "self_declared", "cases": [CASE] });
    let diverted = world.say(&draft("diversion.reported", "incident/eu-obs.1", None, "eu-obs", body), &["eu-obs/0"]);
    let body = json!({ "claim": "another was offered", "source_grade": "self_declared", "cases": [OTHER] });
    world.say(&draft("diversion.reported", "incident/eu-obs.2", None, "eu-obs", body), &["eu-obs/0"]);
    let amended = json!({ "title": "Night vision devices, amended", "reason": "agreed" });
    let amended = world.say(
        &draft("case.amended", &format!("case/{CASE}"), Some(CASE), "us-dsca", amended),
        &["us-dsca/0", "xa-mod/0"],
    );
    let added = json!({ "party": "eu-obs", "key": grant("eu-obs/1") });
    let added = world.say(&draft("key.added", "party/eu-obs", None, "eu-obs", added), &["eu-obs/0", "eu-obs/1"]);
    let revoked =
        json!({ "party": "eu-obs", "keyid": key("eu-obs/1").public().id(), "reason": "lost", "suspect_from": null });
    let revoked = world.say(&draft("key.revoked", "party/eu-obs", None, "eu-obs", revoked), &["eu-obs/0"]);
    let r2 = receive(&world, CASE, "2");
    // the last entry of the ledger is of the other case
    dispatch(&world, OTHER, "3", "b1");
    always.extend([added.seq.0, revoked.seq.0]);
    Story {
        world,
        always,
        case: seqs(&[opened, a1, s1, a2, s2, r1, amended.seq, r2]),
        apart: seqs(&[disputed.seq, answered.seq, diverted.seq]),
        first: seqs(&[opened, a1, s1, r1, amended.seq]),
        amended: amended.seq.0,
    }
}

#[test]
fn an_extract_shows_what_bears_on_it_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let rocks = RocksStore::create(&folder.path().join("store"), &RocksOptions::default()).unwrap();
    for story in [story(), told_on(Arc::new(rocks))] {
        shows_what_bears_on_it(story);
    }
}

fn shows_what_bears_on_it(story: Story) {
    let Story { world, always, case: of_case, apart, first, amended } = story;
    let last: BTreeSet<u64> = [5, world.ledger.head().size.0 - 1].into();
    let all = |sets: &[&BTreeSet<u64>]| sets.iter().flat_map(|set| set.iter().copied()).collect::<BTreeSet<_>>();
    let whole = world.extract(&case(CASE));
    assert_eq!(shown(&whole), all(&[&always, &of_case, &apart, &last]));
    let one = world.extract(&subject(CASE, "consignment/1"));
    assert_eq!(shown(&one), all(&[&always, &first, &apart, &last]), "with the authorization that it was sent under");
    let since = world.extract(&Scope::Since(TreeSize(amended + 1)));
    let later: BTreeSet<u64> = (amended + 1..world.ledger.head().size.0).collect();
    assert_eq!(
        shown(&since),
        all(&[&always, &later, &[4, 5, amended].into()]),
        "with what was said of its cases before"
    );
    for bundle in [&whole, &one, &since] {
        let report = check(&world, bundle);
        assert_eq!((report.verdict(), report.status), ("partial", Some(3)), "{:#}", report.json);
        assert_eq!(report.failed().len(), 0);
        assert_eq!(result(&report, "CHECKPOINT"), "ok", "the last leaf is shown");
        assert_eq!(result(&report, "TREE"), "ok");
    }
    assert_eq!(result(&check(&world, &whole), "POINTERS"), "ok", "every stream of the case is whole");
    let everything = world.extract(&Scope::Since(TreeSize(0)));
    assert_eq!(
        everything.split(|b| *b == b'\n').skip(1).collect::<Vec<_>>(),
        world.bundle().split(|b| *b == b'\n').skip(1).collect::<Vec<_>>()
    );
}

#[test]
fn the_last_leaf_of_another_case_may_be_withheld() {
    let Story { world, .. } = story();
    let (head, id) = (world.ledger.head(), world.ledger.id());
    let chunks =
        BundleChunks::of_scope(&*world.store, id, &head, case(CASE), LastLeaf::Withheld, None, Compression::None);
    let bundle: Vec<u8> = chunks.unwrap().map(Result::unwrap).collect::<Vec<_>>().concat();
    assert!(!shown(&bundle).contains(&5) && !shown(&bundle).contains(&(head.size.0 - 1)));
    let report = check(&world, &bundle);
    assert_eq!((report.verdict(), result(&report, "CHECKPOINT")), ("partial", "undecided".to_owned()));
    assert_eq!(result(&report, "POINTERS"), "ok");
}

#[test]
fn what_is_not_there_is_told() {
    let Story { world, .. } = story();
    let (head, id) = (world.ledger.head(), world.ledger.id());
    let told = |scope: Scope| {
        BundleChunks::of_scope(&*world.store, id, &head, scope, LastLeaf::Shown, None, Compression::None).err().unwrap()
    };
    assert!(matches!(told(case("us-dsca.none")), BundleError::NoCase { .. }));
    assert!(matches!(told(case("us-dsca.x")), BundleError::NoCase { .. }), "the beginning of another's id");
    assert!(matches!(told(subject("us-dsca.none", "consignment/1")), BundleError::NoCase { .. }));
    assert!(matches!(told(subject(CASE, "consignment/9")), BundleError::NoSubject { .. }));
    assert!(matches!(told(Scope::Since(TreeSize(head.size.0 + 1))), BundleError::NotYet { .. }));
}

/// The leaf hashes of a ledger.
fn leaves(world: &World) -> Vec<[u8; 32]> {
    let lines = world.store.lines(Seq(0), usize::MAX, usize::MAX).unwrap();
    lines.iter().map(|line| sha256(&[&[0], line])).collect()
}

/// The hash of a complete subtree (RFC 6962 §2.1), computed anew.
fn subtree(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            sha256(&[&[1], &subtree(left), &subtree(right)])
        }
    }
}

/// The same extract with one entry more withheld, as a cunning exporter would.
fn hiding(world: &World, bundle: &[u8], hidden: u64) -> Vec<u8> {
    let leaves = leaves(world);
    let mut out = Vec::new();
    let mut skipping = false;
    for line in bundle.split_inclusive(|b| *b == b'\n') {
        let text = std::str::from_utf8(line).unwrap();
        let disclosure = text.starts_with("{\"disclosure\"");
        skipping = if disclosure { skipping } else { text.starts_with(&format!("{{\"seq\":{hidden},")) };
        if skipping && !disclosure {
            let hash = hex::encode(subtree(&leaves[usize::try_from(hidden).unwrap()..][..1]));
            out.extend(
                format!("{{\"withheld\":{{\"start\":{hidden},\"end\":{},\"hash\":\"{hash}\"}}}}\n", hidden + 1).bytes(),
            );
        } else if !skipping {
            out.extend_from_slice(line);
        }
    }
    out
}

#[test]
fn hiding_what_bears_on_an_extract_is_never_ok() {
    let Story { world, always, case: of_case, amended, .. } = story();
    for scope in [case(CASE), subject(CASE, "consignment/2")] {
        let bundle = world.extract(&scope);
        for hidden in shown(&bundle) {
            let report = check(&world, &hiding(&world, &bundle, hidden));
            let verdict = report.verdict().to_owned();
            let what = format!("entry {hidden} of {scope:?}: {:?}", report.failed());
            assert!(verdict == "failed" || verdict == "partial", "{what}");
            assert_eq!(result(&report, "TREE"), "ok", "{what}: it is done as well as it can be");
            let of_authority = always.contains(&hidden) || hidden == 4 || hidden == amended;
            if of_authority {
                // parties and keys, the revocation, the roles and the amendment of the case: an entry after it points there
                assert_eq!(verdict, "failed", "{what}");
                assert!(report.failed().contains_key(if hidden == 0 { "FORMAT" } else { "POINTERS" }), "{what}");
            } else if of_case.contains(&hidden) {
                assert!(["STREAM", "POINTERS"].into_iter().any(|code| result(&report, code) == "undecided"), "{what}");
            }
        }
    }
}

/// Said after the last entry of the case: nothing in the extract points at it, and the report says what that means.
#[test]
fn what_came_after_the_last_entry_of_a_case_is_undecided_when_hidden() {
    let world = World::with_case();
    let (sent, _) = {
        authorization(&world, CASE, "a1");
        dispatch(&world, CASE, "1", "a1")
    };
    let amended = json!({ "title": "Another title", "reason": "agreed" });
    let amended = world.say(
        &draft("case.amended", &format!("case/{CASE}"), Some(CASE), "us-dsca", amended),
        &["us-dsca/0", "xa-mod/0"],
    );
    let revoked = json!({ "party": "us-dsca", "keyid": key("us-dsca/0").public().id(), "reason": "lost", "suspect_from": "2026-09-21T13:00:00Z" });
    let revoked = world.say(&draft("key.revoked", "party/us-dsca", None, "governance", revoked), &["gov0", "gov1"]);
    world.enroll("us-new", &["donor"]);
    let bundle = world.extract(&case(CASE));
    let report = check(&world, &bundle);
    assert_eq!(report.json["suspect"][0]["seq"], json!(4), "{:#}", report.json["suspect"]);
    assert!(sent.0 > 4);
    let report = check(&world, &hiding(&world, &bundle, amended.seq.0));
    assert_eq!((report.verdict(), result(&report, "STREAM")), ("partial", "undecided".to_owned()));
    let report = check(&world, &hiding(&world, &bundle, revoked.seq.0));
    assert_eq!(report.verdict(), "failed", "the entry after it points at it");
    let last = world.ledger.head().size.0 - 1;
    let report = check(&world, &hiding(&world, &hiding(&world, &bundle, revoked.seq.0), last));
    assert_eq!((report.verdict(), result(&report, "CHECKPOINT")), ("partial", "undecided".to_owned()));
}

/// A disclosure of a member, and its digest.
fn disclosed(member: &str, value: &str) -> (String, String) {
    use base64::Engine as _;
    let text = format!("[\"{}\",\"{member}\",\"{value}\"]", "QUFBQUFBQUFBQUFBQUFBQQ");
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let string = engine.encode(text);
    let digest = engine.encode(sha256(&[string.as_bytes()]));
    (string, digest)
}

/// Whoever plants the hash or the line of another case's entry in its own must not get what is concealed there.
#[test]
fn naming_an_entry_of_another_case_discloses_nothing() {
    let world = World::with_policy(&json!({}));
    world.found();
    world.open_case(OTHER);
    let (string, digest) = disclosed("end_user", "theirs");
    let line = json!({ "line": "1", "nomenclature": "NIGHT VISION DEVICE", "quantity": "2", "unit": "EA" });
    let body = json!({ "lines": [line], "_sd": [digest] });
    let secret = draft("transfer.authorized", "authorization/b1", Some(OTHER), "us-dsca", body);
    let secret = world.say(&secret.disclosing(&[&string]), &["us-dsca/0"]);
    let (grounds, digest) = disclosed("grounds", "theirs too");
    let body = json!({ "about": secret.event, "_sd": [digest] });
    let apart = draft("statement.disputed", "statement/us-dsca.1", None, "us-dsca", body);
    let apart = world.say(&apart.disclosing(&[&grounds]), &["us-dsca/0"]);
    let plant = |id: &str, member: &str, value: serde_json::Value| {
        let mut body = dispatch_body();
        match member {
            "authorization" => body["lines"][0][member] = value,
            _ => body[member] = value,
        }
        world.say(
            &draft("transfer.dispatched", &format!("consignment/{id}"), Some(CASE), "us-dsca", body),
            &["us-dsca/0"],
        );
        world.extract(&subject(CASE, &format!("consignment/{id}")))
    };
    let holds = |bundle: &[u8], text: &str| String::from_utf8(bundle.to_vec()).unwrap().contains(text);
    // a number of the author's own, and prose, are no reference to an entry
    let hash = secret.event.to_string();
    for (id, member, value) in [
        ("1", "references", json!([{ "scheme": "contract", "value": hash }])),
        ("2", "remarks", json!(hash)),
        ("3", "carrier", json!(hash)),
    ] {
        let bundle = plant(id, member, value);
        assert!(!shown(&bundle).contains(&secret.seq.0) && !holds(&bundle, &string), "{member}");
        assert!(!shown(&bundle).contains(&apart.seq.0) && !holds(&bundle, &grounds), "{member}");
    }
    // a line of another case leads there, and to what bears on it, but discloses neither
    let bundle = plant("4", "authorization", json!({ "case": OTHER, "subject": "authorization/b1", "line": "1" }));
    assert!(shown(&bundle).contains(&secret.seq.0) && shown(&bundle).contains(&apart.seq.0));
    assert!(!holds(&bundle, &string) && !holds(&bundle, &grounds));
    let report = check(&world, &bundle);
    assert_eq!((report.verdict(), report.failed().len()), ("partial", 0), "{:#}", report.json);
    // to whom that case is shown both are
    let bundle = world.extract(&case(OTHER));
    assert!(holds(&bundle, &string) && holds(&bundle, &grounds));
}

#[test]
fn an_extract_keeps_the_disclosures_of_others_to_itself() {
    let world = World::with_policy(&json!({}));
    PARTIES.iter().for_each(|(party, capacities)| drop(world.enroll(party, capacities)));
    for case in [CASE, OTHER] {
        world.say(&case_opened(case), &["us-dsca/0", "xa-mod/0"]);
    }
    for (case, id, value) in [(CASE, "1", "mine"), (OTHER, "2", "theirs")] {
        let (string, digest) = disclosed("carrier", value);
        let mut body = dispatch_body();
        body["_sd"] = json!([digest]);
        let sent = draft("transfer.dispatched", &format!("consignment/{id}"), Some(case), "us-dsca", body);
        world.say(&sent.disclosing(&[&string]), &["us-dsca/0"]);
    }
    let bundle = world.extract(&case(CASE));
    let text = String::from_utf8(bundle.clone()).unwrap();
    assert!(text.contains(&disclosed("carrier", "mine").0) && !text.contains(&disclosed("carrier", "theirs").0));
    let report = check(&world, &bundle);
    assert_eq!((report.verdict(), report.json["undisclosed"].as_u64()), ("partial", Some(1)));
    assert!(report.failed().is_empty());
}
