//! Pickles, Mina's recursive proof system: a *step* proof over Vesta about a statement and earlier
//! proofs, wrapped in a *wrap* proof over Pallas that has the same shape whatever it wraps.
//!
//! o1js' formats of proofs and verification keys, verification of proofs under a key that comes with
//! them (*side-loaded*), and programs of rules that prove, with step and wrap circuits of our own.
//!
//! Sources: MinaProtocol/mina `src/lib/pickles`, o1-labs/proof-systems `book/docs/pickles`.

mod circuit;
mod codec;
mod constants;
mod deferred;
mod derived;
pub mod example;
mod json;
mod key;
mod program;
mod proof;
mod public_input;
mod rule;
mod step;
mod verify;
mod wrap;

pub use codec::{ProofError, decode_proof, encode_proof};
pub use constants::{MAX_PROOFS_VERIFIED, STEP_ROUNDS, WRAP_PUBLIC_INPUTS, WRAP_ROUNDS, dummy};
pub use deferred::DeferredValues;
pub use json::{JsonError, ProofFile, ProofJson, VerificationKeyJson};
pub use key::{KeyError, VerificationKey};
pub use program::{CompileError, Program, ProgramBuilder, ProveError, ProvedStatement, RuleHandle};
pub use proof::{
    BranchData, Plonk, Proof, ProofState, ProofsVerified, StepEvaluations, StepFlags, StepMessages,
    WrapMessages,
};
pub use rule::{PreviousStatement, Rule, RuleStatement, Slot, StepBuilder, StepInput, StepKey};
pub use verify::{Instance, VerifyError, verify, verify_batch};
