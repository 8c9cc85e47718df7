//! The command line against real server processes.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Folder, Said, Server, World, copy_folder};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn an_event_goes_from_draft_to_receipt() {
    let world = World::new();
    world.enroll("donor", "donor");
    world.enroll("recipient", "recipient");
    world.open_case("c.1", "donor", "recipient");
    world.folder.write("hold.json", r#"{"lines":[{"line":"1","nomenclature":"радіостанція","quantity":"2","unit":"EA"}],"grade":"documented","source":"records","place":{"text":"склад 7"}}"#);
    let drafted = world.run(&[
        "event",
        "new",
        "--kind",
        "holding.declared",
        "--subject",
        "holding/h-1",
        "--case",
        "c.1",
        "--author",
        "recipient",
        "--body",
        "hold.json",
        "--occurred",
        "2026-09-21",
        "-o",
        "h.event.json",
    ]);
    if drafted.status != 0 {
        // the members of this body are the ledger's to say; name what it wants
        panic!("{drafted:?}\n{}", world.run(&["event", "kinds", "holding.declared"]).stdout);
    }
    let event = Said::field(&drafted.stdout, "event");

    // unsigned: refused, with what to do
    world.run(&["event", "submit", "h.event.json"]).fails(1, "event sign");
    // nobody to ask, and no --yes
    world.run(&["event", "sign", "h.event.json", "--key", "recipient.pem"]).fails(2, "--yes");
    let signed = world.run(&["event", "sign", "h.event.json", "--key", "recipient.pem", "--yes"]).ok();
    assert!(signed.contains("  /body/lines/0/nomenclature = \"радіостанція\"\n"), "{signed}");
    assert_eq!(Said::field(&signed, "event"), event);
    world.run(&["event", "sign", "h.event.json", "--key", "recipient.pem", "--yes"]).fails(1, "signed already");

    let recorded = json(&world.run(&["event", "submit", "h.event.json", "--json"]).ok());
    assert_eq!(recorded["seq"], 4);
    assert_eq!(recorded["event"], event.as_str());
    assert_eq!(recorded["repeated"], false);
    assert!(world.folder.path("h.receipt.json").is_file());
    let again = json(&world.run(&["event", "submit", "h.event.json", "--json"]).ok());
    assert_eq!((&again["seq"], &again["repeated"]), (&recorded["seq"], &Value::Bool(true)));

    for argument in ["4", &event] {
        let shown = world.run(&["event", "show", argument]).ok();
        assert!(shown.starts_with("entry 4, recorded "), "{shown}");
        assert_eq!(Said::field(&shown, "event"), event);
    }
    world.run(&["event", "show", "99"]).fails(1, "there is no event 99");

    // the next draft comes after it; so does one made from the receipt alone, and from a bundle
    world.run(&["export", "--output", "all.jsonl"]).ok();
    world.run(&["export", "--zstd", "--output", "all.jsonl.zst"]).ok();
    for (i, from) in [None, Some("h.receipt.json"), Some("all.jsonl"), Some("all.jsonl.zst")].into_iter().enumerate() {
        let output = format!("next-{i}.event.json");
        let mut arguments = vec![
            "event",
            "new",
            "--kind",
            "holding.declared",
            "--subject",
            "holding/h-1",
            "--case",
            "c.1",
            "--author",
            "recipient",
            "--body",
            "hold.json",
            "-o",
            &output,
        ];
        arguments.extend(from.into_iter().flat_map(|file| ["--from", file]));
        world.run(&arguments).ok();
        let shown = world.run(&["event", "show", &output]).ok();
        assert!(shown.contains(&format!("/after = \"{event}\"")), "{shown}");
    }
}

#[test]
fn concealed_values_travel_beside_the_event() {
    let world = World::new();
    world.enroll("tracer", "tracer");
    world.folder.write(
        "d.json",
        r#"{"claim":"seen at a market","source_grade":"photographed","how_known":"an advertisement"}"#,
    );
    let new = |conceal: &str, output: &str| {
        world.run(&[
            "event",
            "new",
            "--kind",
            "diversion.reported",
            "--subject",
            "incident/tracer.1",
            "--author",
            "tracer",
            "--body",
            "d.json",
            "--conceal",
            conceal,
            "-o",
            output,
        ])
    };
    new("/body/source_grade", "x.event.json").fails(2, "does not let this be concealed");
    new("/body/nothing", "x.event.json").fails(2, "/body/nothing");
    assert!(!world.folder.path("x.event.json").exists());
    new("/body/claim", "d.event.json").ok();
    let signed = world.run(&["event", "sign", "d.event.json", "--key", "tracer.pem", "--yes"]).ok();
    assert!(signed.contains("* /body/claim = \"seen at a market\"\n"), "{signed}");
    world.run(&["event", "submit", "d.event.json"]).ok();
    let shown = world.run(&["event", "show", "2"]).ok();
    assert!(shown.contains("* /body/claim = \"seen at a market\"\n"), "{shown}");

    // without its disclosure the signer is told that it signs unseen
    let file = json(&std::fs::read_to_string(world.folder.path("d.event.json")).unwrap());
    world.folder.write("bare.event.json", &file["envelope"].to_string());
    let said = world.run(&["event", "sign", "bare.event.json", "--dry-run"]);
    assert!(said.stderr.contains("warning: 1 value is not disclosed"), "{said:?}");
    assert!(said.stdout.contains("? /body/_sd/0 = "), "{said:?}");
}

#[test]
fn an_enrolment_goes_round_by_file() {
    let world = World::new();
    world.folder.keys(&["p.pem"]);
    let enroll = |more: &[&str]| {
        let mut arguments = vec![
            "party",
            "enroll",
            "p",
            "--name",
            "وزارة الدفاع",
            "--capacity",
            "recipient",
            "--party-key",
            "p.pem.pub",
            "--holder",
            "office",
            "--yes",
        ];
        arguments.extend(more);
        world.run(&arguments)
    };
    enroll(&["--key", "g1.pem", "--key", "g2.pem"]).fails(2, "only its public part");
    enroll(&["--draft", "p.event.json", "--key", "g1.pem"]).ok();
    enroll(&["--draft", "p.event.json", "--key", "g1.pem"]).fails(2, "exists already");
    world.run(&["event", "submit", "p.event.json"]).fails(1, "hint: ");
    world.run(&["event", "sign", "p.event.json", "--key", "p.pem", "--yes"]).ok();
    world.run(&["event", "submit", "p.event.json"]).fails(1, "the server refused");
    world.run(&["event", "sign", "p.event.json", "--key", "g2.pem", "--yes"]).ok();
    world.run(&["event", "submit", "p.event.json"]).ok();
    let party = json(&world.run(&["party", "show", "p", "--json"]).ok());
    assert_eq!(party["name"], "وزارة الدفاع");
    assert_eq!(party["keys"][0]["status"], "active");
    assert!(world.run(&["party", "list"]).ok().contains("1 of 1"));
    world.run(&["party", "show", "q"]).fails(1, "there is no party q");
}

#[test]
fn keys_come_and_go() {
    let world = World::new();
    world.enroll("p", "recipient");
    world.folder.keys(&["second.pem", "third.pem"]);
    world
        .run(&["key", "add", "p", "second.pem", "--holder", "stores", "--use", "transfer.*", "--key", "p.pem", "--yes"])
        .ok();
    // a key cannot give what it has not
    world.run(&["key", "add", "p", "third.pem", "--holder", "stores", "--key", "second.pem", "--yes"]).fails(1, "");
    world.run(&["key", "retire", "p", "second.pem.pub", "--reason", "moved", "--key", "p.pem", "--yes"]).ok();
    let shown = world.run(&["key", "show", "second.pem.pub", "--online"]).ok();
    assert!(shown.contains("retired (entry 3)"), "{shown}");
    let p = Said::field(&world.run(&["key", "show", "p.pem.pub"]).ok(), "keyid");
    world.run(&["key", "revoke", "p", &p, "--reason", "stolen", "--key", "g1.pem", "--key", "g2.pem", "--yes"]).ok();
    assert!(world.run(&["key", "show", "p.pem", "--online"]).ok().contains("revoked (entry 4)"));
    assert!(world.run(&["key", "show", "g1.pem", "--online"]).ok().contains("a governance key in force"));
    assert!(world.run(&["key", "show", "third.pem", "--online"]).ok().contains("not in this ledger"));
}

#[test]
fn cases_are_amended_shown_and_closed() {
    let world = World::new();
    world.enroll("d", "donor");
    world.enroll("r", "recipient");
    world.enroll("n", "inspector");
    world.open_case("c.1", "d", "r");
    let sign = ["--key", "d.pem", "--key", "r.pem", "--yes"];
    let run = |arguments: &[&str]| world.run(&[arguments, &sign].concat());
    run(&["case", "amend", "c.1", "--terms", "receipt_within=60", "--reason", "winter"]).ok();
    run(&["case", "amend", "c.1", "--terms", "receipt_within=ten", "--reason", "x"])
        .fails(2, "/body/terms/receipt_within");
    run(&["case", "inspectors", "c.1", "--inspector", "n", "--reason", "visit", "--key", "n.pem"]).ok();
    let case = json(&world.run(&["case", "show", "c.1", "--json"]).ok());
    assert_eq!(case["members"]["terms"]["receipt_within"], 60);
    assert_eq!(case["members"]["roles"]["inspector"][0], "n");
    assert_eq!(case["members"]["title"], "радіо");
    // `after` of a case's own stream must be the head
    let genesis = Said::field(&world.run(&["event", "show", "4"]).ok(), "event");
    run(&["case", "close", "c.1", "--reason", "done", "--after", &genesis]).fails(1, "");
    world.run(&["case", "close", "c.1", "--reason", "done", "--key", "d.pem", "--yes"]).ok();
    assert!(world.run(&["case", "show", "c.1"]).ok().contains("closed in entry"));
    assert!(world.run(&["case", "list"]).ok().contains("радіо"));
}

#[test]
fn another_ledger_and_no_server_are_told() {
    let world = World::new();
    let other = "0".repeat(64);
    world.run(&["status", "--ledger", &other]).fails(4, "serves ledger");
    let began = Instant::now();
    world.run(&["status", "--server", "http://127.0.0.1:1"]).fails(2, "cannot reach http://127.0.0.1:1");
    assert!(began.elapsed() < Duration::from_secs(20));
    world.run(&["status", "--server", "127.0.0.1:1"]).fails(2, "http://");

    // without --ledger the address is remembered
    let status = |server: &str| {
        let mut command = world.folder.command(&["status", "--json"]);
        Said::from_output(command.env("COUNTERSIGN_SERVER", server).output().unwrap())
    };
    assert!(status(&world.server.url).stderr.contains("compare this id"));
    assert_eq!(status(&world.server.url).stderr, "");
    std::fs::write(
        world.folder.path("state/countersign/servers.json"),
        format!("{{\"{}\":\"{other}\"}}", world.server.url),
    )
    .unwrap();
    status(&world.server.url).fails(4, "serves ledger");
    let failure = json(&world.run(&["event", "show", "77", "--json"]).stderr);
    assert_eq!(failure["exit"], 1);
}

#[test]
fn a_server_that_went_back_is_found_out() {
    let folder = Folder::new();
    let ledger = folder.init("data");
    copy_folder(&folder.path("data"), &folder.path("old"));
    let world = World { server: Server::start(&folder, "data"), folder, ledger };
    world.enroll("p", "recipient");
    let old = Server::start(&world.folder, "old");
    world.run(&["status", "--server", &old.url]).fails(4, "the server went back: it shows 1 entries");
}

#[test]
fn two_histories_are_found_out() {
    let folder = Folder::new();
    let ledger = folder.init("data");
    copy_folder(&folder.path("data"), &folder.path("fork"));
    let world = World { server: Server::start(&folder, "data"), folder, ledger };
    world.enroll("p", "recipient");
    let fork = Server::start(&world.folder, "fork");
    // somebody else, who has seen nothing yet, writes to the fork
    for party in ["x", "y"] {
        let key = format!("{party}.pem");
        world.folder.keys(&[&key]);
        let mut command = world.command(&[
            "party",
            "enroll",
            party,
            "--name",
            party,
            "--capacity",
            "donor",
            "--party-key",
            &key,
            "--holder",
            "office",
            "--key",
            "g1.pem",
            "--key",
            "g2.pem",
            "--yes",
            "--server",
            &fork.url,
        ]);
        Said::from_output(command.env("XDG_STATE_HOME", world.folder.path("other")).output().unwrap()).ok();
    }
    world.run(&["status", "--server", &fork.url]).fails(4, "two histories");
    // the checkpoint seen first stays: it is evidence
    world.run(&["status"]).ok();
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let world = World::new();
    for i in 0..3 {
        world.enroll(&format!("p{i}"), "recipient");
    }
    let mut child = world.command(&["export"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"countersign_bundle\":1,"), "{first}");
    assert!(child.wait().unwrap().success());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
}

#[test]
fn a_genesis_goes_round_by_file() {
    let folder = Folder::new();
    folder.keys(&["g1.pem", "g2.pem"]);
    let draft = |more: &[&str]| {
        let mut arguments = vec![
            "init",
            "--data",
            "data",
            "--origin",
            "ledger.example/x",
            "--threshold",
            "2",
            "--no-passphrase",
            "--yes",
        ];
        arguments.extend(more);
        folder.run(&arguments)
    };
    draft(&["--governance-key", "g1.pem"]).fails(2, "--threshold 2 with 1 governance key");
    draft(&["--governance-public", "g1.pem.pub", "--governance-public", "g2.pem.pub", "--draft", "genesis.event.json"])
        .ok();
    let start = || folder.run(&["init", "--data", "data", "--genesis", "genesis.event.json"]);
    start().fails(1, "entry 0 is not as it should be");
    folder.run(&["event", "sign", "genesis.event.json", "--key", "g1.pem", "--yes"]).ok();
    start().fails(1, "1 governance key did not sign entry 0");
    folder.run(&["event", "sign", "genesis.event.json", "--key", "g2.pem", "--yes"]).ok();
    let ledger = Said::field(&start().ok(), "ledger");
    start().fails(2, "is not empty");
    let status = json(&folder.run(&["status", "--data", "data", "--json"]).ok());
    assert_eq!((status["ledger"].as_str(), status["size"].as_u64()), (Some(ledger.as_str()), Some(1)));
    let server = Server::start(&folder, "data");
    let status = json(&folder.run(&["status", "--server", &server.url, "--json"]).ok());
    assert_eq!(status["ledger"].as_str(), Some(ledger.as_str()));
    server.stop();
}

#[test]
fn a_successor_names_the_checkpoint_that_it_continues() {
    let world = World::new();
    let checkpoint = world.run(&["status", "--checkpoint"]).ok();
    assert!(checkpoint.starts_with("ledger.example/test\n1\n"), "{checkpoint}");
    world.folder.write("last.checkpoint", &checkpoint);
    let said = world.folder.run(&[
        "init",
        "--data",
        "successor",
        "--origin",
        "ledger.example/next",
        "--threshold",
        "1",
        "--governance-key",
        "g1.pem",
        "--no-passphrase",
        "--yes",
        "--predecessor",
        "last.checkpoint",
        "--predecessor-ledger",
        &world.ledger,
    ]);
    said.ok();
    let successor = Server::start(&world.folder, "successor");
    let shown = world.folder.run(&["event", "show", "0", "--server", &successor.url]).ok();
    assert!(shown.contains(&format!("/body/predecessor/ledger = \"{}\"", world.ledger)), "{shown}");
    assert!(shown.contains("/body/predecessor/size = 1\n"), "{shown}");
}

#[test]
fn tls_needs_a_certificate_that_is_trusted() {
    let folder = Folder::new();
    folder.init("data");
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    folder.write("cert.pem", &made.cert.pem());
    folder.write("key.pem", &made.signing_key.serialize_pem());
    let server = Server::start_with(&folder, "data", &["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    folder.run(&["status", "--server", &server.url]).fails(2, "cannot reach https://");
    folder.run(&["status", "--server", &server.url, "--ca-cert", "cert.pem"]).ok();
    // plain http to it gets no further
    let plain = server.url.replace("https://", "http://");
    let said = folder.run(&["status", "--server", &plain, "--timeout", "2"]);
    assert_ne!(said.status, 0, "{said:?}");
}
