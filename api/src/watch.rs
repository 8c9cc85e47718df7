//! Following a ledger from outside: nothing is believed but what is signed or derived again.
//!
//! A watch keeps the last checkpoint that it verified (`state`) and 64 bytes of every entry under it (`records`). What
//! comes new is fetched as C2SP tlog-tiles serves it, judged entry by entry (`fold`), and taken over only when it hashes
//! to the root that the log signed. Where two things that the log signed contradict each other, a proof of misbehaviour
//! is made (SPEC §16), and the state stays where it was.
//!
//! What a server says without a signature proves nothing against anybody: bytes that do not fit the signed root may be
//! those of a proxy, and are asked for again.

mod fold;
mod records;
mod state;

use std::path::{Path, PathBuf};

use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::{LeafHash, LedgerId};
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::merkle::{TileReader, TreeError, TreeView};
use countersign_ledger::misbehaviour::{Claim, Included, MAX_KEYS, Misbehaviour, Proven, roots, subtrees};
use countersign_ledger::note::Vkey;
use countersign_ledger::proof::{LogProof, Receipt};
use countersign_ledger::tile::{FULL_WIDTH, TileResource, TileWidth};

use self::fold::{Fold, Wrong};
use self::records::{Record, Records};
use self::state::State;
use crate::client::{ClientError, LogReader};
use crate::failure::Failure;

/// The most entries of a ledger that is watched: 256 GiB of records.
const MAX_ENTRIES: u64 = 1 << 32;

/// What a look at a server came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It shows what it showed before.
    Same,
    /// It shows more.
    Grown {
        /// The size before.
        from: TreeSize,
    },
    /// It shows an earlier state of the same history: an old copy, or a backup that was put back.
    Behind {
        /// The size it shows.
        shown: TreeSize,
    },
}

/// What a checkpoint or receipt from elsewhere came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// It is of the history that is watched.
    Same,
    /// It is of more entries than were seen so far.
    Newer {
        /// Its size.
        size: TreeSize,
    },
    /// No key of the log vouches for it: it says nothing about the log.
    NotTheLogs {
        /// Why.
        why: String,
    },
}

/// Why a look came to nothing, or to more than was hoped for.
#[derive(Debug)]
pub enum Trouble {
    /// The server gave no answer, or refused.
    Server(ClientError),
    /// What the server gave does not fit its own signed checkpoint, or is not signed: nobody's fault is shown.
    Misfit(String),
    /// An entry is wrong, but only the whole ledger shows it.
    Unshown(String),
    /// A newer version of the format: nothing more can be judged.
    Newer(String),
    /// It is another ledger.
    OtherLedger,
    /// The log contradicts itself, and here is the proof.
    Misbehaviour(Box<Misbehaviour>),
    /// A file here could not be read or written.
    Here(Failure),
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        Self::Server(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}

/// Tells apart what the server did not answer and what does not fit.
fn of_tree(error: TreeError<ClientError>) -> Trouble {
    match error {
        TreeError::Reader { source, .. } => Trouble::Server(source),
        other => Trouble::Misfit(other.to_string()),
    }
}

/// A ledger that is followed.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    records: Records,
    fold: Fold,
    /// The last verified checkpoint.
    kept: Option<SignedCheckpoint>,
    /// For each log key the proof of its entry, where a key before signed for it.
    proofs: Vec<Option<String>>,
}

impl Watch {
    /// Opens a state, or begins one. Unless `ledger` is given, the state says which.
    ///
    /// # Errors
    /// When the files cannot be read, do not fit each other, or are of another ledger.
    pub fn open(path: &Path, ledger: Option<LedgerId>) -> Result<Self, Failure> {
        let state = State::read(path)?;
        let ledger = match (ledger, &state) {
            (Some(given), Some(state)) if given != state.ledger => {
                let message = format_args!("{} is of ledger {}, expected {given}", path.display(), state.ledger);
                return Err(Failure::usage(message).hint("give another --state for another ledger"));
            }
            (Some(given), _) => given,
            (None, Some(state)) => state.ledger,
            (None, None) => {
                return Err(Failure::usage("which ledger is to be watched is not known")
                    .hint("give --ledger ID, from a source you trust"));
            }
        };
        Self::restore(path, state, ledger, |size, fold| {
            let records_path = records_path(path);
            Records::open(&records_path, size, |seq, record| fold.recall(seq, record))
                .map_err(|e| Failure::file(&records_path, "open", &e))
        })
    }

    fn restore(
        path: &Path,
        state: Option<State>,
        ledger: LedgerId,
        records: impl FnOnce(u64, &mut Fold) -> Result<Records, Failure>,
    ) -> Result<Self, Failure> {
        let size = state.as_ref().map_or(0, |state| state.checkpoint.checkpoint().size.0);
        let mut fold = Fold::new(ledger);
        let records = records(size, &mut fold)?;
        let mut watch = Self { path: path.to_owned(), records, fold, kept: None, proofs: Vec::new() };
        if let Some(state) = state {
            let damaged = || {
                let other = records_path(path);
                Failure::usage(format_args!("{} and {} do not fit each other", path.display(), other.display()))
                    .hint("one of them was changed: keep both, look at the disk, and begin another state")
            };
            let checkpoint = state.checkpoint.clone();
            watch.proofs = state.restore(&mut watch.fold).ok_or_else(damaged)?;
            let root = watch.view(size)?.root().map_err(|e| watch.here(e))?;
            if root != checkpoint.checkpoint().root {
                return Err(damaged());
            }
            watch.kept = Some(checkpoint);
        }
        Ok(watch)
    }

    /// Goes back to what was verified, without letting another process in.
    ///
    /// # Errors
    /// As [`Watch::open`].
    pub fn reopen(&mut self) -> Result<(), Failure> {
        let state = State::read(&self.path)?;
        let (path, ledger, records) = (self.path.clone(), self.ledger(), &mut self.records);
        let again = Self::restore(&path, state, ledger, |size, fold| {
            let again = records.again(size, |seq, record| fold.recall(seq, record));
            again.map_err(|e| Failure::file(&records_path(&path), "read", &e))
        })?;
        *self = again;
        Ok(())
    }

    /// Returns the ledger.
    #[must_use]
    pub const fn ledger(&self) -> LedgerId {
        self.fold.ledger
    }

    /// Returns the last verified checkpoint.
    #[must_use]
    pub const fn kept(&self) -> Option<&SignedCheckpoint> {
        self.kept.as_ref()
    }

    fn size(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.checkpoint().size.0)
    }

    /// Returns the entries by which the log key was rotated without a key before it having been seen to sign for it.
    #[must_use]
    pub fn unshown_rotations(&self) -> Vec<Seq> {
        let rotations = self.fold.log_keys.iter().zip(&self.proofs).skip(1);
        rotations.filter(|(_, proof)| proof.is_none()).map(|(key, _)| key.seq).collect()
    }

    fn here<E: std::fmt::Display>(&self, error: E) -> Failure {
        let path = records_path(&self.path);
        Failure::usage(format_args!("cannot read {}: {error}", path.display()))
    }

    fn view(&self, size: u64) -> Result<TreeView<&Records>, Failure> {
        TreeView::new(&self.records, TreeSize(size)).map_err(|e| self.here(e))
    }

    /// Looks at a server, and takes over what it shows, once it is verified. `progress` is told how many of how many
    /// entries were read.
    ///
    /// After [`Trouble::Misfit`] and whatever else broke off between, the watch is to be opened again.
    ///
    /// # Errors
    /// When there is trouble.
    pub fn follow(&mut self, log: &LogReader, progress: &dyn Fn(u64, u64)) -> Result<Seen, Trouble> {
        let shown = log.checkpoint()?;
        let (from, size) = (self.size(), shown.checkpoint().size.0);
        if size == 0 || size > MAX_ENTRIES {
            return Err(Trouble::Misfit(format!("a checkpoint of {size} entries, expected 1 to {MAX_ENTRIES}")));
        }
        // any key that the log ever had binds it: a history that forgot a rotation is signed by the key before
        let vouched = self.not_the_logs(&shown).is_none();
        if size <= from {
            if vouched {
                self.check_part(&shown)?;
            }
            self.check_signed(&shown)?;
            if size < from {
                return Ok(Seen::Behind { shown: TreeSize(size) });
            }
            self.renew(shown)?;
            return Ok(Seen::Same);
        }
        self.check_continues(&shown, log, vouched)?;
        let wrong = self.read_on(log, size, progress)?;
        let root = self.view(size)?.root().map_err(|e| self.here(e))?;
        if root != shown.checkpoint().root {
            let what =
                format!("{size} entries whose root is {root}, under a checkpoint of root {}", shown.checkpoint().root);
            return Err(Trouble::Misfit(what));
        }
        // a key that these very entries declare may have signed
        self.check_signed(&shown)?;
        self.note_rotations(&shown)?;
        match wrong {
            None => {}
            Some((seq, wrong)) => return Err(self.accuse(seq, wrong, &shown, log)?),
        }
        self.records.sync().map_err(|e| self.here(e))?;
        self.keep(shown)?;
        Ok(Seen::Grown { from: TreeSize(from) })
    }

    /// Takes another checkpoint of the same tree for its signatures; the file is written where they show more about the
    /// log's keys.
    fn renew(&mut self, shown: SignedCheckpoint) -> Result<(), Failure> {
        let before = self.proofs.clone();
        self.note_rotations(&shown)?;
        if self.proofs != before {
            return self.keep(shown);
        }
        self.kept = Some(shown);
        Ok(())
    }

    fn keep(&mut self, shown: SignedCheckpoint) -> Result<(), Failure> {
        if let Some(state) = State::of(&self.fold, &self.proofs, &shown) {
            state.write(&self.path)?;
        }
        self.kept = Some(shown);
        Ok(())
    }

    /// Checks that the log key in force signed.
    fn check_signed(&self, shown: &SignedCheckpoint) -> Result<(), Trouble> {
        let key = self.fold.log_key_at(shown.checkpoint().size.0);
        let key = key.ok_or_else(|| Trouble::Misfit("a checkpoint before any log key is known".to_owned()))?;
        shown.verify(key).map_err(|e| Trouble::Misfit(format!("a checkpoint that is not the log's: {e}")))
    }

    /// Checks a signed checkpoint of no more entries than are kept.
    fn check_part(&self, shown: &SignedCheckpoint) -> Result<(), Trouble> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let size = shown.checkpoint().size;
        let root = self.view(size.0)?.root().map_err(|e| self.here(e))?;
        if root == shown.checkpoint().root {
            return Ok(());
        }
        let mut view = self.view(kept.checkpoint().size.0)?;
        Err(self.two_histories(shown, kept, &mut view, |e| Trouble::Here(self.here(e))))
    }

    /// Checks that a larger tree continues what is kept, by subtrees that must hash to its root.
    fn check_continues(&self, shown: &SignedCheckpoint, log: &LogReader, signed: bool) -> Result<(), Trouble> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let mut view = TreeView::new(log, shown.checkpoint().size).map_err(|e| Trouble::Misfit(e.to_string()))?;
        let boundary = kept.checkpoint().size;
        let parts = subtrees(&mut view, boundary).map_err(of_tree)?;
        let (before, root) = roots(&parts, boundary);
        if root != shown.checkpoint().root {
            return Err(Trouble::Misfit("tiles that do not hash to the root of its checkpoint".to_owned()));
        }
        if before == kept.checkpoint().root {
            return Ok(());
        }
        if !signed {
            let why = "a checkpoint of another history, which no known log key signed".to_owned();
            return Err(Trouble::Misfit(why));
        }
        Err(self.two_histories(kept, shown, &mut view, of_tree))
    }

    /// Makes the proof that two signed checkpoints are of two histories; the larger one's tree is `view`.
    fn two_histories<R: TileReader>(
        &self,
        first: &SignedCheckpoint,
        second: &SignedCheckpoint,
        view: &mut TreeView<R>,
        trouble: impl FnOnce(TreeError<R::Error>) -> Trouble,
    ) -> Trouble {
        let boundary = first.checkpoint().size;
        let parts = if boundary == second.checkpoint().size { Ok(Vec::new()) } else { subtrees(view, boundary) };
        match parts {
            Ok(subtrees) => {
                let (first, second) = (Box::new(first.clone()), Box::new(second.clone()));
                self.misbehaviour(Claim::InconsistentCheckpoints { first, second, subtrees })
            }
            Err(error) => trouble(error),
        }
    }

    fn misbehaviour(&self, claim: Claim) -> Trouble {
        let shown = self.fold.log_keys.iter().zip(&self.proofs).skip(1);
        let keys = shown
            .map_while(|(key, proof)| Some(Proven { entry: key.line.clone(), proof: proof.as_ref()?.parse().ok()? }));
        Trouble::Misbehaviour(Box::new(Misbehaviour {
            ledger: self.fold.ledger,
            created: self.fold.created.clone(),
            keys: keys.take(MAX_KEYS).collect(),
            claim,
        }))
    }

    /// Reads entries up to `size` and adds their records. Returns the first that is wrong.
    fn read_on(
        &mut self,
        log: &LogReader,
        size: u64,
        progress: &dyn Fn(u64, u64),
    ) -> Result<Option<(Seq, Wrong)>, Trouble> {
        let width = u64::from(FULL_WIDTH);
        let (from, mut wrong) = (self.records.len(), None);
        for index in from / width..=(size - 1) / width {
            let lines = bundle(log, index, size)?;
            for (seq, line) in (index * width..).zip(&lines) {
                let leaf = LeafHash::of_line(line);
                if seq < from {
                    if self.records.leaf(seq).map_err(|e| self.here(e))? != leaf {
                        return Err(Trouble::Misfit(format!("another entry {seq} than its tree has")));
                    }
                    continue;
                }
                let taken = if wrong.is_some() { None } else { Some(self.fold.take(line, leaf)) };
                let record = match taken {
                    Some(Ok(record)) => record,
                    Some(Err(Wrong::OtherLedger)) => return Err(Trouble::OtherLedger),
                    Some(Err(fault)) => {
                        wrong = Some((Seq(seq), fault));
                        Record { leaf, stream: [0; 16], id: [0; 16] }
                    }
                    None => Record { leaf, stream: [0; 16], id: [0; 16] },
                };
                self.records.push(record).map_err(|e| self.here(e))?;
            }
            progress(self.records.len(), size);
        }
        self.records.flush().map_err(|e| self.here(e))?;
        Ok(wrong)
    }

    /// Makes the proof that an entry under a signed checkpoint is wrong.
    fn accuse(&self, seq: Seq, wrong: Wrong, shown: &SignedCheckpoint, log: &LogReader) -> Result<Trouble, Trouble> {
        let (what, other, line) = match wrong {
            Wrong::Shown { shown, other, line } => (shown, other, line),
            Wrong::Unshown(why) => return Ok(Trouble::Unshown(why)),
            Wrong::Newer(what) => return Ok(Trouble::Newer(format!("entry {seq}: {what}"))),
            Wrong::OtherLedger => return Ok(Trouble::OtherLedger),
        };
        let size = shown.checkpoint().size;
        let mut lines = Vec::new();
        if let Some(other) = other {
            lines.push((other, self.line(other, size.0, log)?));
        }
        lines.push((seq, line));
        let mut view = self.view(size.0)?;
        let mut entries = Vec::new();
        for (seq, line) in lines {
            let path = view.inclusion_proof(seq).map_err(|e| self.here(e))?;
            entries.push(Included { seq, line, path });
        }
        Ok(self.misbehaviour(Claim::Entries { shown: what, checkpoint: Box::new(shown.clone()), entries }))
    }

    /// Fetches an earlier entry's line again.
    fn line(&self, seq: Seq, size: u64, log: &LogReader) -> Result<Vec<u8>, Trouble> {
        let width = u64::from(FULL_WIDTH);
        let mut lines = bundle(log, seq.0 / width, size)?;
        let line = lines.swap_remove(usize::try_from(seq.0 % width).unwrap_or_default());
        if self.records.leaf(seq.0).map_err(|e| self.here(e))? == LeafHash::of_line(&line) {
            return Ok(line);
        }
        Err(Trouble::Misfit(format!("another entry {seq} than its tree has")))
    }

    /// Looks whether a checkpoint shows that a key before vouched for a rotated one, as it does while both sign.
    fn note_rotations(&mut self, shown: &SignedCheckpoint) -> Result<(), Failure> {
        self.proofs.resize(self.fold.log_keys.len(), None);
        for at in 1..self.proofs.len() {
            let key = &self.fold.log_keys[at];
            let before = self.fold.log_keys[..at].iter().any(|before| shown.verify(&before.vkey).is_ok());
            if self.proofs[at].is_some() || !before || key.seq.0 >= shown.checkpoint().size.0 {
                continue;
            }
            let path = self.view(shown.checkpoint().size.0)?.inclusion_proof(key.seq).map_err(|e| self.here(e))?;
            let proof = LogProof::new(key.seq, path, shown.clone()).map_err(|e| self.here(e))?;
            self.proofs[at] = Some(proof.to_string());
        }
        Ok(())
    }

    /// Compares a checkpoint that somebody else was given; what is newer than what is kept with the help of a server
    /// that shows that tree.
    ///
    /// # Errors
    /// When there is trouble.
    pub fn compare(&self, handed: &SignedCheckpoint, log: Option<&LogReader>) -> Result<Compared, Trouble> {
        let size = handed.checkpoint().size;
        if let Some(why) = self.not_the_logs(handed) {
            return Ok(Compared::NotTheLogs { why });
        }
        if size.0 <= self.size() {
            return self.check_part(handed).map(|()| Compared::Same);
        }
        if let Some(log) = log {
            self.check_continues(handed, log, true)?;
        }
        Ok(Compared::Newer { size })
    }

    /// Tells why a checkpoint says nothing about the log; any key that the log ever had vouches for one.
    fn not_the_logs(&self, handed: &SignedCheckpoint) -> Option<String> {
        if handed.checkpoint().size.0 == 0 {
            return Some("it is of no entries".to_owned());
        }
        let keys: Vec<Vkey> = self.fold.log_keys.iter().map(|key| key.vkey.clone()).collect();
        handed.verify_any(&keys).err().map(|e| e.to_string())
    }

    /// Compares a receipt that somebody keeps.
    ///
    /// # Errors
    /// When there is trouble.
    pub fn receipt(&self, receipt: &Receipt) -> Result<Compared, Trouble> {
        let (seq, promised) = (receipt.seq(), receipt.proof().checkpoint());
        if let Err(error) = receipt.verify_inclusion() {
            return Ok(Compared::NotTheLogs { why: error.to_string() });
        }
        if let Some(why) = self.not_the_logs(promised) {
            return Ok(Compared::NotTheLogs { why });
        }
        let Some(kept) = self.kept.as_ref().filter(|kept| seq.0 < kept.checkpoint().size.0) else {
            return Ok(Compared::Newer { size: promised.checkpoint().size });
        };
        let leaf = self.records.leaf(seq.0).map_err(|e| self.here(e))?;
        if leaf == receipt.leaf() {
            return self.compare(promised, None);
        }
        let path = self.view(kept.checkpoint().size.0)?.inclusion_proof(seq).map_err(|e| self.here(e))?;
        let proof = LogProof::new(seq, path, kept.clone()).map_err(|e| self.here(e))?;
        let receipt = Proven { entry: receipt.entry().to_owned(), proof: receipt.proof().clone() };
        Err(self.misbehaviour(Claim::EntryNotInTree {
            receipt: Box::new(receipt),
            leaf: leaf.into(),
            proof: Box::new(proof),
        }))
    }
}

/// Fetches the entries of a bundle that a tree of `size` has.
fn bundle(log: &LogReader, index: u64, size: u64) -> Result<Vec<Vec<u8>>, Trouble> {
    let full = TileResource::Entries { index, width: TileWidth::FULL };
    let width = full.width_in(TreeSize(size));
    let width = width.ok_or_else(|| Trouble::Misfit(format!("no bundle {index} in a tree of {size}")))?;
    Ok(log.entries(index, width)?)
}

/// Where the records of a state file are.
fn records_path(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".entries");
    name.into()
}
