//! One server process from its first check to its exit.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use countersign_ledger::append::{Ledger, OpenOptions};
use countersign_ledger::hash::LedgerId;
use serde::Serialize;

use super::data::{open_copy, open_measured, open_store};
use super::listen::{bind, stop_signal};
use super::{
    App, Copy, DataArgs, Ended, EvidenceFolder, KEPT_FILE, Limits, Marker, Metrics, SealOptions, Sealing,
    WitnessOptions, Witnesses, open_views, serve,
};
use crate::failure::Failure;
use crate::keyring::Keyring;
use crate::output::{Output, Report};
use crate::wire::CopyRole;

/// How a server is to be run.
#[derive(Debug)]
pub struct Options {
    /// Where its ledger is.
    pub data: DataArgs,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate and key, where it is to speak TLS.
    pub tls: Option<RustlsConfig>,
    /// How many submissions may wait for the committer.
    pub queue: usize,
    /// Where evidence files are kept; in the data folder unless given.
    pub evidence: Option<PathBuf>,
    /// The largest evidence file that is taken, in bytes.
    pub max_evidence: u64,
    /// Whom to ask to cosign, if anybody.
    pub witnesses: Option<WitnessOptions>,
    /// What the operator allows on open.
    pub open: OpenOptions,
    /// Bounds on clients.
    pub limits: Limits,
    /// How it seals, if it does.
    pub seal: Option<SealOptions>,
}

/// What is said once the server listens.
#[derive(Debug, Serialize)]
struct Listening {
    listening: String,
    ledger: LedgerId,
}

impl Report for Listening {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "listening on {}", self.listening)
    }
}

/// Opens the ledger, says where it listens, and serves until the process is told to stop (SIGTERM, SIGINT).
///
/// # Errors
/// When the ledger cannot be opened or the address not be used, and when the store failed while serving: nothing is
/// acknowledged after that, and the process must end.
pub fn run(options: Options, keyring: &Keyring, output: &Output) -> Result<(), Failure> {
    let metrics = Metrics::new().map_err(Failure::usage)?;
    if let Some(marker) = Marker::read(&options.data.data)?.filter(|marker| marker.role == CopyRole::ReadOnly) {
        let (store, high_water) = open_store(&options.data)?;
        let ledger = open_copy(&options.data, Arc::new(store), &high_water)?;
        return serve_ledger(&ledger, Some(Arc::new(Copy::new(&marker))), metrics, options, output, |_| Ok(()));
    }
    let ledger = open_measured(&options.data, keyring, options.queue, options.open, Some(&metrics))?;
    serve_ledger(&ledger, None, metrics, options, output, |_| Ok(()))
}

/// Serves a ledger that is open, or a copy of one. `begin` starts what goes on beside.
///
/// # Errors
/// As [`run`].
pub(super) fn serve_ledger(
    ledger: &Ledger,
    copy: Option<Arc<Copy>>,
    metrics: Metrics,
    options: Options,
    output: &Output,
    begin: impl FnOnce(&App) -> io::Result<()>,
) -> Result<(), Failure> {
    let listener = bind(options.listen)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let app = App::new(ledger.clone(), metrics, options.limits, options.queue);
    if let Some(copy) = copy {
        app.is_copy(copy);
    }
    let folder = options.evidence.unwrap_or_else(|| options.data.data.join("evidence"));
    let evidence = EvidenceFolder::open(&folder, options.max_evidence);
    app.keep_evidence(evidence.map_err(|e| Failure::file(&folder, "use", &e))?);
    app.keep_views(open_views(&options.data.views_path(), &**ledger.store())?);
    if let Some(seal) = options.seal.filter(|_| app.copy().is_none()) {
        let sealing = Sealing::new(seal, ledger).map_err(Failure::refused)?;
        match sealing.standing(ledger) {
            Ok(party) => tracing::info!(%party, "sealing"),
            Err(refusal) => {
                output.warn(format_args!("the key of --seal-key does not count for seals yet: {refusal}"));
            }
        }
        app.make_seals(sealing);
    }
    if let Some(witnesses) = options.witnesses {
        app.keep_witnesses(Witnesses::open(ledger.clone(), witnesses, options.data.data.join(KEPT_FILE))?);
    }
    begin(&app)?;
    let stop = {
        let _inside = runtime.enter();
        stop_signal()?
    };
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    output.emit(&Listening { listening: format!("{scheme}://{address}"), ledger: ledger.id() })?;
    tracing::info!(%address, scheme, ledger = %ledger.id(), size = ledger.head().size.0, "serving");

    let ended = runtime.block_on(serve(app, listener, options.tls, stop));
    // reads that still run hold nothing that matters
    runtime.shutdown_timeout(Duration::from_secs(1));
    // what was taken into the queue is recorded before the process ends
    ledger.shutdown();
    let size = ledger.head().size.0;
    match ended.map_err(|e| Failure::usage(format_args!("the server ended: {e}")))? {
        Ended::Stopped => {
            tracing::info!(size, "stopped");
            Ok(())
        }
        Ended::Failed(reason) => {
            tracing::error!(size, reason, "the store is in doubt");
            Err(Failure::refused(format_args!("the store is in doubt, nothing more is recorded: {reason}"))
                .hint("what was acknowledged is durable; mend the disk and start again, which checks the data first"))
        }
    }
}
