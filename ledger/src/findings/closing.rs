//! Cases that were closed with something open (DOMAIN §5). Applied last: it looks at what the other rules found.

use std::collections::BTreeMap;

use super::checks::case_subject;
use super::desk::{Desk, count, finding};
use super::incidents::incidents;
use super::{Assessment, Code, Severity, Unknown};
use crate::facts::Statement;
use crate::id::{CaseId, Seq};

/// Tells whether a finding is about something that can still be done.
fn is_open(code: Code) -> bool {
    let stays = matches!(code, Code::LossReportedLate | Code::DiscrepancyLate | Code::CaseClosedWithOpen);
    code.severity() > Severity::Info && !stays
}

/// Applies the rule.
pub(super) fn assess(desk: &Desk<'_>, out: &mut Assessment) {
    let closed: Vec<(&CaseId, &Statement)> =
        desk.book.cases().filter_map(|case| Some((case, closing(desk, case)?))).collect();
    if closed.is_empty() {
        return;
    }
    let mut open: BTreeMap<CaseId, BTreeMap<Code, (usize, Seq)>> = BTreeMap::new();
    for found in out.findings.iter().filter(|found| is_open(found.code)) {
        if let (Some(case), Some(seq)) = (&found.case, found.entries.first()) {
            add(&mut open, case, found.code, *seq);
        }
    }
    for incident in incidents(desk.book) {
        if let Some((_, seq)) = incident.open {
            incident.cases.iter().for_each(|case| add(&mut open, case, Code::DiversionOpen, seq));
        }
    }
    for (case, closing) in closed {
        let none = BTreeMap::new();
        judge(desk, case, closing, open.get(case).unwrap_or(&none), out);
    }
}

fn add(open: &mut BTreeMap<CaseId, BTreeMap<Code, (usize, Seq)>>, case: &CaseId, code: Code, seq: Seq) {
    if !open.contains_key(case) {
        open.insert(case.clone(), BTreeMap::new());
    }
    if let Some(codes) = open.get_mut(case) {
        let (n, first) = codes.entry(code).or_insert((0, seq));
        (*n, *first) = (*n + 1, seq.min(*first));
    }
}

/// Returns the statement that closed a case.
fn closing<'a>(desk: &Desk<'a>, case: &CaseId) -> Option<&'a Statement> {
    let closed = desk.book.authority().case(case.as_str())?.closed?;
    desk.book.by_seq(closed).filter(|statement| desk.book.stands(statement))
}

fn judge(
    desk: &Desk<'_>,
    case: &CaseId,
    closing: &Statement,
    open: &BTreeMap<Code, (usize, Seq)>,
    out: &mut Assessment,
) {
    let items = desk.book.items().of_case(case);
    let (mut astray, mut veil) = (Vec::new(), Vec::new());
    for item in items.filter(|item| item.state.is_unaccounted()) {
        match desk.veil(item) {
            hides if hides.is_empty() => astray.push(item),
            hides if veil.len() < 100 => veil.extend(hides),
            _ => {}
        }
    }
    let subject = case_subject(case);
    if astray.is_empty() && open.is_empty() {
        let unknown = out.unknowns.iter().any(|unknown| unknown.case.as_ref() == Some(case) && is_open(unknown.code));
        if unknown || !veil.is_empty() {
            veil.sort_unstable();
            veil.dedup();
            out.unknowns.push(Unknown {
                code: Code::CaseClosedWithOpen,
                case: Some(case.clone()),
                subject,
                entries: veil,
                why: "whether anything was open cannot be told from what is shown".to_owned(),
            });
        }
        return;
    }
    let mut said: Vec<String> = open.iter().map(|(code, (n, _))| format!("{n} × {code}")).collect();
    if !astray.is_empty() {
        said.push(format!("{} not accounted for", count(astray.len(), "item", "items")));
    }
    let mut entries: Vec<Seq> = open.values().map(|(_, seq)| *seq).collect();
    entries.extend(astray.iter().map(|item| item.state_by));
    entries.push(closing.seq);
    let detail = format!("the case was closed with: {}", said.join(", "));
    let mut found = finding(Code::CaseClosedWithOpen, Some(case), &subject, closing.recorded(), entries, detail);
    found.items = astray.iter().map(|item| item.description.key.clone()).collect();
    found.items.sort_unstable();
    desk.raise(out, found, Vec::new(), true);
}
