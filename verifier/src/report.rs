//! The outcome of a verification and its verdict (SPEC §13).

use crate::checks::{Checks, Code, Outcome, Place};
use crate::default_policy::Difference;
use crate::fold::{Sealed, Suspect};
use crate::hash::Hash;
use crate::header::Scope;
use crate::witnessed::Witnessed;

/// The one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Every check holds, on the whole ledger.
    Verified,
    /// Some check is false.
    Failed,
    /// Not checked: usage, input, no ledger id, a newer format.
    NotChecked,
    /// Nothing false, something undecided; any extract.
    Partial,
}

impl Verdict {
    /// The word of reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Verified => "verified",
            Verdict::Failed => "failed",
            Verdict::NotChecked => "not_checked",
            Verdict::Partial => "partial",
        }
    }

    /// The exit status.
    pub fn status(self) -> u8 {
        match self {
            Verdict::Verified => 0,
            Verdict::Failed => 1,
            Verdict::NotChecked => 2,
            Verdict::Partial => 3,
        }
    }
}

/// Everything a verification found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The ledger: as given, or as entry 0 hashes.
    pub ledger: Option<Hash>,
    /// Whether the user gave its id.
    pub ledger_given: bool,
    /// Leaves that the checkpoint commits to.
    pub size: Option<u64>,
    /// Leaves shown.
    pub shown: u64,
    /// Leaves withheld.
    pub withheld: u64,
    /// Digests that nothing disclosed.
    pub undisclosed: u64,
    /// Whether this is an extract.
    pub extract: bool,
    /// The exporter's label.
    pub scope: Option<Scope>,
    /// What a newer version of the format made.
    pub newer: Option<String>,
    /// Why the input could not be read on.
    pub unreadable: Option<String>,
    /// What the witnesses said.
    pub witnessed: Option<Witnessed>,
    /// The checks.
    pub checks: Checks,
    /// Entries by keys that were revoked as suspect.
    pub suspects: Vec<Suspect>,
    /// How the policy in force differs from the default; `None` where it is not known.
    pub policy: Option<Vec<Difference>>,
    /// What `sealed` lines proved.
    pub sealed: Vec<Sealed>,
    /// The latest seal before which all of the label is shown, where SEAL holds.
    pub sealed_before: Option<u64>,
}

impl Report {
    /// The report of a verification that could not begin.
    pub fn not_begun(why: &str) -> Report {
        let mut checks = Checks::default();
        for code in Code::ALL {
            checks.undecide(code, Place::default(), why);
        }
        Report {
            ledger: None,
            ledger_given: false,
            size: None,
            shown: 0,
            withheld: 0,
            undisclosed: 0,
            extract: false,
            scope: None,
            newer: None,
            unreadable: Some(why.to_owned()),
            witnessed: None,
            checks,
            suspects: Vec::new(),
            policy: None,
            sealed: Vec::new(),
            sealed_before: None,
        }
    }

    /// The latest seal before which all of a stream is shown, if nothing is false.
    pub fn sealed_until(&self, case: Option<&str>, subject: &str) -> Option<u64> {
        let of_it = |sealed: &&Sealed| {
            sealed.case.as_deref() == case && sealed.subject.as_deref().is_none_or(|sealed| sealed == subject)
        };
        let latest = self.sealed.iter().filter(of_it).map(|sealed| sealed.seq).max();
        latest.filter(|_| matches!(self.verdict(), Verdict::Verified | Verdict::Partial))
    }

    /// The verdict: failed over not checked over partial (SPEC §13).
    pub fn verdict(&self) -> Verdict {
        if self.checks.any(Outcome::Failed) {
            Verdict::Failed
        } else if !self.ledger_given || self.newer.is_some() || self.unreadable.is_some() {
            Verdict::NotChecked
        } else if self.extract || self.checks.any(Outcome::Undecided) {
            Verdict::Partial
        } else {
            Verdict::Verified
        }
    }
}
