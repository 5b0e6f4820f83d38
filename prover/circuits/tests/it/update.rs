//! The account update against Mina's transaction logic.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use ark_ff::AdditiveGroup;
use kimchi::builder::{check, testing};
use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::{command_hashes, constants::DUMMY_VERIFICATION_KEY_HASH, derive_token_id},
    ledger::Ledger,
    logic::{Context, apply_zkapp_command, check_structure},
    replay::{Case, read_cases},
    signature::verify_zkapp_command,
    types::{Amount, AuthorizationKind, ProtocolStateView},
};
use rayon::prelude::*;
use zeko_circuits::{
    Boolean,
    alloc::witness,
    example::Transfers,
    update::{BlockVar, RecordedUpdate, Recorder, Rules, State, StateVar, ViewVar, constrain},
};

/// One update with everything around it.
#[derive(Clone)]
pub(crate) struct Input {
    pub(crate) view: ProtocolStateView,
    pub(crate) update: RecordedUpdate,
}

/// The circuit of one update, whose public input is the state after it.
pub(crate) type Lab = testing::Lab<Fp, Input>;

/// The circuit under some rules.
pub(crate) fn lab_of(rules: &Rules) -> Lab {
    Lab::new(|cs| {
        let era = rules.domain.era();
        let view: ViewVar =
            witness(cs, era, &ProtocolStateView::default(), |input: &Input| &input.view);
        let block = BlockVar { slot: view.global_slot.clone(), view };
        let before: StateVar =
            witness(cs, era, &State::default(), |input: &Input| &input.update.before);
        let active = Boolean::constant(true);
        let after =
            constrain(cs, rules, &block, &before, &active, |input: &Input| &input.update.witness);
        for field in after.state.fields() {
            cs.expose(field);
        }
    })
}

/// The state after the update, if the witness satisfies the circuit.
fn run(lab: &Lab, input: &Input) -> Result<Vec<Fp>, String> {
    let witness = lab.generator.witness(input).map_err(|error| error.to_string())?;
    check(&lab.circuit, &witness).map_err(|error| error.to_string())?;
    Ok(witness[0][..lab.circuit.public_inputs()].to_vec())
}

/// The state after an update of a chain.
pub(crate) fn state_after(
    lab: &Lab,
    chain: &Transfers,
    update: &RecordedUpdate,
) -> Result<State, String> {
    let view = ProtocolStateView {
        blockchain_length: chain.height,
        global_slot_since_genesis: chain.slot,
        ..ProtocolStateView::default()
    };
    let got = run(lab, &Input { view, update: update.clone() })?;
    // Commands end with it, so that nothing else is left.
    let [ledger, fees, accounts] = core::array::from_fn(|i| got[i]);
    assert_eq!(got[3..], vec![Fp::ZERO; got.len() - 3]);
    Ok(State { ledger, fees, accounts, ..State::default() })
}

/// The circuit with the bridge account's rule.
pub(crate) fn bridge_lab() -> &'static Lab {
    static LAB: LazyLock<Lab> = LazyLock::new(|| lab_of(&Transfers::new(1).unwrap().rules));
    &LAB
}

fn vectors() -> (Domain, Vec<Case>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/vectors/ledger/transactions.json.gz");
    read_cases(&std::fs::read(path).unwrap()).unwrap()
}

/// The updates of a case and the state after all of them; `None` if no node lets the command through.
pub(crate) fn record(case: &Case, domain: &Domain) -> Option<(Vec<RecordedUpdate>, Option<State>)> {
    record_in(case, domain, case.view())
}

/// The same in another block.
pub(crate) fn record_in(
    case: &Case,
    domain: &Domain,
    view: &ProtocolStateView,
) -> Option<(Vec<RecordedUpdate>, Option<State>)> {
    let era = domain.era();
    let mut ledger = case.ledger(era).unwrap();
    let command = case.command()?;
    check_structure(&command, era).ok()?;
    let hashes = command_hashes(&command, domain);
    verify_zkapp_command(&command, &hashes, domain).ok()?;
    let context = Context {
        era,
        account_creation_fee: case.account_creation_fee(),
        slot: view.global_slot_since_genesis,
        view,
        rule: None,
    };
    let outer = State { fees: Fp::from(7u64), accounts: Fp::from(8u64), ..State::default() };
    let mut recorder = Recorder::new(&command, &hashes, outer);
    let applied = apply_zkapp_command(&mut ledger, &command, &hashes, &context, &mut recorder);
    let failed = applied.as_ref().map_or(true, |applied| applied.failures.is_some());
    let recorded = recorder.finish(failed);
    let after = applied.ok().map(|applied| {
        let creation = Fp::from(applied.supply_increase.magnitude.get());
        let fee = Fp::from(applied.fee_excess.magnitude.get());
        let entries = &recorded.entries;
        assert!(entries.iter().skip(1).all(|entry| !entry.is_first));
        assert_eq!(
            entries.last().is_some_and(|entry| entry.reverts),
            failed && !entries.is_empty()
        );
        if !failed {
            let tokens = entries.iter().map(|entry| entry.owned_token);
            assert!(tokens.eq(applied.created.iter().map(|id| derive_token_id(id).0)));
        }
        State {
            ledger: ledger.root().unwrap(),
            fees: outer.fees + fee + creation,
            accounts: recorded.accounts,
            ..State::default()
        }
    });
    Some((recorded.updates, after))
}

/// Cases by the fee for creating an account, which is part of the circuit.
pub(crate) static CASES: LazyLock<(Domain, BTreeMap<Amount, Vec<Case>>)> = LazyLock::new(|| {
    let (domain, cases) = vectors();
    let mut by_fee = BTreeMap::<_, Vec<_>>::new();
    for case in cases {
        by_fee.entry(case.account_creation_fee()).or_default().push(case);
    }
    (domain, by_fee)
});

/// The circuit with a fee for creating an account.
pub(crate) fn lab(fee: Amount) -> Lab {
    lab_of(&Rules { domain: CASES.0.clone(), account_creation_fee: fee, bridge: None })
}

#[test]
fn rows() {
    let lab = lab(Amount::new(1_000_000_000));
    let region = |name: &str| {
        let report = lab.circuit.report();
        let inside = report
            .iter()
            .filter(|rows| rows.path == name || rows.path.starts_with(&format!("{name}/")));
        inside.map(|rows| rows.rows).sum::<usize>()
    };
    let regions = ["stack", "signature", "account", "checks", "changes", "write", "settle"];
    assert_eq!(regions.map(region), [571, 299, 801, 158, 315, 672, 117]);
    assert_eq!(lab.circuit.rows(), 3109);
}

#[test]
fn every_case_has_the_result_of_the_transaction_logic() {
    let (domain, by_fee) = &*CASES;
    let ran = AtomicUsize::new(0);
    let mut faults = Vec::new();
    for (fee, cases) in by_fee {
        let lab = lab(*fee);
        let of_cases = cases.par_iter().flat_map_iter(|case| run_case(case, domain, &lab, &ran));
        faults.par_extend(of_cases);
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(ran.into_inner(), 1089);
}

/// Whether an update commits to the key hash that stands for none, which an account without a key has
/// for the circuit and not for the logic. Such a command has no proof, so no node applies it.
fn update_of_no_key(update: &RecordedUpdate) -> bool {
    let kind = update.witness.body.authorization_kind;
    kind == AuthorizationKind::Proof(DUMMY_VERIFICATION_KEY_HASH)
}

/// What differs.
fn run_case(case: &Case, domain: &Domain, lab: &Lab, ran: &AtomicUsize) -> Vec<String> {
    let Some((updates, end)) = record(case, domain) else { return Vec::new() };
    let mut faults = Vec::new();
    let states: Vec<Option<State>> =
        updates.iter().skip(1).map(|update| Some(update.before)).chain([end]).collect();
    for (index, (update, after)) in updates.into_iter().zip(states).enumerate() {
        let input = Input { view: *case.view(), update };
        let name = format!("{}, update {index}", case.name());
        if update_of_no_key(&input.update) {
            continue;
        }
        ran.fetch_add(1, Ordering::Relaxed);
        match (run(lab, &input), after) {
            (Ok(got), Some(after)) => {
                for ((field, expected), got) in after.fields().into_iter().zip(got) {
                    if expected != got {
                        faults.push(format!("{name}: {field} is {got}, not {expected}"));
                    }
                }
            }
            (Err(error), Some(_)) => faults.push(format!("{name}: {error}")),
            (Ok(_), None) => faults.push(format!("{name}: accepted")),
            (Err(_), None) => {}
        }
    }
    faults
}
