//! The lookup argument: plookup with several lookups per row, in snake-shaped sorted columns.
//!
//! Source: o1-labs/proof-systems `book/docs/kimchi/lookup.md`. Every row looks up the values that
//! its pattern names, joined as `Σ value_i·j^i + table·j^w` with the joint combiner `j` and the
//! width `w` of the widest table; rows without lookups look up the dummy value 0.

use crate::{
    env::{ConstantField, Element, Env},
    features::{LookupFeatures, LookupPattern},
    proof::Column,
};

/// The table of xors of nybbles.
pub const XOR_TABLE: u64 = 0;

/// The table of 12-bit values.
pub const RANGE_CHECK_TABLE: u64 = 1;

/// Where the table of a lookup is named.
enum Table {
    Fixed(u64),
    /// By the cell of column 0.
    Named,
}

/// What the lookup constraints read besides the cells of gates.
pub trait LookupEnv: Env {
    /// The value of `column` on this row.
    fn column(&self, column: Column) -> Self::V;
    /// The value of `column` on the next row.
    fn column_next(&self, column: Column) -> Self::V;
    /// The challenge `β`.
    fn beta(&self) -> Self::V;
    /// The challenge `γ`.
    fn gamma(&self) -> Self::V;
    /// The challenge that joins the values of one lookup.
    fn joint_combiner(&self) -> Self::V;
    /// The constant `value`.
    fn constant(&self, value: Self::F) -> Self::V;
    /// Zero on the last `zk_rows + 1` rows.
    fn vanishes_on_last_rows(&self) -> Self::V;
    /// `(x^n - 1)/(x - 1)`.
    fn first_row(&self) -> Self::V;
    /// `(x^n - 1)/(x - ω^(-zk_rows - 1))`: the last row of the accumulator.
    fn final_row(&self) -> Self::V;
}

/// The columns of each lookup of `pattern` on a row, and the table they are looked up in.
fn lookups(pattern: LookupPattern) -> (Table, Vec<Vec<usize>>) {
    match pattern {
        LookupPattern::Xor => {
            (Table::Fixed(XOR_TABLE), (0..4).map(|i| vec![3 + i, 7 + i, 11 + i]).collect())
        }
        LookupPattern::Lookup => {
            (Table::Named, (0..3).map(|i| vec![2 * i + 1, 2 * i + 2]).collect())
        }
        LookupPattern::RangeCheck => {
            (Table::Fixed(RANGE_CHECK_TABLE), (3..=6).map(|i| vec![i]).collect())
        }
        LookupPattern::ForeignFieldMul => {
            (Table::Fixed(RANGE_CHECK_TABLE), (7..=10).map(|i| vec![i]).collect())
        }
    }
}

/// The number of constraints that [`constraints`] emits.
pub(crate) const fn constraint_count(features: &LookupFeatures) -> usize {
    7 + features.uses_runtime_tables as usize
}

/// The lookup constraints, in order: the accumulator's step, start and end, the four turns of the
/// snake (zero where there are fewer columns), and the rows of the prover's table.
pub(crate) fn constraints<E: LookupEnv>(
    features: &LookupFeatures,
    env: &E,
    emit: &mut impl FnMut(E::V),
) {
    let one = E::F::from(1u64);
    let max_per_row = features.max_per_row();
    let aggregation = env.column(Column::LookupAggregation);

    let step = env.column_next(Column::LookupAggregation) * denominator(max_per_row, env)
        - aggregation * numerator(features, env);
    emit(env.vanishes_on_last_rows() * step);
    emit(env.first_row() * aggregation.add_constant(-one));
    emit(env.final_row() * aggregation.add_constant(-one));

    for i in 0..4 {
        if i >= max_per_row {
            emit(env.constant(E::F::from(0u64)));
            continue;
        }
        let turn = if i % 2 == 0 { env.final_row() } else { env.first_row() };
        let ends = env.column(Column::LookupSorted(i)) - env.column(Column::LookupSorted(i + 1));
        emit(turn * ends);
    }
    if features.uses_runtime_tables {
        emit(env.column(Column::RuntimeTable) * env.column(Column::RuntimeTableSelector));
    }
}

/// `∏ (γ(1+β) + s_i + β·s_i')`, the direction of `s_i → s_i'` alternating with the snake.
fn denominator<E: LookupEnv>(max_per_row: usize, env: &E) -> E::V {
    let gamma_beta = env.gamma() * one_plus_beta(env);
    (0..=max_per_row).fold(env.constant(E::F::from(1u64)), |acc, i| {
        let current = env.column(Column::LookupSorted(i));
        let next = env.column_next(Column::LookupSorted(i));
        let (first, second) = if i % 2 == 0 { (current, next) } else { (next, current) };
        acc * (gamma_beta + first + env.beta() * second)
    })
}

/// `(1+β)^m · (Σ_patterns selector·∏(γ + f)) · (γ(1+β) + t + β·t')`, lookups padded with dummies to
/// the `m` of the widest row.
fn numerator<E: LookupEnv>(features: &LookupFeatures, env: &E) -> E::V {
    let one = env.constant(E::F::from(1u64));
    let max_per_row = features.max_per_row();
    let combiner = env.joint_combiner();
    let table_combiner = (1..features.max_joint_size()).fold(combiner, |power, _| power * combiner);
    let padding = (0..max_per_row).fold(one, |power, _| power * one_plus_beta(env));
    // The dummy lookup is 0 in table 0, so each stands for a factor γ.
    let row = |values: &[E::V]| {
        let looked_up = values.iter().fold(padding, |acc, value| acc * (env.gamma() + *value));
        (values.len()..max_per_row).fold(looked_up, |acc, _| acc * env.gamma())
    };

    let mut no_lookup = one;
    let mut product = env.constant(E::F::from(0u64));
    for pattern in features.used_patterns() {
        let selector = env.column(Column::LookupSelector(pattern));
        no_lookup = no_lookup - selector;
        let (table, entries) = lookups(pattern);
        let table = match table {
            Table::Fixed(id) => env.constant(E::F::from(id)),
            Table::Named => env.witness(0),
        };
        let values: Vec<E::V> = entries
            .iter()
            .map(|columns| {
                let joined = columns.iter().rev().fold(env.constant(E::F::from(0u64)), |acc, i| {
                    acc * combiner + env.witness(*i)
                });
                joined + table * table_combiner
            })
            .collect();
        product = product + selector * row(&values);
    }
    product = product + no_lookup * row(&[]);

    let table = env.column(Column::LookupTable);
    let table_next = env.column_next(Column::LookupTable);
    product * (env.gamma() * one_plus_beta(env) + table + env.beta() * table_next)
}

fn one_plus_beta<E: LookupEnv>(env: &E) -> E::V {
    env.beta().add_constant(E::F::constants().small[1])
}
