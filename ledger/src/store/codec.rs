//! Entry lines in fewer bytes: what is base64 or hex in a line is stored raw, what is the same in each is left out.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | form: 0 verbatim, and the line follows; 1 decoded |
//! | varint | time, milliseconds since 1970, zigzag |
//! | 32 | `prev` |
//! | 3 varints | `governance`, `case`, `stream`: how far back, 0 for `null` |
//! | 1 | number of signatures |
//! | 32 each | key ids |
//! | 64 each | signatures |
//! | rest | payload |
//!
//! The seq is that of the record's key. [`encode`] decodes what it made and compares: a line that would not come back
//! bit for bit is stored verbatim, so that no line depends on this module's idea of the form (SPEC §5). A record can
//! be read alone, and its raw bytes are left to the store's block compression.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::entry::{Entry, MAX_ENTRY};
use crate::envelope::{EVENT_TYPE, Envelope};
use crate::hash::{KeyId, LeafHash};
use crate::id::Seq;
use crate::keys::Signature;
use crate::time::Time;

const VERBATIM: u8 = 0;
const DECODED: u8 = 1;

/// Tells why a stored record is no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The record begins with a byte that this version does not write.
    #[error("expected a record of form 0 or 1, found {found}")]
    Form {
        /// The byte.
        found: u8,
    },
    /// The record ends before its last member.
    #[error("the record ends within {member}")]
    Truncated {
        /// The member.
        member: &'static str,
    },
    /// A member has a value that no entry has.
    #[error("{member} has a value that no entry has")]
    Value {
        /// The member.
        member: &'static str,
    },
}

/// Returns the record of an entry's line.
#[must_use]
pub fn encode(seq: Seq, line: &[u8]) -> Vec<u8> {
    if let Some(record) = shorten(seq, line)
        && decode(seq, &record).is_ok_and(|again| again == line)
    {
        return record;
    }
    let mut record = Vec::with_capacity(1 + line.len());
    record.push(VERBATIM);
    record.extend_from_slice(line);
    record
}

/// Returns the line of a record.
///
/// # Errors
/// When the record is none that [`encode`] makes.
pub fn decode(seq: Seq, record: &[u8]) -> Result<Vec<u8>, CodecError> {
    match record.split_first() {
        Some((&VERBATIM, line)) => Ok(line.to_vec()),
        Some((&DECODED, rest)) => Record { rest }.entry(seq).map(|entry| entry.line().into_bytes()),
        Some((&found, _)) => Err(CodecError::Form { found }),
        None => Err(CodecError::Truncated { member: "the form" }),
    }
}

/// Reads the members of a canonical line; `None` at the first byte that is not as such a line has it.
fn shorten(seq: Seq, line: &[u8]) -> Option<Vec<u8>> {
    if line.len() > MAX_ENTRY {
        return None;
    }
    let mut line = Line { rest: std::str::from_utf8(line).ok()? };
    let mut record = Vec::with_capacity(line.rest.len());
    record.push(DECODED);
    line.literal("{\"seq\":")?;
    line.literal(&seq.to_string())?;
    line.literal(",\"time\":\"")?;
    let time: Time = line.until('"')?.parse().ok()?;
    push_varint(&mut record, zigzag(time.unix_millis()));
    line.literal(",\"prev\":\"")?;
    push_hex(&mut record, line.until('"')?)?;
    for name in [",\"governance\":", "\"case\":", "\"stream\":"] {
        line.literal(name)?;
        let back = match line.until(',')? {
            "null" => 0,
            target => seq.0.checked_sub(target.parse().ok()?).filter(|back| *back > 0)?,
        };
        push_varint(&mut record, back);
    }
    line.literal("\"envelope\":{\"payloadType\":\"")?;
    line.literal(EVENT_TYPE)?;
    line.literal("\",\"payload\":\"")?;
    let payload = line.until('"')?;
    line.literal(",\"signatures\":[")?;
    let count = record.len();
    record.push(0);
    let mut signatures = Vec::with_capacity(line.rest.len());
    while !line.rest.starts_with(']') {
        if record[count] > 0 {
            line.literal(",")?;
        }
        record[count] = record[count].checked_add(1)?;
        line.literal("{\"keyid\":\"")?;
        push_hex(&mut record, line.until('"')?)?;
        line.literal(",\"sig\":\"")?;
        STANDARD.decode_vec(line.until('"')?, &mut signatures).ok()?;
        line.literal("}")?;
    }
    line.literal("]}}")?;
    record.extend_from_slice(&signatures);
    STANDARD.decode_vec(payload, &mut record).ok()?;
    line.rest.is_empty().then_some(record)
}

/// What is left of a line that is being read.
struct Line<'a> {
    rest: &'a str,
}

impl<'a> Line<'a> {
    fn literal(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// Takes what stands before `end`, and drops `end`.
    fn until(&mut self, end: char) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(taken)
    }
}

fn push_hex(record: &mut Vec<u8>, text: &str) -> Option<()> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    record.extend_from_slice(&bytes);
    Some(())
}

fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn push_varint(record: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        record.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    record.push((value & 0x7f) as u8);
}

/// What is left of a record that is being read.
struct Record<'a> {
    rest: &'a [u8],
}

impl Record<'_> {
    fn entry(mut self, seq: Seq) -> Result<Entry, CodecError> {
        let time =
            Time::from_unix_millis(unzigzag(self.varint("time")?)).ok_or(CodecError::Value { member: "time" })?;
        let prev = LeafHash::from_bytes(self.bytes("prev")?);
        let governance = self.pointer(seq, "governance")?;
        let case = self.pointer(seq, "case")?;
        let stream = self.pointer(seq, "stream")?;
        let [count] = self.bytes("the number of signatures")?;
        let keyids: Result<Vec<_>, _> = (0..count).map(|_| self.bytes("keyid").map(KeyId::from_bytes)).collect();
        let mut signatures = Vec::with_capacity(usize::from(count));
        for keyid in keyids? {
            signatures.push((keyid, Signature::from_bytes(self.bytes("sig")?)));
        }
        let envelope = Envelope::new(self.rest.to_vec(), signatures);
        let envelope = envelope.map_err(|_| CodecError::Value { member: "envelope" })?;
        Ok(Entry { seq, time, prev, governance, case, stream, envelope })
    }

    fn bytes<const N: usize>(&mut self, member: &'static str) -> Result<[u8; N], CodecError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(CodecError::Truncated { member })?;
        self.rest = rest;
        Ok(*taken)
    }

    fn varint(&mut self, member: &'static str) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.bytes(member)?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(CodecError::Value { member })
    }

    fn pointer(&mut self, seq: Seq, member: &'static str) -> Result<Option<Seq>, CodecError> {
        match self.varint(member)? {
            0 => Ok(None),
            back => seq.0.checked_sub(back).map(|at| Some(Seq(at))).ok_or(CodecError::Value { member }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::keys::SigningKey;
    use proptest::prelude::*;

    fn entry(seq: u64, pointers: [Option<u64>; 3], payload: Vec<u8>, signers: u8) -> Entry {
        let keys: Vec<_> = (0..signers).map(|i| SigningKey::from_seed(&[i; 32])).collect();
        let [governance, case, stream] = pointers.map(|p| p.map(Seq));
        Entry {
            seq: Seq(seq),
            time: "2026-09-21T14:14:37.123Z".parse().unwrap(),
            prev: LeafHash::of_line(&payload),
            governance,
            case,
            stream,
            envelope: Envelope::sign(payload, &keys.iter().collect::<Vec<_>>()).unwrap(),
        }
    }

    #[test]
    fn canonical_lines_are_stored_decoded() {
        let entry = entry(300, [Some(299), None, Some(0)], b"{\"a\":1}".to_vec(), 2);
        let line = entry.line().into_bytes();
        let record = encode(Seq(300), &line);
        assert_eq!(record.len(), 1 + 6 + 32 + 1 + 1 + 2 + 1 + 2 * 96 + 7);
        assert_eq!(decode(Seq(300), &record).unwrap(), line);
    }

    #[test]
    fn other_lines_are_stored_verbatim() {
        let line = entry(5, [None, Some(4), None], b"{}".to_vec(), 2).line();
        let pointer_ahead = line.replace("\"case\":4", "\"case\":5");
        let leading_zero = line.replace("\"case\":4", "\"case\":04");
        let capitals = line.replace("\"prev\":\"", "\"prev\":\"AB").replacen("AB44", "AB", 1);
        let loose_base64 = line.replace("\"e30=\"", "\"e31=\"");
        let other_type = line.replace("event.v1", "event.v2");
        let no_fraction = line.replace(".123Z", "Z");
        let swapped = {
            let (start, rest) = line.split_once("\"signatures\":[").unwrap();
            let (one, two) = rest.trim_end_matches("]}}").split_once("},").unwrap();
            format!("{start}\"signatures\":[{two},{one}}}]}}}}")
        };
        let others = [pointer_ahead, leading_zero, capitals, loose_base64, other_type, no_fraction, swapped];
        for text in others.iter().map(String::as_str).chain(["", "{", "\u{e9}", &line[..line.len() - 1], &line[1..]]) {
            let record = encode(Seq(5), text.as_bytes());
            assert_eq!(record[0], VERBATIM, "{text}");
            assert_eq!(decode(Seq(5), &record).unwrap(), text.as_bytes());
        }
        assert_eq!(encode(Seq(6), line.as_bytes())[0], VERBATIM, "a line under another key");
    }

    #[test]
    fn broken_records_are_errors() {
        let line = entry(300, [Some(299), None, Some(0)], b"{\"a\":1}".to_vec(), 2).line();
        let record = encode(Seq(300), line.as_bytes());
        for end in 0..record.len() - 7 {
            assert!(decode(Seq(300), &record[..end]).is_err(), "{end}");
        }
        assert_eq!(decode(Seq(300), &[7]), Err(CodecError::Form { found: 7 }));
        assert_eq!(decode(Seq(3), &record), Err(CodecError::Value { member: "stream" }));
        assert_eq!(decode(Seq(3), &[1; 1]), Err(CodecError::Truncated { member: "time" }));
        assert_eq!(decode(Seq(3), &[[1].as_slice(), &[0xff; 12]].concat()), Err(CodecError::Value { member: "time" }));
    }

    proptest! {
        #[test]
        fn every_line_comes_back(
            seq in 0..1u64 << 53,
            pointers: [Option<u64>; 3],
            payload in prop::collection::vec(any::<u8>(), 0..300),
            signers in 0..4u8,
            cut: prop::sample::Index,
            flip in 1..255u8,
        ) {
            let pointers = pointers.map(|p| p.and_then(|p| p.checked_rem(seq)));
            let mut line = entry(seq, pointers, payload, signers).line().into_bytes();
            let record = encode(Seq(seq), &line);
            prop_assert_eq!(record[0], DECODED);
            prop_assert_eq!(decode(Seq(seq), &record).unwrap(), line.clone());
            let at = cut.index(line.len());
            line[at] ^= flip;
            prop_assert_eq!(decode(Seq(seq), &encode(Seq(seq), &line)).unwrap(), line);
        }

        #[test]
        fn any_bytes_decode_or_are_refused(seq: u64, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(Seq(seq), &bytes);
        }

        #[test]
        fn varints_come_back(value: u64, signed: i64) {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            let mut record = Record { rest: &bytes };
            prop_assert_eq!(record.varint("x").unwrap(), value);
            prop_assert_eq!(unzigzag(zigzag(signed)), signed);
        }
    }
}
