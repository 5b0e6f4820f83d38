//! Forged witnesses of the gadgets: each cell, each class of wired cells, and every direction at once.

use std::collections::BTreeMap;

use ark_ff::{Field, UniformRand};
use kimchi::builder::{
    Values,
    testing::{Cell, Lab, rng},
};
use mina_curves::{Fp, Fq};
use mina_ledger::{
    Domain,
    ledger::{DEPTH, Location, MerklePath},
    signature::sign_fields,
    types::{
        AccountId, Amount, AuthKind, AuthRequired, Bounds, Era, NetworkId, Permissions, PrivateKey,
        PublicKey, SignedAmount, Slot, SlotSpan, Timing, TokenId, TxnVersion,
    },
};
use zeko_circuits::{
    Boolean, Cs, Linear,
    alloc::witness,
    input::{InputVar, hash},
    key::{AccountIdVar, PublicKeyVar},
    merkle::MerklePathVar,
    number::{SignedAmountVar, UIntVar},
    permissions::{AuthRequiredVar, AuthVar, PermissionsVar},
    schnorr::{SignatureWitness, assert_signed},
    timing::TimingVar,
};

/// Forges a witness in all three ways. `freedom` is the dimension of the statement; of the free cells,
/// the region, gate and column are given, and how many there are.
pub(crate) fn forge<I>(lab: &Lab<Fp, I>, input: &I, freedom: usize, free: &[(&str, usize)]) {
    let cells = lab.unnoticed_cells(input);
    let mut named = BTreeMap::<String, usize>::new();
    for (row, column) in &cells {
        let kind = lab.circuit.gates()[*row].kind;
        let half = usize::from(*column >= 3);
        let region = lab.circuit.region(*row, half);
        *named.entry(format!("{region} {kind:?} {column}")).or_default() += 1;
    }
    let expected: BTreeMap<String, usize> =
        free.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    assert_eq!(named, expected, "free cells");
    let cells: Vec<Cell> = cells.into_iter().collect();
    lab.forge(input, freedom, &cells);
}

pub(crate) fn number<const BITS: usize, I>(
    cs: &mut Cs<I>,
    x: impl Fn(&I) -> u64 + Send + Sync + 'static,
) -> UIntVar<BITS> {
    let var = cs.witness(move |v: &Values<'_, Fp, I>| Fp::from(x(v.input())));
    UIntVar::assert(cs, var)
}

#[test]
fn numbers_in_order() {
    let lab = Lab::<Fp, [u64; 2]>::new(|cs| {
        let [a, b] = [0, 1].map(|i| number::<64, _>(cs, move |input: &[u64; 2]| input[i]));
        let bit = a.at_most(cs, &b);
        cs.expose(Linear::from(bit));
    });
    for (a, b) in [(0, 0), (5, 6), (6, 5), (0, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX)] {
        assert_eq!(lab.public(&[a, b]), [Fp::from(a <= b)]);
        forge(&lab, &[a, b], 0, &[]);
    }
    assert_eq!(lab.digest(), "2dce075d304630bc182fac722a05601abf85ca5fbc91fdf660951513820d8b26");
}

#[test]
fn numbers_that_wrap() {
    let lab = Lab::<Fp, Fp>::new(|cs| {
        let x = cs.witness(|v: &Values<'_, Fp, Fp>| *v.input());
        let (rest, fits) = UIntVar::<32>::wrap(cs, x);
        cs.expose(rest.linear());
        cs.expose(Linear::from(fits));
    });
    let power = Fp::from(1u64 << 32);
    let one = Fp::ONE;
    for (x, rest, fits) in [
        (power - one, power - one, true),
        (power, Fp::from(0u64), false),
        (-one, power - one, false),
        (power + power + one, one, false),
    ] {
        assert_eq!(lab.public(&x), [rest, Fp::from(fits)]);
        // Where the value fits, the inverse by which `fits` is made of the zero is free.
        let free: &[_] = if fits { &[(" Generic 1", 1)] } else { &[] };
        forge(&lab, &x, 0, free);
    }
    for x in [power * Fp::from(3u64), -power - one] {
        lab.rejects(&x);
    }
    assert_eq!(lab.digest(), "4b956f91b3f7af9c3f7d4cff974833a5d9314fa9e57591f6c10222a4def10c20");
}

#[test]
fn signed_amounts() {
    let lab = Lab::<Fp, Fp>::new(|cs| {
        let x = cs.witness(|v: &Values<'_, Fp, Fp>| *v.input());
        let (amount, fits) = SignedAmountVar::from_value(cs, x);
        cs.expose(amount.magnitude.linear());
        cs.expose(Linear::from(&amount.is_negative));
        cs.expose(Linear::from(fits));
    });
    let power = Fp::from(2u64).pow([64]);
    let [zero, one] = [Fp::from(0u64), Fp::ONE];
    for (x, magnitude, negative, fits) in [
        (zero, zero, false, true),
        (one, one, false, true),
        (-one, one, true, true),
        (power - one, power - one, false, true),
        (one - power, power - one, true, true),
        (power, zero, false, false),
        (-power, zero, true, false),
        (-power * Fp::from(3u64) - one, one, true, false),
    ] {
        assert_eq!(lab.public(&x), [magnitude, Fp::from(negative), Fp::from(fits)]);
        // Of zero, the inverse by which that is shown.
        let free: &[_] = if x == zero { &[(" Generic 1", 1)] } else { &[] };
        forge(&lab, &x, 0, free);
    }
    for x in [power * Fp::from(4u64), -power * Fp::from(4u64)] {
        lab.rejects(&x);
    }
    assert_eq!(lab.digest(), "6163d3150e0f02bb1a4625edd18ff47c6fe40bb42a88c3adae5e5b60557f31cb");
}

#[test]
fn signed_values() {
    let lab = Lab::<Fp, SignedAmount>::new(|cs| {
        let sample = SignedAmount::ZERO;
        let amount: SignedAmountVar = witness(cs, Era::Mesa, &sample, |x: &SignedAmount| x);
        let value = amount.value(cs);
        cs.expose(value);
    });
    for (amount, value) in [
        (SignedAmount::positive(Amount::new(7)), Fp::from(7u64)),
        (SignedAmount::negative(Amount::new(7)), -Fp::from(7u64)),
        (SignedAmount::ZERO, Fp::from(0u64)),
    ] {
        assert_eq!(lab.public(&amount), [value]);
        // Zero may have either sign.
        forge(&lab, &amount, 0, &[]);
    }
    assert_eq!(lab.digest(), "b8f1ffeff415713415ce584a1b493f671ab3ca9708f577e7197fcf403d7a7753");
}

/// A schedule and a slot.
type Vesting = (Timing, Slot);

#[test]
fn vesting() {
    let lab = Lab::<Fp, Vesting>::new(|cs| {
        let timing: TimingVar =
            witness(cs, Era::Mesa, &Timing::UNTIMED, |(timing, _): &Vesting| timing);
        let slot = number::<32, _>(cs, |(_, slot): &Vesting| slot.get().into());
        let minimum = timing.minimum_balance(cs, &slot);
        cs.expose(minimum.linear());
    });
    let timing = |period, cliff_amount, increment| Timing {
        initial_minimum_balance: Amount::new(1000),
        cliff_time: Slot::new(50),
        cliff_amount: Amount::new(cliff_amount),
        vesting_period: SlotSpan::new(period),
        vesting_increment: Amount::new(increment),
    };
    for (timing, slot, free) in [
        (timing(10, 100, 7), 49, 0),
        (timing(10, 100, 7), 50, 0),
        (timing(10, 100, 7), 79, 0),
        (timing(10, 100, 7), 5000, 0),
        (timing(10, 2000, u64::MAX), u32::MAX, 0),
        (timing(u32::MAX, 0, u64::MAX), u32::MAX, 0),
        // The inverse of a period of zero is free.
        (timing(0, 100, 7), 49, 1),
        (timing(0, 100, 7), 51, 1),
        (Timing::UNTIMED, 0, 0),
    ] {
        let slot = Slot::new(slot);
        assert_eq!(lab.public(&(timing, slot)), [Fp::from(timing.minimum_balance(slot).get())]);
        let free: &[_] = if free == 1 { &[(" Generic 4", 1)] } else { &[] };
        forge(&lab, &(timing, slot), 0, free);
    }
    assert_eq!(lab.digest(), "caeac1c2e0358643dcd5f712755ee5db30136b603ee0dac0394cfd1bfd2a2222");
}

/// Three bits of a permission, and whether there is a signature or a proof.
type Permission = ([bool; 3], [bool; 2]);

fn bit<I>(cs: &mut Cs<I>, x: impl Fn(&I) -> bool + Send + Sync + 'static) -> Boolean {
    Boolean::witness(cs, move |v: &Values<'_, Fp, I>| x(v.input()))
}

#[test]
fn permissions() {
    let lab = Lab::<Fp, Permission>::new(|cs| {
        let [constant, signature_necessary, signature_sufficient] =
            [0, 1, 2].map(|i| bit(cs, move |input: &Permission| input.0[i]));
        let required = AuthRequiredVar { constant, signature_necessary, signature_sufficient };
        let [is_signed, is_proved] = [0, 1].map(|i| bit(cs, move |input: &Permission| input.1[i]));
        let permitted = required.permits(cs, &AuthVar { is_signed, is_proved });
        cs.expose(Linear::from(permitted));
    });
    let kinds = [
        (AuthKind::None, [false, false]),
        (AuthKind::Signature, [true, false]),
        (AuthKind::Proof, [false, true]),
    ];
    use AuthRequired::{Either, Impossible, None, Proof, Signature};
    for required in [None, Either, Proof, Signature, Impossible] {
        for (kind, auth) in kinds {
            let input = (required.to_bits(), auth);
            assert_eq!(lab.public(&input), [Fp::from(required.permits(kind))]);
            forge(&lab, &input, 0, &[]);
        }
    }
    // Bits that are no permission: what is constant does not ask, and a signature that is necessary
    // but not sufficient is never enough, nor is a proof.
    for (bits, permitted) in [
        ([true, false, false], [false; 3]),
        ([true; 3], [true; 3]),
        ([false, true, false], [false; 3]),
    ] {
        for ((_, auth), permitted) in kinds.into_iter().zip(permitted) {
            assert_eq!(lab.public(&(bits, auth)), [Fp::from(permitted)], "{bits:?} {auth:?}");
        }
    }
    assert_eq!(lab.digest(), "2e69ff5e4497c72ac645aabdd258fcd2595285cd330633ceb850807335366407");
}

#[test]
fn permission_of_the_verification_key() {
    let era = Era::Mesa;
    let lab = Lab::<Fp, (Permissions, [bool; 2])>::new(|cs| {
        let sample = Permissions::user_default(era);
        let permissions: PermissionsVar =
            witness(cs, era, &sample, |input: &(Permissions, [bool; 2])| &input.0);
        let [is_signed, is_proved] =
            [0, 1].map(|i| bit(cs, move |input: &(Permissions, [bool; 2])| input.1[i]));
        let auth = AuthVar { is_signed, is_proved };
        let permitted = permissions.permits_verification_key(cs, &auth, era);
        cs.expose(Linear::from(permitted));
    });
    for required in [AuthRequired::None, AuthRequired::Proof, AuthRequired::Impossible] {
        for version in [TxnVersion::ZERO, era.txn_version()] {
            let mut permissions = Permissions::user_default(era);
            permissions.set_verification_key.auth = required;
            permissions.set_verification_key.txn_version = version;
            let old = version < era.txn_version();
            let required = if old { required.fallback_to_signature() } else { required };
            for (kind, auth) in
                [(AuthKind::Signature, [true, false]), (AuthKind::Proof, [false, true])]
            {
                assert_eq!(lab.public(&(permissions, auth)), [Fp::from(required.permits(kind))]);
                forge(&lab, &(permissions, auth), 0, &[]);
            }
        }
    }
    assert_eq!(lab.digest(), "c3027971fdf2cfcaca359f046d54d47c1106b6808b5a499f3cbf4406e968fc16");
}

fn keypair(seed: u64) -> (PrivateKey, PublicKey) {
    let key = PrivateKey::new(Fq::rand(&mut rng(seed))).unwrap();
    let public = key.to_public_key();
    (key, public)
}

#[test]
fn keys() {
    let lab = Lab::<Fp, [AccountId; 2]>::new(|cs| {
        let sample = AccountId::of(PublicKey::EMPTY);
        let [a, b]: [AccountIdVar; 2] = [0, 1]
            .map(|i| witness(cs, Era::Mesa, &sample, move |input: &[AccountId; 2]| &input[i]));
        let same = a.public_key.is_equal(cs, &b.public_key);
        let is_default = a.is_default_token(cs);
        let token = a.derive_token_id(cs);
        let chosen = PublicKeyVar::select(cs, &is_default, &a.public_key, &b.public_key);
        for value in [Linear::from(same), is_default.into(), token, chosen.x, chosen.is_odd.into()]
        {
            cs.expose(value);
        }
    });
    let [a, b] = [1, 2].map(|seed| keypair(seed).1);
    let token = TokenId(Fp::from(9u64));
    let flipped = PublicKey { is_odd: !a.is_odd, ..a };
    // Of what is equal, the inverse by which that is shown: of MINA, and of abscissas.
    let (is_default, same_x) = ((" Generic 1", 1), (" Generic 4", 1));
    for (first, second, freedom, free) in [
        (AccountId::of(a), AccountId::of(b), 2, vec![is_default]),
        (AccountId::of(a), AccountId::of(flipped), 1, vec![is_default, same_x]),
        (AccountId::new(a, token), AccountId::of(a), 2, vec![same_x]),
    ] {
        let public = lab.public(&[first, second]);
        let (key, other) = (first.public_key, second.public_key);
        assert_eq!(public[0], Fp::from(key == other));
        assert_eq!(public[1], Fp::from(first.token_id.is_default()));
        assert_eq!(public[2], mina_ledger::hash::derive_token_id(&first).0);
        // Abscissas, which move together if they are equal, and the first token unless it is MINA.
        forge(&lab, &[first, second], freedom, &free);
    }
    assert_eq!(lab.digest(), "858eec162b30884c189f271074ddfb00dd816819569ee1a7a54ef45dcc3d9f0d");
}

/// Two slots and an amount with its sign, and an element.
type Packed = (Bounds<Slot>, SignedAmount, Fp);

#[test]
fn packing() {
    let lab = Lab::<Fp, Packed>::new(|cs| {
        let lower = number::<32, _>(cs, |input: &Packed| input.0.lower.get().into());
        let upper = number::<32, _>(cs, |input: &Packed| input.0.upper.get().into());
        let sample = SignedAmount::ZERO;
        let amount: SignedAmountVar = witness(cs, Era::Mesa, &sample, |input: &Packed| &input.1);
        let element = cs.witness(|v: &Values<'_, Fp, Packed>| v.input().2);
        let mut input = InputVar::new();
        input.add(&lower).field(element).add(&upper).add(&amount);
        let digest = hash(cs, mina_ledger::hash::salt::EVENT.state(), &input.into_fields());
        cs.expose(digest);
    });
    let bounds = Bounds { lower: Slot::new(3), upper: Slot::MAX };
    let amount = SignedAmount::negative(Amount::MAX);
    let element = Fp::rand(&mut rng(3));
    let mut native = mina_ledger::hash::Input::new();
    native.add(&bounds.lower).field(element).add(&bounds.upper).add(&amount);
    let fields = native.into_fields();
    let expected = mina_ledger::hash::hash_one(mina_ledger::hash::salt::EVENT.state(), &fields);
    let input = (bounds, amount, element);
    assert_eq!(lab.public(&input), [expected]);
    // The element; the public digest follows it.
    forge(&lab, &input, 1, &[]);
    assert_eq!(lab.digest(), "7aaeea2fb5c3bba9b38a669249193199eb7d3c07e57f7963573a36e161aa9f5e");
}

#[test]
fn merkle_paths() {
    let lab = Lab::<Fp, (Fp, MerklePath)>::new(|cs| {
        let leaf = cs.witness(|v: &Values<'_, Fp, (Fp, MerklePath)>| v.input().0);
        let path = MerklePathVar::witness(cs, |input: &(Fp, MerklePath)| &input.1);
        let root = path.root(cs, &leaf.into());
        cs.expose(root);
    });
    let mut rng = rng(4);
    let siblings = (0..DEPTH).map(|_| Fp::rand(&mut rng)).collect();
    let path = MerklePath::new(Location::new(0x2_5a5a_5a5a), siblings);
    let leaf = Fp::rand(&mut rng);
    assert_eq!(lab.public(&(leaf, path.clone())), [path.root(leaf)]);
    // The leaf and its siblings.
    forge(&lab, &(leaf, path), 1 + DEPTH, &[]);
    assert_eq!(lab.digest(), "a5a54c6e548cfa958783e2c0b9f62b4ac51703c015cd97afeed54f8909f63903");
}

/// A key, a message, what is known of a signature, and whether there is one.
struct Signed {
    key: PublicKey,
    message: Fp,
    witness: SignatureWitness,
    is_signed: bool,
}

#[test]
fn signatures() {
    let domain = Domain::new(NetworkId::Testnet, Era::Mesa);
    let lab = Lab::<Fp, Signed>::new(|cs| {
        let key: PublicKeyVar =
            witness(cs, Era::Mesa, &PublicKey::EMPTY, |input: &Signed| &input.key);
        let message = cs.witness(|v: &Values<'_, Fp, Signed>| v.input().message);
        let is_signed = bit(cs, |input: &Signed| input.is_signed);
        let message = Linear::from(message);
        assert_signed(cs, &domain, &is_signed, &key, &message, |input: &Signed| &input.witness);
    });
    let (private, key) = keypair(5);
    let message = Fp::rand(&mut rng(6));
    let signature = sign_fields(&[message], &private, &domain).unwrap();
    let witness = SignatureWitness::new(&key, signature).unwrap();
    let honest = Signed { key, message, witness, is_signed: true };
    // What is multiplied by zero where a point is doubled: that of the two multiplications.
    let doubled = [("multiplications CompleteAdd 9", 2), ("multiplications CompleteAdd 10", 2)];
    forge(&lab, &honest, 0, &doubled);
    assert_eq!(lab.digest(), "e4208438d682e447e1f010d5e28fe8a31406fda27dea6351fda2c613f8f42729");

    let (_, other) = keypair(7);
    let mut forged = signature;
    forged.s += Fq::ONE;
    let wrong_s = SignatureWitness::new(&key, forged).unwrap();
    let mut forged = signature;
    forged.r += Fp::ONE;
    let wrong_r = SignatureWitness::new(&key, forged).unwrap();
    let others = SignatureWitness { key: other.to_point().unwrap(), signature };
    let negated = SignatureWitness { key: -witness.key, signature };
    for (forged, region) in [
        (Signed { message: message + Fp::ONE, ..honest }, "nonce"),
        (Signed { witness: wrong_s, ..honest }, "nonce"),
        (Signed { witness: wrong_r, ..honest }, "nonce"),
        (Signed { witness: others, ..honest }, "key"),
        (Signed { witness: negated, ..honest }, "key"),
        (Signed { key: PublicKey { is_odd: !key.is_odd, ..key }, ..honest }, "key"),
        (Signed { witness: SignatureWitness::none(), ..honest }, "key"),
    ] {
        assert!(lab.rejects(&forged).iter().any(|found| found == region), "{region}");
    }
    // Where nothing is signed, the key is free, and so are message and nonce as long as the challenge
    // stays the same.
    let none = SignatureWitness::none();
    let unsigned = Signed { key: other, message, witness: none, is_signed: false };
    forge(&lab, &unsigned, 2, &doubled);
}
