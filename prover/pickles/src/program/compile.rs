//! Compiling a program: its circuits, and their commitments.

use std::{
    fmt::Debug,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ark_ec::AffineRepr;
use kimchi::{
    CircuitCurve, ProverError, ProverIndex, VerifierIndex, ZK_ROWS,
    builder::{BuildError, BuiltCircuit, CircuitField},
};
use mina_curves::{Fp, PallasConfig, Point, VestaConfig};
use poly_commitment::Srs;
use thiserror::Error;

use super::{
    Program, RuleHandle,
    erased::{AnyRule, CompiledRule},
};
use crate::{
    cache::KeyCache,
    constants::{STEP_ROUNDS, WRAP_ROUNDS},
    key::VerificationKey,
    proof::ProofsVerified,
    rule::{Rule, Slot},
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
    /// The wrap circuit fits a smaller domain than step circuits were told.
    #[error("the wrap circuit's domain: expected {expected} rows, got {got}")]
    WrapDomain {
        /// What step circuits were told.
        expected: usize,
        /// What it has.
        got: usize,
    },
    /// A key has a point at infinity, which cannot be encoded: the program's own, or that of another
    /// that a rule names.
    #[error("{of}: a commitment is the point at infinity")]
    Degenerate {
        /// The rule that names the key, or `"wrap"`.
        of: &'static str,
    },
    /// Rules of a program without earlier proofs have statements of different lengths. The hash of a
    /// statement does not contain its length, so that one could be taken for another with a zero at
    /// its end.
    #[error("rule {rule}: a statement of {got} elements, where another rule has {expected}")]
    StatementLength {
        /// The rule.
        rule: &'static str,
        /// What another rule has.
        expected: usize,
        /// What this one has.
        got: usize,
    },
}

/// Compiles a rule, given what fixes its circuit.
type Compile =
    Box<dyn Fn(&StepParameters, Option<&KeyCache>) -> Result<Arc<dyn AnyRule>, CompileError>>;

/// Collects the rules of a program.
pub struct ProgramBuilder {
    width: ProofsVerified,
    rules: Vec<Compile>,
    cache: Option<KeyCache>,
    number: u64,
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
        static PROGRAMS: AtomicU64 = AtomicU64::new(0);
        let number = PROGRAMS.fetch_add(1, Ordering::Relaxed);
        Self { width, rules: Vec::new(), cache: None, number }
    }

    /// Keeps what compiling computes in `cache`, and uses what is there.
    pub fn cache(&mut self, cache: KeyCache) {
        self.cache = Some(cache);
    }

    /// Adds a rule.
    pub fn rule<R: Rule<Input: Debug>>(&mut self, rule: R) -> RuleHandle<R> {
        let width = self.width.count();
        self.rules
            .push(Box::new(move |parameters, cache| compile_rule(&rule, width, parameters, cache)));
        RuleHandle { program: self.number, index: self.rules.len() - 1, rule: PhantomData }
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
        let cache = self.cache.as_ref();
        // The wrap domain's basis is in step circuits, so it comes first.
        keep_basis(&parameters.srs, size, cache);
        let rules = self
            .rules
            .iter()
            .map(|compile| compile(parameters, cache))
            .collect::<Result<Vec<_>, _>>()?;
        if self.width == ProofsVerified::N0 {
            check_lengths(&rules)?;
        }
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
        let index = prover_index(&circuit, &parameters.srs, cache).map_err(kimchi)?;
        let (expected, got) = (size, index.verifier_index().domain.size());
        if expected != got {
            return Err(CompileError::WrapDomain { expected, got });
        }
        let key = verification_key(self.width, &index)?;
        Ok(Some(Program {
            number: self.number,
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
    cache: Option<&KeyCache>,
) -> Result<Arc<dyn AnyRule>, CompileError> {
    let name = rule.name();
    let slots = rule.previous();
    if slots.len() > width {
        return Err(CompileError::Previous { rule: name, expected: width, got: slots.len() });
    }
    for slot in &slots {
        if let Slot::Program(key) = slot {
            check_key(name, key)?;
        }
    }
    let step = step::build(rule, parameters)
        .map_err(|error| CompileError::Build { circuit: name, error })?;
    let (expected, got) = (slots.len(), step.previous);
    if expected != got {
        return Err(CompileError::Previous { rule: name, expected, got });
    }
    let index = step_index(&step.circuit, cache)
        .map_err(|error| CompileError::Kimchi { circuit: name, error })?;
    Ok(Arc::new(CompiledRule { name, slots, step, index }))
}

/// Apart from [`compile_rule`], whose types are those of whoever asks: Kimchi is compiled once.
fn step_index(
    circuit: &BuiltCircuit<Fp>,
    cache: Option<&KeyCache>,
) -> Result<ProverIndex<VestaConfig>, ProverError> {
    prover_index(circuit, &Srs::<VestaConfig>::shared(1 << STEP_ROUNDS), cache)
}

/// No point may be at infinity: it has no coordinates.
fn check_key(of: &'static str, key: &VerificationKey) -> Result<(), CompileError> {
    match key.points().any(AffineRepr::is_zero) {
        true => Err(CompileError::Degenerate { of }),
        false => Ok(()),
    }
}

/// All statements must have one length.
fn check_lengths(rules: &[Arc<dyn AnyRule>]) -> Result<(), CompileError> {
    let Some(expected) = rules.first().map(|rule| rule.statement_length()) else { return Ok(()) };
    match rules.iter().find(|rule| rule.statement_length() != expected) {
        Some(rule) => {
            let (rule, got) = (rule.name(), rule.statement_length());
            Err(CompileError::StatementLength { rule, expected, got })
        }
        None => Ok(()),
    }
}

/// Prepares a circuit for proofs; what takes curve operations may be in the cache.
fn prover_index<C: CircuitCurve<ScalarField: CircuitField>>(
    circuit: &BuiltCircuit<C::ScalarField>,
    srs: &Arc<Srs<C>>,
    cache: Option<&KeyCache>,
) -> Result<ProverIndex<C>, ProverError> {
    let Some(cache) = cache else {
        return ProverIndex::new(circuit.circuit().clone(), srs.clone());
    };
    let size = (circuit.rows() + ZK_ROWS).next_power_of_two();
    if size <= srs.size() {
        keep_basis(srs, size, Some(cache));
    }
    let digest: String = circuit.digest().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut computed = None;
    let points = cache.get_or_compute::<C>(&format!("circuit-{digest}"), KEY_POINTS, || {
        let index = computed.insert(ProverIndex::new(circuit.circuit().clone(), srs.clone()));
        index.as_ref().map_or(Vec::new(), |index| points(index.verifier_index()))
    });
    match computed {
        Some(index) => index,
        None => ProverIndex::with_commitments(circuit.circuit().clone(), srs.clone(), &points),
    }
}

/// Takes a Lagrange basis from the cache, or puts it there.
fn keep_basis<C: CircuitCurve>(srs: &Srs<C>, size: usize, cache: Option<&KeyCache>) {
    let Some(cache) = cache else { return };
    let name = format!("lagrange-{}-{size}", srs.size());
    let points = cache.get_or_compute::<C>(&name, size, || {
        srs.lagrange_basis(size).iter().flat_map(|c| c.chunks.clone()).collect()
    });
    srs.provide_lagrange_basis(size, points);
}

/// All commitments of a circuit, in the key's order.
fn points<C: CircuitCurve>(index: &VerifierIndex<C>) -> Vec<Point<C>> {
    index.commitments().iter().flat_map(|commitment| commitment.chunks.iter().copied()).collect()
}

pub(super) fn branch(index: &ProverIndex<VestaConfig>) -> Branch {
    let verifier = index.verifier_index();
    Branch {
        points: points(verifier),
        digest: index.digest(),
        domain_log2: verifier.domain.log_size() as u8,
    }
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
        .ok_or(CompileError::WrapTooLarge { rows: verifier.domain.size() })?;
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
    check_key("wrap", &key)?;
    Ok(key)
}
