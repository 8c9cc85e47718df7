//! The body of `holding.declared`: what is already there when an agency begins to use the ledger (DOMAIN §1.11).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::{CodeNote, EvidenceGrade};
use super::common::{Broken, Line, LineUse, MAX_LINES, Reference, Rules, check_lines, holding_lines};
use super::lists::List;
use super::place::{Place, check_place};
use super::scalars::{Label, Prose};
use super::transfer::note_lines;
use crate::id::PartyId;

/// `holding.declared`.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldingDeclared {
    /// What is held; a line may say since when.
    #[schemars(transform = holding_lines)]
    pub lines: List<Line, 1, MAX_LINES>,
    /// How it is known.
    pub grade: EvidenceGrade,
    /// The record that it is taken from.
    pub source: Label<200>,
    /// Who holds it, where it is not the recipient.
    pub holder: Option<PartyId>,
    /// Where.
    #[schemars(extend("concealable" = true))]
    pub place: Option<Place>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for HoldingDeclared {
    fn check(&self) -> Result<(), Broken> {
        check_lines("/lines", &self.lines, LineUse::Holding)?;
        check_place("/place", self.place.as_ref())
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        note_lines("/lines", &self.lines, note);
    }
}
