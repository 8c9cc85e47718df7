#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use signed_note::{StandardVerifier, Verifier as _, VerifierList};

use super::*;
use crate::keys::{PublicKey, SigningKey};

/// The example of the C2SP signed-note text; its key is not published with it.
const C2SP_EXAMPLE: &str = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\
    — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
/// The example of Go's sumdb/note, with its key.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_EXAMPLE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name.parse().unwrap(), SigningKey::from_seed(&[seed; 32]))
}

#[test]
fn the_c2sp_example_is_read_as_it_is() {
    let note: Note = C2SP_EXAMPLE.parse().unwrap();
    assert!(note.text().ends_with("sole:\n\ned è subito sera.\n"));
    let [line] = note.signatures() else { panic!("one signature") };
    assert_eq!(line.name().as_str(), "quasimodo.example/salvatore");
    assert_eq!(line.key_id().to_string(), "367ba04b");
    assert_eq!(line.bytes().len(), 64);
    assert_eq!(note.to_string(), C2SP_EXAMPLE);
    let stranger = signer("quasimodo.example/salvatore", 1);
    assert!(matches!(note.verify(stranger.vkey()), Err(NoteSignatureError::Missing { .. })));
}

#[test]
fn the_go_example_verifies_and_any_other_text_does_not() {
    let key: Vkey = GO_KEY.parse().unwrap();
    assert_eq!(key.to_string(), GO_KEY);
    let note: Note = GO_EXAMPLE.parse().unwrap();
    note.verify(&key).unwrap();
    assert_eq!(note.to_string(), GO_EXAMPLE);
    let other: Note = GO_EXAMPLE.replace("answer", "question").parse().unwrap();
    assert!(matches!(other.verify(&key), Err(NoteSignatureError::Invalid { .. })));
    let cosigner = Vkey::new(key.name().clone(), VkeyType::Cosignature, *key.public_key());
    assert!(matches!(note.verify(&cosigner), Err(NoteSignatureError::Type { .. })));
}

#[test]
fn one_false_line_of_a_key_spoils_its_true_one() {
    let (log, other) = (signer("log.example", 1), signer("log.example", 2));
    let text = "hello\n";
    let note = Note::new(text.into(), vec![log.sign(text).unwrap(), other.sign("bye\n").unwrap()]).unwrap();
    note.verify(log.vkey()).unwrap();
    assert!(matches!(note.verify(other.vkey()), Err(NoteSignatureError::Invalid { .. })));
    let note = note.with_signature(log.sign("bye\n").unwrap()).unwrap();
    assert!(matches!(note.verify(log.vkey()), Err(NoteSignatureError::Invalid { .. })));
    let short = NoteSignature::new(log.vkey().name().clone(), log.vkey().id(), vec![0; 63]).unwrap();
    let note = Note::new(text.into(), vec![short]).unwrap();
    assert!(matches!(note.verify(log.vkey()), Err(NoteSignatureError::Invalid { .. })));
}

#[test]
fn other_forms_of_a_note_are_refused() {
    let sig = "— a AAAAAAE=";
    for (bad, error) in [
        ("", "NoEmptyLine"),
        ("\n", "NoEmptyLine"),
        ("\n\n", "NoSignature"),
        ("text\n", "NoEmptyLine"),
        ("text\n\n", "NoSignature"),
        (&format!("text\n{sig}\n"), "NoEmptyLine"),
        (&format!("text\n\n{sig}"), "Line"),
        (&format!("text\n\n{sig}\n\n"), "NoSignature"),
        (&format!("text\n\n{sig}\n{sig} \n"), "Line"),
        (&format!("text\r\n\n{sig}\n"), "Control"),
        (&format!("text\t\n\n{sig}\n"), "Control"),
        (&format!("te\0xt\n\n{sig}\n"), "Control"),
        ("text\n\n- a AAAAAAE=\n", "Line"),
        ("text\n\n—a AAAAAAE=\n", "Line"),
        ("text\n\n—  AAAAAAE=\n", "Line"),
        ("text\n\n— a  AAAAAAE=\n", "Line"),
        ("text\n\n— a+b AAAAAAE=\n", "Line"),
        ("text\n\n— a\u{a0}b AAAAAAE=\n", "Line"),
        ("text\n\n— a\u{2003}b AAAAAAE=\n", "Line"),
        ("text\n\n— a AAAAAAE\n", "Line"),
        ("text\n\n— a AAAAAAF=\n", "Line"),
        ("text\n\n— a AAAA\n", "Line"),
        ("text\n\n— a AAAAAA==\n", "Line"),
        ("text\n\n— a AAAA_AE=\n", "Line"),
        ("text\n\n— a\n", "Line"),
        ("text\n\n— \n", "Line"),
        ("text\n\n  — a AAAAAAE=\n", "Line"),
        ("text\n\nmore — a AAAAAAE=\n", "Line"),
    ] {
        let found = bad.parse::<Note>().unwrap_err();
        assert!(format!("{found:?}").starts_with(error), "{bad:?}: {found:?}");
    }
    assert_eq!(Note::from_bytes(b"a\xff"), Err(NoteError::NotUtf8 { offset: 1 }));
    let note: Note = format!("\n\n\n{sig}\n").parse().unwrap();
    assert_eq!(note.text(), "\n\n");
    let second_line = format!("text\n\n{sig}\n— a b\n").parse::<Note>();
    assert!(matches!(second_line, Err(NoteError::Line { line: 2, .. })));
}

#[test]
fn limits_are_kept_when_reading_and_when_writing() {
    let log = signer("log.example", 1);
    let sixteen = vec![log.sign("a\n").unwrap(); 16];
    let hundred = vec![log.sign("a\n").unwrap(); MAX_NOTE_SIGNATURES];
    assert!(Note::new("a\n".into(), sixteen).unwrap().to_string().parse::<Note>().is_ok());
    let note = Note::new("a\n".into(), hundred).unwrap();
    let text = note.to_string();
    assert!(text.parse::<Note>().is_ok());
    assert_eq!(note.with_signature(log.sign("a\n").unwrap()), Err(NoteError::TooManySignatures { found: 101 }));
    let more = format!("{text}{}\n", log.sign("a\n").unwrap());
    assert_eq!(more.parse::<Note>(), Err(NoteError::TooManySignatures { found: 101 }));
    let long = format!("{}\n", "a".repeat(MAX_NOTE_BYTES - 1));
    assert!(matches!(Note::new(long.clone(), vec![log.sign("a\n").unwrap()]), Err(NoteError::TooLong { .. })));
    let long = format!("{long}\n{}\n", log.sign("a\n").unwrap());
    assert_eq!(long.parse::<Note>(), Err(NoteError::TooLong { found: long.len() }));
    assert_eq!(Note::from_bytes(long.as_bytes()), Err(NoteError::TooLong { found: long.len() }));
    assert_eq!(Note::new("a".into(), vec![log.sign("a").unwrap()]), Err(NoteError::TextEnd { found: "a".into() }));
    assert_eq!(Note::new("a\n".into(), vec![]), Err(NoteError::NoSignature));
    assert_eq!(NoteSignature::new(log.vkey().name().clone(), log.vkey().id(), vec![]), None);
}

#[test]
fn vkeys_check_their_parts_against_each_other() {
    let torsion = "a+00000000+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (bad, error) in [
        ("", "Shape"),
        ("a", "Shape"),
        ("a+c74f20a3", "Shape"),
        ("PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "Shape"),
        ("PeterNeumann+c74f20a+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "Shape"),
        ("PeterNeumann++ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "Shape"),
        ("+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "Name"),
        ("Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "Name"),
        ("PeterNeumann+c74f20a3+", "Length"),
        ("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T", "Base64"),
        ("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n", "Base64"),
        ("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWAA==", "Length"),
        ("PeterNeumann+c74f20a3+AQ==", "Length"),
        ("PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "Type"),
        ("PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "Id"),
        ("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "Id"),
        ("peterneumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "Id"),
        (torsion, "Key"),
    ] {
        let found = bad.parse::<Vkey>().unwrap_err();
        assert!(format!("{found:?}").starts_with(error), "{bad:?}: {found:?}");
    }
    let json = serde_json::to_string(&GO_KEY.parse::<Vkey>().unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Vkey>(&json).unwrap().to_string(), GO_KEY);
    assert!(serde_json::from_str::<Vkey>("\"a+b\"").is_err());
}

#[test]
fn key_names_follow_the_c2sp_rule() {
    for good in ["a", "witness.example/w1", "—", "é", "a\u{7f}"] {
        assert_eq!(good.parse::<KeyName>().is_ok(), signed_note::is_key_name_valid(good), "{good:?}");
        assert!(good.parse::<KeyName>().is_ok());
    }
    for bad in ["", "a b", "a+b", "\u{3000}", "a\n", "\u{85}", "a\u{1}"] {
        assert!(bad.parse::<KeyName>().is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn signed_note_accepts_what_we_sign(
        text in "([^\\x00-\\x1f]{0,40}\n){1,6}", name in "[a-z0-9./é-]{1,30}", seed: [u8; 32],
    ) {
        let signer = NoteSigner::new(name.parse().unwrap(), SigningKey::from_seed(&seed));
        let note = Note::new(text.clone(), vec![signer.sign(&text).unwrap()]).unwrap();
        let bytes = note.to_string().into_bytes();
        prop_assert_eq!(&Note::from_bytes(&bytes).unwrap(), &note);
        note.verify(signer.vkey()).unwrap();

        let vkey = signer.vkey().to_string();
        prop_assert_eq!(&vkey.parse::<Vkey>().unwrap(), signer.vkey());
        let verifier = StandardVerifier::new(&vkey).unwrap();
        prop_assert_eq!(verifier.key_id().to_be_bytes(), *signer.vkey().id().as_bytes());
        let theirs = signed_note::Note::from_bytes(&bytes).unwrap();
        let (verified, _) = theirs.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
        prop_assert_eq!(verified.len(), 1);
        prop_assert_eq!(theirs.text(), text.as_bytes());
    }

    #[test]
    fn we_accept_what_signed_note_signs(text in "([^\\x00-\\x1f]{0,40}\n){1,6}", seed: [u8; 32]) {
        let key = SigningKey::from_seed(&seed);
        let material = [&[1], &seed[..]].concat();
        let vkey = Vkey::new("log.example/x".parse().unwrap(), VkeyType::Ed25519, key.public());
        let skey = format!("PRIVATE+KEY+log.example/x+{}+{}", vkey.id(), encode_base64(&material));
        let signer = signed_note::StandardSigner::new(&skey).unwrap();
        let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&signer]).unwrap();
        let note = Note::from_bytes(&theirs.to_bytes()).unwrap();
        prop_assert!(note.verify(&vkey).is_ok());
        prop_assert_eq!(note.text(), text);
    }

    #[test]
    fn what_parses_is_written_the_same_again(text in "[a\n ]{0,12}\n\n(— [a+ ]{1,3} [AB=+/]{0,12}\n){0,3}") {
        if let Ok(note) = text.parse::<Note>() {
            prop_assert_eq!(note.to_string(), text);
        }
    }

    #[test]
    fn parsers_never_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let _ = Note::from_bytes(&bytes);
        let _ = text.parse::<KeyName>();
        for text in [text.clone(), format!("a\n\n— {text}\n"), format!("{text}\n\n— a AAAAAAE=\n")] {
            if let Ok(note) = text.parse::<Note>() {
                prop_assert_eq!(note.to_string(), text);
            }
        }
    }

    #[test]
    fn a_changed_vkey_is_another_or_none(at in any::<prop::sample::Index>(), with in "[ -~]") {
        let mut chars: Vec<char> = GO_KEY.chars().collect();
        let at = at.index(chars.len());
        chars[at] = with.chars().next().unwrap();
        let text: String = chars.into_iter().collect();
        prop_assert_eq!(text.parse::<Vkey>().is_ok(), text == GO_KEY);
    }

    #[test]
    fn vkeys_never_panic(text in any::<String>(), bytes: [u8; 33]) {
        let _ = text.parse::<Vkey>();
        let _ = format!("a+00000000+{}", encode_base64(&bytes)).parse::<Vkey>();
        let key: [u8; 32] = bytes[1..].try_into().unwrap();
        if let Ok(key) = PublicKey::from_bytes(&key) {
            let vkey = Vkey::new("a".parse().unwrap(), VkeyType::Cosignature, key);
            prop_assert_eq!(vkey.to_string().parse::<Vkey>(), Ok(vkey));
        }
    }
}
