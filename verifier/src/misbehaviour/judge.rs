//! Whether a claim holds (SPEC §16).

use super::keys::LogKeys;
use super::read::{Claim, Included, Proof, Proven};
use super::words::{name_entry, plain_checkpoint};
use super::{Finding, Known, Pointer, What, fault};
use crate::act::Act;
use crate::checkpoint::Checkpoint;
use crate::checks::Fault;
use crate::entry::Entry;
use crate::event::{Event, EventError, Occurred, payload_json};
use crate::hash::{Hash, event_hash, leaf_hash, pae};
use crate::header::Withheld;
use crate::keys::PublicKey;
use crate::merkle::{Range, check_inclusion};
use crate::proof::TlogProof;

/// Judges a claim; leaves the log's statements in the finding, and returns why they contradict each other.
pub(crate) fn judge(proof: &Proof, known: &Known, finding: &mut Finding) -> Result<Vec<String>, Fault> {
    let keys = LogKeys::of(proof, known)?;
    finding.origin = Some(keys.origin.clone());
    match &proof.claim {
        Claim::Checkpoints { first, second, subtrees } => {
            let statements = [(first, "/first"), (second, "/second")];
            for (checkpoint, place) in statements {
                finding.statements.push(keys.statement(checkpoint, place, plain_checkpoint(checkpoint))?);
            }
            inconsistent(first, second, subtrees)
        }
        Claim::Receipt { receipt, leaf, proof } => {
            let says = format!("{}, is in the ledger as entry {}", name_line(&receipt.line), receipt.proof.index);
            finding.statements.push(keys.statement(&receipt.proof.checkpoint, "/receipt/proof", says)?);
            let says = format!("entry {} of the ledger is one whose leaf hash is {leaf}", proof.index);
            finding.statements.push(keys.statement(&proof.checkpoint, "/proof", says)?);
            not_in_tree(receipt, *leaf, proof)
        }
        Claim::Entries { what, checkpoint, entries, pointer, key } => {
            let named: Vec<String> =
                entries.iter().map(|entry| format!("entry {} is {}", entry.seq, name_entry(&entry.line))).collect();
            finding.statements.push(keys.statement(checkpoint, "/checkpoint", named.join("; "))?);
            for entry in entries {
                let leaf = leaf_hash(&entry.line);
                check_inclusion(entry.seq, checkpoint.size, &leaf, &entry.path, &checkpoint.root).map_err(|e| {
                    fault(format!("entry {}", entry.seq), "a proof that leads to the checkpoint's root", e)
                })?;
            }
            of_entries(*what, entries, proof.ledger, *pointer, *key)
        }
    }
}

fn name_line(line: &str) -> String {
    name_entry(line.as_bytes())
}

fn inconsistent(first: &Checkpoint, second: &Checkpoint, subtrees: &[Withheld]) -> Result<Vec<String>, Fault> {
    if first.size == second.size {
        if first.root == second.root {
            return Err(fault("two checkpoints of one size", "two roots", "the same root twice"));
        }
        return Ok(vec![format!(
            "Both are about the first {} entries of one ledger. One list of entries has one root: the two roots are of \
             two different lists.",
            first.size
        )]);
    }
    let mut range = Range::new();
    let mut before = None;
    for subtree in subtrees {
        if subtree.start != range.size() || subtree.start.saturating_add(subtree.leaves()) > second.size {
            let expected = format_args!("a subtree from leaf {}, within {}", range.size(), second.size);
            return Err(fault("/subtrees", expected, format_args!("one from leaf {}", subtree.start)));
        }
        range.push_subtree(subtree.height, subtree.hash);
        if range.size() == first.size {
            before = Some(range.root());
        }
    }
    if range.size() != second.size || range.root() != second.root {
        let expected = format_args!("{} leaves that hash to {}", second.size, second.root);
        return Err(fault("/subtrees", expected, format_args!("{} that hash to {}", range.size(), range.root())));
    }
    match before {
        None => Err(fault("/subtrees", format_args!("a boundary at leaf {}", first.size), "none")),
        Some(root) if root == first.root => {
            Err(fault("the two checkpoints", "two histories", "one: the second continues the first"))
        }
        Some(root) => Ok(vec![format!(
            "A ledger only grows: its first {} entries stay what they were. But the first {} entries of the second \
             statement have root {root}, and those of the first statement have root {}.",
            first.size, first.size, first.root
        )]),
    }
}

fn not_in_tree(receipt: &Proven, leaf: Hash, proof: &TlogProof) -> Result<Vec<String>, Fault> {
    let own = leaf_hash(receipt.line.as_bytes());
    receipt.proof.includes(&own).map_err(|e| fault("/receipt/proof", "a proof that includes the entry", e))?;
    proof.includes(&leaf).map_err(|e| fault("/proof", "a proof that includes the leaf", e))?;
    if proof.index != receipt.proof.index {
        return Err(fault("/proof", format_args!("index {}", receipt.proof.index), proof.index));
    }
    if own == leaf {
        return Err(fault("/leaf", "another leaf than the receipt's", "the same"));
    }
    Ok(vec![format!(
        "A ledger has one entry {}, and it never changes. The entry of the receipt has leaf hash {own}; the second \
         statement has another in its place.",
        proof.index
    )])
}

/// An entry and what could be read of its event.
struct Read {
    entry: Entry,
    event: Result<Event, EventError>,
}

fn read(included: &Included) -> Result<Read, Fault> {
    let entry = Entry::parse(&included.line)
        .map_err(|e| fault(format!("entry {}", included.seq), "an entry, which this is judged as", e))?;
    let event = event_of(&entry);
    Ok(Read { entry, event })
}

fn event_of(entry: &Entry) -> Result<Event, EventError> {
    if entry.is_newer() {
        return Err(EventError::Newer(entry.payload_type.clone()));
    }
    let json = payload_json(&entry.payload).map_err(EventError::Malformed)?;
    Event::read(&json)
}

impl Read {
    /// The event, where the claim needs to know what it says.
    fn event(&self) -> Result<&Event, Fault> {
        self.event.as_ref().map_err(|error| {
            let found = match error {
                EventError::Newer(what) => format!("one of a newer format ({})", crate::escape::escaped(what)),
                EventError::Malformed(fault) => fault.to_string(),
            };
            fault(format!("entry {}", self.entry.seq), "an event that can be read", found)
        })
    }
}

fn of_entries(
    what: What,
    entries: &[Included],
    ledger: Hash,
    pointer: Option<Pointer>,
    key: Option<PublicKey>,
) -> Result<Vec<String>, Fault> {
    match (what, entries, pointer, key) {
        (What::InvalidEntry, [entry], ..) => invalid(entry, ledger),
        (What::BadSignature, [entry], _, Some(key)) => bad_signature(&read(entry)?, key),
        (What::FalsePointer, [alone], Some(pointer), _) => points_nowhere(pointer, &read(alone)?),
        (What::FalsePointer, [other, pointing], Some(pointer), _) => {
            points_past(pointer, &read(other)?, &read(pointing)?)
        }
        (What::BrokenChain, [first, second], ..) => broken(first, &read(second)?),
        (What::TimeWentBack, [first, second], ..) => went_back(&read(first)?, &read(second)?),
        (What::RepeatedId, [first, second], ..) => repeated(&read(first)?, &read(second)?),
        (What::AfterClosed, [first, second], ..) => after_closed(&read(first)?, second.seq),
        _ => Err(fault("/entries", "the entries that this kind of claim needs", entries.len())),
    }
}

/// What one line alone shows (SPEC §13: FORMAT, LEDGER, TIME; `after` against `stream`).
fn invalid(included: &Included, ledger: Hash) -> Result<Vec<String>, Fault> {
    let says =
        |what: String| Ok(vec![format!("The log signed for a ledger with this as entry {}. {what}", included.seq)]);
    let entry = match Entry::parse(&included.line) {
        Ok(entry) => entry,
        Err(why) => return says(format!("It is not an entry: {why}.")),
    };
    if entry.seq != included.seq {
        return says(format!("It says of itself that it is entry {}.", entry.seq));
    }
    let event = match event_of(&entry) {
        Ok(event) => event,
        Err(EventError::Malformed(why)) => return says(format!("Its event is not well formed: {why}.")),
        Err(EventError::Newer(what)) => {
            let found = format!("an event of a newer format ({})", crate::escape::escaped(&what));
            return Err(fault("the entry", "a fault in its line", found));
        }
    };
    let first = matches!(event.act.as_deref(), Some(Act::LedgerCreated { .. }));
    if first != (entry.seq == 0) {
        return says("Entry 0, and only it, is ledger.created.".to_owned());
    }
    let named =
        if entry.seq == 0 { Some(event_hash(&pae(&entry.payload_type, &entry.payload)).0) } else { event.ledger };
    if named != Some(ledger) {
        return says("It is of another ledger.".to_owned());
    }
    if entry.seq == 0 && entry.prev != Hash::ZERO {
        return says("It names an entry before entry 0.".to_owned());
    }
    if event.until.is_some_and(|until| entry.time > until) {
        return says(format!("Its signers said until when it may be recorded; {} is later.", entry.time));
    }
    let backwards = matches!(event.occurred, Occurred::Between(from, to) if from > to);
    if backwards || event.occurred.latest().is_some_and(|latest| latest > Occurred::limit(entry.time)) {
        return says(
            "It is recorded as having occurred more than 48 hours later, or to have ended before it began.".to_owned(),
        );
    }
    if event.after.is_none() != entry.stream.is_none() {
        return says(
            "Its signers and the log contradict each other on whether it is the first of its stream.".to_owned(),
        );
    }
    Err(fault("the entry", "a fault in its line", "none that the line alone shows"))
}

fn bad_signature(read: &Read, key: PublicKey) -> Result<Vec<String>, Fault> {
    let entry = &read.entry;
    let Some(signature) = entry.signatures.iter().find(|signature| signature.keyid == key.id()) else {
        return Err(fault("/key", "a key that the entry's envelope names", key.id()));
    };
    if entry.is_newer() {
        return Err(fault("the entry", "an event of this version", "one of a newer format"));
    }
    if key.verifies(&pae(&entry.payload_type, &entry.payload), &signature.bytes) {
        return Err(fault("the signature", "one that is not valid", "a valid one"));
    }
    Ok(vec![format!(
        "Entry {} bears a signature in the name of key {} that this key did not make. A ledger has no entry with a \
         signature that is not valid.",
        entry.seq,
        key.id()
    )])
}

fn broken(first: &Included, second: &Read) -> Result<Vec<String>, Fault> {
    let leaf = leaf_hash(&first.line);
    if first.seq.checked_add(1) != Some(second.entry.seq) {
        return Err(fault("/entries", format_args!("the entry after {}", first.seq), second.entry.seq));
    }
    if second.entry.prev == leaf {
        return Err(fault("prev", "another hash than that of the entry before", "the same"));
    }
    Ok(vec![format!(
        "Entry {} says that the entry before it has hash {}. The log signed for one that has hash {leaf}.",
        second.entry.seq, second.entry.prev
    )])
}

fn went_back(first: &Read, second: &Read) -> Result<Vec<String>, Fault> {
    let (earlier, later) = (&first.entry, &second.entry);
    if later.time >= earlier.time {
        return Err(fault("the times", "the second before the first", later.time));
    }
    Ok(vec![format!(
        "Entry {} was recorded after entry {}, but says {}, which is before {}: one of the two times is false.",
        later.seq, earlier.seq, later.time, earlier.time
    )])
}

fn value_of(pointer: Pointer, entry: &Entry) -> Option<u64> {
    match pointer {
        Pointer::Governance => entry.governance,
        Pointer::Case => entry.case,
        Pointer::Stream => entry.stream,
    }
}

/// A pointer that its own entry shows to be false.
fn points_nowhere(pointer: Pointer, read: &Read) -> Result<Vec<String>, Fault> {
    let seq = read.entry.seq;
    let Some(target) = value_of(pointer, &read.entry) else {
        return Err(fault("the pointer", "one that its entry shows to be false", "null"));
    };
    if target >= seq {
        return Ok(vec![format!("Entry {seq} points at entry {target}, which is no earlier one.")]);
    }
    if pointer == Pointer::Case && read.event()?.case.is_none() {
        return Ok(vec![format!("Entry {seq} points at entry {target} for a case, but it is of no case.")]);
    }
    Err(fault("the pointer", "one that its entry shows to be false", target))
}

/// A pointer that another entry shows to be false.
fn points_past(pointer: Pointer, other: &Read, pointing: &Read) -> Result<Vec<String>, Fault> {
    let (seq, target) = (pointing.entry.seq, value_of(pointer, &pointing.entry));
    let shown = other.entry.seq;
    let (is_one, of) = is_one(pointer, other, pointing)?;
    let points =
        target.map_or_else(|| "says that there is none".to_owned(), |at| format!("says that it is entry {at}"));
    match target {
        Some(at) if at == shown && !is_one => Ok(vec![format!(
            "Entry {seq} names the latest earlier entry of {of}: it {points}. But entry {shown} is not of {of}."
        )]),
        Some(at) if at >= shown || !is_one => {
            let expected =
                format_args!("an entry of {of} after entry {at}, or entry {at} itself being of something else");
            Err(fault("the other entry", expected, shown))
        }
        None if !is_one => Err(fault("the other entry", format_args!("one of {of}"), shown)),
        _ => Ok(vec![format!(
            "Entry {seq} names the latest earlier entry of {of}: it {points}. But entry {shown} is one, and later. \
             Whoever was given an extract by these pointers was not shown it."
        )]),
    }
}

/// Whether an entry is one that the pointer of another must name, and what that is, in words.
fn is_one(pointer: Pointer, other: &Read, pointing: &Read) -> Result<(bool, String), Fault> {
    let subject = &other.event()?.subject;
    if pointer == Pointer::Governance {
        return Ok((matches!(subject.kind(), "ledger" | "party"), "the ledger or a party".to_owned()));
    }
    let event = pointing.event()?;
    let wanted = match (pointer, &event.case) {
        (Pointer::Case, Some(case)) => format!("case/{case}"),
        (Pointer::Case, None) => return Err(fault("the pointing entry", "one of a case", "one of no case")),
        _ => event.subject.as_str().to_owned(),
    };
    let same = other.event()?.case == event.case && subject.as_str() == wanted;
    let of = match &event.case {
        Some(case) => format!("{wanted} in case {case}"),
        None => format!("{wanted} outside cases"),
    };
    Ok((same, of))
}

fn repeated(first: &Read, second: &Read) -> Result<Vec<String>, Fault> {
    let (one, two) = (first.event()?, second.event()?);
    if one.author != two.author || one.id != two.id {
        return Err(fault("the two events", "one author and one id", "two"));
    }
    Ok(vec![format!(
        "Entries {} and {} are two statements of {} with one id, {}: a ledger records each statement once.",
        first.entry.seq, second.entry.seq, one.author, one.id
    )])
}

fn after_closed(first: &Read, second: u64) -> Result<Vec<String>, Fault> {
    if !matches!(first.event()?.act.as_deref(), Some(Act::LedgerClosed)) {
        return Err(fault("the first entry", "ledger.closed", crate::escape::quoted(&first.event()?.kind)));
    }
    Ok(vec![format!("Entry {} closed the ledger; nothing may follow it, and entry {second} does.", first.entry.seq)])
}
