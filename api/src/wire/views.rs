//! What views answer: items, consignments, due dates, and how far the views are.

use std::collections::BTreeMap;

use countersign_ledger::id::{Author, CaseId, Kind, Seq, Subject};
use countersign_ledger::time::{Date, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sheet::Sheet;

/// The header that tells the last entry that an answer of the views knows of.
pub const AS_OF_HEADER: &str = "countersign-as-of-seq";
/// The header that tells how many durable entries the views did not know of yet.
pub const LAG_HEADER: &str = "countersign-lag";

/// How far views are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AsOf {
    /// The last entry that the answer knows of, `null` when there is none yet.
    #[cfg_attr(feature = "server", schema(value_type = Option<u64>, required))]
    pub as_of_seq: Option<Seq>,
    /// How many durable entries come after it.
    pub lag: u64,
}

/// Evidence of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SeenView {
    /// The entry.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub seq: Seq,
    /// By when it was so.
    #[cfg_attr(feature = "server", schema(value_type = String, format = Date))]
    pub at: Date,
    /// How it is known.
    pub grade: String,
}

/// An item as it stands (DOMAIN §3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ItemView {
    /// Its key, for `/v1/items/{key}`: case, type and id of the subject, line, and the serial in the form in which serials
    /// are compared, with `:` between. Other bytes than `A-Za-z0-9._-` stand as `~` and two hex digits.
    pub key: String,
    /// The case.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub case: CaseId,
    /// The consignment or holding that described it first.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub subject: Subject,
    /// The line of it.
    pub line: String,
    /// The serial as it is written; absent for what of a line has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nomenclature: Option<String>,
    /// The national or local stock number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_number: Option<String>,
    /// The maker's part number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_number: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<String>,
    /// Which model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<String>,
    /// Of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Where it is in its life.
    pub state: String,
    /// Since when.
    #[cfg_attr(feature = "server", schema(value_type = String, format = Date))]
    pub since: Date,
    /// The entry that says so.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub state_by: Seq,
    /// Who has it, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub holder: Option<Author>,
    /// The code of its site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// In what condition it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The entry that transferred title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u64>))]
    pub title: Option<Seq>,
    /// The latest evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenView>,
    /// The latest evidence by an inspector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspected: Option<SeenView>,
    /// A check or report since then that did not find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u64>))]
    pub missed: Option<Seq>,
    /// Of what has no serials: how many are where (`received`, `inventoried`, `disposed`, `gone`, `retransferred`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub tally: Option<Value>,
    /// The entry that described it first.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub described: Seq,
    /// How it came in: `dispatched`, `unexpected` or `declared`.
    pub origin: String,
}

/// Items.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ItemPage {
    /// How far the views are.
    #[serde(flatten)]
    pub as_of: AsOf,
    /// The items. A page may hold fewer than asked for, even none, and still not be the last.
    pub items: Vec<ItemView>,
    /// With `serial`: what was stated of it and fits no item, or more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmatched: Vec<TimelineView>,
    /// The `cursor` of the next page, `null` at the end.
    #[cfg_attr(feature = "server", schema(required))]
    pub next: Option<String>,
}

/// One thing that was stated of an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TimelineView {
    /// The entry.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub seq: Seq,
    /// Its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub kind: Option<Kind>,
    /// Who says so.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub by: Author,
    /// By when it was so; without a date of its own, when it was recorded.
    #[cfg_attr(feature = "server", schema(value_type = String, format = Date))]
    pub at: Date,
    /// When it says that it happened (SPEC §3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub occurred: Option<Value>,
    /// When it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = DateTime))]
    pub recorded: Option<Time>,
    /// What is said: `dispatched`, `unexpected`, `declared`, then `received`, `checked`, `lost` and so on.
    pub act: String,
    /// How it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<String>,
    /// In which state it was found, or how it was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Who got it, or gave it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<String>,
    /// How many, of what has no serial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<String>,
    /// In what condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// At which site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The serial as the statement writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The case, of what fits no item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub case: Option<CaseId>,
}

/// An item with its custody history.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ItemHistory {
    /// How far the views are.
    #[serde(flatten)]
    pub as_of: AsOf,
    /// The item.
    pub item: ItemView,
    /// All that was stated of it, in the order in which it happened; the newest where there is more than asked for.
    pub timeline: Vec<TimelineView>,
    /// How many older statements were left out.
    pub omitted: usize,
}

/// Consignments, authorizations, sites or incidents as they stand.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct StatePage {
    /// How far the views are.
    #[serde(flatten)]
    pub as_of: AsOf,
    /// What was found: each with `subject`, `state`, `first` and `latest` entry, its `case` where it is in one, and the
    /// members that the route names.
    #[cfg_attr(feature = "server", schema(value_type = Vec<Object>))]
    pub found: Vec<Value>,
    /// The `cursor` of the next page, `null` at the end.
    #[cfg_attr(feature = "server", schema(required))]
    pub next: Option<String>,
}

/// Something that is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ObligationView {
    /// The last date on which it is in time.
    #[cfg_attr(feature = "server", schema(value_type = String, format = Date))]
    pub due: Date,
    /// What must be done: `receipt`, `initial_inventory`, `inventory`, `site_certificate`, `consent`, `retransfer_end`,
    /// `triage`, `remedy`.
    pub duty: String,
    /// In which case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub case: Option<CaseId>,
    /// About what.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub subject: Subject,
    /// Who must do it: any of them.
    pub who: Vec<String>,
    /// The date from which the term counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, format = Date))]
    pub since: Option<Date>,
    /// The term of the case, in days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<i64>,
    /// The entry that it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u64>))]
    pub seq: Option<Seq>,
    /// The item that is due first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

/// What is due, by date.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ObligationPage {
    /// How far the views are.
    #[serde(flatten)]
    pub as_of: AsOf,
    /// The next first.
    pub obligations: Vec<ObligationView>,
    /// The `cursor` of the next page, `null` at the end.
    #[cfg_attr(feature = "server", schema(required))]
    pub next: Option<String>,
}

/// An entry that refers to an outside number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ReferenceView {
    /// Whose number it is; `document_number` and `certificate` for the ledger's own members.
    pub scheme: String,
    /// The number.
    pub value: String,
    /// The entry.
    #[cfg_attr(feature = "server", schema(value_type = u64))]
    pub seq: Seq,
    /// Its kind.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub kind: Kind,
    /// Its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub case: Option<CaseId>,
    /// Its subject.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub subject: Subject,
    /// Who says so.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub author: Author,
    /// When it was recorded.
    #[cfg_attr(feature = "server", schema(value_type = String, format = DateTime))]
    pub time: Time,
}

/// Entries that refer to an outside number.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ReferencePage {
    /// How far the views are.
    #[serde(flatten)]
    pub as_of: AsOf,
    /// The entries.
    pub references: Vec<ReferenceView>,
    /// The `cursor` of the next page, `null` at the end.
    #[cfg_attr(feature = "server", schema(required))]
    pub next: Option<String>,
}

/// Writes a text so that it can stand in a query (RFC 3986 §2.1).
#[must_use]
pub fn percent(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            written.push(char::from(b));
        } else {
            written.push_str(&format!("%{b:02X}"));
        }
    }
    written
}

/// How many items are in which state.
pub type ItemCounts = BTreeMap<String, u64>;

/// Writes a table of rows that no spreadsheet runs.
fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Vec<u8> {
    let mut sheet = Sheet::new(&header);
    rows.for_each(|row| sheet.row(&row));
    sheet.finish()
}

/// Returns a text, or nothing.
fn text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// Writes items as CSV.
#[must_use]
pub fn item_table(items: &[ItemView]) -> Vec<u8> {
    let header = [
        "key",
        "case",
        "subject",
        "line",
        "serial",
        "nomenclature",
        "stock_number",
        "part_number",
        "maker",
        "model",
        "quantity",
        "unit",
        "state",
        "since",
        "state_by",
        "holder",
        "site",
        "condition",
        "seen",
        "seen_grade",
        "inspected",
        "inspected_grade",
    ];
    let row = |item: &ItemView| {
        let at = |seen: &Option<SeenView>| text(seen.as_ref().map(|seen| seen.at).as_ref());
        let grade = |seen: &Option<SeenView>| text(seen.as_ref().map(|seen| &seen.grade));
        [
            item.key.clone(),
            item.case.to_string(),
            item.subject.to_string(),
            item.line.clone(),
            text(item.serial.as_ref()),
            text(item.nomenclature.as_ref()),
            text(item.stock_number.as_ref()),
            text(item.part_number.as_ref()),
            text(item.maker.as_ref()),
            text(item.model.as_ref()),
            text(item.quantity.as_ref()),
            text(item.unit.as_ref()),
            item.state.clone(),
            item.since.to_string(),
            item.state_by.to_string(),
            text(item.holder.as_ref()),
            text(item.site.as_ref()),
            text(item.condition.as_ref()),
            at(&item.seen),
            grade(&item.seen),
            at(&item.inspected),
            grade(&item.inspected),
        ]
    };
    table(header, items.iter().map(row))
}

/// Writes obligations as CSV.
#[must_use]
pub fn obligation_table(obligations: &[ObligationView]) -> Vec<u8> {
    let header = ["due", "duty", "case", "subject", "who", "since", "days", "seq", "item"];
    let row = |of: &ObligationView| {
        [
            of.due.to_string(),
            of.duty.clone(),
            text(of.case.as_ref()),
            of.subject.to_string(),
            of.who.join(" "),
            text(of.since.as_ref()),
            text(of.days.as_ref()),
            text(of.seq.as_ref()),
            text(of.item.as_ref()),
        ]
    };
    table(header, obligations.iter().map(row))
}

/// Writes references as CSV.
#[must_use]
pub fn reference_table(references: &[ReferenceView]) -> Vec<u8> {
    let header = ["scheme", "value", "seq", "kind", "case", "subject", "author", "time"];
    let row = |of: &ReferenceView| {
        [
            of.scheme.clone(),
            of.value.clone(),
            of.seq.to_string(),
            of.kind.to_string(),
            text(of.case.as_ref()),
            of.subject.to_string(),
            of.author.to_string(),
            of.time.to_string(),
        ]
    };
    table(header, references.iter().map(row))
}

/// Writes what streams come to as CSV, with these members; arrays of texts and numbers with spaces between.
#[must_use]
pub fn state_table<const N: usize>(header: [&str; N], found: &[Value]) -> Vec<u8> {
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) if !values.iter().any(Value::is_object) => {
            let texts = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            texts.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    };
    table(header, found.iter().map(|of| header.map(|member| of.get(member).map(cell).unwrap_or_default())))
}
