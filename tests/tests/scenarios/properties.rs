//! What holds of findings whatever is recorded: the scenarios are the histories.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use countersign_ledger::event::bodies::kinds;
use countersign_ledger::findings::{Assessment, Code, assess};
use countersign_ledger::id::Seq;
use countersign_ledger::reconcile::{Scope, reconcile};
use countersign_ledger::rule::{CaseUse, is_authority_kind};
use countersign_ledger::seal::SEAL_KIND;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::file::{self, Event};
use super::stage::{CASE, Stage, instant, unread};

/// Families of which dropping disclosures is known to add unknowns only.
const FAMILIES: [Code; 13] = [
    Code::ReceiptOverdue,
    Code::QuantityShort,
    Code::QuantityOver,
    Code::ItemUnexpected,
    Code::ItemDamaged,
    Code::UnitMismatch,
    Code::DispatchExceedsAuthorization,
    Code::DispatchWithoutAuthorization,
    Code::SiteNotCertified,
    Code::SiteCertificateExpired,
    Code::DiscrepancyUnresolved,
    Code::DiscrepancyLate,
    Code::TitlePending,
];

/// A finding as far as concealing must not change it.
type Bare = (Code, Option<String>, String);

fn bare(assessment: &Assessment) -> BTreeSet<Bare> {
    let of_family = assessment.findings.iter().filter(|finding| FAMILIES.contains(&finding.code));
    let one = |code, case: Option<&countersign_ledger::id::CaseId>, subject: &countersign_ledger::id::Subject| {
        (code, case.map(ToString::to_string), subject.to_string())
    };
    of_family.map(|finding| one(finding.code, finding.case.as_ref(), &finding.subject)).collect()
}

/// Tells why what is found with fewer disclosures does not follow from what is found with more.
fn adds_only_unknowns(full: &Assessment, dropped: &Assessment) -> Result<(), String> {
    let (full, less) = (bare(full), bare(dropped));
    if let Some(new) = less.difference(&full).next() {
        return Err(format!("a finding that was not there: {new:?}"));
    }
    for (code, case, subject) in full.difference(&less) {
        let known = |unknown: &countersign_ledger::findings::Unknown| {
            let same_case = unknown.case.as_ref().map(ToString::to_string) == *case;
            unknown.code == *code && (unknown.subject.as_str() == subject || same_case)
        };
        if !dropped.unknowns.iter().any(known) {
            return Err(format!("{code} of {subject} is gone, and nothing says that it is unknown"));
        }
    }
    Ok(())
}

/// Plays every scenario that this version reads, twice: as it is, and with everything concealed that may be.
fn each_history(mut look: impl FnMut(&str, &Stage<'_>, &Stage<'_>, &[String])) {
    let defaults = file::defaults();
    for (name, file) in file::all() {
        for scenario in &file.scenario {
            let events = || file.begin.iter().chain(&scenario.event);
            if unread(events()).is_some() {
                continue;
            }
            let mut plain = Stage::set(&defaults, &[&file.case, &scenario.case]);
            let mut concealed = Stage::set(&defaults, &[&file.case, &scenario.case]);
            concealed.conceal_all();
            for event in events() {
                plain.play(event);
                concealed.play(event);
            }
            let dates: Vec<String> = scenario.expect.iter().map(|wanted| wanted.as_of.clone()).collect();
            look(&format!("{name}: {}", scenario.title), &plain, &concealed, &dates);
        }
    }
}

#[test]
fn dropping_disclosures_only_adds_unknowns() {
    let mut faults: Vec<String> = Vec::new();
    each_history(|title, plain, concealed, dates| {
        let of: Vec<(Seq, usize)> = concealed.disclosures().into_iter().filter(|(_, n)| *n > 0).collect();
        for date in dates {
            let as_of = instant(date, true);
            let whole = assess(&plain.book_of(as_of, u64::MAX, &|_, _| true));
            let full = assess(&concealed.book_of(as_of, u64::MAX, &|_, _| true));
            if full != whole {
                faults.push(format!("{title}, {date}: with all disclosures it is not as without concealing"));
            }
            let mut check = |what: String, keep: &dyn Fn(Seq, usize) -> bool| {
                let dropped = assess(&concealed.book_of(as_of, u64::MAX, keep));
                if let Err(why) = adds_only_unknowns(&full, &dropped) {
                    faults.push(format!("{title}, {date}, without {what}: {why}"));
                }
            };
            check("any".to_owned(), &|_, _| false);
            for (seq, n) in &of {
                check(format!("those of {}", concealed.name(*seq)), &|at, _| at != *seq);
                for i in 0..*n {
                    check(format!("number {i} of {}", concealed.name(*seq)), &|at, j| at != *seq || j != i);
                }
            }
            let mut runner = TestRunner::new(Config { cases: 6, failure_persistence: None, ..Config::default() });
            let any_of_them = runner.run(&any::<u64>(), |dice| {
                let keep = |seq: Seq, i: usize| dice >> ((seq.0 * 7 + i as u64 * 13) % 64) & 1 == 1;
                let dropped = assess(&concealed.book_of(as_of, u64::MAX, &keep));
                adds_only_unknowns(&full, &dropped).map_err(TestCaseError::fail)
            });
            if let Err(why) = any_of_them {
                faults.push(format!("{title}, {date}: {why}"));
            }
        }
    });
    faults.dedup();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn as_of_the_past_is_what_was_computed_then() {
    each_history(|title, plain, _, _| {
        let times = plain.times();
        for (i, time) in times.iter().enumerate().skip(times.len().saturating_sub(6)) {
            let past = plain.book_of(*time, u64::MAX, &|_, _| true);
            let then = plain.book_of(*time, i as u64 + 1, &|_, _| true);
            assert_eq!(assess(&past), assess(&then), "{title}, as of entry {i}");
            let scope = Scope::Case(CASE.parse().unwrap());
            assert_eq!(reconcile(&past, &scope), reconcile(&then, &scope), "{title}, as of entry {i}");
        }
    });
}

/// The members of a minimal body that `defaults.toml` does not have.
fn minimal(kind: &str) -> Map<String, Value> {
    let items = json!([{ "described_in": "consignment/0#1", "quantity": 1 }]);
    let body = match kind {
        "transfer.authorized" | "transfer.dispatched" | "holding.declared" => json!({ "lines": [{ "quantity": 2 }] }),
        "transfer.received" => json!({ "lines": [{ "received": 2 }] }),
        "discrepancy.reported" => json!({ "lines": [{ "shipped": 2, "received": 1 }] }),
        "title.transferred" => json!({ "lines": [{}] }),
        "receipt.attested"
        | "discrepancy.resolved"
        | "statement.disputed"
        | "evidence.added"
        | "response.recorded"
        | "remedy.completed" => json!({ "about": "@before" }),
        "remedy.accepted" => json!({ "order": "@before" }),
        "incident.closed" => json!({ "finding": "@before" }),
        "remedy.ordered" => json!({ "due": "2027-01-01" }),
        "site.certified" => json!({ "valid_until": "2027-01-01" }),
        "service.delivered" => json!({ "participants": 3 }),
        "items.identified" => json!({ "same": [
            { "described_in": "consignment/0#1" }, { "described_in": "consignment/0#2", "serial": "SYN-1" },
        ] }),
        "check.recorded"
        | "check.unilateral"
        | "self_report.recorded"
        | "items.moved"
        | "items.expended"
        | "loss.reported"
        | "items.recovered"
        | "retransfer.requested"
        | "retransfer.executed"
        | "retransfer.ended"
        | "items.demilitarized"
        | "items.destroyed"
        | "items.returned" => json!({ "items": items }),
        _ => json!({}),
    };
    body.as_object().cloned().unwrap_or_default()
}

#[test]
fn any_two_kinds_follow_each_other_on_one_subject() {
    let defaults = file::defaults();
    let mut stage = Stage::set(&defaults, &[]);
    let said = |value: Value, body: Map<String, Value>| {
        let mut event: Event = serde_json::from_value(value).unwrap();
        event.body = body;
        event
    };
    let lines = json!({ "lines": [{ "quantity": 2 }, { "serials": ["SYN-1"] }] });
    let before =
        json!({ "id": "before", "on": "2026-10-02", "kind": "transfer.dispatched", "subject": "consignment/0" });
    stage.play(&said(before, lines.as_object().cloned().unwrap()));
    let mut pairs = 0;
    // a seal says what the ledger counted, so none is made up
    let made_up = |kind: &str| !is_authority_kind(kind) && kind != SEAL_KIND;
    let of_domain = || kinds().iter().filter(|info| made_up(info.kind) && info.subject_type.is_some());
    for first in of_domain() {
        for second in of_domain().filter(|info| info.subject_type == first.subject_type) {
            pairs += 1;
            let ty = first.subject_type.unwrap();
            let author = &defaults.kinds[first.kind].by[0];
            let subject = match first.case {
                CaseUse::Required => format!("{ty}/p{pairs}"),
                _ => format!("{ty}/{author}.p{pairs}"),
            };
            for (at, kind) in [("first", first.kind), ("second", second.kind)] {
                let head = json!({ "id": format!("{at} {pairs}"), "kind": kind, "subject": subject });
                stage.play(&said(head, minimal(kind)));
            }
        }
    }
    assert!(pairs >= 198, "{pairs} pairs");
    let times = stage.times();
    let late = times.last().unwrap().plus_millis(400 * 86_400_000);
    for as_of in [times[times.len() / 3], *times.last().unwrap(), late] {
        for keep in [true, false] {
            let book = stage.book_of(as_of, u64::MAX, &|_, _| keep);
            let found = assess(&book);
            assert!(as_of != late || !found.findings.is_empty());
            let _ = reconcile(&book, &Scope::Case(CASE.parse().unwrap()));
        }
    }
}

/// The table of DOMAIN §5, written from the code.
fn written_table() -> String {
    let mut table =
        "| finding | severity | trigger | clock and term | grades that count | one for each | cleared by |\n\
                     |---|---|---|---|---|---|---|\n"
            .to_owned();
    for code in Code::ALL {
        let info = code.info();
        let each = serde_json::to_value(info.grouping).unwrap();
        let each = each.as_str().unwrap_or_default();
        let (severity, or) = (info.severity.as_str(), |text: &'static str| if text.is_empty() { "–" } else { text });
        let (clock, grades) = (or(info.clock), or(info.grades));
        let (trigger, clears) = (info.trigger, info.clears);
        writeln!(table, "| `{code}` | {severity} | {trigger} | {clock} | {grades} | {each} | {clears} |").unwrap();
    }
    table
}

#[test]
fn domain_has_the_table_of_findings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../DOMAIN.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let from = text.find("| finding | severity |").expect("DOMAIN §5 has the table");
    let end = text[from..].find("\n\n").map_or(text.len(), |end| from + end + 1);
    let table = written_table();
    if std::env::var_os("COUNTERSIGN_WRITE").is_some() {
        std::fs::write(&path, format!("{}{table}{}", &text[..from], &text[end..])).unwrap();
    } else {
        assert!(text[from..end] == table, "run this test with COUNTERSIGN_WRITE=1 and look at what changes");
    }
}
