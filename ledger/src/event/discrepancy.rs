//! Bodies about consignments that did not arrive, or not as they were sent (DOMAIN §2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::{CodeNote, DiscrepancyCode, Grade, Unit, codes};
use super::common::{LineNumber, MAX_LINES, MAX_SERIALS, Reference, Rules, Serial, note_unit};
use super::lists::{Distinct, List};
use super::scalars::{Prose, Quantity};
use crate::hash::EventHash;

codes! {
    /// Why a consignment was not received.
    NotReceivedType {
        /// It came and was not taken.
        Refused = "refused",
        /// It did not come.
        Missing = "missing",
    }
}

/// `transfer.not_received`: a consignment, or lines of it, was refused or did not come.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferNotReceived {
    /// Whether it came.
    #[serde(rename = "type")]
    pub not_received_type: NotReceivedType,
    /// What happened.
    #[schemars(extend("concealable" = true))]
    pub circumstances: Prose<4096>,
    /// The lines of the dispatch; all without them.
    pub lines: Option<Distinct<LineNumber, 1, MAX_LINES>>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for TransferNotReceived {}

/// What is wrong with a line; one line may have more than one thing wrong with it.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscrepantLine {
    /// The number of the dispatch line.
    pub line: LineNumber,
    /// What is wrong.
    pub code: DiscrepancyCode,
    /// How many the papers say were sent.
    pub shipped: Quantity,
    /// How many came.
    pub received: Quantity,
    /// Of what, where it is not counted in the dispatch's unit.
    pub unit: Option<Unit>,
    /// The serials that it is about.
    #[schemars(extend("concealable" = true))]
    pub serials: Option<Distinct<Serial, 1, MAX_SERIALS>>,
}

/// `discrepancy.reported`: the claim that a receipt differs from its papers (SF 364).
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscrepancyReported {
    /// What is wrong, by line.
    pub lines: List<DiscrepantLine, 1, MAX_LINES>,
    /// What happened.
    #[schemars(extend("concealable" = true))]
    pub circumstances: Option<Prose<4096>>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for DiscrepancyReported {
    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        for (i, line) in self.lines.iter().enumerate() {
            if line.code.grade() == Grade::Local {
                note(format!("/lines/{i}/code"), CodeNote::LocalDiscrepancyCode(line.code.to_string()));
            }
            if let Some(unit) = line.unit {
                note_unit(&format!("/lines/{i}/unit"), unit, note);
            }
        }
    }
}

codes! {
    /// How a discrepancy was settled.
    Resolution {
        /// Its value was given back.
        Credited = "credited",
        /// What was missing or wrong was sent anew.
        Replaced = "replaced",
        /// What came was sent back.
        Returned = "returned",
        /// It is kept as it came.
        Accepted = "accepted",
        /// The claim was not granted.
        Rejected = "rejected",
        /// The claim was taken back.
        Withdrawn = "withdrawn",
    }
}

/// `discrepancy.resolved`: how donor and recipient settled a report.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscrepancyResolved {
    /// The report.
    pub about: EventHash,
    /// How.
    pub resolution: Resolution,
    /// The lines of the report; all without them.
    pub lines: Option<Distinct<LineNumber, 1, MAX_LINES>>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for DiscrepancyResolved {}
