//! The verifier index: what identifies a circuit.

use std::sync::Arc;

use mina_curves::PastaCurve;
use mina_poseidon::{FqSponge, KimchiCurve};
use poly_commitment::{Commitment, Srs};

use crate::{
    domain::Domain,
    env::ConstantField,
    features::{FeatureFlags, LookupPattern},
    gate::{COLUMNS, GateKind, PERMUTED_COLUMNS, Revision},
    proof::Column,
};

/// A curve whose scalar field circuits are written over.
pub trait CircuitCurve: KimchiCurve<ScalarField: ConstantField> {}

impl<C: KimchiCurve<ScalarField: ConstantField>> CircuitCurve for C {}

/// A circuit as its verifier sees it.
#[derive(Clone, Debug)]
pub struct VerifierIndex<C: CircuitCurve> {
    /// The evaluation domain; its size is the circuit's rows rounded up to a power of two.
    pub domain: Domain<C::ScalarField>,
    /// The size of the SRS, above which polynomials are committed to in chunks.
    pub max_poly_size: usize,
    /// Rows at the end of the domain that hide the witness.
    pub zk_rows: usize,
    /// Which version of the gates' constraints the circuit has.
    pub revision: Revision,
    /// The number of public inputs.
    pub public: usize,
    /// The number of earlier accumulators that a proof carries.
    pub previous: usize,
    /// Commitments of the permutation polynomials.
    pub sigma: [Commitment<C>; PERMUTED_COLUMNS],
    /// Commitments of the coefficient columns.
    pub coefficients: [Commitment<C>; COLUMNS],
    /// Commitments of the selectors of [`crate::MANDATORY_GATES`].
    pub selectors: [Commitment<C>; 6],
    /// Commitments of the selectors of [`crate::OPTIONAL_GATES`].
    pub optional_selectors: [Option<Commitment<C>>; 6],
    /// The cosets of the permutation argument.
    pub shifts: [C::ScalarField; PERMUTED_COLUMNS],
    /// Commitments of the lookup argument, if there is one.
    pub lookup: Option<LookupIndex<C>>,
    /// The SRS that the commitments are under.
    pub srs: Arc<Srs<C>>,
}

/// The fixed commitments of a lookup argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupIndex<C: KimchiCurve> {
    /// What the argument uses.
    pub features: crate::features::LookupFeatures,
    /// The columns of all fixed tables, one above the other.
    pub table: Vec<Commitment<C>>,
    /// The selectors of [`crate::LOOKUP_PATTERNS`].
    pub selectors: [Option<Commitment<C>>; 4],
    /// The table of each row, if there is more than table 0.
    pub table_ids: Option<Commitment<C>>,
    /// The rows of tables chosen by the prover.
    pub runtime_table_selector: Option<Commitment<C>>,
}

impl<C: CircuitCurve> VerifierIndex<C> {
    /// The coefficient of the endomorphism inside circuits: the base-field one of the other curve.
    pub fn endo(&self) -> C::ScalarField {
        <C::Other as PastaCurve>::ENDO_BASE
    }

    /// Chunks per column.
    pub fn chunks(&self) -> usize {
        (self.domain.size() / self.max_poly_size).max(1)
    }

    /// Which optional parts the circuit uses.
    pub fn features(&self) -> FeatureFlags {
        FeatureFlags {
            optional_gates: self.optional_selectors.each_ref().map(Option::is_some),
            lookup: self.lookup.as_ref().map(|lookup| lookup.features).unwrap_or_default(),
        }
    }

    /// The fixed commitment of `column`, if it has one.
    pub fn commitment(&self, column: Column) -> Option<&Commitment<C>> {
        let lookup = self.lookup.as_ref();
        match column {
            Column::Sigma(i) => self.sigma.get(i),
            Column::Coefficient(i) => self.coefficients.get(i),
            Column::Selector(gate) => self.selector(gate),
            Column::RuntimeTableSelector => lookup?.runtime_table_selector.as_ref(),
            Column::LookupSelector(pattern) => lookup?.selector(pattern),
            _ => None,
        }
    }

    fn selector(&self, gate: GateKind) -> Option<&Commitment<C>> {
        match crate::MANDATORY_GATES.iter().position(|g| *g == gate) {
            Some(i) => self.selectors.get(i),
            None => {
                let i = crate::OPTIONAL_GATES.iter().position(|g| *g == gate)?;
                self.optional_selectors.get(i)?.as_ref()
            }
        }
    }

    /// All commitments, in the order of the digest.
    pub fn commitments(&self) -> Vec<&Commitment<C>> {
        let mut all: Vec<&Commitment<C>> = Vec::new();
        all.extend(&self.sigma);
        all.extend(&self.coefficients);
        all.extend(&self.selectors);
        // Multiplication comes before addition here, and only here.
        for i in [0, 1, 3, 2, 4, 5] {
            all.extend(&self.optional_selectors[i]);
        }
        if let Some(lookup) = &self.lookup {
            all.extend(&lookup.table);
            all.extend(&lookup.table_ids);
            all.extend(&lookup.runtime_table_selector);
            all.extend(lookup.selectors.iter().flatten());
        }
        all
    }

    /// The digest that starts every transcript: all commitments, absorbed in order.
    pub fn digest(&self) -> C::BaseField {
        let mut sponge = FqSponge::<C>::new();
        for commitment in self.commitments() {
            sponge.absorb_points(&commitment.chunks);
        }
        sponge.squeeze_base()
    }
}

impl<C: KimchiCurve> LookupIndex<C> {
    fn selector(&self, pattern: LookupPattern) -> Option<&Commitment<C>> {
        let i = crate::LOOKUP_PATTERNS.iter().position(|p| *p == pattern)?;
        self.selectors[i].as_ref()
    }
}
