//! Findings about single items: twice described, seen after their end, in two places, not found, never inspected,
//! matching nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::desk::{Desk, count, finding};
use super::{Assessment, Code, Obligation};
use crate::book::Unmatched;
use crate::book::items::ItemPlace;
use crate::event::codes::{EvidenceGrade, ItemState};
use crate::facts::{Act, Item, ItemKey, Mention, State, Target};
use crate::id::{CaseId, Seq};
use crate::time::Date;

/// How many items are named that a statement may mean.
const NAMED: usize = 100;

/// Applies the rules.
pub(super) fn assess(desk: &Desk<'_>, out: &mut Assessment) {
    duplicates(desk, out);
    for item in desk.book.items().distinct() {
        seen_after_end(desk, item, out);
        two_places(desk, item, out);
        not_seen(desk, item, out);
        never_inspected(desk, item, out);
    }
    unmatched(desk, out);
}

/// Returns what an item is called in a sentence.
fn called(item: &Item) -> String {
    let key = &item.description.key;
    match &item.description.serial {
        Some(serial) => format!("serial {serial}"),
        None => format!("{} line {}", key.subject, key.line),
    }
}

/// Finds serials that are described twice of one make: by stock number where both descriptions have one, else by maker
/// and model. Grouped by these, since a serial such as `1` stands on any number of makes.
fn duplicates(desk: &Desk<'_>, out: &mut Assessment) {
    let mut by_make: BTreeMap<(&str, String, String), Vec<&Item>> = BTreeMap::new();
    let mut by_number: BTreeMap<(&str, &str), Vec<&Item>> = BTreeMap::new();
    for item in desk.book.items().distinct().filter(|item| !item.state.is_terminal()) {
        let of = &item.description;
        let Some(serial) = &of.key.serial else { continue };
        if let (Some(maker), Some(model)) = (&of.maker, &of.model) {
            let same = |text: &str| text.trim().to_lowercase();
            by_make.entry((serial, same(maker), same(model))).or_default().push(item);
        }
        if let Some(number) = &of.stock_number {
            by_number.entry((serial, number)).or_default().push(item);
        }
    }
    let mut found: HashSet<&ItemKey> = HashSet::new();
    for items in by_make.values().filter(|items| items.len() > 1) {
        // stock numbers decide where all have one
        if items.iter().any(|item| item.description.stock_number.is_none()) {
            found.extend(items.iter().map(|item| &item.description.key));
            duplicate(desk, items, out);
        }
    }
    for items in by_number.values().filter(|items| items.len() > 1) {
        if !items.iter().all(|item| found.contains(&item.description.key)) {
            duplicate(desk, items, out);
        }
    }
}

fn duplicate(desk: &Desk<'_>, items: &[&Item], out: &mut Assessment) {
    let Some(latest) = items.iter().max_by_key(|item| item.description.seq) else { return };
    let places: Vec<String> = items.iter().map(|item| place(item)).collect();
    let key = &latest.description.key;
    let entries = items.iter().map(|item| item.description.seq);
    let detail = format!("{} is described {} times: {}", called(latest), items.len(), places.join("; "));
    let mut found =
        finding(Code::DuplicateSerial, Some(&key.case), &key.subject, latest.description.recorded, entries, detail);
    found.items = items.iter().map(|item| item.description.key.clone()).collect();
    found.items.sort_unstable();
    let veil = items.iter().flat_map(|item| desk.veil(item)).collect();
    desk.raise(out, found, veil, true);
}

fn place(item: &Item) -> String {
    let key = &item.description.key;
    format!("{} line {} of case {} ({})", key.subject, key.line, key.case, item.state)
}

fn seen_after_end(desk: &Desk<'_>, item: &Item, out: &mut Assessment) {
    let Some((_, first)) = item.contradicted.first() else { return };
    let key = &item.description.key;
    let at = item.acts.iter().find(|act| act.seq == *first).map_or(item.since, |act| act.at);
    let entries = item.contradicted.iter().flat_map(|(end, seen)| [*end, *seen]);
    let ends = item.contradicted.first().map_or(item.state_by, |(end, _)| *end);
    let detail =
        format!("{} was stated to be {} by entry {ends} and to be there by entry {first}", called(item), item.state);
    let mut found = finding(Code::SeenAfterTerminal, Some(&key.case), &key.subject, at, entries, detail);
    found.items = vec![key.clone()];
    desk.raise(out, found, desk.veil(item), true);
}

/// Returns when and where a statement found an item, if it is good enough to place it.
fn sighting(mention: &Mention) -> Option<(Date, &str)> {
    let Act::Checked { grade, state: ItemState::InCustody, .. } = &mention.act else { return None };
    let on_one_day = mention.from == Some(mention.at);
    let site = mention.site.as_deref()?;
    (*grade <= EvidenceGrade::Photographed && on_one_day).then_some((mention.at, site))
}

fn two_places(desk: &Desk<'_>, item: &Item, out: &mut Assessment) {
    if item.tally.is_some() {
        return;
    }
    // acts are in the order of their dates
    let sightings: Vec<(Date, &str, Seq)> =
        item.acts.iter().filter_map(|act| sighting(act).map(|(at, site)| (at, site, act.seq))).collect();
    for day in sightings.chunk_by(|a, b| a.0 == b.0) {
        let Some((at, site, _)) = day.first() else { continue };
        if day.iter().all(|(_, other, _)| other == site) {
            continue;
        }
        let moved =
            |act: &Mention| matches!(act.act, Act::Moved) && act.from.is_some_and(|from| from <= *at) && act.at >= *at;
        if item.acts.iter().any(moved) {
            continue;
        }
        let mut sites: Vec<&str> = day.iter().map(|(_, site, _)| *site).collect();
        sites.sort_unstable();
        sites.dedup();
        let key = &item.description.key;
        let detail = format!("{} was found at {} on {at}", called(item), sites.join(" and "));
        let entries = day.iter().map(|(.., seq)| *seq);
        let mut found = finding(Code::InTwoPlaces, Some(&key.case), &key.subject, *at, entries, detail);
        found.items = vec![key.clone()];
        desk.raise(out, found, desk.veil(item), true);
    }
}

fn not_seen(desk: &Desk<'_>, item: &Item, out: &mut Assessment) {
    let Some(missed) = item.missed else { return };
    let Some(act) = item.acts.iter().find(|act| act.seq == missed) else { return };
    let key = &item.description.key;
    let detail = match &item.tally {
        None => format!("{} was looked for and not found (entry {missed}, {})", called(item), act.subject),
        Some(tally) => {
            let unit = item.description.unit.as_deref().unwrap_or_default();
            format!("{} {unit} of {} were not found (entry {missed}, {})", tally.not_found, called(item), act.subject)
        }
    };
    let mut found = finding(Code::NotSeenInInventory, Some(&key.case), &key.subject, act.at, [missed], detail);
    found.items = vec![key.clone()];
    let before = out.findings.len();
    desk.raise(out, found, desk.veil(item), true);
    let due = act.at.plus_days(desk.terms(&key.case).loss_report_within);
    if out.findings.len() > before && !desk.over(due) {
        out.obligations.push(Obligation {
            due,
            code: Code::LossReportedLate,
            case: Some(key.case.clone()),
            subject: act.subject.clone(),
            started: missed,
            from: act.at,
            what: "report the loss of what was not found, or find it".to_owned(),
        });
    }
}

fn never_inspected(desk: &Desk<'_>, item: &Item, out: &mut Assessment) {
    if item.inspected.is_some() || item.remaining().is_zero() || item.state == State::InRepair {
        return;
    }
    let Some((since, seq)) = item.held else { return };
    let key = &item.description.key;
    let detail = format!("{} has been held since {since} and no inspector has seen it", called(item));
    let mut found = finding(Code::NeverInspected, Some(&key.case), &key.subject, since, [seq], detail);
    found.items = vec![key.clone()];
    desk.raise(out, found, desk.veil(item), true);
}

fn unmatched(desk: &Desk<'_>, out: &mut Assessment) {
    let numbers = by_number(desk);
    let mut by_entry: BTreeMap<Seq, Vec<&Unmatched>> = BTreeMap::new();
    for one in desk.book.items().unmatched().iter().chain(&numbers) {
        by_entry.entry(one.mention.seq).or_default().push(one);
    }
    let items = desk.book.items().all();
    for (seq, all) in by_entry {
        let Some(statement) = desk.book.by_seq(seq) else { continue };
        let mut said = Vec::new();
        for (some, counted, what) in [
            (false, false, "fit no description"),
            (false, true, "count what fits no description"),
            (true, false, "fit more than one"),
            (true, true, "count items and say not which"),
        ] {
            let such = |one: &&&Unmatched| {
                one.candidates.is_empty() != some && matches!(one.mention.target, Target::Serial(..)) != counted
            };
            let these = all.iter().filter(such);
            let names: Vec<&str> = these.clone().filter_map(|one| one.mention.serial.as_deref()).collect();
            match these.count() {
                0 => {}
                n => said.push(format!("{} {what}{}", count(n, "statement", "statements"), some_of(&names))),
            }
        }
        let stream = &statement.stream;
        let mut found = finding(
            Code::ItemUnmatched,
            stream.case.as_ref(),
            &stream.subject,
            statement.recorded(),
            [seq],
            format!("items of entry {seq}: {}", said.join(", ")),
        );
        let candidates = all.iter().flat_map(|one| &one.candidates).take(NAMED);
        found.items = candidates.map(|place| items[*place].description.key.clone()).collect();
        found.items.sort_unstable();
        found.items.dedup();
        let mut cases: Vec<_> = all.iter().map(|one| one.mention.target.case()).collect();
        cases.sort_unstable();
        cases.dedup();
        let veil = cases.into_iter().flat_map(|case| desk.undescribed(case)).copied().collect();
        desk.raise(out, found, veil, true);
    }
}

/// Returns statements of a stock, part or lot number that no description in their case has, or more than one, or one of
/// serials.
fn by_number(desk: &Desk<'_>) -> Vec<Unmatched> {
    let mentions = desk.book.items().by_stock_number();
    if mentions.is_empty() {
        return Vec::new();
    }
    let mut bearing: HashMap<(&CaseId, &str), Vec<ItemPlace>> = HashMap::new();
    for (place, item) in desk.book.items().all().iter().enumerate() {
        for number in item.description.numbers() {
            let places = bearing.entry((&item.description.key.case, number)).or_default();
            if places.len() < NAMED {
                places.push(place);
            }
        }
    }
    let numbers = mentions.iter().filter_map(|mention| match &mention.target {
        Target::Stock(case, number) => Some((mention, bearing.get(&(case, number.as_str())))),
        _ => None,
    });
    let unmatched = |(mention, places): (&Mention, Option<&Vec<ItemPlace>>)| Unmatched {
        mention: mention.clone(),
        candidates: places.cloned().unwrap_or_default(),
    };
    numbers.map(unmatched).collect()
}

/// Names the first few.
fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let more = if names.len() > SHOWN { ", …" } else { "" };
    match names {
        [] => String::new(),
        _ => format!(" ({}{more})", names[..names.len().min(SHOWN)].join(", ")),
    }
}
