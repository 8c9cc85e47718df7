//! `init`: begins a ledger (SPEC §6).
//!
//! Entry 0 names the log key, the governance keys and the policy; every governance key signs it. When some of these
//! keys are elsewhere, `--draft` writes it unsigned (or partly signed), officers `event sign` it, and `--genesis` begins
//! the ledger with it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use countersign_ledger::default_policy::default_policy;
use countersign_ledger::event::{Body, Event};
use countersign_ledger::hash::LedgerId;
use countersign_ledger::id::{Author, Origin, Subject};
use countersign_ledger::keys::{KeyTables, PublicKey, Signer};
use countersign_ledger::note::{KeyName, Vkey, VkeyType};
use countersign_ledger::rule::Policy;
use countersign_ledger::submission::Submission;
use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::policy::Table;
use super::submit::{Drafted, check_body, count, sign};
use super::view::{values, write_values};
use crate::case_file::Basis;
use crate::draft::Draft;
use crate::event_file;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::keyring::{self, Keyring};
use crate::output::Report;
use crate::server::{DataArgs, create_data};

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Makes the folder DIR with an empty ledger in it: entry 0 names the log key, the governance
keys and the signature policy, and every governance key signs it. The ledger id that is
printed is the one value that an inspector must have from a source to trust: publish it.

When governance keys are elsewhere, --draft writes entry 0 to a file, each officer signs it
with `countersign event sign`, and --genesis begins the ledger with the signed file.

EXAMPLE
  countersign init --data ledger --origin ledger.example.org/2026 --threshold 2 \\
    --governance-key g1.pem --governance-key g2.pem --governance-key g3.pem

  countersign init --data ledger --origin ledger.example.org/2026 --threshold 2 \\
    --governance-public g1.pem.pub --governance-public g2.pem.pub --draft genesis.event.json
  countersign event sign genesis.event.json --key g1.pem
  countersign event sign genesis.event.json --key g2.pem
  countersign init --data ledger --genesis genesis.event.json")]
pub struct InitArgs {
    /// Folder of the ledger's data: new, or empty but for the log key
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA", required_unless_present = "print_policy")]
    data: Option<PathBuf>,
    /// The ledger's name in checkpoints, such as ledger.example.org/2026
    #[arg(long, value_name = "NAME", required_unless_present_any = ["print_policy", "genesis"])]
    origin: Option<Origin>,
    /// How many governance keys must sign what only governance may do
    #[arg(long, value_name = "K", required_unless_present_any = ["print_policy", "genesis"], value_parser = clap::value_parser!(u8).range(1..=8))]
    threshold: Option<u8>,
    /// A governance key to sign with (private file); may be given several times
    #[arg(long = "governance-key", value_name = "FILE")]
    governance_keys: Vec<PathBuf>,
    /// A governance key of somebody else (public file or base64), who signs the --draft; may be given several times
    #[arg(long = "governance-public", value_name = "KEY", requires = "draft")]
    governance_public: Vec<String>,
    /// The key that signs checkpoints; made if it is missing [default: DIR/log-key.pem]
    #[arg(long, value_name = "FILE")]
    log_key: Option<PathBuf>,
    /// Do not encrypt a log key that is made
    #[arg(long)]
    no_passphrase: bool,
    /// Passphrase of the log key, if it is another than that of the governance keys
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    log_key_passphrase_file: Option<PathBuf>,
    /// File of the newest acknowledged checkpoint, best on another disk [default: DIR/high-water]
    #[arg(long, value_name = "FILE")]
    high_water: Option<PathBuf>,
    /// A signature policy of your own (JSON) [default: the one of `--print-policy`]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The last checkpoint of a ledger that this one succeeds; or a receipt or bundle with it
    #[arg(long, value_name = "FILE", requires = "predecessor_ledger")]
    predecessor: Option<PathBuf>,
    /// The id of that ledger
    #[arg(long, value_name = "ID", requires = "predecessor")]
    predecessor_ledger: Option<LedgerId>,
    /// Write entry 0 to a file for others to sign, and begin nothing yet
    #[arg(long, value_name = "FILE", conflicts_with = "genesis")]
    draft: Option<PathBuf>,
    /// Begin the ledger with this signed entry 0
    #[arg(long, value_name = "FILE", conflicts_with_all = ["origin", "threshold", "governance_keys", "governance_public", "policy", "predecessor"])]
    genesis: Option<PathBuf>,
    /// Write the default signature policy and do nothing else
    #[arg(long)]
    print_policy: bool,
}

#[derive(Debug, Serialize)]
struct Begun {
    data: PathBuf,
    origin: String,
    governance: usize,
    threshold: u64,
    log_key: String,
    ledger: LedgerId,
}

impl Report for Begun {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "began {} in {}", self.origin, self.data.display())?;
        writeln!(out, "governance {} of {}", self.threshold, count(self.governance, "key"))?;
        writeln!(out, "log key {}", self.log_key)?;
        writeln!(out, "ledger {}", self.ledger)
    }
}

/// Begins a ledger, or drafts its entry 0.
///
/// # Errors
/// When the folder is not empty, a key is missing or does not open, or entry 0 is not as it should be.
pub fn run(args: InitArgs, context: &Context) -> Result<Exit, Failure> {
    if args.print_policy {
        context.out().emit(&Table(policy(None)?.to_value()))?;
        return Ok(Exit::Done);
    }
    let data = args.data.clone().unwrap_or_default();
    let folder = Folder::check(&data, &args)?;
    if let Some(draft) = &args.draft {
        files::must_be_free(draft)?;
    }
    let (genesis, log_key) = match &args.genesis {
        Some(path) => (event_file::read(path)?, folder.open_log_key(&args, context)?),
        None => drafted(&args, &folder, context)?,
    };
    if let Some(path) = &args.draft {
        let event = Event::of_envelope(&genesis.envelope).map_err(Failure::usage)?;
        files::create_new(path, event_file::content(&genesis).as_bytes())?;
        context.out().emit(&Drafted::new(path, &genesis, &event))?;
        return Ok(Exit::Done);
    }
    begin(&args, &folder, genesis, log_key, context)
}

/// Makes entry 0 and signs it with the governance keys at hand.
fn drafted(args: &InitArgs, folder: &Folder, context: &Context) -> Result<(Submission, Arc<dyn Signer>), Failure> {
    let mut own = context.keyring().open_all(&args.governance_keys)?;
    for key in context.keys()? {
        if own.iter().all(|known| known.public() != key.public()) {
            own.push(key);
        }
    }
    let mut governance: Vec<PublicKey> = own.iter().map(Signer::public).collect();
    for argument in &args.governance_public {
        let key = context.keyring().named_public(argument)?;
        if !governance.contains(&key) {
            governance.push(key);
        }
    }
    let threshold = args.threshold.unwrap_or_default();
    if governance.len() < usize::from(threshold) || governance.is_empty() {
        let given = count(governance.len(), "governance key");
        return Err(Failure::usage(format_args!("--threshold {threshold} with {given}"))
            .hint("give --governance-key FILE once for each key, or --governance-public KEY with --draft"));
    }
    let origin = args.origin.as_ref().map(Origin::as_str).unwrap_or_default();
    let mut body = json!({
        "origin": origin,
        "log_key": "",
        "governance": { "threshold": threshold, "keys": governance },
        "policy": policy(args.policy.as_deref())?,
    });
    if let (Some(path), Some(ledger)) = (&args.predecessor, args.predecessor_ledger) {
        body["predecessor"] = predecessor(path, ledger)?;
    }
    // last, because it may make a file
    let log_key = folder.make_log_key(args, context)?;
    body["log_key"] = json!(vkey(origin, &*log_key)?);
    let kind = "ledger.created".parse().map_err(Failure::usage)?;
    let subject = Subject::new("ledger", "self").map_err(Failure::usage)?;
    let draft = Draft::new(None, kind, subject, Author::Governance, body);
    let event = draft.event().map_err(Failure::usage)?;
    check_body(&event, &[], None)?;
    let mut genesis = draft.submission().map_err(Failure::usage)?;
    if !own.is_empty() {
        if !context.global().yes && keyring::on_a_terminal() {
            write_values(&mut io::stderr().lock(), &values(&event, &[]).map_err(Failure::usage)?)?;
            context.confirm(&format!("sign this with {}?", count(own.len(), "key")))?;
        }
        sign(&mut genesis, &own)?;
    }
    Ok((genesis, log_key))
}

fn vkey(origin: &str, log_key: &dyn Signer) -> Result<Vkey, Failure> {
    let name: KeyName = origin.parse().map_err(Failure::usage)?;
    Ok(Vkey::new(name, VkeyType::Ed25519, log_key.public()))
}

fn policy(path: Option<&Path>) -> Result<Policy, Failure> {
    path.map_or_else(|| default_policy().map_err(Failure::usage), super::policy::read)
}

fn predecessor(path: &Path, ledger: LedgerId) -> Result<Value, Failure> {
    let basis = Basis::read(path)?;
    if let Some(found) = basis.ledger.filter(|found| *found != ledger) {
        return Err(Failure::usage(format_args!("{} is of ledger {found}, expected {ledger}", path.display())));
    }
    let checkpoint = basis.checkpoint.checkpoint();
    Ok(json!({ "ledger": ledger, "size": checkpoint.size, "root": checkpoint.root }))
}

/// Checks entry 0 as far as it can be without a ledger, and begins one with it.
fn begin(
    args: &InitArgs,
    folder: &Folder,
    genesis: Submission,
    log_key: Arc<dyn Signer>,
    context: &Context,
) -> Result<Exit, Failure> {
    let prepared = genesis.clone().prepare(&KeyTables::default(), |_| None).map_err(|refusal| {
        Failure::refused(format_args!("entry 0 is not as it should be: {refusal}")).code(refusal.code)
    })?;
    let Some(Body::LedgerCreated(body)) = prepared.body() else {
        return Err(Failure::refused(format_args!("entry 0 is a {}, not a ledger.created", prepared.event().kind)));
    };
    let missing = body.governance.keys.iter().filter(|key| !prepared.keyids().contains(&key.id())).count();
    if missing > 0 {
        return Err(Failure::refused(format_args!("{} did not sign entry 0", count(missing, "governance key")))
            .hint("every governance key signs it: `countersign event sign FILE --key KEY`"));
    }
    if *body.log_key.public_key() != log_key.public() {
        return Err(Failure::refused("entry 0 names another log key than the one in this folder")
            .hint("give the file of the log key that was made with the draft: --log-key FILE"));
    }
    let report = Begun {
        data: folder.data.clone(),
        origin: body.origin.to_string(),
        governance: body.governance.keys.len(),
        threshold: u64::from(body.governance.threshold.value()),
        log_key: body.log_key.to_string(),
        ledger: LedgerId::from(prepared.event_hash()),
    };
    let data_args = folder.args(args);
    let ledger = create_data(&data_args, vec![log_key], genesis).inspect_err(|_| folder.clear(&data_args))?;
    ledger.shutdown();
    context.out().emit(&report)?;
    Ok(Exit::Done)
}

/// The data folder before there is a ledger in it.
struct Folder {
    data: PathBuf,
    log_key: PathBuf,
}

impl Folder {
    /// Checks that nothing is in the way, and makes the folder.
    fn check(data: &Path, args: &InitArgs) -> Result<Self, Failure> {
        let log_key = args.log_key.clone().unwrap_or_else(|| data.join("log-key.pem"));
        fs::create_dir_all(data).map_err(|e| Failure::file(data, "make", &e))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(data, fs::Permissions::from_mode(0o700))
                .map_err(|e| Failure::file(data, "make", &e))?;
        }
        for item in fs::read_dir(data).map_err(|e| Failure::file(data, "read", &e))? {
            let path = item.map_err(|e| Failure::file(data, "read", &e))?.path();
            if path != log_key && path != keyring::public_path(&log_key) {
                return Err(Failure::usage(format_args!("{} is not empty: it has {}", data.display(), path.display()))
                    .hint("choose a new folder: a ledger is never overwritten"));
            }
        }
        if let Some(path) = args.high_water.as_deref() {
            files::must_be_free(path)?;
        }
        Ok(Self { data: data.to_owned(), log_key })
    }

    fn keyring(args: &InitArgs, context: &Context) -> Keyring {
        let own = args.log_key_passphrase_file.clone().or_else(|| context.global().passphrase_file.clone());
        Keyring::new(own)
    }

    fn open_log_key(&self, args: &InitArgs, context: &Context) -> Result<Arc<dyn Signer>, Failure> {
        Self::keyring(args, context).open(&self.log_key)
    }

    /// Opens the log key, or makes it.
    fn make_log_key(&self, args: &InitArgs, context: &Context) -> Result<Arc<dyn Signer>, Failure> {
        let asks =
            !args.no_passphrase && args.log_key_passphrase_file.is_none() && context.global().passphrase_file.is_none();
        if asks && !keyring::is_there(&self.log_key) {
            context.out().note(format_args!("making the log key {}", self.log_key.display()));
        }
        keyring::open_or_make(&Self::keyring(args, context), &self.log_key, args.no_passphrase)
    }

    fn args(&self, args: &InitArgs) -> DataArgs {
        DataArgs { data: self.data.clone(), high_water: args.high_water.clone(), log_key: vec![self.log_key.clone()] }
    }

    /// Removes what a failed beginning left behind; there was nothing of it before.
    fn clear(&self, data: &DataArgs) {
        // what cannot be removed is told by the next attempt
        let _ = fs::remove_dir_all(data.store_path());
        let _ = fs::remove_file(data.high_water_path());
    }
}
