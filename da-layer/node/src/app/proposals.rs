//! Blocks before their decision: ours, and those that come in parts.

use bytes::Bytes;
use malachite::{
    Channels,
    app::{
        engine::util::streaming::StreamContent,
        types::{
            LocallyProposedValue, ProposedValue,
            core::{Round, Validity},
            streaming::{StreamId, StreamMessage},
        },
    },
};
use zeko_derive::{Wire, Writer};

use super::{App, announcement_preimage, blocking, key_of, publish};
use crate::{
    MAX_BLOCK_BYTES, PART_BYTES,
    block::{Block, BlockError, MAX_ATTESTATIONS, SignedAttestation, block_id},
    codec::put_header,
    context::{Address, Announcement, BlockId, DaContext, Height, Part, PartHeader, Value},
    error::DaError,
    keys::ConsensusSignature,
    signing::{PART, preimage},
};

impl App {
    pub(super) async fn propose(
        &mut self,
        height: Height,
        round: Round,
        channels: &Channels<DaContext>,
    ) -> Result<LocallyProposedValue<DaContext>, DaError> {
        // A validator that restarted in a round proposes what it did before.
        let at = (height, round.as_u32().unwrap_or(0));
        let earlier = self.proposed.get(&at).and_then(|values| values.first()).cloned();
        let proposer = self.address.unwrap_or(Address([0; 32]));
        let earlier = earlier.and_then(|value| {
            let id = value.value.0;
            self.shared.store.undecided(height, &id).map(|bytes| (id, bytes))
        });
        let (id, bytes) = match earlier {
            Some(earlier) => earlier,
            None => {
                let attestations = self.shared.pending.all(MAX_ATTESTATIONS);
                let room = MAX_BLOCK_BYTES - 1024 - attestations.len() * SignedAttestation::LEN;
                let entries = self.shared.mempool().select(height, &self.shared.store, room)?;
                let block = Block { height, proposer, attestations, entries };
                let bytes = block.to_bytes();
                let id = block_id(&bytes);
                let store = self.shared.store.clone();
                blocking(move || store.put_undecided(height, &id, &bytes).map(|()| (id, bytes)))
                    .await?
            }
        };
        let value = Value(id);
        self.stream(height, (round, Round::Nil), proposer, (id, bytes.into()), channels).await;
        self.keep_proposed(ProposedValue {
            height,
            round,
            valid_round: Round::Nil,
            proposer,
            value,
            validity: Validity::Valid,
        });
        Ok(LocallyProposedValue::new(height, round, value))
    }

    fn keep_proposed(&mut self, value: ProposedValue<DaContext>) {
        let at = (value.height, value.round.as_u32().unwrap_or(0));
        self.proposed.entry(at).or_default().push(value);
    }

    pub(super) async fn stream(
        &self,
        height: Height,
        (round, pol_round): (Round, Round),
        proposer: Address,
        (block, bytes): (BlockId, Bytes),
        channels: &Channels<DaContext>,
    ) {
        let Some(keys) = &self.shared.keys else { return };
        let mut header = PartHeader {
            height,
            round,
            pol_round,
            // A block is streamed again by whoever has it, in its own name.
            proposer: self.address.unwrap_or(proposer),
            id: block,
            length: bytes.len() as u32,
            signature: ConsensusSignature([0; 64]),
        };
        let publisher = &self.shared.peer_id;
        header.signature = keys.sign(&header_preimage(self.shared.chain_bytes, &header, publisher));
        let mut id = Writer::new();
        id.put(&height).put(&(round.as_i64() as u64)).put(&header.proposer);
        let id = StreamId::new(id.into_bytes().into());
        for (start, index) in (0..bytes.len()).step_by(PART_BYTES).zip(0..) {
            let bytes = bytes.slice(start..bytes.len().min(start + PART_BYTES));
            let part = Part::Block { header, index, bytes };
            let content = StreamContent::Data(part);
            publish(channels, StreamMessage::new(id.clone(), index.into(), content)).await;
        }
    }

    /// Takes a part; the value, if it completes one.
    pub(super) async fn part(
        &mut self,
        publisher: &[u8],
        message: StreamMessage<Part>,
    ) -> Result<Option<ProposedValue<DaContext>>, DaError> {
        match message.content {
            StreamContent::Data(Part::Announce(announcement)) => self.announced(&announcement),
            StreamContent::Data(Part::Block { header, index, bytes }) => {
                if self.expects(&header, publisher)
                    && let Some(block) = self.assembly.add(&header, index, &bytes)
                {
                    return self.complete(&header, block).await;
                }
            }
            StreamContent::Fin => {}
        }
        Ok(None)
    }

    /// Whether a part is one of a block that may be next, signed by a validator for this publisher.
    fn expects(&mut self, header: &PartHeader, publisher: &[u8]) -> bool {
        let near = header.height > self.decided && header.height.0 <= self.decided.0 + 2;
        let expected = near
            && key_of(&self.shared, &header.proposer).is_some_and(|key| {
                let message = header_preimage(self.shared.chain_bytes, header, publisher);
                key.accepts(&message, &header.signature)
            });
        if expected {
            let behind = Height(header.height.0 - 1);
            self.seen = self.seen.max(behind);
            self.called = self.called.max(Some(behind));
        }
        expected
    }

    fn announced(&mut self, announcement: &Announcement) {
        let bytes = announcement_preimage(self.shared.chain_bytes, announcement);
        let key = key_of(&self.shared, &announcement.validator);
        if key.is_some_and(|key| key.accepts(&bytes, &announcement.signature)) {
            self.seen = self.seen.max(announcement.tip);
            if announcement.work {
                self.called = self.called.max(Some(announcement.tip));
            }
        }
    }

    async fn complete(
        &mut self,
        header: &PartHeader,
        bytes: Vec<u8>,
    ) -> Result<Option<ProposedValue<DaContext>>, DaError> {
        let (height, id) = (header.height, header.id);
        let Some(validity) = self.accept(height, id, bytes.into(), true).await? else {
            return Ok(None);
        };
        // The proposer is whose turn it is, also if another validator streams the block again.
        let round = if header.pol_round == Round::Nil { header.round } else { header.pol_round };
        let turn = self.validators.proposer(header.height, round);
        let value = ProposedValue {
            height: header.height,
            round: header.round,
            valid_round: header.pol_round,
            proposer: *malachite::app::types::core::Validator::address(turn),
            value: Value(id),
            validity,
        };
        self.keep_proposed(value.clone());
        Ok(Some(value))
    }

    /// Checks and keeps the block of these bytes, whose hash is `id`; `None` if it is none.
    ///
    /// A `new` one must not have entries of earlier blocks. What others have decided is taken as it
    /// is: a node never stops at what more than two thirds have found right. A block that comes when
    /// the one before it is not decided here is held against what is: those who are not behind look
    /// at the rest.
    pub(super) async fn accept(
        &self,
        height: Height,
        id: BlockId,
        bytes: Bytes,
        new: bool,
    ) -> Result<Option<Validity>, DaError> {
        let shared = self.shared.clone();
        blocking(move || {
            let Ok(block) = Block::decode(&bytes) else { return Ok(None) };
            let quota = shared.genesis.sender_quota;
            let mut checked = block.check(height, shared.chain, quota);
            if let (Ok(keys), true) = (&checked, new)
                && let Some(index) = shared.store.first_before(keys, height)?
            {
                checked = Err(BlockError::Repeated { index });
            }
            match checked {
                Ok(_) => {
                    shared.store.put_undecided(height, &id, &bytes)?;
                    Ok(Some(Validity::Valid))
                }
                Err(error) => {
                    tracing::warn!(%height, %error, "proposal refused");
                    Ok(Some(Validity::Invalid))
                }
            }
        })
        .await
    }
}

fn header_preimage(chain: [u8; 32], header: &PartHeader, publisher: &[u8]) -> Vec<u8> {
    preimage(chain, PART, |w| {
        put_header(header, w);
        w.string(publisher);
    })
}
