//! What depends on the network: the prefixes of signatures and account updates.

use alloc::format;

use mina_curves::Fp;
use mina_poseidon::{Kimchi, Legacy, salted};

use crate::{
    hash::SaltedState,
    types::{Era, NetworkId},
};

/// A network and an era, with the hash states that follow from them.
#[derive(Clone, Debug)]
pub struct Domain {
    network: NetworkId,
    era: Era,
    pub(crate) signature: SaltedState,
    pub(crate) legacy_signature: SaltedState,
    pub(crate) body: SaltedState,
}

impl Domain {
    /// Derives the states. Source: o1js `signature.ts`, Mina `hash_prefix_states.ml`.
    pub fn new(network: NetworkId, era: Era) -> Self {
        let (signature, body) = match &network {
            NetworkId::Mainnet => ("MinaSignatureMainnet".into(), "MainnetZkappBody".into()),
            NetworkId::Testnet => ("CodaSignature".into(), "TestnetZkappBody".into()),
            NetworkId::Custom(custom) => {
                let name = custom.name();
                (format!("{name}Signature"), format!("{name}ZkappBody"))
            }
        };
        Self {
            signature: salted::<Fp, Kimchi>(&signature),
            legacy_signature: salted::<Fp, Legacy>(&signature),
            body: salted::<Fp, Kimchi>(&body),
            network,
            era,
        }
    }

    /// The network.
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// The era.
    pub fn era(&self) -> Era {
        self.era
    }

    /// The state that challenges of signatures with the Kimchi hash start from.
    pub fn signature_state(&self) -> &SaltedState {
        &self.signature
    }

    /// The state that challenges of signatures with the legacy hash start from.
    pub fn legacy_signature_state(&self) -> &SaltedState {
        &self.legacy_signature
    }

    /// The state that hashes of account updates start from.
    pub fn body_state(&self) -> &SaltedState {
        &self.body
    }

    /// What nonces are derived with: a little-endian number and its bits.
    pub(crate) fn nonce_id(&self) -> ([u64; 4], u32) {
        match &self.network {
            NetworkId::Mainnet => ([1, 0, 0, 0], 8),
            NetworkId::Testnet => ([0; 4], 8),
            NetworkId::Custom(custom) => {
                let mut limbs = [0u64; 4];
                for (limb, bytes) in limbs.iter_mut().zip(custom.name().as_bytes().chunks(8)) {
                    *limb = bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                }
                (limbs, 8 * custom.name().len() as u32)
            }
        }
    }

    /// The byte that legacy nonces are derived with.
    ///
    /// mina-signer takes the low byte of the number above after rounding it to a double, so for
    /// names of more than some seven characters it is zero.
    pub(crate) fn legacy_nonce_byte(&self) -> u8 {
        match (self.nonce_id(), &self.network) {
            (([id, ..], _), NetworkId::Mainnet | NetworkId::Testnet) => id as u8,
            (([id, 0, 0, 0], _), NetworkId::Custom(_)) => (id as f64) as u128 as u8,
            _ => 0,
        }
    }
}

impl Default for Domain {
    fn default() -> Self {
        Self::new(NetworkId::default(), Era::default())
    }
}
