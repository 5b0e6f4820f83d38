//! `zeko prove`.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use ark_ff::AdditiveGroup;
use indicatif::{ProgressBar, ProgressStyle};
use kimchi::{
    ProverIndex, Statement, Witness, ZK_ROWS,
    builder::{BuiltCircuit, CircuitBuilder, WitnessGenerator},
};
use mina_curves::{Fp, VestaConfig};
use pickles::{KeyCache, ProofFile, ProofsVerified, example::Sums};
use poly_commitment::Srs;
use rand::rngs::OsRng;

/// Rows of one Poseidon permutation.
const PERMUTATION_ROWS: usize = 12;

/// A circuit that hashes its secret as often as fits `2^log2` rows, and shows the result.
pub(crate) fn hash_chain(log2: u32) -> Result<(BuiltCircuit<Fp>, WitnessGenerator<Fp, Fp>)> {
    // One row for the public input and one for constants.
    let count = ((1usize << log2) - ZK_ROWS - 2) / PERMUTATION_ROWS;
    let mut cs = CircuitBuilder::<Fp, Fp>::new();
    let result = cs.public_input(move |v| {
        let mut state = [*v.input(), Fp::ZERO, Fp::ZERO];
        for _ in 0..count {
            <mina_poseidon::Kimchi as mina_poseidon::Permutation<Fp>>::permute(&mut state);
        }
        state[0]
    });
    let secret = cs.witness(|v| *v.input());
    let zero = cs.constant(Fp::ZERO);
    let mut state = [secret, zero, zero];
    cs.region("hash chain", |cs| {
        for _ in 0..count {
            state = cs.poseidon_permutation(state);
        }
    });
    cs.assert_equal(state[0], result);
    Ok(cs.finish()?)
}

/// The SRS of Mina's step proofs.
pub(crate) const SRS_SIZE: usize = 1 << 16;

/// Proves and verifies a hash chain, showing progress on standard error and timings on standard
/// output.
#[allow(clippy::print_stdout, reason = "the timings are the command's output")]
pub(crate) fn kimchi(log2: u32, out: Option<&Path>) -> Result<()> {
    let progress = Progress::new();
    let (circuit, generator) = progress.step("building the circuit", || hash_chain(log2))?;
    let srs = progress.step("deriving the SRS", || Srs::<VestaConfig>::shared(SRS_SIZE));
    progress.step("Lagrange basis", || srs.lagrange_basis(1 << log2));
    let index = progress
        .step("prover index", || ProverIndex::new(circuit.circuit().clone(), srs))
        .context("the circuit cannot be proved")?;
    let secret = Fp::from(42u64);
    let witness: Witness<Fp> = progress.step("witness", || generator.witness(&secret))?;

    let start = Instant::now();
    let mut round = |name| progress.bar.set_message(format!("proving: {name}"));
    let proof = index.prove_traced(&witness, &[], &mut OsRng, &mut round)?;
    progress.done("proof", start.elapsed());

    let public_input = vec![witness[0][0]];
    progress.step("verification", || {
        kimchi::verify(index.verifier_index(), &proof, &public_input, &mut OsRng)
    })?;
    println!("{} rows in a domain of 2^{log2} over vesta; the proof is accepted", circuit.rows());
    if let Some(out) = out {
        let statement = Statement { index: index.verifier_index().clone(), proof, public_input };
        fs::write(out, statement.encode()?)
            .with_context(|| format!("cannot write {}", out.display()))?;
        println!("written to {}", out.display());
    }
    Ok(())
}

/// Proves an example by the widest rule of a program and verifies it.
#[allow(clippy::print_stdout, reason = "the result is the command's output")]
pub(crate) fn example(width: u8, out: Option<&Path>) -> Result<()> {
    let width = ProofsVerified::from_count(usize::from(width)).context("widths are 0, 1 and 2")?;
    let progress = Progress::new();
    let sums = progress.step("compiling", || Sums::compile(width, KeyCache::of_user()))?;
    let proved = progress.step("proving", || sums.prove(&mut OsRng))?;
    let key = sums.program.verification_key();
    progress.step("verification", || {
        pickles::verify(key, &proved.app_state, &proved.proof, &mut OsRng)
    })?;
    let (wrap, steps) = sums.program.rows();
    println!("rows: wrap {wrap}, steps {steps:?}; the proof is accepted");
    if let Some(out) = out {
        fs::write(out, ProofFile::new(key, &proved, 0).to_json()?)
            .with_context(|| format!("cannot write {}", out.display()))?;
        println!("written to {}", out.display());
    }
    Ok(())
}

/// A spinner with the step under way, and a line for each step done.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar }
    }

    fn step<T>(&self, name: &str, work: impl FnOnce() -> T) -> T {
        self.bar.set_message(name.to_owned());
        self.bar.reset_elapsed();
        let start = Instant::now();
        let result = work();
        self.done(name, start.elapsed());
        result
    }

    #[allow(clippy::print_stdout, reason = "the timings are the command's output")]
    fn done(&self, name: &str, elapsed: Duration) {
        self.bar.suspend(|| println!("{name:<22} {:>9.3} s", elapsed.as_secs_f64()));
    }
}
