use std::{collections::BTreeSet, fs};

use mina_curves::Fp;
use zeko_da::{ClientError, api::EntryStatus};
use zeko_derive::{EntryKind, Envelope, Wire};

use crate::kit::{Cluster, block_on, certified, chain, hex, no_fork, pass, reach, rest, secret};

#[test]
fn a_third_party_stores_certifies_and_fetches_in_its_own_namespace() {
    let cluster = Cluster::started(&[]);
    block_on(async {
        let (first, third) = (cluster.client(0).await, cluster.client(2).await);
        let space = Fp::from(99u64);
        // More than one part, and more than one answer of the interface.
        let large: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
        let mut commitments = Vec::new();
        for data in [b"small".to_vec(), large.clone()] {
            let commitment = first.submit_blob(space, data.clone(), &secret(40)).await.unwrap();
            let light = cluster.light();
            assert_eq!(light.blob(&third, space, commitment).await.unwrap(), data);
            let error = light.blob(&third, Fp::from(1u64), commitment).await.unwrap_err();
            assert!(matches!(error, ClientError::Answer(_)), "{error}");
            commitments.push(commitment);
        }
        // Submitting it again is harmless.
        first.submit_blob(space, large, &secret(40)).await.unwrap();
        let entries = third.namespace(space, None, 10).await.unwrap();
        assert_eq!(entries.len(), 2);
        let last = third.namespace(space, Some((entries[0].height, entries[0].index)), 10).await;
        assert_eq!(last.unwrap(), entries[1..]);
        assert!(third.namespace(Fp::from(1u64), None, 10).await.unwrap().is_empty());
        let envelope = third.envelope(entries[1].height, entries[1].index).await.unwrap();
        assert_eq!(envelope.commitment(), commitments[1]);
        assert_eq!(envelope.sender, secret(40).to_public_key());
        no_fork(&cluster).await;

        // With nothing to decide, the chain rests.
        let mut clients = Vec::new();
        for index in 0..4 {
            clients.push(cluster.client(index).await);
        }
        rest(&clients).await;
    });
}

/// Every validator takes every blob in while the others decide it: an entry was decided at two
/// heights. Each is in the chain once, and nothing waits.
#[test]
fn what_is_sent_to_all_at_once_is_in_the_chain_once() {
    const BLOBS: u32 = 24;
    let cluster = Cluster::started(&[]);
    block_on(async {
        let space = Fp::from(55u64);
        let mut clients = Vec::new();
        for index in 0..4 {
            clients.push(cluster.client(index).await);
        }
        let mut sent = Vec::new();
        for blob in 0..BLOBS {
            let data: Vec<u8> = (0..150_000 + blob).map(|i| (i * (blob + 3)) as u8).collect();
            let key = secret(42);
            let all = clients.iter().map(|client| client.submit_blob(space, data.clone(), &key));
            let all = futures_util::future::try_join_all(all).await.unwrap();
            sent.push(all[0]);
        }
        for client in &clients {
            for commitment in &sent {
                certified(&cluster, client, *commitment).await;
            }
        }
        rest(&clients).await;
        let expected: BTreeSet<_> = sent.iter().map(|data| hex(&data.to_bytes())).collect();
        for client in &clients {
            let entries = client.namespace(space, None, 1000).await.unwrap();
            let places: Vec<_> = entries.iter().map(|e| (e.height, e.index)).collect();
            assert_eq!(entries.len(), sent.len(), "{places:?}");
            let found: BTreeSet<_> = entries.into_iter().map(|entry| entry.commitment).collect();
            assert_eq!(found, expected);
        }
        no_fork(&cluster).await;
    });
}

#[test]
fn what_is_wrong_is_refused_with_a_reason() {
    let mut cluster = Cluster::new(&[]);
    for config in &mut cluster.configs {
        config.limits.pending_entries = 2;
        config.limits.bridge_requests_per_minute = 60;
        config.genesis.sender_quota = 1 << 20;
    }
    // Alone, a validator decides nothing, so that what it accepts stays.
    cluster.start(0);
    block_on(async {
        let client = cluster.client(0).await;
        let sign = |data: Vec<u8>| {
            Envelope::sign(chain(), EntryKind::Blob, Fp::from(1u64), data, &secret(41)).unwrap()
        };
        let mut forged = sign(b"data".to_vec());
        forged.data[0] ^= 1;
        let other = mina_ledger::rollup::ChainId::new("other").unwrap();
        let foreign =
            Envelope::sign(other, EntryKind::Blob, Fp::from(1u64), vec![1], &secret(41)).unwrap();
        let refused = [
            (forged, "signature"),
            (foreign, "signature"),
            (sign(vec![0; (1 << 20) + 1]), "quota"),
        ];
        for (envelope, reason) in refused {
            let error = client.submit(&envelope).await.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let first = client.submit(&sign(b"one".to_vec())).await.unwrap();
        client.submit(&sign(b"two".to_vec())).await.unwrap();
        let error = client.submit(&sign(b"three".to_vec())).await.unwrap_err().to_string();
        assert!(error.contains("full"), "{error}");
        assert_eq!(client.status_of(first).await.unwrap(), EntryStatus::Pending);
        let unknown = sign(b"three".to_vec()).commitment();
        assert_eq!(client.status_of(unknown).await.unwrap(), EntryStatus::Unknown);
        client.data(unknown).await.unwrap_err();
    });
    // What was acknowledged is there after kill -9.
    cluster.take(0).kill();
    cluster.start(0);
    block_on(async {
        let status = cluster.client(0).await.status().await.unwrap();
        assert_eq!(status.pending_entries, 2);
    });
}

#[test]
fn a_validator_from_nothing_catches_up_and_mends_what_is_damaged() {
    let mut cluster = Cluster::new(&[]);
    (0..3).for_each(|index| cluster.start(index));
    block_on(async {
        let mut commitments = Vec::new();
        for round in 0..6u8 {
            let data = vec![round; 100_000 * usize::from(round + 1)];
            commitments.push((pass(&cluster, usize::from(round % 3), 0, &data).await, data));
        }
        let tip = cluster.client(0).await.status().await.unwrap().height;
        cluster.start(3);
        let late = cluster.client(3).await;
        reach(&late, tip).await;
        for (commitment, data) in &commitments {
            assert_eq!(late.data(*commitment).await.unwrap(), *data);
            certified(&cluster, &late, *commitment).await;
        }
        no_fork(&cluster).await;
        // One byte of one block, another block cut short, all others gone.
        let mut files: Vec<_> =
            fs::read_dir(cluster.blocks(3)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort_by_key(|path| fs::metadata(path).unwrap().len());
        let mut largest = fs::read(files.last().unwrap()).unwrap();
        let middle = largest.len() / 2;
        largest[middle] ^= 1;
        fs::write(files.last().unwrap(), &largest).unwrap();
        let second = &files[files.len() - 2];
        let bytes = fs::read(second).unwrap();
        fs::write(second, &bytes[..bytes.len() / 3]).unwrap();
        files[..files.len() - 2].iter().for_each(|path| fs::remove_file(path).unwrap());
        for (commitment, data) in &commitments {
            assert_eq!(late.data(*commitment).await.unwrap(), *data);
        }
        largest[middle] ^= 1;
        assert_eq!(fs::read(files.last().unwrap()).unwrap(), largest);
        // It takes part again.
        cluster.take(1).stop();
        pass(&cluster, 3, 2, b"with the late one").await;
    });
}
