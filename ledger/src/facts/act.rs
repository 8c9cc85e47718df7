//! Items, what first described them, and what was stated of them since.

use serde::{Deserialize, Serialize};

use crate::event::codes::{EvidenceGrade, ItemState};
use crate::event::scalars::Quantity;
use crate::id::{Author, CaseId, PartyId, Seq, Subject};
use crate::time::Date;

/// Where an item was first described (DOMAIN §1.7): stream, line and serial; without a serial, all of the line that has
/// none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemKey {
    /// The case.
    pub case: CaseId,
    /// The consignment or holding.
    pub subject: Subject,
    /// The line.
    pub line: String,
    /// The serial, in the form in which serials are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

/// How an item came into the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// By a dispatch.
    Dispatched,
    /// By a receipt of what was not dispatched.
    Unexpected,
    /// By a declaration of what was there before.
    Declared,
}

/// The first description of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Where it stands.
    pub key: ItemKey,
    /// The entry.
    pub seq: Seq,
    /// By when it was so.
    pub at: Date,
    /// When it was recorded.
    pub recorded: Date,
    /// Who says so.
    pub by: Author,
    /// How it came in.
    pub origin: Origin,
    /// Who has it, where a holding says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<PartyId>,
    /// The evidence of a holding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<EvidenceGrade>,
    /// The serial as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nomenclature: Option<String>,
    /// The national or the local stock number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_number: Option<String>,
    /// The maker's part number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_number: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<String>,
    /// Which model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Of which lot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot: Option<String>,
    /// How many: 1 for an item with a serial; `None` where the line shows no quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// Of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The line of the authorization that it was sent under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<(CaseId, Subject, String)>,
    /// When the holder first had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_date: Option<Date>,
    /// The code of the site where it is then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
}

impl Description {
    /// Returns the numbers that it goes by beside serials: of stock, part and lot, each once.
    #[must_use]
    pub fn numbers(&self) -> Vec<&str> {
        let numbers = [&self.stock_number, &self.part_number, &self.lot].into_iter();
        let mut numbers: Vec<&str> = numbers.flatten().map(String::as_str).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

/// What a statement names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The item with a serial (in compared form) in a case.
    Serial(CaseId, String),
    /// All of a line.
    Line(CaseId, Subject, String),
    /// All of a consignment or holding.
    Stream(CaseId, Subject),
    /// Something of a stock, part or lot number in a case, told no nearer.
    Stock(CaseId, String),
}

impl Target {
    /// Returns the case.
    #[must_use]
    pub const fn case(&self) -> &CaseId {
        match self {
            Self::Serial(case, _) | Self::Line(case, ..) | Self::Stream(case, _) | Self::Stock(case, _) => case,
        }
    }
}

/// How many a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// The one item of the serial.
    One,
    /// So many, of a unit; without one, of the line's.
    Some(Quantity, Option<String>),
    /// All that the target names.
    All,
    /// The serials are not disclosed.
    Concealed,
}

/// What is said of items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum Act {
    /// They arrived.
    Received {
        /// In a condition that is no discrepancy.
        sound: bool,
    },
    /// They were sent and did not arrive with the rest.
    Absent,
    /// The consignment did not arrive, or was refused.
    NotReceived {
        /// It came and was sent back.
        refused: bool,
    },
    /// They went from hand to hand.
    HandedOver {
        /// Who has them.
        to: PartyId,
    },
    /// They belong to the recipient.
    TitleTransferred,
    /// An inspector found them so.
    Checked {
        /// How it is known.
        grade: EvidenceGrade,
        /// In which state.
        state: ItemState,
        /// The recipient did not sign.
        unilateral: bool,
    },
    /// Their holder says that they are so.
    Reported {
        /// In which state.
        state: ItemState,
    },
    /// They are elsewhere.
    Moved,
    /// They are used up.
    Expended,
    /// They are gone: `lost`, `stolen`, `captured`, `combat_destroyed` or `damaged_beyond_repair`.
    Lost {
        /// How.
        how: ItemState,
    },
    /// They are back.
    Recovered {
        /// How it is known.
        grade: EvidenceGrade,
    },
    /// Another holder is asked for.
    RetransferRequested {
        /// Who.
        new_holder: PartyId,
    },
    /// They are with another holder.
    Retransferred {
        /// Who.
        new_holder: PartyId,
    },
    /// They are back from another holder.
    RetransferEnded {
        /// From whom.
        holder: PartyId,
    },
    /// They are made unusable.
    Demilitarized,
    /// They are destroyed under control.
    Destroyed,
    /// They are back with the donor.
    Returned {
        /// For good, not for repair.
        last: bool,
    },
    /// They are the same as another description, or bear another serial since.
    Identified,
    /// Somebody says that they are where they should not be.
    Diverted,
}

/// A statement of an item, or of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mention {
    /// The entry.
    pub seq: Seq,
    /// What the statement is about: a check, a receipt, a loss.
    pub subject: Subject,
    /// Since when it may have been so; `None` where the statement does not say when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// By when it was so; when it was recorded, where the statement does not say.
    pub at: Date,
    /// When it was recorded.
    pub recorded: Date,
    /// Who says so.
    pub by: Author,
    /// What is named.
    pub target: Target,
    /// The line that first described it, where the statement says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described_in: Option<(CaseId, Subject, String)>,
    /// The stock number that the statement gives beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_number: Option<String>,
    /// The serial as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// How many.
    pub amount: Amount,
    /// What is said.
    #[serde(flatten)]
    pub act: Act,
    /// In what condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The code of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Whether which items of the target are meant is not disclosed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub concealed: bool,
}

/// Two descriptions of one item, or a new serial of one (`items.identified`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The entry.
    pub seq: Seq,
    /// The one that stands.
    pub first: (Target, Option<(CaseId, Subject, String)>),
    /// The other, or the new serial.
    pub second: (Target, Option<(CaseId, Subject, String)>),
    /// Whether `second` is a new mark on `first`, no description of its own.
    pub remarked: bool,
}

/// Where an item is in its life (DOMAIN §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Sent.
    InTransit,
    /// Arrived; nobody has seen it in custody since.
    Received,
    /// Arrived damaged, in part, or unexpected.
    ReceivedDiscrepant,
    /// Sent and not arrived.
    NotReceived,
    /// With its holder.
    InCustody,
    /// Used up.
    Expended,
    /// Destroyed under control.
    Destroyed,
    /// Made unusable.
    Demilitarized,
    /// Back with the donor for good.
    Returned,
    /// With the donor for repair.
    InRepair,
    /// Lost.
    Lost,
    /// Stolen.
    Stolen,
    /// In the enemy's hands.
    Captured,
    /// Destroyed in combat.
    CombatDestroyed,
    /// Not worth repair.
    DamagedBeyondRepair,
    /// Back after a loss; nobody has seen it in custody since.
    Recovered,
}

impl State {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 16] = [
        Self::InTransit,
        Self::Received,
        Self::ReceivedDiscrepant,
        Self::NotReceived,
        Self::InCustody,
        Self::Expended,
        Self::Destroyed,
        Self::Demilitarized,
        Self::Returned,
        Self::InRepair,
        Self::Lost,
        Self::Stolen,
        Self::Captured,
        Self::CombatDestroyed,
        Self::DamagedBeyondRepair,
        Self::Recovered,
    ];

    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InTransit => "in_transit",
            Self::Received => "received",
            Self::ReceivedDiscrepant => "received_discrepant",
            Self::NotReceived => "not_received",
            Self::InCustody => "in_custody",
            Self::Expended => "expended",
            Self::Destroyed => "destroyed",
            Self::Demilitarized => "demilitarized",
            Self::Returned => "returned",
            Self::InRepair => "in_repair",
            Self::Lost => "lost",
            Self::Stolen => "stolen",
            Self::Captured => "captured",
            Self::CombatDestroyed => "combat_destroyed",
            Self::DamagedBeyondRepair => "damaged_beyond_repair",
            Self::Recovered => "recovered",
        }
    }

    /// Tells whether nothing should follow (DOMAIN §3, †).
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Expended | Self::Destroyed | Self::Demilitarized | Self::Returned | Self::CombatDestroyed)
    }

    /// Tells whether the item is where nobody has accounted for it: on its way, not arrived, or gone.
    #[must_use]
    pub const fn is_unaccounted(self) -> bool {
        matches!(self, Self::InTransit | Self::NotReceived | Self::Lost | Self::Stolen | Self::Captured)
    }

    /// Tells whether the item is where nobody can see it: lost, stolen or captured.
    #[must_use]
    pub const fn is_gone(self) -> bool {
        matches!(self, Self::Lost | Self::Stolen | Self::Captured)
    }

    /// Tells whether the recipient, or a holder under it, has the item and must account for it.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(
            self,
            Self::Received | Self::ReceivedDiscrepant | Self::InCustody | Self::Recovered | Self::DamagedBeyondRepair
        )
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|state| state.as_str()).collect();
            format!("expected one of {}, found {text:?}", words.join(", "))
        })
    }
}
