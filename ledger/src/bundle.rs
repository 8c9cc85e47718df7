//! Bundles: a ledger, or an extract of one, as a file that can be checked offline (SPEC §11).
//!
//! ```text
//! {"countersign_bundle":1,"ledger":"…","scope":"full","checkpoint":"…"}
//! {"seq":0,…}
//! {"seq":1,…}
//! {"disclosure":"…"}
//! {"withheld":{"start":2,"end":4,"hash":"…"}}
//! {"seq":4,…}
//! {"sealed":{"case":"…","path":["…"]}}
//! ```
//!
//! Lines end in LF, the last too; no CR, no empty line. Entry lines are the stored bytes, at most 65,535; other lines at
//! most 1 MiB (SPEC §12). A bundle may be compressed with zstd, window at most 8 MiB.
//!
//! [`BundleChunks`] writes a bundle in pieces, whole or an extract, [`write_full`] a whole one into a file;
//! [`read_bundle`] reads any. Reading checks
//! the form of the lines and their order and nothing else: whether a bundle is true is for the verifier to say.

mod read;
mod select;
mod write;

use serde_json::Value;

pub use read::{BundleLine, BundleLines, BundleReadError, read_bundle};
pub use select::LastLeaf;
pub use write::{BundleChunks, BundleError, CHUNK, Compression, Progress, write_full};

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::hash::{LedgerId, NodeHash, SealHash};
use crate::id::{CaseId, StreamId, Subject, TreeSize};
use crate::json::{self, JsonError};
use crate::keyed::KEY_BITS;
use crate::seal::{Instead, SealedLine};

/// The most bytes of a line that is no entry (SPEC §12).
pub const MAX_LINE: usize = 1 << 20;
/// The largest window of a compressed bundle: 2^23 bytes, 8 MiB (SPEC §11).
pub const WINDOW_LOG: u32 = 23;

/// What an exporter says that a bundle holds. Only `Full` is checked; the rest is its label (SPEC §11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every entry.
    Full,
    /// A case.
    Case(CaseId),
    /// One stream of a case.
    Stream(CaseId, Subject),
    /// What came after a size.
    Since(TreeSize),
}

/// The first line of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The ledger's id.
    pub ledger: LedgerId,
    /// What the bundle holds.
    pub scope: Scope,
    /// The checkpoint that its leaves lead to, as a signed note.
    pub checkpoint: String,
}

/// Leaves that are not shown: a complete subtree, by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withheld {
    /// The first leaf.
    pub start: u64,
    /// The first leaf after them; `end − start` is a power of two that divides `start`.
    pub end: u64,
    /// The subtree's hash.
    pub hash: NodeHash,
}

/// Tells why a line of a bundle that is no entry is not of its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Not strict JSON.
    #[error("not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// A member is missing, unknown, or not of its form.
    #[error("{path}: expected {expected}, found {found}")]
    Form {
        /// The JSON Pointer of the member.
        path: &'static str,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The bundle's version is later than 1.
    #[error("needs a newer version: the bundle is of version {found}")]
    Newer {
        /// The version.
        found: u64,
    },
    /// The checkpoint is none.
    #[error("/checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
}

impl Header {
    /// Writes the line, without its LF.
    #[must_use]
    pub fn line(&self) -> String {
        let scope = match &self.scope {
            Scope::Full => "\"full\"".to_owned(),
            Scope::Case(case) => format!("{{\"case\":\"{case}\"}}"),
            Scope::Stream(case, subject) => format!("{{\"case\":\"{case}\",\"subject\":\"{subject}\"}}"),
            Scope::Since(size) => format!("{{\"since\":{size}}}"),
        };
        let (ledger, checkpoint) = (self.ledger, Value::from(self.checkpoint.as_str()));
        format!("{{\"countersign_bundle\":1,\"ledger\":\"{ledger}\",\"scope\":{scope},\"checkpoint\":{checkpoint}}}")
    }

    /// Reads the line. The note's signatures are not checked.
    ///
    /// # Errors
    /// When it is not of its form, or of a later version.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        let value = json::parse(line, json::MAX_DEPTH)?;
        match value.get("countersign_bundle").and_then(Value::as_u64) {
            Some(1) => {}
            Some(found) if found > 1 => return Err(LineError::Newer { found }),
            _ => return Err(form("/countersign_bundle", "1", value.get("countersign_bundle"))),
        }
        closed(&value, "", "the four members of a bundle's first line", 4)?;
        let header = Self {
            ledger: text(&value, "/ledger", "a ledger id (64 lower-case hex digits)")?,
            scope: Scope::read(value.get("scope"))?,
            checkpoint: text(&value, "/checkpoint", "a signed note")?,
        };
        SignedCheckpoint::from_bytes(header.checkpoint.as_bytes())?;
        Ok(header)
    }

    /// Returns the number of leaves that the checkpoint is over.
    ///
    /// # Errors
    /// When the checkpoint is none.
    pub fn size(&self) -> Result<TreeSize, CheckpointError> {
        Ok(SignedCheckpoint::from_bytes(self.checkpoint.as_bytes())?.checkpoint().size)
    }
}

impl Scope {
    /// Returns the scope of one stream.
    #[must_use]
    pub fn of_stream(stream: &StreamId) -> Option<Self> {
        stream.case.clone().map(|case| Self::Stream(case, stream.subject.clone()))
    }

    fn read(value: Option<&Value>) -> Result<Self, LineError> {
        let other = || form("/scope", "\"full\", {\"case\":…}, {\"case\":…,\"subject\":…} or {\"since\":…}", value);
        let scope = value.ok_or_else(other)?;
        let case = || text(scope, "/case", "a case id").map_err(|_| other());
        match scope {
            Value::String(full) if full == "full" => Ok(Self::Full),
            Value::Object(members) => match members.len() {
                1 if members.contains_key("case") => Ok(Self::Case(case()?)),
                2 => Ok(Self::Stream(case()?, text(scope, "/subject", "a subject").map_err(|_| other())?)),
                1 => scope.get("since").and_then(Value::as_u64).map(|n| Self::Since(TreeSize(n))).ok_or_else(other),
                _ => Err(other()),
            },
            _ => Err(other()),
        }
    }
}

impl Withheld {
    /// Writes the line, without its LF.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { start, end, hash } = self;
        format!("{{\"withheld\":{{\"start\":{start},\"end\":{end},\"hash\":\"{hash}\"}}}}")
    }

    /// Reads the line.
    ///
    /// # Errors
    /// When it is not of its form, or the leaves are no complete subtree.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        let value = json::parse(line, json::MAX_DEPTH)?;
        closed(&value, "", "the member withheld", 1)?;
        let subtree = value.get("withheld").unwrap_or(&Value::Null);
        closed(subtree, "/withheld", "the members start, end and hash", 3)?;
        let number = |path| {
            let found = value.pointer(path);
            found.and_then(Value::as_u64).ok_or_else(|| form(path, "an integer, 0 or more", found))
        };
        let withheld = Self {
            start: number("/withheld/start")?,
            end: number("/withheld/end")?,
            hash: text(&value, "/withheld/hash", "64 lower-case hex digits")?,
        };
        let leaves = withheld.end.saturating_sub(withheld.start);
        if !leaves.is_power_of_two() || !withheld.start.is_multiple_of(leaves) {
            let expected = "start and end of a complete subtree (end − start a power of two that divides start)";
            return Err(form("/withheld", expected, Some(subtree)));
        }
        Ok(withheld)
    }
}

/// Writes the line of a disclosure, without its LF.
#[must_use]
pub fn disclosure_line(disclosure: &str) -> String {
    format!("{{\"disclosure\":{}}}", Value::from(disclosure))
}

fn parse_disclosure(line: &[u8]) -> Result<String, LineError> {
    let value = json::parse(line, json::MAX_DEPTH)?;
    closed(&value, "", "the member disclosure", 1)?;
    text(&value, "/disclosure", "a disclosure (base64url)")
}

/// Reads the line that proves something by a seal (SPEC §15). Whether it does is for the verifier to say.
fn parse_sealed(line: &[u8]) -> Result<SealedLine, LineError> {
    let value = json::parse(line, json::MAX_DEPTH)?;
    closed(&value, "", "the member sealed", 1)?;
    let sealed = value.get("sealed").unwrap_or(&Value::Null);
    let has = |name: &str| sealed.get(name).is_some();
    let members = 2 + ["subject", "within", "instead"].into_iter().filter(|name| has(name)).count();
    closed(sealed, "/sealed", "case and path, and at most subject, within and instead", members)?;
    if has("within") && !has("subject") {
        return Err(form("/sealed/within", "a subject beside it", sealed.get("within")));
    }
    let case = match sealed.get("case") {
        Some(Value::Null) => None,
        _ => Some(text(&value, "/sealed/case", "a case id or null")?),
    };
    let subject = if has("subject") { Some(text(&value, "/sealed/subject", "a subject")?) } else { None };
    let within = if has("within") { Some(way(&value, "/sealed/within")?) } else { None };
    let instead = match sealed.get("instead") {
        None => None,
        Some(Value::Null) => Some(Instead::Nothing),
        Some(pair) => {
            closed(pair, "/sealed/instead", "null, or the members key and value", 2)?;
            Some(Instead::Pair {
                key: text(&value, "/sealed/instead/key", "64 lower-case hex digits")?,
                value: text(&value, "/sealed/instead/value", "64 lower-case hex digits")?,
            })
        }
    };
    if subject.is_some() && within.is_none() && instead.is_none() {
        return Err(form("/sealed", "within or instead beside subject", Some(sealed)));
    }
    Ok(SealedLine { case, subject, within, path: way(&value, "/sealed/path")?, instead })
}

/// Reads the siblings on a way down a keyed tree.
fn way(value: &Value, path: &'static str) -> Result<Vec<SealHash>, LineError> {
    let found = value.pointer(path);
    let wrong = || form(path, "an array of 0 to 256 hashes", found);
    let hashes = found.and_then(Value::as_array).filter(|hashes| hashes.len() <= KEY_BITS).ok_or_else(wrong)?;
    hashes.iter().map(|hash| hash.as_str().and_then(|hash| hash.parse().ok()).ok_or_else(wrong)).collect()
}

fn form(path: &'static str, expected: &'static str, found: Option<&Value>) -> LineError {
    let found = found.map_or_else(|| "nothing".to_owned(), |v| v.to_string().chars().take(120).collect());
    LineError::Form { path, expected, found }
}

fn closed(value: &Value, path: &'static str, expected: &'static str, count: usize) -> Result<(), LineError> {
    match value.as_object() {
        Some(members) if members.len() == count => Ok(()),
        _ => Err(form(path, expected, Some(value))),
    }
}

fn text<T: std::str::FromStr>(value: &Value, path: &'static str, expected: &'static str) -> Result<T, LineError> {
    let found = value.pointer(path);
    found.and_then(Value::as_str).and_then(|text| text.parse().ok()).ok_or_else(|| form(path, expected, found))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOTE: &str =
        "ledger.example/a\n8\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— ledger.example/a AAAAAAAA\n";

    fn header(scope: Scope) -> Header {
        Header { ledger: LedgerId::from_bytes([7; 32]), scope, checkpoint: NOTE.to_owned() }
    }

    #[test]
    fn headers_come_back() {
        let case = || "us-dsca.xa-b-uaa".parse::<CaseId>().unwrap();
        let subject: Subject = "consignment/2026-1".parse().unwrap();
        for scope in [
            Scope::Full,
            Scope::Case(case()),
            Scope::Stream(case(), subject),
            Scope::Since(TreeSize(0)),
            Scope::Since(TreeSize(77)),
        ] {
            let header = header(scope);
            assert_eq!(Header::parse(header.line().as_bytes()).unwrap(), header);
            assert_eq!(header.size().unwrap(), TreeSize(8));
        }
        assert!(header(Scope::Full).line().contains("\\n\\n— ledger"), "the dash stands as it is");
    }

    #[test]
    fn other_headers_are_refused() {
        let line = header(Scope::Full).line();
        for other in [
            line.replace("bundle\":1", "bundle\":0"),
            line.replace("bundle\":1", "bundle\":\"1\""),
            line.replace("\"full\"", "\"all\""),
            line.replace("\"full\"", "{\"case\":\"A\"}"),
            line.replace("\"full\"", "{\"since\":-1}"),
            line.replace("\"full\"", "{\"case\":\"a\",\"since\":1}"),
            line.replace("\"full\"", "{\"case\":\"a\",\"subject\":\"a/b\",\"since\":1}"),
            line.replace("\"full\"", "{}"),
            line.replace("\"scope\":\"full\"", "\"scope\":\"full\",\"scope\":\"full\""),
            line.replace("\"scope\":\"full\"", "\"scope\":\"full\",\"x\":1"),
            line.replace("\"scope\":\"full\",", ""),
            line.replace("0707", "07"),
            line.replace("\\n8\\n", "\\n08\\n"),
            format!(" {line}"),
            "[]".to_owned(),
            String::new(),
        ] {
            assert!(Header::parse(other.as_bytes()).is_err(), "{other}");
        }
        let newer = Header::parse(line.replace("bundle\":1", "bundle\":2").as_bytes());
        assert_eq!(newer, Err(LineError::Newer { found: 2 }));
    }

    #[test]
    fn withheld_leaves_are_complete_subtrees() {
        let withheld = |start, end| Withheld { start, end, hash: NodeHash::from_bytes([3; 32]) };
        for good in [withheld(2, 3), withheld(4, 8), withheld(1 << 51, 1 << 52)] {
            assert!(Withheld::parse(good.line().as_bytes()).is_ok_and(|found| found == good), "{good:?}");
        }
        for bad in [withheld(2, 2), withheld(3, 2), withheld(2, 6), withheld(4, 7)] {
            assert!(Withheld::parse(bad.line().as_bytes()).is_err(), "{bad:?}");
        }
        let line = withheld(4, 8).line();
        for bad in [line.replace("4", "\"4\""), line.replace(",\"end\":8", ""), line.replace("}}", ",\"x\":1}}")] {
            assert!(Withheld::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
