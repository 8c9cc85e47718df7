//! Replaying a full bundle (SPEC §11).

use std::io::BufRead;

use super::{RecordedEntry, Replay, ReplayError};
use crate::bundle::{BundleLine, BundleReadError, Header, LineError, Scope, read_bundle};
use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::entry::{Entry, EntryError};
use crate::envelope::EnvelopeError;
use crate::hash::LedgerId;
use crate::id::TreeSize;

/// How many entries are verified together, on all cores.
const TOGETHER: usize = 2_048;
/// About how many bytes of lines and disclosures are held for that.
const BYTES_TOGETHER: usize = 4 << 20;

/// Why a bundle is not replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleReplayError {
    /// It is not of its form, or cannot be read.
    #[error(transparent)]
    Read(#[from] BundleReadError),
    /// An entry or the checkpoint does not hold.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The first line names another ledger.
    #[error("expected a bundle of ledger {expected}, found one of ledger {found}")]
    Ledger {
        /// The ledger that was asked for.
        expected: LedgerId,
        /// The ledger that the first line names.
        found: LedgerId,
    },
    /// It does not hold every entry.
    #[error("expected a full bundle, found an extract (scope {scope}): what it leaves out cannot be made up for")]
    Extract {
        /// The scope.
        scope: String,
    },
    /// The checkpoint of the first line is none.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl BundleReplayError {
    /// Returns the check of SPEC §13 that does not hold, where it is one.
    #[must_use]
    pub fn check(&self) -> Option<&'static str> {
        match self {
            // What does not come from the system comes from the decompressor.
            Self::Read(BundleReadError::Io { source, .. }) if source.raw_os_error().is_some() => None,
            Self::Read(
                BundleReadError::Line { source: LineError::Newer { .. }, .. }
                | BundleReadError::Entry { source: EntryError::Envelope(EnvelopeError::Newer { .. }), .. },
            )
            | Self::Extract { .. } => None,
            Self::Read(_) | Self::Checkpoint(_) => Some("FORMAT"),
            Self::Replay(error) => error.check(),
            Self::Ledger { .. } => Some("LEDGER"),
        }
    }
}

impl Replay {
    /// Replays a full bundle, compressed or not, from entry 0, and accepts its checkpoint. `progress` is told the size
    /// that is reached and the bundle's.
    ///
    /// # Errors
    /// When the bundle is not of its form or not full, or an entry or the checkpoint does not hold. What was stored is
    /// ahead of the head then.
    pub fn of_bundle(
        &mut self,
        bundle: impl BufRead,
        mut progress: impl FnMut(TreeSize, TreeSize),
    ) -> Result<SignedCheckpoint, BundleReplayError> {
        let mut lines = read_bundle(bundle);
        let mut checkpoint: Option<SignedCheckpoint> = None;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while let Some(line) = lines.next().transpose()? {
            match line {
                BundleLine::Header(header) => checkpoint = Some(self.check_header(&header)?),
                BundleLine::Entry(entry) => {
                    if entries.len() >= TOGETHER || bytes >= BYTES_TOGETHER {
                        self.push(std::mem::take(&mut entries))?;
                        bytes = 0;
                        let total = checkpoint.as_ref().map_or(TreeSize(0), |signed| signed.checkpoint().size);
                        progress(self.size(), total);
                    }
                    entries.push(recorded(&entry));
                    bytes += entries.last().map_or(0, |entry| entry.line.len());
                }
                BundleLine::Disclosure(text) => {
                    bytes += text.len();
                    // The reader gives a disclosure only behind an entry.
                    if let Some(entry) = entries.last_mut() {
                        entry.disclose(text);
                    }
                }
                // What a seal proves of an extract says nothing more of the whole.
                BundleLine::Sealed(_) => {}
                BundleLine::Withheld(_) => return Err(BundleReplayError::Extract { scope: "unknown".to_owned() }),
            }
        }
        self.push(entries)?;
        let expected = self.size();
        let checkpoint = checkpoint.ok_or(ReplayError::Size { expected, found: TreeSize(0) })?;
        self.accept(&checkpoint)?;
        progress(expected, expected);
        Ok(checkpoint)
    }

    fn check_header(&self, header: &Header) -> Result<SignedCheckpoint, BundleReplayError> {
        if header.ledger != self.ledger {
            return Err(BundleReplayError::Ledger { expected: self.ledger, found: header.ledger });
        }
        match &header.scope {
            Scope::Full => Ok(SignedCheckpoint::from_bytes(header.checkpoint.as_bytes())?),
            Scope::Case(case) => Err(BundleReplayError::Extract { scope: format!("case {case}") }),
            Scope::Stream(case, subject) => {
                Err(BundleReplayError::Extract { scope: format!("{subject} in case {case}") })
            }
            Scope::Since(size) => Err(BundleReplayError::Extract { scope: format!("since {size}") }),
        }
    }
}

fn recorded(entry: &Entry) -> RecordedEntry {
    // The reader takes a line only in the form in which it is written.
    RecordedEntry { line: entry.line().into_bytes(), disclosures: Vec::new() }
}
