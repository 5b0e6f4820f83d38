//! The bridge's own word on what o1js' chain is sent.

use std::sync::Arc;

use mina_curves::Fp;
use mina_ledger::{
    hash::constants::EMPTY_ACTION_STATE,
    rollup::{Committee, Configuration, DepositAction, Payout, append_action},
    types::{
        Amount, CallForest, FeePayer, FeePayerBody, Length, Memo, PublicKey, Signature, Slot,
        ZkappCommand,
    },
};
use zeko_bridge::{
    CertifiedBatch, Checker,
    ContractRule::{self, Commit, Deposit, Payout as Pays},
    L1Zkapp, Message, Refusal, Standing,
};
use zeko_circuits::contract::Contract;

use super::{Known, Mutation, user};

/// A checker, and what it has to know.
pub(super) struct Checks {
    checker: Checker,
    inbox: Vec<Message>,
    /// The batch that comes next.
    pub(super) batch: Option<CertifiedBatch>,
    /// The payout that comes next.
    pub(super) payout: Option<Payout>,
}

/// The numbers of refusals by rule and by what was changed; of all else, the update is not that of the
/// rule.
const EXPECTED: &[(ContractRule, &str, u16)] = &[
    (Deposit, "the proof", 1006),
    (Commit, "a child", 1001),
    (Commit, "the proof", 1006),
    (Commit, "inbox", 1007),
    (Commit, "outbox", 1008),
    (Commit, "data", 1005),
    (Commit, "state 7", 1005),
    (Commit, "any slot", 1009),
    (Commit, "later", 1009),
    (Pays, "a child", 1001),
    (Pays, "a written field", 1008),
    (Pays, "state 3", 1008),
    (Pays, "how far it goes", 1008),
    (Pays, "another recipient", 1008),
    (Pays, "another amount", 1008),
    (Pays, "no creation fee", 1008),
    (Pays, "payments in another order", 1008),
    (Pays, "no second payment", 1008),
    (Pays, "a payment twice", 1008),
    (Pays, "a payment beside it", 1008),
    (Pays, "a payment below the first", 1008),
];
const OTHERWISE: u16 = 1003;

impl Checks {
    pub(super) fn new(
        contract: &Contract,
        account: PublicKey,
        committee: Committee,
        configuration: Configuration,
    ) -> Self {
        let key = contract.program().verification_key().clone();
        let (account, parameters) = (contract.account(account), contract.parameters().clone());
        let checker = Checker::new(account, Some(key), parameters, committee, configuration);
        Self { checker, inbox: Vec::new(), batch: None, payout: None }
    }

    /// The L1 has another message.
    pub(super) fn deposited(&mut self, deposit: &DepositAction) {
        let before = self.inbox.last().map_or(EMPTY_ACTION_STATE, |message| message.after);
        let after = append_action(before, &deposit.to_fields());
        let (action_hash, height) = (deposit.action_hash(), Length::new(1));
        self.inbox.push(Message {
            before,
            after,
            action_hash,
            deposit: Some(*deposit),
            transaction: None,
            height,
        });
    }

    /// The chain as a command finds it.
    pub(super) fn standing(&self, known: &Known, key: Fp, slot: u32) -> Standing {
        let contract = L1Zkapp {
            state: known.state.clone().try_into().unwrap(),
            action_states: [known.action_state; 5],
            key_hash: Some(key),
        };
        Standing {
            contract,
            slot: Slot::new(slot),
            inbox: Some(Arc::new(self.inbox.clone())),
            batch: self.batch.clone(),
            payout: Ok(self.payout.clone()),
        }
    }

    fn check(&self, forest: &CallForest, standing: &Standing) -> Result<(), Refusal> {
        let fee = Amount::new(1);
        let body = FeePayerBody { public_key: user(0), fee, valid_until: None, nonce: 0.into() };
        let command = ZkappCommand {
            fee_payer: FeePayer { body, authorization: Signature::DUMMY },
            account_updates: forest.clone(),
            memo: Memo::EMPTY,
        };
        self.checker.check(&command, standing).map(drop)
    }

    pub(super) fn accept(&self, forest: &CallForest, standing: &Standing) {
        self.check(forest, standing).unwrap();
    }

    pub(super) fn refuse_with(
        &self,
        code: u16,
        name: &str,
        forest: &CallForest,
        standing: &Standing,
    ) {
        let refusal = self.check(forest, standing).expect_err(name);
        assert_eq!(refusal.code(), code, "{name}: {refusal}");
    }

    /// A changed command is refused for what was changed.
    pub(super) fn refuse(
        &self,
        rule: ContractRule,
        name: &str,
        forest: &CallForest,
        standing: &Standing,
    ) {
        let expected = EXPECTED.iter().find(|(of, known, _)| (*of, *known) == (rule, name));
        let code = expected.map_or(OTHERWISE, |(_, _, code)| *code);
        self.refuse_with(code, name, forest, standing);
    }

    pub(super) fn refuse_all(
        &self,
        rule: ContractRule,
        forest: &CallForest,
        mutations: Vec<Mutation>,
        standing: &Standing,
    ) {
        for mutation in mutations {
            let (name, changed) = mutation.apply(forest, 0);
            self.refuse(rule, &name, &changed, standing);
        }
    }
}
