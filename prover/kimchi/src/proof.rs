//! What a proof consists of.

use ark_ff::{AdditiveGroup, Field};
use mina_poseidon::KimchiCurve;
use poly_commitment::{Commitment, OpeningProof, Srs, b_poly, b_poly_coefficients};

use crate::{
    features::{FeatureFlags, LOOKUP_PATTERNS, LookupPattern},
    gate::{COLUMNS, GateKind, MANDATORY_GATES, OPTIONAL_GATES, PERMUTED_COLUMNS},
};

/// The most sorted columns of the lookup argument: one more than the most lookups per row.
pub const MAX_SORTED: usize = 5;

/// A Kimchi proof over the curve `C`, for a circuit over its scalar field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof<C: KimchiCurve> {
    /// Commitments of the columns that depend on the witness.
    pub commitments: Commitments<C>,
    /// The opening of all polynomials at `ζ` and `ζω`.
    pub opening: OpeningProof<C>,
    /// Evaluations of all polynomials but the linearization, chunk by chunk.
    pub evaluations: Evaluations<Vec<C::ScalarField>>,
    /// The evaluation of the linearization at `ζω`.
    pub ft_zeta_omega: C::ScalarField,
    /// Accumulated inner-product statements of earlier proofs that this one carries on.
    pub previous: Vec<RecursionChallenge<C>>,
}

/// Commitments of the columns that depend on the witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitments<C: KimchiCurve> {
    /// The witness columns.
    pub witness: [Commitment<C>; COLUMNS],
    /// The accumulator of the permutation argument.
    pub permutation: Commitment<C>,
    /// The quotient: up to seven times as many chunks as other columns.
    pub quotient: Commitment<C>,
    /// The lookup argument's columns.
    pub lookup: Option<LookupCommitments<C>>,
}

/// Commitments of the lookup argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupCommitments<C: KimchiCurve> {
    /// The sorted table and lookups, in snake order over its columns.
    pub sorted: Vec<Commitment<C>>,
    /// The accumulator.
    pub aggregation: Commitment<C>,
    /// The table that the prover chose.
    pub runtime: Option<Commitment<C>>,
}

/// An inner-product statement carried on: `commitment` commits to the polynomial
/// `∏ (1 + challenges[k-1-i]·x^(2^i))`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecursionChallenge<C: KimchiCurve> {
    /// The effective round challenges, first round first.
    pub challenges: Vec<C::ScalarField>,
    /// The claimed commitment.
    pub commitment: Commitment<C>,
}

impl<C: KimchiCurve> RecursionChallenge<C> {
    /// Whether the claim is true: what verifying the proof that carries it leaves open. Costs a
    /// multi-scalar multiplication of the size of `srs`.
    pub fn holds(&self, srs: &Srs<C>) -> bool {
        self.challenges.len() == srs.rounds()
            && srs.commit(&b_poly_coefficients(&self.challenges), 1) == self.commitment
    }

    /// The values of the challenge polynomial at `point`, in chunks of `max_poly_size`.
    pub fn evaluate(&self, point: C::ScalarField, max_poly_size: usize) -> Vec<C::ScalarField> {
        let size = 1usize << self.challenges.len();
        let full = b_poly(&self.challenges, point);
        if size <= max_poly_size {
            return vec![full];
        }
        b_poly_coefficients(&self.challenges)
            .chunks(max_poly_size)
            .map(|chunk| chunk.iter().rev().fold(C::ScalarField::ZERO, |acc, c| acc * point + c))
            .collect()
    }
}

/// A value at `ζ` and one at `ζω`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtPoints<T> {
    /// The value at `ζ`.
    pub zeta: T,
    /// The value at `ζω`.
    pub zeta_omega: T,
}

/// A committed polynomial of the proof system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// A column of the witness.
    Witness(usize),
    /// The accumulator of the permutation argument.
    Permutation,
    /// A permutation polynomial; the last of the seven is not evaluated.
    Sigma(usize),
    /// A column of coefficients.
    Coefficient(usize),
    /// The selector of a gate.
    Selector(GateKind),
    /// A sorted column of the lookup argument.
    LookupSorted(usize),
    /// The accumulator of the lookup argument.
    LookupAggregation,
    /// The combined lookup table.
    LookupTable,
    /// The table chosen by the prover.
    RuntimeTable,
    /// The rows that the prover's table may use.
    RuntimeTableSelector,
    /// The selector of a lookup pattern.
    LookupSelector(LookupPattern),
}

/// The evaluations of a proof. `T` is a list of chunks, or a single value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluations<T> {
    /// The negated public input polynomial.
    pub public: Option<AtPoints<T>>,
    /// The witness columns.
    pub witness: [AtPoints<T>; COLUMNS],
    /// The permutation accumulator.
    pub permutation: AtPoints<T>,
    /// The permutation polynomials but the last.
    pub sigma: [AtPoints<T>; PERMUTED_COLUMNS - 1],
    /// The coefficient columns.
    pub coefficients: [AtPoints<T>; COLUMNS],
    /// The selectors of [`MANDATORY_GATES`].
    pub selectors: [AtPoints<T>; 6],
    /// The selectors of [`OPTIONAL_GATES`].
    pub optional_selectors: [Option<AtPoints<T>>; 6],
    /// The lookup accumulator.
    pub lookup_aggregation: Option<AtPoints<T>>,
    /// The combined lookup table.
    pub lookup_table: Option<AtPoints<T>>,
    /// The sorted lookup columns.
    pub lookup_sorted: [Option<AtPoints<T>>; MAX_SORTED],
    /// The table chosen by the prover.
    pub runtime_table: Option<AtPoints<T>>,
    /// The selector of that table's rows.
    pub runtime_table_selector: Option<AtPoints<T>>,
    /// The selectors of [`LOOKUP_PATTERNS`].
    pub lookup_selectors: [Option<AtPoints<T>>; 4],
}

impl<T> Evaluations<T> {
    /// The evaluation of `column`, if it is there.
    pub fn get(&self, column: Column) -> Option<&AtPoints<T>> {
        let position = |gates: &[GateKind; 6], gate| gates.iter().position(|g| *g == gate);
        match column {
            Column::Witness(i) => self.witness.get(i),
            Column::Permutation => Some(&self.permutation),
            Column::Sigma(i) => self.sigma.get(i),
            Column::Coefficient(i) => self.coefficients.get(i),
            Column::Selector(gate) => match position(&MANDATORY_GATES, gate) {
                Some(i) => Some(&self.selectors[i]),
                None => self.optional_selectors[position(&OPTIONAL_GATES, gate)?].as_ref(),
            },
            Column::LookupSorted(i) => self.lookup_sorted.get(i)?.as_ref(),
            Column::LookupAggregation => self.lookup_aggregation.as_ref(),
            Column::LookupTable => self.lookup_table.as_ref(),
            Column::RuntimeTable => self.runtime_table.as_ref(),
            Column::RuntimeTableSelector => self.runtime_table_selector.as_ref(),
            Column::LookupSelector(pattern) => {
                let i = LOOKUP_PATTERNS.iter().position(|p| *p == pattern)?;
                self.lookup_selectors[i].as_ref()
            }
        }
    }

    /// Applies `f` to every value.
    pub fn map<'a, U>(&'a self, mut f: impl FnMut(&'a T) -> U) -> Evaluations<U> {
        let mut at =
            |x: &'a AtPoints<T>| AtPoints { zeta: f(&x.zeta), zeta_omega: f(&x.zeta_omega) };
        self.map_points(&mut at)
    }

    fn map_points<'a, U>(
        &'a self,
        at: &mut impl FnMut(&'a AtPoints<T>) -> AtPoints<U>,
    ) -> Evaluations<U> {
        Evaluations {
            public: self.public.as_ref().map(&mut *at),
            witness: self.witness.each_ref().map(&mut *at),
            permutation: at(&self.permutation),
            sigma: self.sigma.each_ref().map(&mut *at),
            coefficients: self.coefficients.each_ref().map(&mut *at),
            selectors: self.selectors.each_ref().map(&mut *at),
            optional_selectors: self
                .optional_selectors
                .each_ref()
                .map(|x| x.as_ref().map(&mut *at)),
            lookup_aggregation: self.lookup_aggregation.as_ref().map(&mut *at),
            lookup_table: self.lookup_table.as_ref().map(&mut *at),
            lookup_sorted: self.lookup_sorted.each_ref().map(|x| x.as_ref().map(&mut *at)),
            runtime_table: self.runtime_table.as_ref().map(&mut *at),
            runtime_table_selector: self.runtime_table_selector.as_ref().map(&mut *at),
            lookup_selectors: self.lookup_selectors.each_ref().map(|x| x.as_ref().map(&mut *at)),
        }
    }
}

impl<F: Field> Evaluations<Vec<F>> {
    /// Joins chunks into single evaluations, with `powers` = (`ζ^m`, `(ζω)^m`) for chunks of size
    /// `m`.
    pub fn combine(&self, powers: AtPoints<F>) -> Evaluations<F> {
        let horner = |chunks: &[F], x: F| chunks.iter().rev().fold(F::ZERO, |acc, c| acc * x + c);
        self.map_points(&mut |e: &AtPoints<Vec<F>>| AtPoints {
            zeta: horner(&e.zeta, powers.zeta),
            zeta_omega: horner(&e.zeta_omega, powers.zeta_omega),
        })
    }
}

/// The columns that the Fr-sponge absorbs, in order, for a circuit with `features`.
pub fn absorbed_columns(features: &FeatureFlags) -> Vec<Column> {
    let mut columns = gate_columns(features);
    if features.uses_lookups() {
        columns.extend([Column::LookupAggregation, Column::LookupTable]);
        columns.extend((0..=features.lookup.max_per_row()).map(Column::LookupSorted));
        columns.extend(runtime_and_selector_columns(features));
    }
    columns
}

/// The columns that are opened after previous challenges, public input and linearization, in order.
pub fn opened_columns(features: &FeatureFlags) -> Vec<Column> {
    let mut columns = gate_columns(features);
    if features.uses_lookups() {
        columns.extend((0..=features.lookup.max_per_row()).map(Column::LookupSorted));
        columns.extend([Column::LookupAggregation, Column::LookupTable]);
        columns.extend(runtime_and_selector_columns(features));
    }
    columns
}

fn gate_columns(features: &FeatureFlags) -> Vec<Column> {
    let mut columns = vec![Column::Permutation];
    columns.extend(MANDATORY_GATES.map(Column::Selector));
    columns.extend((0..COLUMNS).map(Column::Witness));
    columns.extend((0..COLUMNS).map(Column::Coefficient));
    columns.extend((0..PERMUTED_COLUMNS - 1).map(Column::Sigma));
    columns.extend(features.used_optional_gates().map(Column::Selector));
    columns
}

fn runtime_and_selector_columns(features: &FeatureFlags) -> Vec<Column> {
    let mut columns = Vec::new();
    if features.lookup.uses_runtime_tables {
        columns.extend([Column::RuntimeTable, Column::RuntimeTableSelector]);
    }
    columns.extend(features.lookup.used_patterns().map(Column::LookupSelector));
    columns
}
