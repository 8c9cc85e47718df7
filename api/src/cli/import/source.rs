//! The bytes of an input file: unpacked, in UTF-8, and never more of one row than the limit.
//!
//! Gzip is told by its first bytes, whatever the file is called. A byte-order mark names the encoding and wins over the
//! map's. UTF-8 is passed through as it is, so that a wrong byte is found and told with its row; other encodings are
//! decoded here, and what they cannot mean becomes U+FFFD, which rows refuse.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use flate2::bufread::MultiGzDecoder;

/// The most bytes of one row.
pub(crate) const MAX_ROW: usize = 1 << 20;
const CHUNK: usize = 64 << 10;

/// How many bytes of the file have been read, for a progress bar.
#[derive(Debug, Clone, Default)]
pub(crate) struct BytesRead(Arc<AtomicU64>);

impl BytesRead {
    /// Returns the number.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Counted<R> {
    inner: R,
    read: BytesRead,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.0.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// How many bytes have been read since the last row began; the reader of rows sets it back.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowBytes(Arc<AtomicUsize>);

impl RowBytes {
    /// Says that a row has come to its end.
    pub(crate) fn row_ended(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Fails once a row is longer than the limit: a quote that is never closed would otherwise take the file into memory.
struct Guarded<R> {
    inner: R,
    row: RowBytes,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let since = self.row.0.fetch_add(n, Ordering::Relaxed) + n;
        // A reader may hold up to a buffer of the rows that follow.
        if since > MAX_ROW + 2 * CHUNK {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a row is longer than {MAX_ROW} bytes: is a quote left open?"),
            ));
        }
        Ok(n)
    }
}

/// An input, ready for a reader of rows.
pub(crate) struct Source {
    /// The text in UTF-8 (if the file is), without byte-order mark.
    pub(crate) text: Box<dyn Read + Send>,
    /// Its progress.
    pub(crate) read: BytesRead,
    /// The row guard.
    pub(crate) row: RowBytes,
    /// Its size on disk, if it is a file.
    pub(crate) size: Option<u64>,
    /// Its encoding.
    pub(crate) encoding: &'static Encoding,
}

/// Opens a file, or standard input for `-`.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn open(path: &Path, encoding: &'static Encoding) -> io::Result<Source> {
    if path == Path::new("-") {
        return from_reader(io::stdin(), None, encoding);
    }
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    let size = metadata.is_file().then_some(metadata.len());
    from_reader(file, size, encoding)
}

/// Reads from anything.
///
/// # Errors
/// When its first bytes cannot be read.
pub(crate) fn from_reader(
    reader: impl Read + Send + 'static,
    size: Option<u64>,
    encoding: &'static Encoding,
) -> io::Result<Source> {
    let read = BytesRead::default();
    let counted = BufReader::with_capacity(CHUNK, Counted { inner: reader, read: read.clone() });
    let (head, counted) = peek(counted, 2)?;
    let plain: Box<dyn Read + Send> = if head == [0x1f, 0x8b] {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, counted)))
    } else {
        Box::new(counted)
    };
    let (head, mut bytes) = peek(plain, 3)?;
    let (mark, found) = match head.as_slice() {
        [0xef, 0xbb, 0xbf] => (3, UTF_8),
        [0xff, 0xfe, ..] => (2, UTF_16LE),
        [0xfe, 0xff, ..] => (2, UTF_16BE),
        _ => (0, encoding),
    };
    io::copy(&mut bytes.by_ref().take(mark), &mut io::sink())?;
    let row = RowBytes::default();
    let text: Box<dyn Read + Send> = if found == UTF_8 {
        Box::new(Guarded { inner: bytes, row: row.clone() })
    } else {
        Box::new(Guarded { inner: Decoded::new(bytes, found), row: row.clone() })
    };
    Ok(Source { text, read, row, size, encoding: found })
}

/// Reads up to `n` bytes ahead, and gives them back before the rest.
#[allow(clippy::type_complexity)] // what `chain` makes
fn peek<R: Read>(mut reader: R, n: usize) -> io::Result<(Vec<u8>, io::Chain<io::Cursor<Vec<u8>>, R>)> {
    let mut head = Vec::with_capacity(n);
    reader.by_ref().take(n as u64).read_to_end(&mut head)?;
    Ok((head.clone(), io::Cursor::new(head).chain(reader)))
}

/// Decodes another encoding to UTF-8.
struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    input: Vec<u8>,
    /// What of `input` is not yet decoded.
    pending: std::ops::Range<usize>,
    at_end: bool,
    done: bool,
    output: io::Cursor<Vec<u8>>,
}

impl<R: Read> Decoded<R> {
    fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_without_bom_handling(),
            input: vec![0; CHUNK],
            pending: 0..0,
            at_end: false,
            done: false,
            output: io::Cursor::new(Vec::new()),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.pending.is_empty() && !self.at_end {
            let n = self.inner.read(&mut self.input)?;
            self.at_end = n == 0;
            self.pending = 0..n;
        }
        let mut output = vec![0; CHUNK];
        let input = &self.input[self.pending.clone()];
        let (result, read, written, _) = self.decoder.decode_to_utf8(input, &mut output, self.at_end);
        output.truncate(written);
        self.pending.start += read;
        self.done = self.at_end && result == CoderResult::InputEmpty;
        self.output = io::Cursor::new(output);
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.output.read(buffer)?;
            if n > 0 || self.done || buffer.is_empty() {
                return Ok(n);
            }
            self.fill()?;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write as _;

    fn text(bytes: &[u8], encoding: &'static Encoding) -> (Vec<u8>, &'static Encoding) {
        let mut source = from_reader(io::Cursor::new(bytes.to_vec()), None, encoding).unwrap();
        let mut out = Vec::new();
        source.text.read_to_end(&mut out).unwrap();
        (out, source.encoding)
    }

    #[test]
    fn marks_and_encodings() {
        assert_eq!(text(b"a,b\n", UTF_8).0, b"a,b\n");
        assert_eq!(text(b"", UTF_8).0, b"");
        assert_eq!(text(b"\xef\xbb\xbfa", encoding_rs::WINDOWS_1251), (b"a".to_vec(), UTF_8));
        assert_eq!(text(b"\xff\xfea\0\x16\x04", UTF_8), ("aЖ".as_bytes().to_vec(), UTF_16LE));
        assert_eq!(text(b"\xcf\xf0", encoding_rs::WINDOWS_1251).0, "Пр".as_bytes());
        assert_eq!(text(b"a\xff", UTF_8).0, b"a\xff", "left for the row to tell");
        let long = "Ж".repeat(100_000);
        let (bytes, _, _) = encoding_rs::WINDOWS_1251.encode(&long);
        assert_eq!(text(&bytes, encoding_rs::WINDOWS_1251).0, long.as_bytes());
    }

    #[test]
    fn gzip_by_its_first_bytes() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"\xef\xbb\xbfa,b\n").unwrap();
        assert_eq!(text(&packed.finish().unwrap(), UTF_8).0, b"a,b\n");
        let mut source = from_reader(io::Cursor::new(vec![0x1f, 0x8b, 8, 0]), None, UTF_8);
        assert!(source.is_err() || source.as_mut().unwrap().text.read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn endless_rows_fail() {
        let mut source = from_reader(io::repeat(b'"').take(64 << 20), None, UTF_8).unwrap();
        let error = source.text.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("is a quote left open"), "{error}");
    }
}
