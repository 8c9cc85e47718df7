//! Verifying many signatures by one key quickly, with the verdict of SPEC §2 on every input.
//!
//! A signature (R, S) by A on M is valid iff S is canonical, A and R are canonical and not of small order, and
//! R = S·B − k·A with k = SHA-512(R ‖ A ‖ M). R′ = S·B − k·A depends on S and k only; it is computed from tables of
//! the multiples of B and of −A, encoded, and compared with the bytes of R. Encoding is canonical and each point has
//! one encoding, so equal bytes mean that R is canonical and equal, and R need not be decoded. Nothing is batched but
//! the field inversions of the encodings, which are exact.

use std::sync::OnceLock;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use sha2::{Digest, Sha512};

use crate::keys::PublicKey;

/// Bits of a scalar that are looked up at once for the base point: 380 KB of table.
const BASE_WIDTH: usize = 7;

/// Multiples of a point: for each window of `width` bits, its 1 to 2^(width−1) fold. A scalar is then one addition a
/// window, without doublings.
pub struct Table {
    width: usize,
    points: Vec<EdwardsPoint>,
}

impl Table {
    /// The table of a point; 2^(width−1) points of 160 bytes for each of 253/width + 1 windows.
    fn new(point: &EdwardsPoint, width: usize) -> Table {
        let windows = 253 / width + 1;
        let half = 1 << (width - 1);
        let mut points = Vec::with_capacity(windows * half);
        let mut base = *point;
        for _ in 0..windows {
            let mut multiple = base;
            for _ in 0..half {
                points.push(multiple);
                multiple += base;
            }
            // the last one pushed is half·base
            base = points.last().map_or(base, |last| last + last);
        }
        Table { width, points }
    }

    /// Adds the multiple of the point by a scalar below the group order.
    #[allow(clippy::op_ref, reason = "operands by value would be copied, 160 bytes each")]
    fn add_to(&self, sum: &mut EdwardsPoint, scalar: &Scalar) {
        let half = 1usize << (self.width - 1);
        let mut bits = Bits::new(scalar.as_bytes());
        let mut carry = 0;
        // sums go back and forth between two places, which saves copying each of them
        let mut other = *sum;
        let (mut from, mut to) = (&mut *sum, &mut other);
        let mut swapped = false;
        for window in self.points.chunks_exact(half) {
            // a digit from −half to half − 1; what it is short of its bits goes into the next one
            let digit = bits.take(self.width) + carry;
            carry = usize::from(digit >= half);
            match (carry, digit) {
                (0, 0) => continue,
                (0, up) => *to = &*from + &window[up - 1],
                (_, down) if down == 2 * half => continue,
                (_, down) => *to = &*from - &window[2 * half - down - 1],
            }
            std::mem::swap(&mut from, &mut to);
            swapped = !swapped;
        }
        if swapped {
            *to = *from;
        }
    }
}

/// The bits of a little-endian number, from the lowest.
struct Bits<'a> {
    bytes: &'a [u8; 32],
    at: usize,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8; 32]) -> Bits<'a> {
        Bits { bytes, at: 0 }
    }

    /// The next `count` bits, at most 8; zeros beyond the end.
    fn take(&mut self, count: usize) -> usize {
        let byte = self.at / 8;
        let low = self.bytes.get(byte).copied().unwrap_or(0);
        let high = self.bytes.get(byte + 1).copied().unwrap_or(0);
        let both = usize::from(u16::from_le_bytes([low, high]));
        let bits = both >> (self.at % 8) & ((1 << count) - 1);
        self.at += count;
        bits
    }
}

fn base_table() -> &'static Table {
    static BASE: OnceLock<Table> = OnceLock::new();
    BASE.get_or_init(|| Table::new(&ED25519_BASEPOINT_POINT, BASE_WIDTH))
}

/// Whether an encoding is the canonical one of a point of small order.
fn is_small_order(encoding: &[u8; 32]) -> bool {
    static TORSION: OnceLock<[[u8; 32]; 8]> = OnceLock::new();
    TORSION.get_or_init(|| EIGHT_TORSION.map(|point| point.compress().0)).contains(encoding)
}

/// A key with a table of its own.
pub struct FastKey {
    key: PublicKey,
    minus_a: Table,
}

impl FastKey {
    /// Makes the table; `None` for a key by which no signature is valid: not a point, not canonical, small order.
    pub fn new(key: &PublicKey, width: usize) -> Option<FastKey> {
        let point = CompressedEdwardsY(*key.as_bytes()).decompress()?;
        let usable = point.compress().0 == *key.as_bytes() && !point.is_small_order();
        usable.then(|| FastKey { key: *key, minus_a: Table::new(&-point, width) })
    }

    /// The R that a valid signature with this R and S on the message would have; `None` if S is not canonical.
    pub fn expected_r(&self, message: &[u8], signature: &[u8; 64]) -> Option<EdwardsPoint> {
        let (r, s) = split(signature);
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s))?;
        let mut hasher = Sha512::new();
        hasher.update(r);
        hasher.update(self.key.as_bytes());
        hasher.update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
        let mut sum = EdwardsPoint::identity();
        base_table().add_to(&mut sum, &s);
        self.minus_a.add_to(&mut sum, &k);
        Some(sum)
    }

    /// Whether a signature is valid. [`check_all`] does the same for many, faster.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.expected_r(message, signature).is_some_and(|r| check_all(&[r], &[signature]) == [true])
    }
}

fn split(signature: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut r, mut s) = ([0; 32], [0; 32]);
    r.copy_from_slice(&signature[..32]);
    s.copy_from_slice(&signature[32..]);
    (r, s)
}

/// Compares the R of each signature with the one expected, with one field inversion for all of them.
///
/// # Panics
/// If the two lists differ in length.
pub fn check_all(expected: &[EdwardsPoint], signatures: &[&[u8; 64]]) -> Vec<bool> {
    assert_eq!(expected.len(), signatures.len(), "a point for each signature");
    if expected.is_empty() {
        return Vec::new();
    }
    EdwardsPoint::compress_batch_alloc(expected)
        .iter()
        .zip(signatures)
        .map(|(point, signature)| point.0 == split(signature).0 && !is_small_order(&point.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn tables_multiply(bytes in any::<[u8; 32]>(), width in 4usize..=8) {
            let scalar = Scalar::from_bytes_mod_order(bytes);
            let table = Table::new(&ED25519_BASEPOINT_POINT, width);
            let mut product = EdwardsPoint::identity();
            table.add_to(&mut product, &scalar);
            prop_assert_eq!(product, EdwardsPoint::mul_base(&scalar));
        }
    }

    #[test]
    fn tables_multiply_at_the_edges() {
        for width in 4..=8 {
            let table = Table::new(&ED25519_BASEPOINT_POINT, width);
            for scalar in [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, -Scalar::from(2u8), Scalar::from(u64::MAX)] {
                let mut product = EdwardsPoint::identity();
                table.add_to(&mut product, &scalar);
                assert_eq!(product, EdwardsPoint::mul_base(&scalar));
            }
        }
    }
}
