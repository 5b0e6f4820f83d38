//! Keys: those of development networks, and those in files.

mod file;

use ark_ff::PrimeField;
use blake2::{Blake2b512, Digest};
use mina_curves::Fq;
use mina_ledger::types::{PrivateKey, PublicKey};

pub use file::{KeyFile, KeyFileError, MIN_PASSWORD};

/// A private key with its public key.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The public key.
    pub public: PublicKey,
    /// The private key.
    pub private: PrivateKey,
}

impl KeyPair {
    /// The pair of a private key.
    pub fn new(private: PrivateKey) -> Self {
        Self { public: private.to_public_key(), private }
    }

    /// A new pair from the system's randomness.
    ///
    /// # Errors
    /// [`rand::Error`] if the system has none.
    pub fn random() -> Result<Self, rand::Error> {
        use rand::RngCore;
        let mut bytes = zeroize::Zeroizing::new([0u8; 64]);
        loop {
            rand::rngs::OsRng.try_fill_bytes(bytes.as_mut())?;
            if let Ok(private) = PrivateKey::new(Fq::from_le_bytes_mod_order(bytes.as_ref())) {
                return Ok(Self::new(private));
            }
        }
    }
}

/// Account `index` of a development network's `layer`. **Anybody can compute its private key**: such
/// accounts hold nothing of value, and each layer has its own, because commands signed for one layer
/// of a network whose layers share a network id are valid on the other.
pub fn development_key(layer: &str, index: u32) -> KeyPair {
    for attempt in 0u32.. {
        let mut hash = Blake2b512::new();
        hash.update(b"zeko development key, not for production");
        hash.update(layer.as_bytes());
        hash.update(index.to_le_bytes());
        hash.update(attempt.to_le_bytes());
        if let Ok(private) = PrivateKey::new(Fq::from_le_bytes_mod_order(&hash.finalize())) {
            return KeyPair::new(private);
        }
    }
    unreachable!("one in 2^254 hashes is zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_keys_are_fixed_and_apart() {
        let first = development_key("l1", 0);
        assert_eq!(first.public, development_key("l1", 0).public);
        assert_ne!(first.public, development_key("l1", 1).public);
        assert_ne!(first.public, development_key("l2", 0).public);
        assert_eq!(first.private.to_public_key(), first.public);
        assert_ne!(KeyPair::random().unwrap().public, KeyPair::random().unwrap().public);
    }
}
