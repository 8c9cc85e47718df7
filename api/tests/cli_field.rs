//! In the field: case files, receipts and checks without a server, submitted later.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write as _;
use std::process::Stdio;

use common::{Said, World};
use serde_json::{Value, json};

const CASE: &str = "c.1";

fn parsed(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A ledger with a donor, a recipient, an inspector and a case between them.
fn world() -> World {
    let world = World::new();
    for (party, capacity) in [("donor", "donor"), ("recipient", "recipient"), ("watcher", "inspector")] {
        world.enroll(party, capacity);
    }
    open_case(&world, CASE);
    world
}

fn open_case(world: &World, case: &str) {
    world.open_case(case, "donor", "recipient");
    world.folder.write("inspectors.json", r#"{"inspector":["watcher"],"reason":"agreed"}"#);
    let subject = format!("case/{case}");
    say(world, "case.inspectors", &subject, case, "inspectors.json", &["donor", "recipient", "watcher"]);
}

/// Drafts, signs and submits an event of a case, and returns its hash.
fn say(world: &World, kind: &str, subject: &str, case: &str, body: &str, signers: &[&str]) -> String {
    let file = format!("{}.event.json", uuid_like(subject, kind));
    let mut arguments =
        vec!["event", "new", "--kind", kind, "--subject", subject, "--case", case, "--author", signers[0]];
    arguments.extend(["--body", body, "-o", &file, "--yes"]);
    let keys: Vec<String> = signers.iter().map(|signer| format!("{signer}.pem")).collect();
    arguments.extend(keys.iter().flat_map(|key| ["--key", key.as_str()]));
    world.run(&arguments).ok();
    let said = parsed(&world.run(&["event", "submit", &file, "--json"]).ok());
    said["event"].as_str().unwrap().to_owned()
}

/// A name for a file that no other event of the test has.
fn uuid_like(subject: &str, kind: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{kind}-{}", subject.replace('/', "-"), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn dispatch(world: &World, case: &str, id: &str, serials: &[&str]) -> String {
    let line = json!({
        "line": "1", "nomenclature": "радіостанція", "quantity": serials.len().to_string(), "unit": "EA", "serials": serials,
    });
    world.folder.write("sent.json", &json!({ "document_number": "W1A2B360000001", "lines": [line] }).to_string());
    say(world, "transfer.dispatched", &format!("consignment/{id}"), case, "sent.json", &["donor"])
}

fn receive(world: &World, case: &str, id: &str) {
    world.run(&["receive", id, "--case", case, "--all", "--key", "recipient.pem", "--yes"]).ok();
}

/// The body of the event in a file.
fn body(world: &World, file: &str) -> Value {
    let file = parsed(&std::fs::read_to_string(world.folder.path(file)).unwrap());
    use base64::Engine as _;
    let payload =
        base64::engine::general_purpose::STANDARD.decode(file["envelope"]["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

fn names(world: &World, folder: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(world.folder.path(folder))
        .unwrap()
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Runs a command that no server can hear.
fn offline(world: &World, arguments: &[&str], stdin: &str) -> Said {
    let mut command = world.folder.command(arguments);
    command.env("COUNTERSIGN_SERVER", "http://127.0.0.1:1").env("COUNTERSIGN_LEDGER", &world.ledger);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    Said::from_output(child.wait_with_output().unwrap())
}

#[test]
fn case_files_are_exported() {
    let world = world();
    open_case(&world, "c.2");
    dispatch(&world, CASE, "1", &["SYN-1", "SYN-2"]);
    dispatch(&world, "c.2", "2", &["SYN-3"]);
    let seqs = |file: &str| {
        let text = std::fs::read_to_string(world.folder.path(file)).unwrap();
        let lines: Vec<Value> = text.lines().map(parsed).collect();
        lines.iter().filter_map(|line| line["seq"].as_u64()).collect::<Vec<_>>()
    };
    let said = world.run(&["export", "--case", CASE, "--output", "one.jsonl"]).ok();
    assert!(said.contains(&format!("ledger {}, case {CASE}", world.ledger)), "{said}");
    assert_eq!(seqs("one.jsonl"), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "with the last, and what it needs");
    world.run(&["export", "--case", CASE, "--hide-last", "--output", "hidden.jsonl"]).ok();
    assert_eq!(seqs("hidden.jsonl"), [0, 1, 2, 3, 4, 5, 8]);
    world.run(&["export", "--case", CASE, "--subject", "consignment/1", "--zstd", "--output", "subject.zst"]).ok();
    world.run(&["export", "--since", "one.jsonl", "--output", "none.jsonl"]).ok();
    assert!(!seqs("none.jsonl").contains(&8));
    dispatch(&world, CASE, "3", &["SYN-4"]);
    world.run(&["export", "--since", "one.jsonl", "--output", "news.jsonl"]).ok();
    assert!(seqs("news.jsonl").contains(&10) && !seqs("news.jsonl").contains(&8));
    world.run(&["export", "--since", "10", "--output", "ten.jsonl"]).ok();
    world.run(&["export", "--case", "c.9", "--output", "x.jsonl"]).fails(1, "there is no case c.9");
    world
        .run(&["export", "--case", CASE, "--subject", "consignment/9", "--output", "x.jsonl"])
        .fails(1, "consignment/9");
    world.run(&["export", "--since", "99", "--output", "x.jsonl"]).fails(1, "since");
    world
        .run(&["export", "--since", "sent.json", "--output", "x.jsonl"])
        .fails(2, "is no checkpoint, bundle or receipt");
    world.run(&["export", "--subject", "consignment/1", "--output", "x.jsonl"]).fails(2, "--case");
    assert!(!world.folder.path("x.jsonl").exists());
}

#[test]
fn a_receipt_is_made_without_a_server_and_submitted_later() {
    let world = world();
    dispatch(&world, CASE, "1", &["SYN-1", "SYN-2", "SYN-3"]);
    world.run(&["export", "--case", CASE, "--output", "case.jsonl"]).ok();
    // the last line of the scan is cut off: it is no serial of its own
    let arguments = [
        "receive",
        "1",
        "--case",
        CASE,
        "--from",
        "case.jsonl",
        "--scans",
        "-",
        "--part",
        "next",
        "--out",
        "outbox",
        "--key",
        "recipient.pem",
        "--yes",
    ];
    let said = offline(&world, &arguments, "syn 1\n\nSYN-2\nSYN-2\nSYN");
    assert!(said.stderr.contains("scan it again"), "{said:?}");
    assert!(said.ok().contains("wrote outbox/receive-1.event.json with 1 signature"));
    assert_eq!(names(&world, "outbox"), ["basis.checkpoint", "receive-1.event.json"]);
    let event = body(&world, "outbox/receive-1.event.json");
    assert_eq!(event["body"]["lines"][0]["serials"], json!({ "present": ["SYN-1", "SYN-2"] }));
    assert_eq!((&event["author"], &event["body"]["part"]), (&json!("recipient"), &json!(1)), "the holder by the file");
    offline(&world, &arguments, "SYN-1\n").fails(2, "exists already");
    // without a key it is for another to sign
    let arguments = [
        "receive",
        "1",
        "--case",
        CASE,
        "--from",
        "case.jsonl",
        "--all",
        "--out",
        "other",
        "--author",
        "recipient",
        "--yes",
    ];
    assert!(offline(&world, &arguments, "").ok().contains("with 0 signatures"));
    let arguments = ["receive", "1", "--case", CASE, "--from", "case.jsonl", "--all", "--out", "third", "--yes"];
    offline(&world, &arguments, "").fails(2, "--author");
    offline(&world, &["event", "sign", "other/receive-1.event.json", "--key", "recipient.pem", "--yes"], "").ok();
    world.run(&["event", "submit", "outbox/receive-1.event.json"]).ok();
}

#[test]
fn one_scan_of_a_warehouse_becomes_a_check_of_each_case() {
    let world = world();
    open_case(&world, "c.2");
    open_case(&world, "c.3");
    dispatch(&world, CASE, "1", &["SYN-1", "SYN-2", "SYN-AB7"]);
    dispatch(&world, "c.2", "2", &["SYN-11", "SYN-12"]);
    dispatch(&world, "c.3", "3", &["SYN-21"]);
    receive(&world, CASE, "1");
    receive(&world, "c.2", "2");
    world.run(&["export", "--output", "all.jsonl"]).ok();
    // cyrillic АВ in the last but one; the last is nobody's
    let scan = "\u{feff}syn1\r\n\r\nSYN-11\nSYN-12\nSYN-12\nSYN-АВ7\nZZZ-9\n";
    let common =
        ["--from", "all.jsonl", "--site", "KYV-03", "--type", "routine", "--scans", "-", "--occurred", "2026-09-21"];
    let with = |more: &[&'static str]| [&["check", "new"], &common[..], more].concat();
    let dry = offline(&world, &with(&["--all-cases", "--dry-run", "--author", "watcher", "--json"]), scan);
    assert!(dry.stderr.contains("but for letters of another script"), "{dry:?}");
    let dry = parsed(&dry.ok());
    assert_eq!(dry["subject"], "check/kyv-03-routine-2026-09-21");
    let (first, second) = (&dry["cases"][0], &dry["cases"][1]);
    assert_eq!(
        (&first["case"], &first["expected"], &first["seen"], &first["not_scanned"]),
        (&json!(CASE), &json!(3), &json!(1), &json!(2))
    );
    assert_eq!(first["unmatched"], json!(["SYN-АВ7", "ZZZ-9"]), "never merged");
    assert_eq!((&second["case"], &second["seen"], &second["not_scanned"]), (&json!("c.2"), &json!(2), &json!(0)));
    assert_eq!(dry["cases"].as_array().unwrap().len(), 2, "nothing of the third was scanned");

    offline(
        &world,
        &with(&["--all-cases", "--out", "outbox", "--rest", "not-found", "--key", "watcher.pem", "--yes"]),
        scan,
    )
    .ok();
    let file = "outbox/check-c.1-kyv-03-routine-2026-09-21.event.json";
    assert_eq!(names(&world, "outbox").len(), 3);
    let event = body(&world, file);
    assert_eq!(
        (&event["kind"], &event["case"], &event["after"]),
        (&json!("check.recorded"), &json!(CASE), &Value::Null)
    );
    let described = json!({ "subject": "consignment/1", "line": "1" });
    assert_eq!(
        event["body"]["items"],
        json!([
            { "serials": ["SYN-АВ7", "ZZZ-9"], "grade": "scanned", "state": "in_custody" },
            { "described_in": described, "serials": ["SYN-1"], "grade": "scanned", "state": "in_custody" },
            { "described_in": described, "serials": ["SYN-2", "SYN-AB7"], "grade": "not_seen", "state": "not_found" },
        ])
    );
    assert_eq!(event["body"]["population"], json!({ "quantity": "3", "unit": "EA" }));
    // the recipient signs, too, and both are recorded
    for name in names(&world, "outbox").iter().filter(|name| name.ends_with(".event.json")) {
        let path = format!("outbox/{name}");
        offline(&world, &["event", "sign", &path, "--key", "recipient.pem", "--yes"], "").ok();
        world.run(&["event", "submit", &path]).ok();
    }
    // the same check again is refused; a part of it leaves out what was said
    world.run(&["export", "--case", CASE, "--output", "later.jsonl"]).ok();
    let again = [
        "check",
        "new",
        "--case",
        CASE,
        "--from",
        "later.jsonl",
        "--site",
        "KYV-03",
        "--type",
        "routine",
        "--scans",
        "-",
        "--occurred",
        "2026-09-21",
        "--author",
        "watcher",
        "--dry-run",
    ];
    offline(&world, &again, "SYN-1\n").fails(1, "recorded already");
    let part = [&again[..], &["--part", "next"]].concat();
    let said = offline(&world, &part, "SYN-1\nNEW-1\n");
    assert!(said.stderr.contains("1 serials named by an earlier part"), "{said:?}");
    assert!(said.ok().contains("0 scanned"));
}

#[test]
fn a_check_says_what_it_cannot_do() {
    let world = world();
    dispatch(&world, CASE, "1", &["SYN-1", "SYN-2"]);
    world.folder.write(
        "held.json",
        r#"{"lines":[{"line":"1","nomenclature":"набої","quantity":"500","unit":"RD","lot":"L-1"}],"grade":"documented","source":"records"}"#,
    );
    say(&world, "holding.declared", "holding/h", CASE, "held.json", &["recipient"]);
    world.run(&["export", "--case", CASE, "--output", "case.jsonl"]).ok();
    let check = |more: &[&str], scan: &str| {
        let common = ["check", "new", "--from", "case.jsonl", "--type", "delivery", "--author", "watcher"];
        offline(&world, &[&common[..], more].concat(), scan)
    };
    let of = ["--case", CASE, "--dry-run"];
    let with = |more: &[&'static str]| [&of[..], more].concat();
    check(&of, "").fails(1, "nothing was scanned");
    check(&["--case", "c.9", "--dry-run"], "").fails(1, "there is no case c.9");
    check(&["--case", CASE], "").fails(2, "--out");
    check(&["--dry-run"], "").fails(2, "--case");
    check(&with(&["--scans", "-"]), "SYN-1\n--\n").fails(2, "line 2");
    check(&with(&["--scans", "-", "--damaged", "SYN-2"]), "SYN-1\n").fails(2, "was not scanned");
    check(&with(&["--counted", "holding/h:2=3"]), "").fails(2, "no such line");
    check(&with(&["--counted", "holding/h:1"]), "").fails(2, "SUBJECT:LINE=QUANTITY");
    check(&with(&["--scans", "-", "--id", "A B"]), "SYN-1\n").fails(2, "id");
    check(&with(&["--scans", "-", "--grade", "not_seen"]), "SYN-1\n").fails(2, "not_seen");
    let said = check(&with(&["--scans", "-", "--damaged", "syn1", "--counted", "holding/h:1=480"]), "SYN-1\n");
    assert!(said.ok().contains("2 expected, 1 scanned, 1 not scanned"));
    // refused access needs no scan; without the recipient it is unilateral
    let arguments = [
        "--case",
        CASE,
        "--access",
        "refused",
        "--unilateral",
        "the gate stayed shut",
        "--out",
        "shut",
        "--id",
        "gate",
    ];
    check(&arguments, "").ok();
    let event = body(&world, "shut/check-c.1-gate.event.json");
    assert_eq!(event["kind"], "check.unilateral");
    assert_eq!(
        event["body"],
        json!({ "type": "delivery", "access": "refused", "why_not_signed": "the gate stayed shut" })
    );
    // a bundle that is none, and one of another ledger
    world.folder.write("none.jsonl", "hello\n");
    let said = offline(
        &world,
        &["check", "new", "--case", CASE, "--from", "none.jsonl", "--type", "routine", "--scans", "-", "--dry-run"],
        "A\n",
    );
    said.fails(2, "this is no bundle");
    let other = "0".repeat(64);
    let said = offline(
        &world,
        &[
            "--ledger",
            &other,
            "check",
            "new",
            "--case",
            CASE,
            "--from",
            "case.jsonl",
            "--type",
            "routine",
            "--scans",
            "-",
            "--dry-run",
        ],
        "A\n",
    );
    said.fails(2, "this bundle is of ledger");
}

#[test]
fn a_check_is_submitted_at_once_where_there_is_a_server() {
    let world = world();
    dispatch(&world, CASE, "1", &["SYN-1", "SYN-2"]);
    receive(&world, CASE, "1");
    world.folder.write("scan.txt", "SYN-1\nSYN-2");
    let check = [
        "check", "new", "--case", CASE, "--site", "KYV 03", "--type", "enhanced", "--scans", "scan.txt", "--id", "e1",
        "--submit", "--yes",
    ];
    let said = world.run(&[&check[..], &["--key", "watcher.pem"]].concat());
    said.fails(1, "case c.1");
    let said = world
        .run(&[&check[..], &["--key", "watcher.pem", "--key", "recipient.pem", "--receipt-dir", "receipts"]].concat())
        .ok();
    assert!(said.contains("check/e1 of c.1 is recorded as entry"), "{said}");
    assert_eq!(names(&world, "receipts").len(), 1);
}

#[test]
fn what_happened_meanwhile_is_told_before_it_is_submitted() {
    let world = world();
    dispatch(&world, CASE, "1", &["SYN-1", "SYN-2"]);
    world.run(&["export", "--case", CASE, "--output", "case.jsonl"]).ok();
    let receive_offline = [
        "receive",
        "1",
        "--case",
        CASE,
        "--from",
        "case.jsonl",
        "--all",
        "--out",
        "outbox",
        "--key",
        "recipient.pem",
        "--yes",
    ];
    offline(&world, &receive_offline, "").ok();
    // meanwhile: the case is amended, and another officer receives a part of it
    world.folder.write("amend.json", r#"{"title":"another","reason":"agreed"}"#);
    say(&world, "case.amended", &format!("case/{CASE}"), CASE, "amend.json", &["donor", "recipient"]);
    world.folder.write("scan.txt", "SYN-1\n");
    world
        .run(&[
            "receive",
            "1",
            "--case",
            CASE,
            "--scans",
            "scan.txt",
            "--part",
            "next",
            "--key",
            "recipient.pem",
            "--yes",
        ])
        .ok();
    let told = world.run(&["event", "submit", "outbox", "--dry-run"]).ok();
    assert!(told.contains(&format!("case {CASE}: 2 new entries since size 7")), "{told}");
    assert!(told.contains("the case was amended") && told.contains("recorded a receipt of consignment/1"), "{told}");
    let told = world.run(&["event", "submit", "outbox", "--json"]).ok();
    let lines: Vec<Value> = told.lines().map(parsed).collect();
    assert_eq!((&lines[0]["new_entries"], lines[1]["repeated"].as_bool()), (&json!(2), Some(false)), "{told}");
    // again: it is recorded already, and the receipt comes again
    let told = world.run(&["event", "submit", "outbox"]).ok();
    assert!(told.contains("is recorded already, as entry"), "{told}");
}

/// The donor takes back alone what the recipient has received: without effect, so it takes nothing off any list.
#[test]
fn a_correction_without_effect_changes_neither_checks_nor_receipts() {
    let world = world();
    let sent = dispatch(&world, CASE, "1", &["SYN-1", "SYN-2"]);
    let undone = dispatch(&world, CASE, "2", &["SYN-9"]);
    world.folder.write("scan.txt", "SYN-1\n");
    let receive = ["receive", "1", "--case", CASE, "--part", "next", "--author", "recipient"];
    let part = ["--scans", "scan.txt", "--key", "recipient.pem", "--yes"];
    world.run(&[&receive[..], &part].concat()).ok();
    world.folder.write("undo.json", r#"{"reason":"did_not_occur"}"#);
    for (subject, event) in [("consignment/1", &sent), ("consignment/2", &undone)] {
        let file = format!("{}.event.json", uuid_like(subject, "corrected"));
        let drafted = ["event", "new", "--kind", "statement.corrected", "--subject", subject, "--case", CASE];
        let more = ["--corrects", event, "--author", "donor", "--body", "undo.json", "--key", "donor.pem", "--yes"];
        world.run(&[&drafted[..], &more, &["-o", &file]].concat()).ok();
        world.run(&["event", "submit", &file]).ok();
    }
    world.run(&["export", "--case", CASE, "--output", "case.jsonl"]).ok();
    let check = ["check", "new", "--case", CASE, "--type", "delivery", "--scans", "scan.txt", "--author", "watcher"];
    let check = [&check[..], &["--from", "case.jsonl", "--dry-run", "--json"]].concat();
    let said = world.run(&check);
    let told = "without effect: recipient signed what rests on it";
    assert!(said.stderr.contains(told), "{said:?}");
    let case = &parsed(&said.ok())["cases"][0];
    assert_eq!((&case["expected"], &case["seen"]), (&json!(2), &json!(1)), "SYN-9 alone did not occur: {case}");
    // the rest of it can still be received, with the file and with the server
    let rest = [&receive[..], &["--all", "--last", "--dry-run"]].concat();
    for from in [&["--from", "case.jsonl"][..], &[]] {
        let said = world.run(&[&rest[..], from].concat());
        assert!(said.stderr.contains(told), "{said:?}");
        said.ok();
    }
    world
        .run(&["receive", "2", "--case", CASE, "--all", "--dry-run", "--author", "recipient"])
        .fails(1, "nothing was dispatched");
}

#[test]
fn what_a_draft_rests_on_is_told_when_it_fell_away() {
    let world = world();
    let line = json!({ "line": "1", "nomenclature": "радіостанція", "quantity": "2", "unit": "EA" });
    world.folder.write("allowed.json", &json!({ "lines": [line], "end_user": "Land forces" }).to_string());
    say(&world, "transfer.authorized", "authorization/a", CASE, "allowed.json", &["donor"]);
    world.run(&["export", "--case", CASE, "--output", "case.jsonl"]).ok();
    // drafted in the field, not recorded yet: a dispatch under it, that the recipient signs too
    let mut line = line;
    line["authorization"] = json!({ "subject": "authorization/a", "line": "1" });
    world.folder.write("sent.json", &json!({ "document_number": "W1A2B360000001", "lines": [line] }).to_string());
    let new = ["event", "new", "--kind", "transfer.dispatched", "--subject", "consignment/1", "--case", CASE];
    let more = ["--author", "donor", "--body", "sent.json", "--key", "donor.pem", "--key", "recipient.pem", "--yes"];
    world.run(&[&new[..], &more, &["-o", "sent.event.json"]].concat()).ok();
    // meanwhile the authorization is cancelled
    world.folder.write("cancel.json", r#"{"reason":"no longer needed"}"#);
    say(&world, "transfer.cancelled", "authorization/a", CASE, "cancel.json", &["donor"]);
    // and the recipient, which is not the author, is succeeded by another party
    world.enroll("heir", "recipient");
    world.folder.write("heir.json", r#"{"party":"recipient","successor":"heir","reason":"merged"}"#);
    let new = ["event", "new", "--kind", "party.succeeded", "--subject", "party/recipient", "--author", "governance"];
    let keys = ["--key", "g1.pem", "--key", "g2.pem", "--key", "heir.pem", "--yes"];
    world.run(&[&new[..], &["--body", "heir.json", "-o", "heir.event.json"], &keys].concat()).ok();
    world.run(&["event", "submit", "heir.event.json"]).ok();
    let told = world.run(&["event", "submit", "sent.event.json", "--basis", "case.jsonl", "--dry-run"]).ok();
    assert!(told.contains("recipient was succeeded by heir"), "{told}");
    assert!(told.contains("authorization/a, which this consignment was sent under, was cancelled by donor"), "{told}");
}
