//! Proofs in compact binary.
//!
//! o1js writes a proof as an S-expression: names of fields, and numbers in hexadecimal. Packing
//! replaces each name by a byte and each number by its bytes, which loses nothing and needs no
//! knowledge of the proof system: a proof of another shape only packs less well.

use alloc::{sync::Arc, vec::Vec};

use mina_ledger::{
    binprot::{ProofCodec, ReadError, Reader, Writer},
    types::Proof,
};

/// Most bytes of a packed proof, and of an unpacked one.
const MAX_PROOF: usize = 1 << 17;

/// Names and punctuation, by the code that stands for them: their place, counted from 0x80.
/// Source: o1js 2.15 `pickles_bindings.ml`.
static TOKENS: [&str; 64] = [
    "(statement(",
    "(proof_state(",
    "(deferred_values(",
    "(plonk(",
    "(alpha(",
    "(beta(",
    "(gamma(",
    "(zeta(",
    "(inner(",
    "(joint_combiner())",
    "(joint_combiner((",
    "(feature_flags(",
    "(range_check0 ",
    "(range_check1 ",
    "(foreign_field_add ",
    "(foreign_field_mul ",
    "(xor ",
    "(rot ",
    "(lookup ",
    "(runtime_tables ",
    "false)",
    "true)",
    "(bulletproof_challenges(",
    "(prechallenge(",
    "(branch_data(",
    "(proofs_verified N",
    "(domain_log2",
    "(sponge_digest_before_evaluations(",
    "(messages_for_next_wrap_proof(",
    "(challenge_polynomial_commitment(",
    "(old_bulletproof_challenges(",
    "(messages_for_next_step_proof(",
    "(app_state())",
    "(challenge_polynomial_commitments(",
    "(prev_evals(",
    "(evals(",
    "(public_input(",
    "(coefficients(",
    "(generic_selector(",
    "(poseidon_selector(",
    "(complete_add_selector(",
    "(mul_selector(",
    "(emul_selector(",
    "(endomul_scalar_selector(",
    "(range_check0_selector(",
    "(range_check1_selector(",
    "(foreign_field_add_selector(",
    "(foreign_field_mul_selector(",
    "(xor_selector(",
    "(rot_selector(",
    "(lookup_aggregation(",
    "(lookup_table(",
    "(lookup_sorted(",
    "(runtime_lookup_table(",
    "(runtime_lookup_table_selector(",
    "(xor_lookup_selector(",
    "(lookup_gate_lookup_selector(",
    "(range_check_lookup_selector(",
    "(foreign_field_mul_lookup_selector(",
    "(ft_eval1 ",
    "(commitments(",
    "(evaluations(",
    "(bulletproof(",
    "))",
];

const FIRST_TOKEN: u8 = 0x80;
/// 64 upper-case digits behind `0x`, as 32 bytes.
const FIELD: u8 = 0xf0;
/// 16 lower-case digits, as 8 bytes.
const LIMB: u8 = 0xf1;
/// One byte as it is, where it could be taken for a code.
const ESCAPE: u8 = 0xf2;

fn digit(byte: u8, letter: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        _ => byte.checked_sub(letter).filter(|n| *n < 6).map(|n| n + 10),
    }
}

/// The bytes that `2·N` digits at the start of `text` stand for.
fn number<const N: usize>(text: &[u8], letter: u8) -> Option<[u8; N]> {
    let digits = text.get(..2 * N)?;
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high, letter)? << 4 | digit(*low, letter)?;
    }
    Some(bytes)
}

fn push_digits(bytes: &[u8], letter: u8, text: &mut Vec<u8>) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(if nibble < 10 { b'0' + nibble } else { letter + (nibble - 10) });
        }
    }
}

fn pack(mut text: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    while let Some((first, rest)) = text.split_first() {
        if let Some(bytes) = text.strip_prefix(b"0x").and_then(|t| number::<32>(t, b'A')) {
            packed.push(FIELD);
            packed.extend_from_slice(&bytes);
            text = text.get(66..).unwrap_or_default();
        } else if let Some(bytes) = number::<8>(text, b'a') {
            packed.push(LIMB);
            packed.extend_from_slice(&bytes);
            text = text.get(16..).unwrap_or_default();
        } else if let Some((index, token)) =
            TOKENS.iter().enumerate().find(|(_, token)| text.starts_with(token.as_bytes()))
        {
            packed.push(FIRST_TOKEN + index as u8);
            text = text.get(token.len()..).unwrap_or_default();
        } else {
            if *first >= FIRST_TOKEN {
                packed.push(ESCAPE);
            }
            packed.push(*first);
            text = rest;
        }
    }
    packed
}

fn unpack(mut packed: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    while let Some((code, rest)) = packed.split_first() {
        packed = rest;
        let used = match *code {
            FIELD => {
                text.extend_from_slice(b"0x");
                push_digits(packed.get(..32)?, b'A', &mut text);
                32
            }
            LIMB => {
                push_digits(packed.get(..8)?, b'a', &mut text);
                8
            }
            ESCAPE => {
                text.push(*packed.first()?);
                1
            }
            code if code < FIRST_TOKEN => {
                text.push(code);
                0
            }
            code => {
                let token = TOKENS.get(usize::from(code - FIRST_TOKEN))?;
                text.extend_from_slice(token.as_bytes());
                0
            }
        };
        packed = packed.get(used..)?;
        if text.len() > MAX_PROOF {
            return None;
        }
    }
    Some(text)
}

/// The codec of proofs in batches. What it reads and would write differently, it refuses.
#[derive(Clone, Copy, Debug, Default)]
pub struct PackedProofs;

impl ProofCodec for PackedProofs {
    fn write(&self, proof: &Proof, writer: &mut Writer) -> Result<(), ReadError> {
        if proof.0.len() > MAX_PROOF {
            return Err(ReadError::Proof);
        }
        writer.string(&pack(&proof.0));
        Ok(())
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<Proof, ReadError> {
        let packed = reader.string(MAX_PROOF)?;
        let text = unpack(packed).ok_or(ReadError::Proof)?;
        if pack(&text) != packed {
            return Err(ReadError::Proof);
        }
        Ok(Proof(Arc::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &[u8]) -> usize {
        let mut w = Writer::new();
        PackedProofs.write(&Proof(text.into()), &mut w).unwrap();
        let bytes = w.into_bytes();
        let mut r = Reader::new(&bytes);
        assert_eq!(&*PackedProofs.read(&mut r).unwrap().0, text);
        r.finish().unwrap();
        bytes.len()
    }

    #[test]
    fn any_bytes_survive() {
        round_trip(b"");
        round_trip(&(0..=255).collect::<Vec<u8>>());
        round_trip(b"0x0123456789ABCDEF 0123456789abcdef 0123456789abcde");
        round_trip(b"((statement((proof_state((deferred_values((plonk((alpha((inner(");
        let field = [b"0x".as_slice(), &[b'A'; 64]].concat();
        assert_eq!(round_trip(&field), 1 + 33);
    }

    #[test]
    fn other_encodings_of_the_same_proof_are_refused() {
        for packed in [&[ESCAPE, b'a'][..], b"))", &[FIELD], &[0xff], &[ESCAPE]] {
            let mut w = Writer::new();
            w.string(packed);
            let bytes = w.into_bytes();
            assert_eq!(PackedProofs.read(&mut Reader::new(&bytes)), Err(ReadError::Proof));
        }
    }
}
