use base64::Engine;
use mina_curves::Fp;
use mina_ledger::{
    hash::TransactionHash,
    rollup::CommandReceipt,
    types::{Authorization, AuthorizationKind, Era, Proof},
};
use zeko_derive::{
    Batch, BatchError, BridgeRequest, Command, DecodeError, EntryError, EntryKind, Envelope, Item,
    MAX_DATA_BYTES, Wire,
};

use crate::kit::{MINA, chain, deposit, envelope, rich_batch, secret, user};

#[test]
fn batches_round_trip() {
    let (batch, _, _) = rich_batch();
    let bytes = batch.encode().unwrap();
    assert_eq!(Batch::decode(&bytes, Era::Berkeley).unwrap(), batch);
    for end in 0..bytes.len() {
        Batch::decode(&bytes[..end], Era::Berkeley).unwrap_err();
    }
    let mut longer = bytes.clone();
    longer.push(0);
    let error = Batch::decode(&longer, Era::Berkeley).unwrap_err();
    assert_eq!(error, BatchError::Decode(DecodeError::Trailing { got: 1 }));
    let mut newer = bytes;
    newer[0] = 2;
    let error = Batch::decode(&newer, Era::Berkeley).unwrap_err();
    assert_eq!(error, BatchError::Decode(DecodeError::Version { expected: 1, got: 2 }));
}

/// Proofs of o1js, from the vectors of Pickles.
pub(crate) fn proofs() -> Vec<Proof> {
    ["n0_hash", "n1_inc1", "n2_merge"]
        .iter()
        .map(|name| {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/pickles/");
            let text = std::fs::read_to_string(format!("{root}{name}.json")).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            let base64 = json["proof"]["proof"].as_str().unwrap();
            Proof(base64::prelude::BASE64_STANDARD.decode(base64).unwrap().into())
        })
        .collect()
}

/// A zkApp command with a proof.
pub(crate) fn proved(proof: &Proof) -> Command {
    let Command::Zkapp(mut command) = crate::kit::transfer(0, 1, 5, 0) else { unreachable!() };
    let update = command.account_updates.updates_mut().next().unwrap();
    update.body.authorization_kind = AuthorizationKind::Proof(Fp::from(9u64));
    update.authorization = Authorization::Proof(proof.clone());
    Command::Zkapp(command)
}

#[test]
fn proofs_are_carried_in_compact_binary() {
    let (mut batch, _, _) = rich_batch();
    let before = batch.encode().unwrap().len();
    for proof in proofs() {
        let receipt = CommandReceipt { applied: true, outbox: Fp::from(1u64) };
        batch.blocks[0].items = vec![Item::Command(proved(&proof), receipt)];
        let bytes = batch.encode().unwrap();
        assert_eq!(Batch::decode(&bytes, Era::Berkeley).unwrap(), batch);
        // Numbers take half of their digits, and base64 another third of what o1js writes.
        assert!(bytes.len() < before + proof.0.len() * 54 / 100, "{}", proof.0.len());
    }
}

#[test]
fn a_second_encoding_of_a_batch_is_refused() {
    let (batch, _, _) = rich_batch();
    let bytes = batch.encode().unwrap();
    // The nonce of the payment is 0: bin_prot would also read it from two bytes.
    let Item::Command(Command::Signed(command), _) = &batch.blocks[0].items[3] else {
        panic!("a payment")
    };
    let encoded = mina_ledger::binprot::write_signed_command(command);
    let start = bytes.windows(encoded.len()).position(|w| w == encoded).unwrap();
    let mut other = encoded.clone();
    // Fee (8 bytes behind a code), key (33), nonce.
    let fee = if encoded[0] == 0xfd { 5 } else { 3 };
    assert_eq!(other[fee + 33], 0);
    other.splice(fee + 33..fee + 34, [0xff, 0]);
    assert_eq!(mina_ledger::binprot::read_signed_command(&other).unwrap(), *command);
    let mut changed = bytes[..start - 4].to_vec();
    changed.extend((other.len() as u32).to_le_bytes());
    changed.extend(&other);
    changed.extend(&bytes[start + encoded.len()..]);
    let error = Batch::decode(&changed, Era::Berkeley).unwrap_err();
    assert_eq!(error, BatchError::Decode(DecodeError::NotCanonical));
}

#[test]
fn envelopes_bind_everything() {
    let original = envelope(EntryKind::Blob, Fp::from(7u64), b"some data".to_vec());
    original.verify(chain()).unwrap();
    assert_eq!(Envelope::from_bytes(&original.to_bytes()), Ok(original.clone()));
    let changed: [fn(&mut Envelope); 4] = [
        |e| e.kind = EntryKind::BridgeRequest,
        |e| e.namespace += Fp::from(1u64),
        |e| e.sender = user(1),
        |e| e.data[0] ^= 1,
    ];
    for change in changed {
        let mut envelope = original.clone();
        change(&mut envelope);
        assert!(matches!(envelope.verify(chain()), Err(EntryError::Signature(_))));
        let many = [original.clone(), envelope];
        assert_eq!(Envelope::verify_many(&many, chain()).unwrap_err().0, 1);
    }
    let other = mina_ledger::rollup::ChainId::new("other").unwrap();
    assert!(matches!(original.verify(other), Err(EntryError::Signature(_))));
    Envelope::verify_many(&[original.clone(), original], chain()).unwrap();
    Envelope::verify_many(&[], chain()).unwrap();
    let sign = |data| Envelope::sign(chain(), EntryKind::Blob, Fp::from(1u64), data, &secret(1));
    assert_eq!(sign(vec![]), Err(EntryError::Empty));
    let (expected, got) = (MAX_DATA_BYTES, MAX_DATA_BYTES + 1);
    assert_eq!(sign(vec![0; got]), Err(EntryError::TooLarge { expected, got }));
}

#[test]
fn lengths_do_not_allocate() {
    // Claims 4 GiB in a few bytes.
    let mut bytes = envelope(EntryKind::Blob, Fp::from(7u64), b"x".to_vec()).to_bytes();
    let length = bytes.len() - 5;
    bytes[length..length + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(Envelope::from_bytes(&bytes), Err(DecodeError::TooLarge { .. })));
}

#[test]
fn bridge_requests_round_trip() {
    let request = BridgeRequest {
        rollup_account: user(3),
        transaction: TransactionHash([7; 32]),
        before: Fp::from(5u64),
        deposit: deposit(4, MINA, 9),
    };
    assert_eq!(BridgeRequest::from_bytes(&request.to_bytes()), Ok(request));
}
