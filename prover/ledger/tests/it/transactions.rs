//! `ledger/transactions.json.gz`: zkApp commands through Mina's own transaction logic.

use mina_ledger::{
    replay::{ReplayError, replay_str},
    types::{Account, ZkappCommand, zkapp_command_from_json, zkapp_command_to_json},
};

use crate::support::{read, text};

#[test]
fn every_case_of_minas_logic() {
    let report = replay_str(&text("ledger/transactions.json.gz")).unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.total(), 420);
    // Six malformed commands that only get past Mina's inner layer.
    assert!(report.refused <= 6, "{report}");
}

/// A report is no good if it cannot find anything.
#[test]
fn a_changed_case_differs() {
    let original = text("ledger/transactions.json.gz");
    let mut file: serde_json::Value = serde_json::from_str(&original).unwrap();
    let cases = file["cases"].as_array_mut().unwrap();
    cases.truncate(30);
    let applied = cases.iter().position(|case| case["outcome"]["applied"] == true).unwrap();
    cases[applied]["accountsAfter"][0]["account"]["balance"] = "1".into();
    let report = replay_str(&file.to_string()).unwrap();
    assert_eq!(report.differing.len(), 1, "{report}");
    assert!(report.differing[0].differences.iter().any(|d| d.what.ends_with("balance")));

    file["format"] = "another".into();
    assert!(matches!(replay_str(&file.to_string()), Err(ReplayError::Format(_))));
    assert!(matches!(replay_str("{"), Err(ReplayError::Json(_))));
}

/// Commands are written as o1js writes them, to the byte: names, order, numbers as strings.
#[test]
fn json_is_that_of_o1js() {
    let text = text("ledger/transactions.json.gz");
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut count = 0;
    for case in file["cases"].as_array().unwrap() {
        // Some malformed commands have hashes that do not count, or depths that do not exist.
        if case["family"] == "malformed" {
            continue;
        }
        let command: ZkappCommand = read(&case["command"]);
        let written = zkapp_command_to_json(&command).unwrap();
        assert!(text.contains(&written), "{}: {written}", case["name"]);
        assert_eq!(zkapp_command_from_json(written.as_bytes()).unwrap(), command);
        for side in ["accountsBefore", "accountsAfter"] {
            let Some(entry) = case[side].as_array().and_then(|accounts| accounts.first()) else {
                continue;
            };
            if entry["account"]["zkapp"].is_null() {
                let account: Account = read(&entry["account"]);
                assert!(text.contains(&serde_json::to_string(&account).unwrap()));
            }
        }
        count += 1;
    }
    assert_eq!(count, 410);
}
