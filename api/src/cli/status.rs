//! `status`: which ledger this is and how it stands, from a server or from a stopped ledger's folder.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use countersign_ledger::hash::{LedgerId, NodeHash};
use countersign_ledger::id::TreeSize;
use serde::Serialize;

use super::Context;
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::output::{Report, fields};
use crate::wire::SealView;
use crate::wire::witnesses::WitnessesView;

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
The server's checkpoint is checked: the ledger's log key signed it, and it extends the
newest one that you have seen. Whether others are shown the same is not known from this.

EXAMPLE
  countersign status --server https://ledger.example.org --ledger ID
  countersign status --data ledger")]
pub struct StatusArgs {
    /// Look at the folder of a ledger whose server is stopped
    #[cfg(feature = "server")]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write the signed checkpoint only
    #[arg(long, conflicts_with = "json")]
    checkpoint: bool,
}

#[derive(Debug, Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<PathBuf>,
    origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parties: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cases: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    views_lag: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    governance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<SealView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high_water: Option<TreeSize>,
    size: TreeSize,
    log_key: String,
    root: NodeHash,
    ledger: LedgerId,
    checkpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    witnesses: Option<WitnessesView>,
}

impl Report for Status {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut rows = Vec::new();
        let mut add = |name: &'static str, value: Option<String>| {
            if let Some(value) = value {
                rows.push((name, escaped(&value)));
            }
        };
        add("server", self.server.clone());
        add("data", self.data.as_ref().map(|path| path.display().to_string()));
        add("origin", Some(self.origin.clone()));
        add("state", self.state.clone());
        add("version", self.version.clone());
        add("governance", self.governance.clone());
        add("parties", self.parties.map(|n| n.to_string()));
        add("cases", self.cases.map(|n| n.to_string()));
        let behind = self.views_lag.filter(|lag| *lag > 0);
        add("views", behind.map(|lag| format!("behind by {lag} entries")));
        let seal = self.seal.as_ref();
        add("sealed", seal.map(|s| format!("{} entries at {}; {} since then", s.seq, s.time, s.since)));
        add("high water", self.high_water.map(|size| size.to_string()));
        add("entries", Some(self.size.to_string()));
        add("log key", Some(self.log_key.clone()));
        add("root", Some(self.root.to_string()));
        add("ledger", Some(self.ledger.to_string()));
        fields(out, &rows)?;
        self.witnesses.as_ref().map_or(Ok(()), |witnesses| write_witnesses(out, witnesses))
    }
}

/// Says how each witness stands, by the server's word.
fn write_witnesses(out: &mut dyn Write, view: &WitnessesView) -> io::Result<()> {
    let Some(quorum) = &view.quorum else { return Ok(()) };
    let (name, size) = (escaped(&quorum.name), view.size);
    match quorum.size {
        Some(witnessed) => writeln!(out, "witnesses: {name} has witnessed {witnessed} of {size} entries")?,
        None => writeln!(out, "witnesses: {name} has witnessed nothing yet")?,
    }
    for witness in &view.witnesses {
        write!(out, "  {} {}", escaped(&witness.name), witness.state.as_str())?;
        if let (Some(size), Some(time)) = (witness.size, witness.time) {
            write!(out, ", cosigned {size} entries at {time}")?;
        }
        if let Some(since) = witness.since {
            write!(out, ", since {since}")?;
        }
        if let Some(said) = witness.against.as_ref().or(witness.error.as_ref()) {
            write!(out, ": {}", escaped(said))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Says it.
///
/// # Errors
/// When the server cannot be reached or does not prove what it says, or the folder has no sound ledger.
pub fn run(args: StatusArgs, context: &Context) -> Result<Exit, Failure> {
    #[cfg(feature = "server")]
    let status = match &args.data {
        Some(data) => stopped::status(data)?,
        None => online(context)?,
    };
    #[cfg(not(feature = "server"))]
    let status = online(context)?;
    if args.checkpoint {
        context.out().raw(status.checkpoint.as_bytes())?;
    } else {
        context.out().emit(&status)?;
    }
    Ok(Exit::Done)
}

fn online(context: &Context) -> Result<Status, Failure> {
    let client = context.client()?;
    let info = client.ledger()?;
    // what was checked, not what the server says of itself
    let checkpoint = client.checkpoint()?;
    let state = serde_json::to_value(info.state).ok().and_then(|state| state.as_str().map(str::to_owned));
    Ok(Status {
        server: Some(client.server().to_owned()),
        data: None,
        origin: client.origin(),
        state,
        version: Some(info.version),
        parties: Some(info.parties),
        cases: Some(info.cases),
        views_lag: Some(info.views.lag),
        governance: Some(format!("{} of {} keys", info.governance.threshold, info.governance.keys.len())),
        seal: client.newest_seal()?,
        high_water: None,
        size: checkpoint.checkpoint().size,
        log_key: info.log_key,
        root: checkpoint.checkpoint().root,
        ledger: client.ledger_id(),
        checkpoint: checkpoint.to_string(),
        witnesses: client.witnesses()?.filter(|view| view.quorum.is_some()),
    })
}

#[cfg(feature = "server")]
mod stopped {
    //! A ledger whose server is stopped. No private key is needed: nothing is written.

    use std::path::Path;

    use countersign_ledger::checkpoint::SignedCheckpoint;
    use countersign_ledger::entry::Entry;
    use countersign_ledger::event::{Body, Event};
    use countersign_ledger::hash::LedgerId;
    use countersign_ledger::high_water::HighWater;
    use countersign_ledger::id::Seq;
    use countersign_ledger::store::Store as _;
    use countersign_ledger::store::rocks::{RocksOptions, RocksStore};

    use super::Status;
    use crate::failure::Failure;
    use crate::server::DataArgs;

    pub(super) fn status(data: &Path) -> Result<Status, Failure> {
        let args = DataArgs { data: data.to_owned(), high_water: None, log_key: Vec::new() };
        if !args.store_path().is_dir() {
            return Err(Failure::usage(format_args!("there is no ledger in {}", data.display()))
                .hint("`countersign init --data DIR` makes one"));
        }
        let high_water = HighWater::open(&args.high_water_path()).map_err(Failure::usage)?;
        let store = RocksStore::open(&args.store_path(), high_water.size(), &RocksOptions::default()).map_err(|e| {
            Failure::usage(e).hint("stop its server first, or ask it: `countersign status --server URL`")
        })?;
        let empty = || Failure::refused(format_args!("the ledger in {} is empty or damaged", data.display()));
        let head = store.head().map_err(Failure::refused)?.ok_or_else(empty)?;
        let line = store.lines(Seq(0), 1, usize::MAX).map_err(Failure::refused)?.pop().ok_or_else(empty)?;
        let entry = Entry::parse(&line).map_err(Failure::refused)?;
        let event = Event::of_envelope(&entry.envelope).map_err(Failure::refused)?;
        let Ok(Body::LedgerCreated(body)) = Body::parse(&event.kind, event.body()) else { return Err(empty()) };
        let checkpoint = SignedCheckpoint::from_bytes(head.checkpoint.as_bytes()).map_err(Failure::refused)?;
        Ok(Status {
            server: None,
            data: Some(data.to_owned()),
            origin: body.origin.to_string(),
            state: Some("stopped".to_owned()),
            version: None,
            parties: None,
            cases: None,
            views_lag: None,
            governance: None,
            seal: None,
            high_water: Some(high_water.size()),
            size: head.size,
            log_key: body.log_key.to_string(),
            root: checkpoint.checkpoint().root,
            ledger: LedgerId::from(entry.envelope.event_hash()),
            checkpoint: head.checkpoint,
            witnesses: None,
        })
    }
}
