//! Bundles as files: order, limits, extracts, checkpoints, witnesses, disclosures, evidence, receipts.
#![allow(clippy::unwrap_used)]

mod forge;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_verify::checkpoint::Checkpoint as Note;
use countersign_verify::checks::Code::*;
use countersign_verify::checks::Outcome;
use countersign_verify::evidence;
use countersign_verify::fold::Given;
use countersign_verify::receipt::{verify_alone, verify_with_bundle};
use countersign_verify::report::Verdict;
use countersign_verify::trust::Trust;
use forge::*;
use serde_json::{Value, json};

fn codes(bundle: &str, given: &Given) -> Vec<countersign_verify::checks::Code> {
    failed(&check(bundle, given)).into_iter().map(|(code, _)| code).collect()
}

fn ledger() -> Forge {
    let mut f = Forge::usual();
    for id in 1..=10 {
        f.dispatch(&id.to_string());
    }
    f
}

#[test]
fn lines_of_a_bundle() {
    let f = ledger();
    let (bundle, given) = (f.bundle(), f.given());
    assert_eq!(check(&bundle, &given).verdict(), Verdict::Verified);
    assert_eq!(codes(bundle.trim_end(), &given), [Format]);
    assert_eq!(codes(&bundle.replace('\n', "\r\n"), &given)[0], Format);
    assert_eq!(codes(&format!("{bundle}\n"), &given), [Format]);
    assert_eq!(codes(&format!("{bundle}{}\n", f.lines[3]), &given), [Format]);
    assert_eq!(codes(&bundle.replacen("\n", "\n\n", 3), &given), [Format]);
    let shorter = bundle.lines().take(16).map(|l| l.to_owned() + "\n").collect::<String>();
    assert_eq!(codes(&shorter, &given), [Format, Tree]);
    assert_eq!(codes("", &given), [Format]);
    assert_eq!(codes("\n", &given), [Format]);
    let without_header = bundle.split_once('\n').unwrap().1;
    assert!(codes(without_header, &given).contains(&Format));
    let mut lines: Vec<&str> = bundle.lines().collect();
    lines.swap(8, 9);
    let report = check(&(lines.join("\n") + "\n"), &given);
    assert_eq!(failed(&report)[0], (Format, Some(7)), "{}", report.to_text());
    // a line longer than everything
    let long = format!("{}{}", "x".repeat(3 << 20), "\n");
    let report = check(&bundle.replacen('\n', &format!("\n{long}"), 1), &given);
    assert_eq!(failed(&report)[0], (Format, Some(0)));
    assert_eq!(report.checks.row(Format).fault.as_ref().unwrap().found, format!("{} bytes", 3 << 20));
}

#[test]
fn headers() {
    let f = ledger();
    let (bundle, given) = (f.bundle(), f.given());
    for (from, to) in [
        ("\"scope\":\"full\"", "\"scope\":\"all\""),
        ("\"scope\":\"full\"", "\"scope\":{\"case\":\"A\"}"),
        ("\"scope\":\"full\"", "\"scope\":{\"case\":\"a\",\"more\":1}"),
        ("\"scope\":\"full\"", "\"scope\":{\"since\":-1}"),
        ("\"scope\":\"full\"", "\"scope\":{\"since\":1},\"more\":1"),
        ("{\"countersign_bundle\":1", "{\"countersign_bundle\":1,\"countersign_bundle\":1"),
        ("{\"countersign_bundle\":1", "{\"countersign_bundle\":\"1\""),
        ("{\"countersign_bundle\":1", " {\"countersign_bundle\":1"),
        ("\\n16\\n", "\\n016\\n"),
        ("\\n\\n—", "\\nextension\\n\\n—"),
        ("\\n\\n—", "\\n—"),
    ] {
        assert_eq!(codes(&bundle.replacen(from, to, 1), &given), [Format], "{to}");
    }
    assert_eq!(codes(&bundle.replacen("\\n16\\n", "\\n15\\n", 1), &given), [Format, Tree, Checkpoint]);
    assert_eq!(codes(&bundle.replacen(&f.ledger, &"0".repeat(64), 1), &given), [Ledger]);
    let other = Given { ledger: countersign_verify::hash::Hash::from_hex(&[b'0'; 64]), ..Given::default() };
    assert_eq!(codes(&bundle, &other), [Ledger]);
    let report = check(&bundle, &Given::default());
    assert_eq!(report.verdict(), Verdict::NotChecked);
    // a scope is a label: nothing is withheld, and still it is no full bundle
    let report = check(&bundle.replacen("\"full\"", "{\"case\":\"dd.c1\"}", 1), &given);
    assert_eq!((report.verdict(), failed(&report)), (Verdict::Partial, vec![]));
}

#[test]
fn extracts() {
    let f = ledger();
    let (scope, given) = (json!({"case": "dd.c1"}), f.given());
    let checkpoint = f.checkpoint(16);
    let extract = |withheld: &[(usize, usize)]| check(&f.bundle_with(&scope, &checkpoint, withheld), &given);
    let report = extract(&[(8, 12)]);
    assert_eq!((report.verdict(), failed(&report)), (Verdict::Partial, vec![]), "{}", report.to_text());
    assert_eq!(undecided(&report), [Chain, Stream, Seal], "{}", report.to_text());
    assert!(report.headline().contains("may be withheld"));
    // one leaf withheld: its hash is the leaf hash before the next entry
    let report = extract(&[(9, 10)]);
    assert_eq!(undecided(&report), [Stream, Seal], "{}", report.to_text());
    // the last leaf is not shown
    let report = extract(&[(14, 16)]);
    assert_eq!(undecided(&report), [Checkpoint, Stream, Seal], "{}", report.to_text());
    // what pointers lead to is withheld: a party, the case
    for withheld in [(4, 5), (5, 6)] {
        let report = extract(&[withheld]);
        assert!(failed(&report).iter().any(|(code, seq)| *code == Pointers && *seq == Some(withheld.1 as u64)));
    }
    // entry 0, a full bundle, a run that does not fit, a hash that is not right
    assert!(failed(&extract(&[(0, 1)])).contains(&(Format, None)));
    let report = check(&f.bundle_with(&json!("full"), &checkpoint, &[(8, 12)]), &given);
    assert_eq!(failed(&report), [(Format, None)]);
    let bundle = f.bundle_with(&scope, &checkpoint, &[(8, 12)]);
    assert_eq!(codes(&bundle.replace("\"start\":8", "\"start\":9"), &given), [Format]);
    assert_eq!(codes(&bundle.replace("\"start\":8,\"end\":12", "\"start\":4,\"end\":8"), &given)[0], Format);
    let at = bundle.find("\"hash\":\"").unwrap() + 8;
    let mut wrong = bundle.into_bytes();
    wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
    assert_eq!(codes(&String::from_utf8(wrong).unwrap(), &given), [Tree]);
}

#[test]
fn shown_contradictions_in_extracts_fail() {
    let mut f = ledger();
    // the stream of consignment/3 (entry 8) goes on at 16, 17 and 18
    f.dispatch("3");
    let seen = f.dispatch("3");
    let scope = json!({"case": "dd.c1"});
    let given = f.given();
    let size = f.lines.len();
    let report = check(&f.bundle_with(&scope, &f.checkpoint(size), &[(8, 16), (16, 17)]), &given);
    assert_eq!(failed(&report), [], "{}", report.to_text());
    assert_eq!(undecided(&report), [Stream, Pointers, Seal]);
    // `after` is null although the entry points at an earlier one of its stream, which is withheld
    let mut g = f.clone();
    g.event("transfer.dispatched", "consignment/4", Some("dd.c1"), "dd", json!({}), &["dd0"], |e| {
        e["after"] = Value::Null
    });
    let report = check(&g.bundle_with(&scope, &g.checkpoint(size + 1), &[(8, 16)]), &given);
    assert_eq!(failed(&report), [(Stream, Some(size as u64))], "{}", report.to_text());
    // a correction of something that is not shown
    let hidden = f.hashes[9].clone();
    let mut g = f.clone();
    g.event("statement.corrected", "consignment/4", Some("dd.c1"), "dd", json!({}), &["dd0"], |e| {
        e["corrects"] = json!(hidden)
    });
    let report = check(&g.bundle_with(&scope, &g.checkpoint(size + 1), &[(8, 16)]), &given);
    assert_eq!(failed(&report), [], "{}", report.to_text());
    assert!(undecided(&report).contains(&Policy));
    // a correction of something shown in another stream
    let other = f.hashes[seen].clone();
    let mut g = f.clone();
    g.event("statement.corrected", "consignment/4", Some("dd.c1"), "dd", json!({}), &["dd0"], |e| {
        e["corrects"] = json!(other)
    });
    let report = check(&g.bundle_with(&scope, &g.checkpoint(size + 1), &[(8, 16)]), &given);
    assert_eq!(failed(&report), [(Policy, Some(size as u64))], "{}", report.to_text());
    // an id that stands twice among what is shown
    let mut g = f.clone();
    g.event("transfer.dispatched", "consignment/9", Some("dd.c1"), "dd", json!({}), &["dd0"], |e| {
        e["id"] = json!("00000000-0000-7000-8000-000000000012");
    });
    let report = check(&g.bundle_with(&scope, &g.checkpoint(size + 1), &[(8, 16)]), &given);
    assert_eq!(failed(&report), [(Stream, Some(size as u64))], "{}", report.to_text());
}

#[test]
fn earlier_checkpoints() {
    let f = ledger();
    let given = |text: &str| Given { previous: Some(Note::parse_plain(text).unwrap()), ..f.given() };
    let outcome = |text: &str| check(&f.bundle(), &given(text)).checks.row(Consistent).outcome;
    for size in 1..=16 {
        assert_eq!(outcome(&f.checkpoint(size)), Outcome::Ok, "{size}");
    }
    let mut longer = f.clone();
    longer.dispatch("11");
    assert_eq!(outcome(&longer.checkpoint(17)), Outcome::Failed);
    let mut fork = Forge::usual();
    fork.dispatch("other");
    assert_eq!(outcome(&fork.checkpoint(7)), Outcome::Failed);
    let mut stranger = f.clone();
    stranger.log_keys = vec!["g0"];
    assert_eq!(outcome(&stranger.checkpoint(7)), Outcome::Failed);
    // inside a withheld run it cannot be decided, at its edges it can
    let extract = f.bundle_with(&json!({"case": "dd.c1"}), &f.checkpoint(16), &[(8, 12)]);
    for (size, expected) in [(8, Outcome::Ok), (9, Outcome::Undecided), (11, Outcome::Undecided), (12, Outcome::Ok)] {
        assert_eq!(check(&extract, &given(&f.checkpoint(size))).checks.row(Consistent).outcome, expected, "{size}");
    }
}

fn trust(lines: &str) -> Option<Trust> {
    Some(Trust::parse(lines.as_bytes()).unwrap())
}

#[test]
fn witnesses() {
    let f = ledger();
    let text = f.checkpoint_text(16);
    let time = 1_767_225_600; // 2026-01-01T00:00:00Z
    let cosigned = |witnesses: &[(&str, u64)]| {
        let lines: String = witnesses.iter().map(|(name, time)| witness_line(&text, name, *time)).collect();
        f.bundle_with(&json!("full"), &format!("{}{lines}", f.checkpoint(16)), &[])
    };
    let log = vkey(ORIGIN, "log", 1);
    let w: Vec<String> = ["w1.example", "w2.example", "w3.example"].iter().map(|n| vkey(n, n, 4)).collect();
    let two_of_three =
        format!("log {log}\nwitness a {}\nwitness b {}\nwitness c {}\ngroup g 2 a b c\nquorum g\n", w[0], w[1], w[2]);
    let run = |bundle: &str, policy: &str| check(bundle, &Given { trust: trust(policy), ..f.given() });
    let report = run(&cosigned(&[("w1.example", time), ("w3.example", time + 5)]), &two_of_three);
    assert_eq!((report.verdict(), failed(&report)), (Verdict::Verified, vec![]), "{}", report.to_text());
    assert!(!report.headline().contains("not compared"));
    // each counts once
    let report = run(&cosigned(&[("w1.example", time), ("w1.example", time + 5)]), &two_of_three);
    assert_eq!(failed(&report), [(Witness, None)]);
    // somebody else's cosignature is ignored, a listed witness's wrong one is not
    let report = run(&cosigned(&[("w1.example", time), ("w9.example", time)]), &two_of_three);
    assert_eq!(failed(&report), [(Witness, None)]);
    let wrong = cosigned(&[("w1.example", time), ("w2.example", time), ("w3.example", time)]);
    let line = witness_line(&text, "w3.example", time);
    let other = witness_line("other\n1\nAAAA\n", "w3.example", time);
    let report = run(&wrong.replace(line.trim_end(), other.trim_end()), &two_of_three);
    assert_eq!(failed(&report), [(Witness, None)], "{}", report.to_text());
    // another log, no log, no witness asked for
    let other_log = two_of_three.replace(&log, &vkey(ORIGIN, "log2", 1));
    let good = cosigned(&[("w1.example", time), ("w2.example", time)]);
    assert_eq!(failed(&run(&good, &other_log)), [(Checkpoint, None)]);
    let no_log = two_of_three.replace(&format!("log {log}\n"), "");
    assert_eq!(run(&good, &no_log).verdict(), Verdict::Verified);
    let none = run(&good, "quorum none\n");
    assert_eq!(none.checks.row(Witness).outcome, Outcome::NotApplicable);
    assert!(none.headline().contains("not compared"));
    // entry times are bounded by each cosignature: entries 15 s later are, with 285 s less, too late, also where
    // another witness says that it saw them much later
    let late = cosigned(&[("w1.example", time + 9_999_999), ("w2.example", time - 286)]);
    assert_eq!(failed(&run(&late, &two_of_three)), [(Time, Some(14))]);
    let just = cosigned(&[("w1.example", time + 9_999_999), ("w2.example", time - 284)]);
    assert_eq!(failed(&run(&just, &two_of_three)), []);
    // a witness that the quorum does not lead to bounds nothing
    let aside = two_of_three.replace("group g 2 a b c", "group g 1 a c");
    assert_eq!(failed(&run(&late, &aside)), []);
}

#[test]
fn the_report_says_who_witnessed() {
    let f = ledger();
    let text = f.checkpoint_text(16);
    let time = 1_767_225_600; // 2026-01-01T00:00:00Z
    let auditor = "w2.example/auditor";
    let lines = witness_line(&text, "w1.example", time) + &witness_line(&text, auditor, time + 60);
    let bundle = f.bundle_with(&json!("full"), &format!("{}{lines}", f.checkpoint(16)), &[]);
    let w: Vec<String> = ["w1.example", auditor, "w3.example"].iter().map(|n| vkey(n, n, 4)).collect();
    let policy = |quorum: &str| {
        let [a, b, c] = &w[..] else { panic!("three") };
        format!("witness a {a}\nwitness b {b}\nwitness c {c}\n{quorum}")
    };
    let run = |quorum: &str| check(&bundle, &Given { trust: trust(&policy(quorum)), ..f.given() });
    let report = run("group g 2 a b c\ngroup unused any g\nquorum g\n");
    assert_eq!(report.verdict(), Verdict::Verified);
    let said = report.to_text();
    for line in [
        "cosigned by a, b; not by c",
        "witness a (w1.example): cosigned at 2026-01-01T00:00:00.000Z",
        "witness b (w2.example/auditor), an auditor: cosigned at 2026-01-01T00:01:00.000Z",
        "witness c (w3.example): did not cosign",
        "group g: 2 of 3 witnessed, 2 needed: met",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(!said.contains("unused"), "{said}");
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    let witnesses = &json["witnesses"];
    assert_eq!(witnesses["quorum"], true);
    let b = json!({"name": "b", "key": auditor, "auditor": true, "counts": true, "result": "cosigned",
        "time": "2026-01-01T00:01:00.000Z"});
    assert_eq!(witnesses["witnesses"][1], b);
    assert_eq!(witnesses["witnesses"][2]["result"], "missing");
    assert_eq!(
        witnesses["groups"][0],
        json!({"name": "g", "threshold": 2, "members": 3, "witnessed": 2, "counts": true})
    );
    assert_eq!(witnesses["groups"][1]["counts"], false);

    let report = run("group g all a b c\nquorum g\n");
    let fault = report.checks.row(Witness).fault.clone().unwrap();
    assert_eq!(fault.found, "cosigned by a, b; not by c");
    let said = report.to_text();
    assert!(said.contains("group g: 2 of 3 witnessed, 3 needed: not met"), "{said}");
    let aside = run("quorum a\n").to_text();
    assert!(aside.contains("did not cosign; the quorum does not ask for it"), "{aside}");
}

fn disclosure(json: &str) -> (String, String) {
    let string = URL_SAFE_NO_PAD.encode(json);
    let digest = URL_SAFE_NO_PAD.encode(sha(string.as_bytes()));
    (string, digest)
}

const SALT: &str = "AAECAwQFBgcICQoLDA0ODw";

#[test]
fn disclosures() {
    let member = disclosure(&format!("[\"{SALT}\",\"place\",\"warehouse 7\"]"));
    let element = disclosure(&format!("[\"{SALT}\", \"SYN-1\"]"));
    let inner = disclosure(&format!("[\"{SALT}\",\"lat\",1]"));
    let outer = disclosure(&format!("[\"{SALT}\",\"where\",{{\"_sd\":[\"{}\"]}}]", inner.1));
    let body = json!({
        "_sd": [member.1, outer.1], "serials": [{"...": element.1}, "SYN-2"], "note": "seen"
    });
    let make = |body: Value, strings: &[&str]| {
        let mut f = Forge::usual();
        let at = f.add("transfer.dispatched", "consignment/1", Some("dd.c1"), "dd", body, &["dd0"]);
        f.disclosures.insert(at, strings.iter().map(|s| (*s).to_owned()).collect());
        let report = f.report();
        let failed = failed(&report);
        // what does not verify has no count that anybody should rely on
        let undisclosed = if failed.is_empty() { report.undisclosed } else { 0 };
        (failed, undisclosed)
    };
    let fails = (vec![(Disclosure, Some(6))], 0);
    assert_eq!(make(body.clone(), &[]), (vec![], 3));
    assert_eq!(make(body.clone(), &[&inner.0, &outer.0, &member.0, &element.0]), (vec![], 0));
    assert_eq!(make(body.clone(), &[&outer.0, &element.0]), (vec![], 2));
    // an inner one without its outer one, one twice, one that is nobody's
    assert_eq!(make(body.clone(), &[&inner.0]), fails);
    assert_eq!(make(body.clone(), &[&member.0, &member.0]), fails);
    let foreign = disclosure(&format!("[\"{SALT}\",\"x\",1]"));
    assert_eq!(make(body.clone(), &[&foreign.0]), fails);
    assert_eq!(make(body.clone(), &["!"]), fails);
    // bodies and disclosures that SPEC §10 refuses
    for json in [
        format!("[\"{SALT}\",\"_sd\",1]"),
        format!("[\"{SALT}\",\"...\",1]"),
        format!("[\"{SALT}\",\"note\",1]"),
        format!("[\"{SALT}\",1]"),
        "[\"AA\",\"x\",1]".to_owned(),
        format!("[\"{SALT}\",\"x\",1,2]"),
        format!("{{\"{SALT}\":1}}"),
        format!("[\"{SALT}\",\"x\",{}1{}]", "[".repeat(15), "]".repeat(15)),
        format!("[\"{SALT}\",\"x\",{{\"_sd_alg\":\"sha-256\"}}]"),
    ] {
        let (string, digest) = disclosure(&json);
        assert_eq!(make(json!({"_sd": [digest], "note": 1}), &[&string]), fails, "{json}");
    }
    let (string, digest) = disclosure(&format!("[\"{SALT}\",\"x\",{}1{}]", "[".repeat(14), "]".repeat(14)));
    assert_eq!(make(json!({"_sd": [digest]}), &[&string]), (vec![], 0));
    assert_eq!(make(json!({"a": [{"...": member.1}]}), &[&member.0]), fails);
    for body in [
        json!({"_sd_alg": "sha-256"}),
        json!({"_sd": "x"}),
        json!({"_sd": ["x"]}),
        json!({"_sd": [member.1, member.1]}),
        json!({"_sd": [member.1], "a": [{"...": member.1}]}),
        json!({"a": {"...": member.1}}),
        json!({"a": [{"...": member.1, "b": 1}]}),
    ] {
        assert_eq!(make(body.clone(), &[]).0, fails.0, "{body}");
    }
    // an authority event has none
    let mut f = Forge::usual();
    f.disclosures.insert(5, vec![foreign.0.clone()]);
    assert_eq!(failed(&f.report()), [(Disclosure, Some(5))]);
    // too many, and not even counted further
    let mut f = Forge::usual();
    let many: Vec<_> = (0..300).map(|n| disclosure(&format!("[\"{SALT}\",\"m{n}\",1]"))).collect();
    let digests: Vec<_> = many.iter().map(|(_, digest)| digest.clone()).collect();
    let at = f.add("transfer.dispatched", "consignment/1", Some("dd.c1"), "dd", json!({"_sd": digests}), &["dd0"]);
    f.disclosures.insert(at, many.iter().take(256).map(|(s, _)| s.clone()).collect());
    assert_eq!((failed(&f.report()), f.report().undisclosed), (vec![], 44));
    f.disclosures.insert(at, many.iter().take(257).map(|(s, _)| s.clone()).collect());
    assert_eq!(failed(&f.report()), [(Disclosure, Some(6))]);
    // lines that are no disclosure lines, and disclosures on their own
    let f = Forge::usual();
    let bundle = f.bundle().replacen("\n{\"seq\":0", "\n{\"disclosure\":\"AA\"}\n{\"seq\":0", 1);
    assert_eq!(codes(&bundle, &f.given()), [Format, Disclosure]);
    let bundle = f.bundle() + "{\"disclosure\":5}\n";
    assert_eq!(codes(&bundle, &f.given()), [Format]);
}

#[test]
fn evidence_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("photo.jpg"), b"a photo").unwrap();
    std::fs::create_dir(folder.path().join("more")).unwrap();
    std::fs::write(folder.path().join("more/scan.pdf"), b"a scan").unwrap();
    let (files, links) = evidence::collect(folder.path()).unwrap();
    assert_eq!((files.len(), links), (2, 0));
    let item = |bytes: &[u8], size: usize| json!({"sha256": hex(&sha(bytes)), "size": size, "media_type": "image/jpeg", "name": "other name"});
    let make = |items: Vec<Value>| {
        let mut f = Forge::usual();
        f.event("transfer.dispatched", "consignment/1", Some("dd.c1"), "dd", json!({}), &["dd0"], |e| {
            e["evidence"] = json!(items);
        });
        let given = Given { evidence: files.clone(), ..f.given() };
        failed(&check(&f.bundle(), &given))
    };
    assert_eq!(make(vec![item(b"a photo", 7), item(b"a scan", 6), item(b"else", 4)]), []);
    assert_eq!(make(vec![item(b"a photo", 7)]), [(Evidence, None)]);
    assert_eq!(make(vec![item(b"a photo", 7), item(b"a scan", 7)]), [(Evidence, Some(6))]);
}

fn path(index: usize, leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    if leaves.len() <= 1 {
        return vec![];
    }
    let k = 1 << (leaves.len() - 1).ilog2();
    let (mut proof, sibling) = if index < k {
        (path(index, &leaves[..k]), mth(&leaves[k..]))
    } else {
        (path(index - k, &leaves[k..]), mth(&leaves[..k]))
    };
    proof.push(sibling);
    proof
}

fn receipt(f: &Forge, index: usize, size: usize) -> Value {
    let hashes: String = path(index, &f.leaves()[..size]).iter().map(|h| b64(h) + "\n").collect();
    let proof = format!("c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{}", f.checkpoint(size));
    json!({"entry": f.lines[index], "proof": proof, "disclosures": []})
}

#[test]
fn receipts() {
    let f = ledger();
    let logs = format!("log {}\nquorum none\n", vkey(ORIGIN, "log", 1));
    let given = || Given { trust: trust(&logs), ..f.given() };
    for size in 9..=16 {
        let bytes = receipt(&f, 8, size).to_string();
        let report = verify_alone(bytes.as_bytes(), &given());
        assert_eq!((report.verdict(), failed(&report)), (Verdict::Partial, vec![]), "{}", report.to_text());
        for code in [Format, Tree, Checkpoint, Disclosure] {
            assert_eq!(report.checks.row(code).outcome, Outcome::Ok);
        }
        let report = verify_with_bundle(bytes.as_bytes(), given(), f.bundle().as_bytes());
        assert_eq!(report.verdict(), Verdict::Verified, "{}", report.to_text());
    }
    let alone = |value: &Value| failed(&verify_alone(value.to_string().as_bytes(), &given()));
    let good = receipt(&f, 8, 16);
    let mut wrong = good.clone();
    wrong["entry"] = json!(f.lines[9]);
    assert_eq!(alone(&wrong), [(Format, Some(8)), (Tree, Some(8))]);
    let mut wrong = good.clone();
    wrong["proof"] = json!(good["proof"].as_str().unwrap().replace("index 8", "index 9"));
    assert_eq!(alone(&wrong), [(Format, Some(9)), (Tree, Some(9))]);
    for (name, value) in [("entry", json!(1)), ("proof", json!("x")), ("disclosures", json!([1])), ("more", json!(1))] {
        let mut wrong = good.clone();
        wrong[name] = value;
        assert_eq!(alone(&wrong), [(Format, None)], "{name}");
    }
    let mut wrong = good.clone();
    wrong["disclosures"] = json!(["AA"]);
    assert_eq!(alone(&wrong), [(Disclosure, Some(8))]);
    // another history, a newer tree, an entry that is not shown
    let mut fork = Forge::usual();
    for id in 1..=10 {
        fork.dispatch(&format!("other-{id}"));
    }
    let forked = receipt(&fork, 8, 16).to_string();
    let report = verify_with_bundle(forked.as_bytes(), given(), f.bundle().as_bytes());
    assert_eq!(failed(&report), [(Consistent, Some(8))]);
    let mut longer = f.clone();
    longer.dispatch("11");
    let newer = receipt(&longer, 8, 17).to_string();
    let report = verify_with_bundle(newer.as_bytes(), given(), f.bundle().as_bytes());
    assert_eq!((report.verdict(), undecided(&report)), (Verdict::Partial, vec![Checkpoint, Consistent]));
    let extract = f.bundle_with(&json!({"case": "dd.c1"}), &f.checkpoint(16), &[(8, 12)]);
    let report = verify_with_bundle(good.to_string().as_bytes(), given(), extract.as_bytes());
    assert_eq!((report.verdict(), failed(&report)), (Verdict::Partial, vec![]));
    assert!(undecided(&report).contains(&Key));
}
