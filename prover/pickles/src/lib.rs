//! Pickles, Mina's recursive proof system: a *step* proof over Vesta about a statement and earlier
//! proofs, wrapped in a *wrap* proof over Pallas that has the same shape whatever it wraps.
//!
//! - [`verify()`]: proofs under keys that come with them (*side-loaded*), o1js' among them;
//! - [`Program`]: programs of inductive [rules](Rule), whose proofs Mina's software accepts;
//! - [`ProofFile`], [`decode_proof`], [`VerificationKey`]: o1js' formats.
//!
//! The step and wrap circuits are our own: what Mina fixes is the form of a wrap proof and of its
//! statement. `docs/src/pickles.md` says how they differ from Mina's, `docs/src/review-pickles.md`
//! what binds each of their public inputs.
//!
//! Sources: MinaProtocol/mina `src/lib/pickles`, o1-labs/proof-systems `book/docs/pickles`.

mod cache;
mod circuit;
mod codec;
mod constants;
mod deferred;
mod derived;
pub mod example;
mod json;
mod key;
mod memory;
mod placeholder;
mod program;
mod proof;
mod public_input;
mod rule;
mod step;
mod verify;
mod wrap;

pub use cache::KeyCache;
pub use codec::{
    ProofError, account_update_proof_bytes, decode_account_update_proof, decode_proof,
    encode_account_update_proof, encode_proof,
};
pub use constants::{MAX_PROOFS_VERIFIED, STEP_ROUNDS, WRAP_PUBLIC_INPUTS, WRAP_ROUNDS, dummy};
pub use deferred::DeferredValues;
pub use json::{JsonError, ProofFile, ProofJson, VerificationKeyJson};
pub use key::{KeyError, VerificationKey};
pub use memory::free_memory;
pub use program::{
    CompileError, Job, Program, ProgramBuilder, ProveError, ProvedStatement, RuleHandle,
};
pub use proof::{
    BranchData, Plonk, Proof, ProofState, ProofsVerified, StepEvaluations, StepFlags, StepMessages,
    WrapMessages,
};
pub use rule::{PreviousStatement, Rule, RuleStatement, Slot, StepBuilder, StepInput, StepKey};
pub use verify::{Instance, VerifyError, verify, verify_batch};
