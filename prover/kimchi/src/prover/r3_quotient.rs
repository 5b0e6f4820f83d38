//! Round 3: the quotient `t` of all constraints by `x^n - 1`.
//!
//! `t` has `7n` coefficients. They are found from values on seven cosets `s_k·H` of the domain `H`,
//! on each of which `x^n - 1` is a constant; the quotient of constraints of degree 5 has `4n`
//! coefficients and needs four of the cosets. With `t = Σ x^(jn)·t_j` and `deg t_j < n`,
//! interpolation on coset `k` gives `r_k = Σ_j s_k^(jn)·t_j`, and the `t_j` follow by the inverse of
//! that matrix. Constraints that do not hold give something else, which round 4 finds out.

use ark_ff::{AdditiveGroup, Field};
use mina_curves::cosets::{Column, Program};
use poly_commitment::Commitment;
use rand::{CryptoRng, RngCore};
use rayon::prelude::*;

use super::{
    ProverIndex, ZK_ROWS,
    expression::{Arena, Expression},
    index::FixedOnCosets,
    polynomial::{add_scaled, divide_by_root},
    r1_witness::CommittedWitness,
    r2_permutation::Accumulator,
};
use crate::{
    env::{ConstantField, Element, Env},
    gate::{COLUMNS, GateKind, MANDATORY_GATES, PERMUTED_COLUMNS, Revision},
    gates,
    index::CircuitCurve,
    linearization::{PERMUTATION_ALPHA, PERMUTATION_CONSTRAINTS, powers},
    transcript::Challenges,
};

/// The quotient, committed to.
pub(super) struct Quotient<C: CircuitCurve> {
    /// `7n` coefficients.
    pub(super) coefficients: Vec<C::ScalarField>,
    pub(super) commitment: Commitment<C>,
    pub(super) blinders: Vec<C::ScalarField>,
}

/// Chunks of the quotient's commitment, per chunk of other columns.
const QUOTIENT_CHUNKS: usize = 7;

/// Commits to the quotient, in chunks of the SRS.
pub(super) fn commit<C: CircuitCurve>(
    index: &ProverIndex<C>,
    coefficients: Vec<C::ScalarField>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Quotient<C> {
    let commitment = index.srs().commit(&coefficients, QUOTIENT_CHUNKS);
    let blinded = index.blind(&commitment, rng);
    Quotient { coefficients, commitment: blinded.commitment, blinders: blinded.blinders }
}

/// The largest degree of constraints that [`LOW_COSETS`] are enough for.
const LOW_DEGREE: usize = 5;
const LOW_COSETS: usize = LOW_DEGREE - 1;

/// The quotient's `7n` coefficients; if the witness does not satisfy the circuit, what they are is
/// not defined.
pub(super) fn divide<C: CircuitCurve>(
    index: &ProverIndex<C>,
    witness: &CommittedWitness<C>,
    accumulator: &Accumulator<C>,
    challenges: &Challenges<C::ScalarField>,
) -> Vec<C::ScalarField> {
    let alphas = powers(challenges.alpha, PERMUTATION_ALPHA + PERMUTATION_CONSTRAINTS);
    let FixedOnCosets { cosets, shifts_to_size, columns: fixed, points } = index.cosets();
    let high = compile(index, |env| {
        let gates = env.gates(&alphas, |gate| gate.degree() > LOW_DEGREE);
        Some(env.permutation(challenges, alphas[PERMUTATION_ALPHA]))
            .into_iter()
            .chain(gates)
            .collect()
    });
    let low = compile(index, |env| {
        let gates = env.gates(&alphas, |gate| gate.degree() <= LOW_DEGREE);
        let public = (!witness.public.is_empty()).then(|| env.cell(PUBLIC, false));
        public.into_iter().chain(gates).collect()
    });

    let mut polynomials: Vec<&[C::ScalarField]> =
        witness.coefficients.iter().map(Vec::as_slice).collect();
    polynomials.extend([accumulator.coefficients.as_slice(), witness.public.as_slice()]);
    let polynomials: Vec<Column> = polynomials.into_par_iter().map(|f| cosets.column(f)).collect();

    let (mut high_values, mut low_values) = (Vec::new(), Vec::new());
    for (k, (fixed, points)) in fixed.iter().zip(points).enumerate() {
        let values: Vec<Column> = polynomials.par_iter().map(|f| cosets.evaluate(k, f)).collect();
        // In the order of the constants below.
        let mut columns: Vec<&Column> = values.iter().collect();
        columns.push(points);
        columns.extend(fixed.sigma.iter().chain(&fixed.coefficients).chain(&fixed.selectors));
        let run = |program: &Option<Program<_>>| program.as_ref().map(|p| cosets.run(p, &columns));
        high_values.extend(run(&high));
        if k < LOW_COSETS {
            low_values.extend(run(&low));
        }
    }
    let remainders: Vec<Column> = high_values
        .par_iter()
        .enumerate()
        .chain(low_values.par_iter().enumerate())
        .map(|(k, values)| cosets.interpolate(k, values))
        .collect();
    let mut weights = quotient_weights(shifts_to_size, cosets.size());
    let low_weights = quotient_weights(&shifts_to_size[..low_values.len()], cosets.size());
    for (j, row) in weights.iter_mut().enumerate() {
        let zeros = vec![C::ScalarField::ZERO; low_values.len()];
        row.extend(low_weights.get(j).unwrap_or(&zeros));
    }
    let mut quotient = cosets.combine(&weights, &remainders);
    add_boundary(index, accumulator, &alphas, &mut quotient);
    quotient
}

/// Adds `α₁·(z - 1)/(x - 1) + α₂·(z - 1)/(x - ω^(n - zk_rows))`: the accumulator's start and end,
/// which are divided already.
fn add_boundary<C: CircuitCurve>(
    index: &ProverIndex<C>,
    accumulator: &Accumulator<C>,
    alphas: &[C::ScalarField],
    quotient: &mut [C::ScalarField],
) {
    let mut shifted = accumulator.coefficients.clone();
    shifted[0] -= C::ScalarField::ONE;
    for (root, alpha) in [(0, 1), (-(ZK_ROWS as i64), 2)] {
        // Round 2 has made z 1 at both points, so nothing remains.
        let (part, _) = divide_by_root(&shifted, index.domain().element(root));
        add_scaled(quotient, &part, alphas[PERMUTATION_ALPHA + alpha]);
    }
}

/// `weights[j][k]`, such that `t_j = Σ_k weights[j][k]·(n·r_k)` for the quotient by `x^n - 1`, where
/// `s_k^n` is the `k`-th of `points`.
fn quotient_weights<F: Field>(points: &[F], size: usize) -> Vec<Vec<F>> {
    let mut weights = vec![Vec::with_capacity(points.len()); points.len()];
    for (k, point) in points.iter().enumerate() {
        // The polynomial that is 1 at this point and 0 at all others.
        let mut lagrange = vec![F::ONE];
        let mut scale = (*point - F::ONE) * F::from(size as u64);
        for (_, other) in points.iter().enumerate().filter(|(i, _)| *i != k) {
            lagrange.push(F::ZERO);
            for i in (0..lagrange.len()).rev() {
                let below = if i == 0 { F::ZERO } else { lagrange[i - 1] };
                lagrange[i] = below - *other * lagrange[i];
            }
            scale *= *point - other;
        }
        // No coset has a point of the domain or of another.
        let scale = scale.inverse().unwrap_or(F::ZERO);
        for (row, coefficient) in weights.iter_mut().zip(lagrange) {
            row.push(coefficient * scale);
        }
    }
    weights
}

/// The columns that programs read: after the witness columns these.
const ACCUMULATOR: usize = COLUMNS;
/// The negated public input.
const PUBLIC: usize = ACCUMULATOR + 1;
/// The points of the coset.
const POINTS: usize = PUBLIC + 1;
const SIGMA: usize = POINTS + 1;
const COEFFICIENTS: usize = SIGMA + PERMUTED_COLUMNS;
const SELECTORS: usize = COEFFICIENTS + COLUMNS;

/// The program for the sum of what `parts` gives, if that is anything.
fn compile<C: CircuitCurve>(
    index: &ProverIndex<C>,
    parts: impl for<'a> FnOnce(&'a ProgramEnv<'a, C>) -> Vec<Expression<'a, C::ScalarField>>,
) -> Option<Program<C::ScalarField>> {
    let arena = Arena::default();
    let env = ProgramEnv { index, arena: &arena };
    let sum = parts(&env).into_iter().reduce(|sum, part| sum + part)?;
    Some(arena.compile(sum))
}

/// Constraints as programs over the columns of a coset.
struct ProgramEnv<'a, C: CircuitCurve> {
    index: &'a ProverIndex<C>,
    arena: &'a Arena<C::ScalarField>,
}

impl<'a, C: CircuitCurve> ProgramEnv<'a, C> {
    fn cell(&self, column: usize, next: bool) -> Expression<'a, C::ScalarField> {
        self.arena.cell(column as u32, next)
    }

    /// `selector·Σ α^j·constraint_j` of every gate in use that `wanted` names.
    fn gates(
        &self,
        alphas: &[C::ScalarField],
        wanted: impl Fn(GateKind) -> bool,
    ) -> Vec<Expression<'a, C::ScalarField>> {
        let mut sums = Vec::new();
        for (i, gate) in MANDATORY_GATES.into_iter().enumerate() {
            if self.index.fixed.selectors[i].is_empty() || !wanted(gate) {
                continue;
            }
            let mut constraints = Vec::with_capacity(gate.constraint_count());
            gates::constraints(gate, self, &mut |constraint| constraints.push(constraint));
            let combined = self.arena.combine(&constraints, alphas);
            sums.push(self.cell(SELECTORS + i, false) * combined);
        }
        sums
    }

    /// `α₀·zkp·(z·∏ (w + γ + β·shift·x) - z'·∏ (w + γ + β·σ))`.
    fn permutation(
        &self,
        challenges: &Challenges<C::ScalarField>,
        alpha: C::ScalarField,
    ) -> Expression<'a, C::ScalarField> {
        let Challenges { beta, gamma, .. } = *challenges;
        let x = self.cell(POINTS, false);
        let mut identity = self.cell(ACCUMULATOR, false);
        let mut permuted = self.cell(ACCUMULATOR, true);
        for (column, shift) in self.index.verifier_index().shifts.iter().enumerate() {
            let w = self.cell(column, false).add_constant(gamma);
            identity = identity * (w + x.scale(beta * shift));
            permuted = permuted * (w + self.cell(SIGMA + column, false).scale(beta));
        }
        let domain = self.index.domain();
        let vanishing = (0..ZK_ROWS as i64).fold(identity - permuted, |product, row| {
            product * x.add_constant(-domain.element(-row - 1))
        });
        vanishing.scale(alpha)
    }
}

impl<'a, C: CircuitCurve> Env for ProgramEnv<'a, C>
where
    C::ScalarField: ConstantField,
{
    type F = C::ScalarField;
    type V = Expression<'a, C::ScalarField>;

    fn witness(&self, column: usize) -> Self::V {
        self.cell(column, false)
    }

    fn witness_next(&self, column: usize) -> Self::V {
        self.cell(column, true)
    }

    fn coefficient(&self, column: usize) -> Self::V {
        if self.index.fixed.coefficients[column].is_empty() {
            return self.arena.constant(C::ScalarField::ZERO);
        }
        self.cell(COEFFICIENTS + column, false)
    }

    fn endo(&self) -> C::ScalarField {
        self.index.verifier_index().endo()
    }

    fn revision(&self) -> Revision {
        self.index.verifier_index().revision
    }
}
