//! `countersign restore`: byte for byte what it was, never behind what others have seen, and nothing half done.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::proof::Receipt;
use countersign_ledger::witness::AddCheckpoint;
use countersign_tests::harness::world::vkey;
use countersign_tests::harness::{DataFolder, Server, verify};
use serde_json::Value;

use super::{assert_same, bytes, command, copy_folder, dispatch, fill, get, names, said, small, text};

/// A ledger that was lost: its folder, and what somebody saved of it.
struct Lost {
    folder: DataFolder,
    ledger: String,
    /// A bundle of `size` entries.
    bundle: PathBuf,
    size: u64,
    /// What was recorded after it: its receipt.
    receipt: PathBuf,
    checkpoint: PathBuf,
    log_key: PathBuf,
}

/// The receipt of an entry, as its submitter keeps it.
fn receipt_of(server: &Server, seq: u64) -> Vec<u8> {
    let entry: Value = serde_json::from_slice(&get(server, &format!("/v1/entries/{seq}"))).unwrap();
    get(server, &format!("/v1/events/{}", entry["event_hash"].as_str().unwrap()))
}

impl Lost {
    /// A ledger of some entries, of which the bundle lacks the last `missing`.
    fn new(entries: usize, missing: usize) -> Self {
        let folder = DataFolder::new();
        let server = Server::start(folder.serve());
        server.found();
        fill(&server, entries);
        let [bundle, receipt, checkpoint] =
            ["saved.bundle.jsonl", "last.receipt.json", "newest.checkpoint"].map(|n| folder.beside(n));
        fs::write(&bundle, server.bundle()).unwrap();
        let size = super::size(&server);
        fill(&server, missing);
        let last = super::size(&server) - 1;
        fs::write(&receipt, receipt_of(&server, last)).unwrap();
        fs::write(&checkpoint, get(&server, "/checkpoint")).unwrap();
        let ledger = server.ledger.clone();
        assert!(server.stop().0.success());
        let log_key = folder.path().join("log-key.pem");
        Self { folder, ledger, bundle, size, receipt, checkpoint, log_key }
    }

    fn restore(&self, bundle: &Path, to: &Path, more: &[&str]) -> (i32, String) {
        let mut restore = command(&["restore", text(bundle), "--data", text(to)], &self.ledger);
        restore.args(more);
        said(restore)
    }

    /// With the log key, as a ledger that is to go on.
    fn restore_to_go_on(&self, to: &Path, more: &[&str]) -> (i32, String) {
        let log_key = ["--log-key", text(&self.log_key)];
        self.restore(&self.bundle, to, &[&log_key[..], more].concat())
    }

    fn serve(&self, data: &Path) -> std::process::Command {
        let mut serve = command(&["serve", "--json", "--listen", "127.0.0.1:0", "--data", text(data)], &self.ledger);
        serve.args(["--log-key", text(&self.log_key)]);
        serve
    }
}

/// Nothing of a restore that was refused is left: neither the folder nor what it was built in.
fn assert_nothing_left(lost: &Lost, data: &Path) {
    let beside = names(data.parent().unwrap());
    assert!(!data.exists() && !beside.iter().any(|name| name.ends_with(".restoring")), "{beside:?}");
    assert!(lost.bundle.exists());
}

#[test]
fn a_restored_ledger_is_the_same_to_the_byte_and_goes_on() {
    let lost = Lost::new(700, 0);
    let compressed = lost.folder.beside("saved.bundle.jsonl.zst");
    fs::write(&compressed, zstd::encode_all(&fs::read(&lost.bundle).unwrap()[..], 3).unwrap()).unwrap();
    let high_water = lost.folder.path().join("high-water");
    let paths = [
        "/v1/bundle",
        "/v1/bundle?case=us-dsca.x1",
        "/v1/bundle?since=300",
        "/v1/entries?limit=10000",
        "/tile/0/001",
        "/tile/0/002.p/150",
        "/checkpoint",
        "/v1/proofs/receipt/17",
    ];
    let original = Server::start(lost.folder.serve());
    let before: Vec<Vec<u8>> = paths.iter().map(|path| get(&original, path)).collect();
    assert!(original.stop().0.success());
    for (n, bundle) in [&lost.bundle, &compressed].into_iter().enumerate() {
        let data = lost.folder.beside(&format!("restored-{n}"));
        let mark = [
            "--high-water",
            text(&high_water),
            "--receipt",
            text(&lost.receipt),
            "--checkpoint",
            text(&lost.checkpoint),
        ];
        let (status, told) = lost.restore(bundle, &data, &[&["--log-key", text(&lost.log_key)], &mark[..]].concat());
        assert_eq!(status, 0, "{told}");
        assert!(
            told.contains(&format!("entries        {}", lost.size)) && told.contains("high-water at 705"),
            "{told}"
        );
        assert_eq!(names(&data), ["db", "high-water"]);
        assert_same(&data, &lost.folder.path());

        let server = Server::start(lost.serve(&data));
        for (path, expected) in paths.iter().zip(&before) {
            assert!(get(&server, path) == *expected, "{path} differs");
        }
        fill(&server, 3);
        assert_eq!(verify(&server.bundle(), &server.ledger).assert_verified(), lost.size + 3);
        let (status, log) = server.stop();
        assert!(status.success(), "{log}");
    }
}

#[test]
fn a_ledger_that_others_have_seen_further_does_not_go_on() {
    let lost = Lost::new(40, 3);
    let data = lost.folder.beside("restored");
    let high_water = lost.folder.path().join("high-water");
    let mine: [(&str, &Path, &str); 3] = [
        ("--receipt", &lost.receipt, "last.receipt.json"),
        ("--checkpoint", &lost.checkpoint, "newest.checkpoint"),
        ("--high-water", &high_water, "high-water"),
    ];
    for (option, file, name) in mine {
        let (status, told) = lost.restore_to_go_on(&data, &[option, text(file)]);
        assert_eq!(status, 1, "{option}: {told}");
        let expected = format!("ends at {} entries", lost.size);
        assert!(told.contains(&expected) && told.contains(name), "{told}");
        assert!(told.contains(&format!("has seen {}, so 3 entries are missing", lost.size + 3)), "{told}");
        assert!(told.contains("--predecessor") && told.contains(&lost.ledger), "{told}");
        assert_nothing_left(&lost, &data);
    }
    // One that fits does not outweigh one that is newer.
    let fits = ["--checkpoint", text(&lost.bundle), "--receipt", text(&lost.receipt)];
    assert_eq!(lost.restore_to_go_on(&data, &fits).0, 1);
    // Nothing at all is no answer either, unless the operator says so.
    let (status, told) = lost.restore_to_go_on(&data, &[]);
    assert!(status == 2 && told.contains("--accept-unwitnessed"), "{status}: {told}");
    assert_nothing_left(&lost, &data);
    let (status, told) = lost.restore_to_go_on(&data, &["--accept-unwitnessed"]);
    assert_eq!(status, 0, "{told}");
}

#[test]
fn a_successor_names_what_others_have_seen() {
    let lost = Lost::new(5, 2);
    let newest = SignedCheckpoint::from_bytes(&fs::read(&lost.checkpoint).unwrap()).unwrap();
    for (n, file) in [&lost.receipt, &lost.checkpoint].into_iter().enumerate() {
        let data = lost.folder.beside(&format!("successor-{n}"));
        let governance = lost.folder.key_file("gov0");
        let mut init = command(
            &["init", "--data", text(&data), "--origin", "ledger.example/next", "--threshold", "1"],
            &lost.ledger,
        );
        init.args(["--governance-key", text(&governance), "--no-passphrase", "--yes"]);
        init.args(["--predecessor", text(file), "--predecessor-ledger", &lost.ledger]);
        let (status, told) = said(init);
        assert_eq!(status, 0, "{told}");
        let server = Server::start(command(
            &["serve", "--json", "--listen", "127.0.0.1:0", "--data", text(&data)],
            &lost.ledger,
        ));
        let entry: Value = serde_json::from_slice(&get(&server, "/v1/entries/0")).unwrap();
        let predecessor = &entry["event"]["body"]["predecessor"];
        assert_eq!(predecessor["ledger"], lost.ledger.as_str());
        assert_eq!(predecessor["size"], newest.checkpoint().size.0);
        assert_eq!(predecessor["root"], newest.checkpoint().root.to_string());
    }
    let wrong = "0".repeat(64);
    let mut init = command(
        &["init", "--data", text(&lost.folder.beside("none")), "--origin", "ledger.example/next", "--threshold", "1"],
        &wrong,
    );
    init.args(["--governance-key", text(&lost.folder.key_file("gov0")), "--no-passphrase", "--yes"]);
    let (status, told) = said({
        init.args(["--predecessor", text(&lost.receipt), "--predecessor-ledger", &wrong]);
        init
    });
    assert!(status == 2 && told.contains(&lost.ledger), "{status}: {told}");
}

#[test]
fn witnesses_are_asked_what_they_have_seen() {
    let lost = Lost::new(20, 2);
    let key = vkey("log").parse().unwrap();
    let witness = small::witness(key);
    let data = lost.folder.beside("restored");
    // One that has seen nothing says nothing of how far the ledger was, however often it is asked.
    for _ in 0..2 {
        let (status, told) = lost.restore_to_go_on(&data, &["--witness", &witness]);
        assert!(status == 2 && told.contains("has seen nothing"), "{status}: {told}");
        assert_nothing_left(&lost, &data);
    }
    let cosign = |witness: &str, note: &[u8]| {
        let checkpoint = SignedCheckpoint::from_bytes(note).unwrap();
        let request = AddCheckpoint::new(countersign_ledger::id::TreeSize(0), vec![], &checkpoint).unwrap().to_string();
        let http = countersign_tests::harness::http::Http::new(witness);
        assert_eq!(http.post("/add-checkpoint", "text/plain", request.as_bytes()).unwrap().status, 200);
    };
    // One that has seen as much, and one that has seen more.
    let bundle = fs::read_to_string(&lost.bundle).unwrap();
    let header: serde_json::Value = serde_json::from_str(bundle.lines().next().unwrap()).unwrap();
    cosign(&witness, header["checkpoint"].as_str().unwrap().as_bytes());
    let (status, told) = lost.restore_to_go_on(&data, &["--witness", &witness]);
    assert!(status == 0 && told.contains(&format!("at {} entries", lost.size)), "{status}: {told}");
    let further = small::witness(vkey("log").parse().unwrap());
    cosign(&further, &fs::read(&lost.checkpoint).unwrap());
    let third = lost.folder.beside("third");
    let (status, told) = lost.restore_to_go_on(&third, &["--witness", &further]);
    assert!(status == 1 && told.contains("2 entries are missing"), "{status}: {told}");
    assert_nothing_left(&lost, &third);
    // One that is silent says nothing: what it has seen is not known.
    let silent = small::serve(|_, _, _| (404, "text/plain", b"who?\n".to_vec()));
    let (status, told) = lost.restore_to_go_on(&third, &["--witness", &silent]);
    assert!(status == 2 && told.contains("does not witness this log"), "{status}: {told}");
}

#[test]
fn another_history_is_told_and_restored_only_to_be_read() {
    let lost = Lost::new(10, 0);
    // A fork: the same folder, gone on from twice.
    let fork = lost.folder.beside("fork");
    copy_folder(&lost.folder.path(), &fork);
    let saved = |data: &Path, name: &str| {
        let server = Server::start(lost.serve(data));
        fill(&server, 2);
        let (bundle, checkpoint) = (lost.folder.beside(&format!("{name}.bundle.jsonl")), lost.folder.beside(name));
        fs::write(&bundle, server.bundle()).unwrap();
        fs::write(&checkpoint, get(&server, "/checkpoint")).unwrap();
        assert!(server.stop().0.success());
        (bundle, checkpoint)
    };
    let (bundle, _) = saved(&lost.folder.path(), "one");
    let (_, theirs) = saved(&fork, "two");
    let data = lost.folder.beside("restored");
    let given = ["--log-key", text(&lost.log_key), "--checkpoint", text(&theirs)];
    let (status, told) = lost.restore(&bundle, &data, &given);
    assert!(status == 1 && told.contains("shows another history at 17 entries"), "{status}: {told}");
    assert_nothing_left(&lost, &data);

    let (status, told) = lost.restore(&bundle, &data, &["--read-only", "--checkpoint", text(&theirs)]);
    assert!(status == 0 && told.contains("warning: ") && told.contains("another history"), "{status}: {told}");
    assert_eq!(names(&data), ["copy.json", "db", "high-water"]);
    let server =
        Server::start(command(&["serve", "--json", "--listen", "127.0.0.1:0", "--data", text(&data)], &lost.ledger));
    assert!(server.bundle() == fs::read(&bundle).unwrap());
    let refused = server.post(&dispatch(&server).to_json()).unwrap();
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("read_only")), "{}", refused.text());
    let info = server.http.get("/v1/ledger").unwrap().json();
    assert_eq!((info["state"].as_str(), info["copy"]["role"].as_str()), (Some("read_only"), Some("read_only")));
    assert_eq!(server.http.get("/readyz").unwrap().json()["status"], "read_only");
    assert!(server.stop().0.success());
}

#[test]
fn what_is_not_whole_and_true_is_refused_under_its_check() {
    let lost = Lost::new(12, 0);
    let bundle = fs::read_to_string(&lost.bundle).unwrap();
    let compressed = zstd::encode_all(bundle.as_bytes(), 3).unwrap();
    let data = lost.folder.beside("restored");
    let file = lost.folder.beside("bad.bundle.jsonl");
    let line = bundle.lines().nth(9).unwrap();
    let flipped = |from: &str, to: &str| {
        assert!(line.contains(from), "{line}");
        bundle.replacen(line, &line.replacen(from, to, 1), 1).into_bytes()
    };
    let at = |name: &str| line.find(name).unwrap() + name.len();
    let other_digit = |start: usize| {
        let mut bytes = line.as_bytes().to_vec();
        bytes[start] = if bytes[start] == b'1' { b'2' } else { b'1' };
        bundle.replacen(line, std::str::from_utf8(&bytes).unwrap(), 1).into_bytes()
    };
    let mut damaged = compressed.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 4;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("prev", other_digit(at("\"prev\":\"") + 5), "CHAIN: "),
        ("a pointer", flipped("\"case\":4", "\"case\":3"), "POINTERS: "),
        ("a signature", other_digit(at("\"sig\":\"") + 20), "SIGNATURE: "),
        ("a time", flipped("\"time\":\"20", "\"time\":\"19"), "TIME: "),
        ("the root", bundle.replacen("\\n\\n", "x\\n\\n", 1).into_bytes(), "FORMAT: "),
        ("a line is missing", bundle.replacen(&format!("{line}\n"), "", 1).into_bytes(), "FORMAT: "),
        ("the end is missing", bundle.as_bytes()[..bundle.len() / 2].to_vec(), "FORMAT: "),
        ("a cut zstd", compressed[..compressed.len() - 7].to_vec(), "FORMAT: "),
        ("a damaged zstd", damaged, ""),
    ];
    for (what, bytes, check) in cases {
        fs::write(&file, bytes).unwrap();
        let given = ["--log-key", text(&lost.log_key), "--accept-unwitnessed"];
        let (status, told) = lost.restore(&file, &data, &given);
        assert!(status == 1 && told.contains(check), "{what}: {status}: {told}");
        assert_nothing_left(&lost, &data);
    }
    let server = Server::start(lost.folder.serve());
    fs::write(&file, get(&server, "/v1/bundle?case=us-dsca.x1")).unwrap();
    drop(server);
    let (status, told) = lost.restore(&file, &data, &["--read-only"]);
    assert!(status == 1 && told.contains("expected a full bundle") && told.contains("case us-dsca.x1"), "{told}");
    let other = "0".repeat(64);
    let (status, told) = said(command(&["restore", text(&lost.bundle), "--data", text(&data), "--read-only"], &other));
    assert!(status == 1 && told.contains("LEDGER: "), "{status}: {told}");
    let mut unnamed = std::process::Command::new(countersign_tests::harness::binaries::countersign());
    unnamed.args(["restore", text(&lost.bundle), "--data", text(&data), "--read-only"]);
    let (status, told) = said(unnamed);
    assert!(status == 2 && told.contains("no ledger id"), "{status}: {told}");
    let wrong_key = lost.folder.key_file("gov0");
    let (status, told) = lost.restore(&lost.bundle, &data, &["--log-key", text(&wrong_key), "--accept-unwitnessed"]);
    assert!(status == 2 && told.contains("not the private key of the log key in force"), "{status}: {told}");
    assert_nothing_left(&lost, &data);
    fs::create_dir(&data).unwrap();
    fs::write(data.join("mine"), b"x").unwrap();
    let (status, told) = lost.restore(&lost.bundle, &data, &["--read-only"]);
    assert!(status == 2 && told.contains("is not empty"), "{status}: {told}");
}

#[test]
fn a_restore_that_is_killed_leaves_nothing_to_serve_and_can_be_repeated() {
    let lost = Lost::new(3_000, 0);
    let data = lost.folder.beside("restored");
    let building = lost.folder.beside(".restored.restoring");
    let mut under_way = 0;
    for kill in 0..12u64 {
        let mut restore =
            command(&["restore", text(&lost.bundle), "--data", text(&data), "--accept-unwitnessed"], &lost.ledger);
        restore.args(["--log-key", text(&lost.log_key)]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = restore.spawn().unwrap();
        // Killed once the folder that it builds in has so many bytes.
        while bytes(&building) < kill * 400_000 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let _ = child.kill();
        child.wait().unwrap();
        if data.exists() {
            assert_same(&data, &lost.folder.path());
            fs::remove_dir_all(&data).unwrap();
        } else {
            under_way += 1;
        }
    }
    assert!(under_way > 2, "the restore was over before most kills");
    let (status, told) = lost.restore_to_go_on(&data, &["--accept-unwitnessed"]);
    assert_eq!(status, 0, "{told}");
    assert!(!building.exists());
    assert_same(&data, &lost.folder.path());
}

#[test]
fn receipts_of_the_lost_ledger_are_receipts_of_the_restored_one() {
    let lost = Lost::new(6, 0);
    let data = lost.folder.beside("restored");
    assert_eq!(lost.restore_to_go_on(&data, &["--receipt", text(&lost.receipt)]).0, 0);
    let server = Server::start(lost.serve(&data));
    let receipt = Receipt::from_json(&fs::read(&lost.receipt).unwrap()).unwrap();
    let seq = receipt.proof().index();
    assert!(receipt_of(&server, seq.0) == fs::read(&lost.receipt).unwrap());
}
