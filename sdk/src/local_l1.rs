//! A Mina node in a box, for development: a chain of one producer, kept in memory.
//!
//! What it does to accounts is Mina's transaction logic, with all signatures and proofs checked, the
//! two passes of a block, fees and block rewards. What it lacks is the network: no peers, no
//! consensus, no SNARKs of blocks; block hashes are its own. It is known through Mina's GraphQL
//! only, so that a Mina node or a lightnet can take its place.
//!
//! Slots follow the clock. A slot without commands has a block too. Blocks that are asked for by
//! hand may run ahead of the clock; the clock's blocks go on from there.

mod accounts;
mod chain;
mod http;
mod node;
mod service;

pub use accounts::AccountManager;
pub use chain::{Chain, ChainError, Genesis};
pub use node::Node;
pub use service::{LocalL1, LocalL1Config, LocalL1Error};
