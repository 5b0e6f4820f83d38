//! Witnesses of a command, as it is applied.

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use mina_ledger::{
    hash::{CommandHashes, call_stack_hash, memo_hash},
    ledger::{Ledger, LedgerError, Location},
    logic::{LocalState, Observer, UpdateRecord},
    rollup::Hashed,
    types::{Account, AccountId, Amount, Authorization, Proof, SignedAmount, ZkappCommand},
};

use super::{NewAccount, StackWitness, State, UpdateWitness};
use crate::schnorr::SignatureWitness;

/// An update with the state before it.
#[derive(Clone, Debug)]
pub struct RecordedUpdate {
    /// The state.
    pub before: State,
    /// What the prover knows of the update.
    pub witness: UpdateWitness,
    /// The proof that authorises it, if one does. Its key is that of the account before the update.
    pub proof: Option<Proof>,
}

/// Records a command while the transaction logic applies it: everything up to the first update that
/// fails.
#[derive(Debug)]
pub struct Recorder<'a> {
    command: &'a ZkappCommand,
    hashes: &'a CommandHashes,
    ends: Vec<usize>,
    /// The state between commands before this one, and with its fee payer.
    outer: State,
    /// The list of new accounts before the update that was recorded last, the entries of this
    /// command on it, and the account of that update if it is new.
    accounts: Fp,
    entries: Vec<NewAccount>,
    created: Option<(AccountId, Location)>,
    updates: Vec<RecordedUpdate>,
}

/// A command that has been recorded.
#[derive(Clone, Debug)]
pub struct RecordedCommand {
    /// Its updates, up to the first that fails.
    pub updates: Vec<RecordedUpdate>,
    /// What it adds to the list of new accounts.
    pub entries: Vec<NewAccount>,
    /// The list of new accounts behind it.
    pub accounts: Fp,
}

impl<'a> Recorder<'a> {
    /// A recorder of `command`. Of `before`, the state between commands, fees and new accounts count.
    pub fn new(command: &'a ZkappCommand, hashes: &'a CommandHashes, before: State) -> Self {
        Self {
            command,
            hashes,
            ends: command.account_updates.subtree_ends(),
            outer: before,
            accounts: before.accounts,
            entries: Vec::new(),
            created: None,
            updates: Vec::new(),
        }
    }

    /// What has been recorded of a command that has failed or not.
    pub fn finish(mut self, failed: bool) -> RecordedCommand {
        self.list_created(failed);
        let Self { updates, entries, accounts, .. } = self;
        RecordedCommand { updates, entries, accounts }
    }

    /// Lists the account of the update that was recorded last.
    fn list_created(&mut self, failed: bool) {
        let created = self.created.take();
        let before = self.outer.accounts;
        if let Some(entry) = NewAccount::of(before, self.accounts, created.as_ref(), failed) {
            self.accounts = entry.digest();
            self.entries.push(entry);
        }
    }

    fn state(&mut self, local: &LocalState, root: Fp) -> State {
        if local.index == 0 {
            let State { fees, accounts, .. } = self.outer;
            return State { ledger: root, fees, accounts, ..State::default() };
        }
        if local.index == 1 {
            // The fee payer is kept whatever comes.
            self.outer.ledger = root;
            self.outer.fees += Fp::from(self.command.fee_payer.body.fee.get());
        }
        let forest = &self.hashes.forest;
        let frame = local.frame;
        let State { ledger, fees, accounts, .. } = self.outer;
        State {
            ledger,
            fees,
            accounts,
            local_ledger: root,
            local_accounts: self.accounts,
            caller: frame.caller.0,
            caller_caller: frame.caller_caller.0,
            calls: forest.forest(frame.start, frame.end),
            call_stack: local.call_stack_hash(forest),
            commitment: local.commitment,
            full_commitment: local.full_commitment,
            excess: value(local.excess),
            creation_fees: -value(local.supply_increase),
            index: Fp::from(local.index),
        }
    }

    fn stack(&self, local: &LocalState) -> StackWitness {
        let forest = &self.hashes.forest;
        if local.index == 0 {
            return StackWitness {
                memo: memo_hash(&self.command.memo),
                forest: self.hashes.commitment,
                ..StackWitness::default()
            };
        }
        let frame = local.frame;
        let end = self.ends.get(frame.start).copied().unwrap_or(frame.end);
        let witness = StackWitness {
            children: forest.forest(frame.start + 1, end),
            rest: forest.forest(end, frame.end),
            ..StackWitness::default()
        };
        match local.call_stack.split_last() {
            Some((top, below)) => StackWitness {
                caller: top.caller.0,
                caller_caller: top.caller_caller.0,
                calls: forest.forest(top.start, top.end),
                below: below
                    .iter()
                    .fold(Fp::ZERO, |rest, frame| call_stack_hash(frame.hash(forest), rest)),
                ..witness
            },
            None => witness,
        }
    }
}

/// The fields of an action as long as an outbox entry.
fn first_action(actions: &[Vec<Fp>]) -> [Fp; 3] {
    let action = actions.first().and_then(|action| action.as_slice().try_into().ok());
    action.unwrap_or_default()
}

/// A signed amount as a field element.
fn value(amount: SignedAmount) -> Fp {
    let magnitude = Fp::from(amount.magnitude.get());
    if amount.is_negative() { -magnitude } else { magnitude }
}

impl Observer for Recorder<'_> {
    fn observe(
        &mut self,
        ledger: &mut dyn Ledger,
        record: &UpdateRecord<'_>,
    ) -> Result<(), LedgerError> {
        if !record.local_before.success {
            return Ok(());
        }
        let body = &record.update.body;
        let id = body.account_id();
        let location = ledger.location(&id)?.unwrap_or(Location::new(ledger.len()));
        let path = ledger.path(location)?;
        let root = ledger.root()?;
        let account = record.account_before.cloned();
        let is_new = account.is_none();
        let account = account.unwrap_or_else(|| Account::new(id, Amount::ZERO, ledger.era()));
        let (signature, proof) = match &record.update.authorization {
            // Without such a point no signature holds.
            Authorization::Signature(signature) => {
                (SignatureWitness::new(&body.public_key, *signature), None)
            }
            Authorization::Proof(proof) => (None, Some(proof.clone())),
            Authorization::None => (None, None),
        };
        let witness = UpdateWitness {
            body: body.clone(),
            signature: signature.unwrap_or_else(SignatureWitness::none),
            account,
            is_new,
            path,
            stack: self.stack(record.local_before),
            action: first_action(&body.actions),
        };
        // The update before this one has not failed.
        self.list_created(false);
        self.created = is_new.then_some((id, location));
        let before = self.state(record.local_before, root);
        self.updates.push(RecordedUpdate { before, witness, proof });
        Ok(())
    }
}
