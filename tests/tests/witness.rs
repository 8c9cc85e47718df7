//! `countersign witness` as a process: what C2SP tlog-witness says it answers, and that nothing makes it cosign two
//! histories: not races, not forks, not `kill -9`.
//!
//! Requests, trees and notes are the forge's, cosignatures are verified with somebody else's note library.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_tests::forge::{Key, note};
use countersign_tests::harness::server::run;
use countersign_tests::harness::witness::body;
use countersign_tests::harness::{Log, Witness, WitnessFolder};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use signed_note::{Note, VerifierList};

#[path = "stock/cosignature.rs"]
mod cosignature;

use cosignature::CosignatureV1;

const NAME: &str = "example.org/witness";
const SIZE: &str = "text/x.tlog.size";
const PROBLEM: &str = "application/problem+json";

/// Checks that an answer is exactly one cosignature of this checkpoint, and returns its time.
fn cosigned(vkey: &str, checkpoint: &str, answer: &str) -> u64 {
    assert_eq!(answer.matches('\n').count(), 1, "{answer}");
    let whole = Note::from_bytes(format!("{checkpoint}{answer}").as_bytes()).unwrap();
    let known = VerifierList::new(vec![Box::new(CosignatureV1::new(vkey))]);
    let (verified, _) = whole.verify(&known).unwrap();
    assert_eq!(verified.len(), 1);
    u64::from_be_bytes(verified[0].signature()[..8].try_into().unwrap())
}

fn log(size: usize) -> Log {
    Log::forked(size, usize::MAX, "")
}

/// A witness that follows the log and holds `size` of it.
fn holding(size: usize) -> (WitnessFolder, Witness) {
    let folder = WitnessFolder::new(NAME);
    folder.follow(&log(0));
    let witness = folder.start(&[]);
    if size > 0 {
        let answer = witness.ask(&log(size).request(0, size));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    (folder, witness)
}

#[test]
fn a_cosignature_is_one_for_stock_tools_and_its_time_is_now() {
    let (folder, witness) = holding(0);
    let before = u64::try_from(jiff::Timestamp::now().as_second()).unwrap();
    for (old, size) in [(0, 5), (5, 5), (5, 9), (9, 16), (16, 33)] {
        let answer = witness.ask(&log(40).request(old, size));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.content_type.starts_with("text/plain"), "{}", answer.content_type);
        let time = cosigned(&folder.vkey, &log(40).checkpoint(size), &answer.text());
        let after = u64::try_from(jiff::Timestamp::now().as_second()).unwrap();
        assert!((before..=after).contains(&time));
    }
    assert!(witness.0.stop().0.success());
}

#[test]
fn every_refusal_has_its_status_and_its_type() {
    let (_folder, witness) = holding(5);
    let honest = log(20);
    let good = honest.request(5, 9);
    let stranger = Log::new("log.example/a", "another", (0..20).map(|n| format!("entry {n}")));
    let unknown = Log::new("log.example/b", "log", (0..20).map(|n| format!("entry {n}")));
    let odd = Log::new("Example.com/LOG", "log", (0..20).map(|n| format!("entry {n}")));
    let fork = Log::forked(20, 3, "fork");
    let line = STANDARD.encode([7; 32]);
    let broken = |from: &str, to: &str| {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from:?}");
        changed
    };
    let mut late = honest.proof(5, 9);
    late.pop();
    let many = |count| body(5, &vec![line.clone(); count], &honest.checkpoint(9));
    for (what, body, status, media) in [
        ("nothing", String::new(), 400, PROBLEM),
        ("no checkpoint", "old 5\n".to_owned(), 400, PROBLEM),
        ("no old line", broken("old 5\n", ""), 400, PROBLEM),
        ("leading zero", broken("old 5", "old 05"), 400, PROBLEM),
        ("two spaces", broken("old 5", "old  5"), 400, PROBLEM),
        ("carriage return", broken("old 5\n", "old 5\r\n"), 400, PROBLEM),
        ("bad base64", body(5, &["AAAA".to_owned()], &honest.checkpoint(9)), 400, PROBLEM),
        ("a 64th line", many(64), 400, PROBLEM),
        ("no last newline", good.trim_end().to_owned(), 400, PROBLEM),
        ("an extension line", broken("=\n\n—", "=\nextension\n\n—"), 400, PROBLEM),
        ("old above the size", body(10, &[], &honest.checkpoint(9)), 400, PROBLEM),
        ("unknown origin", unknown.request(5, 9), 404, PROBLEM),
        ("unknown origin of another form", odd.request(5, 9), 404, PROBLEM),
        ("unknown key", stranger.request(5, 9), 403, PROBLEM),
        ("a signature over another text", broken("\n9\n", "\n10\n"), 403, PROBLEM),
        ("old below what is held", honest.request(4, 9), 409, SIZE),
        ("old above what is held", honest.request(6, 9), 409, SIZE),
        ("old 0, to learn the size", honest.request(0, 9), 409, SIZE),
        ("a smaller tree", honest.request(4, 4), 409, SIZE),
        ("another root of that size", fork.request(5, 5), 409, SIZE),
        ("63 lines that prove nothing", many(63), 422, PROBLEM),
        ("a line too few", body(5, &late, &honest.checkpoint(9)), 422, PROBLEM),
        ("no proof", body(5, &[], &honest.checkpoint(9)), 422, PROBLEM),
        ("a proof where sizes are equal", body(5, std::slice::from_ref(&line), &honest.checkpoint(5)), 422, PROBLEM),
        ("a fork before what is held", fork.request(5, 9), 422, PROBLEM),
    ] {
        let answer = witness.ask(&body);
        assert_eq!((answer.status, answer.content_type.as_str()), (status, media), "{what}: {}", answer.text());
        match status {
            409 => assert_eq!(answer.text(), "5\n", "{what}"),
            _ => assert_eq!(answer.json()["status"], status, "{what}"),
        }
    }
    // a signature more by a key that nobody knows is no matter
    let foreign = note::log_line("log.example/a", &Key::new("another"), &honest.text(9));
    assert_eq!(witness.ask(&format!("{good}{foreign}")).status, 200);
    // and none of it moved what is held before
    assert_eq!(witness.ask(&honest.request(5, 9)).text(), "9\n");
    // a proof from nothing, for a log that was never cosigned
    let (_folder, fresh) = holding(0);
    assert_eq!(fresh.ask(&body(0, &[line], &honest.checkpoint(9))).status, 422);
    assert_eq!(fresh.ask(&honest.request(3, 9)).text(), "0\n");
    assert_eq!(fresh.ask(&honest.request(0, 9)).status, 200);
}

#[test]
fn bodies_paths_and_methods_are_bounded() {
    let (_folder, witness) = holding(5);
    let long = format!("old 5\n\n{}", "x".repeat(400 << 10));
    assert_eq!(witness.ask(&long).status, 413);
    assert_eq!(witness.0.http.get("/add-checkpoint").unwrap().status, 405);
    assert_eq!(witness.0.http.post("/x/add-checkpoint", "text/plain", b"").unwrap().status, 404);
    // the most signatures that a note may have, all but one by keys that nobody knows
    let text = log(9).text(9);
    let strangers: String =
        (0..99).map(|n| note::log_line("log.example/a", &Key::new(format!("stranger {n}")), &text)).collect();
    let crowded = log(9).request(5, 9) + &strangers;
    assert_eq!(witness.ask(&crowded).status, 200);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(witness.0.http.get(path).unwrap().status, 200, "{path}");
    }
    let metrics = witness.0.http.get("/metrics").unwrap().text();
    assert!(metrics.contains("countersign_witness_size{origin=\"log.example/a\"} 9"), "{metrics}");
    assert!(metrics.contains("countersign_witness_cosignatures_total 2"), "{metrics}");
    assert!(metrics.contains("code=\"too_large\""), "{metrics}");
}

#[test]
fn a_prefix_a_second_log_key_and_the_trust_line() {
    let folder = WitnessFolder::new("example.org/auditor");
    let said = String::from_utf8(folder.done(&["trust-line", "--url", "https://w.example"]).stdout).unwrap();
    let line = format!("witness example.org/auditor {} https://w.example\n", folder.vkey);
    assert!(said.starts_with("# ") && said.ends_with(&line), "{said}");
    // an auditor without entries to verify would be a witness under a false name
    assert!(folder.refused(&["add-ledger", "--log", &log(0).vkey()]).contains("an auditor"));

    let folder = WitnessFolder::new(NAME);
    let said = String::from_utf8(folder.done(&["trust-line", "--as", "W1"]).stdout).unwrap();
    assert_eq!(said, format!("witness W1 {}\n", folder.vkey));
    fs::write(folder.path("trust.txt"), format!("# logs\n\tlog {} https://l.example\nquorum none\n", log(0).vkey()))
        .unwrap();
    let trust = folder.path("trust.txt");
    folder.done(&["add-ledger", "--trust", trust.to_str().unwrap()]);
    assert!(
        folder.refused(&["add-ledger", "--log", &log(0).vkey()]).contains("this witness follows log.example/a already")
    );
    let next = Log::new("log.example/a", "next", (0..9).map(|n| format!("entry {n}")));
    let witness = folder.start(&["--prefix", "/w/1"]);
    assert!(witness.0.url.ends_with("/w/1"));
    let asked = |witness: &Witness| witness.ask(&next.request(0, 9)).status;
    assert_eq!(asked(&witness), 403);
    assert!(folder.refused(&["add-log-key", &next.vkey()]).contains("another process"));
    assert!(witness.0.stop().0.success());
    folder.done(&["add-log-key", &next.vkey()]);
    assert!(folder.refused(&["add-log-key", &next.vkey()]).contains("already"));
    assert_eq!(asked(&folder.start(&["--prefix", "/w/1"])), 200);
}

/// One cosignature that was given, and when: `sent` and `answered` are ticks of one counter.
#[derive(Debug, Clone)]
struct Given {
    sent: u64,
    answered: u64,
    log: usize,
    size: usize,
    time: u64,
}

/// Logs that agree up to different points, and what a witness cosigned of them.
struct Race {
    logs: Vec<Log>,
    vkey: String,
    tick: AtomicU64,
    given: Mutex<Vec<Given>>,
    count: AtomicUsize,
    conflicts: AtomicUsize,
    inconsistent: AtomicUsize,
}

const LARGEST: usize = 220;

impl Race {
    fn new(vkey: &str) -> Self {
        let fork = |(n, at): (usize, usize)| Log::forked(LARGEST, at, &format!("fork {n}"));
        let logs = [0, 2, 9, 10, 40, 90, 91, LARGEST, LARGEST].into_iter().enumerate().map(fork).collect();
        Self {
            logs,
            vkey: vkey.to_owned(),
            tick: AtomicU64::new(0),
            given: Mutex::default(),
            count: AtomicUsize::new(0),
            conflicts: AtomicUsize::new(0),
            inconsistent: AtomicUsize::new(0),
        }
    }

    /// Asks for cosignatures until there is no answer, or `enough` is set, going on from what the witness says it holds.
    fn submit(&self, witness: &Witness, at: usize, enough: &AtomicBool) {
        let log = &self.logs[at];
        let mut believed = 0;
        for step in 0.. {
            if enough.load(Ordering::Relaxed) || believed >= LARGEST {
                return;
            }
            // mostly on, by one to three; sometimes the same again; sometimes back, which is never to be cosigned
            let size = match step % 7 {
                3 => believed,
                5 => believed / 2,
                more => (believed + 1 + more % 3).min(LARGEST),
            };
            let old = believed.min(size);
            let sent = self.tick.fetch_add(1, Ordering::SeqCst);
            let Ok(answer) = witness.send(log.request(old, size).as_bytes()) else { return };
            let answered = self.tick.fetch_add(1, Ordering::SeqCst);
            match answer.status {
                200 => {
                    let time = cosigned(&self.vkey, &log.checkpoint(size), &answer.text());
                    believed = size;
                    self.given.lock().unwrap().push(Given { sent, answered, log: at, size, time });
                    self.count.fetch_add(1, Ordering::SeqCst);
                }
                409 => {
                    assert_eq!(answer.content_type, SIZE);
                    self.conflicts.fetch_add(1, Ordering::Relaxed);
                    believed = answer.text().trim_end().parse().unwrap();
                    // a log of another root at that size has lost
                    if old == believed && old == size {
                        return;
                    }
                }
                422 => {
                    self.inconsistent.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                status => panic!("{status}: {}", answer.text()),
            }
        }
    }

    /// All of them at once, several times each, until there are `more` cosignatures or nothing is left to cosign; then
    /// `end` is done with the witness while they still ask.
    fn run(&self, witness: Witness, more: usize, end: impl FnOnce(&Witness)) -> Witness {
        let (until, enough) = (self.count.load(Ordering::SeqCst) + more, AtomicBool::new(false));
        std::thread::scope(|scope| {
            let asking: Vec<_> = (0..self.logs.len() * 2)
                .map(|n| {
                    let (witness, enough) = (&witness, &enough);
                    scope.spawn(move || self.submit(witness, n % self.logs.len(), enough))
                })
                .collect();
            while self.count.load(Ordering::SeqCst) < until && asking.iter().any(|thread| !thread.is_finished()) {
                std::thread::yield_now();
            }
            end(&witness);
            enough.store(true, Ordering::Relaxed);
        });
        witness
    }

    /// No two trees contradict one another, and nothing that was asked for after an answer steps back behind it.
    fn check(&self) {
        let given = self.given.lock().unwrap();
        let mut by_size: BTreeMap<usize, &Given> = BTreeMap::new();
        for one in given.iter() {
            let known = by_size.entry(one.size).or_insert(one);
            let same = self.logs[known.log].leaves(one.size) == self.logs[one.log].leaves(one.size);
            assert!(same, "two trees of one size: {known:?} {one:?}");
        }
        for (small, large) in by_size.values().zip(by_size.values().skip(1)) {
            let prefix = &self.logs[large.log].leaves(large.size)[..small.size];
            assert!(
                self.logs[small.log].leaves(small.size) == prefix,
                "one is not the other's start: {small:?} {large:?}"
            );
        }
        let mut by_answer: Vec<&Given> = given.iter().collect();
        by_answer.sort_by_key(|one| one.answered);
        let mut by_sending: Vec<&Given> = given.iter().collect();
        by_sending.sort_by_key(|one| one.sent);
        let (mut at, mut size, mut time) = (0, 0, 0);
        for later in by_sending {
            while by_answer.get(at).is_some_and(|earlier| earlier.answered < later.sent) {
                (size, time) = (size.max(by_answer[at].size), time.max(by_answer[at].time));
                at += 1;
            }
            assert!(later.size >= size, "{later:?} came after {size} entries");
            assert!(later.time >= time, "{later:?} came after {time}");
        }
    }

    /// The largest tree that was cosigned and answered.
    fn largest(&self) -> usize {
        self.given.lock().unwrap().iter().map(|one| one.size).max().unwrap_or(0)
    }
}

#[test]
fn races_and_forks_never_get_two_histories_cosigned() {
    for _ in 0..3 {
        let folder = WitnessFolder::new(NAME);
        folder.follow(&log(0));
        let race = Race::new(&folder.vkey);
        let witness = race.run(folder.start(&[]), usize::MAX, |_| {});
        race.check();
        assert_eq!(race.largest(), LARGEST);
        // which of the two a fork meets first is the race's; that it meets one is not, nor what it meets afterwards
        assert!(race.conflicts.load(Ordering::Relaxed) + race.inconsistent.load(Ordering::Relaxed) > 0);
        let held = race.given.lock().unwrap().iter().find(|one| one.size == LARGEST).unwrap().log;
        let lost = race.logs.iter().find(|log| log.leaves(LARGEST) != race.logs[held].leaves(LARGEST)).unwrap();
        assert_eq!(witness.ask(&lost.request(LARGEST, LARGEST)).status, 409);
        let further = Log::forked(LARGEST + 9, 0, "further");
        assert_eq!(witness.ask(&further.request(LARGEST, LARGEST + 9)).status, 422);
        assert!(witness.0.stop().0.success());
    }
}

#[test]
fn killed_at_any_moment_it_stands_by_what_it_cosigned() {
    let mut runner = TestRunner::new(Config { cases: 3, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(1usize..12, 10), |rounds| {
            let folder = WitnessFolder::new(NAME);
            folder.follow(&log(0));
            let race = Race::new(&folder.vkey);
            for more in rounds {
                let witness = folder.start(&[]);
                let held: usize =
                    witness.ask(&log(LARGEST).request(LARGEST, LARGEST)).text().trim_end().parse().unwrap();
                prop_assert!(held >= race.largest(), "it holds {held}, and cosigned {}", race.largest());
                let witness = race.run(witness, more, |witness| kill(witness.0.pid()));
                witness.0.kill();
                race.check();
            }
            Ok(())
        })
        .unwrap();
}

/// Ends a process as a power cut would, while others still ask it.
fn kill(pid: u32) {
    let mut kill = Command::new("kill");
    kill.args(["-KILL", &pid.to_string()]);
    run(kill);
}

#[test]
fn a_lost_state_is_refused_and_recovered_from_the_newest_cosigned_checkpoint() {
    let (folder, witness) = holding(5);
    let five = log(9).checkpoint(5) + &witness.ask(&log(9).request(5, 5)).text();
    let nine = log(9).checkpoint(9) + &witness.ask(&log(9).request(5, 9)).text();
    witness.0.kill();
    let state = folder.data().join("ledgers/log.example+a.state");
    let (whole, run) = (fs::read(&state).unwrap(), ["run", "--listen", "127.0.0.1:0"]);
    let key = folder.path("key.pem");
    let start = [&run[..], &["--witness-key", key.to_str().unwrap()]].concat();
    let put = |name: &str, text: &str| {
        fs::write(folder.path(name), text).unwrap();
        folder.path(name).to_str().unwrap().to_owned()
    };
    let (five, nine, bare) = (put("five", &five), put("nine", &nine), put("bare", &log(9).checkpoint(9)));

    for torn in [None, Some(&whole[..whole.len() - 9])] {
        match torn {
            None => fs::remove_file(&state).unwrap(),
            Some(bytes) => fs::write(&state, bytes).unwrap(),
        }
        let said = folder.refused(&start);
        assert!(said.contains("log.example/a") && said.contains("witness recover"), "{said}");
        let output = folder.command(&["status"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stdout).contains("unusable"));
        // the log's word alone is not this witness's, and without a yes nothing is done
        assert!(folder.refused(&["recover", &bare, "--yes"]).contains("expected a signature by the key"));
        assert!(folder.refused(&["recover", &nine]).contains("no terminal"));
        folder.done(&["recover", &nine, "--yes"]);
        let witness = folder.start(&[]);
        assert_eq!(witness.ask(&log(9).request(0, 9)).text(), "9\n");
        witness.0.kill();
    }
    // a state that is sound is not wound back by hand
    assert!(folder.refused(&["recover", &five, "--yes"]).contains("holds 9 entries"));
    assert!(folder.command(&["status"]).output().unwrap().status.success());
}

/// What no witness can notice of itself, and what convicts it then.
#[test]
fn a_witness_restored_from_a_backup_convicts_itself_by_its_times() {
    let (folder, witness) = holding(5);
    witness.0.kill();
    let state = folder.data().join("ledgers/log.example+a.state");
    let backup = fs::read(&state).unwrap();
    let witness = folder.start(&[]);
    let honest = witness.ask(&log(9).request(5, 9));
    let first = cosigned(&folder.vkey, &log(9).checkpoint(9), &honest.text());
    witness.0.kill();
    fs::write(&state, backup).unwrap();
    let witness = folder.start(&[]);
    let fork = Log::forked(9, 7, "fork");
    let again = witness.ask(&fork.request(5, 9));
    assert_eq!(again.status, 200);
    let second = cosigned(&folder.vkey, &fork.checkpoint(9), &again.text());
    // two lines by one key over two roots of one size, each of which anyone verifies
    assert_ne!(log(9).text(9), fork.text(9));
    assert!(second >= first);
}

#[test]
fn keys_and_folders_are_not_mixed_up() {
    let (folder, witness) = holding(5);
    witness.0.kill();
    let other = WitnessFolder::new("example.org/other");
    let key = other.path("key.pem");
    let said = folder.refused(&["run", "--witness-key", key.to_str().unwrap()]);
    assert!(said.contains("another key"), "{said}");
    other.follow(&log(0));
    let state = "ledgers/log.example+a.state";
    fs::copy(folder.data().join(state), other.data().join(state)).unwrap();
    let said = other.refused(&["run", "--witness-key", key.to_str().unwrap()]);
    assert!(said.contains("another witness"), "{said}");
    assert!(folder.refused(&["init", "--name", "example.org/x"]).contains("already"));
    let key = folder.path("key.pem");
    let start = ["run", "--witness-key", key.to_str().unwrap(), "--listen", "0.0.0.0:0"];
    assert!(folder.refused(&start).contains("no tls"));
}
