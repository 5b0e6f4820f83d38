//! Mina's ledger, signatures and transaction logic, bit for bit: accounts, commands, their hashes
//! and encodings, signatures, ledgers, and what commands do to them.
//!
//! - [`types`]: keys, amounts, accounts, commands, with the JSON of o1js and mina-signer;
//! - [`hash`]: every hash; [`binprot`]: the encoding under transaction hashes;
//! - [`signature`]: Schnorr signatures, legacy and Kimchi, one by one and in batches;
//! - [`ledger`]: the full ledger, masks, sparse ledgers;
//! - [`logic`]: applying commands;
//! - [`rollup`]: the rules and protocol types of the rollup, on top of all that.
//!
//! Commands are applied one at a time. Mina applies the fee payers and signed commands of a block
//! first and the account updates of zkApp commands after that, so the two agree where a block has
//! one transaction; [`logic`] also offers the two passes separately.
//!
//! Nothing here panics on input, reads a clock or draws randomness, and all of it works without
//! `std`.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod binprot;
mod domain;
pub mod hash;
pub mod ledger;
pub mod logic;
pub mod rollup;
pub mod signature;
pub mod types;

#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "replay")]
pub mod replay;

pub use domain::Domain;
