//! Items that a statement is about (DOMAIN §1.7, §1.8).

use super::codes::{CodeNote, LocalStockNumber, Nsn, Unit};
use super::common::{Broken, LineRef, MAX_SERIALS, Serial, note_stock, note_unit};
use super::lists::Distinct;
use super::scalars::{Label, Quantity};

/// Defines a statement about items of one line or lot, with members of its own beside.
macro_rules! item_struct {
    ($(#[$doc:meta])* $name:ident { $($extra:tt)* }) => {
        $(#[$doc])*
        #[serde_with::skip_serializing_none]
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(extend("oneOf" = [
            { "required": ["serials"], "not": { "anyOf": [{ "required": ["quantity"] }, { "required": ["unit"] }] } },
            { "required": ["quantity", "unit"], "not": { "required": ["serials"] }, "anyOf": [
                { "required": ["described_in"] }, { "required": ["nsn"] }, { "required": ["local_stock_number"] },
                { "required": ["part_number"] }, { "required": ["lot"] }
            ] }
        ]))]
        pub struct $name {
            /// The line that first described the items.
            pub described_in: Option<$crate::event::common::LineRef>,
            /// Their serials.
            #[schemars(extend("concealable" = true))]
            pub serials: Option<$crate::event::lists::Distinct<
                $crate::event::common::Serial,
                1,
                { $crate::event::common::MAX_SERIALS },
            >>,
            /// Their lot.
            #[schemars(extend("concealable" = true))]
            pub lot: Option<$crate::event::scalars::Label<64>>,
            /// Their national stock number.
            pub nsn: Option<$crate::event::codes::Nsn>,
            /// An agency's own stock number.
            pub local_stock_number: Option<$crate::event::codes::LocalStockNumber>,
            /// The maker's part number.
            pub part_number: Option<$crate::event::scalars::Label<64>>,
            /// Who made them.
            pub maker: Option<$crate::event::scalars::Label<200>>,
            /// Which model.
            pub model: Option<$crate::event::scalars::Label<200>>,
            /// How many, without serials.
            pub quantity: Option<$crate::event::scalars::Quantity>,
            /// Of what, without serials.
            pub unit: Option<$crate::event::codes::Unit>,
            $($extra)*
        }

        impl $name {
            /// Returns what the items are, without what is said of them.
            #[must_use]
            pub fn identity(&self) -> $crate::event::item::ItemView<'_> {
                $crate::event::item::ItemView {
                    described_in: self.described_in.as_ref(),
                    serials: self.serials.as_ref(),
                    lot: self.lot.as_ref(),
                    nsn: self.nsn.as_ref(),
                    local_stock_number: self.local_stock_number.as_ref(),
                    part_number: self.part_number.as_ref(),
                    quantity: self.quantity,
                    unit: self.unit,
                }
            }
        }
    };
}
pub(crate) use item_struct;

item_struct! {
    /// Items that a statement is about: by serial, or by lot, stock number or line with a quantity (DOMAIN §1.8).
    Item {}
}

/// What items are, whatever is said of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemView<'a> {
    /// The line that first described them.
    pub described_in: Option<&'a LineRef>,
    /// Their serials.
    pub serials: Option<&'a Distinct<Serial, 1, MAX_SERIALS>>,
    /// Their lot.
    pub lot: Option<&'a Label<64>>,
    /// Their national stock number.
    pub nsn: Option<&'a Nsn>,
    /// An agency's own stock number.
    pub local_stock_number: Option<&'a LocalStockNumber>,
    /// The maker's part number.
    pub part_number: Option<&'a Label<64>>,
    /// How many, without serials.
    pub quantity: Option<Quantity>,
    /// Of what, without serials.
    pub unit: Option<Unit>,
}

impl ItemView<'_> {
    /// Checks that the items are told in one of the three ways of DOMAIN §1.8.
    pub(crate) fn check(&self) -> Result<(), Broken> {
        if self.serials.is_some() {
            let beside = [("quantity", self.quantity.is_some()), ("unit", self.unit.is_some())];
            return match beside.iter().find(|(_, present)| *present) {
                Some((name, _)) => Err(Broken::new(format!("/{name}"), "no such member beside serials", "this member")),
                None => Ok(()),
            };
        }
        let Some(_) = self.quantity else {
            return Err(Broken::new("", "serials, or a quantity and unit", "neither"));
        };
        if self.unit.is_none() {
            return Err(Broken::new("/unit", "this member", "nothing"));
        }
        let named = self.described_in.is_some()
            || self.nsn.is_some()
            || self.local_stock_number.is_some()
            || self.part_number.is_some()
            || self.lot.is_some();
        if named {
            return Ok(());
        }
        Err(Broken::new("", "one of described_in, nsn, local_stock_number, part_number, lot beside quantity", "none"))
    }

    pub(crate) fn notes(&self, at: &str, note: &mut dyn FnMut(String, CodeNote)) {
        note_stock(at, self.nsn, self.local_stock_number, note);
        if let Some(unit) = self.unit {
            note_unit(&format!("{at}/unit"), unit, note);
        }
    }
}

/// Checks items one by one.
pub(crate) fn check_items<'a>(at: &str, items: impl Iterator<Item = ItemView<'a>>) -> Result<(), Broken> {
    for (i, item) in items.enumerate() {
        item.check().map_err(|b| b.under(&format!("{at}/{i}")))?;
    }
    Ok(())
}

/// Notes about items one by one.
pub(crate) fn note_items<'a>(
    at: &str,
    items: impl Iterator<Item = ItemView<'a>>,
    note: &mut dyn FnMut(String, CodeNote),
) {
    for (i, item) in items.enumerate() {
        item.notes(&format!("{at}/{i}"), note);
    }
}
