use mina_curves::Fp;
use mina_ledger::{
    ledger::{Ledger, LedgerError, SparseLedger, SparseWitness},
    logic::NoProofs,
    rollup::{DataCommitment, MessageReceipt, RefundReason},
    types::{AccountId, Amount, Signature, Slot},
};
use zeko_derive::{Batch, Command, ExecuteError, Item, batch_accounts, execute_batch};

use crate::kit::{MINA, deposit, genesis, inbox, inbox_state, parameters, rich_batch, run, user};

#[test]
fn re_execution_reaches_the_sequencers_state() {
    let (batch, inbox, mut sequencer) = rich_batch();
    assert_eq!(run(&batch, &inbox).unwrap(), sequencer.state);
    let receipts: Vec<_> = batch.blocks.iter().flat_map(|block| &block.items).collect();
    let messages: Vec<_> = receipts
        .iter()
        .filter_map(|item| match item {
            Item::Message(_, receipt) => Some(*receipt),
            _ => None,
        })
        .collect();
    let timed_out = MessageReceipt::Refunded(RefundReason::TimedOut);
    assert_eq!(messages, [MessageReceipt::Fulfilled, MessageReceipt::Fulfilled, timed_out]);
    let applied = receipts.iter().filter_map(|item| match item {
        Item::Command(_, receipt) => Some(receipt.applied),
        _ => None,
    });
    assert_eq!(applied.collect::<Vec<_>>(), [true, true, true, false]);
    // Four fees, the creation fee of user 50, two deposit fees.
    let fees = 4 * MINA / 100 + MINA / 10 + 2 * 1000;
    let account = sequencer.ledger.get(&AccountId::of(user(9))).unwrap().unwrap();
    assert_eq!(account.balance, Amount::new(1000 * MINA + fees));
    assert_eq!(sequencer.ledger.root().unwrap(), batch.header.target_ledger);
}

#[test]
fn a_witness_is_enough() {
    let (batch, inbox, sequencer) = rich_batch();
    let (mut full, state) = genesis();
    let witness = SparseWitness::new(&mut full, &batch_accounts(&batch)).unwrap();
    let era = full.era();
    let execute = |mut ledger: SparseLedger| {
        let data = sequencer.state.data;
        execute_batch(&mut ledger, &state, &batch, data, &parameters(), &inbox, &NoProofs)
    };
    let sparse = SparseLedger::new(witness.clone(), state.ledger, era).unwrap();
    assert_eq!(execute(sparse).unwrap(), sequencer.state);
    // Every sibling counts.
    assert!(!witness.nodes.is_empty());
    for position in witness.nodes.keys() {
        let mut less = witness.clone();
        less.nodes.remove(position);
        let error = SparseLedger::new(less, state.ledger, era).unwrap_err();
        assert!(matches!(error, LedgerError::Witness { .. } | LedgerError::MissingNode { .. }));
        let mut other = witness.clone();
        *other.nodes.get_mut(position).unwrap() += Fp::from(1u64);
        assert_eq!(SparseLedger::new(other, state.ledger, era).unwrap_err(), LedgerError::Root);
    }
    // So does every account, but for user 9: it is the last, and shows where new ones go.
    let ids = batch_accounts(&batch);
    for missing in ids.iter().filter(|id| **id != AccountId::of(user(9))) {
        let rest: Vec<_> = ids.iter().filter(|id| *id != missing).copied().collect();
        let sparse = SparseLedger::of(&mut genesis().0, &rest).unwrap();
        let error = execute(sparse).unwrap_err();
        assert!(format!("{error}").contains("not part of the sparse ledger"), "{error}");
    }
}

#[test]
fn every_claim_of_the_header_is_checked() {
    type Edit = fn(&mut Batch);
    let edits: [(&str, Edit); 16] = [
        ("protocol version", |b| b.header.protocol_version += 1),
        ("L1 network", |b| b.header.l1_network = b.header.chain),
        ("rollup account", |b| b.header.rollup_account = user(1)),
        ("chain", |b| b.header.chain = b.header.l1_network),
        ("number", |b| b.header.batch += 1),
        ("source ledger", |b| b.header.source_ledger += Fp::from(1u64)),
        ("target ledger", |b| b.header.target_ledger += Fp::from(1u64)),
        ("inbox", |b| b.header.inbox_before += Fp::from(1u64)),
        ("inbox", |b| b.header.inbox_after += Fp::from(1u64)),
        ("outbox", |b| b.header.outbox_before += Fp::from(1u64)),
        ("outbox", |b| b.header.outbox_after += Fp::from(1u64)),
        ("first height", |b| b.header.first_height = 7.into()),
        ("parent", |b| b.header.parent += Fp::from(1u64)),
        ("first block", |b| b.header.first_block += Fp::from(1u64)),
        ("last block", |b| b.header.last_block += Fp::from(1u64)),
        ("previous data", |b| b.header.previous_data = DataCommitment::new(b"x")),
    ];
    let (batch, inbox, _) = rich_batch();
    for (what, edit) in edits {
        let mut edited = batch.clone();
        edit(&mut edited);
        let error = run(&edited, &inbox).unwrap_err();
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
    // Fees go where the header says, so the ledger is another.
    let mut edited = batch.clone();
    edited.header.fee_recipient = user(8);
    assert_eq!(run(&edited, &inbox), Err(ExecuteError::Target { what: "target ledger" }));
    edited.header.fee_recipient = user(99);
    assert_eq!(run(&edited, &inbox), Err(ExecuteError::Fees));
    // A generation is part of every block's hash.
    let mut edited = batch;
    edited.header.generation = 1;
    assert_eq!(run(&edited, &inbox), Err(ExecuteError::Target { what: "first block" }));
}

#[test]
fn receipts_messages_and_commands_are_checked() {
    let (batch, inbox, _) = rich_batch();
    let edit = |edit: &dyn Fn(&mut Batch)| {
        let mut edited = batch.clone();
        edit(&mut edited);
        run(&edited, &inbox).unwrap_err()
    };
    for (block, content) in batch.blocks.iter().enumerate() {
        for (item, original) in content.items.iter().enumerate() {
            // Without the item, nothing fits any more.
            edit(&|b| drop(b.blocks[block].items.remove(item)));
            let forged = edit(&|b| match &mut b.blocks[block].items[item] {
                Item::Command(_, receipt) => receipt.applied = !receipt.applied,
                Item::Message(_, receipt) => {
                    *receipt = match receipt {
                        MessageReceipt::Fulfilled => {
                            MessageReceipt::Refunded(RefundReason::NotCreditable)
                        }
                        _ => MessageReceipt::Fulfilled,
                    }
                }
                Item::Unopened(hash) => *hash += Fp::from(1u64),
            });
            match original {
                Item::Unopened(_) => assert_eq!(forged, ExecuteError::Message { block, item }),
                _ => assert_eq!(forged, ExecuteError::Receipt { block, item }),
            }
            if let Item::Command(command, _) = original {
                let error = edit(&|b| {
                    let Item::Command(_, receipt) = &mut b.blocks[block].items[item] else {
                        return;
                    };
                    receipt.outbox += Fp::from(1u64);
                });
                assert_eq!(error, ExecuteError::Receipt { block, item });
                let unsigned = match command.clone() {
                    Command::Zkapp(mut command) => {
                        command.fee_payer.authorization = Signature::DUMMY;
                        Command::Zkapp(command)
                    }
                    Command::Signed(mut command) => {
                        command.signature = Signature::DUMMY;
                        Command::Signed(command)
                    }
                };
                let error = edit(&|b| {
                    let Item::Command(command, _) = &mut b.blocks[block].items[item] else {
                        return;
                    };
                    *command = unsigned.clone();
                });
                let ExecuteError::Signature { block: b, item: i, .. } = error else {
                    panic!("{error}")
                };
                assert_eq!((b, i), (block, item));
            }
        }
    }
    let error = edit(&|b| b.blocks[1].slot = Slot::new(9));
    assert!(matches!(error, ExecuteError::Slot { block: 1, .. }), "{error}");
    let error = edit(&|b| b.blocks[0].ledger += Fp::from(1u64));
    assert_eq!(error, ExecuteError::BlockLedger { block: 0 });
    let error = edit(&|b| b.blocks.clear());
    assert!(matches!(error, ExecuteError::Count { what: "blocks", .. }), "{error}");
    let error = edit(&|b| {
        let message = b.blocks[0].items[0].clone();
        b.blocks[0].items = vec![message; 33];
    });
    assert!(matches!(error, ExecuteError::Count { what: "messages", got: 34, .. }), "{error}");
}

#[test]
fn the_l1_has_the_last_word_on_messages() {
    let (batch, (prefix, actions), _) = rich_batch();
    // The L1 has fewer messages so far: perhaps later.
    let error = run(&batch, &(prefix, actions[..2].to_vec())).unwrap_err();
    assert_eq!(error, ExecuteError::MessageNotSeen { block: 0, item: 2 });
    assert!(error.is_transient());
    // It has another one there: never.
    let mut others = actions.clone();
    others[1] = deposit(7, MINA, 7).action_hash();
    let error = run(&batch, &(prefix, others)).unwrap_err();
    assert_eq!(error, ExecuteError::Message { block: 0, item: 1 });
    assert!(!error.is_transient());
    let mut swapped = actions;
    swapped.swap(0, 1);
    assert_eq!(run(&batch, &(prefix, swapped)), Err(ExecuteError::Message { block: 0, item: 0 }));
}

#[test]
fn an_inbox_knows_what_follows_a_prefix() {
    use zeko_derive::InboxView;
    let deposits = [deposit(1, MINA, 9), deposit(2, MINA, 9)];
    let view = inbox(&deposits);
    assert_eq!(view.next(inbox_state(&[])), Some(deposits[0].action_hash()));
    assert_eq!(view.next(inbox_state(&deposits[..1])), Some(deposits[1].action_hash()));
    assert_eq!(view.next(inbox_state(&deposits)), None);
    assert_eq!(view.next(Fp::from(1u64)), None);
}
