//! The fold of governance, party and case events (SPEC §8): whose key counts, who is bound to what, which policy is
//! in force at a position. What an event may do is judged in [`crate::judge`]; here it only takes effect.

use std::cell::Cell;
use std::collections::HashMap;

use crate::act::{Act, NewGovernance, NewKey, Roles};
use crate::capacity::{Capacities, Capacity};
use crate::default_policy::PolicyAge;
use crate::hash::KeyId;
use crate::note::VKey;
use crate::policy::Table;
use crate::time::Instant;

/// A key, by the order in which keys entered the ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyNo(pub u32);

/// A party, by the order in which its id was first named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PartyNo(pub u32);

/// Whose key it is, for life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// A party's.
    Party(PartyNo),
    /// A governance key.
    Governance,
    /// A log key, which signs no event.
    Log,
}

/// A revocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Revocation {
    /// The entry that revoked.
    pub seq: u64,
    /// From when the key's entries are suspect.
    pub suspect_from: Option<Instant>,
    /// Whether the governance quorum signed it; a party otherwise.
    pub by_governance: bool,
}

/// A key and its life.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Its name.
    pub id: KeyId,
    /// Whose it is.
    pub owner: Owner,
    /// The office that holds it.
    pub holder: String,
    /// What it may sign.
    pub uses: Vec<String>,
    /// The last moment at which it counts.
    pub not_after: Option<Instant>,
    /// Counts towards `"keys":n` up to this n (SPEC §8: one officer cannot become two).
    pub weight: usize,
    /// The entry that retired it.
    pub retired: Option<u64>,
    /// Its revocation.
    pub revoked: Option<Revocation>,
}

/// A party.
#[derive(Clone, Debug)]
pub struct PartyRecord {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The entry that enrolled it.
    pub enrolled: Option<u64>,
    /// What it may act as now.
    pub capacities: Capacities,
    /// The party that took its place; kept short by [`Authority::final_party`].
    successor: Cell<Option<PartyNo>>,
}

/// A case: who is bound to which role.
#[derive(Clone, Debug, Default)]
pub struct CaseRecord {
    /// Bindings, as events named them; read them through [`Authority::final_party`].
    pub roles: Vec<(Capacity, Vec<PartyNo>)>,
}

/// The governance in force.
#[derive(Clone, Debug, Default)]
pub struct Governance {
    /// How many keys make the quorum; 0 before there is any.
    pub threshold: usize,
    /// The keys in force.
    pub keys: Vec<KeyNo>,
}

/// Everything that decides what counts at a position.
#[derive(Debug, Default)]
pub struct Authority {
    /// The log's name.
    pub origin: Option<String>,
    /// The log key in force.
    pub log_key: Option<VKey>,
    /// The policy in force.
    pub policy: Table,
    /// Since when its rows are as they are.
    pub policy_age: PolicyAge,
    /// The governance in force.
    pub governance: Governance,
    /// The entry that closed the ledger.
    pub closed: Option<u64>,
    keys: Vec<KeyRecord>,
    key_numbers: HashMap<KeyId, KeyNo>,
    parties: Vec<PartyRecord>,
    party_numbers: HashMap<String, PartyNo>,
    cases: HashMap<String, CaseRecord>,
}

impl Authority {
    /// The number of a key that entered the ledger.
    pub fn key_number(&self, id: &KeyId) -> Option<KeyNo> {
        self.key_numbers.get(id).copied()
    }

    /// A key's record.
    pub fn key(&self, number: KeyNo) -> &KeyRecord {
        &self.keys[number.0 as usize]
    }

    /// All keys, by number.
    pub fn keys(&self) -> &[KeyRecord] {
        &self.keys
    }

    /// The number of a party id that was named.
    pub fn party_number(&self, id: &str) -> Option<PartyNo> {
        self.party_numbers.get(id).copied()
    }

    /// A party's record.
    pub fn party(&self, number: PartyNo) -> &PartyRecord {
        &self.parties[number.0 as usize]
    }

    /// The number of a party that is enrolled.
    pub fn enrolled(&self, id: &str) -> Option<PartyNo> {
        self.party_number(id).filter(|number| self.party(*number).enrolled.is_some())
    }

    /// Whether another party took its place.
    pub fn is_succeeded(&self, party: PartyNo) -> bool {
        self.party(party).successor.get().is_some()
    }

    /// The party that is meant where this one is named: its final successor, or itself.
    pub fn final_party(&self, party: PartyNo) -> PartyNo {
        let mut last = party;
        while let Some(next) = self.party(last).successor.get() {
            last = next;
        }
        // shorten the way for the next time
        let mut at = party;
        while let Some(next) = self.party(at).successor.get() {
            self.party(at).successor.set(Some(last));
            at = next;
        }
        last
    }

    /// An opened case.
    pub fn case(&self, id: &str) -> Option<&CaseRecord> {
        self.cases.get(id)
    }

    /// Whether a key is in the governance list in force.
    pub fn is_governing(&self, key: KeyNo) -> bool {
        self.governance.keys.contains(&key)
    }

    /// The number of a party id, new or not.
    pub fn name_party(&mut self, id: &str) -> PartyNo {
        if let Some(number) = self.party_number(id) {
            return number;
        }
        let number = PartyNo(u32::try_from(self.parties.len()).unwrap_or(u32::MAX));
        self.parties.push(PartyRecord {
            id: id.to_owned(),
            name: String::new(),
            enrolled: None,
            capacities: Capacities::default(),
            successor: Cell::new(None),
        });
        self.party_numbers.insert(id.to_owned(), number);
        number
    }

    /// Enters a key; one that is there already stays as it is.
    fn enter_key(&mut self, id: KeyId, owner: Owner, key: Option<&NewKey>, weight: usize) -> KeyNo {
        if let Some(number) = self.key_number(&id) {
            return number;
        }
        let number = KeyNo(u32::try_from(self.keys.len()).unwrap_or(u32::MAX));
        self.keys.push(KeyRecord {
            id,
            owner,
            holder: key.map(|k| k.holder.clone()).unwrap_or_default(),
            uses: key.map(|k| k.uses.clone()).unwrap_or_default(),
            not_after: key.and_then(|k| k.not_after),
            weight,
            retired: None,
            revoked: None,
        });
        self.key_numbers.insert(id, number);
        number
    }

    fn set_governance(&mut self, governance: &NewGovernance) {
        let keys = governance
            .keys
            .iter()
            .map(|key| self.enter_key(key.id(), Owner::Governance, None, usize::MAX))
            .collect::<Vec<_>>();
        self.governance = Governance {
            threshold: governance.threshold,
            // a key that is a party's stays one, whatever the list says
            keys: keys.into_iter().filter(|key| self.key(*key).owner == Owner::Governance).collect(),
        };
    }

    fn set_policy(&mut self, policy: Table, seq: u64) {
        self.policy_age.replaced(&self.policy, &policy, seq);
        self.policy = policy;
    }

    fn set_log_key(&mut self, key: VKey) {
        if let Some(public) = key.public_key() {
            self.enter_key(public.id(), Owner::Log, None, 0);
        }
        self.log_key = Some(key);
    }

    /// Lets the event at `seq` take effect. `quorum`: whether the governance quorum signed it; `weight`: what a
    /// key counts that it brings in without the quorum.
    pub fn apply(&mut self, act: Act, case: Option<&str>, seq: u64, quorum: bool, weight: usize) {
        match act {
            Act::LedgerCreated { origin, log_key, governance, policy } => {
                if self.origin.is_none() {
                    self.origin = Some(origin);
                    self.set_policy(policy, seq);
                    self.set_governance(&governance);
                    self.set_log_key(log_key);
                }
            }
            Act::LedgerClosed => {
                self.closed.get_or_insert(seq);
            }
            Act::PolicyChanged(policy) => self.set_policy(policy, seq),
            Act::GovernanceChanged(governance) => self.set_governance(&governance),
            Act::LogKeyRotated(key) => self.set_log_key(key),
            Act::PartyEnrolled { party, name, capacities, keys } => self.enrol(&party, name, capacities, &keys, seq),
            Act::PartyAmended { party, name, capacities } => {
                let number = self.name_party(&party);
                let record = &mut self.parties[number.0 as usize];
                if let Some(name) = name {
                    record.name = name;
                }
                if let Some(capacities) = capacities {
                    record.capacities = capacities;
                }
            }
            Act::PartySucceeded { party, successor } => self.succeed(&party, &successor),
            Act::KeyAdded { party, key } => {
                let owner = Owner::Party(self.name_party(&party));
                let weight = if quorum { usize::MAX } else { weight };
                self.enter_key(key.public_key.id(), owner, Some(&key), weight);
            }
            Act::KeyRetired { keyid, .. } => {
                if let Some(key) = self.key_number(&keyid) {
                    self.keys[key.0 as usize].retired.get_or_insert(seq);
                }
            }
            Act::KeyRevoked { keyid, suspect_from, .. } => {
                if let Some(key) = self.key_number(&keyid) {
                    self.keys[key.0 as usize].revoked.get_or_insert(Revocation {
                        seq,
                        suspect_from,
                        by_governance: quorum,
                    });
                }
            }
            Act::CaseOpened(roles) => self.open_case(case, &roles),
            Act::CaseAmended(Some(roles)) => self.bind(case, &roles),
            Act::CaseInspectors(ids) => self.bind_inspectors(case, &ids),
            Act::CaseAmended(None) | Act::CaseClosed => {}
        }
    }

    fn enrol(&mut self, id: &str, name: String, capacities: Capacities, keys: &[NewKey], seq: u64) {
        let number = self.name_party(id);
        let record = &mut self.parties[number.0 as usize];
        if record.enrolled.is_some() {
            return;
        }
        record.enrolled = Some(seq);
        record.name = name;
        record.capacities = capacities;
        for key in keys {
            let id = key.public_key.id();
            self.enter_key(id, Owner::Party(number), Some(key), usize::MAX);
        }
    }

    fn succeed(&mut self, party: &str, successor: &str) {
        let party = self.name_party(party);
        let successor = self.name_party(successor);
        // the first succession stands, and none may lead back to where it started
        if !self.is_succeeded(party) && self.final_party(successor) != party {
            self.party(party).successor.set(Some(successor));
        }
    }

    /// Turns named roles into bindings.
    pub fn bindings(&mut self, roles: &Roles) -> Vec<(Capacity, Vec<PartyNo>)> {
        roles.0.iter().map(|(role, ids)| (*role, ids.iter().map(|id| self.name_party(id)).collect())).collect()
    }

    fn open_case(&mut self, case: Option<&str>, roles: &Roles) {
        let Some(case) = case else { return };
        if !self.cases.contains_key(case) {
            let roles = self.bindings(roles);
            self.cases.insert(case.to_owned(), CaseRecord { roles });
        }
    }

    fn bind(&mut self, case: Option<&str>, roles: &Roles) {
        let bindings = self.bindings(roles);
        if let Some(record) = case.and_then(|case| self.cases.get_mut(case)) {
            record.roles = bindings;
        }
    }

    fn bind_inspectors(&mut self, case: Option<&str>, ids: &[String]) {
        let parties: Vec<PartyNo> = ids.iter().map(|id| self.name_party(id)).collect();
        if let Some(record) = case.and_then(|case| self.cases.get_mut(case)) {
            record.roles.retain(|(role, _)| *role != Capacity::INSPECTOR);
            record.roles.push((Capacity::INSPECTOR, parties));
        }
    }
}

impl CaseRecord {
    /// Whether a party holds a role of the case, by itself or as final successor.
    pub fn holds(&self, authority: &Authority, role: Capacity, party: PartyNo) -> bool {
        self.roles
            .iter()
            .filter(|(r, _)| *r == role)
            .any(|(_, bound)| bound.iter().any(|p| authority.final_party(*p) == party))
    }

    /// Whether a party is bound to any role of the case.
    pub fn binds(&self, authority: &Authority, party: PartyNo) -> bool {
        self.roles.iter().any(|(_, bound)| bound.iter().any(|p| authority.final_party(*p) == party))
    }
}
