//! What a settler keeps on disk: updates with their proofs, and the commands that it sends.
//!
//! Everything is there before it is used: proofs that were made are not made again, and a command that
//! may have been sent is known, so that nothing is paid for twice. Values are JSON, as Mina's GraphQL
//! has commands.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `meta` | `owner` | the rollup account, the hash of its verification key and the payer |
//! | `meta` | `since` | the slot of the L1 when the store was new, big-endian |
//! | `proofs` | what the update does | a command with the update, and who pays left open |
//! | `sent` | nonce and fee of the payer, big-endian | what the command is for, and the command |

use std::path::Path;

use mina_curves::Fp;
use mina_ledger::{
    hash::TransactionHash,
    types::{CallForest, Slot, ZkappCommand, from_decimal, to_decimal},
};
use serde::{Deserialize, Serialize};

use super::{SettlerError, decide::Item};

/// Blocks after which nothing that was sent before can matter any more: Mina's k, and some.
const MEMORY: u32 = 300;

/// [`Item`] in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum ItemJson {
    #[serde(rename_all = "camelCase")]
    Commit {
        batch: u64,
        generation: u32,
        action_state: String,
    },
    Payout {
        before: String,
        after: String,
    },
}

impl From<Item> for ItemJson {
    fn from(item: Item) -> Self {
        match item {
            Item::Commit { batch, generation, action_state } => {
                Self::Commit { batch, generation, action_state: to_decimal(action_state) }
            }
            Item::Payout { before, after } => {
                Self::Payout { before: to_decimal(before), after: to_decimal(after) }
            }
        }
    }
}

impl ItemJson {
    fn read(&self) -> Result<Item, SettlerError> {
        let field = |text: &str| from_decimal::<Fp>(text).map_err(|_| damaged("a field element"));
        Ok(match self {
            Self::Commit { batch, generation, action_state } => Item::Commit {
                batch: *batch,
                generation: *generation,
                action_state: field(action_state)?,
            },
            Self::Payout { before, after } => {
                Item::Payout { before: field(before)?, after: field(after)? }
            }
        })
    }
}

fn damaged(what: &str) -> SettlerError {
    SettlerError::Damaged { what: what.to_owned() }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProofJson {
    item: ItemJson,
    /// When it was made.
    height: u32,
    command: ZkappCommand,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SentJson {
    item: ItemJson,
    height: u32,
    command: ZkappCommand,
}

/// A command that was sent, or was about to be.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) item: Item,
    /// The height of the L1 then.
    pub(crate) height: u32,
    pub(crate) hash: TransactionHash,
    pub(crate) command: ZkappCommand,
}

impl Sent {
    pub(crate) fn new(item: Item, height: u32, command: ZkappCommand) -> Self {
        let hash = TransactionHash::of_zkapp_command(&command);
        Self { item, height, hash, command }
    }

    pub(crate) fn nonce(&self) -> u32 {
        self.command.fee_payer.body.nonce.get()
    }

    pub(crate) fn fee(&self) -> u64 {
        self.command.fee_payer.body.fee.get()
    }

    fn key(&self) -> [u8; 12] {
        let mut key = [0; 12];
        let (nonce, fee) = key.split_at_mut(4);
        nonce.copy_from_slice(&self.nonce().to_be_bytes());
        fee.copy_from_slice(&self.fee().to_be_bytes());
        key
    }
}

/// The store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    db: sled::Db,
    meta: sled::Tree,
    proofs: sled::Tree,
    sent: sled::Tree,
}

impl Store {
    /// Opens the store of `owner`, or makes it.
    pub(crate) fn open(path: &Path, owner: &str) -> Result<Self, SettlerError> {
        let config = sled::Config::new().path(path).cache_capacity(16 << 20);
        let db = zeko_sled::open(&config)?;
        let meta = db.open_tree("meta")?;
        match meta.get("owner")? {
            Some(got) if got != owner.as_bytes() => {
                let got = String::from_utf8_lossy(&got).into_owned();
                return Err(SettlerError::Owner { expected: owner.to_owned(), got });
            }
            Some(_) => {}
            None => {
                meta.insert("owner", owner.as_bytes())?;
                db.flush()?;
            }
        }
        let (proofs, sent) = (db.open_tree("proofs")?, db.open_tree("sent")?);
        Ok(Self { db, meta, proofs, sent })
    }

    /// The slot of the L1 when the store was first used; `now` if that has not been noted. What was sent
    /// before is not in it: there may have been another store, which is lost.
    pub(crate) async fn since(&self, now: Slot) -> Result<Slot, SettlerError> {
        if let Some(bytes) = self.meta.get("since")? {
            let bytes = bytes.as_ref().try_into().map_err(|_| damaged("its first slot"))?;
            return Ok(Slot::new(u32::from_be_bytes(bytes)));
        }
        self.meta.insert("since", &now.get().to_be_bytes())?;
        self.flush().await?;
        Ok(now)
    }

    async fn flush(&self) -> Result<(), SettlerError> {
        self.db.flush_async().await?;
        Ok(())
    }

    fn proof_key(item: Item) -> Result<Vec<u8>, SettlerError> {
        serde_json::to_vec(&ItemJson::from(item)).map_err(|_| damaged("the key of a proof"))
    }

    /// Keeps the updates for an item; `command` says nothing of who pays.
    pub(crate) async fn put_proof(
        &self,
        item: Item,
        height: u32,
        command: ZkappCommand,
    ) -> Result<(), SettlerError> {
        let entry = ProofJson { item: item.into(), height, command };
        let entry = serde_json::to_vec(&entry).map_err(|_| damaged("a proof"))?;
        self.proofs.insert(Self::proof_key(item)?, entry)?;
        self.flush().await
    }

    /// The updates for an item.
    pub(crate) fn proof(&self, item: Item) -> Result<Option<CallForest>, SettlerError> {
        let Some(entry) = self.proofs.get(Self::proof_key(item)?)? else { return Ok(None) };
        let entry: ProofJson = serde_json::from_slice(&entry).map_err(|_| damaged("a proof"))?;
        Ok(Some(entry.command.account_updates))
    }

    /// What there are proofs for.
    pub(crate) fn proved(&self) -> Result<Vec<Item>, SettlerError> {
        let read = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, _) = entry?;
            let item: ItemJson =
                serde_json::from_slice(&key).map_err(|_| damaged("the key of a proof"))?;
            item.read()
        };
        self.proofs.iter().map(read).collect()
    }

    /// Keeps a command; when this returns, it may be sent.
    pub(crate) async fn put_sent(&self, sent: &Sent) -> Result<(), SettlerError> {
        let Sent { item, height, command, .. } = sent;
        let entry = SentJson { item: (*item).into(), height: *height, command: command.clone() };
        let entry = serde_json::to_vec(&entry).map_err(|_| damaged("a command"))?;
        self.sent.insert(sent.key(), entry)?;
        self.flush().await
    }

    /// All commands, in order of their nonces.
    pub(crate) fn all_sent(&self) -> Result<Vec<Sent>, SettlerError> {
        let read = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
            let (_, value) = entry?;
            let entry: SentJson =
                serde_json::from_slice(&value).map_err(|_| damaged("a command"))?;
            Ok(Sent::new(entry.item.read()?, entry.height, entry.command))
        };
        self.sent.iter().map(read).collect()
    }

    /// Forgets a command that no rollback can bring back.
    pub(crate) fn forget_sent(&self, sent: &Sent) -> Result<(), SettlerError> {
        self.sent.remove(sent.key())?;
        Ok(())
    }

    /// Forgets proofs that were made long before `height`.
    pub(crate) fn forget_old_proofs(&self, height: u32) -> Result<Vec<Item>, SettlerError> {
        let mut old = Vec::new();
        for entry in self.proofs.iter() {
            let (key, value) = entry?;
            let entry: ProofJson =
                serde_json::from_slice(&value).map_err(|_| damaged("a proof"))?;
            if is_old(entry.height, height) {
                self.proofs.remove(key)?;
                old.push(entry.item.read()?);
            }
        }
        Ok(old)
    }
}

/// Whether what happened at a height is beyond all rollbacks.
pub(crate) fn is_old(then: u32, now: u32) -> bool {
    now.saturating_sub(then) > MEMORY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_slot_of_the_first_use_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Store::open(dir.path(), "somebody").unwrap();
        let store = open();
        assert_eq!(store.since(Slot::new(5)).await.unwrap(), Slot::new(5));
        assert_eq!(store.since(Slot::new(6)).await.unwrap(), Slot::new(5));
        drop(store);
        assert_eq!(open().since(Slot::new(7)).await.unwrap(), Slot::new(5));
    }
}
