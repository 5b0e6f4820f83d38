//! Two proofs in one.

use kimchi::builder::Boolean;
use mina_curves::Fp;
use pickles::{PreviousStatement, Rule, RuleStatement, Slot, StepBuilder, StepInput, StepKey};

use super::{Point, Segment, SegmentVar};

/// Two segments, of which the second starts where the first ends or, between two commands, in a later
/// block, are one. Blocks without commands need no proof.
#[derive(Clone, Copy, Debug)]
pub struct Merge;

impl Merge {
    /// The segment that two make, if they follow each other.
    pub fn join(first: &Segment, second: &Segment) -> Option<Segment> {
        let (end, start) = (&first.target, &second.source);
        let Point { height, slot, .. } = *start;
        let moved = Point { height, slot, ..*end } == *start;
        let later =
            height > end.height && slot >= end.slot && end.local == Point::local_between_commands();
        let follows = first.chain == second.chain && moved && (end == start || later);
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
        let [first, second] = [0, 1].map(|index| {
            SegmentVar::witness(cs, move |input: &StepInput<[Segment; 2]>| &input.rule()[index])
        });
        cs.assert_equal(first.chain.clone(), &second.chain);
        cs.region("follows", |cs| first.target.assert_followed(cs, &second.source));
        let previous = [&first, &second].map(|segment| PreviousStatement {
            app_state: vec![segment.digest(cs)],
            must_verify: Boolean::<Fp>::constant(true),
        });
        let whole = SegmentVar { chain: first.chain, source: first.source, target: second.target };
        RuleStatement { app_state: vec![whole.digest(cs)], previous: previous.into() }
    }
}
