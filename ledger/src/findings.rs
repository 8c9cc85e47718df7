//! Findings: what does not add up, what is overdue, who said so (DOMAIN §5).
//!
//! [`assess`] is a pure function of a [`Book`]: of entries, the disclosures that are held, and an instant. A finding
//! never rests on what is not shown: where something concealed or left out could clear it, there is an [`Unknown`] in
//! its place, so that dropping disclosures only adds unknowns.

use serde::{Deserialize, Serialize};

use crate::book::{Book, line_references};
use crate::facts::ItemKey;
use crate::hash::EventHash;
use crate::id::{CaseId, Seq, StreamId, Subject};
use crate::time::Date;

mod authorizations;
mod checks;
mod closing;
mod code;
mod consents;
pub(crate) mod consignment;
mod desk;
mod disposals;
pub mod incidents;
mod items;
mod keys;
mod losses;
mod out;
mod retransfers;
mod sites;
mod statements;
mod terms;
mod transfers;
mod units;

pub use code::{Code, CodeInfo, Grouping, Severity};
use out::Out;
pub use terms::Terms;

/// Something that does not add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// How serious it is.
    pub severity: Severity,
    /// The case, if it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// Of what.
    pub subject: Subject,
    /// The items concerned, where it is about items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemKey>,
    /// The entries that it rests on, in order.
    pub entries: Vec<Seq>,
    /// The first date on which it was so: for a deadline, the day after.
    pub since: Date,
    /// The last date on which it could have been done in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
    /// What is so, in words and figures. Texts of others in it are quoted as they stand: escape before printing.
    pub detail: String,
}

/// Something that cannot be told from what is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unknown {
    /// What could not be judged.
    pub code: Code,
    /// The case, if it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// Of what.
    pub subject: Subject,
    /// The entries that conceal it, in order.
    pub entries: Vec<Seq>,
    /// Why not.
    pub why: String,
}

/// Something that will be due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Obligation {
    /// The last date on which it is in time.
    pub due: Date,
    /// What it becomes a day later.
    pub code: Code,
    /// The case, if it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// Of what.
    pub subject: Subject,
    /// The entry that started the clock.
    pub started: Seq,
    /// When the clock started.
    pub from: Date,
    /// What is to be done, in words.
    pub what: String,
}

/// All that there is to say of a book.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Assessment {
    /// What does not add up: the most serious first.
    pub findings: Vec<Finding>,
    /// What cannot be told.
    pub unknowns: Vec<Unknown>,
    /// What is open and not overdue, the next first.
    pub obligations: Vec<Obligation>,
}

impl Assessment {
    /// Brings it into its one order, without repetitions.
    fn settle(&mut self) {
        self.findings.sort_by(|a, b| {
            let first = (b.severity, a.code, a.since).cmp(&(a.severity, b.code, b.since));
            let then = || (&a.case, &a.subject, &a.items, &a.entries).cmp(&(&b.case, &b.subject, &b.items, &b.entries));
            first.then_with(then)
        });
        self.findings.dedup();
        self.unknowns.sort_unstable();
        self.unknowns.dedup();
        self.obligations.sort_unstable();
        self.obligations.dedup();
    }
}

/// Assesses a book: every case of it, and every incident.
#[must_use]
pub fn assess(book: &Book) -> Assessment {
    let mut out = Out::new(book);
    transfers::assess(&mut out);
    authorizations::assess(&mut out);
    sites::assess(&mut out);
    units::assess(&mut out);
    let mut done = out.finish();
    let desk = desk::Desk::new(book);
    items::assess(&desk, &mut done);
    checks::assess(&desk, &mut done);
    losses::assess(&desk, &mut done);
    retransfers::assess(&desk, &mut done);
    disposals::assess(&desk, &mut done);
    incidents::assess(&desk, &mut done);
    statements::assess(&desk, &mut done);
    keys::assess(&desk, &mut done);
    // what a case was closed with is what all other rules found
    closing::assess(&desk, &mut done);
    done.settle();
    done
}

/// Tells whether a finding is of a case: it says so, or it is of an incident or statement outside any case that names
/// the case or an item of it.
#[must_use]
pub fn concerns(book: &Book, case: Option<&CaseId>, subject: &Subject, wanted: &CaseId) -> bool {
    if let Some(case) = case {
        return case == wanted;
    }
    let stream = StreamId { case: None, subject: subject.clone() };
    book.stream(&stream).any(|statement| {
        let named = statement.array("cases").iter().any(|case| case.as_str() == Some(wanted.as_str()));
        let about = statement.get("about").and_then(|event: EventHash| book.by_event(&event));
        named
            || about.is_some_and(|about| about.stream.case.as_ref() == Some(wanted))
            || line_references(statement).iter().any(|(case, ..)| case == wanted)
    })
}
