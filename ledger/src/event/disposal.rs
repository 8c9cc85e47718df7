//! Bodies about the end of items: made unusable, destroyed, given back (DOMAIN §2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::{CodeNote, Condition, codes};
use super::common::{Broken, MAX_LINES, Reference, Rules};
use super::item::{Item, check_items, note_items};
use super::lists::List;
use super::place::{Place, check_place};
use super::scalars::{Label, Prose};
use crate::id::PartyId;

/// Defines the two kinds of disposal, which have the same members.
macro_rules! disposal_struct {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[skip_serializing_none]
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// Which.
            pub items: List<Item, 1, MAX_LINES>,
            /// How.
            pub method: Label<200>,
            /// The number of the certificate.
            pub certificate: Option<Label<64>>,
            /// The party that saw it; signs.
            pub witness: Option<PartyId>,
            /// Where.
            #[schemars(extend("concealable" = true))]
            pub place: Option<Place>,
            /// Outside numbers.
            pub references: Option<List<Reference, 1, 64>>,
            /// Anything else.
            #[schemars(extend("concealable" = true))]
            pub remarks: Option<Prose<4096>>,
        }

        impl Rules for $name {
            fn check(&self) -> Result<(), Broken> {
                check_items("/items", self.items.iter().map(Item::identity))?;
                check_place("/place", self.place.as_ref())
            }

            fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
                note_items("/items", self.items.iter().map(Item::identity), note);
            }
        }
    };
}

disposal_struct! {
    /// `items.demilitarized`: items were made unusable.
    ItemsDemilitarized
}

disposal_struct! {
    /// `items.destroyed`: items were destroyed under control.
    ItemsDestroyed
}

codes! {
    /// What items are given back for.
    ReturnPurpose {
        /// For good.
        Final = "final",
        /// To be repaired and come again.
        Repair = "repair",
    }
}

/// `items.returned`: items are with the donor again.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemsReturned {
    /// Which.
    pub items: List<Item, 1, MAX_LINES>,
    /// What for.
    pub purpose: ReturnPurpose,
    /// Who has them now.
    pub to: Option<PartyId>,
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

impl Rules for ItemsReturned {
    fn check(&self) -> Result<(), Broken> {
        check_items("/items", self.items.iter().map(Item::identity))?;
        check_place("/place", self.place.as_ref())
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        note_items("/items", self.items.iter().map(Item::identity), note);
    }
}
