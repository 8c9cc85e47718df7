//! What the steps of a stream come to: consignments, authorizations, holdings, sites, retransfers, incidents, cases.
//!
//! Each is a pure function of its steps, which come in the order of recording and are taken in the order in which they
//! happened.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;

use super::step::{Draw, Step};
use crate::event::scalars::Quantity;
use crate::hash::EventHash;
use crate::id::{Author, CaseId, PartyId, Seq, StreamId, Subject};
use crate::time::Date;

/// A consignment as it stands.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consignment {
    /// Its case.
    pub case: CaseId,
    /// Its subject.
    pub subject: Subject,
    /// `announced` (nothing was sent yet), `in_transit`, `partly_received`, `received`, `received_discrepant`,
    /// `not_received`.
    pub state: String,
    /// The numbers of its documents.
    pub document_numbers: Vec<String>,
    /// When the first part was sent.
    pub dispatched: Option<Date>,
    /// When the last part is to arrive.
    pub expected: Option<Date>,
    /// By whom it was sent.
    pub by: Option<Author>,
    /// When the last receipt was.
    pub received: Option<Date>,
    /// Who had it last, on the way.
    pub custodian: Option<PartyId>,
    /// The entry that transferred title.
    pub title: Option<Seq>,
    /// Reports of discrepancies that are not resolved.
    pub open_discrepancies: Vec<Seq>,
    /// Its first entry.
    pub first: Seq,
    /// Its latest entry.
    pub latest: Seq,
}

/// A line of an authorization, with what was sent under it.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizedLine {
    /// Its number.
    pub line: String,
    /// What it is called.
    pub nomenclature: Option<String>,
    /// The national or local stock number.
    pub stock_number: Option<String>,
    /// How many.
    pub quantity: Option<Quantity>,
    /// Of what.
    pub unit: Option<String>,
    /// How many were sent under it, in the same unit.
    pub dispatched: Quantity,
}

/// An authorization as it stands.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// Its case.
    pub case: CaseId,
    /// Its subject.
    pub subject: Subject,
    /// `authorized`, `partly_dispatched`, `dispatched`, `cancelled`; `named` where only a dispatch names it.
    pub state: String,
    /// When.
    pub authorized: Option<Date>,
    /// Who is to use it.
    pub end_user: Option<String>,
    /// Its lines.
    pub lines: Vec<AuthorizedLine>,
    /// The consignments sent under it.
    pub consignments: Vec<Subject>,
    /// The entry that cancelled it.
    pub cancelled: Option<Seq>,
    /// Its first entry.
    pub first: Seq,
    /// Its latest entry.
    pub latest: Seq,
}

/// A holding as it was declared.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Its case.
    pub case: CaseId,
    /// Its subject.
    pub subject: Subject,
    /// `declared`.
    pub state: String,
    /// Who holds it, where it is not the recipient.
    pub holder: Option<PartyId>,
    /// By whom.
    pub by: Author,
    /// How it is known.
    pub grade: Option<String>,
    /// Its first entry.
    pub first: Seq,
    /// Its latest entry.
    pub latest: Seq,
}

/// A site as it stands.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its case.
    pub case: CaseId,
    /// Its subject.
    pub subject: Subject,
    /// `registered` or `certified`; whether the certificate still holds, `valid_until` says.
    pub state: String,
    /// The code by which checks name it.
    pub code: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// The last date on which the newest certificate holds.
    pub valid_until: Option<Date>,
    /// The entry of that certificate.
    pub certificate: Option<Seq>,
    /// Its first entry.
    pub first: Seq,
    /// Its latest entry.
    pub latest: Seq,
}

/// A retransfer, or a change of end use, as it stands.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retransfer {
    /// Its case.
    pub case: CaseId,
    /// Its subject.
    pub subject: Subject,
    /// `requested`, `granted`, `denied` (a denial prevails), `executed`, `ended`.
    pub state: String,
    /// The other holder.
    pub new_holder: Option<PartyId>,
    /// The last date on which the consent holds.
    pub expires: Option<Date>,
    /// When a temporary one ends.
    pub ends: Option<Date>,
    /// Its first entry.
    pub first: Seq,
    /// Its latest entry.
    pub latest: Seq,
}

/// A remedy that was ordered.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// The order.
    pub order: EventHash,
    /// Its entry.
    pub seq: Seq,
    /// Who must see to it.
    pub responsible: Option<PartyId>,
    /// Until when.
    pub due: Option<Date>,
    /// `ordered`, `completed` (says who is responsible) or `accepted` (says oversight).
    pub state: String,
}

/// An incident as it stands (DOMAIN §3).
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its subject.
    pub subject: Subject,
    /// `reported`, `investigating`, `finding`, `remedy`, `closed`, `reopened`.
    pub state: String,
    /// When it was reported.
    pub reported: Option<Date>,
    /// By whom.
    pub by: Option<Author>,
    /// How it was known.
    pub grade: Option<String>,
    /// The cases that the report names.
    pub cases: Vec<CaseId>,
    /// Who is accused.
    pub against: Vec<PartyId>,
    /// Who investigates.
    pub investigator: Option<PartyId>,
    /// What the latest finding says.
    pub outcome: Option<String>,
    /// What was ordered.
    pub remedies: Vec<Remedy>,
    /// The entry that closed it.
    pub closed: Option<Seq>,
    /// Entries that would close it, by parties that are accused: without effect (DOMAIN §1.5).
    pub without_effect: Vec<Seq>,
    /// Its first entry.
    pub first: Seq,
    /// Its latest entry.
    pub latest: Seq,
}

/// A case as its own events have it.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// Its id.
    pub case: CaseId,
    /// Its title.
    pub title: Option<String>,
    /// How closely end use is monitored.
    pub monitoring: Option<String>,
    /// Its terms (DOMAIN §4).
    pub terms: Value,
    /// Who is bound to what.
    pub roles: Value,
    /// The entry that closed it.
    pub closed: Option<Seq>,
    /// The entry that opened it.
    pub first: Seq,
    /// The latest entry of its own stream.
    pub latest: Seq,
}

impl CaseRecord {
    /// Returns a number of days among its terms.
    #[must_use]
    pub fn days(&self, term: &str) -> Option<i64> {
        self.terms.get(term).and_then(Value::as_i64)
    }

    /// Returns the parties bound to a role.
    #[must_use]
    pub fn parties(&self, role: &str) -> Vec<PartyId> {
        let parties = self.roles.get(role).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        parties.iter().filter_map(Value::as_str).filter_map(|party| party.parse().ok()).collect()
    }
}

/// What a stream comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stream {
    /// A consignment.
    Consignment(Consignment),
    /// An authorization.
    Authorization(Authorization),
    /// A holding.
    Holding(Holding),
    /// A site.
    Site(Site),
    /// A retransfer or a change of end use.
    Retransfer(Retransfer),
    /// An incident.
    Incident(Incident),
}

impl Stream {
    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> &str {
        match self {
            Self::Consignment(of) => &of.state,
            Self::Authorization(of) => &of.state,
            Self::Holding(of) => &of.state,
            Self::Site(of) => &of.state,
            Self::Retransfer(of) => &of.state,
            Self::Incident(of) => &of.state,
        }
    }
}

/// Returns what the steps of a stream, in the order of recording, and the draws on it come to.
#[must_use]
pub fn stream(id: &StreamId, steps: &[Step], draws: &[(Seq, Draw)]) -> Option<Stream> {
    let mut order: Vec<&Step> = steps.iter().collect();
    order.sort_by_key(|step| (step.at, step.seq));
    let first = steps.first().map(|step| step.seq).or_else(|| draws.first().map(|(seq, _)| *seq))?;
    let latest = steps.last().map(|step| step.seq).unwrap_or(first);
    let span = Span { subject: id.subject.clone(), first, latest };
    match (id.subject.ty(), &id.case) {
        ("consignment", Some(case)) => Some(Stream::Consignment(consignment(case, span, &order))),
        ("authorization", Some(case)) => Some(Stream::Authorization(authorization(case, span, &order, draws))),
        ("holding", Some(case)) => holding(case, span, steps).map(Stream::Holding),
        ("site", Some(case)) => Some(Stream::Site(site(case, span, &order))),
        ("retransfer", Some(case)) => Some(Stream::Retransfer(retransfer(case, span, &order))),
        ("incident", None) => Some(Stream::Incident(incident(span, steps))),
        _ => None,
    }
}

struct Span {
    subject: Subject,
    first: Seq,
    latest: Seq,
}

fn consignment(case: &CaseId, Span { subject, first, latest }: Span, steps: &[&Step]) -> Consignment {
    let mut found = Consignment {
        case: case.clone(),
        subject,
        state: "announced".to_owned(),
        document_numbers: Vec::new(),
        dispatched: None,
        expected: None,
        by: None,
        received: None,
        custodian: None,
        title: None,
        open_discrepancies: Vec::new(),
        first,
        latest,
    };
    let mut sound = true;
    let mut open: Vec<(EventHash, Seq)> = Vec::new();
    let (mut complete, mut missing) = (false, false);
    for step in steps {
        match step.kind.as_str() {
            "transfer.dispatched" => {
                if let Some(number) = step.document_number.as_ref().filter(|n| !found.document_numbers.contains(n)) {
                    found.document_numbers.push(number.clone());
                }
                found.dispatched = found.dispatched.min(Some(step.at)).or(Some(step.at));
                found.expected = found.expected.max(step.expected);
                found.by.get_or_insert_with(|| step.by.clone());
            }
            "transfer.received" => {
                found.received = Some(step.at);
                sound &= step.sound.unwrap_or(true);
                complete |= step.complete.unwrap_or(true);
            }
            "transfer.not_received" => missing = true,
            "custody.handed_over" => found.custodian.clone_from(&step.holder),
            "title.transferred" => found.title = Some(step.seq),
            "discrepancy.reported" => open.push((step.event, step.seq)),
            "discrepancy.resolved" => open.retain(|(event, _)| Some(*event) != step.about),
            _ => {}
        }
    }
    found.open_discrepancies = open.into_iter().map(|(_, seq)| seq).collect();
    let state = match (found.received, found.dispatched) {
        (Some(_), _) if !complete => "partly_received",
        (Some(_), _) if sound && !missing => "received",
        (Some(_), _) => "received_discrepant",
        (None, _) if missing => "not_received",
        (None, Some(_)) => "in_transit",
        (None, None) => "announced",
    };
    state.clone_into(&mut found.state);
    found
}

fn authorization(
    case: &CaseId,
    Span { subject, first, latest }: Span,
    steps: &[&Step],
    draws: &[(Seq, Draw)],
) -> Authorization {
    let mut lines: Vec<AuthorizedLine> = Vec::new();
    let (mut authorized, mut cancelled, mut end_user) = (None, None, None);
    for step in steps {
        match step.kind.as_str() {
            "transfer.authorized" => {
                authorized = Some(step.at);
                end_user = step.name.clone().or(end_user);
                lines.extend(step.lines.iter().map(|line| AuthorizedLine {
                    line: line.line.clone(),
                    nomenclature: line.nomenclature.clone(),
                    stock_number: line.stock_number.clone(),
                    quantity: line.quantity,
                    unit: line.unit.clone(),
                    dispatched: Quantity::ZERO,
                }));
            }
            "transfer.cancelled" => cancelled = Some(step.seq),
            _ => {}
        }
    }
    let mut consignments: Vec<Subject> = Vec::new();
    for (_, draw) in draws {
        if !consignments.contains(&draw.consignment) {
            consignments.push(draw.consignment.clone());
        }
        // unlike units are never added (DOMAIN §1.8)
        let line = lines.iter_mut().find(|line| line.line == draw.line && line.unit == draw.unit);
        if let (Some(line), Some(quantity)) = (line, draw.quantity) {
            line.dispatched = line.dispatched.checked_add(quantity).unwrap_or(line.dispatched);
        }
    }
    let all = lines.iter().all(|line| line.quantity.is_some_and(|quantity| line.dispatched >= quantity));
    let state = match (authorized, cancelled) {
        (_, Some(_)) => "cancelled",
        (None, None) => "named",
        (Some(_), None) if !lines.is_empty() && all => "dispatched",
        (Some(_), None) if !draws.is_empty() => "partly_dispatched",
        (Some(_), None) => "authorized",
    };
    let case = case.clone();
    let state = state.to_owned();
    Authorization { case, subject, state, authorized, end_user, lines, consignments, cancelled, first, latest }
}

fn holding(case: &CaseId, Span { subject, first, latest }: Span, steps: &[Step]) -> Option<Holding> {
    let last = steps.last()?;
    Some(Holding {
        case: case.clone(),
        subject,
        state: "declared".to_owned(),
        holder: last.holder.clone(),
        by: last.by.clone(),
        grade: last.grade.clone(),
        first,
        latest,
    })
}

fn site(case: &CaseId, Span { subject, first, latest }: Span, steps: &[&Step]) -> Site {
    let mut found = Site {
        case: case.clone(),
        subject,
        state: "registered".to_owned(),
        code: None,
        name: None,
        valid_until: None,
        certificate: None,
        first,
        latest,
    };
    for step in steps {
        if step.kind == "site.certified" {
            "certified".clone_into(&mut found.state);
            found.valid_until = step.until;
            found.certificate = Some(step.seq);
        } else {
            found.code = step.code.clone().or(found.code);
            found.name = step.name.clone().or(found.name);
        }
    }
    found
}

fn retransfer(case: &CaseId, Span { subject, first, latest }: Span, steps: &[&Step]) -> Retransfer {
    let mut found = Retransfer {
        case: case.clone(),
        subject,
        state: "requested".to_owned(),
        new_holder: None,
        expires: None,
        ends: None,
        first,
        latest,
    };
    let mut denied = false;
    for step in steps {
        let state = match (step.kind.as_str(), step.outcome.as_deref()) {
            ("retransfer.decided" | "end_use_change.decided", Some("denied")) => {
                denied = true;
                "denied"
            }
            ("retransfer.decided" | "end_use_change.decided", _) => {
                found.expires = step.until;
                if denied { "denied" } else { "granted" }
            }
            ("retransfer.executed", _) => "executed",
            ("retransfer.ended", _) => "ended",
            _ => {
                found.ends = step.until;
                continue;
            }
        };
        state.clone_into(&mut found.state);
    }
    found.new_holder = steps.iter().rev().find_map(|step| step.holder.clone());
    found
}

/// Incidents move by what is recorded, in that order: nobody's dating of a closing changes what it closed.
fn incident(Span { subject, first, latest }: Span, steps: &[Step]) -> Incident {
    let mut found = Incident {
        subject,
        state: "reported".to_owned(),
        reported: None,
        by: None,
        grade: None,
        cases: Vec::new(),
        against: Vec::new(),
        investigator: None,
        outcome: None,
        remedies: Vec::new(),
        closed: None,
        without_effect: Vec::new(),
        first,
        latest,
    };
    for step in steps {
        take(&mut found, step);
    }
    found.cases.sort_unstable();
    found.cases.dedup();
    found.against.sort_unstable();
    found.against.dedup();
    found
}

fn take(found: &mut Incident, step: &Step) {
    let accused = step.by.party().is_some_and(|party| found.against.contains(party));
    let state = match step.kind.as_str() {
        "diversion.reported" => {
            found.reported.get_or_insert(step.at);
            found.by.get_or_insert_with(|| step.by.clone());
            found.grade = found.grade.take().or_else(|| step.grade.clone());
            found.cases.extend(step.cases.iter().cloned());
            return;
        }
        "investigation.opened" => {
            found.against.extend(step.against.iter().cloned());
            found.investigator = step.responsible.clone().or_else(|| step.by.party().cloned());
            if found.state == "closed" { return } else { "investigating" }
        }
        "finding.recorded" if !accused => {
            found.against.extend(step.against.iter().cloned());
            found.outcome.clone_from(&step.outcome);
            "finding"
        }
        "remedy.ordered" if !accused => {
            found.remedies.push(Remedy {
                order: step.event,
                seq: step.seq,
                responsible: step.responsible.clone(),
                due: step.due,
                state: "ordered".to_owned(),
            });
            "remedy"
        }
        "remedy.accepted" if !accused => return settle(found, step, "accepted"),
        "remedy.completed" => return settle(found, step, "completed"),
        "incident.closed" if !accused => {
            found.closed = Some(step.seq);
            "closed"
        }
        "incident.reopened" => {
            found.closed = None;
            "reopened"
        }
        _ => return found.without_effect.push(step.seq),
    };
    state.clone_into(&mut found.state);
}

/// Notes that a remedy is done, or accepted.
fn settle(found: &mut Incident, step: &Step, state: &str) {
    let Some(remedy) = found.remedies.iter_mut().find(|remedy| Some(remedy.order) == step.about) else { return };
    let said_by_responsible = remedy.responsible.as_ref() == step.by.party();
    if (state == "completed" && !said_by_responsible) || remedy.state == "accepted" {
        return;
    }
    state.clone_into(&mut remedy.state);
}

/// Returns what the events about a case itself come to.
#[must_use]
pub fn case_record(case: &CaseId, steps: &[Step]) -> Option<CaseRecord> {
    let (first, last) = (steps.first()?, steps.last()?);
    // the latest amendment that has a member, or else the opening
    let member = |name: &str| steps.iter().rev().find_map(|step| step.body.as_ref()?.get(name).cloned());
    let text = |name: &str| member(name).and_then(|value| value.as_str().map(str::to_owned));
    let mut roles = member("roles").unwrap_or(Value::Null);
    let bound = |step: &&Step| step.body.as_ref().is_some_and(|body| body.get("roles").is_some());
    let since = steps.iter().rev().find(bound).map(|step| step.seq);
    let inspectors = steps.iter().rev().find(|step| step.kind == "case.inspectors" && Some(step.seq) > since);
    if let (Some(step), Some(roles)) = (inspectors, roles.as_object_mut())
        && let Some(parties) = step.body.as_ref().and_then(|body| body.get("inspector"))
    {
        roles.insert("inspector".to_owned(), parties.clone());
    }
    Some(CaseRecord {
        case: case.clone(),
        title: text("title"),
        monitoring: text("monitoring"),
        terms: member("terms").unwrap_or(Value::Null),
        roles,
        closed: steps.iter().find(|step| step.kind == "case.closed").map(|step| step.seq),
        first: first.seq,
        latest: last.seq,
    })
}
