//! Gives each draft its place: no key twice, and `after` as the map wants it.
//!
//! With `after = "start"` an event starts its stream, and two rows of one subject are a mistake in the file. With
//! `after = "stream"` the ledger is asked what it has on the subject: an event that an earlier run recorded keeps the
//! place that it has there, a new one comes after the latest, and further rows of the file after that.

use std::collections::HashMap;

use countersign_ledger::envelope::{EVENT_TYPE, pae};
use countersign_ledger::hash::{EventHash, sha256};
use countersign_ledger::id::StreamId;
use rayon::prelude::*;
use uuid::Uuid;

use super::draft::{Drafted, Group};
use super::fault::{Fault, quote};
use super::map::After;
use crate::client::{Client, ClientError};

/// Sixteen bytes of a SHA-256: enough to tell the rows of one file apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Short([u8; 16]);

impl Short {
    fn of(hash: &[u8; 32]) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&hash[..16]);
        Self(short)
    }

    fn of_stream(stream: &StreamId) -> Self {
        Self::of(&sha256(&[stream.to_string().as_bytes()]))
    }
}

/// What the file had so far, and what the ledger has of its subjects.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The first row of each id, and what it says.
    ids: HashMap<Uuid, (u64, Short)>,
    /// The first row of each stream.
    streams: HashMap<Short, u64>,
    /// The latest event of each stream, with those of this file.
    heads: HashMap<Short, Option<EventHash>>,
    /// The latest part of each statement in parts that starts its stream.
    parts: HashMap<Short, EventHash>,
    /// What recorded events of this kind and author come after.
    recorded: HashMap<Uuid, Option<EventHash>>,
}

/// An event with its payload, ready to be signed; or why it is none.
pub(crate) type Placed = (Group, Result<(Box<Drafted>, Vec<u8>), Fault>);

impl Places {
    /// Asks the ledger about the streams of some drafts.
    ///
    /// # Errors
    /// When it gives no answer, or one that does not prove itself.
    pub(crate) fn look_up(
        &mut self,
        client: &Client,
        drafts: &[(Group, Result<Box<Drafted>, Fault>)],
    ) -> Result<(), ClientError> {
        let mut wanted: HashMap<Short, &Drafted> = HashMap::new();
        for drafted in drafts.iter().filter_map(|(_, made)| made.as_ref().ok()) {
            let short = Short::of_stream(&stream(drafted));
            if !self.heads.contains_key(&short) {
                wanted.entry(short).or_insert(drafted);
            }
        }
        let ask = |(short, drafted): (Short, &Drafted)| -> Result<_, ClientError> {
            let items = client.stream(&stream(drafted))?;
            let head = items.last().map(|item| item.event);
            let mut recorded = Vec::new();
            for item in
                items.iter().filter(|item| item.kind == drafted.draft.kind && item.author == drafted.draft.author)
            {
                if let Some(proven) = client.event(&item.event)? {
                    recorded.push((proven.event.id, proven.event.after));
                }
            }
            Ok((short, head, recorded))
        };
        let answers: Vec<_> = wanted.into_par_iter().map(ask).collect::<Result<_, _>>()?;
        for (short, head, recorded) in answers {
            self.heads.insert(short, head);
            self.recorded.extend(recorded);
        }
        Ok(())
    }

    /// Gives a draft its place.
    pub(crate) fn place(&mut self, after: After, group: Group, made: Result<Box<Drafted>, Fault>) -> Placed {
        let placed = made.and_then(|mut drafted| {
            let payload = self.take(after, &group, &mut drafted)?;
            Ok((drafted, payload))
        });
        (group, placed)
    }

    fn take(&mut self, after: After, group: &Group, drafted: &mut Drafted) -> Result<Vec<u8>, Fault> {
        let row = group.rows.first().map_or(0, |row| row.number);
        let content = Short::of(&drafted.content);
        if let Some((first, said)) = self.ids.get(&drafted.draft.id) {
            let same = if *said == content { "and says the same" } else { "with other values" };
            let reason = format!(
                "expected a key that no other row has, found {}: row {first} has it too, {same}",
                quote(&group.key)
            );
            return Err(Fault::new("", reason));
        }
        self.ids.insert(drafted.draft.id, (row, content));
        let stream = Short::of_stream(&stream(drafted));
        if let (After::Start, Some(part)) = (after, drafted.part.filter(|part| part.number > 1)) {
            let Some(before) = self.parts.get(&stream).copied() else {
                return Err(Fault::new("", format!("part {} of the same statement has a mistake", part.number - 1)));
            };
            let payload = drafted.payload(Some(before));
            self.parts.insert(stream, hash_of(&payload));
            return Ok(payload);
        }
        if after == After::Start {
            if let Some(first) = self.streams.insert(stream, row) {
                self.streams.insert(stream, first);
                let subject = &drafted.draft.subject;
                let reason = format!(
                    "expected a subject of its own, found {subject}: row {first} starts it (after = \"stream\" in the map adds to it)"
                );
                return Err(Fault::new("", reason));
            }
            let payload = drafted.payload(None);
            if drafted.part.is_some() {
                self.parts.insert(stream, hash_of(&payload));
            }
            return Ok(payload);
        }
        if let Some(recorded) = self.recorded.get(&drafted.draft.id) {
            return Ok(drafted.payload(*recorded));
        }
        let head = self.heads.entry(stream).or_insert(None);
        let payload = drafted.payload(*head);
        *head = Some(hash_of(&payload));
        Ok(payload)
    }
}

fn hash_of(payload: &[u8]) -> EventHash {
    EventHash::from_bytes(sha256(&[&pae(EVENT_TYPE, payload)]))
}

fn stream(drafted: &Drafted) -> StreamId {
    StreamId { case: drafted.draft.case.clone(), subject: drafted.draft.subject.clone() }
}
