//! Two proofs in one.

use kimchi::builder::Boolean;
use mina_curves::Fp;
use mina_ledger::types::Era;
use pickles::{PreviousStatement, Rule, RuleStatement, Slot, StepBuilder, StepInput, StepKey};

use super::{Point, Segment, SegmentVar};
use crate::alloc::witness;

/// Two segments, of which the second starts where the first ends, are one.
#[derive(Clone, Copy, Debug)]
pub struct Merge;

impl Merge {
    /// The segment that two make, if they follow each other.
    pub fn join(first: &Segment, second: &Segment) -> Option<Segment> {
        let follows = first.chain == second.chain && first.target == second.source;
        follows.then_some(Segment { target: second.target, ..*first })
    }
}

impl Rule for Merge {
    /// The two segments.
    type Input = [Segment; 2];

    fn name(&self) -> &'static str {
        "merge"
    }

    fn previous(&self) -> Vec<Slot> {
        vec![Slot::Own, Slot::Own]
    }

    fn constrain(&self, cs: &mut StepBuilder<[Segment; 2]>, _: &[StepKey]) -> RuleStatement {
        let [first, second] = [0, 1].map(|index| segment(cs, index));
        cs.assert_equal(first.chain.clone(), &second.chain);
        first.target.assert_equal(cs, &second.source);
        let previous = [&first, &second].map(|segment| PreviousStatement {
            app_state: vec![segment.digest(cs)],
            must_verify: Boolean::<Fp>::constant(true),
        });
        let whole = SegmentVar { chain: first.chain, source: first.source, target: second.target };
        RuleStatement { app_state: vec![whole.digest(cs)], previous: previous.into() }
    }
}

/// One of the two segments.
fn segment(cs: &mut StepBuilder<[Segment; 2]>, index: usize) -> SegmentVar {
    // Points look the same in every era.
    let (era, sample) = (Era::default(), Point::default());
    let chain = cs.witness(move |v| v.input().rule()[index].chain.field());
    SegmentVar {
        chain: chain.into(),
        source: witness(cs, era, &sample, move |input: &StepInput<[Segment; 2]>| {
            &input.rule()[index].source
        }),
        target: witness(cs, era, &sample, move |input: &StepInput<[Segment; 2]>| {
            &input.rule()[index].target
        }),
    }
}
