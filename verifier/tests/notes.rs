//! Notes, verifier keys, cosignatures, proofs and trust files: what the C2SP formats refuse, we refuse.
#![allow(clippy::unwrap_used)]

mod forge;

use countersign_verify::checkpoint::Checkpoint;
use countersign_verify::note::{Cosigned, Note, Signed, VKey};
use countersign_verify::proof::TlogProof;
use countersign_verify::trust::Trust;
use countersign_verify::witnessed::Said;
use forge::{b64, checkpoint_lines, log_line, vkey, witness_line};

const TEXT: &str = "forge.example/test\n5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

#[test]
fn notes() {
    let good = checkpoint_lines(TEXT, &[&log_line(TEXT, "log")]);
    let note = Note::parse(&good).unwrap();
    assert_eq!(note.text, TEXT);
    let key = VKey::parse(&vkey("forge.example/test", "log", 1)).unwrap();
    assert_eq!(note.signed_by(&key), Signed::Yes(None));
    let other = VKey::parse(&vkey("forge.example/test", "g0", 1)).unwrap();
    assert_eq!(note.signed_by(&other), Signed::No);
    // one good line and one bad one by the same key
    let bad = log_line("another text\n", "log");
    let both = Note::parse(&checkpoint_lines(TEXT, &[&log_line(TEXT, "log"), &bad])).unwrap();
    assert_eq!(both.signed_by(&key), Signed::Wrong);
    for wrong in [
        good.replace("\n\n", "\n"),
        good.trim_end().to_owned(),
        good.clone() + "\n",
        good.replace('—', "-"),
        good.replace("— ", "—"),
        good.replace("forge.example/test ", "forge.example/test+1 "),
        good.replace("forge.example/test ", "forge.example/test\u{a0}x "),
        good.replace("\n5\n", "\n5\t\n"),
        good.replace("\n5\n", "\n5\r\n"),
        good.replace("=\n", "\n"),
        good.clone() + "— x AAAAAA==\n",
        format!("{TEXT}\n"),
        "\n— x AAAAAAA=\n".to_owned(),
        String::new(),
    ] {
        assert!(Note::parse(&wrong).is_err(), "{wrong:?}");
    }
    let many = checkpoint_lines(TEXT, &vec!["— x AAAAAAA=\n"; 101].iter().map(|l| &**l).collect::<Vec<_>>());
    assert!(Note::parse(&many).is_err());
    let many = checkpoint_lines(TEXT, &vec!["— x AAAAAAA=\n"; 100].iter().map(|l| &**l).collect::<Vec<_>>());
    assert!(Note::parse(&many).is_ok());
}

#[test]
fn cosignatures() {
    let key = VKey::parse(&vkey("w.example", "w.example", 4)).unwrap();
    let signed = |lines: &[&str]| Note::parse(&checkpoint_lines(TEXT, lines)).unwrap().signed_by(&key);
    let line = witness_line(TEXT, "w.example", 1_700_000_000);
    assert_eq!(signed(&[&line]), Signed::Yes(Some(Cosigned { oldest: 1_700_000_000, newest: 1_700_000_000 })));
    assert_eq!(
        signed(&[&line, &witness_line(TEXT, "w.example", 1_800_000_000), &line]),
        Signed::Yes(Some(Cosigned { oldest: 1_700_000_000, newest: 1_800_000_000 }))
    );
    assert_eq!(signed(&[&witness_line(TEXT, "w.example", u64::MAX)]), Signed::Wrong);
    assert_eq!(signed(&[&witness_line("x\n", "w.example", 5)]), Signed::Wrong);
    // a plain signature under the cosigner's key id
    let id: Vec<u8> = key.id.to_vec();
    let short = format!("— w.example {}\n", b64(&[&id[..], &[0; 64]].concat()));
    assert_eq!(signed(&[&short]), Signed::Wrong);
    // the example of tlog-cosignature v1: parsed; its keys are not published
    let example = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let checkpoint = Checkpoint::parse_plain(example).unwrap();
    assert_eq!((checkpoint.size, checkpoint.note.signatures.len()), (20_852_163, 2));
    let cosignature = &checkpoint.note.signatures[1];
    assert_eq!(cosignature.bytes.len(), 72);
    assert_eq!(cosignature.bytes[..8], 1_679_315_147_u64.to_be_bytes());
}

#[test]
fn verifier_keys() {
    let good = vkey("a.example", "x", 1);
    assert_eq!(VKey::parse(&good).unwrap().to_string(), good);
    let id = good.split('+').nth(1).unwrap().to_owned();
    let long = {
        let typed = [&[1u8][..], &[7; 33]].concat();
        format!("a.example+{id}+{}", b64(&typed))
    };
    for wrong in [
        good.replace("a.example", "b.example"),
        good.replace("a.example", ""),
        good.replace("a.example", "a example"),
        good.replace(&id, "0000000"),
        good.replace(&id, &id.to_uppercase().replace(|c: char| c.is_ascii_digit(), "F")),
        good.trim_end_matches('=').to_owned() + "*",
        good.clone() + " ",
        "a.example+00000000".to_owned(),
        "a.example+00000000+".to_owned(),
        long,
    ] {
        assert!(VKey::parse(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn checkpoints_and_proofs() {
    let line = log_line(TEXT, "log");
    for wrong in [
        TEXT.replace("\n5\n", "\n05\n"),
        TEXT.replace("\n5\n", "\n-5\n"),
        TEXT.replace("\n5\n", "\n9223372036854775808\n"),
        TEXT.replace("AA=\n", "A=\n"),
        TEXT.replace("forge.example/test\n5", "forge.example/test\n\n5"),
        format!("\n{TEXT}"),
        TEXT.rsplit_once("AAAA").unwrap().0.to_owned(),
    ] {
        assert!(Checkpoint::parse(&checkpoint_lines(&wrong, &[&line])).is_err(), "{wrong:?}");
    }
    let extended = checkpoint_lines(&format!("{TEXT}more\n"), &[&line]);
    assert_eq!(Checkpoint::parse(&extended).unwrap().extensions, ["more"]);
    assert!(Checkpoint::parse_plain(&extended).is_err());
    // what other logs may have and this format has not (SPEC §7)
    for other in [
        TEXT.replace("forge.example", "Forge.example"),
        TEXT.replace("\n5\n", "\n9007199254740992\n"),
        TEXT.replace("\n5\n", "\n0\n"),
    ] {
        let other = checkpoint_lines(&other, &[&line]);
        assert!(Checkpoint::parse(&other).is_ok() && Checkpoint::parse_plain(&other).is_err(), "{other}");
    }
    // a text of one empty line, and a name with a character that is no control character below U+0020
    assert_eq!(Note::parse("\n\n— a\u{7f} AAAAAAAA\n").unwrap().text, "\n");
    let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let checkpoint = checkpoint_lines(TEXT, &[&line]);
    let good = format!("c2sp.org/tlog-proof@v1\nextra AAAA\nindex 3\n{hash}\n{hash}\n\n{checkpoint}");
    let proof = TlogProof::parse(&good).unwrap();
    assert_eq!((proof.index, proof.path.len(), proof.extra), (3, 2, Some(vec![0; 3])));
    for wrong in [
        good.replace("@v1", "@v2"),
        good.replace("extra AAAA", "extra AAA"),
        good.replace("extra AAAA\nindex 3", "index 3\nextra AAAA"),
        good.replace("index 3", "index 03"),
        good.replace("index 3", "index  3"),
        good.replace(&format!("{hash}\n\n"), "AAAA\n\n"),
        good.replace("\n\nforge", "\nforge"),
        good.replace("index 3\n", ""),
    ] {
        assert!(TlogProof::parse(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn trust_files() {
    let log = vkey("l.example", "log", 1);
    let w = |n: u8| vkey(&format!("w{n}.example"), &format!("w{n}"), 4);
    let good = format!(
        "# a comment\n\nlog {log} https://l.example/\n witness\tX1  {} https://w1.example \nwitness X2 {}\nwitness X3 {}\n\
         group X 2 X1 X2 X3\nwitness Y1 {}\ngroup Y any Y1\ngroup all-of all X Y\nquorum all-of\n",
        w(1),
        w(2),
        w(3),
        w(4)
    );
    let trust = Trust::parse(good.as_bytes()).unwrap();
    assert_eq!(trust.logs().len(), 1);
    let counted = |names: &[u8]| {
        let lines: Vec<String> =
            names.iter().map(|n| named_witness_line(TEXT, &format!("w{n}.example"), &format!("w{n}"))).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let own = log_line(TEXT, "log");
        let all: Vec<&str> = [own.as_str()].into_iter().chain(lines).collect();
        trust.witnessed(&Checkpoint::parse(&checkpoint_lines(TEXT, &all)).unwrap()).quorum
    };
    assert!(counted(&[1, 2, 4]) && counted(&[1, 2, 3, 4]));
    assert!(!counted(&[1, 2, 3]) && !counted(&[1, 4]) && !counted(&[]) && !counted(&[1, 1, 4]));
    assert!(Trust::parse(b"quorum none\n").is_ok());
    assert!(Trust::parse(b"quorum none").is_err(), "every line ends in a newline");
    assert!(!Trust::parse(b"quorum none\n").unwrap().asks_for_witnesses());
    // a cosignature type that we do not know is kept, and never counts
    let unknown = format!("w6.example+01020304+{}", b64(&[&[6u8][..], &[1; 1312]].concat()));
    let trust_unknown = Trust::parse(format!("witness W {unknown}\nquorum W\n").as_bytes()).unwrap();
    let checkpoint = Checkpoint::parse(&checkpoint_lines(TEXT, &[&log_line(TEXT, "log")])).unwrap();
    assert!(!trust_unknown.witnessed(&checkpoint).quorum);
    let said = &trust_unknown.witnessed(&checkpoint).witnesses[0];
    assert_eq!((said.said, said.counts, said.auditor), (Said::Unsupported, true, false));
    let typed = |ty: u8, key: &[u8]| format!("w9.example+01020304+{}", b64(&[&[ty], key].concat()));
    let bytes_of = |key: &str| VKey::parse(key).unwrap().public_key().unwrap().as_bytes().to_vec();
    let wrong: Vec<String> = vec![
        String::new(),
        // the key of a witness once more, under a later type
        good.replace("quorum", &format!("witness Z {}\nquorum", typed(7, &bytes_of(&w(1))))),
        good.replace("quorum", &format!("log {}\nquorum", typed(6, &[1; 1312]))),
        good.replace("quorum", &format!("witness Z {}\nquorum", typed(5, &[1; 32]))),
        "quorum none\nquorum none\n".into(),
        "quorum X\n".into(),
        "quorum\n".into(),
        "quorum none more\n".into(),
        "Quorum none\n".into(),
        "quorum none\r\n".into(),
        good.replace("quorum all-of", "quorum nobody"),
        good.replace("group X 2", "group X 4"),
        good.replace("group X 2", "group X 0"),
        good.replace("group X 2", "group X 02"),
        good.replace("group X 2", "group X some"),
        good.replace("group X 2 X1 X2 X3", "group X 2"),
        good.replace("X1 X2 X3\n", "X1 X1 X3\n"),
        good.replace("group Y any Y1", "group Y any X1"),
        good.replace("group Y any Y1", "group Y any Z"),
        good.replace("group Y any Y1", "group X any Y1"),
        good.replace("group Y any Y1", "group none any Y1"),
        good.replace("group Y any Y1", "group Y any none"),
        good.replace("witness Y1", "witness X1"),
        good.replace(&w(4), &w(3)),
        good.replace(&w(4), &vkey("other.example", "w3", 4)),
        good.replace(&w(4), &vkey("w4.example", "w4", 1)),
        good.replace(&log, &vkey("l.example", "log", 4)),
        good.replace("quorum", &format!("log {log}\nquorum")),
        good.replace("quorum", &format!("log {}\nquorum", vkey("other.example", "log", 1))),
        good.replace("a comment", "a \u{7f} comment"),
    ];
    for text in wrong {
        assert!(Trust::parse(text.as_bytes()).is_err(), "{text}");
    }
    // octets without meaning are names
    let octets = [b"witness \xff\xfe ", w(1).as_bytes(), b"\nquorum \xff\xfe\n"].concat();
    assert!(Trust::parse(&octets).is_ok());
}

fn named_witness_line(text: &str, name: &str, key_name: &str) -> String {
    forge::witness_line_by(text, name, key_name, 1_700_000_000)
}
