//! `zeko bench kimchi`.
//!
//! The unit is arkworks' multi-scalar multiplication of 2^16 on this machine in this run. What
//! o1-labs' Kimchi 0.7.0 takes was measured once on a machine with a unit of 0.23 s; its seconds
//! there, scaled by the units, are the baseline `kimchi 0.7.0, scaled`.

use std::time::Instant;

use anyhow::Result;
use ark_ec::VariableBaseMSM;
use ark_ff::{AdditiveGroup, Field, UniformRand};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use kimchi::{Proof, ProverIndex};
use mina_curves::{Fp, ProjectivePoint, VestaConfig};
use mina_poseidon::{Kimchi, Permutation, PoseidonField};
use poly_commitment::Srs;
use rand::{SeedableRng, rngs::StdRng};

use super::report::{Report, fastest, peak_memory};
use crate::prove::{SRS_SIZE, hash_chain};

/// arkworks' MSM of 2^16 where the figures of [`UPSTREAM`] were measured.
const UPSTREAM_UNIT: f64 = 0.23;

/// Seconds of o1-labs' Kimchi 0.7.0, two cores: log₂ of the size, prove, verify, Lagrange basis.
const UPSTREAM: [(u32, f64, f64, f64); 4] =
    [(13, 2.3, 0.07, 3.3), (14, 4.4, 0.12, 7.3), (15, 8.5, 0.27, 16.4), (16, 15.8, 0.43, 41.3)];

/// Seconds of o1-labs' derivation of the SRS of 2^16.
const UPSTREAM_SRS: f64 = 1.0;

/// The name of that baseline.
const SCALED: &str = "kimchi 0.7.0, scaled";

/// Runs of what takes no longer than a second.
const RUNS: usize = 3;

pub(crate) fn kimchi(json: bool, max_log2: u32) -> Result<()> {
    let report = Report::new(json);
    let mut rng = StdRng::seed_from_u64(0);
    hashing(&report);
    transforms(&report, max_log2, &mut rng);

    let start = Instant::now();
    let srs = Srs::<VestaConfig>::shared(SRS_SIZE);
    let srs_seconds = start.elapsed().as_secs_f64();
    let unit = multi_scalar(&report, &srs, max_log2, &mut rng);
    let scale = unit / UPSTREAM_UNIT;
    report.compare("srs", "2^16", srs_seconds, (SCALED, UPSTREAM_SRS * scale));

    for (log2, prove, verify, lagrange) in UPSTREAM {
        if log2 > max_log2 {
            continue;
        }
        let scaled = [prove, verify, lagrange].map(|seconds| seconds * scale);
        proofs(&report, log2, scaled, unit, &mut rng)?;
    }
    Ok(())
}

fn hashing(report: &Report) {
    const COUNT: usize = 2000;
    let ours = fastest(RUNS, || {
        let mut state = [Fp::ZERO; 3];
        (0..COUNT).for_each(|_| Kimchi::permute(&mut state));
        state
    }) / COUNT as f64;
    let plain = fastest(RUNS, || {
        let mut state = [Fp::ZERO; 3];
        (0..COUNT).for_each(|_| plain_permutation(&mut state));
        state
    }) / COUNT as f64;
    report.compare("poseidon", "1", ours, ("arkworks arithmetic, plain", plain));
}

/// The permutation as one would first write it on arkworks' operators.
fn plain_permutation(state: &mut [Fp; 3]) {
    let params = Fp::kimchi_params();
    for constants in &params.round_constants {
        let powers = state.map(|x| {
            let square = x.square();
            x * square * square.square()
        });
        for (i, x) in state.iter_mut().enumerate() {
            *x = constants[i] + (0..3).map(|j| params.mds[i][j] * powers[j]).sum::<Fp>();
        }
    }
}

fn transforms(report: &Report, max_log2: u32, rng: &mut StdRng) {
    let size = 1usize << max_log2;
    let values: Vec<Fp> = (0..size).map(|_| Fp::rand(rng)).collect();
    let Some(domain) = Radix2EvaluationDomain::<Fp>::new(size) else { return };
    let Some(transforms) = mina_curves::fft::Domain::<Fp>::cached(max_log2) else { return };
    let theirs = fastest(RUNS, || domain.fft(&values));
    let ours = fastest(RUNS, || {
        let mut values = values.clone();
        transforms.fft(&mut values).map(|()| values)
    });
    report.compare("fft", &format!("2^{max_log2}"), ours, ("arkworks 0.6, one thread", theirs));
}

/// Seconds of arkworks' MSM of 2^16, or of the largest size scaled up.
fn multi_scalar(report: &Report, srs: &Srs<VestaConfig>, max_log2: u32, rng: &mut StdRng) -> f64 {
    let mut unit = 0.0;
    for log2 in (13..=max_log2).chain((max_log2 < 13).then_some(max_log2)) {
        let size = 1usize << log2;
        let scalars: Vec<Fp> = (0..size).map(|_| Fp::rand(rng)).collect();
        let bases = &srs.g()[..size];
        let label = format!("2^{log2}");
        let arkworks =
            fastest(RUNS, || ProjectivePoint::<VestaConfig>::msm_unchecked(bases, &scalars));
        report.time("msm/arkworks", &label, arkworks);
        let ours = fastest(RUNS, || mina_curves::msm(bases, &scalars));
        report.compare("msm", &label, ours, ("arkworks 0.6", arkworks));
        unit = arkworks * f64::from(1u32 << (16 - log2));
    }
    unit
}

fn proofs(
    report: &Report,
    log2: u32,
    [prove, verify, lagrange]: [f64; 3],
    unit: f64,
    rng: &mut StdRng,
) -> Result<()> {
    let size = format!("2^{log2}");
    // As large as the circuit, as in upstream's figures, and its own, so that no basis is there yet.
    let srs = std::sync::Arc::new(Srs::<VestaConfig>::new(1 << log2));
    let start = Instant::now();
    srs.lagrange_basis(1 << log2);
    report.compare("lagrange", &size, start.elapsed().as_secs_f64(), (SCALED, lagrange));

    let (circuit, generator) = hash_chain(log2)?;
    let start = Instant::now();
    let index = ProverIndex::new(circuit.circuit().clone(), srs)?;
    report.time("index", &size, start.elapsed().as_secs_f64());
    let witness = generator.witness(&Fp::from(42u64))?;
    // The first proof also fills the index's caches.
    index.prove(&witness, &[], rng)?;

    let mut rounds: Vec<(&'static str, Instant)> = Vec::new();
    let mut trace = |name| rounds.push((name, Instant::now()));
    let start = Instant::now();
    let proof: Proof<VestaConfig> = index.prove_traced(&witness, &[], rng, &mut trace)?;
    let end = Instant::now();
    let seconds = (end - start).as_secs_f64();
    report.compare("prove", &size, seconds, (SCALED, prove));
    report.time("prove/msm-units", &size, seconds / unit);
    for (i, (name, begin)) in rounds.iter().enumerate() {
        let until = rounds.get(i + 1).map_or(end, |(_, next)| *next);
        report.time(&format!("round/{name}"), &size, (until - *begin).as_secs_f64());
    }

    let public_input = [witness[0][0]];
    let mut accepted = Ok(());
    let seconds = fastest(RUNS, || {
        accepted = kimchi::verify(index.verifier_index(), &proof, &public_input, rng);
    });
    accepted?;
    report.compare("verify", &size, seconds, (SCALED, verify));
    if let Some(bytes) = peak_memory() {
        report.memory("memory/peak so far", &size, bytes);
    }
    Ok(())
}
