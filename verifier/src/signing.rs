//! Who signed an entry, and whether each key counted (SPEC §8; check KEY).

use crate::act::Act;
use crate::authority::{Authority, KeyNo, Owner, PartyNo};
use crate::checks::Fault;
use crate::entry::EnvelopeSignature;
use crate::event::Event;
use crate::hash::KeyId;
use crate::keys::PublicKey;
use crate::scalar::pattern_matches;
use crate::time::Instant;

/// A party that signed, with its keys that counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SigningParty {
    /// The party.
    pub party: PartyNo,
    /// Its keys.
    pub keys: Vec<KeyNo>,
}

/// Who signed an entry. Keys that do not count, or that the event itself introduces, stand for nobody.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Signing {
    /// Every signing key that had entered the ledger, counting or not.
    pub keys: Vec<KeyNo>,
    /// The parties that signed.
    pub parties: Vec<SigningParty>,
    /// How many governance keys in force signed.
    pub governance: usize,
    /// Whether they make the quorum.
    pub quorum: bool,
}

impl Signing {
    /// Whether a party signed with a counting key.
    pub fn by(&self, party: PartyNo) -> bool {
        self.keys_of(party) > 0
    }

    /// How many counting keys of a party signed.
    pub fn keys_of(&self, party: PartyNo) -> usize {
        self.party(party).map_or(0, |p| p.keys.len())
    }

    /// A signing party.
    pub fn party(&self, party: PartyNo) -> Option<&SigningParty> {
        self.parties.iter().find(|p| p.party == party)
    }

    fn add(&mut self, party: PartyNo, key: KeyNo) {
        match self.parties.iter_mut().find(|p| p.party == party) {
            Some(found) => found.keys.push(key),
            None => self.parties.push(SigningParty { party, keys: vec![key] }),
        }
    }
}

/// What is known of the kind that a correction corrects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CorrectedKind<'a> {
    /// The event corrects nothing.
    None,
    /// It corrects an event of this kind.
    Kind(&'a str),
    /// It corrects an event that is not shown, or not of a readable form.
    Unknown,
}

/// What an event brings in: its new keys, and the first that may not come in.
pub struct Introduced {
    /// Names of keys that it introduces and that must sign it.
    pub keys: Vec<KeyId>,
    /// The first fault.
    pub fault: Option<Fault>,
}

impl Introduced {
    /// The keys that an event introduces, judged by the state before it.
    pub fn by(event: &Event, authority: &Authority, signatures: &[EnvelopeSignature]) -> Introduced {
        let mut introduced = Introduced { keys: Vec::new(), fault: None };
        let Some(act) = event.act.as_deref() else {
            return introduced;
        };
        let staying = |key: &PublicKey| {
            matches!(act, Act::GovernanceChanged(_))
                && authority.key_number(&key.id()).is_some_and(|number| authority.is_governing(number))
        };
        let mut seen = Vec::new();
        for key in act.public_keys().iter().filter(|key| !staying(key)) {
            let id = key.id();
            introduced.check_new(key, id, authority, &mut seen);
            introduced.keys.push(id);
            if !signatures.iter().any(|s| s.keyid == id) {
                introduced.fault(Fault::new(
                    "a key that the event introduces did not sign it",
                    format!("a signature by key {id}"),
                    "none",
                ));
            }
        }
        if let Act::LedgerCreated { log_key, .. } | Act::LogKeyRotated(log_key) = act
            && let Some(key) = log_key.public_key()
        {
            introduced.check_new(&key, key.id(), authority, &mut seen);
        }
        introduced
    }

    fn check_new(&mut self, key: &PublicKey, id: KeyId, authority: &Authority, seen: &mut Vec<KeyId>) {
        if let Some(why) = key.unacceptable() {
            self.fault(Fault::new("a key that no ledger may take", "an acceptable key", why));
        }
        if authority.key_number(&id).is_some() || seen.contains(&id) {
            self.fault(Fault::new(
                "a key enters a ledger once in its life",
                "a key that is new to the ledger",
                format!("key {id} again"),
            ));
        }
        seen.push(id);
    }

    fn fault(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }
}

/// What signatures come to: who signed, the first key that did not count, and whether that could be told for all.
pub struct Resolved {
    /// Who signed.
    pub signing: Signing,
    /// The first fault.
    pub fault: Option<Fault>,
    /// A key of which it cannot be said, because the corrected event is not shown.
    pub undecided: Option<KeyId>,
}

/// Finds out who signed an entry of a given time.
pub fn resolve(
    event: &Event,
    corrected: CorrectedKind<'_>,
    time: Instant,
    signatures: &[EnvelopeSignature],
    introduced: &Introduced,
    authority: &Authority,
) -> Resolved {
    let mut resolved = Resolved { signing: Signing::default(), fault: introduced.fault.clone(), undecided: None };
    for signature in signatures {
        let id = signature.keyid;
        let fresh = introduced.keys.contains(&id);
        let Some(number) = authority.key_number(&id) else {
            if !fresh {
                resolved.fault(&id, "unknown here: no earlier entry introduced it");
            }
            continue;
        };
        resolved.signing.keys.push(number);
        let record = authority.key(number);
        match record.owner {
            Owner::Log => resolved.fault(&id, "the log's key"),
            Owner::Governance if authority.is_governing(number) => {
                resolved.signing.governance += 1;
            }
            Owner::Governance => resolved.fault(&id, "a governance key that is not in force"),
            Owner::Party(party) => {
                let why = not_counting(authority, number, party, &event.kind, corrected, time);
                match why {
                    Ok(unknown) => {
                        resolved.signing.add(party, number);
                        if unknown {
                            resolved.undecided.get_or_insert(id);
                        }
                    }
                    // introduced and not new: said already
                    Err(_) if fresh => {}
                    Err(why) => resolved.fault(&id, &why),
                }
            }
        }
    }
    let needed = authority.governance.threshold;
    resolved.signing.quorum = needed > 0 && resolved.signing.governance >= needed;
    resolved
}

/// Why a party key does not count, or whether that hangs on an event that is not shown.
fn not_counting(
    authority: &Authority,
    number: KeyNo,
    party: PartyNo,
    kind: &str,
    corrected: CorrectedKind<'_>,
    time: Instant,
) -> Result<bool, String> {
    let record = authority.key(number);
    if let Some(revocation) = record.revoked {
        return Err(format!("revoked by entry {}", revocation.seq));
    }
    if let Some(seq) = record.retired {
        return Err(format!("retired by entry {seq}"));
    }
    if authority.is_succeeded(party) {
        return Err(format!("of party {}, which another has succeeded", authority.party(party).id));
    }
    if record.not_after.is_some_and(|end| time > end) {
        return Err("past its not_after".to_owned());
    }
    let may = |kind: &str| record.uses.iter().any(|p| pattern_matches(p, kind));
    if !may(kind) {
        return Err(format!("not for events of kind {kind}"));
    }
    match corrected {
        CorrectedKind::Kind(kind) if !may(kind) => Err(format!("not for events of kind {kind}, which it corrects")),
        CorrectedKind::Unknown => Ok(!record.uses.iter().any(|p| p == "*")),
        _ => Ok(false),
    }
}

impl Resolved {
    fn fault(&mut self, id: &KeyId, why: &str) {
        self.fault.get_or_insert_with(|| {
            Fault::new(
                "a signing key that does not count",
                "a key that counts for this kind at this position",
                format!("key {id}: {why}"),
            )
        });
    }
}

/// `keyid` of `key.retired` and `key.revoked` (SPEC §8).
pub fn check_keyid(event: &Event, authority: &Authority) -> Option<Fault> {
    let (party, keyid, retires) = match event.act.as_deref()? {
        Act::KeyRetired { party, keyid } => (party, keyid, true),
        Act::KeyRevoked { party, keyid, .. } => (party, keyid, false),
        _ => return None,
    };
    let record = authority.key_number(keyid).map(|n| authority.key(n));
    let owner = authority.party_number(party).map(Owner::Party);
    let found = match record {
        None => "a key that never entered the ledger".to_owned(),
        Some(record) if Some(record.owner) != owner => "a key that is not the party's".to_owned(),
        Some(record) => match (record.revoked, record.retired) {
            (Some(revocation), _) => format!("a key revoked already by entry {}", revocation.seq),
            (None, Some(seq)) if retires => format!("a key retired already by entry {seq}"),
            _ => return None,
        },
    };
    let expected = format!("a key of {party} that is not revoked{}", if retires { " or retired" } else { "" });
    Some(Fault::new(format!("/body/keyid {keyid}"), expected, found))
}

impl Signing {
    /// How far a key counts that these keys of a party bring in without the quorum (SPEC §8): the largest n such that
    /// n of them count towards n keys themselves.
    pub fn weight_given_by(&self, party: PartyNo, authority: &Authority) -> usize {
        let mut weights: Vec<usize> = match self.party(party) {
            Some(signer) => signer.keys.iter().map(|key| authority.key(*key).weight).collect(),
            None => return 0,
        };
        weights.sort_unstable_by(|a, b| b.cmp(a));
        weights.iter().zip(1..).take_while(|(weight, n)| *weight >= n).count()
    }
}
