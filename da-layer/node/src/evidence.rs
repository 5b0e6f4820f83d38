//! Evidence: two messages of one validator that contradict each other.

use malachite::app::types::core::{DoubleProposal, DoubleVote, SignedMessage};
use mina_ledger::rollup::ChainId;
use zeko_derive::{DecodeError, Reader, Wire, Writer};

use crate::{
    codec::{proposal, put_proposal, put_vote, vote},
    context::{Address, DaContext, Vote},
    keys::{ConsensusKey, ConsensusSignature},
    signing::{proposal_preimage, vote_preimage},
};

pub(crate) struct VoteEvidence(pub(crate) Address, pub(crate) DoubleVote<DaContext>);
pub(crate) struct ProposalEvidence(pub(crate) Address, pub(crate) DoubleProposal<DaContext>);

/// Something of which two versions contradict each other.
pub(crate) trait Contradiction {
    const KIND: u8;
    fn validator(&self) -> &Address;
    fn put(&self, w: &mut Writer);
}

impl Contradiction for VoteEvidence {
    const KIND: u8 = 1;

    fn validator(&self) -> &Address {
        &self.0
    }

    fn put(&self, w: &mut Writer) {
        for SignedMessage { message, signature } in [&self.1.0, &self.1.1] {
            put_vote(&Vote { extension: None, ..message.clone() }, w);
            w.put(signature);
        }
    }
}

impl Contradiction for ProposalEvidence {
    const KIND: u8 = 2;

    fn validator(&self) -> &Address {
        &self.0
    }

    fn put(&self, w: &mut Writer) {
        for SignedMessage { message, signature } in [&self.1.0, &self.1.1] {
            put_proposal(message, w);
            w.put(signature);
        }
    }
}

/// Kind, validator, and the two messages with their signatures.
pub(crate) fn encode_evidence<E: Contradiction>(evidence: &E) -> Vec<u8> {
    let mut w = Writer::new();
    w.put(&E::KIND).put(evidence.validator());
    evidence.put(&mut w);
    w.into_bytes()
}

/// Why evidence shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Not the bytes of any.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The messages are not by one validator about one height, round and step, or are the same.
    #[error("the two messages do not contradict each other")]
    NoContradiction,
    /// One of them is not signed by the validator.
    #[error("a message is not signed by the validator")]
    Signature,
}

/// Checks evidence that a node of the DA chain `chain` serves; the consensus key of the validator
/// that it convicts.
///
/// # Errors
/// [`EvidenceError`].
pub fn verify_evidence(bytes: &[u8], chain: ChainId) -> Result<ConsensusKey, EvidenceError> {
    let mut r = Reader::new(bytes);
    let (kind, validator): (u8, Address) = (r.get()?, r.get()?);
    let key = ConsensusKey::from_bytes(validator.0).ok_or(EvidenceError::Signature)?;
    let chain = chain_bytes(chain);
    let mut signed: Vec<(Vec<u8>, ConsensusSignature)> = Vec::new();
    let contradict = if kind == VoteEvidence::KIND {
        let first = vote(&mut r)?;
        signed.push((vote_preimage(chain, &first), r.get()?));
        let second = vote(&mut r)?;
        signed.push((vote_preimage(chain, &second), r.get()?));
        let place = |v: &Vote| (v.kind, v.height, v.round, v.address);
        place(&first) == place(&second) && first.address == validator && first.value != second.value
    } else if kind == ProposalEvidence::KIND {
        let first = proposal(&mut r)?;
        signed.push((proposal_preimage(chain, &first), r.get()?));
        let second = proposal(&mut r)?;
        signed.push((proposal_preimage(chain, &second), r.get()?));
        let same = (first.height, first.round, first.address)
            == (second.height, second.round, second.address);
        let differ = (first.value, first.pol_round) != (second.value, second.pol_round);
        same && first.address == validator && differ
    } else {
        return Err(DecodeError::Value { what: "kind of evidence" }.into());
    };
    r.finish()?;
    if !contradict {
        return Err(EvidenceError::NoContradiction);
    }
    let all = signed.iter().all(|(message, signature)| key.accepts(message, signature));
    if all { Ok(key) } else { Err(EvidenceError::Signature) }
}

/// The bytes of a chain id, as they are signed.
pub(crate) fn chain_bytes(chain: ChainId) -> [u8; 32] {
    chain.to_bytes().try_into().unwrap_or_default()
}
