//! What is due: dates that follow from the terms of a case and from what is recorded (DOMAIN §4).
//!
//! A due date stands while the obligation does, also once it has passed: whether it is overdue is a question of the day on
//! which somebody asks, and of findings. Without the term there is no due date.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::ViewError;
use super::apply::json;
use super::items::{malformed, record};
use super::key::{Key, Parts};
use super::kv::{Family, Overlay, Reads};
use super::stream::{CaseRecord, Consignment, Incident, Retransfer, Stream};
use crate::facts::ItemKey;
use crate::id::{CaseId, PartyId, Seq, StreamId, Subject};
use crate::store::StoreError;
use crate::time::Date;

/// What somebody must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Say what arrived.
    Receipt,
    /// Inspect items that were never inspected.
    InitialInventory,
    /// Inspect items again.
    Inventory,
    /// Have a site certified anew.
    SiteCertificate,
    /// Execute a retransfer before the consent ends.
    Consent,
    /// Take back what was passed on for a time.
    RetransferEnd,
    /// Look into a report of a diversion.
    Triage,
    /// Do what was ordered.
    Remedy,
}

impl Duty {
    /// Every duty.
    pub const ALL: [Self; 8] = [
        Self::Receipt,
        Self::InitialInventory,
        Self::Inventory,
        Self::SiteCertificate,
        Self::Consent,
        Self::RetransferEnd,
        Self::Triage,
        Self::Remedy,
    ];

    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::InitialInventory => "initial_inventory",
            Self::Inventory => "inventory",
            Self::SiteCertificate => "site_certificate",
            Self::Consent => "consent",
            Self::RetransferEnd => "retransfer_end",
            Self::Triage => "triage",
            Self::Remedy => "remedy",
        }
    }
}

/// Something that is due.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obligation {
    /// The last date on which it is in time.
    pub due: Date,
    /// What must be done.
    pub duty: Duty,
    /// In which case.
    pub case: Option<CaseId>,
    /// About what.
    pub subject: Subject,
    /// Who must do it: any of them.
    pub who: Vec<PartyId>,
    /// The date from which the term counts.
    pub since: Option<Date>,
    /// The term, in days.
    pub days: Option<i64>,
    /// The entry that it rests on.
    pub seq: Option<Seq>,
    /// The item that is due first.
    pub item: Option<ItemKey>,
}

impl Obligation {
    /// Returns its key: those of one owner differ by the number.
    fn key(&self, n: usize) -> Vec<u8> {
        let key = Key::of(b'O').text(&self.due.to_string()).case(self.case.as_ref());
        key.text(self.subject.as_str()).text(self.duty.as_str()).nth(n).done()
    }
}

/// Returns the key of a case.
pub(super) fn case_key(case: &CaseId) -> Vec<u8> {
    Key::of(b'C').text(case.as_str()).done()
}

/// Begins the keys of held items by the date of their last inspection (`i`), or since when they are held without (`n`).
pub(super) fn watch_key(case: &CaseId, sort: u8) -> Key {
    Key::of(b'y').text(case.as_str()).byte(sort)
}

fn terms(reads: &dyn Reads, case: &CaseId) -> Result<Option<CaseRecord>, StoreError> {
    record(reads, Family::Records, &case_key(case))
}

/// Works out what is due of a stream.
pub(super) fn of_stream(over: &mut Overlay<'_>, id: &StreamId, stream: Option<&Stream>) -> Result<(), ViewError> {
    let found = match stream {
        Some(Stream::Consignment(of)) => receipt(over, of)?,
        Some(Stream::Site(of)) => {
            let who = terms(over, &of.case)?.map(|case| case.parties("recipient")).unwrap_or_default();
            let due = |due| plain(due, Duty::SiteCertificate, Some(&of.case), &of.subject, who, of.certificate);
            of.valid_until.map(due).into_iter().collect()
        }
        Some(Stream::Retransfer(of)) => retransfer(over, of)?,
        Some(Stream::Incident(of)) => incident(over, of)?,
        Some(Stream::Authorization(_) | Stream::Holding(_)) | None => Vec::new(),
    };
    put(over, id, &found)
}

fn plain(
    due: Date,
    duty: Duty,
    case: Option<&CaseId>,
    subject: &Subject,
    who: Vec<PartyId>,
    seq: Option<Seq>,
) -> Obligation {
    let subject = subject.clone();
    Obligation { due, duty, case: case.cloned(), subject, who, since: None, days: None, seq, item: None }
}

fn receipt(reads: &dyn Reads, of: &Consignment) -> Result<Vec<Obligation>, StoreError> {
    if !matches!(of.state.as_str(), "in_transit" | "partly_received") {
        return Ok(Vec::new());
    }
    let Some(case) = terms(reads, &of.case)? else { return Ok(Vec::new()) };
    let (Some(days), Some(since)) = (case.days("receipt_within"), of.expected.or(of.dispatched)) else {
        return Ok(Vec::new());
    };
    let who = case.parties("recipient");
    let due = plain(since.plus_days(days), Duty::Receipt, Some(&of.case), &of.subject, who, Some(of.first));
    Ok(vec![Obligation { since: Some(since), days: Some(days), ..due }])
}

fn retransfer(reads: &dyn Reads, of: &Retransfer) -> Result<Vec<Obligation>, StoreError> {
    let due = match of.state.as_str() {
        "granted" => of.expires.map(|due| (due, Duty::Consent)),
        "executed" => of.ends.map(|due| (due, Duty::RetransferEnd)),
        _ => None,
    };
    let Some((due, duty)) = due else { return Ok(Vec::new()) };
    let who = terms(reads, &of.case)?.map(|case| case.parties("recipient")).unwrap_or_default();
    Ok(vec![plain(due, duty, Some(&of.case), &of.subject, who, Some(of.latest))])
}

fn incident(reads: &dyn Reads, of: &Incident) -> Result<Vec<Obligation>, StoreError> {
    let mut found = Vec::new();
    if let Some(reported) = of.reported.filter(|_| of.state == "reported") {
        for id in &of.cases {
            let Some(case) = terms(reads, id)? else { continue };
            let Some(days) = case.days("diversion_triage_within") else { continue };
            let due = reported.plus_days(days);
            let due = plain(due, Duty::Triage, Some(id), &of.subject, case.parties("donor"), Some(of.first));
            found.push(Obligation { since: Some(reported), days: Some(days), ..due });
        }
    }
    for remedy in of.remedies.iter().filter(|remedy| remedy.state == "ordered") {
        if let Some(due) = remedy.due {
            let who = remedy.responsible.iter().cloned().collect();
            found.push(plain(due, Duty::Remedy, of.cases.first(), &of.subject, who, Some(remedy.seq)));
        }
    }
    Ok(found)
}

/// Works out which inventory is due first in a case: the initial one of what was never inspected, the next of the rest.
pub(super) fn of_case(over: &mut Overlay<'_>, case: &CaseId) -> Result<(), ViewError> {
    let mut found = Vec::new();
    if let Some(record) = terms(over, case)? {
        let subject: Subject = format!("case/{case}").parse().map_err(|e| malformed(case.as_str().as_bytes(), e))?;
        for (sort, term, duty) in
            [(b'n', "initial_inventory_within", Duty::InitialInventory), (b'i', "inventory_every", Duty::Inventory)]
        {
            let Some(days) = record.days(term) else { continue };
            let Some((since, item)) = first_watched(over, case, sort)? else { continue };
            let due = plain(since.plus_days(days), duty, Some(case), &subject, record.parties("inspector"), None);
            found.push(Obligation { since: Some(since), days: Some(days), item: Some(item), ..due });
        }
        put(over, &StreamId { case: Some(case.clone()), subject }, &found)?;
    }
    Ok(())
}

fn first_watched(reads: &dyn Reads, case: &CaseId, sort: u8) -> Result<Option<(Date, ItemKey)>, StoreError> {
    let (from, end) = watch_key(case, sort).range();
    let start = from.len();
    let mut found = None;
    reads.scan(Family::Index, &from, &end, &mut |key, _| {
        let mut parts = Parts::of(&key[start - 1..]);
        let watched = parts.parse().zip(parts.item());
        found = Some(watched.ok_or_else(|| malformed(key, "not a watched item"))?);
        Ok(false)
    })?;
    Ok(found)
}

/// Puts obligations in the place of those that their owner had.
fn put(over: &mut Overlay<'_>, owner: &StreamId, found: &[Obligation]) -> Result<(), ViewError> {
    let name = Key::of(b'P').case(owner.case.as_ref()).text(owner.subject.as_str()).done();
    let before: Vec<String> = record(over, Family::Records, &name)?.unwrap_or_default();
    if before.is_empty() && found.is_empty() {
        return Ok(());
    }
    for key in before {
        over.delete(Family::Records, hex::decode(&key).map_err(|e| malformed(&name, e))?);
    }
    let mut keys = Vec::with_capacity(found.len());
    for (n, obligation) in found.iter().enumerate() {
        let key = obligation.key(n);
        keys.push(hex::encode(&key));
        over.put(Family::Records, key, json(obligation));
    }
    if keys.is_empty() {
        over.delete(Family::Records, name);
    } else {
        over.put(Family::Records, name, json(&keys));
    }
    Ok(())
}
