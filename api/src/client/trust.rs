//! Believing a server only what it proves.
//!
//! The ledger id is the hash of entry 0, which names the first log key and the governance keys: both are therefore
//! known for certain. Later log keys are believed when the governance quorum in force signed for them (SPEC §7, §8).
//! Checkpoints are believed when the log key in force signed them and they extend the newest one that this user has
//! seen; that one is kept in the state folder, so that a server cannot show one history today and another tomorrow.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use countersign_ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use countersign_ledger::entry::Entry;
use countersign_ledger::envelope::Envelope;
use countersign_ledger::event::Event;
use countersign_ledger::hash::{LedgerId, NodeHash};
use countersign_ledger::id::{Seq, Subject, TreeSize};
use countersign_ledger::keys::PublicKey;
use countersign_ledger::merkle::verify_consistency;
use countersign_ledger::note::Vkey;
use serde_json::Value;

use super::error::{ClientError, Distrust};
use super::state::StateFolder;
use super::transport::Transport;
use crate::wire::{ConsistencyProof, StreamPage};

/// The governance keys of a position.
#[derive(Debug, Clone)]
struct Governance {
    threshold: usize,
    keys: Vec<PublicKey>,
}

/// The keys that a ledger's own entries vouch for.
#[derive(Debug, Clone)]
struct Keys {
    origin: String,
    /// In order; each is in force for checkpoints of more entries than its seq.
    log_keys: Vec<(Seq, Vkey)>,
}

/// What is believed of one ledger.
#[derive(Debug)]
pub(super) struct Trust {
    ledger: LedgerId,
    state: StateFolder,
    keys: Mutex<Keys>,
    newest: Mutex<Newest>,
}

/// The newest checkpoint, and roots that were proved to be of its history.
#[derive(Debug, Default)]
struct Newest {
    checkpoint: Option<SignedCheckpoint>,
    proved: HashMap<TreeSize, NodeHash>,
}

/// How many proved roots are remembered: receipts of one run mostly share theirs.
const MAX_PROVED: usize = 4096;

impl Trust {
    /// Reads the ledger's first keys and what was seen of it before.
    pub(super) fn establish(transport: &Transport, ledger: LedgerId, state: StateFolder) -> Result<Self, ClientError> {
        let keys = read_keys(transport, ledger)?;
        let mut newest = Newest { checkpoint: state.checkpoint(&ledger)?, proved: HashMap::new() };
        if let Some(seen) = &newest.checkpoint {
            newest.proved.insert(seen.checkpoint().size, seen.checkpoint().root);
        }
        Ok(Self { ledger, state, keys: Mutex::new(keys), newest: Mutex::new(newest) })
    }

    pub(super) const fn ledger(&self) -> LedgerId {
        self.ledger
    }

    pub(super) const fn state(&self) -> &StateFolder {
        &self.state
    }

    pub(super) fn origin(&self) -> String {
        self.lock_keys().origin.clone()
    }

    /// Returns the log key in force, as the ledger's own entries vouch for it.
    pub(super) fn log_key(&self) -> Option<Vkey> {
        self.lock_keys().log_keys.last().map(|(_, key)| key.clone())
    }

    /// Returns the newest checkpoint that was seen and checked.
    pub(super) fn newest(&self) -> Option<SignedCheckpoint> {
        self.lock_newest().checkpoint.clone()
    }

    /// Returns the size of the newest checkpoint seen: what the server shows after this may not be smaller.
    pub(super) fn floor(&self) -> TreeSize {
        self.lock_newest().checkpoint.as_ref().map_or(TreeSize(0), |newest| newest.checkpoint().size)
    }

    /// Believes a checkpoint, or says why not; remembers it when it is the newest.
    ///
    /// `floor` is what was seen before the question was asked, for answers about the head; zero for older receipts.
    pub(super) fn observe(
        &self,
        transport: &Transport,
        shown: &SignedCheckpoint,
        floor: TreeSize,
    ) -> Result<(), ClientError> {
        // held throughout, so that two threads do not both prove the same step
        let mut known = self.lock_newest();
        let Checkpoint { size, root, .. } = *shown.checkpoint();
        let same = known.checkpoint.as_ref().is_some_and(|newest| newest.checkpoint() == shown.checkpoint());
        if same || (size >= floor && known.proved.get(&size) == Some(&root)) {
            // the root is believed already; another signature over it adds nothing
            return Ok(());
        }
        self.check_signature(transport, shown)?;
        if size < floor {
            return Err(Distrust::Behind { shown: size, seen: floor }.into());
        }
        if let Some(newest) = known.checkpoint.as_ref() {
            let (old, new) = if newest.checkpoint().size <= size { (newest, shown) } else { (shown, newest) };
            check_consistent(transport, old.checkpoint(), new.checkpoint())?;
        }
        if known.proved.len() >= MAX_PROVED {
            known.proved.clear();
        }
        known.proved.insert(size, root);
        if known.checkpoint.as_ref().is_none_or(|newest| newest.checkpoint().size < size) {
            known.checkpoint = Some(shown.clone());
        }
        Ok(())
    }

    /// Writes the newest checkpoint to the state folder, after comparing it with what another command of this user may
    /// have seen meanwhile.
    pub(super) fn save(&self, transport: &Transport) -> Result<(), ClientError> {
        if let Some(kept) = self.state.checkpoint(&self.ledger)? {
            self.observe(transport, &kept, TreeSize(0))?;
        }
        match self.newest() {
            Some(newest) => self.state.keep(&self.ledger, &newest),
            None => Ok(()),
        }
    }

    /// Checks that the log key in force signed; a key that is not known yet may have been rotated in.
    fn check_signature(&self, transport: &Transport, shown: &SignedCheckpoint) -> Result<(), ClientError> {
        let keys = self.lock_keys().clone();
        if keys.check(shown).is_ok() {
            return Ok(());
        }
        let fresh = read_keys(transport, self.ledger)?;
        fresh.check(shown)?;
        *self.lock_keys() = fresh;
        Ok(())
    }

    fn lock_keys(&self) -> std::sync::MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn lock_newest(&self) -> std::sync::MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Has the server prove that one checkpoint extends the other.
fn check_consistent(transport: &Transport, old: &Checkpoint, new: &Checkpoint) -> Result<(), ClientError> {
    if old.size == new.size {
        return if old.root == new.root { Ok(()) } else { Err(Distrust::TwoRoots { size: old.size }.into()) };
    }
    let path = format!("/v1/proofs/consistency?old={}&new={}", old.size, new.size);
    let proof: ConsistencyProof = transport.json(&path)?;
    let hashes: Vec<_> = proof.hashes.iter().map(|hash| hash.0).collect();
    verify_consistency(old.size, new.size, &old.root, &new.root, &hashes)
        .map_err(|reason| Distrust::TwoHistories { old: old.size, new: new.size, reason }.into())
}

impl Keys {
    fn check(&self, shown: &SignedCheckpoint) -> Result<(), Distrust> {
        let checkpoint = shown.checkpoint();
        if checkpoint.origin.as_str() != self.origin {
            return Err(Distrust::Origin { expected: self.origin.clone(), found: checkpoint.origin.to_string() });
        }
        let in_force = self.log_keys.iter().rev().find(|(seq, _)| seq.0 < checkpoint.size.0);
        let in_force = in_force.or(self.log_keys.first()).map(|(_, key)| std::slice::from_ref(key)).unwrap_or_default();
        Ok(shown.verify_any(in_force)?)
    }
}

/// Reads the log keys from the ledger's own entries, each vouched for by what came before it.
fn read_keys(transport: &Transport, ledger: LedgerId) -> Result<Keys, ClientError> {
    let (entry, event) = read_entry(transport, Seq(0))?;
    let found = entry.envelope.event_hash();
    if LedgerId::from(found) != ledger {
        return Err(Distrust::Genesis { expected: ledger, found }.into());
    }
    let body = event.body();
    let text = |name: &str| body.get(name).and_then(Value::as_str).ok_or_else(|| genesis_body(name));
    let origin = text("origin")?.to_owned();
    let log_key = parse_vkey(text("log_key")?)?;
    let mut governance = read_governance(body.get("governance"))?;
    let mut keys = Keys { origin, log_keys: vec![(Seq(0), log_key)] };
    for seq in later_key_entries(transport)? {
        let (entry, event) = read_entry(transport, seq)?;
        let kind = event.kind.as_str();
        if event.ledger != Some(ledger) || !governance.signed(&entry.envelope) {
            return Err(Distrust::Quorum { seq: seq.0, kind: kind.to_owned() }.into());
        }
        let body = event.body();
        match kind {
            "governance.changed" => governance = read_governance(body.get("governance"))?,
            "log_key.rotated" => {
                let vkey = body.get("log_key").and_then(Value::as_str).ok_or_else(|| genesis_body("log_key"))?;
                keys.log_keys.push((seq, parse_vkey(vkey)?));
            }
            _ => {}
        }
    }
    Ok(keys)
}

impl Governance {
    /// Tells whether at least the threshold of these keys validly signed.
    fn signed(&self, envelope: &Envelope) -> bool {
        let message = envelope.pae();
        let signing: HashSet<&[u8; 32]> = envelope
            .signatures()
            .iter()
            .filter_map(|(keyid, signature)| {
                let key = self.keys.iter().find(|key| key.id() == *keyid)?;
                key.verify(&message, signature).ok().map(|()| key.as_bytes())
            })
            .collect();
        signing.len() >= self.threshold
    }
}

/// Lists the later entries about the ledger that change a log key or the governance.
fn later_key_entries(transport: &Transport) -> Result<Vec<Seq>, ClientError> {
    let subject: Subject = "ledger/self".parse().map_err(|_| genesis_body("subject"))?;
    let mut from = 1;
    let mut found = Vec::new();
    loop {
        let page: StreamPage = transport.json(&format!("/v1/streams/-/{subject}?from={from}&limit=1000"))?;
        let wanted = |kind: &str| matches!(kind, "governance.changed" | "log_key.rotated");
        found.extend(page.events.iter().filter(|item| wanted(item.kind.as_str()) && item.seq.0 > 0).map(|i| i.seq));
        match page.next {
            Some(next) if next.0 > from => from = next.0,
            _ => return Ok(found),
        }
    }
}

/// Fetches an entry's exact line and reads it.
pub(super) fn read_entry(transport: &Transport, seq: Seq) -> Result<(Entry, Event), ClientError> {
    let line = transport.text(&format!("/v1/entries/{seq}"))?;
    let entry = Entry::parse(line.strip_suffix('\n').unwrap_or(&line).as_bytes()).map_err(Distrust::from)?;
    let event = Event::parse(entry.envelope.payload()).map_err(Distrust::from)?;
    Ok((entry, event))
}

fn read_governance(value: Option<&Value>) -> Result<Governance, ClientError> {
    let wrong = || genesis_body("governance");
    let value = value.ok_or_else(wrong)?;
    let threshold = value.get("threshold").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let threshold = threshold.filter(|n| *n > 0).ok_or_else(wrong)?;
    let keys = value.get("keys").and_then(Value::as_array).ok_or_else(wrong)?;
    let keys: Option<Vec<PublicKey>> = keys.iter().map(|key| key.as_str()?.parse().ok()).collect();
    Ok(Governance { threshold, keys: keys.ok_or_else(wrong)? })
}

fn parse_vkey(text: &str) -> Result<Vkey, ClientError> {
    text.parse().map_err(|e: countersign_ledger::note::VkeyError| {
        Distrust::GenesisBody { reason: format!("/body/log_key: {e}") }.into()
    })
}

fn genesis_body(member: &str) -> ClientError {
    Distrust::GenesisBody { reason: format!("/body/{member} is missing or not of its form") }.into()
}
