//! The maps of `examples/maps` on their tables, one for every kind that comes in tables.

use std::io::Cursor;
use std::path::Path;

use countersign_ledger::hash::LedgerId;
use serde_json::{Value, json};

use super::draft::{Drafter, Group};
use super::fault::Fault;
use super::group::Groups;
use super::input::Format;
use super::map::Map;
use super::read::Rows;
use super::source::from_reader;

fn drafts(map: &str, table: &[u8]) -> Vec<(Group, Result<Value, Fault>)> {
    let map = Map::parse(map, Path::new("")).unwrap();
    let source = from_reader(Cursor::new(table.to_vec()), None, map.input.encoding).unwrap();
    let rows = Rows::new(source, &map, Format::Csv).unwrap();
    let groups = Groups::new(rows, map.group_by.clone());
    let drafter = Drafter { map, ledger: LedgerId::from_bytes([0xab; 32]), author: "xa-mod".parse().unwrap() };
    let payload = |drafted: Box<super::draft::Drafted>| serde_json::from_slice(&drafted.draft.payload()).unwrap();
    let drafted = groups.flat_map(|rows| drafter.draft(rows.unwrap()));
    drafted.map(|(group, made)| (group, made.map(payload))).collect()
}

macro_rules! example {
    ($name:literal) => {
        (
            include_str!(concat!("../../../../examples/maps/", $name, ".toml")),
            include_str!(concat!("../../../../examples/data/", $name, ".csv")),
        )
    };
}

fn events((map, table): (&str, &str)) -> Vec<Value> {
    drafts(map, table.as_bytes()).into_iter().map(|(_, made)| made.unwrap_or_else(|e| panic!("{e}"))).collect()
}

#[test]
fn checks() {
    let events = events(example!("checks"));
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["subject"], "check/v-2026-7-depot-7");
    assert_eq!(events[0]["occurred"], json!({"at": "2026-10-12T06:15:00.000Z"}), "summer time in Kyiv");
    let items = &events[0]["body"]["items"];
    let first = json!({
        "described_in": {"subject": "consignment/2026-0001", "line": "1"}, "serials": ["SYN-0001", "SYN-0002"],
        "state": "in_custody", "grade": "scanned"
    });
    assert_eq!(items[0], first);
    assert_eq!(items[1]["remarks"], "за словами командира,\nна ремонті");
    assert_eq!((&items[1]["grade"], &items[1]["state"]), (&json!("not_seen"), &json!("not_found")));
    assert_eq!((&items[2]["quantity"], &items[2]["nsn"]), (&json!("12"), &json!("5855-01-534-5931")));
    assert!(items[2].get("described_in").is_none());
    assert!(events[0]["body"].get("part").is_none(), "whole");
    let (map, table) = example!("checks");
    let alone =
        map.replace("check.recorded", "check.unilateral").replace("[body]\n", "[body]\nwhy_not_signed = \"away\"\n");
    assert_eq!(drafts(&alone, table.as_bytes())[0].1.as_ref().unwrap()["body"]["why_not_signed"], "away");
}

#[test]
fn parts_of_a_large_inventory() {
    let (map, table) = example!("checks");
    let mut large = table.lines().next().unwrap().to_owned() + "\n";
    for i in 0..450 {
        large.push_str(&format!("V-1;DEPOT-7;12.10.2026 09:15;2026-0001;1;SYN-{i:04};;;;на місці;сканер;\n"));
    }
    let made = drafts(map, large.as_bytes());
    let parts: Vec<(usize, Value, Value)> = made
        .iter()
        .map(|(group, made)| {
            let body = &made.as_ref().unwrap()["body"];
            (group.rows.len(), body["part"].clone(), body["last"].clone())
        })
        .collect();
    let wanted = [(200, 1, false), (200, 2, false), (50, 3, true)].map(|(n, part, last)| (n, json!(part), json!(last)));
    assert_eq!(parts, wanted);
    let keys: Vec<&str> = made.iter().map(|(group, _)| group.key.as_str()).collect();
    assert_eq!(keys, ["V-1/DEPOT-7 part 1", "V-1/DEPOT-7 part 2", "V-1/DEPOT-7 part 3"]);
    // One bad row in the last part: none of them is recorded, since alone it would be counted anew.
    let bad = large.replace("SYN-0449;;;;на місці", "SYN-0449;;;;десь");
    let faults: Vec<String> =
        drafts(map, bad.as_bytes()).iter().map(|(_, made)| made.as_ref().unwrap_err().to_string()).collect();
    assert!(faults[0].starts_with("part 3 of the same statement has a mistake"), "{}", faults[0]);
    assert!(faults[2].starts_with("State: expected a word of the map's table states"), "{}", faults[2]);
}

#[test]
fn self_reports_losses_sites_holdings() {
    let reports = events(example!("self_reports"));
    assert_eq!(reports[0]["body"]["items"][0]["serials"], json!(["SYN-0001", "SYN-0002"]));
    assert_eq!(reports[0]["body"]["items"][1]["state"], "combat_destroyed");
    assert_eq!(reports[1]["body"]["why_not_inspected"], "roads closed");
    let losses = events(example!("losses"));
    assert_eq!(losses[0]["occurred"], json!({"unknown": "the log has no date"}));
    assert_eq!((&losses[0]["body"]["type"], &losses[0]["body"]["known"]), (&json!("captured"), &json!("2026-10-05")));
    assert_eq!(losses[0]["body"]["items"][1], json!({"lot": "LOT-7", "quantity": "40", "unit": "EA"}));
    assert_eq!((&losses[1]["subject"], &losses[1]["body"]["place"]), (&json!("loss/l-2"), &Value::Null));
    let sites = events(example!("sites"));
    assert_eq!(sites[0]["body"]["place"]["lat"], "50.0413");
    assert_eq!(sites[1]["body"], json!({"code": "FRONT-3"}), "a classified site has only a code");
    let holdings = events(example!("holdings"));
    assert_eq!(holdings.len(), 1);
    assert_eq!(holdings[0]["body"]["lines"][0]["serials"], json!(["SYN-OLD-1", "SYN-OLD-2"]));
    assert_eq!(holdings[0]["body"]["lines"][1]["quantity"], "1");
}

/// Hostile bytes in each table: every row either makes an event of its kind, or says what is wrong with it.
#[test]
fn damaged_tables_are_told() {
    for (map, table) in [
        example!("checks"),
        example!("self_reports"),
        example!("losses"),
        example!("sites"),
        example!("holdings"),
        example!("receipts"),
        example!("dispatch_serials"),
    ] {
        let header = table.find('\n').unwrap() + 1;
        let body = &table.as_bytes()[header..];
        let hostile: [&[u8]; 8] =
            [b"\xff", b"\0", b"\x1b[2J", b"\"", b"\xe2\x80\xae", b"=1+1", b"\xed\xa0\x80", b",;\t,;\t"];
        for bytes in hostile {
            for at in (0..body.len()).step_by(7) {
                let damaged = [&table.as_bytes()[..header], &body[..at], bytes, &body[at..]].concat();
                for (_, made) in drafts(map, &damaged) {
                    if let Err(fault) = made {
                        assert!(!fault.reason.is_empty());
                    }
                }
            }
        }
        for length in 0..body.len().min(200) {
            drafts(map, &table.as_bytes()[..header + length]);
        }
    }
}
