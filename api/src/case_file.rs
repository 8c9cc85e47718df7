//! Case files: a bundle or an extract of one (SPEC §11) as what officers in the field work from, without a server.
//!
//! Reading is bounded and in one pass. An entry's `case` pointer tells which case it is of (SPEC §5), so that entries of
//! other cases are passed over without reading their events. **Nothing is verified here: `countersign-verify` does that.**

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use countersign_ledger::bundle::{BundleLine, Header, MAX_LINE, WINDOW_LOG, read_bundle};
use countersign_ledger::checkpoint::SignedCheckpoint;
use countersign_ledger::entry::Entry;
use countersign_ledger::event::{Event, Occurred};
use countersign_ledger::hash::{EventHash, KeyId, LedgerId};
use countersign_ledger::id::{Author, CaseId, Seq};
use countersign_ledger::keys::PublicKey;
use countersign_ledger::proof::{MAX_RECEIPT_BYTES, Receipt};
use countersign_ledger::time::{Clock as _, SystemClock, Time};
use serde_json::Value;

use crate::failure::Failure;
use crate::files;
use crate::output::Output;

mod corrections;

pub use corrections::Corrections;
use corrections::Judge;

/// The longest file that holds a checkpoint alone (SPEC §12).
const MAX_NOTE: usize = 256 << 10;
/// How far behind the ledger a clock may be before what it says is not used, in milliseconds.
const BEHIND: i64 = 2 * 60_000;

/// An event as the ledger has it.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its entry.
    pub seq: Seq,
    /// When it was recorded.
    pub time: Time,
    /// Its hash.
    pub hash: EventHash,
    /// What it says.
    pub event: Event,
    /// What discloses what it conceals.
    pub disclosures: Vec<String>,
}

/// Which cases are read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cases {
    /// All that it has.
    All,
    /// These.
    Only(BTreeSet<CaseId>),
}

impl Cases {
    /// Reads one case.
    #[must_use]
    pub fn one(case: &CaseId) -> Self {
        Self::Only([case.clone()].into())
    }

    fn has(&self, case: &CaseId) -> bool {
        match self {
            Self::All => true,
            Self::Only(cases) => cases.contains(case),
        }
    }
}

/// What was read from a bundle.
#[derive(Debug)]
pub struct CaseFile {
    /// Its ledger.
    pub ledger: LedgerId,
    /// The checkpoint that it leads to. Its signatures are not checked.
    pub checkpoint: SignedCheckpoint,
    /// The checkpoint as it stands in the file.
    pub note: String,
    /// The time of the latest entry that is shown.
    pub latest: Option<Time>,
    /// The events that were asked for, in the ledger's order.
    pub events: Vec<Found>,
    /// What the corrections in the cases asked for came to.
    pub corrections: Corrections,
}

impl CaseFile {
    /// Reads the events of cases, and those without a case, as far as `keep` says.
    ///
    /// # Errors
    /// When it cannot be read, is no bundle, or of another ledger than `ledger`.
    pub fn read(
        input: impl BufRead,
        ledger: Option<&LedgerId>,
        cases: &Cases,
        keep: impl Fn(&Event) -> bool,
    ) -> Result<Self, Failure> {
        let mut lines = read_bundle(input);
        let header = match lines.next() {
            Some(Ok(BundleLine::Header(header))) => header,
            Some(Err(error)) => return Err(Failure::usage(format_args!("this is no bundle: {error}"))),
            _ => return Err(Failure::usage("this is no bundle: it is empty")),
        };
        let mut file = Self::begin(header, ledger)?;
        let mut of_case = OfCase { cases, pointers: BTreeSet::new() };
        let mut judge = Judge::default();
        // whether the last entry is of what was asked for, and whether it is kept
        let (mut read, mut kept) = (false, false);
        for line in lines {
            match line.map_err(|e| damaged(&e))? {
                BundleLine::Entry(entry) => {
                    file.latest = file.latest.max(Some(entry.time));
                    let event = of_case.event(&entry)?;
                    (read, kept) = (event.is_some(), event.as_ref().is_some_and(&keep));
                    let Some(event) = event else { continue };
                    let (seq, time, hash) = (entry.seq, entry.time, entry.envelope.event_hash());
                    judge.add(entry, &event);
                    if kept {
                        file.events.push(Found { seq, time, hash, event, disclosures: Vec::new() });
                    }
                }
                BundleLine::Disclosure(text) if read => {
                    judge.disclose(&text);
                    let last = file.events.last_mut().filter(|_| kept);
                    last.into_iter().for_each(|found| found.disclosures.push(text.clone()));
                }
                BundleLine::Disclosure(_) | BundleLine::Header(_) | BundleLine::Sealed(_) => {}
                BundleLine::Withheld(_) => (read, kept) = (false, false),
            }
        }
        file.corrections = judge.finish()?;
        Ok(file)
    }

    /// Reads a file, compressed or not.
    ///
    /// # Errors
    /// As [`CaseFile::read`].
    pub fn open(
        path: &Path,
        ledger: Option<&LedgerId>,
        cases: &Cases,
        keep: impl Fn(&Event) -> bool,
    ) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|e| Failure::file(path, "read", &e))?;
        Self::read(BufReader::with_capacity(1 << 16, file), ledger, cases, keep).map_err(|e| e.within(path.display()))
    }

    fn begin(header: Header, ledger: Option<&LedgerId>) -> Result<Self, Failure> {
        if let Some(expected) = ledger.filter(|expected| **expected != header.ledger) {
            return Err(Failure::usage(format_args!(
                "this bundle is of ledger {}, expected {expected}",
                header.ledger
            )));
        }
        let checkpoint = SignedCheckpoint::from_bytes(header.checkpoint.as_bytes()).map_err(|e| damaged(&e))?;
        let (ledger, note) = (header.ledger, header.checkpoint);
        Ok(Self { ledger, checkpoint, note, latest: None, events: Vec::new(), corrections: Corrections::default() })
    }

    /// Finds whose key this is, by the parties in the file, if they were asked for. The ledger judges.
    #[must_use]
    pub fn holder_of(&self, keyid: &KeyId) -> Option<Author> {
        let is = |key: &Value| {
            key["public_key"].as_str().and_then(|key| key.parse::<PublicKey>().ok()).map(|key| key.id()) == Some(*keyid)
        };
        let holds = |body: &Value| match body.get("keys") {
            Some(keys) => keys.as_array().into_iter().flatten().any(is),
            None => body.get("key").is_some_and(is),
        };
        let parties = self.events.iter().filter(|found| found.event.subject.ty() == "party");
        let holder = parties.map(|found| found.event.body()).find(|body| holds(body))?;
        holder["party"].as_str()?.parse().ok()
    }

    /// Tells when this machine's clock cannot be right: it is behind what the ledger had recorded when the file was
    /// made. A little behind is told; more is refused where the clock is about to be signed as the time of an event.
    ///
    /// # Errors
    /// When the clock would be signed and is minutes behind.
    pub fn check_clock(&self, occurred: &Occurred, out: &Output) -> Result<(), Failure> {
        let Some(latest) = self.latest else { return Ok(()) };
        let now = SystemClock.now();
        // an argument `now` was read a moment ago
        let uses_now = matches!(occurred, Occurred::At(at) if (now.unix_millis() - at.unix_millis()).abs() < 60_000);
        let behind = latest.unix_millis() - now.unix_millis();
        if behind <= 0 {
            return Ok(());
        }
        let what = format!("this machine's clock says {now}, but the case file has an entry of {latest}");
        if uses_now && behind > BEHIND {
            return Err(Failure::refused(what)
                .hint("set the clock, or say when it happened with --occurred; nothing was signed"));
        }
        out.warn(format_args!("{what}: set the clock"));
        Ok(())
    }
}

/// Which entries are of the cases asked for.
struct OfCase<'a> {
    cases: &'a Cases,
    /// The entries of their case streams: what the `case` pointers of the others point at.
    pointers: BTreeSet<Seq>,
}

impl OfCase<'_> {
    /// Reads the event of an entry, unless it is of another case.
    fn event(&mut self, entry: &Entry) -> Result<Option<Event>, Failure> {
        let may = match (&self.cases, entry.case) {
            (Cases::All, _) | (_, None) => true,
            (_, Some(pointer)) => self.pointers.contains(&pointer),
        };
        if !may {
            return Ok(None);
        }
        let event = Event::of_envelope(&entry.envelope).map_err(|e| damaged(&e))?;
        let Some(case) = &event.case else { return Ok(Some(event)) };
        if !self.cases.has(case) {
            return Ok(None);
        }
        if event.subject.ty() == "case" {
            self.pointers.insert(entry.seq);
        }
        Ok(Some(event))
    }
}

fn damaged(why: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format_args!("the bundle is damaged: {why}"))
        .hint("`countersign-verify bundle` tells what is wrong with it")
}

/// A place in a ledger's history that a file names: a checkpoint, or what holds one.
#[derive(Debug, Clone)]
pub struct Basis {
    /// The ledger, where the file says it.
    pub ledger: Option<LedgerId>,
    /// The checkpoint. Its signatures are not checked.
    pub checkpoint: SignedCheckpoint,
}

impl Basis {
    /// Reads a checkpoint (a signed note), or that of a bundle or a receipt.
    ///
    /// # Errors
    /// When the file cannot be read or is none of these.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| Failure::file(path, "read", &e);
        let other = || {
            Failure::usage(format_args!("{} is no checkpoint, bundle or receipt", path.display()))
                .hint("`countersign export` makes a bundle; `countersign status --json` tells the ledger's size")
        };
        let line = first_line(path, MAX_RECEIPT_BYTES.max(MAX_LINE)).map_err(failed)?;
        if !line.starts_with(b"{") {
            let note = files::read(path, MAX_NOTE)?;
            let checkpoint = SignedCheckpoint::from_bytes(&note).map_err(|_| other())?;
            return Ok(Self { ledger: None, checkpoint });
        }
        if let Ok(receipt) = Receipt::from_json(line.trim_ascii()) {
            let entry = Entry::parse(receipt.entry().as_bytes()).map_err(|_| other())?;
            let event = Event::of_envelope(&entry.envelope).map_err(|_| other())?;
            let ledger = event.ledger.unwrap_or_else(|| LedgerId::from(entry.envelope.event_hash()));
            return Ok(Self { ledger: Some(ledger), checkpoint: receipt.proof().checkpoint().clone() });
        }
        let header = Header::parse(line.trim_ascii_end()).map_err(|_| other())?;
        let checkpoint = SignedCheckpoint::from_bytes(header.checkpoint.as_bytes()).map_err(|_| other())?;
        Ok(Self { ledger: Some(header.ledger), checkpoint })
    }
}

/// Reads the first line of a file, compressed or not; of one that is too long, its beginning.
pub(crate) fn first_line(path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut file = BufReader::new(File::open(path)?);
    let compressed = file.fill_buf()?.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let mut reader: Box<dyn BufRead> = if compressed {
        let mut decoder = zstd::Decoder::with_buffer(file)?;
        decoder.window_log_max(WINDOW_LOG)?;
        Box::new(BufReader::new(decoder))
    } else {
        Box::new(file)
    };
    let mut line = Vec::new();
    (&mut reader).take(u64::try_from(limit).unwrap_or(u64::MAX)).read_until(b'\n', &mut line)?;
    Ok(line)
}
