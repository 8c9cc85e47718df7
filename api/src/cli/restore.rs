//! `countersign restore`: rebuilds the data folder of a ledger from a full bundle.
//!
//! A bundle proves that what it holds is true. It does not prove that it holds everything: a ledger that goes on from a
//! state behind what somebody has seen would sign a second history. So what others have seen is asked for, and a ledger
//! behind it does not go on: a successor begins (SPEC §6).

mod seen;

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::{LedgerId, NodeHash};
use countersign_ledger::high_water::HighWater;
use countersign_ledger::id::TreeSize;
use countersign_ledger::keys::Signer;
use countersign_ledger::replay::{BundleReplayError, Replay};
use countersign_ledger::store::Store;
use countersign_ledger::store::rocks::{RocksOptions, RocksStore};
use serde::Serialize;

use self::seen::{Compared, Others};
use super::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Report, fields};
use crate::server::{Marker, must_be_empty, sync_folder};
use crate::wire::CopyRole;

/// Arguments of `restore`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Every entry is verified as the ledger did when it recorded it, and stored as it was: bundles and
receipts of the restored ledger are the same to the byte. Evidence files are not in a bundle.

A bundle cannot prove that nothing came after it. If the ledger went on from there, everybody who
has seen more would hold proof of two histories. So give everything that others have seen: the
high-water file, checkpoints, receipts, other bundles, and the witnesses. If any of it is newer
than the bundle, the ledger does not go on, and a successor takes its place:

  countersign init --data new --origin NEW --predecessor CHECKPOINT --predecessor-ledger ID …

The high-water file is the best: it is written before anybody is told. Everything else shows only
that so much was there. With nothing of it --accept-unwitnessed is needed, and means: I know that
nobody was ever told of an entry beyond this bundle.

EXAMPLE
  countersign restore ledger.bundle.jsonl.zst --data ledger --log-key log-key.pem --ledger ID \\
    --high-water /other-disk/high-water --receipt last.receipt.json
  countersign restore ledger.bundle.jsonl --data copy --ledger ID --read-only")]
pub struct RestoreArgs {
    /// The full bundle, compressed or not
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Folder to make: new, or empty
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA")]
    data: PathBuf,
    /// Private key that signs checkpoints, to know that the ledger can go on; it stays where it is
    #[arg(long, value_name = "FILE", required_unless_present = "read_only")]
    log_key: Option<PathBuf>,
    /// What others have seen.
    #[command(flatten)]
    others: Others,
    /// Restore it to be read, whatever others have seen: it is never appended to
    #[arg(long)]
    read_only: bool,
}

/// What was restored.
#[derive(Debug, Serialize)]
struct Restored {
    data: PathBuf,
    ledger: LedgerId,
    origin: String,
    entries: TreeSize,
    root: NodeHash,
    read_only: bool,
    compared: Vec<Compared>,
}

impl Report for Restored {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut rows = vec![
            ("restored", crate::escape::escaped(&self.data.display().to_string())),
            ("origin", self.origin.clone()),
            ("entries", self.entries.to_string()),
            ("root", self.root.to_string()),
        ];
        rows.extend(self.compared.iter().map(|compared| ("compared with", compared.to_string())));
        if self.read_only {
            rows.push(("read only", "it is never appended to".to_owned()));
        }
        rows.push(("ledger", self.ledger.to_string()));
        fields(out, &rows)
    }
}

/// Restores a ledger.
///
/// # Errors
/// When the bundle is not whole and true, somebody has seen more, or the folder cannot be made. Nothing is left then.
pub fn run(args: &RestoreArgs, context: &Context) -> Result<Exit, Failure> {
    let ledger = context.named_ledger()?;
    let log_key = match &args.log_key {
        Some(path) if !args.read_only => Some(context.keyring().open(path)?),
        _ => None,
    };
    if !args.read_only {
        args.others.must_be_some()?;
    }
    if args.data.exists() {
        must_be_empty(&args.data)?;
    }
    let bundle = File::open(&args.bundle).map_err(|e| Failure::file(&args.bundle, "read", &e))?;
    let building = Building::begin(&args.data)?;
    let replay = replay(&building, bundle, ledger, args, context)?;
    if let Some(key) = &log_key {
        must_sign(&**key, &replay)?;
    }
    let checkpoint = head(&replay)?;
    let compared = args.others.compare(&replay, &checkpoint, context)?;
    let wrong: Vec<&Compared> = compared.iter().filter(|compared| !compared.fits()).collect();
    if let Some(refusal) = refusal(&wrong, checkpoint.checkpoint().size, ledger, &args.bundle) {
        if !args.read_only {
            return Err(refusal);
        }
        context.out().warn(&refusal.message);
    }
    let (origin, root) = (replay.authority().origin().to_owned(), replay.root());
    let bare = replay.bare(&checkpoint).map_err(Failure::refused)?;
    drop(replay);
    let mark = building.path.join("high-water");
    let mut high_water = HighWater::create(&mark).map_err(Failure::usage)?;
    high_water.record(checkpoint.checkpoint().size, &bare.to_string()).map_err(Failure::usage)?;
    drop(high_water);
    if args.read_only {
        let mut marker = Marker::new(CopyRole::ReadOnly, ledger, args.bundle.display().to_string());
        marker.begun = true;
        marker.write(&building.path)?;
    }
    building.finish(&args.data)?;
    let entries = checkpoint.checkpoint().size;
    let (data, read_only) = (args.data.clone(), args.read_only);
    context.out().emit(&Restored { data, ledger, origin, entries, root, read_only, compared })?;
    if let Some(path) = &args.log_key {
        context.out().note(format_args!(
            "hint: countersign serve --data {} --log-key {}",
            args.data.display(),
            path.display()
        ));
    }
    Ok(Exit::Done)
}

/// Replays the bundle into the folder that is being built.
fn replay(
    building: &Building,
    bundle: File,
    ledger: LedgerId,
    args: &RestoreArgs,
    context: &Context,
) -> Result<Replay, Failure> {
    let store = RocksStore::create(&building.path.join("db"), &RocksOptions::default()).map_err(Failure::usage)?;
    let store: Arc<dyn Store> = Arc::new(store);
    let mut replay = Replay::open(store, ledger).map_err(Failure::refused)?;
    let bar = context.out().progress(Some(0), "restoring");
    let result = replay.of_bundle(BufReader::with_capacity(256 << 10, bundle), |at, total| {
        bar.set_length(total.0);
        bar.set_position(at.0);
    });
    bar.finish_and_clear();
    match result {
        Ok(_) => Ok(replay),
        Err(error) => Err(untrue(&error, &args.bundle)),
    }
}

fn untrue(error: &BundleReplayError, bundle: &Path) -> Failure {
    let place = bundle.display();
    let failure = match error.check() {
        Some(check) => Failure::refused(format_args!("{place}: {check}: {error}")).code(check),
        None => Failure::refused(format_args!("{place}: {error}")),
    };
    match error {
        BundleReplayError::Extract { .. } => failure.hint("`countersign export` without --case or --since makes one"),
        BundleReplayError::Ledger { .. } => failure.hint("is it the bundle of another ledger, or another id?"),
        _ => failure.hint("nothing was restored; `countersign-verify bundle` tells all that is wrong with it"),
    }
}

/// Checks that a key is that which signs the next checkpoint.
fn must_sign(key: &dyn Signer, replay: &Replay) -> Result<(), Failure> {
    let in_force = replay.authority().log_key();
    if in_force.is_some_and(|vkey| *vkey.public_key() == key.public()) {
        return Ok(());
    }
    let vkey = in_force.map(ToString::to_string).unwrap_or_default();
    Err(Failure::usage(format_args!("--log-key is not the private key of the log key in force, {vkey}"))
        .hint("without it the ledger cannot go on: restore it with --read-only, and begin a successor"))
}

fn head(replay: &Replay) -> Result<SignedCheckpoint, Failure> {
    let head = replay.store().head().map_err(Failure::refused)?;
    let note = head.map(|head| head.checkpoint).unwrap_or_default();
    SignedCheckpoint::from_bytes(note.as_bytes()).map_err(Failure::refused)
}

/// Says why the ledger does not go on from here, if it does not.
fn refusal(wrong: &[&Compared], size: TreeSize, ledger: LedgerId, bundle: &Path) -> Option<Failure> {
    let worst = wrong.iter().max_by_key(|compared| compared.rank(size))?;
    let newest = worst.file().unwrap_or_else(|| Path::new("CHECKPOINT"));
    let hint = format!(
        "a newer bundle, or a mirror, may have what is missing; if it is lost for good, a successor begins: \
         `countersign init --predecessor {} --predecessor-ledger {ledger} …`; --read-only restores this one to be read",
        newest.display()
    );
    let place = bundle.display();
    Some(Failure::refused(format_args!("{place} ends at {size} entries: {}", worst.told(size))).hint(hint))
}

/// A data folder that is being built beside its place: what is not finished is never served.
struct Building {
    path: PathBuf,
    lock: Option<File>,
}

impl Building {
    /// Begins; what another run left that was cut off is removed.
    fn begin(data: &Path) -> Result<Self, Failure> {
        let name = data.file_name().ok_or_else(|| Failure::usage("--data needs the name of a folder"))?;
        let path = parent(data).join(format!(".{}.restoring", name.to_string_lossy()));
        fs::create_dir_all(&path).map_err(|e| Failure::file(&path, "make", &e))?;
        let lock_path = path.join("restoring.lock");
        let lock = File::create(&lock_path).map_err(|e| Failure::file(&lock_path, "make", &e))?;
        if lock.try_lock().is_err() {
            return Err(Failure::usage(format_args!("another restore of {} is running", data.display())));
        }
        for left in fs::read_dir(&path).map_err(|e| Failure::file(&path, "read", &e))? {
            let left = left.map_err(|e| Failure::file(&path, "read", &e))?.path();
            let removed = match left.is_dir() {
                true => fs::remove_dir_all(&left),
                false if left == lock_path => Ok(()),
                false => fs::remove_file(&left),
            };
            removed.map_err(|e| Failure::file(&left, "remove", &e))?;
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
                .map_err(|e| Failure::file(&path, "make", &e))?;
        }
        Ok(Self { path, lock: Some(lock) })
    }

    /// Puts the folder in its place, in one step.
    fn finish(mut self, data: &Path) -> Result<(), Failure> {
        fs::remove_file(self.path.join("restoring.lock")).map_err(|e| Failure::file(&self.path, "write", &e))?;
        sync_folder(&self.path)?;
        fs::rename(&self.path, data).map_err(|e| Failure::file(data, "make", &e))?;
        self.lock = None;
        sync_folder(parent(data))
    }
}

impl Drop for Building {
    /// Leaves nothing of what was not finished.
    fn drop(&mut self) {
        if self.lock.is_some() {
            // what cannot be removed is by the next run; it is never served
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn parent(data: &Path) -> &Path {
    match data.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
