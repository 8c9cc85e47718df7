//! Where a file comes from: disk or standard input, plain or zstd (SPEC §11).
//!
//! Compressed input is decoded as a stream with a window of at most 8 MiB, so that a small file cannot ask for much
//! memory; what it unpacks to is bounded by the limits on lines.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The largest window that we decode with, in bytes.
const MAX_WINDOW: u64 = 8 << 20;
const BUFFER: usize = 256 * 1024;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The compressed form of a file is damaged: the file is at fault, not the reading of it.
#[derive(Debug)]
struct Damage(String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damage {}

fn damage(what: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Damage(format!("zstd: {what}")))
}

/// Whether an error says that the data is damaged, not that it could not be fetched.
pub fn is_damage(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Damage>())
}

/// Opens a path, or standard input for `-`, without looking at the bytes.
///
/// # Errors
/// When the file cannot be opened.
pub fn raw(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        Ok(Box::new(io::stdin()))
    } else {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder"));
        }
        Ok(Box::new(file))
    }
}

/// Looks at the first bytes and decompresses what is zstd.
///
/// # Errors
/// When the first bytes cannot be read.
pub fn decoded(raw: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut raw = BufReader::with_capacity(BUFFER, raw);
    if raw.fill_buf()?.starts_with(&ZSTD_MAGIC) {
        let zstd = Zstd { source: raw, decoder: FrameDecoder::new(), in_frame: false };
        Ok(Box::new(BufReader::with_capacity(BUFFER, zstd)))
    } else {
        Ok(Box::new(raw))
    }
}

/// Reads a small file, decompressed if need be; of a longer one `limit` bytes and one more, for its parser to refuse.
///
/// # Errors
/// When it cannot be read.
pub fn small(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoded(raw(path)?)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Decodes the frames of a zstd stream, one after the other.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    /// Starts the next frame; `false` at the end of the source.
    fn next_frame(&mut self) -> io::Result<bool> {
        if self.source.fill_buf()?.is_empty() {
            return Ok(false);
        }
        self.decoder.set_max_window_size(MAX_WINDOW);
        match self.decoder.reset(&mut self.source) {
            Ok(()) => self.in_frame = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let skipped = io::copy(&mut (&mut self.source).take(u64::from(length)), &mut io::sink())?;
                if skipped < u64::from(length) {
                    return Err(damage("a skippable frame that is cut off"));
                }
            }
            Err(FrameDecoderError::WindowSizeTooBig { requested, .. }) => {
                return Err(damage(format!("a window of {requested} bytes, and at most {MAX_WINDOW} are read")));
            }
            Err(error) => return Err(damage(error)),
        }
        Ok(true)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                continue;
            }
            if self.decoder.can_collect() > 0 {
                return Read::read(&mut self.decoder, buffer);
            }
            if self.decoder.is_finished() {
                let stored = self.decoder.get_checksum_from_data();
                let found = self.decoder.get_calculated_checksum();
                if stored.is_some() && found.is_some() && stored != found {
                    return Err(damage("the checksum of the content is wrong"));
                }
                self.in_frame = false;
                continue;
            }
            self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)).map_err(damage)?;
        }
    }
}
