#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::keyed::{branch, empty, single};

/// An entry, as far as seals know it: its stream, and the entry before it that it speaks of.
#[derive(Debug, Clone)]
struct Said {
    stream: StreamId,
    about: Option<usize>,
}

fn hash(n: usize) -> EventHash {
    EventHash::from_bytes(sha256(&[b"event", &n.to_be_bytes()]))
}

fn stream(case: u8, subject: u8) -> StreamId {
    let case = (case > 0).then(|| format!("case-{case}").parse().unwrap());
    StreamId { case, subject: format!("consignment/{subject}").parse().unwrap() }
}

fn said() -> impl Strategy<Value = Vec<Said>> {
    let one = (0..4u8, 0..12u8, prop::option::weighted(0.3, any::<prop::sample::Index>()));
    prop::collection::vec(one, 0..60).prop_map(|all| {
        let said = |(at, (case, subject, about)): (usize, (u8, u8, Option<prop::sample::Index>))| Said {
            stream: stream(case, subject),
            about: about.filter(|_| at > 0).map(|about| about.index(at)),
        };
        all.into_iter().enumerate().map(said).collect()
    })
}

/// The definition of SPEC §15, word for word, over the first entries.
fn naive(said: &[Said]) -> (u64, SealHash) {
    let mut streams: BTreeMap<StreamId, (u64, EventHash, u64, [u8; 32])> = BTreeMap::new();
    for (at, entry) in said.iter().enumerate() {
        let record = streams.entry(entry.stream.clone()).or_insert((0, hash(at), 0, [0; 32]));
        (record.0, record.1) = (record.0 + 1, hash(at));
        if let Some(about) = entry.about {
            let record = streams.get_mut(&said[about].stream).unwrap();
            (record.2, record.3) = (record.2 + 1, *hash(at).as_bytes());
        }
    }
    let mut cases: BTreeMap<Option<CaseId>, Vec<(SealKey, SealHash)>> = BTreeMap::new();
    for (stream, (events, head, spoken, last)) in &streams {
        let (events, spoken) = (events.to_be_bytes(), spoken.to_be_bytes());
        let record = sha256(&[&[5], &events, head.as_bytes(), &spoken, last]);
        let pair = (SealKey::of(stream.subject.as_str()), SealHash::from_bytes(record));
        cases.entry(stream.case.clone()).or_default().push(pair);
    }
    let text = |case: &Option<CaseId>| case.as_ref().map_or(String::new(), ToString::to_string);
    let cases: Vec<_> = cases.iter().map(|(case, pairs)| (SealKey::of(&text(case)), tree(pairs, 0))).collect();
    (u64::try_from(streams.len()).unwrap(), tree(&cases, 0))
}

fn tree(pairs: &[(SealKey, SealHash)], depth: usize) -> SealHash {
    match pairs {
        [] => empty(),
        [(key, value)] => single(key, value),
        _ => {
            let (zero, one): (Vec<_>, Vec<_>) = pairs.iter().copied().partition(|(key, _)| !key.bit(depth));
            branch(&tree(&zero, depth + 1), &tree(&one, depth + 1))
        }
    }
}

fn add(streams: &mut Streams, said: &[Said], to: usize) {
    let mut changes = Changes::default();
    let from = usize::try_from(streams.size().0).unwrap();
    for (at, entry) in said.iter().enumerate().take(to).skip(from) {
        changes.events(&entry.stream, 1, hash(at));
        if let Some(about) = entry.about {
            changes.spoken(&said[about].stream, hash(at));
        }
    }
    streams.apply(changes, TreeSize(u64::try_from(to).unwrap()));
}

/// Puts a line together as SPEC §15 says, with what is shown: the record of the stream, or the tree of the case.
fn put_together(line: &SealedLine, shown: Option<SealHash>, tree_of_case: SealHash) -> SealHash {
    let up = |key: &SealKey, path: &[SealHash], end: SealHash| {
        path.iter().enumerate().rev().fold(end, |below, (depth, sibling)| {
            if key.bit(depth) { branch(sibling, &below) } else { branch(&below, sibling) }
        })
    };
    let end = |key: &SealKey, value: Option<SealHash>| match (value, &line.instead) {
        (Some(value), None) => single(key, &value),
        (None, Some(Instead::Nothing)) => empty(),
        (None, Some(Instead::Pair { key: other, value })) => single(other, value),
        _ => panic!("{line:?} with {value:?}"),
    };
    let case = case_key(line.case.as_ref());
    match (&line.subject, &line.within) {
        (Some(subject), Some(within)) => {
            let key = SealKey::of(subject.as_str());
            let tree = up(&key, within, end(&key, shown));
            up(&case, &line.path, single(&case, &tree))
        }
        (Some(_), None) => up(&case, &line.path, end(&case, None)),
        (None, _) => up(&case, &line.path, end(&case, shown.map(|_| tree_of_case))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn roots_are_those_of_the_definition_however_they_are_come_by(
        said in said(),
        stops in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let mut stops: Vec<usize> = stops.iter().map(|stop| stop.index(said.len() + 1)).collect();
        stops.sort_unstable();
        stops.push(said.len());
        let mut streams = Streams::default();
        let mut kept = Vec::new();
        for stop in stops {
            add(&mut streams, &said, stop);
            prop_assert_eq!((streams.count(), streams.root()), naive(&said[..stop]));
            kept.push((stop, streams.clone()));
        }
        for (stop, streams) in kept {
            prop_assert_eq!((streams.count(), streams.root()), naive(&said[..stop]), "what was sealed stays");
        }
    }

    #[test]
    fn lines_prove_what_is_there_and_what_is_not(said in said(), case in 0..6u8, subject in 0..16u8) {
        let mut streams = Streams::default();
        add(&mut streams, &said, said.len());
        let asked = stream(case, subject);
        let record = streams.record(&asked).map(Value::hash);
        let of_case: Vec<_> = said.iter().filter(|entry| entry.stream.case == asked.case).collect();
        let there = said.iter().filter(|entry| entry.stream == asked).count();
        prop_assert_eq!(streams.record(&asked).map_or(0, |record| record.events), u64::try_from(there).unwrap());
        let tree_of_case = {
            let mut pairs: BTreeMap<SealKey, SealHash> = BTreeMap::new();
            for entry in &of_case {
                let key = SealKey::of(entry.stream.subject.as_str());
                pairs.insert(key, streams.record(&entry.stream).unwrap().hash());
            }
            tree(&pairs.into_iter().collect::<Vec<_>>(), 0)
        };
        let line = streams.prove_stream(&asked);
        prop_assert_eq!(line.instead.is_none(), there > 0);
        prop_assert_eq!(line.within.is_some(), !of_case.is_empty());
        prop_assert_eq!(put_together(&line, record, tree_of_case), streams.root());
        let line = streams.prove_case(asked.case.as_ref());
        prop_assert_eq!(line.instead.is_none(), !of_case.is_empty());
        let shown = (!of_case.is_empty()).then_some(tree_of_case);
        prop_assert_eq!(put_together(&line, shown, tree_of_case), streams.root());
    }
}

#[test]
fn lines_are_written_as_the_specification_has_them() {
    let (a, b) = (SealHash::from_bytes([10; 32]), SealHash::from_bytes([11; 32]));
    let mut line = SealedLine {
        case: None,
        subject: Some("consignment/1".parse().unwrap()),
        within: Some(vec![a, b]),
        path: Vec::new(),
        instead: None,
    };
    let start = "{\"sealed\":{\"case\":null,\"subject\":\"consignment/1\",\"within\":[\"";
    assert_eq!(line.line(), format!("{start}{a}\",\"{b}\"],\"path\":[]}}}}"));
    line = SealedLine { subject: None, within: None, instead: Some(Instead::Nothing), ..line };
    assert_eq!(line.line(), "{\"sealed\":{\"case\":null,\"path\":[],\"instead\":null}}");
    line.case = Some("x".parse().unwrap());
    line.instead = Some(Instead::Pair { key: SealKey::of("y"), value: b });
    let key = SealKey::of("y");
    let expected =
        format!("{{\"sealed\":{{\"case\":\"x\",\"path\":[],\"instead\":{{\"key\":\"{key}\",\"value\":\"{b}\"}}}}}}");
    assert_eq!(line.line(), expected);
}
