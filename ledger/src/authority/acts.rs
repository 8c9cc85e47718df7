//! What SPEC §8 asks of each authority kind beyond the rule of the policy table.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::Signers;
use super::{Authority, KeyUse, PartyKey, Position};
use crate::capacity::Capacity;
use crate::event::authority_bodies::{KeyAdded, KeyGrant, KeyRevoked, PartySucceeded};
use crate::event::case::Roles;
use crate::event::{Body, Event};
use crate::fault::{self, Fault};
use crate::hash::KeyId;
use crate::id::PartyId;
use crate::keys::PublicKey;
use crate::note::{Vkey, VkeyType};
use crate::refusal::{Refusal, RefusalCode};

/// A revocation that reaches further back than this needs the quorum (SPEC §8): 30 days.
const SUSPICION_WITHOUT_QUORUM_MS: i64 = 30 * 86_400_000;

/// Returns the roles of a case as a map.
#[must_use]
pub fn roles_map(roles: &Roles) -> BTreeMap<Capacity, Vec<PartyId>> {
    roles.iter().map(|(role, parties)| (role, parties.to_vec())).collect()
}

impl Authority {
    /// Checks what the kind of an authority event asks beyond its rule.
    pub(super) fn check_act(&self, at: Position, event: &Event, body: &Body, signers: &Signers) -> Result<(), Refusal> {
        match body {
            Body::LedgerCreated(b) => {
                self.check_log_key(&b.log_key, b.origin.as_str(), b.governance.keys.iter())?;
                let unsigned = b.governance.keys.iter().find(|key| !signers.governance.contains(&key.id()));
                unsigned.map_or(Ok(()), |key| Err(unsigned_key(key, "every governance key")))
            }
            Body::LogKeyRotated(b) => self.check_log_key(&b.log_key, self.origin(), std::iter::empty()),
            Body::PartyEnrolled(b) if self.party(b.party.as_str()).is_some() => {
                Err(Refusal::new(RefusalCode::AlreadyStarted, "a party id that is free", b.party.to_string())
                    .at("/body/party"))
            }
            Body::PartyAmended(b) => self.standing_party(&b.party, "/body/party").map(|_| ()),
            Body::PartySucceeded(b) => self.check_succession(b, signers),
            Body::KeyAdded(b) => self.check_key_added(b, signers),
            Body::KeyRetired(b) => {
                self.check_key_act(&b.party, signers)?;
                let key = self.key_of(&b.party, &b.keyid)?;
                if key.retired.is_some() || key.revoked.is_some() {
                    return Err(wrong_key("a key that is neither retired nor revoked", &b.keyid));
                }
                Ok(())
            }
            Body::KeyRevoked(b) => self.check_key_revoked(at, b, signers),
            Body::CaseOpened(b) => {
                let case = event.case.as_ref().map(ToString::to_string).unwrap_or_default();
                if self.case(&case).is_some() {
                    return Err(Refusal::new(RefusalCode::AlreadyStarted, "a case id that is free", case).at("/case"));
                }
                let roles = roles_map(&b.roles);
                self.check_bindings(&roles, "/body/roles")?;
                let givers = [Capacity::Donor, Capacity::Recipient];
                let must_sign = givers.iter().filter_map(|role| roles.get(role)).flatten();
                must_sign_all(must_sign, signers, "every donor and recipient that case.opened names")
            }
            Body::CaseAmended(b) => match &b.roles {
                Some(roles) => self.check_rebinding(event, roles_map(roles), "/body/roles", signers),
                None => Ok(()),
            },
            Body::CaseInspectors(b) => {
                let case = event.case.as_ref().and_then(|id| self.case(id.as_str()));
                let mut roles = case.map(|case| case.roles.clone()).unwrap_or_default();
                roles.retain(|role, _| *role == Capacity::Inspector);
                let inspectors = BTreeMap::from([(Capacity::Inspector, b.inspector.to_vec())]);
                self.check_bindings(&inspectors, "/body/inspector")?;
                let held = self.resolve_all(roles.values().flatten());
                let new = b.inspector.iter().filter(|party| !held.contains(*party));
                must_sign_all(new, signers, "every party that is given a role")
            }
            _ => Ok(()),
        }
    }

    /// A log key is of the ledger's origin, and new in the ledger.
    fn check_log_key<'a>(
        &self,
        vkey: &Vkey,
        origin: &str,
        mut beside: impl Iterator<Item = &'a PublicKey>,
    ) -> Result<(), Refusal> {
        if vkey.name().as_str() != origin {
            let expected = format!("a vkey of the name {origin}");
            return Err(Refusal::new(RefusalCode::WrongKey, expected, vkey.name().as_str()).at("/body/log_key"));
        }
        if vkey.ty() != VkeyType::Ed25519 {
            return Err(Refusal::new(RefusalCode::WrongKey, "a vkey of type 0x01", "another type").at("/body/log_key"));
        }
        let key = vkey.public_key();
        if self.key(&key.id()).is_some() || beside.any(|other| other == key) {
            let found = format!("key {}, which is or was", key.id());
            return Err(Refusal::new(RefusalCode::KeyNotNew, "a key that has never been in this ledger", found)
                .at("/body/log_key"));
        }
        Ok(())
    }

    /// Returns a party that is enrolled and not succeeded.
    fn standing_party(&self, party: &PartyId, path: &str) -> Result<&super::Party, Refusal> {
        let refuse = |expected: &str, found: String| Refusal::new(RefusalCode::WrongParty, expected, found).at(path);
        let record = self.party(party.as_str()).ok_or_else(|| refuse("an enrolled party", party.to_string()))?;
        match &record.successor {
            None => Ok(record),
            Some(successor) => {
                Err(refuse("a party that was not succeeded", format!("{party}, succeeded by {successor}")))
            }
        }
    }

    fn check_succession(&self, body: &PartySucceeded, signers: &Signers) -> Result<(), Refusal> {
        if body.party == body.successor {
            return Err(Refusal::new(
                RefusalCode::WrongParty,
                "another party as successor",
                body.successor.to_string(),
            )
            .at("/body/successor"));
        }
        let party = self.standing_party(&body.party, "/body/party")?;
        let successor = self.standing_party(&body.successor, "/body/successor")?;
        if let Some(lacking) = party.capacities.difference(&successor.capacities).next() {
            let expected = format!("a successor with every capacity of {}", body.party);
            let found = format!("{}, which lacks {lacking}", body.successor);
            return Err(Refusal::new(RefusalCode::WrongParty, expected, found).at("/body/successor"));
        }
        must_sign_all(std::iter::once(&body.successor), signers, "the successor")
    }

    /// `key.*` needs a counting key of the party itself or the quorum, whatever the table says.
    fn check_key_act(&self, party: &PartyId, signers: &Signers) -> Result<(), Refusal> {
        if self.party(party.as_str()).is_none() {
            return Err(Refusal::new(RefusalCode::WrongParty, "an enrolled party", party.to_string()).at("/body/party"));
        }
        if signers.quorum || signers.parties.contains_key(party) {
            return Ok(());
        }
        let expected = format!("a counting key of {party}, or the governance quorum");
        Err(Refusal::new(RefusalCode::PartyUnsigned, expected, signers.in_words()).at("/signatures"))
    }

    fn check_key_added(&self, body: &KeyAdded, signers: &Signers) -> Result<(), Refusal> {
        self.check_key_act(&body.party, signers)?;
        if signers.quorum {
            return Ok(());
        }
        let own = signers.parties.get(&body.party);
        let keys = own.into_iter().flatten().filter_map(|keyid| match self.key(keyid).map(|known| &known.purpose) {
            Some(KeyUse::Party(key)) => Some(key.as_ref()),
            _ => None,
        });
        if keys.into_iter().any(|key| reaches(key, &body.key)) || fault::is(Fault::AddsStrongerKeys) {
            return Ok(());
        }
        Err(Refusal::new(
            RefusalCode::KeyExceedsAdder,
            "uses and a life within those of one signing key of the party",
            "more",
        )
        .at("/body/key")
        .hint("narrow `uses` or `not_after`, or have the governance quorum sign"))
    }

    fn check_key_revoked(&self, at: Position, body: &KeyRevoked, signers: &Signers) -> Result<(), Refusal> {
        self.check_key_act(&body.party, signers)?;
        let key = self.key_of(&body.party, &body.keyid)?;
        if key.revoked.is_some() {
            return Err(wrong_key("a key that is not revoked", &body.keyid));
        }
        let earliest = at.time.plus_millis(-SUSPICION_WITHOUT_QUORUM_MS);
        match body.suspect_from {
            Some(from) if from < earliest && !signers.quorum => Err(Refusal::new(
                RefusalCode::QuorumNeeded,
                format!("{earliest} or later without the governance quorum"),
                from.to_string(),
            )
            .at("/body/suspect_from")
            .hint("have the governance quorum sign too, or revoke now with a later --suspect-from: the key is stopped at once")),
            _ => Ok(()),
        }
    }

    fn key_of(&self, party: &PartyId, keyid: &KeyId) -> Result<&PartyKey, Refusal> {
        match self.key(keyid).map(|known| &known.purpose) {
            Some(KeyUse::Party(key)) if key.party == *party => Ok(key),
            _ => Err(wrong_key(&format!("a key of {party}"), keyid)),
        }
    }

    /// Roles are bound only to parties that have the capacity, and were not succeeded.
    fn check_bindings(&self, roles: &BTreeMap<Capacity, Vec<PartyId>>, path: &str) -> Result<(), Refusal> {
        for (role, parties) in roles {
            for party in parties {
                if !self.standing_party(party, path)?.capacities.contains(role) {
                    let expected = format!("parties with capacity {role} as {role}");
                    return Err(
                        Refusal::new(RefusalCode::WrongParty, expected, format!("{party}, which lacks it")).at(path)
                    );
                }
            }
        }
        Ok(())
    }

    /// Each party given a role that it did not hold signs; one taken off donor or recipient too, unless the quorum does.
    fn check_rebinding(
        &self,
        event: &Event,
        roles: BTreeMap<Capacity, Vec<PartyId>>,
        path: &str,
        signers: &Signers,
    ) -> Result<(), Refusal> {
        self.check_bindings(&roles, path)?;
        let case = event.case.as_ref().and_then(|id| self.case(id.as_str()));
        let none = Vec::new();
        for (role, parties) in &roles {
            let held = self.resolve_all(case.and_then(|case| case.roles.get(role)).unwrap_or(&none).iter());
            let new = parties.iter().filter(|party| !held.contains(*party));
            must_sign_all(new, signers, "every party that is given a role")?;
        }
        if signers.quorum {
            return Ok(());
        }
        for role in [Capacity::Donor, Capacity::Recipient] {
            let held = self.resolve_all(case.and_then(|case| case.roles.get(&role)).unwrap_or(&none).iter());
            let kept = roles.get(&role).unwrap_or(&none);
            let off = held.iter().filter(|party| !kept.contains(party));
            must_sign_all(off, signers, "every party that is taken off donor or recipient (or the quorum)")?;
        }
        Ok(())
    }

    fn resolve_all<'a>(&self, parties: impl Iterator<Item = &'a PartyId>) -> BTreeSet<PartyId> {
        parties.filter_map(|party| self.final_successor(party.as_str()).cloned()).collect()
    }

    /// Returns the parties that an event binds and that were not bound before.
    pub(super) fn newly_bound(body: Option<&Body>) -> BTreeSet<PartyId> {
        let bound: Vec<PartyId> = match body {
            Some(Body::CaseOpened(b)) => roles_map(&b.roles).into_values().flatten().collect(),
            Some(Body::CaseAmended(b)) => {
                b.roles.as_ref().map(|r| roles_map(r).into_values().flatten().collect()).unwrap_or_default()
            }
            Some(Body::CaseInspectors(b)) => b.inspector.to_vec(),
            _ => Vec::new(),
        };
        bound.into_iter().collect()
    }
}

/// Tells whether one key's uses and life cover those of another.
fn reaches(key: &PartyKey, grant: &KeyGrant) -> bool {
    let covered = grant.uses.iter().all(|new| key.uses.iter().any(|own| own.covers(new)));
    let lasts = match (key.not_after, grant.not_after) {
        (None, _) => true,
        (Some(own), Some(new)) => new <= own,
        (Some(_), None) => false,
    };
    covered && lasts
}

fn wrong_key(expected: &str, keyid: &KeyId) -> Refusal {
    Refusal::new(RefusalCode::WrongKey, expected, keyid.to_string()).at("/body/keyid")
}

fn unsigned_key(key: &PublicKey, who: &str) -> Refusal {
    Refusal::new(RefusalCode::IntroducedKeyUnsigned, format!("a signature by {who}"), format!("none by {}", key.id()))
        .at("/signatures")
}

fn must_sign_all<'a>(
    mut parties: impl Iterator<Item = &'a PartyId>,
    signers: &Signers,
    who: &str,
) -> Result<(), Refusal> {
    match parties.find(|party| !signers.parties.contains_key(*party) && !fault::is(Fault::BindsUnasked)) {
        None => Ok(()),
        Some(party) => {
            let found = format!("none of {party}");
            Err(Refusal::new(RefusalCode::PartyUnsigned, format!("a signature of {who}"), found).at("/signatures"))
        }
    }
}
