//! Attacks on payments and delegations, by a prover who follows the circuit everywhere but in one
//! place.

use ark_ff::{AdditiveGroup, Field, UniformRand};
use kimchi::builder::testing::rng;
use mina_curves::{Fp, Fq};
use mina_ledger::{
    Domain,
    hash::{account_hash, signed_command_receipt},
    ledger::{FullLedger, Ledger, Location},
    rollup::bridge_public_key,
    types::{
        Account, AccountId, Amount, Memo, Nonce, PublicKey, SignedCommand, SignedCommandBody,
        SignedCommandPayload, Slot, Timing,
    },
};
use rayon::prelude::*;
use zeko_circuits::{
    accounts::{AccountSet, AccountSetError},
    program::{AccountsInput, Opening, PaymentInput, PaymentWitness, RecordedPayments},
    schnorr::SignatureWitness,
    update::{CreditWitness, NewAccount, State},
};

use crate::{
    payment::{
        CLOSED, CREATION, FEE, FIXED_DELEGATE, MUTE, NOBODY, OTHER, PLAIN, RICH, SLOT, STUCK,
        TIMED, commands, delegates, fields, id, input, lab, lab_of, ledger, payload, pays, record,
        rules, sign, user,
    },
    program::MINA,
};

/// A command that was applied.
fn honest(from: u64, body: SignedCommandBody) -> PaymentInput {
    let commands = commands(&[(from, body)]);
    let rules = rules(Domain::default());
    input(record(&mut ledger(), &commands, &rules, State::default()).0, 1).unwrap()
}

/// The payer as the circuit writes it, whether or not it may or can, if the command is applied or not.
fn charged(payer: &Account, payload: &SignedCommandPayload, applied: bool) -> Account {
    let mut payer = payer.clone();
    payer.balance = payer.balance.sub_flagged(payload.fee).0;
    payer.nonce = payer.nonce.successor();
    payer.receipt_chain_hash = signed_command_receipt(payer.receipt_chain_hash, payload);
    payer.timing = payer.timing.filter(|timing| timing.minimum_balance(SLOT) > Amount::ZERO);
    match payload.body {
        SignedCommandBody::Payment { amount, .. } if applied => {
            payer.balance = payer.balance.sub_flagged(amount).0;
        }
        SignedCommandBody::Delegation { new_delegate } if applied => {
            payer.delegate = Some(new_delegate);
        }
        _ => (),
    }
    payer
}

/// What a prover makes of a command on a ledger, whatever the logic says of it; `as_new` makes the
/// receiver a new account.
fn forged(
    ledger: &mut FullLedger,
    command: &SignedCommand,
    applied: bool,
    as_new: bool,
) -> PaymentInput {
    let payload = command.payload;
    let before = State { ledger: ledger.root().unwrap(), ..State::default() };
    let place = ledger.location(&AccountId::of(payload.fee_payer)).unwrap().unwrap();
    let account = ledger.account(place).unwrap().clone();
    let payer = Opening { account, path: ledger.path(place).unwrap() };
    ledger.set(charged(&payer.account, &payload, applied)).unwrap();
    let receiver = AccountId::of(payload.receiver());
    let place = ledger.location(&receiver).unwrap().filter(|_| !as_new);
    let account = match place {
        Some(place) => ledger.account(place).unwrap().clone(),
        None => Account::new(receiver, Amount::ZERO, ledger.era()),
    };
    let is_new = place.is_none();
    let path = ledger.path(place.unwrap_or(Location::new(ledger.len()))).unwrap();
    let signature = SignatureWitness::new(&payload.fee_payer, command.signature);
    let signature = signature.unwrap_or_else(SignatureWitness::none);
    let receiver = CreditWitness { account, is_new, path };
    let payments = vec![PaymentWitness { payload, signature, payer, receiver }];
    let recorded = RecordedPayments { before, after: before, payments, entries: Vec::new() };
    input(recorded, 1).unwrap()
}

/// Asserts that an input is refused in a region, whose name may go on.
fn refused(forged: &PaymentInput, region: &str) {
    let found = lab().rejects(forged);
    let region = format!("payment/{region}");
    assert!(found.iter().any(|path| path.starts_with(&region)), "{region}: {found:?}");
}

#[test]
fn what_is_signed_is_what_is_done() {
    let honest = honest(PLAIN, pays(OTHER, MINA));
    lab().accepts(&honest);
    let edited = |region: &str, edit: &dyn Fn(&mut PaymentWitness)| {
        let mut input = honest.clone();
        edit(&mut input.payments[0].1);
        refused(&input, region);
    };
    // Another signature, another key's, none.
    edited("signature/nonce", &|payment| payment.signature.signature.s += Fq::ONE);
    edited("signature/nonce", &|payment| payment.signature.signature.r += Fp::ONE);
    edited("signature/key", &|payment| payment.signature.key = user(OTHER).to_point().unwrap());
    edited("signature/key", &|payment| payment.signature = SignatureWitness::none());
    // Anything else under the same signature, with all that follows from it.
    let command = commands(&[(PLAIN, pays(OTHER, MINA))])[0];
    type Change = fn(&mut SignedCommandPayload);
    let changes: [Change; 9] = [
        |payload| payload.fee = Amount::ZERO,
        |payload| payload.fee = Amount::new(2 * FEE),
        |payload| payload.nonce = Nonce::new(1),
        |payload| payload.valid_until = SLOT,
        |payload| payload.memo = Memo::EMPTY,
        |payload| payload.body = pays(OTHER, 2 * MINA),
        |payload| payload.body = pays(CLOSED, MINA),
        |payload| payload.body = pays(NOBODY, MINA),
        |payload| payload.body = delegates(OTHER),
    ];
    for change in changes {
        let mut command = command;
        change(&mut command.payload);
        let applied = command.payload.receiver() != user(CLOSED);
        let mut ledger = ledger();
        let nonce = command.payload.nonce;
        let mut payer = ledger.get(&id(PLAIN)).unwrap().unwrap().clone();
        payer.nonce = nonce;
        ledger.set(payer).unwrap();
        let input = forged(&mut ledger, &command, applied, false);
        let found = lab().rejects(&input);
        assert!(found.iter().all(|path| path.starts_with("payment/signature/")), "{found:?}");
    }
    // A payer who has not signed.
    let mut command = command;
    command.payload.fee_payer = user(OTHER);
    refused(&forged(&mut ledger(), &command, true, false), "signature");
}

/// What has no place in a block has no proof.
#[test]
fn what_the_logic_rejects() {
    let reject = |region: &str, from: u64, payload: SignedCommandPayload| {
        let input = forged(&mut ledger(), &sign(payload, from), true, false);
        refused(&input, region);
    };
    let plain = payload(PLAIN, 0, pays(OTHER, MINA));
    reject("payer/nonce", PLAIN, SignedCommandPayload { nonce: Nonce::new(1), ..plain });
    let past = Slot::new(SLOT.get() - 1);
    reject("command", PLAIN, SignedCommandPayload { valid_until: past, ..plain });
    let bridge = |body| payload(PLAIN, 0, body);
    let receiver = bridge_public_key();
    reject("command", PLAIN, bridge(SignedCommandBody::Payment { receiver, amount: FEE.into() }));
    reject("command", PLAIN, bridge(SignedCommandBody::Delegation { new_delegate: receiver }));
    let of_bridge = SignedCommandPayload { fee_payer: receiver, ..plain };
    let input = forged(&mut ledger(), &sign(of_bridge, PLAIN), true, false);
    refused(&input, "command");
    // More than there is, with the fee or without, or more than may be spent.
    reject("payer/vesting", PLAIN, payload(PLAIN, 0, pays(OTHER, 100 * MINA)));
    reject("payer/vesting", PLAIN, payload(PLAIN, 0, pays(OTHER, u64::MAX)));
    reject("payer/vesting", PLAIN, SignedCommandPayload { fee: Amount::MAX, ..plain });
    reject("payer/vesting", TIMED, payload(TIMED, 0, pays(OTHER, 40 * MINA)));
    let costly =
        SignedCommandPayload { fee: (41 * MINA).into(), ..payload(TIMED, 0, delegates(0)) };
    reject("payer/vesting", TIMED, costly);
    // What the key may not do.
    reject("payer/permissions", MUTE, payload(MUTE, 0, pays(OTHER, MINA)));
    reject("payer/permissions", MUTE, payload(MUTE, 0, delegates(OTHER)));
    reject("payer/permissions", STUCK, payload(STUCK, 0, pays(OTHER, MINA)));
    // A payer who has no account, and the one of the empty leaves.
    let nobody = payload(NOBODY, 0, pays(OTHER, 0));
    for account in [Account::new(id(NOBODY), MINA.into(), ledger().era()), nobodys_account()] {
        let mut input = forged(&mut ledger(), &sign(plain, PLAIN), true, false);
        let mut ledger = ledger();
        let payment = &mut input.payments[0].1;
        payment.payload = nobody;
        payment.payload.fee_payer = account.public_key;
        let path = ledger.path(Location::new(ledger.len())).unwrap();
        payment.payer = Opening { account, path };
        refused(&input, "payer");
    }
}

/// Its hash is that of an empty leaf.
fn nobodys_account() -> Account {
    let era = ledger().era();
    let account = Account::new(AccountId::of(PublicKey::EMPTY), Amount::ZERO, era);
    assert_eq!(account_hash(&account, era), account_hash(&Account::empty(era), era));
    account
}

#[test]
fn accounts_are_those_of_the_ledger() {
    let honest = honest(PLAIN, pays(OTHER, MINA));
    let edited = |region: &str, edit: &dyn Fn(&mut PaymentWitness)| {
        let mut input = honest.clone();
        edit(&mut input.payments[0].1);
        refused(&input, region);
    };
    edited("payer", &|payment| payment.payer.account.balance = (200 * MINA).into());
    edited("payer", &|payment| payment.payer.account.receipt_chain_hash += Fp::ONE);
    edited("payer", &|payment| payment.payer.account.delegate = None);
    edited("payer", &|payment| payment.payer.path = payment.receiver.path.clone());
    edited("payer", &|payment| payment.payer.account = payment.receiver.account.clone());
    edited("payer", &|payment| payment.payer.account.timing = Some(Timing::UNTIMED));
    // What is opened second is found in the ledger with the first.
    edited("receiver", &|payment| payment.receiver.account.balance = MINA.into());
    edited("receiver", &|payment| payment.receiver.path = payment.payer.path.clone());
    edited("receiver", &|payment| payment.receiver.account = payment.payer.account.clone());
    edited("receiver", &|payment| payment.receiver.is_new = true);
    let mut opens = self::honest(PLAIN, pays(NOBODY, MINA));
    opens.payments[0].1.receiver.is_new = false;
    refused(&opens, "receiver");
    // A new account does not start out with anything.
    let mut rich = self::honest(PLAIN, pays(NOBODY, MINA));
    rich.payments[0].1.receiver.account.balance = MINA.into();
    refused(&rich, "receiver");
    // A state that is not the one before.
    let mut other = honest.clone();
    other.before.ledger += Fp::ONE;
    refused(&other, "payer");
}

/// A failed command as applied, and an applied one as failed: the receiver is not in the ledger that the
/// payer is written to.
#[test]
fn outcomes_are_not_the_provers_choice() {
    for (from, body, applied) in [
        (PLAIN, pays(OTHER, MINA), true),
        (PLAIN, pays(PLAIN, MINA), true),
        // What it sends to itself and has does not fit an amount: it is applied all the same.
        (RICH, pays(RICH, u64::MAX - 2 * MINA), true),
        (PLAIN, pays(NOBODY, MINA), true),
        (PLAIN, delegates(OTHER), true),
        (PLAIN, pays(CLOSED, MINA), false),
        (CLOSED, pays(CLOSED, MINA), false),
        (PLAIN, pays(NOBODY, CREATION - 1), false),
        (PLAIN, pays(RICH, 2 * MINA), false),
        (PLAIN, delegates(NOBODY), false),
        (FIXED_DELEGATE, delegates(PLAIN), false),
    ] {
        let command = commands(&[(from, body)])[0];
        let truth = forged(&mut ledger(), &command, applied, false);
        let (recorded, failures) =
            record(&mut ledger(), &[command], &rules(Domain::default()), State::default());
        assert_eq!(failures[0].is_none(), applied);
        assert_eq!(lab().public(&truth)[3..], fields(&recorded.after));
        refused(&forged(&mut ledger(), &command, !applied, false), "receiver");
    }
}

/// Whoever exists can be taken for new, by which a payment would fail or a delegation; but then it is on
/// the list, and nothing shows that it was missing.
#[test]
fn whoever_is_taken_as_new_is_listed() {
    for (body, applied) in [
        (pays(OTHER, MINA), true),
        (pays(OTHER, CREATION - 1), false),
        (pays(PLAIN, CREATION - 1), false),
        (delegates(OTHER), false),
        (delegates(PLAIN), false),
    ] {
        let mut ledger = ledger();
        let ids: Vec<AccountId> = ledger.accounts().iter().map(Account::id).collect();
        let command = commands(&[(PLAIN, body)])[0];
        let input = forged(&mut ledger, &command, applied, true);
        let taken = lab().public(&input);
        let created = (AccountId::of(command.payload.receiver()), Location::new(ledger.len()));
        let entry = NewAccount::of(Fp::ZERO, Fp::ZERO, Some(&created), !applied).unwrap();
        assert_eq!(taken[4], mina_ledger::rollup::Hashed::digest(&entry));
        let error = AccountsInput::of_batch(&mut AccountSet::new(&ids).unwrap(), &[entry], 1);
        assert!(matches!(error, Err(AccountSetError::Exists { .. })));
    }
}

/// Commands in another order, twice, or counted where none is; and what stands in a place that is left
/// out is a command all the same.
#[test]
fn commands_follow_each_other() {
    let rules = rules(Domain::default());
    let lab = lab_of(rules.clone(), 2);
    let two = commands(&[(PLAIN, pays(OTHER, MINA)), (OTHER, pays(NOBODY, 101 * MINA - FEE))]);
    let record = |count| record(&mut ledger(), &two[..count], &rules, State::default()).0;
    let (one, both) = (input(record(1), 2).unwrap(), input(record(2), 2).unwrap());
    assert_eq!(lab.public(&one)[3..], fields(&record(1).after));
    assert_eq!(lab.public(&both)[3..], fields(&record(2).after));
    let edited = |honest: &PaymentInput, region: &str, edit: &dyn Fn(&mut PaymentInput)| {
        let mut input = honest.clone();
        edit(&mut input);
        let found = lab.rejects(&input);
        assert!(found.iter().any(|path| path.starts_with(region)), "{region}: {found:?}");
    };
    edited(&both, "payment/payer", &|input| input.payments.swap(0, 1));
    edited(&both, "payment/payer", &|input| input.payments[1] = input.payments[0].clone());
    edited(&both, "payment/payer", &|input| input.payments[0].0 = false);
    edited(&one, "payment/payer", &|input| input.payments[1].0 = true);
    edited(&one, "payment/signature", &|input| {
        input.payments[1].1.signature = SignatureWitness::none();
    });
    // The second left out: what the first leads to.
    let mut shorter = both;
    shorter.payments[1].0 = false;
    assert_eq!(lab.public(&shorter), lab.public(&one));
}

/// Every cell and every class of wired cells. Free are inverses of zero, and what the doublings of the
/// signature multiply by zero.
#[test]
fn forged_cells() {
    let cases = [
        // No minimum balance; the nonce, the amount less the fee and the sum fit.
        (PLAIN, pays(OTHER, MINA), 4),
        (PLAIN, pays(NOBODY, MINA), 4),
        // The keys are the same.
        (CLOSED, pays(CLOSED, MINA), 5),
        // A minimum, and no amount.
        (TIMED, delegates(NOBODY), 2),
    ];
    let found: Vec<usize> = cases
        .par_iter()
        .map(|(from, body, _)| {
            let lab = lab();
            let input = honest(*from, *body);
            let witness = lab.witness(&input);
            let mut inverses = 0;
            let cells = lab.unnoticed_cells(&input);
            for &(row, column) in cells.iter().filter(|cell| cell.0 >= lab.circuit.public_inputs())
            {
                if lab.circuit.region(row, 0) == "payment/signature/multiplications" {
                    assert!(matches!(column, 9 | 10), "row {row}, column {column}");
                    continue;
                }
                assert!(matches!(column, 1 | 4), "row {row}, column {column}");
                let zeros = [column - 1, column + 1].map(|other| witness[other][row] == Fp::ZERO);
                assert!(zeros.contains(&true), "row {row}, column {column}");
                inverses += 1;
            }
            let classes = lab.unnoticed_classes(&input);
            let wired: Vec<_> = classes.difference(&cells).collect();
            assert!(wired.is_empty(), "{wired:?}");
            inverses
        })
        .collect();
    assert_eq!(found, cases.map(|(_, _, expected)| expected));
}

/// A lie about each value that the prover gives, and about each of those that decide what becomes of the
/// command, with everything after it computed as the circuit says.
#[test]
fn lies() {
    let lab = lab();
    let mut rng = rng(47);
    for (from, body, free) in [
        // The inverses that the test above counts, without those of the payer, and two variables that
        // are in no cell.
        (PLAIN, pays(OTHER, MINA), 4),
        (RICH, pays(RICH, u64::MAX - 2 * MINA), 5),
        (PLAIN, delegates(NOBODY), 3),
    ] {
        let input = honest(from, body);
        let values = lab.values(&input);
        let payment = &input.payments[0].1;
        let end = values.len();
        let find = |part: &[Fp], from: usize| {
            let at = values[from..end].windows(part.len()).position(|window| window == part);
            from + at.unwrap()
        };
        // Accounts with their ids first, paths with their siblings last.
        let start = |account: &Account, from| {
            let PublicKey { x, is_odd } = account.public_key;
            find(&[x, Fp::from(is_odd), Fp::ONE], from)
        };
        let payer = start(&payment.payer.account, 0);
        let payer_path = find(payment.payer.path.siblings(), payer);
        let receiver = start(&payment.receiver.account, payer_path);
        let receiver_path = find(payment.receiver.path.siblings(), receiver);
        let leaf = account_hash(&payment.receiver.account, ledger().era());
        let leaf = if payment.receiver.is_new {
            account_hash(&Account::empty(ledger().era()), ledger().era())
        } else {
            leaf
        };
        let outcome = find(&[payment.receiver.path.root(leaf)], receiver_path) + 1;
        let PublicKey { x, is_odd } = payment.payload.fee_payer;
        let signed = find(&[Fp::from(FEE), x, Fp::from(is_odd)], 0);
        let windows = [
            signed..signed + 17,
            payer..payer + 80,
            payer_path - 35..payer_path + 35,
            receiver..receiver + 80,
            receiver_path - 35..receiver_path + 35,
            outcome..outcome + 150,
        ];
        let lies: Vec<(usize, Fp)> = windows
            .into_iter()
            .flatten()
            .map(|variable| {
                let value = values[variable];
                let is_bit = value == Fp::ZERO || value == Fp::ONE;
                (variable, if is_bit { Fp::ONE - value } else { value + Fp::rand(&mut rng) })
            })
            .collect();
        let unnoticed: Vec<usize> = lies
            .par_iter()
            .filter(|(variable, lie)| lab.noticed_lie(&input, *variable, *lie).is_empty())
            .map(|(variable, _)| *variable)
            .collect();
        assert_eq!(unnoticed.len(), free, "{unnoticed:?}");
        // In the place of the last sum of a range check's digits stands the number itself.
        let copies_number = |i: usize| values[i] == values[i - 34];
        let is_free = |i: &usize| values[*i] == Fp::ZERO || copies_number(*i);
        assert!(unnoticed.iter().all(is_free), "{unnoticed:?}");
    }
}
