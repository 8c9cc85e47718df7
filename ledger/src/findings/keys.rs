//! Keys: suspect ones, and those that a party did not add itself (DOMAIN §5, SPEC §8).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::desk::{Desk, finding};
use super::{Assessment, Code};
use crate::authority::{KeyUse, PartyKey};
use crate::facts::Statement;
use crate::hash::KeyId;
use crate::id::{PartyId, Seq};
use crate::time::Time;

/// Applies the rules.
pub(super) fn assess(desk: &Desk<'_>, out: &mut Assessment) {
    suspect(desk, out);
    added_by_governance(desk, out);
}

fn party_key<'a>(desk: &Desk<'a>, keyid: &KeyId) -> Option<&'a PartyKey> {
    match &desk.book.authority().key(keyid)?.purpose {
        KeyUse::Party(key) => Some(key),
        KeyUse::Governance | KeyUse::Log => None,
    }
}

/// Returns every key that is suspect: since when, and the entry that says so.
fn suspects(desk: &Desk<'_>) -> HashMap<KeyId, (Time, Seq)> {
    let keys = desk.book.authority().parties().flat_map(|(_, party)| &party.keys);
    let suspects = keys.filter_map(|keyid| {
        let ended = party_key(desk, keyid)?.revoked.as_ref()?;
        Some((*keyid, (ended.suspect_from?, ended.seq)))
    });
    suspects.collect()
}

fn suspect(desk: &Desk<'_>, out: &mut Assessment) {
    let suspects = suspects(desk);
    if suspects.is_empty() {
        return;
    }
    let taints =
        |statement: &Statement, keyid: &KeyId| suspects.get(keyid).is_some_and(|(from, _)| statement.time >= *from);
    let suspect = |s: &Statement| s.keys.iter().any(|keyid| taints(s, keyid));
    let tainted: Vec<&Statement> = desk.book.statements().iter().filter(|s| suspect(s)).collect();
    // what was said again, and signed with other keys
    let streams: HashSet<_> = tainted.iter().map(|s| &s.stream).collect();
    let mut again: HashMap<(&crate::id::StreamId, &str, String), Seq> = HashMap::new();
    for s in desk.book.statements().iter().filter(|s| streams.contains(&s.stream) && !suspect(s)) {
        again.insert((&s.stream, s.kind.as_str(), s.body.to_string()), s.seq);
    }
    for statement in tainted {
        let said = (&statement.stream, statement.kind.as_str(), statement.body.to_string());
        if again.get(&said).is_some_and(|seq| *seq > statement.seq) {
            continue;
        }
        let of: BTreeMap<Seq, (&KeyId, Time)> = (statement.keys.iter())
            .filter(|keyid| taints(statement, keyid))
            .filter_map(|keyid| suspects.get(keyid).map(|(from, seq)| (*seq, (keyid, *from))))
            .collect();
        let Some((_, (keyid, from))) = of.first_key_value() else { continue };
        let party = party_key(desk, keyid).map_or("", |key| key.party.as_str());
        let detail = format!("signed with key {keyid} of {party}, which is suspect from {from}");
        let entries = of.keys().copied().chain([statement.seq]);
        let stream = &statement.stream;
        let since = statement.recorded();
        let found = finding(Code::SuspectKey, stream.case.as_ref(), &stream.subject, since, entries, detail);
        desk.raise(out, found, Vec::new(), false);
    }
}

/// A key that came to a party without a key of the party.
struct Added {
    party: PartyId,
    keyid: KeyId,
    seq: Seq,
}

fn added_by_governance(desk: &Desk<'_>, out: &mut Assessment) {
    let mut open: Vec<Added> = Vec::new();
    for statement in desk.book.statements() {
        // an older key that signs shows that the party is there, and let the newer stand
        if !open.is_empty() {
            let signs = |one: &Added| {
                let older = |key: &PartyKey| key.party == one.party && key.introduced < one.seq;
                statement.keys.iter().filter_map(|keyid| party_key(desk, keyid)).any(older)
            };
            open.retain(|one| !signs(one));
        }
        if statement.kind.as_str() == "key.added" {
            open.extend(foreign(desk, statement));
        }
    }
    for one in open {
        let Some(statement) = desk.book.by_seq(one.seq) else { continue };
        let detail =
            format!("governance added key {} to {}, and no older key of it has signed since", one.keyid, one.party);
        let subject = &statement.stream.subject;
        let found = finding(Code::KeyAddedByGovernance, None, subject, statement.recorded(), [one.seq], detail);
        desk.raise(out, found, Vec::new(), true);
    }
}

/// Reads an addition that no key signed that the party had before.
fn foreign(desk: &Desk<'_>, statement: &Statement) -> Option<Added> {
    let party: PartyId = statement.get("party")?;
    let own = |key: &PartyKey| key.party == party && key.introduced < statement.seq;
    if statement.keys.iter().filter_map(|keyid| party_key(desk, keyid)).any(own) {
        return None;
    }
    let introduced = |keyid: &&KeyId| party_key(desk, keyid).is_some_and(|key| key.introduced == statement.seq);
    let keyid = *statement.keys.iter().find(introduced)?;
    Some(Added { party, keyid, seq: statement.seq })
}
