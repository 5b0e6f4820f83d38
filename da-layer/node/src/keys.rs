//! A validator's keys.
//!
//! There is one secret to keep: the Mina key that attests. The keys for consensus and for the
//! network are derived from it, each in its own domain.

use std::fmt;

use blake2::{Blake2b, Digest, digest::consts::U32};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use malachite::app::types::Keypair;
use mina_ledger::types::{PrivateKey, PublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeko_derive::Wire;

/// The public half of a consensus key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConsensusKey(VerifyingKey);

impl ConsensusKey {
    /// The key with this encoding.
    pub fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(&bytes).ok().map(Self)
    }

    /// The encoding.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Whether `signature` is this key's of `message`, by the strict rules.
    pub fn accepts(&self, message: &[u8], signature: &ConsensusSignature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Debug for ConsensusKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", hex(&self.to_bytes()))
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

impl Serialize for ConsensusKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for ConsensusKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_hex(&text)
            .and_then(|bytes| Self::from_bytes(bytes.try_into().ok()?))
            .ok_or_else(|| de::Error::custom("not an Ed25519 key in hexadecimal"))
    }
}

/// A signature by a consensus key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsensusSignature(pub [u8; 64]);

impl fmt::Debug for ConsensusSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", hex(&self.0))
    }
}

/// All keys of a validator. The derived secrets are zeroed when it is dropped.
#[derive(Clone)]
pub struct ValidatorKeys {
    attest: PrivateKey,
    consensus: SigningKey,
    network: zeroize::Zeroizing<[u8; 32]>,
}

impl fmt::Debug for ValidatorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidatorKeys").field("public", &self.public()).finish_non_exhaustive()
    }
}

fn derived(key: &PrivateKey, purpose: &[u8]) -> zeroize::Zeroizing<[u8; 32]> {
    let secret = zeroize::Zeroizing::new(key.scalar().to_bytes());
    let digest = Blake2b::<U32>::new().chain_update(purpose).chain_update(&*secret);
    zeroize::Zeroizing::new(digest.finalize().into())
}

impl ValidatorKeys {
    /// The keys that follow from a Mina key.
    pub fn new(attest: PrivateKey) -> Self {
        let consensus = SigningKey::from_bytes(&derived(&attest, b"zeko-da consensus"));
        let network = derived(&attest, b"zeko-da network");
        Self { attest, consensus, network }
    }

    /// The Mina key.
    pub fn attest(&self) -> &PrivateKey {
        &self.attest
    }

    /// The public half of the Mina key.
    pub fn public(&self) -> PublicKey {
        self.attest.to_public_key()
    }

    /// The public half of the consensus key.
    pub fn consensus(&self) -> ConsensusKey {
        ConsensusKey(self.consensus.verifying_key())
    }

    /// Signs with the consensus key.
    pub(crate) fn sign(&self, message: &[u8]) -> ConsensusSignature {
        ConsensusSignature(self.consensus.sign(message).to_bytes())
    }

    /// The key of the node on the network; `None` for bytes that are none, which a digest never is.
    pub(crate) fn network(&self) -> Option<Keypair> {
        Keypair::ed25519_from_bytes(*self.network).ok()
    }

    /// The name of the node on the network.
    pub fn peer_id(&self) -> Option<String> {
        Some(self.network()?.public().to_peer_id().to_string())
    }
}

#[cfg(test)]
mod tests {
    use mina_curves::Fq;

    use super::*;

    #[test]
    fn keys_are_derived_and_differ() {
        let keys = |n: u64| ValidatorKeys::new(PrivateKey::new(Fq::from(n)).unwrap());
        assert_eq!(keys(1).consensus(), keys(1).consensus());
        assert_ne!(keys(1).consensus(), keys(2).consensus());
        assert_ne!(*keys(1).network, keys(1).consensus.to_bytes());
        let signature = keys(1).sign(b"message");
        assert!(keys(1).consensus().accepts(b"message", &signature));
        assert!(!keys(1).consensus().accepts(b"other", &signature));
        assert!(!keys(2).consensus().accepts(b"message", &signature));
        let text = serde_json::to_string(&keys(1).consensus()).unwrap();
        assert_eq!(serde_json::from_str::<ConsensusKey>(&text).unwrap(), keys(1).consensus());
        assert!(serde_json::from_str::<ConsensusKey>("\"00\"").is_err());
        assert_eq!(from_hex("é0"), None);
        assert_eq!(from_hex("+f"), None);
    }
}
