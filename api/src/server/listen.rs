//! Listening: one socket, bounded connections, TLS where the operator has a certificate, and the signal to stop.
//! Shared by the server of a ledger and the service of a witness.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};

use axum::Router;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;

use super::connection::GuardedAcceptor;
use super::limits::Limits;
use crate::failure::Failure;

/// About the most bytes of headers and request line together, and of a body that are read ahead.
const MAX_HEADERS: usize = 64 << 10;

/// Takes an address.
///
/// # Errors
/// When it cannot be had.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|e| {
        Failure::usage(format_args!("cannot listen on {address}: {}", crate::failure::plain_io(&e)))
            .hint("choose another address with --listen; port 0 takes a free one")
    })
}

/// Returns what serves a router until the handle says to stop.
///
/// # Errors
/// When the listener cannot be used.
pub(crate) fn serving(
    router: Router,
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    limits: &Limits,
) -> io::Result<(Handle<SocketAddr>, impl Future<Output = io::Result<()>> + Send + use<>)> {
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    let service = router.into_make_service();
    let guard = GuardedAcceptor::new(limits);
    let server = axum_server::from_tcp(listener)?.handle(handle.clone());
    let headers = limits.headers;
    let serving = async move {
        match tls {
            None => only_http1(server.acceptor(guard), headers).serve(service).await,
            Some(config) => {
                let acceptor = RustlsAcceptor::new(config).handshake_timeout(headers).acceptor(guard);
                only_http1(server.acceptor(acceptor), headers).serve(service).await
            }
        }
    };
    Ok((handle, serving))
}

/// Leaves HTTP/1 alone, with a bound on the time and the bytes of headers. To be called once the acceptor is set, which
/// forgets it; a server that may speak either version first waits for bytes without a bound.
fn only_http1<A>(server: Server<SocketAddr, A>, headers: std::time::Duration) -> Server<SocketAddr, A> {
    let mut server = server.http1_only();
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(headers).max_buf_size(MAX_HEADERS);
    server
}

/// Begins to listen for the signals that ask a process to end; the future is done when one came.
#[cfg(unix)]
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(name, "stopping");
    })
}

/// Begins to listen for the signal that asks a process to end; the future is done when it came.
#[cfg(not(unix))]
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        tracing::info!("stopping");
    })
}
