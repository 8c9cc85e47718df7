//! What was sent against what was authorized.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Code;
use super::out::{Fact, Needs, Out};
use crate::facts::statement::parse;
use crate::facts::{Exact, Measure, Statement};
use crate::id::{CaseId, Seq, StreamId};
use crate::time::Date;

/// A line of an authorization: its stream and number.
type Place = (StreamId, String);

/// Some of a line that was sent under an authorization.
struct Sent<'a> {
    dispatch: &'a Statement,
    number: &'a str,
    quantity: Option<crate::event::scalars::Quantity>,
    unit: Option<&'a str>,
    measure: Measure,
}

/// A line of an authorization, until it was cancelled.
struct Authorized {
    measure: Measure,
    /// The amounts between cancellations, in the order of recording; the last is in force.
    spans: Vec<Span>,
    entries: Vec<Seq>,
}

#[derive(Default)]
struct Span {
    amount: Exact,
    /// By when it was cancelled, and by which entry.
    cancelled: Option<(Date, Seq)>,
}

pub(super) fn assess(out: &mut Out<'_>) {
    let mut under: BTreeMap<Place, Vec<Sent<'_>>> = BTreeMap::new();
    for stream in out.streams_of("consignment") {
        let mut without = Vec::new();
        for dispatch in out.book.stream(stream).filter(|s| s.kind.as_str() == "transfer.dispatched") {
            for line in dispatch.array("lines") {
                let Some(number) = line.get("line").and_then(Value::as_str) else { continue };
                let Some(place) = authorization(dispatch, line) else {
                    without.push((dispatch, number, None));
                    continue;
                };
                if authorized(out, &place).is_some() {
                    under.entry(place).or_default().push(Sent {
                        dispatch,
                        number,
                        quantity: parse(line, "quantity"),
                        unit: line.get("unit").and_then(Value::as_str),
                        measure: Measure::of_line(line),
                    });
                } else {
                    without.push((dispatch, number, Some(place)));
                }
            }
        }
        without_authorization(out, stream, &without);
    }
    exceeds(out, &under);
}

/// Returns the line of an authorization that a dispatch line names.
fn authorization(dispatch: &Statement, line: &Value) -> Option<Place> {
    let reference = line.get("authorization")?;
    let case: Option<CaseId> = parse(reference, "case").or_else(|| dispatch.stream.case.clone());
    let stream = StreamId { case, subject: parse(reference, "subject")? };
    Some((stream, reference.get("line").and_then(Value::as_str)?.to_owned()))
}

/// Reads a line of an authorization; `None` where there is none.
fn authorized(out: &Out<'_>, (stream, number): &Place) -> Option<Authorized> {
    let mut read: Option<Authorized> = None;
    for statement in out.book.stream(stream) {
        match statement.kind.as_str() {
            "transfer.authorized" => {
                let of_number = |line: &&Value| line.get("line").and_then(Value::as_str) == Some(number);
                let Some(line) = statement.array("lines").iter().find(of_number) else { continue };
                let of = read.get_or_insert_with(|| Authorized {
                    measure: Measure::of_line(line),
                    spans: vec![Span::default()],
                    entries: Vec::new(),
                });
                of.entries.push(statement.seq);
                let unit = line.get("unit").and_then(Value::as_str);
                let amount = parse(line, "quantity").and_then(|quantity| of.measure.exact(quantity, unit));
                if of.spans.last().is_none_or(|span| span.cancelled.is_some()) {
                    of.spans.push(Span::default());
                }
                if let Some(span) = of.spans.last_mut() {
                    span.amount = span.amount.plus(amount.unwrap_or_default());
                }
            }
            "transfer.cancelled" => {
                let span = read.as_mut().and_then(|of| of.spans.last_mut());
                if let Some(span) = span.filter(|span| span.cancelled.is_none()) {
                    span.cancelled = Some((statement.by(), statement.seq));
                }
            }
            _ => {}
        }
    }
    read
}

fn without_authorization(out: &mut Out<'_>, stream: &StreamId, without: &[(&Statement, &str, Option<Place>)]) {
    let Some(since) = without.iter().map(|(dispatch, ..)| dispatch.by()).min() else { return };
    let mut details: Vec<String> = without
        .iter()
        .take(10)
        .map(|(_, number, place)| match place {
            None => format!("line {number} names no authorization"),
            Some((of, line)) => format!("line {number} names line {line} of {of}, and there is none"),
        })
        .collect();
    if without.len() > details.len() {
        details.push(format!("{} more", without.len() - details.len()));
    }
    // an authorization of another case may be left out
    let shown = without.iter().all(|(.., place)| place.as_ref().is_none_or(|(of, _)| out.book.shows_all_of(of)));
    let fact = Fact {
        code: Code::DispatchWithoutAuthorization,
        stream,
        items: Vec::new(),
        entries: without.iter().map(|(dispatch, ..)| dispatch.seq).collect(),
        since,
        due: None,
        detail: details.join("; "),
    };
    out.find(fact, if shown { Needs::Stream } else { Needs::Ledger });
}

/// A consignment that went beyond some lines of authorizations.
#[derive(Default)]
struct Beyond {
    entries: BTreeSet<Seq>,
    since: Option<Date>,
    details: Vec<String>,
    /// Statements of which it is not known whether they were made before a cancellation.
    undated: Vec<Seq>,
    shown: bool,
}

fn exceeds(out: &mut Out<'_>, under: &BTreeMap<Place, Vec<Sent<'_>>>) {
    let mut beyond: BTreeMap<&StreamId, Beyond> = BTreeMap::new();
    for (place, sent) in under {
        let Some(mut authorized) = authorized(out, place) else { continue };
        let mut sent: Vec<&Sent<'_>> = sent.iter().collect();
        sent.sort_by_key(|sent| (sent.dispatch.by(), sent.dispatch.seq));
        let shown = out.book.shows_all_of(&place.0);
        for sent in sent {
            draw(&mut beyond, &mut authorized, place, sent, shown);
        }
    }
    for (stream, of) in beyond {
        if let Some(since) = of.since {
            let (entries, detail) = (of.entries.into_iter().collect(), of.details.join("; "));
            let (code, due) = (Code::DispatchExceedsAuthorization, None);
            let needs = if of.shown { Needs::Case } else { Needs::Ledger };
            out.find(Fact { code, stream, items: Vec::new(), entries, since, due, detail }, needs);
        } else if !of.undated.is_empty() {
            let why = "whether it was sent before the authorization was cancelled is not known";
            out.unknown(Code::DispatchExceedsAuthorization, stream, of.undated, why);
        }
    }
}

/// Takes what was sent from what was authorized, the earliest span first.
fn draw<'a>(
    beyond: &mut BTreeMap<&'a StreamId, Beyond>,
    authorized: &mut Authorized,
    (stream, line): &Place,
    sent: &Sent<'a>,
    shown: bool,
) {
    // a dispatch may count in what its own line contains
    let amount = sent.quantity.and_then(|quantity| {
        let (inner, unit) = sent.measure.contains.as_ref()?;
        let each = authorized.measure.exact(*inner, Some(unit))?;
        (authorized.measure.exact(quantity, sent.unit).is_none()).then(|| each.times(quantity))?
    });
    let amount = amount.or_else(|| authorized.measure.exact(sent.quantity?, sent.unit));
    // an unlike unit is UNIT_MISMATCH
    let Some(mut open) = amount else { return };
    let happened = sent.dispatch.happened();
    let mut undated = None;
    for span in &mut authorized.spans {
        let alive = match (span.cancelled, happened) {
            (None, _) => true,
            (Some((cancelled, _)), Some((first, _))) => first <= cancelled,
            (Some((cancelled, seq)), None) if sent.dispatch.recorded() > cancelled => {
                undated = Some(seq);
                true
            }
            (Some(_), None) => true,
        };
        if alive {
            let drawn = open.min(span.amount);
            (open, span.amount) = (open.less(drawn), span.amount.less(drawn));
        }
    }
    let of = beyond.entry(&sent.dispatch.stream).or_insert_with(|| Beyond { shown: true, ..Beyond::default() });
    if open.is_zero() {
        of.undated.extend(undated.into_iter().flat_map(|seq| [seq, sent.dispatch.seq]));
        return;
    }
    of.shown &= shown;
    of.entries.insert(sent.dispatch.seq);
    of.entries.extend(&authorized.entries);
    of.entries.extend(authorized.spans.iter().filter_map(|span| span.cancelled.map(|(_, seq)| seq)));
    let at = sent.dispatch.by();
    of.since = Some(of.since.map_or(at, |before| before.min(at)));
    if of.details.len() < 10 {
        let more = authorized.measure.show(open);
        let number = sent.number;
        of.details.push(format!("line {number}: {more} more than line {line} of {stream} authorizes"));
    }
}
