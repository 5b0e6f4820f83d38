//! The application under consensus: builds and checks blocks, stores what is decided, and starts
//! heights only when there is something to decide.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use malachite::{
    AppMsg, Channels, NetworkMsg, Reply,
    app::{
        consensus::VoteExtensionError,
        engine::{
            host::{HeightParams, Next, SyncedValueOutcome},
            util::streaming::StreamContent,
        },
        types::{
            LocallyProposedValue, MisbehaviorEvidence, ProposedValue,
            core::{
                CommitCertificate, ExtendedCommitCertificate, Round, Validity, VoteExtensionPolicy,
                VoteExtensions,
            },
            streaming::{StreamId, StreamMessage},
            sync::RawDecidedValue,
        },
    },
};
use tokio_util::sync::CancellationToken;
use zeko_derive::{Reader, Wire, Writer};

use crate::{
    MAX_BLOCK_BYTES, MAX_EXTENSION_BYTES, PART_BYTES,
    attest::AttestJob,
    block::{Block, MAX_ATTESTATIONS, MAX_ENTRIES, SignedAttestation, block_id},
    codec::{commit, put_announcement, put_commit, put_start},
    context::{
        Address, Announcement, BlockId, DaContext, Height, Part, PartStart, ValidatorSet, Value,
        VoteExtension,
    },
    crash,
    error::DaError,
    events::DaEvent,
    evidence::{ProposalEvidence, VoteEvidence, encode_evidence},
    executor::Look,
    keys::{ConsensusKey, ConsensusSignature},
    node::Shared,
    signing::{ANNOUNCEMENT, PART, preimage},
    store::EntryMeta,
};

/// A block under way.
struct Stream {
    start: PartStart,
    bytes: Vec<u8>,
    next: u64,
}

/// The application.
pub(crate) struct App {
    shared: Arc<Shared>,
    validators: ValidatorSet,
    address: Option<Address>,
    streams: BTreeMap<(Vec<u8>, Vec<u8>), Stream>,
    /// Values of the present height, for a restarted round.
    proposed: BTreeMap<(Height, u32), Vec<ProposedValue<DaContext>>>,
    decided: Height,
    /// The next height starts when this is answered.
    hold: Option<Reply<Next<DaContext>>>,
    /// The greatest height that another validator says it has decided.
    seen: Height,
    /// The greatest height that was decided when another validator had something to decide.
    called: Option<Height>,
    sequence: u64,
}

impl App {
    pub(crate) fn new(shared: Arc<Shared>) -> Result<Self, DaError> {
        let decided = shared.store.tip()?;
        let address = shared.keys.as_ref().map(|keys| Address(keys.consensus().to_bytes()));
        Ok(Self {
            validators: shared.genesis.validator_set(),
            address: address.filter(|address| shared.genesis.by_address(address).is_some()),
            shared,
            streams: BTreeMap::new(),
            proposed: BTreeMap::new(),
            decided,
            hold: None,
            seen: Height(0),
            called: None,
            sequence: 0,
        })
    }

    /// Answers consensus until it or the node stops.
    ///
    /// # Errors
    /// [`DaError`].
    pub(crate) async fn run(
        mut self,
        mut channels: Channels<DaContext>,
        cancel: CancellationToken,
    ) -> Result<(), DaError> {
        let mut ticker = tokio::time::interval(Duration::from_millis(self.shared.announce_ms));
        ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                message = channels.consensus.recv() => match message {
                    Some(message) => self.handle(message, &channels).await?,
                    None => return Err(DaError::Consensus("its channel closed".into())),
                },
                () = self.shared.wake.notified() => self.woken(&channels, false).await,
                _ = ticker.tick() => self.woken(&channels, true).await,
            }
        }
    }

    fn params(&self) -> HeightParams<DaContext> {
        HeightParams::new(self.validators.clone(), self.shared.timeouts, None)
            .with_vote_extension_policy(VoteExtensionPolicy::Required)
    }

    fn has_work(&self) -> bool {
        !self.shared.pending.is_empty() || !self.shared.mempool().is_empty()
    }

    /// Tells the others, now and then or when there is work, and starts the next height if it is held
    /// back without reason.
    async fn woken(&mut self, channels: &Channels<DaContext>, now_and_then: bool) {
        let work = self.has_work();
        if let (Some(address), true) = (self.address, work || now_and_then) {
            self.announce(address, work, channels).await;
        }
        self.start_if_needed();
    }

    fn start_if_needed(&mut self) {
        // A call from an earlier height has been heard: what it was about has been decided.
        let called = self.called >= Some(self.decided);
        let needed = self.has_work() || called || self.seen > self.decided;
        if needed && let Some(reply) = self.hold.take() {
            let height = Height(self.decided.0 + 1);
            let _ = reply.send(Next::Start(height, self.params()));
        }
    }

    async fn announce(&mut self, validator: Address, work: bool, channels: &Channels<DaContext>) {
        let Some(keys) = &self.shared.keys else { return };
        let unsigned = ConsensusSignature([0; 64]);
        let mut announcement =
            Announcement { validator, tip: self.decided, work, signature: unsigned };
        let bytes = announcement_preimage(self.shared.chain_bytes, &announcement);
        announcement.signature = keys.sign(&bytes);
        let id = StreamId::new(Bytes::copy_from_slice(b"a"));
        self.sequence += 1;
        let content = StreamContent::Data(Part::Announce(announcement));
        publish(channels, StreamMessage::new(id, self.sequence, content)).await;
    }

    async fn handle(
        &mut self,
        message: AppMsg<DaContext>,
        channels: &Channels<DaContext>,
    ) -> Result<(), DaError> {
        // An answer that nobody waits for any more is no error.
        match message {
            AppMsg::ConsensusReady { reply } => {
                let _ = reply.send((Height(self.decided.0 + 1), self.params()));
            }
            AppMsg::StartedRound { height, round, reply_value, .. } => {
                let at = (height, round.as_u32().unwrap_or(0));
                let _ = reply_value.send(self.proposed.get(&at).cloned().unwrap_or_default());
                self.shared.metrics.height.set(height.0 as i64);
                self.shared.metrics.round.set(round.as_i64());
                self.shared.started.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            AppMsg::GetValue { height, round, reply, .. } => {
                let value = self.propose(height, round, channels).await?;
                let _ = reply.send(value);
            }
            AppMsg::ExtendVote { reply, .. } => {
                let _ = reply.send(Some(self.extension()));
                crash::point("extension.given");
            }
            AppMsg::VerifyVoteExtensions { extensions, reply, .. } => {
                let verdict = |(address, extension): (Address, VoteExtension)| {
                    let valid = attestations_of(&extension).is_some();
                    (address, valid.then_some(()).ok_or(VoteExtensionError::InvalidVoteExtension))
                };
                let _ = reply.send(extensions.into_iter().map(verdict).collect());
            }
            AppMsg::RestreamProposal { height, round, valid_round, address, value_id } => {
                if let Some(bytes) = self.shared.store.undecided(height, &value_id) {
                    self.stream(height, round, valid_round, address, &bytes, channels).await;
                }
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                let _ = reply.send(self.shared.store.base()?);
            }
            AppMsg::ReceivedProposalPart { from, published_by, part, reply } => {
                let publisher = published_by.unwrap_or(from).to_bytes();
                let value = self.part(publisher, part).await?;
                let _ = reply.send(value);
                self.start_if_needed();
            }
            AppMsg::Decided { certificate, extensions, reply } => {
                self.decided(certificate, extensions).await?;
                let _ = reply.send(());
            }
            AppMsg::Finalized { certificate, extensions, evidence, reply } => {
                self.finalized(certificate, extensions, &evidence)?;
                crash::point("finalized");
                self.hold = Some(reply);
                self.shared.forward_pending(Height(self.decided.0 + 1));
                self.start_if_needed();
            }
            AppMsg::GetDecidedValues { range, reply } => {
                let values = self.history(range.start().0, range.end().0).await?;
                let _ = reply.send(values);
            }
            AppMsg::ProcessSyncedValue { height, round, proposer, value_bytes, reply } => {
                let outcome = match self.accept(height, &value_bytes).await? {
                    Some((id, validity)) => SyncedValueOutcome::Verdict(ProposedValue {
                        height,
                        round,
                        valid_round: Round::Nil,
                        proposer,
                        value: Value(id),
                        validity,
                    }),
                    None => SyncedValueOutcome::PeerFault,
                };
                let _ = reply.send(outcome);
            }
        }
        Ok(())
    }

    async fn propose(
        &mut self,
        height: Height,
        round: Round,
        channels: &Channels<DaContext>,
    ) -> Result<LocallyProposedValue<DaContext>, DaError> {
        // A validator that restarted in a round proposes what it did before.
        let at = (height, round.as_u32().unwrap_or(0));
        let earlier = self.proposed.get(&at).and_then(|values| values.first()).cloned();
        let proposer = self.address.unwrap_or(Address([0; 32]));
        let bytes = match earlier
            .and_then(|value| self.shared.store.undecided(height, &value.value.0))
        {
            Some(bytes) => bytes,
            None => {
                let attestations = self.shared.pending.all(MAX_ATTESTATIONS);
                let room = MAX_BLOCK_BYTES - 1024 - attestations.len() * SignedAttestation::LEN;
                let entries = self.shared.mempool().select(room, MAX_ENTRIES);
                let block = Block { height, proposer, attestations, entries };
                let bytes = block.to_bytes();
                let id = block_id(&bytes);
                let store = self.shared.store.clone();
                blocking(move || store.put_undecided(height, &id, &bytes).map(|()| bytes)).await?
            }
        };
        let value = Value(block_id(&bytes));
        self.stream(height, round, Round::Nil, proposer, &bytes, channels).await;
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

    async fn stream(
        &mut self,
        height: Height,
        round: Round,
        pol_round: Round,
        proposer: Address,
        bytes: &[u8],
        channels: &Channels<DaContext>,
    ) {
        let Some(keys) = &self.shared.keys else { return };
        let mut start = PartStart {
            height,
            round,
            pol_round,
            // A block is streamed again by whoever has it, in its own name.
            proposer: self.address.unwrap_or(proposer),
            id: block_id(bytes),
            length: bytes.len() as u32,
            signature: ConsensusSignature([0; 64]),
        };
        let publisher = &self.shared.peer_id;
        start.signature = keys.sign(&start_preimage(self.shared.chain_bytes, &start, publisher));
        let mut id = Writer::new();
        id.put(&height).put(&(round.as_i64() as u64)).put(&start.proposer);
        let id = StreamId::new(id.into_bytes().into());
        let data = bytes.chunks(PART_BYTES).map(|bytes| Part::Data(Bytes::copy_from_slice(bytes)));
        let parts = std::iter::once(Part::Start(start)).chain(data).map(StreamContent::Data);
        for (content, sequence) in parts.chain([StreamContent::Fin]).zip(0..) {
            publish(channels, StreamMessage::new(id.clone(), sequence, content)).await;
        }
    }

    /// What we attest, for a vote.
    fn extension(&self) -> VoteExtension {
        let own = self.shared.pending.own(MAX_EXTENSION_BYTES / SignedAttestation::LEN - 1);
        let mut w = Writer::new();
        w.list(&own);
        VoteExtension(w.into_bytes().into())
    }

    /// Takes a part; the value, if it completes one.
    async fn part(
        &mut self,
        publisher: Vec<u8>,
        message: StreamMessage<Part>,
    ) -> Result<Option<ProposedValue<DaContext>>, DaError> {
        let key = (publisher, message.stream_id.to_bytes().to_vec());
        match message.content {
            StreamContent::Data(Part::Announce(announcement)) => self.announced(&announcement),
            StreamContent::Data(Part::Start(start)) => {
                if message.sequence == 0 && self.opens(&start, &key.0) {
                    let stream = Stream { start, bytes: Vec::new(), next: 1 };
                    self.streams.insert(key, stream);
                }
            }
            StreamContent::Data(Part::Data(bytes)) => {
                let Some(stream) = self.streams.get_mut(&key) else { return Ok(None) };
                let fits = stream.bytes.len() + bytes.len() <= stream.start.length as usize;
                if message.sequence == stream.next && fits {
                    stream.bytes.extend_from_slice(&bytes);
                    stream.next += 1;
                } else if message.sequence >= stream.next {
                    // Parts of one sender come in order; after a loss, synchronisation helps.
                    self.streams.remove(&key);
                }
            }
            StreamContent::Fin => {
                let Some(stream) = self.streams.remove(&key) else { return Ok(None) };
                return self.complete(stream).await;
            }
        }
        Ok(None)
    }

    /// Whether a block may be streamed: by a validator, signed for this publisher, for the height
    /// that is next. Each validator has one stream at most, so memory is bounded by the committee's
    /// size.
    fn opens(&mut self, start: &PartStart, publisher: &[u8]) -> bool {
        let near = start.height > self.decided && start.height.0 <= self.decided.0 + 2;
        let signed = key_of(&self.shared, &start.proposer).is_some_and(|key| {
            let message = start_preimage(self.shared.chain_bytes, start, publisher);
            key.accepts(&message, &start.signature)
        });
        let opens = near && signed && start.length as usize <= MAX_BLOCK_BYTES;
        if opens {
            self.streams.retain(|_, stream| stream.start.proposer != start.proposer);
            self.seen = self.seen.max(Height(start.height.0 - 1));
            self.called = self.called.max(Some(Height(start.height.0 - 1)));
        }
        opens
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
        stream: Stream,
    ) -> Result<Option<ProposedValue<DaContext>>, DaError> {
        let Stream { start, bytes, .. } = stream;
        if bytes.len() != start.length as usize || block_id(&bytes) != start.id {
            return Ok(None);
        }
        let Some((id, validity)) = self.accept(start.height, &bytes).await? else {
            return Ok(None);
        };
        // The proposer is whose turn it is, also if another validator streams the block again.
        let round = if start.pol_round == Round::Nil { start.round } else { start.pol_round };
        let turn = self.validators.proposer(start.height, round);
        let value = ProposedValue {
            height: start.height,
            round: start.round,
            valid_round: start.pol_round,
            proposer: *malachite::app::types::core::Validator::address(turn),
            value: Value(id),
            validity,
        };
        self.keep_proposed(value.clone());
        Ok(Some(value))
    }

    /// Checks and keeps a block; `None` if it is none.
    async fn accept(
        &self,
        height: Height,
        bytes: &[u8],
    ) -> Result<Option<(BlockId, Validity)>, DaError> {
        let id = block_id(bytes);
        let Ok(block) = Block::decode(bytes) else { return Ok(None) };
        let (shared, bytes) = (self.shared.clone(), bytes.to_vec());
        let validity = blocking(move || {
            let quota = shared.genesis.sender_quota;
            match block.check(height, shared.chain, quota) {
                Ok(()) => {
                    shared.store.put_undecided(height, &id, &bytes)?;
                    Ok(Validity::Valid)
                }
                Err(error) => {
                    tracing::warn!(%height, %error, "proposal refused");
                    Ok(Validity::Invalid)
                }
            }
        })
        .await?;
        Ok(Some((id, validity)))
    }

    async fn decided(
        &mut self,
        certificate: CommitCertificate<DaContext>,
        extensions: VoteExtensions<DaContext>,
    ) -> Result<(), DaError> {
        let (height, id) = (certificate.height, certificate.value_id);
        self.received(&extensions);
        let bytes = commit_bytes(certificate, extensions);
        let store = self.shared.store.clone();
        let stored = blocking(move || store.decide(height, &id, &bytes)).await?;
        self.decided = height;
        self.shared.metrics.decided(&stored);
        let keys = stored.entries.iter().map(EntryMeta::key);
        self.shared.mempool().remove(keys);
        self.streams.retain(|_, stream| stream.start.height > height);
        self.proposed.retain(|(at, _), _| *at > height);
        // If a thread is gone, the node is about to stop for that reason.
        let _ = self.shared.attestor.send(AttestJob::Decided(height));
        let _ = self.shared.executor.send(Look);
        self.shared.events.send(DaEvent::Decided { height });
        if self.shared.storage.retention > 0 && height.0 % 64 == 0 {
            let (store, keep) = (self.shared.store.clone(), self.shared.storage.retention);
            blocking(move || store.prune(keep)).await?;
        }
        Ok(())
    }

    fn received(&self, extensions: &VoteExtensions<DaContext>) {
        let attestations: Vec<_> = extensions
            .extensions
            .iter()
            .filter_map(|(_, extension)| attestations_of(&extension.message))
            .flatten()
            .collect();
        if !attestations.is_empty() {
            let _ = self.shared.attestor.send(AttestJob::Received(attestations));
        }
    }

    fn finalized(
        &mut self,
        certificate: CommitCertificate<DaContext>,
        extensions: VoteExtensions<DaContext>,
        evidence: &MisbehaviorEvidence<DaContext>,
    ) -> Result<(), DaError> {
        self.received(&extensions);
        let height = certificate.height;
        self.shared.store.put_commit(height, &commit_bytes(certificate, extensions))?;
        for (address, pairs) in evidence.votes.iter() {
            for pair in pairs {
                let new = encode_evidence(&VoteEvidence(*address, pair.clone()));
                self.keep_evidence(address, &new)?;
            }
        }
        for (address, pairs) in evidence.proposals.iter() {
            for pair in pairs {
                let new = encode_evidence(&ProposalEvidence(*address, pair.clone()));
                self.keep_evidence(address, &new)?;
            }
        }
        Ok(())
    }

    fn keep_evidence(&self, address: &Address, evidence: &[u8]) -> Result<(), DaError> {
        if self.shared.store.put_evidence(evidence)? {
            tracing::warn!(validator = %address, "equivocation");
            self.shared.metrics.evidence.inc();
        }
        Ok(())
    }

    async fn history(
        &self,
        first: u64,
        last: u64,
    ) -> Result<Vec<RawDecidedValue<DaContext>>, DaError> {
        let shared = self.shared.clone();
        blocking(move || {
            let mut values = Vec::new();
            for height in (first..=last).take(64).map(Height) {
                let Some(stored) = shared.store.stored(height)? else { break };
                let bytes = match shared.store.read(height, 0, stored.length) {
                    Ok(Some(bytes)) => bytes,
                    Ok(None) => break,
                    Err(crate::store::ReadError::Chunk { height, chunk }) => {
                        let _ = shared.repair.send((height, chunk));
                        break;
                    }
                    Err(crate::store::ReadError::Da(error)) => return Err(error),
                };
                let Some(certificate) = shared.store.commit(height)? else { break };
                let certificate = commit(&mut Reader::new(&certificate))
                    .map_err(|error| DaError::damaged("commit certificate", error))?;
                values.push(RawDecidedValue::new(bytes.into(), certificate));
            }
            Ok(values)
        })
        .await
    }
}

fn key_of(shared: &Shared, address: &Address) -> Option<ConsensusKey> {
    shared.genesis.by_address(address).map(|validator| validator.consensus_key)
}

fn start_preimage(chain: [u8; 32], start: &PartStart, publisher: &[u8]) -> Vec<u8> {
    preimage(chain, PART, |w| {
        put_start(start, w);
        w.string(publisher);
    })
}

fn announcement_preimage(chain: [u8; 32], announcement: &Announcement) -> Vec<u8> {
    preimage(chain, ANNOUNCEMENT, |w| put_announcement(announcement, w))
}

fn commit_bytes(
    certificate: CommitCertificate<DaContext>,
    extensions: VoteExtensions<DaContext>,
) -> Vec<u8> {
    let extended =
        ExtendedCommitCertificate::from_commit_certificate_and_extensions(certificate, extensions);
    let mut w = Writer::new();
    put_commit(&extended, &mut w);
    w.into_bytes()
}

/// The attestations in an extension; `None` if it is none.
fn attestations_of(extension: &VoteExtension) -> Option<Vec<SignedAttestation>> {
    let mut r = Reader::new(&extension.0);
    let max = MAX_EXTENSION_BYTES / SignedAttestation::LEN;
    let attestations = r.list(max, "attestations").ok()?;
    r.finish().ok()?;
    Some(attestations)
}

async fn publish(channels: &Channels<DaContext>, message: StreamMessage<Part>) {
    // If the network is gone, so is the engine, and with it the node.
    let _ = channels.network.send(NetworkMsg::PublishProposalPart(message)).await;
}

/// Runs something that waits for the disk or computes for long.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DaError> + Send + 'static,
) -> Result<T, DaError> {
    let result = tokio::task::spawn_blocking(work).await;
    result.map_err(|error| DaError::Task { task: "storage", reason: error.to_string() })?
}
