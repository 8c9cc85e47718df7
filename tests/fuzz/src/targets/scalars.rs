//! Small textual forms (SPEC §1, §3, §6, §8): base64, times, dates, ids, kinds, patterns, origins, hashes, capacities.

use std::str::FromStr;

use countersign_ledger::capacity::Capacity;
use countersign_ledger::disclosure::DisclosureDigest;
use countersign_ledger::event::authority_bodies::UsePattern;
use countersign_ledger::event::parse_event_id;
use countersign_ledger::hash::NodeHash;
use countersign_ledger::id::{Author, CaseId, Kind, Origin, PartyId, Subject, is_id, is_word};
use countersign_ledger::keys::decode_base64;
use countersign_ledger::note::KeyName;
use countersign_ledger::time::{Date, Time};
use countersign_verify::hash::Hash;
use countersign_verify::note::is_key_name;
use countersign_verify::scalar;
use countersign_verify::time::Instant;

use crate::rng::Rng;
use crate::target::{Change, Target, Verdict, Verdicts};
use crate::text::lines;

fn none<T>(found: Option<T>) -> Result<T, String> {
    found.ok_or_else(|| "another form".to_owned())
}

/// base64 and base64url.
pub fn base64() -> Target {
    Target {
        name: "base64",
        about: "base64 and base64url, canonical (SPEC §1)",
        make: |rng| {
            use base64::Engine as _;
            use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
            let bytes = rng.bytes::<32>();
            let part = if rng.one_in(2) { &bytes[..] } else { &bytes[..rng.below(32)] };
            rng.pick(&[STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]).encode(part).into_bytes()
        },
        judge: |input| {
            let text = std::str::from_utf8(input).ok()?;
            Some(Verdicts::of(
                || {
                    let plain = decode_base64(text).map(hex::encode);
                    let url = DisclosureDigest::from_str(text).ok().map(|digest| hex::encode(digest.as_bytes()));
                    none((plain.is_some() || url.is_some()).then(|| format!("{plain:?} {url:?}")))
                },
                || {
                    let plain = scalar::base64_bytes(input).map(hex::encode);
                    let url = scalar::base64url_bytes(input).filter(|bytes| bytes.len() == 32).map(hex::encode);
                    none((plain.is_some() || url.is_some()).then(|| format!("{plain:?} {url:?}")))
                },
            ))
        },
        words: &["A", "AA", "==", "=", "-_", "+/", "B"],
        change: Change::Bytes,
    }
}

/// Times and dates.
pub fn time() -> Target {
    Target {
        name: "time",
        about: "times and dates, as instants and written again (SPEC §1, §5)",
        make: make_time,
        judge: |input| {
            let text = std::str::from_utf8(input).ok()?;
            Some(Verdicts::of(
                || {
                    let time = Time::from_str(text).ok().map(|t| format!("{} {t}", t.unix_millis()));
                    // a date is compared as the instant at which it starts
                    let date =
                        Date::from_str(text).ok().map(|d| format!("{} {}", d.start_utc().unix_millis(), d.start_utc()));
                    none(time.or(date))
                },
                || {
                    let instant = Instant::parse(text).or_else(|| Instant::parse_date(text));
                    none(instant.map(|t| format!("{} {t}", t.millis())))
                },
            ))
        },
        words: &["1900", "9999", "02-29", "23:59:59", "24", "60", ".000", ".5", "Z", "z", "T", "+00:00", "٢"],
        change: Change::Bytes,
    }
}

fn make_time(rng: &mut Rng) -> Vec<u8> {
    let year = *rng.pick(&[1899, 1900, 1904, 1970, 2000, 2024, 2026, 2100, 2400, 9999]);
    let date = format!("{year:04}-{:02}-{:02}", rng.within(0, 13), rng.within(0, 32));
    if rng.one_in(3) {
        return date.into_bytes();
    }
    let fraction = ["", "", ".000", ".999", ".123", ".1", ".1234"][rng.below(7)];
    format!("{date}T{:02}:{:02}:{:02}{fraction}Z", rng.within(0, 24), rng.within(0, 60), rng.within(0, 60)).into_bytes()
}

/// Every form that is a single word: which of them it has.
pub fn word() -> Target {
    Target {
        name: "word",
        about: "ids, party ids, authors, subjects, kinds, UUIDs, origins, key names, hashes, capacities (SPEC §1, §3, §6)",
        make: make_word,
        judge: |input| {
            let text = std::str::from_utf8(input).ok()?;
            Some(Verdicts::of(|| forms(&of_ledger(text)), || forms(&of_verifier(text))))
        },
        words: &[
            "governance",
            "a",
            ".",
            "/",
            ".v2",
            ".v1",
            ".v9",
            "_",
            "-",
            "party/p",
            "-7",
            "-8",
            "\u{2003}",
            "+",
            "A",
        ],
        change: Change::Bytes,
    }
}

type Forms = [(&'static str, bool); 13];

fn forms(forms: &Forms) -> Verdict {
    let has: Vec<&str> = forms.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
    none((!has.is_empty()).then(|| has.join(" ")))
}

fn of_ledger(text: &str) -> Forms {
    [
        ("id", is_id(text)),
        ("party", PartyId::from_str(text).is_ok()),
        ("author", Author::from_str(text).is_ok()),
        ("word", is_word(text)),
        ("case", CaseId::from_str(text).is_ok()),
        ("subject", Subject::from_str(text).is_ok()),
        ("kind", Kind::from_str(text).is_ok()),
        ("pattern", UsePattern::from_str(text).is_ok()),
        ("uuid", parse_event_id(text).is_ok()),
        ("origin", Origin::from_str(text).is_ok()),
        ("key name", KeyName::from_str(text).is_ok()),
        ("hash", NodeHash::from_str(text).is_ok()),
        ("capacity", Capacity::from_word(text).is_some()),
    ]
}

fn of_verifier(text: &str) -> Forms {
    [
        ("id", scalar::is_id(text)),
        ("party", scalar::is_party_id(text)),
        ("author", scalar::is_author(text)),
        ("word", scalar::is_word(text)),
        ("case", scalar::is_id(text)),
        ("subject", countersign_verify::event::Subject::parse(text).is_some()),
        ("kind", scalar::is_kind(text)),
        ("pattern", scalar::is_pattern(text)),
        ("uuid", scalar::is_event_uuid(text)),
        ("origin", scalar::is_origin(text)),
        ("key name", is_key_name(text)),
        ("hash", Hash::from_hex(text.as_bytes()).is_some()),
        ("capacity", countersign_verify::capacity::Capacity::parse(text).is_some()),
    ]
}

fn make_word(rng: &mut Rng) -> Vec<u8> {
    let long = "a".repeat(rng.within(94, 130));
    let digits = hex::encode(rng.bytes::<32>());
    let uuid = format!(
        "{}-{}-{}{}-{}{}-{}",
        &digits[..8],
        &digits[8..12],
        rng.below(10),
        &digits[13..16],
        rng.pick(&['7', '8', '9', 'a', 'b', 'c', 'B']),
        &digits[17..20],
        &digits[20..32]
    );
    let capacity = rng.pick(&Capacity::ALL).as_str();
    let words = [
        "a",
        "donor-a",
        "donor_a.k1",
        "governance",
        "transfer.received",
        "a.b.v2",
        "transfer.*",
        "*",
        "consignment/2026-1",
        "party/x",
        "ledger/self",
        "ledger.example/log",
        &long,
        &digits,
        &uuid,
        capacity,
    ];
    rng.pick(&words).as_bytes().to_vec()
}

/// Patterns of `uses`: `wide\nnarrow\nkind`.
pub fn pattern() -> Target {
    Target {
        name: "pattern",
        about: "which kinds a pattern matches, and which patterns it covers (SPEC §8)",
        make: |rng| {
            let words = ["*", "a.*", "ab.*", "a.b", "a.b.v2", "ab.c", "a.bc", "_._", "a.v.v9", "a.v2"];
            format!("{}\n{}\n{}", rng.pick(&words), rng.pick(&words), rng.pick(&words)).into_bytes()
        },
        judge: |input| {
            let parts = lines(input)?;
            let &[wide, narrow, kind] = parts.as_slice() else { return None };
            Some(Verdicts::of(
                || {
                    let parsed = (UsePattern::from_str(wide), UsePattern::from_str(narrow), Kind::from_str(kind));
                    let (Ok(wide), Ok(narrow), Ok(kind)) = parsed else { return Err("another form".to_owned()) };
                    Ok(format!("{} {}", wide.matches(&kind), wide.covers(&narrow)))
                },
                || {
                    let formed = scalar::is_pattern(wide) && scalar::is_pattern(narrow) && scalar::is_kind(kind);
                    let answer =
                        || format!("{} {}", scalar::pattern_matches(wide, kind), scalar::pattern_covers(wide, narrow));
                    none(formed.then(answer))
                },
            ))
        },
        words: &["*", ".*", "a.*", "a.b", ".v2", "ab"],
        change: Change::Bytes,
    }
}
