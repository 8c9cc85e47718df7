//! Signers that do not sign, or sign wrongly: nothing comes of it, and a ledger stops rather than go on without.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use countersign_ledger::append::{Ledger, LedgerState, OpenError, OpenOptions, Parts, SubmitError};
use countersign_ledger::checkpoint::{CosignatureError, Cosigner};
use countersign_ledger::envelope::{Envelope, SignError};
use countersign_ledger::id::TreeSize;
use countersign_ledger::keys::{PublicKey, Signature, Signer, SignerError};
use countersign_ledger::proposal::Withdrawal;
use countersign_ledger::store::Store;
use countersign_ledger::store::memory::MemoryStore;
use support::{Draft, World, dispatch_body, draft, genesis, key, parts};

const SIGNS: u8 = 0;
const IS_GONE: u8 = 1;
const SIGNS_WRONGLY: u8 = 2;

/// A token that holds the key of a name, and behaves as it is told to.
#[derive(Debug)]
struct Token {
    name: &'static str,
    mood: AtomicU8,
}

impl Token {
    fn new(name: &'static str, mood: u8) -> Arc<Self> {
        Arc::new(Self { name, mood: AtomicU8::new(mood) })
    }
}

impl Signer for Token {
    fn public(&self) -> PublicKey {
        key(self.name).public()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        match self.mood.load(Ordering::SeqCst) {
            SIGNS => Ok(key(self.name).sign(message)),
            IS_GONE => Err(SignerError::Absent { keyid: self.public().id(), reason: "unplugged".to_owned() }),
            _ => Ok(key(self.name).sign(&[message, b"!"].concat())),
        }
    }
}

fn dispatch(subject: &str) -> Draft {
    draft("transfer.dispatched", subject, Some("us-dsca.x1"), "us-dsca", dispatch_body())
}

fn parts_with(token: &Arc<Token>, store: &Arc<dyn Store>, world: &World) -> Parts {
    let token: Arc<dyn Signer> = Arc::<Token>::clone(token);
    Parts { log_keys: vec![token], ..parts(Arc::clone(store), world.clock.clone()) }
}

#[test]
fn a_checkpoint_that_is_not_signed_stops_the_ledger_and_leaves_nothing() {
    for mood in [IS_GONE, SIGNS_WRONGLY] {
        let world = World::with_case();
        world.ledger.shutdown();
        let token = Token::new("log", SIGNS);
        let open = || Ledger::open(parts_with(&token, &world.store, &world), OpenOptions::default()).unwrap();
        let store = Arc::clone(&world.store);
        let world = World { ledger: open(), clock: Arc::clone(&world.clock), store: Arc::clone(&store) };
        let before = world.say(dispatch("consignment/a"), &["us-dsca/0"]).unwrap().seq;
        let head = world.ledger.head();

        token.mood.store(mood, Ordering::SeqCst);
        let stopped = world.say(dispatch("consignment/b"), &["us-dsca/0"]).unwrap_err();
        assert!(
            matches!(&stopped, SubmitError::Stopped { reason } if reason.contains(&key("log").public().id().to_string())),
            "{stopped}"
        );
        assert!(matches!(world.ledger.state(), LedgerState::Failed(_)));
        assert_eq!(world.ledger.head(), head, "readers see nothing of it");
        assert_eq!(store.head().unwrap().unwrap(), head, "nothing of it is stored");
        assert!(store.lines(before, 2, 1 << 20).unwrap().len() == 1);

        // The token is back: the process still ends, as its state is ahead of what is stored.
        token.mood.store(SIGNS, Ordering::SeqCst);
        let still = world.say(dispatch("consignment/b"), &["us-dsca/0"]).unwrap_err();
        assert!(matches!(still, SubmitError::Stopped { .. }), "{still}");
        world.ledger.shutdown();
        let again = World { ledger: open(), clock: Arc::clone(&world.clock), store };
        assert_eq!(again.say(dispatch("consignment/b"), &["us-dsca/0"]).unwrap().seq.0, before.0 + 1);
    }
}

#[test]
fn a_ledger_does_not_begin_without_its_checkpoint() {
    let world = World::new();
    for mood in [IS_GONE, SIGNS_WRONGLY] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let refused = Ledger::create(parts_with(&Token::new("log", mood), &store, &world), genesis());
        assert!(matches!(refused, Err(OpenError::Sign { .. })), "{refused:?}");
        assert!(store.head().unwrap().is_none());
    }
}

#[test]
fn what_is_not_signed_stays_as_it_was() {
    let absent = |e: &SignerError| matches!(e, SignerError::Absent { .. });
    let (gone, wrong) = (Token::new("a", IS_GONE), Token::new("a", SIGNS_WRONGLY));
    let mut envelope = Envelope::sign(b"{}".to_vec(), &[key("b")]).unwrap();
    let before = envelope.clone();
    assert!(matches!(envelope.add_signature(&gone), Err(SignError::Signer(e)) if absent(&e)));
    assert!(matches!(envelope.add_signature(&wrong), Err(SignError::Signer(SignerError::BadSignature { .. }))));
    assert_eq!(envelope, before);
    assert!(Envelope::sign(b"{}".to_vec(), &[Token::new("a", SIGNS), wrong]).is_err());

    let world = World::new();
    let checkpoint = world.ledger.checkpoint();
    let witness = |mood| Cosigner::new("witness.example/w".parse().unwrap(), Token::new("w", mood));
    assert!(matches!(witness(IS_GONE).cosign(&checkpoint, 7), Err(CosignatureError::Signer(e)) if absent(&e)));
    let faulty = witness(SIGNS_WRONGLY).cosign(&checkpoint, 7);
    assert!(matches!(faulty, Err(CosignatureError::Signer(SignerError::BadSignature { .. }))), "{faulty:?}");
    let cosigned = checkpoint.with_signature(witness(SIGNS).cosign(&world.ledger.checkpoint(), 7).unwrap()).unwrap();
    assert_eq!(cosigned.verify_cosignature(witness(SIGNS).vkey()).unwrap().timestamp, 7);
    assert_eq!(world.ledger.head().size, TreeSize(1));

    let (ledger, event) = (world.ledger.id(), envelope.event_hash());
    let time = world.ledger.latest_time();
    assert!(Withdrawal::sign(ledger, event, time, &[gone]).is_err());
}
