//! `countersign mirror`: the same reads as its source, nothing that was not verified, and no step with a source that
//! contradicts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use countersign_tests::harness::http::Http;
use countersign_tests::harness::{DataFolder, Server, verify};
use serde_json::Value;

use super::{assert_same, bytes, command, copy_folder, dispatch, fill, get, is_closed, said, size, small, store, text};

/// A mirror's folder, and what it copies.
struct Mirrored {
    folder: DataFolder,
    ledger: String,
    data: PathBuf,
}

impl Mirrored {
    fn new() -> (Self, Server) {
        let folder = DataFolder::new();
        let server = Server::start(folder.serve());
        server.found();
        let (data, ledger) = (folder.beside("mirror"), server.ledger.clone());
        (Self { folder, ledger, data }, server)
    }

    fn command(&self, source: &str, more: &[&str]) -> Command {
        let mut command = command(&["mirror", "--server", source, "--data", text(&self.data)], &self.ledger);
        command.args(more);
        command
    }

    /// A mirror that follows and serves.
    fn start(&self, source: &str) -> Server {
        Server::start(self.command(source, &["--json", "--listen", "127.0.0.1:0", "--every", "20ms"]))
    }

    fn once(&self, source: &str) -> (i32, String) {
        said(self.command(source, &["--once"]))
    }
}

fn copy_info(mirror: &Server) -> Value {
    mirror.http.get("/v1/ledger").unwrap().json()["copy"].clone()
}

/// Waits until something holds. Only how long it takes rests on the pauses.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

/// An address that one server after the other can have.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

const READS: [&str; 14] = [
    "/v1/entries?limit=10000",
    "/v1/entries/7",
    "/v1/bundle",
    "/v1/bundle?case=us-dsca.x1",
    "/v1/bundle?since=100",
    "/tile/0/000",
    "/tile/0/001.p/40",
    "/tile/entries/000",
    "/checkpoint",
    "/v1/proofs/receipt/17",
    "/v1/proofs/inclusion?seq=5&size=200",
    "/v1/proofs/consistency?old=100&new=250",
    "/v1/parties",
    "/v1/streams/us-dsca.x1/case/us-dsca.x1",
];

#[test]
fn a_mirror_answers_as_its_source_and_goes_on_when_that_is_gone() {
    let (mirrored, source) = Mirrored::new();
    fill(&source, 300);
    let mirror = mirrored.start(&source.url);
    let same = |source: &Server, mirror: &Server| {
        for path in READS {
            let (theirs, ours) = (source.http.get(path).unwrap(), mirror.http.get(path).unwrap());
            assert_eq!(theirs.status, ours.status, "{path}: {}", ours.text());
            assert!(theirs.body == ours.body, "{path}:\n{}\n{}", theirs.text(), ours.text());
        }
    };
    same(&source, &mirror);
    for path in ["/v1/cases", "/v1/findings", "/v1/items?limit=5"] {
        assert_eq!(mirror.http.get(path).unwrap().status, 200, "{path}");
    }
    // Nothing is written there, and it says where to go.
    let refused = mirror.post(&dispatch(&source).to_json()).unwrap();
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("read_only")));
    assert!(refused.text().contains(&source.url), "{}", refused.text());
    let refused = mirror.http.post("/v1/proposals", "application/json", b"{}").unwrap();
    assert_eq!(refused.status, 403);

    // It follows: one by one, and many at once.
    for more in [1, 1, 700] {
        fill(&source, more);
        let target = size(&source);
        wait_until("the mirror has it", || size(&mirror) == target);
    }
    same(&source, &mirror);
    let expected = source.bundle();
    source.kill();
    wait_until("it notices", || copy_info(&mirror)["unreached"].is_string());
    assert!(mirror.bundle() == expected);
    verify(&mirror.bundle(), &mirrored.ledger).assert_verified();
    assert_eq!(mirror.http.get("/readyz").unwrap().json()["status"], "read_only");

    // Nor is it ever appended to; but a ledger can be restored from it, and goes on.
    let (status, log) = mirror.stop();
    assert!(status.success(), "{log}");
    assert_same(&mirrored.data, &mirrored.folder.path());
    let log_key = mirrored.folder.path().join("log-key.pem");
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--data", text(&mirrored.data)], &mirrored.ledger);
    serve.args(["--log-key", text(&log_key)]);
    let (status, told) = said(serve);
    assert!(status == 1 && told.contains("is a mirror of") && told.contains("restore"), "{status}: {told}");
    let mirror = mirrored.start("http://127.0.0.1:1");
    let bundle = mirrored.folder.beside("from-the-mirror.bundle.jsonl");
    fs::write(&bundle, mirror.bundle()).unwrap();
    let restored = mirrored.folder.beside("restored");
    let mut restore = command(&["restore", text(&bundle), "--data", text(&restored)], &mirrored.ledger);
    restore.args(["--log-key", text(&log_key), "--high-water", text(&mirrored.folder.path().join("high-water"))]);
    let (status, told) = said(restore);
    assert_eq!(status, 0, "{told}");
    assert_same(&restored, &mirrored.folder.path());
}

#[test]
fn a_mirror_that_is_killed_goes_on_where_it_was() {
    let (mirrored, source) = Mirrored::new();
    fill(&source, 800);
    let (mut under_way, mut before) = (0, 0);
    for kill in 0..10u64 {
        fill(&source, 60);
        let mut mirror = mirrored.command(&source.url, &["--once"]);
        let mut child = mirror.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let target = bytes(&mirrored.data) + (kill % 5) * 150_000;
        while bytes(&mirrored.data) < target && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = child.kill();
        under_way += usize::from(!child.wait().unwrap().success());
        if !mirrored.data.join("db").join("CURRENT").exists() {
            continue;
        }
        let Ok(copy) = countersign_ledger::store::rocks::RocksStore::open(
            &mirrored.data.join("db"),
            countersign_ledger::id::TreeSize(0),
            &countersign_ledger::store::rocks::RocksOptions::default(),
        ) else {
            // killed while the empty store was made
            continue;
        };
        use countersign_ledger::store::Store as _;
        // What is shown never goes back, and is never more than a checkpoint covers.
        let shown = copy.head().unwrap().map_or(0, |head| head.size.0);
        assert!(shown >= before, "kill {kill}: {shown} after {before}");
        assert_eq!(copy.lines(countersign_ledger::id::Seq(0), usize::MAX, usize::MAX).unwrap().len() as u64, shown);
        before = shown;
    }
    println!("{under_way} of 10 kills while it worked");
    assert!(under_way > 3, "the mirror was done before most kills");
    let (status, told) = mirrored.once(&source.url);
    assert_eq!(status, 0, "{told}");
    assert!(source.stop().0.success());
    assert_same(&mirrored.data, &mirrored.folder.path());
    assert!(is_closed(&store(&mirrored.data)));
}

#[test]
fn a_source_that_shows_another_history_is_not_followed() {
    let (mirrored, source) = Mirrored::new();
    fill(&source, 10);
    assert!(source.stop().0.success());
    let fork = mirrored.folder.beside("fork");
    copy_folder(&mirrored.folder.path(), &fork);
    let address = free_address();
    let at = |data: &Path| {
        Server::start(command(&["serve", "--json", "--listen", &address, "--data", text(data)], &mirrored.ledger))
    };
    // The mirror follows one of the two, by three entries.
    let one = at(&mirrored.folder.path());
    let mirror = mirrored.start(&one.url);
    fill(&one, 3);
    let target = size(&one);
    wait_until("the mirror has it", || size(&mirror) == target);
    let kept = mirror.bundle();
    assert!(one.stop().0.success());

    // Less than before is no proof of anything, and not followed.
    let other = at(&fork);
    wait_until("it says so", || copy_info(&mirror)["contradiction"].is_string());
    let told = copy_info(&mirror)["contradiction"].as_str().unwrap().to_owned();
    assert!(told.contains("shows 15 entries, and has shown 18 before"), "{told}");
    let noted = mirrored.data.join("rollback");
    assert!(fs::read_to_string(noted.join("theirs.checkpoint")).unwrap().contains("\n15\n"));
    assert!(!mirrored.data.join("contradiction").exists());

    // As many, but others; and then more.
    fill(&other, 3);
    wait_until("it is another history", || {
        copy_info(&mirror)["contradiction"].as_str().is_some_and(|how| how.contains("another history"))
    });
    fill(&other, 5);
    assert!(mirror.bundle() == kept, "what it has is served as it is");
    let ready = mirror.http.get("/readyz").unwrap();
    assert!(ready.status == 200 && ready.text().contains("contradiction: "), "{}", ready.text());
    let noted = mirrored.data.join("contradiction");
    let checkpoints =
        ["ours.checkpoint", "theirs.checkpoint"].map(|name| fs::read_to_string(noted.join(name)).unwrap());
    assert!(checkpoints[0].as_bytes() == get(&mirror, "/checkpoint"));
    assert_ne!(checkpoints[0], checkpoints[1]);
    let (status, log) = mirror.stop();
    assert!(status.success() && log.contains("contradicts this copy"), "{log}");

    // Nor after a restart, also when the source is what it was again.
    let (status, told) = mirrored.once(&other.url);
    assert!(status == 4 && told.contains("another history"), "{status}: {told}");
    drop(other);
    let one = at(&mirrored.folder.path());
    assert_eq!(mirrored.once(&one.url).0, 4);
    fs::remove_dir_all(&noted).unwrap();
    let (status, told) = mirrored.once(&one.url);
    assert_eq!(status, 0, "{told}");
}

#[test]
fn a_fork_that_went_further_is_found_by_its_past() {
    let (mirrored, source) = Mirrored::new();
    fill(&source, 10);
    assert!(source.stop().0.success());
    let fork = mirrored.folder.beside("fork");
    copy_folder(&mirrored.folder.path(), &fork);
    let source = Server::start(mirrored.folder.serve());
    fill(&source, 2);
    assert_eq!(mirrored.once(&source.url).0, 0);
    let other = Server::start(command(
        &["serve", "--json", "--listen", "127.0.0.1:0", "--data", text(&fork)],
        &mirrored.ledger,
    ));
    fill(&other, 9);
    let (status, told) = mirrored.once(&other.url);
    assert!(status == 4 && told.contains("another history before entry 17"), "{status}: {told}");
    assert!(mirrored.data.join("contradiction").join("theirs.checkpoint").exists());
}

/// Passes requests on to a server, and changes bundles as it is told.
fn proxy(server: &Server, change: impl Fn(String) -> String + Send + Sync + 'static) -> String {
    let http = Http::new(&server.url);
    small::serve(move |_, path, _| {
        let plain = path.replace("compress=zstd&", "").replace("?compress=zstd", "");
        let answer = http.get(&plain).unwrap();
        let body = match plain.starts_with("/v1/bundle") {
            true => change(String::from_utf8(answer.body).unwrap()).into_bytes(),
            false => answer.body,
        };
        (answer.status, "text/plain", body)
    })
}

#[test]
fn what_was_changed_on_the_way_is_neither_shown_nor_held_against_the_source() {
    let (mirrored, source) = Mirrored::new();
    fill(&source, 30);
    let line = |bundle: &str| bundle.lines().nth(12).unwrap().to_owned();
    type Change = fn(String, &str) -> String;
    let changes: [(&str, Change); 6] = [
        ("a line left out", |bundle, line| bundle.replacen(&format!("{line}\n"), "", 1)),
        ("a line altered", |bundle, line| bundle.replacen(line, &line.replacen("\"prev\":\"", "\"prev\":\"0", 1), 1)),
        ("a pointer altered", |bundle, line| bundle.replacen(line, &line.replacen("\"case\":4", "\"case\":3", 1), 1)),
        ("cut off", |bundle, _| bundle[..bundle.len() - 300].to_owned()),
        ("no bundle", |_, _| "hello\n".to_owned()),
        ("a disclosure altered", |bundle, _| bundle.replacen("{\"disclosure\":\"WyJ", "{\"disclosure\":\"WyK", 1)),
    ];
    for (what, change) in changes {
        let url = proxy(&source, move |bundle| {
            let line = line(&bundle);
            change(bundle, &line)
        });
        let (status, told) = mirrored.once(&url);
        assert!(status != 0, "{what}: {told}");
        assert!(!mirrored.data.join("contradiction").exists(), "{what}: {told}");
        assert_eq!(countersign_ledger::store::Store::head(&store(&mirrored.data)).unwrap(), None, "{what}");
    }
    let (status, told) = mirrored.once(&source.url);
    assert_eq!(status, 0, "{told}");
    assert!(source.stop().0.success());
    assert_same(&mirrored.data, &mirrored.folder.path());
}

/// Signature lines of unknown keys are ignored (SPEC §7), and anybody on the way may add some: more than the high-water
/// file has room for.
#[test]
fn signatures_that_were_added_on_the_way_do_not_stop_a_mirror() {
    let (mirrored, source) = Mirrored::new();
    fill(&source, 10);
    let added = |bundle: String| {
        let start = bundle.find("\"checkpoint\":\"").unwrap() + 14;
        let end = start + bundle[start..].find('"').unwrap();
        let lines = format!("\u{2014} stranger.example {}\\n", "A".repeat(400)).repeat(90);
        format!("{}{lines}{}", &bundle[..end], &bundle[end..])
    };
    let (status, told) = mirrored.once(&proxy(&source, added));
    assert_eq!(status, 0, "{told}");
    fill(&source, 1);
    let (status, told) = mirrored.once(&source.url);
    assert_eq!(status, 0, "{told}");
    assert!(source.stop().0.success());
    assert_same(&mirrored.data, &mirrored.folder.path());
}

#[test]
fn what_a_source_no_longer_discloses_does_not_hinder() {
    let (mirrored, source) = Mirrored::new();
    fill(&source, 10);
    // As of a source that has erased them: the lines are what is signed.
    let erased = |bundle: String| {
        let kept = bundle.lines().filter(|line| !line.starts_with("{\"disclosure\""));
        kept.map(|line| format!("{line}\n")).collect::<String>()
    };
    let url = proxy(&source, erased);
    let (status, told) = mirrored.once(&url);
    assert_eq!(status, 0, "{told}");
    let mirror = mirrored.start(&url);
    let report = verify(&mirror.bundle(), &mirrored.ledger);
    report.assert_verified();
    assert_ne!(report.json["undisclosed"], 0, "{:#}", report.json);
    assert!(get(&mirror, "/v1/entries?limit=1000") == get(&source, "/v1/entries?limit=1000"));
}

#[test]
fn a_folder_is_a_mirror_of_one_ledger() {
    let (mirrored, source) = Mirrored::new();
    assert_eq!(mirrored.once(&source.url).0, 0);
    let other = Mirrored { ledger: "0".repeat(64), data: mirrored.data.clone(), folder: mirrored.folder };
    let (status, told) = other.once(&source.url);
    assert!(status == 2 && told.contains("mirrors ledger"), "{status}: {told}");
    // Another ledger than the one named is never shown, nor is a ledger's own folder taken for a mirror's.
    let fresh = Mirrored { data: other.folder.beside("fresh"), ..other };
    let (status, told) = fresh.once(&source.url);
    assert!(status == 2 && told.contains("expected ledger"), "{status}: {told}");
    let own = Mirrored { data: fresh.folder.path(), ..fresh };
    let (status, told) = own.once(&source.url);
    assert!(status == 2 && told.contains("is not empty"), "{status}: {told}");
}

#[test]
fn evidence_is_copied_where_it_is_asked_for() {
    let (mirrored, source) = Mirrored::new();
    let content = b"a photograph of a crate".to_vec();
    let sha256 = countersign_ledger::hash::FileHash::from_bytes(countersign_ledger::hash::sha256(&[&content]));
    let named = serde_json::json!({
        "evidence": [{ "sha256": sha256, "size": content.len(), "media_type": "image/jpeg", "name": "crate.jpg" }]
    });
    let dispatch = countersign_tests::harness::draft(
        "transfer.dispatched",
        "consignment/with-a-photograph",
        Some(super::CASE),
        "us-dsca",
        countersign_tests::harness::people::dispatch_body(),
    );
    source.say(&dispatch.with(named), &["us-dsca/0"]);
    let file = mirrored.folder.beside("crate.jpg");
    fs::write(&file, &content).unwrap();
    let path = format!("/v1/evidence/{sha256}");
    let asked = Mutex::new(0);
    let mirror = Server::start(
        mirrored.command(&source.url, &["--json", "--listen", "127.0.0.1:0", "--every", "20ms", "--evidence"]),
    );
    assert_eq!(mirror.http.get(&path).unwrap().status, 404, "nobody has sent it yet");
    let agent = ureq::Agent::new_with_defaults();
    let sent = agent
        .put(format!("{}{path}", source.url))
        .header("content-type", "application/octet-stream")
        .send(&content[..]);
    assert!(sent.unwrap().status().is_success());
    wait_until("the mirror has it", || {
        *asked.lock().unwrap() += 1;
        mirror.http.get(&path).unwrap().status == 200
    });
    assert!(mirror.http.get(&path).unwrap().body == content);
}
