//! Clients that know nothing of Countersign, against a real server process: `tlog_tiles` walks its tiles to the signed root
//! and makes its own proofs from them, `signed_note` takes its checkpoint and the cosignature of a real witness on it.
#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use countersign_tests::harness::draft::sign;
use countersign_tests::harness::http::Http;
use countersign_tests::harness::people::dispatch_body;
use countersign_tests::harness::world::{ORIGIN, vkey};
use countersign_tests::harness::{DataFolder, Server, draft};
use serde_json::{Value, json};
use signed_note::{Note, StandardVerifier, Verifier as _, VerifierList};
use tlog_tiles::{
    Checkpoint, Error, Hash, HashReader as _, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record,
    prove_tree, record_hash, stored_hash_index, tree_hash,
};

#[path = "stock/cosignature.rs"]
mod cosignature;
#[path = "stock/witnessed.rs"]
mod witnessed;

use cosignature::CosignatureV1;
use witnessed::{WITNESS, Witnessed};

/// The height of the tiles of C2SP tlog-tiles.
const HEIGHT: u8 = 8;
/// Entries that [`Server::found`] records, with entry 0.
const FOUNDED: u64 = 5;

/// Records a dispatch for each number, as one batch.
fn record(server: &Server, numbers: Range<usize>) {
    let line = |n: usize| {
        let dispatch =
            draft("transfer.dispatched", &format!("consignment/{n}"), Some("us-dsca.x1"), "us-dsca", dispatch_body());
        let payload = dispatch.payload(&json!(server.ledger), &Value::Null, "2026-09-21T14:00:00Z");
        format!("{}\n", sign(&payload, &["us-dsca/0"]).canonical())
    };
    let lines: String = numbers.clone().map(line).collect();
    let results = server.http.post_batch(lines.as_bytes());
    assert_eq!(results.len(), numbers.len(), "{:?}", results.last());
}

fn body(http: &Http, path: &str) -> Vec<u8> {
    let answer = http.get(path).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.body
}

/// The checkpoint as served, once the stock library has accepted the log's signature on it.
fn checkpoint(server: &Server) -> Checkpoint {
    let note = Note::from_bytes(&body(&server.http, "/checkpoint")).unwrap();
    let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&vkey("log")).unwrap())]);
    let (verified, _) = note.verify(&known).unwrap();
    assert_eq!(verified.len(), 1);
    Checkpoint::from_bytes(note.text()).unwrap()
}

/// Where a tile is served. The crate writes the paths of Go's sumdb: with the height, and `data` for entries.
fn served_at(tile: &Tile) -> String {
    format!("/{}", tile.path().replacen("tile/8/", "tile/", 1).replacen("tile/data/", "tile/entries/", 1))
}

/// A client of tiles: it asks the server, and keeps what the crate has authenticated.
struct Tiles<'a> {
    http: &'a Http,
    kept: RefCell<HashMap<Tile, Vec<u8>>>,
    asked: RefCell<BTreeSet<String>>,
    /// The tile that arrives changed, and which bit of it from its end.
    changed: Cell<Option<(&'a str, usize)>>,
}

impl<'a> Tiles<'a> {
    fn of(http: &'a Http) -> Self {
        Self { http, kept: RefCell::default(), asked: RefCell::default(), changed: Cell::default() }
    }

    /// One that gets a tile with one bit changed.
    fn with_change(http: &'a Http, path: &'a str, bit: usize) -> Self {
        Self { changed: Cell::new(Some((path, bit))), ..Self::of(http) }
    }
}

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            if let Some(kept) = self.kept.borrow().get(tile) {
                return kept.clone();
            }
            let path = served_at(tile);
            let mut data = body(self.http, &path);
            if let Some((_, bit)) = self.changed.get().filter(|(changed, _)| *changed == path) {
                let at = data.len() - 1 - bit / 8;
                data[at] ^= 1 << (bit % 8);
            }
            self.asked.borrow_mut().insert(path);
            data
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, tiles: &[Tile], data: &[Vec<u8>]) {
        self.kept.borrow_mut().extend(tiles.iter().copied().zip(data.iter().cloned()));
    }
}

/// Every leaf hash of the tree, each shown by the tiles to be in it.
fn leaves(tiles: &Tiles, of: &Checkpoint) -> Result<Vec<Hash>, Error> {
    let indexes: Vec<u64> = (0..of.size()).map(|n| stored_hash_index(0, n)).collect();
    TileHashReader::new(of.size(), *of.hash(), tiles).read_hashes(&indexes)
}

/// Every entry line, from the entry bundles.
fn entries(http: &Http, size: u64) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    for n in 0..size.div_ceil(256) {
        let width = u32::try_from((size - 256 * n).min(256)).unwrap();
        let bundle = body(http, &served_at(&Tile::new(HEIGHT, 0, n, width, true)));
        let (mut rest, before) = (bundle.as_slice(), lines.len());
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (line, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            lines.push(line.to_vec());
            rest = after;
        }
        assert!(rest.is_empty(), "entry bundle {n} ends in the middle of an entry");
        assert_eq!(lines.len() - before, width as usize, "entry bundle {n}");
    }
    lines
}

/// The hash with its lowest bit changed.
fn other(mut hash: Hash) -> Hash {
    hash.0[31] ^= 1;
    hash
}

#[test]
fn a_tile_client_walks_to_the_signed_root_and_makes_its_own_proofs() {
    let folder = DataFolder::new();
    let server = Server::start(folder.serve());
    server.found();
    record(&server, 0..300);
    let old = checkpoint(&server);
    let old_tiles = Tiles::of(&server.http);
    let old_leaves = walk(&old_tiles, &old).unwrap();
    record(&server, 300..700);
    let new = checkpoint(&server);
    assert_eq!((old.size(), new.size()), (FOUNDED + 300, FOUNDED + 700));
    assert_eq!((old.origin(), new.origin()), (ORIGIN, ORIGIN));

    // the tree of either checkpoint, from full tiles, partial ones and those of level 1
    let tiles = Tiles::of(&server.http);
    let leaves = walk(&tiles, &new).unwrap();
    let asked = |tiles: &Tiles| tiles.asked.borrow().iter().cloned().collect::<Vec<_>>();
    assert_eq!(asked(&old_tiles), ["/tile/0/000", "/tile/0/001.p/49", "/tile/1/000.p/1"]);
    assert_eq!(asked(&tiles), ["/tile/0/000", "/tile/0/001", "/tile/0/002.p/193", "/tile/1/000.p/2"]);
    assert_eq!(leaves[..old_leaves.len()], old_leaves);
    let reader = TileHashReader::new(new.size(), *new.hash(), &tiles);
    assert_eq!(tree_hash(new.size(), &reader).unwrap(), *new.hash());

    // the entries are those leaves, for two libraries
    let lines = entries(&server.http, new.size());
    let hashed: Vec<Hash> = lines.iter().map(|line| record_hash(line)).collect();
    assert_eq!(hashed, leaves);
    let mut tree = ct_merkle::mem_backed_tree::MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    lines.iter().for_each(|line| tree.push(line.clone()));
    assert_eq!(tree.root().as_bytes().as_slice(), new.hash().0);
    let of_bundle = server.bundle();
    let of_bundle: Vec<&[u8]> = of_bundle.split(|b| *b == b'\n').skip(1).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, of_bundle, "the bundle has other entries than the tiles");

    // a proof of every entry, and none of another
    let (size, root) = (new.size(), *new.hash());
    for (n, leaf) in (0..).zip(&leaves) {
        let proof = prove_record(size, n, &reader).unwrap();
        check_record(&proof, size, root, n, *leaf).unwrap();
        assert!(check_record(&proof, size, root, n, other(*leaf)).is_err(), "entry {n}");
        assert!(check_record(&proof, size, other(root), n, *leaf).is_err(), "entry {n}");
        assert!(check_record(&proof, size, root, (n + 1) % size, *leaf).is_err(), "entry {n}");
    }

    // the old checkpoint is a beginning of the new one, and no other is
    let proof = prove_tree(size, old.size(), &reader).unwrap();
    check_tree(&proof, size, root, old.size(), *old.hash()).unwrap();
    assert!(check_tree(&proof, size, root, old.size(), other(*old.hash())).is_err());
    assert!(check_tree(&proof, size, other(root), old.size(), *old.hash()).is_err());
    assert!(check_tree(&proof, size, root, old.size() - 1, *old.hash()).is_err());
    for at in 0..proof.len() {
        let mut changed = proof.clone();
        changed[at] = other(changed[at]);
        assert!(check_tree(&changed, size, root, old.size(), *old.hash()).is_err(), "hash {at} of the proof");
    }
}

/// A walk that takes nothing on trust from the reader: every leaf, with a proof of it that leads to the signed root.
///
/// Wanted because `TileHashReader` (tlog_tiles 0.2.0, and Go's of the same name, which it is ported from) compares the
/// tiles of the entries with their parents only from the place in its list on that is the number of subtrees in the
/// tree. Where two subtrees stand in one tile the list is shorter than that, and some are not compared.
fn walk(tiles: &Tiles, of: &Checkpoint) -> Result<Vec<Hash>, Error> {
    let leaves = leaves(tiles, of)?;
    let reader = TileHashReader::new(of.size(), *of.hash(), tiles);
    for (n, leaf) in (0..).zip(&leaves) {
        check_record(&prove_record(of.size(), n, &reader)?, of.size(), *of.hash(), n, *leaf)?;
    }
    Ok(leaves)
}

/// Has each tile that a client needs arrive with its first, a middle and its last bit changed.
fn refuses_changes(server: &Server, client: impl Fn(&Tiles, &Checkpoint) -> Result<Vec<Hash>, Error>) {
    let of = checkpoint(server);
    let honest = Tiles::of(&server.http);
    client(&honest, &of).unwrap();
    let asked = honest.asked.borrow().clone();
    assert_eq!(asked.len(), 4, "{asked:?}");
    for path in &asked {
        let bits = body(&server.http, path).len() * 8;
        for bit in [0, bits / 2, bits - 1] {
            let refused = client(&Tiles::with_change(&server.http, path, bit), &of);
            assert!(matches!(refused, Err(Error::InconsistentTile | Error::InvalidProof)), "bit {bit} of {path}");
        }
    }
}

#[test]
fn a_tile_client_refuses_every_tile_that_is_changed() {
    let folder = DataFolder::new();
    let server = Server::start(folder.serve());
    server.found();
    // 513 entries: a subtree of 512 and one of 1, in a tile each
    record(&server, 0..508);
    refuses_changes(&server, leaves);
    // 605 entries: six subtrees in two tiles
    record(&server, 508..600);
    refuses_changes(&server, walk);
}

/// Whether the stock note library accepts a note with the signatures of both.
fn accepts(note: &[u8], log: &str, witness: &str) -> bool {
    let log = StandardVerifier::new(log).unwrap();
    let witness = CosignatureV1::new(witness);
    let names = BTreeSet::from([log.name().to_owned(), witness.name().to_owned()]);
    let Ok(note) = Note::from_bytes(note) else { return false };
    let Ok((verified, _)) = note.verify(&VerifierList::new(vec![Box::new(log), Box::new(witness)])) else {
        return false;
    };
    verified.iter().map(|signature| signature.name().to_owned()).collect::<BTreeSet<_>>() == names
}

#[test]
fn a_note_library_accepts_the_checkpoint_and_a_real_witness_on_it_and_no_changed_bit() {
    let ledger = Witnessed::start();
    let (server, witness) = (&ledger.server, ledger.witness.as_str());
    server.found();
    let earlier = ledger.checkpoint(FOUNDED);
    record(server, 0..3);
    ledger.checkpoint(FOUNDED + 3);
    let note = body(&server.http, "/checkpoint");
    let text = Note::from_bytes(&note).unwrap().text().to_vec();
    let of = Checkpoint::from_bytes(&text).unwrap();
    assert_eq!((of.origin(), of.size(), of.extension()), (ORIGIN, FOUNDED + 3, ""));

    let accepts = |note: &[u8]| accepts(note, &vkey("log"), witness);
    assert!(accepts(&earlier));
    assert!(accepts(&note), "{}", String::from_utf8_lossy(&note));
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut changed = note.clone();
            changed[at] ^= 1 << bit;
            assert!(!accepts(&changed), "bit {bit} of byte {at}: {}", String::from_utf8_lossy(&changed));
        }
    }
    // what the witness said of an earlier checkpoint is nothing about this one
    let (note, earlier) = (String::from_utf8(note).unwrap(), String::from_utf8(earlier).unwrap());
    let cosignature =
        |note: &str| note.lines().find(|line| line.starts_with(&format!("— {WITNESS} "))).unwrap().to_owned();
    let moved = note.replace(&cosignature(&note), &cosignature(&earlier));
    assert_ne!(moved, note);
    assert!(!accepts(moved.as_bytes()));
    // nor is another key of that name the witness's
    let stranger = countersign_tests::forge::Key::new("a stranger").public();
    let stranger = countersign_tests::forge::note::vkey(WITNESS, 0x04, &stranger);
    assert!(!self::accepts(note.as_bytes(), &vkey("log"), &stranger));
    assert!(!self::accepts(note.as_bytes(), &vkey("log2"), witness));
}
