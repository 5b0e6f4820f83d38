//! Witnesses of whole step and wrap circuits that no honest prover made.
//!
//! 1. Every class of wired cells is changed, alone, and the rows that see it are checked: nothing but
//!    the cells listed as harmless may change unnoticed.
//! 2. Every kind of value that a prover is given is replaced by a lie, from which the rest of the
//!    witness is computed as if it were true: a lie must violate something.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field;
use kimchi::{
    COLUMNS, Circuit, FeatureFlags, Gate, GateKind, PERMUTED_COLUMNS, ProverIndex, Witness,
    builder::{Boolean, BuiltCircuit, CircuitField, Linear, check},
};
use mina_curves::{Fp, Fq, Pallas, PallasConfig, PastaCurve, Point, VestaConfig};
use poly_commitment::{Commitment, Srs};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use rayon::prelude::*;

use super::{compile::branch, previous::Earlier};
use crate::{
    PreviousStatement, ProofFile, ProofsVerified, ProvedStatement, Rule, RuleStatement, Slot,
    StepBuilder, StepKey, VerificationKey,
    circuit::{evaluations::count, features::ALL},
    constants::{STEP_ROUNDS, WRAP_ROUNDS},
    derived::Derived,
    rule::{SlotInput, StepInput},
    step::{self, StepCircuit, StepParameters},
    wrap::{self, Branch, WrapCircuit, WrapInput, WrapParameters, WrapSlotInput},
};

/// Rests on proofs with statements of so many elements.
struct Rest(Vec<(Slot, usize)>);

impl Rule for Rest {
    type Input = ();

    fn name(&self) -> &'static str {
        "rest"
    }

    fn previous(&self) -> Vec<Slot> {
        self.0.iter().map(|(slot, _)| slot.clone()).collect()
    }

    fn constrain(&self, cs: &mut StepBuilder<()>, keys: &[StepKey]) -> RuleStatement {
        let must_verify = Boolean::witness(cs, |_| true);
        must_verify.assert_true(cs);
        let previous: Vec<PreviousStatement> = self
            .0
            .iter()
            .enumerate()
            .map(|(slot, (_, elements))| PreviousStatement {
                app_state: (0..*elements)
                    .map(|i| Linear::from(cs.witness(move |v| v.input().previous(slot)[i])))
                    .collect(),
                must_verify: must_verify.clone(),
            })
            .collect();
        let mut app_state: Vec<_> = previous.iter().flat_map(|p| p.app_state.clone()).collect();
        app_state.extend(keys.iter().filter_map(|key| key.hash).map(Linear::from));
        app_state.push(must_verify.into());
        RuleStatement { app_state, previous }
    }
}

/// A proof of o1js.
fn o1js(name: &str) -> (VerificationKey, ProvedStatement) {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/pickles");
    let file = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
    let (key, app_state, proof) = ProofFile::parse(&file).unwrap().decode().unwrap();
    (key, ProvedStatement { app_state, proof, key: None })
}

/// A kind of slot, given the key of the proof in it, and that proof.
type OfSlot<'a> = (fn(&VerificationKey) -> Slot, &'a str);

/// A step circuit with honest slots.
struct Step {
    circuit: StepCircuit<()>,
    own_key: Vec<Pallas>,
    earlier: Vec<Earlier>,
    width: usize,
}

impl Step {
    /// Of a program as wide as there are slots; the key of the last proof stands for its own.
    fn new(slots: &[OfSlot<'_>]) -> Self {
        let srs = Srs::<PallasConfig>::shared(1 << WRAP_ROUNDS);
        let width = slots.len();
        let parameters = StepParameters { width, wrap_domain: 14, srs };
        let (mut rests, mut earlier, mut own_key) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (slot, name)) in slots.iter().enumerate() {
            let (key, proved) = o1js(name);
            let slot = slot(&key);
            earlier.push(Earlier::new(index, &slot, &key, &proved).unwrap());
            rests.push((slot, proved.app_state.len()));
            own_key = key.points().copied().collect();
        }
        if own_key.is_empty() {
            own_key = o1js("n0_hash").0.points().copied().collect();
        }
        let circuit = step::build(&Rest(rests), &parameters).unwrap();
        Self { circuit, own_key, earlier, width }
    }

    fn slots(&self) -> Vec<SlotInput> {
        self.earlier.iter().map(|earlier| earlier.step.clone()).collect()
    }

    fn witness(&self, slots: Vec<SlotInput>) -> Witness<Fp> {
        let input = StepInput { rule: (), own_key: self.own_key.clone(), slots };
        self.circuit.generator.witness(&input).unwrap()
    }

    /// The lies about a slot that are accepted.
    fn accepted(&self, slot: usize, lies: &[Lie<SlotInput>]) -> Vec<String> {
        let honest = || self.slots();
        let change = |slots: &mut Vec<SlotInput>, lie: &Lie<SlotInput>| lie.1(&mut slots[slot]);
        accepted(lies, honest, change, |slots| {
            check(&self.circuit.circuit, &self.witness(slots)).is_ok()
        })
    }
}

/// What a wrap circuit of two branches is given about a proof of [`Step`].
struct Wrap {
    circuit: WrapCircuit,
    proof: kimchi::Proof<VestaConfig>,
    public: Vec<Fp>,
    derived: Derived<VestaConfig>,
    slots: Vec<WrapSlotInput>,
}

impl Wrap {
    fn new(step: &Step) -> Self {
        let srs = Srs::<VestaConfig>::shared(1 << STEP_ROUNDS);
        let index = ProverIndex::new(step.circuit.circuit.circuit().clone(), srs.clone()).unwrap();
        let witness = step.witness(step.slots());
        let public: Vec<Fp> = witness[0][..index.circuit().public].to_vec();
        let accumulators: Vec<_> = step.earlier.iter().map(Earlier::step_accumulator).collect();
        let proof = index.prove(&witness, &accumulators, &mut rng()).unwrap();
        let derived = Derived::new(index.verifier_index(), &proof, &public).unwrap();

        let real = branch(&index);
        let points = real.points.iter().rev().copied().collect();
        let digest = real.digest + Fq::ONE;
        let other = Branch { points, digest, domain_log2: real.domain_log2 - 1 };
        let branches = vec![real, other];
        let width = ProofsVerified::from_count(step.width).unwrap();
        let circuit = wrap::build(&WrapParameters { width, branches, srs }).unwrap();
        let slots = step.earlier.iter().map(|earlier| earlier.wrap.clone()).collect();
        Self { circuit, proof, public, derived, slots }
    }

    fn input(&self) -> WrapInput {
        WrapInput {
            branch: 0,
            proof: self.proof.clone(),
            public: self.public.clone(),
            deferred: self.derived.deferred,
            xi: self.derived.xi.raw(),
            slots: self.slots.clone(),
        }
    }

    fn accepts(&self, input: &WrapInput) -> bool {
        check(&self.circuit.0, &self.circuit.1.witness(input).unwrap()).is_ok()
    }

    /// No lie is accepted, and no cell is free but the inverses of zero.
    fn refuses_all(&self) {
        let mut lies = wrap_lies(self.public.len(), self.slots.len());
        lies.extend(deferred_lies());
        let change = |input: &mut WrapInput, lie: &Lie<WrapInput>| lie.1(input);
        let free = accepted(&lies, || self.input(), change, |input| self.accepts(&input));
        assert!(free.is_empty(), "{free:?}");
        let witness = self.circuit.1.witness(&self.input()).unwrap();
        // Six claims about each earlier proof are equal, and so are all of them.
        let inverses = Pieces::new(&self.circuit.0, witness).free_inverses();
        assert_eq!(inverses, (6 + 1) * self.slots.len());
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

type Lie<T> = (String, Box<dyn Fn(&mut T) + Send + Sync>);

fn lie<T>(name: impl Into<String>, change: impl Fn(&mut T) + Send + Sync + 'static) -> Lie<T> {
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

/// The names of the lies that were accepted.
fn accepted<L, T>(
    lies: &[Lie<L>],
    honest: impl Fn() -> T + Sync,
    change: impl Fn(&mut T, &Lie<L>) + Sync,
    accepts: impl Fn(T) -> bool + Sync,
) -> Vec<String> {
    assert!(accepts(honest()));
    let accepted = lies.par_iter().filter(|lie| {
        let mut input = honest();
        change(&mut input, lie);
        accepts(input)
    });
    let mut names: Vec<String> = accepted.map(|(name, _)| name.clone()).collect();
    names.sort_unstable();
    names
}

/// Lies about a slot whose proof has so many evaluations, of which every ninth is changed.
fn step_lies(evaluations: usize) -> Vec<Lie<SlotInput>> {
    let mut lies = proof_lies(|slot: &mut SlotInput| &mut slot.wrap);
    lies.push(lie("statement", |s: &mut SlotInput| s.app_state[0] += Fp::ONE));
    for i in 0..29 {
        lies.push(lie(format!("public input {i}"), move |s: &mut SlotInput| {
            s.public[i] += Fp::ONE
        }));
    }
    for i in (0..evaluations).step_by(9) {
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

/// How many evaluations a proof without optional parts has.
fn mandatory() -> usize {
    count(&FeatureFlags::default())
}

/// Lies about what is optional.
fn optional_lies() -> Vec<Lie<SlotInput>> {
    let flags = (30..38).map(|i| {
        lie(format!("flag {i}"), move |s: &mut SlotInput| s.public[i] = Fp::ONE - s.public[i])
    });
    let columns = (mandatory()..count(&ALL)).map(|i| {
        lie(format!("optional evaluation {i}"), move |s: &mut SlotInput| {
            s.evaluations[i] += Fp::ONE
        })
    });
    let combiner = lie("joint combiner", |s: &mut SlotInput| s.public[39] += Fp::ONE);
    flags.chain(columns).chain([combiner]).collect()
}

fn wrap_lies(public: usize, slots: usize) -> Vec<Lie<WrapInput>> {
    let mut lies = proof_lies(|input: &mut WrapInput| &mut input.proof);
    for i in 0..public {
        lies.push(lie(format!("public input {i}"), move |w: &mut WrapInput| {
            w.public[i] += Fp::ONE
        }));
    }
    for slot in 0..slots {
        for i in (0..mandatory()).step_by(9) {
            let change = move |w: &mut WrapInput| w.slots[slot].evaluations[i] += Fq::ONE;
            lies.push(lie(format!("evaluation {i} of {slot}"), change));
        }
        for i in 0..2 {
            let change = move |w: &mut WrapInput| w.slots[slot].challenges[i][5] += Fq::ONE;
            lies.push(lie(format!("challenge of {i} of {slot}"), change));
        }
        let change = move |w: &mut WrapInput| move_point(&mut w.slots[slot].commitment);
        lies.push(lie(format!("step sg of {slot}"), change));
    }
    lies.extend([
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
fn width_0() {
    let step = Step::new(&[]);
    let witness = step.witness(vec![]);
    assert_eq!(Pieces::new(&step.circuit.circuit, witness).free_inverses(), 0);
    Wrap::new(&step).refuses_all();
}

#[test]
fn width_1() {
    let known = |key: &VerificationKey| Slot::Program(Box::new(key.clone()));
    let step = Step::new(&[(known, "n1_inc1")]);
    // The hash of the step messages is computed, and the first accumulator is not there.
    assert_eq!(
        step.accepted(0, &step_lies(mandatory())),
        ["challenge of 0", "public input 12", "sg 0"]
    );
    // Six claims and the two sides of the opening are equal, and so is all of each.
    let mut pieces = Pieces::new(&step.circuit.circuit, step.witness(step.slots()));
    assert_eq!(pieces.free_inverses(), 6 + 1 + 2 + 1);
    Wrap::new(&step).refuses_all();
}

#[test]
fn width_2() {
    let step = Step::new(&[(|_| Slot::SideLoaded, "n1_inc1"), (|_| Slot::Own, "n2_merge")]);
    let mut lies = step_lies(mandatory());
    lies.extend(optional_lies());
    lies.extend([
        lie("key", |s: &mut SlotInput| move_point(&mut s.key.coefficients[3])),
        lie("wrap domain", |s: &mut SlotInput| s.key.wrap_domain = ProofsVerified::N2),
        lie("width", |s: &mut SlotInput| s.key.max_proofs_verified = ProofsVerified::N0),
    ]);
    // The width of a side-loaded key is but hashed, and that hash is in the statement.
    let free = ["challenge of 0", "public input 12", "sg 0", "width"];
    assert_eq!(step.accepted(0, &lies), free);
    // How many accumulators a program's own proof carries is not asked: always all.
    assert_eq!(
        step.accepted(1, &step_lies(mandatory())),
        ["no proof", "public input 12", "two proofs"]
    );
    let mut pieces = Pieces::new(&step.circuit.circuit, step.witness(step.slots()));
    assert_eq!(pieces.free_inverses(), 2 * (6 + 1 + 2 + 1));
    Wrap::new(&step).refuses_all();
}

#[test]
fn optional_gates_of_a_side_loaded_program() {
    let step = Step::new(&[(|_| Slot::SideLoaded, "feature_gates")]);
    let mut lies = step_lies(mandatory());
    lies.extend(optional_lies());
    let free = ["challenge of 0", "challenge of 1", "no proof", "public input 12", "sg 0", "sg 1"];
    assert_eq!(step.accepted(0, &lies), free);
    let mut pieces = Pieces::new(&step.circuit.circuit, step.witness(step.slots()));
    assert_eq!(pieces.free_inverses(), 6 + 1 + 2 + 1);
    Wrap::new(&step).refuses_all();
}
