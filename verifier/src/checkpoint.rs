//! C2SP checkpoints (tlog-checkpoint v1.0.0): origin, size and root in a signed note.

use crate::escape::quoted;
use crate::hash::{Hash, empty_root};
use crate::json::MAX_INTEGER;
use crate::note::{Note, NoteError};
use crate::scalar::{decimal, is_origin};

/// A parsed checkpoint; nothing about its signatures is known yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many leaves the tree has.
    pub size: u64,
    /// The root of the tree.
    pub root: Hash,
    /// Lines after the root. SPEC §7 has none; other logs may.
    pub extensions: Vec<String>,
    /// The note as signed.
    pub note: Note,
}

impl Checkpoint {
    /// Reads a checkpoint as any C2SP log writes it.
    ///
    /// # Errors
    /// Says which line is wrong.
    pub fn parse(text: &str) -> Result<Checkpoint, NoteError> {
        let note = Note::parse(text)?;
        let mut lines = note.text.trim_end_matches('\n').split('\n');
        let origin = lines
            .next()
            .filter(|line| !line.is_empty())
            .ok_or_else(|| NoteError::new("an origin", "an empty line"))?
            .to_owned();
        let size = lines.next().unwrap_or_default();
        let size = decimal(size).ok_or_else(|| NoteError::new("the tree size in decimal", quoted(size)))?;
        let root = lines.next().unwrap_or_default();
        let root = Hash::from_base64(root).ok_or_else(|| NoteError::new("the root in base64", quoted(root)))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) || note.text.ends_with("\n\n") {
            return Err(NoteError::new("no empty line in a checkpoint", "an empty line"));
        }
        Ok(Checkpoint { origin, size, root, extensions, note })
    }

    /// Reads a checkpoint of this format (SPEC §7).
    ///
    /// # Errors
    /// Says which line is wrong.
    pub fn parse_plain(text: &str) -> Result<Checkpoint, NoteError> {
        let checkpoint = Checkpoint::parse(text)?;
        checkpoint.not_plain().map_or(Ok(checkpoint), Err)
    }

    /// What a checkpoint of this format does not have: another sort of origin, an extension line, a size beyond
    /// 2^53−1, a root of nothing that is not the empty tree's (SPEC §7).
    pub fn not_plain(&self) -> Option<NoteError> {
        if !is_origin(&self.origin) {
            return Some(NoteError::new("an origin [a-z0-9][a-z0-9./_-]{2,127}", quoted(&self.origin)));
        }
        if self.size > MAX_INTEGER.unsigned_abs() {
            return Some(NoteError::new("a size of at most 2^53−1", self.size.to_string()));
        }
        if self.size == 0 && self.root != empty_root() {
            return Some(NoteError::new("the root of the empty tree at size 0", self.root.to_string()));
        }
        let line = self.extensions.first()?;
        Some(NoteError::new("a checkpoint without extension lines", quoted(line)))
    }
}
