//! Who may sign what at this position: the fold of governance, party and case events (SPEC §8).
//!
//! [`Authority`] is the state after some prefix of the ledger. [`Authority::apply`] adds one recorded event,
//! [`Authority::judge`] tells whether an event may be recorded next. Pure: no clock, no store.
//!
//! - `state` (here): keys, parties, cases, policy in force, and how an event changes them;
//! - [`judge`]: the signatures of one event against that state;
//! - [`acts`]: what SPEC §8 asks of each authority kind beyond its rule;
//! - [`outlook`]: whose signatures an event still needs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::capacity::Capacity;
use crate::event::Body;
use crate::event::authority_bodies::{Governance as GovernanceBody, KeyGrant, LedgerCreated, UsePattern};
use crate::hash::{KeyId, LedgerId};
use crate::id::{CaseId, Kind, PartyId, Seq, TreeSize};
use crate::keys::PublicKey;
use crate::note::Vkey;
use crate::rule::Policy;
use crate::time::Time;

pub mod acts;
pub mod judge;
pub mod outlook;

/// How a party key came into the ledger: what it counts towards (SPEC §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introduction {
    /// With its party, or under the governance quorum: counts towards any number of keys.
    Independent,
    /// By keys of its own party: counts towards at most this number.
    ByKeys(u8),
}

impl Introduction {
    /// Returns the largest `keys` of a rule that the key counts towards.
    #[must_use]
    pub const fn strength(self) -> u8 {
        match self {
            Self::Independent => u8::MAX,
            Self::ByKeys(n) => n,
        }
    }
}

/// Why and since when a party key does not count any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The entry that ended it.
    pub seq: Seq,
    /// That entry's time.
    pub time: Time,
    /// For a revocation: from when on what it signed is suspect.
    pub suspect_from: Option<Time>,
}

/// A party's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyKey {
    /// Whose.
    pub party: PartyId,
    /// The office that holds it.
    pub holder: String,
    /// What it may sign.
    pub uses: Vec<UsePattern>,
    /// The last instant at which it counts.
    pub not_after: Option<Time>,
    /// The entry that introduced it.
    pub introduced: Seq,
    /// How.
    pub introduction: Introduction,
    /// When it was retired.
    pub retired: Option<Ended>,
    /// When it was revoked.
    pub revoked: Option<Ended>,
}

/// What a key of the ledger is for. Each key enters once in its life (SPEC §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyUse {
    /// A party's.
    Party(Box<PartyKey>),
    /// A governance key, in force or not.
    Governance,
    /// A log key.
    Log,
}

/// A key that is, or was, in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// The key.
    pub key: PublicKey,
    /// Its one purpose.
    pub purpose: KeyUse,
}

/// A party as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// What it is called.
    pub name: String,
    /// Its country.
    pub country: Option<String>,
    /// What it can be.
    pub capacities: BTreeSet<Capacity>,
    /// Its keys, in the order in which they came.
    pub keys: Vec<KeyId>,
    /// Who took its place.
    pub successor: Option<PartyId>,
    /// The entry that enrolled it.
    pub enrolled: Seq,
}

/// A case as it stands, as far as authority goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The entry that opened it.
    pub opened: Seq,
    /// The latest entry of its stream.
    pub latest: Seq,
    /// Its title.
    pub title: String,
    /// Who is bound to what.
    pub roles: BTreeMap<Capacity, Vec<PartyId>>,
    /// The entry that closed it.
    pub closed: Option<Seq>,
}

/// The governance quorum in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Governance {
    /// How many keys make a quorum.
    pub threshold: usize,
    /// Of which.
    pub keys: BTreeSet<KeyId>,
}

/// The state of authority after a prefix of the ledger.
#[derive(Debug, Clone, Default)]
pub struct Authority {
    ledger: Option<LedgerId>,
    origin: String,
    closed: Option<Seq>,
    log_keys: Vec<(Seq, Vkey)>,
    governance: Governance,
    policy: Arc<Policy>,
    keys: HashMap<KeyId, KnownKey>,
    parties: BTreeMap<PartyId, Party>,
    cases: BTreeMap<CaseId, Case>,
    latest: Option<Seq>,
}

/// Where an event stands, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Its entry.
    pub seq: Seq,
    /// Its entry's time.
    pub time: Time,
}

/// Returns the key id of a log key.
fn log_key_id(vkey: &Vkey) -> (KeyId, PublicKey) {
    let key = *vkey.public_key();
    (key.id(), key)
}

impl Authority {
    /// Makes the state before entry 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the ledger id, once there is entry 0.
    #[must_use]
    pub fn ledger(&self) -> Option<LedgerId> {
        self.ledger
    }

    /// Returns the log's origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the entry that closed the ledger.
    #[must_use]
    pub fn closed(&self) -> Option<Seq> {
        self.closed
    }

    /// Returns the log key in force, which signs the next checkpoint (SPEC §7).
    #[must_use]
    pub fn log_key(&self) -> Option<&Vkey> {
        self.log_keys.last().map(|(_, vkey)| vkey)
    }

    /// Returns the log key in force at a size: the one that signs the checkpoint over so many entries (SPEC §7).
    #[must_use]
    pub fn log_key_at(&self, size: TreeSize) -> Option<&Vkey> {
        self.log_keys.iter().rev().find(|(seq, _)| seq.0 < size.0).map(|(_, vkey)| vkey)
    }

    /// Returns every log key with the entry that declared it, in order.
    #[must_use]
    pub fn log_keys(&self) -> &[(Seq, Vkey)] {
        &self.log_keys
    }

    /// Returns the quorum in force.
    #[must_use]
    pub fn governance(&self) -> &Governance {
        &self.governance
    }

    /// Returns the policy in force.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Returns a key that is or was in the ledger.
    #[must_use]
    pub fn key(&self, keyid: &KeyId) -> Option<&KnownKey> {
        self.keys.get(keyid)
    }

    /// Returns a party.
    #[must_use]
    pub fn party(&self, party: &str) -> Option<&Party> {
        self.parties.get(party)
    }

    /// Returns every party, in order of id.
    pub fn parties(&self) -> impl ExactSizeIterator<Item = (&PartyId, &Party)> {
        self.parties.iter()
    }

    /// Returns a case.
    #[must_use]
    pub fn case(&self, case: &str) -> Option<&Case> {
        self.cases.get(case)
    }

    /// Returns every case, in order of id.
    pub fn cases(&self) -> impl ExactSizeIterator<Item = (&CaseId, &Case)> {
        self.cases.iter()
    }

    /// Returns the latest entry whose subject type is `ledger` or `party`: the `governance` pointer of the next entry.
    #[must_use]
    pub fn latest_governance(&self) -> Option<Seq> {
        self.latest
    }

    /// Returns the party that acts for `party` now: itself, or its final successor (SPEC §8, succession).
    #[must_use]
    pub fn final_successor(&self, party: &str) -> Option<&PartyId> {
        let (mut id, mut record) = self.parties.get_key_value(party)?;
        // Succession is refused in a circle; the bound keeps a state that was folded from a faulty ledger finite.
        for _ in 0..self.parties.len() {
            match &record.successor {
                None => break,
                Some(next) => (id, record) = self.parties.get_key_value(next)?,
            }
        }
        Some(id)
    }

    /// Returns what a party (by its own id, a final successor) is bound to in a case.
    #[must_use]
    pub fn roles_in(&self, case: &Case, party: &PartyId) -> BTreeSet<Capacity> {
        let bound = |parties: &[PartyId]| parties.iter().any(|p| self.final_successor(p.as_str()) == Some(party));
        case.roles.iter().filter(|(_, parties)| bound(parties)).map(|(role, _)| *role).collect()
    }

    /// Adds a recorded event. It takes effect as it stands; whether it may stand is for [`Authority::judge`].
    ///
    /// `signing` are the ids of the keys that signed it.
    pub fn apply(&mut self, at: Position, kind: &Kind, body: &Body, event: &crate::event::Event, signing: &[KeyId]) {
        let introduction = self.introduction_by(at, kind, event, signing);
        match body {
            Body::LedgerCreated(b) => self.create(at, b),
            Body::LedgerClosed(_) => self.closed = Some(at.seq),
            Body::PolicyChanged(b) => self.policy = Arc::new(b.policy.clone()),
            Body::GovernanceChanged(b) => self.set_governance(&b.governance),
            Body::LogKeyRotated(b) => self.set_log_key(at.seq, &b.log_key),
            Body::PartyEnrolled(b) => {
                let party = Party {
                    name: b.name.as_str().to_owned(),
                    country: b.country.as_ref().map(|c| c.as_str().to_owned()),
                    capacities: b.capacities.iter().copied().collect(),
                    keys: Vec::new(),
                    successor: None,
                    enrolled: at.seq,
                };
                self.parties.entry(b.party.clone()).or_insert(party);
                for grant in b.keys.iter() {
                    self.add_key(at.seq, &b.party, grant, Introduction::Independent);
                }
            }
            Body::PartyAmended(b) => {
                if let Some(party) = self.parties.get_mut(&b.party) {
                    if let Some(name) = &b.name {
                        name.as_str().clone_into(&mut party.name);
                    }
                    if let Some(country) = &b.country {
                        party.country = country.as_ref().map(|c| c.as_str().to_owned());
                    }
                    if let Some(capacities) = &b.capacities {
                        party.capacities = capacities.iter().copied().collect();
                    }
                }
            }
            Body::PartySucceeded(b) => {
                if let Some(party) = self.parties.get_mut(&b.party) {
                    party.successor.get_or_insert_with(|| b.successor.clone());
                }
            }
            Body::KeyAdded(b) => self.add_key(at.seq, &b.party, &b.key, introduction),
            Body::KeyRetired(b) => {
                let ended = Ended { seq: at.seq, time: at.time, suspect_from: None };
                self.end_key(&b.keyid, |key| key.retired.get_or_insert(ended));
            }
            Body::KeyRevoked(b) => {
                let ended = Ended { seq: at.seq, time: at.time, suspect_from: b.suspect_from };
                self.end_key(&b.keyid, |key| key.revoked.get_or_insert(ended));
            }
            Body::CaseOpened(b) => {
                if let Some(id) = &event.case {
                    let case = Case {
                        opened: at.seq,
                        latest: at.seq,
                        title: b.title.as_str().to_owned(),
                        roles: acts::roles_map(&b.roles),
                        closed: None,
                    };
                    self.cases.entry(id.clone()).or_insert(case);
                }
            }
            Body::CaseAmended(b) => {
                if let Some(case) = event.case.as_ref().and_then(|id| self.cases.get_mut(id)) {
                    if let Some(roles) = &b.roles {
                        case.roles = acts::roles_map(roles);
                    }
                    if let Some(title) = &b.title {
                        title.as_str().clone_into(&mut case.title);
                    }
                }
            }
            Body::CaseInspectors(b) => {
                if let Some(case) = event.case.as_ref().and_then(|id| self.cases.get_mut(id)) {
                    case.roles.insert(Capacity::Inspector, b.inspector.to_vec());
                }
            }
            Body::CaseClosed(_) => {
                if let Some(case) = event.case.as_ref().and_then(|id| self.cases.get_mut(id)) {
                    case.closed.get_or_insert(at.seq);
                }
            }
            _ => {}
        }
        self.note_position(at, event);
    }

    /// Moves the pointers that entries carry.
    fn note_position(&mut self, at: Position, event: &crate::event::Event) {
        match event.subject.ty() {
            "ledger" | "party" => self.latest = Some(at.seq),
            "case" => {
                let named = event.case.as_ref().filter(|case| case.as_str() == event.subject.id());
                if let Some(case) = named.and_then(|id| self.cases.get_mut(id)) {
                    case.latest = at.seq;
                }
            }
            _ => {}
        }
    }

    /// Sets the ledger's id: the event hash of entry 0.
    pub fn set_ledger(&mut self, ledger: LedgerId) {
        self.ledger = Some(ledger);
    }

    fn create(&mut self, at: Position, body: &LedgerCreated) {
        body.origin.as_str().clone_into(&mut self.origin);
        self.policy = Arc::new(body.policy.clone());
        self.set_governance(&body.governance);
        self.set_log_key(at.seq, &body.log_key);
    }

    fn set_governance(&mut self, body: &GovernanceBody) {
        for key in body.keys.iter() {
            self.keys.entry(key.id()).or_insert(KnownKey { key: *key, purpose: KeyUse::Governance });
        }
        self.governance = Governance {
            threshold: usize::from(body.threshold.value()),
            keys: body.keys.iter().map(PublicKey::id).collect(),
        };
    }

    fn set_log_key(&mut self, seq: Seq, vkey: &Vkey) {
        let (keyid, key) = log_key_id(vkey);
        self.keys.entry(keyid).or_insert(KnownKey { key, purpose: KeyUse::Log });
        self.log_keys.push((seq, vkey.clone()));
    }

    fn add_key(&mut self, seq: Seq, party: &PartyId, grant: &KeyGrant, introduction: Introduction) {
        let keyid = grant.public_key.id();
        if self.keys.contains_key(&keyid) {
            return;
        }
        let purpose = KeyUse::Party(Box::new(PartyKey {
            party: party.clone(),
            holder: grant.holder.as_str().to_owned(),
            uses: grant.uses.to_vec(),
            not_after: grant.not_after,
            introduced: seq,
            introduction,
            retired: None,
            revoked: None,
        }));
        self.keys.insert(keyid, KnownKey { key: grant.public_key, purpose });
        if let Some(party) = self.parties.get_mut(party) {
            party.keys.push(keyid);
        }
    }

    fn end_key<'a>(&'a mut self, keyid: &KeyId, end: impl FnOnce(&'a mut PartyKey) -> &'a mut Ended) {
        if let Some(KnownKey { purpose: KeyUse::Party(key), .. }) = self.keys.get_mut(keyid) {
            end(key);
        }
    }
}
