//! What becomes of a draft: it is shown, signed, and submitted or written to a file for others to sign.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use countersign_ledger::disclosure::{self, AdmitError};
use countersign_ledger::envelope::{EnvelopeError, SignError};
use countersign_ledger::event::Event;
use countersign_ledger::hash::{EventHash, KeyId};
use countersign_ledger::id::{Author, CaseId, Kind, Seq, StreamId, Subject};
use countersign_ledger::keys::Signer;
use countersign_ledger::proof::Receipt;
use countersign_ledger::submission::Submission;
use countersign_ledger::time::Time;
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::inbox::submit_as_proposal;
use super::view::{Shown, ShownValue, values, write_values};
use crate::client::Recorded;
use crate::draft::Draft;
use crate::event_file;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Report;

/// Options of every command that makes an event.
#[derive(Debug, Clone, Args)]
pub struct SubmitArgs {
    /// Write the event to a file instead of submitting it, so that others can sign it first
    #[arg(long, value_name = "FILE")]
    pub draft: Option<PathBuf>,
    /// Propose the event on the server, so that others find it in their inbox and sign it there
    #[arg(long, conflicts_with = "draft")]
    pub propose: bool,
    /// Keep the receipt in this folder
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_RECEIPTS")]
    pub receipt_dir: Option<PathBuf>,
    /// The latest event of the stream that the signers have seen: its hash, `null` for the first, or `head`
    #[arg(long, value_name = "HASH", default_value = "head")]
    pub after: After,
    /// Who makes the statement: a party, or `governance`
    #[arg(long, value_name = "PARTY", env = "COUNTERSIGN_PARTY")]
    pub author: Option<Author>,
}

impl SubmitArgs {
    /// Tells whether signatures may still come.
    #[must_use]
    pub const fn others_sign(&self) -> bool {
        self.draft.is_some() || self.propose
    }
}

/// Drafts an event about a party or the ledger, by governance unless another author is named, and goes on with it.
///
/// # Errors
/// As [`finish`].
pub(super) fn by_governance(
    kind: &str,
    subject: Subject,
    body: Value,
    args: &SubmitArgs,
    own_keys: Vec<Arc<dyn Signer>>,
    context: &Context,
) -> Result<Exit, Failure> {
    let author = args.author.clone().unwrap_or(Author::Governance);
    let draft = context.draft(kind, subject, None, author, body, args.after)?;
    finish(context, &draft, own_keys, args)
}

/// Where an event stands in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// After the present head, which the server says.
    Head,
    /// It starts the stream.
    Null,
    /// After this event.
    Event(EventHash),
}

impl FromStr for After {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "head" => Ok(Self::Head),
            "null" => Ok(Self::Null),
            hash => hash.parse().map(Self::Event).map_err(|e| format!("{e}; or head, or null")),
        }
    }
}

impl Context {
    /// Finds the event that a new one of this stream comes after.
    ///
    /// # Errors
    /// When the server must be asked and cannot be, or does not prove what it says.
    pub fn resolve_after(&self, after: After, stream: &StreamId) -> Result<Option<EventHash>, Failure> {
        match after {
            After::Null => Ok(None),
            After::Event(hash) => Ok(Some(hash)),
            After::Head => Ok(self.client()?.stream_head(stream)?.map(|head| head.hash)),
        }
    }

    /// Begins a draft: fills the ledger, `after`, and a fresh id.
    ///
    /// # Errors
    /// As [`Context::resolve_after`].
    pub fn draft(
        &self,
        kind: &str,
        subject: Subject,
        case: Option<CaseId>,
        author: Author,
        body: Value,
        after: After,
    ) -> Result<Draft, Failure> {
        let kind: Kind = kind.parse().map_err(Failure::usage)?;
        let stream = StreamId { case: case.clone(), subject: subject.clone() };
        let mut draft = Draft::new(Some(self.ledger_id()?), kind, subject, author, body);
        draft.case = case;
        draft.after = self.resolve_after(after, &stream)?;
        Ok(draft)
    }

    /// Finds whose key this is: a party, or governance. The server's word; the ledger judges.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn holder_of(&self, keyid: &KeyId) -> Result<Option<Author>, Failure> {
        let client = self.client()?;
        if client.ledger()?.governance.keys.iter().any(|key| key.id() == *keyid) {
            return Ok(Some(Author::Governance));
        }
        let parties = client.parties()?;
        let holder = parties.into_iter().find(|party| party.keys.iter().any(|key| key.keyid == *keyid));
        Ok(holder.map(|party| Author::Party(party.party)))
    }

    /// Finds who makes a statement: the one named, or else the holder of the first key.
    ///
    /// # Errors
    /// When none is named and no key tells it.
    pub fn author(&self, named: Option<&Author>, keys: &[Arc<dyn Signer>]) -> Result<Author, Failure> {
        if let Some(author) = named {
            return Ok(author.clone());
        }
        let unknown = || {
            Failure::usage("nobody is named as the author")
                .hint("give --author PARTY, or a --key that the ledger knows")
        };
        let keyid = keys.first().ok_or_else(unknown)?.public().id();
        self.holder_of(&keyid)?.ok_or_else(unknown)
    }
}

/// Checks the body against its kind, as the ledger will; names the place of a mistake.
///
/// # Errors
/// When the body is not of its kind, or disclosures do not fit.
pub fn check_body(event: &Event, disclosures: &[String], corrected: Option<&Kind>) -> Result<(), Failure> {
    match disclosure::admit(&event.kind, corrected, event.body(), disclosures) {
        Ok(_) => Ok(()),
        Err(error) => {
            let kind = &event.kind;
            let hint = match &error {
                AdmitError::Body(e) if e.path() == "/kind" => {
                    "`countersign event kinds` lists the kinds that this version reads".to_owned()
                }
                _ => format!("`countersign event kinds {kind}` writes the json schema of {kind}"),
            };
            Err(Failure::usage(format_args!("this is no {kind}: {error}")).hint(hint))
        }
    }
}

/// Shows, asks, signs; then submits, or writes the draft file.
///
/// # Errors
/// When the draft is no event of its kind, the answer is no, or the server refuses.
pub fn finish(
    context: &Context,
    draft: &Draft,
    own_keys: Vec<Arc<dyn Signer>>,
    args: &SubmitArgs,
) -> Result<Exit, Failure> {
    let event = draft.event().map_err(Failure::usage)?;
    check_body(&event, &draft.disclosures, None)?;
    let mut submission = draft.submission().map_err(Failure::usage)?;
    if let Some(path) = &args.draft {
        files::must_be_free(path)?;
    }
    let mut keys = own_keys;
    for key in context.keys()? {
        if keys.iter().all(|own| own.public() != key.public()) {
            keys.push(key);
        }
    }
    if keys.is_empty() && !args.others_sign() {
        return Err(Failure::usage("no key to sign with").hint(
            "give --key FILE once for each key that signs, or --draft FILE or --propose to have others sign it",
        ));
    }
    if !keys.is_empty() {
        if !context.global().yes {
            show(&event, &submission)?;
            context.confirm(&format!("sign this with {} and go on?", count(keys.len(), "key")))?;
        }
        sign(&mut submission, &keys)?;
    }
    match &args.draft {
        Some(path) => write_draft(context, path, &submission, &event),
        None if args.propose => submit_as_proposal(&submission, None, context),
        None => send(context, &submission, &event, args.receipt_dir.as_deref()),
    }
}

/// Shows on stderr what will be signed.
fn show(event: &Event, submission: &Submission) -> Result<(), Failure> {
    let values = values(event, &submission.disclosures).map_err(Failure::usage)?;
    write_values(&mut io::stderr().lock(), &values).map_err(Failure::from)
}

/// Adds a signature by each key.
///
/// # Errors
/// When a key has signed already, or there are too many signatures.
pub fn sign(submission: &mut Submission, keys: &[Arc<dyn Signer>]) -> Result<(), Failure> {
    for key in keys {
        submission.envelope.add_signature(key).map_err(|e| match e {
            SignError::Envelope(EnvelopeError::RepeatedKey { keyid }) => {
                Failure::refused(format_args!("this event is signed already with key {keyid}"))
            }
            other => other.into(),
        })?;
    }
    Ok(())
}

fn write_draft(context: &Context, path: &Path, submission: &Submission, event: &Event) -> Result<Exit, Failure> {
    files::create_new(path, event_file::content(submission).as_bytes())?;
    context.out().emit(&Drafted::new(path, submission, event))?;
    Ok(Exit::Done)
}

/// Submits an event and keeps its receipt.
///
/// # Errors
/// When the server refuses, or the receipt does not prove itself or cannot be written.
pub fn send(
    context: &Context,
    submission: &Submission,
    event: &Event,
    receipt_dir: Option<&Path>,
) -> Result<Exit, Failure> {
    let recorded = context.client()?.submit(submission)?;
    let path = receipt_dir.map(|folder| folder.join(receipt_name(&recorded.event)));
    if let Some(path) = &path {
        write_receipt(path, &recorded)?;
    }
    context.out().emit(&RecordedReport::new(&recorded, event, path))?;
    Ok(Exit::Done)
}

/// Names the receipt of an event.
#[must_use]
pub fn receipt_name(event: &EventHash) -> String {
    format!("{event}.receipt.json")
}

/// Writes a receipt file, in a folder that is made if it is missing.
///
/// # Errors
/// When it cannot be written.
pub fn write_receipt(path: &Path, recorded: &Recorded) -> Result<(), Failure> {
    write_receipt_json(path, &recorded.receipt)
}

/// As [`write_receipt`].
///
/// # Errors
/// When it cannot be written.
pub fn write_receipt_json(path: &Path, receipt: &Receipt) -> Result<(), Failure> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| Failure::file(folder, "make", &e))?;
    }
    // a receipt of the same event, at a later checkpoint, is as good as the one before
    files::replace(path, (receipt.to_json() + "\n").as_bytes())
}

/// Writes a number of things.
#[must_use]
pub fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// An event file that was written.
#[derive(Debug, Serialize)]
pub struct Drafted {
    file: PathBuf,
    kind: String,
    subject: String,
    author: String,
    signatures: Vec<KeyId>,
    event: EventHash,
}

impl Drafted {
    /// Makes the report.
    #[must_use]
    pub fn new(path: &Path, submission: &Submission, event: &Event) -> Self {
        Self {
            file: path.to_owned(),
            kind: event.kind.to_string(),
            subject: event.stream().to_string(),
            author: event.author.to_string(),
            signatures: submission.envelope.signatures().iter().map(|(keyid, _)| *keyid).collect(),
            event: submission.envelope.event_hash(),
        }
    }
}

impl Report for Drafted {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let signatures = count(self.signatures.len(), "signature");
        writeln!(out, "wrote {}: {} of {}, {signatures}", self.file.display(), self.kind, self.subject)?;
        writeln!(out, "event {}", self.event)
    }
}

/// An event that was recorded.
#[derive(Debug, Serialize)]
pub struct RecordedReport {
    seq: Seq,
    time: Time,
    kind: String,
    subject: String,
    event: EventHash,
    repeated: bool,
    unrecorded_signatures: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<PathBuf>,
}

impl RecordedReport {
    /// Makes the report.
    #[must_use]
    pub fn new(recorded: &Recorded, event: &Event, receipt: Option<PathBuf>) -> Self {
        Self {
            seq: recorded.seq,
            time: recorded.time,
            kind: event.kind.to_string(),
            subject: event.stream().to_string(),
            event: recorded.event,
            repeated: recorded.repeated,
            unrecorded_signatures: recorded.unrecorded_signatures,
            receipt,
        }
    }
}

impl Report for RecordedReport {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { seq, kind, subject, .. } = self;
        if self.repeated {
            writeln!(out, "{kind} of {subject} was recorded before, as entry {seq} at {}", self.time)?;
        } else {
            writeln!(out, "{kind} of {subject} is recorded as entry {seq} at {}", self.time)?;
        }
        if self.unrecorded_signatures > 0 {
            let signatures = count(self.unrecorded_signatures, "signature");
            writeln!(out, "{signatures} of this file came too late and are not recorded")?;
        }
        if let Some(receipt) = &self.receipt {
            writeln!(out, "receipt {}", receipt.display())?;
        }
        writeln!(out, "event {}", self.event)
    }
}

/// Counts the values that a signer cannot see.
#[must_use]
pub fn unseen(values: &[ShownValue]) -> usize {
    values.iter().filter(|value| value.shown == Shown::Undisclosed).count()
}
