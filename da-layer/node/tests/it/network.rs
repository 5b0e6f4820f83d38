//! Peers that mean no good, over the network: bytes that are no protocol, connections that say
//! nothing, and members of the gossip that flood it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, Swarm, SwarmBuilder,
    futures::StreamExt,
    gossipsub, identify, noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};

use crate::kit::{Cluster, block_on, no_fork, p2p, pass};

/// The limit of one gossip message at the validators is 4 MiB.
const TOO_LARGE: usize = 6 << 20;
const LARGE: usize = 3 << 20;

/// Bytes that a process has in memory.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}

/// Writes until the other side has enough; whether it closed the connection.
fn garbage(address: SocketAddr, bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let closed = stream.write_all(bytes).is_err();
    let mut answer = Vec::new();
    closed || stream.read_to_end(&mut answer).is_ok()
}

#[test]
fn garbage_and_silence_at_the_ports_stop_nothing() {
    let cluster = Cluster::started(&[]);
    block_on(async {
        pass(&cluster, 0, 1, b"before").await;
        let process = cluster.nodes[0].as_ref().unwrap().id();
        let before = resident(process);
        let ports = [
            p2p(&cluster.configs[0]),
            cluster.configs[0].rpc_listen,
            cluster.configs[0].http_listen,
        ];
        // Connections that never say a word, and some that begin a request and do not go on.
        let mut silent = Vec::new();
        for address in ports {
            for _ in 0..20 {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(b"POST / HTTP/1.1\r\ncontent-length: 9000000\r\n").unwrap();
                silent.push(stream);
                silent.push(TcpStream::connect(address).unwrap());
            }
        }
        // Bytes that are nothing; longer than any message may be.
        let flood = tokio::task::spawn_blocking(move || {
            for (address, seed) in ports.into_iter().zip(1..) {
                assert!(garbage(address, &random(seed, 64)) || address == ports[0]);
                assert!(garbage(address, &random(seed, 20 << 20)), "{address} takes everything");
            }
        });
        for round in 0..5u8 {
            pass(&cluster, 0, 1, &[round, 20]).await;
        }
        flood.await.unwrap();
        pass(&cluster, 0, 2, b"after").await;
        let grown = resident(process).saturating_sub(before);
        assert!(grown < 100 << 20, "{grown} bytes more");
        drop(silent);
        no_fork(&cluster).await;
    });
}

#[derive(NetworkBehaviour)]
struct Gossip {
    gossipsub: gossipsub::Behaviour,
    identify: identify::Behaviour,
}

/// A stranger who speaks the validators' protocols, and takes longer messages than they do.
fn stranger() -> Swarm<Gossip> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|key| {
            let config = gossipsub::ConfigBuilder::default()
                .max_transmit_size(2 * TOO_LARGE)
                .heartbeat_interval(Duration::from_millis(200))
                .build()
                .unwrap();
            let signed = gossipsub::MessageAuthenticity::Signed(key.clone());
            let version = "/malachitebft-core-consensus/v1beta1".to_owned();
            Gossip {
                gossipsub: gossipsub::Behaviour::new(signed, config).unwrap(),
                identify: identify::Behaviour::new(identify::Config::new(version, key.public())),
            }
        })
        .unwrap()
        .build()
}

/// Publishes what is no message to every channel, as fast as it is taken, and counts what left.
///
/// The validators put a stranger out when they know who it is, a few milliseconds after they told
/// it their channels: it comes back at once, and speaks as soon as there is somebody to speak to.
async fn flood(address: SocketAddr, published: Arc<AtomicUsize>) {
    let mut swarm = stranger();
    let topics = ["/consensus", "/proposal_parts", "/liveness"].map(gossipsub::IdentTopic::new);
    for topic in &topics {
        swarm.behaviour_mut().gossipsub.subscribe(topic).unwrap();
    }
    let dial: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", address.port()).parse().unwrap();
    swarm.dial(dial.clone()).unwrap();
    let mut clock = tokio::time::interval(Duration::from_millis(50));
    let mut seed = 0;
    loop {
        let topic = tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionClosed { num_established: 0, .. } => {
                    let _ = swarm.dial(dial.clone());
                    continue;
                }
                SwarmEvent::Behaviour(GossipEvent::Gossipsub(gossipsub::Event::Subscribed {
                    topic, ..
                })) => topic,
                _ => continue,
            },
            _ = clock.tick() => topics[seed as usize % 3].hash(),
        };
        seed += 1;
        let length = if seed % 8 == 0 { TOO_LARGE } else { LARGE >> (seed % 12) };
        // Without a connection there is nobody to publish to.
        let sent = swarm.behaviour_mut().gossipsub.publish(topic, random(seed, length));
        published.fetch_add(usize::from(sent.is_ok()), Ordering::Relaxed);
    }
}

#[test]
fn a_stranger_who_floods_the_gossip_stops_nothing() {
    let cluster = Cluster::started(&[]);
    block_on(async {
        pass(&cluster, 0, 1, b"before").await;
        let process = cluster.nodes[0].as_ref().unwrap().id();
        let before = resident(process);
        let published = Arc::new(AtomicUsize::new(0));
        let (address, count) = (p2p(&cluster.configs[0]), published.clone());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stranger = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                tokio::select! {
                    () = flood(address, count) => {}
                    _ = stopped => {}
                }
            });
        });
        // The stranger needs a while to be let in, and again whenever it was thrown out.
        let started = Instant::now();
        let mut round = 0u32;
        while round < 20 || published.load(Ordering::Relaxed) < 20 {
            assert!(
                started.elapsed() < Duration::from_secs(240),
                "the stranger got nothing through"
            );
            pass(&cluster, 0, 1, &round.to_le_bytes()).await;
            round += 1;
        }
        stop.send(()).unwrap();
        stranger.join().unwrap();
        let grown = resident(process).saturating_sub(before);
        assert!(grown < 200 << 20, "{grown} bytes more");
        no_fork(&cluster).await;
    });
}
