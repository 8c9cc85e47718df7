//! Tables of multiples of a point, for verification without doublings.
//!
//! A scalar is cut into windows of W bits, and the table holds, for each window, 1 to 2^(W−1) times the point shifted to
//! that window. A product is then one addition for each window that is not zero; digits are signed, so half of the
//! multiples are enough. Nothing here is secret, and nothing here runs in constant time.

use std::sync::LazyLock;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use sha2::{Digest as _, Sha512};

use super::{PublicKey, Signature};

/// The window of a key's table: 43 additions from 215 KiB. Wider windows take more time for more cache misses.
const KEY_WINDOW: usize = 6;
/// The window of the base point's table, of which there is one: 32 additions from 640 KiB.
const BASE_WINDOW: usize = 8;

/// The multiples of the base point B.
static BASE: LazyLock<Table<BASE_WINDOW>> = LazyLock::new(|| Table::new(ED25519_BASEPOINT_POINT));
/// The encodings of the eight points of small order.
static SMALL_ORDER: LazyLock<[[u8; 32]; 8]> = LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().to_bytes()));

/// Multiples of one point.
struct Table<const W: usize>(Vec<EdwardsPoint>);

impl<const W: usize> Table<W> {
    /// The windows that cover 256 bits.
    const WINDOWS: usize = 256usize.div_ceil(W);
    /// The multiples that are kept for each window.
    const HALF: usize = 1 << (W - 1);

    fn new(point: EdwardsPoint) -> Self {
        let mut multiples = Vec::with_capacity(Self::WINDOWS * Self::HALF);
        let mut shifted = point;
        for _ in 0..Self::WINDOWS {
            let mut multiple = shifted;
            for _ in 1..Self::HALF {
                multiples.push(multiple);
                multiple += shifted;
            }
            multiples.push(multiple);
            // The last multiple is 2^(W−1) times the shifted point: twice that is the next window's.
            shifted = multiple + multiple;
        }
        Self(multiples)
    }

    /// Adds `scalar` times the point to `sum`, exactly: no digit is reduced or dropped. `scalar` is below 2^255.
    fn add_product(&self, scalar: &Scalar, sum: &mut EdwardsPoint) {
        let mut bytes = [0; 36];
        bytes[..32].copy_from_slice(scalar.as_bytes());
        let mut carry = 0;
        for (window, multiples) in self.0.chunks_exact(Self::HALF).enumerate() {
            let bit = window * W;
            let (at, shift) = (bit / 8, bit % 8);
            let word = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            let digit = ((word >> shift) as usize & (2 * Self::HALF - 1)) + carry;
            // A digit above half stands for itself minus 2^W, with one carried to the next window.
            carry = usize::from(digit > Self::HALF);
            if carry == 1 {
                if let Some(below) = (2 * Self::HALF - digit).checked_sub(1) {
                    *sum -= multiples[below];
                }
            } else if let Some(below) = digit.checked_sub(1) {
                *sum += multiples[below];
            }
        }
    }
}

/// The multiples of one public key, negated.
pub(super) struct KeyTable {
    key: PublicKey,
    minus: Table<KEY_WINDOW>,
}

impl KeyTable {
    /// Computes the table, in the time of some ten verifications.
    ///
    /// `None` for what is no acceptable key, which [`PublicKey`] cannot hold.
    pub(super) fn new(key: &PublicKey) -> Option<Self> {
        let point = CompressedEdwardsY(*key.as_bytes()).decompress()?;
        (!point.is_small_order()).then(|| Self { key: *key, minus: Table::new(-point) })
    }

    /// Computes sB − kA, the point that R must be the encoding of.
    ///
    /// `None` when the signature is not valid whatever that point is: s is not canonical, or R is of small order.
    pub(super) fn expected(&self, message: &[u8], signature: &Signature) -> Option<EdwardsPoint> {
        let (r, s) = halves(signature);
        if SMALL_ORDER.contains(r) {
            return None;
        }
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(*s))?;
        let digest = Sha512::new().chain_update(r).chain_update(self.key.as_bytes()).chain_update(message).finalize();
        let k = Scalar::from_bytes_mod_order_wide(&digest.into());
        let mut sum = EdwardsPoint::identity();
        BASE.add_product(&s, &mut sum);
        self.minus.add_product(&k, &mut sum);
        Some(sum)
    }

    /// Tells whether the signature is valid, with the verdict of `verify_strict`.
    pub(super) fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        let expected = self.expected(message, signature);
        expected.is_some_and(|point| point.compress().as_bytes() == halves(signature).0)
    }
}

/// Cuts a signature into R and s.
pub(super) fn halves(signature: &Signature) -> (&[u8; 32], &[u8; 32]) {
    let (halves, _) = signature.as_bytes().as_chunks::<32>();
    (&halves[0], &halves[1])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use curve25519_dalek::scalar::clamp_integer;
    use proptest::prelude::*;

    use super::*;
    use crate::keys::SigningKey;

    /// Both verdicts, which must be one.
    fn verdict(key: &PublicKey, message: &[u8], signature: [u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        let strict = key.verify(message, &signature).is_ok();
        assert_eq!(KeyTable::new(key).unwrap().verify(message, &signature), strict, "{key} {signature:?}");
        strict
    }

    /// A key of which the scalar is known, to make signatures that no signer would.
    fn pair(seed: [u8; 32]) -> (Scalar, PublicKey) {
        let digest: [u8; 64] = Sha512::digest(seed).into();
        let scalar = Scalar::from_bytes_mod_order(clamp_integer(digest[..32].try_into().unwrap()));
        let key = SigningKey::from_seed(&seed).public();
        assert_eq!(EdwardsPoint::mul_base(&scalar).compress().as_bytes(), key.as_bytes());
        (scalar, key)
    }

    fn challenge(r: &[u8; 32], key: &PublicKey, message: &[u8]) -> Scalar {
        let digest = Sha512::new().chain_update(r).chain_update(key.as_bytes()).chain_update(message).finalize();
        Scalar::from_bytes_mod_order_wide(&digest.into())
    }

    fn join(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
        [*r, *s].concat().try_into().unwrap()
    }

    /// The order of the base point, little-endian.
    fn order() -> [u8; 32] {
        let mut bytes = (-Scalar::ONE).to_bytes();
        bytes[0] += 1;
        bytes
    }

    /// Adds without reduction.
    fn add(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
        let mut carry = 0;
        std::array::from_fn(|at| {
            let sum = u16::from(a[at]) + u16::from(b[at]) + carry;
            carry = sum >> 8;
            sum.to_le_bytes()[0]
        })
    }

    fn check_product<const W: usize>(table: &Table<W>, point: &EdwardsPoint, scalar: &Scalar) {
        let mut sum = EdwardsPoint::identity();
        table.add_product(scalar, &mut sum);
        assert_eq!(sum, point * scalar, "{scalar:?}");
    }

    #[test]
    fn products_are_exact_at_every_edge_of_a_window() {
        // A point with a torsion component: a product that is wrong by a multiple of the order would show.
        let point = EdwardsPoint::mul_base(&Scalar::from(77u64)) + EIGHT_TORSION[1];
        let (narrow, wide) = (Table::<KEY_WINDOW>::new(point), Table::<BASE_WINDOW>::new(point));
        let mut scalars = vec![Scalar::ZERO, Scalar::ONE, -Scalar::ONE, -Scalar::from(2u64)];
        for bit in 0..252u32 {
            let power = (0..bit).fold(Scalar::ONE, |power, _| power + power);
            scalars.extend([power, power - Scalar::ONE, power + Scalar::ONE, -power]);
        }
        for byte in [0x55, 0xaa, 0x80, 0x7f, 0xff, 0x20, 0x1f] {
            let mut bytes = [byte; 32];
            bytes[31] = 0x0f;
            scalars.push(Scalar::from_bytes_mod_order(bytes));
        }
        for scalar in &scalars {
            check_product(&narrow, &point, scalar);
            check_product(&wide, &point, scalar);
        }
    }

    #[test]
    fn the_identity_as_r_is_refused_though_the_equation_holds() {
        let (a, key) = pair([3; 32]);
        let identity = EdwardsPoint::identity().compress().to_bytes();
        let s = challenge(&identity, &key, b"hello") * a;
        assert!(!verdict(&key, b"hello", join(&identity, s.as_bytes())));
        // The same point in other encodings: y = p + 1, and x = -0.
        let mut above = [0xff; 32];
        (above[0], above[31]) = (0xee, 0x7f);
        let mut negative = identity;
        negative[31] |= 0x80;
        for r in [above, negative] {
            let s = challenge(&r, &key, b"hello") * a;
            assert!(!verdict(&key, b"hello", join(&r, s.as_bytes())));
        }
    }

    #[test]
    fn r_with_a_torsion_component_is_refused() {
        let (a, key) = pair([4; 32]);
        let nonce = Scalar::from(1_234_567u64);
        for (at, torsion) in EIGHT_TORSION.iter().enumerate() {
            let r = (EdwardsPoint::mul_base(&nonce) + torsion).compress().to_bytes();
            let s = nonce + challenge(&r, &key, b"hello") * a;
            assert_eq!(verdict(&key, b"hello", join(&r, s.as_bytes())), at == 0);
            let r = torsion.compress().to_bytes();
            for s in [Scalar::ZERO, Scalar::ONE, nonce, challenge(&r, &key, b"hello") * a] {
                assert!(!verdict(&key, b"hello", join(&r, s.as_bytes())));
            }
        }
    }

    #[test]
    fn only_the_canonical_s_is_accepted() {
        let (a, key) = pair([5; 32]);
        let nonce = Scalar::from(99u64);
        let r = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
        let s = (nonce + challenge(&r, &key, b"hello") * a).to_bytes();
        assert!(verdict(&key, b"hello", join(&r, &s)));
        let mut more = s;
        for _ in 0..14 {
            more = add(&more, &order());
            assert!(!verdict(&key, b"hello", join(&r, &more)));
        }
        for s in [[0; 32], order(), (-Scalar::ONE).to_bytes(), [0xff; 32]] {
            assert!(!verdict(&key, b"hello", join(&r, &s)));
        }
        let mut high = s;
        for bit in [0x20, 0x40, 0x80] {
            high[31] = s[31] | bit;
            assert!(!verdict(&key, b"hello", join(&r, &high)));
        }
    }

    #[test]
    fn the_base_point_as_key_is_a_key_like_others() {
        let key = PublicKey::from_bytes(&ED25519_BASEPOINT_POINT.compress().to_bytes()).unwrap();
        for at in 1..50u8 {
            let nonce = Scalar::from(u64::from(at));
            let r = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
            let s = nonce + challenge(&r, &key, &[at]);
            assert!(verdict(&key, &[at], join(&r, s.as_bytes())));
            assert!(!verdict(&key, &[at], join(&r, (-s).as_bytes())));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn random_products_are_exact(bytes: [u8; 32]) {
            let scalar = Scalar::from_bytes_mod_order(bytes);
            let point = ED25519_BASEPOINT_POINT + EIGHT_TORSION[3];
            check_product(&Table::<KEY_WINDOW>::new(point), &point, &scalar);
            check_product(&BASE, &ED25519_BASEPOINT_POINT, &scalar);
        }

        #[test]
        fn changed_signatures_have_the_strict_verdict(
            seed: [u8; 32], message: Vec<u8>, bit in 0usize..512, other: [u8; 64], part in 0usize..4,
        ) {
            let key = SigningKey::from_seed(&seed);
            let good = *key.sign(&message).as_bytes();
            prop_assert!(verdict(&key.public(), &message, good));
            let mut changed = good;
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verdict(&key.public(), &message, changed));
            let mut mixed = good;
            mixed[part * 16..][..16].copy_from_slice(&other[..16]);
            prop_assert!(!verdict(&key.public(), &message, mixed) || mixed == good);
            prop_assert!(!verdict(&key.public(), &message, other));
            prop_assert!(!verdict(&key.public(), b"another message", good) || message == b"another message");
            let stranger = SigningKey::from_seed(&other[..32].try_into().unwrap());
            prop_assert!(!verdict(&stranger.public(), &message, good) || stranger.public() == key.public());
        }
    }
}
