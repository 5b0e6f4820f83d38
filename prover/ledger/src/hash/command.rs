//! Commitments of zkApp commands and receipt chains.

use alloc::{vec, vec::Vec};

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use mina_poseidon::{Legacy, Sponge};

use super::{
    batch::{hash_many, hash_one},
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

/// The hash of a memo.
pub fn memo_hash(memo: &Memo) -> Fp {
    let mut input = LegacyInput::new();
    input.bytes(&memo.0);
    hash_one(salt::ZKAPP_MEMO.state(), &input.into_fields())
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

    /// Hashes a forest whose updates have the hashes `bodies`.
    fn new(forest: &CallForest, bodies: Vec<Fp>) -> Self {
        let mut stacks = vec![Fp::ZERO; bodies.len()];
        // By depth, the hash of what follows at that depth under the same parent.
        let mut tails: Vec<Fp> = Vec::new();
        for (index, (node, body)) in forest.nodes().iter().zip(&bodies).enumerate().rev() {
            let depth = node.depth() as usize;
            tails.resize(tails.len().max(depth + 2), Fp::ZERO);
            // What lies deeper than this update follows it, so all of it is its own.
            let children = tails.get(depth + 1).copied().unwrap_or(Fp::ZERO);
            let node_hash = hash_one(salt::UPDATE_NODE.state(), &[*body, children]);
            let tail = tails.get(depth).copied().unwrap_or(Fp::ZERO);
            let stack = hash_one(salt::UPDATE_CONS.state(), &[node_hash, tail]);
            tails.truncate(depth + 1);
            if let (Some(tail), Some(slot)) = (tails.get_mut(depth), stacks.get_mut(index)) {
                *tail = stack;
                *slot = stack;
            }
        }
        Self { bodies, stacks }
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
    commands
        .iter()
        .map(|command| {
            // There is a digest for each input, in order.
            let fee_payer = digests.next().unwrap_or(Fp::ZERO);
            let bodies = digests.by_ref().take(command.account_updates.len()).collect();
            let forest = ForestHashes::new(&command.account_updates, bodies);
            let commitment = forest.forest(0, command.account_updates.len());
            let full_commitment = hash_one(
                salt::UPDATE_CONS.state(),
                &[memo_hash(&command.memo), fee_payer, commitment],
            );
            CommandHashes { forest, fee_payer, commitment, full_commitment }
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
pub(crate) fn legacy_hash(salt: &super::SaltedState, input: LegacyInput) -> Fp {
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
