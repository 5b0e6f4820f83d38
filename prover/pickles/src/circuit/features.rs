//! The optional parts of a proof's circuit, where the circuit that verifies it leaves them open.

use kimchi::{
    Column, FeatureFlags, GateKind, LOOKUP_PATTERNS, LookupFeatures, LookupPattern, OPTIONAL_GATES,
    builder::{Boolean, ChallengeVar, CircuitBuilder, Linear, Var},
};

use super::{CycleField, evaluations::EvaluationsVar};
use crate::proof::StepFlags;

/// Places for all optional parts.
pub(crate) const ALL: FeatureFlags = StepFlags::from_array([true; 8]).features();

/// Which optional parts there are.
///
/// What a lookup costs depends on the patterns in use only by the most lookups of a row and the most
/// values of a lookup: of four such *shapes*, one applies, or there are no lookups.
#[derive(Clone, Debug)]
pub(crate) struct FeaturesVar<F> {
    /// In the order of the statement.
    flags: [Boolean<F>; 8],
    /// Of [`LOOKUP_PATTERNS`].
    patterns: [Boolean<F>; 4],
    uses_lookups: Boolean<F>,
    /// Whether a row may have four lookups.
    has_four: Boolean<F>,
    /// Whether there are lookups in tables that the prover chose.
    has_runtime_tables: Boolean<F>,
    /// The patterns of each shape, and whether it applies.
    shapes: [([bool; 4], Boolean<F>); 4],
    /// Joins the values of a lookup; 0 without lookups.
    joint_combiner: ChallengeVar<F>,
}

impl<F: CycleField> FeaturesVar<F> {
    /// The parts that `flags` names, in the order of the statement; 8 rows for the combiner,
    /// and a dozen halves.
    pub(crate) fn new<I>(
        cs: &mut CircuitBuilder<F, I>,
        flags: [Boolean<F>; 8],
        joint_combiner: Var<F>,
    ) -> Self {
        let [range_check0, range_check1, _, multiplication, xor, rot, lookup, runtime_tables] =
            &flags;
        let range_check = range_check0.or(cs, range_check1).or(cs, rot);
        // Four lookups of one value.
        let single = range_check.or(cs, multiplication);
        let has_four = xor.or(cs, &single);
        let uses_lookups = has_four.or(cs, lookup);
        let [with_lookup, without] = [lookup.clone(), lookup.not()];
        let singles = has_four.and(cs, &xor.not());
        let shapes = [
            ([true; 4], xor.clone()),
            ([false, true, true, true], singles.and(cs, &with_lookup)),
            ([false, false, true, true], singles.and(cs, &without)),
            ([false, true, false, false], has_four.not().and(cs, &with_lookup)),
        ];
        let has_runtime_tables = runtime_tables.and(cs, &uses_lookups);
        cs.assert_mul(uses_lookups.not(), joint_combiner, F::ZERO);
        Self {
            patterns: [xor.clone(), lookup.clone(), range_check, multiplication.clone()],
            joint_combiner: ChallengeVar::new(cs, joint_combiner),
            flags,
            uses_lookups,
            has_four,
            has_runtime_tables,
            shapes,
        }
    }

    /// In the order of the statement.
    pub(crate) fn flags(&self) -> &[Boolean<F>; 8] {
        &self.flags
    }

    /// Whether some gate looks values up.
    pub(crate) fn uses_lookups(&self) -> &Boolean<F> {
        &self.uses_lookups
    }

    /// Joins the values of a lookup.
    pub(crate) fn joint_combiner(&self) -> &ChallengeVar<F> {
        &self.joint_combiner
    }

    /// The lookups of each shape, and whether they apply.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (FeatureFlags, &Boolean<F>)> {
        self.shapes.iter().map(|(patterns, applies)| {
            let lookup = LookupFeatures { patterns: *patterns, ..ALL.lookup };
            (FeatureFlags { lookup, ..FeatureFlags::default() }, applies)
        })
    }

    /// Whether a column is there; `None` for those that always are.
    pub(crate) fn presence(&self, column: Column) -> Option<&Boolean<F>> {
        match column {
            Column::Selector(gate) => self.gate(gate),
            Column::LookupSorted(4) => Some(&self.has_four),
            Column::LookupSorted(_) | Column::LookupAggregation | Column::LookupTable => {
                Some(&self.uses_lookups)
            }
            Column::RuntimeTable | Column::RuntimeTableSelector => Some(&self.has_runtime_tables),
            Column::LookupSelector(pattern) => self.pattern(pattern),
            _ => None,
        }
    }

    fn gate(&self, gate: GateKind) -> Option<&Boolean<F>> {
        let place = OPTIONAL_GATES.iter().position(|optional| *optional == gate)?;
        self.flags.get(place)
    }

    fn pattern(&self, pattern: LookupPattern) -> Option<&Boolean<F>> {
        let place = LOOKUP_PATTERNS.iter().position(|other| *other == pattern)?;
        self.patterns.get(place)
    }

    /// Asserts that columns that are not there are zero, so that whatever is multiplied by their
    /// selectors is; 19 rows.
    pub(crate) fn assert_absent_are_zero<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        evaluations: &EvaluationsVar<F>,
    ) {
        for (column, pair) in evaluations.absorbed_columns() {
            let Some(present) = self.presence(column) else { continue };
            for value in pair {
                cs.assert_mul(Linear::from(present.not()), value, F::ZERO);
            }
        }
    }
}
