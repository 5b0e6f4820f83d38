//! Running the stack: a local Mina to settle on, a development network with both layers, keys,
//! configuration.
//!
//! - [`devnet`]: everything on one machine;
//! - [`local_da`]: a committee of the DA chain, as processes;
//! - [`local_l1`]: a Mina node in a box, for development;
//! - [`publisher`]: batches of a sequencer on their way to the DA layer;
//! - [`rebuild`]: a sequencer's chain from what it has published;
//! - [`settlement`]: certified batches on their way to the L1;
//! - [`supervisor`]: keeps the two going beside a sequencer;
//! - [`transfer`]: deposits and withdrawals of users;
//! - [`client`]: asking a node of either layer, and sending to it;
//! - [`keys`]: development keys, and keys in encrypted files;
//! - [`config`]: settings from files, environment and flags;
//! - [`amount`]: amounts as people write them.

pub mod amount;
pub mod client;
pub mod config;
pub mod devnet;
pub mod keys;
pub mod local_da;
pub mod local_l1;
mod namespace;
pub mod pool;
pub mod publisher;
pub mod rebuild;
pub mod settlement;
pub mod supervisor;
pub mod transfer;
