//! Entry lines (SPEC §5) and their envelopes in stored form (SPEC §4).
//!
//! A line has exactly one spelling. The parser walks it byte by byte and knows no JSON: member order, no white
//! space, no escapes, numbers without leading zeros, times with three fraction digits, canonical base64.

use crate::event::{PAYLOAD_TYPE, is_newer_payload_type};
use crate::fields::Malformed;
use crate::hash::{Hash, KeyId};
use crate::json::MAX_INTEGER;
use crate::scalar::base64_bytes;
use crate::time::Instant;

/// The longest entry line, in bytes (SPEC §12).
pub const MAX_ENTRY: usize = 65_535;
/// The most signatures of an envelope (SPEC §4).
pub const MAX_SIGNATURES: usize = 16;

/// One signature of an envelope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnvelopeSignature {
    /// The key that it names.
    pub keyid: KeyId,
    /// The 64 bytes.
    pub bytes: [u8; 64],
}

/// An entry line, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its position in the ledger.
    pub seq: u64,
    /// When it was admitted.
    pub time: Instant,
    /// The leaf hash before it.
    pub prev: Hash,
    /// The latest earlier entry about the ledger or a party.
    pub governance: Option<u64>,
    /// The latest earlier entry of its case's stream.
    pub case: Option<u64>,
    /// The latest earlier entry of its stream.
    pub stream: Option<u64>,
    /// The payload type; that of version 1 or a later one.
    pub payload_type: String,
    /// The payload, as signed.
    pub payload: Vec<u8>,
    /// The signatures, sorted by key id.
    pub signatures: Vec<EnvelopeSignature>,
}

impl Entry {
    /// Whether a later version of the format made the payload.
    pub fn is_newer(&self) -> bool {
        self.payload_type != PAYLOAD_TYPE
    }

    /// Reads a line, without its newline.
    ///
    /// # Errors
    /// Names the first byte that the canonical form has otherwise.
    pub fn parse(line: &[u8]) -> Result<Entry, Malformed> {
        if line.len() > MAX_ENTRY {
            return Err(Malformed::new("entry", format!("at most {MAX_ENTRY} bytes"), format!("{} bytes", line.len())));
        }
        let mut cursor = Cursor { line, at: 0 };
        let c = &mut cursor;
        c.literal("{\"seq\":")?;
        let seq = c.number("seq")?;
        c.literal(",\"time\":\"")?;
        let time = c.form("time", "a time with three fraction digits", Instant::parse_millis)?;
        c.literal("\",\"prev\":\"")?;
        let prev = c.form("prev", "64 lower-case hex digits", Hash::from_hex)?;
        c.literal("\",\"governance\":")?;
        let governance = c.pointer("governance")?;
        c.literal(",\"case\":")?;
        let case = c.pointer("case")?;
        c.literal(",\"stream\":")?;
        let stream = c.pointer("stream")?;
        c.literal(",\"envelope\":{\"payloadType\":\"")?;
        let payload_type = c.form("payloadType", "application/vnd.countersign.event.v1+json", |text| {
            let text = std::str::from_utf8(text).ok()?;
            (text == PAYLOAD_TYPE || is_newer_payload_type(text)).then(|| text.to_owned())
        })?;
        c.literal("\",\"payload\":\"")?;
        let payload = c.form("payload", "padded canonical base64", base64_bytes)?;
        c.literal("\",\"signatures\":[")?;
        let signatures = c.signatures()?;
        c.literal("]}}")?;
        if cursor.at != line.len() {
            return Err(cursor.fault("the end of the line"));
        }
        Ok(Entry { seq, time, prev, governance, case, stream, payload_type, payload, signatures })
    }
}

struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.line[self.at..]
    }

    fn fault(&self, expected: impl Into<String>) -> Malformed {
        let rest = self.rest();
        let found = if rest.is_empty() {
            "the end of the line".to_owned()
        } else {
            crate::escape::quoted_bytes(&rest[..rest.len().min(24)])
        };
        Malformed::new(format!("entry byte {}", self.at), expected, found)
    }

    fn literal(&mut self, text: &str) -> Result<(), Malformed> {
        if self.rest().starts_with(text.as_bytes()) {
            self.at += text.len();
            Ok(())
        } else {
            Err(self.fault(text))
        }
    }

    fn number(&mut self, name: &str) -> Result<u64, Malformed> {
        let digits = self.rest().iter().take_while(|b| b.is_ascii_digit());
        let text = &self.rest()[..digits.count()];
        let number = std::str::from_utf8(text)
            .ok()
            .and_then(crate::scalar::decimal)
            .filter(|n| *n <= MAX_INTEGER.unsigned_abs())
            .ok_or_else(|| self.fault(format!("{name}: an integer without leading zero")))?;
        self.at += text.len();
        Ok(number)
    }

    fn pointer(&mut self, name: &str) -> Result<Option<u64>, Malformed> {
        if self.rest().starts_with(b"null") {
            self.at += 4;
            return Ok(None);
        }
        self.number(name).map(Some)
    }

    /// Reads the text up to the next quote and turns it into a value.
    fn form<T>(&mut self, name: &str, expected: &str, read: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, Malformed> {
        let end = self.rest().iter().position(|b| *b == b'"');
        let text = &self.rest()[..end.unwrap_or(self.rest().len())];
        let value = read(text)
            .ok_or_else(|| Malformed::new(format!("entry {name}"), expected, crate::escape::quoted_bytes(text)))?;
        self.at += text.len();
        Ok(value)
    }

    fn signatures(&mut self) -> Result<Vec<EnvelopeSignature>, Malformed> {
        let mut signatures: Vec<EnvelopeSignature> = Vec::with_capacity(2);
        loop {
            if signatures.len() == MAX_SIGNATURES {
                return Err(self.fault(format!("at most {MAX_SIGNATURES} signatures")));
            }
            self.literal("{\"keyid\":\"")?;
            let keyid = self.form("keyid", "64 lower-case hex digits", Hash::from_hex)?;
            self.literal("\",\"sig\":\"")?;
            let bytes = self.form("sig", "64 bytes in padded canonical base64", |text| {
                <[u8; 64]>::try_from(base64_bytes(text)?).ok()
            })?;
            self.literal("\"}")?;
            let keyid = KeyId(keyid);
            if signatures.last().is_some_and(|last| last.keyid >= keyid) {
                return Err(Malformed::new(
                    "entry signatures",
                    "each key once, in the order of key ids",
                    keyid.to_string(),
                ));
            }
            signatures.push(EnvelopeSignature { keyid, bytes });
            if !self.rest().starts_with(b",") {
                return Ok(signatures);
            }
            self.at += 1;
        }
    }
}
