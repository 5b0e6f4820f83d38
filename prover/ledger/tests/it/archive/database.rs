//! Reads the transactions of blocks out of a dump of an archive database.

use std::collections::HashMap;

use mina_ledger::{
    hash::TransactionHash,
    logic::{FailureTable, TransactionFailure},
    types::{
        AccountId, AccountUpdate, Amount, AuthRequired, Authorization, AuthorizationKind, Body,
        Bounds, CallForest, Coinbase, Era, FeePayer, FeePayerBody, FeeTransfer, FeeTransfers, Memo,
        Nonce, Permissions, PublicKey, SetVerificationKey, Sign, Signature, SignedAmount,
        SignedCommandBody, SignedCommandPayload, Slot, TokenId, VerificationKey, ZkappCommand,
        from_decimal,
    },
};

use crate::support::text;

type Row = HashMap<String, String>;

/// The tables of a dump; `\N` is absent from the rows.
pub(super) struct Database {
    tables: HashMap<String, Vec<Row>>,
}

/// Whether a command was applied, and the failures if not.
pub(super) struct Status(Option<FailureTable>);

impl Status {
    pub(super) fn check(&self, failures: Option<&FailureTable>) {
        assert_eq!(failures, self.0.as_ref());
    }
}

pub(super) enum Transaction {
    Signed { payload: SignedCommandPayload, status: Status },
    FeeTransfer(FeeTransfers),
    Coinbase(Coinbase),
    Zkapp { command: Box<ZkappCommand>, status: Status },
}

impl Transaction {
    pub(super) fn kind(&self) -> usize {
        match self {
            Self::Signed { .. } => 0,
            Self::FeeTransfer(_) => 1,
            Self::Coinbase(_) => 2,
            Self::Zkapp { .. } => 3,
        }
    }
}

/// A list of ids, `{1,2}`.
fn ids(text: &str) -> Vec<&str> {
    text.trim_matches(['{', '}']).split(',').filter(|id| !id.is_empty()).collect()
}

fn failure(name: &str) -> TransactionFailure {
    TransactionFailure::from_name(name, None).unwrap_or_else(|| panic!("failure {name}"))
}

impl Database {
    pub(super) fn read(path: &str) -> Self {
        let text = text(path);
        let mut tables = HashMap::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(rest) = line.strip_prefix("COPY public.") else { continue };
            let (table, rest) = rest.split_once(" (").unwrap();
            let (columns, _) = rest.split_once(')').unwrap();
            let columns: Vec<&str> = columns.split(", ").map(|c| c.trim_matches('"')).collect();
            let rows = lines.by_ref().take_while(|line| *line != "\\.").map(|line| {
                let values = columns.iter().zip(line.split('\t'));
                values
                    .filter(|(_, value)| *value != "\\N")
                    .map(|(column, value)| ((*column).to_owned(), value.to_owned()))
                    .collect()
            });
            tables.insert(table.to_owned(), rows.collect());
        }
        Self { tables }
    }

    fn rows(&self, table: &str) -> &[Row] {
        &self.tables[table]
    }

    fn row(&self, table: &str, id: &str) -> &Row {
        let found = self.rows(table).iter().find(|row| row["id"] == id);
        found.unwrap_or_else(|| panic!("{table} {id}"))
    }

    fn key(&self, id: &str) -> PublicKey {
        PublicKey::from_base58(&self.row("public_keys", id)["value"]).unwrap()
    }

    /// The transactions of a block in order.
    pub(super) fn transactions(&self, state_hash: &str, era: Era) -> Vec<Transaction> {
        let block = self.rows("blocks").iter().find(|row| row["state_hash"] == state_hash).unwrap();
        let of_block = |table: &str| -> Vec<&Row> {
            self.rows(table).iter().filter(|row| row["block_id"] == block["id"]).collect()
        };
        let mut found: Vec<(u32, Transaction)> = Vec::new();
        let sequence = |row: &Row| row["sequence_no"].parse::<u32>().unwrap();
        for row in of_block("blocks_user_commands") {
            found.push((sequence(row), self.signed_command(row)));
        }
        for row in of_block("blocks_zkapp_commands") {
            found.push((sequence(row), self.zkapp_command(row, era)));
        }
        let mut internal: HashMap<u32, Vec<(&str, FeeTransfer, u32)>> = HashMap::new();
        for row in of_block("blocks_internal_commands") {
            assert_eq!(row["status"], "applied");
            let command = self.row("internal_commands", &row["internal_command_id"]);
            let transfer = FeeTransfer {
                receiver: self.key(&command["receiver_id"]),
                fee: command["fee"].parse().unwrap(),
            };
            let secondary = row["secondary_sequence_no"].parse().unwrap();
            let entry = (command["command_type"].as_str(), transfer, secondary);
            internal.entry(sequence(row)).or_default().push(entry);
        }
        for (sequence, commands) in internal {
            found.push((sequence, internal_transaction(commands)));
        }
        found.sort_by_key(|(sequence, _)| *sequence);
        found.into_iter().map(|(_, transaction)| transaction).collect()
    }

    fn signed_command(&self, row: &Row) -> Transaction {
        let command = self.row("user_commands", &row["user_command_id"]);
        let receiver = self.key(&command["receiver_id"]);
        assert_eq!(command["fee_payer_id"], command["source_id"]);
        let body = match command["command_type"].as_str() {
            "payment" => {
                SignedCommandBody::Payment { receiver, amount: command["amount"].parse().unwrap() }
            }
            "delegation" => SignedCommandBody::Delegation { new_delegate: receiver },
            other => panic!("{other}"),
        };
        let payload = SignedCommandPayload {
            fee: command["fee"].parse().unwrap(),
            fee_payer: self.key(&command["fee_payer_id"]),
            nonce: command["nonce"].parse().unwrap(),
            valid_until: command.get("valid_until").map_or(Slot::MAX, |s| s.parse().unwrap()),
            memo: Memo::from_base58(&command["memo"]).unwrap(),
            body,
        };
        let hash = TransactionHash::of_signed_command(&payload);
        assert_eq!(hash.to_base58(), command["hash"]);
        let status = row.get("failure_reason").map(|reason| vec![vec![failure(reason)]]);
        assert_eq!(status.is_none(), row["status"] == "applied");
        Transaction::Signed { payload, status: Status(status) }
    }

    fn zkapp_command(&self, row: &Row, era: Era) -> Transaction {
        let command = self.row("zkapp_commands", &row["zkapp_command_id"]);
        let payer = self.row("zkapp_fee_payer_body", &command["zkapp_fee_payer_body_id"]);
        let mut account_updates = CallForest::new();
        let mut sets_key = false;
        for id in ids(&command["zkapp_account_updates_ids"]) {
            let body = &self.row("zkapp_account_update", id)["body_id"];
            let row = self.row("zkapp_account_update_body", body);
            let update = self.account_update(row, era);
            sets_key |= update.body.update.verification_key.is_some();
            account_updates.push(update, row["call_depth"].parse().unwrap()).unwrap();
        }
        let mut failures: FailureTable = vec![Vec::new(); account_updates.len() + 1];
        for id in row.get("failure_reasons_ids").map(|list| ids(list)).unwrap_or_default() {
            let row = self.row("zkapp_account_update_failures", id);
            let index: usize = row["index"].parse().unwrap();
            failures[index] = ids(&row["failures"]).into_iter().map(failure).collect();
        }
        let command_row = command;
        let command = ZkappCommand {
            fee_payer: FeePayer {
                body: FeePayerBody {
                    public_key: self.key(&payer["public_key_id"]),
                    fee: payer["fee"].parse().unwrap(),
                    valid_until: payer.get("valid_until").map(|slot| slot.parse().unwrap()),
                    nonce: payer["nonce"].parse().unwrap(),
                },
                authorization: Signature::DUMMY,
            },
            account_updates,
            memo: Memo::from_base58(&command["memo"]).unwrap(),
        };
        // The archive keeps keys in another form than transaction hashes are over.
        if !sets_key {
            let hash = TransactionHash::of_zkapp_command(&command);
            assert_eq!(hash.to_base58(), command_row["hash"]);
        }
        let status = (row["status"] != "applied").then_some(failures);
        Transaction::Zkapp { command: Box::new(command), status: Status(status) }
    }

    /// An account update; columns that no update of these archives uses must be empty.
    fn account_update(&self, row: &Row, era: Era) -> AccountUpdate {
        let identifier = self.row("account_identifiers", &row["account_identifier_id"]);
        let token = &self.row("tokens", &identifier["token_id"])["value"];
        let id = AccountId::new(
            self.key(&identifier["public_key_id"]),
            TokenId::from_base58(token).unwrap(),
        );
        let mut body = Body::new(id, era);
        let change: i64 = row["balance_change"].parse().unwrap();
        body.balance_change = SignedAmount {
            magnitude: Amount::new(change.unsigned_abs()),
            sign: if change < 0 { Sign::Negative } else { Sign::Positive },
        };
        body.increment_nonce = row["increment_nonce"] == "t";
        body.use_full_commitment = row["use_full_commitment"] == "t";
        body.implicit_account_creation_fee = row["implicit_account_creation_fee"] == "t";
        assert_eq!(row["may_use_token"], "No");
        assert!(!row.contains_key("zkapp_valid_while_precondition_id"));
        let events = self.row("zkapp_events", &row["events_id"]);
        assert_eq!((&*events["element_ids"], &row["actions_id"]), ("{}", &row["events_id"]));
        body.call_data = self.field(&row["call_data_id"]);
        self.update(&row["update_id"], era, &mut body);
        self.preconditions(row, &mut body);
        let authorization = match row["authorization_kind"].as_str() {
            "Signature" => Authorization::Signature(Signature::DUMMY),
            "None_given" => Authorization::None,
            other => panic!("{other}"),
        };
        if matches!(authorization, Authorization::Signature(_)) {
            body.authorization_kind = AuthorizationKind::Signature;
        }
        AccountUpdate { body, authorization }
    }

    fn field(&self, id: &str) -> mina_curves::Fp {
        from_decimal(&self.row("zkapp_field", id)["field"]).unwrap()
    }

    fn update(&self, id: &str, era: Era, body: &mut Body) {
        let row = self.row("zkapp_updates", id);
        for column in ["delegate", "zkapp_uri", "token_symbol", "timing", "voting_for"] {
            assert!(!row.contains_key(&format!("{column}_id")), "{column}");
        }
        let states = self.row("zkapp_states_nullable", &row["app_state_id"]);
        for index in 0..era.app_state_len() {
            let element = states.get(&format!("element{index}"));
            body.update.app_state[index] = element.map(|id| self.field(id));
        }
        body.update.verification_key = row.get("verification_key_id").map(|id| {
            let key = self.row("zkapp_verification_keys", id);
            let hash = &self.row("zkapp_verification_key_hashes", &key["hash_id"])["value"];
            VerificationKey::new(key["verification_key"].as_bytes(), from_decimal(hash).unwrap())
        });
        body.update.permissions = row.get("permissions_id").map(|id| self.permissions(id));
    }

    fn permissions(&self, id: &str) -> Permissions {
        let row = self.row("zkapp_permissions", id);
        let auth = |column: &str| match row[column].as_str() {
            "none" => AuthRequired::None,
            "either" => AuthRequired::Either,
            "proof" => AuthRequired::Proof,
            "signature" => AuthRequired::Signature,
            "impossible" => AuthRequired::Impossible,
            other => panic!("{other}"),
        };
        Permissions {
            edit_state: auth("edit_state"),
            access: auth("access"),
            send: auth("send"),
            receive: auth("receive"),
            set_delegate: auth("set_delegate"),
            set_permissions: auth("set_permissions"),
            set_verification_key: SetVerificationKey {
                auth: auth("set_verification_key_auth"),
                txn_version: row["set_verification_key_txn_version"].parse().unwrap(),
            },
            set_zkapp_uri: auth("set_zkapp_uri"),
            edit_action_state: auth("edit_action_state"),
            set_token_symbol: auth("set_token_symbol"),
            increment_nonce: auth("increment_nonce"),
            set_voting_for: auth("set_voting_for"),
            set_timing: auth("set_timing"),
        }
    }

    /// Only nonces are asked for in these archives.
    fn preconditions(&self, row: &Row, body: &mut Body) {
        let network = self.row("zkapp_network_precondition", &row["zkapp_network_precondition_id"]);
        assert_eq!(network.len(), 3, "a network precondition");
        let account = self.row("zkapp_account_precondition", &row["zkapp_account_precondition_id"]);
        let known = ["id", "state_id", "nonce_id"];
        assert!(account.keys().all(|column| known.contains(&column.as_str())));
        let state = self.row("zkapp_states_nullable", &account["state_id"]);
        assert_eq!(state.len(), 1, "a state precondition");
        body.preconditions.account.nonce = account.get("nonce_id").map(|id| {
            let bounds = self.row("zkapp_nonce_bounds", id);
            let bound = |column: &str| bounds[column].parse::<Nonce>().unwrap();
            Bounds { lower: bound("nonce_lower_bound"), upper: bound("nonce_upper_bound") }
        });
    }
}

/// Rows of the same sequence number are one transaction.
fn internal_transaction(mut commands: Vec<(&str, FeeTransfer, u32)>) -> Transaction {
    commands.sort_by_key(|(kind, _, secondary)| (*kind != "coinbase", *secondary));
    match commands[..] {
        [("coinbase", FeeTransfer { receiver, fee: amount }, _)] => {
            Transaction::Coinbase(Coinbase { receiver, amount, fee_transfer: None })
        }
        [
            ("coinbase", FeeTransfer { receiver, fee: amount }, _),
            ("fee_transfer_via_coinbase", transfer, _),
        ] => {
            let fee_transfer = Some(transfer);
            Transaction::Coinbase(Coinbase { receiver, amount, fee_transfer })
        }
        [("fee_transfer", transfer, _)] => Transaction::FeeTransfer(FeeTransfers::One(transfer)),
        [("fee_transfer", first, _), ("fee_transfer", second, _)] => {
            Transaction::FeeTransfer(FeeTransfers::Two(first, second))
        }
        _ => panic!("{} internal commands", commands.len()),
    }
}
