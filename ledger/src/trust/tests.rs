#![allow(clippy::unwrap_used)]
use super::*;
use crate::checkpoint::{Checkpoint, Cosigner};
use crate::hash::NodeHash;
use crate::id::TreeSize;
use crate::keys::{SigningKey, encode_base64};
use crate::note::NoteSigner;

fn signing(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn log(seed: u8) -> NoteSigner {
    NoteSigner::new("ledger.example/a".parse().unwrap(), signing(seed))
}

fn witness(n: u8) -> Cosigner {
    Cosigner::new(format!("w{n}.example").parse().unwrap(), signing(n))
}

/// The tlog-policy example, with the numbers 1 to 6 for X1, X2, X3, Y1, Y2, Y3.
fn example() -> String {
    let w: Vec<String> = (1..=6).map(|n| witness(n).vkey().to_string()).collect();
    format!(
        "# a comment\n\t\nlog {} https://ledger.example\n\nwitness X1 {} https://w1.example\nwitness X2 {}\n  witness\tX3  {} \n\
         group X-witnesses 2 X1 X2 X3\nwitness Y1 {}\nwitness Y2 {}\nwitness Y3 {}\ngroup Y-witnesses any Y1 Y2 Y3\n\
         \t# another\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n",
        log(100).vkey(),
        w[0],
        w[1],
        w[2],
        w[3],
        w[4],
        w[5]
    )
}

fn checkpoint(cosigned_by: &[u8]) -> SignedCheckpoint {
    let origin = "ledger.example/a".parse().unwrap();
    let checkpoint = Checkpoint { origin, size: TreeSize(7), root: NodeHash::from_bytes([7; 32]) };
    let signed = checkpoint.sign(&[log(100)]).unwrap();
    cosigned_by.iter().fold(signed, |signed, n| {
        let line = witness(*n).cosign(&signed, 1_700_000_000).unwrap();
        signed.with_signature(line).unwrap()
    })
}

#[test]
fn the_example_of_the_format() {
    let trust = TrustFile::parse(example().as_bytes()).unwrap();
    assert_eq!((trust.logs().len(), trust.witnesses().len(), trust.groups().len()), (1, 6, 3));
    assert_eq!(trust.logs()[0].url.as_deref(), Some("https://ledger.example"));
    assert_eq!(trust.witnesses()[0].url.as_deref(), Some("https://w1.example"));
    assert_eq!(trust.witnesses()[1].url, None);
    assert_eq!(trust.name(trust.quorum().unwrap()), "X-and-Y");
    for (by, witnessed) in [
        (&[1, 2, 4][..], true),
        (&[2, 3, 6], true),
        (&[1, 2, 3, 4, 5, 6], true),
        (&[1, 2, 3], false),
        (&[1, 4, 5, 6], false),
        // one witness counts once
        (&[1, 1, 4], false),
        (&[], false),
    ] {
        assert_eq!(trust.is_witnessed(&checkpoint(by)), witnessed, "{by:?}");
    }
    let quorums = trust.smallest_quorums(100).unwrap();
    assert_eq!(quorums.len(), 9);
    assert_eq!(quorums[0], [0, 1, 3]);
    assert!(quorums.iter().all(|quorum| trust.is_quorum(|at| quorum.contains(&at))));
    for quorum in &quorums {
        for left in quorum {
            assert!(!trust.is_quorum(|at| quorum.contains(&at) && at != *left), "each of {quorum:?} is needed");
        }
    }
    assert_eq!(trust.smallest_quorums(8), None);
}

#[test]
fn a_single_witness_and_none() {
    let one = format!("witness a {}\nquorum a\n", witness(1).vkey());
    let trust = TrustFile::parse(one.as_bytes()).unwrap();
    assert!(trust.is_witnessed(&checkpoint(&[1])) && !trust.is_witnessed(&checkpoint(&[2])));
    assert_eq!(trust.smallest_quorums(1), Some(vec![vec![0]]));
    let none = TrustFile::parse(b"quorum none\n").unwrap();
    assert!(none.quorum().is_none() && none.is_witnessed(&checkpoint(&[])));
    assert_eq!(none.smallest_quorums(5), None);
    let names = [b"witness \xff\xfe ", witness(1).vkey().to_string().as_bytes(), b"\nquorum \xff\xfe\n"].concat();
    assert_eq!(TrustFile::parse(&names).unwrap().witnesses()[0].name.as_ref().unwrap().as_bytes(), b"\xff\xfe");
}

#[test]
fn keys_of_later_types_are_kept_and_never_count() {
    let typed = |ty: u8, key: &[u8]| format!("w9.example/auditor+01020304+{}", encode_base64(&[&[ty], key].concat()));
    let file =
        format!("witness a {}\nwitness b {}\ngroup g any a b\nquorum g\n", typed(6, &[1; 1312]), witness(1).vkey());
    let trust = TrustFile::parse(file.as_bytes()).unwrap();
    assert!(trust.witnesses()[0].key.vkey().is_none() && trust.witnesses()[0].key.is_auditor());
    assert!(!trust.witnesses()[1].key.is_auditor());
    assert!(trust.is_witnessed(&checkpoint(&[1])) && !trust.is_witnessed(&checkpoint(&[])));
    for (line, key) in [
        ("log", typed(6, &[1; 1312])),
        ("witness z", typed(5, &[1; 32])),
        ("witness z", typed(1, &[1; 32])),
        ("witness z", typed(7, witness(1).vkey().public_key().as_bytes())),
        ("witness z", typed(7, &[1; 32]).replace("01020304", "0102030")),
        ("witness z", typed(7, &[1; 32]).replace("w9.example", "").replace("/auditor", "")),
    ] {
        let bad = format!("{file}{line} {key}\n");
        assert!(TrustFile::parse(bad.as_bytes()).is_err(), "{line} {key}");
    }
}

#[test]
fn what_the_format_refuses() {
    let good = example();
    let w = |n: u8| witness(n).vkey().to_string();
    let wrong = |text: String| match TrustFile::parse(text.as_bytes()) {
        Err(error) => error,
        Ok(_) => panic!("read: {text}"),
    };
    assert_eq!(wrong(String::new()), TrustError::NoQuorum);
    for text in [
        "quorum none".to_owned(),
        "quorum none\nquorum none\n".into(),
        "quorum X\n".into(),
        "quorum\n".into(),
        "quorum none more\n".into(),
        "Quorum none\n".into(),
        "quorum none\r\n".into(),
        "log\nquorum none\n".into(),
        "group none any none\nquorum none\n".into(),
        good.replace("quorum X-and-Y", "quorum nobody"),
        good.replace("X-witnesses 2", "X-witnesses 4"),
        good.replace("X-witnesses 2", "X-witnesses 0"),
        good.replace("X-witnesses 2", "X-witnesses 02"),
        good.replace("X-witnesses 2", "X-witnesses +2"),
        good.replace("X-witnesses 2", "X-witnesses some"),
        good.replace("X-witnesses 2 X1 X2 X3", "X-witnesses 2"),
        good.replace("2 X1 X2 X3", "2 X1 X1 X3"),
        good.replace("any Y1 Y2 Y3", "any Y1 X2"),
        good.replace("any Y1 Y2 Y3", "any Z"),
        good.replace("any Y1 Y2 Y3", "any none"),
        good.replace("group Y-witnesses", "group X-witnesses"),
        good.replace("group Y-witnesses", "group X1"),
        good.replace("group Y-witnesses", "group none"),
        good.replace("witness Y1", "witness X1"),
        good.replace(&w(4), &w(3)),
        good.replace(&w(4), &Cosigner::new("other.example".parse().unwrap(), signing(3)).vkey().to_string()),
        good.replace(&w(4), &log(4).vkey().to_string()),
        good.replace(&w(4), &w(4).replace("w4.", "w5.")),
        good.replace("quorum", &format!("log {}\nquorum", log(100).vkey())),
        good.replace("quorum", &format!("log {}\nquorum", w(9))),
        good.replace("a comment", "a \u{7f} comment"),
        good.replace("https://w1.example", "https://w1.example more"),
    ] {
        let TrustError::Line { line, .. } = wrong(text.clone()) else { panic!("{text}") };
        assert!(line > 0);
    }
    let many: String = (0..=MAX_ITEMS)
        .map(|n| {
            let seed: [u8; 32] = crate::hash::sha256(&[&n.to_be_bytes()]);
            let key = Cosigner::new("w.example".parse().unwrap(), SigningKey::from_seed(&seed));
            format!("witness w{n} {}\n", key.vkey())
        })
        .collect();
    assert!(wrong(many + "quorum none\n").to_string().contains("at most 1024 witnesses"));
    assert_eq!(wrong("#".repeat(MAX_TRUST_BYTES + 1)), TrustError::TooLong { found: MAX_TRUST_BYTES + 1 });
}
