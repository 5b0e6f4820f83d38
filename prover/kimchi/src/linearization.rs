//! The constraint equation at `ζ`: what the linearization polynomial must evaluate to there.
//!
//! `ft(x) = f(x) - (ζ^n - 1)·t(x)`, where `f` has all constraints with every polynomial but the
//! last permutation polynomial replaced by its evaluation.

use ark_ff::Field;

use crate::{
    domain::Domain,
    env::{ConstantField, Env},
    features::FeatureFlags,
    gate::{GateKind, MANDATORY_GATES, PERMUTED_COLUMNS, Revision},
    gates::{self, MAX_CONSTRAINTS},
    lookup::{self, LookupEnv},
    proof::{Column, Evaluations},
    transcript::Challenges,
};

/// The first power of `α` of the permutation argument, after those that gates share.
pub const PERMUTATION_ALPHA: usize = MAX_CONSTRAINTS;

/// The constraints of the permutation argument.
pub(crate) const PERMUTATION_CONSTRAINTS: usize = 3;

/// The first power of `α` of the lookup argument.
pub const LOOKUP_ALPHA: usize = PERMUTATION_ALPHA + PERMUTATION_CONSTRAINTS;

/// `α^0 … α^(count-1)`.
pub(crate) fn powers<F: Field>(x: F, count: usize) -> Vec<F> {
    std::iter::successors(Some(F::ONE), |power| Some(*power * x)).take(count).collect()
}

/// The circuit's fixed parameters that the equation needs.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a, F: ark_ff::FftField> {
    /// The evaluation domain.
    pub domain: &'a Domain<F>,
    /// Rows that hide the witness.
    pub zk_rows: usize,
    /// The cosets of the permutation argument.
    pub shifts: &'a [F; PERMUTED_COLUMNS],
    /// The endomorphism coefficient of [`GateKind::EndoMul`].
    pub endo: F,
    /// Which version of the gates' constraints applies.
    pub revision: Revision,
    /// Which optional parts the circuit uses.
    pub features: &'a FeatureFlags,
}

/// The factor of the last permutation polynomial in `f`.
pub fn permutation_scalar<F: ConstantField>(
    parameters: &Parameters<'_, F>,
    evaluations: &Evaluations<F>,
    challenges: &Challenges<F>,
) -> F {
    let Challenges { beta, gamma, alpha, zeta, .. } = *challenges;
    let vanishing = parameters.domain.vanishing_on_last(parameters.zk_rows, zeta);
    let alpha = alpha.pow([PERMUTATION_ALPHA as u64]);
    let init = evaluations.permutation.zeta_omega * beta * alpha * vanishing;
    let product = evaluations
        .witness
        .iter()
        .zip(&evaluations.sigma)
        .map(|(w, s)| gamma + beta * s.zeta + w.zeta)
        .fold(init, |acc, factor| acc * factor);
    -product
}

/// `ft(ζ)`, from the other evaluations; `public` is the negated public input polynomial at `ζ`.
pub fn ft_zeta<F: ConstantField>(
    parameters: &Parameters<'_, F>,
    evaluations: &Evaluations<F>,
    challenges: &Challenges<F>,
    public: F,
) -> F {
    permutation_at_zeta(parameters, evaluations, challenges)
        - public
        - constraints_at_zeta(parameters, evaluations, challenges)
}

/// The permutation argument's part, its last polynomial's term left out.
fn permutation_at_zeta<F: ConstantField>(
    parameters: &Parameters<'_, F>,
    evaluations: &Evaluations<F>,
    challenges: &Challenges<F>,
) -> F {
    let Challenges { beta, gamma, alpha, zeta, .. } = *challenges;
    let domain = parameters.domain;
    let vanishing = domain.vanishing_on_last(parameters.zk_rows, zeta);
    let alpha0 = alpha.pow([PERMUTATION_ALPHA as u64]);
    let (alpha1, alpha2) = (alpha0 * alpha, alpha0 * alpha.square());
    let z = evaluations.permutation;
    let witness = &evaluations.witness;

    let last = witness[PERMUTED_COLUMNS - 1].zeta + gamma;
    let permuted = witness
        .iter()
        .zip(&evaluations.sigma)
        .map(|(w, s)| beta * s.zeta + w.zeta + gamma)
        .fold(last * z.zeta_omega * alpha0 * vanishing, |acc, factor| acc * factor);
    let identity = witness
        .iter()
        .zip(parameters.shifts)
        .map(|(w, shift)| gamma + beta * zeta * shift + w.zeta)
        .fold(alpha0 * vanishing * z.zeta, |acc, factor| acc * factor);

    // The accumulator starts and ends at 1.
    let end = -(parameters.zk_rows as i64);
    let boundary = (domain.unnormalized_lagrange(0, zeta) * alpha1
        + domain.unnormalized_lagrange(end, zeta) * alpha2)
        * (F::ONE - z.zeta);
    permuted - identity + boundary
}

/// All gates and lookups at `ζ`, combined with the powers of `α`.
fn constraints_at_zeta<F: ConstantField>(
    parameters: &Parameters<'_, F>,
    evaluations: &Evaluations<F>,
    challenges: &Challenges<F>,
) -> F {
    let features = parameters.features;
    let lookup_count = lookup::constraint_count(&features.lookup);
    let alphas = powers(challenges.alpha, LOOKUP_ALPHA + lookup_count);
    let env = ZetaEnv { parameters, evaluations, challenges };

    let mut total = F::ZERO;
    for gate in MANDATORY_GATES.into_iter().chain(features.used_optional_gates()) {
        total += env.column(Column::Selector(gate)) * gate_at_zeta(gate, &env, &alphas);
    }
    if features.uses_lookups() {
        let mut next = alphas[LOOKUP_ALPHA..].iter();
        lookup::constraints(&features.lookup, &env, &mut |constraint| {
            if let Some(alpha) = next.next() {
                total += *alpha * constraint;
            }
        });
    }
    total
}

fn gate_at_zeta<F: ConstantField>(gate: GateKind, env: &ZetaEnv<'_, F>, alphas: &[F]) -> F {
    let mut total = F::ZERO;
    let mut next = alphas.iter();
    gates::constraints(gate, env, &mut |constraint| {
        if let Some(alpha) = next.next() {
            total += *alpha * constraint;
        }
    });
    total
}

/// Constraints on the evaluations of a proof.
struct ZetaEnv<'a, F: ConstantField> {
    parameters: &'a Parameters<'a, F>,
    evaluations: &'a Evaluations<F>,
    challenges: &'a Challenges<F>,
}

impl<F: ConstantField> Env for ZetaEnv<'_, F> {
    type F = F;
    type V = F;

    fn witness(&self, column: usize) -> F {
        self.evaluations.witness[column].zeta
    }

    fn witness_next(&self, column: usize) -> F {
        self.evaluations.witness[column].zeta_omega
    }

    fn coefficient(&self, column: usize) -> F {
        self.evaluations.coefficients[column].zeta
    }

    fn endo(&self) -> F {
        self.parameters.endo
    }

    fn revision(&self) -> Revision {
        self.parameters.revision
    }
}

impl<F: ConstantField> LookupEnv for ZetaEnv<'_, F> {
    // The verifier has checked that every column of the circuit is there.
    fn column(&self, column: Column) -> F {
        self.evaluations.get(column).map_or(F::ZERO, |e| e.zeta)
    }

    fn column_next(&self, column: Column) -> F {
        self.evaluations.get(column).map_or(F::ZERO, |e| e.zeta_omega)
    }

    fn beta(&self) -> F {
        self.challenges.beta
    }

    fn gamma(&self) -> F {
        self.challenges.gamma
    }

    fn joint_combiner(&self) -> F {
        self.challenges.joint_combiner
    }

    fn constant(&self, value: F) -> F {
        value
    }

    fn vanishes_on_last_rows(&self) -> F {
        let rows = self.parameters.zk_rows + 1;
        self.parameters.domain.vanishing_on_last(rows, self.challenges.zeta)
    }

    fn first_row(&self) -> F {
        self.parameters.domain.unnormalized_lagrange(0, self.challenges.zeta)
    }

    fn final_row(&self) -> F {
        let row = -(self.parameters.zk_rows as i64) - 1;
        self.parameters.domain.unnormalized_lagrange(row, self.challenges.zeta)
    }
}
