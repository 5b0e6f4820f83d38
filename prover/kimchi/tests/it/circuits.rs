//! Circuits for the tests.

use kimchi::{COLUMNS, Circuit, Gate, GateKind, ROUNDS_PER_ROW, Witness, round_columns};
use mina_poseidon::PoseidonField;

/// Rows of a permutation: eleven of five rounds, and one for the result.
pub(crate) const PERMUTATION_ROWS: usize = 12;

pub(crate) fn empty_witness<F: PoseidonField>(rows: usize) -> Witness<F> {
    std::array::from_fn(|_| vec![F::ZERO; rows])
}

/// `count` permutations of fixed states, one after another, without wires between them.
pub(crate) fn poseidon<F: PoseidonField>(count: usize) -> (Circuit<F>, Witness<F>) {
    let rows = PERMUTATION_ROWS * count;
    let mut gates = Vec::with_capacity(rows);
    let mut witness = empty_witness(rows);
    let params = F::kimchi_params();
    for i in 0..count {
        let mut state = [F::from(i as u64), F::ONE, F::ZERO];
        for chunk in params.round_constants.chunks(ROUNDS_PER_ROW) {
            let row = gates.len();
            for (round, constants) in chunk.iter().enumerate() {
                for j in 0..3 {
                    witness[round_columns(round) + j][row] = state[j];
                }
                let sboxed = state.map(|x| x.pow([7u64]));
                for j in 0..3 {
                    state[j] =
                        (0..3).map(|k| params.mds[j][k] * sboxed[k]).sum::<F>() + constants[j];
                }
            }
            gates.push(Gate::new(GateKind::Poseidon, row, chunk.concat()));
        }
        let row = gates.len();
        for j in 0..3 {
            witness[j][row] = state[j];
        }
        gates.push(Gate::new(GateKind::Zero, row, vec![]));
    }
    (Circuit { gates, public: 0, previous: 0 }, witness)
}

/// `public` inputs, then `a·b = c`, `c + 3 = d` on every other row, with `c` wired from one to the
/// next.
pub(crate) fn generic<F: PoseidonField>(public: usize, rows: usize) -> (Circuit<F>, Witness<F>) {
    let mut gates: Vec<Gate<F>> = Vec::new();
    let mut witness = empty_witness(public + rows);
    for (row, input) in witness[0][..public].iter_mut().enumerate() {
        let mut coefficients = vec![F::ZERO; 10];
        coefficients[0] = F::ONE;
        gates.push(Gate::new(GateKind::Generic, row, coefficients));
        *input = F::from(row as u64 + 7);
    }
    let mut last = F::from(5u64);
    for i in 0..rows {
        let row = public + i;
        let factor = F::from(i as u64 + 2);
        let product = last * factor;
        let coefficients = [0, 0, -1, 1, 0, 1, 0, -1, 0, 3].map(F::from).to_vec();
        gates.push(Gate::new(GateKind::Generic, row, coefficients));
        let values = [last, factor, product, product, F::from(9u64), product + F::from(3u64)];
        for (column, value) in values.into_iter().enumerate() {
            witness[column][row] = value;
        }
        last = product;
        // Cycles of equal cells: (row, 2) → (row, 3) → (row + 1, 0) → (row, 2).
        gates[row].wires[2].column = 3;
        if i + 1 < rows {
            gates[row].wires[3] = kimchi::Wire { row: row + 1, column: 0 };
        } else {
            gates[row].wires[3].column = 2;
        }
        if i > 0 {
            gates[row].wires[0] = kimchi::Wire { row: row - 1, column: 2 };
        }
    }
    assert_eq!(witness.len(), COLUMNS);
    (Circuit { gates, public, previous: 0 }, witness)
}
