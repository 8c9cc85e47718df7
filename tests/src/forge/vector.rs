//! One vector: a bundle, how it is to be verified, and what must come of it.

use serde_json::{Value, json};

use super::{Ledger, Script};

/// A check that fails, and where its first fault is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The code of SPEC §13.
    pub code: String,
    /// The entry, where the fault is in one.
    pub seq: Option<u64>,
    /// The line of the bundle, counted from 1, where it is fixed.
    pub line: Option<u64>,
    /// SPEC leaves open which entry is named.
    pub any_seq: bool,
    /// SPEC leaves open which line is named.
    pub any_line: bool,
}

/// What a ledger does with the events of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It admits them all.
    Admitted,
    /// It refuses the event at this position, and admits those before it.
    Refused(u64),
    /// The fault is not in an event but in what an operator made of it.
    Operator,
}

/// One vector.
#[derive(Clone, Debug)]
pub struct Vector {
    /// Its name, also that of its files.
    pub name: String,
    /// The section of SPEC.md.
    pub section: String,
    /// The sentence that it shows, shortened.
    pub sentence: String,
    /// `valid`, `invalid`, or `inadmissible` (verifies, yet a ledger refuses it).
    pub folder: &'static str,
    /// The ledger.
    pub built: Ledger,
    /// The bytes of the bundle, or of the receipt.
    pub file: Vec<u8>,
    /// What follows the name.
    pub extension: &'static str,
    /// `bundle` or `receipt`.
    pub command: &'static str,
    /// The ledger id that the user gives.
    pub ledger: Option<String>,
    /// A trust file.
    pub trust: Option<String>,
    /// An earlier checkpoint.
    pub previous: Option<String>,
    /// A bundle beside a receipt.
    pub bundle: Option<Vec<u8>>,
    /// Evidence files: name, content.
    pub evidence: Vec<(String, Vec<u8>)>,
    /// `verified`, `failed`, `not_checked`, `partial`.
    pub verdict: &'static str,
    /// The checks that fail.
    pub failed: Vec<Failed>,
    /// Checks that a fault may also fail: SPEC leaves open whether they can go on.
    pub may_fail: Vec<String>,
    /// The checks that are undecided; not stated where something failed.
    pub undecided: Vec<String>,
    /// SPEC leaves open which checks are undecided.
    pub any_undecided: bool,
    /// What `sealed` lines prove, as SPEC §13 reports it.
    pub sealed: Vec<Value>,
    /// Entries that a revocation makes suspect.
    pub suspect: Vec<u64>,
    /// Digests without a disclosure.
    pub undisclosed: u64,
    /// What a ledger does.
    pub admission: Admission,
}

impl Vector {
    /// A vector that verifies and whose events a ledger admits, until said otherwise.
    #[must_use]
    pub fn new(name: &str, section: &str, sentence: &str, script: &Script) -> Self {
        let built = script.build();
        Self {
            name: name.to_owned(),
            section: section.to_owned(),
            sentence: sentence.to_owned(),
            folder: "valid",
            file: built.bundle.clone(),
            extension: "bundle.jsonl",
            command: "bundle",
            ledger: Some(built.id.clone()),
            built,
            trust: None,
            previous: None,
            bundle: None,
            evidence: Vec::new(),
            verdict: "verified",
            failed: Vec::new(),
            may_fail: Vec::new(),
            undecided: Vec::new(),
            any_undecided: false,
            sealed: Vec::new(),
            suspect: Vec::new(),
            undisclosed: 0,
            admission: Admission::Admitted,
        }
    }

    /// A check fails first at an entry, by what the operator did.
    pub fn fails(&mut self, code: &str, label: &str) -> &mut Self {
        let line = Some(self.built.line_number(label));
        self.add(code, Some(self.built.seq(label)), line)
    }

    /// A check fails at a line that is not an entry, or at none (`None`).
    pub fn fails_line(&mut self, code: &str, line: Option<u64>) -> &mut Self {
        self.add(code, None, line)
    }

    /// A check fails at a position that is not that of a label.
    pub fn fails_at(&mut self, code: &str, seq: Option<u64>, line: Option<u64>) -> &mut Self {
        self.add(code, seq, line)
    }

    /// A check fails first at an entry, and a ledger refuses the event.
    pub fn refused(&mut self, code: &str, label: &str) -> &mut Self {
        self.fails(code, label);
        self.admission = Admission::Refused(self.built.seq(label));
        self
    }

    fn add(&mut self, code: &str, seq: Option<u64>, line: Option<u64>) -> &mut Self {
        self.folder = "invalid";
        self.verdict = "failed";
        if self.admission == Admission::Admitted {
            self.admission = Admission::Operator;
        }
        self.failed.push(Failed { code: code.to_owned(), seq, line, any_seq: false, any_line: false });
        self
    }

    /// The verifier finds nothing, yet a ledger refuses the event.
    pub fn inadmissible(&mut self, label: &str) -> &mut Self {
        self.folder = "inadmissible";
        self.admission = Admission::Refused(self.built.seq(label));
        self
    }

    /// The verifier cannot judge: a newer format, no ledger id.
    pub fn not_checked(&mut self) -> &mut Self {
        self.folder = "invalid";
        self.verdict = "not_checked";
        self.admission = Admission::Operator;
        self
    }

    /// Nothing fails, but these checks are undecided.
    pub fn partial(&mut self, undecided: &[&str]) -> &mut Self {
        self.verdict = "partial";
        self.undecided = undecided.iter().map(|s| (*s).to_owned()).collect();
        self.admission = Admission::Operator;
        self
    }

    /// The ledger would not be asked: what the operator did, or a body that no kind has.
    pub fn not_for_admission(&mut self) -> &mut Self {
        self.admission = Admission::Operator;
        self
    }

    /// SPEC leaves open which entry and line the last named failure is at.
    pub fn anywhere(&mut self) -> &mut Self {
        if let Some(last) = self.failed.last_mut() {
            last.any_seq = true;
            last.any_line = true;
        }
        self
    }

    /// These checks may fail as well.
    pub fn may_fail(&mut self, codes: &[&str]) -> &mut Self {
        self.may_fail.extend(codes.iter().map(|c| (*c).to_owned()));
        self
    }

    /// Stores the bundle compressed with zstd.
    ///
    /// # Panics
    ///
    /// If zstd does.
    pub fn compress(&mut self) -> &mut Self {
        self.file = zstd::bulk::compress(&self.file, 19).expect("compression in memory");
        self.extension = "bundle.jsonl.zst";
        self
    }

    /// Changes any field.
    pub fn with<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> &mut Self {
        f(self);
        self
    }

    /// The exit status of the verdict.
    #[must_use]
    pub fn exit(&self) -> i32 {
        match self.verdict {
            "verified" => 0,
            "failed" => 1,
            "partial" => 3,
            _ => 2,
        }
    }

    /// Every file that belongs to the vector: path below `tests/vectors`, bytes.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = vec![(self.path(self.extension), self.file.clone())];
        let mut add = |extension: &str, text: &Option<String>| {
            if let Some(text) = text {
                files.push((self.path(extension), text.clone().into_bytes()));
            }
        };
        add("trust", &self.trust);
        add("previous", &self.previous);
        if let Some(bundle) = &self.bundle {
            files.push((self.path("bundle.jsonl"), bundle.clone()));
        }
        for (name, bytes) in &self.evidence {
            files.push((format!("{}/{name}", self.path("evidence")), bytes.clone()));
        }
        files
    }

    fn path(&self, extension: &str) -> String {
        format!("{}/{}.{extension}", self.folder, self.name)
    }

    /// The vector's element of `index.json`.
    #[must_use]
    pub fn index(&self) -> Value {
        let place = |any: bool, at: Option<u64>| if any { json!("any") } else { json!(at) };
        let failed: Vec<Value> = self
            .failed
            .iter()
            .map(|f| json!({"code": f.code, "seq": place(f.any_seq, f.seq), "line": place(f.any_line, f.line)}))
            .collect();
        let admission = match self.admission {
            Admission::Admitted => json!({"refused": false}),
            Admission::Refused(seq) => json!({"refused": true, "at_seq": seq}),
            Admission::Operator => Value::Null,
        };
        let stated = self.failed.is_empty() && self.verdict != "not_checked" && !self.any_undecided;
        let undecided = stated.then_some(&self.undecided);
        let mut index = json!({
            "name": self.name,
            "section": self.section,
            "sentence": self.sentence,
            "command": self.command,
            "file": self.path(self.extension),
            "ledger": self.ledger,
            "expect": {
                "verdict": self.verdict,
                "exit": self.exit(),
                "failed": failed,
                "undecided": undecided,
                "suspect": self.suspect,
                "undisclosed": self.undisclosed,
            },
            "admission": admission,
        });
        if !self.sealed.is_empty() {
            index["expect"]["sealed"] = self.sealed.clone().into();
        }
        if !self.may_fail.is_empty() {
            index["expect"]["may_fail"] = self.may_fail.clone().into();
        }
        if self.trust.is_some() {
            index["trust"] = self.path("trust").into();
        }
        if self.previous.is_some() {
            index["previous"] = self.path("previous").into();
        }
        if self.bundle.is_some() {
            index["bundle"] = self.path("bundle.jsonl").into();
        }
        if !self.evidence.is_empty() {
            let paths: Vec<String> =
                self.evidence.iter().map(|(n, _)| format!("{}/{n}", self.path("evidence"))).collect();
            index["evidence"] = paths.into();
        }
        index
    }
}
