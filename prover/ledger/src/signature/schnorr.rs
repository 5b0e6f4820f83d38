//! The equations.

use alloc::vec::Vec;

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, PrimeField};
use blake2::{Blake2b, Digest, digest::consts::U32};
use mina_curves::{Fp, Fq, Pallas, PallasConfig, PastaField, combine_two, generator_multiple};

use super::SignatureError;
use crate::{
    domain::Domain,
    hash::{Input, LegacyInput, SaltedState, bits_to_bytes, field_bits, hash_one, legacy_hash},
    types::{PrivateKey, PublicKey, Signature, is_odd},
};

/// What is signed, by the hash that it is signed with.
#[derive(Clone, Debug)]
pub(super) enum Message {
    /// Field elements with the Kimchi hash.
    Fields(Vec<Fp>),
    /// Field elements and bits with the legacy hash.
    Legacy(LegacyInput),
}

/// What is hashed for a challenge, with the state to start from.
pub(super) enum ChallengeInput {
    Fields(SaltedState, Vec<Fp>),
    Legacy(SaltedState, LegacyInput),
}

/// A digest as a scalar.
pub(super) fn challenge_of(digest: Fp) -> Fq {
    // Fp's modulus is below Fq's.
    Fq::from_limbs(digest.to_limbs()).unwrap_or_default()
}

impl Message {
    /// The challenge `e` of a signature with nonce point `(r, ·)` under `key`.
    fn challenge(&self, key: &Pallas, r: Fp, domain: &Domain) -> Fq {
        let digest = match self.challenge_input(key, r, domain) {
            ChallengeInput::Fields(salt, input) => hash_one(&salt, &input),
            ChallengeInput::Legacy(salt, input) => legacy_hash(&salt, input),
        };
        challenge_of(digest)
    }

    /// What is hashed for the challenge.
    pub(super) fn challenge_input(&self, key: &Pallas, r: Fp, domain: &Domain) -> ChallengeInput {
        match self {
            Self::Fields(fields) => {
                let mut input = fields.clone();
                input.extend([key.x, key.y, r]);
                ChallengeInput::Fields(domain.signature, input)
            }
            Self::Legacy(message) => {
                let mut input = message.clone();
                input.field(key.x).field(key.y).field(r);
                ChallengeInput::Legacy(domain.legacy_signature, input)
            }
        }
    }

    /// The nonce: Blake2b of everything, secret included, without the top two bits.
    fn nonce(&self, key: &Pallas, secret: Fq, domain: &Domain) -> Fq {
        let bits: Vec<bool> = match self {
            Self::Fields(fields) => {
                let mut input = Input::new();
                for x in fields.iter().copied().chain([key.x, key.y]) {
                    input.field(x);
                }
                input
                    .field(Fp::from_le_bytes_mod_order(&crate::types::base58::field_bytes(secret)));
                let (id, bits) = domain.nonce_id();
                input.wide_bits(id, bits);
                input.into_fields().into_iter().flat_map(field_bits).collect()
            }
            Self::Legacy(message) => {
                let mut input = message.clone();
                input.field(key.x).field(key.y);
                let mut secret_bits = LegacyInput::new();
                for bit in field_bits(secret) {
                    secret_bits.bits(bit.into(), 1);
                }
                input.append(&secret_bits).bytes(&[domain.legacy_nonce_byte()]);
                input.into_bits()
            }
        };
        let mut digest: [u8; 32] = Blake2b::<U32>::digest(bits_to_bytes(&bits)).into();
        let [.., last] = &mut digest;
        *last &= 0x3f;
        // 254 bits are below the modulus, so nothing is reduced.
        Fq::from_le_bytes_mod_order(&digest)
    }

    pub(super) fn sign(
        &self,
        key: &PrivateKey,
        domain: &Domain,
    ) -> Result<Signature, SignatureError> {
        let (secret, public) = (key.scalar(), key.to_point());
        let nonce = self.nonce(&public, secret, domain);
        if nonce == Fq::ZERO {
            return Err(SignatureError::ZeroNonce);
        }
        let point = generator_multiple(nonce);
        let nonce = if is_odd(point.y) { -nonce } else { nonce };
        let challenge = self.challenge(&public, point.x, domain);
        Ok(Signature { r: point.x, s: nonce + challenge * secret })
    }

    pub(super) fn verify(
        &self,
        signature: &Signature,
        key: &PublicKey,
        domain: &Domain,
    ) -> Result<(), SignatureError> {
        let key = key.to_point().ok_or(SignatureError::PublicKey)?;
        let challenge = self.challenge(&key, signature.r, domain);
        let scalars = [signature.s, -challenge];
        let point = combine_two::<PallasConfig>(scalars, [Pallas::generator(), key]).into_affine();
        match point.xy() {
            Some((x, y)) if x == signature.r && !is_odd(y) => Ok(()),
            _ => Err(SignatureError::Invalid),
        }
    }
}
