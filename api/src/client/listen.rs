//! Listening to new entries: server-sent events, taken up again after every break.

use std::io::{BufRead, BufReader, Read};

use countersign_ledger::id::{CaseId, Kind};

use super::Client;
use super::error::ClientError;
use super::transport::{Patience, Waiter, answer_error};
use crate::wire::EntryView;

/// The longest line of a stream: an entry's view with its disclosures.
const MAX_LINE: u64 = 4 << 20;

/// Which entries to listen to.
#[derive(Debug, Clone, Default)]
pub struct Listen {
    /// The first sequence number; unless given, what is new from now on.
    pub from: Option<u64>,
    /// Only events of this case.
    pub case: Option<CaseId>,
    /// Only events of this kind.
    pub kind: Option<Kind>,
}

impl Listen {
    fn path(&self) -> String {
        let mut path = "/v1/stream".to_owned();
        let mut separator = '?';
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                path.push_str(&format!("{separator}{name}={value}"));
                separator = '&';
            }
        };
        add("from", self.from.map(|from| from.to_string()));
        add("case", self.case.as_ref().map(ToString::to_string));
        add("kind", self.kind.as_ref().map(ToString::to_string));
        path
    }
}

/// What an event of the stream says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    id: Option<u64>,
    data: String,
}

impl Client {
    /// Listens to entries and tells `each` of them once, in order, until it says `false`. What they say is the server's
    /// word. A broken connection is taken up again where it broke.
    ///
    /// # Errors
    /// When the server refuses, stays away for minutes, or sends what is no entry.
    pub fn listen<E: From<ClientError>>(
        &self,
        mut listen: Listen,
        mut each: impl FnMut(EntryView) -> Result<bool, E>,
    ) -> Result<(), E> {
        let transport = &self.0.transport;
        if listen.from.is_none() {
            // where to go on after a break must be known from the start
            listen.from = Some(self.checkpoint()?.checkpoint().size.0);
        }
        let mut waiter = Waiter::new(Patience::LONG);
        loop {
            let path = listen.path();
            let stream = match transport.stream(&path) {
                Ok((_, reader)) => Some(reader),
                // the server may come back
                Err(ClientError::Unreachable { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            let mut lines = stream.map(BufReader::new);
            while let Some(Ok(Some(told))) = lines.as_mut().map(next) {
                waiter.reset();
                if !told.data.is_empty() {
                    let view = serde_json::from_str(&told.data).map_err(|e| answer_error("GET", &path, &e))?;
                    if !each(view)? {
                        return Ok(());
                    }
                }
                listen.from = told.id.map(|id| id + 1).or(listen.from);
            }
            let broken = ClientError::Unreachable {
                server: transport.server().to_owned(),
                reason: "the stream of entries broke off".to_owned(),
            };
            let Some(pause) = waiter.next_pause(None) else { return Err(broken.into()) };
            transport.wait(pause, &broken);
        }
    }
}

/// Reads up to the next empty line; `None` at the end (HTML, “Server-sent events”, 9.2.6).
fn next(lines: &mut impl BufRead) -> std::io::Result<Option<Told>> {
    let mut told = Told::default();
    loop {
        let mut line = Vec::new();
        let read = lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        // a line without its end was cut off, and its event with it
        if line.pop() != Some(b'\n') || read == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches('\r');
        if line.is_empty() {
            return Ok(Some(told));
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => told.id = value.parse().ok(),
            "data" => told.data.push_str(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn events_are_read_and_what_is_cut_off_is_left() {
        let mut text: &[u8] = b"retry: 2000\n\n:\n\nid: 4\r\nevent: entry\r\ndata: {}\r\n\r\nid: 9\n\nid: 5\ndata: {";
        let mut told = Vec::new();
        while let Some(one) = next(&mut text).unwrap() {
            told.push((one.id, one.data));
        }
        let empty = String::new();
        assert_eq!(told, [(None, empty.clone()), (None, empty.clone()), (Some(4), "{}".to_owned()), (Some(9), empty)]);
    }

    #[test]
    fn the_path_says_what_is_asked() {
        assert_eq!(Listen::default().path(), "/v1/stream");
        let listen = Listen { from: Some(3), case: Some("a.b".parse().unwrap()), kind: None };
        assert_eq!(listen.path(), "/v1/stream?from=3&case=a.b");
    }
}
