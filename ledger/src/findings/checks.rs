//! Inventories and checks: overdue, refused, not countersigned (DOMAIN §4, §5).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::desk::{Desk, count, counts, finding};
use super::{Assessment, Code, Obligation, Terms};
use crate::event::codes::EvidenceGrade;
use crate::event::scalars::Quantity;
use crate::facts::act::Origin;
use crate::facts::statement::parse;
use crate::facts::{Act, Item, ItemKey, Statement};
use crate::id::{CaseId, Seq, Subject};
use crate::time::Date;

/// Applies the rules.
pub(super) fn assess(desk: &Desk<'_>, out: &mut Assessment) {
    inventories(desk, out);
    for case in desk.book.cases() {
        routine(desk, case, out);
        refused(desk, case, out);
        unilateral(desk, case, out);
    }
}

/// Items whose inventory is due on one date.
#[derive(Debug, Default)]
struct Due {
    items: Vec<ItemKey>,
    entries: BTreeSet<Seq>,
    from: Option<(Date, Seq)>,
    veil: BTreeSet<Seq>,
    veiled: usize,
}

impl Due {
    fn add(&mut self, item: &Item, from: (Date, Seq), veil: &[Seq]) {
        if veil.is_empty() {
            self.items.push(item.description.key.clone());
            self.entries.insert(from.1);
        } else {
            self.veil.extend(veil);
            self.veiled += 1;
        }
        self.from = Some(self.from.map_or(from, |before| before.min(from)));
    }
}

/// What of a case or consignment is overdue, and what is due when.
type Dues<'a> = BTreeMap<(&'a CaseId, Option<&'a Subject>), BTreeMap<Date, Due>>;

fn inventories(desk: &Desk<'_>, out: &mut Assessment) {
    let (mut initial, mut again) = (Dues::new(), Dues::new());
    let mut terms: HashMap<&CaseId, Terms> = HashMap::new();
    for item in desk.book.items().distinct() {
        // what was looked for and not found has a finding of its own
        if item.missed.is_some() || item.remaining().is_zero() {
            continue;
        }
        let key = &item.description.key;
        let terms = &*terms.entry(&key.case).or_insert_with(|| desk.terms(&key.case));
        let last = last_inventory(item, terms);
        let veil = desk.veil(item);
        if let Some(received) = received(item).filter(|_| last.is_none()) {
            let due = received.0.plus_days(terms.initial_inventory_within);
            let of = initial.entry((&key.case, Some(&key.subject))).or_default();
            of.entry(due).or_default().add(item, received, &veil);
        }
        if let (Some(every), Some(held), true) = (terms.inventory_every, item.held, terms.enhanced) {
            let from = last.map_or(held, |last| last.max(held));
            let of = again.entry((&key.case, None)).or_default();
            of.entry(from.0.plus_days(every)).or_default().add(item, from, &veil);
        }
    }
    let what = "inventory what was received";
    settle(desk, Code::InitialInventoryOverdue, initial, "not inventoried since receipt", what, out);
    let what = "inventory every item of the case";
    settle(desk, Code::InventoryOverdue, again, "not inventoried for longer than the terms allow", what, out);
}

/// Returns when an item of a consignment was received.
fn received(item: &Item) -> Option<(Date, Seq)> {
    match item.description.origin {
        Origin::Declared => None,
        Origin::Unexpected => Some((item.description.at, item.description.seq)),
        Origin::Dispatched => {
            item.acts.iter().find(|act| matches!(act.act, Act::Received { .. })).map(|act| (act.at, act.seq))
        }
    }
}

/// Returns the last inventory that counts: of an item with a serial the last that saw it, of others the last date on
/// which the counts of all sites together cover what remains.
fn last_inventory(item: &Item, terms: &Terms) -> Option<(Date, Seq)> {
    let mut inventories = item.acts.iter().rev().filter(|act| counts(terms, act));
    if item.tally.is_none() {
        return inventories.next().map(|act| (act.at, act.seq));
    }
    let remaining = item.remaining();

    // back from the latest: per site the best count of one check or report
    let mut sites: BTreeMap<Option<&str>, BTreeMap<&Subject, Quantity>> = BTreeMap::new();
    for act in inventories {
        let amount = item.amount_of(act);
        let best = sites.entry(act.site.as_deref()).or_default().entry(&act.subject).or_default();
        *best = best.checked_add(amount).unwrap_or(*best);
        let of_site = |subjects: &BTreeMap<&Subject, Quantity>| subjects.values().max().copied().unwrap_or_default();
        let all = sites.values().map(of_site).try_fold(Quantity::ZERO, |sum, of| sum.checked_add(of));
        if all.is_none_or(|all| all >= remaining) {
            return Some((act.at, act.seq));
        }
    }
    None
}

fn settle(desk: &Desk<'_>, code: Code, dues: Dues<'_>, is: &str, what: &str, out: &mut Assessment) {
    for ((case, subject), by_date) in dues {
        let of_case = case_subject(case);
        let subject = subject.unwrap_or(&of_case);
        let (mut late, mut first) = (Due::default(), None);
        for (due, group) in by_date {
            let Some((from, started)) = group.from else { continue };
            if desk.over(due) {
                first.get_or_insert(due);
                late.items.extend(group.items);
                late.entries.extend(group.entries);
                late.veil.extend(group.veil);
                late.veiled += group.veiled;
            } else {
                let what = what.to_owned();
                let (case, subject) = (Some(case.clone()), subject.clone());
                out.obligations.push(Obligation { due, code, case, subject, started, from, what });
            }
        }
        let Some(first) = first else { continue };
        let base = |items: usize, entries| {
            let detail = format!("{}: {is}", count(items, "item", "items"));
            finding(code, Some(case), subject, first.plus_days(1), entries, detail)
        };
        if late.veiled > 0 {
            desk.raise(out, base(late.veiled, BTreeSet::new()), late.veil.into_iter().collect(), true);
        }
        if !late.items.is_empty() {
            let mut found = base(late.items.len(), late.entries);
            found.items = late.items;
            found.items.sort_unstable();
            found.due = Some(first);
            desk.raise(out, found, Vec::new(), true);
        }
    }
}

/// Returns the subject of a case itself.
///
/// # Panics
/// Never: a case's id is one of a subject.
pub(super) fn case_subject(case: &CaseId) -> Subject {
    Subject::new("case", case.as_str()).expect("a case's id is an id")
}

/// Returns the checks of a case, in order of recording within each subject.
fn checks<'a>(desk: &Desk<'a>, case: &'a CaseId) -> impl Iterator<Item = &'a Statement> {
    let book = desk.book;
    let streams = book.streams(Some(case), "check").flat_map(move |stream| book.stream(stream));
    streams.filter(|s| matches!(s.kind.as_str(), "check.recorded" | "check.unilateral"))
}

/// Tells whether a check looked at anything: some access, and at least one item that was not unseen.
fn looked(check: &Statement) -> bool {
    let grades: Vec<Option<EvidenceGrade>> = check.array("items").iter().map(|item| parse(item, "grade")).collect();
    let seen = grades.iter().any(|grade| *grade != Some(EvidenceGrade::NotSeen));
    check.text("access") != Some("refused") && seen
}

fn routine(desk: &Desk<'_>, case: &CaseId, out: &mut Assessment) {
    let items = desk.book.items().of_case(case).filter(|item| !item.remaining().is_zero());
    let mut held = 0usize;
    let mut veil: BTreeSet<Seq> = BTreeSet::new();
    let mut sure = false;
    let mut first: Option<(Date, Seq)> = None;
    for item in items {
        held += 1;
        if !sure {
            let hides = desk.veil(item);
            sure = hides.is_empty();
            veil.extend(hides);
        }
        first = [first, item.held].into_iter().flatten().min();
    }
    let last = checks(desk, case).filter(|check| looked(check)).map(|check| (check.by(), check.seq)).max();
    // a check before anything was held is no check of what is
    let Some((from, started)) = last.max(first).filter(|_| held > 0) else { return };
    let due = from.plus_days(desk.terms(case).routine_check_every);
    let subject = case_subject(case);
    if desk.over(due) {
        let since = if last >= first { "the last check" } else { "the first receipt" };
        let detail = format!("{} held, {since} was on {from}", count(held, "item is", "items are"));
        let mut found = finding(Code::RoutineCheckOverdue, Some(case), &subject, due.plus_days(1), [started], detail);
        found.due = Some(due);
        let veil = if sure { Vec::new() } else { veil.into_iter().collect() };
        desk.raise(out, found, veil, true);
    } else {
        out.obligations.push(Obligation {
            due,
            code: Code::RoutineCheckOverdue,
            case: Some(case.clone()),
            subject,
            started,
            from,
            what: "check the case".to_owned(),
        });
    }
}

fn refused(desk: &Desk<'_>, case: &CaseId, out: &mut Assessment) {
    // the latest visit with full access: of each site, of the case, of any place
    let (mut of_site, mut of_case, mut any) = (BTreeMap::<&str, (Date, Seq)>::new(), None, None);
    let mut of_subject: BTreeMap<&Subject, (Date, Seq)> = BTreeMap::new();
    for check in checks(desk, case).filter(|check| check.text("access") == Some("full")) {
        let at = (check.by(), check.seq);
        match check.text("site") {
            Some(site) => {
                let latest = of_site.entry(site).or_insert(at);
                *latest = at.max(*latest);
            }
            None => of_case = of_case.max(Some(at)),
        }
        any = any.max(Some(at));
        let latest = of_subject.entry(&check.stream.subject).or_insert(at);
        *latest = at.max(*latest);
    }
    let mut open: BTreeMap<&Subject, Vec<&Statement>> = BTreeMap::new();
    for check in checks(desk, case).filter(|check| matches!(check.text("access"), Some("refused" | "partial"))) {
        let at = Some((check.by(), check.seq));
        let there = check.text("site").map_or(any, |site| of_site.get(site).copied().max(of_case));
        if at > there.max(of_subject.get(&check.stream.subject).copied()) {
            open.entry(&check.stream.subject).or_default().push(check);
        }
    }
    for (subject, checks) in open {
        let whole = checks.iter().any(|check| check.text("access") == Some("refused"));
        let mut sites: Vec<&str> = checks.iter().filter_map(|check| check.text("site")).collect();
        sites.dedup();
        let at = if sites.is_empty() { String::new() } else { format!(" to {}", sites.join(", ")) };
        let detail = format!("access{at} was {}", if whole { "refused" } else { "given in part" });
        let since = checks.iter().map(|check| check.by()).min().unwrap_or(desk.today);
        let entries = checks.iter().map(|check| check.seq);
        desk.raise(out, finding(Code::AccessRefused, Some(case), subject, since, entries, detail), Vec::new(), true);
    }
}

fn unilateral(desk: &Desk<'_>, case: &CaseId, out: &mut Assessment) {
    let mut open: BTreeMap<&Subject, Vec<&Statement>> = BTreeMap::new();
    for check in checks(desk, case) {
        if check.kind.as_str() == "check.recorded" {
            open.remove(&check.stream.subject);
        } else {
            open.entry(&check.stream.subject).or_default().push(check);
        }
    }
    for (subject, checks) in open {
        let items: usize = checks.iter().map(|check| check.array("items").len()).sum();
        let since = checks.iter().map(|check| check.recorded()).min().unwrap_or(desk.today);
        let entries = checks.iter().map(|check| check.seq);
        let detail = format!(
            "{} the recipient did not sign, with {}",
            count(checks.len(), "check", "checks"),
            count(items, "item line", "item lines")
        );
        desk.raise(out, finding(Code::UnilateralCheck, Some(case), subject, since, entries, detail), Vec::new(), true);
    }
}
