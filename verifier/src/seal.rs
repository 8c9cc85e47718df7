//! Seals (SPEC §15): the body of `streams.sealed`, `sealed` lines, and the hashes between a record and a root.

use crate::event::Subject;
use crate::fields::{Fields, Malformed, shown};
use crate::hash::{EventHash, Hash, sha256};
use crate::header::json;
use crate::json::{MAX_INTEGER, Value};
use crate::scalar::is_id;

/// The kind of a seal.
pub const SEALED: &str = "streams.sealed";
/// The most `sealed` lines of a bundle (SPEC §12).
pub const MAX_SEALED_LINES: u32 = 1_024;
/// The longest way down a keyed tree: one step a bit of a key.
const MAX_PATH: usize = 256;

/// What a seal says of the entries before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SealBody {
    /// How many entries are before it: its own position.
    pub size: u64,
    /// How many streams they have.
    pub streams: u64,
    /// The root over these streams.
    pub root: Hash,
}

impl SealBody {
    /// Reads the body of a seal.
    ///
    /// # Errors
    /// Names the member that is not as SPEC §15 says.
    pub fn read(body: &Value<'_>) -> Result<SealBody, Malformed> {
        let mut fields = Fields::of("/body", body)?;
        let size = fields.integer("size", 0, MAX_INTEGER)?.unsigned_abs();
        let streams = fields.integer("streams", 0, MAX_INTEGER)?.unsigned_abs();
        let root = fields.hash("root")?;
        fields.finish()?;
        Ok(SealBody { size, streams, root })
    }
}

/// What stands in the tree in place of what is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instead {
    /// Nothing at all.
    Nothing,
    /// One other pair.
    Pair(Hash, Hash),
}

/// A `sealed` line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedLine {
    /// The case; `None` for the streams without one.
    pub case: Option<String>,
    /// The subject; `None` for all streams of the case.
    pub subject: Option<String>,
    /// The siblings from the case's tree down to the stream.
    pub within: Option<Vec<Hash>>,
    /// The siblings from the root down to the case.
    pub path: Vec<Hash>,
    /// What is in its place, where it is not in the tree.
    pub instead: Option<Instead>,
}

impl SealedLine {
    /// What such a line starts with.
    pub const PREFIX: &'static [u8] = b"{\"sealed\":";

    /// Reads a `sealed` line.
    ///
    /// # Errors
    /// Names the member that is not as SPEC §15 says.
    pub fn parse(line: &[u8]) -> Result<SealedLine, Malformed> {
        let value = json(line, "sealed")?;
        let mut outer = Fields::of("", &value)?;
        let mut inner = Fields::of("/sealed", outer.required("sealed")?)?;
        let case = match inner.required("case")? {
            Value::Null => None,
            _ => Some(inner.text("case", "an id or null", is_id)?.to_owned()),
        };
        let form = |text: &str| Subject::parse(text).is_some();
        let subject = inner.optional_text("subject", "type/id", form)?.map(str::to_owned);
        let within = match (inner.optional("within"), &subject) {
            (None, _) => None,
            (Some(_), Some(_)) => Some(path(&mut inner, "within")?),
            (Some(value), None) => return Err(inner.fault("within", "a subject beside it", value)),
        };
        let path = path(&mut inner, "path")?;
        let instead = match inner.optional("instead") {
            None => None,
            Some(Value::Null) => Some(Instead::Nothing),
            Some(value) => {
                let mut pair = Fields::of("/sealed/instead", value)?;
                let instead = Instead::Pair(pair.hash("key")?, pair.hash("value")?);
                pair.finish()?;
                Some(instead)
            }
        };
        inner.finish()?;
        outer.finish()?;
        Ok(SealedLine { case, subject, within, path, instead })
    }
}

fn path(fields: &mut Fields<'_, '_>, name: &str) -> Result<Vec<Hash>, Malformed> {
    let items = fields.array(name)?;
    if items.len() > MAX_PATH {
        return Err(Malformed::new(
            fields.path_of(name),
            format!("at most {MAX_PATH} hashes"),
            items.len().to_string(),
        ));
    }
    let hash = |(at, item): (usize, &Value<'_>)| {
        item.as_str().and_then(|text| Hash::from_hex(text.as_bytes())).ok_or_else(|| {
            Malformed::new(format!("{}/{at}", fields.path_of(name)), "64 lower-case hex digits", shown(item))
        })
    };
    items.iter().enumerate().map(hash).collect()
}

/// The record of a stream: how many events, the latest; how many entries that speak of it, the latest of these.
pub fn record(events: u64, head: EventHash, spoken: Option<(u64, EventHash)>) -> Hash {
    let (about, last) = spoken.map_or((0, Hash::ZERO), |(about, last)| (about, last.0));
    sha256(&[&[5], &events.to_be_bytes(), head.0.as_bytes(), &about.to_be_bytes(), last.as_bytes()])
}

/// K of no pair.
pub fn nothing() -> Hash {
    sha256(&[&[2]])
}

/// K of one pair, at any depth.
pub fn pair(key: &Hash, value: &Hash) -> Hash {
    sha256(&[&[3], key.as_bytes(), value.as_bytes()])
}

/// K of more pairs, from both halves.
pub fn branch(zero: &Hash, one: &Hash) -> Hash {
    sha256(&[&[4], zero.as_bytes(), one.as_bytes()])
}

/// Bit `at` of a key; bit 0 is the most significant of the first byte.
pub fn bit(key: &Hash, at: usize) -> bool {
    key.as_bytes()[at / 8] >> (7 - at % 8) & 1 == 1
}

/// Goes up from K at the end of a way to the root, past the siblings.
pub fn climb(key: &Hash, end: Hash, siblings: &[Hash]) -> Hash {
    siblings.iter().enumerate().rev().fold(end, |below, (depth, sibling)| {
        if bit(key, depth) { branch(sibling, &below) } else { branch(&below, sibling) }
    })
}

/// K at the end of the way to a key that is not in the tree; `None` where the pair there does not say so.
pub fn absent(key: &Hash, instead: Instead, depth: usize) -> Option<Hash> {
    match instead {
        Instead::Nothing => Some(nothing()),
        Instead::Pair(other, value) => {
            let another = other != *key && (0..depth).all(|at| bit(&other, at) == bit(key, at));
            another.then(|| pair(&other, &value))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_count_from_the_most_significant() {
        let mut bytes = [0; 32];
        bytes[0] = 0b0100_0000;
        bytes[31] = 1;
        let key = Hash::from_bytes(bytes);
        let set: Vec<usize> = (0..256).filter(|at| bit(&key, *at)).collect();
        assert_eq!(set, [1, 255]);
    }

    #[test]
    fn a_line_of_another_form_is_refused() {
        let hash = "ab".repeat(32);
        let path = format!("[\"{hash}\"]");
        let cases = [
            (format!("{{\"sealed\":{{\"case\":\"a.b\",\"path\":{path}}}}}"), true),
            (r#"{"sealed":{"case":null,"path":[],"instead":null}}"#.to_owned(), true),
            (format!("{{\"sealed\":{{\"case\":null,\"subject\":\"x/y\",\"within\":[],\"path\":{path}}}}}"), true),
            (
                format!(
                    "{{\"sealed\":{{\"case\":null,\"subject\":\"x/y\",\"path\":{path},\"instead\":{{\"key\":\"{hash}\",\"value\":\"{hash}\"}}}}}}"
                ),
                true,
            ),
            (format!("{{\"sealed\":{{\"case\":\"A\",\"path\":{path}}}}}"), false),
            (format!("{{\"sealed\":{{\"path\":{path}}}}}"), false),
            (format!("{{\"sealed\":{{\"case\":null,\"within\":[],\"path\":{path}}}}}"), false),
            (format!("{{\"sealed\":{{\"case\":null,\"subject\":\"x\",\"path\":{path}}}}}"), false),
            (format!("{{\"sealed\":{{\"case\":null,\"subject\":null,\"path\":{path}}}}}"), false),
            (format!("{{\"sealed\":{{\"case\":null,\"path\":[\"{}\"]}}}}", "AB".repeat(32)), false),
            (format!("{{\"sealed\":{{\"case\":null,\"path\":{path},\"instead\":{{\"key\":\"{hash}\"}}}}}}"), false),
            (format!("{{\"sealed\":{{\"case\":null,\"path\":{path},\"more\":1}}}}"), false),
            (format!("{{\"sealed\":{{\"case\":null,\"path\":{path}}},\"more\":1}}"), false),
        ];
        for (line, good) in cases {
            assert_eq!(SealedLine::parse(line.as_bytes()).is_ok(), good, "{line}");
        }
        let long = |n: usize| {
            format!("{{\"sealed\":{{\"case\":null,\"path\":[{}]}}}}", vec![format!("\"{hash}\""); n].join(","))
        };
        assert!(SealedLine::parse(long(256).as_bytes()).is_ok());
        let fault = SealedLine::parse(long(257).as_bytes()).expect_err("one too many");
        assert_eq!((fault.path.as_str(), fault.found.as_str()), ("/sealed/path", "257"));
    }
}
