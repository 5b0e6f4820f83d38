//! Who makes the proofs.

mod embedded;
mod unproved;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use mina_curves::Fp;
use pickles::ProvedStatement;

use crate::plan::{Job, Rule, StatementHash};

pub use embedded::{Embedded, EmbeddedConfig, EmbeddedError};
pub use unproved::UnsafeNoProofs;

/// Why a proof was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// It may work another time: a machine was lost, a proof did not verify. The job is tried again.
    #[error("{reason}")]
    Transient {
        /// Why.
        reason: String,
    },
    /// It will never work: the statement does not hold, or the prover is wrong. The batch fails.
    #[error("{reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

/// How much a back end can do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory for all proofs under way together.
    pub memory: u64,
    /// Proofs under way.
    pub proofs: usize,
}

/// A place where proofs are made. [`Embedded`] is this process; another may hand jobs to machines
/// elsewhere. What every one must keep:
///
/// - **A proof is of the job's statement**: its `app_state` is that one element, and it verifies under
///   the program's key. The worker has [`verify`](Self::verify) look at each proof before it counts,
///   so a machine elsewhere need not be trusted; `verify` itself must run here.
/// - **Proofs come without order**, and a job may be given out again after the process was killed: what
///   was under way then is not known. To prove a job twice does no harm, and an answer to a question
///   that nobody remembers may be dropped.
/// - **A job depends on nothing but itself**: its input and the earlier proofs are all there is to it.
///   A batch's jobs follow from its data ([`Trace::record`](crate::Trace::record),
///   [`Plan::new`](crate::Plan::new)), so a machine that has the batch needs only the statement's hash
///   and the earlier proofs.
/// - **The future of `prove` may be dropped** when the worker ends. It does not block: what computes
///   for long runs on threads of the back end.
/// - **An error says whether to try again.** The worker waits between attempts and counts them; a back
///   end that retries by itself besides only hides what is wrong.
pub trait Backend: Send + Sync + 'static {
    /// What identifies the program: the hash of its verification key. Proofs are kept under it, so that
    /// those of another program are not taken for this one's.
    fn program(&self) -> Fp;

    /// How much it can do at once. The worker gives it no more than that.
    fn limits(&self) -> Limits;

    /// Bytes of memory that one proof of a rule takes.
    fn memory(&self, rule: Rule) -> u64;

    /// Makes a proof. `previous` has been verified, and is in the job's order.
    ///
    /// # Errors
    /// [`BackendError`], as the value of the future.
    fn prove(
        &self,
        job: Arc<Job>,
        previous: Vec<Arc<ProvedStatement>>,
    ) -> BoxFuture<'static, Result<ProvedStatement, BackendError>>;

    /// Whether a proof is one of the statement; it blocks for as long as that takes.
    ///
    /// # Errors
    /// [`BackendError::Transient`] with what is wrong.
    fn verify(&self, statement: StatementHash, proof: &ProvedStatement)
    -> Result<(), BackendError>;
}
