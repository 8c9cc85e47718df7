//! `/v1/stream`: who listens gets every entry once, may come back, and does not keep the server from stopping.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use countersign_ledger::store::memory::MemoryStore;
use serde_json::Value;

use super::{Ended, Limits, Served, dispatch, read_answer, request};

/// A client that listens, line by line; chunk sizes are seen past.
struct Listening {
    lines: BufReader<TcpStream>,
}

impl Listening {
    fn to(served: &Served, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = served.connect();
        stream.write_all(&request("GET", path, headers, Some(0))).unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        Self { lines }
    }

    /// The next line that is part of an event.
    fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            let line = line.trim_end();
            if ["id: ", "event: ", "data: ", "retry: "].iter().any(|name| line.starts_with(name)) || line == ":" {
                return Some(line.to_owned());
            }
        }
    }

    /// The next entry: its id and data.
    fn entry(&mut self) -> (u64, Value) {
        let mut id = None;
        loop {
            let line = self.line().expect("an entry");
            if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.parse().unwrap());
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (id.unwrap(), serde_json::from_str(data).unwrap());
            }
        }
    }
}

#[test]
fn new_entries_are_told_and_a_break_is_made_good() {
    let served = Served::new();
    let mut old = Listening::to(&served, "/v1/stream?from=3", &[]);
    assert_eq!(old.line().unwrap(), "retry: 2000");
    let (id, view) = old.entry();
    assert_eq!((id, &view), (3, &served.get("/v1/entries/3").json()));
    assert_eq!(old.entry().0, 4);
    let mut new = Listening::to(&served, "/v1/stream", &[]);
    assert_eq!(new.line().unwrap(), "retry: 2000");
    for seq in 5..45 {
        served.world.say(dispatch(&format!("consignment/{seq}")), &["us-dsca/0"]).unwrap();
    }
    for seq in 5..45 {
        assert_eq!((old.entry().0, new.entry().0), (seq, seq));
    }
    drop((old, new));
    let mut again = Listening::to(&served, "/v1/stream?from=3", &[("last-event-id", "40")]);
    assert_eq!((again.entry().0, again.entry().0), (41, 42));
    let mut ahead = Listening::to(&served, "/v1/stream?from=46", &[]);
    for seq in 45..48 {
        served.world.say(dispatch(&format!("consignment/{seq}")), &["us-dsca/0"]).unwrap();
    }
    assert_eq!(ahead.entry().0, 46);
    for bad in ["from=x", "from=-1", "case=A", "kind=x", "other=1"] {
        served.get(&format!("/v1/stream?{bad}")).problem(400, "bad_parameter");
    }
    served.ask("GET", "/v1/stream", &[("last-event-id", "x")], b"").problem(400, "bad_parameter");
}

#[test]
fn filters_leave_out_and_still_tell_how_far() {
    let served = Served::new();
    served.world.say(dispatch("consignment/a"), &["us-dsca/0"]).unwrap();
    let mut kinds = Listening::to(&served, "/v1/stream?from=0&kind=case.opened", &[]);
    assert_eq!(kinds.line().unwrap(), "retry: 2000");
    assert_eq!(kinds.entry().0, 4);
    assert_eq!(kinds.line().unwrap(), "id: 5", "nothing is told of it, but it need not be looked at again");
    let mut cases = Listening::to(&served, "/v1/stream?from=0&case=us-dsca.x1", &[]);
    assert_eq!((cases.entry().0, cases.entry().0), (4, 5));
}

#[test]
fn listeners_are_bounded_kept_awake_and_do_not_block_the_end() {
    let limits = Limits { listeners: 1, heartbeat: Duration::from_millis(20), ..Limits::default() };
    let mut served = Served::with(limits, Arc::new(MemoryStore::new()));
    let mut listening = Listening::to(&served, "/v1/stream", &[]);
    assert_eq!(listening.line().unwrap(), "retry: 2000");
    assert_eq!(listening.line().unwrap(), ":");
    let mut second = served.connect();
    second.write_all(&request("GET", "/v1/stream", &[], Some(0))).unwrap();
    read_answer(&mut second, false).problem(503, "busy");
    served.stop();
    // the answer ends as a whole one does, and the server with it: far within the grace that batches have
    let mut rest = String::new();
    listening.lines.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "{rest:?}");
    assert_eq!(served.ended(), Ended::Stopped);
}
