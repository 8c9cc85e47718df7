//! The way of rows to the ledger, or to files: read, drafted and signed on one side, sent and settled on the other.
//!
//! A producer reads rows, drafts and signs them on all cores, a chunk at a time; at most two chunks wait. The client
//! sends what is signed over a link that may break. Whatever comes back is written down in the order of the input, so
//! at any moment the files say what is known. Memory: the chunks on their way, and some 100 bytes an event.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use countersign_ledger::envelope::{Envelope, SignError};
use countersign_ledger::event::Event;
use countersign_ledger::id::TreeSize;
use countersign_ledger::keys::{Signer, SignerError};
use countersign_ledger::submission::Submission;
use rayon::prelude::*;

use super::draft::{Drafted, Drafter, Group};
use super::fault::Fault;
use super::group::{GroupError, Groups};
use super::map::After;
use super::out::Folder;
use super::place::{Placed, Places};
use super::settle::{Ledgerbook, Outcome, Place};
use crate::cli::submit::receipt_name;
use crate::client::{Client, ClientError, Recorded};
use crate::failure::Failure;
use crate::problem::Problem;

/// The most events that are drafted and signed at once.
const CHUNK: usize = 1_024;
/// The most rows of a chunk, where events have many.
const CHUNK_ROWS: usize = 16_384;
/// Refusals that will meet every row: after so many from the start, the import stops.
const HOPELESS: u64 = 64;

/// An event ready to be sent, or why there is none.
type Signed = (Group, Result<(Box<Drafted>, Submission), Fault>);

/// Where an import puts its events.
pub(crate) enum Target<'a> {
    /// Nowhere: it is a dry run.
    Nowhere,
    /// Into files, for others to sign.
    Files(Folder<'a>),
    /// Into the ledger.
    Ledger(Destination<'a>),
}

impl Target<'_> {
    fn client(&self) -> Option<&Client> {
        match self {
            Self::Nowhere => None,
            Self::Files(folder) => folder.client,
            Self::Ledger(destination) => Some(destination.client),
        }
    }

    fn keys(&self) -> &[Arc<dyn Signer>] {
        match self {
            Self::Nowhere => &[],
            Self::Files(folder) => folder.keys,
            Self::Ledger(destination) => destination.keys,
        }
    }
}

/// Where an import sends its events.
pub(crate) struct Destination<'a> {
    /// The server.
    pub(crate) client: &'a Client,
    /// Who signs.
    pub(crate) keys: &'a [Arc<dyn Signer>],
    /// The ledger's size when the import began: entries from there on are this run's.
    pub(crate) began: TreeSize,
    /// Where receipts go.
    pub(crate) receipts: Option<&'a Path>,
}

/// Why no further chunk comes.
enum Stopped {
    Input(GroupError),
    Client(ClientError),
    Signer(SignerError),
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Input(error) => Self::usage(format_args!("cannot read on: {error}"))
                .hint("the rows before are settled; mend the file and import it again: what is recorded is not recorded twice"),
            Stopped::Client(error) => error.into(),
            Stopped::Signer(error) => error.into(),
        }
    }
}

/// Imports everything, or in a dry run checks it.
///
/// # Errors
/// When the input cannot be read on, the ledger cannot be reached, or a file cannot be written. What the book has then
/// is settled.
pub(crate) fn run(
    groups: Groups,
    drafter: &Drafter,
    target: &Target<'_>,
    book: &mut Ledgerbook,
    progress: &(dyn Fn() + Sync),
) -> Result<(), Failure> {
    thread::scope(|scope| {
        let (send, receive) = sync_channel(2);
        scope.spawn(move || produce(groups, drafter, target, &send, progress));
        match target {
            Target::Nowhere => {
                each(&receive, book, |signed| Ok(signed.map_or_else(Outcome::Quarantined, |_| Outcome::Valid)))
            }
            Target::Files(folder) => each(&receive, book, |signed| folder.keep(signed)),
            Target::Ledger(destination) => Sending::new(drafter, destination, book).run(receive),
        }
    })
}

/// Reads, drafts, places and signs, until the input ends or nobody listens.
fn produce(
    mut groups: Groups,
    drafter: &Drafter,
    target: &Target<'_>,
    chunks: &SyncSender<Result<Vec<Signed>, Stopped>>,
    progress: &(dyn Fn() + Sync),
) {
    let mut places = Places::default();
    let after = drafter.map.after;
    loop {
        let (rows, stopped) = take(&mut groups);
        let ended = rows.is_empty();
        let drafts: Vec<_> = rows.into_par_iter().flat_map_iter(|rows| drafter.draft(rows)).collect();
        if let (After::Stream, Some(client)) = (after, target.client())
            && let Err(error) = places.look_up(client, &drafts)
        {
            // The listener may be gone; either way this is the end.
            let _ = chunks.send(Err(Stopped::Client(error)));
            return;
        }
        let placed: Vec<Placed> = drafts.into_iter().map(|(group, made)| places.place(after, group, made)).collect();
        let signed: Result<Vec<Signed>, SignerError> =
            placed.into_par_iter().map(|placed| sign(placed, target.keys())).collect();
        progress();
        let unsigned = signed.is_err();
        if chunks.send(signed.map_err(Stopped::Signer)).is_err() || unsigned {
            return;
        }
        if let Some(error) = stopped {
            // As above.
            let _ = chunks.send(Err(Stopped::Input(error)));
            return;
        }
        if ended {
            return;
        }
    }
}

/// Takes the rows of a chunk of events, and why there are no more if the input failed.
fn take(groups: &mut Groups) -> (Vec<Vec<super::read::Row>>, Option<GroupError>) {
    let mut taken = Vec::with_capacity(CHUNK);
    let mut rows = 0;
    while taken.len() < CHUNK && rows < CHUNK_ROWS {
        match groups.next() {
            Some(Ok(group)) => {
                rows += group.len();
                taken.push(group);
            }
            Some(Err(error)) => return (taken, Some(error)),
            None => break,
        }
    }
    (taken, None)
}

/// Signs one event. A key that does not sign is no fault of the row.
fn sign((group, placed): Placed, keys: &[Arc<dyn Signer>]) -> Result<Signed, SignerError> {
    let (drafted, payload) = match placed {
        Ok(placed) => placed,
        Err(fault) => return Ok((group, Err(fault))),
    };
    let signed = match Envelope::sign(payload, keys) {
        Ok(envelope) => Ok((drafted, Submission { envelope, disclosures: Vec::new() })),
        Err(SignError::Envelope(e)) => Err(Fault::new("", e.to_string())),
        Err(SignError::Signer(e)) => return Err(e),
        Err(other) => Err(Fault::new("", other.to_string())),
    };
    Ok((group, signed))
}

/// Settles each event by itself, without the ledger.
fn each(
    chunks: &Receiver<Result<Vec<Signed>, Stopped>>,
    book: &mut Ledgerbook,
    settle: impl Fn(Result<(Box<Drafted>, Submission), Fault>) -> Result<Outcome, Failure>,
) -> Result<(), Failure> {
    for chunk in chunks {
        for (group, signed) in chunk? {
            book.write(&group, &settle(signed)?)?;
        }
    }
    book.finish()
}

/// An event on its way, in the order of the input.
struct Waiting {
    group: Group,
    state: State,
}

enum State {
    /// Sent, or about to be, under this number.
    Sent(usize, Box<Drafted>),
    Settled(Outcome),
}

/// What is on its way, shared between the thread that sends and the one that settles.
#[derive(Default)]
struct Way {
    waiting: VecDeque<Waiting>,
    stopped: Option<Stopped>,
}

fn locked(way: &Mutex<Way>) -> MutexGuard<'_, Way> {
    // A thread that panicked takes the process down; what it left is still in order.
    way.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sending<'a> {
    drafter: &'a Drafter,
    destination: &'a Destination<'a>,
    book: &'a mut Ledgerbook,
    hopeless: u64,
}

impl<'a> Sending<'a> {
    fn new(drafter: &'a Drafter, destination: &'a Destination<'a>, book: &'a mut Ledgerbook) -> Self {
        Self { drafter, destination, book, hopeless: 0 }
    }

    fn run(mut self, chunks: Receiver<Result<Vec<Signed>, Stopped>>) -> Result<(), Failure> {
        let way = Mutex::new(Way::default());
        let submissions = Submissions { chunks, chunk: Vec::new().into_iter(), way: &way, sent: 0 };
        let client = self.destination.client;
        let sent = client.submit_batch(submissions, |index, answer| self.settle(&way, index, answer));
        let way = way.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut unsettled = 0u64;
        for Waiting { group, state } in way.waiting {
            match state {
                State::Settled(outcome) => self.book.write(&group, &outcome)?,
                State::Sent(..) => unsettled += group.rows.len() as u64,
            }
        }
        self.book.finish()?;
        sent.map_err(|failure| again(failure, unsettled))?;
        way.stopped.map_or(Ok(()), |stopped| Err(stopped.into()))
    }

    /// Takes the answer about an event, and writes down all that are settled in order.
    fn settle(&mut self, way: &Mutex<Way>, index: usize, answer: Result<Recorded, Problem>) -> Result<(), Failure> {
        let at = locked(way).waiting.iter().position(|w| matches!(&w.state, State::Sent(i, _) if *i == index));
        let Some(at) = at else { return Ok(()) };
        let drafted = match std::mem::replace(&mut locked(way).waiting[at].state, State::Settled(Outcome::Valid)) {
            State::Sent(_, drafted) => drafted,
            // It was found as sent, and nobody else settles.
            State::Settled(_) => return Ok(()),
        };
        let outcome = self.outcome(drafted, answer)?;
        locked(way).waiting[at].state = State::Settled(outcome);
        loop {
            let mut way = locked(way);
            if !matches!(way.waiting.front(), Some(Waiting { state: State::Settled(_), .. })) {
                return Ok(());
            }
            let Some(Waiting { group, state: State::Settled(outcome) }) = way.waiting.pop_front() else {
                return Ok(());
            };
            drop(way);
            self.book.write(&group, &outcome)?;
        }
    }

    fn outcome(&mut self, drafted: Box<Drafted>, answer: Result<Recorded, Problem>) -> Result<Outcome, Failure> {
        match answer {
            Ok(recorded) => {
                self.hopeless = 0;
                // A chunk that was sent again after the link broke is answered as repeated, though it is of this run.
                let of_this_run = !recorded.repeated || recorded.seq.0 >= self.destination.began.0;
                let receipt = self.keep(&recorded)?;
                let place = Place { event: recorded.event, seq: recorded.seq, receipt };
                Ok(if of_this_run { Outcome::Appended(place) } else { Outcome::Already(place) })
            }
            Err(problem) if problem.code == "id_conflict" => self.conflict(drafted, &problem),
            Err(problem) => self.refused(&problem),
        }
    }

    fn keep(&self, recorded: &Recorded) -> Result<Option<PathBuf>, Failure> {
        let Some(folder) = self.destination.receipts else { return Ok(None) };
        let path = folder.join(receipt_name(&recorded.event));
        let written = std::fs::write(&path, recorded.receipt.to_json() + "\n");
        written.map_err(|e| Failure::file(&path, "write", &e))?;
        Ok(Some(path))
    }

    /// The ledger has this key with another content: says what differs, and how to correct it.
    fn conflict(&self, mut drafted: Box<Drafted>, problem: &Problem) -> Result<Outcome, Failure> {
        let proven = match problem.existing {
            Some(seq) => self.destination.client.entry(seq)?,
            None => None,
        };
        let Some(proven) = proven else {
            return Ok(Outcome::Quarantined(Fault::new(
                "",
                format!("the ledger has this key with another content: {problem}"),
            )));
        };
        let payload = drafted.payload(proven.event.after);
        let differs =
            Event::parse(&payload).map(|ours| differing(proven.event.payload(), ours.payload())).unwrap_or_default();
        if differs.is_empty() {
            // The same statement, which an earlier run put at another place of its stream.
            let place = Place { event: proven.hash, seq: proven.seq, receipt: None };
            return Ok(Outcome::Already(place));
        }
        let reason = format!(
            "recorded before as entry {} with other values ({}); if this row is right: countersign event new --kind \
             statement.corrected --corrects {}",
            proven.seq,
            differs.join("; "),
            proven.hash
        );
        Ok(Outcome::Quarantined(Fault::new("", reason)))
    }

    fn refused(&mut self, problem: &Problem) -> Result<Outcome, Failure> {
        const FOR_ALL: [&str; 6] =
            ["unknown_key", "key_does_not_count", "wrong_ledger", "ledger_closed", "unknown_kind", "newer_version"];
        if FOR_ALL.contains(&problem.code.as_str()) && self.book.counts.events_appended == 0 {
            self.hopeless += 1;
            if self.hopeless >= HOPELESS {
                let failure: Failure = problem.clone().into();
                return Err(failure.within(format_args!("the first {HOPELESS} rows were refused for one reason")));
            }
        }
        let field = problem.path.as_deref().map(|path| self.field(path)).unwrap_or_default();
        let mut reason = format!("the ledger refused it ({}): {problem}", problem.code);
        if problem.code == "already_started" {
            reason.push_str("; after = \"stream\" in the map adds to what is there");
        }
        Ok(Outcome::Quarantined(Fault::new(field, reason)))
    }

    /// Names the column that made the value at a pointer into the payload.
    fn field(&self, pointer: &str) -> String {
        let map = &self.drafter.map;
        let below = pointer.strip_prefix("/body");
        let column = below.map(|below| map.body.at(below).fields(&map.columns)).unwrap_or_default();
        if column.is_empty() { pointer.to_owned() } else { column }
    }
}

/// Names values that differ, at most three.
fn differing(recorded: &serde_json::Value, ours: &serde_json::Value) -> Vec<String> {
    fn walk(path: &str, recorded: &serde_json::Value, ours: &serde_json::Value, found: &mut Vec<String>) {
        use serde_json::Value::{Array, Object};
        match (recorded, ours) {
            (a, b) if a == b => {}
            (Object(a), Object(b)) => {
                let null = serde_json::Value::Null;
                let mut names: Vec<&String> = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))).collect();
                names.sort_unstable();
                for name in names {
                    let path = format!("{path}/{name}");
                    walk(&path, a.get(name).unwrap_or(&null), b.get(name).unwrap_or(&null), found);
                }
            }
            (Array(a), Array(b)) if a.len() == b.len() => {
                a.iter().zip(b).enumerate().for_each(|(i, (a, b))| walk(&format!("{path}/{i}"), a, b, found));
            }
            (a, b) => {
                let short = |value: &serde_json::Value| match value {
                    serde_json::Value::Null => "nothing".to_owned(),
                    other => super::fault::quote(other.as_str().unwrap_or(&other.to_string())),
                };
                found.push(format!("{path} {}, now {}", short(a), short(b)));
            }
        }
    }
    let mut found = Vec::new();
    walk("", recorded, ours, &mut found);
    if found.len() > 3 {
        let more = found.len() - 3;
        found.truncate(3);
        found.push(format!("and {more} more"));
    }
    found
}

fn again(failure: Failure, unsettled: u64) -> Failure {
    if unsettled == 0 || failure.hint.is_some() {
        return failure;
    }
    failure.hint("run the same command again: what is recorded is not recorded twice")
}

/// The events to send, as the producer makes them; rows without one are settled on the way.
struct Submissions<'a> {
    chunks: Receiver<Result<Vec<Signed>, Stopped>>,
    chunk: std::vec::IntoIter<Signed>,
    way: &'a Mutex<Way>,
    sent: usize,
}

impl Iterator for Submissions<'_> {
    type Item = Submission;

    fn next(&mut self) -> Option<Submission> {
        loop {
            let Some((group, signed)) = self.chunk.next() else {
                match self.chunks.recv() {
                    Ok(Ok(chunk)) => self.chunk = chunk.into_iter(),
                    Ok(Err(stopped)) => {
                        locked(self.way).stopped = Some(stopped);
                        return None;
                    }
                    Err(_) => return None,
                }
                continue;
            };
            match signed {
                Err(fault) => {
                    let state = State::Settled(Outcome::Quarantined(fault));
                    locked(self.way).waiting.push_back(Waiting { group, state });
                }
                Ok((drafted, submission)) => {
                    let state = State::Sent(self.sent, drafted);
                    locked(self.way).waiting.push_back(Waiting { group, state });
                    self.sent += 1;
                    return Some(submission);
                }
            }
        }
    }
}
