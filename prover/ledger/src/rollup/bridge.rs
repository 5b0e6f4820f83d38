//! The bridge account: it holds all of the L2's MINA that has not been paid in, consumes the inbox
//! and keeps the outbox.

use alloc::{boxed::Box, vec::Vec};

use mina_curves::{Fp, PallasConfig, PastaCurve};
use once_cell::race::OnceBox;

use super::{
    DepositAction, MAX_MESSAGE_FIELDS, Message, MessageReceipt, OutboxEntry, RefundReason,
    append_action,
};
use crate::{
    hash::push_actions,
    ledger::{Ledger, LedgerError, Location, Mask},
    logic::{AccountRule, ApplyError, Context, TransactionFailure, apply_unauthorized_update},
    types::{
        Account, AccountId, Amount, AuthRequired, AuthorizationKind, Body, Era, Permissions,
        PublicKey, SignedAmount, Slot, ZkappAccount,
    },
};

/// What genesis gives to the bridge account: 10^19 nanomina.
pub const BRIDGE_SUPPLY: Amount = Amount::new(10_000_000_000_000_000_000);

/// The key of the bridge account: a point that a hash maps to, so that nobody knows its logarithm.
pub fn bridge_public_key() -> PublicKey {
    static KEY: OnceBox<PublicKey> = OnceBox::new();
    *KEY.get_or_init(|| {
        let t =
            mina_poseidon::hash::<Fp, mina_poseidon::Kimchi>(&[mina_poseidon::prefix_to_field(
                b"ZekoBridgeAccount",
            )]);
        let (x, y) = PallasConfig::group_map().to_group(t);
        Box::new(PublicKey { x, is_odd: crate::types::is_odd(y) })
    })
}

/// The bridge account.
pub fn bridge_id() -> AccountId {
    AccountId::of(bridge_public_key())
}

/// The bridge account as genesis puts it at leaf 0: anyone may pay in and emit actions, as far as
/// [`BridgeRule`] allows, and nothing else is possible.
pub fn bridge_account(inbox: Fp, era: Era) -> Account {
    let mut zkapp = ZkappAccount::new(era);
    if let Some(first) = zkapp.app_state.first_mut() {
        *first = inbox;
    }
    Account {
        permissions: Permissions {
            access: AuthRequired::None,
            receive: AuthRequired::None,
            edit_action_state: AuthRequired::None,
            ..Permissions::all(AuthRequired::Impossible, era)
        },
        delegate: None,
        zkapp: (!zkapp.is_new(era)).then(|| zkapp.into()),
        ..Account::new(bridge_id(), BRIDGE_SUPPLY, era)
    }
}

/// Constants of a chain's bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeParameters {
    /// The smallest withdrawal.
    pub minimum_withdrawal: Amount,
    /// What the chain keeps of a deposit.
    pub deposit_fee: Amount,
}

/// The rule of the bridge account: whatever changes it is a withdrawal.
///
/// A withdrawal pays in at least the minimum and emits one action, an [`OutboxEntry::Withdrawal`] of
/// the same amount. Anything else that would change the account fails, refunds included: those are
/// the chain's own to make. Signed commands cannot name the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeRule {
    /// The constants.
    pub parameters: BridgeParameters,
}

impl BridgeRule {
    /// Whether the circuits know what becomes of an update. Of the bridge account they open one action of
    /// an entry's length: an update with others fails, but that cannot be proved. Nodes refuse it.
    pub fn is_provable(&self, body: &Body) -> bool {
        let is_entry = |action: &Vec<Fp>| action.len() == MAX_MESSAGE_FIELDS;
        body.public_key != bridge_public_key()
            || body.actions.is_empty()
            || matches!(body.actions.as_slice(), [action] if is_entry(action))
    }

    fn is_withdrawal(&self, body: &Body) -> bool {
        let [action] = body.actions.as_slice() else { return false };
        let Some(OutboxEntry::Withdrawal { amount, .. }) = OutboxEntry::from_fields(action) else {
            return false;
        };
        body.balance_change == SignedAmount::positive(amount)
            && amount >= self.parameters.minimum_withdrawal
            && body.authorization_kind == AuthorizationKind::None
            && !sets_something(body)
    }
}

/// Whether an update changes anything but the balance and the action state.
fn sets_something(body: &Body) -> bool {
    let update = &body.update;
    update.app_state.iter().any(Option::is_some)
        || update.delegate.is_some()
        || update.verification_key.is_some()
        || update.permissions.is_some()
        || update.zkapp_uri.is_some()
        || update.token_symbol.is_some()
        || update.timing.is_some()
        || update.voting_for.is_some()
        || body.increment_nonce
}

impl AccountRule for BridgeRule {
    fn check_update(&self, body: &Body, has_children: bool) -> Result<(), TransactionFailure> {
        if body.public_key != bridge_public_key() {
            return Ok(());
        }
        let changes = sets_something(body)
            || !body.balance_change.is_zero()
            || !body.actions.is_empty()
            || body.authorization_kind != AuthorizationKind::None;
        let is_default = body.token_id.is_default();
        let allowed = is_default && !has_children && (!changes || self.is_withdrawal(body));
        if allowed { Ok(()) } else { Err(TransactionFailure::UpdateNotPermittedActionState) }
    }

    fn allows_signed_commands(&self, account: &AccountId) -> bool {
        account.public_key != bridge_public_key()
    }
}

/// What a message from the L1 did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageOutcome {
    /// What became of it.
    pub receipt: MessageReceipt,
    /// The outbox entry that it led to.
    pub entry: Option<OutboxEntry>,
    /// What the chain keeps.
    pub fee: Amount,
    /// Why the recipient could not be credited.
    pub failures: Vec<TransactionFailure>,
    /// The change of the supply: minus the creation fee of the recipient's account.
    pub supply_increase: SignedAmount,
}

impl MessageOutcome {
    /// What is left for whoever gets the fees: the chain's, and that of the recipient's new account. Both
    /// are far below 2^64.
    pub fn fees(&self) -> Amount {
        self.fee.checked_add(self.supply_increase.magnitude).unwrap_or(self.fee)
    }
}

/// The bridge account under way: what consuming a message changes of it.
struct Bridge {
    account: Account,
    zkapp: ZkappAccount,
}

impl Bridge {
    fn load<L: Ledger>(ledger: &L) -> Result<Self, LedgerError> {
        let mut account = ledger
            .get(&bridge_id())?
            .cloned()
            .ok_or(LedgerError::NoAccount { index: Location::new(0).index() })?;
        let zkapp = account.zkapp.take();
        let zkapp = zkapp.map_or_else(|| ZkappAccount::new(ledger.era()), |zkapp| *zkapp);
        Ok(Self { account, zkapp })
    }

    fn consume(&mut self, inbox: impl FnOnce(Fp) -> Fp) {
        if let Some(prefix) = self.zkapp.app_state.first_mut() {
            *prefix = inbox(*prefix);
        }
    }

    /// Appends to the outbox, as an update with this action would in `slot`.
    fn append(&mut self, entry: &OutboxEntry, slot: Slot) {
        let [current, second, third, fourth, fifth] = self.zkapp.action_state;
        let pushed = append_action(current, &entry.to_fields());
        self.zkapp.action_state = if self.zkapp.last_action_slot == slot {
            [pushed, second, third, fourth, fifth]
        } else {
            [pushed, current, second, third, fourth]
        };
        self.zkapp.last_action_slot = slot;
    }

    fn store<L: Ledger>(mut self, ledger: &mut L) -> Result<(), LedgerError> {
        let era = ledger.era();
        self.account.zkapp = (!self.zkapp.is_new(era)).then(|| self.zkapp.into());
        ledger.set(self.account)?;
        Ok(())
    }
}

/// Consumes the next deposit of the inbox: credits the recipient, or sends an entry to the outbox if
/// the deposit is late or the recipient cannot be credited. It never fails because of the deposit.
///
/// The recipient gets the amount without the fee; if its account is new, without the creation fee
/// either.
///
/// # Errors
/// [`LedgerError`], also if the ledger has no bridge account.
pub fn apply_deposit<L: Ledger>(
    ledger: &mut L,
    deposit: &DepositAction,
    parameters: &BridgeParameters,
    context: &Context<'_>,
) -> Result<MessageOutcome, LedgerError> {
    let mut mask = Mask::new(&mut *ledger);
    let mut bridge = Bridge::load(&mask)?;
    bridge.consume(|inbox| append_action(inbox, &deposit.to_fields()));
    let mut failures = Vec::new();
    let credited = if context.slot > deposit.timeout {
        Err(RefundReason::TimedOut)
    } else if deposit.recipient == bridge_public_key() {
        Err(RefundReason::BridgeAccount)
    } else if deposit.recipient == PublicKey::EMPTY {
        // An account of this key with nothing in it is an empty leaf.
        Err(RefundReason::NotCreditable)
    } else {
        credit(&mut mask, &mut bridge, deposit, parameters, context, &mut failures)?
            .ok_or(RefundReason::NotCreditable)
    };
    let outcome = match credited {
        Ok(supply_increase) => MessageOutcome {
            receipt: MessageReceipt::Fulfilled,
            entry: None,
            fee: parameters.deposit_fee,
            failures,
            supply_increase,
        },
        Err(reason) => {
            let DepositAction { refund_to: recipient, amount, .. } = *deposit;
            let entry = OutboxEntry::Refund { recipient, amount };
            bridge.append(&entry, context.slot);
            MessageOutcome {
                receipt: MessageReceipt::Refunded(reason),
                entry: Some(entry),
                fee: Amount::ZERO,
                failures,
                supply_increase: SignedAmount::ZERO,
            }
        }
    };
    bridge.store(&mut mask)?;
    mask.commit()?;
    Ok(outcome)
}

/// Moves a deposit to its recipient; the change of the supply, or `None` if that is not possible.
fn credit<L: Ledger>(
    ledger: &mut L,
    bridge: &mut Bridge,
    deposit: &DepositAction,
    parameters: &BridgeParameters,
    context: &Context<'_>,
    failures: &mut Vec<TransactionFailure>,
) -> Result<Option<SignedAmount>, LedgerError> {
    let received = deposit.amount.checked_sub(parameters.deposit_fee);
    let left = bridge.account.balance.checked_sub(deposit.amount);
    let (Some(received), Some(left)) = (received, left) else { return Ok(None) };
    let mut body = Body::new(AccountId::of(deposit.recipient), context.era);
    body.balance_change = SignedAmount::positive(received);
    body.implicit_account_creation_fee = true;
    match apply_unauthorized_update(ledger, body, context) {
        Ok(supply_increase) => {
            bridge.account.balance = left;
            Ok(Some(supply_increase))
        }
        Err(ApplyError::Failed { failures: table }) => {
            failures.extend(table.into_iter().flatten());
            Ok(None)
        }
        Err(ApplyError::Ledger(error)) => Err(error),
        // An update without authorization is neither malformed nor a signed command.
        Err(_) => Ok(None),
    }
}

/// Consumes the next message of the inbox, opened or not.
///
/// # Errors
/// [`LedgerError`], also if the ledger has no bridge account.
pub fn apply_message<L: Ledger>(
    ledger: &mut L,
    message: &Message,
    parameters: &BridgeParameters,
    context: &Context<'_>,
) -> Result<MessageOutcome, LedgerError> {
    match message {
        Message::Deposit(deposit) => apply_deposit(ledger, deposit, parameters, context),
        Message::Unopened(hash) => apply_unopened(ledger, *hash, context),
    }
}

/// Consumes the next message of the inbox without knowing more of it than its hash.
///
/// # Errors
/// [`LedgerError`], also if the ledger has no bridge account.
pub fn apply_unopened<L: Ledger>(
    ledger: &mut L,
    action_hash: Fp,
    context: &Context<'_>,
) -> Result<MessageOutcome, LedgerError> {
    let mut bridge = Bridge::load(ledger)?;
    bridge.consume(|inbox| push_actions(inbox, action_hash));
    let entry = OutboxEntry::Unopened { action_hash };
    bridge.append(&entry, context.slot);
    bridge.store(ledger)?;
    Ok(MessageOutcome {
        receipt: MessageReceipt::Unopened,
        entry: Some(entry),
        fee: Amount::ZERO,
        failures: Vec::new(),
        supply_increase: SignedAmount::ZERO,
    })
}

/// The closing step of a batch: credits the collected fees. `false`, with the ledger as it was, if
/// `recipient` has no account of MINA, its balance cannot hold them, or it is the bridge account,
/// whose balance is what the L1 owes; the circuit looks at the x-coordinate of its key only.
///
/// # Errors
/// [`LedgerError`].
pub fn credit_fees<L: Ledger>(
    ledger: &mut L,
    recipient: PublicKey,
    fees: Amount,
) -> Result<bool, LedgerError> {
    if fees == Amount::ZERO {
        return Ok(true);
    }
    let account =
        ledger.get(&AccountId::of(recipient))?.filter(|_| recipient.x != bridge_public_key().x);
    let Some(mut account) = account.cloned() else { return Ok(false) };
    let Some(balance) = account.balance.checked_add(fees) else { return Ok(false) };
    account.balance = balance;
    ledger.set(account)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use ark_ff::Field;
    use mina_curves::PastaField;

    use super::*;

    #[test]
    fn the_key_is_a_point() {
        let key = bridge_public_key();
        let point = key.to_point().unwrap();
        assert_eq!(point.y.square(), key.x.square() * key.x + Fp::from(5u64));
        assert_ne!(key.x.to_limbs(), [0; 4]);
    }
}
