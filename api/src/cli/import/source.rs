//! The bytes of an input file: unpacked, in UTF-8, and never more of one row than the limit.
//!
//! Gzip is told by its first bytes, whatever the file is called. A byte-order mark names the encoding and wins over the
//! map's. UTF-8 is passed through as it is, so that a wrong byte is found and told with its row; other encodings are
//! decoded here, and what they cannot mean becomes U+FFFD, which rows refuse. A file whose beginning cannot be in the
//! encoding that the map names, or that is none for UTF-8, is refused at once (`wrong_encoding`): what was recorded
//! garbled could never be taken out again.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use flate2::bufread::MultiGzDecoder;

/// The most bytes of one row.
pub(crate) const MAX_ROW: usize = 1 << 20;
const CHUNK: usize = 64 << 10;
/// How much of a file is looked at to tell its encoding.
const HEAD: usize = 32 << 10;
/// So many signs beyond ASCII that all read as UTF-8 are no accident.
const TELLING: usize = 4;

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
    let (head, mut bytes) = peek(plain, HEAD)?;
    let (mark, found) = match head.as_slice() {
        [0xef, 0xbb, 0xbf, ..] => (3, UTF_8),
        [0xff, 0xfe, ..] => (2, UTF_16LE),
        [0xfe, 0xff, ..] => (2, UTF_16BE),
        _ => (0, encoding),
    };
    if let Some(why) = wrong_encoding(&head, mark > 0, found) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    io::copy(&mut bytes.by_ref().take(mark), &mut io::sink())?;
    let row = RowBytes::default();
    let text: Box<dyn Read + Send> = if found == UTF_8 {
        Box::new(Guarded { inner: bytes, row: row.clone() })
    } else {
        Box::new(Guarded { inner: Decoded::new(bytes, found), row: row.clone() })
    };
    Ok(Source { text, read, row, size, encoding: found })
}

/// Tells whether the beginning of a file says that it is in another encoding: the sentence that says so.
fn wrong_encoding(head: &[u8], marked: bool, encoding: &'static Encoding) -> Option<String> {
    if head.starts_with(&[0xff, 0xfe, 0, 0]) || head.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Some("it is in UTF-32, which is not read: save it as UTF-8".to_owned());
    }
    if marked {
        return None;
    }
    if encoding == UTF_8 {
        // Text in UTF-16 has a zero in each ASCII sign, such as delimiters; text in UTF-8 has none at all.
        let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|b| **b == 0).count();
        let least = TELLING.max(head.len() / 32);
        let name = match (zeros(0), zeros(1)) {
            (0, many) if many >= least => "utf-16le",
            (many, 0) if many >= least => "utf-16be",
            _ => return None,
        };
        return Some(format!(
            "it looks like {name} without a byte-order mark: put encoding = \"{name}\" into the map's [input]"
        ));
    }
    if !encoding.is_single_byte() {
        return None;
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The beginning may end within a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let (row, line) = text.lines().enumerate().find(|(_, line)| !line.is_ascii())?;
    let many = text.chars().filter(|c| !c.is_ascii()).count() >= TELLING;
    many.then(|| {
        let column = line.chars().take_while(char::is_ascii).count() + 1;
        let name = encoding.name();
        format!("line {}, column {column}: it reads as UTF-8, and the map says {name}: leave the encoding out", row + 1)
    })
}

/// Tells whether a value that was decoded from another encoding was UTF-8: `РљРёС—РІ` was `Київ`.
pub(crate) fn was_utf8(text: &str, encoding: &'static Encoding) -> bool {
    if text.is_ascii() || !encoding.is_single_byte() {
        return false;
    }
    let (bytes, _, unmappable) = encoding.encode(text);
    let Some(read) = std::str::from_utf8(&bytes).ok().filter(|_| !unmappable) else { return false };
    let foreign: Vec<char> = read.chars().filter(|c| !c.is_ascii()).collect();
    let usual = |c: &char| matches!(c, '\u{c0}'..='\u{24f}' | '\u{400}'..='\u{4ff}' | '\u{2010}'..='\u{2122}');
    foreign.len() >= TELLING && foreign.iter().all(usual)
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

    fn refused(bytes: &[u8], encoding: &'static Encoding) -> String {
        from_reader(io::Cursor::new(bytes.to_vec()), None, encoding).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn utf_16_with_and_without_a_mark() {
        let words = "№;Місто\r\n1;\"Київ\nПоділ\"\r\n";
        let wide: Vec<u16> = words.encode_utf16().collect();
        let little: Vec<u8> = wide.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = wide.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for (bytes, encoding, mark) in [(&little, UTF_16LE, [0xff, 0xfe]), (&big, UTF_16BE, [0xfe, 0xff])] {
            assert_eq!(text(bytes, encoding), (words.as_bytes().to_vec(), encoding));
            let marked = [&mark[..], bytes].concat();
            assert_eq!(text(&marked, UTF_8), (words.as_bytes().to_vec(), encoding), "the mark wins");
            assert_eq!(text(&marked, encoding).0, words.as_bytes());
            let cut = text(&bytes[..bytes.len() - 1], encoding).0;
            assert!(String::from_utf8(cut).unwrap().ends_with('\u{fffd}'), "half a sign is left for the row to tell");
            let said = refused(bytes, UTF_8);
            assert!(said.contains(&encoding.name().to_lowercase()), "{said}");
        }
        let lone = [0x41, 0x00, 0x00, 0xd8, 0x0a, 0x00];
        assert_eq!(text(&lone, UTF_16LE).0, "A\u{fffd}\n".as_bytes());
        assert!(refused(&[0xff, 0xfe, 0, 0, 0x41, 0, 0, 0], UTF_8).contains("UTF-32"));
    }

    #[test]
    fn a_file_in_utf_8_is_not_read_as_another() {
        let utf8 = "No;Name\n1;Київ\n";
        for encoding in [encoding_rs::WINDOWS_1251, encoding_rs::WINDOWS_1252, encoding_rs::KOI8_U] {
            let said = refused(utf8.as_bytes(), encoding);
            assert!(said.starts_with("line 2, column 3: it reads as UTF-8"), "{said}");
        }
        for ours in ["No;Name\n1;Київ\n", "Назва\nНІ\nНі\nМІСІСІПІ\n"] {
            let (bytes, _, _) = encoding_rs::WINDOWS_1251.encode(ours);
            assert_eq!(text(&bytes, encoding_rs::WINDOWS_1251).0, ours.as_bytes());
            ours.lines().for_each(|line| assert!(!was_utf8(line, encoding_rs::WINDOWS_1251), "{line}"));
        }
        let (latin, _, _) = encoding_rs::WINDOWS_1252.encode("Größe;Español\n");
        assert_eq!(text(&latin, encoding_rs::WINDOWS_1252).0, "Größe;Español\n".as_bytes());
        for (garbled, encoding) in
            [("РљРёС—РІ", encoding_rs::WINDOWS_1251), ("GrÃ¶ÃŸe Ã¼Ã¤", encoding_rs::WINDOWS_1252)]
        {
            assert!(was_utf8(garbled, encoding), "{garbled}");
        }
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
