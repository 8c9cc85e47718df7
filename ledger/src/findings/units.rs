//! Counts in units that cannot be compared with the line's (DOMAIN §1.8).

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::Code;
use super::out::{Fact, Needs, Out};
use crate::facts::statement::parse;
use crate::facts::{Measure, Statement};
use crate::id::{CaseId, Seq, StreamId, Subject};
use crate::time::Date;

/// A line: case, subject, number.
type Place = (CaseId, Subject, String);

/// One statement that counts a line.
struct Count<'a> {
    statement: &'a Statement,
    fits: bool,
    unit: String,
}

pub(super) fn assess(out: &mut Out<'_>) {
    let book = out.book;
    let mut measures: HashMap<Place, (Seq, Measure)> = HashMap::new();
    for (i, statement) in book.statements().iter().enumerate() {
        let describes =
            matches!(statement.kind.as_str(), "transfer.authorized" | "transfer.dispatched" | "holding.declared");
        let Some(case) = statement.stream.case.as_ref().filter(|_| describes && book.stands(book.statement(i))) else {
            continue;
        };
        for line in statement.array("lines") {
            let Some(number) = line.get("line").and_then(Value::as_str) else { continue };
            let place = (case.clone(), statement.stream.subject.clone(), number.to_owned());
            measures.entry(place).or_insert_with(|| (statement.seq, Measure::of_line(line)));
        }
    }
    let mut counts: BTreeMap<Place, Vec<Count<'_>>> = BTreeMap::new();
    for statement in book.statements().iter().filter(|s| book.stands(s)) {
        for (place, unit, fits) in counted(statement, &measures) {
            counts.entry(place).or_default().push(Count { statement, fits, unit });
        }
    }
    let mut found: BTreeMap<(CaseId, Subject), (Vec<Seq>, Option<Date>, Vec<String>)> = BTreeMap::new();
    for (place, counts) in counts {
        for (i, count) in counts.iter().enumerate().filter(|(_, count)| !count.fits) {
            let again = |later: &&Count<'_>| {
                later.fits
                    && later.statement.kind == count.statement.kind
                    && (later.statement.stream == count.statement.stream || of_inventory(later.statement))
            };
            if counts[i + 1..].iter().any(|later| again(&later)) {
                continue;
            }
            let Some((described, measure)) = measures.get(&place) else { continue };
            let (case, subject, number) = &place;
            let (entries, since, details) = found.entry((case.clone(), subject.clone())).or_default();
            entries.extend([*described, count.statement.seq]);
            let at = count.statement.by();
            *since = Some(since.map_or(at, |before| before.min(at)));
            if details.len() < 10 {
                let unit = measure.unit.as_deref().unwrap_or("an unknown unit");
                let kind = &count.statement.kind;
                details.push(format!("line {number} is counted in {unit}, {kind} counts it in {}", count.unit));
            }
        }
    }
    for ((case, subject), (entries, since, details)) in found {
        let stream = StreamId { case: Some(case), subject };
        let Some(since) = since else { continue };
        let (code, detail) = (Code::UnitMismatch, details.join("; "));
        out.find(Fact { code, stream: &stream, items: Vec::new(), entries, since, due: None, detail }, Needs::Case);
    }
}

/// Tells whether a statement counts what is there, so that a later one of the kind counts anew.
fn of_inventory(statement: &Statement) -> bool {
    statement.stream.subject.ty() == "check"
}

/// Returns the lines that a statement counts in a unit of its own: place, unit, and whether it can be compared.
fn counted(statement: &Statement, measures: &HashMap<Place, (Seq, Measure)>) -> Vec<(Place, String, bool)> {
    let mut found = Vec::new();
    let mut take = |place: Option<Place>, object: &Value| {
        let (Some(place), Some(unit)) = (place, object.get("unit").and_then(Value::as_str)) else { return };
        let Some((described, measure)) = measures.get(&place) else { return };
        if *described == statement.seq {
            return;
        }
        let mut fits = measure.exact(crate::event::scalars::Quantity::ZERO, Some(unit)).is_some();
        // a dispatch may say what its own unit contains
        if let Some((_, inner)) = Measure::of_line(object).contains {
            fits |= measure.exact(crate::event::scalars::Quantity::ZERO, Some(&inner)).is_some();
        }
        found.push((place, unit.to_owned(), fits));
    };
    let own = |line: &Value| {
        let number = line.get("line").and_then(Value::as_str)?;
        Some((statement.stream.case.clone()?, statement.stream.subject.clone(), number.to_owned()))
    };
    let named = |object: &Value, member: &str| {
        let reference = object.get(member)?;
        let case = parse(reference, "case").or_else(|| statement.stream.case.clone())?;
        Some((case, parse(reference, "subject")?, reference.get("line").and_then(Value::as_str)?.to_owned()))
    };
    for line in statement.array("lines") {
        take(own(line), line);
        take(named(line, "authorization"), line);
    }
    for count in statement.array("counts") {
        take(own(count), count);
    }
    for item in statement.array("items") {
        take(named(item, "described_in"), item);
    }
    found
}
