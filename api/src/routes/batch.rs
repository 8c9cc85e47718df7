//! Batches: many submissions in one request, one a line; one result a line, in order, as they become durable.
//!
//! Four stages run at once, each at its own pace, joined by queues:
//!
//! 1. the reader cuts the body into lines. It waits for nothing else, so a client may send everything before it reads
//!    anything; what it reads ahead is bounded by the limits of a batch.
//! 2. lines are parsed and their signatures verified on all cores, a chunk at a time;
//! 3. they are handed to the committer in their order. A line signed by a key that no entry has introduced yet is tried
//!    again once all lines before it are recorded or refused, for one of them may introduce it;
//! 4. results are written in the same order.
//!
//! When the client goes away the stages end one after the other. What the committer has by then is recorded, and what it
//! has not is not; sending the batch again settles both.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use countersign_ledger::append::{Recorded, SubmitError};
use countersign_ledger::refusal::{Refusal, RefusalCode};
use countersign_ledger::submission::{Prepared, Submission};
use rayon::iter::{IntoParallelIterator as _, IntoParallelRefMutIterator as _, ParallelIterator as _};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::batch_lines::{self, Line};
use super::events::{Reply, enqueue, submit_problem};
use crate::problem::{Code, Problem};
use crate::server::{App, Incoming, RequestId, compute, declared_length, panicked, spawn, too_large};
use crate::wire::{BatchResult, MAX_BATCH, NDJSON};

/// The most lines, and about the most bytes, that are verified together.
const CHUNK: usize = 128;
const CHUNK_BYTES: usize = 1 << 20;
/// How many chunks are verified ahead of the committer.
const CHUNKS_AHEAD: usize = 2;
/// How many results may wait for those before them.
const RESULTS_AHEAD: usize = 1024;
/// How long a batch waits before it tries a full queue again.
const FULL_PAUSE: Duration = Duration::from_millis(20);
/// About how many bytes of results are sent together.
const PIECE: usize = 64 << 10;

/// Answers a batch.
///
/// # Errors
/// When it is declared too long, or too many batches are under way.
pub(super) async fn submit(
    app: App,
    id: &RequestId,
    headers: &HeaderMap,
    body: Body,
    check_head: bool,
) -> Result<Response, Problem> {
    if let Some(length) = declared_length(headers).filter(|length| *length > MAX_BATCH as u64) {
        Incoming::new(body, MAX_BATCH, &app.limits).drain().await;
        return Err(too_large(MAX_BATCH as u64, format!("{length} bytes")));
    }
    let place = tokio::time::timeout(app.limits.queue_wait, Arc::clone(&app.batches).acquire_owned()).await;
    let Ok(Ok(place)) = place else {
        Incoming::new(body, MAX_BATCH, &app.limits).drain().await;
        return Err(Problem::new(Code::Busy, "too many batches are under way").retry_after(5));
    };
    let (results, stream) = mpsc::channel(4);
    let incoming = Incoming::new(body, MAX_BATCH, &app.limits);
    let batch = Batch { app, id: id.as_str().to_owned(), check_head, progress: Arc::default() };
    tokio::spawn(batch.run(incoming, results, place));
    let body = Body::from_stream(ReceiverStream::new(stream).map(Ok::<_, std::convert::Infallible>));
    Ok(([(CONTENT_TYPE, NDJSON)], body).into_response())
}

struct Batch {
    app: App,
    id: String,
    check_head: bool,
    progress: Arc<Progress>,
}

/// How many lines the committer was given, and how many it is done with.
#[derive(Default)]
struct Progress {
    given: AtomicU64,
    done: AtomicU64,
    changed: Notify,
}

impl Progress {
    /// Waits until the committer is done with everything that it was given.
    async fn settled(&self) -> u64 {
        loop {
            let changed = self.changed.notified();
            let given = self.given.load(Ordering::Acquire);
            if self.done.load(Ordering::Acquire) == given {
                return given;
            }
            changed.await;
        }
    }
}

/// Counts a line as done when it is dropped: after its outcome was sent, whatever it was.
struct Ticket(Arc<Progress>);

impl Ticket {
    fn of(progress: &Arc<Progress>) -> Self {
        progress.given.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(progress))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.done.fetch_add(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}

/// A line that is verified, or refused.
struct Item {
    number: u64,
    line: Bytes,
    prepared: Result<Box<Prepared>, Problem>,
    /// Set when the line may be accepted once those before it are recorded: how many of them the committer was done
    /// with when it was refused.
    unknown_key_at: Option<u64>,
}

/// Lines under verification: their numbers, and where they will come out.
struct Chunk {
    numbers: Vec<u64>,
    items: oneshot::Receiver<Vec<Item>>,
}

enum Outcome {
    Known(Problem),
    Awaited { began: Instant, receiver: oneshot::Receiver<Result<Recorded, SubmitError>> },
}

struct Row {
    number: u64,
    outcome: Outcome,
}

impl Batch {
    async fn run(self, incoming: Incoming, results: mpsc::Sender<Bytes>, _place: OwnedSemaphorePermit) {
        let (lines, line_queue) = mpsc::unbounded_channel();
        let (chunks, chunk_queue) = mpsc::channel(CHUNKS_AHEAD);
        let (rows, row_queue) = mpsc::channel(RESULTS_AHEAD);
        tokio::join!(
            batch_lines::cut(incoming, lines),
            self.verify(line_queue, chunks),
            self.hand_over(chunk_queue, rows),
            self.write(row_queue, results),
        );
    }

    /// Stage 2.
    async fn verify(&self, mut lines: mpsc::UnboundedReceiver<Line>, chunks: mpsc::Sender<Chunk>) {
        while let Some(first) = lines.recv().await {
            let mut bytes = first.len();
            let mut chunk = vec![first];
            while chunk.len() < CHUNK && bytes < CHUNK_BYTES {
                let Ok(line) = lines.try_recv() else { break };
                bytes += line.len();
                chunk.push(line);
            }
            let numbers = chunk.iter().map(|line| line.number).collect();
            let (sender, items) = oneshot::channel();
            let (app, progress) = (self.app.clone(), Arc::clone(&self.progress));
            spawn(move || {
                let done = progress.done.load(Ordering::Acquire);
                let items = chunk.into_par_iter().map(|line| Item::of(&app, line, done)).collect();
                let _ = sender.send(items);
            });
            if chunks.send(Chunk { numbers, items }).await.is_err() {
                return;
            }
        }
    }

    /// Stage 3.
    async fn hand_over(&self, mut chunks: mpsc::Receiver<Chunk>, rows: mpsc::Sender<Row>) {
        while let Some(chunk) = chunks.recv().await {
            let Ok(items) = chunk.items.await else {
                for number in chunk.numbers {
                    if rows.send(Row { number, outcome: Outcome::Known(panicked()) }).await.is_err() {
                        return;
                    }
                }
                continue;
            };
            let mut items: VecDeque<Item> = items.into();
            while let Some(mut item) = items.pop_front() {
                if item.unknown_key_at.is_some_and(|at| at < self.progress.given.load(Ordering::Acquire)) {
                    items.push_front(item);
                    items = self.verify_again(items).await;
                    let Some(again) = items.pop_front() else { break };
                    item = again;
                }
                let number = item.number;
                let outcome = self.offer(item).await;
                if rows.send(Row { number, outcome }).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Verifies once more what was refused for want of a key, now that all lines before are settled.
    async fn verify_again(&self, items: VecDeque<Item>) -> VecDeque<Item> {
        let settled = self.progress.settled().await;
        let app = self.app.clone();
        let numbers: Vec<u64> = items.iter().map(|item| item.number).collect();
        let mut items = Vec::from(items);
        let again = compute(move || {
            items.par_iter_mut().filter(|item| item.unknown_key_at.is_some()).for_each(|item| {
                let line = Line { number: item.number, content: Ok(item.line.clone()) };
                *item = Item::of(&app, line, settled);
            });
            items
        });
        let lost = |number| Item::refused(number, panicked());
        again.await.unwrap_or_else(|_| numbers.into_iter().map(lost).collect()).into()
    }

    /// Hands one line to the committer, waiting for a place in its queue.
    async fn offer(&self, mut item: Item) -> Outcome {
        let until = Instant::now() + self.app.limits.queue_wait;
        loop {
            let prepared = match item.prepared {
                Ok(prepared) => *prepared,
                Err(problem) => return Outcome::Known(problem),
            };
            let window = tokio::select! {
                biased;
                () = self.app.stopping.cancelled() => return Outcome::Known(stopping()),
                window = Arc::clone(&self.app.window).acquire_owned() => window,
            };
            let began = Instant::now();
            let (reply, receiver) = Reply::channel();
            let held = (Ticket::of(&self.progress), window);
            match enqueue(&self.app.ledger, prepared, self.check_head, reply, held) {
                Ok(()) => return Outcome::Awaited { began, receiver },
                Err(SubmitError::Busy { .. }) if began < until => tokio::time::sleep(FULL_PAUSE).await,
                Err(error) => return Outcome::Known(submit_problem(error)),
            }
            // the queue was full of others' events, which is rare: what was prepared is gone, and prepared again
            let (app, number, line) = (self.app.clone(), item.number, item.line);
            let again = compute(move || Item::of(&app, Line { number, content: Ok(line) }, 0)).await;
            item = again.unwrap_or_else(|problem| Item::refused(number, problem));
        }
    }

    /// Stage 4.
    async fn write(&self, mut rows: mpsc::Receiver<Row>, results: mpsc::Sender<Bytes>) {
        let mut piece = Vec::with_capacity(PIECE);
        loop {
            let row = match rows.try_recv() {
                Ok(row) => row,
                Err(_) => {
                    if !flush(&mut piece, &results).await {
                        return;
                    }
                    let Some(row) = rows.recv().await else { return };
                    row
                }
            };
            let result = match row.outcome {
                Outcome::Known(problem) => Err(problem),
                Outcome::Awaited { began, mut receiver } => {
                    let outcome = match receiver.try_recv() {
                        Ok(outcome) => Ok(outcome),
                        Err(oneshot::error::TryRecvError::Closed) => Err(panicked()),
                        Err(oneshot::error::TryRecvError::Empty) => {
                            if !flush(&mut piece, &results).await {
                                return;
                            }
                            receiver.await.map_err(|_| panicked())
                        }
                    };
                    outcome.and_then(|outcome| outcome.map_err(submit_problem)).map(|recorded| (began, recorded))
                }
            };
            self.write_row(&mut piece, row.number, result);
            if piece.len() >= PIECE && !flush(&mut piece, &results).await {
                return;
            }
        }
    }

    fn write_row(&self, piece: &mut Vec<u8>, number: u64, result: Result<(Instant, Recorded), Problem>) {
        let mut row = BatchResult {
            line: number,
            status: 201,
            event: None,
            seq: None,
            unrecorded_signatures: None,
            receipt: None,
            problem: None,
        };
        match result {
            Ok((began, recorded)) => {
                self.app.metrics.recorded(recorded.repeated, began.elapsed());
                row.status = if recorded.repeated { 200 } else { 201 };
                row.event = Some(recorded.event);
                row.seq = Some(recorded.seq);
                row.unrecorded_signatures = Some(recorded.unrecorded_signatures).filter(|n| *n > 0);
                row.receipt = serde_json::value::RawValue::from_string(recorded.receipt.to_json()).ok();
            }
            Err(mut problem) => {
                self.app.metrics.http().problem(&problem.code);
                problem.request_id = Some(self.id.clone());
                row.status = problem.status;
                row.problem = Some(problem);
            }
        }
        serde_json::to_writer(&mut *piece, &row).expect("a result always is JSON");
        piece.push(b'\n');
    }
}

fn stopping() -> Problem {
    Problem::new(Code::Stopped, "the server is stopping; this line was not recorded")
}

/// Sends what was written; `false` when nobody reads it any more.
async fn flush(piece: &mut Vec<u8>, results: &mpsc::Sender<Bytes>) -> bool {
    if piece.is_empty() {
        return !results.is_closed();
    }
    let full = std::mem::replace(piece, Vec::with_capacity(PIECE));
    results.send(Bytes::from(full)).await.is_ok()
}

impl Item {
    fn refused(number: u64, problem: Problem) -> Self {
        Self { number, line: Bytes::new(), prepared: Err(problem), unknown_key_at: None }
    }

    /// Parses a line and verifies its signatures. `done` lines before it were done with when this began.
    fn of(app: &App, line: Line, done: u64) -> Self {
        let Line { number, content } = line;
        let line = match content {
            Ok(line) => line,
            Err(problem) => return Self::refused(number, problem),
        };
        let prepared = Submission::parse(&line).and_then(|submission| app.ledger.prepare(submission));
        let unknown_key = matches!(&prepared, Err(Refusal { code: RefusalCode::UnknownKey, .. }));
        let prepared = prepared.map(Box::new).map_err(Problem::from);
        Self { number, line, prepared, unknown_key_at: unknown_key.then_some(done) }
    }
}
