//! Reading what a node of the DA layer has of one namespace.

use mina_curves::Fp;
use zeko_da::{ClientError, DaClient, api::EntryInfo};
use zeko_derive::{EntryKind, Envelope};

use crate::publisher::hex;

/// Entries that are asked for at once.
const PAGE: u32 = 100;

/// Goes through the entries of a namespace, in the order of the DA layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamespaceReader {
    namespace: Fp,
    place: Option<(u64, u32)>,
}

impl NamespaceReader {
    /// From the first entry on.
    pub(crate) fn new(namespace: Fp) -> Self {
        Self { namespace, place: None }
    }

    /// The entries behind the last ones; none at the end.
    pub(crate) async fn page(&mut self, node: &DaClient) -> Result<Vec<EntryInfo>, ClientError> {
        let page = node.namespace(self.namespace, self.place, PAGE).await?;
        for entry in &page {
            let next = Some((entry.height, entry.index));
            if next <= self.place {
                return Err(ClientError::Answer("entries that are not in order".into()));
            }
            self.place = next;
        }
        Ok(page)
    }

    /// An entry that was listed, as its sender has signed it. Its signature binds its data.
    pub(crate) async fn envelope(
        &self,
        node: &DaClient,
        kind: EntryKind,
        entry: &EntryInfo,
    ) -> Result<Envelope, ClientError> {
        let envelope = node.envelope(entry.height, entry.index).await?;
        let sender = envelope.sender.to_base58();
        let data = hex(&envelope.commitment());
        let got = (envelope.kind, envelope.namespace, &sender, &data);
        if got == (kind, self.namespace, &entry.sender, &entry.commitment) {
            Ok(envelope)
        } else {
            Err(ClientError::Answer("an entry that is not what was listed".into()))
        }
    }
}
