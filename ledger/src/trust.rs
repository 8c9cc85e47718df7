//! Trust files: the C2SP tlog-policy format (SPEC §11). Which logs sign, which witnesses cosign and where they are asked,
//! and whose cosignatures together are enough.
//!
//! One item a line, words separated by spaces and tabs, `#` begins a comment line. Names are octets without a meaning
//! outside the file. Limits: [`MAX_TRUST_BYTES`], [`MAX_ITEMS`].
//!
//! ```
//! use countersign_ledger::trust::TrustFile;
//!
//! let log = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
//! let trust = TrustFile::parse(format!("# signed by him, witnessed by nobody\nlog {log}\nquorum none\n").as_bytes())?;
//! assert_eq!(trust.logs().len(), 1);
//! assert!(trust.is_quorum(|_| false));
//! # Ok::<(), countersign_ledger::trust::TrustError>(())
//! ```

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::checkpoint::{Cosignature, SignedCheckpoint, parse_decimal};
use crate::keys::decode_base64;
use crate::note::{KeyName, Vkey, VkeyType};

/// The largest trust file, in bytes.
pub const MAX_TRUST_BYTES: usize = 1 << 20;
/// The most logs, witnesses and groups of a trust file, each.
pub const MAX_ITEMS: usize = 1_024;
/// Types of keys that sign notes as logs do (signed-note, "Signature types").
const LOG_TYPES: [u8; 3] = [0x01, 0x02, 0x05];
/// Types of keys that cosign (tlog-cosignature, "Format").
const COSIGNATURE_TYPES: [u8; 2] = [0x04, 0x06];

/// Tells why bytes are not a trust file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The file is too long.
    #[error("expected a trust file of at most {MAX_TRUST_BYTES} bytes, found {found}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// A line is not of its form.
    #[error("line {line} of the trust file: expected {expected}, found {found}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What should stand there.
        expected: String,
        /// What stands there, quoted and shortened.
        found: String,
    },
    /// There is no quorum line.
    #[error("expected a quorum line in the trust file, found none")]
    NoQuorum,
}

/// The name of a witness or a group: octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Vec<u8>);

impl Name {
    /// Returns the octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Writes the name; what is not UTF-8 is replaced.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

/// A key of a trust file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustKey {
    /// One that signatures can be verified with.
    Known(Vkey),
    /// One of a type that is not known: nothing by it ever counts (SPEC §7).
    Unknown {
        /// Its name.
        name: KeyName,
        /// The type's byte.
        ty: u8,
        /// The key.
        key: Vec<u8>,
    },
}

impl TrustKey {
    /// Returns the key's name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        match self {
            Self::Known(vkey) => vkey.name(),
            Self::Unknown { name, .. } => name,
        }
    }

    /// Returns the key, if signatures can be verified with it.
    #[must_use]
    pub const fn vkey(&self) -> Option<&Vkey> {
        match self {
            Self::Known(vkey) => Some(vkey),
            Self::Unknown { .. } => None,
        }
    }

    /// Tells whether the name says that its holder verifies every entry before it cosigns (SPEC §11).
    #[must_use]
    pub fn is_auditor(&self) -> bool {
        self.name().is_auditor()
    }

    const fn type_byte(&self) -> u8 {
        match self {
            Self::Known(vkey) => vkey.ty().byte(),
            Self::Unknown { ty, .. } => *ty,
        }
    }

    /// The bytes that make two keys one, whatever their names and types.
    fn material(&self) -> &[u8] {
        match self {
            Self::Known(vkey) => vkey.public_key().as_bytes(),
            Self::Unknown { key, .. } => key,
        }
    }
}

/// A log or a witness of a trust file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What groups and the quorum call a witness; a log has none.
    pub name: Option<Name>,
    /// Its key.
    pub key: TrustKey,
    /// Where it is asked.
    pub url: Option<String>,
}

/// What a group or the quorum names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// A witness, by its place in [`TrustFile::witnesses`].
    Witness(usize),
    /// A group, by its place in [`TrustFile::groups`].
    Group(usize),
}

/// A group: it has witnessed what `threshold` of its members have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Name,
    /// How many members must have witnessed; at least 1, at most all.
    pub threshold: usize,
    /// Its members, which stand before it.
    pub members: Vec<Member>,
}

/// A trust file, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustFile {
    logs: Vec<Line>,
    witnesses: Vec<Line>,
    groups: Vec<Group>,
    quorum: Option<Member>,
}

impl TrustFile {
    /// Reads a trust file.
    ///
    /// # Errors
    /// Names the line and what it should be.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        if bytes.len() > MAX_TRUST_BYTES {
            return Err(TrustError::TooLong { found: bytes.len() });
        }
        let mut reader = Reader::default();
        for (at, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let read = match line.strip_suffix(b"\n") {
                Some(line) => reader.line(line),
                None => wrong("a newline at the end of the last line", line),
            };
            read.map_err(|Wrong { expected, found }| TrustError::Line { line: at + 1, expected, found })?;
        }
        let quorum = reader.quorum.ok_or(TrustError::NoQuorum)?;
        Ok(Self { logs: reader.logs, witnesses: reader.witnesses, groups: reader.groups, quorum })
    }

    /// Returns the logs.
    #[must_use]
    pub fn logs(&self) -> &[Line] {
        &self.logs
    }

    /// Returns the witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[Line] {
        &self.witnesses
    }

    /// Returns the groups; each names only witnesses and groups before it.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Returns what must have witnessed; `None` where no witness is asked for.
    #[must_use]
    pub const fn quorum(&self) -> Option<Member> {
        self.quorum
    }

    /// Returns the name of a witness or a group.
    #[must_use]
    pub fn name(&self, member: Member) -> String {
        match member {
            Member::Witness(at) => self.witnesses.get(at).and_then(|w| w.name.as_ref()).map(Name::to_string),
            Member::Group(at) => self.groups.get(at).map(|group| group.name.to_string()),
        }
        .unwrap_or_default()
    }

    /// Tells whether these witnesses, by their places, together are the quorum.
    #[must_use]
    pub fn is_quorum(&self, has_witnessed: impl Fn(usize) -> bool) -> bool {
        // a group names only what stands before it, so one pass from the first is enough
        let mut met: Vec<bool> = Vec::with_capacity(self.groups.len());
        let holds = |met: &[bool], member: &Member| match *member {
            Member::Witness(at) => has_witnessed(at),
            Member::Group(at) => met[at],
        };
        for group in &self.groups {
            let count = group.members.iter().filter(|member| holds(&met, member)).count();
            met.push(count >= group.threshold);
        }
        self.quorum.is_none_or(|member| holds(&met, &member))
    }

    /// Finds the valid cosignatures of a checkpoint by witnesses of this file, by their places.
    #[must_use]
    pub fn cosignatures(&self, checkpoint: &SignedCheckpoint) -> Vec<Option<Cosignature>> {
        let valid = |witness: &Line| checkpoint.verify_cosignature(witness.key.vkey()?).ok();
        self.witnesses.iter().map(valid).collect()
    }

    /// Tells whether a checkpoint is cosigned by the quorum. Who signed it as the log is not asked.
    #[must_use]
    pub fn is_witnessed(&self, checkpoint: &SignedCheckpoint) -> bool {
        let cosigned = self.cosignatures(checkpoint);
        self.is_quorum(|at| cosigned[at].is_some())
    }

    /// Lists smallest sets of witnesses, by their places, that are the quorum: at most `limit` of them, fewest witnesses
    /// first. `None` where there are more, or more ways than can be gone through.
    #[must_use]
    pub fn smallest_quorums(&self, limit: usize) -> Option<Vec<Vec<usize>>> {
        let ways = self.ways(self.quorum?, limit)?;
        let mut ways: Vec<Vec<usize>> = ways.into_iter().collect();
        ways.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        Some(ways)
    }

    /// The ways in which a member witnesses with no witness too many. As each name is in one group only, two members of a
    /// group never share a witness, so that no way contains another.
    fn ways(&self, member: Member, limit: usize) -> Option<Vec<Vec<usize>>> {
        let group = match member {
            Member::Witness(at) => return Some(vec![vec![at]]),
            Member::Group(at) => &self.groups[at],
        };
        // ways[k]: in which k of the members so far have witnessed
        let mut ways: Vec<Vec<Vec<usize>>> = vec![Vec::new(); group.threshold + 1];
        ways[0].push(Vec::new());
        for member in &group.members {
            let of_member = self.ways(*member, limit)?;
            for k in (0..group.threshold).rev() {
                let more: Vec<Vec<usize>> = ways[k]
                    .iter()
                    .flat_map(|way| of_member.iter().map(|further| [way.as_slice(), further].concat()))
                    .take(limit + 1)
                    .collect();
                ways[k + 1].extend(more);
                if ways[k + 1].len() > limit.saturating_mul(4) {
                    return None;
                }
            }
        }
        let mut ways = ways.pop()?;
        ways.iter_mut().for_each(|way| way.sort_unstable());
        (ways.len() <= limit).then_some(ways)
    }
}

/// What is wrong with a line.
struct Wrong {
    expected: String,
    found: String,
}

fn wrong<T>(expected: impl Into<String>, found: &[u8]) -> Result<T, Wrong> {
    let text: String = String::from_utf8_lossy(found).chars().take(120).collect();
    Err(Wrong { expected: expected.into(), found: format!("{text:?}") })
}

/// A trust file so far.
#[derive(Default)]
struct Reader {
    logs: Vec<Line>,
    witnesses: Vec<Line>,
    groups: Vec<Group>,
    /// The inner `None` is `quorum none`.
    quorum: Option<Option<Member>>,
    names: HashMap<Vec<u8>, Member>,
    /// Names that are in a group: each may be in one only, once.
    grouped: HashSet<Vec<u8>>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        if let Some(control) = line.iter().find(|byte| matches!(byte, 0..=8 | 10..=31 | 127)) {
            return wrong("no control character but tab and newline", &[*control]);
        }
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        let Some(first) = words.next().filter(|first| !first.starts_with(b"#")) else { return Ok(()) };
        let rest: Vec<&[u8]> = words.collect();
        match (first, rest.as_slice()) {
            (b"log", [key, url @ ..]) if url.len() <= 1 => self.log(key, url.first().copied()),
            (b"witness", [name, key, url @ ..]) if url.len() <= 1 => self.witness(name, key, url.first().copied()),
            (b"group", [name, threshold, members @ ..]) if !members.is_empty() => self.group(name, threshold, members),
            (b"quorum", [name]) => self.quorum(name),
            (b"log", _) => wrong("`log <vkey> [<url>]`", line),
            (b"witness", _) => wrong("`witness <name> <vkey> [<url>]`", line),
            (b"group", _) => wrong("`group <name> all|any|<k> <name>...`", line),
            (b"quorum", _) => wrong("`quorum <name>`", line),
            _ => wrong("a line that begins with log, witness, group, quorum or #", line),
        }
    }

    fn log(&mut self, key: &[u8], url: Option<&[u8]>) -> Result<(), Wrong> {
        let line = Line { name: None, key: key_of(key)?, url: url_of(url)? };
        if COSIGNATURE_TYPES.contains(&line.key.type_byte()) {
            return wrong("the key of a log, not a witness's", key);
        }
        if self.logs.iter().any(|log| log.key.material() == line.key.material()) {
            return wrong("each key of a log once", key);
        }
        room(self.logs.len(), "logs")?;
        self.logs.push(line);
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: Option<&[u8]>) -> Result<(), Wrong> {
        let line = Line { name: Some(Name(name.to_vec())), key: key_of(key)?, url: url_of(url)? };
        if LOG_TYPES.contains(&line.key.type_byte()) {
            return wrong("the key of a witness (type 0x04), not a log's", key);
        }
        if self.witnesses.iter().any(|witness| witness.key.material() == line.key.material()) {
            return wrong("each key of a witness once", key);
        }
        room(self.witnesses.len(), "witnesses")?;
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(line);
        Ok(())
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], members: &[&[u8]]) -> Result<(), Wrong> {
        let count = members.len();
        let number = || {
            let number = std::str::from_utf8(threshold).ok().and_then(parse_decimal)?;
            usize::try_from(number).ok().filter(|number| (1..=count).contains(number))
        };
        let threshold = match threshold {
            b"all" => count,
            b"any" => 1,
            _ => number().map_or_else(|| wrong(format!("all, any, or a number from 1 to {count}"), threshold), Ok)?,
        };
        let mut known = Vec::with_capacity(count);
        for member in members {
            known.push(self.known(member)?);
            if !self.grouped.insert(member.to_vec()) {
                return wrong("each name in one group only, and once", member);
            }
        }
        room(self.groups.len(), "groups")?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { name: Name(name.to_vec()), threshold, members: known });
        Ok(())
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), Wrong> {
        if self.quorum.is_some() {
            return wrong("one quorum line", b"another one");
        }
        self.quorum = Some(if name == b"none" { None } else { Some(self.known(name)?) });
        Ok(())
    }

    fn known(&self, name: &[u8]) -> Result<Member, Wrong> {
        self.names.get(name).copied().map_or_else(|| wrong("a witness or group of a line before", name), Ok)
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), Wrong> {
        if name == b"none" || self.names.contains_key(name) {
            return wrong("a name that is not taken", name);
        }
        self.names.insert(name.to_vec(), member);
        Ok(())
    }
}

fn room(there: usize, what: &str) -> Result<(), Wrong> {
    if there < MAX_ITEMS { Ok(()) } else { wrong(format!("at most {MAX_ITEMS} {what}"), b"more") }
}

fn url_of(url: Option<&[u8]>) -> Result<Option<String>, Wrong> {
    let read = |url: &[u8]| String::from_utf8(url.to_vec()).or_else(|_| wrong("a url in UTF-8", url));
    url.map(read).transpose()
}

/// Reads a key; one of a type that is not known is kept as it is, and its key id cannot be checked.
fn key_of(text: &[u8]) -> Result<TrustKey, Wrong> {
    let Ok(vkey) = std::str::from_utf8(text) else { return wrong("a vkey", text) };
    if let Some(unknown) = unknown_key(vkey) {
        return Ok(unknown);
    }
    vkey.parse().map(TrustKey::Known).or_else(|error| wrong(format!("a vkey ({error})"), text))
}

fn unknown_key(vkey: &str) -> Option<TrustKey> {
    let mut parts = vkey.splitn(3, '+');
    let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = id.len() == 8 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let material = decode_base64(key).filter(|_| digits)?;
    let (ty, key) = material.split_first()?;
    let known = [VkeyType::Ed25519, VkeyType::Cosignature].iter().any(|known| known.byte() == *ty);
    let name = name.parse().ok().filter(|_| !known)?;
    Some(TrustKey::Unknown { name, ty: *ty, key: key.to_vec() })
}

#[cfg(test)]
mod tests;
