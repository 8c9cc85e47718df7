//! Disposal: who saw it (DOMAIN §5).

use super::desk::{Desk, count, finding};
use super::{Assessment, Code};
use crate::facts::Statement;
use crate::id::{Author, CaseId, PartyId, StreamId};

/// Applies the rule.
pub(super) fn assess(desk: &Desk<'_>, out: &mut Assessment) {
    for case in desk.book.cases() {
        for stream in desk.book.streams(Some(case), "disposal") {
            unwitnessed(desk, case, stream, out);
        }
    }
}

fn unwitnessed(desk: &Desk<'_>, case: &CaseId, stream: &StreamId, out: &mut Assessment) {
    let acts = desk.book.stream(stream);
    let acts = acts.filter(|s| matches!(s.kind.as_str(), "items.demilitarized" | "items.destroyed"));
    let open: Vec<&Statement> = acts.filter(|act| !witnessed(act) && !supported(desk, act)).collect();
    let Some(first) = open.iter().map(|act| act.by()).min() else { return };
    let lines: usize = open.iter().map(|act| act.array("items").len()).sum();
    let detail =
        format!("{} disposed of without a witness that signed", count(lines, "item line was", "item lines were"));
    let entries = open.iter().map(|act| act.seq);
    let found = finding(Code::DisposalWithoutWitness, Some(case), &stream.subject, first, entries, detail);
    desk.raise(out, found, Vec::new(), true);
}

/// Tells whether the witness that it names signed, and is not the one who disposed.
fn witnessed(act: &Statement) -> bool {
    let witness = act.get::<PartyId>("witness").map(Author::Party);
    witness.is_some_and(|witness| witness != act.author && act.signed_by(&witness))
}

/// Tells whether a party that did not sign it added evidence.
fn supported(desk: &Desk<'_>, act: &Statement) -> bool {
    let disposed: Vec<Author> = act.signers.iter().map(|who| desk.book.acting(who)).collect();
    let mut about = desk.book.about(&act.event);
    about.any(|s| s.kind.as_str() == "evidence.added" && !disposed.contains(&desk.book.acting(&s.author)))
}
