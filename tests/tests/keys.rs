//! The life of keys, with real processes: the drills of KEYS.md as they stand, the log key's rotation across a power
//! cut, and keys that other programs hold.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use countersign_tests::harness::people::{dispatch_body, grant, key};
use countersign_tests::harness::server::write_key;
use countersign_tests::harness::world::{GOVERNANCE, QUORUM, vkey};
use countersign_tests::harness::{DataFolder, Server, binaries, draft, page, verify};
use serde_json::{Value, json};

#[test]
fn the_drills_of_the_page_work_as_they_stand() {
    let tools: [(&str, &[&str]); 4] = [
        ("sh", &["-c", "command -v mkfifo"]),
        ("openssl", &["pkeyutl", "-help"]),
        ("date", &["-u", "-d", "+14 days"]),
        ("python3", &["--version"]),
    ];
    if !page::have(&tools) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = page::shell(&page::script("KEYS.md", 13), folder.path());
    let ours = [binaries::countersign(), binaries::verifier()];
    let path = ours.iter().map(|program| program.parent().unwrap().to_owned());
    let theirs = std::env::var_os("PATH").unwrap();
    let path = path.chain(std::env::split_paths(&theirs));
    command.env("PATH", std::env::join_paths(path).unwrap()).env("XDG_STATE_HOME", folder.path().join("state"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = page::said(&output);
    assert!(output.status.success(), "{said}");
    // what the page says that refusals say
    assert_eq!(said.matches("\n  hint: ").count(), page::script("KEYS.md", 13).matches("\nrefused ").count(), "{said}");
    assert!(said.contains("it has one key only: if that is lost, only governance can give it another"), "{said}");
}

/// A bundle whose checkpoint is without one of its signature lines.
fn without_signature(bundle: &[u8], line: usize) -> Vec<u8> {
    let text = std::str::from_utf8(bundle).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let mut header: Value = serde_json::from_str(first).unwrap();
    let note = header["checkpoint"].as_str().unwrap().to_owned();
    let (body, signatures) = note.split_once("\n\n").unwrap();
    let mut signatures: Vec<&str> = signatures.lines().collect();
    assert_eq!(signatures.len(), 2, "both log keys sign: {note}");
    signatures.remove(line);
    let note = Value::from(format!("{body}\n\n{}\n", signatures.join("\n")));
    header["checkpoint"] = note.clone();
    // in the order of the members as they stand
    let old = serde_json::to_string(&serde_json::from_str::<Value>(first).unwrap()["checkpoint"]).unwrap();
    format!("{}\n{rest}", first.replace(&old, &note.to_string())).into_bytes()
}

#[test]
fn a_log_key_is_rotated_across_a_power_cut() {
    let data = DataFolder::new();
    let second = data.beside("log2.pem");
    write_key(&second, "log2");
    let first = data.path().join("log-key.pem");
    let serve = |keys: &[&Path]| {
        let mut command = data.serve();
        for key in keys {
            command.arg("--log-key").arg(key);
        }
        command
    };
    let rotate = draft(
        "log_key.rotated",
        "ledger/self",
        None,
        "governance",
        json!({ "log_key": vkey("log2"), "reason": "yearly" }),
    );
    let server = Server::start(serve(&[&first, &second]));
    server.found();
    server.say(&rotate, &QUORUM);
    let ledger = server.ledger.clone();
    server.kill();

    // The entry is durable: the old key alone no longer serves this ledger, and says why.
    let refused = serve(&[&first]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("log key in force") && said.contains("--log-key"), "{said}");

    let server = Server::start(serve(&[&first, &second]));
    let dispatch = |n: u32| {
        draft("transfer.dispatched", &format!("consignment/{n}"), Some("us-dsca.x1"), "us-dsca", dispatch_body())
    };
    server.say(&dispatch(1), &["us-dsca/0"]);
    let bundle = server.bundle();
    verify(&bundle, &ledger).assert_verified();
    // SPEC §7: the key in force signs. Which line is whose is told by what the verifier says of each.
    let failed: Vec<bool> = (0..2)
        .map(|line| {
            let report = verify(&without_signature(&bundle, line), &ledger);
            let failed: Vec<String> = report.failed().into_keys().collect();
            assert!(failed.is_empty() || failed == ["CHECKPOINT"], "{failed:?}");
            !failed.is_empty()
        })
        .collect();
    assert_eq!(failed, [true, false], "without the new key's signature, which comes first, it is false");
    server.kill();

    let server = Server::start(serve(&[&second]));
    server.say(&dispatch(2), &["us-dsca/0"]);
    let size = verify(&server.bundle(), &ledger).assert_verified();
    assert_eq!(size, 1 + 3 + 1 + 1 + 2, "nothing was lost, and nothing came twice");
}

#[test]
fn keys_that_do_not_count_are_refused_with_what_to_do() {
    let data = DataFolder::new();
    let server = Server::start(data.serve());
    server.found();
    let add = |name: &str, uses: &str, not_after: Option<&str>| {
        let mut key = grant(name);
        key["uses"] = json!([uses]);
        key["not_after"] = json!(not_after);
        let body = json!({ "party": "us-dsca", "key": key });
        server.say(&draft("key.added", "party/us-dsca", None, "us-dsca", body), &["us-dsca/0", name]);
    };
    add("us-dsca/old", "*", Some("2020-01-01T00:00:00Z"));
    add("us-dsca/clerk", "diversion.*", None);
    add("us-dsca/robbed", "*", None);
    let keyid = key("us-dsca/robbed").public().id();
    let body = json!({ "party": "us-dsca", "keyid": keyid, "reason": "stolen", "suspect_from": null });
    server.say(&draft("key.revoked", "party/us-dsca", None, "us-dsca", body), &["us-dsca/robbed"]);
    let before = verify(&server.bundle(), &server.ledger).assert_verified();
    let dispatch = draft("transfer.dispatched", "consignment/1", Some("us-dsca.x1"), "us-dsca", dispatch_body());
    for (name, why, hint) in [
        ("us-dsca/old", "counted until 2020-01-01", "another key of us-dsca"),
        ("us-dsca/clerk", "for diversion.*, not for transfer.dispatched", "another key of us-dsca"),
        ("us-dsca/robbed", "revoked by entry 8", "another key of us-dsca"),
        ("log", "a log key, which signs only checkpoints", "one key has one purpose"),
    ] {
        let envelope = countersign_tests::harness::draft::sign(&server.payload(&dispatch), &[name]);
        let answer = server.post(&envelope.canonical()).unwrap();
        let problem = answer.json();
        assert_eq!((answer.status, &problem["code"]), (403, &json!("key_does_not_count")), "{name}: {problem}");
        assert!(problem["found"].as_str().unwrap().contains(why), "{name}: {problem}");
        assert!(problem["hint"].as_str().unwrap().contains(hint), "{name}: {problem}");
    }
    assert_eq!(verify(&server.bundle(), &server.ledger).assert_verified(), before, "a refusal writes nothing");
}

/// A program that holds the log key's file, unless `gone` stands beside it.
fn token(folder: &Path, pem: &Path) -> PathBuf {
    let path = folder.join("token.sh");
    let here = folder.display();
    let script = format!(
        "#!/bin/sh\ncd '{here}' || exit 1\nenv > environment\ncat > request\n\
         if test -e gone; then echo 'no token in the slot' >&2; exit 10; fi\n\
         case $(cat request) in\n\
         *'\"request\":\"public_key\"'*) openssl pkey -in '{pem}' -pubout -outform DER | tail -c 32 | openssl base64 -A ;;\n\
         *) sed 's/.*\"message\":\"\\([^\"]*\\)\".*/\\1/' request | openssl base64 -d -A > message &&\n\
         openssl pkeyutl -sign -rawin -inkey '{pem}' -in message -out signature && openssl base64 -A -in signature ;;\n\
         esac\n",
        pem = pem.display()
    );
    let fresh = folder.join("token.new");
    std::fs::write(&fresh, script).unwrap();
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::rename(&fresh, &path).unwrap();
    path
}

#[test]
fn a_log_key_in_a_token_that_is_pulled_out_stops_the_server() {
    if !page::have(&[("openssl", &["pkeyutl", "-help"])]) {
        return;
    }
    let data = DataFolder::new();
    let folder = tempfile::tempdir().unwrap();
    let program = token(folder.path(), &data.path().join("log-key.pem"));
    let serve = || {
        let mut command = data.serve();
        command.arg("--log-key").arg(format!("exec:{}", program.display()));
        // nothing of this is the program's business
        command.env("COUNTERSIGN_PASSPHRASE_FILE", "/nonexistent/passphrase");
        command
    };
    let server = Server::start(serve());
    server.found();
    let dispatch = draft("transfer.dispatched", "consignment/1", Some("us-dsca.x1"), "us-dsca", dispatch_body());
    server.say(&dispatch, &["us-dsca/0"]);
    let before = verify(&server.bundle(), &server.ledger).assert_verified();
    assert!(!std::fs::read_to_string(folder.path().join("environment")).unwrap().contains("PASSPHRASE"));

    std::fs::write(folder.path().join("gone"), "").unwrap();
    let second = draft("transfer.dispatched", "consignment/2", Some("us-dsca.x1"), "us-dsca", dispatch_body());
    let envelope = countersign_tests::harness::draft::sign(&server.payload(&second), &["us-dsca/0"]).canonical();
    let answer = server.post(&envelope).unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text());
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("no token in the slot"), "{log}");

    // Without the token it does not start; with it nothing of the second dispatch is there, and it can be sent again.
    assert!(!serve().stdin(Stdio::null()).output().unwrap().status.success());
    std::fs::remove_file(folder.path().join("gone")).unwrap();
    let server = Server::start(serve());
    assert_eq!(verify(&server.bundle(), &server.ledger).assert_verified(), before);
    assert_eq!(server.post(&envelope).unwrap().status, 201);
    assert_eq!(verify(&server.bundle(), &server.ledger).assert_verified(), before + 1);
}

#[test]
fn key_check_says_what_is_wrong_from_a_server_and_from_a_bundle() {
    let data = DataFolder::new();
    let server = Server::start(data.serve());
    server.found();
    let mut clerk = grant("xa-mod/clerk");
    clerk["uses"] = json!(["transfer.*"]);
    clerk["not_after"] = json!("2099-01-01T00:00:00Z");
    let body = json!({ "party": "xa-mod", "key": clerk });
    server.say(&draft("key.added", "party/xa-mod", None, "xa-mod", body), &["xa-mod/0", "xa-mod/clerk"]);
    let main = key("xa-mod/0").public().id();
    let body = json!({ "party": "xa-mod", "keyid": main, "reason": "yearly" });
    server.say(&draft("key.retired", "party/xa-mod", None, "xa-mod", body), &["xa-mod/0"]);

    let bundle = data.beside("ledger.bundle.jsonl");
    std::fs::write(&bundle, server.bundle()).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(binaries::countersign());
        command.args(arguments).args(["--json", "--server", &server.url, "--ledger", &server.ledger]);
        command.env("XDG_STATE_HOME", data.beside("state"));
        let output = command.stdin(Stdio::null()).output().unwrap();
        let found: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", page::said(&output)));
        (output.status.code(), found)
    };
    let file = bundle.to_str().unwrap();
    let check = ["key", "check", "--party", "xa-mod", "--as-of", "2098-12-01T00:00:00Z"];
    let (status, found) = run(&check);
    assert_eq!(status, Some(1), "{found}");
    let codes: Vec<&str> = found["notices"].as_array().unwrap().iter().map(|n| n["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["single_key", "expires_soon", "never_used", "kinds_not_covered"], "{found:#}");
    let uncovered = found["notices"][3]["detail"].as_str().unwrap();
    // a recipient and custodian: losses, its own keys, but not what its clerk signs
    for kind in ["loss.reported", "key.retired", "items.moved"] {
        assert!(uncovered.contains(kind), "{uncovered}");
    }
    assert!(!uncovered.contains("transfer.received") && !uncovered.contains("transfer.dispatched"), "{uncovered}");
    let (status, same) = run(&[&check[..], &["--bundle", file]].concat());
    assert_eq!((status, &same), (Some(1), &found));

    let (_, soon) = run(&["key", "list", "--expiring", "60", "--as-of", "2098-12-01T00:00:00Z"]);
    let keys: Vec<&Value> = soon["keys"].as_array().unwrap().iter().map(|k| &k["keyid"]).collect();
    assert_eq!(keys, [&json!(key("xa-mod/clerk").public().id())]);
    let (_, all) = run(&["key", "list", "--all", "--party", "xa-mod", "--bundle", file]);
    assert_eq!(all["keys"][0]["status"], "retired");
    assert_eq!(all["keys"][0]["used"]["entries"], 4, "enrolled, the case, the clerk's key, its own retirement");
    let (status, everybody) = run(&["key", "check"]);
    assert_eq!(status, Some(1), "{everybody}");
    assert_eq!(GOVERNANCE.len(), 3);
    assert!(
        everybody["notices"].as_array().unwrap().iter().all(|n| n["whose"] != "governance"),
        "2 of 3 has one to spare"
    );
}
