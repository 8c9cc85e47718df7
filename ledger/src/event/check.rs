//! Bodies of end-use checks and self-reports (DOMAIN §2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::{CodeNote, Condition, EvidenceGrade, ItemState, codes};
use super::common::{Amount, Broken, MAX_LINES, Reference, Rules, check_part, note_unit};
use super::item::{check_items, item_struct, note_items};
use super::lists::List;
use super::place::{Place, check_place};
use super::scalars::{Label, PartNumber, Prose};

codes! {
    /// Why a check is made.
    CheckType {
        /// Part of routine monitoring.
        Routine = "routine",
        /// Part of enhanced monitoring.
        Enhanced = "enhanced",
        /// At delivery.
        Delivery = "delivery",
        /// After shipment.
        PostShipment = "post_shipment",
    }
}

codes! {
    /// What the inspectors were let see.
    Access {
        /// All that they asked for.
        Full = "full",
        /// Some of it.
        Partial = "partial",
        /// Nothing.
        Refused = "refused",
    }
}

item_struct! {
    /// Items as an inspector found them.
    CheckedItem {
        /// How it is known.
        pub grade: EvidenceGrade,
        /// Where they are in their life.
        pub state: ItemState,
        /// In what condition.
        pub condition: Option<Condition>,
        /// Anything else.
        #[schemars(extend("concealable" = true))]
        pub remarks: Option<Prose<1000>>,
    }
}

item_struct! {
    /// Items as their holder reports them.
    ReportedItem {
        /// Where they are in their life.
        pub state: ItemState,
        /// In what condition.
        pub condition: Option<Condition>,
        /// Anything else.
        #[schemars(extend("concealable" = true))]
        pub remarks: Option<Prose<1000>>,
    }
}

/// A question of a checklist with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChecklistAnswer {
    /// What was asked.
    pub question: Label<500>,
    /// What was found.
    #[schemars(extend("concealable" = true))]
    pub answer: Prose<2000>,
}

/// Defines the two kinds of check, which differ in who did not sign.
macro_rules! check_struct {
    ($(#[$doc:meta])* $name:ident { $($extra:tt)* }) => {
        $(#[$doc])*
        #[skip_serializing_none]
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(extend("anyOf" = [
            { "required": ["items"] }, { "properties": { "access": { "enum": ["partial", "refused"] } } }
        ]))]
        pub struct $name {
            /// Why the check was made.
            #[serde(rename = "type")]
            pub check_type: CheckType,
            /// What the inspectors were let see.
            pub access: Access,
            $($extra)*
            /// The number of the visit that it was part of.
            pub visit: Option<Label<64>>,
            /// The code of the site.
            pub site: Option<Label<64>>,
            /// Where.
            #[schemars(extend("concealable" = true))]
            pub place: Option<Place>,
            /// How many items the records say are there.
            pub population: Option<Amount>,
            /// What was found; required with full access.
            pub items: Option<List<CheckedItem, 1, MAX_LINES>>,
            /// Questions and answers.
            pub checklist: Option<List<ChecklistAnswer, 1, 200>>,
            /// Which part of the check this is.
            pub part: Option<PartNumber>,
            /// Whether it is the last.
            pub last: Option<bool>,
            /// Outside numbers.
            pub references: Option<List<Reference, 1, 64>>,
            /// Anything else.
            #[schemars(extend("concealable" = true))]
            pub remarks: Option<Prose<4096>>,
        }

        impl $name {
            /// Returns what was found.
            #[must_use]
            pub fn items(&self) -> &[CheckedItem] {
                self.items.as_deref().unwrap_or_default()
            }
        }

        impl Rules for $name {
            fn check(&self) -> Result<(), Broken> {
                if self.items.is_none() && self.access == Access::Full {
                    return Err(Broken::new("/items", "this member with full access", "nothing"));
                }
                check_items("/items", self.items().iter().map(CheckedItem::identity))?;
                check_place("/place", self.place.as_ref())?;
                check_part(self.part, self.last)
            }

            fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
                if let Some(population) = &self.population {
                    note_unit("/population/unit", population.unit, note);
                }
                note_items("/items", self.items().iter().map(CheckedItem::identity), note);
            }
        }
    };
}

check_struct! {
    /// `check.recorded`: what inspector and recipient found together.
    CheckRecorded {}
}

check_struct! {
    /// `check.unilateral`: what the inspector found, and why the recipient did not sign it.
    CheckUnilateral {
        /// Why the recipient did not sign.
        #[schemars(extend("concealable" = true))]
        pub why_not_signed: Prose<4096>,
    }
}

/// `self_report.recorded`: what a holder says of items that nobody inspected.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelfReportRecorded {
    /// What it says.
    pub items: List<ReportedItem, 1, MAX_LINES>,
    /// Why nobody inspected them.
    #[schemars(extend("concealable" = true))]
    pub why_not_inspected: Prose<4096>,
    /// The code of the site.
    pub site: Option<Label<64>>,
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

impl Rules for SelfReportRecorded {
    fn check(&self) -> Result<(), Broken> {
        check_items("/items", self.items.iter().map(ReportedItem::identity))?;
        check_place("/place", self.place.as_ref())?;
        check_part(self.part, self.last)
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        note_items("/items", self.items.iter().map(ReportedItem::identity), note);
    }
}
