//! Nothing panics on changed input: 10^5 seeded mutations of JSON and bin_prot.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mina_ledger::{
    Domain,
    binprot::{
        NoProofs, read_signed_command, read_zkapp_command, write_signed_command,
        write_zkapp_command,
    },
    hash::{TransactionHash, command_hashes},
    ledger::FullLedger,
    logic::{Context, MINIMUM_FEE, apply_signed_command, apply_zkapp_command, check_zkapp_command},
    replay::replay_str,
    signature::{verify_payload, verify_zkapp_command},
    types::{
        Account, Amount, Authorization, Era, Memo, PaymentJson, PrivateKey, ProtocolStateView,
        PublicKey, Signature, SignedCommand, Slot, TokenId, ZkappCommand,
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::Value;

use crate::support::{json, read};

/// Changes, inserts, removes, repeats or swaps some bytes.
fn mutate(bytes: &mut Vec<u8>, rng: &mut ChaCha20Rng) {
    const JSON: &[u8] = b"0123456789\"{}[],:-.eEtfn \\u";
    for _ in 0..rng.gen_range(1..4) {
        if bytes.is_empty() {
            bytes.push(rng.r#gen());
            continue;
        }
        let at = rng.gen_range(0..bytes.len());
        match rng.gen_range(0..7) {
            0 => bytes[at] ^= 1 << rng.gen_range(0..8),
            1 => bytes[at] = JSON[rng.gen_range(0..JSON.len())],
            2 => bytes[at] = rng.r#gen(),
            3 => drop(bytes.remove(at)),
            4 => bytes.insert(at, JSON[rng.gen_range(0..JSON.len())]),
            5 => bytes.truncate(at),
            _ => {
                let end = (at + rng.gen_range(1..40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = rng.gen_range(0..=bytes.len());
                bytes.splice(to..to, copy);
            }
        }
    }
}

/// Runs `check` on mutations of the samples; it says whether the input was accepted.
fn fuzz(name: &str, count: usize, samples: &[Vec<u8>], check: impl Fn(&[u8]) -> bool) {
    assert!(!samples.is_empty());
    for sample in samples {
        assert!(check(sample), "{name}: an unchanged sample is refused");
    }
    let seed = 0x6d69_6e61;
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut accepted = 0;
    for round in 0..count {
        let mut bytes = samples[round % samples.len()].clone();
        mutate(&mut bytes, &mut rng);
        let result = catch_unwind(AssertUnwindSafe(|| check(&bytes)));
        accepted += usize::from(result.unwrap_or_else(|_| {
            panic!("{name}: seed {seed}, round {round}: {}", String::from_utf8_lossy(&bytes))
        }));
    }
    println!("{name}: {accepted} of {count} accepted");
    assert!(accepted < count);
}

fn commands() -> Vec<ZkappCommand> {
    let file = json("ledger/transactions.json.gz");
    let commands = file["cases"].as_array().unwrap().iter().step_by(10);
    let parsed = commands
        .filter_map(|case| <ZkappCommand as serde::Deserialize>::deserialize(&case["command"]).ok())
        .filter(|command| {
            command
                .account_updates
                .updates()
                .all(|u| !matches!(u.authorization, Authorization::Proof(_)))
        });
    let commands: Vec<_> = parsed.collect();
    assert!(commands.len() > 20);
    commands
}

/// Does everything with a command that takes no ledger, and applies it to an empty one.
fn exercise(command: &ZkappCommand) {
    let domain = Domain::default();
    let _ = check_zkapp_command(command, Era::Berkeley, MINIMUM_FEE);
    let _ = TransactionHash::of_zkapp_command(command);
    let hashes = command_hashes(command, &domain);
    let _ = verify_zkapp_command(command, &hashes, &domain);
    let view = ProtocolStateView::default();
    let payer = mina_ledger::types::AccountId::of(command.fee_payer.body.public_key);
    let mut account = Account::new(payer, Amount::MAX, Era::Berkeley);
    account.nonce = command.fee_payer.body.nonce;
    let mut ledger = FullLedger::from_accounts([account], Era::Berkeley).unwrap();
    let context = Context {
        era: Era::Berkeley,
        account_creation_fee: 1.into(),
        slot: Slot::new(5),
        view: &view,
        rule: None,
    };
    let _ = apply_zkapp_command(&mut ledger, command, &hashes, &context, &mut ());
}

#[test]
fn json_of_zkapp_commands() {
    let samples: Vec<Vec<u8>> =
        commands().iter().map(|command| serde_json::to_vec(command).unwrap()).collect();
    fuzz("zkApp command JSON", 40_000, &samples, |bytes| {
        let Ok(command) = serde_json::from_slice::<ZkappCommand>(bytes) else { return false };
        let written = serde_json::to_vec(&command).unwrap();
        assert_eq!(serde_json::from_slice::<ZkappCommand>(&written).unwrap(), command);
        if bytes.len() % 16 == 0 {
            exercise(&command);
        }
        true
    });
}

#[test]
fn bin_prot_of_zkapp_commands() {
    let commands = commands();
    let samples: Vec<Vec<u8>> =
        commands.iter().map(|command| write_zkapp_command(command, &NoProofs).unwrap()).collect();
    for (bytes, command) in samples.iter().zip(&commands) {
        assert_eq!(&read_zkapp_command(bytes, Era::Berkeley, &NoProofs).unwrap(), command);
    }
    fuzz("zkApp command bin_prot", 40_000, &samples, |bytes| {
        let Ok(command) = read_zkapp_command(bytes, Era::Berkeley, &NoProofs) else { return false };
        let written = write_zkapp_command(&command, &NoProofs).unwrap();
        assert_eq!(read_zkapp_command(&written, Era::Berkeley, &NoProofs).unwrap(), command);
        if bytes.last().is_some_and(|byte| byte % 16 == 0) && bytes.len() % 4 == 0 {
            exercise(&command);
        }
        true
    });
}

#[test]
fn json_and_bin_prot_of_signed_commands() {
    let file = json("ledger/hashing.json");
    let payments: Vec<&Value> =
        file["vectors"].as_array().unwrap().iter().filter(|v| v["kind"] == "payment").collect();
    let samples: Vec<Vec<u8>> =
        payments.iter().map(|v| v["input"]["data"].to_string().into_bytes()).collect();
    fuzz("payment JSON", 10_000, &samples, |bytes| {
        serde_json::from_slice::<PaymentJson>(bytes)
            .is_ok_and(|payment| payment.to_payload().is_ok())
    });
    let samples: Vec<Vec<u8>> = payments
        .iter()
        .map(|v| {
            let payload = read::<PaymentJson>(&v["input"]["data"]).to_payload().unwrap();
            write_signed_command(&SignedCommand { payload, signature: Signature::DUMMY })
        })
        .collect();
    let domain = Domain::default();
    let view = ProtocolStateView::default();
    fuzz("signed command bin_prot", 20_000, &samples, |bytes| {
        let Ok(command) = read_signed_command(bytes) else { return false };
        assert_eq!(read_signed_command(&write_signed_command(&command)).unwrap(), command);
        if bytes.len() % 8 == 0 {
            let _ = verify_payload(&command.signature, &command.payload, &domain);
        }
        let context = Context {
            era: Era::Berkeley,
            account_creation_fee: 1.into(),
            slot: Slot::ZERO,
            view: &view,
            rule: None,
        };
        let _ =
            apply_signed_command(&mut FullLedger::new(Era::Berkeley), &command.payload, &context);
        true
    });
}

#[test]
fn json_of_accounts_and_encodings() {
    let file = json("ledger/hashing.json");
    let keys = crate::support::keys(&file);
    let accounts: Vec<Vec<u8>> = file["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|v| v["kind"] == "accountHash")
        .map(|v| crate::support::with_key_data(&v["input"], &keys).to_string().into_bytes())
        .collect();
    fuzz("account JSON", 10_000, &accounts, |bytes| {
        let Ok(account) = serde_json::from_slice::<Account>(bytes) else { return false };
        mina_ledger::hash::account_hash(&account, Era::Berkeley);
        true
    });
    let key = PrivateKey::new(5u64.into()).unwrap();
    let samples = [
        key.to_base58(),
        key.to_public_key().to_base58(),
        Signature::DUMMY.to_base58(),
        TokenId::DEFAULT.to_base58(),
        Memo::EMPTY.to_base58(),
    ]
    .map(String::into_bytes);
    fuzz("base58", 10_000, &samples, |bytes| {
        let Ok(text) = core::str::from_utf8(bytes) else { return false };
        PrivateKey::from_base58(text).is_ok()
            | PublicKey::from_base58(text).is_ok()
            | Signature::from_base58(text).is_ok()
            | TokenId::from_base58(text).is_ok()
            | Memo::from_base58(text).is_ok()
    });
}

/// A file of cases is input, too.
#[test]
fn files_of_cases() {
    let mut file = json("ledger/transactions.json.gz");
    file["cases"].as_array_mut().unwrap().truncate(1);
    let sample = file.to_string().into_bytes();
    fuzz("cases", 300, &[sample], |bytes| {
        core::str::from_utf8(bytes).is_ok_and(|text| replay_str(text).is_ok())
    });
}
