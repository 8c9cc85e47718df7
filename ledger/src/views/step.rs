//! One statement as a step in the life of its stream: a consignment, an authorization, a site, an incident, a case.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;

use crate::event::scalars::Quantity;
use crate::facts::Statement;
use crate::facts::statement::parse;
use crate::hash::EventHash;
use crate::id::{Author, CaseId, PartyId, Seq, Subject};
use crate::time::Date;

/// A line of an authorization, as far as it shows.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLine {
    /// Its number.
    pub line: String,
    /// What it is called.
    pub nomenclature: Option<String>,
    /// The national or local stock number.
    pub stock_number: Option<String>,
    /// How many.
    pub quantity: Option<Quantity>,
    /// Of what.
    pub unit: Option<String>,
}

/// A draw on an authorization by a dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// The line of the authorization.
    pub line: String,
    /// How many.
    pub quantity: Option<Quantity>,
    /// Of what.
    pub unit: Option<String>,
    /// The consignment.
    pub consignment: Subject,
}

/// A step. What a statement does not say, or conceals, is absent.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The entry.
    pub seq: Seq,
    /// What happened.
    pub kind: String,
    /// Who says so.
    pub by: Author,
    /// By when it was so.
    pub at: Date,
    /// When it was recorded.
    pub recorded: Date,
    /// The event.
    pub event: EventHash,
    /// The number of the document.
    pub document_number: Option<String>,
    /// When it is to arrive.
    pub expected: Option<Date>,
    /// Whether more parts follow: `false` where they do.
    pub complete: Option<bool>,
    /// Whether all arrived as it should be.
    pub sound: Option<bool>,
    /// What came of it: a type, a resolution, a decision, an outcome.
    pub outcome: Option<String>,
    /// The event that it is about.
    pub about: Option<EventHash>,
    /// The finding that it cites.
    pub finding: Option<EventHash>,
    /// Who must do something.
    pub responsible: Option<PartyId>,
    /// Until when.
    pub due: Option<Date>,
    /// Who is accused.
    #[serde(default)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<PartyId>,
    /// The cases that it is about.
    #[serde(default)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<CaseId>,
    /// The last date on which it holds.
    pub until: Option<Date>,
    /// A code, by which others name it.
    pub code: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// Who has it, or gets it.
    pub holder: Option<PartyId>,
    /// How it is known.
    pub grade: Option<String>,
    /// Whether it is for a time.
    pub temporary: Option<bool>,
    /// The lines.
    #[serde(default)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<StepLine>,
    /// The body, of an event about the case itself.
    pub body: Option<Value>,
}

/// Kinds that are a step of their stream.
const STEPS: [&str; 31] = [
    "case.opened",
    "case.amended",
    "case.inspectors",
    "case.closed",
    "site.registered",
    "site.certified",
    "transfer.authorized",
    "transfer.cancelled",
    "transfer.dispatched",
    "transfer.received",
    "transfer.not_received",
    "custody.handed_over",
    "receipt.attested",
    "discrepancy.reported",
    "discrepancy.resolved",
    "title.transferred",
    "holding.declared",
    "retransfer.requested",
    "retransfer.decided",
    "retransfer.executed",
    "retransfer.ended",
    "end_use_change.requested",
    "end_use_change.decided",
    "diversion.reported",
    "investigation.opened",
    "finding.recorded",
    "remedy.ordered",
    "remedy.accepted",
    "remedy.completed",
    "incident.closed",
    "incident.reopened",
];

impl Step {
    /// Reads a statement as a step; `None` for kinds that are none.
    #[must_use]
    pub fn of(statement: &Statement) -> Option<Self> {
        let kind = statement.kind.as_str();
        if !STEPS.contains(&kind) {
            return None;
        }
        let text = |member: &str| statement.text(member).map(str::to_owned);
        let parties = |member: &str| -> Vec<PartyId> { parsed(statement.array(member)) };
        let part = statement.body.get("part").is_some();
        let authority = kind.starts_with("case.");
        Some(Self {
            seq: statement.seq,
            kind: kind.to_owned(),
            by: statement.author.clone(),
            at: statement.by(),
            recorded: statement.recorded(),
            event: statement.event,
            document_number: text("document_number"),
            expected: statement.get("expected"),
            complete: Some(!part || statement.body.get("last").and_then(Value::as_bool).unwrap_or(true)),
            sound: (kind == "transfer.received").then(|| sound(statement)),
            outcome: ["type", "resolution", "decision", "outcome"].into_iter().find_map(text),
            about: statement.get("about").or_else(|| statement.get("order")),
            finding: statement.get("finding"),
            responsible: statement.get("responsible").or_else(|| statement.get("investigator")),
            due: statement.get("due"),
            against: parties("against"),
            cases: parsed(statement.array("cases")),
            until: statement.get("valid_until").or_else(|| statement.get("expires")).or_else(|| statement.get("ends")),
            code: text("code"),
            name: text("name").or_else(|| text("end_user")),
            holder: ["new_holder", "holder", "to"].into_iter().find_map(|member| statement.get(member)),
            grade: text("grade").or_else(|| text("source_grade")),
            temporary: statement.body.get("temporary").and_then(Value::as_bool),
            lines: lines(statement),
            body: authority.then(|| statement.body.clone()),
        })
    }
}

fn parsed<T: std::str::FromStr>(values: &[Value]) -> Vec<T> {
    values.iter().filter_map(Value::as_str).filter_map(|text| text.parse().ok()).collect()
}

/// Tells whether a receipt says of nothing that it is missing, damaged or too much. Whether the counts are those of the
/// dispatch is for findings.
fn sound(statement: &Statement) -> bool {
    let lines = statement.array("lines");
    let good = |line: &Value| {
        let results = line.get("serials");
        let none = |result: &str| results.and_then(|r| r.get(result)).is_none();
        let condition = line.get("condition").and_then(Value::as_str);
        condition.is_none_or(|c| matches!(c, "serviceable" | "unknown"))
            && none("absent")
            && none("damaged")
            && none("unexpected")
    };
    lines.iter().all(good) && statement.array("unexpected").is_empty()
}

/// Reads the lines of an authorization; other kinds' lines are items.
fn lines(statement: &Statement) -> Vec<StepLine> {
    if statement.kind.as_str() != "transfer.authorized" {
        return Vec::new();
    }
    let text = |line: &Value, member: &str| line.get(member).and_then(Value::as_str).map(str::to_owned);
    let of = |line: &Value| {
        Some(StepLine {
            line: text(line, "line")?,
            nomenclature: text(line, "nomenclature"),
            stock_number: text(line, "nsn").or_else(|| text(line, "local_stock_number")),
            quantity: parse(line, "quantity"),
            unit: text(line, "unit"),
        })
    };
    statement.array("lines").iter().filter_map(of).collect()
}
