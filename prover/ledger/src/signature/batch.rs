//! Many signatures at once.
//!
//! A signature holds only the x-coordinate of its nonce point `R`, whose y is even, so `R` can be
//! lifted; then `Σ zᵢ·(sᵢ·G − eᵢ·Pᵢ − Rᵢ) = 0` for random `zᵢ` shows with one multi-scalar
//! multiplication that all equations hold, up to a chance of 2⁻¹²⁸.

use alloc::vec::Vec;

use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Zero};
use blake2::{Blake2b512, Digest};
use mina_curves::{Fp, Fq, Pallas, PallasConfig, PastaField, msm};

use super::{
    SignatureError,
    message::command_signatures,
    schnorr::{ChallengeInput, Message, challenge_of},
};
use crate::{
    domain::Domain,
    hash::{CommandHashes, hash_many, hash_many_legacy, signed_command_input},
    types::{PublicKey, Signature, SignedCommand, ZkappCommand, base58::field_bytes},
};

/// A signature with what it is over.
#[derive(Clone, Debug)]
pub struct BatchItem {
    signature: Signature,
    message: Message,
    key: PublicKey,
}

impl BatchItem {
    /// A signature over field elements.
    pub fn fields(signature: Signature, fields: Vec<Fp>, key: PublicKey) -> Self {
        Self { signature, message: Message::Fields(fields), key }
    }

    /// The signature of a payment or delegation.
    pub fn signed_command(command: &SignedCommand) -> Self {
        Self {
            signature: command.signature,
            message: Message::Legacy(signed_command_input(&command.payload)),
            key: command.payload.fee_payer,
        }
    }

    /// All signatures of a zkApp command.
    pub fn zkapp_command<'a>(
        command: &'a ZkappCommand,
        hashes: &'a CommandHashes,
    ) -> impl Iterator<Item = Self> + 'a {
        command_signatures(command, hashes)
            .map(|(signature, message, key)| Self::fields(signature, [message].into(), key))
    }

    fn verify(&self, domain: &Domain) -> Result<(), SignatureError> {
        self.message.verify(&self.signature, &self.key, domain)
    }

    /// The points of the equation, if there are any.
    fn points(&self) -> Option<[Pallas; 2]> {
        let nonce = PublicKey { x: self.signature.r, is_odd: false };
        Some([self.key.to_point()?, nonce.to_point()?])
    }
}

/// `response·G = challenge·key + nonce`.
struct Equation {
    key: Pallas,
    nonce: Pallas,
    challenge: Fq,
    response: Fq,
}

#[cfg(feature = "parallel")]
fn points(items: &[BatchItem]) -> Option<Vec<[Pallas; 2]>> {
    use rayon::prelude::*;
    items.par_iter().map(BatchItem::points).collect()
}

#[cfg(not(feature = "parallel"))]
fn points(items: &[BatchItem]) -> Option<Vec<[Pallas; 2]>> {
    items.iter().map(BatchItem::points).collect()
}

/// The equations, unless one has no points; the challenges are hashed side by side.
fn equations(items: &[BatchItem], domain: &Domain) -> Option<Vec<Equation>> {
    let points = points(items)?;
    let (mut fields, mut legacy) = (Vec::new(), Vec::new());
    for (item, [key, _]) in items.iter().zip(&points) {
        match item.message.challenge_input(key, item.signature.r, domain) {
            ChallengeInput::Fields(salt, input) => fields.push((salt, input)),
            ChallengeInput::Legacy(salt, input) => legacy.push((salt, input.into_fields())),
        }
    }
    let mut fields = hash_many(&fields).into_iter();
    let mut legacy = hash_many_legacy(&legacy).into_iter();
    items
        .iter()
        .zip(points)
        .map(|(item, [key, nonce])| {
            let digest = match item.message {
                Message::Fields(_) => fields.next(),
                Message::Legacy(_) => legacy.next(),
            };
            let challenge = challenge_of(digest?);
            Some(Equation { key, nonce, challenge, response: item.signature.s })
        })
        .collect()
}

/// Multipliers of 128 bits that nobody can know before all equations are fixed.
fn multipliers(equations: &[Equation]) -> impl Iterator<Item = Fq> {
    let mut transcript = Blake2b512::new();
    for Equation { key, nonce, challenge, response } in equations {
        transcript.update(field_bytes(key.x));
        transcript.update(field_bytes(key.y));
        transcript.update(field_bytes(nonce.x));
        transcript.update(field_bytes(*challenge));
        transcript.update(field_bytes(*response));
    }
    let seed = transcript.finalize();
    (0u64..).map(move |index| {
        let digest =
            Blake2b512::new().chain_update(seed).chain_update(index.to_le_bytes()).finalize();
        let (words, _) = digest.as_chunks::<8>();
        match words {
            [low, high, ..] => {
                Fq::from_u128_limbs([u64::from_le_bytes(*low), u64::from_le_bytes(*high)])
            }
            // The digest has eight words.
            _ => Fq::ZERO,
        }
    })
}

/// Whether all equations hold.
fn all_hold(equations: &[Equation]) -> bool {
    let mut bases = Vec::with_capacity(2 * equations.len() + 1);
    let mut scalars = Vec::with_capacity(2 * equations.len() + 1);
    let mut generator_scalar = Fq::ZERO;
    for (equation, z) in equations.iter().zip(multipliers(equations)) {
        generator_scalar += z * equation.response;
        bases.extend([equation.key, equation.nonce]);
        scalars.extend([-(z * equation.challenge), -z]);
    }
    bases.push(Pallas::generator());
    scalars.push(generator_scalar);
    msm::<PallasConfig>(&bases, &scalars).is_zero()
}

/// Verifies many signatures at once.
///
/// # Errors
/// The index of the first signature that does not verify, and why.
pub fn verify_batch(items: &[BatchItem], domain: &Domain) -> Result<(), (usize, SignatureError)> {
    if equations(items, domain).is_some_and(|equations| all_hold(&equations)) {
        return Ok(());
    }
    items
        .iter()
        .enumerate()
        .try_for_each(|(index, item)| item.verify(domain).map_err(|error| (index, error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{signature::sign_fields, types::PrivateKey};

    #[test]
    fn batches_hold_until_one_is_wrong() {
        let domain = Domain::default();
        let mut items: Vec<BatchItem> = (1..40u64)
            .map(|n| {
                let key = PrivateKey::new(Fq::from(n * n + 7)).unwrap();
                let fields = alloc::vec![Fp::from(n), Fp::from(n + 1)];
                let signature = sign_fields(&fields, &key, &domain).unwrap();
                BatchItem::fields(signature, fields, key.to_public_key())
            })
            .collect();
        assert_eq!(verify_batch(&items, &domain), Ok(()));
        assert_eq!(verify_batch(&[], &domain), Ok(()));
        // Two errors that cancel without multipliers.
        items[3].signature.s += Fq::from(1u64);
        items[5].signature.s -= Fq::from(1u64);
        assert_eq!(verify_batch(&items, &domain), Err((3, SignatureError::Invalid)));
        items[3].signature.s -= Fq::from(1u64);
        assert_eq!(verify_batch(&items, &domain), Err((5, SignatureError::Invalid)));
    }
}
