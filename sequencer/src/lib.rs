//! The sequencer of the rollup.
//!
//! - [`graphql`]: the API of a Mina node, over any node that implements [`graphql::MinaNode`];
//! - [`http`]: servers that slow clients do not hold up;
//! - [`Command`]: commands of users of either kind.

mod command;
pub mod graphql;
pub mod http;

pub use command::Command;
