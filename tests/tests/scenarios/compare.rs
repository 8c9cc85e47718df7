//! What a book says against what a scenario expects.

use countersign_ledger::book::Book;
use countersign_ledger::event::common::normalise_serial;
use countersign_ledger::facts::{Item, ItemKey};
use countersign_ledger::findings::{Assessment, Code, assess};
use countersign_ledger::id::Seq;
use countersign_ledger::reconcile::{Row, Scope, reconcile};
use serde_json::{Map, Value, json};

use super::file::Expect;
use super::stage::{CASE, Stage};

/// How a scenario calls an item.
fn item_name(key: &ItemKey) -> String {
    key.serial.clone().unwrap_or_else(|| format!("{}#{}", key.subject, key.line))
}

/// A name of an item in the form in which it is compared.
fn same_name(name: &str) -> String {
    if name.contains('#') { name.to_owned() } else { normalise_serial(name) }
}

fn entries(stage: &Stage<'_>, seqs: &[Seq]) -> Value {
    seqs.iter().map(|seq| Value::from(stage.name(*seq))).collect()
}

/// What is found, as a scenario would write it.
fn written(stage: &Stage<'_>, assessment: &Assessment, codes: &[String]) -> [Vec<Value>; 3] {
    let tracked = |code: Code| codes.iter().any(|one| one == code.as_str() || one == "*");
    let findings = assessment.findings.iter().filter(|finding| tracked(finding.code)).map(|finding| {
        json!({
            "code": finding.code, "severity": finding.severity, "case": finding.case, "subject": finding.subject,
            "items": finding.items.iter().map(item_name).collect::<Vec<_>>(),
            "entries": entries(stage, &finding.entries), "since": finding.since, "due": finding.due,
            "detail": finding.detail,
        })
    });
    let unknowns = assessment.unknowns.iter().filter(|unknown| tracked(unknown.code)).map(|unknown| {
        json!({
            "code": unknown.code, "case": unknown.case, "subject": unknown.subject,
            "entries": entries(stage, &unknown.entries), "why": unknown.why,
        })
    });
    let obligations = assessment.obligations.iter().filter(|due| tracked(due.code)).map(|due| {
        json!({
            "code": due.code, "case": due.case, "subject": due.subject, "due": due.due, "from": due.from,
            "started": stage.name(due.started), "what": due.what,
        })
    });
    [findings.collect(), unknowns.collect(), obligations.collect()]
}

/// Whether what is found is what is wanted, in the members that are wanted.
fn fits(wanted: &Value, found: &Value) -> bool {
    match wanted {
        Value::String(code) => found["code"] == *code,
        Value::Object(members) => members.iter().all(|(name, value)| match (name.as_str(), value) {
            ("items", Value::Array(names)) => {
                let mut names: Vec<String> = names.iter().filter_map(Value::as_str).map(same_name).collect();
                let mut of: Vec<String> =
                    found[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
                names.sort();
                of.sort();
                names == of
            }
            _ => found.get(name) == Some(value),
        }),
        _ => false,
    }
}

/// Pairs what is wanted with what is found; tells what is left of both.
fn pair(what: &str, wanted: &[Value], found: &[Value], faults: &mut Vec<String>) {
    let mut left: Vec<&Value> = found.iter().collect();
    let mut missing: Vec<&Value> = Vec::new();
    // those that say most choose first
    let mut wanted: Vec<&Value> = wanted.iter().collect();
    wanted.sort_by_key(|value| std::cmp::Reverse(value.as_object().map_or(0, Map::len)));
    for value in wanted {
        match left.iter().position(|found| fits(value, found)) {
            Some(at) => drop(left.remove(at)),
            None => missing.push(value),
        }
    }
    faults.extend(missing.iter().map(|value| format!("{what}: expected {value}, found none")));
    faults.extend(left.iter().map(|value| format!("{what}: not expected: {value}")));
}

/// How an item stands, as a scenario would write it.
fn item_written(stage: &Stage<'_>, item: &Item) -> Value {
    json!({
        "state": item.state, "holder": item.holder, "site": item.site, "condition": item.condition,
        "grade": item.seen.as_ref().map(|seen| seen.grade), "title": item.title.map(|seq| stage.name(seq)),
        "since": item.since, "by": stage.name(item.state_by),
        "missed": item.missed.map(|seq| stage.name(seq)),
        "tally": item.tally.as_ref().map(|tally| json!(tally)),
    })
}

fn items(stage: &Stage<'_>, book: &Book, wanted: &Expect, faults: &mut Vec<String>) {
    for (name, value) in &wanted.items {
        let called = same_name(name);
        let found: Vec<&Item> =
            book.items().all().iter().filter(|item| item_name(&item.description.key) == called).collect();
        let [item] = found.as_slice() else {
            faults.push(format!("item {name}: expected one, found {}", found.len()));
            continue;
        };
        let written = item_written(stage, item);
        let members = match value {
            Value::String(state) => json!({ "state": state }),
            table => table.clone(),
        };
        for (member, value) in members.as_object().into_iter().flatten() {
            if written.get(member) != Some(value) {
                faults.push(format!("item {name}: expected {member} {value}, found {}", written[member]));
            }
        }
    }
}

/// The scope of a row that a scenario names.
fn scope(of: Option<&str>) -> Scope {
    match of.and_then(|of| of.split_once(':')) {
        Some(("case", case)) => Scope::Case(case.parse().unwrap()),
        Some(("holder", party)) => Scope::Holder(party.parse().unwrap()),
        Some(("site", site)) => Scope::Site(site.to_owned()),
        Some(("nsn", number)) => Scope::stock_number(number),
        _ => Scope::Case(CASE.parse().unwrap()),
    }
}

/// A row as a scenario would write it.
fn row_written(stage: &Stage<'_>, row: &Row) -> Value {
    let figures: Map<String, Value> =
        row.figures.iter().map(|(figure, amount)| (figure.to_string(), json!(amount.amount))).collect();
    let led: Map<String, Value> =
        row.figures.iter().map(|(figure, amount)| (figure.to_string(), entries(stage, &amount.entries))).collect();
    let explained: Map<String, Value> = row.explained.iter().map(|e| (e.why.clone(), json!(e.amount))).collect();
    json!({
        "figures": figures, "entries": led, "explained": explained, "unknown": entries(stage, &row.unknown),
        "unit": row.unit, "grade": row.inventory.map(|(_, grade)| grade), "state": row.state,
    })
}

fn rows(stage: &Stage<'_>, book: &Book, wanted: &Expect, faults: &mut Vec<String>) {
    for value in &wanted.reconciliation {
        let found = reconcile(book, &scope(value["of"].as_str()));
        let name = value["row"].as_str().unwrap();
        let called = |row: &&Row| match &row.serial {
            Some(serial) => normalise_serial(serial) == same_name(name),
            None => format!("{}#{}", row.subject, row.line) == name,
        };
        let matching: Vec<&Row> = found.rows.iter().filter(called).collect();
        let [row] = matching.as_slice() else {
            faults.push(format!("reconciliation of {name}: expected one row, found {}", matching.len()));
            continue;
        };
        let written = row_written(stage, row);
        for (member, value) in value.as_object().into_iter().flatten() {
            let asked = matches!(member.as_str(), "of" | "row");
            let fits = match (member.as_str(), value) {
                ("entries", Value::Object(some)) => {
                    some.iter().all(|(figure, seqs)| written["entries"][figure] == *seqs)
                }
                _ => written[member] == *value,
            };
            if !asked && !fits {
                faults.push(format!("reconciliation of {name}: expected {member} {value}, found {}", written[member]));
            }
        }
    }
}

/// Compares; returns what differs, and the codes that were found.
pub(crate) fn compare(stage: &Stage<'_>, wanted: &Expect, codes: &[String]) -> (Vec<String>, Vec<String>) {
    let codes = wanted.codes.as_deref().unwrap_or(codes);
    let book = stage.book(wanted);
    let [findings, unknowns, obligations] = written(stage, &assess(&book), codes);
    let mut faults = Vec::new();
    pair("findings", &wanted.findings, &findings, &mut faults);
    pair("unknowns", &wanted.unknowns, &unknowns, &mut faults);
    if let Some(wanted) = &wanted.obligations {
        pair("obligations", wanted, &obligations, &mut faults);
    }
    items(stage, &book, wanted, &mut faults);
    rows(stage, &book, wanted, &mut faults);
    let found = findings.iter().filter_map(|finding| finding["code"].as_str()).map(str::to_owned);
    (faults, found.collect())
}
