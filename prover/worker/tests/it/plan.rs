//! Traces and plans: what a batch did, and which proofs show it.

use std::collections::BTreeMap;

use mina_ledger::{
    ledger::{FullLedger, Ledger},
    logic::NoProofs,
    rollup::{Hashed, Message, OutboxEntry},
    types::{
        AccountId, Authorization, AuthorizationKind, CallForest, Length, Proof, SignedAmount, Slot,
    },
};
use zeko_circuits::{
    program::{CommandsError, Creations, Merge, Segment, Sizes},
    update::State,
};
use zeko_derive::{Batch, Command, ExecuteError, Item, batch_accounts};
use zeko_worker::{JobInput, Plan, PlanError, Rule, StatementHash, Trace, TraceError, TracedPart};

use crate::kit::{
    Anything, Happens, MINA, PROVED, ROOM, SIZES, accounts, build, change, command, command_of,
    command_with, data, delegation, deploy, deposit, deposits, first, genesis, mixed, nothing,
    parameters, payment, plan_of, record, record_with, sample_proof, transfer, user,
    verification_key, withdrawal,
};

/// Checks everything that a plan says against the batch, and returns how many updates each segment
/// has.
fn check(batch: &Batch, trace: &Trace, plan: &Plan) -> Vec<usize> {
    let header = &batch.header;
    let statement = plan.statement();
    assert_eq!(plan.root().0, statement.digest());
    assert_eq!(statement.chain, header.chain);
    assert_eq!(statement.source.root.ledger, header.source_ledger);
    assert_eq!(statement.target.root.ledger, header.target_ledger);
    assert_eq!(
        [statement.source.inbox, statement.source.outbox],
        [header.inbox_before, header.outbox_before]
    );
    assert_eq!(
        [statement.target.inbox, statement.target.outbox],
        [header.inbox_after, header.outbox_after]
    );
    assert_eq!(
        [statement.source.block, statement.target.block],
        [header.parent, header.last_block]
    );
    let slots = [batch.blocks.first(), batch.blocks.last()].map(|block| block.unwrap().slot);
    assert_eq!([statement.first_slot, statement.last_slot], slots);

    // What each job proves follows from what it rests on.
    let mut proved: BTreeMap<StatementHash, Segment> = BTreeMap::new();
    let mut used: Vec<StatementHash> = Vec::new();
    let mut sizes = Vec::new();
    let mut updates = trace.blocks.iter().flat_map(|block| {
        let updates = block.parts.iter().filter_map(|part| match part {
            TracedPart::Commands { updates, .. } => Some(updates),
            TracedPart::Messages(_) | TracedPart::Payments(_) => None,
        });
        updates.flatten().map(move |update| (block.height, block.slot, update.before))
    });
    // What is shown of new accounts so far.
    let mut creations: Option<(StatementHash, Creations)> = None;
    let (mut messages, mut payments) = (0, 0);
    for job in plan.jobs() {
        used.extend(&job.previous);
        let before: Vec<_> =
            job.previous.iter().filter_map(|hash| proved.get(hash).copied()).collect();
        let segment = match &job.input {
            JobInput::Commands { height, slot, updates: own, .. }
            | JobInput::Proved { height, slot, updates: own, .. } => {
                let is_proved = job.rule() == Rule::Proved;
                let room = if is_proved { trace.sizes.proved } else { ROOM };
                assert!((1..=room).contains(&own.len()));
                let proofs = own.iter().filter(|update| update.is_proved()).count();
                assert_eq!(proofs, usize::from(is_proved));
                for update in own {
                    assert_eq!(updates.next(), Some((*height, *slot, update.before)));
                }
                sizes.push(own.len());
                segment_of(trace, job.statement, own[0].before)
            }
            JobInput::Inbox { messages: own, .. } => {
                assert!((1..=SIZES.messages).contains(&own.messages.len()));
                messages += own.messages.len();
                sizes.push(0);
                segment_of(trace, job.statement, own.before)
            }
            JobInput::Payment { payments: own, .. } => {
                assert!((1..=SIZES.payments).contains(&own.payments.len()));
                payments += own.payments.len();
                sizes.push(0);
                segment_of(trace, job.statement, own.before)
            }
            JobInput::Accounts(input) => {
                let earlier = creations.map(|(statement, _)| statement);
                assert_eq!(job.previous, Vec::from_iter(earlier));
                creations = Some((job.statement, *input.creations()));
                assert_eq!(job.statement.0, input.creations().digest());
                continue;
            }
            JobInput::Merge(segments) => {
                assert_eq!(before, **segments);
                Merge::join(&segments[0], &segments[1]).unwrap()
            }
            JobInput::Close(input) => {
                assert_eq!(before, [input.segment]);
                let shown = creations.map_or(Creations::none(accounts().root()), |(_, last)| last);
                assert_eq!(
                    (input.creations, job.previous.len()),
                    (shown, 1 + creations.iter().len())
                );
                assert_eq!(shown.list, input.segment.target.accounts);
                assert_eq!(input.segment.source.ledger, header.source_ledger);
                let state = states(trace).last().unwrap().2;
                assert_eq!(input.segment.target.ledger, state.ledger, "fees are not yet credited");
                assert_eq!(job.statement, plan.root());
                continue;
            }
        };
        assert_eq!(job.statement.0, segment.digest());
        assert!(proved.insert(job.statement, segment).is_none(), "once");
    }
    assert_eq!(updates.next(), None, "all updates are proved");
    used.sort_unstable();
    let entries = trace.entries.len();
    used.retain(|statement| proved.contains_key(statement));
    assert!(used.iter().eq(proved.keys()), "every proof but the last is used once");
    assert_eq!(plan.jobs().len(), 2 * sizes.len() + entries.div_ceil(SIZES.accounts));
    let consumed = batch.blocks.iter().flat_map(|block| &block.items);
    let is_signed = |item: &&Item| matches!(item, Item::Command(Command::Signed(_), _));
    assert_eq!(payments, consumed.clone().filter(is_signed).count());
    assert_eq!(messages, consumed.filter(|item| !matches!(item, Item::Command(..))).count());
    sizes
}

/// The states that the batch goes through, with their blocks.
fn states(trace: &Trace) -> Vec<(Length, Slot, State)> {
    let parts = trace.blocks.iter().flat_map(|block| block.parts.iter().map(move |p| (block, p)));
    let states = parts.flat_map(|(block, part)| {
        let states: Vec<State> = match part {
            TracedPart::Commands { updates, end } => {
                updates.iter().map(|update| update.before).chain([**end]).collect()
            }
            TracedPart::Messages(inbox) => vec![inbox.before, inbox.after],
            TracedPart::Payments(payments) => vec![payments.before, payments.after],
        };
        states.into_iter().map(move |state| (block.height, block.slot, state))
    });
    states.collect()
}

/// The segment with this hash that starts at a state: ends are tried.
fn segment_of(trace: &Trace, statement: StatementHash, before: State) -> Segment {
    let points = states(trace).into_iter().map(|(height, slot, state)| {
        let fees = mina_curves::PastaField::to_limbs(state.fees)[0];
        (state, zeko_circuits::program::Point::new(&state, fees.into(), height, slot))
    });
    let points: Vec<_> = points.collect();
    let sources = points.iter().filter(|(state, _)| *state == before);
    sources
        .flat_map(|(_, source)| {
            let chain = trace.chain;
            points.iter().map(move |(_, target)| Segment {
                chain,
                source: *source,
                target: *target,
            })
        })
        .find(|segment| segment.digest() == statement.0)
        .unwrap()
}

fn sizes(blocks: &[(u32, Vec<Command>)]) -> Vec<usize> {
    let (batch, trace) = first(blocks);
    check(&batch, &trace, &plan_of(&trace))
}

fn nothings(count: usize) -> Vec<Command> {
    (0..count as u32).map(|nonce| nothing(0, nonce)).collect()
}

#[test]
fn plans_of_every_shape() {
    assert_eq!(sizes(&[(5, nothings(1))]), [1]);
    assert_eq!(sizes(&[(5, nothings(ROOM))]), [4]);
    assert_eq!(sizes(&[(5, nothings(ROOM + 1))]), [4, 1]);
    assert_eq!(sizes(&[(5, nothings(5 * ROOM))]), [4; 5]);
    // Segments end at the ends of blocks, and blocks without commands have none.
    let transfers = |nonce| vec![transfer(1, nonce, 2, MINA), transfer(1, nonce + 1, 3, MINA)];
    let blocks = [
        (5, vec![]),
        (6, nothings(2)),
        (6, vec![]),
        (7, transfers(0)),
        (9, transfers(2)),
        (9, vec![]),
    ];
    assert_eq!(sizes(&blocks), [2, 4, 2, 4, 2]);
    // The second command begins in one segment and ends in the next.
    assert_eq!(sizes(&[(5, vec![withdrawal(1, 0, 3 * MINA), transfer(2, 0, 3, MINA)])]), [4, 2]);
}

/// A command that fails is proved up to its failure.
#[test]
fn failing_commands() {
    let fails = transfer(0, 0, 1, 1_000 * MINA);
    assert_eq!(sizes(&[(5, vec![fails.clone()])]), [2]);
    let more = vec![fails, transfer(1, 0, 2, MINA), transfer(2, 0, 3, 1_000 * MINA)];
    assert_eq!(sizes(&[(5, more)]), [4, 3]);
}

#[test]
fn merges_are_a_tree_as_low_as_can_be() {
    for (segments, depth) in [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4)] {
        let plan = crate::kit::plan(segments, 0);
        let mut depths: BTreeMap<StatementHash, u32> = BTreeMap::new();
        for job in plan.jobs() {
            let below = job.previous.iter().map(|hash| depths[hash]).max().unwrap_or(0);
            let own = u32::from(job.rule() == Rule::Merge);
            depths.insert(job.statement, below + own);
        }
        assert_eq!(depths[&plan.root()], depth, "{segments} segments");
    }
}

/// A batch without fees needs nobody to give them to.
#[test]
fn nobody_receives_no_fees() {
    let (mut ledger, state) = genesis();
    let parameters = parameters();
    let mut builder = zeko_derive::BatchBuilder::new(&parameters, state, 0, user(50));
    let mut block = builder.block(&mut ledger, Slot::new(5));
    block.command(command(0, 0, 0, vec![])).unwrap();
    block.close().unwrap();
    let (batch, _) = builder.close(&mut ledger).unwrap();
    let trace = record(&batch).unwrap();
    assert_eq!(trace.fee_account.account.public_key, user(0));
    assert_eq!(check(&batch, &trace, &plan_of(&trace)), [1]);
}

/// Whoever has the batch and the accounts that it needs has the same plan, batch after batch.
#[test]
fn the_plan_follows_from_the_batch() {
    let (mut ledger, state) = genesis();
    let blocks = [(5, vec![withdrawal(0, 0, 2 * MINA)]), (7, vec![transfer(1, 0, 2, MINA)])];
    let (batch, after) = build(&mut ledger, state, &blocks);
    let (next, last) = build(&mut ledger, after, &[(8, vec![transfer(3, 0, 1, MINA)])]);

    let (mut full, _) = genesis();
    let inbox = (state.inbox, vec![]);
    let mut state = state;
    let mut set = accounts();
    for batch in [&batch, &next] {
        // From the bytes that the DA layer has.
        let bytes = batch.encode().unwrap();
        let batch = Batch::decode(&bytes, crate::kit::ERA).unwrap();
        let mut sparse =
            mina_ledger::ledger::SparseLedger::of(&mut full, &batch_accounts(&batch)).unwrap();
        let (parameters, data) = (parameters(), data(&batch));
        let (from_sparse, _) =
            Trace::record(&mut sparse, &state, &batch, data, &parameters, &inbox, &NoProofs, SIZES)
                .unwrap();
        let (trace, after) =
            Trace::record(&mut full, &state, &batch, data, &parameters, &inbox, &NoProofs, SIZES)
                .unwrap();
        state = after;
        let mut same = set.clone();
        let other = Plan::new(&from_sparse, &mut same).unwrap();
        let one = Plan::new(&trace, &mut set).unwrap();
        assert_eq!(set.root(), same.root());
        let statements = |plan: &Plan| -> Vec<_> {
            plan.jobs().iter().map(|job| (job.statement, job.previous.clone())).collect()
        };
        assert_eq!(statements(&one), statements(&other));
        assert_eq!(one.statement().target.root.accounts, set.root());
        assert_eq!(full.root().unwrap(), batch.header.target_ledger);
    }
    assert_eq!(state, last);
}

fn refused(ledger: &mut FullLedger, batch: &Batch) -> TraceError {
    let (mut fresh, state) = genesis();
    let root = fresh.root().unwrap();
    assert_eq!(ledger.root().unwrap(), root);
    let inbox = (state.inbox, vec![]);
    let error =
        Trace::record(ledger, &state, batch, data(batch), &parameters(), &inbox, &NoProofs, SIZES)
            .unwrap_err();
    assert_eq!(ledger.root().unwrap(), root, "as it was");
    error
}

#[test]
fn what_has_no_plan_is_refused() {
    // Nothing.
    let (_, trace) = first(&[(5, vec![]), (6, vec![])]);
    assert_eq!(Plan::new(&trace, &mut accounts()).err(), Some(PlanError::Empty));
    let (_, mut trace) = first(&[(5, nothings(1))]);
    trace.sizes.accounts = 0;
    assert_eq!(Plan::new(&trace, &mut accounts()).err(), Some(PlanError::NoRoom));
    trace.sizes = Sizes { payments: 0, ..SIZES };
    assert_eq!(Plan::new(&trace, &mut accounts()).err(), Some(PlanError::NoRoom));
}

/// Payments and delegations have proofs of their own, in the order of the block.
#[test]
fn payments_and_delegations() {
    let message = |to, amount| Happens::Message(Message::Deposit(deposit(to, amount)));
    let paid = |from, nonce, to, amount| Happens::Command(payment(from, nonce, to, amount));
    let blocks = vec![
        // More than a proof has room for: to a new account, to one that it does not suffice for,
        // and to itself.
        (5, vec![paid(0, 0, 60, MINA), paid(0, 1, 61, 1), paid(1, 0, 1, MINA)]),
        (
            6,
            vec![
                Happens::Command(nothing(0, 2)),
                Happens::Command(delegation(0, 3, 60)),
                message(70, 3 * MINA),
                Happens::Command(delegation(0, 4, 62)),
                paid(2, 0, 70, MINA),
                Happens::Command(transfer(2, 1, 0, MINA)),
            ],
        ),
        (7, vec![paid(2, 2, 0, MINA)]),
    ];
    let (batch, trace) = mixed(blocks);
    let mut set = accounts();
    let plan = Plan::new(&trace, &mut set).unwrap();
    assert_eq!(check(&batch, &trace, &plan), [0, 0, 1, 0, 0, 0, 3, 0]);
    let counts: Vec<usize> = plan
        .jobs()
        .iter()
        .filter_map(|job| match &job.input {
            JobInput::Payment { payments, .. } => Some(payments.payments.len()),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [2, 1, 1, 2, 1]);
    let reverted: Vec<bool> = trace.entries.iter().map(|entry| entry.reverts).collect();
    assert_eq!(reverted, [false, true, false, true]);
    assert_eq!(set.len(), accounts().len() + 2);
    assert_eq!(plan.statement().target.root.accounts, set.root());

    // The accounts that the batch names are all that it takes, also those that are not there.
    let (mut full, state) = genesis();
    let named = batch_accounts(&batch);
    let mut sparse = mina_ledger::ledger::SparseLedger::of(&mut full, &named).unwrap();
    let (data, parameters, inbox) = (data(&batch), parameters(), (state.inbox, deposits()));
    let same =
        Trace::record(&mut sparse, &state, &batch, data, &parameters, &inbox, &NoProofs, SIZES);
    let (same, _) = same.unwrap();
    let paths = |trace: &Trace| -> Vec<_> {
        let parts = trace.blocks.iter().flat_map(|block| &block.parts);
        let payments = parts.filter_map(|part| match part {
            TracedPart::Payments(recorded) => Some(recorded.payments.clone()),
            _ => None,
        });
        payments.flatten().map(|payment| [payment.payer.path, payment.receiver.path]).collect()
    };
    assert_eq!(paths(&same), paths(&trace));
    let statements = |plan: &Plan| -> Vec<_> { plan.jobs().iter().map(|j| j.statement).collect() };
    assert_eq!(statements(&plan_of(&same)), statements(&plan));

    // Payments alone, of whom one receives the fees.
    let (batch, trace) = first(&[(5, vec![payment(0, 0, 4, MINA)])]);
    assert_eq!(trace.fee_account.account.public_key, user(4));
    assert_eq!(check(&batch, &trace, &plan_of(&trace)), [0]);
}

fn opening(from: u64, nonce: u32, new: u64, amount: u64) -> Command {
    let mut opened = change(AccountId::of(user(new)), SignedAmount::positive(amount.into()));
    opened.implicit_account_creation_fee = true;
    let pays = change(AccountId::of(user(from)), SignedAmount::negative(amount.into()));
    command(from, nonce, MINA, vec![pays, opened])
}

/// Messages and commands have proofs of their own, in the order of the block; new accounts theirs.
#[test]
fn messages_and_new_accounts() {
    let message = |to, amount| Happens::Message(Message::Deposit(deposit(to, amount)));
    let blocks = vec![
        (5, vec![message(70, 3 * MINA), message(71, 1)]),
        (6, vec![Happens::Command(opening(0, 0, 60, MINA)), Happens::Command(nothing(0, 1))]),
        (
            7,
            vec![
                Happens::Message(Message::Unopened(deposit(1, MINA).action_hash())),
                Happens::Command(opening(1, 0, 61, 1)),
                Happens::Command(transfer(2, 0, 70, MINA)),
            ],
        ),
    ];
    let (batch, trace) = mixed(blocks);
    let mut set = accounts();
    let plan = Plan::new(&trace, &mut set).unwrap();
    // Two messages, four updates, one message; three updates of the command that fails and three.
    assert_eq!(check(&batch, &trace, &plan), [0, 4, 0, 4, 2]);
    let reverted: Vec<bool> = trace.entries.iter().map(|entry| entry.reverts).collect();
    assert_eq!(reverted, [false, true, false, true]);
    assert_eq!(set.len(), accounts().len() + 2);
    assert_eq!(plan.statement().target.root.accounts, set.root());

    // More messages than a proof has room for; and the accounts of another set.
    let three = [message(70, 3 * MINA), message(71, 1), message(1, MINA)];
    let (batch, trace) = mixed(vec![(5, three.into())]);
    assert_eq!(trace.fee_account.account.public_key, user(4));
    assert_eq!(check(&batch, &trace, &plan_of(&trace)), [0, 0]);
    let root = set.root();
    let error = Plan::new(&trace, &mut set).unwrap_err();
    assert!(matches!(error, PlanError::Accounts(_)), "{error}");
    assert_eq!(set.root(), root);
}

/// A command with updates around one with a proof, which the verifier here takes for good.
fn call_with(nonce: u32, before: usize, after: usize, proof: &Proof) -> Command {
    let plain = change(AccountId::of(user(0)), SignedAmount::ZERO);
    let mut proved = plain.clone();
    proved.authorization_kind = AuthorizationKind::Proof(verification_key().hash());
    let mut updates = vec![plain.clone(); before];
    updates.push(proved);
    updates.extend(vec![plain; after]);
    command_with(0, nonce, MINA / 100, updates, &Authorization::Proof(proof.clone()))
}

/// Updates with proofs are proved with their neighbours, in as few segments as can be.
#[test]
fn updates_with_proofs() {
    let deploy = || deploy(0, 0, verification_key());
    let call = |nonce, before, after| call_with(nonce, before, after, &sample_proof());
    let (state, block) = (genesis().1, |commands| vec![(5, commands)]);
    let shape = |blocks: &[(u32, Vec<Command>)], proved: usize| -> Vec<(Rule, usize)> {
        let (batch, _) = build(&mut genesis().0, state, blocks);
        let mut trace = record_with(&batch, &Anything).unwrap();
        trace.sizes.proved = proved;
        let plan = plan_of(&trace);
        let sizes = check(&batch, &trace, &plan);
        let rules = plan.jobs().iter().map(|job| job.rule());
        rules.filter(|rule| matches!(rule, Rule::Commands | Rule::Proved)).zip(sizes).collect()
    };
    use Rule::{Commands, Proved};
    let one = block(vec![deploy(), call(1, 0, 0)]);
    assert_eq!(shape(&one, PROVED), [(Proved, 4)]);
    assert_eq!(shape(&one, 2), [(Commands, 3), (Proved, 1)]);
    // What comes behind it goes along, as far as there is room.
    let more = block(vec![deploy(), call(1, 0, 2)]);
    assert_eq!(shape(&more, PROVED), [(Proved, 5), (Commands, 1)]);
    // One proof each.
    let two = block(vec![deploy(), call(1, 2, 0), call(2, 0, 0)]);
    assert_eq!(shape(&two, PROVED), [(Commands, 4), (Proved, 3), (Proved, 1)]);
    let blocks = vec![(5, vec![deploy()]), (6, vec![call(1, 0, 0)]), (6, vec![call(2, 0, 1)])];
    assert_eq!(shape(&blocks, PROVED), [(Commands, 2), (Proved, 2), (Proved, 3)]);

    // A proof that only the verifier here can read; behind a failure, nobody looks at it.
    let garbled = Proof(b"()".as_slice().into());
    let with = |commands| build(&mut genesis().0, state, &[(5, vec![]), (5, commands)]).0;
    let batch = with(vec![deploy(), call_with(1, 0, 0, &garbled)]);
    let error = record_with(&batch, &Anything).unwrap_err();
    assert!(matches!(error, TraceError::Proof { block: 1, source: CommandsError::Proof(_) }));
    let error = record_with(&batch, &NoProofs).unwrap_err();
    assert!(matches!(error, TraceError::Execute(ExecuteError::Authorization { .. })));
    let Command::Zkapp(fails) = transfer(0, 1, 1, 1_000 * MINA) else { panic!("a zkApp command") };
    let Command::Zkapp(reads) = call_with(1, 0, 0, &garbled) else { panic!("one, too") };
    let updates = fails.account_updates.updates().chain(reads.account_updates.updates()).cloned();
    let batch = with(vec![deploy(), command_of(0, 1, MINA / 100, CallForest::flat(updates))]);
    let plan = plan_of(&record_with(&batch, &Anything).unwrap());
    assert!(plan.jobs().iter().all(|job| job.rule() != Proved));
}

#[test]
fn a_forged_batch_is_refused() {
    let (mut ledger, state) = genesis();
    let (batch, _) = build(&mut genesis().0, state, &[(5, vec![withdrawal(0, 0, 2 * MINA)])]);
    let forged = |edit: &dyn Fn(&mut Batch)| {
        let mut batch = batch.clone();
        edit(&mut batch);
        batch
    };
    let wrong = forged(&|batch| batch.header.target_ledger += mina_curves::Fp::from(1u64));
    let error = refused(&mut ledger, &wrong);
    assert_eq!(error, ExecuteError::Target { what: "target ledger" }.into());
    let wrong = forged(&|batch| {
        let entry = OutboxEntry::Refund { recipient: user(0), amount: MINA.into() };
        batch.header.outbox_after = entry.to_fields()[0];
    });
    assert_eq!(refused(&mut ledger, &wrong), ExecuteError::Target { what: "outbox" }.into());
}
