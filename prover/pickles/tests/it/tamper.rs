//! Proofs are refused after any change, and bytes from outside never make the decoder panic.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field;
use base64::{Engine, prelude::BASE64_STANDARD};
use kimchi::Column;
use mina_curves::{Fp, Fq, PallasConfig, PastaCurve, Point, ScalarChallenge, VestaConfig};
use pickles::{
    Proof, ProofFile, ProofsVerified, VerificationKey, VerifyError, decode_proof, verify,
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use rayon::prelude::*;

use crate::vectors::files;

/// Mutations of a proof's S-expression, decoded.
const MUTATIONS: u64 = 100_000;

/// Mutations of a key, decoded.
const KEY_MUTATIONS: u64 = 20_000;

fn move_point<C: PastaCurve>(point: &mut Point<C>) {
    *point = (point.into_group() + C::GENERATOR).into_affine();
}

fn flip(challenge: &mut ScalarChallenge) {
    challenge.0[1] ^= 1 << 20;
}

type Apply = Box<dyn Fn(&mut VerificationKey, &mut Vec<Fp>, &mut Proof)>;

/// A change to one value of each kind, and for lists to one of their items.
fn changes(width: usize) -> Vec<(&'static str, Apply)> {
    let mut changes: Vec<(&'static str, Apply)> = vec![
        ("app state", Box::new(|_, app_state, _| app_state[0] += Fp::ONE)),
        ("key", Box::new(|key, _, _| move_point::<PallasConfig>(&mut key.sigma[3]))),
        ("alpha", Box::new(|_, _, p| flip(&mut p.state.plonk.alpha))),
        ("beta", Box::new(|_, _, p| flip(&mut p.state.plonk.beta))),
        ("gamma", Box::new(|_, _, p| flip(&mut p.state.plonk.gamma))),
        ("zeta", Box::new(|_, _, p| flip(&mut p.state.plonk.zeta))),
        ("prechallenge", Box::new(|_, _, p| flip(&mut p.state.bulletproof_challenges[7]))),
        ("sponge digest", Box::new(|_, _, p| p.state.sponge_digest += Fp::ONE)),
        ("domain", Box::new(|_, _, p| p.state.branch_data.domain_log2 ^= 1)),
        (
            "step sg",
            Box::new(|_, _, p| {
                let sg = &mut p.state.wrap_messages.challenge_polynomial_commitment;
                move_point::<VestaConfig>(sg);
            }),
        ),
        ("public", Box::new(|_, _, p| p.step_evaluations.public.zeta_omega += Fp::ONE)),
        ("w", Box::new(|_, _, p| p.step_evaluations.columns.witness[4].zeta[0] += Fp::ONE)),
        ("s", Box::new(|_, _, p| p.step_evaluations.columns.sigma[5].zeta_omega[0] += Fp::ONE)),
        ("ft", Box::new(|_, _, p| p.step_evaluations.ft_zeta_omega += Fp::ONE)),
        ("wrap w", Box::new(|_, _, p| p.wrap.evaluations.witness[14].zeta[0] += Fq::ONE)),
        ("wrap ft", Box::new(|_, _, p| p.wrap.ft_zeta_omega += Fq::ONE)),
        (
            "wrap commitment",
            Box::new(|_, _, p| {
                move_point::<PallasConfig>(&mut p.wrap.commitments.permutation.chunks[0]);
            }),
        ),
        ("wrap z2", Box::new(|_, _, p| p.wrap.opening.z2 += Fq::ONE)),
        ("wrap L", Box::new(|_, _, p| move_point::<PallasConfig>(&mut p.wrap.opening.lr[3].0))),
    ];
    if width > 0 {
        changes.push((
            "old wrap challenge",
            Box::new(|_, _, p| flip(&mut p.state.wrap_messages.old_bulletproof_challenges[0][2])),
        ));
        changes.push((
            "old step challenge",
            Box::new(|_, _, p| flip(&mut p.step_messages.old_bulletproof_challenges[0][2])),
        ));
        changes.push((
            "old sg",
            Box::new(|_, _, p| {
                let sg = &mut p.step_messages.challenge_polynomial_commitments[0];
                move_point::<PallasConfig>(sg);
            }),
        ));
    }
    changes
}

#[test]
fn any_change_is_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut accepted = Vec::new();
    for (name, file) in files() {
        if !["n0_hash", "n2_merge"].contains(&name.as_str()) {
            continue;
        }
        let (key, app_state, proof) = file.decode().unwrap();
        let width = proof.state.branch_data.proofs_verified.count();
        for (what, apply) in changes(width) {
            let (mut key, mut app_state, mut proof) =
                (key.clone(), app_state.clone(), proof.clone());
            apply(&mut key, &mut app_state, &mut proof);
            if verify(&key, &app_state, &proof, &mut rng).is_ok() {
                accepted.push(format!("{name}: {what}"));
            }
        }
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
}

/// What scaling passes infinity for: the order of the curve is `2^254 + e`.
#[test]
fn what_no_circuit_can_scale_by_is_refused() {
    let e = Fp::from(0x2246_98fc_0994_a8dd_8c46_eb21_0000_0001_u128);
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let (_, file) = files().into_iter().find(|(name, _)| name == "n0_hash").unwrap();
    let (key, app_state, proof) = file.decode().unwrap();
    for (scalar, is_refused) in
        [(e - Fp::ONE, true), (e, true), (e + Fp::ONE, false), (e - Fp::from(2u64), false)]
    {
        let mut changed = proof.clone();
        changed.state.sponge_digest = scalar;
        let error = verify(&key, &app_state, &changed, &mut rng).unwrap_err();
        let refused = matches!(error, VerifyError::ForbiddenScalar { .. });
        assert_eq!(refused, is_refused, "{error}");
    }
}

#[test]
fn failed_checks_are_named() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let (_, file) = files().into_iter().find(|(name, _)| name == "n1_inc1").unwrap();
    let (key, app_state, original) = file.decode().unwrap();
    let mut refused = |change: &dyn Fn(&mut Proof)| {
        let mut proof = original.clone();
        change(&mut proof);
        verify(&key, &app_state, &proof, &mut rng).unwrap_err()
    };
    assert_eq!(
        refused(&|p| p.state.branch_data.domain_log2 = 17),
        VerifyError::StepDomain { got: 17 }
    );
    assert_eq!(
        refused(&|p| p.state.branch_data.proofs_verified = ProofsVerified::N2),
        VerifyError::ProofsVerified { expected: 2, got: 1 }
    );
    assert!(matches!(
        refused(&|p| p.state.plonk.flags.xor = true),
        VerifyError::FeatureFlags { expected: true, got: false, .. }
    ));
    assert_eq!(
        refused(&|p| p.step_evaluations.columns.permutation.zeta.push(Fp::ONE)),
        VerifyError::Chunks { column: Column::Permutation, got: 2 }
    );
    assert_eq!(
        refused(&|p| p.state.plonk.joint_combiner = Some(ScalarChallenge([1, 2]))),
        VerifyError::JointCombiner { expected: false, got: true }
    );
    assert_eq!(
        refused(&|p| flip(&mut p.state.bulletproof_challenges[0])),
        VerifyError::Accumulator
    );
    assert!(matches!(
        refused(&|p| p.wrap.opening.z1 += Fq::ONE),
        VerifyError::Wrap(kimchi::VerifyError::Opening(_))
    ));
}

/// One change: a flipped bit, a random byte, a cut, an insertion, or swapped bytes.
fn mutate(original: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut bytes = original.to_vec();
    let at = rng.next_u64() as usize % bytes.len();
    match rng.next_u32() % 6 {
        0 => bytes[at] ^= 1 << (rng.next_u32() % 8),
        1 => bytes[at] = b"()\" 0x\\aF"[rng.next_u32() as usize % 9],
        2 => bytes.truncate(at),
        3 => bytes.insert(at, b"()\" 0x\\aF"[rng.next_u32() as usize % 9]),
        4 => drop(bytes.remove(at)),
        _ => {
            let other = rng.next_u64() as usize % bytes.len();
            bytes.swap(at, other);
        }
    }
    bytes
}

#[test]
fn mutated_proofs_decode_to_something_else_or_fail() {
    let (_, file) = files().into_iter().find(|(name, _)| name == "n2_merge").unwrap();
    let text = BASE64_STANDARD.decode(&file.proof.proof).unwrap();
    let original = decode_proof(&file.proof.proof, ProofsVerified::N2).unwrap();
    let decoded = (0..MUTATIONS)
        .into_par_iter()
        .filter(|seed| {
            let mutated = mutate(&text, *seed);
            // Spaces may be added where an S-expression ignores them: same value, other text.
            decode_proof(&BASE64_STANDARD.encode(&mutated), ProofsVerified::N2)
                .is_ok_and(|proof| proof != original)
        })
        .count();
    // Hexadecimal digits can be changed into others.
    assert!(decoded > 0 && decoded < MUTATIONS as usize / 2, "{decoded}");
}

#[test]
fn mutated_keys_and_files_decode_or_fail() {
    let (_, file) = files().into_iter().find(|(name, _)| name == "n0_hash").unwrap();
    let bytes = BASE64_STANDARD.decode(&file.verification_key.data).unwrap();
    let decoded = (0..KEY_MUTATIONS)
        .into_par_iter()
        .filter(|seed| VerificationKey::from_bytes(&mutate(&bytes, *seed)).is_ok())
        .count();
    assert!(decoded < KEY_MUTATIONS as usize / 2, "{decoded}");

    let json = serde_json::to_vec(&file).unwrap();
    (0..2000u64).into_par_iter().for_each(|seed| {
        let _ = ProofFile::parse(&mutate(&json, seed)).and_then(|file| file.decode());
    });
}
