//! Views that follow the ledger: one thread applies entries as they become durable, in the order of the log.
//!
//! It reads what is committed and holds no lock of the ledger's, so the committer does not wait for it; what it is behind
//! by, every answer says. It needs no care: after a crash it goes on from the position that survived, and views that do
//! not fit the ledger are made anew.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use countersign_ledger::append::Ledger;
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::store::{Store, StoreError};
use countersign_ledger::views::rocks::{RocksKv, ViewOptions};
use countersign_ledger::views::{Fit, Readers, ViewError, Views};
use tokio::sync::watch;

use crate::failure::Failure;
use crate::wire::views::AsOf;

/// How many entries one write applies at most: as many as become durable together, and more when it is behind.
const BATCH: usize = 2_048;
/// How long it waits for entries before it looks whether it is to stop; what stops it also wakes it.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long it waits after a failure.
const PAUSE: Duration = Duration::from_secs(5);
/// How often it says how far it is, when it is far behind.
const NEWS: Duration = Duration::from_secs(10);

/// The views of a server.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) views: Views,
    size: watch::Sender<u64>,
    stopping: AtomicBool,
}

impl Follower {
    /// Takes views; nothing follows yet.
    pub(crate) fn new(views: Views) -> Self {
        let size = views.position().ok().flatten().map_or(0, |position| position.size.0);
        Self { views, size: watch::Sender::new(size), stopping: AtomicBool::new(false) }
    }

    /// Tells how far the views are, in a ledger of a size.
    pub(crate) fn as_of(&self, size: TreeSize) -> AsOf {
        let applied = *self.size.borrow();
        AsOf { as_of_seq: applied.checked_sub(1).map(Seq), lag: size.0.saturating_sub(applied) }
    }

    /// Starts to follow a ledger.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(self: &Arc<Self>, ledger: Ledger) -> std::io::Result<JoinHandle<()>> {
        let follower = Arc::clone(self);
        std::thread::Builder::new().name("views".to_owned()).spawn(move || follower.run(&ledger))
    }

    /// Tells it to end.
    pub(crate) fn stop(&self, ledger: &Ledger) {
        self.stopping.store(true, Ordering::SeqCst);
        ledger.wake();
    }

    /// Waits until so many entries are applied, or time is up. Tells whether they are.
    pub(crate) async fn reach(&self, size: u64, patience: Duration) -> bool {
        let mut known = self.size.subscribe();
        let reached = tokio::time::timeout(patience, known.wait_for(|known| *known >= size)).await;
        matches!(reached, Ok(Ok(_)))
    }

    fn run(&self, ledger: &Ledger) {
        let (known, size) = (*self.size.borrow(), ledger.head().size.0);
        if known < size {
            tracing::info!(applied = known, size, "views catch up");
        }
        let mut news = Instant::now();
        while !self.stopping.load(Ordering::SeqCst) {
            let size = ledger.head().size;
            let applied = match self.views.advance(&**ledger.store(), size, BATCH, Readers::One) {
                Ok(0) => {
                    let _ = ledger.wait_beyond(size, PATIENCE);
                    continue;
                }
                Ok(_) => self.views.position().ok().flatten().map_or(0, |position| position.size.0),
                Err(error) => {
                    self.failed(ledger, &error);
                    continue;
                }
            };
            self.size.send_replace(applied);
            if news.elapsed() > NEWS && applied < size.0 {
                news = Instant::now();
                tracing::info!(applied, size = size.0, "views are catching up");
            }
        }
    }

    /// Entries stay what they are: views that cannot go on say how far they are, and try again.
    fn failed(&self, ledger: &Ledger, error: &ViewError) {
        tracing::error!(%error, "views cannot go on");
        let until = Instant::now() + PAUSE;
        while !self.stopping.load(Ordering::SeqCst) && Instant::now() < until {
            let _ = ledger.wait_beyond(TreeSize(u64::MAX), until.saturating_duration_since(Instant::now()));
        }
    }
}

/// Opens the views of a folder; makes them anew where they cannot be opened or are not of this ledger.
///
/// # Errors
/// When another process has them open, or the disk refuses.
pub(crate) fn open_views(path: &Path, store: &dyn Store) -> Result<Views, Failure> {
    let wrong =
        |error: StoreError| Failure::usage(error).hint("the views may be deleted: they are made from the ledger");
    let options = ViewOptions::default();
    let reason = match RocksKv::open(path, &options) {
        Err(error @ StoreError::InUse { .. }) => {
            return Err(Failure::usage(error).hint("is another `countersign serve` running on it?"));
        }
        Err(error) => error.to_string(),
        Ok(kv) => {
            let views = Views::new(Arc::new(kv));
            match views.fit(store).map_err(wrong)? {
                Fit::Fits => return Ok(views),
                Fit::Rebuild(reason) => reason,
                _ => "they are of another version".to_owned(),
            }
        }
    };
    tracing::warn!(reason, "views are rebuilt");
    RocksKv::remove(path).map_err(wrong)?;
    Ok(Views::new(Arc::new(RocksKv::open(path, &options).map_err(wrong)?)))
}
