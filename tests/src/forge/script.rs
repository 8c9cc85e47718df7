//! A ledger as a list of events, and the bytes that come of it (SPEC §5, §7, §11).
//!
//! Building computes everything that follows from the events: ids, `after`, pointers, the hash chain, the
//! tree, the checkpoint. So a fault put into one event leaves all the rest as it should be.

use std::collections::BTreeMap;

use super::event::{After, Edit, Event, How};
use super::note;
use super::sealing::Streams;
use super::tree::{self, Hash};
use super::{Json, Key, b64, sha256, time};

/// The checkpoint that closes a script.
#[derive(Clone)]
pub struct Seal {
    /// The first line of the note.
    pub origin: String,
    /// The size it states, if not the number of entries.
    pub size: Option<u64>,
    /// The root it states, if not that of the entries.
    pub root: Option<Hash>,
    /// Log keys that sign it, each under a name.
    pub signers: Vec<(String, Key)>,
    /// Witnesses that cosign it: name, key, seconds after the last entry's time.
    pub witnesses: Vec<(String, Key, i64)>,
    /// Changes the text before it is signed.
    pub edit_text: Edit<String>,
    /// Changes the signed note.
    pub edit_note: Edit<String>,
}

/// A ledger to be built.
#[derive(Clone)]
pub struct Script {
    /// The events in order; the first creates the ledger.
    pub events: Vec<Event>,
    /// The time of the first entry.
    pub start: i64,
    /// The checkpoint.
    pub seal: Seal,
    /// Changes the bundle's first line as an object.
    pub edit_header: Edit<Json>,
    /// Changes the bundle's lines (without their line feeds).
    pub edit_lines: Edit<Vec<Vec<u8>>>,
    /// Changes the bytes of the file.
    pub edit_file: Edit<Vec<u8>>,
}

/// An entry that was built.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The label of its event.
    pub label: String,
    /// The payload as signed.
    pub payload: Vec<u8>,
    /// SHA-256 of the PAE.
    pub event_hash: Hash,
    /// The envelope, as it would be handed in.
    pub envelope: String,
    /// The entry line.
    pub line: Vec<u8>,
    /// Its leaf hash.
    pub leaf: Hash,
    /// Its time in milliseconds, where it has one of the right form.
    pub time: i64,
    /// Disclosures beside it.
    pub disclosures: Vec<String>,
}

/// A ledger that was built.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Hex event hash of entry 0.
    pub id: String,
    /// The entries.
    pub entries: Vec<Entry>,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The bundle file.
    pub bundle: Vec<u8>,
    /// The keys that sign the checkpoint.
    pub log_keys: Vec<Key>,
}

impl Ledger {
    /// The position of the entry with this label.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn seq(&self, label: &str) -> u64 {
        let at = self.entries.iter().position(|e| e.label == label);
        at.unwrap_or_else(|| panic!("no entry {label}")).try_into().expect("a small number")
    }

    /// The line of the bundle on which the entry stands, counted from 1, where no line was added or taken away.
    #[must_use]
    pub fn line_number(&self, label: &str) -> u64 {
        let seq = self.seq(label);
        let before = self.entries.iter().take_while(|e| e.label != label);
        2 + seq + before.map(|e| e.disclosures.len() as u64).sum::<u64>()
    }

    /// The leaf hashes in order.
    #[must_use]
    pub fn leaves(&self) -> Vec<Hash> {
        self.entries.iter().map(|e| e.leaf).collect()
    }
}

/// DSSE's pre-authentication encoding.
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// A UUID of version 7 made from a time and a name.
#[must_use]
pub fn uuid_v7(ms: i64, name: &str) -> String {
    let mut b = [0u8; 16];
    b[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    b[6..].copy_from_slice(&sha256(name.as_bytes())[..10]);
    b[6] = b[6] & 0x0f | 0x70;
    b[8] = b[8] & 0x3f | 0x80;
    let h = hex::encode(b);
    format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
}

impl Script {
    /// Adds an event at the end.
    pub fn push(&mut self, event: Event) -> &mut Self {
        self.events.push(event);
        self
    }

    /// The same script with events added at the end.
    #[must_use]
    pub fn then(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.events.extend(events);
        self
    }

    /// The event with this label.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn event(&mut self, label: &str) -> &mut Event {
        self.events.iter_mut().find(|e| e.label == label).unwrap_or_else(|| panic!("no event {label}"))
    }

    /// The same script with one event changed.
    #[must_use]
    pub fn change(mut self, label: &str, f: impl FnOnce(&mut Event)) -> Self {
        f(self.event(label));
        self
    }

    /// The same script with one event replaced by what a function makes of it.
    #[must_use]
    pub fn map(mut self, label: &str, f: impl FnOnce(Event) -> Event) -> Self {
        let slot = self.event(label);
        *slot = f(slot.clone());
        self
    }

    /// The same script without an event.
    #[must_use]
    pub fn without_event(mut self, label: &str) -> Self {
        let before = self.events.len();
        self.events.retain(|e| e.label != label);
        assert_ne!(before, self.events.len(), "no event {label}");
        self
    }

    /// The same script with the checkpoint changed.
    #[must_use]
    pub fn sealed(mut self, f: impl FnOnce(&mut Seal)) -> Self {
        f(&mut self.seal);
        self
    }

    /// The same script with the bundle's first line changed.
    #[must_use]
    pub fn header(mut self, f: impl Fn(Json) -> Json + Send + Sync + 'static) -> Self {
        self.edit_header = Edit::new(f);
        self
    }

    /// The same script with the bundle's lines changed.
    #[must_use]
    pub fn lines(mut self, f: impl Fn(Vec<Vec<u8>>) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        self.edit_lines = Edit::new(f);
        self
    }

    /// The same script with the file's bytes changed.
    #[must_use]
    pub fn file(mut self, f: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Self {
        self.edit_file = Edit::new(f);
        self
    }

    /// Builds the ledger.
    ///
    /// # Panics
    ///
    /// If the script contradicts itself: an unknown label, a circle of references.
    #[must_use]
    pub fn build(&self) -> Ledger {
        let times = self.times();
        let payloads = self.payloads(&times);
        let id = hex::encode(payloads[0].1);
        let entries = self.entries(&times, payloads);
        let checkpoint = self.checkpoint(&entries);
        let bundle = self.bundle(&id, &entries, &checkpoint);
        let log_keys = self.seal.signers.iter().map(|(_, key)| key.clone()).collect();
        Ledger { id, entries, checkpoint, bundle, log_keys }
    }

    fn times(&self) -> Vec<i64> {
        let mut now = self.start;
        let next = |(i, e): (usize, &Event)| {
            now += if i == 0 { 0 } else { e.gap };
            now
        };
        self.events.iter().enumerate().map(next).collect()
    }

    /// Payload and event hash of each event. An event may name later ones: whatever can be made is made,
    /// until all are.
    fn payloads(&self, times: &[i64]) -> Vec<(Vec<u8>, Hash)> {
        let mut done: Vec<Option<(Vec<u8>, Hash)>> = vec![None; self.events.len()];
        let mut hashes = BTreeMap::new();
        let mut ledger = String::new();
        while done.iter().any(Option::is_none) {
            let before = hashes.len();
            for (i, event) in self.events.iter().enumerate() {
                if done[i].is_some() || (i > 0 && ledger.is_empty()) {
                    continue;
                }
                let mut object = self.object(i, times[i]);
                if let Some(edit) = &event.seal {
                    let Some(before) = done[..i].iter().map(Option::as_ref).collect::<Option<Vec<_>>>() else {
                        continue;
                    };
                    let streams = Streams::of(before.into_iter().map(|(payload, hash)| (&payload[..], *hash)));
                    object.set("body", edit.apply(streams.body(i)));
                }
                let mut needs = Vec::new();
                object.labels(&mut needs);
                if !needs.iter().all(|l| hashes.contains_key(*l)) {
                    continue;
                }
                object.resolve(&hashes, &ledger);
                let payload = event.edit_payload.apply_or(object.text(), String::into_bytes);
                let hash = sha256(&pae(&event.payload_type, &payload));
                if i == 0 {
                    ledger = hex::encode(hash);
                }
                assert!(hashes.insert(event.label.clone(), hex::encode(hash)).is_none(), "two events {}", event.label);
                done[i] = Some((payload, hash));
            }
            assert_ne!(before, hashes.len(), "events name one another in a circle, or one that is not there");
        }
        done.into_iter().flatten().collect()
    }

    /// The payload object of an event, with labels in place of hashes.
    fn object(&self, i: usize, now: i64) -> Json {
        let e = &self.events[i];
        let mut members = vec![("countersign".to_owned(), Json::Int(1))];
        let mut add = |k: &str, v: Json| members.push((k.to_owned(), v));
        if i > 0 {
            add("ledger", Json::LedgerId);
        }
        add("id", Json::Str(uuid_v7(now, e.id_name.as_ref().unwrap_or(&e.label))));
        add("kind", Json::from(&e.kind));
        add("subject", Json::from(&e.subject));
        if let Some(case) = &e.case {
            add("case", Json::from(case));
        }
        add(
            "after",
            match &e.after {
                After::Value(v) => v.clone(),
                After::Head => self.head(i).map_or(Json::Null, |h| Json::event_of(&self.events[h].label)),
            },
        );
        add("author", Json::from(&e.author));
        let usual = || Json::object([("at", Json::Str(time::text(now - 3_600_000)))]);
        add("occurred", e.occurred.clone().unwrap_or_else(usual));
        add("body", e.body.clone());
        members.extend(e.more.iter().cloned());
        e.edit_object.apply(Json::Obj(members))
    }

    /// The latest event before `i` in its stream.
    fn head(&self, i: usize) -> Option<usize> {
        let stream = self.events[i].stream();
        (0..i).rev().find(|&h| self.events[h].stream() == stream)
    }

    /// The three pointers as SPEC §5 says.
    fn pointers(&self, i: usize) -> [Option<usize>; 3] {
        let latest = |f: &dyn Fn(&Event) -> bool| (0..i).rev().find(|&h| f(&self.events[h]));
        let governance = latest(&|e| e.subject.starts_with("ledger/") || e.subject.starts_with("party/"));
        let case = self.events[i].case.as_ref().and_then(|x| {
            let subject = format!("case/{x}");
            latest(&|e| e.case.as_ref() == Some(x) && e.subject == subject)
        });
        [governance, case, self.head(i)]
    }

    fn entries(&self, times: &[i64], payloads: Vec<(Vec<u8>, Hash)>) -> Vec<Entry> {
        let mut prev = hex::encode([0; 32]);
        let mut entries = Vec::new();
        for (i, (payload, event_hash)) in payloads.into_iter().enumerate() {
            let event = &self.events[i];
            let envelope = envelope(event, &payload);
            let line = self.line(i, times[i], &prev, &envelope);
            let leaf = tree::leaf_hash(&line);
            prev = hex::encode(leaf);
            let disclosures = event.disclosures.clone();
            let label = event.label.clone();
            entries.push(Entry { label, payload, event_hash, envelope, line, leaf, time: times[i], disclosures });
        }
        entries
    }

    fn line(&self, i: usize, now: i64, prev: &str, envelope: &str) -> Vec<u8> {
        let event = &self.events[i];
        let honest = self.pointers(i);
        let pointer = |k: usize| match &event.pointers[k] {
            Some(v) => v.text(),
            None => honest[k].map_or_else(|| "null".to_owned(), |s| s.to_string()),
        };
        let line = format!(
            r#"{{"seq":{i},"time":"{}","prev":"{}","governance":{},"case":{},"stream":{},"envelope":{}}}"#,
            event.time.clone().unwrap_or_else(|| time::text(now)),
            event.prev.as_deref().unwrap_or(prev),
            pointer(0),
            pointer(1),
            pointer(2),
            envelope,
        );
        event.edit_line.apply_or(line, String::into_bytes)
    }

    /// The signed checkpoint over entries.
    #[must_use]
    pub fn checkpoint(&self, entries: &[Entry]) -> String {
        let seal = &self.seal;
        let leaves: Vec<Hash> = entries.iter().map(|e| e.leaf).collect();
        let size = seal.size.unwrap_or(leaves.len() as u64);
        let root = seal.root.unwrap_or_else(|| tree::root(&leaves));
        let text = seal.edit_text.apply(note::checkpoint_text(&seal.origin, size, &root));
        let mut signed = format!("{text}\n");
        for (name, key) in &seal.signers {
            signed += &note::log_line(name, key, &text);
        }
        let newest = entries.last().map_or(self.start, |e| e.time) / 1000;
        for (name, key, late) in &seal.witnesses {
            let seconds = u64::try_from(newest + late).expect("a time after 1970");
            signed += &note::cosignature_line(name, key, seconds, &text);
        }
        seal.edit_note.apply(signed)
    }

    fn bundle(&self, id: &str, entries: &[Entry], checkpoint: &str) -> Vec<u8> {
        let header = Json::object([
            ("countersign_bundle", Json::Int(1)),
            ("ledger", id.into()),
            ("scope", "full".into()),
            ("checkpoint", checkpoint.into()),
        ]);
        let mut lines = vec![self.edit_header.apply(header).text().into_bytes()];
        for entry in entries {
            lines.push(entry.line.clone());
            lines.extend(entry.disclosures.iter().map(|d| disclosure_line(d)));
        }
        let mut file = Vec::new();
        for line in self.edit_lines.apply(lines) {
            file.extend_from_slice(&line);
            file.push(b'\n');
        }
        self.edit_file.apply(file)
    }
}

/// The line of a bundle that carries a disclosure.
#[must_use]
pub fn disclosure_line(disclosure: &str) -> Vec<u8> {
    Json::object([("disclosure", disclosure.into())]).text().into_bytes()
}

/// The envelope of an event over a payload, as SPEC §4 stores it.
fn envelope(event: &Event, payload: &[u8]) -> String {
    let message = pae(&event.payload_type, payload);
    let sign = |s: &super::event::Signature| {
        let key = &s.key;
        let flip = |at: usize| {
            let mut sig = key.sign(&message).to_vec();
            sig[at] ^= 1;
            sig
        };
        let sig = match &s.how {
            How::Good => key.sign(&message).to_vec(),
            How::LargeS => key.sign_with_large_s(&message).to_vec(),
            How::TorsionInR(i) => key.sign_with_torsion_in_r(&message, *i).to_vec(),
            How::SmallOrderR => key.sign_with_small_order_r(&message).to_vec(),
            How::NoncanonicalR => key.sign_with_noncanonical_r(&message).to_vec(),
            How::FlippedS => flip(40),
            How::FlippedR => flip(3),
            How::PayloadOnly => key.sign(payload).to_vec(),
            How::OtherType(t) => key.sign(&pae(t, payload)).to_vec(),
            How::Over(bytes) => key.sign(bytes).to_vec(),
            How::Bytes(bytes) => bytes.clone(),
        };
        (s.keyid.clone().unwrap_or_else(|| key.id()), b64(&sig))
    };
    let mut signatures: Vec<(String, String)> = event.signatures.iter().map(sign).collect();
    signatures.sort();
    let signatures: Vec<Json> = event
        .edit_signatures
        .apply(signatures)
        .into_iter()
        .map(|(keyid, sig)| Json::object([("keyid", keyid.into()), ("sig", sig.into())]))
        .collect();
    let envelope = Json::object([
        ("payloadType", Json::from(&event.payload_type)),
        ("payload", b64(payload).into()),
        ("signatures", Json::Arr(signatures)),
    ]);
    event.edit_envelope.apply(envelope.text())
}
