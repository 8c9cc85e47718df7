//! The program as people run it: the six golden reports, exit statuses, every command.
#![allow(clippy::unwrap_used)]

mod forge;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Compares with a golden text; `GOLDEN_UPDATE=1` writes it instead.
fn golden(name: &str, output: &Output, status: i32) {
    let found = text(output);
    assert_eq!(output.status.code(), Some(status), "{found}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
    if std::env::var("GOLDEN_UPDATE").as_deref() == Ok("1") {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(found, expected, "{name}: GOLDEN_UPDATE=1 accepts the new text");
}

struct Example {
    bundle: String,
    ledger: String,
    trust: String,
}

fn example() -> Option<Example> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let read = |name: &str| std::fs::read_to_string(folder.join(name));
    let (Ok(bundle), Ok(values)) = (read("spec_example.bundle.jsonl"), read("spec_example.json")) else {
        let needed = std::env::var("CI").as_deref() == Ok("true");
        assert!(!needed, "{} is not there", folder.display());
        eprintln!("left out: {} is not there", folder.display());
        return None;
    };
    let values: Value = serde_json::from_str(&values).unwrap();
    let value = |name: &str| values[name].as_str().unwrap();
    Some(Example {
        bundle,
        ledger: value("ledger_id").to_owned(),
        trust: format!("log {}\nwitness w1 {}\nquorum w1\n", value("log_vkey"), value("witness_vkey")),
    })
}

#[test]
fn golden_reports() {
    let Some(example) = example() else { return };
    let folder = tempfile::tempdir().unwrap();
    let trust = folder.path().join("trust.txt");
    std::fs::write(&trust, &example.trust).unwrap();
    let trust = trust.to_str().unwrap();
    let id = example.ledger.as_str();
    let whole = example.bundle.as_bytes();
    let bundle = |extra: &[&str], input: &[u8]| run(&[&["bundle", "-"], extra].concat(), input);
    golden("verified_with_witness", &bundle(&["--ledger", id, "--trust", trust], whole), 0);
    golden("verified_without_witness", &bundle(&["--ledger", id], whole), 0);
    golden("not_checked_no_ledger_id", &bundle(&[], whole), 2);
    let newer = example.bundle.replacen("{\"countersign_bundle\":1", "{\"countersign_bundle\":2", 1);
    golden("not_checked_newer_format", &bundle(&["--ledger", id], newer.as_bytes()), 2);
    // one character of one signature
    let line = example.bundle.lines().nth(7).unwrap();
    let at = line.find("\"sig\":\"").unwrap() + 7;
    let mut changed = line.to_owned();
    changed.replace_range(at..=at, if line.as_bytes()[at] == b'A' { "B" } else { "A" });
    golden("failed", &bundle(&["--ledger", id], example.bundle.replace(line, &changed).as_bytes()), 1);
    // an extract without the receipt of the consignment
    let hash = hex(&leaf(example.bundle.lines().nth(7).unwrap()));
    let withheld = format!("{{\"withheld\":{{\"start\":6,\"end\":7,\"hash\":\"{hash}\"}}}}");
    let extract = example.bundle.replace(line, &withheld);
    let extract = extract.replacen("\"scope\":\"full\"", "\"scope\":{\"case\":\"us-dsca.xa-b-uaa\"}", 1);
    golden("partial", &bundle(&["--ledger", id], extract.as_bytes()), 3);
}

#[test]
fn json_has_the_stated_members() {
    let f = Forge::usual();
    let output = run(&["bundle", "-", "--ledger", &f.ledger, "--json"], f.bundle().as_bytes());
    assert_eq!(output.status.code(), Some(0));
    let text = text(&output);
    assert_eq!(text.lines().count(), 1);
    let json: Value = serde_json::from_str(&text).unwrap();
    let codes: Vec<&str> = json["checks"].as_array().unwrap().iter().map(|c| c["code"].as_str().unwrap()).collect();
    assert_eq!(
        codes.join(" "),
        "FORMAT LEDGER CHAIN TREE CHECKPOINT WITNESS CONSISTENT SIGNATURE KEY POLICY STREAM POINTERS SEAL TIME DISCLOSURE EVIDENCE"
    );
    assert_eq!(json["verdict"], "verified");
    assert_eq!((&json["size"], &json["shown"], &json["undisclosed"]), (&json!(6), &json!(6), &json!(0)));
    let order = ["verdict", "ledger", "size", "shown", "undisclosed", "checks", "suspect", "sealed", "policy"];
    let places: Vec<usize> = order.iter().map(|name| text.find(&format!("\"{name}\":")).unwrap()).collect();
    assert!(places.is_sorted());
}

#[test]
fn usage_and_input_errors_are_not_checked() {
    let f = Forge::usual();
    let no_such = run(&["bundle", "/no/such/file", "--ledger", &f.ledger, "--json"], b"");
    assert_eq!(no_such.status.code(), Some(2));
    let json: Value = serde_json::from_str(&text(&no_such)).unwrap();
    assert_eq!(json["verdict"], "not_checked");
    assert_eq!(json["checks"].as_array().unwrap().len(), 16);
    let errors = String::from_utf8(no_such.stderr).unwrap();
    assert!(errors.starts_with("error: ") && errors.contains("\nhint: "), "{errors}");
    for args in [&["bundle", "-", "--ledger", "abc"][..], &["bundle"], &["nothing"], &["bundle", "-", "--trust", "-"]] {
        assert_eq!(run(args, b"").status.code(), Some(2), "{args:?}");
    }
    // failed goes over not_checked
    let bundle = f.bundle().replace("\"seq\":3", "\"seq\":4");
    assert_eq!(run(&["bundle", "-"], bundle.as_bytes()).status.code(), Some(1));
    assert_eq!(run(&["--help"], b"").status.code(), Some(0));
    assert_eq!(run(&["--version"], b"").status.code(), Some(0));
    let completions = run(&["completions", "bash"], b"");
    assert!(text(&completions).contains("countersign-verify"));
}

#[test]
fn compressed_bundles() {
    let f = Forge::usual();
    let bundle = f.bundle();
    let status = |input: &[u8]| run(&["bundle", "-", "--ledger", &f.ledger], input).status.code();
    assert_eq!(status(&zstd(bundle.as_bytes(), 20)), Some(0));
    assert_eq!(status(&zstd(bundle.as_bytes(), 23)), Some(0));
    // frames one after the other, and a skippable one between them
    let (a, b) = bundle.as_bytes().split_at(3000);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    assert_eq!(status(&[zstd(a, 20), skippable, zstd(b, 20)].concat()), Some(0));
    // a window above 8 MiB, a frame cut off, garbage after the frame
    let output = run(&["bundle", "-", "--ledger", &f.ledger], &zstd(bundle.as_bytes(), 24));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("window"), "{}", text(&output));
    let whole = zstd(bundle.as_bytes(), 20);
    assert_eq!(status(&whole[..whole.len() - 50]), Some(1));
    assert_eq!(status(&[&whole[..], b"garbage"].concat()), Some(1));
}

#[test]
fn notes_and_proofs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, bytes: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let f = Forge::usual();
    let checkpoint = path("checkpoint", &f.checkpoint(6));
    let (log, other) = (vkey(ORIGIN, "log", 1), vkey(ORIGIN, "g0", 1));
    let status = |args: &[&str]| run(args, b"").status.code();
    assert_eq!(status(&["checkpoint", &checkpoint]), Some(2));
    assert_eq!(status(&["checkpoint", &checkpoint, "--key", &log]), Some(0));
    assert_eq!(status(&["checkpoint", &checkpoint, "--key", &log, "--key", &other]), Some(1));
    assert_eq!(status(&["checkpoint", &checkpoint, "--key", "x"]), Some(2));
    let trust = path("trust", &format!("log {log}\nquorum none\n"));
    assert_eq!(status(&["checkpoint", &checkpoint, "--trust", &trust, "--json"]), Some(0));
    // a tree of one leaf, which is a file
    let text = format!("{ORIGIN}\n1\n{}\n", b64(&sha(b"\0the file")));
    let proof = format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{text}\n{}", log_line(&text, "log"));
    let (proof, leaf) = (path("proof", &proof), path("leaf", "the file"));
    assert_eq!(status(&["proof", &proof, "--leaf", &leaf]), Some(3));
    assert_eq!(status(&["proof", &proof, "--leaf", &leaf, "--key", &log]), Some(0));
    assert_eq!(status(&["proof", &proof, "--leaf", &leaf, "--key", &other]), Some(1));
    assert_eq!(status(&["proof", &proof, "--leaf", &trust, "--key", &log, "--json"]), Some(1));
}

#[test]
fn show_says_the_verdict_first() {
    let mut f = Forge::usual();
    f.add("transfer.dispatched", "consignment/1", Some("dd.c1"), "dd", json!({"text": "Київ \u{202e}x"}), &["dd0"]);
    let show = |extra: &[&str]| run(&[&["show", "-", "--ledger", &f.ledger], extra].concat(), f.bundle().as_bytes());
    let one = text(&show(&["--seq", "6"]));
    assert!(one.starts_with("verdict: verified"), "{one}");
    assert!(one.contains("Київ \\u{202e}x") && !one.contains('\u{202e}'), "{one}");
    assert_eq!(one.matches("\nentry ").count(), 1);
    assert_eq!(text(&show(&[])).matches("\nentry ").count(), 7);
    assert_eq!(text(&show(&["--subject", "party/dd"])).matches("\nentry ").count(), 1);
    assert_eq!(text(&show(&["--party", "rr"])).matches("\nentry ").count(), 1);
    assert!(text(&show(&["--seq", "99"])).contains("no entry"));
    let json: Value = serde_json::from_str(&text(&show(&["--party", "dd", "--json"]))).unwrap();
    assert_eq!((json["verdict"].as_str(), json["entries"].as_array().unwrap().len()), (Some("verified"), 2));
    assert_eq!(json["entries"][1]["body"]["text"], "Київ \u{202e}x");
}
