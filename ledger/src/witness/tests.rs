#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::hash::LeafHash;
use crate::keys::SigningKey;
use crate::merkle::Frontier;
use crate::note::NoteSigner;

const ORIGIN: &str = "log.example/a";

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new(ORIGIN.parse().unwrap(), SigningKey::from_seed(&[seed; 32]))
}

/// The leaves of a log, of which those from `fork` on are another's.
fn leaves(range: std::ops::Range<u64>, fork: u64) -> Vec<LeafHash> {
    range.map(|n| LeafHash::of_line(format!("{n} {}", n >= fork).as_bytes())).collect()
}

fn held(size: u64, fork: u64) -> Held {
    let mut tree = Frontier::new();
    tree.append(&leaves(0..size, fork)).unwrap();
    Held { size: TreeSize(size), root: tree.root() }
}

/// The request of a log that goes from `old` to `size` entries, those from `fork` on being another's.
fn request(old: u64, size: u64, fork: u64) -> AddCheckpoint {
    let mut tree = Frontier::new();
    tree.append(&leaves(0..old, fork)).unwrap();
    let proof = if old == 0 || old == size {
        Vec::new()
    } else {
        tree.append(&leaves(old..size, fork)).unwrap().consistency_proof().unwrap()
    };
    let Held { size, root } = held(size, fork);
    let checkpoint = Checkpoint { origin: ORIGIN.parse().unwrap(), size, root }.sign(&[signer(1)]).unwrap();
    AddCheckpoint::new(TreeSize(old), proof, &checkpoint).unwrap()
}

fn status(request: AddCheckpoint, held: &Held) -> u16 {
    let keys = [signer(1).vkey().clone()];
    let answer = request.authenticate(&keys).and_then(|submitted| submitted.extends(held));
    answer.err().map_or(200, |refusal| refusal.http_status())
}

const HONEST: u64 = u64::MAX;

#[test]
fn every_refusal_has_the_status_of_the_specification() {
    let nothing = Held::nothing();
    for (old, size, fork, known, expected) in [
        (0, 0, HONEST, nothing, 200),
        (0, 5, HONEST, nothing, 200),
        (5, 5, HONEST, held(5, HONEST), 200),
        (5, 9, HONEST, held(5, HONEST), 200),
        (8, 9, HONEST, held(8, HONEST), 200),
        // not what is held: larger, smaller, nothing
        (5, 9, HONEST, held(6, HONEST), 409),
        (5, 9, HONEST, held(4, HONEST), 409),
        (5, 9, HONEST, nothing, 409),
        (0, 9, HONEST, held(5, HONEST), 409),
        // forks: before what is held, at its size, behind it
        (5, 9, 3, held(5, HONEST), 422),
        (5, 5, 3, held(5, HONEST), 409),
        (5, 9, 7, held(5, HONEST), 200),
    ] {
        assert_eq!(status(request(old, size, fork), &known), expected, "{old} {size} {fork}");
    }
    let mut above = request(5, 9, HONEST);
    above.old = TreeSize(10);
    assert_eq!(status(above, &held(10, HONEST)), 400);
    let mut proof_from_nothing = request(0, 9, HONEST);
    proof_from_nothing.proof = vec![empty_root()];
    assert_eq!(status(proof_from_nothing, &nothing), 422);
    let mut short = request(5, 9, HONEST);
    short.proof.pop();
    assert_eq!(status(short, &held(5, HONEST)), 422);
    let mut repeated = request(5, 5, HONEST);
    repeated.proof = vec![empty_root()];
    assert_eq!(status(repeated, &held(5, HONEST)), 422);
}

#[test]
fn only_a_known_key_of_the_log_counts() {
    let (known, other) = (signer(1).vkey().clone(), signer(2).vkey().clone());
    let unsigned = request(0, 5, HONEST).authenticate(std::slice::from_ref(&other)).unwrap_err();
    assert_eq!(unsigned.http_status(), 403, "{unsigned}");
    assert_eq!(request(0, 5, HONEST).authenticate(&[]).unwrap_err().http_status(), 403);
    request(0, 5, HONEST).authenticate(&[other, known]).unwrap();
    let text = request(0, 5, HONEST).to_string();
    let extended = text.replacen("=\n\n—", "=\nextension\n\n—", 1);
    assert_ne!(extended, text);
    let extended = AddCheckpoint::from_bytes(extended.as_bytes()).unwrap();
    assert_eq!(extended.authenticate(&[signer(1).vkey().clone()]).unwrap_err().http_status(), 400);
}

#[test]
fn the_forms_of_a_request_are_strict() {
    let note = request(0, 5, HONEST).to_string().split_once("\n\n").unwrap().1.to_owned();
    let line = encode_base64(empty_root().as_bytes());
    let read = |head: &str| AddCheckpoint::from_bytes(format!("{head}\n\n{note}").as_bytes());
    assert_eq!(read("old 0").unwrap().proof().len(), 0);
    assert_eq!(read(&format!("old 7\n{line}")).unwrap().proof(), [empty_root()]);
    for bad in
        ["", "old", "old ", "old 07", "old -1", "old 7 ", "old  7", "Old 7", "old 18446744073709551616", "old 7\r"]
    {
        assert!(matches!(read(bad), Err(AddCheckpointError::Old { .. })), "{bad:?}");
    }
    for bad in [" ", "AAAA", &line[1..], &format!("{line} "), &format!("{line}\r"), &line.replace('=', "")] {
        let error = read(&format!("old 7\n{line}\n{bad}")).unwrap_err();
        assert!(matches!(error, AddCheckpointError::Hash { line: 2, .. }), "{bad:?}: {error}");
    }
    let many = |count: usize| read(&format!("old 7{}", format!("\n{line}").repeat(count)));
    assert_eq!(many(MAX_PROOF_LINES).unwrap().proof().len(), 63);
    assert_eq!(many(MAX_PROOF_LINES + 1), Err(AddCheckpointError::TooManyLines { found: 64 }));
    assert_eq!(AddCheckpoint::from_bytes(b"old 7\n"), Err(AddCheckpointError::NoEmptyLine));
    assert!(matches!(AddCheckpoint::from_bytes(b"old 7\n\nx"), Err(AddCheckpointError::Note(_))));
    let long = vec![b'x'; MAX_REQUEST_BYTES + 1];
    assert!(matches!(AddCheckpoint::from_bytes(&long), Err(AddCheckpointError::TooLong { .. })));
    // the largest note that is read fits, with the most lines before it
    assert!(MAX_REQUEST_BYTES >= MAX_NOTE_BYTES + "old 18446744073709551615\n\n".len() + 45 * MAX_PROOF_LINES);
}

proptest! {
    /// Whatever a log asks for, a witness that keeps what it cosigned holds trees that extend one another.
    #[test]
    fn what_is_held_only_grows(steps in prop::collection::vec((0u64..12, 0u64..12, 0u64..14), 1..30)) {
        let mut known = Held::nothing();
        let mut history = vec![known];
        for (old, more, fork) in steps {
            let submitted = request(old, old + more, fork).authenticate(&[signer(1).vkey().clone()]).unwrap();
            if submitted.extends(&known).is_ok() {
                prop_assert!(submitted.checkpoint().checkpoint().size >= known.size);
                known = Held::from(submitted.checkpoint().checkpoint());
                history.push(known);
            }
        }
        // some fork has all of them
        let one_log = (0..14).chain([HONEST]).any(|fork| history.iter().all(|one| *one == held(one.size.0, fork)));
        prop_assert!(one_log);
    }

    #[test]
    fn requests_come_back_byte_for_byte(old in 0u64..20, more in 0u64..20) {
        let one = request(old, old + more, HONEST);
        prop_assert_eq!(AddCheckpoint::from_bytes(one.to_string().as_bytes()), Ok(one));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = AddCheckpoint::from_bytes(&bytes);
        let _ = AddCheckpoint::from_bytes(&[b"old 1\n", &bytes[..]].concat());
    }
}
