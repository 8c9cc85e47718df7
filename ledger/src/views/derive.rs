//! What is touched, worked out from the facts: items, links, streams, cases, obligations and counts.

use std::collections::{BTreeMap, BTreeSet};

use super::ViewError;
use super::apply::{json, serial_of};
use super::contribution::{Touched, bulk_name, step_key};
use super::due;
use super::items::{Facts, alias_key, any, decode, fitting, malformed, record};
use super::key::{Key, Parts};
use super::kv::{Family, Overlay, Reads};
use super::step::{Draw, Step};
use super::stream::{self, Stream};
use crate::facts::{Item, ItemKey, Link, Target};
use crate::id::{CaseId, Seq, StreamId};
use crate::store::StoreError;

/// Works out everything that is touched.
pub(super) fn all(over: &mut Overlay<'_>, mut touched: Touched) -> Result<(), ViewError> {
    links(over, &mut touched)?;
    let mut cases = items(over, &touched)?;
    streams(over, touched.states, &mut cases)?;
    for case in cases {
        due::of_case(over, &case)?;
    }
    Ok(())
}

/// Works out where serials lead by links: from the first link that is new, or from the beginning where a link is gone, or
/// a description that a link names is new or gone.
fn links(over: &mut Overlay<'_>, touched: &mut Touched) -> Result<(), ViewError> {
    let last: Option<Seq> = record(over, Family::Meta, LAST_LINK)?;
    if touched.links.is_none() && last.is_none() {
        return Ok(());
    }
    let from = if appended(over, touched, last)? {
        touched.links
    } else {
        clear(over, touched)?;
        Some(Seq(0))
    };
    let Some(from) = from else { return Ok(()) };
    let mut new: Vec<Link> = Vec::new();
    let (_, end) = Key::of(b'K').range();
    over.scan(Family::Facts, &Key::of(b'K').seq(from).done(), &end, &mut |key, value| {
        new.push(decode(key, value)?);
        Ok(true)
    })?;
    for link in new {
        lead(over, &link, touched)?;
    }
    Ok(())
}

/// Tells whether nothing but new links at the end changes where serials lead.
fn appended(over: &Overlay<'_>, touched: &Touched, last: Option<Seq>) -> Result<bool, ViewError> {
    for item in &touched.items {
        let name = item.serial.clone().unwrap_or_else(|| bulk_name(&item.subject, &item.line));
        let key = Key::of(b'm').text(&name).text(item.case.as_str());
        let (from, mut end) = key.clone().range();
        if let Some(new) = touched.links {
            end = key.seq(new).done();
        }
        if any(over, Family::Index, (from, end))? {
            return Ok(false);
        }
    }
    // a link that is taken back or replaced is not beyond the last one
    Ok(touched.links.is_none_or(|new| Some(new) > last))
}

/// Where the last link that was followed is noted.
const LAST_LINK: &[u8] = b"last_link";

/// Forgets where serials lead.
fn clear(over: &mut Overlay<'_>, touched: &mut Touched) -> Result<(), ViewError> {
    let mut gone: Vec<(Vec<u8>, ItemKey)> = Vec::new();
    let (from, end) = Key::of(b'A').range();
    over.scan(Family::Records, &from, &end, &mut |key, value| {
        gone.push((key.to_vec(), decode(key, value)?));
        Ok(true)
    })?;
    for (key, item) in gone {
        let mut parts = Parts::of(&key);
        let name = parts.parse::<CaseId>().zip(parts.text());
        let (case, serial) = name.ok_or_else(|| malformed(&key, "not an alias"))?;
        over.delete(Family::Index, reverse(&item, &case, &serial));
        over.delete(Family::Records, key);
        touched.serials.insert((case, serial));
        touched.items.insert(item);
    }
    over.delete(Family::Meta, LAST_LINK.to_vec());
    Ok(())
}

fn reverse(item: &ItemKey, case: &CaseId, serial: &str) -> Vec<u8> {
    Key::of(b'a').item(item).text(case.as_str()).text(serial).done()
}

/// Follows one link.
fn lead(over: &mut Overlay<'_>, link: &Link, touched: &mut Touched) -> Result<(), ViewError> {
    let first = find(over, &link.first)?;
    let second = if link.remarked { None } else { find(over, &link.second)? };
    if let (Some(item), Some((case, serial))) = (first, serial_of(&link.second.0))
        && (link.remarked || second.is_some())
    {
        let key = alias_key(case, serial);
        if let Some(before) = record::<ItemKey>(over, Family::Records, &key)? {
            over.delete(Family::Index, reverse(&before, case, serial));
            touched.items.insert(before);
        }
        over.put(Family::Records, key, json(&item));
        over.put(Family::Index, reverse(&item, case, serial), Vec::new());
        touched.serials.insert((case.clone(), serial.to_owned()));
        touched.items.insert(item);
    }
    over.put(Family::Meta, LAST_LINK.to_vec(), json(&link.seq));
    Ok(())
}

/// Finds the item that one side of a link names.
fn find(
    over: &Overlay<'_>,
    (target, place): &(Target, Option<super::reading::LineOf>),
) -> Result<Option<ItemKey>, ViewError> {
    let facts = Facts::new(over)?;
    match target {
        Target::Serial(case, serial) => {
            let items = facts.serial(case, serial)?.items;
            let on = |key: &&ItemKey| {
                place.as_ref().is_none_or(|(c, s, l)| key.case == *c && key.subject == *s && key.line == *l)
            };
            let mut fits = items.keys().filter(on);
            match (fits.next(), fits.next()) {
                (Some(item), None) => Ok(Some(item.clone())),
                (None, _) => Ok(facts.alias(case, serial)?),
                _ => Ok(None),
            }
        }
        Target::Line(case, subject, line) => {
            let line = (case.clone(), subject.clone(), line.clone());
            let item = ItemKey { case: line.0.clone(), subject: line.1.clone(), line: line.2.clone(), serial: None };
            Ok(facts.bulk(&line)?.map(|_| item))
        }
        _ => Ok(None),
    }
}

/// Returns the items that are touched.
fn expand(facts: &mut Facts<'_>, touched: &Touched) -> Result<BTreeSet<ItemKey>, ViewError> {
    let mut items = touched.items.clone();
    let bulk = |(case, subject, line): &super::reading::LineOf| ItemKey {
        case: case.clone(),
        subject: subject.clone(),
        line: line.clone(),
        serial: None,
    };
    for (case, serial) in &touched.serials {
        let found = facts.serial(case, serial)?;
        // what of a line has no serial may lose or get what names a serial of the line
        for (_, _, mention) in &found.mentions {
            if let Some(line) = &mention.described_in
                && fitting(mention, &found.items).is_empty()
            {
                items.insert(bulk(line));
            }
        }
        items.extend(found.items.into_keys());
        items.extend(facts.alias(case, serial)?);
    }
    for line in &touched.described {
        items.insert(bulk(line));
        if facts.is_counted(line)? {
            items.extend(facts.serials_on(&line.0, &line.1, Some(&line.2))?);
        }
    }
    for line in &touched.lines {
        items.insert(bulk(line));
        items.extend(facts.serials_on(&line.0, &line.1, Some(&line.2))?);
    }
    for (case, subject) in &touched.streams {
        items.extend(facts.serials_on(case, subject, None)?);
        items.extend(facts.bulks_of(case, subject)?);
    }
    for (case, number) in &touched.numbers {
        items.extend(facts.bearing(case, number)?);
    }
    Ok(items)
}

/// What finds an item, and what it counts towards.
fn found_by(item: &Item) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let key = &item.description.key;
    let state = item.state.as_str();
    let mut index = vec![Key::of(b't').text(state).item(key).done()];
    let mut counts = vec![Key::of(b'Q').byte(b'c').text(key.case.as_str()).text(state).done()];
    if let Some(number) = &item.description.stock_number {
        index.push(Key::of(b's').text(number).item(key).done());
    }
    if let Some(site) = &item.site {
        index.push(Key::of(b'u').text(site).item(key).done());
    }
    if let Some(holder) = &item.holder {
        index.push(Key::of(b'h').text(holder.as_str()).item(key).done());
        counts.push(Key::of(b'Q').byte(b'h').text(holder.as_str()).text(state).done());
    }
    if item.state.is_held() {
        let (sort, date) = match &item.inspected {
            Some(seen) => (b'i', seen.at),
            None => (b'n', item.since),
        };
        index.push(due::watch_key(&key.case, sort).text(&date.to_string()).item(key).done());
    }
    (index, counts)
}

/// Works out the touched items. Returns the cases whose due inventories may have changed.
fn items(over: &mut Overlay<'_>, touched: &Touched) -> Result<BTreeSet<CaseId>, ViewError> {
    let mut found: Vec<(ItemKey, Option<Item>)> = Vec::new();
    {
        let mut facts = Facts::new(&*over)?;
        let keys = expand(&mut facts, touched)?;
        for key in keys {
            let item = facts.item(&key)?.map(|item| Item { acts: Vec::new(), ..item });
            found.push((key, item));
        }
    }
    let mut cases = BTreeSet::new();
    let mut counts: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    for (key, item) in found {
        let name = Key::of(b'I').item(&key).done();
        let before: Option<Item> = record(over, Family::Records, &name)?;
        if before == item {
            continue;
        }
        let (old, old_counts) = before.as_ref().map(found_by).unwrap_or_default();
        let (new, new_counts) = item.as_ref().map(found_by).unwrap_or_default();
        for gone in old.iter().filter(|key| !new.contains(key)) {
            over.delete(Family::Index, gone.clone());
        }
        for added in new.into_iter().filter(|key| !old.contains(key)) {
            over.put(Family::Index, added, Vec::new());
        }
        old_counts.into_iter().for_each(|key| *counts.entry(key).or_default() -= 1);
        new_counts.into_iter().for_each(|key| *counts.entry(key).or_default() += 1);
        cases.insert(key.case);
        match item {
            Some(item) => over.put(Family::Records, name, json(&item)),
            None => over.delete(Family::Records, name),
        }
    }
    for (key, change) in counts.into_iter().filter(|(_, change)| *change != 0) {
        let before: Option<i64> = record(over, Family::Records, &key)?;
        match before.unwrap_or(0) + change {
            0 => over.delete(Family::Records, key),
            count => over.put(Family::Records, key, json(&count)),
        }
    }
    Ok(cases)
}

/// Works out the touched streams and what is due of them.
fn streams(
    over: &mut Overlay<'_>,
    mut touched: BTreeSet<StreamId>,
    cases: &mut BTreeSet<CaseId>,
) -> Result<(), ViewError> {
    // the terms of a case say when things are due: they come first, and bring what they bear on
    for id in touched.clone().iter().filter(|id| id.subject.ty() == "case") {
        if let Some(case) = &id.case {
            let record = stream::case_record(case, &steps(over, id)?);
            let key = due::case_key(case);
            match record {
                Some(record) => over.put(Family::Records, key, json(&record)),
                None => over.delete(Family::Records, key),
            }
            touched.extend(bearing_on(over, case)?);
            cases.insert(case.clone());
        }
    }
    for id in touched.into_iter().filter(|id| id.subject.ty() != "case") {
        let draws = draws(over, &id)?;
        let found = stream::stream(&id, &steps(over, &id)?, &draws);
        let name = stream_key(&id);
        let before: Option<Stream> = record(over, Family::Records, &name)?;
        let state_key = |stream: &Stream| {
            let key = Key::of(b'w').text(id.subject.ty()).text(stream.state());
            key.case(id.case.as_ref()).text(id.subject.as_str()).done()
        };
        if let Some(before) = &before {
            over.delete(Family::Index, state_key(before));
        }
        match &found {
            Some(found) => {
                over.put(Family::Index, state_key(found), Vec::new());
                over.put(Family::Records, name, json(found));
            }
            None if before.is_some() => over.delete(Family::Records, name),
            None => {}
        }
        due::of_stream(over, &id, found.as_ref())?;
    }
    Ok(())
}

/// Returns the key of what a stream comes to.
pub(super) fn stream_key(id: &StreamId) -> Vec<u8> {
    Key::of(b'W').text(id.subject.ty()).case(id.case.as_ref()).text(id.subject.as_str()).done()
}

fn steps(reads: &dyn Reads, id: &StreamId) -> Result<Vec<Step>, StoreError> {
    let (from, end) = step_key(id).range();
    let mut steps = Vec::new();
    reads.scan(Family::Facts, &from, &end, &mut |key, value| {
        steps.push(decode(key, value)?);
        Ok(true)
    })?;
    Ok(steps)
}

fn draws(reads: &dyn Reads, id: &StreamId) -> Result<Vec<(Seq, Draw)>, StoreError> {
    let mut found = Vec::new();
    let Some(case) = id.case.as_ref().filter(|_| id.subject.ty() == "authorization") else { return Ok(found) };
    let (from, end) = Key::of(b'D').text(case.as_str()).text(id.subject.as_str()).range();
    let start = from.len();
    reads.scan(Family::Facts, &from, &end, &mut |key, value| {
        let seq = Parts::of(&key[start - 1..]).seq().ok_or_else(|| malformed(key, "no seq"))?;
        found.push((seq, decode(key, value)?));
        Ok(true)
    })?;
    Ok(found)
}

/// Returns the streams whose obligations follow from the terms of a case.
fn bearing_on(reads: &dyn Reads, case: &CaseId) -> Result<Vec<StreamId>, StoreError> {
    let mut found = Vec::new();
    let (from, end) = Key::of(b'W').text("consignment").text(case.as_str()).range();
    let start = from.len();
    reads.scan(Family::Records, &from, &end, &mut |key, _| {
        let subject = Parts::of(&key[start - 1..]).parse().ok_or_else(|| malformed(key, "no subject"))?;
        found.push(StreamId { case: Some(case.clone()), subject });
        Ok(true)
    })?;
    let (from, end) = Key::of(b'x').text(case.as_str()).start_of("incident/").range();
    let start = Key::of(b'x').text(case.as_str()).done().len();
    reads.scan(Family::Index, &from, &end, &mut |key, _| {
        let subject = Parts::of(&key[start - 1..]).parse().ok_or_else(|| malformed(key, "no subject"))?;
        found.push(StreamId { case: None, subject });
        Ok(true)
    })?;
    Ok(found)
}
