//! One witness process from its first check to its exit.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use countersign_ledger::note::Vkey;
use countersign_ledger::time::SystemClock;
use serde::Serialize;

use super::audit::Auditor;
use super::service::{Ledger, Service, limits};
use super::{Followed, LedgerConfig, WitnessFolder};
use crate::failure::Failure;
use crate::keyring::Keyring;
use crate::output::{Output, Report};
use crate::server::HttpMetrics;
use crate::server::listen::{bind, serving, stop_signal};

/// How a witness is to be run.
#[derive(Debug)]
pub struct Options {
    /// Its folder.
    pub data: PathBuf,
    /// Its private key; in the folder unless given.
    pub witness_key: Option<PathBuf>,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate and key, where it is to speak TLS.
    pub tls: Option<RustlsConfig>,
    /// What stands before `/add-checkpoint`: nothing, or segments that each begin with a slash.
    pub prefix: String,
    /// How long a request waits for an auditor to verify the entries that it lacks.
    pub audit_wait: Duration,
}

/// What is said once the witness listens.
#[derive(Debug, Serialize)]
struct Listening {
    listening: String,
    witness: Vkey,
    ledgers: usize,
}

impl Report for Listening {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "listening on {}", self.listening)
    }
}

/// Opens a witness's folder, says where it listens, and cosigns until the process is told to stop (SIGTERM, SIGINT).
///
/// # Errors
/// When the folder, a state or the key cannot be opened, or the address not be used.
pub fn run(options: Options, keyring: &Keyring, output: &Output) -> Result<(), Failure> {
    let folder = Arc::new(WitnessFolder::open(&options.data)?);
    let configs = folder.ledgers()?;
    if configs.is_empty() {
        output.warn("this witness follows no ledger yet: `countersign witness add-ledger` makes it follow one");
    }
    let cosigner = Arc::new(folder.cosigner(options.witness_key.as_deref(), keyring)?);
    let open = |config: &LedgerConfig| {
        let followed = Arc::new(Followed::open(&folder, config, Arc::clone(&cosigner), Arc::new(SystemClock))?);
        let auditor = folder
            .is_auditor()
            .then(|| Auditor::open(Arc::clone(&folder), config.clone(), Arc::clone(&followed)).map(Arc::new));
        Ok(Ledger { followed, auditor: auditor.transpose()? })
    };
    let ledgers = configs.iter().map(open).collect::<Result<Vec<_>, Failure>>()?;
    let counters = HttpMetrics::new(&[]).map_err(Failure::usage)?;
    let listener = bind(options.listen)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let listening = format!("{scheme}://{address}{}", options.prefix);
    let service = Service::new(ledgers, counters, limits(), options.audit_wait);
    let stop = {
        let _inside = runtime.enter();
        stop_signal()?
    };
    output.emit(&Listening { listening, witness: folder.witness().clone(), ledgers: configs.len() })?;
    tracing::info!(%address, scheme, witness = %folder.witness(), ledgers = configs.len(), "witnessing");
    let ended = runtime.block_on(serve(service, listener, options.tls, &options.prefix, stop));
    // what is being written now is either in its place or not; both are sound
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended.map_err(|e| Failure::usage(format_args!("the witness ended: {e}")))?;
    tracing::info!("stopped");
    Ok(())
}

/// Serves until `stop` is done, and every request is answered or its time is up.
async fn serve(
    service: Service,
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    prefix: &str,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let limits = limits();
    let (handle, serving) = serving(service.clone().router(prefix), listener, tls, &limits)?;
    let stopping = async {
        stop.await;
        service.closing.cancel();
        handle.graceful_shutdown(Some(limits.shutdown));
        std::future::pending::<()>().await;
    };
    let upkeep = async {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            service.upkeep();
        }
    };
    tokio::select! {
        ended = serving => ended,
        () = stopping => Ok(()),
        () = upkeep => Ok(()),
    }
}
