//! Between the layers: deposits that a node prepared, checked before they are signed, and withdrawals.

use mina_ledger::{
    Domain,
    rollup::{Deposit, DepositAction, OutboxEntry, RollupAccount, bridge_id},
    signature::SignatureError,
    types::{
        AccountUpdate, Amount, Authorization, AuthorizationKind, Body, CallForest, Memo, Nonce,
        PrivateKey, PublicKey, SignedAmount, ZkappCommand,
    },
};
use zeko_bridge::{Payer, paying, sign, unsigned};

/// Why a prepared deposit is not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DepositCheckError {
    /// It is not what was asked for.
    #[error("the node has prepared something else: another {what}")]
    Differs {
        /// What differs.
        what: &'static str,
    },
}

/// What a user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedDeposit {
    /// The rollup's account on the L1.
    pub rollup: PublicKey,
    /// Who pays and signs.
    pub sender: PublicKey,
    /// Who is credited on the L2.
    pub recipient: PublicKey,
    /// How much.
    pub amount: Amount,
    /// The fee on the L1.
    pub fee: Amount,
    /// The sender's next nonce there: what is signed for a later one could be sent later.
    pub nonce: Nonce,
}

impl WantedDeposit {
    /// Whether a command that a node has prepared is this deposit and nothing else; its message.
    ///
    /// # Errors
    /// [`DepositCheckError`].
    pub fn check(
        &self,
        command: &ZkappCommand,
        domain: &Domain,
    ) -> Result<DepositAction, DepositCheckError> {
        let differs = |what| DepositCheckError::Differs { what };
        let payer = &command.fee_payer.body;
        if (payer.public_key, payer.fee, payer.nonce) != (self.sender, self.fee, self.nonce) {
            return Err(differs("fee payer, fee or nonce"));
        }
        if command.memo != Memo::EMPTY {
            return Err(differs("memo"));
        }
        let updates: Vec<&AccountUpdate> = command.account_updates.updates().collect();
        let [sender, rollup] = updates.as_slice() else { return Err(differs("set of updates")) };
        if sender.body != paying(self.sender, self.amount, domain.era()).body {
            return Err(differs("payment"));
        }
        let AuthorizationKind::Proof(key_hash) = rollup.body.authorization_kind else {
            return Err(differs("kind of deposit"));
        };
        let action = match rollup.body.actions.as_slice() {
            [fields] => DepositAction::from_fields(fields),
            _ => None,
        };
        let action = action.ok_or(differs("message"))?;
        let wanted = (self.recipient, self.amount, self.sender);
        if (action.recipient, action.amount, action.refund_to) != wanted {
            return Err(differs("message"));
        }
        let until = rollup.body.preconditions.valid_while.map(|slots| slots.upper);
        let account = RollupAccount { public_key: self.rollup, key_hash };
        let until = until.ok_or(differs("time"))?;
        if rollup.body != Deposit::body_of(&action, until, &account, domain.era()) {
            return Err(differs("deposit"));
        }
        // As two flat updates: the hash of a forest is that of its shape too.
        let flat = CallForest::flat(updates.iter().map(|update| (*update).clone()));
        if flat != command.account_updates {
            return Err(differs("order of updates"));
        }
        Ok(action)
    }
}

/// A withdrawal that `from` signs on the L2, to `recipient` on the L1.
///
/// # Errors
/// [`SignatureError`].
pub fn withdrawal(
    from: &PrivateKey,
    recipient: PublicKey,
    amount: Amount,
    (fee, nonce): (Amount, Nonce),
    domain: &Domain,
) -> Result<ZkappCommand, SignatureError> {
    let (key, era) = (from.to_public_key(), domain.era());
    let mut body = Body::new(bridge_id(), era);
    body.balance_change = SignedAmount::positive(amount);
    body.actions = OutboxEntry::Withdrawal { recipient, amount }.to_actions();
    let bridge = AccountUpdate { body, authorization: Authorization::None };
    let updates = CallForest::flat([paying(key, amount, era), bridge]);
    let mut command = unsigned(updates, Payer { key, fee, nonce, valid_until: None });
    sign(&mut command, &[from], domain)?;
    Ok(command)
}

#[cfg(test)]
mod tests {
    use mina_ledger::types::Slot;

    use super::*;
    use crate::keys::development_key;

    fn prepared() -> (WantedDeposit, ZkappCommand) {
        let key = |n| development_key("test", n).public;
        let domain = Domain::default();
        let [rollup, sender, recipient] = [key(0), key(1), key(2)];
        let (amount, fee) = (Amount::new(5), Amount::new(1));
        let timeout = Slot::new(70);
        let action = DepositAction { recipient, amount, timeout, refund_to: sender };
        let account = RollupAccount { public_key: rollup, key_hash: 9u64.into() };
        let deposit = Deposit::body_of(&action, Slot::new(30), &account, domain.era());
        let deposit = AccountUpdate { body: deposit, authorization: Authorization::None };
        let updates = CallForest::flat([paying(sender, amount, domain.era()), deposit]);
        let nonce = Nonce::new(3);
        let command = unsigned(updates, Payer { key: sender, fee, nonce, valid_until: None });
        (WantedDeposit { rollup, sender, recipient, amount, fee, nonce }, command)
    }

    #[test]
    fn a_deposit_is_what_was_asked_for() {
        let (wanted, command) = prepared();
        let domain = Domain::default();
        let action = wanted.check(&command, &domain).unwrap();
        assert_eq!((action.amount, action.recipient), (wanted.amount, wanted.recipient));
        let other = development_key("test", 7).public;
        let more = Amount::new(6);
        for changed in [
            WantedDeposit { rollup: other, ..wanted },
            WantedDeposit { sender: other, ..wanted },
            WantedDeposit { recipient: other, ..wanted },
            WantedDeposit { amount: more, ..wanted },
            WantedDeposit { fee: more, ..wanted },
            WantedDeposit { nonce: Nonce::new(4), ..wanted },
        ] {
            assert!(changed.check(&command, &domain).is_err(), "{changed:?}");
        }
        // Updates that are not asked for: another one, one twice, one that does more.
        let updates: Vec<AccountUpdate> = command.account_updates.updates().cloned().collect();
        let mut takes_more = updates.clone();
        takes_more[0].body.increment_nonce = true;
        let mut deposits_more = updates.clone();
        deposits_more[1].body.call_data = 1u64.into();
        let twice = [updates.clone(), vec![updates[0].clone()]].concat();
        for updates in [takes_more, deposits_more, twice, updates[..1].to_vec()] {
            let account_updates = CallForest::flat(updates);
            let changed = ZkappCommand { account_updates, ..command.clone() };
            assert!(wanted.check(&changed, &domain).is_err());
        }
    }
}
