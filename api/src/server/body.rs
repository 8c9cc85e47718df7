//! Reading a request's body: never more than its limit, never slower than allowed.

use std::time::Instant;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::limits::Limits;
use crate::problem::{Code, Problem};

/// After a body that is too long, this much more of it is read and dropped, so that a client which sends everything
/// before it reads gets to read the answer.
const DRAIN: u64 = 8 << 20;

/// A body on its way in, piece by piece.
pub(crate) struct Incoming {
    stream: BodyDataStream,
    started: Instant,
    received: u64,
    max: u64,
    limits: Limits,
}

impl Incoming {
    /// Begins to read a body of at most `max` bytes.
    pub(crate) fn new(body: Body, max: usize, limits: &Limits) -> Self {
        let stream = body.into_data_stream();
        Self { stream, started: Instant::now(), received: 0, max: max as u64, limits: limits.clone() }
    }

    /// Returns the next piece, `None` at the end.
    ///
    /// # Errors
    /// When the body is longer than allowed, arrives too slowly, or breaks off.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let allowed = self.limits.body.as_secs() + self.received / self.limits.bytes_per_second.max(1);
        let allowed = std::time::Duration::from_secs(allowed).max(self.limits.body);
        let left = allowed.saturating_sub(self.started.elapsed()).min(self.limits.pause);
        let piece = match timeout(left, self.stream.next()).await {
            Err(_) => return Err(self.too_slow()),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => {
                let detail = format!("the request's body broke off after {} bytes: {error}", self.received);
                return Err(Problem::new(Code::BadRequest, detail));
            }
            Ok(Some(Ok(piece))) => piece,
        };
        self.received += piece.len() as u64;
        if self.received > self.max {
            return Err(too_large(self.max, format!("more than {} bytes", self.max)));
        }
        Ok(Some(piece))
    }

    fn too_slow(&self) -> Problem {
        let detail =
            format!("the request's body came too slowly: {} bytes in {:?}", self.received, self.started.elapsed());
        Problem::new(Code::Timeout, detail)
    }

    /// Reads on for a while and drops what it reads.
    pub(crate) async fn drain(mut self) {
        let (mut dropped, until) = (0, self.limits.pause.min(std::time::Duration::from_secs(10)));
        let drain = async {
            while let Some(Ok(piece)) = self.stream.next().await {
                dropped += piece.len() as u64;
                if dropped > DRAIN {
                    break;
                }
            }
        };
        // Whether all of it came does not matter: the answer is sent either way.
        let _ = timeout(until, drain).await;
    }
}

/// Reads a whole body.
///
/// # Errors
/// When it is longer than `max`, arrives too slowly, or breaks off.
pub(crate) async fn read_all(headers: &HeaderMap, body: Body, max: usize, limits: &Limits) -> Result<Vec<u8>, Problem> {
    let declared = declared_length(headers);
    let mut incoming = Incoming::new(body, max, limits);
    if let Some(length) = declared.filter(|length| *length > max as u64) {
        incoming.drain().await;
        return Err(too_large(max as u64, format!("{length} bytes")));
    }
    // what is declared is believed up to what most bodies have
    let mut bytes =
        Vec::with_capacity(declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(0).min(64 << 10));
    loop {
        match incoming.next().await {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => return Ok(bytes),
            Err(problem) => {
                if problem.code == Code::TooLarge.as_str() {
                    incoming.drain().await;
                }
                return Err(problem);
            }
        }
    }
}

/// Returns the length that a request declares.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Makes the problem of a body that is too long.
pub(crate) fn too_large(max: u64, found: String) -> Problem {
    let mut problem = Problem::new(Code::TooLarge, format!("limit request {max}: found {found}"));
    problem.expected = Some(format!("at most {max} bytes"));
    problem.found = Some(found);
    problem
}
