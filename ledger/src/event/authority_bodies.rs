//! Bodies of the authority kinds about the ledger, parties and keys (SPEC §6, §8). Members are exactly those of SPEC.
//!
//! Beyond SPEC the ledger refuses at admission what would mean nothing: an empty text, a party without capacities, a key
//! without uses, a capacity or pattern said twice, an amendment of nothing (DOMAIN §2a).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_with::skip_serializing_none;

use super::codes::{PartyCountry, code};
use super::common::{Broken, Rules};
use super::lists::{Distinct, List, identity_is_itself};
use super::reader::nullable;
use super::scalars::{FormError, Text, serde_as_text, whole_number};
use crate::capacity::Capacity;
use crate::hash::{KeyId, LedgerId, NodeHash};
use crate::id::{Kind, PartyId, is_word};
use crate::keys::PublicKey;
use crate::note::{Vkey, VkeyType};
use crate::rule::Policy;
use crate::time::Time;

/// The longest text of an authority body, in bytes (SPEC §8).
pub const MAX_TEXT: usize = 4096;

code! {
    /// The name of a log: `[a-z0-9][a-z0-9./_-]{2,127}` (SPEC §6).
    Origin, "an origin ([a-z0-9][a-z0-9./_-]{2,127})", "^[a-z0-9][a-z0-9./_-]{2,127}$",
    |text| {
        let word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        (3..=128).contains(&bytes.len()) && word(&bytes[0]) && bytes.iter().all(|b| word(b) || b"./_-".contains(b))
    }
}

whole_number! {
    /// How many governance keys make a quorum.
    Threshold(u8), 1, 8
}

/// The governance quorum: `threshold` of `keys` (SPEC §6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Governance {
    /// How many must sign.
    pub threshold: Threshold,
    /// Of which keys.
    pub keys: Distinct<PublicKey, 1, 8>,
}

impl Rules for Governance {
    fn check(&self) -> Result<(), Broken> {
        if usize::from(self.threshold.value()) > self.keys.len() {
            let expected = format!("at most the number of keys, {}", self.keys.len());
            return Err(Broken::new("/threshold", expected, self.threshold));
        }
        Ok(())
    }
}

/// Reads a number of entries.
pub(super) fn read_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    u64::deserialize(deserializer).map_err(|_| D::Error::custom("an integer from 0 to 9007199254740991"))
}

/// A checkpoint of another ledger, which this one succeeds (SPEC §6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Predecessor {
    /// The ledger that this one succeeds.
    pub ledger: LedgerId,
    /// How many entries its checkpoint covers.
    #[serde(deserialize_with = "read_size")]
    pub size: u64,
    /// The root of its checkpoint.
    pub root: NodeHash,
}

/// `ledger.created` (SPEC §6).
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LedgerCreated {
    /// The log's name.
    pub origin: Origin,
    /// The key that signs checkpoints.
    pub log_key: Vkey,
    /// The governance quorum.
    pub governance: Governance,
    /// The signature policy.
    pub policy: Policy,
    /// The ledger that this one succeeds.
    pub predecessor: Option<Predecessor>,
}

impl Rules for LedgerCreated {
    fn check(&self) -> Result<(), Broken> {
        let name = self.log_key.name().as_str();
        if name != self.origin.as_str() {
            let expected = format!("a vkey of the name {}", self.origin);
            return Err(Broken::new("/log_key", expected, format!("one of the name {name}")));
        }
        check_log_key(&self.log_key)?;
        self.governance.check().map_err(|b| b.under("/governance"))
    }
}

/// `ledger.closed` (SPEC §6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LedgerClosed {
    /// Why.
    pub reason: Text<MAX_TEXT>,
}

impl Rules for LedgerClosed {}

/// `policy.changed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyChanged {
    /// The whole new table.
    pub policy: Policy,
    /// Why.
    pub reason: Text<MAX_TEXT>,
}

impl Rules for PolicyChanged {}

/// `governance.changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GovernanceChanged {
    /// The new quorum.
    pub governance: Governance,
    /// Why.
    pub reason: Text<MAX_TEXT>,
}

impl Rules for GovernanceChanged {
    fn check(&self) -> Result<(), Broken> {
        self.governance.check().map_err(|b| b.under("/governance"))
    }
}

/// `log_key.rotated`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogKeyRotated {
    /// The new log key.
    pub log_key: Vkey,
    /// Why.
    pub reason: Text<MAX_TEXT>,
}

impl Rules for LogKeyRotated {
    fn check(&self) -> Result<(), Broken> {
        check_log_key(&self.log_key)
    }
}

/// Checks that a vkey is of the type that signs checkpoints.
fn check_log_key(key: &Vkey) -> Result<(), Broken> {
    if key.ty() == VkeyType::Ed25519 {
        return Ok(());
    }
    Err(Broken::new("/log_key", "a vkey of type 0x01", format!("type {}", key.ty())))
}

/// The kinds that a key may sign: one kind, a family `transfer.*`, or all `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UsePattern {
    /// Every kind.
    All,
    /// Every kind that begins with this word and a full stop.
    Family(Box<str>),
    /// One kind, of exactly this version.
    Kind(Kind),
}

impl UsePattern {
    /// Tells whether a key with this pattern may sign events of a kind.
    #[must_use]
    pub fn matches(&self, kind: &Kind) -> bool {
        match self {
            Self::All => true,
            Self::Family(family) => kind.as_str().split('.').next() == Some(family),
            Self::Kind(own) => own == kind,
        }
    }

    /// Tells whether every kind that `other` matches is matched by this one.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (_, Self::Kind(kind)) => self.matches(kind),
            (Self::Family(own), Self::Family(other)) => own == other,
            _ => false,
        }
    }
}

impl FromStr for UsePattern {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let error = || FormError::new("a kind, a family such as transfer.*, or *", text);
        match text.strip_suffix('*') {
            Some("") => Ok(Self::All),
            Some(family) => {
                let family = family.strip_suffix('.').filter(|family| is_word(family)).ok_or_else(error)?;
                Ok(Self::Family(family.into()))
            }
            None => text.parse().map(Self::Kind).map_err(|_| error()),
        }
    }
}

impl fmt::Display for UsePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Family(family) => write!(f, "{family}.*"),
            Self::Kind(kind) => kind.fmt(f),
        }
    }
}

serde_as_text!(UsePattern);
identity_is_itself!(UsePattern);

impl JsonSchema for UsePattern {
    fn schema_name() -> Cow<'static, str> {
        "UsePattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^(\*|[a-z_]+\.(\*|[a-z_]+(\.v[2-9])?))$" })
    }
}

/// K: a key as an event gives it to a party (SPEC §8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyGrant {
    /// The key.
    pub public_key: PublicKey,
    /// The office that holds it, not a person.
    pub holder: Text<MAX_TEXT>,
    /// The kinds that it may sign.
    pub uses: Distinct<UsePattern, 1, 256>,
    /// The last instant at which it counts.
    #[serde(deserialize_with = "nullable")]
    #[schemars(with = "Nullable<Time>")]
    pub not_after: Option<Time>,
}

impl KeyGrant {
    /// Tells whether a pattern of `uses` matches a kind.
    #[must_use]
    pub fn may_sign(&self, kind: &Kind) -> bool {
        self.uses.iter().any(|pattern| pattern.matches(kind))
    }
}

/// `party.enrolled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartyEnrolled {
    /// Its id.
    pub party: PartyId,
    /// What it is called.
    pub name: Text<MAX_TEXT>,
    /// Its country, if it has one.
    #[serde(deserialize_with = "nullable")]
    #[schemars(with = "Nullable<PartyCountry>")]
    pub country: Option<PartyCountry>,
    /// What it can be in a case.
    pub capacities: Distinct<Capacity, 1, 10>,
    /// Its first keys.
    pub keys: List<KeyGrant, 1, 8>,
}

impl Rules for PartyEnrolled {
    fn check(&self) -> Result<(), Broken> {
        for (i, grant) in self.keys.iter().enumerate() {
            if self.keys[..i].iter().any(|before| before.public_key == grant.public_key) {
                let path = format!("/keys/{i}/public_key");
                return Err(Broken::new(
                    path,
                    "a key that no element before it has",
                    format!("{} again", grant.public_key),
                ));
            }
        }
        Ok(())
    }
}

/// Reads a member that may be absent, and may be `null`.
fn absent_or_nullable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    nullable(deserializer).map(Some)
}

/// `party.amended`: each member replaces the whole.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 3))]
pub struct PartyAmended {
    /// Whose.
    pub party: PartyId,
    /// Its new name.
    pub name: Option<Text<MAX_TEXT>>,
    /// Its new country; `Some(None)` takes it away.
    #[serde(default, deserialize_with = "absent_or_nullable")]
    #[schemars(with = "Nullable<PartyCountry>")]
    pub country: Option<Option<PartyCountry>>,
    /// Its new capacities.
    pub capacities: Option<Distinct<Capacity, 1, 10>>,
    /// Why.
    pub reason: Text<MAX_TEXT>,
}

impl Rules for PartyAmended {
    fn check(&self) -> Result<(), Broken> {
        if self.name.is_none() && self.country.is_none() && self.capacities.is_none() {
            return Err(Broken::new("", "at least one of name, country, capacities", "none"));
        }
        Ok(())
    }
}

/// `party.succeeded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartySucceeded {
    /// Whose place.
    pub party: PartyId,
    /// Who takes it.
    pub successor: PartyId,
    /// Why.
    pub reason: Text<MAX_TEXT>,
}

impl Rules for PartySucceeded {}

/// `key.added`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyAdded {
    /// Whose.
    pub party: PartyId,
    /// The new key.
    pub key: KeyGrant,
}

impl Rules for KeyAdded {}

/// `key.retired`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRetired {
    /// Whose.
    pub party: PartyId,
    /// Which key.
    pub keyid: KeyId,
    /// Why.
    pub reason: Text<MAX_TEXT>,
}

impl Rules for KeyRetired {}

/// `key.revoked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRevoked {
    /// Whose.
    pub party: PartyId,
    /// Which key.
    pub keyid: KeyId,
    /// Why.
    pub reason: Text<MAX_TEXT>,
    /// From when on what it signed is suspect.
    #[serde(deserialize_with = "nullable")]
    #[schemars(with = "Nullable<Time>")]
    pub suspect_from: Option<Time>,
}

impl Rules for KeyRevoked {}

/// The schema of a member that may be `null`: the only place where a schema of this crate says so.
pub(crate) struct Nullable<T>(std::marker::PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Nullable<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}OrNull", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [generator.subschema_for::<T>(), { "const": null }] })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pattern(text: &str) -> UsePattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_match_and_cover() {
        let kind = |text: &str| text.parse::<Kind>().unwrap();
        assert!(pattern("*").matches(&kind("key.added")));
        assert!(pattern("transfer.*").matches(&kind("transfer.received.v2")));
        assert!(!pattern("transfer.*").matches(&kind("transfers.received")));
        assert!(!pattern("transfer.received").matches(&kind("transfer.received.v2")));
        for (wide, narrow, covers) in [
            ("*", "*", true),
            ("*", "a.*", true),
            ("*", "a.b", true),
            ("a.*", "*", false),
            ("a.*", "a.*", true),
            ("a.*", "b.*", false),
            ("a.*", "a.b.v2", true),
            ("a.b", "a.*", false),
            ("a.b", "a.b", true),
        ] {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), covers, "{wide} {narrow}");
        }
        for bad in ["", "**", "a*", ".*", "a.b.*", "A.*", "a.", "a.b*", "* "] {
            assert!(bad.parse::<UsePattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn origins() {
        for good in ["ledger.example/assistance-2026", "abc", "0_-", &"a".repeat(128)] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for bad in ["ab", ".ab", "Abc", "a b", "a+b", &"a".repeat(129), "é.example"] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
