//! What a check says: which items were scanned, which were not, and what nobody knows.

use std::collections::{BTreeMap, HashMap, HashSet};

use countersign_ledger::event::check::CheckType;
use countersign_ledger::event::codes::{Condition, EvidenceGrade};
use countersign_ledger::event::common::Serial;
use countersign_ledger::event::scalars::Quantity;

use super::population::{Item, Life, Place, Population};
use crate::cli::scans::{Known, Scans};
use crate::escape::quoted;
use crate::failure::Failure;

/// What becomes of items that were expected and not scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Rest {
    /// The check says that they were not found.
    NotFound,
    /// The check says nothing of them.
    LeaveOut,
}

/// What the inspector tells.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) check_type: CheckType,
    pub(super) site: Option<String>,
    pub(super) grade: EvidenceGrade,
    pub(super) condition: Option<Condition>,
    pub(super) damaged: Vec<Serial>,
    pub(super) counted: BTreeMap<Place, Quantity>,
    pub(super) rest: Rest,
}

/// How items were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum As {
    Seen,
    Damaged,
    NotFound,
}

/// What a check says of the items of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// The line, unless nobody knows the items.
    pub(super) place: Option<Place>,
    /// How they were found.
    pub(super) found: As,
    /// Their serials.
    pub(super) serials: Vec<Serial>,
    /// How many without serials, and of what.
    pub(super) counted: Option<(Quantity, String)>,
}

/// What a check of one case says.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Line by line.
    pub(super) said: Vec<Said>,
    /// How many items with serials should be there.
    pub(super) expected: usize,
    /// How many were scanned.
    pub(super) seen: usize,
    /// How many that were expected were not.
    pub(super) rest: usize,
    /// Serials that nobody described.
    pub(super) unmatched: Vec<Serial>,
    /// What the inspector should know.
    pub(super) notes: Vec<String>,
}

impl Population {
    /// Tells whether an item should be there when the site is inspected.
    fn expects(&self, item: &Item, told: &Told) -> bool {
        let there = match item.life {
            Life::Held => true,
            Life::Sent => matches!(told.check_type, CheckType::Delivery | CheckType::PostShipment),
            Life::Gone => false,
        };
        let elsewhere = matches!((&item.site, &told.site), (Some(is), Some(asked)) if is != asked);
        there && !elsewhere
    }
}

/// Compares a scan with what each case should have. A serial goes to the case that expects it.
///
/// # Errors
/// When what is told beside the scan fits no item.
pub(super) fn compare(
    populations: &[Population],
    before: &[HashSet<String>],
    scans: &Scans,
    told: &Told,
) -> Result<Vec<Plan>, Failure> {
    let known = Known::of(populations.iter().flat_map(|population| population.items.values().map(|item| &item.serial)));
    check_told(populations, scans, told, &known)?;
    let damaged: HashSet<String> = told.damaged.iter().map(Serial::normalised).collect();
    let mut plans: Vec<Plan> = populations.iter().map(|_| Plan::default()).collect();
    let mut groups: Vec<BTreeMap<(Option<Place>, As), Vec<Serial>>> = vec![BTreeMap::new(); populations.len()];
    let mut scanned = HashSet::new();
    let mut again = 0usize;
    for (at, serial) in scans.serials.iter().enumerate() {
        if let Some(note) = scans.is_cut_off(at, &known) {
            plans.iter_mut().take(1).for_each(|plan| plan.notes.push(note.clone()));
            continue;
        }
        let mark = serial.normalised();
        let Some(case) = case_of(populations, &mark, told) else {
            let case = known.look_alike(serial).and_then(|like| {
                let mark = countersign_ledger::event::common::normalise_serial(like);
                case_of(populations, &mark, told)
            });
            let plan = &mut plans[case.unwrap_or(0)];
            plan.notes.extend(known.suggestion(serial));
            plan.unmatched.push(serial.clone());
            groups[case.unwrap_or(0)].entry((None, As::Seen)).or_default().push(serial.clone());
            continue;
        };
        if before[case].contains(&mark) {
            again += 1;
            continue;
        }
        let item = &populations[case].items[&mark];
        plans[case].notes.extend(remark(item, told));
        plans[case].seen += 1;
        let found = if damaged.contains(&mark) { As::Damaged } else { As::Seen };
        groups[case].entry((Some(item.place.clone()), found)).or_default().push(item.serial.clone());
        scanned.insert(mark);
    }
    if again > 0 {
        plans[0].notes.push(format!("{again} serials named by an earlier part of this check, left out"));
    }
    plans[0].notes.extend(scans.notes());
    for (case, population) in populations.iter().enumerate() {
        let plan = &mut plans[case];
        let done = |mark: &String| scanned.contains(mark) || before[case].contains(mark);
        let expected = || population.items.iter().filter(|(_, item)| population.expects(item, told));
        plan.expected = expected().count();
        for (_, item) in expected().filter(|(mark, _)| !done(mark)) {
            plan.rest += 1;
            if told.rest == Rest::NotFound {
                groups[case].entry((Some(item.place.clone()), As::NotFound)).or_default().push(item.serial.clone());
            }
        }
        let grouped = std::mem::take(&mut groups[case]).into_iter();
        plan.said.extend(grouped.map(|((place, found), serials)| Said { place, found, serials, counted: None }));
        plan.count(population, told);
        plan.remark_on(population);
    }
    Ok(plans)
}

/// Finds the case of an item: one that expects it before one that only knows it.
fn case_of(populations: &[Population], mark: &str, told: &Told) -> Option<usize> {
    let knows = |population: &Population| population.items.contains_key(mark);
    let expects =
        |population: &Population| population.items.get(mark).is_some_and(|item| population.expects(item, told));
    populations.iter().position(expects).or_else(|| populations.iter().position(knows))
}

/// What an inspector should know of an item that was scanned.
fn remark(item: &Item, told: &Told) -> Option<String> {
    let serial = quoted(item.serial.as_str());
    if let [other, ..] = item.again.as_slice() {
        let (first, second) = (&item.place, other);
        return Some(format!(
            "{serial} is described twice: {} line {} and {} line {}; the first is meant",
            first.subject, first.line, second.subject, second.line
        ));
    }
    match (item.life, &item.site, &told.site) {
        (Life::Gone, ..) => Some(format!("{serial} was reported gone before; that it was seen will be a finding")),
        (Life::Sent, ..) if !matches!(told.check_type, CheckType::Delivery | CheckType::PostShipment) => {
            Some(format!("{serial} was sent and not received yet, as far as the case file tells"))
        }
        (_, Some(was), Some(is)) if was != is => Some(format!("{serial} was at site {} before", quoted(was))),
        _ => None,
    }
}

fn check_told(populations: &[Population], scans: &Scans, told: &Told, known: &Known) -> Result<(), Failure> {
    let scanned: HashSet<String> = scans.serials.iter().map(Serial::normalised).collect();
    if let Some(serial) = told.damaged.iter().find(|serial| !scanned.contains(&serial.normalised())) {
        let failure = Failure::usage(format_args!("--damaged {} was not scanned", quoted(serial.as_str())));
        return Err(match known.suggestion(serial) {
            Some(suggestion) => failure.hint(suggestion),
            None => failure.hint("a damaged item is one of those that were scanned"),
        });
    }
    let cases: HashMap<&Place, usize> =
        populations.iter().enumerate().flat_map(|(i, p)| p.unmarked.keys().map(move |k| (k, i))).collect();
    if let Some(place) = told.counted.keys().find(|place| !cases.contains_key(place)) {
        let lines: Vec<String> =
            cases.keys().take(10).map(|place| format!("{}:{}", place.subject, place.line)).collect();
        return Err(Failure::usage(format_args!(
            "--counted {}:{}: no such line has items without serials",
            place.subject, place.line
        ))
        .hint(if lines.is_empty() {
            "no line has any".to_owned()
        } else {
            format!("there are {}", lines.join(", "))
        }));
    }
    Ok(())
}

impl Plan {
    /// Adds what was counted and not scanned.
    fn count(&mut self, population: &Population, told: &Told) {
        for (place, quantity) in &told.counted {
            if let Some(unmarked) = population.unmarked.get(place) {
                let counted = Some((*quantity, unmarked.unit.clone()));
                self.said.push(Said { place: Some(place.clone()), found: As::Seen, serials: Vec::new(), counted });
            }
        }
    }

    fn remark_on(&mut self, population: &Population) {
        let uncounted = population.unmarked.keys().filter(|place| {
            !self.said.iter().any(|said| said.counted.is_some() && said.place.as_ref() == Some(*place))
        });
        if let n @ 1.. = uncounted.count() {
            self.notes.push(format!(
                "{n} lines have items without serials, which no scan tells of: --counted SUBJECT:LINE=QUANTITY"
            ));
        }
        if population.undisclosed > 0 {
            self.notes.push(format!("{} values of the case are concealed from you", population.undisclosed));
        }
        self.notes.extend(population.without_effect.iter().cloned());
        if population.unreadable > 0 {
            self.notes.push(format!("{} statements of the case could not be read", population.unreadable));
        }
    }

    /// Tells whether there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.said.is_empty()
    }
}
