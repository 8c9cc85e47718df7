//! Bodies about items that are gone, and that come back (DOMAIN §2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::{CodeNote, Condition, EvidenceGrade, codes};
use super::common::{Broken, MAX_LINES, Reference, Rules, check_part};
use super::item::{Item, check_items, note_items};
use super::lists::List;
use super::place::{Place, check_place};
use super::scalars::{PartNumber, Prose};
use crate::time::Date;

codes! {
    /// How items are gone.
    LossType {
        /// Nobody knows where they are.
        Lost = "lost",
        /// They were taken.
        Stolen = "stolen",
        /// An adversary has them.
        Captured = "captured",
        /// They were destroyed in combat.
        CombatDestroyed = "combat_destroyed",
        /// They are not worth repair.
        DamagedBeyondRepair = "damaged_beyond_repair",
    }
}

/// `loss.reported`: items are gone. When it happened is the event's; when it became known stands here.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LossReported {
    /// How.
    #[serde(rename = "type")]
    pub loss_type: LossType,
    /// Which.
    pub items: List<Item, 1, MAX_LINES>,
    /// What happened.
    #[schemars(extend("concealable" = true))]
    pub circumstances: Prose<4096>,
    /// The date on which it became known.
    pub known: Option<Date>,
    /// What was done about it.
    #[schemars(extend("concealable" = true))]
    pub steps: Option<Prose<4096>>,
    /// Where.
    #[schemars(extend("concealable" = true))]
    pub place: Option<Place>,
    /// Which part of the report this is.
    pub part: Option<PartNumber>,
    /// Whether it is the last.
    pub last: Option<bool>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for LossReported {
    fn check(&self) -> Result<(), Broken> {
        check_items("/items", self.items.iter().map(Item::identity))?;
        check_place("/place", self.place.as_ref())?;
        check_part(self.part, self.last)
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        note_items("/items", self.items.iter().map(Item::identity), note);
    }
}

/// `items.recovered`: items that were gone are back.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemsRecovered {
    /// Which.
    pub items: List<Item, 1, MAX_LINES>,
    /// How it is known.
    pub grade: EvidenceGrade,
    /// In what condition.
    pub condition: Option<Condition>,
    /// Where.
    #[schemars(extend("concealable" = true))]
    pub place: Option<Place>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for ItemsRecovered {
    fn check(&self) -> Result<(), Broken> {
        check_items("/items", self.items.iter().map(Item::identity))?;
        check_place("/place", self.place.as_ref())
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        note_items("/items", self.items.iter().map(Item::identity), note);
    }
}
