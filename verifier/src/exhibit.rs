//! Exhibits: one entry of a verified bundle, set out for a hearing. What was said, who signed it with which key, its
//! place in the ledger, what the verification found, and how to check all of it again with stock tools.
//!
//! ```text
//! let mut collector = Collector::new(41);
//! let (report, _) = verify_bundle(source, &given, Some(&mut collector));
//! let exhibit = collector.finish(report, file, tool)?;
//! exhibit.to_text()   exhibit.to_html()   exhibit.to_json()
//! ```

mod collect;
mod html;
mod json;
mod page;
mod statement;
mod steps;
mod text;
mod tree;

use crate::checkpoint::Checkpoint;
use crate::hash::{EventHash, Hash, KeyId};
use crate::keys::PublicKey;
use crate::note::VKey;
use crate::prepare::Verdict;
use crate::report::Report;
use crate::time::Instant;

pub use collect::{Collector, NoExhibit};
pub use statement::{How, Leaf, Shown};
pub use text::{STEPS_BEGIN, STEPS_END};
pub use tree::Step;

/// The file that an exhibit was made from, as its bytes are: compressed if it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceFile {
    /// Its name, for people.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
    /// How many there are.
    pub size: u64,
}

/// The program that made an exhibit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tool {
    /// Its version.
    pub version: String,
    /// SHA-256 of the binary that ran, if it could be read.
    pub sha256: Option<Hash>,
}

/// A position and its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At {
    /// The entry.
    pub seq: u64,
    /// When it was recorded.
    pub time: Instant,
}

/// How a key was introduced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyOrigin {
    /// The public key.
    pub public: PublicKey,
    /// The party, or `governance`.
    pub owner: String,
    /// The office that holds it; empty for a governance key, for which entries name none.
    pub holder: String,
    /// Patterns of the kinds that it may sign.
    pub uses: Vec<String>,
    /// The last moment at which it counts.
    pub not_after: Option<Instant>,
    /// The entry that introduced it.
    pub introduced: At,
}

/// What ended a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// `key.retired`
    Retired,
    /// `key.revoked`, with the moment from which its entries are suspect.
    Revoked(Option<Instant>),
}

/// A party as it stood at the entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartyThen {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it could act as.
    pub capacities: Vec<&'static str>,
    /// Its roles in the entry's case.
    pub roles: Vec<&'static str>,
    /// The entry that later let another party take its place, and that party.
    pub succeeded: Option<(At, String)>,
}

/// A signature on the entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signer {
    /// The key's name.
    pub keyid: KeyId,
    /// Whether the signature is valid.
    pub verdict: Verdict,
    /// Whether the key counted at that position for that kind.
    pub counted: bool,
    /// How the key came into the ledger; `None` if no entry shown introduced it.
    pub origin: Option<KeyOrigin>,
    /// Its party, unless it is a governance key or unknown.
    pub party: Option<PartyThen>,
    /// What ended the key, before or after the entry.
    pub ended: Vec<(Ended, At)>,
}

/// Something later that bears on the entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Later {
    /// Where.
    pub at: At,
    /// The kind of the later entry.
    pub kind: String,
    /// What it does.
    pub what: Bearing,
}

/// How a later entry bears on an earlier one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bearing {
    /// It corrects it.
    Corrects,
    /// It disputes it.
    Disputes,
    /// It follows it directly in the stream (`after`).
    Follows,
    /// It names it at this pointer.
    Names(String),
}

/// An entry set out for a hearing.
pub struct Exhibit {
    /// The verification that ran first.
    pub report: Report,
    /// The file.
    pub file: SourceFile,
    /// The program.
    pub tool: Tool,
    /// The checkpoint of the file.
    pub checkpoint: Checkpoint,
    /// The log key in force at the checkpoint.
    pub log_key: Option<VKey>,
    /// Position and time.
    pub at: At,
    /// The line, byte for byte.
    pub line: Vec<u8>,
    /// Its leaf hash.
    pub leaf: Hash,
    /// The leaf hash before it, as it says.
    pub prev: Hash,
    /// The event's hash.
    pub event: EventHash,
    /// What happened.
    pub kind: String,
    /// To what.
    pub subject: String,
    /// Under which case.
    pub case: Option<String>,
    /// Who says so.
    pub author: String,
    /// The event that the signers had seen last, and its entry if it is shown.
    pub after: Option<(EventHash, Option<u64>)>,
    /// The entry before it in its stream, as the entry says.
    pub stream_before: Option<u64>,
    /// How many earlier entries of its stream the file shows.
    pub stream_shown: u64,
    /// The rule in force for its kind, in words.
    pub rule: Option<String>,
    /// Every leaf value of the statement.
    pub statement: Vec<Leaf>,
    /// The disclosures that show parts of it.
    pub shown: Vec<Shown>,
    /// The disclosure strings that came with it.
    pub disclosures: Vec<String>,
    /// Whether those do not hold, so that none was put back.
    pub disclosures_refused: bool,
    /// Members that name earlier entries: pointer and position.
    pub names: Vec<(String, u64)>,
    /// Signatures.
    pub signers: Vec<Signer>,
    /// What later entries say about it.
    pub later: Vec<Later>,
    /// How many more of these there are.
    pub later_left_out: u64,
    /// The way to the root of the checkpoint; `None` if leaves are missing.
    pub way: Option<Vec<Step>>,
}
