//! What can go wrong between the layers, at every stage of a deposit and of the withdrawal that
//! follows: the L1 takes blocks back, processes are killed, disks are lost, nobody answers.

mod here;
mod keys;
mod link;
mod stack;

use std::time::Duration;

use mina_ledger::rollup::DepositAction;
use serde_json::Value;

use here::Health;
use keys::{FEE, MINA, user};
use stack::Stack;
use zeko_sdk::keys::development_key;

/// What a sequencer logs that has lost its disks.
const FOUND: &str = "final batches were found on the L1";
/// What one logs that follows, and proves, everything.
const FROM_GENESIS: &str = "following from genesis";

/// What the contract holds too much.
const IMBALANCE: &str = "zeko_bridge_imbalance_nanomina";

/// How far a round has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    /// The deposit is in a block of the L1.
    Deposited,
    /// It is credited.
    Credited,
    /// A withdrawal of what was credited is in a block.
    Included,
    /// Its batch is certified.
    Certified,
    /// A command for it is in the L1's mempool.
    Submitted,
    /// The L1 has the batch.
    Committed,
    /// The L1 has paid.
    Paid,
}

impl At {
    const ALL: [Self; 7] = [
        Self::Deposited,
        Self::Credited,
        Self::Included,
        Self::Certified,
        Self::Submitted,
        Self::Committed,
        Self::Paid,
    ];
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The L1 takes its last blocks back. Their commands are in the mempool again, or nowhere if they are
    /// only such as are sent again: users' commands are theirs.
    Reorganised { depth: u32 },
    /// The sequencer's process is killed.
    Killed,
    /// The L1 cannot be reached by the sequencer for a while.
    Unreachable,
    /// Two of four validators are down for a while.
    NoQuorum,
    /// The sequencer loses its disks.
    Wiped,
}

impl Fault {
    /// `deposited`: where the L1 has the deposit.
    async fn happen(self, stack: &mut Stack, deposited: u32) {
        match self {
            Self::Reorganised { depth } => {
                let drops = stack.l1_height() >= deposited + depth;
                stack.l1.node().reorganise(depth as usize, drops).unwrap();
            }
            Self::Killed => {
                stack.kill_sequencer();
                stack.start_sequencer(&[]);
            }
            Self::Unreachable => {
                stack.link(false);
                tokio::time::sleep(Duration::from_secs(2)).await;
                stack.link(true);
            }
            Self::NoQuorum => {
                for index in [1, 3] {
                    stack.da.kill(index).await.unwrap();
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
                for index in [1, 3] {
                    stack.da.restart(index).await.unwrap();
                }
            }
            Self::Wiped => {
                stack.kill_sequencer();
                stack.wipe();
                // What is final is not proved again.
                let (found, genesis) = (stack.said(FOUND), stack.said(FROM_GENESIS));
                stack.start_sequencer(&["--from-da"]);
                stack.until("final batches", async |stack| stack.said(FOUND) > found).await;
                assert_eq!(stack.said(FROM_GENESIS), genesis);
            }
        }
    }
}

fn is_at_least(status: &Value, stage: &str) -> bool {
    let stages = ["included", "da_certified", "proved", "committed", "final"];
    let place = |name: &str| stages.iter().position(|one| *one == name);
    place(status["status"].as_str().unwrap_or_default()) >= place(stage)
}

/// A deposit and a withdrawal of part of it, to the end; the fault happens on the way.
async fn round(stack: &mut Stack, index: u32, at: At, fault: Fault) {
    let (user, payee) = (user(100 + index), development_key("faults-payee", index).public);
    let mut deposited = 0;
    let (before, _) = stack.funds().await;
    stack.deposit(index as usize % 10, user.public, 5 * MINA).await;
    for stage in At::ALL.into_iter().filter(|stage| *stage < At::Included) {
        match stage {
            At::Deposited => {
                stack.until("the deposit", async |stack| stack.funds().await.0 > before).await;
                deposited = stack.l1_height();
            }
            _ => {
                let credited = async |stack: &Stack| {
                    !["unknown", "relayed"].contains(&&*stack.deposit_status(user.public).await)
                };
                stack.until("the credit", credited).await;
            }
        }
        if stage == at {
            fault.happen(stack, deposited).await;
        }
    }
    // What was credited may be gone for a moment.
    stack.until("the balance", async |stack| stack.l2_balance(user.public).await > 0).await;
    let hash = stack.withdraw(&user, payee, 3 * MINA).await;
    let reached = |wanted| {
        let hash = hash.clone();
        async move |stack: &Stack| is_at_least(&stack.status(&hash).await, wanted)
    };
    for stage in At::ALL.into_iter().filter(|stage| *stage >= At::Included) {
        match stage {
            At::Certified => stack.until("the certificate", reached("da_certified")).await,
            // It may be there for no longer than a look takes.
            At::Submitted => {
                stack
                    .until("a commit", async |stack| {
                        stack.is_settling() || reached("committed")(stack).await
                    })
                    .await;
            }
            At::Committed => stack.until("the commit", reached("committed")).await,
            At::Paid => stack.until("the money", async |stack| stack.l1_balance(payee) > 0).await,
            _ => stack.until("the withdrawal", reached("included")).await,
        }
        if stage == at {
            fault.happen(stack, deposited).await;
        }
    }
    stack.until("finality", reached("final")).await;
    stack.until("the money, for good", async |stack| stack.l1_balance(payee) > 0).await;
    stack
        .until("funds that fit", async |stack| {
            let (contract, supply) = stack.funds().await;
            contract == supply
        })
        .await;
    let is_even = async |stack: &Stack| stack.metric(IMBALANCE).await == Some(0.0);
    stack.until("balanced books", is_even).await;
    assert_eq!(stack.said("funds do not add up"), 0);
    let status = stack.status(&hash).await;
    assert_eq!(status["applied"], true, "{status}");
    // 0.1 for the deposit and 0.1 for an account there; 1 for an account here.
    assert_eq!(stack.l2_balance(user.public).await, 5 * MINA - MINA / 5 - 3 * MINA - FEE);
    assert_eq!(stack.l1_balance(payee), 2 * MINA);
}

/// The L1 forgets a deposit that has been credited and spent: the L2 goes back, and says why.
async fn a_forgotten_deposit(stack: &mut Stack) {
    let (spender, payee) = (user(90), development_key("faults-payee", 90).public);
    let (before, _) = stack.funds().await;
    stack.deposit(0, spender.public, 5 * MINA).await;
    stack.until("the deposit", async |stack| stack.funds().await.0 > before).await;
    let deposited = stack.l1_height();
    stack.until("the credit", async |stack| stack.l2_balance(spender.public).await > 0).await;
    let hash = stack.withdraw(&spender, payee, 3 * MINA).await;
    stack
        .until("the withdrawal", async |stack| is_at_least(&stack.status(&hash).await, "included"))
        .await;
    let depth = stack.l1_height() - deposited + 1;
    stack.l1.node().reorganise(depth as usize, true).unwrap();
    let is_rejected = async |stack: &Stack| stack.status(&hash).await["status"] == "rejected";
    stack.until("the refusal", is_rejected).await;
    let status = stack.status(&hash).await;
    assert!(!status["reason"].as_str().unwrap().is_empty(), "{status}");
    let is_even = async |stack: &Stack| stack.funds().await == (before, before);
    stack.until("funds as before", is_even).await;
    assert_eq!((stack.l2_balance(spender.public).await, stack.l1_balance(payee)), (0, 0));
}

/// The sequencer relays a deposit, then its disks are lost, and its archive's actions too. Meanwhile
/// another deposit is made, which strangers relay and forge.
#[tokio::test(flavor = "multi_thread")]
async fn the_pool_has_what_the_archive_has_lost() {
    let mut stack = Stack::start().await;
    let [first, user, forger] = [94, 92, 93].map(|index| user(index).public);
    stack.deposit(0, first, 5 * MINA).await;
    stack.until("the credit", async |stack| stack.l2_balance(first).await > 0).await;
    stack.until("the request", async |stack| stack.relayed().await == 1).await;
    let command = stack.prepare_deposit(1, user, 5 * MINA).await;
    stack.kill_sequencer();
    stack.wipe();
    stack.forget_actions(true);
    let before = stack.action_state();
    let transaction = stack.send_to_l1(&command).await;
    stack.until("the deposit", async |stack| stack.action_state() != before).await;
    let mut updates = command.account_updates.updates();
    let deposit =
        updates.find_map(|update| DepositAction::from_fields(update.body.actions.first()?));
    let deposit = deposit.unwrap();
    let forged = DepositAction { recipient: forger, ..deposit };
    stack.relay(transaction, before, forged).await;
    stack.relay(transaction, before, deposit).await;
    stack.relay(transaction, stack.action_state(), forged).await;
    stack.start_sequencer(&["--from-da"]);
    stack.until("the credit", async |stack| stack.l2_balance(user).await > 0).await;
    let is_even = async |stack: &Stack| {
        let (contract, supply) = stack.funds().await;
        contract == supply
    };
    stack.until("funds that fit", is_even).await;
    let balances = [stack.l2_balance(first).await, stack.l2_balance(user).await];
    assert_eq!(balances, [5 * MINA - MINA / 5; 2]);
    assert_eq!(stack.l2_balance(forger).await, 0);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled() {
    let mut stack = Stack::start().await;
    let mut rounds = Vec::new();
    for at in At::ALL {
        rounds.extend((1..=6).map(|depth| (at, Fault::Reorganised { depth })));
        rounds.push((at, Fault::Killed));
    }
    for at in [At::Credited, At::Certified] {
        rounds.extend([(at, Fault::Unreachable), (at, Fault::NoQuorum), (at, Fault::Wiped)]);
    }
    for (index, (at, fault)) in (0..).zip(rounds) {
        let start = std::time::Instant::now();
        round(&mut stack, index, at, fault).await;
        eprintln!("{fault:?} when {at:?}: {:.1?}", start.elapsed());
    }
    a_forgotten_deposit(&mut stack).await;
    stack.stop().await;
}

/// The prover is gone, so that batches miss their slots and are built again; and it is back. After that it
/// does not answer for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_prover_that_is_away_delays_and_loses_nothing() {
    let stack = Stack::start_here(100).await;
    let payees = [0, 1].map(|n| development_key("faults-away", n).public);
    let user = user(80);
    stack.deposit(0, user.public, 20 * MINA).await;
    stack.until("the credit", async |stack| stack.l2_balance(user.public).await > 0).await;
    let most = stack.metric("zeko_batch_most_seconds").await.unwrap();

    stack.prover(Health::Fails);
    let first = stack.withdraw(&user, payees[0], 3 * MINA).await;
    let gives_up = async |stack: &Stack| stack.settlement().await.contains("in 5 attempts");
    stack.until("the end of settlement", gives_up).await;
    let misses = async |stack: &Stack| {
        let seconds = stack.metric("zeko_batch_most_seconds").await.unwrap();
        seconds <= most / 2.0 && stack.generation() > 0
    };
    stack.until("a batch that misses its slots", misses).await;
    assert_eq!(stack.l1_balance(payees[0]), 0);
    stack.prover(Health::Well);
    let is_final = |hash: &str| {
        let hash = hash.to_owned();
        async move |stack: &Stack| is_at_least(&stack.status(&hash).await, "final")
    };
    stack.until("the first withdrawal", is_final(&first)).await;

    stack.prover(Health::Hangs);
    let second = stack.withdraw_next(&user, 1, payees[1], 4 * MINA).await;
    let is_certified =
        async |stack: &Stack| is_at_least(&stack.status(&second).await, "da_certified");
    stack.until("the certificate", is_certified).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!is_at_least(&stack.status(&second).await, "proved"));
    stack.prover(Health::Well);
    stack.until("the second withdrawal", is_final(&second)).await;
    for (payee, amount) in payees.into_iter().zip([2, 3]) {
        stack.until("the money", async |stack| stack.l1_balance(payee) == amount * MINA).await;
    }
    let (contract, supply) = stack.funds().await;
    assert_eq!(contract, supply);
    stack.until("no complaint", async |stack| stack.settlement().await == "ok\n").await;
    stack.stop().await;
}
