//! The checks of SPEC §13 by code, and what each came to.

use std::fmt;

/// A check.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "each is a row of the table in SPEC §13")]
pub enum Code {
    Format,
    Ledger,
    Chain,
    Tree,
    Checkpoint,
    Witness,
    Consistent,
    Signature,
    Key,
    Policy,
    Stream,
    Pointers,
    Seal,
    Time,
    Disclosure,
    Evidence,
}

impl Code {
    /// All of them, in the order of SPEC §13.
    pub const ALL: [Code; 16] = [
        Code::Format,
        Code::Ledger,
        Code::Chain,
        Code::Tree,
        Code::Checkpoint,
        Code::Witness,
        Code::Consistent,
        Code::Signature,
        Code::Key,
        Code::Policy,
        Code::Stream,
        Code::Pointers,
        Code::Seal,
        Code::Time,
        Code::Disclosure,
        Code::Evidence,
    ];

    /// The code as reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Code::Format => "FORMAT",
            Code::Ledger => "LEDGER",
            Code::Chain => "CHAIN",
            Code::Tree => "TREE",
            Code::Checkpoint => "CHECKPOINT",
            Code::Witness => "WITNESS",
            Code::Consistent => "CONSISTENT",
            Code::Signature => "SIGNATURE",
            Code::Key => "KEY",
            Code::Policy => "POLICY",
            Code::Stream => "STREAM",
            Code::Pointers => "POINTERS",
            Code::Seal => "SEAL",
            Code::Time => "TIME",
            Code::Disclosure => "DISCLOSURE",
            Code::Evidence => "EVIDENCE",
        }
    }

    /// What it means when it holds, in words for an inspector.
    pub fn meaning(self) -> &'static str {
        match self {
            Code::Format => "every line has the stated form",
            Code::Ledger => "this is the ledger with the id that was given",
            Code::Chain => "each entry names the one before it",
            Code::Tree => "the entries are those that the checkpoint commits to",
            Code::Checkpoint => "the checkpoint is signed by the log",
            Code::Witness => "independent witnesses saw the same ledger",
            Code::Consistent => "it continues the earlier checkpoint",
            Code::Signature => "every signature is valid",
            Code::Key => "every key counted when it signed",
            Code::Policy => "those signed who had to",
            Code::Stream => "each event follows one that its signers had seen",
            Code::Pointers => "nothing that bears on an entry is left out",
            Code::Seal => "nothing sealed is left out",
            Code::Time => "times are in order and within bounds",
            Code::Disclosure => "disclosed values are those that were signed",
            Code::Evidence => "the evidence files are those that were named",
        }
    }

    fn index(self) -> usize {
        Code::ALL.iter().position(|c| *c == self).unwrap_or(0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where in the file something is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Place {
    /// Position in the ledger.
    pub seq: Option<u64>,
    /// Line of the file, from 1.
    pub line: Option<u64>,
}

impl Place {
    /// An entry.
    pub fn entry(seq: u64, line: u64) -> Place {
        Place { seq: Some(seq), line: Some(line) }
    }

    /// A line that is no entry.
    pub fn line(line: u64) -> Place {
        Place { seq: None, line: Some(line) }
    }
}

/// What was found otherwise than it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What should have been.
    pub expected: String,
    /// What was; text from entries is escaped.
    pub found: String,
    /// In a few words, what it is about.
    pub detail: String,
}

impl Fault {
    /// Puts the three together.
    pub fn new(detail: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Fault {
        Fault { expected: expected.into(), found: found.into(), detail: detail.into() }
    }
}

/// What a check came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It holds.
    Ok,
    /// Something is false.
    Failed,
    /// Nothing is false, something cannot be said.
    Undecided,
    /// Nobody asked for it.
    NotApplicable,
}

impl Outcome {
    /// The word of the JSON report.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
            Outcome::Undecided => "undecided",
            Outcome::NotApplicable => "not_applicable",
        }
    }
}

/// One row of a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Which check.
    pub code: Code,
    /// What it came to.
    pub outcome: Outcome,
    /// Where the first fault is, or the first thing that cannot be said.
    pub place: Place,
    /// The first fault, if it failed.
    pub fault: Option<Fault>,
    /// Why it is undecided or not applicable, or what was counted.
    pub detail: Option<String>,
}

/// All checks of one verification.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checks {
    rows: Vec<Check>,
    /// The first entry of a newer format: what it changed is not known (SPEC §13).
    newer: Option<u64>,
}

impl Default for Checks {
    fn default() -> Checks {
        let rows = Code::ALL
            .iter()
            .map(|code| Check { code: *code, outcome: Outcome::Ok, place: Place::default(), fault: None, detail: None })
            .collect();
        Checks { rows, newer: None }
    }
}

impl Checks {
    /// The rows, in the order of SPEC §13.
    pub fn rows(&self) -> &[Check] {
        &self.rows
    }

    /// One row.
    pub fn row(&self, code: Code) -> &Check {
        &self.rows[code.index()]
    }

    /// Notes that a check failed; the first fault of a check stands.
    pub fn fail(&mut self, code: Code, place: Place, fault: Fault) {
        const RESTING: [Code; 5] = [Code::Checkpoint, Code::Key, Code::Policy, Code::Stream, Code::Pointers];
        let after = |newer: u64| place.seq.is_none_or(|seq| seq > newer);
        if RESTING.contains(&code) && self.newer.is_some_and(after) {
            let why = "an earlier entry of a newer format may have changed what it rests on";
            return self.undecide(code, place, why);
        }
        let row = &mut self.rows[code.index()];
        if row.outcome != Outcome::Failed {
            row.outcome = Outcome::Failed;
            row.place = place;
            row.detail = None;
            row.fault = Some(fault);
        }
    }

    /// Notes that an entry is of a newer format: what rests on what it may have changed is undecided from here on.
    pub fn newer_at(&mut self, seq: u64) {
        self.newer.get_or_insert(seq);
    }

    /// Notes that a check cannot be decided; a fault found before or later goes first.
    pub fn undecide(&mut self, code: Code, place: Place, why: impl Into<String>) {
        let row = &mut self.rows[code.index()];
        if row.outcome == Outcome::Ok {
            row.outcome = Outcome::Undecided;
            row.place = place;
            row.detail = Some(why.into());
        }
    }

    /// Notes that nobody asked for a check.
    pub fn not_applicable(&mut self, code: Code, why: impl Into<String>) {
        let row = &mut self.rows[code.index()];
        row.outcome = Outcome::NotApplicable;
        row.place = Place::default();
        row.fault = None;
        row.detail = Some(why.into());
    }

    /// Makes a check that nobody asked for one that holds, because something else asks for it now.
    pub fn clear_not_applicable(&mut self, code: Code) {
        let row = &mut self.rows[code.index()];
        if row.outcome == Outcome::NotApplicable {
            row.outcome = Outcome::Ok;
            row.detail = None;
        }
    }

    /// Adds a remark to a check that holds.
    pub fn remark(&mut self, code: Code, text: impl Into<String>) {
        let row = &mut self.rows[code.index()];
        if row.outcome == Outcome::Ok {
            row.detail = Some(text.into());
        }
    }

    /// Whether some check came to this.
    pub fn any(&self, outcome: Outcome) -> bool {
        self.rows.iter().any(|row| row.outcome == outcome)
    }

    /// The failed check with the earliest place: by line, the file as a whole last.
    pub fn first_fault(&self) -> Option<&Check> {
        self.rows
            .iter()
            .filter(|row| row.outcome == Outcome::Failed)
            .min_by_key(|row| row.place.line.unwrap_or(u64::MAX))
    }
}
