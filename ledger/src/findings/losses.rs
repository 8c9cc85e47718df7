//! Losses: reported late, or without a date (DOMAIN §4, §5).

use std::collections::BTreeMap;

use super::desk::{Desk, finding};
use super::{Assessment, Code, Finding};
use crate::facts::Statement;
use crate::id::Seq;
use crate::time::Date;

/// Applies the rules.
pub(super) fn assess(desk: &Desk<'_>, out: &mut Assessment) {
    let mut by_entry: Option<BTreeMap<Seq, Vec<crate::facts::ItemKey>>> = None;
    for case in desk.book.cases() {
        for stream in desk.book.streams(Some(case), "loss") {
            let reports: Vec<&Statement> =
                desk.book.stream(stream).filter(|s| s.kind.as_str() == "loss.reported").collect();
            let found = [late(desk, &reports), undated(&reports)];
            for mut found in found.into_iter().flatten() {
                let by_entry = by_entry.get_or_insert_with(|| lost(desk));
                let items = found.entries.iter().filter_map(|seq| by_entry.get(seq)).flatten();
                found.items = items.cloned().collect();
                found.items.sort_unstable();
                found.items.dedup();
                desk.raise(out, found, Vec::new(), false);
            }
        }
    }
}

/// Returns the items of each loss report.
fn lost(desk: &Desk<'_>) -> BTreeMap<Seq, Vec<crate::facts::ItemKey>> {
    let mut lost: BTreeMap<Seq, Vec<crate::facts::ItemKey>> = BTreeMap::new();
    for item in desk.book.items().distinct() {
        for act in item.acts.iter().filter(|act| matches!(act.act, crate::facts::Act::Lost { .. })) {
            lost.entry(act.seq).or_default().push(item.description.key.clone());
        }
    }
    lost
}

/// Returns when the clock of a loss report starts: when the loss became known, else the end of its interval.
fn clock(report: &Statement) -> Option<Date> {
    report.get("known").or_else(|| report.happened().map(|(_, last)| last))
}

fn late(desk: &Desk<'_>, reports: &[&Statement]) -> Option<Finding> {
    let stream = &reports.first()?.stream;
    let within = desk.terms(stream.case.as_ref()?).loss_report_within;
    let late = reports.iter().filter(|report| !report.names_source()).filter_map(|report| {
        let due = clock(report)?.plus_days(within);
        (report.recorded() > due).then_some((due, *report))
    });
    let late: Vec<(Date, &Statement)> = late.collect();
    let (due, first) = late.iter().min_by_key(|(due, _)| *due)?;
    let days = due.days_until(first.recorded());
    let detail = format!("a loss was recorded on {}, {days} days after it was due on {due}", first.recorded());
    let entries = late.iter().map(|(_, report)| report.seq);
    let since = due.plus_days(1);
    let mut found = finding(Code::LossReportedLate, stream.case.as_ref(), &stream.subject, since, entries, detail);
    found.due = Some(*due);
    Some(found)
}

fn undated(reports: &[&Statement]) -> Option<Finding> {
    let undated: Vec<&&Statement> = reports.iter().filter(|report| clock(report).is_none()).collect();
    let first = undated.first()?;
    let entries = undated.iter().map(|report| report.seq);
    let detail = "the report says neither when the loss happened nor when it became known".to_owned();
    let stream = &first.stream;
    Some(finding(Code::LossWithoutDate, stream.case.as_ref(), &stream.subject, first.recorded(), entries, detail))
}
