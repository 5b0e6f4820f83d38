//! Items 7 and 8: the Poseidon vectors of o1-labs/proof-systems, through the same code that hashes
//! accounts and commands.

use ark_ff::PrimeField;
use mina_curves::Fp;
use mina_ledger::hash::{hash_many, hash_one};
use mina_poseidon::{Legacy, Permutation, hash};
use serde_json::Value;

use crate::support::json;

fn element(hex: &Value) -> Fp {
    let hex = hex.as_str().unwrap();
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    Fp::from_le_bytes_mod_order(&bytes)
}

fn each(file: &str, check: impl Fn(&[Fp], Fp)) {
    let file = json(file);
    let vectors = file["test_vectors"].as_array().unwrap();
    assert!(vectors.len() >= 5);
    for vector in vectors {
        let input: Vec<Fp> = vector["input"].as_array().unwrap().iter().map(element).collect();
        check(&input, element(&vector["output"]));
    }
}

#[test]
fn item_07_kimchi() {
    each("poseidon/kimchi.json", |input, output| {
        let unsalted = [Fp::from(0u64); 3];
        assert_eq!(hash_one(&unsalted, input), output);
        assert_eq!(hash_many(&[(unsalted, input), (unsalted, &[])])[0], output);
    });
}

#[test]
fn item_08_legacy() {
    fn check<P: Permutation<Fp>>(input: &[Fp], output: Fp) {
        assert_eq!(hash::<Fp, P>(input), output);
    }
    each("poseidon/legacy.json", check::<Legacy>);
}
