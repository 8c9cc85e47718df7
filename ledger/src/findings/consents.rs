//! How much of what was consented to is used up (DOMAIN §5).

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::desk::Desk;
use super::retransfers::targets;
use crate::event::scalars::Quantity;
use crate::facts::{Amount, Exact, Measure, Mention, Statement, Target, extract};
use crate::id::{Author, CaseId, Seq, StreamId, Subject};
use crate::time::Date;

/// A line: case, subject, number.
type Line = (CaseId, Subject, String);

/// What one request that was granted asked for of one target.
#[derive(Debug)]
struct Share {
    request: Seq,
    holder: Author,
    expires: Option<Date>,
    target: Target,
    measure: Measure,
    granted: Exact,
    /// What went under it and did not come back: more than was granted, where too much went.
    used: Exact,
}

/// What the requests of a stream that were granted allow, and what of it is used up.
pub(super) struct Consents<'a> {
    desk: &'a Desk<'a>,
    shares: Vec<Share>,
    /// Serials that went and did not come back, with what they took of which share.
    there: HashMap<(Author, Target), (usize, Exact)>,
    measures: HashMap<Line, Measure>,
    /// Entries that conceal what came back.
    pub(super) hidden: Vec<Seq>,
}

impl<'a> Consents<'a> {
    pub(super) fn new(desk: &'a Desk<'a>) -> Self {
        let (shares, there, measures) = (Vec::new(), HashMap::new(), HashMap::new());
        Self { desk, shares, there, measures, hidden: Vec::new() }
    }

    /// Adds what a request that was granted asks for.
    pub(super) fn grant(&mut self, asked: &Statement, holder: &Author, expires: Option<Date>) {
        for mention in extract(asked).mentions {
            let of_line = match &mention.target {
                Target::Line(case, subject, line) => self.measure(&(case.clone(), subject.clone(), line.clone())),
                _ => Measure::default(),
            };
            let (measure, granted) = match &mention.amount {
                Amount::One => (of_line.clone(), Some(of_line.whole(1))),
                Amount::Some(quantity, unit) => match of_line.exact(*quantity, unit.as_deref()) {
                    Some(granted) => (of_line, Some(granted)),
                    // a unit of its own
                    None => {
                        let own = Measure { unit: unit.clone(), contains: None };
                        let granted = own.exact(*quantity, None);
                        (own, granted)
                    }
                },
                Amount::All | Amount::Concealed => continue,
            };
            let (Some(granted), used) = (granted, Exact::ZERO) else { continue };
            let (holder, target) = (holder.clone(), mention.target);
            self.shares.push(Share { request: asked.seq, holder, expires, target, measure, granted, used });
        }
    }

    /// Takes what went from what some requests allow; tells whether they allowed it.
    pub(super) fn take(&mut self, mention: &Mention, live: &BTreeSet<Seq>, holder: &Author) -> bool {
        let single = matches!(mention.target, Target::Serial(..)).then(|| (holder.clone(), mention.target.clone()));
        let before = single.as_ref().and_then(|single| self.there.get(single));
        if before.is_some_and(|(share, _)| live.contains(&self.shares[*share].request)) {
            // it is there already
            return true;
        }
        let mut over = None;
        for target in targets(self.desk, mention) {
            let mut open = self.fitting(mention, &target, holder);
            open.retain(|(share, _)| live.contains(&self.shares[*share].request));
            // what expires first is used first
            open.sort_by_key(|(share, _)| (self.shares[*share].expires.is_none(), self.shares[*share].expires));
            while let Some((first, amount)) = open.first().copied() {
                let measure = &self.shares[first].measure;
                let (alike, rest): (Vec<_>, Vec<_>) =
                    open.into_iter().partition(|(share, _)| self.shares[*share].measure == *measure);
                open = rest;
                let left = |share: &Share| share.granted.less(share.used);
                let all = alike.iter().fold(Exact::ZERO, |sum, (share, _)| sum.plus(left(&self.shares[*share])));
                if all < amount {
                    over.get_or_insert((first, amount));
                    continue;
                }
                let mut rest = amount;
                for (share, _) in &alike {
                    let share = &mut self.shares[*share];
                    let part = rest.min(left(share));
                    share.used = share.used.plus(part);
                    rest = rest.less(part);
                }
                self.there.extend(single.map(|single| (single, (first, amount))));
                return true;
            }
        }
        if let Some((share, amount)) = over {
            self.shares[share].used = self.shares[share].used.plus(amount);
        }
        false
    }

    /// Gives back what came back.
    pub(super) fn give_back(&mut self, ended: &Statement, holder: &Author) {
        let read = extract(ended);
        if !read.concealed.is_empty() {
            self.hidden.push(ended.seq);
        }
        for mention in &read.mentions {
            if let Some((share, amount)) = self.there.remove(&(holder.clone(), mention.target.clone())) {
                self.shares[share].used = self.shares[share].used.less(amount);
                continue;
            }
            for target in targets(self.desk, mention) {
                let mut used = self.fitting(mention, &target, holder);
                used.retain(|(share, _)| !self.shares[*share].used.is_zero());
                let Some((last, mut rest)) = used.last().copied() else { continue };
                let measure = self.shares[last].measure.clone();
                used.retain(|(share, _)| self.shares[*share].measure == measure);
                for (share, _) in used.iter().rev() {
                    let share = &mut self.shares[*share];
                    let part = rest.min(share.used);
                    share.used = share.used.less(part);
                    rest = rest.less(part);
                }
                break;
            }
        }
    }

    /// Returns the shares of a holder in a target that can be compared with an amount, each with the amount in its
    /// measure.
    fn fitting(&mut self, mention: &Mention, target: &Target, holder: &Author) -> Vec<(usize, Exact)> {
        let line = mention.described_in.clone().or_else(|| self.line_of(&mention.target));
        let of_line = line.map(|line| self.measure(&line)).unwrap_or_default();
        let of = self.shares.iter().enumerate().filter(|(_, s)| s.holder == *holder && s.target == *target);
        of.filter_map(|(at, share)| Some((at, amount(mention, share, &of_line)?))).collect()
    }

    /// Returns the line that describes a serial.
    fn line_of(&self, target: &Target) -> Option<Line> {
        let Target::Serial(case, serial) = target else { return None };
        let key = &self.desk.book.items().of_serial(case, serial).next()?.description.key;
        Some((key.case.clone(), key.subject.clone(), key.line.clone()))
    }

    /// Returns how a line is counted.
    fn measure(&mut self, line: &Line) -> Measure {
        if let Some(measure) = self.measures.get(line) {
            return measure.clone();
        }
        let (case, subject, number) = line;
        let stream = StreamId { case: Some(case.clone()), subject: subject.clone() };
        let lines = self.desk.book.stream(&stream).flat_map(|s| s.array("lines").iter().chain(s.array("unexpected")));
        let mut of =
            lines.filter(|of| of.get("line").and_then(Value::as_str) == Some(number) && of.get("unit").is_some());
        let measure = of.next().map(Measure::of_line).unwrap_or_default();
        self.measures.insert(line.clone(), measure.clone());
        measure
    }
}

/// Returns what a statement names in the measure of a share; `None` for an unlike unit.
fn amount(mention: &Mention, share: &Share, of_line: &Measure) -> Option<Exact> {
    let (quantity, unit) = match &mention.amount {
        // one item of a line is one of its unit
        Amount::One if !matches!(share.target, Target::Stock(..)) => return Some(share.measure.whole(1)),
        Amount::One => (Quantity::whole(1)?, of_line.unit.as_deref()),
        Amount::Some(quantity, unit) => (*quantity, unit.as_deref()),
        Amount::All | Amount::Concealed => return None,
    };
    if let Some(exact) = share.measure.exact(quantity, unit) {
        return Some(exact);
    }
    // by what its line's unit contains
    let exact = of_line.exact(quantity, unit)?;
    let inner = of_line.contains.as_ref().map(|(_, unit)| unit);
    let quantity = if share.measure.unit == of_line.unit {
        of_line.quantity(exact)?
    } else if inner.is_some() && inner == share.measure.unit.as_ref() {
        Measure { unit: inner.cloned(), contains: None }.quantity(exact)?
    } else {
        return None;
    };
    share.measure.exact(quantity, None)
}
