//! The data folder: where a ledger's store, high-water mark and log key are, and how they are opened.
//!
//! ```text
//! DIR/db            the store (RocksDB)
//! DIR/views         views (RocksDB): may be deleted, are rebuilt
//! DIR/high-water    the newest acknowledged checkpoint; better on another disk (--high-water)
//! DIR/evidence      files that events name (--evidence)
//! DIR/witnessed.json the newest cosignatures of witnesses: may be deleted, they are asked again
//! DIR/log-key.pem   the private key that signs checkpoints (--log-key)
//! DIR/copy.json     of what this is a copy, if it is one: it is never appended to
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use countersign_ledger::append::{DEFAULT_QUEUE, Ledger, OpenError, OpenOptions, Parts};
use countersign_ledger::high_water::{HighWater, HighWaterError};
use countersign_ledger::keys::Signer;
use countersign_ledger::store::rocks::{RocksOptions, RocksStore};
use countersign_ledger::store::{Store, StoreError};
use countersign_ledger::submission::Submission;
use countersign_ledger::time::SystemClock;

use super::{Marker, MeasuredStore, Metrics};
use crate::failure::Failure;
use crate::keyring::Keyring;

/// Where a ledger's data are.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Folder of the ledger's data
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA")]
    pub data: PathBuf,
    /// File of the newest acknowledged checkpoint, best on another disk [default: DIR/high-water]
    #[arg(long, value_name = "FILE")]
    pub high_water: Option<PathBuf>,
    /// Private key that signs checkpoints, or exec:PROGRAM; twice while it is rotated [default: DIR/log-key.pem]
    #[arg(long, value_name = "FILE")]
    pub log_key: Vec<PathBuf>,
}

impl DataArgs {
    /// Returns the folder of the store.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.data.join("db")
    }

    /// Returns the folder of the views.
    #[must_use]
    pub fn views_path(&self) -> PathBuf {
        self.data.join("views")
    }

    /// Returns the high-water file.
    #[must_use]
    pub fn high_water_path(&self) -> PathBuf {
        self.high_water.clone().unwrap_or_else(|| self.data.join("high-water"))
    }

    /// Returns the log key's files.
    #[must_use]
    pub fn log_key_paths(&self) -> Vec<PathBuf> {
        if self.log_key.is_empty() { vec![self.data.join("log-key.pem")] } else { self.log_key.clone() }
    }

    /// Reads the log keys.
    ///
    /// # Errors
    /// When a file cannot be read or opened.
    pub fn log_keys(&self, keyring: &Keyring) -> Result<Vec<Arc<dyn Signer>>, Failure> {
        keyring.open_all(&self.log_key_paths())
    }
}

/// Makes a ledger in a new data folder: entry 0 is durable when this returns.
///
/// # Errors
/// When there is a ledger already, the genesis is refused, or a file cannot be written.
pub fn create_data(args: &DataArgs, log_keys: Vec<Arc<dyn Signer>>, genesis: Submission) -> Result<Ledger, Failure> {
    let store = RocksStore::create(&args.store_path(), &RocksOptions::default()).map_err(|e| store_failure(&e))?;
    let high_water = HighWater::create(&args.high_water_path()).map_err(|e| high_water_failure(&e))?;
    let parts = Parts {
        store: Arc::new(store),
        high_water: Some(high_water),
        log_keys,
        clock: Arc::new(SystemClock),
        queue: DEFAULT_QUEUE,
    };
    Ledger::create(parts, genesis).map_err(|e| open_failure(&e, &args.data))
}

/// Opens the ledger in a data folder, after checking that nothing of it was lost or rolled back.
///
/// # Errors
/// When anything does not fit, with what the operator can do about it.
pub fn open_data(args: &DataArgs, keyring: &Keyring) -> Result<Ledger, Failure> {
    open_measured(args, keyring, DEFAULT_QUEUE, OpenOptions::default(), None)
}

/// Opens the store and the high-water file of a data folder.
pub(super) fn open_store(args: &DataArgs) -> Result<(RocksStore, HighWater), Failure> {
    if !args.store_path().is_dir() {
        return Err(Failure::usage(format_args!("there is no ledger in {}", args.data.display()))
            .hint("`countersign init --data DIR` makes one"));
    }
    let high_water = HighWater::open(&args.high_water_path()).map_err(|e| high_water_failure(&e))?;
    if high_water.was_torn() {
        tracing::warn!("one of the two slots of the high-water file was unreadable; the other one holds the mark");
    }
    let store = RocksStore::open(&args.store_path(), high_water.size(), &RocksOptions::default());
    Ok((store.map_err(|e| store_failure(&e))?, high_water))
}

/// Opens a copy, to be read.
///
/// # Errors
/// As [`open_data`].
pub(crate) fn open_copy(args: &DataArgs, store: Arc<dyn Store>, high_water: &HighWater) -> Result<Ledger, Failure> {
    let clock = Arc::new(SystemClock);
    Ledger::open_to_read(store, high_water.latest(), clock).map_err(|e| open_failure(&e, &args.data))
}

/// As [`open_data`]; commits are measured.
pub(crate) fn open_measured(
    args: &DataArgs,
    keyring: &Keyring,
    queue: usize,
    options: OpenOptions,
    metrics: Option<&Metrics>,
) -> Result<Ledger, Failure> {
    if let Some(marker) = Marker::read(&args.data)? {
        return Err(marker.refusal(&args.data));
    }
    if !args.store_path().is_dir() {
        return Err(Failure::usage(format_args!("there is no ledger in {}", args.data.display()))
            .hint("`countersign init --data DIR` makes one"));
    }
    let log_keys = args.log_keys(keyring)?;
    let (store, high_water) = open_store(args)?;
    let mut store: Arc<dyn Store> = Arc::new(store);
    if let Some(metrics) = metrics {
        store = Arc::new(MeasuredStore::new(store, metrics.clone()));
    }
    let parts = Parts { store, high_water: Some(high_water), log_keys, clock: Arc::new(SystemClock), queue };
    Ledger::open(parts, options).map_err(|e| open_failure(&e, &args.data))
}

pub(super) const RESTORE: &str = "never start on data that were rolled back: put back the newest copy of the data folder; if entries \
    are lost for good, begin a successor that names the high-water checkpoint as its predecessor";

pub(super) fn high_water_failure(error: &HighWaterError) -> Failure {
    let failure = Failure::usage(error);
    match error {
        HighWaterError::Missing { .. } => failure.hint(
            "without it nobody can tell whether the data were rolled back: give --high-water FILE, or put the file back",
        ),
        HighWaterError::InUse { .. } => failure.hint("is another `countersign serve` running on it?"),
        _ => failure,
    }
}

pub(super) fn store_failure(error: &StoreError) -> Failure {
    match error {
        StoreError::Behind { .. } => Failure::refused(error).hint(RESTORE),
        StoreError::Corrupt { .. } => Failure::refused(error).hint("put back the newest copy of the data folder"),
        StoreError::InUse { .. } => Failure::usage(error).hint("is another `countersign serve` running on it?"),
        StoreError::Missing { .. } => Failure::usage(error).hint("`countersign init --data DIR` makes one"),
        StoreError::NotEmpty { .. } => Failure::usage(error).hint("choose a new folder: a ledger is never overwritten"),
        _ => Failure::usage(error),
    }
}

pub(super) fn open_failure(error: &OpenError, data: &Path) -> Failure {
    match error {
        OpenError::Store(error) => store_failure(error),
        OpenError::HighWater(error) => high_water_failure(error),
        OpenError::RolledBack { .. } | OpenError::Forked { .. } => Failure::refused(error).hint(RESTORE),
        OpenError::Tail { .. } => Failure::refused(error).hint("put back the newest copy of the data folder"),
        OpenError::ClockJump { .. } => Failure::refused(error)
            .hint("entry times never go back: if the clock is right, start once with --accept-clock-jump"),
        OpenError::LogKeyMissing { .. } => {
            Failure::usage(error).hint("give the file of that private key with --log-key; while rotating, both")
        }
        OpenError::Empty => Failure::usage(format_args!("there is no ledger in {}", data.display()))
            .hint("`countersign init --data DIR` makes one"),
        OpenError::Genesis(refusal) => {
            let failure = Failure::refused(error).code(refusal.code);
            match &refusal.hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        }
        _ => Failure::usage(error),
    }
}
