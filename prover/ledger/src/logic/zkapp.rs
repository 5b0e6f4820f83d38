//! zkApp commands: the fee payer, then the account updates.

use alloc::vec::Vec;

use super::{
    ApplyError, Context, FailureTable, GlobalState, LocalState, TransactionFailure,
    local_state::{Frame, Popped, pop},
    update::Step,
    well_formed::check_structure,
};
use crate::{
    hash::CommandHashes,
    ledger::{Ledger, LedgerError, Mask},
    types::{
        Account, AccountId, AccountUpdate, Authorization, Body, SignedAmount, TokenId, ZkappCommand,
    },
};

/// One account update, for whoever proves it.
#[derive(Debug)]
pub struct UpdateRecord<'a> {
    /// The update; for index 0, what the fee payer stands for.
    pub update: &'a AccountUpdate,
    /// Its position in the command; 0 is the fee payer.
    pub index: u32,
    /// The token other than MINA that it may use.
    pub caller_id: TokenId,
    /// The account before; `None` if it is new.
    pub account_before: Option<&'a Account>,
    /// The account after.
    pub account_after: &'a Account,
    /// The local state before.
    pub local_before: &'a LocalState,
    /// The local state after.
    pub local_after: &'a LocalState,
    /// The totals before.
    pub global_before: GlobalState,
    /// The totals after.
    pub global_after: GlobalState,
}

/// Sees every account update as it is applied.
pub trait Observer {
    /// Called after the checks of an update and before its account is written: `ledger` is that
    /// before the update.
    ///
    /// # Errors
    /// [`LedgerError`] stops the command.
    fn observe(
        &mut self,
        ledger: &mut dyn Ledger,
        record: &UpdateRecord<'_>,
    ) -> Result<(), LedgerError>;
}

/// Sees nothing.
impl Observer for () {
    fn observe(&mut self, _: &mut dyn Ledger, _: &UpdateRecord<'_>) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// A command whose fee payer has been applied.
#[derive(Clone, Debug)]
pub struct PartiallyApplied {
    local: LocalState,
    global: GlobalState,
    failures: FailureTable,
    created: Vec<AccountId>,
}

/// What a zkApp command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZkappApplied {
    /// `None` if everything was applied; else only the fee payer was, and why.
    pub failures: Option<FailureTable>,
    /// Accounts that were created.
    pub created: Vec<AccountId>,
    /// What is left for others: the fee.
    pub fee_excess: SignedAmount,
    /// The change of the supply: minus the creation fees.
    pub supply_increase: SignedAmount,
}

/// Runs one update on a mask.
struct Machine<'a, 'o> {
    context: &'a Context<'a>,
    observer: &'o mut dyn Observer,
    local: LocalState,
    global: GlobalState,
    failures: FailureTable,
}

impl Machine<'_, '_> {
    fn apply<P: Ledger>(
        &mut self,
        ledger: &mut Mask<P>,
        update: &AccountUpdate,
        popped: Popped,
        before: &LocalState,
    ) -> Result<(), LedgerError> {
        let is_start = before.index == 0;
        let global_before = self.global;
        let account_before = ledger.get(&update.body.account_id())?.cloned();
        let account = Step::new(
            self.context,
            update,
            popped,
            is_start,
            account_before.clone(),
            &mut self.local,
            &mut self.global,
            &mut self.failures,
        )
        .run();
        if self.local.frame.is_empty() {
            self.local = LocalState { success: self.local.success, ..LocalState::EMPTY };
        } else {
            self.local.index = self.local.index.wrapping_add(1);
        }
        let record = UpdateRecord {
            update,
            index: before.index,
            caller_id: popped.caller_id,
            account_before: account_before.as_ref(),
            account_after: &account,
            local_before: before,
            local_after: &self.local,
            global_before,
            global_after: self.global,
        };
        self.observer.observe(ledger, &record)?;
        ledger.set(account)?;
        Ok(())
    }
}

/// Mina's first pass: applies the fee payer.
///
/// # Errors
/// [`ApplyError::Malformed`] for commands that no node lets through, [`ApplyError::Failed`] if the
/// fee payer fails. The ledger is then unchanged.
pub fn apply_fee_payer<L: Ledger>(
    ledger: &mut L,
    command: &ZkappCommand,
    hashes: &CommandHashes,
    context: &Context<'_>,
    observer: &mut dyn Observer,
) -> Result<PartiallyApplied, ApplyError> {
    check_structure(command, context.era)?;
    let before = LocalState::EMPTY;
    let frame = match command.account_updates.len() {
        0 => Frame::EMPTY,
        len => Frame::top(0, len),
    };
    let mut machine = Machine {
        context,
        observer,
        local: LocalState {
            frame,
            commitment: hashes.commitment,
            full_commitment: hashes.full_commitment,
            ..LocalState::EMPTY
        },
        global: GlobalState::default(),
        failures: FailureTable::new(),
    };
    let update = command.fee_payer.to_account_update(context.era);
    let popped = Popped { index: 0, caller_id: TokenId::DEFAULT, has_children: false };
    let mut mask = Mask::new(&mut *ledger);
    machine.apply(&mut mask, &update, popped, &before)?;
    let Machine { local, global, failures, .. } = machine;
    if !local.success {
        return Err(ApplyError::Failed { failures: in_minas_order(failures) });
    }
    let created = mask.created().collect();
    mask.commit()?;
    Ok(PartiallyApplied { local, global, failures, created })
}

/// Mina's second pass: applies the account updates, all of them or none.
///
/// # Errors
/// [`LedgerError`] of the ledger, which then is as it was after the fee payer.
pub fn apply_account_updates<L: Ledger>(
    ledger: &mut L,
    command: &ZkappCommand,
    partial: PartiallyApplied,
    context: &Context<'_>,
    observer: &mut dyn Observer,
) -> Result<ZkappApplied, ApplyError> {
    let PartiallyApplied { local, global, failures, mut created } = partial;
    let forest = &command.account_updates;
    let ends = forest.subtree_ends();
    let mut machine = Machine { context, observer, local, global, failures };
    let mut mask = Mask::new(&mut *ledger);
    for _ in 0..forest.len() {
        let before = machine.local.clone();
        let popped = pop(
            &mut machine.local,
            |index| forest.nodes().get(index).map(|node| &node.update.body),
            |index| ends.get(index).copied(),
        );
        // The frames cover every update once.
        let Some(popped) = popped else { break };
        let Some(node) = forest.nodes().get(popped.index) else { break };
        machine.apply(&mut mask, &node.update, popped, &before)?;
    }
    let Machine { local, global, failures, .. } = machine;
    let failures = if local.success {
        created.extend(mask.created());
        mask.commit()?;
        None
    } else {
        Some(cancel_others(in_minas_order(failures)))
    };
    Ok(ZkappApplied {
        failures,
        created,
        fee_excess: global.fee_excess,
        supply_increase: global.supply_increase,
    })
}

/// Applies a whole zkApp command: its fee payer, then its account updates.
///
/// Signatures and proofs are taken as checked.
///
/// # Errors
/// As [`apply_fee_payer`]: the ledger is then unchanged.
pub fn apply_zkapp_command<L: Ledger>(
    ledger: &mut L,
    command: &ZkappCommand,
    hashes: &CommandHashes,
    context: &Context<'_>,
    observer: &mut dyn Observer,
) -> Result<ZkappApplied, ApplyError> {
    let partial = apply_fee_payer(ledger, command, hashes, context, observer)?;
    apply_account_updates(ledger, command, partial, context, observer)
}

/// Applies one update without authorization by itself: what a layer above does in its own name. What
/// it adds to the balance comes from outside.
///
/// Returns the change of the supply: minus the creation fee if the account is new.
///
/// # Errors
/// [`ApplyError::Failed`] if it fails; the ledger is then unchanged.
pub fn apply_unauthorized_update<L: Ledger>(
    ledger: &mut L,
    body: Body,
    context: &Context<'_>,
) -> Result<SignedAmount, ApplyError> {
    // The excess that the update leaves is what it is given.
    let excess = body.balance_change;
    let before = LocalState { excess, index: 1, ..LocalState::EMPTY };
    let observer: &mut dyn Observer = &mut ();
    let mut machine = Machine {
        context,
        observer,
        local: before.clone(),
        global: GlobalState::default(),
        failures: FailureTable::from([Vec::new()]),
    };
    let update = AccountUpdate { body, authorization: Authorization::None };
    let popped = Popped { index: 0, caller_id: TokenId::DEFAULT, has_children: false };
    let mut mask = Mask::new(&mut *ledger);
    machine.apply(&mut mask, &update, popped, &before)?;
    let Machine { local, global, failures, .. } = machine;
    if local.success {
        mask.commit()?;
        Ok(global.supply_increase)
    } else {
        let failures = in_minas_order(failures.into_iter().skip(1).collect());
        Err(ApplyError::Failed { failures })
    }
}

/// The check that failed last comes first.
fn in_minas_order(mut failures: FailureTable) -> FailureTable {
    failures.iter_mut().for_each(|bucket| bucket.reverse());
    failures
}

/// Updates without a failure of their own are cancelled; the fee payer is not.
fn cancel_others(mut failures: FailureTable) -> FailureTable {
    for bucket in failures.iter_mut().skip(1).filter(|bucket| bucket.is_empty()) {
        bucket.push(TransactionFailure::Cancelled);
    }
    failures
}
