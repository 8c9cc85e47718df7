//! Bodies about who has a consignment, and whose it is (DOMAIN §2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::{CodeNote, Unit};
use super::common::{Broken, LineNumber, MAX_LINES, MAX_SERIALS, Reference, Rules, Serial, distinct_lines, note_unit};
use super::lists::{Distinct, List};
use super::place::{Place, check_place};
use super::scalars::{Label, Prose, Quantity};
use crate::id::PartyId;

/// How much of a dispatch line changed hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineCount {
    /// The number of the dispatch line.
    pub line: LineNumber,
    /// How many were counted.
    pub quantity: Quantity,
    /// Of what.
    pub unit: Unit,
}

/// `custody.handed_over`: a consignment goes from one party's hands into another's; both sign.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustodyHandedOver {
    /// Who had it.
    pub from: PartyId,
    /// Who has it now: another party.
    pub to: PartyId,
    /// Where.
    #[schemars(extend("concealable" = true))]
    pub place: Option<Place>,
    /// The marks of the packages that changed hands.
    #[schemars(extend("concealable" = true))]
    pub packages: Option<Distinct<Label<64>, 1, MAX_LINES>>,
    /// The seals that were found on them.
    #[schemars(extend("concealable" = true))]
    pub seals: Option<Distinct<Label<64>, 1, MAX_LINES>>,
    /// What was counted, by line.
    pub counts: Option<List<LineCount, 1, MAX_LINES>>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl CustodyHandedOver {
    /// Returns what was counted.
    #[must_use]
    pub fn counts(&self) -> &[LineCount] {
        self.counts.as_deref().unwrap_or_default()
    }
}

impl Rules for CustodyHandedOver {
    fn check(&self) -> Result<(), Broken> {
        if self.from == self.to {
            return Err(Broken::new("/to", "another party than from", format!("{:?} again", self.to.as_str())));
        }
        check_place("/place", self.place.as_ref())?;
        distinct_lines("/counts", self.counts().iter().map(|count| &count.line))
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        for (i, count) in self.counts().iter().enumerate() {
            note_unit(&format!("/counts/{i}/unit"), count.unit, note);
        }
    }
}

/// A dispatch line, or some of its serials, whose title passes.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TitleLine {
    /// The number of the dispatch line.
    pub line: LineNumber,
    /// Which of its serials; all without them.
    #[schemars(extend("concealable" = true))]
    pub serials: Option<Distinct<Serial, 1, MAX_SERIALS>>,
}

/// `title.transferred`: what was the donor's is the recipient's.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TitleTransferred {
    /// What passes.
    pub lines: List<TitleLine, 1, MAX_LINES>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for TitleTransferred {
    fn check(&self) -> Result<(), Broken> {
        distinct_lines("/lines", self.lines.iter().map(|line| &line.line))
    }
}
