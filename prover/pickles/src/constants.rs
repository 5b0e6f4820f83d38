//! Sizes, and the dummies that pad proofs of lower width.

use std::sync::OnceLock;

use ark_ff::MontFp;
use blake2::{Blake2s256, Digest};
use mina_curves::{Pallas, ScalarChallenge, Vesta};

/// Rounds of a step proof's opening: its SRS has 2^16 bases.
pub const STEP_ROUNDS: usize = 16;

/// Rounds of a wrap proof's opening: its SRS has 2^15 bases.
pub const WRAP_ROUNDS: usize = 15;

/// The most proofs that one proof verifies; what every wrap proof is padded to.
pub const MAX_PROOFS_VERIFIED: usize = 2;

/// Field elements in the public input of a wrap proof.
pub const WRAP_PUBLIC_INPUTS: usize = 40;

/// What stands for a proof that is not there.
pub mod dummy {
    use super::{
        Blake2s256, Digest, MontFp, OnceLock, Pallas, STEP_ROUNDS, ScalarChallenge, Vesta,
        WRAP_ROUNDS,
    };

    /// The challenges of a wrap opening that is not there.
    pub fn wrap_challenges() -> &'static [ScalarChallenge; WRAP_ROUNDS] {
        static CHALLENGES: OnceLock<[ScalarChallenge; WRAP_ROUNDS]> = OnceLock::new();
        // Upstream fills the vector from its end, so labels count backwards.
        CHALLENGES.get_or_init(|| std::array::from_fn(|i| challenge(WRAP_ROUNDS - i)))
    }

    /// The challenges of a step opening that is not there.
    pub fn step_challenges() -> &'static [ScalarChallenge; STEP_ROUNDS] {
        static CHALLENGES: OnceLock<[ScalarChallenge; STEP_ROUNDS]> = OnceLock::new();
        let first = WRAP_ROUNDS + STEP_ROUNDS;
        CHALLENGES.get_or_init(|| std::array::from_fn(|i| challenge(first - i)))
    }

    fn challenge(label: usize) -> ScalarChallenge {
        let hash = Blake2s256::digest(format!("chal_{label}"));
        let limb = |i: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&hash[8 * i..8 * i + 8]);
            u64::from_le_bytes(bytes)
        };
        ScalarChallenge([limb(0), limb(1)])
    }

    /// The commitment to the challenge polynomial of [`wrap_challenges`].
    pub const WRAP_SG: Pallas = Pallas::new_unchecked(
        MontFp!("8063668238751197448664615329057427953229339439010717262869116690340613895496"),
        MontFp!("2694491010813221541025626495812026140144933943906714931997499229912601205355"),
    );

    /// The commitment to the challenge polynomial of [`step_challenges`].
    pub const STEP_SG: Vesta = Vesta::new_unchecked(
        MontFp!("7157847628472818669877981787153253278122158060570991904823379281596325861730"),
        MontFp!("9959746677904483136261451107528553963316638248277760417056251351537540061100"),
    );
}

#[cfg(test)]
mod tests {
    use mina_curves::{PallasConfig, PastaCurve, VestaConfig};
    use mina_poseidon::KimchiCurve;
    use poly_commitment::{Srs, b_poly_coefficients};

    use super::*;

    fn commitment<C: KimchiCurve>(challenges: &[ScalarChallenge]) -> mina_curves::Point<C> {
        let challenges: Vec<_> =
            challenges.iter().map(|c| c.to_field(<C as PastaCurve>::ENDO_SCALAR)).collect();
        let srs = Srs::<C>::shared(1 << challenges.len());
        srs.commit(&b_poly_coefficients(&challenges), 1).chunks[0]
    }

    #[test]
    fn dummies_belong_together() {
        assert_eq!(commitment::<PallasConfig>(dummy::wrap_challenges()), dummy::WRAP_SG);
        assert_eq!(commitment::<VestaConfig>(dummy::step_challenges()), dummy::STEP_SG);
    }
}
