//! The states that hashes of each purpose start from.

use alloc::{boxed::Box, format};
use core::fmt;

use mina_curves::Fp;
use mina_poseidon::{Kimchi, Legacy, salted};
use once_cell::race::OnceBox;

/// A sponge state after a prefix.
pub type SaltedState = [Fp; 3];

/// A prefix whose state is computed on first use.
pub struct Salt {
    prefix: &'static str,
    state: OnceBox<SaltedState>,
}

impl Salt {
    const fn new(prefix: &'static str) -> Self {
        Self { prefix, state: OnceBox::new() }
    }

    /// The state.
    pub fn state(&self) -> &SaltedState {
        self.state.get_or_init(|| Box::new(salted::<Fp, Kimchi>(self.prefix)))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Salt({})", self.prefix)
    }
}

macro_rules! salts {
    ($($name:ident = $prefix:literal;)*) => {
        $(
            #[doc = concat!("`", $prefix, "`.")]
            pub static $name: Salt = Salt::new($prefix);
        )*
    };
}

salts! {
    ACCOUNT = "MinaAccount";
    ZKAPP_ACCOUNT = "MinaZkappAccount";
    ZKAPP_URI = "MinaZkappUri";
    ZKAPP_MEMO = "MinaZkappMemo";
    EVENT = "MinaZkappEvent";
    EVENTS = "MinaZkappEvents";
    ACTIONS = "MinaZkappSeqEvents";
    SIDE_LOADED_KEY = "MinaSideLoadedVk";
    TOKEN_ID = "MinaDeriveTokenId";
    UPDATE_NODE = "MinaAcctUpdateNode";
    UPDATE_CONS = "MinaAcctUpdateCons";
    STACK_FRAME = "MinaAcctUpdStckFrm";
    STACK_FRAME_CONS = "MinaActUpStckFrmCons";
    RECEIPT = "CodaReceiptUC";
}

/// The state that receipts of signed commands start from.
pub fn legacy_receipt() -> &'static SaltedState {
    static STATE: OnceBox<SaltedState> = OnceBox::new();
    STATE.get_or_init(|| Box::new(salted::<Fp, Legacy>("CodaReceiptUC")))
}

/// The state that nodes of the ledger start from, by the height of their children.
pub fn merkle(height: usize) -> SaltedState {
    static STATES: OnceBox<[SaltedState; crate::ledger::DEPTH]> = OnceBox::new();
    let states = STATES.get_or_init(|| Box::new(core::array::from_fn(merkle_salt)));
    states.get(height).copied().unwrap_or_else(|| merkle_salt(height))
}

fn merkle_salt(height: usize) -> SaltedState {
    salted::<Fp, Kimchi>(&format!("MinaMklTree{height:03}"))
}
