//! The id of an imported event: a UUID of version 8 that anybody derives again from the row (SPEC §3, RFC 9562 §5.8).
//!
//! It is the first 16 bytes of SHA-256 over five fields, each preceded by its length in bytes as a 32-bit big-endian
//! number, with the version and variant bits set:
//!
//! 1. the ASCII text `countersign.event-id.v1`
//! 2. the ledger id, 64 lower-case hex digits
//! 3. the author: a party id
//! 4. the kind
//! 5. the row's own key, UTF-8, as the map makes it
//!
//! The same row imported twice, from any machine, has the same id, and the ledger records it once. The convention is
//! these tools' own: to the ledger and the verifier every UUID of version 8 is as good.
//!
//! For example ledger `ab` × 32, author `us-dla`, kind `transfer.dispatched` and key `2YTKXD71513126` give
//! `a7e61b49-be64-8695-aee5-33ae63fcec56`.

use countersign_ledger::hash::{LedgerId, sha256};
use uuid::Uuid;

/// The first field: what the hash is for.
const DOMAIN: &str = "countersign.event-id.v1";

/// Derives an event's id from the key that its author's records have for it.
pub(crate) fn event_id(ledger: &LedgerId, author: &str, kind: &str, key: &str) -> Uuid {
    let ledger = ledger.to_string();
    let mut input = Vec::with_capacity(128 + key.len());
    for field in [DOMAIN, &ledger, author, kind, key] {
        let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
        input.extend_from_slice(&length.to_be_bytes());
        input.extend_from_slice(field.as_bytes());
    }
    let hash = sha256(&[&input]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Uuid::new_v8(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_documented_vector() {
        let ledger: LedgerId = "ab".repeat(32).parse().unwrap();
        let id = event_id(&ledger, "us-dla", "transfer.dispatched", "2YTKXD71513126");
        assert_eq!(id.to_string(), "a7e61b49-be64-8695-aee5-33ae63fcec56");
        assert!(countersign_ledger::event::parse_event_id(&id.to_string()).is_ok());
    }

    #[test]
    fn every_field_and_boundary_counts() {
        let ledger: LedgerId = "ab".repeat(32).parse().unwrap();
        let other: LedgerId = "cd".repeat(32).parse().unwrap();
        let ids = [
            event_id(&ledger, "a", "k.k", "x"),
            event_id(&other, "a", "k.k", "x"),
            event_id(&ledger, "ak", ".k", "x"),
            event_id(&ledger, "a", "k.kx", ""),
            event_id(&ledger, "a", "k.k", "X"),
        ];
        for (i, id) in ids.iter().enumerate() {
            assert!(!ids[..i].contains(id));
        }
    }
}
