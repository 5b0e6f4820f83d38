//! Attacks on the whole update, by a prover who follows the circuit everywhere but in one place.

use std::collections::{BTreeMap, BTreeSet};

use ark_ff::{AdditiveGroup, Field, UniformRand};
use kimchi::{GateKind, builder::testing::rng};
use mina_curves::{Fp, Fq};
use mina_ledger::{
    hash::{body_input, hash_one, salt},
    ledger::{FullLedger, Ledger, Location},
    rollup::Hashed,
    signature::sign_fields,
    types::{
        Account, AccountId, Amount, AuthRequired, AuthorizationKind, Body, Bounds, Era,
        FeePayerBody, MayUseToken, Nonce, Permissions, PrivateKey, PublicKey, Sign, SignedAmount,
        Slot, Timing, TokenId,
    },
};
use rayon::prelude::*;
use zeko_circuits::{
    account::AccountVar,
    alloc::Allocate,
    body::BodyVar,
    schnorr::SignatureWitness,
    update::{NewAccount, RecordedUpdate, StackWitness, State, UpdateWitness},
};

use crate::update::{CASES, Input, Lab, lab, record};

const FEE: Amount = Amount::new(1_000_000_000);

/// The updates of the case with this number.
fn case(number: usize) -> Vec<Input> {
    let (domain, by_fee) = &*CASES;
    let prefix = format!("{number:04} ");
    let case = by_fee[&FEE].iter().find(|case| case.name().starts_with(&prefix)).unwrap();
    let (updates, _) = record(case, domain).unwrap();
    updates.into_iter().map(|update| Input { view: *case.view(), update }).collect()
}

/// The state after an update.
fn after(lab: &Lab, input: &Input) -> BTreeMap<&'static str, Fp> {
    let names = State::default().fields().into_iter().map(|(name, _)| name);
    names.zip(lab.public(input)).collect()
}

/// Asserts that a forged input is refused in a region, whose name may go on.
fn refused(lab: &Lab, forged: &Input, region: &str) {
    let found = lab.rejects(forged);
    assert!(found.iter().any(|path| path.starts_with(region)), "{region}: {found:?}");
}

/// Where a part of the witness lies among all values.
fn find(values: &[Fp], part: &[Fp], from: usize) -> core::ops::Range<usize> {
    let at = values[from..].windows(part.len()).position(|window| window == part).unwrap();
    from + at..from + at + part.len()
}

/// The numbers of the variables of everything that the prover of an update knows, with names.
fn private(lab: &Lab, input: &Input) -> Vec<(&'static str, core::ops::Range<usize>)> {
    let UpdateWitness { body, account, path, stack, is_new, .. } = &input.update.witness;
    let values = lab.values(input);
    let mut of_body = Vec::new();
    BodyVar::values(body, Era::Berkeley, &mut of_body);
    let body = find(&values, &of_body, 0);
    let StackWitness { memo, forest, children, rest, caller, caller_caller, calls, below } = *stack;
    let stack = [memo, forest, children, rest, caller, caller_caller, calls, below];
    let stack = find(&values, &stack, body.end);
    let mut of_account = Vec::new();
    AccountVar::values(account, Era::Berkeley, &mut of_account);
    of_account.push(Fp::from(*is_new));
    let account = find(&values, &of_account, stack.end);
    let sides = (0..path.siblings().len()).map(|i| Fp::from(path.location().index() >> i & 1));
    let of_path: Vec<Fp> = sides.chain(path.siblings().iter().copied()).collect();
    let path = find(&values, &of_path, account.end);
    vec![("body", body), ("stack", stack), ("account", account), ("path", path)]
}

/// Lies about every variable that the prover knows, and computes everything after it as told: which
/// lies are believed, by part and place in it.
fn believed(lab: &Lab, input: &Input) -> BTreeSet<(&'static str, usize)> {
    let values = lab.values(input);
    let lies: Vec<_> = private(lab, input)
        .into_iter()
        .flat_map(|(part, range)| range.clone().map(move |i| (part, i - range.start, i)))
        .collect();
    let believed = lies.into_par_iter().filter(|(_, _, variable)| {
        let honest = values[*variable];
        let lie = if honest == Fp::ZERO || honest == Fp::ONE {
            Fp::ONE - honest
        } else {
            honest + Fp::ONE
        };
        lab.noticed_lie(input, *variable, lie).is_empty()
    });
    believed.map(|(part, place, _)| (part, place)).collect()
}

const MEMO: usize = 0;
const FOREST: usize = 1;
const CHILDREN: usize = 2;
const REST: usize = 3;

#[test]
fn nothing_that_the_prover_knows_is_free() {
    let lab = lab(FEE);
    // A frame to return to is only opened by updates that return to it.
    let frame = [4, 5, 6, 7].map(|place| ("stack", place));
    let payer = [CHILDREN, REST].map(|place| ("stack", place));
    let other = [MEMO, FOREST].map(|place| ("stack", place));
    let transfer = case(3);
    assert_eq!(believed(&lab, &transfer[0]), payer.into_iter().chain(frame).collect());
    let nested = case(64);
    let returns = nested
        .iter()
        .find(|input| {
            input.update.witness.stack.calls != Fp::ZERO
                && input.update.witness.stack.children == Fp::ZERO
                && input.update.witness.stack.rest == Fp::ZERO
        })
        .unwrap();
    assert_eq!(believed(&lab, returns), other.into());
}

/// How many cells nothing holds, neither alone nor with those that they are wired to: inverses of
/// values that are zero, by which `is_zero` shows that others are not, and what is multiplied by zero
/// where a point is doubled.
fn free_cells(lab: &Lab, input: &Input) -> [usize; 2] {
    let cells = lab.unnoticed_cells(input);
    assert_eq!(cells, lab.unnoticed_classes(input));
    let witness = lab.accepts(input);
    let mut free = [0; 2];
    for (row, column) in cells {
        match (lab.circuit.gates()[row].kind, column) {
            (GateKind::Generic, 1 | 4) => {
                assert_eq!(witness[column - 1][row], Fp::ZERO, "row {row}, column {column}");
                free[0] += 1;
            }
            (GateKind::CompleteAdd, 9 | 10) => free[1] += 1,
            other => panic!("row {row}: {other:?}"),
        }
    }
    free
}

#[test]
fn every_cell_of_an_update() {
    let lab = lab(FEE);
    // A fee payer, an update inside others, one of a new account, one with a proof, one of a vesting
    // account.
    for (number, update, inverses) in
        [(3, 0, 37), (64, 1, 35), (38, 1, 30), (109, 1, 36), (19, 1, 29)]
    {
        assert_eq!(free_cells(&lab, &case(number)[update]), [inverses, 4], "{number}");
    }
}

#[test]
fn digest() {
    let digest = "34ae9cd888d6eef74a68326a263dffaf1f374fc201c842a5d6bbb8398dabecfb";
    assert_eq!(lab(FEE).digest(), digest);
}

#[test]
fn other_witnesses_of_an_update() {
    let lab = lab(FEE);
    let inputs = case(117);
    let honest = &inputs[1];
    assert_eq!(after(&lab, honest)["local_ledger"], inputs[2].update.before.local_ledger);
    let forge = |change: &dyn Fn(&mut RecordedUpdate)| {
        let mut forged = honest.clone();
        change(&mut forged.update);
        forged
    };
    let refused = |region: &str, change: &dyn Fn(&mut RecordedUpdate)| {
        refused(&lab, &forge(change), region);
    };
    // Another leaf's path, another account, other permissions, another nonce.
    refused("account", &|update| {
        let other = &inputs[2].update.witness;
        assert_ne!(update.witness.path.location(), other.path.location());
        update.witness.path = other.path.clone();
    });
    refused("account", &|update| update.witness.account = inputs[2].update.witness.account.clone());
    refused("account", &|update| {
        update.witness.account.permissions.send = AuthRequired::None;
    });
    refused("account", &|update| {
        update.witness.account.nonce = update.witness.account.nonce.successor();
    });
    refused("account", &|update| update.witness.account.receipt_chain_hash += Fp::ONE);
    // Taken as new where it is.
    refused("account", &|update| {
        let id = update.witness.account.id();
        update.witness.is_new = true;
        update.witness.account = Account::new(id, Amount::ZERO, CASES.0.era());
    });
    // The update after it first, and the same twice.
    refused("stack", &|update| update.witness = inputs[2].update.witness.clone());
    refused("stack", &|update| update.before = inputs[2].update.before);
    // Other children and siblings, another frame to return to.
    refused("stack", &|update| update.witness.stack.rest += Fp::ONE);
    refused("stack", &|update| update.witness.stack.children += Fp::ONE);
    refused("stack", &|update| update.witness.stack.rest = Fp::ZERO);
    // A body without its preconditions, with other amounts, or the right to use a token.
    refused("stack", &|update| update.witness.body.preconditions.account.nonce = None);
    refused("stack", &|update| update.witness.body.may_use_token = MayUseToken::InheritFromParent);
    refused("stack", &|update| {
        update.witness.body.balance_change = SignedAmount::positive(Amount::MAX);
    });
    // Signed or not.
    refused("stack", &|update| {
        update.witness.body.authorization_kind = AuthorizationKind::None;
    });
    refused("signature/nonce", &|update| update.witness.signature.signature.s += Fq::ONE);
    refused("signature/nonce", &|update| update.witness.signature.signature.r += Fp::ONE);
    refused("signature/key", &|update| update.witness.signature = SignatureWitness::none());
    // A state that is not the one before.
    refused("account", &|update| update.before.local_ledger += Fp::ONE);
    refused("signature/nonce", &|update| {
        update.before.commitment += Fp::ONE;
        update.before.full_commitment += Fp::ONE;
    });
}

/// Asserts that no public input of an update can be anything else.
fn outcome_is_fixed(lab: &Lab, input: &Input) {
    let mut witness = lab.accepts(input);
    let classes = lab.classes();
    for (row, (name, _)) in State::default().fields().into_iter().enumerate() {
        let cells = &classes[&(row, 0)];
        let honest = witness[0][row];
        for &(row, column) in cells {
            witness[column][row] = honest + Fp::ONE;
        }
        let found = lab.violated(&witness);
        assert!(found.iter().any(|path| path.starts_with("settle")), "{name}: {found:?}");
        for &(row, column) in cells {
            witness[column][row] = honest;
        }
    }
}

#[test]
fn applied_and_failed() {
    let lab = lab(FEE);
    // What succeeds and what fails, what overspends, what goes on and what is last.
    for number in [117, 111, 112, 19, 38] {
        for input in &case(number) {
            outcome_is_fixed(&lab, input);
        }
    }
}

/// An account of our own in a ledger of three, and a command's first update.
struct Payer {
    key: PrivateKey,
    ledger: FullLedger,
}

impl Payer {
    fn new() -> Self {
        let era = CASES.0.era();
        let key = PrivateKey::new(Fq::rand(&mut rng(32))).unwrap();
        let id = AccountId::of(key.to_public_key());
        let others = [33, 34].map(|seed| {
            let key = PrivateKey::new(Fq::rand(&mut rng(seed))).unwrap();
            Account::new(AccountId::of(key.to_public_key()), Amount::new(1), era)
        });
        let accounts =
            vec![others[0].clone(), Account::new(id, Amount::new(10_000), era), others[1].clone()];
        Self { key, ledger: FullLedger::from_accounts(accounts, era).unwrap() }
    }

    fn body(&self) -> Body {
        let fee_payer = FeePayerBody {
            public_key: self.key.to_public_key(),
            fee: Amount::new(100),
            valid_until: Some(Slot::MAX),
            nonce: Nonce::ZERO,
        };
        fee_payer.to_body(CASES.0.era())
    }

    /// The start of a command with this body, signed by the key itself.
    fn start(&mut self, body: Body) -> Input {
        let domain = &CASES.0;
        let era = domain.era();
        let memo = Fp::from(3u64);
        let forest = Fp::from(4u64);
        let digest = hash_one(domain.body_state(), &body_input(&body, era));
        let full = hash_one(salt::UPDATE_CONS.state(), &[memo, digest, forest]);
        let message = if body.use_full_commitment { full } else { forest };
        let signature = sign_fields(&[message], &self.key, domain).unwrap();
        let signature = SignatureWitness::new(&self.key.to_public_key(), signature).unwrap();
        let location = Location::new(1);
        let before = State { ledger: self.ledger.root().unwrap(), ..State::default() };
        let account = self.ledger.accounts()[1].clone();
        let path = self.ledger.path(location).unwrap();
        let stack = StackWitness { memo, forest, ..StackWitness::default() };
        let witness = UpdateWitness {
            body,
            signature,
            account,
            is_new: false,
            path,
            stack,
            action: [Fp::ZERO; 3],
        };
        Input { view: Default::default(), update: RecordedUpdate { before, witness, proof: None } }
    }
}

/// The fee payer's key signs whatever its owner signs; but a command starts with nothing else than
/// what a fee payer stands for. Above all with a signature of memo and fee payer: one of the updates
/// alone is given for other purposes, and says nothing of who pays.
#[test]
fn only_fee_payers_start_commands() {
    let lab = lab(FEE);
    let mut payer = Payer::new();
    let honest = payer.start(payer.body());
    let after = after(&lab, &honest);
    assert_eq!(after["fees"], Fp::from(100u64));
    assert_ne!(after["calls"], Fp::ZERO);
    type Change = fn(&mut Body);
    let changes: [(&str, Change); 17] = [
        ("commitment", |body| body.use_full_commitment = false),
        ("takes", |body| body.balance_change.sign = Sign::Positive),
        ("nonce stays", |body| body.increment_nonce = false),
        ("any nonce", |body| body.preconditions.account.nonce = None),
        ("nonces", |body| {
            body.preconditions.account.nonce =
                Some(Bounds { lower: Nonce::ZERO, upper: Nonce::new(1) });
        }),
        ("unsigned", |body| body.authorization_kind = AuthorizationKind::None),
        ("proof", |body| body.authorization_kind = AuthorizationKind::Proof(Fp::ONE)),
        ("state", |body| body.update.app_state[0] = Some(Fp::ONE)),
        ("permissions", |body| {
            body.update.permissions = Some(Permissions::empty(CASES.0.era()));
        }),
        ("delegate", |body| body.update.delegate = Some(PublicKey::EMPTY)),
        ("timing", |body| body.update.timing = Some(Timing::UNTIMED)),
        ("voting for", |body| body.update.voting_for = Some(Fp::ONE)),
        ("actions", |body| body.actions = vec![vec![Fp::ONE]]),
        ("call data", |body| body.call_data = Fp::ONE),
        ("token", |body| body.may_use_token = MayUseToken::ParentsOwnToken),
        ("explicit fee", |body| body.implicit_account_creation_fee = false),
        ("first slot", |body| {
            body.preconditions.network.global_slot_since_genesis =
                Some(Bounds { lower: Slot::new(1), upper: Slot::MAX });
        }),
    ];
    for (name, change) in changes {
        let mut body = payer.body();
        change(&mut body);
        let found = lab.rejects(&payer.start(body));
        assert!(found.iter().any(|path| path == "stack"), "{name}: {found:?}");
    }
    // Another token's account, another key, another memo and other updates.
    let mut other = payer.body();
    other.token_id = TokenId(Fp::from(9u64));
    refused(&lab, &payer.start(other), "stack");
    for change in [
        |stack: &mut StackWitness| stack.memo += Fp::ONE,
        |stack: &mut StackWitness| stack.forest += Fp::ONE,
        |stack: &mut StackWitness| stack.forest = Fp::ZERO,
    ] {
        let mut forged = honest.clone();
        change(&mut forged.update.witness.stack);
        refused(&lab, &forged, "signature/nonce");
    }
}

/// An update of the empty leaves' own account, whose key is the empty one.
#[test]
fn the_empty_leaf_is_no_account() {
    let lab = lab(FEE);
    let era = CASES.0.era();
    let ledger = &mut Payer::new().ledger;
    let empty = Account::empty(era);
    let mut body = Body::new(empty.id(), era);
    body.balance_change = SignedAmount::positive(Amount::new(5));
    let digest = hash_one(CASES.0.body_state(), &body_input(&body, era));
    let node = hash_one(salt::UPDATE_NODE.state(), &[digest, Fp::ZERO]);
    let calls = hash_one(salt::UPDATE_CONS.state(), &[node, Fp::ZERO]);
    let root = ledger.root().unwrap();
    let one = Fp::ONE;
    let before = State {
        ledger: root,
        local_ledger: root,
        caller: one,
        caller_caller: one,
        calls,
        commitment: calls,
        full_commitment: one,
        excess: Fp::from(5u64),
        index: one,
        ..State::default()
    };
    let witness = UpdateWitness {
        body,
        signature: SignatureWitness::none(),
        account: empty,
        is_new: false,
        path: ledger.path(Location::new(3)).unwrap(),
        stack: StackWitness::default(),
        action: [Fp::ZERO; 3],
    };
    let mut input =
        Input { view: Default::default(), update: RecordedUpdate { before, witness, proof: None } };
    refused(&lab, &input, "account");
    // As a new one it pays for itself.
    input.update.before.excess += Fp::from(FEE.get());
    input.update.witness.is_new = true;
    let outcome = after(&lab, &input);
    assert_eq!(outcome["fees"], Fp::from(FEE.get()));
    assert_ne!(outcome["accounts"], Fp::ZERO);
}

/// That a leaf is empty does not say that its account is nowhere else: such an account goes on the
/// list of new ones, which then holds an account that exists.
#[test]
fn an_account_taken_as_new_is_listed() {
    let lab = lab(FEE);
    let inputs = case(117);
    let mut forged = inputs[1].clone();
    let witness = &mut forged.update.witness;
    let honest = after(&lab, &inputs[1]);
    assert_eq!(honest["local_accounts"], inputs[1].update.before.local_accounts);
    let (domain, by_fee) = &*CASES;
    let case = by_fee[&FEE].iter().find(|case| case.name().starts_with("0117 ")).unwrap();
    let mut ledger = case.ledger(domain.era()).unwrap();
    let id = witness.account.id();
    witness.is_new = true;
    witness.account = Account::new(id, Amount::ZERO, domain.era());
    witness.path = ledger.path(Location::new(ledger.len())).unwrap();
    forged.update.before.local_ledger = ledger.root().unwrap();
    let taken = after(&lab, &forged);
    assert_ne!(taken["local_accounts"], honest["local_accounts"]);
}

/// Nor is it forgotten where the command fails, for example because nobody pays for the account: then
/// the list says that it is taken back.
#[test]
fn an_account_taken_as_new_is_listed_where_the_command_fails() {
    let lab = lab(FEE);
    let mut failing = case(117)[1].clone();
    let domain = &CASES.0;
    let before = failing.update.before;
    let witness = &mut failing.update.witness;
    let id = witness.account.id();
    let case = CASES.1[&FEE].iter().find(|case| case.name().starts_with("0117 ")).unwrap();
    let mut ledger = case.ledger(domain.era()).unwrap();
    witness.is_new = true;
    witness.account = Account::new(id, Amount::ZERO, domain.era());
    witness.path = ledger.path(Location::new(ledger.len())).unwrap();
    failing.update.before.local_ledger = ledger.root().unwrap();
    // A sum that no command has makes every update fail.
    failing.update.before.creation_fees = Fp::from(u64::MAX);
    let taken = after(&lab, &failing);
    assert_eq!(taken["calls"], Fp::ZERO, "it has failed");
    let created = (id, Location::new(ledger.len()));
    let entry = NewAccount::of(before.accounts, before.local_accounts, Some(&created), true);
    let entry = entry.unwrap();
    assert!(entry.reverts);
    assert_eq!(taken["accounts"], entry.digest());
}
