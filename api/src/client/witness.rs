//! Asking a witness what it has seen of a log (C2SP tlog-witness `add-checkpoint`).
//!
//! A witness has no call that only asks. A request that says that it holds the very checkpoint is answered with 200 where
//! it does, and else with 409 and the size that it holds, and changes nothing; one from that size on, with a consistency
//! proof, tells whether it holds the same history. A witness that held less cosigns the checkpoint by the way, which is
//! what it is for; one that held nothing is left as it is.

use std::time::Duration;

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::NodeHash;
use countersign_ledger::id::TreeSize;
use countersign_ledger::note::Vkey;
use countersign_ledger::witness::{AddCheckpoint, SIZE_MEDIA_TYPE};
use ureq::Agent;
use ureq::http::header;

/// The longest answer that is read.
const MAX_ANSWER: u64 = 64 << 10;

/// What a witness has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A prefix of the checkpoint, or the checkpoint itself; nothing of the log at all where the size is 0.
    UpTo(TreeSize),
    /// More than the checkpoint covers.
    Beyond(TreeSize),
    /// So many entries, and they are not those of the checkpoint.
    Otherwise(TreeSize),
}

/// Asks a witness what it has seen of the log of a checkpoint. `prove` makes the consistency proof from a size to it.
/// That it agrees counts only with its cosignature, where its key is known: anybody on the way can say 200.
///
/// # Errors
/// When the witness does not answer, does not know the log, or does not answer as C2SP tlog-witness says.
pub fn seen(
    url: &str,
    key: Option<&Vkey>,
    checkpoint: &SignedCheckpoint,
    patience: Duration,
    prove: impl Fn(TreeSize) -> Result<Vec<NodeHash>, String>,
) -> Result<Seen, String> {
    let size = checkpoint.checkpoint().size;
    let held = match ask(url, size, Vec::new(), checkpoint, patience)? {
        (200, _, body) => return agrees(key, checkpoint, &body).map(|()| Seen::UpTo(size)),
        (409, Some(held), _) if held > size => return Ok(Seen::Beyond(held)),
        (409, Some(held), _) if held == size => return Ok(Seen::Otherwise(held)),
        (409, Some(TreeSize(0)), _) => return Ok(Seen::UpTo(TreeSize(0))),
        (409, Some(held), _) => held,
        (status, ..) => return Err(refused(status)),
    };
    match ask(url, held, prove(held)?, checkpoint, patience)? {
        (200, _, body) => agrees(key, checkpoint, &body).map(|()| Seen::UpTo(held)),
        // It has moved on meanwhile, which somebody else must have made it.
        (409, Some(now), _) if now > size => Ok(Seen::Beyond(now)),
        (409 | 422, ..) => Ok(Seen::Otherwise(held)),
        (status, ..) => Err(refused(status)),
    }
}

/// Checks that an answer is a witness's cosignature of the checkpoint.
fn agrees(key: Option<&Vkey>, checkpoint: &SignedCheckpoint, answer: &[u8]) -> Result<(), String> {
    let Some(key) = key else { return Ok(()) };
    let lines = std::str::from_utf8(answer).map_err(|e| e.to_string())?;
    let cosigned: SignedCheckpoint =
        format!("{}\n{lines}", checkpoint.note().text()).parse().map_err(|e| format!("its answer: {e}"))?;
    cosigned.verify_cosignature(key).map(drop).map_err(|e| format!("its cosignature does not count: {e}"))
}

fn refused(status: u16) -> String {
    match status {
        403 => "it does not know the key that signed the checkpoint".to_owned(),
        404 => "it does not witness this log".to_owned(),
        status => format!("http status {status}"),
    }
}

/// Sends one request; returns the status, where it is told the size that the witness holds, and the body.
fn ask(
    url: &str,
    old: TreeSize,
    proof: Vec<NodeHash>,
    checkpoint: &SignedCheckpoint,
    patience: Duration,
) -> Result<(u16, Option<TreeSize>, Vec<u8>), String> {
    let request = AddCheckpoint::new(old, proof, checkpoint).map_err(|e| e.to_string())?;
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(patience));
    let agent = Agent::new_with_config(config.build());
    let answer = agent.post(format!("{}/add-checkpoint", url.trim_end_matches('/'))).send(request.to_string());
    let mut answer = answer.map_err(|e| e.to_string())?;
    let media = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let tells_size = media.is_some_and(|media| media.split(';').next().is_some_and(|m| m.trim() == SIZE_MEDIA_TYPE));
    let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(|e| e.to_string())?;
    let digits = std::str::from_utf8(&body).ok().and_then(|text| text.strip_suffix('\n'));
    let size = digits.filter(|_| tells_size).and_then(|digits| digits.parse().ok()).map(TreeSize);
    Ok((answer.status().as_u16(), size, body))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use countersign_ledger::checkpoint::{Checkpoint, Cosigner};
    use countersign_ledger::keys::SigningKey;
    use countersign_ledger::note::NoteSigner;

    use super::*;

    /// Answers one request with 200 and a body.
    fn says(body: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            // the request ends in a signature line, after the empty line of the note
            while !request.ends_with(b"\n") || !String::from_utf8_lossy(&request).contains("\u{2014} ") {
                let mut some = [0; 4096];
                let read = stream.read(&mut some).unwrap();
                request.extend_from_slice(&some[..read]);
            }
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
        });
        url
    }

    #[test]
    fn that_a_witness_agrees_counts_only_with_its_cosignature() {
        let name = || "ledger.example/a".parse().unwrap();
        let log = NoteSigner::new("ledger.example/a".parse().unwrap(), SigningKey::from_seed(&[1; 32]));
        let root = NodeHash::from_bytes([7; 32]);
        let checkpoint = Checkpoint { origin: name(), size: TreeSize(5), root }.sign(&[log]).unwrap();
        let witness = |seed: u8| Cosigner::new("w.example".parse().unwrap(), SigningKey::from_seed(&[seed; 32]));
        let line = |seed: u8| format!("{}\n", witness(seed).cosign(&checkpoint, 1_800_000_000).unwrap());
        let key = witness(2).vkey().clone();
        let ask = |answer: String, key: Option<&Vkey>| {
            seen(&says(answer), key, &checkpoint, Duration::from_secs(10), |_| Err("not asked for".to_owned()))
        };
        assert_eq!(ask(line(2), Some(&key)).unwrap(), Seen::UpTo(TreeSize(5)));
        for other in [line(3), String::new(), "ok\n".to_owned()] {
            let why = ask(other.clone(), Some(&key)).unwrap_err();
            assert!(!why.contains("timeout"), "{other}: {why}");
        }
        // of a witness of which only the address is known, the answer is all there is
        assert_eq!(ask("ok\n".to_owned(), None).unwrap(), Seen::UpTo(TreeSize(5)));
    }
}
