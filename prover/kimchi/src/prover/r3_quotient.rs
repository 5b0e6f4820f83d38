//! Round 3: the quotient `t` of all constraints by `x^n - 1`.
//!
//! `t` has degree below `7n`. It is found from its values on eight cosets `s_k·H` of the domain
//! `H`, on each of which `x^n - 1` is a constant; constraints of degree 4 need every other coset
//! only. With `t = Σ x^(jn)·t_j` and `deg t_j < n`, interpolation on coset `k` gives
//! `r_k = Σ_j s_k^(jn)·t_j`, so the `t_j` follow by a transform of length 8 (or 4) over `k`.

use ark_ff::{AdditiveGroup, Field};
use poly_commitment::Commitment;
use rand::{CryptoRng, RngCore};
use rayon::prelude::*;

use super::{
    ProverIndex, ZK_ROWS,
    error::ProverError,
    index::{COSETS, Coset},
    polynomial::{CHUNK, add_scaled, divide_by_root, interpolate_coset, values_on_coset},
    r1_witness::CommittedWitness,
    r2_permutation::Accumulator,
};
use crate::{
    env::{ConstantField, Env},
    gate::{COLUMNS, GateKind, MANDATORY_GATES, Revision},
    gates::{self, MAX_CONSTRAINTS},
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

/// The quotient's `7n` coefficients.
pub(super) fn divide<C: CircuitCurve>(
    index: &ProverIndex<C>,
    witness: &CommittedWitness<C>,
    accumulator: &Accumulator<C>,
    challenges: &Challenges<C::ScalarField>,
) -> Result<Vec<C::ScalarField>, ProverError> {
    let alphas = powers(challenges.alpha, PERMUTATION_ALPHA + PERMUTATION_CONSTRAINTS);

    let mut all_cosets = Vec::with_capacity(COSETS);
    let mut even_cosets = Vec::with_capacity(COSETS / 2);
    for (k, coset) in index.cosets().iter().enumerate() {
        let rows = CosetRows::new(index, coset, witness, accumulator, k % 2 == 0);
        all_cosets.push(rows.high_degree(challenges, &alphas));
        if k % 2 == 0 {
            even_cosets.push(rows.low_degree(&alphas));
        }
    }

    let shifts: Vec<_> = index.cosets().iter().map(|coset| coset.shift).collect();
    let even_shifts: Vec<_> = shifts.iter().copied().step_by(2).collect();
    let mut quotient = combine(index, all_cosets, &shifts)?;
    let low_degree = combine(index, even_cosets, &even_shifts)?;
    add_scaled(&mut quotient, &low_degree, C::ScalarField::ONE);
    add_boundary(index, accumulator, &alphas, &mut quotient);
    Ok(quotient)
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

/// From the values of a sum of constraints on every coset of `shifts` to the coefficients of its
/// quotient: `n` for each coset but one.
///
/// A sum whose degree is below `n` times the number of cosets is divisible by `x^n - 1` if and only
/// if the last `n` coefficients come out as zero.
fn combine<C: CircuitCurve>(
    index: &ProverIndex<C>,
    values: Vec<Vec<C::ScalarField>>,
    shifts: &[C::ScalarField],
) -> Result<Vec<C::ScalarField>, ProverError> {
    let domain = index.domain();
    let size = domain.size();
    let count = shifts.len();
    let remainders: Vec<Vec<C::ScalarField>> = values
        .into_par_iter()
        .zip(shifts)
        .map(|(values, shift)| interpolate_coset(domain, values, *shift))
        .collect();

    // t_j = 1/count · Σ_k s_k^(-jn) · r_k / (s_k^n - 1)
    let count_inverse = C::ScalarField::from(count as u64).inverse().unwrap_or_default();
    let weights: Vec<Vec<C::ScalarField>> = shifts
        .iter()
        .map(|shift| {
            let step = shift.pow([size as u64]);
            let vanishing = (step - C::ScalarField::ONE).inverse().unwrap_or_default();
            let inverse = step.inverse().unwrap_or_default();
            powers(inverse, count).iter().map(|p| *p * vanishing * count_inverse).collect()
        })
        .collect();

    let mut quotient = vec![C::ScalarField::ZERO; count * size];
    for (j, chunk) in quotient.chunks_mut(size).enumerate() {
        chunk.par_chunks_mut(CHUNK).enumerate().for_each(|(c, chunk)| {
            for (weights, remainder) in weights.iter().zip(&remainders) {
                for (sum, r) in chunk.iter_mut().zip(&remainder[c * CHUNK..]) {
                    *sum += weights[j] * r;
                }
            }
        });
    }
    let remainder = quotient.split_off((count - 1) * size);
    match remainder.iter().all(|coefficient| *coefficient == C::ScalarField::ZERO) {
        true => Ok(quotient),
        false => Err(ProverError::Constraint),
    }
}

/// All columns on one coset.
struct CosetRows<'a, C: CircuitCurve> {
    index: &'a ProverIndex<C>,
    coset: &'a Coset<C::ScalarField>,
    witness: Vec<Vec<C::ScalarField>>,
    accumulator: Vec<C::ScalarField>,
    /// The negated public input; empty where it is zero or not wanted.
    public: Vec<C::ScalarField>,
    /// The points of the coset.
    points: Vec<C::ScalarField>,
}

impl<'a, C: CircuitCurve> CosetRows<'a, C> {
    fn new(
        index: &'a ProverIndex<C>,
        coset: &'a Coset<C::ScalarField>,
        witness: &CommittedWitness<C>,
        accumulator: &Accumulator<C>,
        with_public: bool,
    ) -> Self {
        let domain = index.domain();
        let on_coset = |coefficients: &Vec<_>| values_on_coset(domain, coefficients, coset.shift);
        let mut columns: Vec<&Vec<_>> = witness.coefficients.iter().collect();
        columns.push(&accumulator.coefficients);
        if with_public && !witness.public.is_empty() {
            columns.push(&witness.public);
        }
        let mut values: Vec<Vec<_>> = columns.into_par_iter().map(on_coset).collect();
        let public = if values.len() > COLUMNS + 1 { values.pop() } else { None };
        let accumulator = values.pop().unwrap_or_default();
        let mut points = domain.elements();
        points.iter_mut().for_each(|point| *point *= coset.shift);
        let public = public.unwrap_or_default();
        Self { index, coset, witness: values, accumulator, public, points }
    }

    /// Gates of degree above 4, and the permutation.
    fn high_degree(
        &self,
        challenges: &Challenges<C::ScalarField>,
        alphas: &[C::ScalarField],
    ) -> Vec<C::ScalarField> {
        let mut sums = self.permutation(challenges, alphas);
        self.add_gates(&mut sums, alphas, |gate| gate.degree() > 4);
        sums
    }

    /// Gates of degree at most 4, and the public input.
    fn low_degree(&self, alphas: &[C::ScalarField]) -> Vec<C::ScalarField> {
        let mut sums = self.public.clone();
        sums.resize(self.points.len(), C::ScalarField::ZERO);
        self.add_gates(&mut sums, alphas, |gate| gate.degree() <= 4);
        sums
    }

    /// `α₀·zkp·(z·∏ (w + γ + β·shift·x) - z'·∏ (w + γ + β·σ))`.
    fn permutation(
        &self,
        challenges: &Challenges<C::ScalarField>,
        alphas: &[C::ScalarField],
    ) -> Vec<C::ScalarField> {
        let Challenges { beta, gamma, .. } = *challenges;
        let size = self.points.len();
        let domain = self.index.domain();
        let alpha = alphas[PERMUTATION_ALPHA];
        let shifts = self.index.verifier_index().shifts;
        let last_rows: [C::ScalarField; ZK_ROWS] =
            std::array::from_fn(|i| domain.element(-(i as i64) - 1));
        let mut sums = vec![C::ScalarField::ZERO; size];
        sums.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, sums)| {
            for (i, sum) in sums.iter_mut().enumerate() {
                let row = chunk * CHUNK + i;
                let x = self.points[row];
                let beta_x = beta * x;
                let mut identity = self.accumulator[row];
                let mut permuted = self.accumulator[(row + 1) % size];
                let sigma = &self.coset.columns.sigma;
                for ((w, sigma), shift) in self.witness.iter().zip(sigma).zip(&shifts) {
                    let w = w[row] + gamma;
                    identity *= w + beta_x * shift;
                    permuted *= w + beta * sigma[row];
                }
                let vanishing = last_rows.iter().fold(alpha, |acc, root| acc * (x - root));
                *sum = (identity - permuted) * vanishing;
            }
        });
        sums
    }

    /// Adds `selector·Σ α^j·constraint_j` of every gate in use that `wanted` names.
    fn add_gates(
        &self,
        sums: &mut [C::ScalarField],
        alphas: &[C::ScalarField],
        wanted: impl Fn(GateKind) -> bool + Sync,
    ) {
        let selectors = &self.coset.columns.selectors;
        sums.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, sums)| {
            for (gate, selector) in MANDATORY_GATES.into_iter().zip(selectors) {
                if selector.is_empty() || !wanted(gate) {
                    continue;
                }
                let start = chunk * CHUNK;
                match gate {
                    GateKind::Generic => self.add_gate::<GENERIC>(start, sums, selector, alphas),
                    GateKind::Poseidon => self.add_gate::<POSEIDON>(start, sums, selector, alphas),
                    GateKind::CompleteAdd => {
                        self.add_gate::<COMPLETE_ADD>(start, sums, selector, alphas);
                    }
                    GateKind::VarBaseMul => {
                        self.add_gate::<VAR_BASE_MUL>(start, sums, selector, alphas);
                    }
                    GateKind::EndoMul => self.add_gate::<ENDO_MUL>(start, sums, selector, alphas),
                    GateKind::EndoMulScalar => {
                        self.add_gate::<ENDO_MUL_SCALAR>(start, sums, selector, alphas);
                    }
                    _ => {}
                }
            }
        });
    }

    /// One loop per gate, so that each is compiled into straight-line code.
    fn add_gate<const GATE: usize>(
        &self,
        start: usize,
        sums: &mut [C::ScalarField],
        selector: &[C::ScalarField],
        alphas: &[C::ScalarField],
    ) {
        let Some(alphas) = alphas.first_chunk::<MAX_CONSTRAINTS>() else { return };
        for (i, sum) in sums.iter_mut().enumerate() {
            let row = start + i;
            let env = RowEnv { rows: self, row, next: (row + 1) % self.points.len() };
            let mut combined = C::ScalarField::ZERO;
            let mut position = 0;
            gates::constraints(MANDATORY_GATES[GATE], &env, &mut |constraint| {
                combined += alphas[position] * constraint;
                position += 1;
            });
            *sum += selector[row] * combined;
        }
    }
}

const GENERIC: usize = 0;
const POSEIDON: usize = 1;
const COMPLETE_ADD: usize = 2;
const VAR_BASE_MUL: usize = 3;
const ENDO_MUL: usize = 4;
const ENDO_MUL_SCALAR: usize = 5;

/// One row of a coset.
struct RowEnv<'a, C: CircuitCurve> {
    rows: &'a CosetRows<'a, C>,
    row: usize,
    next: usize,
}

impl<C: CircuitCurve> Env for RowEnv<'_, C>
where
    C::ScalarField: ConstantField,
{
    type F = C::ScalarField;
    type V = C::ScalarField;

    #[inline(always)]
    fn witness(&self, column: usize) -> C::ScalarField {
        self.rows.witness[column][self.row]
    }

    #[inline(always)]
    fn witness_next(&self, column: usize) -> C::ScalarField {
        self.rows.witness[column][self.next]
    }

    #[inline(always)]
    fn coefficient(&self, column: usize) -> C::ScalarField {
        match self.rows.coset.columns.coefficients[column].get(self.row) {
            Some(coefficient) => *coefficient,
            None => C::ScalarField::ZERO,
        }
    }

    #[inline(always)]
    fn endo(&self) -> C::ScalarField {
        self.rows.index.verifier_index().endo()
    }

    #[inline(always)]
    fn revision(&self) -> Revision {
        self.rows.index.verifier_index().revision
    }
}
