//! Blocks after their decision: storing them, and serving them to those behind.

use malachite::app::types::{
    MisbehaviorEvidence,
    core::{CommitCertificate, ExtendedCommitCertificate, VoteExtensions},
    sync::RawDecidedValue,
};
use zeko_derive::{Reader, Writer};

use super::{App, attestations_of, blocking};
use crate::{
    attest::AttestJob,
    codec::{commit, put_commit},
    context::{Address, DaContext, Height},
    error::DaError,
    events::DaEvent,
    evidence::{ProposalEvidence, VoteEvidence, encode_evidence},
    executor::Look,
    store::EntryMeta,
};

impl App {
    pub(super) async fn decided(
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
        self.assembly.decided(height);
        self.proposed.retain(|(at, _), _| *at > height);
        // If a thread is gone, the node is about to stop for that reason.
        let _ = self.shared.attestor.send(AttestJob::Decided);
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

    pub(super) fn finalized(
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

    pub(super) async fn history(
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
