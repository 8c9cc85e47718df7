//! Events: the header of SPEC §3 for every kind, and the bodies of SPEC §8.

use countersign_ledger::event::{Body, Event, Occurred};
use countersign_ledger::rule::is_authority_kind;
use countersign_verify::event::{Event as ReadEvent, EventError, Occurred as ReadOccurred, payload_json};

use crate::forge::{Json, life, world};
use crate::rng::Rng;
use crate::target::{Change, Target, Verdicts};
use crate::text;

const WORDS: &[&str] = &[
    "\"after\":null",
    "\"until\":\"2026-01-01T00:00:00Z\",",
    "\"signers\":[\"a\",\"b\"],",
    "\"signers\":[],",
    "\"signers\":[\"governance\"],",
    "\"occurred\":{\"unknown\":\"x\"}",
    "{\"at\":\"2026-01-01T00:00:00Z\"}",
    "{\"from\":\"2026-01-01T00:00:00Z\",\"to\":\"2026-01-02T00:00:00Z\"}",
    "{\"date\":\"2026-01-01\"}",
    "\"countersign\":1,",
    "\"countersign\":2,",
    "\"case\":\"a\",",
    "\"body\":{}",
    "\"evidence\":[],",
    "\"media_type\":\"image/jpeg\"",
    "\"name\":\"\"",
    "governance",
    "null",
    "[]",
    "{}",
    "\"x\":1,",
    "\"reason\":\"\",",
    "statement.corrected",
    "\"corrects\":\"0000000000000000000000000000000000000000000000000000000000000000\",",
    "ledger.created",
    "party.amended",
];

/// Payloads: the members of SPEC §3.
pub fn event() -> Target {
    Target {
        name: "event",
        about: "the header of events (SPEC §3)",
        make,
        judge: |input| {
            // a body of §8 is read with the header there, and later here: those are the target `body`
            let of_authority = Event::parse(input).is_ok_and(|event| is_authority_kind(event.kind.as_str()));
            (!of_authority).then(|| Verdicts::of(|| by_ledger(input), || by_verifier(input)))
        },
        words: WORDS,
        change: Change::Bytes,
    }
}

/// Payloads of the kinds of §8, body and all: what the ledger takes is well formed.
pub fn body() -> Target {
    Target {
        name: "body",
        about: "bodies of the authority kinds: what the ledger takes is well formed (SPEC §6, §8)",
        make,
        judge: |input| {
            Some(
                Verdicts::of(
                    || {
                        let read = by_ledger(input)?;
                        let event = Event::parse(input).map_err(|e| e.to_string())?;
                        if is_authority_kind(event.kind.as_str()) {
                            Body::parse(&event.kind, event.body()).map_err(|e| e.to_string())?;
                        }
                        Ok(read)
                    },
                    || by_verifier(input),
                )
                .one_way(),
            )
        },
        words: WORDS,
        change: Change::Bytes,
    }
}

fn by_ledger(payload: &[u8]) -> Result<String, String> {
    let event = Event::parse(payload).map_err(|e| e.to_string())?;
    let occurred = match &event.occurred {
        Occurred::At(at) => format!("at {}", at.unix_millis()),
        Occurred::Between(from, to) => format!("between {} {}", from.unix_millis(), to.unix_millis()),
        Occurred::On(date) => format!("at {}", date.start_utc().unix_millis()),
        Occurred::Unknown(_) => "unknown".to_owned(),
    };
    let evidence: Vec<String> = event.evidence.iter().map(|file| format!("{} {}", file.sha256, file.size)).collect();
    let signers = event.signers.as_ref().map(|ids| ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>());
    Ok(format!(
        "{:?} {} {} {} {:?} {:?} {} {signers:?} {:?} {occurred} {evidence:?} {:?} {}",
        event.ledger.map(|l| l.to_string()),
        event.id,
        event.kind,
        event.subject,
        event.case.as_ref().map(|c| c.as_str()),
        event.after.map(|h| h.to_string()),
        event.author.as_str(),
        event.until.map(|t| t.unix_millis()),
        event.corrects.map(|h| h.to_string()),
        text::of_ledger(event.body()),
    ))
}

fn by_verifier(payload: &[u8]) -> Result<String, String> {
    let value = payload_json(payload).map_err(|e| e.to_string())?;
    let body = value.member("body").map(text::of_verifier).unwrap_or_default();
    let read = ReadEvent::read(&value);
    let event = read.map_err(|e| match e {
        EventError::Newer(what) => format!("newer: {what}"),
        EventError::Malformed(fault) => fault.to_string(),
    })?;
    let occurred = match event.occurred {
        ReadOccurred::At(at) => format!("at {}", at.millis()),
        // that time goes on is asked by TIME, not by FORMAT
        ReadOccurred::Between(from, to) if from > to => return Err("from after to".to_owned()),
        ReadOccurred::Between(from, to) => format!("between {} {}", from.millis(), to.millis()),
        ReadOccurred::Unknown => "unknown".to_owned(),
    };
    let evidence: Vec<String> = event.evidence.iter().map(|file| format!("{} {}", file.sha256, file.size)).collect();
    Ok(format!(
        "{:?} {} {} {} {:?} {:?} {} {:?} {:?} {occurred} {evidence:?} {:?} {body}",
        event.ledger.map(|l| l.to_string()),
        event.id,
        event.kind,
        event.subject.as_str(),
        event.case.as_deref(),
        event.after.map(|h| h.to_string()),
        event.author,
        event.signers,
        event.until.map(|t| t.millis()),
        event.corrects.map(|h| h.to_string()),
    ))
}

/// The payloads of ledgers with every kind, as the forge makes them.
fn payloads() -> &'static [Vec<u8>] {
    static BUILT: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    BUILT.get_or_init(|| {
        let life = life::every_kind().build();
        let more = world::base()
            .then([
                world::amended("party amended", "donor-a", "name", "Donor".into()),
                world::key_added("added", "donor-a", &world::donor(), &world::key("new")),
                world::key_retired("retired", "donor-a", &world::donor(), &world::donor2()),
                world::key_revoked("revoked", "donor-a", &world::donor(), &world::key("new")),
                world::policy_changed("policy changed", world::policy()),
                world::succeeded("succeeded", "donor-a", "recip-b", &world::donor()),
                world::case_amended("case amended", "title", "A".into()),
                world::case_inspectors("case inspectors", &["insp-c"]),
                world::case_closed("case closed"),
            ])
            .build();
        life.entries.into_iter().chain(more.entries).map(|entry| entry.payload).collect()
    })
}

fn make(rng: &mut Rng) -> Vec<u8> {
    let payload = rng.pick(payloads()).clone();
    if !rng.one_in(3) {
        return payload;
    }
    let Ok(text) = String::from_utf8(payload) else { return Vec::new() };
    let file = Json::object([
        ("sha256", hex::encode([7; 32]).into()),
        ("size", Json::Int(5)),
        ("media_type", (*rng.pick(&["image/jpeg", "text", "", "a/b;c=d"])).into()),
        ("name", (*rng.pick(&["a.jpg", "", "a/b", "a\u{7f}", "\u{85}", "é"])).into()),
    ]);
    let count = if rng.one_in(4) { rng.within(63, 66) } else { rng.below(3) };
    let member = match rng.below(5) {
        0 => format!("\"evidence\":[{}]", vec![file.text(); count].join(",")),
        1 => "\"signers\":[\"donor-a\",\"governance\"]".to_owned(),
        2 => "\"until\":\"2027-01-01T00:00:00.000Z\"".to_owned(),
        3 => "\"signers\":[]".to_owned(),
        _ => "\"corrects\":null".to_owned(),
    };
    text.replacen('{', &format!("{{{member},"), 1).into_bytes()
}
