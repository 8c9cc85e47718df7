//! Bodies about items that shall go to another holder, or to another use (DOMAIN §2; 22 CFR 123.9, 22 USC 2753).

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
use crate::time::Date;

/// `retransfer.requested`: the recipient asks to give items to another holder.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    { "properties": { "temporary": { "const": true } } }, { "not": { "required": ["ends"] } }
]))]
pub struct RetransferRequested {
    /// Which.
    pub items: List<Item, 1, MAX_LINES>,
    /// The party that would hold them, enrolled or not yet.
    pub new_holder: PartyId,
    /// What for.
    #[schemars(extend("concealable" = true))]
    pub purpose: Prose<4096>,
    /// Whether they would come back.
    pub temporary: bool,
    /// When they would be back: only where they would.
    pub ends: Option<Date>,
    /// What the new holder is called.
    #[schemars(extend("concealable" = true))]
    pub new_holder_name: Option<Label<200>>,
    /// What the new holder promises.
    #[schemars(extend("concealable" = true))]
    pub assurances: Option<Prose<4096>>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for RetransferRequested {
    fn check(&self) -> Result<(), Broken> {
        check_items("/items", self.items.iter().map(Item::identity))?;
        if self.ends.is_some() && !self.temporary {
            return Err(Broken::new("/ends", "no such member unless temporary", "this member"));
        }
        Ok(())
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        note_items("/items", self.items.iter().map(Item::identity), note);
    }
}

codes! {
    /// What was decided; of several decisions a denial prevails.
    Decision {
        /// It may be.
        Granted = "granted",
        /// It may not be.
        Denied = "denied",
    }
}

/// Defines the two kinds of decision, which have the same members.
macro_rules! decision_struct {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[skip_serializing_none]
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(extend("anyOf" = [
            { "properties": { "decision": { "const": "granted" } } }, { "not": { "required": ["expires"] } }
        ]))]
        pub struct $name {
            /// What was decided.
            pub decision: Decision,
            /// Under which conditions.
            #[schemars(extend("concealable" = true))]
            pub conditions: Option<Prose<4096>>,
            /// The last date on which the consent holds: only where it was granted.
            pub expires: Option<Date>,
            /// Outside numbers.
            pub references: Option<List<Reference, 1, 64>>,
            /// Anything else.
            #[schemars(extend("concealable" = true))]
            pub remarks: Option<Prose<4096>>,
        }

        impl Rules for $name {
            fn check(&self) -> Result<(), Broken> {
                if self.expires.is_some() && self.decision == Decision::Denied {
                    return Err(Broken::new("/expires", "no such member with denied", "this member"));
                }
                Ok(())
            }
        }
    };
}

decision_struct! {
    /// `retransfer.decided`: whether items may go to the new holder.
    RetransferDecided
}

decision_struct! {
    /// `end_use_change.decided`: whether items may be put to the new use.
    EndUseChangeDecided
}

/// Defines the two kinds in which items change hands, which have the same members.
macro_rules! handover_struct {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[skip_serializing_none]
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// Which.
            pub items: List<Item, 1, MAX_LINES>,
            /// The other holder; signs.
            pub new_holder: PartyId,
            /// Where.
            #[schemars(extend("concealable" = true))]
            pub place: Option<Place>,
            /// In what condition.
            pub condition: Option<Condition>,
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

handover_struct! {
    /// `retransfer.executed`: the new holder has the items.
    RetransferExecuted
}

handover_struct! {
    /// `retransfer.ended`: the recipient has them back.
    RetransferEnded
}

/// `end_use_change.requested`: the recipient asks to put items to another use.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndUseChangeRequested {
    /// The use that is permitted.
    #[schemars(extend("concealable" = true))]
    pub old_use: Prose<4096>,
    /// The use that is wanted.
    #[schemars(extend("concealable" = true))]
    pub new_use: Prose<4096>,
    /// Which; all of the case without them.
    pub items: Option<List<Item, 1, MAX_LINES>>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl EndUseChangeRequested {
    /// Returns the items; none where it is about all of the case.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        self.items.as_deref().unwrap_or_default()
    }
}

impl Rules for EndUseChangeRequested {
    fn check(&self) -> Result<(), Broken> {
        check_items("/items", self.items().iter().map(Item::identity))
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        note_items("/items", self.items().iter().map(Item::identity), note);
    }
}
