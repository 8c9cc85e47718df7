//! One request to one witness, as often as it takes to agree on where the proof begins, and what its answer is worth.

use std::time::Duration;

use countersign_ledger::append::Ledger;
use countersign_ledger::checkpoint::{CosignatureError, SignedCheckpoint};
use countersign_ledger::id::TreeSize;
use countersign_ledger::note::{NoteSignature, Vkey};
use countersign_ledger::store::StoreError;
use countersign_ledger::time::{Clock as _, SystemClock};
use countersign_ledger::trust::TrustFile;
use countersign_ledger::witness::{AddCheckpoint, AddCheckpointError, SIZE_MEDIA_TYPE};
use ureq::Agent;
use ureq::http::header;

use super::state::Target;
use crate::client::check_address;
use crate::failure::{Failure, plain_io};

/// The longest answer that is read: a hundred signature lines are shorter.
const MAX_ANSWER: u64 = 64 << 10;
/// How often a witness is asked with another beginning of the proof, before it is left alone for a while.
const TRIES: u32 = 4;
/// How far a witness's clock may be ahead, in seconds.
const AHEAD: u64 = 300;
/// How much older than the newest entry a cosignature may be, in seconds: what is older fails TIME (SPEC §13).
const BEHIND: u64 = 300;

/// What a witness is asked.
pub(super) struct Question<'a> {
    /// The checkpoint to cosign.
    pub(super) target: &'a Target,
    /// The time of its cosignature before, in seconds since 1970.
    pub(super) last: Option<u64>,
}

/// A cosignature that was found valid.
#[derive(Debug)]
pub(super) struct Cosigned {
    /// Its line.
    pub(super) line: NoteSignature,
    /// When it was made, in seconds since 1970.
    pub(super) timestamp: u64,
}

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("it does not know this ledger's log")]
    UnknownLog,
    #[error("it does not accept the log's signature")]
    UnknownKey,
    #[error("it answered with http status {0}")]
    Status(u16),
    #[error("its answer is not of the form of C2SP tlog-witness: {0}")]
    Garbage(String),
    #[error("it named another size each time that it was asked")]
    Restless,
    #[error("it cosigned {size} entries meanwhile")]
    Newer { size: TreeSize },
    #[error(
        "it has seen {size} entries of this ledger, which has {head}: this ledger was rolled back, or the witness lies"
    )]
    Ahead { size: TreeSize, head: TreeSize },
    #[error("it has seen another tree of {size} entries: there are two histories of this ledger, or the witness lies")]
    Forked { size: TreeSize },
    #[error("its cosignature does not count: {0}")]
    Cosignature(#[from] CosignatureError),
    #[error("its cosignature is dated {found} s after 1970, expected {expected}")]
    Clock { expected: String, found: u64 },
    #[error("the proof could not be made: {0}")]
    Proof(#[from] StoreError),
    #[error("the request could not be made: {0}")]
    Request(#[from] AddCheckpointError),
}

/// Asks one witness.
#[derive(Debug)]
pub(super) struct Asker {
    /// What the trust file calls it.
    pub(super) name: String,
    /// Its key.
    pub(super) vkey: Vkey,
    address: String,
    agent: Agent,
}

impl Asker {
    /// Makes one for each witness of a trust file.
    ///
    /// # Errors
    /// When a witness has no address to ask, or no key to verify with.
    pub(super) fn all(trust: &TrustFile, timeout: Duration) -> Result<Vec<Self>, Failure> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(timeout));
        let agent = Agent::new_with_config(config.build());
        let one = |witness: &countersign_ledger::trust::Line| {
            let name = witness.name.as_ref().map(ToString::to_string).unwrap_or_default();
            let wrong = |what: &str| Failure::usage(format_args!("--witnesses: witness {name}: {what}"));
            let url = witness
                .url
                .as_deref()
                .ok_or_else(|| wrong("expected a url, found none").hint("the line is `witness <name> <vkey> <url>`"))?;
            check_address(url).map_err(|reason| wrong(&format!("{url}: {reason}")))?;
            let vkey = witness.key.vkey().cloned();
            let vkey =
                vkey.ok_or_else(|| wrong("expected a key of type 0x04, found one of a type that is not known"))?;
            let address = format!("{}/add-checkpoint", url.trim_end_matches('/'));
            Ok(Self { name, vkey, address, agent: agent.clone() })
        };
        trust.witnesses().iter().map(one).collect()
    }

    /// Asks for a cosignature. `known` is what the witness is believed to hold, and is brought up to date.
    ///
    /// # Errors
    /// When there is none that counts.
    pub(super) fn ask(
        &self,
        ledger: &Ledger,
        question: &Question<'_>,
        known: &mut Option<TreeSize>,
    ) -> Result<Cosigned, AskError> {
        let target = question.target;
        let size = target.size();
        for _ in 0..TRIES {
            let old = known.unwrap_or(TreeSize(0));
            if old > size {
                // it may have been asked about a newer tree by somebody else; what nobody can have is more than there is
                let head = ledger.head().size;
                *known = None;
                return Err(if old > head {
                    AskError::Ahead { size: old, head }
                } else {
                    AskError::Newer { size: old }
                });
            }
            let proof = if old.0 == 0 || old == size { None } else { ledger.consistency(old, size)? };
            let request = AddCheckpoint::new(old, proof.unwrap_or_default(), &target.checkpoint)?;
            let (status, media, body) = self.send(&request.to_string())?;
            match status {
                200 => return self.cosigned(&body, question).inspect(|_| *known = Some(size)),
                409 if media == SIZE_MEDIA_TYPE => {
                    let said = size_of(&body)?;
                    if said == old {
                        // where the sizes agree, the roots do not (tlog-witness)
                        *known = None;
                        return Err(if old == size { AskError::Forked { size } } else { AskError::Restless });
                    }
                    *known = Some(said);
                }
                // tlog-witness: «if the old size matches the checkpoint size, … root hashes», without a stated body
                409 if old == size => return Err(AskError::Forked { size }),
                // our tiles make the proof from what is durable: it is another tree that the witness has
                422 => return Err(AskError::Forked { size: old }),
                404 => return Err(AskError::UnknownLog),
                403 => return Err(AskError::UnknownKey),
                other => return Err(AskError::Status(other)),
            }
        }
        *known = None;
        Err(AskError::Restless)
    }

    fn send(&self, request: &str) -> Result<(u16, String, Vec<u8>), AskError> {
        let unreachable = |error: ureq::Error| match error {
            ureq::Error::BodyExceedsLimit(limit) => AskError::Garbage(format!("longer than {limit} bytes")),
            ureq::Error::Io(error) => AskError::Unreachable(plain_io(&error)),
            ureq::Error::Timeout(what) => AskError::Unreachable(format!("timeout ({what})")),
            other => AskError::Unreachable(other.to_string()),
        };
        let request = self.agent.post(&self.address).content_type("text/plain; charset=utf-8").send(request);
        let mut answer = request.map_err(unreachable)?;
        let media =
            answer.headers().get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(unreachable)?;
        Ok((answer.status().as_u16(), media, body))
    }

    /// Finds the witness's own line in its answer, and verifies it. Lines of other keys are ignored (tlog-witness).
    fn cosigned(&self, body: &[u8], question: &Question<'_>) -> Result<Cosigned, AskError> {
        let lines = std::str::from_utf8(body).map_err(|error| AskError::Garbage(error.to_string()))?;
        let text = question.target.text();
        let note: SignedCheckpoint =
            format!("{text}\n{lines}").parse().map_err(|error| AskError::Garbage(format!("{error}")))?;
        let newest = note.verify_cosignature(&self.vkey)?;
        let own = note.note().signatures().iter().filter(|line| line.is_by(&self.vkey));
        // each of its lines is valid; the newest is what was verified
        let line = own.max_by_key(|line| line.bytes().first_chunk::<8>().map(|time| u64::from_be_bytes(*time)));
        let line = line.ok_or_else(|| AskError::Garbage("no line by its key".to_owned()))?.clone();
        let timestamp = newest.timestamp;
        let now = u64::try_from(SystemClock.now().unix_millis() / 1_000).unwrap_or(0);
        let newest_entry = u64::try_from(question.target.newest_entry.unix_millis() / 1_000).unwrap_or(0);
        let earliest = question.last.unwrap_or(0).max(newest_entry.saturating_sub(BEHIND));
        let latest = now.saturating_add(AHEAD);
        if !(earliest..=latest).contains(&timestamp) {
            return Err(AskError::Clock { expected: format!("{earliest} to {latest}"), found: timestamp });
        }
        Ok(Cosigned { line, timestamp })
    }
}

/// Reads the size that a witness says it has: decimal digits and a newline.
fn size_of(body: &[u8]) -> Result<TreeSize, AskError> {
    let text = std::str::from_utf8(body).ok().and_then(|body| body.strip_suffix('\n'));
    let digits = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let canonical = digits.filter(|digits| *digits == "0" || !digits.starts_with('0'));
    let size = canonical.and_then(|digits| digits.parse().ok()).map(TreeSize);
    size.ok_or_else(|| AskError::Garbage("expected a size in decimal digits and a newline with status 409".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes_are_read_strictly() {
        assert_eq!(size_of(b"0\n").unwrap(), TreeSize(0));
        assert_eq!(size_of(b"20852014\n").unwrap(), TreeSize(20_852_014));
        for bad in
            ["", "\n", "7", "07\n", "-7\n", "+7\n", "7\n\n", " 7\n", "99999999999999999999\n", "7\r\n", "\u{663}\n"]
        {
            assert!(size_of(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(size_of(b"\xff\n").is_err());
    }
}
