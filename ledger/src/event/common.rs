//! What bodies of many kinds share: lines, items, places, serials, references (DOMAIN §1, §2).

use std::collections::BTreeSet;
use std::fmt;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::codes::{
    Att, CodeNote, Currency, Demil, DemilIntegrity, Grade, LocalStockNumber, Nsn, Unit, Unroca, Usml, Wassenaar, code,
    demil_note, is_supply_class,
};
use super::lists::{Distinct, Identity, identity_is_itself};
use super::scalars::{FormError, Label, PartNumber, Quantity};
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

/// Tells whether a character does not count in comparing serials: white space and hyphens of all scripts.
fn is_filler(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Brings a serial to the form in which serials are compared (DOMAIN §1.7); letters of different scripts stay different.
#[must_use]
pub fn normalise_serial(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_filler(*c)) {
        if c.is_ascii() { normal.push(c.to_ascii_uppercase()) } else { normal.extend(c.to_uppercase()) }
    }
    normal
}

impl std::str::FromStr for Serial {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let label: Label<64> = text.parse()?;
        if text.chars().all(is_filler) {
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

/// The most serials of one list.
pub const MAX_SERIALS: usize = 10_000;

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
    pub serials: Option<Distinct<Serial, 1, MAX_SERIALS>>,
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

/// The most lines, items or marks of one statement.
pub const MAX_LINES: usize = 1000;

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
pub(crate) fn note_stock(
    at: &str,
    nsn: Option<&Nsn>,
    local: Option<&LocalStockNumber>,
    note: &mut dyn FnMut(String, CodeNote),
) {
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
        assert_eq!(
            super::super::reader::read::<Distinct<Serial, 1, MAX_SERIALS>>(&serials).unwrap_err().into_parts("").0,
            "/2"
        );
    }
}
