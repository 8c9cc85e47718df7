//! What a party can be: capacities, which are also the names of the roles of a case (SPEC §8).

use serde::{Deserialize, Serialize};

/// A capacity of a party, and the role of a case that is bound to parties with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// Gives equipment, training or services.
    Donor,
    /// Is given them.
    Recipient,
    /// Delivers for the donor.
    Implementer,
    /// Carries consignments.
    Carrier,
    /// Keeps items for the recipient, or is a new holder.
    Custodian,
    /// Checks end use.
    Inspector,
    /// Oversees: an inspector-general, a court of auditors.
    Oversight,
    /// Decides on retransfers.
    Licensor,
    /// Traces weapons.
    Tracer,
    /// Runs the ledger's server.
    Operator,
}

impl Capacity {
    /// Every capacity, in the order of SPEC §8.
    pub const ALL: [Self; 10] = [
        Self::Donor,
        Self::Recipient,
        Self::Implementer,
        Self::Carrier,
        Self::Custodian,
        Self::Inspector,
        Self::Oversight,
        Self::Licensor,
        Self::Tracer,
        Self::Operator,
    ];

    /// Returns the word that stands in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Donor => "donor",
            Self::Recipient => "recipient",
            Self::Implementer => "implementer",
            Self::Carrier => "carrier",
            Self::Custodian => "custodian",
            Self::Inspector => "inspector",
            Self::Oversight => "oversight",
            Self::Licensor => "licensor",
            Self::Tracer => "tracer",
            Self::Operator => "operator",
        }
    }

    /// Finds the capacity of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capacity| capacity.as_str() == word)
    }
}

impl std::fmt::Display for Capacity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
