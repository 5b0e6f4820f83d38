use mina_curves::Fp;
use zeko_da::CRASH_POINTS;

use crate::{
    batches::{Sequencer, rollup},
    kit::{Cluster, block_on, certified, no_fork, pass, secret},
};

/// At every named point, a validator ends as by kill -9 and comes back: what was acknowledged is
/// certified, batches included, and no two validators have different blocks.
#[test]
fn killed_at_every_point() {
    let mut cluster = Cluster::new(&[]);
    let rollup = rollup(&cluster);
    cluster.configs.iter_mut().for_each(|config| config.rollups = vec![rollup.clone()]);
    let mut sequencer = Sequencer::new();
    (0..3).for_each(|index| cluster.start(index));
    for (point, round) in CRASH_POINTS.into_iter().zip(0u32..) {
        cluster.start_with(3, Some(point));
        block_on(async {
            let space = Fp::from(8u64);
            let data = format!("a blob at {point}").into_bytes();
            // The one that crashes may die before it answers.
            if let Ok(doomed) = cluster.try_client(3).await {
                let _ = doomed.submit_blob(space, data.clone(), &secret(52)).await;
            }
            let batch = sequencer.payment(round);
            let client = cluster.client(0).await;
            let sent = client.submit_batch(&batch, &secret(80)).await.unwrap();
            let blob = client.submit_blob(space, data, &secret(52)).await.unwrap();
            certified(&cluster, &client, sent).await;
            certified(&cluster, &client, blob).await;
        });
        // By now it has passed every point, or will with one of the next blocks.
        let mut doomed = cluster.take(3);
        let mut more = 0;
        while !doomed.has_crashed() {
            let data = format!("and more at {point}: {more}");
            block_on(pass(&cluster, 0, 1, data.as_bytes()));
            more += 1;
            assert!(more < 200, "{point} is never passed");
        }
        cluster.start(3);
        block_on(async {
            let data = format!("from the one that came back from {point}");
            pass(&cluster, 3, 3, data.as_bytes()).await;
            no_fork(&cluster).await;
        });
        cluster.take(3).stop();
    }
}
