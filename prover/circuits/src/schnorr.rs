//! Schnorr signatures over Pallas with the Kimchi hash, as zkApp commands have them.
//!
//! Scalars are used in the form that [`PointVar::scale_shifted_254`] multiplies by: for `k` below
//! `2^254` it gives `(2k + 1 + 2^255)·P`. With the order `q = 2^254 + d` of the group:
//!
//! - of a challenge `e = 2h + o` with the parity `o`, the product by `k = h + d` is `e·P` if `o = 1`,
//!   and by `k = h + d + (q − 1)/2` if `o = 0`: both are identities of integers modulo `q`;
//! - of the scalar of a signature nothing is asked but that it exists, so the prover gives `k` itself.
//!
//! Values that a signature has with a probability of some `2^-126` have no witness: coordinates and
//! challenges from `2^254` on, and those that lead an addition through infinity.

use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};
use kimchi::builder::{PointVar, Var};
use mina_curves::{Fp, Fq, Pallas, PastaField};
use mina_ledger::{
    Domain,
    types::{PublicKey, Signature},
};

use crate::{Boolean, Cs, Linear, input::hash, key::PublicKeyVar, number::power};

/// A value as `2·half + odd`.
struct Parity {
    half: Linear,
    odd: Boolean,
}

/// Splits a value below `2^254` into its parity and the rest. 17 rows.
fn split<I>(cs: &mut Cs<I>, x: Var<Fp>) -> Parity {
    // 253 bits in parts whose range checks have no rest.
    const PARTS: [usize; 3] = [128, 110, 14];
    let vars = cs.witnesses(move |v| {
        let bits = v[x].into_bigint();
        let mut from = 1;
        let mut take = |count: usize| {
            let part = (from..from + count)
                .rev()
                .fold(Fp::ZERO, |sum, i| sum.double() + Fp::from(bits.get_bit(i)));
            from += count;
            part
        };
        let [a, b, c] = PARTS.map(&mut take);
        [Fp::from(bits.get_bit(0)), a, b, c, take(1)]
    });
    let [odd, a, b, c, top] = vars;
    for (part, bits) in [a, b, c].into_iter().zip(PARTS) {
        cs.assert_bits(part, bits);
    }
    let (odd, top) = (Boolean::assert(cs, odd), Boolean::assert(cs, top));
    let half = Linear::from(a) + b * power(128) + c * power(238) + Linear::from(&top) * power(252);
    let half = Linear::from(cs.reduce(half));
    cs.assert_equal(half.clone() * Fp::from(2u64) + Linear::from(&odd), x);
    Parity { half, odd }
}

/// `q − 2^254` for the order `q` of Pallas.
fn order_offset() -> Fp {
    let mut order = Fq::MODULUS;
    order.0[3] -= 1 << 62;
    Fp::from_limbs(order.0).unwrap_or_default()
}

/// `(q − 1)/2`.
fn order_half() -> Fp {
    let mut half = Fq::MODULUS;
    half.div2();
    Fp::from_limbs(half.0).unwrap_or_default()
}

/// `k` with `s = 2k + 1 + 2^255`.
fn shifted(s: Fq) -> Fp {
    let two = Fq::ONE.double();
    let k = (s - Fq::ONE - two.pow([255])) * two.inverse().unwrap_or_default();
    // Not below the other modulus with a probability of 2^-168.
    Fp::from_limbs(k.to_limbs()).unwrap_or_default()
}

/// What a prover knows of a signature.
#[derive(Clone, Copy, Debug)]
pub struct SignatureWitness {
    /// The key, as a point: the generator where there is no signature.
    pub key: Pallas,
    /// The signature; anything where there is none.
    pub signature: Signature,
}

impl SignatureWitness {
    /// A signature of `key`.
    pub fn new(key: &PublicKey, signature: Signature) -> Option<Self> {
        key.to_point().map(|key| Self { key, signature })
    }

    /// In place of a signature.
    pub fn none() -> Self {
        // Small scalars lead the multiplication through the base itself.
        let signature = Signature { r: Fp::ONE, s: Fq::from(5u64).pow([100]) };
        Self { key: Pallas::generator(), signature }
    }
}

/// Asserts, if `is_signed`, that the prover knows a signature of `message` by `key`; about 330 rows.
pub fn assert_signed<I>(
    cs: &mut Cs<I>,
    domain: &Domain,
    is_signed: &Boolean,
    key: &PublicKeyVar,
    message: &Linear,
    source: impl Fn(&I) -> &SignatureWitness + Clone + Send + Sync + 'static,
) {
    let state = domain.signature_state();
    assert_signed_with(cs, is_signed, key, source, |cs, [x, y, r]| {
        hash(cs, state, &[message.clone(), x.into(), y.into(), r.into()])
    });
}

/// Asserts, if `is_signed`, that the prover knows a signature by `key`, whose challenge is what
/// `digest` makes of the key's coordinates and the nonce's abscissa; 299 rows without that.
pub(crate) fn assert_signed_with<I>(
    cs: &mut Cs<I>,
    is_signed: &Boolean,
    key: &PublicKeyVar,
    source: impl Fn(&I) -> &SignatureWitness + Clone + Send + Sync + 'static,
    digest: impl FnOnce(&mut Cs<I>, [Var<Fp>; 3]) -> Var<Fp>,
) {
    let point = {
        let source = source.clone();
        PointVar::witness(cs, move |v| source(v.input()).key)
    };
    cs.region("key", |cs| {
        let parity = split(cs, point.y());
        cs.assert_mul(is_signed, key.x.clone() - point.x(), Fp::ZERO);
        let difference = Linear::from(&key.is_odd) - Linear::from(&parity.odd);
        cs.assert_mul(is_signed, difference, Fp::ZERO);
    });
    let [r, s] = cs.witnesses(move |v| {
        let signature = source(v.input()).signature;
        [signature.r, shifted(signature.s)]
    });
    let challenge = cs.region("challenge", |cs| {
        let digest = digest(cs, [point.x(), point.y(), r]);
        let Parity { half, odd } = split(cs, digest);
        half + order_offset() + Linear::from(odd.not()) * order_half()
    });
    let nonce = cs.region("multiplications", |cs| {
        let generator = PointVar::constant(cs, &Pallas::generator());
        let left = generator.scale_shifted_254(cs, s);
        let right = point.scale_shifted_254(cs, challenge).negate(cs);
        left.add(cs, &right)
    });
    cs.region("nonce", |cs| {
        cs.assert_mul(is_signed, Linear::from(r) - nonce.x(), Fp::ZERO);
        let parity = split(cs, nonce.y());
        cs.assert_mul(is_signed, &parity.odd, Fp::ZERO);
    });
}
