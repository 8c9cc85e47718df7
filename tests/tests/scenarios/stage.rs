//! A real ledger on which a scenario is played.

use std::collections::{BTreeMap, BTreeSet};

use countersign_ledger::append::SubmitError;
use countersign_ledger::book::{Book, BookBuilder};
use countersign_ledger::disclosure::{SystemSalts, conceal};
use countersign_ledger::event::bodies::kind_info;
use countersign_ledger::event::concealable_members;
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{Seq, StreamId, Subject};
use countersign_ledger::submission::Submission;
use countersign_ledger::time::{Clock, Date, Time};
use countersign_tests::harness::World;
use countersign_tests::harness::draft::{Draft, sign};
use countersign_tests::harness::world::QUORUM;
use serde_json::{Map, Value, json};

use super::body;
use super::file::{Defaults, Event, Expect};

/// The case of events that name none.
pub(crate) const CASE: &str = "case-a";
/// When it is opened.
const OPENED: &str = "2026-10-01";

/// What is known of a recorded event.
#[derive(Debug, Clone)]
struct Told {
    seq: Seq,
    event: EventHash,
    kind: String,
    subject: String,
    case: Option<String>,
    by: Vec<String>,
}

/// A ledger with the parties of `defaults.toml`, and the events that were recorded by name.
pub(crate) struct Stage<'a> {
    world: World,
    defaults: &'a Defaults,
    told: BTreeMap<String, Told>,
    names: BTreeMap<Seq, String>,
    /// Whether everything that may be concealed is, whatever the scenario says.
    concealing: bool,
}

/// The date or time that a scenario gives; a date is noon, or with `last` the end of the day.
pub(crate) fn instant(text: &str, last: bool) -> Time {
    let hour = if last { "T23:59:59.999Z" } else { "T12:00:00.000Z" };
    let date = || text.parse::<Date>().map(|date| format!("{date}{hour}").parse::<Time>());
    text.parse::<Time>().ok().or_else(|| date().ok()?.ok()).unwrap_or_else(|| panic!("{text}: neither date nor time"))
}

impl<'a> Stage<'a> {
    /// Sets the stage: parties, and the case.
    pub(crate) fn set(defaults: &'a Defaults, case: &[&Map<String, Value>]) -> Self {
        let world = World::with_policy(&json!({}));
        for (party, capacities) in &defaults.parties {
            let capacities: Vec<&str> = capacities.iter().map(String::as_str).collect();
            world.enroll(party, &capacities);
        }
        let mut body = Map::new();
        for (name, value) in case.iter().flat_map(|members| members.iter()) {
            body.insert(name.clone(), value.clone());
        }
        let opened: Event =
            serde_json::from_value(json!({ "id": "opened", "on": OPENED, "kind": "case.opened" })).unwrap();
        let mut stage = Self { world, defaults, told: BTreeMap::new(), names: BTreeMap::new(), concealing: false };
        stage.play(&Event { body, ..opened });
        stage
    }

    /// Records an event, or has it refused.
    pub(crate) fn play(&mut self, said: &Event) {
        let name = said.id.clone().unwrap_or_else(|| said.kind.clone());
        self.wind(said);
        let (draft, by) = self.draft(said);
        let mut draft = draft;
        let mut pointers: Vec<String> = said.conceal.iter().map(|pointer| format!("/body{pointer}")).collect();
        if self.concealing {
            let members = concealable_members(&draft.kind);
            pointers = members.iter().flat_map(|pattern| places(&draft.body, "/body", &pattern[5..])).collect();
        }
        if !pointers.is_empty() {
            let (body, disclosures) = conceal(&draft.body, &pointers, &mut SystemSalts).unwrap();
            (draft.body, draft.disclosures) = (body, disclosures);
        }
        let keys: Vec<String> = by.iter().flat_map(|who| keys_of(who)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let payload = self.payload(&draft, said);
        let submission = Submission { envelope: sign(&payload, &keys), disclosures: draft.disclosures.clone() };
        match (self.world.ledger.submit(submission), &said.refused) {
            (Ok(recorded), None) => {
                let told = Told {
                    seq: recorded.seq,
                    event: recorded.event,
                    kind: draft.kind,
                    subject: draft.subject,
                    case: draft.case,
                    by,
                };
                self.names.insert(told.seq, name.clone());
                assert!(
                    self.told.insert(name.clone(), told).is_none(),
                    "two events are called {name}: give them an id"
                );
            }
            (Err(SubmitError::Refused(refusal)), Some(code)) => {
                assert_eq!(refusal.code.as_str(), code, "{name}: {refusal}");
            }
            (Ok(_), Some(code)) => panic!("{name} should be refused with {code}, and was recorded"),
            (Err(error), _) => panic!("{name} should be recorded: {error}\n{payload:#}"),
        }
    }

    /// Conceals from now on everything that may be concealed.
    pub(crate) fn conceal_all(&mut self) {
        self.concealing = true;
    }

    /// The entries, each with how many disclosures it has.
    pub(crate) fn disclosures(&self) -> Vec<(Seq, usize)> {
        let seqs = (0..self.world.ledger.head().size.0).map(Seq);
        seqs.map(|seq| (seq, self.world.store.disclosures(seq).unwrap().len())).collect()
    }

    /// The book as of an instant, of the entries before `end`, with some of the disclosures.
    pub(crate) fn book_of(&self, as_of: Time, end: u64, keep: &dyn Fn(Seq, usize) -> bool) -> Book {
        let mut builder = BookBuilder::new(as_of);
        for seq in (0..self.world.ledger.head().size.0.min(end)).map(Seq) {
            let entry = self.world.ledger.entry(seq).unwrap().unwrap();
            let all = self.world.store.disclosures(seq).unwrap();
            let kept: Vec<String> =
                all.into_iter().enumerate().filter(|(i, _)| keep(seq, *i)).map(|(_, one)| one).collect();
            builder.add(&entry, &kept).unwrap();
        }
        builder.finish()
    }

    /// When each entry was recorded.
    pub(crate) fn times(&self) -> Vec<Time> {
        let seqs = (0..self.world.ledger.head().size.0).map(Seq);
        seqs.map(|seq| self.world.ledger.entry(seq).unwrap().unwrap().time).collect()
    }

    /// Moves the clock to when the event is recorded.
    fn wind(&self, said: &Event) {
        let now = self.world.clock.now();
        let then = said.on.as_ref().map_or_else(|| now.plus_millis(60_000), |on| instant(on, false));
        let then = if then.utc_date() == now.utc_date() && then <= now { now.plus_millis(60_000) } else { then };
        assert!(then > now, "{:?} is recorded on {then}, before what stands above it ({now})", said.id);
        self.world.clock.forward(then.unix_millis() - now.unix_millis());
    }

    fn draft(&self, said: &Event) -> (Draft, Vec<String>) {
        let corrected = said.corrects.as_ref().map(|name| self.find(name));
        let defaults = body::of_kind(&self.defaults.kinds, &said.kind);
        let event = |name: &str| self.find(name).event.to_string();
        let mut more = json!({});
        let mut body = if said.kind == "case.opened" {
            let mut members = self.defaults.case.clone();
            members.extend(said.body.clone());
            body::complete(&members, defaults, &event)
        } else {
            body::complete(&said.body, defaults, &event)
        };
        let mut by = said.by.clone().unwrap_or_else(|| defaults.by.clone());
        if let Some(corrected) = corrected {
            more["corrects"] = json!(corrected.event);
            if by.is_empty() {
                by.clone_from(&corrected.by);
            }
            let reason = if body.get("replacement").is_some() { "incorrect_data" } else { "did_not_occur" };
            if body.get("reason").is_none() {
                body["reason"] = json!(reason);
            }
            if let Some(replacement) = said.body.get("replacement").and_then(Value::as_object) {
                let of = body::of_kind(&self.defaults.kinds, &corrected.kind);
                body["replacement"] = body::complete(replacement, of, &event);
            }
        }
        let author = by.first().unwrap_or_else(|| panic!("nobody signs {:?}", said.id));
        let author = author.split('/').next().unwrap_or(author).to_owned();
        let (case, subject) = match corrected {
            Some(corrected) => (corrected.case.clone(), corrected.subject.clone()),
            None => place(said, &author, &body),
        };
        let draft = Draft { kind: said.kind.clone(), subject, case, author, body, more, disclosures: Vec::new() };
        (draft, by)
    }

    fn payload(&self, draft: &Draft, said: &Event) -> Value {
        let mut payload = self.world.payload(draft);
        let today = self.world.clock.now().utc_date();
        payload["occurred"] = match &said.occurred {
            None => json!({ "date": today }),
            Some(Value::String(text)) if text == "unknown" => json!({ "unknown": "nobody wrote it down" }),
            Some(Value::String(text)) if text.parse::<Date>().is_ok() => json!({ "date": text }),
            Some(Value::String(text)) => json!({ "at": text }),
            Some(as_it_is) => as_it_is.clone(),
        };
        match said.after.as_deref() {
            None => {}
            Some("none") => payload["after"] = Value::Null,
            Some(name) => payload["after"] = json!(self.find(name).event),
        }
        if !said.evidence.is_empty() {
            let files = said.evidence.iter().map(|name| {
                let sha256 = countersign_ledger::hash::sha256(&[name.as_bytes()]);
                json!({ "sha256": hex::encode(sha256), "size": 1, "media_type": "image/jpeg", "name": name })
            });
            payload["evidence"] = files.collect();
        }
        payload
    }

    fn find(&self, name: &str) -> &Told {
        let name = name.strip_prefix('@').unwrap_or(name);
        self.told.get(name).unwrap_or_else(|| panic!("no event above is called {name}"))
    }

    /// How the scenario calls an entry.
    pub(crate) fn name(&self, seq: Seq) -> String {
        self.names.get(&seq).cloned().unwrap_or_else(|| format!("#{seq}"))
    }

    /// The book of an expectation.
    pub(crate) fn book(&self, wanted: &Expect) -> Book {
        let Expect { as_of, withhold, leave_out, complete, .. } = wanted;
        let seqs = |names: &[String]| -> BTreeSet<Seq> {
            let named = names.iter().filter(|name| *name != "all");
            named.map(|name| self.find(name).seq).collect()
        };
        let all = withhold.iter().any(|name| name == "all");
        let (withheld, left_out) = (seqs(withhold), seqs(leave_out));
        let mut builder = BookBuilder::new(instant(as_of, true));
        for seq in (0..self.world.ledger.head().size.0).map(Seq).filter(|seq| !left_out.contains(seq)) {
            let entry = self.world.ledger.entry(seq).unwrap().unwrap();
            let concealed = all || withheld.contains(&seq);
            let disclosures = if concealed { Vec::new() } else { self.world.store.disclosures(seq).unwrap() };
            builder.add(&entry, &disclosures).unwrap();
        }
        for shown in complete {
            match shown.parse::<Subject>() {
                Ok(subject) => builder.shows_stream(StreamId { case: Some(CASE.parse().unwrap()), subject }),
                Err(_) => builder.shows_case(Some(shown.parse().unwrap())),
            }
        }
        builder.finish()
    }
}

/// The places in a body that a pattern with `*` for elements means.
fn places(value: &Value, at: &str, pattern: &str) -> Vec<String> {
    let Some(rest) = pattern.strip_prefix('/') else { return vec![at.to_owned()] };
    let (token, below) = rest.find('/').map_or((rest, ""), |cut| rest.split_at(cut));
    match value {
        Value::Array(elements) if token == "*" => {
            let each = elements.iter().enumerate();
            each.flat_map(|(i, element)| places(element, &format!("{at}/{i}"), below)).collect()
        }
        Value::Object(members) => {
            members.get(token).map(|member| places(member, &format!("{at}/{token}"), below)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Whether this version reads the kinds of some events; else the first that it does not.
pub(crate) fn unread<'e>(mut events: impl Iterator<Item = &'e Event>) -> Option<&'e str> {
    events.find(|said| kind_info(&said.kind).is_none()).map(|said| said.kind.as_str())
}

fn keys_of(who: &str) -> Vec<String> {
    match who {
        "governance" => QUORUM.map(str::to_owned).into(),
        who if who.contains('/') => vec![who.to_owned()],
        who => vec![format!("{who}/0")],
    }
}

/// Where an event goes that does not say so.
fn place(said: &Event, author: &str, body: &Value) -> (Option<String>, String) {
    let info = kind_info(&said.kind).unwrap();
    let ty = info.subject_type.unwrap_or("statement");
    let needs_case = info.case == countersign_ledger::rule::CaseUse::Required;
    let case = needs_case.then(|| said.case.clone().unwrap_or_else(|| CASE.to_owned()));
    let subject = said.subject.clone().unwrap_or_else(|| match ty {
        "ledger" => "ledger/self".to_owned(),
        "party" => format!("party/{}", body["party"].as_str().unwrap_or(author)),
        "case" => format!("case/{}", case.as_deref().unwrap_or(CASE)),
        ty if !needs_case => format!("{ty}/{author}.1"),
        ty => format!("{ty}/1"),
    });
    (case, subject)
}
