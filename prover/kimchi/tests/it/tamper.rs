//! Every value of a statement matters: a proof is refused after any of them changes.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, Field};
use kimchi::{
    AtPoints, CircuitCurve, Column, Fixture, Instance, Proof, Statement, VerifierIndex,
    VerifyError, decode_fixture, opened_columns, verify, verify_batch,
};
use mina_curves::{Point, VestaConfig};
use poly_commitment::Commitment;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::vectors::files;

/// What changes a statement.
type Apply<C> = Box<dyn Fn(&mut Statement<C>)>;

/// A change to one value, with its name.
struct Change<C: CircuitCurve> {
    name: String,
    apply: Apply<C>,
}

/// Files whose proofs are tried with every change: one with lookups and range check and foreign
/// field gates, and one with the prover's own table.
const WHOLE: [&str; 2] = ["test_max_foreign_square.bin", "test_runtime_table.bin"];

/// Of the changes to other files, one in this many is tried.
const SAMPLE: usize = 41;

fn move_point<C: CircuitCurve>(point: &mut Point<C>) {
    *point = (point.into_group() + C::GENERATOR).into_affine();
}

fn changes<C: CircuitCurve>(statement: &Statement<C>) -> Vec<Change<C>> {
    let mut changes: Vec<Change<C>> = Vec::new();
    let mut add = |name: String, apply: Apply<C>| {
        changes.push(Change { name, apply });
    };
    type Access<C> = fn(&mut Proof<C>) -> Vec<&mut Commitment<C>>;
    let proof_commitments: Access<C> = |proof| {
        let commitments = &mut proof.commitments;
        let mut all: Vec<&mut Commitment<C>> = commitments.witness.iter_mut().collect();
        all.push(&mut commitments.permutation);
        all.push(&mut commitments.quotient);
        if let Some(lookup) = &mut commitments.lookup {
            all.extend(&mut lookup.sorted);
            all.push(&mut lookup.aggregation);
            all.extend(&mut lookup.runtime);
        }
        all.extend(proof.previous.iter_mut().map(|previous| &mut previous.commitment));
        all
    };
    for (i, commitment) in proof_commitments(&mut statement.proof.clone()).iter().enumerate() {
        for chunk in 0..commitment.chunks.len() {
            let apply = move |s: &mut Statement<C>| {
                move_point(&mut proof_commitments(&mut s.proof)[i].chunks[chunk]);
            };
            add(format!("commitment {i}, chunk {chunk}"), Box::new(apply));
        }
    }
    for i in 0..index_commitments(&mut statement.index.clone()).len() {
        let apply = move |s: &mut Statement<C>| {
            move_point(&mut index_commitments(&mut s.index)[i].chunks[0]);
        };
        add(format!("index commitment {i}"), Box::new(apply));
    }

    let one = C::ScalarField::ONE;
    if statement.proof.evaluations.public.is_some() {
        let public = move |s: &mut Statement<C>| {
            if let Some(public) = &mut s.proof.evaluations.public {
                public.zeta[0] += one;
            }
        };
        add("public evaluation".into(), Box::new(public));
    }
    for column in opened_columns(&statement.index.features()) {
        for zeta in [true, false] {
            let apply = move |s: &mut Statement<C>| {
                let at = evaluation(&mut s.proof, column);
                let chunks = if zeta { &mut at.zeta } else { &mut at.zeta_omega };
                chunks[0] += one;
            };
            add(format!("evaluation of {column:?}, at ζ: {zeta}"), Box::new(apply));
        }
    }
    add("ft(ζω)".into(), Box::new(move |s| s.proof.ft_zeta_omega += one));
    add("z1".into(), Box::new(move |s| s.proof.opening.z1 += one));
    add("z2".into(), Box::new(move |s| s.proof.opening.z2 += one));
    add("delta".into(), Box::new(|s| move_point(&mut s.proof.opening.delta)));
    add("sg".into(), Box::new(|s| move_point(&mut s.proof.opening.sg)));
    for i in 0..statement.proof.opening.lr.len() {
        add(format!("L {i}"), Box::new(move |s| move_point(&mut s.proof.opening.lr[i].0)));
        add(format!("R {i}"), Box::new(move |s| move_point(&mut s.proof.opening.lr[i].1)));
    }
    for i in 0..statement.public_input.len() {
        add(format!("public input {i}"), Box::new(move |s| s.public_input[i] += one));
    }
    for i in 0..statement.proof.previous.len() {
        let apply = move |s: &mut Statement<C>| s.proof.previous[i].challenges[3] += one;
        add(format!("previous challenge {i}"), Box::new(apply));
    }
    changes
}

fn index_commitments<C: CircuitCurve>(index: &mut VerifierIndex<C>) -> Vec<&mut Commitment<C>> {
    let mut all: Vec<&mut Commitment<C>> = index.sigma.iter_mut().collect();
    all.extend(&mut index.coefficients);
    all.extend(&mut index.selectors);
    all.extend(index.optional_selectors.iter_mut().flatten());
    if let Some(lookup) = &mut index.lookup {
        all.extend(&mut lookup.table);
        all.extend(lookup.selectors.iter_mut().flatten());
        all.extend(&mut lookup.table_ids);
        all.extend(&mut lookup.runtime_table_selector);
    }
    all
}

fn evaluation<C: CircuitCurve>(
    proof: &mut Proof<C>,
    column: Column,
) -> &mut AtPoints<Vec<C::ScalarField>> {
    let evaluations = &mut proof.evaluations;
    let optional = |gates: &[kimchi::GateKind], gate| gates.iter().position(|g| *g == gate);
    match column {
        Column::Witness(i) => &mut evaluations.witness[i],
        Column::Permutation => &mut evaluations.permutation,
        Column::Sigma(i) => &mut evaluations.sigma[i],
        Column::Coefficient(i) => &mut evaluations.coefficients[i],
        Column::Selector(gate) => match optional(&kimchi::MANDATORY_GATES, gate) {
            Some(i) => &mut evaluations.selectors[i],
            None => {
                let i = optional(&kimchi::OPTIONAL_GATES, gate).unwrap();
                evaluations.optional_selectors[i].as_mut().unwrap()
            }
        },
        Column::LookupSorted(i) => evaluations.lookup_sorted[i].as_mut().unwrap(),
        Column::LookupAggregation => evaluations.lookup_aggregation.as_mut().unwrap(),
        Column::LookupTable => evaluations.lookup_table.as_mut().unwrap(),
        Column::RuntimeTable => evaluations.runtime_table.as_mut().unwrap(),
        Column::RuntimeTableSelector => evaluations.runtime_table_selector.as_mut().unwrap(),
        Column::LookupSelector(pattern) => {
            let i = kimchi::LOOKUP_PATTERNS.iter().position(|p| *p == pattern).unwrap();
            evaluations.lookup_selectors[i].as_mut().unwrap()
        }
    }
}

#[test]
fn any_change_is_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let (mut tried, mut accepted) = (0, Vec::new());
    for (file, bytes) in files() {
        let Fixture::Vesta(statement) = decode_fixture(&bytes).unwrap() else {
            panic!("all files here are over Vesta")
        };
        let step = if WHOLE.contains(&file.as_str()) { 1 } else { SAMPLE };
        for change in changes(&statement).iter().skip(tried % step).step_by(step) {
            let mut changed = statement.clone();
            (change.apply)(&mut changed);
            let result = verify(&changed.index, &changed.proof, &changed.public_input, &mut rng);
            tried += 1;
            if !matches!(result, Err(VerifyError::Opening(_))) {
                accepted.push(format!("{file}: {}: {result:?}", change.name));
            }
        }
    }
    assert!(tried > 400, "{tried}");
    assert!(accepted.is_empty(), "{accepted:#?}");
}

fn statement(file: &str) -> Statement<VestaConfig> {
    let (_, bytes) = files().into_iter().find(|(name, _)| name == file).unwrap();
    match decode_fixture(&bytes).unwrap() {
        Fixture::Vesta(statement) => statement,
        Fixture::Pallas(_) => panic!("{file} is over Vesta"),
    }
}

#[test]
fn wrong_lengths_are_named() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let original = statement("test_generic_gate_pub.bin");
    let mut refused = |apply: &dyn Fn(&mut Statement<VestaConfig>), expected: &str| {
        let mut changed = original.clone();
        apply(&mut changed);
        let error = verify(&changed.index, &changed.proof, &changed.public_input, &mut rng)
            .expect_err("a wrong length");
        assert!(error.to_string().contains(expected), "{error} for {expected}");
    };
    refused(&|s| s.public_input.truncate(4), "expected 5 public inputs, got 4");
    refused(&|s| s.proof.commitments.witness[3].chunks.clear(), "witness column 3");
    refused(&|s| s.proof.opening.lr.truncate(15), "the opening");
    refused(&|s| s.proof.evaluations.permutation.zeta.clear(), "evaluation of Permutation");
    refused(
        &|s| {
            let point = s.proof.commitments.quotient.chunks[0];
            s.proof.commitments.quotient.chunks.push(point);
        },
        "the quotient: expected 7 chunks, got 8",
    );
    refused(
        &|s| {
            let extra = s.proof.evaluations.permutation.clone();
            s.proof.evaluations.optional_selectors[0] = Some(extra);
        },
        "no such column",
    );
    refused(&|s| s.index.previous = 1, "expected 1 previous challenges, got 0");
}

#[test]
fn batches_stand_or_fall_together() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let mut statements: Vec<_> = WHOLE.iter().map(|file| statement(file)).collect();
    let batch = |statements: &[Statement<VestaConfig>], rng: &mut ChaCha20Rng| {
        let instances: Vec<_> = statements
            .iter()
            .map(|s| Instance { index: &s.index, proof: &s.proof, public_input: &s.public_input })
            .collect();
        verify_batch(&instances, rng)
    };
    assert_eq!(batch(&statements, &mut rng), Ok(()));
    statements[1].proof.opening.z2 += mina_curves::Fp::ONE;
    assert!(batch(&statements, &mut rng).is_err());
}

/// The transcript absorbs the challenges of earlier accumulators without their number.
#[test]
fn previous_challenges_have_exactly_the_rounds_of_the_srs() {
    let original = statement("test_recursion.bin");
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let mut shorter = original.clone();
    shorter.proof.previous[0].challenges.pop();
    let mut longer = original;
    longer.proof.previous[0].challenges.push(mina_curves::Fp::ZERO);
    for changed in [shorter, longer] {
        let result = verify(&changed.index, &changed.proof, &changed.public_input, &mut rng);
        assert!(
            matches!(result, Err(VerifyError::PreviousChallengeLength { index: 0, .. })),
            "{result:?}"
        );
    }
}

/// Verifying binds accumulators, and leaves to the caller whether they are true.
#[test]
fn accumulators_hold_or_not() {
    let Statement { index, proof, .. } = statement("test_recursion.bin");
    assert!(!proof.previous.is_empty());
    for previous in &proof.previous {
        assert!(previous.holds(&index.srs));
        let mut changed = previous.clone();
        move_point(&mut changed.commitment.chunks[0]);
        assert!(!changed.holds(&index.srs));
    }
}

#[test]
fn batches_are_under_one_srs() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let first = statement("test_generic_gate_pub.bin");
    let mut second = first.clone();
    second.index.srs = poly_commitment::Srs::shared(2 * first.index.srs.size());
    let batch = [&first, &second].map(|s| Instance {
        index: &s.index,
        proof: &s.proof,
        public_input: &s.public_input,
    });
    let result = verify_batch(&batch, &mut rng);
    assert!(matches!(result, Err(VerifyError::MixedSrs { index: 1, .. })), "{result:?}");
}

/// A constant joint combiner lets a prover choose values whose combinations collide.
#[test]
fn an_index_with_joint_lookups_draws_a_combiner() {
    let mut changed = statement("test_runtime_table.bin");
    if let Some(lookup) = &mut changed.index.lookup {
        assert!(lookup.features.joint_lookup_used);
        lookup.features.joint_lookup_used = false;
    }
    let error = decode_fixture(&changed.encode().unwrap()).unwrap_err().to_string();
    assert!(error.contains("lookup_index"), "{error}");
}

/// `sg` is in no transcript, so it can be chosen last. If the two equations of an opening were added
/// with weights that the prover knows, one `sg` would satisfy the sum for any statement.
#[test]
fn sg_cannot_be_solved_for() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut forged = statement("test_generic_gate_pub.bin");
    forged.public_input[0] += mina_curves::Fp::ONE;
    let sg = crate::forge::solve_for_sg(&forged);
    forged.proof.opening.sg = sg;
    let result = verify(&forged.index, &forged.proof, &forged.public_input, &mut rng);
    assert!(matches!(result, Err(VerifyError::Opening(_))), "{result:?}");
}
