//! Evidence files and the stream of entries from the command line, against a real server process.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use common::{Said, World};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A report that names two files, signed and not yet submitted.
fn report(world: &World) {
    world.enroll("tracer", "tracer");
    world.folder.write("d.json", r#"{"claim":"seen at a market","source_grade":"photographed","how_known":"a visit"}"#);
    let arguments = "event new --kind diversion.reported --subject incident/tracer.1 --author tracer --body d.json \
                     --evidence photo.jpg --evidence notes.txt -o d.event.json";
    world.run(&arguments.split_whitespace().collect::<Vec<_>>()).ok();
    world.run(&["event", "sign", "d.event.json", "--key", "tracer.pem", "--yes"]).ok();
}

#[test]
fn evidence_goes_there_and_back_and_beside_a_bundle() {
    let world = World::new();
    // beyond one piece, so that it comes in several
    let photo: Vec<u8> = (0..700_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    fs::write(world.folder.path("photo.jpg"), &photo).unwrap();
    world.folder.write("notes.txt", "what was seen");
    let items = world.run(&["evidence", "add", "photo.jpg", "notes.txt"]).ok();
    let item = json(items.lines().next().unwrap());
    assert_eq!(
        (&item["size"], &item["media_type"], &item["name"]),
        (&700_000.into(), &"image/jpeg".into(), &"photo.jpg".into())
    );
    let hash = item["sha256"].as_str().unwrap();

    report(&world);
    world.run(&["evidence", "put", "photo.jpg"]).fails(1, "names the file");
    let sent = json(&world.run(&["evidence", "put", "photo.jpg", "--event", "d.event.json", "--json"]).ok());
    assert_eq!((sent["sha256"].as_str(), &sent["sent"]), (Some(hash), &Value::Bool(true)));
    world.run(&["evidence", "get", hash, "--out", "again.jpg"]).fails(2, "does not have");
    world.run(&["event", "submit", "d.event.json"]).ok();
    let again = json(&world.run(&["evidence", "put", "photo.jpg", "--json"]).ok());
    assert_eq!(again["sent"], false);
    world.run(&["evidence", "get", hash, "--out", "again.jpg"]).ok();
    assert_eq!(fs::read(world.folder.path("again.jpg")).unwrap(), photo);
    world.run(&["evidence", "get", hash, "--out", "again.jpg"]).fails(2, "exists already");

    let said = world.run(&["export", "--output", "all.jsonl.zst", "--zstd", "--evidence", "files", "--json"]).ok();
    let beside = json(said.lines().nth(1).unwrap());
    assert_eq!((&beside["fetched"], beside["missing"].as_array().unwrap().len()), (&1.into(), 1));
    assert_eq!(fs::read(world.folder.path("files").join(hash)).unwrap(), photo);
    world.run(&["export", "--evidence", "files"]).fails(2, "--output");
    // a server that has another file than it should is found out, and nothing is written
    let place = world.folder.path("data/evidence").join(&hash[..2]).join(&hash[2..]);
    let mut forged = photo.clone();
    forged[9] ^= 1;
    fs::write(&place, &forged).unwrap();
    world.run(&["evidence", "get", hash, "--out", "forged.jpg"]).fails(1, "another file");
    assert!(!world.folder.path("forged.jpg").exists());
}

#[test]
fn the_stream_goes_on_where_it_broke() {
    let world = World::new();
    world.enroll("tracer", "tracer");
    let lines = world.run(&["stream", "--from", "0", "--count", "2"]).ok();
    let seqs: Vec<Value> = lines.lines().map(|line| json(line)["seq"].clone()).collect();
    assert_eq!(seqs, [0, 1]);
    let kinds = world.run(&["stream", "--from", "0", "--kind", "party.enrolled", "--count", "1", "--json"]).ok();
    assert_eq!(json(&kinds)["event"]["body"]["party"], "tracer");
    let mut listening =
        world.command(&["stream", "--from", "2", "--count", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    world.enroll("donor", "donor");
    let mut line = String::new();
    BufReader::new(listening.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!((&json(&line)["seq"], &json(&line)["event"]["body"]["party"]), (&2.into(), &"donor".into()));
    assert!(listening.wait().unwrap().success());
    // one that listens does not keep the server from ending
    let mut listening = world.command(&["stream", "--from", "2"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(listening.stdout.take().unwrap());
    lines.read_line(&mut line).unwrap();
    world.server.stop();
    listening.kill().unwrap();
    let _ = Said::from_output(listening.wait_with_output().unwrap());
}
