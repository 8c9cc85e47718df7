//! Two stores of one ledger, compared in everything that they answer.

use countersign_ledger::entry::Entry;
use countersign_ledger::event::Event;
use countersign_ledger::id::Seq;
use countersign_ledger::store::Store;

/// Compares everything that two stores answer.
///
/// # Panics
/// When they differ in anything.
pub fn assert_same_store(store: &dyn Store, other: &dyn Store) {
    let head = store.head().expect("a head");
    assert_eq!(head, other.head().expect("a head"));
    let size = head.expect("an entry").size.0;
    assert_eq!(store.size_ahead().expect("a size").0, size, "nothing is ahead");
    let lines = store.lines(Seq(0), usize::MAX, usize::MAX).expect("lines");
    assert!(lines == other.lines(Seq(0), usize::MAX, usize::MAX).expect("lines"), "the lines differ");
    let authority = |store: &dyn Store| store.authority_seqs(Seq(0), usize::MAX).expect("an index");
    assert_eq!(authority(store), authority(other));
    for (seq, line) in (0..).map(Seq).zip(&lines) {
        let entry = Entry::parse(line).expect("an entry");
        let event = Event::of_envelope(&entry.envelope).expect("an event");
        let (hash, stream) = (entry.envelope.event_hash(), event.stream());
        let all = |store: &dyn Store| {
            assert_eq!(store.seq_of_event(&hash).expect("an index"), Some(seq));
            assert_eq!(store.seq_of_id(&event.author, &event.id).expect("an index"), Some(seq));
            for file in &event.evidence {
                assert_eq!(store.evidence_seqs(&file.sha256, seq, 1).expect("an index"), [seq]);
            }
            (
                store.stream_head(&stream).expect("an index"),
                store.disclosures(seq).expect("disclosures"),
                store.stream_seqs(&stream, Seq(0), usize::MAX).expect("an index"),
                store.case_seqs(stream.case.as_ref(), Some("party")).expect("an index"),
            )
        };
        assert_eq!(all(store), all(other), "entry {seq}");
    }
    for level in 0..3u8 {
        for index in 0..=size >> (8 * (level + 1)) {
            let tile = |store: &dyn Store| store.tile(level, index).expect("a tile");
            assert_eq!(tile(store), tile(other), "tile {index} of level {level}");
        }
    }
}
