//! Clients that are slow, greedy or gone; a store that fails.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use countersign_ledger::hash::{EventHash, FileHash, NodeHash};
use countersign_ledger::id::{Author, CaseId, Seq, StreamId, TreeSize};
use countersign_ledger::store::memory::MemoryStore;
use countersign_ledger::store::testing::{Fault, FaultyStore};
use countersign_ledger::store::{Batch, Head, Store, StoreError, StreamHead};

use super::{Ended, JSON, Limits, NDJSON, Served, dispatched, read_answer, request};

fn short() -> Limits {
    Limits {
        headers: Duration::from_millis(500),
        pause: Duration::from_millis(500),
        body: Duration::from_secs(2),
        stalled_write: Duration::from_secs(1),
        connections: 8,
        ..Limits::default()
    }
}

fn served(limits: Limits) -> Served {
    Served::with(limits, Arc::new(MemoryStore::new()))
}

#[test]
fn slow_headers_end_the_connection() {
    let served = served(short());
    let mut stream = served.connect();
    let began = Instant::now();
    let mut rest = Vec::new();
    for byte in b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: " {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = stream.read_to_end(&mut rest);
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    // an idle connection ends too
    let (began, mut idle) = (Instant::now(), served.connect());
    assert_eq!(idle.read(&mut [0; 16]).unwrap(), 0);
    assert!(began.elapsed() < Duration::from_secs(10));
    // and one that is kept alive after a request
    let (began, mut kept) = (Instant::now(), served.connect());
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut rest = Vec::new();
    kept.read_to_end(&mut rest).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10) && rest.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn slow_bodies_are_told() {
    let served = served(short());
    let envelope = dispatched(&served, "consignment/a");
    let mut stream = served.connect();
    stream.write_all(&request("POST", "/v1/events", &[("content-type", JSON)], Some(envelope.len()))).unwrap();
    stream.write_all(&envelope.as_bytes()[..100]).unwrap();
    read_answer(&mut stream, false).problem(408, "timeout");

    // never pausing for long does not help: there is a slowest rate
    let limits = Limits { bytes_per_second: 1 << 20, ..short() };
    let served = self::served(limits);
    let mut stream = served.connect();
    stream.write_all(&request("POST", "/v1/events", &[("content-type", JSON)], Some(10_000))).unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) && stream.write_all(b" ").is_ok() {
        std::thread::sleep(Duration::from_millis(200));
        stream.set_nonblocking(true).unwrap();
        let answered = stream.peek(&mut [0; 1]).is_ok();
        stream.set_nonblocking(false).unwrap();
        if answered {
            break;
        }
    }
    assert!(began.elapsed() < Duration::from_secs(6));
    read_answer(&mut stream, false).problem(408, "timeout");

    let mut stream = served.connect();
    stream.write_all(&request("POST", "/v1/events", &[("content-type", NDJSON)], Some(10_000))).unwrap();
    stream.write_all(format!("{envelope}\n{{").as_bytes()).unwrap();
    let results = read_answer(&mut stream, false).lines();
    assert_eq!(results.len(), 2);
    assert_eq!(results[1]["problem"]["code"], "timeout");
    assert_eq!(results[1]["line"], 2);
}

#[test]
fn long_bodies_are_told() {
    let served = Served::new();
    let size = served.size();
    let long = vec![b' '; (1 << 20) + 1];
    served.post(JSON, &long).problem(413, "too_large");
    let mut stream = served.connect();
    let head = request("POST", "/v1/events", &[("content-type", JSON), ("transfer-encoding", "chunked")], None);
    stream.write_all(&head).unwrap();
    for _ in 0..3 {
        stream.write_all(b"80000\r\n").unwrap();
        stream.write_all(&long[..0x80000]).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    read_answer(&mut stream, false).problem(413, "too_large");
    let mut stream = served.connect();
    stream.write_all(&request("POST", "/v1/events", &[("content-type", JSON)], Some(usize::MAX / 2))).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("201"));
    // what is not HTTP is not answered as if it were
    for bad in
        ["GET\r\n\r\n", "\0\0\0\0", "GET / HTTP/9.9\r\n\r\n", "POST /v1/events HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
    {
        let mut stream = served.connect();
        stream.write_all(bad.as_bytes()).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP/1.1 2"), "{bad:?}");
    }
    // the end of the connection may overtake the answer, 431, but no more is read
    let mut stream = served.connect();
    let long = "a".repeat(1 << 20);
    let _ = stream.write_all(&request("GET", "/healthz", &[("x-long", &long)], None));
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(served.size(), size);
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn a_client_that_never_reads_is_let_go() {
    let served = served(short());
    let lines: Vec<String> = (0..200).map(|n| dispatched(&served, &format!("consignment/{n}"))).collect();
    served.post(NDJSON, lines.join("\n").as_bytes());
    let mut stream = served.connect();
    // far more than sockets hold, asked for in a pipeline
    let ask = request("GET", "/v1/entries", &[], None);
    let ask = String::from_utf8(ask).unwrap().replace("connection: close\r\n", "").repeat(200);
    stream.write_all(ask.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let whole = served.get("/v1/entries").body.len() * 200;
    assert!(bytes.len() < whole, "the connection was ended before everything was sent");
}

#[test]
fn only_so_many_connections_are_open_at_once() {
    let limits = Limits { headers: Duration::from_secs(30), ..short() };
    let served = served(limits);
    let held: Vec<_> = (0..8).map(|_| served.connect()).collect();
    std::thread::sleep(Duration::from_millis(300));
    let mut more = served.connect();
    let _ = more.write_all(&request("GET", "/healthz", &[], None));
    assert_eq!(more.read(&mut [0; 16]).unwrap_or(0), 0, "one more is closed unanswered");
    drop(held);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn when_the_store_fails_the_server_says_so_and_ends() {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let limits = Limits { failed: Duration::from_secs(1), ..Limits::default() };
    let mut served = Served::with(limits, Arc::clone(&store) as _);
    let lines: Vec<String> = (0..50).map(|n| dispatched(&served, &format!("consignment/{n}"))).collect();
    assert_eq!(served.post(JSON, lines[0].as_bytes()).status, 201);
    store.fail_after(0, Fault::Before);
    let answer = served.post(JSON, lines[1].as_bytes());
    let problem = answer.problem(503, "stopped");
    assert!(problem["detail"].as_str().unwrap().contains("nothing is recorded any more"));
    let began = Instant::now();
    let ended = served.ended();
    assert!(matches!(ended, Ended::Failed(_)), "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "promptly");
    assert_eq!(served.size(), 6, "nothing more was acknowledged");
}

/// A store of which commits wait until they may go on.
struct Gate {
    inner: MemoryStore,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, open: bool) {
        *self.open.lock().unwrap() = open;
        self.opened.notify_all();
    }
}

impl Store for Gate {
    fn head(&self) -> Result<Option<Head>, StoreError> {
        self.inner.head()
    }
    fn lines(&self, from: Seq, limit: usize, max_bytes: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        self.inner.lines(from, limit, max_bytes)
    }
    fn seq_of_event(&self, event: &EventHash) -> Result<Option<Seq>, StoreError> {
        self.inner.seq_of_event(event)
    }
    fn seq_of_id(&self, author: &Author, id: &uuid::Uuid) -> Result<Option<Seq>, StoreError> {
        self.inner.seq_of_id(author, id)
    }
    fn stream_head(&self, stream: &StreamId) -> Result<Option<StreamHead>, StoreError> {
        self.inner.stream_head(stream)
    }
    fn stream_seqs(&self, stream: &StreamId, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        self.inner.stream_seqs(stream, from, limit)
    }
    fn case_seqs(&self, case: Option<&CaseId>, ty: Option<&str>) -> Result<Vec<Seq>, StoreError> {
        self.inner.case_seqs(case, ty)
    }
    fn each_stream(&self, visit: &mut dyn FnMut(&StreamId, &[Seq], EventHash)) -> Result<(), StoreError> {
        self.inner.each_stream(visit)
    }
    fn authority_seqs(&self, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        self.inner.authority_seqs(from, limit)
    }
    fn evidence_seqs(&self, file: &FileHash, from: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        self.inner.evidence_seqs(file, from, limit)
    }
    fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<NodeHash>>, StoreError> {
        self.inner.tile(level, index)
    }
    fn disclosures(&self, seq: Seq) -> Result<Vec<String>, StoreError> {
        self.inner.disclosures(seq)
    }
    fn next_disclosures(&self, from: Seq, end: Seq) -> Result<Option<(Seq, Vec<String>)>, StoreError> {
        self.inner.next_disclosures(from, end)
    }
    fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.inner.disk_bytes()
    }
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
        self.inner.commit(batch)
    }
    fn size_ahead(&self) -> Result<TreeSize, StoreError> {
        self.inner.size_ahead()
    }
    fn with_ahead(&self) -> Arc<dyn Store> {
        self.inner.with_ahead()
    }
    fn discard_ahead(&self) -> Result<(), StoreError> {
        self.inner.discard_ahead()
    }
    fn proposal(&self, event: &EventHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.proposal(event)
    }
    fn proposals(&self, after: Option<&EventHash>, limit: usize) -> Result<Vec<(EventHash, Vec<u8>)>, StoreError> {
        self.inner.proposals(after, limit)
    }
    fn write_proposals(&self, changes: &[(EventHash, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        self.inner.write_proposals(changes)
    }
}

#[test]
fn a_full_queue_is_told_to_single_events_and_waited_for_by_batches() {
    let gate = Arc::new(Gate { inner: MemoryStore::new(), open: Mutex::new(true), opened: Condvar::new() });
    let served = Served::with_queue(Limits::default(), Arc::clone(&gate) as _, 4);
    let lines: Vec<String> = (0..40).map(|n| dispatched(&served, &format!("consignment/{n}"))).collect();
    gate.set(false);
    std::thread::scope(|scope| {
        let batch = scope.spawn(|| served.post(NDJSON, lines[..30].join("\n").as_bytes()));
        // one is with the committer, up to four wait; those that find no place are told so
        let singles: Vec<_> =
            lines[30..].iter().map(|line| scope.spawn(|| served.post(JSON, line.as_bytes()))).collect();
        std::thread::sleep(Duration::from_secs(2));
        let done = singles.iter().filter(|single| single.is_finished()).count();
        assert!(done >= 1, "some were told at once");
        gate.set(true);
        let mut busy = 0;
        for single in singles {
            let answer = single.join().unwrap();
            if answer.status != 201 {
                answer.problem(503, "busy");
                assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
                busy += 1;
            }
        }
        assert!(busy >= done);
        let results = batch.join().unwrap().lines();
        assert!(results.iter().all(|line| line["status"] == 201), "{results:?}");
        assert_eq!(served.size(), 5 + 30 + 10 - busy as u64);
    });
}
