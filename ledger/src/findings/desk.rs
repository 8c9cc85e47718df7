//! What the rules of the life after receipt share: the date, the terms, and what is not shown.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{Assessment, Code, Finding, Terms, Unknown};
use crate::book::Book;
use crate::event::codes::EvidenceGrade;
use crate::facts::statement::parse;
use crate::facts::{Act, Item, Mention};
use crate::id::{CaseId, Seq, Subject};
use crate::time::Date;

/// How many entries an unknown names at most: a case may conceal thousands.
const MAX_NAMED: usize = 100;

/// Tells whether a statement is an inventory of its item that counts: it looked, on evidence good enough. What was not
/// seen never counts, what a holder says only where the terms say so.
pub(super) fn counts(terms: &Terms, mention: &Mention) -> bool {
    use crate::event::codes::ItemState::NotFound;
    let grade = match &mention.act {
        Act::Checked { grade, state, .. } if *state != NotFound => *grade,
        Act::Reported { state } if *state != NotFound => EvidenceGrade::SelfDeclared,
        Act::Recovered { grade } => *grade,
        _ => return false,
    };
    grade != EvidenceGrade::NotSeen && grade <= terms.inventory_grade
}

/// What a case conceals of items.
#[derive(Debug, Default)]
struct Hidden {
    /// Entries that may describe more, or other, items than is shown.
    describing: Vec<Seq>,
    /// Entries that may name any item of the case.
    any: Vec<Seq>,
    /// Entries that may name any item of a line.
    lines: HashMap<Subject, HashMap<String, Vec<Seq>>>,
}

/// A book with what every rule asks of it.
pub(super) struct Desk<'a> {
    pub(super) book: &'a Book,
    pub(super) today: Date,
    terms: BTreeMap<&'a CaseId, Terms>,
    hidden: HashMap<CaseId, Hidden>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(book: &'a Book) -> Self {
        let terms = book.cases().map(|case| (case, Terms::of(book, case))).collect();
        Self { book, today: book.as_of().utc_date(), terms, hidden: hidden(book) }
    }

    /// Returns the terms of a case; the usual ones where its opening is not shown.
    pub(super) fn terms(&self, case: &CaseId) -> Terms {
        self.terms.get(case).cloned().unwrap_or_else(|| Terms::of(self.book, case))
    }

    /// Tells whether a due date has passed.
    pub(super) fn over(&self, due: Date) -> bool {
        self.today > due
    }

    /// Returns entries that conceal what may be said of an item: none, where all of it is shown.
    pub(super) fn veil(&self, item: &Item) -> Vec<Seq> {
        let key = &item.description.key;
        let Some(hidden) = self.hidden.get(&key.case) else { return Vec::new() };
        let mut entries: Vec<Seq> = hidden.any.iter().take(MAX_NAMED).copied().collect();
        let of_line = hidden.lines.get(&key.subject).and_then(|lines| lines.get(&key.line));
        entries.extend(of_line.into_iter().flatten().take(MAX_NAMED));
        // a serial that is said without its line may be another's, described where it is concealed
        if item.acts.iter().any(|act| act.described_in.is_none()) {
            entries.extend(hidden.describing.iter().take(MAX_NAMED));
        }
        entries
    }

    /// Returns entries of a case that may describe items that are not shown.
    pub(super) fn undescribed(&self, case: &CaseId) -> &[Seq] {
        self.hidden.get(case).map_or(&[], |hidden| &hidden.describing)
    }

    /// Raises a finding; an unknown in its place where entries conceal what may clear it, or, if it rests on something
    /// not being there, where entries are left out.
    pub(super) fn raise(&self, out: &mut Assessment, finding: Finding, veil: Vec<Seq>, rests_on_absence: bool) {
        let gaps = rests_on_absence && !self.book.shows_all_of_case(finding.case.as_ref());
        if veil.is_empty() && !gaps {
            return out.findings.push(finding);
        }
        let why = if veil.is_empty() { "entries are not shown" } else { "something is not disclosed" };
        let mut entries = veil;
        entries.sort_unstable();
        entries.dedup();
        entries.truncate(MAX_NAMED);
        out.unknowns.push(Unknown {
            code: finding.code,
            case: finding.case,
            subject: finding.subject,
            entries,
            why: format!("{why} that may clear it: {}", finding.detail),
        });
    }
}

/// Finds what each case conceals of items.
fn hidden(book: &Book) -> HashMap<CaseId, Hidden> {
    let mut all: HashMap<CaseId, Hidden> = HashMap::new();
    for (seq, pointer) in book.items().concealed() {
        let Some(statement) = book.by_seq(*seq) else { continue };
        let Some(case) = statement.stream.case.as_ref() else { continue };
        let object = pointer.strip_prefix("/body").and_then(|at| statement.body.pointer(at));
        let own = object.and_then(|o| o.get("line")).and_then(Value::as_str);
        let (case, place) = match own {
            Some(line) => (case.clone(), Some((statement.stream.subject.clone(), line.to_owned()))),
            None => described(case, object),
        };
        let hidden = all.entry(case).or_default();
        if matches!(statement.kind.as_str(), "transfer.dispatched" | "holding.declared" | "transfer.received") {
            hidden.describing.push(*seq);
        }
        match place {
            Some((subject, line)) => {
                hidden.lines.entry(subject).or_default().entry(line).or_default().push(*seq);
            }
            None => hidden.any.push(*seq),
        }
    }
    all
}

/// Returns the case of what an object of a statement in a case names, and the line, where it says by which it was
/// described.
fn described(own: &CaseId, object: Option<&Value>) -> (CaseId, Option<(Subject, String)>) {
    let Some(place) = object.and_then(|object| object.get("described_in")) else { return (own.clone(), None) };
    let line = || Some((parse(place, "subject")?, place.get("line")?.as_str()?.to_owned()));
    (described_case(own, place), line())
}

/// Returns the case whose line a reference in a statement of a case names: another one's, where it says so.
pub(super) fn described_case(own: &CaseId, place: &Value) -> CaseId {
    parse(place, "case").unwrap_or_else(|| own.clone())
}

/// Begins a finding.
pub(super) fn finding(
    code: Code,
    case: Option<&CaseId>,
    subject: &Subject,
    since: Date,
    entries: impl IntoIterator<Item = Seq>,
    detail: String,
) -> Finding {
    let mut entries: Vec<Seq> = entries.into_iter().collect();
    entries.sort_unstable();
    entries.dedup();
    Finding {
        code,
        severity: code.severity(),
        case: case.cloned(),
        subject: subject.clone(),
        items: Vec::new(),
        entries,
        since,
        due: None,
        detail,
    }
}

/// Returns a number with a noun.
pub(super) fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}
