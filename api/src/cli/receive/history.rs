//! What the ledger has on a consignment: what was sent, and what was received of it before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::BufReader;

use countersign_ledger::book::Standing;
use countersign_ledger::bundle::{LastLeaf, Scope};
use countersign_ledger::disclosure::{Disclosure, Matching, Restored, restore};
use countersign_ledger::event::Body;
use countersign_ledger::event::codes::Unit;
use countersign_ledger::event::common::{Line, LineNumber, Serial};
use countersign_ledger::event::scalars::Quantity;
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{Author, CaseId, Subject};

use crate::case_file::{CaseFile, Cases, Corrections, Found};
use crate::client::Client;
use crate::failure::Failure;

/// A line that was sent, in all parts of the dispatch together.
#[derive(Debug, Clone)]
pub(super) struct SentLine {
    /// Its number.
    pub(super) line: LineNumber,
    /// How many.
    pub(super) quantity: Quantity,
    /// Of what.
    pub(super) unit: Unit,
    /// The serials, as they were sent.
    pub(super) serials: Vec<Serial>,
}

/// What was said before about the receipt of a line.
#[derive(Debug, Clone)]
pub(super) struct ReceivedBefore {
    /// How many.
    pub(super) quantity: Quantity,
    /// Serials that were found present, damaged or absent, normalised.
    pub(super) serials: HashSet<String>,
}

/// What the ledger has on a consignment.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// The case.
    pub(super) case: CaseId,
    /// The consignment.
    pub(super) subject: Subject,
    /// The lines that were sent, by first mention.
    pub(super) sent: Vec<SentLine>,
    /// What was received of each line before.
    pub(super) received: BTreeMap<LineNumber, ReceivedBefore>,
    /// The highest part number of earlier receipts.
    pub(super) part: Option<u16>,
    /// Whether an earlier receipt is complete: it has no part number, or says that it is the last.
    pub(super) complete: bool,
    /// The latest event of the stream.
    pub(super) head: Option<EventHash>,
    /// How many values of the dispatch are concealed from the recipient.
    pub(super) undisclosed: usize,
    /// Corrections that have no effect, and why.
    pub(super) without_effect: Vec<String>,
}

impl History {
    /// Begins with nothing known.
    pub(super) fn new(case: CaseId, subject: Subject) -> Self {
        Self {
            case,
            subject,
            sent: Vec::new(),
            received: BTreeMap::new(),
            part: None,
            complete: false,
            head: None,
            undisclosed: 0,
            without_effect: Vec::new(),
        }
    }

    /// Asks the server.
    ///
    /// # Errors
    /// When it gives no answer, one that does not prove itself, or an event cannot be read.
    pub(super) fn fetch(client: &Client, case: &CaseId, subject: &Subject, author: &Author) -> Result<Self, Failure> {
        let stream = countersign_ledger::id::StreamId { case: Some(case.clone()), subject: subject.clone() };
        let mut found = Vec::new();
        for item in client.stream(&stream)? {
            let proven = client.event(&item.event)?.ok_or_else(|| {
                Failure::distrust(format_args!("the server names event {} and does not have it", item.event))
            })?;
            let disclosures = proven.receipt.disclosures().to_vec();
            let (seq, time) = (proven.seq, proven.time);
            found.push(Found { seq, time, hash: proven.hash, event: proven.event, disclosures });
        }
        let mut corrections = Corrections::default();
        if found.iter().any(|found| found.event.corrects.is_some()) {
            // what rests on the corrected statement may stand in any stream of the case
            let (_, bundle) = client.bundle(&Scope::Case(case.clone()), LastLeaf::Withheld, true)?;
            let reader = BufReader::with_capacity(1 << 16, bundle);
            corrections = CaseFile::read(reader, Some(&client.ledger_id()), &Cases::one(case), |_| false)?.corrections;
        }
        Self::of(case.clone(), subject.clone(), &found, &corrections, author)
    }

    /// Finds the consignments of a case in a file, or one of them, in the order of their first events.
    ///
    /// # Errors
    /// When an event of theirs cannot be read.
    pub(super) fn in_file(
        file: CaseFile,
        case: &CaseId,
        only: Option<&Subject>,
        author: &Author,
    ) -> Result<Vec<Self>, Failure> {
        let mut order: Vec<(Subject, Vec<Found>)> = Vec::new();
        let mut places: HashMap<Subject, usize> = HashMap::new();
        for found in file.events {
            let subject = found.event.subject.clone();
            let wanted = subject.ty() == "consignment" && only.is_none_or(|only| *only == subject);
            if !wanted || found.event.case.as_ref() != Some(case) {
                continue;
            }
            let place = *places.entry(subject.clone()).or_insert_with(|| {
                order.push((subject, Vec::new()));
                order.len() - 1
            });
            order[place].1.push(found);
        }
        let corrections = &file.corrections;
        order.into_iter().map(|(subject, found)| Self::of(case.clone(), subject, &found, corrections, author)).collect()
    }

    /// Puts together what a stream's events say, in order, as they stand after the corrections that took effect.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(super) fn of(
        case: CaseId,
        subject: Subject,
        found: &[Found],
        corrections: &Corrections,
        author: &Author,
    ) -> Result<Self, Failure> {
        let mut history = Self::new(case, subject);
        for event in found {
            history.head = Some(event.hash);
            history.without_effect.extend(corrections.without_effect(event.seq));
            let by = match corrections.standing(event.seq) {
                Standing::Original => None,
                Standing::Replaced { by } => {
                    let missing = || unreadable(event, &format_args!("entry {by}, which corrects it, is missing"));
                    Some(found.iter().find(|other| other.seq == by).ok_or_else(missing)?)
                }
                Standing::Annulled { .. } => continue,
            };
            history.take(event, by, author)?;
        }
        Ok(history)
    }

    fn take(&mut self, found: &Found, corrected: Option<&Found>, author: &Author) -> Result<(), Failure> {
        let kind = found.event.kind.as_str();
        if !matches!(kind, "transfer.dispatched" | "transfer.received") {
            return Ok(());
        }
        let said = restored(corrected.unwrap_or(found))?;
        let body = match (corrected, said.body.get("replacement")) {
            (None, _) => Body::parse(&found.event.kind, &said.body),
            (Some(_), Some(replacement)) => Body::parse_replacement(&found.event.kind, replacement),
            (Some(by), None) => return Err(unreadable(by, &"its replacement is concealed")),
        };
        let body = body.map_err(|e| unreadable(corrected.unwrap_or(found), &e))?;
        if kind == "transfer.dispatched" {
            self.undisclosed += said.undisclosed;
        }
        match body {
            Body::TransferDispatched(sent) => sent.lines.iter().try_for_each(|line| self.add_sent(line))?,
            Body::TransferReceived(received) if found.event.author == *author => {
                let part = received.part.map(|part| part.value());
                self.part = self.part.max(part);
                self.complete |= part.is_none() || received.last == Some(true);
                for line in &received.lines {
                    let before = self
                        .received
                        .entry(line.line.clone())
                        .or_insert_with(|| ReceivedBefore { quantity: Quantity::ZERO, serials: HashSet::new() });
                    before.quantity = before.quantity.checked_add(line.received).unwrap_or(before.quantity);
                    let results = line.serials.iter();
                    for serials in results.flat_map(|r| [&r.present, &r.absent, &r.damaged]).flatten() {
                        before.serials.extend(serials.iter().map(Serial::normalised));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_sent(&mut self, line: &Line) -> Result<(), Failure> {
        let serials = line.serials.iter().flat_map(|serials| serials.iter().cloned());
        let Some(known) = self.sent.iter_mut().find(|known| known.line == line.line) else {
            let sent = SentLine {
                line: line.line.clone(),
                quantity: line.quantity,
                unit: line.unit,
                serials: serials.collect(),
            };
            self.sent.push(sent);
            return Ok(());
        };
        let wrong = |what: &str| {
            Failure::refused(format_args!(
                "line {} of {} stands in two parts of the dispatch {what}",
                line.line, self.subject
            ))
        };
        if known.unit != line.unit {
            return Err(wrong("in two units"));
        }
        known.quantity =
            known.quantity.checked_add(line.quantity).ok_or_else(|| wrong("with more than can be counted"))?;
        known.serials.extend(serials);
        Ok(())
    }
}

fn restored(found: &Found) -> Result<Restored, Failure> {
    let disclosures = Disclosure::parse_all(&found.disclosures).map_err(|e| unreadable(found, &e))?;
    restore(found.event.body(), &disclosures, Matching::Partial).map_err(|e| unreadable(found, &e))
}

fn unreadable(found: &Found, why: &dyn std::fmt::Display) -> Failure {
    Failure::refused(format_args!("{} {} cannot be read: {why}", found.event.kind, found.hash))
        .hint("if it conceals what must be known here, ask its author for the disclosures")
}
