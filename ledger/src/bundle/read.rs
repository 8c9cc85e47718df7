//! Reading a bundle line by line: compressed or not, bounded, in order.

use std::io::{self, BufRead, BufReader, Read};

use zstd::stream::read::Decoder;

use super::{Header, LineError, MAX_LINE, Scope, WINDOW_LOG, Withheld, parse_disclosure, parse_sealed};
use crate::checkpoint::CheckpointError;
use crate::entry::{Entry, EntryError, MAX_ENTRY};
use crate::event::Event;
use crate::id::TreeSize;
use crate::seal::{SEAL_KIND, SealedLine};

/// The most `sealed` lines of a bundle (SPEC §12).
const MAX_SEALED: usize = 1_024;

/// Tells what is wrong with a bundle, and in which line (from 1).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleReadError {
    /// It cannot be read, or not be decompressed.
    #[error("line {line}: {source}")]
    Io {
        /// The line.
        line: u64,
        /// What the reader said.
        source: io::Error,
    },
    /// Over a limit of SPEC §12.
    #[error("line {line}: limit {name} {limit}: found more bytes")]
    Limit {
        /// The line.
        line: u64,
        /// The limit's name.
        name: &'static str,
        /// Its value.
        limit: usize,
    },
    /// An entry line is none.
    #[error("line {line}: {source}")]
    Entry {
        /// The line.
        line: u64,
        /// What is wrong.
        source: EntryError,
    },
    /// Another line is not of its form.
    #[error("line {line}: {source}")]
    Line {
        /// The line.
        line: u64,
        /// What is wrong.
        source: LineError,
    },
    /// Something else was expected here.
    #[error("line {line}: expected {expected}, found {found}")]
    Order {
        /// The line.
        line: u64,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
}

/// One line of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleLine {
    /// The first line.
    Header(Header),
    /// An entry that is shown.
    Entry(Box<Entry>),
    /// A disclosure of the entry before it.
    Disclosure(String),
    /// Leaves that are not shown.
    Withheld(Withheld),
    /// What the seal before it proves.
    Sealed(Box<SealedLine>),
}

/// Reads a bundle, compressed (any number of zstd frames) or not. The first line is read first: it says which ledger,
/// and how many leaves follow.
pub fn read_bundle<R: BufRead>(input: R) -> BundleLines<R> {
    BundleLines { input: Input::Unknown(Some(input)), line: 0, place: Place::Start, sealed: 0, buffer: Vec::new() }
}

/// The lines of a bundle, each checked for its form and its place; made by [`read_bundle`]. Ends after the last line,
/// or the first error.
pub struct BundleLines<R: BufRead> {
    input: Input<R>,
    line: u64,
    place: Place,
    /// How many lines of seals there were.
    sealed: usize,
    buffer: Vec<u8>,
}

enum Input<R: BufRead> {
    Unknown(Option<R>),
    Plain(R),
    Zstd(BufReader<Decoder<'static, R>>),
}

/// Where in a bundle the reader stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    Start,
    Leaves { next: u64, size: u64, full: bool, after: After },
    End,
}

/// What the line before is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// An entry: its disclosures may follow.
    Entry,
    /// A seal: so may what it proves.
    Seal,
    /// What a seal proves: its disclosures would have come before.
    Proof,
    /// Nothing of an entry.
    Nothing,
}

impl<R: BufRead> Iterator for BundleLines<R> {
    type Item = Result<BundleLine, BundleReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.place, Place::End) {
            return None;
        }
        self.line += 1;
        let item = self.read().transpose();
        if !matches!(item, Some(Ok(_))) {
            self.place = Place::End;
        }
        item
    }
}

impl<R: BufRead> BundleLines<R> {
    fn read(&mut self) -> Result<Option<BundleLine>, BundleReadError> {
        if !self.take_line()? {
            return self.end().map(|()| None);
        }
        let bytes = self.buffer.as_slice();
        let line = self.line;
        let wrong = |source| BundleReadError::Line { line, source };
        let read = match self.place {
            Place::Start => {
                let header = Header::parse(bytes).map_err(wrong)?;
                let size = header.size().map_err(|e: CheckpointError| wrong(e.into()))?;
                if size == TreeSize(0) {
                    return Err(self.order("a checkpoint of one entry or more", "one of none"));
                }
                let full = header.scope == Scope::Full;
                self.place = Place::Leaves { next: 0, size: size.0, full, after: After::Nothing };
                BundleLine::Header(header)
            }
            _ if bytes.starts_with(b"{\"seq\"") => {
                let entry = Entry::parse(bytes).map_err(|source| BundleReadError::Entry { line, source })?;
                let after = if is_seal(&entry) { After::Seal } else { After::Entry };
                self.advance(entry.seq.0, entry.seq.0.saturating_add(1), after)?;
                BundleLine::Entry(Box::new(entry))
            }
            _ if bytes.starts_with(b"{\"disclosure\"") => {
                let disclosure = parse_disclosure(bytes).map_err(wrong)?;
                if !matches!(self.place, Place::Leaves { after: After::Entry | After::Seal, .. }) {
                    return Err(self.order("an entry or withheld leaves", "a disclosure of no entry"));
                }
                BundleLine::Disclosure(disclosure)
            }
            _ if bytes.starts_with(b"{\"withheld\"") => {
                let withheld = Withheld::parse(bytes).map_err(wrong)?;
                self.advance(withheld.start, withheld.end, After::Nothing)?;
                BundleLine::Withheld(withheld)
            }
            _ if bytes.starts_with(b"{\"sealed\"") => {
                let sealed = parse_sealed(bytes).map_err(wrong)?;
                self.sealed += 1;
                if self.sealed > MAX_SEALED {
                    return Err(BundleReadError::Limit { line, name: "sealed lines", limit: MAX_SEALED });
                }
                match &mut self.place {
                    Place::Leaves { after: after @ (After::Seal | After::Proof), .. } => *after = After::Proof,
                    _ => return Err(self.order("an entry or withheld leaves", "what a seal proves, and no seal")),
                }
                BundleLine::Sealed(Box::new(sealed))
            }
            _ => {
                let start: String = String::from_utf8_lossy(bytes).chars().take(40).collect();
                return Err(self.order("an entry, a disclosure or withheld leaves", format!("{start:?}")));
            }
        };
        Ok(Some(read))
    }

    /// Goes on by the leaves of a line, if they are those that come next.
    fn advance(&mut self, start: u64, end: u64, then: After) -> Result<(), BundleReadError> {
        let Place::Leaves { next, size, full, after } = &mut self.place else { return Ok(()) };
        if start != *next || end > *size {
            let expected =
                if *next == *size { format!("the end after {size} leaves") } else { format!("leaf {next} of {size}") };
            let found = if start == *next { format!("leaves to {end}") } else { format!("leaf {start}") };
            return Err(self.order(expected, found));
        }
        if then == After::Nothing && (*full || start == 0) {
            let expected = if *full { "every entry in a full bundle" } else { "entry 0" };
            return Err(self.order(expected, "withheld leaves"));
        }
        (*next, *after) = (end, then);
        Ok(())
    }

    /// Checks that nothing is missing where the input ends.
    fn end(&self) -> Result<(), BundleReadError> {
        match self.place {
            Place::Start => Err(self.order("the first line of a bundle", "nothing")),
            Place::Leaves { next, size, .. } if next < size => {
                Err(self.order(format!("leaf {next} of {size}"), "the end of the bundle"))
            }
            _ => Ok(()),
        }
    }

    fn order(&self, expected: impl Into<String>, found: impl Into<String>) -> BundleReadError {
        BundleReadError::Order { line: self.line, expected: expected.into(), found: found.into() }
    }

    /// Reads the next line into the buffer, without its LF; `false` at the end of the input.
    fn take_line(&mut self) -> Result<bool, BundleReadError> {
        let line = self.line;
        self.buffer.clear();
        let limit = MAX_LINE as u64 + 1;
        let io = |source| BundleReadError::Io { line, source };
        self.input.detect().map_err(io)?;
        match &mut self.input {
            Input::Plain(input) => input.take(limit).read_until(b'\n', &mut self.buffer),
            Input::Zstd(input) => input.take(limit).read_until(b'\n', &mut self.buffer),
            Input::Unknown(_) => Ok(0),
        }
        .map_err(io)?;
        if self.buffer.is_empty() {
            return Ok(false);
        }
        if self.buffer.pop_if(|last| *last == b'\n').is_none() {
            if self.buffer.len() > MAX_LINE {
                return Err(BundleReadError::Limit { line, name: "bundle line", limit: MAX_LINE });
            }
            return Err(self.order("LF at the end of the last line", "the end of the bundle"));
        }
        if self.buffer.len() > MAX_ENTRY && self.buffer.starts_with(b"{\"seq\"") {
            return Err(BundleReadError::Limit { line, name: "entry", limit: MAX_ENTRY });
        }
        if self.buffer.is_empty() {
            return Err(self.order("a line", "an empty line"));
        }
        if self.buffer.contains(&b'\r') {
            return Err(self.order("a line without CR", "CR"));
        }
        Ok(true)
    }
}

/// Tells whether an entry is a seal. What is certainly none is not read.
fn is_seal(entry: &Entry) -> bool {
    let payload = entry.envelope.payload();
    // a name is written with these letters, or with an escape
    let may_be = payload.windows(6).any(|window| window == b"sealed") || payload.contains(&b'\\');
    may_be && Event::of_envelope(&entry.envelope).is_ok_and(|event| event.kind.as_str() == SEAL_KIND)
}

impl<R: BufRead> Input<R> {
    /// Looks at the first byte: a bundle begins with `{`, a zstd frame (RFC 8878) with 0x28.
    fn detect(&mut self) -> io::Result<()> {
        let Self::Unknown(input) = self else { return Ok(()) };
        let Some(mut input) = input.take() else { return Ok(()) };
        *self = if input.fill_buf()?.first() == Some(&0x28) {
            let mut decoder = Decoder::with_buffer(input)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Self::Zstd(BufReader::new(decoder))
        } else {
            Self::Plain(input)
        };
        Ok(())
    }
}
