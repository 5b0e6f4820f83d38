//! The builder: variables, regions, rows.

use std::{borrow::Cow, collections::BTreeMap};

use crate::gate::{COLUMNS, GateKind};

use super::{
    circuit::{self, BuildError, BuiltCircuit},
    field::CircuitField,
    linear::{Linear, Var},
    region::{ROOT, RegionId, Regions},
    witness::{Step, Values, WitnessGenerator},
};

/// A row before it is laid out.
#[derive(Clone, Debug)]
pub(super) struct Row<F> {
    pub(super) kind: GateKind,
    pub(super) cells: [Option<Var<F>>; COLUMNS],
    pub(super) coefficients: Vec<F>,
    pub(super) region: RegionId,
    /// The region of the second half of a generic row, which may have been asked for elsewhere.
    pub(super) second: RegionId,
}

/// Half of a double generic gate: `l·L + r·R + o·O + m·L·R + k = 0` for `[l, r, o, m, k]` and the
/// variables `[L, R, O]`, a missing one being zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half<F> {
    pub(super) vars: [Option<Var<F>>; 3],
    pub(super) coefficients: [F; 5],
}

/// Builds a circuit over `F` whose witnesses are made from an `I`.
///
/// See the [module](super) for an example.
pub struct CircuitBuilder<F: CircuitField, I> {
    pub(super) steps: Vec<Step<F, I>>,
    /// For each variable, another one that it is equal to, or itself: a forest whose trees are the
    /// classes of equal variables.
    pub(super) equal_to: Vec<u32>,
    pub(super) rows: Vec<Row<F>>,
    pub(super) public: Vec<Var<F>>,
    pub(super) previous: usize,
    pub(super) regions: Regions,
    pub(super) error: Option<BuildError>,
    constants: BTreeMap<F, Var<F>>,
    region: RegionId,
    /// The generic row whose second half is free.
    half_free: Option<usize>,
}

impl<F: CircuitField, I> Default for CircuitBuilder<F, I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: CircuitField, I> CircuitBuilder<F, I> {
    /// An empty circuit.
    pub fn new() -> Self {
        Self {
            steps: Vec::new(),
            equal_to: Vec::new(),
            rows: Vec::new(),
            public: Vec::new(),
            previous: 0,
            regions: Regions::default(),
            error: None,
            constants: BTreeMap::new(),
            region: ROOT,
            half_free: None,
        }
    }

    /// Lays out what was built.
    ///
    /// # Errors
    /// If two different constants were asserted to be equal, or a variable of an unwired column was
    /// used elsewhere.
    pub fn finish(self) -> Result<(BuiltCircuit<F>, WitnessGenerator<F, I>), BuildError> {
        circuit::layout(self)
    }

    /// Makes each proof carry on the accumulators of so many earlier ones
    /// ([`RecursionChallenge`](crate::RecursionChallenge)); none unless this is called.
    pub fn carry_previous(&mut self, count: usize) {
        self.previous = count;
    }

    /// Names the part of the circuit that `build` adds. Regions nest; a name used twice in one
    /// place is one region.
    pub fn region<T>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        build: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let outer = self.region;
        self.region = self.regions.child(outer, name.into());
        let result = build(self);
        self.region = outer;
        result
    }

    /// A private value. It is whatever the prover likes until it is constrained.
    pub fn witness(
        &mut self,
        compute: impl Fn(&Values<'_, F, I>) -> F + Send + Sync + 'static,
    ) -> Var<F> {
        self.steps.push(Step::single(self.region, compute));
        self.allocate()
    }

    /// Several private values, computed together.
    pub fn witnesses<const N: usize>(
        &mut self,
        compute: impl Fn(&Values<'_, F, I>) -> [F; N] + Send + Sync + 'static,
    ) -> [Var<F>; N] {
        self.steps.push(Step::new(self.region, N, move |values| Ok(compute(values).to_vec())));
        core::array::from_fn(|_| self.allocate())
    }

    /// As many private values as `count`, computed together. What the closure returns instead of
    /// values, for example because a list of the input is too short, becomes the reason of a
    /// [`WitnessError`](super::WitnessError); so does a wrong number of values.
    pub fn try_witnesses(
        &mut self,
        count: usize,
        compute: impl Fn(&Values<'_, F, I>) -> Result<Vec<F>, String> + Send + Sync + 'static,
    ) -> Vec<Var<F>> {
        self.steps.push(Step::new(self.region, count, compute));
        (0..count).map(|_| self.allocate()).collect()
    }

    /// The next public input. Public inputs are numbered in the order of these calls.
    pub fn public_input(
        &mut self,
        compute: impl Fn(&Values<'_, F, I>) -> F + Send + Sync + 'static,
    ) -> Var<F> {
        let var = self.witness(compute);
        self.public.push(var);
        var
    }

    /// Makes a value the next public input.
    pub fn expose(&mut self, x: impl Into<Linear<F>>) {
        let var = self.reduce(x);
        self.public.push(var);
    }

    /// A variable that is always `value`; one half of a generic gate per different constant.
    pub fn constant(&mut self, value: F) -> Var<F> {
        if let Some(var) = self.constants.get(&value) {
            return *var;
        }
        let var = self.witness(move |_| value);
        self.constants.insert(value, var);
        let coefficients = [F::ONE, F::ZERO, F::ZERO, F::ZERO, -value];
        self.half(Half { vars: [Some(var), None, None], coefficients });
        var
    }

    /// Adds a row with these cells and coefficients as they are; missing coefficients are zero.
    ///
    /// For gates that need the row below, add it next. A variable in a column that is not wired (7
    /// and up) must be in no other cell.
    pub fn gate(&mut self, kind: GateKind, cells: [Option<Var<F>>; COLUMNS], coefficients: Vec<F>) {
        let region = self.region;
        self.rows.push(Row { kind, cells, coefficients, region, second: region });
    }

    /// Adds half a generic gate, to the last generic row if that has room.
    pub(super) fn half(&mut self, half: Half<F>) {
        if let Some(index) = self.half_free.take()
            && let Some(row) = self.rows.get_mut(index)
        {
            row.cells[3..6].copy_from_slice(&half.vars);
            row.coefficients.extend(half.coefficients);
            row.second = self.region;
            return;
        }
        let mut cells = [None; COLUMNS];
        cells[..3].copy_from_slice(&half.vars);
        self.half_free = Some(self.rows.len());
        self.gate(GateKind::Generic, cells, half.coefficients.to_vec());
    }

    /// Makes two variables one class: wherever they stand, their cells are wired together.
    pub(super) fn wire(&mut self, a: Var<F>, b: Var<F>) {
        let (a, b) = (self.class(a), self.class(b));
        // The older variable stands for the class, so that layouts depend on nothing else.
        self.equal_to[a.max(b)] = a.min(b) as u32;
    }

    /// The variable that stands for the class of `var`.
    pub(super) fn class(&mut self, var: Var<F>) -> usize {
        let mut index = var.index();
        while self.equal_to[index] as usize != index {
            let next = self.equal_to[index] as usize;
            self.equal_to[index] = self.equal_to[next];
            index = next;
        }
        index
    }

    /// Records the first fault of the circuit itself.
    pub(super) fn contradiction(&mut self) {
        let region = self.regions.path(self.region).to_owned();
        self.error.get_or_insert(BuildError::Contradiction { region });
    }

    fn allocate(&mut self) -> Var<F> {
        let var = Var::new(self.equal_to.len());
        self.equal_to.push(var.index() as u32);
        var
    }
}

impl<F: CircuitField, I> core::fmt::Debug for CircuitBuilder<F, I> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CircuitBuilder")
            .field("variables", &self.equal_to.len())
            .field("rows", &self.rows.len())
            .field("public", &self.public.len())
            .finish_non_exhaustive()
    }
}
