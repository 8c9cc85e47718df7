//! An extract that a seal proves complete: whatever is hidden, dropped or changed in it is never ok (SPEC §15).
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Command;

use countersign_tests::forge::extract::{Extract, file};
use countersign_tests::forge::sealing::Streams;
use countersign_tests::forge::world::{
    CASE, base_with, case_opened, dispute, donor, recip, roles, says, streams_sealed, with_seals,
};
use countersign_tests::forge::{Event, Json, Ledger, Script};
use countersign_tests::harness::binaries;
use countersign_tests::harness::verify::{Report, verify};
use countersign_tests::j;
use proptest::prelude::*;
use serde_json::{Value, json};

const OTHER: &str = "donor-a.k2";

fn result<'r>(report: &'r Report, code: &str) -> &'r str {
    let row = report.json["checks"].as_array().unwrap().iter().find(|row| row["code"] == code).unwrap();
    row["result"].as_str().unwrap()
}

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// The donor says something in one of two cases, of one of three subjects.
    Says(bool, usize),
    /// The inspector disputes one of the steps, be it one that is still to come.
    Disputes(usize),
    Seals,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), 0usize..3).prop_map(|(other, subject)| Step::Says(other, subject)),
        3 => (0usize..14).prop_map(Step::Disputes),
        1 => Just(Step::Seals),
    ]
}

/// A statement of a history, as far as it matters here.
#[derive(Debug)]
struct Fact {
    label: String,
    case: Option<&'static str>,
    subject: String,
    about: Option<usize>,
}

/// The steps as events after the two cases, and what they are; the last is a seal.
fn history(steps: &[Step]) -> (Script, Vec<Fact>) {
    let mut events = vec![case_opened("case 2", OTHER, "donor-a", roles()).signed([&donor(), &recip()])];
    let mut facts = Vec::new();
    let steps: Vec<Step> = steps.iter().cloned().chain([Step::Seals]).collect();
    for (n, step) in steps.iter().enumerate() {
        let label = format!("e{n}");
        let mut about = None;
        let event: Event = match step {
            Step::Says(other, subject) => {
                says(&label, if *other { OTHER } else { CASE }, &format!("authorization/{subject}"))
            }
            Step::Disputes(of) => {
                // of what is to come, only what can be known before: not another dispute or a seal
                let of = of % n.max(1);
                let later = steps.iter().skip(n).position(|step| matches!(step, Step::Says(..))).map(|at| at + n);
                let of = if n == 0 || n % 5 == 4 { later } else { Some(of) };
                about = of;
                dispute(&label, of.map_or("case 2", |_| "x")).with(|e| {
                    let named = of.map_or("case 2".to_owned(), |of| format!("e{of}"));
                    e.body = j!({"about": (Json::event_of(&named)), "grounds": "not as seen"});
                })
            }
            Step::Seals => streams_sealed(&label),
        };
        let case = event.case.as_ref().map(|case| if case == CASE { CASE } else { OTHER });
        facts.push(Fact { label, case, subject: event.subject.clone(), about });
        events.push(event);
    }
    (base_with(with_seals()).then(events), facts)
}

/// The steps before the seal that an extract of a case or stream must show, and how many are of it.
fn needed(facts: &[Fact], seal: usize, case: &str, subject: Option<&str>) -> (BTreeSet<String>, usize) {
    let of_it = |fact: &Fact| fact.case == Some(case) && subject.is_none_or(|subject| fact.subject == subject);
    let speaks = |at: usize, fact: &Fact| fact.about.is_some_and(|of| of < at && of_it(&facts[of]));
    let before = facts[..seal].iter().enumerate();
    let shown = before.filter(|(at, fact)| of_it(fact) || speaks(*at, fact)).map(|(_, fact)| fact.label.clone());
    (shown.collect(), facts[..seal].iter().filter(|fact| of_it(fact)).count())
}

const AUTHORITY: [&str; 6] = ["created", "enrol donor-a", "enrol recip-b", "enrol insp-c", "case", "case 2"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// In any history and with anything hidden: a `sealed` line holds exactly where all that it is of is shown.
    #[test]
    fn a_line_holds_exactly_where_nothing_is_hidden(
        steps in prop::collection::vec(step(), 1..14),
        which in any::<prop::sample::Index>(),
        of_stream in any::<bool>(),
        hide in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        beside in prop::collection::vec(any::<bool>(), 16),
        from_shown in any::<bool>(),
    ) {
        let (script, facts) = history(&steps);
        let seals: Vec<usize> = (0..facts.len()).filter(|at| facts[*at].subject.starts_with("seal/")).collect();
        let seal = seals[which.index(seals.len())];
        let subject = of_stream.then_some("authorization/1");
        let (needed, of_it) = needed(&facts, seal, CASE, subject);
        // `case.opened` is one of the case itself, not of a stream of it
        let of_it = of_it + usize::from(!of_stream);
        let mut shown = needed.clone();
        for index in hide.iter().filter(|_| !needed.is_empty()) {
            shown.remove(needed.iter().nth(index.index(needed.len())).unwrap());
        }
        let whole = shown == needed;
        shown.extend(facts.iter().zip(&beside).filter(|(_, beside)| **beside).map(|(fact, _)| fact.label.clone()));
        let whole = whole || needed.is_subset(&shown);
        shown.insert(facts[seal].label.clone());
        let scope = subject.map_or_else(|| j!({"case": CASE}), |s| j!({"case": CASE, "subject": s}));
        let labels: Vec<&str> = AUTHORITY.iter().copied().chain(shown.iter().map(String::as_str)).collect();
        let extract = Extract::new(scope, &labels).seal(&facts[seal].label, Some(CASE), subject);
        let built = script.build();
        let mut lines = extract.lines(&built);
        if from_shown {
            // the exporter makes the line as if there were nothing but what it shows
            let at = lines.iter().position(|line| line.starts_with(b"{\"sealed\"")).unwrap();
            let before = built.entries.iter().take_while(|e| e.label != facts[seal].label);
            let before = before.filter(|e| labels.contains(&e.label.as_str()));
            lines[at] = Streams::of(before.map(|e| (&e.payload[..], e.event_hash))).line(Some(CASE), subject).text().into_bytes();
        }
        let report = verify(&file(&lines), &built.id);
        let sealed = &report.json["sealed"];
        if whole && !from_shown {
            prop_assert_eq!(result(&report, "SEAL"), "ok", "{:#}", report.json);
            let seq = built.seq(&facts[seal].label);
            prop_assert_eq!(sealed, &json!([{"seq": seq, "case": CASE, "subject": subject, "events": of_it}]));
            prop_assert_eq!(report.failed().len(), 0, "{:#}", report.json);
        } else if !whole {
            prop_assert_eq!(result(&report, "SEAL"), "failed", "{:#}", report.json);
            prop_assert_eq!(sealed, &json!([]));
        }
    }

    /// Where everything is shown every seal is computed again, whatever the history.
    #[test]
    fn seals_of_any_history_are_computed_again(steps in prop::collection::vec(step(), 1..14)) {
        let built = history(&steps).0.build();
        let report = verify(&built.bundle, &built.id);
        prop_assert_eq!((report.verdict(), result(&report, "SEAL")), ("verified", "ok"), "{:#}", report.json);
    }
}

/// A history with something of everything, and a sealed extract of it that is all right.
fn example() -> (Ledger, Vec<Vec<u8>>) {
    use Step::{Disputes, Says, Seals};
    let steps = [Says(false, 0), Says(false, 1), Disputes(0), Says(true, 0), Says(false, 0), Seals, Says(false, 0)];
    let (script, facts) = history(&steps);
    let seal = facts.len() - 1;
    let (needed, _) = needed(&facts, seal, CASE, None);
    let labels: Vec<&str> = AUTHORITY
        .iter()
        .copied()
        .chain(needed.iter().map(String::as_str))
        .chain([facts[seal].label.as_str()])
        .collect();
    let extract = Extract::new(j!({"case": CASE}), &labels).seal(&facts[seal].label, Some(CASE), None);
    let built = script.build();
    let lines = extract.lines(&built);
    let report = verify(&file(&lines), &built.id);
    assert_eq!((report.verdict(), result(&report, "SEAL")), ("partial", "ok"), "{:#}", report.json);
    (built, lines)
}

/// Whether a report says that nothing is false and nothing left out.
fn passes(report: &Report) -> bool {
    report.verdict() == "partial" && result(report, "SEAL") == "ok" && report.json["sealed"] != Value::Array(Vec::new())
}

#[test]
fn an_extract_with_a_line_dropped_or_doubled_is_never_ok() {
    let (built, lines) = example();
    for at in 0..lines.len() {
        let mut dropped = lines.clone();
        dropped.remove(at);
        assert!(!passes(&verify(&file(&dropped), &built.id)), "line {} dropped", at + 1);
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at].clone());
        assert!(!passes(&verify(&file(&doubled), &built.id)), "line {} doubled", at + 1);
    }
}

#[test]
fn an_extract_with_a_byte_changed_is_never_ok() {
    let (built, lines) = example();
    for (number, line) in lines.iter().enumerate() {
        for at in (0..line.len()).step_by(41) {
            let mut changed = lines.clone();
            changed[number][at] ^= 1;
            assert!(!passes(&verify(&file(&changed), &built.id)), "line {} byte {at}", number + 1);
        }
    }
}

#[test]
fn an_exhibit_of_a_sealed_stream_says_up_to_where_nothing_is_missing() {
    let (built, lines) = example();
    let exhibit = |lines: &[Vec<u8>], seq: u64| {
        let mut bundle = tempfile::NamedTempFile::new().unwrap();
        bundle.write_all(&file(lines)).unwrap();
        let mut command = Command::new(binaries::verifier());
        command.arg("exhibit").arg(bundle.path()).args(["--seq", &seq.to_string(), "--ledger", &built.id]);
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let seal = built.entries.len() - 1;
    let sealed = format!("Up to entry {seal} nothing is left out");
    let text = exhibit(&lines, built.seq("e0"));
    assert!(text.contains(&sealed) && text.contains("may be withheld after that"), "{text}");
    // a party's stream is not sealed
    assert!(!exhibit(&lines, built.seq("enrol donor-a")).contains("nothing is left out"));
    // without the line nothing of the kind
    let bare: Vec<Vec<u8>> = lines.iter().filter(|line| !line.starts_with(b"{\"sealed\"")).cloned().collect();
    let text = exhibit(&bare, built.seq("e0"));
    assert!(!text.contains("nothing is left out") && text.contains("may be withheld."), "{text}");
}
