//! Which corrections in a case file took effect: the ledger's own judgement (DOMAIN §1.6), so that nobody takes back alone
//! what others have signed on top of it.

use countersign_ledger::book::{Book, BookBuilder, Correction, Standing};
use countersign_ledger::entry::Entry;
use countersign_ledger::event::Event;
use countersign_ledger::id::Seq;
use countersign_ledger::time::{Clock as _, SystemClock};

use super::damaged;
use crate::failure::Failure;

/// What the corrections in case files came to.
#[derive(Debug, Default)]
pub struct Corrections(Vec<Book>);

impl Corrections {
    /// Tells how a statement stands.
    #[must_use]
    pub fn standing(&self, seq: Seq) -> Standing {
        let mut standings = self.0.iter().map(|book| book.standing(seq));
        standings.find(|standing| *standing != Standing::Original).unwrap_or(Standing::Original)
    }

    /// Says which corrections of a statement have no effect, and why.
    #[must_use]
    pub fn without_effect(&self, seq: Seq) -> Vec<String> {
        let all = self.0.iter().flat_map(Book::corrections);
        all.filter(|correction| correction.corrects == seq && !correction.against.is_empty()).map(say).collect()
    }

    /// Takes those of another file.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

fn say(correction: &Correction) -> String {
    let Correction { seq, corrects, against, rests, .. } = correction;
    let against: Vec<String> = against.iter().map(ToString::to_string).collect();
    let rests: Vec<String> = rests.iter().map(ToString::to_string).collect();
    format!(
        "entry {seq} corrects entry {corrects} without effect: {} signed what rests on it (entry {}) and did not sign the correction",
        against.join(", "),
        rests.join(", ")
    )
}

/// The entries that corrections are judged by, as they are read.
#[derive(Debug, Default)]
pub(super) struct Judge {
    entries: Vec<(Box<Entry>, Vec<String>)>,
    needed: bool,
}

impl Judge {
    pub(super) fn add(&mut self, entry: Box<Entry>, event: &Event) {
        self.needed |= event.corrects.is_some();
        self.entries.push((entry, Vec::new()));
    }

    /// Adds a disclosure of the last entry.
    pub(super) fn disclose(&mut self, text: &str) {
        self.entries.last_mut().into_iter().for_each(|(_, held)| held.push(text.to_owned()));
    }

    /// Judges them, if there is any correction.
    pub(super) fn finish(self) -> Result<Corrections, Failure> {
        if !self.needed {
            return Ok(Corrections::default());
        }
        let mut builder = BookBuilder::until(SystemClock.now());
        for (entry, held) in self.entries {
            builder.add(&entry, &held).map_err(|e| damaged(&e))?;
        }
        Ok(Corrections(vec![builder.finish()]))
    }
}
