//! Rules as scenarios: events in, states and findings out (tests/scenarios/README.md).
//!
//! `SCENARIO=transfers cargo test --release -p countersign-tests --test scenarios` plays the files whose name holds the
//! word.
#![allow(clippy::unwrap_used)]

mod body;
mod compare;
mod file;
mod properties;
mod stage;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use countersign_ledger::findings::Code;

use file::{Defaults, File, Scenario};
use stage::Stage;

/// What playing came to.
#[derive(Default)]
struct Played {
    faults: Vec<String>,
    skipped: Vec<String>,
    /// Codes that an expectation found.
    raised: BTreeSet<String>,
    /// Codes that an expectation did not find, after one of the same scenario did.
    cleared: BTreeSet<String>,
    /// Codes that an expectation looked for and did not find.
    absent: BTreeSet<String>,
}

impl Played {
    fn play(&mut self, defaults: &Defaults, file: &File, scenario: &Scenario, name: &str) {
        let events = || file.begin.iter().chain(&scenario.event);
        if let Some(kind) = stage::unread(events()) {
            return self.skipped.push(format!("{name}: this version does not read {kind}"));
        }
        let mut stage = Stage::set(defaults, &[&file.case, &scenario.case]);
        for event in events() {
            stage.play(event);
        }
        let codes = scenario.codes.as_ref().unwrap_or(&file.codes);
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for wanted in &scenario.expect {
            let (faults, found) = compare::compare(&stage, wanted, codes);
            self.faults.extend(faults.into_iter().map(|fault| format!("{name}, {}: {fault}", wanted.as_of)));
            let looked = wanted.codes.as_ref().unwrap_or(codes);
            for code in looked.iter().filter(|code| !found.contains(code)) {
                self.absent.insert(code.clone());
                if seen.contains(code) && wanted.withhold.is_empty() && wanted.leave_out.is_empty() {
                    self.cleared.insert(code.clone());
                }
            }
            seen.extend(found.iter().cloned());
            self.raised.extend(found);
        }
    }
}

fn play_all() -> Played {
    let defaults = file::defaults();
    let asked = std::env::var("SCENARIO").unwrap_or_default();
    let mut played = Played::default();
    let mut count = 0;
    for (name, file) in file::all().into_iter().filter(|(name, _)| name.contains(&asked)) {
        let known = |code: &String| code == "*" || Code::ALL.iter().any(|known| known.as_str() == code);
        assert!(file.codes.iter().all(known), "{name}: {:?} has a code that is none", file.codes);
        assert!(!file.about.is_empty(), "{name} says what it is about");
        for scenario in &file.scenario {
            count += 1;
            let title = format!("{name}: {}", scenario.title);
            let done = catch_unwind(AssertUnwindSafe(|| played.play(&defaults, &file, scenario, &title)));
            if let Err(panic) = done {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                played.faults.push(format!("{title}: {}", text.unwrap_or_default()));
            }
        }
    }
    assert!(count > 0, "no scenario is called {asked}");
    played
}

#[test]
fn scenarios_come_out_as_they_say() {
    let played = play_all();
    for skipped in &played.skipped {
        println!("skipped {skipped}");
    }
    assert!(played.faults.is_empty(), "{}", played.faults.join("\n"));
    if std::env::var_os("SCENARIO").is_none() {
        every_code_is_raised_and_cleared(&played);
    }
}

/// A code that no scenario raises, or none clears, is a rule that nobody has seen at work.
fn every_code_is_raised_and_cleared(played: &Played) {
    let mut missing = Vec::new();
    for code in Code::ALL {
        let stays = code.info().clears.starts_with("nothing");
        if !played.raised.contains(code.as_str()) {
            missing.push(format!("no scenario raises {code}"));
        }
        let cleared = if stays { &played.absent } else { &played.cleared };
        if !cleared.contains(code.as_str()) {
            missing.push(format!("no scenario clears {code}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
