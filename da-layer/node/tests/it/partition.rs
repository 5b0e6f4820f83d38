//! A validator that is cut off from the others: its process lives, clients reach it, and nothing
//! passes between it and its peers.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use mina_curves::Fp;
use zeko_da::{DaConfig, api::EntryStatus};

use crate::kit::{Cluster, block_on, certified, no_fork, p2p, pass, secret};

/// Cables that can be cut, all of them at once. Cut, they carry nothing; mended, they go on with what
/// is on its way, as TCP does after a network has been away.
#[derive(Clone, Default)]
struct Cables(Arc<(Mutex<bool>, Condvar)>);

impl Cables {
    fn set(&self, cut: bool) {
        *self.0.0.lock().unwrap() = cut;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |cut| *cut).unwrap());
    }

    /// Carries bytes until one end is closed.
    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            self.wait();
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    /// A cable to `target`; where it starts.
    fn lay(&self, target: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let start = listener.local_addr().unwrap();
        let cables = self.clone();
        // Ends with the process.
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                cables.wait();
                // The validator may be down.
                let Ok(far) = TcpStream::connect(target) else { continue };
                let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
                let (there, here) = (cables.clone(), cables.clone());
                thread::spawn(move || there.carry(near, far));
                thread::spawn(move || here.carry(back.0, back.1));
            }
        });
        start
    }
}

/// Lays cables between a validator and each of the others, for what they say to each other as peers
/// and by JSON-RPC.
fn lay_cables(configs: &mut [DaConfig], index: usize) -> Cables {
    let cables = Cables::default();
    let addresses: Vec<_> = configs.iter().map(|c| (p2p(c), c.rpc_listen)).collect();
    for (own, config) in configs.iter_mut().enumerate() {
        config.p2p_peers.clear();
        for (other, (peer, rpc)) in addresses.iter().copied().enumerate() {
            if other == own {
                continue;
            }
            let between = own == index || other == index;
            let end = |target| if between { cables.lay(target) } else { target };
            config.p2p_peers.push(format!("/ip4/127.0.0.1/tcp/{}", end(peer).port()));
            config.genesis.validators[other].rpc = Some(format!("http://{}", end(rpc)));
        }
    }
    cables
}

#[test]
fn a_validator_that_is_cut_off_catches_up() {
    const CUT: usize = 3;
    let mut cluster = Cluster::new(&[]);
    let cables = lay_cables(&mut cluster.configs, CUT);
    (0..4).for_each(|index| cluster.start(index));
    block_on(async {
        pass(&cluster, CUT, 0, b"over the cable, from here").await;
        pass(&cluster, 0, CUT, b"over the cable, to here").await;
        cables.set(true);
        let space = Fp::from(7u64);
        let (near, far) = (cluster.client(CUT).await, cluster.client(0).await);
        let alone = near.submit_blob(space, b"alone".to_vec(), &secret(53)).await.unwrap();
        let mut meanwhile = Vec::new();
        for round in 0..6u8 {
            let data = vec![round + 60; 50_000 * usize::from(round + 1)];
            meanwhile.push((pass(&cluster, usize::from(round % 3), 0, &data).await, data));
        }
        // It knows nothing of what the others decide, decides nothing by itself, and they know
        // nothing of what it has taken in.
        for (commitment, _) in &meanwhile {
            assert_eq!(near.status_of(*commitment).await.unwrap(), EntryStatus::Unknown);
        }
        assert_eq!(near.status_of(alone).await.unwrap(), EntryStatus::Pending);
        assert_eq!(far.status_of(alone).await.unwrap(), EntryStatus::Unknown);
        let (own, others) = (near.status().await.unwrap(), far.status().await.unwrap());
        assert!(own.height < others.height, "{own:?} {others:?}");

        cables.set(false);
        certified(&cluster, &far, alone).await;
        certified(&cluster, &near, alone).await;
        for (commitment, data) in &meanwhile {
            certified(&cluster, &near, *commitment).await;
            assert_eq!(near.data(*commitment).await.unwrap(), *data);
        }
        // The others need it again.
        cluster.take(1).stop();
        pass(&cluster, CUT, 2, b"with the one that was cut off").await;
        no_fork(&cluster).await;
        for index in [0, 2, CUT] {
            let evidence = cluster.client(index).await.evidence().await.unwrap();
            assert!(evidence.is_empty(), "somebody has signed two things");
        }
    });
}
