//! Who signed each entry, kept in four bytes an entry and one record for each different set of signers; and, from
//! that, which entries revocations put under suspicion (SPEC §8).

use std::collections::HashMap;
use std::rc::Rc;

use crate::authority::{Authority, KeyNo, PartyNo, Revocation};
use crate::hash::KeyId;
use crate::index::{Ordinals, Tight};
use crate::signing::Signing;
use crate::time::Instant;

/// A kind and those who signed an event of it.
#[derive(PartialEq, Eq, Hash, Debug)]
pub(super) struct Signers {
    pub(super) kind: String,
    pub(super) keys: Vec<KeyNo>,
    pub(super) parties: Vec<PartyNo>,
    pub(super) quorum: bool,
}

const UNKNOWN: u32 = u32::MAX;

/// Signers and times of the shown entries, by ordinal.
#[derive(Default)]
pub(super) struct People {
    sets: Vec<Rc<Signers>>,
    numbers: HashMap<Rc<Signers>, u32>,
    of_entry: Tight<u32>,
    times: Tight<Instant>,
}

/// Who signed the revocation that casts suspicion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SuspectBy {
    /// The key's party.
    Party,
    /// The governance quorum.
    Governance,
}

/// An entry signed by a key that was later revoked as suspect from that time on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suspect {
    /// The entry.
    pub seq: u64,
    /// The key.
    pub key: KeyId,
    /// The key's party.
    pub party: String,
    /// The entry that revoked the key.
    pub revocation: u64,
    /// Who signed the revocation.
    pub by: SuspectBy,
    /// From when the key's entries are suspect.
    pub from: Instant,
}

impl People {
    pub(super) fn push(&mut self, kind: &str, signing: &Signing, time: Instant) {
        let set = Rc::new(Signers {
            kind: kind.to_owned(),
            keys: signing.keys.clone(),
            parties: signing.parties.iter().map(|p| p.party).collect(),
            quorum: signing.quorum,
        });
        let number = match self.numbers.get(&set) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.sets.len()).unwrap_or(UNKNOWN);
                self.sets.push(Rc::clone(&set));
                self.numbers.insert(set, number);
                number
            }
        };
        self.of_entry.push(number);
        self.times.push(time);
    }

    pub(super) fn push_unknown(&mut self) {
        self.of_entry.push(UNKNOWN);
        self.times.push(Instant::from_millis(i64::MIN));
    }

    pub(super) fn of(&self, ordinal: u32) -> Option<&Signers> {
        let number = *self.of_entry.as_slice().get(ordinal as usize)?;
        self.sets.get(number as usize).map(|set| &**set)
    }

    /// Every entry under suspicion, in order; a key once an entry.
    pub(super) fn suspects(&self, authority: &Authority, ordinals: &Ordinals) -> Vec<Suspect> {
        let suspicion = |key: &KeyNo| -> Option<(KeyNo, Revocation, Instant)> {
            let revocation = authority.key(*key).revoked?;
            Some((*key, revocation, revocation.suspect_from?))
        };
        // one look at each set of signers, so that the entries need none when nothing is suspect
        let by_set: Vec<Vec<_>> = self.sets.iter().map(|set| set.keys.iter().filter_map(suspicion).collect()).collect();
        let mut found = Vec::new();
        let entries = self.of_entry.as_slice().iter().zip(self.times.as_slice());
        for (ordinal, (set, time)) in (0u32..).zip(entries) {
            let Some(suspicions) = by_set.get(*set as usize) else {
                continue;
            };
            for (key, revocation, from) in suspicions {
                if time < from {
                    continue;
                }
                let record = authority.key(*key);
                let party = match record.owner {
                    crate::authority::Owner::Party(party) => authority.party(party).id.clone(),
                    _ => String::new(),
                };
                found.push(Suspect {
                    seq: ordinals.seq(ordinal),
                    key: record.id,
                    party,
                    revocation: revocation.seq,
                    by: if revocation.by_governance { SuspectBy::Governance } else { SuspectBy::Party },
                    from: *from,
                });
            }
        }
        found
    }
}
