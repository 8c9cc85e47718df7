//! Cutting a batch into lines.

use axum::body::Bytes;
use tokio::sync::mpsc::UnboundedSender;

use crate::problem::{Code, Problem};
use crate::server::{Incoming, too_large};
use crate::wire::{MAX_BATCH_LINES, MAX_REQUEST};

/// A line that is not empty, without its newline; or why it, and what follows it, cannot be read.
pub(super) struct Line {
    /// From 1, empty lines counted.
    pub(super) number: u64,
    /// Its bytes.
    pub(super) content: Result<Bytes, Problem>,
}

impl Line {
    /// Returns the line's length in bytes.
    pub(super) fn len(&self) -> usize {
        self.content.as_ref().map_or(0, Bytes::len)
    }
}

/// Cuts a body into lines as it arrives. A newline ends a line, with or without a carriage return before it; the last
/// line needs none. A line that breaks off is never passed on as if it were whole.
pub(super) async fn cut(mut incoming: Incoming, lines: UnboundedSender<Line>) {
    let mut cutter = Cutter { lines, number: 1, given: 0, start: Vec::new(), overlong: false };
    let fault = loop {
        match incoming.next().await {
            Ok(Some(piece)) => {
                if let Err(problem) = cutter.piece(&piece) {
                    break problem;
                }
            }
            Ok(None) => match cutter.end() {
                Ok(()) => return,
                Err(problem) => break problem,
            },
            Err(problem) => break problem,
        }
    };
    let stopped = cutter.lines.is_closed();
    let _ = cutter.lines.send(Line { number: cutter.number, content: Err(fault) });
    // the results so far are to be told even to a client that reads nothing until it has sent everything
    drop(cutter);
    if !stopped {
        incoming.drain().await;
    }
}

struct Cutter {
    lines: UnboundedSender<Line>,
    number: u64,
    given: u64,
    /// The beginning of a line whose end has not come yet.
    start: Vec<u8>,
    /// Whether that line is over the limit already; the rest of it is dropped.
    overlong: bool,
}

impl Cutter {
    fn piece(&mut self, piece: &Bytes) -> Result<(), Problem> {
        let mut at = 0;
        while let Some(length) = piece[at..].iter().position(|b| *b == b'\n') {
            self.line(piece.slice(at..at + length))?;
            at += length + 1;
        }
        self.keep(&piece[at..]);
        Ok(())
    }

    /// Keeps the beginning of a line.
    fn keep(&mut self, bytes: &[u8]) {
        if self.overlong || self.start.len() + bytes.len() > MAX_REQUEST + 1 {
            self.overlong = true;
            self.start = Vec::new();
        } else {
            self.start.extend_from_slice(bytes);
        }
    }

    /// Passes on a line, of which `rest` is the end.
    fn line(&mut self, rest: Bytes) -> Result<(), Problem> {
        let mut line = rest;
        if self.overlong || !self.start.is_empty() {
            self.keep(&line);
            line = Bytes::from(std::mem::take(&mut self.start));
        }
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        let overlong = std::mem::take(&mut self.overlong) || line.len() > MAX_REQUEST;
        if !line.is_empty() || overlong {
            self.given += 1;
            if self.given > MAX_BATCH_LINES {
                let detail = format!(
                    "limit batch lines {MAX_BATCH_LINES}: found more; this line and those after it were not read"
                );
                return Err(Problem::new(Code::TooLarge, detail));
            }
            let content =
                if overlong { Err(too_large(MAX_REQUEST as u64, "a longer line".to_owned())) } else { Ok(line) };
            if self.lines.send(Line { number: self.number, content }).is_err() {
                return Err(Problem::new(Code::Stopped, "nobody reads the results"));
            }
        }
        self.number += 1;
        Ok(())
    }

    /// Passes on a last line that no newline ends.
    fn end(&mut self) -> Result<(), Problem> {
        if self.start.is_empty() && !self.overlong { Ok(()) } else { self.line(Bytes::new()) }
    }
}
