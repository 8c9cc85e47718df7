//! The figures of DOMAIN §8, from the published tables: with the ledger's own grades, and through the whole programs.
//!
//! The tables are not part of the repository: they are looked for in `../shared/data` beside it, or where
//! `COUNTERSIGN_DATA` says. The second test needs `countersign` and `countersign-verify` built beside it.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_examples::leso::{column, table};
use countersign_ledger::event::codes::{Grade, grade_document_number, grade_nsn, unit_of_word};
use serde_json::{Value, json};

fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("COUNTERSIGN_DATA").map_or(beside, PathBuf::from);
    if folder.join("leso_inventory_2020-03-31.csv.gz").exists() {
        return Some(folder);
    }
    eprintln!("skipped: no published tables in {}", folder.display());
    None
}

fn column_of(path: &Path, name: &str) -> Vec<String> {
    let mut reader = table(path).unwrap();
    let place = column(reader.headers().unwrap(), name).unwrap();
    reader.records().map(|row| row.unwrap()[place].to_owned()).collect()
}

fn grades(values: &[String], grade: fn(&str) -> Grade) -> [usize; 3] {
    let count = |wanted| values.iter().filter(|value| grade(value.trim()) == wanted).count();
    [count(Grade::Standard), count(Grade::Local), count(Grade::Malformed)]
}

#[test]
fn the_published_tables_are_what_the_domain_says() {
    let Some(data) = data() else { return };
    let shipments = data.join("leso_shipments.csv.gz");
    let inventory = data.join("leso_inventory_2020-03-31.csv.gz");
    assert_eq!(grades(&column_of(&inventory, "NSN"), grade_nsn), [132_858, 8_206, 4]);
    assert_eq!(column_of(&data.join("leso_inventory_2019-12-31.csv.gz"), "NSN").len(), 146_374);

    let numbers = column_of(&shipments, "Requisition ID");
    assert_eq!(grades(&numbers, grade_document_number), [67_523, 0, 0]);
    assert_eq!(numbers.iter().filter(|number| number.ends_with(' ')).count(), 3);
    let mut times: HashMap<&str, usize> = HashMap::new();
    numbers.iter().for_each(|number| *times.entry(number.trim()).or_default() += 1);
    let twice: Vec<&str> = times.into_iter().filter(|(_, n)| *n > 1).map(|(number, _)| number).collect();
    assert_eq!(twice, ["2YTKXD71513126"]);

    let first = column_of(&shipments, "Date Shipped").into_iter().min().unwrap();
    let dates = column_of(&inventory, "Ship Date");
    assert_eq!(dates.iter().filter(|date| date[..10] < first[..10]).count(), 107_510);
    assert!(column_of(&shipments, "Date Shipped").iter().all(|date| date.ends_with(" 00:00:00")));
    assert_eq!(dates.iter().filter(|date| !date.ends_with(" 00:00:00")).count(), 288);

    let units = column_of(&inventory, "UI");
    let unknown: Vec<&String> = units.iter().filter(|unit| unit_of_word(unit).is_none()).collect();
    assert_eq!((unknown.len(), unknown[0].as_str()), (143, "Unknown"));

    let mut rows: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for row in table(&inventory).unwrap().into_records() {
        *rows.entry(row.unwrap().iter().map(str::to_owned).collect()).or_default() += 1;
    }
    let alike: usize = rows.values().filter(|n| **n > 1).sum();
    assert_eq!(alike * 100 / dates.len(), 71, "per cent of the rows are identical to another");
}

#[test]
fn the_inventory_is_recorded_and_reconciled() {
    let Some(data) = data() else { return };
    let program = Path::new(env!("CARGO_BIN_EXE_leso_inventory"));
    for name in ["countersign", "countersign-verify"] {
        if !program.with_file_name(name).exists() {
            eprintln!("skipped: {name} is not built beside the test");
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let differences = folder.path().join("differences.csv");
    let output = Command::new(program).arg(&data).arg("--differences").arg(&differences).output().unwrap();
    let (text, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{said}");
    let summary: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    for (name, wanted) in [
        ("shipments", 67_523),
        ("dispatched", 67_522),
        ("inventory", 141_068),
        ("standard", 132_858),
        ("local", 8_206),
        ("malformed", 4),
        ("older_than_shipments", 107_510),
    ] {
        assert_eq!(summary[name], json!(wanted), "{name}: {summary}");
    }
    assert_eq!((&summary["holdings_agree"], &summary["agrees_with_tables"]), (&json!(true), &json!(true)));
    assert!(!text.to_lowercase().contains("lost"), "a difference is no loss: {text}");
    let listed = std::fs::read_to_string(&differences).unwrap().lines().count() - 1;
    assert_eq!(json!(listed), summary["groups_unexplained"]);
}
