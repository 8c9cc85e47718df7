//! What needs a closer look before an event is signed: cheap to find, easy to miss.

use std::collections::BTreeMap;

use countersign_ledger::disclosure::{Disclosure, Matching, restore};
use countersign_ledger::event::Event;
use countersign_ledger::time::{Clock as _, SystemClock, Time};
use serde::Serialize;
use serde_json::Value;

use crate::cli::submit::{check_body, count, unseen};
use crate::cli::view::{ShownValue, scalar};
use crate::client::{Client, Proposal, Proven};
use crate::failure::Failure;
use crate::wire::proposals::ProposalState;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// An event that can be recorded for less long than this is urgent.
const NEAR_MS: i64 = DAY_MS;
/// What happened longer ago than this is told.
const LONG_AGO_MS: i64 = 90 * DAY_MS;
/// How many differences are told one by one.
const TOLD: usize = 20;

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Notice {
    /// What sort it is, for programs.
    pub(super) code: &'static str,
    /// What it is.
    pub(super) detail: String,
    /// Whether it keeps from signing unless asked for.
    pub(super) serious: bool,
}

fn notice(code: &'static str, detail: impl Into<String>) -> Notice {
    Notice { code, detail: detail.into(), serious: false }
}

/// Says how long it is until a time.
pub(super) fn until_in_words(end: Time, now: Time) -> String {
    let left = end.unix_millis() - now.unix_millis();
    match left {
        ..=0 => "passed".to_owned(),
        1..=HOUR_MS => "within the hour".to_owned(),
        _ if left < 2 * DAY_MS => format!("{} h", left / HOUR_MS),
        _ => format!("{} days", left / DAY_MS),
    }
}

/// Looks at a proposal. What the server is asked for is proved where it can be.
pub(super) fn notices(proposal: &Proposal, values: &[ShownValue], client: &Client) -> Result<Vec<Notice>, Failure> {
    let (event, now) = (&proposal.event, SystemClock.now());
    let mut found = Vec::new();
    let hidden = unseen(values);
    let disclosures = proposal.submission.as_ref().map(|s| s.disclosures.as_slice()).unwrap_or_default();
    if hidden > 0 {
        let detail = format!("{} not disclosed: you would sign something unseen", count(hidden, "value"));
        found.push(Notice { serious: true, ..notice("undisclosed", detail) });
    } else if let Err(failure) = check_body(event, disclosures, None) {
        found.push(notice("body", format!("the ledger will refuse it: {failure}")));
    }
    if let Some(until) = event.until.filter(|until| until.unix_millis() - now.unix_millis() < NEAR_MS) {
        found.push(notice("until_near", format!("`until` {until}: {}", until_in_words(until, now))));
    }
    if let Some(at) = event.occurred.latest().filter(|at| now.unix_millis() - at.unix_millis() > LONG_AGO_MS) {
        let days = (now.unix_millis() - at.unix_millis()) / DAY_MS;
        found.push(notice("long_ago", format!("it occurred {days} days ago")));
    }
    if let (ProposalState::Blocked, Some(problem)) = (proposal.view.state, &proposal.view.problem) {
        found.push(notice("blocked", format!("it cannot be recorded: {problem}")));
    }
    for dropped in &proposal.view.dropped {
        found.push(notice("dropped", format!("a signature does not count any more: {}", dropped.why)));
    }
    author_in_case(event, client, &mut found)?;
    meanwhile(proposal, client, &mut found)?;
    referenced(event, disclosures, client, &mut found)?;
    Ok(found)
}

fn author_in_case(event: &Event, client: &Client, found: &mut Vec<Notice>) -> Result<(), Failure> {
    let (Some(case), Some(author)) = (&event.case, event.author.party()) else { return Ok(()) };
    if event.kind.as_str() == "case.opened" {
        return Ok(());
    }
    match client.case(case)? {
        Some(view) if view.roles.values().flatten().any(|party| party == author) => {}
        Some(_) => found.push(notice("author", format!("{author} has no role in case {case}"))),
        None => found.push(notice("author", format!("there is no case {case}"))),
    }
    Ok(())
}

/// What was recorded of the subject after what the author had seen.
fn meanwhile(proposal: &Proposal, client: &Client, found: &mut Vec<Notice>) -> Result<(), Failure> {
    if proposal.recorded.is_some() {
        return Ok(());
    }
    let head = client.stream_head(&proposal.event.stream())?;
    if let Some(head) = head.filter(|head| proposal.event.after != Some(head.hash)) {
        let detail = format!(
            "the author had not seen the latest of this subject: entry {}, {} by {}",
            head.seq, head.event.kind, head.event.author
        );
        found.push(notice("meanwhile", detail));
    }
    Ok(())
}

/// What differs from the event that this one answers or corrects.
fn referenced(event: &Event, disclosures: &[String], client: &Client, found: &mut Vec<Notice>) -> Result<(), Failure> {
    let hash = match event.kind.as_str() {
        "transfer.received" => event.after,
        _ => event.corrects,
    };
    let Some(other) = hash.map(|hash| client.event(&hash)).transpose()?.flatten() else { return Ok(()) };
    let (Some(own), Some(body)) = (restored(event, disclosures), restored_of(&other)) else { return Ok(()) };
    let differences = match (event.kind.as_str(), other.event.kind.as_str()) {
        ("transfer.received", "transfer.dispatched") => against_dispatch(&own, &body),
        ("statement.corrected", _) => own.get("replacement").map(|new| changes(&body, new)).unwrap_or_default(),
        _ => return Ok(()),
    };
    let more = differences.len().saturating_sub(TOLD);
    for difference in differences.into_iter().take(TOLD) {
        found.push(notice("differs", format!("from entry {}: {difference}", other.seq)));
    }
    if more > 0 {
        found.push(notice("differs", format!("from entry {}: {more} more differences", other.seq)));
    }
    Ok(())
}

fn restored(event: &Event, disclosures: &[String]) -> Option<Value> {
    let disclosures = Disclosure::parse_all(disclosures).ok()?;
    Some(restore(event.body(), &disclosures, Matching::Partial).ok()?.body)
}

fn restored_of(proven: &Proven) -> Option<Value> {
    restored(&proven.event, proven.receipt.disclosures())
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn lines(body: &Value) -> impl Iterator<Item = &Value> {
    body.get("lines").and_then(Value::as_array).into_iter().flatten()
}

/// A quantity without the zeros that do not count.
fn plain(quantity: &str) -> &str {
    if quantity.contains('.') { quantity.trim_end_matches('0').trim_end_matches('.') } else { quantity }
}

/// Compares a receipt with the dispatch that it comes after.
fn against_dispatch(receipt: &Value, dispatch: &Value) -> Vec<String> {
    let mut told = Vec::new();
    let sent: BTreeMap<&str, &Value> = lines(dispatch).filter_map(|line| Some((text(line, "line")?, line))).collect();
    let mut named = Vec::new();
    for line in lines(receipt) {
        let number = text(line, "line").unwrap_or_default();
        named.push(number);
        let Some(sent) = sent.get(number) else {
            told.push(format!("line {number}: not dispatched"));
            continue;
        };
        let (quantity, received) = (text(sent, "quantity"), text(line, "received"));
        if let (Some(quantity), Some(received)) = (quantity, received)
            && plain(quantity) != plain(received)
        {
            told.push(format!("line {number}: {quantity} dispatched, {received} received"));
        }
        for sort in ["absent", "unexpected", "damaged"] {
            let serials = line.pointer(&format!("/serials/{sort}")).and_then(Value::as_array).map_or(0, Vec::len);
            if serials > 0 {
                told.push(format!("line {number}: {} {sort}", count(serials, "serial")));
            }
        }
    }
    for number in sent.keys().filter(|number| !named.contains(number)) {
        told.push(format!("line {number}: dispatched, and not in the receipt"));
    }
    let unexpected = receipt.get("unexpected").and_then(Value::as_array).map_or(0, Vec::len);
    if unexpected > 0 {
        told.push(format!("{} not dispatched", count(unexpected, "line")));
    }
    told
}

/// Lists the values that a replacement changes.
fn changes(old: &Value, new: &Value) -> Vec<String> {
    let (old, new) = (leaves(old), leaves(new));
    let paths: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), scalar);
    let changed = paths.into_iter().filter(|path| old.get(*path) != new.get(*path));
    changed.map(|path| format!("{path} was {}, becomes {}", shown(old.get(path)), shown(new.get(path)))).collect()
}

fn leaves(value: &Value) -> BTreeMap<String, Value> {
    fn walk(value: &Value, path: String, found: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (name, member) in members {
                    walk(member, format!("{path}/{}", countersign_ledger::json::pointer_token(name)), found);
                }
            }
            Value::Array(elements) if !elements.is_empty() => {
                for (i, element) in elements.iter().enumerate() {
                    walk(element, format!("{path}/{i}"), found);
                }
            }
            _ => drop(found.insert(path, value.clone())),
        }
    }
    let mut found = BTreeMap::new();
    walk(value, String::new(), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_receipt_is_compared_with_its_dispatch() {
        let dispatch = json!({ "lines": [
            { "line": "1", "quantity": "2" }, { "line": "2", "quantity": "3.50" }, { "line": "3", "quantity": "1" },
        ] });
        let receipt = json!({ "lines": [
            { "line": "1", "received": "1", "serials": { "present": ["A"], "absent": ["B"] } },
            { "line": "2", "received": "3.5" },
            { "line": "9", "received": "1" },
        ] });
        assert_eq!(
            against_dispatch(&receipt, &dispatch),
            [
                "line 1: 2 dispatched, 1 received",
                "line 1: 1 serial absent",
                "line 9: not dispatched",
                "line 3: dispatched, and not in the receipt"
            ]
        );
    }

    #[test]
    fn a_replacement_is_compared_with_what_it_replaces() {
        let (old, new) = (json!({ "a": "x", "b": ["1"] }), json!({ "a": "y\u{202e}", "b": ["1", "2"] }));
        assert_eq!(changes(&old, &new), ["/a was \"x\", becomes \"y\\u{202e}\"", "/b/1 was nothing, becomes \"2\""]);
    }

    #[test]
    fn times_left_are_told_in_words() {
        let now: Time = Time::from_unix_millis(0).unwrap_or_else(|| panic!("a time"));
        let left = |millis: i64| until_in_words(now.plus_millis(millis), now);
        assert_eq!(
            [left(-1), left(5), left(3 * HOUR_MS), left(40 * DAY_MS)],
            ["passed", "within the hour", "3 h", "40 days"]
        );
    }
}
