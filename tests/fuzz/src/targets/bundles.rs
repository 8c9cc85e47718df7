//! Whole ledgers: the verifier's verdict on a full bundle, and the ledger's when it records the entries again.
//!
//! A case is a recipe: `base` or `life` on the first line, then one change a line, each a number from which the change
//! is chosen. So a case stays small, and leaving out lines makes it smaller. The forge builds the ledger with every
//! hash, pointer and signature as it should be after the changes, and after that the lines of the file are changed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use countersign_ledger::hash::LedgerId;
use countersign_ledger::refusal::RefusalCode;
use countersign_ledger::replay::{BundleReplayError, Replay, ReplayError};
use countersign_ledger::store::memory::MemoryStore;
use countersign_verify::checks::Outcome;
use countersign_verify::fold::Given;
use countersign_verify::hash::Hash;
use countersign_verify::verify::verify_bundle;

use crate::forge::event::{Edit, How};
use crate::forge::script::Script;
use crate::forge::{Event, Json, Key, life, note, world};
use crate::rng::Rng;
use crate::target::{Change, Relation, Target, Verdict, Verdicts, quietly};
use crate::targets::rules;
use crate::text::lines;

/// Full bundles.
pub fn bundle() -> Target {
    Target {
        name: "bundle",
        about: "whole ledgers: what verifies is recorded again, and what does not is not (SPEC §13)",
        make: |rng| {
            let base = if rng.one_in(12) { "life" } else { "base" };
            let changes: Vec<String> = (0..rng.within(1, 6)).map(|_| rng.bits().to_string()).collect();
            format!("{base}\n{}", changes.join("\n")).into_bytes()
        },
        judge,
        words: &[],
        change: Change::Lines,
    }
}

fn judge(input: &[u8]) -> Option<Verdicts> {
    let lines = lines(input)?;
    let (base, changes) = lines.split_first()?;
    let mut script = match *base {
        "base" => world::base(),
        "life" => life::every_kind(),
        _ => return None,
    };
    let changes: Vec<u64> =
        changes.iter().filter(|line| !line.is_empty()).map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let mut of_lines = Vec::new();
    // the forge panics where a script makes no sense, such as an event that names one which is not there
    let built = quietly(|| {
        catch_unwind(AssertUnwindSafe(|| {
            for (at, change) in changes.iter().take(40).enumerate() {
                let mut rng = Rng::new(*change);
                if rng.one_in(8) { of_lines.push(rng) } else { change_script(&mut script, at, &mut rng) }
            }
            script.build()
        }))
    })
    .ok()?;
    let mut bundle: Vec<Vec<u8>> = built.bundle.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    for rng in &mut of_lines {
        change_lines(&mut bundle, rng);
    }
    let bundle = bundle.join(&b'\n');
    let id: [u8; 32] = hex::decode(&built.id).ok()?.try_into().ok()?;
    let mut meaningless = false;
    let mut verdicts = Verdicts::of(|| by_ledger(&bundle, id, &mut meaningless), || by_verifier(&bundle, id));
    if meaningless {
        // an authority body that says nothing is refused at admission only (DOMAIN §2a)
        verdicts.relation = Relation::LedgerStricter;
    }
    Some(verdicts)
}

fn by_ledger(bundle: &[u8], id: [u8; 32], meaningless: &mut bool) -> Verdict {
    let mut replay = Replay::open(Arc::new(MemoryStore::new()), LedgerId::from_bytes(id)).map_err(|e| e.to_string())?;
    match replay.of_bundle(bundle, |_, _| {}) {
        Ok(_) => Ok(format!("{} {}", replay.size(), replay.root())),
        Err(error) => {
            if let BundleReplayError::Replay(ReplayError::Refused { refusal, .. }) = &error {
                *meaningless = refusal.code == RefusalCode::BodyMalformed;
            }
            let way = error.check().unwrap_or("none");
            Err(format!("{way}: {error}"))
        }
    }
}

fn by_verifier(bundle: &[u8], id: [u8; 32]) -> Verdict {
    let given =
        Given { ledger: Some(Hash::from_bytes(id)), trust: None, previous: None, evidence: Vec::new(), probe: None };
    let (report, _) = verify_bundle(bundle, &given, None);
    let failed: Vec<String> = report
        .checks
        .rows()
        .iter()
        .filter(|row| row.outcome == Outcome::Failed)
        .map(|row| {
            let fault = row.fault.as_ref().map(|fault| format!("{}: {}", fault.detail, fault.found));
            format!("{:?} at {:?}: {}", row.code, row.place.seq, fault.unwrap_or_default())
        })
        .collect();
    match (failed.is_empty(), report.newer, report.unreadable) {
        (true, None, None) => Ok(format!("{} {}", report.size.unwrap_or_default(), root(bundle))),
        (_, newer, unreadable) => Err(format!("{} {newer:?} {unreadable:?}", failed.join("; "))),
    }
}

/// The root that the bundle's checkpoint states, which the verifier has just found to be the tree's.
fn root(bundle: &[u8]) -> String {
    let first = bundle.split(|b| *b == b'\n').next().unwrap_or_default();
    countersign_verify::header::Header::parse(first)
        .map(|header| header.checkpoint.root.to_string())
        .unwrap_or_default()
}

fn some_key(rng: &mut Rng) -> Key {
    match rng.below(9) {
        0 | 1 => world::donor(),
        2 => world::donor2(),
        3 | 4 => world::recip(),
        5 => world::insp(),
        6 => world::gov(rng.below(3)),
        7 => world::key("new"),
        _ => world::imp(),
    }
}

fn party(rng: &mut Rng) -> &'static str {
    ["donor-a", "recip-b", "insp-c", "imp-d"][rng.below(4)]
}

/// Changes the events of a script in one way.
fn change_script(script: &mut Script, at: usize, rng: &mut Rng) {
    let count = script.events.len();
    // entry 0 is changed seldom: nothing after it would be looked at
    let i = if rng.one_in(12) { 0 } else { rng.below(count).max(1).min(count - 1) };
    match rng.below(12) {
        0 if count > 2 => {
            script.events.remove(i);
        }
        1 if count > 2 => {
            let j = rng.within(1, count - 1);
            script.events.swap(i, j);
        }
        2 => {
            let mut again = script.events[i].clone();
            if rng.one_in(2) {
                again.id_name = Some(again.id_name.unwrap_or(again.label));
            } else {
                again.id_name = None;
            }
            again.label = format!("again {at}");
            script.events.push(again);
        }
        3..=6 => {
            let event = new_event(rng, at);
            let place = if rng.one_in(4) { rng.within(1, count) } else { count };
            script.events.insert(place, event);
        }
        7 => {
            let rule = rules::rule(rng, 3);
            let row = world::row(["required", "required", "forbidden"][rng.below(3)], rule);
            let policy = world::policy().with("transfer.cancelled", row);
            script.events.push(world::policy_changed(&format!("policy {at}"), policy));
        }
        _ => change_event(&mut script.events[i], rng),
    }
}

/// One more event, signed by those who should and, now and then, by others.
fn new_event(rng: &mut Rng, at: usize) -> Event {
    let label = format!("new {at}");
    let (by, other) = (some_key(rng), some_key(rng));
    let name = party(rng);
    let mut event = match rng.below(16) {
        0 => world::enrol("imp-d", &["implementer", "carrier"], &[world::imp()]),
        1 => world::amended(&label, name, "capacities", Json::from(vec!["donor".to_owned(), "recipient".to_owned()])),
        2 => world::succeeded(&label, name, party(rng), &by),
        3 => world::key_added(&label, name, &by, &world::key("new")),
        4 => world::key_retired(&label, name, &by, &other),
        5 => world::key_revoked(&label, name, &by, &other),
        6 => world::case_amended(&label, "title", "Another".into()),
        7 => world::case_amended(&label, "roles", world::roles()),
        8 => world::case_inspectors(&label, &[name]),
        9 => world::case_closed(&label),
        10 => {
            let keys: Vec<Key> = (0..rng.within(1, 3)).map(world::gov).collect();
            let body = Json::object([("governance", world::governance_of(1, &keys)), ("reason", "r".into())]);
            world::by_quorum(&label, "governance.changed", body)
        }
        11 => {
            let vkey = note::vkey(world::ORIGIN, 1, &world::key("log2").public());
            world::by_quorum(
                &label,
                "log_key.rotated",
                Json::object([("log_key", vkey.into()), ("reason", "r".into())]),
            )
        }
        12 => world::by_quorum(&label, "ledger.closed", Json::object([("reason", "r".into())])),
        13 => world::dispute(&label, "cancelled"),
        _ => world::cancel(&label),
    };
    event.label.clone_from(&label);
    for _ in 0..rng.below(3) {
        event.signatures.push((&some_key(rng)).into());
    }
    if rng.one_in(3) {
        change_event(&mut event, rng);
    }
    event
}

/// Changes one event in one way.
fn change_event(event: &mut Event, rng: &mut Rng) {
    match rng.below(16) {
        0 => event.signatures.push((&some_key(rng)).into()),
        1 => {
            event.signatures.pop();
        }
        2 => {
            let how = [How::LargeS, How::TorsionInR(4), How::SmallOrderR, How::FlippedS, How::PayloadOnly]
                [rng.below(5)]
            .clone();
            if let Some(signature) = event.signatures.first_mut() {
                signature.how = how;
            }
        }
        3 => event.author = [party(rng), "governance", "nobody"][rng.below(3)].to_owned(),
        4 => {
            event.subject = ["consignment/1", "party/donor-a", "case/donor-a.k1", "ledger/self", "item/donor-a.x"]
                [rng.below(5)]
            .to_owned()
        }
        5 => event.case = [None, Some(world::CASE.to_owned()), Some("donor-a.k2".to_owned())][rng.below(3)].clone(),
        6 => {
            event.kind = ["transfer.cancelled", "case.closed", "key.retired", "a.b", "statement.corrected"]
                [rng.below(5)]
            .to_owned()
        }
        7 => event.gap = [0, 1, -60_000, 3_600_000, 1 << 40][rng.below(5)],
        8 => event.prev = Some(hex::encode(rng.bytes::<32>())),
        9 => {
            event.pointers[rng.below(3)] =
                Some([Json::Null, Json::Int(0), Json::Int(1), Json::Int(4)][rng.below(4)].clone())
        }
        10 => {
            let ids = [
                vec!["donor-a"],
                vec!["donor-a", "recip-b"],
                vec!["governance"],
                vec![],
                vec!["donor-a", "governance"],
            ];
            let ids: Vec<String> = rng.pick(&ids).iter().map(|id| (*id).to_owned()).collect();
            event.more.push(("signers".to_owned(), Json::from(ids)));
        }
        11 => {
            event.more.push(("until".to_owned(), (*rng.pick(&["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])).into()))
        }
        12 => {
            let at = |t: &str| Json::object([("at", t.into())]);
            event.occurred = Some(
                [
                    at("2099-01-01T00:00:00Z"),
                    Json::object([("unknown", "x".into())]),
                    Json::object([("date", "2020-01-01".into())]),
                ][rng.below(3)]
                .clone(),
            );
        }
        13 => *event = event.clone().after([Json::Null, hex::encode([1; 32]).into()][rng.below(2)].clone()),
        14 => {
            let name = (*rng.pick(&["reason", "title", "x", "to", "party", "name", "keyid"])).to_owned();
            let value =
                [Json::Null, "".into(), "donor-a".into(), Json::Int(1), Json::Arr(vec![])][rng.below(5)].clone();
            event.body.set(&name, value);
        }
        _ => {
            let bits = rng.bits();
            event.edit_object = Edit::new(move |object: Json| {
                let mut rng = Rng::new(bits);
                let name = ["until", "case", "after", "occurred", "evidence", "x", "id"][rng.below(7)];
                object.with(name, [Json::Null, Json::Int(1), "a".into()][rng.below(3)].clone())
            });
        }
    }
}

/// Changes the lines of the file.
fn change_lines(lines: &mut Vec<Vec<u8>>, rng: &mut Rng) {
    let count = lines.len();
    let (a, b) = (rng.below(count), rng.below(count));
    match rng.below(7) {
        0 => {
            lines.remove(a);
        }
        1 => lines.insert(b, lines[a].clone()),
        2 => lines.swap(a, b),
        3 => lines.insert(a, b"{\"disclosure\":\"WyJBIiwxXQ\"}".to_vec()),
        4 => lines.insert(
            a,
            format!("{{\"withheld\":{{\"start\":{b},\"end\":{},\"hash\":\"{}\"}}}}", b + 1, hex::encode([3; 32]))
                .into_bytes(),
        ),
        5 => lines[a].push(b'\r'),
        _ if !lines[a].is_empty() => {
            let at = rng.below(lines[a].len());
            lines[a][at] ^= 1 << rng.below(7);
        }
        _ => {}
    }
    if lines.is_empty() {
        lines.push(Vec::new());
    }
}
