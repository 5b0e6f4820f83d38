//! The constraint equation at `ζ`: what the linearization polynomial must evaluate to there.
//!
//! `ft(x) = f(x) - (ζ^n - 1)·t(x)`, where `f` has all constraints with every polynomial but the
//! last permutation polynomial replaced by its evaluation.

use core::marker::PhantomData;

use ark_ff::Field;

use crate::{
    domain::Domain,
    env::{ConstantField, Element, Env},
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

/// What the equation asks about the evaluation domain, at `ζ`.
pub trait DomainAtZeta<V> {
    /// `∏ (ζ - ω^(n-i))` over the last `rows` rows.
    fn vanishing_on_last(&self, rows: usize) -> V;

    /// `(ζ^n - 1) / (ζ - ω^row)`.
    fn unnormalized_lagrange(&self, row: i64) -> V;
}

/// A domain and `ζ`, as numbers.
impl<F: ConstantField> DomainAtZeta<F> for (&Domain<F>, F) {
    fn vanishing_on_last(&self, rows: usize) -> F {
        self.0.vanishing_on_last(rows, self.1)
    }

    fn unnormalized_lagrange(&self, row: i64) -> F {
        self.0.unnormalized_lagrange(row, self.1)
    }
}

/// The circuit's fixed parameters that the equation needs.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a, F, D> {
    /// The evaluation domain at `ζ`.
    pub domain: D,
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
pub fn permutation_scalar<F: ConstantField, V: Element<F>, D: DomainAtZeta<V>>(
    parameters: &Parameters<'_, F, D>,
    evaluations: &Evaluations<V>,
    challenges: &Challenges<V>,
) -> V {
    let Challenges { beta, gamma, alpha, .. } = *challenges;
    let vanishing = parameters.domain.vanishing_on_last(parameters.zk_rows);
    let alpha = power(alpha, PERMUTATION_ALPHA as u64);
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
///
/// Runs on numbers, and on the variables of a circuit that verifies a proof.
pub fn ft_zeta<F: ConstantField, V: Element<F>, D: DomainAtZeta<V>>(
    parameters: &Parameters<'_, F, D>,
    evaluations: &Evaluations<V>,
    challenges: &Challenges<V>,
    public: V,
) -> V {
    permutation_at_zeta(parameters, evaluations, challenges)
        - public
        - constraints_at_zeta(parameters, evaluations, challenges)
}

/// `x^exponent` for an exponent other than zero.
fn power<F, V: Element<F>>(x: V, exponent: u64) -> V {
    let bits = (0..exponent.ilog2()).rev().map(|i| exponent >> i & 1 == 1);
    bits.fold(x, |acc, bit| if bit { acc.square() * x } else { acc.square() })
}

/// The permutation argument's part, its last polynomial's term left out.
fn permutation_at_zeta<F: ConstantField, V: Element<F>, D: DomainAtZeta<V>>(
    parameters: &Parameters<'_, F, D>,
    evaluations: &Evaluations<V>,
    challenges: &Challenges<V>,
) -> V {
    let Challenges { beta, gamma, alpha, zeta, .. } = *challenges;
    let domain = &parameters.domain;
    let vanishing = domain.vanishing_on_last(parameters.zk_rows);
    let alpha0 = power(alpha, PERMUTATION_ALPHA as u64);
    let alpha1 = alpha0 * alpha;
    let alpha2 = alpha1 * alpha;
    let z = evaluations.permutation;
    let witness = &evaluations.witness;

    let scale = alpha0 * vanishing;
    let last = witness[PERMUTED_COLUMNS - 1].zeta + gamma;
    let permuted = witness
        .iter()
        .zip(&evaluations.sigma)
        .map(|(w, s)| beta * s.zeta + w.zeta + gamma)
        .fold(last * z.zeta_omega * scale, |acc, factor| acc * factor);
    let beta_zeta = beta * zeta;
    let identity = witness
        .iter()
        .zip(parameters.shifts)
        .map(|(w, shift)| gamma + beta_zeta.scale(*shift) + w.zeta)
        .fold(scale * z.zeta, |acc, factor| acc * factor);

    // The accumulator starts and ends at 1.
    let end = -(parameters.zk_rows as i64);
    let boundary = (domain.unnormalized_lagrange(0) * alpha1
        + domain.unnormalized_lagrange(end) * alpha2)
        * (-z.zeta).add_constant(F::ONE);
    permuted - identity + boundary
}

/// The lookup constraints at `ζ`, combined with their powers of `α`; zero without lookups.
///
/// [`ft_zeta`] has them subtracted. A circuit that verifies proofs with and without lookups takes them
/// apart from the rest.
pub fn lookups_at_zeta<F: ConstantField, V: Element<F>, D: DomainAtZeta<V>>(
    parameters: &Parameters<'_, F, D>,
    evaluations: &Evaluations<V>,
    challenges: &Challenges<V>,
) -> V {
    let env = ZetaEnv { parameters, evaluations, challenges, field: PhantomData };
    let features = &parameters.features.lookup;
    let mut constraints = Vec::with_capacity(lookup::constraint_count(features));
    if parameters.features.uses_lookups() {
        lookup::constraints(features, &env, &mut |constraint| constraints.push(constraint));
    }
    let alpha = challenges.alpha;
    let combined = constraints.into_iter().rev().reduce(|sum, next| sum * alpha + next);
    combined.map_or_else(
        || env.constant(F::ZERO),
        |combined| combined * power(alpha, LOOKUP_ALPHA as u64),
    )
}

/// All gates and lookups at `ζ`, combined with the powers of `α`.
fn constraints_at_zeta<F: ConstantField, V: Element<F>, D: DomainAtZeta<V>>(
    parameters: &Parameters<'_, F, D>,
    evaluations: &Evaluations<V>,
    challenges: &Challenges<V>,
) -> V {
    let features = parameters.features;
    // α^0 is left out: a circuit would pay for multiplying by it.
    let alphas: Vec<V> =
        std::iter::successors(Some(challenges.alpha), |power| Some(*power * challenges.alpha))
            .take(MAX_CONSTRAINTS - 1)
            .collect();
    let env = ZetaEnv { parameters, evaluations, challenges, field: PhantomData };

    let zero = challenges.alpha.scale(F::ZERO);
    let gates = MANDATORY_GATES.into_iter().chain(features.used_optional_gates());
    let total = gates.fold(zero, |total, gate| {
        total + env.column(Column::Selector(gate)) * gate_at_zeta(gate, &env, &alphas)
    });
    match features.uses_lookups() {
        true => total + lookups_at_zeta(parameters, evaluations, challenges),
        false => total,
    }
}

/// `Σ α^i·constraint_i`, where `alphas` starts with `α`.
fn gate_at_zeta<E: LookupEnv>(gate: GateKind, env: &E, alphas: &[E::V]) -> E::V {
    let mut next = alphas.iter();
    let mut total = None;
    gates::constraints(gate, env, &mut |constraint| {
        total = match total {
            None => Some(constraint),
            Some(sum) => next.next().map(|alpha| sum + *alpha * constraint),
        };
    });
    total.unwrap_or_else(|| env.constant(E::F::from(0u64)))
}

/// Constraints on the evaluations of a proof.
struct ZetaEnv<'a, F, V, D> {
    parameters: &'a Parameters<'a, F, D>,
    evaluations: &'a Evaluations<V>,
    challenges: &'a Challenges<V>,
    field: PhantomData<F>,
}

impl<F: ConstantField, V: Element<F>, D: DomainAtZeta<V>> Env for ZetaEnv<'_, F, V, D> {
    type F = F;
    type V = V;

    fn witness(&self, column: usize) -> V {
        self.evaluations.witness[column].zeta
    }

    fn witness_next(&self, column: usize) -> V {
        self.evaluations.witness[column].zeta_omega
    }

    fn coefficient(&self, column: usize) -> V {
        self.evaluations.coefficients[column].zeta
    }

    fn endo(&self) -> F {
        self.parameters.endo
    }

    fn revision(&self) -> Revision {
        self.parameters.revision
    }
}

impl<F: ConstantField, V: Element<F>, D: DomainAtZeta<V>> LookupEnv for ZetaEnv<'_, F, V, D> {
    // The verifier has checked that every column of the circuit is there.
    fn column(&self, column: Column) -> V {
        self.evaluations.get(column).map_or_else(|| self.constant(F::ZERO), |e| e.zeta)
    }

    fn column_next(&self, column: Column) -> V {
        self.evaluations.get(column).map_or_else(|| self.constant(F::ZERO), |e| e.zeta_omega)
    }

    fn beta(&self) -> V {
        self.challenges.beta
    }

    fn gamma(&self) -> V {
        self.challenges.gamma
    }

    fn joint_combiner(&self) -> V {
        self.challenges.joint_combiner
    }

    fn constant(&self, value: F) -> V {
        self.challenges.alpha.scale(F::ZERO).add_constant(value)
    }

    fn vanishes_on_last_rows(&self) -> V {
        self.parameters.domain.vanishing_on_last(self.parameters.zk_rows + 1)
    }

    fn first_row(&self) -> V {
        self.parameters.domain.unnormalized_lagrange(0)
    }

    fn final_row(&self) -> V {
        self.parameters.domain.unnormalized_lagrange(-(self.parameters.zk_rows as i64) - 1)
    }
}
