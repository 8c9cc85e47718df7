//! `key`: key files, and the events that add, retire and revoke keys (SPEC §2, §8).

mod check;
mod list;
mod standing;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use countersign_ledger::hash::KeyId;
use countersign_ledger::id::{Author, PartyId, Subject};
use countersign_ledger::keys::{PublicKey, Signer, SigningKey};
use countersign_ledger::time::Time;
use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::submit::{SubmitArgs, finish};
use crate::escape::escaped;
use crate::failure::{Exit, Failure};
use crate::keyring::{self, NamedKey};
use crate::output::{Report, fields};
use crate::wire::{KeyStatus, KeyView, PartyView};

/// Arguments of `key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key file
    New(NewArgs),
    /// Show the public key of a file, and what the ledger knows of it
    Show(ShowArgs),
    /// List keys: which count, until when, which are about to expire
    List(list::ListArgs),
    /// Say what is wrong with the keys of a party, or of everybody, before it matters
    Check(check::CheckArgs),
    /// Give a party another key
    Add(AddArgs),
    /// Retire a key: it is no longer used
    Retire(RetireArgs),
    /// Revoke a key: it is in wrong hands
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Makes FILE, a private key that only you can read (PKCS#8 PEM, encrypted under a
passphrase), and FILE.pub, the public key to give away. Nothing is overwritten. A key made
by OpenSSL does as well:
  openssl genpkey -algorithm ed25519 -aes-256-cbc -out officer.pem

EXAMPLE
  countersign key new officer.pem")]
struct NewArgs {
    /// Where to write the private key
    file: PathBuf,
    /// Do not encrypt the file
    #[arg(long)]
    no_passphrase: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign key show officer.pem
  countersign key show officer.pem.pub --online")]
struct ShowArgs {
    /// A key file, a public key file, or a public key in base64
    #[arg(required = true, value_name = "KEY")]
    which: Vec<String>,
    /// Ask the server whose it is and whether it counts
    #[arg(long)]
    online: bool,
    /// Write the public key as PEM only
    #[arg(long, conflicts_with_all = ["online", "json"])]
    pem: bool,
}

/// What a new key may sign, and for how long.
#[derive(Debug, Clone, Args)]
pub struct GrantArgs {
    /// The office that holds the key (an office, not a person)
    #[arg(long, value_name = "OFFICE")]
    pub holder: String,
    /// What it may sign: a kind, `prefix.*` or `*`; may be given several times
    #[arg(long = "use", value_name = "PATTERN", default_value = "*")]
    pub uses: Vec<String>,
    /// Until when it may sign
    #[arg(long, value_name = "TIME")]
    pub not_after: Option<Time>,
}

impl GrantArgs {
    /// Writes the grant of a key (SPEC §8, K).
    #[must_use]
    pub fn value(&self, key: &PublicKey) -> Value {
        json!({ "public_key": key, "holder": self.holder, "uses": self.uses, "not_after": self.not_after })
    }
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
The new key signs too, so give its private file; or give its public key and --draft, and
have its holder run `countersign event sign`. A party's own key can give away only what it
has; more needs the governance keys.

EXAMPLE
  countersign key add xa-mod new.pem --holder \"MoD, stores\" --use 'transfer.*' --key officer.pem")]
struct AddArgs {
    /// The party
    party: PartyId,
    /// The new key: its private file, its public file, or the public key in base64
    new_key: String,
    #[command(flatten)]
    grant: GrantArgs,
    #[command(flatten)]
    submit: SubmitArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
EXAMPLE
  countersign key retire xa-mod officer.pem.pub --reason \"office closed\" --key other.pem")]
struct RetireArgs {
    /// The party
    party: PartyId,
    /// The key: its id, its public key in base64, or a key file
    which: String,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    submit: SubmitArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
What the key signed before stays valid; what it signed from --suspect-from on is reported as
suspect. More than 30 days back needs the governance keys. A key may sign its own
revocation.

EXAMPLE
  countersign key revoke xa-mod stolen.pem.pub --reason stolen \\
    --suspect-from 2026-09-01T00:00:00Z --key other.pem")]
struct RevokeArgs {
    /// The party
    party: PartyId,
    /// The key: its id, its public key in base64, or a key file
    which: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// From when on its signatures are suspect
    #[arg(long, value_name = "TIME")]
    suspect_from: Option<Time>,
    #[command(flatten)]
    submit: SubmitArgs,
}

/// Runs the subcommand.
///
/// # Errors
/// When a file cannot be read or written, or the server refuses.
pub fn run(args: KeyArgs, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        KeyCommand::New(args) => new(&args, context),
        KeyCommand::Show(args) => show(&args, context),
        KeyCommand::List(args) => list::run(&args, context),
        KeyCommand::Check(args) => check::run(&args, context),
        KeyCommand::Add(args) => add(&args, context),
        KeyCommand::Retire(args) => {
            let keyid = key_id(&args.which, context)?;
            let body = json!({ "party": args.party, "keyid": keyid, "reason": args.reason });
            about_key("key.retired", &args.party, body, &args.submit, Vec::new(), context)
        }
        KeyCommand::Revoke(args) => {
            let keyid = key_id(&args.which, context)?;
            let body = json!({
                "party": args.party, "keyid": keyid, "reason": args.reason, "suspect_from": args.suspect_from,
            });
            about_key("key.revoked", &args.party, body, &args.submit, Vec::new(), context)
        }
    }
}

#[derive(Debug, Serialize)]
struct NewKey {
    file: PathBuf,
    public_file: PathBuf,
    encrypted: bool,
    public_key: PublicKey,
    keyid: KeyId,
}

impl Report for NewKey {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let how = if self.encrypted { "encrypted" } else { "not encrypted" };
        writeln!(out, "wrote {} ({how}) and {}", self.file.display(), self.public_file.display())?;
        writeln!(out, "public key {}", self.public_key)?;
        writeln!(out, "keyid {}", self.keyid)
    }
}

fn new(args: &NewArgs, context: &Context) -> Result<Exit, Failure> {
    crate::files::must_be_free(&args.file)?;
    let passphrase = context.keyring().new_passphrase(args.no_passphrase)?;
    let key = SigningKey::generate().map_err(Failure::usage)?;
    let public_file = keyring::write_pair(&args.file, &key, passphrase.as_ref().map(|p| p.as_str()))?;
    context.out().emit(&NewKey {
        file: args.file.clone(),
        public_file,
        encrypted: passphrase.is_some(),
        public_key: key.public(),
        keyid: key.public().id(),
    })?;
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct ShownKey {
    public_key: PublicKey,
    keyid: KeyId,
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<Known>,
}

/// What the ledger knows of a key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Known {
    Unknown,
    Governance,
    Party { party: PartyId, name: String, key: KeyView },
}

impl Report for ShownKey {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.ledger {
            None => {}
            Some(Known::Unknown) => writeln!(out, "not in this ledger")?,
            Some(Known::Governance) => writeln!(out, "a governance key in force")?,
            Some(Known::Party { party, name, key }) => fields(
                out,
                &[
                    ("party", format!("{party} ({})", escaped(name))),
                    ("holder", escaped(&key.holder)),
                    ("may sign", key.uses.join(" ")),
                    ("until", key.not_after.map_or_else(|| "no end".to_owned(), |time| time.to_string())),
                    ("status", status(key)),
                ],
            )?,
        }
        writeln!(out, "public key {}", self.public_key)?;
        writeln!(out, "keyid {}", self.keyid)
    }
}

/// Says a key's status in words.
#[must_use]
pub fn status(key: &KeyView) -> String {
    let since = |word: &str| key.ended.map_or_else(|| word.to_owned(), |seq| format!("{word} (entry {seq})"));
    match key.status {
        KeyStatus::Active => "active".to_owned(),
        KeyStatus::Retired => since("retired"),
        KeyStatus::Revoked => since("revoked"),
    }
}

fn show(args: &ShowArgs, context: &Context) -> Result<Exit, Failure> {
    let (mut governance, mut parties) = (Vec::new(), Vec::new());
    if args.online {
        let client = context.client()?;
        governance = client.ledger()?.governance.keys;
        parties = client.parties()?;
    }
    for argument in &args.which {
        let key = context.keyring().named_public(argument)?;
        if args.pem {
            context.out().raw(keyring::public_pem(&key).as_bytes())?;
            continue;
        }
        let ledger = args.online.then(|| known(&key, &governance, &parties));
        context.out().emit(&ShownKey { public_key: key, keyid: key.id(), ledger })?;
    }
    Ok(Exit::Done)
}

fn known(key: &PublicKey, governance: &[PublicKey], parties: &[PartyView]) -> Known {
    if governance.contains(key) {
        return Known::Governance;
    }
    let found = parties.iter().find_map(|party| Some((party, party.keys.iter().find(|k| k.public_key == *key)?)));
    found.map_or(Known::Unknown, |(party, key)| Known::Party {
        party: party.party.clone(),
        name: party.name.clone(),
        key: key.clone(),
    })
}

/// Reads which key an argument names: by id, or by the key itself.
///
/// # Errors
/// When it names none.
pub(super) fn key_id(argument: &str, context: &Context) -> Result<KeyId, Failure> {
    match argument.parse() {
        Ok(keyid) => Ok(keyid),
        Err(_) => Ok(context.keyring().named_public(argument)?.id()),
    }
}

fn add(args: &AddArgs, context: &Context) -> Result<Exit, Failure> {
    let (public, own) = named(&args.new_key, &args.submit, context)?;
    let body = json!({ "party": args.party, "key": args.grant.value(&public) });
    about_key("key.added", &args.party, body, &args.submit, own, context)
}

/// Reads a new key, which must sign what introduces it.
///
/// # Errors
/// When only the public key is at hand and nobody else is going to sign.
pub fn named(
    argument: &str,
    submit: &SubmitArgs,
    context: &Context,
) -> Result<(PublicKey, Vec<Arc<dyn Signer>>), Failure> {
    match context.keyring().named(argument)? {
        NamedKey::Private(key) => Ok((key.public(), vec![key])),
        NamedKey::Public(key) if submit.others_sign() => Ok((key, Vec::new())),
        NamedKey::Public(_) => Err(Failure::usage(
            "a new key signs the event that introduces it, and only its public part is given",
        )
        .hint("give its private file; or --draft FILE and have its holder run `countersign event sign`, or --propose")),
    }
}

fn about_key(
    kind: &str,
    party: &PartyId,
    body: Value,
    submit: &SubmitArgs,
    own: Vec<Arc<dyn Signer>>,
    context: &Context,
) -> Result<Exit, Failure> {
    let author = match &submit.author {
        Some(author) => author.clone(),
        None => default_author(party, context)?,
    };
    let subject = Subject::new("party", party.as_str()).map_err(Failure::usage)?;
    let draft = context.draft(kind, subject, None, author, body, submit.after)?;
    finish(context, &draft, own, submit)
}

/// Governance speaks when only its keys sign, else the party does.
fn default_author(party: &PartyId, context: &Context) -> Result<Author, Failure> {
    let keys = context.keys()?;
    if !keys.is_empty() {
        let governance = context.client()?.ledger()?.governance.keys;
        if keys.iter().all(|key| governance.contains(&key.public())) {
            return Ok(Author::Governance);
        }
    }
    Ok(Author::Party(party.clone()))
}
