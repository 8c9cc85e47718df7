//! The client's batches over a link that breaks again and again.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::World;
use countersign::client::{Client, ClientError, Settings, StateFolder};
use countersign::draft::Draft;
use countersign_ledger::hash::LedgerId;
use countersign_ledger::keys::SigningKey;
use countersign_ledger::submission::Submission;
use serde_json::json;

/// Passes bytes on to a server, and cuts each connection after it has carried so many bytes of answers.
struct BreakingLink {
    url: String,
    cuts: Arc<AtomicUsize>,
}

impl BreakingLink {
    fn new(server: &str, answer_bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = server.strip_prefix("http://").unwrap().to_owned();
        let cuts = Arc::new(AtomicUsize::new(0));
        let counted = cuts.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&target).unwrap());
                let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from_client, &mut to_server);
                    let _ = to_server.shutdown(Shutdown::Write);
                });
                let counted = counted.clone();
                thread::spawn(move || {
                    let (mut server, mut client) = (server, client);
                    let (mut left, mut buffer) = (answer_bytes, [0; 4096]);
                    while let Ok(read @ 1..) = server.read(&mut buffer) {
                        if read > left {
                            // in the middle of a line, as likely as not
                            let _ = client.write_all(&buffer[..left]);
                            counted.fetch_add(1, Ordering::Relaxed);
                            break;
                        }
                        left -= read;
                        if client.write_all(&buffer[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = client.shutdown(Shutdown::Both);
                    let _ = server.shutdown(Shutdown::Both);
                });
            }
        });
        Self { url, cuts }
    }
}

fn events(ledger: LedgerId, key: &SigningKey, count: usize) -> Vec<Submission> {
    let event = |i: usize| {
        let body = json!({ "claim": format!("number {i}"), "source_grade": "documented" });
        let draft = Draft::new(
            Some(ledger),
            "diversion.reported".parse().unwrap(),
            format!("incident/p.{i}").parse().unwrap(),
            "p".parse().unwrap(),
            body,
        );
        let mut submission = draft.submission().unwrap();
        submission.envelope.add_signature(key).unwrap();
        submission
    };
    (0..count).map(event).collect()
}

fn connect(world: &World, url: &str, state: &str) -> Client {
    let settings = Settings { server: url.to_owned(), ca_cert: None, timeout: Duration::from_secs(20), on_wait: None };
    Client::connect(settings, Some(world.ledger.parse().unwrap()), StateFolder::new(world.folder.path(state))).unwrap()
}

#[test]
fn every_event_is_recorded_once_over_a_breaking_link() {
    const COUNT: usize = 1_500;
    let world = World::new();
    world.enroll("p", "recipient");
    let key = SigningKey::from_pem(&std::fs::read_to_string(world.folder.path("p.pem")).unwrap(), None).unwrap();
    let link = BreakingLink::new(&world.server.url, 300_000);
    let client = connect(&world, &link.url, "batch");
    let mut events = events(client.ledger_id(), &key, COUNT);
    // one that the ledger refuses, in the middle: nobody is disturbed by it
    events[700].envelope = countersign_ledger::envelope::Envelope::sign(b"{}".to_vec(), &[&key]).unwrap();
    let hashes: Vec<_> = events.iter().map(|event| event.envelope.event_hash()).collect();

    let mut seqs = vec![None; COUNT];
    let mut refused = Vec::new();
    client
        .submit_batch(events, |index, outcome| {
            match outcome {
                Ok(recorded) => {
                    assert_eq!(recorded.event, hashes[index]);
                    assert!(seqs[index].replace(recorded.seq.0).is_none(), "told twice: {index}");
                }
                Err(problem) => refused.push((index, problem.code)),
            }
            Ok::<(), ClientError>(())
        })
        .unwrap();

    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0, 700);
    let cuts = link.cuts.load(Ordering::Relaxed);
    assert!(cuts >= 3, "the link broke only {cuts} times");
    let mut seqs: Vec<u64> = seqs.into_iter().flatten().collect();
    seqs.sort_unstable();
    // entries 0 and 1 are the genesis and the party
    assert_eq!(seqs, (2..u64::try_from(COUNT).unwrap() + 1).collect::<Vec<_>>());
    let client = connect(&world, &world.server.url, "batch");
    assert_eq!(client.ledger().unwrap().size.0, u64::try_from(COUNT).unwrap() + 1);
}

#[test]
fn a_batch_sent_again_is_recorded_once() {
    let world = World::new();
    world.enroll("p", "recipient");
    let key = SigningKey::from_pem(&std::fs::read_to_string(world.folder.path("p.pem")).unwrap(), None).unwrap();
    let client = connect(&world, &world.server.url, "batch");
    let events = events(client.ledger_id(), &key, 40);
    for repeated in [false, true] {
        let mut told = 0;
        client
            .submit_batch(events.clone(), |_, outcome| {
                assert_eq!(outcome.unwrap().repeated, repeated);
                told += 1;
                Ok::<(), ClientError>(())
            })
            .unwrap();
        assert_eq!(told, 40);
    }
    assert_eq!(client.ledger().unwrap().size.0, 42);
    let recorded = client.submit(&events[3]).unwrap();
    assert!(recorded.repeated);
    assert_eq!(client.event(&recorded.event).unwrap().unwrap().seq, recorded.seq);
}
