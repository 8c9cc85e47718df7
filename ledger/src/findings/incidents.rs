//! Incidents: their state, what is open, and acts of those who are accused (DOMAIN §1.5, §3, §5).
//!
//! An act by a party named in `against`, or by its successor, clears nothing: it neither opens the investigation of a
//! report, nor counts as a finding, nor accepts or completes a remedy, nor closes the incident. An act that others sign
//! beside the accused counts only if one of them could have made it alone.

use std::collections::BTreeSet;

use serde::Serialize;

use super::desk::{Desk, finding};
use super::{Assessment, Code, Obligation, Terms};
use crate::book::Book;
use crate::capacity::Capacity;
use crate::facts::Statement;
use crate::facts::statement::{array, parse};
use crate::hash::EventHash;
use crate::id::{Author, CaseId, PartyId, Seq, StreamId};
use crate::time::Date;

/// How far an incident has come (DOMAIN §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Somebody says that something is amiss.
    Reported,
    /// Somebody looks into it.
    Investigating,
    /// There is a finding.
    Finding,
    /// Remedies are ordered.
    Remedy,
    /// It is over.
    Closed,
    /// It was over and is taken up again.
    Reopened,
}

impl IncidentState {
    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Investigating => "investigating",
            Self::Finding => "finding",
            Self::Remedy => "remedy",
            Self::Closed => "closed",
            Self::Reopened => "reopened",
        }
    }
}

/// An incident as it stands.
#[derive(Debug, Clone)]
pub struct Incident<'a> {
    /// Its stream.
    pub stream: &'a StreamId,
    /// How far it has come.
    pub state: IncidentState,
    /// The entry that says so.
    pub state_by: Seq,
    /// The date on which it was recorded.
    pub since: Date,
    /// Since when it is open; `None` when it is closed.
    pub open: Option<(Date, Seq)>,
    /// Reports that nobody has looked into, with the date of their recording.
    pub untriaged: Vec<(Date, Seq)>,
    /// The cases that its reports name.
    pub cases: BTreeSet<CaseId>,
    /// Who is named in `against`, or acts for those who are.
    pub accused: BTreeSet<Author>,
    /// Acts of the accused that would clear something, not made again by another since.
    pub void: Vec<&'a Statement>,
    /// Remedies that are ordered, and whether each is done.
    pub orders: Vec<(&'a Statement, bool)>,
    findings: BTreeSet<EventHash>,
}

/// Returns the incidents of a book, in order of id.
pub fn incidents(book: &Book) -> impl Iterator<Item = Incident<'_>> {
    book.streams(None, "incident").filter_map(|stream| Incident::of(book, stream))
}

impl<'a> Incident<'a> {
    /// Follows an incident from its beginning; `None` where nothing of it stands.
    #[must_use]
    pub fn of(book: &'a Book, stream: &'a StreamId) -> Option<Self> {
        let mut statements = book.stream(stream).peekable();
        let first = statements.peek()?;
        let mut incident = Self {
            stream,
            state: IncidentState::Reported,
            state_by: first.seq,
            since: first.recorded(),
            open: Some((first.recorded(), first.seq)),
            untriaged: Vec::new(),
            cases: BTreeSet::new(),
            accused: BTreeSet::new(),
            void: Vec::new(),
            orders: Vec::new(),
            findings: BTreeSet::new(),
        };
        for statement in statements {
            let against = array(&statement.body, "against").iter().filter_map(serde_json::Value::as_str);
            let against = against.filter_map(|party| party.parse::<PartyId>().ok());
            incident.accused.extend(against.map(|party| book.acting(&Author::Party(party))));
            incident.take(book, statement);
        }
        let done = |(order, done): &(&'a Statement, bool), accused: &BTreeSet<Author>| {
            *done || completed(book, order, accused)
        };
        let accused = &incident.accused;
        incident.orders = incident.orders.iter().map(|order| (order.0, done(order, accused))).collect();
        Some(incident)
    }

    fn set(&mut self, statement: &Statement, state: IncidentState) {
        (self.state, self.state_by, self.since) = (state, statement.seq, statement.recorded());
        if state == IncidentState::Closed {
            self.open = None;
        } else if self.open.is_none() {
            self.open = Some((statement.recorded(), statement.seq));
        }
    }

    /// Tells whether an act counts: nobody who is accused signed it, or somebody else did who could make it alone.
    fn counts(&self, book: &Book, act: &Statement, by: &[Capacity]) -> bool {
        let accused = |who: &Author| self.accused.contains(&book.acting(who));
        let able = |who: &Author| {
            let party = book.acting(who);
            let record = party.party().and_then(|party| book.authority().party(party.as_str()));
            record.is_some_and(|record| by.iter().any(|capacity| record.capacities.contains(capacity)))
        };
        !act.signers.iter().any(accused) || act.signers.iter().any(|who| !accused(who) && able(who))
    }

    /// Takes an act that clears something: whether it counts. If it does, the void ones like it are made good.
    fn clears(&mut self, book: &Book, act: &'a Statement, by: &[Capacity]) -> bool {
        let counts = self.counts(book, act, by);
        if counts {
            self.void.retain(|void| void.kind != act.kind || void.get::<EventHash>("order") != act.get("order"));
        } else {
            self.void.push(act);
        }
        counts
    }

    fn take(&mut self, book: &Book, statement: &'a Statement) {
        use IncidentState as S;
        const OVERSIGHT: &[Capacity] = &[Capacity::Oversight];
        const OPENERS: &[Capacity] = &[Capacity::Oversight, Capacity::Donor];
        match statement.kind.as_str() {
            "diversion.reported" => {
                self.cases.extend(cases_of(statement));
                if matches!(self.state, S::Reported | S::Closed) {
                    self.untriaged.push((statement.recorded(), statement.seq));
                    self.set(statement, S::Reported);
                }
            }
            "investigation.opened" if self.counts(book, statement, OPENERS) => {
                self.untriaged.clear();
                if matches!(self.state, S::Reported | S::Reopened) {
                    self.set(statement, S::Investigating);
                }
            }
            "finding.recorded" if self.clears(book, statement, OVERSIGHT) => {
                self.untriaged.clear();
                self.findings.insert(statement.event);
                if self.state != S::Closed {
                    self.set(statement, S::Finding);
                }
            }
            "remedy.ordered" => {
                self.orders.push((statement, false));
                if self.state == S::Finding {
                    self.set(statement, S::Remedy);
                }
            }
            "remedy.accepted" if self.clears(book, statement, OVERSIGHT) => {
                let of = statement.get::<EventHash>("order");
                let accepted = self.orders.iter_mut().filter(|(order, _)| Some(order.event) == of);
                accepted.for_each(|(_, done)| *done = true);
            }
            "incident.closed" => {
                let cites = statement.get("finding").is_some_and(|finding| self.findings.contains(&finding));
                if self.clears(book, statement, OVERSIGHT) && cites {
                    self.set(statement, S::Closed);
                }
            }
            "incident.reopened" if self.state == S::Closed => self.set(statement, S::Reopened),
            _ => {}
        }
    }
}

/// Tells whether the responsible party says that a remedy is done, and is not accused.
fn completed(book: &Book, order: &Statement, accused: &BTreeSet<Author>) -> bool {
    let responsible = order.get::<PartyId>("responsible").map(|party| book.acting(&Author::Party(party)));
    let Some(responsible) = responsible.filter(|party| !accused.contains(party)) else { return false };
    let mut about = book.about(&order.event);
    about.any(|s| s.kind.as_str() == "remedy.completed" && book.acting(&s.author) == responsible)
}

/// Returns the cases that a report names, itself or by its items.
fn cases_of(report: &Statement) -> impl Iterator<Item = CaseId> {
    let named = report.array("cases").iter().filter_map(|case| case.as_str()?.parse().ok());
    let of_items = report.array("items").iter().filter_map(|item| parse(item.get("described_in")?, "case"));
    named.chain(of_items)
}

/// Applies the rules.
pub(super) fn assess(desk: &Desk<'_>, out: &mut Assessment) {
    for incident in incidents(desk.book) {
        open(desk, &incident, out);
        untriaged(desk, &incident, out);
        remedies(desk, &incident, out);
        for act in &incident.void {
            let subject = &incident.stream.subject;
            let detail = format!("{} of entry {} is by {}, who is named in `against`", act.kind, act.seq, act.author);
            let found = finding(Code::ClosedByAccused, None, subject, act.recorded(), [act.seq], detail);
            desk.raise(out, found, Vec::new(), true);
        }
    }
}

fn open(desk: &Desk<'_>, incident: &Incident<'_>, out: &mut Assessment) {
    let Some((since, by)) = incident.open else { return };
    let cases: Vec<&str> = incident.cases.iter().map(CaseId::as_str).collect();
    let of = if cases.is_empty() { String::new() } else { format!(", of case {}", cases.join(", ")) };
    let detail = format!("the incident is {}{of}", incident.state.as_str());
    let entries = [by, incident.state_by];
    let found = finding(Code::DiversionOpen, None, &incident.stream.subject, since, entries, detail);
    desk.raise(out, found, Vec::new(), true);
}

/// Returns how long its triage may take: the shortest term of its cases.
fn triage_within(desk: &Desk<'_>, incident: &Incident<'_>) -> i64 {
    let known = incident.cases.iter().filter(|case| desk.book.authority().case(case.as_str()).is_some());
    known
        .map(|case| desk.terms(case).diversion_triage_within)
        .min()
        .unwrap_or(Terms::usual(false).diversion_triage_within)
}

fn untriaged(desk: &Desk<'_>, incident: &Incident<'_>, out: &mut Assessment) {
    let Some((from, started)) = incident.untriaged.iter().min().copied() else { return };
    let due = from.plus_days(triage_within(desk, incident));
    let subject = &incident.stream.subject;
    if desk.over(due) {
        let detail = format!("the report of {from} led to no investigation by {due}");
        let entries = incident.untriaged.iter().map(|(_, seq)| *seq);
        let mut found = finding(Code::DiversionUntriaged, None, subject, due.plus_days(1), entries, detail);
        found.due = Some(due);
        desk.raise(out, found, Vec::new(), true);
    } else {
        out.obligations.push(Obligation {
            due,
            code: Code::DiversionUntriaged,
            case: None,
            subject: subject.clone(),
            started,
            from,
            what: "open an investigation, or record a finding".to_owned(),
        });
    }
}

fn remedies(desk: &Desk<'_>, incident: &Incident<'_>, out: &mut Assessment) {
    for (order, _) in incident.orders.iter().filter(|(_, done)| !done) {
        let Some(due) = order.get::<Date>("due") else { continue };
        let responsible = order.text("responsible").unwrap_or_default();
        let subject = &incident.stream.subject;
        if desk.over(due) {
            let mut about = desk.book.about(&order.event);
            let says = about.any(|s| s.kind.as_str() == "remedy.completed");
            let but = if says { "; it is said to be done, by a party that is accused or not responsible" } else { "" };
            let detail = format!("{responsible} was to complete the remedy of entry {} by {due}{but}", order.seq);
            let mut found = finding(Code::RemedyOverdue, None, subject, due.plus_days(1), [order.seq], detail);
            found.due = Some(due);
            desk.raise(out, found, Vec::new(), true);
        } else {
            out.obligations.push(Obligation {
                due,
                code: Code::RemedyOverdue,
                case: None,
                subject: subject.clone(),
                started: order.seq,
                from: order.by(),
                what: format!("{responsible} is to complete the remedy"),
            });
        }
    }
}
