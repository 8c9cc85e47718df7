//! Asking a witness what it has seen of a log (C2SP tlog-witness `add-checkpoint`).
//!
//! A witness has no call that only asks. A request that says `old 0` is answered with 409 and the size that the witness
//! holds; one from that size on, with a consistency proof, tells whether it holds the same history. A witness that held
//! less cosigns the checkpoint by the way, which is what it is for.

use std::time::Duration;

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::NodeHash;
use countersign_ledger::id::TreeSize;
use countersign_ledger::witness::{AddCheckpoint, SIZE_MEDIA_TYPE};
use ureq::Agent;
use ureq::http::header;

/// The longest answer that is read.
const MAX_ANSWER: u64 = 64 << 10;

/// What a witness has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A prefix of the checkpoint, or the checkpoint itself.
    UpTo(TreeSize),
    /// More than the checkpoint covers.
    Beyond(TreeSize),
    /// So many entries, and they are not those of the checkpoint.
    Otherwise(TreeSize),
}

/// Asks a witness what it has seen of the log of a checkpoint. `prove` makes the consistency proof from a size to it.
///
/// # Errors
/// When the witness does not answer, does not know the log, or does not answer as C2SP tlog-witness says.
pub fn seen(
    url: &str,
    checkpoint: &SignedCheckpoint,
    patience: Duration,
    prove: impl Fn(TreeSize) -> Result<Vec<NodeHash>, String>,
) -> Result<Seen, String> {
    let size = checkpoint.checkpoint().size;
    let held = match ask(url, TreeSize(0), Vec::new(), checkpoint, patience)? {
        (200, _) => return Ok(Seen::UpTo(TreeSize(0))),
        (409, Some(held)) => held,
        (status, _) => return Err(refused(status)),
    };
    if held > size {
        return Ok(Seen::Beyond(held));
    }
    let proof = if held == size { Vec::new() } else { prove(held)? };
    match ask(url, held, proof, checkpoint, patience)? {
        (200, _) => Ok(Seen::UpTo(held)),
        // It has moved on meanwhile, which somebody else must have made it.
        (409, Some(now)) if now > size => Ok(Seen::Beyond(now)),
        (409 | 422, _) => Ok(Seen::Otherwise(held)),
        (status, _) => Err(refused(status)),
    }
}

fn refused(status: u16) -> String {
    match status {
        403 => "it does not know the key that signed the checkpoint".to_owned(),
        404 => "it does not witness this log".to_owned(),
        status => format!("http status {status}"),
    }
}

/// Sends one request; returns the status and, where it is told, the size that the witness holds.
fn ask(
    url: &str,
    old: TreeSize,
    proof: Vec<NodeHash>,
    checkpoint: &SignedCheckpoint,
    patience: Duration,
) -> Result<(u16, Option<TreeSize>), String> {
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
    Ok((answer.status().as_u16(), size))
}
