//! Bytes from outside never make the decoder or the verifier panic, nor allocate without bound.

use kimchi::{CircuitCurve, Fixture, ProverIndex, Statement, decode_fixture, verify};
use mina_curves::{PallasConfig, VestaConfig};
use poly_commitment::Srs;
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use rayon::prelude::*;

use crate::{circuits, vectors::files};

/// Mutations of a proof over a small SRS, decoded and verified.
const SMALL: u64 = 100_000;

/// Mutations of each of upstream's files, decoded.
const UPSTREAM: u64 = 200;

fn small<C: CircuitCurve>() -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (circuit, witness) = circuits::generic(2, 10);
    let index = ProverIndex::<C>::new(circuit, Srs::shared(16)).unwrap();
    let proof = index.prove(&witness, &[], &mut rng).unwrap();
    let public_input = witness[0][..2].to_vec();
    Statement { index: index.verifier_index().clone(), proof, public_input }.encode().unwrap()
}

fn verifies<C: CircuitCurve>(statement: &Statement<C>) -> bool {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let Statement { index, proof, public_input } = statement;
    verify(index, proof, public_input, &mut rng).is_ok()
}

/// Whether `bytes` decode to a statement that verifies, and are no other encoding of `original`
/// (msgpack has several for one integer).
fn forges(bytes: &[u8], original: &[u8]) -> bool {
    match decode_fixture(bytes) {
        Ok(Fixture::Vesta(s)) => verifies(&s) && s.encode().unwrap() != original,
        Ok(Fixture::Pallas(s)) => verifies(&s) && s.encode().unwrap() != original,
        Err(_) => false,
    }
}

/// One change: a flipped bit, a random byte, a cut, an insertion, a repetition, or swapped bytes.
fn mutate(original: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut bytes = original.to_vec();
    let at = rng.next_u64() as usize % bytes.len();
    match rng.next_u32() % 8 {
        0..=2 => bytes[at] ^= 1 << (rng.next_u32() % 8),
        3 | 4 => bytes[at] = rng.next_u32() as u8,
        5 => bytes.truncate(at),
        6 => bytes.insert(at, rng.next_u32() as u8),
        _ => {
            let other = rng.next_u64() as usize % bytes.len();
            bytes.swap(at, other);
        }
    }
    bytes
}

#[test]
fn round_trip() {
    for bytes in [small::<VestaConfig>(), small::<PallasConfig>()] {
        assert!(forges(&bytes, b"something else"));
    }
    for (name, bytes) in files() {
        let again = match decode_fixture(&bytes).unwrap() {
            Fixture::Vesta(s) => s.encode().unwrap(),
            Fixture::Pallas(s) => s.encode().unwrap(),
        };
        // Older files lack the last field.
        let length = bytes.len() - 1;
        let same_values = again[1..length] == bytes[1..length];
        assert!(same_values || decode_fixture(&again).is_ok(), "{name}");
    }
}

#[test]
fn mutated_proofs_do_not_verify() {
    for original in [small::<VestaConfig>(), small::<PallasConfig>()] {
        let accepted: Vec<u64> = (0..SMALL / 2)
            .into_par_iter()
            .filter(|seed| forges(&mutate(&original, *seed), &original))
            .collect();
        assert!(accepted.is_empty(), "accepted after mutations {accepted:?}");
    }
}

#[test]
fn mutated_upstream_files_decode_or_fail() {
    for (name, original) in files() {
        let decoded = (0..UPSTREAM)
            .into_par_iter()
            .filter(|seed| decode_fixture(&mutate(&original, *seed)).is_ok())
            .count();
        assert!(decoded < UPSTREAM as usize, "{name}");
    }
}

#[test]
fn bad_bytes_are_named() {
    let original = small::<VestaConfig>();
    let error = |bytes: &[u8]| decode_fixture(bytes).unwrap_err().to_string();
    assert!(error(&[]).contains("fixture"));
    assert!(error(&[0xc0; 64]).contains("fixture"));
    assert!(error(&original[..original.len() / 2]).contains("fixture"));
    let mut longer = original.clone();
    longer.push(0);
    assert!(error(&longer).contains("1 bytes after the end"));
    // An array of 2^32 - 1 elements that are not there.
    assert!(error(&[0xdd, 0xff, 0xff, 0xff, 0xff]).contains("fixture"));
    let bytes_of_2_to_32 = [0x96, 0xc6, 0xff, 0xff, 0xff, 0xff];
    assert!(error(&bytes_of_2_to_32).contains("fixture"));
}
