//! Bundles: the one that another program made from SPEC.md comes out of a store as it went in; what is wrong in one is
//! told with its line.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::io::{BufRead, Cursor, Read};
use std::sync::Arc;

use countersign_ledger::bundle::{
    BundleChunks, BundleLine, BundleReadError, CHUNK, Compression, Header, Withheld, read_bundle, write_full,
};
use countersign_ledger::hash::{EventHash, LeafHash, NodeHash};
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::merkle::Frontier;
use countersign_ledger::store::memory::MemoryStore;
use countersign_ledger::store::{Batch, Head, NewEntry, NewTile, Store};
use serde_json::Value;

/// The example ledger of `../shared/vectors`, beside the project. It is not part of it: where it is missing the tests
/// that read it say so and are left out.
fn example() -> Option<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/spec_example.bundle.jsonl");
    let read = std::fs::read(path);
    if read.is_err() {
        eprintln!("left out: {path} is not there");
    }
    read.ok()
}

fn lines(bundle: &[u8]) -> Vec<BundleLine> {
    read_bundle(bundle).collect::<Result<_, _>>().unwrap()
}

/// Puts the entries of a bundle into a store, each with the disclosures after it.
fn fill(store: &dyn Store, bundle: &[u8]) -> Header {
    let mut lines = lines(bundle).into_iter();
    let Some(BundleLine::Header(header)) = lines.next() else { panic!("no header") };
    let mut entries: Vec<NewEntry> = Vec::new();
    for line in lines {
        match line {
            BundleLine::Entry(entry) => {
                let event: Value = serde_json::from_slice(entry.envelope.payload()).unwrap();
                let case = event.get("case").map(|case| case.as_str().unwrap().parse().unwrap());
                let subject = event["subject"].as_str().unwrap().parse().unwrap();
                entries.push(NewEntry {
                    seq: entry.seq,
                    line: entry.line().into_bytes(),
                    event: entry.envelope.event_hash(),
                    author: event["author"].as_str().unwrap().parse().unwrap(),
                    id: event["id"].as_str().unwrap().parse().unwrap(),
                    stream: countersign_ledger::id::StreamId { case, subject },
                    authority: false,
                    disclosures: Vec::new(),
                    evidence: Vec::new(),
                });
            }
            BundleLine::Disclosure(text) => entries.last_mut().unwrap().disclosures.push(text),
            other => panic!("{other:?}"),
        }
    }
    commit(store, entries, header.checkpoint.clone());
    header
}

fn commit(store: &dyn Store, entries: Vec<NewEntry>, checkpoint: String) {
    let mut frontier = Frontier::new();
    let leaves: Vec<_> = entries.iter().map(|entry| LeafHash::of_line(&entry.line)).collect();
    let appended = frontier.append(&leaves).unwrap();
    let tiles = appended.tiles().iter().map(|changed| NewTile {
        level: changed.tile.level(),
        index: changed.tile.index(),
        hashes: changed.hashes.clone(),
    });
    let head = Head { size: frontier.size(), checkpoint };
    store.commit(&Batch { entries, tiles: tiles.collect(), head: Some(head) }).unwrap();
}

fn stores() -> Vec<(Arc<dyn Store>, Option<tempfile::TempDir>)> {
    let mut stores: Vec<(Arc<dyn Store>, Option<tempfile::TempDir>)> = vec![(Arc::new(MemoryStore::new()), None)];
    #[cfg(feature = "rocks")]
    {
        use countersign_ledger::store::rocks::{RocksOptions, RocksStore};
        let folder = tempfile::tempdir().unwrap();
        let store = RocksStore::create(&folder.path().join("store"), &RocksOptions::default()).unwrap();
        stores.push((Arc::new(store), Some(folder)));
    }
    stores
}

fn export(store: &dyn Store, header: &Header, compression: Compression) -> Vec<u8> {
    let head = store.head().unwrap().unwrap();
    let mut out = Vec::new();
    write_full(&mut out, store, header.ledger, &head, compression, |_| {}).unwrap();
    out
}

#[test]
fn the_example_comes_out_as_it_went_in() {
    let Some(example) = example() else { return };
    for (store, _folder) in stores() {
        let header = fill(&*store, &example);
        assert_eq!(export(&*store, &header, Compression::None), example);
        let packed = export(&*store, &header, Compression::Zstd(9));
        assert!(packed.len() < example.len() && lines(&packed) == lines(&example));
    }
}

/// The example's entries over and over, under new numbers, some with disclosures: 3,000 entries, 5 MiB.
fn large(store: &dyn Store, example: &[u8]) -> Header {
    let Some(BundleLine::Header(mut header)) = lines(example).into_iter().next() else { panic!() };
    let entries: Vec<_> = lines(example)
        .into_iter()
        .filter_map(|line| match line {
            BundleLine::Entry(entry) => Some(*entry),
            _ => None,
        })
        .cycle()
        .zip(0..3_000u64)
        .map(|(mut entry, seq)| {
            entry.seq = Seq(seq);
            let disclosures = if seq % 7 == 3 { vec!["QUJD".repeat(300); 3] } else { Vec::new() };
            NewEntry {
                seq: Seq(seq),
                line: entry.line().into_bytes(),
                event: EventHash::from_bytes(*LeafHash::of_line(&seq.to_be_bytes()).as_bytes()),
                author: "us-dsca".parse().unwrap(),
                id: uuid::Uuid::from_u128(u128::from(seq)),
                stream: countersign_ledger::id::StreamId { case: None, subject: "item/a.1".parse().unwrap() },
                authority: false,
                disclosures,
                evidence: Vec::new(),
            }
        })
        .collect();
    header.checkpoint = header.checkpoint.replacen("\n8\n", "\n3000\n", 1);
    commit(store, entries, header.checkpoint.clone());
    header
}

#[test]
fn pieces_are_of_one_size_and_make_the_whole() {
    let Some(example) = example() else { return };
    for (store, _folder) in stores() {
        let header = large(&*store, &example);
        let whole = export(&*store, &header, Compression::None);
        assert_eq!(whole.iter().filter(|b| **b == b'\n').count(), 1 + 3_000 + 3_000 / 7 * 3 + 3);
        let head = store.head().unwrap().unwrap();
        let mut chunks = BundleChunks::full(Arc::clone(&store), header.ledger, &head, Compression::None).unwrap();
        let mut joined = Vec::new();
        let mut pieces = 0;
        while let Some(piece) = chunks.next() {
            let piece = piece.unwrap();
            assert!(piece.len() < CHUNK + 70_000);
            assert!(piece.len() >= CHUNK || chunks.progress().entries == 3_000);
            joined.extend_from_slice(&piece);
            pieces += 1;
            assert_eq!(chunks.progress().bytes, joined.len() as u64);
        }
        assert!(pieces > 10 && joined == whole && chunks.next().is_none());
        let packed = export(&*store, &header, Compression::Zstd(3));
        let mut unpacked = Vec::new();
        zstd::stream::read::Decoder::new(&packed[..]).unwrap().read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == whole && packed.len() * 4 < whole.len());
        assert_eq!(lines(&packed).len(), lines(&whole).len());
    }
}

#[test]
fn a_server_can_hand_the_pieces_to_another_thread() {
    fn sendable<T: Send + 'static>() {}
    sendable::<BundleChunks<Arc<dyn Store>>>();
}

#[test]
fn what_is_committed_meanwhile_is_not_in_it() {
    let Some(example) = example() else { return };
    for (store, _folder) in stores() {
        let header = fill(&*store, &example);
        let head = store.head().unwrap().unwrap();
        let chunks = BundleChunks::full(Arc::clone(&store), header.ledger, &head, Compression::None).unwrap();
        let mut more = large_entry(8, &example);
        more.disclosures = vec!["QUJD".to_owned()];
        let mut frontier = Frontier::new();
        let leaves: Vec<_> = store.lines(Seq(0), 9, 1 << 20).unwrap().iter().map(|l| LeafHash::of_line(l)).collect();
        frontier.append(&leaves).unwrap();
        let appended = frontier.append(&[LeafHash::of_line(&more.line)]).unwrap();
        let tiles = appended.tiles().iter().map(|t| NewTile {
            level: t.tile.level(),
            index: t.tile.index(),
            hashes: t.hashes.clone(),
        });
        let head = Head { size: TreeSize(9), checkpoint: "later".to_owned() };
        store.commit(&Batch { entries: vec![more], tiles: tiles.collect(), head: Some(head) }).unwrap();
        let bundle: Vec<u8> = chunks.map(Result::unwrap).collect::<Vec<_>>().concat();
        assert_eq!(bundle, example);
    }
}

fn large_entry(seq: u64, example: &[u8]) -> NewEntry {
    let Some(BundleLine::Entry(mut entry)) = lines(example).into_iter().nth(3) else { panic!() };
    entry.seq = Seq(seq);
    NewEntry {
        seq: Seq(seq),
        line: entry.line().into_bytes(),
        event: EventHash::from_bytes([1; 32]),
        author: "us-dsca".parse().unwrap(),
        id: uuid::Uuid::from_u128(u128::from(seq)),
        stream: countersign_ledger::id::StreamId { case: None, subject: "item/a.1".parse().unwrap() },
        authority: false,
        disclosures: Vec::new(),
        evidence: Vec::new(),
    }
}

#[test]
fn a_store_shorter_than_its_head_is_told() {
    let Some(example) = example() else { return };
    let store = MemoryStore::new();
    let header = fill(&store, &example);
    let head = Head { size: TreeSize(9), checkpoint: header.checkpoint.clone() };
    let mut out = Vec::new();
    let result = write_full(&mut out, &store, header.ledger, &head, Compression::None, |_| {});
    assert!(result.unwrap_err().to_string().contains("no entry 8"));
}

/// Reads a changed bundle and returns the line and the text of the first error.
fn fault(bundle: &[u8]) -> (u64, String) {
    let error = read_bundle(bundle).find_map(Result::err).expect("an error");
    let line = match &error {
        BundleReadError::Io { line, .. }
        | BundleReadError::Limit { line, .. }
        | BundleReadError::Entry { line, .. }
        | BundleReadError::Line { line, .. }
        | BundleReadError::Order { line, .. } => *line,
        other => panic!("{other:?}"),
    };
    (line, error.to_string())
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let Some(example) = example() else { return };
    let text: Vec<&str> = std::str::from_utf8(&example).unwrap().lines().collect();
    let entries: Vec<usize> = (1..text.len()).filter(|i| text[*i].starts_with("{\"seq\"")).collect();
    let joined = |lines: &[&str]| format!("{}\n", lines.join("\n")).into_bytes();
    let with = |at: usize, line: &str| {
        let mut lines = text.clone();
        lines[at] = line;
        joined(&lines)
    };
    let (first, second) = (entries[0], entries[1]);
    let at = |index: usize| index as u64 + 1;

    assert_eq!(fault(&[]).0, 1);
    assert_eq!(fault(&example[..example.len() - 1]).0, text.len() as u64);
    assert_eq!(fault(&joined(&text[..text.len() - 1])).0, text.len() as u64);
    assert_eq!(fault(&joined(&text[1..])).0, 1);
    assert_eq!(fault(&with(second, "")).0, at(second));
    assert_eq!(fault(&with(second, &format!("{}\r", text[second]))).0, at(second));
    assert_eq!(fault(&with(second, &format!(" {}", text[second]))).0, at(second));
    assert_eq!(
        fault(&with(second, text[first])),
        (at(second), format!("line {}: expected leaf 1 of 8, found leaf 0", at(second)))
    );
    assert_eq!(fault(&with(second, "{\"entry\":1}")).0, at(second));
    assert!(fault(&with(second, &text[second].replace("\"case\":", "\"case\": "))).1.contains("canonical"));
    let mut more = text.clone();
    let again = text[entries[7]].replace("\"seq\":7", "\"seq\":8");
    more.push(&again);
    assert!(fault(&joined(&more)).1.contains("the end after 8 leaves"));
    let mut early = text.clone();
    early.insert(first, "{\"disclosure\":\"QUJD\"}");
    assert!(fault(&joined(&early)).1.contains("a disclosure of no entry"));
    let long = format!("{{\"seq\"{}", "x".repeat(65_536));
    assert!(fault(&with(second, &long)).1.contains("limit entry 65535"));
    let long = format!("{{\"disclosure\":\"{}\"}}", "x".repeat(1 << 20));
    assert!(fault(&with(second, &long)).1.contains("limit bundle line 1048576"));
    let newer = text[0].replace("bundle\":1", "bundle\":2");
    assert!(fault(&with(0, &newer)).1.contains("newer version"));
}

#[test]
fn extracts_are_read_and_full_bundles_withhold_nothing() {
    let Some(example) = example() else { return };
    let text: Vec<&str> = std::str::from_utf8(&example).unwrap().lines().collect();
    let shown: Vec<&str> = text.iter().copied().filter(|line| line.starts_with("{\"seq\"")).collect();
    let withheld = |start, end| Withheld { start, end, hash: NodeHash::from_bytes([1; 32]) }.line();
    let case = text[0].replace("\"full\"", "{\"case\":\"us-dsca.xa-b-uaa\"}");
    let build = |header: &str, middle: &[String], last: &str| {
        format!("{header}\n{}\n{}\n{last}\n", shown[0], middle.join("\n")).into_bytes()
    };
    let good = build(&case, &[withheld(1, 2), withheld(2, 4), withheld(4, 6), withheld(6, 7)], shown[7]);
    assert_eq!(lines(&good).len(), 7);
    let middle = [withheld(1, 2), withheld(2, 4), withheld(4, 8)];
    assert!(fault(&build(text[0], &middle, shown[7])).1.contains("every entry in a full bundle"));
    assert!(fault(&build(&case, &middle, shown[7])).1.contains("the end after 8 leaves"));
    let over = [withheld(1, 2), withheld(2, 4), withheld(4, 8), withheld(8, 16)];
    assert!(fault(&build(&case, &over, shown[7])).1.contains("the end after 8 leaves"));
    let disclosed = [withheld(1, 2), "{\"disclosure\":\"QUJD\"}".to_owned()];
    assert!(fault(&build(&case, &disclosed, shown[7])).1.contains("a disclosure of no entry"));
    let hidden = format!("{case}\n{}\n", withheld(0, 8)).into_bytes();
    assert!(fault(&hidden).1.contains("entry 0"));
}

#[test]
fn damaged_and_oversized_compression_is_told() {
    let Some(example) = example() else { return };
    let store = MemoryStore::new();
    let header = large(&store, &example);
    let packed = export(&store, &header, Compression::Zstd(3));
    assert!(read_bundle(&packed[..packed.len() - 9]).any(|line| line.is_err()), "cut short");
    // Behind the frame header, of which one bit means nothing.
    for at in (6..packed.len()).step_by(packed.len() / 50) {
        let mut bad = packed.clone();
        bad[at] ^= 0x10;
        assert!(read_bundle(&bad[..]).any(|line| line.is_err()), "changed at {at}");
    }
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(24).unwrap();
    std::io::copy(&mut Cursor::new(export(&store, &header, Compression::None)), &mut encoder).unwrap();
    let (line, text) = fault(&encoder.finish().unwrap());
    assert_eq!(line, 1, "{text}");
}

#[test]
fn any_split_of_the_input_reads_the_same() {
    /// Gives one byte at a time.
    struct Slow<'a>(&'a [u8]);
    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let n = usize::from(!self.0.is_empty()).min(out.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }
    impl BufRead for Slow<'_> {
        fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
            Ok(&self.0[..usize::from(!self.0.is_empty())])
        }
        fn consume(&mut self, n: usize) {
            self.0 = &self.0[n..];
        }
    }
    let Some(example) = example() else { return };
    let packed = zstd::stream::encode_all(&example[..], 3).unwrap();
    for bytes in [&example, &packed] {
        let slow: Vec<_> = read_bundle(Slow(bytes)).collect::<Result<_, _>>().unwrap();
        assert_eq!(slow, lines(&example));
    }
}
