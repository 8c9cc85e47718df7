//! Bodies of the kinds about cases (SPEC §8, DOMAIN §4).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_with::skip_serializing_none;

use super::authority_bodies::MAX_TEXT;
use super::codes::{EvidenceGrade, codes};
use super::common::{Broken, Rules};
use super::lists::{Distinct, List};
use super::scalars::{Days, Text, Years};
use crate::capacity::Capacity;
use crate::id::PartyId;

/// The most parties that a case may bind (SPEC §12).
pub const MAX_CASE_PARTIES: usize = 256;

/// Who is what in a case: from role to distinct parties; `donor` and `recipient` are never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Roles(BTreeMap<Capacity, Distinct<PartyId, 0, MAX_CASE_PARTIES>>);

impl Roles {
    /// Makes roles of a table; `None` when donor or recipient is empty or the parties are too many.
    #[must_use]
    pub fn new(table: BTreeMap<Capacity, Distinct<PartyId, 0, MAX_CASE_PARTIES>>) -> Option<Self> {
        let roles = Self(table);
        roles.check().is_ok().then_some(roles)
    }

    /// Returns the parties bound to a role, in the order of the event.
    #[must_use]
    pub fn of(&self, role: Capacity) -> &[PartyId] {
        self.0.get(&role).map_or(&[], |parties| parties)
    }

    /// Returns every role that the event names with its parties.
    pub fn iter(&self) -> impl Iterator<Item = (Capacity, &[PartyId])> {
        self.0.iter().map(|(role, parties)| (*role, &**parties))
    }

    /// Tells whether a party is bound to a role.
    #[must_use]
    pub fn binds(&self, role: Capacity, party: &PartyId) -> bool {
        self.of(role).contains(party)
    }
}

impl Rules for Roles {
    fn check(&self) -> Result<(), Broken> {
        for role in [Capacity::Donor, Capacity::Recipient] {
            if self.of(role).is_empty() {
                let found = if self.0.contains_key(&role) { "an empty array" } else { "nothing" };
                return Err(Broken::new(format!("/{role}"), "at least one party", found));
            }
        }
        let parties: BTreeSet<&PartyId> = self.0.values().flat_map(|parties| parties.iter()).collect();
        if parties.len() > MAX_CASE_PARTIES {
            return Err(Broken::new("", format!("at most {MAX_CASE_PARTIES} parties"), parties.len()));
        }
        Ok(())
    }
}

/// Reads a role by its name, so that an unknown one is told as what it is.
struct RoleName;

impl<'de> DeserializeSeed<'de> for RoleName {
    type Value = Capacity;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Capacity, D::Error> {
        struct Word;

        impl Visitor<'_> for Word {
            type Value = Capacity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a role")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Capacity, E> {
                Capacity::from_word(word).ok_or_else(|| {
                    let words = Capacity::ALL.map(Capacity::as_str).join(", ");
                    E::custom(format_args!("a role: one of {words}"))
                })
            }
        }

        deserializer.deserialize_str(Word)
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;

        impl<'de> Visitor<'de> for Table {
            type Value = Roles;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from role to array of party ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Roles, A::Error> {
                let mut table = BTreeMap::new();
                while let Some(role) = map.next_key_seed(RoleName)? {
                    if table.insert(role, map.next_value::<Distinct<PartyId, 0, MAX_CASE_PARTIES>>()?).is_some() {
                        return Err(A::Error::custom(format_args!("expected each role once, found {role} twice")));
                    }
                }
                Ok(Roles(table))
            }
        }

        deserializer.deserialize_map(Table)
    }
}

impl JsonSchema for Roles {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Roles".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let parties = generator.subschema_for::<Distinct<PartyId, 0, MAX_CASE_PARTIES>>();
        let bound = generator.subschema_for::<Distinct<PartyId, 1, MAX_CASE_PARTIES>>();
        let mut properties = serde_json::Map::new();
        for role in Capacity::ALL {
            let never_empty = matches!(role, Capacity::Donor | Capacity::Recipient);
            let schema = if never_empty { &bound } else { &parties };
            properties.insert(role.as_str().to_owned(), schema.clone().to_value());
        }
        schemars::json_schema!({
            "type": "object", "properties": properties, "required": ["donor", "recipient"], "additionalProperties": false
        })
    }
}

/// The deadlines of a case, all optional (DOMAIN §4).
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Whether a site is certified before anything is sent to it.
    pub site_certificate_before_dispatch: Option<bool>,
    /// Days from expected arrival or dispatch to the receipt.
    pub receipt_within: Option<Days>,
    /// Days from receipt to the first inventory.
    pub initial_inventory_within: Option<Days>,
    /// Days between inventories.
    pub inventory_every: Option<Days>,
    /// Days between routine checks.
    pub routine_check_every: Option<Days>,
    /// The least evidence that counts in an inventory.
    pub inventory_grade: Option<EvidenceGrade>,
    /// Days from when a loss became known to its report.
    pub loss_report_within: Option<Days>,
    /// Days from receipt to a claim about a discrepancy.
    pub discrepancy_claim_within: Option<Days>,
    /// Days from a diversion report to the opening of an investigation.
    pub diversion_triage_within: Option<Days>,
    /// Years for which records are kept.
    pub retain_years: Option<Years>,
}

codes! {
    /// How closely end use is monitored.
    Monitoring {
        /// Routine.
        Routine = "routine",
        /// Enhanced.
        Enhanced = "enhanced",
    }
}

codes! {
    /// Whether what was given may be passed on.
    Retransfer {
        /// Never.
        Prohibited = "prohibited",
        /// With the donor's or licensor's consent.
        WithConsent = "with_consent",
    }
}

/// A number that somebody outside the ledger uses, in an authority body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseReference {
    /// Whose number it is.
    pub scheme: Text<MAX_TEXT>,
    /// The number.
    pub value: Text<MAX_TEXT>,
}

/// `case.opened` (SPEC §8, DOMAIN §2).
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseOpened {
    /// What it is about.
    pub title: Text<MAX_TEXT>,
    /// The laws and agreements that it rests on.
    pub legal_basis: List<Text<MAX_TEXT>, 1, 256>,
    /// Who is what.
    pub roles: Roles,
    /// Its deadlines.
    pub terms: Terms,
    /// How closely end use is monitored.
    pub monitoring: Monitoring,
    /// What the equipment may be used for.
    pub permitted_end_use: Text<MAX_TEXT>,
    /// Who may use it.
    pub permitted_end_users: List<Text<MAX_TEXT>, 1, 256>,
    /// Whether it may be passed on.
    pub retransfer: Retransfer,
    /// Outside numbers.
    pub references: Option<List<CaseReference, 1, 256>>,
    /// Anything else.
    pub remarks: Option<Text<MAX_TEXT>>,
}

impl Rules for CaseOpened {
    fn check(&self) -> Result<(), Broken> {
        self.roles.check().map_err(|b| b.under("/roles"))
    }
}

/// `case.amended`: each member replaces the whole of `case.opened`'s.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 2))]
pub struct CaseAmended {
    /// What it is about.
    pub title: Option<Text<MAX_TEXT>>,
    /// The laws and agreements that it rests on.
    pub legal_basis: Option<List<Text<MAX_TEXT>, 1, 256>>,
    /// Who is what.
    pub roles: Option<Roles>,
    /// Its deadlines.
    pub terms: Option<Terms>,
    /// How closely end use is monitored.
    pub monitoring: Option<Monitoring>,
    /// What the equipment may be used for.
    pub permitted_end_use: Option<Text<MAX_TEXT>>,
    /// Who may use it.
    pub permitted_end_users: Option<List<Text<MAX_TEXT>, 1, 256>>,
    /// Whether it may be passed on.
    pub retransfer: Option<Retransfer>,
    /// Outside numbers.
    pub references: Option<List<CaseReference, 1, 256>>,
    /// Anything else.
    pub remarks: Option<Text<MAX_TEXT>>,
    /// Why.
    pub reason: Text<MAX_TEXT>,
}

impl Rules for CaseAmended {
    fn check(&self) -> Result<(), Broken> {
        let changed = self.title.is_some()
            || self.legal_basis.is_some()
            || self.roles.is_some()
            || self.terms.is_some()
            || self.monitoring.is_some()
            || self.permitted_end_use.is_some()
            || self.permitted_end_users.is_some()
            || self.retransfer.is_some()
            || self.references.is_some()
            || self.remarks.is_some();
        if !changed {
            return Err(Broken::new("", "at least one member of case.opened beside reason", "none"));
        }
        self.roles.as_ref().map_or(Ok(()), |roles| roles.check().map_err(|b| b.under("/roles")))
    }
}

/// `case.inspectors`: replaces the inspectors of the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseInspectors {
    /// All inspectors from now on.
    pub inspector: Distinct<PartyId, 0, MAX_CASE_PARTIES>,
    /// Why.
    pub reason: Text<MAX_TEXT>,
}

impl Rules for CaseInspectors {}

/// `case.closed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseClosed {
    /// Why.
    pub reason: Text<MAX_TEXT>,
}

impl Rules for CaseClosed {}
