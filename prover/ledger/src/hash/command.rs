//! Commitments of zkApp commands and receipt chains.

use alloc::{vec, vec::Vec};

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use mina_poseidon::{Legacy, Sponge};

use super::{
    SaltedState,
    batch::{hash_many, hash_one, hash_pairs},
    input::{Input, LegacyInput},
    salt,
    update::body_input,
};
use crate::{
    domain::Domain,
    types::{
        Body, CallForest, Memo, SignedCommandBody, SignedCommandPayload, TokenId, ZkappCommand,
    },
};

/// The hash of an account update: what its parent and the commitments are made of.
pub fn body_hash(body: &Body, domain: &Domain) -> Fp {
    hash_one(&domain.body, &body_input(body, domain.era()))
}

fn memo_input(memo: &Memo) -> (SaltedState, Vec<Fp>) {
    let mut input = LegacyInput::new();
    input.bytes(&memo.0);
    (*salt::ZKAPP_MEMO.state(), input.into_fields())
}

/// The hash of a memo.
pub fn memo_hash(memo: &Memo) -> Fp {
    let (salt, input) = memo_input(memo);
    hash_one(&salt, &input)
}

/// The hashes inside a forest, by index of the update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForestHashes {
    /// Of each update.
    pub bodies: Vec<Fp>,
    /// Of the forest that begins with each update and ends with its last sibling.
    pub stacks: Vec<Fp>,
}

impl ForestHashes {
    /// The hash of the forest that begins at `index`, if it ends behind it; zero if it is empty.
    pub fn forest(&self, index: usize, end: usize) -> Fp {
        if index < end { self.stacks.get(index).copied().unwrap_or(Fp::ZERO) } else { Fp::ZERO }
    }
}

/// A forest being hashed from its last update to the first.
struct ForestHasher<'a> {
    forest: &'a CallForest,
    hashes: ForestHashes,
    /// Updates still to be hashed.
    left: usize,
    /// By depth, the hash of what follows at that depth under the same parent.
    tails: Vec<Fp>,
}

impl<'a> ForestHasher<'a> {
    /// `bodies` are the hashes of the updates.
    fn new(forest: &'a CallForest, bodies: Vec<Fp>) -> Self {
        let stacks = vec![Fp::ZERO; bodies.len()];
        let left = bodies.len();
        Self { forest, hashes: ForestHashes { bodies, stacks }, left, tails: Vec::new() }
    }

    /// The update that is next, and its depth.
    fn current(&self) -> Option<(usize, usize)> {
        let index = self.left.checked_sub(1)?;
        self.forest.nodes().get(index).map(|node| (index, node.depth() as usize))
    }

    fn tail(&self, depth: usize) -> Fp {
        self.tails.get(depth).copied().unwrap_or(Fp::ZERO)
    }

    /// What the node of the next update is hashed from: its body and its children. What lies deeper
    /// than it follows it, so all of it is its own.
    fn node_input(&self) -> Option<[Fp; 2]> {
        let (index, depth) = self.current()?;
        Some([self.hashes.bodies.get(index).copied()?, self.tail(depth + 1)])
    }

    /// What the forest that begins with the next update is hashed from: its node and its siblings.
    fn cons_input(&self, node: Fp) -> Option<[Fp; 2]> {
        let (_, depth) = self.current()?;
        Some([node, self.tail(depth)])
    }

    /// Puts the hash of that forest in place and goes on to the update before.
    fn advance(&mut self, stack: Fp) {
        let Some((index, depth)) = self.current() else { return };
        self.tails.resize(depth + 1, Fp::ZERO);
        if let (Some(tail), Some(slot)) =
            (self.tails.get_mut(depth), self.hashes.stacks.get_mut(index))
        {
            *tail = stack;
            *slot = stack;
        }
        self.left = index;
    }
}

/// Hashes many forests side by side: an update of each at a time.
fn hash_forests(hashers: &mut [ForestHasher<'_>]) {
    loop {
        let nodes: Vec<_> = hashers.iter().filter_map(ForestHasher::node_input).collect();
        if nodes.is_empty() {
            break;
        }
        let nodes = hash_pairs(salt::UPDATE_NODE.state(), &nodes);
        let pending = || hashers.iter().filter(|hasher| hasher.left > 0);
        let inputs: Vec<_> =
            pending().zip(nodes).filter_map(|(hasher, node)| hasher.cons_input(node)).collect();
        let stacks = hash_pairs(salt::UPDATE_CONS.state(), &inputs);
        let pending = hashers.iter_mut().filter(|hasher| hasher.left > 0);
        for (hasher, stack) in pending.zip(stacks) {
            hasher.advance(stack);
        }
    }
}

/// Everything that a zkApp command is hashed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandHashes {
    /// Of the account updates.
    pub forest: ForestHashes,
    /// Of the fee payer as an account update.
    pub fee_payer: Fp,
    /// Of the account updates together: what signatures without the full commitment are over.
    pub commitment: Fp,
    /// Of memo, fee payer and account updates.
    pub full_commitment: Fp,
}

/// Hashes a command.
pub fn command_hashes(command: &ZkappCommand, domain: &Domain) -> CommandHashes {
    let mut hashes = command_hashes_many(&[command], domain);
    // One command, one result.
    hashes.pop().unwrap_or_else(|| CommandHashes {
        forest: ForestHashes::default(),
        fee_payer: Fp::ZERO,
        commitment: Fp::ZERO,
        full_commitment: Fp::ZERO,
    })
}

/// Hashes many commands, their updates side by side.
pub fn command_hashes_many(commands: &[&ZkappCommand], domain: &Domain) -> Vec<CommandHashes> {
    let era = domain.era();
    let mut inputs = Vec::new();
    for command in commands {
        inputs.push((domain.body, body_input(&command.fee_payer.body.to_body(era), era)));
        for update in command.account_updates.updates() {
            inputs.push((domain.body, body_input(&update.body, era)));
        }
    }
    let mut digests = hash_many(&inputs).into_iter();
    let mut fee_payers = Vec::with_capacity(commands.len());
    let mut hashers = Vec::with_capacity(commands.len());
    for command in commands {
        // There is a digest for each input, in order.
        fee_payers.push(digests.next().unwrap_or(Fp::ZERO));
        let bodies = digests.by_ref().take(command.account_updates.len()).collect();
        hashers.push(ForestHasher::new(&command.account_updates, bodies));
    }
    hash_forests(&mut hashers);
    let memos: Vec<_> = commands.iter().map(|command| memo_input(&command.memo)).collect();
    let full_inputs: Vec<_> = hash_many(&memos)
        .into_iter()
        .zip(&fee_payers)
        .zip(&hashers)
        .map(|((memo, fee_payer), hasher)| {
            let commitment = hasher.hashes.forest(0, hasher.forest.len());
            (*salt::UPDATE_CONS.state(), [memo, *fee_payer, commitment])
        })
        .collect();
    hash_many(&full_inputs)
        .into_iter()
        .zip(fee_payers)
        .zip(hashers)
        .map(|((full_commitment, fee_payer), ForestHasher { forest, hashes, .. })| {
            let commitment = hashes.forest(0, forest.len());
            CommandHashes { forest: hashes, fee_payer, commitment, full_commitment }
        })
        .collect()
}

/// The receipt chain hash of an account after update `index` of a command (0 is the fee payer).
pub fn zkapp_receipt(receipt: Fp, index: u32, full_commitment: Fp) -> Fp {
    let mut input = Input::new();
    input.bits(index.into(), 32).field(full_commitment).field(receipt);
    hash_one(salt::RECEIPT.state(), &input.into_fields())
}

/// What is signed of a payment or delegation. Source: Mina `transaction_union_payload.ml`.
pub fn signed_command_input(payload: &SignedCommandPayload) -> LegacyInput {
    let (tag, amount) = match payload.body {
        SignedCommandBody::Payment { amount, .. } => ([0, 0, 0], amount.get()),
        SignedCommandBody::Delegation { .. } => ([0, 0, 1], 0),
    };
    const LEGACY_TOKEN: u64 = 1;
    let mut input = LegacyInput::new();
    input
        .bits(payload.fee.get(), 64)
        .bits(LEGACY_TOKEN, 64)
        .key(&payload.fee_payer)
        .bits(payload.nonce.get().into(), 32)
        .bits(payload.valid_until.get().into(), 32)
        .bytes(&payload.memo.0);
    for bit in tag {
        input.bits(bit, 1);
    }
    input
        .key(&payload.fee_payer)
        .key(&payload.receiver())
        .bits(LEGACY_TOKEN, 64)
        .bits(amount, 64)
        .bits(0, 1);
    input
}

/// Hashes `input` with the legacy permutation.
pub(crate) fn legacy_hash(salt: &SaltedState, input: LegacyInput) -> Fp {
    let mut sponge = Sponge::<Fp, Legacy>::from_state(*salt);
    sponge.absorb_all(&input.into_fields());
    sponge.squeeze()
}

/// The receipt chain hash of the fee payer after a payment or delegation.
pub fn signed_command_receipt(receipt: Fp, payload: &SignedCommandPayload) -> Fp {
    let mut input = signed_command_input(payload);
    input.field(receipt);
    legacy_hash(salt::legacy_receipt(), input)
}

/// The hash of a frame of the call stack, as the transaction SNARK keeps it.
pub fn stack_frame_hash(caller: TokenId, caller_caller: TokenId, calls: Fp) -> Fp {
    hash_one(salt::STACK_FRAME.state(), &[caller.0, caller_caller.0, calls])
}

/// The hash of a call stack with `frame` on top of `rest`; an empty stack is zero.
pub fn call_stack_hash(frame: Fp, rest: Fp) -> Fp {
    hash_one(salt::STACK_FRAME_CONS.state(), &[frame, rest])
}
