//! SPEC §2: keys and signatures.

use super::super::event::{How, PAYLOAD_TYPE};
use super::super::key::{noncanonical_point, small_order_points};
use super::super::world::*;
use super::super::{Event, Json, Key, Script, b64};
use super::Book;
use crate::j;

pub(super) fn write(book: &mut Book) {
    book.section("§2", "s2");
    acceptable(book);
    signatures(book);
    one_purpose(book);
}

/// Enrols a party `new-e` with one key; `x`.
fn enrolling(key: &Key) -> Event {
    enrol("new-e", &["carrier"], std::slice::from_ref(key)).with(|e| e.label = "x".to_owned())
}

fn acceptable(book: &mut Book) {
    let s = "Acceptable only if canonically encoded, not of small order, and in the prime-order subgroup";
    let enrol_raw = |public: &[u8]| {
        let mut event = enrolling(&key("new"));
        event.body.at(&["keys", "0"]).set("public_key", b64(public));
        base().then([event])
    };
    for (i, point) in small_order_points().iter().enumerate() {
        book.add(&format!("key-small-order-{i}"), s, &enrol_raw(point)).refused("KEY", "x");
    }
    book.add("key-not-canonical", s, &enrol_raw(&noncanonical_point())).refused("KEY", "x");
    book.add("key-not-a-point", s, &enrol_raw(&[2; 32])).refused("KEY", "x");
    let mut negative_zero = [0; 32];
    negative_zero[0] = 1;
    negative_zero[31] = 0x80;
    book.add("key-negative-zero", s, &enrol_raw(&negative_zero)).refused("KEY", "x");
    let outside = key("outside").outside_subgroup();
    book.add("key-outside-subgroup", s, &base().then([enrolling(&outside)])).refused("KEY", "x");
    let added = key_added("x", "donor-a", &donor(), &outside);
    book.add("key-outside-subgroup-added", s, &base().then([added])).refused("KEY", "x");
    let governance = governance_of(2, &[gov(0), gov(1), outside.clone()]);
    let changed =
        by_quorum("x", "governance.changed", j!({"governance": governance, "reason": "review"})).signed([&outside]);
    book.add("key-outside-subgroup-governance", s, &base().then([changed])).refused("KEY", "x");
    let rotated = by_quorum("x", "log_key.rotated", j!({"log_key": (log_vkey(&outside)), "reason": "review"}));
    let script = base().then([rotated]).sealed(|c| c.signers.push((ORIGIN.to_owned(), outside)));
    book.add("key-outside-subgroup-log", s, &script).refused("KEY", "x");
}

fn signatures(book: &mut Book) {
    let s = "A signature is valid iff S is canonical, A and R are canonically encoded and not of small order, and the cofactorless equation holds";
    let cases = [
        ("s-not-canonical", How::LargeS),
        ("torsion-in-r", How::TorsionInR(1)),
        ("torsion-of-order-two-in-r", How::TorsionInR(4)),
        ("r-of-small-order", How::SmallOrderR),
        ("r-not-canonical", How::NoncanonicalR),
        ("s-changed", How::FlippedS),
        ("r-changed", How::FlippedR),
        ("zeros", How::Bytes(vec![0; 64])),
        ("ones", How::Bytes(vec![0xff; 64])),
        ("over-payload-alone", How::PayloadOnly),
        ("over-other-type", How::OtherType("application/vnd.countersign.session.v1+json".to_owned())),
        ("over-type-of-version-2", How::OtherType("application/vnd.countersign.event.v2+json".to_owned())),
        ("over-empty-type", How::OtherType(String::new())),
        ("over-nothing", How::Over(Vec::new())),
    ];
    for (name, how) in cases {
        let mut event = cancel("x");
        event.signatures.clear();
        let event = event.signed_how(&donor(), how.clone());
        book.add(&format!("signature-{name}"), s, &around(event)).refused("SIGNATURE", "x");
        let second = cancel("x").signed_how(&donor2(), how);
        book.add(&format!("second-signature-{name}"), s, &around(second)).refused("SIGNATURE", "x");
    }
    // A sum of both equations, or one with even factors, would hold.
    for (name, i, j) in [("opposite", 1, 7), ("twice-of-order-two", 4, 4)] {
        let mut event = cancel("x");
        event.signatures.clear();
        let event = event.signed_how(&donor(), How::TorsionInR(i)).signed_how(&donor2(), How::TorsionInR(j));
        let sentence = "a random batch equation does not, unless each R is shown free of torsion";
        book.add(&format!("signatures-torsion-{name}"), sentence, &around(event)).refused("SIGNATURE", "x");
    }
    let spread = |label: &str, i: usize| {
        let mut event = cancel(label);
        event.signatures.clear();
        event.signed_how(&donor(), How::TorsionInR(i))
    };
    let apart = base().then([spread("x", 4), spread("y", 4), spread("z", 4), spread("w", 4), cancel("after")]);
    book.add("signatures-torsion-in-four-entries", s, &apart).refused("SIGNATURE", "x");
    let swapped = cancel("x").signed([&donor2()]).with(|e| {
        e.edit_signatures = super::super::event::Edit::new(|mut s: Vec<(String, String)>| {
            let first = s[0].1.clone();
            s[0].1 = s[1].1.clone();
            s[1].1 = first;
            s
        });
    });
    book.add("signatures-swapped", s, &around(swapped)).refused("SIGNATURE", "x");
    let of_another = super::super::script::pae(PAYLOAD_TYPE, b"{}");
    let mut event = cancel("x");
    event.signatures.clear();
    book.add("signature-of-another-event", s, &around(event.signed_how(&donor(), How::Over(of_another))))
        .refused("SIGNATURE", "x");
    let mut event = base();
    let genesis = event.event("created");
    genesis.signatures[1].how = How::FlippedS;
    book.add("signature-changed-in-entry-0", s, &event).refused("SIGNATURE", "created");
}

fn one_purpose(book: &mut Book) {
    let s = "Each public key enters a ledger once in its life, as a party's, a governance or a log key";
    let enrol_two = |keys: &[Key]| base().then([enrol("new-e", &["carrier"], keys).with(|e| e.label = "x".to_owned())]);
    book.add("key-of-another-party", s, &enrol_two(&[key("new"), insp()])).refused("KEY", "x");
    book.add("key-of-governance", s, &enrol_two(&[key("new"), gov(2)])).refused("KEY", "x");
    book.add("key-of-the-log", s, &enrol_two(&[key("new"), log_key()])).refused("KEY", "x");
    let own = key_added("x", "donor-a", &donor(), &donor2());
    book.add("key-added-again", s, &base().then([own])).refused("KEY", "x");
    let retired =
        [key_retired("retire", "donor-a", &donor(), &donor2()), key_added("x", "donor-a", &donor(), &donor2())];
    book.add("key-added-after-retirement", s, &base().then(retired)).refused("KEY", "x");
    let revoked =
        [key_revoked("revoke", "donor-a", &donor(), &donor2()), key_added("x", "donor-a", &donor(), &donor2())];
    book.add("key-added-after-revocation", s, &base().then(revoked)).refused("KEY", "x");
    let elsewhere =
        [key_retired("retire", "donor-a", &donor(), &donor2()), key_added("x", "recip-b", &recip(), &donor2())];
    book.add("key-of-another-party-retired", s, &base().then(elsewhere)).refused("KEY", "x");
    let changed = |third: &Key| {
        let body = j!({"governance": (governance_of(2, &[gov(0), gov(1), third.clone()])), "reason": "review"});
        by_quorum("x", "governance.changed", body).signed([third])
    };
    book.add("governance-takes-party-key", s, &base().then([changed(&insp())])).refused("KEY", "x");
    book.add("governance-takes-log-key", s, &base().then([changed(&log_key())])).refused("KEY", "x");
    let rotate = |to: &Key| by_quorum("x", "log_key.rotated", j!({"log_key": (log_vkey(to)), "reason": "review"}));
    let rotated = |to: &Key, script: Script| {
        let to = to.clone();
        script
            .then([rotate(&to)])
            .sealed(move |c| c.signers = vec![(ORIGIN.to_owned(), log_key()), (ORIGIN.to_owned(), to)])
    };
    book.add("log-takes-party-key", s, &rotated(&insp(), base())).refused("KEY", "x");
    book.add("log-takes-governance-key", s, &rotated(&gov(2), base())).refused("KEY", "x");
    let back = |label: &str, to: &Key| {
        by_quorum(label, "log_key.rotated", j!({"log_key": (log_vkey(to)), "reason": "review"}))
    };
    book.add("log-takes-old-key", s, &base().then([back("away", &key("log2")), back("x", &log_key())]))
        .refused("KEY", "x");
    let log_key_of_the_created = enrolled_with(|body| {
        body.set("log_key", log_vkey(&gov(0)));
    })
    .sealed(|c| c.signers = vec![(ORIGIN.to_owned(), gov(0))]);
    book.add("log-key-is-governance-key", s, &log_key_of_the_created).refused("KEY", "created");
    let twice = enrol("new-e", &["carrier"], &[key("new")]).with(|e| {
        e.label = "x".to_owned();
        let twin = e.body.at(&["keys", "0"]).clone();
        if let Json::Arr(keys) = e.body.at(&["keys"]) {
            keys.push(twin);
        }
    });
    book.add("key-twice-in-one-event", s, &base().then([twice])).refused("KEY", "x");
    let s = "party and governance keys sign only DSSE PAEs, one payloadType a purpose";
    let session = cancel("x").with(|e| e.payload_type = "application/vnd.countersign.session.v1+json".to_owned());
    book.add("session-payload-type", s, &around(session)).refused("FORMAT", "x");
}

/// The ledger and its parties, with another body of `ledger.created`.
fn enrolled_with(f: impl FnOnce(&mut Json)) -> Script {
    enrolled().change("created", |e| f(&mut e.body))
}
