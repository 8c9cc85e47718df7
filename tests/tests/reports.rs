//! Reports and findings from a bundle: the verdict comes first, nothing is computed from a false one, and no text of
//! others becomes markup, a formula or a deception.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use countersign_ledger::bundle::Scope;
use countersign_ledger::time::Time;
use countersign_tests::harness::binaries::{countersign, verifier};
use countersign_tests::harness::people::dispatch_body;
use countersign_tests::harness::{World, draft};
use serde_json::{Value, json};

const CASE: &str = "us-dsca.x1";
const HOSTILE: &str = "=cmd|' /C calc'!A0 <script>alert(1)</script> \u{202e}evil";

struct Bundle {
    folder: tempfile::TempDir,
    ledger: String,
    /// The date of the latest entry.
    today: String,
}

/// A dispatch that nobody received, and a dispute with a hostile text about it.
fn world() -> World {
    let world = World::with_case();
    let mut body = dispatch_body();
    body["lines"][0]["nomenclature"] = json!(HOSTILE.replace('\u{202e}', ""));
    let sent =
        world.say(&draft("transfer.dispatched", "consignment/2026-1", Some(CASE), "us-dsca", body), &["us-dsca/0"]);
    let dispute = json!({ "about": sent.event, "grounds": HOSTILE });
    world.say(&draft("statement.disputed", "statement/xa-mod.1", None, "xa-mod", dispute), &["xa-mod/0"]);
    world
}

impl Bundle {
    fn new(world: &World, bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bundle"), bytes).unwrap();
        let today = world.ledger.latest_time().utc_date().to_string();
        Self { folder, ledger: world.ledger.id().to_string(), today }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(countersign())
            .current_dir(self.folder.path())
            .env("COUNTERSIGN_VERIFY_BIN", verifier())
            .env("XDG_STATE_HOME", self.folder.path())
            .args(arguments)
            .args(["--bundle", "bundle", "--ledger", &self.ledger])
            .output()
            .unwrap()
    }
}

fn later(date: &str, days: i64) -> String {
    format!("{date}T00:00:00.000Z").parse::<Time>().unwrap().utc_date().plus_days(days).to_string()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn codes(findings: &Value) -> Vec<&str> {
    findings["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect()
}

#[test]
fn a_page_says_the_verdict_and_what_is_overdue_and_runs_nothing() {
    let world = world();
    let bundle = Bundle::new(&world, &world.bundle());
    let overdue = later(&bundle.today, 31);
    let made = bundle.run(&["report", "--output", "page.html", "--as-of", &overdue]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let page = std::fs::read_to_string(bundle.path("page.html")).unwrap();
    for wanted in
        ["<strong>verified</strong>", "RECEIPT_OVERDUE", "STATEMENT_DISPUTED", &bundle.ledger, "<svg", "id=\"e5\""]
    {
        assert!(page.contains(wanted), "{wanted} is not in {page}");
    }
    for (absent, why) in [("<script", "markup"), ("\u{202e}", "a bidirectional override"), ("src=", "a resource")] {
        assert!(!page.contains(absent), "{why} is in the page");
    }
    // a page is never overwritten
    assert_eq!(bundle.run(&["report", "--output", "page.html"]).status.code(), Some(2));
}

#[test]
fn a_deadline_is_over_the_day_after() {
    let world = world();
    let bundle = Bundle::new(&world, &world.bundle());
    let on = json_of(&bundle.run(&["findings", "--json", "--as-of", &later(&bundle.today, 30)]));
    assert!(!codes(&on).contains(&"RECEIPT_OVERDUE"), "{on}");
    assert!(on["obligations"].as_array().unwrap().iter().any(|o| o["code"] == "RECEIPT_OVERDUE"), "{on}");
    let after = json_of(&bundle.run(&["findings", "--json", "--as-of", &later(&bundle.today, 31)]));
    assert!(codes(&after).contains(&"RECEIPT_OVERDUE"), "{after}");
    // what was not yet recorded plays no part
    let before = json_of(&bundle.run(&["findings", "--json", "--as-of", &later(&bundle.today, -1)]));
    assert_eq!(codes(&before), Vec::<&str>::new());
}

#[test]
fn no_cell_of_the_table_is_a_formula() {
    let world = world();
    let bundle = Bundle::new(&world, &world.bundle());
    let made = bundle.run(&["report", "--csv", "--as-of", &later(&bundle.today, 31)]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let mut rows = csv::Reader::from_reader(made.stdout.as_slice());
    let mut found = 0;
    for row in rows.records() {
        found += 1;
        for cell in &row.unwrap() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
        }
    }
    assert!(found >= 2, "{found}");
}

#[test]
fn nothing_is_computed_from_a_false_bundle() {
    let world = world();
    let mut bytes = world.bundle();
    let place = bytes.windows(12).position(|w| w == b"\"payload\":\"e").unwrap() + 40;
    bytes[place] ^= 1;
    let bundle = Bundle::new(&world, &bytes);
    let made = bundle.run(&["report", "--output", "page.html"]);
    assert_eq!(made.status.code(), Some(1), "{made:?}");
    let page = std::fs::read_to_string(bundle.path("page.html")).unwrap();
    assert!(page.contains("<strong>failed</strong>") && !page.contains("STATEMENT_DISPUTED"), "{page}");
    let refused = bundle.run(&["findings"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the bundle is false"), "{refused:?}");
}

#[test]
fn an_extract_says_that_it_is_one() {
    let world = world();
    let bundle = Bundle::new(&world, &world.extract(&Scope::Case(CASE.parse().unwrap())));
    let made = bundle.run(&["report", "--output", "page.html", "--as-of", &later(&bundle.today, 31)]);
    assert_eq!(made.status.code(), Some(3), "{made:?}");
    let page = std::fs::read_to_string(bundle.path("page.html")).unwrap();
    for wanted in ["<strong>partial</strong>", "an extract of case us-dsca.x1", "may be withheld"] {
        assert!(page.contains(wanted), "{wanted}");
    }
}

#[test]
fn a_report_of_one_case_says_so_and_knows_the_case() {
    let world = world();
    let bundle = Bundle::new(&world, &world.bundle());
    let made = bundle.run(&["report", "--output", "page.html", "--case", CASE]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let page = std::fs::read_to_string(bundle.path("page.html")).unwrap();
    assert!(page.contains("those of case <strong>us-dsca.x1</strong> alone"), "{page}");
    for command in
        [&["report", "--output", "other.html", "--case", "no-such-case"][..], &["findings", "--case", "no-such-case"]]
    {
        let refused = bundle.run(command);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    }
}

#[test]
fn a_report_needs_the_verifier() {
    let world = world();
    let bundle = Bundle::new(&world, &world.bundle());
    let none = Path::new("/nonexistent/countersign-verify");
    let made = bundle.run(&["report", "--output", "page.html", "--verifier", none.to_str().unwrap()]);
    assert_eq!(made.status.code(), Some(2), "{made:?}");
    assert!(!bundle.path("page.html").exists());
}
