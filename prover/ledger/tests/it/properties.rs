//! What holds of every command: value is conserved, masks undo, sparse ledgers equal full ones, and
//! observers see a chain of states.

use std::{collections::BTreeMap, sync::OnceLock};

use mina_ledger::{
    Domain,
    hash::{account_hash, command_hashes},
    ledger::{FullLedger, Ledger, LedgerError, Location, Mask, SparseLedger, SparseWitness},
    logic::{
        ApplyError, Context, LocalState, Observer, UpdateRecord, ZkappApplied, apply_zkapp_command,
        check_structure,
    },
    types::{Account, AccountId, Era, ProtocolStateView, Sign, SignedAmount, ZkappCommand},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::Value;

use crate::support::{json, read, with_key_data};

/// A well-formed case of `transactions.json.gz`.
struct Case {
    ledger: FullLedger,
    command: ZkappCommand,
    view: ProtocolStateView,
    creation_fee: mina_ledger::types::Amount,
}

/// All of them; read once.
fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(read_cases)
}

fn read_cases() -> Vec<Case> {
    let file = json("ledger/transactions.json.gz");
    let keys = file["verificationKeys"].as_object().unwrap();
    let case = |case: &Value| {
        let command = serde::Deserialize::deserialize(&case["command"]).ok()?;
        check_structure(&command, Era::Berkeley).ok()?;
        let accounts = case["accountsBefore"].as_array().unwrap();
        let accounts =
            accounts.iter().map(|entry| read::<Account>(&with_key_data(&entry["account"], keys)));
        let mut ledger = FullLedger::from_accounts(accounts, Era::Berkeley).unwrap();
        // So that copies are hashed already.
        ledger.root().unwrap();
        Some(Case {
            ledger,
            command,
            view: read(&case["networkState"]),
            creation_fee: read(&case["accountCreationFee"]),
        })
    };
    let cases: Vec<_> = file["cases"].as_array().unwrap().iter().filter_map(case).collect();
    assert!(cases.len() > 400);
    cases
}

impl Case {
    fn apply<L: Ledger>(
        &self,
        ledger: &mut L,
        observer: &mut dyn Observer,
    ) -> Result<ZkappApplied, ApplyError> {
        let hashes = command_hashes(&self.command, &Domain::default());
        let context = Context {
            era: Era::Berkeley,
            account_creation_fee: self.creation_fee,
            slot: self.view.global_slot_since_genesis,
            view: &self.view,
            rule: None,
        };
        apply_zkapp_command(ledger, &self.command, &hashes, &context, observer)
    }
}

/// What all accounts of each token hold.
fn totals(ledger: &FullLedger) -> BTreeMap<String, u128> {
    let mut totals = BTreeMap::new();
    for account in ledger.accounts() {
        *totals.entry(account.token_id.to_base58()).or_default() +=
            u128::from(account.balance.get());
    }
    totals
}

fn add(total: u128, change: SignedAmount) -> u128 {
    match change.sign {
        Sign::Positive => total + u128::from(change.magnitude.get()),
        Sign::Negative => total - u128::from(change.magnitude.get()),
    }
}

/// MINA only leaves accounts as fee, and only vanishes as creation fee.
#[test]
fn value_is_conserved() {
    let mina = mina_ledger::types::TokenId::DEFAULT.to_base58();
    let mut applied_count = 0;
    for case in cases() {
        let before = totals(&case.ledger);
        let mut ledger = case.ledger.clone();
        let Ok(applied) = case.apply(&mut ledger, &mut ()) else {
            assert_eq!(totals(&ledger), before);
            continue;
        };
        let after = totals(&ledger);
        assert_eq!(
            after[&mina],
            add(add(before[&mina], applied.supply_increase), applied.fee_excess.negated())
        );
        if applied.failures.is_some() {
            assert_eq!(applied.supply_increase, SignedAmount::ZERO);
            let others = |totals: &BTreeMap<String, u128>| {
                totals.iter().filter(|(id, _)| **id != mina).map(|(_, x)| *x).collect::<Vec<_>>()
            };
            assert_eq!(others(&before), others(&after));
        } else {
            applied_count += 1;
        }
    }
    assert!(applied_count > 200);
}

#[test]
fn sparse_execution_equals_full_execution() {
    for case in cases() {
        let mut full = case.ledger.clone();
        let mut sparse = SparseLedger::of(&mut full, &case.command.accounts()).unwrap();
        let expected = case.apply(&mut full, &mut ());
        assert_eq!(case.apply(&mut sparse, &mut ()), expected);
        assert_eq!(sparse.root().unwrap(), full.root().unwrap());
        assert_eq!(sparse.len(), full.len());
        for id in case.command.accounts() {
            assert_eq!(sparse.get(&id).unwrap(), full.get(&id).unwrap());
        }
    }
}

#[test]
fn masks_undo_and_commit() {
    for case in cases() {
        let mut ledger = case.ledger.clone();
        let root = ledger.root().unwrap();
        let mut mask = Mask::new(&mut ledger);
        let outcome = case.apply(&mut mask, &mut ());
        let new_root = mask.root().unwrap();
        mask.discard();
        assert_eq!(ledger.root().unwrap(), root);

        // Hashed or not, a commit leads to the same ledger.
        for hash_first in [false, true] {
            let mut ledger = case.ledger.clone();
            let mut mask = Mask::new(&mut ledger);
            assert_eq!(case.apply(&mut mask, &mut ()), outcome);
            if hash_first {
                assert_eq!(mask.root().unwrap(), new_root);
            }
            mask.commit().unwrap();
            assert_eq!(ledger.root().unwrap(), new_root);
        }
        let mut direct = case.ledger.clone();
        assert_eq!(case.apply(&mut direct, &mut ()), outcome);
        assert_eq!(direct.root().unwrap(), new_root);
    }
}

/// Random changes on masks on masks, committed and thrown away in random order.
#[test]
fn nested_masks() {
    let mut rng = ChaCha20Rng::seed_from_u64(35);
    let account = |index: u64, balance: u64| {
        Account::new(crate::rules::kit::id(index), balance.into(), Era::Berkeley)
    };
    for _ in 0..30 {
        let mut base = FullLedger::new(Era::Berkeley);
        for index in 0..rng.gen_range(0..6) {
            base.set(account(index, 1)).unwrap();
        }
        let root = base.root().unwrap();
        let mut model = base.clone();
        let mut first = Mask::new(&mut base);
        for _ in 0..4 {
            let keep = rng.r#gen::<bool>();
            let mut second = Mask::new(first);
            for _ in 0..rng.gen_range(0..5) {
                let account = account(rng.gen_range(0..12), rng.r#gen());
                second.set(account.clone()).unwrap();
                if keep {
                    model.set(account).unwrap();
                }
            }
            if rng.r#gen() {
                second.root().unwrap();
            }
            first = if keep { second.commit().unwrap() } else { second.discard() };
            assert_eq!(first.root().unwrap(), model.root().unwrap());
            assert_eq!(first.len(), model.len());
        }
        if rng.r#gen() {
            first.commit().unwrap();
            assert_eq!(base.root().unwrap(), model.root().unwrap());
            assert_eq!(base.accounts(), model.accounts());
        } else {
            first.discard();
            assert_eq!(base.root().unwrap(), root);
        }
    }
}

#[test]
fn merkle_paths() {
    let case = &cases()[0];
    let mut ledger = case.ledger.clone();
    let root = ledger.root().unwrap();
    for index in 0..ledger.len() + 2 {
        let path = ledger.path(Location::new(index)).unwrap();
        let leaf = match ledger.account(Location::new(index)) {
            Ok(account) => account_hash(account, Era::Berkeley),
            Err(_) => mina_ledger::hash::empty_subtree(0, Era::Berkeley),
        };
        path.check(leaf, root).unwrap();
        assert_eq!(path.check(leaf + mina_curves::Fp::from(1u64), root), Err(LedgerError::Root));
    }
}

#[test]
fn sparse_ledgers_refuse_what_they_do_not_know() {
    let case = &cases()[0];
    let mut full = case.ledger.clone();
    let root = full.root().unwrap();
    let known: Vec<AccountId> = full.accounts().iter().map(Account::id).take(2).collect();
    let unknown = full.accounts()[3].id();
    let absent = crate::rules::kit::id(9999);
    let ids = [known[0], known[1], absent];
    let witness = SparseWitness::new(&mut full, &ids).unwrap();
    let mut sparse = SparseLedger::new(witness.clone(), root, Era::Berkeley).unwrap();
    assert!(matches!(sparse.get(&unknown), Err(LedgerError::NotWitnessed { .. })));
    let stranger = Account::new(unknown, 1.into(), Era::Berkeley);
    assert!(matches!(sparse.set(stranger), Err(LedgerError::NotWitnessed { .. })));
    assert_eq!(sparse.get(&absent), Ok(None));
    // Exactly the witnessed paths.
    assert!(sparse.path(Location::new(0)).is_ok());
    assert!(matches!(sparse.path(Location::new(3)), Err(LedgerError::MissingNode { .. })));

    let new = |witness| SparseLedger::new(witness, root, Era::Berkeley).map(|_| ());
    let mut changed = witness.clone();
    let account = changed.accounts.values_mut().next().unwrap();
    account.nonce = account.nonce.successor();
    assert_eq!(new(changed), Err(LedgerError::Root));
    let malformed = |edit: &dyn Fn(&mut SparseWitness)| {
        let mut changed = witness.clone();
        edit(&mut changed);
        assert!(matches!(new(changed), Err(LedgerError::Witness { .. })));
    };
    malformed(&|w| {
        w.nodes.pop_first();
    });
    malformed(&|w| {
        w.accounts.pop_last();
    });
    malformed(&|w| w.absent.push(known[0]));
    malformed(&|w| w.len = u64::MAX);
    malformed(&|w| w.len = 1);
    // Nothing at all needs only the root.
    let mut nothing = SparseLedger::of(&mut full, &[]).unwrap();
    assert_eq!(nothing.root().unwrap(), root);
    let mut empty = FullLedger::new(Era::Mesa);
    assert!(SparseLedger::of(&mut empty, &[absent]).is_ok());
}

/// Checks that records follow each other, and collects what a prover would.
#[derive(Default)]
struct Chain {
    last: Option<LocalState>,
    updates: usize,
}

impl Observer for Chain {
    fn observe(
        &mut self,
        ledger: &mut dyn Ledger,
        record: &UpdateRecord<'_>,
    ) -> Result<(), LedgerError> {
        let last = self.last.take().unwrap_or(LocalState::EMPTY);
        assert_eq!(&last, record.local_before);
        assert_eq!(record.index as usize, self.updates);
        let id = record.update.body.account_id();
        assert_eq!(ledger.get(&id)?, record.account_before);
        assert_eq!(record.account_after.id(), id);
        let location = ledger.location(&id)?.unwrap_or(Location::new(ledger.len()));
        let leaf = match record.account_before {
            Some(account) => account_hash(account, ledger.era()),
            None => mina_ledger::hash::empty_subtree(0, ledger.era()),
        };
        let path = ledger.path(location)?;
        path.check(leaf, ledger.root()?)?;
        self.last = Some(record.local_after.clone());
        self.updates += 1;
        Ok(())
    }
}

/// The local state is empty before and after a command, and chains in between.
#[test]
fn observers_see_every_update() {
    for case in cases().iter().step_by(7) {
        let mut chain = Chain::default();
        let mut ledger = case.ledger.clone();
        match case.apply(&mut ledger, &mut chain) {
            Ok(applied) => {
                assert_eq!(chain.updates, case.command.account_updates.len() + 1);
                let last = chain.last.unwrap();
                assert_eq!(last.success, applied.failures.is_none());
                assert_eq!(LocalState { success: true, ..last }, LocalState::EMPTY);
            }
            Err(_) => assert_eq!(chain.updates, 1),
        }
    }
}
