//! Batches: many events over a link that may break at any time.
//!
//! Events go out in chunks, in order; each answer line acknowledges one of them. What was not acknowledged when the link
//! broke is sent again in front of the next chunk: the ledger knows an event by author and id and records none twice.
//! One thread talks to the server while the caller's thread checks the receipts of the chunk before.

use std::collections::{HashSet, VecDeque};
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use countersign_ledger::id::TreeSize;
use countersign_ledger::proof::Receipt;
use countersign_ledger::submission::Submission;
use rayon::prelude::*;

use super::error::ClientError;
use super::receipt::{Included, Recorded, check_inclusion, check_sent};
use super::transport::{Patience, Transport, Waiter, answer_error};
use super::trust::Trust;
use crate::problem::Problem;
use crate::wire::{BatchResult, NDJSON};

/// The most events of one chunk.
const CHUNK_EVENTS: usize = 512;
/// The most bytes of one chunk, unless a single event is larger.
const CHUNK_BYTES: usize = 1 << 20;
/// The longest answer line: a receipt and what stands around it.
const MAX_LINE: u64 = 2 << 20;
const PATH: &str = "/v1/events";

/// An event that waits for its acknowledgement.
struct Item {
    index: usize,
    line: String,
    submission: Submission,
}

/// What the server said about one event.
struct Answer {
    index: usize,
    submission: Submission,
    verdict: Verdict,
}

enum Verdict {
    Recorded { receipt: Box<Receipt>, repeated: bool },
    Refused(Box<Problem>),
}

/// The answers to one chunk, and what had been seen of the ledger before it was sent.
struct Chunk {
    answers: Vec<Answer>,
    floor: TreeSize,
}

/// Submits every event and tells `done` about each, mostly in order: an event that the server was too busy for comes
/// later.
pub(super) fn submit<I, F, E>(transport: &Transport, trust: &Trust, items: I, mut done: F) -> Result<(), E>
where
    I: IntoIterator<Item = Submission>,
    I::IntoIter: Send,
    F: FnMut(usize, Result<Recorded, Problem>) -> Result<(), E>,
    E: From<ClientError>,
{
    let items = items.into_iter();
    thread::scope(|scope| {
        let (send, receive) = sync_channel(1);
        scope.spawn(move || {
            let mut sender = Sender { transport, trust, items: items.enumerate(), waiting: VecDeque::new() };
            sender.run(&send);
        });
        let result = settle(transport, trust, &receive, &mut done);
        // the other thread ends when nobody listens any more
        drop(receive);
        result
    })?;
    Ok(trust.save(transport)?)
}

/// Checks the receipts of each chunk, on all cores, and hands them on.
fn settle<F, E>(
    transport: &Transport,
    trust: &Trust,
    receive: &Receiver<Result<Chunk, ClientError>>,
    done: &mut F,
) -> Result<(), E>
where
    F: FnMut(usize, Result<Recorded, Problem>) -> Result<(), E>,
    E: From<ClientError>,
{
    for chunk in receive {
        let Chunk { answers, floor } = chunk?;
        let checked: Vec<_> = answers.into_par_iter().map(check).collect();
        for outcome in checked {
            let (index, outcome) = outcome?;
            if let Ok(recorded) = &outcome {
                // a receipt from before may be older than what was seen since
                let floor = if recorded.repeated { TreeSize(0) } else { floor };
                trust.observe(transport, recorded.receipt.proof().checkpoint(), floor)?;
            }
            done(index, outcome)?;
        }
        trust.save(transport)?;
    }
    Ok(())
}

fn check(answer: Answer) -> Result<(usize, Result<Recorded, Problem>), ClientError> {
    let outcome = match answer.verdict {
        Verdict::Refused(problem) => Err(*problem),
        Verdict::Recorded { receipt, repeated } => {
            let included: Included = check_inclusion(*receipt)?;
            Ok(check_sent(included, &answer.submission, repeated)?)
        }
    };
    Ok((answer.index, outcome))
}

/// Talks to the server.
struct Sender<'a, I> {
    transport: &'a Transport,
    trust: &'a Trust,
    items: I,
    waiting: VecDeque<Item>,
}

impl<I: Iterator<Item = (usize, Submission)>> Sender<'_, I> {
    fn run(&mut self, results: &SyncSender<Result<Chunk, ClientError>>) {
        let mut waiter = Waiter::new(Patience::LONG);
        loop {
            let count = self.fill();
            if count == 0 {
                return;
            }
            let floor = self.trust.floor();
            let (answers, broken) = self.exchange(count);
            if !answers.is_empty() {
                waiter.reset();
                if results.send(Ok(Chunk { answers, floor })).is_err() {
                    return;
                }
            }
            let Some(error) = broken else { continue };
            let pause = if may_pass(&error) { waiter.next_pause(retry_after(&error)) } else { None };
            match pause {
                Some(pause) => self.transport.wait(pause, &error),
                None => {
                    // the receiver may be gone; either way this is the end
                    let _ = results.send(Err(error));
                    return;
                }
            }
        }
    }

    /// Takes events until a chunk is full; returns how many of those that wait make the chunk.
    fn fill(&mut self) -> usize {
        let (mut count, mut bytes) = (0, 0);
        loop {
            if count == self.waiting.len() {
                let Some((index, submission)) = self.items.next() else { return count };
                let line = submission.to_json();
                self.waiting.push_back(Item { index, line, submission });
            }
            bytes += self.waiting[count].line.len() + 1;
            if count > 0 && bytes > CHUNK_BYTES {
                return count;
            }
            count += 1;
            if count == CHUNK_EVENTS {
                return count;
            }
        }
    }

    /// Sends the first `count` of those that wait, and returns what was acknowledged and what broke.
    fn exchange(&mut self, count: usize) -> (Vec<Answer>, Option<ClientError>) {
        let mut body = Vec::with_capacity(self.waiting.iter().take(count).map(|item| item.line.len() + 1).sum());
        for item in self.waiting.iter().take(count) {
            body.extend_from_slice(item.line.as_bytes());
            body.push(b'\n');
        }
        let (results, mut broken) = match self.transport.post_streaming(PATH, NDJSON, &body) {
            Ok(reader) => read_results(reader, count),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut verdicts: Vec<Option<Verdict>> = (0..count).map(|_| None).collect();
        let mut busy = false;
        for result in results {
            let place = usize::try_from(result.line).ok().and_then(|line| line.checked_sub(1));
            let Some(slot) = place.and_then(|place| verdicts.get_mut(place)).filter(|slot| slot.is_none()) else {
                broken = Some(answer_error("POST", PATH, &format_args!("line {} was not asked about", result.line)));
                break;
            };
            match verdict(result) {
                Ok(Verdict::Refused(problem)) if problem.status >= 500 || problem.status == 429 => {
                    busy = true;
                    broken = broken.or(Some(ClientError::Refused(problem)));
                }
                // it may rest on one that the server was too busy for: both are sent again
                Ok(Verdict::Refused(_)) if busy => {}
                Ok(verdict) => *slot = Some(verdict),
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        (self.take(verdicts), broken)
    }

    /// Takes what has a verdict out of the queue; the others keep their order.
    fn take(&mut self, verdicts: Vec<Option<Verdict>>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(verdicts.len());
        let rest = self.waiting.split_off(verdicts.len());
        let sent = std::mem::take(&mut self.waiting);
        for (item, verdict) in sent.into_iter().zip(verdicts) {
            match verdict {
                Some(verdict) => answers.push(Answer { index: item.index, submission: item.submission, verdict }),
                None => self.waiting.push_back(item),
            }
        }
        self.waiting.extend(rest);
        answers
    }
}

fn verdict(result: BatchResult) -> Result<Verdict, ClientError> {
    let line = result.line;
    let wrong = |reason: &str| answer_error("POST", PATH, &format_args!("line {line}: {reason}"));
    match (result.receipt, result.problem) {
        (Some(receipt), None) => {
            let receipt = Receipt::from_json(receipt.get().as_bytes()).map_err(|e| wrong(&e.to_string()))?;
            Ok(Verdict::Recorded { receipt: Box::new(receipt), repeated: result.status == 200 })
        }
        (None, Some(problem)) => Ok(Verdict::Refused(Box::new(problem))),
        _ => Err(wrong("expected a receipt or a problem")),
    }
}

/// Reads answer lines until all are there, the answer ends, or the link breaks.
fn read_results(reader: impl Read, count: usize) -> (Vec<BatchResult>, Option<ClientError>) {
    let mut reader = BufReader::with_capacity(64 * 1024, reader);
    let mut results: Vec<BatchResult> = Vec::with_capacity(count);
    let mut lines = HashSet::with_capacity(count);
    let mut line = Vec::new();
    loop {
        line.clear();
        let broken = |reason: String| ClientError::Unreachable { server: "the server".to_owned(), reason };
        match (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line) {
            Err(e) => {
                return (results, Some(broken(format!("the connection broke: {}", crate::failure::plain_io(&e)))));
            }
            Ok(0) if lines.len() == count => return (results, None),
            Ok(0) => return (results, Some(broken("the answer ended early".to_owned()))),
            Ok(_) if line.last() != Some(&b'\n') => {
                return (results, Some(broken("the answer broke off in the middle of a line".to_owned())));
            }
            Ok(_) => {}
        }
        match serde_json::from_slice::<BatchResult>(&line) {
            Ok(result) => {
                lines.insert(result.line);
                results.push(result);
            }
            Err(e) => return (results, Some(answer_error("POST", PATH, &e))),
        }
        if results.len() > count {
            return (results, Some(answer_error("POST", PATH, &"more lines than were sent")));
        }
    }
}

/// Tells whether a failure may be over in a moment.
fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } => true,
        ClientError::Refused(problem) => matches!(problem.status, 408 | 429 | 502 | 503 | 504),
        _ => false,
    }
}

fn retry_after(error: &ClientError) -> Option<std::time::Duration> {
    match error {
        ClientError::Refused(problem) => problem.retry_after.map(std::time::Duration::from_secs),
        _ => None,
    }
}
