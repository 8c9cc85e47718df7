//! DOMAIN §2: the kinds of equipment, training and incidents under the default policy.

use super::super::life::{begun, domain_policy, events, every_kind};
use super::super::world::*;
use super::super::{Event, Script};
use super::Book;

pub(super) fn write(book: &mut Book) {
    book.section("DOMAIN §2", "kind");
    book.add("every-kind", "a valid ledger under the default policy with an event of every kind", &every_kind());
    strangers(book);
    halves(book);
    bodies(book);
}

/// The ledger with what the event of this label refers to, before it.
fn until(label: &str) -> Script {
    let all = every_kind().events;
    let mut wanted = vec![label.to_owned()];
    let mut at = 0;
    while let Some(label) = wanted.get(at).cloned() {
        let event = all.iter().find(|e| e.label == label).expect("a label of this ledger");
        let mut named = Vec::new();
        event.body.labels(&mut named);
        wanted.extend(named.into_iter().map(str::to_owned));
        at += 1;
    }
    begun().then(all.into_iter().filter(|e| e.label != label && wanted.contains(&e.label)))
}

fn name(event: &Event) -> String {
    event.kind.replace(['.', '_'], "-")
}

/// Signed by a party that the rule does not name: a carrier that the case does not bind.
fn strangers(book: &mut Book) {
    let free = ["evidence.added", "response.recorded", "remedy.completed"];
    for x in events().into_iter().filter(|e| !free.contains(&e.kind.as_str())) {
        let script = until(&x.label).then([enrol("carr-f", &["carrier"], &[key("carr-f/0")])]);
        let by_stranger = x.clone().with(|e| {
            e.signatures.clear();
            "carr-f".clone_into(&mut e.author);
            if e.case.is_none() {
                e.subject = "incident/carr-f.x".to_owned();
            }
        });
        let script = script.then([by_stranger.signed([&key("carr-f/0")])]);
        let sentence = "policy satisfied under the rule in force (§9, DOMAIN §2)";
        book.add(&format!("{}-by-a-stranger", name(&x)), sentence, &script).refused("POLICY", &x.label);
    }
}

/// Where more than one must sign: by the author alone.
fn halves(book: &mut Book) {
    for x in events().into_iter().filter(|e| e.signatures.len() > 1) {
        let alone = x.clone().with(|e| e.signatures.truncate(1));
        let sentence = "policy satisfied under the rule in force (§9, DOMAIN §2)";
        book.add(&format!("{}-by-one-alone", name(&x)), sentence, &until(&x.label).then([alone]))
            .refused("POLICY", &x.label);
    }
}

/// Bodies that verify, for the verifier does not know the domain, and that a ledger refuses.
fn bodies(book: &mut Book) {
    for x in events() {
        let (first, _) = x.body.members()[0].clone();
        let sentence = "Members are a closed set (DOMAIN §2a)";
        let without = x.clone().with(|e| e.body = e.body.clone().without(&first));
        // The rule of custody.handed_over names its first member: without it the verifier finds more than the ledger.
        if x.kind != "custody.handed_over" {
            let name = format!("{}-without-{}", name(&x), first.replace('_', "-"));
            book.add(&name, sentence, &until(&x.label).then([without])).inadmissible(&x.label);
        }
        let more = x.clone().with(|e| {
            e.body.set("surplus", 1);
        });
        book.add(&format!("{}-unknown-member", name(&x)), sentence, &until(&x.label).then([more]))
            .inadmissible(&x.label);
    }
    let without = until("p1").change("created", |e| {
        e.body.set("policy", domain_policy().without("site.registered"));
    });
    let x = events().into_iter().find(|e| e.label == "p1").expect("an event of this ledger");
    book.add("a-kind-without-a-rule", "A kind without a row is refused (§9)", &without.then([x]))
        .refused("POLICY", "p1");
}
