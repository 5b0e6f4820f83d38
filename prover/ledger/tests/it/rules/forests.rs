//! Nested updates: hashes and tokens.

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::{ForestHashes, body_hash, command_hashes, derive_token_id, hash_one},
    logic::TransactionFailure as F,
    types::{AccountId, CallForest, MayUseToken},
};
use mina_poseidon::{Kimchi, salted};
use rand::{Rng, SeedableRng};

use super::kit::{World, body, id, minus, plain, plus, signed, transfer, user};

/// The hash of a forest by its definition, tree by tree.
fn forest_hash(bodies: &[(u32, Fp)]) -> Fp {
    let node = salted::<Fp, Kimchi>("MinaAcctUpdateNode");
    let cons = salted::<Fp, Kimchi>("MinaAcctUpdateCons");
    let Some(((depth, body), rest)) = bodies.split_first() else { return Fp::ZERO };
    let end = rest.iter().position(|(d, _)| d <= depth).unwrap_or(rest.len());
    let (children, siblings) = rest.split_at(end);
    let tree = hash_one(&node, &[*body, forest_hash(children)]);
    hash_one(&cons, &[tree, forest_hash(siblings)])
}

#[test]
fn item_13_forest_hashes_of_random_trees() {
    let world = World::new();
    let domain = Domain::default();
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(13);
    for _ in 0..50 {
        let mut depth = 0;
        let updates: Vec<_> = (0..rng.gen_range(0..14))
            .map(|index| {
                depth = if index == 0 { 0 } else { rng.gen_range(0..=depth + 1) };
                let mut update = body(id(rng.gen_range(0..5)));
                update.call_data = Fp::from(rng.r#gen::<u64>());
                (depth, plain(update))
            })
            .collect();
        let bodies: Vec<_> = updates
            .iter()
            .map(|(depth, update)| (*depth, body_hash(&update.body, &domain)))
            .collect();
        let command = world.command(updates);
        let hashes = command_hashes(&command, &domain);
        assert_eq!(hashes.commitment, forest_hash(&bodies));
        let ends = command.account_updates.subtree_ends();
        for (index, end) in ends.iter().enumerate() {
            let children = &bodies[index + 1..*end];
            assert_eq!(hashes.forest.forest(index + 1, *end), forest_hash(children));
        }
        assert_eq!(hashes.forest.bodies.len(), bodies.len());
    }
    assert_eq!(ForestHashes::default().forest(0, 0), Fp::ZERO);
}

#[test]
fn depths_that_are_no_forest() {
    let mut forest = CallForest::new();
    assert!(forest.push(plain(body(id(0))), 1).is_err());
    forest.push(plain(body(id(0))), 0).unwrap();
    assert!(forest.push(plain(body(id(0))), 2).is_err());
    forest.push(plain(body(id(0))), 1).unwrap();
    forest.push(plain(body(id(0))), 2).unwrap();
    forest.push(plain(body(id(0))), 0).unwrap();
    assert_eq!(forest.subtree_ends(), [3, 3, 3, 4]);
}

/// Moves a token between users 2 and 3 at some depth under its owner, user 1, with updates of user 4
/// in between that pass the right to use the token on or not.
fn move_token(world: &mut World, between: &[MayUseToken], last: MayUseToken) -> Option<F> {
    let token = derive_token_id(&id(1));
    let mut updates = vec![(0, plain(body(id(1))))];
    for (depth, may) in (1..).zip(between) {
        let mut update = body(id(4));
        update.may_use_token = *may;
        updates.push((depth, plain(update)));
    }
    let depth = between.len() as u32 + 1;
    for (holder, change) in [(2, minus(3)), (3, plus(3))] {
        let mut update = transfer(AccountId::new(user(holder), token), change);
        update.may_use_token = last;
        updates.push((depth, signed(update)));
    }
    let applied = world.run(updates);
    applied.failures.map(|table| *table.iter().flatten().find(|f| **f != F::Cancelled).unwrap())
}

#[test]
fn item_34_token_inheritance() {
    use MayUseToken::{InheritFromParent as Inherit, No, ParentsOwnToken as Own};
    let mut world = World::new();
    world.mint(id(1), id(2), 1000);
    world.mint(id(1), id(3), 1000);
    let world = &mut world;
    let refused = Some(F::TokenOwnerNotCaller);
    // Directly under the owner.
    assert_eq!(move_token(world, &[], Own), None);
    assert_eq!(move_token(world, &[], No), refused);
    assert_eq!(move_token(world, &[], Inherit), refused);
    // Deeper: every update on the way has to pass it on.
    assert_eq!(move_token(world, &[Own], Inherit), None);
    assert_eq!(move_token(world, &[Own], Own), refused);
    assert_eq!(move_token(world, &[No], Inherit), refused);
    assert_eq!(move_token(world, &[Own, Inherit], Inherit), None);
    assert_eq!(move_token(world, &[Own, Inherit, Inherit], Inherit), None);
    assert_eq!(move_token(world, &[Own, No, Inherit], Inherit), refused);
    assert_eq!(move_token(world, &[Own, Own, Inherit], Inherit), refused);
    assert_eq!(move_token(world, &[Inherit, Inherit], Inherit), refused);
    let token = derive_token_id(&id(1));
    assert_eq!(world.account(AccountId::new(user(3), token)).balance.get(), 1012);
    // MINA needs nobody's leave.
    let applied = world.run(vec![
        (0, plain(body(id(1)))),
        (1, signed(transfer(id(2), minus(3)))),
        (1, plain(transfer(id(3), plus(3)))),
    ]);
    assert_eq!(applied.failures, None);
}

/// A token account delegates nothing, and is created without a delegate.
#[test]
fn item_34_token_accounts() {
    let mut world = World::new();
    let token = derive_token_id(&id(1));
    let holder = AccountId::new(user(2), token);
    let mut create = transfer(holder, plus(7));
    create.may_use_token = MayUseToken::ParentsOwnToken;
    let mut payer = transfer(id(1), minus(super::kit::CREATION_FEE));
    payer.call_data = Fp::from(1u64);
    let applied = world.run(vec![(0, signed(payer)), (1, plain(create.clone()))]);
    assert_eq!(applied.failures, None);
    assert_eq!(applied.created, [holder]);
    assert_eq!(world.account(holder).delegate, None);
    create.balance_change = plus(0);
    create.update.delegate = Some(user(3));
    let applied = world.run(vec![(0, plain(body(id(1)))), (1, signed(create))]);
    assert_eq!(applied.failures.unwrap()[2], [F::UpdateNotPermittedDelegate]);
}
