//! A circuit prepared for proving.

use std::sync::{Arc, OnceLock};

use ark_ff::Field;
use mina_curves::{
    Point,
    cosets::{Column, Cosets},
};
use poly_commitment::{Commitment, Srs};
use rayon::prelude::*;

use super::{ZK_ROWS, error::ProverError, polynomial::interpolate};
use crate::{
    domain::Domain,
    features::FeatureFlags,
    gate::{COLUMNS, Circuit, Gate, GateKind, MANDATORY_GATES, PERMUTED_COLUMNS, Revision},
    index::{CircuitCurve, VerifierIndex},
};

/// Cosets of the evaluation domain on which the quotient is computed: as many as it has pieces of
/// `n` coefficients.
pub(super) const COSETS: usize = 7;

/// A circuit with everything about it that proofs need again and again.
#[derive(Debug)]
pub struct ProverIndex<C: CircuitCurve> {
    circuit: Circuit<C::ScalarField>,
    verifier: VerifierIndex<C>,
    digest: C::BaseField,
    features: FeatureFlags,
    /// Values on the domain of the seven permutation polynomials.
    pub(super) sigma_values: Vec<Vec<C::ScalarField>>,
    /// The fixed polynomials, in coefficients.
    pub(super) fixed: FixedColumns<Vec<C::ScalarField>>,
    /// Their values on each of the [`COSETS`].
    cosets: OnceLock<FixedOnCosets<C::ScalarField>>,
}

/// The polynomials that depend on the circuit only. Empty columns stand for zero polynomials.
#[derive(Clone, Debug)]
pub(super) struct FixedColumns<T> {
    pub(super) sigma: Vec<T>,
    pub(super) coefficients: Vec<T>,
    /// Of [`MANDATORY_GATES`].
    pub(super) selectors: Vec<T>,
}

/// The cosets on which the quotient is computed, with the values of the fixed polynomials.
#[derive(Debug)]
pub(super) struct FixedOnCosets<F> {
    pub(super) cosets: Cosets<F>,
    /// `s^n` for the shift `s` of each.
    pub(super) shifts_to_size: Vec<F>,
    pub(super) columns: Vec<FixedColumns<Column>>,
    /// The points of each.
    pub(super) points: Vec<Column>,
}

impl<C: CircuitCurve> ProverIndex<C> {
    /// Prepares `circuit` for proofs under `srs` that Mina's network accepts: interpolates and
    /// commits to its columns.
    ///
    /// # Errors
    ///
    /// [`ProverError`] if the circuit is malformed, uses a gate that the prover lacks, or is too
    /// large.
    pub fn new(circuit: Circuit<C::ScalarField>, srs: Arc<Srs<C>>) -> Result<Self, ProverError> {
        Self::with_revision(circuit, srs, Revision::Berkeley)
    }

    /// [`Self::new`] with the commitments that [`VerifierIndex::commitments`] gave before, which
    /// takes no curve operation. Whoever kept them answers for them: with others, proofs do not
    /// verify.
    ///
    /// # Errors
    ///
    /// As [`Self::new`], and if there is another number of them.
    pub fn with_commitments(
        circuit: Circuit<C::ScalarField>,
        srs: Arc<Srs<C>>,
        commitments: &[Point<C>],
    ) -> Result<Self, ProverError> {
        Self::build(circuit, srs, Revision::Berkeley, Some(commitments))
    }

    /// [`Self::new`] with another version of the gates' constraints.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn with_revision(
        circuit: Circuit<C::ScalarField>,
        srs: Arc<Srs<C>>,
        revision: Revision,
    ) -> Result<Self, ProverError> {
        Self::build(circuit, srs, revision, None)
    }

    fn build(
        circuit: Circuit<C::ScalarField>,
        srs: Arc<Srs<C>>,
        revision: Revision,
        known: Option<&[Point<C>]>,
    ) -> Result<Self, ProverError> {
        let rows = circuit.gates.len();
        let needed = rows.saturating_add(ZK_ROWS).next_power_of_two();
        let too_large = ProverError::TooLarge { rows, needed, srs: srs.size() };
        if needed > srs.size() {
            return Err(too_large);
        }
        let domain = Domain::new(needed).ok_or(too_large)?;
        check_gates(&circuit)?;

        let shifts = domain.shifts();
        let sigma_values = sigma_values(&circuit.gates, &domain, &shifts)?;
        let coefficient_values = coefficient_values(&circuit.gates, domain.size());
        let selector_values =
            MANDATORY_GATES.map(|kind| selector_values(&circuit.gates, kind, domain.size()));

        let interpolate_all = |columns: &[Vec<C::ScalarField>]| -> Vec<Vec<C::ScalarField>> {
            columns.par_iter().map(|values| interpolate_or_empty(&domain, values)).collect()
        };
        let fixed = FixedColumns {
            sigma: interpolate_all(&sigma_values),
            coefficients: interpolate_all(&coefficient_values),
            selectors: interpolate_all(&selector_values),
        };

        let columns = sigma_values.iter().chain(&coefficient_values).chain(&selector_values);
        let (expected, plain) = (columns.clone().count(), COLUMNS + PERMUTED_COLUMNS);
        let commitments: Vec<Commitment<C>> = match known {
            Some(points) if points.len() != expected => {
                return Err(ProverError::Commitments { expected, got: points.len() });
            }
            Some(points) => points.iter().map(|p| Commitment { chunks: vec![*p] }).collect(),
            None => {
                let columns: Vec<&[C::ScalarField]> = columns.map(Vec::as_slice).collect();
                let commitments = srs.commit_evaluations_many(domain.size(), &columns);
                // Selectors get H once, so that none is the point at infinity.
                let ones = [C::ScalarField::ONE];
                let blind = |(i, c)| if i < plain { c } else { srs.blind(&c, &ones) };
                commitments.into_iter().enumerate().map(blind).collect()
            }
        };
        let at = |start: usize| commitments.iter().skip(start).cloned();
        let verifier = VerifierIndex {
            domain,
            max_poly_size: srs.size(),
            zk_rows: ZK_ROWS,
            revision,
            public: circuit.public,
            previous: circuit.previous,
            sigma: array(at(0)),
            coefficients: array(at(PERMUTED_COLUMNS)),
            selectors: array(at(plain)),
            optional_selectors: [const { None }; 6],
            shifts,
            lookup: None,
            srs,
        };
        Ok(Self {
            digest: verifier.digest(),
            features: verifier.features(),
            circuit,
            verifier,
            sigma_values,
            fixed,
            cosets: OnceLock::new(),
        })
    }

    /// The circuit.
    pub fn circuit(&self) -> &Circuit<C::ScalarField> {
        &self.circuit
    }

    /// The circuit as its verifier sees it.
    pub fn verifier_index(&self) -> &VerifierIndex<C> {
        &self.verifier
    }

    /// The digest that starts every transcript.
    pub fn digest(&self) -> C::BaseField {
        self.digest
    }

    pub(super) fn features(&self) -> &FeatureFlags {
        &self.features
    }

    pub(super) fn domain(&self) -> &Domain<C::ScalarField> {
        &self.verifier.domain
    }

    pub(super) fn srs(&self) -> &Srs<C> {
        &self.verifier.srs
    }

    /// The fixed columns on the cosets `g·ω₈ₙ^k` of the domain, `k < 7`; computed once.
    pub(super) fn cosets(&self) -> &FixedOnCosets<C::ScalarField> {
        self.cosets.get_or_init(|| FixedOnCosets::new(self.domain(), &self.fixed))
    }
}

impl<F: mina_poseidon::PoseidonField> FixedOnCosets<F> {
    fn new(domain: &Domain<F>, fixed: &FixedColumns<Vec<F>>) -> Self {
        let size = domain.size() as u64;
        let root = F::get_root_of_unity(8 * size).unwrap_or(F::ONE);
        let shifts: Vec<F> =
            std::iter::successors(Some(F::GENERATOR), |s| Some(*s * root)).take(COSETS).collect();
        let cosets = Cosets::new(domain.log_size(), &shifts)
            .expect("both fields have all domains up to 2^32, and no shift is zero");
        let shifts_to_size = shifts.iter().map(|shift| shift.pow([size])).collect();
        let inside = fixed.map(|coefficients| cosets.column(coefficients));
        let columns =
            (0..COSETS).map(|k| inside.map(|column| cosets.evaluate(k, column))).collect();
        let points = (0..COSETS).map(|k| cosets.points(k)).collect();
        Self { cosets, shifts_to_size, columns, points }
    }
}

impl<T: Sync> FixedColumns<T> {
    fn map<U: Send>(&self, f: impl Fn(&T) -> U + Sync) -> FixedColumns<U> {
        let all = |columns: &[T]| -> Vec<U> { columns.par_iter().map(&f).collect() };
        FixedColumns {
            sigma: all(&self.sigma),
            coefficients: all(&self.coefficients),
            selectors: all(&self.selectors),
        }
    }
}

fn array<T, const N: usize>(mut items: impl Iterator<Item = T>) -> [T; N] {
    std::array::from_fn(|_| items.next().expect("a commitment for every column was checked"))
}

fn interpolate_or_empty<F: mina_poseidon::PoseidonField>(
    domain: &Domain<F>,
    values: &[F],
) -> Vec<F> {
    if values.iter().all(|value| *value == F::ZERO) {
        Vec::new()
    } else {
        interpolate(domain, values)
    }
}

/// Checks what the proof system cannot express or the prover cannot prove.
fn check_gates<F: mina_poseidon::PoseidonField>(circuit: &Circuit<F>) -> Result<(), ProverError> {
    for (row, gate) in circuit.gates.iter().enumerate() {
        let supported = gate.kind == GateKind::Zero || MANDATORY_GATES.contains(&gate.kind);
        if !supported {
            return Err(ProverError::UnsupportedGate { row, kind: gate.kind });
        }
        let got = gate.coefficients.len();
        if got > COLUMNS {
            return Err(ProverError::TooManyCoefficients { row, got });
        }
    }
    for row in 0..circuit.public {
        let is_public = |gate: &Gate<F>| {
            gate.kind == GateKind::Generic
                && gate.coefficients.first() == Some(&F::ONE)
                && gate.coefficients.iter().skip(1).take(4).all(|c| *c == F::ZERO)
        };
        if !circuit.gates.get(row).is_some_and(is_public) {
            return Err(ProverError::BadPublicRow { row });
        }
    }
    Ok(())
}

/// `σ_column(ω^row)`: the identifier of the next cell in the cycle of equal cells.
fn sigma_values<F: mina_poseidon::PoseidonField>(
    gates: &[Gate<F>],
    domain: &Domain<F>,
    shifts: &[F; PERMUTED_COLUMNS],
) -> Result<Vec<Vec<F>>, ProverError> {
    let points = domain.elements();
    let mut sigma: Vec<Vec<F>> =
        shifts.iter().map(|shift| points.iter().map(|point| *shift * point).collect()).collect();
    let mut reached = vec![[false; PERMUTED_COLUMNS]; gates.len()];
    for (row, gate) in gates.iter().enumerate() {
        for (column, wire) in gate.wires.iter().enumerate() {
            let slot = reached.get_mut(wire.row).and_then(|columns| columns.get_mut(wire.column));
            let Some(slot) = slot else {
                let (to_row, to_column) = (wire.row, wire.column);
                return Err(ProverError::BadWire { row, to_row, to_column });
            };
            if std::mem::replace(slot, true) {
                return Err(ProverError::WiresCollide { row: wire.row, column: wire.column });
            }
            sigma[column][row] = shifts[wire.column] * points[wire.row];
        }
    }
    Ok(sigma)
}

fn coefficient_values<F: mina_poseidon::PoseidonField>(
    gates: &[Gate<F>],
    size: usize,
) -> Vec<Vec<F>> {
    let mut columns = vec![vec![F::ZERO; size]; COLUMNS];
    for (row, gate) in gates.iter().enumerate() {
        for (column, coefficient) in columns.iter_mut().zip(&gate.coefficients) {
            column[row] = *coefficient;
        }
    }
    columns
}

fn selector_values<F: mina_poseidon::PoseidonField>(
    gates: &[Gate<F>],
    kind: GateKind,
    size: usize,
) -> Vec<F> {
    let mut values = vec![F::ZERO; size];
    for (value, gate) in values.iter_mut().zip(gates) {
        if gate.kind == kind {
            *value = F::ONE;
        }
    }
    values
}

/// A commitment and the blinders that went into it.
#[derive(Clone, Debug)]
pub(super) struct Blinded<C: CircuitCurve> {
    pub(super) commitment: Commitment<C>,
    pub(super) blinders: Vec<C::ScalarField>,
}

impl<C: CircuitCurve> ProverIndex<C> {
    /// Blinds `commitment` with fresh randomness.
    pub(super) fn blind(
        &self,
        commitment: &Commitment<C>,
        rng: &mut (impl rand::RngCore + rand::CryptoRng),
    ) -> Blinded<C> {
        use ark_ff::UniformRand;
        let blinders: Vec<C::ScalarField> =
            commitment.chunks.iter().map(|_| C::ScalarField::rand(rng)).collect();
        Blinded { commitment: self.srs().blind(commitment, &blinders), blinders }
    }
}
