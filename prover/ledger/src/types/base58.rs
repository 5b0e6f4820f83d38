//! Mina's base58check encodings: a version byte, a payload, four bytes of double SHA-256.

use alloc::{string::String, vec::Vec};

use mina_curves::PastaField;

use super::TypeError;

/// Version bytes. Source: Mina `base58_check/version_bytes.ml`.
pub(crate) mod version {
    pub(crate) const LEDGER_HASH: u8 = 0x05;
    pub(crate) const RECEIPT_CHAIN_HASH: u8 = 0x0c;
    pub(crate) const EPOCH_SEED: u8 = 0x0d;
    pub(crate) const STATE_HASH: u8 = 0x10;
    pub(crate) const MEMO: u8 = 0x14;
    pub(crate) const TOKEN_ID: u8 = 0x1c;
    pub(crate) const TRANSACTION_HASH: u8 = 0x1d;
    pub(crate) const PRIVATE_KEY: u8 = 0x5a;
    pub(crate) const SIGNATURE: u8 = 0x9a;
    pub(crate) const PUBLIC_KEY: u8 = 0xcb;
}

/// No encoding of Mina is longer; decoding takes quadratic time, so longer text is not looked at.
const MAX_LEN: usize = 200;

pub(crate) fn encode(version: u8, payload: &[u8]) -> String {
    bs58::encode(payload).with_check_version(version).into_string()
}

/// The payload without the version byte.
pub(crate) fn decode(version: u8, what: &'static str, text: &str) -> Result<Vec<u8>, TypeError> {
    let error = TypeError::Base58 { what };
    if text.len() > MAX_LEN {
        return Err(error);
    }
    let bytes = bs58::decode(text).with_check(Some(version)).into_vec().map_err(|_| error)?;
    bytes.get(1..).map(<[u8]>::to_vec).ok_or(error)
}

/// The 32 little-endian bytes of the canonical value.
pub(crate) fn field_bytes<F: PastaField>(x: F) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(x.to_limbs()) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    bytes
}

/// The element of 32 little-endian bytes, or `None` if the length or the value is off.
pub(crate) fn field_from_bytes<F: PastaField>(bytes: &[u8]) -> Option<F> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return None;
    }
    let limbs: [u64; 4] = chunks
        .iter()
        .map(|chunk| u64::from_le_bytes(*chunk))
        .collect::<Vec<_>>()
        .try_into()
        .ok()?;
    F::from_limbs(limbs)
}

/// A field element behind one byte of encoding version, as state and ledger hashes are written.
pub(crate) fn encode_field<F: PastaField>(version: u8, x: F) -> String {
    let mut payload = Vec::with_capacity(33);
    payload.push(1);
    payload.extend_from_slice(&field_bytes(x));
    encode(version, &payload)
}

/// Inverse of [`encode_field`].
pub(crate) fn decode_field<F: PastaField>(
    version: u8,
    what: &'static str,
    text: &str,
) -> Result<F, TypeError> {
    match decode(version, what, text)?.split_first() {
        Some((1, bytes)) => field_from_bytes(bytes).ok_or(TypeError::Base58 { what }),
        _ => Err(TypeError::Base58 { what }),
    }
}
