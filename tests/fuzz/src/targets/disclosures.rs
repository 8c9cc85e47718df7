//! Disclosures against bodies (SPEC §10).
//!
//! A case is text: the body on the first line, then one disclosure a line.

use countersign_ledger::disclosure::{Disclosure, Matching, restore};
use countersign_verify::disclosure::{check, restored};

use crate::forge::{Json, sd};
use crate::rng::Rng;
use crate::target::{Change, Target, Verdicts};
use crate::text::{self, lines};

/// Bodies with digests, and their disclosures.
pub fn disclosure() -> Target {
    Target {
        name: "disclosure",
        about: "disclosures that belong to a body, each once, and the body that they make (SPEC §10)",
        make,
        judge: |input| {
            let lines = lines(input)?;
            let (body, disclosures) = lines.split_first()?;
            let disclosures: Vec<&str> = disclosures.iter().filter(|line| !line.is_empty()).copied().collect();
            // a body stands in a payload, which is the outermost of the 16 levels
            let ours =
                countersign_ledger::json::parse(body.as_bytes(), 15).ok().filter(serde_json::Value::is_object)?;
            let theirs = countersign_verify::json::parse(body.as_bytes(), 15).ok()?;
            Some(Verdicts::of(
                || {
                    let read = Disclosure::parse_all(&disclosures).map_err(|e| e.to_string())?;
                    let found = restore(&ours, &read, Matching::Partial).map_err(|e| e.to_string())?;
                    if found.used.len() < read.len() {
                        return Err("a disclosure whose digest is not there".to_owned());
                    }
                    Ok(shown(found.undisclosed as u64, || text::of_ledger(&found.body)))
                },
                || {
                    let found = check(&theirs, &disclosures);
                    match found.fault {
                        Some(fault) => Err(format!("expected {}, found {}", fault.expected, fault.found)),
                        None => Ok(shown(found.undisclosed, || text::of_verifier(&restored(&theirs, &disclosures)))),
                    }
                },
            ))
        },
        words: &["\"_sd\":[]", "{\"...\":\"\"}", "_sd_alg", "\"a\":1,", "WyJBIiwxXQ", "[]", "A"],
        change: Change::Bytes,
    }
}

/// How much is not disclosed; the body itself only where nothing is missing, as the verifier says in its place that it is.
fn shown(undisclosed: u64, body: impl FnOnce() -> String) -> String {
    if undisclosed == 0 { body() } else { format!("{undisclosed} undisclosed") }
}

fn make(rng: &mut Rng) -> Vec<u8> {
    let mut disclosures = Vec::new();
    let mut body = value(rng, 3, &mut disclosures);
    if !matches!(body, Json::Obj(_)) {
        body = Json::object([("a", body)]);
    }
    if rng.one_in(10) {
        // nested close to the limit
        for _ in 0..rng.within(8, 14) {
            body = Json::object([("n", body)]);
        }
    }
    match rng.below(5) {
        0 => {
            disclosures.pop();
        }
        1 => disclosures.push(sd::member(&sd::salt("more"), "more", &Json::Null)),
        2 if !disclosures.is_empty() => disclosures.push(rng.pick(&disclosures).clone()),
        _ => {}
    }
    format!("{}\n{}", body.text(), disclosures.join("\n")).into_bytes()
}

/// A value, parts of it concealed, and concealed parts of those again.
fn value(rng: &mut Rng, depth: usize, disclosures: &mut Vec<String>) -> Json {
    let salt = |rng: &mut Rng| sd::salt(&rng.below(1_000).to_string());
    if depth == 0 || rng.one_in(4) {
        return [Json::Null, Json::Int(7), "text".into(), Json::Bool(true), Json::Arr(Vec::new())][rng.below(5)]
            .clone();
    }
    if rng.one_in(2) {
        let items = (0..rng.below(4)).map(|_| {
            let item = value(rng, depth - 1, disclosures);
            if !rng.one_in(3) {
                return item;
            }
            let disclosure = sd::element(&salt(rng), &item);
            let stand_in = sd::stand_in(&disclosure);
            disclosures.push(disclosure);
            stand_in
        });
        return Json::Arr(items.collect());
    }
    let mut members: Vec<(String, Json)> = Vec::new();
    let mut digests: Vec<String> = Vec::new();
    for name in ["a", "b", "c"] {
        let item = value(rng, depth - 1, disclosures);
        match rng.below(4) {
            0 => {
                let name = if rng.one_in(20) { ["_sd", "...", "_sd_alg", "a"][rng.below(4)] } else { name };
                let disclosure = sd::member(&salt(rng), name, &item);
                digests.push(sd::digest(&disclosure));
                disclosures.push(disclosure);
            }
            1 => {}
            _ => members.push((name.to_owned(), item)),
        }
    }
    if !digests.is_empty() || rng.one_in(40) {
        members.push(("_sd".to_owned(), Json::from(digests)));
    }
    Json::Obj(members)
}
