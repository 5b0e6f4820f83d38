use std::fs;

use mina_curves::Fp;
use mina_ledger::{
    hash::push_actions,
    ledger::FullLedger,
    rollup::{DataCommitment, DepositAction, Message, bridge_account},
    signature::sign_payload,
    types::{
        Account, AccountId, Amount, Era, Memo, Nonce, SignedCommand, SignedCommandBody,
        SignedCommandPayload, Slot, to_decimal,
    },
};
use zeko_da::{ClientError, RollupConfig, api::EntryStatus};
use zeko_derive::{Batch, BatchBuilder, ChainParameters, ChainState, Command, Expectation, Item};

use crate::kit::{Cluster, block_on, no_fork, pass, secret, user};

const MINA: u64 = 1_000_000_000;
const INBOX: u64 = 77;

fn accounts() -> Vec<Account> {
    let mut accounts = vec![bridge_account(Fp::from(INBOX), Era::Berkeley)];
    let account = |i| Account::new(AccountId::of(user(i)), Amount::new(1000 * MINA), Era::Berkeley);
    accounts.extend((100..104).map(account));
    accounts
}

fn config() -> RollupConfig {
    let json = serde_json::json!({
        "chain": "zeko-test",
        "network": "testnet",
        "l1_network": "testnet",
        "rollup_account": user(90),
        "sequencers": [user(80)],
        "genesis_accounts": "",
    });
    serde_json::from_value(json).unwrap()
}

/// The L2 of these tests, with its files beside the cluster's data.
pub(crate) fn rollup(cluster: &Cluster) -> RollupConfig {
    let dir = cluster.configs[0].data_dir.parent().unwrap();
    let (genesis_accounts, inbox) = (dir.join("accounts.json"), dir.join("inbox.json"));
    fs::write(&genesis_accounts, serde_json::to_vec(&accounts()).unwrap()).unwrap();
    let rollup = RollupConfig { genesis_accounts, inbox: Some(inbox), ..config() };
    write_inbox(&rollup, &[]);
    rollup
}

fn write_inbox(rollup: &RollupConfig, deposits: &[DepositAction]) {
    let actions: Vec<_> = deposits.iter().map(|d| to_decimal(d.action_hash())).collect();
    let json = serde_json::json!({"prefix": to_decimal(Fp::from(INBOX)), "actions": actions});
    let path = rollup.inbox.as_ref().unwrap();
    let partial = path.with_extension("partial");
    fs::write(&partial, json.to_string()).unwrap();
    fs::rename(partial, path).unwrap();
}

pub(crate) struct Sequencer {
    parameters: ChainParameters,
    ledger: FullLedger,
    pub(crate) state: ChainState,
}

impl Sequencer {
    pub(crate) fn new() -> Self {
        let mut ledger = FullLedger::from_accounts(accounts(), Era::Berkeley).unwrap();
        let state = ChainState::genesis(&mut ledger).unwrap();
        Self { parameters: config().parameters().unwrap(), ledger, state }
    }

    fn build(&mut self, messages: &[DepositAction], commands: Vec<Command>) -> Batch {
        let mut builder = BatchBuilder::new(&self.parameters, self.state, 0, user(103));
        let mut block = builder.block(&mut self.ledger, Slot::new(self.state.slot.get() + 1));
        for message in messages {
            block.message(Message::Deposit(*message)).unwrap();
        }
        for command in commands {
            block.command(command).unwrap();
        }
        block.close().unwrap();
        let (batch, state) = builder.close(&mut self.ledger).unwrap();
        self.state = ChainState { data: DataCommitment::new(&batch.encode().unwrap()), ..state };
        batch
    }

    /// A batch of one payment.
    pub(crate) fn payment(&mut self, nonce: u32) -> Batch {
        let payload = SignedCommandPayload {
            fee: Amount::new(MINA / 100),
            fee_payer: user(100),
            nonce: Nonce::new(nonce),
            valid_until: Slot::MAX,
            memo: Memo::EMPTY,
            body: SignedCommandBody::Payment { receiver: user(101), amount: Amount::new(MINA) },
        };
        let signature = sign_payload(&payload, &secret(100), &self.parameters.domain).unwrap();
        self.build(&[], vec![Command::Signed(SignedCommand { payload, signature })])
    }
}

fn expectation() -> Expectation {
    let parameters = config().parameters().unwrap();
    Expectation {
        protocol_version: ChainParameters::PROTOCOL_VERSION,
        l1_network: parameters.l1_network,
        rollup_account: parameters.rollup_account,
        chain: parameters.chain,
        committee_epoch: 0,
        generation: 0,
    }
}

#[test]
fn batches_are_executed_and_bad_ones_get_no_honest_attestation() {
    let mut cluster = Cluster::new(&[]);
    let rollup = rollup(&cluster);
    cluster.configs.iter_mut().for_each(|config| config.rollups = vec![rollup.clone()]);
    (0..4).for_each(|index| cluster.start(index));
    let mut sequencer = Sequencer::new();
    block_on(async {
        let client = cluster.client(0).await;
        let other = cluster.client(1).await;
        let light = cluster.light();
        let first = sequencer.payment(0);
        let mut wrong_root = first.clone();
        wrong_root.header.target_ledger += Fp::from(1u64);
        let mut forged = first.clone();
        let Item::Command(_, receipt) = &mut forged.blocks[0].items[0] else { unreachable!() };
        receipt.applied = false;
        let mut missing = first.clone();
        missing.blocks[0].items.clear();
        let bad = [(wrong_root, "target ledger"), (forged, "receipt"), (missing, "ledger")];
        for (batch, reason) in bad {
            let sent = client.submit_batch(&batch, &secret(80)).await.unwrap();
            let error = other.certified(sent).await.unwrap_err();
            let ClientError::Refused { reason: got } = error else { panic!("{error}") };
            assert!(got.contains(reason), "{got}");
            assert_eq!(client.certificate(sent).await.unwrap(), None);
        }
        // A stranger who sends the same data first takes nobody's place.
        let stranger = client.submit_batch(&first, &secret(81)).await.unwrap();
        let error = other.certified(stranger).await.unwrap_err();
        assert!(error.to_string().contains("may not send batches"), "{error}");

        let second = {
            let mut next = Sequencer::new();
            // A batch with a message; the one that the stranger has sent comes to nothing.
            let deposit = DepositAction {
                recipient: user(102),
                amount: Amount::new(5 * MINA),
                timeout: Slot::new(1000),
                refund_to: user(102),
            };
            let batch = next.build(&[deposit], Vec::new());
            let sent = client.submit_batch(&batch, &secret(80)).await.unwrap();
            // The L1 does not have the message yet.
            pass(&cluster, 2, 0, b"the chain goes on").await;
            let mut events = client.subscribe().await.unwrap();
            loop {
                let status = client.status_of(sent).await.unwrap();
                if let EntryStatus::Decided { waits_for: Some(reason), .. } = &status {
                    assert!(reason.contains("the L1 has no such message"), "{reason}");
                    break;
                }
                let _ = tokio::time::timeout(std::time::Duration::from_millis(100), events.next())
                    .await;
            }
            assert_eq!(client.certificate(sent).await.unwrap(), None);
            write_inbox(&rollup, &[deposit]);
            light.batch(&other, &expectation(), sent).await.unwrap();
            assert_eq!(next.state.inbox, push_actions(Fp::from(INBOX), deposit.action_hash()));
            next
        };
        // The stranger's data are those of a batch 0, and there is another one now.
        let again = client.submit_batch(&first, &secret(80)).await.unwrap();
        let error = client.certified(again).await.unwrap_err();
        assert!(error.to_string().contains("is there already"), "{error}");
        let mut sequencer = second;
        for nonce in 0..3 {
            let batch = sequencer.payment(nonce);
            let sent = client.submit_batch(&batch, &secret(80)).await.unwrap();
            let certificate = light.batch(&other, &expectation(), sent).await.unwrap();
            let later = Expectation { committee_epoch: 1, ..expectation() };
            certificate.verify_batch(&later, &light.committee).unwrap_err();
        }
        no_fork(&cluster).await;
    });
}
