//! What a receipt says: for each line that was sent, what arrived, and how each serial was found.

use std::collections::{BTreeMap, HashMap, HashSet};

use countersign_ledger::event::codes::Condition;
use countersign_ledger::event::common::{LineNumber, Serial};
use countersign_ledger::event::scalars::Quantity;

use super::history::{History, SentLine};
use crate::cli::scans::{Known, Scans};
use crate::escape::quoted;
use crate::failure::Failure;

/// What arrived, as the recipient tells it.
#[derive(Debug)]
pub(super) struct Told {
    /// All as sent, but for what else is told.
    pub(super) all: bool,
    /// The serials that were scanned.
    pub(super) scans: Option<Scans>,
    /// How many of a line without serials did not arrive.
    pub(super) short: BTreeMap<LineNumber, Quantity>,
    /// Serials that did not arrive.
    pub(super) absent: Vec<Serial>,
    /// Serials that arrived damaged.
    pub(super) damaged: Vec<Serial>,
    /// In what condition the rest is.
    pub(super) condition: Condition,
    /// Whether this ends the receipt: what is not received now is absent.
    pub(super) last: bool,
}

/// How a serial was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FoundAs {
    Present,
    Absent,
    Unexpected,
    Damaged,
}

/// What a receipt says of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineResult {
    /// The line.
    pub(super) line: LineNumber,
    /// How many arrived that have no serial.
    pub(super) unmarked: Quantity,
    /// How each serial was found.
    pub(super) serials: Vec<(FoundAs, Serial)>,
    /// In what condition it is.
    pub(super) condition: Condition,
}

/// What a receipt says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Line by line.
    pub(super) lines: Vec<LineResult>,
    /// Serials that are on no line, where more than one line has serials.
    pub(super) unexpected: Vec<Serial>,
    /// What the recipient should know.
    pub(super) notes: Vec<String>,
}

/// Where a serial was sent.
struct SentSerials<'a> {
    by_mark: HashMap<String, (usize, &'a Serial)>,
}

impl Plan {
    /// Tells whether there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.unexpected.is_empty()
    }

    /// Counts the serials found in a way.
    pub(super) fn count(&self, found: FoundAs) -> usize {
        let listed = self.lines.iter().flat_map(|line| &line.serials).filter(|(as_, _)| *as_ == found).count();
        listed + if found == FoundAs::Unexpected { self.unexpected.len() } else { 0 }
    }

    /// Compares what is told with what was sent and received before.
    ///
    /// # Errors
    /// When what is told names a line or serial that was not sent, or does not say enough.
    pub(super) fn new(history: &History, told: &Told) -> Result<Self, Failure> {
        let mut plan = Self::default();
        if history.undisclosed > 0 {
            let values = history.undisclosed;
            plan.notes.push(format!("the dispatch conceals {values} values from you: its author can disclose them"));
        }
        let sent = SentSerials::of(history, &mut plan.notes);
        told.check(history, &sent)?;
        let mut found: Vec<Vec<(FoundAs, Serial)>> = vec![Vec::new(); history.sent.len()];
        let mut named = HashSet::new();
        for (as_, serials) in [(FoundAs::Damaged, &told.damaged), (FoundAs::Absent, &told.absent)] {
            for serial in serials {
                // Checked above: it was sent.
                if let Some((line, as_sent)) = sent.by_mark.get(&serial.normalised())
                    && named.insert(serial.normalised())
                {
                    found[*line].push((as_, (*as_sent).clone()));
                }
            }
        }
        if let Some(scans) = &told.scans {
            plan.take_scans(history, scans, &sent, &mut found, &mut named);
        }
        for (i, line) in history.sent.iter().enumerate() {
            let serials = std::mem::take(&mut found[i]);
            if let Some(result) = plan.line(history, told, line, serials, &named) {
                plan.lines.push(result);
            }
        }
        plan.settle_unexpected(history, told.condition);
        Ok(plan)
    }

    fn take_scans(
        &mut self,
        history: &History,
        scans: &Scans,
        sent: &SentSerials<'_>,
        found: &mut [Vec<(FoundAs, Serial)>],
        named: &mut HashSet<String>,
    ) {
        let mut before = 0usize;
        let known = Known::of(history.sent.iter().flat_map(|line| &line.serials));
        for (at, serial) in scans.serials.iter().enumerate() {
            if let Some(note) = scans.is_cut_off(at, &known) {
                self.notes.push(note);
                continue;
            }
            let mark = serial.normalised();
            match sent.by_mark.get(&mark) {
                Some((line, _)) if history.has(*line, &mark) => before += 1,
                Some((line, as_sent)) => {
                    // Named damaged already: that says more.
                    if named.insert(mark) {
                        found[*line].push((FoundAs::Present, (*as_sent).clone()));
                    }
                }
                None => {
                    self.notes.extend(known.suggestion(serial));
                    self.unexpected.push(serial.clone());
                }
            }
        }
        self.notes.extend(scans.notes());
        if before > 0 {
            self.notes.push(format!("{before} serials received before, left out"));
        }
    }

    /// Says what there is to say of one line.
    fn line(
        &mut self,
        history: &History,
        told: &Told,
        line: &SentLine,
        mut serials: Vec<(FoundAs, Serial)>,
        named: &HashSet<String>,
    ) -> Option<LineResult> {
        let before = history.received.get(&line.line);
        for serial in &line.serials {
            let mark = serial.normalised();
            if named.contains(&mark) || before.is_some_and(|before| before.serials.contains(&mark)) {
                continue;
            }
            match (&told.scans, told.last) {
                (None, _) => serials.push((FoundAs::Present, serial.clone())),
                (Some(_), true) => serials.push((FoundAs::Absent, serial.clone())),
                (Some(_), false) => {}
            }
        }
        let unmarked = if told.all { self.unmarked(history, told, line) } else { Quantity::ZERO };
        let short = told.short.contains_key(&line.line);
        if serials.is_empty() && unmarked == Quantity::ZERO && !short {
            return None;
        }
        Some(LineResult { line: line.line.clone(), unmarked, serials, condition: told.condition })
    }

    /// Returns how many items of a line that have no serial are received now.
    fn unmarked(&mut self, history: &History, told: &Told, line: &SentLine) -> Quantity {
        let marked = whole(line.serials.len());
        let without = line.quantity.checked_sub(marked).unwrap_or(Quantity::ZERO);
        let before = history.received.get(&line.line);
        let marked_before = before.map_or(0, |before| before.serials.len());
        let before = before.map_or(Quantity::ZERO, |before| before.quantity);
        let before = before.checked_sub(whole(marked_before)).unwrap_or(Quantity::ZERO);
        let rest = without.checked_sub(before).unwrap_or(Quantity::ZERO);
        let short = told.short.get(&line.line).copied().unwrap_or(Quantity::ZERO);
        rest.checked_sub(short).unwrap_or_else(|| {
            self.notes.push(format!("line {}: short by more than is still to be received", line.line));
            Quantity::ZERO
        })
    }

    /// Puts unexpected serials on the one line that has serials, if there is but one.
    fn settle_unexpected(&mut self, history: &History, condition: Condition) {
        let marked: Vec<&SentLine> = history.sent.iter().filter(|line| !line.serials.is_empty()).collect();
        let [only] = marked.as_slice() else { return };
        if self.unexpected.is_empty() {
            return;
        }
        let unexpected = std::mem::take(&mut self.unexpected).into_iter().map(|serial| (FoundAs::Unexpected, serial));
        match self.lines.iter_mut().find(|result| result.line == only.line) {
            Some(result) => result.serials.extend(unexpected),
            None => self.lines.push(LineResult {
                line: only.line.clone(),
                unmarked: Quantity::ZERO,
                serials: unexpected.collect(),
                condition,
            }),
        }
    }
}

pub(super) fn whole(n: usize) -> Quantity {
    u64::try_from(n).ok().and_then(Quantity::whole).unwrap_or(Quantity::ZERO)
}

impl<'a> SentSerials<'a> {
    fn of(history: &'a History, notes: &mut Vec<String>) -> Self {
        let mut by_mark = HashMap::new();
        for (i, line) in history.sent.iter().enumerate() {
            for serial in &line.serials {
                if let Some((first, _)) = by_mark.insert(serial.normalised(), (i, serial)) {
                    let first: usize = first;
                    let first_line = &history.sent[first].line;
                    notes.push(format!(
                        "serial {} was sent on line {first_line} and on line {}",
                        quoted(serial.as_str()),
                        line.line
                    ));
                }
            }
        }
        Self { by_mark }
    }
}

impl History {
    /// Tells whether a serial of a line was received, or found absent, before.
    fn has(&self, line: usize, mark: &str) -> bool {
        let line = self.sent.get(line).and_then(|line| self.received.get(&line.line));
        line.is_some_and(|before| before.serials.contains(mark))
    }

    /// Returns the unit of a line.
    #[cfg(test)]
    pub(super) fn unit(&self, line: &LineNumber) -> Option<countersign_ledger::event::codes::Unit> {
        self.sent.iter().find(|sent| sent.line == *line).map(|sent| sent.unit)
    }
}

impl Told {
    /// Checks that what is told fits what was sent.
    fn check(&self, history: &History, sent: &SentSerials<'_>) -> Result<(), Failure> {
        for number in self.short.keys() {
            let line = history.sent.iter().find(|line| line.line == *number);
            let lines = || history.sent.iter().map(|line| line.line.to_string()).collect::<Vec<_>>().join(", ");
            let line = line.ok_or_else(|| {
                Failure::usage(format_args!("--short: line {number} was not sent; the lines are {}", lines()))
            })?;
            if line.quantity.checked_sub(whole(line.serials.len())).is_none_or(|rest| rest == Quantity::ZERO) {
                return Err(Failure::usage(format_args!("--short: the items of line {number} have serials"))
                    .hint("--absent SERIAL tells which one did not arrive, or --scans FILE which ones did"));
            }
        }
        for serial in self.absent.iter().chain(&self.damaged) {
            if !sent.by_mark.contains_key(&serial.normalised()) {
                let marks = history.sent.iter().flat_map(|line| &line.serials);
                let hint = Known::of(marks)
                    .suggestion(serial)
                    .unwrap_or_else(|| "`countersign event show` lists what was sent".to_owned());
                return Err(Failure::usage(format_args!("serial {} was not sent", quoted(serial.as_str()))).hint(hint));
            }
        }
        let unmarked = |line: &&SentLine| whole(line.serials.len()) < line.quantity;
        if !self.all
            && self.last
            && let Some(line) = history.sent.iter().find(unmarked)
        {
            return Err(Failure::usage(format_args!(
                "line {} has items without serials, which no scan tells of",
                line.line
            ))
            .hint("--all says that they arrived as sent, --all --short LINE=QUANTITY that some did not"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::history::ReceivedBefore;
    use super::*;

    fn serials(texts: &[&str]) -> Vec<Serial> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn line(number: &str, quantity: &str, marks: &[&str]) -> SentLine {
        SentLine {
            line: number.parse().unwrap(),
            quantity: quantity.parse().unwrap(),
            unit: "EA".parse().unwrap(),
            serials: serials(marks),
        }
    }

    fn history(lines: Vec<SentLine>) -> History {
        let mut history = History::new("c".parse().unwrap(), "consignment/x".parse().unwrap());
        history.sent = lines;
        history
    }

    fn told() -> Told {
        Told {
            all: true,
            scans: None,
            short: BTreeMap::new(),
            absent: Vec::new(),
            damaged: Vec::new(),
            condition: Condition::Serviceable,
            last: true,
        }
    }

    fn scans(texts: &[&str]) -> Option<Scans> {
        Some(Scans { serials: serials(texts), ..Scans::default() })
    }

    fn marks(result: &LineResult, found: FoundAs) -> Vec<&str> {
        result.serials.iter().filter(|(as_, _)| *as_ == found).map(|(_, serial)| serial.as_str()).collect()
    }

    #[test]
    fn all_as_sent_but_for_one() {
        let history = history(vec![line("1", "2", &["A-1", "A-2"]), line("2", "10", &[])]);
        let mut told = told();
        told.absent = serials(&["a 2"]);
        told.short.insert("2".parse().unwrap(), "3".parse().unwrap());
        let plan = Plan::new(&history, &told).unwrap();
        assert_eq!(
            (marks(&plan.lines[0], FoundAs::Present), marks(&plan.lines[0], FoundAs::Absent)),
            (vec!["A-1"], vec!["A-2"])
        );
        assert_eq!(plan.lines[1].unmarked.to_string(), "7");
        assert_eq!(history.unit(&plan.lines[1].line).unwrap().as_str(), "EA");
    }

    #[test]
    fn scans_find_present_absent_unexpected() {
        let history = history(vec![line("1", "3", &["A-1", "A-2", "A-3"])]);
        let mut told = Told { all: false, scans: scans(&["a1", "A-3", "Z-9"]), ..told() };
        let plan = Plan::new(&history, &told).unwrap();
        assert_eq!(marks(&plan.lines[0], FoundAs::Present), ["A-1", "A-3"]);
        assert_eq!(marks(&plan.lines[0], FoundAs::Absent), ["A-2"]);
        assert_eq!(marks(&plan.lines[0], FoundAs::Unexpected), ["Z-9"]);
        told.last = false;
        assert!(marks(&Plan::new(&history, &told).unwrap().lines[0], FoundAs::Absent).is_empty(), "more may come");
    }

    #[test]
    fn a_later_part_leaves_out_what_was_received() {
        let mut history = history(vec![line("1", "3", &["A-1", "A-2", "A-3"])]);
        let before = ReceivedBefore { quantity: "1".parse().unwrap(), serials: ["A1".to_owned()].into() };
        history.received.insert("1".parse().unwrap(), before);
        let plan = Plan::new(&history, &Told { all: false, scans: scans(&["A-1", "A-2"]), ..told() }).unwrap();
        assert_eq!(marks(&plan.lines[0], FoundAs::Present), ["A-2"]);
        assert_eq!(marks(&plan.lines[0], FoundAs::Absent), ["A-3"]);
        assert_eq!(plan.notes, ["1 serials received before, left out"]);
        let all = ["A1", "A2", "A3"].map(str::to_owned);
        history.received.get_mut(&"1".parse().unwrap()).unwrap().serials.extend(all);
        assert!(Plan::new(&history, &told()).unwrap().is_empty());
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let history = history(vec![line("1", "2", &["A-1", "A-2"]), line("2", "10", &[]), line("3", "1", &["B-1"])]);
        let failure = |told: &Told| Plan::new(&history, told).unwrap_err().message;
        let mut short = told();
        short.short.insert("1".parse().unwrap(), "1".parse().unwrap());
        assert_eq!(failure(&short), "--short: the items of line 1 have serials");
        let mut short = told();
        short.short.insert("9".parse().unwrap(), "1".parse().unwrap());
        assert_eq!(failure(&short), "--short: line 9 was not sent; the lines are 1, 2, 3");
        assert_eq!(failure(&Told { absent: serials(&["C-1"]), ..told() }), "serial \"C-1\" was not sent");
        let scanned = Told { all: false, scans: scans(&["A-1"]), ..told() };
        assert_eq!(failure(&scanned), "line 2 has items without serials, which no scan tells of");
        let plan = Plan::new(&history, &Told { scans: scans(&["A-1", "Z"]), ..told() }).unwrap();
        assert_eq!(plan.unexpected.len(), 1, "two lines have serials: it is on none of them");
        assert_eq!(plan.count(FoundAs::Unexpected), 1);
    }
}
