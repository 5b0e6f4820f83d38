//! A program of one rule, without earlier proofs.
//!
//! `cargo run --release -p pickles --example square`

use mina_curves::Fp;
use pickles::{
    Program, ProofsVerified, Rule, RuleStatement, StepBuilder, StepKey, verify,
};
use rand::rngs::OsRng;

/// I know a square root of a public number.
struct Square;

impl Rule for Square {
    type Input = Fp;

    fn name(&self) -> &'static str {
        "square"
    }

    fn constrain(&self, cs: &mut StepBuilder<Fp>, _: &[StepKey]) -> RuleStatement {
        let root = cs.witness(|v| *v.input().rule());
        let square = cs.square(root);
        RuleStatement { app_state: vec![square.into()], previous: vec![] }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = std::time::Instant::now();
    let mut builder = Program::builder(ProofsVerified::N0);
    let square = builder.rule(Square);
    let program = builder.compile()?;
    println!("compiled: {:?}, rows {:?}", start.elapsed(), program.rows());
    for _ in 0..2 {
        let start = std::time::Instant::now();
        let proved = program.prove(square, Fp::from(3u64), &[], &mut OsRng)?;
        println!("proved {:?}: {:?}", proved.app_state, start.elapsed());
        let start = std::time::Instant::now();
        verify(program.verification_key(), &proved.app_state, &proved.proof, &mut OsRng)?;
        println!("verified: {:?}", start.elapsed());
    }
    Ok(())
}
