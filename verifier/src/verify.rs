//! Verifying a bundle: reading, preparing on all cores and folding, each ahead of the next.

use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::fold::{Fold, Given, Observer, Probed};
use crate::header::{Header, HeaderError};
use crate::keyring::Keyring;
use crate::lines::{Batch, LineReader};
use crate::prepare::{Prepared, prepare};
use crate::report::Report;
use crate::source::is_damage;

/// How many batches may wait between two stages.
const AHEAD: usize = 1;

/// Verifies a bundle in one pass (SPEC §13). An observer sees every entry that is an event.
///
/// Input that cannot be read on is part of the report.
pub fn verify_bundle(
    source: impl BufRead + Send,
    given: &Given,
    mut observer: Option<&mut (dyn Observer + '_)>,
) -> (Report, Probed) {
    let mut reader = LineReader::new(source);
    let (mut fold, unreadable) = first_line(&mut reader, given);
    if fold.is_none() || unreadable.is_some() {
        let fold = fold.unwrap_or_else(|| Fold::new(given, None));
        return finish(fold, unreadable);
    }
    if let (Some(observer), Some(header)) = (observer.as_deref_mut(), fold.as_ref().and_then(Fold::header)) {
        observer.header(header);
    }
    let mut unreadable = None;
    thread::scope(|scope| {
        let (raw, raw_batches) = sync_channel(AHEAD);
        let (done, prepared) = sync_channel(AHEAD);
        let keep_strings = observer.is_some();
        scope.spawn(move || read_all(reader, &raw));
        scope.spawn(move || prepare_all(&raw_batches, &done, keep_strings));
        for batch in prepared {
            let Some(fold) = &mut fold else { break };
            match batch {
                Ok(items) => {
                    for item in items {
                        fold.step(item, observer.as_deref_mut());
                    }
                }
                Err((line, error)) => unreadable = note_unreadable(fold, line, &error),
            }
        }
    });
    finish(fold.unwrap_or_else(|| Fold::new(given, None)), unreadable)
}

fn finish(fold: Fold<'_>, unreadable: Option<String>) -> (Report, Probed) {
    let (mut report, probed) = fold.finish();
    report.unreadable = unreadable;
    (report, probed)
}

fn note_unreadable(fold: &mut Fold<'_>, line: u64, error: &io::Error) -> Option<String> {
    if is_damage(error) {
        fold.damaged(line, &error.to_string());
        None
    } else {
        Some(format!("line {line}: {error}"))
    }
}

/// Reads the header; the fold is `None` where there is nothing to go on with.
fn first_line<'g, R: BufRead>(reader: &mut LineReader<R>, given: &'g Given) -> (Option<Fold<'g>>, Option<String>) {
    let mut buffer = Vec::new();
    let line = match reader.line(&mut buffer) {
        Ok(line) => line,
        Err(error) => {
            let mut fold = Fold::new(given, None);
            let unreadable = note_unreadable(&mut fold, 1, &error);
            return (Some(fold), unreadable.or(Some(error.to_string())));
        }
    };
    let malformed = |expected: &str, found: &str| {
        let mut fold = Fold::new(given, None);
        fold.header_fault(&crate::fields::Malformed::new("header", expected, found));
        (Some(fold), None)
    };
    let Some(line) = line else {
        return malformed("the first line of a bundle", "an empty file");
    };
    if line.overlong.is_some() {
        return malformed("a line of at most 1 MiB", "a longer one");
    }
    if !line.ended {
        return malformed("LF at the end of the first line", "the end of the file");
    }
    match Header::parse(line.bytes(&buffer)) {
        Ok(header) => (Some(Fold::new(given, Some(header))), None),
        Err(HeaderError::Malformed(fault)) => {
            let mut fold = Fold::new(given, None);
            fold.header_fault(&fault);
            (Some(fold), None)
        }
        Err(HeaderError::Newer(version)) => {
            let mut fold = Fold::new(given, None);
            fold.header_newer(version);
            let why = "a newer version of this program is needed".to_owned();
            (Some(fold), Some(why))
        }
    }
}

type Failed = (u64, io::Error);

fn read_all<R: BufRead>(mut reader: LineReader<R>, out: &SyncSender<Result<Batch, Failed>>) {
    loop {
        let (batch, last) = match reader.batch() {
            Ok(Some(batch)) => (Ok(batch), false),
            Ok(None) => return,
            Err(error) => (Err((reader.next_number(), error)), true),
        };
        // nobody listens any more: there is nothing left to do either
        if out.send(batch).is_err() || last {
            return;
        }
    }
}

fn prepare_all(
    batches: &Receiver<Result<Batch, Failed>>,
    out: &SyncSender<Result<Vec<Prepared>, Failed>>,
    keep_strings: bool,
) {
    let mut ring = Keyring::default();
    for batch in batches {
        let prepared = batch.map(|batch| prepare(&batch, &mut ring, keep_strings));
        if out.send(prepared).is_err() {
            return;
        }
    }
}
