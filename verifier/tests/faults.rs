//! Right ledgers are verified; each wrong one fails exactly the check that its fault belongs to, at its entry.
#![allow(clippy::unwrap_used)]

mod forge;

use countersign_verify::checks::Code::{self, *};
use countersign_verify::report::Verdict;
use forge::*;
use serde_json::{Value, json};

/// The failing codes, all at one entry.
fn assert_fails(forge: &Forge, at: usize, codes: &[Code]) {
    let report = forge.report();
    let expected: Vec<_> = codes.iter().map(|code| (*code, Some(at as u64))).collect();
    assert_eq!(failed(&report), expected, "{}", report.to_text());
}

fn assert_verified(forge: &Forge) {
    let report = forge.report();
    assert_eq!(report.verdict(), Verdict::Verified, "{}", report.to_text());
}

#[test]
fn a_right_ledger_with_everything_in_it() {
    let mut f = Forge::usual();
    let case = Some("dd.c1");
    f.dispatch("1");
    let received = f.add("transfer.received", "consignment/1", case, "rr", json!({}), &["rr1"]);
    f.add("title.transferred", "consignment/1", case, "rr", json!({}), &["dd0", "rr0"]);
    f.add("twice.signed", "consignment/1", case, "rr", json!({}), &["rr0", "rr1"]);
    f.add("check.recorded", "check/1", case, "ii", json!({}), &["ii0", "rr0"]);
    f.add("custody.handed_over", "consignment/1", case, "cc", json!({"from": "dd", "to": "cc"}), &["dd0", "cc0"]);
    f.add("items.destroyed", "disposal/1", case, "rr", json!({}), &["rr0"]);
    f.add("items.destroyed", "disposal/2", case, "rr", json!({"witness": "ii"}), &["rr0", "ii0"]);
    f.add("diversion.reported", "incident/ii.1", None, "ii", json!({}), &["ii0"]);
    f.add("finding.recorded", "incident/ii.1", None, "ii", json!({}), &["ii0"]);
    let corrects = f.hashes[received].clone();
    f.event("statement.corrected", "consignment/1", case, "rr", json!({}), &["rr0"], |e| {
        e["corrects"] = json!(corrects)
    });
    f.add(
        "key.added",
        "party/rr",
        None,
        "rr",
        json!({"party": "rr", "key": k("rr2", &["transfer.*"])}),
        &["rr0", "rr2"],
    );
    f.add("transfer.received", "consignment/1", case, "rr", json!({}), &["rr2"]);
    let retired = json!({"party": "rr", "keyid": keyid("rr2"), "reason": "left"});
    f.add("key.retired", "party/rr", None, "rr", retired, &["rr0"]);
    let revoked =
        json!({"party": "rr", "keyid": keyid("rr2"), "reason": "lost", "suspect_from": "2026-01-01T00:00:14Z"});
    f.add("key.revoked", "party/rr", None, "rr", revoked, &["rr0"]);
    f.enrol("ss", &["recipient", "donor"], &["ss0"]);
    let succeeded = json!({"party": "rr", "successor": "ss", "reason": "merged"});
    f.add("party.succeeded", "party/rr", None, "governance", succeeded, &["g0", "g2", "ss0"]);
    f.add("transfer.received", "consignment/2", case, "ss", json!({}), &["ss0"]);
    f.enrol("jj", &["inspector"], &["jj0"]);
    f.add(
        "case.inspectors",
        "case/dd.c1",
        case,
        "dd",
        json!({"inspector": ["jj"], "reason": "new"}),
        &["dd0", "ii0", "jj0"],
    );
    f.add("case.amended", "case/dd.c1", case, "dd", json!({"title": "Radios II", "reason": "more"}), &["dd0", "ss0"]);
    f.add(
        "log_key.rotated",
        "ledger/self",
        None,
        "governance",
        json!({"log_key": vkey(ORIGIN, "log2", 1), "reason": "age"}),
        &["g0", "g1"],
    );
    let governance = json!({"threshold": 1, "keys": [public("g0"), public("g3")]});
    f.add(
        "governance.changed",
        "ledger/self",
        None,
        "governance",
        json!({"governance": governance, "reason": "new"}),
        &["g0", "g1", "g3"],
    );
    f.add("ledger.closed", "ledger/self", None, "governance", json!({"reason": "done"}), &["g3"]);
    f.log_keys = vec!["log", "log2"];
    let report = f.report();
    assert_eq!(report.verdict(), Verdict::Verified, "{}", report.to_text());
    let suspects: Vec<u64> = report.suspects.iter().map(|s| s.seq).collect();
    assert_eq!(suspects, [18]);
    f.log_keys = vec!["log"];
    let report = f.report();
    assert_eq!(failed(&report), [(Checkpoint, None)]);
}

/// Adds one dispatch with something wrong in its payload.
fn payload_fault(change: impl FnOnce(&mut Value)) -> Forge {
    let mut f = Forge::usual();
    f.event("transfer.dispatched", "consignment/1", Some("dd.c1"), "dd", json!({}), &["dd0"], change);
    f
}

#[test]
fn event_members() {
    let long = "a".repeat(97);
    let wrong: Vec<(&str, Value)> = vec![
        ("countersign", json!("1")),
        ("countersign", json!(0)),
        ("ledger", json!("00")),
        ("id", json!("00000000-0000-4000-8000-000000000001")),
        ("kind", json!("Transfer.dispatched")),
        ("kind", json!("transfer.dispatched.v1")),
        ("subject", json!("consignment")),
        ("subject", json!("consignment/Ab")),
        ("subject", json!(format!("consignment/{long}"))),
        ("case", json!("")),
        ("case", Value::Null),
        ("after", json!("x")),
        ("author", json!("d.d")),
        ("signers", json!(["rr", "dd"])),
        ("signers", json!(["dd", "dd"])),
        ("until", json!("tomorrow")),
        ("until", Value::Null),
        ("occurred", json!({})),
        ("occurred", json!({"at": "2026-01-01T00:00:00Z", "date": "2026-01-01"})),
        ("occurred", json!({"date": "2026-02-29"})),
        ("occurred", json!({"from": "2026-01-01T00:00:00Z"})),
        ("occurred", json!({"at": "2026-01-01T00:00:00.5Z"})),
        ("body", json!([])),
        ("evidence", json!([])),
        ("evidence", json!([{"sha256": "0".repeat(64), "size": -1, "media_type": "a/b", "name": "n"}])),
        ("evidence", json!([{"sha256": "0".repeat(64), "size": 1, "media_type": "a/b", "name": "a/b"}])),
        ("evidence", json!([{"sha256": "0".repeat(64), "size": 1, "media_type": "a/b"}])),
        ("corrects", json!("0".repeat(64))),
        ("more", json!(1)),
    ];
    for (name, value) in wrong {
        assert_fails(&payload_fault(|e| e[name] = value.clone()), 6, &[Format]);
    }
    for name in ["countersign", "ledger", "id", "kind", "subject", "after", "author", "occurred", "body"] {
        let f = payload_fault(|e| {
            e.as_object_mut().unwrap().remove(name);
        });
        assert_fails(&f, 6, &[Format]);
    }
}

#[test]
fn event_rules() {
    assert_fails(&payload_fault(|e| e["ledger"] = json!("0".repeat(64))), 6, &[Ledger]);
    assert_fails(&payload_fault(|e| e["kind"] = json!("unheard.of")), 6, &[Policy]);
    assert_fails(&payload_fault(|e| e["author"] = json!("rr")), 6, &[Policy]);
    assert_fails(&payload_fault(|e| e["author"] = json!("governance")), 6, &[Policy]);
    assert_fails(&payload_fault(|e| e["signers"] = json!(["dd", "rr"])), 6, &[Policy]);
    assert_fails(&payload_fault(|e| e["signers"] = json!([])), 6, &[Format]);
    assert_fails(&payload_fault(|e| e["case"] = json!("other")), 6, &[Policy]);
    assert_fails(&payload_fault(|e| e["subject"] = json!("case/dd.c2")), 6, &[Policy]);
    assert_fails(&payload_fault(|e| e["until"] = json!("2026-01-01T00:00:07Z")), 6, &[]);
    assert_fails(&payload_fault(|e| e["until"] = json!("2026-01-01T00:00:06.999Z")), 6, &[Time]);
    assert_fails(&payload_fault(|e| e["occurred"] = json!({"at": "2026-01-03T00:00:07.001Z"})), 6, &[Time]);
    assert_fails(&payload_fault(|e| e["occurred"] = json!({"at": "2026-01-03T00:00:07Z"})), 6, &[]);
    assert_fails(&payload_fault(|e| e["occurred"] = json!({"date": "2026-01-03"})), 6, &[]);
    assert_fails(&payload_fault(|e| e["occurred"] = json!({"date": "2026-01-04"})), 6, &[Time]);
    let backwards = json!({"from": "2026-01-01T00:00:01Z", "to": "2026-01-01T00:00:00Z"});
    assert_fails(&payload_fault(|e| e["occurred"] = backwards), 6, &[Time]);
    assert_fails(&payload_fault(|e| e["occurred"] = json!({"unknown": "records burnt"})), 6, &[]);
    assert_fails(&payload_fault(|e| e["after"] = json!("1".repeat(64))), 6, &[Stream]);
    assert_fails(&payload_fault(|e| e["id"] = json!("00000000-0000-7000-8000-000000000006")), 6, &[Stream]);
}

#[test]
fn streams() {
    let mut f = Forge::usual();
    let first = f.dispatch("1");
    f.dispatch("1");
    let after = f.hashes[first].clone();
    // any earlier event of the stream will do
    f.event("transfer.dispatched", "consignment/1", Some("dd.c1"), "dd", json!({}), &["dd0"], |e| {
        e["after"] = json!(after)
    });
    assert_verified(&f);
    let mut g = f.clone();
    let at = g.event("transfer.dispatched", "consignment/1", Some("dd.c1"), "dd", json!({}), &["dd0"], |e| {
        e["after"] = Value::Null
    });
    assert_fails(&g, at, &[Stream]);
    let other = f.hashes[0].clone();
    let mut g = f.clone();
    let at = g.event("transfer.dispatched", "consignment/1", Some("dd.c1"), "dd", json!({}), &["dd0"], |e| {
        e["after"] = json!(other)
    });
    assert_fails(&g, at, &[Stream]);
    // on a case stream it must be the head
    let opened = f.hashes[5].clone();
    let body = json!({"title": "x", "reason": "y"});
    f.add("case.amended", "case/dd.c1", Some("dd.c1"), "dd", body.clone(), &["dd0", "rr0"]);
    let at = f.event("case.amended", "case/dd.c1", Some("dd.c1"), "dd", body, &["dd0", "rr0"], |e| {
        e["after"] = json!(opened)
    });
    assert_fails(&f, at, &[Stream]);
    // nobody squats on another's numbers
    let mut g = Forge::usual();
    let at = g.add("diversion.reported", "incident/dd.1", None, "ii", json!({}), &["ii0"]);
    assert_fails(&g, at, &[Policy]);
    // but once it is started others may go on
    let mut g = Forge::usual();
    g.add("diversion.reported", "incident/ii.1", None, "ii", json!({}), &["ii0"]);
    g.add("diversion.reported", "incident/ii.1", None, "dd", json!({}), &["dd0"]);
    assert_verified(&g);
}

fn line_fault(wrong: Wrong) -> Forge {
    let mut f = Forge::usual();
    let payload = json!({
        "countersign": 1, "id": "00000000-0000-7000-8000-0000000000ff", "kind": "transfer.dispatched",
        "subject": "consignment/1", "after": null, "author": "dd", "case": "dd.c1", "ledger": f.ledger,
        "occurred": {"date": "2026-01-01"}, "body": {}
    });
    f.payload(&payload.to_string(), &["dd0"], &wrong);
    f.dispatch("2");
    f
}

#[test]
fn lines() {
    assert_verified(&line_fault(Wrong::default()));
    let zeros = "0".repeat(64);
    assert_fails(&line_fault(Wrong { prev: Some(zeros), ..Wrong::default() }), 6, &[Chain]);
    assert_fails(&line_fault(Wrong { seq: Some(7), ..Wrong::default() }), 6, &[Format]);
    assert_fails(&line_fault(Wrong { bad_signature: Some(0), ..Wrong::default() }), 6, &[Signature]);
    for wrong in [json!(null), json!(3), json!(5), json!(6), json!(99)] {
        assert_fails(&line_fault(Wrong { governance: Some(wrong), ..Wrong::default() }), 6, &[Pointers]);
    }
    for wrong in [json!(null), json!(4), json!(6)] {
        assert_fails(&line_fault(Wrong { case: Some(wrong), ..Wrong::default() }), 6, &[Pointers]);
    }
    for wrong in [json!(0), json!(5), json!(6)] {
        assert_fails(&line_fault(Wrong { stream: Some(wrong), ..Wrong::default() }), 6, &[Pointers]);
    }
    let back = Some("2026-01-01T00:00:05.999Z".to_owned());
    assert_fails(&line_fault(Wrong { time: back, ..Wrong::default() }), 6, &[Time]);
    let same = Some("2026-01-01T00:00:06.000Z".to_owned());
    assert_verified(&line_fault(Wrong { time: same, ..Wrong::default() }));
    let changes: [fn(String) -> String; 15] = [
        |l| l.replace("\"seq\":6", "\"seq\": 6"),
        |l| l.replace("\"seq\":6", "\"seq\":06"),
        |l| l.replace(".000Z", "Z"),
        |l| l.replace(".000Z", ".00Z"),
        |l| l.replace("\"prev\":\"", "\"prev\":\"A"),
        |l| l.replace("\"governance\":4", "\"governance\":\"4\""),
        |l| l.replace("\"case\":5,\"stream\":null", "\"stream\":null,\"case\":5"),
        |l| l.replace("event.v1+json", "session.v1+json"),
        |l| l.replace("\"payload\":\"ey", "\"payload\":\"\\u0065y"),
        |l| l.replace("\"sig\":\"", "\"sig\":\"="),
        |l| l.replace("==\"}]", "\"}]"),
        |l| l.replace("]}}", "],\"x\":1}}"),
        |l| l + " ",
        |l| l + "\r",
        |l| l.replace("\"seq\":6,", ""),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let f = line_fault(Wrong { line: Some(change), ..Wrong::default() });
        let report = f.report();
        assert_eq!(failed(&report), [(Format, Some(6))], "change {at}: {}", report.to_text());
    }
}

#[test]
fn keys() {
    let case = Some("dd.c1");
    // a stranger
    let mut f = Forge::usual();
    let at = f.add("transfer.dispatched", "consignment/1", case, "dd", json!({}), &["dd0", "stranger"]);
    assert_fails(&f, at, &[Key]);
    // the log key
    let mut f = Forge::usual();
    let at = f.add("transfer.dispatched", "consignment/1", case, "dd", json!({}), &["dd0", "log"]);
    assert_fails(&f, at, &[Key]);
    // an introduced key that did not sign
    let mut f = Forge::usual();
    let body = enrolment("xx", &["donor"], vec![k("xx0", &["*"])]);
    let at = f.add("party.enrolled", "party/xx", None, "governance", body, &["g0", "g1"]);
    assert_fails(&f, at, &[Key]);
    // a key enters once: as another party's, as governance's, as the log's
    for name in ["dd0", "g2", "log"] {
        let mut f = Forge::usual();
        let body = enrolment("xx", &["donor"], vec![k(name, &["*"])]);
        let at = f.add("party.enrolled", "party/xx", None, "governance", body, &["g0", "g1", name]);
        assert_fails(&f, at, &[Key]);
    }
    let mut f = Forge::usual();
    let at = f.add(
        "log_key.rotated",
        "ledger/self",
        None,
        "governance",
        json!({"log_key": vkey(ORIGIN, "g0", 1), "reason": "x"}),
        &["g0", "g1"],
    );
    f.log_keys = vec!["g0"];
    assert_fails(&f, at, &[Key]);
    // retired, revoked, expired, and not for the kind
    let retired = json!({"party": "rr", "keyid": keyid("rr1"), "reason": "x"});
    let mut f = Forge::usual();
    f.add("key.retired", "party/rr", None, "rr", retired.clone(), &["rr0"]);
    let at = f.add("transfer.received", "consignment/1", case, "rr", json!({}), &["rr0", "rr1"]);
    assert_fails(&f, at, &[Key]);
    let revoked = json!({"party": "rr", "keyid": keyid("rr1"), "reason": "x", "suspect_from": null});
    let mut f = Forge::usual();
    f.add("key.revoked", "party/rr", None, "rr", revoked.clone(), &["rr1"]);
    let at = f.add("transfer.received", "consignment/1", case, "rr", json!({}), &["rr0", "rr1"]);
    assert_fails(&f, at, &[Key]);
    let mut f = Forge::usual();
    f.add("key.revoked", "party/rr", None, "rr", revoked, &["rr1"]);
    let at = f.add("key.retired", "party/rr", None, "rr", retired, &["rr0"]);
    assert_fails(&f, at, &[Key]);
    let wrong = json!({"party": "rr", "keyid": keyid("dd0"), "reason": "x"});
    let mut f = Forge::usual();
    let at = f.add("key.retired", "party/rr", None, "rr", wrong, &["rr0"]);
    assert_fails(&f, at, &[Key]);
    for (uses, not_after) in
        [(json!(["other.*", "transfer.dispatched"]), Value::Null), (json!(["*"]), json!("2026-01-01T00:00:07Z"))]
    {
        let mut f = Forge::usual();
        let key = json!({"public_key": public("rr2"), "holder": "o", "uses": uses, "not_after": not_after});
        f.add("key.added", "party/rr", None, "rr", json!({"party": "rr", "key": key}), &["rr0", "rr2"]);
        let at = f.add("transfer.received", "consignment/1", case, "rr", json!({}), &["rr0", "rr2"]);
        assert_fails(&f, at, &[Key]);
    }
    // a correction asks for the corrected kind too
    let mut f = Forge::usual();
    f.enrol("x", &["donor"], &["x0"]);
    let key = k("rr2", &["statement.*"]);
    f.add("key.added", "party/rr", None, "rr", json!({"party": "rr", "key": key}), &["rr0", "rr2"]);
    let received = f.add("transfer.received", "consignment/1", case, "rr", json!({}), &["rr0"]);
    let corrects = f.hashes[received].clone();
    let at = f.event("statement.corrected", "consignment/1", case, "rr", json!({}), &["rr0", "rr2"], |e| {
        e["corrects"] = json!(corrects)
    });
    assert_fails(&f, at, &[Key]);
    // keys that no ledger may take, each signed for as far as that can be done
    for log_key in unacceptable() {
        let mut f = Forge::usual();
        let typed = [&[1u8][..], &log_key].concat();
        let id = sha(&[ORIGIN.as_bytes(), b"\n", &typed].concat());
        let vkey = format!("{ORIGIN}+{}+{}", hex(&id[..4]), b64(&typed));
        let body = json!({"log_key": vkey, "reason": "x"});
        let at = f.add("log_key.rotated", "ledger/self", None, "governance", body, &["g0", "g1"]);
        let report = f.report();
        assert_eq!(failed(&report), [(Checkpoint, None), (Key, Some(at as u64))]);
    }
}

/// Small order, not canonical, not a point, and a point with a torsion part.
fn unacceptable() -> [[u8; 32]; 4] {
    let mut one = [0u8; 32];
    one[0] = 1;
    let mut not_canonical = [0xff; 32];
    not_canonical[31] = 0x7f;
    let mut no_point = [0u8; 32];
    no_point[0] = 2;
    let torsion = curve25519_dalek::constants::EIGHT_TORSION[1];
    let mixed = key("xx0").verifying_key().to_edwards() + torsion;
    [one, not_canonical, no_point, mixed.compress().0]
}

#[test]
fn key_rights() {
    let case = Some("dd.c1");
    let added = |uses: &[&str], not_after: Value| {
        let key = json!({"public_key": public("rr3"), "holder": "o", "uses": uses, "not_after": not_after});
        json!({"party": "rr", "key": key})
    };
    let mut f = Forge::usual();
    let key = json!({"public_key": public("rr2"), "holder": "o", "uses": ["key.*", "transfer.*"], "not_after": "2027-01-01T00:00:00Z"});
    f.add("key.added", "party/rr", None, "rr", json!({"party": "rr", "key": key}), &["rr0", "rr2"]);
    for (uses, not_after, right) in [
        (&["transfer.received"][..], json!("2027-01-01T00:00:00Z"), true),
        (&["transfer.received"], Value::Null, false),
        (&["transfer.received"], json!("2027-01-01T00:00:01Z"), false),
        (&["*"], json!("2026-06-01T00:00:00Z"), false),
        (&["check.*"], json!("2026-06-01T00:00:00Z"), false),
    ] {
        let mut g = f.clone();
        let at = g.add("key.added", "party/rr", None, "rr", added(uses, not_after.clone()), &["rr2", "rr3"]);
        assert_fails(&g, at, if right { &[] } else { &[Policy] });
        // the quorum may give anything
        let mut g = f.clone();
        g.add("key.added", "party/rr", None, "governance", added(uses, not_after), &["g0", "g1", "rr3"]);
        assert_verified(&g);
    }
    // one officer cannot become two
    let mut g = Forge::usual();
    g.enrol("zz", &["donor"], &["zz0"]);
    g.add("key.added", "party/rr", None, "rr", added(&["*"], Value::Null), &["rr0", "rr3"]);
    let mut h = g.clone();
    let at = h.add("twice.signed", "consignment/1", case, "rr", json!({}), &["rr0", "rr3"]);
    assert_fails(&h, at, &[Policy]);
    let mut h = g.clone();
    h.add("twice.signed", "consignment/1", case, "rr", json!({}), &["rr0", "rr1"]);
    assert_verified(&h);
    let mut h = Forge::usual();
    h.add("key.added", "party/rr", None, "rr", added(&["*"], Value::Null), &["rr0", "rr1", "rr3"]);
    h.add("twice.signed", "consignment/1", case, "rr", json!({}), &["rr0", "rr3"]);
    assert_verified(&h);
    // suspicion more than 30 days back needs the quorum
    let revoked = json!({"party": "rr", "keyid": keyid("rr1"), "reason": "x", "suspect_from": "2025-11-30T00:00:00Z"});
    let mut h = Forge::usual();
    let at = h.add("key.revoked", "party/rr", None, "rr", revoked.clone(), &["rr0"]);
    assert_fails(&h, at, &[Policy]);
    let mut h = Forge::usual();
    h.add("key.revoked", "party/rr", None, "governance", revoked, &["g0", "g1"]);
    assert_verified(&h);
    // another party's key events
    let mut h = Forge::usual();
    let at = h.add(
        "key.retired",
        "party/rr",
        None,
        "dd",
        json!({"party": "rr", "keyid": keyid("rr1"), "reason": "x"}),
        &["dd0"],
    );
    assert_fails(&h, at, &[Policy]);
}

#[test]
fn quorum() {
    let body = || enrolment("xx", &["donor"], vec![k("xx0", &["*"])]);
    let mut f = Forge::usual();
    let at = f.add("party.enrolled", "party/xx", None, "governance", body(), &["g0", "xx0"]);
    assert_fails(&f, at, &[Policy]);
    // signatures short of the quorum are refused anywhere
    let mut f = Forge::usual();
    let at = f.add("transfer.dispatched", "consignment/1", Some("dd.c1"), "dd", json!({}), &["dd0", "g0"]);
    assert_fails(&f, at, &[Policy]);
    // a new list: the old key counts no more, and never returns
    let governance = |keys: &[&str]| {
        let keys: Vec<_> = keys.iter().map(|name| public(name)).collect();
        json!({"governance": {"threshold": 2, "keys": keys}, "reason": "x"})
    };
    let mut f = Forge::usual();
    f.add("governance.changed", "ledger/self", None, "governance", governance(&["g0", "g1"]), &["g1", "g2"]);
    let mut g = f.clone();
    let at = g.add("party.enrolled", "party/xx", None, "governance", body(), &["g0", "g1", "g2", "xx0"]);
    assert_fails(&g, at, &[Key]);
    let at =
        f.add("governance.changed", "ledger/self", None, "governance", governance(&["g0", "g2"]), &["g0", "g1", "g2"]);
    assert_fails(&f, at, &[Key]);
    // every governance key signs the creation
    let f = Forge::empty(|_| {}, &["g0", "g1"]);
    assert_fails(&f, 0, &[Key]);
    // nothing follows the end
    let mut f = Forge::usual();
    f.add("ledger.closed", "ledger/self", None, "governance", json!({"reason": "x"}), &["g0", "g1"]);
    let at = f.dispatch("1");
    assert_fails(&f, at, &[Policy]);
}

#[test]
fn parties_and_cases() {
    let case = Some("dd.c1");
    let amended = |roles: Value| json!({"roles": roles, "reason": "x"});
    // a second start of a stream
    let mut f = Forge::usual();
    let body = enrolment("dd", &["donor"], vec![k("dd1", &["*"])]);
    let at = f.add("party.enrolled", "party/dd", None, "governance", body, &["g0", "g1", "dd1"]);
    assert_fails(&f, at, &[Policy]);
    let mut f = Forge::usual();
    let at = f.add("case.opened", "case/dd.c1", case, "dd", case_body(), &["dd0", "rr0"]);
    assert_fails(&f, at, &[Policy]);
    // something else starts a stream of a party
    let mut f = Forge::usual();
    let at =
        f.add("party.amended", "party/xx", None, "governance", json!({"party": "xx", "reason": "x"}), &["g0", "g1"]);
    assert_fails(&f, at, &[Policy]);
    // subject and body disagree
    let mut f = Forge::usual();
    let at =
        f.add("party.amended", "party/dd", None, "governance", json!({"party": "rr", "reason": "x"}), &["g0", "g1"]);
    assert_fails(&f, at, &[Policy]);
    // roles: the capacity, the donors and recipients, the newly bound, those taken off
    let mut f = Forge::usual();
    let mut body = case_body();
    body["roles"]["inspector"] = json!(["cc"]);
    let at = f.add("case.opened", "case/dd.c2", Some("dd.c2"), "dd", body, &["dd0", "rr0"]);
    assert_fails(&f, at, &[Policy]);
    let mut f = Forge::usual();
    f.enrol("ee", &["donor"], &["ee0"]);
    let mut body = case_body();
    body["roles"]["donor"] = json!(["dd", "ee"]);
    let mut g = f.clone();
    let at = g.add("case.opened", "case/dd.c2", Some("dd.c2"), "dd", body.clone(), &["dd0", "rr0"]);
    assert_fails(&g, at, &[Policy]);
    let mut g = f.clone();
    g.add("case.opened", "case/dd.c2", Some("dd.c2"), "dd", body, &["dd0", "ee0", "rr0"]);
    assert_verified(&g);
    let mut g = f.clone();
    let at = g.add(
        "case.amended",
        "case/dd.c1",
        case,
        "dd",
        amended(json!({"donor": ["dd", "ee"], "recipient": ["rr"]})),
        &["dd0", "rr0"],
    );
    assert_fails(&g, at, &[Policy]);
    let mut g = f.clone();
    g.add(
        "case.amended",
        "case/dd.c1",
        case,
        "dd",
        amended(json!({"donor": ["dd", "ee"], "recipient": ["rr"]})),
        &["dd0", "ee0", "rr0"],
    );
    let at = g.add(
        "case.amended",
        "case/dd.c1",
        case,
        "ee",
        amended(json!({"donor": ["ee"], "recipient": ["rr"]})),
        &["ee0", "rr0"],
    );
    assert_fails(&g, at, &[Policy]);
    let mut g = f.clone();
    g.add(
        "case.amended",
        "case/dd.c1",
        case,
        "dd",
        amended(json!({"donor": ["dd", "ee"], "recipient": ["rr"]})),
        &["dd0", "ee0", "rr0"],
    );
    g.add(
        "case.amended",
        "case/dd.c1",
        case,
        "ee",
        amended(json!({"donor": ["ee"], "recipient": ["rr"]})),
        &["ee0", "rr0", "g0", "g1"],
    );
    assert_verified(&g);
    // outsiders do not act inside a case
    let mut g = f.clone();
    let at = g.add("transfer.dispatched", "consignment/1", case, "dd", json!({}), &["dd0", "ee0"]);
    assert_fails(&g, at, &[Policy]);
    let mut g = f.clone();
    let at = g.add("transfer.dispatched", "consignment/1", case, "ee", json!({}), &["ee0"]);
    assert_fails(&g, at, &[Policy]);
    // succession: capacity, signature, and who may act afterwards
    f.enrol("d2", &["donor"], &["d20"]);
    let succeeded = |p: &str, s: &str| json!({"party": p, "successor": s, "reason": "x"});
    let mut g = f.clone();
    let at = g.add("party.succeeded", "party/rr", None, "governance", succeeded("rr", "d2"), &["g0", "g1", "d20"]);
    assert_fails(&g, at, &[Policy]);
    let mut g = f.clone();
    let at = g.add("party.succeeded", "party/dd", None, "governance", succeeded("dd", "d2"), &["g0", "g1"]);
    assert_fails(&g, at, &[Policy]);
    let mut g = f.clone();
    g.add("party.succeeded", "party/dd", None, "governance", succeeded("dd", "d2"), &["g0", "g1", "d20"]);
    g.add("transfer.dispatched", "consignment/1", case, "d2", json!({}), &["d20"]);
    assert_verified(&g);
    let at = g.add("transfer.dispatched", "consignment/1", case, "d2", json!({}), &["d20", "dd0"]);
    assert_fails(&g, at, &[Key]);
}

#[test]
fn corrections() {
    let case = Some("dd.c1");
    let mut f = Forge::usual();
    let both = f.add("title.transferred", "consignment/1", case, "rr", json!({}), &["dd0", "rr0"]);
    let other = f.dispatch("2");
    let correct = |f: &mut Forge, what: String, signers: &[&str]| {
        f.event("statement.corrected", "consignment/1", case, "rr", json!({}), signers, |e| e["corrects"] = json!(what))
    };
    let mut g = f.clone();
    let hash = g.hashes[both].clone();
    let at = correct(&mut g, hash.clone(), &["dd0", "rr1"]);
    assert_verified(&g);
    // a correction is not corrected
    let correction = g.hashes[at].clone();
    let at = correct(&mut g, correction, &["dd0", "rr0"]);
    assert_fails(&g, at, &[Policy]);
    // not everyone signs; another stream; nothing at all; an authority event
    let mut g = f.clone();
    let at = correct(&mut g, hash, &["rr0"]);
    assert_fails(&g, at, &[Policy]);
    for wrong in [f.hashes[other].clone(), "1".repeat(64), f.hashes[5].clone()] {
        let mut g = f.clone();
        let at = correct(&mut g, wrong, &["dd0", "rr0"]);
        assert_fails(&g, at, &[Policy]);
    }
}

#[test]
fn tables() {
    let table = |change: fn(&mut Value)| {
        let mut f = Forge::usual();
        let mut policy = policy();
        change(&mut policy);
        let at = f.add(
            "policy.changed",
            "ledger/self",
            None,
            "governance",
            json!({"policy": policy, "reason": "x"}),
            &["g0", "g1"],
        );
        (f, at)
    };
    let rule: fn(&mut Value, Value) = |policy, rule| policy["x.y"] = json!({"case": "required", "rule": rule});
    let (f, _) = table(|_| {});
    assert_verified(&f);
    let wrong: Vec<fn(&mut Value)> = vec![
        |p| {
            p.as_object_mut().unwrap().remove("case.closed");
        },
        |p| p["case.closed"]["case"] = json!("forbidden"),
        |p| p["party.enrolled"]["case"] = json!("required"),
        |p| p["transfer.received"]["case"] = json!("any"),
        |p| p["Bad.kind"] = json!({"case": "required", "rule": {"governance": true}}),
        |p| p["x.y"] = json!({"case": "forbidden", "rule": {"role": "donor"}}),
        |p| p["x.y"] = json!({"case": "required", "rule": {"corrected": true}}),
        |p| p["statement.corrected"]["rule"] = json!({"all": [{"corrected": true}]}),
    ];
    for change in wrong {
        let (f, at) = table(change);
        assert_fails(&f, at, &[Format]);
    }
    let leaf = json!({"any_party": true});
    let mut deep = leaf.clone();
    for _ in 0..8 {
        deep = json!({"all": [deep]});
    }
    let rules = [
        json!({}),
        json!({"governance": false}),
        json!({"governance": true, "any_party": true}),
        json!({"role": "king"}),
        json!({"role": "donor", "keys": 0}),
        json!({"role": "donor", "optional": true}),
        json!({"party": "body/to"}),
        json!({"party": "/body/~2"}),
        json!({"party": "/body/to", "optional": false}),
        json!({"all": []}),
        json!({"any": vec![leaf.clone(); 17]}),
        json!({"all": [{"all": vec![leaf.clone(); 9]}, {"all": vec![leaf.clone(); 8]}]}),
        json!({"at_least": {"n": 3, "of": [leaf, leaf]}}),
        json!({"at_least": {"n": 0, "of": [leaf]}}),
        deep,
    ];
    for wrong in rules {
        let mut f = Forge::usual();
        let mut policy = policy();
        rule(&mut policy, wrong.clone());
        let at = f.add(
            "policy.changed",
            "ledger/self",
            None,
            "governance",
            json!({"policy": policy, "reason": "x"}),
            &["g0", "g1"],
        );
        let report = f.report();
        assert_eq!(failed(&report), [(Format, Some(at as u64))], "{wrong}");
    }
}

#[test]
fn newer_formats_are_not_checked() {
    let f = payload_fault(|e| e["countersign"] = json!(2));
    let report = f.report();
    assert_eq!((report.verdict(), failed(&report)), (Verdict::NotChecked, vec![]), "{}", report.to_text());
    let f = line_fault(Wrong { payload_type: Some(PAYLOAD_TYPE.replace("v1", "v2")), ..Wrong::default() });
    let report = f.report();
    assert_eq!((report.verdict(), failed(&report)), (Verdict::NotChecked, vec![]), "{}", report.to_text());
    // what rests on it is not called false: a case that a newer kind of event opened
    let mut f = Forge::usual();
    f.event("case.opened", "case/dd.c9", Some("dd.c9"), "dd", case_body(), &["dd0"], |e| e["countersign"] = json!(2));
    f.add("transfer.dispatched", "consignment/9", Some("dd.c9"), "dd", json!({"lines": []}), &["dd0"]);
    let report = f.report();
    assert_eq!((report.verdict(), failed(&report)), (Verdict::NotChecked, vec![]), "{}", report.to_text());
    // what came before it is
    let mut f = Forge::usual();
    let wrong = f.add("transfer.dispatched", "consignment/9", Some("dd.c9"), "dd", json!({"lines": []}), &["dd0"]);
    f.event("case.opened", "case/dd.c8", Some("dd.c8"), "dd", case_body(), &["dd0"], |e| e["countersign"] = json!(2));
    let report = f.report();
    assert_eq!(report.verdict(), Verdict::Failed, "{}", report.to_text());
    assert!(failed(&report).contains(&(Policy, Some(wrong as u64))), "{}", report.to_text());
    let bundle = Forge::usual().bundle().replacen("\"countersign_bundle\":1", "\"countersign_bundle\":2", 1);
    let report = check(&bundle, &Forge::usual().given());
    assert_eq!(report.verdict(), Verdict::NotChecked, "{}", report.to_text());
}
