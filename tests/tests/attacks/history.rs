//! Attacks on what was recorded: by anyone who has the file, and by an operator who has the log key besides.

use countersign_tests::forge::world::{self, CASE, cancel, key, log_key};
use countersign_tests::forge::{Event, note, tree};
use countersign_tests::harness::{Report, verify};
use serde_json::{Value, json};

use super::story::{Operator, base64, countersigned, fails, receipt_against, story};

/// Lines of the story's bundle, changed by someone without any key, and what the verifier says of that.
fn changed(change: impl FnOnce(&mut Vec<String>)) -> Report {
    let ledger = story().build();
    let mut lines: Vec<String> = String::from_utf8(ledger.bundle.clone()).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    verify(format!("{}\n", lines.join("\n")).as_bytes(), &ledger.id)
}

/// The line of an entry in the story's bundle, which has no disclosures.
fn line(label: &str) -> usize {
    usize::try_from(story().build().line_number(label)).unwrap() - 1
}

#[test]
pub(crate) fn flip() {
    let ledger = story().build();
    verify(&ledger.bundle, &ledger.id).assert_verified();
    // A bit of each of many bytes, spread over the file by a stride that is prime.
    for at in (0..ledger.bundle.len()).step_by(ledger.bundle.len() / 97) {
        for bit in [0x01, 0x20] {
            let mut bundle = ledger.bundle.clone();
            bundle[at] ^= bit;
            let report = verify(&bundle, &ledger.id);
            // "not checked" is said of what names a newer version; never that it is verified.
            assert!(["failed", "not_checked"].contains(&report.verdict()), "byte {at}: {:#}", report.json);
        }
    }
}

#[test]
pub(crate) fn delete() {
    fails(&changed(|lines| drop(lines.remove(line("d1")))), &["CHAIN", "FORMAT", "POINTERS", "STREAM", "TREE"]);
    let honest = story().build();
    // The operator writes the rest anew: what parties signed after it names the event that is gone.
    let operator = Operator::of(&honest);
    fails(&operator.clone().without("d1").judged(), &["STREAM"]);
    // Of an event on which nothing rests only who kept something knows: an earlier checkpoint, or its receipt.
    let without = operator.clone().without("a2");
    without.judged().assert_verified();
    let kept = operator.clone().until("a3");
    fails(&without.judged_after(&kept.checkpoint()), &["CONSISTENT"]);
    fails(&receipt_against(&kept.receipt("a2"), &without.bundle(), &honest.id), &["CONSISTENT"]);
}

#[test]
pub(crate) fn insert() {
    let again = |lines: &mut Vec<String>| lines.insert(line("a3"), lines[line("a2")].clone());
    fails(&changed(again), &["CHAIN", "FORMAT", "POINTERS", "STREAM", "TREE"]);
    // The operator can make no signature: not with a key of its own, and not with one that it copied.
    let own = story().then([cancel("x").with(|e| e.signatures = vec![(&key("the operator")).into()])]).build();
    fails(&verify(&own.bundle, &own.id), &["KEY", "POLICY"]);
    let honest = story().build();
    let operator = Operator::of(&honest).replaying(&honest, "a2");
    let copied = operator.enveloped("a2 again", |envelope| {
        let payload = envelope["payload"].as_str().unwrap();
        let payload = String::from_utf8(base64(payload)).unwrap();
        let payload = payload.replace("authorization/a2", "authorization/a9").replace(r#""id":"0"#, r#""id":"1"#);
        envelope["payload"] = json!(countersign_tests::forge::b64(payload.as_bytes()));
    });
    fails(&copied.judged(), &["SIGNATURE"]);
}

#[test]
pub(crate) fn reorder() {
    fails(&changed(|lines| lines.swap(line("a2"), line("a3"))), &["CHAIN", "FORMAT", "TIME", "TREE"]);
    let honest = story().build();
    let operator = Operator::of(&honest);
    // A receipt before its dispatch: the receipt's signers named the dispatch that they had seen.
    fails(&operator.clone().swapped("d1", "r1").judged(), &["STREAM"]);
    // Two that have nothing to do with each other.
    let swapped = operator.clone().swapped("a2", "a3");
    swapped.judged().assert_verified();
    let kept = operator.until("a3");
    fails(&swapped.judged_after(&kept.checkpoint()), &["CONSISTENT"]);
    fails(&receipt_against(&kept.receipt("a2"), &swapped.bundle(), &honest.id), &["CONSISTENT"]);
}

#[test]
pub(crate) fn truncate() {
    fails(&changed(|lines| lines.truncate(line("a3"))), &["FORMAT", "TREE"]);
    let honest = story().build();
    let operator = Operator::of(&honest);
    let short = operator.clone().until("a3");
    short.judged().assert_verified();
    fails(&short.judged_after(&operator.checkpoint()), &["CONSISTENT"]);
    // A receipt at a later checkpoint says that the file is older than it: an older export would look the same.
    let report = receipt_against(&operator.receipt("a2"), &short.bundle(), &honest.id);
    assert_eq!(report.verdict(), "partial");
    let consistent = report.json["checks"].as_array().unwrap().iter().find(|c| c["code"] == "CONSISTENT").unwrap();
    assert_eq!(consistent["result"], "undecided");
    assert!(consistent["detail"].as_str().unwrap().contains("newer than the bundle"), "{consistent}");
}

#[test]
pub(crate) fn back_date() {
    let operator = Operator::of(&story().build());
    // Before the entry before it.
    fails(&operator.clone().dated("r1", "2026-01-05T08:00:30.000Z").judged(), &["TIME"]);
    // By a clock that lags, all together: nothing in the file says so. Those who submitted hold receipts, and were there.
    let lagging = operator.clone().until("r1");
    let lagging = lagging.dated("a1", "2026-01-05T08:04:00.000Z").dated("d1", "2026-01-05T08:04:00.000Z");
    lagging.judged().assert_verified();
    // But not below what is said to have happened since, by more than two days.
    let happened = story().map("r1", |event| event.occurred(countersign_tests::j!({"date": "2026-01-08"}))).build();
    fails(&verify(&happened.bundle, &happened.id), &["TIME"]);
    // Later than the witnesses cosigned it.
    let witness = (WITNESS.to_owned(), key("witness"), -301);
    fails(&operator.clone().witnessed(std::slice::from_ref(&witness)).judged_by(&trust("quorum w\n")), &["TIME"]);
    let in_time = (witness.0, witness.1, -299);
    operator.witnessed(&[in_time]).judged_by(&trust("quorum w\n")).assert_verified();
}

const WITNESS: &str = "witness.example/w";

/// A trust file with the log and one witness.
fn trust(quorum: &str) -> String {
    let log = note::vkey(world::ORIGIN, 1, &log_key().public());
    let witness = note::vkey(WITNESS, 4, &key("witness").public());
    format!("log {log}\nwitness w {witness}\n{quorum}")
}

#[test]
pub(crate) fn steal_the_log_key() {
    // A thief of the log key is an operator: it cannot make what it wants people to have said …
    let said = story().map("d1", |event| event.payload_replace("SYN-0002", "SYN-0009")).build();
    verify(&said.bundle, &said.id).assert_verified();
    let forged = Operator::of(&story().build()).enveloped("d1", |envelope| {
        envelope["payload"] = Operator::of(&said).envelope("d1")["payload"].clone();
    });
    fails(&forged.judged(), &["SIGNATURE", "STREAM"]);
    // … and who holds an earlier checkpoint sees that it is another history.
    let honest = Operator::of(&story().build());
    fails(&honest.clone().without("q1").judged_after(&honest.checkpoint()), &["CONSISTENT"]);
}

#[test]
pub(crate) fn strip_or_swap_signatures() {
    let script = story().then([countersigned("both")]);
    let operator = Operator::of(&script.build());
    operator.judged().assert_verified();
    for which in [0, 1] {
        let stripped = operator.clone().enveloped("both", |envelope| {
            envelope["signatures"].as_array_mut().unwrap().remove(which);
        });
        fails(&stripped.judged(), &["POLICY"]);
    }
    let of = operator.envelope("a3")["signatures"][0].clone();
    let swapped = operator.clone().enveloped("both", |envelope| {
        let signatures = envelope["signatures"].as_array_mut().unwrap();
        let same = signatures.iter_mut().find(|s| s["keyid"] == of["keyid"]).unwrap();
        *same = of.clone();
    });
    fails(&swapped.judged(), &["SIGNATURE"]);
    // One more that its signers did not want there: of the same event by another key of the donor's.
    let more = script.map("both", |event| event.signed([&key("donor-a/2")]));
    let more = Operator::of(&more.build());
    more.judged().assert_verified();
    let outsider = story().then([countersigned("both").signed([&world::insp()])]).build();
    fails(&verify(&outsider.bundle, &outsider.id), &["POLICY"]);
}

#[test]
pub(crate) fn replay() {
    let honest = story().build();
    // In the same ledger: ids are unique for each author.
    fails(&Operator::of(&honest).replaying(&honest, "a3").judged(), &["STREAM"]);
    // From another ledger, of the same people: every event names its ledger.
    let other = story().map("created", |event| event.with(|e| e.id_name = Some("another".to_owned()))).build();
    assert_ne!(other.id, honest.id);
    fails(&Operator::of(&honest).without("a3").replaying(&other, "a3").judged(), &["LEDGER"]);
    // In another case or stream: the pair is signed, and what is changed is not what was signed.
    for (from, to) in [(r#""case":"donor-a.k1""#, r#""case":"donor-a.k2""#), ("authorization/a3", "authorization/a1")] {
        let moved = Operator::of(&honest).enveloped("a3", |envelope| {
            let payload = String::from_utf8(base64(envelope["payload"].as_str().unwrap())).unwrap();
            assert!(payload.contains(from), "{payload}");
            envelope["payload"] = json!(countersign_tests::forge::b64(payload.replace(from, to).as_bytes()));
        });
        let report = moved.judged();
        assert_eq!(report.verdict(), "failed");
        assert!(report.failed().contains_key("SIGNATURE"), "{:#}", report.json);
    }
}

#[test]
pub(crate) fn false_pointer() {
    let earlier: [(usize, i64); 3] = [(0, 4), (1, 3), (2, 5)];
    for (pointer, seq) in earlier {
        let lied = story().map("r1", |event| event.with(|e| e.pointers[pointer] = Some(countersign_tests::j!(seq))));
        let ledger = lied.build();
        fails(&verify(&ledger.bundle, &ledger.id), &["POINTERS"]);
        let none =
            story().map("r1", |event| event.with(|e| e.pointers[pointer] = Some(countersign_tests::forge::Json::Null)));
        let ledger = none.build();
        fails(&verify(&ledger.bundle, &ledger.id), &["POINTERS"]);
    }
}

#[test]
pub(crate) fn move_a_disclosure() {
    let concealed =
        |event: &mut Event, salt: &str| countersign_tests::forge::sd::conceal(&mut event.body, &["carrier"], salt);
    let script = story().map("d1", |mut event| {
        let disclosures = concealed(&mut event, "attack");
        event.disclosing(disclosures)
    });
    let ledger = script.build();
    verify(&ledger.bundle, &ledger.id).assert_verified();
    let text = String::from_utf8(ledger.bundle.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.starts_with(r#"{"disclosure""#)).unwrap();
    let mut moved = lines.clone();
    let disclosure = moved.remove(at);
    moved.insert(at + 1, disclosure);
    fails(&verify(format!("{}\n", moved.join("\n")).as_bytes(), &ledger.id), &["DISCLOSURE"]);
    let other = countersign_tests::forge::sd::member(
        &countersign_tests::forge::sd::salt("attack carrier"),
        "carrier",
        &"Another Ltd".into(),
    );
    let told: Value = json!({ "disclosure": other });
    let mut altered: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    altered[at] = told.to_string();
    fails(&verify(format!("{}\n", altered.join("\n")).as_bytes(), &ledger.id), &["DISCLOSURE"]);
}

#[test]
pub(crate) fn fork() {
    // One operator, two histories, each without fault: what the donor is shown, and what the inspector is.
    let donor = Operator::of(&story().build());
    let inspector = donor.clone().without("q1");
    donor.judged().assert_verified();
    inspector.judged().assert_verified();
    // Whoever compares two checkpoints.
    fails(&inspector.judged_after(&donor.checkpoint()), &["CONSISTENT"]);
    // A trust file that asks for an honest witness: it cosigned only one of them.
    let witness = (WITNESS.to_owned(), key("witness"), 30);
    donor.witnessed(&[witness]).judged_by(&trust("quorum w\n")).assert_verified();
    fails(&inspector.judged_by(&trust("quorum w\n")), &["WITNESS"]);
}

#[test]
pub(crate) fn lying_witness() {
    let (honest, liar) = (("witness.example/honest", key("honest")), ("witness.example/liar", key("liar")));
    let witness = |(name, key): &(&str, countersign_tests::forge::Key)| ((*name).to_owned(), key.clone(), 30);
    let vkey = |(name, key): &(&str, countersign_tests::forge::Key)| note::vkey(name, 4, &key.public());
    let log = note::vkey(world::ORIGIN, 1, &log_key().public());
    let named = format!("log {log}\nwitness h {}\nwitness l {}\n", vkey(&honest), vkey(&liar));
    // The liar cosigns both histories, the honest one only the first.
    let shown = Operator::of(&story().build());
    let forked = shown.clone().without("q1").witnessed(&[witness(&liar)]);
    let shown = shown.witnessed(&[witness(&honest), witness(&liar)]);
    let all = format!("{named}group g all h l\nquorum g\n");
    shown.judged_by(&all).assert_verified();
    fails(&forked.judged_by(&all), &["WITNESS"]);
    // A quorum that one liar fulfils is fooled: what the file trusts is what one gets.
    forked.judged_by(&format!("{named}group g any h l\nquorum g\n")).assert_verified();
}

/// The root that a bundle's checkpoint states is that of the story; so the tests above compare what they say they do.
#[test]
fn the_operator_writes_what_the_forge_does() {
    let ledger = story().build();
    let operator = Operator::of(&ledger);
    assert_eq!(operator.checkpoint(), ledger.checkpoint);
    assert!(operator.checkpoint().contains(&countersign_tests::forge::b64(&tree::root(&ledger.leaves()))));
    operator.judged().assert_verified();
    assert_eq!(CASE, super::story::THE_CASE);
}
