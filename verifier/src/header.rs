//! The first line of a bundle and its `withheld` lines (SPEC §11).

use crate::checkpoint::Checkpoint;
use crate::event::Subject;
use crate::fields::{Fields, Malformed, shown};
use crate::hash::Hash;
use crate::json::{MAX_INTEGER, Value, parse};
use crate::scalar::is_id;

/// What the exporter says that the bundle covers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The whole ledger.
    Full,
    /// A case.
    Case(String),
    /// A stream of a case.
    Stream(String, String),
    /// What came after a size.
    Since(u64),
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::Full => f.write_str("the whole ledger"),
            Scope::Case(case) => write!(f, "case {case}"),
            Scope::Stream(case, subject) => write!(f, "{subject} in case {case}"),
            Scope::Since(size) => write!(f, "entries from {size} on"),
        }
    }
}

/// The first line of a bundle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The ledger that the exporter names.
    pub ledger: Hash,
    /// What it covers.
    pub scope: Scope,
    /// The checkpoint over it.
    pub checkpoint: Checkpoint,
}

/// Why a first line is no header of this version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HeaderError {
    /// A later version of the format made it.
    Newer(i64),
    /// It is not of the stated form.
    Malformed(Malformed),
}

impl From<Malformed> for HeaderError {
    fn from(fault: Malformed) -> HeaderError {
        HeaderError::Malformed(fault)
    }
}

/// The JSON of a line that is no entry.
pub(crate) fn json<'a>(line: &'a [u8], what: &str) -> Result<Value<'a>, Malformed> {
    parse(line, 3).map_err(|e| {
        Malformed::new(
            format!("{what} byte {}", e.offset),
            e.expected,
            crate::escape::quoted_bytes(&line[e.offset..line.len().min(e.offset + 24)]),
        )
    })
}

impl Header {
    /// Reads the first line.
    ///
    /// # Errors
    /// Names the first member that is not as SPEC §11 says, or the newer version.
    pub fn parse(line: &[u8]) -> Result<Header, HeaderError> {
        let value = json(line, "header")?;
        let mut fields = Fields::of("header", &value)?;
        match fields.required("countersign_bundle")? {
            Value::Int(1) => {}
            Value::Int(n) if *n >= 2 => return Err(HeaderError::Newer(*n)),
            other => return Err(fields.fault("countersign_bundle", "1", other).into()),
        }
        let ledger = fields.hash("ledger")?;
        let scope = scope(fields.required("scope")?)?;
        let note = fields.text("checkpoint", "a checkpoint", |_| true)?;
        let checkpoint =
            Checkpoint::parse_plain(note).map_err(|e| Malformed::new("header/checkpoint", e.expected, e.found))?;
        if checkpoint.size == 0 {
            return Err(Malformed::new("header/checkpoint", "a size from 1 to 2^53−1", "0").into());
        }
        fields.finish()?;
        Ok(Header { ledger, scope, checkpoint })
    }
}

fn scope(value: &Value<'_>) -> Result<Scope, Malformed> {
    if let Value::Str(text) = value {
        return if text == "full" {
            Ok(Scope::Full)
        } else {
            Err(Malformed::new("header/scope", "\"full\"", shown(value)))
        };
    }
    let mut fields = Fields::of("header/scope", value)?;
    let scope = if value.member("since").is_some() {
        Scope::Since(fields.integer("since", 0, MAX_INTEGER)?.unsigned_abs())
    } else {
        let case = fields.text("case", "an id", is_id)?.to_owned();
        let form = |text: &str| Subject::parse(text).is_some();
        match fields.optional_text("subject", "type/id", form)? {
            None => Scope::Case(case),
            Some(subject) => Scope::Stream(case, subject.to_owned()),
        }
    };
    fields.finish()?;
    Ok(scope)
}

/// A subtree whose leaves are not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Withheld {
    /// The first leaf.
    pub start: u64,
    /// 2^height leaves.
    pub height: u32,
    /// The subtree's root.
    pub hash: Hash,
}

impl Withheld {
    /// What such a line starts with.
    pub const PREFIX: &'static [u8] = b"{\"withheld\":";

    /// Reads a `withheld` line.
    ///
    /// # Errors
    /// Names the member that is not as SPEC §11 says.
    pub fn parse(line: &[u8]) -> Result<Withheld, Malformed> {
        let value = json(line, "withheld")?;
        let mut outer = Fields::of("", &value)?;
        let withheld = Withheld::of("/withheld", outer.required("withheld")?)?;
        outer.finish()?;
        Ok(withheld)
    }

    /// Reads the object of start, end and hash that stands at `path`.
    ///
    /// # Errors
    /// Names the member that is not as SPEC §11 says.
    pub fn of(path: &str, value: &Value<'_>) -> Result<Withheld, Malformed> {
        let mut fields = Fields::of(path.to_owned(), value)?;
        let start = fields.integer("start", 0, MAX_INTEGER)?.unsigned_abs();
        let end = fields.integer("end", 0, MAX_INTEGER)?.unsigned_abs();
        let hash = fields.hash("hash")?;
        fields.finish()?;
        let length = end.saturating_sub(start);
        if !length.is_power_of_two() || !start.is_multiple_of(length) {
            return Err(Malformed::new(
                path,
                "end − start a power of two that divides start",
                format!("{start} to {end}"),
            ));
        }
        Ok(Withheld { start, height: length.ilog2(), hash })
    }

    /// How many leaves it stands for.
    pub fn leaves(&self) -> u64 {
        1 << self.height
    }
}

/// Reads a `{"disclosure":"…"}` line.
///
/// # Errors
/// If it is anything else.
pub fn parse_disclosure(line: &[u8]) -> Result<String, Malformed> {
    let value = json(line, "disclosure")?;
    let mut fields = Fields::of("", &value)?;
    let text = fields.text("disclosure", "a text", |_| true)?.to_owned();
    fields.finish()?;
    Ok(text)
}
