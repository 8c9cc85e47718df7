//! What was said and by whom: entries of a bundle in words or JSON, after the bundle was verified.

use std::collections::HashMap;
use std::fmt::Write;

use crate::disclosure::restored;
use crate::escape::escaped;
use crate::event::{Event, payload_json};
use crate::fold::{Judged, Observer, Suspect};
use crate::hash::EventHash;
use crate::json::Value;
use crate::prepare::Verdict;
use crate::report::Report;
use crate::report_json::{Out, object, suspect};

/// The most text that is kept to be shown, in bytes.
const MAX_SHOWN: usize = 64 << 20;

/// Which entries to show; all that are asked for must agree.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Selection {
    /// The entry at this position.
    pub seq: Option<u64>,
    /// Entries about this subject.
    pub subject: Option<String>,
    /// Entries that this party wrote or signed.
    pub party: Option<String>,
}

/// The form to show entries in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

struct Kept {
    seq: u64,
    event: EventHash,
    text: String,
    json: Vec<(String, Out)>,
}

/// Collects the selected entries while the bundle is verified.
pub struct Collector {
    selection: Selection,
    form: Form,
    kept: Vec<Kept>,
    bytes: usize,
    left_out: u64,
    /// Later statements about earlier events: the event, what was said, and where.
    about: Vec<(EventHash, &'static str, u64)>,
}

impl Collector {
    /// Starts with nothing collected.
    pub fn new(selection: Selection, form: Form) -> Collector {
        Collector { selection, form, kept: Vec::new(), bytes: 0, left_out: 0, about: Vec::new() }
    }

    fn selects(&self, entry: &Judged<'_>, event: &Event) -> bool {
        let by = |party: &String| {
            event.author == *party || entry.signing.parties.iter().any(|p| entry.authority.party(p.party).id == *party)
        };
        let selection = &self.selection;
        selection.seq.is_none_or(|seq| seq == entry.seq)
            && selection.subject.as_ref().is_none_or(|subject| subject == event.subject.as_str())
            && selection.party.as_ref().is_none_or(by)
    }
}

impl Observer for Collector {
    fn entry(&mut self, entry: &Judged<'_>) {
        let Ok(event) = &entry.parsed.event else {
            return;
        };
        // read once before, so this cannot fail
        let Ok(payload) = payload_json(entry.parsed.payload()) else {
            return;
        };
        if let Some(corrects) = event.corrects {
            self.about.push((corrects, "corrected", entry.seq));
        }
        if event.kind == "statement.disputed"
            && let Some(about) = payload.pointed("/body/about").and_then(Value::as_str)
            && let Some(hash) = crate::hash::Hash::from_hex(about.as_bytes())
        {
            self.about.push((EventHash(hash), "disputed", entry.seq));
        }
        if !self.selects(entry, event) {
            return;
        }
        if self.bytes > MAX_SHOWN {
            self.left_out += 1;
            return;
        }
        let mut kept = Kept { seq: entry.seq, event: entry.parsed.event_hash, text: String::new(), json: Vec::new() };
        let strings: Vec<&str> = entry.disclosures.iter().map(String::as_str).collect();
        let body = match payload.member("body") {
            Some(body) if event.act.is_none() => restored(body, &strings),
            Some(body) => restored(body, &[]),
            None => Value::Null,
        };
        match self.form {
            Form::Text => kept.text = text(entry, event, &payload, &body),
            Form::Json => kept.json = json(entry, event, &payload, &body),
        }
        self.bytes += kept.text.len() + 2 * entry.parsed.payload().len();
        self.kept.push(kept);
    }
}

/// One signature as shown: who, for which office, and whether it is valid.
struct Signatory {
    party: Option<String>,
    holder: String,
    keyid: String,
    valid: bool,
}

fn signatories(entry: &Judged<'_>) -> Vec<Signatory> {
    use crate::authority::Owner;
    let signatures = &entry.parsed.entry.signatures;
    signatures
        .iter()
        .zip(&entry.parsed.verdicts)
        .map(|(signature, verdict)| {
            let record = entry.authority.key_number(&signature.keyid).map(|number| entry.authority.key(number));
            let party = record.and_then(|record| match record.owner {
                Owner::Party(party) => Some(entry.authority.party(party).id.clone()),
                Owner::Governance => Some("governance".to_owned()),
                Owner::Log => None,
            });
            Signatory {
                party,
                holder: record.map(|r| r.holder.clone()).unwrap_or_default(),
                keyid: signature.keyid.to_string(),
                valid: *verdict == Verdict::Valid,
            }
        })
        .collect()
}

fn party_name(entry: &Judged<'_>, id: &str) -> String {
    match entry.authority.enrolled(id) {
        Some(party) => format!("{id} ({})", escaped(&entry.authority.party(party).name)),
        None => id.to_owned(),
    }
}

fn text(entry: &Judged<'_>, event: &Event, payload: &Value<'_>, body: &Value<'_>) -> String {
    let mut out = String::new();
    // writing to a String cannot fail
    let _ = write_entry(&mut out, entry, event, payload, body);
    out
}

fn write_entry(
    out: &mut String,
    entry: &Judged<'_>,
    event: &Event,
    payload: &Value<'_>,
    body: &Value<'_>,
) -> std::fmt::Result {
    let time = entry.parsed.entry.time;
    writeln!(out, "entry {}  {}  recorded {time}", entry.seq, event.kind)?;
    write!(out, "  subject    {}", event.subject.as_str())?;
    match &event.case {
        Some(case) => writeln!(out, "  in case {case}")?,
        None => writeln!(out)?,
    }
    writeln!(out, "  said by    {}", party_name(entry, &event.author))?;
    for signatory in signatories(entry) {
        write!(out, "  signed by  ")?;
        match &signatory.party {
            Some(party) => write!(out, "{party}")?,
            None => write!(out, "a key that this event introduces, or that is unknown")?,
        }
        if !signatory.holder.is_empty() {
            write!(out, ", {}", escaped(&signatory.holder))?;
        }
        write!(out, "  key {}", &signatory.keyid[..16])?;
        writeln!(out, "{}", if signatory.valid { "" } else { "  NOT VALID" })?;
    }
    for (name, label) in
        [("occurred", "occurred "), ("until", "until    "), ("corrects", "corrects "), ("evidence", "evidence ")]
    {
        if let Some(value) = payload.member(name) {
            write!(out, "  {label} ")?;
            write_value(out, value, 4)?;
        }
    }
    writeln!(out, "  event      {}", entry.parsed.event_hash)?;
    write!(out, "  body")?;
    write_value(out, body, 4)
}

/// Writes a value after its name: scalars on the same line, the rest indented below.
fn write_value(out: &mut String, value: &Value<'_>, indent: usize) -> std::fmt::Result {
    match value {
        Value::Null => writeln!(out, " null"),
        Value::Bool(truth) => writeln!(out, " {truth}"),
        Value::Int(number) => writeln!(out, " {number}"),
        Value::Str(text) => writeln!(out, " {}", escaped(text)),
        Value::Array(items) if items.is_empty() => writeln!(out, " none"),
        Value::Array(items) => {
            writeln!(out)?;
            for item in items {
                write!(out, "{:indent$}-", "")?;
                write_value(out, item, indent + 2)?;
            }
            Ok(())
        }
        Value::Object(members) if members.is_empty() => writeln!(out, " nothing"),
        Value::Object(members) => {
            writeln!(out)?;
            for (name, value) in members {
                write!(out, "{:indent$}{}:", "", escaped(name))?;
                write_value(out, value, indent + 2)?;
            }
            Ok(())
        }
    }
}

fn json(entry: &Judged<'_>, event: &Event, payload: &Value<'_>, body: &Value<'_>) -> Vec<(String, Out)> {
    let signatures = signatories(entry)
        .into_iter()
        .map(|s| {
            object([
                ("party", s.party.into()),
                ("holder", s.holder.into()),
                ("keyid", s.keyid.into()),
                ("valid", s.valid.into()),
            ])
        })
        .collect();
    let member = |name: &str| payload.member(name).map_or(Out::Null, out_of);
    let whole = object([
        ("seq", entry.seq.into()),
        ("time", entry.parsed.entry.time.to_string().into()),
        ("event", entry.parsed.event_hash.to_string().into()),
        ("kind", event.kind.as_str().into()),
        ("subject", event.subject.as_str().into()),
        ("case", event.case.clone().into()),
        ("author", event.author.as_str().into()),
        ("signatures", Out::List(signatures)),
        ("occurred", member("occurred")),
        ("evidence", member("evidence")),
        ("corrects", member("corrects")),
        ("body", out_of(body)),
    ]);
    match whole {
        Out::Object(members) => members,
        _ => Vec::new(),
    }
}

fn out_of(value: &Value<'_>) -> Out {
    match value {
        Value::Null => Out::Null,
        Value::Bool(truth) => Out::Bool(*truth),
        Value::Int(number) => Out::Signed(*number),
        Value::Str(text) => Out::Text(text.to_string()),
        Value::Array(items) => Out::List(items.iter().map(out_of).collect()),
        Value::Object(members) => {
            Out::Object(members.iter().map(|(name, value)| (name.to_string(), out_of(value))).collect())
        }
    }
}

impl Collector {
    /// The whole output: the verdict first, then the entries.
    pub fn finish(self, report: &Report) -> String {
        let mut suspects: HashMap<u64, Vec<&Suspect>> = HashMap::new();
        for suspect in &report.suspects {
            suspects.entry(suspect.seq).or_default().push(suspect);
        }
        let mut about: HashMap<EventHash, Vec<(&str, u64)>> = HashMap::new();
        for (event, what, seq) in &self.about {
            about.entry(*event).or_default().push((what, *seq));
        }
        match self.form {
            Form::Text => self.finish_text(report, &suspects, &about),
            Form::Json => self.finish_json(report, &suspects, &about),
        }
    }

    fn finish_text(
        &self,
        report: &Report,
        suspects: &HashMap<u64, Vec<&Suspect>>,
        about: &HashMap<EventHash, Vec<(&str, u64)>>,
    ) -> String {
        let mut out = format!("verdict: {}\n", report.headline());
        if let Some(row) = report.checks.first_fault() {
            let _ = writeln!(out, "first fault: {} (run `countersign-verify bundle` for the whole report)", row.code);
        }
        for kept in &self.kept {
            let _ = write!(out, "\n{}", kept.text);
            for (what, seq) in about.get(&kept.event).into_iter().flatten() {
                let _ = writeln!(out, "  note       {what} by entry {seq}");
            }
            for suspect in suspects.get(&kept.seq).into_iter().flatten() {
                let _ = writeln!(
                    out,
                    "  note       suspect: a signing key was revoked by entry {} as suspect from {}",
                    suspect.revocation, suspect.from
                );
            }
        }
        let _ = match (self.kept.len(), self.left_out) {
            (0, 0) => writeln!(out, "\nno entry shown in this file is as asked for"),
            (_, 0) => Ok(()),
            (_, more) => writeln!(out, "\n{more} more entries: narrow with --seq, --subject or --party"),
        };
        out
    }

    fn finish_json(
        self,
        report: &Report,
        suspects: &HashMap<u64, Vec<&Suspect>>,
        about: &HashMap<EventHash, Vec<(&str, u64)>>,
    ) -> String {
        let entries = self
            .kept
            .into_iter()
            .map(|kept| {
                let mut members = kept.json;
                let notes = about.get(&kept.event).into_iter().flatten();
                let notes = notes.map(|(what, seq)| object([("what", (*what).into()), ("seq", (*seq).into())]));
                members.push(("later".to_owned(), Out::List(notes.collect())));
                let suspects = suspects.get(&kept.seq).into_iter().flatten();
                let suspects = suspects.map(|s| suspect(s)).collect();
                members.push(("suspect".to_owned(), Out::List(suspects)));
                Out::Object(members)
            })
            .collect();
        let mut json = object([
            ("verdict", report.verdict().name().into()),
            ("entries", Out::List(entries)),
            ("left_out", self.left_out.into()),
        ])
        .to_json();
        json.push('\n');
        json
    }
}
