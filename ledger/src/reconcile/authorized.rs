//! Authorization lines: what may be sent, and what was sent under them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::life::{Draft, Sums};
use super::{Figure, Reconciler, Row, Scope};
use crate::book::Book;
use crate::facts::statement::parse;
use crate::facts::{Exact, Measure};
use crate::id::{CaseId, Seq, StreamId, Subject};

/// What was sent under a line of an authorization.
type Under = BTreeMap<(CaseId, Subject, String), Vec<(Seq, Option<crate::event::scalars::Quantity>, Option<String>)>>;

/// Adds the authorization lines that are in scope: of a case or a stock number. Nobody holds an authorization.
pub(super) fn add(to: &mut Reconciler, book: &Book) {
    if matches!(to.scope, Scope::Holder(_) | Scope::Site(_)) {
        return;
    }
    let under = sent(book);
    let cases: Vec<&CaseId> = book.cases().collect();
    for case in cases {
        if matches!(&to.scope, Scope::Case(wanted) if wanted != case) {
            continue;
        }
        for stream in book.streams(Some(case), "authorization") {
            one(to, book, case, stream, &under);
        }
    }
}

fn sent(book: &Book) -> Under {
    let mut under = Under::new();
    for case in book.cases() {
        for statement in book.streams(Some(case), "consignment").flat_map(|stream| book.stream(stream)) {
            if statement.kind.as_str() != "transfer.dispatched" {
                continue;
            }
            for line in statement.array("lines") {
                let Some(reference) = line.get("authorization") else { continue };
                let of = parse(reference, "case").unwrap_or_else(|| case.clone());
                let number = reference.get("line").and_then(Value::as_str);
                let (Some(subject), Some(number)) = (parse(reference, "subject"), number) else { continue };
                let unit = line.get("unit").and_then(Value::as_str).map(str::to_owned);
                let place = (of, subject, number.to_owned());
                under.entry(place).or_default().push((statement.seq, parse(line, "quantity"), unit));
            }
        }
    }
    under
}

fn one(to: &mut Reconciler, book: &Book, case: &CaseId, stream: &StreamId, under: &Under) {
    let mut lines: BTreeMap<&str, (Measure, Sums, &Value)> = BTreeMap::new();
    let mut cancelled = None;
    for statement in book.stream(stream) {
        if statement.kind.as_str() == "transfer.cancelled" {
            cancelled = Some(statement.seq);
        }
        if statement.kind.as_str() != "transfer.authorized" {
            continue;
        }
        for line in statement.array("lines") {
            let Some(number) = line.get("line").and_then(Value::as_str) else { continue };
            let fresh = || (Measure::of_line(line), Sums::default(), line);
            let (measure, sums, _) = lines.entry(number).or_insert_with(fresh);
            let unit = line.get("unit").and_then(Value::as_str);
            let amount = parse(line, "quantity").and_then(|quantity| measure.exact(quantity, unit));
            sums.count(Figure::Authorized, amount.unwrap_or_default(), [statement.seq]);
        }
    }
    for (number, (measure, sums, line)) in lines {
        let text = |member: &str| line.get(member).and_then(Value::as_str).map(str::to_owned);
        let stock_number = text("nsn").or_else(|| text("local_stock_number"));
        if matches!(&to.scope, Scope::StockNumber(wanted) if stock_number.as_ref() != Some(wanted)) {
            continue;
        }
        let mut row = Draft::new(
            Row {
                case: case.clone(),
                subject: stream.subject.clone(),
                line: number.to_owned(),
                serial: None,
                nomenclature: text("nomenclature"),
                stock_number: stock_number.clone(),
                unit: measure.unit.clone(),
                state: None,
                inventory: None,
                figures: BTreeMap::new(),
                explained: Vec::new(),
                unknown: Vec::new(),
            },
            Sums::default(),
        );
        row.add(&sums);
        // what was sent counts in the totals by its own line: here it only stands against the authorization
        let only: BTreeMap<Figure, Exact> = row.exact();
        to.total(stock_number, text("nomenclature"), &measure, &only);
        let authorized = only.get(&Figure::Authorized).copied().unwrap_or_default();
        let mut against = Sums::default();
        let mut sent = Exact::ZERO;
        let place = (case.clone(), stream.subject.clone(), number.to_owned());
        for (seq, quantity, unit) in under.get(&place).into_iter().flatten() {
            match quantity.and_then(|quantity| measure.exact(quantity, unit.as_deref())) {
                Some(amount) => {
                    sent = sent.plus(amount);
                    against.count(Figure::Dispatched, amount, [*seq]);
                }
                None => against.cannot(*seq),
            }
        }
        against.count(Figure::UnexplainedOver, sent.less(authorized), []);
        let why = if cancelled.is_some() { "cancelled" } else { "not_dispatched" };
        against.explain(why, authorized.less(sent), cancelled);
        row.add(&against);
        to.rows.push(row.written(&measure));
    }
}
