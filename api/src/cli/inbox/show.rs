//! `inbox show`: exactly what would be signed, and what is known of it.

use std::io::{self, Write};

use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{Author, Seq};
use countersign_ledger::submission::Submission;
use countersign_ledger::time::Time;
use serde::Serialize;

use super::look::{Notice, notices};
use crate::cli::view::{ShownValue, values, write_values};
use crate::client::{Client, KeyBook, Proposal, Signatory};
use crate::escape::escaped;
use crate::failure::Failure;
use crate::output::Report;
use crate::wire::proposals::{DroppedSignature, ProposalState};

/// A proposal, shown.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub(super) event: EventHash,
    pub(super) state: ProposalState,
    pub(super) values: Vec<ShownValue>,
    pub(super) signed: Vec<Signatory>,
    dropped: Vec<DroppedSignature>,
    awaiting: Vec<Author>,
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    pub(super) look_at: Vec<Notice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proposed: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
}

impl Shown {
    /// Checks a proposal and looks at it.
    ///
    /// # Errors
    /// When a signature does not verify, or the server does not prove what it says.
    pub(super) fn of(proposal: &Proposal, client: &Client, book: &KeyBook) -> Result<Self, Failure> {
        let Proposal { view, event, submission, recorded } = proposal;
        let submission = match (submission, recorded) {
            (Some(submission), _) => submission.clone(),
            (None, Some(proven)) => {
                Submission { envelope: proven.envelope.clone(), disclosures: proven.receipt.disclosures().to_vec() }
            }
            (None, None) => return Err(Failure::distrust("the server shows a proposal without its event")),
        };
        let signed = book.signatories(&submission, event)?;
        let values = values(event, &submission.disclosures);
        let values = values.map_err(Failure::distrust)?;
        Ok(Self {
            event: view.event,
            state: view.state,
            look_at: notices(proposal, &values, client)?,
            values,
            signed,
            dropped: view.dropped.clone(),
            awaiting: view.awaiting.clone(),
            missing: view.missing.clone(),
            rule: view.rule.clone(),
            hint: view.problem.as_ref().and_then(|problem| problem.hint.clone()),
            proposed: view.proposed,
            expires: view.expires,
            seq: view.seq,
        })
    }

    /// Counts the serious notices.
    pub(super) fn serious(&self) -> usize {
        self.look_at.iter().filter(|notice| notice.serious).count()
    }

    /// Writes what would be signed, and what is known of it.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write_values(out, &self.values)?;
        for Signatory { keyid, party } in &self.signed {
            let whose = party.as_ref().map_or_else(|| "which the event introduces".to_owned(), |p| format!("of {p}"));
            let dropped = self.dropped.iter().any(|dropped| dropped.keyid == *keyid);
            let mark = if dropped { "; it does not count any more" } else { "" };
            writeln!(out, "signed with key {keyid} {whose}{mark}")?;
        }
        for missing in &self.missing {
            writeln!(out, "missing: {}", escaped(missing))?;
        }
        for notice in &self.look_at {
            writeln!(out, "look at: {}", escaped(&notice.detail))?;
        }
        if let Some(hint) = &self.hint {
            writeln!(out, "hint: {}", escaped(hint))?;
        }
        writeln!(out, "event {}", self.event)
    }
}

impl Report for Shown {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        match (self.state, self.seq) {
            (ProposalState::Recorded, Some(seq)) => writeln!(out, "recorded as entry {seq}")?,
            (ProposalState::Blocked, _) => writeln!(out, "a proposal that cannot be recorded")?,
            (ProposalState::Complete, _) => writeln!(out, "a proposal that is about to be recorded")?,
            _ => writeln!(out, "a proposal")?,
        }
        self.write(out)?;
        if let Some(rule) = &self.rule {
            writeln!(out, "rule: {}", escaped(rule))?;
        }
        match (self.proposed, self.expires) {
            (Some(proposed), Some(expires)) => writeln!(out, "proposed {proposed}, kept until {expires}"),
            _ => Ok(()),
        }
    }
}
