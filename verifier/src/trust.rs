//! Trust files: the C2SP tlog-policy format. Which logs sign, which witnesses cosign, and how many are enough.
//!
//! Names are octets without meaning outside the file. Keys of types that we do not know are kept, as the format has
//! them, and never count as having signed.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::escape::quoted_bytes;
use crate::note::VKey;
use crate::scalar::decimal;

/// Types of keys that sign notes as logs do (signed-note, "Signature types").
const LOG_TYPES: [u8; 3] = [0x01, 0x02, 0x05];
/// Types of keys that cosign (tlog-cosignature, "Format").
const COSIGNATURE_TYPES: [u8; 2] = [0x04, 0x06];

/// The largest trust file, in bytes.
pub const MAX_TRUST_FILE: usize = 1 << 20;

/// Why a trust file is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustError {
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What should have been there.
    pub expected: String,
    /// What was.
    pub found: String,
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for TrustError {}

/// What a group or the quorum names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Member {
    /// A witness, by its number.
    Witness(usize),
    /// A group, by its number.
    Group(usize),
}

/// A witness line: the name that groups and the quorum use, and the key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Witness {
    pub(crate) name: Vec<u8>,
    pub(crate) key: VKey,
}

/// A group line. Its members stand before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Group {
    pub(crate) name: Vec<u8>,
    pub(crate) threshold: usize,
    pub(crate) members: Vec<Member>,
}

/// A trust policy: logs, witnesses, quorum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trust {
    logs: Vec<VKey>,
    pub(crate) witnesses: Vec<Witness>,
    pub(crate) groups: Vec<Group>,
    pub(crate) quorum: Option<Member>,
}

impl Trust {
    /// Reads a trust file.
    ///
    /// # Errors
    /// Names the line and what it should be.
    pub fn parse(bytes: &[u8]) -> Result<Trust, TrustError> {
        if bytes.len() > MAX_TRUST_FILE {
            return Err(TrustError {
                line: 0,
                expected: format!("at most {MAX_TRUST_FILE} bytes"),
                found: format!("{} bytes", bytes.len()),
            });
        }
        if bytes.last().is_some_and(|last| *last != b'\n') {
            let (expected, found) = ("a newline at the end of the last line".to_owned(), "none".to_owned());
            return Err(TrustError { line: bytes.split(|b| *b == b'\n').count(), expected, found });
        }
        let mut reader = TrustReader::default();
        for (at, line) in bytes.split(|b| *b == b'\n').enumerate() {
            reader.line(line).map_err(|(expected, found)| TrustError { line: at + 1, expected, found })?;
        }
        match reader.quorum {
            Some(quorum) => Ok(Trust { logs: reader.logs, witnesses: reader.witnesses, groups: reader.groups, quorum }),
            None => Err(TrustError { line: 0, expected: "a quorum line".to_owned(), found: "none".to_owned() }),
        }
    }

    /// The logs that the file lists.
    pub fn logs(&self) -> &[VKey] {
        &self.logs
    }

    /// Whether the file asks for witnesses at all (not `quorum none`).
    pub fn asks_for_witnesses(&self) -> bool {
        self.quorum.is_some()
    }
}

type Fault = (String, String);

#[derive(Default)]
struct TrustReader {
    logs: Vec<VKey>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<Option<Member>>,
    names: HashMap<Vec<u8>, Member>,
    grouped: HashSet<Vec<u8>>,
}

fn fault<T>(expected: impl Into<String>, found: &[u8]) -> Result<T, Fault> {
    Err((expected.into(), quoted_bytes(found)))
}

impl TrustReader {
    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if let Some(at) = line.iter().position(|b| matches!(b, 0..=8 | 10..=31 | 127)) {
            return fault("no control character but tab and newline", &line[at..=at]);
        }
        let items: Vec<&[u8]> = line.split(|b| matches!(b, b' ' | b'\t')).filter(|item| !item.is_empty()).collect();
        match items.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key] | [b"log", key, _] => self.log(key),
            [b"witness", name, key] | [b"witness", name, key, _] => self.witness(name, key),
            [b"group", name, threshold, members @ ..] => self.group(name, threshold, members),
            [b"quorum", name] => self.quorum(name),
            _ => fault("log, witness, group or quorum with its items", line),
        }
    }

    fn log(&mut self, key: &[u8]) -> Result<(), Fault> {
        let key = vkey(key)?;
        if COSIGNATURE_TYPES.contains(&key.kind.type_byte()) {
            return fault("a log key, not a cosignature key", key.name.as_bytes());
        }
        if self.logs.iter().any(|log| same_key(log, &key)) {
            return fault("each log key once", key.name.as_bytes());
        }
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8]) -> Result<(), Fault> {
        let key = vkey(key)?;
        if LOG_TYPES.contains(&key.kind.type_byte()) {
            return fault("a cosignature key (type 0x04)", key.name.as_bytes());
        }
        if self.witnesses.iter().any(|w| same_key(&w.key, &key)) {
            return fault("each witness key once", key.name.as_bytes());
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(Witness { name: name.to_vec(), key });
        Ok(())
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], members: &[&[u8]]) -> Result<(), Fault> {
        if members.is_empty() {
            return fault("at least one member", b"none");
        }
        let count = members.len();
        let threshold = match threshold {
            b"all" => count,
            b"any" => 1,
            number => std::str::from_utf8(number)
                .ok()
                .and_then(decimal)
                .and_then(|n| usize::try_from(n).ok())
                .filter(|n| (1..=count).contains(n))
                .map_or_else(|| fault(format!("all, any, or a number 1 to {count}"), number), Ok)?,
        };
        let mut known = Vec::with_capacity(count);
        for member in members {
            known.push(self.known(member)?);
            if !self.grouped.insert(member.to_vec()) {
                return fault("each name in one group only, once", member);
            }
        }
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { name: name.to_vec(), threshold, members: known });
        Ok(())
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), Fault> {
        if self.quorum.is_some() {
            return fault("one quorum line", b"another one");
        }
        self.quorum = Some(if name == b"none" { None } else { Some(self.known(name)?) });
        Ok(())
    }

    fn known(&self, name: &[u8]) -> Result<Member, Fault> {
        self.names.get(name).copied().map_or_else(|| fault("a witness or group defined on a line before", name), Ok)
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), Fault> {
        if name == b"none" || self.names.contains_key(name) {
            return fault("a name that is not taken", name);
        }
        self.names.insert(name.to_vec(), member);
        Ok(())
    }
}

fn vkey(text: &[u8]) -> Result<VKey, Fault> {
    let text = std::str::from_utf8(text).map_err(|_| ("a verifier key".to_owned(), quoted_bytes(text)))?;
    let key = VKey::parse(text).map_err(|e| (e.expected, e.found))?;
    match key.public_key().and_then(|public| public.unacceptable()) {
        None => Ok(key),
        Some(why) => Err(("an acceptable key".to_owned(), why.to_owned())),
    }
}

/// Whether two verifier keys wrap the same key bytes, whatever their names and types: a later cosignature format may use
/// the key of an earlier one again (tlog-cosignature, "Format").
fn same_key(a: &VKey, b: &VKey) -> bool {
    a.kind.key_bytes() == b.kind.key_bytes()
}
