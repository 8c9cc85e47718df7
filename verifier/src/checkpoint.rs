//! C2SP checkpoints (tlog-checkpoint v1.0.0): origin, size and root in a signed note.

use crate::escape::quoted;
use crate::hash::Hash;
use crate::note::{Note, NoteError};
use crate::scalar::decimal;

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

    /// Reads a checkpoint of this format: no extension lines (SPEC §7).
    ///
    /// # Errors
    /// Says which line is wrong.
    pub fn parse_plain(text: &str) -> Result<Checkpoint, NoteError> {
        let checkpoint = Checkpoint::parse(text)?;
        match checkpoint.extensions.first() {
            None => Ok(checkpoint),
            Some(line) => Err(NoteError::new("a checkpoint without extension lines", quoted(line))),
        }
    }
}
