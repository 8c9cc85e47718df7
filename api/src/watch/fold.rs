//! What one entry after the other must keep of what came before (SPEC §5, §13): chain, times, pointers, ids, signatures.
//!
//! Not judged here is who may sign what: that takes the whole authority state, and is what the verifier does with a
//! bundle (KEY, POLICY).

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use countersign_ledger::entry::{Entry, EntryError};
use countersign_ledger::envelope::EnvelopeError;
use countersign_ledger::event::{Body, Event, EventError, Occurred};
use countersign_ledger::hash::{KeyId, LeafHash, LedgerId, sha256};
use countersign_ledger::id::{Seq, StreamId};
use countersign_ledger::keys::PublicKey;
use countersign_ledger::misbehaviour::{Pointer, Shown};
use countersign_ledger::note::Vkey;
use countersign_ledger::rule::is_authority_kind;
use countersign_ledger::submission::introduced;
use countersign_ledger::time::Time;

use super::records::{Record, Tag};

/// How much later than its entry an event may say that it occurred (SPEC §3).
const AHEAD: i64 = 48 * 3600 * 1000;

/// What is wrong with an entry.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The log's signature over a tree with it can be held against the log: with an earlier entry, where one is named.
    Shown { shown: Shown, other: Option<Seq>, line: Vec<u8> },
    /// It is wrong, but only the whole ledger shows it.
    Unshown(String),
    /// A newer version made it: nothing after it can be judged.
    Newer(String),
    /// Entry 0 is of another ledger.
    OtherLedger,
}

/// A log key, and what shows that it is the log's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogKey {
    /// The entry that declares it.
    pub(super) seq: Seq,
    pub(super) vkey: Vkey,
    /// That entry's line.
    pub(super) line: String,
}

/// What is known after some entries.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) ledger: LedgerId,
    pub(super) next: u64,
    pub(super) prev: LeafHash,
    pub(super) time: Option<Time>,
    pub(super) governance: Option<Seq>,
    pub(super) closed: Option<Seq>,
    pub(super) created: Vec<u8>,
    pub(super) log_keys: Vec<LogKey>,
    pub(super) keys: HashMap<KeyId, PublicKey>,
    streams: HashMap<Tag, u64>,
    ids: HashMap<Tag, u64>,
}

fn tag(parts: [&str; 2]) -> Tag {
    // neither ids nor authors contain a line feed
    let hash = sha256(&[parts[0].as_bytes(), b"\n", parts[1].as_bytes()]);
    let mut tag = [0; 16];
    tag.copy_from_slice(&hash[..16]);
    tag
}

fn stream_tag(stream: &StreamId) -> Tag {
    tag([stream.case.as_ref().map_or("", |case| case.as_str()), stream.subject.as_ref()])
}

impl Fold {
    pub(super) fn new(ledger: LedgerId) -> Self {
        Self {
            ledger,
            next: 0,
            prev: LeafHash::ZERO,
            time: None,
            governance: None,
            closed: None,
            created: Vec::new(),
            log_keys: Vec::new(),
            keys: HashMap::new(),
            streams: HashMap::new(),
            ids: HashMap::new(),
        }
    }

    /// Takes back what a record says of its entry.
    pub(super) fn recall(&mut self, seq: u64, record: Record) {
        self.streams.insert(record.stream, seq);
        self.ids.entry(record.id).or_insert(seq);
        self.next = seq + 1;
        self.prev = record.leaf;
    }

    /// Judges the next line and takes it in; nothing is taken in of one that is wrong.
    pub(super) fn take(&mut self, line: &[u8], leaf: LeafHash) -> Result<Record, Wrong> {
        let seq = self.next;
        let shown = |shown, other: Option<u64>| Wrong::Shown { shown, other: other.map(Seq), line: line.to_vec() };
        let entry = match Entry::parse(line) {
            Ok(entry) => entry,
            Err(EntryError::Envelope(EnvelopeError::Newer { found })) => return Err(Wrong::Newer(found)),
            Err(_) => return Err(shown(Shown::InvalidEntry, None)),
        };
        if seq == 0 {
            if LedgerId::from(entry.envelope.event_hash()) != self.ledger {
                return Err(Wrong::OtherLedger);
            }
            self.begin(&entry);
        }
        if entry.seq.0 != seq {
            return Err(shown(Shown::InvalidEntry, None));
        }
        if entry.prev != self.prev {
            return Err(match seq.checked_sub(1) {
                Some(before) => shown(Shown::BrokenChain, Some(before)),
                None => shown(Shown::InvalidEntry, None),
            });
        }
        if self.time.is_some_and(|before| entry.time < before) {
            return Err(shown(Shown::TimeWentBack, seq.checked_sub(1)));
        }
        let (event, body) = match self.read(seq, &entry) {
            Ok(read) => read,
            Err(Some(wrong)) => return Err(wrong),
            Err(None) => return Err(shown(Shown::InvalidEntry, None)),
        };
        if let Some(closed) = self.closed {
            return Err(shown(Shown::AfterClosed, Some(closed.0)));
        }
        if let Some((pointer, other)) = self.false_pointer(&entry, &event) {
            return Err(shown(Shown::FalsePointer(pointer), other));
        }
        let id = tag([&event.author.to_string(), &event.id.to_string()]);
        if let Some(earlier) = self.ids.get(&id) {
            return Err(shown(Shown::RepeatedId, Some(*earlier)));
        }
        let introduced = body.as_ref().map(introduced).unwrap_or_default();
        match self.check_signatures(&entry, &introduced) {
            Ok(None) => {}
            Ok(Some(key)) => return Err(shown(Shown::BadSignature(key), None)),
            Err(unknown) => return Err(Wrong::Unshown(unknown)),
        }
        self.accept(&entry, &event, body, &introduced, line);
        let record = Record { leaf, stream: stream_tag(&event.stream()), id };
        self.recall(seq, record);
        Ok(record)
    }

    /// Learns the first log key: the ledger id vouches for it, whatever else is wrong with entry 0.
    fn begin(&mut self, entry: &Entry) {
        let Ok(event) = Event::parse(entry.envelope.payload()) else { return };
        if let Ok(Body::LedgerCreated(body)) = Body::parse(&event.kind, event.body()) {
            self.created = entry.envelope.payload().to_vec();
            self.log_keys.push(LogKey { seq: entry.seq, vkey: body.log_key, line: String::new() });
        }
    }

    /// Reads the event and judges what its line alone shows: `Err(None)` where that is enough, `Err(Some)` for what is
    /// wrong in another way.
    fn read(&self, seq: u64, entry: &Entry) -> Result<(Event, Option<Body>), Option<Wrong>> {
        let event = match Event::parse(entry.envelope.payload()) {
            Ok(event) => event,
            Err(EventError::Newer { found }) => return Err(Some(Wrong::Newer(format!("version {found}")))),
            Err(_) => return Err(None),
        };
        let created = event.kind.as_str() == "ledger.created";
        if created != (seq == 0) || (seq > 0 && event.ledger != Some(self.ledger)) {
            return Err(None);
        }
        let late = event.until.is_some_and(|until| entry.time > until);
        let early = event.occurred.latest().is_some_and(|at| at > entry.time.plus_millis(AHEAD));
        let backwards = matches!(event.occurred, Occurred::Between(from, to) if from > to);
        if late || early || backwards || event.after.is_none() != entry.stream.is_none() {
            return Err(None);
        }
        // statements' bodies may be of kinds that this version does not know; those that change authority may not
        let authority = is_authority_kind(event.kind.as_str());
        match Body::parse(&event.kind, event.body()) {
            // a key that no ledger may take in is a fault of KEY, not of the form (SPEC §2, §13)
            Err(error) if authority && error.path().contains("key") => {
                Err(Some(Wrong::Unshown(format!("entry {seq}: {error}"))))
            }
            Err(_) if authority => Err(None),
            body => Ok((event, body.ok().filter(|_| authority))),
        }
    }

    /// Finds the first pointer that is not as SPEC §5 says, and the earlier entry that shows it.
    fn false_pointer(&self, entry: &Entry, event: &Event) -> Option<(Pointer, Option<u64>)> {
        let seq = entry.seq.0;
        let case = event.case.as_ref().and_then(|case| {
            let own = tag([case.as_str(), &format!("case/{case}")]);
            self.streams.get(&own).copied()
        });
        let stream = self.streams.get(&stream_tag(&event.stream())).copied();
        let pointers = [
            (Pointer::Governance, entry.governance, self.governance.map(|seq| seq.0)),
            (Pointer::Case, entry.case, case),
            (Pointer::Stream, entry.stream, stream),
        ];
        let (pointer, found, right) =
            pointers.into_iter().find(|(_, found, right)| found.map(|seq| seq.0) != *right)?;
        let alone = |found: u64| found >= seq || (pointer == Pointer::Case && event.case.is_none());
        let other = match (found.map(|seq| seq.0), right) {
            (Some(found), _) if alone(found) => None,
            // it passes over a later one
            (Some(found), Some(right)) if found < right => Some(right),
            (None, right) => right,
            // where it points there is something else
            (Some(found), _) => Some(found),
        };
        Some((pointer, other))
    }

    /// Finds a key that did not make the signature that bears its name; an unknown key is an error.
    fn check_signatures(&self, entry: &Entry, introduced: &[PublicKey]) -> Result<Option<PublicKey>, String> {
        let message = entry.envelope.pae();
        for (keyid, signature) in entry.envelope.signatures() {
            let known = self.keys.get(keyid).or_else(|| introduced.iter().find(|key| key.id() == *keyid));
            let Some(key) = known else {
                return Err(format!("entry {} is signed by key {keyid}, which no entry introduced", entry.seq));
            };
            if key.verify(&message, signature).is_err() {
                return Ok(Some(*key));
            }
        }
        Ok(None)
    }

    fn accept(&mut self, entry: &Entry, event: &Event, body: Option<Body>, introduced: &[PublicKey], line: &[u8]) {
        self.time = Some(entry.time);
        if matches!(event.subject.ty(), "ledger" | "party") {
            self.governance = Some(entry.seq);
        }
        for key in introduced {
            if let Slot::Vacant(slot) = self.keys.entry(key.id()) {
                slot.insert(*key);
            }
        }
        let line = || String::from_utf8_lossy(line).into_owned();
        match body {
            Some(Body::LogKeyRotated(body)) => {
                self.log_keys.push(LogKey { seq: entry.seq, vkey: body.log_key, line: line() });
            }
            Some(Body::LedgerClosed(_)) => self.closed = Some(entry.seq),
            _ => {}
        }
    }

    /// Returns the log key in force for a checkpoint of `size` entries (SPEC §7).
    pub(super) fn log_key_at(&self, size: u64) -> Option<&Vkey> {
        self.log_keys.iter().rev().find(|key| key.seq.0 < size).map(|key| &key.vkey)
    }
}
