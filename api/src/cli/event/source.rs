//! What a draft takes from a file instead of a server: the ledger id and the head of a stream.

use std::path::Path;

use countersign_ledger::bundle::MAX_LINE;
use countersign_ledger::entry::Entry;
use countersign_ledger::event::{Event, Occurred};
use countersign_ledger::hash::{EventHash, LedgerId};
use countersign_ledger::id::StreamId;
use countersign_ledger::proof::{MAX_RECEIPT_BYTES, Receipt};

use crate::case_file::{CaseFile, Cases, first_line};
use crate::failure::Failure;
use crate::output::Output;

/// What a file tells of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The ledger of the file.
    pub(super) ledger: LedgerId,
    /// The latest event of the stream in it.
    pub(super) head: Option<EventHash>,
}

/// Reads a receipt or a bundle, compressed or not. Nothing in it is verified.
pub(super) fn read(path: &Path, stream: &StreamId, occurred: &Occurred, out: &Output) -> Result<Source, Failure> {
    let first = first_line(path, MAX_RECEIPT_BYTES.max(MAX_LINE)).map_err(|e| Failure::file(path, "read", &e))?;
    let other = || {
        Failure::usage(format_args!("{} is neither a receipt nor a bundle", path.display()))
            .hint("`countersign export` makes a bundle, `countersign event submit` a receipt")
    };
    if let Ok(receipt) = Receipt::from_json(first.trim_ascii()) {
        return from_receipt(&receipt, stream).ok_or_else(other);
    }
    if !first.starts_with(b"{\"countersign_bundle\"") {
        return Err(other());
    }
    let cases = stream.case.as_ref().map_or_else(|| Cases::Only([].into()), Cases::one);
    let file = CaseFile::open(path, None, &cases, |event| event.stream() == *stream)?;
    file.check_clock(occurred, out)?;
    Ok(Source { ledger: file.ledger, head: file.events.last().map(|found| found.hash) })
}

fn from_receipt(receipt: &Receipt, stream: &StreamId) -> Option<Source> {
    let entry = Entry::parse(receipt.entry().as_bytes()).ok()?;
    let event = Event::of_envelope(&entry.envelope).ok()?;
    let hash = entry.envelope.event_hash();
    let ledger = event.ledger.unwrap_or_else(|| LedgerId::from(hash));
    Some(Source { ledger, head: (event.stream() == *stream).then_some(hash) })
}
