//! Several proofs at once.

use rand::{CryptoRng, RngCore};
use rayon::prelude::*;

use super::{Program, ProveError, ProvedStatement, RuleHandle, seeded};
use crate::{memory::free_memory, rule::Rule};

/// Bytes that proving takes for each row of the larger domain, and for openings. Measured; see
/// `zeko bench pickles`.
const BYTES_PER_ROW: u64 = 16 << 10;
const BYTES_PER_PROOF: u64 = 128 << 20;

/// One proof to be made.
#[derive(Clone, Debug)]
pub struct Job<I> {
    /// The rule's input.
    pub input: I,
    /// The proofs that it rests on, as for [`Program::prove`].
    pub previous: Vec<Option<ProvedStatement>>,
}

impl Program {
    /// Proves a rule for many inputs, as many at once as half of the free memory allows, and gives
    /// the results in order.
    pub fn prove_all<R: Rule>(
        &self,
        rule: RuleHandle<R>,
        jobs: Vec<Job<R::Input>>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Vec<Result<ProvedStatement, ProveError>> {
        let at_once = self.proofs_at_once(rule);
        let mut results = Vec::with_capacity(jobs.len());
        let mut jobs = jobs.into_iter().map(|job| (job, seeded(rng)));
        loop {
            let some: Vec<_> = jobs.by_ref().take(at_once).collect();
            if some.is_empty() {
                return results;
            }
            results.par_extend(some.into_par_iter().map(|(Job { input, previous }, mut rng)| {
                self.prove(rule, input, &previous, &mut rng)
            }));
        }
    }

    /// How many proofs of a rule half of the free memory holds; 1 where the system does not say.
    fn proofs_at_once<R: Rule>(&self, rule: RuleHandle<R>) -> usize {
        let proofs = free_memory().unwrap_or(0) / 2 / self.proving_memory(rule);
        proofs.clamp(1, rayon::current_num_threads() as u64) as usize
    }

    /// Bytes of memory that making one proof of a rule takes, beyond those of the program.
    pub fn proving_memory<R: Rule>(&self, rule: RuleHandle<R>) -> u64 {
        let step = self.rules.get(rule.index).map(|rule| rule.index().verifier_index().domain);
        let wrap = self.wrap_index.verifier_index().domain.size();
        let rows = step.map_or(wrap, |step| step.size().max(wrap)) as u64;
        rows * BYTES_PER_ROW + BYTES_PER_PROOF
    }
}
