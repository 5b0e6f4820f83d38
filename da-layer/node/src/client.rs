//! Clients.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use jsonrpsee::{
    core::{
        ClientError as RpcError,
        client::{Subscription, SubscriptionClientT},
    },
    ws_client::{PingConfig, WsClient, WsClientBuilder},
};
use mina_curves::Fp;
use mina_ledger::{
    rollup::{ChainId, Committee, DataCommitment},
    types::PrivateKey,
};
use zeko_derive::{
    Batch, BatchError, Certificate, CertificateError, DecodeError, EntryError, EntryKind, Envelope,
    Expectation, Wire,
};

use crate::{
    api::{CommitteeInfo, DaApiClient, EntryInfo, EntryStatus, Notification, Status},
    keys::hex,
};

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The node, or the way to it. Codes above -32001 ask to try again later.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The node gave something that is not what it should be: ask another one.
    #[error("the node's answer: {0}")]
    Answer(String),
    /// An entry that cannot be sent.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// A batch that cannot be sent.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A certificate that shows nothing.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A batch was refused.
    #[error("refused: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
}

impl From<DecodeError> for ClientError {
    fn from(error: DecodeError) -> Self {
        Self::Answer(error.to_string())
    }
}

/// A client of one node.
#[derive(Debug)]
pub struct DaClient {
    rpc: WsClient,
    chain: ChainId,
}

fn decode<T: Wire>(text: &str) -> Result<T, ClientError> {
    Ok(T::from_bytes(&bytes_of(text)?)?)
}

fn bytes_of(text: &str) -> Result<Vec<u8>, ClientError> {
    BASE64_STANDARD.decode(text).map_err(|error| ClientError::Answer(error.to_string()))
}

impl DaClient {
    /// Connects to the node at `url` (`ws://…`) of the DA chain `chain`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn connect(url: &str, chain: ChainId) -> Result<Self, ClientError> {
        let rpc = WsClientBuilder::default()
            .max_request_size(9 << 20)
            .max_response_size(9 << 20)
            .request_timeout(Duration::from_secs(60))
            .enable_ws_ping(PingConfig::default())
            .build(url)
            .await?;
        Ok(Self { rpc, chain })
    }

    /// Submits an entry; the commitment to its data. When this returns, the node has it on disk.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit(&self, envelope: &Envelope) -> Result<DataCommitment, ClientError> {
        self.rpc.submit(BASE64_STANDARD.encode(envelope.to_bytes())).await?;
        Ok(envelope.commitment())
    }

    /// Submits a blob in a namespace.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit_blob(
        &self,
        namespace: Fp,
        data: Vec<u8>,
        key: &PrivateKey,
    ) -> Result<DataCommitment, ClientError> {
        self.submit(&Envelope::sign(self.chain, EntryKind::Blob, namespace, data, key)?).await
    }

    /// Submits a batch.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit_batch(
        &self,
        batch: &Batch,
        key: &PrivateKey,
    ) -> Result<DataCommitment, ClientError> {
        let namespace = batch.header.chain.field();
        let data = batch.encode()?;
        self.submit(&Envelope::sign(self.chain, EntryKind::Batch, namespace, data, key)?).await
    }

    /// Where an entry stands.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status_of(&self, commitment: DataCommitment) -> Result<EntryStatus, ClientError> {
        Ok(self.rpc.entry_status(hex(&commitment.to_bytes())).await?)
    }

    /// Some data, checked against their commitment.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn data(&self, commitment: DataCommitment) -> Result<Vec<u8>, ClientError> {
        let name = hex(&commitment.to_bytes());
        let entry = self.rpc.entry(name.clone()).await?;
        let entry = entry.ok_or_else(|| ClientError::Answer("no such data".into()))?;
        let mut data = Vec::new();
        while (data.len() as u64) < entry.length {
            let part = bytes_of(&self.rpc.data(name.clone(), data.len() as u64).await?)?;
            if part.is_empty() {
                return Err(ClientError::Answer("the data end too early".into()));
            }
            data.extend_from_slice(&part);
        }
        if DataCommitment::new(&data) == commitment {
            Ok(data)
        } else {
            Err(ClientError::Answer("the data are others".into()))
        }
    }

    /// The signed entry at a place.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn envelope(&self, height: u64, index: u32) -> Result<Envelope, ClientError> {
        let envelope: Envelope = decode(&self.rpc.envelope(height, index).await?)?;
        envelope.verify(self.chain)?;
        Ok(envelope)
    }

    /// Up to `limit` entries of a namespace behind a place.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn namespace(
        &self,
        namespace: Fp,
        after: Option<(u64, u32)>,
        limit: u32,
    ) -> Result<Vec<EntryInfo>, ClientError> {
        Ok(self.rpc.namespace(hex(&namespace.to_bytes()), after, limit).await?)
    }

    /// The certificate of some data, not yet checked.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn certificate(
        &self,
        commitment: DataCommitment,
    ) -> Result<Option<Certificate>, ClientError> {
        let text = self.rpc.certificate(hex(&commitment.to_bytes())).await?;
        text.map(|text| decode(&text)).transpose()
    }

    /// Where the node stands.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        Ok(self.rpc.status().await?)
    }

    /// The committee, as the node says.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn committee(&self) -> Result<CommitteeInfo, ClientError> {
        Ok(self.rpc.committee().await?)
    }

    /// Evidence of equivocation; [`crate::verify_evidence`] checks it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn evidence(&self) -> Result<Vec<Vec<u8>>, ClientError> {
        self.rpc.evidence().await?.iter().map(|text| bytes_of(text)).collect()
    }

    /// Everything that happens from now on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn subscribe(&self) -> Result<Subscription<Notification>, ClientError> {
        let none = jsonrpsee::rpc_params![];
        Ok(self.rpc.subscribe("da_subscribe", none, "da_unsubscribe").await?)
    }

    /// Waits for the certificate of data that have been submitted, or for the reason why there will
    /// be none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn certified(&self, commitment: DataCommitment) -> Result<Certificate, ClientError> {
        let mut events = self.subscribe().await?;
        loop {
            if let Some(certificate) = self.certificate(commitment).await? {
                return Ok(certificate);
            }
            if let EntryStatus::Refused { reason, .. } = self.status_of(commitment).await? {
                return Err(ClientError::Refused { reason });
            }
            match events.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(ClientError::Answer(error.to_string())),
                None => return Err(ClientError::Answer("the node went away".into())),
            }
        }
    }
}

/// Believes nothing but what more than two thirds of a committee that it knows have signed: any node
/// may serve it.
#[derive(Clone, Debug)]
pub struct LightClient {
    /// The DA chain.
    pub chain: ChainId,
    /// The committee.
    pub committee: Committee,
}

impl LightClient {
    /// The data behind a commitment in a namespace, once the committee has attested that it has them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn blob(
        &self,
        node: &DaClient,
        namespace: Fp,
        commitment: DataCommitment,
    ) -> Result<Vec<u8>, ClientError> {
        let certificate = node.certified(commitment).await?;
        let blob = certificate.verify_blob(self.chain, &self.committee)?;
        if (blob.namespace, blob.commitment) != (namespace, commitment) {
            return Err(ClientError::Answer("a certificate of something else".into()));
        }
        node.data(commitment).await
    }

    /// The certificate of a batch, checked.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn batch(
        &self,
        node: &DaClient,
        expected: &Expectation,
        commitment: DataCommitment,
    ) -> Result<Certificate, ClientError> {
        let certificate = node.certified(commitment).await?;
        let attestation = certificate.verify_batch(expected, &self.committee)?;
        if attestation.data != commitment {
            return Err(ClientError::Answer("a certificate of something else".into()));
        }
        Ok(certificate)
    }
}
