//! Crashes: what was acknowledged is never lost, and nothing stands twice.
//!
//! A commit has steps (ledger/src/append/committer.rs): the store's synced write, the high-water mark, the answer. The
//! table below has a crash at each of them, persisted or not, and what must hold after a restart. Then a real server is
//! killed at random points of batches that are sent to it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_ledger::append::{Ledger, LedgerState, OpenError, OpenOptions, Recorded, SubmitError};
use countersign_ledger::high_water::HighWater;
use countersign_ledger::id::Seq;
use countersign_ledger::store::memory::MemoryStore;
use countersign_ledger::store::testing::{Fault, FaultyStore};
use countersign_ledger::submission::Submission;
use countersign_ledger::time::{Clock, Time};
use countersign_tests::harness::people::dispatch_body;
use countersign_tests::harness::world::{self, World};
use countersign_tests::harness::{DataFolder, Draft, Server, binaries, draft, verify};
use serde_json::{Value, json};

const CASE: &str = "us-dsca.x1";

fn dispatch(n: usize) -> Draft {
    draft("transfer.dispatched", &format!("consignment/2026-{n:04}"), Some(CASE), "us-dsca", dispatch_body())
}

/// Where a commit breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The store's write fails and leaves nothing: a full disk.
    StoreRefuses,
    /// The store's write is durable, and the committer does not learn of it: a power cut behind it.
    StoreIsSilent,
    /// The store has it, the high-water mark could not be written.
    MarkRefuses,
}

/// A crash, and what must hold after it.
struct Row {
    step: Step,
    /// Whether the event stands after the restart.
    stands: bool,
}

const TABLE: [Row; 3] = [
    Row { step: Step::StoreRefuses, stands: false },
    Row { step: Step::StoreIsSilent, stands: true },
    Row { step: Step::MarkRefuses, stands: true },
];

/// A high-water file in memory, of which writes can be made to fail: by the kernel, so that the code that runs is that
/// which always does.
struct Mark(std::fs::File);

impl Mark {
    fn new() -> (Self, HighWater) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("high-water");
        drop(HighWater::create(&path).unwrap());
        let memory = rustix::fs::memfd_create("high-water", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap();
        std::fs::write(proc_path(&memory), std::fs::read(path).unwrap()).unwrap();
        let mark = Self(memory.into());
        let high_water = mark.open();
        (mark, high_water)
    }

    fn open(&self) -> HighWater {
        HighWater::open(&proc_path(&self.0)).unwrap()
    }

    /// Lets no write through from here on.
    fn seal(&self) {
        rustix::fs::fcntl_add_seals(&self.0, rustix::fs::SealFlags::WRITE).unwrap();
    }

    /// The same bytes, in a file that can be written again.
    fn mended(&self) -> (Self, HighWater) {
        let memory = rustix::fs::memfd_create("high-water", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap();
        std::fs::write(proc_path(&memory), std::fs::read(proc_path(&self.0)).unwrap()).unwrap();
        let mark = Self(memory.into());
        let high_water = mark.open();
        (mark, high_water)
    }
}

fn proc_path(file: &impl std::os::fd::AsRawFd) -> std::path::PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// A ledger whose store and mark fail when told to.
struct Frail {
    world: World,
    store: Arc<FaultyStore<MemoryStore>>,
    mark: Mark,
}

impl Frail {
    fn new() -> Self {
        let (mark, high_water) = Mark::new();
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        let world = World::on(store.clone(), Some(high_water), &json!({}));
        world.found();
        Self { world, store, mark }
    }

    /// Starts the process again.
    fn restarted(self) -> Self {
        let Self { world, store, mark } = self;
        world.ledger.shutdown();
        store.restart();
        let (mark, high_water) = mark.mended();
        let parts = world::parts(store.clone(), world.clock.clone(), Some(high_water), &["log"]);
        let ledger = Ledger::open(parts, OpenOptions::default()).unwrap();
        Self { world: World { ledger, ..world }, store, mark }
    }

    fn verify(&self) -> u64 {
        verify(&self.world.bundle(), &self.world.ledger.id().to_string()).assert_verified()
    }
}

#[test]
fn a_commit_that_breaks_off_stands_whole_or_not_at_all() {
    for Row { step, stands } in TABLE {
        let frail = Frail::new();
        let kept = frail.world.say(&dispatch(1), &["us-dsca/0"]);
        let head = frail.world.ledger.head();
        let broken = frail.world.submission(&dispatch(2), &["us-dsca/0"]);
        match step {
            Step::StoreRefuses => frail.store.fail_after(0, Fault::Before),
            Step::StoreIsSilent => frail.store.fail_after(0, Fault::After),
            Step::MarkRefuses => frail.mark.seal(),
        }

        // Nothing is acknowledged, readers see what was there before, and nothing more is taken.
        let told = frail.world.ledger.submit(broken.clone());
        assert!(matches!(told, Err(SubmitError::Stopped { .. })), "{step:?}: {told:?}");
        assert_eq!(frail.world.ledger.head(), head, "{step:?}");
        assert!(matches!(frail.world.ledger.state(), LedgerState::Failed(_)), "{step:?}");
        let more = frail.world.try_say(&dispatch(3), &["us-dsca/0"]);
        assert!(matches!(more, Err(SubmitError::Stopped { .. })), "{step:?}: {more:?}");

        // After a restart the event stands whole or not at all; sent again, it stands once.
        let frail = frail.restarted();
        assert_eq!(frail.world.ledger.head().size.0, head.size.0 + u64::from(stands), "{step:?}");
        assert_eq!(frail.verify(), head.size.0 + u64::from(stands), "{step:?}");
        let again = frail.world.ledger.submit(broken).unwrap();
        assert_eq!((again.repeated, again.seq.0), (stands, head.size.0), "{step:?}");
        again.receipt.verify_inclusion().unwrap();
        assert_eq!(frail.verify(), head.size.0 + 1, "{step:?}");
        assert_stands(&frail.world, &kept);

        // What was acknowledged since is known after one more restart, by the mark too.
        let frail = frail.restarted();
        assert_eq!(frail.world.ledger.head().size.0, head.size.0 + 1, "{step:?}");
    }
}

/// Asserts that an event stands where its receipt says, byte for byte, and that the receipt is good still.
fn assert_stands(world: &World, recorded: &Recorded) {
    recorded.receipt.verify_inclusion().unwrap();
    let lines = world.store.lines(recorded.seq, 1, 1).unwrap();
    assert_eq!(lines, [recorded.receipt.entry().as_bytes()]);
}

/// A clock that breaks.
struct Broken(Arc<world::Hands>, AtomicBool);

impl Clock for Broken {
    fn now(&self) -> Time {
        assert!(!self.1.load(Ordering::SeqCst), "the clock is broken, as the test wants");
        self.0.now()
    }
}

#[test]
fn a_committer_that_panics_has_failed() {
    let world = World::with_case();
    world.ledger.shutdown();
    let clock = Arc::new(Broken(world.clock.clone(), AtomicBool::new(false)));
    let parts = world::parts(world.store.clone(), clock.clone(), None, &["log"]);
    let world = World { ledger: Ledger::open(parts, OpenOptions::default()).unwrap(), ..world };
    world.say(&dispatch(1), &["us-dsca/0"]);
    let head = world.ledger.head();
    clock.1.store(true, Ordering::SeqCst);
    let told = world.try_say(&dispatch(2), &["us-dsca/0"]);
    assert!(matches!(told, Err(SubmitError::Stopped { .. })), "{told:?}");
    world.ledger.shutdown();
    assert!(matches!(world.ledger.state(), LedgerState::Failed(_)), "{:?}", world.ledger.state());
    assert_eq!((world.ledger.head(), world.store.head().unwrap()), (head.clone(), Some(head)));
}

/// Events that queued together share a commit; whichever of them it is that fails, the same holds.
#[test]
fn commits_of_many_break_off_as_those_of_one() {
    for commits in 0..6 {
        for fault in [Fault::Before, Fault::After] {
            let frail = Frail::new();
            let size = frail.world.ledger.head().size.0;
            let submissions: Vec<Submission> =
                (0..64).map(|n| frail.world.submission(&dispatch(n), &["us-dsca/0"])).collect();
            frail.store.fail_after(commits, fault);
            let told: Vec<Result<Recorded, SubmitError>> = std::thread::scope(|scope| {
                let clients: Vec<_> = submissions
                    .chunks(8)
                    .map(|own| {
                        let ledger = &frail.world.ledger;
                        scope.spawn(move || own.iter().map(|one| ledger.submit(one.clone())).collect::<Vec<_>>())
                    })
                    .collect();
                clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
            });
            assert!(told.iter().any(Result::is_err), "a commit was to fail");
            assert!(told.iter().all(|one| matches!(one, Ok(_) | Err(SubmitError::Stopped { .. }))), "{told:?}");

            let frail = frail.restarted();
            let acknowledged: Vec<&Recorded> = told.iter().flatten().collect();
            acknowledged.iter().for_each(|recorded| assert_stands(&frail.world, recorded));
            let stored = frail.verify() - size;
            match fault {
                Fault::Before => assert_eq!(stored, acknowledged.len() as u64),
                Fault::After => assert!(stored > acknowledged.len() as u64),
            }
            let again: Vec<Recorded> = submissions.into_iter().map(|s| frail.world.ledger.submit(s).unwrap()).collect();
            assert_eq!(again.iter().filter(|one| one.repeated).count() as u64, stored);
            assert_eq!(frail.verify(), size + 64);
        }
    }
}

/// A ledger that knows what it acknowledged does not start on less, nor on something else.
#[test]
fn a_store_behind_the_mark_or_beside_it_is_refused() {
    let frail = Frail::new();
    let store = |upto: u64| {
        // The same submissions at the same times give the same bytes: an older copy of the store.
        let copy = Arc::new(MemoryStore::new());
        let lines = frail.world.store.lines(Seq(0), usize::MAX, usize::MAX).unwrap();
        let mut submissions = lines.iter().take(usize::try_from(upto).unwrap()).map(|line| {
            let entry: Value = serde_json::from_slice(line).unwrap();
            Submission::parse(entry["envelope"].to_string().as_bytes()).unwrap()
        });
        let parts = world::parts(copy.clone(), world::Hands::new(), None, &["log"]);
        let ledger = Ledger::create(parts, submissions.next().unwrap()).unwrap();
        submissions.for_each(|submission| drop(ledger.submit(submission).unwrap()));
        copy
    };
    let open = |store: Arc<MemoryStore>| {
        let (_, high_water) = frail.mark.mended();
        Ledger::open(world::parts(store, world::Hands::new(), Some(high_water), &["log"]), OpenOptions::default())
    };
    frail.world.say(&dispatch(1), &["us-dsca/0"]);
    frail.world.ledger.shutdown();

    // The same, and one that is ahead of the mark: a crash between the two.
    assert_eq!(open(store(6)).unwrap().head(), frail.world.ledger.head());
    // One behind: a copy of yesterday was put back.
    match open(store(5)) {
        Err(OpenError::RolledBack { size, acknowledged }) => assert_eq!((size.0, acknowledged.0), (5, 6)),
        other => panic!("{other:?}"),
    }
    // As long, but another history.
    let beside = store(5);
    let parts = world::parts(beside.clone(), world::Hands::new(), None, &["log"]);
    let other = World {
        ledger: Ledger::open(parts, OpenOptions::default()).unwrap(),
        store: beside.clone(),
        clock: world::Hands::new(),
    };
    for n in [2, 3] {
        other.say(&dispatch(n), &["us-dsca/0"]);
        match open(beside.clone()) {
            Err(OpenError::Forked { size }) => assert_eq!(size.0, 6),
            other => panic!("{other:?}"),
        }
    }
    // Nothing at all: entry 0 was acknowledged.
    let (_, high_water) = frail.mark.mended();
    let parts = world::parts(Arc::new(MemoryStore::new()), world::Hands::new(), Some(high_water), &["log"]);
    assert!(matches!(Ledger::create(parts, world::genesis(&json!({}))), Err(OpenError::RolledBack { .. })));
}

/// A sequence of numbers that looks random and is the same in every run, unless `COUNTERSIGN_SEED` says another.
struct Numbers(u64);

impl Numbers {
    fn new() -> Self {
        Self(std::env::var("COUNTERSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_120))
    }

    fn below(&mut self, end: u64) -> u64 {
        // SplitMix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

const KILLS: usize = 20;
const BATCH: usize = 200;

/// What the server acknowledged of a batch: for each event, its entry's number and line.
fn acknowledged(results: &[Value]) -> BTreeMap<String, (u64, String)> {
    let good = results.iter().filter(|result| matches!(result["status"].as_u64(), Some(200 | 201)));
    good.map(|result| {
        let event = result["event"].as_str().unwrap().to_owned();
        (event, (result["seq"].as_u64().unwrap(), result["receipt"]["entry"].as_str().unwrap().to_owned()))
    })
    .collect()
}

/// The size of the server's durable head.
fn size(server: &Server) -> u64 {
    let checkpoint = server.http.get("/v1/checkpoint").unwrap().text();
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

/// Asks until so much is durable, or nothing more comes.
fn wait_for(server: &Server, target: u64, mut is_over: impl FnMut() -> bool) {
    while size(server) < target && !is_over() {
        // Nothing rests on how long this is; without it, asking takes the processor from the server.
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn a_server_killed_in_the_middle_of_batches_loses_and_doubles_nothing() {
    let folder = DataFolder::new();
    let mut numbers = Numbers::new();
    let mut server = Server::start(folder.serve());
    server.found();
    let base = size(&server);
    let mut all = BTreeMap::new();
    let mut cut_short = 0;
    for kill in 0..KILLS {
        let lines: Vec<u8> = (0..BATCH)
            .flat_map(|n| {
                let payload =
                    dispatch(kill * BATCH + n).payload(&json!(server.ledger), &Value::Null, "2026-09-21T14:00:00Z");
                format!("{}\n", countersign_tests::harness::draft::sign(&payload, &["us-dsca/0"]).canonical())
                    .into_bytes()
            })
            .collect();
        // The batch is under way; the process is killed once so many of it are durable.
        let start = size(&server);
        let target = start + numbers.below(BATCH as u64);
        let (http, sent) = (server.http.clone(), lines.clone());
        let client = std::thread::spawn(move || http.post_batch(&sent));
        wait_for(&server, target, || client.is_finished());
        server.kill();
        let before = acknowledged(&client.join().unwrap());
        cut_short += usize::from(before.len() < BATCH);

        server = Server::start(folder.serve());
        let stored = size(&server) - start;
        assert!(stored >= before.len() as u64, "{} were acknowledged, {stored} are stored", before.len());
        let results = server.http.post_batch(&lines);
        let repeated = results.iter().filter(|result| result["status"] == 200).count();
        assert_eq!((results.len(), repeated as u64), (BATCH, stored), "kill {kill}");
        let after = acknowledged(&results);
        assert_eq!(after.len(), BATCH, "kill {kill}: {results:?}");
        for (event, entry) in &before {
            assert_eq!(after.get(event), Some(entry), "kill {kill}: event {event} was acknowledged");
        }
        all.extend(after);
    }
    println!("{cut_short} of {KILLS} batches were cut short");
    assert!(cut_short > 0, "no batch was cut short");

    let bundle = server.bundle();
    let entries = verify(&bundle, &server.ledger).assert_verified();
    assert_eq!(entries, base + (KILLS * BATCH) as u64, "every event stands once");
    let bundle = String::from_utf8(bundle).unwrap();
    let lines: Vec<&str> = bundle.lines().skip(1).collect();
    for (seq, entry) in all.values() {
        assert_eq!(lines[usize::try_from(*seq).unwrap()], entry);
    }
    let (status, log) = server.stop();
    assert!(status.success(), "{status}\n{log}");
}

const MAP: &str = r#"
kind = "transfer.dispatched"
author = "us-dsca"
key = "{No}"
subject = "consignment/{No|id}"
case = "us-dsca.x1"
occurred = { date = "{Date|date}" }
[input]
dates = ["%Y-%m-%d"]
[body]
document_number = "W1A2B360000001"
[[body.lines]]
line = "1"
nomenclature = "{Name}"
quantity = "{Quantity|number}"
unit = "EA"
"#;

const ROWS: u64 = 16_000;

/// One import, under which the server is killed twenty times and started again at the same address.
#[test]
fn an_import_goes_on_when_its_server_is_killed() {
    let folder = DataFolder::new();
    let mut numbers = Numbers::new();
    // A loopback address of its own: nobody else takes the port while the server is down.
    let mut server = Server::start(folder.serve_at("127.66.0.1:0"));
    server.found();
    let base = size(&server);
    let mut csv = "No,Date,Name,Quantity\n".to_owned();
    (0..ROWS).for_each(|n| writeln!(csv, "W-{n:05},2026-09-01,Radio set,{}", n % 7 + 1).unwrap());
    std::fs::write(folder.beside("rows.csv"), csv).unwrap();
    std::fs::write(folder.beside("map.toml"), MAP).unwrap();
    let import = |server: &Server, results: &str| {
        let mut import = Command::new(binaries::countersign());
        import.args(["import", "--json", "--yes", "--server", &server.url, "--ledger", &server.ledger]);
        import.arg(folder.beside("rows.csv")).arg("--map").arg(folder.beside("map.toml"));
        import.arg("--results").arg(folder.beside(results)).arg("--key").arg(folder.key_file("us-dsca/0"));
        import.env("XDG_STATE_HOME", folder.beside("state"));
        import.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        import.spawn().unwrap()
    };
    let mut first = import(&server, "first.csv");
    let address = server.url.trim_start_matches("http://").to_owned();
    let mut killed_under_way = 0;
    for _ in 0..KILLS {
        // Each time something more is durable, or the import would see no progress and give up in the end.
        let point = size(&server) + 1 + numbers.below(600);
        wait_for(&server, point, || first.try_wait().unwrap().is_some());
        killed_under_way += usize::from(size(&server) < base + ROWS);
        server.kill();
        server = Server::start(folder.serve_at(&address));
    }
    println!("{killed_under_way} of {KILLS} kills while the import was under way");
    assert!(killed_under_way > KILLS / 2, "the import was over before most kills");
    let output = first.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let recorded = report["appended"].as_u64().unwrap() + report["already"].as_u64().unwrap();
    assert_eq!((&report["rows"], recorded), (&json!(ROWS), ROWS), "{report}");

    // Every row stands once, where the results say; imported again, nothing is added.
    let output = import(&server, "second.csv").wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["appended"], &report["already"]), (&json!(0), &json!(ROWS)), "{report}");
    let rows = |name: &str| -> BTreeMap<String, (String, String)> {
        let mut results = csv::Reader::from_path(folder.beside(name)).unwrap();
        let headers = results.headers().unwrap().clone();
        let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
        let (key, event, seq) = (column("key"), column("event"), column("seq"));
        let rows = results.records().map(|row| row.unwrap());
        rows.map(|row| (row[key].to_owned(), (row[event].to_owned(), row[seq].to_owned()))).collect()
    };
    let first = rows("first.csv");
    assert_eq!((first.len() as u64, &first), (ROWS, &rows("second.csv")));
    assert_eq!(verify(&server.bundle(), &server.ledger).assert_verified(), base + ROWS);
}
