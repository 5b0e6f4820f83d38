//! What is carried from one account update to the next.

use alloc::vec::Vec;

use ark_ff::AdditiveGroup;
use mina_curves::Fp;

use crate::{
    hash::{ForestHashes, call_stack_hash, derive_token_id, stack_frame_hash},
    types::{Body, MayUseToken, SignedAmount, TokenId},
};

/// Updates still to be applied under one parent: a range of the forest, and who called them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The token of the parent: what its children may use.
    pub caller: TokenId,
    /// The token that the parent may use.
    pub caller_caller: TokenId,
    /// The index of the first update.
    pub start: usize,
    /// The index after the last descendant of the last update.
    pub end: usize,
}

impl Frame {
    /// No updates.
    pub const EMPTY: Self = Self::top(0, 0);

    /// Updates without a parent.
    pub const fn top(start: usize, end: usize) -> Self {
        Self { caller: TokenId::DEFAULT, caller_caller: TokenId::DEFAULT, start, end }
    }

    /// Whether there are no updates.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// The hash, as the transaction SNARK keeps it.
    pub fn hash(&self, forest: &ForestHashes) -> Fp {
        stack_frame_hash(self.caller, self.caller_caller, forest.forest(self.start, self.end))
    }
}

/// The state between two account updates of a command. Source: Mina `zkapp_command_logic.ml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalState {
    /// The updates that come next.
    pub frame: Frame,
    /// The frames to return to, the next one last.
    pub call_stack: Vec<Frame>,
    /// What partial signatures are over; zero between commands.
    pub commitment: Fp,
    /// What full signatures are over; zero between commands.
    pub full_commitment: Fp,
    /// What updates have taken out of accounts and not put into others.
    pub excess: SignedAmount,
    /// By how much the command changes the supply: creation fees are burned.
    pub supply_increase: SignedAmount,
    /// Whether no check has failed.
    pub success: bool,
    /// The index of the next update; 0 is the fee payer.
    pub index: u32,
    /// Whether the whole command succeeds: what a prover has to know beforehand.
    pub will_succeed: bool,
}

impl LocalState {
    /// The state between commands.
    pub const EMPTY: Self = Self {
        frame: Frame::EMPTY,
        call_stack: Vec::new(),
        commitment: Fp::ZERO,
        full_commitment: Fp::ZERO,
        excess: SignedAmount::ZERO,
        supply_increase: SignedAmount::ZERO,
        success: true,
        index: 0,
        will_succeed: true,
    };

    /// The hash of the call stack, as the transaction SNARK keeps it; zero if it is empty.
    pub fn call_stack_hash(&self, forest: &ForestHashes) -> Fp {
        self.call_stack
            .iter()
            .fold(Fp::ZERO, |rest, frame| call_stack_hash(frame.hash(forest), rest))
    }
}

/// The next update of a forest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Popped {
    /// Its index in the forest.
    pub(super) index: usize,
    /// The token other than MINA that it may use.
    pub(super) caller_id: TokenId,
    /// Whether it has children.
    pub(super) has_children: bool,
}

/// Takes the next update off the stacks and leaves them ready for the one after it.
///
/// `body` and `subtree_end` give the body of an update, and the index after its descendants.
pub(super) fn pop<'a>(
    local: &mut LocalState,
    body: impl Fn(usize) -> Option<&'a Body>,
    subtree_end: impl Fn(usize) -> Option<usize>,
) -> Option<Popped> {
    if local.frame.is_empty() {
        local.frame = local.call_stack.pop()?;
    }
    let frame = local.frame;
    let (index, body) = (frame.start, body(frame.start)?);
    let end = subtree_end(index)?;
    let caller_id = match body.may_use_token {
        MayUseToken::No => TokenId::DEFAULT,
        MayUseToken::ParentsOwnToken => frame.caller,
        MayUseToken::InheritFromParent => frame.caller_caller,
    };
    let remainder = Frame { start: end, ..frame };
    let has_children = index + 1 < end;
    if has_children {
        if !remainder.is_empty() {
            local.call_stack.push(remainder);
        }
        local.frame = Frame {
            caller: derive_token_id(&body.account_id()),
            caller_caller: caller_id,
            start: index + 1,
            end,
        };
    } else if remainder.is_empty() {
        local.frame = local.call_stack.pop().unwrap_or(Frame::EMPTY);
    } else {
        local.frame = remainder;
    }
    Some(Popped { index, caller_id, has_children })
}
