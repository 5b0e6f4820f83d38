//! A proof and a key of nothing, for development networks on which nobody looks at proofs.

use ark_ec::AffineRepr;
use kimchi::{AtPoints, Commitments, Evaluations};
use mina_curves::{Fp, Fq, Pallas, PallasConfig, ScalarChallenge, Vesta};
use poly_commitment::{Commitment, OpeningProof};

use crate::{
    constants::{MAX_PROOFS_VERIFIED, STEP_ROUNDS, WRAP_ROUNDS},
    key::VerificationKey,
    proof::{
        BranchData, Plonk, Proof, ProofState, ProofsVerified, StepEvaluations, StepFlags,
        StepMessages, WrapMessages,
    },
};

/// Chunks of a wrap proof's quotient.
const QUOTIENT_CHUNKS: usize = 7;

impl Proof {
    /// A proof of the right shape whose points are generators and whose scalars are zeros: no
    /// verifier accepts it.
    pub fn placeholder() -> Self {
        let challenge = ScalarChallenge::default();
        Self {
            state: ProofState {
                plonk: Plonk {
                    alpha: challenge,
                    beta: challenge,
                    gamma: challenge,
                    zeta: challenge,
                    joint_combiner: None,
                    flags: StepFlags::default(),
                },
                bulletproof_challenges: [challenge; STEP_ROUNDS],
                branch_data: BranchData { proofs_verified: ProofsVerified::N2, domain_log2: 16 },
                sponge_digest: Fp::default(),
                wrap_messages: WrapMessages {
                    challenge_polynomial_commitment: Vesta::generator(),
                    old_bulletproof_challenges: vec![[challenge; WRAP_ROUNDS]; MAX_PROOFS_VERIFIED],
                },
            },
            step_messages: StepMessages {
                challenge_polynomial_commitments: vec![Pallas::generator(); MAX_PROOFS_VERIFIED],
                old_bulletproof_challenges: vec![[challenge; STEP_ROUNDS]; MAX_PROOFS_VERIFIED],
            },
            step_evaluations: StepEvaluations {
                public: zeros(Fp::default()),
                columns: evaluations(vec![Fp::default()]),
                ft_zeta_omega: Fp::default(),
            },
            wrap: kimchi::Proof {
                commitments: Commitments {
                    witness: std::array::from_fn(|_| point(1)),
                    permutation: point(1),
                    quotient: point(QUOTIENT_CHUNKS),
                    lookup: None,
                },
                opening: OpeningProof {
                    lr: vec![(Pallas::generator(), Pallas::generator()); WRAP_ROUNDS],
                    delta: Pallas::generator(),
                    z1: Fq::default(),
                    z2: Fq::default(),
                    sg: Pallas::generator(),
                },
                evaluations: evaluations(vec![Fq::default()]),
                ft_zeta_omega: Fq::default(),
                previous: Vec::new(),
            },
        }
    }
}

impl VerificationKey {
    /// A key of generators: that of no program.
    pub fn placeholder() -> Self {
        Self {
            max_proofs_verified: ProofsVerified::N2,
            wrap_domain: ProofsVerified::N2,
            sigma: [Pallas::generator(); _],
            coefficients: [Pallas::generator(); _],
            selectors: [Pallas::generator(); _],
        }
    }
}

fn point(chunks: usize) -> Commitment<PallasConfig> {
    Commitment { chunks: vec![Pallas::generator(); chunks] }
}

fn zeros<T: Clone>(zero: T) -> AtPoints<T> {
    AtPoints { zeta: zero.clone(), zeta_omega: zero }
}

fn evaluations<T: Clone>(zero: T) -> Evaluations<T> {
    let column = || zeros(zero.clone());
    Evaluations {
        public: None,
        witness: std::array::from_fn(|_| column()),
        permutation: column(),
        sigma: std::array::from_fn(|_| column()),
        coefficients: std::array::from_fn(|_| column()),
        selectors: std::array::from_fn(|_| column()),
        optional_selectors: std::array::from_fn(|_| None),
        lookup_aggregation: None,
        lookup_table: None,
        lookup_sorted: std::array::from_fn(|_| None),
        runtime_table: None,
        runtime_table_selector: None,
        lookup_selectors: std::array::from_fn(|_| None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{account_update_proof_bytes, decode_account_update_proof, verify};

    #[test]
    fn it_can_be_written_and_read_and_proves_nothing() {
        let (proof, key) = (Proof::placeholder(), VerificationKey::placeholder());
        let bytes = account_update_proof_bytes(&proof);
        assert_eq!(decode_account_update_proof(&bytes).unwrap(), proof);
        assert_eq!(VerificationKey::from_bytes(&key.to_bytes()).unwrap(), key);
        for statement in [vec![], vec![Fp::default()], vec![Fp::from(1u64); 2]] {
            verify(&key, &statement, &proof, &mut rand::rngs::OsRng).unwrap_err();
        }
    }
}
