//! Exhibits: what they say, in every form, and their steps, run as a reader would run them.
#![allow(clippy::unwrap_used)]

mod forge;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_verify::exhibit::{STEPS_BEGIN, STEPS_END};
use forge::*;
use serde_json::{Value, json};

fn run(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign-verify"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // the program may end before it has read everything
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn exhibit(f: &Forge, bundle: &str, seq: usize, extra: &[&str]) -> (String, Option<i32>) {
    let seq = seq.to_string();
    let output = run(&[&["exhibit", "-", "--ledger", &f.ledger, "--seq", &seq], extra].concat(), bundle.as_bytes());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

/// The steps as they stand in the printed text.
fn steps(text: &str) -> &str {
    let (_, rest) = text.split_once(&format!("\n{STEPS_BEGIN}\n")).unwrap();
    rest.split_once(&format!("{STEPS_END}\n")).unwrap().0
}

/// Runs steps through `sh`, with nothing of this project in reach.
fn follow(steps: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("recheck.sh");
    std::fs::write(&script, steps).unwrap();
    let output = Command::new("sh").arg(&script).env("TMPDIR", folder.path()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

fn disclosure(content: &Value) -> (String, String) {
    let string = URL_SAFE_NO_PAD.encode(content.to_string());
    (string.clone(), URL_SAFE_NO_PAD.encode(sha(string.as_bytes())))
}

fn salt(n: u8) -> String {
    URL_SAFE_NO_PAD.encode([n; 16])
}

/// A ledger whose entry 9 has two signatures, values shown inside values shown, one concealed, and a hostile text.
fn ledger() -> Forge {
    let mut f = Forge::usual();
    (1..=3).for_each(|n| {
        f.dispatch(&n.to_string());
    });
    let (inner, inner_digest) = disclosure(&json!([salt(1), "SN-0042 <b>"]));
    let (outer, outer_digest) = disclosure(&json!([salt(2), "found", {"serials": [{"...": inner_digest}], "n": 1}]));
    let (_, hidden) = disclosure(&json!([salt(3), "place", "Bakhmut"]));
    let body = json!({
        "note": "<script>alert(1)</script> \u{202e}gnp.exe\u{200b} Київ \\ \"q\"", "empty": [], "number": 1, "text": "1",
        "_sd": [outer_digest, hidden], "long": "x ".repeat(2000),
    });
    let at = f.add("check.recorded", "site/dd.s1", Some("dd.c1"), "ii", body, &["ii0", "rr0"]);
    assert_eq!(at, 9);
    f.disclosures.insert(at, vec![inner, outer]);
    let hash = f.hashes[at].clone();
    f.event(
        "statement.corrected",
        "site/dd.s1",
        Some("dd.c1"),
        "ii",
        json!({"reason": "typing"}),
        &["ii0", "rr0"],
        |e| {
            e["corrects"] = json!(hash);
        },
    );
    let dispute = json!({"about": hash, "grounds": "no"});
    f.add("statement.disputed", "claim/dd.x1", None, "dd", dispute, &["dd0"]);
    let revoked =
        json!({"party": "rr", "keyid": keyid("rr0"), "reason": "stolen", "suspect_from": "2026-01-01T00:00:00Z"});
    f.add("key.revoked", "party/rr", None, "rr", revoked, &["rr1"]);
    f
}

#[test]
fn the_steps_pass_for_every_entry_and_for_an_extract() {
    let f = ledger();
    let bundle = f.bundle();
    for seq in [0, 4, 5, 9, 12] {
        let (text, status) = exhibit(&f, &bundle, seq, &[]);
        assert_eq!(status, Some(0), "{text}");
        let (passed, said) = follow(steps(&text));
        assert!(passed && said.ends_with("every step holds\n"), "entry {seq}: {said}");
    }
    // compressed: the hash is that of the file as it is
    let compressed = zstd(bundle.as_bytes(), 20);
    let output = run(&["exhibit", "-", "--ledger", &f.ledger, "--seq", "9"], &compressed);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains(&hex(&sha(&compressed))), "{text}");
    let extract = f.bundle_with(&json!({"case": "dd.c1"}), &f.checkpoint(13), &[(6, 8)]);
    let (text, status) = exhibit(&f, &extract, 9, &[]);
    assert_eq!(status, Some(3), "{text}");
    assert!(text.contains("disputes and revocations may be withheld"));
    let (passed, said) = follow(steps(&text));
    assert!(passed, "{said}");
}

/// The steps with one inline file changed by a function on its bytes.
fn altered(steps: &str, file: &str, change: impl Fn(&mut Vec<u8>)) -> String {
    let start = format!("openssl base64 -d > {file} <<'END.'\n");
    let (before, rest) = steps.split_once(&start).unwrap_or_else(|| panic!("{file} in {steps}"));
    let (data, after) = rest.split_once("END.\n").unwrap();
    let mut bytes = STANDARD.decode(data.replace('\n', "")).unwrap();
    change(&mut bytes);
    let folded: String =
        STANDARD.encode(bytes).as_bytes().chunks(64).map(|c| format!("{}\n", str::from_utf8(c).unwrap())).collect();
    format!("{before}{start}{folded}END.\n{after}")
}

#[test]
fn the_steps_fail_where_anything_was_altered() {
    let f = ledger();
    let (text, _) = exhibit(&f, &f.bundle(), 9, &[]);
    let steps = steps(&text);
    // the statement itself, where one payload byte is another one
    let line = &f.lines[9];
    let payload = line.split("\"payload\":\"").nth(1).unwrap().split('"').next().unwrap();
    let said = String::from_utf8(STANDARD.decode(payload).unwrap()).unwrap();
    let other = STANDARD.encode(said.replace("\"number\":1", "\"number\":2"));
    let changed = altered(steps, "entry.json", |bytes| {
        *bytes = String::from_utf8(bytes.clone()).unwrap().replace(payload, &other).into_bytes();
    });
    let (passed, said) = follow(&changed);
    assert!(!passed && said.contains("pae.bin: FAILED"), "{said}");
    // with the event hash made to fit, the signatures refuse
    let pae = format!("DSSEv1 {} {PAYLOAD_TYPE} ", PAYLOAD_TYPE.len());
    let signed = STANDARD.decode(&other).unwrap();
    let forged = [pae.as_bytes(), signed.len().to_string().as_bytes(), b" ", &signed].concat();
    let (passed, said) =
        follow(&changed.replace(&format!("{}  pae.bin", f.hashes[9]), &format!("{}  pae.bin", hex(&sha(&forged)))));
    assert!(!passed && said.contains("pae.bin: OK") && said.contains("Signature Verification Failure"), "{said}");
    for file in ["sibling-1.bin", "sibling-3.bin"] {
        assert!(!follow(&altered(steps, file, |bytes| bytes[5] ^= 1)).0, "{file}");
    }
    // the root of the checkpoint, and its signature
    let note = |from: &str, to: &str| {
        altered(steps, "checkpoint.note", |bytes| {
            *bytes = String::from_utf8(bytes.clone()).unwrap().replacen(from, to, 1).into_bytes();
        })
    };
    let root = b64(&mth(&f.leaves()));
    let (passed, said) = follow(&note(&root, &b64(&[7; 32])));
    assert!(!passed && said.contains("level-4.bin: OK") && !said.contains("where the way led"), "{said}");
    let (passed, said) = follow(&note(ORIGIN, "forge.example/tesu"));
    assert!(!passed && said.contains("where the way led"), "{said}");
    // a value that was put back
    let disclosed = f.disclosures[&9][0].clone();
    let other = URL_SAFE_NO_PAD.encode(json!([salt(1), "SN-0043 <b>"]).to_string());
    assert!(!follow(&steps.replace(&disclosed, &other)).0);
}

#[test]
fn the_text_says_what_a_hearing_asks() {
    let f = ledger();
    let (text, _) = exhibit(&f, &f.bundle(), 9, &[]);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "Verdict: verified; not compared with what others are shown",
        "Exhibit: entry 9 of ledger",
        "/body/number 1 /body/text \"1\"",
        "/body/empty []",
        r#"\u{202e}gnp.exe\u{200b} Київ \\ "q""#,
        "* /body/found/serials/0 \"SN-0042 <b>\" [disclosed, number 1]",
        "* /body/_sd/1 [concealed; its digest is",
        "party ii (ii)",
        "capacities then inspector, oversight role in the case then inspector",
        "held by (office) office",
        "introduced by entry 3, recorded 2026-01-01T00:00:04.000Z",
        "! revoked later, as suspect from 2026-01-01T00:00:00.000Z: entry 12",
        "! SUSPECT this entry is later than",
        "! entry 10 corrects it: statement.corrected",
        "! entry 11 disputes it: statement.disputed",
        "What this does not show".to_uppercase().as_str(),
        "that a statement is true",
        "no witness was asked",
    ] {
        assert!(flat.contains(part), "{part}\n{text}");
    }
    assert!(flat.contains(&hex(&leaf(&f.lines[9]))) && flat.contains(&f.hashes[9]));
    assert!(flat.contains(&hex(&sha(f.bundle().as_bytes()))) && flat.contains(&format!("{} bytes", f.bundle().len())));
    let binary = std::fs::read(env!("CARGO_BIN_EXE_countersign-verify")).unwrap();
    assert!(flat.contains(&hex(&sha(&binary))) && flat.contains(env!("CARGO_PKG_VERSION")));
    assert!(!text.contains('\u{202e}') && !text.contains('\u{200b}'));
    let (json, _) = exhibit(&f, &f.bundle(), 9, &["--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["verdict"].as_str(), json["seq"].as_u64()), (Some("verified"), Some(9)));
    assert_eq!(json["steps"].as_str(), Some(steps(&text)));
    assert_eq!(json["later"].as_array().unwrap().len(), 3);
    assert_eq!(json["proof"].as_array().unwrap().len(), 4);
}

#[test]
fn the_html_is_one_file_without_anything_active() {
    let f = ledger();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("exhibit.html");
    let html_at = path.to_str().unwrap();
    let (said, status) = exhibit(&f, &f.bundle(), 9, &["--html", html_at]);
    assert_eq!((status, said.starts_with("verdict: verified")), (Some(0), true), "{said}");
    let html = std::fs::read_to_string(&path).unwrap();
    assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("http://") && !html.contains("src="));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt; \\u{202e}gnp.exe"));
    assert!(!html.contains('\u{202e}'));
    let pre = html.split_once("<pre>").unwrap().1.split_once("</pre>").unwrap().0;
    let script = pre.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    let (passed, said) = follow(&script.replace("&amp;", "&"));
    assert!(passed, "{said}");
    // what is there is not replaced
    let bundle = f.bundle();
    let again = run(&["exhibit", "-", "--ledger", &f.ledger, "--seq", "9", "--html", html_at], bundle.as_bytes());
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(Path::new(html_at)).unwrap(), html);
}

#[test]
fn a_bad_file_says_so_in_the_headline() {
    let mut f = ledger();
    let (text, status) = exhibit(&f, &f.bundle().replacen("\"scope\":\"full\"", "\"scope\":{\"since\":3}", 1), 9, &[]);
    assert_eq!(status, Some(3), "{text}");
    // a signature that is not valid
    let wrong = Wrong { bad_signature: Some(0), ..Wrong::default() };
    let payload = json!({
        "countersign": 1, "id": "00000000-0000-7000-8000-0000000000ff", "kind": "diversion.reported", "ledger": f.ledger,
        "subject": "incident/dd.i", "after": null, "author": "dd", "occurred": {"unknown": "x"}, "body": {}
    });
    let at = f.payload(&payload.to_string(), &["dd0"], &wrong);
    let (text, status) = exhibit(&f, &f.bundle(), at, &[]);
    assert_eq!(status, Some(1));
    assert!(text.lines().nth(1).unwrap().starts_with("FROM A FILE THAT FAILED VERIFICATION"), "{text}");
    assert!(text.contains("NOT VALID"));
    let (passed, said) = follow(steps(&text));
    assert!(!passed && said.contains("Signature Verification Failure"), "{said}");
    // another ledger than the one asked for, no such entry, an entry withheld
    let f = ledger();
    let output = run(&["exhibit", "-", "--seq", "9"], f.bundle().as_bytes());
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stdout).unwrap().contains("FROM A FILE THAT WAS NOT CHECKED"));
    let (text, status) = exhibit(&f, &f.bundle(), 99, &[]);
    assert_eq!((status, text.starts_with("no exhibit: this file does not show entry 99")), (Some(2), true), "{text}");
    let extract = f.bundle_with(&json!({"case": "dd.c1"}), &f.checkpoint(13), &[(6, 8)]);
    assert_eq!(exhibit(&f, &extract, 7, &["--json"]).1, Some(2));
}
