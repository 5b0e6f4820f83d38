//! Every hash of the ledger and of commands. Random-oracle inputs as in Mina
//! `random_oracle_input.ml`, salted Poseidon as in `hash_prefix_states.ml`.

mod account;
mod batch;
mod command;
pub mod constants;
mod input;
mod merkle;
pub mod salt;
mod transaction;
mod update;

pub(crate) use account::verification_key_hash;
pub use account::{account_hash, account_hashes, derive_token_id, zkapp_hash, zkapp_uri_hash};
pub(crate) use batch::hash_many_legacy;
pub use batch::{hash_many, hash_one, hash_pairs, permute_many};
pub(crate) use command::legacy_hash;
pub use command::{
    CommandHashes, ForestHashes, body_hash, call_stack_hash, command_hashes, command_hashes_many,
    memo_hash, signed_command_input, signed_command_receipt, stack_frame_hash, zkapp_receipt,
};
pub use input::{Input, LegacyInput, ToInput};
pub(crate) use input::{bits_to_bytes, field_bits};
pub use merkle::{empty_subtree, merge, merge_many};
pub use salt::SaltedState;
pub use transaction::TransactionHash;
pub use update::{actions_hash, body_input, events_hash, push_actions};
