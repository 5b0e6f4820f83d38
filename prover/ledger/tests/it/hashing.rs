//! `ledger/hashing.json`: single hashes and encodings, from Mina's OCaml and mina-signer.

use mina_ledger::{
    Domain,
    hash::{self, ForestHashes, LegacyInput, TransactionHash, constants},
    signature,
    types::{
        Account, AccountId, Body, DelegationJson, Era, Memo, NetworkId, PaymentJson, PrivateKey,
        PublicKey, Signature, SignatureJson, TokenId, TokenSymbol, VerificationKey, ZkappCommand,
        ZkappUri, from_decimal,
    },
};
use serde_json::Value;

use crate::support::{fp, fps, json, keys, read, with_key_data};

/// Calls `check` with the input and output of every vector of `kind`; there must be `count`.
fn each(kind: &str, count: usize, check: impl Fn(&Value, &Value)) {
    let file = json("ledger/hashing.json");
    let vectors: Vec<&Value> =
        file["vectors"].as_array().unwrap().iter().filter(|v| v["kind"] == kind).collect();
    assert_eq!(vectors.len(), count, "{kind}");
    for vector in vectors {
        check(&vector["input"], &vector["output"]);
    }
}

fn domain(network: &str) -> Domain {
    Domain::new(NetworkId::from_name(network).unwrap(), Era::Berkeley)
}

fn lists(value: &Value) -> Vec<Vec<mina_curves::Fp>> {
    value.as_array().unwrap().iter().map(fps).collect()
}

#[test]
fn item_01_account_hashes() {
    let keys = keys(&json("ledger/hashing.json"));
    each("accountHash", 10, |input, output| {
        let json = with_key_data(input, &keys);
        let account: Account = read(&json);
        assert_eq!(hash::account_hash(&account, Era::Berkeley), fp(&output["hash"]));
        assert_eq!(
            hash::account_hashes(&[&account, &account], Era::Berkeley),
            [fp(&output["hash"]); 2]
        );
        if let Some(zkapp) = &account.zkapp {
            assert_eq!(hash::zkapp_hash(zkapp), fp(&output["zkappHash"]));
        }
        assert_eq!(serde_json::to_value(&account).unwrap(), json);
    });
    each("zkappUriHash", 5, |input, output| {
        assert_eq!(hash::zkapp_uri_hash(&read::<ZkappUri>(input)), fp(output));
    });
    each("tokenSymbol", 5, |input, output| {
        assert_eq!(read::<TokenSymbol>(input).to_u48().to_string(), output.as_str().unwrap());
    });
    each("verificationKeyHash", 3, |input, output| {
        let data = input["data"].as_str().unwrap();
        let key = VerificationKey::from_base64(data).unwrap();
        assert_eq!(key.hash(), fp(output));
        assert_eq!(key.to_base64(), data);
        key.check_hash().unwrap();
    });
}

#[test]
fn item_03_empty_roots() {
    // Heights 0 to 11 from o1-labs/mina-rust `ledger/src/database/database.rs`.
    for (height, expected) in [
        (0, "f3ee39f42a7b2cac196c8eb1c9fe00f853678c920c0c9ce3724c0b7fe911c731"),
        (5, "d305ebed68f3d4ff16cfc9c6857c274bfbd4a5e83db6fb26e009f75711005524"),
        (10, "bfae9c6290bcc9cf282889c6b880e4eac236d4e50b22395639731e1465939915"),
        (11, "def7de4e2f2f13aa638f5671eccf9367ab9d39ae49ed683fca0169b33b31c416"),
    ] {
        assert_eq!(hash::empty_subtree(height, Era::Berkeley), from_hex(expected));
    }
    let root = from_decimal(
        "9887554856125580964779631040332173407423767728670706306682329668507709051293",
    );
    assert_eq!(hash::empty_subtree(35, Era::Berkeley), root.unwrap());
    each("merkleRoot", 5, |input, output| {
        let mut layer = fps(&input["leaves"]);
        for height in 0..35 {
            let empty = hash::empty_subtree(height, Era::Berkeley);
            if layer.is_empty() {
                layer.push(empty);
            }
            if layer.len() % 2 == 1 {
                layer.push(empty);
            }
            let pairs: Vec<_> = layer.chunks(2).map(|pair| [pair[0], pair[1]]).collect();
            layer = hash::merge_many(height, &pairs);
        }
        assert_eq!(layer, [fp(output)]);
    });
}

/// A field element as the hexadecimal of its little-endian bytes.
fn from_hex(hex: &str) -> mina_curves::Fp {
    use ark_ff::PrimeField;
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    mina_curves::Fp::from_le_bytes_mod_order(&bytes)
}

/// Hashes of o1-labs/mina-rust `ledger/src/account/account.rs`.
#[test]
fn item_02_genesis_winner_hash() {
    let winner = "B62qiy32p8kAKnny8ZFwoMhYpBppM1DWVCqAPBYNcXnsAHhnfAAuXgg";
    let id = AccountId::of(PublicKey::from_base58(winner).unwrap());
    let mut account = Account::new(id, 20_000_001_000.into(), Era::Berkeley);
    account.permissions.set_verification_key.txn_version = 2.into();
    let hash = hash::account_hash(&account, Era::Berkeley);
    assert_eq!(
        mina_ledger::types::ledger_hash_to_base58(hash),
        "jwnEz6CjzSYowUsvw5gKpuTkRjBY5dEtc6YmQj1U5d2k5KZzTmc"
    );

    let key = "B62qnzbXmRNo9q32n4SNu2mpB8e7FYYLH8NmaX6oFCBYjjQ8SbD7uzV";
    let id = AccountId::of(PublicKey::from_base58(key).unwrap());
    let mut account = Account::new(id, 10101.into(), Era::Berkeley);
    account.token_symbol = TokenSymbol::new(b"seb").unwrap();
    account.nonce = 62772.into();
    account.delegate = None;
    assert_eq!(
        hash::account_hash(&account, Era::Berkeley),
        from_hex("8cb53d374b844227d4c63b2dcf198312f8fcb4b60392fee5b165243508d16e32")
    );
}

#[test]
fn item_06_token_ids() {
    each("tokenId", 4, |input, output| {
        let owner = AccountId::new(read(&input["owner"]), read(&input["tokenId"]));
        let token = hash::derive_token_id(&owner);
        assert_eq!(token.0, fp(&output["field"]));
        assert_eq!(token.to_base58(), output["tokenId"].as_str().unwrap());
        assert_eq!(TokenId::from_base58(&token.to_base58()).unwrap(), token);
    });
}

#[test]
fn item_12_memo_hashes() {
    each("memoHash", 4, |input, output| {
        let memo = Memo::from_text(input["text"].as_str().unwrap()).unwrap();
        assert_eq!(memo.to_base58(), input["base58"].as_str().unwrap());
        assert_eq!(Memo::from_base58(&memo.to_base58()).unwrap(), memo);
        assert_eq!(hash::memo_hash(&memo), fp(output));
    });
}

#[test]
fn keys_and_addresses() {
    each("key", 3, |input, output| {
        let secret = PrivateKey::from_base58(input["secretBase58"].as_str().unwrap()).unwrap();
        assert_eq!(secret.scalar(), from_decimal(input["secret"].as_str().unwrap()).unwrap());
        let public = secret.to_public_key();
        assert_eq!(public.to_base58(), output["address"].as_str().unwrap());
        assert_eq!((public.x, public.is_odd), (fp(&output["x"]), output["isOdd"] == true));
        assert_eq!(PublicKey::from_base58(&public.to_base58()).unwrap(), public);
    });
}

#[test]
fn events_and_actions() {
    each("eventsHash", 4, |input, output| {
        let lists = lists(input);
        assert_eq!(hash::events_hash(&lists), fp(&output["events"]));
        let actions = hash::actions_hash(&lists);
        assert_eq!(actions, fp(&output["actions"]));
        assert_eq!(
            hash::push_actions(constants::EMPTY_ACTION_STATE, actions),
            fp(&output["actionState"])
        );
    });
}

#[test]
fn account_update_hashes() {
    each("accountUpdateHash", 10, |input, output| {
        let body: Body = read(input);
        for (network, expected) in output.as_object().unwrap() {
            assert_eq!(hash::body_hash(&body, &domain(network)), fp(expected), "{network}");
        }
        let mut json = serde_json::to_value(&body).unwrap();
        // A body by itself does not know where it stands.
        json["callDepth"] = input["callDepth"].clone();
        assert_eq!(&json, input);
    });
}

#[test]
fn item_11_commitments_of_all_networks() {
    each("commitments", 5, |input, output| {
        let command: ZkappCommand = read(input);
        assert_eq!(&serde_json::to_value(&command).unwrap(), input);
        assert_eq!(output.as_object().unwrap().len(), 4);
        for (network, expected) in output.as_object().unwrap() {
            let hashes = hash::command_hashes(&command, &domain(network));
            assert_eq!(hashes.commitment, fp(&expected["commitment"]), "{network}");
            assert_eq!(hashes.full_commitment, fp(&expected["fullCommitment"]), "{network}");
            assert_eq!(hashes.fee_payer, fp(&expected["feePayerHash"]), "{network}");
            // The signatures in the file are for the testnet.
            let valid = signature::verify_zkapp_command(&command, &hashes, &domain(network));
            assert_eq!(valid.is_ok(), network == "testnet");
        }
    });
}

#[test]
fn commitments_of_many_commands_at_once() {
    let mut commands = Vec::new();
    let file = json("ledger/hashing.json");
    for vector in file["vectors"].as_array().unwrap() {
        if vector["kind"] == "commitments" {
            commands.push(read::<ZkappCommand>(&vector["input"]));
        }
    }
    let domain = domain("mainnet");
    let many = hash::command_hashes_many(&commands.iter().collect::<Vec<_>>(), &domain);
    assert_eq!(many.len(), 5);
    for (command, hashes) in commands.iter().zip(many) {
        assert_eq!(hash::command_hashes(command, &domain), hashes);
        assert_eq!(hashes.forest.bodies.len(), command.account_updates.len());
    }
    assert_eq!(ForestHashes::default().forest(0, 0), mina_curves::Fp::from(0u64));
}

#[test]
fn item_15_zkapp_transaction_hashes() {
    each("zkappCommandHash", 6, |input, output| {
        let command: ZkappCommand = read(input);
        let hash = TransactionHash::of_zkapp_command(&command);
        assert_eq!(hash.to_base58(), output.as_str().unwrap());
        assert_eq!(TransactionHash::from_base58(&hash.to_base58()).unwrap(), hash);
    });
}

#[test]
fn item_14_payments_and_delegations() {
    let check = |input: &Value, output: &Value, payload| {
        let domain = domain(input["network"].as_str().unwrap());
        let secret = from_decimal(input["secret"].as_str().unwrap()).unwrap();
        let secret = PrivateKey::new(secret).unwrap();
        let expected = Signature::from(read::<SignatureJson>(&output["signature"]));
        let signature = signature::sign_payload(&payload, &secret, &domain).unwrap();
        assert_eq!(signature, expected);
        signature::verify_payload(&signature, &payload, &domain).unwrap();
        let hash = TransactionHash::of_signed_command(&payload);
        assert_eq!(hash.to_base58(), output["hash"].as_str().unwrap());
    };
    each("payment", 3, |input, output| {
        let data: PaymentJson = read(&input["data"]);
        assert_eq!(serde_json::to_value(&data).unwrap(), input["data"]);
        check(input, output, data.to_payload().unwrap());
    });
    each("delegation", 3, |input, output| {
        let data: DelegationJson = read(&input["data"]);
        assert_eq!(serde_json::to_value(&data).unwrap(), input["data"]);
        check(input, output, data.to_payload().unwrap());
    });
}

#[test]
fn field_signatures() {
    each("fieldSignature", 4, |input, output| {
        let domain = domain(input["network"].as_str().unwrap());
        let secret = from_decimal(input["secret"].as_str().unwrap()).unwrap();
        let secret = PrivateKey::new(secret).unwrap();
        let message = [fp(&input["message"])];
        let signature = signature::sign_fields(&message, &secret, &domain).unwrap();
        assert_eq!(signature.to_base58(), output.as_str().unwrap());
        let key: PublicKey = read(&input["address"]);
        signature::verify_fields(&signature, &message, &key, &domain).unwrap();
    });
}

#[test]
fn item_17_zkapp_receipts() {
    each("receiptChainHash", 6, |input, output| {
        let index = input["accountUpdateIndex"].as_u64().unwrap().try_into().unwrap();
        let receipt = fp(&input["receiptChainHash"]);
        let commitment = fp(&input["fullCommitment"]);
        assert_eq!(hash::zkapp_receipt(receipt, index, commitment), fp(output));
    });
}

/// The pinned constants are the hashes that they are named after.
#[test]
fn constants_are_recomputed() {
    use mina_poseidon::{Kimchi, Legacy, hash as poseidon, salted, salted_unpadded};
    let first = |[x, _, _]: [mina_curves::Fp; 3]| x;
    let kimchi = |name| first(salted_unpadded::<mina_curves::Fp, Kimchi>(name));
    assert_eq!(constants::EMPTY_ACTION_STATE, kimchi("MinaZkappActionStateEmptyElt"));
    assert_eq!(constants::EMPTY_EVENTS_HASH, kimchi("MinaZkappEventsEmpty"));
    assert_eq!(constants::EMPTY_ACTIONS_HASH, kimchi("MinaZkappActionsEmpty"));
    assert_eq!(
        constants::EMPTY_RECEIPT_CHAIN_HASH,
        first(salted_unpadded::<mina_curves::Fp, Legacy>("CodaReceiptEmpty"))
    );
    let zero = mina_curves::Fp::from(0u64);
    let uri = salted::<mina_curves::Fp, Kimchi>("MinaZkappUri");
    assert_eq!(constants::NO_URI_HASH, hash::hash_one(&uri, &[zero, zero]));
    assert_ne!(poseidon::<mina_curves::Fp, Kimchi>(&[zero]), zero);
    let dummy = crate::support::keys(&json("ledger/hashing.json"));
    let dummy_hash = mina_ledger::types::to_decimal(constants::DUMMY_VERIFICATION_KEY_HASH);
    assert!(dummy.contains_key(&dummy_hash));
    assert_eq!(LegacyInput::new().into_fields(), []);
}
