//! Several clients at once.

use std::sync::Barrier;

use serde_json::json;

use super::{CASE, JSON, Served, dispatch, dispatched, draft};

#[test]
fn of_two_amendments_of_a_case_one_wins() {
    let served = Served::new();
    for round in 0..20 {
        let amend = |title: String| {
            let body = json!({ "title": title, "reason": "r" });
            let draft = draft("case.amended", "case/us-dsca.x1", CASE, "us-dsca", body);
            served.envelope(&draft, &["us-dsca/0", "xa-mod/0"]).canonical()
        };
        let both = [amend(format!("one {round}")), amend(format!("two {round}"))];
        let barrier = Barrier::new(2);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let handles = both.each_ref().map(|body| {
                let (served, barrier) = (&served, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    served.post(JSON, body.as_bytes())
                })
            });
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        });
        let won = answers.iter().find(|answer| answer.status == 201).expect("one wins");
        let lost = answers.iter().find(|answer| answer.status != 201).expect("one loses");
        let problem = lost.problem(409, "stale_after");
        assert_eq!(problem["head"].as_str(), won.header("countersign-event"), "the loser is told the head");
        assert_eq!(served.size(), 6 + round);
    }
}

#[test]
fn two_dispatches_of_a_consignment_both_stand() {
    let served = Served::new();
    let first = served.world.say(dispatch("consignment/a"), &["us-dsca/0"]).unwrap();
    let both = [dispatched(&served, "consignment/a"), dispatched(&served, "consignment/a")];
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        for body in &both {
            let (served, barrier) = (&served, &barrier);
            scope.spawn(move || {
                barrier.wait();
                assert_eq!(served.post(JSON, body.as_bytes()).status, 201);
            });
        }
    });
    let page = served.get("/v1/streams/us-dsca.x1/consignment/a").json();
    let events = page["events"].as_array().unwrap();
    assert_eq!(events.len(), 3);
    assert!(events[1..].iter().all(|event| event["after"] == json!(first.event)));
    assert_eq!(page["head"]["event"], events[2]["event"], "in one order");
}

#[test]
fn many_clients_at_once_are_all_recorded() {
    const CLIENTS: usize = 16;
    const EACH: usize = 20;
    let served = Served::new();
    let bodies: Vec<Vec<String>> = (0..CLIENTS)
        .map(|c| (0..EACH).map(|n| dispatched(&served, &format!("consignment/{c}-{n}"))).collect())
        .collect();
    std::thread::scope(|scope| {
        for bodies in &bodies {
            let served = &served;
            scope.spawn(move || {
                for body in bodies {
                    let answer = served.post(JSON, body.as_bytes());
                    assert_eq!(answer.status, 201, "{}", answer.text());
                    countersign_ledger::proof::Receipt::from_json(&answer.body).unwrap().verify_inclusion().unwrap();
                }
            });
        }
    });
    assert_eq!(served.size(), 5 + (CLIENTS * EACH) as u64);
    let text = served.get("/metrics").text().to_owned();
    let commits = text.lines().find_map(|l| l.strip_prefix("countersign_commit_seconds_count ")).unwrap();
    assert!(commits.parse::<usize>().unwrap() <= 5 + CLIENTS * EACH, "commits are shared");
}
