//! The server over real sockets: each test starts one on a free port and speaks HTTP to it.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_ledger::append::{Ledger, OpenOptions, Parts};
use countersign_ledger::envelope::Envelope;
use countersign_ledger::keys::SigningKey;
use countersign_ledger::store::Store;
use countersign_ledger::store::memory::MemoryStore;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{App, Ended, EvidenceFolder, Limits, MeasuredStore, Metrics, SealOptions, Sealing, serve};

mod batches;
mod bounds;
mod durable;
mod evidence;
mod listen;
mod races;
mod refusals;
mod resources;
mod seals;
#[path = "../../../ledger/tests/support/mod.rs"]
mod support;

mod views;

use support::{Draft, World, draft, key};

pub(super) const CASE: Option<&str> = Some("us-dsca.x1");

/// A server, its ledger, and its thread.
pub(super) struct Served {
    pub(super) world: World,
    pub(super) address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<Ended>>,
    pub(super) evidence: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.text()))
    }

    /// Every line of a streamed answer.
    pub(super) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Checks that this is a problem as every problem is, and returns it.
    pub(super) fn problem(&self, status: u16, code: &str) -> Value {
        let shown = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{shown}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{shown}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{shown}");
        assert_eq!(problem["status"], status, "{shown}");
        assert_eq!(problem["type"], "about:blank");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{shown}");
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{shown}");
        problem
    }
}

impl Served {
    /// A ledger in memory with three parties and a case.
    pub(super) fn new() -> Self {
        Self::with(Limits::default(), Arc::new(MemoryStore::new()))
    }

    pub(super) fn with(limits: Limits, store: Arc<dyn Store>) -> Self {
        Self::with_queue(limits, store, 1_024)
    }

    pub(super) fn with_queue(limits: Limits, store: Arc<dyn Store>, queue: usize) -> Self {
        let metrics = Metrics::new().unwrap();
        let store: Arc<dyn Store> = Arc::new(MeasuredStore::new(store, metrics.clone()));
        let mut world = World::on(Arc::clone(&store));
        world.enroll("us-dsca", &["donor"]);
        world.enroll("xa-mod", &["recipient", "custodian"]);
        world.enroll("eu-obs", &["inspector", "oversight"]);
        world.open_case("us-dsca.x1");
        if queue != 1_024 {
            world.ledger.shutdown();
            let parts = Parts { queue, ..support::parts(store, world.clock.clone()) };
            world.ledger = Ledger::open(parts, OpenOptions::default()).unwrap();
        }
        Self::serve(world, limits, metrics, queue, None)
    }

    /// As [`Served::new`], with a party `ops` that operates, by whose key the server seals.
    pub(super) fn sealing(every: Duration, gap: Duration) -> Self {
        let metrics = Metrics::new().unwrap();
        let world = World::with_case();
        world.enroll("ops", &["operator"]);
        let seal = SealOptions { key: Arc::new(key("ops/0")), every, gap };
        Self::serve(world, Limits::default(), metrics, 1_024, Some(seal))
    }

    pub(super) fn serve(
        world: World,
        limits: Limits,
        metrics: Metrics,
        queue: usize,
        seal: Option<SealOptions>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (ledger, stopped) = (world.ledger.clone(), stop.clone());
        let evidence = tempfile::tempdir().unwrap();
        let kept = EvidenceFolder::open(evidence.path(), 1 << 20).unwrap();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            let app = App::new(ledger, metrics, limits, queue);
            app.keep_evidence(kept);
            if let Some(seal) = seal {
                app.make_seals(Sealing::new(seal, &app.ledger).unwrap());
            }
            let ended = runtime.block_on(serve(app, listener, None, stopped.cancelled_owned())).unwrap();
            runtime.shutdown_timeout(Duration::from_secs(1));
            ended
        });
        Self { world, address, stop, thread: Some(thread), evidence }
    }

    /// Tells the server to stop.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the end of the server.
    pub(super) fn ended(&mut self) -> Ended {
        self.thread.take().unwrap().join().unwrap()
    }

    pub(super) fn size(&self) -> u64 {
        self.world.ledger.head().size.0
    }

    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub(super) fn post(&self, content_type: &str, body: &[u8]) -> Answer {
        self.ask("POST", "/v1/events", &[("content-type", content_type)], body)
    }

    pub(super) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(&request(method, path, headers, Some(body.len()))).unwrap();
        // a server that has seen enough may have closed its side
        let _ = stream.write_all(body);
        read_answer(&mut stream, method == "HEAD")
    }

    /// Signs a draft as it stands now.
    pub(super) fn envelope(&self, draft: &Draft, keys: &[&str]) -> Envelope {
        sign(&self.world.payload(draft), keys)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(super) fn request(method: &str, path: &str, headers: &[(&str, &str)], length: Option<usize>) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: ledger.example\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(length) = length {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Reads an answer to the end of the connection.
pub(super) fn read_answer(stream: &mut TcpStream, head_only: bool) -> Answer {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        panic!("{error} after {:?}", String::from_utf8_lossy(&bytes));
    }
    parse_answer(&bytes, head_only)
}

pub(super) fn parse_answer(bytes: &[u8], head_only: bool) -> Answer {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: bytes[end + 4..].to_vec() };
    if answer.header("transfer-encoding") == Some("chunked") && !head_only {
        answer.body = dechunk(&answer.body);
    }
    answer
}

/// Joins chunks; the last one must be there.
fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n").expect("a chunk size");
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        rest = &rest[line + 2..];
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

pub(super) fn sign(payload: &Value, keys: &[&str]) -> Envelope {
    let keys: Vec<SigningKey> = keys.iter().map(|name| key(name)).collect();
    let keys: Vec<&SigningKey> = keys.iter().collect();
    Envelope::sign(payload.to_string().into_bytes(), &keys).unwrap()
}

pub(super) fn dispatch(subject: &str) -> Draft {
    draft("transfer.dispatched", subject, CASE, "us-dsca", support::dispatch_body())
}

/// An envelope for `/v1/events` of a dispatch signed by the donor.
pub(super) fn dispatched(served: &Served, subject: &str) -> String {
    served.envelope(&dispatch(subject), &["us-dsca/0"]).canonical()
}

pub(super) const JSON: &str = "application/json";
pub(super) const NDJSON: &str = "application/x-ndjson";

/// Changes one member of a payload.
pub(super) fn changed(payload: &Value, member: &str, value: Value) -> Value {
    let mut changed = payload.clone();
    changed[member] = value;
    changed
}

#[test]
fn answers_and_stops() {
    let mut served = Served::new();
    assert_eq!(served.get("/healthz").json(), json!({ "status": "ok" }));
    assert_eq!(served.get("/readyz").json(), json!({ "status": "ok" }));
    served.stop();
    assert_eq!(served.ended(), Ended::Stopped);
    assert!(TcpStream::connect(served.address).is_err());
}
