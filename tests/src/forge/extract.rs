//! Extracts (SPEC §11): a ledger with leaves left out, and what seals prove of what is shown (§15).

use super::script::disclosure_line;
use super::sealing::Streams;
use super::tree::{self, Hash};
use super::{Json, Ledger};
use crate::j;

/// What an extract shows, and how it is labelled.
#[derive(Clone)]
pub struct Extract {
    /// The label.
    pub scope: Json,
    /// The labels of the entries that it shows.
    pub shown: Vec<String>,
    /// `sealed` lines: the label of a seal, a case, a subject.
    pub sealed: Vec<(String, Option<String>, Option<String>)>,
}

impl Extract {
    /// Everything of these labels, with a label.
    #[must_use]
    pub fn new(scope: Json, shown: &[&str]) -> Self {
        Self { scope, shown: shown.iter().map(|s| (*s).to_owned()).collect(), sealed: Vec::new() }
    }

    /// With a `sealed` line after a seal.
    #[must_use]
    pub fn seal(mut self, label: &str, case: Option<&str>, subject: Option<&str>) -> Self {
        self.sealed.push((label.to_owned(), case.map(str::to_owned), subject.map(str::to_owned)));
        self
    }

    /// Without an entry.
    ///
    /// # Panics
    ///
    /// If it was not shown.
    #[must_use]
    pub fn without(mut self, label: &str) -> Self {
        assert!(self.shown.iter().any(|s| s == label), "{label} is not shown anyway");
        self.shown.retain(|s| s != label);
        self
    }

    /// The lines of the bundle, without their line feeds, and the line number of each shown entry's label.
    #[must_use]
    pub fn lines(&self, ledger: &Ledger) -> Vec<Vec<u8>> {
        let header = Json::object([
            ("countersign_bundle", Json::Int(1)),
            ("ledger", (&ledger.id).into()),
            ("scope", self.scope.clone()),
            ("checkpoint", (&ledger.checkpoint).into()),
        ]);
        let mut lines = vec![header.text().into_bytes()];
        let leaves = ledger.leaves();
        let mut at = 0;
        while at < leaves.len() {
            let entry = &ledger.entries[at];
            if !self.shown.contains(&entry.label) {
                let hidden = |i: usize| ledger.entries.get(i).is_some_and(|e| !self.shown.contains(&e.label));
                let size = run(at, &hidden);
                lines.push(withheld(at, &leaves[at..at + size]));
                at += size;
                continue;
            }
            lines.push(entry.line.clone());
            lines.extend(entry.disclosures.iter().map(|d| disclosure_line(d)));
            for (_, case, subject) in self.sealed.iter().filter(|(label, _, _)| *label == entry.label) {
                let before = ledger.entries[..at].iter().map(|e| (&e.payload[..], e.event_hash));
                let line = Streams::of(before).line(case.as_deref(), subject.as_deref());
                lines.push(line.text().into_bytes());
            }
            at += 1;
        }
        lines
    }
}

/// How many leaves from `at` on are hidden together in one subtree.
fn run(at: usize, hidden: &dyn Fn(usize) -> bool) -> usize {
    let mut size = 1;
    while at.is_multiple_of(2 * size) && (at..at + 2 * size).all(hidden) {
        size *= 2;
    }
    size
}

fn withheld(start: usize, leaves: &[Hash]) -> Vec<u8> {
    let number = |n: usize| Json::Int(i64::try_from(n).expect("a small number"));
    let hash = hex::encode(tree::root(leaves));
    j!({"withheld": {"start": (number(start)), "end": (number(start + leaves.len())), "hash": hash}})
        .text()
        .into_bytes()
}

/// The bytes of a file of these lines.
#[must_use]
pub fn file(lines: &[Vec<u8>]) -> Vec<u8> {
    lines.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect()
}
