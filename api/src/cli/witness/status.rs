//! `witness status`: what a witness holds of each ledger. Needs no key and no lock.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use countersign_ledger::hash::{LedgerId, NodeHash};
use countersign_ledger::id::{Origin, TreeSize};
use countersign_ledger::note::Vkey;
use countersign_ledger::time::Time;
use serde::Serialize;

use super::super::Context;
use super::FolderArgs;
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::output::{Report, fields};
use crate::witness::{LedgerConfig, WitnessFolder};

#[derive(Debug, Args)]
#[command(after_long_help = "\
The service may run meanwhile. Exit status 1 when a state is lost or damaged, an auditor
refuses a ledger, or a log signed two trees of one size.

EXAMPLE
  countersign witness status --data witness")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Debug, Serialize)]
struct Status {
    witness: Vkey,
    auditor: bool,
    ledgers: Vec<LedgerStatus>,
}

/// What is held of one ledger.
#[derive(Debug, Serialize)]
struct LedgerStatus {
    origin: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<LedgerId>,
    log_keys: Vec<Vkey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<TreeSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<NodeHash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cosigned: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fork: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unusable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
}

impl LedgerStatus {
    fn of(folder: &WitnessFolder, config: LedgerConfig) -> Self {
        let state = folder.state(&config.origin);
        let there = |path: PathBuf| Some(path).filter(|path| path.symlink_metadata().is_ok());
        let fork = there(folder.fork_file(&config.origin));
        let receipt = there(folder.receipt_file(&config.origin));
        let (state, unusable) = match state {
            Ok(state) => (Some(state), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let held = state.as_ref().map(|state| state.held());
        let time = state
            .as_ref()
            .filter(|state| state.latest.is_some())
            .and_then(|state| i64::try_from(state.time).ok()?.checked_mul(1_000).and_then(Time::from_unix_millis));
        Self {
            origin: config.origin,
            ledger: config.ledger,
            log_keys: config.log_keys,
            server: config.server,
            size: held.map(|held| held.size),
            root: held.filter(|held| held.size.0 > 0).map(|held| held.root),
            cosigned: time,
            refused: state.as_ref().and_then(|state| state.refused.clone()),
            fork,
            receipt,
            unusable,
            checkpoint: state.and_then(|state| state.latest).map(|latest| latest.to_string()),
        }
    }

    fn is_sound(&self) -> bool {
        self.refused.is_none() && self.fork.is_none() && self.unusable.is_none()
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![("origin", self.origin.to_string())];
        rows.extend(self.unusable.as_ref().map(|why| ("unusable", escaped(why))));
        rows.extend(self.refused.as_ref().map(|why| ("refused", escaped(why))));
        rows.extend(self.fork.as_ref().map(|file| ("forked", format!("see {}", file.display()))));
        rows.extend(self.receipt.as_ref().map(|file| ("false entry", format!("see {}", file.display()))));
        rows.extend(self.size.map(|size| ("entries", size.to_string())));
        rows.extend(self.root.map(|root| ("root", root.to_string())));
        rows.extend(
            self.size.map(|_| ("cosigned", self.cosigned.map_or_else(|| "never".to_owned(), |time| time.to_string()))),
        );
        rows.extend(self.server.clone().map(|server| ("entries from", server)));
        rows.extend(self.log_keys.iter().map(|key| ("log key", key.to_string())));
        rows.extend(self.ledger.map(|ledger| ("ledger", ledger.to_string())));
        rows
    }
}

impl Report for Status {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} {}", if self.auditor { "auditor" } else { "witness" }, self.witness)?;
        if self.ledgers.is_empty() {
            writeln!(out, "follows no ledger yet: `countersign witness add-ledger` makes it follow one")?;
        }
        for ledger in &self.ledgers {
            writeln!(out)?;
            fields(out, &ledger.rows())?;
        }
        Ok(())
    }
}

/// Says it.
pub(super) fn status(args: &StatusArgs, context: &Context) -> Result<Exit, Failure> {
    let folder = WitnessFolder::look(&args.folder.data)?;
    let ledgers = folder.ledgers()?.into_iter().map(|config| LedgerStatus::of(&folder, config)).collect();
    let status = Status { witness: folder.witness().clone(), auditor: folder.is_auditor(), ledgers };
    context.out().emit(&status)?;
    let sound = status.ledgers.iter().all(LedgerStatus::is_sound);
    Ok(if sound { Exit::Done } else { Exit::Refused })
}
