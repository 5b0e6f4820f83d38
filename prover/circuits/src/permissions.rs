//! Permissions.

use mina_curves::Fp;
use mina_ledger::types::{AuthRequired, Era, Permissions};

use crate::{
    Boolean, Cs,
    alloc::{Allocate, Cells},
    input::{InputVar, ToInputVar},
    key::select_bit,
    number::{NumberValue, U32Var},
};

/// How an update is authorised: by at most one of the two.
#[derive(Clone, Debug)]
pub struct AuthVar {
    /// By a signature.
    pub is_signed: Boolean,
    /// By a proof.
    pub is_proved: Boolean,
}

/// What a permission asks for, in the bits that are hashed.
#[derive(Clone, Debug)]
pub struct AuthRequiredVar {
    /// Whether it does not depend on the authorization.
    pub constant: Boolean,
    /// Whether it takes a signature.
    pub signature_necessary: Boolean,
    /// Whether a signature is enough; if `constant`, whether it is met.
    pub signature_sufficient: Boolean,
}

impl AuthRequiredVar {
    /// Whether `auth` is enough; six halves.
    pub fn permits<I>(&self, cs: &mut Cs<I>, auth: &AuthVar) -> Boolean {
        let by_signature = auth.is_signed.and(cs, &self.signature_sufficient);
        let by_proof = auth.is_proved.and(cs, &self.signature_necessary.not());
        let authorised = by_signature.or(cs, &by_proof);
        select_bit(cs, &self.constant, &self.signature_sufficient, &authorised)
    }

    fn select<I>(cs: &mut Cs<I>, bit: &Boolean, then: &Self, otherwise: &Self) -> Self {
        let mut select =
            |part: fn(&Self) -> &Boolean| select_bit(cs, bit, part(then), part(otherwise));
        Self {
            constant: select(|x| &x.constant),
            signature_necessary: select(|x| &x.signature_necessary),
            signature_sufficient: select(|x| &x.signature_sufficient),
        }
    }
}

impl ToInputVar for AuthRequiredVar {
    fn append(&self, input: &mut InputVar) {
        input.add(&self.constant).add(&self.signature_necessary).add(&self.signature_sufficient);
    }
}

/// Calls `$apply` with every permission but that of the verification key, in the order in which they
/// are hashed, split where that one stands.
macro_rules! permissions {
    ($($before:ident)*; $($after:ident)*) => {
        /// The permissions of an account.
        #[derive(Clone, Debug)]
        #[allow(missing_docs)] // each field is named after the change that it guards
        pub struct PermissionsVar {
            $(pub $before: AuthRequiredVar,)*
            pub set_verification_key: AuthRequiredVar,
            /// The version of the rules that the permission of the verification key was set under.
            pub txn_version: U32Var,
            $(pub $after: AuthRequiredVar,)*
        }

        impl PermissionsVar {
            /// `then` if the bit is 1, else `otherwise`.
            pub fn select<I>(cs: &mut Cs<I>, bit: &Boolean, then: &Self, otherwise: &Self) -> Self {
                Self {
                    $($before: AuthRequiredVar::select(
                        cs, bit, &then.$before, &otherwise.$before,
                    ),)*
                    set_verification_key: AuthRequiredVar::select(
                        cs, bit, &then.set_verification_key, &otherwise.set_verification_key,
                    ),
                    txn_version: U32Var::select(
                        cs, bit, &then.txn_version, &otherwise.txn_version,
                    ),
                    $($after: AuthRequiredVar::select(cs, bit, &then.$after, &otherwise.$after),)*
                }
            }
        }

        impl Allocate for PermissionsVar {
            type Native = Permissions;

            fn values(native: &Permissions, _: Era, out: &mut Vec<Fp>) {
                let mut push = |auth: AuthRequired| out.extend(auth.to_bits().map(Fp::from));
                $(push(native.$before);)*
                push(native.set_verification_key.auth);
                $(push(native.$after);)*
                out.push(native.set_verification_key.txn_version.value());
            }

            fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
                let mut auth = || AuthRequiredVar {
                    constant: cells.bit(cs),
                    signature_necessary: cells.bit(cs),
                    signature_sufficient: cells.bit(cs),
                };
                $(let $before = auth();)*
                let set_verification_key = auth();
                $(let $after = auth();)*
                let txn_version = cells.uint(cs);
                Self { $($before,)* set_verification_key, txn_version, $($after,)* }
            }
        }

        impl ToInputVar for PermissionsVar {
            fn append(&self, input: &mut InputVar) {
                $(input.add(&self.$before);)*
                input.add(&self.set_verification_key).add(&self.txn_version);
                $(input.add(&self.$after);)*
            }
        }
    };
}

permissions! {
    edit_state access send receive set_delegate set_permissions;
    set_zkapp_uri edit_action_state set_token_symbol increment_nonce set_voting_for set_timing
}

impl PermissionsVar {
    /// Whether `auth` may set the verification key. Under older rules proofs may have meant something
    /// else, so a signature stands in for them.
    pub fn permits_verification_key<I>(&self, cs: &mut Cs<I>, auth: &AuthVar, era: Era) -> Boolean {
        let required = &self.set_verification_key;
        let permitted = required.permits(cs, auth);
        let last_old = U32Var::constant(era.txn_version().get().saturating_sub(1).into());
        let is_old = self.txn_version.at_most(cs, &last_old);
        // What a signature does not suffice for asks for a proof or is impossible.
        let falls_back = is_old.and(cs, &required.signature_sufficient.not());
        select_bit(cs, &falls_back, &auth.is_signed, &permitted)
    }
}
