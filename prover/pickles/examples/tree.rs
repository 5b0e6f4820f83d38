//! A tree of proofs: numbers are summed by proofs that rest on proofs.
//!
//! `cargo run --release -p pickles --example tree`

use ark_ff::AdditiveGroup;
use kimchi::builder::{Boolean, Linear};
use mina_curves::Fp;
use pickles::{
    PreviousStatement, Program, ProofsVerified, ProvedStatement, Rule, RuleStatement, Slot,
    StepBuilder, StepKey, verify,
};
use rand::rngs::OsRng;

/// Any number is the sum of itself.
struct Leaf;

impl Rule for Leaf {
    type Input = Fp;

    fn name(&self) -> &'static str {
        "leaf"
    }

    fn constrain(&self, cs: &mut StepBuilder<Fp>, _: &[StepKey]) -> RuleStatement {
        let number = cs.witness(|v| *v.input().rule());
        RuleStatement { app_state: vec![number.into()], previous: vec![] }
    }
}

/// The sum of two sums.
struct Merge;

impl Rule for Merge {
    type Input = ();

    fn name(&self) -> &'static str {
        "merge"
    }

    fn previous(&self) -> Vec<Slot> {
        vec![Slot::Own, Slot::Own]
    }

    fn constrain(&self, cs: &mut StepBuilder<()>, _: &[StepKey]) -> RuleStatement {
        let sums = [0, 1].map(|i| {
            Linear::from(cs.witness(move |v| v.input().previous(i).first().copied().unwrap_or_default()))
        });
        let previous = sums.each_ref().map(|sum| PreviousStatement {
            app_state: vec![sum.clone()],
            must_verify: Boolean::constant(true),
        });
        let [a, b] = sums;
        RuleStatement { app_state: vec![a + b], previous: previous.into() }
    }
}

/// One more than zero, or than an earlier sum.
struct Increment;

impl Rule for Increment {
    type Input = bool;

    fn name(&self) -> &'static str {
        "increment"
    }

    fn previous(&self) -> Vec<Slot> {
        vec![Slot::Own]
    }

    fn constrain(&self, cs: &mut StepBuilder<bool>, _: &[StepKey]) -> RuleStatement {
        let is_later = Boolean::witness(cs, |v| *v.input().rule());
        let before = cs.witness(|v| v.input().previous(0).first().copied().unwrap_or_default());
        let start = cs.mul(&is_later, before);
        cs.assert_equal(start, before);
        RuleStatement {
            app_state: vec![before + Fp::from(1u64)],
            previous: vec![PreviousStatement { app_state: vec![before.into()], must_verify: is_later }],
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = std::time::Instant::now();
    let mut builder = Program::builder(ProofsVerified::N2);
    let leaf = builder.rule(Leaf);
    let increment = builder.rule(Increment);
    let merge = builder.rule(Merge);
    let program = builder.compile()?;
    println!("compiled: {:?}, rows {:?}", start.elapsed(), program.rows());
    let check = |what: &str, start: std::time::Instant, proved: &ProvedStatement| {
        let elapsed = start.elapsed();
        let start = std::time::Instant::now();
        let result = verify(program.verification_key(), &proved.app_state, &proved.proof, &mut OsRng);
        println!("{what} {:?}: {elapsed:?}, verify {result:?} {:?}", proved.app_state, start.elapsed());
    };
    let start = std::time::Instant::now();
    let five = program.prove(leaf, Fp::from(5u64), &[], &mut OsRng)?;
    check("leaf", start, &five);
    let start = std::time::Instant::now();
    let one = program.prove(increment, false, &[None], &mut OsRng)?;
    check("base", start, &one);
    let start = std::time::Instant::now();
    let six = program.prove(increment, true, &[Some(five)], &mut OsRng)?;
    check("increment", start, &six);
    let start = std::time::Instant::now();
    let seven = program.prove(merge, (), &[Some(six), Some(one)], &mut OsRng)?;
    check("merge", start, &seven);
    assert_eq!(seven.app_state, [Fp::from(7u64)]);
    assert_ne!(seven.app_state, [Fp::ZERO]);
    Ok(())
}
