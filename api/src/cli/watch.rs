//! `watch`: follows a ledger from outside.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use clap::{Args, Subcommand};
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::hash::{LedgerId, NodeHash};
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::misbehaviour::Misbehaviour;
use countersign_ledger::proof::Receipt;
use countersign_ledger::time::{Clock as _, SystemClock, Time};
use countersign_ledger::trust::{MAX_TRUST_BYTES, TrustFile};
use serde::Serialize;

use super::Context;
use crate::client::{LogReader, Settings};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{Report, fields};
use crate::watch::{Compared, Seen, Trouble, Watch};

/// The largest checkpoint (SPEC §12).
const MAX_NOTE: usize = 256 * 1024;
/// The largest receipt (SPEC §12).
const MAX_RECEIPT: usize = 1 << 20;
/// Receipts that promise more than the server shows are named one by one up to here.
const NAMED: usize = 5;

/// Arguments of `watch`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_long_help = "\
Fetches what is new, derives chain, tree, pointers, times and signatures again, and keeps
the last checkpoint that it verified in --state FILE, with 64 bytes of every entry beside
it in FILE.entries. Where the log contradicts itself (another history, an entry that
changed, a false pointer, a receipt that is not kept) it writes a proof of misbehaviour,
which `countersign-verify misbehaviour` confirms offline, and ends with status 5; the
state stays as it was. A server that cannot be reached, or that sends what does not fit
its own checkpoint, is warned of and asked again. Who may sign what is not judged here:
`countersign-verify bundle` does that. The state names the ledger, not the server: give
--server, or COUNTERSIGN_SERVER, each time.

EXAMPLE
  countersign watch --server https://ledger.example.org --ledger ID --state ledger.watch
  countersign watch --state ledger.watch --once --receipts receipts --also https://mirror.example.net
  countersign watch compare --state ledger.watch checkpoint-of-a-colleague.txt"
)]
pub struct WatchArgs {
    #[command(subcommand)]
    command: Option<WatchCommand>,
    #[command(flatten)]
    place: Option<Place>,
    /// Look once, and end
    #[arg(long)]
    once: bool,
    /// How many seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    every: u64,
    /// Another server of the same ledger, to compare with; may be given several times
    #[arg(long, value_name = "URL")]
    also: Vec<String>,
    /// A folder of *.receipt.json that the ledger must keep
    #[arg(long, value_name = "DIR")]
    receipts: Option<PathBuf>,
    /// A trust file (C2SP tlog-policy): warn where its witnesses' quorum has not cosigned
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Warn when the newest cosignature by a witness of --trust, or without one the checkpoint's last growth, is older
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    max_age: Option<u64>,
}

#[derive(Debug, Subcommand)]
enum WatchCommand {
    /// Compare checkpoints that others were given with what this watch has seen
    #[command(after_long_help = "\
Looks at the server first, so that what others have seen is seen here too. A checkpoint of
another history makes a proof of misbehaviour, and status 5.

EXAMPLE
  countersign watch compare --state ledger.watch checkpoint-of-a-colleague.txt")]
    Compare(CompareArgs),
}

#[derive(Debug, Args)]
struct CompareArgs {
    #[command(flatten)]
    place: Place,
    /// Checkpoints, as `countersign status --checkpoint` writes them
    #[arg(value_name = "CHECKPOINT", required = true)]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct Place {
    /// Where the watch keeps what it has seen; made if it is not there
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Where a proof is written; unless given, beside the state
    #[arg(long, value_name = "DIR")]
    proof_dir: Option<PathBuf>,
}

/// What one look came to.
#[derive(Debug, Serialize)]
struct Look {
    at: Time,
    server: String,
    ledger: LedgerId,
    seen: &'static str,
    size: TreeSize,
    root: NodeHash,
    from: TreeSize,
}

impl Report for Look {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let said = match self.seen {
            "grown" => format!("{} entries, {} of them new: all as they must be", self.size, self.size.0 - self.from.0),
            _ => format!("{} entries, as before", self.size),
        };
        writeln!(out, "{}  {said}; root {}", self.at, self.root)
    }
}

/// A checkpoint that was compared.
#[derive(Debug, Serialize)]
struct Comparison {
    source: String,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<TreeSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Comparison {
    fn new(source: String, compared: Compared) -> Self {
        let (result, size, why) = match compared {
            Compared::Same => ("same_history", None, None),
            Compared::Newer { size } => ("newer", Some(size), None),
            Compared::NotTheLogs { why } => ("not_of_this_log", None, Some(why)),
        };
        Self { source, result, size, why }
    }
}

impl Report for Comparison {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let said = match (self.size, &self.why) {
            (Some(size), _) => format!("of {size} entries, more than the server shows; compare it again later"),
            (_, Some(why)) => format!("says nothing about this log: {}", crate::escape::escaped(why)),
            _ => "the same history".to_owned(),
        };
        writeln!(out, "{}: {said}", crate::escape::escaped(&self.source))
    }
}

/// A proof that was written.
#[derive(Debug, Serialize)]
struct Found<'a> {
    what: &'static str,
    proof: &'a Path,
    ledger: LedgerId,
}

impl Report for Found<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (what, ledger) = (self.what.to_owned(), self.ledger.to_string());
        fields(out, &[("what", what), ("proof", self.proof.display().to_string()), ("ledger", ledger)])
    }
}

/// Follows.
///
/// # Errors
/// When the log contradicts itself; with `--once` also when the server cannot be reached or does not prove itself.
pub fn run(args: WatchArgs, context: &Context) -> Result<Exit, Failure> {
    let args = match (&args.command, &args.place) {
        (Some(WatchCommand::Compare(compare)), _) => compare,
        (None, Some(place)) => return Follower::new(place, context)?.run(&args),
        (None, None) => {
            return Err(Failure::usage("where the watch keeps its state is not known").hint("give --state FILE"));
        }
    };
    let mut follower = Follower::new(&args.place, context)?;
    let handed: Vec<SignedCheckpoint> =
        args.files.iter().map(|path| read_checkpoint(path)).collect::<Result<_, _>>()?;
    let looked = follower.look().map(drop);
    follower.bear(looked, false)?;
    let mut exit = Exit::Done;
    for (path, handed) in args.files.iter().zip(&handed) {
        let compared = follower.watch.compare(handed, None);
        let compared = compared.map_err(|trouble| follower.failure(trouble))?;
        if matches!(compared, Compared::NotTheLogs { .. }) {
            exit = Exit::Refused;
        }
        context.out().emit(&Comparison::new(path.display().to_string(), compared))?;
    }
    Ok(exit)
}

fn read_checkpoint(path: &Path) -> Result<SignedCheckpoint, Failure> {
    let bytes = files::read(path, MAX_NOTE)?;
    SignedCheckpoint::from_bytes(&bytes).map_err(|e| Failure::usage(format_args!("{}: {e}", path.display())))
}

fn read_trust(path: &Path) -> Result<TrustFile, Failure> {
    let bytes = files::read(path, MAX_TRUST_BYTES)?;
    TrustFile::parse(&bytes).map_err(|e| Failure::usage(format_args!("{}: {e}", path.display())))
}

/// A watch, its server, and where its proofs go.
struct Follower<'c> {
    context: &'c Context,
    proofs: PathBuf,
    log: LogReader,
    watch: Watch,
    /// Since when the server gives no answer.
    silent: Option<Time>,
    /// When the checkpoint last grew, or this process began.
    grown: Instant,
    /// Receipts that are of this history, by size and time of the file.
    kept: HashMap<PathBuf, (u64, Option<SystemTime>)>,
}

impl<'c> Follower<'c> {
    fn new(place: &Place, context: &'c Context) -> Result<Self, Failure> {
        let folder = place.state.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let proofs = place.proof_dir.clone().unwrap_or_else(|| folder.to_owned());
        if !proofs.is_dir() {
            return Err(Failure::usage(format_args!("there is no folder {}", proofs.display())));
        }
        let watch = Watch::open(&place.state, context.global().ledger)?;
        let log = reader(context, &context.global().server)?;
        let kept = HashMap::new();
        Ok(Self { context, proofs, log, watch, silent: None, grown: Instant::now(), kept })
    }

    fn run(&mut self, args: &WatchArgs) -> Result<Exit, Failure> {
        let others: Vec<LogReader> = args.also.iter().map(|url| reader(self.context, url)).collect::<Result<_, _>>()?;
        let trust = args.trust.as_deref().map(read_trust).transpose()?;
        let mut said = Vec::new();
        loop {
            let looked = self.round(args, &others, trust.as_ref(), &mut said);
            self.bear(looked, !args.once)?;
            if args.once {
                return Ok(Exit::Done);
            }
            std::thread::sleep(Duration::from_secs(args.every));
        }
    }

    fn round(
        &mut self,
        args: &WatchArgs,
        others: &[LogReader],
        trust: Option<&TrustFile>,
        said: &mut Vec<Seq>,
    ) -> Result<(), Trouble> {
        let look = self.look()?;
        if args.once || look.seen == "grown" {
            self.context.out().emit(&look)?;
        }
        for rotation in self.watch.unshown_rotations() {
            if !said.contains(&rotation) {
                said.push(rotation);
                self.context.out().warn(format_args!(
                    "entry {rotation} rotated the log key, and no checkpoint with both keys was seen: to confirm a \
                     proof, a trust file must list the newer key"
                ));
            }
        }
        for other in others {
            self.compare_with(other)?;
        }
        if let Some(folder) = &args.receipts {
            self.check_receipts(folder, look.size)?;
        }
        self.check_age(trust, args.max_age);
        Ok(())
    }

    /// Warns of a checkpoint that witnesses have not seen, or not for long.
    fn check_age(&self, trust: Option<&TrustFile>, most: Option<u64>) {
        let out = self.context.out();
        let mut age = i64::try_from(self.grown.elapsed().as_secs()).unwrap_or(i64::MAX);
        let mut what = "the checkpoint has not grown".to_owned();
        if let (Some(trust), Some(kept)) = (trust, self.watch.kept()) {
            if !trust.is_witnessed(kept) {
                out.warn("the newest checkpoint is not cosigned by the quorum of the trust file");
            }
            let newest = trust.cosignatures(kept).into_iter().flatten().map(|cosigned| cosigned.timestamp).max();
            if let Some(newest) = newest {
                let now = SystemClock.now().unix_millis() / 1000;
                age = now.saturating_sub(i64::try_from(newest).unwrap_or(i64::MAX));
                "no witness has cosigned the checkpoint".clone_into(&mut what);
            }
        }
        if most.is_some_and(|most| age > i64::try_from(most).unwrap_or(i64::MAX)) {
            out.warn(format_args!("{what} for {age} s"));
        }
    }

    /// Looks at the server.
    fn look(&mut self) -> Result<Look, Trouble> {
        let bar = self.context.out().progress(Some(0), "reading entries");
        let progress = |at, size| {
            bar.set_length(size);
            bar.set_position(at);
        };
        let seen = self.watch.follow(&self.log, &progress);
        bar.finish_and_clear();
        let seen = seen?;
        let kept = self.watch.kept().map(|kept| kept.checkpoint().clone());
        let kept = kept.ok_or_else(|| Trouble::Misfit("no checkpoint".to_owned()))?;
        let (word, from) = match seen {
            Seen::Same => ("same", kept.size),
            Seen::Grown { from } => ("grown", from),
            Seen::Behind { shown } => {
                return Err(Trouble::Misfit(format!(
                    "an earlier state of the same history: {shown} entries, and {} were seen before; a cache, or a \
                     backup that was put back",
                    kept.size
                )));
            }
        };
        if word == "grown" {
            self.grown = Instant::now();
        }
        if let Some(since) = self.silent.take() {
            self.context.out().note(format_args!("{} answers again, after silence since {since}", self.log.server()));
        }
        let server = self.log.server().to_owned();
        let ledger = self.watch.ledger();
        Ok(Look { at: SystemClock.now(), server, ledger, seen: word, size: kept.size, root: kept.root, from })
    }

    /// Compares with what another server shows.
    fn compare_with(&self, other: &LogReader) -> Result<(), Trouble> {
        let compared =
            other.checkpoint().map_err(Trouble::Server).and_then(|shown| self.watch.compare(&shown, Some(other)));
        match compared {
            Ok(Compared::NotTheLogs { why }) => {
                self.context.out().warn(format_args!("{} shows no checkpoint of this log: {why}", other.server()));
            }
            Ok(_) => {}
            Err(Trouble::Server(error)) => self.context.out().warn(error),
            Err(Trouble::Misfit(what)) => {
                self.context.out().warn(format_args!("{} sent {what}", other.server()));
            }
            Err(trouble) => return Err(trouble),
        }
        Ok(())
    }

    /// Looks whether the ledger keeps the receipts of a folder.
    fn check_receipts(&mut self, folder: &Path, size: TreeSize) -> Result<(), Trouble> {
        let mut promised = Vec::new();
        let listed = std::fs::read_dir(folder).map_err(|e| Failure::file(folder, "read", &e))?;
        for item in listed {
            let path = item.map_err(|e| Failure::file(folder, "read", &e))?.path();
            if !path.to_string_lossy().ends_with(".receipt.json") {
                continue;
            }
            let about = std::fs::metadata(&path).map_err(|e| Failure::file(&path, "read", &e))?;
            let about = (about.len(), about.modified().ok());
            if self.kept.get(&path) == Some(&about) {
                continue;
            }
            let read = files::read(&path, MAX_RECEIPT);
            let receipt = read.and_then(|bytes| Receipt::from_json(bytes.trim_ascii_end()).map_err(Failure::usage));
            let receipt = match receipt {
                Ok(receipt) => receipt,
                Err(failure) => {
                    self.context.out().warn(format_args!("{} is no receipt: {failure}", path.display()));
                    continue;
                }
            };
            match self.watch.receipt(&receipt)? {
                Compared::Same => {
                    self.kept.insert(path, about);
                }
                Compared::Newer { .. } => promised.push((receipt.seq(), path)),
                Compared::NotTheLogs { why } => {
                    self.context.out().warn(format_args!("{} binds nobody: {why}", path.display()));
                }
            }
        }
        promised.sort();
        for (seq, path) in promised.iter().take(NAMED) {
            let path = path.display();
            self.context.out().warn(format_args!("{path} promises entry {seq}, and the server shows {size} entries"));
        }
        if let Some(more) = promised.len().checked_sub(NAMED).filter(|more| *more > 0) {
            self.context.out().warn(format_args!("{more} more receipts promise more than the server shows"));
        }
        Ok(())
    }

    /// Says what can be borne with, where more looks follow; everything else ends the watch.
    fn bear(&mut self, looked: Result<(), Trouble>, patient: bool) -> Result<(), Failure> {
        let Err(trouble) = looked else { return Ok(()) };
        if !patient || !matches!(trouble, Trouble::Server(_) | Trouble::Misfit(_)) {
            return Err(self.failure(trouble));
        }
        let out = self.context.out();
        if let Trouble::Server(error) = &trouble {
            let since = *self.silent.get_or_insert_with(|| SystemClock.now());
            out.warn(format_args!("{error}; no answer that can be used since {since}"));
        } else {
            out.warn(self.failure(trouble));
        }
        // what was read so far was not verified
        self.watch.reopen()
    }

    /// Ends with trouble; a proof is written first.
    fn failure(&self, trouble: Trouble) -> Failure {
        let server = self.log.server();
        match trouble {
            Trouble::Server(error) => error.into(),
            Trouble::Misfit(what) => Failure::distrust(format_args!("{server} sent {what}"))
                .hint("this proves nothing against the log: a proxy or a cache may have sent it; ask again, and by another way"),
            Trouble::Unshown(why) => Failure::distrust(format_args!("the log signed for what it must not: {why}"))
                .hint("the whole ledger shows it: `countersign export`, then `countersign-verify bundle`"),
            Trouble::Newer(what) => Failure::usage(format_args!("{what} needs a newer version of this program")),
            Trouble::OtherLedger => {
                Failure::distrust(format_args!("{server} serves another ledger than {}", self.watch.ledger()))
                    .hint("name the right --server, or the right --ledger if you have it from a source you trust")
            }
            Trouble::Here(failure) => failure,
            Trouble::Misbehaviour(proof) => self.write_proof(&proof).unwrap_or_else(|failure| failure),
        }
    }

    fn write_proof(&self, proof: &Misbehaviour) -> Result<Failure, Failure> {
        let text = proof.to_json().map_err(Failure::misbehaviour)?;
        let ledger = proof.ledger.to_string();
        let hash = countersign_ledger::hash::sha256(&[text.as_bytes()]);
        let name = format!("{}-{}-{}.misbehaviour.json", &ledger[..8], proof.what(), &hex::encode(hash)[..8]);
        let path = self.proofs.join(name);
        // the same contradiction found again makes the same file
        if std::fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
            files::create_new(&path, text.as_bytes())?;
        }
        self.context.out().emit(&Found { what: proof.what(), proof: &path, ledger: proof.ledger })?;
        let message = format_args!("the log of ledger {ledger} contradicts itself: {}", proof.what());
        Ok(Failure::misbehaviour(message).hint(format_args!(
            "`countersign-verify misbehaviour {} --ledger {ledger}` confirms it; tell the other parties",
            path.display()
        )))
    }
}

/// Makes the reader of a server.
fn reader(context: &Context, server: &str) -> Result<LogReader, Failure> {
    Ok(LogReader::new(Settings { server: server.to_owned(), ..context.settings() })?)
}
