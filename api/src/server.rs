//! The HTTP server: one ledger, its routes, and the bounds under which they work.
//!
//! What a client sends is bounded in bytes (SPEC §12), in time and in number ([`Limits`]). A request that is refused,
//! breaks off or outlives its deadline leaves nothing half done: an event is in the ledger, durable and with a receipt,
//! or it is not there at all. When the store is in doubt the server answers 503, stops and says so (ARCHITECTURE.md,
//! invariant 5).

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use axum_server::tls_rustls::RustlsConfig;
use countersign_ledger::append::{Ledger, LedgerState};
use countersign_ledger::hash::FileHash;
use countersign_ledger::id::Seq;
use countersign_ledger::proposal::{ProposalLimits, Proposals};
use countersign_ledger::views::Views;
use countersign_ledger::views::memory::MemoryKv;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

mod body;
mod books;
mod connection;
mod copy;
mod data;
mod evidence;
mod follow;
mod http_metrics;
pub(crate) mod input;
mod limits;
pub(crate) mod listen;
mod measured;
mod metrics;
mod mirror;
mod observe;
mod run;
mod sealing;
mod tls;
mod witnesses;
mod work;

#[cfg(test)]
mod tests;

pub(crate) use body::{Incoming, declared_length, read_all, too_large};
pub(crate) use books::{BookError, book};
pub(crate) use copy::{Copy, Marker, sync_folder};
pub use data::{DataArgs, create_data, open_data};
pub use evidence::DEFAULT_MAX_EVIDENCE;
pub(crate) use evidence::{Crowded, EvidenceFolder, NotKept, Upload};
pub(crate) use follow::{Follower, open_views};
pub(crate) use http_metrics::HttpMetrics;
pub use limits::Limits;
pub(crate) use measured::MeasuredStore;
pub(crate) use metrics::{Metrics, Moment};
pub(crate) use mirror::must_be_empty;
pub use mirror::{MirrorOptions, Mirrored, mirror};
pub(crate) use observe::{Observed, RequestId, observe};
pub use run::{Options, run};
pub use sealing::SealOptions;
pub(crate) use sealing::{NotSealed, Sealing};
pub use tls::{TlsError, tls_config};
pub use witnesses::WitnessOptions;
pub(crate) use witnesses::{KEPT_FILE, Witnesses};
pub(crate) use work::{compute, panicked, read, spawn};

/// How often the state of the ledger is looked at.
const WATCH: Duration = Duration::from_millis(50);

/// How often it is looked whether a seal is due.
const SEAL_WATCH: Duration = Duration::from_millis(500);

/// What every route has at hand. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// See [`App`].
pub(crate) struct Shared {
    pub(crate) ledger: Ledger,
    pub(crate) proposals: Proposals,
    pub(crate) metrics: Metrics,
    pub(crate) limits: Limits,
    /// Places for batches.
    pub(crate) batches: Arc<Semaphore>,
    /// Places in the committer's queue that batches may take: half, so that there is room for single events.
    pub(crate) window: Arc<Semaphore>,
    /// Places for exports.
    pub(crate) exports: Arc<Semaphore>,
    /// Places for evidence files that arrive.
    pub(crate) uploads: Arc<Semaphore>,
    /// Places for clients that listen to new entries.
    pub(crate) listeners: Arc<Semaphore>,
    /// The size of the ledger, for whoever waits for it to grow.
    pub(crate) heads: watch::Sender<u64>,
    /// Where evidence files are, if this server keeps them.
    pub(crate) evidence: OnceLock<Arc<EvidenceFolder>>,
    /// Cancelled when the server is told to stop: what goes on without end ends.
    pub(crate) closing: CancellationToken,
    /// Cancelled when no new work is to be begun: batches answer `stopped` for what they have not begun.
    pub(crate) stopping: CancellationToken,
    /// The description of the API, set once the router is built.
    pub(crate) openapi: OnceLock<Bytes>,
    /// What makes seals, if this server does.
    sealing: OnceLock<Arc<Sealing>>,
    /// The views, and what brings them on.
    views: OnceLock<Arc<Follower>>,
    /// Of what this is a copy, if it is one.
    copy: OnceLock<Arc<Copy>>,
    /// The witnesses, if this server asks any.
    witnesses: OnceLock<Arc<Witnesses>>,
    /// What authenticates cursors, as long as this process lives.
    pub(crate) cursor_key: [u8; 32],
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Puts a server together.
    pub(crate) fn new(ledger: Ledger, metrics: Metrics, limits: Limits, queue: usize) -> Self {
        Self(Arc::new(Shared {
            batches: Arc::new(Semaphore::new(limits.batches)),
            window: Arc::new(Semaphore::new((queue / 2).max(1))),
            exports: Arc::new(Semaphore::new(limits.exports)),
            proposals: Proposals::new(ledger.clone(), ProposalLimits::default()),
            uploads: Arc::new(Semaphore::new(limits.uploads)),
            listeners: Arc::new(Semaphore::new(limits.listeners)),
            heads: watch::Sender::new(ledger.head().size.0),
            evidence: OnceLock::new(),
            closing: CancellationToken::new(),
            ledger,
            metrics,
            limits,
            stopping: CancellationToken::new(),
            openapi: OnceLock::new(),
            sealing: OnceLock::new(),
            views: OnceLock::new(),
            copy: OnceLock::new(),
            witnesses: OnceLock::new(),
            cursor_key: random_key(),
        }))
    }

    /// Keeps evidence files in a folder. Only the first folder counts.
    pub(crate) fn keep_evidence(&self, folder: EvidenceFolder) {
        let _ = self.evidence.set(Arc::new(folder));
    }

    /// Makes seals. Only the first way counts.
    pub(crate) fn make_seals(&self, sealing: Sealing) {
        let _ = self.sealing.set(Arc::new(sealing));
    }

    /// Returns what makes seals.
    pub(crate) fn sealing(&self) -> Option<&Arc<Sealing>> {
        self.sealing.get()
    }

    /// Seals where it is time, and says what came of it.
    fn seal_if_due(&self) {
        match self.sealing().and_then(|sealing| sealing.if_due(&self.ledger)) {
            None => {}
            Some(Ok(recorded)) => tracing::info!(seq = recorded.seq.0, "sealed"),
            Some(Err(error)) => tracing::error!(%error, "not sealed"),
        }
    }

    /// Removes evidence files that were announced and that no entry named in time.
    fn lapse_evidence(&self) -> io::Result<()> {
        let Some(folder) = self.evidence.get() else { return Ok(()) };
        let named = |file: &FileHash| self.ledger.store().evidence_seqs(file, Seq(0), 1).map(|seqs| !seqs.is_empty());
        folder.lapse(|file| named(file).map_err(io::Error::other))
    }

    /// Serves a copy: nothing is written here. Only the first counts.
    pub(crate) fn is_copy(&self, copy: Arc<Copy>) {
        let _ = self.copy.set(copy);
    }

    /// Returns of what this is a copy.
    pub(crate) fn copy(&self) -> Option<&Copy> {
        self.copy.get().map(Arc::as_ref)
    }

    /// Asks witnesses. Only the first ones count.
    pub(crate) fn keep_witnesses(&self, witnesses: Arc<Witnesses>) {
        let _ = self.witnesses.set(witnesses);
    }

    /// Returns the witnesses, if this server asks any.
    pub(crate) fn witnesses(&self) -> Option<&Arc<Witnesses>> {
        self.witnesses.get()
    }

    /// Keeps views in these tables. Only the first ones count.
    pub(crate) fn keep_views(&self, views: Views) {
        let _ = self.views.set(Arc::new(Follower::new(views)));
    }

    /// Returns the views: in memory, if they are not kept anywhere.
    pub(crate) fn views(&self) -> &Arc<Follower> {
        self.views.get_or_init(|| Arc::new(Follower::new(Views::new(Arc::new(MemoryKv::new())))))
    }
}

impl Observed for App {
    fn counters(&self) -> &HttpMetrics {
        self.metrics.http()
    }

    fn bounds(&self) -> &Limits {
        &self.limits
    }
}

/// Makes a key of the system's random numbers.
///
/// # Panics
/// When the system has none: no server should run there.
fn random_key() -> [u8; 32] {
    let mut key = [0; 32];
    getrandom::fill(&mut key).expect("the system has random numbers");
    key
}

/// How serving came to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was told to stop, and every request was answered or its time was up.
    Stopped,
    /// The store is in doubt.
    Failed(String),
}

/// Serves until `stop` is done or the ledger fails. The ledger itself is left to the caller to shut down.
///
/// # Errors
/// When the listener cannot be used.
pub(crate) async fn serve(
    app: App,
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<Ended> {
    let (handle, serving) = listen::serving(crate::routes::router(app.clone()), listener, tls, &app.limits)?;
    let ending = async {
        let ended = tokio::select! {
            () = stop => Ended::Stopped,
            reason = failure(&app) => Ended::Failed(reason),
        };
        let grace = match ended {
            Ended::Stopped => app.limits.shutdown,
            Ended::Failed(_) => app.limits.failed,
        };
        app.closing.cancel();
        handle.graceful_shutdown(Some(grace));
        if ended == Ended::Stopped {
            // batches under way get most of that time; what they have not begun by then is answered `stopped`
            tokio::time::sleep(grace * 2 / 3).await;
        }
        app.stopping.cancel();
        // a store that fails while the last requests are answered still is a failure
        match (&ended, state_of(&app)) {
            (Ended::Stopped, LedgerState::Failed(reason)) => Ended::Failed(reason),
            _ => ended,
        }
    };
    // its own loop: it must not stop while the last requests are answered
    let growing = async {
        loop {
            tokio::time::sleep(WATCH).await;
            let size = app.ledger.head().size.0;
            app.heads.send_if_modified(|known| std::mem::replace(known, size) != size);
        }
    };
    let upkeep = async {
        loop {
            // at once too: a proposal may have been complete when the last process ended
            let proposals = app.proposals.clone();
            if let Ok(Err(error)) = read(move || proposals.upkeep()).await {
                tracing::error!(%error, "the proposals were not looked after");
            }
            let kept = app.clone();
            if let Ok(Err(error)) = read(move || kept.lapse_evidence()).await {
                tracing::error!(%error, "the evidence folder was not looked after");
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
            app.metrics.http().upkeep();
        }
    };
    let sealing = async {
        loop {
            tokio::time::sleep(SEAL_WATCH).await;
            if app.sealing().is_some() && !app.closing.is_cancelled() {
                let app = app.clone();
                // a panic is in the log already
                let _ = read(move || app.seal_if_due()).await;
            }
        }
    };
    let following = app.views().start(app.ledger.clone())?;
    if let Some(witnesses) = app.witnesses() {
        witnesses.start()?;
    }
    let mut ended = None;
    tokio::pin!(serving, ending, growing, upkeep, sealing);
    loop {
        tokio::select! {
            result = &mut serving => {
                result?;
                break;
            }
            how = &mut ending, if ended.is_none() => ended = Some(how),
            () = &mut growing => {}
            () = &mut upkeep => {}
            () = &mut sealing => {}
        }
    }
    if let Some(witnesses) = app.witnesses() {
        witnesses.stop();
    }
    app.views().stop(&app.ledger);
    // it ends with the batch that it works on; what it panicked of is in the log
    let _ = following.join();
    match state_of(&app) {
        LedgerState::Failed(reason) => Ok(Ended::Failed(reason)),
        _ => Ok(ended.unwrap_or(Ended::Stopped)),
    }
}

fn state_of(app: &App) -> LedgerState {
    app.ledger.state()
}

/// Waits until the ledger has failed, and returns why.
async fn failure(app: &App) -> String {
    loop {
        if let LedgerState::Failed(reason) = app.ledger.state() {
            return reason;
        }
        tokio::time::sleep(WATCH).await;
    }
}
