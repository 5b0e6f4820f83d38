//! Kimchi, the PLONK variant that Mina's proofs are made with: gates, verifier and prover,
//! interchangeable proof by proof with o1-labs' implementation.
//!
//! Specification: o1-labs/proof-systems, `book/docs/specs/kimchi.md`.

pub mod builder;
mod codec;
mod domain;
mod env;
mod error;
mod features;
mod gate;
mod gates;
mod index;
mod linearization;
mod lookup;
mod proof;
mod prover;
mod transcript;
mod verifier;

pub use codec::{CodecError, Fixture, MAX_SRS_SIZE, Statement, decode_fixture};
pub use domain::{Domain, MAX_LOG_SIZE};
pub use env::{ConstantField, Element, Env, GateConstants};
pub use error::VerifyError;
pub use features::{FeatureFlags, LOOKUP_PATTERNS, LookupFeatures, LookupPattern};
pub use gate::{
    COLUMNS, Circuit, Gate, GateKind, MANDATORY_GATES, OPTIONAL_GATES, PERMUTED_COLUMNS, Revision,
    Wire, Witness,
};
pub use gates::{MAX_CONSTRAINTS, ROUNDS_PER_ROW, constraints, round_columns};
pub use index::{CircuitCurve, LookupIndex, VerifierIndex};
pub use linearization::{
    DomainAtZeta, LOOKUP_ALPHA, PERMUTATION_ALPHA, Parameters, ft_zeta, lookups_at_zeta,
    permutation_scalar,
};
pub use lookup::{LookupEnv, RANGE_CHECK_TABLE, XOR_TABLE};
pub use proof::{
    AtPoints, Column, Commitments, Evaluations, LookupCommitments, MAX_SORTED, Proof,
    RecursionChallenge, absorbed_columns, opened_columns,
};
pub use prover::{NoTrace, ProverError, ProverIndex, Trace, ZK_ROWS};
pub use transcript::{
    Challenges, OpeningChallenges, Prechallenges, Transcript, opening_challenges,
};
pub use verifier::{Instance, PartialVerification, verify, verify_batch};
