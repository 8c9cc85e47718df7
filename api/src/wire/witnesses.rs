//! What a server says of its witnesses.

use countersign_ledger::id::TreeSize;
use countersign_ledger::time::Time;
use serde::{Deserialize, Serialize};

/// How the witnesses of a ledger stand. It is the server's word: a cosigned checkpoint proves itself, this does not.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct WitnessesView {
    /// The ledger's size.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub size: TreeSize,
    /// What must have cosigned, and how far it has; absent where no witness is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<QuorumView>,
    /// Each witness, in the order of the trust file.
    pub witnesses: Vec<WitnessView>,
}

/// What must have cosigned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct QuorumView {
    /// The witness or group that the quorum line of the trust file names.
    pub name: String,
    /// The size of the latest checkpoint that it cosigned; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u64>))]
    pub size: Option<TreeSize>,
    /// How many entries are beyond that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<u64>,
}

/// How a witness stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum WitnessState {
    /// It cosigned everything that is recorded.
    Current,
    /// It cosigned, and the ledger has grown since.
    Behind,
    /// It has not cosigned yet, nor failed to.
    Unasked,
    /// It does not cosign.
    Failing,
    /// It has seen more than this ledger has, or another history of it.
    Ahead,
}

impl WitnessState {
    /// Returns the word that travels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Behind => "behind",
            Self::Unasked => "unasked",
            Self::Failing => "failing",
            Self::Ahead => "ahead",
        }
    }
}

/// One witness.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct WitnessView {
    /// What the trust file calls it.
    pub name: String,
    /// Its verifier key.
    pub key: String,
    /// Where it is asked.
    pub url: String,
    /// Whether its key's name says that it verifies every entry before it cosigns (SPEC §11).
    pub auditor: bool,
    /// How it stands.
    pub state: WitnessState,
    /// The size of the newest checkpoint that it cosigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u64>))]
    pub size: Option<TreeSize>,
    /// When it did, by its own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub time: Option<Time>,
    /// How many entries are beyond that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<u64>,
    /// Since when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub since: Option<Time>,
    /// Why it failed last, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it has against this ledger, until it cosigns again: that it was rolled back or forked, or the witness lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
}
