//! Signatures and proofs of commands, before they are applied.

use std::cell::RefCell;

use mina_curves::Fp;
use mina_ledger::{
    Domain,
    binprot::{
        NoProofs as NoProofCodec, ProofCodec, ReadError, Reader, Writer, read_zkapp_command,
        write_zkapp_command,
    },
    hash::{TransactionHash, body_hash, command_hashes},
    ledger::Ledger,
    logic::{
        AuthorizationError, NoProofs, ProofClaim, ProofVerifier, ZkappStatement,
        check_authorizations, check_proofs, check_signature,
    },
    signature::{SignatureError, sign_payload, sign_zkapp_command},
    types::{
        AccountUpdate, Authorization, AuthorizationKind, Era, Memo, NetworkId, Nonce, Proof,
        Signature, SignedCommand, SignedCommandBody, SignedCommandPayload, Slot, ZkappAccount,
        ZkappCommand,
    },
};

use crate::rules::kit::{World, body, id, key, plain, secret, signed, user};

/// Accepts a proof if its bytes are the decimal of the update's hash, and remembers what it saw.
#[derive(Default)]
struct HashIsProof {
    seen: RefCell<Vec<(Fp, ZkappStatement)>>,
}

impl ProofVerifier for HashIsProof {
    fn verify(&self, claims: &[ProofClaim<'_>]) -> Result<(), usize> {
        for (index, claim) in claims.iter().enumerate() {
            self.seen.borrow_mut().push((claim.verification_key.hash(), claim.statement));
            if claim.proof.0[..] != *proof_of(claim.statement.account_update).0 {
                return Err(index);
            }
        }
        Ok(())
    }
}

fn proof_of(hash: Fp) -> Proof {
    Proof(mina_ledger::types::to_decimal(hash).into_bytes().into())
}

/// An update of user 1 that proves itself for the key with this index.
fn proved(key_index: u64, call_data: u64) -> AccountUpdate {
    let mut body = body(id(1));
    body.call_data = Fp::from(call_data);
    body.authorization_kind = AuthorizationKind::Proof(key(key_index).hash());
    let authorization = Authorization::Proof(proof_of(body_hash(&body, &Domain::default())));
    AccountUpdate { body, authorization }
}

/// User 1 has key 0.
fn world() -> World {
    let mut world = World::new();
    let era = world.era;
    world.edit(id(1), |account| {
        let zkapp = ZkappAccount { verification_key: Some(key(0)), ..ZkappAccount::new(era) };
        account.zkapp = Some(zkapp.into());
    });
    world
}

fn signed_command(world: &World, updates: Vec<(u32, AccountUpdate)>) -> ZkappCommand {
    let mut command = world.command(updates);
    let domain = Domain::default();
    let hashes = command_hashes(&command, &domain);
    for index in 0..5 {
        sign_zkapp_command(&mut command, &hashes, &secret(index), &domain).unwrap();
    }
    command
}

fn check(
    world: &World,
    command: &ZkappCommand,
    verifier: &dyn ProofVerifier,
) -> Result<(), AuthorizationError> {
    let domain = Domain::default();
    let hashes = command_hashes(command, &domain);
    check_authorizations(command, &hashes, &domain, &world.ledger, verifier)
}

#[test]
fn statements_are_update_and_calls() {
    let world = world();
    let updates = vec![
        (0, proved(0, 1)),
        (1, plain(body(id(2)))),
        (2, proved(0, 2)),
        (1, signed(body(id(3)))),
        (0, proved(0, 3)),
    ];
    let command = signed_command(&world, updates);
    let hashes = command_hashes(&command, &Domain::default());
    let verifier = HashIsProof::default();
    check(&world, &command, &verifier).unwrap();
    let expected: Vec<_> = [(0, 4), (2, 3), (4, 5)]
        .map(|(index, end)| {
            let account_update = hashes.forest.bodies[index];
            let calls = hashes.forest.forest(index + 1, end);
            (key(0).hash(), ZkappStatement { account_update, calls })
        })
        .to_vec();
    assert_eq!(*verifier.seen.borrow(), expected);
    assert_ne!(expected[0].1.calls, Fp::from(0u64));
    assert_eq!(expected[2].1.calls, Fp::from(0u64));
    assert_eq!(check(&world, &command, &NoProofs), Err(AuthorizationError::Proof { index: 0 }));
}

#[test]
fn wrong_proofs_are_found() {
    let world = world();
    let mut wrong = proved(0, 2);
    wrong.authorization = Authorization::Proof(Proof([1, 2, 3].into()));
    let updates = vec![(0, plain(body(id(2)))), (0, proved(0, 1)), (0, wrong)];
    let command = signed_command(&world, updates);
    let error = check(&world, &command, &HashIsProof::default()).unwrap_err();
    assert_eq!(error, AuthorizationError::Proof { index: 2 });
}

#[test]
fn keys_come_from_the_ledger_or_the_command() {
    let world = world();
    let verifier = HashIsProof::default();
    let missing = |command| {
        let hashes = command_hashes(&command, &Domain::default());
        check_proofs(&command, &hashes, &world.ledger, &verifier)
    };
    let error = |index| Err(AuthorizationError::VerificationKey { index });
    assert_eq!(missing(world.command(vec![(0, proved(1, 1))])), error(0));
    let mut set = body(id(1));
    set.update.verification_key = Some(key(1));
    let set = signed(set);
    // From the update that sets it on, and not before.
    let after = vec![(0, proved(0, 1)), (0, set.clone()), (0, proved(1, 2))];
    assert_eq!(missing(world.command(after)), Ok(()));
    assert_eq!(missing(world.command(vec![(0, proved(1, 1)), (0, set.clone())])), error(0));
    assert_eq!(missing(world.command(vec![(0, set), (0, proved(0, 1))])), error(1));
    // An account that does not exist has none.
    let mut stranger = proved(0, 1);
    stranger.body.public_key = user(60);
    assert_eq!(missing(world.command(vec![(0, stranger)])), error(0));
}

#[test]
fn item_43_signatures_of_other_networks_are_refused() {
    let world = world();
    let command = signed_command(&world, vec![(0, signed(body(id(2))))]);
    check(&world, &command, &NoProofs).unwrap();
    for network in ["mainnet", "zeko-devnet"] {
        let domain = Domain::new(NetworkId::from_name(network).unwrap(), Era::Berkeley);
        let hashes = command_hashes(&command, &domain);
        let error = check_authorizations(&command, &hashes, &domain, &world.ledger, &NoProofs);
        assert_eq!(error, Err(SignatureError::Invalid.into()));
    }
    let mut unsigned = command.clone();
    for update in unsigned.account_updates.updates_mut() {
        update.authorization = Authorization::Signature(Signature::DUMMY);
    }
    let error = check(&world, &unsigned, &NoProofs).unwrap_err();
    assert_eq!(error, SignatureError::Invalid.into());

    let payload = SignedCommandPayload {
        fee: 1.into(),
        fee_payer: user(1),
        nonce: Nonce::ZERO,
        valid_until: Slot::MAX,
        memo: Memo::EMPTY,
        body: SignedCommandBody::Payment { receiver: user(2), amount: 1.into() },
    };
    let testnet = Domain::default();
    let signature = sign_payload(&payload, &secret(1), &testnet).unwrap();
    let command = SignedCommand { payload, signature };
    check_signature(&command, &testnet).unwrap();
    let mainnet = Domain::new(NetworkId::Mainnet, Era::Berkeley);
    assert!(check_signature(&command, &mainnet).is_err());
}

/// Proofs as strings of bytes.
struct Bytes;

impl ProofCodec for Bytes {
    fn write(&self, proof: &Proof, writer: &mut Writer) -> Result<(), ReadError> {
        writer.string(&proof.0);
        Ok(())
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<Proof, ReadError> {
        reader.string(1000).map(|bytes| Proof(bytes.into()))
    }
}

#[test]
fn bin_prot_of_nested_commands_with_proofs() {
    let world = world();
    let updates = vec![
        (0, proved(0, 1)),
        (1, plain(body(id(2)))),
        (2, proved(0, 2)),
        (1, signed(body(id(3)))),
        (0, proved(0, 3)),
        (1, plain(body(id(4)))),
    ];
    let command = signed_command(&world, updates);
    let bytes = write_zkapp_command(&command, &Bytes).unwrap();
    assert_eq!(read_zkapp_command(&bytes, Era::Berkeley, &Bytes).unwrap(), command);
    assert_eq!(write_zkapp_command(&command, &NoProofCodec), Err(ReadError::Proof));
    assert_eq!(read_zkapp_command(&bytes, Era::Berkeley, &NoProofCodec), Err(ReadError::Proof));
    for end in 0..bytes.len() {
        assert!(read_zkapp_command(&bytes[..end], Era::Berkeley, &Bytes).is_err());
    }
    // Which proof or signature it is does not count in the transaction hash.
    let mut other = command.clone();
    other.fee_payer.authorization = Signature::DUMMY;
    for update in other.account_updates.updates_mut() {
        if let Authorization::Proof(proof) = &mut update.authorization {
            *proof = Proof([9].into());
        }
    }
    let hash = TransactionHash::of_zkapp_command(&command);
    assert_eq!(TransactionHash::of_zkapp_command(&other), hash);
    assert_eq!(world.ledger.len(), 5);
}
