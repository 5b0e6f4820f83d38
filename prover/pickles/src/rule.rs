//! Inductive rules: what a step proof says.

use kimchi::builder::{Boolean, CircuitBuilder, Linear, Var};
use mina_curves::{Fp, Fq, Pallas, PallasConfig};

use crate::{constants::STEP_ROUNDS, key::VerificationKey};

/// Builds the step circuit of a rule whose proofs are made from an `I`.
pub type StepBuilder<I> = CircuitBuilder<Fp, StepInput<I>>;

/// An inductive rule: a statement, and the statements of up to two earlier proofs that it rests on.
///
/// ```
/// use kimchi::builder::Linear;
/// use mina_curves::Fp;
/// use pickles::{Rule, RuleStatement, StepBuilder, StepKey};
///
/// /// I know a square root of a public number.
/// struct Square;
///
/// impl Rule for Square {
///     type Input = Fp;
///
///     fn name(&self) -> &'static str {
///         "square"
///     }
///
///     fn constrain(&self, cs: &mut StepBuilder<Fp>, _: &[StepKey]) -> RuleStatement {
///         let root = cs.witness(|v| *v.input().rule());
///         let square = cs.square(root);
///         RuleStatement { app_state: vec![square.into()], previous: vec![] }
///     }
/// }
/// ```
pub trait Rule: Send + Sync + 'static {
    /// What one proof is made from: the statement's values and what only the prover knows.
    type Input: Send + Sync + 'static;

    /// What the rule is called, in errors and reports.
    fn name(&self) -> &'static str;

    /// The proofs that it rests on, at most as many as the program's width.
    fn previous(&self) -> Vec<Slot> {
        Vec::new()
    }

    /// Adds the rule's constraints, and says what is proved. `keys` are those of
    /// [`previous`](Self::previous), in its order. The closures of the circuit find the rule's input
    /// in [`StepInput::rule`] and the earlier proofs' statements in [`StepInput::previous`].
    fn constrain(&self, cs: &mut StepBuilder<Self::Input>, keys: &[StepKey]) -> RuleStatement;
}

/// Whose proof a rule rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// One of the program itself, by any of its rules.
    Own,
    /// One of another program.
    Program(Box<VerificationKey>),
    /// One of a program that is chosen when the proof is made. What the key is to be, the rule must
    /// say by [`StepKey::hash`].
    SideLoaded,
}

/// The key of an earlier proof, as far as the rule sees it.
#[derive(Clone, Copy, Debug)]
pub struct StepKey {
    /// The hash that accounts and account updates name the key by; of [`Slot::SideLoaded`] only.
    pub hash: Option<Var<Fp>>,
}

/// What a rule proves.
#[derive(Clone, Debug)]
pub struct RuleStatement {
    /// The statement: of a program, its public input and then its output; of an account update, its
    /// hash and that of its calls.
    pub app_state: Vec<Linear<Fp>>,
    /// What it rests on, in the order of [`Rule::previous`].
    pub previous: Vec<PreviousStatement>,
}

/// The statement of an earlier proof.
#[derive(Clone, Debug)]
pub struct PreviousStatement {
    /// What the earlier proof must have proved.
    pub app_state: Vec<Linear<Fp>>,
    /// Whether there must be such a proof; where not, nothing is said.
    pub must_verify: Boolean<Fp>,
}

/// What a step witness is made from.
#[derive(Debug)]
pub struct StepInput<I> {
    pub(crate) rule: I,
    pub(crate) own_key: Vec<Pallas>,
    pub(crate) slots: Vec<SlotInput>,
}

impl<I> StepInput<I> {
    /// What the rule was given.
    pub fn rule(&self) -> &I {
        &self.rule
    }

    /// The proof in a slot of the rule. The program checks their number before it makes a witness.
    pub(crate) fn slot(&self, index: usize) -> &SlotInput {
        &self.slots[index]
    }

    /// The statement of an earlier proof, in the order of [`Rule::previous`]; empty where there is
    /// no proof.
    pub fn previous(&self, index: usize) -> &[Fp] {
        self.slots.get(index).map_or(&[], |slot| &slot.app_state)
    }
}

/// An earlier proof, with what the step circuit takes as given about it.
#[derive(Clone, Debug)]
pub(crate) struct SlotInput {
    pub(crate) app_state: Vec<Fp>,
    pub(crate) key: VerificationKey,
    pub(crate) wrap: kimchi::Proof<PallasConfig>,
    /// The wrap proof's public input, all of whose elements are below both moduli.
    pub(crate) public: Vec<Fp>,
    /// The step domain's logarithm.
    pub(crate) domain_log2: u8,
    /// The number of proofs that it verified.
    pub(crate) proofs_verified: usize,
    /// The evaluations of the step proof, in the order in which they are absorbed.
    pub(crate) evaluations: Vec<Fp>,
    /// `sg` of the wrap proofs that it verified, padded in front.
    pub(crate) commitments: [Pallas; 2],
    /// The effective challenges of the step proofs that it verified, padded in front.
    pub(crate) challenges: [[Fp; STEP_ROUNDS]; 2],
    pub(crate) deferred: DeferredScalars<Fq>,
    pub(crate) xi: Fp,
}

/// Values in the field of a proof's scalars, which the verifying circuit takes on trust.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DeferredScalars<F> {
    pub(crate) combined_inner_product: F,
    pub(crate) b: F,
    pub(crate) zeta_to_srs_length: F,
    pub(crate) zeta_to_domain_size: F,
    pub(crate) perm: F,
}
