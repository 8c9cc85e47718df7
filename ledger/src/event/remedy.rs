//! Bodies about what is ordered to be put right after an incident (DOMAIN §2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::common::{Reference, Rules};
use super::lists::List;
use super::scalars::Prose;
use crate::hash::EventHash;
use crate::id::PartyId;
use crate::time::Date;

/// `remedy.ordered`: a party has to put something right.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemedyOrdered {
    /// What.
    #[schemars(extend("concealable" = true))]
    pub measure: Prose<4096>,
    /// Who.
    pub responsible: PartyId,
    /// By when.
    pub due: Date,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for RemedyOrdered {}

/// `remedy.completed`: a party says that it is put right. It counts from the one who was told to, nobody else.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemedyCompleted {
    /// The order.
    pub about: EventHash,
    /// What was done.
    #[schemars(extend("concealable" = true))]
    pub material: Prose<4096>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for RemedyCompleted {}

/// `remedy.accepted`: oversight finds it put right.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemedyAccepted {
    /// The order.
    pub order: EventHash,
    /// What says that it is done.
    pub completion: Option<EventHash>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for RemedyAccepted {}
