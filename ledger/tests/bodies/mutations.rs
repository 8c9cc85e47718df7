//! Random damage: a body either is read, or is refused with a path that lies within it.

use countersign_ledger::event::{Body, BodyError};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::examples::{examples, kind};

/// Values that might be taken for others.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[0-9.]{1,18}".prop_map(Value::from),
        "[a-z_]{1,8}\\.[a-z_*]{1,8}".prop_map(Value::from),
        Just(json!("2026-01-01")),
        Just(json!("x".repeat(5000))),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-z_/~]{0,8}", inner), 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// All pointers of a value, the outermost first.
fn pointers(value: &Value, at: &str) -> Vec<String> {
    let mut found = vec![at.to_owned()];
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(n, v)| found.extend(pointers(v, &format!("{at}/{}", n.replace('~', "~0").replace('/', "~1"))))),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(i, v)| found.extend(pointers(v, &format!("{at}/{i}"))));
        }
        _ => {}
    }
    found
}

/// Replaces, adds, removes or repeats something at a place.
fn damage(body: &mut Value, place: prop::sample::Index, how: u8, with: Value) {
    let places = pointers(body, "");
    let place = &places[place.index(places.len())];
    match (how, body.pointer_mut(place).unwrap()) {
        (0, target) => *target = with,
        (1, Value::Object(members)) => drop(members.insert("surplus~/".to_owned(), with)),
        (2, Value::Object(members)) => {
            let first = members.keys().next().cloned();
            first.map(|name| members.remove(&name));
        }
        (1, Value::Array(elements)) => elements.push(with),
        (2, Value::Array(elements)) => drop(elements.pop()),
        (3, Value::Array(elements)) => elements.extend(elements.clone()),
        (_, target) => *target = with,
    }
}

/// Tells whether a pointer names something in a value, or a member that an object of it lacks.
fn lies_within(body: &Value, path: &str) -> bool {
    let Some(below) = path.strip_prefix("/body") else { return false };
    let parent = below.rsplit_once('/').map_or("", |(parent, _)| parent);
    body.pointer(below).is_some() || body.pointer(parent).is_some_and(Value::is_object)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_bodies_are_read_or_placed(
        example in any::<prop::sample::Index>(),
        damages in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..4, value()), 1..4),
    ) {
        let examples = examples();
        let example = &examples[example.index(examples.len())];
        let mut body = example.full.clone();
        for (place, how, with) in damages {
            damage(&mut body, place, how, with);
        }
        match Body::parse(&kind(example.kind), &body) {
            Ok(read) => prop_assert_eq!(read.to_value(), body),
            Err(BodyError::Form { path, expected, found }) => {
                // The rules of a policy name places by paths of their own.
                let in_policy = path.starts_with("/body/policy");
                prop_assert!(in_policy || lies_within(&body, &path), "{}: {}", example.kind, path);
                prop_assert!(!expected.is_empty() && !found.is_empty());
                prop_assert!(found.len() < 600, "{}", found);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn any_value_as_any_body(example in any::<prop::sample::Index>(), body in value()) {
        let examples = examples();
        let _ = Body::parse(&kind(examples[example.index(examples.len())].kind), &body);
    }
}
