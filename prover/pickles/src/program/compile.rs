//! Compiling a program: its circuits, and their commitments.

use std::{fmt::Debug, marker::PhantomData, sync::Arc};

use ark_ec::AffineRepr;
use kimchi::{ProverError, ProverIndex, ZK_ROWS, builder::BuildError};
use mina_curves::{PallasConfig, Vesta, VestaConfig};
use poly_commitment::Srs;
use thiserror::Error;

use super::{
    Program, RuleHandle,
    erased::{AnyRule, CompiledRule},
};
use crate::{
    constants::{STEP_ROUNDS, WRAP_ROUNDS},
    key::VerificationKey,
    proof::ProofsVerified,
    rule::Rule,
    step::{self, KEY_POINTS, SIDE_LOADED_DOMAINS, StepParameters},
    wrap::{self, Branch, WrapParameters},
};

/// Why a program cannot be compiled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompileError {
    /// There is no rule.
    #[error("a program needs a rule")]
    NoRules,
    /// A rule rests on more proofs than the program's width, or says another number of statements.
    #[error(
        "rule {rule}: expected at most {expected} earlier proofs and a statement for each, got {got}"
    )]
    Previous {
        /// The rule.
        rule: &'static str,
        /// The width, or the number of proofs.
        expected: usize,
        /// What the rule has.
        got: usize,
    },
    /// A circuit contradicts itself.
    #[error("{circuit}: {error}")]
    Build {
        /// The rule's name, or `"wrap"`.
        circuit: &'static str,
        /// What is wrong.
        #[source]
        error: BuildError,
    },
    /// A circuit is too large, or its commitments cannot be made.
    #[error("{circuit}: {error}")]
    Kimchi {
        /// The rule's name, or `"wrap"`.
        circuit: &'static str,
        /// What is wrong.
        #[source]
        error: ProverError,
    },
    /// The wrap circuit fits no domain that keys can have.
    #[error("the wrap circuit has {rows} rows: too many rules")]
    WrapTooLarge {
        /// Its rows.
        rows: usize,
    },
    /// The wrap circuit is smaller than the domain that the step circuits expect of it.
    #[error("the wrap circuit's domain: expected 2^{expected}, got 2^{got}")]
    WrapDomain {
        /// The base-2 logarithm that the step circuits expect.
        expected: u32,
        /// That of the finished circuit.
        got: u32,
    },
    /// The wrap circuit's commitments are no key: one is the point at infinity.
    #[error("the wrap circuit's commitments cannot be encoded")]
    Degenerate,
}

/// Compiles a rule, given what fixes its circuit.
type Compile = Box<dyn Fn(&StepParameters) -> Result<Arc<dyn AnyRule>, CompileError>>;

/// Collects the rules of a program.
pub struct ProgramBuilder {
    width: ProofsVerified,
    rules: Vec<Compile>,
}

impl Debug for ProgramBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgramBuilder")
            .field("width", &self.width)
            .field("rules", &self.rules.len())
            .finish()
    }
}

impl ProgramBuilder {
    pub(super) fn new(width: ProofsVerified) -> Self {
        Self { width, rules: Vec::new() }
    }

    /// Adds a rule.
    pub fn rule<R: Rule<Input: Debug>>(&mut self, rule: R) -> RuleHandle<R> {
        let width = self.width.count();
        self.rules.push(Box::new(move |parameters| compile_rule(&rule, width, parameters)));
        RuleHandle { index: self.rules.len() - 1, rule: PhantomData }
    }

    /// Builds all circuits and commits to them.
    ///
    /// # Errors
    ///
    /// [`CompileError`].
    pub fn compile(self) -> Result<Program, CompileError> {
        if self.rules.is_empty() {
            return Err(CompileError::NoRules);
        }
        let srs = Srs::<PallasConfig>::shared(1 << WRAP_ROUNDS);
        // A larger wrap domain changes the constants of step circuits that verify the program's own
        // proofs, and so the wrap circuit's, but no number of rows.
        for wrap_domain in SIDE_LOADED_DOMAINS {
            let parameters =
                StepParameters { width: self.width.count(), wrap_domain, srs: srs.clone() };
            if let Some(program) = self.compile_for(&parameters)? {
                return Ok(program);
            }
        }
        Err(CompileError::WrapTooLarge { rows: 1 << WRAP_ROUNDS })
    }

    /// Compiles for a wrap domain, or gives nothing if that is too small.
    fn compile_for(&self, parameters: &StepParameters) -> Result<Option<Program>, CompileError> {
        let size = 1usize << parameters.wrap_domain;
        if size < self.expected_wrap_size() {
            return Ok(None);
        }
        let rules =
            self.rules.iter().map(|compile| compile(parameters)).collect::<Result<Vec<_>, _>>()?;
        let branches: Vec<Branch> = rules.iter().map(|rule| branch(rule.index())).collect();
        let wrap_parameters = WrapParameters {
            width: self.width,
            branches,
            srs: Srs::<VestaConfig>::shared(1 << STEP_ROUNDS),
        };
        let build = |error| CompileError::Build { circuit: "wrap", error };
        let (circuit, generator) = wrap::build(&wrap_parameters).map_err(build)?;
        if circuit.rows() + ZK_ROWS > size {
            return Ok(None);
        }
        let kimchi = |error| CompileError::Kimchi { circuit: "wrap", error };
        let index =
            ProverIndex::new(circuit.circuit().clone(), parameters.srs.clone()).map_err(kimchi)?;
        // The step circuits have the domain of the program's own proofs built in.
        let (expected, got) = (parameters.wrap_domain, index.verifier_index().domain.log_size());
        if expected != got {
            return Err(CompileError::WrapDomain { expected, got });
        }
        let key = verification_key(self.width, &index)?;
        Ok(Some(Program {
            width: self.width,
            rules,
            wrap_index: index,
            wrap_generator: generator,
            key,
        }))
    }

    /// A lower bound of the wrap circuit's domain, which saves compiling rules in vain.
    fn expected_wrap_size(&self) -> usize {
        match self.width {
            ProofsVerified::N0 => 1 << 13,
            _ => 1 << 14,
        }
    }
}

fn compile_rule<R: Rule<Input: Debug>>(
    rule: &R,
    width: usize,
    parameters: &StepParameters,
) -> Result<Arc<dyn AnyRule>, CompileError> {
    let name = rule.name();
    let slots = rule.previous();
    if slots.len() > width {
        return Err(CompileError::Previous { rule: name, expected: width, got: slots.len() });
    }
    let step = step::build(rule, parameters)
        .map_err(|error| CompileError::Build { circuit: name, error })?;
    let (expected, got) = (slots.len(), step.previous);
    if expected != got {
        return Err(CompileError::Previous { rule: name, expected, got });
    }
    let srs = Srs::<VestaConfig>::shared(1 << STEP_ROUNDS);
    let index = ProverIndex::new(step.circuit.circuit().clone(), srs)
        .map_err(|error| CompileError::Kimchi { circuit: name, error })?;
    Ok(Arc::new(CompiledRule { name, slots, step, index }))
}

pub(super) fn branch(index: &ProverIndex<VestaConfig>) -> Branch {
    let verifier = index.verifier_index();
    let commitments =
        verifier.sigma.iter().chain(&verifier.coefficients).chain(&verifier.selectors);
    let points: Vec<Vesta> = commitments.flat_map(|c| c.chunks.first().copied()).collect();
    debug_assert_eq!(points.len(), KEY_POINTS);
    Branch { points, digest: index.digest(), domain_log2: verifier.domain.log_size() as u8 }
}

fn verification_key(
    width: ProofsVerified,
    index: &ProverIndex<PallasConfig>,
) -> Result<VerificationKey, CompileError> {
    let verifier = index.verifier_index();
    let domain = SIDE_LOADED_DOMAINS
        .iter()
        .position(|log| *log == verifier.domain.log_size())
        .and_then(ProofsVerified::from_count)
        .ok_or(CompileError::Degenerate)?;
    let point = |commitment: &poly_commitment::Commitment<PallasConfig>| {
        commitment.chunks.first().copied().unwrap_or_default()
    };
    let key = VerificationKey {
        max_proofs_verified: width,
        wrap_domain: domain,
        sigma: verifier.sigma.each_ref().map(point),
        coefficients: verifier.coefficients.each_ref().map(point),
        selectors: verifier.selectors.each_ref().map(point),
    };
    let degenerate = key.points().any(AffineRepr::is_zero);
    if degenerate { Err(CompileError::Degenerate) } else { Ok(key) }
}
