//! Views against the book, on random histories: the same items, the same bytes however they came about.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_ledger::append::SubmitError;
use countersign_ledger::book::{Book, BookBuilder};
use countersign_ledger::entry::Entry;
use countersign_ledger::hash::EventHash;
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::store::{Store, StoreError};
use countersign_ledger::views::kv::{Changes, Family, Kv, Reads};
use countersign_ledger::views::memory::MemoryKv;
use countersign_ledger::views::{Fit, Readers, Views};
use serde_json::{Value, json};
use support::{World, draft};

const CASE: &str = "us-dsca.x1";
const ALL: [&str; 3] = ["us-dsca/0", "xa-mod/0", "eu-obs/0"];

/// Random numbers that are the same for the same seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % sides
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }

    fn chance(&mut self, of: usize) -> bool {
        self.roll(of) == 0
    }
}

/// A history in the making.
struct Story {
    world: World,
    dice: Dice,
    /// What may be corrected or spoken of: kind, subject, case, event, who signed.
    said: Vec<(&'static str, String, Option<&'static str>, EventHash, Vec<&'static str>)>,
    refused: BTreeMap<String, usize>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let world = World::with_case();
        Self { world, dice: Dice::new(seed), said: Vec::new(), refused: BTreeMap::new() }
    }

    fn say(
        &mut self,
        kind: &'static str,
        subject: &str,
        case: Option<&'static str>,
        author: &'static str,
        body: Value,
    ) {
        self.say_with(kind, subject, case, author, body, json!({}), None);
    }

    #[allow(clippy::too_many_arguments)]
    fn say_with(
        &mut self,
        kind: &'static str,
        subject: &str,
        case: Option<&'static str>,
        author: &'static str,
        body: Value,
        more: Value,
        signers: Option<Vec<&'static str>>,
    ) {
        self.world.clock.forward(1_000 + 3_600_000 * i64::try_from(self.dice.roll(48)).unwrap());
        let own: &'static str = ALL.iter().find(|key| key.split('/').next() == Some(author)).unwrap();
        let sets = match signers {
            Some(signers) => vec![signers],
            None => vec![vec![own], vec!["us-dsca/0", "xa-mod/0"], vec!["xa-mod/0", "eu-obs/0"], ALL.to_vec()],
        };
        let mut why = String::new();
        for keys in sets {
            if !keys.contains(&own) {
                continue;
            }
            let draft = draft(kind, subject, case, author, body.clone()).with(more.clone());
            match self.world.say(draft, &keys) {
                Ok(recorded) => return self.said.push((kind, subject.to_owned(), case, recorded.event, keys)),
                Err(SubmitError::Refused(refusal)) => why = format!("{kind}: {refusal}"),
                Err(error) => panic!("{kind}: {error}"),
            }
        }
        *self.refused.entry(why).or_default() += 1;
    }

    fn consignment(&mut self) -> String {
        format!("consignment/c{}", self.dice.roll(3))
    }

    fn serials(&mut self, most: usize) -> Vec<String> {
        let count = 1 + self.dice.roll(most);
        let mut found: Vec<String> = (0..count).map(|_| format!("SYN-{:02}", self.dice.roll(9))).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn number(&mut self) -> &'static str {
        self.dice.one(&["5855-01-534-5931", "2320-01-107-7155"])
    }

    fn line(&mut self, number: &str) -> Value {
        let mut line = json!({
            "line": number, "nomenclature": "A THING", "quantity": (2 + self.dice.roll(9)).to_string(),
            "unit": self.dice.one(&["EA", "EA", "BX"]),
        });
        if self.dice.chance(2) {
            line["nsn"] = json!(self.number());
        }
        if self.dice.chance(4) {
            line["part_number"] = json!("P-1");
        }
        if self.dice.chance(2) {
            line["serials"] = json!(self.serials(4));
        }
        line
    }

    fn lines(&mut self) -> Vec<Value> {
        let numbers: &[&str] = self.dice.one(&[&["1"][..], &["2"], &["1", "2"], &["3"]]);
        numbers.iter().map(|number| self.line(number)).collect()
    }

    fn part(&mut self, body: &mut Value) {
        if self.dice.chance(4) {
            body["part"] = json!(1 + self.dice.roll(3));
            body["last"] = json!(self.dice.chance(2));
        }
    }

    fn reference(&mut self) -> Value {
        let subject = if self.dice.chance(4) { "holding/h0".to_owned() } else { self.consignment() };
        json!({ "subject": subject, "line": self.dice.one(&["1", "2", "3"]) })
    }

    fn item(&mut self) -> Value {
        let mut item = if self.dice.chance(3) {
            let mut item = json!({ "quantity": (1 + self.dice.roll(4)).to_string(), "unit": "EA" });
            match self.dice.roll(3) {
                0 => item["nsn"] = json!(self.number()),
                1 => item["part_number"] = json!("P-1"),
                _ => item["described_in"] = self.reference(),
            }
            item
        } else {
            let mut item = json!({ "serials": self.serials(3) });
            if self.dice.chance(2) {
                item["described_in"] = self.reference();
            }
            item
        };
        if self.dice.chance(5) {
            item["nsn"] = json!(self.number());
        }
        item
    }

    fn checked(&mut self) -> Value {
        let mut item = self.item();
        item["state"] = json!(self.dice.one(&["in_custody", "in_custody", "not_found", "expended", "lost"]));
        item["grade"] = json!(self.dice.one(&["sighted", "scanned", "not_seen"]));
        item
    }

    fn received(&mut self) -> Value {
        let numbers: &[&str] = self.dice.one(&[&["1"][..], &["2"], &["1", "2"]]);
        let lines: Vec<Value> = numbers
            .iter()
            .map(|number| {
                let mut line = json!({
                    "line": number, "received": self.dice.roll(12).to_string(),
                    "condition": self.dice.one(&["serviceable", "damaged"]),
                });
                if self.dice.chance(2) {
                    let mut pool = self.serials(4).into_iter();
                    let mut results = json!({});
                    for result in ["present", "absent", "unexpected", "damaged"] {
                        if let Some(serial) = pool.next() {
                            results[result] = json!([serial]);
                        }
                    }
                    line["serials"] = results;
                }
                line
            })
            .collect();
        json!({ "lines": lines })
    }

    /// A body of a kind that may be corrected, and who says it where.
    fn statement(&mut self, kind: &'static str) -> (String, &'static str, Value) {
        let subject = self.consignment();
        let own = |ty: &str, dice: &mut Dice| format!("{ty}/{ty}{}", dice.roll(3));
        let items = |story: &mut Self| -> Vec<Value> { (0..=story.dice.roll(2)).map(|_| story.item()).collect() };
        let (mut body, subject, author) = match kind {
            "transfer.dispatched" => {
                let mut lines = self.lines();
                if self.dice.chance(3) {
                    lines[0]["authorization"] = json!({ "subject": "authorization/a0", "line": "1" });
                }
                let number = format!("W1A2B3{:08}", self.dice.roll(99));
                (json!({ "document_number": number, "lines": lines, "expected": "2026-10-01" }), subject, "us-dsca")
            }
            "transfer.received" => (self.received(), subject, "xa-mod"),
            "transfer.not_received" => (json!({ "type": "missing", "circumstances": "x" }), subject, "xa-mod"),
            "title.transferred" => {
                let mut line = json!({ "line": self.dice.one(&["1", "2"]) });
                if self.dice.chance(2) {
                    line["serials"] = json!(self.serials(2));
                }
                (json!({ "lines": [line] }), subject, "us-dsca")
            }
            "custody.handed_over" => (json!({ "from": "us-dsca", "to": "xa-mod" }), subject, "us-dsca"),
            "holding.declared" => {
                let lines = self.lines();
                (
                    json!({ "lines": lines, "grade": "documented", "source": "the books" }),
                    "holding/h0".to_owned(),
                    "xa-mod",
                )
            }
            "check.recorded" => {
                let items: Vec<Value> = (0..=self.dice.roll(2)).map(|_| self.checked()).collect();
                let mut body = json!({ "type": "routine", "access": "full", "items": items });
                if self.dice.chance(2) {
                    body["site"] = json!(self.dice.one(&["s-1", "s-2"]));
                }
                (body, own("check", &mut self.dice), "eu-obs")
            }
            "loss.reported" => {
                let body =
                    json!({ "type": self.dice.one(&["lost", "captured"]), "items": items(self), "circumstances": "x" });
                (body, own("loss", &mut self.dice), "xa-mod")
            }
            "items.recovered" => {
                (json!({ "items": items(self), "grade": "sighted" }), own("loss", &mut self.dice), "xa-mod")
            }
            "items.moved" => {
                (json!({ "items": items(self), "to": { "text": "there" } }), own("movement", &mut self.dice), "xa-mod")
            }
            "items.expended" => (json!({ "items": items(self) }), own("movement", &mut self.dice), "xa-mod"),
            "items.destroyed" => {
                (json!({ "items": items(self), "method": "fire" }), own("disposal", &mut self.dice), "xa-mod")
            }
            "items.returned" => {
                (json!({ "items": items(self), "purpose": "repair" }), own("return", &mut self.dice), "xa-mod")
            }
            "items.identified" => {
                let serial = |story: &mut Self| format!("SYN-{:02}", story.dice.roll(12));
                let body = if self.dice.chance(2) {
                    let (a, b) = (self.reference(), self.reference());
                    let (mut a, mut b) = (json!({ "described_in": a }), json!({ "described_in": b }));
                    a["serial"] = json!(serial(self));
                    if self.dice.chance(2) {
                        b["serial"] = json!(serial(self));
                    }
                    json!({ "same": [a, b], "proof": "x" })
                } else {
                    json!({ "remarked": { "old": serial(self), "new": serial(self) }, "proof": "x" })
                };
                (body, own("item_link", &mut self.dice), "xa-mod")
            }
            "site.certified" => {
                let until = self.dice.one(&["2026-12-01", "2027-03-01"]);
                (json!({ "measures": ["a fence"], "valid_until": until }), own("site", &mut self.dice), "xa-mod")
            }
            "transfer.authorized" => {
                let body = json!({ "lines": [self.line("1")], "end_user": "the ministry" });
                (body, "authorization/a0".to_owned(), "us-dsca")
            }
            other => panic!("{other}"),
        };
        if matches!(kind, "transfer.dispatched" | "transfer.received" | "check.recorded" | "loss.reported") {
            self.part(&mut body);
        }
        if self.dice.chance(6) {
            body["references"] = json!([{ "scheme": "=fms\u{1}", "value": format!("+{}", self.dice.roll(5)) }]);
        }
        (subject, author, body)
    }

    fn step(&mut self) {
        const KINDS: [&str; 24] = [
            "transfer.dispatched",
            "transfer.dispatched",
            "transfer.dispatched",
            "transfer.received",
            "transfer.received",
            "transfer.received",
            "transfer.not_received",
            "title.transferred",
            "custody.handed_over",
            "holding.declared",
            "holding.declared",
            "check.recorded",
            "check.recorded",
            "check.recorded",
            "loss.reported",
            "items.recovered",
            "items.moved",
            "items.expended",
            "items.destroyed",
            "items.returned",
            "items.identified",
            "items.identified",
            "site.certified",
            "transfer.authorized",
        ];
        match self.dice.roll(10) {
            0 | 1 => self.correct(),
            2 => self.incident(),
            _ => {
                let kind = self.dice.one(&KINDS);
                let (subject, author, body) = self.statement(kind);
                self.say(kind, &subject, Some(CASE), author, body);
            }
        }
    }

    fn correct(&mut self) {
        let correctable: Vec<_> = self.said.iter().filter(|(_, _, case, ..)| case.is_some()).cloned().collect();
        if correctable.is_empty() {
            return;
        }
        let (kind, subject, case, event, mut signers) = correctable[self.dice.roll(correctable.len())].clone();
        if kind == "statement.corrected" || kind.starts_with("case.") {
            return;
        }
        let mut body = json!({ "reason": "did_not_occur" });
        if self.dice.chance(2) {
            let (_, _, replacement) = self.statement(kind);
            body = json!({ "reason": "incorrect_data", "replacement": replacement });
        }
        if self.dice.chance(2) {
            signers = ALL.to_vec();
        }
        let author = signers[0].split('/').next().unwrap();
        let more = json!({ "corrects": event });
        self.say_with("statement.corrected", &subject, case, author, body, more, Some(signers));
    }

    fn incident(&mut self) {
        let subject = "incident/eu-obs.i0";
        let known = |story: &Self, kind: &str| story.said.iter().rev().find(|said| said.0 == kind).map(|said| said.3);
        let order = known(self, "remedy.ordered");
        match self.dice.roll(7) {
            0 => {
                let mut item = self.item();
                if let Some(line) = item.get_mut("described_in") {
                    line["case"] = json!(CASE);
                }
                let body = json!({ "claim": "x", "source_grade": "photographed", "cases": [CASE], "items": [item] });
                self.say("diversion.reported", subject, None, "eu-obs", body);
            }
            1 => {
                let body = json!({ "allegation": "x", "against": ["xa-mod"] });
                self.say("investigation.opened", subject, None, "eu-obs", body);
            }
            2 => {
                let body = json!({ "outcome": "substantiated", "standard": "more likely than not", "reasons": "x" });
                self.say("finding.recorded", subject, None, "eu-obs", body);
            }
            3 => {
                let body = json!({ "measure": "x", "responsible": "xa-mod", "due": "2026-12-24" });
                self.say("remedy.ordered", subject, None, "eu-obs", body);
            }
            4 => {
                if let Some(order) = order {
                    let body = json!({ "about": order, "material": "x" });
                    self.say("remedy.completed", "statement/xa-mod.s0", None, "xa-mod", body);
                }
            }
            5 => {
                if let Some(order) = order {
                    self.say("remedy.accepted", subject, None, "eu-obs", json!({ "order": order }));
                }
            }
            _ => {
                if let Some(finding) = known(self, "finding.recorded") {
                    self.say("incident.closed", subject, None, "eu-obs", json!({ "finding": finding, "reason": "x" }));
                }
            }
        }
    }

    /// Another party takes the place of the inspector: who acts for whom changes corrections.
    fn succeed(&mut self) {
        self.world.enroll("eu-new", &["inspector", "oversight"]);
        let body = json!({ "party": "eu-obs", "successor": "eu-new", "reason": "merged" });
        let succeeded = draft("party.succeeded", "party/eu-obs", None, "governance", body);
        self.world.say(succeeded, &["gov0", "gov1", "eu-new/0"]).unwrap();
    }
}

fn book(store: &dyn Store, size: TreeSize) -> Book {
    let mut builder = BookBuilder::new("9999-12-31T00:00:00Z".parse().unwrap());
    for line in store.lines(Seq(0), usize::try_from(size.0).unwrap(), usize::MAX).unwrap() {
        let entry = Entry::parse(&line).unwrap();
        builder.add(&entry, &store.disclosures(entry.seq).unwrap()).unwrap();
    }
    builder.finish()
}

type Dump = Vec<(Family, Vec<u8>, Vec<u8>)>;

fn dump(views: &Views) -> Dump {
    let mut all = Vec::new();
    views
        .dump(&mut |family, key, value| {
            all.push((family, key.to_vec(), value.to_vec()));
            Ok(())
        })
        .unwrap();
    all
}

fn shown(record: Option<&(Family, Vec<u8>, Vec<u8>)>) -> String {
    record.map_or_else(
        || "nothing".to_owned(),
        |(family, key, value)| format!("{} {} = {}", family.name(), key.escape_ascii(), String::from_utf8_lossy(value)),
    )
}

fn assert_same(a: &Dump, b: &Dump, what: &str) {
    if let Some(at) = (0..a.len().max(b.len())).find(|at| a.get(*at) != b.get(*at)) {
        panic!("{what}: {}\nagainst {}", shown(a.get(at)), shown(b.get(at)));
    }
}

fn applied(store: &dyn Store, size: TreeSize, batch: usize, readers: Readers) -> Views {
    let views = Views::new(Arc::new(MemoryKv::new()));
    views.catch_up(store, size, batch, readers, |_| {}).unwrap();
    views
}

/// The views have exactly the items of the book, each with the same life, under every name.
fn assert_as_booked(views: &Views, book: &Book, seed: u64) {
    let view = views.view().unwrap();
    let records = dump(views).into_iter().filter(|(f, key, _)| *f == Family::Records && key.first() == Some(&b'I'));
    assert_eq!(records.count(), book.items().all().len(), "seed {seed}: as many items");
    for item in book.items().all() {
        let key = &item.description.key;
        let found = view.item(key).unwrap();
        assert_eq!(found.as_ref(), Some(item), "seed {seed}: {key:?}");
        let record = view.item_record(key).unwrap().unwrap();
        assert_eq!((record.state, &record.holder, record.since), (item.state, &item.holder, item.since), "seed {seed}");
    }
}

#[test]
fn views_hold_what_the_book_holds_however_they_came_about() {
    let (mut recorded, mut refused) = (0, BTreeMap::new());
    for seed in 0..40 {
        let mut story = Story::new(seed);
        let mut stages = Vec::new();
        for step in 0..60 {
            story.step();
            if step == 45 && seed % 3 == 0 {
                story.succeed();
            }
            if step % 20 == 0 {
                stages.push(story.world.ledger.head().size);
            }
        }
        let store = &*story.world.store;
        let size = story.world.ledger.head().size;
        let whole = applied(store, size, 4_096, Readers::All);
        assert_as_booked(&whole, &book(store, size), seed);
        let bytes = dump(&whole);
        for batch in [1, 2, 7] {
            let views = applied(store, size, batch, Readers::One);
            assert_same(&dump(&views), &bytes, &format!("seed {seed}, batches of {batch}"));
        }
        for stage in stages {
            assert_as_booked(&applied(store, stage, 3, Readers::One), &book(store, stage), seed);
        }
        recorded += story.said.len();
        for (why, count) in story.refused {
            *refused.entry(why).or_insert(0) += count;
        }
    }
    let lost: usize = refused.values().sum();
    assert!(recorded > 4 * lost, "{recorded} recorded, refused: {refused:#?}");
}

/// Tables of which a write fails now and then, as a process that is killed before it.
struct Failing {
    inner: MemoryKv,
    left: AtomicUsize,
}

impl Kv for Failing {
    fn snapshot(&self) -> Box<dyn Reads + '_> {
        self.inner.snapshot()
    }

    fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.left.store(2, Ordering::SeqCst);
            return Err(StoreError::Failed { action: "write", reason: "told to".to_owned() });
        }
        self.inner.write(changes)
    }
}

#[test]
fn views_go_on_after_every_failed_write() {
    let mut story = Story::new(77);
    (0..80).for_each(|_| story.step());
    let (store, size) = (&*story.world.store, story.world.ledger.head().size);
    let views = Views::new(Arc::new(Failing { inner: MemoryKv::new(), left: AtomicUsize::new(0) }));
    let mut failures = 0;
    while views.catch_up(store, size, 5, Readers::One, |_| {}).is_err() {
        failures += 1;
    }
    assert!(failures > 3);
    assert_same(&dump(&views), &dump(&applied(store, size, 512, Readers::All)), "after failures");
}

#[test]
fn views_of_another_ledger_or_of_more_than_there_is_must_be_rebuilt() {
    let (mut one, mut two) = (Story::new(1), Story::new(2));
    (0..20).for_each(|_| one.step());
    (0..20).for_each(|_| two.step());
    let size = one.world.ledger.head().size;
    let views = applied(&*one.world.store, size, 100, Readers::One);
    assert_eq!(views.fit(&*one.world.store).unwrap(), Fit::Fits);
    assert!(matches!(views.fit(&*two.world.store).unwrap(), Fit::Rebuild(_)));
    assert!(matches!(views.fit(&*World::with_case().store).unwrap(), Fit::Rebuild(_)));
}
