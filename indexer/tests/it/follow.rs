//! Rollbacks, restarts, gaps.

use zeko_indexer::{ChainSource, FollowError, Follower, Store, StoreError};

use crate::{
    api::{actions_of, ask},
    chain::{Chain, expected_states, headers, stored},
};

async fn memory() -> Store {
    Store::open("sqlite::memory:", 3).await.unwrap()
}

/// Steps until the store is at the chain's tip; returns blocks unwound.
pub(crate) async fn catch_up<S: ChainSource>(follower: &mut Follower<S>) -> u64 {
    let mut unwound = 0;
    loop {
        let progress = follower.step().await.unwrap();
        unwound += progress.unwound;
        if progress.height == progress.target {
            return unwound;
        }
    }
}

/// What is stored is what the chain is, down to the action states.
async fn check(store: &Store, chain: &Chain) {
    assert_eq!(stored(store).await, headers(chain));
    assert_eq!(actions_of(store).await, expected_states(&chain.blocks()));
}

pub(crate) async fn rollbacks(store: Store) {
    let chain = Chain::new();
    let mut follower = Follower::new(chain.clone(), store.clone(), false);
    chain.extend(8, "a");
    assert_eq!(catch_up(&mut follower).await, 0);
    check(&store, &chain).await;
    for depth in 1..=6 {
        // Longer, as long, and shorter than what it replaces.
        for (count, fork) in [(depth + 1, "x"), (depth, "y"), (depth - 1, "z")] {
            chain.reorganise(depth, count, &format!("{fork}{depth}"));
            assert_eq!(catch_up(&mut follower).await, depth as u64);
            check(&store, &chain).await;
            chain.extend(1, &format!("{fork}{depth}"));
            assert_eq!(catch_up(&mut follower).await, 0);
            check(&store, &chain).await;
        }
    }
}

#[tokio::test]
async fn follows_through_rollbacks_of_depth_one_to_six() {
    rollbacks(memory().await).await;
}

/// A chain that goes back to blocks that were orphaned finds them where it left them.
#[tokio::test]
async fn returns_to_an_orphaned_fork() {
    let store = memory().await;
    let chain = Chain::new();
    let mut follower = Follower::new(chain.clone(), store.clone(), false);
    chain.extend(4, "a");
    catch_up(&mut follower).await;
    chain.reorganise(3, 4, "b");
    catch_up(&mut follower).await;
    let status = ask(&store, r#"{ commandStatus(hash: "5Joka4") { state confirmations } }"#).await;
    assert_eq!(status["commandStatus"]["state"], "ROLLED_BACK");
    chain.reorganise(4, 4, "a");
    catch_up(&mut follower).await;
    check(&store, &chain).await;
    let status = ask(&store, r#"{ commandStatus(hash: "5Joka4") { state confirmations } }"#).await;
    assert_eq!(status["commandStatus"]["state"], "INCLUDED");
    assert_eq!(status["commandStatus"]["confirmations"], 2);
}

/// A node that fails at any point of a rollback leaves what was there before.
#[tokio::test]
async fn a_rollback_is_all_or_nothing() {
    let chain = Chain::new();
    let store = memory().await;
    let mut follower = Follower::new(chain.clone(), store.clone(), false);
    chain.extend(6, "a");
    catch_up(&mut follower).await;
    let before = stored(&store).await;
    chain.reorganise(4, 5, "b");
    let mut failures = 0;
    loop {
        chain.fail_after(failures);
        if follower.step().await.is_ok() {
            break;
        }
        assert_eq!(stored(&store).await, before);
        failures += 1;
    }
    // Two looks at the headers, one at the batches, and five blocks.
    assert_eq!(failures, 8);
    check(&store, &chain).await;
}

/// An indexer that is stopped anywhere goes on from there, over a rollback in the meantime.
#[tokio::test]
async fn restarts_in_midway() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("index.db").display());
    let chain = Chain::new();
    chain.extend(250, "a");
    // Each transaction adds a hundred blocks, and each life of the indexer ends after one.
    for expected in [100, 200, 251] {
        let store = Store::open(&url, 3).await.unwrap();
        let progress = Follower::new(chain.clone(), store.clone(), false).step().await.unwrap();
        assert_eq!((progress.height, progress.target), (expected, 251));
        store.close().await;
    }
    chain.reorganise(120, 300, "b");
    chain.set_window(290);
    let store = Store::open(&url, 3).await.unwrap();
    let mut follower = Follower::new(chain.clone(), store.clone(), false);
    // The transaction that unwinds does not leave a shorter chain than there was.
    let progress = follower.step().await.unwrap();
    assert_eq!((progress.unwound, progress.height), (120, 252));
    catch_up(&mut follower).await;
    check(&store, &chain).await;
}

/// An indexer that was away for longer than the node's window asks by height.
#[tokio::test]
async fn catches_up_from_behind_the_window() {
    let store = memory().await;
    let chain = Chain::new();
    chain.extend(10, "a");
    let mut follower = Follower::new(chain.clone(), store.clone(), false);
    catch_up(&mut follower).await;
    chain.reorganise(5, 150, "b");
    chain.set_window(20);
    assert_eq!(catch_up(&mut follower).await, 5);
    check(&store, &chain).await;
}

#[tokio::test]
async fn detects_gaps() {
    let chain = Chain::new();
    chain.extend(50, "a");
    chain.forget_before(30);
    // From nothing: history must begin at genesis, unless it need not.
    let store = memory().await;
    let error = Follower::new(chain.clone(), store.clone(), false).step().await.unwrap_err();
    assert!(matches!(error, FollowError::Gap { stored: None, available: 30 }), "{error}");
    catch_up(&mut Follower::new(chain.clone(), store.clone(), true)).await;
    assert_eq!(stored(&store).await, headers(&chain)[29..]);
    // Without the beginning nobody knows the action states.
    let answer = ask(&store, &api_states()).await;
    assert!(answer["actions"][0]["actionState"]["actionStateOne"].is_null());

    // From further back than the node goes.
    let store = memory().await;
    let chain = Chain::new();
    chain.extend(5, "a");
    let mut follower = Follower::new(chain.clone(), store.clone(), true);
    catch_up(&mut follower).await;
    chain.extend(50, "a");
    chain.set_window(10);
    chain.forget_before(20);
    let error = follower.step().await.unwrap_err();
    assert!(matches!(error, FollowError::Gap { stored: Some(6), available: 47 }), "{error}");
    assert!(!error.is_fatal());
    chain.forget_before(0);
    catch_up(&mut follower).await;
    check(&store, &chain).await;
}

fn api_states() -> String {
    format!(
        r#"{{ actions(input: {{ address: "{}" }}) {{ actionState {{ actionStateOne }} }} }}"#,
        crate::chain::ZKAPP
    )
}

#[tokio::test]
async fn refuses_another_chain_and_a_second_writer() {
    let store = memory().await;
    let chain = Chain::new();
    chain.extend(3, "a");
    catch_up(&mut Follower::new(chain.clone(), store.clone(), false)).await;
    // A writer that has seen an older tip.
    let blocks = chain.blocks();
    let stale =
        store.apply(Some(&blocks[1].header), Some(&blocks[1].header), &blocks[2..3], None).await;
    assert!(matches!(stale, Err(StoreError::Contended)));
    assert_eq!(stored(&store).await, headers(&chain));
    let other = Chain::new();
    other.rename_genesis("3Nother");
    let error = Follower::new(other, store, false).step().await.unwrap_err();
    assert!(matches!(error, FollowError::AnotherChain { .. }), "{error}");
    assert!(error.is_fatal());
}

#[tokio::test]
async fn a_database_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("index.db").display());
    let store = Store::open(&url, 3).await.unwrap();
    store.close().await;
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    sqlx::query("UPDATE schema_version SET version = 99").execute(&pool).await.unwrap();
    pool.close().await;
    let error = Store::open(&url, 3).await.unwrap_err();
    assert!(matches!(error, StoreError::Version { expected: 1, got: 99 }), "{error}");
}
