//! `witness recover`: after a state was lost or damaged, goes on from a checkpoint that this witness cosigned.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::NodeHash;
use countersign_ledger::id::{Origin, TreeSize};
use countersign_ledger::note::MAX_NOTE_BYTES;
use countersign_ledger::time::Time;
use serde::Serialize;

use super::super::Context;
use super::{FolderArgs, within};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Report;
use crate::witness::{State, StateError, WitnessFolder};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Only the newest checkpoint that this witness ever cosigned will do: from an older one on it
might cosign another history, and its own cosignatures would then convict it. Ask the ledger
and everybody who relies on this witness for the newest that they have. A state that can be
read is never replaced by a smaller one.

EXAMPLE
  curl https://ledger.example.org/checkpoint > newest.checkpoint
  countersign witness recover --data witness newest.checkpoint")]
pub(super) struct RecoverArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// The newest checkpoint with this witness's cosignature
    #[arg(value_name = "FILE")]
    checkpoint: PathBuf,
}

#[derive(Debug, Serialize)]
struct Recovered {
    origin: Origin,
    size: TreeSize,
    root: NodeHash,
    cosigned: Option<Time>,
}

impl Report for Recovered {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let time = self.cosigned.map(|time| format!(", cosigned {time}")).unwrap_or_default();
        writeln!(out, "goes on from {} entries of {}{time}", self.size, self.origin)?;
        writeln!(out, "root {}", self.root)
    }
}

/// Goes on from a checkpoint.
pub(super) fn recover(args: &RecoverArgs, context: &Context) -> Result<Exit, Failure> {
    let folder = WitnessFolder::open(&args.folder.data)?;
    let note = files::read(&args.checkpoint, MAX_NOTE_BYTES)?;
    let signed = within(SignedCheckpoint::from_bytes(&note).map_err(Failure::usage), &args.checkpoint)?;
    let checkpoint = signed.checkpoint().clone();
    let config = folder.ledger(&checkpoint.origin)?;
    within(signed.verify_any(&config.log_keys).map_err(Failure::refused), &args.checkpoint)?;
    let cosignature = within(signed.verify_cosignature(folder.witness()).map_err(Failure::refused), &args.checkpoint)?;
    let kept = match folder.state(&checkpoint.origin) {
        Ok(state) => Some(state),
        Err(StateError::Missing { .. } | StateError::Damaged { .. }) => None,
        Err(error) => return Err(folder.state_failure(&error)),
    };
    let (size, newer) = (checkpoint.size, cosignature.timestamp);
    if let Some(state) = kept.as_ref().filter(|state| state.held().size >= size || state.time >= newer) {
        let (origin, held) = (&checkpoint.origin, state.held().size);
        return Err(Failure::refused(format_args!(
            "the state of {origin} is sound and holds {held} entries: expected a newer checkpoint, found one of {size}"
        )));
    }
    context.confirm(&format!(
        "is the checkpoint of {size} entries the newest of {} that this witness ever cosigned?",
        checkpoint.origin
    ))?;
    let refused = kept.and_then(|state| state.refused);
    let state = State { time: newer, refused, latest: Some(signed) };
    state.write(&folder.state_file(&checkpoint.origin), folder.witness(), &checkpoint.origin)?;
    context.out().emit(&Recovered {
        origin: checkpoint.origin,
        size,
        root: checkpoint.root,
        cosigned: cosignature.time(),
    })?;
    Ok(Exit::Done)
}
