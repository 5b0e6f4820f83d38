//! One case.

use std::{
    borrow::ToOwned,
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use mina_curves::Fp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Domain,
    hash::{CommandHashes, TransactionHash, command_hashes},
    ledger::{FullLedger, Ledger, LedgerError, Location},
    logic::{ApplyError, Context, FailureTable, apply_zkapp_command, check_structure},
    signature::verify_zkapp_command,
    types::{Account, Amount, Era, ProtocolStateView, ZkappCommand, field::decimal, to_decimal},
};

/// Something that came out otherwise than in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What.
    pub what: String,
    /// What the file says.
    pub expected: String,
    /// What came out.
    pub got: String,
}

impl core::fmt::Display for Difference {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: expected {}, got {}", self.what, self.expected, self.got)
    }
}

/// How a case came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As in the file.
    Agrees,
    /// In another way.
    Differs,
    /// The command is malformed: refused here, where the file has what Mina's inner layer makes of
    /// a command that no node lets through to it.
    Refused,
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseReport {
    /// The name of the case.
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
    /// Everything that differs.
    pub differences: Vec<Difference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CaseJson {
    name: String,
    family: String,
    account_creation_fee: Amount,
    network_state: ProtocolStateView,
    accounts_before: Vec<IndexedAccount>,
    #[serde(with = "decimal")]
    root_before: Fp,
    command: Value,
    commitments: Option<CommitmentsJson>,
    hash: Option<String>,
    outcome: OutcomeJson,
    accounts_after: Vec<IndexedAccount>,
    #[serde(with = "decimal")]
    root_after: Fp,
}

#[derive(Deserialize)]
struct IndexedAccount {
    index: u64,
    account: Account,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitmentsJson {
    #[serde(with = "decimal")]
    commitment: Fp,
    #[serde(with = "decimal")]
    full_commitment: Fp,
    #[serde(with = "decimal")]
    fee_payer_hash: Fp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutcomeJson {
    applied: bool,
    stage: String,
    failures: Option<Vec<Vec<Vec<Value>>>>,
}

/// A case as read.
pub struct Case(CaseJson);

impl core::fmt::Debug for Case {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Case").field(&self.0.name).finish()
    }
}

impl Case {
    /// The name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The ledger before.
    ///
    /// # Errors
    /// [`LedgerError`] if the accounts are not in order.
    pub fn ledger(&self, era: Era) -> Result<FullLedger, LedgerError> {
        build_ledger(&self.0.accounts_before, era)
    }

    /// The command, if it is one.
    pub fn command(&self) -> Option<ZkappCommand> {
        ZkappCommand::deserialize(&self.0.command).ok()
    }

    /// What network preconditions are checked against.
    pub fn view(&self) -> &ProtocolStateView {
        &self.0.network_state
    }

    /// The fee for creating an account.
    pub fn account_creation_fee(&self) -> Amount {
        self.0.account_creation_fee
    }

    /// Reads a case; accounts have only the hashes of their verification keys, `keys` the data.
    pub(super) fn read(
        value: &Value,
        keys: &BTreeMap<String, Value>,
    ) -> Result<Self, serde_json::Error> {
        let mut value = value.clone();
        for list in ["accountsBefore", "accountsAfter"] {
            let accounts = value.get_mut(list).and_then(Value::as_array_mut);
            for account in accounts.into_iter().flatten() {
                add_key_data(account, keys);
            }
        }
        serde_json::from_value(value).map(Self)
    }
}

fn add_key_data(account: &mut Value, keys: &BTreeMap<String, Value>) -> Option<()> {
    let key = account.get_mut("account")?.get_mut("zkapp")?.get_mut("verificationKey")?;
    let data = keys.get(key.get("hash")?.as_str()?)?.clone();
    key.as_object_mut()?.insert("data".to_owned(), data);
    Some(())
}

/// How far a command gets, in the words of the format.
#[derive(Debug)]
enum Stage {
    Applied,
    Updates(FailureTable),
    FeePayer(FailureTable),
    Signature,
    Parse,
    Malformed,
}

impl Stage {
    fn name(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Updates(_) => "updates",
            Self::FeePayer(_) => "feePayer",
            Self::Signature => "signature",
            Self::Parse => "parse",
            Self::Malformed => "malformed",
        }
    }

    /// The failures in the form of the file.
    fn failures(&self) -> Value {
        match self {
            Self::Updates(failures) | Self::FeePayer(failures) => {
                let code = |failure: &crate::logic::TransactionFailure| match failure {
                    crate::logic::TransactionFailure::AccountAppStatePrecondition(index) => {
                        serde_json::json!([failure.name(), index])
                    }
                    _ => serde_json::json!([failure.name()]),
                };
                failures.iter().map(|bucket| bucket.iter().map(code).collect::<Value>()).collect()
            }
            _ => Value::Null,
        }
    }
}

/// Collects differences.
#[derive(Default)]
struct Comparison(Vec<Difference>);

impl Comparison {
    fn text(&mut self, what: &str, expected: &str, got: &str) {
        if expected != got {
            self.0.push(Difference {
                what: what.to_owned(),
                expected: expected.to_owned(),
                got: got.to_owned(),
            });
        }
    }

    fn field(&mut self, what: &str, expected: Fp, got: Fp) {
        self.text(what, &to_decimal(expected), &to_decimal(got));
    }

    fn value(&mut self, what: &str, expected: &Value, got: &Value) {
        if expected != got {
            self.text(what, &expected.to_string(), &got.to_string());
        }
    }
}

/// Runs a case and compares everything that the file tells.
pub(super) fn run_case(Case(case): &Case, domain: &Domain) -> CaseReport {
    let mut comparison = Comparison::default();
    let stage = match compare(case, domain, &mut comparison) {
        Ok(stage) => Some(stage),
        Err(error) => {
            comparison.text("ledger", "no error", &error.to_string());
            None
        }
    };
    let is_malformed = case.family == "malformed";
    let refused = is_malformed
        && matches!(stage, Some(Stage::Malformed | Stage::Parse))
        && case.outcome.stage != "parse";
    let Comparison(differences) = comparison;
    let outcome = match (refused, differences.is_empty()) {
        (true, _) => Outcome::Refused,
        (false, true) => Outcome::Agrees,
        (false, false) => Outcome::Differs,
    };
    CaseReport {
        name: case.name.clone(),
        outcome,
        differences: if refused { Vec::new() } else { differences },
    }
}

fn compare(
    case: &CaseJson,
    domain: &Domain,
    comparison: &mut Comparison,
) -> Result<Stage, LedgerError> {
    let mut ledger = build_ledger(&case.accounts_before, domain.era())?;
    comparison.field("root before", case.root_before, ledger.root()?);
    let command = ZkappCommand::deserialize(&case.command);
    let stage = match &command {
        Ok(command) => {
            let hashes = compare_hashes(case, command, domain, comparison);
            apply(case, command, &hashes, domain, &mut ledger)?
        }
        Err(_) => Stage::Parse,
    };
    comparison.text("stage", &case.outcome.stage, stage.name());
    let applied = matches!(stage, Stage::Applied);
    comparison.text("applied", &case.outcome.applied.to_string(), &applied.to_string());
    let failures = serde_json::to_value(&case.outcome.failures).unwrap_or_default();
    comparison.value("failures", &failures, &stage.failures());
    compare_accounts(case, &ledger, comparison)?;
    comparison.field("root after", case.root_after, ledger.root()?);
    Ok(stage)
}

fn build_ledger(accounts: &[IndexedAccount], era: Era) -> Result<FullLedger, LedgerError> {
    let mut ledger = FullLedger::new(era);
    for IndexedAccount { index, account } in accounts {
        if ledger.set(account.clone())? != Location::new(*index) {
            return Err(LedgerError::NoAccount { index: *index });
        }
    }
    Ok(ledger)
}

fn compare_hashes(
    case: &CaseJson,
    command: &ZkappCommand,
    domain: &Domain,
    comparison: &mut Comparison,
) -> CommandHashes {
    let hashes = command_hashes(command, domain);
    if let Some(expected) = &case.commitments {
        comparison.field("commitment", expected.commitment, hashes.commitment);
        comparison.field("full commitment", expected.full_commitment, hashes.full_commitment);
        comparison.field("fee payer hash", expected.fee_payer_hash, hashes.fee_payer);
    }
    if let Some(expected) = &case.hash {
        let hash = TransactionHash::of_zkapp_command(command);
        comparison.text("transaction hash", expected, &hash.to_base58());
    }
    hashes
}

fn apply(
    case: &CaseJson,
    command: &ZkappCommand,
    hashes: &CommandHashes,
    domain: &Domain,
    ledger: &mut FullLedger,
) -> Result<Stage, LedgerError> {
    if check_structure(command, domain.era()).is_err() {
        return Ok(Stage::Malformed);
    }
    // The data does not fit any key: only signatures are checked, as in the oracle.
    if verify_zkapp_command(command, hashes, domain).is_err() {
        return Ok(Stage::Signature);
    }
    let context = Context {
        era: domain.era(),
        account_creation_fee: case.account_creation_fee,
        slot: case.network_state.global_slot_since_genesis,
        view: &case.network_state,
        rule: None,
    };
    match apply_zkapp_command(ledger, command, hashes, &context, &mut ()) {
        Ok(applied) => Ok(applied.failures.map_or(Stage::Applied, Stage::Updates)),
        Err(ApplyError::Failed { failures }) => Ok(Stage::FeePayer(failures)),
        Err(ApplyError::Malformed(_)) => Ok(Stage::Malformed),
        Err(ApplyError::Ledger(error)) => Err(error),
        // Reasons that only signed commands have.
        Err(ApplyError::Rejected(_)) => Ok(Stage::Malformed),
    }
}

fn compare_accounts(
    case: &CaseJson,
    ledger: &FullLedger,
    comparison: &mut Comparison,
) -> Result<(), LedgerError> {
    let mut expected: BTreeMap<u64, &Account> = BTreeMap::new();
    for IndexedAccount { index, account } in case.accounts_before.iter().chain(&case.accounts_after)
    {
        expected.insert(*index, account);
    }
    comparison.text("accounts", &expected.len().to_string(), &ledger.len().to_string());
    for (index, account) in expected {
        let Ok(got) = ledger.account(Location::new(index)) else { continue };
        if got != account {
            let json = |account| serde_json::to_value(account).unwrap_or_default();
            let (expected, got) = (json(account), json(got));
            let fields = expected.as_object().into_iter().flatten();
            for (field, value) in fields {
                let other = got.get(field).unwrap_or(&Value::Null);
                comparison.value(&format!("account {index}, {field}"), value, other);
            }
        }
    }
    Ok(())
}
