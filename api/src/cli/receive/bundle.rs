//! Reads the consignments of a case from a bundle: a file, or the server's export as it comes in.
//!
//! One pass. An entry's `case` pointer tells which case it is of (SPEC §5), so that the other entries are passed over
//! without being read. Nothing is verified here: `countersign-verify` does that.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use countersign_ledger::entry::Entry;
use countersign_ledger::event::Event;
use countersign_ledger::hash::LedgerId;
use countersign_ledger::id::{Author, CaseId, Subject};
use serde::Deserialize;

use super::history::{Found, History};
use crate::failure::Failure;

/// The longest line of a bundle (SPEC §12).
const MAX_LINE: u64 = 1 << 20;

#[derive(Deserialize)]
struct Head {
    countersign_bundle: u64,
    ledger: LedgerId,
}

#[derive(Deserialize)]
struct DisclosureLine {
    disclosure: String,
}

/// Opens a bundle file, compressed or not.
///
/// # Errors
/// When it cannot be read.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    let failed = |e: io::Error| Failure::file(path, "read", &e);
    let mut file = BufReader::with_capacity(1 << 16, std::fs::File::open(path).map_err(failed)?);
    let compressed = file.fill_buf().map_err(failed)?.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    if compressed {
        return Ok(Box::new(zstd::stream::read::Decoder::with_buffer(file).map_err(failed)?));
    }
    Ok(Box::new(file))
}

/// Reads the histories of a case's consignments, or of one of them, in the order of their first events.
///
/// # Errors
/// When it cannot be read, is no bundle, or of another ledger.
pub(super) fn read(
    bundle: impl Read,
    ledger: &LedgerId,
    case: &CaseId,
    only: Option<&Subject>,
    author: &Author,
) -> Result<Vec<History>, Failure> {
    let mut lines = BufReader::with_capacity(1 << 16, bundle);
    let mut line = Vec::new();
    next(&mut lines, &mut line)?;
    let head: Head =
        serde_json::from_slice(&line).map_err(|_| Failure::usage("this is no bundle: its first line is another"))?;
    if head.countersign_bundle != 1 {
        return Err(Failure::usage(format_args!("this bundle is of version {}", head.countersign_bundle))
            .hint("a newer countersign reads it"));
    }
    if head.ledger != *ledger {
        return Err(Failure::usage(format_args!("this bundle is of ledger {}, expected {ledger}", head.ledger)));
    }
    let mut reading =
        Reading { case, only, entries: BTreeSet::new(), found: BTreeMap::new(), order: Vec::new(), last: None };
    while next(&mut lines, &mut line)? {
        reading.take(&line)?;
    }
    let Reading { found, order, .. } = reading;
    order.into_iter().map(|subject| History::of(case.clone(), subject.clone(), &found[&subject], author)).collect()
}

fn next(lines: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, Failure> {
    line.clear();
    let read = lines.take(MAX_LINE + 1).read_until(b'\n', line);
    read.map_err(|e| Failure::usage(format_args!("cannot read the bundle: {}", crate::failure::plain_io(&e))))?;
    if line.len() as u64 > MAX_LINE {
        return Err(Failure::usage(format_args!("a line of the bundle is longer than {MAX_LINE} bytes")));
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(!line.is_empty())
}

struct Reading<'a> {
    case: &'a CaseId,
    only: Option<&'a Subject>,
    /// The entries of the case's own stream.
    entries: BTreeSet<u64>,
    found: BTreeMap<Subject, Vec<Found>>,
    order: Vec<Subject>,
    /// The subject of the entry before, if it was taken: disclosures follow it.
    last: Option<Subject>,
}

impl Reading<'_> {
    fn take(&mut self, line: &[u8]) -> Result<(), Failure> {
        if line.starts_with(b"{\"disclosure\":") {
            if let Some(found) =
                self.last.as_ref().and_then(|subject| self.found.get_mut(subject)).and_then(|all| all.last_mut())
            {
                let read: DisclosureLine = serde_json::from_slice(line).map_err(|e| damaged(&e))?;
                found.disclosures.push(read.disclosure);
            }
            return Ok(());
        }
        self.last = None;
        // Entries of the case, and those without one before them, among which are the beginnings of cases.
        let of_case = match case_pointer(line) {
            Some(Some(seq)) => self.entries.contains(&seq),
            Some(None) => self.entries.is_empty(),
            None => false,
        };
        if !of_case {
            return Ok(());
        }
        let entry = Entry::parse(line).map_err(|e| damaged(&e))?;
        let event = Event::of_envelope(&entry.envelope).map_err(|e| damaged(&e))?;
        if event.case.as_ref() != Some(self.case) {
            return Ok(());
        }
        if event.subject.ty() == "case" {
            self.entries.insert(entry.seq.0);
        } else if event.subject.ty() == "consignment" && self.only.is_none_or(|only| *only == event.subject) {
            let subject = event.subject.clone();
            if !self.found.contains_key(&subject) {
                self.order.push(subject.clone());
            }
            let found = Found { hash: entry.envelope.event_hash(), event, disclosures: Vec::new() };
            self.found.entry(subject.clone()).or_default().push(found);
            self.last = Some(subject);
        }
        Ok(())
    }
}

/// Reads the `case` pointer of an entry's line, which is canonical, without reading the rest.
fn case_pointer(line: &[u8]) -> Option<Option<u64>> {
    let head = line.get(..line.len().min(320))?;
    let at = head.windows(8).position(|window| window == b",\"case\":")? + 8;
    let end = head[at..].iter().position(|b| *b == b',')? + at;
    match std::str::from_utf8(&head[at..end]).ok()? {
        "null" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

fn damaged(why: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format_args!("the bundle is damaged: {why}")).hint("countersign-verify names the entry")
}

#[cfg(test)]
mod tests {
    use super::case_pointer;

    #[test]
    fn case_pointers_are_read_from_the_line() {
        let line = |case: &str| {
            format!(
                "{{\"seq\":12,\"time\":\"2026-09-21T14:13:20.000Z\",\"prev\":\"{}\",\"governance\":3,\"case\":{case},\"stream\":null,\"envelope\":{{}}}}",
                "a".repeat(64)
            )
        };
        assert_eq!(case_pointer(line("7").as_bytes()), Some(Some(7)));
        assert_eq!(case_pointer(line("null").as_bytes()), Some(None));
        assert_eq!(case_pointer(b"{\"withheld\":{}}"), None);
    }
}
