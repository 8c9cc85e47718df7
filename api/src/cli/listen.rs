//! How a service listens: TLS or none, and the log. Shared by `serve` and `witness run`.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum_server::tls_rustls::RustlsConfig;
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;
use crate::server::tls_config;

/// The variables that say what is logged: the first that is set.
const LOG_VARIABLES: [&str; 2] = ["COUNTERSIGN_LOG", "RUST_LOG"];

/// Options of whatever listens.
#[derive(Debug, Clone, Args)]
pub struct ListenArgs {
    /// Certificate chain in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A proxy in front speaks TLS: plain HTTP on any address
    #[arg(long, conflicts_with = "tls_cert")]
    pub behind_proxy: bool,
    /// Form of the log on stderr
    #[arg(long, value_name = "FORM", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of text an event
    Text,
    /// One JSON object an event
    Json,
}

impl ListenArgs {
    /// Checks that a service may listen at `address`, starts the log, and reads the certificate.
    ///
    /// # Errors
    /// When it may not, or the certificate or its key cannot be used.
    pub fn prepare(&self, address: SocketAddr) -> Result<Option<RustlsConfig>, Failure> {
        self.check_address(address)?;
        init_log(self.log_format);
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => tls_config(certificate, key).map(Some).map_err(Failure::usage),
            _ => Ok(None),
        }
    }

    /// Nobody is to listen to, or change, what parties and the ledger say to each other on the way.
    fn check_address(&self, address: SocketAddr) -> Result<(), Failure> {
        if address.ip().is_loopback() || self.tls_cert.is_some() || self.behind_proxy {
            return Ok(());
        }
        Err(Failure::usage(format_args!("{address} can be reached from other machines, and there is no tls")).hint(
            "give --tls-cert and --tls-key, or --behind-proxy if a proxy in front speaks tls, or listen on 127.0.0.1",
        ))
    }
}

/// Starts the log; a second time in one process changes nothing.
fn init_log(format: LogFormat) {
    let filter = LOG_VARIABLES.iter().find_map(|name| EnvFilter::try_from_env(name).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_writer(io::stderr).with_env_filter(filter).with_target(false);
    let _ = match format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).try_init(),
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: ListenArgs,
    }

    fn check(address: &str, options: &str) -> Result<(), Failure> {
        let command = Command::try_parse_from(format!("x {options}").split_whitespace()).unwrap();
        command.args.check_address(address.parse().unwrap())
    }

    #[test]
    fn other_machines_need_tls_or_a_proxy() {
        for good in ["127.0.0.1:0", "[::1]:80", "127.9.9.9:1"] {
            assert!(check(good, "").is_ok(), "{good}");
        }
        for open in ["0.0.0.0:80", "[::]:80", "192.168.1.7:80", "[::ffff:127.0.0.1]:80"] {
            assert!(check(open, "").unwrap_err().hint.unwrap().contains("--tls-cert"), "{open}");
            assert!(check(open, "--behind-proxy").is_ok());
            assert!(check(open, "--tls-cert c --tls-key k").is_ok());
        }
    }
}
