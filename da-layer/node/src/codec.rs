//! The bytes of consensus messages, on the network and in the write-ahead log.

use std::ops::RangeInclusive;

use bytes::Bytes;
use malachite::app::{
    consensus::{LivenessMsg, ProposedValue, SignedConsensusMsg},
    engine::util::streaming::StreamContent,
    types::{
        PeerId,
        codec::{Codec, HasEncodedLen},
        core::{
            ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal, PolkaCertificate,
            PolkaSignature, Round, RoundCertificate, RoundCertificateType, RoundSignature,
            SignedMessage, ValidatorProof, Validity, VoteType,
        },
        streaming::{StreamId, StreamMessage},
        sync::{RawDecidedValue, Request, Response, Status},
    },
};
use malachite_sync::{ValueRequest, ValueResponse};
use zeko_derive::{DecodeError, Reader, Wire, Writer};

use crate::{
    MAX_BLOCK_BYTES, MAX_EXTENSION_BYTES,
    context::{
        Address, Announcement, BlockId, DaContext, Height, Part, PartHeader, Proposal, Value, Vote,
        VoteExtension,
    },
    keys::ConsensusSignature,
};

type Result<T> = std::result::Result<T, DecodeError>;

/// Most signatures in a certificate: the committee's size.
const MAX_SIGNATURES: usize = 16;

/// The codec of all messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DaCodec;

macro_rules! wires {
    ($($name:ident($inner:ty)),*) => {$(
        impl Wire for $name {
            fn write(&self, w: &mut Writer) {
                w.put(&self.0);
            }

            fn read(r: &mut Reader<'_>) -> Result<Self> {
                r.get::<$inner>().map(Self)
            }
        }
    )*};
}
wires!(Height(u64), Address([u8; 32]), BlockId([u8; 32]), Value(BlockId));

impl Wire for ConsensusSignature {
    fn write(&self, w: &mut Writer) {
        w.raw(&self.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self> {
        let what = "signature";
        r.raw(64, what)?.try_into().map(Self).map_err(|_| DecodeError::End { what })
    }
}

impl Wire for VoteExtension {
    fn write(&self, w: &mut Writer) {
        w.string(&self.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self> {
        let bytes = r.string(MAX_EXTENSION_BYTES, "vote extension")?;
        Ok(Self(Bytes::copy_from_slice(bytes)))
    }
}

fn put_round(round: Round, w: &mut Writer) {
    w.put(&round.as_u32().unwrap_or(u32::MAX));
}

fn round(r: &mut Reader<'_>) -> Result<Round> {
    Ok(match r.get()? {
        u32::MAX => Round::Nil,
        round => Round::new(round),
    })
}

fn put_option<T>(x: Option<&T>, w: &mut Writer, put: impl FnOnce(&T, &mut Writer)) {
    w.put(&x.is_some());
    if let Some(x) = x {
        put(x, w);
    }
}

fn option<T>(
    r: &mut Reader<'_>,
    get: impl FnOnce(&mut Reader<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if r.get()? { get(r).map(Some) } else { Ok(None) }
}

fn put_nil_or(value: &NilOrVal<BlockId>, w: &mut Writer) {
    let value = match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(id) => Some(id),
    };
    put_option(value, w, |id, w| id.write(w));
}

fn nil_or(r: &mut Reader<'_>) -> Result<NilOrVal<BlockId>> {
    Ok(option(r, Wire::read)?.map_or(NilOrVal::Nil, NilOrVal::Val))
}

fn put_kind(kind: VoteType, w: &mut Writer) {
    w.put(&(kind == VoteType::Precommit));
}

fn kind(r: &mut Reader<'_>) -> Result<VoteType> {
    Ok(if r.get()? { VoteType::Precommit } else { VoteType::Prevote })
}

type SignedExtension = SignedMessage<DaContext, VoteExtension>;

fn put_extension(extension: &SignedExtension, w: &mut Writer) {
    w.put(&extension.message).put(&extension.signature);
}

fn extension(r: &mut Reader<'_>) -> Result<SignedExtension> {
    Ok(SignedMessage::new(r.get()?, r.get()?))
}

pub(crate) fn put_vote(vote: &Vote, w: &mut Writer) {
    put_kind(vote.kind, w);
    w.put(&vote.height);
    put_round(vote.round, w);
    put_nil_or(&vote.value, w);
    w.put(&vote.address);
    put_option(vote.extension.as_ref(), w, put_extension);
}

pub(crate) fn vote(r: &mut Reader<'_>) -> Result<Vote> {
    Ok(Vote {
        kind: kind(r)?,
        height: r.get()?,
        round: round(r)?,
        value: nil_or(r)?,
        address: r.get()?,
        extension: option(r, extension)?,
    })
}

pub(crate) fn put_proposal(proposal: &Proposal, w: &mut Writer) {
    w.put(&proposal.height);
    put_round(proposal.round, w);
    w.put(&proposal.value);
    put_round(proposal.pol_round, w);
    w.put(&proposal.address);
}

pub(crate) fn proposal(r: &mut Reader<'_>) -> Result<Proposal> {
    Ok(Proposal {
        height: r.get()?,
        round: round(r)?,
        value: r.get()?,
        pol_round: round(r)?,
        address: r.get()?,
    })
}

fn put_consensus(message: &SignedConsensusMsg<DaContext>, w: &mut Writer) {
    match message {
        SignedConsensusMsg::Vote(vote) => {
            w.put(&1u8);
            put_vote(&vote.message, w);
            w.put(&vote.signature);
        }
        SignedConsensusMsg::Proposal(proposal) => {
            w.put(&2u8);
            put_proposal(&proposal.message, w);
            w.put(&proposal.signature);
        }
    }
}

fn consensus(r: &mut Reader<'_>) -> Result<SignedConsensusMsg<DaContext>> {
    match r.get::<u8>()? {
        1 => Ok(SignedConsensusMsg::Vote(SignedMessage::new(vote(r)?, r.get()?))),
        2 => Ok(SignedConsensusMsg::Proposal(SignedMessage::new(proposal(r)?, r.get()?))),
        _ => Err(DecodeError::Value { what: "consensus message" }),
    }
}

fn put_polka(certificate: &PolkaCertificate<DaContext>, w: &mut Writer) {
    w.put(&certificate.height);
    put_round(certificate.round, w);
    w.put(&certificate.value_id).put(&(certificate.polka_signatures.len() as u32));
    for signature in &certificate.polka_signatures {
        w.put(&signature.address).put(&signature.signature);
    }
}

fn several<T>(r: &mut Reader<'_>, get: impl Fn(&mut Reader<'_>) -> Result<T>) -> Result<Vec<T>> {
    let got = r.get::<u32>()? as usize;
    if got > MAX_SIGNATURES {
        let what = "signatures";
        return Err(DecodeError::TooLarge { what, expected: MAX_SIGNATURES, got });
    }
    (0..got).map(|_| get(r)).collect()
}

fn polka(r: &mut Reader<'_>) -> Result<PolkaCertificate<DaContext>> {
    Ok(PolkaCertificate {
        height: r.get()?,
        round: round(r)?,
        value_id: r.get()?,
        polka_signatures: several(r, |r| Ok(PolkaSignature::new(r.get()?, r.get()?)))?,
    })
}

fn put_round_certificate(certificate: &RoundCertificate<DaContext>, w: &mut Writer) {
    w.put(&certificate.height);
    put_round(certificate.round, w);
    w.put(&matches!(certificate.cert_type, RoundCertificateType::Precommit));
    w.put(&(certificate.round_signatures.len() as u32));
    for signature in &certificate.round_signatures {
        put_kind(signature.vote_type, w);
        put_nil_or(&signature.value_id, w);
        w.put(&signature.address).put(&signature.signature);
    }
}

fn round_certificate(r: &mut Reader<'_>) -> Result<RoundCertificate<DaContext>> {
    Ok(RoundCertificate {
        height: r.get()?,
        round: round(r)?,
        cert_type: if r.get()? {
            RoundCertificateType::Precommit
        } else {
            RoundCertificateType::Skip
        },
        round_signatures: several(r, |r| {
            Ok(RoundSignature::new(kind(r)?, nil_or(r)?, r.get()?, r.get()?))
        })?,
    })
}

/// A commit certificate with its extensions, as stored and as synchronised.
pub(crate) fn put_commit(certificate: &ExtendedCommitCertificate<DaContext>, w: &mut Writer) {
    w.put(&certificate.height);
    put_round(certificate.round, w);
    w.put(&certificate.value_id).put(&(certificate.commit_signatures.len() as u32));
    for signature in &certificate.commit_signatures {
        w.put(&signature.address).put(&signature.signature);
        put_option(signature.extension.as_ref(), w, put_extension);
    }
}

pub(crate) fn commit(r: &mut Reader<'_>) -> Result<ExtendedCommitCertificate<DaContext>> {
    Ok(ExtendedCommitCertificate {
        height: r.get()?,
        round: round(r)?,
        value_id: r.get()?,
        commit_signatures: several(r, |r| {
            Ok(ExtendedCommitSignature::new(r.get()?, r.get()?, option(r, extension)?))
        })?,
    })
}

pub(crate) fn put_header(header: &PartHeader, w: &mut Writer) {
    w.put(&header.height);
    put_round(header.round, w);
    put_round(header.pol_round, w);
    w.put(&header.proposer).put(&header.id).put(&header.length);
}

pub(crate) fn put_announcement(announcement: &Announcement, w: &mut Writer) {
    w.put(&announcement.validator).put(&announcement.tip).put(&announcement.work);
}

fn put_part(part: &Part, w: &mut Writer) {
    match part {
        Part::Block { header, index, bytes } => {
            w.put(&1u8);
            put_header(header, w);
            w.put(&header.signature).put(index).string(bytes);
        }
        Part::Announce(announcement) => {
            w.put(&2u8);
            put_announcement(announcement, w);
            w.put(&announcement.signature);
        }
    }
}

fn part(r: &mut Reader<'_>) -> Result<Part> {
    Ok(match r.get::<u8>()? {
        1 => Part::Block {
            header: PartHeader {
                height: r.get()?,
                round: round(r)?,
                pol_round: round(r)?,
                proposer: r.get()?,
                id: r.get()?,
                length: r.get()?,
                signature: r.get()?,
            },
            index: r.get()?,
            bytes: Bytes::copy_from_slice(r.string(crate::PART_BYTES, "part")?),
        },
        2 => Part::Announce(Announcement {
            validator: r.get()?,
            tip: r.get()?,
            work: r.get()?,
            signature: r.get()?,
        }),
        _ => return Err(DecodeError::Value { what: "proposal part" }),
    })
}

fn put_stream(message: &StreamMessage<Part>, w: &mut Writer) {
    w.string(&message.stream_id.to_bytes()).put(&message.sequence);
    put_option(message.content.as_data(), w, put_part);
}

fn stream(r: &mut Reader<'_>) -> Result<StreamMessage<Part>> {
    let id = StreamId::new(Bytes::copy_from_slice(r.string(64, "stream")?));
    let sequence = r.get()?;
    let content = option(r, part)?.map_or(StreamContent::Fin, StreamContent::Data);
    Ok(StreamMessage::new(id, sequence, content))
}

fn put_liveness(message: &LivenessMsg<DaContext>, w: &mut Writer) {
    match message {
        LivenessMsg::Vote(vote) => {
            w.put(&1u8);
            put_vote(&vote.message, w);
            w.put(&vote.signature);
        }
        LivenessMsg::PolkaCertificate(certificate) => {
            w.put(&2u8);
            put_polka(certificate, w);
        }
        LivenessMsg::SkipRoundCertificate(certificate) => {
            w.put(&3u8);
            put_round_certificate(certificate, w);
        }
    }
}

fn liveness(r: &mut Reader<'_>) -> Result<LivenessMsg<DaContext>> {
    match r.get::<u8>()? {
        1 => Ok(LivenessMsg::Vote(SignedMessage::new(vote(r)?, r.get()?))),
        2 => polka(r).map(LivenessMsg::PolkaCertificate),
        3 => round_certificate(r).map(LivenessMsg::SkipRoundCertificate),
        _ => Err(DecodeError::Value { what: "liveness message" }),
    }
}

fn put_proof(proof: &ValidatorProof<DaContext>, w: &mut Writer) {
    w.string(&proof.public_key).string(&proof.peer_id).put(&proof.signature);
}

fn proof(r: &mut Reader<'_>) -> Result<ValidatorProof<DaContext>> {
    let public_key = r.string(32, "key")?.to_vec();
    let peer_id = r.string(128, "peer id")?.to_vec();
    Ok(ValidatorProof::new(public_key, peer_id, r.get()?))
}

fn put_proposed(value: &ProposedValue<DaContext>, w: &mut Writer) {
    w.put(&value.height);
    put_round(value.round, w);
    put_round(value.valid_round, w);
    w.put(&value.proposer).put(&value.value).put(&value.validity.is_valid());
}

fn proposed(r: &mut Reader<'_>) -> Result<ProposedValue<DaContext>> {
    Ok(ProposedValue {
        height: r.get()?,
        round: round(r)?,
        valid_round: round(r)?,
        proposer: r.get()?,
        value: r.get()?,
        validity: Validity::from_bool(r.get()?),
    })
}

fn put_status(status: &Status<DaContext>, w: &mut Writer) {
    w.string(&status.peer_id.to_bytes()).put(&status.tip_height).put(&status.history_min_height);
}

fn status(r: &mut Reader<'_>) -> Result<Status<DaContext>> {
    let peer_id = PeerId::from_bytes(r.string(128, "peer id")?)
        .map_err(|_| DecodeError::Value { what: "peer id" })?;
    Ok(Status { peer_id, tip_height: r.get()?, history_min_height: r.get()? })
}

fn put_request(Request::ValueRequest(request): &Request<DaContext>, w: &mut Writer) {
    w.put(request.range.start()).put(request.range.end());
}

fn request(r: &mut Reader<'_>) -> Result<Request<DaContext>> {
    let range: RangeInclusive<Height> = r.get()?..=r.get()?;
    Ok(Request::ValueRequest(ValueRequest::new(range)))
}

fn put_response(Response::ValueResponse(response): &Response<DaContext>, w: &mut Writer) {
    w.put(&response.start_height).put(&(response.values.len() as u32));
    for value in &response.values {
        w.string(&value.value_bytes);
        put_commit(&value.certificate, w);
    }
}

fn response(r: &mut Reader<'_>) -> Result<Response<DaContext>> {
    let start = r.get()?;
    let values = several(r, |r| {
        let bytes = Bytes::copy_from_slice(r.string(MAX_BLOCK_BYTES, "block")?);
        Ok(RawDecidedValue::new(bytes, commit(r)?))
    })?;
    Ok(Response::ValueResponse(ValueResponse::new(start, values)))
}

macro_rules! codecs {
    ($($name:ty: $put:ident, $get:ident;)*) => {$(
        impl Codec<$name> for DaCodec {
            type Error = DecodeError;

            fn decode(&self, bytes: Bytes) -> Result<$name> {
                let mut r = Reader::new(&bytes);
                let value = $get(&mut r)?;
                r.finish()?;
                Ok(value)
            }

            fn encode(&self, value: &$name) -> Result<Bytes> {
                let mut w = Writer::new();
                $put(value, &mut w);
                Ok(w.into_bytes().into())
            }
        }
    )*};
}

codecs! {
    Part: put_part, part;
    SignedConsensusMsg<DaContext>: put_consensus, consensus;
    LivenessMsg<DaContext>: put_liveness, liveness;
    StreamMessage<Part>: put_stream, stream;
    ValidatorProof<DaContext>: put_proof, proof;
    ProposedValue<DaContext>: put_proposed, proposed;
    PolkaCertificate<DaContext>: put_polka, polka;
    Status<DaContext>: put_status, status;
    Request<DaContext>: put_request, request;
    Response<DaContext>: put_response, response;
}

impl HasEncodedLen<Response<DaContext>> for DaCodec {
    fn encoded_len(&self, response: &Response<DaContext>) -> Result<usize> {
        self.encode(response).map(|bytes| bytes.len())
    }
}
