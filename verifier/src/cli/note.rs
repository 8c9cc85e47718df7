//! The commands about notes of any C2SP log: `checkpoint`, `proof`.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;

use countersign_verify::checkpoint::Checkpoint;
use countersign_verify::escape::escaped;
use countersign_verify::hash::{Hash, LeafHasher};
use countersign_verify::note::{MAX_NOTE, NoteError, Signed, VKey, id_text};
use countersign_verify::proof::{MAX_PROOF, TlogProof};
use countersign_verify::report::Verdict;
use countersign_verify::report_json::{Out, object};
use countersign_verify::source;
use countersign_verify::trust::Trust;
use countersign_verify::witnessed::{Said, Witness, time_text};

use super::{Outcome, Unusable, args, one_input, read_small, read_trust};

/// What was asked of a checkpoint, and the answer.
struct Asked {
    what: String,
    holds: bool,
    answer: String,
}

/// Asks whether each key and the trust file accept a checkpoint.
fn ask(checkpoint: &Checkpoint, keys: &[VKey], trust: Option<&Trust>) -> Vec<Asked> {
    let mut asked: Vec<Asked> = keys
        .iter()
        .map(|key| {
            let state = checkpoint.note.signed_by(key);
            Asked {
                what: format!("signed by {} (key {})", escaped(&key.name), id_text(key.id)),
                holds: matches!(state, Signed::Yes(_)),
                answer: match state {
                    Signed::Yes(Some(when)) => format!("valid cosignature, at {}", time_text(when.newest)),
                    Signed::Yes(None) => "valid signature".to_owned(),
                    Signed::No => "no signature by this key".to_owned(),
                    Signed::Wrong => "the signature is not valid".to_owned(),
                },
            }
        })
        .collect();
    let Some(trust) = trust else { return asked };
    if !trust.logs().is_empty() {
        let holds = trust
            .logs()
            .iter()
            .any(|log| checkpoint.origin == log.name && matches!(checkpoint.note.signed_by(log), Signed::Yes(_)));
        asked.push(Asked {
            what: "signed by a log of the trust file".to_owned(),
            holds,
            answer: if holds { "yes" } else { "no" }.to_owned(),
        });
    }
    if trust.asks_for_witnesses() {
        let witnessed = trust.witnessed(checkpoint);
        let names: Vec<String> =
            witnessed.cosigners().map(|(w, when)| format!("{} at {}", w.label(), time_text(when.newest))).collect();
        let wrong: Vec<String> = witnessed.who(Said::Wrong).map(Witness::label).collect();
        asked.push(Asked {
            what: "cosigned by the quorum of the trust file".to_owned(),
            holds: witnessed.quorum && wrong.is_empty(),
            answer: if !wrong.is_empty() {
                format!("a cosignature is not valid: {}", wrong.join(", "))
            } else if names.is_empty() {
                "by no listed witness".to_owned()
            } else {
                format!("by {}", names.join(", "))
            },
        });
    }
    asked
}

fn asked_json(asked: &[Asked]) -> Out {
    Out::List(
        asked
            .iter()
            .map(|a| {
                object([
                    ("what", a.what.as_str().into()),
                    ("holds", a.holds.into()),
                    ("answer", a.answer.as_str().into()),
                ])
            })
            .collect(),
    )
}

fn asked_text(out: &mut String, asked: &[Asked]) {
    for a in asked {
        let word = if a.holds { "ok" } else { "FAILED" };
        // writing to a String cannot fail
        let _ = writeln!(out, "  {word:<7} {}: {}", a.what, a.answer);
    }
}

fn parse_keys(keys: &[String]) -> Result<Vec<VKey>, Unusable> {
    keys.iter()
        .map(|key| {
            let key = VKey::parse(key).map_err(|e| Unusable::Argument("--key", e.to_string()))?;
            match key.public_key() {
                Some(public) => match public.unacceptable() {
                    None => Ok(key),
                    Some(why) => Err(Unusable::Argument("--key", why.to_owned())),
                },
                None => Err(Unusable::Argument("--key", "expected an Ed25519 key of type 0x01 or 0x04".to_owned())),
            }
        })
        .collect()
}

fn describe(out: &mut String, checkpoint: &Checkpoint) {
    let _ = writeln!(out, "origin   {}", escaped(&checkpoint.origin));
    let _ = writeln!(out, "size     {}", checkpoint.size);
    let _ = writeln!(out, "root     {}", checkpoint.root);
    for line in &checkpoint.extensions {
        let _ = writeln!(out, "extra    {}", escaped(line));
    }
    for signature in &checkpoint.note.signatures {
        let name = escaped(&signature.name);
        let _ = writeln!(out, "line by  {name} (key {})", id_text(signature.id));
    }
}

fn describe_json(checkpoint: &Checkpoint) -> Out {
    let signatures = checkpoint
        .note
        .signatures
        .iter()
        .map(|s| object([("name", s.name.as_str().into()), ("keyid", id_text(s.id).into())]));
    let extensions = checkpoint.extensions.iter().map(|e| e.as_str().into());
    object([
        ("origin", checkpoint.origin.as_str().into()),
        ("size", checkpoint.size.into()),
        ("root", checkpoint.root.to_string().into()),
        ("extensions", Out::List(extensions.collect())),
        ("signatures", Out::List(signatures.collect())),
    ])
}

/// Parses bytes that may be no text at all.
fn parse<T>(bytes: &[u8], parse: impl FnOnce(&str) -> Result<T, NoteError>) -> Result<T, NoteError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text),
        Err(_) => Err(NoteError { expected: "UTF-8".to_owned(), found: "other bytes".to_owned() }),
    }
}

fn not_of_the_form(what: &str, why: &str, json: bool) -> Outcome {
    let text = if json {
        object([("verdict", "failed".into()), ("detail", why.into())]).to_json() + "\n"
    } else {
        format!("verdict: failed: this is not {what}: {why}\n")
    };
    Outcome { text, verdict: Verdict::Failed }
}

pub(super) fn checkpoint(args: &args::Checkpoint) -> Result<Outcome, Unusable> {
    one_input(&[Some(&args.file), args.trust.as_ref()])?;
    let keys = parse_keys(&args.key)?;
    let trust = read_trust(args.trust.as_ref())?;
    let checkpoint = match parse(&read_small(&args.file, MAX_NOTE)?, Checkpoint::parse) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return Ok(not_of_the_form("a checkpoint", &error.to_string(), args.json)),
    };
    let asked = ask(&checkpoint, &keys, trust.as_ref());
    let verdict = if asked.is_empty() {
        Verdict::NotChecked
    } else if asked.iter().all(|a| a.holds) {
        Verdict::Verified
    } else {
        Verdict::Failed
    };
    if args.json {
        let text = object([
            ("verdict", verdict.name().into()),
            ("checkpoint", describe_json(&checkpoint)),
            ("checks", asked_json(&asked)),
        ]);
        let text = text.to_json() + "\n";
        return Ok(Outcome { text, verdict });
    }
    let mut text = match verdict {
        Verdict::Verified => "verdict: verified: the signatures asked for are there and valid\n",
        Verdict::Failed => "verdict: failed: a signature asked for is missing or not valid\n",
        _ => "verdict: not_checked: no --key and no --trust to check against\n",
    }
    .to_owned();
    asked_text(&mut text, &asked);
    text.push('\n');
    describe(&mut text, &checkpoint);
    Ok(Outcome { text, verdict })
}

/// Hashes a file of any size as a leaf.
fn leaf_of(path: &Path) -> Result<Hash, Unusable> {
    let fault = |e| Unusable::Read(path.to_owned(), e);
    let mut file = source::raw(path).map_err(fault)?;
    let mut hasher = LeafHasher::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(fault)?;
        if read == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..read]);
    }
}

pub(super) fn proof(args: &args::Proof) -> Result<Outcome, Unusable> {
    one_input(&[Some(&args.file), Some(&args.leaf), args.trust.as_ref()])?;
    let keys = parse_keys(&args.key)?;
    let trust = read_trust(args.trust.as_ref())?;
    let proof = match parse(&read_small(&args.file, MAX_PROOF)?, TlogProof::parse) {
        Ok(proof) => proof,
        Err(error) => return Ok(not_of_the_form("a tlog-proof", &error.to_string(), args.json)),
    };
    let leaf = leaf_of(&args.leaf)?;
    let included = proof.includes(&leaf);
    let mut asked = vec![Asked {
        what: format!("the file is leaf {}", proof.index),
        holds: included.is_ok(),
        answer: match included {
            Ok(()) => format!("of the tree of {} leaves", proof.checkpoint.size),
            Err(error) => error.to_string(),
        },
    }];
    asked.extend(ask(&proof.checkpoint, &keys, trust.as_ref()));
    let verdict = if asked.iter().any(|a| !a.holds) {
        Verdict::Failed
    } else if asked.len() == 1 {
        Verdict::Partial
    } else {
        Verdict::Verified
    };
    if args.json {
        let text = object([
            ("verdict", verdict.name().into()),
            ("index", proof.index.into()),
            ("leaf", leaf.to_string().into()),
            ("checkpoint", describe_json(&proof.checkpoint)),
            ("checks", asked_json(&asked)),
        ]);
        let text = text.to_json() + "\n";
        return Ok(Outcome { text, verdict });
    }
    let mut text = match verdict {
        Verdict::Verified => "verdict: verified: the file is in the tree, and the checkpoint is signed\n",
        Verdict::Partial => "verdict: partial: the file is in the tree, but no --key says whose tree it is\n",
        _ => "verdict: failed: the proof does not show what was asked\n",
    }
    .to_owned();
    asked_text(&mut text, &asked);
    text.push('\n');
    describe(&mut text, &proof.checkpoint);
    Ok(Outcome { text, verdict })
}
