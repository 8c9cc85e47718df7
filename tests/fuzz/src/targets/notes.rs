//! Signed notes, verifier keys, checkpoints and cosignatures (SPEC §7; C2SP signed-note, tlog-checkpoint,
//! tlog-cosignature).

use std::str::FromStr;

use countersign_ledger::checkpoint::{Checkpoint, CosignatureError, SignedCheckpoint};
use countersign_ledger::keys::encode_base64;
use countersign_ledger::note::{Note, NoteSignatureError, Vkey, VkeyType};
use countersign_verify::checkpoint::Checkpoint as ReadCheckpoint;
use countersign_verify::note::{Note as ReadNote, Signed, VKey, VKeyKind};

use crate::forge::{Key, b64, note, sha256};
use crate::rng::Rng;
use crate::target::{Change, Target, Verdict, Verdicts};

const WORDS: &[&str] = &[
    "— ",
    "—",
    " ",
    "\n\n",
    "\n",
    "—  ",
    "a AAAAAAA=",
    "ledger.example/log\n",
    "0\n",
    "01\n",
    "+",
    "\u{a0}",
    "AAAAAAAA",
    "\u{7f}",
];

/// Signed notes: text and signature lines.
pub fn note() -> Target {
    Target {
        name: "note",
        about: "signed notes: text and signature lines (C2SP signed-note)",
        make: |rng| signed(rng, false).into_bytes(),
        judge: |input| {
            let text = std::str::from_utf8(input).ok()?;
            Some(Verdicts::of(
                || {
                    let note = Note::from_str(text).map_err(|e| e.to_string())?;
                    let lines = note
                        .signatures()
                        .iter()
                        .map(|line| (line.name().as_str(), *line.key_id().as_bytes(), line.bytes()));
                    Ok(shown(note.text(), lines))
                },
                || {
                    let note = ReadNote::parse(text).map_err(|e| e.to_string())?;
                    Ok(shown(
                        &note.text,
                        note.signatures.iter().map(|line| (line.name.as_str(), line.id, &line.bytes[..])),
                    ))
                },
            ))
        },
        words: WORDS,
        change: Change::Bytes,
    }
}

fn shown<'a>(text: &str, lines: impl Iterator<Item = (&'a str, [u8; 4], &'a [u8])>) -> String {
    let lines: Vec<String> = lines.map(|(name, id, bytes)| format!("{name:?} {id:?} {}", hex::encode(bytes))).collect();
    format!("{text:?} {}", lines.join(", "))
}

/// Checkpoints of this format, read from a signed note.
pub fn checkpoint() -> Target {
    Target {
        name: "checkpoint",
        about: "checkpoints: origin, size, root, no extension (SPEC §7)",
        make: |rng| signed(rng, true).into_bytes(),
        judge: |input| {
            let text = std::str::from_utf8(input).ok()?;
            Some(Verdicts::of(
                || {
                    let signed = SignedCheckpoint::from_str(text).map_err(|e| e.to_string())?;
                    let Checkpoint { origin, size, root } = signed.checkpoint();
                    Ok(format!("{origin} {size} {root} {}", signed.note().signatures().len()))
                },
                || {
                    let read = ReadCheckpoint::parse_plain(text).map_err(|e| e.to_string())?;
                    Ok(format!("{} {} {} {}", read.origin, read.size, read.root, read.note.signatures.len()))
                },
            ))
        },
        words: WORDS,
        change: Change::Bytes,
    }
}

fn key(rng: &mut Rng) -> Key {
    Key::new(["log", "witness", "other"][rng.below(3)])
}

fn name(rng: &mut Rng) -> &'static str {
    ["ledger.example/log", "witness.example", "w+w", "w\u{2003}w", "Свідок"]
        [if rng.one_in(4) { rng.below(5) } else { rng.below(2) }]
}

/// A note with signatures that are mostly good; of a checkpoint, or of any text.
fn signed(rng: &mut Rng, checkpoint: bool) -> String {
    let text = if checkpoint || rng.one_in(2) {
        let size = rng.number();
        let empty = size == 0 && rng.one_in(2);
        let root = if empty { sha256(b"") } else { rng.bytes() };
        let extension = if rng.one_in(10) { "extension\n" } else { "" };
        format!("{}{extension}", note::checkpoint_text("ledger.example/log", size, &root))
    } else {
        (*rng.pick(&["a\n", "\n", "a\n\n", "a\n\nb\n", "", "a\n\n— a AAAAAAA=\n", "é\n"])).to_owned()
    };
    let count = if rng.one_in(60) { rng.within(99, 102) } else { rng.below(4) };
    let lines: String = (0..count).map(|_| line(rng, &text)).collect();
    format!("{text}\n{lines}")
}

fn line(rng: &mut Rng, text: &str) -> String {
    let (name, key) = (name(rng), key(rng));
    match rng.below(5) {
        0 | 1 => note::log_line(name, &key, text),
        2 => note::cosignature_line(name, &key, rng.number(), text),
        3 => {
            let bytes = rng.bytes::<76>();
            note::signature_line(name, note::key_id(name, 1, &key.public()), &bytes[..*rng.pick(&[0, 1, 64, 72, 76])])
        }
        _ => note::log_line(name, &key, "another text\n"),
    }
}

/// Verifier keys.
pub fn vkey() -> Target {
    Target {
        name: "vkey",
        about: "verifier keys of types 0x01 and 0x04, acceptable ones (SPEC §2, §7)",
        make: |rng| any_vkey(rng).into_bytes(),
        judge: |input| {
            let text = std::str::from_utf8(input).ok()?;
            Some(Verdicts::of(
                || {
                    let key = Vkey::from_str(text).map_err(|e| e.to_string())?;
                    Ok(format!("{key}"))
                },
                || known(text).map(|key| key.to_string()),
            ))
        },
        words: &["+", "ledger.example/log", "00000000", "AA", "=", "/"],
        change: Change::Bytes,
    }
}

/// The verifier's reading of a key that it can use.
fn known(text: &str) -> Result<VKey, String> {
    let key = VKey::parse(text).map_err(|e| e.to_string())?;
    match key.public_key() {
        None => Err("a type that is not known".to_owned()),
        Some(public) => public.unacceptable().map_or(Ok(key), |why| Err(why.to_owned())),
    }
}

fn any_vkey(rng: &mut Rng) -> String {
    let key = key(rng);
    let public = match rng.below(8) {
        0 => *rng.pick(&crate::forge::key::small_order_points()),
        1 => crate::forge::key::noncanonical_point(),
        2 => key.outside_subgroup().public(),
        _ => key.public(),
    };
    let kind = *rng.pick(&[1, 1, 4, 4, 0, 2, 5, 255]);
    let name = name(rng);
    match rng.below(8) {
        0 => {
            let typed = [&[kind], &public[..31]].concat();
            format!("{name}+{}+{}", hex::encode(note::key_id(name, kind, &public[..31])), b64(&typed))
        }
        _ => note::vkey(name, kind, &public),
    }
}

/// Whether a note is signed by a key: `vkey\nnote`.
pub fn signature() -> Target {
    Target {
        name: "notesig",
        about: "whether a log key signed or a witness cosigned, and when (SPEC §7; C2SP tlog-cosignature)",
        make: |rng| {
            let kind = *rng.pick(&[1, 4]);
            let (name, key) = (name(rng), key(rng));
            format!("{}\n{}", note::vkey(name, kind, &key.public()), signed(rng, true)).into_bytes()
        },
        judge: |input| {
            let (vkey, text) = std::str::from_utf8(input).ok()?.split_once('\n')?;
            let (ledger, verifier) = (Vkey::from_str(vkey).ok()?, known(vkey).ok()?);
            let (signed, read) = (SignedCheckpoint::from_str(text).ok()?, ReadNote::parse(text).ok()?);
            Some(Verdicts::of(|| by_ledger(&signed, &ledger), || by_verifier(&read, &verifier)))
        },
        words: &["— ", "\n", "ledger.example/log", "witness.example", "A", "/"],
        change: Change::Bytes,
    }
}

fn by_ledger(signed: &SignedCheckpoint, key: &Vkey) -> Verdict {
    let no = |why: &dyn std::fmt::Display| Err(why.to_string());
    match key.ty() {
        VkeyType::Ed25519 => match signed.note().verify(key) {
            Ok(()) => Ok("signed".to_owned()),
            Err(NoteSignatureError::Missing { .. }) => Ok("no line".to_owned()),
            Err(why) => no(&why),
        },
        VkeyType::Cosignature => match signed.verify_cosignature(key) {
            Ok(cosignature) => Ok(format!("cosigned {}", cosignature.timestamp)),
            Err(CosignatureError::Signature(NoteSignatureError::Missing { .. })) => Ok("no line".to_owned()),
            Err(why) => no(&why),
        },
        other => Err(format!("type {other}")),
    }
}

fn by_verifier(note: &ReadNote, key: &VKey) -> Verdict {
    match (note.signed_by(key), &key.kind) {
        (Signed::No, _) => Ok("no line".to_owned()),
        (Signed::Wrong, _) => Err("not valid".to_owned()),
        (Signed::Yes(None), VKeyKind::Log(_)) => Ok("signed".to_owned()),
        (Signed::Yes(Some(when)), VKeyKind::Witness(_)) => Ok(format!("cosigned {}", when.newest)),
        (other, _) => Err(format!("{other:?} by {}", encode_base64(&key.id))),
    }
}
