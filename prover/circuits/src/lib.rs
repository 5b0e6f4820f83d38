//! The rollup's circuits.
//!
//! Gadgets come first: [`number`] for amounts, slots and nonces, [`input`] for Mina's packing of
//! hashes, [`key`], [`permissions`], [`timing`], [`account`], [`body`], [`merkle`] and [`schnorr`].
//! Each is the twin of a type or a function of `mina-ledger`, under the same name with `Var` behind
//! it, in the same order.
//!
//! [`legacy`] is what payments and delegations are hashed and signed with.
//!
//! [`update`] is the account update of a zkApp command: the twin of the transaction logic, check by
//! check.
//!
//! [`program`] is the program of the rollup that these make up, [`fold`] the program that shows what
//! leads on to what and who has signed what, and [`contract`] that of the rollup account on the L1.
//!
//! What a value is constrained to is in its type: a [`number::UIntVar`] is in range, a
//! [`kimchi::builder::Boolean`] is a bit. A bare `Linear` is any field element.

pub mod account;
pub mod accounts;
pub mod alloc;
pub mod body;
pub mod contract;
pub mod example;
pub mod fold;
pub mod input;
pub mod key;
pub mod legacy;
pub mod merkle;
pub mod message;
pub mod number;
pub mod permissions;
pub mod precondition;
pub mod program;
pub mod schnorr;
pub mod timing;
pub mod update;

/// A builder of circuits over the field of Mina's hashes, whose witnesses are made from an `I`.
pub type Cs<I> = kimchi::builder::CircuitBuilder<mina_curves::Fp, I>;

/// A combination of variables.
pub type Linear = kimchi::builder::Linear<mina_curves::Fp>;

/// A bit.
pub type Boolean = kimchi::builder::Boolean<mina_curves::Fp>;
