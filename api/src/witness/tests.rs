//! The parts of a witness that need a clock or a disk of their own; the service as a whole is tested with processes
//! (`tests/tests/witness.rs`).
#![allow(clippy::unwrap_used)]

use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_ledger::checkpoint::Checkpoint;
use countersign_ledger::hash::LeafHash;
use countersign_ledger::keys::SigningKey;
use countersign_ledger::merkle::Frontier;
use countersign_ledger::note::NoteSigner;
use countersign_ledger::time::Time;
use countersign_ledger::witness::AddCheckpoint;

use super::*;

const ORIGIN: &str = "log.example/a";

/// A clock that tests set, in seconds.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Time {
        Time::from_unix_millis(self.0.load(Ordering::Relaxed) * 1_000).unwrap()
    }
}

struct Desk {
    dir: tempfile::TempDir,
    folder: WitnessFolder,
    cosigner: Arc<Cosigner>,
    clock: Arc<SetClock>,
}

fn log() -> NoteSigner {
    NoteSigner::new(ORIGIN.parse().unwrap(), SigningKey::from_seed(&[1; 32]))
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cosigner = Cosigner::new("example.org/witness".parse().unwrap(), SigningKey::from_seed(&[2; 32]));
        let folder = WitnessFolder::create(&dir.path().join("w"), cosigner.vkey()).unwrap();
        let log_keys = vec![log().vkey().clone()];
        let origin = ORIGIN.parse().unwrap();
        folder.add(&LedgerConfig { origin, log_keys, ledger: None, server: None, ca_cert: None }).unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(1_800_000_000)));
        Self { dir, folder, cosigner: Arc::new(cosigner), clock }
    }

    fn open(&self) -> Result<Followed, Failure> {
        let config = self.folder.ledgers()?.remove(0);
        Followed::open(&self.folder, &config, Arc::clone(&self.cosigner), self.clock.clone())
    }

    fn at(&self, seconds: i64) {
        self.clock.0.store(1_800_000_000 + seconds, Ordering::Relaxed);
    }

    fn state_file(&self) -> PathBuf {
        self.folder.state_file(&ORIGIN.parse().unwrap())
    }
}

/// A request to go from `old` to `size` entries, signed by a second key that nobody knows too.
fn request(old: u64, size: u64, flavour: &str) -> Submitted {
    let leaves =
        |range: std::ops::Range<u64>| range.map(|n| LeafHash::of_line(format!("{flavour} {n}").as_bytes())).collect();
    let mut tree = Frontier::new();
    let before: Vec<LeafHash> = leaves(0..old);
    tree.append(&before).unwrap();
    let more: Vec<LeafHash> = leaves(old..size);
    let proof = tree.append(&more).unwrap().consistency_proof().filter(|_| old > 0).unwrap_or_default();
    let stranger = NoteSigner::new(ORIGIN.parse().unwrap(), SigningKey::from_seed(&[9; 32]));
    let checkpoint = Checkpoint { origin: ORIGIN.parse().unwrap(), size: TreeSize(size), root: tree.root() };
    let checkpoint = checkpoint.sign(&[log(), stranger]).unwrap();
    let request = AddCheckpoint::new(TreeSize(old), if old == size { Vec::new() } else { proof }, &checkpoint).unwrap();
    request.authenticate(&[log().vkey().clone()]).unwrap()
}

fn stamp(line: &NoteSignature) -> u64 {
    u64::from_be_bytes(line.bytes()[..8].try_into().unwrap())
}

#[test]
fn what_is_cosigned_is_in_the_file_before_and_times_never_go_back() {
    let desk = Desk::new();
    let witness = desk.open().unwrap();
    let line = witness.cosign(&request(0, 5, "a")).unwrap();
    assert_eq!(stamp(&line), 1_800_000_000);
    let state = desk.folder.state(&ORIGIN.parse().unwrap()).unwrap();
    assert_eq!(state.held().size.0, 5);
    // the log's line and ours; not the stranger's
    let kept = state.latest.unwrap();
    assert_eq!(kept.note().signatures().len(), 2);
    assert_eq!(kept.note().signatures()[1], line);

    desk.at(-7);
    let error = witness.cosign(&request(5, 6, "a")).unwrap_err();
    assert!(matches!(error, NotCosigned::ClockBehind { seconds: 7 }), "{error}");
    let error = desk.open().unwrap().cosign(&request(5, 5, "a")).unwrap_err();
    assert!(matches!(error, NotCosigned::ClockBehind { seconds: 7 }), "{error}");
    desk.at(0);
    assert_eq!(stamp(&witness.cosign(&request(5, 6, "a")).unwrap()), 1_800_000_000);
    desk.at(3);
    assert_eq!(stamp(&witness.cosign(&request(6, 6, "a")).unwrap()), 1_800_000_003);
    assert_eq!(desk.open().unwrap().state().0.time, 1_800_000_003);
}

#[test]
fn the_same_again_within_the_second_writes_nothing() {
    let desk = Desk::new();
    let witness = desk.open().unwrap();
    let line = witness.cosign(&request(0, 5, "a")).unwrap();
    let path = desk.state_file();
    fs::remove_file(&path).unwrap();
    assert_eq!(witness.cosign(&request(5, 5, "a")).unwrap(), line);
    assert!(!path.exists());
    desk.at(1);
    assert_ne!(witness.cosign(&request(5, 5, "a")).unwrap(), line);
    assert!(path.exists());
}

#[test]
fn nothing_is_cosigned_that_cannot_be_kept() {
    let desk = Desk::new();
    let witness = desk.open().unwrap();
    witness.cosign(&request(0, 5, "a")).unwrap();
    let (ledgers, away) = (desk.dir.path().join("w/ledgers"), desk.dir.path().join("away"));
    fs::rename(&ledgers, &away).unwrap();
    for _ in 0..2 {
        let error = witness.cosign(&request(5, 8, "a")).unwrap_err();
        assert!(matches!(error, NotCosigned::NotKept { .. }), "{error}");
        assert!(!witness.state().1);
    }
    // once the disk is back it goes on from what the file says: nothing was cosigned meanwhile
    fs::rename(&away, &ledgers).unwrap();
    let error = witness.cosign(&request(8, 9, "a")).unwrap_err();
    assert!(matches!(error, NotCosigned::Refused(WitnessRefusal::Conflict { held: TreeSize(5), .. })), "{error}");
    witness.cosign(&request(5, 9, "a")).unwrap();
    assert!(witness.state().1);
}

#[test]
fn a_second_root_is_kept_as_evidence_and_a_refusal_for_good_holds() {
    let desk = Desk::new();
    let witness = desk.open().unwrap();
    witness.cosign(&request(0, 5, "a")).unwrap();
    for flavour in ["b", "c"] {
        let error = witness.cosign(&request(5, 5, flavour)).unwrap_err();
        assert!(matches!(error, NotCosigned::Refused(WitnessRefusal::TwoRoots { .. })), "{error}");
    }
    let kept = fs::read(desk.folder.fork_file(&ORIGIN.parse().unwrap())).unwrap();
    let kept = SignedCheckpoint::from_bytes(&kept).unwrap();
    kept.verify(log().vkey()).unwrap();
    assert_eq!(kept.checkpoint(), request(5, 5, "b").checkpoint().checkpoint());

    witness.refuse_for_good("entry 3: the signature is not valid").unwrap();
    for witness in [witness, desk.open().unwrap()] {
        let error = witness.cosign(&request(5, 6, "a")).unwrap_err();
        assert!(error.to_string().contains("entry 3"), "{error}");
        assert!(matches!(error, NotCosigned::ForGood { .. }));
    }
}

/// An auditor asks before it fetches entries, and then does not come to cosign: the proof must not be lost for that.
#[test]
fn a_fork_is_kept_by_whoever_only_asks() {
    let desk = Desk::new();
    let witness = desk.open().unwrap();
    witness.cosign(&request(0, 5, "a")).unwrap();
    let error = witness.would_cosign(&request(5, 5, "b")).unwrap_err();
    assert!(matches!(error, NotCosigned::Refused(WitnessRefusal::TwoRoots { .. })), "{error}");
    let kept = fs::read(desk.folder.fork_file(&ORIGIN.parse().unwrap())).unwrap();
    let kept = SignedCheckpoint::from_bytes(&kept).unwrap();
    assert_eq!(kept.checkpoint(), request(5, 5, "b").checkpoint().checkpoint());
}

#[test]
fn a_lost_state_is_not_begun_anew() {
    let desk = Desk::new();
    desk.open().unwrap().cosign(&request(0, 5, "a")).unwrap();
    let path = desk.state_file();
    let whole = fs::read(&path).unwrap();
    for broken in [None, Some(&whole[..whole.len() / 2]), Some(&b""[..])] {
        match broken {
            None => fs::remove_file(&path).unwrap(),
            Some(bytes) => fs::write(&path, bytes).unwrap(),
        }
        let failure = desk.open().unwrap_err();
        assert!(failure.message.contains(if broken.is_none() { "missing" } else { "damaged" }), "{failure}");
        assert!(failure.hint.unwrap().contains("witness recover"));
    }
    // a ledger that is taken out and added again goes on from its state
    fs::write(&path, &whole).unwrap();
    let config = desk.folder.ledgers().unwrap().remove(0);
    fs::remove_file(desk.dir.path().join("w/ledgers/log.example+a.json")).unwrap();
    desk.folder.add(&config).unwrap();
    assert_eq!(desk.open().unwrap().state().0.held().size.0, 5);
    // what a killed process left is cleared, and two processes never share a folder
    let left = desk.dir.path().join("w/ledgers/.countersign-x.part");
    fs::write(&left, "x").unwrap();
    assert!(WitnessFolder::open(desk.folder.path()).unwrap_err().message.contains("another process"));
    let path = desk.folder.path().to_owned();
    drop(desk.folder);
    WitnessFolder::open(&path).unwrap();
    assert!(!left.exists());
}
