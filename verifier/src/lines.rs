//! Lines of a bundle (SPEC §11), read in batches with bounded memory: an entry line with the disclosure lines that
//! follow it is one group and is never split.

use std::io::{self, BufRead, Read};

use crate::disclosure::{MAX_DISCLOSURE_BYTES, MAX_DISCLOSURES};
use crate::hash::{Hash, LeafHasher};

/// The longest line of a bundle, in bytes (SPEC §12).
pub const MAX_LINE: usize = 1 << 20;
/// A batch is full at this many groups or bytes, whichever comes first.
const BATCH_GROUPS: usize = 512;
const BATCH_BYTES: usize = 2 << 20;

const DISCLOSURE: &[u8] = b"{\"disclosure\":";

/// A line and where its bytes are in the batch.
#[derive(Clone, Debug)]
pub struct Line {
    /// The line's number in the file, from 1.
    pub number: u64,
    start: usize,
    end: usize,
    /// Whether a newline ended it.
    pub ended: bool,
    /// The leaf hash and length of a line that was too long to keep.
    pub overlong: Option<(Hash, u64)>,
}

impl Line {
    /// The bytes without the newline; for an overlong line, its beginning.
    pub fn bytes<'b>(&self, batch: &'b [u8]) -> &'b [u8] {
        &batch[self.start..self.end]
    }
}

/// A line that may stand alone, and the disclosure lines after it.
#[derive(Clone, Debug)]
pub struct Group {
    /// The line.
    pub line: Line,
    /// Its disclosures.
    pub disclosures: Vec<Line>,
    /// The first disclosure line that went over the limits and was not kept.
    pub dropped: Option<u64>,
}

/// Some groups of a bundle, with the bytes that they point into.
#[derive(Debug, Default)]
pub struct Batch {
    /// The bytes of all lines.
    pub bytes: Vec<u8>,
    /// The groups.
    pub groups: Vec<Group>,
}

/// Reads lines and puts them into batches.
pub struct LineReader<R> {
    source: R,
    number: u64,
    /// A line that starts the next batch.
    waiting: Option<(Vec<u8>, Line)>,
    /// The file's last line was read.
    done: bool,
}

impl<R: BufRead> LineReader<R> {
    /// Starts at the first line.
    pub fn new(source: R) -> LineReader<R> {
        LineReader { source, number: 0, waiting: None, done: false }
    }

    /// The number of the line that would be read next.
    pub fn next_number(&self) -> u64 {
        self.number + 1
    }

    /// Reads one line and appends its bytes to `buffer`; `None` at the end.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn line(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<Line>> {
        let start = buffer.len();
        let limit = u64::try_from(MAX_LINE + 1).unwrap_or(u64::MAX);
        let read = (&mut self.source).take(limit).read_until(b'\n', buffer)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let ended = buffer.last() == Some(&b'\n');
        if ended {
            buffer.pop();
        }
        let overlong = if !ended && read > MAX_LINE { Some(self.skip_rest(&buffer[start..])?) } else { None };
        Ok(Some(Line { number: self.number, start, end: buffer.len(), ended: ended || overlong.is_some(), overlong }))
    }

    /// Hashes the rest of a line that is too long, keeping none of it.
    fn skip_rest(&mut self, head: &[u8]) -> io::Result<(Hash, u64)> {
        let mut hasher = LeafHasher::new();
        hasher.update(head);
        let mut length = head.len() as u64;
        loop {
            let bytes = self.source.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            let end = bytes.iter().position(|b| *b == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            hasher.update(part);
            length += part.len() as u64;
            let used = part.len() + usize::from(end.is_some());
            self.source.consume(used);
            if end.is_some() {
                break;
            }
        }
        Ok((hasher.finish(), length))
    }

    /// Reads the next batch; `None` at the end.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn batch(&mut self) -> io::Result<Option<Batch>> {
        let mut batch = Batch::default();
        if let Some((bytes, line)) = self.waiting.take() {
            batch.bytes = bytes;
            batch.push(line);
        }
        while !self.done {
            let start = batch.bytes.len();
            let Some(mut line) = self.line(&mut batch.bytes)? else {
                self.done = true;
                break;
            };
            if line.bytes(&batch.bytes).starts_with(DISCLOSURE)
                && let Some(group) = batch.groups.last_mut()
            {
                if !group.disclose(line) {
                    batch.bytes.truncate(start);
                }
                continue;
            }
            if batch.groups.len() >= BATCH_GROUPS || start >= BATCH_BYTES {
                let bytes = batch.bytes.split_off(start);
                line.end -= line.start;
                line.start = 0;
                self.waiting = Some((bytes, line));
                break;
            }
            batch.push(line);
        }
        Ok((!batch.groups.is_empty()).then_some(batch))
    }
}

impl Batch {
    fn push(&mut self, line: Line) {
        self.groups.push(Group { line, disclosures: Vec::new(), dropped: None });
    }
}

impl Group {
    /// Keeps a disclosure line, unless that goes over the limits of an event.
    fn disclose(&mut self, line: Line) -> bool {
        let have: usize = self.disclosures.iter().map(|d| d.end - d.start).sum();
        let room = self.disclosures.len() < MAX_DISCLOSURES
            // the wrapping of each line does not count towards the limit of the strings
            && have <= MAX_DISCLOSURE_BYTES + MAX_DISCLOSURES * 20;
        if self.dropped.is_some() || !room {
            self.dropped.get_or_insert(line.number);
            return false;
        }
        self.disclosures.push(line);
        true
    }
}
