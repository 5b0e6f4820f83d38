//! Mina's bin_prot encoding of commands: what transaction hashes are over, and what nodes send.
//!
//! Source: `bin_prot`'s documentation for numbers, lists, options and variants; the order of fields
//! from o1-labs/mina-rust `mina-p2p-messages/src/v2/generated.rs`.

mod command;
mod read;
mod update;
mod write;

pub use command::{
    read_signed_command, read_zkapp_command, write_signed_command, write_zkapp_command,
};
pub(crate) use command::{signed_command_for_hash, zkapp_command_for_hash};
pub use read::{ReadError, Reader};
pub use write::Writer;

use crate::types::Proof;

/// How proofs are encoded: their structure belongs to the proof system, not to the ledger.
pub trait ProofCodec {
    /// Appends the bin_prot form of `proof`.
    ///
    /// # Errors
    /// [`ReadError::Proof`] if `proof` is not one.
    fn write(&self, proof: &Proof, writer: &mut Writer) -> Result<(), ReadError>;

    /// Reads the bin_prot form of a proof.
    ///
    /// # Errors
    /// [`ReadError`] if there is none.
    fn read(&self, reader: &mut Reader<'_>) -> Result<Proof, ReadError>;
}

/// A codec for commands without proofs: it refuses every proof.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProofs;

impl ProofCodec for NoProofs {
    fn write(&self, _: &Proof, _: &mut Writer) -> Result<(), ReadError> {
        Err(ReadError::Proof)
    }

    fn read(&self, _: &mut Reader<'_>) -> Result<Proof, ReadError> {
        Err(ReadError::Proof)
    }
}
