//! Every transaction vector through the circuits, and forged witnesses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod accounts;
mod attack;
mod close;
mod forge;
mod inbox;
mod legacy;
mod payment;
mod payment_attack;
mod program;
mod proved;
mod settlement;
mod update;
