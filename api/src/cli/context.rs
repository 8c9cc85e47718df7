//! What every command shares: the global options, the output, the connection, the keys.

use std::cell::OnceCell;
use std::io::{self, BufRead as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use countersign_ledger::hash::LedgerId;
use countersign_ledger::keys::Signer;
use countersign_ledger::time::{Clock as _, SystemClock};

use crate::client::{Acquaintance, Client, Settings, StateFolder};
use crate::failure::Failure;
use crate::keyring::{Keyring, on_a_terminal};
use crate::output::Output;

/// From how many milliseconds on it is told that the clocks of this machine and the server differ.
const CLOCK_APART: i64 = 10 * 60_000;

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// The server's address
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "COUNTERSIGN_SERVER",
        default_value = "http://127.0.0.1:8750"
    )]
    pub server: String,
    /// The ledger id, from a source you trust: another ledger is refused
    #[arg(long, global = true, value_name = "ID", env = "COUNTERSIGN_LEDGER", alias = "ledger-id")]
    pub ledger: Option<LedgerId>,
    /// A private key to sign with (PKCS#8 PEM), or exec:PROGRAM that holds it; may be given several times
    #[arg(long = "key", global = true, value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// Read the passphrase of the keys from a file instead of asking for it
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Answer every question with yes
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
    /// Write results as JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Trust the certificates in this PEM file instead of the usual ones
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_CA_CERT")]
    pub ca_cert: Option<PathBuf>,
    /// How many seconds a request may stand still
    #[arg(long, global = true, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
}

/// What every command shares.
#[derive(Debug)]
pub struct Context {
    global: GlobalArgs,
    out: Output,
    keyring: Keyring,
    keys: OnceCell<Vec<Arc<dyn Signer>>>,
    client: OnceCell<Client>,
}

impl Context {
    /// Makes it of the global options; connects to nothing yet.
    #[must_use]
    pub fn new(global: GlobalArgs) -> Self {
        let out = Output::new(global.json);
        let keyring = Keyring::new(global.passphrase_file.clone());
        Self { global, out, keyring, keys: OnceCell::new(), client: OnceCell::new() }
    }

    /// Returns where to write.
    #[must_use]
    pub const fn out(&self) -> &Output {
        &self.out
    }

    /// Returns the global options.
    #[must_use]
    pub const fn global(&self) -> &GlobalArgs {
        &self.global
    }

    /// Returns what opens key files.
    #[must_use]
    pub const fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Opens every `--key` file, under one passphrase where it fits.
    ///
    /// # Errors
    /// When one cannot be opened, or two are the same key.
    pub fn keys(&self) -> Result<Vec<Arc<dyn Signer>>, Failure> {
        if let Some(keys) = self.keys.get() {
            return Ok(keys.clone());
        }
        let keys = self.keyring.open_all(&self.global.keys)?;
        Ok(self.keys.get_or_init(|| keys).clone())
    }

    /// Opens every `--key` file; there must be one.
    ///
    /// # Errors
    /// As [`Context::keys`], or when none is given.
    pub fn some_keys(&self) -> Result<Vec<Arc<dyn Signer>>, Failure> {
        if self.global.keys.is_empty() {
            return Err(Failure::usage("no key to sign with").hint("give --key FILE, once for each key that signs"));
        }
        self.keys()
    }

    /// Connects to the server, once, and checks that it is the right ledger.
    ///
    /// # Errors
    /// When it cannot be reached, serves another ledger, or does not prove what it says.
    pub fn client(&self) -> Result<Client, Failure> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let out = self.out;
        let client = Client::connect(self.settings(), self.global.ledger, StateFolder::of_user()?)?;
        if client.acquaintance() == Acquaintance::First {
            out.note(format_args!(
                "note: {} serves ledger {}; compare this id with the one you were given",
                client.server(),
                client.ledger_id()
            ));
        }
        if let Some(ahead) = client.clock_ahead().filter(|ahead| ahead.abs() >= CLOCK_APART) {
            let now = SystemClock.now();
            let (theirs, way) = (now.plus_millis(-ahead), if ahead > 0 { "ahead of" } else { "behind" });
            out.warn(format_args!(
                "this machine's clock says {now}, {} {way} the server's, which says {theirs}: set the clock",
                span(ahead)
            ));
        }
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// Returns how the server is reached.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let out = self.out;
        if is_open_to_listeners(&self.global.server) {
            out.warn("plain http: whoever is on the way can read what events disclose; use https");
        }
        Settings {
            server: self.global.server.clone(),
            ca_cert: self.global.ca_cert.clone(),
            timeout: Duration::from_secs(self.global.timeout),
            on_wait: Some(Arc::new(move |text: &str| out.note(text))),
        }
    }

    /// Returns the ledger id that the user named, which nobody else can vouch for.
    ///
    /// # Errors
    /// When none is named.
    pub fn named_ledger(&self) -> Result<LedgerId, Failure> {
        let none = || {
            Failure::usage("no ledger id")
                .hint("give --ledger ID, from a source you trust: without it nobody can tell whose ledger a copy is of")
        };
        self.global.ledger.ok_or_else(none)
    }

    /// Returns the ledger id: the one named, or else the server's.
    ///
    /// # Errors
    /// When none is named and the server cannot be asked.
    pub fn ledger_id(&self) -> Result<LedgerId, Failure> {
        match self.global.ledger {
            Some(ledger) => Ok(ledger),
            None => Ok(self.client()?.ledger_id()),
        }
    }

    /// Asks a question on the terminal; `--yes` answers it.
    ///
    /// # Errors
    /// When the answer is no, or there is no terminal to ask on.
    pub fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.global.yes {
            return Ok(());
        }
        if !on_a_terminal() {
            return Err(Failure::usage(format_args!("there is no terminal to ask on: {question}"))
                .hint("--yes answers this question with yes"));
        }
        let mut answer = String::new();
        let asked = write!(io::stderr(), "{question} [y/N] ")
            .and_then(|()| io::stderr().flush())
            .and_then(|()| io::stdin().lock().read_line(&mut answer));
        asked.map_err(|e| Failure::usage(format_args!("cannot ask: {}", crate::failure::plain_io(&e))))?;
        if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
            return Ok(());
        }
        Err(Failure::refused("you said no: nothing was done"))
    }
}

/// Writes a span of time roughly.
fn span(millis: i64) -> String {
    let minutes = millis.unsigned_abs() / 60_000;
    match (minutes / (24 * 60), minutes / 60) {
        (0, 0) => format!("{minutes} min"),
        (0, hours) => format!("{hours} h"),
        (days, _) => format!("{days} d"),
    }
}

/// Tells whether an address is plain HTTP to another machine. Signatures protect what is said, not who reads it.
fn is_open_to_listeners(server: &str) -> bool {
    let Some(rest) = server.strip_prefix("http://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let host =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(h, _)| h);
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    !(host == "localhost" || address.is_ok_and(|address| address.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_to_another_machine_is_open() {
        for own in ["http://127.0.0.1:8750", "http://localhost/x", "http://[::1]:80", "https://ledger.example.org"] {
            assert!(!is_open_to_listeners(own), "{own}");
        }
        for open in
            ["http://ledger.example.org", "http://10.0.0.1:8750", "http://[2001:db8::1]:80", "http://127.example.org"]
        {
            assert!(is_open_to_listeners(open), "{open}");
        }
    }
}
