//! Account updates.

use alloc::vec::Vec;

use mina_curves::Fp;

use super::{ProofCodec, ReadError, Reader, Writer};
use crate::types::{
    AccountPrecondition, AccountUpdate, Amount, AuthRequired, Authorization, AuthorizationKind,
    Body, Bounds, EpochDataPrecondition, EpochLedgerPrecondition, Era, Length, MayUseToken,
    NetworkPrecondition, Nonce, Permissions, Preconditions, PublicKey, SetVerificationKey, Sign,
    Signature, SignedAmount, Slot, SlotSpan, Timing, TokenId, TokenSymbol, TxnVersion, Update,
    VerificationKey, ZkappUri,
};

/// A type with a bin_prot form.
pub(super) trait Binable: Sized {
    fn write(&self, w: &mut Writer);
    fn read(r: &mut Reader<'_>) -> Result<Self, ReadError>;
}

macro_rules! plain {
    ($($name:ty: $method:ident),*) => {$(
        impl Binable for $name {
            fn write(&self, w: &mut Writer) {
                w.$method(self.get());
            }

            fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
                r.$method().map(Self::new)
            }
        }
    )*};
}

plain!(Amount: u64, Nonce: u32, Length: u32, TxnVersion: u32);

/// Slots are variants with a single case.
macro_rules! slots {
    ($($name:ty),*) => {$(
        impl Binable for $name {
            fn write(&self, w: &mut Writer) {
                w.byte(0).u32(self.get());
            }

            fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
                r.unit()?;
                r.u32().map(Self::new)
            }
        }
    )*};
}

slots!(Slot, SlotSpan);

impl Binable for Fp {
    fn write(&self, w: &mut Writer) {
        w.field(*self);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        r.field()
    }
}

impl Binable for bool {
    fn write(&self, w: &mut Writer) {
        w.bool(*self);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        r.bool()
    }
}

/// Defines the bin_prot form of a record by its fields in order.
macro_rules! record {
    ($($name:ty { $($field:ident),* $(,)? })*) => {$(
        impl Binable for $name {
            fn write(&self, w: &mut Writer) {
                $(Binable::write(&self.$field, w);)*
            }

            fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
                $(let $field = Binable::read(r)?;)*
                Ok(Self { $($field),* })
            }
        }
    )*};
}

record! {
    PublicKey { x, is_odd }
    Signature { r, s }
    SetVerificationKey { auth, txn_version }
    Permissions {
        edit_state, access, send, receive, set_delegate, set_permissions, set_verification_key,
        set_zkapp_uri, edit_action_state, set_token_symbol, increment_nonce, set_voting_for,
        set_timing,
    }
    Timing { initial_minimum_balance, cliff_time, cliff_amount, vesting_period, vesting_increment }
    SignedAmount { magnitude, sign }
    EpochLedgerPrecondition { hash, total_currency }
    EpochDataPrecondition { ledger, seed, start_checkpoint, lock_checkpoint, epoch_length }
    NetworkPrecondition {
        snarked_ledger_hash, blockchain_length, min_window_density, total_currency,
        global_slot_since_genesis, staking_epoch_data, next_epoch_data,
    }
}

impl Binable for mina_curves::Fq {
    fn write(&self, w: &mut Writer) {
        w.field(*self);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        r.field()
    }
}

impl Binable for TokenId {
    fn write(&self, w: &mut Writer) {
        w.field(self.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        r.field().map(Self)
    }
}

/// Defines the bin_prot form of an enumeration by its cases in order.
macro_rules! cases {
    ($($name:ty { $($case:ident),* })*) => {$(
        impl Binable for $name {
            fn write(&self, w: &mut Writer) {
                let cases = [$(Self::$case),*];
                // Every case is in the list, and no list is longer than a byte.
                w.byte(cases.iter().position(|case| case == self).unwrap_or_default() as u8);
            }

            fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
                let cases = [$(Self::$case),*];
                cases.get(usize::from(r.byte()?)).copied().ok_or(ReadError::Value)
            }
        }
    )*};
}

cases! {
    AuthRequired { None, Either, Proof, Signature, Impossible }
    MayUseToken { No, ParentsOwnToken, InheritFromParent }
    Sign { Positive, Negative }
}

impl<T: Binable> Binable for Bounds<T> {
    fn write(&self, w: &mut Writer) {
        self.lower.write(w);
        self.upper.write(w);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self { lower: T::read(r)?, upper: T::read(r)? })
    }
}

/// `Set x | Keep` and `Check x | Ignore`: the case with a value comes first.
impl<T: Binable> Binable for Option<T> {
    fn write(&self, w: &mut Writer) {
        match self {
            Some(value) => value.write(w.byte(0)),
            None => {
                w.byte(1);
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        match r.byte()? {
            0 => T::read(r).map(Some),
            1 => Ok(None),
            _ => Err(ReadError::Value),
        }
    }
}

impl Binable for TokenSymbol {
    fn write(&self, w: &mut Writer) {
        w.string(self.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        Self::new(r.string(6)?).map_err(|_| ReadError::Length)
    }
}

impl Binable for ZkappUri {
    fn write(&self, w: &mut Writer) {
        w.string(self.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        Self::new(r.string(Self::MAX_LEN)?).map_err(|_| ReadError::Length)
    }
}

impl Binable for VerificationKey {
    fn write(&self, w: &mut Writer) {
        w.raw(self.data());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        Self::from_bytes(r.raw(Self::LEN)?).map_err(|_| ReadError::Value)
    }
}

impl Binable for AuthorizationKind {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Signature => w.byte(0),
            Self::Proof(hash) => w.byte(1).field(*hash),
            Self::None => w.byte(2),
        };
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        match r.byte()? {
            0 => Ok(Self::Signature),
            1 => r.field().map(Self::Proof),
            2 => Ok(Self::None),
            _ => Err(ReadError::Value),
        }
    }
}

/// A vector of fixed length: its elements, then the unit.
fn write_vector<T: Binable>(items: &[T], w: &mut Writer) {
    for item in items {
        item.write(w);
    }
    w.byte(0);
}

fn read_vector<T: Binable>(len: usize, r: &mut Reader<'_>) -> Result<Vec<T>, ReadError> {
    let items = (0..len).map(|_| T::read(r)).collect::<Result<_, _>>()?;
    r.unit()?;
    Ok(items)
}

fn write_lists(lists: &[Vec<Fp>], w: &mut Writer) {
    w.length(lists.len());
    for list in lists {
        w.length(list.len());
        for x in list {
            w.field(*x);
        }
    }
}

fn read_lists(r: &mut Reader<'_>) -> Result<Vec<Vec<Fp>>, ReadError> {
    r.list(|r| r.list(Reader::field))
}

fn write_update(update: &Update, w: &mut Writer) {
    write_vector(&update.app_state, w);
    update.delegate.write(w);
    update.verification_key.write(w);
    update.permissions.write(w);
    update.zkapp_uri.write(w);
    update.token_symbol.write(w);
    update.timing.write(w);
    update.voting_for.write(w);
}

fn read_update(era: Era, r: &mut Reader<'_>) -> Result<Update, ReadError> {
    Ok(Update {
        app_state: read_vector(era.app_state_len(), r)?,
        delegate: Binable::read(r)?,
        verification_key: Binable::read(r)?,
        permissions: Binable::read(r)?,
        zkapp_uri: Binable::read(r)?,
        token_symbol: Binable::read(r)?,
        timing: Binable::read(r)?,
        voting_for: Binable::read(r)?,
    })
}

fn write_preconditions(preconditions: &Preconditions, w: &mut Writer) {
    preconditions.network.write(w);
    let account = &preconditions.account;
    account.balance.write(w);
    account.nonce.write(w);
    account.receipt_chain_hash.write(w);
    account.delegate.write(w);
    write_vector(&account.state, w);
    account.action_state.write(w);
    account.proved_state.write(w);
    account.is_new.write(w);
    preconditions.valid_while.write(w);
}

fn read_preconditions(era: Era, r: &mut Reader<'_>) -> Result<Preconditions, ReadError> {
    Ok(Preconditions {
        network: Binable::read(r)?,
        account: AccountPrecondition {
            balance: Binable::read(r)?,
            nonce: Binable::read(r)?,
            receipt_chain_hash: Binable::read(r)?,
            delegate: Binable::read(r)?,
            state: read_vector(era.app_state_len(), r)?,
            action_state: Binable::read(r)?,
            proved_state: Binable::read(r)?,
            is_new: Binable::read(r)?,
        },
        valid_while: Binable::read(r)?,
    })
}

pub(super) fn write_body(body: &Body, w: &mut Writer) {
    body.public_key.write(w);
    body.token_id.write(w);
    write_update(&body.update, w);
    body.balance_change.write(w);
    body.increment_nonce.write(w);
    write_lists(&body.events, w);
    write_lists(&body.actions, w);
    body.call_data.write(w);
    write_preconditions(&body.preconditions, w);
    body.use_full_commitment.write(w);
    body.implicit_account_creation_fee.write(w);
    body.may_use_token.write(w);
    body.authorization_kind.write(w);
}

fn read_body(era: Era, r: &mut Reader<'_>) -> Result<Body, ReadError> {
    Ok(Body {
        public_key: Binable::read(r)?,
        token_id: Binable::read(r)?,
        update: read_update(era, r)?,
        balance_change: Binable::read(r)?,
        increment_nonce: Binable::read(r)?,
        events: read_lists(r)?,
        actions: read_lists(r)?,
        call_data: Binable::read(r)?,
        preconditions: read_preconditions(era, r)?,
        use_full_commitment: Binable::read(r)?,
        implicit_account_creation_fee: Binable::read(r)?,
        may_use_token: Binable::read(r)?,
        authorization_kind: Binable::read(r)?,
    })
}

pub(super) fn write_authorization(
    authorization: &Authorization,
    codec: &dyn ProofCodec,
    w: &mut Writer,
) -> Result<(), ReadError> {
    match authorization {
        Authorization::Proof(proof) => codec.write(proof, w.byte(0))?,
        Authorization::Signature(signature) => signature.write(w.byte(1)),
        Authorization::None => {
            w.byte(2);
        }
    }
    Ok(())
}

pub(super) fn read_account_update(
    era: Era,
    codec: &dyn ProofCodec,
    r: &mut Reader<'_>,
) -> Result<AccountUpdate, ReadError> {
    let body = read_body(era, r)?;
    let authorization = match r.byte()? {
        0 => Authorization::Proof(codec.read(r)?),
        1 => Authorization::Signature(Binable::read(r)?),
        2 => Authorization::None,
        _ => return Err(ReadError::Value),
    };
    Ok(AccountUpdate { body, authorization })
}
