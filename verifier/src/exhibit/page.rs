//! What an exhibit says, section by section, for every form that it is printed in. All text here is escaped already.

use super::{At, Bearing, Ended, Exhibit, How, Later, Leaf, Signer};
use crate::checks::{Check, Code, Outcome};
use crate::escape::escaped;
use crate::fold::SuspectBy;
use crate::prepare;
use crate::report::Verdict;
use crate::report_json::Out;
use crate::report_text::LIMITS;

/// How a row is to be marked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    Plain,
    /// Worth a second look.
    Note,
    /// Something is wrong.
    Bad,
}

/// A label and what belongs to it.
pub(super) struct Row {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) mark: Mark,
}

/// A part of a section.
pub(super) enum Block {
    Rows(Vec<Row>),
    Text(String),
    List(Vec<String>),
    Script(String),
}

/// A section.
pub(super) struct Section {
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
}

/// The whole exhibit.
pub(super) struct Page {
    pub(super) title: String,
    pub(super) headline: String,
    /// Whether the headline is a warning.
    pub(super) failed: bool,
    pub(super) sections: Vec<Section>,
}

fn row(label: impl Into<String>, value: impl Into<String>) -> Row {
    Row { label: label.into(), value: value.into(), mark: Mark::Plain }
}

fn marked(label: impl Into<String>, value: impl Into<String>, mark: Mark) -> Row {
    Row { label: label.into(), value: value.into(), mark }
}

fn section(title: impl Into<String>, blocks: Vec<Block>) -> Section {
    Section { title: title.into(), blocks }
}

pub(super) fn page(exhibit: &Exhibit) -> Page {
    let verdict = exhibit.report.verdict();
    let headline = match verdict {
        Verdict::Failed => format!("FROM A FILE THAT FAILED VERIFICATION. Verdict: {}", exhibit.report.headline()),
        Verdict::NotChecked => format!("FROM A FILE THAT WAS NOT CHECKED. Verdict: {}", exhibit.report.headline()),
        Verdict::Verified | Verdict::Partial => format!("Verdict: {}", exhibit.report.headline()),
    };
    let mut sections = vec![what(exhibit), statement(exhibit)];
    sections.extend(signatures(exhibit));
    sections.extend([place(exhibit), later(exhibit), verification(exhibit), limits(exhibit), source(exhibit)]);
    sections.push(steps(exhibit));
    let title = format!("Exhibit: entry {} of ledger {}", exhibit.at.seq, ledger(exhibit));
    Page { title, headline, failed: matches!(verdict, Verdict::Failed | Verdict::NotChecked), sections }
}

fn ledger(exhibit: &Exhibit) -> String {
    exhibit.report.ledger.map_or_else(|| "(unknown)".to_owned(), |id| id.to_string())
}

fn at(at: At) -> String {
    format!("entry {}, recorded {}", at.seq, at.time)
}

fn what(exhibit: &Exhibit) -> Section {
    let value = |pointer: &str| {
        let leaf = exhibit.statement.iter().find(|leaf| leaf.pointer == pointer)?;
        match &leaf.value {
            Out::Text(text) => Some(escaped(text)),
            other => Some(other.to_json()),
        }
    };
    let occurred = match (value("/occurred/at"), value("/occurred/from"), value("/occurred/date")) {
        (Some(moment), ..) => moment,
        (_, Some(from), _) => format!("{from} to {}", value("/occurred/to").unwrap_or_default()),
        (.., Some(date)) => format!("{date}, local to the place"),
        _ => format!("not known: {}", value("/occurred/unknown").unwrap_or_default()),
    };
    let rows = vec![
        row("what", &exhibit.kind),
        row("about", &exhibit.subject),
        row("case", exhibit.case.clone().unwrap_or_else(|| "none".to_owned())),
        row("said by", author(exhibit)),
        row("happened", format!("{occurred} (as the statement says)")),
        row("recorded", format!("{} (the ledger's clock)", exhibit.at.time)),
    ];
    section("What was said", vec![Block::Rows(rows)])
}

fn author(exhibit: &Exhibit) -> String {
    let parties = exhibit.signers.iter().filter_map(|signer| signer.party.as_ref());
    match parties.into_iter().find(|party| party.id == exhibit.author) {
        Some(party) => format!("{} ({})", party.id, escaped(&party.name)),
        None => exhibit.author.clone(),
    }
}

/// A value as it is shown: texts in quotes, so that "1" is not 1.
pub(super) fn value_text(value: &Out) -> String {
    match value {
        Out::Text(text) => format!("\"{}\"", escaped(text)),
        other => other.to_json(),
    }
}

fn statement(exhibit: &Exhibit) -> Section {
    let concealed = exhibit.statement.iter().filter(|leaf| leaf.how == How::Concealed).count();
    let shown = exhibit.shown.len();
    let mut blocks = vec![Block::Text(
        "Every value of the statement as signed, each at its place (JSON Pointer). Invisible and direction-changing \
         characters are written as \\u{...}, a backslash as two."
            .to_owned(),
    )];
    if exhibit.disclosures_refused {
        blocks.push(Block::Text(
            "Disclosures came with this entry that do not belong to it: none of them was put back.".to_owned(),
        ));
    }
    blocks.push(Block::Rows(exhibit.statement.iter().map(leaf_row).collect()));
    if shown > 0 || concealed > 0 {
        blocks.push(Block::Text(format!(
            "Of values that could be concealed, {shown} were disclosed and put back here: the statement as signed holds \
             the SHA-256 of each. {concealed} stay concealed: only their SHA-256 is known."
        )));
    }
    section("The statement", blocks)
}

fn leaf_row(leaf: &Leaf) -> Row {
    let label = escaped(&leaf.pointer);
    let value = value_text(&leaf.value);
    match leaf.how {
        How::Signed => row(label, value),
        How::Disclosed(number) => marked(label, format!("{value}  [disclosed, number {}]", number + 1), Mark::Note),
        How::Concealed => marked(label, format!("[concealed; its digest is {value}]"), Mark::Note),
    }
}

fn signatures(exhibit: &Exhibit) -> Vec<Section> {
    let count = exhibit.signers.len();
    let mut sections: Vec<Section> = exhibit
        .signers
        .iter()
        .enumerate()
        .map(|(n, signer)| {
            section(format!("Signature {} of {count}", n + 1), vec![Block::Rows(signer_rows(signer, exhibit))])
        })
        .collect();
    if let (Some(first), Some(rule)) = (sections.first_mut(), &exhibit.rule) {
        first.blocks.insert(0, Block::Text(format!("The rule in force for {} asked for: {rule}.", exhibit.kind)));
    }
    sections
}

fn signer_rows(signer: &Signer, exhibit: &Exhibit) -> Vec<Row> {
    let mut rows = Vec::new();
    let list = |words: &[&str]| if words.is_empty() { "none".to_owned() } else { words.join(", ") };
    match (&signer.party, &signer.origin) {
        (Some(party), _) => {
            rows.push(row("party", format!("{} ({})", party.id, escaped(&party.name))));
            rows.push(row("capacities then", list(&party.capacities)));
            if exhibit.case.is_some() {
                rows.push(row("role in the case then", list(&party.roles)));
            }
            if let Some((when, successor)) = &party.succeeded {
                rows.push(marked("later succeeded", format!("by {successor}: {}", at(*when)), Mark::Note));
            }
        }
        (None, Some(origin)) => rows.push(row("party", &origin.owner)),
        (None, None) => rows.push(marked("party", "unknown: no entry shown introduced this key", Mark::Bad)),
    }
    rows.push(row("key", signer.keyid.to_string()));
    if let Some(origin) = &signer.origin {
        if !origin.holder.is_empty() {
            rows.push(row("held by (office)", escaped(&origin.holder)));
        }
        if !origin.uses.is_empty() {
            rows.push(row("may sign", origin.uses.join(", ")));
        }
        if let Some(not_after) = origin.not_after {
            rows.push(row("counts until", not_after.to_string()));
        }
        let own = if origin.introduced.seq == exhibit.at.seq { " (this very entry)" } else { "" };
        rows.push(row("introduced by", at(origin.introduced) + own));
    }
    for (ended, when) in &signer.ended {
        let later = if when.seq > exhibit.at.seq { "later" } else { "before this entry" };
        rows.push(match ended {
            Ended::Retired => marked("retired", format!("{later}: {}", at(*when)), Mark::Note),
            Ended::Revoked(None) => marked("revoked", format!("{later}: {}", at(*when)), Mark::Bad),
            Ended::Revoked(Some(from)) => {
                marked("revoked", format!("{later}, as suspect from {from}: {}", at(*when)), Mark::Bad)
            }
        });
    }
    for suspect in exhibit.report.suspects.iter().filter(|s| s.seq == exhibit.at.seq && s.key == signer.keyid) {
        let by = match suspect.by {
            SuspectBy::Party => "the party itself",
            SuspectBy::Governance => "governance",
        };
        let text =
            format!("this entry is later than {}; revoked by {by} in entry {}", suspect.from, suspect.revocation);
        rows.push(marked("SUSPECT", text, Mark::Bad));
    }
    rows.push(match signer.verdict {
        prepare::Verdict::Valid => row("signature", "valid"),
        prepare::Verdict::Invalid => marked("signature", "NOT VALID", Mark::Bad),
        prepare::Verdict::UnknownKey => marked("signature", "could not be checked: the key is unknown", Mark::Bad),
    });
    rows.push(match (signer.counted, &signer.origin) {
        (true, _) => row("counted", "yes: at this position, for this kind"),
        (false, Some(origin)) if origin.introduced.seq == exhibit.at.seq => {
            row("counted", "shows that its holder has the key that the entry introduces; stands for nobody yet")
        }
        _ => marked("counted", "NO: the key did not count at this position for this kind", Mark::Bad),
    });
    rows
}

fn place(exhibit: &Exhibit) -> Section {
    let shown =
        |seq: Option<u64>| seq.map_or_else(|| "not shown in this file".to_owned(), |seq| format!("entry {seq}"));
    let mut rows = vec![
        row("ledger", ledger(exhibit)),
        row("entry", exhibit.at.seq.to_string()),
        row("event hash", exhibit.event.to_string()),
        row("leaf hash", exhibit.leaf.to_string()),
        row("leaf hash before it", exhibit.prev.to_string()),
    ];
    rows.push(match &exhibit.after {
        None => row("after", "nothing: it starts its stream"),
        Some((hash, seq)) => row("after", format!("event {hash}: {}", shown(*seq))),
    });
    let before = exhibit.stream_before.map_or_else(|| "none".to_owned(), |seq| format!("entry {seq}"));
    rows.push(row("stream before it", format!("{before}; {} earlier entries shown", exhibit.stream_shown)));
    rows.extend(
        exhibit
            .names
            .iter()
            .filter(|(pointer, _)| pointer != "/after")
            .map(|(pointer, seq)| row("names", format!("entry {seq}, at {}", escaped(pointer)))),
    );
    let checkpoint = &exhibit.checkpoint;
    rows.push(row("checkpoint", format!("{}, {} entries", escaped(&checkpoint.origin), checkpoint.size)));
    rows.push(row("root", checkpoint.root.to_string()));
    if let Some(key) = &exhibit.log_key {
        rows.push(row("log key", escaped(&key.to_string())));
    }
    let mut blocks = vec![Block::Rows(rows)];
    blocks.push(match &exhibit.way {
        None => Block::Text("Leaves are missing in this file: no way leads from the entry to the root.".to_owned()),
        Some(way) => Block::List(
            std::iter::once(format!("leaf {}: {}", exhibit.at.seq, exhibit.leaf))
                .chain(way.iter().map(|step| {
                    let side = if step.left { "on the left " } else { "on the right" };
                    format!("{side} {} gives {}", step.sibling, step.node)
                }))
                .collect(),
        ),
    });
    section("Its place in the ledger", blocks)
}

fn later(exhibit: &Exhibit) -> Section {
    let mut blocks = Vec::new();
    if exhibit.later.is_empty() {
        blocks.push(Block::Text("No later entry in this file corrects, disputes, follows or names it.".to_owned()));
    } else {
        blocks.push(Block::Rows(exhibit.later.iter().map(later_row).collect()));
    }
    if exhibit.later_left_out > 0 {
        blocks.push(Block::Text(format!("{} more are not listed.", exhibit.later_left_out)));
    }
    if exhibit.report.extract {
        blocks.push(Block::Text(extract_leaves_open(exhibit)));
    }
    section("What came later", blocks)
}

/// What may be missing among the later entries of an extract: less where a seal after the entry covers its stream.
fn extract_leaves_open(exhibit: &Exhibit) -> String {
    let open = "The file is an extract: later corrections, disputes and revocations may be withheld";
    match exhibit.report.sealed_until(exhibit.case.as_deref(), exhibit.subject.as_str()) {
        Some(seal) if seal > exhibit.at.seq => format!(
            "Up to entry {seal} nothing is left out: a seal shows that all of its stream and all that speaks of it is \
             here. {open} after that."
        ),
        _ => format!("{open}."),
    }
}

fn later_row(later: &Later) -> Row {
    let label = format!("entry {}", later.at.seq);
    let (what, mark) = match &later.what {
        Bearing::Corrects => ("corrects it".to_owned(), Mark::Bad),
        Bearing::Disputes => ("disputes it".to_owned(), Mark::Bad),
        Bearing::Follows => ("follows it".to_owned(), Mark::Plain),
        Bearing::Names(pointer) => (format!("names it at {}", escaped(pointer)), Mark::Plain),
    };
    marked(label, format!("{what}: {}, recorded {}", later.kind, later.at.time), mark)
}

fn verification(exhibit: &Exhibit) -> Section {
    let report = &exhibit.report;
    let mut rows = vec![row("verdict", report.headline())];
    if let Some(size) = report.size {
        let scope = report.scope.as_ref().filter(|_| report.extract);
        let scope = scope.map_or_else(String::new, |scope| format!("; labelled {scope}"));
        rows.push(row("entries", format!("{} of {size} shown{scope}", report.shown)));
    }
    rows.extend(report.checks.rows().iter().map(check_row));
    section("The verification of the whole file, which ran first", vec![Block::Rows(rows)])
}

fn check_row(check: &Check) -> Row {
    let (word, mark) = match check.outcome {
        Outcome::Ok => ("ok", Mark::Plain),
        Outcome::Failed => ("FAILED", Mark::Bad),
        Outcome::Undecided => ("undecided", Mark::Note),
        Outcome::NotApplicable => ("not asked", Mark::Plain),
    };
    let mut value = format!("{word}: {}", check.code.meaning());
    if let Some(fault) = &check.fault {
        let place = crate::report_text::place(check);
        value += &format!("; not so at {place}: {}: expected {}, found {}", fault.detail, fault.expected, fault.found);
    } else if let Some(detail) = &check.detail {
        value += &format!("; {detail}");
    }
    marked(check.code.name(), value, mark)
}

fn limits(exhibit: &Exhibit) -> Section {
    let mut lines = LIMITS.lines();
    let lead = lines.next().unwrap_or_default().to_owned() + ":";
    let mut list: Vec<String> = lines.map(|line| line.trim().trim_end_matches([';', '.']).to_owned()).collect();
    if exhibit.report.checks.row(Code::Witness).outcome != Outcome::Ok {
        list.push("that others are shown the same history: no witness was asked".to_owned());
    }
    section("What this does not show", vec![Block::Text(lead), Block::List(list)])
}

fn source(exhibit: &Exhibit) -> Section {
    let tool = &exhibit.tool;
    let binary = tool.sha256.map_or_else(|| "could not be read".to_owned(), |hash| hash.to_string());
    let rows = vec![
        row("file", escaped(&exhibit.file.name)),
        row("its SHA-256", exhibit.file.sha256.to_string()),
        row("its size", format!("{} bytes", exhibit.file.size)),
        row("made by", format!("countersign-verify {}", escaped(&tool.version))),
        row("its binary's SHA-256", binary),
    ];
    section("Where this comes from", vec![Block::Rows(rows)])
}

fn steps(exhibit: &Exhibit) -> Section {
    let text = "The commands below need nothing of this program: sh, openssl (3.0 or newer), sha256sum and what every \
                such system has. All data is inside them. They show that the statement, each signature, the place in \
                the tree and the ledger's signature belong together; that the keys were those parties' and counted is \
                shown by the entries that introduced them and by the verification above.";
    section("To recheck by hand", vec![Block::Text(text.to_owned()), Block::Script(exhibit.steps())])
}
