//! The evaluations of a proof, as variables of a circuit over its scalar field.

use ark_ff::Field;
use kimchi::{
    AtPoints, COLUMNS, Column, Evaluations, FeatureFlags, MANDATORY_GATES, PERMUTED_COLUMNS,
    absorbed_columns,
    builder::{CircuitBuilder, Values, Var},
};

use super::CycleField;

/// How many elements a proof without optional parts has.
pub(crate) const COUNT: usize = 3 + 2 * (1 + 6 + 2 * COLUMNS + PERMUTED_COLUMNS - 1);

/// The evaluations of a proof without optional parts, in the order in which they are absorbed.
#[derive(Clone, Debug)]
pub(crate) struct EvaluationsVar<F> {
    /// `ft(ζω)`, the negated public input at `ζ` and `ζω`, then the columns at both.
    values: Vec<Var<F>>,
}

/// The numbers behind [`EvaluationsVar`], or `None` if a column is missing or in chunks.
pub(crate) fn absorbed<F: Field>(
    ft_zeta_omega: F,
    public: AtPoints<F>,
    columns: &Evaluations<Vec<F>>,
) -> Option<Vec<F>> {
    let mut values = vec![ft_zeta_omega, public.zeta, public.zeta_omega];
    for column in absorbed_columns(&FeatureFlags::default()) {
        let at = columns.get(column)?;
        match (at.zeta.as_slice(), at.zeta_omega.as_slice()) {
            ([zeta], [zeta_omega]) => values.extend([*zeta, *zeta_omega]),
            _ => return None,
        }
    }
    Some(values)
}

impl<F: CycleField> EvaluationsVar<F> {
    /// Private evaluations: what [`absorbed`] gives.
    pub(crate) fn witness<I>(
        cs: &mut CircuitBuilder<F, I>,
        compute: impl Fn(&Values<'_, F, I>) -> Result<Vec<F>, String> + Send + Sync + 'static,
    ) -> Self {
        Self { values: cs.try_witnesses(COUNT, compute) }
    }

    /// All of them, in the order in which they are absorbed.
    pub(crate) fn absorbed(&self) -> &[Var<F>] {
        &self.values
    }

    /// `ft(ζω)`.
    pub(crate) fn ft_zeta_omega(&self) -> Var<F> {
        self.values[0]
    }

    /// The negated public input.
    pub(crate) fn public(&self) -> AtPoints<Var<F>> {
        AtPoints { zeta: self.values[1], zeta_omega: self.values[2] }
    }

    /// The columns.
    pub(crate) fn columns(&self) -> Evaluations<Var<F>> {
        let order = absorbed_columns(&FeatureFlags::default());
        let get = |column: Column| {
            let position = order.iter().position(|c| *c == column).unwrap_or(0);
            AtPoints {
                zeta: self.values[3 + 2 * position],
                zeta_omega: self.values[4 + 2 * position],
            }
        };
        Evaluations {
            public: None,
            witness: core::array::from_fn(|i| get(Column::Witness(i))),
            permutation: get(Column::Permutation),
            sigma: core::array::from_fn(|i| get(Column::Sigma(i))),
            coefficients: core::array::from_fn(|i| get(Column::Coefficient(i))),
            selectors: MANDATORY_GATES.map(|gate| get(Column::Selector(gate))),
            optional_selectors: [None; 6],
            lookup_aggregation: None,
            lookup_table: None,
            lookup_sorted: [None; kimchi::MAX_SORTED],
            runtime_table: None,
            runtime_table_selector: None,
            lookup_selectors: [None; 4],
        }
    }
}
