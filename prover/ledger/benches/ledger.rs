//! Hashing, signatures and the tree at protocol sizes.

#![allow(missing_docs)] // criterion makes a public item
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use mina_curves::{Fp, Fq};
use mina_ledger::{
    Domain,
    hash::{account_hash, account_hashes, merge_many},
    ledger::{FullLedger, Ledger},
    signature::{BatchItem, sign_fields, verify_batch, verify_fields},
    types::{Account, AccountId, Amount, Era, PrivateKey, PublicKey},
};

fn accounts(count: u64) -> Vec<Account> {
    (0..count)
        .map(|n| {
            let key = PublicKey { x: Fp::from(n + 1), is_odd: false };
            Account::new(AccountId::of(key), Amount::new(n), Era::Berkeley)
        })
        .collect()
}

fn hashes(c: &mut Criterion) {
    let accounts = accounts(1000);
    let references: Vec<&Account> = accounts.iter().collect();
    c.bench_function("account_hash/1", |b| {
        b.iter(|| account_hash(black_box(&accounts[0]), Era::Berkeley));
    });
    c.bench_function("account_hash/1000", |b| {
        b.iter(|| account_hashes(black_box(&references), Era::Berkeley));
    });
    let pairs = vec![[Fp::from(1u64), Fp::from(2u64)]; 4096];
    c.bench_function("merge/4096", |b| b.iter(|| merge_many(3, black_box(&pairs))));
}

fn tree(c: &mut Criterion) {
    let mut ledger = FullLedger::from_accounts(accounts(1 << 14), Era::Berkeley).unwrap();
    ledger.root().unwrap();
    for changed in [1usize, 10_000] {
        c.bench_function(&format!("root/{changed}"), |b| {
            b.iter_batched(
                || {
                    let mut ledger = ledger.clone();
                    for account in ledger.accounts().to_vec().into_iter().take(changed) {
                        let nonce = account.nonce.successor();
                        ledger.set(Account { nonce, ..account }).unwrap();
                    }
                    ledger
                },
                |mut ledger| ledger.root().unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
}

fn signatures(c: &mut Criterion) {
    let domain = Domain::default();
    let key = PrivateKey::new(Fq::from(99u64)).unwrap();
    let public = key.to_public_key();
    let signed: Vec<_> = (0..1000u64)
        .map(|n| ([Fp::from(n)], sign_fields(&[Fp::from(n)], &key, &domain).unwrap()))
        .collect();
    c.bench_function("signature_verify/1", |b| {
        b.iter(|| verify_fields(&signed[0].1, &signed[0].0, &public, &domain).unwrap());
    });
    for count in [10, 1000] {
        let items: Vec<BatchItem> = signed
            .iter()
            .take(count)
            .map(|(message, signature)| BatchItem::fields(*signature, message.to_vec(), public))
            .collect();
        c.bench_with_input(BenchmarkId::new("signature_batch", count), &items, |b, items| {
            b.iter(|| verify_batch(items, &domain).unwrap());
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = hashes, tree, signatures
}
criterion_main!(benches);
