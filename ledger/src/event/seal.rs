//! The body of a seal (SPEC §15).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::authority_bodies::read_size;
use super::common::Rules;
use crate::hash::SealHash;

/// `streams.sealed`: what every stream has before this entry. The ledger records none that is not true where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamsSealed {
    /// The sequence number of its own entry: how many entries it is over.
    #[serde(deserialize_with = "read_size")]
    pub size: u64,
    /// How many streams they have.
    #[serde(deserialize_with = "read_size")]
    pub streams: u64,
    /// The root over them.
    pub root: SealHash,
}

impl Rules for StreamsSealed {}
