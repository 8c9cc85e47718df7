//! The log's keys, and whether a checkpoint is a statement of the log (SPEC §16).

use super::fault;
use super::read::{Proof, Proven};
use super::{Known, Statement};
use crate::act::Act;
use crate::checkpoint::Checkpoint;
use crate::checks::Fault;
use crate::entry::Entry;
use crate::event::{Event, PAYLOAD_TYPE, payload_json};
use crate::hash::{Hash, event_hash, leaf_hash, pae};
use crate::note::{Cosigned, Signed, VKey};
use crate::trust::Trust;
use crate::witnessed::Witness;

/// How a key is known to be the log's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShownBy {
    /// Entry 0 names it, and the ledger id is that entry's hash.
    Created,
    /// This entry names it, and the log signed for that entry with the key before.
    Rotated(u64),
    /// The trust file lists it.
    Trusted,
}

/// A key of the log that signed a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedWith {
    /// The key.
    pub key: VKey,
    /// How it is known.
    pub shown_by: ShownBy,
}

/// The keys of a log.
pub(crate) struct LogKeys<'k> {
    /// The log's name.
    pub(crate) origin: String,
    keys: Vec<SignedWith>,
    trust: Option<&'k Trust>,
}

impl<'k> LogKeys<'k> {
    /// Finds the keys that the file shows to be the log's, as far as the user's knowledge allows.
    pub(crate) fn of(proof: &Proof, known: &'k Known) -> Result<LogKeys<'k>, Fault> {
        if let Some(ledger) = known.ledger
            && ledger != proof.ledger
        {
            return Err(fault("the ledger that the file is about", ledger, proof.ledger));
        }
        let found = event_hash(&pae(PAYLOAD_TYPE, &proof.created)).0;
        if found != proof.ledger {
            return Err(fault("/created", format_args!("an event whose hash is {}", proof.ledger), found));
        }
        let Some(Act::LedgerCreated { origin, log_key, .. }) = act_of(&proof.created, "/created")?.1 else {
            return Err(fault("/created", "ledger.created", "another kind"));
        };
        let trust = known.trust.as_ref();
        let first = SignedWith { key: log_key, shown_by: ShownBy::Created };
        let mut all = LogKeys { origin, keys: vec![first], trust: None };
        let mut before = 0;
        for (at, rotation) in proof.keys.iter().enumerate() {
            let (seq, key) = all.rotated(&format!("/keys/{at}"), rotation, proof.ledger)?;
            if seq <= before {
                return Err(fault("/keys", "entries by ascending seq", seq));
            }
            before = seq;
            all.keys.push(SignedWith { key, shown_by: ShownBy::Rotated(seq) });
        }
        let listed = trust.map(Trust::logs).unwrap_or_default();
        if known.ledger.is_none() {
            let logs = listed.iter().filter(|log| log.name == all.origin);
            all.keys = logs.map(|log| SignedWith { key: log.clone(), shown_by: ShownBy::Trusted }).collect();
        } else if !listed.is_empty() {
            all.keys.retain(|key| listed.contains(&key.key));
        }
        all.trust = trust;
        Ok(all)
    }

    /// Reads a rotation that the log itself signed for with a key known so far.
    fn rotated(&self, place: &str, rotation: &Proven, ledger: Hash) -> Result<(u64, VKey), Fault> {
        let Proven { line, proof } = rotation;
        self.signed(&proof.checkpoint, place)?;
        proof.includes(&leaf_hash(line.as_bytes())).map_err(|e| fault(place, "a proof that includes the entry", e))?;
        let entry = Entry::parse(line.as_bytes()).map_err(|e| fault(place, "an entry", e))?;
        let (named, act) = act_of(&entry.payload, place)?;
        if entry.seq != proof.index || entry.is_newer() || named != Some(ledger) {
            return Err(fault(place, "an entry of this ledger at its place", "another"));
        }
        match act {
            Some(Act::LogKeyRotated(key)) if key.name == self.origin => Ok((entry.seq, key)),
            _ => Err(fault(place, "log_key.rotated, to a key of the log's name", "another event")),
        }
    }

    /// The keys of the log that signed a checkpoint; at least one, and no line by any of them is false.
    fn signed(&self, checkpoint: &Checkpoint, place: &str) -> Result<Vec<SignedWith>, Fault> {
        if checkpoint.origin != self.origin {
            let found = crate::escape::quoted(&checkpoint.origin);
            return Err(fault(format!("{place}: the origin of the checkpoint"), &self.origin, found));
        }
        let mut signed = Vec::new();
        for key in &self.keys {
            match checkpoint.note.signed_by(&key.key) {
                Signed::Yes(_) => signed.push(key.clone()),
                Signed::No => {}
                Signed::Wrong => {
                    let expected = format_args!("a valid signature by log key {}", key.key);
                    return Err(fault(place, expected, "one that is not valid"));
                }
            }
        }
        if signed.is_empty() {
            let expected = match self.keys.len() {
                1 => "a signature by the log's key".to_owned(),
                n => format!("a signature by one of the {n} keys of the log that are known"),
            };
            return Err(fault(place, expected, "none"));
        }
        Ok(signed)
    }

    /// Takes a checkpoint as the log's statement.
    pub(crate) fn statement(&self, checkpoint: &Checkpoint, place: &str, says: String) -> Result<Statement, Fault> {
        let signed = self.signed(checkpoint, place)?;
        let witnessed = self.trust.filter(|trust| trust.asks_for_witnesses()).map(|trust| trust.witnessed(checkpoint));
        let named = |(witness, when): (&Witness, Cosigned)| (witness.key.clone(), when.newest);
        let cosigned = witnessed.map(|witnessed| witnessed.cosigners().map(named).collect()).unwrap_or_default();
        Ok(Statement { says, checkpoint: checkpoint.clone(), signed, cosigned })
    }
}

/// The ledger that an event names, and what it changes.
fn act_of(payload: &[u8], place: &str) -> Result<(Option<Hash>, Option<Act>), Fault> {
    let malformed = |e: &dyn std::fmt::Display| fault(place, "a well-formed event", e);
    let json = payload_json(payload).map_err(|e| malformed(&e))?;
    let event = Event::read(&json).map_err(|e| malformed(&format_args!("{e:?}")))?;
    Ok((event.ledger, event.act.map(|act| *act)))
}
