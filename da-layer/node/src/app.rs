//! The application under consensus: builds and checks blocks, stores what is decided, and starts
//! heights only when there is something to decide.

mod decisions;
mod proposals;

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
            ProposedValue,
            core::{Round, VoteExtensionPolicy},
            streaming::{StreamId, StreamMessage},
        },
    },
};
use tokio_util::sync::CancellationToken;
use zeko_derive::{Reader, Writer};

use crate::{
    MAX_EXTENSION_BYTES,
    assembly::Assembly,
    block::{SignedAttestation, block_id},
    codec::put_announcement,
    context::{Address, Announcement, DaContext, Height, Part, ValidatorSet, Value, VoteExtension},
    crash,
    error::DaError,
    keys::{ConsensusKey, ConsensusSignature},
    node::Shared,
    signing::{ANNOUNCEMENT, preimage},
};

/// The application.
pub(crate) struct App {
    shared: Arc<Shared>,
    validators: ValidatorSet,
    address: Option<Address>,
    assembly: Assembly,
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
            assembly: Assembly::default(),
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
                    let (rounds, block) = ((round, valid_round), (value_id, bytes.into()));
                    self.stream(height, rounds, address, block, channels).await;
                }
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                let _ = reply.send(self.shared.store.base()?);
            }
            AppMsg::ReceivedProposalPart { from, published_by, part, reply } => {
                let publisher = published_by.unwrap_or(from).to_bytes();
                let value = self.part(&publisher, part).await?;
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
                let id = block_id(&value_bytes);
                let outcome = match self.accept(height, id, value_bytes, false).await? {
                    Some(validity) => SyncedValueOutcome::Verdict(ProposedValue {
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

    /// What we attest, for a vote.
    fn extension(&self) -> VoteExtension {
        let own = self.shared.pending.own(MAX_EXTENSION_BYTES / SignedAttestation::LEN - 1);
        let mut w = Writer::new();
        w.list(&own);
        VoteExtension(w.into_bytes().into())
    }
}

fn key_of(shared: &Shared, address: &Address) -> Option<ConsensusKey> {
    shared.genesis.by_address(address).map(|validator| validator.consensus_key)
}

fn announcement_preimage(chain: [u8; 32], announcement: &Announcement) -> Vec<u8> {
    preimage(chain, ANNOUNCEMENT, |w| put_announcement(announcement, w))
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
