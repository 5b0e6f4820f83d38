//! The types that consensus is generic over.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use malachite::app::types::core::{
    Address as IsAddress, Context, Extension, Height as IsHeight, LinearTimeouts, NilOrVal,
    Proposal as IsProposal, ProposalPart, Round, SignedExtension, SigningScheme,
    Validator as IsValidator, ValidatorSet as IsValidatorSet, Value as IsValue, Vote as IsVote,
    VoteType,
};

use crate::keys::{ConsensusKey, ConsensusSignature};

/// What consensus decides on: see each type.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DaContext;

/// The height of a block of the DA chain; the first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Height(pub(crate) u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl IsHeight for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// A validator's address: its consensus key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address(pub(crate) [u8; 32]);

/// The hash of a block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockId(pub(crate) [u8; 32]);

macro_rules! hexadecimal {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
hexadecimal!(Address, BlockId);

impl IsAddress for Address {}

/// What votes are about: the id of a block, of which the bytes travel as parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Value(pub(crate) BlockId);

impl IsValue for Value {
    type Id = BlockId;

    fn id(&self) -> BlockId {
        self.0
    }
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validator {
    address: Address,
    key: ConsensusKey,
    power: u64,
}

impl Validator {
    /// A validator with this key and power.
    pub(crate) fn new(key: ConsensusKey, power: u32) -> Self {
        Self { address: Address(key.to_bytes()), key, power: power.into() }
    }
}

impl IsValidator<DaContext> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &ConsensusKey {
        &self.key
    }

    fn voting_power(&self) -> u64 {
        self.power
    }
}

/// The validators, in the committee's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidatorSet(Arc<[Validator]>);

impl ValidatorSet {
    /// The set of these.
    pub(crate) fn new(validators: Vec<Validator>) -> Self {
        Self(validators.into())
    }

    /// Whose turn it is: one after the other, by height and round.
    pub(crate) fn proposer(&self, height: Height, round: Round) -> &Validator {
        let turn = height.0.wrapping_add(u64::from(round.as_u32().unwrap_or(0)));
        let count = self.0.len().max(1) as u64;
        // A set is never empty: the committee has one member at least.
        &self.0[(turn % count) as usize]
    }
}

impl IsValidatorSet<DaContext> for ValidatorSet {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.0.iter().map(|validator| validator.power).sum()
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.0.iter().find(|validator| validator.address == *address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.0.get(index)
    }
}

/// What a validator attests along with its vote; see [`crate::attest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VoteExtension(pub(crate) Bytes);

impl Extension for VoteExtension {
    fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

/// A vote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // as in Tendermint
pub(crate) struct Vote {
    pub(crate) kind: VoteType,
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) value: NilOrVal<BlockId>,
    pub(crate) address: Address,
    pub(crate) extension: Option<SignedExtension<DaContext>>,
}

impl IsVote<DaContext> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }

    fn extension(&self) -> Option<&SignedExtension<DaContext>> {
        self.extension.as_ref()
    }

    fn take_extension(&mut self) -> Option<SignedExtension<DaContext>> {
        self.extension.take()
    }

    fn extend(self, extension: SignedExtension<DaContext>) -> Self {
        Self { extension: Some(extension), ..self }
    }
}

/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // as in Tendermint
pub(crate) struct Proposal {
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) value: Value,
    pub(crate) pol_round: Round,
    pub(crate) address: Address,
}

impl IsProposal<DaContext> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }
}

/// What travels on the channel of proposal parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Some bytes of a block. Each part says which block, because gossip takes several ways and
    /// parts come in any order.
    Block {
        /// Of which block, signed by whoever sends it.
        header: PartHeader,
        /// Which part, counted from 0.
        index: u32,
        /// The bytes: [`crate::PART_BYTES`], but for the last part.
        bytes: Bytes,
    },
    /// How far a validator is, and whether it knows of something to decide: what wakes an idle chain.
    Announce(Announcement),
}

/// Of which block a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // as in `Proposal`
pub(crate) struct PartHeader {
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) pol_round: Round,
    pub(crate) proposer: Address,
    pub(crate) id: BlockId,
    /// The length of the block in bytes.
    pub(crate) length: u32,
    pub(crate) signature: ConsensusSignature,
}

/// How far a validator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// Who says so.
    pub(crate) validator: Address,
    /// Its last decided height.
    pub(crate) tip: Height,
    /// Whether it has something to decide.
    pub(crate) work: bool,
    /// The validator's signature.
    pub(crate) signature: ConsensusSignature,
}

impl ProposalPart<DaContext> for Part {
    fn is_first(&self) -> bool {
        matches!(self, Self::Block { index: 0, .. })
    }

    fn is_last(&self) -> bool {
        let Self::Block { header, index, .. } = self else { return false };
        *index as usize + 1 == (header.length as usize).div_ceil(crate::PART_BYTES)
    }
}

/// Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519;

/// Bytes that are no key or signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 key or signature")]
pub(crate) struct NotEd25519;

impl SigningScheme for Ed25519 {
    type DecodingError = NotEd25519;
    type Signature = ConsensusSignature;
    type PublicKey = ConsensusKey;
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<ConsensusSignature, NotEd25519> {
        bytes.try_into().map(ConsensusSignature).map_err(|_| NotEd25519)
    }

    fn encode_signature(signature: &ConsensusSignature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<ConsensusKey, NotEd25519> {
        let bytes = bytes.try_into().map_err(|_| NotEd25519)?;
        ConsensusKey::from_bytes(bytes).ok_or(NotEd25519)
    }

    fn encode_public_key(key: &ConsensusKey) -> Vec<u8> {
        key.to_bytes().to_vec()
    }
}

impl Context for DaContext {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Part;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = ValidatorSet;
    type Timeouts = LinearTimeouts;
    type Value = Value;
    type Vote = Vote;
    type Extension = VoteExtension;
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(
        &self,
        validators: &'a ValidatorSet,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        validators.proposer(height, round)
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: Value,
        pol_round: Round,
        address: Address,
    ) -> Proposal {
        Proposal { height, round, value, pol_round, address }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        address: Address,
    ) -> Vote {
        Vote { kind: VoteType::Prevote, height, round, value, address, extension: None }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        address: Address,
    ) -> Vote {
        Vote { kind: VoteType::Precommit, height, round, value, address, extension: None }
    }
}
