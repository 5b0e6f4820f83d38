//! Which update is next: the call stack.

use mina_curves::Fp;
use mina_ledger::{
    hash::salt,
    types::{Era, TokenId},
};

use super::{Rules, StateVar, UpdateWitness, shared};
use crate::{
    Boolean, Cs, Linear,
    alloc::{Allocate, Cells, witness},
    body::BodyVar,
    input::hash,
};

/// What a prover knows of the stacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackWitness {
    /// Of a fee payer: the hash of the command's memo.
    pub memo: Fp,
    /// Of a fee payer: the hash of the command's updates.
    pub forest: Fp,
    /// The hash of the update's children; zero if there are none.
    pub children: Fp,
    /// The hash of the updates after it under the same parent; zero if there are none.
    pub rest: Fp,
    /// If both are zero and a frame is left on the stack: its caller.
    pub caller: Fp,
    /// That frame's caller's caller.
    pub caller_caller: Fp,
    /// That frame's updates.
    pub calls: Fp,
    /// The stack below that frame.
    pub below: Fp,
}

struct StackVar {
    memo: Linear,
    forest: Linear,
    children: Linear,
    rest: Linear,
    top: Frame,
    below: Linear,
}

/// Updates under one parent, and who called them.
#[derive(Clone)]
struct Frame {
    caller: Linear,
    caller_caller: Linear,
    calls: Linear,
}

impl Allocate for StackVar {
    type Native = StackWitness;

    fn values(native: &StackWitness, _: Era, out: &mut Vec<Fp>) {
        let StackWitness { memo, forest, children, rest, caller, caller_caller, calls, below } =
            *native;
        out.extend([memo, forest, children, rest, caller, caller_caller, calls, below]);
    }

    fn assign<I>(_: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self {
            memo: cells.field(),
            forest: cells.field(),
            children: cells.field(),
            rest: cells.field(),
            top: Frame {
                caller: cells.field(),
                caller_caller: cells.field(),
                calls: cells.field(),
            },
            below: cells.field(),
        }
    }
}

impl Frame {
    /// 24 rows.
    fn hash<I>(&self, cs: &mut Cs<I>) -> Linear {
        let input = [self.caller.clone(), self.caller_caller.clone(), self.calls.clone()];
        hash(cs, salt::STACK_FRAME.state(), &input).into()
    }

    fn select<I>(cs: &mut Cs<I>, bit: &Boolean, then: &Self, otherwise: &Self) -> Self {
        let mut select =
            |part: fn(&Self) -> &Linear| Linear::from(bit.select(cs, part(then), part(otherwise)));
        Self {
            caller: select(|frame| &frame.caller),
            caller_caller: select(|frame| &frame.caller_caller),
            calls: select(|frame| &frame.calls),
        }
    }
}

/// The update under way, and the stacks after it.
pub(super) struct Popped {
    /// Whether the update is the fee payer of a new command.
    pub(super) is_start: Boolean,
    /// Whether it is that, and active.
    pub(super) pays: Boolean,
    /// Whether the update is the last of its command.
    pub(super) is_last: Boolean,
    /// Whether it has children.
    pub(super) has_children: Boolean,
    /// The hash of its body.
    pub(super) digest: Linear,
    /// The hash of its children; zero if there are none.
    pub(super) children: Linear,
    /// The token that its account owns.
    pub(super) owned_token: Linear,
    /// The token other than MINA that it may use.
    pub(super) caller_id: Linear,
    pub(super) caller: Linear,
    pub(super) caller_caller: Linear,
    pub(super) calls: Linear,
    pub(super) call_stack: Linear,
    pub(super) commitment: Linear,
    pub(super) full_commitment: Linear,
}

impl Popped {
    /// An update that is no command's.
    pub(super) fn alone(owned_token: Linear) -> Self {
        let (no, zero) = (Boolean::constant(false), Linear::from(Fp::default()));
        Self {
            is_start: no.clone(),
            pays: no.clone(),
            is_last: Boolean::constant(true),
            has_children: no,
            digest: zero.clone(),
            children: zero.clone(),
            owned_token,
            caller_id: TokenId::DEFAULT.0.into(),
            caller: zero.clone(),
            caller_caller: zero.clone(),
            calls: zero.clone(),
            call_stack: zero.clone(),
            commitment: zero.clone(),
            full_commitment: zero,
        }
    }
}

/// Takes the next update off the stacks, and leaves them ready for the one after it.
pub(super) fn pop<I>(
    cs: &mut Cs<I>,
    rules: &Rules,
    before: &StateVar,
    body: &BodyVar,
    is_active: &Boolean,
    source: impl Fn(&I) -> &UpdateWitness + Send + Sync + 'static,
) -> Popped {
    let era = rules.domain.era();
    let sample = StackWitness::default();
    let known: StackVar = witness(cs, era, &sample, move |input| &source(input).stack);
    let fields: Vec<Linear> = body.fields().into_iter().map(|field| shared(cs, field)).collect();
    let digest = Linear::from(hash(cs, rules.domain.body_state(), &fields));
    let is_start = cs.is_zero(&before.calls);
    let zero = Fp::default();

    // A new command: who pays for it, and what its signatures are over.
    let pays = is_start.and(cs, is_active);
    body.assert_fee_payer(cs, &pays, &fields, era);
    let input = [known.memo, digest.clone(), known.forest.clone()];
    let full = hash(cs, salt::UPDATE_CONS.state(), &input);
    let commitment = is_start.select(cs, &known.forest, &before.commitment).into();
    let full_commitment = is_start.select(cs, full, &before.full_commitment).into();

    // Else: the update is the first of those that come next.
    let node = hash(cs, salt::UPDATE_NODE.state(), &[digest.clone(), known.children.clone()]);
    let cons = hash(cs, salt::UPDATE_CONS.state(), &[node.into(), known.rest.clone()]);
    let is_next = is_active.and(cs, &is_start.not());
    cs.assert_mul(is_next, before.calls.clone() - cons, zero);
    // The updates of a new command come after its fee payer, which has no children and no parent.
    let children = Linear::from(cs.mul(is_start.not(), &known.children));
    let rest = Linear::from(is_start.select(cs, &known.forest, &known.rest));
    let token = TokenId::DEFAULT.0;
    let frame = Frame {
        caller: is_start.select(cs, token, &before.caller).into(),
        caller_caller: is_start.select(cs, token, &before.caller_caller).into(),
        calls: rest.clone(),
    };
    let inherited = cs.mul(&body.inherit_from_parent, frame.caller_caller.clone() - token);
    let own = cs.mul(&body.parents_own_token, frame.caller.clone() - token);
    let caller_id = shared(cs, Linear::from(token) + inherited + own);

    let no_children = cs.is_zero(&children);
    let no_rest = cs.is_zero(&rest);
    let no_stack = cs.is_zero(&before.call_stack);

    // Down, where there are children: what is left here is for later, if anything is.
    let owned_token = body.id.derive_token_id(cs);
    let down = Frame {
        caller: owned_token.clone(),
        caller_caller: caller_id.clone(),
        calls: children.clone(),
    };
    let pushed = frame.hash(cs);
    let pushed = hash(cs, salt::STACK_FRAME_CONS.state(), &[pushed, before.call_stack.clone()]);
    let down_stack = no_rest.select(cs, &before.call_stack, pushed);

    // Up, where nothing is left: to what was left for later, if anything was.
    let ends_frame = no_children.and(cs, &no_rest);
    let goes_up = ends_frame.and(cs, &no_stack.not());
    let top = known.top.hash(cs);
    let popped = hash(cs, salt::STACK_FRAME_CONS.state(), &[top, known.below.clone()]);
    let must_match = goes_up.and(cs, is_active);
    cs.assert_mul(must_match, before.call_stack.clone() - popped, zero);

    let next = Frame::select(cs, &goes_up, &known.top, &frame);
    let next = Frame::select(cs, &no_children, &next, &down);
    let stack = goes_up.select(cs, &known.below, &before.call_stack);
    let call_stack = no_children.select(cs, stack, down_stack).into();
    // With neither children nor siblings nor a frame to go back to, `calls` is zero.
    let is_last = ends_frame.and(cs, &no_stack);
    Popped {
        is_start,
        pays,
        is_last,
        has_children: no_children.not(),
        digest,
        children,
        owned_token,
        caller_id,
        caller: next.caller,
        caller_caller: next.caller_caller,
        calls: next.calls,
        call_stack,
        commitment,
        full_commitment,
    }
}
