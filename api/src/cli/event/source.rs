//! What a draft takes from a file instead of a server: the ledger id and the head of a stream.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use countersign_ledger::entry::Entry;
use countersign_ledger::event::Event;
use countersign_ledger::hash::{EventHash, LedgerId};
use countersign_ledger::id::StreamId;
use countersign_ledger::proof::{MAX_RECEIPT_BYTES, Receipt};
use serde_json::Value;

use crate::failure::Failure;

/// The largest window of a compressed bundle: 8 MiB (SPEC §11).
const WINDOW_LOG: u32 = 23;
/// The longest line of a bundle (SPEC §12).
const MAX_LINE: u64 = 1 << 20;

/// What a file tells of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The ledger of the file.
    pub(super) ledger: LedgerId,
    /// The latest event of the stream in it.
    pub(super) head: Option<EventHash>,
}

/// Reads a receipt or a bundle, compressed or not. Nothing in it is verified.
pub(super) fn read(path: &Path, stream: &StreamId) -> Result<Source, Failure> {
    let failed = |e: std::io::Error| Failure::file(path, "read", &e);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut reader = BufReader::new(file);
    let compressed = reader.fill_buf().map_err(failed)?.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let mut reader: Box<dyn BufRead> = if compressed {
        let mut decoder = zstd::Decoder::with_buffer(reader).map_err(failed)?;
        decoder.window_log_max(WINDOW_LOG).map_err(failed)?;
        Box::new(BufReader::new(decoder))
    } else {
        Box::new(reader)
    };
    let mut first = Vec::new();
    let limit = u64::try_from(MAX_RECEIPT_BYTES).unwrap_or(MAX_LINE).max(MAX_LINE);
    (&mut reader).take(limit).read_until(b'\n', &mut first).map_err(failed)?;
    let other = || {
        Failure::usage(format_args!("{} is neither a receipt nor a bundle", path.display()))
            .hint("`countersign export` makes a bundle, `countersign event submit` a receipt")
    };
    if let Ok(receipt) = Receipt::from_json(first.trim_ascii()) {
        return from_receipt(&receipt, stream).ok_or_else(other);
    }
    let header: Value = serde_json::from_slice(&first).map_err(|_| other())?;
    let ledger = header.get("ledger").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let is_bundle = header.get("countersign_bundle").is_some();
    let ledger = ledger.filter(|_| is_bundle).ok_or_else(other)?;
    Ok(Source { ledger, head: from_bundle(reader, path, stream)? })
}

fn from_receipt(receipt: &Receipt, stream: &StreamId) -> Option<Source> {
    let entry = Entry::parse(receipt.entry().as_bytes()).ok()?;
    let event = Event::of_envelope(&entry.envelope).ok()?;
    let hash = entry.envelope.event_hash();
    let ledger = event.ledger.unwrap_or_else(|| LedgerId::from(hash));
    Some(Source { ledger, head: (event.stream() == *stream).then_some(hash) })
}

fn from_bundle(mut reader: Box<dyn BufRead>, path: &Path, stream: &StreamId) -> Result<Option<EventHash>, Failure> {
    let mut head = None;
    let mut line = Vec::new();
    for number in 2u64.. {
        line.clear();
        let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line);
        if read.map_err(|e| Failure::file(path, "read", &e))? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if !text.starts_with(b"{\"seq\":") {
            continue;
        }
        let damaged = |reason: String| {
            Failure::usage(format_args!("line {number} of {}: {reason}", path.display()))
                .hint("`countersign-verify bundle` tells what is wrong with it")
        };
        let entry = Entry::parse(text).map_err(|e| damaged(e.to_string()))?;
        let event = Event::of_envelope(&entry.envelope).map_err(|e| damaged(e.to_string()))?;
        if event.stream() == *stream {
            head = Some(entry.envelope.event_hash());
        }
    }
    Ok(head)
}
