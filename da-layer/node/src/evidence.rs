//! Evidence: two messages of one validator that contradict each other.

use malachite::app::types::core::{DoubleProposal, DoubleVote, SignedMessage};
use mina_ledger::{
    rollup::{Attestation, ChainId},
    types::{PublicKey, Signature},
};
use zeko_derive::{CertificateStatement, DecodeError, Reader, Wire, Writer};

use crate::{
    codec::{proposal, put_proposal, put_vote, vote},
    context::{Address, DaContext, Vote},
    keys::{ConsensusKey, ConsensusSignature},
    signing::{proposal_preimage, vote_preimage},
};

pub(crate) struct VoteEvidence(pub(crate) Address, pub(crate) DoubleVote<DaContext>);
pub(crate) struct ProposalEvidence(pub(crate) Address, pub(crate) DoubleProposal<DaContext>);

/// Two attestations of different batches with one number.
pub(crate) struct AttestationEvidence {
    pub(crate) key: PublicKey,
    pub(crate) signed: [(CertificateStatement, Signature); 2],
}

impl AttestationEvidence {
    const KIND: u8 = 3;

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.put(&Self::KIND).put(&self.key);
        for (statement, signature) in &self.signed {
            w.put(statement).put(signature);
        }
        w.into_bytes()
    }
}

/// What a validator attests once: a batch of this number, of this generation, for this epoch.
pub(crate) fn attested_place(attestation: &Attestation) -> Vec<u8> {
    let Attestation {
        l1_network, rollup_account, chain, committee_epoch, generation, batch, ..
    } = attestation;
    let mut place = Writer::new();
    place.put(l1_network).put(rollup_account).put(chain);
    place.put(committee_epoch).put(generation).put(batch);
    place.into_bytes()
}

/// Whom evidence convicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// The holder of a consensus key has voted or proposed twice.
    Consensus(ConsensusKey),
    /// The holder of a Mina key has attested two batches with one number.
    Attestor(PublicKey),
}

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

/// Checks evidence that a node of the DA chain `chain` serves; whom it convicts.
///
/// # Errors
/// [`EvidenceError`].
pub fn verify_evidence(bytes: &[u8], chain: ChainId) -> Result<Culprit, EvidenceError> {
    let mut r = Reader::new(bytes);
    match r.get::<u8>()? {
        AttestationEvidence::KIND => attestations(r).map(Culprit::Attestor),
        kind => messages(kind, r, chain).map(Culprit::Consensus),
    }
}

fn attestations(mut r: Reader<'_>) -> Result<PublicKey, EvidenceError> {
    let key: PublicKey = r.get()?;
    let signed: [(CertificateStatement, Signature); 2] =
        [(r.get()?, r.get()?), (r.get()?, r.get()?)];
    r.finish()?;
    let [CertificateStatement::Batch(first), CertificateStatement::Batch(second)] =
        [signed[0].0, signed[1].0]
    else {
        return Err(EvidenceError::NoContradiction);
    };
    if attested_place(&first) != attested_place(&second) || first == second {
        return Err(EvidenceError::NoContradiction);
    }
    let verifies = |(statement, signature): &(CertificateStatement, Signature)| {
        statement.verify(signature, &key).is_ok()
    };
    if signed.iter().all(verifies) { Ok(key) } else { Err(EvidenceError::Signature) }
}

fn messages(kind: u8, mut r: Reader<'_>, chain: ChainId) -> Result<ConsensusKey, EvidenceError> {
    let validator: Address = r.get()?;
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
