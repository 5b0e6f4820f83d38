//! Signing and verifying what consensus sends.

use malachite::{
    Signer, Verifier,
    app::types::core::{SignedMessage, ValidatorProof, VoteExtensionScope},
};
use malachite_signing::{Error, VerificationResult};
use zeko_derive::Writer;

use crate::{
    codec::{put_proposal, put_vote},
    context::{DaContext, NotEd25519, Proposal, Vote, VoteExtension},
    keys::{ConsensusKey, ConsensusSignature, ValidatorKeys},
};

/// What is signed of a message: the chain, which kind of message, and its bytes.
pub(crate) fn preimage(chain: [u8; 32], kind: u8, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::new();
    w.raw(b"zeko-da").put(&chain).put(&kind);
    write(&mut w);
    w.into_bytes()
}

pub(crate) const VOTE: u8 = 1;
pub(crate) const PROPOSAL: u8 = 2;
const EXTENSION: u8 = 3;
pub(crate) const PART: u8 = 4;
pub(crate) const ANNOUNCEMENT: u8 = 5;

/// Votes are signed without their extension, which has its own signature.
pub(crate) fn vote_preimage(chain: [u8; 32], vote: &Vote) -> Vec<u8> {
    let bare = Vote { extension: None, ..vote.clone() };
    preimage(chain, VOTE, |w| put_vote(&bare, w))
}

pub(crate) fn proposal_preimage(chain: [u8; 32], proposal: &Proposal) -> Vec<u8> {
    preimage(chain, PROPOSAL, |w| put_proposal(proposal, w))
}

fn extension_preimage(
    chain: [u8; 32],
    scope: &VoteExtensionScope<DaContext>,
    extension: &VoteExtension,
) -> Vec<u8> {
    preimage(chain, EXTENSION, |w| {
        w.put(&scope.height.0).put(&(scope.round.as_i64() as u64));
        w.put(&scope.value_id.0).put(&scope.validator_address.0).string(&extension.0);
    })
}

/// Verifies signatures of one DA chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainVerifier {
    pub(crate) chain: [u8; 32],
}

fn verify(
    key: &ConsensusKey,
    message: &[u8],
    signature: &ConsensusSignature,
) -> VerificationResult {
    VerificationResult::from_bool(key.accepts(message, signature))
}

#[async_trait::async_trait]
impl Verifier<DaContext> for ChainVerifier {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &ConsensusSignature,
        key: &ConsensusKey,
    ) -> Result<VerificationResult, Error> {
        Ok(verify(key, &vote_preimage(self.chain, vote), signature))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &ConsensusSignature,
        key: &ConsensusKey,
    ) -> Result<VerificationResult, Error> {
        Ok(verify(key, &proposal_preimage(self.chain, proposal), signature))
    }

    async fn verify_signed_vote_extension(
        &self,
        scope: &VoteExtensionScope<DaContext>,
        extension: &VoteExtension,
        signature: &ConsensusSignature,
        key: &ConsensusKey,
    ) -> Result<VerificationResult, Error> {
        Ok(verify(key, &extension_preimage(self.chain, scope, extension), signature))
    }

    async fn verify_validator_proof(
        &self,
        proof: &ValidatorProof<DaContext>,
    ) -> Result<VerificationResult, Error> {
        let key =
            proof.decoded_public_key().map_err(|error: NotEd25519| Error::from_source(error))?;
        Ok(verify(&key, &proof.preimage(), &proof.signature))
    }
}

/// Signs for one DA chain.
#[derive(Clone, Debug)]
pub(crate) struct ChainSigner {
    pub(crate) chain: [u8; 32],
    pub(crate) keys: ValidatorKeys,
}

#[async_trait::async_trait]
impl Signer<DaContext> for ChainSigner {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<DaContext, Vote>, Error> {
        let signature = self.keys.sign(&vote_preimage(self.chain, &vote));
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(
        &self,
        proposal: Proposal,
    ) -> Result<SignedMessage<DaContext, Proposal>, Error> {
        let signature = self.keys.sign(&proposal_preimage(self.chain, &proposal));
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        scope: VoteExtensionScope<DaContext>,
        extension: VoteExtension,
    ) -> Result<SignedMessage<DaContext, VoteExtension>, Error> {
        let signature = self.keys.sign(&extension_preimage(self.chain, &scope, &extension));
        Ok(SignedMessage::new(extension, signature))
    }

    async fn sign_validator_proof(
        &self,
        public_key: Vec<u8>,
        peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<DaContext>, Error> {
        let bytes = ValidatorProof::<DaContext>::signing_bytes(&public_key, &peer_id);
        Ok(ValidatorProof::new(public_key, peer_id, self.keys.sign(&bytes)))
    }
}
