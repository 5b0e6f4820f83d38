//! What new accounts look like, and what receipts say.

use mina_ledger::{
    Domain,
    hash::{command_hashes, zkapp_receipt},
    types::{AuthKind, Permissions},
};

use super::kit::{CREATION_FEE, World, authorized, body, id, minus, plain, plus, signed, transfer};

#[test]
fn new_accounts() {
    let mut world = World::new();
    world.succeed([
        signed(transfer(id(1), minus(CREATION_FEE + 9))),
        plain(transfer(id(40), plus(9))),
    ]);
    let account = world.account(id(40));
    assert_eq!(account.permissions, Permissions::user_default(world.era));
    assert_eq!((account.delegate, account.nonce.get()), (Some(id(40).public_key), 0));
    assert!(account.zkapp.is_none() && account.timing.is_none());
}

/// Every authorised update extends the receipt chain of its account by its index.
#[test]
fn item_17_receipts_by_index() {
    let mut world = World::new();
    let before: Vec<_> = (0..3).map(|index| world.account(id(index)).receipt_chain_hash).collect();
    let command = world.command(vec![
        (0, authorized(body(id(1)), AuthKind::None)),
        (0, signed(body(id(2)))),
        (0, signed(body(id(2)))),
    ]);
    let full = command_hashes(&command, &Domain::default()).full_commitment;
    assert_eq!(world.apply(&command).unwrap().failures, None);
    let after = |index| world.account(id(index)).receipt_chain_hash;
    assert_eq!(after(0), zkapp_receipt(before[0], 0, full));
    assert_eq!(after(1), before[1]);
    assert_eq!(after(2), zkapp_receipt(zkapp_receipt(before[2], 2, full), 3, full));
}
