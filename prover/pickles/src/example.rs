//! An example to read, which the command line, tests and benchmarks share: a program that sums
//! numbers by proofs that rest on proofs.

use kimchi::builder::{Boolean, Linear};
use mina_curves::Fp;
use rand::{CryptoRng, RngCore};

use crate::{
    CompileError, Job, KeyCache, PreviousStatement, Program, ProofsVerified, ProveError,
    ProvedStatement, Rule, RuleHandle, RuleStatement, Slot, StepBuilder, StepInput, StepKey,
};

/// The sum that an earlier proof is about.
fn earlier_sum<I>(input: &StepInput<I>, index: usize) -> Fp {
    input.previous(index).first().copied().unwrap_or_default()
}

/// A number is a sum if the prover knows a square root of it.
#[derive(Clone, Copy, Debug)]
pub struct Leaf;

impl Rule for Leaf {
    /// The root.
    type Input = Fp;

    fn name(&self) -> &'static str {
        "leaf"
    }

    fn constrain(&self, cs: &mut StepBuilder<Fp>, _: &[StepKey]) -> RuleStatement {
        let root = cs.witness(|v| *v.input().rule());
        let number = cs.square(root);
        RuleStatement { app_state: vec![number.into()], previous: vec![] }
    }
}

/// One more than a sum is a sum, and so is 1.
#[derive(Clone, Copy, Debug)]
pub struct Increment;

impl Rule for Increment {
    /// Whether there is an earlier proof.
    type Input = bool;

    fn name(&self) -> &'static str {
        "increment"
    }

    fn previous(&self) -> Vec<Slot> {
        vec![Slot::Own]
    }

    fn constrain(&self, cs: &mut StepBuilder<bool>, _: &[StepKey]) -> RuleStatement {
        let must_verify = Boolean::witness(cs, |v| *v.input().rule());
        let before = cs.witness(|v| earlier_sum(v.input(), 0));
        // Without a proof, the sum before is zero.
        cs.assert_mul(before, must_verify.not(), Fp::from(0u64));
        RuleStatement {
            app_state: vec![before + Fp::from(1u64)],
            previous: vec![PreviousStatement { app_state: vec![before.into()], must_verify }],
        }
    }
}

/// The sum of two sums is a sum.
#[derive(Clone, Copy, Debug)]
pub struct Merge;

impl Rule for Merge {
    type Input = ();

    fn name(&self) -> &'static str {
        "merge"
    }

    fn previous(&self) -> Vec<Slot> {
        vec![Slot::Own, Slot::Own]
    }

    fn constrain(&self, cs: &mut StepBuilder<()>, _: &[StepKey]) -> RuleStatement {
        let [a, b] = [0, 1].map(|i| Linear::from(cs.witness(move |v| earlier_sum(v.input(), i))));
        let previous = [&a, &b].map(|sum| PreviousStatement {
            app_state: vec![sum.clone()],
            must_verify: Boolean::constant(true),
        });
        RuleStatement { app_state: vec![a + b], previous: previous.into() }
    }
}

/// The program, with as many of the rules as its width allows.
#[derive(Debug)]
pub struct Sums {
    /// The program.
    pub program: Program,
    /// [`Leaf`].
    pub leaf: RuleHandle<Leaf>,
    /// [`Increment`], from width 1.
    pub increment: Option<RuleHandle<Increment>>,
    /// [`Merge`], at width 2.
    pub merge: Option<RuleHandle<Merge>>,
}

impl Sums {
    /// Compiles the program, with keys from `cache` if there is one.
    ///
    /// # Errors
    ///
    /// [`CompileError`]; none is expected.
    pub fn compile(width: ProofsVerified, cache: Option<KeyCache>) -> Result<Self, CompileError> {
        let mut builder = Program::builder(width);
        if let Some(cache) = cache {
            builder.cache(cache);
        }
        let leaf = builder.rule(Leaf);
        let increment = (width >= ProofsVerified::N1).then(|| builder.rule(Increment));
        let merge = (width >= ProofsVerified::N2).then(|| builder.rule(Merge));
        Ok(Self { program: builder.compile()?, leaf, increment, merge })
    }

    /// A proof by the widest rule: of 9, of 9 + 1, or of (9 + 1) + 1, where the last 1 rests on
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`ProveError`]; none is expected.
    pub fn prove(
        &self,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<ProvedStatement, ProveError> {
        let program = &self.program;
        let nine = program.prove(self.leaf, Fp::from(3u64), &[], rng)?;
        let Some(increment) = self.increment else { return Ok(nine) };
        let ten = program.prove(increment, true, &[Some(nine)], rng)?;
        let Some(merge) = self.merge else { return Ok(ten) };
        let one = program.prove(increment, false, &[None], rng)?;
        program.prove(merge, (), &[Some(ten), Some(one)], rng)
    }

    /// A proof of the sum of the squares of `roots` by a tree of merges, whose leaves and then whose
    /// levels are proved several proofs at once. Needs width 2; gives nothing for no roots.
    ///
    /// # Errors
    ///
    /// [`ProveError`]; none is expected.
    pub fn prove_tree(
        &self,
        roots: &[Fp],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Option<ProvedStatement>, ProveError> {
        let merge = self.merge.ok_or(ProveError::UnknownRule)?;
        let leaves = roots.iter().map(|root| Job { input: *root, previous: vec![] }).collect();
        let proved = self.program.prove_all(self.leaf, leaves, rng);
        let mut level = proved.into_iter().collect::<Result<Vec<_>, _>>()?;
        while level.len() > 1 {
            let odd = if level.len() % 2 == 1 { level.pop() } else { None };
            let pairs = level.chunks_exact(2);
            let jobs = pairs
                .map(|pair| Job { input: (), previous: pair.iter().cloned().map(Some).collect() });
            let proved = self.program.prove_all(merge, jobs.collect(), rng);
            level = proved.into_iter().collect::<Result<Vec<_>, _>>()?;
            level.extend(odd);
        }
        Ok(level.pop())
    }
}
