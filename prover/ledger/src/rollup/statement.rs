//! Blocks and batches.

use alloc::string::String;

use mina_curves::{Fp, PastaField};

use super::Hashed;
use crate::{
    hash::{Input, TransactionHash},
    types::{Length, Slot, TypeError},
};

/// The name of a chain: at most 31 bytes of visible ASCII, as a field element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChainId(Fp);

impl ChainId {
    /// The chain called `name`.
    ///
    /// # Errors
    /// [`TypeError::NetworkName`].
    pub fn new(name: &str) -> Result<Self, TypeError> {
        let fits = (1..=31).contains(&name.len());
        if fits && name.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(mina_poseidon::prefix_to_field(name.as_bytes())))
        } else {
            Err(TypeError::NetworkName)
        }
    }

    /// The chain whose name is this element.
    ///
    /// # Errors
    /// [`TypeError::NetworkName`].
    pub fn from_field(x: Fp) -> Result<Self, TypeError> {
        let chain = Self::new(&Self(x).name())?;
        if chain.0 == x { Ok(chain) } else { Err(TypeError::NetworkName) }
    }

    /// The element.
    pub fn field(self) -> Fp {
        self.0
    }

    /// The name.
    pub fn name(self) -> String {
        let bytes = self.0.to_limbs().into_iter().flat_map(u64::to_le_bytes);
        bytes.take_while(|byte| *byte != 0).map(char::from).collect()
    }
}

/// The header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// The chain.
    pub chain: ChainId,
    /// How often the chain has been rebuilt from an earlier block.
    pub generation: u32,
    /// The number of blocks before it.
    pub height: Length,
    /// The hash of the block before it.
    pub parent: Fp,
    /// Its slot.
    pub slot: Slot,
    /// The root of the ledger after it.
    pub ledger: Fp,
    /// The hash of its commands and messages with their results.
    pub body: Fp,
}

impl Hashed for BlockHeader {
    const PREFIX: &'static str = "ZekoBlock";

    fn append(&self, input: &mut Input) {
        input
            .field(self.chain.field())
            .bits(self.generation.into(), 32)
            .add(&self.height)
            .field(self.parent)
            .add(&self.slot)
            .field(self.ledger)
            .field(self.body);
    }
}

impl BlockHeader {
    /// The hash of what a block contains: a chain over (command hash, hash of the result).
    pub fn body_hash(entries: impl IntoIterator<Item = (TransactionHash, Fp)>) -> Fp {
        entries
            .into_iter()
            .fold(Fp::default(), |rest, (command, result)| Entry { rest, command, result }.digest())
    }
}

/// A link of [`BlockHeader::body_hash`].
struct Entry {
    rest: Fp,
    command: TransactionHash,
    result: Fp,
}

impl Hashed for Entry {
    const PREFIX: &'static str = "ZekoBlockEntry";

    fn append(&self, input: &mut Input) {
        input.field(self.rest);
        append_bytes(input, &self.command.0);
        input.field(self.result);
    }
}

/// 32 bytes that are no field element: eight bits at a time.
pub(super) fn append_bytes(input: &mut Input, bytes: &[u8; 32]) {
    for byte in bytes {
        input.bits((*byte).into(), 8);
    }
}

/// A ledger with the set of its accounts, which is what shows that an account is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// The root of the ledger.
    pub ledger: Fp,
    /// The root of the set of its accounts.
    pub accounts: Fp,
}

impl Hashed for Root {
    const PREFIX: &'static str = "ZekoRoot";

    fn append(&self, input: &mut Input) {
        input.field(self.ledger).field(self.accounts);
    }
}

/// What a batch starts from or leads to. No command is under way there, and fees have been credited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// The ledger.
    pub root: Root,
    /// The prefix of the inbox that has been consumed.
    pub inbox: Fp,
    /// The outbox.
    pub outbox: Fp,
    /// The hash of the last block.
    pub block: Fp,
}

impl Side {
    fn append(&self, input: &mut Input) {
        self.root.append(input);
        input.field(self.inbox).field(self.outbox).field(self.block);
    }
}

/// What the proof of a batch shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchStatement {
    /// The chain.
    pub chain: ChainId,
    /// Where it starts.
    pub source: Side,
    /// Where it leads.
    pub target: Side,
    /// The slot of the first block.
    pub first_slot: Slot,
    /// The slot of the last block.
    pub last_slot: Slot,
}

impl Hashed for BatchStatement {
    const PREFIX: &'static str = "ZekoBatch";

    fn append(&self, input: &mut Input) {
        input.field(self.chain.field());
        self.source.append(input);
        self.target.append(input);
        input.add(&self.first_slot).add(&self.last_slot);
    }
}
