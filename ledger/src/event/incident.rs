//! Bodies about incidents: a report, which any party may record alone, and what becomes of it (DOMAIN §1.5, §2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::{CodeNote, EvidenceGrade, codes};
use super::common::{Broken, MAX_LINES, Reference, Rules};
use super::item::{Item, check_items, note_items};
use super::lists::{Distinct, List};
use super::place::{Place, check_place};
use super::scalars::{Label, Prose};
use crate::hash::EventHash;
use crate::id::{CaseId, PartyId};

/// `diversion.reported`.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiversionReported {
    /// What is said to have happened.
    #[schemars(extend("concealable" = true))]
    pub claim: Prose<4096>,
    /// How it is known, best evidence first.
    pub source_grade: EvidenceGrade,
    /// The cases that the items belong to.
    pub cases: Option<Distinct<CaseId, 1, 64>>,
    /// The items; each says the case of its line.
    pub items: Option<List<Item, 1, MAX_LINES>>,
    /// Marks seen on items that could not be told otherwise.
    #[schemars(extend("concealable" = true))]
    pub marks: Option<Distinct<Label<64>, 1, MAX_LINES>>,
    /// Where.
    #[schemars(extend("concealable" = true))]
    pub place: Option<Place>,
    /// How it came to be known.
    #[schemars(extend("concealable" = true))]
    pub how_known: Option<Prose<4096>>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl DiversionReported {
    /// Returns the items.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        self.items.as_deref().unwrap_or_default()
    }
}

impl Rules for DiversionReported {
    fn check(&self) -> Result<(), Broken> {
        check_items("/items", self.items().iter().map(Item::identity))?;
        for (i, item) in self.items().iter().enumerate() {
            if item.described_in.as_ref().is_some_and(|line| line.case.is_none()) {
                let path = format!("/items/{i}/described_in/case");
                return Err(Broken::new(path, "this member: the event itself has no case", "nothing"));
            }
        }
        check_place("/place", self.place.as_ref())
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        note_items("/items", self.items().iter().map(Item::identity), note);
    }
}

/// `investigation.opened`: somebody looks into it.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvestigationOpened {
    /// What is looked into.
    #[schemars(extend("concealable" = true))]
    pub allegation: Prose<4096>,
    /// Who looks, where it is not the author.
    pub investigator: Option<PartyId>,
    /// The parties that it is against: their acts clear nothing.
    pub against: Option<Distinct<PartyId, 1, 64>>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for InvestigationOpened {}

codes! {
    /// What an investigation came to.
    Outcome {
        /// It happened.
        Substantiated = "substantiated",
        /// It did not, or nothing shows it.
        Unsubstantiated = "unsubstantiated",
        /// It cannot be told.
        Inconclusive = "inconclusive",
    }
}

/// `finding.recorded`: what an investigation came to.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingRecorded {
    /// What.
    pub outcome: Outcome,
    /// The standard of proof.
    pub standard: Label<200>,
    /// Why.
    #[schemars(extend("concealable" = true))]
    pub reasons: Prose<4096>,
    /// The parties that it is against.
    pub against: Option<Distinct<PartyId, 1, 64>>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for FindingRecorded {}

/// `incident.closed`: nothing more is to be done.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentClosed {
    /// The finding that it rests on.
    pub finding: EventHash,
    /// Why.
    #[schemars(extend("concealable" = true))]
    pub reason: Prose<4096>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for IncidentClosed {}

/// `incident.reopened`: there is something to be done after all.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentReopened {
    /// Why.
    #[schemars(extend("concealable" = true))]
    pub reason: Prose<4096>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for IncidentReopened {}
