#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::keys::SigningKey;
use crate::note::VkeyType;

/// The example of the C2SP tlog-cosignature text: a checkpoint with a log's signature and a witness's.
const C2SP_EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

fn checkpoint() -> Checkpoint {
    format!("log.example/a\n7\n{ROOT}\n").parse().unwrap()
}

fn log(seed: u8) -> NoteSigner {
    NoteSigner::new("log.example/a".parse().unwrap(), SigningKey::from_seed(&[seed; 32]))
}

fn witness(seed: u8) -> Cosigner {
    Cosigner::new("witness.example/w".parse().unwrap(), SigningKey::from_seed(&[seed; 32]))
}

#[test]
fn the_c2sp_example_is_read_as_it_is() {
    let signed: SignedCheckpoint = C2SP_EXAMPLE.parse().unwrap();
    assert_eq!(signed.checkpoint().origin.as_str(), "example.com/behind-the-sofa");
    assert_eq!(signed.checkpoint().size, TreeSize(20_852_163));
    assert_eq!(signed.to_string(), C2SP_EXAMPLE);
    let [_, cosignature] = signed.note().signatures() else { panic!("two signatures") };
    assert_eq!(cosignature.bytes()[..8], 1_679_315_147u64.to_be_bytes());
}

#[test]
fn other_forms_of_a_checkpoint_are_refused() {
    for (bad, error) in [
        ("", "Lines"),
        ("\n", "Lines"),
        ("log\n7\n", "Lines"),
        (&format!("log\n7\n{ROOT}"), "Lines"),
        (&format!("log\n7\n{ROOT}\n\n"), "Lines"),
        (&format!("log\n7\n{ROOT}\nextension\n"), "Lines"),
        (&format!("lo\n7\n{ROOT}\n"), "Origin"),
        (&format!("Log\n7\n{ROOT}\n"), "Origin"),
        (&format!("log a\n7\n{ROOT}\n"), "Origin"),
        (&format!("\n7\n{ROOT}\n"), "Origin"),
        (&format!("log\n07\n{ROOT}\n"), "Size"),
        (&format!("log\n\n{ROOT}\n"), "Size"),
        (&format!("log\n+7\n{ROOT}\n"), "Size"),
        (&format!("log\n-7\n{ROOT}\n"), "Size"),
        (&format!("log\n7 \n{ROOT}\n"), "Size"),
        (&format!("log\n7.0\n{ROOT}\n"), "Size"),
        (&format!("log\n9007199254740992\n{ROOT}\n"), "Size"),
        (&format!("log\n18446744073709551616\n{ROOT}\n"), "Size"),
        (&format!("log\n７\n{ROOT}\n"), "Size"),
        (&format!("log\n7\n {ROOT}\n"), "Root"),
        (&format!("log\n7\n{}\n", ROOT.replace('=', "")), "Root"),
        (&format!("log\n7\n{}\n", ROOT.replace("I=", "J=")), "Root"),
        ("log\n7\nAAAA\n", "Root"),
        (&format!("log\n0\n{ROOT}\n"), "EmptyRoot"),
    ] {
        let found = bad.parse::<Checkpoint>().unwrap_err();
        assert!(format!("{found:?}").starts_with(error), "{bad:?}: {found:?}");
    }
    let empty = Checkpoint { origin: "log".parse().unwrap(), size: TreeSize(0), root: empty_root() };
    assert_eq!(empty.to_string().parse(), Ok(empty));
    let extended = C2SP_EXAMPLE.replacen("\n\n", "\nextension\n\n", 1);
    assert_eq!(extended.parse::<SignedCheckpoint>(), Err(CheckpointError::Lines { found: 4 }));
    assert!(matches!(SignedCheckpoint::from_bytes(b"x"), Err(CheckpointError::Note(NoteError::NoEmptyLine))));
}

#[test]
fn a_rotating_log_signs_with_both_keys() {
    let signed = checkpoint().sign(&[log(1), log(2)]).unwrap();
    let (one, two, three) = (log(1).vkey().clone(), log(2).vkey().clone(), log(3).vkey().clone());
    signed.verify(&one).unwrap();
    signed.verify(&two).unwrap();
    let missing = signed.verify(&three);
    assert!(matches!(missing, Err(CheckpointSignatureError::Signature(NoteSignatureError::Missing { .. }))));
    signed.verify_any(&[three.clone(), two.clone()]).unwrap();
    assert_eq!(
        signed.verify_any(&[three]),
        Err(CheckpointSignatureError::NoKnownKey { origin: "log.example/a".parse().unwrap(), known: 1 })
    );
    assert!(matches!(signed.verify_any(&[]), Err(CheckpointSignatureError::NoKnownKey { known: 0, .. })));
    // The text of another checkpoint under the signatures of this one.
    let forged: SignedCheckpoint = signed.to_string().replacen("\n7\n", "\n8\n", 1).parse().unwrap();
    for result in [forged.verify(&one), forged.verify_any(&[one])] {
        assert!(matches!(result, Err(CheckpointSignatureError::Signature(NoteSignatureError::Invalid { .. }))));
    }
}

#[test]
fn a_log_key_has_the_origin_as_its_name() {
    let stranger = NoteSigner::new("log.example/b".parse().unwrap(), SigningKey::from_seed(&[1; 32]));
    let refused = checkpoint().sign(std::slice::from_ref(&stranger));
    assert!(matches!(refused, Err(CheckpointSignatureError::Name { .. })));
    assert!(matches!(checkpoint().sign(&[]), Err(CheckpointSignatureError::Note(NoteError::NoSignature))));
    // A note signed by it is a checkpoint, but not one by this log.
    let text = checkpoint().to_string();
    let signed =
        SignedCheckpoint::from_note(Note::new(text.clone(), vec![stranger.sign(&text).unwrap()]).unwrap()).unwrap();
    assert!(matches!(signed.verify(stranger.vkey()), Err(CheckpointSignatureError::Name { .. })));
    let known = [stranger.vkey().clone()];
    assert!(matches!(signed.verify_any(&known), Err(CheckpointSignatureError::NoKnownKey { .. })));
}

#[test]
fn cosignatures_bind_text_time_and_key() {
    let (w, other) = (witness(9), witness(8));
    let signed = checkpoint().sign(&[log(1)]).unwrap();
    let missing = signed.verify_cosignature(w.vkey());
    assert!(matches!(missing, Err(CosignatureError::Signature(NoteSignatureError::Missing { .. }))));
    let line = w.cosign(&signed, 1_679_315_147).unwrap();
    let cosigned = signed.clone().with_signature(line.clone()).unwrap();
    let cosigned: SignedCheckpoint = cosigned.to_string().parse().unwrap();
    let found = cosigned.verify_cosignature(w.vkey()).unwrap();
    assert_eq!(found, Cosignature { timestamp: 1_679_315_147 });
    assert_eq!(found.time().unwrap().to_string(), "2023-03-20T12:25:47.000Z");
    assert!(cosigned.verify_cosignature(other.vkey()).is_err());
    cosigned.verify(log(1).vkey()).unwrap();
    assert!(matches!(
        cosigned.verify_cosignature(log(1).vkey()),
        Err(CosignatureError::Signature(NoteSignatureError::Type { .. }))
    ));
    let witness_as_log = Vkey::new(w.vkey().name().clone(), VkeyType::Ed25519, *w.vkey().public_key());
    assert!(cosigned.note().verify(&witness_as_log).is_err());

    // Every bit of id, time and signature counts, and so does the length.
    let all = [line.key_id().as_bytes(), line.bytes()].concat();
    for bit in (0..all.len() * 8).step_by(5) {
        let mut bytes = all.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(with_bytes(&signed, &w, bytes).verify_cosignature(w.vkey()).is_err(), "bit {bit}");
    }
    for length in [5, 11, 12, 75, 77] {
        let mut bytes = all.clone();
        bytes.resize(length, 0);
        let short = with_bytes(&signed, &w, bytes).verify_cosignature(w.vkey());
        assert!(matches!(short, Err(CosignatureError::Signature(NoteSignatureError::Invalid { .. }))), "{length}");
    }
}

fn with_bytes(signed: &SignedCheckpoint, witness: &Cosigner, bytes: Vec<u8>) -> SignedCheckpoint {
    let text = format!("{signed}— {} {}\n", witness.vkey().name(), encode_base64(&bytes));
    text.parse().unwrap()
}

#[test]
fn the_latest_of_several_cosignatures_counts_and_a_false_one_spoils_them() {
    let w = witness(9);
    let signed = checkpoint().sign(&[log(1)]).unwrap();
    let lines = [5, 9, 7].map(|at| w.cosign(&signed, at).unwrap());
    let mut cosigned = signed;
    for line in lines {
        cosigned = cosigned.with_signature(line).unwrap();
    }
    assert_eq!(cosigned.verify_cosignature(w.vkey()).unwrap().timestamp, 9);
    let mut other = checkpoint();
    other.size = TreeSize(8);
    let foreign = w.cosign(&other.sign(&[log(1)]).unwrap(), 9).unwrap();
    let spoilt = cosigned.with_signature(foreign).unwrap();
    assert!(matches!(
        spoilt.verify_cosignature(w.vkey()),
        Err(CosignatureError::Signature(NoteSignatureError::Invalid { .. }))
    ));
}

#[test]
fn cosignature_times_end_at_2_to_the_63() {
    let w = witness(9);
    let signed = checkpoint().sign(&[log(1)]).unwrap();
    let last = u64::try_from(i64::MAX).unwrap();
    let cosigned = signed.clone().with_signature(w.cosign(&signed, last).unwrap()).unwrap();
    let cosignature = cosigned.verify_cosignature(w.vkey()).unwrap();
    assert_eq!((cosignature.timestamp, cosignature.time()), (last, None));
    assert!(matches!(w.cosign(&signed, last + 1), Err(CosignatureError::Timestamp { .. })));
    let key = SigningKey::from_seed(&[9; 32]);
    let message = format!("cosignature/v1\ntime {}\n{}", last + 1, signed.note().text());
    let (id, time) = (*w.vkey().id().as_bytes(), (last + 1).to_be_bytes());
    let bytes = [&id[..], &time, key.sign(message.as_bytes()).as_bytes()].concat();
    let beyond = with_bytes(&signed, &w, bytes).verify_cosignature(w.vkey());
    assert!(matches!(beyond, Err(CosignatureError::Timestamp { .. })));
}

proptest! {
    #[test]
    fn checkpoints_round_trip_and_tlog_tiles_reads_them(origin in "[a-z0-9][a-z0-9./_-]{2,60}", size in 1..1u64 << 53, root: [u8; 32]) {
        let checkpoint = Checkpoint {
            origin: origin.parse().unwrap(),
            size: TreeSize(size),
            root: NodeHash::from_bytes(root),
        };
        let text = checkpoint.to_string();
        prop_assert_eq!(&text.parse::<Checkpoint>().unwrap(), &checkpoint);
        let other = tlog_tiles::Checkpoint::from_bytes(text.as_bytes());
        if let Ok(other) = other {
            prop_assert_eq!((other.origin(), other.size(), other.hash().0), (&origin[..], checkpoint.size.0, root));
        } else {
            // tlog_tiles stops at signed sizes.
            prop_assert!(size > 1 << 62);
        }
        let key = NoteSigner::new(KeyName::from(&checkpoint.origin), SigningKey::from_seed(&root));
        let signed = checkpoint.sign(std::slice::from_ref(&key)).unwrap();
        let again: SignedCheckpoint = signed.to_string().parse().unwrap();
        prop_assert_eq!(&again, &signed);
        prop_assert!(again.verify(key.vkey()).is_ok());
        let json = serde_json::to_string(&signed).unwrap();
        prop_assert_eq!(serde_json::from_str::<SignedCheckpoint>(&json).unwrap(), signed);
    }

    #[test]
    fn what_parses_is_written_the_same_again(text in any::<String>(), line in "[a-zA-Z0-9+/=\n.]{0,60}") {
        for text in [text, format!("log\n{line}"), format!("log\n7\n{line}\n")] {
            if let Ok(checkpoint) = text.parse::<Checkpoint>() {
                prop_assert_eq!(checkpoint.to_string(), text);
            }
        }
    }

    #[test]
    fn one_changed_character_never_passes(at in any::<prop::sample::Index>(), with in "[ -~\n]") {
        let signed = checkpoint().sign(&[log(1)]).unwrap();
        let mut chars: Vec<char> = signed.to_string().chars().collect();
        let at = at.index(chars.len());
        chars[at] = with.chars().next().unwrap();
        let text: String = chars.into_iter().collect();
        let verified = text.parse::<SignedCheckpoint>().is_ok_and(|other| other.verify(log(1).vkey()).is_ok());
        prop_assert_eq!(verified, text == signed.to_string());
    }
}
