//! Streams of entry lines, read a piece at a time, as fast as the client takes them.

use axum::body::{Body, Bytes};
use countersign_ledger::id::Seq;
use countersign_ledger::store::StoreError;
use futures_util::stream;

use crate::problem::{Code, Problem};
use crate::server::{App, read};

/// About how many bytes are read at once.
const PIECE: usize = 256 << 10;

/// What stands between lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A newline after each.
    Newline,
    /// The length before each, as a big-endian `u16` (C2SP tlog-tiles).
    Length,
}

struct Rest {
    app: App,
    next: u64,
    end: u64,
    framing: Framing,
}

/// Streams `count` lines from `from`. All of them must be durable. Should the store fail on the way, the answer breaks
/// off, which HTTP shows to the client.
pub(crate) fn stream(app: App, from: Seq, count: u64, framing: Framing) -> Body {
    let rest = Rest { app, next: from.0, end: from.0.saturating_add(count), framing };
    Body::from_stream(stream::try_unfold(rest, |rest| async move {
        if rest.next >= rest.end {
            return Ok(None);
        }
        let piece = read(move || rest.piece()).await.and_then(|piece| piece.map_err(|e| super::store_problem(&e)));
        piece.map(Some).inspect_err(|problem| tracing::error!(detail = problem.detail, "an answer broke off"))
    }))
}

impl Rest {
    /// Reads the next lines and frames them.
    fn piece(mut self) -> Result<(Bytes, Self), StoreError> {
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        let lines = self.app.ledger.store().lines(Seq(self.next), left, PIECE)?;
        if lines.is_empty() {
            let reason = format!("expected entries up to {}, found none", self.end);
            return Err(StoreError::Corrupt { place: format!("entry {}", self.next), reason });
        }
        let mut bytes = Vec::with_capacity(lines.iter().map(|line| line.len() + 2).sum());
        for line in &lines {
            if self.framing == Framing::Length {
                let length = u16::try_from(line.len()).map_err(|_| StoreError::Corrupt {
                    place: format!("entry {}", self.next),
                    reason: format!("expected at most {} bytes, found {}", u16::MAX, line.len()),
                })?;
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            bytes.extend_from_slice(line);
            if self.framing == Framing::Newline {
                bytes.push(b'\n');
            }
            self.next += 1;
        }
        Ok((Bytes::from(bytes), self))
    }
}

/// Reads one line.
///
/// # Errors
/// When the store fails, or the entry is not there although it must be.
pub(crate) fn one(app: &App, seq: Seq) -> Result<Vec<u8>, Problem> {
    let lines = app.ledger.store().lines(seq, 1, PIECE).map_err(|e| super::store_problem(&e))?;
    lines.into_iter().next().ok_or_else(|| Problem::new(Code::Internal, format!("entry {seq} is not in the store")))
}
