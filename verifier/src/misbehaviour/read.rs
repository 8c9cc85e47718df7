//! The file (SPEC §16), taken apart; nothing about what it claims is known yet.

use super::{Pointer, What};
use crate::checkpoint::Checkpoint;
use crate::escape::{quoted, quoted_bytes};
use crate::event::MAX_PAYLOAD;
use crate::fields::{Fields, Malformed, texts};
use crate::hash::Hash;
use crate::header::Withheld;
use crate::json::{MAX_INTEGER, Value, parse};
use crate::keys::PublicKey;
use crate::note::NoteError;
use crate::proof::TlogProof;
use crate::scalar::base64_bytes;

/// The largest file, in bytes (SPEC §16).
pub const MAX_PROOF_OF_MISBEHAVIOUR: usize = 2 << 20;
/// The most rotations of the log key.
const MAX_KEYS: usize = 16;
/// The most subtrees that cover a tree.
const MAX_SUBTREES: usize = 128;
/// The most hashes of an inclusion proof (SPEC §12).
const MAX_PATH: usize = 64;

/// Why a file is no proof of this version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProofFault {
    /// A later version of the format made it.
    Newer(i64),
    /// It is not of the stated form.
    Malformed(Malformed),
}

impl From<Malformed> for ProofFault {
    fn from(fault: Malformed) -> ProofFault {
        ProofFault::Malformed(fault)
    }
}

/// An entry line and its proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proven {
    /// The line.
    pub line: String,
    /// Where it is.
    pub proof: TlogProof,
}

/// A leaf of the claim's checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Included {
    /// Its index.
    pub seq: u64,
    /// Its bytes, which may be no entry.
    pub line: Vec<u8>,
    /// Its inclusion proof.
    pub path: Vec<Hash>,
}

/// The claim, with what it rests on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Claim {
    /// `inconsistent_checkpoints`
    Checkpoints {
        /// The smaller.
        first: Checkpoint,
        /// The larger.
        second: Checkpoint,
        /// What the larger tree is made of; empty where the sizes are equal.
        subtrees: Vec<Withheld>,
    },
    /// `entry_not_in_tree`
    Receipt {
        /// The entry and its proof.
        receipt: Proven,
        /// The leaf in its place.
        leaf: Hash,
        /// The proof of that leaf.
        proof: TlogProof,
    },
    /// All that one or two entries under one checkpoint show.
    Entries {
        /// What they show.
        what: What,
        /// The checkpoint.
        checkpoint: Checkpoint,
        /// The entries, by seq.
        entries: Vec<Included>,
        /// Which pointer is false.
        pointer: Option<Pointer>,
        /// The key whose signature is not valid.
        key: Option<PublicKey>,
    },
}

impl Claim {
    /// Which kind of claim.
    pub fn what(&self) -> What {
        match self {
            Claim::Checkpoints { .. } => What::InconsistentCheckpoints,
            Claim::Receipt { .. } => What::EntryNotInTree,
            Claim::Entries { what, .. } => *what,
        }
    }
}

/// A file, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
    /// The ledger that it is about.
    pub ledger: Hash,
    /// The payload of that ledger's entry 0.
    pub created: Vec<u8>,
    /// The rotations of the log key.
    pub keys: Vec<Proven>,
    /// The claim.
    pub claim: Claim,
}

impl Proof {
    /// Reads a file; one newline at its end is allowed.
    ///
    /// # Errors
    /// Names the member that is not as SPEC §16 says, or the newer version.
    pub fn parse(bytes: &[u8]) -> Result<Proof, ProofFault> {
        if bytes.len() > MAX_PROOF_OF_MISBEHAVIOUR {
            let expected = format!("at most {MAX_PROOF_OF_MISBEHAVIOUR} bytes");
            return Err(Malformed::new("file", expected, "more").into());
        }
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let value = parse(bytes, 4).map_err(|e| {
            let found = bytes.get(e.offset..).unwrap_or_default();
            let found = quoted_bytes(&found[..found.len().min(24)]);
            Malformed::new(format!("byte {}", e.offset), e.expected, found)
        })?;
        let mut fields = Fields::of("", &value)?;
        match fields.required("countersign_misbehaviour")? {
            Value::Int(1) => {}
            Value::Int(n) if *n >= 2 => return Err(ProofFault::Newer(*n)),
            other => return Err(fields.fault("countersign_misbehaviour", "1", other).into()),
        }
        let ledger = fields.hash("ledger")?;
        let what =
            fields.text("what", "a kind of misbehaviour that this version knows", |w| What::parse(w).is_some())?;
        let created = base64(&mut fields, "created", MAX_PAYLOAD)?;
        let keys = list(&mut fields, "keys", 0, MAX_KEYS)?;
        let keys = each("/keys", keys, proven)?;
        let claim = match What::parse(what) {
            Some(What::InconsistentCheckpoints) => checkpoints(&mut fields)?,
            Some(What::EntryNotInTree) => Claim::Receipt {
                receipt: proven("/receipt", fields.required("receipt")?)?,
                leaf: fields.hash("leaf")?,
                proof: tlog_proof(&mut fields)?,
            },
            Some(what) => entries(what, &mut fields)?,
            None => return Err(Malformed::new("/what", "a kind of misbehaviour", quoted(what)).into()),
        };
        fields.finish()?;
        Ok(Proof { ledger, created, keys, claim })
    }
}

fn note_fault(path: String, error: NoteError) -> Malformed {
    Malformed::new(path, error.expected, error.found)
}

/// A checkpoint of a ledger: no extension lines, at least one entry, a size that entries can state.
fn sound(path: String, checkpoint: Checkpoint) -> Result<Checkpoint, Malformed> {
    if let Some(line) = checkpoint.extensions.first() {
        return Err(Malformed::new(path, "a checkpoint without extension lines", quoted(line)));
    }
    if checkpoint.size == 0 || checkpoint.size > MAX_INTEGER.unsigned_abs() {
        return Err(Malformed::new(path, "a size from 1 to 2^53−1", checkpoint.size.to_string()));
    }
    Ok(checkpoint)
}

fn checkpoint(fields: &mut Fields<'_, '_>, name: &str) -> Result<Checkpoint, Malformed> {
    let path = fields.path_of(name);
    let note = fields.text(name, "a checkpoint", |_| true)?;
    sound(path.clone(), Checkpoint::parse(note).map_err(|e| note_fault(path, e))?)
}

fn tlog_proof(fields: &mut Fields<'_, '_>) -> Result<TlogProof, Malformed> {
    let path = fields.path_of("proof");
    let text = fields.text("proof", "a tlog-proof", |_| true)?;
    let mut proof = TlogProof::parse(text).map_err(|e| note_fault(path.clone(), e))?;
    if proof.extra.is_some() {
        return Err(Malformed::new(path, "a tlog-proof without extra data", "a line `extra`"));
    }
    proof.checkpoint = sound(path, proof.checkpoint)?;
    Ok(proof)
}

fn proven(path: &str, value: &Value<'_>) -> Result<Proven, Malformed> {
    let mut fields = Fields::of(path.to_owned(), value)?;
    let line = fields.text("entry", "an entry line", |_| true)?.to_owned();
    let proof = tlog_proof(&mut fields)?;
    fields.finish()?;
    Ok(Proven { line, proof })
}

fn base64(fields: &mut Fields<'_, '_>, name: &str, most: usize) -> Result<Vec<u8>, Malformed> {
    let expected = format!("at most {most} bytes in base64");
    let text = fields.text(name, &expected, |text| text.len() <= most.div_ceil(3) * 4)?;
    base64_bytes(text.as_bytes())
        .filter(|bytes| bytes.len() <= most)
        .ok_or_else(|| Malformed::new(fields.path_of(name), expected, quoted(text)))
}

/// Takes an array of at least `least` and at most `most` elements.
fn list<'v, 'a>(
    fields: &mut Fields<'v, 'a>,
    name: &str,
    least: usize,
    most: usize,
) -> Result<&'v [Value<'a>], Malformed> {
    let items = fields.array(name)?;
    if !(least..=most).contains(&items.len()) {
        let expected = format!("{least} to {most} elements");
        return Err(Malformed::new(fields.path_of(name), expected, items.len().to_string()));
    }
    Ok(items)
}

fn each<T>(
    path: &str,
    items: &[Value<'_>],
    read: impl Fn(&str, &Value<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    items.iter().enumerate().map(|(at, item)| read(&format!("{path}/{at}"), item)).collect()
}

fn checkpoints(fields: &mut Fields<'_, '_>) -> Result<Claim, Malformed> {
    let (first, second) = (checkpoint(fields, "first")?, checkpoint(fields, "second")?);
    if first.size > second.size {
        let found = format!("{} after {}", second.size, first.size);
        return Err(Malformed::new("/second", "the larger checkpoint last", found));
    }
    let subtrees = if first.size == second.size {
        Vec::new()
    } else {
        each("/subtrees", list(fields, "subtrees", 2, MAX_SUBTREES)?, Withheld::of)?
    };
    Ok(Claim::Checkpoints { first, second, subtrees })
}

fn included(path: &str, value: &Value<'_>) -> Result<Included, Malformed> {
    let mut fields = Fields::of(path.to_owned(), value)?;
    let seq = fields.integer("seq", 0, MAX_INTEGER)?.unsigned_abs();
    let line = match fields.optional_text("entry", "an entry line", |_| true)? {
        Some(line) => line.as_bytes().to_vec(),
        None => base64(&mut fields, "bytes", crate::entry::MAX_ENTRY)?,
    };
    let expected = "a hash of 64 lower-case hex digits";
    let path = texts(&format!("{path}/path"), fields.required("path")?, expected, |text| {
        Hash::from_hex(text.as_bytes()).is_some()
    })?;
    if path.len() > MAX_PATH {
        return Err(Malformed::new(
            fields.path_of("path"),
            format!("at most {MAX_PATH} hashes"),
            path.len().to_string(),
        ));
    }
    fields.finish()?;
    let path = path.iter().filter_map(|text| Hash::from_hex(text.as_bytes())).collect();
    Ok(Included { seq, line, path })
}

fn entries(what: What, fields: &mut Fields<'_, '_>) -> Result<Claim, Malformed> {
    let checkpoint = checkpoint(fields, "checkpoint")?;
    let (least, most) = match what {
        What::InvalidEntry | What::BadSignature => (1, 1),
        What::FalsePointer => (1, 2),
        _ => (2, 2),
    };
    let entries = each("/entries", list(fields, "entries", least, most)?, included)?;
    if let [first, second] = &entries[..]
        && first.seq >= second.seq
    {
        let found = format!("{} after {}", second.seq, first.seq);
        return Err(Malformed::new("/entries", "entries by ascending seq", found));
    }
    let pointer = match what {
        What::FalsePointer => Some(pointer(fields)?),
        _ => None,
    };
    let key = match what {
        What::BadSignature => {
            let key = fields.text("key", "32 bytes in base64", |text| PublicKey::from_base64(text).is_some())?;
            PublicKey::from_base64(key)
        }
        _ => None,
    };
    Ok(Claim::Entries { what, checkpoint, entries, pointer, key })
}

fn pointer(fields: &mut Fields<'_, '_>) -> Result<Pointer, Malformed> {
    let all = [Pointer::Governance, Pointer::Case, Pointer::Stream];
    let find = |name: &str| all.into_iter().find(|pointer| pointer.name() == name);
    let name = fields.text("pointer", "governance, case or stream", |name| find(name).is_some())?;
    find(name).ok_or_else(|| Malformed::new("/pointer", "governance, case or stream", quoted(name)))
}
