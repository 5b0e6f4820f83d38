//! What is carried from one account update to the next.

use mina_curves::Fp;
use mina_ledger::types::Era;

use crate::{
    Boolean, Cs, Linear,
    alloc::{Allocate, Cells},
};

/// Defines the state and its twin with the same fields.
macro_rules! state {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// The state between two updates. Between two commands everything but `ledger`, `fees` and
        /// `accounts` is zero.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct State {
            $($(#[$doc])* pub $field: Fp,)*
        }

        /// The twin of [`State`].
        #[derive(Clone, Debug)]
        pub struct StateVar {
            $($(#[$doc])* pub $field: Linear,)*
        }

        impl Allocate for StateVar {
            type Native = State;

            fn values(native: &State, _: Era, out: &mut Vec<Fp>) {
                out.extend([$(native.$field),*]);
            }

            fn assign<I>(_: &mut Cs<I>, cells: &mut Cells) -> Self {
                Self { $($field: cells.field(),)* }
            }
        }

        impl StateVar {
            /// Everything in order.
            pub fn fields(&self) -> Vec<Linear> {
                vec![$(self.$field.clone()),*]
            }

            /// `then` if the bit is 1, else `otherwise`.
            pub fn select<I>(cs: &mut Cs<I>, bit: &Boolean, then: &Self, otherwise: &Self) -> Self {
                Self { $($field: bit.select(cs, &then.$field, &otherwise.$field).into(),)* }
            }
        }

        impl State {
            /// Everything in order, with names.
            pub fn fields(&self) -> Vec<(&'static str, Fp)> {
                vec![$((stringify!($field), self.$field)),*]
            }
        }
    };
}

state! {
    /// The root of the ledger with all commands before this one, and its fee payer.
    ledger,
    /// The fees that have been collected: of commands, and for the accounts that they created.
    fees,
    /// The list of the accounts that commands took to be new: see [`NewAccount`](super::NewAccount).
    accounts,
    /// The root of the ledger with the updates so far.
    local_ledger,
    /// That list with those of the command's updates so far.
    local_accounts,
    /// The token of the parent of the next update.
    caller,
    /// The token that the parent may use.
    caller_caller,
    /// The hash of the updates that come next under the same parent; not zero inside a command.
    calls,
    /// The hash of the stack of frames to return to.
    call_stack,
    /// What partial signatures are over.
    commitment,
    /// What full signatures are over.
    full_commitment,
    /// What updates have taken out of accounts and not put into others: from `−2^64` to `2^64`.
    excess,
    /// What the accounts cost that the command has created.
    creation_fees,
    /// The index of the next update; 0 is the fee payer.
    index,
}

/// How many of the fields are kept between commands.
const OUTER: usize = 3;

impl State {
    /// What is carried inside a command.
    pub fn local_fields(&self) -> Vec<Fp> {
        self.fields().into_iter().skip(OUTER).map(|(_, value)| value).collect()
    }
}

impl StateVar {
    /// What is carried inside a command.
    pub fn local_fields(&self) -> Vec<Linear> {
        self.fields().into_iter().skip(OUTER).collect()
    }
}
