//! Writing a bundle out of a store, whole or an extract, in pieces, with little memory however large the ledger is.

use std::io::{self, Write};
use std::mem;
use std::ops::Deref;
use std::vec;

use zstd::stream::write::Encoder;

use super::select::{LastLeaf, Run, case_stream, select, select_absence};
use super::{Header, Scope, WINDOW_LOG, Withheld, disclosure_line};
use crate::append::Sealed;
use crate::hash::{LedgerId, NodeHash};
use crate::id::{CaseId, Seq, StreamId, Subject, TreeSize};
use crate::merkle::{TileReader, TreeError, TreeView};
use crate::seal::SealedLine;
use crate::store::{Head, Store, StoreError};
use crate::tile::{TileId, TileWidth};

/// About how many bytes a piece has.
pub const CHUNK: usize = 256 << 10;
/// Of how many streams of statements an extract proves that they are shown whole: a bundle has a limit of such lines.
const MAX_STATEMENTS: usize = 1_000;
/// How many entries are read from the store at once, at most.
const READ_ENTRIES: usize = 512;

/// Tells why a bundle could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has fewer entries than the head says.
    #[error("the store has no entry {seq}, but its head is {size}")]
    Missing {
        /// The entry.
        seq: Seq,
        /// The head's size.
        size: TreeSize,
    },
    /// A stored entry is none.
    #[error("the store is corrupt at entry {seq}: {reason}")]
    Corrupt {
        /// The entry.
        seq: Seq,
        /// What is wrong with it.
        reason: String,
    },
    /// The tree's tiles are not those of the head.
    #[error("the store is corrupt at the tree's tiles: {reason}")]
    Tree {
        /// What is wrong.
        reason: String,
    },
    /// There is no such case to extract.
    #[error("there is no case {case} in this ledger")]
    NoCase {
        /// The case.
        case: CaseId,
    },
    /// There is no such subject in the case.
    #[error("there is no {subject} in case {case}")]
    NoSubject {
        /// The case.
        case: CaseId,
        /// The subject.
        subject: Subject,
    },
    /// There is what was to be shown not to be there.
    #[error("there is {what} in this ledger")]
    Present {
        /// What there is.
        what: String,
    },
    /// The ledger has not come so far.
    #[error("the ledger has {size} entries, so there is nothing since {since}")]
    NotYet {
        /// The size that was asked for.
        since: TreeSize,
        /// The ledger's.
        size: TreeSize,
    },
    /// What was written could not be compressed, or not be taken.
    #[error("could not write the bundle: {0}")]
    Io(#[from] io::Error),
}

/// Whether a bundle is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As lines of text.
    None,
    /// With zstd, at a level from 1 to 19.
    Zstd(i32),
}

/// How far the writing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many entries are written.
    pub entries: u64,
    /// How many there are.
    pub of: u64,
    /// How many bytes are written, as they stand in the file.
    pub bytes: u64,
}

/// Pieces of a bundle, of about [`CHUNK`] bytes each, to be joined in order. It holds the entries below the head that
/// it was made for; what is committed meanwhile is not in it. After an error there are no more pieces.
pub struct BundleChunks<D> {
    store: D,
    size: TreeSize,
    next: Seq,
    /// The leaves that are shown from here on.
    runs: vec::IntoIter<Run>,
    run: Option<Run>,
    /// Knows the hashes of what is withheld.
    tree: TreeView<Tiles<D>>,
    /// Lines that were read and not yet written.
    lines: vec::IntoIter<Vec<u8>>,
    /// The next entry of this run that has disclosures.
    disclosed: Option<(Seq, Vec<String>)>,
    /// A seal that is shown, and the lines that follow it.
    sealed: Option<(Seq, Vec<String>)>,
    output: Output,
    bytes: u64,
}

/// Reads the tree's tiles out of the store.
struct Tiles<D>(D);

impl<D> TileReader for Tiles<D>
where
    D: Deref<Target: Store>,
{
    type Error = BundleError;

    fn tile(&self, tile: TileId, width: TileWidth) -> Result<Vec<NodeHash>, BundleError> {
        let missing = || BundleError::Tree { reason: format!("{tile} is missing") };
        let mut hashes = self.0.tile(tile.level(), tile.index())?.ok_or_else(missing)?;
        hashes.truncate(usize::from(width.hashes()));
        Ok(hashes)
    }
}

/// What a bundle shows of its leaves, and of a seal among them.
struct Shows {
    runs: Vec<Run>,
    sealed: Option<(Seq, Vec<String>)>,
}

enum Output {
    Plain(Vec<u8>),
    Zstd(Encoder<'static, Vec<u8>>),
    Finished,
}

impl<D> BundleChunks<D>
where
    D: Deref<Target: Store> + Clone,
{
    /// Begins the full bundle of a ledger as of a head that its store had or has.
    ///
    /// # Errors
    /// When the store cannot be read, or there is no memory for compression.
    pub fn full(store: D, ledger: LedgerId, head: &Head, compression: Compression) -> Result<Self, BundleError> {
        let all = Run { start: 0, end: head.size.0, disclosed: true };
        Self::of_runs(store, ledger, head, Scope::Full, Shows { runs: vec![all], sealed: None }, compression)
    }

    /// Begins the bundle of a scope of a ledger, as of a head that its store had or has: finds what it has to show. With
    /// a seal below that head, the extract of a case or of a subject proves that it shows all up to there (SPEC §15).
    ///
    /// # Errors
    /// [`BundleError::NoCase`], [`BundleError::NoSubject`], [`BundleError::NotYet`], or as [`BundleChunks::full`].
    pub fn of_scope(
        store: D,
        ledger: LedgerId,
        head: &Head,
        scope: Scope,
        last: LastLeaf,
        sealed: Option<&Sealed>,
        compression: Compression,
    ) -> Result<Self, BundleError> {
        let sealed = sealed.filter(|sealed| sealed.seq.0 < head.size.0);
        let (runs, statements) = select(&*store, head, &scope, last, sealed.map(|sealed| sealed.seq))?;
        let sealed = sealed.map(|sealed| (sealed.seq, sealed_lines(sealed, &scope, &statements)));
        Self::of_runs(store, ledger, head, scope, Shows { runs, sealed }, compression)
    }

    /// Begins an extract that proves that there was no such case, or no such subject in it, before a seal, which is below
    /// the head.
    ///
    /// # Errors
    /// [`BundleError::Present`] where there is, before the seal or after it, or as [`BundleChunks::full`].
    pub fn of_absence(
        store: D,
        ledger: LedgerId,
        head: &Head,
        (case, subject): (CaseId, Option<Subject>),
        last: LastLeaf,
        sealed: &Sealed,
        compression: Compression,
    ) -> Result<Self, BundleError> {
        let stream = StreamId {
            case: Some(case.clone()),
            subject: subject.clone().unwrap_or_else(|| case_stream(&case).subject),
        };
        if store.stream_head(&stream)?.is_some() {
            let what = subject.map_or_else(|| format!("a case {case}"), |subject| format!("{subject} in case {case}"));
            return Err(BundleError::Present { what });
        }
        let runs = select_absence(&*store, head, last, sealed.seq)?;
        let line = match &subject {
            Some(_) => sealed.streams.prove_stream(&stream),
            None => sealed.streams.prove_case(Some(&case)),
        };
        let scope = subject.map_or_else(|| Scope::Case(case.clone()), |subject| Scope::Stream(case.clone(), subject));
        let shows = Shows { runs, sealed: Some((sealed.seq, vec![line.line()])) };
        Self::of_runs(store, ledger, head, scope, shows, compression)
    }

    fn of_runs(
        store: D,
        ledger: LedgerId,
        head: &Head,
        scope: Scope,
        shows: Shows,
        compression: Compression,
    ) -> Result<Self, BundleError> {
        let mut output = match compression {
            Compression::None => Output::Plain(Vec::new()),
            Compression::Zstd(level) => {
                let mut encoder = Encoder::new(Vec::new(), level)?;
                encoder.window_log(WINDOW_LOG)?;
                encoder.include_checksum(true)?;
                Output::Zstd(encoder)
            }
        };
        let header = Header { ledger, scope, checkpoint: head.checkpoint.clone() };
        output.line(header.line().as_bytes())?;
        let tree = TreeView::new(Tiles(store.clone()), head.size);
        let tree = tree.map_err(tree_error)?;
        let (runs, lines) = (shows.runs.into_iter(), Vec::new().into_iter());
        Ok(Self {
            store,
            size: head.size,
            next: Seq(0),
            runs,
            run: None,
            tree,
            lines,
            disclosed: None,
            sealed: shows.sealed,
            output,
            bytes: 0,
        })
    }

    /// Tells how far the pieces that were taken go.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { entries: self.next.0, of: self.size.0, bytes: self.bytes }
    }

    fn chunk(&mut self) -> Result<Vec<u8>, BundleError> {
        while self.next.0 < self.size.0 {
            self.step()?;
            if self.output.ready() >= CHUNK {
                return Ok(self.output.take());
            }
        }
        Ok(self.output.finish()?)
    }

    /// Writes the next entry, or what is withheld before it.
    fn step(&mut self) -> Result<(), BundleError> {
        let run = match self.run.filter(|run| self.next.0 < run.end) {
            Some(run) => Some(run),
            None => {
                self.run = self.runs.next();
                self.disclosed = match self.run.filter(|run| run.disclosed) {
                    Some(run) => self.store.next_disclosures(Seq(run.start), Seq(run.end))?,
                    None => None,
                };
                self.run
            }
        };
        match run {
            Some(run) if run.start <= self.next.0 => self.entry(run),
            Some(run) => self.withhold(run.start),
            None => self.withhold(self.size.0),
        }
    }

    /// Writes the hashes of the leaves before `end`: of the largest complete subtrees.
    fn withhold(&mut self, end: u64) -> Result<(), BundleError> {
        while self.next.0 < end {
            let start = self.next.0;
            let height = start.trailing_zeros().min((end - start).ilog2());
            let next = start + (1 << height);
            let hash = self.tree.subtree_hash(start, next);
            let hash = hash.map_err(tree_error)?;
            self.output.line(Withheld { start, end: next, hash }.line().as_bytes())?;
            self.next = Seq(next);
        }
        Ok(())
    }

    /// Writes the next entry with its disclosures.
    fn entry(&mut self, run: Run) -> Result<(), BundleError> {
        let seq = self.next;
        let line = match self.lines.next() {
            Some(line) => line,
            None => {
                let left = usize::try_from(run.end - seq.0).unwrap_or(usize::MAX);
                self.lines = self.store.lines(seq, left.min(READ_ENTRIES), CHUNK)?.into_iter();
                self.lines.next().ok_or(BundleError::Missing { seq, size: self.size })?
            }
        };
        self.output.line(&line)?;
        self.next = Seq(seq.0 + 1);
        if let Some((_, disclosures)) = self.disclosed.take_if(|(of, _)| *of == seq) {
            for disclosure in disclosures {
                self.output.line(disclosure_line(&disclosure).as_bytes())?;
            }
            self.disclosed = self.store.next_disclosures(self.next, Seq(run.end))?;
        }
        if let Some((_, lines)) = self.sealed.take_if(|(of, _)| *of == seq) {
            for line in lines {
                self.output.line(line.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Returns the lines that prove, by a seal, that a scope is shown whole, and so are the statements that are shown with it.
fn sealed_lines(sealed: &Sealed, scope: &Scope, statements: &[StreamId]) -> Vec<String> {
    let mut lines = match scope {
        Scope::Full | Scope::Since(_) => return Vec::new(),
        Scope::Case(case) => vec![sealed.streams.prove_case(Some(case))],
        Scope::Stream(case, subject) => {
            let mut streams = vec![StreamId { case: Some(case.clone()), subject: subject.clone() }, case_stream(case)];
            streams.dedup();
            streams.iter().map(|stream| sealed.streams.prove_stream(stream)).collect()
        }
    };
    let before = statements.iter().filter(|stream| sealed.streams.record(stream).is_some());
    lines.extend(before.take(MAX_STATEMENTS).map(|stream| sealed.streams.prove_stream(stream)));
    lines.iter().map(SealedLine::line).collect()
}

fn tree_error(error: TreeError<BundleError>) -> BundleError {
    match error {
        TreeError::Reader { source, .. } => source,
        other => BundleError::Tree { reason: other.to_string() },
    }
}

impl<D> Iterator for BundleChunks<D>
where
    D: Deref<Target: Store> + Clone,
{
    type Item = Result<Vec<u8>, BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.output, Output::Finished) {
            return None;
        }
        let chunk = self.chunk();
        match &chunk {
            Ok(chunk) => self.bytes += chunk.len() as u64,
            Err(_) => self.output = Output::Finished,
        }
        Some(chunk)
    }
}

impl Output {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(out) => {
                out.extend_from_slice(line);
                out.push(b'\n');
                Ok(())
            }
            Self::Zstd(encoder) => encoder.write_all(line).and_then(|()| encoder.write_all(b"\n")),
            Self::Finished => Ok(()),
        }
    }

    /// Returns how many bytes can be taken.
    fn ready(&self) -> usize {
        match self {
            Self::Plain(out) => out.len(),
            Self::Zstd(encoder) => encoder.get_ref().len(),
            Self::Finished => 0,
        }
    }

    fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Plain(out) => mem::take(out),
            Self::Zstd(encoder) => mem::take(encoder.get_mut()),
            Self::Finished => Vec::new(),
        }
    }

    /// Returns what is left, and ends.
    fn finish(&mut self) -> io::Result<Vec<u8>> {
        match mem::replace(self, Self::Finished) {
            Self::Plain(out) => Ok(out),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Finished => Ok(Vec::new()),
        }
    }
}

/// Writes the full bundle of a ledger as of a head, and says after each piece how far it has come.
///
/// # Errors
/// When the store cannot be read or `out` takes no more. What is written then is no bundle.
pub fn write_full<W: Write>(
    mut out: W,
    store: &dyn Store,
    ledger: LedgerId,
    head: &Head,
    compression: Compression,
    mut progress: impl FnMut(Progress),
) -> Result<(), BundleError> {
    let mut chunks = BundleChunks::full(store, ledger, head, compression)?;
    while let Some(chunk) = chunks.next() {
        out.write_all(&chunk?)?;
        progress(chunks.progress());
    }
    out.flush()?;
    Ok(())
}
