//! Evidence files: fetched when entries name them, kept when they hash as named.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use countersign_ledger::entry::Entry;
use countersign_ledger::event::Event;
use countersign_ledger::hash::FileHash;
use countersign_ledger::id::Seq;

use crate::client::Source;
use crate::server::{App, EvidenceFolder};

/// How many entries are looked through at once, and about how many bytes.
const ENTRIES: usize = 512;
const BYTES: usize = 1 << 20;
/// How many files that the source did not have are remembered.
const MAX_MISSING: usize = 10_000;
/// How many of those are asked for again each time.
const AGAIN: usize = 64;

/// Fetches the files that entries name.
pub(super) struct Files {
    app: App,
    /// The first entry that was not looked at.
    next: Seq,
    /// Files that the source did not have, with their sizes.
    missing: BTreeMap<FileHash, u64>,
}

impl Files {
    pub(super) fn new(app: App) -> Self {
        Self { app, next: Seq(0), missing: BTreeMap::new() }
    }

    /// Fetches what is named up to the head, and some of what was missing. What fails is tried again the next time.
    pub(super) fn fetch(&mut self, source: &Source) {
        let Some(folder) = self.app.evidence.get().cloned() else { return };
        let again: Vec<_> = self.missing.iter().map(|(file, size)| (*file, *size)).take(AGAIN).collect();
        for (file, size) in again {
            if fetch(source, &folder, &file, size) {
                self.missing.remove(&file);
            }
        }
        while self.next.0 < self.app.ledger.head().size.0 {
            let Ok(lines) = self.app.ledger.store().lines(self.next, ENTRIES, BYTES) else { return };
            for line in lines {
                let event = Entry::parse(&line).ok().and_then(|entry| Event::of_envelope(&entry.envelope).ok());
                for evidence in event.into_iter().flat_map(|event| event.evidence) {
                    let got = fetch(source, &folder, &evidence.sha256, evidence.size);
                    if !got && self.missing.len() < MAX_MISSING {
                        self.missing.insert(evidence.sha256, evidence.size);
                    }
                }
                self.next.0 += 1;
            }
        }
    }
}

/// Fetches one file, unless it is here. Tells whether it is here then.
fn fetch(source: &Source, folder: &Arc<EvidenceFolder>, file: &FileHash, size: u64) -> bool {
    if folder.find(file).is_ok_and(|found| found.is_some()) {
        return true;
    }
    match source.evidence(file) {
        Ok(Some(reader)) => match take(reader, folder, file, size) {
            Ok(()) => true,
            Err(why) => {
                tracing::warn!(%file, why, "an evidence file was not kept");
                false
            }
        },
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(%file, %error, "an evidence file was not fetched");
            false
        }
    }
}

fn take(reader: impl Read, folder: &EvidenceFolder, file: &FileHash, size: u64) -> Result<(), String> {
    if size > folder.max {
        return Err(format!("{size} bytes are more than this mirror takes"));
    }
    let wrong = |e: &dyn std::fmt::Debug| format!("{e:?}");
    let mut upload = folder.begin(size).map_err(|e| wrong(&e))?;
    let (mut reader, mut buffer) = (reader.take(size + 1), vec![0; 256 << 10]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => upload.write(&buffer[..read]).map_err(|e| wrong(&e))?,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(format!("it broke off: {e}")),
        }
    }
    folder.keep(upload, file, &[size], true).map_err(|e| wrong(&e))
}
