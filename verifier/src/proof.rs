//! C2SP transparency log proofs (tlog-proof@v1): an index, an inclusion path and a checkpoint.

use crate::checkpoint::Checkpoint;
use crate::escape::quoted;
use crate::hash::Hash;
use crate::merkle::{ProofError, check_inclusion};
use crate::note::NoteError;
use crate::scalar::{base64_bytes, decimal};

/// The most hashes of a proof (SPEC §12).
const MAX_HASHES: usize = 64;
/// The largest proof, in bytes (SPEC §12).
pub const MAX_PROOF: usize = 320 << 10;

/// A parsed proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlogProof {
    /// Opaque data that nothing authenticates.
    pub extra: Option<Vec<u8>>,
    /// The leaf's index.
    pub index: u64,
    /// Sibling hashes from the leaf to the root.
    pub path: Vec<Hash>,
    /// The checkpoint that the path leads to.
    pub checkpoint: Checkpoint,
}

impl TlogProof {
    /// Reads a proof.
    ///
    /// # Errors
    /// Says which line is wrong.
    pub fn parse(text: &str) -> Result<TlogProof, NoteError> {
        if text.len() > MAX_PROOF {
            let found = format!("{} or more", text.len());
            return Err(NoteError::new(format!("a proof of at most {MAX_PROOF} bytes"), found));
        }
        let Some((head, checkpoint)) = text.split_once("\n\n") else {
            return Err(NoteError::new("a tlog-proof", "no empty line"));
        };
        let mut lines = head.split('\n');
        let first = lines.next().unwrap_or_default();
        if first != "c2sp.org/tlog-proof@v1" {
            return Err(NoteError::new("c2sp.org/tlog-proof@v1", quoted(first)));
        }
        let mut line = lines.next().unwrap_or_default();
        let mut extra = None;
        if let Some(data) = line.strip_prefix("extra ") {
            let bytes =
                base64_bytes(data.as_bytes()).ok_or_else(|| NoteError::new("extra data in base64", quoted(data)))?;
            extra = Some(bytes);
            line = lines.next().unwrap_or_default();
        }
        let index = line
            .strip_prefix("index ")
            .and_then(decimal)
            .ok_or_else(|| NoteError::new("a line `index N`", quoted(line)))?;
        let path = lines
            .map(|line| Hash::from_base64(line).ok_or_else(|| NoteError::new("a hash in base64", quoted(line))))
            .collect::<Result<Vec<_>, _>>()?;
        if path.len() > MAX_HASHES {
            return Err(NoteError::new(format!("at most {MAX_HASHES} hashes"), path.len().to_string()));
        }
        Ok(TlogProof { extra, index, path, checkpoint: Checkpoint::parse(checkpoint)? })
    }

    /// Checks that the leaf is at the index in the checkpoint's tree.
    ///
    /// # Errors
    /// Says in which way the path fails.
    pub fn includes(&self, leaf: &Hash) -> Result<(), ProofError> {
        let checkpoint = &self.checkpoint;
        check_inclusion(self.index, checkpoint.size, leaf, &self.path, &checkpoint.root)
    }
}
