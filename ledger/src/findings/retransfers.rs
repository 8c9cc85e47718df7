//! Retransfers and end use: consent, its end, and who may use what (DOMAIN §4, §5).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::consents::Consents;
use super::desk::{Desk, count, finding};
use super::{Assessment, Code, Finding, Obligation};
use crate::event::scalars::Quantity;
use crate::facts::statement::array;
use crate::facts::{Act, Amount, Extract, ItemKey, Mention, Statement, Target, extract};
use crate::id::{Author, CaseId, PartyId, Seq, StreamId};
use crate::time::Date;

/// Applies the rules.
pub(super) fn assess(desk: &Desk<'_>, out: &mut Assessment) {
    for case in desk.book.cases() {
        let permitted = Permitted::of(desk, case);
        for stream in desk.book.streams(Some(case), "authorization") {
            authorized_users(desk, case, stream, &permitted, out);
        }
        for stream in desk.book.streams(Some(case), "retransfer") {
            retransfer(desk, case, stream, &permitted, out);
        }
    }
}

/// The end users that a case permits, as of each of its statements that says so.
struct Permitted<'a>(Vec<(Seq, Vec<&'a str>)>);

impl<'a> Permitted<'a> {
    fn of(desk: &Desk<'a>, case: &CaseId) -> Self {
        let stream = StreamId { case: Some(case.clone()), subject: super::checks::case_subject(case) };
        let lists = desk.book.stream(&stream).filter_map(|s| {
            let list = s.body.get("permitted_end_users")?.as_array()?;
            Some((s.seq, list.iter().filter_map(Value::as_str).collect()))
        });
        Self(lists.collect())
    }

    /// Tells whether one of some names was permitted when an entry was recorded, or has been since.
    fn permits(&self, names: &[&str], seq: Seq) -> bool {
        let in_force = self.0.partition_point(|(at, _)| *at <= seq).saturating_sub(1);
        let same = |a: &str, b: &str| a.trim().to_lowercase() == b.trim().to_lowercase();
        self.0[in_force.min(self.0.len())..]
            .iter()
            .flat_map(|(_, list)| list)
            .any(|one| names.iter().any(|name| same(one, name)))
    }
}

fn authorized_users(
    desk: &Desk<'_>,
    case: &CaseId,
    stream: &StreamId,
    permitted: &Permitted<'_>,
    out: &mut Assessment,
) {
    for statement in desk.book.stream(stream).filter(|s| s.kind.as_str() == "transfer.authorized") {
        let user = statement.text("end_user");
        if user.is_some_and(|user| permitted.permits(&[user], statement.seq)) {
            continue;
        }
        let named = user.unwrap_or("an end user that is not disclosed");
        let detail = format!("entry {} authorizes for {named}, whom the case does not permit", statement.seq);
        let (since, code) = (statement.recorded(), Code::EndUserNotPermitted);
        let found = finding(code, Some(case), &stream.subject, since, [statement.seq], detail);
        let veil = if user.is_none() { vec![statement.seq] } else { Vec::new() };
        desk.raise(out, found, veil, true);
    }
}

/// A request with the decisions about it.
#[derive(Debug)]
struct Request<'a> {
    /// `None` for decisions that follow no request.
    asked: Option<&'a Statement>,
    granted: Vec<&'a Statement>,
    denied: Vec<&'a Statement>,
}

impl Request<'_> {
    /// Returns the last date on which what was asked for holds: the end of a temporary one, or the last on which its
    /// consent does.
    fn ends(&self) -> Option<Date> {
        let asked = self.asked?;
        let temporary = asked.body.get("temporary").and_then(Value::as_bool) == Some(true);
        let expires = self.granted.iter().filter_map(|granted| granted.get::<Date>("expires")).max();
        asked.get("ends").or(expires).filter(|_| temporary)
    }
}

/// Reads the requests of a stream: each decision is about the latest request before it.
fn requests<'a>(desk: &Desk<'a>, stream: &StreamId, [asks, decides]: [&str; 2]) -> Vec<Request<'a>> {
    let mut requests: Vec<Request<'a>> = Vec::new();
    for statement in desk.book.stream(stream) {
        let kind = statement.kind.as_str();
        if kind == asks {
            requests.push(Request { asked: Some(statement), granted: Vec::new(), denied: Vec::new() });
        } else if kind == decides {
            if requests.is_empty() {
                requests.push(Request { asked: None, granted: Vec::new(), denied: Vec::new() });
            }
            let Some(request) = requests.last_mut() else { continue };
            match statement.text("decision") {
                Some("granted") => request.granted.push(statement),
                _ => request.denied.push(statement),
            }
        }
    }
    requests
}

fn retransfer(desk: &Desk<'_>, case: &CaseId, stream: &StreamId, permitted: &Permitted<'_>, out: &mut Assessment) {
    let changes = requests(desk, stream, ["end_use_change.requested", "end_use_change.decided"]);
    let asked = requests(desk, stream, ["retransfer.requested", "retransfer.decided"]);
    conflicts(desk, case, stream, asked.iter().chain(&changes), out);
    let of = |kind: &str| -> Vec<&Statement> { desk.book.stream(stream).filter(|s| s.kind.as_str() == kind).collect() };
    let (executed, ended) = (of("retransfer.executed"), of("retransfer.ended"));
    let mut without: Vec<(Finding, Vec<Seq>)> = Vec::new();
    let mut consents = granted(desk, &asked);
    let mut acts: Vec<&Statement> = executed.iter().chain(&ended).copied().collect();
    acts.sort_by_key(|act| (act.by(), act.seq));
    for act in acts {
        if act.kind.as_str() == "retransfer.ended" {
            if let Some(holder) = holder_of(desk, act) {
                consents.give_back(act, &holder);
            }
            continue;
        }
        let names = names_of(desk, act, &asked);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let consented = consent(desk, case, act, &asked, &mut consents);
        if !consented.given && !permitted.permits(&names, act.seq) {
            let holder = act.text("new_holder").unwrap_or_default();
            let detail = format!("items went to {holder}, whom neither the case nor a consent permits");
            let code = Code::EndUserNotPermitted;
            let found = finding(code, Some(case), &stream.subject, act.by(), [act.seq], detail);
            desk.raise(out, found, hidden_name(&asked), true);
        }
        match consented.fault {
            Some(Fault::Without(why, items)) => {
                let code = Code::RetransferWithoutConsent;
                let mut found = finding(code, Some(case), &stream.subject, act.by(), [act.seq], why);
                found.items = items;
                without.push((found, consented.veil));
            }
            Some(Fault::Expired(expires, seq)) => {
                let detail = format!("consent expired on {expires}, and was used on {}", act.by());
                let since = expires.plus_days(1);
                let mut found =
                    finding(Code::ConsentExpired, Some(case), &stream.subject, since, [act.seq, seq], detail);
                found.due = Some(expires);
                desk.raise(out, found, consented.veil, true);
            }
            None => {}
        }
    }
    merge(desk, without, out);
    still_there(desk, case, stream, &asked, &executed, &ended, out);
}

/// Raises what was executed without consent in a stream as one finding; what is sure apart from what is not.
fn merge(desk: &Desk<'_>, all: Vec<(Finding, Vec<Seq>)>, out: &mut Assessment) {
    let (veiled, sure): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, veil)| !veil.is_empty());
    let mut sure = sure.into_iter().map(|(found, _)| found);
    if let Some(mut first) = sure.next() {
        for found in sure {
            first.since = first.since.min(found.since);
            first.items.extend(found.items);
            first.entries.extend(found.entries);
        }
        first.items.sort_unstable();
        first.items.dedup();
        first.entries.sort_unstable();
        first.entries.dedup();
        desk.raise(out, first, Vec::new(), true);
    }
    for (found, veil) in veiled {
        desk.raise(out, found, veil, true);
    }
}

/// Returns what a new holder is called: by its id, its name in the ledger, and the names that requests give it.
fn names_of(desk: &Desk<'_>, act: &Statement, asked: &[Request<'_>]) -> Vec<String> {
    let mut names: Vec<String> = act.text("new_holder").map(str::to_owned).into_iter().collect();
    let party = act.text("new_holder").and_then(|party| desk.book.authority().party(party));
    names.extend(party.map(|party| party.name.clone()));
    let asked = asked.iter().filter_map(|request| request.asked);
    let same = asked.filter(|asked| asked.text("new_holder") == act.text("new_holder"));
    names.extend(same.filter_map(|asked| asked.text("new_holder_name")).map(str::to_owned));
    names
}

/// Returns the requests that may conceal the new holder's name.
fn hidden_name(asked: &[Request<'_>]) -> Vec<Seq> {
    let asked = asked.iter().filter_map(|request| request.asked);
    asked.filter(|s| s.conceals("/body") && s.text("new_holder_name").is_none()).map(|s| s.seq).collect()
}

fn conflicts<'a>(
    desk: &Desk<'_>,
    case: &CaseId,
    stream: &StreamId,
    requests: impl Iterator<Item = &'a Request<'a>>,
    out: &mut Assessment,
) {
    let both: Vec<&Request<'_>> =
        requests.filter(|request| !request.granted.is_empty() && !request.denied.is_empty()).collect();
    let decisions = both.iter().flat_map(|request| request.granted.iter().chain(&request.denied));
    let seqs: BTreeSet<Seq> = decisions.clone().map(|decision| decision.seq).collect();
    // it conflicts from when the later of a pair was recorded
    let later = |request: &&Request<'_>| {
        let first = |all: &[&Statement]| all.iter().map(|s| s.recorded()).min();
        first(&request.granted).max(first(&request.denied))
    };
    let Some(since) = both.iter().filter_map(later).min() else { return };
    let detail = "a request was granted and denied; the denial prevails".to_owned();
    let found = finding(Code::ConflictingDecisions, Some(case), &stream.subject, since, seqs, detail);
    desk.raise(out, found, Vec::new(), true);
}

/// Returns the new holder that a statement names, or who acts for it now.
fn holder_of(desk: &Desk<'_>, statement: &Statement) -> Option<Author> {
    statement.get::<PartyId>("new_holder").map(|party| desk.book.acting(&Author::Party(party)))
}

/// Returns what the requests that were granted allow.
fn granted<'a>(desk: &'a Desk<'a>, asked: &[Request<'_>]) -> Consents<'a> {
    let mut consents = Consents::new(desk);
    for request in asked.iter().filter(|request| request.denied.is_empty() && !request.granted.is_empty()) {
        let Some((asked, holder)) = request.asked.and_then(|asked| Some((asked, holder_of(desk, asked)?))) else {
            continue;
        };
        let ends: Option<Vec<Date>> = request.granted.iter().map(|decision| decision.get("expires")).collect();
        consents.grant(asked, &holder, ends.and_then(|ends| ends.into_iter().max()));
    }
    consents
}

/// Why a retransfer lacks consent.
enum Fault {
    Without(String, Vec<ItemKey>),
    Expired(Date, Seq),
}

/// What there is of consent to an act.
struct Consent {
    /// Somebody consented to this holder, and nobody denied.
    given: bool,
    fault: Option<Fault>,
    /// Entries that conceal what may matter.
    veil: Vec<Seq>,
}

fn consent(
    desk: &Desk<'_>,
    case: &CaseId,
    act: &Statement,
    asked: &[Request<'_>],
    consents: &mut Consents<'_>,
) -> Consent {
    let without = |given, why: &str, items, veil| {
        let why = format!("entry {}: {why}", act.seq);
        Consent { given, fault: Some(Fault::Without(why, items)), veil }
    };
    let all = |desk: &Desk<'_>| items_of(desk, &extract(act).mentions);
    if desk.book.case_member(case, "retransfer").and_then(Value::as_str) == Some("prohibited") {
        return without(false, "the case prohibits retransfer", all(desk), Vec::new());
    }
    let holder = holder_of(desk, act);
    let asks = |request: &&Request<'_>| request.asked.and_then(|asked| holder_of(desk, asked)) == holder;
    let granted: Vec<&Request<'_>> =
        asked.iter().filter(asks).filter(|request| request.denied.is_empty() && !request.granted.is_empty()).collect();
    if granted.is_empty() {
        let denied = asked.iter().filter(asks).any(|request| !request.denied.is_empty());
        let why = if denied { "consent was denied" } else { "nobody consented to this holder" };
        return without(false, why, all(desk), Vec::new());
    }
    // consent that came after it is none for it
    let date = act.by();
    let given = |request: &&&Request<'_>| request.granted.iter().any(|decision| decision.by() <= date);
    let before: Vec<&&Request<'_>> = granted.iter().filter(given).collect();
    if before.is_empty() {
        return without(true, "consent was given later", all(desk), Vec::new());
    }
    let expired = |request: &Request<'_>| {
        request
            .granted
            .iter()
            .map(|decision| {
                let expires = decision.get::<Date>("expires");
                expires
                    .filter(|expires| act.happened().is_some_and(|(first, _)| first > *expires))
                    .map(|date| (date, decision.seq))
            })
            .min()
            .flatten()
    };
    let live: Vec<&&&Request<'_>> = before.iter().filter(|request| expired(request).is_none()).collect();
    if live.is_empty() {
        let fault =
            before.iter().filter_map(|request| expired(request)).max().map(|(date, seq)| Fault::Expired(date, seq));
        return Consent { given: true, fault, veil: Vec::new() };
    }
    let before: Vec<&Request<'_>> = before.iter().map(|request| **request).collect();
    let live: Vec<&Request<'_>> = live.iter().map(|request| ***request).collect();
    let Some(holder) = holder else { return Consent { given: true, fault: None, veil: Vec::new() } };
    covered(desk, act, &holder, [&before, &live], consents)
}

/// Compares what was executed with what was asked for and granted, and is not used up.
fn covered(
    desk: &Desk<'_>,
    act: &Statement,
    holder: &Author,
    [before, live]: [&[&Request<'_>]; 2],
    consents: &mut Consents<'_>,
) -> Consent {
    // what a request conceals, or something that came back, may cover it
    let asked = before.iter().filter_map(|request| request.asked);
    let mut veil: Vec<Seq> = asked.filter(|asked| !extract(asked).concealed.is_empty()).map(|s| s.seq).collect();
    veil.extend(&consents.hidden);
    let live: BTreeSet<Seq> = live.iter().filter_map(|request| Some(request.asked?.seq)).collect();
    let done = extract(act);
    if !done.concealed.is_empty() {
        veil.push(act.seq);
    }
    // what conceals its serials may name what was asked for
    let shown = done.mentions.iter().filter(|mention| !matches!(mention.amount, Amount::Concealed));
    let beyond: Vec<Mention> = shown.filter(|mention| !consents.take(mention, &live, holder)).cloned().collect();
    let fault = |why, items| Some(Fault::Without(format!("entry {}: {why}", act.seq), items));
    let fault = match beyond.len() {
        0 if done.concealed.is_empty() => None,
        0 => fault("which items it names is not disclosed".to_owned(), Vec::new()),
        n => {
            let why = format!("{} beyond what was asked for and consented to", count(n, "item", "items"));
            fault(why, items_of(desk, &beyond))
        }
    };
    Consent { given: true, fault, veil }
}

fn amount(mention: &Mention) -> Option<Quantity> {
    match &mention.amount {
        Amount::Some(quantity, _) => Some(*quantity),
        Amount::One => Quantity::whole(1),
        Amount::All | Amount::Concealed => None,
    }
}

/// Returns every way in which a request can name what a statement does: the item, its line, its stock number.
pub(super) fn targets(desk: &Desk<'_>, mention: &Mention) -> Vec<Target> {
    let mut targets = vec![mention.target.clone()];
    let case = mention.target.case();
    if let Some((case, subject, line)) = &mention.described_in {
        targets.push(Target::Line(case.clone(), subject.clone(), line.clone()));
    }
    targets.extend(mention.stock_number.iter().map(|number| Target::Stock(case.clone(), number.clone())));
    if let Target::Serial(case, serial) = &mention.target {
        for item in desk.book.items().of_serial(case, serial) {
            let of = &item.description;
            targets.push(Target::Line(of.key.case.clone(), of.key.subject.clone(), of.key.line.clone()));
            let numbers = [&of.stock_number, &of.part_number, &of.lot].into_iter().flatten();
            targets.extend(numbers.map(|number| Target::Stock(case.clone(), number.clone())));
        }
    }
    targets
}

/// Returns the items that some mentions name.
fn items_of(desk: &Desk<'_>, mentions: &[Mention]) -> Vec<ItemKey> {
    let items = desk.book.items();
    let mut keys: Vec<ItemKey> = Vec::new();
    for mention in mentions {
        match &mention.target {
            Target::Serial(case, serial) => {
                let on = |key: &ItemKey| {
                    let of = |(case, subject, line): &(CaseId, crate::id::Subject, String)| {
                        key.case == *case && key.subject == *subject && key.line == *line
                    };
                    mention.described_in.as_ref().is_none_or(of)
                };
                keys.extend(
                    items.of_serial(case, serial).map(|item| &item.description.key).filter(|key| on(key)).cloned(),
                );
            }
            Target::Line(case, subject, line) => {
                let bulk = items.of_line(case, subject, line).filter(|item| item.tally.is_some());
                keys.extend(bulk.map(|item| item.description.key.clone()));
            }
            Target::Stream(..) | Target::Stock(..) => {}
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Finds what is with another holder beyond the end of a temporary retransfer.
fn still_there(
    desk: &Desk<'_>,
    case: &CaseId,
    stream: &StreamId,
    asked: &[Request<'_>],
    executed: &[&Statement],
    ended: &[&Statement],
    out: &mut Assessment,
) {
    let held = |request: &&Request<'_>| request.denied.is_empty() && !request.granted.is_empty();
    let Some(latest) = asked.iter().rfind(held) else { return };
    let (Some(ends), Some(request)) = (latest.ends(), latest.asked) else { return };
    let Some(first) = executed.first() else { return };
    let (there, veil) = remaining(desk, executed, ended);
    if there.is_empty() && veil.is_empty() {
        return;
    }
    if desk.over(ends) {
        let detail = format!(
            "a temporary retransfer was to end on {ends}; {} not back",
            count(there.len(), "item is", "items are")
        );
        let entries = executed.iter().map(|act| act.seq).chain([request.seq]);
        let mut found = finding(Code::ConsentExpired, Some(case), &stream.subject, ends.plus_days(1), entries, detail);
        found.due = Some(ends);
        found.items = items_of(desk, &there);
        // what is certainly there is, whatever else is concealed
        desk.raise(out, found, veil, true);
    } else {
        out.obligations.push(Obligation {
            due: ends,
            code: Code::ConsentExpired,
            case: Some(case.clone()),
            subject: stream.subject.clone(),
            started: first.seq,
            from: first.by(),
            what: "end the temporary retransfer".to_owned(),
        });
    }
}

/// Returns what went and is not said to have come back, and entries that conceal some of it.
fn remaining(desk: &Desk<'_>, executed: &[&Statement], ended: &[&Statement]) -> (Vec<Mention>, Vec<Seq>) {
    let mut veil = Vec::new();
    let mut read = |statements: &[&Statement]| -> Vec<Mention> {
        let mut mentions = Vec::new();
        for statement in statements {
            let Extract { mentions: of, concealed, .. } = extract(statement);
            if !concealed.is_empty() || (of.is_empty() && !array(&statement.body, "items").is_empty()) {
                veil.push(statement.seq);
            }
            mentions.extend(of);
        }
        mentions
    };
    let (went, back) = (read(executed), read(ended));
    let mut returned: BTreeMap<&Target, Quantity> = BTreeMap::new();
    for mention in &back {
        let sum = returned.entry(&mention.target).or_default();
        *sum = amount(mention).and_then(|amount| sum.checked_add(amount)).unwrap_or(*sum);
    }
    let mut there = Vec::new();
    for mention in &went {
        let came = returned.get(&mention.target).copied().unwrap_or_default();
        let back = amount(mention).is_some_and(|amount| came >= amount);
        if !back && !matches!(mention.amount, Amount::Concealed) && !accounted(desk, mention) {
            there.push(mention.clone());
        }
    }
    (there, veil)
}

/// Tells whether an item is known not to be with the other holder any more: at its end, or lost.
fn accounted(desk: &Desk<'_>, mention: &Mention) -> bool {
    let Target::Serial(case, serial) = &mention.target else { return false };
    let mut items = desk.book.items().of_serial(case, serial).filter(|item| {
        item.acts.iter().any(|act| act.seq == mention.seq && matches!(act.act, Act::Retransferred { .. }))
    });
    items.any(|item| item.state.is_terminal() || item.state.is_gone())
}
