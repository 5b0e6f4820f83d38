//! A back end that proves nothing, for development networks.

use std::sync::Arc;

use futures_util::{FutureExt, future, future::BoxFuture};
use mina_curves::Fp;
use pickles::{Proof, ProvedStatement};

use super::{Backend, BackendError, Limits};
use crate::plan::{Job, Rule, StatementHash};

/// Gives out placeholders, for chains whose L1 does not look at proofs. **Never for real funds.**
#[derive(Clone, Copy, Debug, Default)]
pub struct UnsafeNoProofs;

impl Backend for UnsafeNoProofs {
    fn program(&self) -> Fp {
        Fp::default()
    }

    fn limits(&self) -> Limits {
        Limits { memory: u64::MAX, proofs: 1 }
    }

    fn memory(&self, _: Rule) -> u64 {
        0
    }

    fn prove(
        &self,
        job: Arc<Job>,
        _: Vec<Arc<ProvedStatement>>,
    ) -> BoxFuture<'static, Result<ProvedStatement, BackendError>> {
        let app_state = vec![job.statement.0];
        future::ready(Ok(ProvedStatement { app_state, proof: Proof::placeholder(), key: None }))
            .boxed()
    }

    fn verify(
        &self,
        statement: StatementHash,
        proof: &ProvedStatement,
    ) -> Result<(), BackendError> {
        match proof.app_state == [statement.0] {
            true => Ok(()),
            false => Err(BackendError::Transient { reason: "another statement".into() }),
        }
    }
}
