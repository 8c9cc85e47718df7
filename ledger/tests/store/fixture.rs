//! Batches for stores: entries as a ledger makes them, drawn from a plan that can be replayed, and the look-ups that a
//! store must answer, worked out from the entries alone.

use countersign_ledger::entry::Entry;
use countersign_ledger::envelope::Envelope;
use countersign_ledger::hash::{EventHash, FileHash, KeyId, LeafHash, NodeHash, sha256};
use countersign_ledger::id::{Author, CaseId, Seq, StreamId, TreeSize};
use countersign_ledger::keys::{Signature, SigningKey};
use countersign_ledger::merkle::Frontier;
use countersign_ledger::store::{Batch, Head, NewEntry, NewTile, Store, StreamHead};
use countersign_ledger::time::Time;
use uuid::Uuid;

/// What a fixture does not have to work out: who says something, about what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) author: u8,
    pub(crate) case: u8,
    pub(crate) subject: u16,
    pub(crate) authority: bool,
    pub(crate) disclosures: u8,
    pub(crate) lines: u8,
}

impl Plan {
    /// Draws the plan of an entry from its number.
    pub(crate) fn drawn(number: u64) -> Self {
        let bytes = sha256(&[b"plan", &number.to_be_bytes()]);
        Self {
            author: bytes[0] % 4,
            case: bytes[1] % 4,
            subject: u16::from(bytes[2]),
            authority: bytes[3] < 16,
            disclosures: if bytes[4] < 32 { bytes[5] % 4 } else { 0 },
            lines: 1 + bytes[6] % 4,
        }
    }
}

/// A growing ledger that is kept nowhere: hands out batches, and remembers every entry.
pub(crate) struct Fixture {
    keys: Vec<SigningKey>,
    sign: bool,
    frontier: Frontier,
    prev: LeafHash,
    pub(crate) entries: Vec<NewEntry>,
    pub(crate) leaves: Vec<NodeHash>,
    pub(crate) head: Option<Head>,
    remember: bool,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self {
            keys: (0..6).map(|i| SigningKey::from_seed(&[i; 32])).collect(),
            sign: true,
            frontier: Frontier::new(),
            prev: LeafHash::ZERO,
            entries: Vec::new(),
            leaves: Vec::new(),
            head: None,
            remember: true,
        }
    }

    /// Puts random bytes where signatures stand, and forgets entries once handed out: for large stores.
    pub(crate) fn quick() -> Self {
        Self { sign: false, remember: false, ..Self::new() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size().0
    }

    /// Makes the next `count` entries of the drawn plan.
    pub(crate) fn drawn(&mut self, count: u64) -> Batch {
        let from = self.size();
        self.batch((from..from + count).map(Plan::drawn))
    }

    pub(crate) fn batch(&mut self, plans: impl IntoIterator<Item = Plan>) -> Batch {
        let entries: Vec<_> = (self.size()..).zip(plans).map(|(seq, plan)| self.entry(seq, plan)).collect();
        let leaves: Vec<_> = entries.iter().map(|entry| LeafHash::of_line(&entry.line)).collect();
        let appended = self.frontier.append(&leaves).unwrap();
        let tiles = appended.tiles().iter().map(|changed| NewTile {
            level: changed.tile.level(),
            index: changed.tile.index(),
            hashes: changed.hashes.clone(),
        });
        let size = self.frontier.size();
        let checkpoint =
            format!("ledger.example/test\n{size}\n{}\n\n— ledger.example/test AAAA\n", self.frontier.root());
        let head = Head { size, checkpoint };
        if self.remember {
            self.entries.extend_from_slice(&entries);
            self.leaves.extend(leaves.into_iter().map(NodeHash::from));
        }
        self.head = Some(head.clone());
        Batch { entries, tiles: tiles.collect(), head: Some(head) }
    }

    fn entry(&mut self, seq: u64, plan: Plan) -> NewEntry {
        let draw = sha256(&[b"entry", &seq.to_be_bytes()]);
        let id = uuid::Builder::from_unix_timestamp_millis(1_790_000_000_000 + seq * 7, draw[..10].try_into().unwrap())
            .into_uuid();
        let author: Author = ["governance", "us-dsca", "xa-mod", "eu-obs"][usize::from(plan.author)].parse().unwrap();
        let case: Option<CaseId> =
            ["", "us-dsca.xa-b-uaa", "us-dsca.xb-b-uab", "a"][usize::from(plan.case)].parse().ok();
        let subject = format!("consignment/2026-{:04}", plan.subject);
        let payload = payload(seq, plan, &author, case.as_ref(), &subject, &id, &draw);
        let envelope = self.envelope(payload, plan, &draw);
        let event = envelope.event_hash();
        let entry = Entry {
            seq: Seq(seq),
            time: Time::from_unix_millis(1_790_000_000_000 + i64::try_from(seq * 11).unwrap()).unwrap(),
            prev: self.prev,
            governance: seq.checked_sub(1).map(|_| Seq(seq / 1000)),
            case: case.as_ref().and_then(|_| seq.checked_sub(40)).map(Seq),
            stream: seq.checked_sub(u64::from(plan.subject) + 1).map(Seq),
            envelope,
        };
        let line = entry.line().into_bytes();
        self.prev = LeafHash::of_line(&line);
        let disclosures = (0..plan.disclosures).map(|i| hex::encode(sha256(&[&draw, &[i]])).repeat(1 + usize::from(i)));
        NewEntry {
            seq: Seq(seq),
            line,
            event,
            author,
            id,
            stream: StreamId { case, subject: subject.parse().unwrap() },
            authority: plan.authority,
            disclosures: disclosures.collect(),
            evidence: evidence(&draw).collect(),
        }
    }

    fn envelope(&self, payload: Vec<u8>, plan: Plan, draw: &[u8; 32]) -> Envelope {
        let signers = [&self.keys[usize::from(plan.author)], &self.keys[4 + usize::from(plan.subject % 2)]];
        if self.sign {
            return Envelope::sign(payload, &signers).unwrap();
        }
        let noise = |i: u8| {
            let halves = [sha256(&[draw, &[i, 0]]), sha256(&[draw, &[i, 1]])];
            Signature::from_bytes(halves.concat().try_into().unwrap())
        };
        // The keys' ids are worked out once: they are as good as constant.
        let ids = [KeyId::from_bytes([plan.author; 32]), KeyId::from_bytes([4 + draw[9] % 2; 32])];
        Envelope::new(payload, vec![(ids[0], noise(0)), (ids[1], noise(1))]).unwrap()
    }
}

/// The files that some entries name, drawn from a few.
fn evidence(draw: &[u8; 32]) -> impl Iterator<Item = FileHash> {
    let count = if draw[29] < 32 { 1 + draw[30] % 2 } else { 0 };
    let first = draw[31] % 8;
    (0..count).map(move |i| FileHash::from_bytes([first + i; 32]))
}

/// A dispatch with as many lines as the plan says, in the shape that parties send (SPEC §3).
fn payload(
    seq: u64,
    plan: Plan,
    author: &Author,
    case: Option<&CaseId>,
    subject: &str,
    id: &Uuid,
    draw: &[u8; 32],
) -> Vec<u8> {
    let names = ["NIGHT VISION DEVICE", "RIFLE,5.56 MILLIMETER", "TRUCK,UTILITY", "RADIO SET", "SIGHT,REFLEX"];
    let lines: Vec<_> = (0..plan.lines)
        .map(|line| {
            let nomenclature = names[(usize::from(draw[20]) + usize::from(line)) % names.len()];
            serde_json::json!({
                "line": (line + 1).to_string(),
                "authorization": hex::encode(sha256(&[b"authorization", &[plan.subject.to_be_bytes()[1]]])),
                "nomenclature": nomenclature,
                "quantity": (1 + u32::from(draw[21]) % 40).to_string(),
                "unit": "EA",
                "nsn": format!("5855-01-{:03}-{:04}", u16::from(draw[22]), u32::from(draw[23]) * 37),
                "serials": [format!("SN{:08}", seq * 8 + u64::from(line))],
            })
        })
        .collect();
    let mut event = serde_json::json!({
        "countersign": 1,
        "ledger": hex::encode(sha256(&[b"ledger"])),
        "id": id,
        "kind": "transfer.dispatched",
        "subject": subject,
        "after": hex::encode(sha256(&[b"after", draw])),
        "author": author,
        "occurred": {"at": "2026-09-21T14:13:37.000Z"},
        "body": {
            "document_number": format!("W1A2B3{seq:08}"),
            "lines": lines,
            "carrier": "carrier-one",
            "from": {"place": "Depot Anniston", "country": "US"},
            "to": {"place": "Receiving Point 4", "country": "XA"},
            "expected": "2026-10-15",
            "part": 1,
            "last": true,
        },
    });
    let files: Vec<_> = evidence(draw)
        .map(|file| serde_json::json!({"sha256": file, "size": 5, "media_type": "image/jpeg", "name": "a.jpg"}))
        .collect();
    if !files.is_empty() {
        event["evidence"] = files.into();
    }
    if let Some(case) = case {
        event["case"] = case.as_str().into();
    }
    event.to_string().into_bytes()
}

/// Compares every look-up with what the entries say, and the tiles.
pub(crate) fn check(store: &dyn Store, fixture: &Fixture) {
    check_look_ups(store, fixture);
    check_tiles(store, fixture);
}

/// Compares every look-up that ends at the head with what the entries say.
pub(crate) fn check_look_ups(store: &dyn Store, fixture: &Fixture) {
    let entries = &fixture.entries;
    assert_eq!(store.head().unwrap(), fixture.head);
    check_lines(store, entries);
    for entry in entries {
        assert_eq!(store.seq_of_event(&entry.event).unwrap(), Some(entry.seq));
        assert_eq!(store.seq_of_id(&entry.author, &entry.id).unwrap(), Some(entry.seq));
        assert_eq!(store.disclosures(entry.seq).unwrap(), entry.disclosures);
        let other: Author = if entry.author.as_str() == "us" { "us-dsca" } else { "us" }.parse().unwrap();
        assert_eq!(store.seq_of_id(&other, &entry.id).unwrap(), None);
    }
    assert_eq!(store.seq_of_event(&EventHash::from_bytes([9; 32])).unwrap(), None);
    check_streams(store, entries);
    check_sequences(store, entries);
}

fn check_lines(store: &dyn Store, entries: &[NewEntry]) {
    let size = entries.len();
    for from in [0, 1, size / 3, size.saturating_sub(1), size, size + 1, usize::MAX] {
        for (limit, max_bytes) in [(0, 9), (1, 0), (3, 1 << 30), (usize::MAX, usize::MAX), (usize::MAX, 4_000)] {
            let found = store.lines(Seq(from as u64), limit, max_bytes).unwrap();
            let mut bytes = 0;
            let mut expected = Vec::new();
            for entry in entries.iter().skip(from).take(limit) {
                expected.push(&entry.line);
                bytes += entry.line.len();
                if bytes >= max_bytes {
                    break;
                }
            }
            assert!(found.iter().eq(expected), "lines from {from}, limit {limit}, {max_bytes} bytes");
        }
    }
}

fn check_streams(store: &dyn Store, entries: &[NewEntry]) {
    let mut streams: Vec<_> = entries.iter().map(|entry| entry.stream.clone()).collect();
    streams.sort();
    streams.dedup();
    for stream in &streams {
        let all: Vec<_> = entries.iter().filter(|entry| entry.stream == *stream).collect();
        let last = all[all.len() - 1];
        let head = StreamHead { seq: last.seq, event: last.event };
        assert_eq!(store.stream_head(stream).unwrap(), Some(head));
        for (from, limit) in
            [(0, usize::MAX), (0, 1), (last.seq.0, 5), (last.seq.0 / 2, 2), (last.seq.0 + 1, 5), (0, 0)]
        {
            let expected = all.iter().map(|entry| entry.seq).filter(|seq| seq.0 >= from).take(limit);
            assert!(store.stream_seqs(stream, Seq(from), limit).unwrap().into_iter().eq(expected));
        }
    }
    check_cases(store, entries);
    let mut visited = Vec::new();
    store.each_stream(&mut |stream, seqs, head| visited.push((stream.clone(), seqs.to_vec(), head))).unwrap();
    visited.sort();
    let expected = streams.iter().map(|stream| {
        let all: Vec<_> = entries.iter().filter(|entry| entry.stream == *stream).collect();
        (stream.clone(), all.iter().map(|entry| entry.seq).collect::<Vec<_>>(), all[all.len() - 1].event)
    });
    assert!(visited.into_iter().eq(expected));
    // One that begins as others do, and is none.
    for (case, subject) in [(None, "consignment/2026"), (Some("us-dsca"), "consignment/2026-0001")] {
        let stream = StreamId { case: case.map(|case| case.parse().unwrap()), subject: subject.parse().unwrap() };
        assert_eq!(store.stream_head(&stream).unwrap(), None);
        assert_eq!(store.stream_seqs(&stream, Seq(0), 9).unwrap(), []);
    }
}

fn check_cases(store: &dyn Store, entries: &[NewEntry]) {
    let mut cases: Vec<_> = entries.iter().map(|entry| entry.stream.case.clone()).collect();
    cases.extend([None, Some("us".parse().unwrap()), Some("us-dsca.none".parse().unwrap())]);
    cases.sort();
    cases.dedup();
    for case in cases {
        let of_case = || entries.iter().filter(|entry| entry.stream.case == case);
        let found = store.case_seqs(case.as_ref(), None).unwrap();
        assert!(found.into_iter().eq(of_case().map(|entry| entry.seq)), "{case:?}");
        for ty in ["consignment", "item", "consign", "case"] {
            let expected = of_case().filter(|entry| entry.stream.subject.ty() == ty).map(|entry| entry.seq);
            assert!(store.case_seqs(case.as_ref(), Some(ty)).unwrap().into_iter().eq(expected), "{case:?} {ty}");
        }
    }
}

fn check_sequences(store: &dyn Store, entries: &[NewEntry]) {
    let size = entries.len() as u64;
    for (from, limit) in [(0, usize::MAX), (size / 2, 3), (size, 3), (0, 0)] {
        let expected = entries.iter().filter(|entry| entry.authority && entry.seq.0 >= from).map(|entry| entry.seq);
        assert!(store.authority_seqs(Seq(from), limit).unwrap().into_iter().eq(expected.take(limit)));
    }
    for file in (0..12).map(|byte| FileHash::from_bytes([byte; 32])) {
        for (from, limit) in [(0, usize::MAX), (size / 2, 2), (size, 3), (0, 0)] {
            let expected = entries.iter().filter(|e| e.evidence.contains(&file) && e.seq.0 >= from).map(|e| e.seq);
            assert!(store.evidence_seqs(&file, Seq(from), limit).unwrap().into_iter().eq(expected.take(limit)));
        }
    }
    for (from, end) in [(0, size), (0, u64::MAX), (size / 2, size), (size, size), (3, 1), (0, 0)] {
        let (mut next, mut found) = (Seq(from), Vec::new());
        while let Some((seq, disclosures)) = store.next_disclosures(next, Seq(end)).unwrap() {
            next = Seq(seq.0 + 1);
            found.push((seq, disclosures));
        }
        let expected = entries.iter().filter(|e| !e.disclosures.is_empty() && (from..end).contains(&e.seq.0));
        assert!(found.into_iter().eq(expected.map(|entry| (entry.seq, entry.disclosures.clone()))));
    }
}

fn check_tiles(store: &dyn Store, fixture: &Fixture) {
    let mut level = fixture.leaves.clone();
    for number in 0..4 {
        for index in 0..=level.len() / 256 {
            let expected = level.chunks(256).nth(index).map(<[NodeHash]>::to_vec);
            assert_eq!(store.tile(number, index as u64).unwrap(), expected, "tile {index} of level {number}");
        }
        level = level.as_chunks::<256>().0.iter().map(|tile| root_of(tile)).collect();
    }
    assert_eq!(store.tile(63, u64::MAX).unwrap(), None);
    let mut frontier = Frontier::new();
    let leaves: Vec<_> = fixture.leaves.iter().map(|leaf| LeafHash::from_bytes(*leaf.as_bytes())).collect();
    frontier.append(&leaves).unwrap();
    assert_eq!(frontier.size(), TreeSize(fixture.size()));
}

/// The root of a full tile (RFC 6962 §2.1).
fn root_of(tile: &[NodeHash]) -> NodeHash {
    let [one] = tile else {
        let above: Vec<_> = tile
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[l, r]| NodeHash::from_bytes(sha256(&[&[1], l.as_bytes(), r.as_bytes()])))
            .collect();
        return root_of(&above);
    };
    *one
}
