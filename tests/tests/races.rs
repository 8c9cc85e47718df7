//! Two parties who speak at the same moment, through a real server.
#![allow(clippy::unwrap_used)]

use std::sync::Barrier;

use countersign_tests::harness::draft::sign;
use countersign_tests::harness::http::Answer;
use countersign_tests::harness::people::{dispatch_body, receipt_body};
use countersign_tests::harness::server::Server;
use countersign_tests::harness::{DataFolder, Draft, binaries, draft, verify};
use serde_json::{Value, json};

const CASE: &str = "us-dsca.x1";
const ROUNDS: usize = 20;

fn server(folder: &DataFolder) -> Server {
    let server = Server::start(folder.serve());
    server.found();
    server
}

fn amendment(title: &str) -> Draft {
    let body = json!({ "title": title, "reason": "agreed" });
    draft("case.amended", "case/us-dsca.x1", Some(CASE), "us-dsca", body)
}

fn dispatch(n: usize) -> Draft {
    draft("transfer.dispatched", &format!("consignment/{n}"), Some(CASE), "us-dsca", dispatch_body())
}

/// Sends two events from two clients that start at the same moment.
fn race(server: &Server, events: [String; 2]) -> [Answer; 2] {
    let line = Barrier::new(2);
    std::thread::scope(|scope| {
        let run = |event: String| {
            let line = &line;
            scope.spawn(move || {
                // A connection is there already: what races is the event.
                server.http.get("/healthz").unwrap();
                line.wait();
                server.post(&event).unwrap()
            })
        };
        events.map(run).map(|client| client.join().unwrap())
    })
}

#[test]
fn of_two_who_amend_a_case_one_wins_and_the_other_is_told_the_head() {
    let folder = DataFolder::new();
    let server = server(&folder);
    let mut winners = [0, 0];
    for round in 0..ROUNDS {
        let payloads = ["one", "two"].map(|name| server.payload(&amendment(&format!("{name}, round {round}"))));
        assert_eq!(payloads[0]["after"], payloads[1]["after"]);
        let answers = race(&server, payloads.map(|payload| sign(&payload, &["us-dsca/0", "xa-mod/0"]).canonical()));
        let mut statuses = answers.each_ref().map(|answer| answer.status);
        let winner = usize::from(statuses[0] != 201);
        winners[winner] += 1;
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{answers:?}");

        let (won, lost) = (answers[winner].json(), answers[1 - winner].json());
        let entry: Value = serde_json::from_str(won["entry"].as_str().unwrap()).unwrap();
        assert_eq!(lost["code"], "stale_after");
        assert_eq!(lost["head"], server.head("case/us-dsca.x1", Some(CASE)), "the loser is told what to follow");
        // The loser looks, drafts anew, and is heard.
        let again = server.payload(&amendment(&format!("the other, round {round}")));
        assert_eq!(again["after"], lost["head"]);
        let answer = server.post(&sign(&again, &["us-dsca/0", "xa-mod/0"]).canonical()).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        let next: Value = serde_json::from_str(answer.json()["entry"].as_str().unwrap()).unwrap();
        assert_eq!(next["stream"], entry["seq"]);
    }
    let size = verify(&server.bundle(), &server.ledger).assert_verified();
    assert_eq!(size, 5 + 2 * ROUNDS as u64, "a loser leaves no entry (winners {winners:?})");
}

#[test]
fn two_who_speak_of_a_consignment_both_stand_in_one_order() {
    let folder = DataFolder::new();
    let server = server(&folder);
    for round in 0..ROUNDS {
        let subject = format!("consignment/{round}");
        server.say(&dispatch(round), &["us-dsca/0"]);
        // The recipient says what came; the donor, who knows nothing of it yet, what it sent beside it.
        let received = draft("transfer.received", &subject, Some(CASE), "xa-mod", receipt_body());
        let payloads =
            [(received, "xa-mod/0"), (dispatch(round), "us-dsca/0")].map(|(draft, key)| (server.payload(&draft), key));
        assert_eq!(payloads[0].0["after"], payloads[1].0["after"]);
        let answers = race(&server, payloads.map(|(payload, key)| sign(&payload, &[key]).canonical()));
        assert_eq!(answers.each_ref().map(|answer| answer.status), [201, 201], "{answers:?}");

        let mut entries =
            answers.map(|answer| -> Value { serde_json::from_str(answer.json()["entry"].as_str().unwrap()).unwrap() });
        entries.sort_by_key(|entry| entry["seq"].as_u64());
        let seq = entries[0]["seq"].as_u64().unwrap();
        assert_eq!(entries[1]["seq"], seq + 1);
        assert_eq!((&entries[0]["stream"], &entries[1]["stream"]), (&json!(seq - 1), &json!(seq)));
        let stream = server.http.get(&format!("/v1/streams/{CASE}/{subject}")).unwrap().json();
        let order: Vec<u64> = stream["events"].as_array().unwrap().iter().filter_map(|e| e["seq"].as_u64()).collect();
        assert_eq!(order, [seq - 1, seq, seq + 1], "both stand, in one order for everybody");
        assert_eq!(stream["events"][1]["after"], stream["events"][2]["after"]);
    }
    let size = verify(&server.bundle(), &server.ledger).assert_verified();
    assert_eq!(size, 5 + 3 * ROUNDS as u64);
}

/// Who asks for the head check on any stream gets it.
#[test]
fn a_client_may_ask_to_be_the_next_one_to_speak() {
    let folder = DataFolder::new();
    let server = server(&folder);
    server.say(&dispatch(0), &["us-dsca/0"]);
    let payloads = [0, 1].map(|_| sign(&server.payload(&dispatch(0)), &["us-dsca/0"]).canonical());
    let mut statuses = payloads
        .map(|event| server.http.post("/v1/events?expect=head", "application/json", event.as_bytes()).unwrap().status);
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

/// The same race between two processes of the public command.
#[test]
fn of_two_processes_that_amend_a_case_one_wins() {
    let folder = DataFolder::new();
    let server = server(&folder);
    for round in 0..5 {
        let files = ["one", "two"].map(|name| {
            let payload = server.payload(&amendment(&format!("{name}, round {round}")));
            let file = folder.beside(&format!("{name}-{round}.event.json"));
            std::fs::write(&file, sign(&payload, &["us-dsca/0", "xa-mod/0"]).canonical()).unwrap();
            file
        });
        let children = files.map(|file| {
            let mut submit = std::process::Command::new(binaries::countersign());
            submit.args(["event", "submit", "--json", "--server", &server.url, "--ledger", &server.ledger]).arg(file);
            submit.env("HOME", folder.beside("home")).env("XDG_STATE_HOME", folder.beside("state"));
            submit.stdin(std::process::Stdio::null());
            submit.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            submit.spawn().unwrap()
        });
        let outputs = children.map(|child| child.wait_with_output().unwrap());
        let mut statuses = outputs.each_ref().map(|output| output.status.code());
        statuses.sort_unstable();
        assert_eq!(statuses, [Some(0), Some(1)], "{outputs:?}");
        let loser = outputs.iter().find(|output| output.status.code() == Some(1)).unwrap();
        assert!(String::from_utf8_lossy(&loser.stderr).contains("stale_after"), "{loser:?}");
    }
    assert_eq!(verify(&server.bundle(), &server.ledger).assert_verified(), 5 + 5);
}
