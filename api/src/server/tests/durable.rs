//! The data folder: made, opened again, and refused when it is not what was acknowledged.

use std::fs;
use std::path::Path;

use countersign_ledger::append::{Ledger, OpenOptions};
use countersign_ledger::keys::SigningKey;
use countersign_ledger::time::{Clock as _, SystemClock};
use serde_json::json;

use super::support::{World, genesis, key};
use super::{Ended, JSON, Metrics, Served, dispatched};
use crate::failure::Exit;
use crate::keyring::Keyring;
use crate::server::data::open_measured;
use crate::server::{DataArgs, Limits, create_data, open_data};

fn args(folder: &Path) -> DataArgs {
    let log_key = folder.join("log-key.pem");
    if !log_key.exists() {
        fs::write(&log_key, key("log").to_pem(None).unwrap().as_bytes()).unwrap();
    }
    DataArgs { data: folder.to_owned(), high_water: None, log_key: Vec::new() }
}

fn keyring() -> Keyring {
    Keyring::new(None)
}

/// Begins a ledger in a folder, with parties and a case, and stops it.
fn begin(folder: &Path) -> DataArgs {
    let args = args(folder);
    let ledger = create_data(&args, vec![key("log").into()], genesis()).unwrap();
    let world = world(ledger);
    world.enroll("us-dsca", &["donor"]);
    world.enroll("xa-mod", &["recipient", "custodian"]);
    world.enroll("eu-obs", &["inspector", "oversight"]);
    world.open_case("us-dsca.x1");
    world.ledger.shutdown();
    args
}

fn world(ledger: Ledger) -> World {
    let clock = super::support::Hands::new();
    clock.forward(SystemClock.now().unix_millis() - clock.now().unix_millis());
    World { store: ledger.store().clone(), clock, ledger }
}

fn open(args: &DataArgs, metrics: &Metrics) -> World {
    world(open_measured(args, &keyring(), 64, OpenOptions::default(), Some(metrics)).unwrap())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            copy(&file.path(), &target)
        } else {
            fs::copy(file.path(), target).map(|_| ()).unwrap()
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let args = begin(folder.path());
    let mut events = Vec::new();
    for round in 0..3 {
        let metrics = Metrics::new().unwrap();
        let mut served = Served::serve(open(&args, &metrics), Limits::default(), metrics, 64, None);
        assert_eq!(served.size(), 5 + round);
        let answer = served.post(JSON, dispatched(&served, &format!("consignment/{round}")).as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text());
        events.push(answer.header("countersign-event").unwrap().to_owned());
        for event in &events {
            assert_eq!(served.get(&format!("/v1/events/{event}")).status, 200);
        }
        let metrics = served.get("/metrics").text().to_owned();
        let bytes = metrics.lines().find_map(|line| line.strip_prefix("countersign_store_bytes ")).unwrap();
        assert!(bytes.parse::<f64>().unwrap() > 0.0);
        assert!(metrics.contains("countersign_commit_seconds_count 1"));
        served.stop();
        assert_eq!(served.ended(), Ended::Stopped);
        served.world.ledger.shutdown();
    }
}

#[test]
fn data_that_were_rolled_back_are_refused() {
    let (folder, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let args = begin(folder.path());
    copy(folder.path(), old.path());
    let world = world(open_data(&args, &keyring()).unwrap());
    world.say(super::dispatch("consignment/a"), &["us-dsca/0"]).unwrap();
    world.ledger.shutdown();
    drop(world);
    fs::remove_dir_all(args.store_path()).unwrap();
    copy(&old.path().join("db"), &args.store_path());
    let failure = open_data(&args, &keyring()).unwrap_err();
    assert_eq!(failure.exit, Exit::Refused, "{failure}");
    assert!(failure.hint.unwrap().contains("rolled back"));
}

#[test]
fn what_is_missing_is_told_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = DataArgs { data: folder.path().join("none"), high_water: None, log_key: Vec::new() };
    let failure = open_data(&nothing, &keyring()).unwrap_err();
    assert!(failure.message.contains("there is no ledger") && failure.hint.unwrap().contains("init"));

    let args = begin(folder.path());
    let failure = create_data(&args, vec![key("log").into()], genesis()).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage, "{failure}");
    let elsewhere = DataArgs { high_water: Some(folder.path().join("gone")), ..args.clone() };
    assert!(open_data(&elsewhere, &keyring()).unwrap_err().hint.unwrap().contains("--high-water"));
    let other = folder.path().join("other.pem");
    fs::write(&other, SigningKey::from_seed(&[9; 32]).to_pem(None).unwrap().as_bytes()).unwrap();
    let wrong = DataArgs { log_key: vec![other], ..args.clone() };
    assert!(open_data(&wrong, &keyring()).unwrap_err().hint.unwrap().contains("--log-key"));
    let running = open_data(&args, &keyring()).unwrap();
    assert!(open_data(&args, &keyring()).unwrap_err().hint.unwrap().contains("another"));
    running.shutdown();
    drop(running);
    assert_eq!(json!(open_data(&args, &keyring()).unwrap().head().size), json!(5));
}
