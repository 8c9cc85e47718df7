//! `witness add-ledger`, `witness add-log-key`: which ledgers a witness follows, and which keys their logs have.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_ledger::hash::LedgerId;
use countersign_ledger::id::Origin;
use countersign_ledger::note::Vkey;
use countersign_ledger::trust::{MAX_TRUST_BYTES, TrustFile};
use serde::Serialize;

use super::super::Context;
use super::{FolderArgs, within};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Report;
use crate::witness::{LedgerConfig, WitnessFolder};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Which log keys are a ledger's is told by --log or a --trust file, or asked from the server at
--server, which must prove it by entries of the ledger named with --ledger. An auditor always
asks, and fetches the entries from there.

Log keys rotate. While a log signs with both, a plain witness is told of the new one by
`countersign witness add-log-key`; an auditor learns it from the entries.

The service must be stopped meanwhile.

EXAMPLE
  countersign --server https://ledger.example.org --ledger 4f1c… witness add-ledger --data witness
  countersign witness add-ledger --data witness --log ledger.example.org/2026+1c5a…+AR…")]
pub(super) struct AddLedgerArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// A key of its log; may be given several times
    #[arg(long = "log", value_name = "VKEY", conflicts_with = "trust")]
    logs: Vec<Vkey>,
    /// A trust file (C2SP tlog-policy): every log that it lists
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
The name of a log key is the ledger's origin. Have the key from a source you trust: whoever
has a key that is accepted here can have checkpoints cosigned. The service must be stopped
meanwhile.

EXAMPLE
  countersign witness add-log-key --data witness ledger.example.org/2026+8d02…+AT…")]
pub(super) struct AddLogKeyArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// The new key of the log
    #[arg(value_name = "VKEY")]
    log_key: Vkey,
}

#[derive(Debug, Serialize)]
struct Followed {
    origin: Origin,
    log_keys: Vec<Vkey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<LedgerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
}

impl Report for Followed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "follows {}", self.origin)?;
        if let Some(server) = &self.server {
            writeln!(out, "entries from {server}")?;
        }
        for key in &self.log_keys {
            writeln!(out, "log key {key}")?;
        }
        self.ledger.iter().try_for_each(|ledger| writeln!(out, "ledger {ledger}"))
    }
}

impl From<LedgerConfig> for Followed {
    fn from(config: LedgerConfig) -> Self {
        Self { origin: config.origin, log_keys: config.log_keys, ledger: config.ledger, server: config.server }
    }
}

/// Makes a witness follow a ledger.
pub(super) fn add_ledger(args: &AddLedgerArgs, context: &Context) -> Result<Exit, Failure> {
    let folder = WitnessFolder::open(&args.folder.data)?;
    let given = match &args.trust {
        Some(path) => within(logs_of(path), path)?,
        None => args.logs.clone(),
    };
    let configs = match (given.is_empty(), folder.is_auditor()) {
        (true, auditor) => vec![asked(auditor, context)?],
        (false, false) => by_origin(given, context.global().ledger)?,
        (false, true) => {
            return Err(Failure::usage("an auditor learns the log keys from the entries")
                .hint("leave out --log and --trust, and give --server URL and --ledger ID"));
        }
    };
    for config in configs {
        folder.add(&config)?;
        context.out().emit(&Followed::from(config))?;
    }
    Ok(Exit::Done)
}

/// Asks a server which ledger it has, and has it prove the log key.
fn asked(auditor: bool, context: &Context) -> Result<LedgerConfig, Failure> {
    if context.global().ledger.is_none() {
        return Err(Failure::usage("which ledger is not said")
            .hint("give --ledger ID, from a source you trust, and --server URL; or the log's key with --log VKEY"));
    }
    let client = context.client()?;
    let log_key = client.log_key()?;
    let certificates = context.global().ca_cert.as_deref().map(std::path::absolute).transpose()?;
    Ok(LedgerConfig {
        origin: client.origin().parse().map_err(Failure::distrust)?,
        log_keys: vec![log_key],
        ledger: Some(client.ledger_id()),
        server: auditor.then(|| client.server().to_owned()),
        ca_cert: certificates.filter(|_| auditor),
    })
}

/// Puts log keys together that are of one ledger.
fn by_origin(keys: Vec<Vkey>, ledger: Option<LedgerId>) -> Result<Vec<LedgerConfig>, Failure> {
    let mut logs: BTreeMap<Origin, Vec<Vkey>> = BTreeMap::new();
    for key in keys {
        let origin = key.name().as_str().parse().map_err(Failure::usage)?;
        let known = logs.entry(origin).or_default();
        if !known.contains(&key) {
            known.push(key);
        }
    }
    if ledger.is_some() && logs.len() > 1 {
        return Err(Failure::usage("there are log keys of several ledgers, and one ledger id"));
    }
    let config = |(origin, log_keys)| LedgerConfig { origin, log_keys, ledger, server: None, ca_cert: None };
    let configs: Vec<LedgerConfig> = logs.into_iter().map(config).collect();
    configs.iter().try_for_each(LedgerConfig::check)?;
    Ok(configs)
}

/// Reads the logs of a trust file.
fn logs_of(path: &Path) -> Result<Vec<Vkey>, Failure> {
    let trust = TrustFile::parse(&files::read(path, MAX_TRUST_BYTES)?).map_err(Failure::usage)?;
    let keys: Vec<Vkey> = trust.logs().iter().filter_map(|log| log.key.vkey().cloned()).collect();
    if keys.is_empty() {
        return Err(Failure::usage("expected a log in the trust file whose key is of type 0x01, found none"));
    }
    Ok(keys)
}

/// Makes a witness accept another key of a log.
pub(super) fn add_log_key(args: &AddLogKeyArgs, context: &Context) -> Result<Exit, Failure> {
    let folder = WitnessFolder::open(&args.folder.data)?;
    let origin: Origin = args.log_key.name().as_str().parse().map_err(Failure::usage)?;
    let mut config = folder.ledger(&origin)?;
    if config.log_keys.contains(&args.log_key) {
        return Err(Failure::usage(format_args!("{} is accepted already", args.log_key)));
    }
    config.log_keys.push(args.log_key.clone());
    folder.update(&config)?;
    context.out().emit(&Followed::from(config))?;
    Ok(Exit::Done)
}
