//! Tiles: how the tree is cut into pieces that are stored and served (C2SP tlog-tiles).
//!
//! A tile of level L and index N holds up to 256 consecutive hashes of height 8·L: at level 0 leaf hashes, above that
//! the roots of full tiles of the level below. The rightmost tile of a level may be partial (1 to 255 hashes).
//!
//! Paths are `tile/<L>/<N>[.p/<W>]` for hashes and `tile/entries/<N>[.p/<W>]` for entry bundles. N is written in groups
//! of three digits, all but the last with an `x` before them: 1234067 is `x001/x234/067`. An entry bundle is the
//! entry lines, each after its length as a big-endian `u16`; hence the limit of 65,535 bytes an entry (SPEC §12).
//!
//! ```
//! use countersign_ledger::id::TreeSize;
//! use countersign_ledger::tile::{TileId, TileResource};
//!
//! let tile = TileId::new(0, 1_234_067).expect("level 0 exists");
//! let width = tile.width_in(TreeSize(1_234_067 * 256 + 5)).expect("the tree reaches into it");
//! let path = TileResource::Hashes { tile, width }.to_string();
//! assert_eq!(path, "tile/0/x001/x234/067.p/5");
//! assert_eq!(path.parse::<TileResource>(), Ok(TileResource::Hashes { tile, width }));
//! ```

use std::fmt;
use std::str::FromStr;

use crate::hash::NodeHash;
use crate::id::TreeSize;

/// The height of a tile: it spans 2^8 hashes.
pub const TILE_HEIGHT: u8 = 8;
/// The number of hashes in a full tile.
pub const FULL_WIDTH: u16 = 256;
/// The highest level that a path may name (C2SP tlog-tiles); trees of fewer than 2^64 leaves end at level 7.
pub const MAX_LEVEL: u8 = 63;
/// The longest path that can be valid: `tile/entries/`, seven groups, `.p/255`.
const MAX_PATH: usize = 64;

/// Which tile of hashes: its level and its index within the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    level: u8,
    index: u64,
}

/// The number of hashes in a tile: 1 to 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileWidth(u16);

impl TileId {
    /// Names a tile; `None` when the level is above [`MAX_LEVEL`].
    #[must_use]
    pub const fn new(level: u8, index: u64) -> Option<Self> {
        if level <= MAX_LEVEL { Some(Self { level, index }) } else { None }
    }

    /// Names the tile that holds the node of `height` (at most 63) and `index`.
    pub(crate) const fn of_node(height: u8, index: u64) -> Self {
        let level = height / TILE_HEIGHT;
        Self { level, index: index >> (TILE_HEIGHT - height % TILE_HEIGHT) }
    }

    /// Returns the level: 0 holds leaf hashes.
    #[must_use]
    pub const fn level(self) -> u8 {
        self.level
    }

    /// Returns the index within the level, from the left.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.index
    }

    /// Returns how many hashes this tile has in a tree of `size` leaves; `None` when the tree does not reach into it.
    #[must_use]
    pub const fn width_in(self, size: TreeSize) -> Option<TileWidth> {
        width_in(self.level, self.index, size)
    }

    /// Returns the key under which a store keeps the tile: the level, then the index in big-endian order, so that keys
    /// sort as tiles do.
    #[must_use]
    pub fn to_key(self) -> [u8; 9] {
        let mut key = [self.level; 9];
        key[1..].copy_from_slice(&self.index.to_be_bytes());
        key
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile {} of level {}", self.index, self.level)
    }
}

/// Computes the width of a tile in a tree: what is left of it after the full tiles before it.
const fn width_in(level: u8, index: u64, size: TreeSize) -> Option<TileWidth> {
    if level > 7 {
        return None;
    }
    let hashes = size.0 >> (TILE_HEIGHT * level);
    let Some(before) = index.checked_mul(FULL_WIDTH as u64) else { return None };
    let Some(here) = hashes.checked_sub(before) else { return None };
    match here {
        0 => None,
        #[allow(clippy::cast_possible_truncation, reason = "the guard keeps it below 256")]
        1..=255 => Some(TileWidth(here as u16)),
        _ => Some(TileWidth::FULL),
    }
}

impl TileWidth {
    /// The width of a full tile.
    pub const FULL: Self = Self(FULL_WIDTH);

    /// Makes a width; `None` unless it is 1 to 256.
    #[must_use]
    pub const fn new(width: u16) -> Option<Self> {
        if width >= 1 && width <= FULL_WIDTH { Some(Self(width)) } else { None }
    }

    /// Returns the number of hashes, 1 to 256.
    #[must_use]
    pub const fn hashes(self) -> u16 {
        self.0
    }

    /// Tells whether the tile is full, and so will never change.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.0 == FULL_WIDTH
    }
}

impl fmt::Display for TileWidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a tlog-tiles path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileResource {
    /// A tile of hashes.
    Hashes {
        /// Which tile.
        tile: TileId,
        /// How many of its hashes.
        width: TileWidth,
    },
    /// A bundle of entries: those whose leaf hashes are in the level 0 tile of the same index.
    Entries {
        /// The index of the bundle.
        index: u64,
        /// How many of its entries.
        width: TileWidth,
    },
}

impl TileResource {
    /// Returns the width that the resource has in a tree of `size` leaves; `None` when the tree does not reach into it.
    #[must_use]
    pub const fn width_in(self, size: TreeSize) -> Option<TileWidth> {
        match self {
            Self::Hashes { tile, .. } => tile.width_in(size),
            Self::Entries { index, .. } => width_in(0, index, size),
        }
    }

    /// Returns the width that the path asks for.
    #[must_use]
    pub const fn width(self) -> TileWidth {
        match self {
            Self::Hashes { width, .. } | Self::Entries { width, .. } => width,
        }
    }
}

impl fmt::Display for TileResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = match self {
            Self::Hashes { tile, .. } => {
                write!(f, "tile/{}/", tile.level)?;
                tile.index
            }
            Self::Entries { index, .. } => {
                f.write_str("tile/entries/")?;
                *index
            }
        };
        let digits = index.to_string();
        let padded = format!("{digits:0>width$}", width = digits.len().div_ceil(3) * 3);
        for at in (0..padded.len()).step_by(3) {
            let last = at + 3 == padded.len();
            write!(f, "{}{}{}", if last { "" } else { "x" }, &padded[at..at + 3], if last { "" } else { "/" })?;
        }
        if self.width().is_full() { Ok(()) } else { write!(f, ".p/{}", self.width()) }
    }
}

/// Tells why a text is not the path of a tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("expected {expected} in the tile path {found:?}")]
pub struct TilePathError {
    /// What should have stood there.
    pub expected: &'static str,
    /// The path, shortened to 80 characters.
    pub found: String,
}

impl FromStr for TileResource {
    type Err = TilePathError;

    /// Reads `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`, and only the canonical spelling of it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_path(text).map_err(|expected| TilePathError { expected, found: text.chars().take(80).collect() })
    }
}

fn parse_path(text: &str) -> Result<TileResource, &'static str> {
    if text.len() > MAX_PATH {
        return Err("at most 64 characters");
    }
    let rest = text.strip_prefix("tile/").ok_or("`tile/` at the start")?;
    let (level, rest) = rest.split_once('/').ok_or("a level and an index")?;
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, parse_partial_width(width)?),
        None => (rest, TileWidth::FULL),
    };
    let index = parse_index(index)?;
    if level == "entries" {
        return Ok(TileResource::Entries { index, width });
    }
    let level = decimal(level).and_then(|l| u8::try_from(l).ok()).ok_or(LEVEL)?;
    let tile = TileId::new(level, index).ok_or(LEVEL)?;
    Ok(TileResource::Hashes { tile, width })
}

const LEVEL: &str = "a level of 0 to 63 or `entries`";

/// Reads a decimal number without leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    if canonical && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn parse_partial_width(text: &str) -> Result<TileWidth, &'static str> {
    let width = decimal(text).and_then(|w| u16::try_from(w).ok()).and_then(TileWidth::new);
    width.filter(|w| !w.is_full()).ok_or("a partial width of 1 to 255")
}

fn parse_index(text: &str) -> Result<u64, &'static str> {
    const EXPECTED: &str =
        "an index in groups of three digits, all but the last after an `x`, without groups of zeros before it";
    let mut groups = text.split('/').peekable();
    let (mut index, mut first) = (0u64, true);
    while let Some(group) = groups.next() {
        let last = groups.peek().is_none();
        let digits = if last { group } else { group.strip_prefix('x').ok_or(EXPECTED)? };
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) || (first && !last && digits == "000") {
            return Err(EXPECTED);
        }
        let value: u64 = digits.parse().map_err(|_| EXPECTED)?;
        index = index.checked_mul(1_000).and_then(|i| i.checked_add(value)).ok_or("an index below 2^64")?;
        first = false;
    }
    Ok(index)
}

/// Writes a tile's bytes: its hashes one after another.
#[must_use]
pub fn tile_bytes(hashes: &[NodeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Reads a tile's bytes.
///
/// # Errors
/// When the length is not that of 1 to 256 hashes.
pub fn parse_tile(bytes: &[u8]) -> Result<Vec<NodeHash>, TileBytesError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || hashes.is_empty() || hashes.len() > usize::from(FULL_WIDTH) {
        return Err(TileBytesError { found: bytes.len() });
    }
    Ok(hashes.iter().map(|hash| NodeHash::from_bytes(*hash)).collect())
}

/// Tells that bytes are not a tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("expected 1 to 256 hashes of 32 bytes in a tile, found {found} bytes")]
pub struct TileBytesError {
    /// How many bytes there were.
    pub found: usize,
}

/// Adds one entry line to the bytes of an entry bundle.
///
/// # Errors
/// When the line is longer than 65,535 bytes; nothing is added then.
pub fn push_bundled_entry(bundle: &mut Vec<u8>, line: &[u8]) -> Result<(), EntryBundleError> {
    let length = u16::try_from(line.len()).map_err(|_| EntryBundleError::TooLong { found: line.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(line);
    Ok(())
}

/// Reads an entry bundle.
///
/// # Errors
/// When an entry is cut short, or there are none or more than 256.
pub fn parse_entry_bundle(bytes: &[u8]) -> Result<Vec<&[u8]>, EntryBundleError> {
    let (mut entries, mut rest) = (Vec::new(), bytes);
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let cut = EntryBundleError::Cut { entry: entries.len() };
        let (entry, after) = after.split_at_checked(length).ok_or(cut)?;
        if entries.len() == usize::from(FULL_WIDTH) {
            return Err(EntryBundleError::TooMany);
        }
        entries.push(entry);
        rest = after;
    }
    match (rest.is_empty(), entries.is_empty()) {
        (false, _) => Err(EntryBundleError::Cut { entry: entries.len() }),
        (true, true) => Err(EntryBundleError::Empty),
        (true, false) => Ok(entries),
    }
}

/// Tells why bytes are not an entry bundle, or an entry does not fit in one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryBundleError {
    /// An entry's line is too long.
    #[error("expected an entry of at most 65535 bytes, found {found}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// The bytes end within an entry.
    #[error("the entry bundle ends within its entry {entry} (counted from 0)")]
    Cut {
        /// Which entry of the bundle, from 0.
        entry: usize,
    },
    /// There are more entries than a bundle may have.
    #[error("expected at most 256 entries in an entry bundle, found more")]
    TooMany,
    /// There is no entry at all.
    #[error("expected at least one entry in an entry bundle, found none")]
    Empty,
}

#[cfg(test)]
mod tests;
