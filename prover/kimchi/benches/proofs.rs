//! Proving and verifying hash chains; `zeko bench kimchi` has the larger sizes and the baselines.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::sync::Arc;

use ark_ff::AdditiveGroup;
use criterion::{Criterion, criterion_group, criterion_main};
use kimchi::{ProverIndex, Witness, builder::CircuitBuilder, verify};
use mina_curves::{Fp, VestaConfig};
use poly_commitment::Srs;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// A prover index and a witness of a circuit that fills `2^log2` rows with permutations.
fn hash_chain(log2: u32) -> (ProverIndex<VestaConfig>, Witness<Fp>) {
    let mut cs = CircuitBuilder::<Fp, Fp>::new();
    let secret = cs.witness(|v| *v.input());
    let zero = cs.constant(Fp::ZERO);
    let mut state = [secret, zero, zero];
    for _ in 0..((1 << log2) - 5) / 12 {
        state = cs.poseidon_permutation(state);
    }
    let (circuit, generator) = cs.finish().expect("the circuit is consistent");
    let witness = generator.witness(&Fp::from(3u64)).expect("hashing cannot fail");
    let srs = Arc::new(Srs::new(1 << log2));
    let index = ProverIndex::new(circuit.circuit().clone(), srs).expect("the circuit fits");
    (index, witness)
}

fn proofs(criterion: &mut Criterion) {
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    for log2 in [9, 12] {
        let (index, witness) = hash_chain(log2);
        let mut group = criterion.benchmark_group("kimchi");
        group.sample_size(10);
        group.bench_function(format!("prove/2^{log2}"), |bencher| {
            bencher.iter(|| index.prove(&witness, &[], &mut rng).expect("the witness is valid"));
        });
        let proof = index.prove(&witness, &[], &mut rng).expect("the witness is valid");
        group.bench_function(format!("verify/2^{log2}"), |bencher| {
            bencher.iter(|| verify(index.verifier_index(), &proof, &[], &mut rng));
        });
        group.finish();
    }
}

criterion_group!(benches, proofs);
criterion_main!(benches);
