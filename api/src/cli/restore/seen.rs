//! What others have seen of a ledger, and whether a restored one is behind it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use countersign_ledger::append::StoreTiles;
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::high_water::HighWater;
use countersign_ledger::id::TreeSize;
use countersign_ledger::merkle::TreeView;
use countersign_ledger::note::Vkey;
use countersign_ledger::replay::Replay;
use countersign_ledger::trust::{MAX_TRUST_BYTES, TrustFile};
use serde::Serialize;

use crate::case_file::Basis;
use crate::cli::Context;
use crate::client::witness;
use crate::failure::Failure;
use crate::files;

/// What others have seen.
#[derive(Debug, Args)]
pub(super) struct Others {
    /// The high-water file of the ledger that was lost
    #[arg(long, value_name = "FILE")]
    high_water: Option<PathBuf>,
    /// A checkpoint, receipt or bundle that somebody holds; may be given several times
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// The same as --checkpoint
    #[arg(long, value_name = "FILE")]
    receipt: Vec<PathBuf>,
    /// Ask the witnesses of this trust file; at least one must answer
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Ask this witness, which must answer; may be given several times
    #[arg(long, value_name = "URL")]
    witness: Vec<String>,
    /// Go on although nobody outside says how far the ledger was
    #[arg(long)]
    accept_unwitnessed: bool,
}

/// How something that others have seen compares with what was restored.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Compared {
    /// What it is: a file or a witness.
    with: String,
    /// How many entries it has seen.
    size: TreeSize,
    result: Comparison,
    #[serde(skip)]
    file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Comparison {
    Fits,
    Newer,
    AnotherHistory,
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} entries", self.with, self.size)
    }
}

impl Compared {
    pub(super) fn fits(&self) -> bool {
        self.result == Comparison::Fits
    }

    /// Another history weighs more than a newer state, and of two newer ones the newest.
    pub(super) fn rank(&self, own: TreeSize) -> (bool, u64) {
        (self.result == Comparison::AnotherHistory, self.size.0.saturating_sub(own.0))
    }

    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    pub(super) fn told(&self, own: TreeSize) -> String {
        let Self { with, size, .. } = self;
        match self.result {
            Comparison::AnotherHistory => format!("{with} shows another history at {size} entries"),
            _ => {
                let missing = size.0.saturating_sub(own.0);
                let entries = if missing == 1 { "entry" } else { "entries" };
                format!("{with} has seen {size}, so {missing} {entries} are missing")
                    .replace("1 entry are", "1 entry is")
            }
        }
    }
}

impl Others {
    /// Checks that there is something to compare with, or that the user goes without.
    pub(super) fn must_be_some(&self) -> Result<(), Failure> {
        let some = self.high_water.is_some()
            || !self.checkpoint.is_empty()
            || !self.receipt.is_empty()
            || self.trust.is_some()
            || !self.witness.is_empty();
        if some || self.accept_unwitnessed {
            return Ok(());
        }
        Err(Failure::usage("nothing says how far the ledger was").hint(
            "give what others have seen: --high-water, --checkpoint, --receipt, --trust or --witness. If anybody was told \
             of an entry beyond this bundle, going on makes two histories of it; if you know that nobody was, give \
             --accept-unwitnessed",
        ))
    }

    /// Compares the restored ledger with all of it.
    pub(super) fn compare(
        &self,
        replay: &Replay,
        checkpoint: &SignedCheckpoint,
        context: &Context,
    ) -> Result<Vec<Compared>, Failure> {
        let mut compared = Vec::new();
        if let Some(path) = &self.high_water {
            let mark = HighWater::open(path).map_err(Failure::usage)?;
            if let Some(mark) = mark.latest() {
                let seen = SignedCheckpoint::from_bytes(mark.checkpoint.as_bytes())
                    .map_err(|e| Failure::usage(e).within(path.display()))?;
                // The mark is no file that `init --predecessor` reads.
                compared.push(Compared { file: None, ..of_file(path, &seen, replay)? });
            }
        }
        for path in self.checkpoint.iter().chain(&self.receipt) {
            let basis = Basis::read(path)?;
            if let Some(found) = basis.ledger.filter(|found| *found != replay.ledger()) {
                let expected = replay.ledger();
                return Err(Failure::usage(format_args!(
                    "{} is of ledger {found}, expected {expected}",
                    path.display()
                )));
            }
            compared.push(of_file(path, &basis.checkpoint, replay)?);
        }
        compared.extend(self.witnesses(replay, checkpoint, context)?);
        Ok(compared)
    }

    fn witnesses(
        &self,
        replay: &Replay,
        checkpoint: &SignedCheckpoint,
        context: &Context,
    ) -> Result<Vec<Compared>, Failure> {
        let patience = Duration::from_secs(context.global().timeout);
        let ask = |url: &str, key: Option<&Vkey>| of_witness(url, key, replay, checkpoint, patience);
        let mut compared = Vec::new();
        for url in &self.witness {
            compared.push(ask(url, None).map_err(|why| {
                Failure::usage(format_args!("the witness {url} could not be asked: {why}"))
                    .hint("what it has seen is not known: try again, or give something else that others have seen")
            })?);
        }
        if let Some(path) = &self.trust {
            let trust = TrustFile::parse(&files::read(path, MAX_TRUST_BYTES)?)
                .map_err(|e| Failure::usage(e).within(path.display()))?;
            let before = compared.len();
            let known = trust.witnesses().iter().filter_map(|line| line.url.as_deref().zip(line.key.vkey()));
            for (url, key) in known {
                match ask(url, Some(key)) {
                    Ok(seen) => compared.push(seen),
                    Err(why) => context.out().warn(format_args!("the witness {url} could not be asked: {why}")),
                }
            }
            if compared.len() == before {
                return Err(Failure::usage(format_args!("no witness of {} answered", path.display())).hint(
                    "what they have seen is not known: try again, or give something else that others have seen",
                ));
            }
        }
        Ok(compared)
    }
}

/// Compares with a signed checkpoint out of a file.
fn of_file(path: &Path, seen: &SignedCheckpoint, replay: &Replay) -> Result<Compared, Failure> {
    let signed = seen.checkpoint();
    let is_signed = replay.authority().log_keys().iter().any(|(_, vkey)| seen.verify(vkey).is_ok());
    // Of a newer state the log key may have been rotated in what is missing: it counts as seen all the same.
    let may_be = signed.size > replay.size() && signed.origin.as_str() == replay.authority().origin();
    if !(is_signed || may_be) {
        return Err(Failure::usage(format_args!(
            "{}: no log key of this ledger signed its checkpoint",
            path.display()
        )));
    }
    let root = replay.root_at(signed.size).map_err(Failure::refused)?;
    let result = match root {
        None => Comparison::Newer,
        Some(root) if root == signed.root => Comparison::Fits,
        Some(_) => Comparison::AnotherHistory,
    };
    Ok(Compared { with: path.display().to_string(), size: signed.size, result, file: Some(path.to_owned()) })
}

fn of_witness(
    url: &str,
    key: Option<&Vkey>,
    replay: &Replay,
    checkpoint: &SignedCheckpoint,
    patience: Duration,
) -> Result<Compared, String> {
    let prove = |old: TreeSize| {
        let mut tree = TreeView::new(StoreTiles(&**replay.store()), replay.size()).map_err(|e| e.to_string())?;
        tree.consistency_proof(old).map_err(|e| e.to_string())
    };
    let (size, result) = match witness::seen(url, key, checkpoint, patience, prove)? {
        // A witness that never cosigned this log says nothing of how far it was.
        witness::Seen::UpTo(TreeSize(0)) => return Err("it has seen nothing of this ledger before".to_owned()),
        witness::Seen::UpTo(size) => (size, Comparison::Fits),
        witness::Seen::Beyond(size) => (size, Comparison::Newer),
        witness::Seen::Otherwise(size) => (size, Comparison::AnotherHistory),
    };
    Ok(Compared { with: format!("witness {url}"), size, result, file: None })
}
