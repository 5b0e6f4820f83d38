use zeko_da::{ByzantineConfig, Culprit, Trigger, api::EntryStatus, verify_evidence};

use crate::kit::{Cluster, block_on, certified, chain, no_fork, pass, secret};

#[test]
fn one_of_four_may_be_down_and_two_stop_the_chain_without_loss() {
    let mut cluster = Cluster::started(&[]);
    block_on(async {
        pass(&cluster, 0, 1, b"all four").await;
        cluster.take(3).kill();
        for round in 0..5u8 {
            pass(&cluster, 0, 1, &[round, 3]).await;
        }
        cluster.take(2).kill();
        // Two of four decide nothing; what they accept is not lost, not even if they are killed.
        let space = mina_curves::Fp::from(7u64);
        let client = cluster.client(0).await;
        let waiting = client.submit_blob(space, b"waits".to_vec(), &secret(51)).await.unwrap();
        let limit = std::time::Duration::from_secs(3);
        let stuck = tokio::time::timeout(limit, client.certified(waiting)).await;
        assert!(stuck.is_err(), "two of four certified something");
        assert_eq!(client.status_of(waiting).await.unwrap(), EntryStatus::Pending);
        drop(client);
        cluster.take(0).kill();
        cluster.start(0);
        cluster.start(2);
        certified(&cluster, &cluster.client(1).await, waiting).await;
        cluster.start(3);
        pass(&cluster, 3, 0, b"all four again").await;
        no_fork(&cluster).await;
    });
}

#[test]
fn an_equivocator_does_no_harm_and_is_convicted() {
    let mut cluster = Cluster::new(&[]);
    cluster.byzantine[3] = ByzantineConfig::new(Some(1)).with_equivocate_votes(Trigger::Always);
    (0..4).for_each(|index| cluster.start(index));
    block_on(async {
        let mut rounds = 0u8;
        let evidence = loop {
            pass(&cluster, 0, 1, &[rounds, 4]).await;
            rounds += 1;
            let mut found = Vec::new();
            for index in 0..3 {
                found.extend(cluster.client(index).await.evidence().await.unwrap());
            }
            if !found.is_empty() {
                break found;
            }
            assert!(rounds < 200, "no evidence");
        };
        let culprit = cluster.configs[3].genesis.validators[3].consensus_key;
        for bytes in &evidence {
            assert_eq!(verify_evidence(bytes, chain()).unwrap(), Culprit::Consensus(culprit));
            let mut forged = bytes.clone();
            let last = forged.len() - 1;
            forged[last] ^= 1;
            verify_evidence(&forged, chain()).unwrap_err();
            let other = mina_ledger::rollup::ChainId::new("other").unwrap();
            verify_evidence(bytes, other).unwrap_err();
        }
        cluster.take(3).kill();
        no_fork(&cluster).await;
    });
}

#[test]
fn a_silent_validator_does_no_harm() {
    let mut cluster = Cluster::new(&[]);
    let silent = ByzantineConfig::new(Some(1));
    cluster.byzantine[2] =
        silent.with_drop_votes(Trigger::Always).with_drop_proposals(Trigger::Always);
    (0..4).for_each(|index| cluster.start(index));
    block_on(async {
        for round in 0..5u8 {
            pass(&cluster, 0, 1, &[round, 5]).await;
        }
        no_fork(&cluster).await;
    });
}
