//! Bodies about items that are told apart, moved or used up (DOMAIN §1.7, §2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::CodeNote;
use super::common::{Broken, LineRef, MAX_LINES, Reference, Rules, Serial};
use super::item::{Item, check_items, note_items};
use super::lists::List;
use super::place::{Place, check_place};
use super::scalars::{Label, Prose};
use crate::time::Date;

/// An item as one statement describes it.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribedItem {
    /// The line that describes it.
    pub described_in: LineRef,
    /// Its serial there.
    #[schemars(extend("concealable" = true))]
    pub serial: Option<Serial>,
}

/// An item whose mark was changed.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remarked {
    /// The line that first described it.
    pub described_in: Option<LineRef>,
    /// The serial that it had.
    #[schemars(extend("concealable" = true))]
    pub old: Serial,
    /// The serial that it has.
    #[schemars(extend("concealable" = true))]
    pub new: Serial,
}

/// `items.identified`: two descriptions are of one item, or its mark was changed.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["same"] }, { "required": ["remarked"] }]))]
pub struct ItemsIdentified {
    /// Two descriptions of one item.
    pub same: Option<List<DescribedItem, 2, 2>>,
    /// An item with its old and its new mark.
    pub remarked: Option<Remarked>,
    /// How it is known.
    #[schemars(extend("concealable" = true))]
    pub proof: Prose<4096>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for ItemsIdentified {
    fn check(&self) -> Result<(), Broken> {
        match (&self.same, &self.remarked) {
            (None, None) => Err(Broken::new("", "one of same, remarked", "neither")),
            (Some(_), Some(_)) => Err(Broken::new("/remarked", "no such member beside same", "this member")),
            (Some(same), None) => match &**same {
                [first, second] if first.is(second) => {
                    Err(Broken::new("/same/1", "another description than the first", "the same one"))
                }
                _ => Ok(()),
            },
            (None, Some(remarked)) if remarked.old.normalised() == remarked.new.normalised() => {
                let found = format!("{:?}, which is old", remarked.new.as_str());
                Err(Broken::new("/remarked/new", "another serial than old", found))
            }
            (None, Some(_)) => Ok(()),
        }
    }
}

impl DescribedItem {
    /// Tells whether it is the very same description.
    fn is(&self, other: &Self) -> bool {
        let serial = |item: &Self| item.serial.as_ref().map(Serial::normalised);
        self.described_in == other.described_in && serial(self) == serial(other)
    }
}

/// `items.moved`: items are elsewhere, with the same holder.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemsMoved {
    /// Which.
    pub items: List<Item, 1, MAX_LINES>,
    /// Where they are now.
    #[schemars(extend("concealable" = true))]
    pub to: Place,
    /// Where they were.
    #[schemars(extend("concealable" = true))]
    pub from: Option<Place>,
    /// The unit that has them.
    #[schemars(extend("concealable" = true))]
    pub unit: Option<Label<200>>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for ItemsMoved {
    fn check(&self) -> Result<(), Broken> {
        check_items("/items", self.items.iter().map(Item::identity))?;
        check_place("/to", Some(&self.to))?;
        check_place("/from", self.from.as_ref())
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        note_items("/items", self.items.iter().map(Item::identity), note);
    }
}

/// From one date to another, both included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The first date.
    pub from: Date,
    /// The last date.
    pub to: Date,
}

/// `items.expended`: items are used up.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemsExpended {
    /// Which.
    pub items: List<Item, 1, MAX_LINES>,
    /// When, where it was over some time.
    pub window: Option<Window>,
    /// The unit that used them.
    #[schemars(extend("concealable" = true))]
    pub unit: Option<Label<200>>,
    /// Where.
    #[schemars(extend("concealable" = true))]
    pub place: Option<Place>,
    /// Outside numbers.
    pub references: Option<List<Reference, 1, 64>>,
    /// Anything else.
    #[schemars(extend("concealable" = true))]
    pub remarks: Option<Prose<4096>>,
}

impl Rules for ItemsExpended {
    fn check(&self) -> Result<(), Broken> {
        check_items("/items", self.items.iter().map(Item::identity))?;
        if let Some(window) = self.window.as_ref().filter(|window| window.to < window.from) {
            let expected = format!("a date not before {}", window.from);
            return Err(Broken::new("/window/to", expected, window.to));
        }
        check_place("/place", self.place.as_ref())
    }

    fn notes(&self, note: &mut dyn FnMut(String, CodeNote)) {
        note_items("/items", self.items.iter().map(Item::identity), note);
    }
}
