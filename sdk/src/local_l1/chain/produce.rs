//! Making blocks, and taking them back.

use std::sync::Arc;

use mina_curves::Fp;
use mina_ledger::{
    ledger::{FullLedger, Ledger},
    logic::{
        ApplyError, Context, FailureTable, PartiallyApplied, apply_account_updates, apply_coinbase,
        apply_fee_payer, apply_fee_transfer, apply_signed_command,
    },
    rollup::{BlockHeader, Hashed},
    types::{AccountId, Amount, Coinbase, FeeTransfer, FeeTransfers, Length, Slot},
};
use zeko_sequencer::{
    Command,
    graphql::{self, Block, Included},
};

use super::{Chain, ChainError, K, MAX_COMMANDS, Pooled};

/// A command after the first pass.
struct Applied {
    pooled: Pooled,
    /// Of payments and delegations, which end here.
    failures: Option<FailureTable>,
    /// Of zkApp commands, which go on.
    partial: Option<PartiallyApplied>,
}

/// What became of the pool in the first pass.
#[derive(Default)]
struct FirstPass {
    applied: Vec<Applied>,
    /// For later blocks.
    left: Vec<Pooled>,
    fees: u64,
}

impl Chain {
    /// Makes the block of a slot out of what waits. A slot that is not after the last block's is
    /// taken to be the next one after it.
    ///
    /// # Errors
    /// [`ChainError`]; the chain is as it was then.
    pub fn produce(&mut self, slot: Slot) -> Result<Arc<Block>, ChainError> {
        let tip = self.tip();
        let slot = slot.max(Slot::new(tip.slot.get().saturating_add(1)));
        let context = self.context(&tip.view, slot);
        let mut ledger = FullLedger::clone(&self.ledger());
        let FirstPass { applied, left, fees } = first_pass(&mut ledger, &self.pool, &context);
        let fee_transfers = self.pay_producer(&mut ledger, Amount::new(fees), &context)?;
        let commands = applied
            .into_iter()
            .map(|applied| applied.finish(&mut ledger, &context))
            .collect::<Result<Vec<_>, _>>()?;
        let root = ledger.root()?;
        let block = Arc::new(self.block_on(&tip, slot, root, commands, fee_transfers));
        let index = self.blocks.len();
        self.by_hash.insert(block.state_hash, index);
        self.included.extend(block.commands.iter().map(|included| (included.hash, index)));
        self.blocks.push(Arc::clone(&block));
        self.ledgers.push_back(Arc::new(ledger));
        if self.ledgers.len() > K as usize + 1 {
            self.ledgers.pop_front();
        }
        self.pool = left;
        self.respeculate(slot);
        Ok(block)
    }

    /// The reward and the fees go to the producer.
    fn pay_producer(
        &self,
        ledger: &mut FullLedger,
        fees: Amount,
        context: &Context<'_>,
    ) -> Result<Vec<graphql::FeeTransfer>, ChainError> {
        let receiver = self.genesis.producer;
        if self.genesis.coinbase > Amount::ZERO {
            let amount = self.genesis.coinbase;
            let coinbase = Coinbase { receiver, amount, fee_transfer: None };
            apply_coinbase(ledger, &coinbase, context).map_err(ChainError::Producer)?;
        }
        // Fees that do not pay for the producer's account are burned.
        let is_new = ledger.get(&AccountId::of(receiver))?.is_none();
        if fees == Amount::ZERO || (is_new && fees < context.account_creation_fee) {
            return Ok(Vec::new());
        }
        let transfers = FeeTransfers::One(FeeTransfer { receiver, fee: fees });
        apply_fee_transfer(ledger, &transfers, context).map_err(ChainError::Producer)?;
        Ok(vec![graphql::FeeTransfer { recipient: receiver, fee: fees, via_coinbase: false }])
    }

    fn block_on(
        &self,
        tip: &Block,
        slot: Slot,
        ledger_hash: Fp,
        commands: Vec<Included>,
        fee_transfers: Vec<graphql::FeeTransfer>,
    ) -> Block {
        let height = Length::new(tip.height.get().saturating_add(1));
        let result = |included: &Included| Fp::from(included.failures.is_some());
        let header = BlockHeader {
            chain: self.id,
            generation: self.forks,
            height,
            parent: tip.state_hash,
            slot,
            ledger: ledger_hash,
            body: BlockHeader::body_hash(commands.iter().map(|one| (one.hash, result(one)))),
        };
        let mut view = tip.view;
        view.blockchain_length = height;
        view.global_slot_since_genesis = slot;
        Block {
            state_hash: header.digest(),
            parent: tip.state_hash,
            height,
            slot,
            timestamp_ms: self.genesis.timestamp_ms + u64::from(slot.get()) * self.genesis.slot_ms,
            producer: self.genesis.producer,
            ledger_hash,
            view,
            messages: Vec::new(),
            commands,
            coinbase: self.genesis.coinbase,
            coinbase_receiver: Some(self.genesis.producer),
            fee_transfers,
        }
    }

    /// Replaces the last `depth` blocks by as many others in the same slots. Their commands go back
    /// to the head of the pool, and so into the first of the new blocks, or are forgotten with
    /// `drop_commands`. Returns the new blocks.
    ///
    /// # Errors
    /// [`ChainError::Depth`] for more than there are after genesis, and for more than 290.
    pub fn reorganise(
        &mut self,
        depth: usize,
        drop_commands: bool,
    ) -> Result<Vec<Arc<Block>>, ChainError> {
        let available = self.ledgers.len() - 1;
        if depth > available {
            return Err(ChainError::Depth { available, got: depth });
        }
        let unwound = self.blocks.split_off(self.blocks.len() - depth);
        self.ledgers.truncate(self.ledgers.len() - depth);
        self.forks += 1;
        let mut pool = Vec::new();
        for block in &unwound {
            self.by_hash.remove(&block.state_hash);
            for included in &block.commands {
                self.included.remove(&included.hash);
                if !drop_commands {
                    let command = Command::clone(&included.command);
                    pool.push(Pooled::new(command, &self.genesis.domain));
                }
            }
        }
        pool.append(&mut self.pool);
        self.pool = pool;
        let slots = unwound.iter().map(|block| block.slot);
        slots.map(|slot| self.produce(slot)).collect()
    }
}

/// Fee payers, payments and delegations.
fn first_pass(ledger: &mut FullLedger, pool: &[Pooled], context: &Context<'_>) -> FirstPass {
    let mut pass = FirstPass::default();
    for pooled in pool {
        if pass.applied.len() == MAX_COMMANDS {
            pass.left.push(pooled.clone());
            continue;
        }
        match apply_first(ledger, pooled, context) {
            Ok((failures, partial)) => {
                pass.fees = pass.fees.saturating_add(pooled.command.fee().get());
                pass.applied.push(Applied { pooled: pooled.clone(), failures, partial });
            }
            // What has no place yet may have one after what is in this block; if not, it is
            // dropped with the next look at the pool.
            Err(error) => {
                tracing::debug!(hash = %pooled.hash, %error, "left for another block");
                pass.left.push(pooled.clone());
            }
        }
    }
    pass
}

type First = (Option<FailureTable>, Option<PartiallyApplied>);

fn apply_first(
    ledger: &mut FullLedger,
    pooled: &Pooled,
    context: &Context<'_>,
) -> Result<First, ApplyError> {
    match (&*pooled.command, &pooled.hashes) {
        (Command::Zkapp(command), Some(hashes)) => {
            let partial = apply_fee_payer(ledger, command, hashes, context, &mut ())?;
            Ok((None, Some(partial)))
        }
        (Command::Signed(command), _) => {
            Ok((apply_signed_command(ledger, &command.payload, context)?.failures, None))
        }
        // zkApp commands are pooled with their hashes.
        (Command::Zkapp(_), None) => Err(mina_ledger::logic::RejectReason::Reserved.into()),
    }
}

impl Applied {
    /// The second pass: account updates.
    fn finish(
        self,
        ledger: &mut FullLedger,
        context: &Context<'_>,
    ) -> Result<Included, ChainError> {
        let Self { pooled: Pooled { command, hash, .. }, mut failures, partial } = self;
        if let (Command::Zkapp(zkapp), Some(partial)) = (&*command, partial) {
            let applied = apply_account_updates(ledger, zkapp, partial, context, &mut ());
            failures = applied.map_err(ChainError::Producer)?.failures;
        }
        Ok(Included { hash, command, failures })
    }
}
