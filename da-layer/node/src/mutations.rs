//! Every decoder of what peers, clients and disks give, on bytes that are almost right.

use bytes::Bytes;
use malachite::app::{
    consensus::{LivenessMsg, ProposedValue, SignedConsensusMsg},
    engine::util::streaming::StreamContent,
    types::{
        PeerId,
        codec::Codec,
        core::{
            CommitCertificate, CommitSignature, ExtendedCommitCertificate, NilOrVal,
            PolkaCertificate, PolkaSignature, Round, RoundCertificate, RoundCertificateType,
            RoundSignature, SignedMessage, ValidatorProof, Validity, VoteExtensions, VoteType,
        },
        streaming::{StreamId, StreamMessage},
        sync::{RawDecidedValue, Request, Response, Status},
    },
};
use malachite_sync::{ValueRequest, ValueResponse};
use mina_curves::{Fp, Fq};
use mina_ledger::{rollup::ChainId, types::PrivateKey};
use zeko_derive::{EntryKind, Envelope, Wire};

use crate::{
    block::{Block, SignedAttestation},
    codec::DaCodec,
    context::{
        Address, Announcement, BlockId, DaContext, Height, Part, PartHeader, Proposal, Value, Vote,
        VoteExtension,
    },
    evidence::{Culprit, VoteEvidence, encode_evidence, verify_evidence},
    keys::{ConsensusSignature, ValidatorKeys, from_hex, hex},
    signing::vote_preimage,
    store::{EntryMeta, Stored},
};

/// Mutations of each sample; there are more than ten of them.
const EACH: usize = 10_000;

/// A generator of numbers, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    /// Bytes with a change or a few: bits, bytes, lengths of what follows, the end.
    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut mutant = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(mutant.len());
            match self.below(6) {
                0 => mutant.truncate(at),
                1 => mutant.insert(at.min(mutant.len()), self.below(256) as u8),
                2 => mutant.iter_mut().skip(at).take(4).for_each(|byte| *byte = 0xff),
                3 => mutant.iter_mut().skip(at).take(1).for_each(|byte| *byte = 0),
                4 => mutant.extend_from_slice(&bytes[..at.min(bytes.len())]),
                _ => mutant.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
            }
        }
        mutant
    }
}

/// What decodes is what encodes to the same bytes: there is one encoding of everything, and no
/// mutation panics.
fn messages<T>(sample: &T) -> usize
where
    DaCodec: Codec<T>,
{
    let encode = |value: &T| DaCodec.encode(value).ok().unwrap();
    let bytes = encode(sample);
    assert_eq!(encode(&DaCodec.decode(bytes.clone()).ok().unwrap()), bytes);
    let mut numbers = Numbers(0x5eed);
    for _ in 0..EACH {
        let mutant = Bytes::from(numbers.mutate(&bytes));
        if let Ok(value) = DaCodec.decode(mutant.clone()) {
            assert_eq!(encode(&value), mutant);
        }
    }
    EACH
}

fn stored<T: Wire>(sample: &T, decode: impl Fn(&[u8]) -> Option<T>) -> usize {
    let bytes = sample.to_bytes();
    assert_eq!(decode(&bytes).unwrap().to_bytes(), bytes);
    let mut numbers = Numbers(0x5eed);
    for _ in 0..EACH {
        let mutant = numbers.mutate(&bytes);
        if let Some(value) = decode(&mutant) {
            assert_eq!(value.to_bytes(), mutant);
        }
    }
    EACH
}

const SIGNATURE: ConsensusSignature = ConsensusSignature([7; 64]);
const ADDRESS: Address = Address([3; 32]);
const ID: BlockId = BlockId([9; 32]);

fn key() -> PrivateKey {
    PrivateKey::new(Fq::from(11u64)).unwrap()
}

fn chain() -> ChainId {
    ChainId::new("mutations").unwrap()
}

fn vote(value: u8, address: Address) -> Vote {
    Vote {
        kind: VoteType::Precommit,
        height: Height(5),
        round: Round::new(1),
        value: NilOrVal::Val(BlockId([value; 32])),
        address,
        extension: None,
    }
}

fn certificate() -> ExtendedCommitCertificate<DaContext> {
    let extension = SignedMessage::new(VoteExtension(Bytes::from_static(b"extension")), SIGNATURE);
    let certificate = CommitCertificate {
        height: Height(5),
        round: Round::new(1),
        value_id: ID,
        commit_signatures: vec![CommitSignature::new(ADDRESS, SIGNATURE)],
    };
    let extensions = VoteExtensions::new(vec![(ADDRESS, extension)]);
    ExtendedCommitCertificate::from_commit_certificate_and_extensions(certificate, extensions)
}

#[test]
fn messages_of_peers() {
    let extended = vote(1, ADDRESS);
    let extension = SignedMessage::new(VoteExtension(Bytes::from_static(b"extension")), SIGNATURE);
    let extended = Vote { extension: Some(extension), ..extended };
    let proposal = Proposal {
        height: Height(5),
        round: Round::new(1),
        value: Value(ID),
        pol_round: Round::Nil,
        address: ADDRESS,
    };
    let header = PartHeader {
        height: Height(5),
        round: Round::new(1),
        pol_round: Round::Nil,
        proposer: ADDRESS,
        id: ID,
        length: 5,
        signature: SIGNATURE,
    };
    let part = Part::Block { header, index: 0, bytes: Bytes::from_static(b"bytes") };
    let announcement = Part::Announce(Announcement {
        validator: ADDRESS,
        tip: Height(4),
        work: true,
        signature: SIGNATURE,
    });
    let stream = StreamMessage::new(
        StreamId::new(Bytes::from_static(b"id")),
        3,
        StreamContent::Data(part.clone()),
    );
    let polka = PolkaCertificate {
        height: Height(5),
        round: Round::new(1),
        value_id: ID,
        polka_signatures: vec![PolkaSignature::new(ADDRESS, SIGNATURE); 3],
    };
    let rounds = RoundCertificate {
        height: Height(5),
        round: Round::new(1),
        cert_type: RoundCertificateType::Skip,
        round_signatures: vec![RoundSignature::new(
            VoteType::Prevote,
            NilOrVal::Val(ID),
            ADDRESS,
            SIGNATURE,
        )],
    };
    let proposed = ProposedValue {
        height: Height(5),
        round: Round::new(1),
        valid_round: Round::Nil,
        proposer: ADDRESS,
        value: Value(ID),
        validity: Validity::Valid,
    };
    let peer_id = ValidatorKeys::new(key()).network().unwrap().public().to_peer_id().to_bytes();
    let proof = ValidatorProof::new(vec![1; 32], peer_id.clone(), SIGNATURE);
    let status = Status {
        peer_id: PeerId::from_bytes(&peer_id).unwrap(),
        tip_height: Height(5),
        history_min_height: Height(1),
    };
    let value = RawDecidedValue::new(Bytes::from_static(b"block"), certificate());
    let response = Response::ValueResponse(ValueResponse::new(Height(5), vec![value]));
    let request = Request::ValueRequest(ValueRequest::new(Height(1)..=Height(9)));
    let total = [
        messages(&SignedConsensusMsg::Vote(SignedMessage::new(extended.clone(), SIGNATURE))),
        messages(&SignedConsensusMsg::Proposal(SignedMessage::new(proposal, SIGNATURE))),
        messages(&LivenessMsg::Vote(SignedMessage::new(extended, SIGNATURE))),
        messages(&LivenessMsg::PolkaCertificate(polka)),
        messages(&LivenessMsg::SkipRoundCertificate(rounds)),
        messages(&part),
        messages(&announcement),
        messages(&stream),
        messages(&proof),
        messages(&proposed),
        messages(&status),
        messages(&request),
        messages(&response),
    ];
    assert!(total.iter().sum::<usize>() >= 100_000);
}

fn block() -> Block {
    let key = key();
    let entry = Envelope::sign(chain(), EntryKind::Blob, Fp::from(1u64), vec![5; 40], &key);
    let entry = entry.unwrap();
    let attestation = SignedAttestation {
        commitment: entry.commitment(),
        epoch: 0,
        key: key.to_public_key(),
        signature: entry.signature,
    };
    Block {
        height: Height(5),
        proposer: ADDRESS,
        attestations: vec![attestation],
        entries: vec![entry],
    }
}

#[test]
fn blocks_entries_and_the_index() {
    let block = block();
    let entry = block.entries[0].clone();
    let meta = EntryMeta {
        kind: entry.kind,
        namespace: entry.namespace,
        sender: entry.sender,
        signature: entry.signature,
        commitment: entry.commitment(),
        offset: 100,
        length: 40,
    };
    let index = Stored {
        id: ID,
        length: 500,
        chunks: vec![[1; 32]; 2],
        attestations: block.attestations.clone(),
        entries: vec![meta],
    };
    stored(&index, |bytes| Stored::from_bytes(bytes).ok());
    stored(&block, |bytes| Block::decode(bytes).ok());
    stored(&entry, |bytes| Envelope::from_bytes(bytes).ok());
    // What a changed block or entry says is never accepted: the sender has signed all of it.
    let mut numbers = Numbers(0x5eed);
    for _ in 0..200 {
        let mutant = numbers.mutate(&entry.to_bytes());
        if let Ok(changed) = Envelope::from_bytes(&mutant) {
            assert_eq!(changed.verify(chain()).is_ok(), changed == entry);
        }
    }
}

#[test]
fn hexadecimal() {
    let text = hex(&[1, 0xab, 0xff]);
    let mut numbers = Numbers(0x5eed);
    for _ in 0..EACH {
        if let Ok(mutant) = String::from_utf8(numbers.mutate(text.as_bytes()))
            && let Some(bytes) = from_hex(&mutant)
        {
            assert_eq!(hex(&bytes), mutant.to_lowercase());
        }
    }
}

/// Whatever is made of evidence, it convicts nobody else.
#[test]
fn evidence() {
    let keys = ValidatorKeys::new(key());
    let address = Address(keys.consensus().to_bytes());
    let chain_bytes = crate::evidence::chain_bytes(chain());
    let signed = |value| {
        let vote = vote(value, address);
        let signature = keys.sign(&vote_preimage(chain_bytes, &vote));
        SignedMessage::new(vote, signature)
    };
    let bytes = encode_evidence(&VoteEvidence(address, (signed(1), signed(2))));
    assert_eq!(verify_evidence(&bytes, chain()), Ok(Culprit::Consensus(keys.consensus())));
    let same = encode_evidence(&VoteEvidence(address, (signed(1), signed(1))));
    verify_evidence(&same, chain()).unwrap_err();
    let mut numbers = Numbers(0x5eed);
    for _ in 0..EACH {
        let mutant = numbers.mutate(&bytes);
        if mutant != bytes {
            verify_evidence(&mutant, chain()).unwrap_err();
        }
    }
}
