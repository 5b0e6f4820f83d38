//! Every decoder on 10^5 seeded mutations: no panic, and whatever is accepted has this one encoding.

use std::cell::Cell;

use mina_curves::Fp;
use mina_ledger::{hash::TransactionHash, logic::NoProofs, rollup::CommandReceipt, types::Era};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use zeko_derive::{
    Batch, BridgeRequest, Certificate, CertificateStatement, EntryKind, Envelope, Item, Wire,
    execute_batch,
};

use crate::{
    codec::{proofs, proved},
    kit::{MINA, deposit, envelope, genesis, parameters, rich_batch, secret, user},
};

const SEED: u64 = 0x0064_6572_6976_6500;
const ROUNDS: usize = 100_000;

fn mutate(bytes: &mut Vec<u8>, rng: &mut ChaCha20Rng) {
    for _ in 0..rng.gen_range(1..4) {
        if bytes.is_empty() {
            bytes.push(rng.r#gen());
            continue;
        }
        let at = rng.gen_range(0..bytes.len());
        match rng.gen_range(0..7) {
            0 => bytes[at] ^= 1 << rng.gen_range(0..8),
            1 => bytes[at] = rng.r#gen(),
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, rng.r#gen()),
            4 => bytes.truncate(at),
            5 => {
                // Lengths: four bytes at once.
                let value: u32 = if rng.r#gen() { u32::MAX } else { rng.gen_range(0..1 << 20) };
                for (byte, new) in bytes[at..].iter_mut().zip(value.to_le_bytes()) {
                    *byte = new;
                }
            }
            _ => {
                let end = (at + rng.gen_range(1..40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = rng.gen_range(0..=bytes.len());
                bytes.splice(to..to, copy);
            }
        }
    }
}

/// Runs `decode` on mutations of `sample`; it gives back the encoding of what it accepts.
fn fuzz(name: &str, sample: &[u8], decode: impl Fn(&[u8]) -> Option<Vec<u8>>) -> usize {
    assert_eq!(decode(sample).as_deref(), Some(sample), "{name}");
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    let mut accepted = 0;
    for round in 0..ROUNDS {
        let mut bytes = sample.to_vec();
        mutate(&mut bytes, &mut rng);
        if let Some(again) = decode(&bytes) {
            assert_eq!(again, bytes, "{name}, seed {SEED}, round {round}");
            accepted += 1;
        }
    }
    accepted
}

fn wire<T: Wire>(bytes: &[u8]) -> Option<Vec<u8>> {
    T::from_bytes(bytes).ok().map(|value| value.to_bytes())
}

#[test]
fn envelopes() {
    let sample = envelope(EntryKind::Blob, Fp::from(1u64), vec![5; 300]).to_bytes();
    assert!(fuzz("envelope", &sample, wire::<Envelope>) > ROUNDS / 100);
}

#[test]
fn bridge_requests() {
    let (rollup_account, transaction) = (user(3), TransactionHash([7; 32]));
    let before = Fp::from(5u64);
    let deposit = deposit(4, MINA, 9);
    let request = BridgeRequest { rollup_account, transaction, before, deposit };
    fuzz("bridge request", &request.to_bytes(), wire::<BridgeRequest>);
}

#[test]
fn certificates() {
    let (batch, _, sequencer) = rich_batch();
    let statement = CertificateStatement::Batch(batch.attestation(sequencer.state.data, 9, 1));
    let signature = statement.sign(&secret(1)).unwrap();
    let certificate = Certificate { statement, signatures: vec![(user(1), signature); 3] };
    fuzz("certificate", &certificate.to_bytes(), wire::<Certificate>);
}

#[test]
fn batches() {
    let (batch, inbox, _) = rich_batch();
    let sample = batch.encode().unwrap();
    let (ledger, state) = genesis();
    let parameters = parameters();
    let executed = Cell::new(0);
    let execute = |batch: &Batch, data| {
        let inbox = &inbox;
        execute_batch(&mut ledger.clone(), &state, batch, data, &parameters, inbox, &NoProofs)
    };
    let decode = |bytes: &[u8]| {
        let batch = Batch::decode(bytes, Era::Berkeley).ok()?;
        // Nothing but the batch itself executes; that takes long, so not all of them are tried.
        executed.set(executed.get() + 1);
        if executed.get() < 1000 {
            let data = mina_ledger::rollup::DataCommitment::new(bytes);
            assert!(execute(&batch, data).is_err() || bytes == sample);
        }
        Some(batch.encode().unwrap())
    };
    fuzz("batch", &sample, decode);
}

#[test]
fn batches_with_proofs() {
    let (mut batch, _, _) = rich_batch();
    let receipt = CommandReceipt { applied: true, outbox: Fp::from(1u64) };
    batch.blocks.truncate(1);
    batch.blocks[0].items = vec![Item::Command(proved(&proofs()[0]), receipt)];
    let sample = batch.encode().unwrap();
    let plain = |bytes: &[u8]| Some(Batch::decode(bytes, Era::Berkeley).ok()?.encode().unwrap());
    assert!(fuzz("batch with a proof", &sample, plain) > ROUNDS / 100);
}
