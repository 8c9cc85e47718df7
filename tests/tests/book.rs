//! Books: annual reports, totals, and how fast findings of a large case are.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use countersign_ledger::annual::{AnnualReport, CaseTotals, Direction, Treaty};
use countersign_ledger::book::{Book, BookBuilder};
use countersign_ledger::event::Event;
use countersign_ledger::facts::Statement;
use countersign_ledger::findings::{Code, assess};
use countersign_ledger::hash::{EventHash, sha256};
use countersign_ledger::id::Seq;
use countersign_ledger::time::Time;
use countersign_tests::harness::draft::fresh_id;
use countersign_tests::harness::people::{case_body, party_body};
use serde_json::{Value, json};

/// Collects statements that nobody signed: a book takes what was verified before.
struct Scribe {
    builder: BookBuilder,
    next: u64,
}

impl Scribe {
    fn new(as_of: &str) -> Self {
        let mut scribe = Self { builder: BookBuilder::new(as_of.parse().unwrap()), next: 0 };
        for (party, capacity, country) in [("donor", "donor", "US"), ("recipient", "recipient", "XA")] {
            let mut body = party_body(party, &[capacity], &[&format!("{party}/0")]);
            body["country"] = json!(country);
            scribe.say("2026-01-01", "party.enrolled", &format!("party/{party}"), None, body);
        }
        let mut body = case_body(&json!({ "donor": ["donor"], "recipient": ["recipient"] }));
        body["monitoring"] = json!("routine");
        scribe.say("2026-01-01", "case.opened", "case/c", Some("c"), body);
        scribe
    }

    /// Adds a statement of a date; the recipient's unless its kind is the donor's.
    fn say(&mut self, date: &str, kind: &str, subject: &str, case: Option<&str>, body: Value) -> Seq {
        let donors = ["transfer.authorized", "transfer.dispatched", "case.opened"];
        let author = match kind {
            "party.enrolled" => "governance",
            kind if donors.contains(&kind) => "donor",
            _ => "recipient",
        };
        let seq = Seq(self.next);
        self.next += 1;
        let mut payload = json!({
            "countersign": 1, "ledger": "ab".repeat(32), "id": fresh_id(), "kind": kind, "subject": subject,
            "after": null, "author": author, "occurred": { "date": date }, "body": body,
        });
        if let Some(case) = case {
            payload["case"] = json!(case);
        }
        let event = Event::parse(payload.to_string().as_bytes()).unwrap();
        let statement = Statement {
            seq,
            time: format!("{date}T12:00:00.000Z").parse::<Time>().unwrap(),
            event: EventHash::from_bytes(sha256(&[&seq.0.to_be_bytes()])),
            kind: event.kind.clone(),
            stream: event.stream(),
            author: event.author.clone(),
            after: None,
            occurred: event.occurred.clone(),
            evidence: Vec::new(),
            corrects: None,
            keys: Vec::new(),
            signers: vec![event.author.clone()],
            body: event.body().clone(),
            concealing: Vec::new(),
        };
        self.builder.push(statement, &event);
        seq
    }

    fn finish(self) -> Book {
        self.builder.finish()
    }
}

fn line(number: u32, quantity: u32, more: Value) -> Value {
    let mut line = json!({
        "line": number.to_string(), "nomenclature": format!("ITEM {number}"), "quantity": quantity.to_string(), "unit": "EA",
    });
    for (name, value) in more.as_object().unwrap() {
        line[name] = value.clone();
    }
    line
}

/// A case with tanks by the authorization's category, rifles by the dispatch's, spare parts without one, and training.
fn transfers() -> Book {
    let mut scribe = Scribe::new("2028-01-01T00:00:00.000Z");
    let priced = json!({ "amount": "10.25", "currency": "USD" });
    let tanks = json!({ "category": { "unroca": "I", "att": "2(1)(a)" }, "unit_value": priced });
    let of = |lines: Vec<Value>| json!({ "lines": lines });
    scribe.say("2026-02-01", "transfer.authorized", "authorization/1", Some("c"), of(vec![line(1, 10, tanks)]));
    let under = json!({ "authorization": { "subject": "authorization/1", "line": "1" } });
    let rifles = json!({ "category": { "unroca": "SALW" }, "unit_value": { "amount": "0.0001", "currency": "EUR" } });
    let lines = vec![line(1, 4, under.clone()), line(2, 100, rifles), line(3, 7, json!({}))];
    scribe.say("2026-12-20", "transfer.dispatched", "consignment/1", Some("c"), of(lines));
    let received = |number: u32, n: u32| json!({ "line": number.to_string(), "received": n.to_string(), "condition": "serviceable" });
    let lines = vec![received(1, 3), received(2, 100), received(3, 7)];
    scribe.say("2027-01-05", "transfer.received", "consignment/1", Some("c"), of(lines));
    scribe.say("2027-03-01", "transfer.dispatched", "consignment/2", Some("c"), of(vec![line(1, 2, under)]));
    for (n, participants) in [(1, 20), (2, 5)] {
        let value = json!({ "amount": "1000.50", "currency": "USD" });
        let body = json!({ "type": "training", "participants": participants, "hours": "40", "value": value });
        scribe.say("2026-05-01", "service.delivered", &format!("service/{n}"), Some("c"), body);
    }
    scribe.finish()
}

/// Category, quantity, countries and entries of each line.
fn figures(report: &AnnualReport, direction: Direction) -> Vec<(Option<&str>, &str, Vec<u64>)> {
    let lines = report.lines.iter().filter(|line| line.direction == direction);
    lines
        .inspect(|line| assert_eq!((line.from.as_deref(), line.to.as_deref()), (Some("US"), Some("XA"))))
        .map(|line| (line.category.as_deref(), &*line.quantity, line.entries.iter().map(|seq| seq.0).collect()))
        .collect()
}

#[test]
fn exports_count_by_dispatch_and_imports_by_receipt_each_with_its_entries() {
    let book = transfers();
    let of = |year| AnnualReport::of(&book, year, Treaty::Unroca, None);
    let report = of(2026);
    let exports = vec![(Some("I"), "4", vec![4]), (Some("SALW"), "100", vec![4]), (None, "7", vec![4])];
    assert_eq!(figures(&report, Direction::Export), exports, "what has no category comes last and is not dropped");
    assert_eq!(figures(&report, Direction::Import), vec![], "it arrived in the next year");
    let report = of(2027);
    assert_eq!(figures(&report, Direction::Export), vec![(Some("I"), "2", vec![6])]);
    let imports = vec![(Some("I"), "3", vec![5]), (Some("SALW"), "100", vec![5]), (None, "7", vec![5])];
    assert_eq!(figures(&report, Direction::Import), imports);
    assert_eq!(of(2025).lines, vec![]);
    let att = AnnualReport::of(&book, 2026, Treaty::Att, None);
    let exports = vec![(Some("2(1)(a)"), "4", vec![4]), (None, "107", vec![4])];
    assert_eq!(figures(&att, Direction::Export), exports, "a category of the register is none of the treaty");
}

#[test]
fn a_country_reports_its_own_side() {
    let book = transfers();
    let lines = |year, country| AnnualReport::of(&book, year, Treaty::Unroca, Some(country)).lines.len();
    assert_eq!((lines(2026, "US"), lines(2026, "XA"), lines(2026, "DE")), (3, 0, 0));
    assert_eq!((lines(2027, "US"), lines(2027, "XA"), lines(2027, "DE")), (1, 3, 0));
}

#[test]
fn cases_add_up_by_currency_with_their_services() {
    let book = transfers();
    let case = "c".parse().unwrap();
    let totals = CaseTotals::of(&book, &case);
    assert_eq!(json!(totals.authorized), json!({ "USD": "102.50" }));
    assert_eq!(json!(totals.dispatched), json!({ "EUR": "0.01", "USD": "61.50" }));
    assert_eq!(json!(totals.received), json!({ "EUR": "0.01", "USD": "30.75" }));
    assert_eq!(totals.unvalued, 1);
    let services = json!(totals.services);
    assert_eq!(
        services,
        json!([{
            "type": "training", "deliveries": 2, "participants": 25, "hours": "80", "value": { "USD": "2001.00" },
            "entries": [7, 8],
        }])
    );
    assert_eq!(AnnualReport::of(&book, 2026, Treaty::Att, Some("XA")).services, totals.services);
    assert_eq!(AnnualReport::of(&book, 2027, Treaty::Att, None).services, vec![]);
}

/// Prints how long it takes: `cargo test --release -p countersign-tests --test book -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement: it prints, and asserts no time"]
fn findings_of_a_hundred_thousand_items() {
    const CONSIGNMENTS: u32 = 100;
    const ITEMS: u32 = 1_000;
    let mut scribe = Scribe::new("2027-06-01T00:00:00.000Z");
    let serials = |n: u32| (0..ITEMS).map(|i| format!("SYN-{n}-{i}")).collect::<Vec<_>>();
    for n in 0..CONSIGNMENTS {
        let subject = format!("consignment/{n}");
        let described = json!({ "serials": serials(n), "nsn": "5855-01-534-5931" });
        let body = json!({ "lines": [line(1, ITEMS, described)] });
        scribe.say("2026-02-01", "transfer.dispatched", &subject, Some("c"), body);
        let body = json!({ "lines": [{
            "line": "1", "received": ITEMS.to_string(), "condition": "serviceable", "serials": { "present": serials(n) },
        }] });
        scribe.say("2026-03-01", "transfer.received", &subject, Some("c"), body);
        let place = json!({ "subject": subject, "line": "1" });
        let body = json!({ "items": [{ "described_in": place, "serials": serials(n), "state": "in_custody" }] });
        scribe.say("2026-04-01", "self_report.recorded", &format!("check/{n}"), Some("c"), body);
    }
    let begun = Instant::now();
    let book = scribe.finish();
    let built = begun.elapsed();
    let begun = Instant::now();
    let assessment = assess(&book);
    println!("{} items: book {built:?}, findings {:?}", book.items().all().len(), begun.elapsed());
    let of = |code| assessment.findings.iter().filter(|finding| finding.code == code).count();
    assert_eq!(of(Code::NeverInspected), 100_000);
    assert_eq!(of(Code::InitialInventoryOverdue), 100);
    assert_eq!(of(Code::RoutineCheckOverdue), 1);
}
