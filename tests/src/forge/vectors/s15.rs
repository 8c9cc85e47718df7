//! SPEC §15: seals, and extracts that they prove complete.

use super::super::extract::{Extract, file};
use super::super::{Event, Json, Script, Vector, j_hex};
use super::{Book, s15_lines};
use crate::forge::event::Edit;
use crate::forge::world::*;
use crate::j;

/// The second case.
pub(super) const OTHER: &str = "donor-a.k2";
/// The stream of the first case in which most happens.
pub(super) const STREAM: &str = "authorization/a";

pub(super) fn write(book: &mut Book) {
    book.section("§15", "s15");
    whole(book);
    bodies(book);
    spoken(book);
    extracts(book);
    absent(book);
    left_out(book);
    s15_lines::write(book);
    open(book);
}

/// `fix` corrects `a1`.
fn correction() -> Event {
    Event::new("fix", "statement.corrected", STREAM, "donor-a", j!({"reason": "did_not_occur"}))
        .case(CASE)
        .member("corrects", Json::event_of("a1"))
        .signed([&donor()])
}

/// Two cases, a correction, disputes before and after what they speak of, two seals: entries 0 to 18.
fn story() -> Script {
    base_with(with_seals()).then([
        case_opened("case 2", OTHER, "donor-a", roles()).signed([&donor(), &recip()]),
        says("a1", CASE, STREAM),
        says("a2", CASE, STREAM),
        correction(),
        dispute("d1", "a1"),
        dispute("d2", "a2"),
        says("o1", OTHER, STREAM),
        says("b1", CASE, "authorization/b"),
        dispute("early", "a3"),
        streams_sealed("seal 1"),
        says("a3", CASE, STREAM),
        dispute("d3", "a3"),
        streams_sealed("seal 2"),
        says("o2", OTHER, "authorization/c"),
    ])
}

/// What every extract of the story shows.
const ALWAYS: [&str; 5] = ["created", "enrol donor-a", "enrol recip-b", "enrol insp-c", "o2"];
/// Everything of the first case, and what speaks of it.
const OF_CASE: [&str; 9] = ["case", "a1", "a2", "fix", "d1", "d2", "b1", "a3", "d3"];

/// An extract of the story of the first case, which shows the second seal.
fn extract() -> Extract {
    let shown = [&ALWAYS[..], &["case 2"], &OF_CASE, &["seal 2"]].concat();
    Extract::new(j!({"case": CASE}), &shown)
}

/// The same with everything proved.
pub(super) fn sealed() -> Extract {
    extract().seal("seal 2", Some(CASE), None)
}

/// Adds an extract of the story.
pub(super) fn put<'b>(book: &'b mut Book, name: &str, sentence: &str, extract: &Extract) -> &'b mut Vector {
    put_lines(book, name, sentence, extract, |lines| lines)
}

/// Adds an extract of the story with its lines changed.
pub(super) fn put_lines<'b>(
    book: &'b mut Book,
    name: &str,
    sentence: &str,
    extract: &Extract,
    change: impl FnOnce(Vec<Vec<u8>>) -> Vec<Vec<u8>>,
) -> &'b mut Vector {
    let v = book.add(name, sentence, &story());
    v.file = file(&change(extract.lines(&v.built)));
    v.partial(&["STREAM"])
}

/// The number of the last `sealed` line of a vector's file, counted from 1.
pub(super) fn last_sealed(v: &Vector) -> u64 {
    let lines = v.file.split(|b| *b == b'\n').collect::<Vec<_>>();
    let at = lines.iter().rposition(|line| line.starts_with(b"{\"sealed\"")).expect("a sealed line");
    u64::try_from(at + 1).expect("small")
}

/// The last `sealed` line does not hold; nothing else is false.
pub(super) fn does_not_hold<'v>(v: &'v mut Vector, seal: &str) -> &'v mut Vector {
    let (seq, line) = (v.built.seq(seal), last_sealed(v));
    v.undecided.clear();
    v.fails_at("SEAL", Some(seq), Some(line))
}

/// What a `sealed` line proves.
pub(super) fn proves(v: &mut Vector, seal: &str, case: Option<&str>, subject: Option<&str>, events: u64) {
    let seq = v.built.seq(seal);
    v.sealed.push(serde_json::json!({"seq": seq, "case": case, "subject": subject, "events": events}));
}

fn whole(book: &mut Book) {
    let s = "whose body commits to every stream of the entries before it";
    book.add("two-seals", s, &story());
    let early = base_with(with_seals()).without_event("case").then([streams_sealed("seal")]);
    book.add("before-any-case", s, &early);
    let twice = base_with(with_seals()).then([streams_sealed("seal 1"), streams_sealed("seal 2"), cancel("x")]);
    book.add("seal-after-seal", s, &twice);
    let same = |label: &str| streams_sealed(label).with(|e| e.subject = "seal/insp-c.daily".to_owned());
    let stream = base_with(with_seals()).then([same("seal 1"), cancel("x"), same("seal 2")]);
    book.add("seals-in-one-stream", s, &stream);
    let many = base_with(with_seals()).then((0..60).map(|n| cancel(&format!("x{n}")))).then([streams_sealed("seal")]);
    book.add("sixty-streams", s, &many);
    let s = "Every well-formed event counts, whatever other checks say of it";
    let unentitled = says("x", CASE, STREAM).with(|e| e.signatures.clear()).with(|e| {
        e.author = "insp-c".to_owned();
        e.signatures = vec![(&insp()).into()];
    });
    let counted = base_with(with_seals()).then([unentitled, streams_sealed("seal")]);
    book.add("an-event-against-policy-counts", s, &counted).refused("POLICY", "x");
    let malformed = says("x", CASE, STREAM).object(|o| o.with("subject", "Authorization/a"));
    let unread = base_with(with_seals()).then([malformed, streams_sealed("seal")]);
    let s = "SEAL …, after … one that fails FORMAT, what a seal says of streams (§13)";
    book.add("after-a-malformed-event", s, &unread).refused("FORMAT", "x");
    let newer = says("x", CASE, STREAM).object(|o| o.with("countersign", 2));
    let newer = base_with(with_seals()).then([newer, streams_sealed("seal")]);
    let s = "SEAL …, after an entry of a newer format …, what a seal says of streams (§13)";
    book.add("after-a-newer-event", s, &newer).not_checked();
}

fn bodies(book: &mut Book) {
    let s = "body exactly {size, streams, root}: N the seq of its own entry, n the number of streams …, H the root";
    let cases: [(&str, fn(Json) -> Json); 17] = [
        ("size-less-one", |b| b.with("size", 4)),
        ("size-more-one", |b| b.with("size", 6)),
        ("size-0", |b| b.with("size", 0)),
        ("size-negative", |b| b.with("size", -5)),
        ("size-text", |b| b.with("size", "5")),
        ("streams-less-one", |b| b.with("streams", 4)),
        ("streams-more-one", |b| b.with("streams", 6)),
        ("streams-null", |b| b.with("streams", Json::Null)),
        ("root-another", |b| b.with("root", j_hex(&[7; 32]))),
        ("root-of-nothing", |b| b.with("root", j_hex(&crate::forge::sha256(&[2])))),
        ("root-short", |b| b.with("root", "ab")),
        ("without-size", |b| b.without("size")),
        ("without-streams", |b| b.without("streams")),
        ("without-root", |b| b.without("root")),
        ("unknown-member", |b| b.with("note", "x")),
        ("empty-body", |_| j!({})),
        ("remarks", |b| b.with("remarks", "quarterly")),
    ];
    for (name, change) in cases {
        let seal = streams_sealed("seal").with(|e| e.seal = Some(Edit::new(change)));
        book.add(name, s, &base_with(with_seals()).then([seal, cancel("x")])).refused("SEAL", "seal");
    }
    let upper = streams_sealed("seal").with(|e| {
        e.seal = Some(Edit::new(|mut b: Json| {
            let Json::Str(root) = b.at(&["root"]).clone() else { unreachable!("a text") };
            b.with("root", root.to_uppercase())
        }));
    });
    book.add("root-capitals", s, &base_with(with_seals()).then([upper])).refused("SEAL", "seal");
    let s = "Form (else SEAL fails): no case, subject type `seal`";
    let site = streams_sealed("seal").with(|e| e.subject = "site/insp-c.x".to_owned());
    book.add("of-another-type", s, &base_with(with_seals()).then([site])).refused("SEAL", "seal");
    let in_case = policy().with("streams.sealed", row("required", any_party()));
    let in_case = base_with(in_case).then([streams_sealed("seal").case(CASE)]);
    book.add("in-a-case", s, &in_case).refused("SEAL", "seal");
    let s = "H the root below over those streams";
    let old = story().build();
    let body = String::from_utf8(old.entries[14].payload.clone()).expect("text");
    let root = body.split("\"root\":\"").nth(1).expect("a root")[..64].to_owned();
    let stale = story().change("seal 2", |e| e.seal = Some(Edit::new(move |b: Json| b.with("root", root.clone()))));
    book.add("root-of-the-seal-before", s, &stale).refused("SEAL", "seal 2");
    for (name, without) in [("without-a-stream", "b1"), ("without-an-event", "a2"), ("without-a-dispute", "d1")] {
        let lacking = story().build();
        let kept = lacking.entries[..14].iter().filter(|e| e.label != without);
        let streams = crate::forge::sealing::Streams::of(kept.map(|e| (&e.payload[..], e.event_hash)));
        let root = streams.root();
        let script =
            story().change("seal 1", |e| e.seal = Some(Edit::new(move |b: Json| b.with("root", j_hex(&root)))));
        book.add(&format!("root-{name}"), s, &script).refused("SEAL", "seal 1");
    }
}

fn spoken(book: &mut Book) {
    let s = "an entry without a case whose subject type is `statement` and whose body, as signed, has a member `about`";
    let speaks = |about: Json| dispute("d", "first").with(|e| e.body = j!({"about": about, "grounds": "not as seen"}));
    let around = |d: Event| base_with(with_seals()).then([says("first", CASE, STREAM), d, streams_sealed("seal")]);
    let cases = [
        ("about-an-event", Json::event_of("first")),
        ("about-a-case", Json::event_of("case")),
        ("about-a-party", Json::event_of("enrol donor-a")),
        ("about-the-ledger", Json::LedgerId),
        ("about-nothing-there", j_hex(&[7; 32])),
        ("about-a-number", Json::Int(6)),
        ("about-null", Json::Null),
    ];
    for (name, about) in cases {
        book.add(name, s, &around(speaks(about))).not_for_admission();
    }
    let nested = dispute("d", "first").with(|e| e.body = j!({"of": {"about": (Json::event_of("first"))}}));
    book.add("about-further-down", s, &around(nested)).not_for_admission();
    let incident = dispute("d", "first").with(|e| e.subject = "incident/insp-c.d".to_owned());
    book.add("about-by-another-type", s, &around(incident)).not_for_admission();
    let in_case = says("d", CASE, "statement/x").with(|e| {
        e.body.set("about", Json::event_of("first"));
    });
    book.add("about-in-a-case", s, &around(in_case)).not_for_admission();
    let chain = [says("first", CASE, STREAM), dispute("d", "first"), dispute("e", "d"), streams_sealed("seal")];
    let chain = base_with(with_seals()).then(chain);
    book.add("about-a-dispute", s, &chain).not_for_admission();
    let same = dispute("d", "first").with(|e| e.subject = "statement/insp-c.s".to_owned());
    let own = dispute("e", "d").with(|e| e.subject = "statement/insp-c.s".to_owned());
    let own = base_with(with_seals()).then([says("first", CASE, STREAM), same, own, streams_sealed("seal")]);
    book.add("about-its-own-stream", s, &own).not_for_admission();
}

fn extracts(book: &mut Book) {
    let s = "Then all events of that case or stream before entry N are shown, and all entries that speak of them";
    let v = put(book, "extract-of-a-case", s, &sealed());
    proves(v, "seal 2", Some(CASE), None, 6);
    let v = put(
        book,
        "extract-by-an-old-seal",
        s,
        &Extract {
            shown: sealed().shown.into_iter().chain(["seal 1".to_owned()]).collect(),
            ..extract().seal("seal 1", Some(CASE), None)
        },
    );
    proves(v, "seal 1", Some(CASE), None, 5);
    let v = put(
        book,
        "extract-by-both-seals",
        s,
        &Extract {
            shown: sealed().shown.into_iter().chain(["seal 1".to_owned()]).collect(),
            ..extract().seal("seal 1", Some(CASE), None).seal("seal 2", Some(CASE), None)
        },
    );
    proves(v, "seal 1", Some(CASE), None, 5);
    proves(v, "seal 2", Some(CASE), None, 6);
    let of_stream = || Extract { scope: j!({"case": CASE, "subject": STREAM}), ..extract() }.without("b1");
    let v = put(book, "extract-of-a-stream", s, &of_stream().seal("seal 2", Some(CASE), Some(STREAM)));
    proves(v, "seal 2", Some(CASE), Some(STREAM), 4);
    let labelled = Extract { scope: j!({"case": CASE, "subject": STREAM}), ..sealed() };
    let v = put(book, "extract-of-a-stream-by-its-case", s, &labelled);
    proves(v, "seal 2", Some(CASE), None, 6);
    let mut two = sealed().seal("seal 2", Some(OTHER), None);
    two.shown.push("o1".to_owned());
    let v = put(book, "extract-of-two-cases", s, &two);
    proves(v, "seal 2", Some(CASE), None, 6);
    proves(v, "seal 2", Some(OTHER), None, 2);
    let mut caseless = sealed().seal("seal 2", None, None);
    caseless.shown.extend(["early", "seal 1"].map(str::to_owned));
    let v = put(book, "extract-of-what-has-no-case", s, &caseless);
    proves(v, "seal 2", Some(CASE), None, 6);
    proves(v, "seal 2", None, None, 9);
    let v =
        put(book, "extract-of-a-stream-without-a-case", s, &sealed().seal("seal 2", None, Some("statement/insp-c.d1")));
    proves(v, "seal 2", Some(CASE), None, 6);
    proves(v, "seal 2", None, Some("statement/insp-c.d1"), 1);
    let everything: Vec<String> = story().events.iter().map(|e| e.label.clone()).collect();
    let mut full = Extract { scope: "full".into(), shown: everything, sealed: Vec::new() };
    full = full.seal("seal 1", Some(CASE), None).seal("seal 2", Some(CASE), Some(STREAM));
    let v = put(book, "full-with-sealed-lines", s, &full);
    v.verdict = "verified";
    v.undecided.clear();
    proves(v, "seal 1", Some(CASE), None, 5);
    proves(v, "seal 2", Some(CASE), Some(STREAM), 4);
    let s = "An entry that speaks of what was recorded later than itself";
    let mut shown = sealed();
    shown.shown.push("early".to_owned());
    let v = put(book, "extract-with-a-dispute-of-what-came-later", s, &shown);
    proves(v, "seal 2", Some(CASE), None, 6);
    let s = "a case or stream of which more is shown after the seal";
    let many = base_with(with_seals()).then((0..60).map(|n| cancel(&format!("x{n}")))).then([streams_sealed("seal")]);
    let shown = ["created", "enrol donor-a", "enrol recip-b", "enrol insp-c", "case", "x17", "seal"];
    let one = Extract::new(j!({"case": CASE, "subject": "authorization/x17"}), &shown);
    let one = one.seal("seal", Some(CASE), Some("authorization/x17"));
    let v = book.add("extract-of-one-stream-of-sixty", s, &many);
    v.file = file(&one.lines(&v.built));
    v.partial(&["CHAIN", "STREAM"]);
    proves(v, "seal", Some(CASE), Some("authorization/x17"), 1);
}

fn absent(book: &mut Book) {
    let s = "`instead`:null (the way ends at an empty tree) or {key, value} (at this one pair, whose key is another …)";
    for n in 0..4 {
        let name = format!("donor-a.none{n}");
        let v = put(book, &format!("no-such-case-{n}"), s, &sealed().seal("seal 2", Some(&name), None));
        proves(v, "seal 2", Some(CASE), None, 6);
        proves(v, "seal 2", Some(&name), None, 0);
        let subject = format!("authorization/none{n}");
        let v = put(book, &format!("no-such-stream-{n}"), s, &sealed().seal("seal 2", Some(CASE), Some(&subject)));
        proves(v, "seal 2", Some(CASE), None, 6);
        proves(v, "seal 2", Some(CASE), Some(&subject), 0);
    }
    let v = put(book, "no-such-stream-outside-cases", s, &sealed().seal("seal 2", None, Some("statement/none")));
    proves(v, "seal 2", Some(CASE), None, 6);
    proves(v, "seal 2", None, Some("statement/none"), 0);
    let s = "`subject` without `within` says that its case has no stream";
    let none = Some("donor-a.none");
    let v = put(book, "no-stream-of-no-case", s, &sealed().seal("seal 2", none, Some(STREAM)));
    proves(v, "seal 2", Some(CASE), None, 6);
    proves(v, "seal 2", none, Some(STREAM), 0);
    let s = "Where those entries have no such stream … `instead` stands in its place";
    let label = Extract { scope: j!({"case": "donor-a.none"}), ..extract() };
    let v = put(book, "extract-of-no-case", s, &label.seal("seal 2", none, None));
    proves(v, "seal 2", none, None, 0);
    let s = "a case that began after the seal";
    let late = base_with(with_seals()).then([
        streams_sealed("seal"),
        case_opened("case 2", OTHER, "donor-a", roles()).signed([&donor(), &recip()]),
        says("o1", OTHER, STREAM),
    ]);
    let shown = ["created", "enrol donor-a", "enrol recip-b", "enrol insp-c", "seal", "case 2", "o1"];
    let v = book.add("case-younger-than-its-seal", s, &late);
    let extract = Extract::new(j!({"case": OTHER}), &shown).seal("seal", Some(OTHER), None);
    v.file = file(&extract.lines(&v.built));
    v.partial(&["STREAM"]);
    proves(v, "seal", Some(OTHER), None, 0);
}

fn left_out(book: &mut Book) {
    let s = "with the shown entries before the seal as if they were all, the seal's H comes out";
    for (name, label) in [
        ("first-event", "a1"),
        ("middle-event", "a2"),
        ("correction", "fix"),
        ("newest-event", "a3"),
        ("stream", "b1"),
        ("first-dispute", "d1"),
        ("middle-dispute", "d2"),
        ("newest-dispute", "d3"),
    ] {
        does_not_hold(put(book, &format!("left-out-{name}"), s, &sealed().without(label)), "seal 2");
    }
    let stream = || {
        let of_it = Extract { scope: j!({"case": CASE, "subject": STREAM}), ..extract() }.without("b1");
        of_it.seal("seal 2", Some(CASE), Some(STREAM))
    };
    for label in ["a1", "a2", "fix", "a3", "d1", "d3"] {
        does_not_hold(put(book, &format!("left-out-of-the-stream-{label}"), s, &stream().without(label)), "seal 2");
    }
    let s = "`instead` … is required; where they have, it is forbidden";
    let of_stream = ["a1", "a2", "fix", "a3"].into_iter().fold(stream(), Extract::without);
    does_not_hold(put(book, "left-out-whole-stream", s, &of_stream), "seal 2");
}

fn open(book: &mut Book) {
    let s = "SEAL where a leaf is withheld and no `sealed` line is of the whole scope (§13)";
    let undecided = ["STREAM", "SEAL"];
    put(book, "no-line", s, &extract()).partial(&undecided);
    put(book, "no-seal", s, &extract().without("seal 2")).partial(&undecided);
    let v = put(book, "line-of-part-of-the-scope", s, &extract().seal("seal 2", Some(CASE), Some(STREAM)));
    v.partial(&undecided);
    proves(v, "seal 2", Some(CASE), Some(STREAM), 4);
    let v = put(book, "line-of-another-case-than-the-scope", s, &extract().seal("seal 2", Some("donor-a.none"), None));
    v.partial(&undecided);
    proves(v, "seal 2", Some("donor-a.none"), None, 0);
    let since = Extract { scope: j!({"since": 4}), ..sealed() };
    let v = put(book, "scope-since", s, &since);
    v.partial(&undecided);
    proves(v, "seal 2", Some(CASE), None, 6);
    let other = Extract { scope: j!({"case": OTHER}), ..sealed() };
    let v = put(book, "scope-of-another-case-than-the-line", s, &other);
    v.partial(&undecided);
    proves(v, "seal 2", Some(CASE), None, 6);
    let s = "In an extract the root is the operator's word";
    let script = story().change("seal 2", |e| e.seal = Some(Edit::new(|b: Json| b.with("streams", 99))));
    let v = book.add("extract-with-a-false-number-of-streams", s, &script);
    v.file = file(&sealed().lines(&v.built));
    v.partial(&["STREAM"]);
    proves(v, "seal 2", Some(CASE), None, 6);
    let s = "every seal shown … says its own position";
    let script = story().change("seal 2", |e| e.seal = Some(Edit::new(|b: Json| b.with("size", 1))));
    let v = book.add("extract-with-a-seal-of-another-position", s, &script);
    v.file = file(&sealed().lines(&v.built));
    let line = last_sealed(v) - 1;
    let seq = v.built.seq("seal 2");
    v.fails_at("SEAL", Some(seq), Some(line)).not_for_admission();
    let s = "SEAL …, after an entry of a newer format …, what its `sealed` lines say (§13)";
    let newer = story().map("b1", |e| e.object(|o| o.with("countersign", 2)));
    let v = book.add("extract-after-a-newer-event", s, &newer);
    v.file = file(&sealed().lines(&v.built));
    v.not_checked();
}
