//! Witnesses of whole step and wrap circuits that no honest prover made.
//!
//! 1. Every class of wired cells is changed, alone, and the rows that see it are checked: nothing but
//!    the cells listed as harmless may change unnoticed.
//! 2. Every kind of value that a prover is given is replaced by a lie, from which the rest of the
//!    witness is computed as if it were true: a lie must violate something.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field;
use kimchi::{
    COLUMNS, Circuit, Gate, GateKind, PERMUTED_COLUMNS, ProverIndex, Witness,
    builder::{Boolean, BuiltCircuit, CircuitField, check},
};
use mina_curves::{Fp, Fq, Pallas, PallasConfig, PastaCurve, Point, VestaConfig};
use poly_commitment::{Commitment, Srs};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::{compile::branch, previous::Earlier};
use crate::{
    PreviousStatement, ProofFile, ProofsVerified, ProvedStatement, Rule, RuleStatement, Slot,
    StepBuilder, StepKey, VerificationKey,
    constants::{STEP_ROUNDS, WRAP_ROUNDS},
    derived::Derived,
    rule::{SlotInput, StepInput},
    step::{self, StepCircuit, StepParameters},
    wrap::{self, Branch, WrapCircuit, WrapInput, WrapParameters, WrapSlotInput},
};

/// Rests on a proof of a program of o1js.
struct Rest(VerificationKey);

impl Rule for Rest {
    type Input = ();

    fn name(&self) -> &'static str {
        "rest"
    }

    fn previous(&self) -> Vec<Slot> {
        vec![Slot::Program(Box::new(self.0.clone()))]
    }

    fn constrain(&self, cs: &mut StepBuilder<()>, _: &[StepKey]) -> RuleStatement {
        let number = cs.witness(|v| v.input().previous(0)[0]);
        let must_verify = Boolean::witness(cs, |_| true);
        must_verify.assert_true(cs);
        let previous = vec![PreviousStatement { app_state: vec![number.into()], must_verify }];
        RuleStatement { app_state: vec![number.into()], previous }
    }
}

/// A step circuit of width 1 with an honest slot.
struct Step {
    circuit: StepCircuit<()>,
    own_key: Vec<Pallas>,
    earlier: Earlier,
}

impl Step {
    fn new() -> Self {
        let file = include_bytes!("../../../../tests/vectors/pickles/n1_inc1.json");
        let (key, app_state, proof) = ProofFile::parse(file).unwrap().decode().unwrap();
        let srs = Srs::<PallasConfig>::shared(1 << WRAP_ROUNDS);
        let parameters = StepParameters { width: 1, wrap_domain: 14, srs };
        let circuit = step::build(&Rest(key.clone()), &parameters).unwrap();
        let proved = ProvedStatement { app_state, proof, key: None };
        let earlier = Earlier::new(0, &key, &proved).unwrap();
        Self { circuit, own_key: key.points().copied().collect(), earlier }
    }

    fn witness(&self, slot: SlotInput) -> Witness<Fp> {
        let input = StepInput { rule: (), own_key: self.own_key.clone(), slots: vec![slot] };
        self.circuit.generator.witness(&input).unwrap()
    }

    fn accepts(&self, slot: SlotInput) -> bool {
        check(&self.circuit.circuit, &self.witness(slot)).is_ok()
    }
}

/// What a wrap circuit of width 1 and two branches is given about a proof of [`Step`].
struct Wrap {
    circuit: WrapCircuit,
    proof: kimchi::Proof<VestaConfig>,
    public: Vec<Fp>,
    derived: Derived<VestaConfig>,
    slot: WrapSlotInput,
}

impl Wrap {
    fn new(step: &Step) -> Self {
        let srs = Srs::<VestaConfig>::shared(1 << STEP_ROUNDS);
        let index = ProverIndex::new(step.circuit.circuit.circuit().clone(), srs.clone()).unwrap();
        let witness = step.witness(step.earlier.step.clone());
        let public: Vec<Fp> = witness[0][..index.circuit().public].to_vec();
        let accumulators = [step.earlier.step_accumulator()];
        let proof = index.prove(&witness, &accumulators, &mut rng()).unwrap();
        let derived = Derived::new(index.verifier_index(), &proof, &public).unwrap();

        let real = branch(&index);
        let points = real.points.iter().rev().copied().collect();
        let digest = real.digest + Fq::ONE;
        let other = Branch { points, digest, domain_log2: real.domain_log2 - 1 };
        let branches = vec![real, other];
        let parameters = WrapParameters { width: ProofsVerified::N1, branches, srs };
        let circuit = wrap::build(&parameters).unwrap();
        Self { circuit, proof, public, derived, slot: step.earlier.wrap.clone() }
    }

    fn input(&self) -> WrapInput {
        WrapInput {
            branch: 0,
            proof: self.proof.clone(),
            public: self.public.clone(),
            deferred: self.derived.deferred,
            xi: self.derived.xi.raw(),
            slots: vec![self.slot.clone()],
        }
    }

    fn accepts(&self, input: &WrapInput) -> bool {
        check(&self.circuit.0, &self.circuit.1.witness(input).unwrap()).is_ok()
    }
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(33)
}

fn move_point<C: PastaCurve>(point: &mut Point<C>) {
    *point = (point.into_group() + C::GENERATOR).into_affine();
}

fn move_commitment<C: kimchi::CircuitCurve>(commitment: &mut Commitment<C>, chunk: usize) {
    move_point(&mut commitment.chunks[chunk]);
}

type Lie<T> = (String, Box<dyn Fn(&mut T)>);

fn lie<T>(name: impl Into<String>, change: impl Fn(&mut T) + 'static) -> Lie<T> {
    (name.into(), Box::new(change))
}

/// Lies about a proof, wherever it is in the input.
fn proof_lies<C: kimchi::CircuitCurve, T: 'static>(
    proof: fn(&mut T) -> &mut kimchi::Proof<C>,
) -> Vec<Lie<T>> {
    vec![
        lie("w", move |t| move_commitment(&mut proof(t).commitments.witness[3], 0)),
        lie("z", move |t| move_commitment(&mut proof(t).commitments.permutation, 0)),
        lie("t", move |t| move_commitment(&mut proof(t).commitments.quotient, 6)),
        lie("L", move |t| move_point(&mut proof(t).opening.lr[4].0)),
        lie("R", move |t| move_point(&mut proof(t).opening.lr[14].1)),
        lie("delta", move |t| move_point(&mut proof(t).opening.delta)),
        lie("sg", move |t| move_point(&mut proof(t).opening.sg)),
        lie("z1", move |t| proof(t).opening.z1 += C::ScalarField::ONE),
        lie("z2", move |t| proof(t).opening.z2 += C::ScalarField::ONE),
    ]
}

/// Lies about what was accepted, by name.
fn accepted<T>(
    lies: Vec<Lie<T>>,
    honest: impl Fn() -> T,
    accepts: impl Fn(T) -> bool,
) -> Vec<String> {
    assert!(accepts(honest()));
    let accepted = lies.into_iter().filter(|(_, change)| {
        let mut input = honest();
        change(&mut input);
        accepts(input)
    });
    accepted.map(|(name, _)| name).collect()
}

fn step_lies() -> Vec<Lie<SlotInput>> {
    let mut lies = proof_lies(|slot: &mut SlotInput| &mut slot.wrap);
    lies.push(lie("statement", |s: &mut SlotInput| s.app_state[0] += Fp::ONE));
    for i in 0..29 {
        lies.push(lie(format!("public input {i}"), move |s: &mut SlotInput| {
            s.public[i] += Fp::ONE
        }));
    }
    for i in (0..crate::circuit::evaluations::COUNT).step_by(9) {
        lies.push(lie(format!("evaluation {i}"), move |s: &mut SlotInput| {
            s.evaluations[i] += Fp::ONE
        }));
    }
    for i in 0..2 {
        lies.push(lie(format!("sg {i}"), move |s: &mut SlotInput| {
            move_point(&mut s.commitments[i])
        }));
        lies.push(lie(format!("challenge of {i}"), move |s: &mut SlotInput| {
            s.challenges[i][5] += Fp::ONE
        }));
    }
    lies.extend([
        lie("cip", |s: &mut SlotInput| s.deferred.combined_inner_product += Fq::ONE),
        lie("b", |s: &mut SlotInput| s.deferred.b += Fq::ONE),
        lie("zeta to SRS", |s: &mut SlotInput| s.deferred.zeta_to_srs_length += Fq::ONE),
        lie("zeta to domain", |s: &mut SlotInput| s.deferred.zeta_to_domain_size += Fq::ONE),
        lie("perm", |s: &mut SlotInput| s.deferred.perm += Fq::ONE),
        lie("xi", |s: &mut SlotInput| s.xi += Fp::ONE),
        lie("larger domain", |s: &mut SlotInput| s.domain_log2 += 1),
        lie("no proof", |s: &mut SlotInput| s.proofs_verified = 0),
        lie("two proofs", |s: &mut SlotInput| s.proofs_verified = 2),
    ]);
    lies
}

fn wrap_lies(public: usize) -> Vec<Lie<WrapInput>> {
    let mut lies = proof_lies(|input: &mut WrapInput| &mut input.proof);
    for i in 0..public {
        lies.push(lie(format!("public input {i}"), move |w: &mut WrapInput| {
            w.public[i] += Fp::ONE
        }));
    }
    for i in (0..crate::circuit::evaluations::COUNT).step_by(9) {
        let change = move |w: &mut WrapInput| w.slots[0].evaluations[i] += Fq::ONE;
        lies.push(lie(format!("evaluation {i}"), change));
    }
    for i in 0..2 {
        let change = move |w: &mut WrapInput| w.slots[0].challenges[i][5] += Fq::ONE;
        lies.push(lie(format!("challenge of {i}"), change));
    }
    lies.extend([
        lie("step sg", |w: &mut WrapInput| move_point(&mut w.slots[0].commitment)),
        lie("xi", |w: &mut WrapInput| w.xi += Fq::ONE),
        lie("branch", |w: &mut WrapInput| w.branch = 1),
        lie("no branch", |w: &mut WrapInput| w.branch = 2),
    ]);
    lies
}

/// Lies about the deferred values of the step proof.
fn deferred_lies() -> Vec<Lie<WrapInput>> {
    vec![
        lie("cip", |w: &mut WrapInput| w.deferred.combined_inner_product += Fp::ONE),
        lie("b", |w: &mut WrapInput| w.deferred.b += Fp::ONE),
        lie("zeta to SRS", |w: &mut WrapInput| w.deferred.zeta_to_srs_length += Fp::ONE),
        lie("zeta to domain", |w: &mut WrapInput| w.deferred.zeta_to_domain_size += Fp::ONE),
        lie("perm", |w: &mut WrapInput| w.deferred.perm += Fp::ONE),
    ]
}

type Cell = (usize, usize);

/// A circuit in pieces of two rows, each of which can be checked alone.
struct Pieces<'a, F: CircuitField> {
    circuit: &'a BuiltCircuit<F>,
    pieces: Vec<BuiltCircuit<F>>,
    witness: Witness<F>,
}

impl<'a, F: CircuitField> Pieces<'a, F> {
    fn new(circuit: &'a BuiltCircuit<F>, witness: Witness<F>) -> Self {
        let piece = |(row, gate): (usize, &Gate<F>)| {
            let gates = vec![
                Gate::new(gate.kind, 0, gate.coefficients.clone()),
                Gate::new(GateKind::Zero, 1, vec![]),
            ];
            let public = usize::from(row < circuit.public_inputs());
            BuiltCircuit::from(Circuit { gates, public, previous: 0 })
        };
        let pieces = circuit.gates().iter().enumerate().map(piece).collect();
        Self { circuit, pieces, witness }
    }

    fn value(&self, (row, column): Cell) -> F {
        self.witness[column].get(row).copied().unwrap_or(F::ZERO)
    }

    fn notices(&self, row: usize) -> bool {
        let rows = |column: usize| vec![self.value((row, column)), self.value((row + 1, column))];
        check(&self.pieces[row], &core::array::from_fn(rows)).is_err()
    }

    /// The cells that are wired to one.
    fn class(&self, cell: Cell) -> Vec<Cell> {
        let mut class = vec![cell];
        let mut next = cell;
        while next.1 < PERMUTED_COLUMNS {
            let wire = self.circuit.gates()[next.0].wires[next.1];
            next = (wire.row, wire.column);
            if next == cell {
                break;
            }
            class.push(next);
        }
        class
    }

    /// Whether a class may hold anything while all others are as they are.
    fn is_free(&mut self, class: &[Cell], rng: &mut ChaCha20Rng) -> bool {
        let (honest, forged) = (self.value(class[0]), F::rand(rng));
        class.iter().for_each(|&(row, column)| self.witness[column][row] = forged);
        let noticed =
            class.iter().any(|&(row, _)| self.notices(row) || row > 0 && self.notices(row - 1));
        class.iter().for_each(|&(row, column)| self.witness[column][row] = honest);
        !noticed
    }

    /// The number of inverses of zero, which are free; panics where a cell is free that should not
    /// be.
    fn free_inverses(&mut self) -> usize {
        let mut rng = rng();
        let mut seen = vec![[false; COLUMNS]; self.pieces.len()];
        let mut inverses = 0;
        for first in (0..self.pieces.len()).flat_map(|row| (0..COLUMNS).map(move |c| (row, c))) {
            if seen[first.0][first.1] {
                continue;
            }
            let class = self.class(first);
            class.iter().for_each(|&(row, column)| seen[row][column] = true);
            if self.is_free(&class, &mut rng) {
                inverses += class.iter().filter(|cell| self.is_inverse_of_zero(**cell)).count();
            }
        }
        inverses
    }

    /// Whether a free cell is the inverse in a test for zero; else it must be harmless.
    fn is_inverse_of_zero(&self, (row, column): Cell) -> bool {
        let gate = &self.circuit.gates()[row];
        let at = |column: usize| self.value((row, column));
        let before = row.checked_sub(1).map(|row| self.circuit.gates()[row].kind);
        let (unused, inverse) = match (gate.kind, before) {
            (GateKind::Generic, _) => self.generic((row, column)),
            (GateKind::Zero, Some(GateKind::VarBaseMul)) => (column >= 12, false),
            (GateKind::Zero, Some(GateKind::Poseidon)) => (column >= 3, false),
            (GateKind::VarBaseMul, _) => (column == 6, false),
            (GateKind::EndoMulScalar, _) => (column == 14, false),
            // Factors of differences that are zero.
            (GateKind::CompleteAdd, _) => match column {
                9 => (at(1) == at(3), false),
                10 => (at(0) == at(2), false),
                _ => (column > 10, false),
            },
            _ => (false, false),
        };
        let region = self.circuit.region(row, usize::from(column >= 3));
        assert!(unused || inverse, "free: {region}, row {row}, {:?}, column {column}", gate.kind);
        inverse
    }

    /// Whether a cell of a generic gate has no coefficient, or is multiplied by zero.
    fn generic(&self, (row, column): Cell) -> (bool, bool) {
        if column >= 6 {
            return (true, false);
        }
        let (half, place) = (column / 3, column % 3);
        let coefficients = &self.circuit.gates()[row].coefficients;
        let coefficient = |i: usize| coefficients.get(5 * half + i).copied().unwrap_or(F::ZERO);
        let (linear, product) = (coefficient(place), coefficient(3));
        if place == 2 {
            return (linear == F::ZERO, false);
        }
        let other = self.value((row, 3 * half + 1 - place));
        let unused = linear == F::ZERO && product == F::ZERO;
        (unused, !unused && linear == F::ZERO && other == F::ZERO)
    }
}

#[test]
fn lies_and_forged_cells_are_refused() {
    let step = Step::new();
    let honest = || step.earlier.step.clone();
    let mut free = accepted(step_lies(), honest, |slot| step.accepts(slot));
    free.sort_unstable();
    // The hash of the step messages is computed, and the first accumulator is not there.
    assert_eq!(free, ["challenge of 0", "public input 12", "sg 0"]);
    // Six claims and the two sides of the opening are equal, and so is all of each.
    let mut pieces = Pieces::new(&step.circuit.circuit, step.witness(honest()));
    assert_eq!(pieces.free_inverses(), 6 + 1 + 2 + 1);

    let wrap = Wrap::new(&step);
    let mut lies = wrap_lies(wrap.public.len());
    lies.extend(deferred_lies());
    let free = accepted(lies, || wrap.input(), |input| wrap.accepts(&input));
    assert!(free.is_empty(), "{free:?}");
    let witness = wrap.circuit.1.witness(&wrap.input()).unwrap();
    assert_eq!(Pieces::new(&wrap.circuit.0, witness).free_inverses(), 6 + 1);
}
