//! The evaluations of a proof, as variables of a circuit over its scalar field.

use ark_ff::Field;
use kimchi::{
    AtPoints, Column, Evaluations, FeatureFlags, LOOKUP_PATTERNS, MANDATORY_GATES, OPTIONAL_GATES,
    absorbed_columns,
    builder::{CircuitBuilder, Values, Var},
};

use super::CycleField;

/// How many elements a proof has, with the optional parts of `layout`.
pub(crate) fn count(layout: &FeatureFlags) -> usize {
    3 + 2 * absorbed_columns(layout).len()
}

/// The evaluations of a proof, in the order in which they are absorbed.
#[derive(Clone, Debug)]
pub(crate) struct EvaluationsVar<F> {
    /// The optional parts that there are places for.
    layout: FeatureFlags,
    /// `ft(ζω)`, the negated public input at `ζ` and `ζω`, then the columns at both.
    values: Vec<Var<F>>,
}

/// The numbers behind [`EvaluationsVar`], zeros for optional columns that are not there, or `None` if
/// another column is missing or one is in chunks.
pub(crate) fn absorbed<F: Field>(
    layout: &FeatureFlags,
    ft_zeta_omega: F,
    public: AtPoints<F>,
    columns: &Evaluations<Vec<F>>,
) -> Option<Vec<F>> {
    let mandatory = absorbed_columns(&FeatureFlags::default());
    let mut values = vec![ft_zeta_omega, public.zeta, public.zeta_omega];
    for column in absorbed_columns(layout) {
        let at = columns.get(column).map(|at| (at.zeta.as_slice(), at.zeta_omega.as_slice()));
        match at {
            Some(([zeta], [zeta_omega])) => values.extend([*zeta, *zeta_omega]),
            None if !mandatory.contains(&column) => values.extend([F::ZERO; 2]),
            _ => return None,
        }
    }
    Some(values)
}

impl<F: CycleField> EvaluationsVar<F> {
    /// Private evaluations: what [`absorbed`] gives.
    pub(crate) fn witness<I>(
        cs: &mut CircuitBuilder<F, I>,
        layout: FeatureFlags,
        compute: impl Fn(&Values<'_, F, I>) -> Result<Vec<F>, String> + Send + Sync + 'static,
    ) -> Self {
        Self { values: cs.try_witnesses(count(&layout), compute), layout }
    }

    /// The optional parts that there are places for.
    pub(crate) fn layout(&self) -> &FeatureFlags {
        &self.layout
    }

    /// `ft(ζω)`.
    pub(crate) fn ft_zeta_omega(&self) -> Var<F> {
        self.values[0]
    }

    /// The negated public input.
    pub(crate) fn public(&self) -> AtPoints<Var<F>> {
        AtPoints { zeta: self.values[1], zeta_omega: self.values[2] }
    }

    /// The columns, in the order in which they are absorbed.
    pub(crate) fn absorbed_columns(&self) -> impl Iterator<Item = (Column, [Var<F>; 2])> + '_ {
        let values = self.values[3..].chunks_exact(2).map(|pair| [pair[0], pair[1]]);
        absorbed_columns(&self.layout).into_iter().zip(values)
    }

    /// The columns; of the optional ones, those that there are places for.
    pub(crate) fn columns(&self) -> Evaluations<Var<F>> {
        let all: Vec<_> = self.absorbed_columns().collect();
        let find = |column: Column| {
            let found = all.iter().find(|(other, _)| *other == column);
            found.map(|(_, [zeta, zeta_omega])| AtPoints { zeta: *zeta, zeta_omega: *zeta_omega })
        };
        // Every layout has the mandatory ones.
        let get = |column: Column| find(column).unwrap_or_else(|| self.public());
        Evaluations {
            public: None,
            witness: core::array::from_fn(|i| get(Column::Witness(i))),
            permutation: get(Column::Permutation),
            sigma: core::array::from_fn(|i| get(Column::Sigma(i))),
            coefficients: core::array::from_fn(|i| get(Column::Coefficient(i))),
            selectors: MANDATORY_GATES.map(|gate| get(Column::Selector(gate))),
            optional_selectors: OPTIONAL_GATES.map(|gate| find(Column::Selector(gate))),
            lookup_aggregation: find(Column::LookupAggregation),
            lookup_table: find(Column::LookupTable),
            lookup_sorted: core::array::from_fn(|i| find(Column::LookupSorted(i))),
            runtime_table: find(Column::RuntimeTable),
            runtime_table_selector: find(Column::RuntimeTableSelector),
            lookup_selectors: LOOKUP_PATTERNS.map(|pattern| find(Column::LookupSelector(pattern))),
        }
    }
}
