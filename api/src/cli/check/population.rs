//! What a case should have: the items that its dispatches, receipts and holdings describe, and what was said of them.
//!
//! Bodies are read as JSON with their disclosures put back, so that what stays concealed, or comes with a later version,
//! takes nothing from the rest.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use countersign_ledger::book::Standing;
use countersign_ledger::disclosure::{Disclosure, Matching, restore};
use countersign_ledger::event::common::{LineNumber, Serial};
use countersign_ledger::event::scalars::Quantity;
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{CaseId, Seq, Subject};
use serde_json::Value;

use crate::case_file::{Corrections, Found};

/// The line that first described an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// The stream.
    pub(super) subject: Subject,
    /// The line.
    pub(super) line: LineNumber,
}

/// Where an item is in its life, as far as a check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It was sent.
    Sent,
    /// It is with the recipient.
    Held,
    /// It was expended, destroyed, returned, lost.
    Gone,
}

/// An item with a serial.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// The serial, as it was described.
    pub(super) serial: Serial,
    /// The line that first described it.
    pub(super) place: Place,
    /// Others that describe it too.
    pub(super) again: Vec<Place>,
    /// Where it is in its life.
    pub(super) life: Life,
    /// The code of the site where it was last, if that was said.
    pub(super) site: Option<String>,
}

/// A line of items without serials, or with fewer than items.
#[derive(Debug, Clone)]
pub(super) struct Unmarked {
    /// How many have no serial.
    pub(super) quantity: Quantity,
    /// Of what.
    pub(super) unit: String,
}

/// What the streams of one case say of its items.
#[derive(Debug)]
pub(super) struct Population {
    /// The case.
    pub(super) case: CaseId,
    /// Its items, by their serials as they compare.
    pub(super) items: BTreeMap<String, Item>,
    /// The units of its lines with serials.
    pub(super) units: BTreeSet<String>,
    /// Its lines with items that have no serial.
    pub(super) unmarked: BTreeMap<Place, Unmarked>,
    /// How many values are concealed.
    pub(super) undisclosed: usize,
    /// How many statements could not be read.
    pub(super) unreadable: usize,
    /// Corrections that have no effect, and why.
    pub(super) without_effect: Vec<String>,
    /// What the checks of this case have said so far, by subject.
    pub(super) checks: HashMap<Subject, Before>,
}

/// What the stream of a check has.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    /// Its latest event.
    pub(super) head: Option<EventHash>,
    /// The highest part number.
    pub(super) part: Option<u16>,
    /// Serials that it names.
    pub(super) serials: HashSet<String>,
}

impl Population {
    /// Reads the events of a case, in the ledger's order, as they stand after the corrections that took effect.
    pub(super) fn of(case: &CaseId, events: &[&Found], corrections: &Corrections) -> Self {
        let mut population = Self {
            case: case.clone(),
            items: BTreeMap::new(),
            units: BTreeSet::new(),
            unmarked: BTreeMap::new(),
            undisclosed: 0,
            unreadable: 0,
            without_effect: Vec::new(),
            checks: HashMap::new(),
        };
        let by_seq: HashMap<Seq, &Found> = events.iter().map(|found| (found.seq, *found)).collect();
        for found in events {
            if found.event.subject.ty() == "check" {
                population.checks.entry(found.event.subject.clone()).or_default().head = Some(found.hash);
            }
            if found.event.corrects.is_some() {
                continue;
            }
            population.without_effect.extend(corrections.without_effect(found.seq));
            let body = match corrections.standing(found.seq) {
                Standing::Original => population.body(found),
                Standing::Replaced { by } => by_seq
                    .get(&by)
                    .and_then(|correction| population.body(correction))
                    .and_then(|mut body| body.get_mut("replacement").map(Value::take)),
                Standing::Annulled { .. } => continue,
            };
            match body {
                Some(body) => population.take(found, &body),
                None => population.unreadable += 1,
            }
        }
        population
    }

    fn body(&mut self, found: &Found) -> Option<Value> {
        let disclosures = Disclosure::parse_all(&found.disclosures).ok()?;
        let restored = restore(found.event.body(), &disclosures, Matching::Partial).ok()?;
        self.undisclosed += restored.undisclosed;
        Some(restored.body)
    }

    fn take(&mut self, found: &Found, body: &Value) {
        let subject = &found.event.subject;
        let kind = found.event.kind.as_str();
        match kind {
            "transfer.dispatched" => self.lines(subject, &body["lines"], Life::Sent, None),
            "holding.declared" => self.lines(subject, &body["lines"], Life::Held, site(&body["place"])),
            "transfer.received" => self.received(subject, body),
            "check.recorded" | "check.unilateral" | "self_report.recorded" => {
                if let Some(part) = body["part"].as_u64().and_then(|part| u16::try_from(part).ok()) {
                    let before = self.checks.entry(subject.clone()).or_default();
                    before.part = before.part.max(Some(part));
                }
                self.checked(subject, body);
            }
            "items.moved" => self.each(&body["items"], |item, _| item.site = site(&body["to"]).or(item.site.take())),
            "items.recovered" | "retransfer.ended" => self.each(&body["items"], |item, _| item.life = Life::Held),
            "items.expended"
            | "items.destroyed"
            | "items.demilitarized"
            | "items.returned"
            | "loss.reported"
            | "retransfer.executed" => {
                self.each(&body["items"], |item, _| item.life = Life::Gone);
            }
            _ => {}
        }
    }

    /// Takes lines that describe items.
    fn lines(&mut self, subject: &Subject, lines: &Value, life: Life, site: Option<String>) {
        for line in lines.as_array().into_iter().flatten() {
            let Some(number) = line["line"].as_str().and_then(|number| number.parse().ok()) else { continue };
            let place = Place { subject: subject.clone(), line: number };
            let mut marked = 0usize;
            for serial in serials(&line["serials"]) {
                marked += 1;
                self.describe(serial, &place, life, site.clone());
            }
            if marked > 0 {
                self.units.extend(line["unit"].as_str().map(str::to_owned));
            }
            let quantity = line["quantity"].as_str().and_then(|text| text.parse::<Quantity>().ok());
            let whole = u64::try_from(marked).ok().and_then(Quantity::whole).unwrap_or(Quantity::ZERO);
            let rest = quantity.and_then(|quantity| quantity.checked_sub(whole)).filter(|rest| *rest > Quantity::ZERO);
            if let (Some(rest), Some(unit)) = (rest, line["unit"].as_str()) {
                let unmarked =
                    self.unmarked.entry(place).or_insert(Unmarked { quantity: Quantity::ZERO, unit: unit.to_owned() });
                unmarked.quantity = unmarked.quantity.checked_add(rest).unwrap_or(unmarked.quantity);
            }
        }
    }

    fn describe(&mut self, serial: Serial, place: &Place, life: Life, site: Option<String>) {
        let described = Item { serial, place: place.clone(), again: Vec::new(), life, site };
        match self.items.entry(described.serial.normalised()) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(described);
            }
            std::collections::btree_map::Entry::Occupied(known) => {
                let known = known.into_mut();
                if known.place != *place && !known.again.contains(place) {
                    known.again.push(place.clone());
                }
                // sent or declared anew: it is alive
                known.life = if known.life == Life::Held { Life::Held } else { life };
                known.site = described.site.or(known.site.take());
            }
        }
    }

    fn received(&mut self, subject: &Subject, body: &Value) {
        let site = site(&body["place"]);
        for line in body["lines"].as_array().into_iter().flatten() {
            for (result, arrived) in [("present", true), ("damaged", true), ("unexpected", true), ("absent", false)] {
                for serial in serials(&line["serials"][result]) {
                    let known = self.items.get_mut(&serial.normalised());
                    match (known, arrived) {
                        (Some(item), true) => {
                            item.life = Life::Held;
                            item.site = site.clone().or(item.site.take());
                        }
                        (Some(item), false) if item.life == Life::Sent => item.life = Life::Gone,
                        (None, true) => {
                            if let Some(number) = line["line"].as_str().and_then(|number| number.parse().ok()) {
                                let place = Place { subject: subject.clone(), line: number };
                                self.describe(serial, &place, Life::Held, site.clone());
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        self.lines(subject, &body["unexpected"], Life::Held, site);
    }

    fn checked(&mut self, subject: &Subject, body: &Value) {
        let seen_at = body["site"].as_str().map(str::to_owned);
        let mut named = HashSet::new();
        self.each(&body["items"], |item, said| {
            named.insert(item.serial.normalised());
            match said["state"].as_str() {
                Some("in_custody") => {
                    item.life = Life::Held;
                    item.site = seen_at.clone().or(item.site.take());
                }
                Some("not_found") | None => {}
                Some(_) => item.life = Life::Gone,
            }
        });
        for item in body["items"].as_array().into_iter().flatten() {
            named.extend(serials(&item["serials"]).map(|serial| serial.normalised()));
        }
        self.checks.entry(subject.clone()).or_default().serials.extend(named);
    }

    /// Does something to each known item that is named by its serial.
    fn each(&mut self, items: &Value, mut act: impl FnMut(&mut Item, &Value)) {
        for said in items.as_array().into_iter().flatten() {
            for serial in serials(&said["serials"]) {
                if let Some(item) = self.items.get_mut(&serial.normalised()) {
                    act(item, said);
                }
            }
        }
    }
}

/// Reads the serials that are disclosed and of their form.
pub(crate) fn serials(value: &Value) -> impl Iterator<Item = Serial> {
    value.as_array().into_iter().flatten().filter_map(|serial| serial.as_str()?.parse().ok())
}

fn site(place: &Value) -> Option<String> {
    place["site"].as_str().map(str::to_owned)
}
