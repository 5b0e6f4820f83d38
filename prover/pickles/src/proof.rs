//! What a Pickles proof consists of.

use kimchi::{AtPoints, Evaluations, FeatureFlags, LookupFeatures};
use mina_curves::{Fp, Pallas, PallasConfig, ScalarChallenge, Vesta};

use crate::constants::{STEP_ROUNDS, WRAP_ROUNDS};

/// How many proofs a step proof verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProofsVerified {
    /// None.
    N0,
    /// One.
    N1,
    /// Two.
    N2,
}

impl ProofsVerified {
    /// As a number.
    pub const fn count(self) -> usize {
        self as usize
    }

    /// From a number.
    pub const fn from_count(count: usize) -> Option<Self> {
        match count {
            0 => Some(Self::N0),
            1 => Some(Self::N1),
            2 => Some(Self::N2),
            _ => None,
        }
    }

    /// As a mask of two bits, lowest first, filled from the end: 0, 2, 3.
    pub const fn mask(self) -> u64 {
        [0, 2, 3][self as usize]
    }
}

/// A Pickles proof: a wrap proof with the statement it is about and the evaluations of the step
/// proof that it wraps. The application's state is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What the wrap circuit has shown about the step proof.
    pub state: ProofState,
    /// What the next step proof will hash.
    pub step_messages: StepMessages,
    /// Evaluations of the wrapped step proof, from which its deferred values follow.
    pub step_evaluations: StepEvaluations,
    /// The wrap proof, without the accumulators that it carries (they are in the messages).
    pub wrap: kimchi::Proof<PallasConfig>,
}

/// The part of the statement that is about the step proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofState {
    /// Challenges of the step proof's transcript.
    pub plonk: Plonk,
    /// Challenges of its opening.
    pub bulletproof_challenges: [ScalarChallenge; STEP_ROUNDS],
    /// Which circuit it belongs to.
    pub branch_data: BranchData,
    /// The transcript's state before the evaluations.
    pub sponge_digest: Fp,
    /// What the next wrap proof will hash.
    pub wrap_messages: WrapMessages,
}

/// Challenges of a step proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plonk {
    /// Combines constraints.
    pub alpha: ScalarChallenge,
    /// Permutation.
    pub beta: ScalarChallenge,
    /// Permutation.
    pub gamma: ScalarChallenge,
    /// Where polynomials are evaluated.
    pub zeta: ScalarChallenge,
    /// Joins the values of a lookup, if there are lookups.
    pub joint_combiner: Option<ScalarChallenge>,
    /// Optional parts of the step circuit.
    pub flags: StepFlags,
}

/// Optional parts of a step circuit, in the order of the statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepFlags {
    /// Range check of one value.
    pub range_check0: bool,
    /// Range check of three values.
    pub range_check1: bool,
    /// Foreign field addition.
    pub foreign_field_add: bool,
    /// Foreign field multiplication.
    pub foreign_field_mul: bool,
    /// Exclusive or.
    pub xor: bool,
    /// Rotation.
    pub rot: bool,
    /// The lookup gate.
    pub lookup: bool,
    /// Tables chosen by the prover.
    pub runtime_tables: bool,
}

impl StepFlags {
    /// Upstream's names, in the order of the statement.
    pub const NAMES: [&'static str; 8] = [
        "range_check0",
        "range_check1",
        "foreign_field_add",
        "foreign_field_mul",
        "xor",
        "rot",
        "lookup",
        "runtime_tables",
    ];

    /// In the order of the statement.
    pub const fn to_array(self) -> [bool; 8] {
        [
            self.range_check0,
            self.range_check1,
            self.foreign_field_add,
            self.foreign_field_mul,
            self.xor,
            self.rot,
            self.lookup,
            self.runtime_tables,
        ]
    }

    /// From the order of the statement.
    pub const fn from_array(flags: [bool; 8]) -> Self {
        let [range_check0, range_check1, foreign_field_add, foreign_field_mul, xor, rot, ..] =
            flags;
        let [.., lookup, runtime_tables] = flags;
        Self {
            range_check0,
            range_check1,
            foreign_field_add,
            foreign_field_mul,
            xor,
            rot,
            lookup,
            runtime_tables,
        }
    }

    /// Whether some gate looks values up.
    pub const fn uses_lookups(self) -> bool {
        self.range_check0
            || self.range_check1
            || self.foreign_field_mul
            || self.xor
            || self.rot
            || self.lookup
    }

    /// The same, as Kimchi names it.
    pub const fn features(self) -> FeatureFlags {
        let range_check = self.range_check0 || self.range_check1 || self.rot;
        FeatureFlags {
            optional_gates: [
                self.range_check0,
                self.range_check1,
                self.foreign_field_add,
                self.foreign_field_mul,
                self.xor,
                self.rot,
            ],
            lookup: LookupFeatures {
                patterns: [self.xor, self.lookup, range_check, self.foreign_field_mul],
                joint_lookup_used: self.xor || self.lookup,
                uses_runtime_tables: self.runtime_tables,
            },
        }
    }
}

/// Which circuit of a program a step proof belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BranchData {
    /// How many proofs it verified.
    pub proofs_verified: ProofsVerified,
    /// The base-2 logarithm of its domain.
    pub domain_log2: u8,
}

/// What the next step proof will hash, besides the key and the application's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepMessages {
    /// `sg` of each wrap proof that was verified.
    pub challenge_polynomial_commitments: Vec<Pallas>,
    /// The challenges of each step proof that those wrapped.
    pub old_bulletproof_challenges: Vec<[ScalarChallenge; STEP_ROUNDS]>,
}

/// What the next wrap proof will hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrapMessages {
    /// `sg` of the step proof.
    pub challenge_polynomial_commitment: Vesta,
    /// The challenges of each wrap proof that the step proof verified.
    pub old_bulletproof_challenges: Vec<[ScalarChallenge; WRAP_ROUNDS]>,
}

/// Evaluations of a step proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepEvaluations {
    /// Of the negated public input.
    pub public: AtPoints<Fp>,
    /// Of all columns; [`Evaluations::public`] is not used.
    pub columns: Evaluations<Vec<Fp>>,
    /// Of the linearization at `ζω`.
    pub ft_zeta_omega: Fp,
}
