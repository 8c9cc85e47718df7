//! `witness`: a service that cosigns the checkpoints of other parties' ledgers (C2SP tlog-witness).

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use countersign_ledger::note::{KeyName, Vkey, VkeyType};
use serde::Serialize;

use super::Context;
use super::listen::ListenArgs;
use crate::failure::{Exit, Failure};
use crate::keyring;
use crate::output::Report;
use crate::witness::{Options, WitnessFolder, key_file};

mod follow;
mod recover;
mod status;

/// Arguments of `witness`.
#[derive(Debug, Args)]
pub struct WitnessArgs {
    #[command(subcommand)]
    command: WitnessCommand,
}

#[derive(Debug, Subcommand)]
enum WitnessCommand {
    /// Make a witness: its key and its folder
    Init(InitArgs),
    /// Follow a ledger
    AddLedger(follow::AddLedgerArgs),
    /// Accept another log key of a ledger that is followed
    AddLogKey(follow::AddLogKeyArgs),
    /// Run the service
    Run(RunArgs),
    /// Say what was cosigned of each ledger
    Status(status::StatusArgs),
    /// Write the line of this witness for a trust file
    TrustLine(TrustLineArgs),
    /// Go on from a cosigned checkpoint after a state was lost
    Recover(recover::RecoverArgs),
}

/// Where a witness is.
#[derive(Debug, Clone, Args)]
struct FolderArgs {
    /// Folder of the witness
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Makes the folder DIR with a new witness in it. The name is its own for good: by convention a
URL without scheme. A witness whose name's last segment is `auditor` verifies every entry of
a ledger before it cosigns, and says so by that name.

EXAMPLE
  countersign witness init --data witness --name example.org/witness
  countersign witness init --data auditor --name example.org/auditor --witness-key key.pem")]
struct InitArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// The witness's name, such as example.org/witness
    #[arg(long, value_name = "NAME")]
    name: KeyName,
    /// The key that cosigns, and signs nothing else, or exec:PROGRAM; made if it is missing [default:
    /// DIR/witness-key.pem]
    #[arg(long, value_name = "FILE")]
    witness_key: Option<PathBuf>,
    /// Do not encrypt a key that is made
    #[arg(long)]
    no_passphrase: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Answers POST PREFIX/add-checkpoint as C2SP tlog-witness says, GET /healthz, /readyz and
/metrics. What it cosigned is on disk before a cosignature leaves. An auditor fetches and
verifies the entries that it lacks first; what takes longer than --audit-wait is answered 503
and goes on meanwhile. Prints one line on stdout once it listens, logs on stderr
(COUNTERSIGN_LOG=debug for one line a request). SIGTERM or SIGINT: requests under way are
finished.

EXAMPLE
  countersign witness run --data witness --listen 127.0.0.1:8751
  countersign witness run --data witness --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem")]
struct RunArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// The witness's private key, or exec:PROGRAM [default: DIR/witness-key.pem]
    #[arg(long, value_name = "FILE")]
    witness_key: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one. Beyond loopback only with TLS or --behind-proxy
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8751")]
    listen: SocketAddr,
    /// What stands before /add-checkpoint, such as /witness
    #[arg(long, value_name = "PATH", default_value = "", value_parser = prefix, hide_default_value = true)]
    prefix: String,
    /// How many seconds a request waits for an auditor to verify the entries that it lacks
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=50))]
    audit_wait: u64,
    #[command(flatten)]
    how: ListenArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
The line goes into the trust file (C2SP tlog-policy) of whoever relies on this witness. An
auditor's has a comment above it that says what its cosignature states.

EXAMPLE
  countersign witness trust-line --data witness --url https://witness.example.org >> trust.txt")]
struct TrustLineArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// What groups and the quorum of the trust file call it [default: its name]
    #[arg(long = "as", value_name = "WORD", value_parser = word)]
    called: Option<String>,
    /// Where checkpoints are sent: the address before /add-checkpoint
    #[arg(long, value_name = "URL", value_parser = word)]
    url: Option<String>,
}

/// Reads what stands before the path: nothing, or segments of plain characters.
fn prefix(text: &str) -> Result<String, String> {
    let plain = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    let fits = text.is_empty() || text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain));
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected segments such as /witness, without a slash at the end".to_owned())
    }
}

/// Reads a word of a trust file: no white space, no control character, no comment.
fn word(text: &str) -> Result<String, String> {
    let plain =
        !text.is_empty() && !text.starts_with('#') && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if plain { Ok(text.to_owned()) } else { Err("expected a word without spaces".to_owned()) }
}

/// Runs the subcommand.
///
/// # Errors
/// When the folder, a key, a state or a server is not as it should be.
pub fn run(args: WitnessArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        WitnessCommand::Init(args) => init(&args, context),
        WitnessCommand::AddLedger(args) => follow::add_ledger(&args, context),
        WitnessCommand::AddLogKey(args) => follow::add_log_key(&args, context),
        WitnessCommand::Run(args) => {
            let options = Options {
                tls: args.how.prepare(args.listen)?,
                data: args.folder.data,
                witness_key: args.witness_key,
                listen: args.listen,
                prefix: args.prefix,
                audit_wait: Duration::from_secs(args.audit_wait),
            };
            crate::witness::run(options, context.keyring(), context.out()).map(|()| Exit::Done)
        }
        WitnessCommand::Status(args) => status::status(&args, context),
        WitnessCommand::TrustLine(args) => trust_line(&args, context),
        WitnessCommand::Recover(args) => recover::recover(&args, context),
    }
}

#[derive(Debug, Serialize)]
struct Made {
    data: PathBuf,
    auditor: bool,
    witness: Vkey,
}

impl Report for Made {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let what = if self.auditor { "an auditor" } else { "a witness" };
        writeln!(out, "made {what} in {}", self.data.display())?;
        writeln!(out, "witness {}", self.witness)
    }
}

fn init(args: &InitArgs, context: &Context) -> Result<Exit, Failure> {
    let data = &args.folder.data;
    if WitnessFolder::look(data).is_ok() {
        return Err(Failure::usage(format_args!("there is a witness in {} already", data.display()))
            .hint("choose a new folder: what a witness cosigned is never overwritten"));
    }
    std::fs::create_dir_all(data).map_err(|e| Failure::file(data, "make", &e))?;
    let path = args.witness_key.clone().unwrap_or_else(|| key_file(data));
    let key = keyring::open_or_make(context.keyring(), &path, args.no_passphrase)?;
    let witness = Vkey::new(args.name.clone(), VkeyType::Cosignature, key.public());
    let folder = WitnessFolder::create(data, &witness)?;
    context.out().emit(&Made { data: data.clone(), auditor: folder.is_auditor(), witness })?;
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct TrustLine {
    comment: Option<String>,
    line: String,
}

impl Report for TrustLine {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(comment) = &self.comment {
            writeln!(out, "# {comment}")?;
        }
        writeln!(out, "{}", self.line)
    }
}

fn trust_line(args: &TrustLineArgs, context: &Context) -> Result<Exit, Failure> {
    let folder = WitnessFolder::look(&args.folder.data)?;
    let witness = folder.witness();
    let called = args.called.clone().unwrap_or_else(|| witness.name().to_string());
    let url = args.url.as_ref().map(|url| format!(" {url}")).unwrap_or_default();
    let comment = folder
        .is_auditor()
        .then(|| format!("{} verifies every entry of a ledger before it cosigns (SPEC §11)", witness.name()));
    context.out().emit(&TrustLine { comment, line: format!("witness {called} {witness}{url}") })?;
    Ok(Exit::Done)
}

/// Says which file could not be understood.
fn within<T>(result: Result<T, Failure>, path: &Path) -> Result<T, Failure> {
    result.map_err(|failure| failure.within(path.display()))
}
