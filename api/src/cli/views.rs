//! `countersign views`: the views of a ledger whose server is stopped.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use countersign_ledger::high_water::HighWater;
use countersign_ledger::id::TreeSize;
use countersign_ledger::store::rocks::{RocksOptions, RocksStore};
use countersign_ledger::store::{Store as _, StoreError};
use countersign_ledger::views::rocks::{RocksKv, ViewOptions};
use countersign_ledger::views::{Fit, Readers, ViewError, Views};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Report, fields};
use crate::server::DataArgs;

/// How many entries one write applies.
const BATCH: usize = 4_096;

/// Arguments of `views`.
#[derive(Debug, Args)]
pub struct ViewsArgs {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Make the views anew from the entries
    #[command(after_long_help = "\
The server must be stopped. Views are made from the entries alone, so they come out the same
to the byte; --digest shows it. Interrupted, they go on from there with the next start.

EXAMPLE
  countersign views rebuild --data ledger")]
    Rebuild(FolderArgs),
    /// Say how far the views are, and whether they are of this ledger
    #[command(after_long_help = "\
The server must be stopped; of a running one, every answer says how far the views are.

EXAMPLE
  countersign views status --data ledger --digest")]
    Status(FolderArgs),
}

#[derive(Debug, Args)]
struct FolderArgs {
    /// Folder of the ledger's data
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA")]
    data: PathBuf,
    /// File of the newest acknowledged checkpoint [default: DIR/high-water]
    #[arg(long, value_name = "FILE")]
    high_water: Option<PathBuf>,
    /// Add the SHA-256 of everything in the views
    #[arg(long)]
    digest: bool,
}

#[derive(Debug, Serialize)]
struct Status {
    views: PathBuf,
    entries: TreeSize,
    ledger: TreeSize,
    lag: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    must_be_rebuilt: Option<String>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

impl Report for Status {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut rows = vec![
            ("views", crate::escape::escaped(&self.views.display().to_string())),
            ("entries", format!("{} of {}", self.entries, self.ledger)),
            ("bytes", self.bytes.to_string()),
        ];
        if self.lag > 0 {
            rows.push(("behind by", format!("{} entries", self.lag)));
        }
        rows.extend(self.must_be_rebuilt.clone().map(|why| ("must be rebuilt", why)));
        rows.extend(self.digest.clone().map(|digest| ("sha-256", digest)));
        fields(out, &rows)
    }
}

/// Works on the views of a stopped ledger.
///
/// # Errors
/// When its server runs, there is no ledger, or the disk refuses.
pub fn run(args: ViewsArgs, context: &Context) -> Result<Exit, Failure> {
    let (folder, rebuild) = match args.command {
        Sub::Rebuild(folder) => (folder, true),
        Sub::Status(folder) => (folder, false),
    };
    let data = DataArgs { data: folder.data, high_water: folder.high_water, log_key: Vec::new() };
    if !data.store_path().is_dir() {
        return Err(Failure::usage(format_args!("there is no ledger in {}", data.data.display()))
            .hint("`countersign init --data DIR` makes one"));
    }
    let high_water = HighWater::open(&data.high_water_path()).map_err(stopped)?;
    let store = RocksStore::open(&data.store_path(), high_water.size(), &RocksOptions::default()).map_err(stopped)?;
    let size = store.head().map_err(Failure::refused)?.map_or(TreeSize(0), |head| head.size);
    let path = data.views_path();
    if rebuild {
        RocksKv::remove(&path).map_err(stopped)?;
    }
    let kv = Arc::new(RocksKv::open(&path, &ViewOptions::default()).map_err(stopped)?);
    let views = Views::new(Arc::clone(&kv) as Arc<_>);
    if rebuild {
        let bar = context.out().progress(Some(size.0), "views");
        let applied = views.catch_up(&store, size, BATCH, Readers::All, |at| bar.set_position(at.0));
        bar.finish_and_clear();
        applied.map_err(|error: ViewError| Failure::refused(error))?;
        kv.flush().map_err(Failure::usage)?;
    }
    let fit = views.fit(&store).map_err(Failure::refused)?;
    let entries = views.position().map_err(Failure::refused)?.map_or(TreeSize(0), |position| position.size);
    let status = Status {
        views: path,
        entries,
        ledger: size,
        lag: size.0.saturating_sub(entries.0),
        must_be_rebuilt: match fit {
            Fit::Rebuild(why) => Some(why),
            _ => None,
        },
        bytes: kv.disk_bytes().map_err(Failure::usage)?,
        digest: folder.digest.then(|| digest(&views)).transpose().map_err(Failure::refused)?,
    };
    context.out().emit(&status)?;
    Ok(Exit::Done)
}

fn stopped(error: impl std::fmt::Display) -> Failure {
    Failure::usage(error).hint("stop its server first: it keeps the views up to date by itself")
}

/// Hashes every record of every table, each with its lengths.
fn digest(views: &Views) -> Result<String, StoreError> {
    let mut hasher = Sha256::new();
    views.dump(&mut |family, key, value| {
        hasher.update(family.name().as_bytes());
        for part in [key, value] {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part);
        }
        Ok(())
    })?;
    Ok(hex::encode(hasher.finalize()))
}
