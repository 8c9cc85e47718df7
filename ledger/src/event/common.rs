//! What bodies of many kinds share: lines, items, places, serials, references (DOMAIN §1, §2).

use std::collections::BTreeSet;
use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::{
    Att, CodeNote, Country, Currency, Demil, DemilIntegrity, Grade, LocalStockNumber, Nsn, UnLocode, Unit, Unroca,
    Usml, Wassenaar, code, demil_note, is_supply_class,
};
use super::scalars::{Distinct, FormError, Identity, Label, List, PartNumber, Prose, Quantity, identity_is_itself};
use crate::id::{CaseId, Subject};
use crate::time::Date;

/// A rule between members of a body that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The pointer below the body.
    pub(crate) path: String,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl Broken {
    pub(crate) fn new(path: impl Into<String>, expected: impl Into<String>, found: impl fmt::Display) -> Self {
        Self { path: path.into(), expected: expected.into(), found: found.to_string() }
    }

    pub(crate) fn under(mut self, prefix: &str) -> Self {
        self.path.insert_str(0, prefix);
        self
    }
}

/// Rules between the members of a body, checked once each member is of its form.
pub(crate) trait Rules {
    /// Finds a rule that does not hold.
    fn check(&self) -> Result<(), Broken> {
        Ok(())
    }

    /// Calls `note` with the pointer below the body and each thing to know about a code.
    fn notes(&self, _note: &mut dyn FnMut(String, CodeNote)) {}
}

/// A number that somebody outside the ledger uses: `{"scheme":"fms-case","value":"XA-B-UAA"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Whose number it is.
    pub scheme: Label<64>,
    /// The number.
    pub value: Label<256>,
}

code! {
    /// The number of a line within its statement: letters, digits and `._/-`, at most 32.
    LineNumber, "a line number ([A-Za-z0-9][A-Za-z0-9._/-]{0,31})", "^[A-Za-z0-9][A-Za-z0-9._/-]{0,31}$",
    |text| {
        (1..=32).contains(&text.len())
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b))
    }
}
identity_is_itself!(LineNumber);

/// The serial number of one item, as its mark reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Serial(Label<64>);

impl Serial {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the form in which serials are compared: upper case, without white space and hyphens (DOMAIN §1.7).
    #[must_use]
    pub fn normalised(&self) -> String {
        normalise_serial(self.as_str())
    }
}

/// Brings a serial to the form in which serials are compared (DOMAIN §1.7); letters of different scripts stay different.
#[must_use]
pub fn normalise_serial(text: &str) -> String {
    let dropped = |c: &char| c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    text.chars().filter(|c| !dropped(c)).flat_map(char::to_uppercase).collect()
}

impl std::str::FromStr for Serial {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let label: Label<64> = text.parse()?;
        if normalise_serial(text).is_empty() {
            return Err(FormError::new("a serial with more than hyphens", text));
        }
        Ok(Self(label))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Serial {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::scalars::read_text(deserializer)
    }
}

impl Identity for Serial {
    type Key = String;

    fn identity(&self) -> String {
        self.normalised()
    }
}

/// Serials of one line or item: no two the same once normalised.
pub type Serials = Distinct<Serial, 1, 10_000>;

/// A line of another statement, where items are first described (DOMAIN §1.7).
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineRef {
    /// The case of the stream, where it is not the event's own.
    pub case: Option<CaseId>,
    /// The stream's subject: an authorization, a consignment, a holding.
    pub subject: Subject,
    /// The line within it.
    pub line: LineNumber,
}

/// An amount in a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// How many.
    pub quantity: Quantity,
    /// Of what.
    pub unit: Unit,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// How much.
    pub amount: Quantity,
    /// Of which currency (ISO 4217).
    pub currency: Currency,
}

/// What a line is under the lists that transfers are reported or controlled by.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Category {
    /// UN Register of Conventional Arms.
    pub unroca: Option<Unroca>,
    /// Arms Trade Treaty.
    pub att: Option<Att>,
    /// Wassenaar Munitions List.
    pub wassenaar: Option<Wassenaar>,
    /// United States Munitions List.
    pub usml: Option<Usml>,
}

/// A line: what is authorized, sent or held.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its number, distinct within the event.
    pub line: LineNumber,
    /// What it is called.
    pub nomenclature: Label<200>,
    /// How many.
    pub quantity: Quantity,
    /// Of what.
    pub unit: Unit,
    /// What one unit contains.
    pub contains: Option<Amount>,
    /// The national stock number.
    pub nsn: Option<Nsn>,
    /// The maker's part number.
    pub part_number: Option<Label<64>>,
    /// An agency's own stock number.
    pub local_stock_number: Option<LocalStockNumber>,
    /// Who made it.
    pub maker: Option<Label<200>>,
    /// Which model.
    pub model: Option<Label<200>>,
    /// The lot.
    #[schemars(extend("concealable" = true))]
    pub lot: Option<Label<64>>,
    /// The serials, one an item.
    #[schemars(extend("concealable" = true))]
    pub serials: Option<Serials>,
    /// The line of the kit that this belongs to.
    pub part_of: Option<LineNumber>,
    /// The value of one unit.
    pub unit_value: Option<Money>,
    /// Categories for reports.
    pub category: Option<Category>,
    /// The DEMIL code.
    pub demil: Option<Demil>,
    /// The DEMIL integrity code.
    pub demil_integrity: Option<DemilIntegrity>,
    /// The line of the authorization that it is sent under: in a dispatch only.
    pub authorization: Option<LineRef>,
    /// When its holder first had it: in a holding only.
    pub original_date: Option<Date>,
}

/// The lines of a statement: their numbers are distinct.
pub type Lines = List<Line, 1, 1000>;

/// Which optional members a kind allows in its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineUse {
    /// Neither.
    Plain,
    /// `authorization`.
    Dispatch,
    /// `original_date`.
    Holding,
}

fn forbid(schema: &mut Schema, members: &[&str]) {
    let forbidden: Vec<_> = members.iter().map(|name| serde_json::json!({ "required": [name] })).collect();
    if let Some(items) = schema.get_mut("items").and_then(|items| items.as_object_mut()) {
        items.insert("not".to_owned(), serde_json::json!({ "anyOf": forbidden }));
    }
}

pub(crate) fn plain_lines(schema: &mut Schema) {
    forbid(schema, &["authorization", "original_date"]);
}

pub(crate) fn dispatch_lines(schema: &mut Schema) {
    forbid(schema, &["original_date"]);
}

pub(crate) fn holding_lines(schema: &mut Schema) {
    forbid(schema, &["authorization"]);
}

impl Line {
    fn check(&self, used: LineUse) -> Result<(), Broken> {
        let here = "a member of this kind's lines";
        if used != LineUse::Dispatch && self.authorization.is_some() {
            return Err(Broken::new("/authorization", format!("no such member ({here})"), "this member"));
        }
        if used != LineUse::Holding && self.original_date.is_some() {
            return Err(Broken::new("/original_date", format!("no such member ({here})"), "this member"));
        }
        if self.part_of.as_ref() == Some(&self.line) {
            return Err(Broken::new("/part_of", "the number of another line", format!("{:?}", self.line.as_str())));
        }
        self.category.as_ref().map_or(Ok(()), |category| category.check().map_err(|b| b.under("/category")))
    }

    pub(crate) fn notes(&self, at: &str, note: &mut dyn FnMut(String, CodeNote)) {
        note_stock(at, self.nsn.as_ref(), self.local_stock_number.as_ref(), note);
        note_unit(&format!("{at}/unit"), self.unit, note);
        if let (Some(code), Some(integrity)) = (self.demil, self.demil_integrity) {
            demil_note(code, integrity).into_iter().for_each(|n| note(format!("{at}/demil_integrity"), n));
        }
    }
}

/// Says what there is to know about a stock number.
fn note_stock(at: &str, nsn: Option<&Nsn>, local: Option<&LocalStockNumber>, note: &mut dyn FnMut(String, CodeNote)) {
    if let Some(nsn) = nsn.filter(|nsn| !is_supply_class(nsn.class())) {
        note(format!("{at}/nsn"), CodeNote::UnknownSupplyClass(nsn.class().to_owned()));
    }
    if let Some(local) = local {
        note(format!("{at}/local_stock_number"), CodeNote::LocalStockNumber(local.to_string()));
        if !is_supply_class(local.class()) {
            note(format!("{at}/local_stock_number"), CodeNote::UnknownSupplyClass(local.class().to_owned()));
        }
    }
}

pub(crate) fn note_unit(at: &str, unit: Unit, note: &mut dyn FnMut(String, CodeNote)) {
    if unit.grade() != Grade::Standard {
        note(at.to_owned(), CodeNote::LocalUnit(unit.to_string()));
    }
}

/// Checks lines one by one and that their numbers are distinct.
pub(crate) fn check_lines(at: &str, lines: &[Line], used: LineUse) -> Result<(), Broken> {
    for (i, line) in lines.iter().enumerate() {
        line.check(used).map_err(|b| b.under(&format!("{at}/{i}")))?;
    }
    distinct_lines(at, lines.iter().map(|line| &line.line))
}

/// Checks that line numbers are distinct.
pub(crate) fn distinct_lines<'a>(at: &str, numbers: impl Iterator<Item = &'a LineNumber>) -> Result<(), Broken> {
    let mut seen = BTreeSet::new();
    for (i, number) in numbers.enumerate() {
        if !seen.insert(number) {
            let found = format!("{:?} again", number.as_str());
            return Err(Broken::new(format!("{at}/{i}/line"), "a number that no line before it has", found));
        }
    }
    Ok(())
}

impl Rules for Category {
    fn check(&self) -> Result<(), Broken> {
        let none = self.unroca.is_none() && self.att.is_none() && self.wassenaar.is_none() && self.usml.is_none();
        if none { Err(Broken::new("", "one of unroca, att, wassenaar, usml", "an object of 0")) } else { Ok(()) }
    }
}

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
            pub serials: Option<$crate::event::common::Serials>,
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
            pub fn identity(&self) -> $crate::event::common::ItemView<'_> {
                $crate::event::common::ItemView {
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
    pub serials: Option<&'a Serials>,
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

/// Degrees north, `-90` to `90`, at most six places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latitude(Degrees);

/// Degrees east, `-180` to `180`, at most six places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Longitude(Degrees);

/// Decimal degrees as a text: JSON numbers of the format have no fractions (SPEC §1).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Degrees(Box<str>);

impl Degrees {
    fn parse(text: &str, most: u32, expected: &'static str) -> Result<Self, FormError> {
        let error = || FormError::new(expected, text);
        let magnitude = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match magnitude.split_once('.') {
            Some((whole, fraction)) if (1..=6).contains(&fraction.len()) => (whole, fraction),
            Some(_) => return Err(error()),
            None => (magnitude, ""),
        };
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let plain = (1..=3).contains(&whole.len()) && (whole == "0" || !whole.starts_with('0'));
        if !plain || !digits(whole) || !digits(fraction) {
            return Err(error());
        }
        let whole: u32 = whole.parse().map_err(|_| error())?;
        let beyond = whole > most || (whole == most && fraction.bytes().any(|b| b != b'0'));
        if beyond { Err(error()) } else { Ok(Self(text.into())) }
    }
}

macro_rules! degrees {
    ($name:ident, $most:literal, $expected:literal) => {
        impl std::str::FromStr for $name {
            type Err = FormError;

            fn from_str(text: &str) -> Result<Self, FormError> {
                Degrees::parse(text, $most, $expected).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.0)
            }
        }

        super::scalars::serde_as_text!($name);

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
                schemars::json_schema!({
                    "type": "string", "pattern": r"^-?(0|[1-9][0-9]{0,2})(\.[0-9]{1,6})?$", "description": $expected
                })
            }
        }
    };
}

degrees!(Latitude, 90, "degrees north from -90 to 90 such as 50.0413 (6 places)");
degrees!(Longitude, 180, "degrees east from -180 to 180 such as 21.999 (6 places)");

/// A place, as exactly as its teller wants: at least one member, `lat` and `lon` together.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "dependentRequired" = { "lat": ["lon"], "lon": ["lat"] }))]
pub struct Place {
    /// The country (ISO 3166-1).
    pub country: Option<Country>,
    /// The UN/LOCODE.
    pub un_locode: Option<UnLocode>,
    /// The code of a registered site.
    pub site: Option<Label<64>>,
    /// Degrees north.
    pub lat: Option<Latitude>,
    /// Degrees east.
    pub lon: Option<Longitude>,
    /// In words.
    pub text: Option<Prose<1000>>,
}

impl Rules for Place {
    fn check(&self) -> Result<(), Broken> {
        match (self.lat.is_some(), self.lon.is_some()) {
            (true, false) => return Err(Broken::new("/lon", "this member beside lat", "nothing")),
            (false, true) => return Err(Broken::new("/lat", "this member beside lon", "nothing")),
            _ => {}
        }
        let none = self.country.is_none() && self.un_locode.is_none() && self.site.is_none();
        if none && self.lat.is_none() && self.text.is_none() {
            return Err(Broken::new("", "one of country, un_locode, site, lat, lon, text", "an object of 0"));
        }
        Ok(())
    }
}

/// Checks a place that may be absent.
pub(crate) fn check_place(at: &str, place: Option<&Place>) -> Result<(), Broken> {
    place.map_or(Ok(()), |place| place.check().map_err(|b| b.under(at)))
}

/// Checks that `part` and `last` stand together or not at all (DOMAIN §1.9).
pub(crate) fn check_part(part: Option<PartNumber>, last: Option<bool>) -> Result<(), Broken> {
    match (part, last) {
        (Some(_), None) => Err(Broken::new("/last", "this member beside part", "nothing")),
        (None, Some(_)) => Err(Broken::new("/part", "this member beside last", "nothing")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn serials_compare_normalised() {
        assert_eq!(normalise_serial(" syn-00 01\u{2013}a "), "SYN0001A");
        assert_eq!(normalise_serial("ёж-1"), "ЁЖ1");
        assert_ne!(normalise_serial("A1"), normalise_serial("А1"), "Latin and Cyrillic stay apart");
        assert!("--".parse::<Serial>().is_err());
        assert!(" A1".parse::<Serial>().is_err());
        let serials = serde_json::json!(["SYN-1", "SYN-2", "syn 1"]);
        assert_eq!(super::super::reader::read::<Serials>(&serials).unwrap_err().into_parts("").0, "/2");
    }

    #[test]
    fn degrees_are_bounded() {
        for good in ["0", "-0.5", "90", "-90.000000", "50.041300"] {
            assert!(good.parse::<Latitude>().is_ok(), "{good}");
        }
        for bad in ["", "-", "+1", "90.1", "91", "050", "1.", ".5", "1.0000000", "1e1", "-90.000001", "999"] {
            assert!(bad.parse::<Latitude>().is_err(), "{bad}");
        }
        assert!("180".parse::<Longitude>().is_ok() && "-180.1".parse::<Longitude>().is_err());
    }
}
