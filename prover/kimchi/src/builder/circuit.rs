//! A finished circuit, and how rows become gates.

use std::collections::BTreeMap;

use ark_ff::BigInteger;
use blake2::{Blake2s256, Digest};
use mina_poseidon::PoseidonField;
use thiserror::Error;

use crate::gate::{COLUMNS, Circuit, Gate, GateKind, PERMUTED_COLUMNS, Wire};

use super::{
    cs::{CircuitBuilder, Row},
    field::CircuitField,
    linear::Var,
    region::{ROOT, RegionId, RegionRows, Regions},
    witness::{Alias, CellVar, EMPTY, WitnessGenerator},
};

/// Why a circuit could not be laid out: a mistake in the code that built it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two different constants were asserted to be equal: no witness could be valid.
    #[error("region \"{region}\": constants that differ are asserted to be equal")]
    Contradiction {
        /// Where.
        region: String,
    },
    /// A variable stands in a column that wires do not reach, and in another cell, so that nothing
    /// would keep the two equal.
    #[error(
        "region \"{region}\": the variable in row {row}, column {column} cannot be wired to its other cells"
    )]
    Unwireable {
        /// The region of the row.
        region: String,
        /// The row, public inputs included.
        row: usize,
        /// The column, not below [`PERMUTED_COLUMNS`].
        column: usize,
    },
}

/// A [`Circuit`] with the names of its regions.
#[derive(Clone, Debug)]
pub struct BuiltCircuit<F> {
    circuit: Circuit<F>,
    regions: Regions,
    /// The region of each row, and that of its second half if it is generic.
    row_regions: Vec<[RegionId; 2]>,
}

impl<F: PoseidonField> BuiltCircuit<F> {
    /// The gates, for the prover.
    pub fn circuit(&self) -> &Circuit<F> {
        &self.circuit
    }

    /// The gates, one per row, those of the public inputs first.
    pub fn gates(&self) -> &[Gate<F>] {
        &self.circuit.gates
    }

    /// The number of public inputs, which the first rows hold in column 0.
    pub fn public_inputs(&self) -> usize {
        self.circuit.public
    }

    /// The number of rows, those of the public inputs included, padding and rows for zero knowledge
    /// not.
    pub fn rows(&self) -> usize {
        self.circuit.gates.len()
    }

    /// The names of the region of a row, separated by `/`. The halves of a generic row (0 and 1)
    /// may be of different regions.
    pub fn region(&self, row: usize, half: usize) -> &str {
        let id = self.row_regions.get(row).and_then(|halves| halves.get(half));
        self.regions.path(id.copied().unwrap_or(ROOT))
    }

    /// The rows of every region, in order of path.
    pub fn report(&self) -> Vec<RegionRows> {
        let mut regions: BTreeMap<&str, RegionRows> = BTreeMap::new();
        for (row, gate) in self.gates().iter().enumerate() {
            let path = self.region(row, 0);
            let region = regions.entry(path).or_insert_with(|| RegionRows {
                path: path.to_owned(),
                rows: 0,
                by_kind: BTreeMap::new(),
            });
            region.rows += 1;
            *region.by_kind.entry(gate.kind).or_insert(0) += 1;
        }
        regions.into_values().collect()
    }

    /// Rows of regions whose path is `path` or begins with `path/`.
    pub fn rows_in(&self, path: &str) -> usize {
        let inside = |row: &usize| {
            let rest = self.region(*row, 0).strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        (0..self.rows()).filter(inside).count()
    }

    /// A fingerprint of the circuit: Blake2s of the number of public inputs, that of accumulators,
    /// and for each gate its kind, wires and coefficients. Names of regions do not count.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Blake2s256::new();
        for number in [self.circuit.public, self.circuit.previous, self.rows()] {
            hash.update((number as u64).to_le_bytes());
        }
        for gate in self.gates() {
            hash.update([gate.kind as u8, gate.coefficients.len() as u8]);
            for wire in &gate.wires {
                hash.update((wire.row as u64).to_le_bytes());
                hash.update([wire.column as u8]);
            }
            for coefficient in &gate.coefficients {
                hash.update(coefficient.into_bigint().to_bytes_le());
            }
        }
        hash.finalize().into()
    }
}

impl<F: PoseidonField> From<Circuit<F>> for BuiltCircuit<F> {
    /// A circuit made elsewhere, all of it in one nameless region.
    fn from(circuit: Circuit<F>) -> Self {
        let row_regions = vec![[ROOT; 2]; circuit.gates.len()];
        Self { circuit, regions: Regions::default(), row_regions }
    }
}

/// Puts the rows of the public inputs before all others, and wires the cells of equal variables in
/// cycles.
pub(super) fn layout<F: CircuitField, I>(
    mut cs: CircuitBuilder<F, I>,
) -> Result<(BuiltCircuit<F>, WitnessGenerator<F, I>), BuildError> {
    if let Some(error) = cs.error {
        return Err(error);
    }
    let public_region = cs.regions.child(ROOT, "public input".into());
    let mut rows: Vec<Row<F>> =
        cs.public.iter().map(|var| public_row(*var, public_region)).collect();
    rows.append(&mut cs.rows);

    let mut gates: Vec<Gate<F>> = Vec::with_capacity(rows.len());
    let mut cells = Vec::with_capacity(rows.len());
    // The cells of each class, which become its cycle.
    let mut classes: BTreeMap<usize, Vec<Wire>> = BTreeMap::new();
    for (row, content) in rows.iter().enumerate() {
        for (column, var) in content.cells.iter().enumerate() {
            if let Some(var) = var {
                classes.entry(cs.class(*var)).or_default().push(Wire { row, column });
            }
        }
        let cell = |var: &Option<Var<F>>| var.map_or(EMPTY, |var| var.index() as u32);
        cells.push(core::array::from_fn::<_, COLUMNS, _>(|i| cell(&content.cells[i])));
        gates.push(Gate::new(content.kind, row, content.coefficients.clone()));
    }
    for cycle in classes.values().filter(|cycle| cycle.len() > 1) {
        if let Some(&Wire { row, column }) = cycle.iter().find(|w| w.column >= PERMUTED_COLUMNS) {
            let region = cs.regions.path(rows[row].region).to_owned();
            return Err(BuildError::Unwireable { region, row, column });
        }
        for (here, next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
            gates[here.row].wires[here.column] = *next;
        }
    }

    let aliases = aliases(&mut cs, &rows);
    let row_regions = rows.iter().map(|row| [row.region, row.second]).collect();
    let circuit = Circuit { gates, public: cs.public.len(), previous: cs.previous };
    let regions = cs.regions;
    let generator = WitnessGenerator { steps: cs.steps, cells, aliases, regions: regions.clone() };
    Ok((BuiltCircuit { circuit, regions, row_regions }, generator))
}

/// Variables without a cell that were asserted to be equal to others. No gate sees them, so that
/// their own values do not matter to the proof, but a prover who chose others was mistaken.
fn aliases<F: CircuitField, I>(cs: &mut CircuitBuilder<F, I>, rows: &[Row<F>]) -> Vec<Alias> {
    let count = cs.equal_to.len();
    let mut has_cell = vec![false; count];
    // For each class, by the variable that stands for it, one that has a cell.
    let mut shown: Vec<usize> = (0..count).collect();
    for var in rows.iter().flat_map(|row| row.cells.iter().flatten()) {
        has_cell[var.index()] = true;
        let class = cs.class(*var);
        shown[class] = var.index();
    }
    let mut aliases = Vec::new();
    for index in 0..count {
        let other = shown[cs.class(Var::new(index))];
        if !has_cell[index] && other != index {
            aliases.push((index as CellVar, other as CellVar));
        }
    }
    aliases
}

/// `l − public = 0`: the prover subtracts the public input from the constraint of its row.
fn public_row<F: CircuitField>(var: Var<F>, region: RegionId) -> Row<F> {
    let mut cells = [None; COLUMNS];
    cells[0] = Some(var);
    Row { kind: GateKind::Generic, cells, coefficients: vec![F::ONE], region, second: region }
}
