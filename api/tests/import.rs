//! `import` and `receive` against a real server process, through the program's own command line.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

const CASE: &str = "us-dsca.xa-b-uaa";
/// Entries before a test's own: genesis, two parties, a case.
const BEFORE: u64 = 4;

/// A ledger with a donor, a recipient and a case, served on a free port.
struct Office {
    folder: tempfile::TempDir,
    server: String,
    ledger: String,
    child: Option<Child>,
}

impl Drop for Office {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // it may have ended
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Office {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut office = Self { folder, server: String::new(), ledger: String::new(), child: None };
        let data = office.file("ledger");
        let governance = office.key("governance");
        let begun = office.run(&[
            "init",
            "--data",
            &data,
            "--origin",
            "test.example/import",
            "--threshold",
            "1",
            "--governance-key",
            &governance,
            "--no-passphrase",
        ]);
        let mut child = office
            .command()
            .args(["serve", "--data", &data, "--listen", "127.0.0.1:0"])
            .env("COUNTERSIGN_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        office.child = Some(child);
        let said: Value = serde_json::from_str(&line).unwrap();
        office.server = said["listening"].as_str().unwrap().to_owned();
        office.ledger = begun["ledger"].as_str().unwrap().to_owned();
        for (party, capacity) in [("us-dsca", "donor"), ("xa-mod", "recipient")] {
            let key = office.key(party);
            office.run(&[
                "party",
                "enroll",
                party,
                "--name",
                party,
                "--capacity",
                capacity,
                "--party-key",
                &key,
                "--holder",
                "office",
                "--key",
                &governance,
            ]);
        }
        let (donor, recipient) = (office.file("us-dsca.pem"), office.file("xa-mod.pem"));
        office.run(&[
            "case",
            "open",
            CASE,
            "--title",
            "Test",
            "--donor",
            "us-dsca",
            "--recipient",
            "xa-mod",
            "--legal-basis",
            "none",
            "--end-use",
            "tests",
            "--end-user",
            "tests",
            "--author",
            "us-dsca",
            "--key",
            &donor,
            "--key",
            &recipient,
        ]);
        office
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn key(&self, name: &str) -> String {
        let path = self.file(&format!("{name}.pem"));
        self.run(&["key", "new", &path, "--no-passphrase"]);
        path
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.file(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.env("XDG_STATE_HOME", self.path("state")).stdin(Stdio::null()).args(["--json", "--yes"]);
        if !self.ledger.is_empty() {
            command.args(["--server", &self.server, "--ledger", &self.ledger]);
        }
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// Runs a command that ends with `status`, and returns the last line of stdout.
    #[track_caller]
    fn ends(&self, status: i32, arguments: &[&str]) -> Value {
        let output = self.output(arguments);
        let (said, wrote) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{wrote}\n{said}");
        serde_json::from_str(wrote.lines().last().unwrap_or("null")).unwrap_or(Value::Null)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Value {
        self.ends(0, arguments)
    }

    fn size(&self) -> u64 {
        self.run(&["status"])["size"].as_u64().unwrap()
    }
}

const MAP: &str = r#"
kind = "transfer.dispatched"
author = "us-dsca"
key = "{No}"
subject = "consignment/{No|id}"
case = "us-dsca.xa-b-uaa"
occurred = { date = "{Date|date}" }
[input]
delimiter = ";"
decimal = ","
dates = ["%d.%m.%Y"]
[body]
document_number = "W1A2B360000001"
[[body.lines]]
line = "1"
nomenclature = "{Name}"
quantity = "{Quantity|number}"
unit = "{Unit|unit}"
"#;

fn numbers(report: &Value) -> [u64; 5] {
    ["rows", "appended", "already", "warned", "quarantined"].map(|name| report[name].as_u64().unwrap())
}

#[test]
fn a_file_imported_again_records_nothing_twice() {
    let office = Office::open();
    let (map, donor) = (office.write("map.toml", MAP), office.file("us-dsca.pem"));
    let csv = "\u{feff}No;Date;Name;Quantity;Unit\r\n\
               W-1;01.09.2026;\"Radio\r\nset\";1,50000000001;Each\r\n\
               W-2;02.09.2026;Радіо;2;EA \r\n\
               W-3;03.09.2026;راديو;zwei;EA\r\n\
               W-2;09.09.2026;Радіо;2;EA\r\n";
    let csv = csv.replace("\"Radio\r\nset\"", "\"Radio; set\"");
    let file = office.write("a.csv", &csv);
    let dry = office.ends(3, &["import", &file, "--map", &map, "--dry-run"]);
    assert_eq!((dry["valid"].as_u64(), dry["quarantined"].as_u64()), (Some(2), Some(2)));
    assert_eq!(office.size(), BEFORE, "a dry run records nothing");

    let (mend, results, receipts) = (office.file("mend.csv"), office.file("results.csv"), office.file("receipts"));
    let first = office.ends(
        3,
        &[
            "import",
            &file,
            "--map",
            &map,
            "--key",
            &donor,
            "--quarantine",
            &mend,
            "--results",
            &results,
            "--receipts",
            &receipts,
        ],
    );
    assert_eq!(numbers(&first), [4, 2, 0, 1, 2], "{first}");
    assert_eq!(office.size(), BEFORE + 2);
    assert_eq!(std::fs::read_dir(&receipts).unwrap().count(), 2);
    let quarantined = first["quarantined_rows"].as_array().unwrap();
    assert_eq!((&quarantined[0]["field"], &quarantined[0]["row"]), (&Value::from("Quantity"), &Value::from(4)));
    let reason = quarantined[1]["reason"].as_str().unwrap();
    assert!(reason.contains("row 3 has it too, with other values"), "{reason}");
    let written = std::fs::read_to_string(&results).unwrap();
    assert_eq!(written.lines().count(), 5);
    assert!(written.lines().nth(1).unwrap().starts_with("2,W-1,appended,"), "{written}");

    // Mended in place, the quarantine file imports with the same map; the row that is a mistake is left out.
    let mended = std::fs::read_to_string(&mend).unwrap();
    assert!(mended.starts_with("_row;_reason;_field;No;Date;Name;Quantity;Unit\n4;"), "{mended}");
    let mended: Vec<&str> = mended.lines().filter(|line| !line.starts_with("5;")).collect();
    let mended = office.write("mended.csv", mended.join("\n").replace("zwei", "2"));
    let second = office.run(&["import", &mended, "--map", &map, "--key", &donor]);
    assert_eq!(numbers(&second), [1, 1, 0, 0, 0], "{second}");

    // From another machine: another state folder, the same file.
    let elsewhere = office
        .command()
        .env("XDG_STATE_HOME", office.path("elsewhere"))
        .args([
            "import",
            &office.write("b.csv", csv.lines().take(3).collect::<Vec<_>>().join("\n")),
            "--map",
            &map,
            "--key",
            &donor,
        ])
        .output()
        .unwrap();
    assert!(elsewhere.status.success(), "{}", String::from_utf8_lossy(&elsewhere.stderr));
    let again: Value = serde_json::from_slice(&elsewhere.stdout).unwrap();
    assert_eq!(numbers(&again), [2, 0, 2, 1, 0], "{again}");
    assert_eq!(office.size(), BEFORE + 3);

    // The same key with another content is a conflict, with the command that corrects it.
    let changed = office.write("c.csv", csv.lines().take(3).collect::<Vec<_>>().join("\n").replace(";2;", ";3;"));
    let conflict = office.ends(3, &["import", &changed, "--map", &map, "--key", &donor]);
    assert_eq!(numbers(&conflict), [2, 0, 1, 1, 1], "{conflict}");
    let reason = conflict["quarantined_rows"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("/body/lines/0/quantity \"2\", now \"3\""), "{reason}");
    assert!(reason.contains("countersign event new --kind statement.corrected --corrects "), "{reason}");
    assert_eq!(office.size(), BEFORE + 3);
}

#[test]
fn what_cannot_work_stops_at_once() {
    let office = Office::open();
    let (map, donor) = (office.write("map.toml", MAP), office.file("us-dsca.pem"));
    let mut csv = "No;Date;Name;Quantity;Unit\n".to_owned();
    for i in 0..2_000 {
        writeln!(csv, "W-{i};01.09.2026;Radio;1;EA").unwrap();
    }
    let file = office.write("a.csv", &csv);
    let stranger = office.key("stranger");
    let output = office.output(&["import", &file, "--map", &map, "--key", &stranger]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the first 64 rows were refused for one reason"), "{said}");
    let endless = office.write("y.csv", format!("No;Date;Name;Quantity;Unit\n\"W-1;{}", "x\n".repeat(1_000_000)));
    for (arguments, wanted) in [
        (vec!["import", &file, "--map", &map], "no key to sign with"),
        (vec!["import", "missing.csv", "--map", &map, "--key", &donor], "cannot read missing.csv"),
        (vec!["import", &file, "--map", "missing.toml", "--key", &donor], "cannot read the map missing.toml"),
        (vec!["import", &office.write("x.csv", "No;Name\n"), "--map", &map, "--key", &donor], "expected the column"),
        (vec!["import", &endless, "--map", &map, "--key", &donor], "is a quote left open"),
        (vec!["import", &file, "--map", &map, "--key", &donor, "--results", &file], "exists already"),
    ] {
        let output = office.output(&arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
    assert_eq!(office.size(), BEFORE);
}

/// Relays connections to the server and cuts each after some bytes of answers.
fn breaking_link(server: &str, bytes: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = server.trim_start_matches("http://").to_owned();
    let cuts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&cuts);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(upstream)) = (client, TcpStream::connect(&server)) else { return };
            let cuts = Arc::clone(&counted);
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            thread::spawn(move || {
                // ends when either side does
                let _ = std::io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(Shutdown::Write);
            });
            thread::spawn(move || relay_answers(upstream, client, bytes, &cuts));
        }
    });
    (address, cuts)
}

fn relay_answers(mut upstream: TcpStream, mut client: TcpStream, mut left: usize, cuts: &AtomicUsize) {
    let mut buffer = [0; 4_096];
    loop {
        let Ok(read) = upstream.read(&mut buffer) else { return };
        if read == 0 {
            let _ = client.shutdown(Shutdown::Both);
            return;
        }
        let relayed = read.min(left);
        if client.write_all(&buffer[..relayed]).is_err() {
            return;
        }
        left -= relayed;
        if left == 0 {
            cuts.fetch_add(1, Ordering::Relaxed);
            let _ = client.shutdown(Shutdown::Both);
            let _ = upstream.shutdown(Shutdown::Both);
            return;
        }
    }
}

#[test]
fn a_link_that_breaks_again_and_again_loses_nothing() {
    let office = Office::open();
    let (map, donor) = (office.write("map.toml", MAP), office.file("us-dsca.pem"));
    let mut csv = "No;Date;Name;Quantity;Unit\n".to_owned();
    for i in 0..3_000 {
        writeln!(csv, "W-{i};01.09.2026;Radio;1;EA").unwrap();
    }
    let file = office.write("a.csv", &csv);
    let (address, cuts) = breaking_link(&office.server, 400_000);
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .env("XDG_STATE_HOME", office.path("state"))
        .args(["--json", "--yes", "--server", &address, "--ledger", &office.ledger])
        .args(["import", &file, "--map", &map, "--key", &donor])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(numbers(&report), [3_000, 3_000, 0, 0, 0], "{report}");
    assert!(cuts.load(Ordering::Relaxed) >= 5, "the link broke {} times", cuts.load(Ordering::Relaxed));
    assert_eq!(office.size(), BEFORE + 3_000);
}

const PARTS_MAP: &str = r#"
kind = "transfer.dispatched"
author = "us-dsca"
key = "{Consignment} {Crate}"
subject = "consignment/{Consignment}"
case = "us-dsca.xa-b-uaa"
after = "stream"
group_by = ["Consignment", "Crate"]
occurred = { date = "{Date|date}" }
[body]
document_number = "W1A2B360000001"
part = "{Crate|int}"
last = "{Last|bool}"
[body.lines]
each = "{NSN}"
[body.lines.of]
line = "{NSN}"
nomenclature = "Synthetic device"
quantity = "{_rows}"
unit = "EA"
nsn = "{NSN|nsn}"
[body.lines.of.serials]
each = "{_row}"
of = "{Serial}"
"#;

fn serial(i: usize) -> String {
    format!("SYN-{i:06}")
}

#[test]
fn five_thousand_serials_received_over_four_days() {
    const ALL: usize = 5_000;
    const DAY: usize = ALL / 4;
    let office = Office::open();
    let (map, donor, recipient) =
        (office.write("map.toml", PARTS_MAP), office.file("us-dsca.pem"), office.file("xa-mod.pem"));
    let mut csv = "Consignment,Crate,Last,Date,NSN,Serial\n".to_owned();
    for i in 0..ALL {
        let crate_number = i / 1_000 + 1;
        let last = if crate_number == 5 { "yes" } else { "no" };
        writeln!(csv, "2026-0001,{crate_number},{last},2026-09-21,5855-01-534-5931,{}", serial(i)).unwrap();
    }
    let file = office.write("serials.csv", &csv);
    let report = office.run(&["import", &file, "--map", &map, "--key", &donor]);
    assert_eq!(numbers(&report), [5_000, 5_000, 0, 0, 0], "{report}");
    let report = office.run(&["import", &file, "--map", &map, "--key", &donor]);
    assert_eq!(numbers(&report), [5_000, 0, 5_000, 0, 0], "{report}");
    assert_eq!(office.size(), BEFORE + 5);

    let mut parts = 0;
    for day in 0..4 {
        // As a scanner writes: without hyphens, with blank lines and repetitions; the last item never came, and one
        // came that was not sent.
        let mut scans = String::new();
        for i in (day * DAY..(day + 1) * DAY).filter(|i| *i != ALL - 1) {
            writeln!(scans, "{}", serial(i).replace('-', " ").to_lowercase()).unwrap();
            if i % 500 == 0 {
                writeln!(scans, "\n{}", serial(i)).unwrap();
            }
        }
        if day == 3 {
            scans.push_str("SYN-999999\n");
        }
        let scans = office.write(&format!("day{day}.txt"), scans);
        let mut arguments = vec![
            "receive",
            "2026-0001",
            "--case",
            CASE,
            "--scans",
            &scans,
            "--part",
            "next",
            "--condition",
            "serviceable",
            "--key",
            &recipient,
        ];
        if day == 3 {
            arguments.push("--last");
        }
        let report = office.run(&arguments);
        let present = if day == 3 { DAY - 1 } else { DAY };
        assert_eq!(report["present"].as_u64(), u64::try_from(present).ok(), "{report}");
        assert_eq!(report["absent"].as_u64(), Some(u64::from(day == 3)), "{report}");
        assert_eq!(report["unexpected"].as_u64(), Some(u64::from(day == 3)), "{report}");
        assert_eq!(report["appended"], report["events"], "{report}");
        parts += report["appended"].as_u64().unwrap();
        // The same list again says nothing new.
        if day == 0 {
            let again = office.run(&arguments);
            assert_eq!(again["events"].as_u64(), Some(0), "{again}");
        }
    }
    assert_eq!(office.size(), BEFORE + 5 + parts);
    let bundle = office.file("a.bundle.jsonl");
    office.run(&["export", "--output", &bundle]);
    let (present, absent, unexpected, numbers) = received(Path::new(&bundle));
    assert_eq!((present.len(), absent.len(), unexpected.len()), (ALL - 1, 1, 1));
    assert!(absent.contains(&serial(ALL - 1)) && unexpected.contains("SYN-999999"));
    let wanted: Vec<(u64, bool)> = (1..=parts).map(|part| (part, part == parts)).collect();
    assert_eq!(numbers, wanted);
    let nothing = office.run(&["receive", "--dispatches-of", CASE, "--all", "--key", &recipient]);
    assert_eq!((nothing["events"].as_u64(), nothing["received_before"].as_u64()), (Some(0), Some(1)), "{nothing}");
}

/// What the receipts of a bundle say, and their part numbers.
#[allow(clippy::type_complexity)] // read once
fn received(bundle: &Path) -> (BTreeSet<String>, BTreeSet<String>, BTreeSet<String>, Vec<(u64, bool)>) {
    use base64::Engine as _;
    let mut sets = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    let mut parts = Vec::new();
    for line in BufReader::new(std::fs::File::open(bundle).unwrap()).lines().skip(1) {
        let entry: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let payload = entry["envelope"]["payload"].as_str().unwrap();
        let payload = base64::engine::general_purpose::STANDARD.decode(payload).unwrap();
        assert!(payload.len() <= 45_000);
        let event: Value = serde_json::from_slice(&payload).unwrap();
        if event["kind"] != "transfer.received" {
            continue;
        }
        parts.push((event["body"]["part"].as_u64().unwrap(), event["body"]["last"].as_bool().unwrap()));
        for line in event["body"]["lines"].as_array().unwrap() {
            for (set, name) in sets.iter_mut().zip(["present", "absent", "unexpected"]) {
                for serial in line["serials"][name].as_array().into_iter().flatten() {
                    assert!(set.insert(serial.as_str().unwrap().to_owned()), "{serial} stands twice");
                }
            }
        }
    }
    let [present, absent, unexpected] = sets;
    (present, absent, unexpected, parts)
}

#[test]
fn receipts_of_single_consignments_and_of_a_whole_case() {
    let office = Office::open();
    let (map, donor, recipient) =
        (office.write("map.toml", MAP), office.file("us-dsca.pem"), office.file("xa-mod.pem"));
    let csv = "No;Date;Name;Quantity;Unit\nW-1;01.09.2026;Radio;10;EA\nW-2;01.09.2026;Radio;2;EA\nW-3;01.09.2026;Radio;3;EA\n";
    let file = office.write("a.csv", csv);
    office.run(&["import", &file, "--map", &map, "--key", &donor]);
    let receipts = office.file("receipts");
    let report = office.run(&[
        "receive",
        "w-1",
        "--case",
        CASE,
        "--all",
        "--short",
        "1=1",
        "--key",
        &recipient,
        "--receipt-dir",
        &receipts,
    ]);
    assert_eq!((report["appended"].as_u64(), report["lines"].as_u64()), (Some(1), Some(1)), "{report}");
    assert_eq!(std::fs::read_dir(&receipts).unwrap().count(), 1);
    let missing = office.output(&["receive", "w-9", "--case", CASE, "--all", "--key", &recipient]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("nothing was dispatched as consignment/w-9"));

    let bundle = office.file("a.bundle.jsonl");
    office.run(&["export", "--output", &bundle]);
    let all = ["receive", "--dispatches-of", CASE, "--all", "--from", &bundle, "--key", &recipient];
    let dry = office.run(&[&all[..], &["--dry-run"]].concat());
    assert_eq!((dry["events"].as_u64(), dry["received_before"].as_u64()), (Some(2), Some(1)), "{dry}");
    let report = office.run(&all);
    assert_eq!(report["appended"].as_u64(), Some(2), "{report}");
    // The bundle is of yesterday, and knows nothing of these receipts: they are not recorded twice.
    let report = office.run(&all);
    assert_eq!((report["appended"].as_u64(), report["received_before"].as_u64()), (Some(0), Some(3)), "{report}");
    assert_eq!(office.size(), BEFORE + 6);
}

#[test]
fn receipts_from_a_file_come_after_their_dispatches() {
    let office = Office::open();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let example = |name: &str| examples.join(name).display().to_string();
    let (donor, recipient) = (office.file("us-dsca.pem"), office.file("xa-mod.pem"));
    let dispatches = office.run(&[
        "import",
        &example("data/dispatch_serials.csv"),
        "--map",
        &example("maps/dispatch_serials.toml"),
        "--key",
        &donor,
    ]);
    assert_eq!(numbers(&dispatches)[1], 5, "{dispatches}");
    let receipts = [&example("data/receipts.csv"), "--map", &example("maps/receipts.toml"), "--key", &recipient];
    let first = office.run(&[&["import"], &receipts[..]].concat());
    assert_eq!(numbers(&first), [3, 3, 0, 0, 0], "{first}");
    let again = office.run(&[&["import"], &receipts[..]].concat());
    assert_eq!(numbers(&again), [3, 0, 3, 0, 0], "{again}");
    assert_eq!(office.size(), BEFORE + 4);
    let nothing = office.run(&["receive", "--dispatches-of", CASE, "--all", "--key", &recipient]);
    assert_eq!(nothing["events"].as_u64(), Some(0), "{nothing}");
}

/// A report of more items than one event holds comes in parts, and again with nothing recorded twice.
#[test]
fn a_large_report_comes_in_parts() {
    let office = Office::open();
    let recipient = office.file("xa-mod.pem");
    let map = office.write(
        "map.toml",
        r#"
        kind = "self_report.recorded"
        author = "xa-mod"
        key = "{Report}"
        subject = "check/{Report|id}"
        case = "us-dsca.xa-b-uaa"
        group_by = ["Report"]
        rows_per_part = 200
        occurred = { at = "{When|time}" }
        [input]
        delimiter = ";"
        dates = ["%d.%m.%Y %H:%M"]
        timezone = "Europe/Kyiv"
        encoding = "windows-1251"
        [body]
        why_not_inspected = "{Why}"
        part = "{_part|int}"
        last = "{_last|bool}"
        [body.items]
        each = "{_row}"
        of = { serials = "{Serial|list:,}", state = "in_custody" }
        "#,
    );
    let mut table = "Report;When;Why;Serial\n".to_owned();
    for i in 0..450 {
        writeln!(table, "R-1;15.07.2026 12:00;передова;SYN-{i:04}").unwrap();
    }
    writeln!(table, "R-2;15.07.2026 12:00;передова;SYN-9999").unwrap();
    let mut bytes = Vec::new();
    for c in table.chars() {
        // the small letters of windows-1251 lie side by side
        bytes.push(match u32::from(c) {
            ascii @ 0..=127 => u8::try_from(ascii).unwrap(),
            letter => u8::try_from(letter - 0x430 + 0xe0).unwrap(),
        });
    }
    let file = office.write("report.csv", &bytes);
    let first = office.run(&["import", &file, "--map", &map, "--key", &recipient]);
    assert_eq!(numbers(&first), [451, 451, 0, 0, 0], "{first}");
    assert_eq!((first["events_appended"].as_u64(), office.size()), (Some(4), BEFORE + 4));
    let again = office.run(&["import", &file, "--map", &map, "--key", &recipient]);
    assert_eq!(numbers(&again), [451, 0, 451, 0, 0], "{again}");
    let bundle = office.file("all.bundle.jsonl");
    office.run(&["export", "-o", &bundle]);
    let bundle = std::fs::read_to_string(bundle).unwrap();
    let bodies: Vec<Value> = bundle
        .lines()
        .skip(1 + usize::try_from(BEFORE).unwrap())
        .map(|line| {
            use base64::Engine as _;
            let line: Value = serde_json::from_str(line).unwrap();
            let payload = line["envelope"]["payload"].as_str().unwrap();
            serde_json::from_slice(&base64::engine::general_purpose::STANDARD.decode(payload).unwrap()).unwrap()
        })
        .collect();
    let parts: Vec<(&Value, &Value)> =
        bodies.iter().map(|event| (&event["body"]["part"], &event["body"]["last"])).collect();
    let (no, yes, none) = (Value::from(false), Value::from(true), Value::Null);
    let wanted = [(1, &no), (2, &no), (3, &yes)].map(|(n, last)| (Value::from(n), last));
    assert_eq!(parts[..3], [0, 1, 2].map(|i| (&wanted[i].0, wanted[i].1)));
    assert_eq!(parts[3], (&none, &none), "a report in one event is whole");
    assert_eq!(bodies[0]["body"]["why_not_inspected"], "передова");
    assert_eq!(bodies[0]["occurred"]["at"], "2026-07-15T09:00:00.000Z");
}

/// What two parties must sign goes to files: one imports and signs, the other adds its signature, anyone submits.
#[test]
fn what_two_must_sign_goes_to_files() {
    let office = Office::open();
    let (donor, recipient) = (office.file("us-dsca.pem"), office.file("xa-mod.pem"));
    let map = office.write(
        "map.toml",
        r#"
        kind = "items.returned"
        author = "xa-mod"
        signers = ["xa-mod", "us-dsca"]
        key = "{No}"
        subject = "return/{No|id}"
        case = "us-dsca.xa-b-uaa"
        occurred = { date = "{Date|date}" }
        [body]
        purpose = "repair"
        [[body.items]]
        nsn = "{NSN|nsn}"
        quantity = "{Quantity|number}"
        unit = "EA"
        "#,
    );
    let file = office.write(
        "returns.csv",
        "No,Date,NSN,Quantity\nB-1,2026-10-01,5855-01-534-5931,2\nB-2,2026-10-02,5855-01-534-5931,two\nB-3,2026-10-03,5855-01-534-5931,1\n",
    );
    let (out, results) = (office.file("to-sign"), office.file("results.csv"));
    let import = ["import", &file, "--map", &map, "--key", &recipient, "--out", &out];
    let alone = office.ends(3, &["import", &file, "--map", &map, "--key", &recipient]);
    assert_eq!(numbers(&alone), [3, 0, 0, 0, 3], "one of two signatures records nothing: {alone}");
    let first = office.ends(3, &[&import[..], &["--results", &results]].concat());
    assert_eq!((first["events_written"].as_u64(), first["quarantined"].as_u64()), (Some(2), Some(1)), "{first}");
    assert_eq!(office.size(), BEFORE, "nothing is sent");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.iter().all(|path| path.to_string_lossy().ends_with(".event.json")), "{files:?}");
    for path in &files {
        office.run(&["event", "sign", path.to_str().unwrap(), "--key", &donor]);
    }
    let signed = std::fs::read(&files[0]).unwrap();
    let again = office.ends(3, &import);
    assert_eq!((again["written"].as_u64(), again["there"].as_u64()), (Some(0), Some(2)), "{again}");
    assert_eq!(std::fs::read(&files[0]).unwrap(), signed, "what was signed since is kept");
    let files: Vec<&str> = files.iter().map(|path| path.to_str().unwrap()).collect();
    office.run(&[&["event", "submit"][..], &files].concat());
    assert_eq!(office.size(), BEFORE + 2);
    // With both keys at hand it is recorded at once: the same events, so nothing twice.
    let both = office.ends(3, &["import", &file, "--map", &map, "--key", &recipient, "--key", &donor]);
    assert_eq!(numbers(&both), [3, 0, 2, 0, 1], "{both}");
    let changed = office.write("changed.csv", "No,Date,NSN,Quantity\nB-1,2026-10-01,5855-01-534-5931,3\n");
    let conflict = office.ends(3, &["import", &changed, "--map", &map, "--key", &recipient, "--out", &out]);
    assert!(conflict["quarantined_rows"][0]["reason"].as_str().unwrap().contains("another content"), "{conflict}");
}
