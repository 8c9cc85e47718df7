//! Identifiers: parties, cases, subjects, kinds, sequence numbers (SPEC §1).
//!
//! Ids are ASCII `[a-z0-9][a-z0-9._-]{0,95}`; a party id contains no `.`; a subject is `type/id` with a type of
//! `[a-z_]+`; a kind is `[a-z_]+\.[a-z_]+(\.v[2-9])?`. Parsing refuses everything else and repairs nothing.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Tells why a text is not an identifier of the wanted sort.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("expected {expected}, found {found:?}")]
pub struct IdError {
    /// What the text should have been.
    pub expected: &'static str,
    /// What it was, shortened to 120 characters.
    pub found: String,
}

impl IdError {
    fn new(expected: &'static str, found: &str) -> Self {
        Self { expected, found: found.chars().take(120).collect() }
    }
}

/// Tells whether `text` is an id: `[a-z0-9][a-z0-9._-]{0,95}`.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=96).contains(&bytes.len())
        && matches!(bytes[0], b'a'..=b'z' | b'0'..=b'9')
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

/// Tells whether `text` is a type, or one half of a kind: `[a-z_]+`.
#[must_use]
pub fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_'))
}

fn is_kind(text: &str) -> bool {
    let mut parts = text.split('.');
    let (Some(family), Some(act)) = (parts.next(), parts.next()) else { return false };
    let version = parts.next();
    is_word(family)
        && is_word(act)
        && parts.next().is_none()
        && version.is_none_or(|v| matches!(v.as_bytes(), [b'v', b'2'..=b'9']))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $pattern:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(IdError::new($expected, text)) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

text_id! {
    /// The id of a party: an id without `.`; `governance` is reserved and is not one (SPEC §1, §8).
    PartyId, "a party id ([a-z0-9][a-z0-9_-]{0,95}, not `governance`)", "^[a-z0-9][a-z0-9_-]{0,95}$",
    |text| is_id(text) && !text.contains('.') && text != "governance"
}
text_id! {
    /// The id of a case.
    CaseId, "a case id ([a-z0-9][a-z0-9._-]{0,95})", "^[a-z0-9][a-z0-9._-]{0,95}$", is_id
}
text_id! {
    /// What an event happened to: `type/id` (SPEC §3).
    Subject, "a subject (type/id, such as consignment/2026-0001)", "^[a-z_]+/[a-z0-9][a-z0-9._-]{0,95}$",
    |text| text.split_once('/').is_some_and(|(ty, id)| is_word(ty) && is_id(id))
}
text_id! {
    /// The kind of an event: `[a-z_]+\.[a-z_]+(\.v[2-9])?` (SPEC §1).
    Kind, "a kind (such as transfer.received)", r"^[a-z_]+\.[a-z_]+(\.v[2-9])?$", is_kind
}

text_id! {
    /// A log's name, the first line of its checkpoints: `[a-z0-9][a-z0-9./_-]{2,127}` (SPEC §6).
    Origin, "an origin ([a-z0-9][a-z0-9./_-]{2,127})", "^[a-z0-9][a-z0-9./_-]{2,127}$", is_origin
}

fn is_origin(text: &str) -> bool {
    let bytes = text.as_bytes();
    (3..=128).contains(&bytes.len())
        && matches!(bytes[0], b'a'..=b'z' | b'0'..=b'9')
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'/' | b'_' | b'-'))
}

impl Subject {
    /// Makes a subject of a type and an id.
    ///
    /// # Errors
    /// When either half is not of its form (SPEC §1).
    pub fn new(ty: &str, id: &str) -> Result<Self, IdError> {
        format!("{ty}/{id}").parse()
    }

    /// Returns the type, before the slash.
    #[must_use]
    pub fn ty(&self) -> &str {
        self.0.split_once('/').map_or("", |(ty, _)| ty)
    }

    /// Returns the id, after the slash.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, id)| id)
    }
}

/// Who makes a statement or signs one: a party, or the governance quorum (SPEC §3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Author {
    /// The governance quorum.
    Governance,
    /// A party.
    Party(PartyId),
}

impl Author {
    /// Returns the text that stands in an event.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Governance => "governance",
            Self::Party(party) => party.as_str(),
        }
    }

    /// Returns the party, unless it is the governance quorum.
    #[must_use]
    pub fn party(&self) -> Option<&PartyId> {
        match self {
            Self::Governance => None,
            Self::Party(party) => Some(party),
        }
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Author {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "governance" { Ok(Self::Governance) } else { text.parse().map(Self::Party) }
    }
}

impl Serialize for Author {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Author {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A stream: the events about one subject within one case, or outside any (SPEC §3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// The case, if the events name one.
    pub case: Option<CaseId>,
    /// The subject.
    pub subject: Subject,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.case {
            Some(case) => write!(f, "{} in case {case}", self.subject),
            None => write!(f, "{}", self.subject),
        }
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The sequence number of an entry, from 0: also its leaf index in the tree.
    Seq
}
number! {
    /// A number of leaves: the tree over entries 0 to size − 1.
    TreeSize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_are_strict() {
        for good in ["a", "0", "us-dsca.xa-b-uaa", "a_b", &"a".repeat(96)] {
            assert!(good.parse::<CaseId>().is_ok(), "{good}");
        }
        for bad in ["", ".a", "-a", "_a", "A", "a b", "a/b", "ä", &"a".repeat(97), "a\n"] {
            assert!(bad.parse::<CaseId>().is_err(), "{bad:?}");
        }
        assert!("a.b".parse::<PartyId>().is_err());
        assert!("governance".parse::<PartyId>().is_err());
        assert_eq!("governance".parse::<Author>().unwrap(), Author::Governance);
    }

    #[test]
    fn kinds_and_subjects_are_strict() {
        for good in ["a.b", "transfer.received", "transfer.received.v2", "_._"] {
            assert!(good.parse::<Kind>().is_ok(), "{good}");
        }
        for bad in ["a", "a.", ".b", "a.b.c", "a.b.v1", "a.b.v10", "a.b.v2.v3", "A.b", "a.b "] {
            assert!(bad.parse::<Kind>().is_err(), "{bad:?}");
        }
        assert!("party/a".parse::<Subject>().is_ok());
        for bad in ["party", "/a", "party/", "p/a/b", "P/a", "p1/a"] {
            assert!(bad.parse::<Subject>().is_err(), "{bad:?}");
        }
    }
}
