//! Protocol eras, their limits, and network ids.

use alloc::{borrow::ToOwned, string::String};
use core::fmt;

use super::{Amount, TxnVersion, TypeError};

/// A version of Mina's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Era {
    /// Mainnet since June 2024: eight state fields, transaction version 3.
    #[default]
    Berkeley,
    /// The release after it: 32 state fields, transaction version 4, larger commands.
    Mesa,
}

impl Era {
    /// Fields of a zkApp's state.
    pub const fn app_state_len(self) -> usize {
        match self {
            Self::Berkeley => 8,
            Self::Mesa => 32,
        }
    }

    /// The current version of the transaction rules.
    pub const fn txn_version(self) -> TxnVersion {
        match self {
            Self::Berkeley => TxnVersion::new(3),
            Self::Mesa => TxnVersion::new(4),
        }
    }

    /// Most field elements in the events of one command, and as many in its actions.
    pub const fn max_event_elements(self) -> usize {
        match self {
            Self::Berkeley => 100,
            Self::Mesa => 1024,
        }
    }

    /// Milliseconds of a slot.
    pub const fn slot_ms(self) -> u64 {
        match self {
            Self::Berkeley => 180_000,
            Self::Mesa => 90_000,
        }
    }

    /// The reward of a block.
    pub const fn coinbase(self) -> Amount {
        match self {
            Self::Berkeley => Amount::new(720_000_000_000),
            Self::Mesa => Amount::new(360_000_000_000),
        }
    }

    /// Whether a command of so many proved, paired and single segments is within the cost limit.
    /// Source: Mina `mina_compile_config.ml`: 10.26·np + 10.08·n2 + 9.14·n1 < 69.45 in Berkeley,
    /// at most 16 segments in Mesa.
    pub fn allows_segments(self, proved: usize, pairs: usize, singles: usize) -> bool {
        let [proved, pairs, singles] = [proved, pairs, singles].map(|n| n.min(1000));
        match self {
            Self::Berkeley => 1026 * proved + 1008 * pairs + 914 * singles < 6945,
            Self::Mesa => proved + pairs + singles <= 16,
        }
    }
}

/// Which network signatures and account updates are for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum NetworkId {
    /// Mina's mainnet.
    Mainnet,
    /// Test networks, devnet, and whatever wallets do not know.
    #[default]
    Testnet,
    /// A network of its own.
    Custom(CustomNetwork),
}

/// The name of a custom network: 1 to 31 visible ASCII characters, none of the built-in names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CustomNetwork(String);

impl CustomNetwork {
    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl NetworkId {
    /// The network called `name`; `devnet` is another name of `testnet`.
    ///
    /// # Errors
    /// [`TypeError::NetworkName`] unless the name is 1 to 31 visible ASCII characters: longer ones
    /// do not fit the nonce's input.
    pub fn from_name(name: &str) -> Result<Self, TypeError> {
        match name {
            "mainnet" => Ok(Self::Mainnet),
            "testnet" | "devnet" => Ok(Self::Testnet),
            _ if (1..=31).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic()) => {
                Ok(Self::Custom(CustomNetwork(name.to_owned())))
            }
            _ => Err(TypeError::NetworkName),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            Self::Custom(custom) => custom.name(),
        }
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
