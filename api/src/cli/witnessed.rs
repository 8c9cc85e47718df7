//! Waiting for the witnesses, at the end of commands that record something.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::TreeSize;
use serde::Serialize;

use super::Context;
use super::submit::write_receipt_json;
use crate::failure::{Exit, Failure};
use crate::output::Report;

/// What a command waits for before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Wait {
    /// The quorum of the server's witnesses has cosigned what was recorded
    Witnessed,
}

/// What was recorded, and how far the witnesses have come.
#[derive(Debug, Serialize)]
struct Waited {
    witnessed: bool,
    /// How many entries must be witnessed for that.
    needed: TreeSize,
    /// How many are.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<TreeSize>,
    /// Receipts that are now at the witnessed checkpoint.
    receipts: usize,
}

impl Report for Waited {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        match (self.witnessed, self.size) {
            (true, Some(size)) => {
                writeln!(out, "witnessed: a quorum of the server's witnesses has cosigned {size} entries")
            }
            (_, Some(size)) => {
                writeln!(out, "recorded, and not witnessed yet: {size} of {} entries are", self.needed)
            }
            (_, None) => writeln!(out, "recorded, and not witnessed yet"),
        }
    }
}

/// Waits until the witnesses have cosigned `needed` entries, as long as the server lets one wait, and writes the receipts
/// of events anew, at the checkpoint that they cosigned. What was recorded stays recorded if they do not.
///
/// # Errors
/// When the server asks no witnesses, gives no answer, or a receipt does not prove itself or cannot be written.
pub(super) fn wait(needed: TreeSize, receipts: &[(EventHash, PathBuf)], context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let asked = client.witnesses()?.is_some_and(|view| view.quorum.is_some());
    if !asked {
        return Err(Failure::usage("everything is recorded, but this server asks no witnesses")
            .hint("its operator names them with `serve --witnesses FILE`"));
    }
    let size = client.witnessed(needed)?.map(|checkpoint| checkpoint.checkpoint().size);
    let witnessed = size.is_some_and(|size| size >= needed);
    let mut written = 0;
    for (event, path) in receipts.iter().filter(|_| witnessed) {
        if let Some(proven) = client.witnessed_event(event)? {
            write_receipt_json(path, &proven.receipt)?;
            written += 1;
        }
    }
    context.out().emit(&Waited { witnessed, needed, size, receipts: written })?;
    if witnessed {
        return Ok(Exit::Done);
    }
    context.out().note("note: nothing has to be sent again; `countersign status` says how the witnesses stand");
    Ok(Exit::Partly)
}
