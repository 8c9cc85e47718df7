//! Disclosures: what is concealed comes back, and everything that SPEC §10 refuses is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_ledger::disclosure::{
    AdmitError, ConcealError, Disclosure, DisclosureError, MAX_DISCLOSURE_BYTES, Matching, Salts, SystemSalts, admit,
    conceal, restore,
};
use countersign_ledger::event::{Body, concealable, concealable_members, kinds};
use countersign_ledger::rule::is_authority_kind;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::examples::{example, examples, kind};

/// Salts that count: the first is the bytes 0 to 15.
struct Counting(u8);

impl Salts for Counting {
    fn salt(&mut self) -> Result<[u8; 16], getrandom::Error> {
        let first = self.0;
        self.0 = self.0.wrapping_add(16);
        Ok(std::array::from_fn(|i| first.wrapping_add(u8::try_from(i).unwrap())))
    }
}

fn encode(parts: &Value) -> String {
    URL_SAFE_NO_PAD.encode(parts.to_string())
}

fn salt(n: u8) -> String {
    URL_SAFE_NO_PAD.encode([n; 16])
}

fn digest(disclosure: &str) -> String {
    Disclosure::parse(disclosure).unwrap().digest().to_string()
}

fn parsed(disclosures: &[&String]) -> Vec<Disclosure> {
    Disclosure::parse_all(disclosures).unwrap()
}

#[test]
fn the_documented_disclosure_is_reproduced() {
    let body = json!({ "place": "warehouse 7" });
    let (concealed, disclosures) = conceal(&body, &["/body/place"], &mut Counting(0)).unwrap();
    assert_eq!(disclosures, ["WyJBQUVDQXdRRkJnY0lDUW9MREEwT0R3IiwicGxhY2UiLCJ3YXJlaG91c2UgNyJd"]);
    assert_eq!(concealed, json!({ "_sd": ["Y1ejtjAvIeQKfc0Mi9bbjto65m7FYIPh29z4PevGpGM"] }));
}

/// The same value as in the vector that another program made; skipped where there are none (see `log.rs`).
#[test]
fn the_vector_is_reproduced() {
    let beside = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let folder = std::env::var_os("COUNTERSIGN_VECTORS").map_or(beside, std::path::PathBuf::from);
    if !folder.exists() {
        eprintln!("skipped: no test vectors in {}", folder.display());
        return;
    }
    let text = std::fs::read_to_string(folder.join("spec_example.json")).unwrap();
    let vector: Value = serde_json::from_str(&text).unwrap();
    let disclosure = Disclosure::parse(vector["disclosure"]["string"].as_str().unwrap()).unwrap();
    assert_eq!(vector["disclosure"]["digest"], disclosure.digest().to_string());
    assert_eq!((disclosure.name(), disclosure.value()), (Some("place"), &json!("warehouse 7")));
}

#[test]
fn what_is_concealed_comes_back() {
    let body = example("transfer.dispatched").full;
    let pointers = [
        "/body/lines/1/serials/0",
        "/body/lines/1/serials",
        "/body/to",
        "/body/to/text",
        "/body/seals/1",
        "/body/packages",
        "/body/remarks",
    ];
    let (concealed, disclosures) = conceal(&body, &pointers, &mut SystemSalts).unwrap();
    let shown = concealed.to_string();
    for secret in ["SYN-0001", "warehouse", "S-2", "crate", "fragile"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert_eq!(concealed["_sd"].as_array().unwrap().len(), 3);
    let kind = kind("transfer.dispatched");
    assert_eq!(admit(&kind, None, &concealed, &disclosures).unwrap(), Body::parse(&kind, &body).unwrap());
    // Erasing a disclosure takes away what it held, and counts what cannot be seen.
    let held: Vec<&String> =
        disclosures.iter().filter(|d| !matches!(Disclosure::parse(d).unwrap().name(), Some("to"))).collect();
    let partial = restore(&concealed, &parsed(&held), Matching::Partial).unwrap();
    assert_eq!((partial.undisclosed, partial.used.len()), (1, held.len() - 1));
    assert_eq!(partial.body.get("to"), None);
    assert_eq!(partial.body["lines"][1]["serials"], body["lines"][1]["serials"]);
    let blind = restore(&concealed, &[], Matching::Partial).unwrap();
    assert_eq!(blind.undisclosed, 5, "digests within what is concealed are not seen");
    assert_eq!(blind.body["seals"], json!(["S-1"]));
}

#[test]
fn only_what_may_be_concealed_is() {
    let dispatched = kind("transfer.dispatched");
    let body = example("transfer.dispatched").full;
    for pointer in ["/body/document_number", "/body/lines", "/body/lines/0", "/body/lines/0/quantity", "/body/part"] {
        let (concealed, disclosures) = conceal(&body, &[pointer], &mut SystemSalts).unwrap();
        match admit(&dispatched, None, &concealed, &disclosures) {
            Err(AdmitError::Disclosure(DisclosureError::NotConcealable { path })) => assert_eq!(path, pointer),
            other => panic!("{pointer}: {other:?}"),
        }
    }
    let body = example("case.opened").full;
    let (concealed, disclosures) = conceal(&body, &["/body/remarks"], &mut SystemSalts).unwrap();
    let opened = kind("case.opened");
    let refused = AdmitError::Disclosure(DisclosureError::AuthorityKind { kind: opened.clone() });
    assert_eq!(admit(&opened, None, &concealed, &disclosures), Err(refused));
    assert!(
        matches!(admit::<String>(&opened, None, &concealed, &[]), Err(AdmitError::Body(e)) if e.path() == "/body/_sd")
    );
    for info in kinds().iter().filter(|info| is_authority_kind(info.kind)) {
        assert!(concealable_members(info.kind).is_empty(), "{}", info.kind);
    }
}

#[test]
fn a_replacement_follows_the_corrected_kind() {
    let corrected = kind("statement.corrected");
    let dispatched = kind("transfer.dispatched");
    let body = json!({ "reason": "incorrect_data", "replacement": example("transfer.dispatched").full });
    let serials = "/body/replacement/lines/1/serials";
    let (concealed, disclosures) = conceal(&body, &[serials], &mut SystemSalts).unwrap();
    assert!(admit(&corrected, Some(&dispatched), &concealed, &disclosures).is_ok());
    let (concealed, disclosures) = conceal(&body, &["/body/replacement/lines"], &mut SystemSalts).unwrap();
    assert!(admit(&corrected, Some(&dispatched), &concealed, &disclosures).is_err());
    assert!(admit(&corrected, None, &concealed, &disclosures).is_ok(), "judged once the corrected event is known");
    let (concealed, disclosures) = conceal(&body, &["/body/replacement"], &mut SystemSalts).unwrap();
    assert!(admit(&corrected, None, &concealed, &disclosures).is_err());
    let wrong = json!({ "reason": "incorrect_data", "replacement": { "lines": [] } });
    match admit::<String>(&corrected, Some(&dispatched), &wrong, &[]) {
        Err(AdmitError::Body(error)) => assert!(error.path().starts_with("/body/replacement/"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_concealed_body_must_satisfy_its_kind() {
    let dispatched = kind("transfer.dispatched");
    let mut body = example("transfer.dispatched").full;
    body["remarks"] = json!(7);
    let (concealed, disclosures) = conceal(&body, &["/body/remarks"], &mut SystemSalts).unwrap();
    match admit(&dispatched, None, &concealed, &disclosures) {
        Err(AdmitError::Body(error)) => assert_eq!(error.path(), "/body/remarks"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn disclosures_are_strict() {
    let error = |text: &str| Disclosure::parse(text).unwrap_err();
    let good = encode(&json!([salt(1), "place", "x"]));
    assert!(Disclosure::parse(&good).is_ok());
    for bad in [format!("{good}="), format!("{good}\n"), format!(" {good}"), good.replace('W', "+"), "é".to_owned()] {
        assert!(matches!(error(&bad), DisclosureError::Encoding { .. } | DisclosureError::Json { .. }), "{bad}");
    }
    // The last character carries bits that must be zero.
    assert!(matches!(error("WyJ"), DisclosureError::Encoding { .. } | DisclosureError::Json { .. }));
    assert!(matches!(error("AB"), DisclosureError::Encoding { .. }), "non-canonical");
    for bad in [json!({}), json!([]), json!([salt(1)]), json!([salt(1), "a", 1, 2]), json!("x"), json!(null)] {
        assert!(matches!(error(&encode(&bad)), DisclosureError::Form { .. }), "{bad}");
    }
    for name in [json!("_sd"), json!("..."), json!("_sd_alg"), json!(1), json!(null)] {
        assert!(matches!(error(&encode(&json!([salt(1), name, 1]))), DisclosureError::Form { .. }), "{name}");
    }
    for salt in
        [json!(""), json!("AAEC"), json!(7), json!(URL_SAFE_NO_PAD.encode([0; 15])), json!("AAECAwQFBgcICQoLDA0ODx")]
    {
        assert!(matches!(error(&encode(&json!([salt, "a", 1]))), DisclosureError::Form { .. }), "{salt}");
    }
    for raw in [format!("[\"{}\",\"a\",1.5]", salt(1)), format!("[\"{}\",\"a\",{{\"b\":1,\"b\":2}}]", salt(1))] {
        assert!(matches!(error(&URL_SAFE_NO_PAD.encode(&raw)), DisclosureError::Json { .. }), "{raw}");
    }
    let spaced = format!("[\"{}\", \"a\", 1]", salt(1));
    assert!(Disclosure::parse(&URL_SAFE_NO_PAD.encode(spaced)).is_ok(), "RFC 9901 allows white space within");
}

#[test]
fn limits_are_kept() {
    let one = |n: usize| encode(&json!([salt(1), format!("a{n}"), 1]));
    let many: Vec<String> = (0..257).map(one).collect();
    assert_eq!(Disclosure::parse_all(&many).unwrap_err(), DisclosureError::TooMany { found: 257 });
    assert_eq!(Disclosure::parse_all(&many[..256]).unwrap().len(), 256);
    let long: Vec<String> = (0..3).map(|n| encode(&json!([salt(1), format!("a{n}"), "x".repeat(70_000)]))).collect();
    assert!(
        matches!(Disclosure::parse_all(&long).unwrap_err(), DisclosureError::TooLong { found } if found > MAX_DISCLOSURE_BYTES)
    );
    let body = json!({ "list": (0..257).collect::<Vec<_>>() });
    let pointers: Vec<String> = (0..257).map(|n| format!("/body/list/{n}")).collect();
    assert!(matches!(conceal(&body, &pointers, &mut SystemSalts), Err(ConcealError::Limit(_))));
    // Nesting counts from the payload: body 2, and 14 arrays more.
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    for (depth, admitted) in [(14, true), (15, false)] {
        let disclosure = encode(&json!([salt(1), "a", nested(depth)]));
        let body = json!({ "_sd": [digest(&disclosure)] });
        let restored = restore(&body, &parsed(&[&disclosure]), Matching::Complete);
        assert_eq!(restored.is_ok(), admitted, "{depth}: {restored:?}");
        if let Err(error) = restored {
            assert!(matches!(error, DisclosureError::TooDeep { .. }), "{error}");
        }
    }
}

#[test]
fn nesting_counts_digests_too() {
    let inner = encode(&json!([salt(1), 1]));
    let mut value = json!([{ "...": digest(&inner) }]);
    for _ in 0..13 {
        value = json!([value]);
    }
    let outer = encode(&json!([salt(2), "a", value]));
    let body = json!({ "_sd": [digest(&outer)] });
    let error = restore(&body, &parsed(&[&outer, &inner]), Matching::Complete).unwrap_err();
    assert!(matches!(error, DisclosureError::TooDeep { path } if path == "/body/a"));
}

#[test]
fn digests_are_strict() {
    let member = encode(&json!([salt(1), "a", 1]));
    let element = encode(&json!([salt(2), 1]));
    let (m, e) = (digest(&member), digest(&element));
    let refused = |body: Value, given: &[&String]| {
        restore(&body, &parsed(given), Matching::Complete).map(|r| r.body).expect_err(&body.to_string())
    };
    let misplaced =
        |error: &DisclosureError, at: &str| matches!(error, DisclosureError::Misplaced { path, .. } if path == at);
    assert!(misplaced(&refused(json!({ "_sd": [] }), &[]), "/body/_sd"));
    assert!(misplaced(&refused(json!({ "_sd": m }), &[&member]), "/body/_sd"));
    assert!(misplaced(&refused(json!({ "_sd": [m], "_sd_alg": "sha-256" }), &[&member]), "/body/_sd_alg"));
    assert!(misplaced(&refused(json!({ "a": { "_sd_alg": "sha-256" } }), &[]), "/body/a/_sd_alg"));
    assert!(misplaced(&refused(json!({ "...": e }), &[&element]), "/body/..."));
    assert!(misplaced(&refused(json!({ "l": { "...": e } }), &[&element]), "/body/l/..."));
    assert!(misplaced(&refused(json!({ "l": [{ "...": e, "b": 1 }] }), &[&element]), "/body/l/0"));
    for digest in [json!(1), json!("abc"), json!(format!("{m}=")), json!("A".repeat(44)), json!(null)] {
        let error = refused(json!({ "_sd": [digest] }), &[]);
        assert!(matches!(&error, DisclosureError::Digest { path, .. } if path == "/body/_sd/0"), "{error}");
        assert!(matches!(refused(json!({ "l": [{ "...": digest }] }), &[]), DisclosureError::Digest { .. }));
    }
    assert!(matches!(refused(json!({ "_sd": [m, m] }), &[&member]), DisclosureError::Repeated { .. }));
    assert!(matches!(
        refused(json!({ "_sd": [m], "b": { "_sd": [m] } }), &[&member]),
        DisclosureError::Repeated { .. }
    ));
    assert!(
        matches!(refused(json!({ "_sd": [m], "a": 2 }), &[&member]), DisclosureError::NameTaken { path } if path == "/body/a")
    );
    let again = encode(&json!([salt(3), "a", 2]));
    assert!(matches!(
        refused(json!({ "_sd": [m, digest(&again)] }), &[&member, &again]),
        DisclosureError::NameTaken { .. }
    ));
    assert!(matches!(refused(json!({ "_sd": [e] }), &[&element]), DisclosureError::Sort { .. }));
    assert!(matches!(refused(json!({ "l": [{ "...": m }] }), &[&member]), DisclosureError::Sort { .. }));
    assert!(matches!(refused(json!({ "_sd": [m] }), &[]), DisclosureError::Undisclosed { .. }));
    assert!(matches!(refused(json!({}), &[&member]), DisclosureError::Unmatched { .. }));
    assert!(matches!(refused(json!({ "_sd": [m] }), &[&member, &member]), DisclosureError::GivenTwice { .. }));
    // A digest within a disclosed value counts too.
    let outer = encode(&json!([salt(4), "b", { "_sd": [m] }]));
    let twice = json!({ "_sd": [digest(&outer), m] });
    assert!(matches!(refused(twice, &[&outer, &member]), DisclosureError::Repeated { .. }));
    let nested = json!({ "_sd": [digest(&outer)] });
    let restored = restore(&nested, &parsed(&[&outer, &member]), Matching::Complete).unwrap();
    assert_eq!(restored.body, json!({ "b": { "a": 1 } }));
    assert_eq!(restored.places, ["/body/b/a", "/body/b"]);
    assert!(matches!(refused(nested, &[&outer]), DisclosureError::Undisclosed { .. }));
}

#[test]
fn what_is_not_there_cannot_be_concealed() {
    let body = json!({ "a": [1], "b": "x" });
    let refused = |pointers: &[&str]| conceal(&body, pointers, &mut SystemSalts).unwrap_err();
    for pointer in ["", "/body", "/b", "/body/c", "/body/a/1", "/body/a/00", "/body/a/-", "/body/b/0", "/body/a/0/x"] {
        assert_eq!(refused(&[pointer]), ConcealError::NotFound { pointer: pointer.to_owned() });
    }
    assert!(matches!(refused(&["/body/a", "/body/a"]), ConcealError::Twice { .. }));
    let concealed = json!({ "_sd": ["x"] });
    assert_eq!(conceal(&concealed, &["/body/_sd"], &mut SystemSalts).unwrap_err(), ConcealError::AlreadyConcealed);
}

/// All pointers below a value.
fn pointers(value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut walk = |token: String, value: &Value| {
        let path = format!("{at}/{token}");
        found.extend(pointers(value, &path));
        found.push(path);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| walk(name.clone(), value)),
        Value::Array(elements) => elements.iter().enumerate().for_each(|(i, value)| walk(i.to_string(), value)),
        _ => {}
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn concealing_and_restoring_is_nothing(
        example in any::<prop::sample::Index>(),
        places in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        erased in any::<prop::sample::Index>(),
    ) {
        let examples: Vec<_> = examples().into_iter().filter(|example| !is_authority_kind(example.kind)).collect();
        let example = &examples[example.index(examples.len())];
        let all: Vec<String> = pointers(&example.full, "/body");
        let mut chosen: Vec<&String> = places.iter().map(|place| &all[place.index(all.len())]).collect();
        chosen.sort();
        chosen.dedup();
        let (concealed, texts) = conceal(&example.full, &chosen, &mut SystemSalts).unwrap();
        let disclosures = Disclosure::parse_all(&texts).unwrap();
        let restored = restore(&concealed, &disclosures, Matching::Complete).unwrap();
        prop_assert_eq!(&restored.body, &example.full);
        let mut places = restored.places.clone();
        places.sort();
        prop_assert_eq!(places.iter().collect::<Vec<_>>(), chosen.clone());
        // Admission agrees with `concealable` place by place.
        let kind = kind(example.kind);
        let corrected = (example.kind == "statement.corrected").then(|| "transfer.dispatched".parse().unwrap());
        let allowed = chosen.iter().all(|place| {
            concealable(example.kind, corrected.as_ref().map(countersign_ledger::id::Kind::as_str), place)
        });
        prop_assert_eq!(admit(&kind, corrected.as_ref(), &concealed, &texts).is_ok(), allowed);
        // Any one may be lacking.
        if !disclosures.is_empty() {
            let mut held = disclosures.clone();
            held.remove(erased.index(disclosures.len()));
            let partial = restore(&concealed, &held, Matching::Partial).unwrap();
            prop_assert!(partial.undisclosed == 1);
            prop_assert!(restore(&concealed, &held, Matching::Complete).is_err());
        }
    }

    #[test]
    fn no_text_is_a_disclosure_by_chance(text in "\\PC{0,60}") {
        prop_assert!(Disclosure::parse(&text).is_err());
    }
}
