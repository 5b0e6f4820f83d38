//! Two archive databases of real networks: the ledger hash of each canonical block, first from the
//! accounts that the block touched, then by applying the block's transactions.

mod database;

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    ledger::{FullLedger, Ledger, Location},
    logic::{
        Context, PartiallyApplied, apply_account_updates, apply_coinbase, apply_fee_payer,
        apply_fee_transfer, apply_signed_command,
    },
    types::{
        Account, Amount, Era, NetworkId, ProtocolStateView, Slot, ZkappCommand,
        ledger_hash_to_base58,
    },
};
use serde_json::Value;

use self::database::{Database, Transaction};
use crate::support::{fp, json, read};

struct Archive {
    era: Era,
    blocks: Value,
    genesis: FullLedger,
}

fn archive(name: &str, era: Era) -> Archive {
    let blocks = json(&format!("ledger/archive_blocks_{name}.json.gz"));
    let mut genesis = FullLedger::new(era);
    write_accessed(&mut genesis, &blocks["genesis"]);
    assert_eq!(genesis.root().unwrap(), fp(&blocks["genesis"]["root"]));
    Archive { era, blocks, genesis }
}

/// Writes the accounts that a block touched.
fn write_accessed(ledger: &mut FullLedger, block: &Value) {
    for accessed in block["accountsAccessed"].as_array().unwrap() {
        let location = ledger.set(read::<Account>(&accessed["account"])).unwrap();
        assert_eq!(location, Location::new(accessed["index"].as_u64().unwrap()));
    }
}

fn roots(name: &str, era: Era, count: usize) {
    let Archive { blocks, mut genesis, .. } = archive(name, era);
    let blocks = blocks["blocks"].as_array().unwrap();
    // With genesis.
    assert_eq!(blocks.len() + 1, count);
    for block in blocks {
        write_accessed(&mut genesis, block);
        let root: Fp = genesis.root().unwrap();
        assert_eq!(root, fp(&block["root"]), "block {}", block["height"]);
        assert_eq!(ledger_hash_to_base58(root), block["ledgerHash"].as_str().unwrap());
    }
}

#[test]
fn item_04_berkeley_archive_roots() {
    roots("berkeley", Era::Berkeley, 40);
}

#[test]
fn item_05_mesa_archive_roots() {
    roots("mesa", Era::Mesa, 25);
}

/// The account that genesis gives to the winner of its slot is the first leaf of both archives.
#[test]
fn genesis_winner_is_the_first_leaf() {
    for (name, era) in [("berkeley", Era::Berkeley), ("mesa", Era::Mesa)] {
        let Archive { genesis, .. } = archive(name, era);
        let winner = genesis.account(Location::new(0)).unwrap();
        assert_eq!(
            winner.public_key.to_base58(),
            "B62qiy32p8kAKnny8ZFwoMhYpBppM1DWVCqAPBYNcXnsAHhnfAAuXgg"
        );
        assert_eq!(winner.balance, Amount::new(1000));
        let mut single = FullLedger::from_accounts([winner.clone()], era).unwrap();
        let path = single.path(Location::new(0)).unwrap();
        let hash = mina_ledger::hash::account_hash(winner, era);
        path.check(hash, single.root().unwrap()).unwrap();
    }
}

/// Applies a block as Mina does: everything but the updates of zkApp commands, then those.
fn apply_block(ledger: &mut FullLedger, transactions: &[Transaction], domain: &Domain, slot: Slot) {
    let view = ProtocolStateView::default();
    let context = Context {
        era: domain.era(),
        account_creation_fee: Amount::new(1_000_000_000),
        slot,
        view: &view,
        rule: None,
    };
    let mut pending: Vec<(&ZkappCommand, PartiallyApplied, &database::Status)> = Vec::new();
    for transaction in transactions {
        match transaction {
            Transaction::Signed { payload, status } => {
                let applied = apply_signed_command(ledger, payload, &context).unwrap();
                status.check(applied.failures.as_ref());
            }
            Transaction::FeeTransfer(transfers) => {
                assert_eq!(apply_fee_transfer(ledger, transfers, &context).unwrap().failures, None);
            }
            Transaction::Coinbase(coinbase) => {
                assert_eq!(apply_coinbase(ledger, coinbase, &context).unwrap().failures, None);
            }
            Transaction::Zkapp { command, status } => {
                let hashes = mina_ledger::hash::command_hashes(command, domain);
                let partial = apply_fee_payer(ledger, command, &hashes, &context, &mut ()).unwrap();
                pending.push((command, partial, status));
            }
        }
    }
    for (command, partial, status) in pending {
        let applied = apply_account_updates(ledger, command, partial, &context, &mut ()).unwrap();
        status.check(applied.failures.as_ref());
    }
}

fn replay(name: &str, era: Era) -> [usize; 4] {
    let Archive { era, blocks, mut genesis } = archive(name, era);
    let database = Database::read(&format!("ledger/archive_{name}.sql.gz"));
    let domain = Domain::new(NetworkId::Testnet, era);
    let mut counts = [0; 4];
    for block in blocks["blocks"].as_array().unwrap() {
        let transactions = database.transactions(block["stateHash"].as_str().unwrap(), era);
        for transaction in &transactions {
            counts[transaction.kind()] += 1;
        }
        let slot: Slot = read(&block["globalSlotSinceGenesis"]);
        apply_block(&mut genesis, &transactions, &domain, slot);
        for accessed in block["accountsAccessed"].as_array().unwrap() {
            let location = Location::new(accessed["index"].as_u64().unwrap());
            let expected: Account = read(&accessed["account"]);
            assert_eq!(genesis.account(location).unwrap(), &expected, "block {}", block["height"]);
        }
        let root = genesis.root().unwrap();
        assert_eq!(root, fp(&block["root"]), "block {}", block["height"]);
    }
    counts
}

/// Payments, fee transfers, coinbase and (failing) zkApp commands of both networks lead to the same
/// accounts, ledger hashes, statuses and transaction hashes.
#[test]
fn item_04_16_20_berkeley_archive_replay() {
    let [payments, fee_transfers, coinbases, zkapps] = replay("berkeley", Era::Berkeley);
    assert!(payments > 200 && fee_transfers > 30 && coinbases > 30 && zkapps > 400);
}

#[test]
fn item_05_16_20_mesa_archive_replay() {
    let [payments, fee_transfers, coinbases, zkapps] = replay("mesa", Era::Mesa);
    assert!(payments > 50 && fee_transfers > 15 && coinbases > 15 && zkapps > 100);
}
