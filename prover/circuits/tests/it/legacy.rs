//! The legacy hash and its signatures, against upstream's vectors and the native twins.

use ark_ff::{Field, PrimeField, UniformRand};
use kimchi::builder::{
    Values,
    testing::{Lab, rng},
};
use mina_curves::{Fp, Fq};
use mina_ledger::{
    Domain,
    hash::{LegacyInput, salt},
    signature::{sign_message, verify_message},
    types::{Era, NetworkId, PrivateKey, PublicKey},
};
use mina_poseidon::{Legacy, Permutation};
use zeko_circuits::{
    Linear,
    alloc::witness,
    key::PublicKeyVar,
    legacy::{LegacyInputVar, assert_signed, hash, permute},
    number::UIntVar,
    schnorr::SignatureWitness,
};

use crate::forge::{forge, number};

#[test]
fn permutation() {
    let lab = Lab::<Fp, [Fp; 3]>::new(|cs| {
        let state = cs.witnesses(|v: &Values<'_, Fp, [Fp; 3]>| *v.input());
        for x in permute(cs, state.map(Linear::from)) {
            cs.expose(x);
        }
    });
    let mut rng = rng(41);
    for input in [[Fp::from(0u64); 3], core::array::from_fn(|_| Fp::rand(&mut rng))] {
        let mut expected = input;
        <Legacy as Permutation<Fp>>::permute(&mut expected);
        assert_eq!(lab.public(&input), expected);
    }
    // The state is free, and everything after it is not.
    forge(&lab, &core::array::from_fn(|_| Fp::rand(&mut rng)), 3, &[]);
    // The public inputs, 945 halves, and three for the first additions.
    assert_eq!(lab.circuit.rows(), 3 + 948 / 2);
    assert_eq!(lab.digest(), "97ab096cfed3682911ef946ed5e22c5c7f10393d38c83e5fe9ee984c6939138a");
}

#[test]
fn upstream_vectors() {
    let json = include_str!("../../../../tests/vectors/poseidon/legacy.json");
    let file: serde_json::Value = serde_json::from_str(json).unwrap();
    let element = |hex: &serde_json::Value| {
        let hex = hex.as_str().unwrap();
        let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
        Fp::from_le_bytes_mod_order(&(0..hex.len()).step_by(2).map(byte).collect::<Vec<_>>())
    };
    let vectors = file["test_vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 6);
    for vector in vectors {
        let input: Vec<Fp> = vector["input"].as_array().unwrap().iter().map(element).collect();
        let lab = Lab::<Fp, Vec<Fp>>::new(|cs| {
            let count = input.len();
            let vars = cs.try_witnesses(count, |v: &Values<'_, Fp, Vec<Fp>>| Ok(v.input().clone()));
            let fields: Vec<_> = vars.into_iter().map(Linear::from).collect();
            let digest = hash(cs, &[Fp::from(0u64); 3], &fields);
            cs.expose(digest);
        });
        assert_eq!(lab.public(&input), [element(&vector["output"])]);
    }
}

/// Numbers that fill an element to its last bit, a key, and an element.
struct Packed {
    numbers: [u64; 6],
    key: PublicKey,
    element: Fp,
}

#[test]
fn packing() {
    let lab = Lab::<Fp, Packed>::new(|cs| {
        let mut input = LegacyInputVar::new();
        for i in 0..3 {
            let x = number::<64, _>(cs, move |x: &Packed| x.numbers[i]);
            input.bits(x.linear(), 64);
        }
        let x = number::<32, _>(cs, |x: &Packed| x.numbers[3]);
        input.bits(x.linear(), 32);
        let key: PublicKeyVar = witness(cs, Era::Mesa, &PublicKey::EMPTY, |x: &Packed| &x.key);
        let x = number::<14, _>(cs, |x: &Packed| x.numbers[4]);
        input.bits(x.linear(), 14);
        let x = number::<16, _>(cs, |x: &Packed| x.numbers[5]);
        input.bits(x.linear(), 16).key(&key);
        let element = cs.witness(|v: &Values<'_, Fp, Packed>| v.input().element);
        input.field(element);
        let input = input.shared(cs);
        let digest = hash(cs, salt::legacy_receipt(), &input.into_fields());
        cs.expose(digest);
    });
    let mut rng = rng(42);
    let key = PublicKey { x: Fp::rand(&mut rng), is_odd: true };
    let element = Fp::rand(&mut rng);
    let numbers = [u64::MAX, 5, 1 << 63, u64::from(u32::MAX), 1 << 13, 0xffff];
    let mut native = LegacyInput::new();
    for (x, bits) in numbers.into_iter().zip([64, 64, 64, 32, 14, 16]) {
        native.bits(x, bits);
    }
    native.key(&key).field(element);
    let mut sponge = mina_poseidon::Sponge::<Fp, Legacy>::from_state(*salt::legacy_receipt());
    sponge.absorb_all(&native.into_fields());
    let input = Packed { numbers, key, element };
    assert_eq!(lab.public(&input), [sponge.squeeze()]);
    // The two elements.
    forge(&lab, &input, 2, &[]);
    assert_eq!(lab.digest(), "58fd39ebc61c1adf2887519858e54653faacd9797e4e1cdb09f6b768c6a51d9e");
}

/// Four bytes of text, who signs them, and the signature.
struct Signed {
    key: PublicKey,
    text: u64,
    witness: SignatureWitness,
}

#[test]
fn signatures() {
    let domain = Domain::new(NetworkId::Testnet, Era::Mesa);
    let lab = Lab::<Fp, Signed>::new(|cs| {
        let key: PublicKeyVar =
            witness(cs, Era::Mesa, &PublicKey::EMPTY, |input: &Signed| &input.key);
        let text: UIntVar<32> = number(cs, |input: &Signed| input.text);
        let mut message = LegacyInputVar::new();
        message.bits(text.linear(), 32);
        assert_signed(cs, &domain, &key, &message, |input: &Signed| &input.witness);
    });
    let private = PrivateKey::new(Fq::rand(&mut rng(43))).unwrap();
    let key = private.to_public_key();
    let signature = sign_message("text", &private, &domain).unwrap();
    verify_message(&signature, "text", &key, &domain).unwrap();
    // Texts are signed with the highest bit of each byte first.
    let text = u32::from_le_bytes(b"text".map(u8::reverse_bits)).into();
    let witness = SignatureWitness::new(&key, signature).unwrap();
    let honest = Signed { key, text, witness };
    // What is multiplied by zero where a point is doubled: that of the two multiplications.
    let doubled = [("multiplications CompleteAdd 9", 2), ("multiplications CompleteAdd 10", 2)];
    forge(&lab, &honest, 0, &doubled);
    assert_eq!(lab.digest(), "0278d7466edddd144f1cdb8f971e4cf3f426c7ff418217a3bdbf948cd8d15e33");

    let other = PrivateKey::new(Fq::rand(&mut rng(44))).unwrap().to_public_key();
    let edited = |edit: &dyn Fn(&mut SignatureWitness)| {
        let mut witness = witness;
        edit(&mut witness);
        Signed { witness, ..honest }
    };
    for (forged, region) in [
        (Signed { text: text ^ 1, ..honest }, "nonce"),
        (edited(&|witness| witness.signature.s += Fq::ONE), "nonce"),
        (edited(&|witness| witness.signature.r += Fp::ONE), "nonce"),
        (edited(&|witness| witness.key = other.to_point().unwrap()), "key"),
        (edited(&|witness| witness.key = -witness.key), "key"),
        (Signed { key: PublicKey { is_odd: !key.is_odd, ..key }, ..honest }, "key"),
        (edited(&|witness| *witness = SignatureWitness::none()), "key"),
    ] {
        assert!(lab.rejects(&forged).iter().any(|found| found == region), "{region}");
    }
    // Kimchi's hash of the same bits is another one.
    let kimchi = mina_ledger::signature::sign_fields(&[Fp::from(text)], &private, &domain).unwrap();
    let forged = Signed { witness: SignatureWitness::new(&key, kimchi).unwrap(), ..honest };
    assert!(lab.rejects(&forged).iter().any(|found| found == "nonce"));
}
